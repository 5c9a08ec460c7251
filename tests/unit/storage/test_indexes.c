/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/runtime/file_util.h"
#include "weir/storage/offset_index.h"
#include "weir/storage/time_index.h"
#include "weir/storage/txn_index.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char dir[64];
static char path[128];
static struct weir_env *env;

static void start(void)
{
    env = weir_env_posix();
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-index-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/index", dir);
}

static void stop(void)
{
    cr_assert_eq(weir_dir_remove_all(env, dir, NULL), WEIR_OK);
}

TestSuite(indexes, .init = start, .fini = stop);

static uint64_t file_size(void)
{
    struct weir_file_info info;
    cr_assert_eq(weir_path_info(env, path, &info, NULL), WEIR_OK);
    return info.size_bytes;
}

Test(indexes, the_floor_of_every_offset)
{
    struct weir_offset_index index = {0};
    struct weir_offset_index_entry entry;
    for (int32_t i = 1; i <= 100; i++)
        cr_assert_eq(weir_offset_index_append(&index, i * 10, i * 100), WEIR_OK);
    for (int32_t offset = 0; offset < 1100; offset++) {
        int32_t expected = offset / 10 > 100 ? 100 : offset / 10;
        cr_assert_eq(weir_offset_index_floor(&index, offset).file_pos, expected * 100);
    }
    cr_assert_eq(weir_offset_index_floor(&index, INT64_MAX).file_pos, 10000);
    cr_assert(weir_offset_index_at_or_after(&index, 101, &entry));
    cr_assert_eq(entry.relative_offset, 20);
    cr_assert(!weir_offset_index_at_or_after(&index, 10001, &entry));
    weir_offset_index_truncate(&index, 500);
    cr_assert_eq(index.count, 49);
    weir_offset_index_done(&index);
}

Test(indexes, entries_that_do_not_rise_are_refused)
{
    struct weir_offset_index index = {0};
    cr_assert_eq(weir_offset_index_append(&index, 5, 50), WEIR_OK);
    cr_assert_eq(weir_offset_index_append(&index, 5, 60), WEIR_INVALID);
    cr_assert_eq(weir_offset_index_append(&index, 6, 50), WEIR_INVALID);
    cr_assert_eq(weir_offset_index_append(&index, -1, 70), WEIR_INVALID);
    weir_offset_index_done(&index);
}

Test(indexes, the_file_grows_and_shrinks_with_the_memory)
{
    struct weir_offset_index index = {0};
    struct weir_offset_index back;
    for (int32_t i = 1; i <= 10; i++)
        cr_assert_eq(weir_offset_index_append(&index, i, i), WEIR_OK);
    cr_assert_eq(weir_offset_index_write(env, path, &index, false, NULL), WEIR_OK);
    cr_assert_eq(file_size(), 80);
    weir_offset_index_truncate(&index, 5);
    cr_assert_eq(weir_offset_index_append(&index, 7, 77), WEIR_OK);
    cr_assert_eq(weir_offset_index_write(env, path, &index, true, NULL), WEIR_OK);
    cr_assert_eq(file_size(), 40);
    cr_assert_eq(weir_offset_index_read(env, path, 1000, &back, NULL), WEIR_OK);
    cr_assert_eq(back.count, 5);
    cr_assert_eq(back.items[4].file_pos, 77);
    weir_offset_index_done(&back);
    cr_assert_eq(weir_offset_index_read(env, path, 77, &back, NULL), WEIR_CORRUPT,
                 "behind the end of the log");
    weir_offset_index_done(&index);
}

Test(indexes, zeros_at_the_end_are_damage)
{
    static const uint8_t zeros[24];
    struct weir_offset_index offsets;
    struct weir_time_index times;
    cr_assert_eq(weir_file_replace(env, path, weir_slice_of(zeros, 24), NULL), WEIR_OK);
    cr_assert_eq(weir_offset_index_read(env, path, 1000, &offsets, NULL), WEIR_CORRUPT);
    cr_assert_eq(weir_time_index_read(env, path, &times, NULL), WEIR_CORRUPT);
    cr_assert_eq(weir_file_replace(env, path, weir_slice_of(zeros, 7), NULL), WEIR_OK);
    cr_assert_eq(weir_offset_index_read(env, path, 1000, &offsets, NULL), WEIR_CORRUPT);
    cr_assert_eq(weir_time_index_read(env, path, &times, NULL), WEIR_CORRUPT);
}

Test(indexes, times_only_rise)
{
    struct weir_time_index index = {0};
    struct weir_time_index back;
    cr_assert_eq(weir_time_index_maybe_append(&index, 100, 1), WEIR_OK);
    cr_assert_eq(weir_time_index_maybe_append(&index, 100, 2), WEIR_OK);
    cr_assert_eq(weir_time_index_maybe_append(&index, 99, 3), WEIR_OK);
    cr_assert_eq(index.count, 1);
    cr_assert_eq(weir_time_index_maybe_append(&index, 200, 4), WEIR_OK);
    cr_assert_eq(weir_time_index_floor(&index, 99).timestamp, -1);
    cr_assert_eq(weir_time_index_floor(&index, 199).relative_offset, 1);
    cr_assert_eq(weir_time_index_floor(&index, 200).relative_offset, 4);
    cr_assert_eq(weir_time_index_write(env, path, &index, false, NULL), WEIR_OK);
    cr_assert_eq(file_size(), 24);
    cr_assert_eq(weir_time_index_read(env, path, &back, NULL), WEIR_OK);
    cr_assert_eq(weir_time_index_last(&back).timestamp, 200);
    weir_time_index_done(&back);
    weir_time_index_truncate(&index, 4);
    cr_assert_eq(weir_time_index_last(&index).timestamp, 100);
    weir_time_index_done(&index);
}

Test(indexes, aborted_transactions_come_back)
{
    struct weir_txn_index index = {0};
    struct weir_txn_index back;
    struct weir_aborted_txn txn = {
        .producer_id = 1, .first_offset = 2, .last_offset = 3, .last_stable_offset = 4};
    cr_assert_eq(weir_txn_index_read(env, path, &back, NULL), WEIR_OK, "no file, no entries");
    cr_assert_eq(weir_txn_index_append(&index, &txn), WEIR_OK);
    cr_assert_eq(weir_txn_index_append(&index, &txn), WEIR_INVALID);
    txn.last_offset = 9;
    cr_assert_eq(weir_txn_index_append(&index, &txn), WEIR_OK);
    cr_assert_eq(weir_txn_index_write(env, path, &index, false, NULL), WEIR_OK);
    cr_assert_eq(file_size(), 68);
    cr_assert_eq(weir_txn_index_read(env, path, &back, NULL), WEIR_OK);
    cr_assert_eq(back.count, 2);
    cr_assert_eq(back.items[0].last_stable_offset, 4);
    weir_txn_index_done(&back);
    weir_txn_index_truncate(&index, 9);
    cr_assert_eq(index.count, 1);
    weir_txn_index_done(&index);
}
