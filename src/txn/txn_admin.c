/* SPDX-License-Identifier: Apache-2.0 */

/* ListTransactions and DescribeTransactions: a look at what is committed. */

#include "txn_int.h"

#include <stdlib.h>

enum weir_status list_begin(struct list_collector *collector)
{
    struct weir_txn_list *list = collector->list;
    list->unknown_states =
        weir_arena_calloc(&list->op.arena, list->state_count + 1, sizeof(struct weir_slice));
    if (list->unknown_states == NULL)
        return WEIR_NO_MEMORY;
    for (int state = 0; state < TXN_STATE_COUNT; state++)
        collector->wants[state] = list->state_count == 0;
    for (size_t i = 0; i < list->state_count; i++) {
        bool is_known = false;
        for (int state = 0; state < TXN_STATE_COUNT; state++) {
            if (!weir_slice_equal(list->states[i], txn_state_name((enum txn_state)state)))
                continue;
            collector->wants[state] = true;
            is_known = true;
        }
        if (!is_known)
            list->unknown_states[list->unknown_state_count++] = list->states[i];
    }
    return WEIR_OK;
}

static bool has_producer(const struct weir_txn_list *list, int64_t producer_id)
{
    for (size_t i = 0; i < list->producer_id_count; i++) {
        if (list->producer_ids[i] == producer_id)
            return true;
    }
    return list->producer_id_count == 0;
}

static bool is_listed(const struct txn_entry *entry, const struct list_collector *collector,
                      int64_t wall_ms)
{
    const struct weir_txn_list *list = collector->list;
    const struct txn_meta *current = &entry->current;
    return entry_is_known(entry) && collector->wants[current->state] &&
           has_producer(list, current->producer_id) &&
           (list->duration_ms < 0 || wall_ms - current->start_ms > list->duration_ms) &&
           (list->is_wanted == NULL || list->is_wanted(list->is_wanted_context, entry->id));
}

static enum weir_status make_room(struct list_collector *collector)
{
    struct weir_txn_list *list = collector->list;
    if (list->transaction_count < collector->capacity)
        return WEIR_OK;
    size_t capacity = collector->capacity == 0 ? 64 : collector->capacity * 2;
    struct weir_txn_listing *larger =
        weir_arena_calloc(&list->op.arena, capacity, sizeof(*larger));
    if (larger == NULL)
        return WEIR_NO_MEMORY;
    if (list->transaction_count > 0)
        memcpy(larger, list->transactions, list->transaction_count * sizeof(*larger));
    list->transactions = larger;
    collector->capacity = capacity;
    return WEIR_OK;
}

void list_collect(const struct txn_machine *machine, struct list_collector *collector,
                  int64_t wall_ms)
{
    struct weir_txn_list *list = collector->list;
    size_t cursor = 0;
    const struct weir_map_entry *item;
    while (list->op.status == WEIR_OK &&
           (item = weir_map_next(&machine->entries, &cursor)) != NULL) {
        const struct txn_entry *entry = item->value;
        if (!is_listed(entry, collector, wall_ms))
            continue;
        list->op.status = make_room(collector);
        if (list->op.status != WEIR_OK)
            return;
        struct weir_txn_listing *listing = &list->transactions[list->transaction_count];
        listing->producer_id = entry->current.producer_id;
        listing->state = txn_state_name(entry->current.state);
        list->op.status =
            weir_arena_copy(&list->op.arena, entry->id, &listing->transactional_id);
        if (list->op.status == WEIR_OK)
            list->transaction_count++;
    }
}

static int compare_listings(const void *a, const void *b)
{
    const struct weir_txn_listing *left = a;
    const struct weir_txn_listing *right = b;
    return weir_slice_compare(left->transactional_id, right->transactional_id);
}

void list_end(struct list_collector *collector)
{
    struct weir_txn_list *list = collector->list;
    if (list->op.status != WEIR_OK) {
        if (list->op.status == WEIR_NO_MEMORY)
            list->op.status = WEIR_UNKNOWN_SERVER_ERROR;
        list->transaction_count = 0;
    } else if (list->transaction_count > 0) {
        qsort(list->transactions, list->transaction_count, sizeof(list->transactions[0]),
              compare_listings);
    }
}

static enum weir_status copy_partitions(const struct partition_set *set,
                                        struct weir_txn_describe *describe)
{
    size_t count = partition_set_count(set);
    struct weir_arena *arena = &describe->op.arena;
    struct weir_txn_partition *out = weir_arena_calloc(arena, count + 1, sizeof(*out));
    if (out == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        out[i].partition = set->items[i].partition;
        if (weir_arena_copy(arena, set->items[i].topic, &out[i].topic) != WEIR_OK)
            return WEIR_NO_MEMORY;
    }
    describe->partitions = out;
    describe->partition_count = count;
    return WEIR_OK;
}

void txn_describe(const struct txn_machine *machine, struct weir_txn_describe *describe)
{
    const struct txn_entry *entry = machine_entry(machine, describe->transactional_id);
    if (entry == NULL || !entry_is_known(entry)) {
        describe->op.status = WEIR_TRANSACTIONAL_ID_NOT_FOUND;
        return;
    }
    const struct txn_meta *current = &entry->current;
    if (copy_partitions(current->partitions, describe) != WEIR_OK) {
        describe->op.status = WEIR_UNKNOWN_SERVER_ERROR;
        return;
    }
    describe->producer_id = current->producer_id;
    describe->producer_epoch = current->epoch;
    describe->state = txn_state_name(current->state);
    describe->timeout_ms = current->timeout_ms;
    describe->start_ms = current->start_ms;
}
