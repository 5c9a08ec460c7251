/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes transaction markers into the partitions that this broker leads, for the transaction
 * coordinator (as its marker port) and for WriteTxnMarkers.  Those of __consumer_offsets go through
 * the group coordinator's shards, which take the offsets of the transaction over or drop them.
 *
 * Any thread.  One lock (rank TXN_MARKERS) around the list of markers that wait for the high
 * watermark.
 */

#include "weir/group/group_service.h"
#include "weir/metadata/controller.h"
#include "weir/replication/replicas.h"
#include "weir/runtime/env.h"
#include "weir/runtime/task_pool.h"
#include "weir/txn/txn_service.h"

struct weir_marker_writer;

/* Everything is borrowed. */
struct weir_marker_writer_options {
    struct weir_env *env;
    struct weir_task_pool *pool;
    struct weir_image_publisher *publisher;
    struct weir_replicas *replicas;
    struct weir_group_service *groups;
    int64_t timeout_ms; /* request.timeout.ms: how long a marker waits for the high watermark */
};

WEIR_MUST_CHECK enum weir_status
weir_marker_writer_new(const struct weir_marker_writer_options *options,
                       struct weir_marker_writer **out);
/* Completes the markers that wait for the high watermark with NOT_LEADER_OR_FOLLOWER.  After the
 * group service was stopped; then the pool is drained or freed, then comes free.  NULL is allowed.
 */
void weir_marker_writer_stop(struct weir_marker_writer *writer);
void weir_marker_writer_free(struct weir_marker_writer *writer);

/* Fills the status of every item, then calls done, possibly before it returns.  OK: the marker is
 * below the high watermark.  NOT_FOUND: there is no such topic or partition any more.  Otherwise
 * what Apache Kafka answers: UNKNOWN_TOPIC_OR_PARTITION (no replica of it is here),
 * NOT_LEADER_OR_FOLLOWER (also while a group shard loads), NOT_ENOUGH_REPLICAS,
 * INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT,
 * UNKNOWN_SERVER_ERROR. */
void weir_marker_writer_write(struct weir_marker_writer *writer, struct weir_txn_markers *markers);

/* The same as a table; the context is the writer. */
extern const struct weir_txn_marker_port weir_marker_writer_port;
