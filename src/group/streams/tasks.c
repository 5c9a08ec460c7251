/* SPDX-License-Identifier: Apache-2.0 */

/* Sets of tasks as sorted arrays. */

#include "streams_int.h"

#include <stdio.h>
#include <stdlib.h>

static int compare(const struct streams_task *a, struct weir_slice subtopology, int32_t partition)
{
    int order = weir_slice_compare(a->subtopology, subtopology);
    if (order != 0)
        return order;
    return a->partition < partition ? -1 : a->partition > partition;
}

static int compare_items(const void *a, const void *b)
{
    const struct streams_task *right = b;
    return compare(a, right->subtopology, right->partition);
}

enum weir_status tasks_make(struct weir_arena *arena, size_t count_max, struct streams_tasks *out)
{
    struct streams_task *items = weir_arena_calloc(arena, count_max, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    *out = (struct streams_tasks){.items = items};
    return WEIR_OK;
}

void tasks_sort(struct streams_tasks *tasks)
{
    if (tasks->count < 2)
        return;
    qsort(tasks->items, tasks->count, sizeof(*tasks->items), compare_items);
    size_t kept = 1;
    for (size_t i = 1; i < tasks->count; i++)
        if (compare_items(&tasks->items[i], &tasks->items[kept - 1]) != 0)
            tasks->items[kept++] = tasks->items[i];
    tasks->count = kept;
}

const struct streams_task *tasks_find(const struct streams_tasks *tasks,
                                      struct weir_slice subtopology, int32_t partition)
{
    size_t low = 0;
    size_t high = tasks->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&tasks->items[middle], subtopology, partition);
        if (order == 0)
            return &tasks->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool tasks_equal(const struct streams_tasks *a, const struct streams_tasks *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (compare_items(&a->items[i], &b->items[i]) != 0 ||
            a->items[i].epoch != b->items[i].epoch)
            return false;
    return true;
}

bool tasks_intersect(const struct streams_tasks *a, const struct streams_tasks *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (tasks_find(b, a->items[i].subtopology, a->items[i].partition) != NULL)
            return true;
    return false;
}

bool tuple_equal(const struct streams_tuple *a, const struct streams_tuple *b)
{
    return tasks_equal(&a->active, &b->active) && tasks_equal(&a->standby, &b->standby) &&
           tasks_equal(&a->warmup, &b->warmup);
}

bool tuple_is_empty(const struct streams_tuple *tuple)
{
    return tuple->active.count == 0 && tuple->standby.count == 0 && tuple->warmup.count == 0;
}

bool tuple_intersect(const struct streams_tuple *a, const struct streams_tuple *b)
{
    return tasks_intersect(&a->active, &b->active) || tasks_intersect(&a->standby, &b->standby) ||
           tasks_intersect(&a->warmup, &b->warmup);
}

enum weir_status tasks_from_list(const struct weir_streams_task_list *list,
                                 struct weir_arena *arena, struct streams_tasks *out)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->items[i].partition_count;
    struct streams_tasks tasks;
    enum weir_status status = tasks_make(arena, count, &tasks);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < list->count; i++)
        for (size_t j = 0; j < list->items[i].partition_count; j++)
            tasks.items[tasks.count++] =
                (struct streams_task){.subtopology = list->items[i].subtopology_id,
                                      .partition = list->items[i].partitions[j]};
    tasks_sort(&tasks);
    *out = tasks;
    return WEIR_OK;
}

enum weir_status tasks_to_list(const struct streams_tasks *tasks, struct weir_arena *arena,
                               struct weir_streams_task_list *out)
{
    struct weir_streams_task_ids *items = weir_arena_calloc(arena, tasks->count, sizeof(*items));
    int32_t *partitions = weir_arena_calloc(arena, tasks->count, sizeof(*partitions));
    if (items == NULL || partitions == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < tasks->count; i++) {
        const struct streams_task *task = &tasks->items[i];
        partitions[i] = task->partition;
        if (i == 0 || !weir_slice_equal(items[count - 1].subtopology_id, task->subtopology)) {
            items[count].partitions = &partitions[i];
            enum weir_status status =
                weir_arena_copy(arena, task->subtopology, &items[count++].subtopology_id);
            if (status != WEIR_OK)
                return status;
        }
        items[count - 1].partition_count++;
    }
    *out = (struct weir_streams_task_list){.items = items, .count = count, .is_given = true};
    return WEIR_OK;
}

struct weir_slice tasks_text(const struct streams_tasks *tasks, struct weir_arena *arena)
{
    char text[512];
    size_t used = 0;
    text[used++] = '[';
    for (size_t i = 0; i < tasks->count && used < sizeof(text) - 64; i++) {
        const struct streams_task *task = &tasks->items[i];
        int wrote = snprintf(text + used, 48, "%s%.*s-%d", i == 0 ? "" : ", ",
                             (int)(task->subtopology.size < 30 ? task->subtopology.size : 30),
                             (const char *)task->subtopology.data, task->partition);
        used += wrote > 47 ? 47 : (size_t)wrote;
        if (used >= sizeof(text) - 64 && i + 1 < tasks->count) {
            memcpy(text + used, ", ...", 5);
            used += 5;
        }
    }
    text[used++] = ']';
    struct weir_slice out;
    return weir_arena_copy(arena, weir_slice_of(text, used), &out) == WEIR_OK ? out
                                                                              : WEIR_EMPTY_SLICE;
}
