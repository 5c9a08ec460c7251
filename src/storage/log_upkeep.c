/* SPDX-License-Identifier: Apache-2.0 */

/* What task threads do to a log: flush and deletion. */

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

/* What of the small files has to be written, taken under the lock; writing needs only the part
 * SYNC. Either file is replaced durably, which syncs all names of the directory. */
struct small_files {
    struct weir_epoch_cache epochs; /* a copy */
    bool with_epochs;
    bool with_metadata;
    struct weir_uuid topic_id;
    uint64_t names_changed;
    bool is_done;
};

static enum weir_status take_small_files(const struct weir_partition_log *log, bool with_epochs,
                                         struct small_files *out)
{
    *out = (struct small_files){.with_epochs = with_epochs,
                                .with_metadata =
                                    !log->has_metadata_file && !weir_uuid_is_zero(log->topic_id),
                                .topic_id = log->topic_id,
                                .names_changed = log->names_changed};
    return with_epochs ? weir_epoch_cache_copy(&log->epochs, &out->epochs) : WEIR_OK;
}

static enum weir_status write_small_files(struct weir_partition_log *log, struct small_files *files,
                                          struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    char path[WEIR_SEGMENT_PATH_BYTES];
    if (files->with_epochs) {
        weir_log_path(log, "leader-epoch-checkpoint", path);
        status = weir_epoch_cache_write(log->env, path, &files->epochs, detail);
    }
    if (status == WEIR_OK && files->with_metadata)
        status = weir_partition_metadata_write(log->env, log->dir, files->topic_id, detail);
    files->is_done = status == WEIR_OK;
    return status;
}

/* The lock is held again. */
static void note_small_files(struct weir_partition_log *log, struct small_files *files)
{
    if (files->is_done && files->with_epochs)
        weir_epoch_cache_note_written(&log->epochs, &files->epochs);
    if (files->is_done && files->with_metadata)
        log->has_metadata_file = true;
    if (files->is_done && (files->with_epochs || files->with_metadata) &&
        files->names_changed > log->names_synced)
        log->names_synced = files->names_changed;
    weir_epoch_cache_done(&files->epochs);
}

enum weir_status weir_log_write_some_small_files_locked(struct weir_partition_log *log,
                                                        bool with_epochs,
                                                        struct weir_detail *detail)
{
    struct small_files files;
    enum weir_status status = take_small_files(log, with_epochs, &files);
    if (status == WEIR_OK)
        status = write_small_files(log, &files, detail);
    note_small_files(log, &files);
    return status;
}

enum weir_status weir_log_write_small_files_locked(struct weir_partition_log *log,
                                                   struct weir_detail *detail)
{
    return weir_log_write_some_small_files_locked(log, log->epochs.is_dirty, detail);
}

enum weir_status weir_partition_log_write_small_files(struct weir_partition_log *log,
                                                      struct weir_detail *detail)
{
    struct small_files files = {0};
    weir_lock_take(&log->lock);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_SYNC);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK)
        status = take_small_files(log, log->epochs.is_dirty, &files);
    weir_lock_release(&log->lock);
    if (status == WEIR_OK)
        status = write_small_files(log, &files, detail);
    weir_lock_take(&log->lock);
    note_small_files(log, &files);
    weir_log_end_change(log, WEIR_LOG_CHANGE_SYNC);
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
    int64_t wanted_offset; /* durable already: then others have done this flush's work */
    int64_t target_offset; /* the recovery point afterwards */
    int64_t from_offset;   /* the recovery point before */
    int64_t active_base;
    bool include_active;
    bool is_closing; /* the small files come later */
    struct small_files small;
    uint64_t names_changed;
    uint64_t cuts;
    bool include_cuts;
    bool include_names;
    bool include_dir_name; /* the directory may be new in its parent, by us or by those before us */
};

static enum weir_status begin_flush(struct weir_partition_log *log, struct flush *flush,
                                    struct weir_detail *detail)
{
    const struct weir_segment *active = weir_log_active(log);
    enum weir_status status = weir_log_check_open(log, detail);
    /* The active segment is always scanned after a crash, and its epochs found again. */
    if (status == WEIR_OK && !flush->is_closing)
        status = take_small_files(
            log, weir_epoch_cache_is_write_due(&log->epochs, active->base_offset), &flush->small);
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

/* A roll takes the recovery point back to the sealed segment's base (log_roll.c), so this is
 * exact. */
static bool is_flushed(const struct flush *flush, size_t sealed_index)
{
    return flush->view->segments[sealed_index + 1]->base_offset <= flush->from_offset;
}

/* What a roll had no space for.  Before any sync, for a full disk is no reason to give up the log.
 */
static enum weir_status write_missing(struct weir_partition_log *log, struct flush *flush,
                                      struct weir_detail *detail)
{
    enum weir_status status = write_small_files(log, &flush->small, detail);
    for (size_t i = 0; i + 1 < flush->view->count && status == WEIR_OK; i++) {
        /* A segment the cleaner has replaced meanwhile must not get its files again. */
        if (!is_flushed(flush, i) && weir_segment_has_unwritten(flush->view->segments[i]))
            status = weir_segment_write_indexes(flush->view->segments[i], false, detail);
    }
    return status;
}

/* While what was written is still in memory.  A close looks again where a doubt is left. */
static void prove_sealed(struct weir_partition_log *log, struct weir_segment *segment,
                         int64_t end_offset)
{
    weir_lock_take(&log->lock);
    int64_t max_timestamp = segment->max_timestamp;
    weir_lock_release(&log->lock);
    enum weir_status ignored = weir_log_prove_segment(segment, end_offset, max_timestamp, NULL);
    (void)ignored;
}

static enum weir_status sync_segments(struct weir_partition_log *log, const struct flush *flush,
                                      struct weir_detail *detail)
{
    struct weir_env *env = log->env;
    const struct log_view *view = flush->view;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < view->count && status == WEIR_OK; i++) {
        struct weir_segment *segment = view->segments[i];
        bool is_active = i + 1 == view->count;
        if (!is_active && is_flushed(flush, i))
            continue;
        if (!is_active)
            status = sync_sealed(env, segment, view->segments[i + 1], detail);
        else if (flush->include_active)
            status = weir_segment_sync(segment, flush->include_cuts,
                                       detail); /* its indexes are rebuilt after a crash */
        if (status == WEIR_OK && !is_active && !flush->is_closing)
            prove_sealed(log, segment, view->segments[i + 1]->base_offset);
    }
    if (status == WEIR_OK && flush->include_names && !flush->is_closing)
        status = weir_dir_sync(env, log->dir, detail);
    if (status == WEIR_OK && flush->include_dir_name)
        status = weir_dir_sync_parent(env, log->dir, detail);
    return status;
}

void weir_log_update_hold(struct weir_partition_log *log, int64_t appended_from)
{
    int64_t unflushed = log->now.offsets.log_end_offset - log->synced_offset;
    bool is_due = unflushed > 0 && unflushed >= log->config.flush_messages;
    if (appended_from < 0)
        log->hold_offset =
            is_due && log->hold_offset != WEIR_LOG_NO_HOLD ? log->synced_offset : WEIR_LOG_NO_HOLD;
    else if (is_due && log->hold_offset == WEIR_LOG_NO_HOLD)
        log->hold_offset = appended_from;
}

/* The lock is held again, and all that was wanted has been synced. */
static void note_flushed(struct weir_partition_log *log, const struct flush *flush, bool has_synced)
{
    int64_t target = flush->target_offset;
    if (target > log->synced_offset)
        log->synced_offset = target;
    /* The recovery point may not pass a segment that was sealed meanwhile: only its batches were
     * synced. */
    if (weir_log_active(log)->base_offset != flush->active_base && target > flush->active_base)
        target = flush->active_base;
    if (target > log->recovery_point)
        log->recovery_point = target;
    log->has_durable_dir = log->has_durable_dir || has_synced;
    if (flush->include_cuts)
        log->cuts_synced = flush->cuts;
    if (has_synced && !flush->is_closing && flush->names_changed > log->names_synced)
        log->names_synced = flush->names_changed;
    log->flushed_ms = weir_env_monotonic_ms(log->env);
    weir_log_update_hold(log, -1);
}

/* The lock is held on entry and on return.  A truncation waits for this, so the end stays at or
 * above the target. */
static enum weir_status flush_alone(struct weir_partition_log *log, struct flush *flush,
                                    struct weir_detail *detail)
{
    enum weir_status status = begin_flush(log, flush, detail);
    if (status != WEIR_OK)
        return status; /* nothing was synced, nothing is lost */
    bool has_synced = flush->target_offset > flush->from_offset || flush->include_cuts;
    weir_lock_release(&log->lock);
    status = write_missing(log, flush, detail);
    bool is_harmless = status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY || status == WEIR_LIMIT;
    if (status == WEIR_OK && has_synced)
        status = sync_segments(log, flush, detail);
    /* No descriptor to sync with: nothing is lost, and the next flush tries. */
    is_harmless = is_harmless || status == WEIR_LIMIT;
    weir_log_view_unref(flush->view);
    weir_lock_take(&log->lock);
    note_small_files(log, &flush->small);
    if (status == WEIR_OK) {
        note_flushed(log, flush, has_synced);
        return WEIR_OK;
    }
    if (is_harmless)
        return status;
    /* The kernel may have dropped the pages: a second sync would say OK and mean nothing. */
    weir_log_fail_locked(log, detail);
    return WEIR_KAFKA_STORAGE_ERROR;
}

/* One at a time; who waited finds its work done, or does that of all who came with it. */
enum weir_status weir_log_flush(struct weir_partition_log *log, bool include_active,
                                bool is_closing, struct weir_detail *detail)
{
    struct flush flush = {.include_active = include_active, .is_closing = is_closing};
    weir_lock_take(&log->lock);
    flush.wanted_offset =
        include_active ? log->now.offsets.log_end_offset : weir_log_active(log)->base_offset;
    bool has_waited = (log->changing & WEIR_LOG_CHANGE_SYNC) != 0;
    /* A roll under way still writes what belongs to its sealed segment. */
    weir_log_await_change(log, WEIR_LOG_CHANGE_SYNC | WEIR_LOG_CHANGE_ROLL);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_SYNC);
    enum weir_status status = weir_log_check_open(log, detail);
    bool is_done =
        has_waited && log->recovery_point >= flush.wanted_offset && log->cuts_synced == log->cuts;
    if (status == WEIR_OK && !is_done)
        status = flush_alone(log, &flush, detail);
    weir_log_end_change(log, WEIR_LOG_CHANGE_SYNC);
    weir_lock_release(&log->lock);
    return status;
}

enum weir_status weir_partition_log_flush(struct weir_partition_log *log, bool include_active,
                                          struct weir_detail *detail)
{
    return weir_log_flush(log, include_active, false, detail);
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
    int64_t unflushed = log->now.offsets.log_end_offset - log->synced_offset;
    bool is_due_by_time = log->config.flush_ms != INT64_MAX &&
                          weir_env_monotonic_ms(log->env) - log->flushed_ms >= log->config.flush_ms;
    bool is_due = unflushed > 0 && (unflushed >= log->config.flush_messages || is_due_by_time);
    weir_lock_release(&log->lock);
    return is_due;
}

bool weir_partition_log_awaits_flush(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    bool awaits = log->hold_offset != WEIR_LOG_NO_HOLD;
    weir_lock_release(&log->lock);
    return awaits;
}

int64_t weir_partition_log_synced_offset(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    int64_t synced_offset = log->synced_offset;
    weir_lock_release(&log->lock);
    return synced_offset;
}

/* --- Deletion. --- */

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
    weir_log_begin_change(log, WEIR_LOG_CHANGE_ALL);
    weir_lock_release(&log->lock);
    const char *slash = strrchr(log->dir, '/');
    int parent_bytes = slash == NULL ? 0 : (int)(slash - log->dir) + 1;
    (void)snprintf(path, sizeof(path), "%.*s%s", parent_bytes, log->dir, name);
    char *dir = weir_strdup(path);
    for (size_t i = 0; i < log->now.view->count; i++)
        weir_segment_detach(log->now.view->segments[i], false);
    enum weir_status status =
        dir == NULL ? WEIR_NO_MEMORY : weir_path_rename(log->env, log->dir, path, detail);
    weir_lock_take(&log->lock);
    if (status == WEIR_OK) {
        weir_free(log->dir);
        log->dir = dir;
        dir = NULL;
        log->state = LOG_DELETED;
    } else {
        for (size_t i = 0; i < log->now.view->count; i++)
            weir_segment_attach(log->now.view->segments[i]);
    }
    weir_log_end_change(log, WEIR_LOG_CHANGE_ALL);
    weir_log_allow_cleaning(log);
    weir_lock_release(&log->lock);
    weir_free(dir);
    return status;
}
