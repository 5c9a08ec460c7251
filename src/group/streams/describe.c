/* SPDX-License-Identifier: Apache-2.0 */

/* StreamsGroupDescribe.  Internal topics are described with what was decided for them while the
 * topology is valid, otherwise as the application gave them. */

#include "streams_int.h"

#include <stdlib.h>

struct describing {
    const struct streams_group *group;
    struct weir_arena *arena;
    bool is_out_of_memory;
};

static struct weir_slice keep(struct describing *describing, struct weir_slice text)
{
    struct weir_slice copy = WEIR_EMPTY_SLICE;
    if (weir_arena_copy(describing->arena, text, &copy) != WEIR_OK)
        describing->is_out_of_memory = true;
    return copy;
}

static void *allocate(struct describing *describing, size_t count, size_t size)
{
    void *memory = weir_arena_calloc(describing->arena, count, size);
    if (memory == NULL)
        describing->is_out_of_memory = true;
    return memory;
}

/* ---- Topology ---- */

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

static const struct weir_slice *names(struct describing *describing, struct weir_string_array from,
                                      size_t *out_count)
{
    struct weir_slice *items = allocate(describing, (size_t)from.count, sizeof(*items));
    *out_count = 0;
    for (int32_t i = 0; i < from.count && items != NULL; i++)
        items[(*out_count)++] = keep(describing, from.items[i]);
    if (*out_count > 1)
        qsort(items, *out_count, sizeof(*items), compare_names);
    return items;
}

static int compare_topics(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_streams_topic_description *)a)->name,
                              ((const struct weir_streams_topic_description *)b)->name);
}

static const struct weir_streams_topic_description *
topics(struct describing *describing,
       const struct weir_streams_group_topology_value_topic_info_array *from, size_t *out_count)
{
    struct weir_streams_topic_description *items =
        allocate(describing, (size_t)from->count, sizeof(*items));
    const struct streams_configured *configured = describing->group->configured;
    *out_count = 0;
    for (int32_t i = 0; i < from->count && items != NULL; i++) {
        const topic_value *topic = &from->items[i];
        struct weir_streams_topic_description *out = &items[(*out_count)++];
        out->name = keep(describing, topic->name);
        out->partition_count = configured != NULL && configured->is_ready
                                   ? streams_decided_count(configured, topic)
                                   : topic->partitions;
        out->replication_factor = topic->replication_factor;
        size_t config_count = (size_t)topic->topic_configs.count;
        struct weir_streams_group_topology_value_topic_config *configs =
            allocate(describing, config_count, sizeof(*configs));
        for (size_t j = 0; j < config_count && configs != NULL; j++) {
            configs[j].key = keep(describing, topic->topic_configs.items[j].key);
            configs[j].value = keep(describing, topic->topic_configs.items[j].value);
        }
        out->configs = configs;
        out->config_count = configs == NULL ? 0 : config_count;
    }
    if (*out_count > 1)
        qsort(items, *out_count, sizeof(*items), compare_topics);
    return items;
}

static int compare_subtopologies(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_streams_subtopology_description *)a)->id,
                              ((const struct weir_streams_subtopology_description *)b)->id);
}

static void describe_topology(struct describing *describing, struct weir_streams_describe *describe)
{
    const topology_value *topology = &describing->group->topology;
    size_t count = (size_t)topology->subtopologies.count;
    struct weir_streams_subtopology_description *items =
        allocate(describing, count, sizeof(*items));
    for (size_t i = 0; i < count && items != NULL; i++) {
        const subtopology_value *from = &topology->subtopologies.items[i];
        struct weir_streams_subtopology_description *out = &items[i];
        out->id = keep(describing, from->subtopology_id);
        out->source_topics = names(describing, from->source_topics, &out->source_topic_count);
        out->sink_topics = names(describing, from->repartition_sink_topics, &out->sink_topic_count);
        out->changelogs = topics(describing, &from->state_changelog_topics, &out->changelog_count);
        out->repartition_sources =
            topics(describing, &from->repartition_source_topics, &out->repartition_source_count);
    }
    if (count > 1 && items != NULL)
        qsort(items, count, sizeof(*items), compare_subtopologies);
    describe->topology_epoch = topology->epoch;
    describe->subtopologies = items;
    describe->subtopology_count = items == NULL ? 0 : count;
}

/* ---- Members ---- */

static void describe_tasks(struct describing *describing, const struct streams_tuple *from,
                           struct weir_streams_assignment_description *out)
{
    if (tasks_to_list(&from->active, describing->arena, &out->active) != WEIR_OK ||
        tasks_to_list(&from->standby, describing->arena, &out->standby) != WEIR_OK ||
        tasks_to_list(&from->warmup, describing->arena, &out->warmup) != WEIR_OK)
        describing->is_out_of_memory = true;
}

static void describe_metadata(struct describing *describing,
                              const struct weir_streams_group_member_metadata_value *from,
                              struct weir_streams_member_description *out)
{
    out->instance_id = keep(describing, from->instance_id);
    out->rack_id = keep(describing, from->rack_id);
    out->client_id = keep(describing, from->client_id);
    out->client_host = keep(describing, from->client_host);
    out->topology_epoch = from->topology_epoch;
    out->process_id = keep(describing, from->process_id);
    if (from->user_endpoint != NULL) {
        struct weir_streams_endpoint *endpoint = allocate(describing, 1, sizeof(*endpoint));
        if (endpoint != NULL) {
            endpoint->host = keep(describing, from->user_endpoint->host);
            endpoint->port = from->user_endpoint->port;
        }
        out->endpoint = endpoint;
    }
    size_t tag_count = (size_t)from->client_tags.count;
    struct weir_streams_tag *tags = allocate(describing, tag_count, sizeof(*tags));
    for (size_t i = 0; i < tag_count && tags != NULL; i++) {
        tags[i].key = keep(describing, from->client_tags.items[i].key);
        tags[i].value = keep(describing, from->client_tags.items[i].value);
    }
    out->tags = tags;
    out->tag_count = tags == NULL ? 0 : tag_count;
}

static void describe_members(struct describing *describing, struct weir_streams_describe *describe)
{
    const struct streams_group *group = describing->group;
    size_t count = group->members.count;
    struct weir_streams_member_description *items = allocate(describing, count, sizeof(*items));
    struct streams_member **members;
    if (items == NULL || streams_members_sorted(group, describing->arena, &members) != WEIR_OK) {
        describing->is_out_of_memory = true;
        return;
    }
    static const struct streams_tuple none = {0};
    for (size_t i = 0; i < count; i++) {
        const struct streams_target *target = weir_map_get(&group->targets, members[i]->id);
        items[i].member_id = keep(describing, members[i]->id);
        items[i].member_epoch = members[i]->current.epoch;
        describe_metadata(describing, &members[i]->metadata, &items[i]);
        describe_tasks(describing, &members[i]->current.assigned, &items[i].assignment);
        describe_tasks(describing, target == NULL ? &none : &target->tasks, &items[i].target);
    }
    describe->members = items;
    describe->member_count = count;
}

void streams_describe(struct group_machine *machine, struct weir_slice group_id,
                      struct weir_streams_describe *describe)
{
    struct group *base = machine_group(machine, group_id);
    describe->op.status = WEIR_OK;
    if (base == NULL || !group_is(base, GROUP_STREAMS)) {
        describe->op.status = WEIR_GROUP_ID_NOT_FOUND;
        describe->message = weir_arena_printf(&describe->op.arena,
                                              base == NULL ? "Group %.*s not found."
                                                           : "Group %.*s is not a streams group.",
                                              WEIR_SLICE_ARGS(group_id));
        return;
    }
    const struct streams_group *group = streams_of(base);
    struct describing describing = {.group = group, .arena = &describe->op.arena};
    describe->state = weir_slice_str(streams_state_name(group));
    describe->group_epoch = group->epoch;
    describe->assignment_epoch = group->assignment_epoch;
    if (!group->has_topology) {
        describe->op.status = WEIR_UNKNOWN_SERVER_ERROR;
        describe->message = WEIR_SLICE("There should always be a topology for a streams group.");
        return;
    }
    describe_topology(&describing, describe);
    describe_members(&describing, describe);
    if (describing.is_out_of_memory)
        describe->op.status = WEIR_UNKNOWN_SERVER_ERROR;
}
