/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two cleaner threads work while logs are appended to, read by offset and by time, cut, shortened
 * by DeleteRecords, moved between directories, deleted and created again, flushed and noted in
 * checkpoints, and closed at the end.  Of each key the last record is there afterwards, and nothing
 * that was never appended.  A plain program, so that it runs under ThreadSanitizer.
 */

#include "keyed_truth.h"

#include "weir/storage/cleaner.h"
#include "weir/storage/log_move.h"

#include <pthread.h>
#include <stdatomic.h>

enum { BATCHES = 3000, TEMPORARY_LIVES = 40, APPENDERS = 3, READERS = 2, MOVES = 20 };

struct shared {
    struct truth_env env;
    struct weir_log_manager *manager;
    struct weir_cleaner *cleaner;
    struct weir_log_mover *mover;
    char dirs[2][64];
    struct truth truths[APPENDERS]; /* plain, cut, moved */
    pthread_mutex_t moved_mutex;    /* nothing is appended to it while a move ends */
    atomic_int appending;
    atomic_long reads;
    atomic_long times;
};

struct appender {
    struct shared *shared;
    int index;
};

enum { PLAIN, CUT, MOVED };

static const char *const topics[APPENDERS] = {"plain", "cut", "moved"};

static bool is_working(struct shared *shared)
{
    return atomic_load(&shared->appending) > 0;
}

static struct weir_partition_log *get(struct shared *shared, int index)
{
    struct weir_partition_log *log =
        weir_log_manager_get(shared->manager, &shared->truths[index].key);
    WEIR_ASSERT(log != NULL);
    return log;
}

/* So much is dirty that one comes. */
static uint64_t await_round(struct shared *shared, uint64_t before)
{
    struct weir_cleaner_facts facts;
    do {
        weir_cleaner_facts(shared->cleaner, &facts);
        (void)sched_yield();
    } while (facts.rounds == before);
    return facts.rounds;
}

static void *append_loop(void *context)
{
    const struct appender *appender = context;
    struct shared *shared = appender->shared;
    struct truth *truth = &shared->truths[appender->index];
    int64_t stable = 0;
    uint64_t rounds = 0;
    for (int i = 0; i < BATCHES; i++) {
        if (i % 40 == 39)
            rounds = await_round(shared, rounds);
        (void)pthread_mutex_lock(&shared->moved_mutex);
        if (appender->index != MOVED)
            (void)pthread_mutex_unlock(&shared->moved_mutex);
        struct weir_partition_log *log = get(shared, appender->index);
        truth_append(truth, log);
        if (i % 4 == 3) {
            stable = truth->end_offset;
            (void)weir_partition_log_set_high_watermark(log, stable);
        }
        if (appender->index == CUT && i % 50 == 2)
            truth_truncate(truth, log,
                           stable + (int64_t)truth_random(
                                        &truth->seed, (uint32_t)(truth->end_offset - stable) + 1));
        weir_partition_log_unref(log);
        if (appender->index == MOVED)
            (void)pthread_mutex_unlock(&shared->moved_mutex);
    }
    atomic_fetch_sub(&shared->appending, 1);
    return NULL;
}

/* Deleted or moved away under the reader's hands. */
static bool is_gone(int index, enum weir_status status)
{
    return index == MOVED && (status == WEIR_CLOSED || status == WEIR_KAFKA_STORAGE_ERROR);
}

static void read_some(struct shared *shared, int index, struct weir_partition_log *log,
                      uint64_t *seed)
{
    struct weir_partition_log_offsets offsets;
    struct weir_detail detail = {{0}};
    struct weir_log_read read;
    weir_partition_log_offsets(log, &offsets);
    struct weir_log_read_options options = {
        .bytes_max = 3000, .limit = WEIR_LOG_READ_TO_HIGH_WATERMARK, .min_one_batch = true};
    uint32_t span = (uint32_t)(offsets.high_watermark - offsets.log_start_offset) + 1;
    options.offset = offsets.log_start_offset + truth_random(seed, span);
    for (int i = 0; i < 10 && options.offset >= 0; i++) {
        enum weir_status status = weir_partition_log_read(log, &options, &read, &detail);
        if (status == WEIR_OFFSET_OUT_OF_RANGE || is_gone(index, status))
            return;
        truth_check(status, &detail, "read");
        options.offset = truth_check_read(&read, options.offset, NULL, NULL);
        weir_log_read_done(&read);
        atomic_fetch_add(&shared->reads, 1);
    }
}

static void look_up(struct shared *shared, int index, struct weir_partition_log *log,
                    uint64_t *seed)
{
    struct weir_offset_and_time found;
    struct weir_detail detail = {{0}};
    int64_t wanted = truth_random(seed, (uint32_t)weir_partition_log_end_offset(log) + 1);
    enum weir_status status =
        weir_partition_log_offset_for_timestamp(log, TRUTH_FIRST_MS + wanted, &found, &detail);
    if (status == WEIR_NOT_FOUND || is_gone(index, status))
        return;
    truth_check(status, &detail, "by time");
    WEIR_ASSERT(found.offset >= wanted && found.timestamp == TRUTH_FIRST_MS + found.offset);
    atomic_fetch_add(&shared->times, 1);
}

static void *read_loop(void *context)
{
    struct shared *shared = context;
    uint64_t seed = 5;
    while (is_working(shared)) {
        for (int index = 0; index < APPENDERS; index++) {
            struct weir_partition_log *log = get(shared, index);
            read_some(shared, index, log, &seed);
            look_up(shared, index, log, &seed);
            weir_partition_log_unref(log);
        }
    }
    return NULL;
}

static void *upkeep_loop(void *context)
{
    struct shared *shared = context;
    while (is_working(shared)) {
        struct weir_log_retention_result result;
        struct weir_partition_log *log = get(shared, CUT);
        int64_t start = weir_partition_log_start_offset(log);
        enum weir_status status = weir_partition_log_delete_records(log, start + 3, &start);
        WEIR_ASSERT(status == WEIR_OK || status == WEIR_OFFSET_OUT_OF_RANGE);
        weir_partition_log_unref(log);
        weir_log_manager_checkpoint_recovery_points(shared->manager);
        weir_log_manager_checkpoint_log_starts(shared->manager);
        weir_log_manager_checkpoint_high_watermarks(shared->manager);
        weir_log_manager_retain_all(shared->manager, &result);
        weir_log_manager_flush_due(shared->manager);
        weir_log_manager_expire_producers(shared->manager);
        weir_log_manager_reap(shared->manager);
    }
    return NULL;
}

/* A topic that comes and goes, always with something to clean. */
static void *temporary_loop(void *context)
{
    struct shared *shared = context;
    for (int i = 0; i < TEMPORARY_LIVES; i++) {
        struct truth truth;
        struct weir_partition_log *log = NULL;
        struct weir_detail detail = {{0}};
        truth_init(&truth, "temporary", (uint64_t)i);
        struct weir_uuid id = weir_uuid_small((uint8_t)(20 + i));
        truth_check(weir_log_manager_create(shared->manager, &truth.key, id, NULL, &log, &detail),
                    &detail, "create");
        WEIR_ASSERT(weir_partition_log_end_offset(log) == 0);
        for (int j = 0; j < 120; j++) {
            truth_append(&truth, log);
            (void)weir_partition_log_set_high_watermark(log, truth.end_offset);
        }
        (void)truth_verify(&truth, log);
        truth_check(weir_log_manager_delete(shared->manager, &truth.key, &detail), &detail,
                    "delete");
        weir_partition_log_unref(log);
        truth_done(&truth);
    }
    return NULL;
}

static enum weir_status
exchange(void *context, const struct weir_topic_partition *key, struct weir_uuid topic_id,
         enum weir_status (*take_over)(void *argument, struct weir_detail *detail), void *argument,
         struct weir_partition_log *next, struct weir_detail *detail)
{
    struct shared *shared = context;
    (void)key;
    (void)topic_id;
    (void)next;
    (void)pthread_mutex_lock(&shared->moved_mutex);
    enum weir_status status = take_over(argument, detail);
    (void)pthread_mutex_unlock(&shared->moved_mutex);
    return status;
}

static void *move_loop(void *context)
{
    struct shared *shared = context;
    const struct weir_topic_partition *key = &shared->truths[MOVED].key;
    int moves = 0;
    while (is_working(shared) && moves < MOVES) {
        struct weir_detail detail = {{0}};
        int from = weir_log_manager_dir_of(shared->manager, key);
        truth_check(weir_log_mover_move(shared->mover, key, weir_slice_str(shared->dirs[1 - from]),
                                        &detail),
                    &detail, "move");
        while (is_working(shared) && weir_log_manager_dir_of(shared->manager, key) == from)
            (void)sched_yield();
        moves++;
    }
    (void)printf("%d moves begun\n", moves);
    return NULL;
}

static void set_config(void *context, struct weir_cleaner_config *out)
{
    (void)context;
    out->threads = 2;
    out->map_bytes = 1 << 20;
    out->buffer_bytes = 4 * 16384;
    out->backoff_ms = 1;
}

static void open_all(struct shared *shared)
{
    const char *const dirs[] = {shared->dirs[0], shared->dirs[1]};
    struct weir_log_manager_options options = {.env = &shared->env.env,
                                               .dirs = dirs,
                                               .dir_count = 2,
                                               .node_id = 1,
                                               .open_segment_files_max = 4,
                                               .segment_index_bytes_max = 400};
    struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result loaded;
    struct weir_detail detail = {{0}};
    options.defaults = weir_log_config_default();
    options.defaults.cleanup_compact = true;
    options.defaults.cleanup_delete = false;
    options.defaults.segment_bytes = 6000;
    options.defaults.index_interval_bytes = 300;
    options.defaults.min_cleanable_dirty_ratio = 0.1;
    options.defaults.delete_retention_ms = 0;
    options.defaults.file_delete_delay_ms = 5;
    truth_check(weir_log_manager_open(&options, &shared->manager, &detail), &detail, "open");
    truth_check(weir_log_manager_load(shared->manager, &load, &loaded, &detail), &detail, "load");
    struct weir_cleaner_options cleaner = {
        .env = &shared->env.env, .logs = shared->manager, .config = set_config};
    truth_check(weir_cleaner_new(&cleaner, &shared->cleaner), &detail, "cleaner");
    struct weir_log_mover_options mover = {.env = &shared->env.env,
                                           .manager = shared->manager,
                                           .threads = 1,
                                           .exchange = exchange,
                                           .context = shared};
    truth_check(weir_log_mover_new(&mover, &shared->mover, &detail), &detail, "mover");
    for (int i = 0; i < APPENDERS; i++) {
        struct weir_partition_log *log = NULL;
        truth_check(weir_log_manager_create(shared->manager, &shared->truths[i].key,
                                            weir_uuid_small((uint8_t)(3 + i)), NULL, &log, &detail),
                    &detail, "create");
        weir_partition_log_unref(log);
    }
}

static void run_threads(struct shared *shared)
{
    enum { OTHERS = READERS + 3 };
    struct appender appenders[APPENDERS];
    pthread_t threads[APPENDERS + OTHERS];
    void *(*const others[OTHERS])(void *) = {read_loop, read_loop, upkeep_loop, temporary_loop,
                                             move_loop};
    atomic_store(&shared->appending, APPENDERS);
    for (int i = 0; i < APPENDERS; i++) {
        appenders[i] = (struct appender){.shared = shared, .index = i};
        WEIR_ASSERT(pthread_create(&threads[i], NULL, append_loop, &appenders[i]) == 0);
    }
    for (int i = 0; i < OTHERS; i++)
        WEIR_ASSERT(pthread_create(&threads[APPENDERS + i], NULL, others[i], shared) == 0);
    for (int i = 0; i < APPENDERS + OTHERS; i++)
        (void)pthread_join(threads[i], NULL);
}

/* Each log as its truth says; returns the records left. */
static size_t verify_all(struct shared *shared)
{
    size_t records = 0;
    for (int i = 0; i < APPENDERS; i++) {
        struct weir_partition_log *log = get(shared, i);
        records += truth_verify(&shared->truths[i], log);
        weir_partition_log_unref(log);
    }
    return records;
}

static void close_all(struct shared *shared)
{
    struct weir_cleaner_facts facts;
    struct weir_detail detail = {{0}};
    weir_log_mover_free(shared->mover);
    /* The cleaner goes on meanwhile. */
    truth_check(weir_log_manager_close(shared->manager, 1, true, &detail), &detail, "close");
    weir_cleaner_facts(shared->cleaner, &facts);
    (void)printf("%llu rounds, %ld reads, %ld by time\n", (unsigned long long)facts.rounds,
                 atomic_load(&shared->reads), atomic_load(&shared->times));
    WEIR_ASSERT(facts.failures == 0 && facts.set_aside == 0);
    weir_cleaner_free(shared->cleaner);
    weir_log_manager_free(shared->manager);
}

int main(void)
{
    char dir[] = "/tmp/weir-clean-XXXXXX";
    struct shared shared = {.moved_mutex = PTHREAD_MUTEX_INITIALIZER};
    struct weir_log_dir_info info;
    struct weir_detail detail = {{0}};
    truth_env_init(&shared.env);
    WEIR_ASSERT(mkdtemp(dir) != NULL);
    for (int i = 0; i < 2; i++)
        (void)snprintf(shared.dirs[i], sizeof(shared.dirs[i]), "%s/%d", dir, i);
    for (int i = 0; i < APPENDERS; i++)
        truth_init(&shared.truths[i], topics[i], (uint64_t)i + 1);
    shared.truths[PLAIN].producer_id = 1000;
    open_all(&shared);
    truth_check(weir_cleaner_start(shared.cleaner, &detail), &detail, "start");
    run_threads(&shared);
    weir_log_mover_free(shared.mover); /* else a log may go while it is read */
    shared.mover = NULL;
    (void)verify_all(&shared);
    close_all(&shared);
    open_all(&shared);
    for (size_t i = 0; i < 2; i++) {
        weir_log_manager_dir(shared.manager, i, &info);
        WEIR_ASSERT(info.was_clean);
    }
    size_t before = verify_all(&shared);
    while (weir_cleaner_clean_one(shared.cleaner))
        continue;
    size_t after = verify_all(&shared);
    (void)printf("%zu records left, %zu at the end\n", before, after);
    close_all(&shared);
    for (int i = 0; i < APPENDERS; i++)
        truth_done(&shared.truths[i]);
    truth_check(weir_dir_remove_all(weir_env_posix(), dir, &detail), &detail, "remove");
    return 0;
}
