/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The share coordinator (KIP-932): keeps, for each partition that a share group consumes, where its
 * in-flight records begin and what became of those behind that point.  The state is a replay of
 * __share_group_state; a key "group:topicId:partition" chooses the partition of that topic.
 *
 * Every operation is an object in its caller's memory:
 *
 *     op->done = on_done;
 *     weir_share_state_write(coordinator, &key, &write, op);
 *     ... on_done(op): any thread, no locks held, possibly before the call returned ...
 *     weir_share_state_op_free(op);
 *
 * done is called exactly once.  Keys and batches that go in are only read before the function
 * returns; what comes out lies in op->arena.  All functions may be called from any thread, the same
 * op never from two at once.  No answer leaves before all that it tells of is below the high
 * watermark.
 */

#include "weir/base/arena.h"
#include "weir/base/log.h"
#include "weir/base/uuid.h"
#include "weir/coordinator/coordinator.h"
#include "weir/share/share_types.h"

struct weir_share_coordinator;

/* What the coordinator asks of the broker around it.  Both are called without locks. */
struct weir_share_state_port {
    /* How many partitions the topic with this id has now; -1: there is no such topic. */
    int32_t (*partition_count)(void *context, struct weir_uuid topic_id);
    /* Raises the log start offset of a partition of __share_group_state.  On a task thread.  What
     * it returns is only logged: the next round tries again. */
    enum weir_status (*delete_records)(void *context, int32_t partition, int64_t offset);
};

/* Kafka's share.coordinator.*, in its units. */
struct weir_share_coordinator_config {
    int32_t snapshot_update_records_per_snapshot;
    int64_t state_topic_prune_interval_ms;
    int64_t cold_partition_snapshot_interval_ms;
    int64_t write_timeout_ms;
    size_t load_buffer_bytes;
};

/* The defaults of Apache Kafka 4.3.0. */
struct weir_share_coordinator_config weir_share_coordinator_config_default(void);

struct weir_share_coordinator_options {
    struct weir_env *env;
    struct weir_task_pool *pool;
    const struct weir_log *log;
    const struct weir_log_port *log_port; /* of __share_group_state */
    void *log_port_context;
    const struct weir_share_state_port *state_port;
    void *state_port_context;
    struct weir_share_coordinator_config config;
};

WEIR_MUST_CHECK enum weir_status
weir_share_coordinator_new(const struct weir_share_coordinator_options *options,
                           struct weir_share_coordinator **out);
/* Completes all that waits with NOT_COORDINATOR; then drain or free the pool, then free. */
void weir_share_coordinator_stop(struct weir_share_coordinator *coordinator);
void weir_share_coordinator_free(struct weir_share_coordinator *coordinator);

/* For leadership changes and the number of partitions: whoever follows the image calls
 * weir_coordinator_set_partition_count, _elected and _resigned on it. */
struct weir_coordinator *weir_share_coordinator_shards(struct weir_share_coordinator *coordinator);

/* Topics were deleted: their state gets tombstones in every shard this broker leads.  Call it after
 * the image that lacks them was published. */
void weir_share_topics_deleted(struct weir_share_coordinator *coordinator,
                               const struct weir_uuid *topic_ids, size_t count);

/* ---- Operations ---- */

/* Zero-initialise, set done, start. */
struct weir_share_state_op {
    void (*done)(struct weir_share_state_op *op); /* set by the caller */
    enum weir_status status;                      /* out */
    const char *message;                          /* out: words to go with it, or NULL; a literal */
    struct weir_arena arena;                      /* out: holds the batches */
    /* out, of a read or a summary that is OK */
    int32_t state_epoch;
    int32_t leader_epoch;                   /* summary only */
    int64_t start_offset;                   /* -1: nothing was consumed yet */
    int32_t delivery_complete_count;        /* summary only; -1: not known */
    const struct weir_share_batch *batches; /* read only */
    size_t batch_count;
    /* private */
    struct weir_completion completion;
    struct weir_write write;
};

/* Frees the results.  After done; also on one that was never started. */
void weir_share_state_op_free(struct weir_share_state_op *op);

/* Common conditions: INVALID_REQUEST (a negative partition, a batch that ends before it begins, a
 * partition that was not initialized), FENCED_STATE_EPOCH and FENCED_LEADER_EPOCH (older than the
 * newest seen; -1 passes but in a read), UNKNOWN_TOPIC_OR_PARTITION, COORDINATOR_LOAD_IN_PROGRESS,
 * NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, UNKNOWN_SERVER_ERROR. */

/* Begins afresh at start_offset (-1: the group's share.auto.offset.reset decides later). */
void weir_share_state_initialize(struct weir_share_coordinator *coordinator,
                                 const struct weir_share_key *key, int32_t state_epoch,
                                 int64_t start_offset, struct weir_share_state_op *op);
/* What the new leader of a share partition asks first: fences the leaders before it. */
void weir_share_state_read(struct weir_share_coordinator *coordinator,
                           const struct weir_share_key *key, int32_t leader_epoch,
                           struct weir_share_state_op *op);

struct weir_share_state_write {
    int32_t state_epoch;
    int32_t leader_epoch;
    int64_t start_offset;
    int32_t delivery_complete_count;        /* -1: not known (version 0 of the API) */
    const struct weir_share_batch *batches; /* what changed; they may overlap */
    size_t batch_count;
};
void weir_share_state_write(struct weir_share_coordinator *coordinator,
                            const struct weir_share_key *key,
                            const struct weir_share_state_write *write,
                            struct weir_share_state_op *op);
/* OK also when there was nothing to delete. */
void weir_share_state_delete(struct weir_share_coordinator *coordinator,
                             const struct weir_share_key *key, struct weir_share_state_op *op);
/* A partition without state gives start offset -1, epochs 0. */
void weir_share_state_summary(struct weir_share_coordinator *coordinator,
                              const struct weir_share_key *key, struct weir_share_state_op *op);
