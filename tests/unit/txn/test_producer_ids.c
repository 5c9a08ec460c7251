/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/txn/producer_ids.h"

#include <criterion/criterion.h>

/* Blocks arrive when the test says so. */
struct fake_source {
    struct weir_producer_id_block *asked; /* NULL: nobody waits for a block */
    int asked_count;
    int64_t next_id;
    int32_t block_size;
};

static struct fake_source source;
static struct weir_producer_ids *ids;

static void keep_block(void *context, struct weir_producer_id_block *block)
{
    struct fake_source *from = context;
    cr_assert_null(from->asked, "two blocks are being fetched");
    from->asked = block;
    from->asked_count++;
}

static const struct weir_producer_id_source fake_source = {.allocate = keep_block};

static void bring_block(enum weir_status status)
{
    struct weir_producer_id_block *block = source.asked;
    cr_assert_not_null(block);
    source.asked = NULL;
    block->status = status;
    if (status == WEIR_OK) {
        block->first_id = source.next_id;
        block->id_count = source.block_size;
        source.next_id += source.block_size;
    }
    block->done(block);
}

struct waiter {
    struct weir_producer_id_waiter waiter;
    int done;
    enum weir_status status;
    int64_t id;
};

static void waiter_done(struct weir_producer_id_waiter *waiter, enum weir_status status, int64_t id)
{
    struct waiter *self = WEIR_CONTAINER_OF(waiter, struct waiter, waiter);
    self->done++;
    self->status = status;
    self->id = id;
}

static void take(struct waiter *waiter)
{
    *waiter = (struct waiter){.waiter = {.done = waiter_done}};
    weir_producer_ids_take(ids, &waiter->waiter);
}

static int64_t take_now(void)
{
    struct waiter waiter;
    take(&waiter);
    cr_assert_eq(waiter.done, 1);
    cr_assert_eq(waiter.status, WEIR_OK);
    return waiter.id;
}

static void start(void)
{
    source = (struct fake_source){.block_size = 10};
    cr_assert_eq(weir_producer_ids_new(&fake_source, &source, &ids), WEIR_OK);
}

static void stop(void)
{
    weir_producer_ids_free(ids);
}

TestSuite(producer_ids, .init = start, .fini = stop);

Test(producer_ids, waiters_get_the_ids_of_the_first_block_in_order)
{
    struct waiter waiters[3];
    for (int i = 0; i < 3; i++) {
        take(&waiters[i]);
        cr_assert_eq(waiters[i].done, 0);
    }
    cr_assert_eq(source.asked_count, 1);
    bring_block(WEIR_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(waiters[i].done, 1);
        cr_assert_eq(waiters[i].status, WEIR_OK);
        cr_assert_eq(waiters[i].id, i);
    }
    cr_assert_eq(take_now(), 3);
}

Test(producer_ids, the_next_block_is_asked_for_when_nine_tenths_are_given)
{
    struct waiter first;
    take(&first);
    bring_block(WEIR_OK);
    for (int64_t id = 1; id < 8; id++)
        cr_assert_eq(take_now(), id);
    cr_assert_null(source.asked);
    cr_assert_eq(take_now(), 8); /* the ninth */
    cr_assert_not_null(source.asked);
    bring_block(WEIR_OK);
    for (int64_t id = 9; id < 18; id++)
        cr_assert_eq(take_now(), id);
    cr_assert_eq(source.asked_count, 2);
    cr_assert_eq(take_now(), 18);
    cr_assert_eq(source.asked_count, 3);
}

Test(producer_ids, a_block_that_comes_late_is_waited_for)
{
    struct waiter first;
    take(&first);
    bring_block(WEIR_OK);
    for (int64_t id = 1; id < 10; id++)
        cr_assert_eq(take_now(), id);
    struct waiter late;
    take(&late);
    cr_assert_eq(late.done, 0);
    bring_block(WEIR_OK);
    cr_assert_eq(late.id, 10);
}

Test(producer_ids, more_waiters_than_a_block_has_ids_wait_for_the_one_after_it)
{
    struct waiter waiters[25];
    for (int i = 0; i < 25; i++)
        take(&waiters[i]);
    bring_block(WEIR_OK);
    cr_assert_eq(waiters[9].done, 1);
    cr_assert_eq(waiters[10].done, 0);
    bring_block(WEIR_OK);
    bring_block(WEIR_OK);
    for (int i = 0; i < 25; i++)
        cr_assert_eq(waiters[i].id, i);
}

Test(producer_ids, a_failure_is_told_to_all_who_wait_and_the_next_one_asks_again)
{
    struct waiter waiters[2];
    take(&waiters[0]);
    take(&waiters[1]);
    bring_block(WEIR_STALE_BROKER_EPOCH);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(waiters[i].done, 1);
        cr_assert_eq(waiters[i].status, WEIR_STALE_BROKER_EPOCH);
    }
    cr_assert_null(source.asked);
    struct waiter again;
    take(&again);
    bring_block(WEIR_OK);
    cr_assert_eq(again.id, 0);
}

Test(producer_ids, a_failed_prefetch_hurts_nobody)
{
    struct waiter first;
    take(&first);
    bring_block(WEIR_OK);
    for (int64_t id = 1; id < 9; id++)
        cr_assert_eq(take_now(), id);
    bring_block(WEIR_STALE_BROKER_EPOCH);
    cr_assert_eq(take_now(), 9); /* and asks again */
    bring_block(WEIR_OK);
    cr_assert_eq(take_now(), 10);
}
