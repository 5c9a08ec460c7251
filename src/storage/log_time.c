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

static enum weir_status find_in_segment(struct weir_segment *segment, uint64_t size,
                                        const struct time_query *query,
                                        struct weir_offset_and_time *out,
                                        struct weir_detail *detail)
{
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = weir_segment_lock_indexes(segment, detail);
    if (status != WEIR_OK) {
        weir_free(buffer);
        return status;
    }
    /* For an exact look-up begin before the entry that has it. */
    struct weir_time_index_entry entry = weir_time_index_floor(
        &segment->time_index, query->is_exact ? query->timestamp - 1 : query->timestamp);
    int64_t relative = entry.relative_offset;
    if (relative < query->from_offset - segment->base_offset)
        relative = query->from_offset - segment->base_offset;
    uint64_t from_pos =
        (uint64_t)weir_offset_index_floor(&segment->offset_index, relative).file_pos;
    weir_lock_release(&segment->lock);
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    weir_segment_scan_init(&scan, segment, from_pos, size, buffer, SCAN_BYTES);
    while ((status = weir_segment_scan_next(&scan, false, &place, detail)) == WEIR_OK) {
        if (!matches(query, place.batch.max_timestamp) ||
            place.batch.last_offset < query->from_offset)
            continue;
        status = find_in_batch(segment, &place, query, out, detail);
        if (status != WEIR_NOT_FOUND)
            break;
    }
    weir_free(buffer);
    return status;
}

/* The segment that is searched: the first that reaches the time, or the one with the greatest time.
 */
static struct weir_segment *choose_segment(struct weir_partition_log *log,
                                           const struct log_view *view, int64_t timestamp,
                                           size_t *out_index, int64_t *out_max_timestamp)
{
    struct weir_segment *chosen = NULL;
    weir_lock_take(&log->lock); /* max_timestamp is the lock's */
    for (size_t i = 0; i < view->count; i++) {
        int64_t max_timestamp = view->segments[i]->max_timestamp;
        bool is_better = timestamp == WEIR_TIMESTAMP_MAX ? max_timestamp > *out_max_timestamp
                                                         : max_timestamp >= timestamp;
        if (max_timestamp < 0 || !is_better)
            continue;
        chosen = view->segments[i];
        *out_index = i;
        *out_max_timestamp = max_timestamp;
        if (timestamp != WEIR_TIMESTAMP_MAX)
            break;
    }
    weir_lock_release(&log->lock);
    return chosen;
}

static enum weir_status search(struct weir_partition_log *log, const struct published *now,
                               int64_t timestamp, struct weir_offset_and_time *out,
                               struct weir_detail *detail)
{
    size_t index = 0;
    int64_t max_timestamp = -1;
    struct weir_segment *segment =
        choose_segment(log, now->view, timestamp, &index, &max_timestamp);
    if (segment == NULL)
        return WEIR_NOT_FOUND;
    bool is_max = timestamp == WEIR_TIMESTAMP_MAX;
    struct time_query query = {.timestamp = is_max ? max_timestamp : timestamp,
                               .from_offset = now->offsets.log_start_offset,
                               .is_exact = is_max};
    uint64_t size = index + 1 == now->view->count ? now->end_pos : weir_segment_size(segment);
    return find_in_segment(segment, size, &query, out, detail);
}

enum weir_status weir_partition_log_offset_for_timestamp(struct weir_partition_log *log,
                                                         int64_t timestamp,
                                                         struct weir_offset_and_time *out,
                                                         struct weir_detail *detail)
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
    } else if (timestamp >= 0 || timestamp == WEIR_TIMESTAMP_MAX) {
        status = search(log, &now, timestamp, out, detail);
    } else {
        status = WEIR_INVALID;
    }
    weir_log_view_unref(now.view);
    return status;
}
