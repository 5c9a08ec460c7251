/* SPDX-License-Identifier: Apache-2.0 */

/* Sorted, shared tables of nodes (I2 of image_int.h). */

#include "image_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

struct weir_image_node *weir_image_node_ref(struct weir_image_node *node)
{
    /* Relaxed is enough to add: whoever adds holds a reference already. */
    (void)__atomic_add_fetch(&node->refs, 1, __ATOMIC_RELAXED);
    return node;
}

void weir_image_node_unref(struct weir_image_node *node)
{
    if (node == NULL)
        return;
    /* Release orders this thread's reads before the free, acquire those of all others who let go
     * earlier. */
    if (__atomic_sub_fetch(&node->refs, 1, __ATOMIC_ACQ_REL) == 0)
        node->ops->free(node);
}

struct weir_slice weir_image_node_key(const struct weir_image_node *node)
{
    return node->key;
}

struct weir_slice weir_image_topic_id_key(const struct weir_image_node *node)
{
    const struct weir_image_topic *topic = (const struct weir_image_topic *)node;
    return weir_slice_of(topic->id.bytes, sizeof(topic->id.bytes));
}

struct weir_image_table *weir_image_table_new(size_t capacity)
{
    size_t bytes;
    if (!weir_mul_size(capacity, sizeof(struct weir_image_node *), &bytes) ||
        !weir_add_size(bytes, sizeof(struct weir_image_table), &bytes))
        return NULL;
    struct weir_image_table *table = weir_malloc(bytes);
    if (table == NULL)
        return NULL;
    *table = (struct weir_image_table){.refs = 1};
    return table;
}

struct weir_image_table *weir_image_table_ref(struct weir_image_table *table)
{
    (void)__atomic_add_fetch(&table->refs, 1, __ATOMIC_RELAXED);
    return table;
}

void weir_image_table_unref(struct weir_image_table *table)
{
    if (table == NULL || __atomic_sub_fetch(&table->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    if (!table->is_index) {
        for (size_t i = 0; i < table->count; i++)
            weir_image_node_unref(table->items[i]);
    }
    weir_free(table);
}

size_t weir_image_table_lower_bound(const struct weir_image_table *table, struct weir_slice key,
                                    weir_image_key_of *key_of)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (weir_slice_compare(key_of(table->items[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct weir_image_node *weir_image_table_find(const struct weir_image_table *table,
                                              struct weir_slice key, weir_image_key_of *key_of)
{
    size_t index = weir_image_table_lower_bound(table, key, key_of);
    if (index == table->count || !weir_slice_equal(key_of(table->items[index]), key))
        return NULL;
    return table->items[index];
}

static void put(struct weir_image_table *table, struct weir_image_node *node)
{
    table->items[table->count++] = table->is_index ? node : weir_image_node_ref(node);
}

struct weir_image_table *weir_image_table_apply(const struct weir_image_table *base,
                                                const struct weir_image_table_change *changes,
                                                size_t change_count, weir_image_key_of *key_of)
{
    struct weir_image_table *table = weir_image_table_new(base->count + change_count);
    if (table == NULL)
        return NULL;
    table->is_index = base->is_index;
    size_t from = 0;
    for (size_t i = 0; i < change_count; i++) {
        WEIR_SLOW_ASSERT(i == 0 || weir_slice_compare(changes[i - 1].key, changes[i].key) < 0);
        int order = 1;
        while (from < base->count &&
               (order = weir_slice_compare(key_of(base->items[from]), changes[i].key)) < 0)
            put(table, base->items[from++]);
        if (from < base->count && order == 0)
            from++;
        if (changes[i].node != NULL)
            put(table, changes[i].node);
    }
    while (from < base->count)
        put(table, base->items[from++]);
    return table;
}
