/* SPDX-License-Identifier: Apache-2.0 */
#include "merged.h"

#include "repeats.h"

#include "weir/base/endian.h"

#define KEY_BYTES 12 /* slot, partition */

static size_t or_one(size_t count)
{
    return count > 0 ? count : 1;
}

/* The slot of each topic that has partitions. */
static enum weir_status assign_slots(struct weir_arena *arena,
                                     const struct weir_merge_source *source, size_t **out_slot,
                                     struct weir_merged *out)
{
    size_t *firsts;
    struct weir_slice *keys = weir_arena_calloc(arena, or_one(source->topic_count), sizeof(*keys));
    size_t *slot = weir_arena_calloc(arena, or_one(source->topic_count), sizeof(*slot));
    size_t *topics = weir_arena_calloc(arena, or_one(source->topic_count), sizeof(*topics));
    size_t *capacity = weir_arena_calloc(arena, or_one(source->topic_count), sizeof(*capacity));
    bool *has_slot = weir_arena_calloc(arena, or_one(source->topic_count), sizeof(*has_slot));
    if (keys == NULL || slot == NULL || topics == NULL || capacity == NULL || has_slot == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < source->topic_count; t++)
        keys[t] = source->topic_key(source->request, t);
    enum weir_status status = weir_find_firsts(arena, keys, source->topic_count, &firsts);
    if (status != WEIR_OK)
        return status;
    for (size_t t = 0; t < source->topic_count; t++) {
        int32_t count = source->partition_count(source->request, t);
        if (count <= 0)
            continue;
        if (!has_slot[firsts[t]]) {
            has_slot[firsts[t]] = true;
            slot[firsts[t]] = out->slot_count;
            topics[out->slot_count++] = t;
        }
        slot[t] = slot[firsts[t]];
        capacity[slot[t]] += (size_t)count;
        out->item_count += (size_t)count;
    }
    out->slot_topic = topics;
    out->slot_capacity = capacity;
    *out_slot = slot;
    return WEIR_OK;
}

enum weir_status weir_merge(struct weir_arena *arena, const struct weir_merge_source *source,
                            struct weir_merged *out)
{
    struct weir_merged merged = {0};
    size_t *slot, *firsts;
    enum weir_status status = assign_slots(arena, source, &slot, &merged);
    if (status != WEIR_OK)
        return status;
    struct weir_merged_item *items =
        weir_arena_calloc(arena, or_one(merged.item_count), sizeof(*items));
    struct weir_slice *keys = weir_arena_calloc(arena, or_one(merged.item_count), sizeof(*keys));
    uint8_t *key_bytes = weir_arena_calloc(arena, or_one(merged.item_count), KEY_BYTES);
    size_t *lasts = weir_arena_calloc(arena, or_one(merged.item_count), sizeof(*lasts));
    if (items == NULL || keys == NULL || key_bytes == NULL || lasts == NULL)
        return WEIR_NO_MEMORY;
    size_t i = 0;
    for (size_t t = 0; t < source->topic_count; t++) {
        for (int32_t p = 0; p < source->partition_count(source->request, t); p++, i++) {
            uint8_t *key = key_bytes + i * KEY_BYTES;
            items[i] = (struct weir_merged_item){.topic = t, .index = p, .slot = slot[t]};
            weir_put_u64(key, slot[t]);
            weir_put_i32(key + 8, source->partition(source->request, t, p));
            keys[i] = weir_slice_of(key, KEY_BYTES);
        }
    }
    status = weir_find_firsts(arena, keys, merged.item_count, &firsts);
    if (status != WEIR_OK)
        return status;
    for (i = 0; i < merged.item_count; i++)
        lasts[firsts[i]] = i;
    for (i = 0; i < merged.item_count; i++) {
        items[i].is_first = firsts[i] == i;
        items[i].is_last = lasts[firsts[i]] == i;
    }
    merged.items = items;
    *out = merged;
    return WEIR_OK;
}
