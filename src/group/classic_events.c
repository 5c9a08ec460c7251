/* SPDX-License-Identifier: Apache-2.0 */

/* JoinGroup, SyncGroup, Heartbeat and LeaveGroup: from the request to the group, which need not be
 * a classic one. */

#include "classic/classic_int.h"

#include "weir/base/assert.h"

static void fail_join(struct weir_group_join *join, enum weir_status status,
                      struct weir_slice member_id, struct weir_step *step)
{
    join_set_error(join, status, member_id);
    op_complete(&join->op, join->op.status, step);
}

/* The group for somebody who has no member id yet: a new one, maybe in the place of an empty group
 * of another kind. */
static void join_new_group(struct group_machine *machine,
                           const struct weir_group_join_request *request, const uint8_t random[16],
                           struct group *replaced, struct weir_group_join *join,
                           struct weir_step *step)
{
    struct group *group;
    const struct classic_newcomer newcomer = {.replaced = replaced};
    if (replaced != NULL)
        (void)weir_map_remove(&machine->groups, replaced->id); /* it is `replaced` */
    if (machine_add_group(machine, request->group_id, GROUP_CLASSIC, step->wall_ms, &group) ==
        WEIR_OK) {
        classic_join(classic_of(group), request, random, &newcomer, join, step);
        return;
    }
    /* There is room: it was there before. */
    if (replaced != NULL && weir_map_put(&machine->groups, replaced->id, replaced, NULL) != WEIR_OK)
        WEIR_UNREACHABLE();
    fail_join(join, WEIR_UNKNOWN_SERVER_ERROR, request->member_id, step);
}

void event_join(struct group_machine *machine, const struct weir_group_join_request *request,
                const uint8_t random[16], struct weir_group_join *join, struct weir_step *step)
{
    struct group *group = machine_group(machine, request->group_id);
    machine->now_ms = step->now_ms;
    bool makes_room =
        group != NULL && group->ops->may_become_classic && group->ops->is_empty(group);
    if (group != NULL && !makes_room) {
        if (group->ops->join != NULL)
            group->ops->join(group, request, random, join, step);
        else
            fail_join(join, WEIR_INCONSISTENT_GROUP_PROTOCOL, WEIR_EMPTY_SLICE, step);
    } else if (request->member_id.size > 0) {
        fail_join(join, WEIR_UNKNOWN_MEMBER_ID, request->member_id, step);
    } else {
        join_new_group(machine, request, random, group, join, step);
    }
}

void event_sync(struct group_machine *machine, const struct weir_group_sync_request *request,
                struct weir_group_sync *sync, struct weir_step *step)
{
    struct group *group = machine_group(machine, request->group_id);
    if (group != NULL && group->ops->sync != NULL) {
        group->ops->sync(group, request, sync, step);
        return;
    }
    sync_set_error(sync, WEIR_UNKNOWN_MEMBER_ID);
    op_complete(&sync->op, WEIR_UNKNOWN_MEMBER_ID, step);
}

enum weir_status event_heartbeat(struct group_machine *machine,
                                 const struct weir_group_heartbeat_request *request,
                                 struct weir_step *step)
{
    struct group *group = machine_group(machine, request->group_id);
    if (group == NULL || group->ops->heartbeat == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    return group->ops->heartbeat(group, request, step);
}

void event_leave(struct group_machine *machine, struct weir_slice group_id,
                 struct weir_group_leave *leave, struct weir_step *step)
{
    struct group *group = machine_group(machine, group_id);
    if (group != NULL && group->ops->leave != NULL) {
        group->ops->leave(group, leave, step);
        return;
    }
    for (size_t i = 0; i < leave->leaver_count; i++)
        leave->leavers[i].status = WEIR_UNKNOWN_MEMBER_ID;
    leave->op.status = WEIR_OK;
    op_wait_committed(&leave->op, step);
}
