/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The server's assignors for consumer groups (KIP-848): who gets which partitions.  Pure functions
 * over plain data; any thread, memory from the caller's arena, nothing kept.
 *
 * Members and topics are taken in the order in which they are handed in wherever Apache Kafka takes
 * them in the order of its maps.  The caller gives an order that does not change between calls
 * (members by member id, topics by name), so that the same group always gets the same assignment.
 * Racks are accepted and, as in Apache Kafka 4.3.0, have no say.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"

enum weir_assignor {
    WEIR_ASSIGNOR_UNIFORM, /* balanced first, then sticky */
    WEIR_ASSIGNOR_RANGE, /* consecutive partitions; co-partitioned when all subscribe to the same */
    WEIR_ASSIGNOR_COUNT
};

/* "uniform", "range": the names of group.consumer.assignors and of the heartbeat's server assignor.
 */
const char *weir_assignor_name(enum weir_assignor assignor);

/* False when there is none of this name; *out is then untouched. */
bool weir_assignor_find(struct weir_slice name, enum weir_assignor *out);

/* Value structs; everything they point to is borrowed for the duration of the call. */
struct weir_assign_topic {
    struct weir_uuid id; /* breaks ties between topics that are alike */
    int32_t partition_count;
};

/* Some partitions of one topic. */
struct weir_assign_partitions {
    uint32_t topic;            /* index into the topics */
    const int32_t *partitions; /* ascending in results */
    size_t partition_count;
};

struct weir_assign_member {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: dynamic; static members come first in a range */
    struct weir_slice rack_id;     /* null: unknown */
    const uint32_t *topics;        /* subscribed, that exist: ascending indexes, each once */
    size_t topic_count;
    /* The current target assignment, ascending by topic.  Topics that are no longer subscribed to
     * and partitions that do not exist are left out by the assignor; topics that are gone, by the
     * caller. */
    const struct weir_assign_partitions *owned;
    size_t owned_count;
};

struct weir_assign_spec {
    const struct weir_assign_topic *topics;
    size_t topic_count;
    const struct weir_assign_member *members;
    size_t member_count;
    /* Kafka's subscription type: false when every member subscribes to the same names.  A group
     * whose members' topics differ is treated as heterogeneous in any case. */
    bool is_heterogeneous;
};

struct weir_assign_member_result {
    const struct weir_assign_partitions *topics; /* ascending by topic, none empty */
    size_t topic_count;
    size_t partition_count; /* over all topics */
};

/* Every partition of every topic that somebody subscribes to has exactly one owner, who subscribes
 * to it. */
struct weir_assignment {
    struct weir_assign_member_result *members; /* as many as the spec has, in its order */
    size_t member_count;
};

/* Computes the target assignment.  Everything in *out lies in arena, as does all memory used on the
 * way.  INVALID when an index or a count of the spec is out of range, NO_MEMORY when the arena's
 * limit is reached; *out is untouched then.  Time: about a millisecond for each 10,000 partitions.
 */
WEIR_MUST_CHECK enum weir_status weir_assign(enum weir_assignor assignor,
                                             const struct weir_assign_spec *spec,
                                             struct weir_arena *arena, struct weir_assignment *out);
