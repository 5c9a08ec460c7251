/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A borrowed run of bytes: strings, keys, record sets.  It owns nothing; whoever made it says how
 * long it lives. data == NULL is Kafka's null; an empty string has a non-NULL pointer and size 0.
 * Public value struct.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct weir_slice {
    const uint8_t *data;
    size_t size;
};

#define WEIR_NULL_SLICE  ((struct weir_slice){NULL, 0})
#define WEIR_EMPTY_SLICE ((struct weir_slice){(const uint8_t *)"", 0})
/* For string literals only. */
#define WEIR_SLICE(literal)                                                                        \
    ((struct weir_slice){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* printf("%.*s", WEIR_SLICE_ARGS(s)) */
#define WEIR_SLICE_ARGS(slice) (int)(slice).size, (const char *)(slice).data

static inline struct weir_slice weir_slice_of(const void *data, size_t size)
{
    return (struct weir_slice){(const uint8_t *)data, size};
}

/* NULL gives the null slice. */
static inline struct weir_slice weir_slice_str(const char *text)
{
    return (struct weir_slice){(const uint8_t *)text, text == NULL ? 0 : strlen(text)};
}

static inline bool weir_slice_is_null(struct weir_slice slice)
{
    return slice.data == NULL;
}

static inline bool weir_slice_equal(struct weir_slice a, struct weir_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool weir_slice_is(struct weir_slice slice, const char *text)
{
    return weir_slice_equal(slice, weir_slice_str(text));
}

/* Bytewise, shorter first among equals; the order Java gives to ASCII strings. */
int weir_slice_compare(struct weir_slice a, struct weir_slice b);

/* A NUL-terminated copy from malloc, the caller frees it; NULL when memory is out.  Inner NULs end
 * the C string early. */
char *weir_slice_to_cstr(struct weir_slice slice);

/* XXH3, 64 bits; for hash tables in memory, not for the wire or the disk. */
uint64_t weir_slice_hash(struct weir_slice slice);
