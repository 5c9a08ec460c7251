/* SPDX-License-Identifier: Apache-2.0 */

#include "log_world.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world.options.config.index_interval_bytes = 200;
    world.options.config.segment_bytes = 1000;
    world_open(&world);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(log_upkeep, .init = start, .fini = stop);

static struct weir_log_retention_result retain(void)
{
    struct weir_log_retention_result result;
    enum weir_status status = weir_partition_log_retain(world.log, &result, &world.detail);
    cr_assert_eq(status, WEIR_OK, "%s", world.detail.text);
    return result;
}

static void configure(int64_t retention_ms, int64_t retention_bytes)
{
    struct weir_log_config config;
    weir_partition_log_config(world.log, &config);
    config.retention_ms = retention_ms;
    config.retention_bytes = retention_bytes;
    weir_partition_log_set_config(world.log, &config);
}

/* --- Retention. --- */

Test(log_upkeep, old_segments_go_whole_and_the_log_start_follows)
{
    for (int i = 0; i < 50; i++) {
        struct world_batch batch = world_batch(3);
        world.now_ms += 1000;
        batch.timestamp = world.now_ms;
        (void)world_append(&world, &batch);
    }
    configure(20000, -1);
    struct weir_log_retention_result result = retain();
    cr_assert_gt(result.deleted_segments, 0);
    cr_assert_eq(result.log_start_offset, weir_partition_log_start_offset(world.log));
    cr_assert_gt(result.log_start_offset, 0);
    cr_assert_leq(result.log_start_offset, 30 * 3);
    cr_assert_eq(world_count(&world, result.log_start_offset, WEIR_LOG_READ_TO_LOG_END),
                 150 - result.log_start_offset);
    cr_assert_eq(weir_partition_log_epoch_for_offset(world.log, result.log_start_offset), 0);
    cr_assert_eq(retain().deleted_segments, 0);
}

Test(log_upkeep, when_everything_is_old_an_empty_segment_remains)
{
    world_append_many(&world, 20, 3);
    world.now_ms += world.options.config.retention_ms + 1000;
    (void)retain();
    cr_assert_eq(world_segment_count(&world), 1);
    cr_assert_eq(weir_partition_log_start_offset(world.log), 60);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 60);
    world_reopen_clean(&world);
    cr_assert_eq(weir_partition_log_start_offset(world.log), 60);
    struct world_batch batch = world_batch(1);
    cr_assert_eq(world_append(&world, &batch).base_offset, 60);
}

Test(log_upkeep, size_is_kept_at_or_above_the_limit)
{
    world_append_many(&world, 100, 3);
    configure(-1, 3000);
    cr_assert_gt(retain().deleted_segments, 0);
    cr_assert_geq(weir_partition_log_size(world.log), 3000);
    cr_assert_lt(weir_partition_log_size(world.log), 4000);
}

Test(log_upkeep, nothing_above_the_high_watermark_is_deleted)
{
    struct world_batch batch = world_batch(3);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    for (int i = 0; i < 50; i++)
        cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    configure(-1, 0);
    cr_assert_eq(retain().deleted_segments, 0);
    (void)weir_partition_log_set_high_watermark(world.log, 60);
    cr_assert_gt(retain().deleted_segments, 0);
    cr_assert_leq(weir_partition_log_start_offset(world.log), 60);
}

Test(log_upkeep, a_compacted_log_loses_only_what_lies_before_its_start)
{
    struct weir_log_config config = world.options.config;
    config.cleanup_delete = false;
    config.cleanup_compact = true;
    config.retention_bytes = 0;
    weir_partition_log_set_config(world.log, &config);
    world_append_many(&world, 50, 3);
    world.now_ms += config.retention_ms * 2;
    cr_assert_eq(retain().deleted_segments, 0);
    int64_t log_start;
    cr_assert_eq(weir_partition_log_delete_records(world.log, 100, &log_start), WEIR_OK);
    cr_assert_gt(retain().deleted_segments, 0);
    cr_assert_eq(weir_partition_log_start_offset(world.log), 100);
}

Test(log_upkeep, records_without_timestamps_go_by_the_files_age)
{
    for (int i = 0; i < 30; i++) {
        struct world_batch batch = world_batch(1);
        batch.timestamp = -1;
        (void)world_append(&world, &batch);
    }
    /* The disk's clock is the real one and lies ahead of the false one. */
    cr_assert_eq(retain().deleted_segments, 0);
    world.now_ms = weir_env_wall_ms(weir_env_posix()) + world.options.config.retention_ms + 100000;
    cr_assert_gt(retain().deleted_segments, 0);
}

Test(log_upkeep, deleted_files_wait_for_the_reaper)
{
    struct weir_file_reaper *reaper = NULL;
    world_close(&world);
    cr_assert_eq(weir_file_reaper_new(&world.env, &reaper), WEIR_OK);
    world.options.reaper = reaper;
    world_open(&world);
    world_append_many(&world, 50, 3);
    configure(-1, 0);
    (void)retain();
    char path[WEIR_SEGMENT_PATH_BYTES];
    size_t removed = 99;
    world_file(&world, 0, ".log.deleted", path);
    cr_assert_geq(world_file_size(&world, path), 0);
    cr_assert_eq(weir_file_reaper_run(reaper, false, &removed, NULL), WEIR_OK);
    cr_assert_eq(removed, 0);
    cr_assert_eq(weir_file_reaper_next_ms(reaper),
                 world.now_ms + world.options.config.file_delete_delay_ms);
    world.now_ms += world.options.config.file_delete_delay_ms;
    cr_assert_eq(weir_file_reaper_run(reaper, false, &removed, NULL), WEIR_OK);
    cr_assert_gt(removed, 0);
    cr_assert_eq(world_file_size(&world, path), -1);
    cr_assert_eq(weir_file_reaper_count(reaper), 0);
    weir_partition_log_unref(world.log);
    world.log = NULL;
    weir_file_reaper_free(reaper);
}

/* --- DeleteRecords. --- */

Test(log_upkeep, delete_records_raises_the_start_and_never_lowers_it)
{
    world_append_many(&world, 10, 3);
    int64_t log_start = -1;
    cr_assert_eq(weir_partition_log_delete_records(world.log, 31, &log_start),
                 WEIR_OFFSET_OUT_OF_RANGE);
    cr_assert_eq(weir_partition_log_delete_records(world.log, -2, &log_start),
                 WEIR_OFFSET_OUT_OF_RANGE);
    cr_assert_eq(weir_partition_log_delete_records(world.log, 10, &log_start), WEIR_OK);
    cr_assert_eq(log_start, 10);
    cr_assert_eq(weir_partition_log_delete_records(world.log, 5, &log_start), WEIR_OK);
    cr_assert_eq(log_start, 10);
    cr_assert_eq(world_count(&world, 10, WEIR_LOG_READ_TO_LOG_END), 20);
    world.options.log_start_offset = 10;
    world_reopen_clean(&world);
    cr_assert_eq(weir_partition_log_start_offset(world.log), 10);
}

/* --- Truncation (P3). --- */

Test(log_upkeep, truncation_removes_whole_batches_at_any_offset)
{
    for (int64_t offset = 149; offset >= 0; offset -= 13) {
        bool truncated = false;
        while (weir_partition_log_end_offset(world.log) < 150)
            world_append_many(&world, 1, 3);
        cr_assert_eq(weir_partition_log_truncate_to(world.log, offset, &truncated, &world.detail),
                     WEIR_OK, "%s", world.detail.text);
        cr_assert(truncated);
        int64_t expected = offset / 3 * 3;
        cr_assert_eq(weir_partition_log_end_offset(world.log), expected);
        cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), expected);
        cr_assert_leq(weir_partition_log_high_watermark(world.log), expected);
        world_drop(&world);
        world_open(&world);
        cr_assert_eq(weir_partition_log_end_offset(world.log), expected);
        cr_assert_eq(world.recovery.cut_bytes, 0);
    }
}

Test(log_upkeep, truncation_forgets_epochs_producers_and_aborts_behind_it)
{
    for (int i = 0; i < 20; i++) {
        struct world_batch batch = world_producer_batch(2, 7, 0, i * 2);
        struct weir_log_append_options options = {
            .origin = WEIR_APPEND_CLIENT, .is_verified = true, .leader_epoch = i};
        struct weir_log_append_result result;
        batch.options.is_transactional = true;
        cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
        (void)world_marker(&world, 7, 0, false);
    }
    bool truncated;
    cr_assert_eq(weir_partition_log_truncate_to(world.log, 31, &truncated, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 30);
    cr_assert_eq(weir_partition_log_latest_epoch(world.log), 9);
    struct weir_aborted_txn *aborted = NULL;
    size_t count = 0;
    cr_assert_eq(weir_partition_log_aborted_txns(world.log, 0, 1000, &aborted, &count, NULL),
                 WEIR_OK);
    cr_assert_eq(count, 10);
    weir_free(aborted);
    struct world_batch batch = world_producer_batch(2, 7, 0, 20);
    batch.options.is_transactional = true;
    cr_assert_eq(world_append(&world, &batch).base_offset, 30);
}

Test(log_upkeep, truncation_below_the_start_or_fully_begins_again_there)
{
    bool truncated;
    world_append_many(&world, 50, 3);
    configure(-1, 0);
    (void)retain();
    int64_t start_offset = weir_partition_log_start_offset(world.log);
    cr_assert_gt(start_offset, 10);
    cr_assert_eq(weir_partition_log_truncate_to(world.log, 10, &truncated, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_start_offset(world.log), 10);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 10);
    cr_assert_eq(weir_partition_log_truncate_fully(world.log, 77, NULL), WEIR_OK);
    struct world_batch batch = world_batch(1);
    cr_assert_eq(world_append(&world, &batch).base_offset, 77);
    world_reopen_clean(&world);
    cr_assert_eq(weir_partition_log_start_offset(world.log), 77);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 78);
}

/* --- Flush (P2, P5). --- */

Test(log_upkeep, the_recovery_point_moves_only_behind_syncs)
{
    world_append_many(&world, 30, 3);
    cr_assert_eq(weir_partition_log_recovery_point(world.log), 0);
    int before = world.syncs;
    cr_assert_eq(weir_partition_log_flush(world.log, false, NULL), WEIR_OK);
    cr_assert_gt(world.syncs, before);
    int64_t sealed = weir_partition_log_recovery_point(world.log);
    cr_assert(sealed > 0 && sealed < 90);
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_recovery_point(world.log), 90);
    before = world.syncs;
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert_eq(world.syncs, before, "nothing new, nothing to sync");
}

Test(log_upkeep, a_sealed_segment_is_not_trusted_before_its_indexes_are_durable)
{
    world_append_many(&world, 3, 3);
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_recovery_point(world.log), 9);
    cr_assert_eq(weir_partition_log_checkpoint_point(world.log), 8);
    cr_assert_eq(weir_partition_log_roll(world.log, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_recovery_point(world.log), 0);
    cr_assert_eq(weir_partition_log_flush(world.log, false, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_recovery_point(world.log), 9);
    cr_assert_eq(weir_partition_log_checkpoint_point(world.log), 9);
}

static void forget_syncs(void)
{
    world.syncs = 0;
    world.dir_syncs = 0;
}

static void expect_syncs(int files, int dirs)
{
    int found_files = world.syncs;
    int found_dirs = world.dir_syncs;
    cr_expect_eq(found_files, files, "%d syncs of files, not %d", found_files, files);
    cr_expect_eq(found_dirs, dirs, "%d syncs of directories, not %d", found_dirs, dirs);
}

Test(log_upkeep, an_untouched_log_closes_without_any_sync)
{
    world_append_many(&world, 5, 3);
    world_reopen_clean(&world);
    forget_syncs();
    world_close(&world);
    expect_syncs(0, 0);
    world_open(&world);
    cr_assert_not(world.recovery.was_recovered);
    cr_assert_eq(world.recovery.rebuilt_indexes, 0);
}

Test(log_upkeep, a_log_that_was_only_led_closes_without_any_sync)
{
    world_append_many(&world, 5, 3);
    world_reopen_clean(&world);
    forget_syncs();
    /* It begins at the log end, where whoever opens the log drops it. */
    cr_assert_eq(weir_partition_log_assign_leader_epoch(world.log, 8), WEIR_OK);
    world_reopen_clean(&world);
    expect_syncs(0, 0);
    cr_assert_lt(weir_partition_log_latest_epoch(world.log), 8);
}

Test(log_upkeep, a_new_empty_log_closes_without_syncing_files)
{
    cr_assert_eq(weir_partition_log_set_topic_id(world.log, weir_uuid_small(150)), WEIR_OK);
    cr_assert_eq(weir_partition_log_write_metadata(world.log, &world.detail), WEIR_OK);
    cr_assert_eq(weir_partition_log_assign_leader_epoch(world.log, 0), WEIR_OK);
    forget_syncs();
    world_reopen_clean(&world);
    expect_syncs(0, 0);
    cr_assert_not(world.recovery.was_recovered);
}

Test(log_upkeep, a_log_that_was_written_to_closes_with_one_sync_for_each_file_that_changed)
{
    world_append_many(&world, 1, 3);
    world_reopen_clean(&world);
    forget_syncs();
    world_append_many(&world, 1, 3);
    world_close(&world);
    expect_syncs(2, 2); /* .log and .snapshot (the timestamps are the old ones); the names and the
                           directory's own */
}

Test(log_upkeep, a_flush_of_a_growing_segment_is_one_sync)
{
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    for (int32_t epoch = 0; epoch < 4; epoch++) {
        struct world_batch batch = world_batch(3);
        options.leader_epoch = epoch;
        cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
        forget_syncs();
        cr_assert_eq(weir_partition_log_flush(world.log, true, &world.detail), WEIR_OK);
        if (epoch > 0)
            expect_syncs(1, 0);
    }
    world_drop(&world);
    world_open(&world);
    cr_assert_eq(weir_partition_log_latest_epoch(world.log), 3);
    cr_assert_eq(weir_partition_log_epoch_for_offset(world.log, 4), 1);
}

Test(log_upkeep, epochs_of_sealed_segments_are_durable_with_them)
{
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .leader_epoch = 4};
    struct weir_log_append_result result;
    struct world_batch batch = world_batch(3);
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
    cr_assert_eq(weir_partition_log_flush(world.log, false, &world.detail), WEIR_OK);
    world.options.recovery_point = weir_partition_log_recovery_point(world.log);
    cr_assert_eq(world.options.recovery_point, 3);
    world_drop(&world);
    world_open(&world);
    cr_assert_eq(weir_partition_log_latest_epoch(world.log), 4);
}

Test(log_upkeep, what_an_unclean_stop_left_unsynced_is_synced_by_the_next_close)
{
    world_append_many(&world, 1, 3);
    world_drop(&world);
    world_open(&world);
    forget_syncs();
    world_close(&world);
    cr_expect_geq((int)world.syncs, 4); /* .log, .index, .timeindex, .snapshot */
    cr_expect_geq((int)world.dir_syncs, 1);
}

Test(log_upkeep, a_failed_sync_is_final)
{
    world_append_many(&world, 3, 3);
    world.fail_sync = true;
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_KAFKA_STORAGE_ERROR);
    world.fail_sync = false;
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_KAFKA_STORAGE_ERROR);
    cr_assert_eq(weir_partition_log_recovery_point(world.log), 0);
    cr_assert_eq(world.failures, 1);
    cr_assert_eq(weir_partition_log_close(world.log, NULL), WEIR_KAFKA_STORAGE_ERROR);
}

Test(log_upkeep, flush_messages_and_flush_ms_ask_for_a_flush)
{
    struct weir_log_config config = world.options.config;
    config.flush_messages = 5;
    weir_partition_log_set_config(world.log, &config);
    struct world_batch batch = world_batch(3);
    cr_assert(!world_append(&world, &batch).is_flush_due);
    cr_assert(world_append(&world, &batch).is_flush_due);
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    config.flush_messages = INT64_MAX;
    config.flush_ms = 1000;
    weir_partition_log_set_config(world.log, &config);
    cr_assert(!world_append(&world, &batch).is_flush_due);
    world.now_ms += 1000;
    cr_assert(weir_partition_log_is_flush_due(world.log));
}

Test(log_upkeep, rolling_an_empty_segment_does_nothing)
{
    cr_assert_eq(weir_partition_log_roll(world.log, NULL), WEIR_OK);
    cr_assert_eq(world_segment_count(&world), 1);
    world_append_many(&world, 1, 1);
    cr_assert_eq(weir_partition_log_roll(world.log, NULL), WEIR_OK);
    cr_assert_eq(weir_partition_log_roll(world.log, NULL), WEIR_OK);
    cr_assert_eq(world_segment_count(&world), 2);
}

Test(log_upkeep, a_deleted_log_keeps_its_bytes_for_readers_only)
{
    world_append_many(&world, 3, 3);
    cr_assert_eq(weir_partition_log_rename_for_delete(world.log, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    char dir[4096];
    weir_partition_log_dir(world.log, dir);
    cr_assert_not_null(strstr(dir, "-delete"));
    struct weir_topic_partition key;
    enum weir_partition_dir_kind kind;
    cr_assert_eq(weir_partition_dir_parse(weir_slice_str(strrchr(dir, '/') + 1), &key, &kind),
                 WEIR_OK);
    cr_assert_eq(kind, WEIR_PARTITION_DIR_DELETE);
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_CLOSED);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 9);
}

Test(log_upkeep, becoming_leader_opens_an_epoch_at_the_log_end)
{
    int32_t epoch;
    int64_t end_offset;
    world_append_many(&world, 2, 3);
    cr_assert_eq(weir_partition_log_assign_leader_epoch(world.log, 4), WEIR_OK);
    weir_partition_log_end_offset_for_epoch(world.log, 0, &epoch, &end_offset);
    cr_assert_eq(epoch, 0);
    cr_assert_eq(end_offset, 6);
    weir_partition_log_end_offset_for_epoch(world.log, 4, &epoch, &end_offset);
    cr_assert_eq(end_offset, 6);
    weir_partition_log_end_offset_for_epoch(world.log, 5, &epoch, &end_offset);
    cr_assert_eq(epoch, -1);
    cr_assert_eq(end_offset, -1);
}
