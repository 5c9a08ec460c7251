/* SPDX-License-Identifier: Apache-2.0 */

/* The machine of one partition of __consumer_offsets: its groups, its timers, and how the shard drives
 * it. */

#include "group_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

/* ---- Timers ---- */

enum weir_status timer_init(struct group_machine *machine, struct group_timer *timer,
                            enum timer_kind kind)
{
    timer->kind = kind;
    return weir_heap_set(&machine->timers, &timer->node, NO_DEADLINE);
}

void timer_done(struct group_machine *machine, struct group_timer *timer)
{
    weir_heap_remove(&machine->timers, &timer->node);
}

void timer_set(struct group_machine *machine, struct group_timer *timer, int64_t deadline_ms)
{
    enum weir_status status = weir_heap_set(&machine->timers, &timer->node, deadline_ms);
    WEIR_ASSERT(status == WEIR_OK); /* it is in since timer_init and only moves */
}

void timer_cancel(struct group_machine *machine, struct group_timer *timer)
{
    timer_set(machine, timer, NO_DEADLINE);
}

static void timer_fired(struct group_timer *timer, struct weir_step *step)
{
    switch (timer->kind) {
    case TIMER_SESSION:
        session_expired(WEIR_CONTAINER_OF(timer, struct member, session), step);
        return;
    case TIMER_PENDING:
        pending_expired(WEIR_CONTAINER_OF(timer, struct pending_member, timer), step);
        return;
    case TIMER_JOIN:
        join_timer_fired(WEIR_CONTAINER_OF(timer, struct group, join_timer), step);
        return;
    case TIMER_SYNC:
        sync_timer_fired(WEIR_CONTAINER_OF(timer, struct group, sync_timer), step);
        return;
    }
    WEIR_UNREACHABLE();
}

/* ---- Groups ---- */

struct group *machine_group(const struct group_machine *machine, struct weir_slice id)
{
    return weir_map_get(&machine->groups, id);
}

enum weir_status machine_add_group(struct group_machine *machine, struct weir_slice id,
                                   enum group_kind kind, int64_t wall_ms, struct group **out)
{
    struct group *group;
    enum weir_status status = group_new(machine, id, kind, wall_ms, &group);
    if (status != WEIR_OK)
        return status;
    status = weir_map_put(&machine->groups, group->id, group, NULL);
    if (status != WEIR_OK) {
        group_free(group);
        return status;
    }
    *out = group;
    return WEIR_OK;
}

static void fail_waiters(struct group *group, enum weir_status status, struct weir_step *step)
{
    WEIR_LIST_FOREACH(node, &group->members) {
        struct member *member = WEIR_LIST_ENTRY(node, struct member, node);
        member_fail_join(member, status, member->id, step);
        member_fail_sync(member, status, step);
    }
}

void machine_remove_group(struct group_machine *machine, struct group *group,
                          enum weir_status status, struct weir_step *step)
{
    if (step != NULL)
        fail_waiters(group, status, step);
    group_set_state(group, CLASSIC_DEAD, group->state_timestamp_ms);
    (void)weir_map_remove(&machine->groups, group->id); /* it is `group` */
    group_free(group);
}

/* ---- The shard's functions ---- */

static enum weir_status create(void *context, int32_t partition, void **out_machine)
{
    (void)partition;
    struct group_machine *machine = weir_calloc(1, sizeof(*machine));
    if (machine == NULL)
        return WEIR_NO_MEMORY;
    machine->config = context;
    machine->next_expiry_ms = NO_DEADLINE;
    *out_machine = machine;
    return WEIR_OK;
}

static void destroy(void *context)
{
    struct group_machine *machine = context;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL)
        group_free(entry->value);
    weir_map_done(&machine->groups);
    offsets_done(&machine->offsets);
    weir_heap_done(&machine->timers);
    weir_free(machine);
}

static enum weir_status end_txn(void *machine, int64_t producer_id, bool is_commit)
{
    return offsets_end_txn(&((struct group_machine *)machine)->offsets, producer_id, is_commit);
}

static void loaded(void *context, struct weir_step *step)
{
    struct group_machine *machine = context;
    machine->next_expiry_ms = step->now_ms + machine->config->offsets_retention_check_ms;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        struct group *group = entry->value;
        WEIR_LIST_FOREACH(node, &group->members) {
            struct member *member = WEIR_LIST_ENTRY(node, struct member, node);
            session_restart(member, member->session_timeout_ms, step);
        }
        WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_DEBUG, "group_loaded", WEIR_BYTES("group", group->id),
                      WEIR_I64("members", group->member_count),
                      WEIR_I64("generation", group->generation));
        if (group->member_count > (size_t)machine->config->max_size)
            prepare_rebalance(group, WEIR_SLICE("the loaded group is above group.max.size"), step);
    }
}

static void unloaded(void *context, struct weir_step *step)
{
    struct group_machine *machine = context;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        struct group *group = entry->value;
        fail_waiters(group, WEIR_NOT_COORDINATOR, step);
        group_set_state(group, CLASSIC_DEAD, group->state_timestamp_ms);
    }
}

static int64_t next_deadline_ms(const void *context)
{
    const struct group_machine *machine = context;
    const struct weir_heap_node *first = weir_heap_first(&machine->timers);
    int64_t timer_ms = first == NULL ? NO_DEADLINE : first->key;
    return timer_ms < machine->next_expiry_ms ? timer_ms : machine->next_expiry_ms;
}

/* Ends after the first timer that brought records, so that a refused append concerns one group; the
 * shard calls again while something is due. */
static void tick(void *context, struct weir_step *step)
{
    struct group_machine *machine = context;
    for (;;) {
        struct weir_heap_node *first = weir_heap_first(&machine->timers);
        if (first == NULL || first->key > step->now_ms)
            break;
        struct group_timer *timer = WEIR_CONTAINER_OF(first, struct group_timer, node);
        timer_cancel(machine, timer);
        timer_fired(timer, step); /* it may be gone afterwards */
        if (step->record_count > 0 || step->status != WEIR_OK)
            return;
    }
    if (machine->next_expiry_ms <= step->now_ms && offsets_expire(machine, step))
        machine->next_expiry_ms = step->now_ms + machine->config->offsets_retention_check_ms;
}

const struct weir_machine_ops group_machine_ops = {.create = create,
                                                   .destroy = destroy,
                                                   .replay = machine_replay,
                                                   .end_txn = end_txn,
                                                   .loaded = loaded,
                                                   .unloaded = unloaded,
                                                   .next_deadline_ms = next_deadline_ms,
                                                   .tick = tick};
