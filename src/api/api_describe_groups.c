/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DescribeGroups, for classic groups.  A group that does not exist is described as "Dead"; only
 * since version 6 that is an error (KIP-1043).
 */

#include "api_int.h"
#include "call_state.h"

#include "weir/protocol/messages/describe_groups_request.h"
#include "weir/protocol/messages/describe_groups_response.h"

typedef struct weir_describe_groups_request request_t;
typedef struct weir_describe_groups_response_described_group group_t;
typedef struct weir_describe_groups_response_described_group_member member_t;

/* The service describes before it returns. */
static void on_done(struct weir_group_op *op)
{
    (void)op;
}

/* False when memory is out. */
static bool fill_members(struct weir_call *call, const struct weir_group_describe *describe,
                         group_t *group)
{
    group->members.items = WEIR_CALL_ALLOC(call, member_t, describe->member_count);
    if (group->members.items == NULL)
        return false;
    group->members.count = (int32_t)describe->member_count;
    for (size_t i = 0; i < describe->member_count; i++) {
        const struct weir_group_member_description *from = &describe->members[i];
        member_t *member = &group->members.items[i];
        weir_describe_groups_response_described_group_member_init(member);
        member->member_id = from->member_id;
        member->group_instance_id = from->instance_id;
        member->client_id = from->client_id;
        member->client_host = from->client_host;
        member->member_metadata = from->metadata;
        member->member_assignment = from->assignment;
    }
    return true;
}

static bool fill_group(struct weir_call *call, const struct weir_group_describe *describe,
                       group_t *group)
{
    const request_t *request = call->body;
    const bool can_be_missing =
        weir_describe_groups_response_described_group_has_error_message(call->version);
    const enum weir_status status =
        describe->op.status == WEIR_GROUP_ID_NOT_FOUND && !can_be_missing ? WEIR_OK
                                                                          : describe->op.status;
    group->error_code = weir_code(status);
    if (can_be_missing)
        group->error_message = describe->message;
    if (!weir_slice_is_null(describe->state))
        group->group_state = describe->state;
    if (!weir_slice_is_null(describe->protocol_type))
        group->protocol_type = describe->protocol_type;
    if (!weir_slice_is_null(describe->protocol))
        group->protocol_data = describe->protocol;
    if (request->include_authorized_operations && status == WEIR_OK)
        group->authorized_operations = weir_group_operations();
    return fill_members(call, describe, group);
}

void weir_api_describe_groups(struct weir_call *call)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->groups.count;
    struct weir_describe_groups_response response;
    weir_describe_groups_response_init(&response);
    response.groups.items = WEIR_CALL_ALLOC(call, group_t, count);
    /* The descriptions stay until the response is encoded, which borrows from them. */
    struct weir_group_describe *describes = weir_call_state_new(1, count, sizeof(*describes));
    bool has_memory = response.groups.items != NULL && describes != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        group_t *group = &response.groups.items[response.groups.count++];
        weir_describe_groups_response_described_group_init(group);
        group->group_id = request->groups.items[i];
        describes[i].op.done = on_done;
        weir_group_describe(call->api->options.groups, group->group_id, &describes[i]);
        has_memory = fill_group(call, &describes[i], group);
    }
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    for (size_t i = 0; describes != NULL && i < count; i++)
        weir_group_op_free(&describes[i].op);
    weir_free(describes);
}
