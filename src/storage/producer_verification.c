/* SPDX-License-Identifier: Apache-2.0 */

/* The guards of KIP-890: which producers' transactions are being verified in this partition. */

#include "producer_state_int.h"

#include "weir/base/memory.h"

const struct producer_verification *
weir_producer_verification(const struct weir_producer_state *state, int64_t producer_id)
{
    return weir_map_get(&state->verifications, WEIR_KEY(producer_id));
}

void weir_producer_verification_drop(struct weir_producer_state *state, int64_t producer_id)
{
    weir_free(weir_map_remove(&state->verifications, WEIR_KEY(producer_id)));
}

void weir_producer_verifications_clear(struct weir_producer_state *state)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&state->verifications, &cursor)) != NULL)
        weir_free(entry->value);
    weir_map_done(&state->verifications);
}

void weir_producer_verifications_expire(struct weir_producer_state *state, int64_t now_ms,
                                        int64_t expiration_ms)
{
    /* Removing may move entries of the map: victims are collected first. */
    struct producer_verification *victims = NULL;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&state->verifications, &cursor)) != NULL) {
        struct producer_verification *verification = entry->value;
        if (now_ms - verification->begun_ms < expiration_ms)
            continue;
        verification->next_victim = victims;
        victims = verification;
    }
    while (victims != NULL) {
        struct producer_verification *victim = victims;
        victims = victim->next_victim;
        weir_producer_verification_drop(state, victim->producer_id);
    }
}

/* Of a retry in the same epoch the lower sequence counts, of a new epoch its own. */
static void join_verification(struct producer_verification *verification,
                              const struct weir_verification_request *request)
{
    if (request->producer_epoch > verification->epoch) {
        verification->epoch = request->producer_epoch;
        verification->lowest_sequence = request->base_sequence;
    } else if (request->producer_epoch == verification->epoch &&
               request->base_sequence < verification->lowest_sequence) {
        verification->lowest_sequence = request->base_sequence;
    }
}

enum weir_status
weir_producer_state_begin_verification(struct weir_producer_state *state,
                                       const struct weir_verification_request *request,
                                       int64_t now_ms, uint64_t *out_guard)
{
    struct producer_verification *verification =
        weir_map_get(&state->verifications, WEIR_KEY(request->producer_id));
    if (verification == NULL) {
        verification = weir_calloc(1, sizeof(*verification));
        if (verification == NULL)
            return WEIR_NO_MEMORY;
        *verification =
            (struct producer_verification){.producer_id = request->producer_id,
                                           .guard = state->last_guard + 1,
                                           .begun_ms = now_ms,
                                           .lowest_sequence = request->base_sequence,
                                           .epoch = request->producer_epoch,
                                           .supports_epoch_bump = request->supports_epoch_bump};
        enum weir_status status = weir_map_put(
            &state->verifications, WEIR_KEY(verification->producer_id), verification, NULL);
        if (status != WEIR_OK) {
            weir_free(verification);
            return status;
        }
        state->last_guard = verification->guard;
    } else {
        join_verification(verification, request);
    }
    *out_guard = verification->guard;
    return WEIR_OK;
}

bool weir_producer_state_is_verified(const struct weir_producer_state *state, int64_t producer_id,
                                     uint64_t guard)
{
    const struct producer_verification *verification =
        weir_producer_verification(state, producer_id);
    return verification != NULL && verification->guard == guard;
}

enum weir_status weir_producer_verification_check(const struct weir_producer_state *state,
                                                  const struct weir_batch *batch,
                                                  struct weir_detail *detail)
{
    const struct weir_producer *producer = weir_producer_state_find(state, batch->producer_id);
    const struct producer_verification *verification =
        weir_producer_verification(state, batch->producer_id);
    /* One of an older epoch is that of a zombie, and says nothing about this producer. */
    if (verification == NULL || batch->producer_epoch > verification->epoch)
        return WEIR_OK;
    bool has_batches = producer != NULL && producer->batch_count > 0;
    if (verification->supports_epoch_bump && batch->base_sequence != 0 && !has_batches) {
        weir_detail_set(detail,
                        "Invalid sequence number for producer %lld: %d, where its first batch in a "
                        "transaction must have 0",
                        (long long)batch->producer_id, batch->base_sequence);
        return WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    if (batch->base_sequence > verification->lowest_sequence) {
        weir_detail_set(detail,
                        "Out of order sequence number for producer %lld: %d (incoming seq. "
                        "number), %d (earliest seen sequence)",
                        (long long)batch->producer_id, batch->base_sequence,
                        verification->lowest_sequence);
        return WEIR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    return WEIR_OK;
}
