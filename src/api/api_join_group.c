/* SPDX-License-Identifier: Apache-2.0 */

/* JoinGroup: waits until the group's members are together, which is as long as the slowest of them
 * takes. */

#include "api_int.h"
#include "call_state.h"

#include "weir/protocol/messages/join_group_request.h"
#include "weir/protocol/messages/join_group_response.h"

typedef struct weir_join_group_request request_t;
typedef struct weir_join_group_response_join_group_response_member member_t;

struct joining {
    struct weir_group_join join;
    struct weir_call *call;
};

static void drop(struct joining *joining)
{
    weir_group_op_free(&joining->join.op);
    weir_free(joining);
}

/* False when memory is out. */
static bool fill_members(struct weir_call *call, const struct weir_group_join *join,
                         struct weir_join_group_response *response)
{
    response->members.items = WEIR_CALL_ALLOC(call, member_t, join->member_count);
    if (response->members.items == NULL)
        return false;
    response->members.count = (int32_t)join->member_count;
    for (size_t i = 0; i < join->member_count; i++) {
        member_t *member = &response->members.items[i];
        weir_join_group_response_join_group_response_member_init(member);
        member->member_id = join->members[i].member_id;
        member->group_instance_id = join->members[i].instance_id;
        member->metadata = join->members[i].metadata;
    }
    return true;
}

static void respond(struct weir_call *call, void *argument)
{
    struct joining *joining = argument;
    const struct weir_group_join *join = &joining->join;
    struct weir_join_group_response response;
    weir_join_group_response_init(&response);
    response.error_code = weir_code(join->op.status);
    response.generation_id = join->generation;
    response.protocol_type = join->protocol_type;
    response.protocol_name = join->protocol_name;
    /* The name can be null since the version that also has the type. */
    if (weir_slice_is_null(response.protocol_name) &&
        !weir_join_group_response_has_protocol_type(call->version))
        response.protocol_name = WEIR_EMPTY_SLICE;
    response.leader = join->leader;
    response.member_id = join->member_id;
    response.skip_assignment = join->skip_assignment;
    if (fill_members(call, join, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    drop(joining);
}

static void on_done(struct weir_group_op *op)
{
    struct joining *joining = WEIR_CONTAINER_OF(op, struct joining, join.op);
    weir_call_resume(joining->call, respond, joining);
}

static void on_cancel(struct weir_call *call, void *argument)
{
    struct joining *joining = argument;
    if (!weir_group_cancel(call->api->options.groups, &joining->join.op))
        return; /* the answer is on its way and ends the call */
    weir_call_close(call);
    drop(joining);
}

static const struct weir_group_protocol *list_protocols(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_group_protocol *protocols =
        WEIR_CALL_ALLOC(call, struct weir_group_protocol, request->protocols.count);
    for (int32_t i = 0; protocols != NULL && i < request->protocols.count; i++) {
        protocols[i].name = request->protocols.items[i].name;
        protocols[i].metadata = request->protocols.items[i].metadata;
    }
    return protocols;
}

void weir_api_join_group(struct weir_call *call)
{
    const request_t *request = call->body;
    const struct weir_group_protocol *protocols = list_protocols(call);
    struct joining *joining = weir_call_state_new(sizeof(*joining), 0, 0);
    if (protocols == NULL || joining == NULL) {
        weir_free(joining);
        weir_call_close(call);
        return;
    }
    const struct weir_group_join_request join = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .client_id = weir_call_client_id(call),
        .client_host = weir_call_peer_host(call),
        .protocol_type = request->protocol_type,
        .protocols = protocols,
        .protocol_count = (size_t)request->protocols.count,
        .reason = request->reason,
        .session_timeout_ms = request->session_timeout_ms,
        .rebalance_timeout_ms = weir_join_group_request_has_rebalance_timeout_ms(call->version)
                                    ? request->rebalance_timeout_ms
                                    : request->session_timeout_ms,
        .requires_known_member_id = call->version >= 4, /* KIP-394, a change without a field */
        .supports_skipping_assignment = weir_join_group_response_has_skip_assignment(call->version),
    };
    joining->call = call;
    joining->join.op.done = on_done;
    weir_call_on_cancel(call, on_cancel, joining);
    weir_group_join(call->api->options.groups, &join, &joining->join);
}
