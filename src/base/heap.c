/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/heap.h"

#include "weir/base/memory.h"

void weir_heap_done(struct weir_heap *heap)
{
    weir_free(heap->nodes);
    *heap = (struct weir_heap){0};
}

static void place(struct weir_heap *heap, size_t index, struct weir_heap_node *node)
{
    heap->nodes[index] = node;
    node->index_plus_one = index + 1;
}

static void sift_up(struct weir_heap *heap, size_t index, struct weir_heap_node *node)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->nodes[parent]->key <= node->key)
            break;
        place(heap, index, heap->nodes[parent]);
        index = parent;
    }
    place(heap, index, node);
}

static void sift_down(struct weir_heap *heap, size_t index, struct weir_heap_node *node)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (heap->nodes[child]->key >= node->key)
            break;
        place(heap, index, heap->nodes[child]);
        index = child;
    }
    place(heap, index, node);
}

static void settle(struct weir_heap *heap, size_t index, struct weir_heap_node *node)
{
    sift_up(heap, index, node);
    sift_down(heap, node->index_plus_one - 1, node);
}

enum weir_status weir_heap_set(struct weir_heap *heap, struct weir_heap_node *node, int64_t key)
{
    if (node->index_plus_one == 0) {
        struct weir_heap_node **grown =
            weir_grow(heap->nodes, &heap->capacity, heap->count + 1, sizeof(*heap->nodes));
        if (grown == NULL)
            return WEIR_NO_MEMORY;
        heap->nodes = grown;
        place(heap, heap->count++, node);
    }
    node->key = key;
    settle(heap, node->index_plus_one - 1, node);
    return WEIR_OK;
}

void weir_heap_remove(struct weir_heap *heap, struct weir_heap_node *node)
{
    if (node->index_plus_one == 0)
        return;
    size_t index = node->index_plus_one - 1;
    node->index_plus_one = 0;
    struct weir_heap_node *last = heap->nodes[--heap->count];
    if (last != node)
        settle(heap, index, last);
}

struct weir_heap_node *weir_heap_first(const struct weir_heap *heap)
{
    return heap->count == 0 ? NULL : heap->nodes[0];
}
