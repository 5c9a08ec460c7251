/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which segments have their .log file open and, if sealed, their indexes in memory: both under a
 * cap, the ones that were not used for longest go first (second chance).  One for a node, handed to
 * its logs; a segment without one keeps everything for good.
 *
 * Any thread.  Its lock is of rank LEAF; a file is closed outside of it.
 *
 * What is in use never goes: files are pinned (weir_segment_pin), indexes are read under the
 * segment's lock.  When everything is pinned the cap is passed until something is released.
 * Closing a file that was written and not synced loses nothing: the kernel keeps its pages, and a
 * failed write-back is told to whoever opens the file next (Linux 4.16), so the sync sees it.
 */

#include "weir/base/status.h"

#include <stddef.h>

struct weir_segment;
struct weir_segment_cache;

#define WEIR_SEGMENT_CACHE_FILES_DEFAULT       ((size_t)65536)
#define WEIR_SEGMENT_CACHE_INDEX_BYTES_DEFAULT ((size_t)128 << 20)

/* 0: the default.  The caps may be as small as 1. */
WEIR_MUST_CHECK enum weir_status weir_segment_cache_new(size_t files_max, size_t index_bytes_max,
                                                        struct weir_segment_cache **out);
/* NULL is allowed.  No segment may use it any more. */
void weir_segment_cache_free(struct weir_segment_cache *cache);

struct weir_segment_cache_facts {
    size_t files;
    size_t files_max;
    size_t index_bytes; /* of sealed segments */
    size_t index_bytes_max;
};
void weir_segment_cache_facts(struct weir_segment_cache *cache,
                              struct weir_segment_cache_facts *out);
