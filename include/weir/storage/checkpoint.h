/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Kafka's small text files: "0", the number of entries, one entry a line.  Written as a whole
 * (temporary file, fsync, rename, fsync of the directory), so a crash leaves the old or the new
 * one.  They block; never call from a loop.
 */

#include "weir/runtime/env.h"
#include "weir/storage/topic_partition.h"

struct weir_offset_checkpoint_entry {
    struct weir_topic_partition key;
    int64_t offset;
};

struct weir_offset_checkpoint {
    struct weir_offset_checkpoint_entry *items; /* malloc'ed */
    size_t count;
    size_t capacity;
};

void weir_offset_checkpoint_done(struct weir_offset_checkpoint *checkpoint);

WEIR_MUST_CHECK enum weir_status
weir_offset_checkpoint_add(struct weir_offset_checkpoint *checkpoint,
                           const struct weir_topic_partition *key, int64_t offset);

/* The entry's offset, or absent (false).  Call weir_offset_checkpoint_sort first. */
void weir_offset_checkpoint_sort(struct weir_offset_checkpoint *checkpoint);
bool weir_offset_checkpoint_find(const struct weir_offset_checkpoint *checkpoint,
                                 const struct weir_topic_partition *key, int64_t *out);

/* A missing or empty file is an empty checkpoint; CORRUPT when a line or the count is wrong (out
 * stays empty). */
WEIR_MUST_CHECK enum weir_status weir_offset_checkpoint_read(struct weir_env *env, const char *path,
                                                             struct weir_offset_checkpoint *out,
                                                             struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status
weir_offset_checkpoint_write(struct weir_env *env, const char *path,
                             const struct weir_offset_checkpoint *checkpoint,
                             struct weir_detail *detail);
