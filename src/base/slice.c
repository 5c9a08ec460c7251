/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/slice.h"

#include "weir/base/memory.h"

#include <xxhash.h>

int weir_slice_compare(struct weir_slice a, struct weir_slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

char *weir_slice_to_cstr(struct weir_slice slice)
{
    char *text = weir_malloc(slice.size + 1);
    if (text == NULL)
        return NULL;
    if (slice.size > 0)
        memcpy(text, slice.data, slice.size);
    text[slice.size] = '\0';
    return text;
}

uint64_t weir_slice_hash(struct weir_slice slice)
{
    return XXH3_64bits(slice.data, slice.size);
}
