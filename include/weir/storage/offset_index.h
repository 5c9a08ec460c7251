/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A segment's sparse index from offset to file position (.index).
 *
 *   each entry: int32 offset minus base (of the batch's last record), int32 file position of the
 * batch's start
 *
 * I1  offsets and positions rise strictly.
 * Kept in memory while the segment is active; the file is brought up to date by
 * weir_offset_index_write (roll, flush, close).  Indexes of sealed segments are loaded at the first
 * look-up.  Not thread-safe: the segment guards it.
 */

#include "weir/runtime/env.h"

#define WEIR_OFFSET_INDEX_ENTRY_BYTES 8

struct weir_offset_index_entry {
    int32_t relative_offset;
    int32_t file_pos;
};

struct weir_offset_index {
    struct weir_offset_index_entry *items;
    size_t count;
    size_t capacity;
    size_t written_count; /* the first so many are in the file */
    bool is_unsynced;     /* the file was changed and not synced since */
};

void weir_offset_index_done(struct weir_offset_index *index);

/* INVALID when it would break I1. */
WEIR_MUST_CHECK enum weir_status weir_offset_index_append(struct weir_offset_index *index,
                                                          int32_t relative_offset,
                                                          int32_t file_pos);
/* The greatest entry with relative_offset <= the given one; {0, 0} when there is none. */
struct weir_offset_index_entry weir_offset_index_floor(const struct weir_offset_index *index,
                                                       int64_t relative_offset);
/* The least entry whose position is >= file_pos; false when there is none. */
bool weir_offset_index_at_or_after(const struct weir_offset_index *index, int64_t file_pos,
                                   struct weir_offset_index_entry *out);
/* Forgets one entry, if it is there; the file follows with the next write. */
void weir_offset_index_drop(struct weir_offset_index *index, struct weir_offset_index_entry entry);
/* Forgets entries with relative_offset >= the given one. */
void weir_offset_index_truncate(struct weir_offset_index *index, int64_t relative_offset);

/* CORRUPT when the length is no multiple of 8 or I1 is broken, or an entry lies beyond the segment;
 * NOT_FOUND. */
WEIR_MUST_CHECK enum weir_status weir_offset_index_read(struct weir_env *env, const char *path,
                                                        int64_t segment_bytes,
                                                        struct weir_offset_index *out,
                                                        struct weir_detail *detail);
/* Brings the file to what is in memory (it is created, extended or cut).  sync: fsync it
 * if that is not done already. */
WEIR_MUST_CHECK enum weir_status weir_offset_index_write(struct weir_env *env, const char *path,
                                                         struct weir_offset_index *index, bool sync,
                                                         struct weir_detail *detail);
