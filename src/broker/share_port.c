/* SPDX-License-Identifier: Apache-2.0 */

/* Binds share groups to the share coordinator: one operation for each partition; the call is done
 * when the last of them is. */

#include "share_port.h"

#include "broker_int.h"

#include "weir/base/memory.h"

#include <stdatomic.h>

struct relay;

struct relayed {
    struct weir_share_state_op op;
    struct relay *relay;
    size_t index;
};

struct relay {
    struct weir_group_share_call *call;
    atomic_size_t open_count; /* acquire and release: the last to finish sees what others wrote */
    struct relayed items[];
};

static void finish_one(struct relay *relay)
{
    if (atomic_fetch_sub_explicit(&relay->open_count, 1, memory_order_acq_rel) != 1)
        return;
    struct weir_group_share_call *call = relay->call;
    weir_free(relay);
    call->done(call);
}

static void on_done(struct weir_share_state_op *op)
{
    struct relayed *relayed = WEIR_CONTAINER_OF(op, struct relayed, op);
    relayed->relay->call->items[relayed->index].status = op->status;
    weir_share_state_op_free(op);
    finish_one(relayed->relay);
}

static void start(const struct weir_broker *broker, struct weir_group_share_call *call,
                  bool is_removal)
{
    struct relay *relay =
        weir_calloc(1, sizeof(*relay) + call->item_count * sizeof(relay->items[0]));
    if (relay == NULL) {
        for (size_t i = 0; i < call->item_count; i++)
            call->items[i].status = WEIR_COORDINATOR_NOT_AVAILABLE;
        call->done(call);
        return;
    }
    relay->call = call;
    atomic_init(&relay->open_count, call->item_count + 1); /* and one while they are started */
    size_t count = call->item_count;
    for (size_t i = 0; i < count; i++) {
        const struct weir_group_share_item *item = &call->items[i];
        struct weir_share_key key = {.group_id = call->group_id,
                                     .topic_id = item->topic_id,
                                     .partition = item->partition};
        relay->items[i].relay = relay;
        relay->items[i].index = i;
        relay->items[i].op.done = on_done;
        if (is_removal)
            weir_share_state_delete(broker->shares, &key, &relay->items[i].op);
        else
            weir_share_state_initialize(broker->shares, &key, call->state_epoch,
                                        item->start_offset, &relay->items[i].op);
    }
    finish_one(relay);
}

static void initialize(void *context, struct weir_group_share_call *call)
{
    start(context, call, false);
}

static void remove_state(void *context, struct weir_group_share_call *call)
{
    start(context, call, true);
}

const struct weir_group_share_port weir_share_port_of_groups = {.initialize = initialize,
                                                                .remove = remove_state};
