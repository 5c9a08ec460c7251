/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/map.h"

#include <criterion/criterion.h>

struct item {
    int64_t id;
    bool is_in;
};

Test(map, put_get_remove_agree_with_a_plain_array)
{
    enum { COUNT = 500 };
    struct item items[COUNT];
    struct weir_map map = {0};
    uint64_t seed = 42;
    size_t present = 0;
    for (int64_t i = 0; i < COUNT; i++)
        items[i] = (struct item){.id = i * 7919};
    for (int step = 0; step < 20000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct item *item = &items[(seed >> 33) % COUNT];
        if (item->is_in) {
            cr_assert_eq(weir_map_remove(&map, WEIR_KEY(item->id)), item);
            present--;
        } else {
            cr_assert_eq(weir_map_put(&map, WEIR_KEY(item->id), item, NULL), WEIR_OK);
            present++;
        }
        item->is_in = !item->is_in;
        cr_assert_eq(map.count, present);
    }
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(weir_map_get(&map, WEIR_KEY(items[i].id)), items[i].is_in ? &items[i] : NULL);
    size_t seen = 0;
    for (size_t cursor = 0; weir_map_next(&map, &cursor) != NULL;)
        seen++;
    cr_assert_eq(seen, present);
    weir_map_done(&map);
}

Test(map, put_replaces_and_returns_the_old_value)
{
    struct weir_map map = {0};
    int a = 1, b = 2;
    void *old = &a;
    cr_assert_eq(weir_map_put(&map, WEIR_SLICE("k"), &a, &old), WEIR_OK);
    cr_assert_null(old);
    cr_assert_eq(weir_map_put(&map, WEIR_SLICE("k"), &b, &old), WEIR_OK);
    cr_assert_eq(old, &a);
    cr_assert_eq(map.count, 1);
    weir_map_done(&map);
}

Test(map, copy_is_independent)
{
    struct weir_map map = {0}, copy;
    int a = 1;
    cr_assert_eq(weir_map_put(&map, WEIR_SLICE("k"), &a, NULL), WEIR_OK);
    cr_assert_eq(weir_map_copy(&map, &copy), WEIR_OK);
    weir_map_remove(&map, WEIR_SLICE("k"));
    cr_assert_eq(weir_map_get(&copy, WEIR_SLICE("k")), &a);
    weir_map_done(&map);
    weir_map_done(&copy);
}
