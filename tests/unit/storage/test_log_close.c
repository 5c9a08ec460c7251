/* SPDX-License-Identifier: Apache-2.0 */

/* What a close reads back: with any doubt about a log its directory is not marked as clean, and its
 * recovery point says that all of it has to be looked at. */

#include "log_world.h"

#include "weir/storage/checkpoint.h"
#include "weir/storage/log_manager.h"
#include "weir/storage/partition_metadata.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world.options.config.index_interval_bytes = 1;
    world.options.topic_id = (struct weir_uuid){{1, 2, 3}};
    cr_assert_eq(weir_dir_make_all_durably(&world.env, world.log_dir, &world.detail), WEIR_OK);
    world_open(&world);
    cr_assert_eq(weir_partition_log_write_metadata(world.log, &world.detail), WEIR_OK);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(log_close, .init = start, .fini = stop);

/* Two segments, an aborted transaction in the first one.  Nothing is flushed. */
static void fill(void)
{
    struct world_batch batch = world_producer_batch(2, 9, 0, 0);
    batch.options.is_transactional = true;
    (void)world_append(&world, &batch);
    (void)world_marker(&world, 9, 0, false);
    world_append_many(&world, 3, 2);
    cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
    world_append_many(&world, 3, 2);
}

static void path_to(int64_t offset, const char *suffix, char out[WEIR_SEGMENT_PATH_BYTES])
{
    if (offset >= 0)
        world_file(&world, offset, suffix, out);
    else
        (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s/%s", world.log_dir, suffix);
}

static void remove_file(int64_t offset, const char *suffix)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    path_to(offset, suffix, path);
    cr_assert_eq(unlink(path), 0, "%s", path);
}

/* Longer by zeros, or shorter. */
static void resize(int64_t offset, const char *suffix, int by)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    path_to(offset, suffix, path);
    int64_t size = world_file_size(&world, path);
    cr_assert_geq(size + by, 0, "%s", path);
    cr_assert_eq(truncate(path, (off_t)(size + by)), 0, "%s", path);
}

static void make_file(int64_t offset, const char *suffix)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    path_to(offset, suffix, path);
    cr_assert_eq(weir_file_replace(&world.env, path, WEIR_SLICE("junk"), &world.detail), WEIR_OK);
}

static void expect_doubt(const char *about)
{
    cr_expect_eq(weir_partition_log_close(world.log, &world.detail), WEIR_CORRUPT, "%s", about);
    cr_expect_not_null(strstr(world.detail.text, about), "%s: %s", about, world.detail.text);
    cr_expect_eq(weir_partition_log_checkpoint_point(world.log), 0);
}

Test(log_close, what_is_whole_is_clean)
{
    fill();
    world_reopen_clean(&world);
    cr_expect_eq(world.recovery.note.text[0], '\0', "%s", world.recovery.note.text);
    cr_expect_eq(world.options.recovery_point, 15);
}

Test(log_close, a_sealed_segments_lost_index_is_met)
{
    fill();
    remove_file(0, ".index");
    expect_doubt("0.index");
}

Test(log_close, zeros_behind_a_sealed_segments_index_are_met)
{
    fill();
    resize(0, ".index", 8);
    expect_doubt("0.index");
}

Test(log_close, a_time_index_of_no_whole_entries_is_met)
{
    fill();
    resize(0, ".timeindex", 5);
    expect_doubt("0.timeindex");
}

Test(log_close, a_sealed_segments_lost_last_time_is_met)
{
    world_append_many(&world, 1, 2);
    world.now_ms += 10;
    world_append_many(&world, 2, 2);
    cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
    resize(0, ".timeindex", -12);
    expect_doubt("0.timeindex");
}

Test(log_close, a_lost_transaction_index_is_met)
{
    fill();
    remove_file(0, ".txnindex");
    expect_doubt("0.txnindex");
}

Test(log_close, a_short_sealed_segment_is_met)
{
    fill();
    resize(0, ".log", -1);
    expect_doubt("0.log");
}

Test(log_close, bytes_behind_the_last_batch_are_met)
{
    fill();
    resize(9, ".log", 7);
    expect_doubt("9.log");
}

Test(log_close, a_damaged_last_batch_is_met)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    fill();
    path_to(9, ".log", path);
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, -1, SEEK_END), 0);
    cr_assert_eq(fputc('?', file), '?');
    cr_assert_eq(fclose(file), 0);
    expect_doubt("9");
}

Test(log_close, unfinished_files_are_met)
{
    fill();
    make_file(0, ".log.cleaned");
    expect_doubt(".log.cleaned");
}

Test(log_close, temporary_files_of_an_earlier_crash_are_removed)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    fill();
    make_file(-1, "leader-epoch-checkpoint.tmp");
    make_file(3, ".snapshot.tmp");
    world_reopen_clean(&world);
    path_to(-1, "leader-epoch-checkpoint.tmp", path);
    cr_expect_eq(world_file_size(&world, path), -1);
    path_to(3, ".snapshot.tmp", path);
    cr_expect_eq(world_file_size(&world, path), -1);
}

Test(log_close, a_segment_that_is_not_the_logs_is_met)
{
    fill();
    make_file(4, ".log");
    expect_doubt("3 .log files");
}

Test(log_close, another_topics_metadata_file_is_met)
{
    fill();
    cr_assert_eq(weir_partition_metadata_write(&world.env, world.log_dir,
                                               (struct weir_uuid){{4, 5, 6}}, &world.detail),
                 WEIR_OK);
    expect_doubt("partition.metadata");
}

Test(log_close, a_lost_metadata_file_is_met)
{
    fill();
    remove_file(-1, "partition.metadata");
    expect_doubt("partition.metadata");
}

Test(log_close, what_a_flush_has_read_back_is_not_read_again)
{
    fill();
    cr_assert_eq(weir_partition_log_flush(world.log, true, &world.detail), WEIR_OK);
    remove_file(0, ".timeindex"); /* nobody does that; it shows that nobody looks */
    cr_expect_eq(weir_partition_log_close(world.log, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
}

Test(log_close, what_follows_a_doubt_is_a_whole_recovery)
{
    fill();
    remove_file(0, ".txnindex");
    expect_doubt("0.txnindex");
    world_drop(&world);
    world_open(&world);
    cr_expect_eq(weir_partition_log_end_offset(world.log), 15);
    char path[WEIR_SEGMENT_PATH_BYTES];
    path_to(0, ".txnindex", path);
    cr_expect_eq(world_file_size(&world, path), 34);
    world_reopen_clean(&world);
    cr_expect_eq(world.recovery.note.text[0], '\0', "%s", world.recovery.note.text);
}

static struct weir_log_manager *open_manager(const char *dir)
{
    const char *const dirs[] = {dir};
    struct weir_log_manager_options options = {.env = &world.env,
                                               .dirs = dirs,
                                               .dir_count = 1,
                                               .node_id = 1,
                                               .defaults = weir_log_config_default()};
    struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result result;
    struct weir_log_manager *manager = NULL;
    cr_assert_eq(weir_log_manager_open(&options, &manager, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    cr_assert_eq(weir_log_manager_load(manager, &load, &result, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    return manager;
}

static struct weir_topic_partition create(struct weir_log_manager *manager, int32_t partition)
{
    struct weir_topic_partition key;
    struct weir_partition_log *log = world.log;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("t"), partition, &key), WEIR_OK);
    cr_assert_eq(weir_log_manager_create(manager, &key, (struct weir_uuid){{7}}, NULL, &world.log,
                                         &world.detail),
                 WEIR_OK, "%s", world.detail.text);
    world_append_many(&world, 2, 2);
    weir_partition_log_unref(world.log);
    world.log = log;
    return key;
}

Test(log_close, one_doubtful_log_takes_the_marker_and_its_own_recovery_point_only)
{
    char dir[400];
    char path[500];
    int64_t offset = -1;
    struct weir_offset_checkpoint points = {0};
    (void)snprintf(dir, sizeof(dir), "%s/logs", world.dir);
    struct weir_log_manager *manager = open_manager(dir);
    struct weir_topic_partition whole = create(manager, 0);
    struct weir_topic_partition doubtful = create(manager, 1);
    (void)snprintf(path, sizeof(path), "%s/t-1/%020d.snapshot.swap", dir, 0);
    cr_assert_eq(weir_file_replace(&world.env, path, WEIR_SLICE("junk"), &world.detail), WEIR_OK);
    cr_expect_eq(weir_log_manager_close(manager, 3, true, &world.detail), WEIR_KAFKA_STORAGE_ERROR);
    cr_expect_not_null(strstr(world.detail.text, "snapshot.swap"), "%s", world.detail.text);
    weir_log_manager_free(manager);
    cr_expect_eq(weir_clean_marker_read(&world.env, dir, &offset, &world.detail), WEIR_NOT_FOUND);
    (void)snprintf(path, sizeof(path), "%s/recovery-point-offset-checkpoint", dir);
    cr_assert_eq(weir_offset_checkpoint_read(&world.env, path, &points, &world.detail), WEIR_OK);
    weir_offset_checkpoint_sort(&points);
    cr_expect(weir_offset_checkpoint_find(&points, &whole, &offset));
    cr_expect_eq(offset, 4);
    cr_expect(weir_offset_checkpoint_find(&points, &doubtful, &offset));
    cr_expect_eq(offset, 0);
    weir_offset_checkpoint_done(&points);
    manager = open_manager(dir);
    cr_expect_eq(weir_log_manager_close(manager, 3, true, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    weir_log_manager_free(manager);
}
