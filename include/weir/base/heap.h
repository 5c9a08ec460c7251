/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Binary min-heap of intrusive nodes ordered by an int64 (a deadline).  Not thread-safe. */

#include "weir/base/status.h"

#include <stdint.h>

struct weir_heap_node {
    int64_t key;
    size_t index_plus_one; /* 0: not in a heap */
};

struct weir_heap {
    struct weir_heap_node **nodes;
    size_t count;
    size_t capacity;
};

void weir_heap_done(struct weir_heap *heap);
/* Puts the node in, or moves it when it is in already.  NO_MEMORY only when it was not. */
WEIR_MUST_CHECK enum weir_status weir_heap_set(struct weir_heap *heap, struct weir_heap_node *node,
                                               int64_t key);
/* Nothing happens when it is not in. */
void weir_heap_remove(struct weir_heap *heap, struct weir_heap_node *node);
/* The node with the least key, or NULL. */
struct weir_heap_node *weir_heap_first(const struct weir_heap *heap);
