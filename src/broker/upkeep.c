/* SPDX-License-Identifier: Apache-2.0 */
#include "upkeep.h"

#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#include <pthread.h>

enum { JOB_COUNT = 10 };

/* How long files that were deleted, or seals that wait for a flush, may lie around. */
#define REAP_INTERVAL_MS 5000
#define SPACE_JOB        8
#define AUDIT_JOB        9
/* How much of the logs is read again after a start, at once and in a second. */
#define AUDIT_BYTES            (8 << 20)
#define AUDIT_BYTES_PER_SECOND (32 << 20)
#define AUDIT_DONE_INTERVAL_MS (24 * 3600 * 1000)

struct upkeep_job {
    struct weir_task task;
    struct weir_upkeep *upkeep;
    int64_t interval_ms; /* INT64_MAX: never */
    void (*run)(struct weir_upkeep *upkeep);
    bool is_scheduled; /* in the pool: waiting or running */
};

struct weir_upkeep {
    struct weir_env *env;
    struct weir_task_pool *pool;
    struct weir_log_manager *logs;
    const struct weir_log *log;
    struct weir_lock lock; /* guards is_stopping and is_scheduled; rank UPKEEP */
    pthread_cond_t idle;
    bool is_stopping;
    struct upkeep_job jobs[JOB_COUNT];
};

static void retain(struct weir_upkeep *upkeep)
{
    struct weir_log_retention_result result = {0};
    weir_log_manager_retain_all(upkeep->logs, &result);
    if (result.deleted_segments > 0)
        WEIR_LOG_INFO(upkeep->log, "segments_deleted",
                      WEIR_I64("segments", result.deleted_segments),
                      WEIR_I64("bytes", result.deleted_bytes));
}

static void checkpoint_recovery_points(struct weir_upkeep *upkeep)
{
    weir_log_manager_checkpoint_recovery_points(upkeep->logs);
}

static void checkpoint_log_starts(struct weir_upkeep *upkeep)
{
    weir_log_manager_checkpoint_log_starts(upkeep->logs);
}

static void checkpoint_high_watermarks(struct weir_upkeep *upkeep)
{
    weir_log_manager_checkpoint_high_watermarks(upkeep->logs);
}

static void flush_due(struct weir_upkeep *upkeep)
{
    weir_log_manager_flush_due(upkeep->logs);
}

static void flush_old(struct weir_upkeep *upkeep)
{
    weir_log_manager_flush_old(upkeep->logs);
}

static void check_space(struct weir_upkeep *upkeep)
{
    upkeep->jobs[SPACE_JOB].interval_ms = weir_log_manager_check_space(upkeep->logs);
}

static void expire_producers(struct weir_upkeep *upkeep)
{
    weir_log_manager_expire_producers(upkeep->logs);
}

static void audit(struct weir_upkeep *upkeep)
{
    uint64_t bytes = 0;
    bool is_done = weir_log_manager_audit(upkeep->logs, AUDIT_BYTES, &bytes);
    upkeep->jobs[AUDIT_JOB].interval_ms =
        is_done ? AUDIT_DONE_INTERVAL_MS : 100 + (int64_t)bytes * 1000 / AUDIT_BYTES_PER_SECOND;
}

static void reap(struct weir_upkeep *upkeep)
{
    weir_log_manager_reap(upkeep->logs);
}

static void schedule(struct upkeep_job *job, int64_t delay_ms)
{
    struct weir_upkeep *upkeep = job->upkeep;
    weir_lock_take(&upkeep->lock);
    job->is_scheduled = !upkeep->is_stopping;
    /* Under the lock, so that a stop finds the task in the pool or finds it ended. */
    if (job->is_scheduled)
        weir_task_pool_submit_at(upkeep->pool, &job->task,
                                 weir_env_monotonic_ms(upkeep->env) + delay_ms);
    else
        (void)pthread_cond_broadcast(&upkeep->idle); /* cannot fail on an initialised condition */
    weir_lock_release(&upkeep->lock);
}

static void run_job(struct weir_task *task)
{
    struct upkeep_job *job = WEIR_CONTAINER_OF(task, struct upkeep_job, task);
    job->run(job->upkeep);
    schedule(job, job->interval_ms);
}

static void set_job(struct weir_upkeep *upkeep, size_t index, int64_t interval_ms,
                    void (*run)(struct weir_upkeep *upkeep))
{
    upkeep->jobs[index] = (struct upkeep_job){
        .task.run = run_job, .upkeep = upkeep, .interval_ms = interval_ms, .run = run};
}

enum weir_status weir_upkeep_start(struct weir_env *env, const struct weir_config *config,
                                   struct weir_task_pool *pool, struct weir_log_manager *logs,
                                   const struct weir_log *log, struct weir_upkeep **out)
{
    struct weir_upkeep *upkeep = weir_calloc(1, sizeof(*upkeep));
    if (upkeep == NULL)
        return WEIR_NO_MEMORY;
    *upkeep = (struct weir_upkeep){.env = env, .pool = pool, .logs = logs, .log = log};
    weir_lock_init(&upkeep->lock, WEIR_LOCK_RANK_UPKEEP);
    (void)pthread_cond_init(&upkeep->idle, NULL); /* cannot fail with default attributes on Linux */
    set_job(upkeep, 0, config->retention_check_interval_ms, retain);
    set_job(upkeep, 1, config->flush_offset_checkpoint_interval_ms, checkpoint_recovery_points);
    set_job(upkeep, 2, config->flush_start_offset_checkpoint_interval_ms, checkpoint_log_starts);
    set_job(upkeep, 3, config->high_watermark_checkpoint_interval_ms, checkpoint_high_watermarks);
    set_job(upkeep, 4, REAP_INTERVAL_MS, flush_due);
    set_job(upkeep, 5, config->producer_id_expiration_check_interval_ms, expire_producers);
    set_job(upkeep, 6, REAP_INTERVAL_MS, reap);
    set_job(upkeep, 7, config->flush_scheduler_interval_ms, flush_old);
    set_job(upkeep, SPACE_JOB, 0, check_space); /* before the first record */
    set_job(upkeep, AUDIT_JOB, 1000, audit);
    for (size_t i = 0; i < JOB_COUNT; i++) {
        int64_t delay = upkeep->jobs[i].interval_ms;
        if (delay == INT64_MAX)
            continue;
        if (delay > config->log_initial_task_delay_ms)
            delay = config->log_initial_task_delay_ms;
        schedule(&upkeep->jobs[i], delay);
    }
    *out = upkeep;
    return WEIR_OK;
}

static bool is_any_scheduled(const struct weir_upkeep *upkeep)
{
    for (size_t i = 0; i < JOB_COUNT; i++) {
        if (upkeep->jobs[i].is_scheduled)
            return true;
    }
    return false;
}

void weir_upkeep_stop(struct weir_upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    weir_lock_take(&upkeep->lock);
    upkeep->is_stopping = true;
    weir_lock_release(&upkeep->lock);
    for (size_t i = 0; i < JOB_COUNT; i++) {
        if (!weir_task_pool_cancel(upkeep->pool, &upkeep->jobs[i].task))
            continue;
        weir_lock_take(&upkeep->lock);
        upkeep->jobs[i].is_scheduled = false;
        weir_lock_release(&upkeep->lock);
    }
    /* What was running when it was cancelled ends by itself and finds is_stopping. */
    weir_lock_take(&upkeep->lock);
    while (is_any_scheduled(upkeep))
        (void)pthread_cond_wait(&upkeep->idle,
                                &upkeep->lock.mutex); /* fails only for a mutex that is not ours */
    weir_lock_release(&upkeep->lock);
    (void)pthread_cond_destroy(&upkeep->idle);
    weir_lock_done(&upkeep->lock);
    weir_free(upkeep);
}
