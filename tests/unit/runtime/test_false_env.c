/* SPDX-License-Identifier: Apache-2.0 */
#include "false_env.h"

#include "weir/runtime/file_util.h"

#include <criterion/criterion.h>

static struct weir_file *create(struct weir_env *env, const char *path)
{
    struct weir_file *file = NULL;
    cr_assert_eq(
        weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, NULL),
        WEIR_OK);
    return file;
}

static void write_text(struct weir_env *env, struct weir_file *file, const char *text,
                       uint64_t file_pos)
{
    struct weir_slice part = weir_slice_str(text);
    cr_assert_eq(weir_file_write_at(env, file, &part, 1, file_pos, NULL), WEIR_OK);
}

static void assert_content(struct weir_env *env, const char *path, const char *text)
{
    struct weir_buf buf = {0};
    cr_assert_eq(weir_file_read_all(env, path, 1 << 20, &buf, NULL), WEIR_OK);
    cr_assert(weir_slice_is(weir_buf_slice(&buf), text));
    weir_buf_done(&buf);
}

static bool exists(struct weir_env *env, const char *path)
{
    struct weir_file_info info;
    return weir_path_info(env, path, &info, NULL) == WEIR_OK;
}

Test(false_env, the_clock_stands_until_it_is_stepped)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    int64_t monotonic_ms = weir_env_monotonic_ms(env);
    int64_t wall_ms = weir_env_wall_ms(env);
    cr_assert_eq(weir_env_monotonic_ms(env), monotonic_ms);
    false_env_step_ms(world, 5);
    cr_assert_eq(weir_env_monotonic_ms(env), monotonic_ms + 5);
    cr_assert_eq(weir_env_wall_ms(env), wall_ms + 5);
    false_env_set_wall_ms(world, 7);
    cr_assert_eq(weir_env_wall_ms(env), 7);
    cr_assert_eq(weir_env_monotonic_ms(env), monotonic_ms + 5);
    false_env_free(world);
}

Test(false_env, what_was_synced_survives_power_loss_and_the_rest_is_gone)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *kept = create(env, "/kept");
    struct weir_file *unnamed = create(env, "/unnamed");
    write_text(env, kept, "durable", 0);
    cr_assert_eq(weir_file_sync(env, kept, false, NULL), WEIR_OK);
    cr_assert_eq(weir_dir_sync(env, "/", NULL), WEIR_OK);
    write_text(env, kept, "DURABLE and more", 0);
    cr_assert_eq(weir_dir_make(env, "/dir", NULL), WEIR_OK);
    cr_assert_eq(weir_path_rename(env, "/unnamed", "/dir/renamed", NULL), WEIR_OK);
    false_env_crash(world, FALSE_LOSS_ALL);
    uint64_t size = 0;
    cr_assert_eq(weir_file_size(env, kept, &size, NULL), WEIR_IO_ERROR);
    weir_file_close(env, kept);
    weir_file_close(env, unnamed);
    assert_content(env, "/kept", "durable");
    assert_content(env, "/unnamed", "");
    cr_assert_not(exists(env, "/dir"));
    false_env_free(world);
}

Test(false_env, a_killed_process_loses_nothing_but_its_locks)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    write_text(env, file, "x", 0);
    cr_assert_eq(weir_file_lock(env, file, NULL), WEIR_OK);
    struct weir_file *other = create(env, "./f");
    cr_assert_eq(weir_file_lock(env, other, NULL), WEIR_BUSY);
    weir_file_close(env, other);
    false_env_crash(world, FALSE_LOSS_PROCESS);
    weir_file_close(env, file);
    other = create(env, "f");
    cr_assert_eq(weir_file_lock(env, other, NULL), WEIR_OK);
    weir_file_close(env, other);
    assert_content(env, "f", "x");
    false_env_free(world);
}

Test(false_env, torn_data_is_old_or_new_sector_by_sector)
{
    bool has_mixed = false;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct false_env *world = false_env_new(seed);
        struct weir_env *env = false_env_env(world);
        struct weir_file *file = create(env, "f");
        uint8_t bytes[4096];
        struct weir_slice part = weir_slice_of(bytes, sizeof(bytes));
        memset(bytes, 'o', sizeof(bytes));
        cr_assert_eq(weir_file_write_at(env, file, &part, 1, 0, NULL), WEIR_OK);
        cr_assert_eq(weir_file_sync(env, file, false, NULL), WEIR_OK);
        cr_assert_eq(weir_dir_sync(env, ".", NULL), WEIR_OK);
        memset(bytes, 'n', sizeof(bytes));
        cr_assert_eq(weir_file_write_at(env, file, &part, 1, 0, NULL), WEIR_OK);
        false_env_crash(world, FALSE_LOSS_TORN);
        weir_file_close(env, file);
        struct weir_buf buf = {0};
        cr_assert_eq(weir_file_read_all(env, "f", 4096, &buf, NULL), WEIR_OK);
        cr_assert_eq(buf.size, 4096);
        for (size_t i = 0; i < buf.size; i++)
            cr_assert_eq(buf.data[i], buf.data[i / 512 * 512]);
        has_mixed = has_mixed || memchr(buf.data, 'o', 4096) != NULL;
        weir_buf_done(&buf);
        false_env_free(world);
    }
    cr_assert(has_mixed);
}

Test(false_env, a_replaced_file_is_the_old_or_the_new_one_whatever_call_fails_or_crashes)
{
    for (uint64_t nth = 1;; nth++) {
        struct false_env *world = false_env_new(nth);
        struct weir_env *env = false_env_env(world);
        cr_assert_eq(weir_file_replace(env, "/f", WEIR_SLICE("old"), NULL), WEIR_OK);
        false_env_set_fault(world, (struct false_fault){.calls = FALSE_CALL_ALL,
                                                        .nth = nth,
                                                        .and_all_after = true,
                                                        .status = WEIR_IO_ERROR,
                                                        .is_short_write = true});
        enum weir_status status = weir_file_replace(env, "/f", WEIR_SLICE("the new one"), NULL);
        false_env_crash(world, FALSE_LOSS_TORN);
        struct weir_buf buf = {0};
        cr_assert_eq(weir_file_read_all(env, "/f", 100, &buf, NULL), WEIR_OK);
        bool is_new = weir_slice_is(weir_buf_slice(&buf), "the new one");
        cr_assert(is_new || (status != WEIR_OK && weir_slice_is(weir_buf_slice(&buf), "old")));
        weir_buf_done(&buf);
        cr_assert_eq(false_env_open_files(world), 0);
        false_env_free(world);
        if (status == WEIR_OK)
            break;
    }
}

Test(false_env, after_a_failed_sync_nothing_more_becomes_durable)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    cr_assert_eq(weir_dir_sync(env, "/", NULL), WEIR_OK);
    write_text(env, file, "x", 0);
    false_env_set_fault(
        world, (struct false_fault){.calls = FALSE_CALL_SYNC, .nth = 1, .status = WEIR_IO_ERROR});
    cr_assert_eq(weir_file_sync(env, file, true, NULL), WEIR_IO_ERROR);
    cr_assert_eq(false_env_faults_hit(world), 1);
    cr_assert_eq(weir_file_sync(env, file, true, NULL), WEIR_OK);
    false_env_crash(world, FALSE_LOSS_ALL);
    weir_file_close(env, file);
    assert_content(env, "f", "");
    false_env_free(world);
}

Test(false_env, a_full_disk_takes_a_prefix)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    false_env_set_capacity(world, 4);
    struct weir_slice part = WEIR_SLICE("123456");
    cr_assert_eq(weir_file_write_at(env, file, &part, 1, 0, NULL), WEIR_NO_SPACE);
    assert_content(env, "f", "1234");
    write_text(env, file, "ab", 2);
    uint64_t total;
    uint64_t left;
    cr_assert_eq(weir_path_space(env, "/", &total, &left, NULL), WEIR_OK);
    cr_assert_eq(left, 0);
    cr_assert(false_env_flip(world, "f", 0, 0xff));
    cr_assert_not(false_env_flip(world, "f", 4, 0xff));
    weir_file_close(env, file);
    false_env_free(world);
}

Test(false_env, trees_are_made_and_removed_as_on_a_real_disk)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    cr_assert_eq(weir_dir_make_all(env, "/a/b/c", NULL), WEIR_OK);
    cr_assert_eq(weir_file_replace(env, "/a/b/f", WEIR_SLICE("x"), NULL), WEIR_OK);
    cr_assert_eq(weir_dir_remove(env, "/a/b", NULL), WEIR_IO_ERROR);
    cr_assert_eq(weir_path_remove(env, "/a/b", NULL), WEIR_IO_ERROR);
    cr_assert_eq(weir_path_rename(env, "/a/b", "/a/d", NULL), WEIR_OK);
    assert_content(env, "/a/d/f", "x");
    cr_assert_eq(weir_dir_remove_all(env, "/a", NULL), WEIR_OK);
    cr_assert_not(exists(env, "/a"));
    false_env_free(world);
}
