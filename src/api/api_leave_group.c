/* SPDX-License-Identifier: Apache-2.0 */

/* LeaveGroup: one member, or since version 3 several with an answer each (KIP-345). */

#include "api_int.h"
#include "call_state.h"

#include "weir/protocol/messages/leave_group_request.h"
#include "weir/protocol/messages/leave_group_response.h"

typedef struct weir_leave_group_request request_t;
typedef struct weir_leave_group_response_member_response member_t;

struct leaving {
    struct weir_group_leave leave; /* leavers are in the call's arena */
    struct weir_call *call;
};

/* False when memory is out. */
static bool fill_members(struct weir_call *call, const struct weir_group_leave *leave,
                         struct weir_leave_group_response *response)
{
    response->members.items = WEIR_CALL_ALLOC(call, member_t, leave->leaver_count);
    if (response->members.items == NULL)
        return false;
    response->members.count = (int32_t)leave->leaver_count;
    for (size_t i = 0; i < leave->leaver_count; i++) {
        member_t *member = &response->members.items[i];
        weir_leave_group_response_member_response_init(member);
        member->member_id = leave->leavers[i].member_id;
        member->group_instance_id = leave->leavers[i].instance_id;
        member->error_code = weir_code(leave->leavers[i].status);
    }
    return true;
}

static void respond(struct weir_call *call, void *argument)
{
    struct leaving *leaving = argument;
    const struct weir_group_leave *leave = &leaving->leave;
    struct weir_leave_group_response response;
    weir_leave_group_response_init(&response);
    response.error_code = weir_code(leave->op.status);
    bool has_memory = true;
    if (leave->op.status == WEIR_OK && weir_leave_group_request_has_members(call->version))
        has_memory = fill_members(call, leave, &response);
    else if (leave->op.status == WEIR_OK)
        response.error_code = weir_code(leave->leavers[0].status);
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    weir_group_op_free(&leaving->leave.op);
    weir_free(leaving);
}

static void on_done(struct weir_group_op *op)
{
    struct leaving *leaving = WEIR_CONTAINER_OF(op, struct leaving, leave.op);
    weir_call_resume(leaving->call, respond, leaving);
}

/* NULL when memory is out. */
static struct weir_group_leaver *list_leavers(struct weir_call *call, size_t *out_count)
{
    const request_t *request = call->body;
    const bool has_members = weir_leave_group_request_has_members(call->version);
    *out_count = has_members ? (size_t)request->members.count : 1;
    struct weir_group_leaver *leavers = WEIR_CALL_ALLOC(call, struct weir_group_leaver, *out_count);
    if (leavers == NULL)
        return NULL;
    if (!has_members)
        leavers[0].member_id = request->member_id;
    for (int32_t i = 0; has_members && i < request->members.count; i++) {
        leavers[i].member_id = request->members.items[i].member_id;
        leavers[i].instance_id = request->members.items[i].group_instance_id;
        leavers[i].reason = request->members.items[i].reason;
    }
    return leavers;
}

void weir_api_leave_group(struct weir_call *call)
{
    const request_t *request = call->body;
    size_t count;
    struct weir_group_leaver *leavers = list_leavers(call, &count);
    struct leaving *leaving = weir_call_state_new(sizeof(*leaving), 0, 0);
    if (leavers == NULL || leaving == NULL) {
        weir_free(leaving);
        weir_call_close(call);
        return;
    }
    leaving->call = call;
    leaving->leave.op.done = on_done;
    leaving->leave.leavers = leavers;
    leaving->leave.leaver_count = count;
    weir_group_leave(call->api->options.groups, request->group_id, &leaving->leave);
}
