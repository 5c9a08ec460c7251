/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One partition as its leader hands it out to the members of one share group (KIP-932): which
 * records are in flight, who holds them until when, how often they were delivered.  A pure machine:
 * offsets and the time go in; what was acquired and what has to be stored come out.  Reading the
 * log, storing through the share coordinator and waiting are its caller's.  One thread at a time;
 * the caller's lock.
 *
 * Promises:
 *  S1  a record is acquired by one member at a time: by a second one only after it was released, or
 *      its lock ran out.
 *  S2  a record that was acknowledged or archived is never acquired again.
 *  S3  no record is acquired more often than share.delivery.count.limit.
 *  S4  what an acknowledgement did can be seen by nobody before it was stored; when it could not be
 *      stored the record is held as before.
 *  S5  the start offset never goes back, and passes only records that are acknowledged, archived or
 *      no longer in the log.
 */

#include "weir/base/arena.h"
#include "weir/base/status.h"
#include "weir/share/share_types.h"

#include <stdbool.h>

struct weir_share_partition;

/* The group's configuration at this moment; it may differ from call to call. */
struct weir_share_partition_config {
    int32_t delivery_count_max; /* share.delivery.count.limit, at least 1 */
    int64_t lock_duration_ms;   /* share.record.lock.duration.ms */
    int32_t record_locks_max;   /* share.partition.max.record.locks */
    bool is_renew_enabled;      /* share.renew.acknowledge.enable */
};

/* What has to be stored.  The batches lie in the arena that was handed in.  batch_count 0: nothing.
 */
struct weir_share_change {
    int64_t id; /* for weir_share_partition_stored; 0: nobody waits for this one */
    const struct weir_share_batch *batches;
    size_t batch_count;
    int64_t start_offset;
    int32_t delivery_complete_count; /* of the offsets from start_offset on that are in flight */
    int32_t state_epoch;
};

/* Begins with what the share coordinator has (start_offset already decided, not -1).  Offsets
 * between the batches count as never delivered.  CORRUPT: batches that overlap, are not in order,
 * or lie before start_offset.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_share_partition_new(int32_t state_epoch, int64_t start_offset,
                                                          const struct weir_share_batch *batches,
                                                          size_t batch_count,
                                                          struct weir_share_partition **out);
/* NULL is allowed. */
void weir_share_partition_free(struct weir_share_partition *partition);

int64_t weir_share_partition_start_offset(const struct weir_share_partition *partition);
/* Behind the last record that was ever acquired. */
int64_t weir_share_partition_end_offset(const struct weir_share_partition *partition);

/* ---- Acquire ---- */

/* From where the log is to be read for the next acquisition: the first record that is available. */
int64_t weir_share_partition_next_fetch_offset(const struct weir_share_partition *partition);
/* False: everything is held, and as many records are in flight as may be. */
bool weir_share_partition_can_acquire(const struct weir_share_partition *partition,
                                      const struct weir_share_partition_config *config);

struct weir_share_range {
    int64_t first_offset;
    int64_t last_offset;
};

struct weir_share_acquire {
    struct weir_slice member_id;
    int64_t fetch_offset; /* where the read began */
    /* The batches that were read, in order; holes between them are what compaction left. */
    const struct weir_share_range *log_batches;
    size_t log_batch_count;
    /* Batches of aborted transactions (share.isolation.level=read_committed), in order: what is
     * acquired of them is archived at once. */
    const struct weir_share_range *aborted;
    size_t aborted_count;
    int32_t records_max;
    int32_t batch_size;     /* acquired runs are cut at log batches about so far apart */
    bool is_record_limited; /* share acquire mode 1: never more than records_max; else whole batches
                             */
};

struct weir_share_acquired {
    int64_t first_offset;
    int64_t last_offset;
    int16_t delivery_count;
};

/* Acquires what is available among the records read.  *out_items lies in the arena.  NO_MEMORY:
 * nothing was acquired. */
WEIR_MUST_CHECK enum weir_status weir_share_partition_acquire(
    struct weir_share_partition *partition, const struct weir_share_partition_config *config,
    const struct weir_share_acquire *acquire, int64_t now_ms, struct weir_arena *arena,
    const struct weir_share_acquired **out_items, size_t *out_count);

/* ---- Acknowledge ---- */

enum weir_share_acknowledge_type {
    WEIR_SHARE_GAP = 0, /* there is no record at this offset */
    WEIR_SHARE_ACCEPT = 1,
    WEIR_SHARE_RELEASE = 2,
    WEIR_SHARE_REJECT = 3,
    WEIR_SHARE_RENEW = 4 /* KIP-1222: the lock begins anew, the record stays acquired */
};

struct weir_share_acknowledgement {
    int64_t first_offset;
    int64_t last_offset;
    const int8_t *types; /* one for all offsets, or one for each */
    size_t type_count;
};

/* All of them or none.  INVALID_REQUEST: types or offsets that cannot be, batches not in order or
 * past what was acquired.  INVALID_RECORD_STATE: an offset is not held by this member, is being
 * acknowledged already, or renewing is switched off.  NO_MEMORY.  Offsets before the start offset
 * are passed over.  out->batch_count 0: done.  Otherwise store it and call
 * weir_share_partition_stored. */
WEIR_MUST_CHECK enum weir_status weir_share_partition_acknowledge(
    struct weir_share_partition *partition, const struct weir_share_partition_config *config,
    struct weir_slice member_id, const struct weir_share_acknowledgement *items, size_t count,
    int64_t now_ms, struct weir_arena *arena, struct weir_share_change *out);

/* The member's session ended: all it holds is released.  As acknowledge; NO_MEMORY leaves it to the
 * locks to run out. */
WEIR_MUST_CHECK enum weir_status weir_share_partition_release_member(
    struct weir_share_partition *partition, const struct weir_share_partition_config *config,
    struct weir_slice member_id, struct weir_arena *arena, struct weir_share_change *out);

/* What became of a change.  Not stored: the records are held as before (S4), and released by the
 * next tick when their locks ran out meanwhile.  True when the start offset moved or records became
 * available: who waits to acquire should look again. */
bool weir_share_partition_stored(struct weir_share_partition *partition, int64_t id,
                                 bool was_stored);

/* ---- Time and log ---- */

/* When a lock runs out, at the earliest; INT64_MAX: there is none. */
int64_t weir_share_partition_next_deadline_ms(const struct weir_share_partition *partition);
/* Releases what was held too long.  out is stored as far as possible and needs no answer (id 0).
 * NO_MEMORY: nothing was released. */
WEIR_MUST_CHECK enum weir_status
weir_share_partition_tick(struct weir_share_partition *partition,
                          const struct weir_share_partition_config *config, int64_t now_ms,
                          struct weir_arena *arena, struct weir_share_change *out);

/* Records below this offset are no longer in the log: nobody holds them any more. */
void weir_share_partition_log_start_moved(struct weir_share_partition *partition,
                                          int64_t log_start_offset);
