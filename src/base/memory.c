/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/memory.h"

#include "weir/base/limits.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Test hook, see memory.h: the one piece of process-wide state in this folder. */
static _Atomic long allocations_left =
    -1; /* lint: mutable-global, the seam through which tests make malloc fail */

static bool allocation_may_happen(void)
{
    long left = atomic_load_explicit(&allocations_left, memory_order_relaxed);
    if (left < 0)
        return true;
    if (left == 0)
        return false;
    atomic_fetch_sub_explicit(&allocations_left, 1, memory_order_relaxed);
    return true;
}

void weir_memory_fail_after(long allocations)
{
    atomic_store_explicit(&allocations_left, allocations, memory_order_relaxed);
}

void *weir_malloc(size_t size)
{
    return allocation_may_happen() ? malloc(size == 0 ? 1 : size) : NULL;
}

void *weir_calloc(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return allocation_may_happen() ? calloc(count, size) : NULL;
}

void *weir_realloc(void *pointer, size_t size)
{
    return allocation_may_happen() ? realloc(pointer, size == 0 ? 1 : size) : NULL;
}

void *weir_grow(void *array, size_t *count_max, size_t count_needed, size_t element_bytes)
{
    if (count_needed <= *count_max && array != NULL)
        return array;
    size_t wanted = *count_max < 8 ? 8 : *count_max;
    while (wanted < count_needed) {
        if (!weir_mul_size(wanted, 2, &wanted))
            return NULL;
    }
    size_t bytes;
    if (!weir_mul_size(wanted, element_bytes, &bytes))
        return NULL;
    void *grown = weir_realloc(array, bytes);
    if (grown != NULL)
        *count_max = wanted;
    return grown;
}

char *weir_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = weir_malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void weir_free(void *pointer)
{
    free(pointer);
}
