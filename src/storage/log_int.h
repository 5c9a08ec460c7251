/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of a partition log, shared by the log_*.c files.
 *
 * Two locks.  `lock` (rank LOG) serialises everything that changes the log.  `view_lock` (rank
 * LEAF) covers the published fields only, for a few loads or stores; whoever publishes holds both.
 *
 * I1  view->segments is never empty; bases rise strictly; the last one is the active segment.
 * I2  log_start <= last_stable <= high_watermark <= log_end.
 * I3  the published end_pos is the active segment's size when log_end was published.
 * I4  segments but the last are sealed: their batches do not change, and their indexes are in their
 *     files, or in memory and written with the next flush.
 *
 * Files are changed without the lock, by one thread for each part of the log at a time:
 *
 *     lock; weir_log_begin_change(log, PART); what to do; unlock; files; lock; publish;
 *     weir_log_end_change(log, PART); unlock
 *
 * | part   | whoever has it                                  | meanwhile nobody else             |
 * | SEALED | renames, replaces or removes sealed segments    | does                              |
 * | ROLL   | makes the next segment                          | rolls; appends, but for LATER     |
 * | SYNC   | flushes, writes epochs and partition.metadata   | does: one sync in flight a log    |
 * | END    | changes the end of the log (only with all)      | appends                           |
 *
 * Several parts are taken at once.  Who has SEALED may take ROLL as well; no other part is waited
 * for while one is held.  log->dir changes with all parts only, so any part keeps it as it is.
 * A round of the cleaner (is_being_cleaned) excludes SEALED and is excluded by it, but nobody waits
 * for it unless he stops it: retention comes another time.
 */

#include "weir/runtime/lock.h"
#include "weir/storage/partition_log.h"
#include "weir/storage/segment.h"

#include <pthread.h>
#include <stdatomic.h>

struct log_view {
    atomic_int refs;
    size_t count;
    struct weir_segment *segments[];
};

enum log_state { LOG_OPEN, LOG_CLOSED, LOG_FAILED, LOG_DELETED };

enum {
    WEIR_LOG_CHANGE_SEALED = 1,
    WEIR_LOG_CHANGE_ROLL = 2,
    WEIR_LOG_CHANGE_SYNC = 4,
    WEIR_LOG_CHANGE_END = 8,
    WEIR_LOG_CHANGE_ALL = 15
};

#define WEIR_LOG_NO_HOLD INT64_MAX

struct published {
    struct log_view *view;
    struct weir_partition_log_offsets offsets;
    uint64_t end_pos;
    /* Where the high watermark lies, when that is known (the usual case of "all of it"); otherwise
     * hw_base is -1. */
    int64_t hw_base;
    uint64_t hw_pos;
};

struct weir_partition_log {
    struct weir_env *env;
    struct weir_topic_partition key;
    atomic_int refs;
    struct weir_file_reaper *reaper;
    const atomic_bool *is_disk_nearly_full;
    struct weir_segment_cache *cache;
    void (*on_failure)(void *context, struct weir_partition_log *log,
                       const struct weir_detail *detail);
    void (*on_truncated)(void *context, struct weir_partition_log *log);
    void (*on_fault)(void *context, struct weir_partition_log *log,
                     const struct weir_detail *fault);
    void *context;

    struct weir_lock view_lock;
    struct published now;

    struct weir_lock lock;
    char *dir;
    atomic_uint_least64_t truncations; /* done; written with the lock, after they were published */
    struct weir_uuid topic_id;
    bool has_metadata_file;
    struct weir_log_config config;
    enum log_state state;
    atomic_bool has_failed; /* state is LOG_FAILED, for those without the lock */
    unsigned changing;      /* parts, see above */
    pthread_cond_t change_ended;
    int64_t loaded_end_offset; /* log_audit.c */
    bool is_making_segment;   /* appends of any kind have to keep away from the end */
    bool has_later_appends;   /* somebody appends who cannot wait for a roll */
    int64_t roll_wanted_base; /* the active segment somebody found due to be rolled; -1: none */
    struct weir_epoch_cache epochs;
    struct weir_producer_state *producers;
    int64_t recovery_point;
    int64_t synced_offset; /* batches below it survive power loss */
    /* The high watermark stays at or below it until the flush that is due has ended, so nobody sees
     * what flush.messages promises to be durable and is not; WEIR_LOG_NO_HOLD: no flush is due. */
    int64_t hold_offset;
    bool has_no_snapshots;   /* while it is loaded: the listing says so, none need be looked for */
    int64_t snapshot_offset; /* of the newest producer snapshot; -1: none */
    bool snapshot_is_unsynced;
    /* Counts changes of names in the directory; so many of them were synced.  Not counted are
     * names whose return would do no harm. */
    uint64_t names_changed;
    uint64_t names_synced;
    /* Writes to the active segment that were taken back, and how many of these cuts were synced:
     * until then power loss may bring half a batch back behind the end. */
    uint64_t cuts;
    uint64_t cuts_synced;
    /* Compaction (clean_log.c).  Files of sealed segments are renamed, opened and removed by the
     * round that runs, or by whoever has stopped it. */
    bool is_being_cleaned;
    int clean_stops; /* so many want no round to begin */
    atomic_bool clean_must_stop;
    pthread_cond_t clean_ended; /* with lock */
    bool is_uncleanable;
    char *uncleanable_why;

    int64_t flushed_ms;   /* monotonic, of the last flush or open */
    bool has_durable_dir; /* the directory's own name was synced since open */
};

/* log.c */
static inline struct weir_segment *weir_log_active(struct weir_partition_log *log)
{
    return log->now.view->segments[log->now.view->count - 1];
}

struct log_view *weir_log_view_new(struct weir_segment *const *segments,
                                   size_t count); /* takes a reference to each */
void weir_log_view_unref(struct log_view *view);
/* A copy of the published fields with a reference to the view. */
void weir_log_take(struct weir_partition_log *log, struct published *out);
/* Replaces the view (its reference is taken). */
void weir_log_publish_view(struct weir_partition_log *log, struct log_view *take_view);
/* Publishes the log end offset with the active segment's size. */
void weir_log_publish_end(struct weir_partition_log *log, int64_t log_end_offset);
/* Brings high watermark and last stable offset into order after any change (I2). */
void weir_log_publish_limits(struct weir_partition_log *log, int64_t log_start_offset,
                             int64_t high_watermark);
/* Whether what a look-up took for damage may be a truncation, when it began with so many done.
 * Waits for one that is under way. */
bool weir_log_was_truncated(struct weir_partition_log *log, uint64_t truncations_before);
/* OK, CLOSED or KAFKA_STORAGE_ERROR. */
enum weir_status weir_log_check_open(const struct weir_partition_log *log,
                                     struct weir_detail *detail);
/* P5. The lock is held. */
void weir_log_fail_locked(struct weir_partition_log *log, const struct weir_detail *why);
void weir_log_path(const struct weir_partition_log *log, const char *name,
                   char out[WEIR_SEGMENT_PATH_BYTES]);
int64_t weir_log_jitter(struct weir_env *env, const struct weir_log_config *config);

/* log_load.c */
enum weir_status weir_log_load(struct weir_partition_log *log,
                               const struct weir_partition_log_options *options,
                               struct weir_partition_log_recovery *recovery,
                               struct weir_detail *detail);

/* log_dir.c: what lies in the directory */
struct log_dir_entry {
    int64_t offset;
    char suffix[24]; /* ".log", ".index", ... */
};
struct log_dir_listing {
    struct log_dir_entry *items; /* by offset; malloc'ed */
    size_t count;
    size_t capacity;
};
void weir_log_dir_listing_done(struct log_dir_listing *listing);
/* Finishes what an interrupted compaction or deletion left, lists it as it was found and counts it,
 * then lists files named by an offset. */
enum weir_status weir_log_dir_tidy(struct weir_env *env, const char *dir,
                                   struct log_dir_listing *out,
                                   struct log_dir_listing *out_leftovers,
                                   struct weir_partition_log_recovery *recovery,
                                   struct weir_detail *detail);
enum weir_status weir_log_dir_list(struct weir_env *env, const char *dir,
                                   struct log_dir_listing *out, struct weir_detail *detail);
/* The bytes in segments that reach above the offset: what a recovery would scan.  0 when the
 * directory cannot be read. */
uint64_t weir_log_dir_bytes_from(struct weir_env *env, const char *dir, int64_t recovery_point);

/* log_verify.c: nothing that was loaded is shown before it was verified */
/* Makes sure that the batches of a segment from from_pos (0, or where an index entry led) to the
 * one that ends at or behind until_pos are whole, in order and of the epochs they should be.
 * end_offset: where the next segment begins; -1: unknown.  CORRUPT: *out_good_pos is where the
 * first bad one begins; otherwise it is at least until_pos, or the end of the file.  What was
 * verified once is not read again.  Takes the log's lock. */
struct log_verify_options {
    struct weir_segment *segment;
    uint64_t from_pos;
    uint64_t until_pos;
    uint64_t size_bytes;
    int64_t end_offset;
};
enum weir_status weir_log_verify(struct weir_partition_log *log,
                                 const struct log_verify_options *options, uint64_t *out_good_pos,
                                 struct weir_detail *detail);
/* weir_segment_find among verified batches: everything that the walk passed was verified, and the
 * batch that it found. CORRUPT: *out_good_pos is where the bad one begins. */
enum weir_status weir_log_locate(struct weir_partition_log *log, const struct published *now,
                                 size_t segment_index, int64_t offset, struct weir_batch_place *out,
                                 uint64_t *out_good_pos, struct weir_detail *detail);
/* How many bytes of a segment a reader may look at, and the offset where the next one begins. */
uint64_t weir_log_readable_size(const struct published *now, size_t segment_index);
int64_t weir_log_segment_end(const struct published *now, size_t segment_index);
/* Says that something on disk is not what it should be, with what was done about it.  No lock of
 * the log is held. */
void weir_log_tell_fault(struct weir_partition_log *log, const struct weir_detail *fault);
/* Says it when look-ups in the segment met index entries that lead elsewhere, and mends the file.
 */
void weir_log_tell_unfit_index(struct weir_partition_log *log, struct weir_segment *segment);
/* Compares the transaction index with what the batches say, once. */
enum weir_status weir_log_verify_txns(struct weir_partition_log *log, const struct published *now,
                                      size_t segment_index, struct weir_detail *detail);
/* Makes sure that max_timestamp is the greatest of the segment, once. */
enum weir_status weir_log_verify_times(struct weir_partition_log *log, struct weir_segment *segment,
                                       uint64_t size_bytes, struct weir_detail *detail);

/* log_epochs.c: whether the leader epochs contradict the batches at their beginnings.  Loading
 * only, when nobody else has the log. */
enum weir_status weir_log_check_epochs(const struct weir_epoch_cache *epochs,
                                       struct weir_segment *const *segments, size_t count,
                                       int64_t log_start, int64_t end_offset, bool *out_are_wrong);

/* log_producers.c: producer state from snapshots and batches */
/* Applies what one batch at its place does to producers and, for an abort, to the transaction
 * index. */
enum weir_status weir_log_replay_batch(struct weir_partition_log *log, struct weir_segment *segment,
                                       const struct weir_batch_place *place, bool write_txn_index,
                                       struct weir_detail *detail);
/* Newest good snapshot at or below the offset (bad ones are removed, and the last one named in
 * bad_snapshot unless that is NULL), then the batches from there to it. */
enum weir_status weir_log_rebuild_producers(struct weir_partition_log *log,
                                            struct weir_segment *const *segments, size_t count,
                                            int64_t up_to_offset, struct weir_detail *bad_snapshot,
                                            struct weir_detail *detail);
/* Writes <offset>.snapshot unless it is there. */
enum weir_status weir_log_write_snapshot(struct weir_partition_log *log, int64_t offset, bool sync,
                                         struct weir_detail *detail);
/* Removes snapshots that belong to no segment (the newest stays), or lie above the offset. */
enum weir_status weir_log_tidy_snapshots(struct weir_partition_log *log, int64_t above,
                                         struct weir_detail *detail);

/* log_change.c.  The lock is held. */
/* Waits until nobody changes any of these parts and takes them: task threads only. */
void weir_log_begin_change(struct weir_partition_log *log, unsigned parts);
/* Lets go of parts that begin_change gave. */
void weir_log_end_change(struct weir_partition_log *log, unsigned parts);
/* Waits until nobody changes them: task threads only. */
void weir_log_await_change(struct weir_partition_log *log, unsigned parts);

/* log_roll.c.  The lock is held. */
bool weir_log_is_roll_due(struct weir_partition_log *log, int64_t last_offset,
                          int64_t max_timestamp, size_t bytes);
/* Seals the active segment and begins one at the log end; nothing when it is empty.  Releases and
 * takes the lock on the way, and waits for another roll.  An I/O error fails the log. */
enum weir_status weir_log_roll_locked(struct weir_partition_log *log, struct weir_detail *detail);

/* log_retention.c */
/* Gives a segment's files to the reaper under names that say so.  The lock need not be held;
 * weir_log_note_discarded follows, with it. */
enum weir_status weir_log_discard_segment(struct weir_partition_log *log,
                                          struct weir_segment *segment, int64_t due_ms,
                                          struct weir_detail *detail);
void weir_log_note_discarded(struct weir_partition_log *log, const struct weir_segment *segment);
/* When files given up now may go. */
int64_t weir_log_delete_due_ms(const struct weir_partition_log *log);

/* log_upkeep.c */
enum weir_status weir_log_write_small_files_locked(struct weir_partition_log *log,
                                                   struct weir_detail *detail);
enum weir_status weir_log_write_some_small_files_locked(struct weir_partition_log *log,
                                                        bool with_epochs,
                                                        struct weir_detail *detail);
/* The flush of partition_log.h; is_closing: the small files and the names come later. */
enum weir_status weir_log_flush(struct weir_partition_log *log, bool include_active,
                                bool is_closing, struct weir_detail *detail);
/* After an append that began at the offset, or after a flush (-1): whether the high watermark has
 * to wait, and where.  The lock is held. */
void weir_log_update_hold(struct weir_partition_log *log, int64_t appended_from);
/* Makes the names in the directory durable if they are not.  The lock is held. */
enum weir_status weir_log_sync_names_locked(struct weir_partition_log *log,
                                            struct weir_detail *detail);
/* All segments go; one empty one at offset remains. The lock is held. */
enum weir_status weir_log_restart_at(struct weir_partition_log *log, int64_t offset,
                                     struct weir_detail *detail);

/* log_close.c */
/* Reads back the files of a sealed segment, or of the active one whose batches end at end_offset,
 * unless that was done since they were written last.  max_timestamp is the segment's.  CORRUPT
 * names the file that is not what it should be. */
enum weir_status weir_log_prove_segment(struct weir_segment *segment, int64_t end_offset,
                                        int64_t max_timestamp, struct weir_detail *detail);
/* The start has done that. */
void weir_log_note_proven(struct weir_segment *segment);

/* clean_log.c */
/* Waits for a round to end and lets none begin before it is allowed again.  The lock is held, and
 * given up while it waits. */
void weir_log_stop_cleaning(struct weir_partition_log *log);
void weir_log_allow_cleaning(struct weir_partition_log *log);
