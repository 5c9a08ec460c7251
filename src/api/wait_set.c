/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I1  `is_posted` is true from a wake until the resume it posted runs, so at most one resume is
 * under way. I2  the call is ended only while no resume is under way, for the resume would find its
 * memory gone.  Whoever wants to end it and finds one under way leaves `is_ending`; the resume then
 * ends it.
 */
#include "wait_set.h"

#include "weir/runtime/loop.h"

#include <stdatomic.h>

struct wait_set;

struct wait_entry {
    struct weir_partition_waiter waiter;
    struct wait_set *set;
    struct weir_partition *partition;
};

struct slot_entry {
    struct weir_share_waiter waiter;
    struct wait_set *set;
    struct weir_share_slot *slot;
};

struct wait_set {
    struct weir_call *call;
    struct weir_wait_options options;
    struct weir_timer timer;
    atomic_bool is_posted;
    bool is_ending;
    size_t count;
    struct wait_entry *entries;
    size_t slot_count;
    struct slot_entry *slots;
};

static void end(struct wait_set *set)
{
    set->is_ending = true;
    for (size_t i = 0; i < set->count; i++)
        weir_partition_wait_cancel(set->entries[i].partition, &set->entries[i].waiter);
    for (size_t i = 0; i < set->slot_count; i++)
        weir_share_slot_wait_cancel(set->slots[i].slot, &set->slots[i].waiter);
    /* From here on nothing is posted any more. */
    if (atomic_load(&set->is_posted))
        return; /* I2 */
    weir_loop_timer_cancel(weir_call_loop(set->call), &set->timer);
    weir_call_on_cancel(set->call, NULL, NULL);
    for (size_t i = 0; i < set->count; i++)
        weir_partition_unref(set->entries[i].partition);
    for (size_t i = 0; i < set->slot_count; i++)
        weir_share_slot_unref(set->slots[i].slot);
    set->options.finish(set->call, set->options.context);
}

static void on_resume(struct weir_call *call, void *argument)
{
    struct wait_set *set = argument;
    /* Before looking: what changes from now on posts again. */
    atomic_store(&set->is_posted, false);
    if (set->is_ending || set->options.is_satisfied(call, set->options.context))
        end(set);
}

/* On any thread, with a partition's or share partition's lock held. */
static void post(struct wait_set *set)
{
    if (!atomic_exchange(&set->is_posted, true))
        weir_call_resume(set->call, on_resume, set);
}

static void wake(struct weir_partition_waiter *waiter)
{
    post(WEIR_CONTAINER_OF(waiter, struct wait_entry, waiter)->set);
}

static void wake_by_slot(struct weir_share_waiter *waiter)
{
    post(WEIR_CONTAINER_OF(waiter, struct slot_entry, waiter)->set);
}

static void on_timer(struct weir_timer *timer)
{
    struct wait_set *set = WEIR_CONTAINER_OF(timer, struct wait_set, timer);
    if (!set->is_ending)
        end(set);
}

static void on_cancel(struct weir_call *call, void *argument)
{
    struct wait_set *set = argument;
    (void)call;
    if (!set->is_ending)
        end(set);
}

static void finish_at_once(struct weir_call *call, struct weir_partition *const *partitions,
                           size_t count, const struct weir_wait_options *options)
{
    for (size_t i = 0; i < count; i++)
        weir_partition_unref(partitions[i]);
    for (size_t i = 0; i < options->slot_count; i++)
        weir_share_slot_unref(options->take_slots[i]);
    options->finish(call, options->context);
}

void weir_wait_start(struct weir_call *call, struct weir_partition *const *take_partitions,
                     size_t count, const struct weir_wait_options *options)
{
    struct wait_set *set = WEIR_CALL_ALLOC(call, struct wait_set, 1);
    struct wait_entry *entries = WEIR_CALL_ALLOC(call, struct wait_entry, count);
    struct slot_entry *slots = WEIR_CALL_ALLOC(call, struct slot_entry, options->slot_count);
    if (set == NULL || entries == NULL || slots == NULL) {
        finish_at_once(call, take_partitions, count, options);
        return;
    }
    set->call = call;
    set->options = *options;
    set->timer.fire = on_timer;
    set->entries = entries;
    set->slots = slots;
    struct weir_loop *loop = weir_call_loop(call);
    if (weir_loop_timer_set(loop, &set->timer, weir_loop_now_ms(loop) + options->wait_ms) !=
        WEIR_OK) {
        finish_at_once(call, take_partitions, count, options);
        return;
    }
    weir_call_on_cancel(call, on_cancel, set);
    for (size_t i = 0; i < count; i++) {
        entries[i] =
            (struct wait_entry){.waiter.wake = wake, .set = set, .partition = take_partitions[i]};
        set->count++;
        weir_partition_wait(entries[i].partition, &entries[i].waiter);
    }
    for (size_t i = 0; i < options->slot_count; i++) {
        slots[i] = (struct slot_entry){
            .waiter.wake = wake_by_slot, .set = set, .slot = options->take_slots[i]};
        set->slot_count++;
        weir_share_slot_wait(slots[i].slot, &slots[i].waiter);
    }
    if (options->is_satisfied(call, options->context))
        end(set);
}
