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
 * The memory has a maximum, given at the start; a small log takes a small part of it.  Belongs to
 * one thread.
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

/* bytes_max: of all slots.  INVALID when not one key has room. */
WEIR_MUST_CHECK enum weir_status weir_offset_map_init(struct weir_offset_map *map, size_t bytes_max,
                                                      double load_factor);
void weir_offset_map_done(struct weir_offset_map *map);

/* The key's offset is this one from now on (offsets only rise).  LIMIT when the map is full, even
 * for a key that is in it: the caller stops there.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_offset_map_put(struct weir_offset_map *map,
                                                     struct weir_slice key, int64_t offset);
/* -1 when the key is not there. */
int64_t weir_offset_map_get(const struct weir_offset_map *map, struct weir_slice key);
/* How many keys fit. */
size_t weir_offset_map_keys_max(const struct weir_offset_map *map);
