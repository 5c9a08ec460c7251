/* SPDX-License-Identifier: Apache-2.0 */

/* Segments at the front that go, as in Apache Kafka: those before the log start offset, then what
 * is above retention.bytes, then what is older than retention.ms. */

#include "log_int.h"

#include "weir/base/memory.h"

#include <stdio.h>

/* --- Giving segments up. --- */

static const char *const segment_suffixes[] = {
    WEIR_SEGMENT_SUFFIX_LOG, WEIR_SEGMENT_SUFFIX_INDEX, WEIR_SEGMENT_SUFFIX_TIME_INDEX,
    WEIR_SEGMENT_SUFFIX_TXN_INDEX, WEIR_SEGMENT_SUFFIX_SNAPSHOT};

int64_t weir_log_delete_due_ms(const struct weir_partition_log *log)
{
    return weir_env_monotonic_ms(log->env) + log->config.file_delete_delay_ms;
}

/* The .log goes first: an index without a log is removed at the next start, a log without one is
 * scanned. */
enum weir_status weir_log_discard_segment(struct weir_partition_log *log,
                                          struct weir_segment *segment, int64_t due_ms,
                                          struct weir_detail *detail)
{
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
    weir_detail_set(detail, "%s", "");
    return WEIR_OK;
}

void weir_log_note_discarded(struct weir_partition_log *log, const struct weir_segment *segment)
{
    log->names_changed++;
    if (segment->base_offset == log->snapshot_offset)
        log->snapshot_offset = -1;
}

/* --- Retention. --- */

static int64_t modified_ms(struct weir_partition_log *log, const struct weir_segment *segment)
{
    struct weir_file_info info;
    char path[WEIR_SEGMENT_PATH_BYTES];
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_LOG, path);
    return weir_path_info(log->env, path, &info, NULL) == WEIR_OK ? info.modified_ms : INT64_MAX;
}

/* For segments without timestamps, or with some that cannot be read, the time of the last write
 * stands in. */
static int64_t largest_timestamp(struct weir_partition_log *log, struct weir_segment *segment)
{
    int64_t known_ms = segment->max_timestamp;
    if (known_ms >= 0 && !weir_segment_has_damage(segment))
        return known_ms;
    int64_t written_ms = modified_ms(log, segment);
    return written_ms > known_ms ? written_ms : known_ms;
}

/* An index that lost its last entries makes a segment older than it is, so what it says is
 * verified before anything goes. */
static bool is_older_than(struct weir_partition_log *log, struct weir_segment *segment,
                          int64_t least_ms)
{
    return largest_timestamp(log, segment) < least_ms &&
           weir_log_verify_times(log, segment, weir_segment_size(segment), NULL) == WEIR_OK &&
           largest_timestamp(log, segment) < least_ms;
}

/* What retention looks at, taken under the lock; SEALED keeps it true where it matters. */
struct retention {
    struct log_view *view; /* a reference */
    struct weir_partition_log_offsets offsets;
    struct weir_log_config config;
    uint64_t active_bytes;
};

static void look(struct weir_partition_log *log, struct retention *out)
{
    out->view = log->now.view;
    atomic_fetch_add_explicit(&out->view->refs, 1, memory_order_relaxed);
    out->offsets = log->now.offsets;
    out->config = log->config;
    out->active_bytes = weir_segment_size(weir_log_active(log));
}

/* How many segments at the front may go, each with the offset behind it below the high watermark.
 * The active segment may be among them unless it is empty.  Asks for files' times; no lock. */
static size_t count_expired(struct weir_partition_log *log, const struct retention *retention)
{
    const struct log_view *view = retention->view;
    const struct weir_log_config *config = &retention->config;
    const struct weir_partition_log_offsets *offsets = &retention->offsets;
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
                          is_older_than(log, segment, now_ms - config->retention_ms);
        if (!is_before_start && !is_too_much && !is_too_old)
            break;
        excess -= size;
    }
    return count;
}

/* Readers first.  The lock is held; *out_dropped is a view with the segments that go at its front,
 * as a reference. */
static enum weir_status drop_front(struct weir_partition_log *log, size_t count,
                                   struct log_view **out_dropped)
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
    *out_dropped = before;
    return WEIR_OK;
}

/* The lock and SEALED are held; released and taken on the way. */
static enum weir_status discard_front(struct weir_partition_log *log, size_t count,
                                      struct weir_log_retention_result *out,
                                      struct weir_detail *detail)
{
    struct log_view *dropped = NULL;
    enum weir_status status = drop_front(log, count, &dropped);
    if (status != WEIR_OK)
        return status;
    int64_t due_ms = weir_log_delete_due_ms(log);
    size_t gone = 0;
    weir_lock_release(&log->lock);
    for (; gone < count && status == WEIR_OK; gone++) {
        out->deleted_segments++;
        out->deleted_bytes += weir_segment_size(dropped->segments[gone]);
        status = weir_log_discard_segment(log, dropped->segments[gone], due_ms, detail);
    }
    weir_lock_take(&log->lock);
    for (size_t i = 0; i < gone; i++)
        weir_log_note_discarded(log, dropped->segments[i]);
    weir_log_view_unref(dropped);
    return status;
}

/* The lock and SEALED are held; released and taken on the way. */
static enum weir_status retain(struct weir_partition_log *log,
                               struct weir_log_retention_result *out, struct weir_detail *detail)
{
    struct retention retention;
    look(log, &retention);
    weir_lock_release(&log->lock);
    size_t expired = count_expired(log, &retention);
    weir_lock_take(&log->lock);
    size_t seen = retention.view->count;
    weir_log_view_unref(retention.view);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status != WEIR_OK || expired == 0)
        return status;
    if (expired == seen) {
        /* I1: something must remain. */
        if (log->now.offsets.log_end_offset == retention.offsets.log_end_offset)
            status = weir_log_roll_locked(log, detail);
        /* What was appended meanwhile was not judged, and saves its segment until the next time. */
        const struct log_view *view = log->now.view;
        if (expired == view->count ||
            weir_segment_size(view->segments[expired - 1]) != retention.active_bytes)
            expired--;
    }
    return status == WEIR_OK && expired > 0 ? discard_front(log, expired, out, detail) : status;
}

enum weir_status weir_partition_log_retain(struct weir_partition_log *log,
                                           struct weir_log_retention_result *out,
                                           struct weir_detail *detail)
{
    struct weir_log_retention_result result = {0};
    weir_lock_take(&log->lock);
    weir_log_begin_change(log, WEIR_LOG_CHANGE_SEALED);
    enum weir_status status = weir_log_check_open(log, detail);
    /* What is being cleaned waits for the next pass; the cleaner asks for one when it is done. */
    if (status == WEIR_OK && !log->is_being_cleaned)
        status = retain(log, &result, detail);
    if (status == WEIR_IO_ERROR) {
        weir_log_fail_locked(log, detail);
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    result.log_start_offset = log->now.offsets.log_start_offset;
    weir_log_end_change(log, WEIR_LOG_CHANGE_SEALED);
    weir_lock_release(&log->lock);
    *out = result;
    return status;
}
