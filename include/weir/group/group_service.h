/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Consumer groups as request handlers see them.  Every operation is an object in its caller's
 * memory that begins with a struct weir_group_op:
 *
 *     struct my_call { struct weir_group_join join; ... };
 *     my_call->join.op.done = on_join_done;
 *     weir_group_join(service, &request, &my_call->join);
 *     ... on_join_done(op): any thread, no locks held, possibly before weir_group_join returned ...
 *     weir_group_op_free(&my_call->join.op);
 *
 * done is called exactly once, unless weir_group_cancel said true.  Results (everything below
 * "out") are valid from done until weir_group_op_free; texts and arrays lie in op.arena.  What goes
 * in is only read before the function returns, except where it says "until done".
 *
 * Every status is one of Kafka's conditions; op.status is that of the whole operation, items have
 * their own.  A status other than OK in op.status means no item was looked at.  All functions may be
 * called from any thread; the same op never from two at once.
 */

#include "weir/base/arena.h"
#include "weir/base/log.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"
#include "weir/coordinator/coordinator.h"
#include "weir/coordinator/log_port.h"
#include "weir/coordinator/step.h"
#include "weir/group/group_config.h"
#include "weir/metadata/config_resolve.h"
#include "weir/metadata/image.h"

struct weir_group_service;
struct weir_group_share_port;
struct weir_group_op;

struct weir_group_service_options {
    struct weir_env *env;
    struct weir_task_pool *pool;
    const struct weir_log *log;
    const struct weir_log_port *port; /* of __consumer_offsets */
    void *port_context;
    struct weir_group_config config;
    struct weir_image_publisher *images;       /* borrowed; outlives the service */
    const struct weir_static_configs *statics; /* of server.properties; the same */
    int32_t broker_id;
    const struct weir_group_share_port *share_port; /* share_groups.h; NULL: none */
    void *share_port_context;
};

WEIR_MUST_CHECK enum weir_status
weir_group_service_new(const struct weir_group_service_options *options,
                       struct weir_group_service **out);
/* Completes all that waits with NOT_COORDINATOR; then drain or free the pool, then free. */
void weir_group_service_stop(struct weir_group_service *service);
void weir_group_service_free(struct weir_group_service *service);

/* For leadership changes and the number of partitions (weir_coordinator_set_partition_count,
 * _elected, _resigned): whoever follows the image calls these. */
struct weir_coordinator *weir_group_service_coordinator(struct weir_group_service *service);

/* A new image was published: every shard this broker leads gets it as an event.  Groups follow the
 * topics they are subscribed to, and offsets of deleted topics get tombstones.  Call it from the
 * publisher's listener, after what makes and removes logs. */
void weir_group_image_published(struct weir_group_service *service, const struct weir_image *image,
                                const struct weir_image_delta *delta);

/* ---- Operations ---- */

/* Zero-initialise, set done, start. */
struct weir_group_op {
    void (*done)(struct weir_group_op *op); /* set by the caller */
    enum weir_status status;                /* out */
    struct weir_arena arena;                /* out: what the results point to */
    /* private */
    struct weir_completion completion;
    struct weir_write write;
    struct weir_shard *shard;
    void *waiting_in; /* a member, while a join or sync waits; guarded by the shard's lock */
};

/* Frees the results.  After done, or after weir_group_cancel returned true; also on one that was
 * never started. */
void weir_group_op_free(struct weir_group_op *op);

/* The client has gone away.  true: the join or sync no longer waits and done will not be called (a
 * member that waited is then treated as one that is silent; one that never learnt its id is
 * removed).  false: done was called, is running or will be called; only joins and syncs can be
 * cancelled. */
bool weir_group_cancel(struct weir_group_service *service, struct weir_group_op *op);

/* -- JoinGroup -- */
struct weir_group_protocol {
    struct weir_slice name;
    struct weir_slice metadata;
};

struct weir_group_join_request {
    struct weir_slice group_id;
    struct weir_slice member_id;   /* empty: unknown yet */
    struct weir_slice instance_id; /* null: dynamic member */
    struct weir_slice client_id;   /* null is taken as empty */
    struct weir_slice client_host; /* "127.0.0.1"; stored as Kafka does, "/127.0.0.1" */
    struct weir_slice protocol_type;
    const struct weir_group_protocol *protocols;
    size_t protocol_count;
    struct weir_slice reason; /* KIP-800; may be null */
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* version 0 has none: pass the session timeout */
    bool requires_known_member_id;     /* version 4 and above, KIP-394 */
    bool supports_skipping_assignment; /* version 9 and above, KIP-814 */
};

struct weir_group_join_member {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: dynamic */
    struct weir_slice metadata;
};

struct weir_group_join {
    struct weir_group_op op;
    /* out; generation is -1, leader and member_id empty, the protocol null where it is not known */
    int32_t generation;
    struct weir_slice protocol_type;
    struct weir_slice protocol_name;
    struct weir_slice leader;
    struct weir_slice member_id; /* also with MEMBER_ID_REQUIRED and most errors */
    bool skip_assignment;
    struct weir_group_join_member *members; /* for the leader only */
    size_t member_count;
};

void weir_group_join(struct weir_group_service *service,
                     const struct weir_group_join_request *request, struct weir_group_join *join);

/* -- SyncGroup -- */
struct weir_group_assignment {
    struct weir_slice member_id;
    struct weir_slice assignment;
};

struct weir_group_sync_request {
    struct weir_slice group_id;
    struct weir_slice member_id;
    struct weir_slice instance_id;   /* null: dynamic */
    struct weir_slice protocol_type; /* null: not checked (before version 5) */
    struct weir_slice protocol_name; /* null: not checked */
    int32_t generation;
    const struct weir_group_assignment *assignments; /* the leader's */
    size_t assignment_count;
};

struct weir_group_sync {
    struct weir_group_op op;
    /* out; null protocol and an empty assignment with an error */
    struct weir_slice protocol_type;
    struct weir_slice protocol_name;
    struct weir_slice assignment;
};

void weir_group_sync(struct weir_group_service *service,
                     const struct weir_group_sync_request *request, struct weir_group_sync *sync);

/* -- Heartbeat -- */
struct weir_group_heartbeat_request {
    struct weir_slice group_id;
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: dynamic */
    int32_t generation;
};

/* Never waits: the status is the answer (OK while the shard loads, as Kafka has it). */
WEIR_MUST_CHECK enum weir_status
weir_group_heartbeat(struct weir_group_service *service,
                     const struct weir_group_heartbeat_request *request);

/* -- LeaveGroup -- */
struct weir_group_leaver {
    struct weir_slice member_id;   /* empty: by instance id only */
    struct weir_slice instance_id; /* may be null */
    struct weir_slice reason;      /* may be null */
    enum weir_status status;       /* out */
};

/* leavers belongs to the caller until done.  Before version 3 there is one leaver, and its status is
 * the answer when op.status is OK. */
struct weir_group_leave {
    struct weir_group_op op;
    struct weir_group_leaver *leavers;
    size_t leaver_count;
};

void weir_group_leave(struct weir_group_service *service, struct weir_slice group_id,
                      struct weir_group_leave *leave);

/* -- OffsetCommit -- */
/* One partition.  The caller has checked against the image that topic and partition exist (those
 * that do not are UNKNOWN_TOPIC_OR_PARTITION and are not handed in). */
struct weir_offset_commit_item {
    struct weir_slice topic;
    struct weir_uuid topic_id; /* from the image; zero: unknown */
    int32_t partition;
    int32_t leader_epoch; /* -1: unknown */
    int64_t offset;
    struct weir_slice metadata; /* null is stored as empty */
    enum weir_status status;    /* out: OK or OFFSET_METADATA_TOO_LARGE */
};

struct weir_group_offset_commit_request {
    struct weir_slice group_id;
    struct weir_slice member_id;
    struct weir_slice instance_id;       /* null: dynamic */
    int32_t generation;                  /* -1: no group management */
    int64_t retention_ms;                /* -1: the broker's (versions 2 to 4 may have one) */
    /* TxnOffsetCommit: the offsets count when the transaction's marker is there.  The member need not
     * have said so: a producer of an older client knows no member, and one that commits for a group
     * in rebalance is not sent back. */
    bool is_transactional;
    struct weir_step_txn txn;
    bool knows_group_id_not_found;       /* version 9 and above: GROUP_ID_NOT_FOUND in place of
                                            ILLEGAL_GENERATION for a group that does not exist */
};

/* items belongs to the caller until done. */
struct weir_offset_commit {
    struct weir_group_op op;
    struct weir_offset_commit_item *items;
    size_t item_count;
};

void weir_group_offset_commit(struct weir_group_service *service,
                              const struct weir_group_offset_commit_request *request,
                              struct weir_offset_commit *commit);

/* -- OffsetFetch (one group; versions 8 and above start one for each) -- */
struct weir_offset_fetch_item {
    struct weir_slice topic;
    struct weir_uuid topic_id; /* of the image; zero: do not care.  With all_topics: as stored, may
                                  be zero */
    int32_t partition;
    enum weir_status status; /* out: OK or UNSTABLE_OFFSET_COMMIT */
    int64_t offset;          /* out: -1 when none is stored */
    int32_t leader_epoch;    /* out: -1 when unknown */
    struct weir_slice metadata; /* out: never null */
};

/* items belongs to the caller until done, and is filled in place; with all_topics it is made by the
 * operation (in op.arena, by topic name, then partition). */
struct weir_offset_fetch {
    struct weir_group_op op;
    bool all_topics;
    bool require_stable;
    struct weir_slice member_id; /* KIP-848; null: not checked */
    int32_t member_epoch;        /* -1: not checked */
    struct weir_offset_fetch_item *items;
    size_t item_count;
};

void weir_group_offset_fetch(struct weir_group_service *service, struct weir_slice group_id,
                             struct weir_offset_fetch *fetch);

/* -- OffsetDelete -- */
struct weir_offset_delete_item {
    struct weir_slice topic;
    int32_t partition;
    enum weir_status status; /* out: OK (also when nothing was stored) or GROUP_SUBSCRIBED_TO_TOPIC */
};

/* items belongs to the caller until done. */
struct weir_offset_delete {
    struct weir_group_op op;
    struct weir_offset_delete_item *items;
    size_t item_count;
};

void weir_group_offset_delete(struct weir_group_service *service, struct weir_slice group_id,
                              struct weir_offset_delete *remove);

/* -- DeleteGroups (one group) -- */
void weir_group_delete(struct weir_group_service *service, struct weir_slice group_id,
                       struct weir_group_op *op);

/* -- ListGroups -- */
struct weir_group_listing {
    struct weir_slice group_id;
    struct weir_slice protocol_type; /* never null */
    struct weir_slice state;         /* "Stable" */
    struct weir_slice type;          /* "classic" */
};

struct weir_group_list_request {
    const struct weir_slice *states; /* none: all; compared without regard to case */
    size_t state_count;
    const struct weir_slice *types;
    size_t type_count;
};

/* Never waits: done is called before it returns.  By group id. */
struct weir_group_list {
    struct weir_group_op op;
    struct weir_group_listing *groups;
    size_t group_count;
};

void weir_group_list(struct weir_group_service *service,
                     const struct weir_group_list_request *request, struct weir_group_list *list);

/* -- DescribeGroups (one group) -- */
struct weir_group_member_description {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: dynamic */
    struct weir_slice client_id;
    struct weir_slice client_host; /* "/127.0.0.1" */
    struct weir_slice metadata;    /* empty unless the group is stable */
    struct weir_slice assignment;
};

/* Never waits: done is called before it returns.  GROUP_ID_NOT_FOUND comes with state "Dead"; before
 * version 6 that is answered without an error code.  message is what version 6 says then ("Group x
 * not found."), null otherwise. */
struct weir_group_describe {
    struct weir_group_op op;
    struct weir_slice message;
    struct weir_slice state; /* empty with other errors */
    struct weir_slice protocol_type;
    struct weir_slice protocol; /* empty unless the group is stable */
    struct weir_group_member_description *members;
    size_t member_count;
};

void weir_group_describe(struct weir_group_service *service, struct weir_slice group_id,
                         struct weir_group_describe *describe);
