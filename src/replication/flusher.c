/* SPDX-License-Identifier: Apache-2.0 */
#include "flusher.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

struct weir_flusher {
    struct weir_task_pool *pool;
    struct weir_lock lock; /* the rest; a leaf: the pool is called without it */
    unsigned concurrent_max;
    unsigned running;
    struct weir_list waiting;
};

enum weir_status weir_flusher_new(struct weir_task_pool *pool, unsigned concurrent_max,
                                  struct weir_flusher **out)
{
    struct weir_flusher *flusher = weir_calloc(1, sizeof(*flusher));
    if (flusher == NULL)
        return WEIR_NO_MEMORY;
    flusher->pool = pool;
    flusher->concurrent_max = concurrent_max == 0 ? 1 : concurrent_max;
    weir_lock_init(&flusher->lock, WEIR_LOCK_RANK_LEAF);
    weir_list_init(&flusher->waiting);
    *out = flusher;
    return WEIR_OK;
}

void weir_flusher_free(struct weir_flusher *flusher)
{
    if (flusher == NULL)
        return;
    WEIR_ASSERT(flusher->running == 0 && weir_list_is_empty(&flusher->waiting));
    weir_lock_done(&flusher->lock);
    weir_free(flusher);
}

static void run_task(struct weir_task *task)
{
    struct weir_flush_job *job = WEIR_CONTAINER_OF(task, struct weir_flush_job, task);
    struct weir_flusher *flusher = job->flusher;
    job->run(job); /* it may be gone afterwards */
    weir_lock_take(&flusher->lock);
    struct weir_list *node = weir_list_pop_front(&flusher->waiting);
    if (node == NULL)
        flusher->running--;
    weir_lock_release(&flusher->lock);
    /* A pool that is being freed still runs what its tasks submit. */
    if (node != NULL)
        weir_task_pool_submit(flusher->pool,
                              &WEIR_LIST_ENTRY(node, struct weir_flush_job, node)->task);
}

void weir_flusher_submit(struct weir_flusher *flusher, struct weir_flush_job *job)
{
    job->flusher = flusher;
    job->task.run = run_task;
    weir_lock_take(&flusher->lock);
    bool may_run = flusher->running < flusher->concurrent_max;
    if (may_run)
        flusher->running++;
    else
        weir_list_push_back(&flusher->waiting, &job->node);
    weir_lock_release(&flusher->lock);
    if (may_run)
        weir_task_pool_submit(flusher->pool, &job->task);
}
