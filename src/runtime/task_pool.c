/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/task_pool.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#include <pthread.h>
#include <time.h>

/*
 * One lock, one condition, three places where a task may be: the ready list, the delayed list
 * (sorted by deadline: periodic jobs are few), or the list of a queue.  A queue that has tasks and
 * no worker stands in the list of ready queues.
 *
 * Invariants, under the lock:
 *  I1  a queue is in ready_queues exactly when it has a task and is not running;
 *  I2  at most one worker has a queue's is_running set.
 */

#define THREADS_MAX 64u

struct weir_task_queue {
    struct weir_list node; /* in ready_queues */
    struct weir_task_pool *pool;
    struct weir_list tasks;
    bool is_running;
};

struct weir_task_pool {
    struct weir_env *env;
    struct weir_lock lock;     /* guards all below but threads */
    pthread_cond_t wake;       /* for workers: there is something to run */
    pthread_cond_t queue_rest; /* for weir_task_queue_free: a queue has stopped running */
    struct weir_list ready;
    struct weir_list ready_queues;
    struct weir_list delayed;
    bool is_stopping;
    bool takes_queue_next; /* takes turns between the two kinds, so that neither starves */
    unsigned thread_count;
    pthread_t threads[THREADS_MAX];
};

static void *run_worker(void *context);

enum weir_status weir_task_pool_new(struct weir_env *env, unsigned thread_count,
                                    struct weir_task_pool **out, struct weir_detail *detail)
{
    struct weir_task_pool *pool = weir_calloc(1, sizeof(*pool));
    if (pool == NULL)
        return WEIR_NO_MEMORY;
    pool->env = env;
    weir_lock_init(&pool->lock, WEIR_LOCK_RANK_TASK_POOL);
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    WEIR_ASSERT(failed == 0);
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    WEIR_ASSERT(failed == 0);
    failed = pthread_cond_init(&pool->wake, &attributes);
    WEIR_ASSERT(failed == 0);
    failed = pthread_cond_init(&pool->queue_rest, NULL);
    WEIR_ASSERT(failed == 0);
    (void)pthread_condattr_destroy(&attributes); /* nothing to release on Linux */
    weir_list_init(&pool->ready);
    weir_list_init(&pool->ready_queues);
    weir_list_init(&pool->delayed);
    if (thread_count > THREADS_MAX)
        thread_count = THREADS_MAX;
    for (unsigned i = 0; i < thread_count; i++) {
        failed = pthread_create(&pool->threads[i], NULL, run_worker, pool);
        if (failed != 0) {
            enum weir_status status =
                weir_detail_errno(detail, failed, "cannot start a task thread");
            weir_task_pool_free(pool);
            return status;
        }
        (void)pthread_setname_np(pool->threads[i], "weir-task"); /* only for people who look */
        pool->thread_count++;
    }
    *out = pool;
    return WEIR_OK;
}

/* Moves delayed tasks whose time has come; returns the milliseconds to the next one, -1 if none. */
static int64_t collect_due(struct weir_task_pool *pool)
{
    if (weir_list_is_empty(&pool->delayed))
        return -1;
    int64_t now_ms = weir_env_monotonic_ms(pool->env);
    while (!weir_list_is_empty(&pool->delayed)) {
        struct weir_list *node = pool->delayed.next;
        int64_t deadline_ms = WEIR_LIST_ENTRY(node, struct weir_task, node)->deadline_ms;
        if (deadline_ms > now_ms)
            return deadline_ms - now_ms;
        weir_list_remove(node);
        weir_list_push_back(&pool->ready, node);
    }
    return -1;
}

/* The next task, and the queue it came from if any; NULL when nothing is ready. */
static struct weir_task *take_next(struct weir_task_pool *pool, struct weir_task_queue **out_queue)
{
    bool has_queue = !weir_list_is_empty(&pool->ready_queues);
    bool has_task = !weir_list_is_empty(&pool->ready);
    *out_queue = NULL;
    if (!has_queue && !has_task)
        return NULL;
    if (has_queue && (pool->takes_queue_next || !has_task)) {
        pool->takes_queue_next = false;
        struct weir_list *node = weir_list_pop_front(&pool->ready_queues);
        struct weir_task_queue *queue = WEIR_LIST_ENTRY(node, struct weir_task_queue, node);
        WEIR_ASSERT(!queue->is_running); /* I2 */
        queue->is_running = true;
        *out_queue = queue;
        return WEIR_LIST_ENTRY(weir_list_pop_front(&queue->tasks), struct weir_task, node);
    }
    pool->takes_queue_next = true;
    return WEIR_LIST_ENTRY(weir_list_pop_front(&pool->ready), struct weir_task, node);
}

/* Runs one task outside the lock, which is held on entry and on return. */
static bool run_one(struct weir_task_pool *pool)
{
    struct weir_task_queue *queue;
    struct weir_task *task = take_next(pool, &queue);
    if (task == NULL)
        return false;
    weir_lock_release(&pool->lock);
    task->run(task); /* the task may be gone afterwards; the queue is not, it is running */
    weir_lock_take(&pool->lock);
    if (queue != NULL) {
        queue->is_running = false;
        if (!weir_list_is_empty(&queue->tasks))
            weir_list_push_back(&pool->ready_queues, &queue->node); /* I1; this worker goes on */
        else
            pthread_cond_broadcast(&pool->queue_rest);
    }
    return true;
}

static void wait_for_task(struct weir_task_pool *pool, int64_t wait_ms)
{
    if (wait_ms < 0) {
        (void)pthread_cond_wait(&pool->wake, &pool->lock.mutex); /* the caller looks again */
        return;
    }
    /* The real clock, for the kernel waits by it; env's clock is asked again afterwards. */
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += wait_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    /* Time out or not: the caller looks again. */
    (void)pthread_cond_timedwait(&pool->wake, &pool->lock.mutex, &until);
}

static void *run_worker(void *context)
{
    struct weir_task_pool *pool = context;
    weir_lock_take(&pool->lock);
    for (;;) {
        int64_t wait_ms = collect_due(pool);
        if (run_one(pool))
            continue;
        if (pool->is_stopping)
            break;
        wait_for_task(pool, wait_ms);
    }
    weir_lock_release(&pool->lock);
    return NULL;
}

_Bool weir_task_pool_turn(struct weir_task_pool *pool)
{
    weir_lock_take(&pool->lock);
    (void)collect_due(pool); /* nobody waits here */
    bool has_run = run_one(pool);
    weir_lock_release(&pool->lock);
    return has_run;
}

void weir_task_pool_free(struct weir_task_pool *pool)
{
    if (pool == NULL)
        return;
    weir_lock_take(&pool->lock);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->wake);
    weir_lock_release(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        int failed = pthread_join(pool->threads[i], NULL);
        WEIR_ASSERT(failed == 0);
    }
    weir_lock_take(&pool->lock);
    while (run_one(pool))
        continue; /* pools without threads, and what the last worker's task submitted */
    while (weir_list_pop_front(&pool->delayed) != NULL)
        continue; /* unlinked, so that their owners may free them */
    weir_lock_release(&pool->lock);
    int failed = pthread_cond_destroy(&pool->wake);
    WEIR_ASSERT(failed == 0);
    failed = pthread_cond_destroy(&pool->queue_rest);
    WEIR_ASSERT(failed == 0);
    weir_lock_done(&pool->lock);
    weir_free(pool);
}

void weir_task_pool_submit(struct weir_task_pool *pool, struct weir_task *task)
{
    weir_lock_take(&pool->lock);
    weir_list_push_back(&pool->ready, &task->node);
    pthread_cond_signal(&pool->wake);
    weir_lock_release(&pool->lock);
}

enum weir_status weir_task_queue_new(struct weir_task_pool *pool, struct weir_task_queue **out)
{
    struct weir_task_queue *queue = weir_calloc(1, sizeof(*queue));
    if (queue == NULL)
        return WEIR_NO_MEMORY;
    queue->pool = pool;
    weir_list_init(&queue->tasks);
    *out = queue;
    return WEIR_OK;
}

void weir_task_queue_free(struct weir_task_queue *queue)
{
    if (queue == NULL)
        return;
    struct weir_task_pool *pool = queue->pool;
    weir_lock_take(&pool->lock);
    WEIR_ASSERT(weir_list_is_empty(&queue->tasks));
    /* The last task may have told its owner that it is done a moment before its worker came back
     * from it. */
    while (queue->is_running)
        (void)pthread_cond_wait(&pool->queue_rest, &pool->lock.mutex); /* looks again */
    weir_lock_release(&pool->lock);
    weir_free(queue);
}

void weir_task_queue_submit(struct weir_task_queue *queue, struct weir_task *task)
{
    struct weir_task_pool *pool = queue->pool;
    weir_lock_take(&pool->lock);
    bool was_empty = weir_list_is_empty(&queue->tasks);
    weir_list_push_back(&queue->tasks, &task->node);
    if (was_empty && !queue->is_running) {
        weir_list_push_back(&pool->ready_queues, &queue->node); /* I1 */
        pthread_cond_signal(&pool->wake);
    }
    weir_lock_release(&pool->lock);
}

void weir_task_pool_submit_at(struct weir_task_pool *pool, struct weir_task *task,
                              int64_t deadline_ms)
{
    weir_lock_take(&pool->lock);
    task->deadline_ms = deadline_ms;
    struct weir_list *before = pool->delayed.prev;
    while (before != &pool->delayed &&
           WEIR_LIST_ENTRY(before, struct weir_task, node)->deadline_ms > deadline_ms)
        before = before->prev;
    weir_list_push_front(before, &task->node);
    pthread_cond_signal(&pool->wake);
    weir_lock_release(&pool->lock);
}

_Bool weir_task_pool_cancel(struct weir_task_pool *pool, struct weir_task *task)
{
    weir_lock_take(&pool->lock);
    bool was_waiting = weir_list_is_linked(&task->node);
    weir_list_remove(&task->node);
    /* I1: a queue that lost its last task is no longer ready. */
    WEIR_LIST_FOREACH(node, &pool->ready_queues) {
        struct weir_task_queue *queue = WEIR_LIST_ENTRY(node, struct weir_task_queue, node);
        if (weir_list_is_empty(&queue->tasks))
            weir_list_remove(node);
    }
    weir_lock_release(&pool->lock);
    return was_waiting;
}
