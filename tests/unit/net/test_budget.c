/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/net/budget.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(budget, takes_up_to_its_limit_and_gets_it_back)
{
    struct weir_budget budget;
    weir_budget_init(&budget, 100);
    cr_assert(weir_budget_take(&budget, 60));
    cr_assert_not(weir_budget_take(&budget, 41));
    cr_assert(weir_budget_take(&budget, 40));
    cr_assert(weir_budget_is_full(&budget));
    weir_budget_give(&budget, 100);
    cr_assert_eq(weir_budget_used(&budget), 0);
}

Test(budget, force_goes_beyond_and_huge_amounts_do_not_wrap)
{
    struct weir_budget budget;
    weir_budget_init(&budget, 100);
    weir_budget_force(&budget, 150);
    cr_assert_not(weir_budget_take(&budget, 1));
    cr_assert_not(weir_budget_take(&budget, SIZE_MAX));
    weir_budget_give(&budget, 150);
    cr_assert_not(weir_budget_take(&budget, SIZE_MAX));
}
