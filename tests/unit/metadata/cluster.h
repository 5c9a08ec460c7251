/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A formatted directory with a controller on it, and short names for its operations. */

#include "temp_dir.h"

#include "weir/metadata/controller.h"
#include "weir/quorum/format.h"

#define NODE_ID 1

struct cluster {
    struct temp_dir dir;
    struct weir_env *env; /* NULL: the real one */
    struct weir_task_pool *pool;
    struct weir_image_publisher *publisher;
    struct weir_controller *controller;
    struct weir_arena arena;
    struct weir_static_configs statics;
    char cluster_id[64];
    struct weir_uuid directory_id;
    int64_t broker_epoch;
    struct weir_controller_op op;
    void (*failed)(void *context, enum weir_status status, const struct weir_detail *detail);
    void *failed_context;
};

static inline void cluster_open(struct cluster *cluster)
{
    struct weir_env *env = weir_env_posix();
    struct weir_detail detail = {{0}};
    const char *dirs[] = {cluster->dir.path};
    struct weir_dirs_options check = {
        .log_dirs = dirs, .log_dir_count = 1, .node_id = NODE_ID, .allow_format = true};
    struct weir_uuid metadata_id;
    cr_assert_eq(weir_dirs_check(env, &check, cluster->cluster_id, &cluster->directory_id,
                                 &metadata_id, &detail),
                 WEIR_OK, "%s", detail.text);
    cr_assert_eq(weir_task_pool_new(env, 2, &cluster->pool, &detail), WEIR_OK);
    cr_assert_eq(weir_image_publisher_new(&cluster->publisher), WEIR_OK);
    struct weir_controller_options options = {
        .env = cluster->env == NULL ? env : cluster->env,
        .pool = cluster->pool,
        .metadata_dir = cluster->dir.path,
        .node_id = NODE_ID,
        .cluster_id = cluster->cluster_id,
        .metadata_directory_id = cluster->directory_id,
        .statics = &cluster->statics,
        .publisher = cluster->publisher,
        .failed = cluster->failed,
        .failed_context = cluster->failed_context,
    };
    cr_assert_eq(weir_controller_open(&options, &cluster->controller, &detail), WEIR_OK, "%s",
                 detail.text);
}

static inline void cluster_close(struct cluster *cluster)
{
    weir_controller_close(cluster->controller);
    weir_image_publisher_free(cluster->publisher);
    weir_task_pool_free(cluster->pool);
    cluster->controller = NULL;
}

/* Fresh operation of this kind; the arena keeps what earlier ones answered. */
static inline struct weir_controller_op *cluster_op(struct cluster *cluster,
                                                    enum weir_controller_op_kind kind)
{
    cluster->op = (struct weir_controller_op){.kind = kind, .arena = &cluster->arena};
    return &cluster->op;
}

static inline enum weir_status cluster_run(struct cluster *cluster)
{
    weir_controller_run(cluster->controller, &cluster->op);
    return cluster->op.result.status;
}

/* This node registers and is unfenced, as at the start of a broker. */
static inline void cluster_join(struct cluster *cluster)
{
    struct weir_image_endpoint endpoint = {
        .name = WEIR_SLICE("PLAINTEXT"), .host = WEIR_SLICE("localhost"), .port = 9092};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_REGISTER_BROKER);
    op->register_broker = (struct weir_broker_registration){
        .id = NODE_ID,
        .incarnation_id = weir_uuid_small(77),
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .log_dirs = &cluster->directory_id,
        .log_dir_count = 1,
        .previous_epoch = -1,
    };
    cr_assert_eq(cluster_run(cluster), WEIR_OK, "%.*s",
                 WEIR_SLICE_ARGS(cluster->op.result.message));
    cluster->broker_epoch = op->register_broker.epoch;
    op = cluster_op(cluster, WEIR_CONTROLLER_UNFENCE_BROKER);
    op->broker = (struct weir_broker_change){.id = NODE_ID, .epoch = cluster->broker_epoch};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
}

static inline void cluster_init(struct cluster *cluster)
{
    *cluster = (struct cluster){.broker_epoch = -1};
    temp_dir_init(&cluster->dir);
    weir_arena_init(&cluster->arena, 0);
    cluster_open(cluster);
    cluster_join(cluster);
}

static inline void cluster_reopen(struct cluster *cluster)
{
    cluster_close(cluster);
    cluster_open(cluster);
}

static inline void cluster_done(struct cluster *cluster)
{
    cluster_close(cluster);
    weir_arena_done(&cluster->arena);
    temp_dir_done(&cluster->dir);
}

/* Creates one topic; the result is in *topic. */
static inline enum weir_status cluster_create(struct cluster *cluster, struct weir_new_topic *topic)
{
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_CREATE_TOPICS);
    op->create_topics = (struct weir_create_topics_op){.topics = topic, .topic_count = 1};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    return topic->result.status;
}

static inline struct weir_uuid cluster_topic(struct cluster *cluster, const char *name,
                                             int32_t partitions)
{
    struct weir_new_topic topic = {
        .name = weir_slice_str(name), .partition_count = partitions, .replication_factor = 1};
    cr_assert_eq(cluster_create(cluster, &topic), WEIR_OK, "%.*s",
                 WEIR_SLICE_ARGS(topic.result.message));
    return topic.id;
}

/* One change of one resource. */
static inline struct weir_controller_result cluster_alter(struct cluster *cluster, int8_t type,
                                                          const char *name, const char *key,
                                                          int8_t how, const char *value)
{
    struct weir_config_change change = {
        .name = weir_slice_str(key), .op = how, .value = weir_slice_str(value)};
    struct weir_config_alteration resource = {
        .type = type, .name = weir_slice_str(name), .changes = &change, .change_count = 1};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_ALTER_CONFIGS);
    op->alter_configs = (struct weir_alter_configs_op){.resources = &resource, .resource_count = 1};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    return resource.result;
}

/* The status and Kafka's exact words (NULL: none). */
#define assert_result(result, wanted_status, wanted_words)                                         \
    do {                                                                                           \
        struct weir_controller_result got = (result);                                              \
        const char *expected = (wanted_words);                                                     \
        cr_assert_eq(got.status, (wanted_status), "%s: %.*s", weir_status_name(got.status),        \
                     WEIR_SLICE_ARGS(got.message));                                                \
        if (expected == NULL)                                                                      \
            cr_assert(weir_slice_is_null(got.message));                                            \
        else                                                                                       \
            cr_assert(weir_slice_is(got.message, expected), "%.*s", WEIR_SLICE_ARGS(got.message)); \
    } while (0)
