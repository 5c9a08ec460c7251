/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/metadata_hash.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"

#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY /* the state lives on the stack */
#include <xxhash.h>

/*
 * One topic, everything little-endian:
 *
 *   byte 0 (the layout's version)
 *   int64 id's upper half, int64 lower half
 *   name in UTF-16, int32 its length in units
 *   int32 number of partitions
 *   each partition:  int32 index,  each rack, sorted:  int32 length,  UTF-16,  int32 length
 *
 * A group: the int64 hashes of its topics, by name.
 */

static void put_bytes(XXH3_state_t *state, const void *bytes, size_t size)
{
    (void)XXH3_64bits_update(state, bytes, size); /* fails for NULL only */
}

static void put_u16(XXH3_state_t *state, uint16_t value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    put_bytes(state, bytes, sizeof(bytes));
}

static void put_i32(XXH3_state_t *state, int32_t value)
{
    put_u16(state, (uint16_t)(uint32_t)value);
    put_u16(state, (uint16_t)((uint32_t)value >> 16));
}

static void put_i64(XXH3_state_t *state, int64_t value)
{
    put_i32(state, (int32_t)(uint32_t)(uint64_t)value);
    put_i32(state, (int32_t)(uint32_t)((uint64_t)value >> 32));
}

/* The next code point of sound UTF-8 (both names and racks are checked where they come in); a byte
 * that is not becomes one unit. */
static uint32_t next_code_point(struct weir_slice text, size_t *at)
{
    uint8_t first = text.data[(*at)++];
    size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
    if (more > text.size - *at)
        return first;
    static const uint8_t masks[] = {0xFF, 0x1F, 0x0F, 0x07};
    uint32_t point = first & masks[more];
    for (size_t i = 0; i < more; i++)
        point = point << 6 | (text.data[(*at)++] & 0x3F);
    return point;
}

static int32_t count_units(struct weir_slice text)
{
    int32_t count = 0;
    for (size_t at = 0; at < text.size;)
        count += next_code_point(text, &at) > 0xFFFF ? 2 : 1;
    return count;
}

/* The text, then its length. */
static void put_string(XXH3_state_t *state, struct weir_slice text)
{
    for (size_t at = 0; at < text.size;) {
        uint32_t point = next_code_point(text, &at);
        if (point > 0xFFFF) {
            put_u16(state, (uint16_t)(0xD800 + ((point - 0x10000) >> 10)));
            point = 0xDC00 + ((point - 0x10000) & 0x3FF);
        }
        put_u16(state, (uint16_t)point);
    }
    put_i32(state, count_units(text));
}

static int compare_slices(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

static void put_partition(XXH3_state_t *state, int32_t index,
                          const struct weir_hash_partition *partition)
{
    put_i32(state, index);
    if (partition == NULL)
        return;
    struct weir_slice racks[WEIR_HASH_RACKS_MAX];
    size_t count = partition->rack_count;
    WEIR_ASSERT(count <= WEIR_HASH_RACKS_MAX);
    for (size_t i = 0; i < count; i++)
        racks[i] = partition->racks[i];
    qsort(racks, count, sizeof(*racks), compare_slices);
    for (size_t i = 0; i < count; i++) {
        put_i32(state, count_units(racks[i]));
        put_string(state, racks[i]);
    }
}

int64_t weir_topic_hash(const struct weir_hash_topic *topic)
{
    XXH3_state_t state;
    (void)XXH3_64bits_reset(&state);
    put_bytes(&state, "", 1);
    put_i64(&state, weir_get_i64(topic->id.bytes));
    put_i64(&state, weir_get_i64(topic->id.bytes + 8));
    put_string(&state, topic->name);
    put_i32(&state, topic->partition_count);
    for (int32_t i = 0; i < topic->partition_count; i++)
        put_partition(&state, i, topic->partitions == NULL ? NULL : &topic->partitions[i]);
    return (int64_t)XXH3_64bits_digest(&state);
}

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_named_topic_hash *)a)->name,
                              ((const struct weir_named_topic_hash *)b)->name);
}

int64_t weir_group_hash(struct weir_named_topic_hash *hashes, size_t count)
{
    if (count == 0)
        return 0;
    qsort(hashes, count, sizeof(*hashes), compare_names);
    XXH3_state_t state;
    (void)XXH3_64bits_reset(&state);
    for (size_t i = 0; i < count; i++)
        put_i64(&state, hashes[i].hash);
    return (int64_t)XXH3_64bits_digest(&state);
}
