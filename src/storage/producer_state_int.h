/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "weir/storage/producer_state.h"

#include "weir/base/heap.h"

struct producer_entry {
    struct weir_producer producer;
    struct weir_heap_node open_node;
    bool is_placeholder; /* made by prepare, nothing written yet */
    struct producer_entry *next_victim;
};

/* A verification under way, or one whose batch has not come yet. */
struct producer_verification {
    int64_t producer_id;
    uint64_t guard;
    int64_t begun_ms;
    int32_t lowest_sequence; /* of those that were asked for in this epoch */
    int16_t epoch;
    bool supports_epoch_bump;
    struct producer_verification *next_victim;
};

struct weir_producer_state {
    struct weir_map verifications; /* by producer id, to struct producer_verification */
    uint64_t last_guard;           /* given out; 0 is none */
    struct weir_map producers; /* by producer id, to struct producer_entry */
    size_t placeholder_count;
    struct weir_heap open;
    struct weir_completed_txn *ended;
    size_t ended_count;
    size_t ended_capacity;
};

/* producer_verification.c: NULL when there is none. */
const struct producer_verification *
weir_producer_verification(const struct weir_producer_state *state, int64_t producer_id);
void weir_producer_verification_drop(struct weir_producer_state *state, int64_t producer_id);
void weir_producer_verifications_clear(struct weir_producer_state *state);
void weir_producer_verifications_expire(struct weir_producer_state *state, int64_t now_ms,
                                        int64_t expiration_ms);
/* Whether a client's batch may come next as far as the verification says. */
enum weir_status weir_producer_verification_check(const struct weir_producer_state *state,
                                                  const struct weir_batch *batch,
                                                  struct weir_detail *detail);

/* prepare must have made room. */
void weir_producer_entry_open_txn(struct weir_producer_state *state, struct producer_entry *entry,
                                  int64_t first_offset);
