/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(status, names_have_no_prefix)
{
    cr_assert_str_eq(weir_status_name(WEIR_OK), "OK");
    cr_assert_str_eq(weir_status_name(WEIR_TRANSACTION_ABORTABLE), "TRANSACTION_ABORTABLE");
    cr_assert_str_eq(weir_status_name((enum weir_status)100000), "UNKNOWN_STATUS");
}

Test(status, every_status_has_a_name)
{
    for (int i = 0; i < WEIR_STATUS_COUNT; i++)
        cr_assert_neq(strcmp(weir_status_name((enum weir_status)i), "UNKNOWN_STATUS"), 0);
}

Test(status, detail_is_cut_not_overflown)
{
    struct weir_detail detail = {{0}};
    char long_text[2 * WEIR_DETAIL_BYTES];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    weir_detail_set(&detail, "%s", long_text);
    cr_assert_eq(strlen(detail.text), WEIR_DETAIL_BYTES - 1);
    weir_detail_prefix(&detail, "while %s", "testing");
    cr_assert_eq(strncmp(detail.text, "while testing: xxx", 18), 0);
}

Test(status, errno_becomes_words_and_a_status)
{
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_detail_errno(&detail, ENOSPC, "write %s", "a.log"), WEIR_NO_SPACE);
    cr_assert_str_eq(detail.text, "write a.log: No space left on device");
    cr_assert_eq(weir_detail_errno(NULL, ENOENT, "open"), WEIR_NOT_FOUND);
    cr_assert_eq(weir_detail_errno(NULL, EIO, "read"), WEIR_IO_ERROR);
}
