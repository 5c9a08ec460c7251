/* SPDX-License-Identifier: Apache-2.0 */

/* What happens without a client: markers, timeouts, expiry, and loads. */

#include "txn_world.h"

#include "weir/record/batch_builder.h"

TestSuite(txn_markers, .init = world_start, .fini = world_stop);
TestSuite(txn_time, .init = world_start, .fini = world_stop);
TestSuite(txn_load, .init = world_start, .fini = world_stop);

static struct producer producer = {.id = "tid", .version = 2};

/* A transaction over t-0, t-1 and u-0 that was ended, its markers out. */
static struct weir_txn_markers *end_three(bool is_commit)
{
    world.marks_at_once = false;
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 1), WEIR_OK);
    cr_assert_eq(add(&producer, "u", 0), WEIR_OK);
    cr_assert_eq(end(&producer, is_commit), WEIR_OK);
    return take_round();
}

/* ---- Markers ---- */

Test(txn_markers, go_to_every_partition_with_the_bumped_epoch)
{
    struct weir_txn_markers *round = end_three(true);
    cr_assert(round->is_commit);
    cr_assert_eq(round->producer_id, producer.producer_id);
    cr_assert_eq(round->producer_epoch, 1);
    cr_assert_eq(round->transaction_version, 2);
    cr_assert_eq(round->coordinator_epoch, world.epoch);
    cr_assert_eq(round->item_count, 3);
    cr_assert(weir_slice_is(round->transactional_id, "tid"));
    cr_assert(is_state("tid", "PrepareCommit"));
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "CompleteCommit"));
    cr_assert_eq(world.round_count, 0);
}

Test(txn_markers, what_may_pass_is_sent_again_after_a_backoff)
{
    static const enum weir_status passing[] = {
        WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_NOT_LEADER_OR_FOLLOWER, WEIR_NOT_ENOUGH_REPLICAS,
        WEIR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, WEIR_REQUEST_TIMED_OUT, WEIR_KAFKA_STORAGE_ERROR,
        WEIR_COORDINATOR_LOAD_IN_PROGRESS, WEIR_UNKNOWN_SERVER_ERROR, WEIR_NETWORK_EXCEPTION};
    struct weir_txn_markers *round = end_three(false);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(passing); i++) {
        world_finish(round, passing[i]);
        cr_assert_eq(world.round_count, 0, "not at once");
        fake_world_advance(&world.base, 1000);
        cr_assert_eq(world.round_count, 1, "%s", weir_status_name(passing[i]));
        round = take_round();
        cr_assert_eq(round->item_count, 3);
    }
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "CompleteAbort"));
}

Test(txn_markers, only_what_is_left_is_sent_again)
{
    struct weir_txn_markers *round = end_three(true);
    for (size_t i = 0; i < round->item_count; i++) {
        bool is_u = weir_slice_is(round->items[i].topic, "u");
        round->items[i].status = is_u ? WEIR_NOT_LEADER_OR_FOLLOWER : WEIR_OK;
    }
    round->done(round);
    struct weir_txn_describe out;
    describe("tid", &out);
    cr_assert_eq(out.partition_count, 1);
    weir_txn_op_free(&out.op);
    fake_world_advance(&world.base, 50);
    round = take_round();
    cr_assert_eq(round->item_count, 1);
    cr_assert(weir_slice_is(round->items[0].topic, "u"));
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "CompleteCommit"));
}

Test(txn_markers, a_deleted_topic_is_left_out)
{
    world_finish(end_three(true), WEIR_NOT_FOUND);
    cr_assert(is_state("tid", "CompleteCommit"));
}

Test(txn_markers, a_fenced_coordinator_stops_until_it_is_elected_again)
{
    world_finish(end_three(true), WEIR_TRANSACTION_COORDINATOR_FENCED);
    fake_world_advance(&world.base, 10000);
    cr_assert_eq(world.round_count, 0);
    cr_assert(is_state("tid", "PrepareCommit"));
    world_restart();
    struct weir_txn_markers *round = take_round();
    cr_assert_eq(round->coordinator_epoch, world.epoch);
    cr_assert_eq(round->item_count, 3);
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "CompleteCommit"));
}

Test(txn_markers, requests_wait_until_all_are_written)
{
    struct weir_txn_markers *round = end_three(true);
    struct producer next = producer;
    cr_assert_eq(add(&next, "t", 0), WEIR_CONCURRENT_TRANSACTIONS);
    cr_assert_eq(init(&next), WEIR_CONCURRENT_TRANSACTIONS);
    struct producer again = producer;
    again.epoch = 0;
    cr_assert_eq(commit(&again), WEIR_CONCURRENT_TRANSACTIONS);
    world_finish(round, WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
}

Test(txn_markers, a_refused_complete_record_is_written_later)
{
    struct weir_txn_markers *round = end_three(true);
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "PrepareCommit"));
    fake_world_advance(&world.base, 500);
    cr_assert(is_state("tid", "PrepareCommit"));
    world.base.append_status = WEIR_OK;
    fake_world_advance(&world.base, 1000);
    cr_assert(is_state("tid", "CompleteCommit"));
    cr_assert_eq(world.total_rounds, 1);
}

Test(txn_markers, late_news_for_a_machine_that_is_gone_is_not_heeded)
{
    struct weir_txn_markers *round = end_three(true);
    world_resign_all();
    world_elect_all();
    cr_assert_eq(world.round_count, 1);
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "PrepareCommit"));
    world_finish(take_round(), WEIR_OK);
    cr_assert(is_state("tid", "CompleteCommit"));
}

/* ---- Time ---- */

Test(txn_time, a_transaction_that_runs_too_long_is_aborted)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    fake_world_advance(&world.base, 59000);
    cr_assert(is_state("tid", "Ongoing"));
    fake_world_advance(&world.base, 12000);
    cr_assert(is_state("tid", "CompleteAbort"));
    cr_assert_eq(world.total_rounds, 1);
    cr_assert_eq(epoch_of("tid"), 1);
    cr_assert_eq(add(&producer, "t", 0), WEIR_PRODUCER_FENCED);
    struct producer same = producer;
    cr_assert_eq(end_abort(&same), WEIR_OK, "it looks like a repetition");
    cr_assert_eq(commit(&producer), WEIR_INVALID_TXN_STATE);
}

Test(txn_time, a_refused_abort_is_tried_again_at_the_next_look)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    fake_world_advance(&world.base, 75000);
    cr_assert(is_state("tid", "Ongoing"));
    world.base.append_status = WEIR_OK;
    fake_world_advance(&world.base, 11000);
    cr_assert(is_state("tid", "CompleteAbort"));
    cr_assert_eq(epoch_of("tid"), 1);
}

Test(txn_time, an_abort_at_the_last_epoch_takes_a_producer_id_first)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    while (producer.epoch < INT16_MAX - 1)
        cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    world.marks_at_once = false;
    fake_world_advance(&world.base, 75000);
    struct weir_txn_markers *round = take_round();
    cr_assert_eq(round->producer_epoch, INT16_MAX);
    cr_assert_eq(round->producer_id, producer.producer_id);
    world_finish(round, WEIR_OK);
    cr_assert_eq(epoch_of("tid"), 0);
    cr_assert(is_state("tid", "CompleteAbort"));
}

Test(txn_time, many_that_timed_out_are_all_aborted)
{
    struct producer many[20];
    char ids[20][8];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "id-%d", i);
        many[i] = (struct producer){.id = ids[i], .version = 2};
        cr_assert_eq(init(&many[i]), WEIR_OK);
        cr_assert_eq(add(&many[i], "t", i), WEIR_OK);
    }
    fake_world_advance(&world.base, 75000);
    for (int i = 0; i < 20; i++)
        cr_assert(is_state(ids[i], "CompleteAbort"));
    cr_assert_eq(world.total_rounds, 20);
}

Test(txn_time, an_id_that_nobody_uses_is_forgotten)
{
    struct producer open = {.id = "open", .version = 2};
    struct weir_txn_init op = {
        .timeout_ms = 900000, .expected_producer_id = -1, .expected_producer_epoch = -1};
    cr_assert_eq(init(&producer), WEIR_OK);
    fake_world_jump(&world.base, (int64_t)7 * 24 * 3600 * 1000 - 4000000);
    cr_assert_eq(init_with(&open, &op), WEIR_OK);
    fake_world_jump(&world.base, 3900000);
    cr_assert(is_state("tid", "Empty"));
    fake_world_jump(&world.base, 3700000);
    struct weir_txn_describe out;
    describe("tid", &out);
    cr_assert_eq(out.op.status, WEIR_TRANSACTIONAL_ID_NOT_FOUND);
    weir_txn_op_free(&out.op);
    cr_assert(is_state("open", "Empty"));
    world_restart();
    describe("tid", &out);
    cr_assert_eq(out.op.status, WEIR_TRANSACTIONAL_ID_NOT_FOUND, "its tombstone is in the log");
    weir_txn_op_free(&out.op);
    int64_t producer_id = producer.producer_id;
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_neq(producer.producer_id, producer_id);
}

/* ---- Loads ---- */

Test(txn_load, the_state_is_that_of_the_log)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    world_restart();
    cr_assert(is_state("tid", "Ongoing"));
    cr_assert_eq(verify(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(commit(&producer), WEIR_OK);
    world_restart();
    cr_assert(is_state("tid", "CompleteCommit"));
    struct producer again = producer;
    again.epoch--;
    cr_assert_eq(commit(&again), WEIR_OK, "a repetition is known across a load");
    cr_assert_eq(add(&producer, "t", 1), WEIR_OK);
}

Test(txn_load, a_transaction_that_was_open_times_out_all_the_same)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    fake_world_advance(&world.base, 50000);
    world_restart();
    fake_world_advance(&world.base, 25000);
    cr_assert(is_state("tid", "CompleteAbort"));
}

Test(txn_load, what_was_being_ended_is_ended_under_the_new_epoch)
{
    struct weir_txn_markers *late = end_three(false);
    world_resign_all();
    world_elect_all();
    struct weir_txn_markers *round = take_round();
    cr_assert_eq(round->coordinator_epoch, world.epoch);
    cr_assert_eq(round->producer_epoch, 1);
    cr_assert(!round->is_commit);
    world_finish(round, WEIR_OK);
    cr_assert(is_state("tid", "CompleteAbort"));
    world_finish(late, WEIR_OK); /* nobody knows it any more */
}

/* Into the partition of "tid". */
static void append_record(const uint8_t *key, size_t key_size, const uint8_t *value,
                          size_t value_size)
{
    struct weir_buf buf = {0};
    struct weir_batch_builder *builder;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    cr_assert_eq(weir_batch_builder_new(&options, &buf, &builder), WEIR_OK);
    struct weir_record_data data = {.timestamp = FAKE_WALL_MS,
                                    .key = weir_slice_of(key, key_size),
                                    .value = weir_slice_of(value, value_size)};
    weir_batch_builder_add(builder, &data);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    struct weir_log_appended appended;
    struct weir_detail detail;
    cr_assert_eq(fake_append(&world.base, partition_of("tid"), weir_buf_slice(&buf), world.epoch,
                             &appended, &detail),
                 WEIR_OK);
    weir_buf_done(&buf);
}

Test(txn_load, nothing_is_answered_from_records_that_may_not_survive)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    world.base.commits_at_once = false;
    struct weir_txn_partition item = {.topic = WEIR_SLICE("t")};
    struct weir_txn_add op = {.op = {.done = count_done},
                              .transactional_id = WEIR_SLICE("tid"),
                              .producer_id = producer.producer_id,
                              .partitions = &item,
                              .partition_count = 1};
    weir_txn_add(world.service, &op);
    world_restart();
    cr_assert_eq(op.op.status, WEIR_NOT_COORDINATOR);
    weir_txn_op_free(&op.op);
    cr_assert(is_state("tid", "Ongoing"), "it is in the log");
    cr_assert_eq(add(&producer, "t", 0), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    cr_assert_eq(verify(&producer, "t", 0), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    struct producer same = producer;
    cr_assert_eq(commit(&same), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    cr_assert_eq(init(&same), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    fake_world_advance(&world.base, 100000);
    cr_assert(is_state("tid", "Ongoing"), "it is not aborted either");
    fake_world_commit(&world.base, partition_of("tid"));
    cr_assert_eq(verify(&producer, "t", 0), WEIR_OK);
}

Test(txn_load, a_value_of_a_newer_version_is_passed_over)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    static const uint8_t key[] = {0, 0, 0, 3, 't', 'i', 'd'};
    static const uint8_t value[] = {0, 2, 9, 9};
    append_record(key, sizeof(key), value, sizeof(value));
    world_restart();
    cr_assert(is_state("tid", "Empty"));
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
}

Test(txn_load, a_malformed_record_keeps_the_partition_from_being_served)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    static const uint8_t key[] = {0, 0, 0, 1, 'x'};
    static const uint8_t value[] = {0, 1, 9};
    append_record(key, sizeof(key), value, sizeof(value));
    world_restart();
    cr_assert_eq(add(&producer, "t", 0), WEIR_NOT_COORDINATOR);
}

Test(txn_load, batches_look_as_apache_kafkas)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    struct weir_batch batch;
    struct weir_detail detail;
    cr_assert_eq(weir_batch_parse(world.base.last_batch, &batch, &detail), WEIR_OK);
    cr_assert_eq(batch.producer_id, -1);
    cr_assert_eq(batch.producer_epoch, -1);
    cr_assert_eq(batch.base_sequence, -1);
    cr_assert_eq(batch.attributes, 0);
}
