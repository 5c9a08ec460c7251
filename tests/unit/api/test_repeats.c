/* SPDX-License-Identifier: Apache-2.0 */
#include "repeats.h"
#include "topic_slots.h"

#include "weir/base/memory.h"

#include <criterion/criterion.h>

static struct weir_arena arena;

static void done(void)
{
    weir_arena_done(&arena);
}

Test(repeats, the_first_of_several_is_told_from_the_later_ones, .fini = done)
{
    const struct weir_slice keys[] = {WEIR_SLICE("a"), WEIR_SLICE("b"), WEIR_SLICE("a"),
                                      WEIR_SLICE("a")};
    enum weir_occurrence *marks;
    cr_assert_eq(weir_find_repeats(&arena, keys, 4, &marks), WEIR_OK);
    cr_expect_eq(marks[0], WEIR_OCCURS_FIRST);
    cr_expect_eq(marks[1], WEIR_OCCURS_ONCE);
    cr_expect_eq(marks[2], WEIR_OCCURS_REPEATED);
    cr_expect_eq(marks[3], WEIR_OCCURS_REPEATED);
}

Test(repeats, null_and_empty_keys_are_equal, .fini = done)
{
    const struct weir_slice keys[] = {WEIR_NULL_SLICE, WEIR_EMPTY_SLICE};
    size_t *firsts;
    cr_assert_eq(weir_find_firsts(&arena, keys, 2, &firsts), WEIR_OK);
    cr_expect_eq(firsts[1], 0u);
}

Test(repeats, nothing_repeats_in_an_empty_list, .fini = done)
{
    enum weir_occurrence *marks;
    cr_expect_eq(weir_find_repeats(&arena, NULL, 0, &marks), WEIR_OK);
}

Test(repeats, out_of_memory_is_a_status, .fini = done)
{
    const struct weir_slice keys[] = {WEIR_SLICE("a"), WEIR_SLICE("a")};
    enum weir_occurrence *marks;
    for (long allocations = 0; allocations < 2; allocations++) {
        weir_arena_done(&arena);
        weir_memory_fail_after(allocations);
        cr_expect_eq(weir_find_repeats(&arena, keys, 2, &marks), WEIR_NO_MEMORY);
        weir_memory_fail_after(-1);
    }
}

Test(topic_slots, without_merging_each_topic_has_its_own_slot, .fini = done)
{
    const struct weir_slice keys[] = {WEIR_SLICE("t"), WEIR_SLICE("t")};
    const size_t counts[] = {2, 3};
    struct weir_topic_slots slots;
    cr_assert_eq(weir_topic_slots_make(&arena, keys, counts, 2, false, &slots), WEIR_OK);
    cr_expect_eq(slots.slot[1], 1u);
    cr_expect_eq(slots.capacity[0], 2u);
    cr_expect_eq(slots.capacity[1], 3u);
}

Test(topic_slots, merged_topics_share_the_first_slot_and_its_room, .fini = done)
{
    const struct weir_slice keys[] = {WEIR_SLICE("t"), WEIR_SLICE("u"), WEIR_SLICE("t")};
    const size_t counts[] = {2, 1, 3};
    struct weir_topic_slots slots;
    cr_assert_eq(weir_topic_slots_make(&arena, keys, counts, 3, true, &slots), WEIR_OK);
    cr_expect_eq(slots.slot[2], 0u);
    cr_expect_eq(slots.capacity[0], 5u);
    cr_expect_eq(slots.capacity[1], 1u);
    cr_expect_eq(slots.capacity[2], 0u);
}
