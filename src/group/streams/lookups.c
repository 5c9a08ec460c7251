/* SPDX-License-Identifier: Apache-2.0 */

/* What a heartbeat reads from the metadata image: the hash of the group's topics, and which
 * partitions can be asked for at which member. */

#include "streams_int.h"

#include "weir/assign/metadata_hash.h"

/* ---- Hash ---- */

static enum weir_status partition_racks(const struct weir_image *image,
                                        const struct weir_image_partition *partition,
                                        struct weir_arena *arena, struct weir_hash_partition *out)
{
    struct weir_slice *racks = weir_arena_calloc(arena, partition->replicas.count, sizeof(*racks));
    if (racks == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < partition->replicas.count && count < WEIR_HASH_RACKS_MAX; i++) {
        const struct weir_image_broker *broker =
            weir_image_broker(image, partition->replicas.items[i]);
        if (broker != NULL && !weir_slice_is_null(broker->rack))
            racks[count++] = broker->rack;
    }
    *out = (struct weir_hash_partition){.racks = racks, .rack_count = count};
    return WEIR_OK;
}

static enum weir_status topic_hash(const struct weir_image *image,
                                   const struct weir_image_topic *topic, struct weir_arena *arena,
                                   int64_t *out)
{
    struct weir_hash_partition *partitions =
        weir_arena_calloc(arena, (size_t)topic->partition_count, sizeof(*partitions));
    if (partitions == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (partition_racks(image, topic->partitions[i], arena, &partitions[i]) != WEIR_OK)
            return WEIR_NO_MEMORY;
    struct weir_hash_topic hashed = {.id = topic->id,
                                     .name = topic->name,
                                     .partition_count = topic->partition_count,
                                     .partitions = partitions};
    *out = weir_topic_hash(&hashed);
    return WEIR_OK;
}

enum weir_status streams_metadata_hash(const struct weir_image *image,
                                       const topology_value *topology, struct weir_arena *arena,
                                       int64_t *out)
{
    struct weir_slice *names;
    size_t count;
    enum weir_status status = topology_required(topology, arena, &names, &count);
    if (status != WEIR_OK)
        return status;
    struct weir_named_topic_hash *hashes = weir_arena_calloc(arena, count, sizeof(*hashes));
    if (hashes == NULL)
        return WEIR_NO_MEMORY;
    size_t found = 0;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        const struct weir_image_topic *topic = weir_image_topic(image, names[i]);
        if (topic == NULL)
            continue;
        hashes[found].name = names[i];
        status = topic_hash(image, topic, arena, &hashes[found++].hash);
    }
    if (status == WEIR_OK)
        *out = weir_group_hash(hashes, found);
    return status;
}

/* ---- Endpoints ---- */

struct building {
    const struct streams_configured *configured;
    const struct weir_image *image;
    struct weir_arena *arena; /* of the answer */
};

/* Of a topic with fewer partitions than there are tasks, the lower ones. */
static enum weir_status add_topic(const struct building *building, struct weir_slice name,
                                  const struct streams_task *tasks, size_t task_count,
                                  struct weir_streams_partitions *out, size_t *count)
{
    const struct weir_image_topic *topic = weir_image_topic(building->image, name);
    if (topic == NULL)
        return WEIR_OK;
    size_t kept =
        task_count < (size_t)topic->partition_count ? task_count : (size_t)topic->partition_count;
    int32_t *partitions = weir_arena_calloc(building->arena, kept, sizeof(*partitions));
    struct weir_slice copy;
    if (partitions == NULL || weir_arena_copy(building->arena, name, &copy) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < kept; i++)
        partitions[i] = tasks[i].partition;
    out[(*count)++] = (struct weir_streams_partitions){
        .topic = copy, .partitions = partitions, .partition_count = kept};
    return WEIR_OK;
}

static enum weir_status add_subtopology(const struct building *building,
                                        const struct streams_task *tasks, size_t task_count,
                                        struct weir_streams_partitions *out, size_t *count)
{
    const struct streams_configured_subtopology *configured =
        streams_configured_find(building->configured, tasks[0].subtopology);
    enum weir_status status = WEIR_OK;
    if (configured == NULL)
        return WEIR_OK;
    const subtopology_value *value = configured->value;
    for (int32_t i = 0; i < value->source_topics.count && status == WEIR_OK; i++)
        status = add_topic(building, value->source_topics.items[i], tasks, task_count, out, count);
    for (int32_t i = 0; i < value->repartition_source_topics.count && status == WEIR_OK; i++)
        status = add_topic(building, value->repartition_source_topics.items[i].name, tasks,
                           task_count, out, count);
    return status;
}

static enum weir_status task_topics(const struct building *building,
                                    const struct streams_tasks *tasks,
                                    const struct weir_streams_partitions **out, size_t *out_count)
{
    size_t room = 0;
    for (size_t i = 0; i < building->configured->subtopology_count; i++) {
        const subtopology_value *value = building->configured->subtopologies[i].value;
        room += (size_t)value->source_topics.count + (size_t)value->repartition_source_topics.count;
    }
    struct weir_streams_partitions *items =
        weir_arena_calloc(building->arena, room, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < tasks->count && status == WEIR_OK;) {
        size_t end = i + 1;
        while (end < tasks->count &&
               weir_slice_equal(tasks->items[end].subtopology, tasks->items[i].subtopology))
            end++;
        status = add_subtopology(building, &tasks->items[i], end - i, items, &count);
        i = end;
    }
    *out = items;
    *out_count = count;
    return status;
}

static enum weir_status add_member(const struct building *building,
                                   const struct endpoint_member *member,
                                   struct weir_streams_endpoint_partitions *out, size_t *count)
{
    if (member->metadata->user_endpoint == NULL)
        return WEIR_OK;
    struct weir_streams_endpoint_partitions *added = &out[*count];
    added->endpoint.port = member->metadata->user_endpoint->port;
    enum weir_status status = weir_arena_copy(
        building->arena, member->metadata->user_endpoint->host, &added->endpoint.host);
    if (status == WEIR_OK)
        status =
            task_topics(building, &member->assigned->active, &added->active, &added->active_count);
    if (status == WEIR_OK)
        status = task_topics(building, &member->assigned->standby, &added->standby,
                             &added->standby_count);
    if (status == WEIR_OK)
        (*count)++;
    return status;
}

enum weir_status streams_endpoints(const struct streams_group *group,
                                   const struct endpoint_member *updated,
                                   const struct streams_configured *configured,
                                   const struct weir_image *image,
                                   struct weir_streams_heartbeat *heartbeat)
{
    struct building building = {
        .configured = configured, .image = image, .arena = &heartbeat->op.arena};
    size_t member_count = group == NULL ? 0 : group->members.count;
    struct weir_streams_endpoint_partitions *items =
        weir_arena_calloc(building.arena, member_count + 1, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    struct streams_member **members = NULL;
    enum weir_status status = WEIR_OK;
    size_t count = 0;
    if (group != NULL)
        status = streams_members_sorted(group, building.arena, &members);
    for (size_t i = 0; i < member_count && status == WEIR_OK; i++) {
        struct endpoint_member member = {.metadata = &members[i]->metadata,
                                         .assigned = &members[i]->current.assigned};
        if (!weir_slice_equal(members[i]->id, updated->id))
            status = add_member(&building, &member, items, &count);
    }
    if (status == WEIR_OK)
        status = add_member(&building, updated, items, &count);
    if (status != WEIR_OK)
        return status;
    heartbeat->has_endpoints = true;
    heartbeat->endpoints = items;
    heartbeat->endpoint_count = count;
    return WEIR_OK;
}
