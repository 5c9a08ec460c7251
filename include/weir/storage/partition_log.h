/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One partition's log on disk, in Apache Kafka's own files.  Usable from any thread: what changes
 * the log takes its lock (rank LOG) inside; reads take a published view under a lock held for a few
 * loads, and then no lock.
 *
 * (The name is not struct weir_log because base/log.h has that one for log lines.)
 *
 * Promises:
 *  P1  append() that returned OK gave the batch consecutive offsets; a later read sees it up to the
 * limit it asks for. P2  after flush() returned OK, all offsets below the log end offset at its
 * start survive power loss (recovery point). append() alone promises that for a dead process only,
 * not for a dead machine. P3  truncate_to(n) is durable before it returns; no read sees an offset
 * >= n afterwards. P4  an append that failed left no byte of it behind; when that cannot be made
 * sure the log is failed. P5  a failed log (a write could not be taken back, a sync failed) refuses
 * everything that would change it with KAFKA_STORAGE_ERROR, and nothing is retried.  on_failure is
 * told once. P6  a file that a read result or a range refers to stays open until it is released,
 * whatever is deleted meanwhile. P7  after an unclean stop open() cuts the tail at the last whole,
 * correct batch; indexes, transaction index, leader epochs and producer state are rebuilt from the
 * recovery point on.  After a clean one the last batch and the indexes are checked all the same.
 *
 * P8  bytes that this process did not write are verified (checksum, order, leader epoch) before
 * they are first shown, and an index entry by the batch it leads to: a damaged file gives CORRUPT
 * or less data, never other data.
 *
 * Blocking: append writes to the page cache, nothing else (no sync), unless it was told that it may
 * roll. Everything marked "blocks" belongs on a task thread.
 */

#include "weir/base/status.h"
#include "weir/record/produce_check.h"
#include "weir/runtime/env.h"
#include "weir/runtime/file_range.h"
#include "weir/storage/epoch_cache.h"
#include "weir/storage/file_reaper.h"
#include "weir/storage/log_config.h"
#include "weir/storage/producer_state.h"
#include "weir/storage/segment_cache.h"
#include "weir/storage/topic_partition.h"
#include "weir/storage/txn_index.h"

#include <stdatomic.h>

struct weir_partition_log;

struct weir_partition_log_options {
    struct weir_env *env; /* borrowed, outlives the log */
    const char *dir;      /* the partition's directory; created when absent */
    struct weir_topic_partition key;
    struct weir_uuid topic_id; /* zero: take it from partition.metadata, if that is there */
    struct weir_log_config config;
    int64_t recovery_point;   /* from the checkpoint; 0 when unknown */
    int64_t log_start_offset; /* from the checkpoint; 0 when unknown */
    int64_t
        high_watermark; /* from the checkpoint; 0 when unknown; brought into [log start, log end] */
    int64_t cleaned_to; /* from the cleaner's checkpoint; -1 when it has no line */
    bool was_clean;     /* the directory had its clean-shutdown marker */
    bool log_start_is_unknown; /* it had, but the checkpoint of log start offsets is lost: the first
                                  leader epoch is asked */
    struct weir_file_reaper
        *reaper; /* takes the files of deleted segments; NULL: they are removed at once */
    struct weir_segment_cache *cache; /* caps open files and indexes in memory; NULL: all stay */
    /* While it is true (any thread writes it) producers' batches are refused with NO_SPACE: the
     * disk is nearly full.  NULL: never. */
    const atomic_bool *is_disk_nearly_full;
    /* Told once when the log fails, with the lock held: only note it or post a message.  NULL is
     * allowed. */
    void (*on_failure)(void *context, struct weir_partition_log *log,
                       const struct weir_detail *detail);
    /* Called without locks after a truncation lowered the recovery point: the checkpoint on disk
     * must follow before anything is appended.  NULL is allowed. */
    void (*on_truncated)(void *context, struct weir_partition_log *log);
    /* Told, without locks and from any thread, when a read met a file that is not what it should
     * be: damaged batches (the read gives CORRUPT, or what is good before them) or an index that
     * leads elsewhere (the read goes on without it).  The detail names file, place and what is
     * wrong.  May come again for the same place.  NULL is allowed. */
    void (*on_fault)(void *context, struct weir_partition_log *log,
                     const struct weir_detail *fault);
    void *context;
    /* Called now and then while open scans batches: so many bytes more were done.  NULL is allowed.
     */
    void (*on_scanned)(void *scan_context, uint64_t bytes);
    void *scan_context;
};

/* Defaults for everything but env, dir and key. */
struct weir_partition_log_options weir_partition_log_options_default(void);

/* What open found and did. */
struct weir_partition_log_recovery {
    bool is_new;        /* there was nothing */
    bool was_recovered; /* batches were scanned */
    uint64_t scanned_bytes;
    uint64_t cut_bytes;       /* torn or damaged tail that was removed */
    int32_t dropped_segments; /* segments behind the damage */
    int32_t rebuilt_indexes;
    int32_t leftover_files;   /* of an interrupted deletion or compaction, removed or renamed */
    /* A hole between segments was taken for a compaction's only because of such files: they are
     * gone now, so the recovery point has to pass it on disk. */
    bool has_kept_hole;
    bool finished_compaction; /* its output took the place of its input */
    struct weir_detail
        note; /* why the tail was cut or an index rebuilt; empty when nothing happened */
};

/* Opens or creates the log and repairs it.  Blocks.  out_recovery may be NULL.  CORRUPT when files
 * contradict each other in a way that cannot be repaired without losing more than a tail (the
 * detail names the file); INCONSISTENT_TOPIC_ID when partition.metadata has another id; IO_ERROR,
 * NO_SPACE, NO_MEMORY.  The caller has one reference. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_open(
    const struct weir_partition_log_options *options, struct weir_partition_log **out,
    struct weir_partition_log_recovery *out_recovery, struct weir_detail *detail);

struct weir_partition_log *weir_partition_log_ref(struct weir_partition_log *log);
/* The last one frees the memory and closes the files, without writing anything. */
void weir_partition_log_unref(struct weir_partition_log *log);

/* Makes sure of the transaction indexes of segments that were loaded and have had transactions, as
 * far as producer snapshots know: a lost one looks like an empty one.  Reads about bytes_max at
 * most; true when nothing is left to look at.  One thread at a time.  Blocks. */
bool weir_partition_log_audit_txns(struct weir_partition_log *log, uint64_t bytes_max,
                                   uint64_t *out_bytes);

/* Flushes all, writes the final time index entry, the indexes, the producer snapshot at the log end
 * offset, the leader epochs and partition.metadata, and checks what it wrote.  What did not change
 * since it was last made durable is not synced again.  Blocks.  After OK the directory may count as
 * clean; the log takes no more changes (CLOSED), reads of open results go on.  References stay. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_close(struct weir_partition_log *log,
                                                          struct weir_detail *detail);

/* --- Facts; any thread, no blocking.  All offsets of one call are of one moment. --- */
struct weir_partition_log_offsets {
    int64_t log_start_offset;
    int64_t last_stable_offset;
    int64_t high_watermark;
    int64_t log_end_offset;
};
void weir_partition_log_offsets(struct weir_partition_log *log,
                                struct weir_partition_log_offsets *out);
int64_t weir_partition_log_start_offset(struct weir_partition_log *log);
int64_t weir_partition_log_end_offset(struct weir_partition_log *log);
int64_t weir_partition_log_high_watermark(struct weir_partition_log *log);
int64_t weir_partition_log_last_stable_offset(struct weir_partition_log *log);
int64_t weir_partition_log_recovery_point(struct weir_partition_log *log);
/* What the checkpoint may say of it: while the log is open never the end of the active segment.
 * Otherwise a roll right after would put the recovery point on the new segment's base, and the
 * sealed one, whose indexes are not durable yet, would be trusted after a crash. */
int64_t weir_partition_log_checkpoint_point(struct weir_partition_log *log);
/* The fixed ones. */
const struct weir_topic_partition *weir_partition_log_key(const struct weir_partition_log *log);
struct weir_uuid weir_partition_log_topic_id(struct weir_partition_log *log);
/* Bytes in all segments. */
uint64_t weir_partition_log_size(struct weir_partition_log *log);
bool weir_partition_log_has_failed(struct weir_partition_log *log);
/* The directory now (it changes when the log is renamed for deletion). */
void weir_partition_log_dir(struct weir_partition_log *log, char out[4096]);

struct weir_segment_info {
    int64_t base_offset;
    uint64_t size_bytes;
    int64_t max_timestamp; /* -1: none */
};
/* malloc'ed; *out_count of them. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_segments(struct weir_partition_log *log,
                                                             struct weir_segment_info **out,
                                                             size_t *out_count);

/* --- Topic id and configuration. --- */
/* Remembers the id; the file is written by the next flush, close or by write_metadata.
 * INCONSISTENT_TOPIC_ID when another is known. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_set_topic_id(struct weir_partition_log *log,
                                                                 struct weir_uuid topic_id);
/* Blocks. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_write_metadata(struct weir_partition_log *log,
                                                                   struct weir_detail *detail);
void weir_partition_log_set_config(struct weir_partition_log *log,
                                   const struct weir_log_config *config);
void weir_partition_log_config(struct weir_partition_log *log, struct weir_log_config *out);

/* --- Append. --- */
/* What an append may do when the active segment is full, or is being sealed by somebody else. */
enum weir_log_roll_mode {
    /* Makes the next segment's files, or waits for them: threads that may block. */
    WEIR_LOG_ROLL_INLINE,
    /* WOULD_BLOCK, and nothing has happened: event loops.  weir_partition_log_make_room on a task
     * thread, then the append again. */
    WEIR_LOG_ROLL_REFUSE,
    /* Appends to the full segment and says is_roll_due, for those who can neither wait nor be
     * refused (coordinators).  Segments of such a log become larger than segment.bytes by what is
     * appended before a task has rolled; at the format's own limit (2 GiB, 2^31 offsets) it is
     * WOULD_BLOCK. */
    WEIR_LOG_ROLL_LATER
};

struct weir_log_append_options {
    enum weir_append_origin origin;
    int32_t leader_epoch;
    /* KIP-890: the guard from before the coordinator said that the transaction has this partition
     * (weir_partition_log_begin_verification).  A transactional batch of a client or coordinator
     * that opens one in this partition without it is refused with INVALID_TXN_STATE. */
    uint64_t verification_guard;
    bool is_verified; /* none is needed: transaction.partition.verification.enable=false */
    int8_t transaction_version; /* of a marker: 0, 1, 2 */
    enum weir_log_roll_mode roll;
};

struct weir_log_append_result {
    int64_t base_offset;
    int64_t last_offset;
    int64_t log_append_time_ms; /* -1 with CreateTime */
    int64_t log_start_offset;
    bool is_duplicate; /* the batch was there already; base_offset is the old one's, nothing was
                          written */
    bool has_rolled;   /* a segment was sealed: a flush of it should be scheduled */
    /* flush.messages was reached and not everything up to the batch is durable yet: whoever
     * appended has it flushed, and answers afterwards.  The high watermark waits for that. */
    bool is_flush_due;
    bool is_roll_due; /* LATER: weir_partition_log_make_room is to be called on a task thread */
};

/* As the leader: gives one checked batch its offsets and the leader epoch and writes it with one
 * call.  A duplicate of a producer's last five batches is answered as if it had been written.
 * OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE,
 * TRANSACTION_COORDINATOR_FENCED (markers), RECORD_LIST_TOO_LARGE, KAFKA_STORAGE_ERROR (failed),
 * NO_SPACE (nothing was written, the log goes on; for producers also while the disk is nearly
 * full), NO_MEMORY, CLOSED, WOULD_BLOCK (see weir_log_roll_mode).  A transactional control batch
 * with a marker goes the same way, origin COORDINATOR. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_append(struct weir_partition_log *log, const struct weir_checked_batch *batch,
                          const struct weir_log_append_options *options,
                          struct weir_log_append_result *out, struct weir_detail *detail);

/* As a follower, or the metadata log: whole batches with their offsets in them, written as they are
 * with one call.  CRCs and order are checked: the first base offset must be at or above the log end
 * offset (gaps are compaction's), else INVALID; CORRUPT.  All of it or nothing; together at most
 * segment.bytes.  Epochs go to the epoch cache.  Rolls inline: not for event loops. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_append_raw(struct weir_partition_log *log,
                                                               struct weir_slice batches,
                                                               enum weir_append_origin origin,
                                                               struct weir_log_append_result *out,
                                                               struct weir_detail *detail);

/* Writes a transaction marker.  Fails as append does. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_append_marker(struct weir_partition_log *log,
                                 const struct weir_txn_marker *marker,
                                 const struct weir_log_append_options *options,
                                 struct weir_log_append_result *out, struct weir_detail *detail);

/* Does what an append that was refused with WOULD_BLOCK, or said is_roll_due, asks for: waits for
 * whoever changes the end of the log, rolls the segment that was found full.  Blocks.  OK does not
 * promise that the next append finds room: others may have been faster.  NO_SPACE when the next
 * segment could not be made (the log goes on in the old one), NO_MEMORY, KAFKA_STORAGE_ERROR,
 * CLOSED. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_make_room(struct weir_partition_log *log,
                                                              struct weir_detail *detail);

/* --- Offsets. --- */
/* Never back; above the log end offset, or above what a flush that is due has not made durable yet
 * (weir_partition_log_awaits_flush), is cut to it.  Returns true when it moved. */
bool weir_partition_log_set_high_watermark(struct weir_partition_log *log, int64_t high_watermark);
/* append (or append_raw) and then set_high_watermark need no lock between them; on a single replica
 * the caller simply raises it to the log end offset. */

/* DeleteRecords, or a follower told by its leader: OFFSET_OUT_OF_RANGE above the high watermark;
 * below the log start nothing happens.  Segments go with the next retention pass.  Does not block.
 */
WEIR_MUST_CHECK enum weir_status weir_partition_log_delete_records(struct weir_partition_log *log,
                                                                   int64_t offset,
                                                                   int64_t *out_log_start_offset);

/* Cuts everything at or behind offset (a batch that holds it goes whole).  True in *out_truncated
 * when something was cut.  Blocks. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_truncate_to(struct weir_partition_log *log,
                                                                int64_t offset, bool *out_truncated,
                                                                struct weir_detail *detail);
/* Drops all and begins at offset.  Blocks. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_truncate_fully(struct weir_partition_log *log,
                                                                   int64_t offset,
                                                                   struct weir_detail *detail);

/* --- Leader epochs. --- */
/* On becoming leader: the epoch begins at the log end offset (unless it is the latest already). */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_assign_leader_epoch(struct weir_partition_log *log, int32_t leader_epoch);
int32_t weir_partition_log_latest_epoch(struct weir_partition_log *log); /* -1: none */
/* The first known epoch and where it begins; {-1, -1} when there is none. */
struct weir_epoch_entry weir_partition_log_earliest_epoch(struct weir_partition_log *log);
int32_t weir_partition_log_epoch_for_offset(struct weir_partition_log *log, int64_t offset);
/* OffsetForLeaderEpoch; see weir_epoch_cache_end_offset. */
void weir_partition_log_end_offset_for_epoch(struct weir_partition_log *log, int32_t epoch,
                                             int32_t *out_epoch, int64_t *out_end_offset);

/* --- Read. --- */
enum weir_log_read_limit {
    WEIR_LOG_READ_TO_LOG_END,
    WEIR_LOG_READ_TO_HIGH_WATERMARK,
    WEIR_LOG_READ_TO_LAST_STABLE
};

struct weir_log_read_options {
    int64_t offset;
    size_t bytes_max;
    enum weir_log_read_limit limit;
    bool min_one_batch;     /* the first batch comes whole even if it is larger than bytes_max */
    bool with_aborted_txns; /* for read_committed consumers */
};

struct weir_log_read {
    /* Begins with the batch that holds the offset; size 0 when there is nothing below the limit.
     * The end may lie inside a batch (clients drop a partial one).  All within one segment.
     * weir_log_read_done releases it unless it was taken (weir_log_read_take_range). */
    struct weir_file_range range;
    bool first_batch_is_incomplete; /* bytes_max is below the first batch's size and min_one_batch
                                       was false */
    struct weir_partition_log_offsets offsets; /* of the moment of the read */
    struct weir_aborted_txn *aborted;          /* malloc'ed; done frees it */
    size_t aborted_count;
};

/* OFFSET_OUT_OF_RANGE below the log start or above the log end offset (out->offsets is still set;
 * nothing to release).  Reads a few KB from the page cache, and may load a sealed segment's index
 * at its first use.  KAFKA_STORAGE_ERROR: the log was deleted meanwhile, or no descriptor is free.
 */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_read(struct weir_partition_log *log, const struct weir_log_read_options *options,
                        struct weir_log_read *out, struct weir_detail *detail);
void weir_log_read_done(struct weir_log_read *read);
/* The range without its bytes' release: the caller now owes range.release(range.owner). */
struct weir_file_range weir_log_read_take_range(struct weir_log_read *read);
/* Copies the range's bytes to the end of out. */
WEIR_MUST_CHECK enum weir_status weir_log_read_copy(struct weir_env *env,
                                                    const struct weir_log_read *read,
                                                    struct weir_buf *out,
                                                    struct weir_detail *detail);

/* Open and completed transactions that overlap; for DescribeTransactions-like look-ups and tests.
 * malloc'ed. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_aborted_txns(struct weir_partition_log *log, int64_t from_offset,
                                int64_t to_offset, struct weir_aborted_txn **out, size_t *out_count,
                                struct weir_detail *detail);

/* --- Offsets by time. --- */
#define WEIR_TIMESTAMP_LATEST         (-1)
#define WEIR_TIMESTAMP_EARLIEST       (-2)
#define WEIR_TIMESTAMP_MAX            (-3)
#define WEIR_TIMESTAMP_EARLIEST_LOCAL (-4)

struct weir_offset_and_time {
    int64_t offset;
    int64_t timestamp;
    int32_t leader_epoch; /* -1: unknown */
};

/* The first record at or after the timestamp (>= 0), the first with the greatest one (-3), or the
 * log start offset
 * (-2, -4; its timestamp is -1).  NOT_FOUND when there is none.  LATEST is the caller's business,
 * since it depends on the reader.  Reads and decompresses up to one index interval, for -3 too.
 * Blocks when the pages are cold. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_offset_for_timestamp(struct weir_partition_log *log, int64_t timestamp,
                                        struct weir_offset_and_time *out,
                                        struct weir_detail *detail);

/* --- Upkeep; all block. --- */
/* Makes sealed segments durable, with indexes, producer snapshots and leader epochs, and the active
 * one's batches when include_active (the rest of it is rebuilt after a crash), then moves the
 * recovery point.  When only the active segment grew that is one sync.  One flush is under way at a
 * time: those that come meanwhile wait, and share the next one (group commit).  A sync that failed
 * fails the log (P5); NO_SPACE and NO_MEMORY come before any sync, and may be tried again. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_flush(struct weir_partition_log *log,
                                                          bool include_active,
                                                          struct weir_detail *detail);
/* The directory's own name was made durable in its parent by the caller; flushes need not. */
void weir_partition_log_note_durable_dir(struct weir_partition_log *log);
/* Whether the high watermark waits for a flush (flush.messages was reached). */
bool weir_partition_log_awaits_flush(struct weir_partition_log *log);
/* Batches below it survive power loss. */
int64_t weir_partition_log_synced_offset(struct weir_partition_log *log);
/* Whether flush.messages or flush.ms asks for a flush of the active segment. */
bool weir_partition_log_is_flush_due(struct weir_partition_log *log);
/* Seals the active segment and begins a new one at the log end offset; nothing when it is empty.
 * The files are made without the log's lock. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_roll(struct weir_partition_log *log,
                                                         struct weir_detail *detail);

struct weir_log_retention_result {
    int32_t deleted_segments;
    uint64_t deleted_bytes;
    int64_t log_start_offset;
};
/* Deletes whole segments below the high watermark: those before the log start offset; with
 * cleanup.policy=delete also by retention.bytes and retention.ms.  The active segment is rolled
 * only when all of it goes.  Files go to the reaper, renamed without the log's lock. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_retain(struct weir_partition_log *log,
                                                           struct weir_log_retention_result *out,
                                                           struct weir_detail *detail);
/* Drops producers unused for producer.id.expiration.ms.  Does not block. */
void weir_partition_log_expire_producers(struct weir_partition_log *log);
/* Writes the leader epochs and partition.metadata if they changed. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_write_small_files(struct weir_partition_log *log, struct weir_detail *detail);

/* Renames the directory to "...-delete"; appends and reads then fail with CLOSED, ranges that were
 * given out stay good. weir_dir_remove_all on the new name is the caller's (the manager's) business
 * later. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_rename_for_delete(struct weir_partition_log *log, struct weir_detail *detail);
/* --- For moves between directories (log_move.h). --- */
/* Renames the directory of a log nobody else uses yet. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_rename_unused(struct weir_partition_log *log,
                                                                  const char *dir,
                                                                  struct weir_detail *detail);
/* `to` has all batches of `from` and takes its place: offsets, high watermark, leader epochs,
 * producers and configuration come along, and `from` takes no more changes (CLOSED) but can still
 * be read.  BUSY when their log end offsets differ; nothing has happened then, nor after any other
 * failure. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_hand_over(struct weir_partition_log *from,
                                                              struct weir_partition_log *to,
                                                              struct weir_detail *detail);
/* Writes the producer snapshot at the log end offset, durably.  Blocks. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_snapshot_now(struct weir_partition_log *log,
                                                                 struct weir_detail *detail);

/* Marks it failed (its directory went offline). */
void weir_partition_log_fail(struct weir_partition_log *log, const struct weir_detail *why);

/* --- Producers. --- */
struct weir_producer_info {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t last_sequence; /* -1: none */
    int64_t last_timestamp;
    int32_t coordinator_epoch; /* -1: none */
    int64_t txn_first_offset;  /* -1: none */
};
/* For DescribeProducers; malloc'ed. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_producers(struct weir_partition_log *log,
                                                              struct weir_producer_info **out,
                                                              size_t *out_count);
/* Whether the producer has a transaction open here with this epoch: then its batches need no
 * verification (KIP-890). */
bool weir_partition_log_has_open_txn(struct weir_partition_log *log, int64_t producer_id,
                                     int16_t producer_epoch);
/* The guard to have before the coordinator is asked; 0 when the transaction is open here and nobody
 * has to be asked.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_begin_verification(struct weir_partition_log *log,
                                      const struct weir_verification_request *request,
                                      uint64_t *out_guard);
/* False when a batch or marker of the producer's transactions came since the guard was given out. */
bool weir_partition_log_guard_is_current(struct weir_partition_log *log, int64_t producer_id,
                                         uint64_t guard);
