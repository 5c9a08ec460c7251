/* SPDX-License-Identifier: Apache-2.0 */

#include "text_int.h"

bool weir_text_take_line(struct weir_slice *rest, struct weir_slice *out)
{
    if (rest->size == 0)
        return false;
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    size_t taken = end == NULL ? size : size + 1;
    *out = weir_slice_of(rest->data, size);
    if (out->size > 0 && out->data[out->size - 1] == '\r')
        out->size--;
    rest->data += taken;
    rest->size -= taken;
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

bool weir_text_take_word(struct weir_slice *line, struct weir_slice *out)
{
    while (line->size > 0 && is_blank(line->data[0])) {
        line->data++;
        line->size--;
    }
    size_t size = 0;
    while (size < line->size && !is_blank(line->data[size]))
        size++;
    if (size == 0)
        return false;
    *out = weir_slice_of(line->data, size);
    line->data += size;
    line->size -= size;
    return true;
}

bool weir_text_parse_i64(struct weir_slice text, int64_t *out)
{
    size_t at = 0;
    bool is_negative = text.size > 0 && text.data[0] == '-';
    if (is_negative)
        at = 1;
    if (at == text.size)
        return false;
    int64_t value = 0;
    for (; at < text.size; at++) {
        uint8_t c = text.data[at];
        if (c < '0' || c > '9')
            return false;
        /* Counting downwards reaches the smallest number too. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, c - '0', &value))
            return false;
    }
    if (!is_negative && value == INT64_MIN)
        return false;
    *out = is_negative ? value : -value;
    return true;
}

bool weir_text_take_i64(struct weir_slice *line, int64_t *out)
{
    struct weir_slice word;
    return weir_text_take_word(line, &word) && weir_text_parse_i64(word, out);
}
