/* SPDX-License-Identifier: Apache-2.0 */

/* What producers are answered: InitProducerId, AddPartitionsToTxn, EndTxn, and the looks at it. */

#include "txn_world.h"

TestSuite(txn, .init = world_start, .fini = world_stop);
TestSuite(txn_v1, .init = world_start, .fini = world_stop);

static struct producer producer = {.id = "tid", .version = 2};
static struct producer old = {.id = "tid", .version = 0};

static void use_epoch(struct producer *of, int16_t epoch);

/* ---- InitProducerId ---- */

Test(txn, a_null_transactional_id_gets_a_fresh_producer_id)
{
    struct producer one = {.id = NULL};
    struct producer two = {.id = NULL};
    cr_assert_eq(init(&one), WEIR_OK);
    cr_assert_eq(init(&two), WEIR_OK);
    cr_assert_eq(one.epoch, 0);
    cr_assert_neq(one.producer_id, two.producer_id);
    cr_assert_eq(world.base.append_count, 0);
}

Test(txn, an_init_is_checked_before_anything_else)
{
    struct producer nobody = {.id = ""};
    cr_assert_eq(init(&nobody), WEIR_INVALID_REQUEST);
    struct weir_txn_init op = {.timeout_ms = 0, .expected_producer_id = -1};
    cr_assert_eq(init_with(&producer, &op), WEIR_INVALID_TRANSACTION_TIMEOUT);
    op = (struct weir_txn_init){.timeout_ms = 900001, .expected_producer_id = -1};
    cr_assert_eq(init_with(&producer, &op), WEIR_INVALID_TRANSACTION_TIMEOUT);
    op = (struct weir_txn_init){
        .timeout_ms = 0, .expected_producer_id = -1, .enable_two_phase_commit = true};
    cr_assert_eq(init_with(&producer, &op), WEIR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    op = (struct weir_txn_init){
        .timeout_ms = 0, .expected_producer_id = -1, .keep_prepared_txn = true};
    cr_assert_eq(init_with(&producer, &op), WEIR_UNSUPPORTED_VERSION);
    cr_assert_eq(world.base.append_count, 0);
}

Test(txn, each_init_bumps_the_epoch_of_the_same_producer_id)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    int64_t producer_id = producer.producer_id;
    cr_assert_eq(producer.epoch, 0);
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 1);
    cr_assert_eq(producer.producer_id, producer_id);
    cr_assert(is_state("tid", "Empty"));
}

Test(txn, an_init_without_a_producer_id_to_be_had_may_come_again)
{
    world.has_no_ids = true;
    cr_assert_eq(init(&producer), WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    world.has_no_ids = false;
    cr_assert_eq(init(&producer), WEIR_OK);
}

Test(txn, an_init_while_a_transaction_is_open_aborts_it_and_is_told_to_come_again)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    struct producer zombie = producer;
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(init(&producer), WEIR_CONCURRENT_TRANSACTIONS);
    cr_assert(is_state("tid", "CompleteAbort"));
    cr_assert_eq(epoch_of("tid"), 1);
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 2);
    cr_assert_eq(add(&zombie, "t", 0), WEIR_PRODUCER_FENCED);
    cr_assert_eq(commit(&zombie), WEIR_PRODUCER_FENCED);
}

Test(txn, a_producer_that_says_who_it_is_is_fenced_when_it_is_not)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    int64_t producer_id = producer.producer_id;
    cr_assert_eq(init_expecting(&producer, producer_id, 0), WEIR_OK);
    cr_assert_eq(producer.epoch, 1);
    cr_assert_eq(init_expecting(&producer, producer_id, 0), WEIR_OK, "the same again");
    cr_assert_eq(producer.epoch, 1);
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 2);
    cr_assert_eq(init_expecting(&producer, producer_id, 1), WEIR_PRODUCER_FENCED);
    cr_assert_eq(init_expecting(&producer, producer_id + 1, 2), WEIR_PRODUCER_FENCED);
}

/* Bumps it by hand: the record is as Apache Kafka would have left it. */
static void use_epoch(struct producer *of, int16_t epoch)
{
    while (of->epoch < epoch)
        cr_assert_eq(init(of), WEIR_OK);
}

Test(txn, an_init_after_the_last_epoch_gets_a_new_producer_id)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    int64_t producer_id = producer.producer_id;
    use_epoch(&producer, INT16_MAX - 1);
    cr_assert_eq(producer.producer_id, producer_id);
    cr_assert_eq(init_expecting(&producer, producer_id, INT16_MAX - 1), WEIR_OK);
    cr_assert_neq(producer.producer_id, producer_id);
    cr_assert_eq(producer.epoch, 0);
    int64_t new_id = producer.producer_id;
    cr_assert_eq(init_expecting(&producer, producer_id, INT16_MAX - 1), WEIR_OK, "the same again");
    cr_assert_eq(producer.producer_id, new_id);
    cr_assert_eq(producer.epoch, 0);
}

/* ---- AddPartitionsToTxn ---- */

Test(txn, adding_needs_the_current_producer)
{
    cr_assert_eq(add(&producer, "t", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
    cr_assert_eq(init(&producer), WEIR_OK);
    struct producer other = producer;
    other.producer_id++;
    cr_assert_eq(add(&other, "t", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
    other = producer;
    other.epoch++;
    cr_assert_eq(add(&other, "t", 0), WEIR_PRODUCER_FENCED);
    struct producer nobody = {.id = ""};
    cr_assert_eq(add(&nobody, "t", 0), WEIR_INVALID_REQUEST);
}

Test(txn, the_first_partition_begins_the_transaction)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    fake_world_advance(&world.base, 500);
    cr_assert_eq(add(&producer, "t", 1), WEIR_OK);
    fake_world_advance(&world.base, 500);
    cr_assert_eq(add(&producer, "s", 0), WEIR_OK);
    struct weir_txn_describe out;
    describe("tid", &out);
    cr_assert(weir_slice_is(out.state, "Ongoing"));
    cr_assert_eq(out.start_ms, FAKE_WALL_MS + 1500);
    cr_assert_eq(out.timeout_ms, 60000);
    cr_assert_eq(out.producer_id, producer.producer_id);
    cr_assert_eq(out.partition_count, 2);
    cr_assert(weir_slice_is(out.partitions[0].topic, "s"));
    cr_assert(weir_slice_is(out.partitions[1].topic, "t"));
    cr_assert_eq(out.partitions[1].partition, 1);
    weir_txn_op_free(&out.op);
}

Test(txn, a_partition_that_is_in_already_is_not_written_again)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    int32_t appends = world.base.append_count;
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(world.base.append_count, appends);
}

Test(txn, verification_adds_nothing)
{
    cr_assert_eq(verify(&producer, "t", 0), WEIR_INVALID_PRODUCER_ID_MAPPING);
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(verify(&producer, "t", 0), WEIR_TRANSACTION_ABORTABLE);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(verify(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(verify(&producer, "t", 1), WEIR_TRANSACTION_ABORTABLE);
    struct producer zombie = producer;
    zombie.epoch--;
    cr_assert_eq(verify(&zombie, "t", 0), WEIR_PRODUCER_FENCED);
    world.marks_at_once = false;
    cr_assert_eq(commit(&producer), WEIR_OK);
    struct producer late = producer;
    cr_assert_eq(verify(&late, "t", 0), WEIR_CONCURRENT_TRANSACTIONS);
}

/* ---- EndTxn, transaction version 2 ---- */

Test(txn, every_end_bumps_the_epoch)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(commit(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 1);
    cr_assert(is_state("tid", "CompleteCommit"));
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    cr_assert_eq(end_abort(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 2);
    cr_assert(is_state("tid", "CompleteAbort"));
    cr_assert_eq(epoch_of("tid"), 2);
}

Test(txn, a_repeated_end_is_told_by_its_epoch)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    struct producer before = producer;
    cr_assert_eq(commit(&producer), WEIR_OK);
    struct producer again = before;
    cr_assert_eq(commit(&again), WEIR_OK);
    cr_assert_eq(again.epoch, producer.epoch);
    again = before;
    cr_assert_eq(end_abort(&again), WEIR_INVALID_TXN_STATE);
    again = before;
    again.epoch--;
    cr_assert_eq(commit(&again), WEIR_PRODUCER_FENCED);
    again = producer;
    cr_assert_eq(commit(&again), WEIR_INVALID_TXN_STATE, "there is nothing to commit");
}

Test(txn, what_has_not_begun_may_be_aborted_but_not_committed)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(commit(&producer), WEIR_INVALID_TXN_STATE);
    cr_assert_eq(end_abort(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 1);
    cr_assert(is_state("tid", "CompleteAbort"));
    cr_assert_eq(end_abort(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 2);
    cr_assert_eq(world.total_rounds, 0);
}

Test(txn, ending_needs_the_current_producer)
{
    cr_assert_eq(commit(&producer), WEIR_INVALID_PRODUCER_ID_MAPPING);
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    struct producer other = producer;
    other.producer_id++;
    cr_assert_eq(commit(&other), WEIR_INVALID_PRODUCER_ID_MAPPING);
    other = producer;
    other.epoch++;
    cr_assert_eq(commit(&other), WEIR_PRODUCER_FENCED);
    struct producer nobody = {.id = "", .version = 2};
    cr_assert_eq(commit(&nobody), WEIR_INVALID_REQUEST);
}

Test(txn, an_end_at_the_last_epoch_goes_on_with_a_new_producer_id)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    use_epoch(&producer, INT16_MAX - 1);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    struct producer before = producer;
    world.marks_at_once = false;
    cr_assert_eq(commit(&producer), WEIR_OK);
    cr_assert_neq(producer.producer_id, before.producer_id);
    cr_assert_eq(producer.epoch, 0);
    struct weir_txn_markers *round = take_round();
    cr_assert_eq(round->producer_id, before.producer_id);
    cr_assert_eq(round->producer_epoch, INT16_MAX);
    world_finish(round, WEIR_OK);
    cr_assert_eq(epoch_of("tid"), 0);
    struct producer again = before;
    cr_assert_eq(commit(&again), WEIR_OK);
    cr_assert_eq(again.producer_id, producer.producer_id);
    cr_assert_eq(again.epoch, 0);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
}

/* ---- EndTxn, transaction versions 0 and 1 ---- */

Test(txn_v1, ends_leave_the_epoch_alone)
{
    cr_assert_eq(init(&old), WEIR_OK);
    cr_assert_eq(add(&old, "t", 0), WEIR_OK);
    world.marks_at_once = false;
    cr_assert_eq(commit(&old), WEIR_OK);
    struct weir_txn_markers *round = take_round();
    cr_assert_eq(round->producer_epoch, 0);
    cr_assert_eq(round->transaction_version, 0);
    world_finish(round, WEIR_OK);
    cr_assert_eq(epoch_of("tid"), 0);
    cr_assert_eq(commit(&old), WEIR_OK, "the state tells a repetition");
    cr_assert_eq(end_abort(&old), WEIR_INVALID_TXN_STATE);
}

Test(txn_v1, nothing_that_has_not_begun_can_be_ended)
{
    cr_assert_eq(init(&old), WEIR_OK);
    cr_assert_eq(commit(&old), WEIR_INVALID_TXN_STATE);
    cr_assert_eq(end_abort(&old), WEIR_INVALID_TXN_STATE);
}

Test(txn_v1, an_end_is_checked_producer_first)
{
    cr_assert_eq(init(&old), WEIR_OK);
    cr_assert_eq(add(&old, "t", 0), WEIR_OK);
    world.marks_at_once = false;
    cr_assert_eq(commit(&old), WEIR_OK);
    struct producer other = old;
    other.producer_id++;
    cr_assert_eq(commit(&other), WEIR_INVALID_PRODUCER_ID_MAPPING);
    other = old;
    other.epoch++;
    cr_assert_eq(commit(&other), WEIR_PRODUCER_FENCED);
    cr_assert_eq(commit(&old), WEIR_CONCURRENT_TRANSACTIONS);
}

Test(txn_v1, a_broker_of_version_0_fences_by_a_bump_of_its_own)
{
    weir_txn_service_set_transaction_version(world.service, 0);
    cr_assert_eq(init(&old), WEIR_OK);
    cr_assert_eq(add(&old, "t", 0), WEIR_OK);
    struct producer zombie = old;
    world.marks_at_once = false;
    cr_assert_eq(init(&old), WEIR_CONCURRENT_TRANSACTIONS);
    struct weir_txn_markers *round = take_round();
    cr_assert_eq(round->producer_epoch, 1);
    cr_assert(!round->is_commit);
    world_finish(round, WEIR_OK);
    cr_assert_eq(init(&old), WEIR_OK);
    cr_assert_eq(old.epoch, 2);
    cr_assert_eq(commit(&zombie), WEIR_PRODUCER_FENCED);
}

Test(txn_v1, a_zombie_of_version_2_does_not_take_over_the_epoch_that_followed)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    struct producer zombie = producer;
    cr_assert_eq(init(&old), WEIR_OK);
    cr_assert_eq(old.epoch, zombie.epoch + 1);
    cr_assert_eq(add(&old, "t", 0), WEIR_OK);
    cr_assert_eq(commit(&old), WEIR_OK);
    cr_assert_eq(commit(&zombie), WEIR_PRODUCER_FENCED);
}

/* ---- What is under way ---- */

Test(txn, nothing_else_happens_while_a_change_waits_for_the_watermark)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    world.base.commits_at_once = false;
    ops_done = 0;
    struct weir_txn_partition item = {.topic = WEIR_SLICE("t")};
    struct weir_txn_add op = {.op = {.done = count_done},
                              .transactional_id = WEIR_SLICE("tid"),
                              .producer_id = producer.producer_id,
                              .partitions = &item,
                              .partition_count = 1};
    weir_txn_add(world.service, &op);
    fake_world_run(&world.base);
    cr_assert_eq(ops_done, 0, "the record is above the high watermark");
    struct producer other = producer;
    cr_assert_eq(add(&other, "t", 1), WEIR_CONCURRENT_TRANSACTIONS);
    cr_assert_eq(commit(&other), WEIR_CONCURRENT_TRANSACTIONS);
    cr_assert_eq(init(&other), WEIR_CONCURRENT_TRANSACTIONS);
    cr_assert_eq(verify(&other, "t", 0), WEIR_TRANSACTION_ABORTABLE);
    cr_assert(is_state("tid", "Empty"));
    ops_done = 0;
    fake_world_commit(&world.base, partition_of("tid"));
    cr_assert_eq(ops_done, 1);
    cr_assert_eq(op.op.status, WEIR_OK);
    cr_assert(is_state("tid", "Ongoing"));
    weir_txn_op_free(&op.op);
}

Test(txn, a_refused_append_leaves_the_state_as_it_was)
{
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(init(&producer), WEIR_COORDINATOR_NOT_AVAILABLE);
    struct weir_txn_describe out;
    describe("tid", &out);
    cr_assert_eq(out.op.status, WEIR_TRANSACTIONAL_ID_NOT_FOUND);
    weir_txn_op_free(&out.op);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    struct producer same = producer;
    cr_assert_eq(commit(&same), WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert(is_state("tid", "Ongoing"));
    cr_assert_eq(add(&producer, "t", 1), WEIR_COORDINATOR_NOT_AVAILABLE);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(commit(&producer), WEIR_OK);
    cr_assert_eq(producer.epoch, 1);
}

Test(txn, a_change_that_is_late_is_waited_for_though_its_client_was_answered)
{
    cr_assert_eq(init(&producer), WEIR_OK);
    cr_assert_eq(add(&producer, "t", 0), WEIR_OK);
    world.base.commits_at_once = false;
    ops_done = 0;
    struct weir_txn_end op = {.op = {.done = count_done},
                              .transactional_id = WEIR_SLICE("tid"),
                              .producer_id = producer.producer_id,
                              .is_commit = true,
                              .client_transaction_version = 2};
    weir_txn_end(world.service, &op);
    fake_world_advance(&world.base, 31000);
    cr_assert_eq(ops_done, 1);
    cr_assert_eq(op.op.status, WEIR_COORDINATOR_NOT_AVAILABLE);
    weir_txn_op_free(&op.op);
    cr_assert_eq(world.total_rounds, 0, "it may still not survive");
    struct producer same = producer;
    cr_assert_eq(commit(&same), WEIR_CONCURRENT_TRANSACTIONS);
    world.base.commits_at_once = true;
    fake_world_commit(&world.base, partition_of("tid"));
    fake_world_advance(&world.base, 31000);
    cr_assert_eq(world.total_rounds, 1);
    cr_assert(is_state("tid", "CompleteCommit"));
    cr_assert_eq(commit(&producer), WEIR_OK, "the repetition");
    cr_assert_eq(producer.epoch, 1);
}

Test(txn, whoever_waits_is_told_when_the_shard_goes_away)
{
    world.base.commits_at_once = false;
    ops_done = 0;
    struct weir_txn_init op = {.op = {.done = count_done},
                               .transactional_id = WEIR_SLICE("tid"),
                               .timeout_ms = 1000,
                               .expected_producer_id = -1};
    weir_txn_init(world.service, &op);
    cr_assert_eq(ops_done, 0);
    world_resign_all();
    cr_assert_eq(ops_done, 1);
    cr_assert_eq(op.op.status, WEIR_NOT_COORDINATOR);
    weir_txn_op_free(&op.op);
    cr_assert_eq(init(&producer), WEIR_NOT_COORDINATOR);
    cr_assert_eq(add(&producer, "t", 0), WEIR_NOT_COORDINATOR);
    cr_assert_eq(commit(&producer), WEIR_NOT_COORDINATOR);
}

/* ---- Looking ---- */

static void list(struct weir_txn_list *out)
{
    out->op = (struct weir_txn_op){.done = count_done};
    ops_done = 0;
    weir_txn_list(world.service, out);
    cr_assert_eq(ops_done, 1);
    cr_assert_eq(out->op.status, WEIR_OK);
}

static bool ends_with_2(void *context, struct weir_slice id)
{
    (void)context;
    return id.size > 0 && id.data[id.size - 1] == '2';
}

Test(txn, lists_are_filtered)
{
    struct producer producers[3] = {{.id = "id-0", .version = 2},
                                    {.id = "id-1", .version = 2},
                                    {.id = "id-2", .version = 2}};
    for (int i = 0; i < 3; i++)
        cr_assert_eq(init(&producers[i]), WEIR_OK);
    cr_assert_eq(add(&producers[1], "t", 0), WEIR_OK);
    fake_world_advance(&world.base, 100);
    cr_assert_eq(add(&producers[2], "t", 0), WEIR_OK);

    struct weir_txn_list all = {.duration_ms = -1};
    list(&all);
    cr_assert_eq(all.transaction_count, 3);
    cr_assert(weir_slice_is(all.transactions[0].transactional_id, "id-0"));
    cr_assert(weir_slice_is(all.transactions[0].state, "Empty"));
    cr_assert_eq(all.transactions[2].producer_id, producers[2].producer_id);
    weir_txn_op_free(&all.op);

    struct weir_slice states[2] = {WEIR_SLICE("Ongoing"), WEIR_SLICE("Running")};
    struct weir_txn_list ongoing = {.states = states, .state_count = 2, .duration_ms = -1};
    list(&ongoing);
    cr_assert_eq(ongoing.transaction_count, 2);
    cr_assert_eq(ongoing.unknown_state_count, 1);
    cr_assert(weir_slice_is(ongoing.unknown_states[0], "Running"));
    weir_txn_op_free(&ongoing.op);

    struct weir_txn_list unknown = {.states = states + 1, .state_count = 1, .duration_ms = -1};
    list(&unknown);
    cr_assert_eq(unknown.transaction_count, 0);
    weir_txn_op_free(&unknown.op);

    struct weir_txn_list one = {
        .producer_ids = &producers[1].producer_id, .producer_id_count = 1, .duration_ms = -1};
    list(&one);
    cr_assert_eq(one.transaction_count, 1);
    cr_assert(weir_slice_is(one.transactions[0].transactional_id, "id-1"));
    weir_txn_op_free(&one.op);

    struct weir_txn_list long_running = {.states = states, .state_count = 1, .duration_ms = 50};
    list(&long_running);
    cr_assert_eq(long_running.transaction_count, 1);
    cr_assert(weir_slice_is(long_running.transactions[0].transactional_id, "id-1"));
    weir_txn_op_free(&long_running.op);

    struct weir_txn_list named = {.duration_ms = -1, .is_wanted = ends_with_2};
    list(&named);
    cr_assert_eq(named.transaction_count, 1);
    weir_txn_op_free(&named.op);
}

Test(txn, what_is_not_there_cannot_be_described)
{
    struct weir_txn_describe out;
    describe("nobody", &out);
    cr_assert_eq(out.op.status, WEIR_TRANSACTIONAL_ID_NOT_FOUND);
    weir_txn_op_free(&out.op);
    describe("", &out);
    cr_assert_eq(out.op.status, WEIR_INVALID_REQUEST);
    weir_txn_op_free(&out.op);
}
