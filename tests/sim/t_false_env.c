/* SPDX-License-Identifier: Apache-2.0 */
/* The false world keeps the promises of env.h, and is as unkind as it says. */

#include "sim/check.h"
#include "sim/false_env.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <string.h>

static struct weir_file *create(struct weir_env *env, const char *path)
{
    struct weir_file *file = NULL;
    CHECK(weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &file,
                         NULL) == WEIR_OK);
    return file;
}

static void write_text(struct weir_env *env, struct weir_file *file, const char *text,
                       uint64_t file_pos)
{
    struct weir_slice part = weir_slice_str(text);
    CHECK(weir_file_write_at(env, file, &part, 1, file_pos, NULL) == WEIR_OK);
}

static void assert_content(struct weir_env *env, const char *path, const char *text)
{
    struct weir_buf buf = {0};
    CHECK(weir_file_read_all(env, path, 1 << 20, &buf, NULL) == WEIR_OK);
    CHECK(weir_slice_is(weir_buf_slice(&buf), text));
    weir_buf_done(&buf);
}

static bool exists(struct weir_env *env, const char *path)
{
    struct weir_file_info info;
    return weir_path_info(env, path, &info, NULL) == WEIR_OK;
}

static void the_clock_stands_until_it_is_stepped(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    int64_t monotonic_ms = weir_env_monotonic_ms(env);
    int64_t wall_ms = weir_env_wall_ms(env);
    CHECK(weir_env_monotonic_ms(env) == monotonic_ms);
    false_env_step_ms(world, 5);
    CHECK(weir_env_monotonic_ms(env) == monotonic_ms + 5);
    CHECK(weir_env_wall_ms(env) == wall_ms + 5);
    false_env_set_wall_ms(world, 7);
    CHECK(weir_env_wall_ms(env) == 7);
    CHECK(weir_env_monotonic_ms(env) == monotonic_ms + 5);
    false_env_free(world);
}

static void what_was_synced_survives_power_loss_and_the_rest_is_gone(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *kept = create(env, "/kept");
    struct weir_file *unnamed = create(env, "/unnamed");
    write_text(env, kept, "durable", 0);
    CHECK(weir_file_sync(env, kept, false, NULL) == WEIR_OK);
    CHECK(weir_dir_sync(env, "/", NULL) == WEIR_OK);
    write_text(env, kept, "DURABLE and more", 0);
    CHECK(weir_dir_make(env, "/dir", NULL) == WEIR_OK);
    CHECK(weir_path_rename(env, "/unnamed", "/dir/renamed", NULL) == WEIR_OK);
    false_env_crash(world, FALSE_LOSS_ALL);
    uint64_t size = 0;
    CHECK(weir_file_size(env, kept, &size, NULL) == WEIR_IO_ERROR);
    weir_file_close(env, kept);
    weir_file_close(env, unnamed);
    assert_content(env, "/kept", "durable");
    assert_content(env, "/unnamed", "");
    CHECK(!exists(env, "/dir"));
    false_env_free(world);
}

static void a_killed_process_loses_nothing_but_its_locks(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    write_text(env, file, "x", 0);
    CHECK(weir_file_lock(env, file, NULL) == WEIR_OK);
    struct weir_file *other = create(env, "./f");
    CHECK(weir_file_lock(env, other, NULL) == WEIR_BUSY);
    weir_file_close(env, other);
    false_env_crash(world, FALSE_LOSS_PROCESS);
    weir_file_close(env, file);
    other = create(env, "f");
    CHECK(weir_file_lock(env, other, NULL) == WEIR_OK);
    weir_file_close(env, other);
    assert_content(env, "f", "x");
    false_env_free(world);
}

static void torn_data_is_old_or_new_sector_by_sector(void)
{
    bool has_mixed = false;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct false_env *world = false_env_new(seed);
        struct weir_env *env = false_env_env(world);
        struct weir_file *file = create(env, "f");
        uint8_t bytes[4096];
        struct weir_slice part = weir_slice_of(bytes, sizeof(bytes));
        memset(bytes, 'o', sizeof(bytes));
        CHECK(weir_file_write_at(env, file, &part, 1, 0, NULL) == WEIR_OK);
        CHECK(weir_file_sync(env, file, false, NULL) == WEIR_OK);
        CHECK(weir_dir_sync(env, ".", NULL) == WEIR_OK);
        memset(bytes, 'n', sizeof(bytes));
        CHECK(weir_file_write_at(env, file, &part, 1, 0, NULL) == WEIR_OK);
        false_env_crash(world, FALSE_LOSS_TORN);
        weir_file_close(env, file);
        struct weir_buf buf = {0};
        CHECK(weir_file_read_all(env, "f", 4096, &buf, NULL) == WEIR_OK);
        CHECK(buf.size == 4096);
        for (size_t i = 0; i < buf.size; i++)
            CHECK(buf.data[i] == buf.data[i / 512 * 512]);
        has_mixed = has_mixed || memchr(buf.data, 'o', 4096) != NULL;
        weir_buf_done(&buf);
        false_env_free(world);
    }
    CHECK(has_mixed);
}

static void a_replaced_file_is_the_old_or_the_new_one_whatever_call_fails_or_crashes(void)
{
    for (uint64_t nth = 1;; nth++) {
        struct false_env *world = false_env_new(nth);
        struct weir_env *env = false_env_env(world);
        CHECK(weir_file_replace(env, "/f", WEIR_SLICE("old"), NULL) == WEIR_OK);
        false_env_set_fault(world, (struct false_fault){.calls = FALSE_CALL_ALL,
                                                        .nth = nth,
                                                        .and_all_after = true,
                                                        .status = WEIR_IO_ERROR,
                                                        .is_short_write = true});
        enum weir_status status = weir_file_replace(env, "/f", WEIR_SLICE("the new one"), NULL);
        false_env_crash(world, FALSE_LOSS_TORN);
        struct weir_buf buf = {0};
        CHECK(weir_file_read_all(env, "/f", 100, &buf, NULL) == WEIR_OK);
        bool is_new = weir_slice_is(weir_buf_slice(&buf), "the new one");
        CHECK(is_new || (status != WEIR_OK && weir_slice_is(weir_buf_slice(&buf), "old")));
        weir_buf_done(&buf);
        CHECK(false_env_open_files(world) == 0);
        false_env_free(world);
        if (status == WEIR_OK)
            break;
    }
}

static void after_a_failed_sync_nothing_more_becomes_durable(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    CHECK(weir_dir_sync(env, "/", NULL) == WEIR_OK);
    write_text(env, file, "x", 0);
    false_env_set_fault(
        world, (struct false_fault){.calls = FALSE_CALL_SYNC, .nth = 1, .status = WEIR_IO_ERROR});
    CHECK(weir_file_sync(env, file, true, NULL) == WEIR_IO_ERROR);
    CHECK(false_env_faults_hit(world) == 1);
    CHECK(weir_file_sync(env, file, true, NULL) == WEIR_OK);
    false_env_crash(world, FALSE_LOSS_ALL);
    weir_file_close(env, file);
    assert_content(env, "f", "");
    false_env_free(world);
}

static void a_full_disk_takes_a_prefix(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    false_env_set_capacity(world, 4);
    struct weir_slice part = WEIR_SLICE("123456");
    CHECK(weir_file_write_at(env, file, &part, 1, 0, NULL) == WEIR_NO_SPACE);
    assert_content(env, "f", "1234");
    write_text(env, file, "ab", 2);
    uint64_t total;
    uint64_t left;
    CHECK(weir_path_space(env, "/", &total, &left, NULL) == WEIR_OK);
    CHECK(left == 0);
    CHECK(false_env_flip(world, "f", 0, 0xff));
    CHECK(!false_env_flip(world, "f", 4, 0xff));
    weir_file_close(env, file);
    false_env_free(world);
}

static void trees_are_made_and_removed_as_on_a_real_disk(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    CHECK(weir_dir_make_all(env, "/a/b/c", NULL) == WEIR_OK);
    CHECK(weir_file_replace(env, "/a/b/f", WEIR_SLICE("x"), NULL) == WEIR_OK);
    CHECK(weir_dir_remove(env, "/a/b", NULL) == WEIR_IO_ERROR);
    CHECK(weir_path_remove(env, "/a/b", NULL) == WEIR_IO_ERROR);
    CHECK(weir_path_rename(env, "/a/b", "/a/d", NULL) == WEIR_OK);
    assert_content(env, "/a/d/f", "x");
    CHECK(weir_dir_remove_all(env, "/a", NULL) == WEIR_OK);
    CHECK(!exists(env, "/a"));
    false_env_free(world);
}

static void the_memory_of_the_world_does_not_fail_with_that_of_the_code(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    weir_memory_fail_after(0);
    struct weir_file *file = create(env, "f");
    write_text(env, file, "x", 0);
    weir_memory_fail_after(-1);
    weir_file_close(env, file);
    assert_content(env, "f", "x");
    false_env_free(world);
}

/* Three writes into one sector: what is left is what the first so many of them made. */
static void a_sector_has_seen_a_prefix_of_its_writes(void)
{
    unsigned seen = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct false_env *world = false_env_new(seed);
        struct weir_env *env = false_env_env(world);
        struct weir_file *file = create(env, "f");
        CHECK(weir_dir_sync(env, "/", NULL) == WEIR_OK);
        write_text(env, file, "a", 0);
        write_text(env, file, "b", 1);
        write_text(env, file, "c", 2);
        false_env_crash(world, FALSE_LOSS_TORN);
        weir_file_close(env, file);
        struct weir_buf buf = {0};
        CHECK(weir_file_read_all(env, "f", 100, &buf, NULL) == WEIR_OK);
        CHECK(buf.size <= 3);
        size_t zeros_from = 0;
        while (zeros_from < buf.size && buf.data[zeros_from] == "abc"[zeros_from])
            zeros_from++;
        for (size_t i = zeros_from; i < buf.size; i++)
            CHECK(buf.data[i] == 0);
        seen |= 1u << (buf.size * 4 + zeros_from);
        weir_buf_done(&buf);
        false_env_free(world);
    }
    /* size 0; sizes 1 to 3 with 0 to size letters */
    CHECK(seen == (1u | 3u << 4 | 7u << 8 | 15u << 12), "%x", seen);
}

static void parts_that_were_never_written_can_be_garbage(void)
{
    bool has_garbage = false;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct false_env *world = false_env_new(seed);
        struct weir_env *env = false_env_env(world);
        struct weir_file *file = create(env, "f");
        CHECK(weir_dir_sync(env, "/", NULL) == WEIR_OK);
        false_env_set_garbling(world, true);
        write_text(env, file, "x", 9);
        false_env_crash(world, FALSE_LOSS_TORN);
        weir_file_close(env, file);
        struct weir_buf buf = {0};
        CHECK(weir_file_read_all(env, "f", 100, &buf, NULL) == WEIR_OK);
        has_garbage = has_garbage || (buf.size == 10 && buf.data[9] != 'x' && buf.data[9] != 0);
        weir_buf_done(&buf);
        false_env_free(world);
    }
    CHECK(has_garbage);
}

static void removed_files_give_their_room_back_once_they_are_closed(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    false_env_set_capacity(world, 10);
    struct weir_file *file = create(env, "f");
    CHECK(weir_file_reserve(env, file, 0, 10, NULL) == WEIR_OK);
    struct weir_file *other = create(env, "g");
    struct weir_slice part = WEIR_SLICE("x");
    CHECK(weir_file_write_at(env, other, &part, 1, 0, NULL) == WEIR_NO_SPACE);
    CHECK(weir_path_remove(env, "f", NULL) == WEIR_OK);
    CHECK(weir_file_write_at(env, other, &part, 1, 0, NULL) == WEIR_NO_SPACE);
    weir_file_close(env, file);
    CHECK(weir_file_write_at(env, other, &part, 1, 0, NULL) == WEIR_OK);
    weir_file_close(env, other);
    false_env_free(world);
}

static void a_name_is_lost_though_its_file_was_synced(void)
{
    struct false_env *world = false_env_new(1);
    struct weir_env *env = false_env_env(world);
    struct weir_file *file = create(env, "f");
    write_text(env, file, "x", 0);
    CHECK(weir_file_sync(env, file, true, NULL) == WEIR_OK);
    false_env_crash(world, FALSE_LOSS_ALL);
    weir_file_close(env, file);
    CHECK(!exists(env, "f"));
    false_env_free(world);
}

static void one_seed_gives_one_world(void)
{
    uint8_t bytes[2][32];
    for (int i = 0; i < 2; i++) {
        struct false_env *world = false_env_new(7);
        weir_env_random(false_env_env(world), bytes[i], sizeof(bytes[i]));
        false_env_free(world);
    }
    CHECK(memcmp(bytes[0], bytes[1], sizeof(bytes[0])) == 0);
}

int main(void)
{
    RUN(the_clock_stands_until_it_is_stepped);
    RUN(what_was_synced_survives_power_loss_and_the_rest_is_gone);
    RUN(a_killed_process_loses_nothing_but_its_locks);
    RUN(torn_data_is_old_or_new_sector_by_sector);
    RUN(a_replaced_file_is_the_old_or_the_new_one_whatever_call_fails_or_crashes);
    RUN(after_a_failed_sync_nothing_more_becomes_durable);
    RUN(a_full_disk_takes_a_prefix);
    RUN(trees_are_made_and_removed_as_on_a_real_disk);
    RUN(the_memory_of_the_world_does_not_fail_with_that_of_the_code);
    RUN(a_sector_has_seen_a_prefix_of_its_writes);
    RUN(parts_that_were_never_written_can_be_garbage);
    RUN(removed_files_give_their_room_back_once_they_are_closed);
    RUN(a_name_is_lost_though_its_file_was_synced);
    RUN(one_seed_gives_one_world);
    return 0;
}
