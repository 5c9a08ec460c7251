/* SPDX-License-Identifier: Apache-2.0 */

/* Lists of topics with their partitions, as a record of type 15 has them. */

#include "share_int.h"

struct share_topic *share_topics_find(const struct share_topics *topics, struct weir_uuid id)
{
    for (size_t i = 0; i < topics->count; i++)
        if (weir_uuid_equal(topics->items[i].id, id))
            return &topics->items[i];
    return NULL;
}

bool share_topic_has(const struct share_topic *topic, int32_t partition)
{
    size_t low = 0;
    size_t high = topic->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (topic->partitions[middle] == partition)
            return true;
        if (topic->partitions[middle] < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

enum weir_status share_topics_copy(const struct share_topics *from, size_t more,
                                   struct weir_arena *arena, struct share_topics *out)
{
    struct share_topic *items = weir_arena_calloc(arena, from->count + more + 1, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < from->count; i++)
        items[i] = from->items[i];
    *out = (struct share_topics){.items = items, .count = from->count};
    return WEIR_OK;
}

/* Both ascending; into one. */
static enum weir_status merge(const struct share_topic *a, const struct share_topic *b,
                              struct weir_arena *arena, struct share_topic *out)
{
    int32_t *partitions = weir_arena_calloc(arena, a->count + b->count + 1, sizeof(*partitions));
    if (partitions == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
        int32_t next = j == b->count || (i < a->count && a->partitions[i] <= b->partitions[j])
                           ? a->partitions[i]
                           : b->partitions[j];
        while (i < a->count && a->partitions[i] == next)
            i++;
        while (j < b->count && b->partitions[j] == next)
            j++;
        partitions[count++] = next;
    }
    out->partitions = partitions;
    out->count = count;
    return WEIR_OK;
}

enum weir_status share_topics_add(struct share_topics *topics, const struct share_topic *topic,
                                  struct weir_arena *arena)
{
    struct share_topic *there = share_topics_find(topics, topic->id);
    if (there != NULL) {
        enum weir_status status = merge(there, topic, arena, there);
        if (status == WEIR_OK) {
            there->name = topic->name;
            there->since_ms = topic->since_ms;
        }
        return status;
    }
    size_t at = topics->count++;
    while (at > 0 && memcmp(&topics->items[at - 1].id, &topic->id, sizeof(topic->id)) > 0) {
        topics->items[at] = topics->items[at - 1];
        at--;
    }
    topics->items[at] = *topic;
    return WEIR_OK;
}

void share_topics_remove(struct share_topics *topics, struct weir_uuid id)
{
    struct share_topic *there = share_topics_find(topics, id);
    if (there == NULL)
        return;
    topics->count--;
    for (size_t i = (size_t)(there - topics->items); i < topics->count; i++)
        topics->items[i] = topics->items[i + 1];
}

enum weir_status share_topics_take(struct share_topics *topics, const struct share_topic *topic,
                                   struct weir_arena *arena)
{
    struct share_topic *there = share_topics_find(topics, topic->id);
    if (there == NULL)
        return WEIR_OK;
    int32_t *partitions = weir_arena_calloc(arena, there->count + 1, sizeof(*partitions));
    if (partitions == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < there->count; i++)
        if (!share_topic_has(topic, there->partitions[i]))
            partitions[count++] = there->partitions[i];
    there->partitions = partitions;
    there->count = count;
    if (count == 0)
        share_topics_remove(topics, topic->id);
    return WEIR_OK;
}

enum weir_status share_state_copy(const struct share_state *from, size_t more,
                                  struct weir_arena *arena, struct share_state *out)
{
    enum weir_status status =
        share_topics_copy(&from->initializing, more, arena, &out->initializing);
    if (status == WEIR_OK)
        status = share_topics_copy(&from->initialized, more, arena, &out->initialized);
    if (status == WEIR_OK)
        status = share_topics_copy(&from->deleting, more, arena, &out->deleting);
    return status;
}
