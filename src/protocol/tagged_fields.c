/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/tagged_fields.h"

#include "weir/base/varint.h"

void weir_tag_reader_begin(struct weir_tag_reader *tags, struct weir_reader *reader)
{
    *tags = (struct weir_tag_reader){.is_first = true};
    tags->fields_left = weir_read_uvarint(reader);
    /* The shortest field is a tag and a size of 0. */
    if (tags->fields_left > weir_reader_left(reader) / 2)
        weir_reader_fail(reader, WEIR_TRUNCATED);
}

bool weir_tag_reader_next(struct weir_tag_reader *tags, struct weir_reader *reader)
{
    if (tags->is_inside) {
        tags->is_inside = false;
        const bool is_consumed = reader->at == reader->end;
        reader->end = tags->end;
        if (!is_consumed)
            weir_reader_fail(reader, WEIR_INVALID);
    }
    if (weir_reader_status(reader) != WEIR_OK || tags->fields_left == 0)
        return false;
    tags->fields_left--;
    const uint32_t tag = weir_read_uvarint(reader);
    const uint32_t size = weir_read_uvarint(reader);
    if (weir_reader_status(reader) != WEIR_OK)
        return false;
    if (!tags->is_first && tag <= tags->tag) {
        weir_reader_fail(reader, WEIR_INVALID);
        return false;
    }
    if (size > weir_reader_left(reader)) {
        weir_reader_fail(reader, WEIR_TRUNCATED);
        return false;
    }
    tags->tag = tag;
    tags->is_first = false;
    tags->is_inside = true;
    tags->end = reader->end;
    reader->end = reader->at + size;
    return true;
}

void weir_tag_reader_keep(struct weir_tag_reader *tags, struct weir_reader *reader,
                          struct weir_tags *into)
{
    if (into->items == NULL) {
        /* Room for this field and all behind it: begin() saw that each has two bytes or more. */
        into->items =
            weir_reader_alloc(reader, (int32_t)(tags->fields_left + 1), sizeof(*into->items));
        if (into->items == NULL)
            return;
    }
    into->items[into->count++] =
        (struct weir_tag){tags->tag, weir_read_raw(reader, weir_reader_left(reader))};
}

static void write_next_tag(struct weir_writer *writer, const struct weir_tags *tags, int32_t *next)
{
    const struct weir_tag *field = &tags->items[*next];
    if (*next > 0 && field->tag <= tags->items[*next - 1].tag)
        weir_writer_fail(writer, WEIR_INVALID);
    if (field->bytes.size > INT32_MAX)
        weir_writer_fail(writer, WEIR_INVALID);
    weir_write_uvarint(writer, field->tag);
    weir_write_uvarint(writer, (uint32_t)field->bytes.size);
    weir_write_raw(writer, field->bytes);
    ++*next;
}

void weir_write_tags_below(struct weir_writer *writer, const struct weir_tags *tags, int32_t *next,
                           uint32_t tag)
{
    while (*next < tags->count && tags->items[*next].tag < tag)
        write_next_tag(writer, tags, next);
    if (*next < tags->count && tags->items[*next].tag == tag)
        weir_writer_fail(writer, WEIR_INVALID);
}

void weir_write_tags_rest(struct weir_writer *writer, const struct weir_tags *tags, int32_t *next)
{
    while (*next < tags->count)
        write_next_tag(writer, tags, next);
}

size_t weir_write_tag_begin(struct weir_writer *writer, uint32_t tag)
{
    weir_write_uvarint(writer, tag);
    return writer->buf->size;
}

void weir_write_tag_end(struct weir_writer *writer, size_t begin)
{
    struct weir_buf *buf = writer->buf;
    if (weir_writer_status(writer) != WEIR_OK)
        return;
    const size_t size = buf->size - begin;
    if (size > INT32_MAX) {
        weir_writer_fail(writer, WEIR_INVALID);
        return;
    }
    uint8_t prefix[WEIR_VARINT32_BYTES_MAX];
    const size_t prefix_size = weir_uvarint_put(prefix, (uint32_t)size);
    if (weir_buf_extend(buf, prefix_size) == NULL)
        return;
    memmove(buf->data + begin + prefix_size, buf->data + begin, size);
    memcpy(buf->data + begin, prefix, prefix_size);
}
