/* SPDX-License-Identifier: Apache-2.0 */
#include "group_int.h"

#include "weir/base/memory.h"

enum weir_status text_dup(struct weir_slice from, struct weir_slice *out)
{
    if (weir_slice_is_null(from)) {
        *out = WEIR_NULL_SLICE;
        return WEIR_OK;
    }
    uint8_t *copy = weir_malloc(from.size + 1);
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    if (from.size > 0)
        memcpy(copy, from.data, from.size);
    copy[from.size] = 0; /* for debuggers */
    *out = weir_slice_of(copy, from.size);
    return WEIR_OK;
}

void text_drop(struct weir_slice *text)
{
    weir_free((void *)(uintptr_t)text->data); /* owned: it was made by text_dup */
    *text = WEIR_NULL_SLICE;
}

enum weir_status text_set(struct weir_slice *text, struct weir_slice value)
{
    struct weir_slice copy;
    enum weir_status status = text_dup(value, &copy);
    if (status != WEIR_OK)
        return status;
    text_drop(text);
    *text = copy;
    return WEIR_OK;
}
