/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/arrays.h"

#include "weir/base/memory.h"

#include <criterion/criterion.h>

static struct weir_buf buf;
static struct weir_writer writer;

static void start(void)
{
    weir_buf_init(&buf, 0);
    weir_writer_init(&writer, &buf);
}

static void stop(void)
{
    weir_writer_done(&writer);
    weir_buf_done(&buf);
}

TestSuite(wire_writer, .init = start, .fini = stop);

static void expect_bytes(const uint8_t *bytes, size_t size)
{
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    cr_assert(weir_slice_equal(weir_buf_slice(&buf), weir_slice_of(bytes, size)));
}

#define EXPECT_BYTES(...)                                                                          \
    expect_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

Test(wire_writer, integers_are_big_endian)
{
    weir_write_i8(&writer, -1);
    weir_write_i16(&writer, -2);
    weir_write_u16(&writer, 0x1234);
    weir_write_i32(&writer, 5);
    weir_write_u32(&writer, 0xfffffffeu);
    weir_write_i64(&writer, INT64_MIN + 1);
    weir_write_bool(&writer, true);
    weir_write_f64(&writer, 1.5);
    EXPECT_BYTES(0xff, 0xff, 0xfe, 0x12, 0x34, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xfe, 0x80, 0, 0, 0, 0,
                 0, 0, 1, 1, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0);
}

Test(wire_writer, varints_are_as_short_as_they_can_be)
{
    weir_write_uvarint(&writer, 127);
    weir_write_uvarint(&writer, 128);
    weir_write_uvarint(&writer, UINT32_MAX);
    weir_write_varint(&writer, -1);
    weir_write_varlong(&writer, INT64_MIN);
    EXPECT_BYTES(0x7f, 0x80, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                 0xff, 0xff, 0xff, 1);
}

Test(wire_writer, strings_and_bytes_have_both_forms)
{
    weir_write_string(&writer, WEIR_SLICE("hi"), false, false);
    weir_write_string(&writer, WEIR_SLICE("hi"), true, false);
    weir_write_bytes(&writer, WEIR_SLICE("x"), false, false);
    weir_write_bytes(&writer, WEIR_EMPTY_SLICE, true, false);
    EXPECT_BYTES(0, 2, 'h', 'i', 3, 'h', 'i', 0, 0, 0, 1, 'x', 1);
}

Test(wire_writer, nulls_have_both_forms)
{
    weir_write_string(&writer, WEIR_NULL_SLICE, false, true);
    weir_write_string(&writer, WEIR_NULL_SLICE, true, true);
    weir_write_bytes(&writer, WEIR_NULL_SLICE, false, true);
    weir_write_array_count(&writer, -1, true, true);
    weir_write_array_count(&writer, -1, false, true);
    weir_write_records(&writer, (struct weir_records){.bytes = WEIR_NULL_SLICE}, true, true);
    EXPECT_BYTES(0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0);
}

Test(wire_writer, null_where_it_may_not_be_is_invalid)
{
    weir_write_string(&writer, WEIR_NULL_SLICE, false, false);
    cr_assert_eq(weir_writer_status(&writer), WEIR_INVALID);
}

Test(wire_writer, a_null_array_where_it_may_not_be_is_invalid)
{
    weir_write_i32_array(&writer, (struct weir_i32_array){NULL, -1}, true, false);
    cr_assert_eq(weir_writer_status(&writer), WEIR_INVALID);
}

Test(wire_writer, a_string_that_is_too_long_is_invalid)
{
    char *text = weir_calloc(1, 32768);
    weir_write_string(&writer, weir_slice_of(text, 32767), false, false);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    weir_write_string(&writer, weir_slice_of(text, 32768), true, false);
    cr_assert_eq(weir_writer_status(&writer), WEIR_INVALID);
    weir_free(text);
}

Test(wire_writer, the_first_failure_stays)
{
    weir_writer_fail(&writer, WEIR_UNSUPPORTED);
    weir_writer_fail(&writer, WEIR_INVALID);
    cr_assert_eq(weir_writer_status(&writer), WEIR_UNSUPPORTED);
}

Test(wire_writer, a_full_buffer_is_the_writers_failure)
{
    buf.limit_bytes = 3;
    weir_write_i32(&writer, 1);
    cr_assert_neq(weir_writer_status(&writer), WEIR_OK);
}

Test(wire_writer, record_sources_become_splices_and_count_as_written)
{
    int first, second;
    const struct weir_records_source sources[] = {{&first, 100}, {&second, 0}, {&second, 28}};
    const struct weir_records records = {WEIR_SLICE("ab"), sources, 3};
    weir_write_i8(&writer, 7);
    weir_write_records(&writer, records, false, true);
    weir_write_i8(&writer, 8);
    EXPECT_BYTES(7, 0, 0, 0, 130, 'a', 'b', 8);
    cr_assert_eq(weir_writer_size(&writer), 8 + 128);
    cr_assert_eq(writer.splice_count, 2);
    cr_assert_eq(writer.splices[0].at, 7);
    cr_assert_eq(writer.splices[0].source.source, &first);
    cr_assert_eq(writer.splices[1].at, 7);
    cr_assert_eq(writer.splices[1].source.size, 28);
}

Test(wire_writer, records_that_only_lie_in_files_are_not_null)
{
    int source;
    const struct weir_records_source sources[] = {{&source, 5}};
    weir_write_records(&writer, (struct weir_records){WEIR_NULL_SLICE, sources, 1}, true, false);
    EXPECT_BYTES(6);
    cr_assert_eq(writer.spliced_bytes, 5);
}

Test(wire_writer, record_sources_too_large_for_a_length_are_invalid)
{
    int source;
    const struct weir_records_source sources[] = {{&source, SIZE_MAX}, {&source, 2}};
    weir_write_records(&writer, (struct weir_records){WEIR_NULL_SLICE, sources, 2}, true, false);
    cr_assert_eq(weir_writer_status(&writer), WEIR_INVALID);
    cr_assert_eq(writer.splice_count, 0);
}

Test(wire_writer, a_splice_without_memory_is_no_memory)
{
    int source;
    const struct weir_records_source sources[] = {{&source, 5}};
    weir_write_i64(&writer, 1); /* the buffer has its memory by now */
    weir_memory_fail_after(0);
    weir_write_records(&writer, (struct weir_records){WEIR_NULL_SLICE, sources, 1}, true, false);
    weir_memory_fail_after(-1);
    cr_assert_eq(weir_writer_status(&writer), WEIR_NO_MEMORY);
}
