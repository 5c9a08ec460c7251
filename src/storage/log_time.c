/* SPDX-License-Identifier: Apache-2.0 */

/* Offsets by time (reference part C): time index -> offset index -> batches -> records. */

#include "log_int.h"

#include "weir/base/memory.h"

enum { SCAN_BYTES = 65536 };

/* What to look for: the first record with a timestamp at or above (is_exact: equal to) this one. */
struct time_query {
    int64_t timestamp;
    int64_t from_offset;
    bool is_exact;
};

static bool matches(const struct time_query *query, int64_t timestamp)
{
    return query->is_exact ? timestamp == query->timestamp : timestamp >= query->timestamp;
}

static enum weir_status find_in_batch(struct weir_segment *segment,
                                      const struct weir_batch_place *place,
                                      const struct time_query *query,
                                      struct weir_offset_and_time *out, struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    struct weir_record_iter *iter = NULL;
    struct weir_record_iter_options options = {.skip_payload = true};
    enum weir_status status = weir_segment_read_batch(segment, place, &bytes, &batch, detail);
    if (status == WEIR_OK)
        status = weir_record_iter_new(&batch, &options, &iter, detail);
    while (status == WEIR_OK) {
        struct weir_record record;
        status = weir_record_iter_next(iter, &record, detail);
        if (status == WEIR_OK && matches(query, record.timestamp) &&
            record.offset >= query->from_offset) {
            *out = (struct weir_offset_and_time){.offset = record.offset,
                                                 .timestamp = record.timestamp,
                                                 .leader_epoch = batch.partition_leader_epoch};
            break;
        }
    }
    weir_record_iter_free(iter);
    weir_buf_done(&bytes);
    return status;
}

/* Where to begin: the time index leads to an offset, that to a place.  A time index entry is good
 * when the batch it names has its time; others are dropped, which only makes the walk longer. */
static enum weir_status find_begin(struct weir_segment *segment, uint64_t size,
                                   const struct time_query *query, uint64_t *out_pos,
                                   bool *out_has_unfit, struct weir_detail *detail)
{
    for (;;) {
        struct weir_batch_place place;
        enum weir_status status = weir_segment_lock_indexes(segment, detail);
        if (status != WEIR_OK)
            return status;
        /* For an exact look-up begin before the entry that has it. */
        struct weir_time_index_entry entry = weir_time_index_floor(
            &segment->time_index, query->is_exact ? query->timestamp - 1 : query->timestamp);
        weir_lock_release(&segment->lock);
        int64_t offset = segment->base_offset + entry.relative_offset;
        if (entry.timestamp >= 0) {
            status = weir_segment_find(segment, offset, size, &place, detail);
            if (status != WEIR_OK && status != WEIR_NOT_FOUND && status != WEIR_CORRUPT)
                return status;
            if (status != WEIR_OK || place.batch.max_timestamp != entry.timestamp) {
                *out_has_unfit = true;
                weir_lock_take(&segment->lock); /* nothing if they left memory */
                weir_time_index_drop(&segment->time_index, entry);
                weir_lock_release(&segment->lock);
                continue;
            }
        }
        if (offset < query->from_offset)
            offset = query->from_offset;
        status = weir_segment_find_from(segment, offset, size, out_pos, &place, detail);
        return status == WEIR_NOT_FOUND || status == WEIR_CORRUPT ? WEIR_OK : status;
    }
}

/* The walk over headers, each candidate verified with all that was passed on the way. */
static enum weir_status walk(struct weir_partition_log *log, const struct published *now,
                             size_t index, uint64_t from_pos, const struct time_query *query,
                             struct weir_offset_and_time *out, struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    struct log_verify_options verify = {
        .segment = now->view->segments[index],
        .from_pos = from_pos,
        .size_bytes = weir_log_readable_size(now, index),
        .end_offset = weir_log_segment_end(now, index),
    };
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    weir_segment_scan_init(&scan, verify.segment, from_pos, verify.size_bytes, buffer, SCAN_BYTES);
    enum weir_status status;
    do {
        uint64_t good_pos;
        status = weir_segment_scan_next(&scan, false, &place, detail);
        if (status == WEIR_OK && (!matches(query, place.batch.max_timestamp) ||
                                  place.batch.last_offset < query->from_offset))
            continue;
        verify.until_pos = status == WEIR_OK ? scan.file_pos : verify.size_bytes;
        enum weir_status verified =
            status == WEIR_OK || status == WEIR_NOT_FOUND || status == WEIR_CORRUPT
                ? weir_log_verify(log, &verify, &good_pos, detail)
                : WEIR_OK;
        if (verified != WEIR_OK)
            status = verified;
        if (status != WEIR_OK)
            break;
        status = find_in_batch(verify.segment, &place, query, out, detail);
        if (status != WEIR_NOT_FOUND)
            break;
        status = WEIR_OK;
    } while (status == WEIR_OK);
    weir_free(buffer);
    return status;
}

static enum weir_status find_in_segment(struct weir_partition_log *log, const struct published *now,
                                        size_t index, const struct time_query *query,
                                        struct weir_offset_and_time *out,
                                        struct weir_detail *detail)
{
    struct weir_segment *segment = now->view->segments[index];
    uint64_t from_pos = 0;
    bool has_unfit = false;
    enum weir_status status = find_begin(segment, weir_log_readable_size(now, index), query,
                                         &from_pos, &has_unfit, detail);
    if (status != WEIR_OK)
        return status;
    weir_log_tell_unfit_index(log, segment);
    if (has_unfit) {
        struct weir_detail fault;
        weir_detail_set(&fault, "%s.timeindex: entries do not fit the log and were dropped",
                        segment->path);
        weir_log_tell_fault(log, &fault);
    }
    return walk(log, now, index, from_pos, query, out, detail);
}

/* The greatest time of a segment, which is true afterwards. */
static enum weir_status max_time(struct weir_partition_log *log, const struct published *now,
                                 size_t index, int64_t *out, struct weir_detail *detail)
{
    struct weir_segment *segment = now->view->segments[index];
    enum weir_status status =
        weir_log_verify_times(log, segment, weir_log_readable_size(now, index), detail);
    weir_lock_take(&log->lock); /* max_timestamp is the lock's */
    *out = segment->max_timestamp;
    weir_lock_release(&log->lock);
    return status;
}

/* Nobody knows the times behind a bad batch: NOT_FOUND, or CORRUPT where there is one. */
static enum weir_status refuse_damaged(const struct published *now, size_t index,
                                       struct weir_detail *detail)
{
    struct weir_segment *segment = now->view->segments[index];
    if (!weir_segment_has_damage(segment))
        return WEIR_NOT_FOUND;
    weir_detail_set(detail, "%s.log has damaged batches whose times are not known", segment->path);
    return WEIR_CORRUPT;
}

/* The first record at or behind the time.  Where a segment reaches it only below the log start
 * offset, a later one may have it. */
static enum weir_status search(struct weir_partition_log *log, const struct published *now,
                               int64_t timestamp, struct weir_offset_and_time *out,
                               struct weir_detail *detail)
{
    const struct time_query query = {.timestamp = timestamp,
                                     .from_offset = now->offsets.log_start_offset};
    enum weir_status status = WEIR_NOT_FOUND;
    for (size_t i = 0; i < now->view->count && status == WEIR_NOT_FOUND; i++) {
        int64_t max_timestamp = -1;
        enum weir_status known = max_time(log, now, i, &max_timestamp, detail);
        if (known != WEIR_OK)
            return known;
        if (max_timestamp >= timestamp)
            status = find_in_segment(log, now, i, &query, out, detail);
        if (status == WEIR_NOT_FOUND)
            status = refuse_damaged(now, i, detail);
    }
    return status;
}

/* The first record with the greatest time. */
static enum weir_status search_max(struct weir_partition_log *log, const struct published *now,
                                   struct weir_offset_and_time *out, struct weir_detail *detail)
{
    size_t chosen = 0;
    struct time_query query = {
        .timestamp = -1, .from_offset = now->offsets.log_start_offset, .is_exact = true};
    for (size_t i = 0; i < now->view->count; i++) {
        int64_t max_timestamp = -1;
        enum weir_status status = max_time(log, now, i, &max_timestamp, detail);
        if (status != WEIR_OK)
            return status;
        status = refuse_damaged(now, i, detail);
        if (status == WEIR_CORRUPT)
            return status;
        if (max_timestamp <= query.timestamp)
            continue;
        chosen = i;
        query.timestamp = max_timestamp;
    }
    return query.timestamp < 0 ? WEIR_NOT_FOUND
                               : find_in_segment(log, now, chosen, &query, out, detail);
}

static enum weir_status look_up(struct weir_partition_log *log, int64_t timestamp,
                                struct weir_offset_and_time *out, struct weir_detail *detail)
{
    struct published now;
    enum weir_status status;
    weir_log_take(log, &now);
    if (timestamp == WEIR_TIMESTAMP_EARLIEST || timestamp == WEIR_TIMESTAMP_EARLIEST_LOCAL) {
        /* The epoch is told only when the cache reaches back to the start (KIP-320). */
        struct weir_epoch_entry first = weir_partition_log_earliest_epoch(log);
        bool is_known = first.epoch >= 0 && first.start_offset <= now.offsets.log_start_offset;
        *out = (struct weir_offset_and_time){.offset = now.offsets.log_start_offset,
                                             .timestamp = WEIR_BATCH_NO_TIMESTAMP,
                                             .leader_epoch = is_known ? first.epoch : -1};
        status = WEIR_OK;
    } else if (timestamp == WEIR_TIMESTAMP_MAX) {
        status = search_max(log, &now, out, detail);
    } else {
        status = timestamp < 0 ? WEIR_INVALID : search(log, &now, timestamp, out, detail);
    }
    weir_log_view_unref(now.view);
    return status;
}

enum weir_status weir_partition_log_offset_for_timestamp(struct weir_partition_log *log,
                                                         int64_t timestamp,
                                                         struct weir_offset_and_time *out,
                                                         struct weir_detail *detail)
{
    enum weir_status status;
    uint64_t truncations;
    do {
        truncations = atomic_load_explicit(&log->truncations, memory_order_acquire);
        status = look_up(log, timestamp, out, detail);
    } while (status == WEIR_CORRUPT && weir_log_was_truncated(log, truncations));
    if (status == WEIR_CORRUPT)
        weir_log_tell_fault(log, detail);
    return status;
}
