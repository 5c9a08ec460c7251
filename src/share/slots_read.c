/* SPDX-License-Identifier: Apache-2.0 */
/* From a share partition to bytes of the log: where to read, which batches, which of them are of
 * aborted transactions, and what of it the answer needs. */
#include "slots_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/record/batch.h"

/* So many batches of one read are looked at; the next fetch reads on. */
#define BATCHES_MAX 4096
/* Reads in a row that gave only aborted transactions. */
#define READS_MAX 16

struct found_batch {
    uint64_t file_pos;
    size_t size;
};

struct reading {
    struct weir_share_slot *slot;
    const struct weir_share_read_terms *terms;
    struct slot_config config;
    int64_t offset; /* where the read began */
    bool has_read;
    struct weir_log_read read;
    /* What was found in it; heap. */
    struct weir_share_range *batches;
    struct found_batch *places;
    size_t batch_count;
    size_t batch_count_max;
    size_t place_count_max;
    struct weir_share_range *aborted;
    size_t aborted_count;
    size_t aborted_count_max;
};

static void reading_done(struct reading *reading)
{
    if (reading->has_read)
        weir_log_read_done(&reading->read);
    weir_free(reading->batches);
    weir_free(reading->places);
    weir_free(reading->aborted);
}

/* Where to read.  False: not now; *out_status says whether that is for good. */
static bool begin(struct reading *reading, struct weir_partition_log *log,
                  enum weir_status *out_status)
{
    struct weir_share_slot *slot = reading->slot;
    bool is_wanted = false;
    int64_t log_start_offset = log == NULL ? -1 : weir_partition_log_start_offset(log);
    weir_lock_take(&slot->lock);
    *out_status = slot->state == SLOT_DROPPED ? slot->status : WEIR_OK;
    if (slot->state == SLOT_READY) {
        if (weir_share_partition_start_offset(slot->machine) < log_start_offset)
            weir_share_partition_log_start_moved(slot->machine, log_start_offset);
        is_wanted = weir_share_partition_can_acquire(slot->machine, &reading->config.partition);
        reading->offset = weir_share_partition_next_fetch_offset(slot->machine);
    }
    weir_lock_release(&slot->lock);
    return is_wanted;
}

/* OK with has_read false: nothing now. */
static enum weir_status read_log(struct reading *reading)
{
    struct weir_share_slot *slot = reading->slot;
    struct weir_partition_log *log;
    enum weir_status status = weir_partition_leader_log(slot->partition, slot->leader_epoch, &log);
    if (status != WEIR_OK) {
        slot_drop(slot, WEIR_NOT_LEADER_OR_FOLLOWER);
        return status;
    }
    if (begin(reading, log, &status)) {
        struct weir_log_read_options options = {
            .offset = reading->offset,
            .bytes_max = reading->terms->bytes_max,
            .limit = reading->config.is_read_committed ? WEIR_LOG_READ_TO_LAST_STABLE
                                                       : WEIR_LOG_READ_TO_HIGH_WATERMARK,
            .min_one_batch = true,
            .with_aborted_txns = reading->config.is_read_committed,
        };
        struct weir_detail detail = {{0}};
        status = weir_partition_log_read(log, &options, &reading->read, &detail);
        reading->has_read = status == WEIR_OK;
        if (status == WEIR_OFFSET_OUT_OF_RANGE)
            status = WEIR_OK; /* above the end; a log start that moved is seen at the next look */
    }
    weir_partition_log_unref(log);
    return status;
}

enum weir_status weir_share_slot_look(struct weir_share_slot *slot,
                                      const struct weir_share_read_terms *terms, int64_t *out_bytes)
{
    struct reading reading = {.slot = slot, .terms = terms};
    slot_config(slot->owner, slot->key.group_id, &reading.config);
    enum weir_status status = read_log(&reading);
    *out_bytes = reading.has_read ? (int64_t)reading.read.range.size : 0;
    reading_done(&reading);
    return status;
}

/* ---- Batches ---- */

static bool is_aborted(const struct reading *reading, const struct weir_batch *batch)
{
    if (!weir_batch_is_transactional(batch) || weir_batch_is_control(batch))
        return false;
    for (size_t i = 0; i < reading->read.aborted_count; i++) {
        const struct weir_aborted_txn *txn = &reading->read.aborted[i];
        if (txn->producer_id == batch->producer_id && txn->first_offset <= batch->base_offset &&
            batch->base_offset <= txn->last_offset)
            return true;
    }
    return false;
}

static enum weir_status add_batch(struct reading *reading, const struct weir_batch *batch,
                                  struct found_batch place)
{
    struct weir_share_range range = {.first_offset = batch->base_offset,
                                     .last_offset = batch->last_offset};
    struct weir_share_range *batches =
        weir_grow(reading->batches, &reading->batch_count_max, reading->batch_count + 1,
                  sizeof(*reading->batches));
    if (batches == NULL)
        return WEIR_NO_MEMORY;
    reading->batches = batches;
    struct found_batch *places = weir_grow(reading->places, &reading->place_count_max,
                                           reading->batch_count + 1, sizeof(*reading->places));
    if (places == NULL)
        return WEIR_NO_MEMORY;
    reading->places = places;
    if (is_aborted(reading, batch)) {
        struct weir_share_range *aborted =
            weir_grow(reading->aborted, &reading->aborted_count_max, reading->aborted_count + 1,
                      sizeof(*reading->aborted));
        if (aborted == NULL)
            return WEIR_NO_MEMORY;
        reading->aborted = aborted;
        aborted[reading->aborted_count++] = range;
    }
    batches[reading->batch_count] = range;
    places[reading->batch_count++] = place;
    return WEIR_OK;
}

/* Whole batches only; more than can be acquired is not looked at. */
static enum weir_status find_batches(struct reading *reading)
{
    struct weir_env *env = reading->slot->owner->options.env;
    const struct weir_file_range *range = &reading->read.range;
    int64_t span =
        (int64_t)reading->terms->records_max + reading->config.partition.record_locks_max;
    size_t at = 0;
    while (range->size - at >= WEIR_BATCH_PREFIX_BYTES && reading->batch_count < BATCHES_MAX) {
        uint8_t head[WEIR_BATCH_HEADER_BYTES];
        size_t left = range->size - at;
        size_t got;
        size_t size;
        struct weir_batch batch;
        struct weir_detail detail = {{0}};
        enum weir_status status =
            weir_file_read_at(env, range->file, head, left < sizeof(head) ? left : sizeof(head),
                              range->file_pos + at, &got, &detail);
        if (status == WEIR_OK)
            status = weir_batch_parse_header(weir_slice_of(head, got), &batch, &size, &detail);
        if (status == WEIR_TRUNCATED)
            break;
        if (status != WEIR_OK)
            return WEIR_KAFKA_STORAGE_ERROR;
        if (size > left)
            break;
        struct found_batch place = {.file_pos = range->file_pos + at, .size = size};
        status = add_batch(reading, &batch, place);
        if (status != WEIR_OK)
            return status;
        at += size;
        if (batch.last_offset - reading->offset >= span)
            break;
    }
    return WEIR_OK;
}

/* The bytes of the batches that hold what was acquired go to the answer. */
static void take_range(struct reading *reading, struct weir_share_read *out)
{
    int64_t first = out->acquired[0].first_offset;
    int64_t last = out->acquired[out->acquired_count - 1].last_offset;
    size_t from = 0;
    size_t to = reading->batch_count;
    while (from + 1 < to && reading->batches[from].last_offset < first)
        from++;
    while (to > from + 1 && reading->batches[to - 1].first_offset > last)
        to--;
    out->range = weir_log_read_take_range(&reading->read);
    const struct found_batch *end = &reading->places[to - 1];
    out->range.file_pos = reading->places[from].file_pos;
    out->range.size = (size_t)(end->file_pos - out->range.file_pos) + end->size;
}

static enum weir_status acquire(struct reading *reading, struct weir_arena *arena,
                                struct weir_share_read *out)
{
    struct weir_share_slot *slot = reading->slot;
    const struct weir_share_read_terms *terms = reading->terms;
    struct weir_share_acquire acquire = {.member_id = terms->member_id,
                                         .fetch_offset = reading->offset,
                                         .log_batches = reading->batches,
                                         .log_batch_count = reading->batch_count,
                                         .aborted = reading->aborted,
                                         .aborted_count = reading->aborted_count,
                                         .records_max = terms->records_max,
                                         .batch_size = terms->batch_size,
                                         .is_record_limited = terms->is_record_limited};
    int64_t now_ms = weir_env_monotonic_ms(slot->owner->options.env);
    enum weir_status status;
    weir_lock_take(&slot->lock);
    if (slot->state == SLOT_READY) {
        status = weir_share_partition_acquire(slot->machine, &reading->config.partition, &acquire,
                                              now_ms, arena, &out->acquired, &out->acquired_count);
        slot_arm(slot, now_ms);
    } else {
        status = slot->state == SLOT_DROPPED ? slot->status : WEIR_OK;
    }
    weir_lock_release(&slot->lock);
    for (size_t i = 0; i < out->acquired_count; i++)
        out->record_count += out->acquired[i].last_offset - out->acquired[i].first_offset + 1;
    return status;
}

enum weir_status weir_share_slot_acquire(struct weir_share_slot *slot,
                                         const struct weir_share_read_terms *terms,
                                         struct weir_arena *arena, struct weir_share_read *out)
{
    enum weir_status status = WEIR_OK;
    *out = (struct weir_share_read){0};
    for (int i = 0; i < READS_MAX && out->acquired_count == 0; i++) {
        struct reading reading = {.slot = slot, .terms = terms};
        slot_config(slot->owner, slot->key.group_id, &reading.config);
        status = read_log(&reading);
        if (status == WEIR_OK && reading.has_read && reading.read.range.size > 0)
            status = find_batches(&reading);
        if (status == WEIR_OK && reading.batch_count > 0)
            status = acquire(&reading, arena, out);
        if (status == WEIR_OK && out->acquired_count > 0)
            take_range(&reading, out);
        bool goes_on = status == WEIR_OK && reading.aborted_count > 0;
        reading_done(&reading);
        if (!goes_on)
            break;
    }
    return status;
}
