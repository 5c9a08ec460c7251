/* SPDX-License-Identifier: Apache-2.0 */

/* Heartbeat of a classic group's member. */

#include "api_int.h"

#include "weir/protocol/messages/heartbeat_request.h"
#include "weir/protocol/messages/heartbeat_response.h"

void weir_api_heartbeat(struct weir_call *call)
{
    const struct weir_heartbeat_request *request = call->body;
    const struct weir_group_heartbeat_request heartbeat = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .generation = request->generation_id,
    };
    struct weir_heartbeat_response response;
    weir_heartbeat_response_init(&response);
    response.error_code = weir_code(weir_group_heartbeat(call->api->options.groups, &heartbeat));
    weir_call_respond(call, &response);
}
