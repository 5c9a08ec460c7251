/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Groups of the consumer protocol (KIP-848) as request handlers see them; the rules of operations
 * are in group_service.h.  The handler has authorised the request, for the group and for the topics
 * it names.  Commits, fetches, DeleteGroups, ListGroups and OffsetDelete are the same operations
 * for groups of every kind.
 */

#include "weir/group/group_service.h"

/* Partitions of one topic. */
struct weir_group_topic_partitions {
    struct weir_uuid topic_id;
    struct weir_slice topic_name; /* in descriptions only; null elsewhere */
    const int32_t *partitions;    /* ascending in results */
    size_t partition_count;
};

/* -- ConsumerGroupHeartbeat -- */

/* Member epochs that are no epochs. */
enum { WEIR_GROUP_JOIN_EPOCH = 0, WEIR_GROUP_LEAVE_EPOCH = -1, WEIR_GROUP_LEAVE_STATIC_EPOCH = -2 };

/* What a member does not send has not changed since its last heartbeat. */
struct weir_group_consumer_heartbeat_request {
    struct weir_slice group_id;
    struct weir_slice member_id; /* empty: version 0 lets the coordinator choose */
    int32_t member_epoch;
    struct weir_slice instance_id; /* null: dynamic */
    struct weir_slice rack_id;     /* null: not sent */
    struct weir_slice client_id;   /* null is taken as empty */
    struct weir_slice client_host; /* "127.0.0.1"; stored as Kafka does, "/127.0.0.1" */
    int32_t rebalance_timeout_ms;  /* -1: not sent */
    bool has_topic_names;
    const struct weir_slice *topic_names;
    size_t topic_name_count;
    struct weir_slice topic_regex; /* null: not sent; empty: none */
    struct weir_slice assignor;    /* null: not sent */
    bool has_owned;
    const struct weir_group_topic_partitions *owned; /* what it has */
    size_t owned_count;
    bool requires_member_id; /* version 1 and above */
};

/* Answered at once, or when the records are committed.  op.status: INVALID_REQUEST,
 * UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, UNRELEASED_INSTANCE_ID, FENCED_INSTANCE_ID,
 * UNSUPPORTED_ASSIGNOR, INVALID_REGULAR_EXPRESSION, GROUP_MAX_SIZE_REACHED, GROUP_ID_NOT_FOUND,
 * UNSUPPORTED_VERSION (group.version is 0) and those of the coordinator. */
struct weir_group_consumer_heartbeat {
    struct weir_group_op op;
    /* out */
    struct weir_slice message;   /* what is wrong; null when nothing is, or nothing is to be said */
    struct weir_slice member_id; /* null with an error */
    int32_t member_epoch;
    int32_t heartbeat_interval_ms;
    bool has_assignment; /* false: it has not changed */
    const struct weir_group_topic_partitions *assignment;
    size_t assignment_count;
};

void weir_group_consumer_heartbeat(struct weir_group_service *service,
                                   const struct weir_group_consumer_heartbeat_request *request,
                                   struct weir_group_consumer_heartbeat *heartbeat);

/* -- ConsumerGroupDescribe (one group) -- */

enum weir_group_member_type {
    WEIR_GROUP_MEMBER_CLASSIC = 0, /* it uses JoinGroup, in a group that is being upgraded */
    WEIR_GROUP_MEMBER_CONSUMER = 1
};

struct weir_group_consumer_member {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: dynamic */
    struct weir_slice rack_id;     /* null: unknown */
    int32_t member_epoch;
    struct weir_slice client_id;
    struct weir_slice client_host; /* "/127.0.0.1" */
    const struct weir_slice *topic_names;
    size_t topic_name_count;
    struct weir_slice topic_regex;                        /* null: none */
    const struct weir_group_topic_partitions *assignment; /* topics that are gone are left out */
    size_t assignment_count;
    const struct weir_group_topic_partitions *target;
    size_t target_count;
    enum weir_group_member_type type;
};

/* Never waits: done is called before it returns.  GROUP_ID_NOT_FOUND comes with a message and the
 * state "Dead". */
struct weir_group_consumer_describe {
    struct weir_group_op op;
    /* out */
    struct weir_slice message; /* null: none */
    struct weir_slice state;   /* "Empty", "Assigning", "Reconciling", "Stable", "Dead" */
    int32_t group_epoch;
    int32_t assignment_epoch;
    struct weir_slice assignor;
    struct weir_group_consumer_member *members;
    size_t member_count;
};

void weir_group_consumer_describe(struct weir_group_service *service, struct weir_slice group_id,
                                  struct weir_group_consumer_describe *describe);

/* -- What happened to a group (of any kind), for people -- */

struct weir_group_rebalance {
    int64_t wall_ms; /* when it began */
    int32_t epoch;   /* the generation or group epoch that came out of it */
    int64_t member_count;
    struct weir_slice reason; /* "member m joined"; at most 160 bytes */
};

/* Never waits: done is called before it returns.  The last WEIR_GROUP_REBALANCES_KEPT since this
 * broker began to coordinate the group, oldest first.  GROUP_ID_NOT_FOUND. */
#define WEIR_GROUP_REBALANCES_KEPT 16
struct weir_group_rebalances {
    struct weir_group_op op;
    /* out */
    struct weir_group_rebalance *items;
    size_t count;
    int64_t total; /* all since then, kept or not */
};

void weir_group_rebalances(struct weir_group_service *service, struct weir_slice group_id,
                           struct weir_group_rebalances *rebalances);
