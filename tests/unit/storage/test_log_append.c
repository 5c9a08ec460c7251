/* SPDX-License-Identifier: Apache-2.0 */

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

TestSuite(log_append, .init = start, .fini = stop);

Test(log_append, batches_get_consecutive_offsets_and_are_read_back)
{
    for (int i = 0; i < 10; i++) {
        struct world_batch batch = world_batch(3);
        struct weir_log_append_result result = world_append(&world, &batch);
        cr_assert_eq(result.base_offset, i * 3);
        cr_assert_eq(result.last_offset, i * 3 + 2);
        cr_assert_eq(result.log_start_offset, 0);
        cr_assert_eq(result.log_append_time_ms, -1);
    }
    cr_assert_eq(weir_partition_log_end_offset(world.log), 30);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 30);
    cr_assert_eq(world_count(&world, 17, WEIR_LOG_READ_TO_HIGH_WATERMARK), 13);
}

Test(log_append, everything_is_there_after_a_clean_restart)
{
    world_append_many(&world, 50, 7);
    world_reopen_clean(&world);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 350);
    cr_assert_eq(world.recovery.was_recovered, false);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 350);
}

Test(log_append, everything_is_there_after_the_process_died)
{
    world_append_many(&world, 50, 7);
    world_drop(&world);
    world_open(&world);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 350);
    cr_assert_eq(world.recovery.was_recovered, true);
    cr_assert_eq(world.recovery.cut_bytes, 0);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 350);
}

/* --- Idempotent producers (reference B.6). --- */

static enum weir_status try_producer(int count, int64_t producer_id, int16_t epoch,
                                     int32_t sequence, struct weir_log_append_result *out)
{
    struct world_batch batch = world_producer_batch(count, producer_id, epoch, sequence);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    return world_try_append(&world, &batch, &options, out);
}

Test(log_append, a_repeated_batch_is_answered_with_its_old_offset_and_not_written)
{
    struct weir_log_append_result result;
    cr_assert_eq(try_producer(3, 7, 0, 0, &result), WEIR_OK);
    cr_assert_eq(try_producer(2, 7, 0, 3, &result), WEIR_OK);
    cr_assert_eq(try_producer(3, 7, 0, 0, &result), WEIR_OK);
    cr_assert(result.is_duplicate);
    cr_assert_eq(result.base_offset, 0);
    cr_assert_eq(result.last_offset, 2);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 5);
}

Test(log_append, only_the_last_five_batches_are_known_as_duplicates)
{
    struct weir_log_append_result result;
    for (int32_t i = 0; i < 6; i++)
        cr_assert_eq(try_producer(1, 7, 0, i, &result), WEIR_OK);
    cr_assert_eq(try_producer(1, 7, 0, 0, &result), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(try_producer(1, 7, 0, 1, &result), WEIR_OK);
    cr_assert(result.is_duplicate);
}

Test(log_append, gaps_overlaps_and_old_epochs_are_refused)
{
    struct weir_log_append_result result;
    cr_assert_eq(try_producer(3, 7, 1, 0, &result), WEIR_OK);
    cr_assert_eq(try_producer(1, 7, 1, 4, &result), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(try_producer(1, 7, 1, 2, &result), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(try_producer(1, 7, 0, 3, &result), WEIR_INVALID_PRODUCER_EPOCH);
    cr_assert_eq(try_producer(1, 7, 2, 3, &result), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(try_producer(1, 7, 2, 0, &result), WEIR_OK);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 4);
}

Test(log_append, an_unknown_producer_may_begin_anywhere)
{
    struct weir_log_append_result result;
    cr_assert_eq(try_producer(1, 9, 0, 4711, &result), WEIR_OK);
    cr_assert_eq(try_producer(1, 9, 0, 4712, &result), WEIR_OK);
}

Test(log_append, sequences_wrap_after_the_largest)
{
    struct weir_log_append_result result;
    cr_assert_eq(try_producer(1, 9, 0, INT32_MAX - 1, &result), WEIR_OK);
    cr_assert_eq(try_producer(2, 9, 0, INT32_MAX, &result), WEIR_OK);
    cr_assert_eq(try_producer(1, 9, 0, 1, &result), WEIR_OK);
    cr_assert_eq(try_producer(2, 9, 0, INT32_MAX, &result), WEIR_OK);
    cr_assert(result.is_duplicate);
}

Test(log_append, idempotence_survives_a_clean_and_an_unclean_restart)
{
    struct weir_log_append_result result;
    cr_assert_eq(try_producer(3, 7, 0, 0, &result), WEIR_OK);
    world_reopen_clean(&world);
    cr_assert_eq(try_producer(3, 7, 0, 0, &result), WEIR_OK);
    cr_assert(result.is_duplicate);
    cr_assert_eq(try_producer(1, 7, 0, 3, &result), WEIR_OK);
    world_drop(&world);
    world.options.was_clean = false;
    world_open(&world);
    cr_assert_eq(try_producer(1, 7, 0, 3, &result), WEIR_OK);
    cr_assert(result.is_duplicate);
    cr_assert_eq(try_producer(1, 7, 0, 5, &result), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
}

Test(log_append, producers_that_were_silent_too_long_are_forgotten)
{
    struct weir_log_append_result result;
    cr_assert_eq(try_producer(3, 7, 0, 0, &result), WEIR_OK);
    world.now_ms += world.options.config.producer_id_expiration_ms + 10;
    weir_partition_log_expire_producers(world.log);
    struct weir_producer_info *infos = NULL;
    size_t count = 99;
    cr_assert_eq(weir_partition_log_producers(world.log, &infos, &count), WEIR_OK);
    cr_assert_eq(count, 0);
    weir_free(infos);
}

/* --- Transactions (B.7). --- */

static struct world_batch txn_batch(int count, int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct world_batch batch = world_producer_batch(count, producer_id, epoch, sequence);
    batch.options.is_transactional = true;
    return batch;
}

Test(log_append, the_last_stable_offset_waits_for_the_oldest_open_transaction)
{
    struct world_batch first = txn_batch(2, 1, 0, 0);
    struct world_batch second = txn_batch(2, 2, 0, 0);
    (void)world_append(&world, &first);
    (void)world_append(&world, &second);
    cr_assert_eq(weir_partition_log_last_stable_offset(world.log), 0);
    (void)world_marker(&world, 1, 0, true);
    cr_assert_eq(weir_partition_log_last_stable_offset(world.log), 2);
    (void)world_marker(&world, 2, 0, false);
    cr_assert_eq(weir_partition_log_last_stable_offset(world.log), 6);
    cr_assert_eq(weir_partition_log_high_watermark(world.log), 6);
}

Test(log_append, a_marker_above_the_high_watermark_does_not_move_the_last_stable_offset)
{
    struct world_batch batch = txn_batch(2, 1, 0, 0);
    (void)world_append(&world, &batch);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR};
    struct weir_txn_marker marker = {.producer_id = 1, .is_commit = true};
    struct weir_log_append_result result;
    cr_assert_eq(weir_partition_log_append_marker(world.log, &marker, &options, &result, NULL),
                 WEIR_OK);
    cr_assert_eq(weir_partition_log_last_stable_offset(world.log), 0);
    cr_assert(weir_partition_log_set_high_watermark(world.log, 3));
    cr_assert_eq(weir_partition_log_last_stable_offset(world.log), 3);
}

Test(log_append, an_unverified_batch_does_not_open_a_transaction)
{
    struct world_batch batch = txn_batch(1, 1, 0, 0);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_INVALID_TXN_STATE);
    options.is_verified = true;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    options.is_verified = false;
    batch.options.base_sequence = 1;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert(weir_partition_log_has_open_txn(world.log, 1, 0));
}

Test(log_append, a_plain_batch_inside_a_transaction_is_refused)
{
    struct world_batch batch = txn_batch(1, 1, 0, 0);
    struct weir_log_append_result result;
    (void)world_append(&world, &batch);
    cr_assert_eq(try_producer(1, 1, 0, 1, &result), WEIR_INVALID_TXN_STATE);
}

Test(log_append, markers_of_old_epochs_and_coordinators_are_refused)
{
    struct world_batch batch = txn_batch(1, 1, 5, 0);
    (void)world_append(&world, &batch);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR};
    struct weir_txn_marker marker = {.producer_id = 1, .producer_epoch = 4};
    struct weir_log_append_result result;
    cr_assert_eq(weir_partition_log_append_marker(world.log, &marker, &options, &result, NULL),
                 WEIR_INVALID_PRODUCER_EPOCH);
    options.transaction_version = 2;
    marker.producer_epoch = 5;
    cr_assert_eq(weir_partition_log_append_marker(world.log, &marker, &options, &result, NULL),
                 WEIR_INVALID_PRODUCER_EPOCH);
    marker.producer_epoch = 6;
    marker.coordinator_epoch = 3;
    cr_assert_eq(weir_partition_log_append_marker(world.log, &marker, &options, &result, NULL),
                 WEIR_OK);
    /* The same marker again is a retry; one of an older coordinator is not. */
    cr_assert_eq(weir_partition_log_append_marker(world.log, &marker, &options, &result, NULL),
                 WEIR_OK);
    marker.coordinator_epoch = 2;
    cr_assert_eq(weir_partition_log_append_marker(world.log, &marker, &options, &result, NULL),
                 WEIR_TRANSACTION_COORDINATOR_FENCED);
}

Test(log_append, after_a_marker_with_a_new_epoch_the_sequence_begins_at_zero)
{
    struct world_batch batch = txn_batch(3, 1, 0, 0);
    struct weir_log_append_result result;
    (void)world_append(&world, &batch);
    (void)world_marker(&world, 1, 1, true);
    cr_assert_eq(try_producer(1, 1, 1, 3, &result), WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(try_producer(1, 1, 1, 0, &result), WEIR_OK);
}

Test(log_append, aborted_transactions_are_told_after_any_restart)
{
    for (int round = 0; round < 3; round++) {
        struct world_batch batch = txn_batch(2, 1, (int16_t)round, 0);
        (void)world_append(&world, &batch);
        (void)world_marker(&world, 1, (int16_t)round, round == 1);
    }
    struct world_batch open = txn_batch(1, 2, 0, 0);
    (void)world_append(&world, &open);
    for (int restart = 0; restart < 3; restart++) {
        struct weir_aborted_txn *aborted = NULL;
        size_t count = 0;
        cr_assert_eq(weir_partition_log_aborted_txns(world.log, 0, 100, &aborted, &count, NULL),
                     WEIR_OK);
        cr_assert_eq(count, 2);
        cr_assert_eq(aborted[0].first_offset, 0);
        cr_assert_eq(aborted[0].last_offset, 2);
        cr_assert_eq(aborted[1].first_offset, 6);
        cr_assert_eq(aborted[1].last_offset, 8);
        weir_free(aborted);
        cr_assert_eq(weir_partition_log_last_stable_offset(world.log), 9);
        if (restart == 0) {
            world_reopen_clean(&world);
        } else {
            world_drop(&world);
            world.options.was_clean = false;
            world.options.recovery_point = 0;
            world_open(&world);
            (void)weir_partition_log_set_high_watermark(world.log, INT64_MAX);
        }
    }
}

/* --- Rolling. --- */

Test(log_append, segments_roll_by_size_and_everything_stays_readable)
{
    struct weir_log_config config = world.options.config;
    config.segment_bytes = 1000;
    weir_partition_log_set_config(world.log, &config);
    world_append_many(&world, 100, 3);
    cr_assert_gt(world_segment_count(&world), 7);
    for (int64_t offset = 0; offset < 300; offset += 7)
        cr_assert_eq(world_count(&world, offset, WEIR_LOG_READ_TO_LOG_END), 300 - offset);
}

Test(log_append, segments_roll_when_the_first_batch_is_too_old)
{
    struct weir_log_config config = world.options.config;
    config.segment_ms = 1000;
    weir_partition_log_set_config(world.log, &config);
    struct world_batch batch = world_batch(1);
    cr_assert_eq(world_append(&world, &batch).has_rolled, false);
    batch.timestamp += 1000;
    cr_assert_eq(world_append(&world, &batch).has_rolled, false);
    batch.timestamp += 1;
    cr_assert_eq(world_append(&world, &batch).has_rolled, true);
    cr_assert_eq(world_segment_count(&world), 2);
}

Test(log_append, segments_roll_when_the_index_is_full)
{
    struct weir_log_config config = world.options.config;
    config.segment_index_bytes = 24;
    config.index_interval_bytes = 1;
    weir_partition_log_set_config(world.log, &config);
    world_append_many(&world, 20, 1);
    cr_assert_gt(world_segment_count(&world), 4);
}

Test(log_append, a_batch_larger_than_a_segment_is_refused)
{
    struct weir_log_config config = world.options.config;
    config.segment_bytes = 500;
    weir_partition_log_set_config(world.log, &config);
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    batch.value_bytes = 600;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_RECORD_LIST_TOO_LARGE);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 0);
}

/* --- Failures (P4, P5). --- */

Test(log_append, a_full_disk_leaves_no_half_batch_and_the_log_goes_on)
{
    world_append_many(&world, 3, 2);
    struct world_batch batch = world_batch(2);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    world.fail_write_after = 0;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_NO_SPACE);
    world.fail_write_after = -1;
    cr_assert_eq(weir_partition_log_end_offset(world.log), 6);
    cr_assert_eq(world_append(&world, &batch).base_offset, 6);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 8);
    world_drop(&world);
    world_open(&world);
    cr_assert_eq(world.recovery.cut_bytes, 0);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 8);
}

Test(log_append, a_bad_disk_fails_the_log_once_and_for_all)
{
    struct world_batch batch = world_batch(2);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    (void)world_append(&world, &batch);
    world.fail_write_after = 0;
    world.write_failure = WEIR_IO_ERROR;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_KAFKA_STORAGE_ERROR);
    world.fail_write_after = -1;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_KAFKA_STORAGE_ERROR);
    cr_assert(weir_partition_log_has_failed(world.log));
    cr_assert_eq(world.failures, 1);
}

Test(log_append, out_of_memory_at_any_point_changes_nothing)
{
    for (long n = 0; n < 40; n++) {
        struct world_batch batch = world_producer_batch(2, 1000 + n, 0, 0);
        struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT,
                                                  .leader_epoch = (int32_t)n};
        struct weir_log_append_result result;
        struct weir_checked_batch checked;
        struct weir_buf bytes = {0};
        int64_t before = weir_partition_log_end_offset(world.log);
        world_build(&batch, &bytes);
        cr_assert_eq(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, NULL), WEIR_OK);
        weir_memory_fail_after(n % 8 + 1);
        enum weir_status status =
            weir_partition_log_append(world.log, &checked, &options, &result, NULL);
        weir_memory_fail_after(-1);
        cr_assert(status == WEIR_OK || status == WEIR_NO_MEMORY);
        cr_assert_eq(weir_partition_log_end_offset(world.log),
                     before + (status == WEIR_OK ? 2 : 0));
        weir_buf_done(&bytes);
    }
}

/* --- Batches with offsets. --- */

Test(log_append, raw_batches_keep_their_offsets_and_epochs)
{
    struct weir_buf bytes = {0};
    struct weir_log_append_result result;
    for (int i = 0; i < 3; i++) {
        struct world_batch batch = world_batch(2);
        batch.options.base_offset = 10 + i * 5;
        batch.options.partition_leader_epoch = i;
        world_build(&batch, &bytes);
    }
    cr_assert_eq(weir_partition_log_append_raw(world.log, weir_buf_slice(&bytes),
                                               WEIR_APPEND_REPLICATION, &result, NULL),
                 WEIR_OK);
    cr_assert_eq(result.base_offset, 10);
    cr_assert_eq(result.last_offset, 21);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 22);
    cr_assert_eq(weir_partition_log_latest_epoch(world.log), 2);
    int32_t epoch;
    int64_t end_offset;
    weir_partition_log_end_offset_for_epoch(world.log, 1, &epoch, &end_offset);
    cr_assert_eq(epoch, 1);
    cr_assert_eq(end_offset, 20);
    cr_assert_eq(weir_partition_log_append_raw(world.log, weir_buf_slice(&bytes),
                                               WEIR_APPEND_REPLICATION, &result, NULL),
                 WEIR_INVALID);
    bytes.data[bytes.size - 1] ^= 1;
    cr_assert_eq(weir_partition_log_append_raw(world.log, weir_buf_slice(&bytes),
                                               WEIR_APPEND_REPLICATION, &result, NULL),
                 WEIR_INVALID); /* order is seen first */
    weir_buf_done(&bytes);
}

Test(log_append, raw_batches_with_a_bad_checksum_or_a_torn_end_are_refused_whole)
{
    struct weir_buf bytes = {0};
    struct weir_log_append_result result;
    for (int i = 0; i < 2; i++) {
        struct world_batch batch = world_batch(2);
        batch.options.base_offset = i * 2;
        world_build(&batch, &bytes);
    }
    struct weir_slice torn = weir_slice_of(bytes.data, bytes.size - 1);
    cr_assert_eq(weir_partition_log_append_raw(world.log, torn, WEIR_APPEND_RAFT, &result, NULL),
                 WEIR_CORRUPT);
    bytes.data[bytes.size - 1] ^= 1;
    cr_assert_eq(weir_partition_log_append_raw(world.log, weir_buf_slice(&bytes), WEIR_APPEND_RAFT,
                                               &result, NULL),
                 WEIR_CORRUPT);
    cr_assert_eq(
        weir_partition_log_append_raw(world.log, WEIR_EMPTY_SLICE, WEIR_APPEND_RAFT, &result, NULL),
        WEIR_INVALID);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 0);
    weir_buf_done(&bytes);
}

Test(log_append, the_leader_epoch_is_in_every_batch_and_in_the_cache)
{
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .leader_epoch = 3};
    struct weir_log_append_result result;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    options.leader_epoch = 5;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    world_reopen_clean(&world);
    cr_assert_eq(weir_partition_log_epoch_for_offset(world.log, 0), 3);
    cr_assert_eq(weir_partition_log_epoch_for_offset(world.log, 1), 5);
    cr_assert_eq(weir_partition_log_earliest_epoch(world.log).epoch, 3);
}
