/* SPDX-License-Identifier: Apache-2.0 */

/* What members subscribe to, by name and by regular expression, and the hash over it by which a
 * group sees that its topics have changed. */

#include "consumer_int.h"

#include <stdlib.h>

const struct resolved_regex *draft_regex(const struct group_draft *draft, struct weir_slice text)
{
    for (size_t i = 0; i < draft->resolved_count; i++) {
        if (weir_slice_equal(draft->resolved[i].text, text))
            return &draft->resolved[i];
    }
    return consumer_regex(draft->group, text);
}

static bool contains(const struct weir_slice *sorted, size_t count, struct weir_slice name)
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

bool consumer_is_subscribed(const struct consumer_group *group, struct weir_slice topic)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        const struct consumer_member *member = entry->value;
        if (contains(member->data.topics, member->data.topic_count, topic))
            return true;
    }
    cursor = 0;
    while ((entry = weir_map_next(&group->regexes, &cursor)) != NULL) {
        const struct resolved_regex *regex = entry->value;
        if (contains(regex->topics, regex->topic_count, topic))
            return true;
    }
    return false;
}

/* ---- Members of the draft ---- */

static bool is_gone(const struct group_draft *draft, const struct consumer_member *member)
{
    for (size_t i = 0; i < draft->gone_count; i++) {
        if (draft->gone[i] == member)
            return true;
    }
    return draft->joined != NULL && weir_slice_equal(member->data.id, draft->joined->id);
}

static int compare_data(const void *a, const void *b)
{
    const struct member_data *const *left = a;
    const struct member_data *const *right = b;
    return weir_slice_compare((*left)->id, (*right)->id);
}

enum weir_status draft_members(const struct group_draft *draft, const struct member_data ***out,
                               size_t *out_count)
{
    const struct member_data **members = weir_arena_calloc(
        &draft->step->arena, draft->group->members.count + 1, sizeof(const struct member_data *));
    if (members == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&draft->group->members, &cursor)) != NULL) {
        const struct consumer_member *member = entry->value;
        if (!is_gone(draft, member))
            members[count++] = &member->data;
    }
    if (draft->joined != NULL)
        members[count++] = draft->joined;
    qsort(members, count, sizeof(const struct member_data *), compare_data);
    *out = members;
    *out_count = count;
    return WEIR_OK;
}

/* ---- Topics ---- */

enum weir_status draft_topics_of(const struct group_draft *draft, const struct member_data *member,
                                 const struct weir_image_topic ***out, size_t *out_count)
{
    static const struct resolved_regex none;
    const struct resolved_regex *regex =
        member->regex.size == 0 ? NULL : draft_regex(draft, member->regex);
    if (regex == NULL)
        regex = &none;
    const struct weir_image_topic **topics =
        weir_arena_calloc(&draft->step->arena, member->topic_count + regex->topic_count + 1,
                          sizeof(const struct weir_image_topic *));
    if (topics == NULL)
        return WEIR_NO_MEMORY;
    const struct weir_image *image = draft->group->base.machine->image;
    size_t count = 0;
    /* Both are sorted: one walk over the two. */
    for (size_t i = 0, j = 0; i < member->topic_count || j < regex->topic_count;) {
        int order = i == member->topic_count ? 1
                    : j == regex->topic_count
                        ? -1
                        : weir_slice_compare(member->topics[i], regex->topics[j]);
        struct weir_slice name = order <= 0 ? member->topics[i] : regex->topics[j];
        if (order <= 0)
            i++;
        if (order >= 0)
            j++;
        const struct weir_image_topic *topic = weir_image_topic(image, name);
        if (topic != NULL)
            topics[count++] = topic;
    }
    *out = topics;
    *out_count = count;
    return WEIR_OK;
}

/* ---- The metadata hash ---- */

static int compare_topics(const void *a, const void *b)
{
    const struct weir_image_topic *const *left = a;
    const struct weir_image_topic *const *right = b;
    return (*left > *right) - (*left < *right);
}

/* All topics of all members, each once; in the order of their addresses. */
static enum weir_status all_topics(const struct group_draft *draft,
                                   const struct weir_image_topic ***out, size_t *out_count)
{
    const struct member_data **members;
    size_t member_count;
    enum weir_status status = draft_members(draft, &members, &member_count);
    if (status != WEIR_OK)
        return status;
    size_t room = 1;
    size_t count = 0;
    const struct weir_image_topic **all = NULL;
    for (int pass = 0; pass < 2 && status == WEIR_OK; pass++) {
        if (pass == 1) {
            all = weir_arena_calloc(&draft->step->arena, room,
                                    sizeof(const struct weir_image_topic *));
            if (all == NULL)
                return WEIR_NO_MEMORY;
        }
        for (size_t i = 0; i < member_count && status == WEIR_OK; i++) {
            if (i > 0 && member_subscription_equal(members[i - 1], members[i]))
                continue; /* most groups are of one mind */
            const struct weir_image_topic **topics;
            size_t topic_count;
            status = draft_topics_of(draft, members[i], &topics, &topic_count);
            if (status == WEIR_OK && pass == 0)
                room += topic_count;
            for (size_t j = 0; status == WEIR_OK && pass == 1 && j < topic_count; j++)
                all[count++] = topics[j];
        }
    }
    if (status != WEIR_OK)
        return status;
    qsort(all, count, sizeof(const struct weir_image_topic *), compare_topics);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || all[i] != all[i - 1])
            all[kept++] = all[i];
    }
    *out = all;
    *out_count = kept;
    return WEIR_OK;
}

enum weir_status draft_hash(const struct group_draft *draft, int64_t *out)
{
    const struct weir_image *image = draft->group->base.machine->image;
    const struct weir_image_topic **topics;
    size_t count;
    enum weir_status status = all_topics(draft, &topics, &count);
    return status == WEIR_OK
               ? group_topics_hash(image, topics, count, &draft->step->arena, out)
               : status;
}
