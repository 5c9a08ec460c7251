/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The periodic work on the logs: retention, checkpoints, flushes, expiry of producers, removal of
 * files whose delay has passed.  Each job is a task that runs on a task thread and sets itself
 * again; a job never overlaps itself.
 */

#include "weir/broker/config.h"
#include "weir/runtime/task_pool.h"
#include "weir/storage/log_manager.h"

struct weir_upkeep;

WEIR_MUST_CHECK enum weir_status
weir_upkeep_start(struct weir_env *env, const struct weir_config *config,
                  struct weir_task_pool *pool, struct weir_log_manager *logs,
                  const struct weir_log *log, struct weir_upkeep **out);
/* No job runs any more when it returns.  NULL is allowed. */
void weir_upkeep_stop(struct weir_upkeep *upkeep);
