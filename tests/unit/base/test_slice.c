/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/memory.h"
#include "weir/base/slice.h"

#include <criterion/criterion.h>

Test(slice, null_and_empty_differ_but_compare_equal)
{
    cr_assert(weir_slice_is_null(WEIR_NULL_SLICE));
    cr_assert_not(weir_slice_is_null(WEIR_EMPTY_SLICE));
    cr_assert(weir_slice_equal(WEIR_NULL_SLICE, WEIR_EMPTY_SLICE));
}

Test(slice, compare_orders_bytewise_then_by_length)
{
    cr_assert_lt(weir_slice_compare(WEIR_SLICE("a"), WEIR_SLICE("ab")), 0);
    cr_assert_gt(weir_slice_compare(WEIR_SLICE("b"), WEIR_SLICE("ab")), 0);
    cr_assert_eq(weir_slice_compare(WEIR_SLICE("ab"), WEIR_SLICE("ab")), 0);
}

Test(slice, to_cstr_terminates)
{
    char *text = weir_slice_to_cstr(weir_slice_of("abcdef", 3));
    cr_assert_str_eq(text, "abc");
    weir_free(text);
}
