/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/arrays.h"

#include <criterion/criterion.h>
#include <math.h>

static struct weir_arena arena;

static void start(void)
{
    weir_arena_init(&arena, (size_t)1 << 20);
}

static void stop(void)
{
    weir_arena_done(&arena);
}

TestSuite(wire_reader, .init = start, .fini = stop);

static struct weir_reader reader_of(const void *bytes, size_t size)
{
    struct weir_reader reader;
    weir_reader_init(&reader, weir_slice_of(bytes, size), &arena);
    return reader;
}

#define READER(...)                                                                                \
    reader_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(wire_reader, integers_are_big_endian)
{
    struct weir_reader reader = READER(0xff, 0xff, 0xfe, 0xff, 0xfe, 0, 0, 0, 5, 0xff, 0xff, 0xff,
                                       0xff, 0x80, 0, 0, 0, 0, 0, 0, 1);
    cr_assert_eq(weir_read_i8(&reader), -1);
    cr_assert_eq(weir_read_i16(&reader), -2);
    cr_assert_eq(weir_read_u16(&reader), 0xfffe);
    cr_assert_eq(weir_read_i32(&reader), 5);
    cr_assert_eq(weir_read_u32(&reader), UINT32_MAX);
    cr_assert_eq(weir_read_i64(&reader), INT64_MIN + 1);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
    cr_assert_eq(weir_reader_left(&reader), 0);
}

Test(wire_reader, floats_bools_and_uuids_are_read)
{
    struct weir_reader reader = READER(0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8,
                                       9, 10, 11, 12, 13, 14, 15, 16);
    cr_assert(fabs(weir_read_f64(&reader) - 1.5) < 1e-12);
    cr_assert(weir_read_bool(&reader));
    cr_assert_not(weir_read_bool(&reader));
    const struct weir_uuid id = weir_read_uuid(&reader);
    cr_assert_eq(id.bytes[0], 1);
    cr_assert_eq(id.bytes[15], 16);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
}

Test(wire_reader, after_the_first_failure_all_is_zero)
{
    struct weir_reader reader = READER(1, 2, 3);
    cr_assert_eq(weir_read_i32(&reader), 0);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
    cr_assert_eq(weir_read_i8(&reader), 0);
    cr_assert_eq(weir_read_uvarint(&reader), 0);
    cr_assert_eq(weir_read_varlong(&reader), 0);
    cr_assert(weir_slice_is_null(weir_read_string(&reader, true, true)));
    cr_assert_eq(weir_read_array_count(&reader, false, true, 1), 0);
    weir_reader_fail(&reader, WEIR_INVALID);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
}

Test(wire_reader, varints_of_all_lengths_are_read)
{
    struct weir_reader reader = READER(0, 0x7f, 0x80, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    cr_assert_eq(weir_read_uvarint(&reader), 0);
    cr_assert_eq(weir_read_uvarint(&reader), 127);
    cr_assert_eq(weir_read_uvarint(&reader), 128);
    cr_assert_eq(weir_read_uvarint(&reader), UINT32_MAX);
    cr_assert_eq(weir_read_varint(&reader), -1);
    cr_assert_eq(weir_read_varint(&reader), 1);
    cr_assert_eq(weir_read_varlong(&reader), INT64_MIN);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
}

Test(wire_reader, a_varint_that_does_not_end_in_five_bytes_is_invalid)
{
    struct weir_reader reader = READER(0x80, 0x80, 0x80, 0x80, 0x80, 0x01);
    (void)weir_read_uvarint(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    reader = READER(0xff, 0xff, 0xff, 0xff, 0x1f); /* 33 bits */
    (void)weir_read_uvarint(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    reader = READER(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01);
    (void)weir_read_varlong(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
}

Test(wire_reader, a_varint_cut_short_is_truncated)
{
    struct weir_reader reader = READER(0x80, 0x80);
    (void)weir_read_uvarint(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
}

Test(wire_reader, strings_are_slices_of_the_input)
{
    static const uint8_t bytes[] = {0, 2, 'h', 'i', 3, 'y', 'o', 1};
    struct weir_reader reader = reader_of(bytes, sizeof(bytes));
    struct weir_slice old = weir_read_string(&reader, false, false);
    struct weir_slice flexible = weir_read_string(&reader, true, false);
    struct weir_slice empty = weir_read_string(&reader, true, false);
    cr_assert_eq(old.data, bytes + 2);
    cr_assert(weir_slice_is(flexible, "yo"));
    cr_assert_eq(flexible.data, bytes + 5);
    cr_assert(!weir_slice_is_null(empty) && empty.size == 0);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
}

Test(wire_reader, any_negative_length_is_null_where_null_may_be)
{
    struct weir_reader reader = READER(0xff, 0xff, 0x80, 0, 0, 0xff, 0xff, 0xff, 0xfb);
    cr_assert(weir_slice_is_null(weir_read_string(&reader, false, true)));
    cr_assert(weir_slice_is_null(weir_read_string(&reader, false, true)));
    cr_assert(weir_slice_is_null(weir_read_string(&reader, true, true)));
    cr_assert(weir_slice_is_null(weir_read_bytes(&reader, false, true)));
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
}

Test(wire_reader, null_where_it_may_not_be_is_invalid)
{
    struct weir_reader reader = READER(0xff, 0xff);
    (void)weir_read_string(&reader, false, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    reader = READER(0);
    (void)weir_read_bytes(&reader, true, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    reader = READER(0xff, 0xff, 0xff, 0xff);
    (void)weir_read_array_count(&reader, false, false, 1);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
}

Test(wire_reader, a_length_beyond_the_input_is_truncated)
{
    struct weir_reader reader = READER(0x7f, 0xff, 0xff, 0xff, 1, 2);
    (void)weir_read_bytes(&reader, false, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
    reader = READER(0xff, 0xff, 0xff, 0xff, 0x0f, 1);
    (void)weir_read_bytes(&reader, true, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
}

Test(wire_reader, a_flexible_string_longer_than_a_short_can_count_is_invalid)
{
    struct weir_buf buf = {0};
    const uint8_t length[] = {0x81, 0x80, 0x02}; /* 32768 + 1 */
    weir_buf_append(&buf, length, sizeof(length));
    cr_assert_not_null(memset(weir_buf_extend(&buf, 32768), 'x', 32768));
    struct weir_reader reader = reader_of(buf.data, buf.size);
    (void)weir_read_string(&reader, true, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    weir_buf_done(&buf);
}

Test(wire_reader, an_array_larger_than_its_bytes_allocates_nothing)
{
    struct weir_reader reader = READER(0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4);
    const struct weir_i32_array array = weir_read_i32_array(&reader, false, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
    cr_assert_eq(array.count, 0);
    cr_assert_eq(arena.used_bytes, 0);
    reader = READER(0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0); /* one byte short of two */
    (void)weir_read_i32_array(&reader, false, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
    cr_assert_eq(arena.used_bytes, 0);
}

Test(wire_reader, arrays_are_read_null_ones_too)
{
    struct weir_reader reader = READER(3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 3, 2, 'a', 1);
    const struct weir_i32_array numbers = weir_read_i32_array(&reader, true, false);
    const struct weir_i64_array none = weir_read_i64_array(&reader, true, true);
    const struct weir_string_array words = weir_read_string_array(&reader, true, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
    cr_assert_eq(numbers.count, 2);
    cr_assert_eq(numbers.items[1], 2);
    cr_assert_eq(none.count, -1);
    cr_assert_eq(words.count, 2);
    cr_assert(weir_slice_is(words.items[0], "a"));
    cr_assert_eq(words.items[1].size, 0);
}

Test(wire_reader, an_arena_that_is_full_is_no_memory)
{
    struct weir_arena small;
    weir_arena_init(&small, 16);
    static const uint8_t bytes[200] = {0, 0, 0, 40};
    struct weir_reader reader;
    weir_reader_init(&reader, weir_slice_of(bytes, sizeof(bytes)), &small);
    const struct weir_i32_array array = weir_read_i32_array(&reader, false, false);
    cr_assert_eq(weir_reader_status(&reader), WEIR_NO_MEMORY);
    cr_assert_eq(array.count, 0);
    weir_arena_done(&small);
}

Test(wire_reader, finish_refuses_bytes_that_are_left)
{
    struct weir_reader reader = READER(1, 2);
    (void)weir_read_i8(&reader);
    weir_reader_finish(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    reader = READER(1);
    (void)weir_read_i8(&reader);
    weir_reader_finish(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
}

Test(wire_reader, a_null_input_is_an_empty_one)
{
    struct weir_reader reader;
    weir_reader_init(&reader, WEIR_NULL_SLICE, &arena);
    cr_assert_eq(weir_reader_left(&reader), 0);
    (void)weir_read_i8(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_TRUNCATED);
}
