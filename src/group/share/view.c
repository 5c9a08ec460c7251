/* SPDX-License-Identifier: Apache-2.0 */

/* The group as it is to be after a step: its members, and the topics they subscribe to. */

#include "share_int.h"

#include <stdlib.h>

bool share_names_contain(const struct weir_slice *sorted, size_t count, struct weir_slice name)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = weir_slice_compare(sorted[middle], name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool share_is_subscribed(const struct share_group *group, struct weir_slice topic)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        const struct share_member *member = entry->value;
        if (share_names_contain(member->metadata.subscribed_topic_names.items,
                                (size_t)member->metadata.subscribed_topic_names.count, topic))
            return true;
    }
    return false;
}

static int compare_members(const void *a, const void *b)
{
    return weir_slice_compare(((const struct share_view_member *)a)->id,
                              ((const struct share_view_member *)b)->id);
}

static void add_member(struct share_view *view, struct weir_slice id,
                       const share_member_value *metadata)
{
    view->members[view->member_count++] =
        (struct share_view_member){.id = id,
                                   .names = metadata->subscribed_topic_names.items,
                                   .name_count = (size_t)metadata->subscribed_topic_names.count};
}

static int compare_topics(const void *a, const void *b)
{
    const struct weir_image_topic *const *left = a;
    const struct weir_image_topic *const *right = b;
    return weir_slice_compare((*left)->name, (*right)->name);
}

static bool names_equal(const struct share_view_member *a, const struct share_view_member *b)
{
    bool is_equal = a->name_count == b->name_count;
    for (size_t i = 0; i < a->name_count && is_equal; i++)
        is_equal = weir_slice_equal(a->names[i], b->names[i]);
    return is_equal;
}

static enum weir_status collect_topics(struct share_view *view, struct weir_arena *arena)
{
    size_t room = 1;
    for (size_t i = 0; i < view->member_count; i++)
        if (i == 0 || !names_equal(&view->members[i - 1], &view->members[i]))
            room += view->members[i].name_count;
    view->topics = weir_arena_calloc(arena, room, sizeof(const struct weir_image_topic *));
    if (view->topics == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < view->member_count; i++) {
        if (i > 0 && names_equal(&view->members[i - 1], &view->members[i]))
            continue; /* most groups are of one mind */
        for (size_t j = 0; j < view->members[i].name_count; j++) {
            const struct weir_image_topic *topic =
                weir_image_topic(view->image, view->members[i].names[j]);
            if (topic != NULL)
                view->topics[count++] = topic;
        }
    }
    if (count > 1)
        qsort(view->topics, count, sizeof(const struct weir_image_topic *), compare_topics);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || view->topics[i] != view->topics[i - 1])
            view->topics[view->topic_count++] = view->topics[i];
    return WEIR_OK;
}

enum weir_status share_view_make(const struct share_group *group, const struct weir_image *image,
                                 struct weir_slice id, const share_member_value *metadata,
                                 struct weir_arena *arena, struct share_view *out)
{
    size_t count = group == NULL ? 0 : group->members.count;
    *out = (struct share_view){.group = group, .image = image};
    out->members = weir_arena_calloc(arena, count + 1, sizeof(*out->members));
    if (out->members == NULL)
        return WEIR_NO_MEMORY;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while (group != NULL && (entry = weir_map_next(&group->members, &cursor)) != NULL) {
        const struct share_member *member = entry->value;
        if (!weir_slice_equal(member->id, id))
            add_member(out, member->id, &member->metadata);
    }
    if (metadata != NULL)
        add_member(out, id, metadata);
    if (out->member_count > 1)
        qsort(out->members, out->member_count, sizeof(*out->members), compare_members);
    return collect_topics(out, arena);
}

enum weir_status share_view_hash(const struct share_view *view, struct weir_arena *arena,
                                 int64_t *out)
{
    return group_topics_hash(view->image, view->topics, view->topic_count, arena, out);
}
