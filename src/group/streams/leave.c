/* SPDX-License-Identifier: Apache-2.0 */

/* How members go: they leave, fall silent, or do not give up tasks in time; and the timer of a new
 * group's first assignment. */

#include "streams_int.h"

/* When the tombstones of a fired timer are refused. */
#define RETRY_MS 500

void streams_fence(struct streams_member *member, const char *why, struct weir_step *step)
{
    struct streams_group *group = member->group;
    struct weir_slice client = member->metadata.client_id;
    struct weir_slice reason;
    group_reason(step, &reason, "%s: %.*s, client %.*s", why,
                 (int)(member->id.size < 64 ? member->id.size : 64), (const char *)member->id.data,
                 (int)(client.size < 64 ? client.size : 64), (const char *)client.data);
    group_rebalanced(&group->base, group->epoch + 1, group->members.count - 1, reason, step);
    tombstones_streams_member(step, group->base.id, member->id);
    record_streams_group(step, group->base.id, group->epoch + 1, group->metadata_hash,
                         group->validated_topology_epoch, group->has_standby_replicas,
                         group->standby_replicas);
}

void streams_session_fired(struct group_timer *timer, struct weir_step *step)
{
    struct streams_member *member = WEIR_CONTAINER_OF(timer, struct streams_member, session);
    timer_set(member->group->base.machine, timer, step->now_ms + RETRY_MS);
    streams_fence(member, "the member's session expired", step);
}

void streams_rebalance_fired(struct group_timer *timer, struct weir_step *step)
{
    struct streams_member *member = WEIR_CONTAINER_OF(timer, struct streams_member, rebalance);
    if (member->current.state != STREAMS_UNREVOKED)
        return; /* it was refused */
    timer_set(member->group->base.machine, timer, step->now_ms + RETRY_MS);
    streams_fence(member, "the member did not give up its tasks within the rebalance timeout",
                  step);
}

void streams_initial_fired(struct group_timer *timer, struct weir_step *step)
{
    struct streams_group *group = WEIR_CONTAINER_OF(timer, struct streams_group, initial);
    if (group->members.count == 0 || group->epoch <= group->assignment_epoch ||
        group->configured == NULL)
        return; /* the next heartbeat assigns */
    struct streams_tuple none;
    int32_t before = step->record_count;
    if (streams_assign(group->base.id, group, group->epoch, NULL, group->configured,
                       group->has_standby_replicas ? group->standby_replicas : 0, step,
                       &none) != WEIR_OK &&
        step->record_count > before)
        step->status = WEIR_NO_MEMORY; /* half an assignment is not written */
}
