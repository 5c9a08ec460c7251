/* SPDX-License-Identifier: Apache-2.0 */
/* By the example of ApiVersionsResponse version 4, whose last part is tagged fields 0 to 3. */
#include "weir/protocol/messages/api_versions_response.h"
#include "weir/protocol/records/consumer_group_member_metadata_value.h"
#include "weir/protocol/tagged_fields.h"

#include <criterion/criterion.h>

static struct weir_arena arena;
static struct weir_buf buf;

static void start(void)
{
    weir_arena_init(&arena, (size_t)1 << 20);
    weir_buf_init(&buf, 0);
}

static void stop(void)
{
    weir_arena_done(&arena);
    weir_buf_done(&buf);
}

TestSuite(tagged_fields, .init = start, .fini = stop);

static struct weir_api_versions_response response;

/* Reads error code 0, no APIs, throttle time 0, then these bytes. */
static enum weir_status read_with_tags(const uint8_t *tags, size_t size)
{
    static const uint8_t head[] = {0, 0, 1, 0, 0, 0, 0};
    weir_buf_clear(&buf);
    weir_buf_append(&buf, head, sizeof(head));
    weir_buf_append(&buf, tags, size);
    struct weir_reader reader;
    weir_reader_init(&reader, weir_buf_slice(&buf), &arena);
    weir_api_versions_response_read(&reader, 4, &response);
    weir_reader_finish(&reader);
    return weir_reader_status(&reader);
}

#define READ_TAGS(...)                                                                             \
    read_with_tags((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

#define EPOCH(last) 1, 8, 0, 0, 0, 0, 0, 0, 0, last

Test(tagged_fields, a_known_one_is_decoded)
{
    cr_assert_eq(READ_TAGS(1, EPOCH(9)), WEIR_OK);
    cr_assert_eq(response.finalized_features_epoch, 9);
    cr_assert_eq(response.unknown_tags.count, 0);
}

Test(tagged_fields, an_absent_one_has_its_default)
{
    cr_assert_eq(READ_TAGS(0), WEIR_OK);
    cr_assert_eq(response.finalized_features_epoch, -1);
}

Test(tagged_fields, unknown_ones_are_kept_and_written_between_the_known)
{
    cr_assert_eq(READ_TAGS(4, EPOCH(9), 3, 1, 1, 9, 2, 'a', 'b', 0x80, 1, 0), WEIR_OK);
    cr_assert_eq(response.unknown_tags.count, 2);
    cr_assert_eq(response.unknown_tags.items[0].tag, 9);
    cr_assert(weir_slice_is(response.unknown_tags.items[0].bytes, "ab"));
    cr_assert_eq(response.unknown_tags.items[1].tag, 128);
    struct weir_buf again = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &again);
    weir_api_versions_response_write(&writer, 4, &response);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    cr_assert(weir_slice_equal(weir_buf_slice(&again), weir_buf_slice(&buf)));
    weir_buf_done(&again);
}

Test(tagged_fields, the_same_tag_twice_is_invalid)
{
    cr_assert_eq(READ_TAGS(2, EPOCH(9), EPOCH(9)), WEIR_INVALID);
    cr_assert_eq(READ_TAGS(2, 7, 0, 7, 0), WEIR_INVALID);
}

Test(tagged_fields, tags_that_do_not_rise_are_invalid)
{
    cr_assert_eq(READ_TAGS(2, 9, 0, EPOCH(9)), WEIR_INVALID);
}

Test(tagged_fields, a_known_one_of_the_wrong_size_is_invalid)
{
    cr_assert_eq(READ_TAGS(1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0), WEIR_INVALID);
    cr_assert_neq(READ_TAGS(1, 1, 7, 0, 0, 0, 0, 0, 0, 0, 9), WEIR_OK);
}

Test(tagged_fields, a_field_never_reads_beyond_its_size)
{
    /* Field 0 is an array that says 1 element of 7 bytes; its size leaves room for the count only,
     * though the bytes go on. */
    cr_assert_neq(READ_TAGS(2, 0, 1, 2, EPOCH(9)), WEIR_OK);
}

Test(tagged_fields, a_size_beyond_the_input_is_truncated)
{
    cr_assert_eq(READ_TAGS(1, 9, 0xff, 0xff, 0xff, 0xff, 0x0f), WEIR_TRUNCATED);
}

Test(tagged_fields, a_count_beyond_the_input_is_truncated_and_allocates_nothing)
{
    cr_assert_eq(READ_TAGS(0xff, 0xff, 0xff, 0xff, 0x0f, 9, 0), WEIR_TRUNCATED);
    cr_assert_eq(arena.used_bytes, 0);
}

Test(tagged_fields, an_unknown_one_with_a_known_tag_is_not_written)
{
    struct weir_tag tag = {1, WEIR_SLICE("x")};
    struct weir_writer writer;
    weir_writer_init(&writer, &buf);
    weir_api_versions_response_init(&response);
    response.finalized_features_epoch = 5;
    response.unknown_tags = (struct weir_tags){&tag, 1};
    weir_api_versions_response_write(&writer, 4, &response);
    cr_assert_eq(weir_writer_status(&writer), WEIR_INVALID);
}

Test(tagged_fields, unknown_ones_cannot_go_into_a_version_that_is_not_flexible)
{
    struct weir_tag tag = {9, WEIR_SLICE("x")};
    struct weir_writer writer;
    weir_writer_init(&writer, &buf);
    weir_api_versions_response_init(&response);
    response.unknown_tags = (struct weir_tags){&tag, 1};
    weir_api_versions_response_write(&writer, 2, &response);
    cr_assert_eq(weir_writer_status(&writer), WEIR_UNSUPPORTED);
}

Test(tagged_fields, a_size_of_two_bytes_is_put_before_what_was_written)
{
    struct weir_writer writer;
    weir_writer_init(&writer, &buf);
    weir_write_i8(&writer, 77);
    const size_t begin = weir_write_tag_begin(&writer, 5);
    for (int i = 0; i < 200; i++)
        weir_write_i8(&writer, (int8_t)i);
    weir_write_tag_end(&writer, begin);
    weir_write_i8(&writer, 78);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    cr_assert_eq(buf.size, 1 + 1 + 2 + 200 + 1);
    const uint8_t head[] = {77, 5, 0xc8, 1, 0, 1, 2};
    cr_assert_eq(memcmp(buf.data, head, sizeof(head)), 0);
    cr_assert_eq(buf.data[buf.size - 1], 78);
}

/* The bytes Apache Kafka 4.3.0 itself writes: default, null, and a session timeout of 5. */
static enum weir_status read_member(const uint8_t *bytes, size_t size,
                                    struct weir_consumer_group_member_metadata_value *out)
{
    struct weir_reader reader;
    weir_reader_init(&reader, weir_slice_of(bytes, size), &arena);
    weir_consumer_group_member_metadata_value_read(&reader, 0, out);
    weir_reader_finish(&reader);
    return weir_reader_status(&reader);
}

static void expect_written(const struct weir_consumer_group_member_metadata_value *member,
                           const uint8_t *bytes, size_t size)
{
    struct weir_writer writer;
    weir_buf_clear(&buf);
    weir_writer_init(&writer, &buf);
    weir_consumer_group_member_metadata_value_write(&writer, 0, member);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    cr_assert(weir_slice_equal(weir_buf_slice(&buf), weir_slice_of(bytes, size)));
}

#define MEMBER_HEAD 1, 1, 1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 1

Test(tagged_fields, a_nullable_struct_in_one_is_announced_by_a_varint)
{
    static const uint8_t by_default[] = {MEMBER_HEAD, 0};
    static const uint8_t null[] = {MEMBER_HEAD, 1, 0, 1, 0};
    static const uint8_t set[] = {MEMBER_HEAD, 1, 0, 7, 1, 0, 0, 0, 5, 1, 0};
    struct weir_consumer_group_member_metadata_value member;
    cr_assert_eq(read_member(by_default, sizeof(by_default), &member), WEIR_OK);
    cr_assert_not_null(member.classic_member_metadata);
    expect_written(&member, by_default, sizeof(by_default));
    cr_assert_eq(read_member(null, sizeof(null), &member), WEIR_OK);
    cr_assert_null(member.classic_member_metadata);
    expect_written(&member, null, sizeof(null));
    cr_assert_eq(read_member(set, sizeof(set), &member), WEIR_OK);
    cr_assert_eq(member.classic_member_metadata->session_timeout_ms, 5);
    expect_written(&member, set, sizeof(set));
}
