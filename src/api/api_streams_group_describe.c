/* SPDX-License-Identifier: Apache-2.0 */

/* StreamsGroupDescribe (KIP-1071). */

#include "api_int.h"
#include "call_state.h"

#include "weir/group/streams_groups.h"
#include "weir/protocol/messages/streams_group_describe_request.h"
#include "weir/protocol/messages/streams_group_describe_response.h"

typedef struct weir_streams_group_describe_request request_t;
typedef struct weir_streams_group_describe_response response_t;
typedef struct weir_streams_group_describe_response_described_group group_t;
typedef struct weir_streams_group_describe_response_subtopology subtopology_t;
typedef struct weir_streams_group_describe_response_topic_info_array topics_t;
typedef struct weir_streams_group_describe_response_member member_t;
typedef struct weir_streams_group_describe_response_assignment assignment_t;
typedef struct weir_streams_group_describe_response_task_ids_array tasks_t;

/* The service describes before it returns. */
static void on_done(struct weir_group_op *op)
{
    (void)op;
}

/* ---- All of these are false when memory is out. ---- */

static bool fill_names(struct weir_call *call, const struct weir_slice *from, size_t count,
                       struct weir_string_array *out)
{
    out->items = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    if (out->items == NULL)
        return false;
    out->count = (int32_t)count;
    for (size_t i = 0; i < count; i++)
        out->items[i] = from[i];
    return true;
}

static bool fill_topics(struct weir_call *call, const struct weir_streams_topic_description *from,
                        size_t count, topics_t *out)
{
    out->items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_describe_response_topic_info, count);
    if (out->items == NULL)
        return false;
    out->count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct weir_streams_group_describe_response_topic_info *topic = &out->items[i];
        weir_streams_group_describe_response_topic_info_init(topic);
        topic->name = from[i].name;
        topic->partitions = from[i].partition_count;
        topic->replication_factor = from[i].replication_factor;
        topic->topic_configs.items = WEIR_CALL_ALLOC(
            call, struct weir_streams_group_describe_response_key_value, from[i].config_count);
        if (topic->topic_configs.items == NULL)
            return false;
        topic->topic_configs.count = (int32_t)from[i].config_count;
        for (size_t j = 0; j < from[i].config_count; j++) {
            weir_streams_group_describe_response_key_value_init(&topic->topic_configs.items[j]);
            topic->topic_configs.items[j].key = from[i].configs[j].key;
            topic->topic_configs.items[j].value = from[i].configs[j].value;
        }
    }
    return true;
}

static bool fill_topology(struct weir_call *call, const struct weir_streams_describe *describe,
                          group_t *group)
{
    size_t count = describe->subtopology_count;
    struct weir_streams_group_describe_response_topology *topology =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_describe_response_topology, 1);
    subtopology_t *items = WEIR_CALL_ALLOC(call, subtopology_t, count);
    bool has_memory = topology != NULL && items != NULL;
    for (size_t i = 0; i < count && has_memory; i++) {
        const struct weir_streams_subtopology_description *from = &describe->subtopologies[i];
        weir_streams_group_describe_response_subtopology_init(&items[i]);
        items[i].subtopology_id = from->id;
        has_memory = fill_names(call, from->source_topics, from->source_topic_count,
                                &items[i].source_topics) &&
                     fill_names(call, from->sink_topics, from->sink_topic_count,
                                &items[i].repartition_sink_topics) &&
                     fill_topics(call, from->changelogs, from->changelog_count,
                                 &items[i].state_changelog_topics) &&
                     fill_topics(call, from->repartition_sources, from->repartition_source_count,
                                 &items[i].repartition_source_topics);
    }
    if (!has_memory)
        return false;
    weir_streams_group_describe_response_topology_init(topology);
    topology->epoch = describe->topology_epoch;
    topology->subtopologies.items = items;
    topology->subtopologies.count = (int32_t)count;
    group->topology = topology;
    return true;
}

static bool fill_tasks(struct weir_call *call, const struct weir_streams_task_list *from,
                       tasks_t *out)
{
    out->items =
        WEIR_CALL_ALLOC(call, struct weir_streams_group_describe_response_task_ids, from->count);
    if (out->items == NULL)
        return false;
    out->count = (int32_t)from->count;
    for (size_t i = 0; i < from->count; i++) {
        weir_streams_group_describe_response_task_ids_init(&out->items[i]);
        out->items[i].subtopology_id = from->items[i].subtopology_id;
        out->items[i].partitions.items = (int32_t *)(uintptr_t)from->items[i].partitions;
        out->items[i].partitions.count = (int32_t)from->items[i].partition_count;
    }
    return true;
}

static bool fill_assignment(struct weir_call *call,
                            const struct weir_streams_assignment_description *from,
                            assignment_t *out)
{
    return fill_tasks(call, &from->active, &out->active_tasks) &&
           fill_tasks(call, &from->standby, &out->standby_tasks) &&
           fill_tasks(call, &from->warmup, &out->warmup_tasks);
}

static bool fill_member(struct weir_call *call, const struct weir_streams_member_description *from,
                        member_t *member)
{
    weir_streams_group_describe_response_member_init(member);
    member->member_id = from->member_id;
    member->member_epoch = from->member_epoch;
    member->instance_id = from->instance_id;
    member->rack_id = from->rack_id;
    member->client_id = from->client_id;
    member->client_host = from->client_host;
    member->topology_epoch = from->topology_epoch;
    member->process_id = from->process_id;
    if (from->endpoint != NULL) {
        struct weir_streams_group_describe_response_endpoint *endpoint =
            WEIR_CALL_ALLOC(call, struct weir_streams_group_describe_response_endpoint, 1);
        if (endpoint == NULL)
            return false;
        weir_streams_group_describe_response_endpoint_init(endpoint);
        endpoint->host = from->endpoint->host;
        endpoint->port = from->endpoint->port;
        member->user_endpoint = endpoint;
    }
    member->client_tags.items = WEIR_CALL_ALLOC(
        call, struct weir_streams_group_describe_response_key_value, from->tag_count);
    if (member->client_tags.items == NULL)
        return false;
    member->client_tags.count = (int32_t)from->tag_count;
    for (size_t i = 0; i < from->tag_count; i++) {
        weir_streams_group_describe_response_key_value_init(&member->client_tags.items[i]);
        member->client_tags.items[i].key = from->tags[i].key;
        member->client_tags.items[i].value = from->tags[i].value;
    }
    return fill_assignment(call, &from->assignment, &member->assignment) &&
           fill_assignment(call, &from->target, &member->target_assignment);
}

static bool fill_group(struct weir_call *call, const struct weir_streams_describe *describe,
                       group_t *group)
{
    const request_t *request = call->body;
    group->error_code = weir_code(describe->op.status);
    if (describe->op.status != WEIR_OK) {
        group->error_message = describe->message;
        return true;
    }
    group->group_state = describe->state;
    group->group_epoch = describe->group_epoch;
    group->assignment_epoch = describe->assignment_epoch;
    if (request->include_authorized_operations)
        group->authorized_operations = weir_group_operations();
    group->members.items = WEIR_CALL_ALLOC(call, member_t, describe->member_count);
    if (group->members.items == NULL || !fill_topology(call, describe, group))
        return false;
    group->members.count = (int32_t)describe->member_count;
    for (size_t i = 0; i < describe->member_count; i++)
        if (!fill_member(call, &describe->members[i], &group->members.items[i]))
            return false;
    return true;
}

/* One group after the other; the descriptions stay until the response, which borrows from them, is
 * encoded. */
void weir_api_streams_group_describe(struct weir_call *call)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->group_ids.count;
    const bool is_supported = weir_image_feature_level(call->image, "streams.version") >= 1;
    response_t response;
    weir_streams_group_describe_response_init(&response);
    response.groups.items = WEIR_CALL_ALLOC(call, group_t, count);
    struct weir_streams_describe *describes = weir_call_state_new(1, count, sizeof(*describes));
    bool has_memory = response.groups.items != NULL && describes != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        group_t *group = &response.groups.items[response.groups.count++];
        weir_streams_group_describe_response_described_group_init(group);
        group->group_id = request->group_ids.items[i];
        group->group_state = WEIR_EMPTY_SLICE;
        if (!is_supported) {
            group->error_code = weir_code(WEIR_UNSUPPORTED_VERSION);
            continue;
        }
        describes[i].op.done = on_done;
        weir_group_streams_describe(call->api->options.groups, group->group_id, &describes[i]);
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
