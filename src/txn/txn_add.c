/* SPDX-License-Identifier: Apache-2.0 */

/* AddPartitionsToTxn: which partitions a transaction will have to mark.  The first one begins it. */

#include "txn_int.h"

static bool has_all(const struct partition_set *set, const struct weir_txn_add *add)
{
    for (size_t i = 0; i < add->partition_count; i++) {
        if (!partition_set_has(set, add->partitions[i].topic, add->partitions[i].partition))
            return false;
    }
    return true;
}

static enum weir_status check_producer(const struct txn_entry *entry,
                                       const struct weir_txn_add *add)
{
    if (entry->current.producer_id != add->producer_id)
        return WEIR_INVALID_PRODUCER_ID_MAPPING;
    if (entry->current.epoch != add->producer_epoch)
        return WEIR_PRODUCER_FENCED;
    return txn_state_is_prepared(entry->current.state) ? WEIR_CONCURRENT_TRANSACTIONS : WEIR_OK;
}

/* KIP-890: the partition's leader asks.  A change under way does not matter: the append itself is
 * checked once more. */
static void verify(const struct txn_entry *entry, struct weir_txn_add *add, struct weir_step *step)
{
    enum weir_status status = check_producer(entry, add);
    answer_add(add, status, step);
    for (size_t i = 0; i < add->partition_count && status == WEIR_OK; i++) {
        struct weir_txn_partition *item = &add->partitions[i];
        if (!partition_set_has(entry->current.partitions, item->topic, item->partition))
            item->status = WEIR_TRANSACTION_ABORTABLE;
    }
}

static void add_partitions(struct txn_entry *entry, struct weir_txn_add *add,
                           struct weir_step *step)
{
    const struct txn_meta *current = &entry->current;
    struct partition_set *partitions;
    if (partition_set_add(current->partitions, add->partitions, add->partition_count,
                          &partitions) != WEIR_OK) {
        answer_add(add, WEIR_UNKNOWN_SERVER_ERROR, step);
        return;
    }
    struct txn_meta next = txn_meta_next(current, TXN_ONGOING);
    txn_meta_done(&next);
    next.partitions = partitions;
    if (current->state != TXN_ONGOING)
        next.start_ms = step->wall_ms;
    next.update_ms = step->wall_ms;
    next.client_version = add->client_transaction_version;
    entry_change(entry, next, ANSWER_ADD, &add->op, step);
}

void txn_add(struct txn_machine *machine, struct weir_txn_add *add, struct weir_step *step)
{
    struct txn_entry *entry = machine_entry(machine, add->transactional_id);
    if (!machine->is_settled || entry == NULL) {
        answer_add(add,
                   machine->is_settled ? WEIR_INVALID_PRODUCER_ID_MAPPING
                                       : WEIR_COORDINATOR_LOAD_IN_PROGRESS,
                   step);
        return;
    }
    if (add->verify_only) {
        verify(entry, add, step);
        return;
    }
    enum weir_status status =
        entry_is_pending(entry) ? WEIR_CONCURRENT_TRANSACTIONS : check_producer(entry, add);
    if (status != WEIR_OK ||
        (entry->current.state == TXN_ONGOING && has_all(entry->current.partitions, add)))
        answer_add(add, status, step); /* OK: they are in already */
    else
        add_partitions(entry, add, step);
}
