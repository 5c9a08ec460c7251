/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writes Kafka's wire types into a growing buffer.  Sticky like the reader: check
 * weir_writer_status() once at the end. Record sets that lie in files are not copied: the writer
 * notes a splice, the place in the output where the bytes of a source belong, and the connection
 * sends them from there.  Owned by one thread; the buffer is borrowed.
 */

#include "weir/base/buf.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/base/uuid.h"

/* The type of fields called "records".  bytes, then the bytes of the sources, in order.  Null: no
 * data and no sources. A source is opaque here (the server takes it for a struct weir_file_range);
 * size is how many bytes it stands for. */
struct weir_records_source {
    void *source;
    size_t size;
};

struct weir_records {
    struct weir_slice bytes;
    const struct weir_records_source *sources;
    size_t source_count;
};

struct weir_splice {
    size_t at; /* the source's bytes follow the first `at` bytes of the buffer */
    struct weir_records_source source;
};

struct weir_writer {
    struct weir_buf *buf;
    struct weir_splice
        *splices; /* malloc'ed, owned until weir_writer_done or taken by the server */
    size_t splice_count;
    size_t splice_capacity;
    size_t spliced_bytes;
    enum weir_status status;
};

void weir_writer_init(struct weir_writer *writer, struct weir_buf *buf);
void weir_writer_done(struct weir_writer *writer);

/* The first failure of the writer or its buffer. */
enum weir_status weir_writer_status(const struct weir_writer *writer);
void weir_writer_fail(struct weir_writer *writer, enum weir_status status);

/* Bytes written so far, those of splices included. */
size_t weir_writer_size(const struct weir_writer *writer);

void weir_write_i8(struct weir_writer *writer, int8_t value);
void weir_write_i16(struct weir_writer *writer, int16_t value);
void weir_write_u16(struct weir_writer *writer, uint16_t value);
void weir_write_i32(struct weir_writer *writer, int32_t value);
void weir_write_u32(struct weir_writer *writer, uint32_t value);
void weir_write_i64(struct weir_writer *writer, int64_t value);
void weir_write_f64(struct weir_writer *writer, double value);
void weir_write_bool(struct weir_writer *writer, bool value);
void weir_write_uuid(struct weir_writer *writer, struct weir_uuid value);
void weir_write_uvarint(struct weir_writer *writer, uint32_t value);
void weir_write_varint(struct weir_writer *writer, int32_t value);
void weir_write_varlong(struct weir_writer *writer, int64_t value);
void weir_write_raw(struct weir_writer *writer, struct weir_slice bytes);

/* Null slices are written as null when nullable, and make the writer fail (INVALID) when not. */
void weir_write_string(struct weir_writer *writer, struct weir_slice value, bool flexible,
                       bool nullable);
void weir_write_bytes(struct weir_writer *writer, struct weir_slice value, bool flexible,
                      bool nullable);
void weir_write_records(struct weir_writer *writer, struct weir_records value, bool flexible,
                        bool nullable);

/* count -1 is null. */
void weir_write_array_count(struct weir_writer *writer, int32_t count, bool flexible,
                            bool nullable);
