/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/protocol/errors.h"

#include <stddef.h>

const char *weir_error_name(int16_t code)
{
    switch (code) {
#define X(name, number, retriable)                                                                 \
    case number:                                                                                   \
        return #name;
        WEIR_ERROR_LIST(X)
#undef X
    }
    return NULL;
}

bool weir_error_is_retriable(int16_t code)
{
    switch (code) {
#define X(name, number, retriable)                                                                 \
    case number:                                                                                   \
        return retriable;
        WEIR_ERROR_LIST(X)
#undef X
    }
    return false;
}
