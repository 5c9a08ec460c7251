/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Opening a log (reference A.6), in this order:
 *   1. finish what an interrupted compaction or deletion left (log_dir.c)
 *   2. open the segments; choose those that must be scanned: after an unclean stop all that reach
 * the recovery point, after a clean one all that go on behind it (a clean stop leaves it at the
 * log's end), and always one whose indexes are missing or impossible
 *   3. scan them in order, rebuilding indexes, epochs and producers; cut at the first bad batch,
 * drop what is behind it
 *   4. check the tail of the last segment, also after a clean stop
 *   5. epochs, producers, offsets
 */

#include "log_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>

enum { SCAN_BYTES = 256 * 1024, TELL_BYTES = 4 << 20 };

struct loader {
    struct weir_partition_log *log;
    const struct weir_partition_log_options *options;
    struct weir_partition_log_recovery *recovery;
    struct weir_segment **segments;
    bool *needs_scan;
    size_t count;
    uint8_t *buffer;
    int64_t producers_at; /* the producer state holds everything below this offset; -1: nothing */
    bool rebuild_epochs;
    struct log_dir_listing leftovers;  /* of a deletion or a compaction, as they were found */
    struct weir_epoch_entry new_epoch; /* seen in one batch, to be confirmed; epoch -1: none */
};

/* What was found so far stays in front: each repair is told, as far as there is room. */
static void note(struct loader *loader, const struct weir_detail *why)
{
    struct weir_detail told = loader->recovery->note;
    if (told.text[0] == '\0')
        loader->recovery->note = *why;
    else if (strstr(told.text, why->text) == NULL)
        weir_detail_set(&loader->recovery->note, "%s; %s", told.text, why->text);
}

/* --- 2. --- */

static enum weir_status open_segments(struct loader *loader, const struct log_dir_listing *listing,
                                      struct weir_detail *detail)
{
    loader->segments = weir_calloc(listing->count + 1, sizeof(struct weir_segment *));
    loader->needs_scan = weir_calloc(listing->count + 1, sizeof(bool));
    if (loader->segments == NULL || loader->needs_scan == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < listing->count; i++) {
        if (strcmp(listing->items[i].suffix, WEIR_SEGMENT_SUFFIX_LOG) != 0)
            continue;
        enum weir_status status =
            weir_segment_open(loader->log->env, loader->log->dir, listing->items[i].offset, false,
                              &loader->segments[loader->count], detail);
        if (status != WEIR_OK)
            return status;
        loader->segments[loader->count]->roll_jitter_ms =
            weir_log_jitter(loader->log->env, &loader->log->config);
        weir_segment_use_cache(loader->segments[loader->count], loader->log->cache);
        loader->count++;
    }
    return WEIR_OK;
}

/* A batch behind a gap: its offset is not under the checksum, and only compaction leaves gaps.  The
 * batch behind it, or the next segment, must begin later than it ends.  At the end of the log
 * nobody vouches for it, and compaction has not been there yet. */
static bool is_out_of_place(const struct loader *loader, struct weir_segment *segment,
                            uint64_t next_pos, uint64_t size, const struct weir_batch *batch)
{
    uint8_t header[1024];
    struct weir_segment_scan scan;
    struct weir_batch_place next;
    size_t index = 0;
    weir_segment_scan_init(&scan, segment, next_pos, size, header, sizeof(header));
    enum weir_status status = weir_segment_scan_next(&scan, false, &next, NULL);
    if (status == WEIR_OK)
        return next.batch.base_offset <= batch->last_offset;
    if (status != WEIR_NOT_FOUND)
        return false; /* damaged, or the disk fails: that comes next */
    while (loader->segments[index] != segment)
        index++;
    if (index + 1 < loader->count)
        return loader->segments[index + 1]->base_offset <= batch->last_offset;
    return !loader->log->config.cleanup_compact && loader->options->cleaned_to < 0;
}

static enum weir_status check_order(const struct loader *loader, struct weir_segment *segment,
                                    const struct weir_batch_place *place, uint64_t size,
                                    int64_t expected, struct weir_detail *why)
{
    const struct weir_batch *batch = &place->batch;
    if (batch->base_offset == expected ||
        (batch->base_offset > expected &&
         !is_out_of_place(loader, segment, place->file_pos + place->size, size, batch)))
        return WEIR_OK;
    weir_detail_set(why,
                    "%s.log at byte %" PRIu64 ": offset %" PRId64 " where %" PRId64 " was expected",
                    segment->path, place->file_pos, batch->base_offset, expected);
    return WEIR_CORRUPT;
}

/* Step 4: goes from the last index entry to the end of a segment that was not scanned.  CORRUPT: it
 * has to be after all. */
static enum weir_status check_tail(struct loader *loader, struct weir_segment *segment,
                                   int64_t *out_end_offset, struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    uint64_t size = weir_segment_size(segment);
    struct weir_offset_index_entry entry =
        weir_offset_index_floor(&segment->offset_index, INT64_MAX);
    *out_end_offset = segment->base_offset;
    weir_segment_scan_init(&scan, segment, 0, size, loader->buffer, SCAN_BYTES);
    enum weir_status status = weir_segment_scan_next(&scan, false, &place, detail);
    if (status == WEIR_OK)
        segment->first_timestamp = place.batch.max_timestamp;
    weir_segment_scan_init(&scan, segment, (uint64_t)entry.file_pos, size, loader->buffer,
                           SCAN_BYTES);
    bool is_indexed = entry.file_pos > 0;
    while (status == WEIR_OK) {
        status = weir_segment_scan_next(&scan, true, &place, detail);
        if (status != WEIR_OK)
            break;
        if (is_indexed && place.batch.last_offset != segment->base_offset + entry.relative_offset) {
            weir_detail_set(detail, "%s.index: the last entry does not fit the log", segment->path);
            return WEIR_CORRUPT;
        }
        if (!is_indexed)
            status = check_order(loader, segment, &place, size, *out_end_offset, detail);
        if (status != WEIR_OK)
            return status;
        is_indexed = false;
        *out_end_offset = place.batch.last_offset + 1;
        segment->bytes_since_index_entry += (int64_t)place.size;
        if (place.batch.max_timestamp > segment->max_timestamp) {
            segment->max_timestamp = place.batch.max_timestamp;
            segment->max_timestamp_offset = place.batch.last_offset;
        }
    }
    if (status != WEIR_NOT_FOUND)
        return status;
    size_t txn_count = segment->txn_index.count;
    if (is_indexed || segment->max_timestamp_offset >= *out_end_offset ||
        (txn_count > 0 && segment->txn_index.items[txn_count - 1].last_offset >= *out_end_offset)) {
        weir_detail_set(detail, "%s: an index points behind the end of the log", segment->path);
        return WEIR_CORRUPT;
    }
    return WEIR_OK;
}

/* Trap 22.  What the last time entry says has to be true of the batch it points at: retention and
 * look-ups by time go by it.  Brokers before 3.8 wrote the offset of a record inside the batch. */
static enum weir_status check_last_time(struct weir_segment *segment,
                                        const struct weir_time_index_entry *last,
                                        struct weir_detail *detail)
{
    struct weir_batch_place place;
    int64_t offset = segment->base_offset + last->relative_offset;
    if (last->timestamp < 0)
        return WEIR_OK;
    enum weir_status status =
        weir_segment_find(segment, offset, weir_segment_size(segment), &place, detail);
    if (status == WEIR_NOT_FOUND ||
        (status == WEIR_OK &&
         (place.batch.base_offset > offset || place.batch.max_timestamp != last->timestamp))) {
        weir_detail_set(detail, "%s.timeindex: the last entry does not fit the log", segment->path);
        status = WEIR_CORRUPT;
    }
    return status;
}

/* Takes what the rest needs from the indexes of a segment that is not scanned.  A sealed one is
 * checked to its end here and its indexes are loaded again when somebody reads it; the last one's
 * turn comes in find_end. */
static enum weir_status check_indexes(struct loader *loader, struct weir_segment *segment,
                                      bool is_last, struct weir_detail *detail)
{
    enum weir_status status = weir_segment_load_indexes(segment, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_time_index_entry last = weir_time_index_last(&segment->time_index);
    if (last.timestamp >= 0) {
        segment->max_timestamp = last.timestamp;
        segment->max_timestamp_offset = segment->base_offset + last.relative_offset;
    }
    status = check_last_time(segment, &last, detail);
    if (is_last || status != WEIR_OK)
        return status;
    int64_t end_offset;
    status = check_tail(loader, segment, &end_offset, detail);
    if (status == WEIR_OK && segment->max_timestamp > last.timestamp) {
        /* Trap 1: retention would take the segment for older than it is. */
        weir_detail_set(detail, "%s.timeindex lacks its last entry", segment->path);
        status = WEIR_CORRUPT;
    }
    if (status == WEIR_OK) {
        weir_segment_set_sealed(segment, true);
        weir_segment_drop_indexes(segment);
        weir_log_note_proven(segment);
    }
    return status;
}

/* The clean marker is believed as far as the recovery point goes: what lies behind was not there
 * when the marker was written, so neither indexes nor snapshots know it. */
static void note_behind_recovery_point(struct loader *loader, int64_t offset)
{
    struct weir_detail why;
    weir_detail_set(&why,
                    "the stop was clean, but the log goes on to offset %" PRId64
                    " behind the recovery point %" PRId64,
                    offset, loader->options->recovery_point);
    note(loader, &why);
}

static enum weir_status choose_scans(struct loader *loader)
{
    for (size_t i = 0; i < loader->count; i++) {
        struct weir_segment *segment = loader->segments[i];
        bool is_last = i + 1 == loader->count;
        bool reaches =
            is_last || loader->segments[i + 1]->base_offset > loader->options->recovery_point;
        struct weir_detail why = {{0}};
        loader->needs_scan[i] = reaches && !(loader->options->was_clean && is_last);
        if (loader->needs_scan[i]) {
            if (loader->options->was_clean)
                note_behind_recovery_point(loader, loader->segments[i + 1]->base_offset);
            continue;
        }
        enum weir_status status = check_indexes(loader, segment, is_last, &why);
        if (status == WEIR_CORRUPT || status == WEIR_NOT_FOUND) {
            loader->needs_scan[i] = true;
            loader->recovery->rebuilt_indexes++;
            note(loader, &why);
        } else if (status != WEIR_OK) {
            return status;
        }
    }
    return WEIR_OK;
}

/* --- 3. --- */

static enum weir_status drop_segments_from(struct loader *loader, size_t from,
                                           struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = from; i < loader->count; i++) {
        loader->recovery->cut_bytes += weir_segment_size(loader->segments[i]);
        loader->recovery->dropped_segments++;
        if (status == WEIR_OK)
            status = weir_log_discard_segment(loader->log, loader->segments[i],
                                              weir_log_delete_due_ms(loader->log), detail);
        weir_log_note_discarded(loader->log, loader->segments[i]);
        weir_segment_unref(loader->segments[i]);
        loader->segments[i] = NULL;
    }
    if (from >= loader->count)
        return status;
    loader->count = from;
    return status == WEIR_OK ? weir_dir_sync(loader->log->env, loader->log->dir, detail) : status;
}

/* An epoch is not under the batch's checksum, but epochs never fall: a higher one that the next
 * batch does not have, or exceed, was never one. */
static enum weir_status learn_epoch(struct loader *loader, const struct weir_batch *batch)
{
    struct weir_epoch_cache *epochs = &loader->log->epochs;
    enum weir_status status = WEIR_OK;
    if (loader->new_epoch.epoch >= 0 && batch->partition_leader_epoch >= loader->new_epoch.epoch)
        status = weir_epoch_cache_assign(epochs, loader->new_epoch.epoch,
                                         loader->new_epoch.start_offset);
    if (batch->partition_leader_epoch == loader->new_epoch.epoch)
        return status;
    loader->new_epoch.epoch = -1;
    if (status == WEIR_OK && batch->partition_leader_epoch > weir_epoch_cache_latest(epochs))
        loader->new_epoch = (struct weir_epoch_entry){.epoch = batch->partition_leader_epoch,
                                                      .start_offset = batch->base_offset};
    return status;
}

/* The last batch has nobody to confirm it. */
static enum weir_status learn_last_epoch(struct loader *loader)
{
    struct weir_epoch_entry last = loader->new_epoch;
    loader->new_epoch.epoch = -1;
    return last.epoch < 0
               ? WEIR_OK
               : weir_epoch_cache_assign(&loader->log->epochs, last.epoch, last.start_offset);
}

static enum weir_status take_batch(struct loader *loader, struct weir_segment *segment,
                                   const struct weir_batch_place *place, struct weir_detail *detail)
{
    struct weir_partition_log *log = loader->log;
    weir_segment_on_appended(segment, &place->batch, place->file_pos, place->size,
                             log->config.index_interval_bytes);
    enum weir_status status = learn_epoch(loader, &place->batch);
    if (status != WEIR_OK)
        return status;
    return weir_log_replay_batch(log, segment, place, true, detail);
}

static void tell_scanned(const struct loader *loader, uint64_t bytes)
{
    if (loader->options->on_scanned != NULL && bytes > 0)
        loader->options->on_scanned(loader->options->scan_context, bytes);
}

/* Scans one segment.  *out_cut_at is where the good part ends. */
static enum weir_status scan_segment(struct loader *loader, struct weir_segment *segment,
                                     uint64_t size, uint64_t *out_cut_at, struct weir_detail *why,
                                     struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    int64_t next_offset = segment->base_offset;
    weir_segment_clear_indexes(segment);
    atomic_store_explicit(&segment->size_bytes, 0, memory_order_release);
    uint64_t told_pos = 0;
    weir_segment_scan_init(&scan, segment, 0, size, loader->buffer, SCAN_BYTES);
    for (;;) {
        *out_cut_at = scan.file_pos;
        if (scan.file_pos - told_pos >= TELL_BYTES || scan.file_pos == size) {
            tell_scanned(loader, scan.file_pos - told_pos);
            told_pos = scan.file_pos;
        }
        enum weir_status status = weir_segment_scan_next(&scan, true, &place, why);
        if (status == WEIR_OK)
            status = check_order(loader, segment, &place, size, next_offset, why);
        if (status == WEIR_NOT_FOUND || status == WEIR_CORRUPT) {
            loader->producers_at = next_offset;
            return WEIR_OK;
        }
        if (status != WEIR_OK) {
            weir_detail_set(detail, "%s", why->text);
            return status;
        }
        next_offset = place.batch.last_offset + 1;
        status = take_batch(loader, segment, &place, detail);
        if (status != WEIR_OK)
            return status;
    }
}

/* Whether a deletion or a compaction left files of this range before this start. */
static bool has_leftover_in(const struct loader *loader, int64_t from, int64_t to)
{
    for (size_t i = 0; i < loader->leftovers.count; i++) {
        const struct log_dir_entry *entry = &loader->leftovers.items[i];
        if (entry->offset >= from && entry->offset < to)
            return true;
    }
    return false;
}

/* Power loss takes what was not synced in any order: a later segment may be there whole while the
 * end of this one is gone.  Records behind such a hole are given up, so that what is left is what
 * was appended first.
 *
 * Compaction leaves holes between segments too.  weir puts the recovery point above them on disk
 * before it makes them.  Apache Kafka does so some time later, and notes a round in the cleaner's
 * checkpoint at its end: if it died before, the files it had replaced (.deleted for a minute), or
 * the new ones, lie in the directory. */
static bool has_hole_behind(struct loader *loader, size_t index, int64_t next_offset)
{
    if (index + 1 >= loader->count || loader->options->was_clean)
        return false;
    int64_t next_base = loader->segments[index + 1]->base_offset;
    if (next_base <= loader->options->recovery_point || next_base <= loader->options->cleaned_to ||
        next_base <= next_offset)
        return false;
    /* With both checkpoints lost every hole there ever was would look like a loss. */
    bool are_both_unknown = loader->options->recovery_point <= 0 && loader->options->cleaned_to < 0;
    if (loader->log->config.cleanup_compact && are_both_unknown)
        return false;
    bool is_compacted = loader->log->config.cleanup_compact &&
                        has_leftover_in(loader, loader->segments[index]->base_offset, next_base);
    loader->recovery->has_kept_hole = loader->recovery->has_kept_hole || is_compacted;
    return !is_compacted;
}

/* From the first count segments. */
static enum weir_status rebuild_producers(struct loader *loader, size_t count, int64_t up_to_offset,
                                          struct weir_detail *detail)
{
    struct weir_detail bad_snapshot = {{0}};
    enum weir_status status = weir_log_rebuild_producers(loader->log, loader->segments, count,
                                                         up_to_offset, &bad_snapshot, detail);
    if (bad_snapshot.text[0] != '\0')
        note(loader, &bad_snapshot);
    return status;
}

/* Whether a segment that is not the last was on the disk whole, so that no power loss explains what
 * it lacks. */
static bool was_durable(const struct loader *loader, size_t index)
{
    return index + 1 < loader->count &&
           (loader->options->was_clean ||
            loader->segments[index + 1]->base_offset <= loader->options->recovery_point);
}

static enum weir_status recover_segment(struct loader *loader, size_t index,
                                        struct weir_detail *detail)
{
    struct weir_partition_log *log = loader->log;
    struct weir_segment *segment = loader->segments[index];
    struct weir_detail why = {{0}};
    enum weir_status status = WEIR_OK;
    if (loader->producers_at != segment->base_offset)
        status = rebuild_producers(loader, index, segment->base_offset, detail);
    if (status != WEIR_OK)
        return status;
    uint64_t size = weir_segment_size(segment);
    uint64_t cut_at = 0;
    status = scan_segment(loader, segment, size, &cut_at, &why, detail);
    if (status != WEIR_OK)
        return status;
    loader->recovery->was_recovered = true;
    loader->recovery->scanned_bytes += size;
    bool is_damaged = cut_at < size && was_durable(loader, index);
    if (is_damaged) {
        /* No torn end but a damaged middle: what is behind it is as good as before.  Readers are
         * refused at the bad batch; the producers come from a later snapshot. */
        note(loader, &why);
        atomic_store_explicit(&segment->size_bytes, size, memory_order_release);
        weir_segment_note_damage(segment, true);
    } else if (cut_at < size) {
        note(loader, &why);
        loader->recovery->cut_bytes += size - cut_at;
        /* Later segments first, and all of it durably: else the next power loss could bring the old
         * end back behind what is appended now. */
        status = drop_segments_from(loader, index + 1, detail);
        weir_segment_note_cut(segment, cut_at);
        if (status == WEIR_OK)
            status = weir_segment_truncate_file(segment, cut_at, detail);
        if (status == WEIR_OK)
            status = weir_segment_sync(segment, true, detail);
    }
    if (status == WEIR_OK && has_hole_behind(loader, index, loader->producers_at)) {
        weir_detail_set(
            &why, "%s.log ends at offset %" PRId64 ", the next segment begins at %" PRId64,
            segment->path, loader->producers_at, loader->segments[index + 1]->base_offset);
        note(loader, &why);
        status = drop_segments_from(loader, index + 1, detail);
    }
    bool is_last = index + 1 == loader->count;
    if (!is_last)
        weir_segment_add_final_time_entry(segment);
    if (status == WEIR_OK)
        status = weir_segment_write_indexes(segment, false, detail);
    if (status == WEIR_OK && segment->txn_index.count == 0) {
        /* An old one may be there from before; it is wrong now. */
        char path[WEIR_SEGMENT_PATH_BYTES];
        weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, path);
        enum weir_status removed = weir_path_remove(log->env, path, detail);
        if (removed != WEIR_NOT_FOUND)
            status = removed;
    }
    log->names_changed++; /* an index may have been missing, or is gone now */
    if (status == WEIR_OK && !is_last) {
        loader->producers_at = is_damaged ? -1 : loader->segments[index + 1]->base_offset;
        weir_segment_set_sealed(segment, true);
        weir_segment_drop_indexes(segment);
    }
    return status;
}

/* --- 4. --- */

static enum weir_status find_end(struct loader *loader, int64_t *out_end_offset,
                                 struct weir_detail *detail)
{
    size_t last = loader->count - 1;
    struct weir_detail why = {{0}};
    if (!loader->needs_scan[last]) {
        enum weir_status status = check_tail(loader, loader->segments[last], out_end_offset, &why);
        bool is_behind = status == WEIR_OK && loader->options->was_clean &&
                         *out_end_offset > loader->options->recovery_point;
        if (status == WEIR_OK)
            weir_log_note_proven(loader->segments[last]);
        if (status != WEIR_CORRUPT && !is_behind)
            return status;
        loader->recovery->rebuilt_indexes++;
        if (is_behind)
            note_behind_recovery_point(loader, *out_end_offset);
        else
            note(loader, &why);
        status = recover_segment(loader, last, detail);
        if (status != WEIR_OK)
            return status;
    }
    *out_end_offset = loader->producers_at; /* where the scan of the last segment ended */
    return WEIR_OK;
}

/* --- 5. --- */

static enum weir_status read_epochs(struct loader *loader, struct weir_detail *detail)
{
    struct weir_partition_log *log = loader->log;
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_file_info info;
    weir_log_path(log, "leader-epoch-checkpoint", path);
    enum weir_status status = weir_path_info(log->env, path, &info, detail);
    if (status == WEIR_NOT_FOUND) {
        loader->rebuild_epochs = true;
        return WEIR_OK;
    }
    if (status == WEIR_OK)
        status = weir_epoch_cache_read(log->env, path, &log->epochs, detail);
    if (status == WEIR_CORRUPT) {
        note(loader, detail);
        loader->rebuild_epochs = true;
        log->epochs.is_stale = true;
        return WEIR_OK;
    }
    /* An empty one is right only where no batch has an epoch. */
    loader->rebuild_epochs = status == WEIR_OK && log->epochs.count == 0;
    return status;
}

/* The history is lost, but every batch knows its epoch (trap 7). */
static enum weir_status rebuild_epochs(struct loader *loader, struct weir_detail *detail)
{
    struct weir_epoch_cache *epochs = &loader->log->epochs;
    weir_epoch_cache_clear(epochs);
    enum weir_status status;
    loader->new_epoch.epoch = -1;
    for (size_t i = 0; i < loader->count; i++) {
        struct weir_segment_scan scan;
        struct weir_batch_place place;
        weir_segment_scan_init(&scan, loader->segments[i], 0,
                               weir_segment_size(loader->segments[i]), loader->buffer, SCAN_BYTES);
        while ((status = weir_segment_scan_next(&scan, true, &place, detail)) == WEIR_OK) {
            status = learn_epoch(loader, &place.batch);
            if (status != WEIR_OK)
                return status;
        }
        /* A damaged batch hides what is behind it up to the next segment. */
        if (status != WEIR_NOT_FOUND && status != WEIR_CORRUPT)
            return status;
    }
    status = learn_last_epoch(loader);
    if (status != WEIR_OK)
        return status;
    if (epochs->count == 0)
        return WEIR_OK;
    epochs->is_stale = true; /* that walk is not for every start */
    if (loader->options->was_clean) {
        struct weir_detail why;
        weir_detail_set(&why, "leader-epoch-checkpoint was rebuilt from the batches");
        note(loader, &why);
    }
    return WEIR_OK;
}

static enum weir_status begin_empty(struct loader *loader, int64_t offset,
                                    struct weir_detail *detail)
{
    enum weir_status status = weir_segment_open(loader->log->env, loader->log->dir, offset, true,
                                                &loader->segments[0], detail);
    if (status != WEIR_OK)
        return status;
    loader->count = 1;
    weir_segment_use_cache(loader->segments[0], loader->log->cache);
    loader->log->names_changed++;
    loader->segments[0]->roll_jitter_ms = weir_log_jitter(loader->log->env, &loader->log->config);
    loader->producers_at = offset;
    weir_producer_state_clear(loader->log->producers);
    return weir_segment_write_indexes(loader->segments[0], false, detail);
}

static enum weir_status load_segments(struct loader *loader, int64_t *out_end_offset,
                                      struct weir_detail *detail)
{
    int64_t log_start = loader->options->log_start_offset;
    enum weir_status status = choose_scans(loader);
    for (size_t i = 0; i < loader->count && status == WEIR_OK; i++) {
        if (loader->needs_scan[i])
            status = recover_segment(loader, i, detail);
    }
    if (status == WEIR_OK)
        status = learn_last_epoch(loader);
    if (status == WEIR_OK && loader->count > 0)
        status = find_end(loader, out_end_offset, detail);
    if (status == WEIR_OK && loader->count > 0 && *out_end_offset < log_start) {
        weir_detail_set(&loader->recovery->note,
                        "the log ended at %" PRId64 ", before its start %" PRId64, *out_end_offset,
                        log_start);
        status = drop_segments_from(loader, 0, detail);
    }
    if (status == WEIR_OK && loader->count == 0) {
        *out_end_offset = log_start;
        status = begin_empty(loader, log_start, detail);
        /* Where the log begins is from now on told by the segment's name alone: the checkpoint of
         * log start offsets leaves such logs out. */
        if (status == WEIR_OK && log_start > 0)
            status = weir_log_sync_names_locked(loader->log, detail);
    }
    return status;
}

static int64_t within(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Trap 9.  What DeleteRecords cut off inside a segment is told by the checkpoint of log start
 * offsets.  It moved the first leader epoch's start, too: when a batch before that start is of the
 * very same epoch, nothing else can have done it.  Only after a clean stop, for otherwise the
 * epochs may be older than a truncation, and only without that checkpoint, which else is right. */
static enum weir_status start_from_epochs(struct loader *loader, int64_t end_offset,
                                          int64_t *io_log_start, struct weir_detail *detail)
{
    const struct weir_epoch_cache *epochs = &loader->log->epochs;
    struct weir_batch_place place;
    int64_t start = epochs->count > 0 ? epochs->items[0].start_offset : -1;
    if (!loader->options->log_start_is_unknown || start <= *io_log_start || start > end_offset)
        return WEIR_OK;
    size_t i = loader->count - 1;
    while (loader->segments[i]->base_offset >= start)
        i--; /* ends: the first segment begins at or before the log start */
    struct weir_segment *segment = loader->segments[i];
    enum weir_status status =
        weir_segment_find(segment, start - 1, weir_segment_size(segment), &place, detail);
    if (status == WEIR_NOT_FOUND || status == WEIR_CORRUPT)
        return WEIR_OK; /* nothing is there, or nothing that proves it */
    if (status != WEIR_OK || place.batch.base_offset >= start ||
        place.batch.partition_leader_epoch != epochs->items[0].epoch)
        return status;
    struct weir_detail why;
    weir_detail_set(&why,
                    "the log start offset was taken as %" PRId64 " and is, by the first leader "
                    "epoch, %" PRId64,
                    *io_log_start, start);
    note(loader, &why);
    *io_log_start = start;
    return WEIR_OK;
}

/* The epochs of the file and of what was recovered, unless the batches say otherwise. */
static enum weir_status settle_epochs(struct loader *loader, int64_t end_offset,
                                      int64_t *io_log_start, struct weir_detail *detail)
{
    bool are_wrong = false;
    struct weir_detail why;
    if (loader->rebuild_epochs)
        return rebuild_epochs(loader, detail);
    enum weir_status status = start_from_epochs(loader, end_offset, io_log_start, detail);
    if (status == WEIR_OK)
        status = weir_log_check_epochs(&loader->log->epochs, loader->segments, loader->count,
                                       *io_log_start, end_offset, &are_wrong);
    if (status != WEIR_OK || !are_wrong)
        return status;
    weir_detail_set(&why, "leader-epoch-checkpoint does not fit the batches");
    note(loader, &why);
    return rebuild_epochs(loader, detail);
}

/* Trap 3.  Whoever stops cleanly leaves a snapshot in a log that has records. */
static void note_missing_snapshot(struct loader *loader, int64_t end_offset)
{
    struct weir_detail why;
    if (!loader->options->was_clean || loader->log->snapshot_offset >= 0 ||
        end_offset == loader->segments[0]->base_offset)
        return;
    weir_detail_set(&why,
                    "no producer snapshot is there, the producers were read from the batches");
    note(loader, &why);
}

static enum weir_status finish(struct loader *loader, int64_t end_offset,
                               struct weir_detail *detail)
{
    struct weir_partition_log *log = loader->log;
    int64_t log_start =
        within(loader->options->log_start_offset, loader->segments[0]->base_offset, end_offset);
    enum weir_status status = settle_epochs(loader, end_offset, &log_start, detail);
    if (status != WEIR_OK)
        return status;
    weir_epoch_cache_truncate_from_end(&log->epochs, end_offset);
    weir_epoch_cache_truncate_from_start(&log->epochs, log_start);
    if (loader->producers_at != end_offset) {
        status = rebuild_producers(loader, loader->count, end_offset, detail);
        if (status == WEIR_OK)
            note_missing_snapshot(loader, end_offset);
    }
    if (status != WEIR_OK)
        return status;
    log->recovery_point = within(loader->options->recovery_point, 0, end_offset);
    log->now.view = weir_log_view_new(loader->segments, loader->count);
    if (log->now.view == NULL)
        return WEIR_NO_MEMORY;
    log->now.offsets.log_end_offset = end_offset;
    log->loaded_end_offset = end_offset;
    log->now.end_pos = weir_segment_size(weir_log_active(log));
    weir_log_publish_limits(log, log_start,
                            within(loader->options->high_watermark, log_start, end_offset));
    if (loader->recovery->was_recovered)
        status = weir_log_write_snapshot(log, end_offset, false, detail);
    log->snapshot_is_unsynced = log->snapshot_is_unsynced || !loader->options->was_clean;
    if (status == WEIR_OK)
        status = weir_log_tidy_snapshots(log, end_offset, detail);
    return status;
}

static bool has_snapshot(const struct log_dir_listing *listing)
{
    for (size_t i = 0; i < listing->count; i++) {
        if (strcmp(listing->items[i].suffix, WEIR_SEGMENT_SUFFIX_SNAPSHOT) == 0)
            return true;
    }
    return false;
}

enum weir_status weir_log_load(struct weir_partition_log *log,
                               const struct weir_partition_log_options *options,
                               struct weir_partition_log_recovery *recovery,
                               struct weir_detail *detail)
{
    struct loader loader = {.log = log,
                            .options = options,
                            .recovery = recovery,
                            .producers_at = -1,
                            .new_epoch.epoch = -1};
    struct log_dir_listing listing = {0};
    int64_t end_offset = 0;
    loader.buffer = weir_malloc(SCAN_BYTES);
    enum weir_status status = loader.buffer == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status =
            weir_log_dir_tidy(log->env, log->dir, &listing, &loader.leftovers, recovery, detail);
    log->has_no_snapshots = status == WEIR_OK && !has_snapshot(&listing);
    if (status == WEIR_OK)
        status = read_epochs(&loader, detail);
    if (status == WEIR_OK)
        status = open_segments(&loader, &listing, detail);
    recovery->is_new = loader.count == 0;
    if (!options->was_clean)
        log->names_changed++; /* whoever made them may have died before the sync */
    if (status == WEIR_OK)
        status = load_segments(&loader, &end_offset, detail);
    if (status == WEIR_OK)
        status = finish(&loader, end_offset, detail);
    log->has_no_snapshots = false;
    for (size_t i = 0; i < loader.count; i++)
        weir_segment_unref(loader.segments[i]);
    weir_free(loader.segments);
    weir_free(loader.needs_scan);
    weir_free(loader.buffer);
    weir_log_dir_listing_done(&loader.leftovers);
    weir_log_dir_listing_done(&listing);
    return status;
}
