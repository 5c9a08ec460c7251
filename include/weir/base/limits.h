/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Arithmetic on sizes that come from outside: false means it does not fit, and *out is untouched.
 */

#include <stdbool.h>
#include <stddef.h>

static inline bool weir_add_size(size_t a, size_t b, size_t *out)
{
    size_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool weir_mul_size(size_t a, size_t b, size_t *out)
{
    size_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

#define WEIR_ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WEIR_CONTAINER_OF(pointer, type, member)                                                   \
    ((type *)((char *)(pointer)-offsetof(type, member)))
