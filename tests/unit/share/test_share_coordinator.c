/* SPDX-License-Identifier: Apache-2.0 */
#include "../coordinator/fake_world.h"

#include "weir/protocol/record_types.h"
#include "weir/share/share_coordinator.h"

#include <criterion/criterion.h>

#define TOPIC_PARTITIONS 3

struct share_world {
    struct fake_world base;
    struct weir_share_coordinator *coordinator;
    int32_t epoch;
    bool topic_exists;
    int32_t prune_count;
    int64_t pruned_offset;
};

static struct share_world world;

static int32_t partition_count(void *context, struct weir_uuid topic_id)
{
    (void)context;
    (void)topic_id;
    return world.topic_exists ? TOPIC_PARTITIONS : -1;
}

static enum weir_status delete_records(void *context, int32_t partition, int64_t offset)
{
    (void)context;
    (void)partition;
    world.prune_count++;
    world.pruned_offset = offset;
    return WEIR_OK;
}

static const struct weir_share_state_port state_port = {.partition_count = partition_count,
                                                        .delete_records = delete_records};

static void elect_all(void)
{
    world.epoch++;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        cr_assert_eq(weir_coordinator_elected(weir_share_coordinator_shards(world.coordinator), i,
                                              world.epoch),
                     WEIR_OK);
    fake_world_run(&world.base);
}

static void restart(void)
{
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        weir_coordinator_resigned(weir_share_coordinator_shards(world.coordinator), i, world.epoch);
    elect_all();
}

static void start_with(int32_t updates_per_snapshot)
{
    fake_world_init(&world.base);
    world.topic_exists = true;
    struct weir_share_coordinator_options options = {.env = &world.base.env,
                                                     .pool = world.base.pool,
                                                     .log_port = &fake_port,
                                                     .log_port_context = &world.base,
                                                     .state_port = &state_port,
                                                     .config =
                                                         weir_share_coordinator_config_default()};
    options.config.snapshot_update_records_per_snapshot = updates_per_snapshot;
    cr_assert_eq(weir_share_coordinator_new(&options, &world.coordinator), WEIR_OK);
    weir_coordinator_set_partition_count(weir_share_coordinator_shards(world.coordinator),
                                         FAKE_PARTITIONS);
    elect_all();
}

static void start(void)
{
    start_with(500);
}

static void stop(void)
{
    weir_share_coordinator_stop(world.coordinator);
    fake_world_done(&world.base);
    weir_share_coordinator_free(world.coordinator);
}

/* ---- Operations ---- */

struct call {
    struct weir_share_state_op op;
    int done;
};

static void call_done(struct weir_share_state_op *op)
{
    WEIR_CONTAINER_OF(op, struct call, op)->done++;
}

static struct weir_share_key key_of(int32_t partition)
{
    return (struct weir_share_key){
        .group_id = WEIR_SLICE("g"), .topic_id = {{1, 2, 3}}, .partition = partition};
}

static enum weir_status initialize(int32_t partition, int32_t state_epoch, int64_t start_offset)
{
    struct call call = {.op.done = call_done};
    struct weir_share_key key = key_of(partition);
    weir_share_state_initialize(world.coordinator, &key, state_epoch, start_offset, &call.op);
    cr_assert_eq(call.done, 1);
    weir_share_state_op_free(&call.op);
    return call.op.status;
}

static void read_into(struct call *call, int32_t partition, int32_t leader_epoch)
{
    struct weir_share_key key = key_of(partition);
    *call = (struct call){.op.done = call_done};
    weir_share_state_read(world.coordinator, &key, leader_epoch, &call->op);
    cr_assert_eq(call->done, 1);
}

static enum weir_status read_state(int32_t partition, int32_t leader_epoch)
{
    struct call call;
    read_into(&call, partition, leader_epoch);
    weir_share_state_op_free(&call.op);
    return call.op.status;
}

static enum weir_status write_state(int32_t partition, int32_t leader_epoch, int32_t state_epoch,
                                    int64_t start_offset, struct weir_share_batch batch)
{
    struct call call = {.op.done = call_done};
    struct weir_share_key key = key_of(partition);
    struct weir_share_state_write write = {.state_epoch = state_epoch,
                                           .leader_epoch = leader_epoch,
                                           .start_offset = start_offset,
                                           .delivery_complete_count = 1,
                                           .batches = &batch,
                                           .batch_count = 1};
    weir_share_state_write(world.coordinator, &key, &write, &call.op);
    cr_assert_eq(call.done, 1);
    weir_share_state_op_free(&call.op);
    return call.op.status;
}

static struct weir_share_batch acknowledged(int64_t first, int64_t last)
{
    return (struct weir_share_batch){first, last, WEIR_SHARE_ACKNOWLEDGED, 1};
}

static void summary_into(struct call *call, int32_t partition)
{
    struct weir_share_key key = key_of(partition);
    *call = (struct call){.op.done = call_done};
    weir_share_state_summary(world.coordinator, &key, &call->op);
    cr_assert_eq(call->done, 1);
}

/* Counts the records of a type and version in a log. */
static int count_records(int16_t type)
{
    int count = 0;
    for (int i = 0; i < FAKE_PARTITIONS; i++) {
        struct weir_batch_iter iter;
        struct weir_batch batch;
        weir_batch_iter_init(&iter, weir_buf_slice(&world.base.logs[i].bytes));
        while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
            struct weir_record_iter *records;
            struct weir_record record;
            struct weir_record_iter_options options = {0};
            cr_assert_eq(weir_record_iter_new(&batch, &options, &records, NULL), WEIR_OK);
            while (weir_record_iter_next(records, &record, NULL) == WEIR_OK)
                count += record.key.data[1] == type;
            weir_record_iter_free(records);
        }
    }
    return count;
}

Test(share_coordinator, state_survives_a_restart)
{
    start();
    cr_assert_eq(initialize(0, 1, 10), WEIR_OK);
    cr_assert_eq(read_state(0, 4), WEIR_OK);
    cr_assert_eq(write_state(0, 4, 1, 12, acknowledged(15, 20)), WEIR_OK);
    restart();
    struct call call;
    read_into(&call, 0, 4);
    cr_assert_eq(call.op.status, WEIR_OK);
    cr_assert_eq(call.op.start_offset, 12);
    cr_assert_eq(call.op.state_epoch, 1);
    cr_assert_eq(call.op.batch_count, 1);
    cr_assert_eq(call.op.batches[0].first_offset, 15);
    cr_assert_eq(call.op.batches[0].last_offset, 20);
    cr_assert_eq(call.op.batches[0].delivery_state, WEIR_SHARE_ACKNOWLEDGED);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, what_was_not_initialized_cannot_be_read_or_written)
{
    start();
    cr_assert_eq(read_state(0, 0), WEIR_INVALID_REQUEST);
    cr_assert_eq(write_state(0, 0, 0, 0, acknowledged(1, 1)), WEIR_INVALID_REQUEST);
    struct call call;
    summary_into(&call, 0);
    cr_assert_eq(call.op.status, WEIR_OK);
    cr_assert_eq(call.op.start_offset, -1);
    cr_assert_eq(call.op.delivery_complete_count, -1);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, a_newer_leader_fences_the_older_one)
{
    start();
    cr_assert_eq(initialize(0, 1, 0), WEIR_OK);
    cr_assert_eq(read_state(0, 5), WEIR_OK);
    cr_assert_eq(write_state(0, 4, 1, 1, acknowledged(3, 3)), WEIR_FENCED_LEADER_EPOCH);
    cr_assert_eq(read_state(0, 4), WEIR_FENCED_LEADER_EPOCH);
    restart();
    cr_assert_eq(read_state(0, 4), WEIR_FENCED_LEADER_EPOCH);
    cr_assert_eq(write_state(0, 5, 1, 1, acknowledged(3, 3)), WEIR_OK);
    stop();
}

Test(share_coordinator, an_initialization_fences_older_states)
{
    start();
    cr_assert_eq(initialize(0, 3, 0), WEIR_OK);
    cr_assert_eq(initialize(0, 2, 0), WEIR_FENCED_STATE_EPOCH);
    cr_assert_eq(write_state(0, 0, 2, 1, acknowledged(3, 3)), WEIR_FENCED_STATE_EPOCH);
    cr_assert_eq(initialize(0, 4, 100), WEIR_OK);
    struct call call;
    read_into(&call, 0, 0);
    cr_assert_eq(call.op.start_offset, 100);
    cr_assert_eq(call.op.batch_count, 0);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, an_initialization_that_is_repeated_begins_anew)
{
    start();
    cr_assert_eq(initialize(0, 3, 7), WEIR_OK);
    cr_assert_eq(write_state(0, 0, 3, 7, acknowledged(9, 9)), WEIR_OK);
    cr_assert_eq(initialize(0, 3, 7), WEIR_OK);
    struct call call;
    read_into(&call, 0, 0);
    cr_assert_eq(call.op.batch_count, 0);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, who_does_not_know_an_epoch_is_not_fenced)
{
    start();
    cr_assert_eq(initialize(0, 3, 0), WEIR_OK);
    cr_assert_eq(read_state(0, 2), WEIR_OK);
    cr_assert_eq(write_state(0, -1, -1, 1, acknowledged(3, 3)), WEIR_OK);
    cr_assert_eq(initialize(0, -1, 0), WEIR_OK);
    cr_assert_eq(read_state(0, -1), WEIR_FENCED_LEADER_EPOCH);
    stop();
}

Test(share_coordinator, a_start_offset_never_goes_back)
{
    start();
    cr_assert_eq(initialize(0, 1, 10), WEIR_OK);
    cr_assert_eq(write_state(0, 0, 1, 50, acknowledged(60, 60)), WEIR_OK);
    cr_assert_eq(write_state(0, 0, 1, 20, acknowledged(30, 70)), WEIR_OK);
    struct call call;
    read_into(&call, 0, 0);
    cr_assert_eq(call.op.start_offset, 50);
    cr_assert_eq(call.op.batches[0].first_offset, 50);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, enough_updates_make_a_snapshot)
{
    start_with(3);
    cr_assert_eq(initialize(0, 1, 0), WEIR_OK);
    for (int64_t offset = 1; offset <= 8; offset++)
        cr_assert_eq(write_state(0, 0, 1, offset, acknowledged(offset + 5, offset + 5)), WEIR_OK);
    cr_assert_eq(count_records(WEIR_SHARE_RECORD_SHARE_SNAPSHOT), 1 + 2);
    cr_assert_eq(count_records(WEIR_SHARE_RECORD_SHARE_UPDATE), 6);
    restart();
    struct call call;
    read_into(&call, 0, 0);
    cr_assert_eq(call.op.start_offset, 8);
    cr_assert_eq(call.op.batch_count, 1);
    cr_assert_eq(call.op.batches[0].first_offset, 8);
    cr_assert_eq(call.op.batches[0].last_offset, 13);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, an_answer_waits_for_the_high_watermark)
{
    start();
    world.base.commits_at_once = false;
    struct call call = {.op.done = call_done};
    struct weir_share_key key = key_of(0);
    weir_share_state_initialize(world.coordinator, &key, 0, 0, &call.op);
    cr_assert_eq(call.done, 0);
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        fake_world_commit(&world.base, i);
    cr_assert_eq(call.done, 1);
    cr_assert_eq(call.op.status, WEIR_OK);
    weir_share_state_op_free(&call.op);
    stop();
}

Test(share_coordinator, what_is_deleted_is_gone_and_may_begin_again)
{
    start();
    cr_assert_eq(initialize(0, 5, 10), WEIR_OK);
    struct call call = {.op.done = call_done};
    struct weir_share_key key = key_of(0);
    weir_share_state_delete(world.coordinator, &key, &call.op);
    cr_assert_eq(call.op.status, WEIR_OK);
    weir_share_state_op_free(&call.op);
    cr_assert_eq(read_state(0, 0), WEIR_INVALID_REQUEST);
    restart();
    cr_assert_eq(read_state(0, 0), WEIR_INVALID_REQUEST);
    cr_assert_eq(initialize(0, 0, 0), WEIR_OK);
    stop();
}

Test(share_coordinator, a_deleted_topic_takes_its_state_along)
{
    start();
    for (int32_t i = 0; i < TOPIC_PARTITIONS; i++)
        cr_assert_eq(initialize(i, 0, 0), WEIR_OK);
    struct weir_uuid topic_id = key_of(0).topic_id;
    weir_share_topics_deleted(world.coordinator, &topic_id, 1);
    for (int32_t i = 0; i < TOPIC_PARTITIONS; i++)
        cr_assert_eq(read_state(i, 0), WEIR_INVALID_REQUEST);
    stop();
}

Test(share_coordinator, a_topic_that_is_not_there_is_unknown)
{
    start();
    cr_assert_eq(initialize(TOPIC_PARTITIONS, 0, 0), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(initialize(0, 0, 0), WEIR_OK);
    world.topic_exists = false;
    cr_assert_eq(read_state(0, 0), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(initialize(-1, 0, 0), WEIR_INVALID_REQUEST);
    stop();
}

Test(share_coordinator, the_log_is_cut_behind_the_oldest_snapshot_that_counts)
{
    start_with(2);
    cr_assert_eq(initialize(0, 1, 0), WEIR_OK);
    for (int64_t offset = 1; offset <= 6; offset++)
        cr_assert_eq(write_state(0, 0, 1, offset, acknowledged(offset + 5, offset + 5)), WEIR_OK);
    fake_world_jump(&world.base, (int64_t)5 * 60 * 1000 + 10);
    cr_assert_eq(world.prune_count, 1);
    cr_assert_eq(world.pruned_offset, 6); /* initial, u, u, s(3), u, u, s(6) */
    fake_world_jump(&world.base, (int64_t)5 * 60 * 1000 + 10);
    fake_world_jump(&world.base, (int64_t)5 * 60 * 1000 + 10);
    cr_assert_leq(world.prune_count, 2); /* at most once for the snapshot of what was cold */
    stop();
}

Test(share_coordinator, without_a_shard_it_is_not_the_coordinator)
{
    start();
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        weir_coordinator_resigned(weir_share_coordinator_shards(world.coordinator), i, world.epoch);
    cr_assert_eq(initialize(0, 0, 0), WEIR_NOT_COORDINATOR);
    stop();
}
