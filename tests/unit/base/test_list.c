/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/list.h"

#include <criterion/criterion.h>

struct item {
    int number;
    struct weir_list node;
};

Test(list, keeps_order_and_survives_removal_while_walking)
{
    struct weir_list head;
    struct item items[5];
    weir_list_init(&head);
    for (int i = 0; i < 5; i++) {
        items[i] = (struct item){.number = i};
        weir_list_push_back(&head, &items[i].node);
    }
    int expected = 0;
    WEIR_LIST_FOREACH(node, &head) {
        struct item *item = WEIR_LIST_ENTRY(node, struct item, node);
        cr_assert_eq(item->number, expected++);
        if (item->number % 2 == 0)
            weir_list_remove(node);
    }
    cr_assert_eq(expected, 5);
    cr_assert_eq(WEIR_LIST_ENTRY(weir_list_pop_front(&head), struct item, node)->number, 1);
    cr_assert_eq(WEIR_LIST_ENTRY(weir_list_pop_front(&head), struct item, node)->number, 3);
    cr_assert(weir_list_is_empty(&head));
    cr_assert_null(weir_list_pop_front(&head));
}
