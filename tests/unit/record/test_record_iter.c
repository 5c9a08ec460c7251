/* SPDX-License-Identifier: Apache-2.0 */

#include "record_help.h"

#include <zlib.h>

enum { ALL_CODECS = 5 };

Test(record_iter, records_come_back_as_they_were_written_with_every_codec)
{
    for (int codec = 0; codec < ALL_CODECS; codec++) {
        struct weir_buf bytes = {0};
        struct weir_record_iter *iter = NULL;
        struct weir_record record;
        struct weir_batch_builder_options options = weir_batch_builder_options_default();
        options.codec = (enum weir_codec)codec;
        options.base_offset = 100;
        options.producer_id = 5;
        options.producer_epoch = 0;
        options.base_sequence = INT32_MAX;
        help_build(&options, 20, 3000, HELP_NOW_MS, &bytes);
        struct weir_batch batch = help_parse(&bytes);
        cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_OK);
        for (int i = 0; i < 20; i++) {
            char key[16];
            struct weir_record_header header;
            (void)snprintf(key, sizeof(key), "k%d", i);
            cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK);
            cr_assert_eq(record.index, i);
            cr_assert_eq(record.offset, 100 + i);
            cr_assert_eq(record.timestamp, HELP_NOW_MS + i);
            cr_assert_eq(record.sequence, i == 0 ? INT32_MAX : i - 1);
            cr_assert(weir_slice_is(record.key, key));
            cr_assert_eq(record.value.size, 3000);
            cr_assert_eq(record.header_count, i % 3 == 0);
            if (i % 3 == 0) {
                cr_assert_eq(weir_record_headers_next(&record.headers, &header), WEIR_OK);
                cr_assert(weir_slice_is(header.key, "h"));
                cr_assert_eq(weir_slice_is_null(header.value), i % 2 == 1);
            }
            cr_assert_eq(weir_record_headers_next(&record.headers, &header), WEIR_NOT_FOUND);
        }
        cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_NOT_FOUND);
        weir_record_iter_free(iter);
        weir_buf_done(&bytes);
    }
}

Test(record_iter, skipping_the_payload_checks_the_same)
{
    for (int codec = 0; codec < ALL_CODECS; codec++) {
        struct weir_buf bytes = {0};
        struct weir_record_iter *iter = NULL;
        struct weir_record record;
        struct weir_batch_builder_options options = weir_batch_builder_options_default();
        struct weir_record_iter_options skip = {.skip_payload = true};
        options.codec = (enum weir_codec)codec;
        help_build(&options, 7, 100000, HELP_NOW_MS, &bytes);
        struct weir_batch batch = help_parse(&bytes);
        cr_assert_eq(weir_record_iter_new(&batch, &skip, &iter, NULL), WEIR_OK);
        for (int i = 0; i < 7; i++) {
            cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK, "codec %d record %d",
                         codec, i);
            cr_assert_eq(record.key_bytes, 2);
            cr_assert_eq(record.value_bytes, 100000);
            cr_assert_eq(record.timestamp, HELP_NOW_MS + i);
            cr_assert(weir_slice_is_null(record.value));
        }
        cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_NOT_FOUND);
        weir_record_iter_free(iter);
        weir_buf_done(&bytes);
    }
}

/* Every byte of the records changed in turn: a record or a failure, never a crash or an endless
 * walk. */
Test(record_iter, damaged_records_end_in_a_status)
{
    for (int codec = 0; codec < ALL_CODECS; codec++) {
        struct weir_buf bytes = {0};
        struct weir_batch_builder_options options = weir_batch_builder_options_default();
        options.codec = (enum weir_codec)codec;
        help_build(&options, 4, 50, HELP_NOW_MS, &bytes);
        for (size_t at = 57; at < bytes.size; at++) {
            for (int bit = 0; bit < 8; bit++) {
                struct weir_record_iter_options skip = {.skip_payload = bit % 2 == 0,
                                                        .decompressed_bytes_max = 100000};
                enum weir_status status;
                bytes.data[at] ^= (uint8_t)(1 << bit);
                struct weir_batch batch = help_parse(&bytes);
                cr_assert_leq(help_count(&batch, &skip, &status), 5000);
                bytes.data[at] ^= (uint8_t)(1 << bit);
            }
        }
        weir_buf_done(&bytes);
    }
}

Test(record_iter, a_count_that_lies_is_invalid)
{
    for (int codec = 0; codec < 2; codec++) {
        struct weir_buf bytes = {0};
        enum weir_status status;
        struct weir_batch_builder_options options = weir_batch_builder_options_default();
        options.codec = (enum weir_codec)codec;
        help_build(&options, 4, 50, HELP_NOW_MS, &bytes);
        weir_put_i32(bytes.data + 57, 3);
        struct weir_batch batch = help_parse(&bytes);
        (void)help_count(&batch, NULL, &status);
        cr_assert_eq(status, WEIR_INVALID);
        weir_put_i32(bytes.data + 57, 5);
        batch = help_parse(&bytes);
        (void)help_count(&batch, NULL, &status);
        cr_assert_eq(status, WEIR_INVALID);
        weir_buf_done(&bytes);
    }
}

Test(record_iter, an_unknown_codec_is_unsupported)
{
    struct weir_buf bytes = {0};
    struct weir_record_iter *iter = NULL;
    help_wrap(5, 1, WEIR_SLICE("x"), &bytes);
    struct weir_batch batch = help_parse(&bytes);
    cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_UNSUPPORTED);
    weir_buf_done(&bytes);
}

Test(record_iter, log_append_time_is_every_records_time)
{
    struct weir_buf bytes = {0};
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.log_append_time = true;
    options.log_append_time_ms = 42;
    help_build(&options, 2, 5, HELP_NOW_MS, &bytes);
    struct weir_batch batch = help_parse(&bytes);
    cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_OK);
    cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK);
    cr_assert_eq(record.timestamp, 42);
    weir_record_iter_free(iter);
    weir_buf_done(&bytes);
}

/* --- Magic 0 and 1. --- */

static void add_legacy(struct weir_buf *out, int magic, int attributes, int64_t offset,
                       int64_t timestamp, struct weir_slice key, struct weir_slice value)
{
    struct weir_buf body = {0};
    uint8_t scratch[8];
    uint8_t head[2] = {(uint8_t)magic, (uint8_t)attributes};
    weir_buf_append(&body, head, 2);
    weir_put_i64(scratch, timestamp);
    if (magic == 1)
        weir_buf_append(&body, scratch, 8);
    weir_put_i32(scratch, weir_slice_is_null(key) ? -1 : (int32_t)key.size);
    weir_buf_append(&body, scratch, 4);
    weir_buf_append_slice(&body, key);
    weir_put_i32(scratch, weir_slice_is_null(value) ? -1 : (int32_t)value.size);
    weir_buf_append(&body, scratch, 4);
    weir_buf_append_slice(&body, value);
    weir_put_i64(scratch, offset);
    weir_buf_append(out, scratch, 8);
    weir_put_i32(scratch, (int32_t)body.size + 4);
    weir_buf_append(out, scratch, 4);
    weir_put_u32(scratch, (uint32_t)crc32(0, body.data, (uInt)body.size));
    weir_buf_append(out, scratch, 4);
    weir_buf_append_slice(out, weir_buf_slice(&body));
    weir_buf_done(&body);
}

Test(record_iter, old_messages_are_read)
{
    for (int magic = 0; magic <= 1; magic++) {
        struct weir_buf bytes = {0};
        struct weir_record_iter *iter = NULL;
        struct weir_record record;
        add_legacy(&bytes, magic, 0, 33, 44, WEIR_SLICE("k"), WEIR_NULL_SLICE);
        struct weir_batch batch = help_parse(&bytes);
        cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
        cr_assert_eq(batch.base_offset, 33);
        cr_assert_eq(batch.last_offset, 33);
        cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_OK);
        cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK);
        cr_assert_eq(record.offset, 33);
        cr_assert_eq(record.timestamp, magic == 1 ? 44 : -1);
        cr_assert(weir_slice_is(record.key, "k"));
        cr_assert_eq(record.value_bytes, -1);
        cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_NOT_FOUND);
        weir_record_iter_free(iter);
        bytes.data[bytes.size - 1] ^= 1;
        batch = help_parse(&bytes);
        cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_CORRUPT);
        weir_buf_done(&bytes);
    }
}

Test(record_iter, old_compressed_sets_have_the_outer_offset_at_their_end)
{
    for (int magic = 0; magic <= 1; magic++) {
        struct weir_buf inner = {0};
        struct weir_buf packed = {0};
        struct weir_buf bytes = {0};
        struct weir_compressor *compressor = NULL;
        struct weir_record_iter *iter = NULL;
        struct weir_record record;
        for (int i = 0; i < 3; i++)
            add_legacy(&inner, magic, 0, magic == 1 ? i : 10 + i, 100 + i, WEIR_NULL_SLICE,
                       WEIR_SLICE("v"));
        cr_assert_eq(
            weir_compressor_new(WEIR_CODEC_GZIP, WEIR_CODEC_LEVEL_DEFAULT, &packed, &compressor),
            WEIR_OK);
        weir_compressor_write(compressor, weir_buf_slice(&inner));
        cr_assert_eq(weir_compressor_finish(compressor), WEIR_OK);
        weir_compressor_free(compressor);
        add_legacy(&bytes, magic, WEIR_CODEC_GZIP, 12, 102, WEIR_NULL_SLICE,
                   weir_buf_slice(&packed));
        struct weir_batch batch = help_parse(&bytes);
        cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_OK);
        for (int i = 0; i < 3; i++) {
            cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK);
            cr_assert_eq(record.offset, 10 + i);
            cr_assert(weir_slice_is(record.value, "v"));
        }
        cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_NOT_FOUND);
        weir_record_iter_free(iter);
        weir_buf_done(&inner);
        weir_buf_done(&packed);
        weir_buf_done(&bytes);
    }
}
