/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A producer's life with the n-th allocation failing, and all after it, for every n: no crash, no leak
 * (run under AddressSanitizer), every op done exactly once, and when memory is back what was begun is
 * ended and the same life works.
 */

#define TXN_WORLD_PLAIN
#include "txn_world.h"

/* More than one life makes. */
#define ALLOCATIONS 400

static bool all_ok;

static void expect(enum weir_status status)
{
    all_ok = all_ok && status == WEIR_OK;
}

static void look(const char *id)
{
    struct weir_txn_describe described;
    describe(id, &described);
    weir_txn_op_free(&described.op);
    struct weir_txn_list list = {.op = {.done = count_done}, .duration_ms = -1};
    ops_done = 0;
    weir_txn_list(world.service, &list);
    cr_assert_eq(ops_done, 1);
    weir_txn_op_free(&list.op);
}

/* Two transactions, one of them fenced; every op is answered before the next begins. */
static void live(const char *id)
{
    struct producer producer = {.id = id, .version = 2};
    all_ok = true;
    expect(init(&producer));
    expect(add(&producer, "t", 0));
    expect(add(&producer, "u", 1));
    expect(verify(&producer, "t", 0));
    look(id);
    expect(commit(&producer));
    expect(add(&producer, "t", 0));
    (void)init(&producer); /* aborts it */
    expect(init(&producer));
    expect(end_abort(&producer));
}

int main(void)
{
    for (long n = 0; n < ALLOCATIONS; n++) {
        world_start();
        weir_memory_fail_after(n);
        live("a");
        fake_world_advance(&world.base, 100);
        weir_memory_fail_after(-1);
        cr_assert(n < ALLOCATIONS - 1 || all_ok);
        fake_world_advance(&world.base, 80000); /* timeouts and backoffs */
        cr_assert(!is_state("a", "Ongoing") && !is_state("a", "PrepareCommit") &&
                  !is_state("a", "PrepareAbort"));
        world_restart();
        live("b");
        cr_assert(all_ok);
        world_stop();
    }
    return 0;
}
