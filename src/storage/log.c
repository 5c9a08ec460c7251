/* SPDX-License-Identifier: Apache-2.0 */

/* A partition log's life and facts, and the publishing of what readers see.  Invariants are in
 * log_int.h. */

#include "log_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_metadata.h"

#include <stdio.h>

struct weir_partition_log_options weir_partition_log_options_default(void)
{
    return (struct weir_partition_log_options){.config = weir_log_config_default(),
                                               .cleaned_to = -1};
}

void weir_log_path(const struct weir_partition_log *log, const char *name,
                   char out[WEIR_SEGMENT_PATH_BYTES])
{
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s/%s", log->dir, name);
}

int64_t weir_log_jitter(struct weir_env *env, const struct weir_log_config *config)
{
    uint64_t random = 0;
    int64_t jitter_ms = config->segment_jitter_ms < config->segment_ms ? config->segment_jitter_ms
                                                                       : config->segment_ms;
    if (jitter_ms <= 0)
        return 0;
    weir_env_random(env, &random, sizeof(random));
    return (int64_t)(random % (uint64_t)jitter_ms);
}

/* --- Views. --- */

struct log_view *weir_log_view_new(struct weir_segment *const *segments, size_t count)
{
    struct log_view *view = weir_malloc(sizeof(*view) + count * sizeof(view->segments[0]));
    if (view == NULL)
        return NULL;
    atomic_init(&view->refs, 1);
    view->count = count;
    for (size_t i = 0; i < count; i++)
        view->segments[i] = weir_segment_ref(segments[i]);
    return view;
}

void weir_log_view_unref(struct log_view *view)
{
    if (view == NULL || atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < view->count; i++)
        weir_segment_unref(view->segments[i]);
    weir_free(view);
}

void weir_log_take(struct weir_partition_log *log, struct published *out)
{
    weir_lock_take(&log->view_lock);
    *out = log->now;
    atomic_fetch_add_explicit(&out->view->refs, 1, memory_order_relaxed);
    weir_lock_release(&log->view_lock);
}

void weir_log_publish_view(struct weir_partition_log *log, struct log_view *take_view)
{
    WEIR_ASSERT(take_view->count > 0); /* I1 */
    weir_lock_take(&log->view_lock);
    struct log_view *before = log->now.view;
    log->now.view = take_view;
    log->now.hw_base = -1;
    log->now.end_pos = weir_segment_size(take_view->segments[take_view->count - 1]);
    weir_lock_release(&log->view_lock);
    weir_log_view_unref(before);
}

void weir_log_publish_end(struct weir_partition_log *log, int64_t log_end_offset)
{
    uint64_t end_pos = weir_segment_size(weir_log_active(log));
    weir_lock_take(&log->view_lock);
    log->now.offsets.log_end_offset = log_end_offset;
    log->now.end_pos = end_pos;
    weir_lock_release(&log->view_lock);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t greatest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void weir_log_publish_limits(struct weir_partition_log *log, int64_t log_start_offset,
                             int64_t high_watermark)
{
    struct weir_partition_log_offsets offsets =
        log->now.offsets; /* only holders of the lock write them */
    offsets.log_start_offset = log_start_offset;
    offsets.high_watermark =
        greatest(least(high_watermark, offsets.log_end_offset), log_start_offset);
    weir_producer_state_on_high_watermark(log->producers, offsets.high_watermark);
    int64_t unstable = weir_producer_state_first_unstable(log->producers);
    offsets.last_stable_offset = offsets.high_watermark;
    if (unstable >= 0)
        offsets.last_stable_offset =
            greatest(least(unstable, offsets.high_watermark), log_start_offset);
    struct weir_segment *active = weir_log_active(log);
    weir_lock_take(&log->view_lock);
    if (offsets.high_watermark == offsets.log_end_offset) {
        log->now.hw_base = active->base_offset;
        log->now.hw_pos = log->now.end_pos;
    } else if (offsets.high_watermark != log->now.offsets.high_watermark) {
        log->now.hw_base = -1;
    }
    log->now.offsets = offsets;
    weir_lock_release(&log->view_lock);
}

/* --- State. --- */

enum weir_status weir_log_check_open(const struct weir_partition_log *log,
                                     struct weir_detail *detail)
{
    switch (log->state) {
    case LOG_OPEN:
        return WEIR_OK;
    case LOG_CLOSED:
    case LOG_DELETED:
        weir_detail_set(detail, "the log of %s-%d is closed", log->key.topic, log->key.partition);
        return WEIR_CLOSED;
    case LOG_FAILED:
        break;
    }
    weir_detail_set(detail, "the log of %s-%d has failed", log->key.topic, log->key.partition);
    return WEIR_KAFKA_STORAGE_ERROR;
}

void weir_log_fail_locked(struct weir_partition_log *log, const struct weir_detail *why)
{
    if (log->state != LOG_OPEN)
        return;
    log->state = LOG_FAILED;
    atomic_store_explicit(&log->has_failed, true, memory_order_relaxed);
    if (log->on_failure != NULL)
        log->on_failure(log->context, log, why);
}

void weir_partition_log_fail(struct weir_partition_log *log, const struct weir_detail *why)
{
    (void)why; /* whoever took the directory offline has told it */
    weir_lock_take(&log->lock);
    if (log->state == LOG_OPEN) {
        log->state = LOG_FAILED;
        atomic_store_explicit(&log->has_failed, true, memory_order_relaxed);
    }
    weir_lock_release(&log->lock);
}

/* --- Life. --- */

static void free_log(struct weir_partition_log *log)
{
    weir_log_view_unref(log->now.view);
    weir_epoch_cache_done(&log->epochs);
    weir_producer_state_free(log->producers);
    (void)pthread_cond_destroy(&log->change_ended); /* nobody waits: nobody has a reference */
    weir_free(log->uncleanable_why);
    (void)pthread_cond_destroy(&log->clean_ended);
    weir_lock_done(&log->lock);
    weir_lock_done(&log->view_lock);
    weir_free(log->dir);
    weir_free(log);
}

static enum weir_status check_topic_id(struct weir_partition_log *log, struct weir_uuid wanted,
                                       struct weir_detail *detail)
{
    struct weir_uuid found;
    enum weir_status status = weir_partition_metadata_read(log->env, log->dir, &found, detail);
    if (status == WEIR_NOT_FOUND) {
        weir_detail_set(detail, "%s", "");
        log->topic_id = wanted;
        return WEIR_OK;
    }
    if (status != WEIR_OK)
        return status;
    log->has_metadata_file = true;
    log->topic_id = found;
    if (!weir_uuid_is_zero(wanted) && !weir_uuid_equal(wanted, found)) {
        weir_detail_set(detail, "%s belongs to another topic of that name", log->dir);
        return WEIR_INCONSISTENT_TOPIC_ID;
    }
    return WEIR_OK;
}

enum weir_status weir_partition_log_open(const struct weir_partition_log_options *options,
                                         struct weir_partition_log **out,
                                         struct weir_partition_log_recovery *out_recovery,
                                         struct weir_detail *detail)
{
    struct weir_partition_log_recovery recovery = {0};
    struct weir_partition_log *log = weir_calloc(1, sizeof(*log));
    if (log == NULL)
        return WEIR_NO_MEMORY;
    log->env = options->env;
    log->key = options->key;
    atomic_init(&log->refs, 1);
    log->reaper = options->reaper;
    log->is_disk_nearly_full = options->is_disk_nearly_full;
    log->cache = options->cache;
    log->on_failure = options->on_failure;
    log->on_truncated = options->on_truncated;
    log->on_fault = options->on_fault;
    log->context = options->context;
    log->config = options->config;
    log->snapshot_offset = -1;
    log->roll_wanted_base = -1;
    log->hold_offset = WEIR_LOG_NO_HOLD;
    log->now.hw_base = -1;
    log->flushed_ms = weir_env_monotonic_ms(options->env);
    weir_lock_init(&log->lock, WEIR_LOCK_RANK_LOG);
    (void)pthread_cond_init(&log->clean_ended, NULL); /* cannot fail with default attributes */
    weir_lock_init(&log->view_lock, WEIR_LOCK_RANK_LEAF);
    /* Cannot fail with default attributes on Linux. */
    (void)pthread_cond_init(&log->change_ended, NULL);
    log->dir = weir_strdup(options->dir);
    enum weir_status status =
        log->dir == NULL ? WEIR_NO_MEMORY : weir_producer_state_new(&log->producers);
    if (status == WEIR_OK)
        status = weir_dir_make_all(log->env, log->dir, detail);
    if (status == WEIR_OK)
        status = check_topic_id(log, options->topic_id, detail);
    if (status == WEIR_OK)
        status = weir_log_load(log, options, &recovery, detail);
    if (status != WEIR_OK) {
        free_log(log);
        return status;
    }
    log->synced_offset = log->recovery_point;
    if (out_recovery != NULL)
        *out_recovery = recovery;
    *out = log;
    return WEIR_OK;
}

struct weir_partition_log *weir_partition_log_ref(struct weir_partition_log *log)
{
    atomic_fetch_add_explicit(&log->refs, 1, memory_order_relaxed);
    return log;
}

void weir_partition_log_unref(struct weir_partition_log *log)
{
    if (log != NULL && atomic_fetch_sub_explicit(&log->refs, 1, memory_order_acq_rel) == 1)
        free_log(log);
}

/* --- Facts. --- */

void weir_partition_log_offsets(struct weir_partition_log *log,
                                struct weir_partition_log_offsets *out)
{
    weir_lock_take(&log->view_lock);
    *out = log->now.offsets;
    weir_lock_release(&log->view_lock);
}

int64_t weir_partition_log_start_offset(struct weir_partition_log *log)
{
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    return offsets.log_start_offset;
}

int64_t weir_partition_log_end_offset(struct weir_partition_log *log)
{
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    return offsets.log_end_offset;
}

int64_t weir_partition_log_high_watermark(struct weir_partition_log *log)
{
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    return offsets.high_watermark;
}

int64_t weir_partition_log_last_stable_offset(struct weir_partition_log *log)
{
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    return offsets.last_stable_offset;
}

int64_t weir_partition_log_recovery_point(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    int64_t recovery_point = log->recovery_point;
    weir_lock_release(&log->lock);
    return recovery_point;
}

const struct weir_topic_partition *weir_partition_log_key(const struct weir_partition_log *log)
{
    return &log->key;
}

struct weir_uuid weir_partition_log_topic_id(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    struct weir_uuid topic_id = log->topic_id;
    weir_lock_release(&log->lock);
    return topic_id;
}

bool weir_partition_log_has_failed(struct weir_partition_log *log)
{
    /* A flag that nothing else depends on: whoever goes on without it is told by the lock. */
    return atomic_load_explicit(&log->has_failed, memory_order_relaxed);
}

void weir_partition_log_dir(struct weir_partition_log *log, char out[4096])
{
    weir_lock_take(&log->lock);
    (void)snprintf(out, 4096, "%s", log->dir);
    weir_lock_release(&log->lock);
}

uint64_t weir_partition_log_size(struct weir_partition_log *log)
{
    struct published now;
    uint64_t bytes = 0;
    weir_log_take(log, &now);
    for (size_t i = 0; i < now.view->count; i++)
        bytes += weir_segment_size(now.view->segments[i]);
    weir_log_view_unref(now.view);
    return bytes;
}

enum weir_status weir_partition_log_segments(struct weir_partition_log *log,
                                             struct weir_segment_info **out, size_t *out_count)
{
    weir_lock_take(&log->lock); /* max_timestamp is the lock's */
    const struct log_view *view = log->now.view;
    struct weir_segment_info *infos = weir_calloc(view->count, sizeof(infos[0]));
    for (size_t i = 0; infos != NULL && i < view->count; i++)
        infos[i] = (struct weir_segment_info){.base_offset = view->segments[i]->base_offset,
                                              .size_bytes = weir_segment_size(view->segments[i]),
                                              .max_timestamp = view->segments[i]->max_timestamp};
    size_t count = view->count;
    weir_lock_release(&log->lock);
    if (infos == NULL)
        return WEIR_NO_MEMORY;
    *out = infos;
    *out_count = count;
    return WEIR_OK;
}

enum weir_status weir_partition_log_set_topic_id(struct weir_partition_log *log,
                                                 struct weir_uuid topic_id)
{
    enum weir_status status = WEIR_OK;
    weir_lock_take(&log->lock);
    if (weir_uuid_is_zero(log->topic_id))
        log->topic_id = topic_id;
    else if (!weir_uuid_equal(log->topic_id, topic_id))
        status = WEIR_INCONSISTENT_TOPIC_ID;
    weir_lock_release(&log->lock);
    return status;
}

void weir_partition_log_set_config(struct weir_partition_log *log,
                                   const struct weir_log_config *config)
{
    weir_lock_take(&log->lock);
    log->config = *config;
    weir_lock_release(&log->lock);
}

void weir_partition_log_config(struct weir_partition_log *log, struct weir_log_config *out)
{
    weir_lock_take(&log->lock);
    *out = log->config;
    weir_lock_release(&log->lock);
}

bool weir_partition_log_set_high_watermark(struct weir_partition_log *log, int64_t high_watermark)
{
    weir_lock_take(&log->lock);
    int64_t before = log->now.offsets.high_watermark;
    if (high_watermark > log->hold_offset)
        high_watermark = log->hold_offset;
    if (high_watermark > before)
        weir_log_publish_limits(log, log->now.offsets.log_start_offset, high_watermark);
    bool has_moved = log->now.offsets.high_watermark != before;
    weir_lock_release(&log->lock);
    return has_moved;
}

enum weir_status weir_partition_log_delete_records(struct weir_partition_log *log, int64_t offset,
                                                   int64_t *out_log_start_offset)
{
    weir_lock_take(&log->lock);
    const struct weir_partition_log_offsets *offsets = &log->now.offsets;
    enum weir_status status = weir_log_check_open(log, NULL);
    if (status == WEIR_OK && (offset < 0 || offset > offsets->high_watermark))
        status = WEIR_OFFSET_OUT_OF_RANGE;
    if (status == WEIR_OK && offset > offsets->log_start_offset) {
        weir_log_publish_limits(log, offset, offsets->high_watermark);
        weir_epoch_cache_truncate_from_start(&log->epochs, offset);
    }
    if (status == WEIR_OK)
        *out_log_start_offset = log->now.offsets.log_start_offset;
    weir_lock_release(&log->lock);
    return status;
}

/* --- Leader epochs. --- */

enum weir_status weir_partition_log_assign_leader_epoch(struct weir_partition_log *log,
                                                        int32_t leader_epoch)
{
    weir_lock_take(&log->lock);
    enum weir_status status = weir_log_check_open(log, NULL);
    if (status == WEIR_OK && leader_epoch > weir_epoch_cache_latest(&log->epochs))
        status =
            weir_epoch_cache_assign(&log->epochs, leader_epoch, log->now.offsets.log_end_offset);
    weir_lock_release(&log->lock);
    return status;
}

int32_t weir_partition_log_latest_epoch(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    int32_t epoch = weir_epoch_cache_latest(&log->epochs);
    weir_lock_release(&log->lock);
    return epoch;
}

struct weir_epoch_entry weir_partition_log_earliest_epoch(struct weir_partition_log *log)
{
    weir_lock_take(&log->lock);
    struct weir_epoch_entry entry =
        log->epochs.count > 0 ? log->epochs.items[0]
                              : (struct weir_epoch_entry){.epoch = -1, .start_offset = -1};
    weir_lock_release(&log->lock);
    return entry;
}

int32_t weir_partition_log_epoch_for_offset(struct weir_partition_log *log, int64_t offset)
{
    weir_lock_take(&log->lock);
    int32_t epoch = weir_epoch_cache_for_offset(&log->epochs, offset);
    weir_lock_release(&log->lock);
    return epoch;
}

void weir_partition_log_end_offset_for_epoch(struct weir_partition_log *log, int32_t epoch,
                                             int32_t *out_epoch, int64_t *out_end_offset)
{
    weir_lock_take(&log->lock);
    weir_epoch_cache_end_offset(&log->epochs, epoch, log->now.offsets.log_end_offset, out_epoch,
                                out_end_offset);
    weir_lock_release(&log->lock);
}

/* --- Producers. --- */

enum weir_status weir_partition_log_producers(struct weir_partition_log *log,
                                              struct weir_producer_info **out, size_t *out_count)
{
    weir_lock_take(&log->lock);
    size_t count = weir_producer_state_count(log->producers);
    struct weir_producer_info *infos = weir_calloc(count + 1, sizeof(infos[0]));
    size_t cursor = 0;
    for (size_t i = 0; infos != NULL && i < count; i++) {
        const struct weir_producer *producer = weir_producer_state_next(log->producers, &cursor);
        infos[i] = (struct weir_producer_info){
            .producer_id = producer->producer_id,
            .producer_epoch = producer->producer_epoch,
            .last_sequence = producer->batch_count > 0
                                 ? producer->batches[producer->batch_count - 1].last_sequence
                                 : -1,
            .last_timestamp = producer->last_timestamp,
            .coordinator_epoch = producer->coordinator_epoch,
            .txn_first_offset = producer->txn_first_offset};
    }
    weir_lock_release(&log->lock);
    if (infos == NULL)
        return WEIR_NO_MEMORY;
    *out = infos;
    *out_count = count;
    return WEIR_OK;
}

static bool has_open_txn(const struct weir_partition_log *log, int64_t producer_id,
                         int16_t producer_epoch)
{
    const struct weir_producer *producer = weir_producer_state_find(log->producers, producer_id);
    return producer != NULL && producer->txn_first_offset >= 0 &&
           producer->producer_epoch == producer_epoch;
}

bool weir_partition_log_has_open_txn(struct weir_partition_log *log, int64_t producer_id,
                                     int16_t producer_epoch)
{
    weir_lock_take(&log->lock);
    bool is_open = has_open_txn(log, producer_id, producer_epoch);
    weir_lock_release(&log->lock);
    return is_open;
}

enum weir_status
weir_partition_log_begin_verification(struct weir_partition_log *log,
                                      const struct weir_verification_request *request,
                                      uint64_t *out_guard)
{
    enum weir_status status = WEIR_OK;
    int64_t now_ms = weir_env_wall_ms(log->env);
    *out_guard = 0;
    weir_lock_take(&log->lock);
    if (!has_open_txn(log, request->producer_id, request->producer_epoch))
        status = weir_producer_state_begin_verification(log->producers, request, now_ms, out_guard);
    weir_lock_release(&log->lock);
    return status;
}

bool weir_partition_log_guard_is_current(struct weir_partition_log *log, int64_t producer_id,
                                         uint64_t guard)
{
    weir_lock_take(&log->lock);
    bool is_current = weir_producer_state_is_verified(log->producers, producer_id, guard);
    weir_lock_release(&log->lock);
    return is_current;
}

void weir_partition_log_expire_producers(struct weir_partition_log *log)
{
    int64_t now_ms = weir_env_wall_ms(log->env);
    weir_lock_take(&log->lock);
    weir_producer_state_expire(log->producers, now_ms, log->config.producer_id_expiration_ms);
    weir_lock_release(&log->lock);
}
