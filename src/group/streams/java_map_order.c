/* SPDX-License-Identifier: Apache-2.0 */

/* The iteration order of Java's HashMap: by bucket of the spread hash, in a bucket as they came. */

#include "sticky.h"

#include "weir/coordinator/java_hash.h"

#include <stdlib.h>

#define TABLE_DEFAULT 16
#define TABLE_MAX     ((size_t)1 << 30)

struct bucketed {
    uint32_t bucket;
    uint32_t index;
};

static int compare(const void *a, const void *b)
{
    const struct bucketed *left = a;
    const struct bucketed *right = b;
    if (left->bucket != right->bucket)
        return left->bucket < right->bucket ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* The table doubles whenever it is more than three quarters full. */
static size_t table_size(size_t count, size_t capacity_initial)
{
    size_t size = capacity_initial == 0 ? TABLE_DEFAULT : 1;
    while (size < capacity_initial && size < TABLE_MAX)
        size *= 2;
    while (count > size / 4 * 3 + size % 4 * 3 / 4 && size < TABLE_MAX)
        size *= 2;
    return size;
}

enum weir_status java_map_order(const struct weir_slice *keys, size_t count,
                                size_t capacity_initial, struct weir_arena *arena,
                                uint32_t **out_order)
{
    struct bucketed *sorted = weir_arena_calloc(arena, count, sizeof(*sorted));
    uint32_t *order = weir_arena_calloc(arena, count, sizeof(*order));
    if (sorted == NULL || order == NULL)
        return WEIR_NO_MEMORY;
    uint32_t mask = (uint32_t)(table_size(count, capacity_initial) - 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t hash = (uint32_t)weir_java_hash(keys[i]);
        sorted[i] = (struct bucketed){.bucket = (hash ^ (hash >> 16)) & mask, .index = (uint32_t)i};
    }
    qsort(sorted, count, sizeof(*sorted), compare);
    for (size_t i = 0; i < count; i++)
        order[i] = sorted[i].index;
    *out_order = order;
    return WEIR_OK;
}
