/* SPDX-License-Identifier: Apache-2.0 */
#include "api_topics_int.h"

#include "weir/protocol/messages/describe_cluster_request.h"
#include "weir/protocol/messages/describe_cluster_response.h"

enum endpoint_type { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

static void refuse(struct weir_call *call, enum weir_status status, struct weir_slice message)
{
    struct weir_describe_cluster_response response;
    weir_describe_cluster_response_init(&response);
    response.error_code = weir_code(status);
    response.error_message = message;
    weir_call_respond(call, &response);
}

void weir_api_describe_cluster(struct weir_call *call)
{
    const struct weir_describe_cluster_request *request = call->body;
    struct weir_describe_cluster_response response;
    weir_describe_cluster_response_init(&response);
    if (request->endpoint_type == ENDPOINT_CONTROLLERS) {
        refuse(call, WEIR_MISMATCHED_ENDPOINT_TYPE,
               WEIR_SLICE("The request was sent to an endpoint of type BROKER, but we wanted an "
                          "endpoint of type "
                          "CONTROLLER"));
        return;
    }
    if (request->endpoint_type != ENDPOINT_BROKERS) {
        refuse(
            call, WEIR_UNSUPPORTED_ENDPOINT_TYPE,
            weir_arena_printf(call->arena, "Unsupported endpoint type %d", request->endpoint_type));
        return;
    }
    size_t count = weir_image_broker_count(call->image);
    response.brokers.items =
        WEIR_CALL_ALLOC(call, struct weir_describe_cluster_response_describe_cluster_broker, count);
    if (response.brokers.items == NULL) {
        weir_call_close(call);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct weir_broker_address address;
        const struct weir_image_broker *broker = weir_image_broker_at(call->image, i);
        if ((broker->is_fenced && !request->include_fenced_brokers) ||
            !weir_call_broker_address(call, broker, &address))
            continue;
        struct weir_describe_cluster_response_describe_cluster_broker *out =
            &response.brokers.items[response.brokers.count++];
        weir_describe_cluster_response_describe_cluster_broker_init(out);
        out->broker_id = address.id;
        out->host = address.host;
        out->port = address.port;
        out->rack = address.rack;
        out->is_fenced = address.is_fenced;
    }
    response.cluster_id = weir_slice_str(call->api->options.cluster_id);
    response.controller_id = weir_call_any_broker_id(call);
    if (request->include_cluster_authorized_operations)
        response.cluster_authorized_operations = weir_cluster_operations();
    weir_call_respond(call, &response);
}
