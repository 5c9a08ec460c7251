/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What segment.c and segment_file.c ask of the cache.  A NULL cache does nothing. */

#include "weir/storage/segment_cache.h"

#include <stdbool.h>

struct weir_file;

/* The segment's file was opened, pinned once or not; others may be closed for it. */
void weir_segment_cache_add_file(struct weir_segment_cache *cache, struct weir_segment *segment);
/* Publishes a file for a segment that had none, pinned once, and may close others for it.  False:
 * another thread was faster; nothing happened. */
bool weir_segment_cache_publish_file(struct weir_segment_cache *cache, struct weir_segment *segment,
                                     struct weir_file *file);
/* Closes as many files as can be, up to the count; true when there was one. */
bool weir_segment_cache_evict_files(struct weir_segment_cache *cache, size_t count);
/* The segment's indexes came to memory, or grew (its lock is held); others' may be dropped. */
void weir_segment_cache_add_indexes(struct weir_segment_cache *cache, struct weir_segment *segment,
                                    size_t bytes);
/* They are gone, or must stay. */
void weir_segment_cache_remove_indexes(struct weir_segment_cache *cache,
                                       struct weir_segment *segment);
/* The segment goes. */
void weir_segment_cache_forget(struct weir_segment_cache *cache, struct weir_segment *segment);

/* segment.c: drops a sealed segment's indexes if their files have everything; false when they stay.
 * Its lock is held. */
bool weir_segment_forget_indexes_locked(struct weir_segment *segment);
