/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The share partitions that this broker leads (KIP-932), one for each group and partition that a
 * member asked for, and the share sessions of the members.  A share partition is loaded from the
 * share coordinator when it is first asked for; each change is stored there before it is answered,
 * one after the other, so that what is stored never goes back.
 *
 * Any thread.  One lock for the table (rank SHARE_PARTITIONS), one for each share partition (rank
 * SHARE_PARTITION); neither is held across a read of the log, the coordinator or a completion.
 *
 * Promises:
 *  M1  an acknowledgement that was answered with OK survives: no member gets those records again.
 *  M2  records whose holder went away (session, connection, lock, this broker) are delivered again.
 *  M3  a waiter added before records became available is woken; none after its cancel returned.
 */

#include "weir/base/arena.h"
#include "weir/base/list.h"
#include "weir/base/log.h"
#include "weir/metadata/config_resolve.h"
#include "weir/replication/partition.h"
#include "weir/runtime/env.h"
#include "weir/runtime/file_range.h"
#include "weir/runtime/task_pool.h"
#include "weir/share/share_coordinator.h"
#include "weir/share/share_partition.h"
#include "weir/share/share_sessions.h"

struct weir_share_partitions;
struct weir_share_slot; /* one share partition; counted references */

struct weir_share_partitions_options {
    struct weir_env *env;
    struct weir_task_pool *pool;
    const struct weir_log *log;
    struct weir_image_publisher *publisher;
    /* A new reference to the partition, or NULL when it is not here; any thread. */
    struct weir_partition *(*find_partition)(void *context, struct weir_uuid topic_id,
                                             int32_t partition);
    void *find_context;
    const struct weir_static_configs *statics;
    int32_t broker_id;
    struct weir_share_coordinator *coordinator;
    size_t sessions_max;   /* group.share.max.share.sessions */
    size_t partitions_max; /* in memory; one more is COORDINATOR_NOT_AVAILABLE */
};

/* All pointers are borrowed and outlive it. */
WEIR_MUST_CHECK enum weir_status
weir_share_partitions_new(const struct weir_share_partitions_options *options,
                          struct weir_share_partitions **out);
/* Drops all of them; after the server, before the coordinator stops.  What comes later is refused
 * with NOT_LEADER_OR_FOLLOWER.  NULL is allowed. */
void weir_share_partitions_stop(struct weir_share_partitions *partitions);
/* After the coordinator and the pool.  NULL is allowed. */
void weir_share_partitions_free(struct weir_share_partitions *partitions);

struct weir_share_sessions *
weir_share_partitions_sessions(struct weir_share_partitions *partitions);

/* ---- What ends a share partition, or a member's hold ---- */

/* This broker no longer leads the partition, or its topic is gone (partition -1: all of them). */
void weir_share_partitions_lost(struct weir_share_partitions *partitions, struct weir_uuid topic_id,
                                int32_t partition);
/* Ends the member's session and releases what it holds; false when there was none.  With its last
 * session a group's share partitions go, once what they changed is stored: administrators may alter
 * the state of a group without members, and the next member has to find it altered. */
bool weir_share_partitions_end_session(struct weir_share_partitions *partitions,
                                       struct weir_slice group_id, struct weir_slice member_id);
/* The connection ended, and with it the sessions that were last used on it. */
void weir_share_partitions_connection_ended(struct weir_share_partitions *partitions,
                                            uint64_t connection_id);

/* ---- One share partition ---- */

/* A new reference; begins to load it if nobody asked for it before, and says so.
 * NOT_LEADER_OR_FOLLOWER, COORDINATOR_NOT_AVAILABLE (too many), NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_share_slot_get(struct weir_share_partitions *partitions,
                                                     const struct weir_share_key *key,
                                                     struct weir_share_slot **out,
                                                     bool *out_is_new);
struct weir_share_slot *weir_share_slot_ref(struct weir_share_slot *slot);
/* NULL is allowed. */
void weir_share_slot_unref(struct weir_share_slot *slot);

/* Called when records became available, it was loaded, or it was dropped, with its lock held: only
 * post a message.  Zero-initialise before the first use; stays until cancelled. */
struct weir_share_waiter {
    struct weir_list node;
    void (*wake)(struct weir_share_waiter *waiter);
};
void weir_share_slot_wait(struct weir_share_slot *slot, struct weir_share_waiter *waiter);
void weir_share_slot_wait_cancel(struct weir_share_slot *slot, struct weir_share_waiter *waiter);

struct weir_share_read_terms {
    struct weir_slice member_id;
    size_t bytes_max; /* the first batch comes whole all the same */
    int32_t records_max;
    int32_t batch_size;
    bool is_record_limited;
};

/* How many bytes an acquisition would find now; 0 while it is loaded, or everything is held.
 * NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_TOPIC_OR_PARTITION,
 * COORDINATOR_NOT_AVAILABLE, KAFKA_STORAGE_ERROR, UNKNOWN_SERVER_ERROR: there is nothing to wait
 * for. Blocks no more than a read of the log. */
WEIR_MUST_CHECK enum weir_status weir_share_slot_look(struct weir_share_slot *slot,
                                                      const struct weir_share_read_terms *terms,
                                                      int64_t *out_bytes);

struct weir_share_read {
    /* Whole batches from that of the first record acquired to that of the last; the caller owes
     * release when size is not 0. */
    struct weir_file_range range;
    const struct weir_share_acquired *acquired; /* in the arena */
    size_t acquired_count;
    int64_t record_count;
};
/* Acquires records and finds their bytes.  Fails as look does.  Reads batch headers: on a task
 * thread. */
WEIR_MUST_CHECK enum weir_status weir_share_slot_acquire(struct weir_share_slot *slot,
                                                         const struct weir_share_read_terms *terms,
                                                         struct weir_arena *arena,
                                                         struct weir_share_read *out);

/* ---- Acknowledge ---- */

/* Zero-initialise, set done, start. */
struct weir_share_acknowledge_op {
    void (*done)(struct weir_share_acknowledge_op *op); /* any thread, without locks, perhaps before
                                                           the call returned; once */
    enum weir_status status;                            /* out */
};
/* Items and key are only read before it returns.  UNKNOWN_TOPIC_OR_PARTITION: it is not in use
 * here; what weir_share_partition_acknowledge may say; and when it could not be stored
 * COORDINATOR_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION,
 * UNKNOWN_SERVER_ERROR. */
void weir_share_acknowledge(struct weir_share_partitions *partitions,
                            const struct weir_share_key *key, struct weir_slice member_id,
                            const struct weir_share_acknowledgement *items, size_t count,
                            struct weir_share_acknowledge_op *op);

/* share.record.lock.duration.ms of the group now. */
int32_t weir_share_lock_duration_ms(struct weir_share_partitions *partitions,
                                    struct weir_slice group_id);
