/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Variable-length integers: 7 bits a byte, low bits first, the top bit says "more follows".
 * Unsigned ones are used by flexible messages (KIP-482), zig-zag ones inside records.
 */

#include <stddef.h>
#include <stdint.h>

#define WEIR_VARINT32_BYTES_MAX 5
#define WEIR_VARINT64_BYTES_MAX 10

/* Bytes read, or 0 when they end early, run past the longest legal form, or do not fit the type. */
size_t weir_uvarint_get(const uint8_t *at, size_t left, uint32_t *out);
size_t weir_uvarint64_get(const uint8_t *at, size_t left, uint64_t *out);

/* Bytes written; at must have room for the longest form. */
size_t weir_uvarint_put(uint8_t *at, uint32_t value);
size_t weir_uvarint64_put(uint8_t *at, uint64_t value);

size_t weir_uvarint_size(uint32_t value);
size_t weir_uvarint64_size(uint64_t value);

static inline uint32_t weir_zigzag32(int32_t value)
{
    return ((uint32_t)value << 1) ^ (uint32_t)(value >> 31);
}

static inline uint64_t weir_zigzag64(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int32_t weir_unzigzag32(uint32_t value)
{
    return (int32_t)((value >> 1) ^ (~(value & 1) + 1));
}

static inline int64_t weir_unzigzag64(uint64_t value)
{
    return (int64_t)((value >> 1) ^ (~(value & 1) + 1));
}
