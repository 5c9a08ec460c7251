/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Trap 4.  A transaction index that is missing looks like one that has no entries, and Apache Kafka
 * never looks again while the marker is there.  Readers make sure of an index before they use it
 * (log_verify_txns.c); for those nobody read before the next stop it is done here, in the
 * background and bit by bit.
 *
 * Looked at are the segments whose producer snapshot, the one at their end, knows of a marker.
 * Others would have to be read whole after each start for what is almost never there; a producer
 * that had expired before its segment was sealed is missed that way.
 */

#include "log_int.h"

#include "weir/base/memory.h"

static bool needs_audit(struct weir_segment *segment)
{
    weir_lock_take(&segment->lock);
    bool needs = !segment->is_txn_index_true && !segment->has_no_markers;
    weir_lock_release(&segment->lock);
    return needs && weir_segment_size(segment) > 0;
}

static bool has_marker(const struct weir_producer_state *producers)
{
    const struct weir_producer *producer;
    size_t cursor = 0;
    while ((producer = weir_producer_state_next(producers, &cursor)) != NULL) {
        if (producer->coordinator_epoch >= 0)
            return true;
    }
    return false;
}

/* Whether the snapshot at the end of a segment, as it was loaded, knows of a marker. */
static bool snapshot_has_marker(struct weir_partition_log *log, const struct published *now,
                                size_t index)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_producer_state *producers = NULL;
    int64_t end_offset = weir_log_segment_end(now, index);
    weir_lock_take(&log->lock);
    if (end_offset < 0 || end_offset > log->loaded_end_offset)
        end_offset = log->loaded_end_offset; /* what came later was indexed here */
    weir_offset_file_path(log->dir, end_offset, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    weir_lock_release(&log->lock);
    if (weir_producer_state_new(&producers) != WEIR_OK)
        return false;
    bool has_one =
        weir_producer_state_read(log->env, path, producers, 0, INT64_MAX, NULL) == WEIR_OK &&
        has_marker(producers);
    weir_producer_state_free(producers);
    return has_one;
}

/* Batches first, so many bytes at a time; the index is made of verified ones.  *out_is_over: also
 * when it cannot be told. */
static uint64_t walk(struct weir_partition_log *log, const struct published *now, size_t index,
                     uint64_t bytes_max, bool *out_is_over)
{
    struct weir_segment *segment = now->view->segments[index];
    uint64_t size = weir_log_readable_size(now, index);
    uint64_t from = segment->audit_pos < size ? segment->audit_pos : size;
    struct log_verify_options options = {
        .segment = segment,
        .until_pos = size - from > bytes_max ? from + bytes_max : size,
        .size_bytes = size,
        .end_offset = weir_log_segment_end(now, index),
    };
    uint64_t good_pos = 0;
    enum weir_status status = weir_log_verify(log, &options, &good_pos, NULL);
    segment->audit_pos = options.until_pos;
    *out_is_over = options.until_pos == size || status != WEIR_OK;
    if (*out_is_over)
        status = weir_log_verify_txns(log, now, index, NULL);
    if (*out_is_over && status != WEIR_OK)
        segment->is_audit_over = true; /* no round tries again */
    return options.until_pos - from;
}

bool weir_partition_log_audit_txns(struct weir_partition_log *log, uint64_t bytes_max,
                                   uint64_t *out_bytes)
{
    struct published now;
    bool is_done = true;
    *out_bytes = 0;
    weir_log_take(log, &now);
    for (size_t i = 0; i < now.view->count && is_done; i++) {
        struct weir_segment *segment = now.view->segments[i];
        if (segment->is_audit_over || !needs_audit(segment))
            continue;
        if (segment->audit_pos == 0 && !snapshot_has_marker(log, &now, i)) {
            weir_lock_take(&segment->lock);
            segment->has_no_markers = true;
            weir_lock_release(&segment->lock);
            continue;
        }
        is_done = false;
        while (*out_bytes < bytes_max && !is_done)
            *out_bytes += walk(log, &now, i, bytes_max - *out_bytes, &is_done);
    }
    weir_log_view_unref(now.view);
    return is_done;
}
