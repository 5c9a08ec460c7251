/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/map.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <string.h>

#define CAPACITY_MIN 16u

/* Linear probing without tombstones: removal moves the entries behind the hole back (Knuth 6.4,
 * algorithm R). */

void weir_map_done(struct weir_map *map)
{
    weir_free(map->entries);
    *map = (struct weir_map){0};
}

static size_t find_slot(const struct weir_map *map, struct weir_slice key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t slot = (size_t)hash & mask;
    while (map->entries[slot].value != NULL) {
        const struct weir_map_entry *entry = &map->entries[slot];
        if (entry->hash == hash && weir_slice_equal(entry->key, key))
            break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

void *weir_map_get(const struct weir_map *map, struct weir_slice key)
{
    if (map->count == 0)
        return NULL;
    return map->entries[find_slot(map, key, weir_slice_hash(key))].value;
}

static enum weir_status grow(struct weir_map *map)
{
    size_t capacity = map->capacity == 0 ? CAPACITY_MIN : map->capacity;
    if (map->capacity != 0 && !weir_mul_size(capacity, 2, &capacity))
        return WEIR_NO_MEMORY;
    struct weir_map_entry *entries = weir_calloc(capacity, sizeof(*entries));
    if (entries == NULL)
        return WEIR_NO_MEMORY;
    struct weir_map bigger = {.entries = entries, .capacity = capacity, .count = map->count};
    for (size_t i = 0; i < map->capacity; i++) {
        if (map->entries[i].value != NULL)
            entries[find_slot(&bigger, map->entries[i].key, map->entries[i].hash)] =
                map->entries[i];
    }
    weir_free(map->entries);
    *map = bigger;
    return WEIR_OK;
}

enum weir_status weir_map_put(struct weir_map *map, struct weir_slice key, void *value,
                              void **out_replaced)
{
    if (map->count + 1 > map->capacity - map->capacity / 4) {
        enum weir_status status = grow(map);
        if (status != WEIR_OK)
            return status;
    }
    uint64_t hash = weir_slice_hash(key);
    struct weir_map_entry *entry = &map->entries[find_slot(map, key, hash)];
    if (entry->value == NULL)
        map->count++;
    if (out_replaced != NULL)
        *out_replaced = entry->value;
    *entry = (struct weir_map_entry){.key = key, .hash = hash, .value = value};
    return WEIR_OK;
}

void *weir_map_remove(struct weir_map *map, struct weir_slice key)
{
    if (map->count == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    size_t hole = find_slot(map, key, weir_slice_hash(key));
    void *removed = map->entries[hole].value;
    if (removed == NULL)
        return NULL;
    size_t slot = hole;
    for (;;) {
        slot = (slot + 1) & mask;
        if (map->entries[slot].value == NULL)
            break;
        size_t home = (size_t)map->entries[slot].hash & mask;
        /* The entry may move into the hole unless its home lies between the hole and its place. */
        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            map->entries[hole] = map->entries[slot];
            hole = slot;
        }
    }
    map->entries[hole] = (struct weir_map_entry){0};
    map->count--;
    return removed;
}

enum weir_status weir_map_copy(const struct weir_map *from, struct weir_map *out)
{
    struct weir_map copy = *from;
    if (from->capacity > 0) {
        copy.entries = weir_malloc(from->capacity * sizeof(*copy.entries));
        if (copy.entries == NULL)
            return WEIR_NO_MEMORY;
        memcpy(copy.entries, from->entries, from->capacity * sizeof(*copy.entries));
    }
    *out = copy;
    return WEIR_OK;
}

const struct weir_map_entry *weir_map_next(const struct weir_map *map, size_t *cursor)
{
    while (*cursor < map->capacity) {
        const struct weir_map_entry *entry = &map->entries[(*cursor)++];
        if (entry->value != NULL)
            return entry;
    }
    return NULL;
}
