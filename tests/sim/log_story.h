/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A log manager with one partition on the false disk, and beside it the truth: what was
 * acknowledged, kept by the test itself and not asked from the code under test.
 *
 * Batches come from one idempotent producer, and each record's sequence number is its offset; so
 * the producer state can be judged as well.  Timestamps grow by a second each batch.
 *
 * What has to be found after a restart:
 *  - all batches are those that were appended, in order, without a gap, bytes and CRC right;
 *  - at least the first required_count of them (power loss: the first flushed_count);
 *  - at most one more than those acknowledged: the append that was under way.
 */

#include "sim/false_env.h"
#include "weir/storage/log_manager.h"
#include "weir/storage/log_move.h"

struct story_batch {
    uint64_t id; /* makes its content; 0 is none */
    int64_t base_offset;
    int64_t last_offset;
    int32_t epoch;
};

struct log_story {
    struct false_env *world;
    struct weir_env *env;
    uint64_t seed; /* of the story's own choices */
    struct weir_log_config config;
    struct weir_uuid recorded; /* the directory the metadata names; survives everything */
    size_t dir_count;          /* 1 or 2; set before the first open */
    struct weir_log_manager *manager;
    struct weir_log_mover *mover;
    struct weir_partition_log *log;
    struct weir_detail detail; /* of the last call that failed */
    int64_t start_offset;      /* acknowledged: nothing below has to be there */
    struct story_batch *told;
    size_t told_count; /* acknowledged, or may be there all the same */
    size_t told_capacity;
    size_t required_count;     /* acknowledged */
    size_t flushed_count;      /* survive power loss */
    struct story_batch unsure; /* an append that failed; may have come through */
    uint64_t next_id;
    int32_t epoch;          /* of the batches to come; never falls */
    bool is_closed_cleanly; /* the next start must find nothing to repair */
};

void log_story_init(struct log_story *story, uint64_t seed);
void log_story_done(struct log_story *story);
/* 0 to below - 1 */
uint64_t log_story_random(struct log_story *story, uint64_t below);

/* Each tells the truth of its outcome to the story and gives the status back. */
enum weir_status log_story_open(struct log_story *story);
enum weir_status log_story_append(struct log_story *story, int record_count, size_t value_bytes);
/* The same, but the log's own allocations fail after so many (negative: none does). */
enum weir_status log_story_append_with(struct log_story *story, int record_count,
                                       size_t value_bytes, long allocations);
enum weir_status log_story_flush(struct log_story *story, bool include_active);
enum weir_status log_story_roll(struct log_story *story);
enum weir_status log_story_truncate(struct log_story *story, size_t keep_batches);
enum weir_status log_story_delete_before(struct log_story *story, size_t batch);
enum weir_status log_story_retain(struct log_story *story);
/* Begins to move the partition to the other of two directories, or back. */
enum weir_status log_story_move(struct log_story *story, bool back);
/* One step of the move; false when there is none. */
bool log_story_turn(struct log_story *story);
void log_story_checkpoint(struct log_story *story);
/* The topic goes, and its files when their delay has passed.  The story has no log afterwards; what
 * the next open finds must be nothing, or, when this failed, perhaps all that was there. */
enum weir_status log_story_delete_topic(struct log_story *story);
/* The clean stop. */
enum weir_status log_story_close(struct log_story *story);
/* The objects go as they go when a process dies; then the disk suffers the loss. */
void log_story_crash(struct log_story *story, enum false_loss loss);

/* Reads everything and compares.  was_power_loss chooses what is required.  What is there becomes
 * the truth.  Ends the program with a message when the log lies. */
void log_story_verify(struct log_story *story, bool was_power_loss);
/* Offsets, times and sequence numbers lead where they should; the log goes on.  Appends. */
void log_story_verify_use(struct log_story *story);
/* The first size bytes of the log's content, as a reader gets it; for tests of reading. */
enum weir_status log_story_read(struct log_story *story, int64_t offset, struct weir_buf *out);
