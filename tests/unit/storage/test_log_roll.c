/* SPDX-License-Identifier: Apache-2.0 */

/* Rolling, flushing and retention while others append: what may happen while files are made, and
 * that no lock is held then (a call into the log from inside a file call would never return). */

#include "log_world.h"

#include <sys/stat.h>

static struct world world;
static int calls_inside; /* of the log, from inside a file call */
static bool is_inside;
static enum weir_status status_inside;
static int64_t offset_inside;

static void start(void)
{
    world_init(&world);
    world.options.config.index_interval_bytes = 200;
    world.options.config.segment_bytes = 1000;
    world_open(&world);
    calls_inside = 0;
    is_inside = false;
    status_inside = WEIR_OK;
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(log_roll, .init = start, .fini = stop);

static enum weir_status append(enum weir_append_origin origin, enum weir_log_roll_mode mode,
                               int count, struct weir_log_append_result *out)
{
    struct world_batch batch = world_batch(count);
    struct weir_log_append_options options = {.origin = origin, .is_verified = true, .roll = mode};
    return world_try_append(&world, &batch, &options, out);
}

/* Until the next batch of three needs another segment. */
static void fill_segment(void)
{
    struct weir_log_append_result result;
    while (append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 3, &result) == WEIR_OK)
        continue;
    cr_assert_eq(world_segment_count(&world), 1);
}

static void append_inside(enum weir_log_roll_mode mode)
{
    struct weir_log_append_result result = {.base_offset = -1};
    if (is_inside)
        return;
    is_inside = true;
    calls_inside++;
    status_inside = append(WEIR_APPEND_CLIENT, mode, 1, &result);
    offset_inside = result.base_offset;
    is_inside = false;
}

Test(log_roll, an_append_that_may_not_roll_is_refused_and_leaves_no_trace)
{
    struct weir_log_append_result result;
    fill_segment();
    int64_t end_offset = weir_partition_log_end_offset(world.log);
    uint64_t size = weir_partition_log_size(world.log);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 3, &result), WEIR_WOULD_BLOCK);
    cr_assert_eq(weir_partition_log_end_offset(world.log), end_offset);
    cr_assert_eq(weir_partition_log_size(world.log), size);
    cr_assert_eq(weir_partition_log_make_room(world.log, NULL), WEIR_OK);
    cr_assert_eq(world_segment_count(&world), 2);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 3, &result), WEIR_OK);
    cr_assert_eq(result.base_offset, end_offset);
    cr_assert_eq(weir_partition_log_make_room(world.log, NULL), WEIR_OK);
    cr_assert_eq(world_segment_count(&world), 2, "room was made though nobody wanted any");
}

Test(log_roll, what_cannot_wait_goes_into_the_full_segment_and_asks_for_a_roll)
{
    struct weir_log_append_result result;
    fill_segment();
    int64_t end_offset = weir_partition_log_end_offset(world.log);
    cr_assert_eq(append(WEIR_APPEND_COORDINATOR, WEIR_LOG_ROLL_LATER, 3, &result), WEIR_OK);
    cr_assert(result.is_roll_due && !result.has_rolled);
    cr_assert_eq(result.base_offset, end_offset);
    cr_assert_eq(world_segment_count(&world), 1);
    cr_assert_eq(weir_partition_log_make_room(world.log, NULL), WEIR_OK);
    cr_assert_eq(world_segment_count(&world), 2);
    cr_assert_eq(append(WEIR_APPEND_COORDINATOR, WEIR_LOG_ROLL_LATER, 3, &result), WEIR_OK);
    cr_assert(!result.is_roll_due);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), end_offset + 6);
    world_reopen_clean(&world);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), end_offset + 6);
}

static enum weir_status open_and_append(void *env, const char *path, unsigned flags,
                                        struct weir_file **out, struct weir_detail *detail)
{
    if ((flags & WEIR_OPEN_TRUNCATE) != 0 && strstr(path, ".log") != NULL)
        append_inside(WEIR_LOG_ROLL_REFUSE);
    return weir_env_posix()->ops->open(env, path, flags, out, detail);
}

Test(log_roll, while_one_makes_the_next_segment_others_are_refused_and_not_kept_waiting)
{
    struct weir_log_append_result result;
    fill_segment();
    int64_t end_offset = weir_partition_log_end_offset(world.log);
    world.ops.open = open_and_append;
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_INLINE, 3, &result), WEIR_OK);
    cr_assert_eq(calls_inside, 1);
    cr_assert_eq(status_inside, WEIR_WOULD_BLOCK);
    cr_assert_eq(result.base_offset, end_offset);
    cr_assert(result.has_rolled);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), end_offset + 3);
}

static enum weir_status rename_and_append(void *env, const char *from, const char *to,
                                          struct weir_detail *detail)
{
    if (strstr(to, ".deleted") != NULL && calls_inside < 4)
        append_inside(WEIR_LOG_ROLL_REFUSE);
    return weir_env_posix()->ops->rename(env, from, to, detail);
}

Test(log_roll, appends_go_on_while_retention_renames_files)
{
    struct weir_log_retention_result result;
    struct weir_log_config config = world.options.config;
    world_append_many(&world, 30, 3);
    cr_assert_eq(weir_partition_log_roll(world.log, NULL), WEIR_OK);
    int64_t end_offset = weir_partition_log_end_offset(world.log);
    config.retention_bytes = 0;
    weir_partition_log_set_config(world.log, &config);
    world.ops.rename = rename_and_append;
    cr_assert_eq(weir_partition_log_retain(world.log, &result, &world.detail), WEIR_OK);
    cr_assert_eq(calls_inside, 4);
    cr_assert_eq(status_inside, WEIR_OK);
    cr_assert_eq(offset_inside, end_offset + calls_inside - 1);
    cr_assert_eq(world_count(&world, end_offset, WEIR_LOG_READ_TO_LOG_END), calls_inside);
}

static enum weir_status sync_and_append(void *env, struct weir_file *file, bool with_metadata,
                                        struct weir_detail *detail)
{
    append_inside(WEIR_LOG_ROLL_REFUSE);
    return weir_env_posix()->ops->sync(env, file, with_metadata, detail);
}

Test(log_roll, nobody_sees_what_a_flush_that_is_due_has_not_made_durable)
{
    struct weir_log_append_result result;
    struct weir_log_config config = world.options.config;
    config.flush_messages = 3;
    weir_partition_log_set_config(world.log, &config);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 2, &result), WEIR_OK);
    cr_assert(!result.is_flush_due);
    cr_assert(weir_partition_log_set_high_watermark(world.log, INT64_MAX));
    cr_assert_eq(weir_partition_log_high_watermark(world.log), 2, "no flush was due");
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 1, &result), WEIR_OK);
    cr_assert(result.is_flush_due && weir_partition_log_awaits_flush(world.log));
    cr_assert_not(weir_partition_log_set_high_watermark(world.log, INT64_MAX));
    world.ops.sync = sync_and_append; /* one more comes while the disk works */
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert_eq(status_inside, WEIR_OK);
    cr_assert_eq(weir_partition_log_synced_offset(world.log), 3);
    cr_assert_not(weir_partition_log_awaits_flush(world.log), "one of three is not due");
    cr_assert(weir_partition_log_set_high_watermark(world.log, INT64_MAX));
    cr_assert_eq(weir_partition_log_high_watermark(world.log), 4);
}

Test(log_roll, with_flush_messages_1_the_high_watermark_is_what_was_synced)
{
    struct weir_log_append_result result;
    struct weir_log_config config = world.options.config;
    config.flush_messages = 1;
    weir_partition_log_set_config(world.log, &config);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 2, &result), WEIR_OK);
    world.ops.sync = sync_and_append;
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert(weir_partition_log_awaits_flush(world.log));
    cr_assert(weir_partition_log_set_high_watermark(world.log, INT64_MAX));
    cr_assert_eq(weir_partition_log_high_watermark(world.log), 2);
    is_inside = true; /* no more come */
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert_not(weir_partition_log_awaits_flush(world.log));
    cr_assert(weir_partition_log_set_high_watermark(world.log, INT64_MAX));
    cr_assert_eq(weir_partition_log_high_watermark(world.log), 3);
}

Test(log_roll, a_duplicate_of_what_is_not_yet_durable_waits_with_it)
{
    struct weir_log_config config = world.options.config;
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    struct weir_log_append_result result;
    struct world_batch batch = world_producer_batch(2, 9, 0, 0);
    config.flush_messages = 1;
    weir_partition_log_set_config(world.log, &config);
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert(result.is_duplicate && result.is_flush_due);
    cr_assert_eq(weir_partition_log_flush(world.log, true, NULL), WEIR_OK);
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert(result.is_duplicate && !result.is_flush_due);
}

Test(log_roll, max_compaction_lag_makes_the_active_segment_roll)
{
    struct weir_log_config config = world.options.config;
    config.segment_ms = 1000000;
    config.cleanup_compact = true;
    config.max_compaction_lag_ms = 5000;
    weir_partition_log_set_config(world.log, &config);
    world_append_many(&world, 1, 1);
    world.now_ms += 5000;
    world_append_many(&world, 1, 1);
    cr_assert_eq(world_segment_count(&world), 1);
    world.now_ms += 1;
    world_append_many(&world, 1, 1);
    cr_assert_eq(world_segment_count(&world), 2);
}

Test(log_roll, retention_rolls_only_what_it_deletes)
{
    struct weir_log_retention_result result;
    struct weir_log_config config = world.options.config;
    config.segment_ms = 1000;
    config.retention_ms = 100000;
    weir_partition_log_set_config(world.log, &config);
    world_append_many(&world, 1, 1);
    world.now_ms += 50000;
    cr_assert_eq(weir_partition_log_retain(world.log, &result, NULL), WEIR_OK);
    cr_assert_eq(world_segment_count(&world), 1, "rolled by age, which only an append does");
    cr_assert_eq(weir_partition_log_end_offset(world.log), 1);
    world.now_ms += 50001;
    cr_assert_eq(weir_partition_log_retain(world.log, &result, NULL), WEIR_OK);
    cr_assert_eq(result.deleted_segments, 1);
    cr_assert_eq(result.log_start_offset, 1);
}

Test(log_roll, a_nearly_full_disk_refuses_producers_but_not_coordinators)
{
    atomic_bool is_nearly_full = true;
    struct weir_log_append_result result;
    world_drop(&world);
    world.options.is_disk_nearly_full = &is_nearly_full;
    world_open(&world);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 1, &result), WEIR_NO_SPACE);
    cr_assert_not_null(strstr(world.detail.text, "nearly full"));
    cr_assert_not(weir_partition_log_has_failed(world.log));
    cr_assert_eq(append(WEIR_APPEND_COORDINATOR, WEIR_LOG_ROLL_LATER, 1, &result), WEIR_OK);
    is_nearly_full = false;
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 1, &result), WEIR_OK);
    weir_partition_log_unref(world.log);
    world.log = NULL;
}

/* --- Space ahead. --- */

static struct stat stat_of(const char *name)
{
    char path[400];
    struct stat stat_now;
    (void)snprintf(path, sizeof(path), "%s/%s", world.log_dir, name);
    cr_assert_eq(stat(path, &stat_now), 0);
    return stat_now;
}

Test(log_roll, a_preallocated_segment_has_its_space_and_no_padding_is_left)
{
    struct weir_log_append_result result;
    world_drop(&world);
    world.options.config.segment_bytes = 1 << 20;
    world.options.config.preallocate = true;
    world_open(&world);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 1, &result), WEIR_OK);
    struct stat active = stat_of("00000000000000000000.log");
    cr_assert_lt(active.st_size, 200);
    bool can_reserve = active.st_blocks * 512 >= 1 << 20; /* not every file system can */
    cr_assert_eq(weir_partition_log_roll(world.log, NULL), WEIR_OK);
    cr_assert_eq(append(WEIR_APPEND_CLIENT, WEIR_LOG_ROLL_REFUSE, 1, &result), WEIR_OK);
    struct stat sealed = stat_of("00000000000000000000.log");
    cr_assert_eq(sealed.st_size, active.st_size);
    cr_assert(!can_reserve || sealed.st_blocks * 512 < 1 << 17);
    world_close(&world);
    struct stat closed = stat_of("00000000000000000001.log");
    cr_assert_eq(closed.st_size, active.st_size);
    cr_assert(!can_reserve || closed.st_blocks * 512 < 1 << 17);
}
