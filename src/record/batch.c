/* SPDX-License-Identifier: Apache-2.0 */

/* Batch headers: parse, check, patch, walk.  The layout is in batch.h. */

#include "weir/record/batch.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"

#include <zlib.h>

enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_COUNT = 57,
    /* magic 0 and 1 */
    AT_LEGACY_CRC = 12,
    AT_LEGACY_ATTRIBUTES = 17,
    AT_LEGACY_TIMESTAMP = 18, /* magic 1 only */
    LEGACY_RECORD_BYTES_MIN = 14,
    LEGACY_V0_BYTES_MIN = 12 + 14,
    LEGACY_V1_BYTES_MIN = 12 + 22
};

enum weir_status weir_batch_peek_size(struct weir_slice bytes, size_t *out_size,
                                      struct weir_detail *detail)
{
    if (bytes.size < WEIR_BATCH_OVERHEAD_BYTES)
        return WEIR_TRUNCATED;
    int32_t length = weir_get_i32(bytes.data + AT_LENGTH);
    if (length < LEGACY_RECORD_BYTES_MIN) {
        weir_detail_set(detail, "Record size %d is less than the minimum record overhead (%d)",
                        length, LEGACY_RECORD_BYTES_MIN);
        return WEIR_CORRUPT;
    }
    if (length > INT32_MAX - WEIR_BATCH_OVERHEAD_BYTES) {
        weir_detail_set(detail, "Record size %d is beyond any batch", length);
        return WEIR_UNKNOWN_SERVER_ERROR;
    }
    *out_size = (size_t)length + WEIR_BATCH_OVERHEAD_BYTES;
    return WEIR_OK;
}

static void parse_v2(const uint8_t *at, struct weir_batch *out)
{
    out->base_offset = weir_get_i64(at + AT_BASE_OFFSET);
    out->partition_leader_epoch = weir_get_i32(at + AT_LEADER_EPOCH);
    out->crc = weir_get_u32(at + AT_CRC);
    out->attributes = weir_get_i16(at + AT_ATTRIBUTES);
    out->last_offset_delta = weir_get_i32(at + AT_LAST_OFFSET_DELTA);
    /* A wrap-around must not be undefined; weir_batch_check and the log refuse such offsets. */
    out->last_offset =
        (int64_t)((uint64_t)out->base_offset + (uint64_t)(int64_t)out->last_offset_delta);
    out->base_timestamp = weir_get_i64(at + AT_BASE_TIMESTAMP);
    out->max_timestamp = weir_get_i64(at + AT_MAX_TIMESTAMP);
    out->producer_id = weir_get_i64(at + AT_PRODUCER_ID);
    out->producer_epoch = weir_get_i16(at + AT_PRODUCER_EPOCH);
    out->base_sequence = weir_get_i32(at + AT_BASE_SEQUENCE);
    out->record_count = weir_get_i32(at + AT_COUNT);
}

static void parse_legacy(const uint8_t *at, struct weir_batch *out)
{
    bool has_timestamp = at[AT_MAGIC] == 1;
    out->base_offset = weir_get_i64(at + AT_BASE_OFFSET);
    out->last_offset = out->base_offset;
    out->partition_leader_epoch = WEIR_BATCH_NO_LEADER_EPOCH;
    out->crc = weir_get_u32(at + AT_LEGACY_CRC);
    /* Only codec and (magic 1) timestamp type exist here. */
    out->attributes = (int16_t)(at[AT_LEGACY_ATTRIBUTES] &
                                (has_timestamp ? WEIR_BATCH_CODEC_MASK | WEIR_BATCH_LOG_APPEND_TIME
                                               : WEIR_BATCH_CODEC_MASK));
    out->last_offset_delta = 0;
    out->base_timestamp =
        has_timestamp ? weir_get_i64(at + AT_LEGACY_TIMESTAMP) : WEIR_BATCH_NO_TIMESTAMP;
    out->max_timestamp = out->base_timestamp;
    out->producer_id = WEIR_BATCH_NO_PRODUCER_ID;
    out->producer_epoch = WEIR_BATCH_NO_PRODUCER_EPOCH;
    out->base_sequence = WEIR_BATCH_NO_SEQUENCE;
    out->record_count = (out->attributes & WEIR_BATCH_CODEC_MASK) == 0 ? 1 : -1;
}

enum weir_status weir_batch_parse_header(struct weir_slice bytes, struct weir_batch *out,
                                         size_t *out_size, struct weir_detail *detail)
{
    size_t size = 0;
    enum weir_status status = weir_batch_peek_size(bytes, &size, detail);
    if (status != WEIR_OK)
        return status;
    if (bytes.size < WEIR_BATCH_PREFIX_BYTES)
        return WEIR_TRUNCATED;
    int8_t magic = (int8_t)bytes.data[AT_MAGIC];
    if (magic < 0 || magic > 2) {
        weir_detail_set(detail, "Invalid magic found in record: %d", magic);
        return WEIR_CORRUPT;
    }
    size_t header_bytes = magic == 2   ? WEIR_BATCH_HEADER_BYTES
                          : magic == 1 ? LEGACY_V1_BYTES_MIN
                                       : LEGACY_V0_BYTES_MIN;
    if (size < header_bytes) {
        weir_detail_set(detail, "Record batch of %zu bytes is too small for magic %d", size, magic);
        return WEIR_CORRUPT;
    }
    if (bytes.size < header_bytes)
        return WEIR_TRUNCATED;
    struct weir_batch batch = {.magic = magic, .bytes = weir_slice_of(bytes.data, header_bytes)};
    if (magic == 2)
        parse_v2(bytes.data, &batch);
    else
        parse_legacy(bytes.data, &batch);
    *out = batch;
    *out_size = size;
    return WEIR_OK;
}

enum weir_status weir_batch_parse(struct weir_slice bytes, struct weir_batch *out,
                                  struct weir_detail *detail)
{
    struct weir_batch batch;
    size_t size = 0;
    enum weir_status status = weir_batch_peek_size(bytes, &size, detail);
    if (status != WEIR_OK)
        return status;
    if (bytes.size < WEIR_BATCH_PREFIX_BYTES)
        return WEIR_TRUNCATED;
    /* As Apache Kafka does: the magic is looked at before "is it all there". */
    status = weir_batch_parse_header(bytes, &batch, &size, detail);
    if (status != WEIR_OK)
        return status;
    if (bytes.size < size)
        return WEIR_TRUNCATED;
    batch.bytes = weir_slice_of(bytes.data, size);
    *out = batch;
    return WEIR_OK;
}

static uint32_t compute_crc(const struct weir_batch *batch)
{
    if (batch->magic == 2)
        return weir_crc32c(batch->bytes.data + AT_ATTRIBUTES, batch->bytes.size - AT_ATTRIBUTES);
    return (uint32_t)crc32_z(0, batch->bytes.data + AT_MAGIC, batch->bytes.size - AT_MAGIC);
}

enum weir_status weir_batch_check_crc(const struct weir_batch *batch, struct weir_detail *detail)
{
    uint32_t crc = compute_crc(batch);
    if (crc != batch->crc) {
        weir_detail_set(detail, "Record is corrupt (stored crc = %u, computed crc = %u)",
                        batch->crc, crc);
        return WEIR_CORRUPT;
    }
    return WEIR_OK;
}

enum weir_status weir_batch_check(const struct weir_batch *batch, struct weir_detail *detail)
{
    enum weir_status status = weir_batch_check_crc(batch, detail);
    if (status != WEIR_OK || batch->magic < 2)
        return status;
    if (batch->last_offset_delta < 0 || batch->record_count < 0 ||
        batch->record_count - 1 > batch->last_offset_delta) {
        weir_detail_set(detail, "batch has last offset delta %d and record count %d",
                        batch->last_offset_delta, batch->record_count);
        return WEIR_CORRUPT;
    }
    return WEIR_OK;
}

int32_t weir_sequence_add(int32_t sequence, int32_t increment)
{
    return (int32_t)(((int64_t)sequence + increment) & INT32_MAX);
}

int32_t weir_batch_last_sequence(const struct weir_batch *batch)
{
    if (batch->base_sequence == WEIR_BATCH_NO_SEQUENCE)
        return WEIR_BATCH_NO_SEQUENCE;
    return weir_sequence_add(batch->base_sequence, batch->last_offset_delta);
}

void weir_batch_set_base_offset(uint8_t *bytes, int64_t base_offset)
{
    weir_put_i64(bytes + AT_BASE_OFFSET, base_offset);
}

void weir_batch_set_leader_epoch(uint8_t *bytes, int32_t partition_leader_epoch)
{
    weir_put_i32(bytes + AT_LEADER_EPOCH, partition_leader_epoch);
}

void weir_batch_set_max_timestamp(uint8_t head[WEIR_BATCH_HEADER_BYTES], struct weir_slice body,
                                  bool log_append_time, int64_t max_timestamp)
{
    /* Unknown attribute bits do not survive, as with Apache Kafka. */
    int16_t attributes = weir_get_i16(head + AT_ATTRIBUTES);
    attributes &= WEIR_BATCH_CODEC_MASK | WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL |
                  WEIR_BATCH_DELETE_HORIZON;
    if (log_append_time)
        attributes |= WEIR_BATCH_LOG_APPEND_TIME;
    weir_put_i16(head + AT_ATTRIBUTES, attributes);
    weir_put_i64(head + AT_MAX_TIMESTAMP, max_timestamp);
    uint32_t crc = weir_crc32c(head + AT_ATTRIBUTES, WEIR_BATCH_HEADER_BYTES - AT_ATTRIBUTES);
    if (body.size > 0)
        crc = weir_crc32c_extend(crc, body.data, body.size);
    weir_put_u32(head + AT_CRC, crc);
}

enum weir_status weir_batch_iter_next(struct weir_batch_iter *iter, struct weir_batch *out,
                                      struct weir_detail *detail)
{
    if (iter->rest.size == 0)
        return WEIR_NOT_FOUND;
    enum weir_status status = weir_batch_parse(iter->rest, out, detail);
    if (status != WEIR_OK)
        return status;
    iter->rest.data += out->bytes.size;
    iter->rest.size -= out->bytes.size;
    return WEIR_OK;
}
