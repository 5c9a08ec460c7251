/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Closing a log.  After a clean marker Apache Kafka checks nothing: a torn batch is appended to, a
 * missing snapshot forgets the producers, zeros in an index delete the log.  So what a close has
 * written is read back, and the marker comes only if every log of the directory is what it says
 * (reference F.2, F.4).
 *
 * What was read back before and not written since is not read again: sealed segments by the flush
 * that made them durable, what was found at the start by the start.
 */

#include "log_int.h"

#include "weir/base/crc32c.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_metadata.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TAIL_BYTES = 16384 };

/* --- One segment. --- */

/* The index files of a segment as they are on disk. */
struct found {
    struct weir_offset_index offsets;
    struct weir_time_index times;
    struct weir_txn_index txns;
    uint64_t size_bytes;
};

static enum weir_status read_found(struct weir_segment *segment, struct found *found,
                                   struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_env *env = segment->env;
    enum weir_status status = weir_segment_file_size(segment, &found->size_bytes, detail);
    if (status == WEIR_OK && found->size_bytes != weir_segment_size(segment)) {
        weir_detail_set(detail, "%s.log has %" PRIu64 " bytes and should have %" PRIu64,
                        segment->path, found->size_bytes, weir_segment_size(segment));
        return WEIR_CORRUPT;
    }
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_INDEX, path);
    if (status == WEIR_OK)
        status =
            weir_offset_index_read(env, path, (int64_t)found->size_bytes, &found->offsets, detail);
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TIME_INDEX, path);
    if (status == WEIR_OK)
        status = weir_time_index_read(env, path, &found->times, detail);
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, path);
    if (status == WEIR_OK)
        status = weir_txn_index_read(env, path, &found->txns, detail);
    return status;
}

static uint32_t txns_crc(const struct weir_txn_index *index)
{
    return index->count == 0 ? 0 : weir_crc32c(index->items, index->count * sizeof(*index->items));
}

/* What is in memory was made from the batches, or compared with them. */
static enum weir_status compare_with_memory(struct weir_segment *segment, const struct found *found,
                                            struct weir_detail *detail)
{
    const char *suffix = NULL;
    weir_lock_take(&segment->lock);
    if (segment->has_indexes) {
        struct weir_offset_index_entry last =
            weir_offset_index_floor(&segment->offset_index, INT64_MAX);
        struct weir_offset_index_entry found_last =
            weir_offset_index_floor(&found->offsets, INT64_MAX);
        if (found->offsets.count != segment->offset_index.count ||
            last.relative_offset != found_last.relative_offset ||
            last.file_pos != found_last.file_pos)
            suffix = WEIR_SEGMENT_SUFFIX_INDEX;
        else if (found->times.count != segment->time_index.count)
            suffix = WEIR_SEGMENT_SUFFIX_TIME_INDEX;
        else if (found->txns.count != segment->txn_index.count ||
                 txns_crc(&found->txns) != txns_crc(&segment->txn_index))
            suffix = WEIR_SEGMENT_SUFFIX_TXN_INDEX;
    } else if (txns_crc(&found->txns) != segment->true_txn_crc) {
        suffix = WEIR_SEGMENT_SUFFIX_TXN_INDEX;
    }
    weir_lock_release(&segment->lock);
    if (suffix == NULL)
        return WEIR_OK;
    weir_detail_set(detail, "%s%s is not what was written to it", segment->path, suffix);
    return WEIR_CORRUPT;
}

static enum weir_status check_txns(const struct weir_segment *segment, const struct found *found,
                                   int64_t end_offset, struct weir_detail *detail)
{
    size_t count = found->txns.count;
    if (count == 0 || (found->txns.items[0].last_offset >= segment->base_offset &&
                       found->txns.items[count - 1].last_offset < end_offset))
        return WEIR_OK;
    weir_detail_set(detail, "%s.txnindex names a marker that is not in this segment",
                    segment->path);
    return WEIR_CORRUPT;
}

/* From the batch that the last index entry points at to the end of the file.  check: with their
 * checksums. */
static enum weir_status check_tail(struct weir_segment *segment, const struct found *found,
                                   int64_t end_offset, bool check, struct weir_detail *detail)
{
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    struct weir_offset_index_entry entry = weir_offset_index_floor(&found->offsets, INT64_MAX);
    uint8_t *buffer = weir_malloc(TAIL_BYTES);
    bool is_indexed = entry.file_pos > 0;
    bool is_wrong = false;
    int64_t next_offset = segment->base_offset;
    if (buffer == NULL)
        return WEIR_NO_MEMORY;
    weir_segment_scan_init(&scan, segment, (uint64_t)entry.file_pos, found->size_bytes, buffer,
                           TAIL_BYTES);
    enum weir_status status = WEIR_OK;
    while (status == WEIR_OK && !is_wrong) {
        status = weir_segment_scan_next(&scan, check, &place, detail);
        if (status != WEIR_OK)
            break;
        is_wrong =
            is_indexed && place.batch.last_offset != segment->base_offset + entry.relative_offset;
        is_indexed = false;
        next_offset = place.batch.last_offset + 1;
    }
    weir_free(buffer);
    if (status == WEIR_CORRUPT && weir_segment_has_damage(segment))
        return WEIR_OK; /* the disk's, told when it was met; what follows is as good as before */
    if (status == WEIR_NOT_FOUND && is_indexed)
        is_wrong = true;
    if (is_wrong) {
        weir_detail_set(detail, "%s.index: the last entry does not fit the log", segment->path);
        return WEIR_CORRUPT;
    }
    if (status != WEIR_NOT_FOUND)
        return status;
    /* Below it where compaction took the last batches away. */
    if (next_offset <= end_offset)
        return WEIR_OK;
    weir_detail_set(detail, "%s.log ends at offset %" PRId64 ", behind %" PRId64, segment->path,
                    next_offset, end_offset);
    return WEIR_CORRUPT;
}

static enum weir_status check_found(struct weir_segment *segment, const struct found *found,
                                    int64_t end_offset, int64_t max_timestamp,
                                    struct weir_detail *detail)
{
    enum weir_status status = compare_with_memory(segment, found, detail);
    if (status == WEIR_OK && max_timestamp >= 0 &&
        weir_time_index_last(&found->times).timestamp != max_timestamp) {
        weir_detail_set(detail, "%s.timeindex lacks its last entry", segment->path);
        status = WEIR_CORRUPT;
    }
    if (status == WEIR_OK)
        status = check_txns(segment, found, end_offset, detail);
    return status == WEIR_OK ? check_tail(segment, found, end_offset, !segment->is_sealed, detail)
                             : status;
}

void weir_log_note_proven(struct weir_segment *segment)
{
    atomic_store(&segment->proven_changes, atomic_load(&segment->file_changes));
}

enum weir_status weir_log_prove_segment(struct weir_segment *segment, int64_t end_offset,
                                        int64_t max_timestamp, struct weir_detail *detail)
{
    struct found found = {0};
    unsigned changes = atomic_load(&segment->file_changes); /* before they are read */
    if (atomic_load(&segment->proven_changes) == changes)
        return WEIR_OK;
    enum weir_status status = read_found(segment, &found, detail);
    if (status == WEIR_OK)
        status = check_found(segment, &found, end_offset, max_timestamp, detail);
    if (status == WEIR_OK)
        atomic_store(&segment->proven_changes, changes);
    weir_offset_index_done(&found.offsets);
    weir_time_index_done(&found.times);
    weir_txn_index_done(&found.txns);
    return status == WEIR_NOT_FOUND ? WEIR_CORRUPT : status;
}

/* --- The directory. --- */

struct name_check {
    const char *dir;
    size_t log_count;
    struct weir_detail why;
    char temporary[WEIR_SEGMENT_PATH_BYTES]; /* one of them; empty: none is there */
};

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name);
    size_t end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static enum weir_status on_name(void *context, const char *name)
{
    struct name_check *check = context;
    check->log_count += ends_with(name, WEIR_SEGMENT_SUFFIX_LOG) ? 1 : 0;
    if (ends_with(name, ".tmp"))
        (void)snprintf(check->temporary, sizeof(check->temporary), "%s/%s", check->dir, name);
    if (!ends_with(name, ".cleaned") && !ends_with(name, ".swap"))
        return WEIR_OK;
    weir_detail_set(&check->why, "%s/%s was left by something that is not finished", check->dir,
                    name);
    return WEIR_CORRUPT;
}

static enum weir_status check_names(const struct weir_partition_log *log,
                                    struct weir_detail *detail)
{
    struct name_check check;
    enum weir_status status;
    do {
        memset(&check, 0, sizeof(check));
        check.dir = log->dir;
        status = weir_dir_list(log->env, log->dir, on_name, &check, detail);
        /* A write that was given up, or cut off by a crash, left it. */
        if (status == WEIR_OK && check.temporary[0] != '\0')
            status = weir_path_remove(log->env, check.temporary, detail);
    } while (status == WEIR_OK && check.temporary[0] != '\0');
    if (check.why.text[0] != '\0')
        *detail = check.why;
    if (status == WEIR_OK && check.log_count != log->now.view->count) {
        weir_detail_set(detail, "%s has %zu .log files, and the log %zu segments", log->dir,
                        check.log_count, log->now.view->count);
        status = WEIR_CORRUPT;
    }
    return status;
}

/* Epochs that begin at the log end are dropped by whoever opens the log. */
static enum weir_status check_epochs(const struct weir_partition_log *log,
                                     struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_epoch_cache found = {0};
    const struct weir_epoch_cache *known = &log->epochs;
    int64_t end_offset = log->now.offsets.log_end_offset;
    weir_log_path(log, "leader-epoch-checkpoint", path);
    enum weir_status status = weir_epoch_cache_read(log->env, path, &found, detail);
    size_t count = known->count;
    while (count > 0 && known->items[count - 1].start_offset >= end_offset)
        count--;
    bool is_same = found.count >= count;
    for (size_t i = 0; i < count && is_same; i++)
        is_same = found.items[i].epoch == known->items[i].epoch &&
                  found.items[i].start_offset == known->items[i].start_offset;
    for (size_t i = count; i < found.count && is_same; i++)
        is_same = found.items[i].start_offset >= end_offset;
    weir_epoch_cache_done(&found);
    if (status == WEIR_OK && !is_same) {
        weir_detail_set(detail, "%s does not have the epochs of the log", path);
        status = WEIR_CORRUPT;
    }
    return status;
}

/* Trap 3: with records and without any snapshot nobody looks for producers. */
static enum weir_status check_snapshot(const struct weir_partition_log *log, bool has_data,
                                       struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_producer_state *producers = NULL;
    int64_t end_offset = log->now.offsets.log_end_offset;
    weir_offset_file_path(log->dir, has_data ? end_offset : log->snapshot_offset,
                          WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    if (!has_data && log->snapshot_offset < 0)
        return WEIR_OK;
    enum weir_status status = weir_producer_state_new(&producers);
    if (status == WEIR_OK)
        status = weir_producer_state_read(log->env, path, producers, 0, INT64_MAX, detail);
    weir_producer_state_free(producers);
    return status;
}

static enum weir_status check_metadata(const struct weir_partition_log *log,
                                       struct weir_detail *detail)
{
    struct weir_uuid topic_id = {{0}};
    if (weir_uuid_is_zero(log->topic_id))
        return WEIR_OK;
    enum weir_status status = weir_partition_metadata_read(log->env, log->dir, &topic_id, detail);
    if (status == WEIR_OK && !weir_uuid_equal(topic_id, log->topic_id)) {
        weir_detail_set(detail, "%s/partition.metadata has another topic id", log->dir);
        status = WEIR_CORRUPT;
    }
    return status;
}

static bool has_data(struct weir_partition_log *log)
{
    return log->now.offsets.log_end_offset > weir_log_active(log)->base_offset ||
           log->now.view->count > 1;
}

static enum weir_status verify(struct weir_partition_log *log, struct weir_detail *detail)
{
    const struct log_view *view = log->now.view;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < view->count && status == WEIR_OK; i++) {
        int64_t end_offset = i + 1 < view->count ? view->segments[i + 1]->base_offset
                                                 : log->now.offsets.log_end_offset;
        status = weir_log_prove_segment(view->segments[i], end_offset,
                                        view->segments[i]->max_timestamp, detail);
    }
    if (status == WEIR_OK)
        status = check_names(log, detail);
    if (status == WEIR_OK)
        status = check_epochs(log, detail);
    if (status == WEIR_OK)
        status = check_snapshot(log, has_data(log), detail);
    if (status == WEIR_OK)
        status = check_metadata(log, detail);
    return status == WEIR_NOT_FOUND ? WEIR_CORRUPT : status;
}

/* --- Closing. --- */

static enum weir_status finish_files(struct weir_partition_log *log, struct weir_detail *detail)
{
    struct weir_segment *active = weir_log_active(log);
    int64_t end_offset = log->now.offsets.log_end_offset;
    weir_segment_add_final_time_entry(active);
    weir_segment_release_reserve(active);
    enum weir_status status = weir_segment_write_indexes(active, true, detail);
    /* Trap 3: a log with records and a clean marker needs a snapshot. */
    if (status == WEIR_OK && has_data(log))
        status = weir_log_write_snapshot(log, end_offset, true, detail);
    if (status == WEIR_OK)
        status = weir_log_tidy_snapshots(log, end_offset, detail);
    /* Last, since replacing either syncs the names as well.  Epochs that begin at the log end are
     * dropped by whoever opens the log, so nobody misses them. */
    if (status == WEIR_OK)
        status = weir_log_write_some_small_files_locked(
            log, weir_epoch_cache_is_write_due(&log->epochs, end_offset), detail);
    if (status == WEIR_OK)
        status = weir_log_sync_names_locked(log, detail);
    return status;
}

/* Damage that the disk did was told when it was met.  A recovery from the beginning would cut the
 * log there, and with it whole batches behind it. */
static bool has_known_damage(const struct weir_partition_log *log)
{
    for (size_t i = 0; i < log->now.view->count; i++) {
        if (weir_segment_has_damage(log->now.view->segments[i]))
            return true;
    }
    return false;
}

/* The lock and all parts are held, everything is flushed. */
static enum weir_status finish_and_verify(struct weir_partition_log *log, int64_t recovery_point,
                                          struct weir_detail *detail)
{
    enum weir_status status = finish_files(log, detail);
    if (status == WEIR_OK) {
        status = verify(log, detail);
        /* Whoever comes next is to look at all of it. */
        if (status != WEIR_OK && !has_known_damage(log))
            recovery_point = 0;
    }
    /* Without those files the flush was not a whole one. */
    if (status != WEIR_OK && log->recovery_point > recovery_point)
        log->recovery_point = recovery_point;
    return status;
}

enum weir_status weir_partition_log_close(struct weir_partition_log *log,
                                          struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    weir_log_stop_cleaning(log);
    int64_t recovery_point = log->recovery_point;
    weir_lock_release(&log->lock);
    enum weir_status status = weir_log_flush(log, true, true, detail);
    weir_lock_take(&log->lock);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_ALL);
    if (status == WEIR_OK)
        status = weir_log_check_open(log, detail);
    /* Nothing may come between the flush and this: the owner has stopped appending, and it is
     * checked. */
    if (status == WEIR_OK && log->recovery_point != log->now.offsets.log_end_offset) {
        weir_detail_set(detail, "%s was written to while it was closed", log->dir);
        status = WEIR_BUSY;
    }
    if (status == WEIR_OK)
        status = finish_and_verify(log, recovery_point, detail);
    if (log->state == LOG_OPEN && status != WEIR_BUSY)
        log->state = LOG_CLOSED;
    weir_log_end_change(log, WEIR_LOG_CHANGE_ALL);
    weir_log_allow_cleaning(log);
    weir_lock_release(&log->lock);
    return status;
}
