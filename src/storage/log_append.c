/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Appending.  Everything that can fail for other reasons than the disk happens before the write, so
 * that a write that succeeded is always accounted for: checks -> roll if due -> room in memory ->
 * one write -> indexes, producers, epochs -> publish.
 */

#include "log_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>

/* --- Room in the active segment. --- */

/* What an append wants to put there; offsets as they would be now. */
struct wanted {
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp;
    size_t bytes;
};

/* Far enough from INT32_MAX, where file positions end. */
static bool fits_the_format(struct weir_partition_log *log, const struct wanted *wanted)
{
    struct weir_segment *active = weir_log_active(log);
    return wanted->last_offset - active->base_offset <= INT32_MAX &&
           weir_segment_size(active) + wanted->bytes <= INT32_MAX;
}

static enum weir_status would_block(const struct weir_partition_log *log,
                                    struct weir_detail *detail)
{
    weir_detail_set(detail, "%s-%d waits for its next segment", log->key.topic, log->key.partition);
    return WEIR_WOULD_BLOCK;
}

/* OK and true in *out_again: the lock was released on the way, and all has to be looked at anew.
 * OK and false: the batches may be written to the active segment now. */
static enum weir_status find_room(struct weir_partition_log *log, enum weir_log_roll_mode mode,
                                  const struct wanted *wanted, struct weir_log_append_result *out,
                                  bool *out_again, struct weir_detail *detail)
{
    const unsigned at_the_end = WEIR_LOG_CHANGE_ROLL | WEIR_LOG_CHANGE_END;
    *out_again = false;
    if (wanted->bytes > (size_t)log->config.segment_bytes) {
        weir_detail_set(detail, "%zu bytes do not fit in a segment of %d", wanted->bytes,
                        log->config.segment_bytes);
        return WEIR_RECORD_LIST_TOO_LARGE;
    }
    bool is_due =
        weir_log_is_roll_due(log, wanted->last_offset, wanted->max_timestamp, wanted->bytes);
    bool is_changing = (log->changing & at_the_end) != 0;
    if (is_due)
        log->roll_wanted_base = weir_log_active(log)->base_offset;
    switch (mode) {
    case WEIR_LOG_ROLL_REFUSE:
        return is_due || is_changing ? would_block(log, detail) : WEIR_OK;
    case WEIR_LOG_ROLL_LATER:
        log->has_later_appends = true;
        if ((log->changing & WEIR_LOG_CHANGE_END) != 0 || log->is_making_segment ||
            (is_due && !fits_the_format(log, wanted)))
            return would_block(log, detail);
        out->is_roll_due = is_due;
        return WEIR_OK;
    case WEIR_LOG_ROLL_INLINE:
        break;
    }
    *out_again = is_due || is_changing;
    if (is_changing) {
        weir_log_await_change(log, at_the_end);
        return WEIR_OK;
    }
    if (!is_due)
        return WEIR_OK;
    enum weir_status status = weir_log_roll_locked(log, detail);
    out->has_rolled = out->has_rolled || status == WEIR_OK;
    return status;
}

enum weir_status weir_partition_log_make_room(struct weir_partition_log *log,
                                              struct weir_detail *detail)
{
    weir_lock_take(&log->lock);
    weir_log_await_change(log, WEIR_LOG_CHANGE_ROLL | WEIR_LOG_CHANGE_END);
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK && log->roll_wanted_base == weir_log_active(log)->base_offset)
        status = weir_log_roll_locked(log, detail);
    weir_lock_release(&log->lock);
    return status;
}

/* --- Writing. --- */

/* P4: takes back what a failed write may have left. */
static enum weir_status take_back(struct weir_partition_log *log, enum weir_status why,
                                  uint64_t file_pos, struct weir_detail *detail)
{
    struct weir_detail second = {{0}};
    struct weir_segment *active = weir_log_active(log);
    enum weir_status status = weir_segment_truncate_file(active, file_pos, &second);
    log->cuts++;
    if (why == WEIR_NO_SPACE && status == WEIR_OK)
        return WEIR_NO_SPACE;
    if (status != WEIR_OK)
        weir_detail_set(detail, "a failed write could not be taken back: %s", second.text);
    weir_log_fail_locked(log, detail);
    return WEIR_KAFKA_STORAGE_ERROR;
}

static enum weir_status write_parts(struct weir_partition_log *log, const struct weir_slice *parts,
                                    size_t count, uint64_t *out_file_pos,
                                    struct weir_detail *detail)
{
    struct weir_segment *active = weir_log_active(log);
    uint64_t file_pos = weir_segment_size(active);
    struct weir_file *file = NULL;
    enum weir_status status = weir_segment_pin(active, &file, detail);
    if (status == WEIR_LIMIT || status == WEIR_NO_MEMORY) /* nothing was written */
        return WEIR_KAFKA_STORAGE_ERROR;
    if (status != WEIR_OK) {
        weir_log_fail_locked(log, detail); /* the file is gone */
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    status = weir_file_write_at(log->env, file, parts, count, file_pos, detail);
    if (status != WEIR_OK)
        status = take_back(log, status, file_pos, detail);
    else
        weir_segment_reserve_ahead(active, file, (uint64_t)log->config.segment_bytes,
                                   log->config.preallocate);
    weir_segment_unpin(active);
    if (status != WEIR_OK)
        return status;
    *out_file_pos = file_pos;
    return WEIR_OK;
}

/* The batch is there, written now or before. */
static void fill_result(struct weir_partition_log *log, int64_t base_offset, int64_t last_offset,
                        struct weir_log_append_result *out)
{
    out->base_offset = base_offset;
    out->last_offset = last_offset;
    out->log_start_offset = log->now.offsets.log_start_offset;
    out->is_flush_due = log->hold_offset <= last_offset;
}

/* --- As the leader. --- */

struct leader_append {
    struct weir_partition_log *log;
    const struct weir_checked_batch *checked;
    const struct weir_log_append_options *options;
    struct weir_batch batch; /* with its offsets */
    bool has_marker;
    struct weir_txn_marker marker;
};

/* A marker lies in memory in two parts; it is put together to be read. */
static enum weir_status read_marker(struct leader_append *append, struct weir_detail *detail)
{
    uint8_t bytes[256];
    const struct weir_checked_batch *checked = append->checked;
    size_t size = WEIR_BATCH_HEADER_BYTES + checked->body.size;
    append->has_marker =
        weir_batch_is_control(&checked->batch) && weir_batch_has_producer_id(&checked->batch);
    if (!append->has_marker)
        return WEIR_OK;
    if (size > sizeof(bytes)) {
        weir_detail_set(detail, "a transaction marker of %zu bytes", size);
        return WEIR_INVALID;
    }
    memcpy(bytes, checked->head, WEIR_BATCH_HEADER_BYTES);
    memcpy(bytes + WEIR_BATCH_HEADER_BYTES, checked->body.data, checked->body.size);
    struct weir_batch batch = checked->batch;
    batch.bytes = weir_slice_of(bytes, size);
    return weir_txn_marker_parse(&batch, &append->marker, detail);
}

static bool opens_txn(const struct weir_partition_log *log, const struct weir_batch *batch)
{
    const struct weir_producer *producer =
        weir_producer_state_find(log->producers, batch->producer_id);
    return weir_batch_is_transactional(batch) && !weir_batch_is_control(batch) &&
           (producer == NULL || producer->txn_first_offset < 0 ||
            producer->producer_epoch != batch->producer_epoch);
}

/* True when the batch was answered as a duplicate. */
static enum weir_status check_producer(struct leader_append *append,
                                       struct weir_log_append_result *out,
                                       struct weir_detail *detail)
{
    struct weir_partition_log *log = append->log;
    const struct weir_log_append_options *options = append->options;
    const struct weir_batch *batch = &append->checked->batch;
    if (!weir_batch_has_producer_id(batch))
        return WEIR_OK;
    if (append->has_marker)
        return weir_producer_state_check_marker(log->producers, &append->marker, options->origin,
                                                options->transaction_version, detail);
    if (options->origin == WEIR_APPEND_CLIENT) {
        const struct weir_producer_batch *known =
            weir_producer_state_duplicate(log->producers, batch);
        if (known != NULL) {
            fill_result(log, known->last_offset - known->offset_delta, known->last_offset, out);
            out->log_append_time_ms = known->timestamp;
            out->is_duplicate = true;
            return WEIR_OK;
        }
    }
    if ((options->origin == WEIR_APPEND_CLIENT || options->origin == WEIR_APPEND_COORDINATOR) &&
        !options->is_verified && opens_txn(log, batch) &&
        !weir_producer_state_is_verified(log->producers, batch->producer_id,
                                         options->verification_guard)) {
        weir_detail_set(detail, "Record was not part of an ongoing transaction");
        return WEIR_INVALID_TXN_STATE;
    }
    return weir_producer_state_check(log->producers, batch, options->origin, detail);
}

/* Room in memory for everything the write of one batch will change. */
static enum weir_status prepare(struct weir_partition_log *log, const struct weir_batch *batch,
                                int32_t leader_epoch)
{
    if (leader_epoch > weir_epoch_cache_latest(&log->epochs)) {
        enum weir_status status =
            weir_epoch_cache_assign(&log->epochs, leader_epoch, batch->base_offset);
        if (status != WEIR_OK)
            return status;
    }
    return weir_batch_has_producer_id(batch)
               ? weir_producer_state_prepare(log->producers, batch->producer_id)
               : WEIR_OK;
}

/* And for as many transactions. */
static enum weir_status reserve_txns(struct weir_partition_log *log, size_t count)
{
    struct weir_segment *active = weir_log_active(log);
    struct weir_txn_index *index = &active->txn_index;
    weir_lock_take(&active->lock);
    struct weir_aborted_txn *items =
        weir_grow(index->items, &index->capacity, index->count + count, sizeof(index->items[0]));
    if (items != NULL)
        index->items = items;
    weir_lock_release(&active->lock);
    return items == NULL ? WEIR_NO_MEMORY : weir_producer_state_reserve(log->producers, count);
}

static void apply_marker(struct weir_partition_log *log, const struct weir_txn_marker *marker,
                         const struct weir_batch *batch)
{
    struct weir_completed_txn completed;
    if (!weir_producer_state_apply_marker(log->producers, marker, batch->base_offset,
                                          batch->max_timestamp, &completed) ||
        !completed.is_aborted)
        return;
    struct weir_aborted_txn aborted = {
        .producer_id = completed.producer_id,
        .first_offset = completed.first_offset,
        .last_offset = completed.last_offset,
        .last_stable_offset = weir_producer_state_last_stable_offset(log->producers, &completed)};
    struct weir_segment *active = weir_log_active(log);
    weir_lock_take(&active->lock);
    enum weir_status status = weir_txn_index_append(&active->txn_index, &aborted);
    weir_lock_release(&active->lock);
    /* prepare() made room and markers come in offset order, so this is a broken invariant; going on
     * would show aborted records to read_committed consumers. */
    if (status != WEIR_OK) {
        struct weir_detail why;
        weir_detail_set(&why, "the abort at offset %" PRId64 " could not be indexed",
                        completed.last_offset);
        weir_log_fail_locked(log, &why);
    }
}

static enum weir_status write_leader_batch(struct leader_append *append, struct weir_detail *detail)
{
    uint8_t head[WEIR_BATCH_HEADER_BYTES];
    struct weir_partition_log *log = append->log;
    const struct weir_batch *batch = &append->batch;
    memcpy(head, append->checked->head, sizeof(head));
    weir_batch_set_base_offset(head, batch->base_offset);
    weir_batch_set_leader_epoch(head, append->options->leader_epoch);
    const struct weir_slice parts[] = {weir_slice_of(head, sizeof(head)), append->checked->body};
    uint64_t file_pos = 0;
    enum weir_status status =
        write_parts(log, parts, append->checked->body.size > 0 ? 2 : 1, &file_pos, detail);
    if (status != WEIR_OK)
        return status;
    weir_segment_on_appended(weir_log_active(log), batch, file_pos, batch->bytes.size,
                             log->config.index_interval_bytes);
    if (append->has_marker)
        apply_marker(log, &append->marker, batch);
    else if (weir_batch_has_producer_id(batch))
        weir_producer_state_update(log->producers, batch);
    weir_log_publish_end(log, batch->last_offset + 1);
    weir_log_publish_limits(log, log->now.offsets.log_start_offset,
                            log->now.offsets.high_watermark);
    return WEIR_OK;
}

/* Only producers are refused: a coordinator's commits need little, and clients need them to stop.
 */
static enum weir_status check_space(const struct leader_append *append, struct weir_detail *detail)
{
    const atomic_bool *is_nearly_full = append->log->is_disk_nearly_full;
    if (append->options->origin != WEIR_APPEND_CLIENT || is_nearly_full == NULL ||
        !atomic_load_explicit(is_nearly_full, memory_order_relaxed))
        return WEIR_OK;
    weir_detail_set(detail, "The broker's disk is nearly full (there is less free than "
                            "weir.log.dir.free.percent.min asks for): records are refused until "
                            "there is more space, nothing that was accepted is lost");
    return WEIR_NO_SPACE;
}

/* All that is looked at before room is made, and again afterwards if others could have come in
 * between. */
static enum weir_status check_leader_batch(struct leader_append *append,
                                           struct weir_log_append_result *out, bool *out_again,
                                           struct weir_detail *detail)
{
    struct weir_partition_log *log = append->log;
    struct weir_batch *batch = &append->batch;
    *out_again = false;
    enum weir_status status = weir_log_check_open(log, detail);
    if (status == WEIR_OK)
        status = check_producer(append, out, detail);
    if (status != WEIR_OK || out->is_duplicate)
        return status;
    status = check_space(append, detail);
    if (status != WEIR_OK)
        return status;
    batch->base_offset = log->now.offsets.log_end_offset;
    if (batch->base_offset > INT64_MAX - 1 - batch->last_offset_delta) {
        weir_detail_set(detail, "the log has no offsets left");
        return WEIR_INVALID;
    }
    batch->last_offset = batch->base_offset + batch->last_offset_delta;
    struct wanted wanted = {.base_offset = batch->base_offset,
                            .last_offset = batch->last_offset,
                            .max_timestamp = batch->max_timestamp,
                            .bytes = batch->bytes.size};
    return find_room(log, append->options->roll, &wanted, out, out_again, detail);
}

static enum weir_status append_locked(struct leader_append *append,
                                      struct weir_log_append_result *out,
                                      struct weir_detail *detail)
{
    struct weir_partition_log *log = append->log;
    struct weir_batch *batch = &append->batch;
    enum weir_status status;
    bool again;
    do
        status = check_leader_batch(append, out, &again, detail);
    while (status == WEIR_OK && again);
    if (status != WEIR_OK || out->is_duplicate)
        return status;
    status = prepare(log, batch, append->options->leader_epoch);
    if (status == WEIR_OK && append->has_marker)
        status = reserve_txns(log, 1);
    if (status == WEIR_OK)
        status = write_leader_batch(append, detail);
    if (status != WEIR_OK)
        return status;
    weir_log_update_hold(log, batch->base_offset);
    fill_result(log, batch->base_offset, batch->last_offset, out);
    return WEIR_OK;
}

enum weir_status weir_partition_log_append(struct weir_partition_log *log,
                                           const struct weir_checked_batch *batch,
                                           const struct weir_log_append_options *options,
                                           struct weir_log_append_result *out,
                                           struct weir_detail *detail)
{
    struct leader_append append = {
        .log = log, .checked = batch, .options = options, .batch = batch->batch};
    struct weir_log_append_result result = {.log_append_time_ms = batch->log_append_time_ms};
    enum weir_status status = read_marker(&append, detail);
    if (status != WEIR_OK)
        return status;
    weir_lock_take(&log->lock);
    status = append_locked(&append, &result, detail);
    weir_lock_release(&log->lock);
    if (status == WEIR_OK)
        *out = result;
    return status;
}

enum weir_status weir_partition_log_append_marker(struct weir_partition_log *log,
                                                  const struct weir_txn_marker *marker,
                                                  const struct weir_log_append_options *options,
                                                  struct weir_log_append_result *out,
                                                  struct weir_detail *detail)
{
    uint8_t bytes[WEIR_TXN_MARKER_BYTES];
    struct weir_checked_batch checked;
    weir_txn_marker_write(bytes, marker, weir_env_wall_ms(log->env));
    enum weir_status status =
        weir_checked_batch_from_own(weir_slice_of(bytes, sizeof(bytes)), &checked, detail);
    if (status != WEIR_OK)
        return status;
    return weir_partition_log_append(log, &checked, options, out, detail);
}

/* --- Batches that have their offsets. --- */

static enum weir_status check_raw(struct weir_slice batches, int64_t log_end_offset,
                                  struct wanted *out, struct weir_detail *detail)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    int64_t next_offset = log_end_offset;
    *out = (struct wanted){
        .base_offset = -1, .max_timestamp = WEIR_BATCH_NO_TIMESTAMP, .bytes = batches.size};
    weir_batch_iter_init(&iter, batches);
    enum weir_status status;
    while ((status = weir_batch_iter_next(&iter, &batch, detail)) == WEIR_OK) {
        status = weir_batch_check(&batch, detail);
        if (status != WEIR_OK)
            return status;
        if (batch.base_offset < next_offset || batch.last_offset < batch.base_offset ||
            batch.last_offset == INT64_MAX) {
            weir_detail_set(detail,
                            "batch at offset %" PRId64 " where %" PRId64 " or more was expected",
                            batch.base_offset, next_offset);
            return WEIR_INVALID;
        }
        if (out->base_offset < 0)
            out->base_offset = batch.base_offset;
        out->last_offset = batch.last_offset;
        if (batch.max_timestamp > out->max_timestamp)
            out->max_timestamp = batch.max_timestamp;
        next_offset = batch.last_offset + 1;
    }
    if (status != WEIR_NOT_FOUND)
        return status == WEIR_TRUNCATED || status == WEIR_UNKNOWN_SERVER_ERROR ? WEIR_CORRUPT
                                                                               : status;
    if (out->base_offset < 0) {
        weir_detail_set(detail, "no batches");
        return WEIR_INVALID;
    }
    return WEIR_OK;
}

static enum weir_status prepare_raw(struct weir_partition_log *log, struct weir_slice batches)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    size_t producers = 0;
    weir_batch_iter_init(&iter, batches);
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        enum weir_status status = prepare(log, &batch, batch.partition_leader_epoch);
        if (status != WEIR_OK)
            return status;
        if (weir_batch_has_producer_id(&batch))
            producers++;
    }
    return producers == 0 ? WEIR_OK : reserve_txns(log, producers);
}

static void account_raw(struct weir_partition_log *log, struct weir_slice batches,
                        uint64_t file_pos)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    weir_batch_iter_init(&iter, batches);
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        struct weir_txn_marker marker;
        weir_segment_on_appended(weir_log_active(log), &batch, file_pos, batch.bytes.size,
                                 log->config.index_interval_bytes);
        file_pos += batch.bytes.size;
        if (!weir_batch_has_producer_id(&batch))
            continue;
        if (!weir_batch_is_control(&batch))
            weir_producer_state_update(log->producers, &batch);
        else if (weir_txn_marker_parse(&batch, &marker, NULL) == WEIR_OK)
            apply_marker(log, &marker, &batch);
    }
}

static enum weir_status append_raw_locked(struct weir_partition_log *log, struct weir_slice batches,
                                          struct weir_log_append_result *out,
                                          struct weir_detail *detail)
{
    struct wanted wanted;
    uint64_t file_pos = 0;
    enum weir_status status;
    bool again = false;
    do {
        status = weir_log_check_open(log, detail);
        if (status == WEIR_OK)
            status = check_raw(batches, log->now.offsets.log_end_offset, &wanted, detail);
        if (status == WEIR_OK)
            status = find_room(log, WEIR_LOG_ROLL_INLINE, &wanted, out, &again, detail);
    } while (status == WEIR_OK && again);
    if (status == WEIR_OK)
        status = prepare_raw(log, batches);
    if (status == WEIR_OK)
        status = write_parts(log, &batches, 1, &file_pos, detail);
    if (status != WEIR_OK)
        return status;
    account_raw(log, batches, file_pos);
    weir_log_publish_end(log, wanted.last_offset + 1);
    weir_log_publish_limits(log, log->now.offsets.log_start_offset,
                            log->now.offsets.high_watermark);
    weir_log_update_hold(log, wanted.base_offset);
    fill_result(log, wanted.base_offset, wanted.last_offset, out);
    return WEIR_OK;
}

enum weir_status weir_partition_log_append_raw(struct weir_partition_log *log,
                                               struct weir_slice batches,
                                               enum weir_append_origin origin,
                                               struct weir_log_append_result *out,
                                               struct weir_detail *detail)
{
    (void)origin; /* what is replicated is never refused for its sequence */
    struct weir_log_append_result result = {.log_append_time_ms = -1};
    weir_lock_take(&log->lock);
    enum weir_status status = append_raw_locked(log, batches, &result, detail);
    weir_lock_release(&log->lock);
    if (status == WEIR_OK)
        *out = result;
    return status;
}
