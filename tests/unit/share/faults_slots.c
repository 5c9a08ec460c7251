/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Share partitions in use while the n-th allocation and all after it fail, for every n: every
 * acknowledgement is answered, nothing leaks, and when there is memory again all records can be
 * had, and those that were accepted are not among them.  A plain program for the leak checker.
 */

#include "../../../src/replication/partition_int.h"
#include "../../sim/check.h"
#include "../coordinator/fake_world.h"

#include "weir/record/batch_builder.h"
#include "weir/runtime/file_util.h"
#include "weir/share/share_partitions.h"

#include <unistd.h>

#define STATE_PARTITIONS 3
#define RECORDS          12
#define ALLOCATIONS      400
#define LOCK_MS          30000

static struct fake_world base;
static struct weir_share_coordinator *coordinator;
static struct weir_share_partitions *shares;
static struct weir_image_publisher *publisher;
static struct weir_static_configs statics;

/* The partition that is read; the same in all rounds. */
static char dir[64];
static struct weir_task_pool *pool;
static struct weir_flusher *flusher;
static struct weir_partition_world partition_world;
static struct weir_partition_log *the_log;
static struct weir_partition *partition;

static const struct weir_share_key key = {
    .group_id = {.data = (const uint8_t *)"g", .size = 1}, .topic_id = {{1, 2, 3}}, .partition = 0};

static int32_t partition_count(void *context, struct weir_uuid topic_id)
{
    (void)context;
    (void)topic_id;
    return STATE_PARTITIONS;
}

static enum weir_status delete_records(void *context, int32_t index, int64_t offset)
{
    (void)context;
    (void)index;
    (void)offset;
    return WEIR_OK;
}

static const struct weir_share_state_port state_port = {.partition_count = partition_count,
                                                        .delete_records = delete_records};

static struct weir_partition *find_partition(void *context, struct weir_uuid topic_id,
                                             int32_t index)
{
    (void)context;
    (void)topic_id;
    return index == 0 ? weir_partition_ref(partition) : NULL;
}

static void produce_all(void)
{
    for (int i = 0; i < RECORDS; i++) {
        struct weir_buf bytes = {0};
        struct weir_batch batch;
        struct weir_partition_appended appended;
        struct weir_produce_errors errors;
        struct weir_batch_builder *builder = NULL;
        struct weir_batch_builder_options options = weir_batch_builder_options_default();
        struct weir_record_data record = {.timestamp = FAKE_WALL_MS, .value = WEIR_SLICE("value")};
        CHECK(weir_batch_builder_new(&options, &bytes, &builder) == WEIR_OK);
        weir_batch_builder_add(builder, &record);
        CHECK(weir_batch_builder_finish(builder) == WEIR_OK);
        weir_batch_builder_free(builder);
        CHECK(weir_produce_records_check(weir_buf_slice(&bytes), true, &batch, NULL) == WEIR_OK);
        CHECK(weir_partition_produce(partition, &batch, &(struct weir_produce_terms){.acks = -1},
                                     &appended, &errors) == WEIR_OK);
        weir_produce_errors_done(&errors);
        weir_buf_done(&bytes);
    }
}

static void open_partition(void)
{
    static const int32_t replica = 1;
    static struct weir_image_topic topic;
    static struct weir_image_partition image;
    int32_t old_epoch;
    struct weir_env *env = weir_env_posix();
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-share-XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    char log_dir[80];
    (void)snprintf(log_dir, sizeof(log_dir), "%s/t-0", dir);
    struct weir_partition_log_options options = weir_partition_log_options_default();
    options.env = env;
    options.dir = log_dir;
    CHECK(weir_topic_partition_make(WEIR_SLICE("t"), 0, &options.key) == WEIR_OK);
    CHECK(weir_partition_log_open(&options, &the_log, NULL, NULL) == WEIR_OK);
    CHECK(weir_task_pool_new(env, 0, &pool, NULL) == WEIR_OK);
    CHECK(weir_flusher_new(pool, 1, &flusher) == WEIR_OK);
    partition_world =
        (struct weir_partition_world){.env = env, .pool = pool, .flusher = flusher, .broker_id = 1};
    topic = (struct weir_image_topic){.name = WEIR_SLICE("t"), .id = key.topic_id};
    image = (struct weir_image_partition){.leader = 1, .leader_epoch = 0, .partition_epoch = 0};
    image.replicas.items = &replica;
    image.replicas.count = 1;
    image.isr = image.replicas;
    CHECK(weir_partition_new(&partition_world, &topic, 0, weir_partition_log_ref(the_log),
                             &partition) == WEIR_OK);
    CHECK(weir_partition_apply(partition, &image, &old_epoch) == WEIR_ROLE_BECAME_LEADER);
    produce_all();
}

static void close_partition(void)
{
    weir_task_pool_free(pool);
    weir_partition_unref(partition);
    weir_flusher_free(flusher);
    weir_partition_log_unref(the_log);
    CHECK(weir_dir_remove_all(weir_env_posix(), dir, NULL) == WEIR_OK);
}

/* ---- A round ---- */

static void on_state(struct weir_share_state_op *op)
{
    (void)op;
}

static void elect_all(int32_t epoch)
{
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        CHECK(weir_coordinator_elected(weir_share_coordinator_shards(coordinator), i, epoch) ==
              WEIR_OK);
    fake_world_run(&base);
}

/* A shard without memory to go on stands still until it is loaded anew. */
static void restart_coordinator(void)
{
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        weir_coordinator_resigned(weir_share_coordinator_shards(coordinator), i, 1);
    elect_all(2);
}

static void start(void)
{
    fake_world_init(&base);
    base.ops.read_at = weir_env_posix()->ops->read_at;
    struct weir_share_coordinator_options options = {.env = &base.env,
                                                     .pool = base.pool,
                                                     .log_port = &fake_port,
                                                     .log_port_context = &base,
                                                     .state_port = &state_port,
                                                     .config =
                                                         weir_share_coordinator_config_default()};
    CHECK(weir_share_coordinator_new(&options, &coordinator) == WEIR_OK);
    weir_coordinator_set_partition_count(weir_share_coordinator_shards(coordinator),
                                         FAKE_PARTITIONS);
    elect_all(1);
    struct weir_share_state_op op = {.done = on_state};
    weir_share_state_initialize(coordinator, &key, 1, 0, &op);
    CHECK(op.status == WEIR_OK);
    weir_share_state_op_free(&op);
    CHECK(weir_image_publisher_new(&publisher) == WEIR_OK);
    struct weir_share_partitions_options share_options = {.env = &base.env,
                                                          .pool = base.pool,
                                                          .publisher = publisher,
                                                          .find_partition = find_partition,
                                                          .statics = &statics,
                                                          .broker_id = 1,
                                                          .coordinator = coordinator,
                                                          .sessions_max = 10,
                                                          .partitions_max = 10};
    CHECK(weir_share_partitions_new(&share_options, &shares) == WEIR_OK);
}

static void stop(void)
{
    weir_share_partitions_stop(shares);
    weir_share_coordinator_stop(coordinator);
    fake_world_done(&base);
    weir_share_partitions_free(shares);
    weir_share_coordinator_free(coordinator);
    weir_image_publisher_free(publisher);
}

struct answer {
    struct weir_share_acknowledge_op op;
    int count;
};

static void on_acknowledged(struct weir_share_acknowledge_op *op)
{
    WEIR_CONTAINER_OF(op, struct answer, op)->count++;
}

static enum weir_status acknowledge(struct weir_slice member, int64_t first, int64_t last,
                                    int8_t type)
{
    struct answer answer = {.op.done = on_acknowledged};
    struct weir_share_acknowledgement item = {
        .first_offset = first, .last_offset = last, .types = &type, .type_count = 1};
    weir_share_acknowledge(shares, &key, member, &item, 1, &answer.op);
    fake_world_run(&base);
    CHECK(answer.count == 1);
    return answer.op.status;
}

/* What the member acquires is accepted (or released), and counted in `accepted` when the answer was
 * OK. */
static void take(struct weir_slice member, int32_t records_max, int8_t type, int *accepted)
{
    struct weir_share_slot *slot = NULL;
    bool is_new;
    if (weir_share_slot_get(shares, &key, &slot, &is_new) != WEIR_OK)
        return;
    fake_world_run(&base);
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_share_read_terms terms = {.member_id = member,
                                          .bytes_max = 1 << 20,
                                          .records_max = records_max,
                                          .batch_size = 2,
                                          .is_record_limited = true};
    struct weir_share_read read = {0};
    int64_t bytes;
    /* Either may fail: then there is less to acknowledge. */
    enum weir_status status = weir_share_slot_look(slot, &terms, &bytes);
    if (status == WEIR_OK)
        status = weir_share_slot_acquire(slot, &terms, &arena, &read);
    CHECK(status == WEIR_OK || read.acquired_count == 0);
    if (read.range.size > 0 && read.range.release != NULL)
        read.range.release(read.range.owner);
    for (size_t i = 0; i < read.acquired_count; i++) {
        const struct weir_share_acquired *got = &read.acquired[i];
        for (int64_t at = got->first_offset; at <= got->last_offset; at++)
            CHECK(accepted[at] == 0);
        status = acknowledge(member, got->first_offset, got->last_offset, type);
        for (int64_t at = got->first_offset; at <= got->last_offset; at++)
            accepted[at] += status == WEIR_OK && type == WEIR_SHARE_ACCEPT;
    }
    weir_arena_done(&arena);
    weir_share_slot_unref(slot);
}

static void begin_session(struct weir_slice member)
{
    struct weir_share_session_partition wanted = {.topic_id = key.topic_id, .partition = 0};
    struct weir_share_session_request request = {.group_id = key.group_id,
                                                 .member_id = member,
                                                 .epoch = WEIR_SHARE_SESSION_INITIAL_EPOCH,
                                                 .connection_id = 7,
                                                 .wanted = &wanted,
                                                 .wanted_count = 1};
    const struct weir_share_session_partition *items;
    size_t count;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    enum weir_status status = weir_share_sessions_fetch(weir_share_partitions_sessions(shares),
                                                        &request, &arena, &items, &count);
    CHECK(status == WEIR_OK || status == WEIR_NO_MEMORY);
    weir_arena_done(&arena);
}

static void live(int *accepted)
{
    begin_session(WEIR_SLICE("a"));
    begin_session(WEIR_SLICE("b"));
    take(WEIR_SLICE("a"), 3, WEIR_SHARE_ACCEPT, accepted);
    take(WEIR_SLICE("b"), 2, WEIR_SHARE_RELEASE, accepted);
    take(WEIR_SLICE("b"), 4, WEIR_SHARE_RENEW, accepted);
    fake_world_advance(&base, LOCK_MS / 2);
    take(WEIR_SLICE("a"), 2, WEIR_SHARE_RENEW, accepted);
    (void)weir_share_partitions_end_session(shares, key.group_id, WEIR_SLICE("a"));
    fake_world_advance(&base, LOCK_MS / 2 + 1000);
    take(WEIR_SLICE("b"), 1, WEIR_SHARE_ACCEPT, accepted);
    weir_share_partitions_connection_ended(shares, 7);
    fake_world_run(&base);
}

int main(void)
{
    open_partition();
    for (long n = 0; n < ALLOCATIONS; n++) {
        int accepted[RECORDS] = {0};
        start();
        weir_memory_fail_after(n);
        live(accepted);
        weir_memory_fail_after(-1);
        restart_coordinator();
        /* Nobody holds anything any more, be it that locks ran out. */
        for (int i = 0; i < 4 * RECORDS; i++) {
            fake_world_advance(&base, LOCK_MS / 4);
            take(WEIR_SLICE("c"), RECORDS, WEIR_SHARE_ACCEPT, accepted);
        }
        for (int i = 0; i < RECORDS; i++)
            CHECK(accepted[i] == 1);
        stop();
    }
    close_partition();
    return 0;
}
