/* SPDX-License-Identifier: Apache-2.0 */

/* ConsumerGroupHeartbeat (KIP-848): a member joins, stays, reports what it has, and leaves. */

#include "api_int.h"
#include "call_state.h"
#include "group_features.h"

#include "weir/group/consumer_group_service.h"
#include "weir/protocol/messages/consumer_group_heartbeat_request.h"
#include "weir/protocol/messages/consumer_group_heartbeat_response.h"

typedef struct weir_consumer_group_heartbeat_request request_t;
typedef struct weir_consumer_group_heartbeat_response response_t;
typedef struct weir_consumer_group_heartbeat_response_assignment assignment_t;
typedef struct weir_consumer_group_heartbeat_response_topic_partitions partitions_t;

struct beating {
    struct weir_group_consumer_heartbeat heartbeat;
    struct weir_call *call;
};

/* NULL when memory is out. */
static const assignment_t *make_assignment(struct weir_call *call,
                                           const struct weir_group_consumer_heartbeat *heartbeat)
{
    assignment_t *assignment = WEIR_CALL_ALLOC(call, assignment_t, 1);
    partitions_t *topics = WEIR_CALL_ALLOC(call, partitions_t, heartbeat->assignment_count);
    if (assignment == NULL || topics == NULL)
        return NULL;
    weir_consumer_group_heartbeat_response_assignment_init(assignment);
    assignment->topic_partitions.items = topics;
    assignment->topic_partitions.count = (int32_t)heartbeat->assignment_count;
    for (size_t i = 0; i < heartbeat->assignment_count; i++) {
        const struct weir_group_topic_partitions *from = &heartbeat->assignment[i];
        weir_consumer_group_heartbeat_response_topic_partitions_init(&topics[i]);
        topics[i].topic_id = from->topic_id;
        topics[i].partitions.items = (int32_t *)from->partitions;
        topics[i].partitions.count = (int32_t)from->partition_count;
    }
    return assignment;
}

static void respond(struct weir_call *call, void *argument)
{
    struct beating *beating = argument;
    const struct weir_group_consumer_heartbeat *heartbeat = &beating->heartbeat;
    response_t response;
    weir_consumer_group_heartbeat_response_init(&response);
    response.error_code = weir_code(heartbeat->op.status);
    response.error_message = heartbeat->message;
    bool has_memory = true;
    if (heartbeat->op.status == WEIR_OK) {
        response.member_id = heartbeat->member_id;
        response.member_epoch = heartbeat->member_epoch;
        response.heartbeat_interval_ms = heartbeat->heartbeat_interval_ms;
        if (heartbeat->has_assignment) {
            response.assignment = make_assignment(call, heartbeat);
            has_memory = response.assignment != NULL;
        }
    }
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    weir_group_op_free(&beating->heartbeat.op);
    weir_free(beating);
}

static void on_done(struct weir_group_op *op)
{
    struct beating *beating = WEIR_CONTAINER_OF(op, struct beating, heartbeat.op);
    weir_call_resume(beating->call, respond, beating);
}

/* NULL when memory is out. */
static const struct weir_group_topic_partitions *list_owned(struct weir_call *call)
{
    const request_t *request = call->body;
    const int32_t count = request->topic_partitions.count < 0 ? 0 : request->topic_partitions.count;
    struct weir_group_topic_partitions *owned =
        WEIR_CALL_ALLOC(call, struct weir_group_topic_partitions, count);
    for (int32_t i = 0; owned != NULL && i < count; i++) {
        owned[i].topic_id = request->topic_partitions.items[i].topic_id;
        owned[i].partitions = request->topic_partitions.items[i].partitions.items;
        owned[i].partition_count = (size_t)request->topic_partitions.items[i].partitions.count;
    }
    return owned;
}

static void respond_unsupported(struct weir_call *call)
{
    response_t response;
    weir_consumer_group_heartbeat_response_init(&response);
    response.error_code = WEIR_ERROR_UNSUPPORTED_VERSION;
    weir_call_respond(call, &response);
}

void weir_api_consumer_group_heartbeat(struct weir_call *call)
{
    const request_t *request = call->body;
    if (!weir_group_protocol_is_enabled(call, "group.version", "consumer")) {
        respond_unsupported(call);
        return;
    }
    const struct weir_group_topic_partitions *owned = list_owned(call);
    struct beating *beating = weir_call_state_new(sizeof(*beating), 0, 0);
    if (owned == NULL || beating == NULL) {
        weir_free(beating);
        weir_call_close(call);
        return;
    }
    const bool has_regex =
        weir_consumer_group_heartbeat_request_has_subscribed_topic_regex(call->version);
    const struct weir_group_consumer_heartbeat_request heartbeat = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .member_epoch = request->member_epoch,
        .instance_id = request->instance_id,
        .rack_id = request->rack_id,
        .client_id = weir_call_client_id(call),
        .client_host = weir_call_peer_host(call),
        .rebalance_timeout_ms = request->rebalance_timeout_ms,
        .has_topic_names = request->subscribed_topic_names.count >= 0,
        .topic_names = request->subscribed_topic_names.items,
        .topic_name_count = request->subscribed_topic_names.count < 0
                                ? 0
                                : (size_t)request->subscribed_topic_names.count,
        .topic_regex = has_regex ? request->subscribed_topic_regex : WEIR_NULL_SLICE,
        .assignor = request->server_assignor,
        .has_owned = request->topic_partitions.count >= 0,
        .owned = owned,
        .owned_count =
            request->topic_partitions.count < 0 ? 0 : (size_t)request->topic_partitions.count,
        .requires_member_id = has_regex, /* the same version took both away */
    };
    beating->call = call;
    beating->heartbeat.op.done = on_done;
    weir_group_consumer_heartbeat(call->api->options.groups, &heartbeat, &beating->heartbeat);
}
