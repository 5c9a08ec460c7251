/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The end of a move to another directory: a log that was copied ("-future") takes the place of the
 * one it was copied from.
 *
 * H1  What can fail comes first; from the moment the old log is closed nothing fails, so there is
 * never a partition with two logs that are open, or with none.
 */

#include "log_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>

static void free_paths(char **paths, size_t count)
{
    for (size_t i = 0; paths != NULL && i < count; i++)
        weir_free(paths[i]);
    weir_free(paths);
}

/* The paths of the segments below another directory; NULL without memory. */
static char **paths_below(const struct log_view *view, const char *dir)
{
    char **paths = weir_calloc(view->count, sizeof(paths[0]));
    for (size_t i = 0; paths != NULL && i < view->count; i++) {
        char path[WEIR_SEGMENT_PATH_BYTES];
        weir_offset_file_path(dir, view->segments[i]->base_offset, "", path);
        paths[i] = weir_strdup(path);
        if (paths[i] == NULL) {
            free_paths(paths, i);
            return NULL;
        }
    }
    return paths;
}

/* The log's lock and all its parts are held. */
static void take_paths(struct weir_partition_log *log, char **io_paths, char **io_dir)
{
    struct log_view *view = log->now.view;
    for (size_t i = 0; i < view->count; i++) {
        char *before = view->segments[i]->path;
        view->segments[i]->path = io_paths[i];
        io_paths[i] = before;
    }
    char *before = log->dir;
    log->dir = *io_dir;
    *io_dir = before;
    log->has_durable_dir = false;
}

enum weir_status weir_partition_log_rename_unused(struct weir_partition_log *log, const char *dir,
                                                  struct weir_detail *detail)
{
    char *copy = weir_strdup(dir);
    weir_lock_take(&log->lock);
    weir_log_stop_cleaning(log);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_ALL);
    size_t count = log->now.view->count; /* stays so: all parts are held */
    char **paths = paths_below(log->now.view, dir);
    enum weir_status status = weir_log_check_open(log, detail);
    weir_lock_release(&log->lock);
    if (status == WEIR_OK)
        status = paths == NULL || copy == NULL ? WEIR_NO_MEMORY
                                               : weir_path_rename(log->env, log->dir, dir, detail);
    weir_lock_take(&log->lock);
    if (status == WEIR_OK)
        take_paths(log, paths, &copy);
    weir_log_end_change(log, WEIR_LOG_CHANGE_ALL);
    weir_log_allow_cleaning(log);
    weir_lock_release(&log->lock);
    free_paths(paths, count);
    weir_free(copy);
    return status;
}

/* What the old log gives. */
struct legacy {
    struct weir_epoch_entry *epochs;
    size_t epoch_count;
    struct weir_producer_state *producers;
    struct weir_partition_log_offsets offsets;
    struct weir_log_config config;
    bool awaits_flush;
    int64_t recovery_point;
};

static enum weir_status copy_epochs(struct weir_partition_log *from, struct legacy *legacy,
                                    size_t *capacity)
{
    struct weir_epoch_entry *epochs =
        weir_grow(legacy->epochs, capacity, from->epochs.count + 1, sizeof(epochs[0]));
    if (epochs == NULL)
        return WEIR_NO_MEMORY;
    legacy->epochs = epochs;
    if (from->epochs.count > 0)
        memcpy(epochs, from->epochs.items, from->epochs.count * sizeof(epochs[0]));
    legacy->epoch_count = from->epochs.count;
    return WEIR_OK;
}

/* Closes the old log and takes what it knows.  take_spare becomes its producer state. */
static enum weir_status close_old(struct weir_partition_log *from, int64_t end_offset,
                                  struct weir_producer_state *spare, struct legacy *legacy,
                                  struct weir_detail *detail)
{
    size_t capacity = 0;
    weir_lock_take(&from->lock);
    enum weir_status status = weir_log_check_open(from, detail);
    if (status == WEIR_OK && from->now.offsets.log_end_offset != end_offset)
        status = WEIR_BUSY;
    if (status == WEIR_OK)
        status = copy_epochs(from, legacy, &capacity);
    if (status == WEIR_OK) {
        legacy->offsets = from->now.offsets;
        legacy->config = from->config;
        legacy->awaits_flush = from->hold_offset != WEIR_LOG_NO_HOLD;
        legacy->recovery_point = from->recovery_point;
        legacy->producers = from->producers;
        from->producers = spare;
        from->state = LOG_CLOSED;
    }
    weir_lock_release(&from->lock);
    return status;
}

static void open_new(struct weir_partition_log *to, struct legacy *legacy)
{
    weir_lock_take(&to->lock);
    struct weir_producer_state *copied = to->producers;
    to->producers = legacy->producers; /* knows more than what can be read off the batches */
    legacy->producers = copied;
    to->config = legacy->config;
    /* Power loss may bring the old directory back until the next flush has made the names durable:
     * more than what is durable there is not promised before. */
    if (to->recovery_point > legacy->recovery_point)
        to->recovery_point = legacy->recovery_point;
    for (size_t i = 0; i < legacy->epoch_count; i++) {
        /* The copied batches brought all epochs that have any; there is room for the others. */
        if (legacy->epochs[i].epoch <= weir_epoch_cache_latest(&to->epochs))
            continue;
        enum weir_status status = weir_epoch_cache_assign(&to->epochs, legacy->epochs[i].epoch,
                                                          legacy->epochs[i].start_offset);
        WEIR_ASSERT(status == WEIR_OK);
    }
    weir_log_publish_limits(to, legacy->offsets.log_start_offset, legacy->offsets.high_watermark);
    if (legacy->awaits_flush) /* whoever was to flush the old one flushes this one */
        to->hold_offset = to->now.offsets.high_watermark;
    weir_epoch_cache_truncate_from_start(&to->epochs, legacy->offsets.log_start_offset);
    weir_lock_release(&to->lock);
}

/* Room for all epochs of both. */
static enum weir_status reserve_epochs(struct weir_partition_log *from,
                                       struct weir_partition_log *to)
{
    weir_lock_take(&from->lock);
    size_t count = from->epochs.count;
    weir_lock_release(&from->lock);
    weir_lock_take(&to->lock);
    struct weir_epoch_entry *items =
        weir_grow(to->epochs.items, &to->epochs.capacity, to->epochs.count + count + 1,
                  sizeof(to->epochs.items[0]));
    if (items != NULL)
        to->epochs.items = items;
    weir_lock_release(&to->lock);
    return items == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

enum weir_status weir_partition_log_hand_over(struct weir_partition_log *from,
                                              struct weir_partition_log *to,
                                              struct weir_detail *detail)
{
    struct legacy legacy = {0};
    struct weir_producer_state *spare = NULL;
    enum weir_status status = weir_producer_state_new(&spare);
    if (status == WEIR_OK)
        status = reserve_epochs(from, to);
    if (status == WEIR_OK)
        status = close_old(from, weir_partition_log_end_offset(to), spare, &legacy, detail);
    if (status == WEIR_OK) {
        spare = NULL;
        open_new(to, &legacy); /* H1 */
    }
    weir_producer_state_free(legacy.producers);
    weir_producer_state_free(spare);
    weir_free(legacy.epochs);
    return status;
}

enum weir_status weir_partition_log_snapshot_now(struct weir_partition_log *log,
                                                 struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_file *file = NULL;
    weir_lock_take(&log->lock);
    weir_log_await_change(log,
                          WEIR_LOG_CHANGE_ROLL); /* a roll writes the file of this offset too */
    int64_t offset = log->now.offsets.log_end_offset;
    weir_offset_file_path(log->dir, offset, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK)
        status = weir_log_write_snapshot(log, offset, false, detail);
    weir_lock_release(&log->lock);
    if (status == WEIR_OK)
        status = weir_file_open(log->env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE, &file, detail);
    if (status == WEIR_NOT_FOUND)
        return WEIR_OK; /* a newer one has taken its place */
    if (status == WEIR_OK)
        status = weir_file_sync(log->env, file, true, detail);
    weir_file_close(log->env, file);
    return status;
}
