/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/arena.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_BYTES_MIN 4096u
#define ALIGNMENT       16u
#define LIMIT_IF_UNSET  ((size_t)1 << 30)

struct weir_arena_block {
    struct weir_arena_block *next;
    size_t capacity;
    size_t used;
    size_t padding; /* keeps the bytes that follow aligned to 16 */
};

_Static_assert(sizeof(struct weir_arena_block) % ALIGNMENT == 0,
               "data behind the header must be aligned");

static uint8_t *block_data(struct weir_arena_block *block)
{
    return (uint8_t *)(block + 1);
}

void weir_arena_init(struct weir_arena *arena, size_t limit_bytes)
{
    *arena = (struct weir_arena){.limit_bytes = limit_bytes};
}

static void free_blocks(struct weir_arena_block *block)
{
    while (block != NULL) {
        struct weir_arena_block *next = block->next;
        weir_free(block);
        block = next;
    }
}

void weir_arena_done(struct weir_arena *arena)
{
    free_blocks(arena->blocks);
    arena->blocks = NULL;
    arena->used_bytes = 0;
}

void weir_arena_reset(struct weir_arena *arena)
{
    struct weir_arena_block *keep = arena->blocks;
    if (keep != NULL) {
        free_blocks(keep->next);
        keep->next = NULL;
        keep->used = 0;
        /* A block that one large request needed is not kept for ever. */
        if (keep->capacity > 16 * BLOCK_BYTES_MIN) {
            weir_free(keep);
            arena->blocks = NULL;
        }
    }
    arena->used_bytes = 0;
}

static struct weir_arena_block *add_block(struct weir_arena *arena, size_t needed)
{
    size_t capacity = arena->blocks == NULL ? BLOCK_BYTES_MIN : arena->blocks->capacity * 2;
    if (capacity > 256 * BLOCK_BYTES_MIN)
        capacity = 256 * BLOCK_BYTES_MIN;
    if (capacity < needed)
        capacity = needed;
    size_t bytes;
    if (!weir_add_size(capacity, sizeof(struct weir_arena_block), &bytes))
        return NULL;
    struct weir_arena_block *block = weir_malloc(bytes);
    if (block == NULL)
        return NULL;
    *block = (struct weir_arena_block){.next = arena->blocks, .capacity = capacity};
    arena->blocks = block;
    return block;
}

void *weir_arena_alloc(struct weir_arena *arena, size_t size)
{
    size_t rounded;
    if (!weir_add_size(size == 0 ? 1 : size, ALIGNMENT - 1, &rounded))
        return NULL;
    rounded &= ~(size_t)(ALIGNMENT - 1);
    size_t limit = arena->limit_bytes == 0 ? LIMIT_IF_UNSET : arena->limit_bytes;
    if (rounded > limit || arena->used_bytes > limit - rounded)
        return NULL;
    struct weir_arena_block *block = arena->blocks;
    if (block == NULL || block->capacity - block->used < rounded) {
        block = add_block(arena, rounded);
        if (block == NULL)
            return NULL;
    }
    void *memory = block_data(block) + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return memory;
}

void *weir_arena_calloc(struct weir_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!weir_mul_size(count, size, &bytes))
        return NULL;
    void *memory = weir_arena_alloc(arena, bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

enum weir_status weir_arena_copy(struct weir_arena *arena, struct weir_slice from,
                                 struct weir_slice *out)
{
    if (weir_slice_is_null(from)) {
        *out = WEIR_NULL_SLICE;
        return WEIR_OK;
    }
    uint8_t *copy = weir_arena_alloc(arena, from.size);
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    if (from.size > 0)
        memcpy(copy, from.data, from.size);
    *out = weir_slice_of(copy, from.size);
    return WEIR_OK;
}

struct weir_slice weir_arena_printf(struct weir_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0)
        return WEIR_NULL_SLICE;
    char *text = weir_arena_alloc(arena, (size_t)size + 1);
    if (text == NULL)
        return WEIR_NULL_SLICE;
    va_start(arguments, format);
    (void)vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return weir_slice_of(text, (size_t)size);
}
