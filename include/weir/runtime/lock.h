/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Mutexes with a rank.  A thread takes locks in rising rank only; debug builds assert it.  Every
 * rank, what it guards and how long it may be held stands in the table of src/runtime/README.md; a
 * lock not in it does not exist.
 */

#include <pthread.h>

enum weir_lock_rank {
    WEIR_LOCK_RANK_CONTROLLER = 10,
    WEIR_LOCK_RANK_METADATA_LOG = 20,
    WEIR_LOCK_RANK_COORDINATOR_REGISTRY = 40,
    WEIR_LOCK_RANK_COORDINATOR_SHARD = 50,
    WEIR_LOCK_RANK_FETCH_SESSIONS = 55,
    WEIR_LOCK_RANK_SHARE_PARTITIONS = 56,
    WEIR_LOCK_RANK_SHARE_PARTITION = 57,
    WEIR_LOCK_RANK_REPLICA_SET = 58,
    WEIR_LOCK_RANK_PARTITION = 60,
    WEIR_LOCK_RANK_LOG = 70,
    WEIR_LOCK_RANK_LOG_DIR = 75,
    WEIR_LOCK_RANK_IMAGE = 80,
    WEIR_LOCK_RANK_UPKEEP = 85,
    WEIR_LOCK_RANK_TXN_MARKERS = 86,
    WEIR_LOCK_RANK_CLEANER = 88,
    WEIR_LOCK_RANK_MOVER = 89,
    WEIR_LOCK_RANK_MAILBOX = 90,
    WEIR_LOCK_RANK_TASK_POOL = 95,
    WEIR_LOCK_RANK_SEGMENT = 98,
    WEIR_LOCK_RANK_LEAF = 100
};

struct weir_lock {
    pthread_mutex_t mutex;
    enum weir_lock_rank rank;
};

void weir_lock_init(struct weir_lock *lock, enum weir_lock_rank rank);
void weir_lock_done(struct weir_lock *lock);
void weir_lock_take(struct weir_lock *lock);
/* False when somebody holds it. */
_Bool weir_lock_try(struct weir_lock *lock);
void weir_lock_release(struct weir_lock *lock);
/* A condition that weir_lock_wait_ms can wait for. */
void weir_lock_cond_init(pthread_cond_t *cond);
/* Gives the held lock up until the condition is signalled or about ms real milliseconds have
 * passed: the caller looks again at what it waits for, and at env's clock. */
void weir_lock_wait_ms(struct weir_lock *lock, pthread_cond_t *cond, long ms);
/* For preconditions: asserts that the calling thread holds it (debug builds; nothing otherwise). */
void weir_lock_assert_held(const struct weir_lock *lock);
