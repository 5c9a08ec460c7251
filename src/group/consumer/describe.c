/* SPDX-License-Identifier: Apache-2.0 */

/* ConsumerGroupDescribe. */

#include "consumer_int.h"

static enum weir_status describe_names(const struct member_data *member, struct weir_arena *arena,
                                       struct weir_group_consumer_member *out)
{
    struct weir_slice *names = weir_arena_calloc(arena, member->topic_count + 1, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < member->topic_count; i++) {
        if (weir_arena_copy(arena, member->topics[i], &names[i]) != WEIR_OK)
            return WEIR_NO_MEMORY;
    }
    out->topic_names = names;
    out->topic_name_count = member->topic_count;
    return WEIR_OK;
}

/* All that the member holds: also what it has still to give up. */
static enum weir_status held_by(const struct member_data *member, struct weir_arena *arena,
                                struct partition_set *out)
{
    const struct partition_set *sets[] = {&member->assigned, &member->revoking};
    if (partition_set_room(arena, member->assigned.count + member->revoking.count, out) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(sets); i++) {
        for (size_t j = 0; j < sets[i]->count; j++)
            out->items[out->count++] = sets[i]->items[j];
    }
    partition_set_normalise(out);
    return WEIR_OK;
}

static enum weir_status describe_member(const struct consumer_group *group,
                                        const struct member_data *member, struct weir_arena *arena,
                                        struct weir_group_consumer_member *out)
{
    const struct weir_image *image = group->base.machine->image;
    struct partition_set target = consumer_target_of(group, member->id);
    struct partition_set held;
    *out = (struct weir_group_consumer_member){
        .member_epoch = member->epoch,
        .type = member->is_classic ? WEIR_GROUP_MEMBER_CLASSIC : WEIR_GROUP_MEMBER_CONSUMER};
    const struct {
        struct weir_slice from;
        struct weir_slice *to;
    } copies[] = {{member->id, &out->member_id},
                  {member->instance_id, &out->instance_id},
                  {member->rack_id, &out->rack_id},
                  {member->client_id, &out->client_id},
                  {member->client_host, &out->client_host},
                  {member->regex.size == 0 ? WEIR_EMPTY_SLICE : member->regex, &out->topic_regex}};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(copies) && status == WEIR_OK; i++)
        status = weir_arena_copy(arena, copies[i].from, copies[i].to);
    if (status == WEIR_OK)
        status = describe_names(member, arena, out);
    if (status == WEIR_OK)
        status = held_by(member, arena, &held);
    if (status == WEIR_OK)
        status = partition_set_to_answer(&held, image, arena, &out->assignment,
                                         &out->assignment_count);
    if (status == WEIR_OK)
        status = partition_set_to_answer(&target, image, arena, &out->target, &out->target_count);
    return status;
}

static struct weir_slice preferred_assignor(const struct consumer_group *group)
{
    size_t votes[WEIR_ASSIGNOR_COUNT] = {0};
    consumer_count_votes(group, votes);
    return weir_slice_str(weir_assignor_name(consumer_elect_assignor(group->base.machine, votes)));
}

void consumer_describe(struct group_machine *machine, struct weir_slice group_id,
                       struct weir_group_consumer_describe *describe)
{
    struct weir_arena *arena = &describe->op.arena;
    const struct group *found = machine_group(machine, group_id);
    if (found == NULL || !group_is(found, GROUP_CONSUMER)) {
        describe->op.status = WEIR_GROUP_ID_NOT_FOUND;
        describe->state = WEIR_SLICE("Dead");
        describe->message =
            weir_arena_printf(arena, "Group %.*s %s", WEIR_SLICE_ARGS(group_id),
                              found == NULL ? "not found." : "is not a consumer group.");
        return;
    }
    const struct consumer_group *group = consumer_of_const(found);
    describe->op.status = WEIR_OK;
    describe->state = weir_slice_str(consumer_state_name(group));
    describe->group_epoch = group->epoch;
    describe->assignment_epoch = group->assignment_epoch;
    struct consumer_member **members = consumer_sorted_members(group, arena);
    describe->members =
        weir_arena_calloc(arena, group->members.count + 1, sizeof(*describe->members));
    enum weir_status status =
        members == NULL || describe->members == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = weir_arena_copy(arena, preferred_assignor(group), &describe->assignor);
    for (size_t i = 0; status == WEIR_OK && i < group->members.count; i++)
        status = describe_member(group, &members[i]->data, arena,
                                 &describe->members[describe->member_count++]);
    if (status != WEIR_OK)
        describe->op.status = WEIR_UNKNOWN_SERVER_ERROR;
}
