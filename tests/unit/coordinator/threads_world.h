/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Many threads at one coordinator whose shards change hands: a log that knows threads over the one
 * of fake_world.h (include that first), a real task pool, and the clients' threads.  For plain
 * programs, so that ThreadSanitizer can run them.
 */

#include "weir/runtime/lock.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS           4
#define COMMITS_PER_EPOCH 30

static atomic_int commits; /* acknowledged, of all threads */
static atomic_bool must_end;
static struct weir_lock log_lock; /* the fake log knows no threads */

static enum weir_status locked_append(void *context, int32_t partition, struct weir_slice bytes,
                                      int32_t leader_epoch, struct weir_log_appended *out,
                                      struct weir_detail *detail)
{
    weir_lock_take(&log_lock);
    enum weir_status status = fake_append(context, partition, bytes, leader_epoch, out, detail);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status locked_read(void *context, int32_t partition, int64_t offset,
                                    size_t bytes_max, struct weir_buf *out,
                                    struct weir_detail *detail)
{
    weir_lock_take(&log_lock);
    enum weir_status status = fake_read(context, partition, offset, bytes_max, out, detail);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status locked_offsets(void *context, int32_t partition, int64_t *out_start,
                                       int64_t *out_high_watermark, int64_t *out_end)
{
    weir_lock_take(&log_lock);
    enum weir_status status =
        fake_offsets(context, partition, out_start, out_high_watermark, out_end);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status no_watch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    (void)context;
    (void)partition;
    (void)watch;
    return WEIR_OK;
}

static void no_unwatch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    (void)context;
    (void)partition;
    (void)watch;
}

static const struct weir_log_port locked_port = {.append = locked_append,
                                                 .read = locked_read,
                                                 .offsets = locked_offsets,
                                                 .batch_bytes_max = fake_batch_bytes_max,
                                                 .watch = no_watch,
                                                 .unwatch = no_unwatch};

/* In place of fake_world_init; weir_lock_done(&log_lock) when all is over. */
static inline void threads_world_init(struct fake_world *base)
{
    fake_world_init(base);
    base->batches_per_read = INT32_MAX;
    weir_task_pool_free(base->pool);
    weir_lock_init(&log_lock, WEIR_LOCK_RANK_LOG);
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 2, &base->pool, NULL), WEIR_OK);
}

static inline void elect_all(struct weir_coordinator *coordinator, int32_t epoch)
{
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        cr_assert_eq(weir_coordinator_elected(coordinator, i, epoch), WEIR_OK);
}

/* Runs the clients, each with its number, and in each epoch lets them get somewhere.  With
 * leads_at_end the partitions are led again while the clients end. */
static inline void threads_run(struct weir_coordinator *coordinator, void *(*client)(void *number),
                               int32_t epochs, bool leads_at_end)
{
    weir_coordinator_set_partition_count(coordinator, FAKE_PARTITIONS);
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, client, &numbers[i]), 0);
    }
    for (int32_t epoch = 1; epoch <= epochs; epoch++) {
        elect_all(coordinator, epoch);
        int until = atomic_load(&commits) + COMMITS_PER_EPOCH;
        while (atomic_load(&commits) < until)
            sched_yield();
        for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
            weir_coordinator_resigned(coordinator, i, epoch);
    }
    if (leads_at_end)
        elect_all(coordinator, epochs + 1);
    atomic_store(&must_end, true);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
}
