/* SPDX-License-Identifier: Apache-2.0 */

/* A new target assignment: from the group to the assignor's plain data and back into records.  Only
 * partitions whose state is initialised are assigned; the assignor knows them by their place in
 * that list. */

#include "share_int.h"

#include "weir/assign/simple_assignor.h"

#include <stdlib.h>

struct targeting {
    const struct share_view *view;
    const struct share_topic **topics; /* initialised; of the view's topics, in their order */
    struct weir_step *step;
    struct weir_assign_topic *assign_topics;
    struct weir_assign_member *members;
};

static enum weir_status find_topics(struct targeting *targeting)
{
    const struct share_view *view = targeting->view;
    struct weir_arena *arena = &targeting->step->arena;
    static const struct share_topic none;
    targeting->topics =
        weir_arena_calloc(arena, view->topic_count + 1, sizeof(const struct share_topic *));
    targeting->assign_topics =
        weir_arena_calloc(arena, view->topic_count + 1, sizeof(*targeting->assign_topics));
    if (targeting->topics == NULL || targeting->assign_topics == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < view->topic_count; i++) {
        const struct share_topic *topic =
            view->group == NULL
                ? NULL
                : share_topics_find(&view->group->state.initialized, view->topics[i]->id);
        targeting->topics[i] = topic == NULL ? &none : topic;
        size_t count = targeting->topics[i]->count;
        while (count > 0 &&
               targeting->topics[i]->partitions[count - 1] >= view->topics[i]->partition_count)
            count--; /* never so, but for a record from elsewhere */
        targeting->assign_topics[i] = (struct weir_assign_topic){.id = view->topics[i]->id,
                                                                 .partition_count = (int32_t)count};
    }
    return WEIR_OK;
}

static size_t index_of_name(const struct share_view *view, struct weir_slice name)
{
    size_t low = 0;
    size_t high = view->topic_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = weir_slice_compare(view->topics[middle]->name, name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

/* SIZE_MAX: not initialised. */
static size_t place_of(const struct targeting *targeting, size_t topic, int32_t partition)
{
    for (size_t i = 0; i < (size_t)targeting->assign_topics[topic].partition_count; i++)
        if (targeting->topics[topic]->partitions[i] == partition)
            return i;
    return SIZE_MAX;
}

static enum weir_status fill_owned(const struct targeting *targeting,
                                   struct weir_assign_member *member)
{
    if (targeting->view->group == NULL)
        return WEIR_OK;
    struct weir_arena *arena = &targeting->step->arena;
    struct partition_set had = share_target_of(targeting->view->group, member->member_id);
    int32_t *places = weir_arena_calloc(arena, had.count + 1, sizeof(*places));
    struct weir_assign_partitions *owned =
        weir_arena_calloc(arena, member->topic_count + 1, sizeof(*owned));
    if (places == NULL || owned == NULL)
        return WEIR_NO_MEMORY;
    size_t used = 0;
    for (size_t i = 0; i < member->topic_count; i++) {
        uint32_t topic = member->topics[i];
        size_t first = used;
        for (size_t j = 0; j < had.count; j++) {
            if (!weir_uuid_equal(had.items[j].topic_id, targeting->assign_topics[topic].id))
                continue;
            size_t place = place_of(targeting, topic, had.items[j].partition);
            if (place != SIZE_MAX)
                places[used++] = (int32_t)place;
        }
        if (used > first)
            owned[member->owned_count++] = (struct weir_assign_partitions){
                .topic = topic, .partitions = places + first, .partition_count = used - first};
    }
    member->owned = owned;
    return WEIR_OK;
}

static enum weir_status fill_member(const struct targeting *targeting,
                                    const struct share_view_member *from,
                                    struct weir_assign_member *out)
{
    uint32_t *topics =
        weir_arena_calloc(&targeting->step->arena, from->name_count + 1, sizeof(*topics));
    if (topics == NULL)
        return WEIR_NO_MEMORY;
    *out = (struct weir_assign_member){.member_id = from->id, .topics = topics};
    for (size_t i = 0; i < from->name_count; i++) {
        size_t index = index_of_name(targeting->view, from->names[i]);
        if (index != SIZE_MAX && targeting->assign_topics[index].partition_count > 0)
            topics[out->topic_count++] = (uint32_t)index;
    }
    return fill_owned(targeting, out);
}

static bool is_heterogeneous(const struct targeting *targeting)
{
    const struct share_view *view = targeting->view;
    for (size_t i = 1; i < view->member_count; i++) {
        if (view->members[i].name_count != view->members[0].name_count)
            return true;
        for (size_t j = 0; j < view->members[i].name_count; j++)
            if (!weir_slice_equal(view->members[i].names[j], view->members[0].names[j]))
                return true;
    }
    return false;
}

static enum weir_status result_set(const struct targeting *targeting,
                                   const struct weir_assign_member_result *result,
                                   struct partition_set *out)
{
    enum weir_status status =
        partition_set_room(&targeting->step->arena, result->partition_count, out);
    for (size_t i = 0; i < result->topic_count && status == WEIR_OK; i++) {
        const struct weir_assign_partitions *topic = &result->topics[i];
        for (size_t j = 0; j < topic->partition_count; j++)
            out->items[out->count++] = (struct held_partition){
                .topic_id = targeting->assign_topics[topic->topic].id,
                .partition = targeting->topics[topic->topic]->partitions[topic->partitions[j]]};
    }
    if (status == WEIR_OK)
        partition_set_normalise(out);
    return status;
}

static enum weir_status compute(struct targeting *targeting, struct weir_assignment *out)
{
    const struct share_view *view = targeting->view;
    targeting->members = weir_arena_calloc(&targeting->step->arena, view->member_count + 1,
                                           sizeof(*targeting->members));
    if (targeting->members == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = find_topics(targeting);
    for (size_t i = 0; i < view->member_count && status == WEIR_OK; i++)
        status = fill_member(targeting, &view->members[i], &targeting->members[i]);
    struct weir_assign_spec spec = {.topics = targeting->assign_topics,
                                    .topic_count = view->topic_count,
                                    .members = targeting->members,
                                    .member_count = view->member_count,
                                    .is_heterogeneous = is_heterogeneous(targeting)};
    return status == WEIR_OK ? weir_assign_simple(&spec, &targeting->step->arena, out) : status;
}

enum weir_status share_assign(struct weir_slice group_id, const struct share_view *view,
                              int32_t epoch, struct weir_slice id, struct weir_step *step,
                              struct partition_set *out_target)
{
    struct targeting targeting = {.view = view, .step = step};
    struct weir_assignment result = {0};
    enum weir_status status = compute(&targeting, &result);
    for (size_t i = 0; i < view->member_count && status == WEIR_OK; i++) {
        struct weir_slice member_id = view->members[i].id;
        struct partition_set set;
        status = result_set(&targeting, &result.members[i], &set);
        if (status != WEIR_OK)
            break;
        bool had = view->group != NULL && weir_map_get(&view->group->targets, member_id) != NULL;
        struct partition_set before =
            had ? share_target_of(view->group, member_id) : (struct partition_set){0};
        if (!had || !partition_set_same(&before, &set))
            record_share_target(step, group_id, member_id, &set);
        if (weir_slice_equal(member_id, id))
            *out_target = set;
    }
    if (status != WEIR_OK)
        return status == WEIR_NO_MEMORY ? status : WEIR_UNKNOWN_SERVER_ERROR;
    record_share_target_epoch(step, group_id, epoch, step->wall_ms);
    WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_DEBUG, "group_target_assignment",
                  WEIR_BYTES("group", group_id), WEIR_I64("epoch", epoch),
                  WEIR_STR("assignor", "simple"), WEIR_I64("members", view->member_count),
                  WEIR_I64("topics", view->topic_count));
    return step->status;
}

static bool is_assigned(const struct share_group *group, struct weir_uuid topic_id,
                        int32_t partition)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->targets, &cursor)) != NULL) {
        const struct share_target *target = entry->value;
        if (partition_set_find(&target->partitions, topic_id, partition) != NULL)
            return true;
    }
    return false;
}

static size_t assigned_count(const struct share_group *group, struct weir_uuid topic_id)
{
    size_t count = 0; /* partitions that are assigned beyond those that are initialised */
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->targets, &cursor)) != NULL) {
        const struct share_target *target = entry->value;
        for (size_t i = 0; i < target->partitions.count; i++)
            if (weir_uuid_equal(target->partitions.items[i].topic_id, topic_id) &&
                (size_t)target->partitions.items[i].partition >= count)
                count = (size_t)target->partitions.items[i].partition + 1;
    }
    return count;
}

bool share_assignment_is_pending(const struct share_group *group)
{
    const struct share_topics *initialized = &group->state.initialized;
    for (size_t i = 0; i < initialized->count && group->members.count > 0; i++) {
        const struct share_topic *topic = &initialized->items[i];
        if (!share_is_subscribed(group, topic->name))
            continue;
        for (size_t j = 0; j < topic->count; j++)
            if (!is_assigned(group, topic->id, topic->partitions[j]))
                return true;
        size_t room = topic->count == 0 ? 0 : (size_t)topic->partitions[topic->count - 1] + 1;
        if (assigned_count(group, topic->id) > room)
            return true;
    }
    return false;
}
