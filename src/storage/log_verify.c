/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Nothing that was loaded is shown before it was verified (P8).
 *
 * V1  A byte is shown when it lies behind the segment's own_pos (this process wrote or recovered
 *     it) or inside one of the segment's spans (this process read it back and found it right).
 * V2  A walk over batches begins where the offset is known from two places: at the segment's first
 *     byte (its name) or at an index entry whose batch has the entry's offset.
 * V3  Base offset and leader epoch are not under a batch's checksum.  The offset is right when the
 *     batch follows the one before without a gap; after a gap (compaction's) when the batch behind
 *     it begins later than this one ends.  The epoch is right when the epoch cache has the same.
 * V4  Index entries only shorten a walk: one that does not fit its batch is dropped, and the entry
 *     before it used.
 */

#include "log_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>

enum { SCAN_BYTES = 65536 };

/* --- Saying it. --- */

void weir_log_tell_fault(struct weir_partition_log *log, const struct weir_detail *fault)
{
    if (log->on_fault != NULL)
        log->on_fault(log->context, log, fault);
}

/* Entries as appending makes them.  Each is compared with its batch when it is used, so headers are
 * enough here; a bad batch ends it. */
static void index_batches(struct weir_segment *segment, int32_t interval_bytes, uint8_t *buffer,
                          struct weir_offset_index *offsets, struct weir_time_index *times)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    int64_t bytes = 0;
    int64_t max_timestamp = -1;
    int32_t max_offset = 0;
    enum weir_status status = WEIR_OK;
    weir_segment_scan_init(&scan, segment, 0, weir_segment_size(segment), buffer, SCAN_BYTES);
    while (status == WEIR_OK && weir_segment_scan_next(&scan, false, &place, NULL) == WEIR_OK) {
        int32_t relative = (int32_t)(place.batch.last_offset - segment->base_offset);
        if (place.batch.max_timestamp > max_timestamp) {
            max_timestamp = place.batch.max_timestamp;
            max_offset = relative;
        }
        if (bytes > interval_bytes) {
            status = weir_offset_index_append(offsets, relative, (int32_t)place.file_pos);
            if (status == WEIR_OK)
                status = weir_time_index_maybe_append(times, max_timestamp, max_offset);
            bytes = 0;
        }
        bytes += (int64_t)place.size;
    }
    if (status == WEIR_OK)
        status = weir_time_index_maybe_append(times, max_timestamp, max_offset);
    (void)status; /* what is missing makes look-ups longer */
}

static void remake_indexes(struct weir_partition_log *log, struct weir_segment *segment)
{
    struct weir_offset_index offsets = {.is_unsynced = true};
    struct weir_time_index times = {.is_unsynced = true};
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return;
    weir_lock_take(&log->lock);
    int32_t interval_bytes = log->config.index_interval_bytes;
    weir_lock_release(&log->lock);
    index_batches(segment, interval_bytes, buffer, &offsets, &times);
    weir_lock_take(&segment->lock);
    if (segment->has_indexes) {
        weir_offset_index_done(&segment->offset_index);
        weir_time_index_done(&segment->time_index);
        segment->offset_index = offsets;
        segment->time_index = times;
        offsets = (struct weir_offset_index){0};
        times = (struct weir_time_index){0};
    }
    weir_lock_release(&segment->lock);
    weir_offset_index_done(&offsets);
    weir_time_index_done(&times);
    weir_free(buffer);
}

void weir_log_tell_unfit_index(struct weir_partition_log *log, struct weir_segment *segment)
{
    struct weir_detail fault = {{0}};
    weir_lock_take(&segment->lock);
    bool has_unfit = segment->has_unfit_entries;
    bool has_lost = segment->has_lost_indexes;
    segment->has_unfit_entries = false;
    segment->has_lost_indexes = false;
    weir_lock_release(&segment->lock);
    if (!has_unfit && !has_lost)
        return;
    if (has_lost)
        remake_indexes(log, segment);
    if (has_lost)
        weir_detail_set(&fault, "%s: the indexes were damaged and made anew from the batches",
                        segment->path);
    else
        weir_detail_set(&fault, "%s: index entries do not fit the log and were dropped",
                        segment->path);
    weir_log_tell_fault(log, &fault);
    /* Memory is right already; if the file cannot be mended now, the next process will meet it. */
    enum weir_status ignored = weir_segment_write_indexes(segment, false, NULL);
    (void)ignored;
}

/* --- Spans. --- */

/* Moves *pos behind what is verified there already; *next_offset follows it then. */
static void skip_verified(struct weir_segment *segment, uint64_t *pos, int64_t *next_offset)
{
    weir_lock_take(&segment->lock);
    for (size_t i = 0; i < segment->span_count; i++) {
        const struct weir_verified_span *span = &segment->spans[i];
        if (*pos >= span->from_pos && *pos < span->end_pos) {
            *pos = span->end_pos;
            *next_offset = span->next_offset;
            break; /* none touches another */
        }
    }
    weir_lock_release(&segment->lock);
}

/* Adds a span, joined with those it touches; the shortest goes when there are too many. */
static void add_span(struct weir_segment *segment, struct weir_verified_span span)
{
    if (span.end_pos <= span.from_pos)
        return;
    weir_lock_take(&segment->lock);
    for (size_t i = segment->span_count; i > 0; i--) {
        const struct weir_verified_span *other = &segment->spans[i - 1];
        if (other->from_pos > span.end_pos || other->end_pos < span.from_pos)
            continue;
        if (other->from_pos < span.from_pos)
            span.from_pos = other->from_pos;
        if (other->end_pos > span.end_pos) {
            span.end_pos = other->end_pos;
            span.next_offset = other->next_offset;
        }
        segment->spans[i - 1] = segment->spans[--segment->span_count];
    }
    size_t at = segment->span_count;
    if (at == WEIR_VERIFIED_SPANS_MAX) {
        at = 0;
        for (size_t i = 1; i < segment->span_count; i++) {
            if (segment->spans[i].end_pos - segment->spans[i].from_pos <
                segment->spans[at].end_pos - segment->spans[at].from_pos)
                at = i;
        }
    } else {
        segment->span_count++;
    }
    segment->spans[at] = span;
    weir_lock_release(&segment->lock);
}

/* --- Walking and judging. --- */

struct verifier {
    struct weir_partition_log *log;
    const struct log_verify_options *options;
    int64_t next_offset; /* what the next batch should begin with; -1: not known */
    uint64_t good_pos;   /* up to here all is right */
    int64_t good_next_offset;
    /* A batch behind a gap, whose offset the next one has to confirm. */
    bool has_doubt;
    struct weir_batch_place doubtful;
    /* The epoch of offsets from epoch_from to below epoch_to. */
    int32_t epoch;
    int64_t epoch_from;
    int64_t epoch_to;
};

static void find_epoch(struct verifier *verifier, int64_t offset)
{
    const struct weir_epoch_cache *epochs = &verifier->log->epochs;
    verifier->epoch = -1;
    verifier->epoch_from = 0;
    verifier->epoch_to = INT64_MAX;
    weir_lock_take(&verifier->log->lock);
    for (size_t i = 0; i < epochs->count; i++) {
        if (epochs->items[i].start_offset > offset) {
            verifier->epoch_to = epochs->items[i].start_offset;
            break;
        }
        verifier->epoch = epochs->items[i].epoch;
        verifier->epoch_from = epochs->items[i].start_offset;
    }
    weir_lock_release(&verifier->log->lock);
}

static enum weir_status check_epoch(struct verifier *verifier, const struct weir_batch_place *place,
                                    struct weir_detail *detail)
{
    const struct weir_batch *batch = &place->batch;
    if (batch->magic < 2 || batch->partition_leader_epoch == WEIR_BATCH_NO_LEADER_EPOCH)
        return WEIR_OK; /* from before there were epochs */
    if (batch->base_offset < verifier->epoch_from || batch->base_offset >= verifier->epoch_to)
        find_epoch(verifier, batch->base_offset);
    if (verifier->epoch < 0 && batch->last_offset >= verifier->epoch_to) {
        /* The log begins inside the batch, and what is known of epochs does, too. */
        find_epoch(verifier, batch->last_offset);
        verifier->epoch_from = batch->base_offset;
    }
    if (verifier->epoch < 0 || verifier->epoch == batch->partition_leader_epoch)
        return WEIR_OK;
    weir_detail_set(detail,
                    "%s.log at byte %" PRIu64 ": leader epoch %d where offset %" PRId64
                    " is of epoch %d",
                    verifier->options->segment->path, place->file_pos,
                    batch->partition_leader_epoch, batch->base_offset, verifier->epoch);
    return WEIR_CORRUPT;
}

static enum weir_status refuse_offsets(const struct verifier *verifier,
                                       const struct weir_batch_place *place, int64_t than,
                                       struct weir_detail *detail)
{
    weir_detail_set(detail,
                    "%s.log at byte %" PRIu64 ": offsets %" PRId64 " to %" PRId64
                    " do not go with %" PRId64 " beside them",
                    verifier->options->segment->path, place->file_pos, place->batch.base_offset,
                    place->batch.last_offset, than);
    return WEIR_CORRUPT;
}

static void accept(struct verifier *verifier, const struct weir_batch_place *place)
{
    verifier->good_pos = place->file_pos + place->size;
    verifier->good_next_offset = place->batch.last_offset + 1;
}

/* Whether the doubtful batch ends before the next one begins, which is at this offset. */
static enum weir_status settle_doubt(struct verifier *verifier, int64_t following,
                                     struct weir_detail *detail)
{
    if (!verifier->has_doubt)
        return WEIR_OK;
    if (following >= 0 && following <= verifier->doubtful.batch.last_offset)
        return refuse_offsets(verifier, &verifier->doubtful, following, detail);
    verifier->has_doubt = false;
    accept(verifier, &verifier->doubtful);
    return WEIR_OK;
}

static enum weir_status take_batch(struct verifier *verifier, const struct weir_batch_place *place,
                                   struct weir_detail *detail)
{
    const struct weir_batch *batch = &place->batch;
    enum weir_status status = settle_doubt(verifier, batch->base_offset, detail);
    if (status == WEIR_OK && verifier->next_offset >= 0 &&
        batch->base_offset < verifier->next_offset && batch->magic >= 2)
        status = refuse_offsets(verifier, place, verifier->next_offset, detail);
    if (status == WEIR_OK)
        status = check_epoch(verifier, place, detail);
    if (status != WEIR_OK)
        return status;
    if (weir_batch_is_transactional(batch))
        atomic_store_explicit(&verifier->options->segment->has_txn_batches, true,
                              memory_order_relaxed);
    if (verifier->next_offset >= 0 && batch->base_offset > verifier->next_offset) {
        verifier->has_doubt = true;
        verifier->doubtful = *place;
    } else {
        accept(verifier, place);
    }
    verifier->next_offset = batch->last_offset + 1;
    return WEIR_OK;
}

/* From where the scan stands to until_pos, and one header more when there is a doubt. */
static enum weir_status walk(struct verifier *verifier, struct weir_segment_scan *scan,
                             struct weir_detail *detail)
{
    for (;;) {
        struct weir_batch_place place;
        bool is_wanted = scan->file_pos < verifier->options->until_pos;
        if (!is_wanted && !verifier->has_doubt)
            return WEIR_OK;
        enum weir_status status = weir_segment_scan_next(scan, is_wanted, &place, detail);
        if (status == WEIR_NOT_FOUND)
            return settle_doubt(verifier, verifier->options->end_offset, detail);
        if (!is_wanted && status == WEIR_CORRUPT)
            return settle_doubt(verifier, -1, detail); /* that one's turn comes later */
        if (status == WEIR_OK)
            status = is_wanted ? take_batch(verifier, &place, detail)
                               : settle_doubt(verifier, place.batch.base_offset, detail);
        if (status != WEIR_OK)
            return status;
    }
}

static enum weir_status verify_from(struct verifier *verifier, uint64_t from,
                                    struct weir_detail *detail)
{
    const struct log_verify_options *options = verifier->options;
    struct weir_segment_scan scan;
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    verifier->good_pos = from;
    verifier->good_next_offset = verifier->next_offset;
    weir_segment_scan_init(&scan, options->segment, from, options->size_bytes, buffer, SCAN_BYTES);
    enum weir_status status = walk(verifier, &scan, detail);
    weir_free(buffer);
    if (status != WEIR_OK && status != WEIR_CORRUPT)
        return status;
    /* Behind own_pos nothing is remembered: it may be cut and written again. */
    uint64_t own_pos = atomic_load_explicit(&options->segment->own_pos, memory_order_relaxed);
    if (verifier->good_pos <= own_pos)
        add_span(options->segment, (struct weir_verified_span){
                                       .from_pos = from,
                                       .end_pos = verifier->good_pos,
                                       .next_offset = verifier->good_next_offset,
                                   });
    return status;
}

enum weir_status weir_log_verify(struct weir_partition_log *log,
                                 const struct log_verify_options *options, uint64_t *out_good_pos,
                                 struct weir_detail *detail)
{
    struct weir_segment *segment = options->segment;
    uint64_t own_pos = atomic_load_explicit(&segment->own_pos, memory_order_relaxed);
    struct log_verify_options wanted = *options;
    struct verifier verifier = {.log = log, .options = &wanted, .epoch = -1, .epoch_from = -1};
    uint64_t from = options->from_pos;
    *out_good_pos = options->until_pos;
    if (wanted.until_pos > own_pos)
        wanted.until_pos = own_pos;
    if (from >= wanted.until_pos)
        return WEIR_OK;
    verifier.epoch_to = -1; /* none is known yet */
    verifier.next_offset = from == 0 ? segment->base_offset : -1;
    skip_verified(segment, &from, &verifier.next_offset);
    if (from >= wanted.until_pos)
        return WEIR_OK;
    enum weir_status status = verify_from(&verifier, from, detail);
    if (status == WEIR_CORRUPT)
        *out_good_pos = verifier.good_pos;
    return status;
}

/* --- Looking up. --- */

uint64_t weir_log_readable_size(const struct published *now, size_t segment_index)
{
    return segment_index + 1 == now->view->count
               ? now->end_pos
               : weir_segment_size(now->view->segments[segment_index]);
}

int64_t weir_log_segment_end(const struct published *now, size_t segment_index)
{
    return segment_index + 1 == now->view->count
               ? -1
               : now->view->segments[segment_index + 1]->base_offset;
}

enum weir_status weir_log_locate(struct weir_partition_log *log, const struct published *now,
                                 size_t segment_index, int64_t offset, struct weir_batch_place *out,
                                 uint64_t *out_good_pos, struct weir_detail *detail)
{
    struct weir_segment *segment = now->view->segments[segment_index];
    uint64_t size = weir_log_readable_size(now, segment_index);
    uint64_t from = 0;
    enum weir_status found = weir_segment_find_from(segment, offset, size, &from, out, detail);
    weir_log_tell_unfit_index(log, segment);
    if (found != WEIR_OK && found != WEIR_NOT_FOUND && found != WEIR_CORRUPT)
        return found;
    struct log_verify_options options = {
        .segment = segment,
        .from_pos = from,
        .until_pos = found == WEIR_OK ? out->file_pos + out->size : size,
        .size_bytes = size,
        .end_offset = weir_log_segment_end(now, segment_index),
    };
    struct weir_detail why = {{0}};
    enum weir_status status = weir_log_verify(log, &options, out_good_pos, &why);
    if (status != WEIR_OK)
        weir_detail_set(detail, "%s", why.text); /* which may be NULL */
    else if (found == WEIR_CORRUPT)
        *out_good_pos = from; /* the file changed in between */
    return status == WEIR_OK ? found : status;
}

/* --- Times. --- */

/* The greatest timestamp that the index vouches for: the last entry whose batch has it. */
static enum weir_status last_true_time(struct weir_segment *segment, uint64_t size_bytes,
                                       struct weir_time_index_entry *out, uint64_t *out_pos,
                                       bool *out_has_unfit, struct weir_detail *detail)
{
    for (;;) {
        struct weir_batch_place place;
        enum weir_status status = weir_segment_lock_indexes(segment, detail);
        if (status != WEIR_OK)
            return status == WEIR_NOT_FOUND ? WEIR_CORRUPT : status;
        struct weir_time_index_entry last = weir_time_index_last(&segment->time_index);
        weir_lock_release(&segment->lock);
        *out = last;
        *out_pos = 0;
        if (last.timestamp < 0)
            return WEIR_OK;
        status = weir_segment_find(segment, segment->base_offset + last.relative_offset, size_bytes,
                                   &place, detail);
        if (status == WEIR_OK && place.batch.max_timestamp == last.timestamp) {
            *out_pos = place.file_pos;
            return WEIR_OK;
        }
        if (status != WEIR_OK && status != WEIR_NOT_FOUND && status != WEIR_CORRUPT)
            return status;
        *out_has_unfit = true;
        weir_lock_take(&segment->lock);
        weir_time_index_drop(&segment->time_index, last);
        weir_lock_release(&segment->lock);
    }
}

/* Goes from the last entry to the end: no batch there may have a greater one. */
static enum weir_status find_later_times(struct weir_segment *segment, uint64_t from,
                                         uint64_t size_bytes, struct weir_time_index_entry *io,
                                         struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    uint8_t *buffer = weir_malloc(SCAN_BYTES);
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status;
    weir_segment_scan_init(&scan, segment, from, size_bytes, buffer, SCAN_BYTES);
    while ((status = weir_segment_scan_next(&scan, true, &place, detail)) == WEIR_OK) {
        if (place.batch.max_timestamp > io->timestamp)
            *io = (struct weir_time_index_entry){
                .timestamp = place.batch.max_timestamp,
                .relative_offset = (int32_t)(place.batch.last_offset - segment->base_offset)};
    }
    weir_free(buffer);
    if (status == WEIR_CORRUPT)
        weir_segment_note_damage(segment, false);
    return status == WEIR_NOT_FOUND || status == WEIR_CORRUPT ? WEIR_OK : status;
}

/* A sealed segment's last entry is what other brokers go by.  What cannot be written now keeps the
 * next stop from being called clean. */
static void write_last_time(struct weir_partition_log *log, struct weir_segment *segment)
{
    weir_lock_take(&log->lock);
    int64_t timestamp = segment->max_timestamp;
    int32_t relative_offset = (int32_t)(segment->max_timestamp_offset - segment->base_offset);
    weir_lock_release(&log->lock);
    weir_segment_note_files_change(segment);
    enum weir_status status = weir_segment_lock_indexes(segment, NULL);
    if (status != WEIR_OK)
        return;
    if (segment->is_sealed && timestamp >= 0)
        status = weir_time_index_maybe_append(&segment->time_index, timestamp, relative_offset);
    weir_lock_release(&segment->lock);
    if (status == WEIR_OK) {
        status = weir_segment_write_indexes(segment, false, NULL);
        (void)status; /* the stop compares the files with memory */
    }
}

enum weir_status weir_log_verify_times(struct weir_partition_log *log, struct weir_segment *segment,
                                       uint64_t size_bytes, struct weir_detail *detail)
{
    struct weir_time_index_entry found;
    uint64_t from = 0;
    bool has_unfit = false;
    weir_lock_take(&segment->lock);
    bool is_true = segment->are_times_true;
    weir_lock_release(&segment->lock);
    if (is_true)
        return WEIR_OK;
    weir_lock_take(&log->lock);
    int64_t known = segment->max_timestamp;
    weir_lock_release(&log->lock);
    enum weir_status status =
        last_true_time(segment, size_bytes, &found, &from, &has_unfit, detail);
    if (status == WEIR_OK)
        status = find_later_times(segment, from, size_bytes, &found, detail);
    if (status != WEIR_OK)
        return status;
    bool was_wrong = has_unfit || found.timestamp > known;
    weir_lock_take(&log->lock);
    /* An append may have raised it meanwhile. */
    if (found.timestamp > segment->max_timestamp ||
        (has_unfit && segment->max_timestamp == known)) {
        segment->max_timestamp = found.timestamp;
        segment->max_timestamp_offset = segment->base_offset + found.relative_offset;
    }
    weir_lock_release(&log->lock);
    weir_lock_take(&segment->lock);
    segment->are_times_true = true;
    weir_lock_release(&segment->lock);
    if (was_wrong) {
        struct weir_detail fault;
        write_last_time(log, segment);
        weir_detail_set(
            &fault, "%s.timeindex: it says that the greatest time is %" PRId64 ", it is %" PRId64,
            segment->path, known, found.timestamp);
        weir_log_tell_fault(log, &fault);
    }
    return WEIR_OK;
}
