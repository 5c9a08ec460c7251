/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/log_manager.h"

#include "log_world.h"

#include <sys/wait.h>

static struct world world;
static struct weir_log_manager *manager;
static char dir_a[300];
static char dir_b[300];
static int dir_failures;

static void on_dir_failed(void *context, const char *dir, struct weir_uuid directory_id,
                          const struct weir_detail *detail)
{
    (void)context;
    (void)dir;
    (void)directory_id;
    (void)detail;
    dir_failures++;
}

static enum weir_status try_open(size_t dir_count, const char *cluster_id)
{
    const char *const dirs[] = {dir_a, dir_b};
    struct weir_log_manager_options options = {.env = &world.env,
                                               .dirs = dirs,
                                               .dir_count = dir_count,
                                               .cluster_id = cluster_id,
                                               .node_id = 1,
                                               .defaults = weir_log_config_default(),
                                               .on_dir_failed = on_dir_failed};
    return weir_log_manager_open(&options, &manager, &world.detail);
}

static struct weir_log_manager_load_result load(const struct weir_log_manager_load_options *options)
{
    static const struct weir_log_manager_load_options defaults;
    struct weir_log_manager_load_result result;
    enum weir_status status = weir_log_manager_load(manager, options == NULL ? &defaults : options,
                                                    &result, &world.detail);
    cr_assert_eq(status, WEIR_OK, "%s", world.detail.text);
    return result;
}

static struct weir_log_manager_load_result open_and_load(size_t dir_count)
{
    cr_assert_eq(try_open(dir_count, NULL), WEIR_OK, "%s", world.detail.text);
    return load(NULL);
}

static struct weir_topic_partition key_of(const char *topic, int32_t partition)
{
    struct weir_topic_partition key;
    cr_assert_eq(weir_topic_partition_make(weir_slice_str(topic), partition, &key), WEIR_OK);
    return key;
}

static void create_and_fill(const char *topic, int32_t partition, int batches)
{
    struct weir_topic_partition key = key_of(topic, partition);
    enum weir_status status = weir_log_manager_create(manager, &key, weir_uuid_small(101), NULL,
                                                      &world.log, &world.detail);
    cr_assert_eq(status, WEIR_OK, "%s", world.detail.text);
    world_append_many(&world, batches, 3);
    weir_partition_log_unref(world.log);
    world.log = NULL;
}

static int64_t end_offset(const char *topic, int32_t partition)
{
    struct weir_topic_partition key = key_of(topic, partition);
    struct weir_partition_log *log = weir_log_manager_get(manager, &key);
    if (log == NULL)
        return -1;
    int64_t offset = weir_partition_log_end_offset(log);
    weir_partition_log_unref(log);
    return offset;
}

static void close_and_free(void)
{
    cr_assert_eq(weir_log_manager_close(manager, 12, true, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    weir_log_manager_free(manager);
    manager = NULL;
}

static bool exists(const char *dir, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void shell(const char *command)
{
    char line[6000];
    (void)snprintf(line, sizeof(line), "cd '%s' && { %s; }", world.dir, command);
    cr_assert_eq(system(line), 0, "%s", line);
}

static void start(void)
{
    world_init(&world);
    (void)snprintf(dir_a, sizeof(dir_a), "%s/a", world.dir);
    (void)snprintf(dir_b, sizeof(dir_b), "%s/b", world.dir);
}

static void stop(void)
{
    weir_log_manager_free(manager);
    world_done(&world);
}

TestSuite(log_manager, .init = start, .fini = stop);

Test(log_manager, partitions_nobody_wrote_to_cost_a_stop_nothing)
{
    (void)open_and_load(1);
    for (int i = 0; i < 40; i++)
        create_and_fill("topic", i, i % 2);
    close_and_free();
    (void)open_and_load(1);
    cr_assert_eq(weir_log_manager_count(manager), 40);
    world.syncs = 0;
    world.dir_syncs = 0;
    close_and_free();
    /* Four checkpoints and the marker; the directory once more for the partitions' names. */
    cr_expect_eq((int)world.syncs, 5);
    cr_expect_eq((int)world.dir_syncs, 6);
    struct weir_log_manager_load_result result = open_and_load(1);
    cr_expect_eq(result.partition_count, 40);
    cr_expect_eq(result.recovered_count, 0);
    cr_expect_eq(end_offset("topic", 39), 3);
}

Test(log_manager, a_clean_stop_is_found_and_its_marker_taken)
{
    struct weir_log_dir_info info;
    (void)open_and_load(1);
    weir_log_manager_dir(manager, 0, &info);
    struct weir_uuid id = info.directory_id;
    cr_assert(!info.was_clean);
    create_and_fill("t", 0, 5);
    close_and_free();
    cr_assert(exists(dir_a, ".kafka_cleanshutdown"));
    struct weir_log_manager_load_result result = open_and_load(1);
    weir_log_manager_dir(manager, 0, &info);
    cr_assert(info.was_clean);
    cr_assert(weir_uuid_equal(info.directory_id, id));
    cr_assert_eq(weir_log_manager_previous_broker_epoch(manager), 12);
    cr_assert(!exists(dir_a, ".kafka_cleanshutdown"));
    cr_assert_eq(result.partition_count, 1);
    cr_assert_eq(result.recovered_count, 0);
    cr_assert_eq(end_offset("t", 0), 15);
}

Test(log_manager, after_a_crash_every_partition_is_recovered)
{
    (void)open_and_load(1);
    for (int32_t i = 0; i < 20; i++)
        create_and_fill("t", i, i);
    weir_log_manager_free(manager);
    manager = NULL;
    struct weir_log_manager_load_result result = open_and_load(1);
    cr_assert_eq(result.partition_count, 20);
    cr_assert_eq(result.recovered_count, 20);
    cr_assert_eq(weir_log_manager_previous_broker_epoch(manager), -1);
    for (int32_t i = 0; i < 20; i++)
        cr_assert_eq(end_offset("t", i), i * 3);
}

Test(log_manager, a_second_process_is_refused_in_words)
{
    cr_assert_eq(try_open(1, NULL), WEIR_OK);
    pid_t child = fork();
    if (child == 0) {
        manager = NULL;
        bool is_refused =
            try_open(1, NULL) == WEIR_BUSY && strstr(world.detail.text, "another process") != NULL;
        _exit(is_refused ? 0 : 1);
    }
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(log_manager, another_cluster_or_node_is_refused)
{
    cr_assert_eq(try_open(1, "one"), WEIR_OK);
    weir_log_manager_free(manager);
    manager = NULL;
    cr_assert_eq(try_open(1, "two"), WEIR_INCONSISTENT_CLUSTER_ID);
    shell("sed -i s/node.id=1/node.id=2/ a/meta.properties");
    cr_assert_eq(try_open(1, "one"), WEIR_INVALID);
}

static void config_with_delay(void *context, const struct weir_topic_partition *key,
                              struct weir_log_config *out)
{
    (void)context;
    (void)key;
    out->file_delete_delay_ms = 500;
}

Test(log_manager, directories_of_an_interrupted_deletion_wait_as_long_as_is_configured)
{
    struct weir_log_manager_load_options options = {.config = config_with_delay};
    struct weir_log_manager_load_result result;
    shell("mkdir -p a/t-0.0123456789abcdef0123456789abcdef-delete");
    cr_assert_eq(try_open(1, NULL), WEIR_OK);
    cr_assert_eq(weir_log_manager_load(manager, &options, &result, &world.detail), WEIR_OK);
    world.now_ms += 499;
    weir_log_manager_reap(manager);
    cr_assert(exists(dir_a, "t-0.0123456789abcdef0123456789abcdef-delete"));
    world.now_ms += 1;
    weir_log_manager_reap(manager);
    cr_assert(!exists(dir_a, "t-0.0123456789abcdef0123456789abcdef-delete"));
}

Test(log_manager, a_foreign_directory_is_refused_by_name)
{
    shell("mkdir -p a/lost+found");
    cr_assert_eq(try_open(1, NULL), WEIR_INVALID);
    cr_assert_not_null(strstr(world.detail.text, "lost+found"));
    shell("rmdir a/lost+found");
    cr_assert_eq(try_open(1, NULL), WEIR_OK);
    shell("mkdir -p a/lost+found");
    struct weir_log_manager_load_options options = {0};
    struct weir_log_manager_load_result result;
    cr_assert_eq(weir_log_manager_load(manager, &options, &result, &world.detail), WEIR_INVALID);
    cr_assert_not_null(strstr(world.detail.text, "lost+found"));
}

Test(log_manager, the_start_set_by_delete_records_survives_by_its_checkpoint)
{
    int64_t log_start;
    (void)open_and_load(1);
    create_and_fill("t", 0, 5);
    struct weir_topic_partition key = key_of("t", 0);
    struct weir_partition_log *log = weir_log_manager_get(manager, &key);
    cr_assert_eq(weir_partition_log_delete_records(log, 7, &log_start), WEIR_OK);
    weir_partition_log_unref(log);
    weir_log_manager_checkpoint_log_starts(manager);
    weir_log_manager_checkpoint_recovery_points(manager);
    weir_log_manager_checkpoint_high_watermarks(manager);
    weir_log_manager_free(manager);
    manager = NULL;
    (void)open_and_load(1);
    log = weir_log_manager_get(manager, &key);
    cr_assert_eq(weir_partition_log_start_offset(log), 7);
    cr_assert_eq(weir_partition_log_high_watermark(log), 15);
    weir_partition_log_unref(log);
}

static bool belongs(void *context, const struct weir_topic_partition *key,
                    struct weir_uuid topic_id, struct weir_uuid directory_id)
{
    (void)context;
    (void)directory_id;
    return key->partition == 0 && !weir_uuid_is_zero(topic_id);
}

Test(log_manager, strays_are_set_aside_and_kept)
{
    (void)open_and_load(1);
    create_and_fill("t", 0, 5);
    create_and_fill("t", 1, 5);
    close_and_free();
    cr_assert_eq(try_open(1, NULL), WEIR_OK);
    struct weir_log_manager_load_options options = {.belongs = belongs};
    struct weir_log_manager_load_result result = load(&options);
    cr_assert_eq(result.stray_count, 1);
    cr_assert_eq(end_offset("t", 0), 15);
    cr_assert_eq(end_offset("t", 1), -1);
    shell("ls -d a/t-1.*-stray > /dev/null");
}

Test(log_manager, a_deleted_partition_goes_after_its_delay_and_may_be_made_again)
{
    (void)open_and_load(1);
    create_and_fill("t", 0, 5);
    struct weir_topic_partition key = key_of("t", 0);
    cr_assert_eq(weir_log_manager_delete(manager, &key, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    cr_assert_eq(weir_log_manager_delete(manager, &key, NULL), WEIR_NOT_FOUND);
    create_and_fill("t", 0, 1);
    cr_assert_eq(end_offset("t", 0), 3);
    shell("ls -d a/t-0.*-delete > /dev/null");
    world.now_ms += weir_log_config_default().file_delete_delay_ms;
    weir_log_manager_reap(manager);
    shell("! ls -d a/t-0.*-delete 2> /dev/null");
}

Test(log_manager, a_topic_of_the_same_name_but_another_id_is_refused)
{
    (void)open_and_load(1);
    create_and_fill("t", 0, 1);
    struct weir_topic_partition key = key_of("t", 0);
    struct weir_partition_log *log = NULL;
    cr_assert_eq(
        weir_log_manager_create(manager, &key, weir_uuid_small(102), NULL, &log, &world.detail),
        WEIR_INCONSISTENT_TOPIC_ID);
    cr_assert_eq(
        weir_log_manager_create(manager, &key, weir_uuid_small(101), NULL, &log, &world.detail),
        WEIR_OK);
    weir_partition_log_unref(log);
    cr_assert_eq(weir_log_manager_count(manager), 1);
}

Test(log_manager, partitions_are_spread_over_directories_and_one_may_fail_alone)
{
    (void)open_and_load(2);
    for (int32_t i = 0; i < 10; i++)
        create_and_fill("t", i, 1);
    int in_a = 0;
    for (int32_t i = 0; i < 10; i++) {
        struct weir_topic_partition key = key_of("t", i);
        in_a += weir_log_manager_dir_of(manager, &key) == 0;
    }
    cr_assert_eq(in_a, 5);
    struct weir_detail why;
    weir_detail_set(&why, "the test says so");
    dir_failures = 0;
    weir_log_manager_fail_dir(manager, 0, &why);
    cr_assert_eq(dir_failures, 1);
    for (int32_t i = 0; i < 10; i++) {
        struct weir_topic_partition key = key_of("t", i);
        struct weir_partition_log *log = weir_log_manager_get(manager, &key);
        cr_assert_eq(weir_partition_log_has_failed(log),
                     weir_log_manager_dir_of(manager, &key) == 0);
        weir_partition_log_unref(log);
    }
    create_and_fill("new", 0, 1);
    struct weir_topic_partition key = key_of("new", 0);
    cr_assert_eq(weir_log_manager_dir_of(manager, &key), 1);
    cr_assert_eq(weir_log_manager_close(manager, 1, true, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    cr_assert(!exists(dir_a, ".kafka_cleanshutdown"));
    cr_assert(exists(dir_b, ".kafka_cleanshutdown"));
}

Test(log_manager, a_log_that_cannot_be_closed_well_gets_no_marker)
{
    (void)open_and_load(1);
    create_and_fill("t", 0, 5);
    create_and_fill("u", 0, 5);
    world.fail_sync = true;
    struct weir_topic_partition key = key_of("u", 0);
    struct weir_partition_log *log = weir_log_manager_get(manager, &key);
    cr_assert_eq(weir_partition_log_flush(log, true, NULL), WEIR_KAFKA_STORAGE_ERROR);
    weir_partition_log_unref(log);
    world.fail_sync = false;
    cr_assert_eq(weir_log_manager_close(manager, 1, true, &world.detail),
                 WEIR_OK); /* it was told when it failed */
    cr_assert(!exists(dir_a, ".kafka_cleanshutdown"));
    weir_log_manager_free(manager);
    manager = NULL;
    (void)open_and_load(1);
    cr_assert_eq(end_offset("t", 0), 15);
    cr_assert_eq(end_offset("u", 0), 15);
}

Test(log_manager, an_unclean_metadata_log_keeps_the_marker_away)
{
    (void)open_and_load(1);
    cr_assert_eq(weir_log_manager_close(manager, 1, false, NULL), WEIR_OK);
    cr_assert(!exists(dir_a, ".kafka_cleanshutdown"));
}

Test(log_manager, damaged_checkpoints_mean_recovery_and_not_failure)
{
    (void)open_and_load(1);
    create_and_fill("t", 0, 5);
    close_and_free();
    shell(
        "echo junk > a/recovery-point-offset-checkpoint; echo '0' > a/log-start-offset-checkpoint; "
        ": > a/replication-offset-checkpoint");
    (void)open_and_load(1);
    cr_assert_eq(end_offset("t", 0), 15);
}

Test(log_manager, the_metadata_log_is_left_to_its_owner)
{
    struct weir_partition_log_options options;
    char dir[4096];
    (void)open_and_load(1);
    weir_log_manager_metadata_options(manager, &options, dir);
    cr_assert_eq(weir_partition_log_open(&options, &world.log, NULL, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
    world_append_many(&world, 2, 2);
    cr_assert_eq(weir_partition_log_close(world.log, NULL), WEIR_OK);
    weir_partition_log_unref(world.log);
    world.log = NULL;
    close_and_free();
    struct weir_log_manager_load_result result = open_and_load(1);
    cr_assert_eq(result.partition_count, 0);
    cr_assert(exists(dir_a, "__cluster_metadata-0"));
}
