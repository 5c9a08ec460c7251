/* SPDX-License-Identifier: Apache-2.0 */
#include "assign_int.h"

#include "weir/base/assert.h"

#include <stdlib.h>

/*
 * The uniform assignor when subscriptions differ.
 *
 *  1. Members keep what they have of the topics they subscribe to.
 *  2. Partitions without an owner are dealt out topic by topic, each to the subscriber with the
 *     fewest partitions.  Topics with many partitions for each subscriber come first: they leave
 * the least choice.
 *  3. Topic by topic, partitions move from the subscribers with the most to those with the fewest,
 *     until a whole round changes nothing.  Overlapping subscriptions can take many rounds for ever
 *     smaller gains: ROUNDS_MAX ends that.
 *
 * Steps 2 and 3 walk over one line of the topic's subscribers, sorted by size when the topic's turn
 * begins.  The low end is a run of members that began with the same size; each of them gets one
 * partition, then the run is as high as its neighbours and grows over them.  The high end is the
 * same mirrored.
 */
enum { ROUNDS_MAX = 16 };

struct mixed {
    struct plan *plan;
    size_t *first_subscriber; /* of each topic in subscribers, and one more */
    int32_t *subscribers;     /* members of a topic, ascending */
    int32_t *sizes;           /* of each member: its number of partitions */
    /* scratch */
    int32_t *line;  /* members */
    size_t *counts; /* for sorting: by size */
    size_t counts_size;
    int32_t *groups;     /* a topic's partitions, those of one owner together */
    size_t *group_start; /* of each member in groups */
    size_t *group_end;
};

static size_t subscriber_count(const struct mixed *mixed, uint32_t topic)
{
    return mixed->first_subscriber[topic + 1] - mixed->first_subscriber[topic];
}

static const int32_t *topic_subscribers(const struct mixed *mixed, uint32_t topic)
{
    return mixed->subscribers + mixed->first_subscriber[topic];
}

/* ---- The line of subscribers ---- */

struct line {
    const int32_t *sizes;
    int32_t *members;
    size_t count;
    size_t low_end; /* exclusive; the run begins at 0 */
    size_t low_next;
    int32_t low_size;
    size_t high_start;
    size_t high_end;  /* exclusive; members without anything to give stand behind it */
    size_t high_next; /* one more than the index of the next */
    int32_t high_size;
};

struct sized {
    int32_t member;
    int32_t size;
};

static int compare_sized(const void *a, const void *b)
{
    const struct sized *left = a;
    const struct sized *right = b;
    if (left->size != right->size)
        return left->size < right->size ? -1 : 1;
    return (left->member > right->member) - (left->member < right->member);
}

static void size_range(const struct mixed *mixed, uint32_t topic, int32_t *min, int32_t *max)
{
    const int32_t *members = topic_subscribers(mixed, topic);
    *min = *max = mixed->sizes[members[0]];
    for (size_t i = 1; i < subscriber_count(mixed, topic); i++) {
        int32_t size = mixed->sizes[members[i]];
        *min = size < *min ? size : *min;
        *max = size > *max ? size : *max;
    }
}

/* By size, then by member.  Sizes lie close together in all but the first steps: counting them is
 * then faster than comparing. */
static enum weir_status sort_subscribers(const struct mixed *mixed, uint32_t topic, int32_t min,
                                         int32_t max)
{
    const int32_t *members = topic_subscribers(mixed, topic);
    size_t count = subscriber_count(mixed, topic);
    size_t span = (size_t)(max - min) + 1;
    if (span < mixed->counts_size) {
        memset(mixed->counts, 0, (span + 1) * sizeof(size_t));
        for (size_t i = 0; i < count; i++)
            mixed->counts[mixed->sizes[members[i]] - min + 1]++;
        for (size_t i = 1; i <= span; i++)
            mixed->counts[i] += mixed->counts[i - 1];
        for (size_t i = 0; i < count; i++)
            mixed->line[mixed->counts[mixed->sizes[members[i]] - min]++] = members[i];
        return WEIR_OK;
    }
    struct sized *sized = weir_arena_calloc(mixed->plan->arena, count, sizeof(*sized));
    if (sized == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        sized[i] = (struct sized){members[i], mixed->sizes[members[i]]};
    qsort(sized, count, sizeof(*sized), compare_sized);
    for (size_t i = 0; i < count; i++)
        mixed->line[i] = sized[i].member;
    return WEIR_OK;
}

static enum weir_status begin_line(const struct mixed *mixed, uint32_t topic, struct line *line)
{
    int32_t min;
    int32_t max;
    size_range(mixed, topic, &min, &max);
    size_t count = subscriber_count(mixed, topic);
    *line = (struct line){
        .sizes = mixed->sizes,
        .members = mixed->line,
        .count = count,
        .low_size = min - 1,
        .high_start = count,
        .high_end = count,
        .high_next = count,
        .high_size = max + 1,
    };
    return sort_subscribers(mixed, topic, min, max);
}

static int32_t next_lowest(struct line *line)
{
    if (line->low_next >= line->low_end) {
        line->low_size++;
        while (line->low_end < line->count &&
               line->sizes[line->members[line->low_end]] == line->low_size)
            line->low_end++;
        line->low_next = 0;
    }
    return line->members[line->low_next++];
}

/* NOBODY when no member is left that could give something. */
static int32_t next_highest(struct line *line)
{
    if (line->high_next <= line->high_start) {
        if (line->high_end <= line->high_start && line->high_start > 0)
            line->high_size = line->sizes[line->members[line->high_start - 1]];
        else
            line->high_size--;
        while (line->high_start > 0 &&
               line->sizes[line->members[line->high_start - 1]] == line->high_size)
            line->high_start--;
        line->high_next = line->high_end;
    }
    return line->high_next == 0 ? NOBODY : line->members[--line->high_next];
}

/* The member that next_highest gave last has nothing to give: it leaves the run. */
static void exclude_highest(struct line *line)
{
    int32_t member = line->members[line->high_next];
    line->members[line->high_next] = line->members[line->high_end - 1];
    line->members[--line->high_end] = member;
}

static bool is_balanced(const struct line *line)
{
    return line->high_size - line->low_size <= 1;
}

/* ---- The order of topics ---- */

struct ordered {
    const struct weir_assign_topic *description;
    size_t subscriber_count;
    uint32_t topic;
};

/* Kafka compares ids as two signed numbers. */
static int compare_ids(struct weir_uuid a, struct weir_uuid b)
{
    a.bytes[0] ^= 0x80;
    b.bytes[0] ^= 0x80;
    a.bytes[8] ^= 0x80;
    b.bytes[8] ^= 0x80;
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

static int compare_topics(const void *a, const void *b)
{
    const struct ordered *left = a;
    const struct ordered *right = b;
    double left_load = (double)left->description->partition_count / (double)left->subscriber_count;
    double right_load =
        (double)right->description->partition_count / (double)right->subscriber_count;
    if (left_load < right_load || left_load > right_load)
        return left_load > right_load ? -1 : 1;
    if (left->subscriber_count != right->subscriber_count)
        return left->subscriber_count < right->subscriber_count ? -1 : 1;
    int order = compare_ids(left->description->id, right->description->id);
    return order != 0 ? order : (left->topic > right->topic) - (left->topic < right->topic);
}

/* The topics with subscribers. */
static enum weir_status order_topics(const struct mixed *mixed, struct ordered **out, size_t *count)
{
    const struct weir_assign_spec *spec = mixed->plan->spec;
    struct ordered *topics =
        weir_arena_calloc(mixed->plan->arena, spec->topic_count, sizeof(*topics));
    if (topics == NULL)
        return WEIR_NO_MEMORY;
    *count = 0;
    for (uint32_t topic = 0; topic < spec->topic_count; topic++) {
        if (subscriber_count(mixed, topic) > 0) {
            topics[(*count)++] = (struct ordered){
                .description = &spec->topics[topic],
                .subscriber_count = subscriber_count(mixed, topic),
                .topic = topic,
            };
        }
    }
    qsort(topics, *count, sizeof(*topics), compare_topics);
    *out = topics;
    return WEIR_OK;
}

/* ---- The steps ---- */

static void keep_owned(struct mixed *mixed)
{
    const struct weir_assign_spec *spec = mixed->plan->spec;
    for (size_t i = 0; i < spec->member_count; i++) {
        const struct weir_assign_member *member = &spec->members[i];
        for (size_t j = 0; j < member->owned_count; j++) {
            uint32_t topic = member->owned[j].topic;
            if (!subscribes_to(member, topic))
                continue;
            int32_t *owners = plan_owners(mixed->plan, topic);
            for (size_t k = 0; k < member->owned[j].partition_count; k++) {
                int32_t partition = member->owned[j].partitions[k];
                if (partition < 0 || partition >= spec->topics[topic].partition_count ||
                    owners[partition] != NOBODY)
                    continue;
                owners[partition] = (int32_t)i;
                mixed->sizes[i]++;
            }
        }
    }
}

static enum weir_status deal_unowned(struct mixed *mixed, uint32_t topic)
{
    int32_t count = mixed->plan->spec->topics[topic].partition_count;
    int32_t *owners = plan_owners(mixed->plan, topic);
    int32_t partition = 0;
    while (partition < count && owners[partition] != NOBODY)
        partition++;
    if (partition == count)
        return WEIR_OK;
    struct line line;
    enum weir_status status = begin_line(mixed, topic, &line);
    if (status != WEIR_OK)
        return status;
    for (; partition < count; partition++) {
        if (owners[partition] != NOBODY)
            continue;
        owners[partition] = next_lowest(&line);
        mixed->sizes[owners[partition]]++;
    }
    return WEIR_OK;
}

/* Partitions of one owner together, ascending; groups of members that have none are empty. */
static void group_by_owner(struct mixed *mixed, uint32_t topic)
{
    int32_t count = mixed->plan->spec->topics[topic].partition_count;
    const int32_t *owners = plan_owners(mixed->plan, topic);
    const int32_t *members = topic_subscribers(mixed, topic);
    for (size_t i = 0; i < subscriber_count(mixed, topic); i++)
        mixed->group_end[members[i]] = 0;
    for (int32_t p = 0; p < count; p++)
        mixed->group_end[owners[p]]++;
    size_t next = 0;
    for (size_t i = 0; i < subscriber_count(mixed, topic); i++) {
        mixed->group_start[members[i]] = next;
        next += mixed->group_end[members[i]];
        mixed->group_end[members[i]] = mixed->group_start[members[i]];
    }
    for (int32_t p = 0; p < count; p++)
        mixed->groups[mixed->group_end[owners[p]]++] = p;
}

/* The member with the most partitions that has one of this topic to give. */
static int32_t next_giver(const struct mixed *mixed, struct line *line)
{
    int32_t member = next_highest(line);
    while (member != NOBODY && mixed->group_end[member] <= mixed->group_start[member]) {
        exclude_highest(line);
        member = next_highest(line);
    }
    return member;
}

static enum weir_status balance_topic(struct mixed *mixed, uint32_t topic, bool *has_moved)
{
    int32_t min;
    int32_t max;
    size_range(mixed, topic, &min, &max);
    if (max - min <= 1)
        return WEIR_OK;
    struct line line;
    enum weir_status status = begin_line(mixed, topic, &line);
    if (status != WEIR_OK)
        return status;
    group_by_owner(mixed, topic);
    int32_t *owners = plan_owners(mixed->plan, topic);
    while (!is_balanced(&line)) {
        int32_t giver = next_giver(mixed, &line);
        if (giver == NOBODY)
            break;
        int32_t partition = mixed->groups[--mixed->group_end[giver]];
        int32_t taker = next_lowest(&line);
        if (is_balanced(&line))
            break;
        owners[partition] = taker;
        mixed->sizes[giver]--;
        mixed->sizes[taker]++;
        *has_moved = true;
    }
    return WEIR_OK;
}

static enum weir_status balance(struct mixed *mixed, const struct ordered *topics, size_t count)
{
    size_t last_moved = SIZE_MAX; /* place of the last topic that was changed */
    for (int round = 0; round < ROUNDS_MAX; round++) {
        for (size_t i = 0; i < count; i++) {
            if (topics[i].subscriber_count < 2)
                continue;
            if (i == last_moved) /* all topics since then were balanced already */
                return WEIR_OK;
            bool has_moved = false;
            enum weir_status status = balance_topic(mixed, topics[i].topic, &has_moved);
            if (status != WEIR_OK)
                return status;
            if (has_moved || last_moved == SIZE_MAX)
                last_moved = i;
        }
    }
    return WEIR_OK;
}

static enum weir_status find_subscribers(struct mixed *mixed)
{
    const struct weir_assign_spec *spec = mixed->plan->spec;
    struct weir_arena *arena = mixed->plan->arena;
    mixed->first_subscriber = weir_arena_calloc(arena, spec->topic_count + 1, sizeof(size_t));
    size_t *next = weir_arena_calloc(arena, spec->topic_count, sizeof(size_t));
    if (mixed->first_subscriber == NULL || next == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < spec->member_count; i++) {
        for (size_t j = 0; j < spec->members[i].topic_count; j++)
            mixed->first_subscriber[spec->members[i].topics[j] + 1]++;
    }
    for (size_t i = 0; i < spec->topic_count; i++) {
        next[i] = mixed->first_subscriber[i];
        mixed->first_subscriber[i + 1] += mixed->first_subscriber[i];
    }
    mixed->subscribers =
        weir_arena_calloc(arena, mixed->first_subscriber[spec->topic_count], sizeof(int32_t));
    if (mixed->subscribers == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < spec->member_count; i++) {
        for (size_t j = 0; j < spec->members[i].topic_count; j++)
            mixed->subscribers[next[spec->members[i].topics[j]]++] = (int32_t)i;
    }
    return WEIR_OK;
}

static enum weir_status init_mixed(struct mixed *mixed, struct plan *plan)
{
    const struct weir_assign_spec *spec = plan->spec;
    int32_t widest = 0;
    for (size_t i = 0; i < spec->topic_count; i++) {
        if (spec->topics[i].partition_count > widest)
            widest = spec->topics[i].partition_count;
    }
    mixed->plan = plan;
    mixed->counts_size = 4 * spec->member_count + 64;
    mixed->sizes = weir_arena_calloc(plan->arena, spec->member_count, sizeof(int32_t));
    mixed->line = weir_arena_calloc(plan->arena, spec->member_count, sizeof(int32_t));
    mixed->counts = weir_arena_calloc(plan->arena, mixed->counts_size, sizeof(size_t));
    mixed->groups = weir_arena_calloc(plan->arena, (size_t)widest, sizeof(int32_t));
    mixed->group_start = weir_arena_calloc(plan->arena, spec->member_count, sizeof(size_t));
    mixed->group_end = weir_arena_calloc(plan->arena, spec->member_count, sizeof(size_t));
    if (mixed->sizes == NULL || mixed->line == NULL || mixed->counts == NULL ||
        mixed->groups == NULL || mixed->group_start == NULL || mixed->group_end == NULL)
        return WEIR_NO_MEMORY;
    return find_subscribers(mixed);
}

enum weir_status assign_uniform_mixed(struct plan *plan)
{
    struct mixed mixed = {0};
    struct ordered *topics = NULL;
    size_t count = 0;
    enum weir_status status = init_mixed(&mixed, plan);
    if (status == WEIR_OK)
        status = order_topics(&mixed, &topics, &count);
    if (status != WEIR_OK)
        return status;
    keep_owned(&mixed);
    for (size_t i = 0; i < count; i++) {
        status = deal_unowned(&mixed, topics[i].topic);
        if (status != WEIR_OK)
            return status;
    }
    return balance(&mixed, topics, count);
}
