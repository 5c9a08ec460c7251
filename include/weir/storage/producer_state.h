/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a partition remembers of its producers: the last batches of each (idempotence), open
 * transactions, and those that ended but whose marker is not yet below the high watermark (KIP-98,
 * KIP-360, KIP-890; reference B.6, B.7). Snapshots are Kafka's .snapshot files.  Not thread-safe:
 * the log's lock guards it.
 *
 *   snapshot: int16 version 1, uint32 CRC-32C of what follows, int32 count, then for each producer
 *             int64 id, int16 epoch, int32 last sequence, int64 last offset, int32 offset delta,
 * int64 timestamp, int32 coordinator epoch, int64 first offset of the open transaction (-1)
 */

#include "weir/base/map.h"
#include "weir/record/batch.h"
#include "weir/runtime/env.h"

#define WEIR_PRODUCER_BATCHES_MAX          5
#define WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES 46

struct weir_producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t last_offset;
    int32_t offset_delta;
    int64_t timestamp;
};

struct weir_producer {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch; /* -1: no marker seen */
    int64_t last_timestamp;
    int64_t txn_first_offset;                                      /* -1: no open transaction */
    struct weir_producer_batch batches[WEIR_PRODUCER_BATCHES_MAX]; /* oldest first */
    int32_t batch_count;
};

struct weir_producer_state;

/* Who appends: clients are held to the sequence, what is replicated or recovered only moves the
 * state. */
enum weir_append_origin {
    WEIR_APPEND_CLIENT,
    WEIR_APPEND_COORDINATOR, /* this broker's own groups, transactions and markers */
    WEIR_APPEND_REPLICATION, /* a follower's fetch, recovery */
    WEIR_APPEND_RAFT
};

WEIR_MUST_CHECK enum weir_status weir_producer_state_new(struct weir_producer_state **out);
void weir_producer_state_free(struct weir_producer_state *state);
/* Forgets all producers and transactions. */
void weir_producer_state_clear(struct weir_producer_state *state);

/* NULL when unknown.  Valid until the next change. */
const struct weir_producer *weir_producer_state_find(const struct weir_producer_state *state,
                                                     int64_t producer_id);
size_t weir_producer_state_count(const struct weir_producer_state *state);
/* Iteration in no order: *cursor = 0 at first, NULL at the end. */
const struct weir_producer *weir_producer_state_next(const struct weir_producer_state *state,
                                                     size_t *cursor);

/* The cached batch with the same epoch and sequence range, or NULL: the batch is a duplicate of it.
 */
const struct weir_producer_batch *
weir_producer_state_duplicate(const struct weir_producer_state *state,
                              const struct weir_batch *batch);

/* Whether a data batch of this origin may be appended: OK, INVALID_PRODUCER_EPOCH,
 * OUT_OF_ORDER_SEQUENCE_NUMBER or INVALID_TXN_STATE.  Changes nothing. */
WEIR_MUST_CHECK enum weir_status weir_producer_state_check(const struct weir_producer_state *state,
                                                           const struct weir_batch *batch,
                                                           enum weir_append_origin origin,
                                                           struct weir_detail *detail);
/* Whether a marker may be: INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED.
 * transaction_version 2 wants the marker's epoch above the known one (KIP-890). */
WEIR_MUST_CHECK enum weir_status weir_producer_state_check_marker(
    const struct weir_producer_state *state, const struct weir_txn_marker *marker,
    enum weir_append_origin origin, int8_t transaction_version, struct weir_detail *detail);

/* ---- Verification (KIP-890) ----
 *
 * Before the first batch of a transaction is appended here its coordinator is asked whether the
 * partition belongs to it.  The guard is given out before the question, and taken away by every
 * batch and marker of the producer's transactions: a batch with a guard that is gone was overtaken
 * by a marker, and would open a transaction that nobody ends. */

struct weir_verification_request {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;    /* -1: a coordinator's records have none */
    bool supports_epoch_bump; /* the client speaks transaction version 2 */
};

/* The guard that the producer's verification has, made if it has none; never 0.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
weir_producer_state_begin_verification(struct weir_producer_state *state,
                                       const struct weir_verification_request *request,
                                       int64_t now_ms, uint64_t *out_guard);
/* Whether it is the guard of the producer's verification now. */
bool weir_producer_state_is_verified(const struct weir_producer_state *state, int64_t producer_id,
                                     uint64_t guard);

/* Makes room so that the next update of this producer cannot fail: call before the bytes are
 * written. */
WEIR_MUST_CHECK enum weir_status weir_producer_state_prepare(struct weir_producer_state *state,
                                                             int64_t producer_id);

/* Room for that many more transactions to open and to end (prepare makes room for one of each). */
WEIR_MUST_CHECK enum weir_status weir_producer_state_reserve(struct weir_producer_state *state,
                                                             size_t count);

/* Takes over a data batch that lies in the log at its offsets. prepare must have succeeded. */
void weir_producer_state_update(struct weir_producer_state *state, const struct weir_batch *batch);

/* A transaction that a marker ended. */
struct weir_completed_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset; /* the marker's */
    bool is_aborted;
};

/* Takes over a marker at offset.  True when it ended an open transaction, which is then in *out and
 * counts as unreplicated until weir_producer_state_on_high_watermark passes it. */
bool weir_producer_state_apply_marker(struct weir_producer_state *state,
                                      const struct weir_txn_marker *marker, int64_t offset,
                                      int64_t timestamp, struct weir_completed_txn *out);

/* What the last stable offset was with this transaction complete: first offset of the oldest other
 * open one, or last_offset + 1.  (The .txnindex stores it.) */
int64_t weir_producer_state_last_stable_offset(const struct weir_producer_state *state,
                                               const struct weir_completed_txn *completed);

/* First offset of the oldest transaction that is open, or ended above the high watermark; -1 when
 * there is none. */
int64_t weir_producer_state_first_unstable(const struct weir_producer_state *state);
void weir_producer_state_on_high_watermark(struct weir_producer_state *state,
                                           int64_t high_watermark);

/* Drops producers without an open transaction whose last timestamp is older than expiration_ms, and
 * verifications that were begun so long ago. */
void weir_producer_state_expire(struct weir_producer_state *state, int64_t now_ms,
                                int64_t expiration_ms);

/* The whole file's bytes at the end of out. */
WEIR_MUST_CHECK enum weir_status weir_producer_state_encode(const struct weir_producer_state *state,
                                                            struct weir_buf *out);
/* Replaces the content; expired producers are left out.  CORRUPT leaves the state empty. */
WEIR_MUST_CHECK enum weir_status weir_producer_state_decode(struct weir_producer_state *state,
                                                            struct weir_slice bytes, int64_t now_ms,
                                                            int64_t expiration_ms,
                                                            struct weir_detail *detail);

/* Reads one snapshot, or replaces it (temporary file and rename; sync: fsync before the rename). */
WEIR_MUST_CHECK enum weir_status weir_producer_state_read(struct weir_env *env, const char *path,
                                                          struct weir_producer_state *state,
                                                          int64_t now_ms, int64_t expiration_ms,
                                                          struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_producer_state_write(struct weir_env *env, const char *path,
                                                           const struct weir_producer_state *state,
                                                           bool sync, struct weir_detail *detail);
/* The same with what weir_producer_state_encode gave, for when the state may not stand still. */
WEIR_MUST_CHECK enum weir_status weir_producer_state_write_bytes(struct weir_env *env,
                                                                 const char *path,
                                                                 struct weir_slice bytes, bool sync,
                                                                 struct weir_detail *detail);
