/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Share groups (KIP-932) as request handlers see them.  The rules for operations are those of
 * group_service.h: zero-initialise, set op.done, start; results lie in op.arena and hold until
 * weir_group_op_free.
 *
 * What a group has consumed is not kept here but by the share coordinator, which groups reach
 * through a port: a partition is assigned once its state was initialised there.
 */

#include "weir/group/consumer_group_service.h"

/* ---- The port to the share coordinator ---- */

struct weir_group_share_item {
    struct weir_uuid topic_id;
    int32_t partition;
    int64_t start_offset;    /* initialize only; -1: the group's share.auto.offset.reset decides */
    enum weir_status status; /* out */
};

/* In the group's memory until done, which is called exactly once: any thread, no locks held,
 * possibly before the function returned. */
struct weir_group_share_call {
    void (*done)(struct weir_group_share_call *call);
    struct weir_slice group_id;
    int32_t state_epoch; /* initialize only */
    struct weir_group_share_item *items;
    size_t item_count;
};

/* Both are called without locks, from any thread, until the group service was stopped. */
struct weir_group_share_port {
    void (*initialize)(void *context, struct weir_group_share_call *call);
    void (*remove)(void *context, struct weir_group_share_call *call);
};

/* ---- ShareGroupHeartbeat ---- */

/* What a member does not send has not changed since its last heartbeat. */
struct weir_share_heartbeat_request {
    struct weir_slice group_id;
    struct weir_slice member_id; /* not empty: the caller's check */
    int32_t member_epoch;          /* WEIR_GROUP_JOIN_EPOCH, WEIR_GROUP_LEAVE_EPOCH or its own */
    struct weir_slice rack_id;     /* null: not sent */
    struct weir_slice client_id;   /* null is taken as empty */
    struct weir_slice client_host; /* "127.0.0.1"; stored as Kafka does, "/127.0.0.1" */
    bool has_topic_names;
    const struct weir_slice *topic_names;
    size_t topic_name_count;
};

/* Answered when the records are committed.  op.status: INVALID_REQUEST, GROUP_ID_NOT_FOUND (also
 * for a group of another kind), UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, GROUP_MAX_SIZE_REACHED,
 * UNKNOWN_SERVER_ERROR and those of the coordinator. */
struct weir_share_heartbeat {
    struct weir_group_op op;
    /* private */
    struct weir_write written;
    struct weir_slice group_id;
    bool is_first; /* it makes the group */
    /* out; nothing but message with an error */
    struct weir_slice message; /* null: nothing is to be said */
    struct weir_slice member_id;
    int32_t member_epoch;
    int32_t heartbeat_interval_ms;
    bool has_assignment; /* false: it has not changed */
    const struct weir_group_topic_partitions *assignment;
    size_t assignment_count;
};

void weir_group_share_heartbeat(struct weir_group_service *service,
                                const struct weir_share_heartbeat_request *request,
                                struct weir_share_heartbeat *heartbeat);

/* ---- ShareGroupDescribe (one group) ---- */

struct weir_share_member_description {
    struct weir_slice member_id;
    struct weir_slice rack_id; /* null: unknown */
    int32_t member_epoch;
    struct weir_slice client_id;
    struct weir_slice client_host; /* "/127.0.0.1" */
    const struct weir_slice *topic_names;
    size_t topic_name_count;
    const struct weir_group_topic_partitions *assignment; /* topics that are gone are left out */
    size_t assignment_count;
};

/* Never waits: done is called before it returns.  GROUP_ID_NOT_FOUND comes with a message. */
struct weir_share_describe {
    struct weir_group_op op;
    /* out */
    struct weir_slice message; /* null: none */
    struct weir_slice state;   /* "Empty", "Stable" */
    int32_t group_epoch;
    int32_t assignment_epoch;
    struct weir_slice assignor;
    struct weir_share_member_description *members; /* by member id */
    size_t member_count;
};

void weir_group_share_describe(struct weir_group_service *service, struct weir_slice group_id,
                               struct weir_share_describe *describe);

/* ---- The group's partitions ---- */

/* Never waits: done is called before it returns.  Those whose state was initialised, by topic id;
 * topics that are gone are left out.  None for a group that does not exist or is of another kind. */
struct weir_share_partitions {
    struct weir_group_op op;
    /* out */
    const struct weir_group_topic_partitions *topics; /* with names */
    size_t topic_count;
};

void weir_group_share_partitions(struct weir_group_service *service, struct weir_slice group_id,
                                 struct weir_share_partitions *partitions);

/* ---- AlterShareGroupOffsets ---- */

struct weir_share_alter_item {
    struct weir_slice topic;
    int32_t partition;
    int64_t start_offset;
    struct weir_uuid topic_id; /* out; zero: no such topic */
    enum weir_status status;   /* out: also UNKNOWN_TOPIC_OR_PARTITION and the coordinator's */
};

/* Makes the group when there is none.  items belongs to the caller until done.  op.status:
 * GROUP_ID_NOT_FOUND (a group of another kind), NON_EMPTY_GROUP. */
struct weir_share_alter {
    struct weir_group_op op;
    struct weir_share_alter_item *items;
    size_t item_count;
    struct weir_slice message; /* out, with an error of the whole; null: the error's own */
};

void weir_group_share_alter(struct weir_group_service *service, struct weir_slice group_id,
                            struct weir_share_alter *alter);

/* ---- DeleteShareGroupOffsets ---- */

struct weir_share_delete_item {
    struct weir_slice topic;
    struct weir_uuid topic_id; /* out; zero: nothing was deleted */
    enum weir_status status;   /* out */
    struct weir_slice message; /* out; null: the error's own */
};

/* items belongs to the caller until done.  op.status: GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP. */
struct weir_share_delete {
    struct weir_group_op op;
    struct weir_share_delete_item *items;
    size_t item_count;
    struct weir_slice message; /* out, with an error of the whole; null: the error's own */
};

void weir_group_share_delete(struct weir_group_service *service, struct weir_slice group_id,
                             struct weir_share_delete *remove);
