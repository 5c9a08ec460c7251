/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records of magic 2:
 *
 *   varint size of the rest; int8 attributes (unused); varlong timestamp delta; varint offset
 * delta; varint key size (-1 null), key; varint value size (-1 null), value; varint header count,
 * each: varint key size, key, varint value size (-1 null), value
 *
 * I1  at..end are the next bytes of the records.
 * I2  the buffer grows with the bytes that came out of the decompressor, never with a size that was
 * only announced.
 */

#include "record_iter_int.h"

#include "weir/base/memory.h"
#include "weir/base/varint.h"

enum { WINDOW_BYTES = 16384 };

enum weir_status weir_record_iter_new(const struct weir_batch *batch,
                                      const struct weir_record_iter_options *options,
                                      struct weir_record_iter **out, struct weir_detail *detail)
{
    size_t bytes_max = options == NULL || options->decompressed_bytes_max == 0
                           ? WEIR_BATCH_DECOMPRESSED_BYTES_MAX
                           : options->decompressed_bytes_max;
    struct weir_record_iter *iter = weir_calloc(1, sizeof(*iter));
    if (iter == NULL)
        return WEIR_NO_MEMORY;
    iter->batch = *batch;
    iter->skip_payload = options != NULL && options->skip_payload;
    enum weir_status status = WEIR_OK;
    enum weir_codec codec;
    if (batch->magic < 2) {
        status = weir_legacy_iter_start(iter, bytes_max, detail);
    } else if (!weir_codec_from_bits(batch->attributes & WEIR_BATCH_CODEC_MASK, &codec)) {
        weir_detail_set(detail, "Unknown compression type id: %d",
                        batch->attributes & WEIR_BATCH_CODEC_MASK);
        status = WEIR_UNSUPPORTED;
    } else {
        struct weir_slice body = weir_slice_of(batch->bytes.data + WEIR_BATCH_HEADER_BYTES,
                                               batch->bytes.size - WEIR_BATCH_HEADER_BYTES);
        if (codec == WEIR_CODEC_NONE) {
            iter->at = body.data;
            iter->end = body.data + body.size;
        } else {
            status = weir_decompressor_new(codec, body, bytes_max, &iter->decompressor);
        }
    }
    if (status != WEIR_OK) {
        weir_record_iter_free(iter);
        return status;
    }
    *out = iter;
    return WEIR_OK;
}

void weir_record_iter_free(struct weir_record_iter *iter)
{
    if (iter == NULL)
        return;
    weir_decompressor_free(iter->decompressor);
    weir_free(iter->buffer);
    weir_buf_done(&iter->inner);
    weir_free(iter);
}

static size_t bytes_in_window(const struct weir_record_iter *iter)
{
    return (size_t)(iter->end - iter->at);
}

static enum weir_status grow_window(struct weir_record_iter *iter, size_t wanted)
{
    size_t have = bytes_in_window(iter);
    if (have > 0 && iter->at != iter->buffer)
        memmove(iter->buffer, iter->at, have);
    if (have == iter->capacity) {
        size_t capacity = iter->capacity == 0 ? WINDOW_BYTES : iter->capacity * 2; /* I2 */
        if (capacity > wanted && wanted > WINDOW_BYTES)
            capacity = wanted;
        uint8_t *buffer = weir_realloc(iter->buffer, capacity);
        if (buffer == NULL)
            return WEIR_NO_MEMORY;
        iter->buffer = buffer;
        iter->capacity = capacity;
    }
    iter->at = iter->buffer;
    iter->end = iter->buffer + have;
    return WEIR_OK;
}

/* Tries to have `wanted` bytes in the window; fewer only when the records end. */
static enum weir_status fill_window(struct weir_record_iter *iter, size_t wanted,
                                    struct weir_detail *detail)
{
    while (iter->decompressor != NULL && bytes_in_window(iter) < wanted) {
        enum weir_status status = grow_window(iter, wanted);
        if (status != WEIR_OK)
            return status;
        size_t have = bytes_in_window(iter);
        size_t got = 0;
        status = weir_decompressor_read(iter->decompressor, iter->buffer + have,
                                        iter->capacity - have, &got);
        if (status != WEIR_OK) {
            weir_detail_set(detail, "the compressed records cannot be read: %s",
                            weir_status_name(status));
            return status == WEIR_TRUNCATED ? WEIR_INVALID : status;
        }
        iter->end += got;
        if (got == 0)
            break;
    }
    return WEIR_OK;
}

static enum weir_status invalid(const struct weir_record_iter *iter, struct weir_detail *detail,
                                const char *what)
{
    weir_detail_set(detail, "record %d of the batch at offset %lld: %s", iter->index,
                    (long long)iter->batch.base_offset, what);
    return WEIR_INVALID;
}

static bool take_varint(struct weir_slice *rest, int32_t *out)
{
    uint32_t raw;
    size_t size = weir_uvarint_get(rest->data, rest->size, &raw);
    if (size == 0)
        return false;
    rest->data += size;
    rest->size -= size;
    *out = weir_unzigzag32(raw);
    return true;
}

static bool take_varlong(struct weir_slice *rest, int64_t *out)
{
    uint64_t raw;
    size_t size = weir_uvarint64_get(rest->data, rest->size, &raw);
    if (size == 0)
        return false;
    rest->data += size;
    rest->size -= size;
    *out = weir_unzigzag64(raw);
    return true;
}

/* A size and as many bytes; a negative size is null (Kafka writes -1 and reads any). */
static bool take_bytes(struct weir_slice *rest, bool nullable, struct weir_slice *out)
{
    int32_t size;
    if (!take_varint(rest, &size))
        return false;
    if (size < 0) {
        *out = WEIR_NULL_SLICE;
        return nullable;
    }
    if ((size_t)size > rest->size)
        return false;
    *out = weir_slice_of(rest->data, (size_t)size);
    rest->data += size;
    rest->size -= (size_t)size;
    return true;
}

enum weir_status weir_record_headers_next(struct weir_slice *headers,
                                          struct weir_record_header *out)
{
    if (headers->size == 0)
        return WEIR_NOT_FOUND;
    if (!take_bytes(headers, false, &out->key) || !take_bytes(headers, true, &out->value))
        return WEIR_INVALID;
    return WEIR_OK;
}

/* Fields derived from the batch. */
static void set_place(const struct weir_record_iter *iter, int64_t timestamp_delta,
                      struct weir_record *out)
{
    const struct weir_batch *batch = &iter->batch;
    out->index = iter->index;
    out->offset = (int64_t)((uint64_t)batch->base_offset + (uint64_t)(int64_t)out->offset_delta);
    out->timestamp = weir_batch_has_log_append_time(batch)
                         ? batch->max_timestamp
                         : (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)timestamp_delta);
    out->sequence = batch->base_sequence >= 0
                        ? weir_sequence_add(batch->base_sequence, out->offset_delta)
                        : WEIR_BATCH_NO_SEQUENCE;
}

static enum weir_status parse_record(struct weir_record_iter *iter, struct weir_slice rest,
                                     struct weir_record *out, struct weir_detail *detail)
{
    int64_t timestamp_delta;
    if (rest.size < 1)
        return invalid(iter, detail, "is empty");
    rest.data += 1; /* attributes: none are defined */
    rest.size -= 1;
    if (!take_varlong(&rest, &timestamp_delta) || !take_varint(&rest, &out->offset_delta))
        return invalid(iter, detail, "timestamp or offset delta is malformed");
    if (!take_bytes(&rest, true, &out->key) || !take_bytes(&rest, true, &out->value))
        return invalid(iter, detail, "key or value does not fit");
    if (!take_varint(&rest, &out->header_count) || out->header_count < 0 ||
        (size_t)out->header_count > rest.size)
        return invalid(iter, detail, "header count is impossible");
    out->headers = weir_slice_of(rest.data, rest.size);
    for (int32_t i = 0; i < out->header_count; i++) {
        struct weir_record_header header;
        if (weir_record_headers_next(&rest, &header) != WEIR_OK)
            return invalid(iter, detail, "a header does not fit");
    }
    if (rest.size != 0)
        return invalid(iter, detail, "has bytes left over");
    out->key_bytes = weir_slice_is_null(out->key) ? -1 : (int32_t)out->key.size;
    out->value_bytes = weir_slice_is_null(out->value) ? -1 : (int32_t)out->value.size;
    set_place(iter, timestamp_delta, out);
    return WEIR_OK;
}

/* --- A record larger than the window whose payload nobody wants: read through it. --- */

/* What is left of the record's announced size. */
struct skim {
    struct weir_record_iter *iter;
    size_t left;
    struct weir_detail *detail;
};

static enum weir_status skim_bytes(struct skim *skim, size_t size)
{
    if (size > skim->left)
        return invalid(skim->iter, skim->detail, "a size does not fit");
    skim->left -= size;
    while (size > 0) {
        enum weir_status status = fill_window(skim->iter, 1, skim->detail);
        if (status != WEIR_OK)
            return status;
        size_t taken = bytes_in_window(skim->iter);
        if (taken == 0)
            return invalid(skim->iter, skim->detail, "ends early");
        if (taken > size)
            taken = size;
        skim->iter->at += taken;
        size -= taken;
    }
    return WEIR_OK;
}

static enum weir_status skim_varlong(struct skim *skim, int64_t *out)
{
    enum weir_status status = fill_window(skim->iter, WEIR_VARINT64_BYTES_MAX, skim->detail);
    if (status != WEIR_OK)
        return status;
    size_t have = bytes_in_window(skim->iter);
    struct weir_slice rest = weir_slice_of(skim->iter->at, have < skim->left ? have : skim->left);
    size_t before = rest.size;
    if (!take_varlong(&rest, out))
        return invalid(skim->iter, skim->detail, "a number is malformed");
    return skim_bytes(skim, before - rest.size);
}

static enum weir_status skim_varint(struct skim *skim, int32_t *out)
{
    int64_t value = 0;
    enum weir_status status = skim_varlong(skim, &value);
    if (status != WEIR_OK)
        return status;
    if (value < INT32_MIN || value > INT32_MAX)
        return invalid(skim->iter, skim->detail, "a number is malformed");
    *out = (int32_t)value;
    return WEIR_OK;
}

static enum weir_status skim_sized(struct skim *skim, bool nullable, int32_t *out_size)
{
    enum weir_status status = skim_varint(skim, out_size);
    if (status != WEIR_OK)
        return status;
    if (*out_size < 0) {
        *out_size = -1;
        return nullable ? WEIR_OK : invalid(skim->iter, skim->detail, "a header has no key");
    }
    return skim_bytes(skim, (size_t)*out_size);
}

static enum weir_status skim_headers(struct skim *skim, struct weir_record *out)
{
    enum weir_status status = skim_varint(skim, &out->header_count);
    if (status == WEIR_OK && (out->header_count < 0 || (size_t)out->header_count > skim->left))
        status = invalid(skim->iter, skim->detail, "header count is impossible");
    for (int32_t i = 0; status == WEIR_OK && i < out->header_count; i++) {
        int32_t size;
        status = skim_sized(skim, false, &size);
        if (status == WEIR_OK)
            status = skim_sized(skim, true, &size);
    }
    return status;
}

static enum weir_status skim_record(struct weir_record_iter *iter, size_t size,
                                    struct weir_record *out, struct weir_detail *detail)
{
    struct skim skim = {.iter = iter, .left = size, .detail = detail};
    int64_t timestamp_delta = 0;
    enum weir_status status = skim_bytes(&skim, 1);
    if (status == WEIR_OK)
        status = skim_varlong(&skim, &timestamp_delta);
    if (status == WEIR_OK)
        status = skim_varint(&skim, &out->offset_delta);
    if (status == WEIR_OK)
        status = skim_sized(&skim, true, &out->key_bytes);
    if (status == WEIR_OK)
        status = skim_sized(&skim, true, &out->value_bytes);
    if (status == WEIR_OK)
        status = skim_headers(&skim, out);
    if (status == WEIR_OK && skim.left != 0)
        status = invalid(iter, detail, "has bytes left over");
    if (status == WEIR_OK)
        set_place(iter, timestamp_delta, out);
    return status;
}

static enum weir_status end_of_records(struct weir_record_iter *iter, struct weir_detail *detail)
{
    enum weir_status status = fill_window(iter, 1, detail);
    if (status != WEIR_OK)
        return status;
    if (bytes_in_window(iter) != 0)
        return invalid(iter, detail, "bytes follow the last record");
    return WEIR_NOT_FOUND;
}

enum weir_status weir_record_iter_next(struct weir_record_iter *iter, struct weir_record *out,
                                       struct weir_detail *detail)
{
    if (iter->batch.magic < 2)
        return weir_legacy_iter_next(iter, out, detail);
    if (iter->index >= iter->batch.record_count)
        return end_of_records(iter, detail);
    enum weir_status status = fill_window(iter, WEIR_VARINT32_BYTES_MAX, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_slice rest = weir_slice_of(iter->at, bytes_in_window(iter));
    int32_t size;
    if (!take_varint(&rest, &size) || size < 0)
        return invalid(iter, detail, "size is malformed or missing");
    iter->at = rest.data;
    struct weir_record record = {.key_bytes = -1, .value_bytes = -1};
    if (iter->decompressor != NULL && iter->skip_payload && size > WINDOW_BYTES) {
        status = skim_record(iter, (size_t)size, &record, detail);
    } else {
        status = fill_window(iter, (size_t)size, detail);
        if (status != WEIR_OK)
            return status;
        if (bytes_in_window(iter) < (size_t)size)
            return invalid(iter, detail, "ends early");
        status = parse_record(iter, weir_slice_of(iter->at, (size_t)size), &record, detail);
        iter->at += size;
    }
    if (status != WEIR_OK)
        return status;
    if (iter->skip_payload) {
        record.key = WEIR_NULL_SLICE;
        record.value = WEIR_NULL_SLICE;
        record.headers = WEIR_NULL_SLICE;
    }
    iter->index++;
    *out = record;
    return WEIR_OK;
}
