/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A partition as this broker has it: its role (leader or not, epoch, in-sync replicas) over its
 * log.  The role comes from the metadata image only.  A single node is a partition whose replica
 * set is itself: the same code, no special case.
 *
 * Reference-counted; usable from any thread.  The partition's lock (rank PARTITION) covers the role
 * and the append, so that nothing is appended after leadership was lost; it is never held across a
 * sync, a network call or a callback that may block.  Reads take the role once and then go to the
 * log without the lock.
 *
 * Promises:
 *  R1  a record is served to consumers only below the high watermark, and to read_committed ones
 * below the last stable offset. R2  the high watermark never goes back, and never moves while the
 * in-sync set is smaller than min.insync.replicas. R3  a waiter added before a change that would
 * satisfy it is woken; none is woken after its cancel returned.
 * R4  nothing that a flush which is due (flush.messages) has not made durable yet is below the high
 * watermark.
 */

#include "weir/base/arena.h"
#include "weir/base/list.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"
#include "weir/metadata/image.h"
#include "weir/record/produce_check.h"
#include "weir/storage/partition_log.h"

struct weir_partition;

struct weir_partition *weir_partition_ref(struct weir_partition *partition);
/* NULL is allowed. */
void weir_partition_unref(struct weir_partition *partition);

/* Fixed for the life of the partition; the slice lives as long as a reference. */
struct weir_slice weir_partition_topic(const struct weir_partition *partition);
struct weir_uuid weir_partition_topic_id(const struct weir_partition *partition);
int32_t weir_partition_index(const struct weir_partition *partition);

/* The role at one moment. */
struct weir_partition_role {
    bool is_leader; /* this broker leads, and its log is there */
    int32_t leader; /* broker id, WEIR_NO_LEADER */
    int32_t leader_epoch;
    int32_t partition_epoch;
};
void weir_partition_role(struct weir_partition *partition, struct weir_partition_role *out);

/* Checks what a client believes against the role: NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH
 * (older), or UNKNOWN_LEADER_EPOCH (newer, KIP-320); epoch -1 is not checked.  KAFKA_STORAGE_ERROR
 * when the log is offline.  On OK *out_log is a new reference: weir_partition_log_unref it.  It
 * stays readable when the partition moves to another directory meanwhile, but takes no changes
 * (CLOSED). */
WEIR_MUST_CHECK enum weir_status weir_partition_leader_log(struct weir_partition *partition,
                                                           int32_t current_leader_epoch,
                                                           struct weir_partition_log **out_log);

/* A new reference to the log whatever the role is; NULL when its directory is offline. */
struct weir_partition_log *weir_partition_log_now(struct weir_partition *partition);

/* ---- Append ---- */

struct weir_partition_appended {
    int64_t base_offset;
    int64_t last_offset;
    int64_t log_append_time_ms; /* -1 with CreateTime */
    int64_t log_start_offset; /* also set when the append was refused, -1 where Apache Kafka answers
                                 -1 */
    int64_t high_watermark;   /* after the append */
    /* flush.messages was reached: a flush has been set going, and the answer leaves when
     * weir_partition_sync_status is no longer PENDING.  Until then the high watermark is held back
     * (R4), so who waits for that needs nothing else. */
    bool is_flush_due;
};

/* What a transactional batch says of its verification in place of a guard (KIP-890). */
#define WEIR_GUARD_NONE 0          /* it needs none: its transaction is open here, or it has none */
#define WEIR_GUARD_OFF  UINT64_MAX /* transaction.partition.verification.enable=false */

/* Before the coordinator is asked whether a transaction has this partition: the guard with which
 * its first batch may then be appended, or WEIR_GUARD_NONE when the transaction is open here and
 * nobody has to be asked.  A marker that comes between takes the guard's power.
 * NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR, NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
weir_partition_begin_verification(struct weir_partition *partition,
                                  const struct weir_verification_request *request,
                                  uint64_t *out_guard);

/* False when a batch or marker of the producer's transactions came since the guard was given out:
 * what the coordinator said meanwhile may be about the transaction before. */
bool weir_partition_guard_is_current(struct weir_partition *partition, int64_t producer_id,
                                     uint64_t guard);

struct weir_produce_terms {
    int16_t acks; /* the request's: -1 is refused with NOT_ENOUGH_REPLICAS when too few replicas are
                     in sync */
    uint64_t verification_guard;
};

/* Validates a producer's batch and appends it.  errors says in words what was wrong, as
 * weir_produce_check does; the caller releases it in any case.  The batch's bytes are not written
 * to and are no longer needed afterwards.  WOULD_BLOCK: the log needs its next segment, nothing was
 * done; weir_partition_make_room, and once more.  NO_SPACE with words in errors->message. */
WEIR_MUST_CHECK enum weir_status weir_partition_produce(struct weir_partition *partition,
                                                        const struct weir_batch *batch,
                                                        const struct weir_produce_terms *terms,
                                                        struct weir_partition_appended *out,
                                                        struct weir_produce_errors *errors);

/* Appends a batch made by this broker (a coordinator's records).  leader_epoch is the epoch the
 * coordinator works in: NOT_LEADER_OR_FOLLOWER when it is no longer this broker's. */
WEIR_MUST_CHECK enum weir_status weir_partition_append_own(struct weir_partition *partition,
                                                           struct weir_slice batch_bytes,
                                                           int32_t leader_epoch,
                                                           struct weir_partition_appended *out,
                                                           struct weir_detail *detail);

/* The same of a coordinator's transactional batch (TxnOffsetCommit).  INVALID_TXN_STATE when it
 * opens a transaction here without the guard of its verification. */
WEIR_MUST_CHECK enum weir_status
weir_partition_append_own_txn(struct weir_partition *partition, struct weir_slice batch_bytes,
                              int32_t leader_epoch, uint64_t verification_guard,
                              struct weir_partition_appended *out, struct weir_detail *detail);

struct weir_partition_marker {
    struct weir_txn_marker marker;
    int8_t transaction_version; /* 0, 1, 2 */
    int32_t leader_epoch;       /* -1: whichever it is */
    bool can_wait;              /* WOULD_BLOCK when the log needs its next segment first, as with
                                   weir_partition_produce; false: it goes into the full one */
};

/* Ends a producer's transaction here.  Read-committed consumers see that when the high watermark is
 * above the marker.  INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, and what append_own
 * may say. */
WEIR_MUST_CHECK enum weir_status
weir_partition_append_marker(struct weir_partition *partition,
                             const struct weir_partition_marker *marker,
                             struct weir_partition_appended *out, struct weir_detail *detail);

/* After WOULD_BLOCK: waits until the partition's log has room, making the next segment if nobody
 * else does.  Blocks: task threads only.  Then produce again, which may be refused again. NO_SPACE,
 * NO_MEMORY, KAFKA_STORAGE_ERROR, CLOSED: there will be none. */
WEIR_MUST_CHECK enum weir_status weir_partition_make_room(struct weir_partition *partition,
                                                          struct weir_detail *detail);

/* Of a batch whose append said is_flush_due: OK when it survives power loss, PENDING while its
 * flush is to come (waiters are woken when it ended), KAFKA_STORAGE_ERROR when the flush failed. */
WEIR_MUST_CHECK enum weir_status weir_partition_sync_status(struct weir_partition *partition,
                                                            int64_t last_offset);

/* ---- Waiting ---- */

/* Called when the high watermark or the last stable offset moved, the log start offset rose, or the
 * role changed.  On the thread that caused it, with the partition's lock held: only post a message,
 * do not call back.  One-shot or not is the waiter's business; it stays until cancelled.
 * Zero-initialise before the first use. */
struct weir_partition_waiter {
    struct weir_list node;
    void (*wake)(struct weir_partition_waiter *waiter);
};

void weir_partition_wait(struct weir_partition *partition, struct weir_partition_waiter *waiter);
/* After it returned wake is not running and will not run.  Fine when it is not waiting. */
void weir_partition_wait_cancel(struct weir_partition *partition,
                                struct weir_partition_waiter *waiter);

/* ---- Admin ---- */

/* Raises the log start offset to `offset` (-1: the high watermark).  POLICY_VIOLATION when the
 * topic's cleanup.policy does not contain delete, OFFSET_OUT_OF_RANGE above the high watermark or
 * below -1, NOT_LEADER_OR_FOLLOWER. *out_low_watermark is the log start offset afterwards. */
WEIR_MUST_CHECK enum weir_status weir_partition_delete_records(struct weir_partition *partition,
                                                               int64_t offset,
                                                               int64_t *out_low_watermark,
                                                               struct weir_detail *detail);
