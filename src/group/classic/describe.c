/* SPDX-License-Identifier: Apache-2.0 */

/* DescribeGroups of a classic group. */

#include "classic_int.h"

static enum weir_status describe_members(const struct classic_group *group,
                                         struct weir_group_describe *describe)
{
    struct weir_arena *arena = &describe->op.arena;
    describe->members =
        weir_arena_calloc(arena, group->member_count + 1, sizeof(*describe->members));
    enum weir_status status = describe->members == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    WEIR_LIST_FOREACH(node, &group->members) {
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (status != WEIR_OK)
            break;
        struct weir_group_member_description *out = &describe->members[describe->member_count++];
        struct weir_slice metadata = group->state == CLASSIC_STABLE
                                         ? classic_member_metadata(member, group->protocol_name)
                                         : WEIR_EMPTY_SLICE;
        const struct {
            struct weir_slice from;
            struct weir_slice *to;
        } copies[] = {
            {member->id, &out->member_id},        {member->instance_id, &out->instance_id},
            {member->client_id, &out->client_id}, {member->client_host, &out->client_host},
            {metadata, &out->metadata},           {member->assignment, &out->assignment}};
        for (size_t i = 0; i < WEIR_ARRAY_COUNT(copies) && status == WEIR_OK; i++)
            status = weir_arena_copy(arena, copies[i].from, copies[i].to);
    }
    return status;
}

enum weir_status classic_describe(const struct group *base, struct weir_group_describe *describe)
{
    const struct classic_group *group = classic_of_const(base);
    describe->state = weir_slice_str(classic_state_name(group->state));
    describe->protocol_type = WEIR_EMPTY_SLICE;
    describe->protocol = WEIR_EMPTY_SLICE;
    enum weir_status status = WEIR_OK;
    if (!weir_slice_is_null(group->protocol_type))
        status =
            weir_arena_copy(&describe->op.arena, group->protocol_type, &describe->protocol_type);
    if (status == WEIR_OK && group->state == CLASSIC_STABLE &&
        !weir_slice_is_null(group->protocol_name))
        status = weir_arena_copy(&describe->op.arena, group->protocol_name, &describe->protocol);
    if (status == WEIR_OK)
        status = describe_members(group, describe);
    return status == WEIR_OK ? WEIR_OK : WEIR_UNKNOWN_SERVER_ERROR;
}
