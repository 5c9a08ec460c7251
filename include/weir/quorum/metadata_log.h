/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The replicated log of the cluster's metadata, __cluster_metadata-0, held by one voter: this node.
 * It is written in Apache Kafka's own format (control records, checkpoints, quorum-state), so that
 * Apache Kafka can take the directory over and give it back.
 *
 * Life of one: open (recover the log, choose the newest checkpoint), load (every committed record
 * in order, to rebuild the state), lead (a new epoch, its LeaderChange record first), then append
 * and commit until close.
 *
 * Promises:
 *
 * Q1  commit() that returned OK: all appended before it survives power loss, and the high
 * watermark covers it.
 *
 * Q2  The records of one append are one batch: after a crash all of them are there or none.
 *
 * Q3  The epoch is durable in quorum-state before the first record of that epoch is.
 *
 * Q4  A checkpoint is durable before a byte of the log below it is given up.
 *
 * Q5  After a failed write or sync every later call fails with KAFKA_STORAGE_ERROR; nothing is
 * retried.  A full disk (NO_SPACE) and missing memory fail one append only: nothing was written.
 *
 * Not thread-safe: one thread at a time, the controller's.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"
#include "weir/runtime/env.h"

struct weir_quorum;

struct weir_quorum_endpoint {
    const char *name;
    const char *host;
    uint16_t port;
};

struct weir_quorum_options {
    struct weir_env *env;
    const char *metadata_dir;
    const char *cluster_id;
    int32_t node_id;
    struct weir_uuid directory_id;
    struct weir_quorum_endpoint endpoint; /* of this voter, for a dynamic quorum's Voters record */
    uint64_t segment_bytes;               /* 0: 1 GiB */
};

/* A snapshot's name: the first offset it does not hold, and the epoch of the last it does. */
struct weir_quorum_snapshot_id {
    int64_t end_offset;
    int32_t epoch;
};

/* One data record: frame version, api key and record version are taken off. */
struct weir_quorum_record {
    int64_t offset; /* -1 inside a checkpoint */
    int32_t epoch;
    int64_t timestamp_ms;
    int16_t kind; /* api key */
    int16_t version;
    struct weir_slice body; /* lives during the call only */
};

/* Anything but OK ends the load with that status. */
typedef enum weir_status weir_quorum_apply(void *context, const struct weir_quorum_record *record,
                                           struct weir_detail *detail);

WEIR_MUST_CHECK enum weir_status weir_quorum_open(const struct weir_quorum_options *options,
                                                  struct weir_quorum **out,
                                                  struct weir_detail *detail);
/* NULL is allowed. Does not sync. */
void weir_quorum_close(struct weir_quorum *quorum);

/* Gives all records of the newest checkpoint (if any), then those of the log behind it.
 * out_checkpoint says where the log begins: {0, 0} when there is no checkpoint. */
WEIR_MUST_CHECK enum weir_status weir_quorum_load(struct weir_quorum *quorum,
                                                  weir_quorum_apply *apply, void *context,
                                                  struct weir_quorum_snapshot_id *out_checkpoint,
                                                  struct weir_detail *detail);

/* Reads any file of the checkpoint format (bootstrap.checkpoint as well).  NOT_FOUND when it is not
 * there. */
WEIR_MUST_CHECK enum weir_status weir_quorum_read_checkpoint(struct weir_env *env, const char *path,
                                                             weir_quorum_apply *apply,
                                                             void *context,
                                                             struct weir_detail *detail);

/* Takes the leadership in epoch + 1: quorum-state (durable when this returns, Q3), then
 * LeaderChange, and for a new dynamic quorum KRaftVersion and Voters, which the next commit makes
 * durable. */
WEIR_MUST_CHECK enum weir_status weir_quorum_lead(struct weir_quorum *quorum,
                                                  struct weir_detail *detail);

/* Appends the records as one batch (at most 10000 and 8 MiB; LIMIT otherwise and nothing is
 * written) at weir_quorum_end_offset().  Not durable before commit. */
struct weir_quorum_new_record {
    int16_t kind;
    int16_t version;
    struct weir_slice body;
};
WEIR_MUST_CHECK enum weir_status weir_quorum_append(struct weir_quorum *quorum,
                                                    const struct weir_quorum_new_record *records,
                                                    size_t count, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_quorum_commit(struct weir_quorum *quorum,
                                                    struct weir_detail *detail);

/* Offset the next record gets. */
int64_t weir_quorum_end_offset(const struct weir_quorum *quorum);
int64_t weir_quorum_high_watermark(const struct weir_quorum *quorum);
int32_t weir_quorum_epoch(const struct weir_quorum *quorum);
/* 0 static voters, 1 KIP-853 (voters are records). */
int16_t weir_quorum_kraft_version(const struct weir_quorum *quorum);
/* Bytes and age that decide whether a snapshot is due: Kafka takes one each 20 MiB of records or
 * each hour in which records were written. */
bool weir_quorum_snapshot_due(const struct weir_quorum *quorum);

/* Writing a checkpoint of all records below the high watermark: begin, any number of records,
 * finish.  Finish makes it durable under its name, then drops old checkpoints and log segments that
 * lie below it (Kafka keeps log and checkpoints under 100 MiB).  After a failure the .part file is
 * removed and the log goes on as before. */
struct weir_quorum_checkpoint;
WEIR_MUST_CHECK enum weir_status weir_quorum_checkpoint_begin(struct weir_quorum *quorum,
                                                              int64_t last_timestamp_ms,
                                                              struct weir_quorum_checkpoint **out,
                                                              struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status
weir_quorum_checkpoint_add(struct weir_quorum_checkpoint *checkpoint,
                           const struct weir_quorum_new_record *record, struct weir_detail *detail);
/* Both end its life. */
WEIR_MUST_CHECK enum weir_status
weir_quorum_checkpoint_finish(struct weir_quorum_checkpoint *checkpoint,
                              struct weir_detail *detail);
void weir_quorum_checkpoint_abandon(struct weir_quorum_checkpoint *checkpoint);

/* Writes checkpoint files outside a running log, for formatting: bootstrap.checkpoint (data records
 * only) and 0-0 (KRaftVersion and Voters for the single voter in options, no data records). */
WEIR_MUST_CHECK enum weir_status
weir_quorum_write_bootstrap(struct weir_env *env, const char *path,
                            const struct weir_quorum_new_record *records, size_t count,
                            struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status
weir_quorum_write_first_voters(const struct weir_quorum_options *options,
                               struct weir_detail *detail);
