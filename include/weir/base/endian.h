/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Big-endian integers at any address, as Kafka has them on the wire and on disk. */

#include <stdint.h>
#include <string.h>

static inline uint16_t weir_get_u16(const void *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t weir_get_u32(const void *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t weir_get_u64(const void *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return __builtin_bswap64(value);
}

static inline int16_t weir_get_i16(const void *at)
{
    return (int16_t)weir_get_u16(at);
}

static inline int32_t weir_get_i32(const void *at)
{
    return (int32_t)weir_get_u32(at);
}

static inline int64_t weir_get_i64(const void *at)
{
    return (int64_t)weir_get_u64(at);
}

static inline void weir_put_u16(void *at, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof(value));
}

static inline void weir_put_u32(void *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof(value));
}

static inline void weir_put_u64(void *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof(value));
}

static inline void weir_put_i16(void *at, int16_t value)
{
    weir_put_u16(at, (uint16_t)value);
}

static inline void weir_put_i32(void *at, int32_t value)
{
    weir_put_u32(at, (uint32_t)value);
}

static inline void weir_put_i64(void *at, int64_t value)
{
    weir_put_u64(at, (uint64_t)value);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "weir is built for little-endian machines");
