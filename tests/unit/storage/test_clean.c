/* SPDX-License-Identifier: Apache-2.0 */

/* The rules of compaction (reference A.8), one a test. */

#include "clean_world.h"

#define DAY_MS INT64_C(86400000)

Test(clean, last_record_of_each_key_stays_with_its_offset)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean_append(&clean, "a=1 b=1");
    clean_append(&clean, "c=1 a=2");
    clean_roll(&clean);
    clean_append(&clean, "b=2");
    clean_roll(&clean);
    clean_append(&clean, "d=1 a=3");
    clean_now(&clean);
    /* The active segment supersedes nothing yet. */
    clean_expect(&clean, "2-3{2:c=1 3:a=2} 4-4{4:b=2} 5-6{5:d=1 6:a=3}");
    cr_assert_eq(world_segment_count(&clean.world), 2);
    cr_assert_eq(clean.result.first_dirty_offset, 5);
    cr_assert_eq(clean_try(&clean), WEIR_NOT_FOUND);
    world_reopen_clean(&clean.world);
    clean_expect(&clean, "2-3{2:c=1 3:a=2} 4-4{4:b=2} 5-6{5:d=1 6:a=3}");
    clean_world_done(&clean);
}

Test(clean, second_round_goes_by_what_is_dirty_and_rewrites_what_was_clean)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean_append(&clean, "a=1 b=1 c=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_append(&clean, "b=2");
    clean_roll(&clean);
    clean_now(&clean);
    clean_expect(&clean, "0-2{0:a=1 2:c=1} 3-3{3:x=1} 4-4{4:b=2}");
    cr_assert_eq(clean.result.map_keys, 2);
    clean_world_done(&clean);
}

Test(clean, tombstone_stays_until_its_horizon_and_gets_it_at_the_first_pass)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean_append(&clean, "a=1 b=1");
    clean_append(&clean, "a c=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_expect(&clean, "0-1{1:b=1} 2-3h{2:a 3:c=1} 4-4{4:x=1}");
    clean_roll(&clean);
    clean.world.now_ms += DAY_MS - 1;
    clean_append(&clean, "x=2");
    clean_now(&clean);
    clean_expect(&clean, "0-1{1:b=1} 2-3h{2:a 3:c=1} 4-4{4:x=1} 5-5{5:x=2}");
    clean_roll(&clean);
    clean.world.now_ms += 1;
    clean_append(&clean, "x=3");
    clean_now(&clean);
    clean_expect(&clean, "0-1{1:b=1} 2-3h{3:c=1} 5-5{5:x=2} 6-6{6:x=3}");
    clean_world_done(&clean);
}

Test(clean, times_of_records_stay_when_a_batch_gets_a_horizon)
{
    struct clean_world clean;
    struct weir_offset_and_time found;
    clean_world_init(&clean);
    int64_t now_ms = clean.world.now_ms;
    clean_append(&clean, "a b=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_expect(&clean, "0-1h{0:a 1:b=1} 2-2{2:x=1}");
    cr_assert_eq(weir_partition_log_offset_for_timestamp(clean.world.log, now_ms + 1, &found,
                                                         &clean.world.detail),
                 WEIR_OK);
    cr_assert_eq(found.offset, 1);
    cr_assert_eq(found.timestamp, now_ms + 1);
    clean_world_done(&clean);
}

Test(clean, untouched_batch_is_copied_byte_for_byte)
{
    struct clean_world clean;
    struct weir_buf before = {0};
    struct weir_buf after = {0};
    char path[WEIR_SEGMENT_PATH_BYTES];
    clean_world_init(&clean);
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.codec = WEIR_CODEC_LZ4;
    options.level = 12;
    clean_append_as(&clean, &options, "a=1 b=1 c=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    world_file(&clean.world, 0, ".log", path);
    cr_assert_eq(weir_file_read_all(&clean.world.env, path, 4096, &before, NULL), WEIR_OK);
    clean_now(&clean);
    cr_assert_eq(weir_file_read_all(&clean.world.env, path, 4096, &after, NULL), WEIR_OK);
    cr_assert_eq(weir_slice_compare(weir_buf_slice(&before), weir_buf_slice(&after)), 0);
    weir_buf_done(&before);
    weir_buf_done(&after);
    clean_world_done(&clean);
}

Test(clean, rebuilt_batch_keeps_codec_producer_sequence_and_epoch)
{
    struct clean_world clean;
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    char path[WEIR_SEGMENT_PATH_BYTES];
    clean_world_init(&clean);
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.codec = WEIR_CODEC_ZSTD;
    options.producer_id = 5;
    options.producer_epoch = 2;
    options.base_sequence = 0;
    clean_append_as(&clean, &options, "a=1 b=1 a=2 b=2");
    clean_append(&clean, "b=3");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_expect(&clean, "0-3{2:a=2} 4-4{4:b=3} 5-5{5:x=1}");
    world_file(&clean.world, 0, ".log", path);
    cr_assert_eq(weir_file_read_all(&clean.world.env, path, 4096, &bytes, NULL), WEIR_OK);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.attributes & WEIR_BATCH_CODEC_MASK, WEIR_CODEC_ZSTD);
    cr_assert_eq(batch.producer_id, 5);
    cr_assert_eq(batch.producer_epoch, 2);
    cr_assert_eq(weir_batch_last_sequence(&batch), 3);
    cr_assert_eq(batch.partition_leader_epoch, 0);
    weir_buf_done(&bytes);
    clean_world_done(&clean);
}

Test(clean, last_batch_of_a_producer_stays_without_records)
{
    struct clean_world clean;
    clean_world_init(&clean);
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.producer_id = 1000;
    options.producer_epoch = 0;
    options.base_sequence = 0;
    clean_append_as(&clean, &options, "a=1 b=1");
    options.base_sequence = 2;
    clean_append_as(&clean, &options, "a=2 b=2");
    clean_append(&clean, "a=3 b=3");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_expect(&clean, "2-3{} 4-5{4:a=3 5:b=3} 6-6{6:x=1}");
    /* The sequence goes on where it was. */
    world_reopen_clean(&clean.world);
    options.base_sequence = 4;
    cr_assert_eq(clean_append_as(&clean, &options, "c=1"), 7);
    clean_world_done(&clean);
}

Test(clean, end_of_the_round_stays_without_records)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean_append(&clean, "a=1");
    clean_append(&clean, "=lost");
    clean_roll(&clean);
    clean_append(&clean, "a=2");
    clean_now(&clean);
    clean_expect(&clean, "0-0{0:a=1} 1-1{} 2-2{2:a=2}");
    cr_assert_eq(clean.result.records_without_key, 1);
    clean_world_done(&clean);
}

Test(clean, aborted_data_goes_and_its_marker_only_after_a_horizon)
{
    struct clean_world clean;
    struct weir_aborted_txn *aborted = NULL;
    size_t count = 0;
    clean_world_init(&clean);
    clean_append(&clean, "a=1");
    clean_append_txn(&clean, 7, 0, "a=bad");
    world_marker(&clean.world, 7, 0, false);
    clean_append_txn(&clean, 7, 1, "b=good");
    world_marker(&clean.world, 7, 0, true);
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_expect(&clean, "0-0{0:a=1} 2-2{ABORT} 3-3{3:b=good} 4-4{COMMIT} 5-5{5:x=1}");
    clean_roll(&clean);
    clean_append(&clean, "x=2");
    clean_now(&clean);
    clean_expect(&clean, "0-0{0:a=1} 2-2h{ABORT} 3-3{3:b=good} 4-4{COMMIT} 5-5{5:x=1} 6-6{6:x=2}");
    cr_assert_eq(weir_partition_log_aborted_txns(clean.world.log, 0, 10, &aborted, &count, NULL),
                 WEIR_OK);
    cr_assert_eq(count, 0);
    weir_free(aborted);
    clean.world.now_ms += DAY_MS;
    clean_roll(&clean);
    clean_append(&clean, "x=3");
    clean_now(&clean);
    clean_expect(&clean, "0-0{0:a=1} 3-3{3:b=good} 4-4{COMMIT} 6-6{6:x=2} 7-7{7:x=3}");
    clean_world_done(&clean);
}

Test(clean, marker_of_a_transaction_without_data_goes_after_its_horizon)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean_append_txn(&clean, 7, 0, "a=1");
    world_marker(&clean.world, 7, 0, true);
    clean_append_txn(&clean, 7, 1, "a=2");
    world_marker(&clean.world, 7, 0, true);
    clean_append(&clean, "y=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    clean_expect(&clean, "1-1{COMMIT} 2-2{2:a=2} 3-3{COMMIT} 4-4{4:y=1} 5-5{5:x=1}");
    clean_roll(&clean);
    clean_append(&clean, "x=2");
    clean_now(&clean);
    clean_expect(&clean, "1-1h{COMMIT} 2-2{2:a=2} 3-3{COMMIT} 4-4{4:y=1} 5-5{5:x=1} 6-6{6:x=2}");
    clean.world.now_ms += DAY_MS;
    clean_roll(&clean);
    clean_append(&clean, "x=3");
    clean_now(&clean);
    clean_expect(&clean, "2-2{2:a=2} 3-3{COMMIT} 4-4{4:y=1} 6-6{6:x=2} 7-7{7:x=3}");
    clean_world_done(&clean);
}

Test(clean, open_transaction_ends_what_is_cleaned)
{
    struct clean_world clean;
    struct weir_log_cleanable cleanable;
    clean_world_init(&clean);
    clean_append(&clean, "a=1 b=1");
    clean_roll(&clean);
    clean_append(&clean, "a=2");
    clean_append_txn(&clean, 7, 0, "b=2");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, -1, &cleanable, NULL), WEIR_OK);
    cr_assert_eq(cleanable.first_uncleanable_offset, 2);
    clean_now(&clean);
    clean_expect(&clean, "0-1{0:a=1 1:b=1} 2-2{2:a=2} 3-3{3:b=2} 4-4{4:x=1}");
    world_marker(&clean.world, 7, 0, true);
    clean_now(&clean);
    clean_expect(&clean, "2-2{2:a=2} 3-3{3:b=2} 4-4{4:x=1} 5-5{COMMIT}");
    clean_world_done(&clean);
}

Test(clean, full_map_ends_the_round_at_what_it_knows)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean.options.map_bytes = 4 * 24;
    clean.options.map_load_factor = 0.75;
    clean_append(&clean, "a=1 b=1");
    clean_append(&clean, "a=2 c=1 d=1 a=3");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    clean_now(&clean);
    cr_assert(clean.result.map_was_full);
    cr_assert_eq(clean.result.first_dirty_offset, 4);
    clean_expect(&clean, "0-1{1:b=1} 2-5{2:a=2 3:c=1 4:d=1 5:a=3} 6-6{6:x=1}");
    clean_now(&clean);
    clean_expect(&clean, "0-1{1:b=1} 2-5{3:c=1 4:d=1 5:a=3} 6-6{6:x=1}");
    cr_assert_eq(clean.result.first_dirty_offset, 6);
    clean_world_done(&clean);
}

Test(clean, segments_are_joined_as_long_as_they_fit)
{
    struct clean_world clean;
    clean_world_init(&clean);
    for (int i = 0; i < 6; i++) {
        clean_append(&clean, "a=1 b=2 c=3");
        clean_append(&clean, "u=1 v=2 w=3");
        clean_roll(&clean);
    }
    clean_append(&clean, "x=1");
    struct weir_segment_info *infos = NULL;
    size_t count = 0;
    cr_assert_eq(weir_partition_log_segments(clean.world.log, &infos, &count), WEIR_OK);
    clean.world.options.config.segment_bytes = (int32_t)infos[0].size_bytes * 2;
    weir_free(infos);
    weir_partition_log_set_config(clean.world.log, &clean.world.options.config);
    clean_now(&clean);
    cr_assert_eq(clean.result.segments_before, 6);
    cr_assert_eq(clean.result.segments_after, 3);
    clean_expect(&clean, "30-32{30:a=1 31:b=2 32:c=3} 33-35{33:u=1 34:v=2 35:w=3} 36-36{36:x=1}");
    world_reopen_clean(&clean.world);
    cr_assert_eq(clean.world.recovery.rebuilt_indexes, 0, "%s", clean.world.recovery.note.text);
    clean_expect(&clean, "30-32{30:a=1 31:b=2 32:c=3} 33-35{33:u=1 34:v=2 35:w=3} 36-36{36:x=1}");
    clean_world_done(&clean);
}

Test(clean, time_of_the_last_source_is_the_new_segments)
{
    struct clean_world clean;
    struct weir_file_info info;
    char path[WEIR_SEGMENT_PATH_BYTES];
    clean_world_init(&clean);
    clean_append(&clean, "a=1");
    clean_roll(&clean);
    clean_append(&clean, "b=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    world_file(&clean.world, 1, ".log", path);
    cr_assert_eq(weir_path_set_modified(&clean.world.env, path, 1600000000000, NULL), WEIR_OK);
    clean_now(&clean);
    world_file(&clean.world, 0, ".log", path);
    cr_assert_eq(weir_path_info(&clean.world.env, path, &info, NULL), WEIR_OK);
    cr_assert_eq(info.modified_ms, 1600000000000);
    clean_world_done(&clean);
}

Test(clean, young_segments_wait_for_min_compaction_lag)
{
    struct clean_world clean;
    struct weir_log_cleanable cleanable;
    clean_world_init(&clean);
    clean.world.options.config.min_compaction_lag_ms = 1000;
    weir_partition_log_set_config(clean.world.log, &clean.world.options.config);
    clean_append(&clean, "a=1");
    clean_roll(&clean);
    clean.world.now_ms += 600;
    clean_append(&clean, "a=2");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, -1, &cleanable, NULL), WEIR_OK);
    cr_assert_eq(cleanable.first_uncleanable_offset, 0);
    clean.world.now_ms += 400;
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, -1, &cleanable, NULL), WEIR_OK);
    cr_assert_eq(cleanable.first_uncleanable_offset, 1);
    clean.world.now_ms += 600;
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, -1, &cleanable, NULL), WEIR_OK);
    cr_assert_eq(cleanable.first_uncleanable_offset, 2);
    clean_world_done(&clean);
}

Test(clean, log_is_due_by_its_dirty_ratio_or_by_max_compaction_lag)
{
    struct clean_world clean;
    struct weir_log_cleanable cleanable;
    clean_world_init(&clean);
    clean_append(&clean, "a=1");
    clean_roll(&clean);
    clean_append(&clean, "b=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, -1, &cleanable, NULL), WEIR_OK);
    cr_assert(cleanable.is_due && !cleanable.is_overdue);
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, 1, &cleanable, NULL), WEIR_OK);
    cr_assert_eq(cleanable.clean_bytes, cleanable.dirty_bytes);
    cr_assert(!cleanable.is_due, "half is not more than half");
    clean.world.options.config.max_compaction_lag_ms = 1000;
    weir_partition_log_set_config(clean.world.log, &clean.world.options.config);
    clean.world.now_ms += 1001;
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, 1, &cleanable, NULL), WEIR_OK);
    cr_assert(cleanable.is_due && cleanable.is_overdue);
    cr_assert_eq(weir_partition_log_cleanable(clean.world.log, 2, &cleanable, NULL), WEIR_OK);
    cr_assert(!cleanable.is_due, "nothing is dirty");
    clean_world_done(&clean);
}

Test(clean, segment_without_anything_left_is_empty_and_the_log_goes_on)
{
    struct clean_world clean;
    clean_world_init(&clean);
    clean.world.options.config.segment_bytes = 90;
    weir_partition_log_set_config(clean.world.log, &clean.world.options.config);
    clean_append(&clean, "a=1");
    clean_append(&clean, "a=2");
    clean_append(&clean, "a=3");
    clean_append(&clean, "a=4");
    cr_assert_eq(world_segment_count(&clean.world), 4);
    clean_now(&clean);
    clean_expect(&clean, "2-2{2:a=3} 3-3{3:a=4}");
    world_reopen_clean(&clean.world);
    clean_expect(&clean, "2-2{2:a=3} 3-3{3:a=4}");
    clean.options.cleaned_to = -1;
    clean_append(&clean, "b=1");
    clean_now(&clean);
    clean_expect(&clean, "3-3{3:a=4} 4-4{4:b=1}");
    clean_world_done(&clean);
}

Test(clean, reader_of_the_old_segments_goes_on)
{
    struct clean_world clean;
    struct weir_buf bytes = {0};
    struct weir_log_read read;
    struct weir_log_read_options options = {.bytes_max = 1 << 20, .min_one_batch = true};
    clean_world_init(&clean);
    clean_append(&clean, "a=1 b=1");
    clean_append(&clean, "a=2 b=2");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    cr_assert_eq(weir_partition_log_read(clean.world.log, &options, &read, NULL), WEIR_OK);
    clean_now(&clean);
    cr_assert_eq(weir_log_read_copy(&clean.world.env, &read, &bytes, NULL), WEIR_OK);
    struct weir_batch batch;
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.base_offset, 0);
    cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
    weir_log_read_done(&read);
    weir_buf_done(&bytes);
    clean_world_done(&clean);
}

Test(clean, damaged_batch_stops_the_round_and_nothing_is_lost)
{
    struct clean_world clean;
    struct weir_file *file = NULL;
    char path[WEIR_SEGMENT_PATH_BYTES];
    clean_world_init(&clean);
    clean_append(&clean, "a=1 b=1");
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    world_file(&clean.world, 0, ".log", path);
    uint8_t bad = 0xff;
    struct weir_slice part = weir_slice_of(&bad, 1);
    cr_assert_eq(
        weir_file_open(&clean.world.env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, NULL),
        WEIR_OK);
    cr_assert_eq(weir_file_write_at(&clean.world.env, file, &part, 1, 70, NULL), WEIR_OK);
    weir_file_close(&clean.world.env, file);
    cr_assert_eq(clean_try(&clean), WEIR_CORRUPT);
    cr_assert_neq(strstr(clean.world.detail.text, "corrupt"), NULL, "%s", clean.world.detail.text);
    cr_assert_eq(world_segment_count(&clean.world), 2);
    (void)snprintf(path, sizeof(path), "%s/00000000000000000000.log.cleaned", clean.world.log_dir);
    cr_assert_eq(world_file_size(&clean.world, path), -1);
    cr_assert_eq(clean_append(&clean, "y=1"), 3);
    clean_world_done(&clean);
}

Test(clean, aborts_of_all_segments_in_a_range_are_found)
{
    struct clean_world clean;
    struct weir_aborted_txn *aborted = NULL;
    size_t count = 0;
    clean_world_init(&clean);
    clean_append(&clean, "a=1");
    clean_roll(&clean);
    clean_append_txn(&clean, 7, 0, "a=bad");
    world_marker(&clean.world, 7, 0, false);
    clean_roll(&clean);
    clean_append(&clean, "x=1");
    world_reopen_clean(&clean.world);
    cr_assert_eq(weir_partition_log_aborted_txns(clean.world.log, 0, 3, &aborted, &count, NULL),
                 WEIR_OK);
    cr_assert_eq(count, 1);
    weir_free(aborted);
    clean_now(&clean);
    clean_expect(&clean, "0-0{0:a=1} 1-1{} 2-2{ABORT} 3-3{3:x=1}");
    clean_world_done(&clean);
}
