/* SPDX-License-Identifier: Apache-2.0 */

/* DescribeConfigs: which resources can be described by this broker; the values come from the
 * resolver. */

#include "api_int.h"
#include "texts.h"

#include "weir/protocol/messages/describe_configs_request.h"
#include "weir/protocol/messages/describe_configs_response.h"

typedef struct weir_describe_configs_request request_t;
typedef struct weir_describe_configs_request_describe_configs_resource asked_t;
typedef struct weir_describe_configs_response_describe_configs_result result_t;
typedef struct weir_describe_configs_response_describe_configs_resource_result entry_t;
typedef struct weir_describe_configs_response_describe_configs_synonym synonym_t;

static bool is_known_type(int8_t type)
{
    return type == WEIR_RESOURCE_TOPIC || type == WEIR_RESOURCE_BROKER ||
           type == WEIR_RESOURCE_BROKER_LOGGER || type == WEIR_RESOURCE_CLIENT_METRICS ||
           type == WEIR_RESOURCE_GROUP;
}

static void refuse(result_t *result, enum weir_error_code code, struct weir_slice message)
{
    result->error_code = (int16_t)code;
    result->error_message = message;
}

/* A broker, or the loggers of one, can only be described by itself.  False when the result is a
 * refusal. */
static bool check_broker(struct weir_call *call, struct weir_slice name, bool is_empty_allowed,
                         result_t *result)
{
    const struct weir_slice shown = weir_text_quoted(name);
    const int32_t own_id = call->api->options.node_id;
    int32_t id;
    struct weir_slice problem;
    if (!weir_node_id_parse(name, &id))
        problem = weir_arena_printf(call->arena, "Broker id must be an integer, but it is: %.*s",
                                    WEIR_SLICE_ARGS(shown));
    else if (id != own_id)
        problem = weir_arena_printf(
            call->arena, "Unexpected broker id, expected %d%s but received %.*s", (int)own_id,
            is_empty_allowed ? " or empty string," : "", WEIR_SLICE_ARGS(shown));
    else
        return true;
    refuse(result, WEIR_ERROR_INVALID_REQUEST, problem);
    return false;
}

/* Whether there is something to describe; if not, the result says why. */
static bool check_resource(struct weir_call *call, const asked_t *asked, result_t *result)
{
    const struct weir_slice name = asked->resource_name;
    struct weir_slice problem;
    switch (asked->resource_type) {
    case WEIR_RESOURCE_TOPIC:
        problem = weir_topic_name_problem(call->arena, name);
        if (!weir_slice_is_null(problem)) {
            refuse(result, WEIR_ERROR_INVALID_TOPIC_EXCEPTION, problem);
            return false;
        }
        if (weir_image_topic(call->image, name) != NULL)
            return true;
        refuse(result, WEIR_ERROR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_EMPTY_SLICE);
        return false;
    case WEIR_RESOURCE_BROKER:
        return name.size == 0 || check_broker(call, name, true, result);
    case WEIR_RESOURCE_BROKER_LOGGER:
        if (name.size > 0)
            return check_broker(call, name, false, result);
        refuse(result, WEIR_ERROR_INVALID_REQUEST, WEIR_SLICE("Broker id must not be empty"));
        return false;
    case WEIR_RESOURCE_CLIENT_METRICS:
        if (name.size > 0)
            return true;
        refuse(result, WEIR_ERROR_INVALID_REQUEST,
               WEIR_SLICE("Client metrics subscription name must not be empty"));
        return false;
    default: /* a number from the wire; only groups are left */
        if (name.size > 0)
            return true;
        refuse(result, WEIR_ERROR_INVALID_REQUEST, WEIR_SLICE("Group name must not be empty"));
        return false;
    }
}

static bool is_asked_for(const asked_t *asked, struct weir_slice name)
{
    if (asked->configuration_keys.count <= 0)
        return true;
    for (int32_t i = 0; i < asked->configuration_keys.count; i++) {
        if (weir_slice_equal(asked->configuration_keys.items[i], name))
            return true;
    }
    return false;
}

/* False when memory is out. */
static bool fill_entry(struct weir_call *call, const struct weir_config_view *view, entry_t *entry)
{
    const request_t *request = call->body;
    weir_describe_configs_response_describe_configs_resource_result_init(entry);
    entry->name = view->name;
    entry->value = view->value;
    entry->read_only = view->is_read_only;
    entry->config_source = (int8_t)view->source;
    entry->is_sensitive = view->is_sensitive;
    entry->config_type = (int8_t)view->type;
    entry->documentation =
        weir_slice_str(request->include_documentation ? view->documentation : NULL);
    if (!request->include_synonyms)
        return true;
    entry->synonyms.items = WEIR_CALL_ALLOC(call, synonym_t, view->synonym_count);
    if (entry->synonyms.items == NULL)
        return false;
    entry->synonyms.count = (int32_t)view->synonym_count;
    for (size_t i = 0; i < view->synonym_count; i++) {
        synonym_t *synonym = &entry->synonyms.items[i];
        weir_describe_configs_response_describe_configs_synonym_init(synonym);
        synonym->name = view->synonyms[i].name;
        synonym->value = view->synonyms[i].value;
        synonym->source = (int8_t)view->synonyms[i].source;
    }
    return true;
}

/* There is one logger, and it is called root: what a line is about is in its event name. */
static enum weir_status describe_loggers(struct weir_call *call, struct weir_config_view_list *out)
{
    struct weir_config_view *view = WEIR_CALL_ALLOC(call, struct weir_config_view, 1);
    if (view == NULL)
        return WEIR_NO_MEMORY;
    const struct weir_log *log = call->api->options.log;
    view->name = WEIR_SLICE("root");
    view->value =
        weir_slice_str(weir_log_level_name(log == NULL ? WEIR_LOG_LEVEL_ERROR : log->level));
    view->type = WEIR_CONFIG_TYPE_UNKNOWN;
    view->source = WEIR_CONFIG_SOURCE_BROKER_LOGGER;
    *out = (struct weir_config_view_list){view, 1};
    return WEIR_OK;
}

/* False when memory is out. */
static bool describe(struct weir_call *call, const asked_t *asked, result_t *result)
{
    weir_describe_configs_response_describe_configs_result_init(result);
    result->error_message = WEIR_EMPTY_SLICE; /* also when all is well, as in Apache Kafka */
    result->resource_type = asked->resource_type;
    result->resource_name = asked->resource_name;
    if (!check_resource(call, asked, result))
        return true;
    struct weir_config_view_list views;
    const struct weir_config_resolver resolver = weir_call_resolver(call);
    const enum weir_status status =
        asked->resource_type == WEIR_RESOURCE_BROKER_LOGGER
            ? describe_loggers(call, &views)
            : weir_config_describe(&resolver, (enum weir_resource_type)asked->resource_type,
                                   asked->resource_name, call->arena, &views);
    if (status != WEIR_OK)
        return false;
    result->configs.items = WEIR_CALL_ALLOC(call, entry_t, views.count);
    if (result->configs.items == NULL)
        return false;
    for (size_t i = 0; i < views.count; i++) {
        if (is_asked_for(asked, views.items[i].name) &&
            !fill_entry(call, &views.items[i], &result->configs.items[result->configs.count++]))
            return false;
    }
    return true;
}

/* One resource of a type that cannot be described spoils the whole request, as in Apache Kafka. */
static void refuse_all(const request_t *request, result_t *results)
{
    for (int32_t i = 0; i < request->resources.count; i++) {
        weir_describe_configs_response_describe_configs_result_init(&results[i]);
        results[i].resource_type = request->resources.items[i].resource_type;
        results[i].resource_name = request->resources.items[i].resource_name;
        refuse(&results[i], WEIR_ERROR_INVALID_REQUEST, WEIR_TEXT_INVALID_REQUEST);
    }
}

void weir_api_describe_configs(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_describe_configs_response response;
    weir_describe_configs_response_init(&response);
    response.results.count = request->resources.count;
    response.results.items = WEIR_CALL_ALLOC(call, result_t, request->resources.count);
    bool are_types_known = true;
    for (int32_t i = 0; i < request->resources.count; i++)
        are_types_known =
            are_types_known && is_known_type(request->resources.items[i].resource_type);
    bool has_memory = response.results.items != NULL;
    if (has_memory && !are_types_known)
        refuse_all(request, response.results.items);
    for (int32_t i = 0; has_memory && are_types_known && i < request->resources.count; i++)
        has_memory = describe(call, &request->resources.items[i], &response.results.items[i]);
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
}
