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

struct weir_producer_state {
    struct weir_map producers; /* by producer id, to struct producer_entry */
    size_t placeholder_count;
    struct weir_heap open;
    struct weir_completed_txn *ended;
    size_t ended_count;
    size_t ended_capacity;
};

/* prepare must have made room. */
void weir_producer_entry_open_txn(struct weir_producer_state *state, struct producer_entry *entry,
                                  int64_t first_offset);
