/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/api/errors.h"

#include <criterion/criterion.h>
#include <string.h>

Test(errors, every_status_has_a_row)
{
    for (int status = WEIR_OK + 1; status < WEIR_STATUS_COUNT; status++) {
        enum weir_error_code code = weir_error_of_status((enum weir_status)status);
        cr_assert_neq(code, WEIR_ERROR_NONE, "%s", weir_status_name((enum weir_status)status));
    }
    cr_assert_eq(weir_error_of_status(WEIR_OK), WEIR_ERROR_NONE);
}

Test(errors, kafkas_conditions_keep_their_name)
{
    for (int status = WEIR_UNKNOWN_SERVER_ERROR; status < WEIR_STATUS_COUNT; status++) {
        const char *name = weir_error_name((int16_t)weir_error_of_status((enum weir_status)status));
        cr_assert_str_eq(name, weir_status_name((enum weir_status)status));
    }
}
