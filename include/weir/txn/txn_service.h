/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The transaction coordinator as request handlers see it.  Every operation is an object in its
 * caller's memory that begins with a struct weir_txn_op:
 *
 *     struct my_call { struct weir_txn_end end; ... };
 *     my_call->end = (struct weir_txn_end){.op = {.done = on_end_done}, .transactional_id = id, ...};
 *     weir_txn_end(service, &my_call->end);
 *     ... on_end_done(op): any thread, no locks held, possibly before weir_txn_end returned ...
 *     weir_txn_op_free(&my_call->end.op);
 *
 * done is called exactly once.  What goes in lives, unchanged, until done.  Results (below "out")
 * are valid from done until weir_txn_op_free; texts and arrays lie in op.arena.
 *
 * Every status is one of Kafka's conditions; op.status is that of the whole operation.  A producer
 * that is too old is PRODUCER_FENCED here; which versions of a request are told
 * INVALID_PRODUCER_EPOCH instead (KIP-588) is the handler's to know.  All functions may be called
 * from any thread; the same op never from two at once.
 */

#include "weir/base/arena.h"
#include "weir/base/log.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/coordinator/coordinator.h"
#include "weir/coordinator/log_port.h"
#include "weir/coordinator/step.h"
#include "weir/txn/producer_ids.h"
#include "weir/txn/txn_config.h"

struct weir_txn_service;
struct weir_txn_op;

/* ---- Markers: the way to the partitions of a transaction ---- */

/* One partition that a transaction touched. */
struct weir_txn_marker_item {
    struct weir_slice topic;
    int32_t partition;
    /* out, set by the port before done: OK when the marker is below the high watermark, NOT_FOUND
     * when there is no such partition any more (its topic was deleted), else the condition the
     * partition's leader answered, or why it could not be asked. */
    enum weir_status status;
};

/* The markers that end one transaction.  Belongs to the service; the port may read it from write
 * until it calls done, which it does exactly once, from any thread, with no lock held, possibly
 * before write returned. */
struct weir_txn_markers {
    void (*done)(struct weir_txn_markers *markers);
    struct weir_slice transactional_id; /* for log lines */
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_commit;
    int8_t transaction_version; /* of WriteTxnMarkers version 2: 0, 1 or 2 */
    int32_t coordinator_epoch;  /* the leader epoch of the __transaction_state partition */
    struct weir_txn_marker_item *items; /* topics and partitions in no particular order, each once */
    size_t item_count;              /* at least 1 */
};

/* write is called with no lock held, from any thread; it must not block.  A marker that is written
 * twice does no harm.  The service sends those again that came back with a condition that may pass,
 * after a backoff. */
struct weir_txn_marker_port {
    void (*write)(void *context, struct weir_txn_markers *markers);
};

/* ---- Life ---- */

struct weir_txn_service_options {
    struct weir_env *env;
    struct weir_task_pool *pool;
    const struct weir_log *log;
    const struct weir_log_port *port; /* of __transaction_state */
    void *port_context;
    const struct weir_txn_marker_port *markers;
    void *markers_context;
    struct weir_producer_ids *producer_ids; /* borrowed, outlives the service */
    struct weir_txn_config config;
};

WEIR_MUST_CHECK enum weir_status weir_txn_service_new(const struct weir_txn_service_options *options,
                                                      struct weir_txn_service **out);
/* Completes all that waits with NOT_COORDINATOR.  Then the port completes the markers it has, and
 * the pool is drained or freed, then comes free. */
void weir_txn_service_stop(struct weir_txn_service *service);
void weir_txn_service_free(struct weir_txn_service *service);

/* For leadership changes and the number of partitions (weir_coordinator_set_partition_count,
 * _elected, _resigned): whoever follows the image calls these.  FindCoordinator takes the partition
 * of a transactional id from it, too (weir_coordinator_partition_of). */
struct weir_coordinator *weir_txn_service_coordinator(struct weir_txn_service *service);

/* The finalized level of the feature transaction.version (0, 1 or 2); 0 until it is set.  Whoever
 * follows the image calls it after each change. */
void weir_txn_service_set_transaction_version(struct weir_txn_service *service, int16_t level);

/* ---- Operations ---- */

/* Zero-initialise, set done, start. */
struct weir_txn_op {
    void (*done)(struct weir_txn_op *op); /* set by the caller */
    enum weir_status status;              /* out */
    struct weir_arena arena;              /* out: what the results point to */
    /* private */
    struct weir_txn_service *service;
    struct weir_producer_id_waiter waiter;
    struct weir_completion completion;
};

/* Frees the results.  After done; also on one that was never started. */
void weir_txn_op_free(struct weir_txn_op *op);

/* -- InitProducerId -- */
struct weir_txn_init {
    struct weir_txn_op op;
    struct weir_slice transactional_id; /* null: an idempotent producer, which gets a fresh id */
    int32_t timeout_ms;
    int64_t expected_producer_id;    /* -1: none (KIP-360) */
    int16_t expected_producer_epoch; /* -1: none */
    bool enable_two_phase_commit;    /* KIP-939 */
    bool keep_prepared_txn;
    /* out; both -1 with a status other than OK */
    int64_t producer_id;
    int16_t producer_epoch;
};

void weir_txn_init(struct weir_txn_service *service, struct weir_txn_init *init);

/* -- AddPartitionsToTxn (one transaction) and, with the group's partition of __consumer_offsets,
 *    AddOffsetsToTxn -- */
struct weir_txn_partition {
    struct weir_slice topic;
    int32_t partition;
    enum weir_status status; /* out: what AddPartitionsToTxn answers for it */
};

struct weir_txn_add {
    struct weir_txn_op op;
    struct weir_slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool verify_only; /* nothing is added: TRANSACTION_ABORTABLE for what is not in */
    int16_t client_transaction_version; /* what the request's version and form say: 0, 1 or 2 */
    struct weir_txn_partition *partitions; /* the caller has seen in the image that they exist */
    size_t partition_count;
};

/* op.status other than OK is also the status of every partition. */
void weir_txn_add(struct weir_txn_service *service, struct weir_txn_add *add);

/* -- EndTxn -- */
struct weir_txn_end {
    struct weir_txn_op op;
    struct weir_slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_commit;
    int16_t client_transaction_version; /* 2 for EndTxn version 5 and above, else 0 */
    /* out, of EndTxn version 5; both -1 with a status other than OK */
    int64_t new_producer_id;
    int16_t new_producer_epoch;
};

void weir_txn_end(struct weir_txn_service *service, struct weir_txn_end *end);

/* -- ListTransactions -- */
struct weir_txn_listing {
    struct weir_slice transactional_id;
    int64_t producer_id;
    struct weir_slice state; /* "Ongoing" */
};

struct weir_txn_list {
    struct weir_txn_op op;
    const struct weir_slice *states; /* none: all */
    size_t state_count;
    const int64_t *producer_ids; /* none: all */
    size_t producer_id_count;
    int64_t duration_ms; /* only transactions that began longer ago; negative: all */
    /* Whether a transactional id is wanted (transactionalIdPattern of version 2); NULL: all.  Called
     * with a lock held: it computes and calls nothing. */
    bool (*is_wanted)(void *context, struct weir_slice transactional_id);
    void *is_wanted_context;
    /* out */
    struct weir_txn_listing *transactions; /* by transactional id */
    size_t transaction_count;
    struct weir_slice *unknown_states; /* of the filter; point to what came in */
    size_t unknown_state_count;
};

/* Never waits: done is called before it returns.  COORDINATOR_LOAD_IN_PROGRESS while a shard
 * loads. */
void weir_txn_list(struct weir_txn_service *service, struct weir_txn_list *list);

/* -- DescribeTransactions (one transactional id) -- */
struct weir_txn_describe {
    struct weir_txn_op op;
    struct weir_slice transactional_id;
    /* out; status and partitions of items: by topic, then partition */
    int64_t producer_id;
    int16_t producer_epoch;
    struct weir_slice state;
    int32_t timeout_ms;
    int64_t start_ms; /* Unix time; -1: not ongoing */
    struct weir_txn_partition *partitions;
    size_t partition_count;
};

/* Never waits: done is called before it returns.  TRANSACTIONAL_ID_NOT_FOUND, NOT_COORDINATOR,
 * COORDINATOR_LOAD_IN_PROGRESS, INVALID_REQUEST for an empty id. */
void weir_txn_describe(struct weir_txn_service *service, struct weir_txn_describe *describe);
