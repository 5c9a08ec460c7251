/* SPDX-License-Identifier: Apache-2.0 */

/* Records to a batch.  61 bytes are kept free at the front; finish fills them when count, times and
 * CRC are known. */

#include "weir/record/batch_builder.h"

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/base/varint.h"

struct weir_batch_builder {
    struct weir_batch_builder_options options;
    struct weir_buf *out;
    struct weir_compressor *compressor;
    size_t start; /* of the batch in out */
    size_t plain_bytes;
    int32_t count;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    bool has_base_timestamp;
    enum weir_status status;
};

struct weir_batch_builder_options weir_batch_builder_options_default(void)
{
    return (struct weir_batch_builder_options){
        .codec = WEIR_CODEC_NONE,
        .level = WEIR_CODEC_LEVEL_DEFAULT,
        .partition_leader_epoch = WEIR_BATCH_NO_LEADER_EPOCH,
        .producer_id = WEIR_BATCH_NO_PRODUCER_ID,
        .producer_epoch = WEIR_BATCH_NO_PRODUCER_EPOCH,
        .base_sequence = WEIR_BATCH_NO_SEQUENCE,
    };
}

enum weir_status weir_batch_builder_new(const struct weir_batch_builder_options *options,
                                        struct weir_buf *out,
                                        struct weir_batch_builder **out_builder)
{
    struct weir_batch_builder *builder = weir_calloc(1, sizeof(*builder));
    if (builder == NULL)
        return WEIR_NO_MEMORY;
    builder->options = *options;
    builder->out = out;
    builder->start = out->size;
    builder->plain_bytes = WEIR_BATCH_HEADER_BYTES;
    builder->last_offset_delta = -1;
    builder->max_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    builder->base_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    if (options->has_delete_horizon) {
        builder->base_timestamp = options->delete_horizon_ms;
        builder->has_base_timestamp = true;
    }
    uint8_t *header = weir_buf_extend(out, WEIR_BATCH_HEADER_BYTES);
    enum weir_status status = weir_buf_status(out);
    if (header != NULL) {
        memset(header, 0, WEIR_BATCH_HEADER_BYTES);
        status = weir_compressor_new(options->codec, options->level, out, &builder->compressor);
    }
    if (status != WEIR_OK) {
        weir_free(builder);
        return status;
    }
    *out_builder = builder;
    return WEIR_OK;
}

void weir_batch_builder_free(struct weir_batch_builder *builder)
{
    if (builder == NULL)
        return;
    weir_compressor_free(builder->compressor);
    weir_free(builder);
}

static size_t varint_size(int64_t value)
{
    return weir_uvarint64_size(weir_zigzag64(value));
}

static size_t sized_bytes(struct weir_slice bytes)
{
    return weir_slice_is_null(bytes) ? 1 : varint_size((int64_t)bytes.size) + bytes.size;
}

static size_t headers_bytes(const struct weir_record_data *record)
{
    if (!weir_slice_is_null(record->raw_headers))
        return record->raw_headers.size;
    size_t bytes = 0;
    for (int32_t i = 0; i < record->header_count; i++)
        bytes += sized_bytes(record->headers[i].key) + sized_bytes(record->headers[i].value);
    return bytes;
}

size_t weir_record_bytes_bound(const struct weir_record_data *record)
{
    return WEIR_VARINT32_BYTES_MAX + 1 + WEIR_VARINT64_BYTES_MAX + WEIR_VARINT32_BYTES_MAX +
           sized_bytes(record->key) + sized_bytes(record->value) + WEIR_VARINT32_BYTES_MAX +
           headers_bytes(record);
}

static void write_varint(struct weir_batch_builder *builder, int64_t value)
{
    uint8_t bytes[WEIR_VARINT64_BYTES_MAX];
    size_t size = weir_uvarint64_put(bytes, weir_zigzag64(value));
    weir_compressor_write(builder->compressor, weir_slice_of(bytes, size));
}

static void write_sized(struct weir_batch_builder *builder, struct weir_slice bytes)
{
    if (weir_slice_is_null(bytes)) {
        write_varint(builder, -1);
        return;
    }
    write_varint(builder, (int64_t)bytes.size);
    weir_compressor_write(builder->compressor, bytes);
}

static void write_headers(struct weir_batch_builder *builder, const struct weir_record_data *record)
{
    write_varint(builder, record->header_count);
    if (!weir_slice_is_null(record->raw_headers)) {
        weir_compressor_write(builder->compressor, record->raw_headers);
        return;
    }
    for (int32_t i = 0; i < record->header_count; i++) {
        struct weir_slice key = record->headers[i].key;
        write_sized(builder, weir_slice_is_null(key) ? WEIR_EMPTY_SLICE : key);
        write_sized(builder, record->headers[i].value);
    }
}

static bool are_headers_there(const struct weir_record_data *record)
{
    return record->header_count == 0 ||
           (record->header_count > 0 &&
            (record->headers != NULL || !weir_slice_is_null(record->raw_headers)));
}

void weir_batch_builder_add_at(struct weir_batch_builder *builder, int32_t offset_delta,
                               const struct weir_record_data *record)
{
    if (builder->status != WEIR_OK)
        return;
    if (offset_delta <= builder->last_offset_delta || !are_headers_there(record)) {
        builder->status = WEIR_INVALID;
        return;
    }
    if (!builder->has_base_timestamp) {
        builder->base_timestamp = record->timestamp;
        builder->has_base_timestamp = true;
    }
    int64_t timestamp_delta =
        (int64_t)((uint64_t)record->timestamp - (uint64_t)builder->base_timestamp);
    size_t size = 1 + varint_size(timestamp_delta) + varint_size(offset_delta) +
                  sized_bytes(record->key) + sized_bytes(record->value) +
                  varint_size(record->header_count) + headers_bytes(record);
    size_t plain_bytes = builder->plain_bytes + varint_size((int64_t)size) + size;
    if (plain_bytes > INT32_MAX) {
        builder->status = WEIR_INVALID;
        return;
    }
    static const uint8_t attributes = 0;
    write_varint(builder, (int64_t)size);
    weir_compressor_write(builder->compressor, weir_slice_of(&attributes, 1));
    write_varint(builder, timestamp_delta);
    write_varint(builder, offset_delta);
    write_sized(builder, record->key);
    write_sized(builder, record->value);
    write_headers(builder, record);
    builder->plain_bytes = plain_bytes;
    builder->last_offset_delta = offset_delta;
    builder->count++;
    if (record->timestamp > builder->max_timestamp)
        builder->max_timestamp = record->timestamp;
}

void weir_batch_builder_add(struct weir_batch_builder *builder,
                            const struct weir_record_data *record)
{
    if (builder->last_offset_delta == INT32_MAX)
        builder->status = WEIR_INVALID;
    else
        weir_batch_builder_add_at(builder, builder->last_offset_delta + 1, record);
}

int32_t weir_batch_builder_count(const struct weir_batch_builder *builder)
{
    return builder->count;
}

size_t weir_batch_builder_bytes(const struct weir_batch_builder *builder)
{
    return builder->plain_bytes;
}

void weir_batch_builder_set_last_offset_delta(struct weir_batch_builder *builder,
                                              int32_t last_offset_delta)
{
    if (last_offset_delta < builder->last_offset_delta)
        builder->status = WEIR_INVALID;
    else
        builder->last_offset_delta = last_offset_delta;
}

static int16_t attributes_of(const struct weir_batch_builder_options *options)
{
    int attributes = (int)options->codec;
    if (options->log_append_time)
        attributes |= WEIR_BATCH_LOG_APPEND_TIME;
    if (options->is_transactional)
        attributes |= WEIR_BATCH_TRANSACTIONAL;
    if (options->is_control)
        attributes |= WEIR_BATCH_CONTROL;
    if (options->has_delete_horizon)
        attributes |= WEIR_BATCH_DELETE_HORIZON;
    return (int16_t)attributes;
}

enum weir_status weir_batch_builder_finish(struct weir_batch_builder *builder)
{
    const struct weir_batch_builder_options *options = &builder->options;
    enum weir_status status = weir_compressor_finish(builder->compressor);
    if (builder->status != WEIR_OK)
        return builder->status;
    if (status != WEIR_OK)
        return status;
    size_t size = builder->out->size - builder->start;
    if (size > INT32_MAX)
        return WEIR_INVALID;
    uint8_t *at = builder->out->data + builder->start;
    weir_put_i64(at, options->base_offset);
    weir_put_i32(at + 8, (int32_t)(size - WEIR_BATCH_OVERHEAD_BYTES));
    weir_put_i32(at + 12, options->partition_leader_epoch);
    at[16] = 2;
    weir_put_i16(at + 21, attributes_of(options));
    weir_put_i32(at + 23, builder->last_offset_delta < 0 ? 0 : builder->last_offset_delta);
    weir_put_i64(at + 27, builder->base_timestamp);
    weir_put_i64(at + 35,
                 options->log_append_time ? options->log_append_time_ms : builder->max_timestamp);
    weir_put_i64(at + 43, options->producer_id);
    weir_put_i16(at + 51, options->producer_epoch);
    weir_put_i32(at + 53, options->base_sequence);
    weir_put_i32(at + 57, builder->count);
    weir_put_u32(at + 17, weir_crc32c(at + 21, size - 21));
    return WEIR_OK;
}

static enum weir_status copy_records(struct weir_record_iter *iter,
                                     struct weir_batch_builder *builder, struct weir_detail *detail)
{
    for (;;) {
        struct weir_record record;
        enum weir_status status = weir_record_iter_next(iter, &record, detail);
        if (status == WEIR_NOT_FOUND)
            return WEIR_OK;
        if (status != WEIR_OK)
            return status;
        struct weir_record_data data = {.timestamp = record.timestamp,
                                        .key = record.key,
                                        .value = record.value,
                                        .header_count = record.header_count,
                                        .raw_headers = record.headers};
        weir_batch_builder_add_at(builder, record.offset_delta, &data);
    }
}

enum weir_status weir_batch_recompress(const struct weir_batch *batch, enum weir_codec codec,
                                       int32_t level, size_t decompressed_bytes_max,
                                       struct weir_buf *out, struct weir_detail *detail)
{
    if (batch->magic < 2)
        return WEIR_UNSUPPORTED;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.codec = codec;
    options.level = level;
    options.base_offset = batch->base_offset;
    options.partition_leader_epoch = batch->partition_leader_epoch;
    options.log_append_time = weir_batch_has_log_append_time(batch);
    options.log_append_time_ms = batch->max_timestamp;
    options.producer_id = batch->producer_id;
    options.producer_epoch = batch->producer_epoch;
    options.base_sequence = batch->base_sequence;
    options.is_transactional = weir_batch_is_transactional(batch);
    options.is_control = weir_batch_is_control(batch);
    struct weir_record_iter_options iter_options = {.decompressed_bytes_max =
                                                        decompressed_bytes_max};
    struct weir_record_iter *iter = NULL;
    struct weir_batch_builder *builder = NULL;
    enum weir_status status = weir_record_iter_new(batch, &iter_options, &iter, detail);
    if (status != WEIR_OK)
        goto out;
    status = weir_batch_builder_new(&options, out, &builder);
    if (status != WEIR_OK)
        goto out;
    status = copy_records(iter, builder, detail);
    if (status != WEIR_OK)
        goto out;
    weir_batch_builder_set_last_offset_delta(builder, batch->last_offset_delta);
    status = weir_batch_builder_finish(builder);
out:
    weir_batch_builder_free(builder);
    weir_record_iter_free(iter);
    return status;
}
