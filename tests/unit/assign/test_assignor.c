/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/assignor.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* A group whose members and subscriptions come from one seed; assignments are carried over from
 * call to call as a coordinator does it. */
enum { MEMBERS_MAX = 1000, TOPICS_MAX = 64 };

struct group {
    struct weir_arena input;
    struct weir_arena arenas[2]; /* results: the newest and the one before */
    int newest;
    struct weir_assign_topic topics[TOPICS_MAX];
    struct weir_assign_member members[MEMBERS_MAX];
    struct weir_assign_spec spec;
    struct weir_assignment result;
    uint64_t random;
};

static uint32_t next_random(struct group *group, uint32_t below)
{
    group->random = group->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(group->random >> 33) % below;
}

static void init_group(struct group *group, uint64_t seed)
{
    memset(group, 0, sizeof(*group));
    group->random = seed;
    weir_arena_init(&group->input, 0);
    weir_arena_init(&group->arenas[0], 0);
    weir_arena_init(&group->arenas[1], 0);
    group->spec.topics = group->topics;
    group->spec.members = group->members;
}

static void free_group(struct group *group)
{
    weir_arena_done(&group->input);
    weir_arena_done(&group->arenas[0]);
    weir_arena_done(&group->arenas[1]);
}

static void add_topic(struct group *group, int32_t partitions)
{
    struct weir_assign_topic *topic = &group->topics[group->spec.topic_count++];
    topic->partition_count = partitions;
    topic->id.bytes[15] = (uint8_t)group->spec.topic_count;
}

/* mask: bit t, topic t. */
static void subscribe(struct group *group, struct weir_assign_member *member, uint64_t mask)
{
    uint32_t *topics = weir_arena_calloc(&group->input, TOPICS_MAX, sizeof(*topics));
    member->topic_count = 0;
    for (uint32_t t = 0; t < group->spec.topic_count; t++) {
        if (mask >> t & 1)
            topics[member->topic_count++] = t;
    }
    member->topics = topics;
}

static void add_member(struct group *group, const char *id, const char *instance, uint64_t mask)
{
    struct weir_assign_member *member = &group->members[group->spec.member_count++];
    *member = (struct weir_assign_member){
        .member_id = weir_slice_str(id),
        .instance_id = weir_slice_str(instance),
    };
    subscribe(group, member, mask);
}

static void add_numbered_member(struct group *group, uint64_t mask)
{
    char *id = weir_arena_alloc(&group->input, 16);
    (void)snprintf(id, 16, "m%05zu", group->spec.member_count);
    add_member(group, id, NULL, mask);
}

/* The result becomes what the members own. */
static void assign(struct group *group, enum weir_assignor assignor)
{
    group->newest = 1 - group->newest;
    struct weir_arena *arena = &group->arenas[group->newest];
    weir_arena_reset(arena);
    cr_assert_eq(weir_assign(assignor, &group->spec, arena, &group->result), WEIR_OK);
    cr_assert_eq(group->result.member_count, group->spec.member_count);
    for (size_t i = 0; i < group->spec.member_count; i++) {
        group->members[i].owned = group->result.members[i].topics;
        group->members[i].owned_count = group->result.members[i].topic_count;
    }
}

static bool is_subscribed(const struct weir_assign_member *member, uint32_t topic)
{
    for (size_t i = 0; i < member->topic_count; i++) {
        if (member->topics[i] == topic)
            return true;
    }
    return false;
}

/* owners[topic][partition], -1 for none; each partition once and to a subscriber only. */
static void read_owners(const struct group *group, int32_t *owners[TOPICS_MAX])
{
    for (size_t t = 0; t < group->spec.topic_count; t++) {
        size_t count = (size_t)group->topics[t].partition_count;
        owners[t] = malloc((count + 1) * sizeof(int32_t));
        for (size_t p = 0; p < count; p++)
            owners[t][p] = -1;
    }
    for (size_t i = 0; i < group->spec.member_count; i++) {
        size_t total = 0;
        for (size_t j = 0; j < group->result.members[i].topic_count; j++) {
            const struct weir_assign_partitions *part = &group->result.members[i].topics[j];
            cr_assert(is_subscribed(&group->members[i], part->topic));
            for (size_t k = 0; k < part->partition_count; k++) {
                cr_assert_eq(owners[part->topic][part->partitions[k]], -1);
                owners[part->topic][part->partitions[k]] = (int32_t)i;
            }
            total += part->partition_count;
        }
        cr_assert_eq(total, group->result.members[i].partition_count);
    }
}

static void check_complete(const struct group *group)
{
    int32_t *owners[TOPICS_MAX];
    read_owners(group, owners);
    for (uint32_t t = 0; t < group->spec.topic_count; t++) {
        bool has_subscriber = false;
        for (size_t i = 0; i < group->spec.member_count; i++)
            has_subscriber = has_subscriber || is_subscribed(&group->members[i], t);
        for (int32_t p = 0; p < group->topics[t].partition_count; p++)
            cr_assert_eq(owners[t][p] != -1, has_subscriber);
        free(owners[t]);
    }
}

/* The most that two subscribers of one topic differ by, where the larger one has a partition of it
 * to give. */
static size_t worst_imbalance(const struct group *group)
{
    int32_t *owners[TOPICS_MAX];
    read_owners(group, owners);
    size_t worst = 0;
    for (uint32_t t = 0; t < group->spec.topic_count; t++) {
        for (int32_t p = 0; p < group->topics[t].partition_count; p++) {
            if (owners[t][p] == -1)
                continue;
            size_t larger = group->result.members[owners[t][p]].partition_count;
            for (size_t i = 0; i < group->spec.member_count; i++) {
                size_t smaller = group->result.members[i].partition_count;
                if (is_subscribed(&group->members[i], t) && larger > smaller + worst)
                    worst = larger - smaller;
            }
        }
        free(owners[t]);
    }
    return worst;
}

Test(assignor, names_are_kafkas)
{
    enum weir_assignor found = WEIR_ASSIGNOR_COUNT;
    cr_assert(weir_assignor_find(WEIR_SLICE("uniform"), &found));
    cr_assert_eq(found, WEIR_ASSIGNOR_UNIFORM);
    cr_assert(weir_assignor_find(WEIR_SLICE("range"), &found));
    cr_assert_eq(found, WEIR_ASSIGNOR_RANGE);
    cr_assert_not(weir_assignor_find(WEIR_SLICE("Uniform"), &found));
    cr_assert_str_eq(weir_assignor_name(WEIR_ASSIGNOR_RANGE), "range");
}

Test(assignor, without_members_or_topics_nothing_is_assigned)
{
    struct group group;
    init_group(&group, 1);
    add_topic(&group, 3);
    assign(&group, WEIR_ASSIGNOR_UNIFORM);
    add_numbered_member(&group, 0);
    assign(&group, WEIR_ASSIGNOR_UNIFORM);
    assign(&group, WEIR_ASSIGNOR_RANGE);
    cr_assert_eq(group.result.members[0].partition_count, 0);
    free_group(&group);
}

Test(assignor, range_puts_static_members_first_and_co_partitions)
{
    struct group group;
    init_group(&group, 1);
    add_topic(&group, 3);
    add_topic(&group, 3);
    add_member(&group, "a", NULL, 3);
    add_member(&group, "b", "z", 3);
    add_member(&group, "c", "y", 3);
    assign(&group, WEIR_ASSIGNOR_RANGE);
    const int32_t expected[] = {2, 1, 0};
    for (size_t i = 0; i < 3; i++) {
        for (size_t t = 0; t < 2; t++) {
            cr_assert_eq(group.result.members[i].topics[t].partition_count, 1);
            cr_assert_eq(group.result.members[i].topics[t].partitions[0], expected[i]);
        }
    }
    free_group(&group);
}

Test(assignor, uniform_is_within_one_and_a_leaver_moves_only_its_own)
{
    struct group group;
    init_group(&group, 7);
    add_topic(&group, 20);
    add_topic(&group, 7);
    for (int i = 0; i < 9; i++)
        add_numbered_member(&group, 3);
    assign(&group, WEIR_ASSIGNOR_UNIFORM);
    cr_assert_leq(worst_imbalance(&group), 1);
    int32_t *before[TOPICS_MAX];
    int32_t *after[TOPICS_MAX];
    read_owners(&group, before);
    group.spec.member_count--;
    assign(&group, WEIR_ASSIGNOR_UNIFORM);
    check_complete(&group);
    cr_assert_leq(worst_imbalance(&group), 1);
    read_owners(&group, after);
    for (uint32_t t = 0; t < 2; t++) {
        for (int32_t p = 0; p < group.topics[t].partition_count; p++)
            cr_assert(before[t][p] == after[t][p] || before[t][p] == 8);
        free(before[t]);
        free(after[t]);
    }
    free_group(&group);
}

Test(assignor, keeps_an_assignment_that_is_balanced)
{
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct group group;
        init_group(&group, seed);
        uint32_t topics = 1 + next_random(&group, 8);
        for (uint32_t t = 0; t < topics; t++)
            add_topic(&group, 1 + (int32_t)next_random(&group, 20));
        uint32_t members = 1 + next_random(&group, 12);
        for (uint32_t i = 0; i < members; i++)
            add_numbered_member(&group, next_random(&group, 1U << topics));
        assign(&group, WEIR_ASSIGNOR_UNIFORM);
        int32_t *before[TOPICS_MAX];
        int32_t *after[TOPICS_MAX];
        read_owners(&group, before);
        assign(&group, WEIR_ASSIGNOR_UNIFORM);
        read_owners(&group, after);
        for (uint32_t t = 0; t < topics; t++) {
            cr_assert_eq(memcmp(before[t], after[t],
                                (size_t)group.topics[t].partition_count * sizeof(int32_t)),
                         0);
            free(before[t]);
            free(after[t]);
        }
        free_group(&group);
    }
}

Test(assignor, random_groups_stay_complete_and_balanced_while_they_change)
{
    for (uint64_t seed = 1; seed < 300; seed++) {
        struct group group;
        init_group(&group, seed);
        uint32_t topics = 1 + next_random(&group, 10);
        for (uint32_t t = 0; t < topics; t++)
            add_topic(&group, (int32_t)next_random(&group, 30));
        bool is_mixed = next_random(&group, 2) == 0;
        for (int step = 0; step < 12; step++) {
            uint64_t mask = is_mixed ? next_random(&group, 1U << topics) : (1U << topics) - 1;
            switch (next_random(&group, 4)) {
            case 0:
                if (group.spec.member_count > 1)
                    group.members[0] = group.members[--group.spec.member_count];
                break;
            case 1:
                group.topics[next_random(&group, topics)].partition_count +=
                    (int32_t)next_random(&group, 5);
                break;
            case 2:
                if (group.spec.member_count > 0 && is_mixed)
                    subscribe(&group, &group.members[0], mask);
                break;
            default:
                add_numbered_member(&group, mask);
            }
            assign(&group, WEIR_ASSIGNOR_UNIFORM);
            check_complete(&group);
            cr_assert_leq(worst_imbalance(&group), 1);
        }
        assign(&group, WEIR_ASSIGNOR_RANGE);
        check_complete(&group);
        free_group(&group);
    }
}

Test(assignor, a_thousand_members_and_ten_thousand_partitions_fit_into_16_mib)
{
    for (int mixed = 0; mixed < 2; mixed++) {
        struct group group;
        init_group(&group, 5);
        for (int t = 0; t < 50; t++)
            add_topic(&group, 200);
        for (int i = 0; i < MEMBERS_MAX; i++)
            add_numbered_member(&group,
                                mixed ? (uint64_t)next_random(&group, 1U << 31) : UINT64_MAX);
        weir_arena_done(&group.arenas[1]);
        weir_arena_init(&group.arenas[1], 16 << 20);
        assign(&group, WEIR_ASSIGNOR_UNIFORM);
        check_complete(&group);
        free_group(&group);
    }
}

Test(assignor, refuses_indexes_out_of_range)
{
    struct group group;
    init_group(&group, 1);
    add_topic(&group, 3);
    add_numbered_member(&group, 1);
    const uint32_t topics[] = {1};
    group.members[0].topics = topics;
    cr_assert_eq(weir_assign(WEIR_ASSIGNOR_RANGE, &group.spec, &group.arenas[0], &group.result),
                 WEIR_INVALID);
    group.members[0].topic_count = 0;
    const struct weir_assign_partitions owned = {.topic = 1};
    group.members[0].owned = &owned;
    group.members[0].owned_count = 1;
    cr_assert_eq(weir_assign(WEIR_ASSIGNOR_UNIFORM, &group.spec, &group.arenas[0], &group.result),
                 WEIR_INVALID);
    free_group(&group);
}

Test(assignor, owned_partitions_that_do_not_exist_or_are_doubled_are_dropped)
{
    struct group group;
    init_group(&group, 1);
    add_topic(&group, 2);
    add_numbered_member(&group, 1);
    add_numbered_member(&group, 1);
    const int32_t partitions[] = {-1, 0, 0, 7};
    const struct weir_assign_partitions owned = {0, partitions, 4};
    for (size_t i = 0; i < 2; i++) {
        group.members[i].owned = &owned;
        group.members[i].owned_count = 1;
    }
    group.spec.is_heterogeneous = true;
    struct weir_assignment mixed;
    cr_assert_eq(weir_assign(WEIR_ASSIGNOR_UNIFORM, &group.spec, &group.arenas[0], &mixed),
                 WEIR_OK);
    cr_assert_eq(mixed.members[0].partition_count, 1);
    group.spec.is_heterogeneous = false;
    assign(&group, WEIR_ASSIGNOR_UNIFORM);
    check_complete(&group);
    cr_assert_eq(group.result.members[1].partition_count, 1);
    free_group(&group);
}
