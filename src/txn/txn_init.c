/* SPDX-License-Identifier: Apache-2.0 */

/*
 * InitProducerId of a transactional id: which producer may go on under it.
 *
 *  - An id that is new gets a producer id and epoch 0.
 *  - Empty or Complete*: the epoch is bumped; when epochs are used up the producer id changes.  A
 *    producer that says who it is (KIP-360) must be the current one; if it is the one before, its
 *    bump has been made already and it gets the same answer again.
 *  - Ongoing: the transaction is aborted under an epoch that nobody is told, and the client comes
 *    again (CONCURRENT_TRANSACTIONS).
 */

#include "txn_int.h"

#include "weir/base/assert.h"

static bool is_expected(const struct weir_txn_init *init)
{
    return init->expected_producer_id != NO_PRODUCER_ID;
}

static bool is_producer_valid(const struct txn_entry *entry, const struct weir_txn_init *init)
{
    return !is_expected(init) || !entry_is_known(entry) ||
           init->expected_producer_id == entry->current.producer_id ||
           (init->expected_producer_id == entry->current.previous_producer_id &&
            init->expected_producer_epoch >= LAST_CLIENT_EPOCH);
}

/* PRODUCER_FENCED: it is neither the current epoch nor the one before. */
static enum weir_status set_epochs(const struct txn_meta *from, const struct weir_txn_init *init,
                                   struct txn_meta *next)
{
    if (is_expected(init) && from->epoch != NO_PRODUCER_EPOCH &&
        init->expected_producer_epoch != from->epoch)
        return init->expected_producer_epoch == from->last_epoch ? WEIR_OK : WEIR_PRODUCER_FENCED;
    WEIR_ASSERT(from->epoch < LAST_CLIENT_EPOCH);
    next->epoch = (int16_t)(from->epoch + 1);
    next->last_epoch = is_expected(init) ? from->epoch : NO_PRODUCER_EPOCH;
    return WEIR_OK;
}

static bool must_rotate(const struct txn_meta *current, const struct weir_txn_init *init)
{
    return txn_meta_is_exhausted(current) &&
           (!is_expected(init) || init->expected_producer_epoch == current->epoch);
}

static bool change_to_empty(struct txn_entry *entry, struct weir_txn_init *init, int64_t fresh_id,
                            struct weir_step *step)
{
    const struct txn_meta *current = &entry->current;
    bool is_rotation = must_rotate(current, init);
    if (is_rotation && fresh_id == NO_PRODUCER_ID)
        return false;
    struct txn_meta next = txn_meta_next(current, TXN_EMPTY);
    txn_meta_done(&next);
    enum weir_status status = WEIR_OK;
    if (is_rotation) {
        next.producer_id = fresh_id;
        next.epoch = 0;
        next.last_epoch = is_expected(init) ? current->epoch : NO_PRODUCER_EPOCH;
    } else {
        status = set_epochs(current, init, &next);
    }
    if (status != WEIR_OK) {
        answer_init(init, status, NO_PRODUCER_ID, NO_PRODUCER_EPOCH, step);
        return true;
    }
    next.timeout_ms = init->enable_two_phase_commit ? NO_TIMEOUT : init->timeout_ms;
    next.start_ms = NO_TIMESTAMP;
    next.update_ms = step->wall_ms;
    entry_change(entry, next, ANSWER_INIT, &init->op, step);
    return true;
}

static bool init_new(struct txn_machine *machine, struct weir_txn_init *init, int64_t fresh_id,
                     struct weir_step *step)
{
    if (fresh_id == NO_PRODUCER_ID)
        return false;
    struct txn_entry *entry;
    if (machine_add_entry(machine, init->transactional_id, &entry) != WEIR_OK) {
        answer_init(init, WEIR_UNKNOWN_SERVER_ERROR, NO_PRODUCER_ID, NO_PRODUCER_EPOCH, step);
        return true;
    }
    entry->current.producer_id = fresh_id;
    return change_to_empty(entry, init, fresh_id, step);
}

bool txn_init(struct txn_machine *machine, struct weir_txn_init *init, int64_t fresh_id,
              struct weir_step *step)
{
    if (!machine->is_settled) {
        answer_init(init, WEIR_COORDINATOR_LOAD_IN_PROGRESS, NO_PRODUCER_ID, NO_PRODUCER_EPOCH,
                    step);
        return true;
    }
    struct txn_entry *entry = machine_entry(machine, init->transactional_id);
    if (entry == NULL)
        return init_new(machine, init, fresh_id, step);
    enum weir_status status = WEIR_OK;
    if (entry_is_pending(entry))
        status = WEIR_CONCURRENT_TRANSACTIONS;
    else if (!is_producer_valid(entry, init))
        status = WEIR_PRODUCER_FENCED;
    if (status != WEIR_OK) {
        answer_init(init, status, NO_PRODUCER_ID, NO_PRODUCER_EPOCH, step);
        return true;
    }
    if (entry->current.state == TXN_ONGOING)
        return txn_fence(entry, &init->op, fresh_id, step);
    return change_to_empty(entry, init, fresh_id, step);
}
