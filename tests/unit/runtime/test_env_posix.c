/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/env.h"

#include "temp_dir.h"

#include <sys/wait.h>
#include <unistd.h>

static struct weir_file *open_new(const char *path)
{
    struct weir_file *file = NULL;
    cr_assert_eq(weir_file_open(weir_env_posix(), path,
                                WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file, NULL),
                 WEIR_OK);
    return file;
}

Test(env_posix, many_parts_are_written_one_behind_the_other)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    struct weir_file *file = open_new(temp_path(&dir, "f", path));
    enum { PARTS = 300 };
    struct weir_slice parts[PARTS];
    uint8_t bytes[PARTS];
    for (int i = 0; i < PARTS; i++) {
        bytes[i] = (uint8_t)i;
        parts[i] = weir_slice_of(&bytes[i], i % 7 == 0 ? 0 : 1);
    }
    cr_assert_eq(weir_file_write_at(env, file, parts, PARTS, 10, NULL), WEIR_OK);
    uint8_t back[400];
    size_t got = 0;
    cr_assert_eq(weir_file_read_at(env, file, back, sizeof(back), 0, &got, NULL), WEIR_OK);
    size_t at = 10;
    for (int i = 0; i < PARTS; i++) {
        if (i % 7 != 0)
            cr_assert_eq(back[at++], (uint8_t)i);
    }
    cr_assert_eq(got, at);
    uint64_t size = 0;
    cr_assert_eq(weir_file_size(env, file, &size, NULL), WEIR_OK);
    cr_assert_eq(size, at);
    weir_file_close(env, file);
    temp_dir_done(&dir);
}

Test(env_posix, what_was_written_out_and_forgotten_is_read_as_before)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    struct weir_file *file = open_new(temp_path(&dir, "f", path));
    static const uint8_t bytes[3 * 4096 + 5] = {[0] = 1, [4096] = 2, [3 * 4096 + 4] = 3};
    struct weir_slice part = weir_slice_of(bytes, sizeof(bytes));
    cr_assert_eq(weir_file_write_at(env, file, &part, 1, 0, NULL), WEIR_OK);
    cr_assert_eq(weir_file_write_out(env, file, 0, 5000, false, NULL), WEIR_OK);
    cr_assert_eq(weir_file_write_out(env, file, 0, sizeof(bytes), true, NULL), WEIR_OK);
    uint8_t back[sizeof(bytes) + 1];
    size_t got = 0;
    cr_assert_eq(weir_file_read_at(env, file, back, sizeof(back), 0, &got, NULL), WEIR_OK);
    cr_assert_eq(got, sizeof(bytes));
    cr_assert_arr_eq(back, bytes, sizeof(bytes));
    weir_file_close(env, file);
    temp_dir_done(&dir);
}

Test(env_posix, reserve_keeps_the_length_and_truncate_sets_it)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    struct weir_file *file = open_new(temp_path(&dir, "f", path));
    enum weir_status status = weir_file_reserve(env, file, 0, 1 << 16, NULL);
    cr_assert(status == WEIR_OK || status == WEIR_UNSUPPORTED);
    struct weir_file_info info;
    cr_assert_eq(weir_path_info(env, path, &info, NULL), WEIR_OK);
    cr_assert_eq(info.size_bytes, 0);
    cr_assert_not(info.is_directory);
    cr_assert_eq(weir_file_truncate(env, file, 77, NULL), WEIR_OK);
    cr_assert_eq(weir_file_sync(env, file, false, NULL), WEIR_OK);
    cr_assert_eq(weir_file_sync(env, file, true, NULL), WEIR_OK);
    cr_assert_eq(weir_path_set_modified(env, path, 1234567890123, NULL), WEIR_OK);
    cr_assert_eq(weir_path_info(env, path, &info, NULL), WEIR_OK);
    cr_assert_eq(info.size_bytes, 77);
    cr_assert_eq(info.modified_ms, 1234567890123);
    weir_file_close(env, file);
    temp_dir_done(&dir);
}

Test(env_posix, failures_have_a_status_and_name_the_path)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    struct weir_file *file = NULL;
    struct weir_detail detail = {0};
    temp_path(&dir, "absent", path);
    cr_assert_eq(weir_file_open(env, path, WEIR_OPEN_READ, &file, &detail), WEIR_NOT_FOUND);
    cr_assert_not_null(strstr(detail.text, path));
    cr_assert_null(file);
    file = open_new(temp_path(&dir, "f", path));
    weir_file_close(env, file);
    cr_assert_eq(weir_file_open(env, path, WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_EXCLUSIVE,
                                &file, &detail),
                 WEIR_EXISTS);
    cr_assert_eq(weir_dir_make(env, dir.path, &detail), WEIR_EXISTS);
    cr_assert_neq(weir_dir_remove(env, dir.path, &detail), WEIR_OK);
    weir_file_close(env, NULL);
    temp_dir_done(&dir);
}

static enum weir_status count_entry(void *context, const char *name)
{
    cr_assert(strcmp(name, "a") == 0 || strcmp(name, "b") == 0);
    return ++*(int *)context == 3 ? WEIR_LIMIT : WEIR_OK;
}

Test(env_posix, listing_gives_each_entry_and_ends_with_its_status)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    weir_file_close(env, open_new(temp_path(&dir, "a", path)));
    cr_assert_eq(weir_dir_make(env, temp_path(&dir, "b", path), NULL), WEIR_OK);
    int count = 0;
    cr_assert_eq(weir_dir_list(env, dir.path, count_entry, &count, NULL), WEIR_OK);
    cr_assert_eq(count, 2);
    cr_assert_eq(weir_dir_list(env, dir.path, count_entry, &count, NULL), WEIR_LIMIT);
    cr_assert_eq(weir_dir_list(env, path, count_entry, &count, NULL), WEIR_OK);
    temp_dir_done(&dir);
}

Test(env_posix, a_lock_keeps_other_processes_out)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    struct weir_file *file = open_new(temp_path(&dir, ".lock", path));
    cr_assert_eq(weir_file_lock(env, file, NULL), WEIR_OK);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct weir_file *other = NULL;
        if (weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &other, NULL) != WEIR_OK)
            _exit(2);
        _exit(weir_file_lock(env, other, NULL) == WEIR_BUSY ? 0 : 1);
    }
    int result = -1;
    cr_assert_eq(waitpid(child, &result, 0), child);
    cr_assert(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    weir_file_close(env, file);
    temp_dir_done(&dir);
}

Test(env_posix, clocks_run_and_random_bytes_differ)
{
    struct weir_env *env = weir_env_posix();
    int64_t first = weir_env_monotonic_ns(env);
    cr_assert_geq(weir_env_monotonic_ns(env), first);
    cr_assert_gt(weir_env_wall_ms(env), 1600000000000);
    uint8_t a[300] = {0};
    uint8_t b[300] = {0};
    weir_env_random(env, a, sizeof(a));
    weir_env_random(env, b, sizeof(b));
    cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
    uint64_t total = 0;
    uint64_t left = 0;
    cr_assert_eq(weir_path_space(env, "/", &total, &left, NULL), WEIR_OK);
    cr_assert_leq(left, total);
}
