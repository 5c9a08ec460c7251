/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Compaction: of each key the last record stays (cleanup.policy=compact).  Two levels: one round
 * over one log, which anybody may ask for, and the cleaner, whose threads pick the logs that need
 * it most.
 *
 * A round holds no lock while it reads and writes.  Appends go to the active segment, which is
 * never cleaned; readers go on with the segments they have.  Truncation, closing, deletion and
 * moves of a log stop its round and wait for that (at most one buffer of work, or the swap of one
 * segment); retention leaves a log that is being cleaned for later.
 *
 * What a round needs to be safe: what it cleans is flushed first, and the recovery point on disk is
 * above it before the first segment is replaced; else a crash could leave the old records gone and
 * the new ones not yet there, or recovery could take a hole for a loss.
 */

#include "weir/base/log.h"
#include "weir/storage/partition_log.h"

/* --- One log. --- */

/* What there is to clean. */
struct weir_log_cleanable {
    int64_t first_dirty_offset;       /* below it, each key is there once */
    int64_t first_uncleanable_offset; /* the base of a segment */
    uint64_t clean_bytes;
    uint64_t dirty_bytes;
    bool is_overdue; /* max.compaction.lag.ms has passed for the oldest dirty segment */
    bool is_due;     /* overdue, or min.cleanable.dirty.ratio is exceeded */
};

/* cleaned_to: what the last round left as first_dirty_offset, or -1; it may lie outside of the log.
 * Reads little; blocks.  CLOSED, KAFKA_STORAGE_ERROR, IO_ERROR, NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_partition_log_cleanable(struct weir_partition_log *log,
                                                              int64_t cleaned_to,
                                                              struct weir_log_cleanable *out,
                                                              struct weir_detail *detail);

struct weir_log_clean_options {
    int64_t cleaned_to;     /* as in weir_partition_log_cleanable */
    uint64_t map_bytes;     /* of the offset map, at most; Kafka's default is 128 MiB */
    double map_load_factor; /* Kafka's default is 0.9 */
    size_t buffer_bytes;    /* of each of two buffers; larger batches enlarge them */
    /* Told of bytes read or written; may wait.  False: stop.  May be NULL. */
    bool (*pace)(void *context, size_t bytes);
    /* Puts the log's recovery point on disk, before the first segment is replaced.  NULL: whoever
     * opens the log knows it otherwise. */
    enum weir_status (*note_recovery_point)(void *context, struct weir_partition_log *log,
                                            struct weir_detail *detail);
    /* Puts it on disk up to where the log is clean now, while nobody can truncate it.  May be NULL.
     */
    enum weir_status (*note_cleaned)(void *context, struct weir_partition_log *log,
                                     int64_t cleaned_to, struct weir_detail *detail);
    void *context;
};

struct weir_log_clean_options weir_log_clean_options_default(void);

struct weir_log_clean_result {
    int64_t first_dirty_offset; /* afterwards: the next round's cleaned_to */
    uint64_t bytes_before;
    uint64_t bytes_after;
    uint64_t map_keys;
    bool map_was_full;
    uint64_t records_read;
    uint64_t records_kept;
    uint64_t records_without_key; /* they were dropped */
    int32_t segments_before;
    int32_t segments_after;
};

/* One round.  Blocks for long.  BUSY when the log is being cleaned or must not be; CLOSED when it
 * was stopped; NOT_FOUND when there is nothing to clean; CORRUPT, INVALID and others when it cannot
 * be cleaned.  Whatever comes back, the log is whole: a segment is replaced or it is not.  A disk
 * that refuses to say which fails the log (KAFKA_STORAGE_ERROR). */
WEIR_MUST_CHECK enum weir_status
weir_partition_log_clean(struct weir_partition_log *log,
                         const struct weir_log_clean_options *options,
                         struct weir_log_clean_result *out, struct weir_detail *detail);

/* Whether somebody waits for the round to end: a long wait for the pace must look. */
bool weir_partition_log_must_stop_cleaning(struct weir_partition_log *log);

/* A log that cannot be cleaned is left alone until it is opened anew or truncated. */
void weir_partition_log_set_uncleanable(struct weir_partition_log *log,
                                        const struct weir_detail *why);
/* False: it can be, as far as is known.  out_why may be NULL. */
bool weir_partition_log_is_uncleanable(struct weir_partition_log *log, struct weir_detail *out_why);

/* --- All logs. --- */

struct weir_log_manager;
struct weir_cleaner;

struct weir_cleaner_config {
    int32_t threads;        /* log.cleaner.threads; 0: nothing is cleaned */
    int64_t map_bytes;      /* log.cleaner.dedupe.buffer.size, of all threads */
    double map_load_factor; /* log.cleaner.io.buffer.load.factor */
    int64_t buffer_bytes;   /* log.cleaner.io.buffer.size, of all threads */
    double
        bytes_per_second_max; /* log.cleaner.io.max.bytes.per.second, read and written together */
    int64_t backoff_ms;       /* log.cleaner.backoff.ms */
};
struct weir_cleaner_config weir_cleaner_config_default(void);

#define WEIR_CLEANER_THREADS_MAX 64

struct weir_cleaner_options {
    struct weir_env *env;
    struct weir_log_manager *logs; /* outlives the cleaner */
    const struct weir_log *log;    /* where events go; may be NULL */
    /* Fills what is in force now (it holds the defaults when called); asked before each choice of a
     * log, and during a round for the rate, from the cleaner's threads.  NULL: the defaults. */
    void (*config)(void *context, struct weir_cleaner_config *out);
    void *context;
};

/* Nothing runs before start. */
WEIR_MUST_CHECK enum weir_status weir_cleaner_new(const struct weir_cleaner_options *options,
                                                  struct weir_cleaner **out);
/* Begins the threads; the first choice comes after the backoff. */
WEIR_MUST_CHECK enum weir_status weir_cleaner_start(struct weir_cleaner *cleaner,
                                                    struct weir_detail *detail);
/* Stops what runs, and waits for it: within one buffer of work, or the swap of one segment.  NULL
 * is allowed. */
void weir_cleaner_free(struct weir_cleaner *cleaner);

/* One step without threads, for tests: chooses the log that needs it most and cleans it.  False:
 * none needs it, or none could be cleaned. */
bool weir_cleaner_clean_one(struct weir_cleaner *cleaner);

struct weir_cleaner_facts {
    uint64_t rounds;
    uint64_t failures;
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t set_aside; /* logs, since the start */
};
void weir_cleaner_facts(struct weir_cleaner *cleaner, struct weir_cleaner_facts *out);
