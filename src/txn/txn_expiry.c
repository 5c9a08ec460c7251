/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What time does: transactions that run longer than their producer allowed are aborted, and
 * transactional ids that nobody used for transactional.id.expiration.ms are forgotten.  Both are
 * looked for at Kafka's intervals; what a look found is worked off one change at a time.
 */

#include "txn_int.h"

#include "weir/base/memory.h"

/* One batch of tombstones: far below any max.message.bytes, unless the keys themselves are huge. */
#define TOMBSTONES_PER_STEP 100
#define TOMBSTONE_BYTES_PER_STEP 65536

static bool is_timed_out(const struct txn_entry *entry, int64_t wall_ms)
{
    const struct txn_meta *current = &entry->current;
    return !entry_is_pending(entry) && current->state == TXN_ONGOING &&
           current->timeout_ms != NO_TIMEOUT && current->start_ms + current->timeout_ms < wall_ms;
}

static bool is_expired(const struct txn_entry *entry, int64_t wall_ms)
{
    const struct txn_meta *current = &entry->current;
    return !entry_is_pending(entry) && entry_is_known(entry) && current->state != TXN_ONGOING &&
           current->update_ms <=
               wall_ms - entry->machine->context->config.transactional_id_expiration_ms;
}

static void look(struct txn_machine *machine, int64_t wall_ms,
                 bool (*is_wanted)(const struct txn_entry *entry, int64_t wall_ms))
{
    size_t cursor = 0;
    const struct weir_map_entry *item;
    while ((item = weir_map_next(&machine->entries, &cursor)) != NULL) {
        struct txn_entry *entry = item->value;
        if (is_wanted(entry, wall_ms) && !weir_list_is_linked(&entry->due))
            weir_list_push_back(&machine->due, &entry->due);
    }
}

int64_t expiry_next_deadline_ms(const struct txn_machine *machine)
{
    if (!weir_list_is_empty(&machine->due))
        return 0; /* at once */
    return machine->next_timeouts_ms < machine->next_expiries_ms ? machine->next_timeouts_ms
                                                                 : machine->next_expiries_ms;
}

/* The epochs are used up: the id that comes after them is asked for first. */
static void ask_for_id(struct txn_entry *entry, struct weir_step *step)
{
    struct fence_request *request = weir_calloc(1, sizeof(*request) + entry->id.size);
    if (request == NULL)
        return; /* found again at the next look */
    request->completion.run = fence_request_send;
    request->context = entry->machine->context;
    request->partition = entry->machine->partition;
    request->serial = entry->machine->serial;
    request->producer_id = entry->current.producer_id;
    request->id_size = entry->id.size;
    if (entry->id.size > 0)
        memcpy(request->id, entry->id.data, entry->id.size);
    atomic_fetch_add(&request->context->outside, 1);
    weir_step_complete(step, &request->completion);
}

void expiry_fence(struct txn_machine *machine, const struct fence_request *request,
                  struct weir_step *step)
{
    if (request->serial != machine->serial)
        return;
    struct txn_entry *entry =
        machine_entry(machine, weir_slice_of(request->id, request->id_size));
    if (entry != NULL && entry->current.producer_id == request->producer_id &&
        is_timed_out(entry, step->wall_ms))
        (void)txn_fence(entry, NULL, request->fresh_id, step); /* true: it has an id */
}

static void forget(struct txn_entry *entry, struct weir_step *step)
{
    struct txn_meta next = txn_meta_next(&entry->current, TXN_DEAD);
    entry_change(entry, next, ANSWER_NOBODY, NULL, step);
}

static void work_off(struct txn_machine *machine, struct weir_step *step)
{
    size_t key_bytes = 0;
    while (!weir_list_is_empty(&machine->due)) {
        struct txn_entry *entry = WEIR_LIST_ENTRY(machine->due.next, struct txn_entry, due);
        bool is_overdue = is_timed_out(entry, step->wall_ms);
        if (is_overdue && step->record_count > 0)
            return; /* in a step of its own */
        weir_list_remove(&entry->due);
        if (is_overdue) {
            if (!txn_fence(entry, NULL, NO_PRODUCER_ID, step))
                ask_for_id(entry, step);
            return;
        }
        if (!is_expired(entry, step->wall_ms))
            continue; /* somebody used it since */
        forget(entry, step);
        key_bytes += entry->id.size;
        if (step->record_count >= TOMBSTONES_PER_STEP || key_bytes >= TOMBSTONE_BYTES_PER_STEP)
            return;
    }
}

void expiry_tick(struct txn_machine *machine, struct weir_step *step)
{
    const struct weir_txn_config *config = &machine->context->config;
    if (machine->next_timeouts_ms <= step->now_ms) {
        machine->next_timeouts_ms = step->now_ms + config->abort_timed_out_interval_ms;
        look(machine, step->wall_ms, is_timed_out);
    }
    if (machine->next_expiries_ms <= step->now_ms) {
        machine->next_expiries_ms = step->now_ms + config->remove_expired_interval_ms;
        look(machine, step->wall_ms, is_expired);
    }
    work_off(machine, step);
}
