/* SPDX-License-Identifier: Apache-2.0 */

/* KIP-890 as a log keeps it: a transactional batch that opens a transaction needs the guard that
 * was given out before the coordinator was asked. */

#include "log_world.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world_open(&world);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(producer_verification, .init = start, .fini = stop);

static uint64_t begin(int64_t producer_id, int16_t epoch, int32_t sequence, bool supports_bump)
{
    struct weir_verification_request request = {.producer_id = producer_id,
                                                .producer_epoch = epoch,
                                                .base_sequence = sequence,
                                                .supports_epoch_bump = supports_bump};
    uint64_t guard = 0;
    cr_assert_eq(weir_partition_log_begin_verification(world.log, &request, &guard), WEIR_OK);
    return guard;
}

static enum weir_status append(int64_t producer_id, int16_t epoch, int32_t sequence, uint64_t guard)
{
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT,
                                              .verification_guard = guard};
    struct weir_log_append_result result;
    batch.options.producer_id = producer_id;
    batch.options.producer_epoch = epoch;
    batch.options.base_sequence = sequence;
    batch.options.is_transactional = true;
    return world_try_append(&world, &batch, &options, &result);
}

Test(producer_verification, the_guard_opens_the_transaction_and_others_do_not)
{
    uint64_t guard = begin(1, 0, 0, false);
    cr_assert_neq(guard, 0);
    cr_assert_eq(append(1, 0, 0, 0), WEIR_INVALID_TXN_STATE);
    cr_assert_eq(append(1, 0, 0, guard + 1), WEIR_INVALID_TXN_STATE);
    cr_assert_eq(append(1, 0, 0, guard), WEIR_OK);
}

Test(producer_verification, an_open_transaction_needs_none)
{
    cr_assert_eq(append(1, 0, 0, begin(1, 0, 0, false)), WEIR_OK);
    cr_assert_eq(begin(1, 0, 1, false), 0);
    cr_assert_eq(append(1, 0, 1, 0), WEIR_OK);
    cr_assert_neq(begin(1, 1, 0, false), 0, "another epoch is another transaction");
}

Test(producer_verification, a_marker_takes_the_guards_power)
{
    uint64_t guard = begin(1, 0, 0, false);
    (void)world_marker(&world, 1, 0, false);
    cr_assert_eq(append(1, 0, 0, guard), WEIR_INVALID_TXN_STATE);
    uint64_t next = begin(1, 0, 0, false);
    cr_assert_neq(next, guard);
    cr_assert_eq(append(1, 0, 0, next), WEIR_OK);
}

Test(producer_verification, a_retry_gets_the_same_guard)
{
    uint64_t guard = begin(1, 0, 0, false);
    cr_assert_eq(begin(1, 0, 0, false), guard);
    cr_assert_neq(begin(2, 0, 0, false), guard);
}

Test(producer_verification, a_batch_behind_the_lowest_sequence_seen_has_to_wait)
{
    uint64_t guard = begin(1, 0, 5, false);
    cr_assert_eq(begin(1, 0, 4, false), guard);
    cr_assert_eq(append(1, 0, 5, guard), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(append(1, 0, 4, guard), WEIR_OK);
}

Test(producer_verification, with_version_2_an_unknown_producer_begins_with_sequence_0)
{
    uint64_t guard = begin(1, 0, 3, true);
    cr_assert_eq(append(1, 0, 3, guard), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(begin(1, 0, 0, true), guard);
    cr_assert_eq(append(1, 0, 0, guard), WEIR_OK);
}

Test(producer_verification, a_coordinators_batch_needs_its_guard_too)
{
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR};
    struct weir_log_append_result result;
    batch.options.producer_id = 1;
    batch.options.producer_epoch = 0;
    batch.options.base_sequence = 0;
    batch.options.is_transactional = true;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_INVALID_TXN_STATE);
    options.verification_guard = begin(1, 0, -1, true);
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
}

Test(producer_verification, a_zombies_does_not_hold_up_the_open_transaction_of_its_successor)
{
    cr_assert_eq(append(1, 1, 0, begin(1, 1, 0, true)), WEIR_OK);
    uint64_t guard = begin(1, 0, 0, false);
    cr_assert_neq(guard, 0);
    cr_assert_eq(append(1, 0, 0, guard), WEIR_INVALID_PRODUCER_EPOCH);
    cr_assert_eq(append(1, 1, 1, 0), WEIR_OK);
}
