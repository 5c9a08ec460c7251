/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Validation of a producer's batch.  The order of the rules decides which error a batch with
 * several faults gets, and equals Apache Kafka's (reference B.4); so do the texts that reach the
 * client.
 */

#include "weir/record/produce_check.h"

#include "weir/base/assert.h"
#include "weir/record/batch_builder.h"

#include <inttypes.h>

void weir_checked_batch_done(struct weir_checked_batch *checked)
{
    weir_buf_done(&checked->rebuilt);
}

void weir_produce_errors_done(struct weir_produce_errors *errors)
{
    weir_buf_done(&errors->text);
}

enum weir_status weir_produce_records_check(struct weir_slice records, bool zstd_allowed,
                                            struct weir_batch *out, struct weir_detail *message)
{
    struct weir_batch_iter iter;
    struct weir_batch first;
    struct weir_batch second;
    weir_batch_iter_init(&iter, records);
    enum weir_status status = weir_batch_iter_next(&iter, &first, message);
    if (status == WEIR_CORRUPT)
        return WEIR_CORRUPT_MESSAGE;
    if (status == WEIR_UNKNOWN_SERVER_ERROR) {
        weir_detail_set(message, "%s", "");
        return status;
    }
    if (status != WEIR_OK || first.magic != 2)
        return WEIR_INVALID_RECORD;
    if (!zstd_allowed && (first.attributes & WEIR_BATCH_CODEC_MASK) == WEIR_CODEC_ZSTD)
        return WEIR_UNSUPPORTED_COMPRESSION_TYPE;
    status = weir_batch_iter_next(&iter, &second, message);
    if (status == WEIR_CORRUPT)
        return WEIR_CORRUPT_MESSAGE;
    if (status == WEIR_OK)
        return WEIR_INVALID_RECORD;
    weir_detail_set(message, "%s", "");
    *out = first;
    return WEIR_OK;
}

/* Reads head again after it changed. */
static void parse_head(struct weir_checked_batch *checked)
{
    struct weir_batch batch;
    size_t size = 0;
    enum weir_status status = weir_batch_parse_header(
        weir_slice_of(checked->head, WEIR_BATCH_HEADER_BYTES), &batch, &size, NULL);
    WEIR_ASSERT(status == WEIR_OK); /* it parsed before, and only checked fields were changed */
    batch.bytes = (struct weir_slice){NULL, size};
    checked->batch = batch;
}

static void view_bytes(struct weir_checked_batch *checked, struct weir_slice bytes)
{
    memcpy(checked->head, bytes.data, WEIR_BATCH_HEADER_BYTES);
    checked->body =
        weir_slice_of(bytes.data + WEIR_BATCH_HEADER_BYTES, bytes.size - WEIR_BATCH_HEADER_BYTES);
    parse_head(checked);
}

enum weir_status weir_checked_batch_from_own(struct weir_slice bytes,
                                             struct weir_checked_batch *out,
                                             struct weir_detail *detail)
{
    struct weir_batch batch;
    enum weir_status status = weir_batch_parse(bytes, &batch, detail);
    if (status != WEIR_OK)
        return status;
    if (batch.magic != 2 || batch.bytes.size != bytes.size || batch.record_count < 0 ||
        batch.last_offset_delta < 0) {
        weir_detail_set(detail, "not one batch of magic 2");
        return WEIR_INVALID;
    }
    WEIR_SLOW_ASSERT(weir_batch_check(&batch, NULL) == WEIR_OK);
    struct weir_checked_batch checked = {.log_append_time_ms = -1};
    view_bytes(&checked, bytes);
    if (weir_batch_has_log_append_time(&checked.batch))
        checked.log_append_time_ms = checked.batch.max_timestamp;
    *out = checked;
    return WEIR_OK;
}

/* --- One validation. --- */
struct check {
    const struct weir_batch *batch;
    const struct weir_produce_check_options *options;
    struct weir_produce_errors *errors;
    enum weir_codec source_codec;
    enum weir_codec target_codec;
    bool in_place;
    int64_t max_timestamp;
    bool has_invalid_timestamp;
    size_t text_starts[WEIR_RECORD_ERRORS_MAX];
};

static enum weir_status check_header(struct check *check)
{
    const struct weir_batch *batch = check->batch;
    const struct weir_produce_check_options *options = check->options;
    if (batch->base_offset != 0)
        return WEIR_INVALID_RECORD;
    if ((int64_t)batch->bytes.size > options->batch_bytes_max)
        return WEIR_MESSAGE_TOO_LARGE;
    if (weir_batch_check_crc(batch, NULL) != WEIR_OK)
        return WEIR_CORRUPT_MESSAGE;
    if (!weir_codec_from_bits(batch->attributes & WEIR_BATCH_CODEC_MASK, &check->source_codec))
        return WEIR_UNKNOWN_SERVER_ERROR;
    if (batch->last_offset_delta < 0 || batch->record_count <= 0 ||
        batch->record_count - 1 != batch->last_offset_delta)
        return WEIR_INVALID_RECORD;
    if (weir_batch_is_control(batch))
        return WEIR_INVALID_RECORD;
    if (weir_batch_has_producer_id(batch) && batch->base_sequence < 0)
        return WEIR_INVALID_RECORD;
    check->target_codec = options->keep_codec ? check->source_codec : options->codec;
    check->in_place = check->target_codec == check->source_codec;
    check->max_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    return WEIR_OK;
}

/* False when there are so many already that this one is only counted. */
static bool add_error(struct check *check, int32_t index)
{
    struct weir_produce_errors *errors = check->errors;
    errors->total++;
    if (errors->count == WEIR_RECORD_ERRORS_MAX)
        return false;
    errors->items[errors->count].index = index;
    check->text_starts[errors->count] = errors->text.size;
    errors->count++;
    return true;
}

static void add_timestamp_type_error(struct check *check, const struct weir_record *record)
{
    if (!add_error(check, record->index))
        return;
    /* Java names the class it happens to read the record with. */
    const char *kind = check->source_codec != WEIR_CODEC_NONE && check->in_place
                           ? "PartialDefaultRecord"
                           : "DefaultRecord";
    weir_buf_printf(
        &check->errors->text,
        "Invalid timestamp type in message %s(offset=%" PRId64 ", timestamp=%" PRId64
        ", key=%d bytes, value=%d bytes). Producer should not set timestamp type to LogAppendTime.",
        kind, record->offset, record->timestamp, record->key_bytes < 0 ? 0 : record->key_bytes,
        record->value_bytes < 0 ? 0 : record->value_bytes);
}

/* True when the record may stay.  Sums wrap as Java's do: limits are often the largest number there
 * is. */
static bool check_timestamp(struct check *check, const struct weir_record *record)
{
    const struct weir_produce_check_options *options = check->options;
    uint64_t now = (uint64_t)options->now_ms;
    if (!options->log_append_time && record->timestamp != WEIR_BATCH_NO_TIMESTAMP) {
        int64_t age = (int64_t)(now - (uint64_t)record->timestamp);
        int64_t ahead = (int64_t)((uint64_t)record->timestamp - now);
        if (age <= options->timestamp_before_max_ms && ahead <= options->timestamp_after_max_ms)
            return true;
        if (add_error(check, record->index))
            weir_buf_printf(&check->errors->text,
                            "Timestamp %" PRId64 " of message with offset %" PRId64
                            " is out of range. The timestamp should be within [%" PRId64
                            ", %" PRId64 "]",
                            record->timestamp, record->offset,
                            (int64_t)(now - (uint64_t)options->timestamp_before_max_ms),
                            (int64_t)(now + (uint64_t)options->timestamp_after_max_ms));
    } else if (weir_batch_has_log_append_time(check->batch)) {
        add_timestamp_type_error(check, record);
    } else {
        return true;
    }
    check->has_invalid_timestamp = true;
    return false;
}

static void check_record(struct check *check, const struct weir_record *record)
{
    if (check->options->is_compacted && record->key_bytes < 0) {
        if (add_error(check, record->index))
            weir_buf_printf(
                &check->errors->text,
                "Compacted topic cannot accept message without key in topic partition %.*s-%d",
                WEIR_SLICE_ARGS(check->options->topic), check->options->partition);
        return;
    }
    if (!check_timestamp(check, record))
        return;
    if (record->timestamp > check->max_timestamp)
        check->max_timestamp = record->timestamp;
    if (record->offset_delta != record->index)
        check->in_place = false;
}

/* What is wrong with a stream or a record, as the client is told. */
static enum weir_status client_status(enum weir_status status)
{
    if (status == WEIR_INVALID)
        return WEIR_INVALID_RECORD;
    if (status == WEIR_NO_MEMORY || status == WEIR_LIMIT)
        return status;
    return WEIR_UNKNOWN_SERVER_ERROR; /* Apache Kafka has no code for "does not decompress" */
}

/* The messages point into a buffer that grew; and the summary quotes the first three. */
static enum weir_status finish_errors(struct check *check)
{
    struct weir_produce_errors *errors = check->errors;
    if (errors->total == 0)
        return WEIR_OK;
    if (weir_buf_status(&errors->text) != WEIR_OK) {
        errors->count = 0;
        return weir_buf_status(&errors->text);
    }
    for (int32_t i = 0; i < errors->count; i++) {
        size_t end = i + 1 < errors->count ? check->text_starts[i + 1] : errors->text.size;
        errors->items[i].message =
            weir_slice_of(errors->text.data + check->text_starts[i], end - check->text_starts[i]);
    }
    if (check->has_invalid_timestamp) {
        weir_detail_set(&errors->message,
                        "One or more records have been rejected due to invalid timestamp");
        return WEIR_INVALID_TIMESTAMP;
    }
    struct weir_detail list = {{0}};
    for (int32_t i = 0; i < errors->count && i < 3; i++) {
        struct weir_detail so_far = list;
        weir_detail_set(&list, "%s%sRecordError(batchIndex=%d, message='%.*s')", so_far.text,
                        i > 0 ? ", " : "", errors->items[i].index,
                        WEIR_SLICE_ARGS(errors->items[i].message));
    }
    weir_detail_set(&errors->message,
                    "One or more records have been rejected due to %d record errors in total, and "
                    "only showing the "
                    "first three errors at most: [%s]",
                    errors->total, list.text);
    return WEIR_INVALID_RECORD;
}

static enum weir_status check_records(struct check *check)
{
    struct weir_record_iter_options options = {
        .decompressed_bytes_max = check->options->decompressed_bytes_max, .skip_payload = true};
    struct weir_record_iter *iter = NULL;
    enum weir_status status = weir_record_iter_new(check->batch, &options, &iter, NULL);
    while (status == WEIR_OK) {
        struct weir_record record;
        status = weir_record_iter_next(iter, &record, NULL);
        if (status == WEIR_OK)
            check_record(check, &record);
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? finish_errors(check) : client_status(status);
}

static int32_t target_level(const struct check *check)
{
    return check->options->keep_codec ? WEIR_CODEC_LEVEL_DEFAULT : check->options->level;
}

static enum weir_status copy_records(struct check *check, struct weir_batch_builder *builder)
{
    struct weir_record_iter_options options = {.decompressed_bytes_max =
                                                   check->options->decompressed_bytes_max};
    struct weir_record_iter *iter = NULL;
    enum weir_status status = weir_record_iter_new(check->batch, &options, &iter, NULL);
    while (status == WEIR_OK) {
        struct weir_record record;
        status = weir_record_iter_next(iter, &record, NULL);
        if (status != WEIR_OK)
            break;
        struct weir_record_data data = {.timestamp = record.timestamp,
                                        .key = record.key,
                                        .value = record.value,
                                        .header_count = record.header_count,
                                        .raw_headers = record.headers};
        weir_batch_builder_add(builder, &data);
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? WEIR_OK : client_status(status);
}

/* The codec changes, or the producer's inner offsets are not 0 to n-1 (some old clients). */
static enum weir_status rebuild(struct check *check, struct weir_checked_batch *out)
{
    const struct weir_batch *batch = check->batch;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.codec = check->target_codec;
    options.level = target_level(check);
    options.log_append_time = check->options->log_append_time;
    options.log_append_time_ms = check->options->now_ms;
    options.producer_id = batch->producer_id;
    options.producer_epoch = batch->producer_epoch;
    options.base_sequence = batch->base_sequence;
    options.is_transactional = weir_batch_is_transactional(batch);
    struct weir_batch_builder *builder = NULL;
    weir_buf_init(&out->rebuilt, (size_t)INT32_MAX);
    enum weir_status status = weir_batch_builder_new(&options, &out->rebuilt, &builder);
    if (status == WEIR_OK)
        status = copy_records(check, builder);
    if (status == WEIR_OK)
        status = weir_batch_builder_finish(builder);
    weir_batch_builder_free(builder);
    if (status != WEIR_OK)
        return status == WEIR_INVALID ? WEIR_MESSAGE_TOO_LARGE : status;
    view_bytes(out, weir_buf_slice(&out->rebuilt));
    if ((int64_t)out->batch.bytes.size > check->options->batch_bytes_max)
        return WEIR_MESSAGE_TOO_LARGE;
    return WEIR_OK;
}

static void keep_in_place(struct check *check, struct weir_checked_batch *out)
{
    const struct weir_batch *batch = check->batch;
    bool log_append_time = check->options->log_append_time;
    int64_t max_timestamp = log_append_time ? check->options->now_ms : check->max_timestamp;
    view_bytes(out, batch->bytes);
    if (weir_batch_has_log_append_time(batch) != log_append_time ||
        batch->max_timestamp != max_timestamp) {
        weir_batch_set_max_timestamp(out->head, out->body, log_append_time, max_timestamp);
        parse_head(out);
    }
}

enum weir_status weir_produce_check(const struct weir_batch *batch,
                                    const struct weir_produce_check_options *options,
                                    struct weir_checked_batch *out,
                                    struct weir_produce_errors *errors)
{
    memset(errors, 0, sizeof(*errors));
    memset(out, 0, sizeof(*out));
    weir_buf_init(&errors->text, (size_t)WEIR_RECORD_ERRORS_MAX * 1024);
    struct check check = {.batch = batch, .options = options, .errors = errors};
    enum weir_status status = check_header(&check);
    if (status != WEIR_OK)
        return status;
    status = check_records(&check);
    if (status != WEIR_OK)
        return status;
    out->log_append_time_ms = options->log_append_time ? options->now_ms : -1;
    if (check.in_place)
        keep_in_place(&check, out);
    else
        status = rebuild(&check, out);
    if (status == WEIR_OK && (int64_t)out->batch.bytes.size > options->segment_bytes_max)
        status = WEIR_RECORD_LIST_TOO_LARGE;
    return status;
}
