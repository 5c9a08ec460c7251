/* SPDX-License-Identifier: Apache-2.0 */
#include "net_world.h"

/* The budget fits one large buffer and a few small ones. */
enum { BUDGET = 65536 + 4 * 4096, FRAME = 60000 };

static void put_part(struct end *end, size_t size)
{
    static const uint8_t zeros[FRAME];
    put(end, zeros, size);
}

Test(memory_pressure, who_finds_no_memory_waits_until_there_is_some)
{
    struct net_world world;
    net_world_init(&world, 1 << 20, BUDGET);
    struct end first;
    struct end second;
    open_end(&world, &first);
    open_end(&world, &second);
    put_length(&first, FRAME);
    put_part(&first, FRAME);
    turn(&world, 3);
    cr_assert_eq(first.frame_count, 1);
    size_t before = weir_budget_used(&world.receive_budget);
    put_length(&second, FRAME);
    put_part(&second, FRAME);
    turn(&world, 3);
    cr_assert_eq(second.frame_count, 0);
    cr_assert_leq(weir_budget_used(&world.receive_budget), before + 4096);
    struct weir_connection_counters counters;
    weir_connection_set_counters(world.set, &counters);
    cr_assert_eq(counters.memory_pauses, 1);
    release_frames(&first);
    step(&world, 10);
    turn(&world, 3);
    cr_assert_eq(second.frame_count, 1);
    close_end(&world, &first);
    close_end(&world, &second);
    net_world_done(&world);
}

Test(memory_pressure, the_first_in_the_queue_may_overdraw_so_that_somebody_gets_on)
{
    struct net_world world;
    net_world_init(&world, 1 << 20, 4 * 65536);
    struct end ends[8];
    for (size_t i = 0; i < 8; i++) {
        open_end(&world, &ends[i]);
        put_length(&ends[i], FRAME);
        put_part(&ends[i], FRAME / 2);
        turn(&world, 2);
    }
    /* None has its whole frame, and there is no memory for all of them. */
    for (int i = 0; i < 50; i++)
        step(&world, 1);
    cr_assert_leq(weir_budget_used(&world.receive_budget), 4 * 65536 + 65536);
    for (size_t i = 0; i < 8; i++)
        put_part(&ends[i], FRAME / 2);
    for (int i = 0; i < 100; i++) {
        step(&world, 1);
        cr_assert_leq(weir_budget_used(&world.receive_budget), 4 * 65536 + 65536);
        for (size_t k = 0; k < 8; k++) {
            if (ends[k].frame_count == 1 && !ends[k].is_busy) {
                ends[k].is_busy = true;
                weir_frame_release(&ends[k].frames[0]);
            }
        }
    }
    for (size_t i = 0; i < 8; i++) {
        cr_assert_eq(ends[i].frame_count, 1);
        ends[i].frame_count = 0;
        close_end(&world, &ends[i]);
    }
    net_world_done(&world);
}

Test(memory_pressure, an_overdrawn_frame_that_never_ends_is_given_up)
{
    struct net_world world;
    net_world_init(&world, 1 << 20, 4096);
    struct end slow;
    struct end patient;
    open_end(&world, &slow);
    open_end(&world, &patient);
    put_length(&slow, FRAME);
    put_part(&slow, 10);
    turn(&world, 2);
    put_part(&slow, 10);
    turn(&world, 2);
    put_length(&patient, 8);
    put_part(&patient, 8);
    turn(&world, 2);
    for (int i = 0; i < 49; i++)
        step(&world, 10);
    cr_assert_not(slow.is_closed);
    for (int i = 0; i < 10; i++)
        step(&world, 10);
    cr_assert(slow.is_closed);
    cr_assert_eq(slow.reason, WEIR_CLOSE_SLOW_FRAME);
    cr_assert_eq(patient.frame_count, 1);
    close_end(&world, &slow);
    close_end(&world, &patient);
    net_world_done(&world);
}

Test(memory_pressure, any_allocation_may_fail_and_the_connection_closes_cleanly)
{
    for (long nth = 0; nth < 12; nth++) {
        struct net_world world;
        net_world_init(&world, 1 << 20, 1 << 20);
        struct end end;
        open_end(&world, &end);
        weir_memory_fail_after(nth);
        put_frame(&end, "small");
        put_length(&end, FRAME);
        put_part(&end, FRAME);
        turn(&world, 6);
        weir_memory_fail_after(-1);
        cr_assert(end.is_closed ? end.reason == WEIR_CLOSE_NO_MEMORY : end.frame_count == 2);
        close_end(&world, &end);
        net_world_done(&world);
    }
}
