/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_slots.h"

#include "repeats.h"

enum weir_status weir_topic_slots_make(struct weir_arena *arena, const struct weir_slice *keys,
                                       const size_t *partition_counts, size_t count,
                                       bool merges_equal_topics, struct weir_topic_slots *out)
{
    size_t *slot;
    size_t *capacity = weir_arena_calloc(arena, count > 0 ? count : 1, sizeof(*capacity));
    if (capacity == NULL)
        return WEIR_NO_MEMORY;
    if (merges_equal_topics) {
        const enum weir_status status = weir_find_firsts(arena, keys, count, &slot);
        if (status != WEIR_OK)
            return status;
    } else {
        slot = weir_arena_calloc(arena, count > 0 ? count : 1, sizeof(*slot));
        if (slot == NULL)
            return WEIR_NO_MEMORY;
        for (size_t i = 0; i < count; i++)
            slot[i] = i;
    }
    for (size_t i = 0; i < count; i++)
        capacity[slot[i]] += partition_counts[i];
    *out = (struct weir_topic_slots){slot, capacity};
    return WEIR_OK;
}
