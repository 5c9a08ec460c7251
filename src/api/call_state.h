/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Memory for group operations.  Their results are borrowed by the response, and are freed when it was encoded; the
 * call and its arena are gone by then, so they cannot lie there.
 */

#include "weir/base/memory.h"

#include <stddef.h>

/* Far above what any honest request needs, and small against a broker's memory. */
#define WEIR_CALL_STATE_BYTES_MAX ((size_t)64 << 20)

/* Zeroed; the caller frees it with weir_free.  NULL when memory is out or that many are too many. */
static inline void *weir_call_state_new(size_t head_bytes, size_t count, size_t item_bytes)
{
    if (item_bytes > 0 && count > (WEIR_CALL_STATE_BYTES_MAX - head_bytes) / item_bytes)
        return NULL;
    return weir_calloc(1, head_bytes + count * item_bytes);
}
