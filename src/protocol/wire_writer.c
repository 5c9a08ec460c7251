/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/wire_writer.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/base/varint.h"

void weir_writer_init(struct weir_writer *writer, struct weir_buf *buf)
{
    *writer = (struct weir_writer){.buf = buf, .status = WEIR_OK};
}

void weir_writer_done(struct weir_writer *writer)
{
    weir_free(writer->splices);
    writer->splices = NULL;
    writer->splice_count = 0;
    writer->splice_capacity = 0;
}

enum weir_status weir_writer_status(const struct weir_writer *writer)
{
    return writer->status != WEIR_OK ? writer->status : weir_buf_status(writer->buf);
}

void weir_writer_fail(struct weir_writer *writer, enum weir_status status)
{
    WEIR_ASSERT(status != WEIR_OK);
    if (writer->status == WEIR_OK)
        writer->status = status;
}

size_t weir_writer_size(const struct weir_writer *writer)
{
    return writer->buf->size + writer->spliced_bytes;
}

void weir_write_i8(struct weir_writer *writer, int8_t value)
{
    uint8_t *at = weir_buf_extend(writer->buf, 1);
    if (at != NULL)
        at[0] = (uint8_t)value;
}

void weir_write_i16(struct weir_writer *writer, int16_t value)
{
    weir_write_u16(writer, (uint16_t)value);
}

void weir_write_u16(struct weir_writer *writer, uint16_t value)
{
    uint8_t *at = weir_buf_extend(writer->buf, sizeof(value));
    if (at != NULL)
        weir_put_u16(at, value);
}

void weir_write_i32(struct weir_writer *writer, int32_t value)
{
    weir_write_u32(writer, (uint32_t)value);
}

void weir_write_u32(struct weir_writer *writer, uint32_t value)
{
    uint8_t *at = weir_buf_extend(writer->buf, sizeof(value));
    if (at != NULL)
        weir_put_u32(at, value);
}

static void write_u64(struct weir_writer *writer, uint64_t value)
{
    uint8_t *at = weir_buf_extend(writer->buf, sizeof(value));
    if (at != NULL)
        weir_put_u64(at, value);
}

void weir_write_i64(struct weir_writer *writer, int64_t value)
{
    write_u64(writer, (uint64_t)value);
}

void weir_write_f64(struct weir_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    write_u64(writer, bits);
}

void weir_write_bool(struct weir_writer *writer, bool value)
{
    weir_write_i8(writer, value ? 1 : 0);
}

void weir_write_uuid(struct weir_writer *writer, struct weir_uuid value)
{
    weir_buf_append(writer->buf, value.bytes, sizeof(value.bytes));
}

void weir_write_uvarint(struct weir_writer *writer, uint32_t value)
{
    uint8_t bytes[WEIR_VARINT32_BYTES_MAX];
    weir_buf_append(writer->buf, bytes, weir_uvarint_put(bytes, value));
}

void weir_write_varint(struct weir_writer *writer, int32_t value)
{
    weir_write_uvarint(writer, weir_zigzag32(value));
}

void weir_write_varlong(struct weir_writer *writer, int64_t value)
{
    uint8_t bytes[WEIR_VARINT64_BYTES_MAX];
    weir_buf_append(writer->buf, bytes, weir_uvarint64_put(bytes, weir_zigzag64(value)));
}

void weir_write_raw(struct weir_writer *writer, struct weir_slice bytes)
{
    if (bytes.size != 0)
        weir_buf_append(writer->buf, bytes.data, bytes.size);
}

/* A length or count in either form, -1 for null.  False, and INVALID, when the form cannot hold it.
 */
static bool write_length(struct weir_writer *writer, bool is_null, size_t size, size_t size_max,
                         bool flexible, bool nullable, bool is_short)
{
    if ((is_null && !nullable) || size > size_max) {
        weir_writer_fail(writer, WEIR_INVALID);
        return false;
    }
    if (flexible)
        weir_write_uvarint(writer, is_null ? 0 : (uint32_t)size + 1);
    else if (is_short)
        weir_write_i16(writer, is_null ? -1 : (int16_t)size);
    else
        weir_write_i32(writer, is_null ? -1 : (int32_t)size);
    return true;
}

void weir_write_string(struct weir_writer *writer, struct weir_slice value, bool flexible,
                       bool nullable)
{
    if (write_length(writer, weir_slice_is_null(value), value.size, INT16_MAX, flexible, nullable,
                     true))
        weir_write_raw(writer, value);
}

void weir_write_bytes(struct weir_writer *writer, struct weir_slice value, bool flexible,
                      bool nullable)
{
    if (write_length(writer, weir_slice_is_null(value), value.size, INT32_MAX, flexible, nullable,
                     false))
        weir_write_raw(writer, value);
}

static void add_splice(struct weir_writer *writer, struct weir_records_source source)
{
    struct weir_splice *splices = weir_grow(writer->splices, &writer->splice_capacity,
                                            writer->splice_count + 1, sizeof(*splices));
    if (splices == NULL) {
        weir_writer_fail(writer, WEIR_NO_MEMORY);
        return;
    }
    writer->splices = splices;
    writer->splices[writer->splice_count++] =
        (struct weir_splice){.at = writer->buf->size, .source = source};
    writer->spliced_bytes += source.size;
}

void weir_write_records(struct weir_writer *writer, struct weir_records value, bool flexible,
                        bool nullable)
{
    size_t size = value.bytes.size;
    for (size_t i = 0; i < value.source_count; i++)
        if (__builtin_add_overflow(size, value.sources[i].size, &size))
            size = SIZE_MAX;
    const bool is_null = weir_slice_is_null(value.bytes) && value.source_count == 0;
    if (!write_length(writer, is_null, size, INT32_MAX, flexible, nullable, false))
        return;
    weir_write_raw(writer, value.bytes);
    for (size_t i = 0; i < value.source_count; i++)
        if (value.sources[i].size != 0)
            add_splice(writer, value.sources[i]);
}

void weir_write_array_count(struct weir_writer *writer, int32_t count, bool flexible, bool nullable)
{
    (void)write_length(writer, count < 0, count < 0 ? 0 : (size_t)count, INT32_MAX, flexible,
                       nullable, false);
}
