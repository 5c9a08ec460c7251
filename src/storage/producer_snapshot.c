/* SPDX-License-Identifier: Apache-2.0 */

/* The .snapshot file; its layout is in producer_state.h.  Only the last batch of a producer
 * survives it. */

#include "producer_state_int.h"

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADER_BYTES = 10, CRC_AT = 2, CRC_FROM = 6, SNAPSHOT_BYTES_MAX = 1 << 29 };

static int compare_producers(const void *a, const void *b)
{
    const struct weir_producer *left = *(const struct weir_producer *const *)a;
    const struct weir_producer *right = *(const struct weir_producer *const *)b;
    return left->producer_id < right->producer_id ? -1 : left->producer_id > right->producer_id;
}

static void encode_producer(const struct weir_producer *producer, uint8_t *at)
{
    const struct weir_producer_batch none = {
        .first_sequence = -1, .last_sequence = -1, .last_offset = -1};
    const struct weir_producer_batch *last =
        producer->batch_count > 0 ? &producer->batches[producer->batch_count - 1] : &none;
    weir_put_i64(at, producer->producer_id);
    weir_put_i16(at + 8, producer->producer_epoch);
    weir_put_i32(at + 10, last->last_sequence);
    weir_put_i64(at + 14, last->last_offset);
    weir_put_i32(at + 22, last->offset_delta);
    weir_put_i64(at + 26, producer->last_timestamp);
    weir_put_i32(at + 34, producer->coordinator_epoch);
    weir_put_i64(at + 38, producer->txn_first_offset);
}

enum weir_status weir_producer_state_encode(const struct weir_producer_state *state,
                                            struct weir_buf *out)
{
    size_t count = weir_producer_state_count(state);
    const struct weir_producer **sorted = weir_calloc(count + 1, sizeof(sorted[0]));
    if (sorted == NULL)
        return WEIR_NO_MEMORY;
    size_t cursor = 0;
    for (size_t i = 0; i < count; i++)
        sorted[i] = weir_producer_state_next(state, &cursor);
    qsort(sorted, count, sizeof(sorted[0]), compare_producers);
    size_t size = HEADER_BYTES + count * WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES;
    uint8_t *at = weir_buf_extend(out, size);
    if (at != NULL) {
        weir_put_i16(at, 1);
        weir_put_i32(at + CRC_FROM, (int32_t)count);
        for (size_t i = 0; i < count; i++)
            encode_producer(sorted[i], at + HEADER_BYTES + i * WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES);
        weir_put_u32(at + CRC_AT, weir_crc32c(at + CRC_FROM, size - CRC_FROM));
    }
    weir_free(sorted);
    return weir_buf_status(out);
}

static enum weir_status decode_producer(struct weir_producer_state *state, const uint8_t *at,
                                        int64_t now_ms, int64_t expiration_ms)
{
    struct weir_producer producer = {.producer_id = weir_get_i64(at),
                                     .producer_epoch = weir_get_i16(at + 8),
                                     .last_timestamp = weir_get_i64(at + 26),
                                     .coordinator_epoch = weir_get_i32(at + 34),
                                     .txn_first_offset = weir_get_i64(at + 38)};
    struct weir_producer_batch batch = {.last_sequence = weir_get_i32(at + 10),
                                        .last_offset = weir_get_i64(at + 14),
                                        .offset_delta = weir_get_i32(at + 22),
                                        .timestamp = producer.last_timestamp};
    if (producer.producer_id < 0 || batch.offset_delta < 0 || producer.txn_first_offset < -1)
        return WEIR_CORRUPT;
    int64_t age_ms = 0; /* a timestamp that cannot be subtracted is no reason to forget */
    if (producer.txn_first_offset < 0 &&
        !__builtin_sub_overflow(now_ms, producer.last_timestamp, &age_ms) &&
        age_ms >= expiration_ms)
        return WEIR_OK;
    if (batch.last_offset >= 0) {
        /* Sequences are 31 bits wide; going back from 0 comes round to the largest. */
        batch.first_sequence =
            batch.last_sequence < 0
                ? WEIR_BATCH_NO_SEQUENCE
                : (int32_t)(((int64_t)batch.last_sequence - batch.offset_delta) & INT32_MAX);
        producer.batches[0] = batch;
        producer.batch_count = 1;
    }
    enum weir_status status = weir_producer_state_prepare(state, producer.producer_id);
    if (status != WEIR_OK)
        return status;
    struct producer_entry *entry = weir_map_get(&state->producers, WEIR_KEY(producer.producer_id));
    WEIR_ASSERT(entry != NULL);
    if (!entry->is_placeholder)
        return WEIR_CORRUPT; /* twice in one snapshot */
    entry->is_placeholder = false;
    state->placeholder_count--;
    entry->producer = producer;
    if (producer.txn_first_offset >= 0)
        weir_producer_entry_open_txn(state, entry, producer.txn_first_offset);
    return WEIR_OK;
}

enum weir_status weir_producer_state_decode(struct weir_producer_state *state,
                                            struct weir_slice bytes, int64_t now_ms,
                                            int64_t expiration_ms, struct weir_detail *detail)
{
    weir_producer_state_clear(state);
    if (bytes.size < HEADER_BYTES || weir_get_i16(bytes.data) != 1) {
        weir_detail_set(detail, "no producer snapshot of version 1");
        return WEIR_CORRUPT;
    }
    if (weir_crc32c(bytes.data + CRC_FROM, bytes.size - CRC_FROM) !=
        weir_get_u32(bytes.data + CRC_AT)) {
        weir_detail_set(detail, "the producer snapshot's checksum is wrong");
        return WEIR_CORRUPT;
    }
    int64_t count = weir_get_i32(bytes.data + CRC_FROM);
    if (count < 0 ||
        (uint64_t)count * WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES != bytes.size - HEADER_BYTES) {
        weir_detail_set(detail, "the producer snapshot's count does not fit its size");
        return WEIR_CORRUPT;
    }
    enum weir_status status = WEIR_OK;
    for (int64_t i = 0; status == WEIR_OK && i < count; i++)
        status = decode_producer(state,
                                 bytes.data + HEADER_BYTES + i * WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES,
                                 now_ms, expiration_ms);
    if (status != WEIR_OK) {
        weir_producer_state_clear(state);
        weir_detail_set(detail, "the producer snapshot has an impossible entry");
    }
    return status;
}

enum weir_status weir_producer_state_read(struct weir_env *env, const char *path,
                                          struct weir_producer_state *state, int64_t now_ms,
                                          int64_t expiration_ms, struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    enum weir_status status = weir_file_read_all(env, path, SNAPSHOT_BYTES_MAX, &bytes, detail);
    if (status == WEIR_OK) {
        status = weir_producer_state_decode(state, weir_buf_slice(&bytes), now_ms, expiration_ms,
                                            detail);
        if (status == WEIR_CORRUPT)
            weir_detail_prefix(detail, "%s", path);
    }
    weir_buf_done(&bytes);
    return status;
}

/* Temporary file and rename: a longer file of that name would otherwise keep its old end.  Not
 * file_replace, which always syncs: at a roll the sync belongs to the next flush. */
enum weir_status weir_producer_state_write(struct weir_env *env, const char *path,
                                           const struct weir_producer_state *state, bool sync,
                                           struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    enum weir_status status = weir_producer_state_encode(state, &bytes);
    if (status == WEIR_OK)
        status = weir_producer_state_write_bytes(env, path, weir_buf_slice(&bytes), sync, detail);
    weir_buf_done(&bytes);
    return status;
}

enum weir_status weir_producer_state_write_bytes(struct weir_env *env, const char *path,
                                                 struct weir_slice bytes, bool sync,
                                                 struct weir_detail *detail)
{
    struct weir_buf temporary = {0};
    struct weir_file *file = NULL;
    weir_buf_printf(&temporary, "%s.tmp", path);
    weir_buf_append(&temporary, "", 1);
    enum weir_status status = weir_buf_status(&temporary);
    if (status == WEIR_OK)
        status =
            weir_file_open(env, (const char *)temporary.data,
                           WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file, detail);
    if (status == WEIR_OK)
        status = weir_file_write_at(env, file, &bytes, 1, 0, detail);
    if (status == WEIR_OK && sync)
        status = weir_file_sync(env, file, true, detail);
    weir_file_close(env, file);
    if (status == WEIR_OK)
        status = weir_path_rename(env, (const char *)temporary.data, path, detail);
    weir_buf_done(&temporary);
    return status;
}
