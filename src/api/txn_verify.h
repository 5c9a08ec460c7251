/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Verification of KIP-890 for those who append a transaction's batches (Produce, TxnOffsetCommit):
 * the transaction's coordinator is asked whether the partitions belong to it, or, for clients of
 * transaction version 2, adds them.  On the call's loop.
 */

#include "api_int.h"

#include "weir/runtime/loop.h"
#include "weir/txn/txn_service.h"

enum weir_verify_mode {
    WEIR_VERIFY_OLD_ERRORS, /* verifies; the client does not know TRANSACTION_ABORTABLE */
    WEIR_VERIFY,            /* verifies */
    WEIR_VERIFY_ADD         /* adds: transaction version 2 */
};

/* In the call's arena; zero-initialised but for what goes in.
 *
 * Each time before the coordinator is asked, prepare gets the guards and sets partition_count and
 * partitions; none means that nobody has to be asked.  A client of transaction version 2 begins the
 * next transaction when the last is decided, not when its markers are written: a marker may come
 * between guard and answer and take the guard's power.  Then is_current is false and all is done
 * again, for a while. */
struct weir_txn_verify {
    struct weir_call *call;
    struct weir_slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    enum weir_verify_mode mode;
    bool retries_concurrent; /* CONCURRENT_TRANSACTIONS is tried again for a while */
    /* statuses come out as a client is told them but for what its own API maps */
    struct weir_txn_partition *partitions;
    size_t partition_count;
    void (*prepare)(void *argument);
    bool (*is_current)(void *argument);
    void (*then)(struct weir_call *call, void *argument);
    void *argument;
    /* private */
    struct weir_txn_add add;
    struct weir_timer timer;
    int64_t deadline_ms;
};

/* Calls then on the loop, possibly before it returns. */
void weir_txn_verify_start(struct weir_txn_verify *verify);

/* transaction.partition.verification.enable; nobody but us adds the partitions of a client of
 * transaction version 2, so for these the coordinator is asked whatever the key says. */
bool weir_txn_verify_is_needed(const struct weir_call *call, enum weir_verify_mode mode);
