/* SPDX-License-Identifier: Apache-2.0 */

/* One allocation for each set: the items, then the bytes of their topics (a topic's once). */

#include "txn_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const struct partition_id *left = a;
    const struct partition_id *right = b;
    int order = weir_slice_compare(left->topic, right->topic);
    if (order != 0)
        return order;
    return (left->partition > right->partition) - (left->partition < right->partition);
}

/* items are sorted. */
static enum weir_status copy_sorted(const struct partition_id *items, size_t count,
                                    struct partition_set **out)
{
    size_t text_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !weir_slice_equal(items[i].topic, items[i - 1].topic))
            text_bytes += items[i].topic.size;
    }
    struct partition_set *set =
        weir_malloc(sizeof(*set) + count * sizeof(set->items[0]) + text_bytes + 1);
    if (set == NULL)
        return WEIR_NO_MEMORY;
    uint8_t *text = (uint8_t *)(set->items + count);
    set->refs = 1;
    set->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct partition_id *last = set->count == 0 ? NULL : &set->items[set->count - 1];
        bool is_same_topic = last != NULL && weir_slice_equal(last->topic, items[i].topic);
        if (is_same_topic && last->partition == items[i].partition)
            continue;
        struct partition_id *item = &set->items[set->count++];
        item->partition = items[i].partition;
        if (is_same_topic) {
            item->topic = last->topic;
            continue;
        }
        if (items[i].topic.size > 0)
            memcpy(text, items[i].topic.data, items[i].topic.size);
        item->topic = weir_slice_of(text, items[i].topic.size);
        text += items[i].topic.size;
    }
    *out = set;
    return WEIR_OK;
}

enum weir_status partition_set_new(const struct partition_id *items, size_t count,
                                   struct partition_set **out)
{
    if (count == 0) {
        *out = NULL;
        return WEIR_OK;
    }
    struct partition_id *sorted = weir_malloc(count * sizeof(*sorted));
    if (sorted == NULL)
        return WEIR_NO_MEMORY;
    memcpy(sorted, items, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), compare);
    enum weir_status status = copy_sorted(sorted, count, out);
    weir_free(sorted);
    return status;
}

struct partition_set *partition_set_ref(struct partition_set *set)
{
    if (set != NULL)
        set->refs++;
    return set;
}

void partition_set_unref(struct partition_set *set)
{
    if (set != NULL && --set->refs == 0)
        weir_free(set);
}

size_t partition_set_count(const struct partition_set *set)
{
    return set == NULL ? 0 : set->count;
}

bool partition_set_has(const struct partition_set *set, struct weir_slice topic, int32_t partition)
{
    struct partition_id wanted = {.topic = topic, .partition = partition};
    return set != NULL &&
           bsearch(&wanted, set->items, set->count, sizeof(wanted), compare) != NULL;
}

enum weir_status partition_set_add(const struct partition_set *set,
                                   const struct weir_txn_partition *more, size_t count,
                                   struct partition_set **out)
{
    size_t old_count = partition_set_count(set);
    struct partition_id *all = weir_calloc(old_count + count + 1, sizeof(*all));
    if (all == NULL)
        return WEIR_NO_MEMORY;
    if (old_count > 0)
        memcpy(all, set->items, old_count * sizeof(*all));
    for (size_t i = 0; i < count; i++)
        all[old_count + i] =
            (struct partition_id){.topic = more[i].topic, .partition = more[i].partition};
    enum weir_status status = partition_set_new(all, old_count + count, out);
    weir_free(all);
    return status;
}
