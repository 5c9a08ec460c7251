/* SPDX-License-Identifier: Apache-2.0 */

/* What is wrong with a heartbeat whatever the group: the rules and words of Apache Kafka 4.3.0,
 * which has no static members, task offsets, warm-up tasks or source patterns yet. */

#include "streams_int.h"

static const char *unsupported(const struct weir_streams_heartbeat_request *request)
{
    if (!weir_slice_is_null(request->instance_id))
        return "Static membership is not yet supported.";
    if (request->has_task_offsets)
        return "TaskOffsets are not supported yet.";
    if (request->has_task_end_offsets)
        return "TaskEndOffsets are not supported yet.";
    if (request->warmup.is_given && request->warmup.count > 0)
        return "WarmupTasks are not supported yet.";
    for (int32_t i = 0; request->topology != NULL && i < request->topology->subtopologies.count;
         i++)
        if (request->topology->subtopologies.items[i].source_topic_regex.count > 0)
            return "Regular expressions for source topics are not supported yet.";
    return NULL;
}

/* Null is no blank. */
static bool is_blank(struct weir_slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] > ' ')
            return false;
    return !weir_slice_is_null(text);
}

static bool has_tasks(const struct weir_streams_task_list *list)
{
    return !list->is_given || list->count > 0; /* a joining member says that it has none */
}

static const char *invalid_join(const struct weir_streams_heartbeat_request *request)
{
    if (request->rebalance_timeout_ms == -1)
        return "RebalanceTimeoutMs must be provided in first request.";
    if (has_tasks(&request->active))
        return "ActiveTasks must be empty when (re-)joining.";
    if (has_tasks(&request->standby))
        return "StandbyTasks must be empty when (re-)joining.";
    if (has_tasks(&request->warmup))
        return "WarmupTasks must be empty when (re-)joining.";
    if (request->topology == NULL)
        return "Topology must be non-null when (re-)joining.";
    return NULL;
}

static const char *invalid(const struct weir_streams_heartbeat_request *request)
{
    if (is_blank(request->member_id))
        return "MemberId can't be empty.";
    if (is_blank(request->group_id))
        return "GroupId can't be empty.";
    if (is_blank(request->rack_id))
        return "RackId can't be empty.";
    if (request->member_epoch == WEIR_STREAMS_JOIN_EPOCH)
        return invalid_join(request);
    if (request->member_epoch == WEIR_STREAMS_STATIC_LEAVE_EPOCH)
        return "InstanceId can't be null.";
    return NULL;
}

static const char *invalid_lists(const struct weir_streams_heartbeat_request *request)
{
    bool any = request->active.is_given || request->standby.is_given || request->warmup.is_given;
    bool all = request->active.is_given && request->standby.is_given && request->warmup.is_given;
    if (any && !all)
        return "If one task-type is non-null, all must be non-null.";
    if (request->member_epoch != WEIR_STREAMS_JOIN_EPOCH && request->topology != NULL)
        return "Topology can only be provided when (re-)joining.";
    return NULL;
}

static enum weir_status check_changelogs(const topology_value *topology, struct weir_arena *arena,
                                         struct weir_slice *message)
{
    for (int32_t i = 0; i < topology->subtopologies.count; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        for (int32_t j = 0; j < subtopology->state_changelog_topics.count; j++) {
            const topic_value *topic = &subtopology->state_changelog_topics.items[j];
            if (topic->partitions == 0)
                continue;
            *message = weir_arena_printf(
                arena,
                "Changelog topic %.*s must have an undefined partition count, but it is set to %d.",
                WEIR_SLICE_ARGS(topic->name), topic->partitions);
            return WEIR_STREAMS_INVALID_TOPOLOGY;
        }
    }
    return WEIR_OK;
}

/* weir's own bound: deciding about topics takes time with the square of their number, under the
 * shard's lock. */
#define TOPOLOGY_ITEMS_MAX 8192

static bool is_too_large(const topology_value *topology)
{
    int64_t items = topology->subtopologies.count;
    for (int32_t i = 0; i < topology->subtopologies.count && items <= TOPOLOGY_ITEMS_MAX; i++) {
        const subtopology_value *subtopology = &topology->subtopologies.items[i];
        items += subtopology->source_topics.count;
        items += subtopology->repartition_sink_topics.count;
        items += subtopology->repartition_source_topics.count;
        items += subtopology->state_changelog_topics.count;
        items += subtopology->copartition_groups.count;
        for (int32_t j = 0; j < subtopology->copartition_groups.count; j++)
            items += (int64_t)subtopology->copartition_groups.items[j].source_topics.count +
                     subtopology->copartition_groups.items[j].repartition_source_topics.count;
    }
    return items > TOPOLOGY_ITEMS_MAX;
}

/* Apache Kafka fails in its own way when a subtopology is there twice. */
static bool has_twins(const topology_value *topology)
{
    struct weir_map seen = {0};
    bool is_twice = topology->epoch < 0;
    for (int32_t i = 0; i < topology->subtopologies.count && !is_twice; i++) {
        void *replaced = NULL;
        if (weir_map_put(&seen, topology->subtopologies.items[i].subtopology_id,
                         &topology->subtopologies.items[i], &replaced) != WEIR_OK)
            break; /* out of memory: found later */
        is_twice = replaced != NULL;
    }
    weir_map_done(&seen);
    return is_twice;
}

enum weir_status streams_check_request(const struct weir_streams_heartbeat_request *request,
                                       struct weir_arena *arena, struct weir_slice *message)
{
    const char *text = unsupported(request);
    if (text == NULL)
        text = invalid(request);
    if (text == NULL && request->member_epoch == WEIR_STREAMS_JOIN_EPOCH) {
        enum weir_status status = check_changelogs(request->topology, arena, message);
        if (status != WEIR_OK)
            return status;
    }
    if (text == NULL && request->member_epoch < WEIR_STREAMS_STATIC_LEAVE_EPOCH) {
        *message =
            weir_arena_printf(arena, "MemberEpoch is %d, but must be greater than or equal to -2.",
                              request->member_epoch);
        return WEIR_INVALID_REQUEST;
    }
    if (text == NULL)
        text = invalid_lists(request);
    if (text != NULL) {
        *message = weir_slice_str(text);
        return WEIR_INVALID_REQUEST;
    }
    if (request->topology != NULL && is_too_large(request->topology)) {
        *message =
            WEIR_SLICE("The topology has more than 8192 subtopologies, topics and groups of them.");
        return WEIR_STREAMS_INVALID_TOPOLOGY;
    }
    if (request->topology != NULL && has_twins(request->topology)) {
        *message = WEIR_SLICE("The topology has a negative epoch or names a subtopology twice.");
        return WEIR_UNKNOWN_SERVER_ERROR;
    }
    return WEIR_OK;
}
