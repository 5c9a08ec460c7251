/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Hash map from bytes to a pointer.  The key is borrowed: it must live, unchanged, as long as the
 * entry (usually it is a field of the value).  Values are not owned.  Open addressing, growing at
 * three quarters; not thread-safe. Zero-initialised is an empty map.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

struct weir_map_entry {
    struct weir_slice key;
    uint64_t hash;
    void *value; /* NULL: free */
};

struct weir_map {
    struct weir_map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

void weir_map_done(struct weir_map *map);

/* NULL when absent. */
void *weir_map_get(const struct weir_map *map, struct weir_slice key);

/* Adds or replaces; value must not be NULL.  Only NO_MEMORY can go wrong.  Returns the replaced
 * value through out_replaced if that is not NULL. */
WEIR_MUST_CHECK enum weir_status weir_map_put(struct weir_map *map, struct weir_slice key,
                                              void *value, void **out_replaced);

/* The removed value, or NULL. */
void *weir_map_remove(struct weir_map *map, struct weir_slice key);

/* Copies the table (keys and values stay borrowed). */
WEIR_MUST_CHECK enum weir_status weir_map_copy(const struct weir_map *from, struct weir_map *out);

/* Iteration in no particular order: start with *cursor = 0; NULL at the end.  The map must not
 * change meanwhile. */
const struct weir_map_entry *weir_map_next(const struct weir_map *map, size_t *cursor);

/* A fixed-size integer as key: struct { int64_t id; ... } x; weir_map_put(&m, WEIR_KEY(x.id), &x,
 * NULL). */
#define WEIR_KEY(lvalue) weir_slice_of(&(lvalue), sizeof(lvalue))
