/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Threads for calls that block: sync, open, unlink, recovery, compaction, cold reads, password
 * hashing.  Tasks are intrusive; a task that wants to answer posts a message to a loop.  A queue
 * runs its tasks one after the other, in order; different queues run at the same time.  submit may
 * be called from any thread and never blocks.
 */

#include "weir/base/list.h"
#include "weir/runtime/env.h"

struct weir_task_pool;
struct weir_task_queue;

/* Zero-initialised but for run. */
struct weir_task {
    struct weir_list node;
    int64_t deadline_ms;                 /* the pool's, for submit_at */
    void (*run)(struct weir_task *task); /* on a task thread; owns the task from here on */
};

/* With 0 threads nothing runs by itself: a simulation calls weir_task_pool_turn. */
WEIR_MUST_CHECK enum weir_status weir_task_pool_new(struct weir_env *env, unsigned thread_count,
                                                    struct weir_task_pool **out,
                                                    struct weir_detail *detail);
/* Runs what has been submitted to its end, then joins.  Tasks whose deadline has not come are not
 * run and stay their owner's. */
void weir_task_pool_free(struct weir_task_pool *pool);

/* For pools without threads: runs one task that is ready or due on the calling thread; false when
 * there is none. */
_Bool weir_task_pool_turn(struct weir_task_pool *pool);

/* No order is promised between tasks submitted here. */
void weir_task_pool_submit(struct weir_task_pool *pool, struct weir_task *task);

/* A queue of its own: at most one of its tasks runs at a time, first come first served. */
WEIR_MUST_CHECK enum weir_status weir_task_queue_new(struct weir_task_pool *pool,
                                                     struct weir_task_queue **out);
/* The queue must be empty (wait for your last task first). */
void weir_task_queue_free(struct weir_task_queue *queue);
void weir_task_queue_submit(struct weir_task_queue *queue, struct weir_task *task);

/* Runs task at or after deadline_ms of the monotonic clock (for periodic jobs).  Cancel takes back
 * a task that waits, wherever it was submitted; false when it already started (or was never
 * submitted). */
void weir_task_pool_submit_at(struct weir_task_pool *pool, struct weir_task *task,
                              int64_t deadline_ms);
_Bool weir_task_pool_cancel(struct weir_task_pool *pool, struct weir_task *task);
