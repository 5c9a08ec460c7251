/* SPDX-License-Identifier: Apache-2.0 */

/* ShareGroupDescribe, and which partitions of a group can be described. */

#include "share_int.h"

static enum weir_status describe_names(const struct share_member *member, struct weir_arena *arena,
                                       struct weir_share_member_description *out)
{
    size_t count = (size_t)member->metadata.subscribed_topic_names.count;
    struct weir_slice *names = weir_arena_calloc(arena, count + 1, sizeof(*names));
    enum weir_status status = names == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        status =
            weir_arena_copy(arena, member->metadata.subscribed_topic_names.items[i], &names[i]);
    out->topic_names = names;
    out->topic_name_count = count;
    return status;
}

static enum weir_status describe_member(const struct share_member *member, struct weir_arena *arena,
                                        struct weir_share_member_description *out)
{
    *out = (struct weir_share_member_description){.member_epoch = member->epoch};
    const struct {
        struct weir_slice from;
        struct weir_slice *to;
    } copies[] = {{member->id, &out->member_id},
                  {member->metadata.rack_id, &out->rack_id},
                  {member->metadata.client_id, &out->client_id},
                  {member->metadata.client_host, &out->client_host}};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(copies) && status == WEIR_OK; i++)
        status = weir_arena_copy(arena, copies[i].from, copies[i].to);
    if (status == WEIR_OK)
        status = describe_names(member, arena, out);
    if (status == WEIR_OK)
        status = partition_set_to_answer(&member->assigned, member->group->base.machine->image,
                                         arena, &out->assignment, &out->assignment_count);
    return status;
}

void share_describe(struct group_machine *machine, struct weir_slice group_id,
                    struct weir_share_describe *describe)
{
    struct weir_arena *arena = &describe->op.arena;
    struct group *found = machine_group(machine, group_id);
    describe->op.status = WEIR_OK;
    if (found == NULL || !group_is(found, GROUP_SHARE)) {
        describe->op.status = WEIR_GROUP_ID_NOT_FOUND;
        describe->message = weir_arena_printf(
            arena, found == NULL ? "Group %.*s not found." : "Group %.*s is not a share group.",
            WEIR_SLICE_ARGS(group_id));
        return;
    }
    const struct share_group *group = share_of(found);
    describe->state = weir_slice_str(found->ops->state_name(found));
    describe->group_epoch = group->epoch;
    describe->assignment_epoch = group->assignment_epoch;
    describe->assignor = WEIR_SLICE("simple");
    struct share_member **members;
    enum weir_status status = share_members_sorted(group, arena, &members);
    describe->members =
        weir_arena_calloc(arena, group->members.count + 1, sizeof(*describe->members));
    if (describe->members == NULL)
        status = WEIR_NO_MEMORY;
    for (size_t i = 0; i < group->members.count && status == WEIR_OK; i++)
        status = describe_member(members[i], arena, &describe->members[describe->member_count++]);
    if (status != WEIR_OK)
        describe->op.status = WEIR_UNKNOWN_SERVER_ERROR;
}

void share_partitions(const struct group_machine *machine, struct weir_slice group_id,
                      struct weir_share_partitions *partitions)
{
    const struct share_group *group = share_group_of(machine, group_id);
    partitions->op.status = WEIR_OK;
    if (group == NULL)
        return;
    const struct share_topics *topics = &group->state.initialized;
    size_t total = 0;
    for (size_t i = 0; i < topics->count; i++)
        total += topics->items[i].count;
    struct partition_set set;
    enum weir_status status = partition_set_room(&partitions->op.arena, total, &set);
    for (size_t i = 0; i < topics->count && status == WEIR_OK; i++)
        for (size_t j = 0; j < topics->items[i].count; j++)
            set.items[set.count++] = (struct held_partition){
                .topic_id = topics->items[i].id, .partition = topics->items[i].partitions[j]};
    if (status == WEIR_OK)
        status = partition_set_to_answer(&set, machine->image, &partitions->op.arena,
                                         &partitions->topics, &partitions->topic_count);
    if (status != WEIR_OK)
        partitions->op.status = WEIR_UNKNOWN_SERVER_ERROR;
}
