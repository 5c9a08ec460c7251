/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of `weir verify` share. */

#include "inspect_int.h"

#include "weir/storage/checkpoint.h"
#include "weir/storage/epoch_cache.h"
#include "weir/storage/producer_state.h"
#include "weir/storage/txn_index.h"

enum dir_state {
    DIR_CLEAN,   /* stopped cleanly: the next start trusts everything */
    DIR_UNCLEAN, /* no marker: the next start recovers what is above the recovery points */
    DIR_IN_USE   /* a broker holds the lock */
};

struct verify {
    const struct weir_verify_options *options;
    struct report report;
    enum dir_state state;
    struct weir_offset_checkpoint recovery_points;
    struct weir_offset_checkpoint log_starts;
    struct weir_offset_checkpoint high_watermarks;
    struct weir_topic_partition last_key; /* of the directory before, for topic ids */
    struct weir_uuid last_topic_id;
    uint64_t partition_count;
    uint64_t segment_count;
    uint64_t batch_count;
    uint64_t byte_count;
};

/* A name in a directory. */
struct listed {
    char *text;
    struct file_name name;
};

struct listing {
    struct listed *items;
    size_t count;
    size_t capacity;
};

/* All names, in order of offset, then of name. */
WEIR_MUST_CHECK enum weir_status listing_read(struct weir_env *env, const char *dir,
                                              struct listing *out, struct weir_detail *detail);
void listing_done(struct listing *listing);

/* One partition's directory being checked. */
struct partition {
    struct verify *verify;
    const char *dir;
    struct weir_topic_partition key;
    bool has_key;
    bool is_metadata;
    struct listing files;
    struct weir_buf lines; /* said only when the check was not overtaken by a running broker */
    uint64_t fault_count;
    uint64_t line_count;
    bool has_failed;

    int64_t strict_below; /* what is below must be right; above it a recovery will look */
    int64_t start_offset; /* of the first segment */
    int64_t end_offset;
    int64_t log_start_offset;
    bool has_gaps; /* compacted: offsets are missing */
    struct weir_epoch_cache epochs;
    bool has_epochs;
    uint64_t epoch_fault_count;

    struct weir_producer_state *producers; /* what the batches so far come to */
    bool has_history;                      /* from the beginning, or from a snapshot */
    size_t next_snapshot;                  /* in files */
    int64_t newest_snapshot;               /* the greatest offset of one; -1: none */

    struct record_words words;
};

static inline bool partition_is_strict(const struct partition *partition, int64_t offset)
{
    return offset < partition->strict_below;
}

/* --- Lines --- */

/* path: the file's name in the partition's directory; NULL: the directory itself. */
void partition_fault(struct partition *partition, const char *name, const char *format, ...)
    WEIR_PRINTF(3, 4);
void partition_fault_at(struct partition *partition, const char *name, uint64_t file_pos,
                        const char *format, ...) WEIR_PRINTF(4, 5);
void partition_fault_offset(struct partition *partition, const char *name, int64_t offset,
                            const char *format, ...) WEIR_PRINTF(4, 5);
void partition_note(struct partition *partition, const char *name, const char *format, ...)
    WEIR_PRINTF(3, 4);
/* A file that could not be read; a file that is gone is none when a broker runs. */
void partition_failed(struct partition *partition, enum weir_status status,
                      const struct weir_detail *detail);

/* --- Parts --- */

/* The directory of one partition; adds to the report and the counts. */
void verify_partition(struct verify *verify, const char *dir);

/* One segment (index in files of its .log). next_base: of the segment behind it, INT64_MAX for the
 * last. */
void verify_segment(struct partition *partition, size_t index, int64_t next_base);

/* A checkpoint of the metadata log, or bootstrap.checkpoint.  The partition may be of a log
 * directory itself. */
void verify_metadata_snapshot(struct partition *partition, const struct listed *file);

/* Records of one batch: that they can be read, and are what the batch says. */
void verify_records(struct partition *partition, const char *name, const struct scan_item *item);

/* Producers (verify_producers.c). */
void producers_begin(struct partition *partition);
void producers_done(struct partition *partition);
/* Compares the snapshots up to this offset with what the batches came to. */
void producers_reach(struct partition *partition, int64_t offset);
/* Something could not be read: nothing is known until the next snapshot. */
void producers_lost(struct partition *partition);
/* True when the batch is an ABORT marker: *out is then what the index should have, first and last
 * stable offset -1 when nothing is known of the transaction. */
bool producers_apply(struct partition *partition, const struct weir_batch *batch,
                     struct weir_aborted_txn *out);
void producers_end(struct partition *partition);

/* The three indexes of a segment, told of each batch in order (verify_index.c). */
struct index_check;
WEIR_MUST_CHECK enum weir_status index_check_new(struct partition *partition, int64_t base_offset,
                                                 bool is_sealed, struct index_check **out);
void index_check_free(struct index_check *check);
void index_check_batch(struct index_check *check, const struct scan_item *item);
void index_check_abort(struct index_check *check, const struct weir_aborted_txn *txn);
/* The log is damaged up to file_pos: entries for it cannot be judged. */
void index_check_damage(struct index_check *check, uint64_t end_pos);
void index_check_end(struct index_check *check);
