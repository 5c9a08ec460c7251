/* SPDX-License-Identifier: Apache-2.0 */

/* What task threads do to a log: flush, roll, retention, closing, deletion. */

#include "log_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_metadata.h"

#include <inttypes.h>
#include <stdio.h>

/* --- Small files. --- */

enum weir_status weir_log_sync_names_locked(struct weir_partition_log *log,
                                            struct weir_detail *detail)
{
    if (log->names_synced == log->names_changed)
        return WEIR_OK;
    enum weir_status status = weir_dir_sync(log->env, log->dir, detail);
    if (status == WEIR_OK)
        log->names_synced = log->names_changed;
    return status;
}

/* Either file is replaced durably, which syncs all names of the directory. */
static enum weir_status write_small_files(struct weir_partition_log *log, bool with_epochs,
                                          struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    char path[WEIR_SEGMENT_PATH_BYTES];
    bool has_synced = false;
    if (with_epochs) {
        weir_log_path(log, "leader-epoch-checkpoint", path);
        status = weir_epoch_cache_write(log->env, path, &log->epochs, detail);
        has_synced = true;
    }
    if (status == WEIR_OK && !log->has_metadata_file && !weir_uuid_is_zero(log->topic_id)) {
        status = weir_partition_metadata_write(log->env, log->dir, log->topic_id, detail);
        log->has_metadata_file = status == WEIR_OK;
        has_synced = true;
    }
    if (status == WEIR_OK && has_synced)
        log->names_synced = log->names_changed;
    return status;
}

enum weir_status weir_log_write_small_files_locked(struct weir_partition_log *log,
                                                   struct weir_detail *detail)
{
    return write_small_files(log, log->epochs.is_dirty, detail);
}

enum weir_status weir_partition_log_write_small_files(struct weir_partition_log *log,
                                                      struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK)
        status = weir_log_write_small_files_locked(log, detail);
    weir_lock_release(&log->lock);
    return status;
}

enum weir_status weir_partition_log_write_metadata(struct weir_partition_log *log,
                                                   struct weir_detail *detail)
{
    return weir_partition_log_write_small_files(log, detail);
}

/* --- Flush. --- */

/* What one flush makes durable, taken under the lock; the syncs run without it. */
struct flush {
    struct log_view *view;
    int64_t target_offset; /* the recovery point afterwards */
    int64_t from_offset;   /* the recovery point before */
    int64_t active_base;
    bool include_active;
    bool is_closing; /* the small files come later */
    uint64_t names_changed;
    uint64_t cuts;
    bool include_cuts;
    bool include_names;
    bool include_dir_name; /* the directory may be new in its parent, by us or by those before us */
    char dir[WEIR_SEGMENT_PATH_BYTES];
};

static enum weir_status begin_flush(struct weir_partition_log *log, struct flush *flush,
                                    struct weir_detail *detail)
{
    const struct weir_segment *active = weir_log_active(log);
    enum weir_status status = weir_log_check_open(log, detail);
    /* The active segment is always scanned after a crash, and its epochs found again. */
    if (status == WEIR_OK && !flush->is_closing)
        status = write_small_files(
            log, weir_epoch_cache_is_write_due(&log->epochs, active->base_offset), detail);
    if (status != WEIR_OK)
        return status;
    flush->view = log->now.view;
    atomic_fetch_add_explicit(&flush->view->refs, 1, memory_order_relaxed);
    flush->target_offset =
        flush->include_active ? log->now.offsets.log_end_offset : active->base_offset;
    flush->from_offset = log->recovery_point;
    flush->active_base = active->base_offset;
    flush->names_changed = log->names_changed;
    flush->cuts = log->cuts;
    flush->include_cuts = flush->include_active && log->cuts_synced != log->cuts;
    flush->include_names = log->names_synced != log->names_changed;
    flush->include_dir_name = !log->has_durable_dir;
    (void)snprintf(flush->dir, sizeof(flush->dir), "%s", log->dir);
    return WEIR_OK;
}

static enum weir_status sync_path(struct weir_env *env, const char *path,
                                  struct weir_detail *detail)
{
    struct weir_file *file = NULL;
    enum weir_status status =
        weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, detail);
    if (status == WEIR_NOT_FOUND)
        return WEIR_OK; /* optional, or replaced by its owner */
    if (status == WEIR_OK)
        status = weir_file_sync(env, file, true, detail);
    weir_file_close(env, file);
    return status;
}

/* A sealed segment is never scanned again once the recovery point has passed it, so its indexes
 * must be as durable as its batches, and with them the producers at its end. */
static enum weir_status sync_sealed(struct weir_env *env, struct weir_segment *segment,
                                    const struct weir_segment *next, struct weir_detail *detail)
{
    static const char *const suffixes[] = {
        WEIR_SEGMENT_SUFFIX_INDEX, WEIR_SEGMENT_SUFFIX_TIME_INDEX, WEIR_SEGMENT_SUFFIX_TXN_INDEX};
    char path[WEIR_SEGMENT_PATH_BYTES];
    enum weir_status status = weir_segment_sync(segment, true, detail);
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && status == WEIR_OK; i++) {
        weir_segment_file_path(segment, suffixes[i], path);
        status = sync_path(env, path, detail);
    }
    weir_segment_file_path(next, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    return status == WEIR_OK ? sync_path(env, path, detail) : status;
}

static enum weir_status sync_segments(struct weir_env *env, const struct flush *flush,
                                      struct weir_detail *detail)
{
    const struct log_view *view = flush->view;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < view->count && status == WEIR_OK; i++) {
        struct weir_segment *segment = view->segments[i];
        bool is_active = i + 1 == view->count;
        /* A roll takes the recovery point back to the sealed segment's base (log_append.c), so this
         * is exact. */
        if (!is_active && view->segments[i + 1]->base_offset <= flush->from_offset)
            continue;
        if (!is_active)
            status = sync_sealed(env, segment, view->segments[i + 1], detail);
        else if (flush->include_active)
            status = weir_segment_sync(segment, flush->include_cuts,
                                       detail); /* its indexes are rebuilt after a crash */
    }
    if (status == WEIR_OK && flush->include_names && !flush->is_closing)
        status = weir_dir_sync(env, flush->dir, detail);
    if (status == WEIR_OK && flush->include_dir_name)
        status = weir_dir_sync_parent(env, flush->dir, detail);
    return status;
}

static enum weir_status flush_log(struct weir_partition_log *log, bool include_active,
                                  bool is_closing, struct weir_detail *detail)
{
    struct flush flush = {.include_active = include_active, .is_closing = is_closing};
    weir_lock_take(&log->lock);
    enum weir_status status = begin_flush(log, &flush, detail);
    weir_lock_release(&log->lock);
    if (status == WEIR_CLOSED || status == WEIR_KAFKA_STORAGE_ERROR || status == WEIR_NO_SPACE ||
        status == WEIR_NO_MEMORY)
        return status; /* nothing was synced, nothing is lost */
    bool has_synced =
        status == WEIR_OK && (flush.target_offset > flush.from_offset || flush.include_cuts);
    if (has_synced)
        status = sync_segments(log->env, &flush, detail);
    weir_log_view_unref(flush.view);
    weir_lock_take(&log->lock);
    if (status == WEIR_LIMIT) {
        weir_lock_release(&log->lock);
        return status; /* no descriptor to sync with: nothing is lost, and the next flush tries */
    }
    if (status != WEIR_OK) {
        /* The kernel may have dropped the pages: a second sync would say OK and mean nothing. */
        weir_log_fail_locked(log, detail);
        status = WEIR_KAFKA_STORAGE_ERROR;
    } else {
        /* A truncation meanwhile may have lowered the end. */
        int64_t end_offset = log->now.offsets.log_end_offset;
        int64_t target = flush.target_offset < end_offset ? flush.target_offset : end_offset;
        /* Nor may it pass a segment that was sealed meanwhile: only its batches were synced. */
        if (weir_log_active(log)->base_offset != flush.active_base && target > flush.active_base)
            target = flush.active_base;
        if (target > log->recovery_point)
            log->recovery_point = target;
        log->has_durable_dir = log->has_durable_dir || has_synced;
        if (flush.include_cuts)
            log->cuts_synced = flush.cuts;
        if (has_synced && !is_closing && flush.names_changed > log->names_synced)
            log->names_synced = flush.names_changed;
        log->flushed_ms = weir_env_monotonic_ms(log->env);
    }
    weir_lock_release(&log->lock);
    return status;
}

enum weir_status weir_partition_log_flush(struct weir_partition_log *log, bool include_active,
                                          struct weir_detail *detail)
{
    return flush_log(log, include_active, false, detail);
}

void weir_partition_log_note_durable_dir(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    log->has_durable_dir = true;
    weir_lock_release(&log->lock);
}

int64_t weir_partition_log_checkpoint_point(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    int64_t point = log->recovery_point;
    int64_t base = weir_log_active(log)->base_offset;
    if (log->state == LOG_OPEN && point > base)
        point--;
    weir_lock_release(&log->lock);
    return point;
}

bool weir_partition_log_is_flush_due(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    bool is_due = weir_log_is_flush_due(log);
    weir_lock_release(&log->lock);
    return is_due;
}

enum weir_status weir_partition_log_roll(struct weir_partition_log *log, struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK)
        status = weir_log_roll_locked(log, log->now.offsets.log_end_offset, detail);
    weir_lock_release(&log->lock);
    return status;
}

/* --- Giving segments up. --- */

static const char *const segment_suffixes[] = {
    WEIR_SEGMENT_SUFFIX_LOG, WEIR_SEGMENT_SUFFIX_INDEX, WEIR_SEGMENT_SUFFIX_TIME_INDEX,
    WEIR_SEGMENT_SUFFIX_TXN_INDEX, WEIR_SEGMENT_SUFFIX_SNAPSHOT};

/* The .log goes first: an index without a log is removed at the next start, a log without one is
 * scanned. */
enum weir_status weir_log_discard_segment(struct weir_partition_log *log,
                                          struct weir_segment *segment, struct weir_detail *detail)
{
    int64_t due_ms = weir_env_monotonic_ms(log->env) + log->config.file_delete_delay_ms;
    weir_segment_detach(segment, true);
    for (size_t i = 0; i < sizeof(segment_suffixes) / sizeof(segment_suffixes[0]); i++) {
        char from[WEIR_SEGMENT_PATH_BYTES];
        char to[WEIR_SEGMENT_PATH_BYTES + 16];
        weir_segment_file_path(segment, segment_suffixes[i], from);
        (void)snprintf(to, sizeof(to), "%s.deleted", from);
        enum weir_status status = weir_path_rename(log->env, from, to, detail);
        if (status == WEIR_NOT_FOUND)
            continue;
        if (status != WEIR_OK)
            return status;
        if (log->reaper == NULL)
            status = weir_path_remove(log->env, to, detail);
        else
            status = weir_file_reaper_add(log->reaper, to, false, due_ms);
        /* What the reaper cannot note down the next start removes. */
        if (status != WEIR_OK && status != WEIR_NO_MEMORY)
            return status;
    }
    log->names_changed++;
    if (segment->base_offset == log->snapshot_offset)
        log->snapshot_offset = -1;
    weir_detail_set(detail, "%s", "");
    return WEIR_OK;
}

/* --- Retention. --- */

/* For segments without timestamps the time of the last write stands in. */
static int64_t largest_timestamp(struct weir_partition_log *log, const struct weir_segment *segment)
{
    struct weir_file_info info;
    char path[WEIR_SEGMENT_PATH_BYTES];
    if (segment->max_timestamp >= 0)
        return segment->max_timestamp;
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_LOG, path);
    return weir_path_info(log->env, path, &info, NULL) == WEIR_OK ? info.modified_ms : INT64_MAX;
}

/* How many segments at the front may go, each with the offset behind it below the high watermark.
 * The active segment may be among them unless it is empty. */
static size_t count_expired(struct weir_partition_log *log)
{
    const struct log_view *view = log->now.view;
    const struct weir_log_config *config = &log->config;
    const struct weir_partition_log_offsets *offsets = &log->now.offsets;
    int64_t now_ms = weir_env_wall_ms(log->env);
    int64_t excess = -1;
    if (config->retention_bytes >= 0) {
        excess = -config->retention_bytes;
        for (size_t i = 0; i < view->count; i++)
            excess += (int64_t)weir_segment_size(view->segments[i]);
    }
    size_t count = 0;
    for (; count < view->count; count++) {
        struct weir_segment *segment = view->segments[count];
        bool is_active = count + 1 == view->count;
        int64_t size = (int64_t)weir_segment_size(segment);
        int64_t end_offset =
            is_active ? offsets->log_end_offset : view->segments[count + 1]->base_offset;
        if (end_offset > offsets->high_watermark || (is_active && size == 0))
            break;
        bool is_before_start = !is_active && end_offset <= offsets->log_start_offset;
        bool is_too_much = config->cleanup_delete && excess >= size;
        bool is_too_old = config->cleanup_delete && config->retention_ms >= 0 &&
                          now_ms - largest_timestamp(log, segment) > config->retention_ms;
        if (!is_before_start && !is_too_much && !is_too_old)
            break;
        excess -= size;
    }
    return count;
}

static enum weir_status drop_front(struct weir_partition_log *log, size_t count,
                                   struct weir_log_retention_result *out,
                                   struct weir_detail *detail)
{
    struct log_view *before = log->now.view;
    struct log_view *after = weir_log_view_new(before->segments + count, before->count - count);
    if (after == NULL)
        return WEIR_NO_MEMORY;
    atomic_fetch_add_explicit(&before->refs, 1, memory_order_relaxed);
    weir_log_publish_view(log, after);
    int64_t log_start = log->now.offsets.log_start_offset;
    if (after->segments[0]->base_offset > log_start)
        log_start = after->segments[0]->base_offset;
    weir_log_publish_limits(log, log_start, log->now.offsets.high_watermark);
    weir_epoch_cache_truncate_from_start(&log->epochs, log_start);
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        out->deleted_segments++;
        out->deleted_bytes += weir_segment_size(before->segments[i]);
        status = weir_log_discard_segment(log, before->segments[i], detail);
    }
    weir_log_view_unref(before);
    return status;
}

static bool is_roll_due_by_time(struct weir_partition_log *log)
{
    const struct weir_segment *active = weir_log_active(log);
    return log->config.retention_ms >= 0 && log->config.cleanup_delete &&
           active->max_timestamp >= 0 &&
           weir_env_wall_ms(log->env) - active->created_ms >
               log->config.segment_ms - active->roll_jitter_ms;
}

static enum weir_status retain_locked(struct weir_partition_log *log,
                                      struct weir_log_retention_result *out,
                                      struct weir_detail *detail)
{
    enum weir_status status = weir_log_check_open(log, detail);
    if (status != WEIR_OK)
        return status;
    if (is_roll_due_by_time(log)) {
        status = weir_log_roll_locked(log, log->now.offsets.log_end_offset, detail);
        if (status != WEIR_OK)
            return status;
    }
    size_t expired = count_expired(log);
    if (expired == log->now.view->count) {
        /* I1: something must remain. */
        status = weir_log_roll_locked(log, log->now.offsets.log_end_offset, detail);
        if (status != WEIR_OK)
            return status;
    }
    return expired > 0 ? drop_front(log, expired, out, detail) : WEIR_OK;
}

enum weir_status weir_partition_log_retain(struct weir_partition_log *log,
                                           struct weir_log_retention_result *out,
                                           struct weir_detail *detail)
{
    struct weir_log_retention_result result = {0};
    weir_lock_take(&log->lock);
    /* What is being cleaned waits for the next pass; the cleaner asks for one when it is done. */
    enum weir_status status = log->is_being_cleaned ? WEIR_OK : retain_locked(log, &result, detail);
    if (status == WEIR_IO_ERROR) {
        weir_log_fail_locked(log, detail);
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    result.log_start_offset = log->now.offsets.log_start_offset;
    weir_lock_release(&log->lock);
    *out = result;
    return status;
}

/* --- The end. --- */

/* Reads back what a clean directory promises (reference F.2): after the marker nobody checks it
 * again. */
static enum weir_status verify(struct weir_partition_log *log, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_segment *active = weir_log_active(log);
    struct weir_offset_index offsets = {0};
    struct weir_time_index times = {0};
    struct weir_epoch_cache epochs = {0};
    struct weir_producer_state *producers = NULL;
    uint64_t size = 0;
    enum weir_status status = weir_segment_file_size(active, &size, detail);
    if (status == WEIR_OK && size != weir_segment_size(active)) {
        weir_detail_set(detail, "%s.log has %" PRIu64 " bytes and should have %" PRIu64,
                        active->path, size, weir_segment_size(active));
        status = WEIR_CORRUPT;
    }
    weir_segment_file_path(active, WEIR_SEGMENT_SUFFIX_INDEX, path);
    if (status == WEIR_OK)
        status = weir_offset_index_read(log->env, path, (int64_t)size, &offsets, detail);
    weir_segment_file_path(active, WEIR_SEGMENT_SUFFIX_TIME_INDEX, path);
    if (status == WEIR_OK)
        status = weir_time_index_read(log->env, path, &times, detail);
    if (status == WEIR_OK && weir_time_index_last(&times).timestamp != active->max_timestamp &&
        active->max_timestamp >= 0) {
        weir_detail_set(detail, "%s lacks its last entry", path);
        status = WEIR_CORRUPT;
    }
    weir_log_path(log, "leader-epoch-checkpoint", path);
    if (status == WEIR_OK)
        status = weir_epoch_cache_read(log->env, path, &epochs, detail);
    if (status == WEIR_OK && log->snapshot_offset >= 0)
        status = weir_producer_state_new(&producers);
    if (status == WEIR_OK && log->snapshot_offset >= 0) {
        weir_offset_file_path(log->dir, log->snapshot_offset, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
        status = weir_producer_state_read(log->env, path, producers, 0, INT64_MAX, detail);
    }
    weir_offset_index_done(&offsets);
    weir_time_index_done(&times);
    weir_epoch_cache_done(&epochs);
    weir_producer_state_free(producers);
    return status;
}

static enum weir_status finish_files(struct weir_partition_log *log, struct weir_detail *detail)
{
    struct weir_segment *active = weir_log_active(log);
    int64_t end_offset = log->now.offsets.log_end_offset;
    bool has_data = end_offset > active->base_offset || log->now.view->count > 1;
    weir_segment_add_final_time_entry(active);
    enum weir_status status = weir_segment_write_indexes(active, true, detail);
    /* Trap 3: a log with records and a clean marker needs a snapshot. */
    if (status == WEIR_OK && has_data)
        status = weir_log_write_snapshot(log, end_offset, true, detail);
    if (status == WEIR_OK)
        status = weir_log_tidy_snapshots(log, end_offset, detail);
    /* Last, since replacing either syncs the names as well.  Epochs that begin at the log end are
     * dropped by whoever opens the log, so nobody misses them. */
    if (status == WEIR_OK)
        status =
            write_small_files(log, weir_epoch_cache_is_write_due(&log->epochs, end_offset), detail);
    if (status == WEIR_OK)
        status = weir_log_sync_names_locked(log, detail);
    return status == WEIR_OK ? verify(log, detail) : status;
}

enum weir_status weir_partition_log_close(struct weir_partition_log *log,
                                          struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    weir_log_stop_cleaning(log);
    int64_t recovery_point = log->recovery_point;
    weir_lock_release(&log->lock);
    enum weir_status status = flush_log(log, true, true, detail);
    weir_lock_take(&log->lock);
    if (status == WEIR_OK)
        status = weir_log_check_open(log, detail);
    /* Nothing may come between the flush and this: the owner has stopped appending, and it is
     * checked. */
    if (status == WEIR_OK && log->recovery_point != log->now.offsets.log_end_offset) {
        weir_detail_set(detail, "%s was written to while it was closed", log->dir);
        status = WEIR_BUSY;
    }
    if (status == WEIR_OK) {
        status = finish_files(log, detail);
        /* Without those files the flush was not a whole one. */
        if (status != WEIR_OK && log->recovery_point > recovery_point)
            log->recovery_point = recovery_point;
    }
    if (log->state == LOG_OPEN && status != WEIR_BUSY)
        log->state = LOG_CLOSED;
    weir_log_allow_cleaning(log);
    weir_lock_release(&log->lock);
    return status;
}

enum weir_status weir_partition_log_rename_for_delete(struct weir_partition_log *log,
                                                      struct weir_detail *detail)
{
    char name[WEIR_PARTITION_DIR_BYTES];
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_uuid unique;
    weir_env_random(log->env, unique.bytes, sizeof(unique.bytes));
    weir_partition_dir_name_of_kind(&log->key, WEIR_PARTITION_DIR_DELETE, unique, name);
    weir_lock_take(&log->lock);
    weir_log_stop_cleaning(log);
    const char *slash = strrchr(log->dir, '/');
    int parent_bytes = slash == NULL ? 0 : (int)(slash - log->dir) + 1;
    (void)snprintf(path, sizeof(path), "%.*s%s", parent_bytes, log->dir, name);
    char *dir = weir_strdup(path);
    for (size_t i = 0; i < log->now.view->count; i++)
        weir_segment_detach(log->now.view->segments[i], false);
    enum weir_status status =
        dir == NULL ? WEIR_NO_MEMORY : weir_path_rename(log->env, log->dir, path, detail);
    if (status == WEIR_OK) {
        weir_free(log->dir);
        log->dir = dir;
        dir = NULL;
        log->state = LOG_DELETED;
    } else {
        for (size_t i = 0; i < log->now.view->count; i++)
            weir_segment_attach(log->now.view->segments[i]);
    }
    weir_log_allow_cleaning(log);
    weir_lock_release(&log->lock);
    weir_free(dir);
    return status;
}
