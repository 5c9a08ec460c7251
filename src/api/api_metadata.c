/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata (key 3).  Topics by name, or by id from version 12 on; versions 0 to 3 always allow
 * auto-creation.  Where Apache Kafka answers UNKNOWN_TOPIC_OR_PARTITION while a topic is being
 * auto-created, weir waits for the controller and answers with the topic: the client's first send
 * needs no retry.
 */
#include "api_int.h"
#include "api_topics_int.h"

#include "weir/base/map.h"
#include "weir/protocol/messages/metadata_request.h"
#include "weir/protocol/messages/metadata_response.h"

typedef struct weir_metadata_response_metadata_response_topic response_topic;
typedef struct weir_metadata_response_metadata_response_partition response_partition;

struct metadata_plan {
    struct weir_metadata_response response;
    struct weir_auto_create *creations; /* topics that may be created, by name */
    size_t creation_count;
};

static void fill_partition(const struct weir_call *call,
                           const struct weir_image_partition *partition, response_partition *out)
{
    weir_metadata_response_metadata_response_partition_init(out);
    out->partition_index = partition->id;
    out->leader_id = partition->leader;
    out->leader_epoch = partition->leader_epoch;
    out->error_code =
        weir_code(partition->leader == WEIR_NO_LEADER ? WEIR_LEADER_NOT_AVAILABLE : WEIR_OK);
    out->replica_nodes = weir_call_i32_array(call, partition->replicas);
    out->isr_nodes = weir_call_i32_array(call, partition->isr);
    out->offline_replicas = weir_call_offline_replicas(call, partition);
}

static bool fill_topic(const struct weir_call *call, const struct weir_image_topic *topic,
                       response_topic *out)
{
    const struct weir_metadata_request *request = call->body;
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic->is_internal;
    out->error_code = weir_code(WEIR_OK);
    if (request->include_topic_authorized_operations)
        out->topic_authorized_operations = weir_topic_operations();
    out->partitions.items = WEIR_CALL_ALLOC(call, response_partition, topic->partition_count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = topic->partition_count;
    for (int32_t i = 0; i < topic->partition_count; i++)
        fill_partition(call, topic->partitions[i], &out->partitions.items[i]);
    return true;
}

static bool fill_brokers(const struct weir_call *call, struct weir_metadata_response *response)
{
    size_t count = weir_image_broker_count(call->image);
    response->brokers.items =
        WEIR_CALL_ALLOC(call, struct weir_metadata_response_metadata_response_broker, count);
    if (response->brokers.items == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct weir_broker_address address;
        if (!weir_call_broker_address(call, weir_image_broker_at(call->image, i), &address))
            continue;
        struct weir_metadata_response_metadata_response_broker *out =
            &response->brokers.items[response->brokers.count++];
        weir_metadata_response_metadata_response_broker_init(out);
        out->node_id = address.id;
        out->host = address.host;
        out->port = address.port;
        out->rack = address.rack;
    }
    return true;
}

static bool finish(struct weir_call *call, struct weir_metadata_response *response)
{
    const struct weir_metadata_request *request = call->body;
    if (!fill_brokers(call, response))
        return false;
    response->cluster_id = weir_slice_str(call->api->options.cluster_id);
    response->controller_id = weir_call_any_broker_id(call);
    if (call->version >= 8 && call->version <= 10 && request->include_cluster_authorized_operations)
        response->cluster_authorized_operations = weir_cluster_operations();
    return true;
}

static bool all_topics(struct weir_call *call, struct weir_metadata_response *response)
{
    size_t count = weir_image_topic_count(call->image);
    response->topics.items = WEIR_CALL_ALLOC(call, response_topic, count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        weir_metadata_response_metadata_response_topic_init(&response->topics.items[i]);
        if (!fill_topic(call, weir_image_topic_at(call->image, i), &response->topics.items[i]))
            return false;
    }
    return true;
}

/* A name that is not there is either wrong, unknown, or unknown until auto-creation. */
static void plan_missing(struct weir_call *call, struct metadata_plan *plan, struct weir_slice name,
                         response_topic *out)
{
    const struct weir_metadata_request *request = call->body;
    out->name = name;
    if (request->include_topic_authorized_operations)
        out->topic_authorized_operations = weir_topic_operations();
    if (!weir_topic_name_is_valid(name)) {
        out->error_code = weir_code(WEIR_INVALID_TOPIC_EXCEPTION);
        return;
    }
    out->error_code = weir_code(WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    struct weir_config_resolver resolver = weir_call_resolver(call);
    if ((call->version < 4 || request->allow_auto_topic_creation) &&
        weir_config_broker_bool(&resolver, "auto.create.topics.enable"))
        plan->creations[plan->creation_count++].name = name;
}

/* From version 12 on a request that has ids names its topics by them alone, whatever names stand
 * beside. */
static bool uses_ids(const struct weir_call *call)
{
    const struct weir_metadata_request *request = call->body;
    for (int32_t i = 0; call->version >= 12 && i < request->topics.count; i++) {
        if (!weir_uuid_is_zero(request->topics.items[i].topic_id))
            return true;
    }
    return false;
}

static bool add_topic(struct weir_call *call, struct metadata_plan *plan, bool by_id,
                      const struct weir_metadata_request_metadata_request_topic *wanted)
{
    const struct weir_image_topic *topic =
        by_id ? weir_image_topic_by_id(call->image, wanted->topic_id)
              : weir_image_topic(call->image, wanted->name);
    response_topic *out = &plan->response.topics.items[plan->response.topics.count++];
    weir_metadata_response_metadata_response_topic_init(out);
    if (topic != NULL)
        return fill_topic(call, topic, out);
    if (by_id) {
        out->name = WEIR_NULL_SLICE;
        out->topic_id = wanted->topic_id;
        out->error_code = weir_code(WEIR_UNKNOWN_TOPIC_ID);
    } else {
        plan_missing(call, plan, wanted->name, out);
    }
    return true;
}

static bool named_topics(struct weir_call *call, struct metadata_plan *plan)
{
    const struct weir_metadata_request *request = call->body;
    int32_t count = request->topics.count;
    plan->response.topics.items = WEIR_CALL_ALLOC(call, response_topic, count);
    plan->creations = WEIR_CALL_ALLOC(call, struct weir_auto_create, count);
    if (plan->response.topics.items == NULL || plan->creations == NULL)
        return false;
    /* Each topic once, however often it is named. */
    struct weir_map seen = {0};
    bool is_good = true;
    bool by_id = uses_ids(call);
    for (int32_t i = 0; i < count && is_good; i++) {
        struct weir_metadata_request_metadata_request_topic *wanted = &request->topics.items[i];
        struct weir_slice key = by_id ? WEIR_KEY(wanted->topic_id) : wanted->name;
        if (weir_map_get(&seen, key) != NULL || (by_id && weir_uuid_is_zero(wanted->topic_id)))
            continue;
        is_good = weir_map_put(&seen, key, wanted, NULL) == WEIR_OK &&
                  add_topic(call, plan, by_id, wanted);
    }
    weir_map_done(&seen);
    return is_good;
}

static void after_creation(struct weir_call *call, struct weir_auto_create *topics, size_t count)
{
    struct metadata_plan plan;
    weir_metadata_response_init(&plan.response);
    plan.creation_count = 0;
    if (!named_topics(call, &plan) || !finish(call, &plan.response)) {
        weir_call_close(call);
        return;
    }
    for (int32_t i = 0; i < plan.response.topics.count; i++) {
        response_topic *topic = &plan.response.topics.items[i];
        for (size_t k = 0; k < count && topic->error_code != 0; k++) {
            if (weir_slice_equal(topic->name, topics[k].name) && topics[k].status != WEIR_OK &&
                topics[k].status != WEIR_TOPIC_ALREADY_EXISTS)
                topic->error_code = weir_code(topics[k].status);
        }
    }
    weir_call_respond(call, &plan.response);
}

/* Ids need version 12, and a topic needs a name or an id.  (4.3.0 answers UNKNOWN_SERVER_ERROR to
 * the latter.) */
static bool is_refused(struct weir_call *call)
{
    const struct weir_metadata_request *request = call->body;
    bool by_id = uses_ids(call);
    for (int32_t i = 0; i < request->topics.count; i++) {
        const struct weir_metadata_request_metadata_request_topic *topic =
            &request->topics.items[i];
        bool has_id = !weir_uuid_is_zero(topic->topic_id);
        if ((call->version < 12 && (has_id || weir_slice_is_null(topic->name))) ||
            (!by_id && weir_slice_is_null(topic->name)))
            return true;
    }
    return false;
}

static void refuse(struct weir_call *call)
{
    const struct weir_metadata_request *request = call->body;
    struct weir_metadata_response response;
    weir_metadata_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, response_topic, request->topics.count);
    if (response.topics.items == NULL) {
        weir_call_close(call);
        return;
    }
    response.error_code = weir_code(WEIR_INVALID_REQUEST);
    response.topics.count = request->topics.count;
    for (int32_t i = 0; i < request->topics.count; i++) {
        response_topic *out = &response.topics.items[i];
        weir_metadata_response_metadata_response_topic_init(out);
        out->error_code = weir_code(WEIR_INVALID_REQUEST);
        out->name = weir_slice_is_null(request->topics.items[i].name)
                        ? WEIR_EMPTY_SLICE
                        : request->topics.items[i].name;
        out->topic_id = request->topics.items[i].topic_id;
    }
    weir_call_respond(call, &response);
}

void weir_api_metadata(struct weir_call *call)
{
    const struct weir_metadata_request *request = call->body;
    struct metadata_plan plan;
    weir_metadata_response_init(&plan.response);
    plan.creation_count = 0;
    bool wants_all =
        request->topics.count < 0 || (call->version == 0 && request->topics.count == 0);
    if (!wants_all && is_refused(call)) {
        refuse(call);
        return;
    }
    if (!(wants_all ? all_topics(call, &plan.response) : named_topics(call, &plan))) {
        weir_call_close(call);
        return;
    }
    if (plan.creation_count > 0) {
        weir_call_auto_create(call, plan.creations, plan.creation_count, after_creation);
        return;
    }
    if (!finish(call, &plan.response)) {
        weir_call_close(call);
        return;
    }
    weir_call_respond(call, &plan.response);
}
