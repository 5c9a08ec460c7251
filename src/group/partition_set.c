/* SPDX-License-Identifier: Apache-2.0 */

/* Sets of partitions, as sorted arrays: what members have, are to have and are to give up. */

#include "partition_set.h"

#include "weir/base/memory.h"

#include <stdlib.h>

int held_compare(const struct held_partition *a, const struct held_partition *b)
{
    int order = memcmp(&a->topic_id, &b->topic_id, sizeof(a->topic_id));
    return order != 0 ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

const struct held_partition *partition_set_find(const struct partition_set *set,
                                                struct weir_uuid topic_id, int32_t partition)
{
    const struct held_partition wanted = {.topic_id = topic_id, .partition = partition};
    size_t low = 0;
    size_t high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = held_compare(&set->items[middle], &wanted);
        if (order == 0)
            return &set->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool partition_set_same(const struct partition_set *a, const struct partition_set *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (held_compare(&a->items[i], &b->items[i]) != 0)
            return false;
    }
    return true;
}

bool partition_set_equal(const struct partition_set *a, const struct partition_set *b)
{
    if (!partition_set_same(a, b))
        return false;
    for (size_t i = 0; i < a->count; i++) {
        if (a->items[i].epoch != b->items[i].epoch)
            return false;
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    return held_compare(a, b);
}

void partition_set_normalise(struct partition_set *set)
{
    if (set->count == 0)
        return;
    qsort(set->items, set->count, sizeof(*set->items), compare);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++) {
        if (held_compare(&set->items[i], &set->items[kept - 1]) != 0)
            kept++;
        set->items[kept - 1] = set->items[i];
    }
    set->count = kept;
}

enum weir_status partition_set_dup(const struct partition_set *from, struct partition_set *out)
{
    *out = (struct partition_set){0};
    if (from->count == 0)
        return WEIR_OK;
    out->items = weir_calloc(from->count, sizeof(*out->items));
    if (out->items == NULL)
        return WEIR_NO_MEMORY;
    memcpy(out->items, from->items, from->count * sizeof(*out->items));
    out->count = from->count;
    return WEIR_OK;
}

void partition_set_drop(struct partition_set *set)
{
    weir_free(set->items);
    *set = (struct partition_set){0};
}

enum weir_status partition_set_room(struct weir_arena *arena, size_t count,
                                    struct partition_set *out)
{
    *out = (struct partition_set){0};
    if (count == 0)
        return WEIR_OK;
    out->items = weir_arena_calloc(arena, count, sizeof(*out->items));
    return out->items == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

enum weir_status partition_set_of_request(struct weir_arena *arena,
                                          const struct weir_group_topic_partitions *topics,
                                          size_t count, struct partition_set *out)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += topics[i].partition_count;
    enum weir_status status = partition_set_room(arena, total, out);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < topics[i].partition_count; j++)
            out->items[out->count++] = (struct held_partition){
                .topic_id = topics[i].topic_id, .partition = topics[i].partitions[j]};
    }
    partition_set_normalise(out);
    return WEIR_OK;
}

static size_t topic_end(const struct partition_set *set, size_t first)
{
    size_t end = first + 1;
    while (end < set->count &&
           weir_uuid_equal(set->items[end].topic_id, set->items[first].topic_id))
        end++;
    return end;
}

enum weir_status partition_set_to_answer(const struct partition_set *set,
                                         const struct weir_image *names, struct weir_arena *arena,
                                         const struct weir_group_topic_partitions **out,
                                         size_t *out_count)
{
    struct weir_group_topic_partitions *topics =
        weir_arena_calloc(arena, set->count + 1, sizeof(*topics));
    int32_t *partitions = weir_arena_calloc(arena, set->count + 1, sizeof(*partitions));
    if (topics == NULL || partitions == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0, end; i < set->count; i = end) {
        end = topic_end(set, i);
        struct weir_group_topic_partitions *topic = &topics[count];
        *topic = (struct weir_group_topic_partitions){.topic_id = set->items[i].topic_id,
                                                      .partitions = partitions + i};
        if (names != NULL) {
            const struct weir_image_topic *found = weir_image_topic_by_id(names, topic->topic_id);
            if (found == NULL)
                continue;
            if (weir_arena_copy(arena, found->name, &topic->topic_name) != WEIR_OK)
                return WEIR_NO_MEMORY;
        }
        for (size_t j = i; j < end; j++)
            partitions[j] = set->items[j].partition;
        topic->partition_count = end - i;
        count++;
    }
    *out = topics;
    *out_count = count;
    return WEIR_OK;
}
