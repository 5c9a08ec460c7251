/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A segment's sparse index from timestamp to offset (.timeindex).
 *
 *   each entry: int64 greatest timestamp so far, int32 last offset of the batch that has it, minus
 * base
 *
 * I1  timestamps and offsets rise strictly (the first entry may repeat nothing).
 * In memory and in the file as offset_index.h has it.  Not thread-safe: the segment guards it.
 */

#include "weir/runtime/env.h"

#define WEIR_TIME_INDEX_ENTRY_BYTES 12

struct weir_time_index_entry {
    int64_t timestamp;
    int32_t relative_offset;
};

struct weir_time_index {
    struct weir_time_index_entry *items;
    size_t count;
    size_t capacity;
    size_t written_count;
    bool is_unsynced; /* the file was changed and not synced since */
};

void weir_time_index_done(struct weir_time_index *index);

/* Adds the entry when its timestamp is above the last one's; otherwise nothing happens. */
WEIR_MUST_CHECK enum weir_status weir_time_index_maybe_append(struct weir_time_index *index,
                                                              int64_t timestamp,
                                                              int32_t relative_offset);
/* The greatest entry with timestamp <= the given one; {-1, 0} when there is none. */
struct weir_time_index_entry weir_time_index_floor(const struct weir_time_index *index,
                                                   int64_t timestamp);
/* {-1, 0} when empty. */
struct weir_time_index_entry weir_time_index_last(const struct weir_time_index *index);
/* Forgets one entry, if it is there; the file follows with the next write. */
void weir_time_index_drop(struct weir_time_index *index, struct weir_time_index_entry entry);
void weir_time_index_truncate(struct weir_time_index *index, int64_t relative_offset);

WEIR_MUST_CHECK enum weir_status weir_time_index_read(struct weir_env *env, const char *path,
                                                      struct weir_time_index *out,
                                                      struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_time_index_write(struct weir_env *env, const char *path,
                                                       struct weir_time_index *index, bool sync,
                                                       struct weir_detail *detail);
