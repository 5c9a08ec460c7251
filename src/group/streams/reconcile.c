/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A member's way to its target assignment.
 *
 *   STABLE -----> UNREVOKED -----> UNRELEASED -----> STABLE
 *      \_____________________________/_________________/
 *
 *   STABLE      has its target of its epoch
 *   UNREVOKED   was told to give up tasks and has not said that it did: its epoch stays
 *   UNRELEASED  has its target but for tasks that others have not given up
 *
 * Invariants: R1  an active task is given to a member only when no member has it, be it active
 *                 anywhere or a standby or warm-up in the member's own process;
 *             R2  a standby or warm-up task only when nobody in the member's process has the task.
 * A member that has to give a task up has it until it says otherwise.
 */

#include "streams_int.h"

bool streams_current_equal(const struct streams_current *a, const struct streams_current *b)
{
    return a->epoch == b->epoch && a->previous_epoch == b->previous_epoch && a->state == b->state &&
           tuple_equal(&a->assigned, &b->assigned) && tuple_equal(&a->revoking, &b->revoking);
}

static bool has(const struct streams_tasks *assigned, const struct streams_tasks *revoking,
                const struct streams_task *task)
{
    return tasks_find(assigned, task->subtopology, task->partition) != NULL ||
           tasks_find(revoking, task->subtopology, task->partition) != NULL;
}

/* R1 and R2. */
static bool is_unreleased(const struct reconcile_input *input, const struct streams_task *task,
                          bool is_active)
{
    if (input->group == NULL)
        return false;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&input->group->members, &cursor)) != NULL) {
        const struct streams_member *member = entry->value;
        const struct streams_tuple *assigned = &member->current.assigned;
        const struct streams_tuple *revoking = &member->current.revoking;
        bool is_here = weir_slice_equal(member->metadata.process_id, input->process_id);
        if ((is_active || is_here) && has(&assigned->active, &revoking->active, task))
            return true;
        if (is_here && (has(&assigned->standby, &revoking->standby, task) ||
                        has(&assigned->warmup, &revoking->warmup, task)))
            return true;
    }
    return false;
}

struct difference {
    struct streams_tasks kept;
    struct streams_tasks revoked;
    struct streams_tasks added;
    bool has_unreleased;
};

static enum weir_status differ(const struct reconcile_input *input, struct weir_arena *arena,
                               const struct streams_tasks *has_now,
                               const struct streams_tasks *target, bool is_active,
                               struct difference *out)
{
    if (tasks_make(arena, has_now->count, &out->kept) != WEIR_OK ||
        tasks_make(arena, has_now->count, &out->revoked) != WEIR_OK ||
        tasks_make(arena, target->count, &out->added) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < has_now->count; i++) {
        const struct streams_task *task = &has_now->items[i];
        struct streams_tasks *where = tasks_find(target, task->subtopology, task->partition) != NULL
                                          ? &out->kept
                                          : &out->revoked;
        where->items[where->count++] = *task;
    }
    for (size_t i = 0; i < target->count; i++) {
        const struct streams_task *task = &target->items[i];
        if (tasks_find(has_now, task->subtopology, task->partition) != NULL)
            continue;
        if (is_unreleased(input, task, is_active)) {
            out->has_unreleased = true;
            continue;
        }
        out->added.items[out->added.count] = *task;
        out->added.items[out->added.count++].epoch = is_active ? input->target_epoch : 0;
    }
    return WEIR_OK;
}

static enum weir_status merge(struct weir_arena *arena, const struct difference *difference,
                              struct streams_tasks *out)
{
    size_t kept = difference->kept.count;
    enum weir_status status = tasks_make(arena, kept + difference->added.count, out);
    if (status != WEIR_OK)
        return status;
    if (kept > 0)
        memcpy(out->items, difference->kept.items, kept * sizeof(*out->items));
    if (difference->added.count > 0)
        memcpy(out->items + kept, difference->added.items,
               difference->added.count * sizeof(*out->items));
    out->count = kept + difference->added.count;
    tasks_sort(out);
    return WEIR_OK;
}

/* From the epoch it is in (or may move to) towards the target. */
static enum weir_status next(const struct reconcile_input *input, int32_t epoch,
                             struct weir_arena *arena, struct streams_current *out)
{
    const struct streams_current *current = input->current;
    struct difference active = {0};
    struct difference standby = {0};
    struct difference warmup = {0};
    if (differ(input, arena, &current->assigned.active, &input->target->active, true, &active) !=
            WEIR_OK ||
        differ(input, arena, &current->assigned.standby, &input->target->standby, false,
               &standby) != WEIR_OK ||
        differ(input, arena, &current->assigned.warmup, &input->target->warmup, false, &warmup) !=
            WEIR_OK)
        return WEIR_NO_MEMORY;
    struct streams_tuple revoked = {active.revoked, standby.revoked, warmup.revoked};
    bool must_wait = !tuple_is_empty(&revoked) &&
                     (input->owned == NULL || tuple_intersect(input->owned, &revoked));
    *out = (struct streams_current){.previous_epoch = current->epoch};
    if (must_wait) {
        out->epoch = epoch;
        out->state = STREAMS_UNREVOKED;
        out->assigned = (struct streams_tuple){active.kept, standby.kept, warmup.kept};
        out->revoking = revoked;
        return WEIR_OK;
    }
    out->epoch = input->target_epoch;
    out->state = active.has_unreleased || standby.has_unreleased || warmup.has_unreleased
                     ? STREAMS_UNRELEASED
                     : STREAMS_STABLE;
    enum weir_status status = merge(arena, &active, &out->assigned.active);
    if (status == WEIR_OK)
        status = merge(arena, &standby, &out->assigned.standby);
    if (status == WEIR_OK)
        status = merge(arena, &warmup, &out->assigned.warmup);
    return status;
}

enum weir_status streams_reconcile(const struct reconcile_input *input, struct weir_arena *arena,
                                   struct streams_current *out)
{
    const struct streams_current *current = input->current;
    switch (current->state) {
    case STREAMS_STABLE:
        if (current->epoch != input->target_epoch)
            return next(input, current->epoch, arena, out);
        break;
    case STREAMS_UNREVOKED:
        if (input->owned != NULL && !tuple_intersect(input->owned, &current->revoking))
            return next(input, current->epoch + 1, arena, out);
        break;
    case STREAMS_UNRELEASED:
        return next(input, current->epoch, arena, out);
    case STREAMS_UNKNOWN:
        if (input->owned == NULL || !tuple_is_empty(input->owned))
            return WEIR_FENCED_MEMBER_EPOCH;
        return next(input, input->target_epoch, arena, out);
    }
    *out = *current;
    return WEIR_OK;
}
