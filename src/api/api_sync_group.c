/* SPDX-License-Identifier: Apache-2.0 */

/* SyncGroup: the leader brings what it assigned, the others wait for it. */

#include "api_int.h"
#include "call_state.h"

#include "weir/protocol/messages/sync_group_request.h"
#include "weir/protocol/messages/sync_group_response.h"

typedef struct weir_sync_group_request request_t;

struct syncing {
    struct weir_group_sync sync;
    struct weir_call *call;
};

static void drop(struct syncing *syncing)
{
    weir_group_op_free(&syncing->sync.op);
    weir_free(syncing);
}

static void respond(struct weir_call *call, void *argument)
{
    struct syncing *syncing = argument;
    const struct weir_group_sync *sync = &syncing->sync;
    struct weir_sync_group_response response;
    weir_sync_group_response_init(&response);
    response.error_code = weir_code(sync->op.status);
    response.protocol_type = sync->protocol_type;
    response.protocol_name = sync->protocol_name;
    if (!weir_slice_is_null(sync->assignment))
        response.assignment = sync->assignment;
    weir_call_respond(call, &response);
    drop(syncing);
}

static void on_done(struct weir_group_op *op)
{
    struct syncing *syncing = WEIR_CONTAINER_OF(op, struct syncing, sync.op);
    weir_call_resume(syncing->call, respond, syncing);
}

static void on_cancel(struct weir_call *call, void *argument)
{
    struct syncing *syncing = argument;
    if (!weir_group_cancel(call->api->options.groups, &syncing->sync.op))
        return; /* the answer is on its way and ends the call */
    weir_call_close(call);
    drop(syncing);
}

/* Since version 5 a member has to say which protocol it believes in (KIP-559). */
static bool lacks_protocol(const struct weir_call *call, const request_t *request)
{
    return weir_sync_group_request_has_protocol_type(call->version) &&
           (weir_slice_is_null(request->protocol_type) ||
            weir_slice_is_null(request->protocol_name));
}

static void refuse(struct weir_call *call, enum weir_error_code code)
{
    struct weir_sync_group_response response;
    weir_sync_group_response_init(&response);
    response.error_code = (int16_t)code;
    weir_call_respond(call, &response);
}

static const struct weir_group_assignment *list_assignments(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_group_assignment *assignments =
        WEIR_CALL_ALLOC(call, struct weir_group_assignment, request->assignments.count);
    for (int32_t i = 0; assignments != NULL && i < request->assignments.count; i++) {
        assignments[i].member_id = request->assignments.items[i].member_id;
        assignments[i].assignment = request->assignments.items[i].assignment;
    }
    return assignments;
}

void weir_api_sync_group(struct weir_call *call)
{
    const request_t *request = call->body;
    if (lacks_protocol(call, request)) {
        refuse(call, WEIR_ERROR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    const struct weir_group_assignment *assignments = list_assignments(call);
    struct syncing *syncing = weir_call_state_new(sizeof(*syncing), 0, 0);
    if (assignments == NULL || syncing == NULL) {
        weir_free(syncing);
        weir_call_close(call);
        return;
    }
    const struct weir_group_sync_request sync = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .protocol_type = request->protocol_type,
        .protocol_name = request->protocol_name,
        .generation = request->generation_id,
        .assignments = assignments,
        .assignment_count = (size_t)request->assignments.count,
    };
    syncing->call = call;
    syncing->sync.op.done = on_done;
    weir_call_on_cancel(call, on_cancel, syncing);
    weir_group_sync(call->api->options.groups, &sync, &syncing->sync);
}
