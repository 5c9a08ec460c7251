/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a handler is written: it gets a call with the decoded request, asks the domain, fills the
 * response struct (memory from call->arena) and ends with weir_call_respond.  It runs on the
 * connection's loop and must not block.  A handler that has to wait returns; whoever completes it
 * comes back to the loop with weir_call_resume.  Each call is ended exactly once, by respond,
 * respond_nothing or close.
 */

#include "weir/api/api.h"
#include "weir/api/errors.h"
#include "weir/base/arena.h"
#include "weir/metadata/image.h"

struct weir_request;
struct weir_fetch_sessions;

struct weir_api {
    struct weir_api_options options;
    struct weir_fetch_sessions *fetch_sessions;
    struct weir_dispatch *dispatch;
};

struct weir_call {
    struct weir_api *api;
    struct weir_request *request;
    struct weir_arena *arena; /* lives until the response is written */
    const struct weir_image
        *image; /* one image for the whole call; a reference is held until the end */
    int16_t api_key;
    int16_t version;
    const void *body; /* the decoded request */
    /* private to call.c */
    void (*resume)(struct weir_call *call, void *argument);
    void *resume_argument;
    void (*cancel)(struct weir_call *call, void *argument);
    void *cancel_argument;
};

typedef void weir_call_handler(struct weir_call *call);

/* Encodes the response (the struct that belongs to the call's api key) and sends it; the call is
 * gone afterwards.  A response that cannot be encoded closes the connection and is logged: that is
 * a bug of this program. */
void weir_call_respond(struct weir_call *call, const void *response);
/* The same, but false, with nothing done, when the response cannot be encoded: for who has to take
 * back file ranges. */
WEIR_MUST_CHECK bool weir_call_try_respond(struct weir_call *call, const void *response);
/* Produce with acks 0. */
void weir_call_respond_nothing(struct weir_call *call);
/* For requests that Apache Kafka answers by closing the connection, and when memory is out. */
void weir_call_close(struct weir_call *call);

/* From any thread: run(call, argument) on the call's loop, soon.  At most one resume may be under
 * way. */
void weir_call_resume(struct weir_call *call, void (*run)(struct weir_call *call, void *argument),
                      void *argument);
/* On the loop: what to do when the client disconnects while the call waits.  The call still has to
 * be ended. */
void weir_call_on_cancel(struct weir_call *call,
                         void (*cancel)(struct weir_call *call, void *argument), void *argument);

/* The loop the call lives on, for timers. */
struct weir_loop *weir_call_loop(const struct weir_call *call);
struct weir_slice weir_call_client_id(const struct weir_call *call); /* may be null */
struct weir_slice weir_call_peer_host(const struct weir_call *call); /* "127.0.0.1" */
int64_t weir_call_now_ms(const struct weir_call *call);              /* wall clock */

/* Zeroed memory from the call's arena; NULL when there is none (then weir_call_close is the way
 * out). */
#define WEIR_CALL_ALLOC(call, type, count)                                                         \
    ((type *)weir_arena_calloc((call)->arena, (size_t)(count) > 0 ? (size_t)(count) : 1,           \
                               sizeof(type)))

static inline int16_t weir_code(enum weir_status status)
{
    return (int16_t)weir_error_of_status(status);
}

/* Submits the operation to the controller (on a copy of the image that is current when it is done)
 * and continues on the loop with then(call, op). */
void weir_call_control(struct weir_call *call, struct weir_controller_op *op,
                       void (*then)(struct weir_call *call, struct weir_controller_op *op));

/* Takes the image that is current now in place of the call's. */
void weir_call_refresh_image(struct weir_call *call);

struct weir_config_resolver weir_call_resolver(const struct weir_call *call);

/* Where this broker can be reached, as the client that asks should see it. */
/* The listener the client came in by. */
struct weir_slice weir_call_listener_name(const struct weir_call *call);
void weir_call_endpoint(const struct weir_call *call, struct weir_slice *out_host,
                        int32_t *out_port);

/* "No authorised operations asked for". */
#define WEIR_OPERATIONS_NOT_ASKED INT32_MIN
/* Bits of KIP-430 for a client that may do everything. */
int32_t weir_topic_operations(void);
int32_t weir_cluster_operations(void);
int32_t weir_group_operations(void);

/* Kafka's rule for topic names (1 to 249 of [a-zA-Z0-9._-], not "." or ".."). */
bool weir_topic_name_is_valid(struct weir_slice name);

/* Creates the topics on the client's behalf with the broker's defaults; internal topics with their
 * own configs.  then runs on the loop with the newest image, whatever came of it. */
struct weir_auto_create {
    struct weir_slice name;
    enum weir_status status; /* out */
};
void weir_call_auto_create(struct weir_call *call, struct weir_auto_create *topics, size_t count,
                           void (*then)(struct weir_call *call, struct weir_auto_create *topics,
                                        size_t count));

/* The handler of the dispatch table's rows, and the handler of an API; NULL when there is none. */
void weir_call_begin(struct weir_request *request);
weir_call_handler *weir_api_handler(int16_t api_key);

/* The answer to an ApiVersions request of an unknown version (KIP-511). */
void weir_api_refuse_api_versions(struct weir_call *call);

/* ---- Handlers, one file each: api_<name>.c ---- */
#define WEIR_HANDLER(name) void weir_api_##name(struct weir_call *call)
WEIR_HANDLER(produce);
WEIR_HANDLER(fetch);
WEIR_HANDLER(list_offsets);
WEIR_HANDLER(metadata);
WEIR_HANDLER(offset_commit);
WEIR_HANDLER(offset_fetch);
WEIR_HANDLER(find_coordinator);
WEIR_HANDLER(join_group);
WEIR_HANDLER(heartbeat);
WEIR_HANDLER(leave_group);
WEIR_HANDLER(sync_group);
WEIR_HANDLER(describe_groups);
WEIR_HANDLER(list_groups);
WEIR_HANDLER(api_versions);
WEIR_HANDLER(create_topics);
WEIR_HANDLER(delete_topics);
WEIR_HANDLER(delete_records);
WEIR_HANDLER(init_producer_id);
WEIR_HANDLER(add_partitions_to_txn);
WEIR_HANDLER(add_offsets_to_txn);
WEIR_HANDLER(end_txn);
WEIR_HANDLER(write_txn_markers);
WEIR_HANDLER(txn_offset_commit);
WEIR_HANDLER(describe_transactions);
WEIR_HANDLER(consumer_group_heartbeat);
WEIR_HANDLER(consumer_group_describe);
WEIR_HANDLER(list_transactions);
WEIR_HANDLER(offset_for_leader_epoch);
WEIR_HANDLER(describe_configs);
WEIR_HANDLER(alter_configs);
WEIR_HANDLER(alter_replica_log_dirs);
WEIR_HANDLER(describe_log_dirs);
WEIR_HANDLER(create_partitions);
WEIR_HANDLER(delete_groups);
WEIR_HANDLER(incremental_alter_configs);
WEIR_HANDLER(alter_partition_reassignments);
WEIR_HANDLER(list_partition_reassignments);
WEIR_HANDLER(offset_delete);
WEIR_HANDLER(update_features);
WEIR_HANDLER(describe_cluster);
WEIR_HANDLER(describe_producers);
WEIR_HANDLER(list_config_resources);
WEIR_HANDLER(describe_topic_partitions);
WEIR_HANDLER(share_fetch);
WEIR_HANDLER(share_acknowledge);
WEIR_HANDLER(share_group_heartbeat);
WEIR_HANDLER(share_group_describe);
WEIR_HANDLER(initialize_share_group_state);
WEIR_HANDLER(read_share_group_state);
WEIR_HANDLER(write_share_group_state);
WEIR_HANDLER(delete_share_group_state);
WEIR_HANDLER(read_share_group_state_summary);
WEIR_HANDLER(streams_group_heartbeat);
WEIR_HANDLER(streams_group_describe);
WEIR_HANDLER(describe_share_group_offsets);
WEIR_HANDLER(alter_share_group_offsets);
WEIR_HANDLER(delete_share_group_offsets);
