/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Groups of Kafka Streams applications (KIP-1071) as request handlers see them.  The rules for
 * operations are those of group_service.h: zero-initialise, set op.done, start; results lie in
 * op.arena and hold until weir_group_op_free.
 */

#include "weir/group/group_service.h"
#include "weir/protocol/records/streams_group_topology_value.h"

#define WEIR_STREAMS_JOIN_EPOCH         0
#define WEIR_STREAMS_LEAVE_EPOCH        (-1)
#define WEIR_STREAMS_STATIC_LEAVE_EPOCH (-2)

/* Tasks of one subtopology. */
struct weir_streams_task_ids {
    struct weir_slice subtopology_id;
    const int32_t *partitions; /* ascending in results */
    size_t partition_count;
};

struct weir_streams_task_list {
    const struct weir_streams_task_ids *items; /* ascending by subtopology in results */
    size_t count;
    bool is_given; /* false: null on the wire */
};

struct weir_streams_endpoint {
    struct weir_slice host;
    uint16_t port;
};

struct weir_streams_tag {
    struct weir_slice key;
    struct weir_slice value;
};

/* -- StreamsGroupHeartbeat -- */
struct weir_streams_heartbeat_request {
    struct weir_slice group_id;
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: none */
    struct weir_slice rack_id;     /* null: unchanged */
    struct weir_slice client_id;   /* null is taken as empty */
    struct weir_slice client_host; /* "127.0.0.1"; stored as Kafka does, "/127.0.0.1" */
    int32_t member_epoch;
    int32_t endpoint_information_epoch;
    int32_t rebalance_timeout_ms;                             /* -1: unchanged */
    const struct weir_streams_group_topology_value *topology; /* NULL: not given */
    struct weir_streams_task_list active;
    struct weir_streams_task_list standby;
    struct weir_streams_task_list warmup;
    struct weir_slice process_id;                 /* null: unchanged */
    const struct weir_streams_endpoint *endpoint; /* NULL: unchanged */
    const struct weir_streams_tag *tags;          /* NULL: unchanged */
    size_t tag_count;
    bool has_task_offsets; /* of either kind: not supported, as in Apache Kafka 4.3.0 */
    bool has_task_end_offsets;
    bool shutdown_application;
};

/* The codes of a heartbeat's status, as on the wire. */
enum weir_streams_status_code {
    WEIR_STREAMS_STALE_TOPOLOGY = 0,
    WEIR_STREAMS_MISSING_SOURCE_TOPICS = 1,
    WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS = 2,
    WEIR_STREAMS_MISSING_INTERNAL_TOPICS = 3,
    WEIR_STREAMS_SHUTDOWN_APPLICATION = 4,
    WEIR_STREAMS_ASSIGNMENT_DELAYED = 5
};

struct weir_streams_status {
    enum weir_streams_status_code code;
    struct weir_slice detail;
};
#define WEIR_STREAMS_STATUSES_MAX 4

struct weir_streams_partitions {
    struct weir_slice topic;
    const int32_t *partitions;
    size_t partition_count;
};

/* What can be asked at a user's endpoint (interactive queries). */
struct weir_streams_endpoint_partitions {
    struct weir_streams_endpoint endpoint;
    const struct weir_streams_partitions *active;
    size_t active_count;
    const struct weir_streams_partitions *standby;
    size_t standby_count;
};

/* An internal topic of the application that does not exist yet. */
struct weir_streams_missing_topic {
    struct weir_slice name;
    int32_t partition_count;
    int16_t replication_factor; /* -1: the broker's default */
    const struct weir_streams_group_topology_value_topic_config *configs;
    size_t config_count;
};

struct weir_streams_heartbeat {
    struct weir_group_op op;
    /* private */
    struct weir_write written;
    struct weir_slice group_id;
    void *configured;
    /* out; nothing but message with an error */
    struct weir_slice message; /* null: none */
    struct weir_slice member_id;
    int32_t member_epoch;
    int32_t heartbeat_interval_ms;
    int32_t endpoint_information_epoch;
    struct weir_streams_status statuses[WEIR_STREAMS_STATUSES_MAX];
    size_t status_count;
    struct weir_streams_task_list active; /* all three are given or none is */
    struct weir_streams_task_list standby;
    struct weir_streams_task_list warmup;
    bool has_endpoints; /* false: the member knows them */
    const struct weir_streams_endpoint_partitions *endpoints;
    size_t endpoint_count;
    const struct weir_streams_missing_topic *missing; /* to be created on the group's behalf */
    size_t missing_count;
};

/* INVALID_REQUEST, STREAMS_INVALID_TOPOLOGY, GROUP_ID_NOT_FOUND (also for a group of another kind
 * that is not an empty classic one), UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH,
 * GROUP_MAX_SIZE_REACHED, UNKNOWN_SERVER_ERROR. */
void weir_group_streams_heartbeat(struct weir_group_service *service,
                                  const struct weir_streams_heartbeat_request *request,
                                  struct weir_streams_heartbeat *heartbeat);

/* -- StreamsGroupDescribe (one group) -- */
struct weir_streams_topic_description {
    struct weir_slice name;
    int32_t partition_count; /* 0: not decided */
    int16_t replication_factor;
    const struct weir_streams_group_topology_value_topic_config *configs;
    size_t config_count;
};

struct weir_streams_subtopology_description {
    struct weir_slice id;
    const struct weir_slice *source_topics; /* all four are in the order of their names */
    size_t source_topic_count;
    const struct weir_slice *sink_topics;
    size_t sink_topic_count;
    const struct weir_streams_topic_description *changelogs;
    size_t changelog_count;
    const struct weir_streams_topic_description *repartition_sources;
    size_t repartition_source_count;
};

struct weir_streams_assignment_description {
    struct weir_streams_task_list active;
    struct weir_streams_task_list standby;
    struct weir_streams_task_list warmup;
};

struct weir_streams_member_description {
    struct weir_slice member_id;
    int32_t member_epoch;
    struct weir_slice instance_id; /* null: none */
    struct weir_slice rack_id;     /* null: none */
    struct weir_slice client_id;
    struct weir_slice client_host;
    int32_t topology_epoch;
    struct weir_slice process_id;
    const struct weir_streams_endpoint *endpoint; /* NULL: none */
    const struct weir_streams_tag *tags;
    size_t tag_count;
    struct weir_streams_assignment_description assignment;
    struct weir_streams_assignment_description target;
};

/* Never waits: done is called before it returns.  GROUP_ID_NOT_FOUND comes with a message. */
struct weir_streams_describe {
    struct weir_group_op op;
    struct weir_slice message; /* null: none */
    struct weir_slice state;   /* "NotReady" */
    int32_t group_epoch;
    int32_t assignment_epoch;
    int32_t topology_epoch;
    const struct weir_streams_subtopology_description *subtopologies;
    size_t subtopology_count;
    const struct weir_streams_member_description *members; /* by member id */
    size_t member_count;
};

void weir_group_streams_describe(struct weir_group_service *service, struct weir_slice group_id,
                                 struct weir_streams_describe *describe);
