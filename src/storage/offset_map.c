/* SPDX-License-Identifier: Apache-2.0 */

#include "offset_map_int.h"

#include "weir/base/memory.h"

#include <xxhash.h>

/* The first table has this many slots at least, each next one eight times as many up to the
 * maximum: while one grows, the old one takes an eighth more. */
#define FILL_WISHED (2.0 / 3)
enum { SLOTS_MIN = 4096, GROWTH = 8, WORDS = WEIR_OFFSET_MAP_SLOT_BYTES / 8 };

/* The most slots that are of use: with two thirds of them taken a search is still short. */
static size_t slots_max_of(const struct weir_offset_map_options *options)
{
    size_t slots = options->bytes_max / WEIR_OFFSET_MAP_SLOT_BYTES;
    double fill = options->load_factor < FILL_WISHED ? options->load_factor : FILL_WISHED;
    double wished = (double)options->keys_max / fill + SLOTS_MIN;
    return wished < (double)slots ? (size_t)wished : slots;
}

enum weir_status weir_offset_map_init(struct weir_offset_map *map,
                                      const struct weir_offset_map_options *options)
{
    *map = (struct weir_offset_map){0};
    if (!(options->load_factor > 0))
        return WEIR_INVALID;
    map->slots_max = slots_max_of(options);
    map->load_factor = options->load_factor;
    if (weir_offset_map_keys_max(map) == 0)
        return WEIR_INVALID;
    size_t slots = map->slots_max;
    while (slots / GROWTH >= SLOTS_MIN)
        slots /= GROWTH;
    map->slots = weir_calloc(slots, WEIR_OFFSET_MAP_SLOT_BYTES);
    if (map->slots == NULL)
        return WEIR_NO_MEMORY;
    map->slot_count = slots;
    return WEIR_OK;
}

void weir_offset_map_done(struct weir_offset_map *map)
{
    weir_free(map->slots);
    *map = (struct weir_offset_map){0};
}

static size_t keys_of(size_t slots, double load_factor)
{
    size_t keys = (size_t)((double)slots * load_factor);
    return keys < slots ? keys : slots - (slots > 0); /* one slot stays free and ends a search */
}

size_t weir_offset_map_keys_max(const struct weir_offset_map *map)
{
    return keys_of(map->slots_max, map->load_factor);
}

/* The slot that holds the hash, or the free one where it would go. */
static uint64_t *find(uint64_t *slots, size_t slot_count, uint64_t low, uint64_t high)
{
    size_t at = weir_offset_map_first_slot(low, slot_count);
    for (;;) {
        uint64_t *slot = slots + at * WORDS;
        if (slot[2] == 0 || (slot[0] == low && slot[1] == high))
            return slot;
        at++;
        if (at == slot_count)
            at = 0;
    }
}

static enum weir_status grow(struct weir_offset_map *map)
{
    size_t slots = map->slots_max;
    while (slots / GROWTH > map->slot_count)
        slots /= GROWTH;
    uint64_t *grown = weir_calloc(slots, WEIR_OFFSET_MAP_SLOT_BYTES);
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < map->slot_count; i++) {
        const uint64_t *from = map->slots + i * WORDS;
        if (from[2] != 0)
            memcpy(find(grown, slots, from[0], from[1]), from, WEIR_OFFSET_MAP_SLOT_BYTES);
    }
    weir_free(map->slots);
    map->slots = grown;
    map->slot_count = slots;
    return WEIR_OK;
}

struct weir_offset_map_key weir_offset_map_key_of(struct weir_slice key)
{
    XXH128_hash_t hash = XXH3_128bits(key.data, key.size);
    return (struct weir_offset_map_key){.low = hash.low64, .high = hash.high64};
}

enum weir_status weir_offset_map_put(struct weir_offset_map *map, struct weir_offset_map_key key,
                                     int64_t offset)
{
    if (map->count >= keys_of(map->slot_count, map->load_factor)) {
        if (map->slot_count == map->slots_max)
            return WEIR_LIMIT;
        enum weir_status status = grow(map);
        if (status != WEIR_OK)
            return status;
    }
    uint64_t *slot = find(map->slots, map->slot_count, key.low, key.high);
    if (slot[2] == 0) {
        slot[0] = key.low;
        slot[1] = key.high;
        map->count++;
    }
    slot[2] = (uint64_t)offset + 1;
    return WEIR_OK;
}

int64_t weir_offset_map_get(const struct weir_offset_map *map, struct weir_offset_map_key key)
{
    return (int64_t)find(map->slots, map->slot_count, key.low, key.high)[2] - 1;
}
