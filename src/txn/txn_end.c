/* SPDX-License-Identifier: Apache-2.0 */

/*
 * EndTxn, and the ends nobody asked for.
 *
 * Transaction version 2 (KIP-890) bumps the epoch at every end, so that a late batch of this
 * transaction cannot come into the next one.  It follows that an epoch one above the request's means
 * that the request is a repetition, and that a transaction may be aborted which has not reached us:
 * from Empty and Complete* as well.  At 32766 the epochs are used up: the markers go out with 32767,
 * and Complete* goes on with a new producer id and epoch 0.
 *
 * Versions 0 and 1 leave the epoch alone; the state alone tells a repetition.
 */

#include "txn_int.h"

#include "weir/base/assert.h"

static enum weir_status result_of_complete(const struct txn_entry *entry, bool is_commit)
{
    return (entry->current.state == TXN_COMPLETE_COMMIT) == is_commit ? WEIR_OK
                                                                       : WEIR_INVALID_TXN_STATE;
}

static void answer_now(const struct txn_entry *entry, struct weir_txn_end *end,
                       enum weir_status status, struct weir_step *step)
{
    answer_end(end, status, entry->current.producer_id, entry->current.epoch, step);
}

/* ---- Versions 0 and 1 ---- */

static void change_v1(struct txn_entry *entry, struct weir_txn_end *end, struct weir_step *step)
{
    struct txn_meta next = txn_meta_next(&entry->current,
                                         end->is_commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT);
    next.next_producer_id = NO_PRODUCER_ID;
    next.update_ms = step->wall_ms;
    next.client_version = 0; /* whatever the feature says, as in Apache Kafka */
    entry_change(entry, next, ANSWER_END, &end->op, step);
}

static void end_v1(struct txn_entry *entry, struct weir_txn_end *end, struct weir_step *step)
{
    const struct txn_meta *current = &entry->current;
    enum weir_status status = WEIR_OK;
    if (current->producer_id != end->producer_id)
        status = WEIR_INVALID_PRODUCER_ID_MAPPING;
    else if (current->epoch != end->producer_epoch)
        status = WEIR_PRODUCER_FENCED;
    else if (entry_is_pending(entry))
        status = WEIR_CONCURRENT_TRANSACTIONS;
    else if (current->state == TXN_EMPTY)
        status = WEIR_INVALID_TXN_STATE;
    else if (current->state != TXN_ONGOING)
        status = result_of_complete(entry, end->is_commit);
    if (status == WEIR_OK && current->state == TXN_ONGOING)
        change_v1(entry, end, step);
    else
        answer_now(entry, end, status, step);
}

/* ---- Version 2 ---- */

static bool change_v2(struct txn_entry *entry, enum txn_state state, bool has_begun,
                      enum answer_kind answer, struct weir_txn_op *op, int64_t fresh_id,
                      struct weir_step *step)
{
    const struct txn_meta *current = &entry->current;
    bool is_exhausted = txn_meta_is_exhausted(current);
    if (is_exhausted && fresh_id == NO_PRODUCER_ID)
        return false;
    struct txn_meta next = txn_meta_next(current, state);
    if (current->epoch < INT16_MAX)
        next.epoch = (int16_t)(current->epoch + 1);
    next.last_epoch = current->epoch;
    next.next_producer_id = is_exhausted ? fresh_id : NO_PRODUCER_ID;
    next.update_ms = step->wall_ms;
    if (!has_begun)
        next.start_ms = step->wall_ms;
    next.client_version = 2;
    entry_change(entry, next, answer, op, step);
    return true;
}

static bool is_epoch_valid(const struct txn_meta *current, const struct weir_txn_end *end,
                           bool is_repeated)
{
    bool is_complete =
        current->state == TXN_COMPLETE_COMMIT || current->state == TXN_COMPLETE_ABORT;
    return end->producer_epoch == current->epoch || (is_complete && is_repeated);
}

static bool end_v2(struct txn_entry *entry, struct weir_txn_end *end, int64_t fresh_id,
                   struct weir_step *step)
{
    const struct txn_meta *current = &entry->current;
    /* Only an end of version 2 bumps: after one of version 1 an epoch one above is somebody else's,
     * and a zombie must not take it over. */
    bool was_bumped = current->client_version >= 2;
    bool is_overflow = was_bumped && current->previous_producer_id == end->producer_id &&
                       end->producer_epoch == LAST_CLIENT_EPOCH && current->epoch == 0;
    bool is_repeated =
        is_overflow || (was_bumped && current->epoch == end->producer_epoch + 1);
    enum weir_status status = WEIR_OK;
    if (entry_is_pending(entry))
        status = WEIR_CONCURRENT_TRANSACTIONS;
    else if (current->producer_id != end->producer_id && !is_overflow)
        status = WEIR_INVALID_PRODUCER_ID_MAPPING;
    else if (!is_epoch_valid(current, end, is_repeated))
        status = WEIR_PRODUCER_FENCED;
    else if (current->state == TXN_ONGOING)
        return change_v2(entry, end->is_commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, true,
                         ANSWER_END, &end->op, fresh_id, step);
    else if (current->state != TXN_EMPTY && is_repeated)
        status = result_of_complete(entry, end->is_commit);
    else if (!end->is_commit)
        return change_v2(entry, TXN_PREPARE_ABORT, false, ANSWER_END, &end->op, fresh_id, step);
    else
        status = WEIR_INVALID_TXN_STATE; /* nothing was added to what is to be committed */
    answer_now(entry, end, status, step);
    return true;
}

bool txn_end(struct txn_machine *machine, struct weir_txn_end *end, int64_t fresh_id,
             struct weir_step *step)
{
    struct txn_entry *entry = machine_entry(machine, end->transactional_id);
    if (!machine->is_settled || entry == NULL) {
        answer_end(end,
                   machine->is_settled ? WEIR_INVALID_PRODUCER_ID_MAPPING
                                       : WEIR_COORDINATOR_LOAD_IN_PROGRESS,
                   NO_PRODUCER_ID, NO_PRODUCER_EPOCH, step);
        return true;
    }
    if (end->client_transaction_version >= 2)
        return end_v2(entry, end, fresh_id, step);
    end_v1(entry, end, step);
    return true;
}

/* ---- Fencing ---- */

bool txn_fence(struct txn_entry *entry, struct weir_txn_op *op, int64_t fresh_id,
               struct weir_step *step)
{
    const struct txn_meta *current = &entry->current;
    WEIR_ASSERT(current->state == TXN_ONGOING && !entry->is_changing);
    enum answer_kind answer = op == NULL ? ANSWER_NOBODY : ANSWER_FENCED;
    int level = atomic_load_explicit(&entry->machine->context->transaction_version,
                                     memory_order_relaxed);
    if (level >= 2) {
        if (!change_v2(entry, TXN_PREPARE_ABORT, true, answer, op, fresh_id, step))
            return false;
    } else {
        struct txn_meta next = txn_meta_next(current, TXN_PREPARE_ABORT);
        if (current->epoch < INT16_MAX)
            next.epoch = (int16_t)(current->epoch + 1);
        next.last_epoch = NO_PRODUCER_EPOCH;
        next.next_producer_id = NO_PRODUCER_ID;
        next.update_ms = step->wall_ms;
        next.client_version = 0; /* whatever the feature says, as in Apache Kafka */
        entry_change(entry, next, answer, op, step);
    }
    WEIR_STEP_LOG(step, op == NULL ? WEIR_LOG_LEVEL_INFO : WEIR_LOG_LEVEL_DEBUG,
                  op == NULL ? "transaction_timed_out" : "transaction_fenced",
                  WEIR_BYTES("transactional_id", entry->id),
                  WEIR_I64("producer_id", entry->current.producer_id),
                  WEIR_I64("producer_epoch", entry->current.epoch),
                  WEIR_I64("timeout_ms", entry->current.timeout_ms),
                  WEIR_I64("age_ms", step->wall_ms - entry->current.start_ms),
                  WEIR_I64("partitions", (int64_t)partition_set_count(entry->current.partitions)),
                  WEIR_STR("next", "it is aborted"));
    return true;
}
