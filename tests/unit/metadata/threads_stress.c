/* SPDX-License-Identifier: Apache-2.0 */

/* Readers take images while the controller publishes new ones, and operations come from several
 * threads at once; for ThreadSanitizer.  Every image a reader sees must be whole, and no reader may
 * go back in time. */

#include "weir/metadata/controller.h"
#include "weir/quorum/format.h"
#include "weir/runtime/file_util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(expression)                                                                          \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { READERS = 2, WRITERS = 2, TOPICS = 40 };

struct shared {
    struct weir_image_publisher *publisher;
    struct weir_controller *controller;
    uint32_t stop; /* atomic */
};

struct writer {
    struct shared *shared;
    int index;
};

static void *read_images(void *context)
{
    struct shared *shared = context;
    struct weir_image_reader reader;
    weir_image_reader_init(&reader, shared->publisher);
    int64_t last = -1;
    while (__atomic_load_n(&shared->stop, __ATOMIC_RELAXED) == 0) {
        const struct weir_image *cached = weir_image_reader_current(&reader);
        CHECK(weir_image_last_offset(cached) >= last);
        last = weir_image_last_offset(cached);
        const struct weir_image *own = weir_image_ref_current(shared->publisher);
        int64_t partitions = 0;
        for (size_t i = 0; i < weir_image_topic_count(own); i++) {
            const struct weir_image_topic *topic = weir_image_topic_at(own, i);
            CHECK(weir_image_topic_by_id(own, topic->id) == topic);
            partitions += topic->partition_count;
        }
        CHECK(partitions == weir_image_partition_count(own));
        weir_image_unref(own);
    }
    weir_image_reader_done(&reader);
    return NULL;
}

static void create_and_grow(struct writer *writer, int number, struct weir_arena *arena)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "w%d-%d", writer->index, number);
    struct weir_new_topic topic = {
        .name = weir_slice_str(name), .partition_count = 2, .replication_factor = 1};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_CREATE_TOPICS, .arena = arena};
    op.create_topics = (struct weir_create_topics_op){.topics = &topic, .topic_count = 1};
    weir_controller_run(writer->shared->controller, &op);
    CHECK(topic.result.status == WEIR_OK);
    struct weir_topic_growth growth = {.name = weir_slice_str(name), .partition_count = 3};
    op = (struct weir_controller_op){.kind = WEIR_CONTROLLER_CREATE_PARTITIONS, .arena = arena};
    op.create_partitions = (struct weir_create_partitions_op){.topics = &growth, .topic_count = 1};
    weir_controller_run(writer->shared->controller, &op);
    CHECK(growth.result.status == WEIR_OK);
    if (number % 2 == 0)
        return;
    struct weir_topic_deletion deletion = {.name = weir_slice_str(name)};
    op = (struct weir_controller_op){.kind = WEIR_CONTROLLER_DELETE_TOPICS, .arena = arena};
    op.delete_topics = (struct weir_delete_topics_op){.topics = &deletion, .topic_count = 1};
    weir_controller_run(writer->shared->controller, &op);
    CHECK(deletion.result.status == WEIR_OK);
}

static void *write_topics(void *context)
{
    struct writer *writer = context;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    for (int i = 0; i < TOPICS; i++) {
        weir_arena_reset(&arena);
        create_and_grow(writer, i, &arena);
    }
    weir_arena_done(&arena);
    return NULL;
}

static void join_cluster(struct shared *shared, const struct weir_uuid *directory)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_REGISTER_BROKER, .arena = &arena};
    op.register_broker = (struct weir_broker_registration){
        .id = 1, .log_dirs = directory, .log_dir_count = 1, .previous_epoch = -1};
    weir_controller_run(shared->controller, &op);
    CHECK(op.result.status == WEIR_OK);
    op = (struct weir_controller_op){.kind = WEIR_CONTROLLER_UNFENCE_BROKER, .arena = &arena};
    op.broker = (struct weir_broker_change){.id = 1, .epoch = -1};
    weir_controller_run(shared->controller, &op);
    CHECK(op.result.status == WEIR_OK);
    weir_arena_done(&arena);
}

static void run_threads(struct shared *shared)
{
    pthread_t readers[READERS];
    pthread_t writers[WRITERS];
    struct writer contexts[WRITERS];
    for (int i = 0; i < READERS; i++)
        CHECK(pthread_create(&readers[i], NULL, read_images, shared) == 0);
    for (int i = 0; i < WRITERS; i++) {
        contexts[i] = (struct writer){.shared = shared, .index = i};
        CHECK(pthread_create(&writers[i], NULL, write_topics, &contexts[i]) == 0);
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK(pthread_join(writers[i], NULL) == 0);
    __atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < READERS; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
}

int main(void)
{
    struct weir_env *env = weir_env_posix();
    char dir[] = "/tmp/weir-test-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    const char *dirs[] = {dir};
    struct weir_dirs_options check = {
        .log_dirs = dirs, .log_dir_count = 1, .node_id = 1, .allow_format = true};
    char cluster_id[64];
    struct weir_uuid directory;
    struct weir_uuid metadata_directory;
    struct weir_detail detail = {{0}};
    CHECK(weir_dirs_check(env, &check, cluster_id, &directory, &metadata_directory, &detail) ==
          WEIR_OK);
    struct shared shared = {0};
    struct weir_task_pool *pool;
    struct weir_static_configs statics = {0};
    CHECK(weir_task_pool_new(env, 2, &pool, &detail) == WEIR_OK);
    CHECK(weir_image_publisher_new(&shared.publisher) == WEIR_OK);
    struct weir_controller_options options = {
        .env = env,
        .pool = pool,
        .metadata_dir = dir,
        .node_id = 1,
        .cluster_id = cluster_id,
        .metadata_directory_id = metadata_directory,
        .statics = &statics,
        .publisher = shared.publisher,
    };
    CHECK(weir_controller_open(&options, &shared.controller, &detail) == WEIR_OK);
    join_cluster(&shared, &directory);
    run_threads(&shared);
    const struct weir_image *image = weir_image_ref_current(shared.publisher);
    CHECK(weir_image_topic_count(image) == (size_t)WRITERS * TOPICS / 2);
    weir_image_unref(image);
    weir_controller_close(shared.controller);
    weir_image_publisher_free(shared.publisher);
    weir_task_pool_free(pool);
    CHECK(weir_dir_remove_all(env, dir, &detail) == WEIR_OK);
    return 0;
}
