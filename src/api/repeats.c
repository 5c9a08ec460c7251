/* SPDX-License-Identifier: Apache-2.0 */
#include "repeats.h"

#include "weir/base/map.h"

enum weir_status weir_find_firsts(struct weir_arena *arena, const struct weir_slice *keys,
                                  size_t count, size_t **out)
{
    size_t *firsts = weir_arena_calloc(arena, count > 0 ? count : 1, sizeof(*firsts));
    if (firsts == NULL)
        return WEIR_NO_MEMORY;
    struct weir_map seen = {0};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        const struct weir_slice key = weir_slice_is_null(keys[i]) ? WEIR_EMPTY_SLICE : keys[i];
        const size_t *first = weir_map_get(&seen, key);
        firsts[i] = first == NULL ? i : *first;
        if (first == NULL)
            status = weir_map_put(&seen, key, &firsts[i], NULL);
    }
    weir_map_done(&seen);
    if (status == WEIR_OK)
        *out = firsts;
    return status;
}

enum weir_status weir_find_repeats(struct weir_arena *arena, const struct weir_slice *keys,
                                   size_t count, enum weir_occurrence **out)
{
    enum weir_occurrence *marks = weir_arena_calloc(arena, count > 0 ? count : 1, sizeof(*marks));
    size_t *firsts;
    if (marks == NULL || weir_find_firsts(arena, keys, count, &firsts) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (firsts[i] == i)
            continue;
        marks[firsts[i]] = WEIR_OCCURS_FIRST;
        marks[i] = WEIR_OCCURS_REPEATED;
    }
    *out = marks;
    return WEIR_OK;
}
