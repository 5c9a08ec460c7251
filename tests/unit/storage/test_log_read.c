/* SPDX-License-Identifier: Apache-2.0 */

#include "log_world.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world.options.config.index_interval_bytes = 200;
    world.options.config.segment_bytes = 3000;
    world_open(&world);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(log_read, .init = start, .fini = stop);

static struct weir_log_read read_at(int64_t offset, size_t bytes_max, bool min_one_batch)
{
    struct weir_log_read_options options = {.offset = offset,
                                            .bytes_max = bytes_max,
                                            .min_one_batch = min_one_batch,
                                            .limit = WEIR_LOG_READ_TO_LOG_END};
    struct weir_log_read read;
    enum weir_status status = weir_partition_log_read(world.log, &options, &read, &world.detail);
    cr_assert_eq(status, WEIR_OK, "%s", world.detail.text);
    return read;
}

/* The first batch of a read. */
static struct weir_batch first_batch(const struct weir_log_read *read, struct weir_buf *bytes)
{
    struct weir_batch batch;
    cr_assert_eq(weir_log_read_copy(&world.env, read, bytes, NULL), WEIR_OK);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(bytes), &batch, NULL), WEIR_OK);
    return batch;
}

Test(log_read, every_offset_finds_the_batch_that_holds_it)
{
    world_append_many(&world, 100, 5);
    for (int64_t offset = 0; offset < 500; offset++) {
        struct weir_buf bytes = {0};
        struct weir_log_read read = read_at(offset, 1, true);
        struct weir_batch batch = first_batch(&read, &bytes);
        cr_assert_eq(batch.base_offset, offset / 5 * 5);
        weir_buf_done(&bytes);
        weir_log_read_done(&read);
    }
}

Test(log_read, an_offset_in_a_gap_finds_the_next_batch)
{
    struct weir_log_append_result result;
    for (int i = 0; i < 60; i++) {
        struct weir_buf bytes = {0};
        struct world_batch batch = world_batch(2);
        batch.options.base_offset = i * 10;
        world_build(&batch, &bytes);
        cr_assert_eq(weir_partition_log_append_raw(world.log, weir_buf_slice(&bytes),
                                                   WEIR_APPEND_REPLICATION, &result, NULL),
                     WEIR_OK);
        weir_buf_done(&bytes);
    }
    for (int64_t offset = 0; offset <= 591; offset++) {
        struct weir_buf bytes = {0};
        struct weir_log_read read = read_at(offset, 1, true);
        struct weir_batch batch = first_batch(&read, &bytes);
        cr_assert_eq(batch.base_offset, (offset + 8) / 10 * 10, "offset %lld", (long long)offset);
        weir_buf_done(&bytes);
        weir_log_read_done(&read);
    }
}

Test(log_read, outside_of_the_log_is_out_of_range_and_the_end_is_empty)
{
    world_append_many(&world, 2, 5);
    struct weir_log_read_options options = {.offset = 11, .bytes_max = 100};
    struct weir_log_read read = {0};
    cr_assert_eq(weir_partition_log_read(world.log, &options, &read, NULL),
                 WEIR_OFFSET_OUT_OF_RANGE);
    cr_assert_eq(read.offsets.log_end_offset, 10);
    options.offset = -1;
    cr_assert_eq(weir_partition_log_read(world.log, &options, &read, NULL),
                 WEIR_OFFSET_OUT_OF_RANGE);
    read = read_at(10, 100, true);
    cr_assert_eq(read.range.size, 0);
    weir_log_read_done(&read);
}

Test(log_read, nothing_above_the_limit_is_shown)
{
    struct world_batch batch = world_batch(5);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    for (int i = 0; i < 100; i++)
        cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_HIGH_WATERMARK), 0);
    for (int64_t limit = 5; limit <= 500; limit += 5) {
        cr_assert(weir_partition_log_set_high_watermark(world.log, limit));
        cr_assert_eq(world_count(&world, limit / 2, WEIR_LOG_READ_TO_HIGH_WATERMARK),
                     limit - limit / 2);
        cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 500);
    }
    cr_assert(!weir_partition_log_set_high_watermark(world.log, 100));
    cr_assert_eq(weir_partition_log_high_watermark(world.log), 500);
}

Test(log_read, bytes_max_is_kept_but_for_one_batch)
{
    world_append_many(&world, 10, 5);
    struct weir_log_read read = read_at(0, 10, true);
    cr_assert_gt(read.range.size, 10);
    cr_assert(!read.first_batch_is_incomplete);
    size_t one = read.range.size;
    weir_log_read_done(&read);
    read = read_at(0, 10, false);
    cr_assert_eq(read.range.size, 10);
    cr_assert(read.first_batch_is_incomplete);
    weir_log_read_done(&read);
    read = read_at(0, 0, false);
    cr_assert_eq(read.range.size, 0);
    weir_log_read_done(&read);
    read = read_at(0, one * 2 + 1, true);
    cr_assert_eq(read.range.size, one * 2 + 1);
    weir_log_read_done(&read);
}

Test(log_read, a_range_outlives_the_deletion_of_its_segment)
{
    world_append_many(&world, 200, 5);
    struct weir_log_read read = read_at(0, 500, true);
    struct weir_file_range range = weir_log_read_take_range(&read);
    weir_log_read_done(&read);
    int64_t log_start = 0;
    struct weir_log_retention_result result;
    cr_assert_eq(weir_partition_log_delete_records(world.log, 900, &log_start), WEIR_OK);
    cr_assert_eq(weir_partition_log_retain(world.log, &result, NULL), WEIR_OK);
    cr_assert_gt(result.deleted_segments, 0);
    uint8_t bytes[500];
    size_t got = 0;
    struct weir_batch batch;
    cr_assert_eq(
        weir_file_read_at(&world.env, range.file, bytes, sizeof(bytes), range.file_pos, &got, NULL),
        WEIR_OK);
    cr_assert_eq(weir_batch_parse(weir_slice_of(bytes, got), &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.base_offset, 0);
    range.release(range.owner);
}

Test(log_read, aborted_transactions_are_those_that_overlap_the_range)
{
    for (int i = 0; i < 40; i++) {
        struct world_batch batch = world_producer_batch(2, i, 0, 0);
        batch.options.is_transactional = true;
        (void)world_append(&world, &batch);
        (void)world_marker(&world, i, 0, i % 2 == 0);
    }
    cr_assert_gt(world_segment_count(&world), 1);
    for (int i = 0; i < 40; i++) {
        struct weir_log_read_options options = {.offset = i * 3,
                                                .bytes_max = 1,
                                                .min_one_batch = true,
                                                .limit = WEIR_LOG_READ_TO_LAST_STABLE,
                                                .with_aborted_txns = true};
        struct weir_log_read read;
        cr_assert_eq(weir_partition_log_read(world.log, &options, &read, NULL), WEIR_OK);
        bool is_told = false;
        for (size_t a = 0; a < read.aborted_count; a++) {
            cr_assert_geq(read.aborted[a].last_offset, options.offset);
            is_told = is_told || read.aborted[a].producer_id == i;
        }
        cr_assert_eq(is_told, i % 2 == 1);
        weir_log_read_done(&read);
    }
}

/* --- Time. --- */

Test(log_read, timestamps_find_the_first_record_at_or_after_them)
{
    int64_t base = world.now_ms;
    for (int i = 0; i < 100; i++) {
        struct world_batch batch = world_batch(3);
        batch.timestamp = base + i * 10; /* records at +0, +1, +2 */
        batch.options.codec = i % 2 == 0 ? WEIR_CODEC_NONE : WEIR_CODEC_ZSTD;
        (void)world_append(&world, &batch);
    }
    cr_assert_gt(world_segment_count(&world), 2);
    for (int restart = 0; restart < 2; restart++) {
        for (int64_t t = 0; t <= 992; t++) {
            struct weir_offset_and_time found;
            int64_t batch = t / 10;
            int64_t expected = t % 10 <= 2 ? batch * 3 + t % 10 : (batch + 1) * 3;
            cr_assert_eq(
                weir_partition_log_offset_for_timestamp(world.log, base + t, &found, &world.detail),
                WEIR_OK, "%s", world.detail.text);
            cr_assert_eq(found.offset, expected, "t %lld gave %lld", (long long)t,
                         (long long)found.offset);
            cr_assert_geq(found.timestamp, base + t);
        }
        struct weir_offset_and_time found;
        cr_assert_eq(weir_partition_log_offset_for_timestamp(world.log, base + 993, &found, NULL),
                     WEIR_NOT_FOUND);
        cr_assert_eq(
            weir_partition_log_offset_for_timestamp(world.log, WEIR_TIMESTAMP_MAX, &found, NULL),
            WEIR_OK);
        cr_assert_eq(found.offset, 299);
        cr_assert_eq(found.timestamp, base + 992);
        world_reopen_clean(&world);
    }
}

Test(log_read, the_greatest_timestamp_is_found_wherever_it_lies)
{
    for (int i = 0; i < 100; i++) {
        struct world_batch batch = world_batch(1);
        batch.timestamp = world.now_ms + (i == 37 ? 1000000 : i);
        (void)world_append(&world, &batch);
    }
    struct weir_offset_and_time found;
    cr_assert_eq(
        weir_partition_log_offset_for_timestamp(world.log, WEIR_TIMESTAMP_MAX, &found, NULL),
        WEIR_OK);
    cr_assert_eq(found.offset, 37);
}

Test(log_read, earliest_is_the_log_start_and_nothing_is_found_in_an_empty_log)
{
    struct weir_offset_and_time found;
    cr_assert_eq(
        weir_partition_log_offset_for_timestamp(world.log, WEIR_TIMESTAMP_MAX, &found, NULL),
        WEIR_NOT_FOUND);
    cr_assert_eq(weir_partition_log_offset_for_timestamp(world.log, 0, &found, NULL),
                 WEIR_NOT_FOUND);
    world_append_many(&world, 4, 5);
    int64_t log_start = 0;
    cr_assert_eq(weir_partition_log_delete_records(world.log, 7, &log_start), WEIR_OK);
    cr_assert_eq(
        weir_partition_log_offset_for_timestamp(world.log, WEIR_TIMESTAMP_EARLIEST, &found, NULL),
        WEIR_OK);
    cr_assert_eq(found.offset, 7);
    cr_assert_eq(found.leader_epoch, 0);
    cr_assert_eq(weir_partition_log_offset_for_timestamp(world.log, 0, &found, NULL), WEIR_OK);
    cr_assert_eq(found.offset, 7);
}
