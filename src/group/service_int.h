/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Private to the files that turn operations into events (group_service.c and those beside it). */

#include "group_int.h"

struct weir_group_service {
    struct group_context context;
    const struct weir_log *log;
    struct weir_env *env;
    struct weir_task_pool *pool;
    struct weir_coordinator *coordinator;
};

/* Before anything else with an op. */
void service_op_init(struct weir_group_op *op);
/* Finds the shard for the op (NULL: none waits) and runs the event; NOT_COORDINATOR or
 * COORDINATOR_LOAD_IN_PROGRESS when there is none, or when it may not be served now. */
enum weir_status service_run(struct weir_group_service *service, struct weir_slice group_id,
                             struct weir_group_op *op, struct weir_shard_event *event);
