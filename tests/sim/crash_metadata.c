/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Power fails at any moment of a controller's life.
 *
 *  - An operation that was answered with OK is there afterwards: topics with their ids and
 *    partitions, deletions, configs.
 *  - One that failed or was under way happened whole or not at all.
 *  - Producer ids are never given out twice, and the leader epoch only grows.
 *  - The directory opens again, whatever call the machine died in.
 *
 * usage: crash_metadata [SEED [ROUNDS]]     a failing round names its seed: crash_metadata SEED 1
 */

#include "check.h"
#include "false_env.h"

#include "weir/base/memory.h"
#include "weir/metadata/controller.h"
#include "weir/quorum/format.h"

#include <stdlib.h>

#define ROUNDS     400
#define DIR        "/data"
#define NODE_ID    1
#define TOPICS     12
#define STEPS_MAX  25
#define CALLS_MAX  150
#define NAME_BYTES 16

/* What was told about one name; an unsure one may be as before or as it was to become. */
struct topic {
    bool exists;
    bool may_exist;
    bool may_be_absent;
    struct weir_uuid id; /* zero when the answer never came */
    int32_t partitions;
    int32_t unsure_partitions; /* 0: none */
    int64_t retention_ms;      /* 0: not set */
    int64_t unsure_retention_ms;
};

struct story {
    struct false_env *world;
    struct weir_env *env;
    uint64_t seed;
    struct weir_task_pool *pool;
    struct weir_image_publisher *publisher;
    struct weir_controller *controller;
    struct weir_static_configs statics;
    struct weir_arena arena;
    char cluster_id[64];
    struct topic topics[TOPICS];
    int64_t next_producer_id; /* all below may have been given out */
    int32_t leader_epoch;
    int64_t broker_epoch;
    int64_t next_value;
};

static uint64_t random_below(struct story *story, uint64_t below)
{
    uint64_t z = (story->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static struct weir_slice name_of(size_t topic, char out[NAME_BYTES])
{
    (void)snprintf(out, NAME_BYTES, "t%zu", topic);
    return weir_slice_str(out);
}

static enum weir_status run(struct story *story, struct weir_controller_op *op)
{
    op->arena = &story->arena;
    weir_controller_run(story->controller, op);
    return op->result.status;
}

/* ---- Life ---- */

static enum weir_status join(struct story *story, struct weir_uuid directory_id)
{
    struct weir_image_endpoint endpoint = {
        .name = WEIR_SLICE("PLAINTEXT"), .host = WEIR_SLICE("localhost"), .port = 9092};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_REGISTER_BROKER};
    op.register_broker = (struct weir_broker_registration){
        .id = NODE_ID,
        .incarnation_id = weir_uuid_small(77),
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .log_dirs = &directory_id,
        .log_dir_count = 1,
        .previous_epoch = -1,
    };
    enum weir_status status = run(story, &op);
    if (status != WEIR_OK)
        return status;
    story->broker_epoch = op.register_broker.epoch;
    struct weir_controller_op unfence = {.kind = WEIR_CONTROLLER_UNFENCE_BROKER};
    unfence.broker = (struct weir_broker_change){.id = NODE_ID, .epoch = story->broker_epoch};
    return run(story, &unfence);
}

static enum weir_status open_controller(struct story *story, struct weir_detail *detail)
{
    const char *dirs[] = {DIR};
    struct weir_dirs_options check = {
        .log_dirs = dirs, .log_dir_count = 1, .node_id = NODE_ID, .allow_format = true};
    struct weir_uuid directory_id, metadata_id;
    enum weir_status status =
        weir_dirs_check(story->env, &check, story->cluster_id, &directory_id, &metadata_id, detail);
    if (status != WEIR_OK)
        return status;
    /* The pool waits in real time. */
    CHECK_OK(weir_task_pool_new(weir_env_posix(), 1, &story->pool, detail), *detail);
    CHECK(weir_image_publisher_new(&story->publisher) == WEIR_OK);
    struct weir_controller_options options = {
        .env = story->env,
        .pool = story->pool,
        .metadata_dir = DIR,
        .node_id = NODE_ID,
        .cluster_id = story->cluster_id,
        .metadata_directory_id = metadata_id,
        .statics = &story->statics,
        .publisher = story->publisher,
    };
    status = weir_controller_open(&options, &story->controller, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_controller_quorum_info info;
    weir_controller_quorum_info(story->controller, &info);
    CHECK(info.leader_epoch > story->leader_epoch, "epoch %d after %d", info.leader_epoch,
          story->leader_epoch);
    story->leader_epoch = info.leader_epoch;
    status = join(story, directory_id);
    if (status != WEIR_OK)
        weir_detail_set(detail, "the broker was not registered");
    return status;
}

static void close_controller(struct story *story)
{
    weir_controller_close(story->controller);
    weir_image_publisher_free(story->publisher);
    if (story->pool != NULL)
        weir_task_pool_free(story->pool);
    story->controller = NULL;
    story->publisher = NULL;
    story->pool = NULL;
    weir_arena_reset(&story->arena);
}

/* ---- Steps ---- */

static enum weir_status worse(enum weir_status whole, enum weir_status item)
{
    return whole == WEIR_OK ? item : whole;
}

static enum weir_status create(struct story *story, size_t number)
{
    char name[NAME_BYTES];
    struct topic *topic = &story->topics[number];
    struct weir_new_topic item = {.name = name_of(number, name),
                                  .partition_count = 1 + (int32_t)random_below(story, 4),
                                  .replication_factor = 1};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_CREATE_TOPICS};
    op.create_topics = (struct weir_create_topics_op){.topics = &item, .topic_count = 1};
    enum weir_status status = run(story, &op);
    status = worse(status, item.result.status);
    *topic = (struct topic){.partitions = item.partition_count};
    topic->exists = status == WEIR_OK;
    topic->may_exist = status != WEIR_OK;
    topic->may_be_absent = status != WEIR_OK;
    topic->id = status == WEIR_OK ? item.id : (struct weir_uuid){{0}};
    return status;
}

static enum weir_status delete_topic(struct story *story, size_t number)
{
    char name[NAME_BYTES];
    struct topic *topic = &story->topics[number];
    struct weir_topic_deletion item = {.name = name_of(number, name)};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_DELETE_TOPICS};
    op.delete_topics = (struct weir_delete_topics_op){.topics = &item, .topic_count = 1};
    enum weir_status status = run(story, &op);
    status = worse(status, item.result.status);
    topic->exists = false;
    topic->may_exist = status != WEIR_OK;
    topic->may_be_absent = status != WEIR_OK;
    return status;
}

static enum weir_status grow(struct story *story, size_t number)
{
    char name[NAME_BYTES];
    struct topic *topic = &story->topics[number];
    struct weir_topic_growth item = {.name = name_of(number, name),
                                     .partition_count = topic->partitions + 2};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_CREATE_PARTITIONS};
    op.create_partitions = (struct weir_create_partitions_op){.topics = &item, .topic_count = 1};
    enum weir_status status = run(story, &op);
    status = worse(status, item.result.status);
    if (status == WEIR_OK)
        topic->partitions = item.partition_count;
    else
        topic->unsure_partitions = item.partition_count;
    return status;
}

static enum weir_status alter(struct story *story, size_t number)
{
    char name[NAME_BYTES], value[32];
    struct topic *topic = &story->topics[number];
    int64_t retention_ms = 1000 + story->next_value++;
    (void)snprintf(value, sizeof(value), "%lld", (long long)retention_ms);
    struct weir_config_change change = {
        .name = WEIR_SLICE("retention.ms"), .op = WEIR_CONFIG_SET, .value = weir_slice_str(value)};
    struct weir_config_alteration item = {.type = WEIR_RESOURCE_TOPIC,
                                          .name = name_of(number, name),
                                          .changes = &change,
                                          .change_count = 1};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_ALTER_CONFIGS};
    op.alter_configs = (struct weir_alter_configs_op){.resources = &item, .resource_count = 1};
    enum weir_status status = run(story, &op);
    status = worse(status, item.result.status);
    if (status == WEIR_OK)
        topic->retention_ms = retention_ms;
    else
        topic->unsure_retention_ms = retention_ms;
    return status;
}

static enum weir_status allocate(struct story *story)
{
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_ALLOCATE_PRODUCER_IDS};
    op.allocate_producer_ids = (struct weir_allocate_producer_ids_op){
        .broker_id = NODE_ID, .broker_epoch = story->broker_epoch};
    enum weir_status status = run(story, &op);
    if (status != WEIR_OK)
        return status;
    CHECK(op.allocate_producer_ids.first_id >= story->next_producer_id &&
              op.allocate_producer_ids.id_count > 0,
          "ids from %lld on again", (long long)op.allocate_producer_ids.first_id);
    story->next_producer_id = op.allocate_producer_ids.first_id + op.allocate_producer_ids.id_count;
    return WEIR_OK;
}

static enum weir_status step(struct story *story)
{
    size_t number = (size_t)random_below(story, TOPICS);
    false_env_step_ms(story->world, (int64_t)random_below(story, 1000));
    uint64_t what = random_below(story, 10);
    if (what == 0)
        return allocate(story);
    if (what == 1) {
        struct weir_controller_op op = {.kind = WEIR_CONTROLLER_SNAPSHOT};
        return run(story, &op);
    }
    if (!story->topics[number].exists)
        return create(story, number);
    if (what < 4)
        return delete_topic(story, number);
    return what < 7 ? alter(story, number) : grow(story, number);
}

/* ---- Judging ---- */

static int64_t retention_of(const struct weir_image *image, struct weir_slice name)
{
    const struct weir_image_config *config = weir_image_config(image, WEIR_RESOURCE_TOPIC, name);
    struct weir_slice value = config == NULL
                                  ? WEIR_NULL_SLICE
                                  : weir_image_config_get(config, WEIR_SLICE("retention.ms"));
    char text[32] = "";
    if (value.data != NULL)
        (void)snprintf(text, sizeof(text), "%.*s", WEIR_SLICE_ARGS(value));
    return strtoll(text, NULL, 10);
}

/* What is there becomes the truth. */
static void judge_topic(struct story *story, const struct weir_image *image, size_t number)
{
    char text[NAME_BYTES];
    struct weir_slice name = name_of(number, text);
    struct topic *topic = &story->topics[number];
    const struct weir_image_topic *found = weir_image_topic(image, name);
    int64_t retention_ms = retention_of(image, name);
    if (found == NULL) {
        CHECK(!topic->exists || topic->may_be_absent, "%s is gone", text);
        CHECK(retention_ms == 0, "%s is gone, its config is not", text);
        *topic = (struct topic){0};
        return;
    }
    CHECK(topic->exists || topic->may_exist, "%s is back", text);
    CHECK(weir_uuid_is_zero(topic->id) || weir_uuid_equal(topic->id, found->id),
          "%s has another id", text);
    CHECK(found->partition_count == topic->partitions ||
              found->partition_count == topic->unsure_partitions,
          "%s has %d partitions, not %d", text, found->partition_count, topic->partitions);
    for (int32_t i = 0; i < found->partition_count; i++)
        CHECK(found->partitions[i] != NULL, "%s-%d is missing", text, i);
    CHECK(retention_ms == topic->retention_ms || retention_ms == topic->unsure_retention_ms,
          "%s has retention.ms=%lld, not %lld", text, (long long)retention_ms,
          (long long)topic->retention_ms);
    *topic = (struct topic){.exists = true,
                            .id = found->id,
                            .partitions = found->partition_count,
                            .retention_ms = retention_ms};
}

static void judge(struct story *story)
{
    const struct weir_image *image = weir_image_ref_current(story->publisher);
    for (size_t i = 0; i < TOPICS; i++)
        judge_topic(story, image, i);
    weir_image_unref(image);
}

/* ---- Rounds ---- */

static void live(struct story *story)
{
    struct weir_detail detail = {{0}};
    false_env_set_fault(story->world,
                        (struct false_fault){.calls = FALSE_CALL_CHANGES,
                                             .nth = random_below(story, CALLS_MAX),
                                             .and_all_after = true,
                                             .status = WEIR_IO_ERROR,
                                             .is_short_write = random_below(story, 2) == 0});
    enum weir_status status = open_controller(story, &detail);
    if (status == WEIR_OK)
        judge(story);
    uint64_t steps = random_below(story, STEPS_MAX);
    for (uint64_t i = 0; i < steps && status == WEIR_OK; i++)
        status = step(story);
    /* A dead machine writes nothing more while the objects go. */
    false_env_set_fault(story->world, (struct false_fault){.calls = FALSE_CALL_ALL,
                                                           .nth = 1,
                                                           .and_all_after = true,
                                                           .status = WEIR_IO_ERROR});
    close_controller(story);
    CHECK(false_env_open_files(story->world) == 0);
    false_env_crash(story->world, FALSE_LOSS_TORN);
}

static void round_of(uint64_t seed)
{
    struct weir_detail detail = {{0}};
    struct story story = {.world = false_env_new(seed), .seed = seed, .broker_epoch = -1};
    story.env = false_env_env(story.world);
    weir_arena_init(&story.arena, 0);
    false_env_set_garbling(story.world, random_below(&story, 4) == 0);
    for (int i = 0; i < 3; i++)
        live(&story);
    CHECK_OK(open_controller(&story, &detail), detail);
    judge(&story);
    for (int i = 0; i < 5; i++)
        CHECK(step(&story) == WEIR_OK);
    judge(&story);
    close_controller(&story);
    weir_arena_done(&story.arena);
    false_env_free(story.world);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : ROUNDS;
    for (uint64_t i = 0; i < rounds; i++) {
        (void)fprintf(stderr, "\rseed %llu ", (unsigned long long)(seed + i));
        round_of(seed + i);
    }
    (void)fprintf(stderr, "\r%llu power losses and more\n", (unsigned long long)rounds);
    return 0;
}
