/* SPDX-License-Identifier: Apache-2.0 */

#include "record_help.h"

static struct weir_produce_check_options options;
static struct weir_checked_batch checked;
static struct weir_produce_errors errors;
static struct weir_buf bytes;

static void start(void)
{
    options = (struct weir_produce_check_options){.topic = WEIR_SLICE("t"),
                                                  .partition = 3,
                                                  .keep_codec = true,
                                                  .level = WEIR_CODEC_LEVEL_DEFAULT,
                                                  .timestamp_before_max_ms = INT64_MAX,
                                                  .timestamp_after_max_ms = 3600000,
                                                  .batch_bytes_max = 1048588,
                                                  .segment_bytes_max = 1 << 30,
                                                  .now_ms = HELP_NOW_MS + 1000};
    bytes = (struct weir_buf){0};
}

static void stop(void)
{
    weir_checked_batch_done(&checked);
    weir_produce_errors_done(&errors);
    weir_buf_done(&bytes);
}

TestSuite(produce_check, .init = start, .fini = stop);

/* Checks what is in bytes, as a broker does. */
static enum weir_status check(void)
{
    weir_checked_batch_done(&checked);
    weir_produce_errors_done(&errors);
    memset(&checked, 0, sizeof(checked));
    memset(&errors, 0, sizeof(errors));
    struct weir_batch batch;
    enum weir_status status =
        weir_produce_records_check(weir_buf_slice(&bytes), true, &batch, &errors.message);
    if (status != WEIR_OK)
        return status;
    return weir_produce_check(&batch, &options, &checked, &errors);
}

/* What would be written. */
static struct weir_batch written(struct weir_buf *out)
{
    weir_buf_append(out, checked.head, sizeof(checked.head));
    weir_buf_append_slice(out, checked.body);
    struct weir_batch batch = help_parse(out);
    cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
    return batch;
}

Test(produce_check, a_good_batch_passes_untouched)
{
    struct weir_buf out = {0};
    help_plain(3, &bytes);
    cr_assert_eq(check(), WEIR_OK);
    cr_assert_eq(checked.log_append_time_ms, -1);
    (void)written(&out);
    cr_assert(weir_slice_equal(weir_buf_slice(&out), weir_buf_slice(&bytes)));
    weir_buf_done(&out);
}

/* --- The request's rules. --- */

Test(produce_check, exactly_one_batch_of_magic_2)
{
    cr_assert_eq(check(), WEIR_INVALID_RECORD); /* none */
    help_plain(1, &bytes);
    help_plain(1, &bytes);
    cr_assert_eq(check(), WEIR_INVALID_RECORD);
    bytes.size /= 2;
    bytes.data[16] = 1;
    cr_assert_eq(check(), WEIR_INVALID_RECORD);
    bytes.data[16] = 3;
    cr_assert_eq(check(), WEIR_CORRUPT_MESSAGE);
    cr_assert_str_eq(errors.message.text, "Invalid magic found in record: 3");
}

Test(produce_check, a_torn_batch_is_none_and_junk_behind_one_is_ignored)
{
    help_plain(1, &bytes);
    weir_buf_append_str(&bytes, "xx");
    cr_assert_eq(check(), WEIR_OK);
    bytes.size -= 5;
    cr_assert_eq(check(), WEIR_INVALID_RECORD);
}

Test(produce_check, zeros_are_told_apart_by_their_number)
{
    static const uint8_t zeros[100];
    weir_buf_append(&bytes, zeros, 10);
    cr_assert_eq(check(), WEIR_INVALID_RECORD);
    weir_buf_append(&bytes, zeros, 90);
    cr_assert_eq(check(), WEIR_CORRUPT_MESSAGE);
    cr_assert_str_eq(errors.message.text,
                     "Record size 0 is less than the minimum record overhead (14)");
}

Test(produce_check, zstd_needs_a_version_that_has_it)
{
    struct weir_batch batch;
    struct weir_batch_builder_options zstd = weir_batch_builder_options_default();
    zstd.codec = WEIR_CODEC_ZSTD;
    help_build(&zstd, 1, 5, HELP_NOW_MS, &bytes);
    cr_assert_eq(weir_produce_records_check(weir_buf_slice(&bytes), false, &batch, NULL),
                 WEIR_UNSUPPORTED_COMPRESSION_TYPE);
}

/* --- The log's rules, in order. --- */

Test(produce_check, header_rules)
{
    static const struct {
        size_t at;
        int width;
        int64_t value;
        enum weir_status expected;
    } cases[] = {{0, 8, 77, WEIR_INVALID_RECORD},  {23, 4, -1, WEIR_INVALID_RECORD},
                 {23, 4, 7, WEIR_INVALID_RECORD},  {57, 4, 0, WEIR_INVALID_RECORD},
                 {57, 4, 5, WEIR_INVALID_RECORD},  {57, 4, 1, WEIR_INVALID_RECORD},
                 {57, 4, -1, WEIR_INVALID_RECORD}, {21, 2, 32, WEIR_INVALID_RECORD},
                 {43, 8, 5, WEIR_INVALID_RECORD},  {21, 2, 5, WEIR_UNKNOWN_SERVER_ERROR}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weir_buf_clear(&bytes);
        help_plain(2, &bytes);
        uint8_t *at = bytes.data + cases[i].at;
        if (cases[i].width == 8)
            weir_put_i64(at, cases[i].value);
        else if (cases[i].width == 4)
            weir_put_i32(at, (int32_t)cases[i].value);
        else
            weir_put_i16(at, (int16_t)cases[i].value);
        help_fix_crc(&bytes);
        cr_assert_eq(check(), cases[i].expected, "case %zu", i);
        cr_assert_eq(errors.message.text[0], '\0');
        cr_assert_eq(errors.count, 0);
    }
}

Test(produce_check, a_wrong_checksum_is_corrupt_but_size_comes_first)
{
    help_plain(2, &bytes);
    bytes.data[bytes.size - 1] ^= 1;
    cr_assert_eq(check(), WEIR_CORRUPT_MESSAGE);
    options.batch_bytes_max = (int64_t)bytes.size - 1;
    cr_assert_eq(check(), WEIR_MESSAGE_TOO_LARGE);
}

Test(produce_check, a_batch_larger_than_a_segment)
{
    help_plain(2, &bytes);
    options.segment_bytes_max = (int64_t)bytes.size - 1;
    cr_assert_eq(check(), WEIR_RECORD_LIST_TOO_LARGE);
}

Test(produce_check, malformed_records_refuse_the_batch_without_words)
{
    static const struct weir_slice payloads[] = {{(const uint8_t *)"\xff\xff\xff\xff\x0f", 5},
                                                 {(const uint8_t *)"\x02", 1},
                                                 {(const uint8_t *)"", 0}};
    for (size_t i = 0; i < 3; i++) {
        weir_buf_clear(&bytes);
        help_wrap(0, 1, payloads[i], &bytes);
        cr_assert_eq(check(), WEIR_INVALID_RECORD);
        cr_assert_eq(errors.message.text[0], '\0');
    }
}

Test(produce_check, streams_that_do_not_decompress)
{
    for (int codec = 1; codec <= 4; codec++) {
        weir_buf_clear(&bytes);
        help_wrap(codec, 1, WEIR_SLICE("garbage garbage"), &bytes);
        cr_assert_eq(check(), WEIR_UNKNOWN_SERVER_ERROR, "codec %d", codec);
    }
}

Test(produce_check, a_bomb_is_refused_and_costs_little)
{
    struct weir_buf packed = {0};
    struct weir_compressor *compressor = NULL;
    uint8_t *zeros = weir_calloc(1, 1 << 20);
    cr_assert_eq(weir_compressor_new(WEIR_CODEC_GZIP, 9, &packed, &compressor), WEIR_OK);
    for (int i = 0; i < 30; i++)
        weir_compressor_write(compressor, weir_slice_of(zeros, 1 << 20));
    cr_assert_eq(weir_compressor_finish(compressor), WEIR_OK);
    weir_compressor_free(compressor);
    help_wrap(WEIR_CODEC_GZIP, 1, weir_buf_slice(&packed), &bytes);
    cr_assert_eq(check(), WEIR_INVALID_RECORD);
    weir_free(zeros);
    weir_buf_done(&packed);
    /* One huge record that is well formed, above the cap. */
    struct weir_batch_builder_options zstd = weir_batch_builder_options_default();
    zstd.codec = WEIR_CODEC_ZSTD;
    weir_buf_clear(&bytes);
    help_build(&zstd, 1, 8 << 20, HELP_NOW_MS, &bytes);
    cr_assert_eq(check(), WEIR_OK);
    options.decompressed_bytes_max = 1 << 20;
    cr_assert_eq(check(), WEIR_LIMIT);
}

Test(produce_check, compacted_topics_want_keys)
{
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options plain = weir_batch_builder_options_default();
    struct weir_record_data with_key = {
        .timestamp = HELP_NOW_MS, .key = WEIR_SLICE("a"), .value = WEIR_SLICE("b")};
    struct weir_record_data without = {.timestamp = HELP_NOW_MS, .value = WEIR_SLICE("v")};
    cr_assert_eq(weir_batch_builder_new(&plain, &bytes, &builder), WEIR_OK);
    weir_batch_builder_add(builder, &with_key);
    weir_batch_builder_add(builder, &without);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    cr_assert_eq(check(), WEIR_OK);
    options.is_compacted = true;
    cr_assert_eq(check(), WEIR_INVALID_RECORD);
    cr_assert_eq(errors.count, 1);
    cr_assert_eq(errors.items[0].index, 1);
    cr_assert(
        weir_slice_is(errors.items[0].message,
                      "Compacted topic cannot accept message without key in topic partition t-3"));
    cr_assert_str_eq(errors.message.text, "One or more records have been rejected due to 1 record "
                                          "errors in total, and only showing the "
                                          "first three errors at most: [RecordError(batchIndex=1, "
                                          "message='Compacted topic cannot accept "
                                          "message without key in topic partition t-3')]");
}

Test(produce_check, create_times_must_be_near_now)
{
    options.timestamp_before_max_ms = 1000;
    options.timestamp_after_max_ms = 1000;
    struct weir_batch_builder_options plain = weir_batch_builder_options_default();
    help_build(&plain, 1, 5, 1000000, &bytes);
    cr_assert_eq(check(), WEIR_INVALID_TIMESTAMP);
    cr_assert_str_eq(errors.message.text,
                     "One or more records have been rejected due to invalid timestamp");
    cr_assert_eq(errors.count, 1);
    char expected[200];
    (void)snprintf(expected, sizeof(expected),
                   "Timestamp 1000000 of message with offset 0 is out of range. The timestamp "
                   "should be within "
                   "[%lld, %lld]",
                   (long long)options.now_ms - 1000, (long long)options.now_ms + 1000);
    cr_assert(weir_slice_is(errors.items[0].message, expected));
    weir_buf_clear(&bytes);
    help_build(&plain, 1, 5, (int64_t)1 << 50, &bytes);
    cr_assert_eq(check(), WEIR_INVALID_TIMESTAMP);
    weir_buf_clear(&bytes);
    help_build(&plain, 1, 5, -1, &bytes);
    cr_assert_eq(check(), WEIR_OK, "no timestamp is none to check");
    options.timestamp_before_max_ms = INT64_MAX;
    options.timestamp_after_max_ms = INT64_MAX;
    weir_buf_clear(&bytes);
    help_build(&plain, 1, 5, (int64_t)1 << 50, &bytes);
    cr_assert_eq(check(), WEIR_OK);
}

Test(produce_check, many_record_errors_are_counted_and_cut)
{
    options.timestamp_after_max_ms = 0;
    struct weir_batch_builder_options plain = weir_batch_builder_options_default();
    help_build(&plain, 500, 5, options.now_ms + 1, &bytes);
    cr_assert_eq(check(), WEIR_INVALID_TIMESTAMP);
    cr_assert_eq(errors.total, 500);
    cr_assert_eq(errors.count, WEIR_RECORD_ERRORS_MAX);
    cr_assert_eq(errors.items[WEIR_RECORD_ERRORS_MAX - 1].message.size,
                 errors.items[10].message.size);
}

/* --- What is written. --- */

Test(produce_check, log_append_time_replaces_the_time_and_the_checksum)
{
    struct weir_buf out = {0};
    options.log_append_time = true;
    help_plain(2, &bytes);
    cr_assert_eq(check(), WEIR_OK);
    cr_assert_eq(checked.log_append_time_ms, options.now_ms);
    struct weir_batch batch = written(&out);
    cr_assert_eq(batch.attributes, WEIR_BATCH_LOG_APPEND_TIME);
    cr_assert_eq(batch.max_timestamp, options.now_ms);
    cr_assert_eq(batch.base_timestamp, HELP_NOW_MS, "the producer's, as Apache Kafka leaves it");
    weir_buf_done(&out);
}

Test(produce_check, a_client_may_not_set_log_append_time_there)
{
    help_plain(2, &bytes);
    weir_put_i16(bytes.data + 21, WEIR_BATCH_LOG_APPEND_TIME);
    help_fix_crc(&bytes);
    options.log_append_time = true;
    cr_assert_eq(check(), WEIR_INVALID_TIMESTAMP);
    cr_assert_eq(errors.count, 2);
    char expected[200];
    (void)snprintf(expected, sizeof(expected),
                   "Invalid timestamp type in message DefaultRecord(offset=1, timestamp=%lld, "
                   "key=2 bytes, value=5 "
                   "bytes). Producer should not set timestamp type to LogAppendTime.",
                   (long long)HELP_NOW_MS + 1);
    cr_assert(weir_slice_is(errors.items[1].message, expected), "%.*s",
              WEIR_SLICE_ARGS(errors.items[1].message));
    /* On a CreateTime topic the bit is taken off. */
    struct weir_buf out = {0};
    options.log_append_time = false;
    cr_assert_eq(check(), WEIR_OK);
    struct weir_batch batch = written(&out);
    cr_assert_eq(batch.attributes, 0);
    weir_buf_done(&out);
}

Test(produce_check, a_wrong_max_timestamp_is_put_right)
{
    struct weir_buf out = {0};
    help_plain(2, &bytes);
    weir_put_i64(bytes.data + 35, 5);
    help_fix_crc(&bytes);
    cr_assert_eq(check(), WEIR_OK);
    struct weir_batch batch = written(&out);
    cr_assert_eq(batch.max_timestamp, HELP_NOW_MS + 1);
    weir_buf_done(&out);
}

Test(produce_check, another_codec_means_a_rebuilt_batch)
{
    for (int from = 0; from < 5; from++) {
        for (int to = 0; to < 5; to++) {
            struct weir_buf out = {0};
            enum weir_status status;
            struct weir_batch_builder_options source = weir_batch_builder_options_default();
            source.codec = (enum weir_codec)from;
            source.producer_id = 9;
            source.producer_epoch = 1;
            source.base_sequence = 4;
            weir_buf_clear(&bytes);
            help_build(&source, 20, 30, HELP_NOW_MS, &bytes);
            options.keep_codec = false;
            options.codec = (enum weir_codec)to;
            cr_assert_eq(check(), WEIR_OK);
            struct weir_batch batch = written(&out);
            cr_assert_eq(batch.attributes, to);
            cr_assert_eq(batch.producer_id, 9);
            cr_assert_eq(batch.base_sequence, 4);
            cr_assert_eq(help_count(&batch, NULL, &status), 20);
            cr_assert_eq(status, WEIR_OK);
            weir_buf_done(&out);
        }
    }
}

Test(produce_check, a_rebuilt_batch_may_become_too_large)
{
    struct weir_batch_builder_options source = weir_batch_builder_options_default();
    source.codec = WEIR_CODEC_ZSTD;
    help_build(&source, 20, 1000, HELP_NOW_MS, &bytes);
    options.keep_codec = false;
    options.codec = WEIR_CODEC_NONE;
    options.batch_bytes_max = 10000;
    cr_assert_eq(check(), WEIR_MESSAGE_TOO_LARGE);
}

Test(produce_check, inner_offsets_that_do_not_count_up_are_put_right)
{
    struct weir_buf out = {0};
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    help_plain(2, &bytes);
    /* The second record's offset delta: behind the first record, its size, attributes and timestamp
     * delta. */
    size_t second = 61 + 1 + (size_t)(bytes.data[61] >> 1);
    bytes.data[second + 3] = 10;
    help_fix_crc(&bytes);
    cr_assert_eq(check(), WEIR_OK);
    struct weir_batch batch = written(&out);
    cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_OK);
    cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK);
    cr_assert_eq(weir_record_iter_next(iter, &record, NULL), WEIR_OK);
    cr_assert_eq(record.offset_delta, 1);
    weir_record_iter_free(iter);
    weir_buf_done(&out);
}

Test(produce_check, unknown_attribute_bits_pass)
{
    help_plain(1, &bytes);
    weir_put_i16(bytes.data + 21, 0x100);
    help_fix_crc(&bytes);
    cr_assert_eq(check(), WEIR_OK);
    weir_put_i16(bytes.data + 21, 0x40);
    help_fix_crc(&bytes);
    cr_assert_eq(check(), WEIR_OK);
}

Test(produce_check, a_batch_of_our_own_needs_no_validation)
{
    struct weir_checked_batch own;
    help_plain(3, &bytes);
    cr_assert_eq(weir_checked_batch_from_own(weir_buf_slice(&bytes), &own, NULL), WEIR_OK);
    cr_assert_eq(own.batch.record_count, 3);
    cr_assert_eq(own.batch.bytes.size, bytes.size);
    help_plain(1, &bytes);
    cr_assert_eq(weir_checked_batch_from_own(weir_buf_slice(&bytes), &own, NULL), WEIR_INVALID);
}
