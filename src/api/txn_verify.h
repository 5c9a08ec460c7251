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

/* In the call's arena; zero-initialised but for what goes in. */
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
    void (*then)(struct weir_call *call, void *argument);
    void *argument;
    /* private */
    struct weir_txn_add add;
    struct weir_timer timer;
    int64_t deadline_ms;
};

/* Calls then on the loop, later. */
void weir_txn_verify_start(struct weir_txn_verify *verify);

/* transaction.partition.verification.enable */
bool weir_txn_verify_is_on(const struct weir_call *call);
