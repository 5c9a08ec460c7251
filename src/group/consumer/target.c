/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The target assignment: the group as the assignors of src/assign see it, and what changed as
 * records.  Computed in the step that raised the group's epoch: about a millisecond for 10,000
 * partitions, so that nobody has to be told "later".
 */

#include "consumer_int.h"

#include <stdlib.h>

struct targeting {
    const struct group_draft *draft;
    const struct member_data **members;
    size_t member_count;
    const struct weir_image_topic **topics; /* by name; the spec's topics */
    size_t topic_count;
    struct weir_assign_spec spec;
};

static int compare_names(const void *a, const void *b)
{
    const struct weir_image_topic *const *left = a;
    const struct weir_image_topic *const *right = b;
    return weir_slice_compare((*left)->name, (*right)->name);
}

static size_t topic_index(const struct targeting *targeting, const struct weir_image_topic *topic)
{
    const struct weir_image_topic **found =
        bsearch(&topic, targeting->topics, targeting->topic_count,
                sizeof(const struct weir_image_topic *), compare_names);
    return found == NULL ? SIZE_MAX : (size_t)(found - targeting->topics);
}

/* ---- The assignor ---- */

static bool next_configured(struct weir_slice *rest, enum weir_assignor *out)
{
    struct weir_slice name;
    while (weir_config_list_next(rest, &name)) {
        if (weir_assignor_find(name, out))
            return true;
    }
    return false;
}

enum weir_assignor consumer_elect_assignor(const struct group_machine *machine,
                                           const size_t votes[WEIR_ASSIGNOR_COUNT])
{
    struct weir_slice configured = machine_broker_config(machine, "group.consumer.assignors");
    enum weir_assignor best = WEIR_ASSIGNOR_UNIFORM;
    if (votes[WEIR_ASSIGNOR_UNIFORM] == 0 && votes[WEIR_ASSIGNOR_RANGE] == 0) {
        (void)next_configured(&configured, &best); /* uniform when all of them are custom ones */
        return best;
    }
    for (size_t i = 0; i < WEIR_ASSIGNOR_COUNT; i++) {
        if (votes[i] > votes[best])
            best = (enum weir_assignor)i;
    }
    return best;
}

static void count_vote(const struct member_data *member, size_t votes[WEIR_ASSIGNOR_COUNT])
{
    enum weir_assignor wanted;
    if (!weir_slice_is_null(member->assignor) && weir_assignor_find(member->assignor, &wanted))
        votes[wanted]++;
}

void consumer_count_votes(const struct consumer_group *group, size_t votes[WEIR_ASSIGNOR_COUNT])
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        count_vote(&((const struct consumer_member *)entry->value)->data, votes);
}

/* Among equals range wins when nobody but the member that changed asks for it: as in Apache Kafka,
 * where that comes out of a hash table. */
static enum weir_assignor choose_assignor(const struct targeting *targeting)
{
    const struct consumer_group *group = targeting->draft->group;
    size_t before[WEIR_ASSIGNOR_COUNT] = {0};
    size_t votes[WEIR_ASSIGNOR_COUNT] = {0};
    consumer_count_votes(group, before);
    for (size_t i = 0; i < targeting->member_count; i++)
        count_vote(targeting->members[i], votes);
    if (votes[WEIR_ASSIGNOR_RANGE] > 0 && before[WEIR_ASSIGNOR_RANGE] == 0 &&
        votes[WEIR_ASSIGNOR_RANGE] == votes[WEIR_ASSIGNOR_UNIFORM])
        return WEIR_ASSIGNOR_RANGE;
    return consumer_elect_assignor(group->base.machine, votes);
}

/* ---- The spec ---- */

/* What the member was to have so far: for one that takes a static member's place, what that one
 * was. */
static struct partition_set former_target(const struct group_draft *draft,
                                          const struct member_data *member)
{
    bool is_replacement = member == draft->joined && draft->gone_count == 1;
    return consumer_target_of(draft->group, is_replacement ? draft->gone[0]->data.id : member->id);
}

static enum weir_status fill_owned(const struct targeting *targeting,
                                   const struct member_data *member, struct weir_assign_member *out)
{
    struct weir_arena *arena = &targeting->draft->step->arena;
    const struct weir_image *image = targeting->draft->group->base.machine->image;
    struct partition_set target = former_target(targeting->draft, member);
    int32_t *numbers = weir_arena_calloc(arena, target.count + 1, sizeof(*numbers));
    struct weir_assign_partitions *by_topic =
        weir_arena_calloc(arena, targeting->topic_count + 1, sizeof(*by_topic));
    struct weir_assign_partitions *owned =
        weir_arena_calloc(arena, targeting->topic_count + 1, sizeof(*owned));
    if (numbers == NULL || by_topic == NULL || owned == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0, end; i < target.count; i = end) {
        struct weir_uuid id = target.items[i].topic_id;
        for (end = i; end < target.count && weir_uuid_equal(target.items[end].topic_id, id); end++)
            numbers[end] = target.items[end].partition;
        const struct weir_image_topic *topic = weir_image_topic_by_id(image, id);
        size_t index = topic == NULL ? SIZE_MAX : topic_index(targeting, topic);
        if (index != SIZE_MAX)
            by_topic[index] = (struct weir_assign_partitions){
                .topic = (uint32_t)index, .partitions = numbers + i, .partition_count = end - i};
    }
    for (size_t i = 0; i < targeting->topic_count; i++) {
        if (by_topic[i].partition_count > 0)
            owned[out->owned_count++] = by_topic[i];
    }
    out->owned = owned;
    return WEIR_OK;
}

static enum weir_status fill_member(const struct targeting *targeting,
                                    const struct member_data *member,
                                    struct weir_assign_member *out)
{
    const struct weir_image_topic **topics;
    size_t count;
    enum weir_status status = draft_topics_of(targeting->draft, member, &topics, &count);
    if (status != WEIR_OK)
        return status;
    uint32_t *indexes =
        weir_arena_calloc(&targeting->draft->step->arena, count + 1, sizeof(*indexes));
    if (indexes == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        indexes[i] = (uint32_t)topic_index(targeting, topics[i]);
    out->member_id = member->id;
    out->instance_id = member->instance_id;
    out->rack_id = member->rack_id;
    out->topics = indexes;
    out->topic_count = count;
    return fill_owned(targeting, member, out);
}

static enum weir_status collect_topics(struct targeting *targeting)
{
    const struct group_draft *draft = targeting->draft;
    size_t room = 1;
    size_t count = 0;
    enum weir_status status = WEIR_OK;
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            targeting->topics = weir_arena_calloc(&draft->step->arena, room,
                                                  sizeof(const struct weir_image_topic *));
        if (pass == 1 && targeting->topics == NULL)
            return WEIR_NO_MEMORY;
        for (size_t i = 0; i < targeting->member_count; i++) {
            if (i > 0 &&
                member_subscription_equal(targeting->members[i - 1], targeting->members[i]))
                continue;
            const struct weir_image_topic **topics;
            size_t topic_count;
            status = draft_topics_of(draft, targeting->members[i], &topics, &topic_count);
            if (status != WEIR_OK)
                return status;
            room += topic_count;
            for (size_t j = 0; pass == 1 && j < topic_count; j++)
                targeting->topics[count++] = topics[j];
        }
    }
    qsort(targeting->topics, count, sizeof(const struct weir_image_topic *), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || targeting->topics[i] != targeting->topics[i - 1])
            targeting->topics[targeting->topic_count++] = targeting->topics[i];
    }
    return WEIR_OK;
}

static enum weir_status fill_spec(struct targeting *targeting)
{
    struct weir_arena *arena = &targeting->draft->step->arena;
    struct weir_assign_topic *topics =
        weir_arena_calloc(arena, targeting->topic_count + 1, sizeof(*topics));
    struct weir_assign_member *members =
        weir_arena_calloc(arena, targeting->member_count + 1, sizeof(*members));
    if (topics == NULL || members == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < targeting->topic_count; i++)
        topics[i] =
            (struct weir_assign_topic){.id = targeting->topics[i]->id,
                                       .partition_count = targeting->topics[i]->partition_count};
    bool is_heterogeneous = false;
    for (size_t i = 0; i < targeting->member_count; i++) {
        enum weir_status status = fill_member(targeting, targeting->members[i], &members[i]);
        if (status != WEIR_OK)
            return status;
        is_heterogeneous |=
            !member_subscription_equal(targeting->members[0], targeting->members[i]);
    }
    targeting->spec = (struct weir_assign_spec){.topics = topics,
                                                .topic_count = targeting->topic_count,
                                                .members = members,
                                                .member_count = targeting->member_count,
                                                .is_heterogeneous = is_heterogeneous};
    return WEIR_OK;
}

/* ---- The result ---- */

static enum weir_status result_set(const struct targeting *targeting,
                                   const struct weir_assign_member_result *result,
                                   struct partition_set *out)
{
    enum weir_status status =
        partition_set_room(&targeting->draft->step->arena, result->partition_count, out);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < result->topic_count; i++) {
        const struct weir_assign_partitions *topic = &result->topics[i];
        for (size_t j = 0; j < topic->partition_count; j++)
            out->items[out->count++] = (struct held_partition){
                .topic_id = targeting->topics[topic->topic]->id, .partition = topic->partitions[j]};
    }
    partition_set_normalise(out);
    return WEIR_OK;
}

static bool had_target(const struct group_draft *draft, const struct member_data *member)
{
    return (member == draft->joined && draft->gone_count == 1) ||
           weir_map_get(&draft->group->targets, member->id) != NULL;
}

enum weir_status draft_assign(const struct group_draft *draft, int32_t epoch,
                              struct partition_set *out_target)
{
    struct targeting targeting = {.draft = draft};
    struct weir_slice group_id = draft->group->base.id;
    enum weir_status status = draft_members(draft, &targeting.members, &targeting.member_count);
    if (status == WEIR_OK)
        status = collect_topics(&targeting);
    if (status == WEIR_OK)
        status = fill_spec(&targeting);
    struct weir_assignment result;
    enum weir_assignor assignor = choose_assignor(&targeting);
    if (status == WEIR_OK)
        status = weir_assign(assignor, &targeting.spec, &draft->step->arena, &result);
    if (status != WEIR_OK)
        return status;
    *out_target = (struct partition_set){0};
    for (size_t i = 0; i < targeting.member_count; i++) {
        const struct member_data *member = targeting.members[i];
        struct partition_set set;
        status = result_set(&targeting, &result.members[i], &set);
        if (status != WEIR_OK)
            return status;
        struct partition_set before = former_target(draft, member);
        if (!had_target(draft, member) || !partition_set_same(&before, &set))
            record_consumer_target(draft->step, group_id, member->id, &set);
        if (member == draft->joined)
            *out_target = set;
    }
    record_consumer_target_epoch(draft->step, group_id, epoch);
    WEIR_STEP_LOG(
        draft->step, WEIR_LOG_LEVEL_DEBUG, "group_target_assignment", WEIR_BYTES("group", group_id),
        WEIR_I64("epoch", epoch), WEIR_STR("assignor", weir_assignor_name(assignor)),
        WEIR_I64("members", targeting.member_count), WEIR_I64("topics", targeting.topic_count));
    return WEIR_OK;
}
