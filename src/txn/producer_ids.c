/* SPDX-License-Identifier: Apache-2.0 */
/*
 * I1  at most one block is being fetched at a time; whoever finds no id waits for it.
 * I2  no waiter is called, and no block asked for, with the lock held.
 * I3  a block is asked for early only once nine tenths of the current one are given and no other
 *     lies ready; one that could not be had is asked for again with the next id that is taken.
 */
#include "weir/txn/producer_ids.h"

#include "weir/base/memory.h"
#include "weir/metadata/controller.h"
#include "weir/runtime/lock.h"

struct id_block {
    int64_t next_id;
    int64_t end_id; /* ids below it may be given */
};

struct weir_producer_ids {
    const struct weir_producer_id_source *source;
    void *context;
    struct weir_lock lock;
    /* under the lock */
    struct id_block current;
    int64_t prefetch_id; /* I3: from this id on */
    struct id_block next;
    bool is_fetching;
    struct weir_list waiters;

    struct weir_producer_id_block block; /* used while is_fetching */

    /* of weir_producer_ids_of_controller */
    struct weir_controller *controller;
    int32_t broker_id;
    struct weir_controller_op op; /* used while is_fetching */
    struct weir_arena arena;
};

static void block_arrived(struct weir_producer_id_block *block);

enum weir_status weir_producer_ids_new(const struct weir_producer_id_source *source, void *context,
                                       struct weir_producer_ids **out)
{
    struct weir_producer_ids *ids = weir_calloc(1, sizeof(*ids));
    if (ids == NULL)
        return WEIR_NO_MEMORY;
    ids->source = source;
    ids->context = context;
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

/* ---- The controller as the source ---- */

static void controller_answered(struct weir_controller_op *op)
{
    struct weir_producer_ids *ids = op->context;
    struct weir_producer_id_block *block = &ids->block;
    block->status = op->result.status;
    if (block->status == WEIR_OK) {
        block->first_id = op->allocate_producer_ids.first_id;
        block->id_count = op->allocate_producer_ids.id_count;
    }
    block->done(block);
}

static void ask_controller(void *context, struct weir_producer_id_block *block)
{
    struct weir_producer_ids *ids = context;
    (void)block; /* it is ids->block */
    weir_arena_reset(&ids->arena);
    ids->op = (struct weir_controller_op){
        .kind = WEIR_CONTROLLER_ALLOCATE_PRODUCER_IDS,
        .arena = &ids->arena,
        .done = controller_answered,
        .context = ids,
        .allocate_producer_ids = {.broker_id = ids->broker_id, .broker_epoch = -1},
    };
    weir_controller_submit(ids->controller, &ids->op);
}

static const struct weir_producer_id_source controller_source = {.allocate = ask_controller};

enum weir_status weir_producer_ids_of_controller(struct weir_controller *controller,
                                                 int32_t broker_id, struct weir_producer_ids **out)
{
    struct weir_producer_ids *ids;
    enum weir_status status = weir_producer_ids_new(&controller_source, NULL, &ids);
    if (status != WEIR_OK)
        return status;
    ids->context = ids;
    ids->controller = controller;
    ids->broker_id = broker_id;
    *out = ids;
    return WEIR_OK;
}

/* ---- Giving ids ---- */

/* Lock held. */
static bool give_id(struct weir_producer_ids *ids, int64_t *out_id)
{
    if (ids->current.next_id == ids->current.end_id) {
        if (ids->next.next_id == ids->next.end_id)
            return false;
        ids->current = ids->next;
        ids->prefetch_id =
            ids->current.next_id + (ids->current.end_id - ids->current.next_id) / 10 * 9;
        ids->next = (struct id_block){0};
    }
    *out_id = ids->current.next_id++;
    return true;
}

/* Lock held.  True: the caller fetches a block once the lock is free. */
static bool must_fetch(struct weir_producer_ids *ids)
{
    bool is_wanted = ids->next.next_id == ids->next.end_id &&
                     (!weir_list_is_empty(&ids->waiters) ||
                      ids->current.next_id >= ids->prefetch_id); /* I3 */
    if (!is_wanted || ids->is_fetching)
        return false;
    ids->is_fetching = true;
    return true;
}

static void fetch_block(struct weir_producer_ids *ids)
{
    ids->block = (struct weir_producer_id_block){.done = block_arrived,
                                                 .status = WEIR_UNKNOWN_SERVER_ERROR};
    ids->source->allocate(ids->context, &ids->block);
}

/* Gives ids to those who wait until there is none left; on a failure everybody hears of it.  True:
 * fetch another. */
static bool serve_waiters(struct weir_producer_ids *ids, enum weir_status status)
{
    for (;;) {
        int64_t id = -1;
        weir_lock_take(&ids->lock);
        bool is_served = weir_list_is_empty(&ids->waiters);
        bool has_id = !is_served && give_id(ids, &id);
        if (is_served || (!has_id && status == WEIR_OK)) {
            ids->is_fetching = false;
            bool is_more_wanted = status == WEIR_OK && must_fetch(ids);
            weir_lock_release(&ids->lock);
            return is_more_wanted;
        }
        struct weir_list *node = weir_list_pop_front(&ids->waiters);
        weir_lock_release(&ids->lock);
        struct weir_producer_id_waiter *waiter =
            WEIR_LIST_ENTRY(node, struct weir_producer_id_waiter, node);
        waiter->done(waiter, has_id ? WEIR_OK : status, id);
    }
}

static void block_arrived(struct weir_producer_id_block *block)
{
    struct weir_producer_ids *ids = WEIR_CONTAINER_OF(block, struct weir_producer_ids, block);
    enum weir_status status = block->status;
    if (status == WEIR_OK) {
        weir_lock_take(&ids->lock);
        ids->next = (struct id_block){.next_id = block->first_id,
                                      .end_id = block->first_id + block->id_count};
        weir_lock_release(&ids->lock);
    }
    if (serve_waiters(ids, status))
        fetch_block(ids);
}

void weir_producer_ids_take(struct weir_producer_ids *ids, struct weir_producer_id_waiter *waiter)
{
    int64_t id = -1;
    weir_lock_take(&ids->lock);
    bool has_id = weir_list_is_empty(&ids->waiters) && give_id(ids, &id);
    if (!has_id)
        weir_list_push_back(&ids->waiters, &waiter->node);
    bool is_fetch_mine = must_fetch(ids);
    weir_lock_release(&ids->lock);
    /* The block first: who is told its id may free what this was called with. */
    if (is_fetch_mine)
        fetch_block(ids);
    if (has_id)
        waiter->done(waiter, WEIR_OK, id);
}
