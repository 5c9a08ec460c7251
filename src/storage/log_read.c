/* SPDX-License-Identifier: Apache-2.0 */

/* Reading: a view is taken once, and everything after that needs no lock of the log.  What this
 * process did not write is verified before it is shown (log_verify.c). */

#include "log_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>

struct reader {
    struct weir_partition_log *log;
    const struct weir_log_read_options *options;
    struct published now;
    size_t segment_index;
    struct weir_batch_place first;
    int64_t upper_offset;
};

static size_t find_segment(const struct log_view *view, int64_t offset)
{
    size_t low = 0;
    size_t high = view->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (view->segments[middle]->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int64_t upper_offset(const struct published *now, enum weir_log_read_limit limit)
{
    switch (limit) {
    case WEIR_LOG_READ_TO_LOG_END:
        return now->offsets.log_end_offset;
    case WEIR_LOG_READ_TO_HIGH_WATERMARK:
        return now->offsets.high_watermark;
    case WEIR_LOG_READ_TO_LAST_STABLE:
        return now->offsets.last_stable_offset;
    }
    return now->offsets.last_stable_offset;
}

/* The first batch with data at or behind the offset; compaction leaves gaps, also at the end of a
 * segment. */
static enum weir_status find_first(struct reader *reader, struct weir_detail *detail)
{
    const struct log_view *view = reader->now.view;
    reader->segment_index = find_segment(view, reader->options->offset);
    enum weir_status status = WEIR_NOT_FOUND;
    while (status == WEIR_NOT_FOUND && reader->segment_index < view->count) {
        uint64_t good_pos;
        status = weir_log_locate(reader->log, &reader->now, reader->segment_index,
                                 reader->options->offset, &reader->first, &good_pos, detail);
        if (status == WEIR_NOT_FOUND)
            reader->segment_index++;
    }
    return status;
}

/* Where the bytes end that may be shown, as far as limits go. */
static enum weir_status find_limit_pos(struct reader *reader, uint64_t *out,
                                       struct weir_detail *detail)
{
    const struct published *now = &reader->now;
    size_t index = reader->segment_index;
    const struct weir_segment *segment = now->view->segments[index];
    bool is_last = index + 1 == now->view->count;
    uint64_t size = weir_log_readable_size(now, index);
    bool is_unlimited = is_last
                            ? reader->upper_offset >= now->offsets.log_end_offset
                            : reader->upper_offset >= now->view->segments[index + 1]->base_offset;
    if (is_unlimited) {
        *out = size;
        return WEIR_OK;
    }
    if (reader->upper_offset == now->offsets.high_watermark &&
        now->hw_base == segment->base_offset) {
        *out = now->hw_pos;
        return WEIR_OK;
    }
    struct weir_batch_place place;
    uint64_t good_pos = 0;
    enum weir_status status =
        weir_log_locate(reader->log, now, index, reader->upper_offset, &place, &good_pos, detail);
    if (status == WEIR_CORRUPT) {
        /* Nothing at or behind the limit lies before the bad batch. */
        weir_log_tell_fault(reader->log, detail);
        *out = good_pos;
        return WEIR_OK;
    }
    if (status != WEIR_OK && status != WEIR_NOT_FOUND)
        return status;
    *out = status == WEIR_NOT_FOUND ? size : place.file_pos;
    return WEIR_OK;
}

/* Lets the range end before the first batch in it that is not what it should be. */
static enum weir_status keep_good(struct reader *reader, struct weir_log_read *out,
                                  struct weir_detail *detail)
{
    uint64_t good_pos = 0;
    struct log_verify_options options = {
        .segment = reader->now.view->segments[reader->segment_index],
        .from_pos = reader->first.file_pos,
        .until_pos = out->range.file_pos + out->range.size,
        .size_bytes = weir_log_readable_size(&reader->now, reader->segment_index),
        .end_offset = weir_log_segment_end(&reader->now, reader->segment_index),
    };
    struct weir_detail why = {{0}};
    enum weir_status status = weir_log_verify(reader->log, &options, &good_pos, &why);
    if (status == WEIR_CORRUPT && good_pos > out->range.file_pos) {
        weir_log_tell_fault(reader->log, &why);
        out->range.size = (size_t)(good_pos - out->range.file_pos);
        return WEIR_OK;
    }
    if (status != WEIR_OK)
        weir_detail_set(detail, "%s", why.text); /* which may be NULL */
    return status;
}

/* --- Aborted transactions. --- */

struct aborted_list {
    struct weir_aborted_txn *items;
    size_t count;
    size_t capacity;
};

/* Entries of one segment that overlap.  *out_is_complete: a later segment can have none. */
static enum weir_status collect_from_segment(struct weir_segment *segment, int64_t end_offset,
                                             int64_t from, int64_t to, struct aborted_list *list,
                                             bool *out_is_complete, struct weir_detail *detail)
{
    enum weir_status status = weir_segment_lock_indexes(segment, detail);
    if (status != WEIR_OK)
        return status;
    const struct weir_txn_index *index = &segment->txn_index;
    for (size_t i = 0; i < index->count && status == WEIR_OK && !*out_is_complete; i++) {
        const struct weir_aborted_txn *txn = &index->items[i];
        if (txn->last_offset >= from && txn->first_offset < to) {
            struct weir_aborted_txn *items =
                weir_grow(list->items, &list->capacity, list->count + 1, sizeof(list->items[0]));
            if (items == NULL) {
                status = WEIR_NO_MEMORY;
            } else {
                list->items = items;
                items[list->count++] = *txn;
            }
        }
        *out_is_complete = txn->last_stable_offset >= to;
    }
    /* When the range ends in this segment: what was open at its end may have been aborted later,
     * nothing else. */
    *out_is_complete = *out_is_complete || (end_offset >= to && segment->open_txn_at_end >= to);
    bool is_partial = segment->is_txn_index_partial && !*out_is_complete;
    weir_lock_release(&segment->lock);
    if (status == WEIR_OK && is_partial) {
        weir_detail_set(detail, "%s.log has damaged batches; what was aborted there is not known",
                        segment->path);
        return WEIR_CORRUPT;
    }
    return status;
}

static enum weir_status collect_aborted(struct weir_partition_log *log, const struct published *now,
                                        size_t first_segment, int64_t from, int64_t to,
                                        struct aborted_list *list, struct weir_detail *detail)
{
    const struct log_view *view = now->view;
    bool is_complete = false;
    enum weir_status status = WEIR_OK;
    for (size_t i = first_segment; i < view->count && status == WEIR_OK && !is_complete; i++) {
        status = weir_log_verify_txns(log, now, i, detail);
        if (status == WEIR_OK)
            status = collect_from_segment(view->segments[i], weir_log_segment_end(now, i), from, to,
                                          list, &is_complete, detail);
    }
    if (status != WEIR_OK) {
        weir_free(list->items);
        memset(list, 0, sizeof(*list));
    }
    return status;
}

/* An offset behind everything in the range: from the index, else the next segment, else the end. */
static enum weir_status offset_behind(const struct reader *reader, uint64_t end_pos, int64_t *out,
                                      struct weir_detail *detail)
{
    struct weir_segment *segment = reader->now.view->segments[reader->segment_index];
    uint64_t size = weir_log_readable_size(&reader->now, reader->segment_index);
    *out = weir_log_segment_end(&reader->now, reader->segment_index);
    if (*out < 0)
        *out = reader->now.offsets.log_end_offset;
    for (;;) {
        struct weir_offset_index_entry entry;
        struct weir_batch_place place;
        enum weir_status status = weir_segment_lock_indexes(segment, detail);
        if (status != WEIR_OK)
            return status;
        bool has_entry =
            weir_offset_index_at_or_after(&segment->offset_index, (int64_t)end_pos, &entry);
        weir_lock_release(&segment->lock);
        if (!has_entry || (uint64_t)entry.file_pos >= size)
            return WEIR_OK;
        int64_t offset = segment->base_offset + entry.relative_offset;
        status = weir_segment_find(segment, offset, size, &place, detail);
        if (status == WEIR_OK && place.file_pos == (uint64_t)entry.file_pos) {
            *out = offset;
            return WEIR_OK;
        }
        if (status != WEIR_OK && status != WEIR_CORRUPT && status != WEIR_NOT_FOUND)
            return status;
        /* That look-up has dropped the entry if its place is not what it says. */
        weir_lock_take(&segment->lock);
        weir_offset_index_drop(&segment->offset_index, entry);
        weir_lock_release(&segment->lock);
    }
}

static enum weir_status add_aborted(const struct reader *reader, struct weir_log_read *out,
                                    struct weir_detail *detail)
{
    struct aborted_list list = {0};
    const struct weir_segment *segment = reader->now.view->segments[reader->segment_index];
    /* The range was verified, or written here, so this is known of it. */
    if (!atomic_load_explicit(&segment->has_txn_batches, memory_order_relaxed))
        return WEIR_OK;
    int64_t to = 0;
    enum weir_status status =
        offset_behind(reader, out->range.file_pos + out->range.size, &to, detail);
    if (status != WEIR_OK)
        return status;
    status = collect_aborted(reader->log, &reader->now, reader->segment_index,
                             reader->options->offset, to, &list, detail);
    out->aborted = list.items;
    out->aborted_count = list.count;
    return status;
}

enum weir_status weir_partition_log_aborted_txns(struct weir_partition_log *log,
                                                 int64_t from_offset, int64_t to_offset,
                                                 struct weir_aborted_txn **out, size_t *out_count,
                                                 struct weir_detail *detail)
{
    struct published now;
    struct aborted_list list = {0};
    weir_log_take(log, &now);
    enum weir_status status = collect_aborted(log, &now, find_segment(now.view, from_offset),
                                              from_offset, to_offset, &list, detail);
    weir_log_view_unref(now.view);
    if (status == WEIR_OK) {
        *out = list.items;
        *out_count = list.count;
    }
    return status;
}

/* --- The read. --- */

static void release_segment(void *owner)
{
    weir_segment_unpin(owner);
    weir_segment_unref(owner);
}

static enum weir_status read_at(struct reader *reader, struct weir_log_read *out,
                                struct weir_detail *detail)
{
    const struct weir_log_read_options *options = reader->options;
    uint64_t end_pos = 0;
    enum weir_status status = find_first(reader, detail);
    if (status == WEIR_NOT_FOUND)
        return WEIR_OK; /* nothing but gaps up to the end */
    if (status == WEIR_OK)
        status = find_limit_pos(reader, &end_pos, detail);
    if (status != WEIR_OK || reader->first.file_pos >= end_pos)
        return status;
    size_t size_max = options->bytes_max;
    out->first_batch_is_incomplete = size_max < reader->first.size && !options->min_one_batch;
    if (options->min_one_batch && size_max < reader->first.size)
        size_max = reader->first.size;
    uint64_t left = end_pos - reader->first.file_pos;
    struct weir_segment *segment = reader->now.view->segments[reader->segment_index];
    out->range.file_pos = reader->first.file_pos;
    out->range.size = left < size_max ? (size_t)left : size_max;
    if (out->range.size == 0) {
        memset(&out->range, 0, sizeof(out->range));
        return WEIR_OK;
    }
    status = weir_segment_pin(segment, &out->range.file, detail);
    if (status != WEIR_OK)
        return status;
    out->range.owner = weir_segment_ref(segment); /* P6 */
    out->range.release = release_segment;
    status = keep_good(reader, out, detail);
    return status == WEIR_OK && options->with_aborted_txns ? add_aborted(reader, out, detail)
                                                           : status;
}

static enum weir_status try_read(struct weir_partition_log *log,
                                 const struct weir_log_read_options *options,
                                 struct weir_log_read *out, struct weir_detail *detail)
{
    struct reader reader = {.log = log, .options = options};
    struct weir_log_read read = {0};
    weir_log_take(log, &reader.now);
    read.offsets = reader.now.offsets;
    reader.upper_offset = upper_offset(&reader.now, options->limit);
    enum weir_status status = WEIR_OK;
    if (options->offset < read.offsets.log_start_offset ||
        options->offset > read.offsets.log_end_offset) {
        weir_detail_set(detail, "offset %" PRId64 " is outside of %" PRId64 " to %" PRId64,
                        options->offset, read.offsets.log_start_offset,
                        read.offsets.log_end_offset);
        status = WEIR_OFFSET_OUT_OF_RANGE;
        out->offsets = read.offsets;
    } else if (options->offset < reader.upper_offset) {
        status = read_at(&reader, &read, detail);
    }
    if (status == WEIR_CLOSED || status == WEIR_LIMIT)
        status = WEIR_KAFKA_STORAGE_ERROR; /* deleted meanwhile, or no descriptor is free */
    weir_log_view_unref(reader.now.view);
    if (status != WEIR_OK) {
        weir_log_read_done(&read);
        return status;
    }
    *out = read;
    return WEIR_OK;
}

enum weir_status weir_partition_log_read(struct weir_partition_log *log,
                                         const struct weir_log_read_options *options,
                                         struct weir_log_read *out, struct weir_detail *detail)
{
    enum weir_status status;
    uint64_t truncations;
    do {
        truncations = atomic_load_explicit(&log->truncations, memory_order_acquire);
        status = try_read(log, options, out, detail);
    } while (status == WEIR_CORRUPT && weir_log_was_truncated(log, truncations));
    if (status == WEIR_CORRUPT)
        weir_log_tell_fault(log, detail);
    return status;
}

void weir_log_read_done(struct weir_log_read *read)
{
    if (read->range.release != NULL)
        read->range.release(read->range.owner);
    weir_free(read->aborted);
    memset(&read->range, 0, sizeof(read->range));
    read->aborted = NULL;
    read->aborted_count = 0;
}

struct weir_file_range weir_log_read_take_range(struct weir_log_read *read)
{
    struct weir_file_range range = read->range;
    memset(&read->range, 0, sizeof(read->range));
    return range;
}

enum weir_status weir_log_read_copy(struct weir_env *env, const struct weir_log_read *read,
                                    struct weir_buf *out, struct weir_detail *detail)
{
    if (read->range.size == 0)
        return WEIR_OK;
    uint8_t *at = weir_buf_extend(out, read->range.size);
    if (at == NULL)
        return weir_buf_status(out);
    size_t got = 0;
    enum weir_status status = weir_file_read_at(env, read->range.file, at, read->range.size,
                                                read->range.file_pos, &got, detail);
    /* A truncation meanwhile makes the file shorter; what is there is still a run of batches. */
    out->size -= read->range.size - (status == WEIR_OK ? got : 0);
    return status;
}
