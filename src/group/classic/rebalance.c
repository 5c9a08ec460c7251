/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From one generation to the next: collecting joins, closing the join phase, waiting for syncs, and
 * the timers that keep a silent member from stopping the others.
 */

#include "classic_int.h"

#include "weir/base/assert.h"

void session_restart(struct classic_member *member, int64_t timeout_ms, struct weir_step *step)
{
    timer_set(member->group->base.machine, &member->session, step->now_ms + timeout_ms);
}

void sync_received(struct classic_member *member)
{
    struct classic_group *group = member->group;
    if (member->is_pending_sync) {
        member->is_pending_sync = false;
        group->pending_sync_count--;
    }
    if (group->pending_sync_count == 0)
        timer_cancel(group->base.machine, &group->sync_timer);
}

static void clear_pending_syncs(struct classic_group *group)
{
    WEIR_LIST_FOREACH(node, &group->members)
        WEIR_LIST_ENTRY(node, struct classic_member, node)->is_pending_sync = false;
    group->pending_sync_count = 0;
    timer_cancel(group->base.machine, &group->sync_timer);
}

void propagate_assignments(struct classic_group *group, enum weir_status status,
                           struct weir_step *step)
{
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        struct weir_group_sync *sync = classic_member_take_sync(member);
        if (sync == NULL)
            continue;
        if (status == WEIR_OK)
            sync_set_assignment(sync, member);
        else
            sync_set_error(sync, status);
        op_complete(&sync->op, sync->op.status, step);
        /* Its session may have run out while it waited, which was ignored: it begins anew. */
        session_restart(member, member->session_timeout_ms, step);
    }
}

void reset_assignments(struct classic_group *group, enum weir_status status, struct weir_step *step)
{
    WEIR_ASSERT(group->state == CLASSIC_COMPLETING);
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        member->assignment.size = 0; /* still owned */
    }
    propagate_assignments(group, status, step);
}

static void set_join_timer(struct classic_group *group, int64_t delay_ms, bool is_initial,
                           const struct weir_step *step)
{
    group->is_join_initial = is_initial;
    timer_set(group->base.machine, &group->join_timer, step->now_ms + delay_ms);
}

void prepare_rebalance(struct classic_group *group, struct weir_slice reason,
                       struct weir_step *step)
{
    if (group->state == CLASSIC_COMPLETING)
        reset_assignments(group, WEIR_REBALANCE_IN_PROGRESS, step);
    clear_pending_syncs(group);
    bool is_initial = group->state == CLASSIC_EMPTY;
    group_rebalanced(&group->base, group->generation + 1, group->member_count, reason, step);
    classic_set_state(group, CLASSIC_PREPARING, step->wall_ms);
    if (is_initial) {
        /* The first members of a group rarely come alone: wait a little for the others. */
        int32_t delay_ms = group->base.machine->config->initial_rebalance_delay_ms;
        int32_t timeout_ms = classic_rebalance_timeout_ms(group);
        group->has_new_member = false;
        group->initial_delay_ms = delay_ms;
        group->initial_remaining_ms = timeout_ms > delay_ms ? timeout_ms - delay_ms : 0;
        set_join_timer(group, delay_ms, true, step);
    } else if (classic_has_all_joined(group)) {
        complete_join(group, step);
    } else {
        set_join_timer(group, classic_rebalance_timeout_ms(group), false, step);
    }
}

void complete_join_if_all_joined(struct classic_group *group, struct weir_step *step)
{
    /* An initial rebalance is closed by its timer only. */
    if (group->state == CLASSIC_PREPARING && group->previous_state != CLASSIC_EMPTY &&
        classic_has_all_joined(group))
        complete_join(group, step);
}

void rebalance_or_complete(struct classic_group *group, struct weir_slice reason,
                           struct weir_step *step)
{
    if (classic_may_move(group->state, CLASSIC_PREPARING))
        prepare_rebalance(group, reason, step);
    else
        complete_join_if_all_joined(group, step);
}

/* A dynamic member that did not come back is out; a static one keeps its place until its session
 * ends. */
static void drop_stragglers(struct classic_group *group, struct weir_step *step)
{
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (member->join != NULL || classic_member_is_static(member))
            continue;
        WEIR_STEP_INFO(step, "group_member_removed", WEIR_BYTES("group", group->base.id),
                       WEIR_BYTES("member", member->id),
                       WEIR_STR("reason", "did not rejoin in time"));
        classic_remove_member(group, member, step);
    }
}

/* Someone who is here must lead; false when nobody is. */
static bool elect_joined_leader(struct classic_group *group)
{
    if (group->leader == NULL)
        return false;
    if (group->leader->join != NULL)
        return true;
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (member->join != NULL) {
            group->leader = member;
            return true;
        }
    }
    return false;
}

static void become_empty(struct classic_group *group, struct weir_step *step)
{
    text_drop(&group->protocol_name);
    group->leader = NULL;
    classic_compute_subscription(group);
    classic_set_state(group, CLASSIC_EMPTY, step->wall_ms);
    WEIR_STEP_INFO(step, "group_empty", WEIR_BYTES("group", group->base.id),
                   WEIR_I64("generation", group->generation));
    /* A refused append is only logged: an old generation without its members times out by itself.
     */
    record_group(step, group, NULL, 0);
}

static void announce_generation(struct classic_group *group, struct weir_step *step)
{
    WEIR_STEP_INFO(
        step, "group_generation", WEIR_BYTES("group", group->base.id),
        WEIR_I64("generation", group->generation), WEIR_I64("members", group->member_count),
        WEIR_BYTES("protocol", group->protocol_name), WEIR_BYTES("leader", group->leader->id));
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        struct weir_group_join *join = classic_member_take_join(member);
        if (join != NULL) {
            join_set_generation(join, member);
            op_complete(&join->op, join->op.status, step);
        }
        session_restart(member, member->session_timeout_ms, step);
        member->is_new = false;
        member->is_id_unknown = false;
        member->is_pending_sync = true;
        group->pending_sync_count++;
    }
    timer_set(group->base.machine, &group->sync_timer,
              step->now_ms + classic_rebalance_timeout_ms(group));
}

void complete_join(struct classic_group *group, struct weir_step *step)
{
    WEIR_ASSERT(group->state == CLASSIC_PREPARING);
    timer_cancel(group->base.machine, &group->join_timer);
    drop_stragglers(group, step);
    if (!elect_joined_leader(group) && group->member_count > 0) {
        /* Only silent static members are left; their sessions decide. */
        set_join_timer(group, classic_rebalance_timeout_ms(group), false, step);
        return;
    }
    struct weir_slice protocol = classic_vote(group);
    if (group->member_count > 0 && text_set(&group->protocol_name, protocol) != WEIR_OK) {
        set_join_timer(group, 1000, false, step); /* no memory: try again soon */
        return;
    }
    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    clear_pending_syncs(group);
    if (group->member_count == 0) {
        become_empty(group, step);
        return;
    }
    classic_compute_subscription(group);
    classic_set_state(group, CLASSIC_COMPLETING, step->wall_ms);
    announce_generation(group, step);
}

/* ---- Timers ---- */

void join_timer_fired(struct group_timer *timer, struct weir_step *step)
{
    struct classic_group *group = WEIR_CONTAINER_OF(timer, struct classic_group, join_timer);
    if (group->state != CLASSIC_PREPARING)
        return;
    if (!group->is_join_initial || !group->has_new_member || group->initial_remaining_ms == 0) {
        complete_join(group, step);
        return;
    }
    /* Somebody came during the last delay: one more, up to the rebalance timeout in all. */
    group->has_new_member = false;
    int32_t remaining_ms = group->initial_remaining_ms;
    int32_t config_ms = group->base.machine->config->initial_rebalance_delay_ms;
    int32_t delay_ms = config_ms < remaining_ms ? config_ms : remaining_ms;
    group->initial_remaining_ms =
        remaining_ms > group->initial_delay_ms ? remaining_ms - group->initial_delay_ms : 0;
    group->initial_delay_ms = delay_ms;
    set_join_timer(group, delay_ms, true, step);
}

void sync_timer_fired(struct group_timer *timer, struct weir_step *step)
{
    struct classic_group *group = WEIR_CONTAINER_OF(timer, struct classic_group, sync_timer);
    if ((group->state != CLASSIC_COMPLETING && group->state != CLASSIC_STABLE) ||
        group->pending_sync_count == 0)
        return;
    size_t removed = 0;
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (!member->is_pending_sync)
            continue;
        WEIR_STEP_INFO(step, "group_member_removed", WEIR_BYTES("group", group->base.id),
                       WEIR_BYTES("member", member->id), WEIR_STR("reason", "sent no SyncGroup"));
        classic_remove_member(group, member, step);
        removed++;
    }
    struct weir_slice reason;
    group_reason(step, &reason, "%zu members sent no SyncGroup in time", removed);
    prepare_rebalance(group, reason, step);
}

static void after_removal(struct classic_group *group, struct weir_slice reason,
                          struct weir_step *step)
{
    if (group->state == CLASSIC_STABLE || group->state == CLASSIC_COMPLETING)
        prepare_rebalance(group, reason, step);
    else if (group->state == CLASSIC_PREPARING && classic_has_all_joined(group))
        complete_join(group, step);
}

void session_expired(struct group_timer *timer, struct weir_step *step)
{
    struct classic_member *member = WEIR_CONTAINER_OF(timer, struct classic_member, session);
    struct classic_group *group = member->group;
    /* Who waits for us is alive, except one who has never been answered and may be long gone. */
    if (!member->is_new && (member->join != NULL || member->sync != NULL))
        return;
    WEIR_STEP_INFO(step, "group_member_removed", WEIR_BYTES("group", group->base.id),
                   WEIR_BYTES("member", member->id), WEIR_STR("reason", "session timeout"));
    struct weir_slice reason;
    group_reason(step, &reason, "session timeout of member %.*s", WEIR_SLICE_ARGS(member->id));
    classic_remove_member(group, member, step);
    after_removal(group, reason, step);
}

void pending_expired(struct group_timer *timer, struct weir_step *step)
{
    struct pending_member *pending = WEIR_CONTAINER_OF(timer, struct pending_member, timer);
    struct classic_group *group = pending->group;
    WEIR_STEP_INFO(step, "group_pending_member_removed", WEIR_BYTES("group", group->base.id),
                   WEIR_BYTES("member", pending->id), WEIR_STR("reason", "session timeout"));
    classic_remove_pending(group, pending);
    if (group->state == CLASSIC_PREPARING && classic_has_all_joined(group))
        complete_join(group, step);
}
