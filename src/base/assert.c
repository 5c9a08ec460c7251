/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void weir_assert_failed(const char *file, int line, const char *expression)
{
    fprintf(stderr, "FATAL assertion_failed at=%s:%d expression=\"%s\"\n", file, line, expression);
    abort();
}
