/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Producer state of a log: snapshots on disk plus the batches behind them.  Apache Kafka trusts a
 * clean directory without any snapshot to have no producers; here the batches are read instead
 * (reference F.3, trap 3).
 */

#include "log_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>

enum { SCAN_BYTES = 65536, MARKER_BYTES_MAX = 1 << 20 };

static enum weir_status read_marker(struct weir_segment *segment,
                                    const struct weir_batch_place *place,
                                    struct weir_txn_marker *out, struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    if (place->size > MARKER_BYTES_MAX) {
        weir_detail_set(detail, "a control batch of %zu bytes", place->size);
        return WEIR_INVALID;
    }
    enum weir_status status = weir_segment_read_batch(segment, place, &bytes, &batch, detail);
    if (status == WEIR_OK)
        status = weir_txn_marker_parse(&batch, out, detail);
    weir_buf_done(&bytes);
    return status;
}

static enum weir_status replay_marker(struct weir_partition_log *log, struct weir_segment *segment,
                                      const struct weir_batch_place *place, bool write_txn_index,
                                      struct weir_detail *detail)
{
    struct weir_txn_marker marker;
    struct weir_completed_txn completed;
    if (place->batch.record_count == 0)
        return WEIR_OK; /* compaction took the marker and left its place */
    enum weir_status status = read_marker(segment, place, &marker, detail);
    if (status == WEIR_INVALID)
        return WEIR_OK; /* a control record of another kind */
    if (status != WEIR_OK)
        return status;
    if (!weir_producer_state_apply_marker(log->producers, &marker, place->batch.last_offset,
                                          place->batch.max_timestamp, &completed) ||
        !completed.is_aborted || !write_txn_index)
        return WEIR_OK;
    struct weir_aborted_txn aborted = {
        .producer_id = completed.producer_id,
        .first_offset = completed.first_offset,
        .last_offset = completed.last_offset,
        .last_stable_offset = weir_producer_state_last_stable_offset(log->producers, &completed)};
    weir_lock_take(&segment->lock);
    status = weir_txn_index_append(&segment->txn_index, &aborted);
    weir_lock_release(&segment->lock);
    return status;
}

enum weir_status weir_log_replay_batch(struct weir_partition_log *log, struct weir_segment *segment,
                                       const struct weir_batch_place *place, bool write_txn_index,
                                       struct weir_detail *detail)
{
    if (!weir_batch_has_producer_id(&place->batch))
        return WEIR_OK;
    enum weir_status status = weir_producer_state_prepare(log->producers, place->batch.producer_id);
    if (status != WEIR_OK)
        return status;
    if (weir_batch_is_control(&place->batch))
        return replay_marker(log, segment, place, write_txn_index, detail);
    weir_producer_state_update(log->producers, &place->batch);
    return WEIR_OK;
}

/* Loads the newest good snapshot at or below the offset; -1 when there is none. */
static enum weir_status load_newest(struct weir_partition_log *log, int64_t up_to_offset,
                                    struct weir_detail *bad_snapshot, int64_t *out_offset,
                                    struct weir_detail *detail)
{
    struct log_dir_listing listing;
    *out_offset = -1;
    if (log->has_no_snapshots)
        return WEIR_OK;
    enum weir_status status = weir_log_dir_list(log->env, log->dir, &listing, detail);
    if (status != WEIR_OK)
        return status;
    int64_t now_ms = weir_env_wall_ms(log->env);
    for (size_t i = listing.count; i > 0 && *out_offset < 0; i--) {
        const struct log_dir_entry *entry = &listing.items[i - 1];
        char path[WEIR_SEGMENT_PATH_BYTES];
        if (strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_SNAPSHOT) != 0 ||
            entry->offset > up_to_offset)
            continue;
        weir_offset_file_path(log->dir, entry->offset, entry->suffix, path);
        status = weir_producer_state_read(log->env, path, log->producers, now_ms,
                                          log->config.producer_id_expiration_ms, detail);
        if (status == WEIR_OK)
            *out_offset = entry->offset;
        else if (status == WEIR_CORRUPT) {
            if (bad_snapshot != NULL)
                *bad_snapshot = *detail;
            status = weir_path_remove(log->env, path, detail);
        }
        if (status != WEIR_OK)
            break;
    }
    weir_log_dir_listing_done(&listing);
    return status;
}

static enum weir_status replay_segment(struct weir_partition_log *log, struct weir_segment *segment,
                                       int64_t from, int64_t to, uint8_t *buffer,
                                       struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    uint64_t from_pos = 0;
    uint64_t size = weir_segment_size(segment);
    if (from > segment->base_offset) {
        enum weir_status found = weir_segment_find(segment, from, size, &place, NULL);
        if (found == WEIR_NOT_FOUND)
            return WEIR_OK;
        /* Without a usable index the walk begins at the front. */
        from_pos = found == WEIR_OK ? place.file_pos : 0;
    }
    weir_segment_scan_init(&scan, segment, from_pos, size, buffer, SCAN_BYTES);
    for (;;) {
        enum weir_status status = weir_segment_scan_next(&scan, false, &place, detail);
        if (status == WEIR_NOT_FOUND || (status == WEIR_OK && place.batch.base_offset >= to))
            return WEIR_OK;
        if (status == WEIR_OK && place.batch.base_offset >= from)
            status = weir_log_replay_batch(log, segment, &place, false, detail);
        if (status != WEIR_OK)
            return status;
    }
}

enum weir_status weir_log_rebuild_producers(struct weir_partition_log *log,
                                            struct weir_segment *const *segments, size_t count,
                                            int64_t up_to_offset, struct weir_detail *bad_snapshot,
                                            struct weir_detail *detail)
{
    int64_t from = -1;
    weir_producer_state_clear(log->producers);
    enum weir_status status = load_newest(log, up_to_offset, bad_snapshot, &from, detail);
    if (status != WEIR_OK)
        return status;
    int64_t first_base = count > 0 ? segments[0]->base_offset : up_to_offset;
    if (from >= 0 && from < first_base) {
        /* What was written between the snapshot and the first segment is gone (power loss took the
         * snapshots that came later).  A producer whose state is old would be refused for good; one
         * that is not known may go on. */
        weir_producer_state_clear(log->producers);
        from = -1;
    }
    log->snapshot_offset = from;
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        bool is_before = i + 1 < count && segments[i + 1]->base_offset <= from;
        if (is_before || segments[i]->base_offset >= up_to_offset)
            continue;
        status = replay_segment(log, segments[i], from, up_to_offset, buffer, detail);
    }
    weir_free(buffer);
    return status;
}

enum weir_status weir_log_write_snapshot(struct weir_partition_log *log, int64_t offset, bool sync,
                                         struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    if (log->snapshot_offset == offset && !(sync && log->snapshot_is_unsynced))
        return WEIR_OK;
    weir_offset_file_path(log->dir, offset, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    log->has_no_snapshots = false;
    enum weir_status status =
        weir_producer_state_write(log->env, path, log->producers, sync, detail);
    log->names_changed++;
    if (status == WEIR_OK) {
        log->snapshot_offset = offset;
        log->snapshot_is_unsynced = !sync;
    }
    return status;
}

static bool is_segment_base(const struct weir_partition_log *log, int64_t offset)
{
    const struct log_view *view = log->now.view;
    for (size_t i = 0; i < view->count; i++) {
        if (view->segments[i]->base_offset == offset)
            return true;
    }
    return false;
}

enum weir_status weir_log_tidy_snapshots(struct weir_partition_log *log, int64_t above,
                                         struct weir_detail *detail)
{
    struct log_dir_listing listing;
    if (log->has_no_snapshots)
        return WEIR_OK;
    enum weir_status status = weir_log_dir_list(log->env, log->dir, &listing, detail);
    if (status != WEIR_OK)
        return status;
    int64_t newest = -1;
    for (size_t i = 0; i < listing.count; i++) {
        const struct log_dir_entry *entry = &listing.items[i];
        if (strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_SNAPSHOT) == 0 && entry->offset <= above)
            newest = entry->offset;
    }
    for (size_t i = 0; i < listing.count && status == WEIR_OK; i++) {
        const struct log_dir_entry *entry = &listing.items[i];
        char path[WEIR_SEGMENT_PATH_BYTES];
        if (strcmp(entry->suffix, WEIR_SEGMENT_SUFFIX_SNAPSHOT) != 0)
            continue;
        if (entry->offset == newest ||
            (entry->offset < above && is_segment_base(log, entry->offset)))
            continue;
        weir_offset_file_path(log->dir, entry->offset, entry->suffix, path);
        status = weir_path_remove(log->env, path, detail);
        log->names_changed++;
    }
    weir_log_dir_listing_done(&listing);
    return status;
}
