/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/lock.h"

#include "weir/base/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* Invariants, checked in debug builds:
 *  I1  a thread that blocks for a lock holds only locks of lower rank (so no circle of waiters);
 *  I2  a lock is released by the thread that took it.
 * weir_lock_try does not block, so it may take any rank; what it took counts for I1 afterwards. */

#ifndef NDEBUG

#define HELD_MAX 16

static _Thread_local const struct weir_lock
    *held_locks[HELD_MAX]; /* lint: mutable-global, the locks of this thread; debug builds only */
static _Thread_local size_t
    held_count; /* lint: mutable-global, belongs to held_locks; debug builds only */

static void check_order(const struct weir_lock *lock)
{
    for (size_t i = 0; i < held_count; i++)
        WEIR_ASSERT(held_locks[i]->rank < lock->rank); /* I1 */
}

static void note_taken(const struct weir_lock *lock)
{
    WEIR_ASSERT(held_count < HELD_MAX);
    held_locks[held_count++] = lock;
}

static bool is_held(const struct weir_lock *lock)
{
    for (size_t i = 0; i < held_count; i++) {
        if (held_locks[i] == lock)
            return true;
    }
    return false;
}

static void note_released(const struct weir_lock *lock)
{
    size_t i = held_count;
    while (i > 0 && held_locks[i - 1] != lock)
        i--;
    WEIR_ASSERT(i > 0); /* I2 */
    for (; i < held_count; i++)
        held_locks[i - 1] = held_locks[i];
    held_count--;
}

#else

static void check_order(const struct weir_lock *lock)
{
    (void)lock;
}

static void note_taken(const struct weir_lock *lock)
{
    (void)lock;
}

static bool is_held(const struct weir_lock *lock)
{
    (void)lock;
    return true;
}

static void note_released(const struct weir_lock *lock)
{
    (void)lock;
}

#endif

void weir_lock_init(struct weir_lock *lock, enum weir_lock_rank rank)
{
    int failed = pthread_mutex_init(&lock->mutex, NULL);
    WEIR_ASSERT(failed == 0);
    lock->rank = rank;
}

void weir_lock_done(struct weir_lock *lock)
{
    int failed = pthread_mutex_destroy(&lock->mutex);
    WEIR_ASSERT(failed == 0);
}

void weir_lock_take(struct weir_lock *lock)
{
    check_order(lock);
    int failed = pthread_mutex_lock(&lock->mutex);
    WEIR_ASSERT(failed == 0);
    note_taken(lock);
}

_Bool weir_lock_try(struct weir_lock *lock)
{
    if (pthread_mutex_trylock(&lock->mutex) != 0)
        return false;
    note_taken(lock);
    return true;
}

void weir_lock_release(struct weir_lock *lock)
{
    note_released(lock);
    int failed = pthread_mutex_unlock(&lock->mutex);
    WEIR_ASSERT(failed == 0);
}

void weir_lock_assert_held(const struct weir_lock *lock)
{
    WEIR_ASSERT(is_held(lock));
}

void weir_lock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    WEIR_ASSERT(failed == 0);
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    WEIR_ASSERT(failed == 0);
    failed = pthread_cond_init(cond, &attributes);
    WEIR_ASSERT(failed == 0);
    (void)pthread_condattr_destroy(&attributes); /* nothing to release on Linux */
}

void weir_lock_wait_ms(struct weir_lock *lock, pthread_cond_t *cond, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    /* Signalled, timed out or neither: the caller looks again. */
    (void)pthread_cond_timedwait(cond, &lock->mutex, &until);
}
