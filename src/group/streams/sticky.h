/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The task assignor of streams groups (KIP-1071): "sticky", the only one of Apache Kafka 4.3.0.
 * A pure function over plain data; any thread, memory from the caller's arena, nothing kept.
 *
 * It gives the very assignment that Apache Kafka 4.3.0 gives, ties included: where that one takes
 * members and processes in the order of a Java HashMap, this one computes that order.  Racks and
 * client tags have no say in 4.3.0, and there are no warm-up tasks.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct sticky_subtopology {
    struct weir_slice id;
    int32_t task_count;
    bool is_stateful; /* has changelogs: only its tasks get standbys */
};

/* A task by the index of its subtopology. */
struct sticky_task {
    uint32_t subtopology;
    int32_t partition;
};

struct sticky_member {
    struct weir_slice id;
    struct weir_slice process_id;
    /* The current target assignment, without tasks that the topology no longer has. */
    const struct sticky_task *active;
    size_t active_count;
    const struct sticky_task *standby;
    size_t standby_count;
};

struct sticky_spec {
    const struct sticky_subtopology *subtopologies; /* ascending by id */
    size_t subtopology_count;
    const struct sticky_member *members;
    size_t member_count;
    int32_t standby_replicas; /* num.standby.replicas */
};

struct sticky_result {
    struct sticky_task *active; /* ascending by subtopology, then partition */
    size_t active_count;
    struct sticky_task *standby;
    size_t standby_count;
};

/* *out has one result for each member, in the spec's order.  Every task is active at exactly one
 * member; a standby is never in a process that has the task already, and is left out when there are
 * not enough processes.  INVALID when there are tasks and no member; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
sticky_assign(const struct sticky_spec *spec, struct weir_arena *arena, struct sticky_result **out);

/* The order in which java.util.HashMap, made for capacity_initial entries, iterates over the keys
 * when they were put one after the other: out_order[i] is the index of the i-th.  Keys are
 * distinct.  capacity_initial 0 is that of new HashMap<>().  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status java_map_order(const struct weir_slice *keys, size_t count,
                                                size_t capacity_initial, struct weir_arena *arena,
                                                uint32_t **out_order);
