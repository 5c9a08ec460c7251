/* SPDX-License-Identifier: Apache-2.0 */

/* A segment's files and look-ups. */

#include "weir/storage/segment.h"

#include "segment_cache_int.h"

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/memory.h"

#include <inttypes.h>
#include <stdio.h>

enum { LOOKUP_CHUNK_BYTES = 4096, CRC_FROM = 21 };

void weir_offset_file_path(const char *dir, int64_t offset, const char *suffix,
                           char out[WEIR_SEGMENT_PATH_BYTES])
{
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s/%020" PRId64 "%s", dir, offset, suffix);
}

void weir_segment_file_path(const struct weir_segment *segment, const char *suffix,
                            char out[WEIR_SEGMENT_PATH_BYTES])
{
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s%s", segment->path, suffix);
}

static enum weir_status open_segment(struct weir_env *env, const char *dir, int64_t base_offset,
                                     const char *suffix, bool is_new, struct weir_segment **out,
                                     struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_segment *segment = weir_calloc(1, sizeof(*segment));
    if (segment == NULL)
        return WEIR_NO_MEMORY;
    segment->env = env;
    atomic_init(&segment->refs, 1);
    weir_lock_init(&segment->lock, WEIR_LOCK_RANK_SEGMENT);
    segment->base_offset = base_offset;
    segment->max_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    segment->max_timestamp_offset = -1;
    segment->first_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    segment->created_ms = weir_env_wall_ms(env);
    weir_offset_file_path(dir, base_offset, "", path);
    segment->path = weir_strdup(path);
    enum weir_status status = segment->path == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK) {
        unsigned flags = WEIR_OPEN_READ | WEIR_OPEN_WRITE |
                         (is_new ? WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE : 0U);
        weir_segment_file_path(segment, suffix, path);
        status = weir_file_open(env, path, flags, &segment->file, detail);
    }
    uint64_t size = 0;
    if (status == WEIR_OK)
        status = weir_file_size(env, segment->file, &size, detail);
    if (status == WEIR_OK && size > INT32_MAX) {
        weir_detail_set(detail, "%s has %" PRIu64 " bytes, more than a segment can", path, size);
        status = WEIR_CORRUPT;
    }
    if (status != WEIR_OK) {
        weir_segment_unref(segment);
        return status;
    }
    atomic_init(&segment->size_bytes, size);
    atomic_init(&segment->own_pos, size);
    atomic_init(&segment->has_txn_batches, false);
    atomic_init(&segment->file_changes, 1);
    atomic_init(&segment->proven_changes, 0);
    segment->has_indexes = is_new;
    segment->open_txn_at_end = -1;
    segment->is_txn_index_true = is_new;
    segment->are_times_true = is_new;
    *out = segment;
    return WEIR_OK;
}

enum weir_status weir_segment_open(struct weir_env *env, const char *dir, int64_t base_offset,
                                   bool is_new, struct weir_segment **out,
                                   struct weir_detail *detail)
{
    return open_segment(env, dir, base_offset, WEIR_SEGMENT_SUFFIX_LOG, is_new, out, detail);
}

enum weir_status weir_segment_open_as(struct weir_env *env, const char *dir, int64_t base_offset,
                                      const char *transient, struct weir_segment **out,
                                      struct weir_detail *detail)
{
    char suffix[32];
    (void)snprintf(suffix, sizeof(suffix), "%s%s", WEIR_SEGMENT_SUFFIX_LOG, transient);
    return open_segment(env, dir, base_offset, suffix, true, out, detail);
}

struct weir_segment *weir_segment_ref(struct weir_segment *segment)
{
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return segment;
}

void weir_segment_unref(struct weir_segment *segment)
{
    /* acq_rel: all other holders' reads happen before the close. */
    if (segment == NULL || atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) != 1)
        return;
    weir_segment_cache_forget(segment->cache, segment);
    weir_file_close(segment->env, segment->file);
    weir_offset_index_done(&segment->offset_index);
    weir_time_index_done(&segment->time_index);
    weir_txn_index_done(&segment->txn_index);
    weir_lock_done(&segment->lock);
    weir_free(segment->path);
    weir_free(segment);
}

/* Replaces all three in memory; what is known of their files stays. */
static void put_indexes(struct weir_segment *segment, struct weir_offset_index offsets,
                        struct weir_time_index times, struct weir_txn_index txns)
{
    offsets.is_unsynced = segment->offset_index.is_unsynced;
    times.is_unsynced = segment->time_index.is_unsynced;
    txns.is_unsynced = segment->txn_index.is_unsynced;
    weir_offset_index_done(&segment->offset_index);
    weir_time_index_done(&segment->time_index);
    weir_txn_index_done(&segment->txn_index);
    segment->offset_index = offsets;
    segment->time_index = times;
    segment->txn_index = txns;
}

/* The file has no checksum of its own. */
static uint32_t txn_entries_crc(const struct weir_segment *segment)
{
    const struct weir_txn_index *index = &segment->txn_index;
    return index->count == 0 ? 0 : weir_crc32c(index->items, index->count * sizeof(*index->items));
}

static void forget_indexes(struct weir_segment *segment)
{
    put_indexes(segment, (struct weir_offset_index){0}, (struct weir_time_index){0},
                (struct weir_txn_index){0});
}

/* Tells the cache what a sealed segment's indexes hold of memory. */
static void count_indexes(struct weir_segment *segment)
{
    if (segment->is_sealed && segment->has_indexes)
        weir_segment_cache_add_indexes(
            segment->cache, segment,
            segment->offset_index.capacity * sizeof(segment->offset_index.items[0]) +
                segment->time_index.capacity * sizeof(segment->time_index.items[0]) +
                segment->txn_index.capacity * sizeof(segment->txn_index.items[0]));
    else
        weir_segment_cache_remove_indexes(segment->cache, segment);
}

/* The start has seen the files of a sealed segment whole.  When one is bad now, look-ups go on
 * without it until it is made anew (weir_log_tell_unfit_index). */
static enum weir_status forgive(struct weir_segment *segment, enum weir_status status,
                                bool *io_is_lost)
{
    if (!segment->is_sealed || (status != WEIR_CORRUPT && status != WEIR_NOT_FOUND))
        return status;
    *io_is_lost = true;
    return WEIR_OK;
}

static enum weir_status load_indexes_locked(struct weir_segment *segment,
                                            struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_offset_index offsets = {0};
    struct weir_time_index times = {0};
    struct weir_txn_index txns = {0};
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_INDEX, path);
    enum weir_status status = weir_offset_index_read(
        segment->env, path, (int64_t)weir_segment_size(segment), &offsets, detail);
    bool is_lost = false;
    bool are_txns_lost = false;
    status = forgive(segment, status, &is_lost);
    if (status == WEIR_OK) {
        weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TIME_INDEX, path);
        status =
            forgive(segment, weir_time_index_read(segment->env, path, &times, detail), &is_lost);
    }
    if (status == WEIR_OK) {
        weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, path);
        status = forgive(segment, weir_txn_index_read(segment->env, path, &txns, detail),
                         &are_txns_lost);
    }
    /* Whoever takes the names away says so before; what was read may be of other files by now. */
    if (atomic_load(&segment->is_detached)) {
        weir_detail_set(detail, "%s was deleted", path);
        status = WEIR_CLOSED;
    }
    if (status != WEIR_OK) {
        weir_offset_index_done(&offsets);
        weir_time_index_done(&times);
        weir_txn_index_done(&txns);
        return status;
    }
    put_indexes(segment, offsets, times, txns);
    segment->has_indexes = true;
    count_indexes(segment);
    if (txn_entries_crc(segment) != segment->true_txn_crc)
        segment->is_txn_index_true = false;
    segment->has_lost_indexes = segment->has_lost_indexes || is_lost;
    if (are_txns_lost) {
        segment->is_txn_index_true = false;
        segment->is_txn_index_partial = true;
    }
    return WEIR_OK;
}

static void note_indexes_used(struct weir_segment *segment)
{
    if (!atomic_load_explicit(&segment->indexes_were_used, memory_order_relaxed))
        atomic_store_explicit(&segment->indexes_were_used, true, memory_order_relaxed);
}

enum weir_status weir_segment_lock_indexes(struct weir_segment *segment, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    weir_lock_take(&segment->lock);
    if (!segment->has_indexes)
        status = load_indexes_locked(segment, detail);
    if (status == WEIR_OK)
        note_indexes_used(segment);
    else
        weir_lock_release(&segment->lock);
    return status;
}

enum weir_status weir_segment_load_indexes(struct weir_segment *segment, struct weir_detail *detail)
{
    enum weir_status status = weir_segment_lock_indexes(segment, detail);
    if (status == WEIR_OK)
        weir_lock_release(&segment->lock);
    return status;
}

void weir_segment_set_sealed(struct weir_segment *segment, bool is_sealed)
{
    weir_lock_take(&segment->lock);
    segment->is_sealed = is_sealed;
    count_indexes(segment);
    weir_lock_release(&segment->lock);
}

static bool has_unwritten(const struct weir_segment *segment)
{
    return segment->has_indexes &&
           (segment->offset_index.written_count != segment->offset_index.count ||
            segment->time_index.written_count != segment->time_index.count ||
            segment->txn_index.written_count != segment->txn_index.count);
}

bool weir_segment_has_unwritten(struct weir_segment *segment)
{
    weir_lock_take(&segment->lock);
    bool has = has_unwritten(segment);
    weir_lock_release(&segment->lock);
    return has;
}

enum weir_status weir_segment_write_indexes(struct weir_segment *segment, bool sync,
                                            struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    enum weir_status status = WEIR_OK;
    weir_lock_take(&segment->lock);
    if (has_unwritten(segment))
        weir_segment_note_files_change(segment);
    if (segment->has_indexes) {
        weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_INDEX, path);
        status = weir_offset_index_write(segment->env, path, &segment->offset_index, sync, detail);
        if (status == WEIR_OK) {
            weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TIME_INDEX, path);
            status = weir_time_index_write(segment->env, path, &segment->time_index, sync, detail);
        }
        if (status == WEIR_OK && segment->txn_index.count > 0) {
            weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, path);
            status = weir_txn_index_write(segment->env, path, &segment->txn_index, sync, detail);
        }
    }
    weir_lock_release(&segment->lock);
    return status;
}

void weir_segment_clear_indexes(struct weir_segment *segment)
{
    weir_lock_take(&segment->lock);
    forget_indexes(segment);
    weir_segment_note_files_change(segment);
    /* Whoever wrote the files may not have synced them, even where nothing changes now. */
    segment->offset_index.is_unsynced = true;
    segment->time_index.is_unsynced = true;
    segment->txn_index.is_unsynced = true;
    segment->has_indexes = true;
    /* Whoever fills them anew checks every batch. */
    segment->is_txn_index_true = true;
    segment->are_times_true = true;
    segment->has_unfit_entries = false;
    segment->span_count = 0;
    weir_lock_release(&segment->lock);
    segment->max_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    segment->max_timestamp_offset = -1;
    segment->first_timestamp = WEIR_BATCH_NO_TIMESTAMP;
    segment->bytes_since_index_entry = 0;
}

bool weir_segment_forget_indexes_locked(struct weir_segment *segment)
{
    bool is_written = segment->has_indexes && segment->is_sealed &&
                      segment->offset_index.written_count == segment->offset_index.count &&
                      segment->time_index.written_count == segment->time_index.count &&
                      segment->txn_index.written_count == segment->txn_index.count;
    if (is_written) {
        segment->true_txn_crc = txn_entries_crc(segment);
        forget_indexes(segment);
        segment->has_indexes = false;
    }
    return is_written;
}

void weir_segment_drop_indexes(struct weir_segment *segment)
{
    weir_lock_take(&segment->lock);
    if (weir_segment_forget_indexes_locked(segment))
        count_indexes(segment);
    weir_lock_release(&segment->lock);
}

/* The indexes are sparse, so an entry that memory has no room for only makes a look-up longer. */
static void entry_may_be_missing(enum weir_status status)
{
    (void)status;
}

void weir_segment_on_appended(struct weir_segment *segment, const struct weir_batch *batch,
                              uint64_t file_pos, size_t batch_bytes, int32_t index_interval_bytes)
{
    if (file_pos == 0)
        segment->first_timestamp = batch->max_timestamp;
    weir_segment_note_files_change(segment);
    if (weir_batch_is_transactional(batch))
        atomic_store_explicit(&segment->has_txn_batches, true, memory_order_relaxed);
    if (batch->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = batch->max_timestamp;
        segment->max_timestamp_offset = batch->last_offset;
    }
    if (segment->bytes_since_index_entry > index_interval_bytes) {
        weir_lock_take(&segment->lock);
        entry_may_be_missing(weir_offset_index_append(
            &segment->offset_index, (int32_t)(batch->last_offset - segment->base_offset),
            (int32_t)file_pos));
        if (segment->max_timestamp >= 0)
            entry_may_be_missing(weir_time_index_maybe_append(
                &segment->time_index, segment->max_timestamp,
                (int32_t)(segment->max_timestamp_offset - segment->base_offset)));
        weir_lock_release(&segment->lock);
        segment->bytes_since_index_entry = 0;
    }
    segment->bytes_since_index_entry += (int64_t)batch_bytes;
    atomic_store_explicit(&segment->size_bytes, file_pos + batch_bytes, memory_order_release);
}

void weir_segment_add_final_time_entry(struct weir_segment *segment)
{
    if (segment->max_timestamp < 0)
        return;
    weir_lock_take(&segment->lock);
    entry_may_be_missing(weir_time_index_maybe_append(
        &segment->time_index, segment->max_timestamp,
        (int32_t)(segment->max_timestamp_offset - segment->base_offset)));
    weir_lock_release(&segment->lock);
}

enum { RESERVE_FROM_BYTES = 1 << 19, RESERVE_BYTES_MAX = 1 << 24 };

void weir_segment_reserve_ahead(struct weir_segment *segment, struct weir_file *file,
                                uint64_t bytes_max, bool all_at_once)
{
    uint64_t size = weir_segment_size(segment);
    if (size < segment->reserved_pos || size >= bytes_max ||
        (!all_at_once && size < RESERVE_FROM_BYTES))
        return;
    uint64_t bytes = size / 8 < RESERVE_BYTES_MAX ? size / 8 : RESERVE_BYTES_MAX;
    if (all_at_once || bytes > bytes_max - size)
        bytes = bytes_max - size;
    segment->reserved_pos = size + bytes; /* in any case: it is not tried for each batch */
    enum weir_status ignored = weir_file_reserve(segment->env, file, size, bytes, NULL);
    (void)ignored; /* see the header */
}

void weir_segment_release_reserve(struct weir_segment *segment)
{
    uint64_t size = weir_segment_size(segment);
    if (segment->reserved_pos <= size)
        return;
    segment->reserved_pos = 0;
    enum weir_status ignored = weir_segment_truncate_file(segment, size, NULL);
    (void)ignored; /* space that is not given back is not lost either: it goes with the file */
}

void weir_segment_scan_init(struct weir_segment_scan *scan, struct weir_segment *segment,
                            uint64_t from_pos, uint64_t end_pos, void *buffer, size_t capacity)
{
    *scan = (struct weir_segment_scan){.segment = segment,
                                       .file_pos = from_pos,
                                       .end_pos = end_pos,
                                       .buffer = buffer,
                                       .capacity = capacity};
}

/* *out has at least min(wanted, what is left before the end) bytes at file_pos, and may have more.
 */
static enum weir_status peek(struct weir_segment_scan *scan, uint64_t file_pos, size_t wanted,
                             struct weir_slice *out, struct weir_detail *detail)
{
    uint64_t left = scan->end_pos - file_pos;
    if (wanted > left)
        wanted = (size_t)left;
    bool is_there =
        file_pos >= scan->buffer_pos && file_pos + wanted <= scan->buffer_pos + scan->buffer_size;
    if (!is_there) {
        size_t size = left < scan->capacity ? (size_t)left : scan->capacity;
        size_t got = 0;
        enum weir_status status =
            weir_segment_read_at(scan->segment, scan->buffer, size, file_pos, &got, detail);
        if (status != WEIR_OK)
            return status;
        scan->buffer_pos = file_pos;
        scan->buffer_size = got;
    }
    size_t skipped = (size_t)(file_pos - scan->buffer_pos);
    if (skipped > scan->buffer_size)
        skipped = scan->buffer_size;
    *out = weir_slice_of(scan->buffer + skipped, scan->buffer_size - skipped);
    return WEIR_OK;
}

static enum weir_status check_small_or_old(struct weir_segment_scan *scan,
                                           const struct weir_batch_place *place,
                                           struct weir_detail *detail)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    enum weir_status status = weir_segment_read_batch(scan->segment, place, &bytes, &batch, detail);
    if (status == WEIR_OK)
        status = weir_batch_check(&batch, detail);
    weir_buf_done(&bytes);
    return status;
}

/* The checksum is taken piece by piece, so a length that lies costs no memory. */
static enum weir_status check_batch(struct weir_segment_scan *scan,
                                    const struct weir_batch_place *place,
                                    struct weir_detail *detail)
{
    const struct weir_batch *batch = &place->batch;
    if (batch->magic < 2)
        return check_small_or_old(scan, place, detail);
    if (batch->last_offset_delta < 0 || batch->record_count < 0 ||
        batch->record_count - 1 > batch->last_offset_delta) {
        weir_detail_set(detail, "the batch has last offset delta %d and %d records",
                        batch->last_offset_delta, batch->record_count);
        return WEIR_CORRUPT;
    }
    uint32_t crc = 0; /* of nothing */
    uint64_t at = place->file_pos + CRC_FROM;
    uint64_t end = place->file_pos + place->size;
    while (at < end) {
        struct weir_slice bytes;
        enum weir_status status = peek(scan, at, 1, &bytes, detail);
        if (status != WEIR_OK)
            return status;
        if (bytes.size == 0) {
            weir_detail_set(detail, "the file became shorter");
            return WEIR_CORRUPT;
        }
        size_t size = end - at < bytes.size ? (size_t)(end - at) : bytes.size;
        crc = weir_crc32c_extend(crc, bytes.data, size);
        at += size;
    }
    if (crc != batch->crc) {
        weir_detail_set(detail, "the batch's checksum is %08x and should be %08x", crc, batch->crc);
        return WEIR_CORRUPT;
    }
    return WEIR_OK;
}

enum weir_status weir_segment_scan_next(struct weir_segment_scan *scan, bool check,
                                        struct weir_batch_place *out, struct weir_detail *detail)
{
    if (scan->file_pos >= scan->end_pos)
        return WEIR_NOT_FOUND;
    struct weir_slice bytes;
    struct weir_batch_place place = {.file_pos = scan->file_pos};
    enum weir_status status = peek(scan, scan->file_pos, WEIR_BATCH_HEADER_BYTES, &bytes, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_batch_parse_header(bytes, &place.batch, &place.size, detail);
    if (status == WEIR_TRUNCATED || status == WEIR_UNKNOWN_SERVER_ERROR ||
        (status == WEIR_OK && place.size > scan->end_pos - scan->file_pos)) {
        weir_detail_set(detail, "the batch does not end before the file does");
        status = WEIR_CORRUPT;
    }
    if (status == WEIR_OK && (place.batch.base_offset < scan->segment->base_offset ||
                              place.batch.last_offset < place.batch.base_offset ||
                              place.batch.last_offset - scan->segment->base_offset > INT32_MAX)) {
        weir_detail_set(detail, "the batch's offsets %" PRId64 " to %" PRId64 " do not belong here",
                        place.batch.base_offset, place.batch.last_offset);
        status = WEIR_CORRUPT;
    }
    if (status == WEIR_OK && check)
        status = check_batch(scan, &place, detail);
    if (status != WEIR_OK) {
        weir_detail_prefix(detail, "%s.log at byte %" PRIu64, scan->segment->path, scan->file_pos);
        return status;
    }
    place.batch.bytes = WEIR_NULL_SLICE; /* the buffer will be reused */
    scan->file_pos += place.size;
    *out = place;
    return WEIR_OK;
}

void weir_segment_note_damage(struct weir_segment *segment, bool is_txn_index_partial)
{
    weir_lock_take(&segment->lock);
    segment->has_damage = true;
    segment->is_txn_index_partial = segment->is_txn_index_partial || is_txn_index_partial;
    weir_lock_release(&segment->lock);
}

bool weir_segment_has_damage(struct weir_segment *segment)
{
    weir_lock_take(&segment->lock);
    bool has_damage = segment->has_damage;
    weir_lock_release(&segment->lock);
    return has_damage;
}

void weir_segment_note_cut(struct weir_segment *segment, uint64_t size_bytes)
{
    weir_segment_note_files_change(segment);
    if (size_bytes < atomic_load_explicit(&segment->own_pos, memory_order_relaxed))
        atomic_store_explicit(&segment->own_pos, size_bytes, memory_order_relaxed);
    weir_lock_take(&segment->lock);
    for (size_t i = segment->span_count; i > 0; i--) {
        if (segment->spans[i - 1].end_pos > size_bytes)
            segment->spans[i - 1] = segment->spans[--segment->span_count];
    }
    weir_lock_release(&segment->lock);
}

/* The index entry at or below the offset; {0, 0} when there is none. */
static enum weir_status floor_entry(struct weir_segment *segment, int64_t offset,
                                    struct weir_offset_index_entry *out, struct weir_detail *detail)
{
    enum weir_status status = weir_segment_lock_indexes(segment, detail);
    if (status != WEIR_OK)
        return status == WEIR_NOT_FOUND ? WEIR_CORRUPT : status;
    *out = weir_offset_index_floor(&segment->offset_index, offset - segment->base_offset);
    weir_lock_release(&segment->lock);
    return WEIR_OK;
}

/* An entry that leads elsewhere than it says is no loss: the one before it leads there too. */
static void drop_entry(struct weir_segment *segment, struct weir_offset_index_entry entry)
{
    weir_lock_take(&segment->lock);
    weir_offset_index_drop(&segment->offset_index, entry); /* nothing if they left memory */
    segment->has_unfit_entries = true;
    weir_lock_release(&segment->lock);
}

/* Begins a walk at or before the batch that holds the offset; *out is its first batch. */
static enum weir_status begin_walk(struct weir_segment_scan *scan, struct weir_segment *segment,
                                   int64_t offset, uint64_t size_bytes, uint8_t *chunk,
                                   struct weir_batch_place *out, struct weir_detail *detail)
{
    for (;;) {
        struct weir_offset_index_entry floor;
        enum weir_status status = floor_entry(segment, offset, &floor, detail);
        if (status != WEIR_OK)
            return status;
        bool is_indexed = floor.file_pos > 0 && (uint64_t)floor.file_pos < size_bytes;
        /* Otherwise the index is newer than the size the caller took. */
        uint64_t from = is_indexed ? (uint64_t)floor.file_pos : 0;
        weir_segment_scan_init(scan, segment, from, size_bytes, chunk, LOOKUP_CHUNK_BYTES);
        status = weir_segment_scan_next(scan, false, out, detail);
        bool fits = status == WEIR_OK &&
                    out->batch.last_offset == segment->base_offset + floor.relative_offset;
        if (!is_indexed || fits || (status != WEIR_OK && status != WEIR_CORRUPT))
            return status;
        drop_entry(segment, floor);
    }
}

enum weir_status weir_segment_find_from(struct weir_segment *segment, int64_t offset,
                                        uint64_t size_bytes, uint64_t *out_from_pos,
                                        struct weir_batch_place *out, struct weir_detail *detail)
{
    uint8_t chunk[LOOKUP_CHUNK_BYTES];
    struct weir_segment_scan scan = {.file_pos = 0};
    enum weir_status status = begin_walk(&scan, segment, offset, size_bytes, chunk, out, detail);
    if (out_from_pos != NULL)
        *out_from_pos = status == WEIR_OK ? out->file_pos : scan.file_pos;
    while (status == WEIR_OK && out->batch.last_offset < offset)
        status = weir_segment_scan_next(&scan, false, out, detail);
    return status;
}

enum weir_status weir_segment_find(struct weir_segment *segment, int64_t offset,
                                   uint64_t size_bytes, struct weir_batch_place *out,
                                   struct weir_detail *detail)
{
    return weir_segment_find_from(segment, offset, size_bytes, NULL, out, detail);
}

enum weir_status weir_segment_read_batch(struct weir_segment *segment,
                                         const struct weir_batch_place *place, struct weir_buf *out,
                                         struct weir_batch *out_batch, struct weir_detail *detail)
{
    size_t start = out->size;
    uint8_t *at = weir_buf_extend(out, place->size);
    if (at == NULL)
        return weir_buf_status(out);
    size_t got = 0;
    enum weir_status status =
        weir_segment_read_at(segment, at, place->size, place->file_pos, &got, detail);
    if (status == WEIR_OK && got != place->size) {
        weir_detail_set(detail, "%s.log became shorter", segment->path);
        status = WEIR_CORRUPT;
    }
    if (status == WEIR_OK)
        status = weir_batch_parse(weir_slice_of(out->data + start, place->size), out_batch, detail);
    return status;
}
