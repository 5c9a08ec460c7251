/* SPDX-License-Identifier: Apache-2.0 */

/* Moving partitions between log directories, and directories that fail at a start. */

#include "log_world.h"

#include "weir/storage/log_move.h"

#include <sys/stat.h>

static struct world world;
static char dir_a[300];
static char dir_b[300];
static struct weir_log_manager *manager;
static struct weir_log_mover *mover;
static int failed_dirs;

static void on_dir_failed(void *context, const char *dir, struct weir_uuid directory_id,
                          const struct weir_detail *detail)
{
    (void)context;
    (void)dir;
    (void)directory_id;
    (void)detail;
    failed_dirs++;
}

static enum weir_status open_manager(void)
{
    const char *const dirs[] = {dir_a, dir_b};
    const struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result result;
    struct weir_log_manager_options options = {.env = &world.env,
                                               .dirs = dirs,
                                               .dir_count = 2,
                                               .node_id = 1,
                                               .defaults = weir_log_config_default(),
                                               .on_dir_failed = on_dir_failed};
    enum weir_status status = weir_log_manager_open(&options, &manager, &world.detail);
    if (status != WEIR_OK)
        return status;
    status = weir_log_manager_load(manager, &load, &result, &world.detail);
    cr_assert_eq(status, WEIR_OK, "%s", world.detail.text);
    struct weir_log_mover_options moves = {.env = &world.env, .manager = manager};
    cr_assert_eq(weir_log_mover_new(&moves, &mover, &world.detail), WEIR_OK);
    weir_log_mover_resume(mover);
    return WEIR_OK;
}

static void close_manager(void)
{
    weir_log_mover_free(mover);
    mover = NULL;
    cr_assert_eq(weir_log_manager_close(manager, 1, true, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    weir_log_manager_free(manager);
    manager = NULL;
}

static void start(void)
{
    world_init(&world);
    failed_dirs = 0;
    (void)snprintf(dir_a, sizeof(dir_a), "%s/a", world.dir);
    (void)snprintf(dir_b, sizeof(dir_b), "%s/b", world.dir);
}

static void stop(void)
{
    weir_log_mover_free(mover);
    weir_log_manager_free(manager);
    world_done(&world);
}

static struct weir_topic_partition key_of(const char *topic)
{
    struct weir_topic_partition key;
    cr_assert_eq(weir_topic_partition_make(weir_slice_str(topic), 0, &key), WEIR_OK);
    return key;
}

static void create_and_fill(const char *topic, int batches)
{
    struct weir_topic_partition key = key_of(topic);
    cr_assert_eq(weir_log_manager_create(manager, &key, weir_uuid_small(101), NULL, &world.log,
                                         &world.detail),
                 WEIR_OK);
    world_append_many(&world, batches, 3);
    weir_partition_log_unref(world.log);
    world.log = NULL;
}

static enum weir_status move_to(const char *topic, const char *dir)
{
    struct weir_topic_partition key = key_of(topic);
    return weir_log_mover_move(mover, &key, weir_slice_str(dir), &world.detail);
}

static void finish_moves(void)
{
    while (weir_log_mover_turn(mover))
        continue;
}

TestSuite(log_move, .init = start, .fini = stop);

Test(log_move, a_moved_partition_has_everything_in_the_other_directory)
{
    struct weir_topic_partition key = key_of("t");
    cr_assert_eq(open_manager(), WEIR_OK);
    create_and_fill("t", 20);
    cr_assert_eq(weir_log_manager_dir_of(manager, &key), 0);
    cr_assert_eq(move_to("t", dir_b), WEIR_OK, "%s", world.detail.text);
    cr_expect_eq(weir_log_mover_count(mover), 1);
    finish_moves();
    cr_expect_eq(weir_log_mover_count(mover), 0);
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 1);
    close_manager();
    cr_assert_eq(open_manager(), WEIR_OK);
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 1);
    world.log = weir_log_manager_get(manager, &key);
    cr_expect_eq(weir_partition_log_high_watermark(world.log), 60);
    cr_expect_eq(world_count(&world, 0, WEIR_LOG_READ_TO_HIGH_WATERMARK), 60);
    weir_partition_log_unref(world.log);
    world.log = NULL;
}

Test(log_move, a_move_that_a_stop_interrupts_goes_on_after_the_start)
{
    struct weir_topic_partition key = key_of("t");
    cr_assert_eq(open_manager(), WEIR_OK);
    create_and_fill("t", 100);
    weir_log_mover_set_rate(mover, 1); /* a small piece, and then nothing for long */
    cr_assert_eq(move_to("t", dir_b), WEIR_OK);
    close_manager();
    cr_assert_eq(open_manager(), WEIR_OK);
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 0);
    cr_expect(weir_log_manager_is_moving(manager, &key));
    finish_moves();
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 1);
}

Test(log_move, moving_back_ends_a_move)
{
    struct weir_topic_partition key = key_of("t");
    cr_assert_eq(open_manager(), WEIR_OK);
    create_and_fill("t", 20);
    cr_assert_eq(move_to("t", dir_b), WEIR_OK);
    cr_assert_eq(move_to("t", dir_a), WEIR_OK);
    cr_expect_not(weir_log_manager_is_moving(manager, &key));
    finish_moves();
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 0);
}

Test(log_move, what_cannot_be_moved_is_refused_with_its_reason)
{
    cr_assert_eq(open_manager(), WEIR_OK);
    create_and_fill("t", 1);
    cr_expect_eq(move_to("t", "/nowhere"), WEIR_LOG_DIR_NOT_FOUND);
    cr_expect_eq(move_to("later", dir_b), WEIR_REPLICA_NOT_AVAILABLE);
    create_and_fill("later", 1); /* in the directory that was asked for */
    struct weir_topic_partition key = key_of("later");
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 1);
    weir_log_manager_fail_dir(manager, 1, &(struct weir_detail){.text = "broken"});
    cr_expect_eq(move_to("t", dir_b), WEIR_KAFKA_STORAGE_ERROR);
}

Test(log_move, a_directory_that_cannot_be_used_is_offline_and_nothing_begins_anew)
{
    struct weir_topic_partition key = key_of("u");
    char away[400];
    cr_assert_eq(open_manager(), WEIR_OK);
    create_and_fill("t", 1);
    create_and_fill("u", 2);
    cr_assert_eq(weir_log_manager_dir_of(manager, &key), 1);
    close_manager();
    (void)snprintf(away, sizeof(away), "%s.away", dir_b);
    cr_assert_eq(rename(dir_b, away), 0);
    FILE *file = fopen(dir_b, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(open_manager(), WEIR_OK, "%s", world.detail.text);
    cr_expect_eq(failed_dirs, 1);
    struct weir_log_placement placement = {.must_exist = true};
    struct weir_partition_log *log = NULL;
    cr_expect_eq(weir_log_manager_create_in(manager, &key, weir_uuid_small(101), NULL, &placement,
                                            &log, &world.detail),
                 WEIR_KAFKA_STORAGE_ERROR);
    create_and_fill("new", 1);
    key = key_of("new");
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 0);
}

Test(log_move, another_rate_counts_soon)
{
    struct weir_topic_partition key = key_of("t");
    cr_assert_eq(open_manager(), WEIR_OK);
    create_and_fill("t", 100);
    weir_log_mover_set_rate(mover, 1);
    cr_assert_eq(move_to("t", dir_b), WEIR_OK);
    finish_moves();
    cr_expect(weir_log_manager_is_moving(manager, &key));
    weir_log_mover_set_rate(mover, 1 << 30);
    world.now_ms += 1000;
    finish_moves();
    cr_expect_not(weir_log_manager_is_moving(manager, &key));
    cr_expect_eq(weir_log_manager_dir_of(manager, &key), 1);
}
