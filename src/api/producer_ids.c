/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I1  at most one block is being fetched at a time; whoever finds the block empty waits for it.
 * I2  no waiter is called with the lock held.
 */
#include "producer_ids.h"

#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

struct weir_producer_ids {
    struct weir_controller *controller;
    int32_t broker_id;
    struct weir_lock lock;
    int64_t next_id;
    int64_t end_id; /* ids below it may be given */
    bool is_fetching;
    struct weir_list waiters;
    struct weir_controller_op op; /* used while is_fetching */
    struct weir_arena arena;
};

static void fetch_block(struct weir_producer_ids *ids);

enum weir_status weir_producer_ids_new(struct weir_controller *controller, int32_t broker_id,
                                       struct weir_producer_ids **out)
{
    struct weir_producer_ids *ids = weir_calloc(1, sizeof(*ids));
    if (ids == NULL)
        return WEIR_NO_MEMORY;
    ids->controller = controller;
    ids->broker_id = broker_id;
    weir_lock_init(&ids->lock, WEIR_LOCK_RANK_LEAF);
    weir_list_init(&ids->waiters);
    weir_arena_init(&ids->arena, 0);
    *out = ids;
    return WEIR_OK;
}

void weir_producer_ids_free(struct weir_producer_ids *ids)
{
    if (ids == NULL)
        return;
    weir_arena_done(&ids->arena);
    weir_lock_done(&ids->lock);
    weir_free(ids);
}

/* Gives ids to those who wait until the block is empty; on a failure everybody hears of it.  True:
 * fetch another. */
static bool serve_waiters(struct weir_producer_ids *ids, enum weir_status status)
{
    for (;;) {
        weir_lock_take(&ids->lock);
        bool has_id = ids->next_id < ids->end_id;
        struct weir_list *node = weir_list_is_empty(&ids->waiters) || (status == WEIR_OK && !has_id)
                                     ? NULL
                                     : weir_list_pop_front(&ids->waiters);
        if (node == NULL) {
            bool is_more_wanted = !weir_list_is_empty(&ids->waiters);
            ids->is_fetching = is_more_wanted;
            weir_lock_release(&ids->lock);
            return is_more_wanted;
        }
        int64_t id = has_id ? ids->next_id++ : -1;
        weir_lock_release(&ids->lock);
        struct weir_producer_id_waiter *waiter =
            WEIR_LIST_ENTRY(node, struct weir_producer_id_waiter, node);
        waiter->done(waiter, has_id ? WEIR_OK : status, id);
    }
}

static void block_arrived(struct weir_controller_op *op)
{
    struct weir_producer_ids *ids = op->context;
    enum weir_status status = op->result.status;
    if (status == WEIR_OK) {
        weir_lock_take(&ids->lock);
        ids->next_id = op->allocate_producer_ids.first_id;
        ids->end_id = ids->next_id + op->allocate_producer_ids.id_count;
        weir_lock_release(&ids->lock);
    }
    if (serve_waiters(ids, status))
        fetch_block(ids);
}

static void fetch_block(struct weir_producer_ids *ids)
{
    weir_arena_reset(&ids->arena);
    ids->op = (struct weir_controller_op){
        .kind = WEIR_CONTROLLER_ALLOCATE_PRODUCER_IDS,
        .arena = &ids->arena,
        .done = block_arrived,
        .context = ids,
        .allocate_producer_ids = {.broker_id = ids->broker_id, .broker_epoch = -1},
    };
    weir_controller_submit(ids->controller, &ids->op);
}

void weir_producer_ids_take(struct weir_producer_ids *ids, struct weir_producer_id_waiter *waiter)
{
    int64_t id = -1;
    bool must_fetch = false;
    weir_lock_take(&ids->lock);
    if (ids->next_id < ids->end_id && weir_list_is_empty(&ids->waiters)) {
        id = ids->next_id++;
    } else {
        weir_list_push_back(&ids->waiters, &waiter->node);
        must_fetch = !ids->is_fetching;
        ids->is_fetching = true;
    }
    weir_lock_release(&ids->lock);
    if (id >= 0)
        waiter->done(waiter, WEIR_OK, id);
    else if (must_fetch)
        fetch_block(ids);
}
