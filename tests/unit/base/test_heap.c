/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/heap.h"

#include <criterion/criterion.h>

Test(heap, first_is_always_the_least)
{
    enum { COUNT = 300 };
    struct weir_heap_node nodes[COUNT] = {{0}};
    struct weir_heap heap = {0};
    uint64_t seed = 1;
    for (int step = 0; step < 10000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct weir_heap_node *node = &nodes[(seed >> 40) % COUNT];
        if ((seed >> 33) % 3 == 0)
            weir_heap_remove(&heap, node);
        else
            cr_assert_eq(weir_heap_set(&heap, node, (int64_t)((seed >> 20) % 1000)), WEIR_OK);
        int64_t least = INT64_MAX;
        for (int i = 0; i < COUNT; i++) {
            if (nodes[i].index_plus_one != 0 && nodes[i].key < least)
                least = nodes[i].key;
        }
        struct weir_heap_node *first = weir_heap_first(&heap);
        cr_assert_eq(first == NULL ? INT64_MAX : first->key, least);
    }
    weir_heap_done(&heap);
}
