/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Reads Kafka's wire types from a run of bytes.  Sticky: after the first bad read every read
 * returns zero (or null) and weir_reader_status() tells why; check it once per message, and before
 * each loop bounded by a count that was read. Strings and bytes come out as slices into the input;
 * arrays are allocated from the arena, never more elements than the bytes that are left could hold.
 * Owned by one thread; input and arena are borrowed.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"

struct weir_reader {
    const uint8_t *at;
    const uint8_t *end;
    struct weir_arena *arena;
    enum weir_status status; /* OK, TRUNCATED, INVALID, UNSUPPORTED or NO_MEMORY */
};

void weir_reader_init(struct weir_reader *reader, struct weir_slice input,
                      struct weir_arena *arena);

static inline enum weir_status weir_reader_status(const struct weir_reader *reader)
{
    return reader->status;
}

static inline size_t weir_reader_left(const struct weir_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* Makes the reader fail with this status, if it has not failed yet. */
void weir_reader_fail(struct weir_reader *reader, enum weir_status status);

/* For messages that must end where the input ends: bytes that are left are INVALID. */
void weir_reader_finish(struct weir_reader *reader);

int8_t weir_read_i8(struct weir_reader *reader);
int16_t weir_read_i16(struct weir_reader *reader);
uint16_t weir_read_u16(struct weir_reader *reader);
int32_t weir_read_i32(struct weir_reader *reader);
uint32_t weir_read_u32(struct weir_reader *reader);
int64_t weir_read_i64(struct weir_reader *reader);
double weir_read_f64(struct weir_reader *reader);
bool weir_read_bool(struct weir_reader *reader);
struct weir_uuid weir_read_uuid(struct weir_reader *reader);
uint32_t weir_read_uvarint(struct weir_reader *reader);
int32_t weir_read_varint(struct weir_reader *reader);  /* zig-zag */
int64_t weir_read_varlong(struct weir_reader *reader); /* zig-zag */

/* size bytes as a slice into the input. */
struct weir_slice weir_read_raw(struct weir_reader *reader, size_t size);

/* Strings (int16 length, or uvarint length + 1 when flexible) and bytes (int32, or uvarint + 1).  A
 * null where it is not allowed is INVALID. */
struct weir_slice weir_read_string(struct weir_reader *reader, bool flexible, bool nullable);
struct weir_slice weir_read_bytes(struct weir_reader *reader, bool flexible, bool nullable);

/* The count of an array (int32, or uvarint + 1), checked: element_bytes_min * count must fit in
 * what is left. -1 is null (INVALID unless nullable). */
int32_t weir_read_array_count(struct weir_reader *reader, bool flexible, bool nullable,
                              size_t element_bytes_min);

/* Memory for count elements from the arena, zeroed; NULL (and NO_MEMORY) when there is none. */
void *weir_reader_alloc(struct weir_reader *reader, int32_t count, size_t element_bytes);
