/* SPDX-License-Identifier: Apache-2.0 */

#include "../../../src/storage/offset_map_int.h"

#include <criterion/criterion.h>
#include <stdio.h>

static struct weir_slice key_of(char buffer[32], int i)
{
    (void)snprintf(buffer, 32, "key-%d", i);
    return weir_slice_str(buffer);
}

static enum weir_status init(struct weir_offset_map *map, size_t bytes_max, double load_factor,
                             uint64_t keys_max)
{
    return weir_offset_map_init(map, &(struct weir_offset_map_options){.bytes_max = bytes_max,
                                                                       .load_factor = load_factor,
                                                                       .keys_max = keys_max});
}

Test(offset_map, latest_offset_of_a_key_wins)
{
    struct weir_offset_map map;
    cr_assert_eq(init(&map, 1 << 20, 0.9, UINT64_MAX), WEIR_OK);
    cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(WEIR_SLICE("a"))), -1);
    cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(WEIR_SLICE("a")), 0), WEIR_OK);
    cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(WEIR_SLICE("")), 3), WEIR_OK);
    cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(WEIR_SLICE("a")), 7), WEIR_OK);
    cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(WEIR_SLICE("a"))), 7);
    cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(WEIR_SLICE(""))), 3);
    cr_assert_eq(map.count, 2);
    weir_offset_map_done(&map);
}

Test(offset_map, growing_keeps_all_keys_up_to_its_maximum)
{
    struct weir_offset_map map;
    char buffer[32];
    size_t bytes = (size_t)300000 * WEIR_OFFSET_MAP_SLOT_BYTES;
    cr_assert_eq(init(&map, bytes, 0.9, UINT64_MAX), WEIR_OK);
    int max = (int)weir_offset_map_keys_max(&map);
    cr_assert_eq(max, 270000);
    for (int i = 0; i < max; i++)
        cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(key_of(buffer, i)), i),
                     WEIR_OK);
    cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(WEIR_SLICE("one more")), 1),
                 WEIR_LIMIT);
    for (int i = 0; i < max; i++)
        cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(key_of(buffer, i))), i);
    cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(WEIR_SLICE("one more"))), -1);
    weir_offset_map_done(&map);
}

Test(offset_map, whole_load_factor_still_ends_a_search)
{
    struct weir_offset_map map;
    char buffer[32];
    cr_assert_eq(init(&map, (size_t)10 * WEIR_OFFSET_MAP_SLOT_BYTES, 1.0, UINT64_MAX), WEIR_OK);
    for (int i = 0; i < 9; i++)
        cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(key_of(buffer, i)), i),
                     WEIR_OK);
    cr_assert_eq(weir_offset_map_put(&map, weir_offset_map_key_of(WEIR_SLICE("full")), 9),
                 WEIR_LIMIT);
    cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(WEIR_SLICE("absent"))), -1);
    weir_offset_map_done(&map);
}

Test(offset_map, no_room_for_one_key_is_invalid)
{
    struct weir_offset_map map;
    cr_assert_eq(init(&map, WEIR_OFFSET_MAP_SLOT_BYTES, 0.5, UINT64_MAX), WEIR_INVALID);
    weir_offset_map_done(&map);
}

Test(offset_map, keys_that_will_not_come_take_no_memory)
{
    struct weir_offset_map map;
    char buffer[32];
    for (int percent = 10; percent <= 100; percent += 30) {
        cr_assert_eq(init(&map, (size_t)128 << 20, percent / 100.0, 10000), WEIR_OK);
        cr_assert_leq(map.slots_max, 4096u + 1000000u / (percent < 67 ? (unsigned)percent : 66u));
        for (int i = 0; i < 10000; i++) {
            struct weir_offset_map_key key = weir_offset_map_key_of(key_of(buffer, i));
            weir_offset_map_prefetch(&map, key);
            cr_assert_eq(weir_offset_map_put(&map, key, i), WEIR_OK);
        }
        for (int i = 0; i < 10000; i++)
            cr_assert_eq(weir_offset_map_get(&map, weir_offset_map_key_of(key_of(buffer, i))), i);
        weir_offset_map_done(&map);
    }
}
