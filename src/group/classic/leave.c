/* SPDX-License-Identifier: Apache-2.0 */

/* LeaveGroup. */

#include "classic_int.h"

static void remove_leaver(struct classic_group *group, struct classic_member *member,
                          const struct weir_group_leaver *leaver, struct weir_step *step)
{
    WEIR_STEP_INFO(step, "group_member_left", WEIR_BYTES("group", group->base.id),
                   WEIR_BYTES("member", member->id),
                   WEIR_BYTES("reason", leaver->reason.size == 0 ? WEIR_SLICE("not provided")
                                                                 : leaver->reason));
    classic_remove_member(group, member, step);
}

static enum weir_status leave_one(struct classic_group *group,
                                  const struct weir_group_leaver *leaver, struct weir_step *step)
{
    if (leaver->member_id.size == 0) {
        /* An administrator removes a static member by its instance id. */
        struct classic_member *member = weir_slice_is_null(leaver->instance_id)
                                            ? NULL
                                            : classic_find_static(group, leaver->instance_id);
        if (member == NULL)
            return WEIR_UNKNOWN_MEMBER_ID;
        remove_leaver(group, member, leaver, step);
        return WEIR_OK;
    }
    struct pending_member *pending = classic_find_pending(group, leaver->member_id);
    if (pending != NULL) {
        classic_remove_pending(group, pending);
        return WEIR_OK;
    }
    enum weir_status status = classic_check_member(group, leaver->member_id, leaver->instance_id);
    if (status == WEIR_OK)
        remove_leaver(group, classic_find_member(group, leaver->member_id), leaver, step);
    return status;
}

void classic_leave(struct group *base, struct weir_group_leave *leave, struct weir_step *step)
{
    struct classic_group *group = classic_of(base);
    size_t left = 0;
    for (size_t i = 0; i < leave->leaver_count; i++) {
        struct weir_group_leaver *leaver = &leave->leavers[i];
        leaver->status = leave_one(group, leaver, step);
        if (leaver->status == WEIR_OK)
            left++;
    }
    leave->op.status = WEIR_OK;
    op_wait_committed(&leave->op, step);
    if (left == 0)
        return;
    struct weir_slice reason;
    group_reason(step, &reason, "%zu members left", left);
    rebalance_or_complete(group, reason, step);
}
