/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

#include "weir/base/memory.h"

/* The real world, but for syncs that fail when they are told to. */
struct bad_disk {
    struct weir_env_ops ops;
    struct weir_env env;
    bool fails;
};

static struct bad_disk *disk;

static enum weir_status bad_sync(void *env, struct weir_file *file, bool with_metadata,
                                 struct weir_detail *detail)
{
    if (!disk->fails)
        return weir_env_posix()->ops->sync(env, file, with_metadata, detail);
    weir_detail_set(detail, "the disk is gone");
    return WEIR_IO_ERROR;
}

static void bad_disk_init(struct bad_disk *bad)
{
    *bad = (struct bad_disk){.ops = *weir_env_posix()->ops};
    bad->ops.sync = bad_sync;
    bad->env = (struct weir_env){.ops = &bad->ops, .context = weir_env_posix()->context};
    disk = bad;
}

static void count_failures(void *context, enum weir_status status, const struct weir_detail *detail)
{
    (void)status;
    cr_assert_gt(strlen(detail->text), 0);
    (*(int *)context)++;
}

Test(controller_faults, failed_sync_ends_the_controller_and_publishes_nothing)
{
    struct bad_disk bad;
    bad_disk_init(&bad);
    int failures = 0;
    struct cluster cluster = {
        .env = &bad.env, .failed = count_failures, .failed_context = &failures};
    temp_dir_init(&cluster.dir);
    weir_arena_init(&cluster.arena, 0);
    cluster_open(&cluster);
    cluster_join(&cluster);
    (void)cluster_topic(&cluster, "before", 1);
    bad.fails = true;
    for (int i = 0; i < 2; i++) {
        struct weir_new_topic topic = {
            .name = WEIR_SLICE("lost"), .partition_count = 1, .replication_factor = 1};
        struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_CREATE_TOPICS);
        op->create_topics = (struct weir_create_topics_op){.topics = &topic, .topic_count = 1};
        cr_assert_eq(cluster_run(&cluster), WEIR_KAFKA_STORAGE_ERROR);
    }
    bad.fails = false; /* too late: nothing is tried again */
    (void)cluster_op(&cluster, WEIR_CONTROLLER_SNAPSHOT);
    cr_assert_eq(cluster_run(&cluster), WEIR_KAFKA_STORAGE_ERROR);
    cr_assert_eq(failures, 1);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_topic_count(image), 1);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(controller_faults, operation_without_memory_fails_and_the_next_one_works)
{
    struct cluster cluster;
    cluster_init(&cluster);
    for (long allocations = 1; allocations < 40; allocations++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%ld", allocations);
        struct weir_new_topic topic = {
            .name = weir_slice_str(name), .partition_count = 2, .replication_factor = 1};
        struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_CREATE_TOPICS);
        op->create_topics = (struct weir_create_topics_op){.topics = &topic, .topic_count = 1};
        weir_memory_fail_after(allocations);
        enum weir_status status = cluster_run(&cluster);
        weir_memory_fail_after(-1);
        if (status == WEIR_KAFKA_STORAGE_ERROR)
            break; /* it failed inside the log, which is final */
        bool is_created = status == WEIR_OK && topic.result.status == WEIR_OK;
        const struct weir_image *image = weir_image_ref_current(cluster.publisher);
        cr_assert_eq(weir_image_topic(image, weir_slice_str(name)) != NULL, is_created);
        weir_image_unref(image);
    }
    cluster_done(&cluster);
}
