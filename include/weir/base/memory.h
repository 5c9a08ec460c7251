/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The only doors to malloc, so that tests can make the n-th allocation fail and the lint can see
 * who allocates. All return NULL when memory is out; weir_free accepts NULL.
 */

#include <stddef.h>

void *weir_malloc(size_t size);
void *weir_calloc(size_t count, size_t size);
void *weir_realloc(void *pointer, size_t size);
/* Grows an array of count_max elements of element_bytes to at least count_needed, doubling.  On
 * failure nothing changes. */
void *weir_grow(void *array, size_t *count_max, size_t count_needed, size_t element_bytes);
char *weir_strdup(const char *text);
void weir_free(void *pointer);

/* Tests only: the allocation that makes the countdown reach zero fails, and each one after it;
 * negative switches it off. */
void weir_memory_fail_after(long allocations);
