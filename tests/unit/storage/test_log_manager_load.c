/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/storage/log_manager.h"

#include "log_world.h"

#include "weir/runtime/task_pool.h"

#include <pthread.h>
#include <time.h>

static struct world world;
static struct weir_log_manager *manager;
static char dirs[2][300];
static char lines[8][1024];
static int line_count;
static int64_t read_takes_ms;

static void on_line(void *context, enum weir_log_level level, const char *line, size_t size)
{
    (void)context;
    (void)level;
    if (strstr(line, "logs_loading") != NULL && line_count < 8)
        (void)snprintf(lines[line_count++], sizeof(lines[0]), "%.*s", (int)size, line);
}

static enum weir_status slow_read(void *env, struct weir_file *file, void *into, size_t size,
                                  uint64_t file_pos, size_t *out_read, struct weir_detail *detail)
{
    world.now_ms += read_takes_ms;
    return weir_env_posix()->ops->read_at(env, file, into, size, file_pos, out_read, detail);
}

static void open_manager(size_t dir_count, unsigned threads)
{
    static struct weir_log log;
    const char *const paths[] = {dirs[0], dirs[1]};
    log = (struct weir_log){.sink = on_line, .level = WEIR_LOG_LEVEL_INFO};
    struct weir_log_manager_options options = {.env = &world.env,
                                               .log = &log,
                                               .dirs = paths,
                                               .dir_count = dir_count,
                                               .node_id = 1,
                                               .recovery_threads_per_dir = threads,
                                               .defaults = weir_log_config_default()};
    cr_assert_eq(weir_log_manager_open(&options, &manager, &world.detail), WEIR_OK, "%s",
                 world.detail.text);
}

static struct weir_log_manager_load_result load(const struct weir_log_manager_load_options *options)
{
    static const struct weir_log_manager_load_options defaults;
    struct weir_log_manager_load_result result;
    cr_assert_eq(weir_log_manager_load(manager, options == NULL ? &defaults : options, &result,
                                       &world.detail),
                 WEIR_OK, "%s", world.detail.text);
    return result;
}

static void create(int32_t partition, int batches, size_t value_bytes)
{
    struct weir_topic_partition key;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("topic"), partition, &key), WEIR_OK);
    cr_assert_eq(weir_log_manager_create(manager, &key, weir_uuid_small(101), NULL, &world.log,
                                         &world.detail),
                 WEIR_OK, "%s", world.detail.text);
    for (int i = 0; i < batches; i++) {
        struct world_batch batch = world_batch(1);
        batch.value_bytes = value_bytes;
        (void)world_append(&world, &batch);
    }
    weir_partition_log_unref(world.log);
    world.log = NULL;
}

static void drop(void)
{
    weir_log_manager_free(manager);
    manager = NULL;
}

static void start(void)
{
    world_init(&world);
    line_count = 0;
    read_takes_ms = 0;
    world.ops.read_at = slow_read;
    for (int i = 0; i < 2; i++)
        (void)snprintf(dirs[i], sizeof(dirs[i]), "%s/%c", world.dir, 'a' + i);
}

static void stop(void)
{
    weir_log_manager_free(manager);
    manager = NULL;
    world_done(&world);
}

TestSuite(log_manager_load, .init = start, .fini = stop);

static void fill(size_t dir_count, int partitions, int batches)
{
    open_manager(dir_count, 1);
    (void)load(NULL);
    for (int i = 0; i < partitions; i++)
        create(i, batches, 500000);
}

Test(log_manager_load, a_recovery_that_takes_long_tells_how_far_it_is_every_two_seconds)
{
    fill(1, 4, 12); /* 6 MB each, told in two parts */
    drop();
    open_manager(1, 1);
    int64_t began_ms = world.now_ms;
    read_takes_ms = 100;
    struct weir_log_manager_load_result result = load(NULL);
    cr_assert_eq(result.recovered_count, 4);
    int64_t took_ms = world.now_ms - began_ms;
    cr_assert_gt(took_ms, 4000);
    cr_assert_geq(line_count, 2);
    cr_assert_leq(line_count, took_ms / 2000);
    cr_assert_not_null(strstr(lines[0], " partitions=4 "), "%s", lines[0]);
    cr_assert_not_null(strstr(lines[0], " bytes=24"), "%s", lines[0]);
    cr_assert_not_null(strstr(lines[0], "seconds_left="), "%s", lines[0]);
}

Test(log_manager_load, a_recovery_of_less_than_two_seconds_tells_nothing)
{
    fill(1, 4, 2);
    drop();
    open_manager(1, 2);
    cr_assert_eq(load(NULL).recovered_count, 4);
    cr_assert_eq(line_count, 0);
}

Test(log_manager_load, what_lies_below_the_recovery_point_is_not_counted_as_work)
{
    struct weir_log_manager_load_result result;
    fill(1, 2, 12);
    cr_assert_eq(weir_log_manager_close(manager, 1, true, &world.detail), WEIR_OK);
    drop();
    open_manager(1, 1);
    read_takes_ms = 1500;
    result = load(NULL);
    cr_assert_eq(result.recovered_count, 0);
    for (int i = 0; i < line_count; i++)
        cr_assert_not_null(strstr(lines[i], " bytes=0 "), "%s", lines[i]);
}

/* --- Directories that are left. --- */

#define UNIQUE "0123456789abcdef0123456789abcdef"

Test(log_manager_load, deleted_partitions_go_after_their_delay_and_strays_stay)
{
    char path[2][600];
    const char *const names[] = {"gone-3." UNIQUE "-delete", "lost-0." UNIQUE "-stray"};
    fill(1, 1, 1);
    drop();
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path[i], sizeof(path[i]), "%s/%s", dirs[0], names[i]);
        cr_assert_eq(weir_dir_make(&world.env, path[i], NULL), WEIR_OK);
        char file[700];
        (void)snprintf(file, sizeof(file), "%s/00000000000000000000.log", path[i]);
        cr_assert_eq(weir_file_replace(&world.env, file, WEIR_SLICE("old"), NULL), WEIR_OK);
    }
    open_manager(1, 1);
    cr_assert_eq(load(NULL).partition_count, 1);
    weir_log_manager_reap(manager);
    cr_assert_eq(access(path[0], F_OK), 0); /* a reader of the process before may have it open */
    world.now_ms += weir_log_config_default().file_delete_delay_ms + 1;
    weir_log_manager_reap(manager);
    cr_assert_neq(access(path[0], F_OK), 0);
    cr_assert_eq(access(path[1], F_OK), 0);
}

/* --- Threads. --- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t met;
    int wanted;
    int inside;
    int most;
    bool have_met;
} meeting = {.mutex = PTHREAD_MUTEX_INITIALIZER, .met = PTHREAD_COND_INITIALIZER};

/* Returns when so many were inside at once, or after a deadline that fails the test. */
static bool meet(void *context, const struct weir_topic_partition *key, struct weir_uuid topic_id,
                 struct weir_uuid directory_id)
{
    (void)context;
    (void)key;
    (void)topic_id;
    (void)directory_id;
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 20;
    pthread_mutex_lock(&meeting.mutex);
    meeting.inside++;
    if (meeting.inside > meeting.most)
        meeting.most = meeting.inside;
    if (meeting.inside == meeting.wanted) {
        meeting.have_met = true;
        pthread_cond_broadcast(&meeting.met);
    }
    while (!meeting.have_met &&
           pthread_cond_timedwait(&meeting.met, &meeting.mutex, &deadline) == 0)
        ;
    meeting.inside--;
    pthread_mutex_unlock(&meeting.mutex);
    return true;
}

static void check_threads(size_t dir_count, unsigned threads)
{
    struct weir_log_manager_load_options options = {.belongs = meet};
    fill(dir_count, 12, 0);
    drop();
    meeting.wanted = (int)(threads * dir_count);
    open_manager(dir_count, threads);
    cr_assert_eq(load(&options).partition_count, 12);
    cr_assert(meeting.have_met);
    cr_assert_eq(meeting.most, meeting.wanted);
}

Test(log_manager_load, a_directory_loads_with_as_many_threads_as_it_was_given)
{
    check_threads(1, 3);
}

Test(log_manager_load, directories_load_at_the_same_time)
{
    check_threads(2, 2);
}

struct create_task {
    struct weir_task task;
    int32_t partition;
};

static void run_create(struct weir_task *base)
{
    struct create_task *task = (struct create_task *)base;
    struct weir_topic_partition key;
    struct weir_partition_log *log = NULL;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("topic"), task->partition, &key), WEIR_OK);
    cr_assert_eq(weir_log_manager_create(manager, &key, weir_uuid_small(101), NULL, &log, NULL),
                 WEIR_OK);
    weir_partition_log_unref(log);
}

Test(log_manager_load, logs_created_at_the_same_time_are_spread_evenly)
{
    struct create_task tasks[40];
    struct weir_task_pool *pool = NULL;
    int counts[2] = {0, 0};
    open_manager(2, 1);
    (void)load(NULL);
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 8, &pool, NULL), WEIR_OK);
    for (int32_t i = 0; i < 40; i++) {
        tasks[i] = (struct create_task){.task = {.run = run_create}, .partition = i};
        weir_task_pool_submit(pool, &tasks[i].task);
    }
    weir_task_pool_free(pool);
    for (int32_t i = 0; i < 40; i++) {
        struct weir_topic_partition key;
        cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("topic"), i, &key), WEIR_OK);
        counts[weir_log_manager_dir_of(manager, &key)]++;
    }
    cr_assert_eq(counts[0], 20);
    cr_assert_eq(counts[1], 20);
}
