/* SPDX-License-Identifier: Apache-2.0 */
#include "state_int.h"

#include "weir/base/memory.h"

#include <criterion/criterion.h>

#define OFFSETS 40

static struct weir_share_batch batch(int64_t first, int64_t last, int8_t state, int16_t count)
{
    return (struct weir_share_batch){first, last, state, count};
}

static bool is(struct weir_share_batch a, struct weir_share_batch b)
{
    return a.first_offset == b.first_offset && a.last_offset == b.last_offset &&
           a.delivery_state == b.delivery_state && a.delivery_count == b.delivery_count;
}

Test(state_batches, nothing_combined_is_nothing)
{
    struct state_batches out;
    cr_assert_eq(batches_combine(NULL, 0, NULL, 0, 5, &out), WEIR_OK);
    cr_assert_eq(out.count, 0);
    cr_assert_null(out.items);
}

Test(state_batches, neighbours_alike_are_one)
{
    struct weir_share_batch older[] = {batch(10, 19, 2, 1)};
    struct weir_share_batch newer[] = {batch(20, 29, 2, 1), batch(30, 30, 2, 2)};
    struct state_batches out;
    cr_assert_eq(batches_combine(older, 1, newer, 2, -1, &out), WEIR_OK);
    cr_assert_eq(out.count, 2);
    cr_assert(is(out.items[0], batch(10, 29, 2, 1)));
    cr_assert(is(out.items[1], batch(30, 30, 2, 2)));
    weir_free(out.items);
}

Test(state_batches, what_was_delivered_more_often_wins_in_the_middle)
{
    struct weir_share_batch older[] = {batch(0, 9, 0, 1)};
    struct weir_share_batch newer[] = {batch(4, 5, 0, 2)};
    struct state_batches out;
    cr_assert_eq(batches_combine(older, 1, newer, 1, -1, &out), WEIR_OK);
    cr_assert_eq(out.count, 3);
    cr_assert(is(out.items[0], batch(0, 3, 0, 1)));
    cr_assert(is(out.items[1], batch(4, 5, 0, 2)));
    cr_assert(is(out.items[2], batch(6, 9, 0, 1)));
    weir_free(out.items);
}

Test(state_batches, the_start_offset_cuts_what_lies_before)
{
    struct weir_share_batch older[] = {batch(0, 3, 2, 1), batch(5, 20, 0, 1)};
    struct state_batches out;
    cr_assert_eq(batches_combine(older, 2, NULL, 0, 10, &out), WEIR_OK);
    cr_assert_eq(out.count, 1);
    cr_assert(is(out.items[0], batch(10, 20, 0, 1)));
    weir_free(out.items);
}

Test(state_batches, impossible_batches_are_refused)
{
    struct weir_share_batch backwards = batch(5, 4, 0, 1);
    struct weir_share_batch negative = batch(-1, 4, 0, 1);
    struct weir_share_batch endless = batch(0, INT64_MAX, 0, 1);
    cr_assert_not(batches_are_valid(&backwards, 1));
    cr_assert_not(batches_are_valid(&negative, 1));
    cr_assert_not(batches_are_valid(&endless, 1));
}

/* Each offset by itself: the most deliveries, then the highest state. */
static int32_t truth_at(const struct weir_share_batch *items, size_t count, int64_t offset)
{
    int32_t best = -1;
    for (size_t i = 0; i < count; i++) {
        int32_t rank = items[i].delivery_count * 256 + items[i].delivery_state;
        if (items[i].first_offset <= offset && offset <= items[i].last_offset && rank > best)
            best = rank;
    }
    return best;
}

Test(state_batches, any_batches_combine_to_what_is_true_of_each_offset)
{
    uint32_t random = 7;
    for (int round = 0; round < 3000; round++) {
        struct weir_share_batch items[8];
        for (int i = 0; i < 8; i++) {
            random = random * 1664525u + 1013904223u;
            int64_t first = (random >> 8) % OFFSETS;
            int64_t last = first + (random >> 16) % 10;
            items[i] =
                batch(first, last, (int8_t)((random >> 20) % 3 * 2), (int16_t)((random >> 24) % 3));
        }
        int64_t start = round % 3 == 0 ? -1 : round % OFFSETS;
        size_t older_count = (size_t)(round % 9);
        struct state_batches out;
        cr_assert_eq(
            batches_combine(items, older_count, items + older_count, 8 - older_count, start, &out),
            WEIR_OK);
        for (int64_t offset = 0; offset < OFFSETS + 10; offset++) {
            int32_t wanted = start != -1 && offset < start ? -1 : truth_at(items, 8, offset);
            cr_assert_eq(truth_at(out.items, out.count, offset), wanted);
        }
        for (size_t i = 1; i < out.count; i++)
            cr_assert_gt(out.items[i].first_offset, out.items[i - 1].last_offset);
        weir_free(out.items);
    }
}
