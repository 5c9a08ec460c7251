/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/share/share_types.h"

/* Cuts off what follows the last colon. */
static bool take_last(struct weir_slice *text, struct weir_slice *out)
{
    for (size_t i = text->size; i > 0; i--) {
        if (text->data[i - 1] != ':')
            continue;
        *out = weir_slice_of(text->data + i, text->size - i);
        text->size = i - 1;
        return true;
    }
    return false;
}

/* Integer.parseInt, of ASCII digits. */
static bool parse_partition(struct weir_slice text, int32_t *out)
{
    bool is_negative = text.size > 0 && text.data[0] == '-';
    size_t at = is_negative || (text.size > 0 && text.data[0] == '+') ? 1 : 0;
    int64_t value = 0;
    if (at == text.size)
        return false;
    for (; at < text.size; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        value = value * 10 + (text.data[at] - '0');
        if (value > (int64_t)INT32_MAX + 1)
            return false;
    }
    value = is_negative ? -value : value;
    if (value > INT32_MAX)
        return false;
    *out = (int32_t)value;
    return true;
}

static bool is_blank(struct weir_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] > ' ')
            return false;
    }
    return true;
}

bool weir_share_key_parse(struct weir_slice text, struct weir_share_key *out)
{
    struct weir_share_key key = {0};
    struct weir_slice partition;
    struct weir_slice topic_id;
    if (!take_last(&text, &partition) || !take_last(&text, &topic_id) ||
        !parse_partition(partition, &key.partition) || !weir_uuid_parse(topic_id, &key.topic_id) ||
        is_blank(text))
        return false;
    key.group_id = text;
    *out = key;
    return true;
}
