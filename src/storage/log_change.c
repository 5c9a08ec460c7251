/* SPDX-License-Identifier: Apache-2.0 */

/* Who changes which part of a log's files; the rules are in log_int.h. */

#include "log_int.h"

#include "weir/base/assert.h"

void weir_log_await_change(struct weir_partition_log *log, unsigned parts)
{
    weir_lock_assert_held(&log->lock);
    while ((log->changing & parts) != 0)
        /* Fails only for a mutex that is not ours. */
        (void)pthread_cond_wait(&log->change_ended, &log->lock.mutex);
}

void weir_log_begin_change(struct weir_partition_log *log, unsigned parts)
{
    weir_log_await_change(log, parts);
    log->changing |= parts;
}

void weir_log_end_change(struct weir_partition_log *log, unsigned parts)
{
    weir_lock_assert_held(&log->lock);
    WEIR_ASSERT((log->changing & parts) == parts);
    log->changing &= ~parts;
    (void)pthread_cond_broadcast(&log->change_ended); /* cannot fail on an initialised condition */
}
