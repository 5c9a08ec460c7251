/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Runs the flushes of partitions on task threads, only so many at once: a sync holds its thread
 * until the disk has answered, and other work wants threads too.  First come, first served.
 * Any thread; a job may be submitted with locks up to PARTITION held.
 */

#include "weir/runtime/task_pool.h"

struct weir_flusher;

/* Zero-initialised but for run. */
struct weir_flush_job {
    struct weir_list node;
    struct weir_task task;
    struct weir_flusher *flusher;
    void (*run)(struct weir_flush_job *job); /* on a task thread; owns the job from here on */
};

/* pool is borrowed.  concurrent_max is at least 1. */
WEIR_MUST_CHECK enum weir_status
weir_flusher_new(struct weir_task_pool *pool, unsigned concurrent_max, struct weir_flusher **out);
/* When the pool is gone: then all jobs have run.  NULL is allowed. */
void weir_flusher_free(struct weir_flusher *flusher);
/* The job is not waiting.  While it runs it may submit itself again, and is then no longer its own.
 */
void weir_flusher_submit(struct weir_flusher *flusher, struct weir_flush_job *job);
