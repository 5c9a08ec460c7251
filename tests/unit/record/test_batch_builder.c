/* SPDX-License-Identifier: Apache-2.0 */

#include "record_help.h"

/* The bytes of reference B.1: one record with headers h=x and n=null. */
Test(batch_builder, a_batch_is_apache_kafkas_to_the_byte)
{
    static const uint8_t record_bytes[] = {0x20, 0x00, 0x00, 0x00, 0x02, 0x6b, 0x04, 0x76, 0x31,
                                           0x04, 0x02, 0x68, 0x02, 0x78, 0x02, 0x6e, 0x01};
    struct weir_buf out = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_header headers[] = {{WEIR_SLICE("h"), WEIR_SLICE("x")},
                                           {WEIR_SLICE("n"), WEIR_NULL_SLICE}};
    struct weir_record_data record = {.timestamp = 0x000001a1fbfafbc8,
                                      .key = WEIR_SLICE("k"),
                                      .value = WEIR_SLICE("v1"),
                                      .headers = headers,
                                      .header_count = 2};
    options.partition_leader_epoch = 0;
    cr_assert_eq(weir_batch_builder_new(&options, &out, &builder), WEIR_OK);
    weir_batch_builder_add(builder, &record);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    cr_assert_eq(out.size, 0x42 + 12);
    cr_assert_eq(memcmp(out.data + 61, record_bytes, sizeof(record_bytes)), 0);
    cr_assert_eq(weir_get_u32(out.data + 17), 0xe7e863a0);
    weir_buf_done(&out);
}

Test(batch_builder, gaps_and_a_later_end_are_kept)
{
    struct weir_buf out = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_data record = {
        .timestamp = 5, .key = WEIR_SLICE("k"), .value = WEIR_NULL_SLICE};
    cr_assert_eq(weir_batch_builder_new(&options, &out, &builder), WEIR_OK);
    weir_batch_builder_add_at(builder, 3, &record);
    weir_batch_builder_add_at(builder, 7, &record);
    weir_batch_builder_set_last_offset_delta(builder, 9);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    struct weir_batch batch = help_parse(&out);
    cr_assert_eq(batch.last_offset_delta, 9);
    cr_assert_eq(batch.record_count, 2);
    cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
    weir_buf_done(&out);
}

Test(batch_builder, falling_deltas_are_refused)
{
    struct weir_buf out = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_data record = {.timestamp = 5};
    cr_assert_eq(weir_batch_builder_new(&options, &out, &builder), WEIR_OK);
    weir_batch_builder_add_at(builder, 3, &record);
    weir_batch_builder_add_at(builder, 3, &record);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_INVALID);
    weir_batch_builder_free(builder);
    weir_buf_done(&out);
}

Test(batch_builder, counted_headers_that_are_not_given_are_refused)
{
    struct weir_buf out = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_data record = {.timestamp = 5, .header_count = 1};
    cr_assert_eq(weir_batch_builder_new(&options, &out, &builder), WEIR_OK);
    weir_batch_builder_add(builder, &record);
    cr_assert_eq(weir_batch_builder_count(builder), 0);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_INVALID);
    weir_batch_builder_free(builder);
    weir_buf_done(&out);
}

Test(batch_builder, the_size_bound_holds)
{
    struct weir_buf out = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    cr_assert_eq(weir_batch_builder_new(&options, &out, &builder), WEIR_OK);
    for (int i = 0; i < 100; i++) {
        struct weir_record_data record = {.timestamp = i % 2 == 0 ? INT64_MAX : 0,
                                          .key = WEIR_SLICE("key"),
                                          .value = WEIR_SLICE("value")};
        size_t before = weir_batch_builder_bytes(builder);
        weir_batch_builder_add(builder, &record);
        cr_assert_leq(weir_batch_builder_bytes(builder) - before, weir_record_bytes_bound(&record));
    }
    cr_assert_eq(weir_batch_builder_count(builder), 100);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    cr_assert_eq(weir_batch_builder_bytes(builder), out.size);
    weir_batch_builder_free(builder);
    weir_buf_done(&out);
}

Test(batch_builder, recompression_changes_nothing_but_the_codec)
{
    for (int from = 0; from < 5; from++) {
        for (int to = 0; to < 5; to++) {
            struct weir_buf bytes = {0};
            struct weir_buf again = {0};
            struct weir_batch_builder_options options = weir_batch_builder_options_default();
            enum weir_status status;
            options.codec = (enum weir_codec)from;
            options.base_offset = 17;
            options.producer_id = 4;
            options.producer_epoch = 1;
            options.base_sequence = 6;
            options.is_transactional = true;
            help_build(&options, 30, 40, HELP_NOW_MS, &bytes);
            struct weir_batch batch = help_parse(&bytes);
            cr_assert_eq(weir_batch_recompress(&batch, (enum weir_codec)to,
                                               WEIR_CODEC_LEVEL_DEFAULT, 0, &again, NULL),
                         WEIR_OK);
            struct weir_batch other = help_parse(&again);
            cr_assert_eq(other.attributes & WEIR_BATCH_CODEC_MASK, to);
            cr_assert_eq(other.base_offset, 17);
            cr_assert_eq(other.base_sequence, 6);
            cr_assert_eq(other.base_timestamp, batch.base_timestamp);
            cr_assert_eq(other.max_timestamp, batch.max_timestamp);
            cr_assert(weir_batch_is_transactional(&other));
            cr_assert_eq(weir_batch_check(&other, NULL), WEIR_OK);
            cr_assert_eq(help_count(&other, NULL, &status), 30);
            cr_assert_eq(status, WEIR_OK);
            weir_buf_done(&bytes);
            weir_buf_done(&again);
        }
    }
}

Test(batch_builder, out_of_memory_at_any_point_is_a_status)
{
    for (int codec = 0; codec < 5; codec++) {
        for (long n = 1; n < 12; n++) {
            struct weir_buf out = {0};
            struct weir_batch_builder *builder = NULL;
            struct weir_batch_builder_options options = weir_batch_builder_options_default();
            struct weir_record_data record = {.timestamp = 5, .value = WEIR_SLICE("v")};
            options.codec = (enum weir_codec)codec;
            weir_memory_fail_after(n);
            enum weir_status status = weir_batch_builder_new(&options, &out, &builder);
            if (status == WEIR_OK) {
                for (int i = 0; i < 1000; i++)
                    weir_batch_builder_add(builder, &record);
                status = weir_batch_builder_finish(builder);
            }
            weir_memory_fail_after(-1);
            cr_assert(status == WEIR_OK || status == WEIR_NO_MEMORY);
            weir_batch_builder_free(builder);
            weir_buf_done(&out);
        }
    }
}
