/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A cleaned segment takes the place of those it was made from.  In the directory, each line durable
 * before the next one begins (the directory is synced between them):
 *
 *   <base>.*.cleaned    written and synced                      a start removes them
 *   <base>.*.swap       the output is whole                     a start goes on with the next lines
 *   <old>.*.deleted     what it replaces
 *   <base>.*            its own name
 *
 * The renames are made without the log's lock, for they block: nobody else renames, opens or
 * removes files of sealed segments while the log is being cleaned (weir_log_stop_cleaning), and
 * readers of the old segments have file and indexes kept open for them.  Only the new view is
 * published under the lock.
 *
 * A rename that fails is taken back with all before it, in reverse order.  When that fails too, or
 * a sync of the directory, nobody knows what a crash would leave: the log fails.
 */

#include "clean_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdio.h>

struct swap_rename {
    char *from;
    char *to;
};

struct swap {
    struct clean_round *round;
    struct weir_segment *cleaned;
    struct weir_segment *const *replaced;
    size_t count;
    struct swap_rename *renames; /* made so far */
    size_t rename_count;
    size_t rename_capacity;
    bool is_lost; /* the directory is in a state that was not asked for */
};

enum weir_status weir_clean_remove(struct weir_partition_log *log,
                                   const struct weir_segment *segment, struct weir_detail *detail)
{
    enum weir_status first = WEIR_OK;
    for (size_t i = 0; i < WEIR_CLEAN_SUFFIX_COUNT; i++) {
        char path[WEIR_SEGMENT_PATH_BYTES];
        (void)snprintf(path, sizeof(path), "%s%s.cleaned", segment->path, weir_clean_suffix(i));
        enum weir_status status = weir_path_remove(log->env, path, detail);
        if (status != WEIR_OK && status != WEIR_NOT_FOUND && first == WEIR_OK)
            first = status;
    }
    return first;
}

static enum weir_status sync_names(struct swap *swap, struct weir_detail *detail)
{
    struct weir_partition_log *log = swap->round->log;
    enum weir_status status = weir_dir_sync(log->env, log->dir, detail);
    swap->is_lost = swap->is_lost || status != WEIR_OK;
    return status;
}

/* NOT_FOUND is fine: not every segment has every file. */
static enum weir_status rename_file(struct swap *swap, const struct weir_segment *segment,
                                    const char *suffix, const char *from, const char *to,
                                    struct weir_detail *detail)
{
    char from_path[WEIR_SEGMENT_PATH_BYTES];
    char to_path[WEIR_SEGMENT_PATH_BYTES];
    struct swap_rename *renames =
        weir_grow(swap->renames, &swap->rename_capacity, swap->rename_count + 1, sizeof(*renames));
    if (renames == NULL)
        return WEIR_NO_MEMORY;
    swap->renames = renames;
    (void)snprintf(from_path, sizeof(from_path), "%s%s%s", segment->path, suffix, from);
    (void)snprintf(to_path, sizeof(to_path), "%s%s%s", segment->path, suffix, to);
    struct swap_rename rename = {.from = weir_strdup(from_path), .to = weir_strdup(to_path)};
    enum weir_status status = rename.from == NULL || rename.to == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = weir_path_rename(segment->env, from_path, to_path, detail);
    if (status != WEIR_OK) {
        weir_free(rename.from);
        weir_free(rename.to);
        return status == WEIR_NOT_FOUND ? WEIR_OK : status;
    }
    renames[swap->rename_count++] = rename;
    return WEIR_OK;
}

static enum weir_status rename_segment(struct swap *swap, const struct weir_segment *segment,
                                       const char *from, const char *to, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < WEIR_CLEAN_SUFFIX_COUNT && status == WEIR_OK; i++)
        status = rename_file(swap, segment, weir_clean_suffix(i), from, to, detail);
    return status;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t text_bytes = strlen(text);
    size_t suffix_bytes = strlen(suffix);
    return text_bytes >= suffix_bytes && strcmp(text + text_bytes - suffix_bytes, suffix) == 0;
}

static void take_back(struct swap *swap)
{
    struct weir_partition_log *log = swap->round->log;
    bool is_synced = true;
    for (size_t i = swap->rename_count; i > 0 && !swap->is_lost; i--) {
        const struct swap_rename *rename = &swap->renames[i - 1];
        /* Until the old ones have their names for good, a start has to find the new one. */
        if (!is_synced && ends_with(rename->from, ".cleaned")) {
            swap->is_lost = weir_dir_sync(log->env, log->dir, NULL) != WEIR_OK;
            is_synced = true;
        }
        if (!swap->is_lost)
            swap->is_lost = weir_path_rename(log->env, rename->to, rename->from, NULL) != WEIR_OK;
        is_synced = is_synced && ends_with(rename->from, ".cleaned");
    }
}

static enum weir_status rename_all(struct swap *swap, struct weir_detail *detail)
{
    enum weir_status status = rename_segment(swap, swap->cleaned, ".cleaned", ".swap", detail);
    if (status == WEIR_OK)
        status = sync_names(swap, detail);
    for (size_t i = swap->count; i > 0 && status == WEIR_OK; i--)
        status = rename_segment(swap, swap->replaced[i - 1], "", ".deleted", detail);
    if (status == WEIR_OK)
        status = sync_names(swap, detail);
    if (status == WEIR_OK)
        status = rename_segment(swap, swap->cleaned, ".swap", "", detail);
    return status == WEIR_OK ? sync_names(swap, detail) : status;
}

/* Readers of an older view keep what they need of the old segments in memory and open. */
static enum weir_status hold_replaced(struct swap *swap, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < swap->count && status == WEIR_OK; i++) {
        weir_segment_set_sealed(swap->replaced[i], false);
        status = weir_segment_load_indexes(swap->replaced[i], detail);
        if (status == WEIR_OK)
            weir_segment_detach(swap->replaced[i], true);
    }
    return status;
}

static void release_replaced(struct swap *swap)
{
    for (size_t i = 0; i < swap->count; i++) {
        weir_segment_attach(swap->replaced[i]);
        weir_segment_set_sealed(swap->replaced[i], true);
    }
}

/* The view as it is now, since the log may have rolled. */
static struct log_view *new_view(const struct swap *swap, const struct log_view *before)
{
    size_t at = 0;
    struct weir_segment **segments = weir_calloc(before->count, sizeof(struct weir_segment *));
    if (segments == NULL)
        return NULL;
    while (at < before->count && before->segments[at] != swap->replaced[0])
        at++;
    WEIR_ASSERT(at + swap->count < before->count); /* nobody else takes sealed segments away */
    size_t behind = before->count - at - swap->count;
    memcpy(segments, before->segments, at * sizeof(segments[0]));
    segments[at] = swap->cleaned;
    memcpy(segments + at + 1, before->segments + at + swap->count, behind * sizeof(segments[0]));
    struct log_view *view = weir_log_view_new(segments, at + 1 + behind);
    weir_free(segments);
    return view;
}

/* What was renamed to .deleted goes a while later. */
static void discard(struct weir_partition_log *log, const char *path)
{
    int64_t due_ms = weir_env_monotonic_ms(log->env) + log->config.file_delete_delay_ms;
    enum weir_status status = log->reaper == NULL
                                  ? weir_path_remove(log->env, path, NULL)
                                  : weir_file_reaper_add(log->reaper, path, false, due_ms);
    (void)status; /* the next start removes it */
}

/* Producer snapshots of bases that are none any more, and the old files. */
static void discard_replaced(struct swap *swap)
{
    struct weir_partition_log *log = swap->round->log;
    weir_lock_take(&log->lock);
    int64_t newest = log->snapshot_offset;
    weir_lock_release(&log->lock);
    for (size_t i = 1; i < swap->count; i++) {
        if (swap->replaced[i]->base_offset == newest)
            continue;
        char path[WEIR_SEGMENT_PATH_BYTES];
        weir_segment_file_path(swap->replaced[i], WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
        enum weir_status status = weir_path_remove(log->env, path, NULL);
        (void)status; /* the next start removes it, or it is not there */
    }
    for (size_t i = 0; i < swap->rename_count; i++) {
        if (ends_with(swap->renames[i].to, ".deleted"))
            discard(log, swap->renames[i].to);
    }
}

static enum weir_status publish(struct swap *swap, struct weir_detail *detail)
{
    struct weir_partition_log *log = swap->round->log;
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_check_open(log, detail);
    struct log_view *view = status == WEIR_OK ? new_view(swap, log->now.view) : NULL;
    if (view != NULL) {
        weir_log_publish_view(log, view);
        /* Where the high watermark lies is forgotten with a view; it is still there. */
        weir_log_publish_limits(log, log->now.offsets.log_start_offset,
                                log->now.offsets.high_watermark);
    }
    weir_lock_release(&log->lock);
    return status == WEIR_OK && view == NULL ? WEIR_NO_MEMORY : status;
}

static enum weir_status give_up(struct swap *swap, enum weir_status why, struct weir_detail *detail)
{
    struct weir_partition_log *log = swap->round->log;
    take_back(swap);
    if (!swap->is_lost) {
        release_replaced(swap);
        return why;
    }
    weir_detail_prefix(detail, "a compaction could neither be finished nor taken back");
    weir_lock_take(&log->lock);
    weir_log_fail_locked(log, detail);
    weir_lock_release(&log->lock);
    return WEIR_KAFKA_STORAGE_ERROR;
}

enum weir_status weir_clean_swap(struct clean_round *round, struct weir_segment *cleaned,
                                 struct weir_segment *const *replaced, size_t count,
                                 struct weir_detail *detail)
{
    struct weir_partition_log *log = round->log;
    struct swap swap = {.round = round, .cleaned = cleaned, .replaced = replaced, .count = count};
    enum weir_status status = hold_replaced(&swap, detail);
    if (status == WEIR_OK)
        status = rename_all(&swap, detail);
    if (status == WEIR_OK) {
        weir_segment_use_cache(cleaned, log->cache);
        weir_segment_set_sealed(cleaned, true);
        status = publish(&swap, detail);
    }
    if (status == WEIR_OK)
        discard_replaced(&swap);
    else
        status = give_up(&swap, status, detail);
    for (size_t i = 0; i < swap.rename_count; i++) {
        weir_free(swap.renames[i].from);
        weir_free(swap.renames[i].to);
    }
    weir_free(swap.renames);
    return status;
}
