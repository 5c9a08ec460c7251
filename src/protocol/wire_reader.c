/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/wire_reader.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/varint.h"

void weir_reader_init(struct weir_reader *reader, struct weir_slice input, struct weir_arena *arena)
{
    if (input.data == NULL)
        input = WEIR_EMPTY_SLICE;
    *reader = (struct weir_reader){
        .at = input.data, .end = input.data + input.size, .arena = arena, .status = WEIR_OK};
}

void weir_reader_fail(struct weir_reader *reader, enum weir_status status)
{
    WEIR_ASSERT(status != WEIR_OK);
    if (reader->status != WEIR_OK)
        return;
    reader->status = status;
    /* Nothing is left, so every later read takes the failing branch by itself. */
    reader->at = reader->end;
}

void weir_reader_finish(struct weir_reader *reader)
{
    if (weir_reader_left(reader) != 0)
        weir_reader_fail(reader, WEIR_INVALID);
}

/* The next size bytes, or NULL.  The status is asked too: a failure inside a tagged field leaves
 * bytes behind the field's end that must not be read after it. */
static inline const uint8_t *take(struct weir_reader *reader, size_t size)
{
    if (reader->status != WEIR_OK)
        return NULL;
    if (size > weir_reader_left(reader)) {
        weir_reader_fail(reader, WEIR_TRUNCATED);
        return NULL;
    }
    const uint8_t *at = reader->at;
    reader->at += size;
    return at;
}

int8_t weir_read_i8(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 1);
    return at == NULL ? 0 : (int8_t)at[0];
}

int16_t weir_read_i16(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 2);
    return at == NULL ? 0 : weir_get_i16(at);
}

uint16_t weir_read_u16(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 2);
    return at == NULL ? 0 : weir_get_u16(at);
}

int32_t weir_read_i32(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 4);
    return at == NULL ? 0 : weir_get_i32(at);
}

uint32_t weir_read_u32(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 4);
    return at == NULL ? 0 : weir_get_u32(at);
}

int64_t weir_read_i64(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 8);
    return at == NULL ? 0 : weir_get_i64(at);
}

double weir_read_f64(struct weir_reader *reader)
{
    const uint8_t *at = take(reader, 8);
    if (at == NULL)
        return 0;
    const uint64_t bits = weir_get_u64(at);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool weir_read_bool(struct weir_reader *reader)
{
    return weir_read_i8(reader) != 0;
}

struct weir_uuid weir_read_uuid(struct weir_reader *reader)
{
    struct weir_uuid id = {{0}};
    const uint8_t *at = take(reader, sizeof(id.bytes));
    if (at != NULL)
        memcpy(id.bytes, at, sizeof(id.bytes));
    return id;
}

/* Why a varint could not be read: its bytes ended while they still said "more follows", or it is
 * longer or larger than its type. */
static enum weir_status varint_failure(const struct weir_reader *reader, size_t bytes_max)
{
    const size_t left = weir_reader_left(reader);
    if (left >= bytes_max)
        return WEIR_INVALID;
    for (size_t i = 0; i < left; i++)
        if ((reader->at[i] & 0x80) == 0)
            return WEIR_INVALID;
    return WEIR_TRUNCATED;
}

uint32_t weir_read_uvarint(struct weir_reader *reader)
{
    uint32_t value = 0;
    if (reader->status != WEIR_OK)
        return 0;
    const size_t size = weir_uvarint_get(reader->at, weir_reader_left(reader), &value);
    if (size == 0) {
        weir_reader_fail(reader, varint_failure(reader, WEIR_VARINT32_BYTES_MAX));
        return 0;
    }
    reader->at += size;
    return value;
}

int32_t weir_read_varint(struct weir_reader *reader)
{
    return weir_unzigzag32(weir_read_uvarint(reader));
}

int64_t weir_read_varlong(struct weir_reader *reader)
{
    uint64_t value = 0;
    if (reader->status != WEIR_OK)
        return 0;
    const size_t size = weir_uvarint64_get(reader->at, weir_reader_left(reader), &value);
    if (size == 0) {
        weir_reader_fail(reader, varint_failure(reader, WEIR_VARINT64_BYTES_MAX));
        return 0;
    }
    reader->at += size;
    return weir_unzigzag64(value);
}

struct weir_slice weir_read_raw(struct weir_reader *reader, size_t size)
{
    const uint8_t *at = take(reader, size);
    return at == NULL ? WEIR_NULL_SLICE : weir_slice_of(at, size);
}

/* A length or count in either form; -1 is null.  Apache Kafka takes any negative int for null, so
 * do we. */
static int64_t read_length(struct weir_reader *reader, bool flexible, bool is_short)
{
    if (flexible)
        return (int64_t)weir_read_uvarint(reader) - 1;
    const int64_t length = is_short ? weir_read_i16(reader) : weir_read_i32(reader);
    return length < 0 ? -1 : length;
}

static struct weir_slice read_sized(struct weir_reader *reader, bool flexible, bool nullable,
                                    bool is_short)
{
    const int64_t length = read_length(reader, flexible, is_short);
    if (reader->status != WEIR_OK)
        return WEIR_NULL_SLICE;
    if (length < 0) {
        if (!nullable)
            weir_reader_fail(reader, WEIR_INVALID);
        return WEIR_NULL_SLICE;
    }
    /* A length no string can have is refused as such, even when that many bytes are there
     * (KIP-482 keeps the limit of the old form). */
    if (is_short && length > INT16_MAX) {
        weir_reader_fail(reader, WEIR_INVALID);
        return WEIR_NULL_SLICE;
    }
    return weir_read_raw(reader, (size_t)length);
}

struct weir_slice weir_read_string(struct weir_reader *reader, bool flexible, bool nullable)
{
    return read_sized(reader, flexible, nullable, true);
}

struct weir_slice weir_read_bytes(struct weir_reader *reader, bool flexible, bool nullable)
{
    return read_sized(reader, flexible, nullable, false);
}

int32_t weir_read_array_count(struct weir_reader *reader, bool flexible, bool nullable,
                              size_t element_bytes_min)
{
    const int64_t count = read_length(reader, flexible, false);
    if (reader->status != WEIR_OK)
        return 0;
    if (count < 0) {
        if (!nullable) {
            weir_reader_fail(reader, WEIR_INVALID);
            return 0;
        }
        return -1;
    }
    size_t bytes = 0;
    if (count > INT32_MAX || !weir_mul_size((size_t)count, element_bytes_min, &bytes) ||
        bytes > weir_reader_left(reader)) {
        weir_reader_fail(reader, WEIR_TRUNCATED);
        return 0;
    }
    return (int32_t)count;
}

void *weir_reader_alloc(struct weir_reader *reader, int32_t count, size_t element_bytes)
{
    if (reader->status != WEIR_OK || count <= 0)
        return NULL;
    void *items = reader->arena == NULL
                      ? NULL
                      : weir_arena_calloc(reader->arena, (size_t)count, element_bytes);
    if (items == NULL)
        weir_reader_fail(reader, WEIR_NO_MEMORY);
    return items;
}
