/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Producer ids for InitProducerId.  They come from the controller in blocks of 1000 that live in
 * memory only: a restart abandons the rest of its block, as Apache Kafka does, so that no id is
 * ever given twice.  Any thread.
 */

#include "weir/base/list.h"
#include "weir/metadata/controller.h"

struct weir_producer_ids;

/* Somebody who waits for an id.  Lives in the waiter; done may be called before
 * weir_producer_ids_take returns, or later from the controller's thread. */
struct weir_producer_id_waiter {
    struct weir_list node;
    void (*done)(struct weir_producer_id_waiter *waiter, enum weir_status status,
                 int64_t producer_id);
};

WEIR_MUST_CHECK enum weir_status weir_producer_ids_new(struct weir_controller *controller,
                                                       int32_t broker_id,
                                                       struct weir_producer_ids **out);
/* Nobody waits any more. */
void weir_producer_ids_free(struct weir_producer_ids *ids);

void weir_producer_ids_take(struct weir_producer_ids *ids, struct weir_producer_id_waiter *waiter);
