/* SPDX-License-Identifier: Apache-2.0 */

/* The state table, and what is the same in every transition.  The diagram is in txn_int.h. */

#include "txn_int.h"

#include "weir/base/assert.h"

struct weir_slice txn_state_name(enum txn_state state)
{
    static const char *const names[TXN_STATE_COUNT] = {
        [TXN_EMPTY] = "Empty",
        [TXN_ONGOING] = "Ongoing",
        [TXN_PREPARE_COMMIT] = "PrepareCommit",
        [TXN_PREPARE_ABORT] = "PrepareAbort",
        [TXN_COMPLETE_COMMIT] = "CompleteCommit",
        [TXN_COMPLETE_ABORT] = "CompleteAbort",
        [TXN_DEAD] = "Dead",
        [TXN_PREPARE_EPOCH_FENCE] = "PrepareEpochFence",
    };
    return weir_slice_str(names[state]);
}

bool txn_state_may_follow(enum txn_state from, enum txn_state to)
{
    static const bool is_legal[TXN_STATE_COUNT][TXN_STATE_COUNT] = {
        [TXN_EMPTY] = {[TXN_EMPTY] = true,
                       [TXN_ONGOING] = true,
                       [TXN_PREPARE_ABORT] = true,
                       [TXN_DEAD] = true},
        [TXN_ONGOING] = {[TXN_ONGOING] = true,
                         [TXN_PREPARE_COMMIT] = true,
                         [TXN_PREPARE_ABORT] = true},
        [TXN_PREPARE_COMMIT] = {[TXN_COMPLETE_COMMIT] = true},
        [TXN_PREPARE_ABORT] = {[TXN_COMPLETE_ABORT] = true},
        [TXN_COMPLETE_COMMIT] = {[TXN_EMPTY] = true,
                                 [TXN_ONGOING] = true,
                                 [TXN_PREPARE_ABORT] = true,
                                 [TXN_DEAD] = true},
        [TXN_COMPLETE_ABORT] = {[TXN_EMPTY] = true,
                                [TXN_ONGOING] = true,
                                [TXN_PREPARE_ABORT] = true,
                                [TXN_DEAD] = true},
    };
    return is_legal[from][to];
}

bool txn_state_is_prepared(enum txn_state state)
{
    return state == TXN_PREPARE_COMMIT || state == TXN_PREPARE_ABORT;
}

void txn_meta_done(struct txn_meta *meta)
{
    partition_set_unref(meta->partitions);
    meta->partitions = NULL;
}

struct txn_meta txn_meta_next(const struct txn_meta *from, enum txn_state to)
{
    WEIR_ASSERT(txn_state_may_follow(from->state, to));
    struct txn_meta next = *from;
    next.previous_producer_id = from->producer_id;
    next.state = to;
    next.partitions = partition_set_ref(from->partitions);
    return next;
}

struct txn_meta txn_meta_complete(const struct txn_meta *from, int64_t wall_ms)
{
    struct txn_meta next = txn_meta_next(from, from->state == TXN_PREPARE_COMMIT
                                                   ? TXN_COMPLETE_COMMIT
                                                   : TXN_COMPLETE_ABORT);
    /* last_epoch stays: it is the last one the client saw, whatever the markers had. */
    if (from->client_version >= 2 && from->next_producer_id != NO_PRODUCER_ID) {
        next.producer_id = from->next_producer_id;
        next.epoch = 0;
    }
    next.next_producer_id = NO_PRODUCER_ID;
    next.update_ms = wall_ms;
    txn_meta_done(&next);
    return next;
}

bool txn_meta_is_exhausted(const struct txn_meta *meta)
{
    return meta->epoch >= LAST_CLIENT_EPOCH;
}
