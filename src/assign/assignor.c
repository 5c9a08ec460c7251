/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/assignor.h"
#include "assign_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"

#include <limits.h>

static const char *const names[WEIR_ASSIGNOR_COUNT] = {
    [WEIR_ASSIGNOR_UNIFORM] = "uniform",
    [WEIR_ASSIGNOR_RANGE] = "range",
};

const char *weir_assignor_name(enum weir_assignor assignor)
{
    WEIR_ASSERT((unsigned)assignor < WEIR_ASSIGNOR_COUNT);
    return names[assignor];
}

bool weir_assignor_find(struct weir_slice name, enum weir_assignor *out)
{
    for (unsigned i = 0; i < WEIR_ASSIGNOR_COUNT; i++) {
        if (weir_slice_is(name, names[i])) {
            *out = (enum weir_assignor)i;
            return true;
        }
    }
    return false;
}

bool subscribes_to(const struct weir_assign_member *member, uint32_t topic)
{
    size_t low = 0;
    size_t high = member->topic_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (member->topics[middle] == topic)
            return true;
        if (member->topics[middle] < topic)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool is_member_sound(const struct weir_assign_spec *spec,
                            const struct weir_assign_member *member)
{
    for (size_t i = 0; i < member->topic_count; i++) {
        if (member->topics[i] >= spec->topic_count ||
            (i > 0 && member->topics[i] <= member->topics[i - 1]))
            return false;
    }
    for (size_t i = 0; i < member->owned_count; i++) {
        if (member->owned[i].topic >= spec->topic_count ||
            (i > 0 && member->owned[i].topic <= member->owned[i - 1].topic))
            return false;
    }
    return true;
}

static bool is_sound(const struct weir_assign_spec *spec)
{
    if (spec->member_count > INT32_MAX || spec->topic_count > INT32_MAX)
        return false;
    for (size_t i = 0; i < spec->topic_count; i++) {
        if (spec->topics[i].partition_count < 0)
            return false;
    }
    for (size_t i = 0; i < spec->member_count; i++) {
        if (!is_member_sound(spec, &spec->members[i]))
            return false;
    }
    return true;
}

static bool is_same_for_all(const struct weir_assign_spec *spec)
{
    const struct weir_assign_member *first = &spec->members[0];
    for (size_t i = 1; i < spec->member_count; i++) {
        const struct weir_assign_member *member = &spec->members[i];
        if (member->topic_count != first->topic_count ||
            (first->topic_count > 0 &&
             memcmp(member->topics, first->topics, first->topic_count * sizeof(uint32_t)) != 0))
            return false;
    }
    return true;
}

static enum weir_status make_plan(const struct weir_assign_spec *spec, struct weir_arena *arena,
                                  struct plan *plan)
{
    plan->spec = spec;
    plan->arena = arena;
    plan->first = weir_arena_calloc(arena, spec->topic_count + 1, sizeof(*plan->first));
    if (plan->first == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < spec->topic_count; i++)
        plan->first[i + 1] = plan->first[i] + (size_t)spec->topics[i].partition_count;
    size_t count = plan->first[spec->topic_count];
    plan->owners = weir_arena_calloc(arena, count, sizeof(*plan->owners));
    if (plan->owners == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        plan->owners[i] = NOBODY;
    return WEIR_OK;
}

/* How many partitions and how many topics each member has. */
static void count_results(const struct plan *plan, struct weir_assign_member_result *members,
                          uint32_t *last_topic)
{
    const struct weir_assign_spec *spec = plan->spec;
    for (size_t i = 0; i < spec->member_count; i++)
        last_topic[i] = UINT32_MAX;
    for (uint32_t topic = 0; topic < spec->topic_count; topic++) {
        const int32_t *owners = plan_owners(plan, topic);
        for (int32_t p = 0; p < spec->topics[topic].partition_count; p++) {
            if (owners[p] == NOBODY)
                continue;
            members[owners[p]].partition_count++;
            if (last_topic[owners[p]] != topic) {
                last_topic[owners[p]] = topic;
                members[owners[p]].topic_count++;
            }
        }
    }
}

/* Where a member's results are written next. */
struct cursor {
    struct weir_assign_partitions *topics;
    size_t topic_count;
    int32_t *partitions;
};

static enum weir_status place_cursors(const struct plan *plan,
                                      struct weir_assign_member_result *members,
                                      struct cursor *cursors)
{
    for (size_t i = 0; i < plan->spec->member_count; i++) {
        cursors[i].topics = weir_arena_calloc(plan->arena, members[i].topic_count,
                                              sizeof(struct weir_assign_partitions));
        cursors[i].partitions =
            weir_arena_calloc(plan->arena, members[i].partition_count, sizeof(int32_t));
        if (cursors[i].topics == NULL || cursors[i].partitions == NULL)
            return WEIR_NO_MEMORY;
        members[i].topics = cursors[i].topics;
    }
    return WEIR_OK;
}

static void give(struct cursor *cursor, uint32_t topic, int32_t partition)
{
    if (cursor->topic_count == 0 || cursor->topics[cursor->topic_count - 1].topic != topic) {
        cursor->topics[cursor->topic_count++] =
            (struct weir_assign_partitions){.topic = topic, .partitions = cursor->partitions};
    }
    cursor->topics[cursor->topic_count - 1].partition_count++;
    *cursor->partitions++ = partition;
}

static enum weir_status make_results(const struct plan *plan, struct weir_assignment *out)
{
    const struct weir_assign_spec *spec = plan->spec;
    size_t count = spec->member_count;
    struct weir_assign_member_result *members =
        weir_arena_calloc(plan->arena, count, sizeof(*members));
    struct cursor *cursors = weir_arena_calloc(plan->arena, count, sizeof(*cursors));
    uint32_t *last_topic = weir_arena_calloc(plan->arena, count, sizeof(*last_topic));
    if (members == NULL || cursors == NULL || last_topic == NULL)
        return WEIR_NO_MEMORY;
    count_results(plan, members, last_topic);
    enum weir_status status = place_cursors(plan, members, cursors);
    if (status != WEIR_OK)
        return status;
    for (uint32_t topic = 0; topic < spec->topic_count; topic++) {
        const int32_t *owners = plan_owners(plan, topic);
        for (int32_t p = 0; p < spec->topics[topic].partition_count; p++) {
            if (owners[p] != NOBODY)
                give(&cursors[owners[p]], topic, p);
        }
    }
    *out = (struct weir_assignment){.members = members, .member_count = count};
    return WEIR_OK;
}

enum weir_status weir_assign(enum weir_assignor assignor, const struct weir_assign_spec *spec,
                             struct weir_arena *arena, struct weir_assignment *out)
{
    if (!is_sound(spec))
        return WEIR_INVALID;
    struct plan plan;
    enum weir_status status = make_plan(spec, arena, &plan);
    if (status == WEIR_OK && spec->member_count > 0) {
        switch (assignor) {
        case WEIR_ASSIGNOR_RANGE:
            status = assign_range(&plan);
            break;
        case WEIR_ASSIGNOR_UNIFORM:
            status = spec->is_heterogeneous || !is_same_for_all(spec) ? assign_uniform_mixed(&plan)
                                                                      : assign_uniform_same(&plan);
            break;
        case WEIR_ASSIGNOR_COUNT:
            WEIR_ASSERT(false);
        }
    }
    return status == WEIR_OK ? make_results(&plan, out) : status;
}
