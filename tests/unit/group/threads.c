/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many threads at one service, with a real task pool and a real clock, while shards change hands:
 * for ThreadSanitizer, and to see that each op is done once.  How far the clients get is not checked.
 */

#define GROUP_WORLD_PLAIN
#include "group_world.h"

#include "weir/runtime/lock.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 4
#define COMMITS_PER_EPOCH 30

static atomic_int commits; /* acknowledged, of all threads */
static atomic_bool must_end;
static struct weir_lock log_lock; /* the fake log knows no threads */

struct slot {
    struct weir_group_join join;
    atomic_int done;
};

static enum weir_status locked_append(void *context, int32_t partition, struct weir_slice bytes,
                                      int32_t leader_epoch, struct weir_log_appended *out,
                                      struct weir_detail *detail)
{
    weir_lock_take(&log_lock);
    enum weir_status status = fake_append(context, partition, bytes, leader_epoch, out, detail);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status locked_read(void *context, int32_t partition, int64_t offset,
                                    size_t bytes_max, struct weir_buf *out,
                                    struct weir_detail *detail)
{
    weir_lock_take(&log_lock);
    enum weir_status status = fake_read(context, partition, offset, bytes_max, out, detail);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status locked_offsets(void *context, int32_t partition, int64_t *out_start,
                                       int64_t *out_high_watermark, int64_t *out_end)
{
    weir_lock_take(&log_lock);
    enum weir_status status =
        fake_offsets(context, partition, out_start, out_high_watermark, out_end);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status no_watch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    (void)context;
    (void)partition;
    (void)watch;
    return WEIR_OK;
}

static void no_unwatch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    (void)context;
    (void)partition;
    (void)watch;
}

static const struct weir_log_port locked_port = {.append = locked_append,
                                                 .read = locked_read,
                                                 .offsets = locked_offsets,
                                                 .batch_bytes_max = fake_batch_bytes_max,
                                                 .watch = no_watch,
                                                 .unwatch = no_unwatch};

static void slot_done(struct weir_group_op *op)
{
    struct weir_group_join *join = WEIR_CONTAINER_OF(op, struct weir_group_join, op);
    atomic_fetch_add(&WEIR_CONTAINER_OF(join, struct slot, join)->done, 1);
}

static void nothing_done(struct weir_group_op *op)
{
    (void)op;
}

static void commit_offset(const char *group, int64_t offset)
{
    struct weir_offset_commit_item item = {
        .topic = WEIR_SLICE("t"), .leader_epoch = -1, .offset = offset};
    struct weir_group_offset_commit_request request = {
        .group_id = weir_slice_str(group), .generation = -1, .retention_ms = -1};
    struct weir_offset_commit commit = {
        .op = {.done = nothing_done}, .items = &item, .item_count = 1};
    weir_group_offset_commit(world.service, &request, &commit);
    if (commit.op.status == WEIR_OK)
        atomic_fetch_add(&commits, 1);
    weir_group_op_free(&commit.op); /* the log commits at once: it is done */
}

static void *run_client(void *context)
{
    int thread = *(int *)context;
    for (int round = 0; !atomic_load(&must_end); round++) {
        char group[16];
        (void)snprintf(group, sizeof(group), "g%d", (thread + round) % 6); /* fits */
        struct slot *slot = weir_calloc(1, sizeof(*slot));
        slot->join.op.done = slot_done;
        struct weir_group_join_request request = join_request(group, WEIR_EMPTY_SLICE);
        request.requires_known_member_id = false;
        weir_group_join(world.service, &request, &slot->join);
        (void)heartbeat(group, WEIR_SLICE("m"), 1);
        commit_offset(thread % 2 == 0 ? "simple" : "plain", round);
        struct weir_group_list_request all = {0};
        struct weir_group_list list = {.op = {.done = nothing_done}};
        weir_group_list(world.service, &all, &list);
        weir_group_op_free(&list.op);
        if (!weir_group_cancel(world.service, &slot->join.op)) {
            while (atomic_load(&slot->done) == 0)
                sched_yield(); /* another thread is about to run it */
            cr_assert_eq(atomic_load(&slot->done), 1);
        }
        weir_group_op_free(&slot->join.op);
        weir_free(slot);
    }
    return NULL;
}

int main(void)
{
    fake_world_init(&world.base);
    world.base.batches_per_read = INT32_MAX;
    weir_task_pool_free(world.base.pool);
    weir_lock_init(&log_lock, WEIR_LOCK_RANK_LOG);
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 2, &world.base.pool, NULL), WEIR_OK);
    struct weir_group_config config = weir_group_config_default();
    config.initial_rebalance_delay_ms = 1;
    WEIR_ASSERT(weir_image_publisher_new(&world.images) == WEIR_OK);
    struct weir_group_service_options options = {.env = weir_env_posix(),
                                                 .images = world.images,
                                                 .statics = &world.statics,
                                                 .pool = world.base.pool,
                                                 .port = &locked_port,
                                                 .port_context = &world.base,
                                                 .config = config};
    cr_assert_eq(weir_group_service_new(&options, &world.service), WEIR_OK);
    struct weir_coordinator *coordinator = weir_group_service_coordinator(world.service);
    weir_coordinator_set_partition_count(coordinator, FAKE_PARTITIONS);
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, run_client, &numbers[i]), 0);
    }
    for (int32_t epoch = 1; epoch <= 15; epoch++) {
        for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
            cr_assert_eq(weir_coordinator_elected(coordinator, i, epoch), WEIR_OK);
        int until = atomic_load(&commits) + COMMITS_PER_EPOCH;
        while (atomic_load(&commits) < until)
            sched_yield(); /* let the clients get somewhere in this epoch */
        for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
            weir_coordinator_resigned(coordinator, i, epoch);
    }
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        cr_assert_eq(weir_coordinator_elected(coordinator, i, 100), WEIR_OK);
    atomic_store(&must_end, true);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    world_stop();
    weir_lock_done(&log_lock);
    return 0;
}
