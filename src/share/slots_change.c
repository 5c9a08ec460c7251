/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stored of a share partition.  One change is with the coordinator at a time, in the order
 * in which they happened: a start offset that overtook another would be taken back by it.
 */
#include "slots_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

/* With so many changes waiting locks run out a little later. */
#define CHANGES_BEFORE_TIMER_WAITS 64
#define TIMER_REST_MS              50

struct slot_change *slot_change_new(struct weir_share_slot *slot)
{
    struct slot_change *change = weir_calloc(1, sizeof(*change));
    if (change == NULL)
        return NULL;
    change->slot = weir_share_slot_ref(slot);
    weir_arena_init(&change->arena, 0);
    return change;
}

void slot_change_free(struct slot_change *change)
{
    weir_share_state_op_free(&change->op);
    weir_arena_done(&change->arena);
    weir_share_slot_unref(change->slot);
    weir_free(change);
}

/* ---- Storing ---- */

static bool is_fenced(enum weir_status status)
{
    return status == WEIR_FENCED_LEADER_EPOCH || status == WEIR_FENCED_STATE_EPOCH ||
           status == WEIR_UNKNOWN_TOPIC_OR_PARTITION;
}

static void on_stored(struct weir_share_state_op *op)
{
    struct slot_change *change = WEIR_CONTAINER_OF(op, struct slot_change, op);
    struct weir_share_slot *slot = weir_share_slot_ref(change->slot);
    struct weir_share_acknowledge_op *waiting = change->waiting;
    enum weir_status status = op->status;
    if (status != WEIR_OK)
        WEIR_LOG_WARN(slot->owner->options.log, "share_state_not_written",
                      WEIR_BYTES("group", slot->key.group_id),
                      WEIR_I64("partition", slot->key.partition),
                      WEIR_STR("status", weir_status_name(status)),
                      WEIR_STR("next", "the records are held as before"));
    weir_lock_take(&slot->lock);
    slot->is_writing = false;
    if (change->what.id != 0 &&
        weir_share_partition_stored(slot->machine, change->what.id, status == WEIR_OK))
        slot_wake(slot);
    slot_arm(slot, weir_env_monotonic_ms(slot->owner->options.env));
    weir_lock_release(&slot->lock);
    slot_change_free(change);
    if (is_fenced(status))
        slot_drop(slot, slot_status_of_state(status));
    if (waiting != NULL) {
        waiting->status = slot_status_of_state(status);
        waiting->done(waiting);
    }
    slot_pump(slot);
    if (atomic_load_explicit(&slot->is_retiring, memory_order_relaxed))
        slot_retire(slot);
    weir_share_slot_unref(slot);
}

void slot_enqueue(struct weir_share_slot *slot, struct slot_change *take_change)
{
    weir_list_push_back(&slot->changes, &take_change->node);
    slot->change_count++;
}

/* on_stored may run before weir_share_state_write returned: then this loop goes on, not the pump
 * that on_stored called. */
void slot_pump(struct weir_share_slot *slot)
{
    weir_lock_take(&slot->lock);
    if (slot->is_pumping) {
        weir_lock_release(&slot->lock);
        return;
    }
    slot->is_pumping = true;
    while (!slot->is_writing && !weir_list_is_empty(&slot->changes)) {
        struct slot_change *change =
            WEIR_LIST_ENTRY(weir_list_pop_front(&slot->changes), struct slot_change, node);
        slot->change_count--;
        slot->is_writing = true;
        change->op.done = on_stored;
        change->op.status = slot->status;
        bool is_dropped = slot->state == SLOT_DROPPED;
        weir_lock_release(&slot->lock);
        if (is_dropped) {
            /* Another slot may have read the state already: nothing is written behind its back. */
            on_stored(&change->op);
            weir_lock_take(&slot->lock);
            continue;
        }
        struct weir_share_state_write write = {.state_epoch = change->what.state_epoch,
                                               .leader_epoch = slot->leader_epoch,
                                               .start_offset = change->what.start_offset,
                                               .delivery_complete_count =
                                                   change->what.delivery_complete_count,
                                               .batches = change->what.batches,
                                               .batch_count = change->what.batch_count};
        weir_share_state_write(slot->owner->options.coordinator, &slot->key, &write, &change->op);
        weir_lock_take(&slot->lock);
    }
    slot->is_pumping = false;
    weir_lock_release(&slot->lock);
}

/* ---- Who holds no longer ---- */

void slot_release_member(struct weir_share_slot *slot, struct weir_slice member_id)
{
    struct slot_config config;
    struct slot_change *change = slot_change_new(slot);
    if (change == NULL)
        return; /* the locks run out */
    slot_config(slot->owner, slot->key.group_id, &config);
    weir_lock_take(&slot->lock);
    enum weir_status status =
        slot->state == SLOT_READY
            ? weir_share_partition_release_member(slot->machine, &config.partition, member_id,
                                                  &change->arena, &change->what)
            : WEIR_NOT_FOUND;
    bool is_pending = status == WEIR_OK && change->what.batch_count > 0;
    if (is_pending)
        slot_enqueue(slot, change);
    weir_lock_release(&slot->lock);
    if (is_pending)
        slot_pump(slot);
    else
        slot_change_free(change);
}

/* ---- Time ---- */

void slot_arm(struct weir_share_slot *slot, int64_t now_ms)
{
    struct weir_task_pool *pool = slot->owner->options.pool;
    weir_lock_assert_held(&slot->lock);
    if (slot->state != SLOT_READY)
        return;
    int64_t deadline_ms = weir_share_partition_next_deadline_ms(slot->machine);
    if (deadline_ms == INT64_MAX)
        return;
    if (deadline_ms < now_ms)
        deadline_ms = now_ms;
    if (slot->is_timer_set &&
        (slot->timer.deadline_ms <= deadline_ms || !weir_task_pool_cancel(pool, &slot->timer)))
        return; /* it runs before that, and sets itself again */
    if (!slot->is_timer_set)
        (void)weir_share_slot_ref(slot);
    slot->is_timer_set = true;
    weir_task_pool_submit_at(pool, &slot->timer, deadline_ms);
}

void slot_run_timer(struct weir_task *task)
{
    struct weir_share_slot *slot = WEIR_CONTAINER_OF(task, struct weir_share_slot, timer);
    struct slot_change *change = slot_change_new(slot);
    struct slot_config config;
    bool is_pending = false;
    slot_config(slot->owner, slot->key.group_id, &config);
    int64_t now_ms = weir_env_monotonic_ms(slot->owner->options.env);
    weir_lock_take(&slot->lock);
    slot->is_timer_set = false;
    if (change != NULL && slot->state == SLOT_READY &&
        slot->change_count < CHANGES_BEFORE_TIMER_WAITS &&
        weir_share_partition_tick(slot->machine, &config.partition, now_ms, &change->arena,
                                  &change->what) == WEIR_OK) {
        is_pending = change->what.batch_count > 0;
        if (is_pending)
            slot_enqueue(slot, change);
        slot_wake(slot);
    }
    slot_arm(slot, now_ms + TIMER_REST_MS);
    weir_lock_release(&slot->lock);
    if (is_pending)
        slot_pump(slot);
    else if (change != NULL)
        slot_change_free(change);
    weir_share_slot_unref(slot);
}
