/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bump memory with one lifetime: everything that belongs to a request is taken from its arena and
 * dropped at once. Not thread-safe; an arena belongs to one thread at a time.  Memory is aligned to
 * 16 bytes and not zeroed unless the function says so.  The limit makes "out of memory" an
 * ordinary, testable answer.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

#include <stddef.h>

struct weir_arena_block;

struct weir_arena {
    struct weir_arena_block *blocks; /* newest first */
    size_t used_bytes;               /* handed out since the last reset, rounded up for alignment */
    size_t limit_bytes;
};

/* No allocation happens before the first use.  limit_bytes 0 means 1 GiB. */
void weir_arena_init(struct weir_arena *arena, size_t limit_bytes);

/* Frees all; also valid on a zero-initialised arena. */
void weir_arena_done(struct weir_arena *arena);

/* Forgets all allocations but keeps one block, so that steady state allocates nothing. */
void weir_arena_reset(struct weir_arena *arena);

/* NULL when the limit or the system's memory is reached.  size 0 gives a valid pointer. */
void *weir_arena_alloc(struct weir_arena *arena, size_t size);
void *weir_arena_calloc(struct weir_arena *arena, size_t count, size_t size);

/* Copies the bytes; a null slice stays null.  On failure *out is untouched. */
WEIR_MUST_CHECK enum weir_status weir_arena_copy(struct weir_arena *arena, struct weir_slice from,
                                                 struct weir_slice *out);

/* printf into the arena; the null slice when memory is out. */
struct weir_slice weir_arena_printf(struct weir_arena *arena, const char *format, ...)
    WEIR_PRINTF(2, 3);
