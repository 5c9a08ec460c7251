/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which log is cleaned next, by which thread, and how fast.  Each worker is a thread of its own
 * with one task that sets itself again: it looks for the log with the largest part to clean, cleans
 * it, and looks again; when there is none it rests for log.cleaner.backoff.ms.  A log that cannot
 * be cleaned is set aside, told once, and the worker takes the next one.
 */

#include "weir/storage/cleaner.h"

#include "weir/base/memory.h"
#include "weir/runtime/lock.h"
#include "weir/runtime/task_pool.h"
#include "weir/storage/log_manager.h"

#include <float.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* A pace is kept by waits that are not shorter, and a stop is noticed by them at once. */
enum { WAIT_MIN_MS = 10, WAIT_MAX_MS = 100, BUFFER_BYTES_MIN = 16 << 10 };

struct cleaner_worker {
    struct weir_task task;
    struct weir_cleaner *cleaner;
    struct weir_task_pool *pool;
    int32_t index;
};

struct weir_cleaner {
    struct weir_cleaner_options options;
    struct weir_lock lock; /* rank CLEANER */
    pthread_cond_t wake;   /* with lock: is_stopping, or the pace has changed */
    bool is_stopping;
    struct weir_cleaner_config config;
    int64_t config_read_ns; /* when that was */
    int64_t paced_until_ns; /* what was read and written so far is paid for until then */
    struct cleaner_worker
        *workers[WEIR_CLEANER_THREADS_MAX]; /* worker 0's, and of start and free */
    int32_t worker_count;
    atomic_uint_least64_t rounds;
    atomic_uint_least64_t failures;
    atomic_uint_least64_t bytes_read;
    atomic_uint_least64_t bytes_written;
    atomic_uint_least64_t set_aside;
};

/* A round's, on the stack of its worker. */
struct cleaning {
    struct weir_cleaner *cleaner;
    struct weir_partition_log *log;
};

struct candidate {
    struct weir_partition_log *log;
    int64_t cleaned_to;
    double ratio;
};

struct candidates {
    struct candidate *items;
    size_t count;
};

struct weir_cleaner_config weir_cleaner_config_default(void)
{
    return (struct weir_cleaner_config){.threads = 1,
                                        .map_bytes = (int64_t)128 << 20,
                                        .map_load_factor = 0.9,
                                        .buffer_bytes = 512 << 10,
                                        .bytes_per_second_max = DBL_MAX,
                                        .backoff_ms = 15000};
}

static void refresh_config(struct weir_cleaner *cleaner)
{
    struct weir_cleaner_config config = weir_cleaner_config_default();
    if (cleaner->options.config != NULL)
        cleaner->options.config(cleaner->options.context, &config);
    if (config.threads > WEIR_CLEANER_THREADS_MAX)
        config.threads = WEIR_CLEANER_THREADS_MAX;
    weir_lock_take(&cleaner->lock);
    bool has_new_pace = config.bytes_per_second_max != cleaner->config.bytes_per_second_max;
    cleaner->config = config;
    cleaner->config_read_ns = weir_env_monotonic_ns(cleaner->options.env);
    if (has_new_pace) {
        cleaner->paced_until_ns = 0;
        (void)pthread_cond_broadcast(&cleaner->wake); /* cannot fail on an initialised condition */
    }
    weir_lock_release(&cleaner->lock);
}

/* --- Pace. --- */

static bool is_unwanted(const struct cleaning *cleaning)
{
    return weir_log_manager_is_cleaning_unwanted(cleaning->cleaner->options.logs, cleaning->log) ||
           weir_partition_log_must_stop_cleaning(cleaning->log);
}

/* To read it takes longer than to clean a buffer. */
static bool is_config_old(struct weir_cleaner *cleaner)
{
    weir_lock_take(&cleaner->lock);
    int64_t age_ns = weir_env_monotonic_ns(cleaner->options.env) - cleaner->config_read_ns;
    weir_lock_release(&cleaner->lock);
    return age_ns >= WAIT_MAX_MS * INT64_C(1000000);
}

static bool pace(void *context, size_t bytes)
{
    const struct cleaning *cleaning = context;
    struct weir_cleaner *cleaner = cleaning->cleaner;
    struct weir_env *env = cleaner->options.env;
    if (is_unwanted(cleaning))
        return false;
    if (is_config_old(cleaner))
        refresh_config(cleaner);
    weir_lock_take(&cleaner->lock);
    double rate = cleaner->config.bytes_per_second_max;
    if (rate < 1e15) {
        int64_t now_ns = weir_env_monotonic_ns(env);
        if (cleaner->paced_until_ns < now_ns)
            cleaner->paced_until_ns = now_ns;
        cleaner->paced_until_ns += (int64_t)((double)bytes / (rate < 1 ? 1 : rate) * 1e9);
    }
    bool was_unwanted = false;
    while (!cleaner->is_stopping && !was_unwanted) {
        int64_t left_ms = (cleaner->paced_until_ns - weir_env_monotonic_ns(env)) / 1000000;
        if (left_ms < WAIT_MIN_MS)
            break;
        weir_lock_wait_ms(&cleaner->lock, &cleaner->wake,
                          (long)(left_ms < WAIT_MAX_MS ? left_ms : WAIT_MAX_MS));
        weir_lock_release(&cleaner->lock);
        was_unwanted = is_unwanted(cleaning);
        refresh_config(cleaner); /* a round at a low rate lasts for long */
        weir_lock_take(&cleaner->lock);
    }
    bool may_go_on = !cleaner->is_stopping && !was_unwanted;
    weir_lock_release(&cleaner->lock);
    return may_go_on;
}

/* --- One log. --- */

static enum weir_status note_recovery_point(void *context, struct weir_partition_log *log,
                                            struct weir_detail *detail)
{
    const struct cleaning *cleaning = context;
    return weir_log_manager_note_recovery_point(cleaning->cleaner->options.logs, log, detail);
}

/* An older file only means that more is cleaned than need be; it is written at the next round or at
 * the stop. */
static enum weir_status note_cleaned(void *context, struct weir_partition_log *log,
                                     int64_t cleaned_to, struct weir_detail *detail)
{
    const struct cleaning *cleaning = context;
    enum weir_status status = weir_log_manager_set_cleaner_offset(cleaning->cleaner->options.logs,
                                                                  log, cleaned_to, detail);
    return status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY ? WEIR_OK : status;
}

static void tell_failure(struct weir_cleaner *cleaner, struct weir_partition_log *log,
                         enum weir_status status, const struct weir_detail *why)
{
    const struct weir_topic_partition *key = weir_partition_log_key(log);
    if (status == WEIR_CLOSED || status == WEIR_BUSY || status == WEIR_NOT_FOUND)
        return;
    atomic_fetch_add_explicit(&cleaner->failures, 1, memory_order_relaxed);
    if (status == WEIR_KAFKA_STORAGE_ERROR)
        return; /* told through on_dir_failed */
    if (status == WEIR_NO_MEMORY || status == WEIR_NO_SPACE || status == WEIR_LIMIT) {
        WEIR_LOG_WARN(cleaner->options.log, "cleaning_failed", WEIR_STR("topic", key->topic),
                      WEIR_I64("partition", key->partition),
                      WEIR_STR("status", weir_status_name(status)), WEIR_STR("why", why->text),
                      WEIR_STR("next", "it is tried again after log.cleaner.backoff.ms"));
        return;
    }
    weir_partition_log_set_uncleanable(log, why);
    atomic_fetch_add_explicit(&cleaner->set_aside, 1, memory_order_relaxed);
    WEIR_LOG_WARN(
        cleaner->options.log, "log_set_aside", WEIR_STR("topic", key->topic),
        WEIR_I64("partition", key->partition), WEIR_STR("status", weir_status_name(status)),
        WEIR_STR("why", why->text),
        WEIR_STR("next", "it is not compacted until it is truncated or weir starts again"));
}

static void tell_success(struct weir_cleaner *cleaner, struct weir_partition_log *log,
                         const struct weir_log_clean_result *result, int64_t took_ms)
{
    const struct weir_topic_partition *key = weir_partition_log_key(log);
    atomic_fetch_add_explicit(&cleaner->rounds, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cleaner->bytes_read, result->bytes_before, memory_order_relaxed);
    atomic_fetch_add_explicit(&cleaner->bytes_written, result->bytes_after, memory_order_relaxed);
    WEIR_LOG_DEBUG(cleaner->options.log, "log_cleaned", WEIR_STR("topic", key->topic),
                   WEIR_I64("partition", key->partition),
                   WEIR_I64("bytes_before", (int64_t)result->bytes_before),
                   WEIR_I64("bytes_after", (int64_t)result->bytes_after),
                   WEIR_I64("records_read", (int64_t)result->records_read),
                   WEIR_I64("records_kept", (int64_t)result->records_kept),
                   WEIR_I64("cleaned_to", result->first_dirty_offset),
                   WEIR_I64("took_ms", took_ms));
    if (result->records_without_key > 0)
        WEIR_LOG_WARN(cleaner->options.log, "records_without_key_dropped",
                      WEIR_STR("topic", key->topic), WEIR_I64("partition", key->partition),
                      WEIR_I64("records", (int64_t)result->records_without_key));
}

/* With cleanup.policy=compact,delete, and for segments before the log start offset. */
static void retain(struct weir_cleaner *cleaner, struct weir_partition_log *log)
{
    struct weir_log_retention_result result = {0};
    struct weir_detail why = {{0}};
    enum weir_status status = weir_partition_log_retain(log, &result, &why);
    if (status != WEIR_OK && status != WEIR_CLOSED && status != WEIR_KAFKA_STORAGE_ERROR)
        WEIR_LOG_WARN(cleaner->options.log, "retention_failed",
                      WEIR_STR("topic", weir_partition_log_key(log)->topic),
                      WEIR_I64("partition", weir_partition_log_key(log)->partition),
                      WEIR_STR("why", why.text));
}

static bool clean(struct weir_cleaner *cleaner, const struct candidate *candidate)
{
    struct weir_partition_log *log = candidate->log;
    struct weir_log_manager *logs = cleaner->options.logs;
    struct cleaning cleaning = {.cleaner = cleaner, .log = log};
    struct weir_log_clean_result result = {0};
    struct weir_detail why = {{0}};
    if (!weir_log_manager_begin_cleaning(logs, log))
        return false;
    weir_lock_take(&cleaner->lock);
    struct weir_cleaner_config config = cleaner->config;
    weir_lock_release(&cleaner->lock);
    int64_t threads = config.threads > 0 ? config.threads : 1;
    int64_t buffer_bytes = config.buffer_bytes / threads / 2;
    struct weir_log_clean_options options = {
        .cleaned_to = candidate->cleaned_to,
        .map_bytes = (uint64_t)(config.map_bytes / threads),
        .map_load_factor = config.map_load_factor,
        .buffer_bytes = buffer_bytes > BUFFER_BYTES_MIN ? (size_t)buffer_bytes : BUFFER_BYTES_MIN,
        .pace = pace,
        .note_recovery_point = note_recovery_point,
        .note_cleaned = note_cleaned,
        .context = &cleaning};
    int64_t from_ms = weir_env_monotonic_ms(cleaner->options.env);
    enum weir_status status = weir_partition_log_clean(log, &options, &result, &why);
    weir_log_manager_end_cleaning(logs, log);
    if (status == WEIR_OK)
        tell_success(cleaner, log, &result, weir_env_monotonic_ms(cleaner->options.env) - from_ms);
    else
        tell_failure(cleaner, log, status, &why);
    retain(cleaner, log);
    return status == WEIR_OK;
}

/* --- The choice. --- */

static int compare_ratios(const void *a, const void *b)
{
    double left = ((const struct candidate *)a)->ratio;
    double right = ((const struct candidate *)b)->ratio;
    return left > right ? -1 : left < right;
}

/* False: the log is not one.  Its reference goes to the candidate otherwise. */
static bool judge(struct weir_cleaner *cleaner, struct weir_partition_log *log,
                  struct candidate *out)
{
    struct weir_log_config config;
    struct weir_log_cleanable cleanable = {0};
    struct weir_detail why = {{0}};
    weir_partition_log_config(log, &config);
    if (!config.cleanup_compact || weir_partition_log_is_uncleanable(log, NULL))
        return false;
    int64_t cleaned_to = weir_log_manager_cleaner_offset(cleaner->options.logs, log);
    enum weir_status status = weir_partition_log_cleanable(log, cleaned_to, &cleanable, &why);
    if (status != WEIR_OK) {
        tell_failure(cleaner, log, status, &why);
        return false;
    }
    if (!cleanable.is_due)
        return false;
    double all_bytes = (double)cleanable.clean_bytes + (double)cleanable.dirty_bytes;
    *out = (struct candidate){
        .log = log, .cleaned_to = cleaned_to, .ratio = (double)cleanable.dirty_bytes / all_bytes};
    return true;
}

static void choose(struct weir_cleaner *cleaner, struct candidates *out)
{
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    *out = (struct candidates){0};
    if (weir_log_manager_list(cleaner->options.logs, &logs, &count) != WEIR_OK)
        return; /* next time */
    out->items = weir_calloc(count + 1, sizeof(out->items[0]));
    for (size_t i = 0; i < count; i++) {
        if (out->items != NULL && judge(cleaner, logs[i], &out->items[out->count]))
            out->count++;
        else
            weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof(out->items[0]), compare_ratios);
}

static bool is_stopping(struct weir_cleaner *cleaner)
{
    weir_lock_take(&cleaner->lock);
    bool is_stopping = cleaner->is_stopping;
    weir_lock_release(&cleaner->lock);
    return is_stopping;
}

static bool clean_one(struct weir_cleaner *cleaner)
{
    struct candidates candidates;
    bool has_cleaned = false;
    choose(cleaner, &candidates);
    for (size_t i = 0; i < candidates.count; i++) {
        if (!has_cleaned && !is_stopping(cleaner))
            has_cleaned = clean(cleaner, &candidates.items[i]);
        weir_partition_log_unref(candidates.items[i].log);
    }
    weir_free(candidates.items);
    return has_cleaned;
}

bool weir_cleaner_clean_one(struct weir_cleaner *cleaner)
{
    refresh_config(cleaner);
    return clean_one(cleaner);
}

/* --- Threads. --- */

static void schedule(struct cleaner_worker *worker, int64_t delay_ms)
{
    struct weir_cleaner *cleaner = worker->cleaner;
    weir_lock_take(&cleaner->lock);
    /* Under the lock, so that a stop finds the task in the pool or finds it ended. */
    if (!cleaner->is_stopping)
        weir_task_pool_submit_at(worker->pool, &worker->task,
                                 weir_env_monotonic_ms(cleaner->options.env) + delay_ms);
    weir_lock_release(&cleaner->lock);
}

static void run_worker(struct weir_task *task);

static enum weir_status add_worker(struct weir_cleaner *cleaner, struct weir_detail *detail)
{
    struct cleaner_worker *worker = weir_calloc(1, sizeof(*worker));
    if (worker == NULL)
        return WEIR_NO_MEMORY;
    *worker = (struct cleaner_worker){
        .task.run = run_worker, .cleaner = cleaner, .index = cleaner->worker_count};
    enum weir_status status = weir_task_pool_new(cleaner->options.env, 1, &worker->pool, detail);
    if (status != WEIR_OK) {
        weir_free(worker);
        return status;
    }
    cleaner->workers[cleaner->worker_count++] = worker;
    schedule(worker, worker->index == 0 ? cleaner->config.backoff_ms : 0);
    return WEIR_OK;
}

/* log.cleaner.threads may change: worker 0 adds those that are missing, those that are too many
 * rest. */
static void run_worker(struct weir_task *task)
{
    struct cleaner_worker *worker = WEIR_CONTAINER_OF(task, struct cleaner_worker, task);
    struct weir_cleaner *cleaner = worker->cleaner;
    refresh_config(cleaner);
    weir_lock_take(&cleaner->lock);
    int32_t threads = cleaner->config.threads;
    int64_t backoff_ms = cleaner->config.backoff_ms;
    bool is_stopping = cleaner->is_stopping;
    weir_lock_release(&cleaner->lock);
    if (is_stopping)
        return;
    while (worker->index == 0 && cleaner->worker_count < threads &&
           add_worker(cleaner, NULL) == WEIR_OK)
        continue; /* one that could not begin now does later */
    bool has_cleaned = worker->index < threads && clean_one(cleaner);
    schedule(worker, has_cleaned ? 0 : backoff_ms);
}

enum weir_status weir_cleaner_new(const struct weir_cleaner_options *options,
                                  struct weir_cleaner **out)
{
    struct weir_cleaner *cleaner = weir_calloc(1, sizeof(*cleaner));
    if (cleaner == NULL)
        return WEIR_NO_MEMORY;
    cleaner->options = *options;
    cleaner->config = weir_cleaner_config_default();
    weir_lock_init(&cleaner->lock, WEIR_LOCK_RANK_CLEANER);
    weir_lock_cond_init(&cleaner->wake);
    *out = cleaner;
    return WEIR_OK;
}

enum weir_status weir_cleaner_start(struct weir_cleaner *cleaner, struct weir_detail *detail)
{
    refresh_config(cleaner);
    return add_worker(cleaner, detail);
}

static void free_worker(struct cleaner_worker *worker)
{
    if (worker == NULL)
        return;
    (void)weir_task_pool_cancel(worker->pool, &worker->task); /* or it runs, and ends */
    weir_task_pool_free(worker->pool);
    weir_free(worker);
}

void weir_cleaner_free(struct weir_cleaner *cleaner)
{
    if (cleaner == NULL)
        return;
    weir_lock_take(&cleaner->lock);
    cleaner->is_stopping = true;
    (void)pthread_cond_broadcast(&cleaner->wake); /* cannot fail on an initialised condition */
    weir_lock_release(&cleaner->lock);
    /* Worker 0 first: it is the one that adds others, and counts them. */
    free_worker(cleaner->workers[0]);
    for (int32_t i = 1; i < cleaner->worker_count; i++)
        free_worker(cleaner->workers[i]);
    (void)pthread_cond_destroy(&cleaner->wake);
    weir_lock_done(&cleaner->lock);
    weir_free(cleaner);
}

void weir_cleaner_facts(struct weir_cleaner *cleaner, struct weir_cleaner_facts *out)
{
    *out = (struct weir_cleaner_facts){
        .rounds = atomic_load_explicit(&cleaner->rounds, memory_order_relaxed),
        .failures = atomic_load_explicit(&cleaner->failures, memory_order_relaxed),
        .bytes_read = atomic_load_explicit(&cleaner->bytes_read, memory_order_relaxed),
        .bytes_written = atomic_load_explicit(&cleaner->bytes_written, memory_order_relaxed),
        .set_aside = atomic_load_explicit(&cleaner->set_aside, memory_order_relaxed)};
}
