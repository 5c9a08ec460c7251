/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/record_types.h"

#include "weir/protocol/records/offset_commit_key.h"
#include "weir/protocol/records/offset_commit_value.h"
#include "weir/protocol/records/topic_record.h"

#include <criterion/criterion.h>

static struct weir_arena arena;
static struct weir_buf buf;
static struct weir_writer writer;

static void start(void)
{
    weir_arena_init(&arena, (size_t)1 << 20);
    weir_buf_init(&buf, 0);
    weir_writer_init(&writer, &buf);
}

static void stop(void)
{
    weir_writer_done(&writer);
    weir_buf_done(&buf);
    weir_arena_done(&arena);
}

TestSuite(record_types, .init = start, .fini = stop);

static struct weir_reader reader_of(const void *bytes, size_t size)
{
    struct weir_reader reader;
    weir_reader_init(&reader, weir_slice_of(bytes, size), &arena);
    return reader;
}

Test(record_types, each_is_found_by_set_and_number)
{
    for (size_t i = 0; i < weir_record_type_count(); i++) {
        const struct weir_record_type *type = weir_record_type_at(i);
        cr_assert_not_null(type->value);
        if (type->set != WEIR_RECORD_SET_DATA)
            cr_assert_eq(weir_record_type_find(type->set, type->type), type);
        const bool is_keyed = type->set == WEIR_RECORD_SET_GROUP ||
                              type->set == WEIR_RECORD_SET_TXN ||
                              type->set == WEIR_RECORD_SET_SHARE;
        cr_assert_eq(type->key != NULL, is_keyed, "%s", type->name);
    }
    cr_assert_null(weir_record_type_find(WEIR_RECORD_SET_METADATA, 6));
}

Test(record_types, a_metadata_record_has_its_frame)
{
    struct weir_topic_record topic;
    weir_topic_record_init(&topic);
    topic.name = WEIR_SLICE("t");
    topic.topic_id.bytes[15] = 7;
    weir_metadata_record_write(&writer, WEIR_METADATA_RECORD_TOPIC, 0, &topic);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    const uint8_t expected[] = {1, 2, 0, 2, 't', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0};
    cr_assert(weir_slice_equal(weir_buf_slice(&buf), weir_slice_of(expected, sizeof(expected))));

    struct weir_reader reader = reader_of(buf.data, buf.size);
    struct weir_record_frame frame;
    weir_record_frame_read(&reader, &frame);
    cr_assert_eq(frame.type, WEIR_METADATA_RECORD_TOPIC);
    cr_assert_eq(frame.version, 0);
    struct weir_topic_record again;
    weir_topic_record_read(&reader, frame.version, &again);
    weir_reader_finish(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
    cr_assert(weir_slice_is(again.name, "t"));
}

Test(record_types, a_frame_of_another_version_is_unsupported)
{
    struct weir_record_frame frame;
    struct weir_reader reader = reader_of("\x02\x02\x00", 3);
    weir_record_frame_read(&reader, &frame);
    cr_assert_eq(weir_reader_status(&reader), WEIR_UNSUPPORTED);
}

Test(record_types, a_frame_with_a_type_beyond_a_short_is_invalid)
{
    struct weir_record_frame frame;
    struct weir_reader reader = reader_of("\x01\x80\x80\x02\x00", 5);
    weir_record_frame_read(&reader, &frame);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
    cr_assert_eq(frame.type, 0);
}

Test(record_types, a_coordinator_key_begins_with_its_type)
{
    struct weir_offset_commit_key key;
    weir_offset_commit_key_init(&key);
    key.group = WEIR_SLICE("g");
    key.topic = WEIR_SLICE("t");
    key.partition = 3;
    weir_coordinator_key_write(&writer, WEIR_RECORD_SET_GROUP, WEIR_GROUP_RECORD_OFFSET_COMMIT,
                               &key);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    const uint8_t expected[] = {0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 3};
    cr_assert(weir_slice_equal(weir_buf_slice(&buf), weir_slice_of(expected, sizeof(expected))));
    struct weir_reader reader = reader_of(buf.data, buf.size);
    cr_assert_eq(weir_coordinator_prefix_read(&reader), WEIR_GROUP_RECORD_OFFSET_COMMIT);
}

Test(record_types, a_coordinator_value_begins_with_its_version)
{
    struct weir_offset_commit_value value;
    weir_offset_commit_value_init(&value);
    value.offset = 5;
    weir_coordinator_value_write(&writer, WEIR_RECORD_SET_GROUP, WEIR_GROUP_RECORD_OFFSET_COMMIT, 3,
                                 &value);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    struct weir_reader reader = reader_of(buf.data, buf.size);
    cr_assert_eq(weir_coordinator_prefix_read(&reader), 3);
    struct weir_offset_commit_value again;
    weir_offset_commit_value_read(&reader, 3, &again);
    weir_reader_finish(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_OK);
    cr_assert_eq(again.offset, 5);
}

Test(record_types, types_and_versions_that_do_not_exist_are_unsupported)
{
    struct weir_offset_commit_value value;
    weir_offset_commit_value_init(&value);
    weir_coordinator_value_write(&writer, WEIR_RECORD_SET_GROUP, WEIR_GROUP_RECORD_OFFSET_COMMIT,
                                 99, &value);
    cr_assert_eq(weir_writer_status(&writer), WEIR_UNSUPPORTED);
    weir_writer_init(&writer, &buf);
    weir_coordinator_key_write(&writer, WEIR_RECORD_SET_TXN, 44, &value);
    cr_assert_eq(weir_writer_status(&writer), WEIR_UNSUPPORTED);
}

Test(record_types, a_negative_prefix_is_invalid)
{
    struct weir_reader reader = reader_of("\xff\xff", 2);
    (void)weir_coordinator_prefix_read(&reader);
    cr_assert_eq(weir_reader_status(&reader), WEIR_INVALID);
}
