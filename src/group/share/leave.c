/* SPDX-License-Identifier: Apache-2.0 */

/* How members go: they leave, or fall silent. */

#include "share_int.h"

/* When the tombstones of a fired timer are refused. */
#define RETRY_MS 500

static int shown(struct weir_slice text)
{
    return (int)(text.size < 64 ? text.size : 64);
}

enum weir_status share_fence(struct share_member *member, const char *why, struct weir_step *step)
{
    struct share_group *group = member->group;
    struct share_view view;
    int64_t hash;
    enum weir_status status =
        share_view_make(group, group->base.machine->image, member->id, NULL, &step->arena, &view);
    if (status == WEIR_OK)
        status = share_view_hash(&view, &step->arena, &hash);
    if (status != WEIR_OK)
        return status;
    struct weir_slice client = member->metadata.client_id;
    struct weir_slice reason;
    group_reason(step, &reason, "%s: %.*s, client %.*s", why, shown(member->id),
                 (const char *)member->id.data, shown(client), (const char *)client.data);
    group_rebalanced(&group->base, group->epoch + 1, group->members.count - 1, reason, step);
    tombstones_share_member(step, group->base.id, member->id);
    record_share_group(step, group->base.id, group->epoch + 1, hash);
    return step->status;
}

void share_session_fired(struct group_timer *timer, struct weir_step *step)
{
    struct share_member *member = WEIR_CONTAINER_OF(timer, struct share_member, session);
    timer_set(member->group->base.machine, timer, step->now_ms + RETRY_MS);
    if (share_fence(member, "the member's session expired", step) != WEIR_OK)
        step->status = WEIR_NO_MEMORY; /* half of it is not written */
}
