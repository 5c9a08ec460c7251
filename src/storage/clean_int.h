/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of a compaction (reference A.8), used by one thread at a time:
 *
 *   clean_txns.c    what is known of transactions while batches are read in order
 *   clean_batch.c   one batch: what of it is kept
 *   clean_io.c      reading whole batches of a segment, writing a new segment
 *   clean_map.c     the latest offset of each key in the dirty part
 *   clean_log.c     what may be cleaned; a round: groups of segments, each rewritten into one
 *   clean_swap.c    the new segment takes the place of the old ones
 *
 *  C1  the last record of each key below the end of the round is kept, but for tombstones whose
 *      horizon has passed.
 *  C2  offsets, timestamps, producers and sequences of what is kept do not change.
 *  C3  an idempotent producer's last batch stays, if need be without records; so does the end of
 *      the cleaned part.
 *  C4  a marker stays while there is data of its transaction, and then until its horizon.
 *  C5  nothing is dropped before what supersedes it is durable.
 *  C6  after a crash at any point the directory holds the old segments or the new one, whole.
 */

#include "log_int.h"
#include "offset_map_int.h"

#include "weir/base/map.h"
#include "weir/storage/cleaner.h"

/* --- clean_txns.c --- */
struct clean_txn {
    int64_t producer_id;
    bool is_aborted;
    bool has_data; /* seen in this round */
    struct weir_aborted_txn aborted;
};

struct clean_txns {
    struct weir_aborted_txn *pending; /* by first offset; owned */
    size_t pending_count;
    size_t pending_at;
    struct weir_map ongoing; /* producer id to struct clean_txn */
};

/* The aborted transactions that overlap the offsets that will be read. */
WEIR_MUST_CHECK enum weir_status weir_clean_txns_init(struct clean_txns *txns,
                                                      struct weir_partition_log *log,
                                                      int64_t from_offset, int64_t to_offset,
                                                      struct weir_detail *detail);
void weir_clean_txns_done(struct clean_txns *txns);
/* Batches in order.  True in *out_is_aborted: the data is of an aborted transaction. */
WEIR_MUST_CHECK enum weir_status weir_clean_txns_on_data(struct clean_txns *txns,
                                                         const struct weir_batch *batch,
                                                         bool *out_is_aborted);
/* *out_is_empty: nothing of the marker's transaction is left.  For an abort that still has data,
 * *out_has_aborted and *out_aborted are what the new transaction index must say. */
WEIR_MUST_CHECK enum weir_status
weir_clean_txns_on_control(struct clean_txns *txns, const struct weir_batch *batch,
                           bool *out_is_empty, bool *out_has_aborted,
                           struct weir_aborted_txn *out_aborted, struct weir_detail *detail);

/* --- clean_batch.c --- */
struct clean_producer {
    int64_t producer_id;
    int64_t last_offset; /* of its last data batch; -1: none known */
    int16_t producer_epoch;
};

struct clean_rules {
    const struct weir_offset_map *map;
    int64_t map_end_offset;     /* the map knows everything below it */
    int64_t upper_bound_offset; /* of the round */
    int64_t now_ms;
    int64_t delete_retention_ms;
    bool keeps_old_tombstones;              /* of magic 0 and 1, by the age of their segment */
    const struct clean_producer *producers; /* by id */
    size_t producer_count;
};

struct clean_counts {
    uint64_t records_read;
    uint64_t records_kept;
    uint64_t records_without_key;
};

/* Adds what is kept of a batch to the end of out: all its bytes, a batch made anew, or nothing.
 * keep is scratch.  *out_batch describes what was added (size 0 in its bytes: nothing).  Fails as
 * weir_record_iter_next does. */
WEIR_MUST_CHECK enum weir_status
weir_clean_batch(const struct clean_rules *rules, struct clean_txns *txns,
                 const struct weir_batch *batch, struct weir_buf *keep, struct weir_buf *out,
                 struct weir_batch *out_batch, struct weir_txn_index *txn_index,
                 struct clean_counts *counts, struct weir_detail *detail);

/* --- clean_io.c --- */
/* What a round is given by the cleaner, and its own scratch. */
struct clean_round {
    struct weir_partition_log *log;
    const struct weir_log_clean_options *options;
    struct weir_log_clean_result *result;
    struct log_view *view; /* of the start */
    struct weir_log_config config;
    int64_t first_dirty;
    int64_t upper_bound;
    struct weir_offset_map map;
    int64_t map_end_offset;
    struct clean_producer *producers;
    size_t producer_count;
    struct clean_txns txns;
    struct clean_counts counts;
    struct weir_buf read_buffer;
    struct weir_buf write_buffer;
    struct weir_buf keep;
    bool is_recovery_point_noted;
};

/* CLOSED when somebody waits for the cleaning to end. */
WEIR_MUST_CHECK enum weir_status weir_clean_check(struct clean_round *round,
                                                  struct weir_detail *detail);

struct clean_reader {
    struct clean_round *round;
    struct weir_segment *segment;
    uint64_t file_pos; /* of the next batch */
    uint64_t end_pos;
    uint64_t buffer_pos;
    int64_t next_offset; /* at least */
};
/* Uses the round's read buffer. */
void weir_clean_reader_init(struct clean_reader *reader, struct clean_round *round,
                            struct weir_segment *segment, uint64_t from_pos);
/* A whole batch with a right checksum, in the buffer until the next call.  NOT_FOUND at the end;
 * CORRUPT; CLOSED when the cleaning is to stop. */
WEIR_MUST_CHECK enum weir_status weir_clean_reader_next(struct clean_reader *reader,
                                                        struct weir_batch *out,
                                                        struct weir_detail *detail);

struct clean_writer {
    struct clean_round *round;
    struct weir_segment *segment;
    uint64_t file_pos;       /* of what is in the buffer */
    uint64_t handed_out_pos; /* up to here the disk was told to write */
    uint64_t forgotten_pos;  /* and up to here it has, and the memory is free again */
};
/* Creates <base>.log.cleaned. */
WEIR_MUST_CHECK enum weir_status weir_clean_writer_init(struct clean_writer *writer,
                                                        struct clean_round *round,
                                                        int64_t base_offset,
                                                        struct weir_detail *detail);
/* The batch was added to the round's write buffer. */
WEIR_MUST_CHECK enum weir_status weir_clean_writer_added(struct clean_writer *writer,
                                                         const struct weir_batch *batch,
                                                         struct weir_detail *detail);
/* Everything, indexes too, is in its .cleaned files and durable, with the time of change given. */
WEIR_MUST_CHECK enum weir_status weir_clean_writer_finish(struct clean_writer *writer,
                                                          int64_t modified_ms,
                                                          struct weir_detail *detail);

/* --- clean_map.c --- */
WEIR_MUST_CHECK enum weir_status weir_clean_build_map(struct clean_round *round,
                                                      struct weir_detail *detail);

/* --- clean_swap.c --- */
/* The segment's .cleaned files, all durable, take the place of count segments of the view.  On
 * failure the old ones are in place, or the log has failed. */
WEIR_MUST_CHECK enum weir_status weir_clean_swap(struct clean_round *round,
                                                 struct weir_segment *cleaned,
                                                 struct weir_segment *const *replaced, size_t count,
                                                 struct weir_detail *detail);
/* Removes what a compaction into that segment has written and given up. */
WEIR_MUST_CHECK enum weir_status weir_clean_remove(struct weir_partition_log *log,
                                                   const struct weir_segment *segment,
                                                   struct weir_detail *detail);
/* The four, .log first. */
#define WEIR_CLEAN_SUFFIX_COUNT 4
const char *weir_clean_suffix(size_t index);
