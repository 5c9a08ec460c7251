/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Moves partitions between the log directories of a node (AlterReplicaLogDirs, KIP-113).
 *
 * A move makes a second log, "<topic>-<n>.<32 hex>-future", in the wanted directory, copies the
 * batches as they are on threads of its own, and when it has caught up and is durable lets it take
 * the place of the first one, which then goes as "-delete".  Writers are held off for the last few
 * batches and one rename.  Consumers notice nothing.
 *
 * Thread-safe.
 *
 * Promises:
 *  V1  at every moment one log has everything that was acknowledged, and a start after a crash
 * finds it (log_manager_future.c); the old one goes only after the new one is durable. V2  offsets,
 * log start, high watermark, leader epochs, producers, aborted transactions and the cleaner's place
 * come along. V3  a full target directory is waited for; one that fails ends the move and the
 * partition stays where it is.
 */

#include "weir/storage/log_manager.h"

struct weir_log_mover;

struct weir_log_mover_options {
    struct weir_env *env;
    const struct weir_log *log;       /* where events go; may be NULL */
    struct weir_log_manager *manager; /* borrowed, outlives the mover */
    unsigned threads;                 /* 0: the simulation calls weir_log_mover_turn */
    /* Calls take_over(argument) while nothing is appended to the partition, and when it returns OK
     * serves from next.  NOT_FOUND: the partition is gone.  NULL: take_over is called directly.  On
     * a thread of the mover. */
    enum weir_status (*exchange)(
        void *context, const struct weir_topic_partition *key, struct weir_uuid topic_id,
        enum weir_status (*take_over)(void *argument, struct weir_detail *detail), void *argument,
        struct weir_partition_log *next, struct weir_detail *detail);
    /* The copy has caught up: makes it durable in the metadata that the partition is in that
     * directory, before it is so; then a start that finds only the old directory does not take what
     * is there for all there is.  Anything but OK: asked again later.  May block.  NULL is allowed.
     */
    enum weir_status (*moving)(void *context, const struct weir_topic_partition *key,
                               struct weir_uuid topic_id, struct weir_uuid directory_id,
                               struct weir_detail *detail);
    /* The partition is now in that directory.  NULL is allowed.  On a thread of the mover. */
    void (*moved)(void *context, const struct weir_topic_partition *key, struct weir_uuid topic_id,
                  struct weir_uuid directory_id);
    void *context;
};

WEIR_MUST_CHECK enum weir_status weir_log_mover_new(const struct weir_log_mover_options *options,
                                                    struct weir_log_mover **out,
                                                    struct weir_detail *detail);
/* Waits for the step of each move that is under way; the next start goes on with the moves, also
 * with those that are asked for from now on.  NULL is allowed. */
void weir_log_mover_stop(struct weir_log_mover *mover);
/* Stops it first.  NULL is allowed. */
void weir_log_mover_free(struct weir_log_mover *mover);

/* Goes on with the moves that loading found. */
void weir_log_mover_resume(struct weir_log_mover *mover);

/* Begins to move the partition to the directory with that path, or ends its move elsewhere first;
 * to where it is: ends the move.  Blocks. LOG_DIR_NOT_FOUND (none of log.dirs),
 * INVALID_TOPIC_EXCEPTION (the name is too long for a
 * "-future" directory), KAFKA_STORAGE_ERROR (the directory, the partition, or any other directory
 * is offline: the partition may have a copy there), REPLICA_NOT_AVAILABLE (not here; when it is
 * created it will be in that directory), NO_SPACE, NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_log_mover_move(struct weir_log_mover *mover,
                                                     const struct weir_topic_partition *key,
                                                     struct weir_slice path,
                                                     struct weir_detail *detail);

/* replica.alter.log.dirs.io.max.bytes.per.second, of all moves together; INT64_MAX: no limit. */
void weir_log_mover_set_rate(struct weir_log_mover *mover, int64_t bytes_per_second);

/* With 0 threads: does one step of one move; false when none is due. */
bool weir_log_mover_turn(struct weir_log_mover *mover);
/* Moves under way. */
size_t weir_log_mover_count(struct weir_log_mover *mover);
