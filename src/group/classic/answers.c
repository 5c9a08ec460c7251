/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Filling in answers, and where they wait.
 *
 * A1  an op is completed exactly once: it is either in a member (waiting_in set), or in a write, or
 * in the step's completions, or its owner has it back.
 */

#include "classic_int.h"

#include "weir/base/assert.h"

/* Results that cannot be stored turn the answer into an error. */
static struct weir_slice keep(struct weir_group_op *op, struct weir_slice text)
{
    struct weir_slice copy = WEIR_NULL_SLICE;
    if (weir_arena_copy(&op->arena, text, &copy) != WEIR_OK)
        op->status = WEIR_UNKNOWN_SERVER_ERROR;
    return copy;
}

void join_set_error(struct weir_group_join *join, enum weir_status status,
                    struct weir_slice member_id)
{
    join->op.status = status;
    join->generation = -1;
    join->protocol_type = WEIR_NULL_SLICE;
    join->protocol_name = WEIR_NULL_SLICE;
    join->leader = WEIR_EMPTY_SLICE;
    join->skip_assignment = false;
    join->members = NULL;
    join->member_count = 0;
    join->member_id = keep(&join->op, member_id);
    if (weir_slice_is_null(join->member_id))
        join->member_id = WEIR_EMPTY_SLICE;
}

static void set_members(struct weir_group_join *join, const struct classic_group *group)
{
    join->members = weir_arena_calloc(&join->op.arena, group->member_count, sizeof(*join->members));
    if (join->members == NULL) {
        join->op.status = WEIR_UNKNOWN_SERVER_ERROR;
        return;
    }
    WEIR_LIST_FOREACH(node, &group->members) {
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        struct weir_slice metadata = classic_member_metadata(member, group->protocol_name);
        join->members[join->member_count++] =
            (struct weir_group_join_member){.member_id = keep(&join->op, member->id),
                                            .instance_id = keep(&join->op, member->instance_id),
                                            .metadata = keep(&join->op, metadata)};
    }
}

void join_set_generation(struct weir_group_join *join, const struct classic_member *member)
{
    const struct classic_group *group = member->group;
    join->op.status = WEIR_OK;
    join->generation = group->generation;
    join->protocol_type = keep(&join->op, group->protocol_type);
    join->protocol_name = keep(&join->op, group->protocol_name);
    join->leader = keep(&join->op, group->leader == NULL ? WEIR_EMPTY_SLICE : group->leader->id);
    join->member_id = keep(&join->op, member->id);
    join->skip_assignment = false;
    join->members = NULL;
    join->member_count = 0;
    if (group->leader == member)
        set_members(join, group);
    if (join->op.status != WEIR_OK)
        join_set_error(join, join->op.status, member->id);
}

void sync_set_error(struct weir_group_sync *sync, enum weir_status status)
{
    sync->op.status = status;
    sync->protocol_type = WEIR_NULL_SLICE;
    sync->protocol_name = WEIR_NULL_SLICE;
    sync->assignment = WEIR_EMPTY_SLICE;
}

void sync_set_assignment(struct weir_group_sync *sync, const struct classic_member *member)
{
    const struct classic_group *group = member->group;
    sync->op.status = WEIR_OK;
    sync->protocol_type = keep(&sync->op, group->protocol_type);
    sync->protocol_name = keep(&sync->op, group->protocol_name);
    sync->assignment = keep(&sync->op, member->assignment);
    if (sync->op.status != WEIR_OK)
        sync_set_error(sync, sync->op.status);
}

struct weir_group_join *classic_member_take_join(struct classic_member *member)
{
    struct weir_group_join *join = member->join;
    if (join == NULL)
        return NULL;
    member->join = NULL;
    join->op.waiting_in = NULL;
    member->group->waiting_join_count--;
    return join;
}

struct weir_group_sync *classic_member_take_sync(struct classic_member *member)
{
    struct weir_group_sync *sync = member->sync;
    if (sync == NULL)
        return NULL;
    member->sync = NULL;
    sync->op.waiting_in = NULL;
    return sync;
}

void classic_member_fail_join(struct classic_member *member, enum weir_status status,
                              struct weir_slice member_id, struct weir_step *step)
{
    struct weir_group_join *join = classic_member_take_join(member);
    if (join == NULL)
        return;
    join_set_error(join, status, member_id);
    op_complete(&join->op, join->op.status, step);
}

void classic_member_fail_sync(struct classic_member *member, enum weir_status status,
                              struct weir_step *step)
{
    struct weir_group_sync *sync = classic_member_take_sync(member);
    if (sync == NULL)
        return;
    sync_set_error(sync, status);
    op_complete(&sync->op, status, step);
}

void classic_member_park_join(struct classic_member *member, struct weir_group_join *join,
                              struct weir_step *step)
{
    classic_member_fail_join(member, WEIR_REBALANCE_IN_PROGRESS, member->id, step);
    member->join = join;
    join->op.waiting_in = member;
    member->group->waiting_join_count++;
}

void classic_member_park_sync(struct classic_member *member, struct weir_group_sync *sync,
                              struct weir_step *step)
{
    classic_member_fail_sync(member, WEIR_REBALANCE_IN_PROGRESS, step);
    member->sync = sync;
    sync->op.waiting_in = member;
}
