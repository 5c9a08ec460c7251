/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Can anybody reach what advertised.listeners says?  The broker tries it itself once its sockets
 * are open, for a wrong name here is the most common reason why clients connect and then hang.
 */

#include "weir/broker/config.h"
#include "weir/runtime/task_pool.h"

/* Tries each address on a task thread and writes one warning for each that cannot be resolved or
 * connected to.  items are copied; a port of 0 is skipped, a host that is NULL too (clients are
 * told the address they came in by).  log and env must outlive the pool.  The whole check ends
 * within a few seconds, so it never holds up a stop. */
WEIR_MUST_CHECK enum weir_status
weir_advertise_check(struct weir_task_pool *pool, struct weir_env *env, const struct weir_log *log,
                     const struct weir_config_advertised *items, size_t count);

/* One address, in the calling thread, until deadline_ms on env's monotonic clock: OK when a
 * connection was made (and closed); NOT_FOUND when the host has no address, TIMED_OUT, or IO_ERROR
 * when nobody listens there. */
WEIR_MUST_CHECK enum weir_status weir_advertise_try(struct weir_env *env, const char *host,
                                                    uint16_t port, int64_t deadline_ms,
                                                    struct weir_detail *detail);
