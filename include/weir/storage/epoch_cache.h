/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which leader epoch began at which offset (KIP-101, KIP-279): what followers use to find where
 * their log and the leader's part.  Kept in memory and in the partition's leader-epoch-checkpoint.
 * Not thread-safe: the log's lock guards it.
 *
 * I1  epochs rise strictly, start offsets never fall; a new entry removes all that it contradicts.
 */

#include "weir/runtime/env.h"

struct weir_epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

struct weir_epoch_cache {
    struct weir_epoch_entry *items;
    size_t count;
    size_t capacity;
    bool is_dirty; /* differs from the file */
    /* The first so many are in the file.  When is_stale the file also says something else, which
     * recovery could not tell from the truth; what is only missing there it finds in the batches.
     */
    size_t written_count;
    bool is_stale;
};

void weir_epoch_cache_done(struct weir_epoch_cache *cache);

/* A missing file is an empty cache; CORRUPT for a malformed one. */
WEIR_MUST_CHECK enum weir_status weir_epoch_cache_read(struct weir_env *env, const char *path,
                                                       struct weir_epoch_cache *out,
                                                       struct weir_detail *detail);
/* Also clears is_dirty. */
WEIR_MUST_CHECK enum weir_status weir_epoch_cache_write(struct weir_env *env, const char *path,
                                                        struct weir_epoch_cache *cache,
                                                        struct weir_detail *detail);

/* For writing the file while the cache goes on: a copy (weir_epoch_cache_done), which is written,
 * and then what the cache learns from that.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_epoch_cache_copy(const struct weir_epoch_cache *cache,
                                                       struct weir_epoch_cache *out);
void weir_epoch_cache_note_written(struct weir_epoch_cache *cache,
                                   const struct weir_epoch_cache *written);

/* Nothing happens when the epoch is the latest already.  Entries with an epoch or start offset at
 * or above are removed. */
WEIR_MUST_CHECK enum weir_status weir_epoch_cache_assign(struct weir_epoch_cache *cache,
                                                         int32_t epoch, int64_t start_offset);

/* -1 when empty. */
int32_t weir_epoch_cache_latest(const struct weir_epoch_cache *cache);
/* The epoch an offset belongs to, or -1. */
int32_t weir_epoch_cache_for_offset(const struct weir_epoch_cache *cache, int64_t offset);

/* Kafka's OffsetForLeaderEpoch: the largest known epoch not above the asked one and where it ends;
 * for the latest epoch that is log_end_offset.  (-1, -1) when the epoch is above the latest, or
 * nothing is known. */
void weir_epoch_cache_end_offset(const struct weir_epoch_cache *cache, int32_t epoch,
                                 int64_t log_end_offset, int32_t *out_epoch,
                                 int64_t *out_end_offset);

/* Removes entries that start at or behind the offset. */
void weir_epoch_cache_truncate_from_end(struct weir_epoch_cache *cache, int64_t end_offset);
/* Removes entries that end at or before the offset and lets the first one left start there. */
void weir_epoch_cache_truncate_from_start(struct weir_epoch_cache *cache, int64_t start_offset);
void weir_epoch_cache_clear(struct weir_epoch_cache *cache);

/* Whether the file must be written before whoever loads it takes the epochs below the offset from
 * it.  An epoch that begins there or behind is not missed: loading finds it in the batches, or, at
 * the end of the log, drops it. */
bool weir_epoch_cache_is_write_due(const struct weir_epoch_cache *cache, int64_t below_offset);
