/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A share partition over a real share coordinator, with members that accept, release, reject,
 * renew, fall silent or leave, writes that are refused, a log start that moves, and restarts of
 * both at any moment.  The checker keeps its own truth about each offset and knows nothing of runs:
 *
 *  T1  nobody acquires what another member holds within its lock
 *  T2  nobody acquires what was acknowledged or archived, once the answer said so - also after a
 *      restart
 *  T3  the delivery count is one more than the last that was stored or seen, and never above the
 *      limit
 *  T4  in the end, with members that accept all, each offset was accepted, archived or given up
 *  T5  the start offset never goes back
 */

#include "../unit/coordinator/fake_world.h"
#include "check.h"

#include "weir/share/share_coordinator.h"
#include "weir/share/share_partition.h"

#define OFFSETS      600
#define MEMBERS      4
#define STEPS        4000
#define LOCK_MS      1000
#define DELIVERIES   5
#define RECORD_LOCKS 150

struct truth {
    int holder; /* -1: nobody */
    int64_t lock_until_ms;
    int deliveries;        /* seen since the restart, or stored */
    int stored_deliveries; /* what a restart at least remembers */
    bool is_done;          /* an answer said so */
    bool may_be_done;      /* a change is or was under way */
};

struct story {
    struct fake_world world;
    struct weir_share_coordinator *coordinator;
    struct weir_share_partition *partition;
    struct weir_share_partition_config config;
    struct truth truth[OFFSETS];
    uint64_t random;
    int32_t leader_epoch;
    int64_t start_offset; /* the highest seen */
    int64_t log_start;
    int64_t log_end;
    int acquired;
    int restarts;
};

static uint32_t roll(struct story *story, uint32_t below)
{
    story->random = story->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(story->random >> 33) % below;
}

static int32_t partition_count(void *context, struct weir_uuid topic_id)
{
    (void)context;
    (void)topic_id;
    return 1;
}

static enum weir_status delete_records(void *context, int32_t partition, int64_t offset)
{
    (void)context;
    (void)partition;
    (void)offset;
    return WEIR_OK;
}

static const struct weir_share_state_port state_port = {.partition_count = partition_count,
                                                        .delete_records = delete_records};
static const struct weir_share_key key = {
    .group_id = {(const uint8_t *)"g", 1}, .topic_id = {{9}}, .partition = 0};

static struct weir_slice member_name(int member)
{
    static const char names[MEMBERS][3] = {"m0", "m1", "m2", "m3"};
    return weir_slice_str(names[member]);
}

struct call {
    struct weir_share_state_op op;
    bool is_done;
};

static void call_done(struct weir_share_state_op *op)
{
    WEIR_CONTAINER_OF(op, struct call, op)->is_done = true;
}

static void elect(struct story *story)
{
    story->leader_epoch++;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        CHECK(weir_coordinator_elected(weir_share_coordinator_shards(story->coordinator), i,
                                       story->leader_epoch) == WEIR_OK);
    fake_world_run(&story->world);
}

static void load(struct story *story)
{
    struct call call = {.op.done = call_done};
    weir_share_state_read(story->coordinator, &key, story->leader_epoch, &call.op);
    CHECK(call.is_done && call.op.status == WEIR_OK);
    CHECK(weir_share_partition_new(call.op.state_epoch, call.op.start_offset, call.op.batches,
                                   call.op.batch_count, &story->partition) == WEIR_OK);
    weir_share_partition_log_start_moved(story->partition, story->log_start);
    weir_share_state_op_free(&call.op);
}

static void restart(struct story *story)
{
    weir_share_partition_free(story->partition);
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        weir_coordinator_resigned(weir_share_coordinator_shards(story->coordinator), i,
                                  story->leader_epoch);
    elect(story);
    load(story);
    story->restarts++;
    story->start_offset = 0; /* what was passed but not stored is passed again */
    for (int i = 0; i < OFFSETS; i++) {
        story->truth[i].holder = -1;
        story->truth[i].deliveries = story->truth[i].stored_deliveries;
    }
}

static void look_at_start(struct story *story)
{
    int64_t start = weir_share_partition_start_offset(story->partition);
    CHECK(start >= story->start_offset); /* T5 */
    story->start_offset = start;
}

/* Stores a change; now and then that fails. */
static bool store(struct story *story, const struct weir_share_change *change)
{
    struct call call = {.op.done = call_done};
    struct weir_share_state_write write = {.state_epoch = change->state_epoch,
                                           .leader_epoch = story->leader_epoch,
                                           .start_offset = change->start_offset,
                                           .delivery_complete_count =
                                               change->delivery_complete_count,
                                           .batches = change->batches,
                                           .batch_count = change->batch_count};
    story->world.append_status = roll(story, 20) == 0 ? WEIR_NOT_ENOUGH_REPLICAS : WEIR_OK;
    weir_share_state_write(story->coordinator, &key, &write, &call.op);
    story->world.append_status = WEIR_OK;
    CHECK(call.is_done);
    bool was_stored = call.op.status == WEIR_OK;
    CHECK(was_stored || call.op.status == WEIR_COORDINATOR_NOT_AVAILABLE);
    weir_share_state_op_free(&call.op);
    for (size_t i = 0; i < change->batch_count && was_stored; i++) {
        const struct weir_share_batch *batch = &change->batches[i];
        for (int64_t offset = batch->first_offset; offset <= batch->last_offset; offset++)
            story->truth[offset].stored_deliveries = batch->delivery_count;
    }
    if (change->id != 0)
        (void)weir_share_partition_stored(story->partition, change->id, was_stored);
    return was_stored;
}

static void see_acquired(struct story *story, int member, const struct weir_share_acquired *item)
{
    for (int64_t offset = item->first_offset; offset <= item->last_offset; offset++) {
        struct truth *truth = &story->truth[offset];
        CHECK(offset >= story->log_start && offset < story->log_end);
        CHECK(truth->holder == -1 || truth->lock_until_ms <= story->world.now_ms); /* T1 */
        CHECK(!truth->is_done);                                                    /* T2 */
        CHECK(item->delivery_count == truth->deliveries + 1);                      /* T3 */
        CHECK(item->delivery_count <= DELIVERIES);
        truth->deliveries = item->delivery_count;
        truth->holder = member;
        truth->lock_until_ms = story->world.now_ms + LOCK_MS;
        story->acquired++;
    }
}

static void acquire(struct story *story, int member)
{
    struct weir_share_range batches[OFFSETS / 10];
    size_t count = 0;
    int64_t from = weir_share_partition_next_fetch_offset(story->partition);
    for (int64_t base = from / 10 * 10; base < story->log_end && count < 8; base += 10)
        batches[count++] = (struct weir_share_range){
            base, base + 9 < story->log_end ? base + 9 : story->log_end - 1};
    struct weir_share_acquire acquire = {.member_id = member_name(member),
                                         .fetch_offset = from,
                                         .log_batches = batches,
                                         .log_batch_count = count,
                                         .records_max = 1 + (int32_t)roll(story, 30),
                                         .batch_size = 1 + (int32_t)roll(story, 30),
                                         .is_record_limited = roll(story, 2) == 0};
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    const struct weir_share_acquired *items;
    size_t item_count;
    CHECK(weir_share_partition_acquire(story->partition, &story->config, &acquire,
                                       story->world.now_ms, &arena, &items,
                                       &item_count) == WEIR_OK);
    for (size_t i = 0; i < item_count; i++)
        see_acquired(story, member, &items[i]);
    weir_arena_done(&arena);
}

/* A member answers for a run of what it believes to hold. */
static void acknowledge(struct story *story, int member, bool only_accept)
{
    int64_t first = roll(story, OFFSETS);
    while (first < OFFSETS && story->truth[first].holder != member)
        first++;
    int64_t last = first;
    int64_t wanted = first + 1 + roll(story, 12);
    while (last + 1 < wanted && last + 1 < OFFSETS && story->truth[last + 1].holder == member)
        last++;
    if (first == OFFSETS)
        return;
    int8_t type = only_accept ? WEIR_SHARE_ACCEPT : (int8_t)roll(story, 5);
    struct weir_share_acknowledgement item = {
        .first_offset = first, .last_offset = last, .types = &type, .type_count = 1};
    struct weir_arena arena;
    struct weir_share_change change;
    weir_arena_init(&arena, 0);
    /* What lies before is passed over: its lock ran out after the last delivery, and when that
     * could not be stored it may come again after a restart. */
    int64_t start = weir_share_partition_start_offset(story->partition);
    enum weir_status status =
        weir_share_partition_acknowledge(story->partition, &story->config, member_name(member),
                                         &item, 1, story->world.now_ms, &arena, &change);
    bool is_ok = status == WEIR_OK;
    CHECK(is_ok || status == WEIR_INVALID_RECORD_STATE || status == WEIR_INVALID_REQUEST);
    if (is_ok && change.batch_count > 0)
        is_ok = store(story, &change);
    for (int64_t offset = first; offset <= last && is_ok; offset++) {
        struct truth *truth = &story->truth[offset];
        if (type == WEIR_SHARE_RENEW) {
            truth->lock_until_ms = story->world.now_ms + LOCK_MS;
            continue;
        }
        truth->holder = -1;
        truth->is_done = truth->is_done || (type != WEIR_SHARE_RELEASE && offset >= start);
    }
    weir_arena_done(&arena);
}

static void leave(struct story *story, int member)
{
    struct weir_arena arena;
    struct weir_share_change change;
    weir_arena_init(&arena, 0);
    CHECK(weir_share_partition_release_member(story->partition, &story->config, member_name(member),
                                              &arena, &change) == WEIR_OK);
    bool was_stored = change.batch_count == 0 || store(story, &change);
    for (int i = 0; i < OFFSETS && was_stored; i++) {
        if (story->truth[i].holder == member)
            story->truth[i].holder = -1;
    }
    weir_arena_done(&arena);
}

static void pass_time(struct story *story, int64_t ms)
{
    struct weir_arena arena;
    struct weir_share_change change;
    story->world.now_ms += ms;
    fake_world_run(&story->world);
    weir_arena_init(&arena, 0);
    CHECK(weir_share_partition_tick(story->partition, &story->config, story->world.now_ms, &arena,
                                    &change) == WEIR_OK);
    if (change.batch_count > 0)
        (void)store(story, &change);
    weir_arena_done(&arena);
}

static void move_log_start(struct story *story)
{
    story->log_start += roll(story, 4);
    if (story->log_start >= story->log_end)
        story->log_start = story->log_end - 1;
    weir_share_partition_log_start_moved(story->partition, story->log_start);
}

static void take_a_step(struct story *story, int step)
{
    int member = (int)roll(story, MEMBERS);
    story->log_end = 20 + (int64_t)step * OFFSETS / STEPS;
    if (story->log_end > OFFSETS)
        story->log_end = OFFSETS;
    uint32_t what = roll(story, 100);
    if (what < 30)
        acquire(story, member);
    else if (what < 85)
        acknowledge(story, member, false);
    else if (what < 94)
        pass_time(story, roll(story, 400));
    else if (what < 97)
        leave(story, member);
    else if (what < 98)
        move_log_start(story);
    else if (what < 99)
        restart(story);
    else
        pass_time(story, 2 * LOCK_MS);
    look_at_start(story);
}

static void begin(struct story *story, uint64_t seed)
{
    memset(story, 0, sizeof(*story));
    fake_world_init(&story->world);
    story->random = seed * 2654435761u + 1;
    story->config = (struct weir_share_partition_config){.delivery_count_max = DELIVERIES,
                                                         .lock_duration_ms = LOCK_MS,
                                                         .record_locks_max = RECORD_LOCKS,
                                                         .is_renew_enabled = true};
    for (int i = 0; i < OFFSETS; i++)
        story->truth[i].holder = -1;
    struct weir_share_coordinator_options options = {.env = &story->world.env,
                                                     .pool = story->world.pool,
                                                     .log_port = &fake_port,
                                                     .log_port_context = &story->world,
                                                     .state_port = &state_port,
                                                     .config =
                                                         weir_share_coordinator_config_default()};
    options.config.snapshot_update_records_per_snapshot = (int32_t)(seed % 20);
    CHECK(weir_share_coordinator_new(&options, &story->coordinator) == WEIR_OK);
    weir_coordinator_set_partition_count(weir_share_coordinator_shards(story->coordinator),
                                         FAKE_PARTITIONS);
    elect(story);
    struct call call = {.op.done = call_done};
    weir_share_state_initialize(story->coordinator, &key, 0, 0, &call.op);
    CHECK(call.is_done && call.op.status == WEIR_OK);
    weir_share_state_op_free(&call.op);
    load(story);
}

static void finish(struct story *story)
{
    story->log_end = OFFSETS;
    for (int round = 0; round < 3000; round++) {
        if (weir_share_partition_start_offset(story->partition) == OFFSETS)
            break;
        acquire(story, round % MEMBERS);
        for (int i = 0; i < 20; i++)
            acknowledge(story, round % MEMBERS, true);
        pass_time(story, LOCK_MS / 10);
    }
    CHECK(weir_share_partition_start_offset(story->partition) == OFFSETS); /* T4 */
    weir_share_partition_free(story->partition);
    weir_share_coordinator_stop(story->coordinator);
    fake_world_done(&story->world);
    weir_share_coordinator_free(story->coordinator);
}

int main(int argc, char **argv)
{
    static struct story story;
    uint64_t seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : 30;
    int acquired = 0;
    int restarts = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        begin(&story, seed);
        for (int step = 0; step < STEPS; step++)
            take_a_step(&story, step);
        finish(&story);
        acquired += story.acquired;
        restarts += story.restarts;
    }
    printf("%d records acquired in %llu stories with %d restarts\n", acquired,
           (unsigned long long)seeds, restarts);
    return 0;
}
