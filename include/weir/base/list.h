/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Intrusive doubly linked list.  A node is in at most one list; a zeroed node is in none. */

#include "weir/base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct weir_list {
    struct weir_list *prev;
    struct weir_list *next;
};

static inline void weir_list_init(struct weir_list *head)
{
    head->prev = head;
    head->next = head;
}

static inline bool weir_list_is_empty(const struct weir_list *head)
{
    return head->next == head || head->next == NULL;
}

static inline bool weir_list_is_linked(const struct weir_list *node)
{
    return node->next != NULL && node->next != node;
}

static inline void weir_list_push_back(struct weir_list *head, struct weir_list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void weir_list_push_front(struct weir_list *head, struct weir_list *node)
{
    weir_list_push_back(head->next, node);
}

/* Does nothing when the node is in no list. */
static inline void weir_list_remove(struct weir_list *node)
{
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = NULL;
    node->next = NULL;
}

/* NULL when empty. */
static inline struct weir_list *weir_list_pop_front(struct weir_list *head)
{
    struct weir_list *node = head->next;
    if (node == head || node == NULL)
        return NULL;
    weir_list_remove(node);
    return node;
}

#define WEIR_LIST_ENTRY(node, type, member) WEIR_CONTAINER_OF(node, type, member)
/* The body may remove the current node, not others. */
#define WEIR_LIST_FOREACH(node, head)                                                              \
    for (struct weir_list *node = (head)->next, *node##_next = node->next; node != (head);         \
         node = node##_next, node##_next = node->next)
