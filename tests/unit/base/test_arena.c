/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/arena.h"
#include "weir/base/memory.h"

#include <criterion/criterion.h>
#include <stdint.h>

Test(arena, memory_is_aligned_and_survives_growth)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    uint8_t *first = weir_arena_alloc(&arena, 10);
    memset(first, 7, 10);
    for (size_t i = 1; i < 3000; i++)
        cr_assert_eq((uintptr_t)weir_arena_alloc(&arena, i) % 16, 0);
    for (size_t i = 0; i < 10; i++)
        cr_assert_eq(first[i], 7);
    weir_arena_done(&arena);
}

Test(arena, limit_is_an_answer)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 64);
    cr_assert_not_null(weir_arena_alloc(&arena, 48));
    cr_assert_null(weir_arena_alloc(&arena, 17));
    cr_assert_not_null(weir_arena_alloc(&arena, 16));
    cr_assert_null(weir_arena_alloc(&arena, SIZE_MAX));
    cr_assert_null(weir_arena_calloc(&arena, SIZE_MAX / 2, 4));
    weir_arena_done(&arena);
}

Test(arena, reset_gives_the_memory_again)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    void *first = weir_arena_alloc(&arena, 100);
    weir_arena_reset(&arena);
    cr_assert_eq(weir_arena_alloc(&arena, 100), first);
    weir_arena_done(&arena);
}

Test(arena, failed_allocation_is_null)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    weir_memory_fail_after(0);
    void *memory = weir_arena_alloc(&arena, 8);
    weir_memory_fail_after(-1);
    cr_assert_null(memory);
    cr_assert_eq(arena.used_bytes, 0);
    weir_arena_done(&arena);
}

Test(arena, copy_keeps_null_null_and_printf_prints)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_slice out;
    cr_assert_eq(weir_arena_copy(&arena, WEIR_NULL_SLICE, &out), WEIR_OK);
    cr_assert(weir_slice_is_null(out));
    cr_assert_eq(weir_arena_copy(&arena, WEIR_EMPTY_SLICE, &out), WEIR_OK);
    cr_assert_not(weir_slice_is_null(out));
    cr_assert(weir_slice_is(weir_arena_printf(&arena, "%d-%s", 5, "x"), "5-x"));
    weir_arena_done(&arena);
}
