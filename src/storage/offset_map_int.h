/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The latest offset of each key in the part of a log that is being cleaned.  A key is known by 128
 * bits of hash and nothing else, as Apache Kafka does it with MD5; the map never reaches a disk, so
 * XXH3's 128 bits serve as well and cost a small part of it.  (Two keys of one hash would lose the
 * older of them; with 10^9 keys the chance is about 10^-21.)
 *
 *   a slot: 16 bytes of hash, 8 bytes of offset + 1 (0: free); linear probing
 *
 * The memory has a maximum, given at the start; a small log takes a small part of it.  Almost each
 * look-up misses all caches, so those who have many ask for the memory of some before they use the
 * first (weir_offset_map_prefetch).  Belongs to one thread.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

#define WEIR_OFFSET_MAP_SLOT_BYTES 24

struct weir_offset_map {
    uint64_t *slots;
    size_t slot_count;
    size_t slots_max;
    double load_factor;
    size_t count;
};

/* A key by its hash. */
struct weir_offset_map_key {
    uint64_t low;
    uint64_t high;
};

struct weir_offset_map_options {
    size_t bytes_max; /* of all slots */
    double load_factor;
    uint64_t keys_max; /* more will not come: no memory is taken for them */
};

/* INVALID when not one key has room. */
WEIR_MUST_CHECK enum weir_status
weir_offset_map_init(struct weir_offset_map *map, const struct weir_offset_map_options *options);
void weir_offset_map_done(struct weir_offset_map *map);

struct weir_offset_map_key weir_offset_map_key_of(struct weir_slice key);

/* Where the search for a key begins. */
static inline size_t weir_offset_map_first_slot(uint64_t low, size_t slot_count)
{
    return (size_t)(((unsigned __int128)low * slot_count) >> 64);
}

static inline void weir_offset_map_prefetch(const struct weir_offset_map *map,
                                            struct weir_offset_map_key key)
{
    size_t slot = weir_offset_map_first_slot(key.low, map->slot_count);
    __builtin_prefetch(map->slots + slot * (WEIR_OFFSET_MAP_SLOT_BYTES / sizeof(map->slots[0])), 1);
}

/* The key's offset is this one from now on (offsets only rise).  LIMIT when the map is full, even
 * for a key that is in it: the caller stops there.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status
weir_offset_map_put(struct weir_offset_map *map, struct weir_offset_map_key key, int64_t offset);
/* -1 when the key is not there. */
int64_t weir_offset_map_get(const struct weir_offset_map *map, struct weir_offset_map_key key);
/* How many keys fit. */
size_t weir_offset_map_keys_max(const struct weir_offset_map *map);
