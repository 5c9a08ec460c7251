/* SPDX-License-Identifier: Apache-2.0 */

#include "log_world.h"

#include "weir/storage/log_manager.h"

static struct world world;
static uint64_t total_bytes;
static uint64_t free_bytes;
static int warnings;
static int notes;
static struct weir_log_manager *manager;

static enum weir_status tell_space(void *env, const char *path, uint64_t *out_total,
                                   uint64_t *out_free, struct weir_detail *detail)
{
    (void)env;
    (void)path;
    (void)detail;
    *out_total = total_bytes;
    *out_free = free_bytes;
    return WEIR_OK;
}

static void count_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)size;
    warnings += level == WEIR_LOG_LEVEL_WARN && strstr(line, "log_dir_nearly_full") != NULL;
    notes += level == WEIR_LOG_LEVEL_INFO && strstr(line, "log_dir_has_space_again") != NULL;
}

static const struct weir_log the_log = {.sink = count_line, .level = WEIR_LOG_LEVEL_TRACE};

static void open_manager(unsigned percent)
{
    const char *dirs[] = {world.dir};
    struct weir_log_manager_options options = {.env = &world.env,
                                               .log = &the_log,
                                               .dirs = dirs,
                                               .dir_count = 1,
                                               .cluster_id = "AAAAAAAAAAAAAAAAAAAAAA",
                                               .node_id = 1,
                                               .defaults = weir_log_config_default(),
                                               .free_percent_min = percent};
    enum weir_status status = weir_log_manager_open(&options, &manager, &world.detail);
    cr_assert_eq(status, WEIR_OK, "%s", world.detail.text);
}

static void start(void)
{
    world_init(&world);
    world.ops.space = tell_space;
    total_bytes = 1000000;
    free_bytes = 500000;
    warnings = 0;
    notes = 0;
}

static void stop(void)
{
    weir_partition_log_unref(world.log);
    world.log = NULL;
    weir_log_manager_free(manager);
    manager = NULL;
    world_done(&world);
}

TestSuite(log_manager_space, .init = start, .fini = stop);

/* A second later. */
static bool is_nearly_full_with(uint64_t bytes)
{
    free_bytes = bytes;
    world.now_ms += 1000;
    (void)weir_log_manager_check_space(manager);
    return weir_log_manager_is_nearly_full(manager, 0);
}

Test(log_manager_space, producers_are_refused_below_the_watermark_until_a_little_above_it)
{
    open_manager(5);
    cr_assert_not(is_nearly_full_with(50000));
    cr_assert(is_nearly_full_with(49999));
    cr_assert(is_nearly_full_with(50000));
    cr_assert(is_nearly_full_with(59999));
    cr_assert_not(is_nearly_full_with(60000));
    cr_assert_not(is_nearly_full_with(50000));
    cr_assert(is_nearly_full_with(0));
}

Test(log_manager_space, each_change_is_said_once)
{
    open_manager(5);
    for (int i = 0; i < 3; i++)
        (void)is_nearly_full_with(10);
    cr_assert_eq(warnings, 1);
    cr_assert_eq(notes, 0);
    for (int i = 0; i < 3; i++)
        (void)is_nearly_full_with(500000);
    cr_assert_eq(warnings, 1);
    cr_assert_eq(notes, 1);
}

Test(log_manager_space, a_disk_that_fills_fast_is_looked_at_more_often)
{
    open_manager(5);
    cr_assert_eq(weir_log_manager_check_space(manager), 1000);
    world.now_ms += 1000;
    free_bytes = 490000;
    cr_assert_eq(weir_log_manager_check_space(manager), 1000);
    world.now_ms += 1000;
    free_bytes = 190000;
    cr_assert_eq(weir_log_manager_check_space(manager), 100);
    world.now_ms += 100;
    cr_assert_eq(weir_log_manager_check_space(manager), 1000);
}

Test(log_manager_space, zero_percent_turns_it_off)
{
    open_manager(0);
    cr_assert_not(is_nearly_full_with(0));
    cr_assert_eq(warnings, 0);
}

Test(log_manager_space, a_log_of_the_directory_takes_no_producers_batch_meanwhile)
{
    open_manager(5);
    struct weir_topic_partition key;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("t"), 0, &key), WEIR_OK);
    cr_assert_eq(weir_log_manager_create(manager, &key, weir_uuid_small(100), NULL, &world.log,
                                         &world.detail),
                 WEIR_OK, "%s", world.detail.text);
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert(is_nearly_full_with(10));
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_NO_SPACE);
    cr_assert_not(is_nearly_full_with(500000));
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_OK);
    cr_assert_eq(result.base_offset, 1);
}
