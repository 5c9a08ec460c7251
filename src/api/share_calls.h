/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What ShareFetch and ShareAcknowledge have in common: acknowledgements of many partitions, each
 * stored by itself, and the end of a connection, which ends its share sessions.
 */

#include "api_int.h"

#include "weir/share/share_partitions.h"

#include <stdatomic.h>

struct share_acks;

/* One partition's acknowledgements. */
struct share_ack {
    struct weir_share_acknowledge_op op; /* op.status when it is done */
    struct share_acks *all;
    struct weir_uuid topic_id;
    int32_t partition;
    const struct weir_share_acknowledgement *batches;
    size_t batch_count;
};

/* Lives in the call's arena. */
struct share_acks {
    struct weir_call *call;
    void (*then)(struct weir_call *call, void *context); /* on the call's loop */
    void *context;
    bool is_renew; /* the request says that there are renewals among them */
    size_t count;
    struct share_ack *items;  /* the caller fills in topic, partition and batches */
    atomic_size_t open_count; /* acquire and release: the last to finish sees what others wrote */
};

/* Starts them all; then comes when all are done, never before this returns. */
void share_acks_start(struct share_acks *acks, struct weir_slice group_id,
                      struct weir_slice member_id);

/* Before a session is begun or continued on the call's connection.  False when memory is out. */
WEIR_MUST_CHECK bool share_watch_connection(struct weir_call *call);

/* OK, UNKNOWN_TOPIC_ID or UNKNOWN_TOPIC_OR_PARTITION, by the call's image. */
enum weir_status share_check_partition(const struct weir_call *call, struct weir_uuid topic_id,
                                       int32_t partition);

/* What this broker knows of the leader, for NOT_LEADER_OR_FOLLOWER; -1 and -1: nothing. */
void share_leader(const struct weir_call *call, struct weir_uuid topic_id, int32_t partition,
                  int32_t *out_leader_id, int32_t *out_leader_epoch);

/* The feature share.version is finalised at a level above 0; otherwise Kafka answers
 * UNSUPPORTED_VERSION. */
bool share_groups_are_enabled(const struct weir_call *call);

/* Otherwise Kafka answers INVALID_REQUEST. */
bool share_names_are_valid(struct weir_slice group_id, struct weir_slice member_id);
