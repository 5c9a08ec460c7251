/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/varint.h"

size_t weir_uvarint64_get(const uint8_t *at, size_t left, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < left && i < WEIR_VARINT64_BYTES_MAX; i++) {
        uint64_t bits = at[i] & 0x7fu;
        if (i == WEIR_VARINT64_BYTES_MAX - 1 && bits > 1)
            return 0;
        value |= bits << (7 * i);
        if ((at[i] & 0x80u) == 0) {
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

size_t weir_uvarint_get(const uint8_t *at, size_t left, uint32_t *out)
{
    uint32_t value = 0;
    for (size_t i = 0; i < left && i < WEIR_VARINT32_BYTES_MAX; i++) {
        uint32_t bits = at[i] & 0x7fu;
        if (i == WEIR_VARINT32_BYTES_MAX - 1 && bits > 0x0f)
            return 0;
        value |= bits << (7 * i);
        if ((at[i] & 0x80u) == 0) {
            *out = value;
            return i + 1;
        }
    }
    return 0;
}

size_t weir_uvarint64_put(uint8_t *at, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        at[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    at[size++] = (uint8_t)value;
    return size;
}

size_t weir_uvarint_put(uint8_t *at, uint32_t value)
{
    return weir_uvarint64_put(at, value);
}

size_t weir_uvarint64_size(uint64_t value)
{
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

size_t weir_uvarint_size(uint32_t value)
{
    return weir_uvarint64_size(value);
}
