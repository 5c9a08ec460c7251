/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The whole broker: builds every part in order, takes them down in reverse.  One for each process
 * (it waits for signals).
 */

#include "weir/base/log.h"
#include "weir/base/status.h"
#include "weir/broker/config.h"
#include "weir/runtime/env.h"

struct weir_broker;

/* Everything up to the point where clients are served: directories locked and checked, the metadata
 * log replayed, logs loaded, sockets open, this broker registered.  config, env and log are
 * borrowed for the broker's life.  started_ns is the monotonic time at which the process began, for
 * the line that says "ready".  SIGTERM and SIGINT are blocked from here on in this thread and all
 * it starts. */
WEIR_MUST_CHECK enum weir_status
weir_broker_new(struct weir_env *env, const struct weir_config *config, const struct weir_log *log,
                int64_t started_ns, struct weir_broker **out, struct weir_detail *detail);

/* Serves until SIGTERM or SIGINT, or until the metadata log fails (KAFKA_STORAGE_ERROR); then stops
 * cleanly: answers what is under way, flushes, writes checkpoints and the clean-shutdown marker.
 * Call weir_broker_free afterwards. */
WEIR_MUST_CHECK enum weir_status weir_broker_run(struct weir_broker *broker,
                                                 struct weir_detail *detail);

/* NULL is allowed. */
void weir_broker_free(struct weir_broker *broker);
