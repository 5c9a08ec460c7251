/* SPDX-License-Identifier: Apache-2.0 */

/* The traps of a log directory (docs/traps.md) that need a clock of their own or several
 * directories; the others are played with the real program in tests/integration/traps_*.py. */

#include "log_world.h"

#include "weir/storage/log_manager.h"

static struct world world;
static char dir_a[300];
static char dir_b[300];

static void start(void)
{
    world_init(&world);
    (void)snprintf(dir_a, sizeof(dir_a), "%s/a", world.dir);
    (void)snprintf(dir_b, sizeof(dir_b), "%s/b", world.dir);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(traps, .init = start, .fini = stop);

static struct weir_log_manager *open_both(void)
{
    const char *const dirs[] = {dir_a, dir_b};
    struct weir_log_manager_options options = {.env = &world.env,
                                               .dirs = dirs,
                                               .dir_count = 2,
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

/* A clean stop with this epoch, and the epoch the next start finds. */
static int64_t epoch_after(int64_t broker_epoch, const char *lost_marker_dir)
{
    struct weir_log_manager *manager = open_both();
    cr_assert_eq(weir_log_manager_close(manager, broker_epoch, true, &world.detail), WEIR_OK);
    weir_log_manager_free(manager);
    if (lost_marker_dir != NULL)
        cr_assert_eq(weir_clean_marker_remove(&world.env, lost_marker_dir, &world.detail), WEIR_OK);
    manager = open_both();
    int64_t epoch = weir_log_manager_previous_broker_epoch(manager);
    weir_log_manager_free(manager);
    return epoch;
}

Test(traps, trap_21_the_previous_epoch_is_unknown_when_one_directory_was_unclean)
{
    cr_assert_eq(epoch_after(12, NULL), 12);
    cr_assert_eq(epoch_after(13, dir_a), -1);
    cr_assert_eq(epoch_after(14, dir_b), -1);
}

Test(traps, trap_21_a_marker_from_another_time_makes_the_previous_epoch_unknown)
{
    (void)epoch_after(12, NULL);
    struct weir_log_manager *manager = open_both();
    cr_assert_eq(weir_log_manager_close(manager, 15, true, &world.detail), WEIR_OK);
    weir_log_manager_free(manager);
    cr_assert_eq(weir_clean_marker_write(&world.env, dir_b, 9, &world.detail), WEIR_OK);
    manager = open_both();
    cr_assert_eq(weir_log_manager_previous_broker_epoch(manager), -1);
    weir_log_manager_free(manager);
}

/* Two segments, each with an aborted transaction and a committed one, cleanly closed. */
static void with_transactions(void)
{
    world.options.config.index_interval_bytes = 1;
    world_open(&world);
    for (int64_t id = 1; id <= 4; id++) {
        struct world_batch batch = world_producer_batch(2, id, 0, 0);
        batch.options.is_transactional = true;
        (void)world_append(&world, &batch);
        (void)world_marker(&world, id, 0, id % 2 == 0);
        if (id == 2)
            cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
    }
    world_close(&world);
    world.options.was_clean = true;
}

static void lose(int64_t offset, const char *suffix)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_file(&world, offset, suffix, path);
    cr_assert_eq(unlink(path), 0, "%s", path);
}

static int64_t size_of(int64_t offset, const char *suffix)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_file(&world, offset, suffix, path);
    return world_file_size(&world, path);
}

Test(traps, trap_04_lost_transaction_indexes_are_made_anew_without_a_reader)
{
    uint64_t bytes = 0;
    with_transactions();
    lose(0, ".txnindex");
    lose(6, ".txnindex");
    world_open(&world);
    int rounds = 0;
    while (!weir_partition_log_audit_txns(world.log, 100, &bytes)) {
        cr_assert_leq(bytes, 100);
        cr_assert_lt(rounds++, 100);
    }
    cr_expect_geq(rounds, 4);
    cr_expect_eq(size_of(0, ".txnindex"), 34);
    cr_expect_eq(size_of(6, ".txnindex"), 34);
    cr_expect(weir_partition_log_audit_txns(world.log, 100, &bytes));
    cr_expect_eq(bytes, 0);
    world_close(&world);
    cr_expect_geq(size_of(0, ".index"), 8);
}

Test(traps, trap_04_segments_without_markers_are_told_by_their_snapshots)
{
    uint64_t bytes = 0;
    world.now_ms = weir_env_wall_ms(weir_env_posix()); /* that of the files */
    world_open(&world);
    struct world_batch batch = world_producer_batch(2, 7, 0, 0);
    (void)world_append(&world, &batch);
    cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
    world_append_many(&world, 2, 2);
    world_reopen_clean(&world);
    cr_expect(weir_partition_log_audit_txns(world.log, 1 << 20, &bytes));
    cr_expect_eq(bytes, 0);
}

Test(traps, trap_04_without_a_snapshot_that_knows_of_markers_nothing_is_read)
{
    uint64_t bytes = 0;
    world_open(&world);
    world_append_many(&world, 2, 2);
    world_close(&world);
    lose(4, ".snapshot");
    world.options.was_clean = true;
    world_open(&world);
    cr_expect(weir_partition_log_audit_txns(world.log, 1 << 20, &bytes));
    cr_expect_eq(bytes, 0);
}

static enum weir_status try_open(int32_t node_id, const char *cluster_id)
{
    const char *const dirs[] = {dir_a, dir_b};
    struct weir_log_manager_options options = {.env = &world.env,
                                               .dirs = dirs,
                                               .dir_count = 2,
                                               .node_id = node_id,
                                               .cluster_id = cluster_id,
                                               .defaults = weir_log_config_default()};
    struct weir_log_manager *manager = NULL;
    enum weir_status status = weir_log_manager_open(&options, &manager, &world.detail);
    weir_log_manager_free(manager);
    return status;
}

Test(traps, trap_21_a_refused_start_leaves_the_markers_and_their_epoch)
{
    char foreign[400];
    int64_t epoch = -1;
    (void)snprintf(foreign, sizeof(foreign), "%s/lost+found", dir_b);
    (void)epoch_after(12, NULL);
    struct weir_log_manager *manager = open_both();
    cr_assert_eq(weir_log_manager_close(manager, 15, true, &world.detail), WEIR_OK);
    weir_log_manager_free(manager);
    cr_assert_eq(try_open(2, NULL), WEIR_INVALID);
    cr_assert_eq(try_open(1, "another"), WEIR_INCONSISTENT_CLUSTER_ID);
    cr_assert_eq(weir_dir_make_all_durably(&world.env, foreign, &world.detail), WEIR_OK);
    cr_assert_eq(try_open(1, NULL), WEIR_INVALID);
    cr_assert_not_null(strstr(world.detail.text, "lost+found"), "%s", world.detail.text);
    cr_assert_eq(weir_dir_remove_all(&world.env, foreign, &world.detail), WEIR_OK);
    cr_assert_eq(weir_clean_marker_read(&world.env, dir_a, &epoch, &world.detail), WEIR_OK);
    cr_assert_eq(epoch, 15);
    cr_assert_eq(try_open(1, NULL), WEIR_OK); /* went no further */
    manager = open_both();
    cr_assert_eq(weir_log_manager_previous_broker_epoch(manager), 15);
    cr_assert_eq(weir_clean_marker_read(&world.env, dir_a, &epoch, &world.detail), WEIR_NOT_FOUND);
    weir_log_manager_free(manager);
}

Test(traps, trap_22_the_times_of_a_clock_that_steps_back_leave_a_rising_index)
{
    world.options.config.index_interval_bytes = 1;
    int64_t began_ms = world.now_ms;
    world_open(&world);
    for (int i = 0; i < 30; i++) {
        /* Ten steps forward, then the clock is put back by an hour and goes on from there. */
        world.now_ms += i == 10 ? -3600000 : 10;
        struct world_batch batch = world_batch(2);
        (void)world_append(&world, &batch); /* its second record is a millisecond later */
    }
    world_reopen_clean(&world);
    cr_assert_eq(world.recovery.note.text[0], '\0', "%s", world.recovery.note.text);
    struct weir_time_index times = {0};
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_file(&world, 0, WEIR_SEGMENT_SUFFIX_TIME_INDEX, path);
    cr_assert_eq(weir_time_index_read(&world.env, path, &times, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    cr_assert_geq(times.count, 8);
    cr_assert_eq(weir_time_index_last(&times).timestamp, began_ms + 101);
    cr_assert_eq(weir_time_index_last(&times).relative_offset, 19);
    weir_time_index_done(&times);
    struct weir_offset_and_time found;
    cr_assert_eq(
        weir_partition_log_offset_for_timestamp(world.log, began_ms + 45, &found, &world.detail),
        WEIR_OK, "%s", world.detail.text);
    cr_assert_eq(found.offset, 8);
    struct world_batch batch = world_batch(1);
    cr_assert_eq(world_append(&world, &batch).base_offset, 60);
}
