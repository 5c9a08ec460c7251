/* SPDX-License-Identifier: Apache-2.0 */

/* Which log the cleaner takes, what it leaves on disk, and whom it gives way to. */

#include "clean_world.h"

#include "weir/storage/log_manager.h"

static struct world world;
static struct weir_log_manager *manager;
static struct weir_cleaner *cleaner;
static struct weir_cleaner_config config;
static char dir[300];

static void set_config(void *context, struct weir_cleaner_config *out)
{
    (void)context;
    *out = config;
}

static void open_manager(void)
{
    const char *const dirs[] = {dir};
    struct weir_log_manager_options options = {
        .env = &world.env, .dirs = dirs, .dir_count = 1, .node_id = 1};
    struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result result;
    options.defaults = weir_log_config_default();
    options.defaults.cleanup_compact = true;
    options.defaults.cleanup_delete = false;
    cr_assert_eq(weir_log_manager_open(&options, &manager, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    cr_assert_eq(weir_log_manager_load(manager, &load, &result, &world.detail), WEIR_OK);
    struct weir_cleaner_options cleaner_options = {
        .env = &world.env, .logs = manager, .config = set_config};
    cr_assert_eq(weir_cleaner_new(&cleaner_options, &cleaner), WEIR_OK);
}

static void close_manager(void)
{
    weir_cleaner_free(cleaner);
    cleaner = NULL;
    cr_assert_eq(weir_log_manager_close(manager, 1, true, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    weir_log_manager_free(manager);
    manager = NULL;
}

static void start(void)
{
    world_init(&world);
    (void)snprintf(dir, sizeof(dir), "%s/a", world.dir);
    config = weir_cleaner_config_default();
    config.map_bytes = 1 << 20;
    open_manager();
}

static void stop(void)
{
    weir_cleaner_free(cleaner);
    weir_log_manager_free(manager);
    world_done(&world);
}

TestSuite(cleaner, .init = start, .fini = stop, .timeout = 60);

static struct weir_topic_partition key_of(const char *topic)
{
    struct weir_topic_partition key;
    cr_assert_eq(weir_topic_partition_make(weir_slice_str(topic), 0, &key), WEIR_OK);
    return key;
}

/* Sealed segments of one batch each, with the same keys. */
static struct weir_partition_log *fill(const char *topic, int sealed)
{
    struct weir_topic_partition key = key_of(topic);
    cr_assert_eq(
        weir_log_manager_create(manager, &key, weir_uuid_small(7), NULL, &world.log, &world.detail),
        WEIR_OK, "%s", world.detail.text);
    for (int i = 0; i <= sealed; i++) {
        if (i > 0)
            cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
        world_append_many(&world, 1, 10);
    }
    struct weir_partition_log *log = world.log;
    world.log = NULL;
    return log;
}

static size_t segments_of(struct weir_partition_log *log)
{
    struct weir_segment_info *infos = NULL;
    size_t count = 0;
    cr_assert_eq(weir_partition_log_segments(log, &infos, &count), WEIR_OK);
    weir_free(infos);
    return count;
}

static bool file_says(const char *name, const char *line)
{
    char path[4096];
    struct weir_buf bytes = {0};
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    cr_assert_eq(weir_file_read_all(&world.env, path, 1 << 20, &bytes, &world.detail), WEIR_OK);
    weir_buf_append(&bytes, "", 1);
    bool is_there = strstr((const char *)bytes.data, line) != NULL;
    weir_buf_done(&bytes);
    return is_there;
}

Test(cleaner, dirtiest_log_is_cleaned_first_and_clean_ones_are_left)
{
    struct weir_partition_log *half = fill("half", 1);
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert_eq(weir_partition_log_roll(half, &world.detail), WEIR_OK);
    struct weir_partition_log *whole = fill("whole", 3);
    cr_assert_eq(segments_of(whole), 4);
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert_eq(segments_of(whole), 2);
    cr_assert(!weir_cleaner_clean_one(cleaner), "half of it is clean");
    weir_partition_log_unref(half);
    weir_partition_log_unref(whole);
    close_manager();
}

Test(cleaner, what_is_clean_is_remembered_and_not_cleaned_again)
{
    weir_partition_log_unref(fill("a", 3));
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert(file_says("cleaner-offset-checkpoint", "a 0 30\n"));
    cr_assert(file_says("recovery-point-offset-checkpoint", "a 0 39\n"));
    close_manager();
    open_manager();
    cr_assert(!weir_cleaner_clean_one(cleaner));
    close_manager();
}

Test(cleaner, truncation_lowers_what_counts_as_clean)
{
    bool was_truncated;
    struct weir_partition_log *log = fill("a", 3);
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert_eq(weir_partition_log_truncate_to(log, 25, &was_truncated, &world.detail), WEIR_OK);
    cr_assert_eq(weir_log_manager_cleaner_offset(manager, log), weir_partition_log_end_offset(log));
    weir_partition_log_unref(log);
    close_manager();
}

Test(cleaner, log_that_cannot_be_cleaned_is_set_aside_until_it_is_truncated)
{
    struct weir_detail why;
    struct weir_file *file = NULL;
    struct weir_cleaner_facts facts;
    char path[4096];
    bool was_truncated;
    uint8_t bad = 0xff;
    struct weir_slice part = weir_slice_of(&bad, 1);
    struct weir_partition_log *damaged = fill("damaged", 4);
    struct weir_partition_log *good = fill("good", 2);
    (void)snprintf(path, sizeof(path), "%s/damaged-0/00000000000000000010.log", dir);
    cr_assert_eq(
        weir_file_open(&world.env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, &world.detail),
        WEIR_OK);
    cr_assert_eq(weir_file_write_at(&world.env, file, &part, 1, 80, &world.detail), WEIR_OK);
    weir_file_close(&world.env, file);
    while (weir_cleaner_clean_one(cleaner))
        continue;
    cr_assert_eq(segments_of(good), 2, "the other one");
    cr_assert(weir_partition_log_is_uncleanable(damaged, &why));
    cr_assert_neq(strstr(why.text, "00000000000000000010.log"), NULL, "%s", why.text);
    weir_cleaner_facts(cleaner, &facts);
    cr_assert_eq(facts.set_aside, 1);
    cr_assert_eq(weir_partition_log_truncate_to(damaged, 10, &was_truncated, &world.detail),
                 WEIR_OK);
    cr_assert(!weir_partition_log_is_uncleanable(damaged, NULL));
    weir_partition_log_unref(damaged);
    weir_partition_log_unref(good);
    close_manager();
}

Test(cleaner, compact_and_delete_do_both)
{
    struct weir_partition_log *log = fill("a", 3);
    struct weir_log_config both;
    weir_partition_log_config(log, &both);
    both.cleanup_delete = true;
    both.retention_ms = 1000;
    weir_partition_log_set_config(log, &both);
    world.now_ms += 10000;
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert_eq(weir_partition_log_start_offset(log), 40, "everything was too old");
    weir_partition_log_unref(log);
    close_manager();
}

Test(cleaner, full_disk_is_tried_again)
{
    struct weir_partition_log *log = fill("a", 3);
    world.fail_write_after = 0;
    cr_assert(!weir_cleaner_clean_one(cleaner));
    cr_assert(!weir_partition_log_is_uncleanable(log, NULL));
    cr_assert(!weir_partition_log_has_failed(log));
    cr_assert_eq(segments_of(log), 4);
    world.fail_write_after = -1;
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert_eq(segments_of(log), 2);
    weir_partition_log_unref(log);
    close_manager();
}

Test(cleaner, topic_can_be_deleted_after_and_before_a_round)
{
    struct weir_topic_partition key = key_of("a");
    weir_partition_log_unref(fill("a", 3));
    cr_assert(weir_cleaner_clean_one(cleaner));
    cr_assert_eq(weir_log_manager_delete(manager, &key, &world.detail), WEIR_OK);
    cr_assert(!weir_cleaner_clean_one(cleaner));
    close_manager();
}

/* Each look at the clock finds it so much later. */
#define LEAP_MS 1000

static int64_t leaping_ns(void *env)
{
    (void)env;
    world.now_ms += LEAP_MS;
    return world.now_ms * 1000000;
}

/* A log of two segments of some 60 KB, cleaned at the rate; how long that took by the clock. */
static int64_t took_ms_at(const char *topic, double bytes_per_second)
{
    struct weir_topic_partition key = key_of(topic);
    cr_assert_eq(
        weir_log_manager_create(manager, &key, weir_uuid_small(7), NULL, &world.log, &world.detail),
        WEIR_OK, "%s", world.detail.text);
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 15; j++) {
            struct world_batch batch = world_batch(4);
            batch.value_bytes = 1000;
            (void)world_append(&world, &batch);
        }
        cr_assert_eq(weir_partition_log_roll(world.log, &world.detail), WEIR_OK);
    }
    weir_partition_log_unref(world.log);
    world.log = NULL;
    config.bytes_per_second_max = bytes_per_second;
    world.ops.monotonic_ns = leaping_ns;
    int64_t from_ms = world.now_ms;
    cr_assert(weir_cleaner_clean_one(cleaner));
    int64_t took_ms = world.now_ms - from_ms;
    world.ops.monotonic_ns = world_monotonic_ns;
    return took_ms;
}

Test(cleaner, what_is_read_and_written_keeps_to_the_rate)
{
    struct weir_cleaner_facts facts;
    int64_t free_ms = took_ms_at("free", 1e18);
    int64_t took_ms = took_ms_at("slow", 15000);
    weir_cleaner_facts(cleaner, &facts);
    /* Read twice, for the map and for what is kept. */
    int64_t bytes = (int64_t)(2 * facts.bytes_read + facts.bytes_written) / 2;
    int64_t paid_ms = bytes * 1000 / 15000;
    cr_assert_geq(took_ms, paid_ms); /* looks at the clock for other reasons cost time as well */
    cr_assert_lt(took_ms - free_ms, paid_ms * 3 / 2, "%lld of %lld ms", (long long)took_ms,
                 (long long)paid_ms);
    config.bytes_per_second_max = 1e18;
    close_manager();
}
