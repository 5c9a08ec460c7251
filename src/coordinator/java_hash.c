/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/coordinator/java_hash.h"

#include "weir/base/assert.h"

#define REPLACEMENT 0xfffdu

/* The next code point of a well-formed sequence, or U+FFFD for the longest run that begins one and
 * breaks off (one replacement each, as Unicode recommends and Java does). */
static uint32_t next_code_point(struct weir_slice *text)
{
    const uint8_t *at = text->data;
    size_t left = text->size;
    uint8_t first = at[0];
    uint32_t value = REPLACEMENT;
    size_t used = 1;
    size_t needed = 0;
    uint8_t low = 0x80; /* what the second byte may be; narrower for some first bytes */
    uint8_t high = 0xbf;
    if (first < 0x80) {
        value = first;
    } else if (first >= 0xc2 && first <= 0xdf) {
        needed = 1;
        value = first & 0x1fu;
    } else if (first >= 0xe0 && first <= 0xef) {
        needed = 2;
        value = first & 0x0fu;
        low = first == 0xe0 ? 0xa0 : 0x80;  /* no overlong forms */
        high = first == 0xed ? 0x9f : 0xbf; /* no surrogates */
    } else if (first >= 0xf0 && first <= 0xf4) {
        needed = 3;
        value = first & 0x07u;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf;
    }
    for (; needed > 0; needed--) {
        if (used == left || at[used] < low || at[used] > high) {
            value = REPLACEMENT;
            break;
        }
        value = (value << 6) | (at[used] & 0x3fu);
        used++;
        low = 0x80;
        high = 0xbf;
    }
    text->data += used;
    text->size -= used;
    return value;
}

int32_t weir_java_hash(struct weir_slice utf8)
{
    uint32_t hash = 0;
    while (utf8.size > 0) {
        uint32_t code_point = next_code_point(&utf8);
        if (code_point < 0x10000u) {
            hash = 31u * hash + code_point;
        } else {
            hash = 31u * hash + (0xd800u + ((code_point - 0x10000u) >> 10));
            hash = 31u * hash + (0xdc00u + ((code_point - 0x10000u) & 0x3ffu));
        }
    }
    return (int32_t)hash;
}

size_t weir_java_length(struct weir_slice utf8)
{
    size_t units = 0;
    while (utf8.size > 0)
        units += next_code_point(&utf8) < 0x10000u ? 1 : 2;
    return units;
}

int32_t weir_key_partition(struct weir_slice key, int32_t partition_count)
{
    WEIR_ASSERT(partition_count > 0);
    int32_t hash = weir_java_hash(key);
    int32_t positive = hash == INT32_MIN ? 0 : hash < 0 ? -hash : hash;
    return positive % partition_count;
}
