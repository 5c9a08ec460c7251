/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages of magic 0 and 1, for reading what old brokers left in a log.
 *
 *   int64 offset, int32 size, uint32 CRC-32 of what follows, int8 magic, int8 attributes, [magic 1:
 * int64 timestamp], int32 key size (-1 null), key, int32 value size (-1 null), value
 *
 * A compressed message's value is a run of messages.  With magic 1 their offsets count from 0 and
 * the outer one has the offset of the last (KIP-31); with magic 0 they are the log's own.
 */

#include "record_iter_int.h"

#include "weir/base/endian.h"

struct legacy_message {
    int64_t offset;
    int64_t timestamp;
    struct weir_slice key;
    struct weir_slice value;
    size_t size;
};

static bool take_bytes(struct weir_slice *rest, struct weir_slice *out)
{
    if (rest->size < 4)
        return false;
    int32_t size = weir_get_i32(rest->data);
    rest->data += 4;
    rest->size -= 4;
    if (size < 0) {
        *out = WEIR_NULL_SLICE;
        return size == -1;
    }
    if ((size_t)size > rest->size)
        return false;
    *out = weir_slice_of(rest->data, (size_t)size);
    rest->data += size;
    rest->size -= (size_t)size;
    return true;
}

static enum weir_status parse_message(struct weir_slice bytes, struct legacy_message *out,
                                      struct weir_detail *detail)
{
    struct weir_batch batch;
    enum weir_status status = weir_batch_parse(bytes, &batch, detail);
    if (status != WEIR_OK || batch.magic > 1) {
        weir_detail_prefix(detail, "inner message");
        return WEIR_INVALID;
    }
    size_t header_bytes = batch.magic == 1 ? 26 : 18;
    struct weir_slice rest =
        weir_slice_of(batch.bytes.data + header_bytes, batch.bytes.size - header_bytes);
    struct legacy_message message = {
        .offset = batch.base_offset, .timestamp = batch.base_timestamp, .size = batch.bytes.size};
    if (!take_bytes(&rest, &message.key) || !take_bytes(&rest, &message.value) || rest.size != 0) {
        weir_detail_set(detail, "message at offset %lld has impossible sizes",
                        (long long)batch.base_offset);
        return WEIR_INVALID;
    }
    *out = message;
    return WEIR_OK;
}

/* Walks the inner messages once: their last offset tells how far they are from the log's. */
static enum weir_status find_offset_shift(struct weir_record_iter *iter, struct weir_detail *detail)
{
    struct weir_slice rest = weir_buf_slice(&iter->inner);
    int64_t last = -1;
    while (rest.size > 0) {
        struct legacy_message message;
        enum weir_status status = parse_message(rest, &message, detail);
        if (status != WEIR_OK)
            return status;
        last = message.offset;
        rest.data += message.size;
        rest.size -= message.size;
    }
    if (last < 0) {
        weir_detail_set(detail, "compressed message holds no messages");
        return WEIR_INVALID;
    }
    if (iter->batch.magic == 1)
        iter->offset_shift = (int64_t)((uint64_t)iter->batch.last_offset - (uint64_t)last);
    return WEIR_OK;
}

enum weir_status weir_legacy_iter_start(struct weir_record_iter *iter, size_t bytes_max,
                                        struct weir_detail *detail)
{
    enum weir_codec codec;
    if (!weir_codec_from_bits(iter->batch.attributes & WEIR_BATCH_CODEC_MASK, &codec))
        return WEIR_UNSUPPORTED;
    if (codec == WEIR_CODEC_NONE) {
        iter->rest = iter->batch.bytes;
        return WEIR_OK;
    }
    struct legacy_message outer;
    enum weir_status status = parse_message(iter->batch.bytes, &outer, detail);
    if (status != WEIR_OK)
        return status;
    if (weir_slice_is_null(outer.value)) {
        weir_detail_set(detail, "compressed message has no value");
        return WEIR_INVALID;
    }
    status = weir_decompress(codec, outer.value, bytes_max, &iter->inner);
    if (status != WEIR_OK) {
        weir_detail_set(detail, "%s stream cannot be read", weir_codec_name(codec));
        return status == WEIR_TRUNCATED ? WEIR_CORRUPT : status;
    }
    iter->rest = weir_buf_slice(&iter->inner);
    return find_offset_shift(iter, detail);
}

enum weir_status weir_legacy_iter_next(struct weir_record_iter *iter, struct weir_record *out,
                                       struct weir_detail *detail)
{
    if (iter->rest.size == 0)
        return WEIR_NOT_FOUND;
    struct legacy_message message;
    enum weir_status status = parse_message(iter->rest, &message, detail);
    if (status != WEIR_OK)
        return status;
    iter->rest.data += message.size;
    iter->rest.size -= message.size;
    bool has_append_time = weir_batch_has_log_append_time(&iter->batch);
    *out = (struct weir_record){
        .index = iter->index++,
        .offset = (int64_t)((uint64_t)message.offset + (uint64_t)iter->offset_shift),
        .timestamp = has_append_time ? iter->batch.max_timestamp : message.timestamp,
        .sequence = WEIR_BATCH_NO_SEQUENCE,
        .offset_delta = 0,
        .key_bytes = weir_slice_is_null(message.key) ? -1 : (int32_t)message.key.size,
        .value_bytes = weir_slice_is_null(message.value) ? -1 : (int32_t)message.value.size,
        .key = iter->skip_payload ? WEIR_NULL_SLICE : message.key,
        .value = iter->skip_payload ? WEIR_NULL_SLICE : message.value,
        .headers = iter->skip_payload ? WEIR_NULL_SLICE : WEIR_EMPTY_SLICE,
    };
    return WEIR_OK;
}
