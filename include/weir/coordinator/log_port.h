/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How a coordinator reaches the log of its partitions: a table of functions, so that the machines
 * can be tested without one.  broker binds it to replication.  `partition` is an index of the one
 * topic the port belongs to.
 *
 * append is called with the shard's lock held (rank COORDINATOR_SHARD), so it takes locks of higher
 * rank only and does not block beyond one append; read is called on a task thread without locks.
 */

#include "weir/base/buf.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/record/batch.h"

#include <stdint.h>

/* Told when the high watermark of a partition moved.  moved may be called with the partition's lock
 * held: it only submits a task. */
struct weir_log_watch {
    void (*moved)(struct weir_log_watch *watch);
    void *binding; /* the port's own */
};

struct weir_log_appended {
    int64_t base_offset;
    int64_t last_offset;
    int64_t high_watermark; /* after the append */
};

struct weir_log_port {
    /* Appends one whole v2 batch as leader in this epoch; the log sets base offset and leader
     * epoch.  NOT_LEADER_OR_FOLLOWER when the epoch is over, NOT_ENOUGH_REPLICAS,
     * MESSAGE_TOO_LARGE, KAFKA_STORAGE_ERROR, NO_SPACE ... : then nothing is in the log. */
    enum weir_status (*append)(void *context, int32_t partition, struct weir_slice batch,
                               int32_t leader_epoch, struct weir_log_appended *out,
                               struct weir_detail *detail);

    /* The same of a transactional batch.  INVALID_TXN_STATE when the transaction is not open in the
     * partition and the guard is not the one that its verification gave out (KIP-890: a marker came
     * between); INVALID_PRODUCER_EPOCH.  NULL for topics whose records are in no transaction. */
    enum weir_status (*append_txn)(void *context, int32_t partition, struct weir_slice batch,
                                   int32_t leader_epoch, uint64_t verification_guard,
                                   struct weir_log_appended *out, struct weir_detail *detail);

    /* Appends a transaction marker.  Statuses as append, and INVALID_PRODUCER_EPOCH,
     * TRANSACTION_COORDINATOR_FENCED.  NULL as above. */
    enum weir_status (*append_marker)(void *context, int32_t partition,
                                      const struct weir_txn_marker *marker,
                                      int8_t transaction_version, int32_t leader_epoch,
                                      struct weir_log_appended *out, struct weir_detail *detail);

    /* Appends to out whole batches from the one that holds `offset` on (the first may begin before
     * it), about bytes_max of them but at least one; nothing at or above the log end offset.
     * Everything in the log is read, committed or not. */
    enum weir_status (*read)(void *context, int32_t partition, int64_t offset, size_t bytes_max,
                             struct weir_buf *out, struct weir_detail *detail);

    /* Of one moment.  NOT_LEADER_OR_FOLLOWER when the log is not here. */
    enum weir_status (*offsets)(void *context, int32_t partition, int64_t *out_log_start_offset,
                                int64_t *out_high_watermark, int64_t *out_log_end_offset);

    /* max.message.bytes of the topic. */
    int32_t (*batch_bytes_max)(void *context, int32_t partition);

    /* From watch on, moved is called after each move of the high watermark; after unwatch returned
     * it is not running and will not run.  NOT_LEADER_OR_FOLLOWER, NO_MEMORY. */
    enum weir_status (*watch)(void *context, int32_t partition, struct weir_log_watch *watch);
    void (*unwatch)(void *context, int32_t partition, struct weir_log_watch *watch);
};
