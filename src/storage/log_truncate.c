/* SPDX-License-Identifier: Apache-2.0 */

/* Cutting the end of a log (P3): a follower's divergence from its leader.  Whole batches only. */

#include "log_int.h"

#include "weir/base/memory.h"

enum { SCAN_BYTES = 65536 };

/* Brings a segment's counters to what its first size bytes hold; the indexes are cut already. */
static enum weir_status recount(struct weir_segment *segment, uint64_t size,
                                struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    struct weir_time_index_entry last = weir_time_index_last(&segment->time_index);
    segment->max_timestamp = last.timestamp;
    segment->max_timestamp_offset =
        last.timestamp < 0 ? -1 : segment->base_offset + last.relative_offset;
    segment->bytes_since_index_entry = 0;
    if (size == 0)
        segment->first_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    uint64_t from = (uint64_t)weir_offset_index_floor(&segment->offset_index, INT64_MAX).file_pos;
    weir_segment_scan_init(&scan, segment, from, size, buffer, SCAN_BYTES);
    enum weir_status status;
    while ((status = weir_segment_scan_next(&scan, false, &place, detail)) == WEIR_OK) {
        segment->bytes_since_index_entry += (int64_t)place.size;
        if (place.batch.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = place.batch.max_timestamp;
            segment->max_timestamp_offset = place.batch.last_offset;
        }
    }
    weir_free(buffer);
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

static enum weir_status cut_segment(struct weir_partition_log *log, struct weir_segment *segment,
                                    int64_t offset, int64_t *out_end_offset,
                                    struct weir_detail *detail)
{
    struct weir_batch_place place;
    uint64_t size = weir_segment_size(segment);
    enum weir_status status = weir_segment_find(segment, offset, size, &place, detail);
    if (status != WEIR_OK && status != WEIR_NOT_FOUND)
        return status;
    *out_end_offset = offset;
    if (status == WEIR_OK) {
        size = place.file_pos;
        if (place.batch.base_offset < offset)
            *out_end_offset = place.batch.base_offset;
    }
    weir_lock_take(&segment->lock);
    weir_offset_index_truncate(&segment->offset_index, offset - segment->base_offset);
    weir_time_index_truncate(&segment->time_index, offset - segment->base_offset);
    weir_txn_index_truncate(&segment->txn_index, offset);
    bool has_txn_file = segment->txn_index.count > 0;
    weir_lock_release(&segment->lock);
    atomic_store_explicit(&segment->size_bytes, size, memory_order_release);
    weir_segment_note_cut(segment, size);
    status = weir_segment_truncate_file(segment, size, detail);
    if (status == WEIR_OK)
        status = weir_segment_sync(segment, true, detail);
    if (status == WEIR_OK)
        status = recount(segment, size, detail);
    if (status == WEIR_OK && !has_txn_file) {
        char path[WEIR_SEGMENT_PATH_BYTES];
        weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, path);
        enum weir_status removed = weir_path_remove(log->env, path, detail);
        status = removed == WEIR_NOT_FOUND ? WEIR_OK : removed;
    }
    return status == WEIR_OK ? weir_segment_write_indexes(segment, true, detail) : status;
}

/* A truncation ends with syncs; nothing awaits one. */
static void note_synced(struct weir_partition_log *log, int64_t end_offset)
{
    if (log->synced_offset > end_offset)
        log->synced_offset = end_offset;
    log->hold_offset = WEIR_LOG_NO_HOLD;
    log->roll_wanted_base = -1;
}

static enum weir_status discard(struct weir_partition_log *log, struct weir_segment *segment,
                                struct weir_detail *detail)
{
    enum weir_status status =
        weir_log_discard_segment(log, segment, weir_log_delete_due_ms(log), detail);
    weir_log_note_discarded(log, segment);
    return status;
}

/* Offsets, epochs, producers and small files after the segments were cut. */
static enum weir_status settle(struct weir_partition_log *log, int64_t end_offset,
                               struct weir_detail *detail)
{
    const struct log_view *view = log->now.view;
    int64_t log_start = log->now.offsets.log_start_offset;
    int64_t high_watermark = log->now.offsets.high_watermark;
    if (log->recovery_point > end_offset)
        log->recovery_point = end_offset;
    note_synced(log, end_offset);
    weir_epoch_cache_truncate_from_end(&log->epochs, end_offset);
    enum weir_status status = weir_log_tidy_snapshots(log, end_offset, detail);
    if (status == WEIR_OK)
        status =
            weir_log_rebuild_producers(log, view->segments, view->count, end_offset, NULL, detail);
    weir_log_publish_end(log, end_offset);
    weir_log_publish_limits(log, log_start < end_offset ? log_start : end_offset,
                            high_watermark < end_offset ? high_watermark : end_offset);
    log->names_changed++; /* those of what was cut */
    if (status == WEIR_OK)
        status = weir_log_write_small_files_locked(log, detail);
    return status == WEIR_OK ? weir_log_sync_names_locked(log, detail) : status;
}

static enum weir_status truncate_locked(struct weir_partition_log *log, int64_t offset,
                                        struct weir_detail *detail)
{
    struct log_view *before = log->now.view;
    if (offset < before->segments[0]->base_offset)
        return weir_log_restart_at(log, offset, detail);
    size_t kept = before->count;
    while (kept > 1 && before->segments[kept - 1]->base_offset > offset)
        kept--;
    struct log_view *after = weir_log_view_new(before->segments, kept);
    if (after == NULL)
        return WEIR_NO_MEMORY;
    int64_t end_offset = offset;
    weir_segment_set_sealed(before->segments[kept - 1], false); /* it is appended to from now on */
    enum weir_status status = weir_segment_load_indexes(before->segments[kept - 1], detail);
    if (status != WEIR_OK) {
        weir_log_view_unref(after);
        return status;
    }
    /* Readers first: none may see an offset that is about to go. */
    atomic_fetch_add_explicit(&before->refs, 1, memory_order_relaxed);
    weir_log_publish_view(log, after);
    /* From the end, and durably: a crash in between leaves a longer log, never one with a hole. */
    for (size_t i = before->count; i > kept && status == WEIR_OK; i--)
        status = discard(log, before->segments[i - 1], detail);
    if (status == WEIR_OK && kept < before->count)
        status = weir_dir_sync(log->env, log->dir, detail);
    if (status == WEIR_OK)
        status = cut_segment(log, after->segments[kept - 1], offset, &end_offset, detail);
    weir_log_view_unref(before);
    return status == WEIR_OK ? settle(log, end_offset, detail) : status;
}

static void note_truncated(struct weir_partition_log *log)
{
    /* release: who sees the count sees the view and the end that were published before it. */
    atomic_fetch_add_explicit(&log->truncations, 1, memory_order_release);
}

bool weir_log_was_truncated(struct weir_partition_log *log, uint64_t truncations_before)
{
    weir_lock_take(&log->lock); /* it is held throughout a truncation */
    uint64_t truncations = atomic_load_explicit(&log->truncations, memory_order_relaxed);
    weir_lock_release(&log->lock);
    return truncations != truncations_before;
}

enum weir_status weir_partition_log_truncate_to(struct weir_partition_log *log, int64_t offset,
                                                bool *out_truncated, struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    weir_log_stop_cleaning(log);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_ALL);
    enum weir_status status = weir_log_check_open(log, detail);
    bool is_needed = offset < log->now.offsets.log_end_offset;
    if (status == WEIR_OK && offset < 0)
        status = WEIR_INVALID;
    if (status == WEIR_OK && is_needed) {
        status = truncate_locked(log, offset, detail);
        note_truncated(log);
        if (status != WEIR_OK) {
            weir_log_fail_locked(log, detail);
            status = WEIR_KAFKA_STORAGE_ERROR;
        }
    } else if (status == WEIR_OK) {
        /* The cache may have an epoch at the very end that conflicts with the leader's. */
        weir_epoch_cache_truncate_from_end(&log->epochs, offset);
    }
    weir_log_end_change(log, WEIR_LOG_CHANGE_ALL);
    weir_log_allow_cleaning(log);
    log->is_uncleanable = log->is_uncleanable && !is_needed;
    weir_lock_release(&log->lock);
    if (status == WEIR_OK && is_needed && log->on_truncated != NULL)
        log->on_truncated(log->context, log);
    if (status == WEIR_OK)
        *out_truncated = is_needed;
    return status;
}

enum weir_status weir_log_restart_at(struct weir_partition_log *log, int64_t offset,
                                     struct weir_detail *detail)
{
    struct weir_segment *segment = NULL;
    struct log_view *before = log->now.view;
    enum weir_status status = WEIR_OK;
    /* The old files get out of the way first: one of them may have the new one's name. */
    for (size_t i = before->count; i > 0 && status == WEIR_OK; i--)
        status = discard(log, before->segments[i - 1], detail);
    if (status == WEIR_OK)
        status = weir_segment_open(log->env, log->dir, offset, true, &segment, detail);
    if (status == WEIR_OK)
        status = weir_segment_write_indexes(segment, true, detail);
    if (status != WEIR_OK)
        goto out;
    weir_segment_use_cache(segment, log->cache);
    segment->roll_jitter_ms = weir_log_jitter(log->env, &log->config);
    struct log_view *after = weir_log_view_new(&segment, 1);
    if (after == NULL) {
        status = WEIR_NO_MEMORY;
        goto out;
    }
    weir_log_publish_view(log, after);
    weir_log_publish_end(log, offset);
    weir_producer_state_clear(log->producers);
    weir_epoch_cache_clear(&log->epochs);
    log->recovery_point = offset;
    note_synced(log, offset);
    weir_log_publish_limits(log, offset, offset);
    status = weir_log_tidy_snapshots(log, -1, detail);
    log->snapshot_offset = -1;
    log->names_changed++;
    if (status == WEIR_OK)
        status = weir_log_write_small_files_locked(log, detail);
    if (status == WEIR_OK)
        status = weir_log_sync_names_locked(log, detail);
out:
    weir_segment_unref(segment);
    return status;
}

enum weir_status weir_partition_log_truncate_fully(struct weir_partition_log *log, int64_t offset,
                                                   struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    weir_log_stop_cleaning(log);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_ALL);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK && offset < 0)
        status = WEIR_INVALID;
    if (status == WEIR_OK) {
        status = weir_log_restart_at(log, offset, detail);
        note_truncated(log);
        if (status != WEIR_OK) {
            weir_log_fail_locked(log, detail);
            status = WEIR_KAFKA_STORAGE_ERROR;
        }
    }
    weir_log_end_change(log, WEIR_LOG_CHANGE_ALL);
    weir_log_allow_cleaning(log);
    log->is_uncleanable = false;
    weir_lock_release(&log->lock);
    if (status == WEIR_OK && log->on_truncated != NULL)
        log->on_truncated(log->context, log);
    return status;
}
