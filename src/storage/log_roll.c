/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Rolling: sealing the active segment and beginning the next one.
 *
 * L1  the next segment's .log is made before anything is published, so that a roll that fails
 *     changes nothing: the log goes on in its old segment.
 * L2  no batch is appended between the choice of the base offset and the publishing: the file would
 *     otherwise, after a crash, hide what was appended behind its name.  Appends are refused or
 *     wait; where some cannot (LATER), this one file is made with the lock held, and nothing else.
 * L3  once published, the old segment does not change; its indexes and the producer snapshot are
 *     written without the lock.  A crash before leaves them to recovery, for the recovery point
 * went back to the old segment's base.  When there is no space for them they stay in memory, and
 * the next flush writes them.
 */

#include "log_int.h"

#include "weir/base/memory.h"

bool weir_log_is_roll_due(struct weir_partition_log *log, int64_t last_offset,
                          int64_t max_timestamp, size_t bytes)
{
    const struct weir_log_config *config = &log->config;
    struct weir_segment *active = weir_log_active(log);
    uint64_t size = weir_segment_size(active);
    if (last_offset - active->base_offset > INT32_MAX)
        return true;
    if (size == 0)
        return false;
    if (size + bytes > (uint64_t)config->segment_bytes)
        return true;
    int64_t age_ms = active->first_timestamp >= 0 ? max_timestamp - active->first_timestamp
                                                  : weir_env_wall_ms(log->env) - active->created_ms;
    /* What is to be compacted has to leave the active segment in time. */
    int64_t age_ms_max = config->segment_ms;
    if (config->cleanup_compact && config->max_compaction_lag_ms > 0 &&
        config->max_compaction_lag_ms < age_ms_max)
        age_ms_max = config->max_compaction_lag_ms;
    if (age_ms > age_ms_max - active->roll_jitter_ms)
        return true;
    weir_lock_take(&active->lock);
    size_t offset_entries = active->offset_index.count;
    size_t time_entries = active->time_index.count;
    weir_lock_release(&active->lock);
    size_t index_bytes = config->segment_index_bytes > 0 ? (size_t)config->segment_index_bytes : 0;
    return offset_entries >= index_bytes / WEIR_OFFSET_INDEX_ENTRY_BYTES ||
           time_entries + 1 >= index_bytes / WEIR_TIME_INDEX_ENTRY_BYTES;
}

/* Publishes a view with one more segment. */
static enum weir_status add_segment(struct weir_partition_log *log, struct weir_segment *segment)
{
    const struct log_view *before = log->now.view;
    struct weir_segment **segments = weir_calloc(before->count + 1, sizeof(struct weir_segment *));
    if (segments == NULL)
        return WEIR_NO_MEMORY;
    memcpy(segments, before->segments, before->count * sizeof(struct weir_segment *));
    segments[before->count] = segment;
    struct log_view *view = weir_log_view_new(segments, before->count + 1);
    weir_free(segments);
    if (view == NULL)
        return WEIR_NO_MEMORY;
    weir_log_publish_view(log, view);
    return WEIR_OK;
}

/* The log goes on in its old segment: an empty file with the new one's name would, at the next
 * start, hide what is appended there from now on.  The lock is held. */
static enum weir_status take_back_segment(struct weir_partition_log *log, int64_t base_offset,
                                          enum weir_status why, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    log->names_changed++; /* that it is gone must be durable with what is appended now */
    weir_offset_file_path(log->dir, base_offset, WEIR_SEGMENT_SUFFIX_LOG, path);
    enum weir_status status = weir_path_remove(log->env, path, NULL);
    if (status == WEIR_OK || status == WEIR_NOT_FOUND)
        return why;
    weir_detail_prefix(detail, "a failed roll could not be taken back");
    weir_log_fail_locked(log, detail);
    return WEIR_KAFKA_STORAGE_ERROR;
}

/* What is done once the new segment is the active one. */
struct sealing {
    struct weir_segment *sealed;
    struct weir_segment *active;
    struct weir_buf snapshot; /* the producers at the active one's base */
    int64_t snapshot_offset;  /* -1: there is one already */
};

/* The new segment in place of the old one.  Nothing that can fail comes after the view. */
static enum weir_status publish(struct weir_partition_log *log, struct sealing *sealing)
{
    int64_t base_offset = sealing->active->base_offset;
    sealing->snapshot_offset = log->snapshot_offset == base_offset ? -1 : base_offset;
    enum weir_status status = WEIR_OK;
    if (sealing->snapshot_offset >= 0)
        status = weir_producer_state_encode(log->producers, &sealing->snapshot);
    if (status == WEIR_OK)
        status = add_segment(log, sealing->active);
    if (status != WEIR_OK)
        return status;
    log->names_changed++;
    sealing->active->roll_jitter_ms = weir_log_jitter(log->env, &log->config);
    weir_segment_add_final_time_entry(sealing->sealed);
    weir_segment_set_sealed(sealing->sealed, true);
    /* The batches may be durable already, but the sealed segment's indexes are not before the next
     * flush. */
    if (log->recovery_point > sealing->sealed->base_offset)
        log->recovery_point = sealing->sealed->base_offset;
    return WEIR_OK;
}

/* L1, L2. */
static enum weir_status begin_segment(struct weir_partition_log *log, struct sealing *sealing,
                                      struct weir_detail *detail)
{
    int64_t base_offset = log->now.offsets.log_end_offset;
    bool keeps_lock = log->has_later_appends;
    log->is_making_segment = true;
    if (!keeps_lock)
        weir_lock_release(&log->lock);
    enum weir_status status =
        weir_segment_open(log->env, log->dir, base_offset, true, &sealing->active, detail);
    if (!keeps_lock)
        weir_lock_take(&log->lock);
    log->is_making_segment = false;
    if (status == WEIR_OK)
        status = weir_log_check_open(log, detail); /* its directory may have failed meanwhile */
    if (status == WEIR_OK)
        weir_segment_use_cache(sealing->active, log->cache);
    if (status == WEIR_OK)
        status = publish(log, sealing);
    return status == WEIR_OK ? WEIR_OK : take_back_segment(log, base_offset, status, detail);
}

/* L3, without the lock. */
static enum weir_status finish_sealed(struct weir_partition_log *log, const struct sealing *sealing,
                                      struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    weir_segment_release_reserve(sealing->sealed);
    enum weir_status status = weir_segment_write_indexes(sealing->sealed, false, detail);
    /* Apache Kafka takes a missing .index for damage, so an empty one is made at once. */
    if (status == WEIR_OK)
        status = weir_segment_write_indexes(sealing->active, false, detail);
    if (status != WEIR_OK || sealing->snapshot_offset < 0)
        return status;
    weir_offset_file_path(log->dir, sealing->snapshot_offset, WEIR_SEGMENT_SUFFIX_SNAPSHOT, path);
    return weir_producer_state_write_bytes(log->env, path, weir_buf_slice(&sealing->snapshot),
                                           false, detail);
}

static enum weir_status roll(struct weir_partition_log *log, struct weir_detail *detail)
{
    struct sealing sealing = {.sealed = weir_segment_ref(weir_log_active(log)),
                              .snapshot_offset = -1};
    struct weir_detail why = {{0}};
    enum weir_status status = begin_segment(log, &sealing, detail);
    bool has_begun = status == WEIR_OK;
    if (has_begun) {
        weir_lock_release(&log->lock);
        status = finish_sealed(log, &sealing, &why);
        weir_lock_take(&log->lock);
        log->names_changed++;
    }
    if (has_begun && status == WEIR_OK && sealing.snapshot_offset >= 0) {
        log->snapshot_offset = sealing.snapshot_offset;
        log->snapshot_is_unsynced = true;
    }
    if (has_begun && (status == WEIR_NO_SPACE || status == WEIR_NO_MEMORY || status == WEIR_LIMIT))
        status = WEIR_OK; /* L3 */
    else if (has_begun && status != WEIR_OK)
        weir_detail_set(detail, "%s", why.text);
    weir_buf_done(&sealing.snapshot);
    weir_segment_unref(sealing.active);
    weir_segment_unref(sealing.sealed);
    return status;
}

enum weir_status weir_log_roll_locked(struct weir_partition_log *log, struct weir_detail *detail)
{
    weir_log_begin_change(log, WEIR_LOG_CHANGE_ROLL);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK && log->now.offsets.log_end_offset != weir_log_active(log)->base_offset)
        status = roll(log, detail);
    log->roll_wanted_base = -1;
    if (status == WEIR_LIMIT)
        status = WEIR_KAFKA_STORAGE_ERROR; /* no descriptor was free */
    if (status == WEIR_IO_ERROR) {
        weir_log_fail_locked(log, detail);
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    weir_log_end_change(log, WEIR_LOG_CHANGE_ROLL);
    return status;
}

enum weir_status weir_partition_log_roll(struct weir_partition_log *log, struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_roll_locked(log, detail);
    weir_lock_release(&log->lock);
    return status;
}
