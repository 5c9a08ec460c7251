/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Arrays of simple types as messages carry them, and the tagged fields a message brought along that
 * its schema does not name (KIP-482).  count -1 is Kafka's null.  The items of an array that was
 * read lie in the reader's arena, strings point into its input.  Public value structs.
 */

#include "weir/protocol/wire_reader.h"
#include "weir/protocol/wire_writer.h"

#define WEIR_ARRAY_STRUCT(name, type)                                                              \
    struct name {                                                                                  \
        type *items;                                                                               \
        int32_t count;                                                                             \
    }

WEIR_ARRAY_STRUCT(weir_i8_array, int8_t);
WEIR_ARRAY_STRUCT(weir_i16_array, int16_t);
WEIR_ARRAY_STRUCT(weir_i32_array, int32_t);
WEIR_ARRAY_STRUCT(weir_i64_array, int64_t);
WEIR_ARRAY_STRUCT(weir_uuid_array, struct weir_uuid);
WEIR_ARRAY_STRUCT(weir_string_array, struct weir_slice);
WEIR_ARRAY_STRUCT(weir_bytes_array, struct weir_slice);

struct weir_tag {
    uint32_t tag;
    struct weir_slice bytes;
};

/* Kept as they came, in rising order of tag, so that a message is written again byte for byte. */
struct weir_tags {
    struct weir_tag *items;
    int32_t count;
};

struct weir_i8_array weir_read_i8_array(struct weir_reader *reader, bool flexible, bool nullable);
struct weir_i16_array weir_read_i16_array(struct weir_reader *reader, bool flexible, bool nullable);
struct weir_i32_array weir_read_i32_array(struct weir_reader *reader, bool flexible, bool nullable);
struct weir_i64_array weir_read_i64_array(struct weir_reader *reader, bool flexible, bool nullable);
struct weir_uuid_array weir_read_uuid_array(struct weir_reader *reader, bool flexible,
                                            bool nullable);
struct weir_string_array weir_read_string_array(struct weir_reader *reader, bool flexible,
                                                bool nullable);
struct weir_bytes_array weir_read_bytes_array(struct weir_reader *reader, bool flexible,
                                              bool nullable);

void weir_write_i8_array(struct weir_writer *writer, struct weir_i8_array value, bool flexible,
                         bool nullable);
void weir_write_i16_array(struct weir_writer *writer, struct weir_i16_array value, bool flexible,
                          bool nullable);
void weir_write_i32_array(struct weir_writer *writer, struct weir_i32_array value, bool flexible,
                          bool nullable);
void weir_write_i64_array(struct weir_writer *writer, struct weir_i64_array value, bool flexible,
                          bool nullable);
void weir_write_uuid_array(struct weir_writer *writer, struct weir_uuid_array value, bool flexible,
                           bool nullable);
void weir_write_string_array(struct weir_writer *writer, struct weir_string_array value,
                             bool flexible, bool nullable);
void weir_write_bytes_array(struct weir_writer *writer, struct weir_bytes_array value,
                            bool flexible, bool nullable);
