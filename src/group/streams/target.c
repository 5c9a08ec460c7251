/* SPDX-License-Identifier: Apache-2.0 */

/* A new target assignment: from the group to the assignor's plain data and back into records. */

#include "sticky.h"
#include "streams_int.h"

struct assigning {
    const struct streams_group *group; /* NULL: it has no record yet */
    const struct streams_configured *configured;
    struct weir_step *step;
    struct sticky_member *members;
    size_t member_count;
};

static enum weir_status previous_tasks(const struct assigning *assigning,
                                       const struct streams_tasks *tasks,
                                       const struct sticky_task **out, size_t *out_count)
{
    struct sticky_task *items =
        weir_arena_calloc(&assigning->step->arena, tasks->count, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < tasks->count; i++) {
        const struct streams_configured_subtopology *subtopology =
            streams_configured_find(assigning->configured, tasks->items[i].subtopology);
        if (subtopology == NULL || tasks->items[i].partition < 0 ||
            tasks->items[i].partition >= subtopology->task_count)
            continue; /* the topology no longer has it */
        items[count++] = (struct sticky_task){
            .subtopology = (uint32_t)(subtopology - assigning->configured->subtopologies),
            .partition = tasks->items[i].partition};
    }
    *out = items;
    *out_count = count;
    return WEIR_OK;
}

static const struct streams_tuple *target_of(const struct streams_group *group,
                                             struct weir_slice member_id)
{
    const struct streams_target *target =
        group == NULL ? NULL : weir_map_get(&group->targets, member_id);
    return target == NULL ? NULL : &target->tasks;
}

static enum weir_status add_member(struct assigning *assigning, struct weir_slice id,
                                   struct weir_slice process_id)
{
    struct sticky_member *member = &assigning->members[assigning->member_count++];
    *member = (struct sticky_member){.id = id, .process_id = or_empty(process_id)};
    const struct streams_tuple *target = target_of(assigning->group, id);
    if (target == NULL)
        return WEIR_OK;
    enum weir_status status =
        previous_tasks(assigning, &target->active, &member->active, &member->active_count);
    if (status == WEIR_OK)
        status =
            previous_tasks(assigning, &target->standby, &member->standby, &member->standby_count);
    return status;
}

static enum weir_status collect_members(struct assigning *assigning,
                                        const struct streams_updated *updated)
{
    size_t count = assigning->group == NULL ? 0 : assigning->group->members.count;
    struct streams_member **members = NULL;
    enum weir_status status = WEIR_OK;
    assigning->members =
        weir_arena_calloc(&assigning->step->arena, count + 1, sizeof(*assigning->members));
    if (assigning->members == NULL)
        return WEIR_NO_MEMORY;
    if (assigning->group != NULL)
        status = streams_members_sorted(assigning->group, &assigning->step->arena, &members);
    bool is_there = false;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        bool is_updated = updated != NULL && weir_slice_equal(members[i]->id, updated->id);
        is_there |= is_updated;
        status = add_member(assigning, members[i]->id,
                            is_updated ? updated->process_id : members[i]->metadata.process_id);
    }
    if (status == WEIR_OK && updated != NULL && !is_there)
        status = add_member(assigning, updated->id, updated->process_id);
    return status;
}

static enum weir_status compute(struct assigning *assigning, int32_t standby_replicas,
                                struct sticky_result **out)
{
    const struct streams_configured *configured = assigning->configured;
    struct weir_arena *arena = &assigning->step->arena;
    if (!configured->is_ready) {
        *out = weir_arena_calloc(arena, assigning->member_count, sizeof(**out));
        return *out == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    }
    struct sticky_subtopology *subtopologies =
        weir_arena_calloc(arena, configured->subtopology_count, sizeof(*subtopologies));
    if (subtopologies == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < configured->subtopology_count; i++)
        subtopologies[i] = (struct sticky_subtopology){
            .id = configured->subtopologies[i].value->subtopology_id,
            .task_count = configured->subtopologies[i].task_count,
            .is_stateful = configured->subtopologies[i].value->state_changelog_topics.count > 0};
    struct sticky_spec spec = {.subtopologies = subtopologies,
                               .subtopology_count = configured->subtopology_count,
                               .members = assigning->members,
                               .member_count = assigning->member_count,
                               .standby_replicas = standby_replicas};
    return sticky_assign(&spec, arena, out);
}

static enum weir_status result_tasks(const struct assigning *assigning,
                                     const struct sticky_task *from, size_t count,
                                     struct streams_tasks *out)
{
    if (tasks_make(&assigning->step->arena, count, out) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct streams_configured_subtopology *subtopology =
            &assigning->configured->subtopologies[from[i].subtopology];
        struct weir_slice id;
        /* The configured topology may be gone before the answer is. */
        if (i > 0 && from[i].subtopology == from[i - 1].subtopology)
            id = out->items[i - 1].subtopology;
        else if (weir_arena_copy(&assigning->step->arena, subtopology->value->subtopology_id,
                                 &id) != WEIR_OK)
            return WEIR_NO_MEMORY;
        out->items[out->count++] =
            (struct streams_task){.subtopology = id, .partition = from[i].partition};
    }
    return WEIR_OK;
}

enum weir_status streams_assign(struct weir_slice group_id, const struct streams_group *group,
                                int32_t epoch, const struct streams_updated *updated,
                                const struct streams_configured *configured,
                                int32_t standby_replicas, struct weir_step *step,
                                struct streams_tuple *out_target)
{
    struct assigning assigning = {.group = group, .configured = configured, .step = step};
    struct sticky_result *results = NULL;
    enum weir_status status = collect_members(&assigning, updated);
    if (status == WEIR_OK)
        status = compute(&assigning, standby_replicas, &results);
    for (size_t i = 0; i < assigning.member_count && status == WEIR_OK; i++) {
        struct streams_tuple tasks = {0};
        struct weir_slice id = assigning.members[i].id;
        status =
            result_tasks(&assigning, results[i].active, results[i].active_count, &tasks.active);
        if (status == WEIR_OK)
            status = result_tasks(&assigning, results[i].standby, results[i].standby_count,
                                  &tasks.standby);
        if (status != WEIR_OK)
            break;
        const struct streams_tuple *old = target_of(group, id);
        if (old == NULL || !tuple_equal(old, &tasks))
            record_streams_target(step, group_id, id, &tasks);
        if (updated != NULL && weir_slice_equal(id, updated->id))
            *out_target = tasks;
    }
    if (status != WEIR_OK)
        return status == WEIR_NO_MEMORY ? status : WEIR_UNKNOWN_SERVER_ERROR;
    record_streams_target_epoch(step, group_id, epoch, step->wall_ms);
    WEIR_STEP_INFO(step, "streams_target_assigned", WEIR_BYTES("group", group_id),
                   WEIR_I64("epoch", epoch), WEIR_I64("members", assigning.member_count),
                   WEIR_STR("assignor", "sticky"));
    return step->status;
}
