/* SPDX-License-Identifier: Apache-2.0 */

/* ListConfigResources (KIP-1142); version 0 was ListClientMetricsResources and knows only those. */

#include "api_int.h"

#include "weir/protocol/messages/list_config_resources_request.h"
#include "weir/protocol/messages/list_config_resources_response.h"

typedef struct weir_list_config_resources_request request_t;
typedef struct weir_list_config_resources_response response_t;
typedef struct weir_list_config_resources_response_config_resource resource_t;

#define ALL_TYPES                                                                                  \
    (WEIR_RESOURCE_TOPIC | WEIR_RESOURCE_BROKER | WEIR_RESOURCE_BROKER_LOGGER |                    \
     WEIR_RESOURCE_CLIENT_METRICS | WEIR_RESOURCE_GROUP)

/* The types' numbers are powers of two, which makes a set of them a mask.  False: one is not
 * supported. */
static bool asked_types(const struct weir_call *call, unsigned *out)
{
    const request_t *request = call->body;
    *out = 0;
    if (!weir_list_config_resources_request_has_resource_types(call->version)) {
        *out = WEIR_RESOURCE_CLIENT_METRICS;
        return true;
    }
    for (int32_t i = 0; i < request->resource_types.count; i++) {
        const unsigned type = (uint8_t)request->resource_types.items[i];
        if ((type & ALL_TYPES) == 0 || (type & (type - 1)) != 0)
            return false;
        *out |= type;
    }
    if (*out == 0)
        *out = ALL_TYPES;
    return true;
}

static void add(response_t *response, enum weir_resource_type type, struct weir_slice name)
{
    resource_t *resource = &response->config_resources.items[response->config_resources.count++];
    weir_list_config_resources_response_config_resource_init(resource);
    resource->resource_type = (int8_t)type;
    resource->resource_name = name;
}

/* Brokers are there whether something is set for them or not.  False when memory is out. */
static bool add_brokers(struct weir_call *call, enum weir_resource_type type, response_t *response)
{
    for (size_t i = 0; i < weir_image_broker_count(call->image); i++) {
        const struct weir_image_broker *broker = weir_image_broker_at(call->image, i);
        if (broker->is_fenced)
            continue;
        const struct weir_slice name = weir_arena_printf(call->arena, "%d", (int)broker->id);
        if (weir_slice_is_null(name))
            return false;
        add(response, type, name);
    }
    return true;
}

/* Groups and client metrics subscriptions are known by what is set for them. */
static void add_configured(const struct weir_image *image, enum weir_resource_type type,
                           response_t *response)
{
    for (size_t i = 0; i < weir_image_config_count(image); i++) {
        const struct weir_image_config *config = weir_image_config_at(image, i);
        if (config->type == type && config->entry_count > 0)
            add(response, type, config->name);
    }
}

static bool add_all(struct weir_call *call, unsigned types, response_t *response)
{
    const struct weir_image *image = call->image;
    const size_t room = weir_image_topic_count(image) + 2 * weir_image_broker_count(image) +
                        weir_image_config_count(image);
    response->config_resources.items = WEIR_CALL_ALLOC(call, resource_t, room);
    if (response->config_resources.items == NULL)
        return false;
    if (types & WEIR_RESOURCE_GROUP)
        add_configured(image, WEIR_RESOURCE_GROUP, response);
    if (types & WEIR_RESOURCE_CLIENT_METRICS)
        add_configured(image, WEIR_RESOURCE_CLIENT_METRICS, response);
    if ((types & WEIR_RESOURCE_BROKER_LOGGER) &&
        !add_brokers(call, WEIR_RESOURCE_BROKER_LOGGER, response))
        return false;
    if ((types & WEIR_RESOURCE_BROKER) && !add_brokers(call, WEIR_RESOURCE_BROKER, response))
        return false;
    for (size_t i = 0; (types & WEIR_RESOURCE_TOPIC) && i < weir_image_topic_count(image); i++)
        add(response, WEIR_RESOURCE_TOPIC, weir_image_topic_at(image, i)->name);
    return true;
}

void weir_api_list_config_resources(struct weir_call *call)
{
    response_t response;
    weir_list_config_resources_response_init(&response);
    unsigned types;
    if (!asked_types(call, &types)) {
        response.error_code = WEIR_ERROR_UNSUPPORTED_VERSION;
    } else if (!add_all(call, types, &response)) {
        weir_call_close(call);
        return;
    }
    weir_call_respond(call, &response);
}
