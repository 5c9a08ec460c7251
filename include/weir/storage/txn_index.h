/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The aborted transactions whose ABORT marker lies in a segment (.txnindex).
 *
 *   each entry: int16 version 0, int64 producer id, int64 first offset, int64 last offset (the
 * marker's), int64 last stable offset when the marker was written
 *
 * I1  last offsets rise strictly.
 * The file exists only when there is an entry.  Not thread-safe: the segment guards it.
 */

#include "weir/runtime/env.h"

#define WEIR_TXN_INDEX_ENTRY_BYTES 34

struct weir_aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset;
};

struct weir_txn_index {
    struct weir_aborted_txn *items;
    size_t count;
    size_t capacity;
    size_t written_count;
    bool is_unsynced; /* the file was changed and not synced since */
};

void weir_txn_index_done(struct weir_txn_index *index);

WEIR_MUST_CHECK enum weir_status weir_txn_index_append(struct weir_txn_index *index,
                                                       const struct weir_aborted_txn *txn);
/* Forgets entries with last_offset >= the offset. */
void weir_txn_index_truncate(struct weir_txn_index *index, int64_t offset);

/* A missing file is an empty index; CORRUPT when the length, a version or I1 is wrong. */
WEIR_MUST_CHECK enum weir_status weir_txn_index_read(struct weir_env *env, const char *path,
                                                     struct weir_txn_index *out,
                                                     struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status weir_txn_index_write(struct weir_env *env, const char *path,
                                                      struct weir_txn_index *index, bool sync,
                                                      struct weir_detail *detail);
