/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/buf.h"

#include <criterion/criterion.h>

Test(buf, grows_and_prints)
{
    struct weir_buf buf = {0};
    for (int i = 0; i < 1000; i++)
        weir_buf_printf(&buf, "%d,", i);
    cr_assert_eq(weir_buf_status(&buf), WEIR_OK);
    cr_assert_eq(buf.size, 10 * 2 + 90 * 3 + 900 * 4);
    cr_assert_eq(memcmp(buf.data, "0,1,2,", 6), 0);
    weir_buf_done(&buf);
}

Test(buf, limit_is_sticky)
{
    struct weir_buf buf;
    weir_buf_init(&buf, 10);
    weir_buf_append_str(&buf, "0123456789");
    cr_assert_eq(weir_buf_status(&buf), WEIR_OK);
    weir_buf_append_str(&buf, "x");
    cr_assert_eq(weir_buf_status(&buf), WEIR_LIMIT);
    cr_assert_eq(buf.size, 10);
    weir_buf_clear(&buf);
    cr_assert_eq(weir_buf_status(&buf), WEIR_OK);
    weir_buf_done(&buf);
}
