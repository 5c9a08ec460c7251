/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/uuid.h"

#include <stdio.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

struct weir_uuid weir_uuid_small(uint8_t value)
{
    struct weir_uuid id = {{0}};
    id.bytes[15] = value;
    return id;
}

bool weir_uuid_from_random(const uint8_t random[16], struct weir_uuid *out)
{
    struct weir_uuid id;
    memcpy(id.bytes, random, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(id, text);
    if (text[0] == '-')
        return false;
    *out = id;
    return true;
}

void weir_uuid_format(struct weir_uuid id, char out[WEIR_UUID_TEXT_BYTES])
{
    size_t place = 0;
    for (size_t i = 0; i < sizeof(id.bytes); i += 3) {
        uint32_t group = (uint32_t)id.bytes[i] << 16;
        if (i + 1 < sizeof(id.bytes))
            group |= (uint32_t)id.bytes[i + 1] << 8;
        if (i + 2 < sizeof(id.bytes))
            group |= id.bytes[i + 2];
        for (int shift = 18; shift >= 0 && place < WEIR_UUID_TEXT_BYTES - 1; shift -= 6)
            out[place++] = alphabet[(group >> shift) & 0x3f];
    }
    out[place] = '\0';
}

static int value_of(uint8_t character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '-')
        return 62;
    return character == '_' ? 63 : -1;
}

bool weir_uuid_parse(struct weir_slice text, struct weir_uuid *out)
{
    if (text.size != WEIR_UUID_TEXT_BYTES - 1)
        return false;
    struct weir_uuid id = {{0}};
    uint32_t bits = 0;
    int bit_count = 0;
    size_t place = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = value_of(text.data[i]);
        if (value < 0)
            return false;
        bits = (bits << 6) | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            id.bytes[place++] = (uint8_t)(bits >> bit_count);
            bits &= (1u << bit_count) - 1;
        }
    }
    if (bits != 0)
        return false;
    *out = id;
    return true;
}

void weir_uuid_format_hex(struct weir_uuid id, char out[WEIR_UUID_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    size_t place = 0;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[place++] = '-';
        out[place++] = digits[id.bytes[i] >> 4];
        out[place++] = digits[id.bytes[i] & 0x0f];
    }
    out[place] = '\0';
}
