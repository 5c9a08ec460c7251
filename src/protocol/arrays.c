/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/arrays.h"

/* read_element and write_element see `flexible` of the function around them. */
#define ARRAY_CODEC(name, type, element_bytes_min, read_element, write_element)                    \
    struct weir_##name##_array weir_read_##name##_array(struct weir_reader *reader, bool flexible, \
                                                        bool nullable)                             \
    {                                                                                              \
        struct weir_##name##_array out = {NULL, 0};                                                \
        const int32_t count =                                                                      \
            weir_read_array_count(reader, flexible, nullable, element_bytes_min);                  \
        type *items = weir_reader_alloc(reader, count, sizeof(*items));                            \
        if (weir_reader_status(reader) != WEIR_OK)                                                 \
            return out;                                                                            \
        for (int32_t i = 0; i < count; i++)                                                        \
            items[i] = read_element;                                                               \
        out.items = items;                                                                         \
        out.count = count;                                                                         \
        return out;                                                                                \
    }                                                                                              \
    void weir_write_##name##_array(struct weir_writer *writer, struct weir_##name##_array value,   \
                                   bool flexible, bool nullable)                                   \
    {                                                                                              \
        weir_write_array_count(writer, value.count, flexible, nullable);                           \
        for (int32_t i = 0; i < value.count; i++)                                                  \
            write_element;                                                                         \
    }

ARRAY_CODEC(i8, int8_t, 1, weir_read_i8(reader), weir_write_i8(writer, value.items[i]))
ARRAY_CODEC(i16, int16_t, 2, weir_read_i16(reader), weir_write_i16(writer, value.items[i]))
ARRAY_CODEC(i32, int32_t, 4, weir_read_i32(reader), weir_write_i32(writer, value.items[i]))
ARRAY_CODEC(i64, int64_t, 8, weir_read_i64(reader), weir_write_i64(writer, value.items[i]))
ARRAY_CODEC(uuid, struct weir_uuid, 16, weir_read_uuid(reader),
            weir_write_uuid(writer, value.items[i]))
ARRAY_CODEC(string, struct weir_slice, flexible ? 1 : 2, weir_read_string(reader, flexible, false),
            weir_write_string(writer, value.items[i], flexible, false))
ARRAY_CODEC(bytes, struct weir_slice, flexible ? 1 : 4, weir_read_bytes(reader, flexible, false),
            weir_write_bytes(writer, value.items[i], flexible, false))
