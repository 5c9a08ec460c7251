/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Producers of one partition.
 *
 * I1  open: a heap of the producers with an open transaction, least first offset on top; a producer
 * is in it exactly when its txn_first_offset is not -1. I2  ended: transactions whose marker is
 * written but not yet below the high watermark, in order of their markers. I3  room for one more in
 * either is made by prepare, so that update and apply_marker cannot fail behind a write.
 */

#include "producer_state_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

enum weir_status weir_producer_state_new(struct weir_producer_state **out)
{
    struct weir_producer_state *state = weir_calloc(1, sizeof(*state));
    if (state == NULL)
        return WEIR_NO_MEMORY;
    *out = state;
    return WEIR_OK;
}

void weir_producer_state_clear(struct weir_producer_state *state)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&state->producers, &cursor)) != NULL)
        weir_free(entry->value);
    weir_map_done(&state->producers);
    weir_producer_verifications_clear(state);
    weir_heap_done(&state->open);
    state->ended_count = 0;
}

void weir_producer_state_free(struct weir_producer_state *state)
{
    if (state == NULL)
        return;
    weir_producer_state_clear(state);
    weir_free(state->ended);
    weir_free(state);
}

static struct producer_entry *find_entry(const struct weir_producer_state *state,
                                         int64_t producer_id)
{
    return weir_map_get(&state->producers, WEIR_KEY(producer_id));
}

const struct weir_producer *weir_producer_state_find(const struct weir_producer_state *state,
                                                     int64_t producer_id)
{
    const struct producer_entry *entry = find_entry(state, producer_id);
    return entry == NULL || entry->is_placeholder ? NULL : &entry->producer;
}

size_t weir_producer_state_count(const struct weir_producer_state *state)
{
    return state->producers.count - state->placeholder_count;
}

const struct weir_producer *weir_producer_state_next(const struct weir_producer_state *state,
                                                     size_t *cursor)
{
    const struct weir_map_entry *item;
    while ((item = weir_map_next(&state->producers, cursor)) != NULL) {
        const struct producer_entry *entry = item->value;
        if (!entry->is_placeholder)
            return &entry->producer;
    }
    return NULL;
}

const struct weir_producer_batch *
weir_producer_state_duplicate(const struct weir_producer_state *state,
                              const struct weir_batch *batch)
{
    const struct weir_producer *producer = weir_producer_state_find(state, batch->producer_id);
    if (producer == NULL || producer->producer_epoch != batch->producer_epoch)
        return NULL;
    int32_t last_sequence = weir_batch_last_sequence(batch);
    for (int32_t i = 0; i < producer->batch_count; i++) {
        const struct weir_producer_batch *known = &producer->batches[i];
        if (known->first_sequence == batch->base_sequence && known->last_sequence == last_sequence)
            return known;
    }
    return NULL;
}

static enum weir_status check_epoch(const struct weir_producer *producer, int64_t producer_id,
                                    int16_t epoch, struct weir_detail *detail)
{
    if (epoch >= producer->producer_epoch)
        return WEIR_OK;
    weir_detail_set(detail,
                    "Epoch of producer %lld is %d, which is smaller than the last seen epoch %d",
                    (long long)producer_id, epoch, producer->producer_epoch);
    return WEIR_INVALID_PRODUCER_EPOCH;
}

static enum weir_status check_sequence(const struct weir_producer *producer,
                                       const struct weir_batch *batch, struct weir_detail *detail)
{
    int32_t first = batch->base_sequence;
    if (producer->producer_epoch == WEIR_BATCH_NO_PRODUCER_EPOCH)
        return WEIR_OK;
    if (batch->producer_epoch != producer->producer_epoch) {
        if (first == 0)
            return WEIR_OK;
        weir_detail_set(
            detail,
            "Invalid sequence number for new epoch of producer %lld: %d (request epoch), %d (seq. "
            "number), %d (current producer epoch)",
            (long long)batch->producer_id, batch->producer_epoch, first, producer->producer_epoch);
        return WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    /* Without a cached batch (a marker came last) the next sequence is 0. */
    int32_t last = producer->batch_count > 0
                       ? producer->batches[producer->batch_count - 1].last_sequence
                       : WEIR_BATCH_NO_SEQUENCE;
    if ((int64_t)first == (int64_t)last + 1 || (first == 0 && last == INT32_MAX))
        return WEIR_OK;
    weir_detail_set(detail,
                    "Out of order sequence number for producer %lld: %d (incoming seq. number), %d "
                    "(current end "
                    "sequence number)",
                    (long long)batch->producer_id, first, last);
    return WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

enum weir_status weir_producer_state_check(const struct weir_producer_state *state,
                                           const struct weir_batch *batch,
                                           enum weir_append_origin origin,
                                           struct weir_detail *detail)
{
    const struct weir_producer *producer = weir_producer_state_find(state, batch->producer_id);
    if (origin == WEIR_APPEND_REPLICATION || origin == WEIR_APPEND_RAFT)
        return WEIR_OK;
    if (producer == NULL)
        return origin == WEIR_APPEND_CLIENT
                   ? weir_producer_verification_check(state, batch, detail)
                   : WEIR_OK;
    enum weir_status status =
        check_epoch(producer, batch->producer_id, batch->producer_epoch, detail);
    if (status == WEIR_OK && origin == WEIR_APPEND_CLIENT)
        status = weir_producer_verification_check(state, batch, detail);
    if (status == WEIR_OK && origin == WEIR_APPEND_CLIENT)
        status = check_sequence(producer, batch, detail);
    if (status == WEIR_OK && producer->txn_first_offset >= 0 &&
        !weir_batch_is_transactional(batch)) {
        weir_detail_set(detail, "Expected transactional write from producer %lld",
                        (long long)batch->producer_id);
        status = WEIR_INVALID_TXN_STATE;
    }
    return status;
}

enum weir_status weir_producer_state_check_marker(const struct weir_producer_state *state,
                                                  const struct weir_txn_marker *marker,
                                                  enum weir_append_origin origin,
                                                  int8_t transaction_version,
                                                  struct weir_detail *detail)
{
    const struct weir_producer *producer = weir_producer_state_find(state, marker->producer_id);
    if (producer == NULL || origin == WEIR_APPEND_REPLICATION || origin == WEIR_APPEND_RAFT)
        return WEIR_OK;
    enum weir_status status =
        check_epoch(producer, marker->producer_id, marker->producer_epoch, detail);
    if (status != WEIR_OK)
        return status;
    /* KIP-890: with version 2 a marker carries a bumped epoch; the same epoch is a retry, or the
     * last one there is. */
    bool is_retry = producer->txn_first_offset < 0 || marker->producer_epoch == INT16_MAX;
    if (transaction_version >= 2 && marker->producer_epoch == producer->producer_epoch &&
        !is_retry) {
        weir_detail_set(
            detail, "Marker of producer %lld has epoch %d, which is not above the last seen epoch",
            (long long)marker->producer_id, marker->producer_epoch);
        return WEIR_INVALID_PRODUCER_EPOCH;
    }
    if (marker->coordinator_epoch < producer->coordinator_epoch) {
        weir_detail_set(
            detail, "Invalid coordinator epoch for producer %lld: %d (zombie), %d (current)",
            (long long)marker->producer_id, marker->coordinator_epoch, producer->coordinator_epoch);
        return WEIR_TRANSACTION_COORDINATOR_FENCED;
    }
    return WEIR_OK;
}

enum weir_status weir_producer_state_reserve(struct weir_producer_state *state, size_t count)
{
    struct weir_completed_txn *ended = weir_grow(
        state->ended, &state->ended_capacity, state->ended_count + count, sizeof(state->ended[0]));
    if (ended == NULL)
        return WEIR_NO_MEMORY;
    state->ended = ended;
    struct weir_heap_node **nodes =
        weir_grow(state->open.nodes, &state->open.capacity, state->open.count + count,
                  sizeof(state->open.nodes[0]));
    if (nodes == NULL)
        return WEIR_NO_MEMORY;
    state->open.nodes = nodes;
    return WEIR_OK;
}

enum weir_status weir_producer_state_prepare(struct weir_producer_state *state, int64_t producer_id)
{
    enum weir_status status = weir_producer_state_reserve(state, 1);
    if (status != WEIR_OK)
        return status;
    if (find_entry(state, producer_id) != NULL)
        return WEIR_OK;
    struct producer_entry *entry = weir_calloc(1, sizeof(*entry));
    if (entry == NULL)
        return WEIR_NO_MEMORY;
    entry->is_placeholder = true;
    entry->producer = (struct weir_producer){.producer_id = producer_id,
                                             .producer_epoch = WEIR_BATCH_NO_PRODUCER_EPOCH,
                                             .coordinator_epoch = -1,
                                             .last_timestamp = WEIR_BATCH_NO_TIMESTAMP,
                                             .txn_first_offset = -1};
    status = weir_map_put(&state->producers, WEIR_KEY(entry->producer.producer_id), entry, NULL);
    if (status != WEIR_OK)
        weir_free(entry);
    else
        state->placeholder_count++;
    return status;
}

/* The entry that prepare made sure of. */
static struct producer_entry *prepared_entry(struct weir_producer_state *state, int64_t producer_id)
{
    struct producer_entry *entry = find_entry(state, producer_id);
    WEIR_ASSERT(entry != NULL);
    if (entry->is_placeholder) {
        entry->is_placeholder = false;
        state->placeholder_count--;
    }
    return entry;
}

static void set_epoch(struct weir_producer *producer, int16_t epoch)
{
    if (producer->producer_epoch == epoch)
        return;
    producer->producer_epoch = epoch;
    producer->batch_count = 0;
}

void weir_producer_entry_open_txn(struct weir_producer_state *state, struct producer_entry *entry,
                                  int64_t first_offset)
{
    entry->producer.txn_first_offset = first_offset;
    enum weir_status status = weir_heap_set(&state->open, &entry->open_node, first_offset);
    WEIR_ASSERT(status == WEIR_OK); /* I3 */
}

void weir_producer_state_update(struct weir_producer_state *state, const struct weir_batch *batch)
{
    struct producer_entry *entry = prepared_entry(state, batch->producer_id);
    struct weir_producer *producer = &entry->producer;
    set_epoch(producer, batch->producer_epoch);
    if (producer->batch_count == WEIR_PRODUCER_BATCHES_MAX) {
        memmove(producer->batches, producer->batches + 1,
                (WEIR_PRODUCER_BATCHES_MAX - 1) * sizeof(producer->batches[0]));
        producer->batch_count--;
    }
    producer->batches[producer->batch_count++] =
        (struct weir_producer_batch){.first_sequence = batch->base_sequence,
                                     .last_sequence = weir_batch_last_sequence(batch),
                                     .last_offset = batch->last_offset,
                                     .offset_delta = batch->last_offset_delta,
                                     .timestamp = batch->max_timestamp};
    producer->last_timestamp = batch->max_timestamp;
    if (!weir_batch_is_transactional(batch))
        return;
    weir_producer_verification_drop(state, batch->producer_id);
    if (producer->txn_first_offset < 0)
        weir_producer_entry_open_txn(state, entry, batch->base_offset);
}

bool weir_producer_state_apply_marker(struct weir_producer_state *state,
                                      const struct weir_txn_marker *marker, int64_t offset,
                                      int64_t timestamp, struct weir_completed_txn *out)
{
    struct producer_entry *entry = prepared_entry(state, marker->producer_id);
    struct weir_producer *producer = &entry->producer;
    set_epoch(producer, marker->producer_epoch);
    weir_producer_verification_drop(state, marker->producer_id);
    producer->coordinator_epoch = marker->coordinator_epoch;
    producer->last_timestamp = timestamp;
    if (producer->txn_first_offset < 0)
        return false;
    *out = (struct weir_completed_txn){.producer_id = marker->producer_id,
                                       .first_offset = producer->txn_first_offset,
                                       .last_offset = offset,
                                       .is_aborted = !marker->is_commit};
    weir_heap_remove(&state->open, &entry->open_node);
    producer->txn_first_offset = -1;
    WEIR_ASSERT(state->ended_count < state->ended_capacity); /* I3 */
    state->ended[state->ended_count++] = *out;
    return true;
}

static int64_t first_open(const struct weir_producer_state *state)
{
    const struct weir_heap_node *node = weir_heap_first(&state->open);
    return node == NULL ? -1 : node->key;
}

int64_t weir_producer_state_last_stable_offset(const struct weir_producer_state *state,
                                               const struct weir_completed_txn *completed)
{
    int64_t first = first_open(state);
    return first >= 0 ? first : completed->last_offset + 1;
}

int64_t weir_producer_state_first_unstable(const struct weir_producer_state *state)
{
    int64_t first = first_open(state);
    for (size_t i = 0; i < state->ended_count; i++) {
        if (first < 0 || state->ended[i].first_offset < first)
            first = state->ended[i].first_offset;
    }
    return first;
}

void weir_producer_state_on_high_watermark(struct weir_producer_state *state,
                                           int64_t high_watermark)
{
    size_t passed = 0;
    while (passed < state->ended_count && state->ended[passed].last_offset < high_watermark)
        passed++;
    if (passed == 0)
        return;
    memmove(state->ended, state->ended + passed,
            (state->ended_count - passed) * sizeof(state->ended[0]));
    state->ended_count -= passed;
}

void weir_producer_state_expire(struct weir_producer_state *state, int64_t now_ms,
                                int64_t expiration_ms)
{
    weir_producer_verifications_expire(state, now_ms, expiration_ms);
    /* Removing may move entries of the map, so the walk begins again after a removal only when it
     * must: victims are collected in a list first. */
    struct producer_entry *victims = NULL;
    size_t cursor = 0;
    const struct weir_map_entry *item;
    while ((item = weir_map_next(&state->producers, &cursor)) != NULL) {
        struct producer_entry *entry = item->value;
        int64_t age_ms = 0; /* batches and snapshots carry any timestamp */
        bool is_old = !__builtin_sub_overflow(now_ms, entry->producer.last_timestamp, &age_ms) &&
                      age_ms >= expiration_ms;
        if (entry->producer.txn_first_offset < 0 && (is_old || entry->is_placeholder)) {
            entry->next_victim = victims;
            victims = entry;
        }
    }
    while (victims != NULL) {
        struct producer_entry *entry = victims;
        victims = entry->next_victim;
        if (entry->is_placeholder)
            state->placeholder_count--;
        (void)weir_map_remove(&state->producers,
                              WEIR_KEY(entry->producer.producer_id)); /* it is the entry itself */
        weir_free(entry);
    }
}
