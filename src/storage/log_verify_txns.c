/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A transaction index has no checksum, and a wrong entry shows aborted records as committed, or
 * hides committed ones.  So before it is first used it is made once more from the batches,
 * beginning with the producer snapshot (which has a checksum) at the segment's base or before.
 *
 * That cannot be done where compaction took batches away, or where the state at the beginning is
 * not known; then only the order of its entries vouches for it.
 */

#include "log_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>

enum { SCAN_BYTES = 65536, MARKER_BYTES_MAX = 4096 };

struct remake {
    struct weir_partition_log *log;
    const struct published *now;
    struct weir_producer_state *producers;
    struct weir_txn_index index; /* of the last segment */
    bool is_possible;
};

/* The state where a segment begins.  False: it is not known. */
static bool read_state(struct remake *remake, size_t segment_index)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    const struct weir_segment *segment = remake->now->view->segments[segment_index];
    struct weir_env *env = remake->log->env;
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    return weir_producer_state_read(env, path, remake->producers, weir_env_wall_ms(env),
                                    INT64_MAX / 2, NULL) == WEIR_OK;
}

static enum weir_status take_marker(struct remake *remake, struct weir_segment *segment,
                                    const struct weir_batch_place *place)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    struct weir_txn_marker marker;
    struct weir_completed_txn completed;
    if (place->size > MARKER_BYTES_MAX) {
        remake->is_possible = false;
        return WEIR_OK;
    }
    enum weir_status status = weir_segment_read_batch(segment, place, &bytes, &batch, NULL);
    if (status == WEIR_OK)
        status = weir_txn_marker_parse(&batch, &marker, NULL);
    if (status == WEIR_OK &&
        weir_producer_state_apply_marker(remake->producers, &marker, batch.base_offset,
                                         batch.max_timestamp, &completed) &&
        completed.is_aborted) {
        struct weir_aborted_txn aborted = {
            .producer_id = completed.producer_id,
            .first_offset = completed.first_offset,
            .last_offset = completed.last_offset,
            .last_stable_offset =
                weir_producer_state_last_stable_offset(remake->producers, &completed)};
        status = weir_txn_index_append(&remake->index, &aborted);
    }
    weir_buf_done(&bytes);
    return status == WEIR_INVALID ? WEIR_OK : status; /* a control record of another kind */
}

static enum weir_status take_batch(struct remake *remake, struct weir_segment *segment,
                                   const struct weir_batch_place *place, int64_t *io_next_offset)
{
    const struct weir_batch *batch = &place->batch;
    if (batch->base_offset != *io_next_offset ||
        batch->record_count != batch->last_offset_delta + 1) {
        remake->is_possible = false;
        return WEIR_OK;
    }
    *io_next_offset = batch->last_offset + 1;
    if (!weir_batch_has_producer_id(batch))
        return WEIR_OK;
    enum weir_status status = weir_producer_state_prepare(remake->producers, batch->producer_id);
    if (status != WEIR_OK)
        return status;
    if (weir_batch_is_control(batch))
        return take_marker(remake, segment, place);
    weir_producer_state_update(remake->producers, batch);
    return WEIR_OK;
}

static enum weir_status walk_segment(struct remake *remake, size_t segment_index, uint8_t *buffer)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    struct weir_segment *segment = remake->now->view->segments[segment_index];
    int64_t next_offset = segment->base_offset;
    uint64_t size = weir_log_readable_size(remake->now, segment_index);
    struct log_verify_options options = {
        .segment = segment,
        .until_pos = size,
        .size_bytes = size,
        .end_offset = weir_log_segment_end(remake->now, segment_index),
    };
    uint64_t good_pos = 0;
    weir_txn_index_done(&remake->index);
    enum weir_status status = weir_log_verify(remake->log, &options, &good_pos, NULL);
    weir_segment_scan_init(&scan, segment, 0, size, buffer, SCAN_BYTES);
    while (status == WEIR_OK && remake->is_possible) {
        status = weir_segment_scan_next(&scan, false, &place, NULL);
        if (status == WEIR_OK)
            status = take_batch(remake, segment, &place, &next_offset);
    }
    if (status == WEIR_CORRUPT) {
        remake->is_possible = false; /* one damage at a time: the index is the other witness */
        return WEIR_OK;
    }
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

static enum weir_status remake_index(struct remake *remake, size_t segment_index)
{
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    enum weir_status status =
        buffer == NULL ? WEIR_NO_MEMORY : weir_producer_state_new(&remake->producers);
    size_t from = segment_index;
    bool is_known = false;
    while (status == WEIR_OK && !(is_known = read_state(remake, from)) && from > 0)
        from--;
    if (status == WEIR_OK && !is_known) {
        weir_producer_state_clear(remake->producers);
        is_known = remake->now->view->segments[0]->base_offset == 0;
    }
    remake->is_possible = is_known;
    for (size_t i = from; i <= segment_index && status == WEIR_OK && remake->is_possible; i++)
        status = walk_segment(remake, i, buffer);
    weir_free(buffer);
    return status;
}

/* A last stable offset that is too low only makes a search longer. */
static bool is_same(const struct weir_txn_index *found, const struct weir_txn_index *made)
{
    if (found->count < made->count)
        return false; /* more there are when a marker was appended meanwhile */
    for (size_t i = 0; i < made->count; i++) {
        if (found->items[i].producer_id != made->items[i].producer_id ||
            found->items[i].first_offset != made->items[i].first_offset ||
            found->items[i].last_offset != made->items[i].last_offset ||
            found->items[i].last_stable_offset > made->items[i].last_stable_offset)
            return false;
    }
    return true;
}

/* Puts the true entries in front of those appended since.  True when something was different. */
static bool mend(struct remake *remake, struct weir_segment *segment, int64_t end_offset,
                 enum weir_status *out_status)
{
    struct weir_txn_index *made = &remake->index;
    *out_status = weir_segment_lock_indexes(segment, NULL);
    if (*out_status != WEIR_OK)
        return false;
    struct weir_txn_index *found = &segment->txn_index;
    size_t old_count = 0;
    while (old_count < found->count && found->items[old_count].last_offset < end_offset)
        old_count++;
    bool is_true = old_count == made->count && is_same(found, made);
    for (size_t i = old_count; i < found->count && !is_true && *out_status == WEIR_OK; i++)
        *out_status = weir_txn_index_append(made, &found->items[i]);
    if (!is_true && *out_status == WEIR_OK) {
        struct weir_txn_index old = *found;
        *found = *made;
        found->written_count = 0;
        found->is_unsynced = true;
        weir_segment_note_files_change(segment);
        *made = old;
    }
    weir_lock_release(&segment->lock);
    return !is_true && *out_status == WEIR_OK;
}

/* Where the index cannot be made again: an entry is wrong when the marker or the first batch that
 * it names is there and another producer's. */
static enum weir_status check_entry(struct remake *remake, size_t segment_index,
                                    const struct weir_aborted_txn *txn, bool *out_is_wrong)
{
    const struct log_view *view = remake->now->view;
    int64_t end_offset = weir_log_segment_end(remake->now, segment_index);
    *out_is_wrong = txn->first_offset < 0 ||
                    txn->last_offset < view->segments[segment_index]->base_offset ||
                    (end_offset >= 0 && txn->last_offset >= end_offset);
    const int64_t offsets[] = {txn->first_offset, txn->last_offset};
    for (size_t i = 0; i < 2 && !*out_is_wrong; i++) {
        struct weir_batch_place place;
        size_t at = view->count;
        while (at > 1 && view->segments[at - 1]->base_offset > offsets[i])
            at--;
        if (offsets[i] < view->segments[0]->base_offset)
            continue;
        enum weir_status status =
            weir_segment_find(view->segments[at - 1], offsets[i],
                              weir_log_readable_size(remake->now, at - 1), &place, NULL);
        if (status == WEIR_NOT_FOUND || status == WEIR_CORRUPT)
            continue;
        if (status != WEIR_OK)
            return status;
        bool is_there = place.batch.base_offset <= offsets[i];
        bool is_its_own = place.batch.base_offset == offsets[i] &&
                          place.batch.producer_id == txn->producer_id &&
                          weir_batch_is_transactional(&place.batch) &&
                          weir_batch_is_control(&place.batch) == (i == 1);
        *out_is_wrong = is_there && !is_its_own;
    }
    return WEIR_OK;
}

static enum weir_status check_entries(struct remake *remake, size_t segment_index,
                                      struct weir_detail *detail)
{
    struct weir_segment *segment = remake->now->view->segments[segment_index];
    bool is_wrong = false;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && !is_wrong; i++) {
        struct weir_aborted_txn txn;
        status = weir_segment_lock_indexes(segment, detail);
        if (status != WEIR_OK)
            break;
        bool is_end = i >= segment->txn_index.count;
        if (!is_end)
            txn = segment->txn_index.items[i];
        weir_lock_release(&segment->lock);
        if (is_end)
            return WEIR_OK;
        status = check_entry(remake, segment_index, &txn, &is_wrong);
    }
    if (status == WEIR_OK && is_wrong) {
        weir_detail_set(detail, "%s.txnindex: an entry does not fit the batches it names",
                        segment->path);
        status = WEIR_CORRUPT;
    }
    return status;
}

static void note_done(struct remake *remake, struct weir_segment *segment, bool is_sealed)
{
    int64_t open_at_end = INT64_MAX;
    const struct weir_producer *producer;
    size_t cursor = 0;
    while ((producer = weir_producer_state_next(remake->producers, &cursor)) != NULL) {
        if (producer->txn_first_offset >= 0 && producer->txn_first_offset < open_at_end)
            open_at_end = producer->txn_first_offset;
    }
    weir_lock_take(&segment->lock);
    segment->is_txn_index_true = true;
    if (remake->is_possible)
        segment->is_txn_index_partial = false;
    segment->open_txn_at_end = is_sealed && remake->is_possible ? open_at_end : -1;
    weir_lock_release(&segment->lock);
}

static size_t count_of(struct weir_segment *segment)
{
    weir_lock_take(&segment->lock);
    size_t count = segment->txn_index.count;
    weir_lock_release(&segment->lock);
    return count;
}

enum weir_status weir_log_verify_txns(struct weir_partition_log *log, const struct published *now,
                                      size_t segment_index, struct weir_detail *detail)
{
    struct weir_segment *segment = now->view->segments[segment_index];
    enum weir_status status = weir_segment_lock_indexes(segment, detail);
    if (status != WEIR_OK)
        return status == WEIR_NOT_FOUND ? WEIR_CORRUPT : status;
    bool is_true = segment->is_txn_index_true;
    weir_lock_release(&segment->lock);
    if (is_true)
        return WEIR_OK;
    struct remake remake = {.log = log, .now = now};
    bool was_wrong = false;
    int64_t end_offset = weir_log_segment_end(now, segment_index);
    status = remake_index(&remake, segment_index);
    if (status == WEIR_OK && remake.is_possible)
        was_wrong = mend(&remake, segment, end_offset < 0 ? now->offsets.log_end_offset : INT64_MAX,
                         &status);
    else if (status == WEIR_OK)
        status = check_entries(&remake, segment_index, detail);
    if (status == WEIR_OK)
        note_done(&remake, segment, end_offset >= 0);
    bool was_emptied = was_wrong && remake.index.count > 0 && count_of(segment) == 0;
    weir_txn_index_done(&remake.index);
    weir_producer_state_free(remake.producers);
    if (was_wrong) {
        struct weir_detail fault;
        weir_detail_set(&fault, "%s.txnindex does not say what the batches say; it was made anew",
                        segment->path);
        weir_log_tell_fault(log, &fault);
        enum weir_status ignored = weir_segment_write_indexes(segment, false, NULL);
        if (was_emptied && ignored == WEIR_OK) {
            char path[WEIR_SEGMENT_PATH_BYTES];
            weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, path);
            ignored = weir_path_remove(log->env, path, NULL);
        }
        (void)ignored; /* memory is right already, and a stop reads the files back */
    }
    return status;
}
