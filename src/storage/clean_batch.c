/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What of one batch is kept.  A first look finds which records stay; when all do and nothing is to
 * be noted in the header, the batch is copied byte for byte.  Otherwise it is made anew with the
 * same offsets, producer, codec and leader epoch.  One of magic 0 or 1 is always made anew, as one
 * of magic 2 (as Apache Kafka does it).
 */

#include "clean_int.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/record/batch_builder.h"

#include <inttypes.h>

enum fate { FATE_DELETE, FATE_DELETE_EMPTY, FATE_RETAIN_EMPTY };

struct clean_one {
    const struct clean_rules *rules;
    const struct weir_batch *batch;
    bool is_discarded; /* all records */
    bool is_empty_txns_marker;
    enum fate fate;
    struct weir_buf *keep; /* a byte for each record */
    size_t records;
    size_t kept;
    bool has_tombstones; /* among those kept */
    int64_t first_kept_offset;
    int64_t horizon_ms; /* of the batch; -1: none */
};

static bool is_last_of_producer(const struct clean_rules *rules, const struct weir_batch *batch)
{
    size_t low = 0;
    size_t high = rules->producer_count;
    if (!weir_batch_has_producer_id(batch))
        return false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rules->producers[middle].producer_id < batch->producer_id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == rules->producer_count || rules->producers[low].producer_id != batch->producer_id)
        return false;
    const struct clean_producer *producer = &rules->producers[low];
    return producer->last_offset >= 0
               ? batch->last_offset == producer->last_offset
               : weir_batch_is_control(batch) && batch->producer_epoch == producer->producer_epoch;
}

static enum weir_status judge_batch(struct clean_one *one, struct clean_txns *txns,
                                    struct weir_txn_index *txn_index, struct weir_detail *detail)
{
    const struct clean_rules *rules = one->rules;
    const struct weir_batch *batch = one->batch;
    enum weir_status status;
    one->horizon_ms = weir_batch_has_delete_horizon(batch) ? batch->base_timestamp : -1;
    if (weir_batch_is_control(batch)) {
        bool is_empty = false;
        bool has_aborted = false;
        struct weir_aborted_txn aborted;
        status = weir_clean_txns_on_control(txns, batch, &is_empty, &has_aborted, &aborted, detail);
        if (status == WEIR_OK && has_aborted)
            status = weir_txn_index_append(txn_index, &aborted);
        one->is_empty_txns_marker = is_empty;
        one->is_discarded = is_empty && one->horizon_ms >= 0 && one->horizon_ms <= rules->now_ms;
    } else {
        status = weir_clean_txns_on_data(txns, batch, &one->is_discarded);
    }
    if (is_last_of_producer(rules, batch) ||
        weir_batch_next_offset(batch) == rules->upper_bound_offset)
        one->fate = FATE_RETAIN_EMPTY;
    else
        one->fate = one->is_discarded ? FATE_DELETE : FATE_DELETE_EMPTY;
    return status;
}

/* What of a record its fate hangs on.  Some are looked at before the first is judged: their slots
 * of the map come to the processor's cache meanwhile. */
struct seen {
    struct weir_offset_map_key key; /* where the map is asked */
    int64_t offset;
    bool has_key;
    bool is_tombstone;
};

enum { SEEN_MAX = 32 };

static void see(const struct clean_one *one, const struct weir_record *record, struct seen *out)
{
    *out = (struct seen){.offset = record->offset,
                         .has_key = record->key_bytes >= 0,
                         .is_tombstone = record->value_bytes < 0};
    if (!out->has_key || one->is_discarded || weir_batch_is_control(one->batch))
        return;
    out->key = weir_offset_map_key_of(record->key);
    weir_offset_map_prefetch(one->rules->map, out->key);
}

static bool is_kept(const struct clean_one *one, const struct seen *record,
                    struct clean_counts *counts)
{
    const struct clean_rules *rules = one->rules;
    if (one->is_discarded)
        return false;
    if (weir_batch_is_control(one->batch) || record->offset >= rules->map_end_offset)
        return true;
    if (!record->has_key) {
        counts->records_without_key++;
        return false;
    }
    if (record->offset < weir_offset_map_get(rules->map, record->key))
        return false;
    if (!record->is_tombstone)
        return true;
    if (one->batch->magic < 2)
        return rules->keeps_old_tombstones;
    return one->horizon_ms < 0 || rules->now_ms < one->horizon_ms;
}

static void judge_records(struct clean_one *one, const struct seen *seen, size_t count,
                          struct clean_counts *counts)
{
    uint8_t keeps[SEEN_MAX];
    for (size_t i = 0; i < count; i++) {
        keeps[i] = is_kept(one, &seen[i], counts);
        if (keeps[i] == 0)
            continue;
        if (one->kept++ == 0)
            one->first_kept_offset = seen[i].offset;
        one->has_tombstones = one->has_tombstones || seen[i].is_tombstone;
    }
    weir_buf_append(one->keep, keeps, count);
    one->records += count;
    counts->records_read += count;
}

static enum weir_status look_at_records(struct clean_one *one, struct clean_counts *counts,
                                        struct weir_detail *detail)
{
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    struct seen seen[SEEN_MAX];
    size_t seen_count = 0;
    weir_buf_clear(one->keep);
    enum weir_status status = weir_record_iter_new(one->batch, NULL, &iter, detail);
    while (status == WEIR_OK &&
           (status = weir_record_iter_next(iter, &record, detail)) == WEIR_OK) {
        see(one, &record, &seen[seen_count++]);
        if (seen_count < SEEN_MAX)
            continue;
        judge_records(one, seen, seen_count, counts);
        seen_count = 0;
    }
    judge_records(one, seen, seen_count, counts);
    weir_record_iter_free(iter);
    if (status == WEIR_NOT_FOUND)
        status = weir_buf_status(one->keep);
    if (status == WEIR_OK)
        counts->records_kept += one->kept;
    return status;
}

/* 61 bytes without records: what is left to say is who wrote last, and up to where. */
static enum weir_status add_empty(const struct weir_batch *batch, struct weir_buf *out)
{
    uint8_t *at = weir_buf_extend(out, WEIR_BATCH_HEADER_BYTES);
    if (at == NULL)
        return weir_buf_status(out);
    weir_put_i64(at, batch->base_offset);
    weir_put_i32(at + 8, WEIR_BATCH_HEADER_BYTES - WEIR_BATCH_OVERHEAD_BYTES);
    weir_put_i32(at + 12, batch->partition_leader_epoch);
    at[16] = 2;
    int kept = WEIR_BATCH_LOG_APPEND_TIME | WEIR_BATCH_TRANSACTIONAL | WEIR_BATCH_CONTROL;
    weir_put_i16(at + 21, (int16_t)(batch->attributes & kept));
    weir_put_i32(at + 23, (int32_t)(batch->last_offset - batch->base_offset));
    weir_put_i64(at + 27, WEIR_BATCH_NO_TIMESTAMP);
    weir_put_i64(at + 35, batch->max_timestamp);
    weir_put_i64(at + 43, batch->producer_id);
    weir_put_i16(at + 51, batch->producer_epoch);
    weir_put_i32(at + 53, batch->base_sequence);
    weir_put_i32(at + 57, 0);
    weir_put_u32(at + 17, weir_crc32c(at + 21, WEIR_BATCH_HEADER_BYTES - 21));
    return WEIR_OK;
}

static enum weir_status copy_kept(const struct clean_one *one, int64_t base_offset,
                                  struct weir_batch_builder *builder, struct weir_detail *detail)
{
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    size_t index = 0;
    enum weir_status status = weir_record_iter_new(one->batch, NULL, &iter, detail);
    while (status == WEIR_OK &&
           (status = weir_record_iter_next(iter, &record, detail)) == WEIR_OK) {
        if (index >= one->records || one->keep->data[index++] == 0)
            continue;
        int64_t delta = record.offset - base_offset;
        if (delta < 0 || delta > INT32_MAX) {
            weir_detail_set(detail, "a record's offset %" PRId64 " is outside of its batch",
                            record.offset);
            status = WEIR_CORRUPT;
            break;
        }
        struct weir_record_data data = {.timestamp = record.timestamp,
                                        .key = record.key,
                                        .value = record.value,
                                        .header_count = record.header_count,
                                        .raw_headers = record.headers};
        weir_batch_builder_add_at(builder, (int32_t)delta, &data);
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

static enum weir_status rebuild(const struct clean_one *one, bool sets_horizon,
                                struct weir_buf *out, struct weir_detail *detail)
{
    const struct weir_batch *batch = one->batch;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    bool is_old = batch->magic < 2;
    int64_t base_offset = is_old ? one->first_kept_offset : batch->base_offset;
    if (!weir_codec_from_bits(batch->attributes & WEIR_BATCH_CODEC_MASK, &options.codec))
        return WEIR_CORRUPT;
    options.base_offset = base_offset;
    options.partition_leader_epoch = batch->partition_leader_epoch;
    options.log_append_time = weir_batch_has_log_append_time(batch);
    options.log_append_time_ms = batch->max_timestamp;
    options.producer_id = batch->producer_id;
    options.producer_epoch = batch->producer_epoch;
    options.base_sequence = batch->base_sequence;
    options.is_transactional = weir_batch_is_transactional(batch);
    options.is_control = weir_batch_is_control(batch);
    options.has_delete_horizon = sets_horizon || one->horizon_ms >= 0;
    options.delete_horizon_ms = one->horizon_ms;
    if (sets_horizon && __builtin_add_overflow(one->rules->now_ms, one->rules->delete_retention_ms,
                                               &options.delete_horizon_ms))
        options.delete_horizon_ms = INT64_MAX;
    if (batch->last_offset - base_offset > INT32_MAX) {
        weir_detail_set(detail, "the batch at offset %" PRId64 " is too wide", batch->base_offset);
        return WEIR_CORRUPT;
    }
    struct weir_batch_builder *builder = NULL;
    enum weir_status status = weir_batch_builder_new(&options, out, &builder);
    if (status == WEIR_OK)
        status = copy_kept(one, base_offset, builder, detail);
    if (status == WEIR_OK) {
        weir_batch_builder_set_last_offset_delta(builder,
                                                 (int32_t)(batch->last_offset - base_offset));
        status = weir_batch_builder_finish(builder);
    }
    weir_batch_builder_free(builder);
    return status;
}

static enum weir_status add_result(const struct clean_one *one, struct weir_buf *out,
                                   struct weir_detail *detail)
{
    const struct weir_batch *batch = one->batch;
    if (one->kept == 0)
        return one->fate == FATE_RETAIN_EMPTY ? add_empty(batch, out) : WEIR_OK;
    bool is_whole = one->kept == one->records && batch->magic >= 2;
    bool sets_horizon = one->horizon_ms < 0 && (one->has_tombstones || one->is_empty_txns_marker);
    if (!is_whole || sets_horizon)
        return rebuild(one, sets_horizon, out, detail);
    weir_buf_append_slice(out, batch->bytes);
    return weir_buf_status(out);
}

enum weir_status weir_clean_batch(const struct clean_rules *rules, struct clean_txns *txns,
                                  const struct weir_batch *batch, struct weir_buf *keep,
                                  struct weir_buf *out, struct weir_batch *out_batch,
                                  struct weir_txn_index *txn_index, struct clean_counts *counts,
                                  struct weir_detail *detail)
{
    struct clean_one one = {.rules = rules, .batch = batch, .keep = keep};
    size_t start = out->size;
    *out_batch = (struct weir_batch){0};
    enum weir_status status = judge_batch(&one, txns, txn_index, detail);
    if (status != WEIR_OK || one.fate == FATE_DELETE)
        return status;
    status = look_at_records(&one, counts, detail);
    if (status == WEIR_OK)
        status = add_result(&one, out, detail);
    if (status == WEIR_OK && out->size > start)
        status = weir_batch_parse(weir_slice_of(out->data + start, out->size - start), out_batch,
                                  detail);
    return status;
}
