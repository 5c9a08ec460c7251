/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Control records (KIP-98, KIP-595).
 *
 *   key:   int16 version 0, int16 type
 *   value of a transaction marker: int16 version 0, int32 coordinator epoch
 */

#include "weir/record/batch.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"

enum weir_status weir_control_key_parse(struct weir_slice key, enum weir_control_type *out)
{
    if (weir_slice_is_null(key) || key.size < WEIR_CONTROL_KEY_BYTES || weir_get_i16(key.data) < 0)
        return WEIR_INVALID;
    int16_t type = weir_get_i16(key.data + 2);
    if (type < WEIR_CONTROL_ABORT || type > WEIR_CONTROL_KRAFT_VOTERS)
        return WEIR_INVALID;
    *out = (enum weir_control_type)type;
    return WEIR_OK;
}

void weir_control_key_write(uint8_t out[WEIR_CONTROL_KEY_BYTES], enum weir_control_type type)
{
    weir_put_i16(out, 0);
    weir_put_i16(out + 2, (int16_t)type);
}

static enum weir_status read_marker(const struct weir_record *record,
                                    const struct weir_batch *batch, struct weir_txn_marker *out,
                                    struct weir_detail *detail)
{
    enum weir_control_type type;
    if (weir_control_key_parse(record->key, &type) != WEIR_OK ||
        (type != WEIR_CONTROL_ABORT && type != WEIR_CONTROL_COMMIT)) {
        weir_detail_set(detail, "control record at offset %lld is no transaction marker",
                        (long long)record->offset);
        return WEIR_INVALID;
    }
    if (weir_slice_is_null(record->value) || record->value.size < 6 ||
        weir_get_i16(record->value.data) < 0) {
        weir_detail_set(detail, "transaction marker at offset %lld has no coordinator epoch",
                        (long long)record->offset);
        return WEIR_INVALID;
    }
    *out = (struct weir_txn_marker){.producer_id = batch->producer_id,
                                    .producer_epoch = batch->producer_epoch,
                                    .is_commit = type == WEIR_CONTROL_COMMIT,
                                    .coordinator_epoch = weir_get_i32(record->value.data + 2)};
    return WEIR_OK;
}

enum weir_status weir_txn_marker_parse(const struct weir_batch *batch, struct weir_txn_marker *out,
                                       struct weir_detail *detail)
{
    if (!weir_batch_is_control(batch) || !weir_batch_has_producer_id(batch)) {
        weir_detail_set(detail, "batch at offset %lld holds no transaction marker",
                        (long long)batch->base_offset);
        return WEIR_INVALID;
    }
    struct weir_record_iter_options options = {.decompressed_bytes_max = 1 << 20};
    struct weir_record_iter *iter = NULL;
    enum weir_status status = weir_record_iter_new(batch, &options, &iter, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_record record;
    status = weir_record_iter_next(iter, &record, detail);
    if (status == WEIR_OK)
        status = read_marker(&record, batch, out, detail);
    else if (status == WEIR_NOT_FOUND)
        status = WEIR_INVALID;
    weir_record_iter_free(iter);
    return status;
}

void weir_txn_marker_write(uint8_t out[WEIR_TXN_MARKER_BYTES], const struct weir_txn_marker *marker,
                           int64_t timestamp_ms)
{
    uint8_t *at = out;
    memset(out, 0, WEIR_TXN_MARKER_BYTES);
    weir_put_i32(at + 8, WEIR_TXN_MARKER_BYTES - WEIR_BATCH_OVERHEAD_BYTES);
    weir_put_i32(at + 12, WEIR_BATCH_NO_LEADER_EPOCH);
    at[16] = 2;
    weir_put_i16(at + 21, WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL);
    weir_put_i32(at + 23, 0);
    weir_put_i64(at + 27, timestamp_ms);
    weir_put_i64(at + 35, timestamp_ms);
    weir_put_i64(at + 43, marker->producer_id);
    weir_put_i16(at + 51, marker->producer_epoch);
    weir_put_i32(at + 53, WEIR_BATCH_NO_SEQUENCE);
    weir_put_i32(at + 57, 1);
    at += WEIR_BATCH_HEADER_BYTES;
    at[0] = 32; /* zig-zag of 16, the length of what follows */
    at[4] = 8;  /* key of 4 */
    weir_control_key_write(at + 5, marker->is_commit ? WEIR_CONTROL_COMMIT : WEIR_CONTROL_ABORT);
    at[9] = 12; /* value of 6 */
    weir_put_i16(at + 10, 0);
    weir_put_i32(at + 12, marker->coordinator_epoch);
    weir_put_u32(out + 17, weir_crc32c(out + 21, WEIR_TXN_MARKER_BYTES - 21));
}
