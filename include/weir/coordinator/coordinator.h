/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The shards of one internal topic: a shard is the machine replayed from one partition.  The
 * coordinator knows which partitions this broker leads, loads a shard when it becomes their leader
 * (on a task thread), drives its events and timers, writes its records, and releases answers when
 * the high watermark passes them.
 *
 * Threads: every function may be called from any thread unless it says otherwise.  Locks: the
 * registry (rank COORDINATOR_REGISTRY) for look-ups, and one for each shard (COORDINATOR_SHARD)
 * around one event and its append.  Completions and log lines run after the lock is free, on the
 * thread that drove the step.
 *
 * Promises:
 *  C1  an answer that depends on records leaves after they are below the high watermark.
 *  C2  records that were refused leave the machine as it was before them.
 *  C3  each write gets its result exactly once, also when the shard goes away.
 *  C4  a shard serves either the whole log or nothing.
 */

#include "weir/base/log.h"
#include "weir/coordinator/log_port.h"
#include "weir/coordinator/machine.h"
#include "weir/runtime/env.h"
#include "weir/runtime/task_pool.h"

struct weir_coordinator;
struct weir_shard;

struct weir_coordinator_options {
    struct weir_env *env;
    struct weir_task_pool *pool; /* loads, and the timer */
    const struct weir_log *log;
    const char *topic; /* for log lines: "__consumer_offsets" */
    const struct weir_log_port *port;
    void *port_context;
    const struct weir_machine_ops *ops;
    void *machine_context;
    int64_t commit_timeout_ms; /* offsets.commit.timeout.ms */
    size_t load_buffer_bytes;  /* offsets.load.buffer.size */
    int32_t base_sequence;     /* of its batches: Apache Kafka writes 0, but -1 into
                                  __transaction_state */
};

WEIR_MUST_CHECK enum weir_status weir_coordinator_new(const struct weir_coordinator_options *options,
                                                      struct weir_coordinator **out);
/* Gives up every shard (their waiting answers are completed) and starts no more tasks.  Then the
 * pool is drained or freed, then comes free. */
void weir_coordinator_stop(struct weir_coordinator *coordinator);
void weir_coordinator_free(struct weir_coordinator *coordinator);

/* How many partitions the topic has, from the metadata image; 0: it does not exist. */
void weir_coordinator_set_partition_count(struct weir_coordinator *coordinator, int32_t count);
int32_t weir_coordinator_partition_count(const struct weir_coordinator *coordinator);
/* The partition a key belongs to; -1 while the topic does not exist. */
int32_t weir_coordinator_partition_of(const struct weir_coordinator *coordinator,
                                      struct weir_slice key);

/* This broker became leader of the partition (or stays it in a new epoch): the log is there and may
 * be appended to.  Returns at once; until the load is done the shard answers
 * COORDINATOR_LOAD_IN_PROGRESS.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_coordinator_elected(struct weir_coordinator *coordinator,
                                                          int32_t partition, int32_t leader_epoch);
/* It is no longer leader, or the partition was deleted: waiting answers are completed with
 * NOT_COORDINATOR.  Calls of an epoch older than the shard's are ignored. */
void weir_coordinator_resigned(struct weir_coordinator *coordinator, int32_t partition,
                               int32_t leader_epoch);

/* A reference to the shard that has this key or partition, in whatever state it is; NULL when this
 * broker does not lead it. */
struct weir_shard *weir_coordinator_find(struct weir_coordinator *coordinator, int32_t partition);
struct weir_shard *weir_shard_ref(struct weir_shard *shard);
/* NULL is allowed. */
void weir_shard_unref(struct weir_shard *shard);
/* The newest epoch in which this broker was elected for the partition: the coordinator epoch of
 * transaction markers. */
int32_t weir_shard_leader_epoch(const struct weir_shard *shard);

/* An event for a machine; lives on the caller's stack. */
struct weir_shard_event {
    void (*apply)(struct weir_shard_event *event, void *machine, struct weir_step *step);
};

/* Applies the event, appends what came out, and runs what was completed by it.
 * COORDINATOR_LOAD_IN_PROGRESS or NOT_COORDINATOR: apply was not called. */
WEIR_MUST_CHECK enum weir_status weir_shard_run(struct weir_shard *shard,
                                                struct weir_shard_event *event);
/* A transaction marker on its way into a shard.  Set done; lives until it ran. */
struct weir_shard_marker {
    void (*done)(struct weir_shard_marker *marker); /* no locks held, any thread */
    enum weir_status status; /* out: OK when it is below the high watermark, else
                                COORDINATOR_NOT_AVAILABLE or NOT_COORDINATOR: it may be in the log */
    /* private */
    struct weir_completion completion;
    struct weir_write write;
};

/* Ends a transaction in this shard: appends the marker, lets the machine know (end_txn), and calls
 * done when the high watermark is above it, possibly before this returns.  When the status is not OK
 * nothing was written and done is not called: COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR,
 * COORDINATOR_NOT_AVAILABLE, INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED,
 * UNKNOWN_SERVER_ERROR. */
WEIR_MUST_CHECK enum weir_status weir_shard_end_txn(struct weir_shard *shard,
                                                    const struct weir_txn_marker *marker,
                                                    int8_t transaction_version,
                                                    struct weir_shard_marker *out);

/* Every shard of this broker, one after the other.  With must_be_loaded a shard that still loads
 * ends it with COORDINATOR_LOAD_IN_PROGRESS; shards that failed to load are left out. */
WEIR_MUST_CHECK enum weir_status weir_coordinator_run_all(struct weir_coordinator *coordinator,
                                                          struct weir_shard_event *event,
                                                          bool must_be_loaded);

/* Runs what is due at now_ms (monotonic) and returns the next deadline, INT64_MAX when there is
 * none.  The coordinator does this by itself through the pool; tests may call it. */
int64_t weir_coordinator_tick(struct weir_coordinator *coordinator, int64_t now_ms);

/* Random bytes from the coordinator's env, for the ids a machine gives out. */
void weir_coordinator_random(struct weir_coordinator *coordinator, void *out, size_t size);

/* What a client is told when an append was refused. */
enum weir_status weir_coordinator_append_status(enum weir_status append_status);
