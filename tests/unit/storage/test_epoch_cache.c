/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/epoch_cache.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct weir_epoch_cache cache;

static void stop(void)
{
    weir_epoch_cache_done(&cache);
}

TestSuite(epoch_cache, .fini = stop);

static void fill(void)
{
    cr_assert_eq(weir_epoch_cache_assign(&cache, 0, 0), WEIR_OK);
    cr_assert_eq(weir_epoch_cache_assign(&cache, 2, 10), WEIR_OK);
    cr_assert_eq(weir_epoch_cache_assign(&cache, 5, 20), WEIR_OK);
}

static void expect_end(int32_t asked, int32_t epoch, int64_t end_offset)
{
    int32_t got_epoch;
    int64_t got_end;
    weir_epoch_cache_end_offset(&cache, asked, 33, &got_epoch, &got_end);
    cr_assert_eq(got_epoch, epoch, "asked %d", asked);
    cr_assert_eq(got_end, end_offset, "asked %d", asked);
}

Test(epoch_cache, an_epoch_ends_where_the_next_begins)
{
    expect_end(0, -1, -1);
    fill();
    expect_end(-1, -1, -1);
    expect_end(0, 0, 10);
    expect_end(1, 0, 10);
    expect_end(2, 2, 20);
    expect_end(4, 2, 20);
    expect_end(5, 5, 33);
    expect_end(6, -1, -1);
}

Test(epoch_cache, an_epoch_before_the_first_known_one_ended_there)
{
    cr_assert_eq(weir_epoch_cache_assign(&cache, 3, 7), WEIR_OK);
    cr_assert_eq(weir_epoch_cache_assign(&cache, 4, 9), WEIR_OK);
    expect_end(1, 1, 7);
}

Test(epoch_cache, a_new_entry_removes_what_it_contradicts)
{
    fill();
    cr_assert_eq(weir_epoch_cache_assign(&cache, 6, 15), WEIR_OK);
    cr_assert_eq(cache.count, 3);
    cr_assert_eq(cache.items[2].epoch, 6);
    cr_assert_eq(cache.items[1].epoch, 2);
    cr_assert_eq(weir_epoch_cache_assign(&cache, 1, 40), WEIR_OK);
    cr_assert_eq(cache.count, 2);
    cr_assert_eq(weir_epoch_cache_assign(&cache, 1, 50), WEIR_OK);
    cr_assert_eq(cache.items[1].start_offset, 40, "the latest epoch is not begun again");
}

Test(epoch_cache, both_ends_can_be_cut)
{
    fill();
    weir_epoch_cache_truncate_from_end(&cache, 20);
    cr_assert_eq(weir_epoch_cache_latest(&cache), 2);
    weir_epoch_cache_truncate_from_start(&cache, 5);
    cr_assert_eq(cache.items[0].start_offset, 5);
    weir_epoch_cache_truncate_from_start(&cache, 12);
    cr_assert_eq(cache.count, 1);
    cr_assert_eq(cache.items[0].epoch, 2);
    cr_assert_eq(cache.items[0].start_offset, 12);
    cr_assert_eq(weir_epoch_cache_for_offset(&cache, 11), -1);
    cr_assert_eq(weir_epoch_cache_for_offset(&cache, 12), 2);
    weir_epoch_cache_clear(&cache);
    weir_epoch_cache_truncate_from_start(&cache, 99);
    cr_assert_eq(cache.count, 0);
}

Test(epoch_cache, the_file_is_apache_kafkas_and_comes_back)
{
    char dir[] = "/tmp/weir-epoch-XXXXXX";
    char path[100];
    char text[100] = {0};
    struct weir_epoch_cache back;
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", dir);
    fill();
    cr_assert(cache.is_dirty);
    cr_assert_eq(weir_epoch_cache_write(weir_env_posix(), path, &cache, NULL), WEIR_OK);
    cr_assert(!cache.is_dirty);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
    cr_assert_eq(fclose(file), 0);
    cr_assert_str_eq(text, "0\n3\n0 0\n2 10\n5 20\n");
    cr_assert_eq(weir_epoch_cache_read(weir_env_posix(), path, &back, NULL), WEIR_OK);
    cr_assert_eq(back.count, 3);
    weir_epoch_cache_done(&back);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(weir_epoch_cache_read(weir_env_posix(), path, &back, NULL), WEIR_OK);
    cr_assert_eq(back.count, 0);
    cr_assert_eq(rmdir(dir), 0);
}
