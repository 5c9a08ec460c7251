/* SPDX-License-Identifier: Apache-2.0 */

/* ShareGroupHeartbeat (KIP-932): a member joins, stays and leaves.  Its group needs the share
 * coordinator, so the first one makes that one's topic. */

#include "api_int.h"
#include "call_state.h"
#include "share_calls.h"
#include "share_group_calls.h"

#include "weir/group/share_groups.h"
#include "weir/protocol/messages/share_group_heartbeat_request.h"
#include "weir/protocol/messages/share_group_heartbeat_response.h"

typedef struct weir_share_group_heartbeat_request request_t;
typedef struct weir_share_group_heartbeat_response response_t;
typedef struct weir_share_group_heartbeat_response_assignment assignment_t;
typedef struct weir_share_group_heartbeat_response_topic_partitions partitions_t;

struct beating {
    struct weir_share_heartbeat heartbeat;
    struct weir_call *call;
};

/* NULL when memory is out. */
static const assignment_t *make_assignment(struct weir_call *call,
                                           const struct weir_share_heartbeat *heartbeat)
{
    assignment_t *assignment = WEIR_CALL_ALLOC(call, assignment_t, 1);
    partitions_t *topics = WEIR_CALL_ALLOC(call, partitions_t, heartbeat->assignment_count);
    if (assignment == NULL || topics == NULL)
        return NULL;
    weir_share_group_heartbeat_response_assignment_init(assignment);
    assignment->topic_partitions.items = topics;
    assignment->topic_partitions.count = (int32_t)heartbeat->assignment_count;
    for (size_t i = 0; i < heartbeat->assignment_count; i++) {
        const struct weir_group_topic_partitions *from = &heartbeat->assignment[i];
        weir_share_group_heartbeat_response_topic_partitions_init(&topics[i]);
        topics[i].topic_id = from->topic_id;
        topics[i].partitions.items = (int32_t *)(uintptr_t)from->partitions;
        topics[i].partitions.count = (int32_t)from->partition_count;
    }
    return assignment;
}

static void respond(struct weir_call *call, void *argument)
{
    struct beating *beating = argument;
    const struct weir_share_heartbeat *heartbeat = &beating->heartbeat;
    response_t response;
    weir_share_group_heartbeat_response_init(&response);
    response.error_code = weir_code(heartbeat->op.status);
    bool has_memory = true;
    if (heartbeat->op.status == WEIR_OK) {
        response.member_id = heartbeat->member_id;
        response.member_epoch = heartbeat->member_epoch;
        response.heartbeat_interval_ms = heartbeat->heartbeat_interval_ms;
        if (heartbeat->has_assignment) {
            response.assignment = make_assignment(call, heartbeat);
            has_memory = response.assignment != NULL;
        }
    } else {
        response.error_message = heartbeat->message;
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

static void beat(struct weir_call *call)
{
    const request_t *request = call->body;
    struct beating *beating = weir_call_state_new(sizeof(*beating), 0, 0);
    if (beating == NULL) {
        weir_call_close(call);
        return;
    }
    const bool has_names = request->subscribed_topic_names.count >= 0;
    const struct weir_share_heartbeat_request heartbeat = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .member_epoch = request->member_epoch,
        .rack_id = request->rack_id,
        .client_id = weir_call_client_id(call),
        .client_host = weir_call_peer_host(call),
        .has_topic_names = has_names,
        .topic_names = request->subscribed_topic_names.items,
        .topic_name_count = has_names ? (size_t)request->subscribed_topic_names.count : 0};
    beating->call = call;
    beating->heartbeat.op.done = on_done;
    weir_group_share_heartbeat(call->api->options.groups, &heartbeat, &beating->heartbeat);
}

static void refuse(struct weir_call *call, int16_t error_code)
{
    response_t response;
    weir_share_group_heartbeat_response_init(&response);
    response.error_code = error_code;
    weir_call_respond(call, &response);
}

void weir_api_share_group_heartbeat(struct weir_call *call)
{
    const request_t *request = call->body;
    if (!share_groups_are_enabled(call))
        refuse(call, WEIR_ERROR_UNSUPPORTED_VERSION);
    else if (!share_names_are_valid(request->group_id, request->member_id))
        refuse(call, WEIR_ERROR_INVALID_REQUEST);
    else
        weir_call_with_share_topic(call, beat);
}
