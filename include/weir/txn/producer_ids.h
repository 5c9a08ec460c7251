/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Producer ids.  They come from the controller in blocks of 1000 that live in memory only: a restart
 * abandons the rest of its block, as Apache Kafka does, so that no id is ever given twice.  The next
 * block is asked for when nine tenths of the current one are given, so that usually nobody waits.
 * Any thread.
 */

#include "weir/base/list.h"
#include "weir/base/status.h"

#include <stdint.h>

struct weir_controller;
struct weir_producer_ids;

/* Where blocks come from.  allocate never blocks; block->done is called exactly once, from any
 * thread, possibly before allocate returns. */
struct weir_producer_id_block {
    void (*done)(struct weir_producer_id_block *block);
    /* out */
    enum weir_status status;
    int64_t first_id;
    int32_t id_count; /* at least 1 when the status is OK */
};

struct weir_producer_id_source {
    void (*allocate)(void *context, struct weir_producer_id_block *block);
};

/* Somebody who waits for an id.  Lives in the waiter until done, which is called exactly once, with
 * no lock held: before weir_producer_ids_take returns, or later from the thread that brings the
 * block.  A status other than OK is that of the allocation. */
struct weir_producer_id_waiter {
    struct weir_list node;
    void (*done)(struct weir_producer_id_waiter *waiter, enum weir_status status,
                 int64_t producer_id);
};

/* NO_MEMORY.  source and context are borrowed. */
WEIR_MUST_CHECK enum weir_status weir_producer_ids_new(const struct weir_producer_id_source *source,
                                                       void *context,
                                                       struct weir_producer_ids **out);
/* From the blocks that this node's controller gives to broker_id. */
WEIR_MUST_CHECK enum weir_status
weir_producer_ids_of_controller(struct weir_controller *controller, int32_t broker_id,
                                struct weir_producer_ids **out);
/* Nobody waits any more and no block is on its way.  NULL is allowed. */
void weir_producer_ids_free(struct weir_producer_ids *ids);

void weir_producer_ids_take(struct weir_producer_ids *ids, struct weir_producer_id_waiter *waiter);
