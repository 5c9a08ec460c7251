/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One segment: a .log file of record batches with its .index, .timeindex and .txnindex.  Shared by
 * reference count, so that a reader keeps the file open while the log deletes it.
 *
 * With a cache (segment_cache.h) the .log file is open only while it is pinned or was used lately,
 * and a sealed segment's indexes are in memory only then.  So the file is always reached through
 * weir_segment_pin or the calls that do it themselves, and indexes that must be there are reached
 * with weir_segment_lock_indexes.
 *
 * Any thread may read the file and look things up.  What is appended is written by the log under
 * its lock; size_bytes is stored after the bytes (release), so whoever sees a size may read that
 * much.  The indexes have the segment's own lock (rank SEGMENT).  Fields marked "log" are guarded
 * by the log's lock.
 */

#include "weir/base/list.h"
#include "weir/record/batch.h"
#include "weir/runtime/env.h"
#include "weir/runtime/lock.h"
#include "weir/storage/offset_index.h"
#include "weir/storage/segment_cache.h"
#include "weir/storage/time_index.h"
#include "weir/storage/txn_index.h"

#include <stdatomic.h>

#define WEIR_SEGMENT_SUFFIX_LOG        ".log"
#define WEIR_SEGMENT_SUFFIX_INDEX      ".index"
#define WEIR_SEGMENT_SUFFIX_TIME_INDEX ".timeindex"
#define WEIR_SEGMENT_SUFFIX_TXN_INDEX  ".txnindex"
#define WEIR_SEGMENT_SUFFIX_SNAPSHOT   ".snapshot"
#define WEIR_SEGMENT_PATH_BYTES        4096
#define WEIR_VERIFIED_SPANS_MAX        4

/* A run of whole batches that were read back and found right, all in order. */
struct weir_verified_span {
    uint64_t from_pos;
    uint64_t end_pos;
    int64_t next_offset; /* behind its last batch */
};

struct weir_segment {
    struct weir_env *env;
    atomic_int refs;
    int64_t base_offset;
    char *path; /* without a suffix */
    _Atomic uint64_t size_bytes;

    /* segment_file.c and the cache's lock; others pin */
    struct weir_segment_cache *cache; /* NULL: everything stays in memory and open */
    struct weir_file *file;           /* while file_pins >= 0 */
    atomic_int file_pins;             /* -1: not open */
    atomic_bool file_was_used;
    atomic_bool is_detached;
    struct weir_list file_node;
    struct weir_list index_node;
    size_t cached_index_bytes;
    atomic_bool indexes_were_used;

    struct weir_lock lock; /* rank SEGMENT */
    bool has_indexes;      /* the three are in memory */
    bool is_sealed;        /* nothing is appended, so the indexes may be dropped and loaded again */
    struct weir_offset_index offset_index;
    struct weir_time_index time_index;
    struct weir_txn_index txn_index;
    bool has_unfit_entries; /* of the offset index; they were dropped when a look-up met them */
    bool has_lost_indexes;  /* a file was bad when it was loaded again; it counts as empty */
    bool is_txn_index_true; /* it was made here from the batches, or compared with them */
    uint32_t true_txn_crc;  /* of its entries when they were given back to the file */
    /* Offset of the oldest transaction open where the segment ends, INT64_MAX when there is none;
     * -1: not known. */
    int64_t open_txn_at_end;
    bool has_no_markers; /* as far as its snapshot knows: then its transaction index is believed */
    bool are_times_true; /* likewise max_timestamp */
    /* A bad batch was met: times behind it are not known, nor, when the transaction index had to be
     * made anew, what was aborted there. */
    bool has_damage;
    bool is_txn_index_partial;
    /* Counts changes of the files; those that had so many were read back and found right
     * (log_close.c). */
    atomic_uint file_changes;
    atomic_uint proven_changes;
    struct weir_verified_span spans[WEIR_VERIFIED_SPANS_MAX]; /* none touches another */
    size_t span_count;

    /* Bytes from here on were written by this process; what is before may be damaged and is
     * verified before it is first shown (log_verify.c).  A batch begins here.  Falls only, so it is
     * read without the lock, after the size. */
    _Atomic uint64_t own_pos;
    /* Of what was verified or written here.  Set before the size or the span that shows it. */
    atomic_bool has_txn_batches;

    /* log_audit.c, by the one thread that audits the log */
    uint64_t audit_pos;
    bool is_audit_over; /* nothing more can be told */

    /* log */
    int64_t max_timestamp;        /* -1: none */
    int64_t max_timestamp_offset; /* last offset of the batch that has it */
    int64_t first_timestamp;      /* max timestamp of the first batch; -1: none, or no batch */
    int64_t created_ms;           /* wall clock; when it was made or opened */
    int64_t roll_jitter_ms;
    int64_t bytes_since_index_entry;
    uint64_t reserved_pos; /* disk space was asked for up to here; 0: never */
};

/* Opens <dir>/<base, 20 digits>.log; creates it (cutting what is there) when is_new.  Indexes are
 * not touched. */
WEIR_MUST_CHECK enum weir_status weir_segment_open(struct weir_env *env, const char *dir,
                                                   int64_t base_offset, bool is_new,
                                                   struct weir_segment **out,
                                                   struct weir_detail *detail);
/* Creates <dir>/<base, 20 digits>.log<transient>, which will get the segment's own name later. */
WEIR_MUST_CHECK enum weir_status weir_segment_open_as(struct weir_env *env, const char *dir,
                                                      int64_t base_offset, const char *transient,
                                                      struct weir_segment **out,
                                                      struct weir_detail *detail);
/* Once, after opening and before other threads know it: from now on an idle file may be closed, and
 * is opened again by its path.  A directory must not be renamed under it (see detach).  NULL: stays
 * as it is. */
void weir_segment_use_cache(struct weir_segment *segment, struct weir_segment_cache *cache);
struct weir_segment *weir_segment_ref(struct weir_segment *segment);
/* NULL is allowed.  The last one closes the file. */
void weir_segment_unref(struct weir_segment *segment);

/* --- The file (segment_file.c); any thread. --- */
/* Opens the file if it is not open and keeps it so until unpin.  CLOSED: the log was deleted.
 * LIMIT: no descriptor is free. */
WEIR_MUST_CHECK enum weir_status
weir_segment_pin(struct weir_segment *segment, struct weir_file **out, struct weir_detail *detail);
void weir_segment_unpin(struct weir_segment *segment);
/* The file is about to lose its name: a reader that still has the segment must never open another
 * file that gets it.  keep_file: it stays open, and the indexes in memory, for such readers until
 * the segment goes; otherwise they get CLOSED. */
void weir_segment_detach(struct weir_segment *segment, bool keep_file);
/* The name stayed after all. */
void weir_segment_attach(struct weir_segment *segment);
/* The calls of env.h with the file pinned. */
WEIR_MUST_CHECK enum weir_status weir_segment_read_at(struct weir_segment *segment, void *into,
                                                      size_t size, uint64_t file_pos,
                                                      size_t *out_read, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_segment_write_at(struct weir_segment *segment,
                                                       const struct weir_slice *parts, size_t count,
                                                       uint64_t file_pos,
                                                       struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_segment_sync(struct weir_segment *segment, bool with_metadata,
                                                   struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_segment_write_out(struct weir_segment *segment,
                                                        uint64_t file_pos, uint64_t size_bytes,
                                                        bool forget, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_segment_truncate_file(struct weir_segment *segment,
                                                            uint64_t size_bytes,
                                                            struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_segment_file_size(struct weir_segment *segment, uint64_t *out,
                                                        struct weir_detail *detail);

/* The index files or the batches are about to be written. */
static inline void weir_segment_note_files_change(struct weir_segment *segment)
{
    atomic_fetch_add_explicit(&segment->file_changes, 1, memory_order_relaxed);
}

static inline uint64_t weir_segment_size(struct weir_segment *segment)
{
    return atomic_load_explicit(&segment->size_bytes, memory_order_acquire);
}

void weir_segment_file_path(const struct weir_segment *segment, const char *suffix,
                            char out[WEIR_SEGMENT_PATH_BYTES]);
/* Of any file that is named by an offset. */
void weir_offset_file_path(const char *dir, int64_t offset, const char *suffix,
                           char out[WEIR_SEGMENT_PATH_BYTES]);

/* Loads the three index files if they are not in memory.  CORRUPT, NOT_FOUND (.index is missing),
 * IO_ERROR. */
WEIR_MUST_CHECK enum weir_status weir_segment_load_indexes(struct weir_segment *segment,
                                                           struct weir_detail *detail);
/* The same, and returns with the segment's lock held and the indexes in memory when it is OK. */
WEIR_MUST_CHECK enum weir_status weir_segment_lock_indexes(struct weir_segment *segment,
                                                           struct weir_detail *detail);
/* Whether nothing will be appended any more, so that its indexes may leave memory.  Before an
 * unsealed one is appended to its indexes must be loaded. */
void weir_segment_set_sealed(struct weir_segment *segment, bool is_sealed);
/* Brings the files up to date; sync: makes durable what is not. */
WEIR_MUST_CHECK enum weir_status weir_segment_write_indexes(struct weir_segment *segment, bool sync,
                                                            struct weir_detail *detail);
/* Whether the indexes in memory have entries that are in no file yet. */
bool weir_segment_has_unwritten(struct weir_segment *segment);
/* Empties the indexes in memory (they will be rebuilt); the files follow with the next write. */
void weir_segment_clear_indexes(struct weir_segment *segment);
/* Gives the memory back when everything is in the files. */
void weir_segment_drop_indexes(struct weir_segment *segment);

/* Accounts for a batch that lies at file_pos: index entries, timestamps, size.  (log) */
void weir_segment_on_appended(struct weir_segment *segment, const struct weir_batch *batch,
                              uint64_t file_pos, size_t batch_bytes, int32_t index_interval_bytes);
/* The last entry of the time index, which a sealed segment must have (at roll and close). */
void weir_segment_add_final_time_entry(struct weir_segment *segment);

/* Asks for disk space ahead of the active segment's end when what was asked for is used up: an
 * eighth of its size, so that small segments cost nothing, or all of bytes_max at once.  The file's
 * length does not change.  A disk that has no space, or cannot do it, is no failure: the write will
 * tell.  file is the pinned one. (log) */
void weir_segment_reserve_ahead(struct weir_segment *segment, struct weir_file *file,
                                uint64_t bytes_max, bool all_at_once);
/* Gives back what lies behind the end; once nothing is appended any more. */
void weir_segment_release_reserve(struct weir_segment *segment);

/* Where a batch lies. */
struct weir_batch_place {
    uint64_t file_pos;
    size_t size;
    struct weir_batch batch; /* header only; bytes is not valid */
};

void weir_segment_note_damage(struct weir_segment *segment, bool is_txn_index_partial);
/* Whether there may be batches whose times are not known. */
bool weir_segment_has_damage(struct weir_segment *segment);
/* The file was cut to size_bytes: what comes there next is not what was verified there before. */
void weir_segment_note_cut(struct weir_segment *segment, uint64_t size_bytes);

/* The first batch whose last offset is at or above the offset, among the first size_bytes of the
 * file.  *out_from_pos is where the walk over batches began, NULL is allowed.  The entry of the
 * offset index that led there is compared with its batch; one that does not fit is dropped.
 * Batches are not verified.  NOT_FOUND when there is none, CORRUPT. */
WEIR_MUST_CHECK enum weir_status weir_segment_find_from(struct weir_segment *segment,
                                                        int64_t offset, uint64_t size_bytes,
                                                        uint64_t *out_from_pos,
                                                        struct weir_batch_place *out,
                                                        struct weir_detail *detail);
/* The same without the place. */
WEIR_MUST_CHECK enum weir_status weir_segment_find(struct weir_segment *segment, int64_t offset,
                                                   uint64_t size_bytes,
                                                   struct weir_batch_place *out,
                                                   struct weir_detail *detail);

/* Walks over batch headers from a position. */
struct weir_segment_scan {
    struct weir_segment *segment;
    uint64_t file_pos; /* of the next batch */
    uint64_t end_pos;
    uint8_t *buffer;
    size_t capacity;
    uint64_t buffer_pos;
    size_t buffer_size;
};

/* buffer is the caller's, at least 1 KB; a larger one means fewer reads. */
void weir_segment_scan_init(struct weir_segment_scan *scan, struct weir_segment *segment,
                            uint64_t from_pos, uint64_t end_pos, void *buffer, size_t capacity);
/* NOT_FOUND at the end.  CORRUPT (a header that cannot be, or a batch that does not fit before the
 * end): scan->file_pos stays at it.  check: verify checksum and counts. */
WEIR_MUST_CHECK enum weir_status weir_segment_scan_next(struct weir_segment_scan *scan, bool check,
                                                        struct weir_batch_place *out,
                                                        struct weir_detail *detail);

/* Reads a whole batch to the end of out and parses it.  The batch's bytes point into out. */
WEIR_MUST_CHECK enum weir_status weir_segment_read_batch(struct weir_segment *segment,
                                                         const struct weir_batch_place *place,
                                                         struct weir_buf *out,
                                                         struct weir_batch *out_batch,
                                                         struct weir_detail *detail);
