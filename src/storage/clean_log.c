/* SPDX-License-Identifier: Apache-2.0 */

/* What may be cleaned of a log, and a round over it. */

#include "clean_int.h"

#include "weir/base/memory.h"

#include <stdlib.h>

struct weir_log_clean_options weir_log_clean_options_default(void)
{
    return (struct weir_log_clean_options){.cleaned_to = -1,
                                           .map_bytes = (uint64_t)128 << 20,
                                           .map_load_factor = 0.9,
                                           .buffer_bytes = 256 << 10};
}

/* --- What may be cleaned. --- */

/* A look at the log, after which nothing of it is locked. */
struct look {
    struct weir_partition_log *log;
    struct log_view *view;
    struct weir_log_config config;
    int64_t log_start;
    int64_t log_end;
    int64_t last_stable;
    int64_t cleaned_to;
    int64_t end_limit;       /* nothing behind it is looked at */
    int64_t *max_timestamps; /* of the segments */
    int64_t now_ms;
};

static enum weir_status look_init(struct look *look, struct weir_partition_log *log,
                                  int64_t cleaned_to, bool is_flushed_only,
                                  struct weir_detail *detail)
{
    *look =
        (struct look){.log = log, .cleaned_to = cleaned_to, .now_ms = weir_env_wall_ms(log->env)};
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_check_open(log, detail);
    size_t count = log->now.view->count;
    if (status == WEIR_OK) {
        look->max_timestamps = weir_calloc(count, sizeof(look->max_timestamps[0]));
        status = look->max_timestamps == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    }
    if (status == WEIR_OK) {
        look->view = log->now.view;
        atomic_fetch_add_explicit(&look->view->refs, 1, memory_order_relaxed);
        look->config = log->config;
        look->log_start = log->now.offsets.log_start_offset;
        look->log_end = log->now.offsets.log_end_offset;
        look->last_stable = log->now.offsets.last_stable_offset;
        look->end_limit = is_flushed_only ? log->recovery_point : INT64_MAX;
        for (size_t i = 0; i < count; i++)
            look->max_timestamps[i] = look->view->segments[i]->max_timestamp;
    }
    weir_lock_release(&log->lock);
    return status;
}

static void look_done(struct look *look)
{
    weir_log_view_unref(look->view);
    weir_free(look->max_timestamps);
}

/* For segments without timestamps the time of the last write stands in. */
static enum weir_status modified_ms(struct weir_segment *segment, int64_t *out,
                                    struct weir_detail *detail)
{
    struct weir_file_info info;
    char path[WEIR_SEGMENT_PATH_BYTES];
    weir_segment_file_path(segment, WEIR_SEGMENT_SUFFIX_LOG, path);
    enum weir_status status = weir_path_info(segment->env, path, &info, detail);
    if (status == WEIR_OK)
        *out = info.modified_ms;
    return status;
}

static enum weir_status is_too_young(const struct look *look, size_t index, bool *out,
                                     struct weir_detail *detail)
{
    int64_t timestamp = look->max_timestamps[index];
    enum weir_status status = WEIR_OK;
    if (timestamp < 0)
        status = modified_ms(look->view->segments[index], &timestamp, detail);
    if (status == WEIR_OK)
        *out = timestamp > look->now_ms - look->config.min_compaction_lag_ms;
    return status;
}

static enum weir_status first_timestamp(struct weir_segment *segment, int64_t *out,
                                        struct weir_detail *detail)
{
    uint8_t buffer[1024];
    struct weir_segment_scan scan;
    struct weir_batch_place place;
    weir_segment_scan_init(&scan, segment, 0, weir_segment_size(segment), buffer, sizeof(buffer));
    enum weir_status status = weir_segment_scan_next(&scan, false, &place, detail);
    *out = status == WEIR_OK ? place.batch.max_timestamp : -1;
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

/* max.compaction.lag.ms goes by the first batch of each dirty segment. */
static enum weir_status check_overdue(const struct look *look, struct weir_log_cleanable *out,
                                      struct weir_detail *detail)
{
    const struct log_view *view = look->view;
    enum weir_status status = WEIR_OK;
    if (look->config.max_compaction_lag_ms == INT64_MAX)
        return WEIR_OK;
    for (size_t i = 0; i + 1 < view->count && status == WEIR_OK && !out->is_overdue; i++) {
        int64_t timestamp = -1;
        if (view->segments[i + 1]->base_offset <= out->first_dirty_offset)
            continue;
        status = first_timestamp(view->segments[i], &timestamp, detail);
        out->is_overdue =
            timestamp > 0 && timestamp < look->now_ms - look->config.max_compaction_lag_ms;
    }
    return status;
}

static enum weir_status judge(const struct look *look, struct weir_log_cleanable *out,
                              struct weir_detail *detail)
{
    const struct log_view *view = look->view;
    enum weir_status status = WEIR_OK;
    out->first_dirty_offset = look->cleaned_to;
    if (out->first_dirty_offset < look->log_start || out->first_dirty_offset > look->log_end)
        out->first_dirty_offset = look->log_start;
    out->first_uncleanable_offset = view->segments[0]->base_offset;
    for (size_t i = 0; i + 1 < view->count && status == WEIR_OK; i++) {
        int64_t end_offset = view->segments[i + 1]->base_offset;
        bool is_clean = end_offset <= out->first_dirty_offset;
        bool is_young = false;
        if (end_offset > look->last_stable || end_offset > look->end_limit)
            break;
        if (!is_clean && look->config.min_compaction_lag_ms > 0)
            status = is_too_young(look, i, &is_young, detail);
        if (is_young)
            break;
        /* A segment that is clean in part counts as clean, as in Apache Kafka's ratio. */
        if (view->segments[i]->base_offset < out->first_dirty_offset)
            out->clean_bytes += weir_segment_size(view->segments[i]);
        else
            out->dirty_bytes += weir_segment_size(view->segments[i]);
        out->first_uncleanable_offset = end_offset;
    }
    if (out->first_uncleanable_offset < out->first_dirty_offset)
        out->first_uncleanable_offset = out->first_dirty_offset;
    return status == WEIR_OK ? check_overdue(look, out, detail) : status;
}

enum weir_status weir_partition_log_cleanable(struct weir_partition_log *log, int64_t cleaned_to,
                                              struct weir_log_cleanable *out,
                                              struct weir_detail *detail)
{
    struct look look;
    struct weir_log_cleanable cleanable = {0};
    enum weir_status status = look_init(&look, log, cleaned_to, false, detail);
    if (status == WEIR_OK)
        status = judge(&look, &cleanable, detail);
    double all_bytes = (double)cleanable.clean_bytes + (double)cleanable.dirty_bytes;
    double ratio = all_bytes > 0 ? (double)cleanable.dirty_bytes / all_bytes : 0;
    cleanable.is_due = status == WEIR_OK && ((cleanable.is_overdue && cleanable.dirty_bytes > 0) ||
                                             ratio > look.config.min_cleanable_dirty_ratio);
    look_done(&look);
    if (status == WEIR_OK)
        *out = cleanable;
    return status;
}

/* --- A round. --- */

static int compare_producers(const void *a, const void *b)
{
    int64_t left = ((const struct clean_producer *)a)->producer_id;
    int64_t right = ((const struct clean_producer *)b)->producer_id;
    return left < right ? -1 : left > right;
}

static enum weir_status take_producers(struct clean_round *round)
{
    struct weir_partition_log *log = round->log;
    size_t cursor = 0;
    weir_lock_take(&log->lock);
    size_t count = weir_producer_state_count(log->producers);
    round->producers = weir_calloc(count + 1, sizeof(round->producers[0]));
    for (size_t i = 0; round->producers != NULL && i < count; i++) {
        const struct weir_producer *producer = weir_producer_state_next(log->producers, &cursor);
        round->producers[i] = (struct clean_producer){
            .producer_id = producer->producer_id,
            .producer_epoch = producer->producer_epoch,
            .last_offset = producer->batch_count > 0
                               ? producer->batches[producer->batch_count - 1].last_offset
                               : -1};
    }
    weir_lock_release(&log->lock);
    if (round->producers == NULL)
        return WEIR_NO_MEMORY;
    round->producer_count = count;
    qsort(round->producers, count, sizeof(round->producers[0]), compare_producers);
    return WEIR_OK;
}

static enum weir_status clean_segment(struct clean_round *round, struct clean_writer *writer,
                                      struct clean_rules *rules, struct weir_segment *segment,
                                      struct weir_detail *detail)
{
    struct clean_reader reader;
    struct weir_batch batch;
    struct weir_batch kept;
    enum weir_status status;
    weir_clean_reader_init(&reader, round, segment, 0);
    round->result->bytes_before += weir_segment_size(segment);
    while ((status = weir_clean_reader_next(&reader, &batch, detail)) == WEIR_OK) {
        status = weir_clean_batch(rules, &round->txns, &batch, &round->keep, &round->write_buffer,
                                  &kept, &writer->segment->txn_index, &round->counts, detail);
        if (status == WEIR_OK && kept.bytes.size > 0)
            status = weir_clean_writer_added(writer, &kept, detail);
        if (status != WEIR_OK)
            break;
    }
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

/* Tombstones of old batches have no horizon of their own: they go when their segment is older than
 * the newest clean one by delete.retention.ms. */
static enum weir_status old_tombstone_horizon(const struct clean_round *round, int64_t *out,
                                              struct weir_detail *detail)
{
    struct weir_segment *newest = NULL;
    *out = INT64_MIN;
    for (size_t i = 0; i + 1 < round->view->count; i++) {
        if (round->view->segments[i]->base_offset < round->first_dirty)
            newest = round->view->segments[i];
    }
    if (newest == NULL)
        return WEIR_OK;
    enum weir_status status = modified_ms(newest, out, detail);
    if (status == WEIR_OK && __builtin_sub_overflow(*out, round->config.delete_retention_ms, out))
        *out = INT64_MIN;
    return status;
}

static enum weir_status clean_group(struct clean_round *round, struct clean_rules *rules,
                                    int64_t tombstone_horizon_ms,
                                    struct weir_segment *const *segments, size_t count,
                                    struct weir_detail *detail)
{
    struct clean_writer writer;
    int64_t modified = 0;
    struct weir_log_clean_result *result = round->result;
    enum weir_status status =
        weir_clean_remove(round->log, segments[0], detail); /* of a failure before */
    if (status == WEIR_OK)
        status = weir_clean_writer_init(&writer, round, segments[0]->base_offset, detail);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        status = modified_ms(segments[i], &modified, detail);
        rules->keeps_old_tombstones = modified > tombstone_horizon_ms;
        if (status == WEIR_OK)
            status = clean_segment(round, &writer, rules, segments[i], detail);
    }
    if (status == WEIR_OK)
        status = weir_clean_writer_finish(&writer, modified, detail);
    if (status == WEIR_OK && !round->is_recovery_point_noted &&
        round->options->note_recovery_point != NULL)
        status = round->options->note_recovery_point(round->options->context, round->log, detail);
    round->is_recovery_point_noted = true;
    if (status == WEIR_OK)
        status = weir_clean_check(round, detail);
    if (status == WEIR_OK)
        status = weir_clean_swap(round, writer.segment, segments, count, detail);
    if (status == WEIR_OK) {
        result->bytes_after += weir_segment_size(writer.segment);
        result->segments_before += (int32_t)count;
        result->segments_after++;
    } else if (status != WEIR_KAFKA_STORAGE_ERROR) {
        enum weir_status removed = weir_clean_remove(round->log, writer.segment, NULL);
        (void)removed; /* the next round tries again, and a start */
    }
    weir_segment_unref(writer.segment);
    return status;
}

/* Whether the next segment still fits into what the group's become together. */
static enum weir_status group_size(const struct clean_round *round, size_t first, size_t *out_count,
                                   struct weir_detail *detail)
{
    const struct log_view *view = round->view;
    uint64_t bytes = 0;
    uint64_t offset_entries = 0;
    uint64_t time_entries = 0;
    uint64_t index_bytes = (uint64_t)round->config.segment_index_bytes;
    size_t count = 0;
    for (size_t i = first; i + 1 < view->count; i++) {
        struct weir_segment *segment = view->segments[i];
        if (segment->base_offset >= round->map_end_offset)
            break;
        enum weir_status status = weir_segment_lock_indexes(segment, detail);
        if (status != WEIR_OK)
            return status;
        bytes += weir_segment_size(segment);
        offset_entries += segment->offset_index.count;
        time_entries += segment->time_index.count;
        weir_lock_release(&segment->lock);
        bool fits = bytes <= (uint64_t)round->config.segment_bytes &&
                    offset_entries * WEIR_OFFSET_INDEX_ENTRY_BYTES <= index_bytes &&
                    time_entries * WEIR_TIME_INDEX_ENTRY_BYTES <= index_bytes;
        int64_t last_offset = view->segments[i + 1]->base_offset - 1;
        bool is_near = weir_segment_size(segment) == 0 ||
                       last_offset - view->segments[first]->base_offset <= INT32_MAX;
        if (count > 0 && (!fits || !is_near))
            break;
        count++;
    }
    *out_count = count;
    return WEIR_OK;
}

static enum weir_status clean_groups(struct clean_round *round, struct weir_detail *detail)
{
    struct clean_rules rules = {.map = &round->map,
                                .map_end_offset = round->map_end_offset,
                                .upper_bound_offset = round->upper_bound,
                                .now_ms = weir_env_wall_ms(round->log->env),
                                .delete_retention_ms = round->config.delete_retention_ms,
                                .producers = round->producers,
                                .producer_count = round->producer_count};
    int64_t tombstone_horizon_ms = 0;
    enum weir_status status = old_tombstone_horizon(round, &tombstone_horizon_ms, detail);
    size_t first = 0;
    while (status == WEIR_OK) {
        size_t count = 0;
        status = group_size(round, first, &count, detail);
        if (status != WEIR_OK || count == 0)
            break;
        status = clean_group(round, &rules, tombstone_horizon_ms, round->view->segments + first,
                             count, detail);
        first += count;
    }
    return status;
}

/* Each record of the dirty part has its own offset. */
static uint64_t keys_max(const struct clean_round *round)
{
    const struct log_view *view = round->view;
    int64_t end_offset = round->first_dirty;
    for (size_t i = 1; i < view->count; i++) {
        end_offset = view->segments[i]->base_offset;
        if (end_offset >= round->upper_bound)
            break;
    }
    return end_offset > round->first_dirty ? (uint64_t)(end_offset - round->first_dirty) : 0;
}

/* The flush comes first (C5), with the active segment: it may hold the marker that commits what
 * supersedes a record.  So the last stable offset is that of before the flush. */
static enum weir_status prepare(struct clean_round *round, struct weir_detail *detail)
{
    struct look look;
    struct weir_log_cleanable cleanable = {0};
    int64_t last_stable = weir_partition_log_last_stable_offset(round->log);
    enum weir_status status = weir_partition_log_flush(round->log, true, detail);
    if (status != WEIR_OK)
        return status;
    status = look_init(&look, round->log, round->options->cleaned_to, true, detail);
    if (look.last_stable > last_stable)
        look.last_stable = last_stable;
    if (status == WEIR_OK)
        status = judge(&look, &cleanable, detail);
    if (status == WEIR_OK && cleanable.dirty_bytes == 0 &&
        cleanable.first_uncleanable_offset <= cleanable.first_dirty_offset)
        status = WEIR_NOT_FOUND;
    round->config = look.config;
    round->view = look.view;
    look.view = NULL;
    look_done(&look);
    round->first_dirty = cleanable.first_dirty_offset;
    round->upper_bound = cleanable.first_uncleanable_offset;
    if (status == WEIR_OK)
        status = take_producers(round);
    if (status == WEIR_OK)
        status = weir_offset_map_init(
            &round->map,
            &(struct weir_offset_map_options){.bytes_max = (size_t)round->options->map_bytes,
                                              .load_factor = round->options->map_load_factor,
                                              .keys_max = keys_max(round)});
    return status;
}

static enum weir_status run_round(struct clean_round *round, struct weir_detail *detail)
{
    struct weir_partition_log *log = round->log;
    enum weir_status status = prepare(round, detail);
    if (status == WEIR_OK)
        status = weir_clean_build_map(round, detail);
    /* Aborted transactions are looked for in whole segments. */
    if (status == WEIR_OK)
        status = weir_clean_txns_init(&round->txns, log, round->view->segments[0]->base_offset,
                                      round->upper_bound, detail);
    if (status == WEIR_OK)
        status = clean_groups(round, detail);
    round->result->first_dirty_offset = round->map_end_offset;
    if (status == WEIR_OK && round->options->note_cleaned != NULL)
        status = round->options->note_cleaned(round->options->context, log, round->map_end_offset,
                                              detail);
    round->result->records_read = round->counts.records_read;
    round->result->records_kept = round->counts.records_kept;
    round->result->records_without_key = round->counts.records_without_key;
    return status;
}

static void round_done(struct clean_round *round)
{
    weir_offset_map_done(&round->map);
    weir_clean_txns_done(&round->txns);
    weir_buf_done(&round->read_buffer);
    weir_buf_done(&round->write_buffer);
    weir_buf_done(&round->keep);
    weir_free(round->producers);
    weir_log_view_unref(round->view);
}

enum weir_status weir_partition_log_clean(struct weir_partition_log *log,
                                          const struct weir_log_clean_options *options,
                                          struct weir_log_clean_result *out,
                                          struct weir_detail *detail)
{
    struct weir_log_clean_result result = {0};
    struct clean_round round = {.log = log, .options = options, .result = &result};
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK && (log->is_being_cleaned || log->clean_stops > 0 ||
                              (log->changing & WEIR_LOG_CHANGE_SEALED) != 0))
        status = WEIR_BUSY;
    if (status == WEIR_OK) {
        log->is_being_cleaned = true;
        atomic_store_explicit(&log->clean_must_stop, false, memory_order_relaxed);
    }
    weir_lock_release(&log->lock);
    if (status != WEIR_OK)
        return status;
    status = run_round(&round, detail);
    round_done(&round);
    weir_lock_take(&log->lock);
    log->is_being_cleaned = false;
    (void)pthread_cond_broadcast(&log->clean_ended); /* cannot fail on an initialised condition */
    weir_lock_release(&log->lock);
    if (status == WEIR_OK)
        *out = result;
    return status;
}

/* --- Others and the round. --- */

void weir_log_stop_cleaning(struct weir_partition_log *log)
{
    log->clean_stops++;
    atomic_store_explicit(&log->clean_must_stop, true, memory_order_relaxed);
    while (log->is_being_cleaned)
        (void)pthread_cond_wait(&log->clean_ended,
                                &log->lock.mutex); /* fails only for a mutex that is not ours */
}

bool weir_partition_log_must_stop_cleaning(struct weir_partition_log *log)
{
    return atomic_load_explicit(&log->clean_must_stop, memory_order_relaxed);
}

void weir_log_allow_cleaning(struct weir_partition_log *log)
{
    log->clean_stops--;
}

void weir_partition_log_set_uncleanable(struct weir_partition_log *log,
                                        const struct weir_detail *why)
{
    char *text = weir_strdup(why->text); /* NULL: set aside without its reason */
    weir_lock_take(&log->lock);
    char *before = log->uncleanable_why;
    log->is_uncleanable = true;
    log->uncleanable_why = text;
    weir_lock_release(&log->lock);
    weir_free(before);
}

bool weir_partition_log_is_uncleanable(struct weir_partition_log *log, struct weir_detail *out_why)
{
    weir_lock_take(&log->lock);
    bool is_uncleanable = log->is_uncleanable;
    if (is_uncleanable && out_why != NULL)
        weir_detail_set(out_why, "%s", log->uncleanable_why == NULL ? "" : log->uncleanable_why);
    weir_lock_release(&log->lock);
    return is_uncleanable;
}
