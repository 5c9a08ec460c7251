/* SPDX-License-Identifier: Apache-2.0 */

/*
 * CreateTopics.  Names that come twice and the metadata log's own name are refused here; everything
 * else about a topic is the controller's to decide.
 */

#include "api_int.h"
#include "repeats.h"
#include "texts.h"

#include "weir/protocol/messages/create_topics_request.h"
#include "weir/protocol/messages/create_topics_response.h"

typedef struct weir_create_topics_request request_t;
typedef struct weir_create_topics_request_creatable_topic asked_t;
typedef struct weir_create_topics_response_creatable_topic_result result_t;
typedef struct weir_create_topics_response_creatable_topic_configs result_config_t;

struct creation {
    struct weir_controller_op op;
    enum weir_occurrence *occurrences; /* of each topic of the request */
};

static bool is_metadata_log(struct weir_slice name)
{
    return weir_slice_is(name, "__cluster_metadata");
}

static bool is_for_controller(const struct creation *creation, const request_t *request, int32_t i)
{
    return creation->occurrences[i] == WEIR_OCCURS_ONCE &&
           !is_metadata_log(request->topics.items[i].name);
}

static enum weir_status find_repeated_names(struct weir_call *call, const request_t *request,
                                            struct creation *creation)
{
    const size_t count = (size_t)request->topics.count;
    struct weir_slice *names = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[i] = request->topics.items[i].name;
    return weir_find_repeats(call->arena, names, count, &creation->occurrences);
}

static enum weir_status make_new_topic(struct weir_call *call, const asked_t *asked,
                                       struct weir_new_topic *out)
{
    const size_t assignment_count = (size_t)asked->assignments.count;
    const size_t config_count = (size_t)asked->configs.count;
    struct weir_replica_assignment *assignments =
        WEIR_CALL_ALLOC(call, struct weir_replica_assignment, assignment_count);
    struct weir_image_config_entry *configs =
        WEIR_CALL_ALLOC(call, struct weir_image_config_entry, config_count);
    if (assignments == NULL || configs == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < assignment_count; i++) {
        assignments[i].partition = asked->assignments.items[i].partition_index;
        assignments[i].replicas = asked->assignments.items[i].broker_ids.items;
        assignments[i].replica_count = (size_t)asked->assignments.items[i].broker_ids.count;
    }
    for (size_t i = 0; i < config_count; i++) {
        configs[i].name = asked->configs.items[i].name;
        configs[i].value = asked->configs.items[i].value;
    }
    out->name = asked->name;
    out->partition_count = asked->num_partitions;
    out->replication_factor = asked->replication_factor;
    out->assignments = assignments;
    out->assignment_count = assignment_count;
    out->configs = configs;
    out->config_count = config_count;
    return WEIR_OK;
}

/* Fills the operation with the topics that are the controller's. */
static enum weir_status fill_operation(struct weir_call *call, const request_t *request,
                                       struct creation *creation)
{
    struct weir_create_topics_op *op = &creation->op.create_topics;
    creation->op.kind = WEIR_CONTROLLER_CREATE_TOPICS;
    op->topics = WEIR_CALL_ALLOC(call, struct weir_new_topic, request->topics.count);
    op->validate_only = request->validate_only;
    if (op->topics == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < request->topics.count; i++) {
        if (!is_for_controller(creation, request, i))
            continue;
        const enum weir_status status =
            make_new_topic(call, &request->topics.items[i], &op->topics[op->topic_count++]);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static void fill_refused(result_t *result, struct weir_slice name, enum weir_error_code code,
                         struct weir_slice message)
{
    weir_create_topics_response_creatable_topic_result_init(result);
    result->name = name;
    result->error_code = (int16_t)code;
    result->error_message = message;
}

/* False when memory is out. */
static bool fill_created(struct weir_call *call, const struct weir_new_topic *topic,
                         result_t *result)
{
    result->topic_id = topic->id;
    result->num_partitions = topic->result_partition_count;
    result->replication_factor = topic->result_replication_factor;
    if (!weir_create_topics_response_creatable_topic_result_has_configs(call->version))
        return true;
    const struct weir_config_view_list *views = &topic->result_configs;
    result->configs.items = WEIR_CALL_ALLOC(call, result_config_t, views->count);
    if (result->configs.items == NULL)
        return false;
    result->configs.count = (int32_t)views->count;
    for (size_t i = 0; i < views->count; i++) {
        result_config_t *config = &result->configs.items[i];
        weir_create_topics_response_creatable_topic_configs_init(config);
        config->name = views->items[i].name;
        config->value = views->items[i].value;
        config->read_only = views->items[i].is_read_only;
        config->config_source = (int8_t)views->items[i].source;
        config->is_sensitive = views->items[i].is_sensitive;
    }
    return true;
}

static bool fill_decided(struct weir_call *call, const struct weir_controller_op *op,
                         const struct weir_new_topic *topic, result_t *result)
{
    const struct weir_controller_result *why =
        op->result.status != WEIR_OK ? &op->result : &topic->result;
    fill_refused(result, topic->name, (enum weir_error_code)weir_code(why->status), why->message);
    return why->status != WEIR_OK || fill_created(call, topic, result);
}

static void respond(struct weir_call *call, struct weir_controller_op *op)
{
    const struct creation *creation = WEIR_CONTAINER_OF(op, struct creation, op);
    const request_t *request = call->body;
    struct weir_create_topics_response response;
    weir_create_topics_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, result_t, request->topics.count);
    if (response.topics.items == NULL) {
        weir_call_close(call);
        return;
    }
    const struct weir_new_topic *decided = op->create_topics.topics;
    for (int32_t i = 0; i < request->topics.count; i++) {
        const struct weir_slice name = request->topics.items[i].name;
        if (creation->occurrences[i] == WEIR_OCCURS_REPEATED)
            continue;
        result_t *result = &response.topics.items[response.topics.count++];
        if (creation->occurrences[i] == WEIR_OCCURS_FIRST) {
            fill_refused(result, name, WEIR_ERROR_INVALID_REQUEST, WEIR_TEXT_DUPLICATE_TOPIC_NAME);
        } else if (is_metadata_log(name)) {
            fill_refused(
                result, name, WEIR_ERROR_INVALID_REQUEST,
                WEIR_SLICE("Creation of internal topic __cluster_metadata is prohibited."));
        } else if (!fill_decided(call, op, decided++, result)) {
            weir_call_close(call);
            return;
        }
    }
    weir_call_respond(call, &response);
}

/* A request that gives no time is late when the controller comes to it: Apache Kafka then creates
 * nothing. */
static void respond_timed_out(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_create_topics_response response;
    weir_create_topics_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, result_t, request->topics.count);
    if (response.topics.items == NULL) {
        weir_call_close(call);
        return;
    }
    response.topics.count = request->topics.count;
    for (int32_t i = 0; i < request->topics.count; i++)
        fill_refused(&response.topics.items[i], request->topics.items[i].name,
                     WEIR_ERROR_REQUEST_TIMED_OUT, WEIR_NULL_SLICE);
    weir_call_respond(call, &response);
}

void weir_api_create_topics(struct weir_call *call)
{
    const request_t *request = call->body;
    struct creation *creation = WEIR_CALL_ALLOC(call, struct creation, 1);
    if (creation == NULL || find_repeated_names(call, request, creation) != WEIR_OK ||
        fill_operation(call, request, creation) != WEIR_OK) {
        weir_call_close(call);
        return;
    }
    if (creation->op.create_topics.topic_count == 0)
        respond(call, &creation->op);
    else if (request->timeout_ms <= 0)
        respond_timed_out(call);
    else
        weir_call_control(call, &creation->op, respond);
}
