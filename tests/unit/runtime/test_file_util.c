/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/file_util.h"

#include "temp_dir.h"

Test(file_util, replaced_file_reads_back_and_leaves_no_tmp)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    temp_path(&dir, "f", path);
    cr_assert_eq(weir_file_replace(env, path, WEIR_SLICE("one"), NULL), WEIR_OK);
    cr_assert_eq(weir_file_replace(env, path, WEIR_SLICE("second"), NULL), WEIR_OK);
    struct weir_buf buf = {0};
    weir_buf_append_str(&buf, "before:");
    cr_assert_eq(weir_file_read_all(env, path, 6, &buf, NULL), WEIR_OK);
    cr_assert(weir_slice_is(weir_buf_slice(&buf), "before:second"));
    weir_buf_done(&buf);
    struct weir_file_info info;
    char next[512];
    cr_assert_eq(weir_path_info(env, temp_path(&dir, "f.tmp", next), &info, NULL), WEIR_NOT_FOUND);
    temp_dir_done(&dir);
}

Test(file_util, reading_more_than_the_limit_is_refused_and_adds_nothing)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    temp_path(&dir, "f", path);
    cr_assert_eq(weir_file_replace(env, path, WEIR_SLICE("123456"), NULL), WEIR_OK);
    struct weir_buf buf = {0};
    struct weir_detail detail = {0};
    cr_assert_eq(weir_file_read_all(env, path, 5, &buf, &detail), WEIR_LIMIT);
    cr_assert_eq(buf.size, 0);
    cr_assert_eq(weir_file_read_all(env, temp_path(&dir, "g", path), 5, &buf, &detail),
                 WEIR_NOT_FOUND);
    weir_buf_done(&buf);
    temp_dir_done(&dir);
}

Test(file_util, empty_file_reads_as_nothing)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    temp_path(&dir, "f", path);
    cr_assert_eq(weir_file_replace(env, path, WEIR_EMPTY_SLICE, NULL), WEIR_OK);
    struct weir_buf buf = {0};
    cr_assert_eq(weir_file_read_all(env, path, 0, &buf, NULL), WEIR_OK);
    cr_assert_eq(buf.size, 0);
    weir_buf_done(&buf);
    temp_dir_done(&dir);
}

Test(file_util, directories_are_made_with_parents_and_removed_with_content)
{
    struct weir_env *env = weir_env_posix();
    struct temp_dir dir;
    temp_dir_init(&dir);
    char path[512];
    cr_assert_eq(weir_dir_make_all(env, temp_path(&dir, "a/b/c", path), NULL), WEIR_OK);
    cr_assert_eq(weir_dir_make_all(env, path, NULL), WEIR_OK);
    cr_assert_eq(weir_dir_make_all(env, temp_path(&dir, "a/b/d/", path), NULL), WEIR_OK);
    cr_assert_eq(weir_file_replace(env, temp_path(&dir, "a/b/f", path), WEIR_SLICE("x"), NULL),
                 WEIR_OK);
    struct weir_detail detail = {0};
    cr_assert_eq(weir_dir_make_all(env, path, &detail), WEIR_EXISTS);
    cr_assert_eq(weir_dir_remove_all(env, temp_path(&dir, "a", path), NULL), WEIR_OK);
    struct weir_file_info info;
    cr_assert_eq(weir_path_info(env, path, &info, NULL), WEIR_NOT_FOUND);
    cr_assert_eq(weir_dir_remove_all(env, path, NULL), WEIR_OK);
    temp_dir_done(&dir);
}
