/* SPDX-License-Identifier: Apache-2.0 */

/* SyncGroup, Heartbeat, and a client that goes away while it waits. */

#include "classic_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

/* The leader's assignments on their way through the log.  Until they are committed the group stays
 * in CompletingRebalance, and whoever changes its state or generation makes them void. */
struct assignment_write {
    struct weir_write write;
    struct weir_slice group_id;
    uint64_t incarnation;
    int32_t generation;
    struct weir_group_assignment *items; /* owned texts */
    size_t count;
};

static void assignment_write_free(struct assignment_write *pending)
{
    if (pending == NULL)
        return;
    for (size_t i = 0; pending->items != NULL && i < pending->count; i++) {
        text_drop(&pending->items[i].member_id);
        text_drop(&pending->items[i].assignment);
    }
    weir_free(pending->items);
    text_drop(&pending->group_id);
    weir_free(pending);
}

static struct assignment_write *assignment_write_new(const struct classic_group *group,
                                                     const struct weir_group_assignment *items,
                                                     size_t count)
{
    struct assignment_write *pending = weir_calloc(1, sizeof(*pending));
    if (pending == NULL)
        return NULL;
    pending->incarnation = group->base.incarnation;
    pending->generation = group->generation;
    pending->items = weir_calloc(count + 1, sizeof(*pending->items));
    enum weir_status status = pending->items == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = text_dup(group->base.id, &pending->group_id);
    for (size_t i = 0; status == WEIR_OK && i < count; i++) {
        if (classic_find_member(group, items[i].member_id) == NULL)
            continue; /* assigned to nobody */
        struct weir_group_assignment *item = &pending->items[pending->count++];
        status = text_dup(items[i].member_id, &item->member_id);
        if (status == WEIR_OK)
            status = text_dup(weir_slice_is_null(items[i].assignment) ? WEIR_EMPTY_SLICE
                                                                      : items[i].assignment,
                              &item->assignment);
    }
    if (status != WEIR_OK) {
        assignment_write_free(pending);
        return NULL;
    }
    return pending;
}

/* Every member gets what it was assigned, or nothing. */
static void take_assignments(struct classic_group *group, struct assignment_write *pending,
                             struct weir_step *step)
{
    WEIR_LIST_FOREACH(node, &group->members)
        WEIR_LIST_ENTRY(node, struct classic_member, node)->assignment.size = 0;
    for (size_t i = 0; i < pending->count; i++) {
        struct classic_member *member = classic_find_member(group, pending->items[i].member_id);
        if (member == NULL)
            continue;
        struct weir_slice old = member->assignment;
        member->assignment = pending->items[i].assignment;
        pending->items[i].assignment = old;
    }
    WEIR_LIST_FOREACH(node, &group->members) {
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (member->assignment.size == 0)
            WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_DEBUG, "group_empty_assignment",
                          WEIR_BYTES("group", group->base.id), WEIR_BYTES("member", member->id));
    }
}

static void assignments_written(struct weir_write *write, void *machine,
                                enum weir_write_outcome outcome, enum weir_status status,
                                struct weir_step *step)
{
    struct assignment_write *pending = WEIR_CONTAINER_OF(write, struct assignment_write, write);
    struct classic_group *group = classic_group_of(machine, pending->group_id);
    if (group != NULL && group->base.incarnation == pending->incarnation &&
        group->state == CLASSIC_COMPLETING && group->generation == pending->generation) {
        if (outcome == WEIR_WRITE_COMMITTED) {
            take_assignments(group, pending, step);
            propagate_assignments(group, WEIR_OK, step);
            classic_set_state(group, CLASSIC_STABLE, step->wall_ms);
            WEIR_STEP_INFO(step, "group_stable", WEIR_BYTES("group", group->base.id),
                           WEIR_I64("generation", group->generation),
                           WEIR_I64("members", group->member_count));
        } else {
            reset_assignments(group, status, step);
            struct weir_slice reason;
            group_reason(step, &reason, "the assignment could not be stored: %s",
                         weir_status_name(status));
            prepare_rebalance(group, reason, step);
        }
    }
    assignment_write_free(pending);
}

static bool differs(struct weir_slice said, struct weir_slice is)
{
    return !weir_slice_is_null(said) && !weir_slice_is_null(is) && !weir_slice_equal(said, is);
}

static enum weir_status check_sync(const struct classic_group *group,
                                   const struct weir_group_sync_request *request)
{
    enum weir_status status = classic_check_member(group, request->member_id, request->instance_id);
    if (status != WEIR_OK)
        return status;
    if (request->generation != group->generation)
        return WEIR_ILLEGAL_GENERATION;
    if (differs(request->protocol_type, group->protocol_type) ||
        differs(request->protocol_name, group->protocol_name))
        return WEIR_INCONSISTENT_GROUP_PROTOCOL;
    return group->state == CLASSIC_PREPARING ? WEIR_REBALANCE_IN_PROGRESS : WEIR_OK;
}

static void fail_sync(struct weir_group_sync *sync, enum weir_status status, struct weir_step *step)
{
    sync_set_error(sync, status);
    op_complete(&sync->op, status, step);
}

static void store_assignments(struct classic_group *group,
                              const struct weir_group_sync_request *request, struct weir_step *step)
{
    struct assignment_write *pending =
        assignment_write_new(group, request->assignments, request->assignment_count);
    if (pending == NULL) {
        classic_member_fail_sync(group->leader, WEIR_UNKNOWN_SERVER_ERROR, step);
        return; /* the leader comes again */
    }
    WEIR_STEP_INFO(step, "group_assignment_received", WEIR_BYTES("group", group->base.id),
                   WEIR_I64("generation", group->generation),
                   WEIR_I64("members", group->member_count),
                   WEIR_BYTES("leader", group->leader->id));
    pending->write.result = assignments_written;
    weir_step_write(step, &pending->write);
    record_group(step, group, pending->items, pending->count);
}

void classic_sync(struct group *base, const struct weir_group_sync_request *request,
                  struct weir_group_sync *sync, struct weir_step *step)
{
    struct classic_group *group = classic_of(base);
    if (group->state == CLASSIC_EMPTY) {
        fail_sync(sync, WEIR_UNKNOWN_MEMBER_ID, step);
        return;
    }
    enum weir_status status = check_sync(group, request);
    if (status != WEIR_OK) {
        fail_sync(sync, status, step);
        return;
    }
    struct classic_member *member = classic_find_member(group, request->member_id);
    sync_received(member);
    if (group->state == CLASSIC_STABLE) {
        sync_set_assignment(sync, member);
        op_complete(&sync->op, sync->op.status, step);
        return;
    }
    WEIR_ASSERT(group->state == CLASSIC_COMPLETING); /* check_sync and the first test saw to it */
    classic_member_park_sync(member, sync, step);
    if (group->leader == member)
        store_assignments(group, request, step);
}

enum weir_status classic_heartbeat(struct group *base,
                                   const struct weir_group_heartbeat_request *request,
                                   struct weir_step *step)
{
    struct classic_group *group = classic_of(base);
    enum weir_status status = classic_check_member(group, request->member_id, request->instance_id);
    if (status != WEIR_OK)
        return status;
    if (request->generation != group->generation)
        return WEIR_ILLEGAL_GENERATION;
    struct classic_member *member = classic_find_member(group, request->member_id);
    session_restart(member, member->session_timeout_ms, step);
    return group->state == CLASSIC_PREPARING ? WEIR_REBALANCE_IN_PROGRESS : WEIR_OK;
}

bool classic_cancel(struct weir_group_op *op, struct weir_step *step)
{
    struct classic_member *member = op->waiting_in;
    if (member == NULL)
        return false;
    struct classic_group *group = member->group;
    if (member->sync != NULL && &member->sync->op == op) {
        (void)classic_member_take_sync(member); /* the owner has it back */
    } else {
        WEIR_ASSERT(member->join != NULL && &member->join->op == op);
        (void)classic_member_take_join(member); /* the same */
        if (member->is_new && member->is_id_unknown && !classic_member_is_static(member)) {
            /* Nobody will ever come back under an id that was never told. */
            WEIR_STEP_INFO(step, "group_member_removed", WEIR_BYTES("group", group->base.id),
                           WEIR_BYTES("member", member->id),
                           WEIR_STR("reason", "disconnected before it learnt its id"));
            classic_remove_member(group, member, step);
            complete_join_if_all_joined(group, step);
            return true;
        }
        member->is_new = false;
    }
    session_restart(member, member->session_timeout_ms, step); /* as if it had just been heard of */
    return true;
}
