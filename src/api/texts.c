/* SPDX-License-Identifier: Apache-2.0 */
#include "texts.h"

#define TOPIC_NAME_CHARS_MAX 249

/* Kafka counts UTF-16 units, since that is what Java's strings are made of. */
static size_t utf16_length(struct weir_slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        if ((text.data[i] & 0xc0) == 0x80)
            continue;
        count += text.data[i] >= 0xf0 ? 2 : 1;
    }
    return count;
}

static bool is_legal_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool has_illegal_char(struct weir_slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (!is_legal_char(name.data[i]))
            return true;
    }
    return false;
}

static struct weir_slice or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? WEIR_EMPTY_SLICE : text;
}

struct weir_slice weir_text_quoted(struct weir_slice text)
{
    if (text.size <= WEIR_TEXT_QUOTED_BYTES_MAX)
        return text;
    size_t end = WEIR_TEXT_QUOTED_BYTES_MAX;
    while (end > 0 && (text.data[end] & 0xc0) == 0x80) /* not inside a character */
        end--;
    return weir_slice_of(text.data, end);
}

struct weir_slice weir_topic_name_problem(struct weir_arena *arena, struct weir_slice name)
{
    const struct weir_slice shown = weir_text_quoted(name);
    if (name.size == 0)
        return WEIR_SLICE("Topic name is invalid: the empty string is not allowed");
    if (weir_slice_is(name, ".") || weir_slice_is(name, ".."))
        return or_empty(weir_arena_printf(arena, "Topic name is invalid: '%.*s' is not allowed",
                                          WEIR_SLICE_ARGS(shown)));
    if (utf16_length(name) > TOPIC_NAME_CHARS_MAX)
        return or_empty(weir_arena_printf(
            arena,
            "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d",
            WEIR_SLICE_ARGS(shown), TOPIC_NAME_CHARS_MAX));
    if (has_illegal_char(name))
        return or_empty(weir_arena_printf(
            arena,
            "Topic name is invalid: '%.*s' contains one or more characters other than "
            "ASCII alphanumerics, '.', '_' and '-'",
            WEIR_SLICE_ARGS(shown)));
    return WEIR_NULL_SLICE;
}

bool weir_node_id_parse(struct weir_slice text, int32_t *out)
{
    const bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    if (at == text.size)
        return false;
    int64_t value = 0;
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        value = value * 10 + (text.data[at] - '0');
        if (value > (int64_t)INT32_MAX + (is_negative ? 1 : 0))
            return false;
    }
    *out = (int32_t)(is_negative ? -value : value);
    return true;
}
