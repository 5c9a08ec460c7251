/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/lock.h"

#include <criterion/criterion.h>
#include <signal.h>

Test(lock, rising_ranks_are_taken_and_released_in_any_order)
{
    struct weir_lock low;
    struct weir_lock high;
    weir_lock_init(&low, WEIR_LOCK_RANK_PARTITION);
    weir_lock_init(&high, WEIR_LOCK_RANK_LOG);
    weir_lock_take(&low);
    weir_lock_take(&high);
    weir_lock_assert_held(&low);
    weir_lock_assert_held(&high);
    weir_lock_release(&low);
    weir_lock_release(&high);
    weir_lock_take(&high);
    weir_lock_release(&high);
    weir_lock_done(&high);
    weir_lock_done(&low);
}

Test(lock, try_fails_while_it_is_held_and_may_go_against_the_order)
{
    struct weir_lock low;
    struct weir_lock high;
    weir_lock_init(&low, WEIR_LOCK_RANK_PARTITION);
    weir_lock_init(&high, WEIR_LOCK_RANK_LOG);
    weir_lock_take(&high);
    cr_assert_not(weir_lock_try(&high));
    cr_assert(weir_lock_try(&low));
    weir_lock_release(&low);
    weir_lock_release(&high);
    weir_lock_done(&high);
    weir_lock_done(&low);
}

#ifndef NDEBUG
Test(lock, falling_ranks_are_caught, .signal = SIGABRT)
{
    struct weir_lock low;
    struct weir_lock high;
    weir_lock_init(&low, WEIR_LOCK_RANK_PARTITION);
    weir_lock_init(&high, WEIR_LOCK_RANK_LOG);
    weir_lock_take(&high);
    weir_lock_take(&low);
}

Test(lock, a_missing_lock_is_caught, .signal = SIGABRT)
{
    struct weir_lock lock;
    weir_lock_init(&lock, WEIR_LOCK_RANK_PARTITION);
    weir_lock_assert_held(&lock);
}
#endif
