/* SPDX-License-Identifier: Apache-2.0 */

/*
 * StreamsGroupHeartbeat (KIP-1071).  The names of the topology's topics are checked here; the group
 * decides everything else.  Internal topics that the group finds missing are created before the
 * answer leaves, and what went wrong with one stands in the answer's status; the group sees them at
 * its next heartbeat.
 */

#include "api_int.h"
#include "call_state.h"

#include "weir/group/streams_groups.h"
#include "weir/protocol/messages/streams_group_heartbeat_request.h"
#include "weir/protocol/messages/streams_group_heartbeat_response.h"

typedef struct weir_streams_group_heartbeat_request request_t;
typedef struct weir_streams_group_heartbeat_request_subtopology asked_t;
typedef struct weir_streams_group_heartbeat_request_topic_info_array asked_topics_t;
typedef struct weir_streams_group_heartbeat_request_task_ids_array asked_tasks_t;
typedef struct weir_streams_group_heartbeat_response response_t;
typedef struct weir_streams_group_heartbeat_response_task_ids_array tasks_t;
typedef struct weir_streams_group_heartbeat_response_topic_partition_array partitions_t;

#define CREATION_ERRORS_MAX 3

struct beating {
    struct weir_streams_heartbeat heartbeat;
    struct weir_call *call;
    struct weir_controller_op *creation; /* in the call's arena, NULL: nothing to create */
};

struct creation {
    struct weir_controller_op op;
    struct beating *beating;
};

/* ---- The answer ---- */

static bool fill_tasks(struct weir_call *call, const struct weir_streams_task_list *from,
                       tasks_t *out)
{
    if (!from->is_given)
        return true;
    out->items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_heartbeat_response_task_ids, from->count);
    if (out->items == NULL)
        return false;
    out->count = (int32_t)from->count;
    for (size_t i = 0; i < from->count; i++) {
        weir_streams_group_heartbeat_response_task_ids_init(&out->items[i]);
        out->items[i].subtopology_id = from->items[i].subtopology_id;
        out->items[i].partitions.items = (int32_t *)(uintptr_t)from->items[i].partitions;
        out->items[i].partitions.count = (int32_t)from->items[i].partition_count;
    }
    return true;
}

static bool fill_partitions(struct weir_call *call, const struct weir_streams_partitions *from,
                            size_t count, partitions_t *out)
{
    out->items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_heartbeat_response_topic_partition, count);
    if (out->items == NULL)
        return false;
    out->count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        weir_streams_group_heartbeat_response_topic_partition_init(&out->items[i]);
        out->items[i].topic = from[i].topic;
        out->items[i].partitions.items = (int32_t *)(uintptr_t)from[i].partitions;
        out->items[i].partitions.count = (int32_t)from[i].partition_count;
    }
    return true;
}

static bool fill_endpoints(struct weir_call *call, const struct weir_streams_heartbeat *heartbeat,
                           response_t *response)
{
    if (!heartbeat->has_endpoints)
        return true;
    struct weir_streams_group_heartbeat_response_endpoint_to_partitions *items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_heartbeat_response_endpoint_to_partitions,
                        heartbeat->endpoint_count);
    bool has_memory = items != NULL;
    for (size_t i = 0; i < heartbeat->endpoint_count && has_memory; i++) {
        const struct weir_streams_endpoint_partitions *from = &heartbeat->endpoints[i];
        weir_streams_group_heartbeat_response_endpoint_to_partitions_init(&items[i]);
        items[i].user_endpoint.host = from->endpoint.host;
        items[i].user_endpoint.port = from->endpoint.port;
        has_memory =
            fill_partitions(call, from->active, from->active_count, &items[i].active_partitions) &&
            fill_partitions(call, from->standby, from->standby_count, &items[i].standby_partitions);
    }
    response->partitions_by_user_endpoint.items = items;
    response->partitions_by_user_endpoint.count = (int32_t)heartbeat->endpoint_count;
    return has_memory;
}

/* "; Creation failed: a (why), b (why) and 2 more."; the text as it was when nothing did. */
static struct weir_slice with_creation_errors(struct weir_call *call, struct weir_slice text,
                                              const struct weir_controller_op *op)
{
    size_t failed = 0;
    struct weir_slice list = WEIR_EMPTY_SLICE;
    for (size_t i = 0; i < op->create_topics.topic_count; i++) {
        const struct weir_new_topic *topic = &op->create_topics.topics[i];
        const struct weir_controller_result *result =
            op->result.status != WEIR_OK ? &op->result : &topic->result;
        if (result->status == WEIR_OK || result->status == WEIR_TOPIC_ALREADY_EXISTS)
            continue;
        WEIR_LOG_WARN(call->api->options.log, "streams_topic_not_created",
                      WEIR_BYTES("topic", topic->name),
                      WEIR_STR("status", weir_status_name(result->status)),
                      WEIR_BYTES("why", result->message));
        struct weir_slice why = weir_slice_is_null(result->message)
                                    ? weir_slice_str(weir_status_name(result->status))
                                    : result->message;
        if (failed++ < CREATION_ERRORS_MAX)
            list = weir_arena_printf(call->arena, "%.*s%s%.*s (%.*s)", WEIR_SLICE_ARGS(list),
                                     list.size == 0 ? "" : ", ", WEIR_SLICE_ARGS(topic->name),
                                     WEIR_SLICE_ARGS(why));
    }
    if (failed == 0)
        return text;
    if (failed > CREATION_ERRORS_MAX)
        list = weir_arena_printf(call->arena, "%.*s and %zu more", WEIR_SLICE_ARGS(list),
                                 failed - CREATION_ERRORS_MAX);
    struct weir_slice all = weir_arena_printf(call->arena, "%.*s; Creation failed: %.*s.",
                                              WEIR_SLICE_ARGS(text), WEIR_SLICE_ARGS(list));
    return weir_slice_is_null(all) ? text : all;
}

static bool fill_statuses(struct weir_call *call, const struct beating *beating,
                          response_t *response)
{
    const struct weir_streams_heartbeat *heartbeat = &beating->heartbeat;
    response->status.items = WEIR_CALL_ALLOC(
        call, struct weir_streams_group_heartbeat_response_status, heartbeat->status_count);
    if (response->status.items == NULL)
        return false;
    response->status.count = (int32_t)heartbeat->status_count;
    for (size_t i = 0; i < heartbeat->status_count; i++) {
        struct weir_streams_group_heartbeat_response_status *status = &response->status.items[i];
        weir_streams_group_heartbeat_response_status_init(status);
        status->status_code = (int8_t)heartbeat->statuses[i].code;
        status->status_detail = heartbeat->statuses[i].detail;
        if (beating->creation != NULL &&
            heartbeat->statuses[i].code == WEIR_STREAMS_MISSING_INTERNAL_TOPICS)
            status->status_detail =
                with_creation_errors(call, status->status_detail, beating->creation);
    }
    return true;
}

static void respond_error(struct weir_call *call, enum weir_status status,
                          struct weir_slice message)
{
    response_t response;
    weir_streams_group_heartbeat_response_init(&response);
    response.error_code = weir_code(status);
    response.error_message = message;
    response.member_id = WEIR_EMPTY_SLICE;
    weir_call_respond(call, &response);
}

static void drop(struct beating *beating)
{
    weir_group_op_free(&beating->heartbeat.op);
    weir_free(beating);
}

static void respond(struct weir_call *call, struct beating *beating)
{
    const struct weir_streams_heartbeat *heartbeat = &beating->heartbeat;
    response_t response;
    weir_streams_group_heartbeat_response_init(&response);
    response.member_id = heartbeat->member_id;
    response.member_epoch = heartbeat->member_epoch;
    response.heartbeat_interval_ms = heartbeat->heartbeat_interval_ms;
    response.endpoint_information_epoch = heartbeat->endpoint_information_epoch;
    if (fill_statuses(call, beating, &response) &&
        fill_tasks(call, &heartbeat->active, &response.active_tasks) &&
        fill_tasks(call, &heartbeat->standby, &response.standby_tasks) &&
        fill_tasks(call, &heartbeat->warmup, &response.warmup_tasks) &&
        fill_endpoints(call, heartbeat, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    drop(beating);
}

/* ---- Internal topics ---- */

static void created(struct weir_call *call, struct weir_controller_op *op)
{
    struct creation *creation = WEIR_CONTAINER_OF(op, struct creation, op);
    creation->beating->creation = op;
    respond(call, creation->beating);
}

static void create_missing(struct weir_call *call, struct beating *beating)
{
    const struct weir_streams_heartbeat *heartbeat = &beating->heartbeat;
    struct creation *creation = WEIR_CALL_ALLOC(call, struct creation, 1);
    struct weir_new_topic *topics =
        WEIR_CALL_ALLOC(call, struct weir_new_topic, heartbeat->missing_count);
    bool has_memory = creation != NULL && topics != NULL;
    for (size_t i = 0; i < heartbeat->missing_count && has_memory; i++) {
        const struct weir_streams_missing_topic *missing = &heartbeat->missing[i];
        struct weir_image_config_entry *configs =
            WEIR_CALL_ALLOC(call, struct weir_image_config_entry, missing->config_count);
        has_memory = configs != NULL;
        for (size_t j = 0; j < missing->config_count && has_memory; j++)
            configs[j] = (struct weir_image_config_entry){.name = missing->configs[j].key,
                                                          .value = missing->configs[j].value};
        topics[i] = (struct weir_new_topic){.name = missing->name,
                                            .partition_count = missing->partition_count,
                                            .replication_factor = missing->replication_factor,
                                            .configs = configs,
                                            .config_count = missing->config_count};
    }
    if (!has_memory) {
        respond(call, beating); /* the next heartbeat tries again */
        return;
    }
    creation->beating = beating;
    creation->op.kind = WEIR_CONTROLLER_CREATE_TOPICS;
    creation->op.create_topics =
        (struct weir_create_topics_op){.topics = topics, .topic_count = heartbeat->missing_count};
    weir_call_control(call, &creation->op, created);
}

static void decided(struct weir_call *call, void *argument)
{
    struct beating *beating = argument;
    const struct weir_streams_heartbeat *heartbeat = &beating->heartbeat;
    if (heartbeat->op.status != WEIR_OK) {
        respond_error(call, heartbeat->op.status, heartbeat->message);
        drop(beating);
    } else if (heartbeat->missing_count > 0) {
        create_missing(call, beating);
    } else {
        respond(call, beating);
    }
}

static void on_done(struct weir_group_op *op)
{
    struct beating *beating = WEIR_CONTAINER_OF(op, struct beating, heartbeat.op);
    weir_call_resume(beating->call, decided, beating);
}

/* ---- The request ---- */

typedef struct weir_streams_group_topology_value_topic_info_array topics_t;
typedef struct weir_streams_group_topology_value_subtopology subtopology_t;

/* Both are arrays of the same strings; the record only writes them. */
static bool convert_topics(struct weir_call *call, const asked_topics_t *from, topics_t *out)
{
    out->items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_topology_value_topic_info, from->count);
    if (out->items == NULL)
        return false;
    out->count = from->count;
    for (int32_t i = 0; i < from->count; i++) {
        struct weir_streams_group_topology_value_topic_info *topic = &out->items[i];
        weir_streams_group_topology_value_topic_info_init(topic);
        topic->name = from->items[i].name;
        topic->partitions = from->items[i].partitions;
        topic->replication_factor = from->items[i].replication_factor;
        int32_t count = from->items[i].topic_configs.count;
        topic->topic_configs.items =
            WEIR_CALL_ALLOC(call, struct weir_streams_group_topology_value_topic_config, count);
        if (topic->topic_configs.items == NULL)
            return false;
        topic->topic_configs.count = count;
        for (int32_t j = 0; j < count; j++) {
            weir_streams_group_topology_value_topic_config_init(&topic->topic_configs.items[j]);
            topic->topic_configs.items[j].key = from->items[i].topic_configs.items[j].key;
            topic->topic_configs.items[j].value = from->items[i].topic_configs.items[j].value;
        }
    }
    return true;
}

static bool convert_subtopology(struct weir_call *call, const asked_t *from, subtopology_t *out)
{
    weir_streams_group_topology_value_subtopology_init(out);
    out->subtopology_id = from->subtopology_id;
    out->source_topics = from->source_topics;
    out->source_topic_regex = from->source_topic_regex;
    out->repartition_sink_topics = from->repartition_sink_topics;
    int32_t count = from->copartition_groups.count;
    out->copartition_groups.items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_topology_value_copartition_group, count);
    if (out->copartition_groups.items == NULL ||
        !convert_topics(call, &from->state_changelog_topics, &out->state_changelog_topics) ||
        !convert_topics(call, &from->repartition_source_topics, &out->repartition_source_topics))
        return false;
    out->copartition_groups.count = count;
    for (int32_t i = 0; i < count; i++) {
        struct weir_streams_group_topology_value_copartition_group *group =
            &out->copartition_groups.items[i];
        weir_streams_group_topology_value_copartition_group_init(group);
        group->source_topics = from->copartition_groups.items[i].source_topics;
        group->source_topic_regex = from->copartition_groups.items[i].source_topic_regex;
        group->repartition_source_topics =
            from->copartition_groups.items[i].repartition_source_topics;
    }
    return true;
}

static bool convert_topology(struct weir_call *call, const request_t *request,
                             struct weir_streams_heartbeat_request *out)
{
    if (request->topology == NULL)
        return true;
    struct weir_streams_group_topology_value *topology =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_topology_value, 1);
    int32_t count = request->topology->subtopologies.count;
    subtopology_t *subtopologies = WEIR_CALL_ALLOC(call, subtopology_t, count);
    if (topology == NULL || subtopologies == NULL)
        return false;
    weir_streams_group_topology_value_init(topology);
    topology->epoch = request->topology->epoch;
    topology->subtopologies.items = subtopologies;
    topology->subtopologies.count = count;
    for (int32_t i = 0; i < count; i++)
        if (!convert_subtopology(call, &request->topology->subtopologies.items[i],
                                 &subtopologies[i]))
            return false;
    out->topology = topology;
    return true;
}

static bool convert_tasks(struct weir_call *call, const asked_tasks_t *from,
                          struct weir_streams_task_list *out)
{
    if (from->count < 0)
        return true;
    struct weir_streams_task_ids *items =
        WEIR_CALL_ALLOC(call, struct weir_streams_task_ids, from->count);
    if (items == NULL)
        return false;
    for (int32_t i = 0; i < from->count; i++)
        items[i] = (struct weir_streams_task_ids){.subtopology_id = from->items[i].subtopology_id,
                                                  .partitions = from->items[i].partitions.items,
                                                  .partition_count =
                                                      (size_t)from->items[i].partitions.count};
    *out = (struct weir_streams_task_list){
        .items = items, .count = (size_t)from->count, .is_given = true};
    return true;
}

static bool convert_member(struct weir_call *call, const request_t *request,
                           struct weir_streams_heartbeat_request *out)
{
    if (request->user_endpoint != NULL) {
        struct weir_streams_endpoint *endpoint =
            WEIR_CALL_ALLOC(call, struct weir_streams_endpoint, 1);
        if (endpoint == NULL)
            return false;
        endpoint->host = request->user_endpoint->host;
        endpoint->port = request->user_endpoint->port;
        out->endpoint = endpoint;
    }
    if (request->client_tags.count >= 0) {
        struct weir_streams_tag *tags =
            WEIR_CALL_ALLOC(call, struct weir_streams_tag, request->client_tags.count);
        if (tags == NULL)
            return false;
        for (int32_t i = 0; i < request->client_tags.count; i++)
            tags[i] = (struct weir_streams_tag){.key = request->client_tags.items[i].key,
                                                .value = request->client_tags.items[i].value};
        out->tags = tags;
        out->tag_count = (size_t)request->client_tags.count;
    }
    return convert_tasks(call, &request->active_tasks, &out->active) &&
           convert_tasks(call, &request->standby_tasks, &out->standby) &&
           convert_tasks(call, &request->warmup_tasks, &out->warmup);
}

/* ---- Names ---- */

static bool is_internal(struct weir_slice name)
{
    return weir_slice_is(name, "__consumer_offsets") ||
           weir_slice_is(name, "__transaction_state") || weir_slice_is(name, "__share_group_state");
}

typedef bool name_test(struct weir_slice name);

static bool is_invalid(struct weir_slice name)
{
    return !weir_topic_name_is_valid(name);
}

/* Those of the topology's topics that the test is true for, "a,b"; empty when there are none. */
static struct weir_slice names_that(struct weir_call *call, name_test *test)
{
    const request_t *request = call->body;
    struct weir_slice list = WEIR_EMPTY_SLICE;
    for (int32_t i = 0; i < request->topology->subtopologies.count; i++) {
        const asked_t *asked = &request->topology->subtopologies.items[i];
        int32_t counts[] = {asked->source_topics.count, asked->repartition_sink_topics.count,
                            asked->repartition_source_topics.count,
                            asked->state_changelog_topics.count};
        for (size_t kind = 0; kind < WEIR_ARRAY_COUNT(counts); kind++)
            for (int32_t j = 0; j < counts[kind] && list.size < 4096; j++) {
                struct weir_slice name = kind == 0   ? asked->source_topics.items[j]
                                         : kind == 1 ? asked->repartition_sink_topics.items[j]
                                         : kind == 2
                                             ? asked->repartition_source_topics.items[j].name
                                             : asked->state_changelog_topics.items[j].name;
                if (test(name))
                    list = weir_arena_printf(
                        call->arena, "%.*s%s%.*s", WEIR_SLICE_ARGS(list), list.size == 0 ? "" : ",",
                        (int)(name.size < 1024 ? name.size : 1024), (const char *)name.data);
            }
    }
    return list;
}

/* True when the request was answered. */
static bool refuse_names(struct weir_call *call)
{
    const request_t *request = call->body;
    if (request->topology == NULL)
        return false;
    struct weir_slice names = names_that(call, is_internal);
    if (names.size > 0) {
        respond_error(call, WEIR_STREAMS_INVALID_TOPOLOGY,
                      weir_arena_printf(call->arena,
                                        "Use of Kafka internal topics %.*s in a Kafka Streams "
                                        "topology is prohibited.",
                                        WEIR_SLICE_ARGS(names)));
        return true;
    }
    names = names_that(call, is_invalid);
    if (names.size > 0)
        respond_error(call, WEIR_STREAMS_INVALID_TOPOLOGY,
                      weir_arena_printf(call->arena, "Topic names %.*s are not valid topic names.",
                                        WEIR_SLICE_ARGS(names)));
    return names.size > 0;
}

void weir_api_streams_group_heartbeat(struct weir_call *call)
{
    const request_t *request = call->body;
    if (weir_image_feature_level(call->image, "streams.version") < 1) {
        respond_error(call, WEIR_UNSUPPORTED_VERSION, WEIR_NULL_SLICE);
        return;
    }
    if (refuse_names(call))
        return;
    struct weir_streams_heartbeat_request heartbeat = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .instance_id = request->instance_id,
        .rack_id = request->rack_id,
        .client_id = weir_call_client_id(call),
        .client_host = weir_call_peer_host(call),
        .member_epoch = request->member_epoch,
        .endpoint_information_epoch = request->endpoint_information_epoch,
        .rebalance_timeout_ms = request->rebalance_timeout_ms,
        .process_id = request->process_id,
        .has_task_offsets = request->task_offsets.count >= 0,
        .has_task_end_offsets = request->task_end_offsets.count >= 0,
        .shutdown_application = request->shutdown_application};
    struct beating *beating = weir_call_state_new(sizeof(*beating), 0, 0);
    if (beating == NULL || !convert_topology(call, request, &heartbeat) ||
        !convert_member(call, request, &heartbeat)) {
        weir_free(beating);
        weir_call_close(call);
        return;
    }
    beating->call = call;
    beating->heartbeat.op.done = on_done;
    weir_group_streams_heartbeat(call->api->options.groups, &heartbeat, &beating->heartbeat);
}
