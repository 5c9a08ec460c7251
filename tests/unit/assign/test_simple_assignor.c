/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/assign/simple_assignor.h"

#include <criterion/criterion.h>

#define MEMBERS_MAX 12
#define TOPICS_MAX  4

struct group {
    struct weir_arena arena;
    struct weir_assign_topic topics[TOPICS_MAX];
    struct weir_assign_member members[MEMBERS_MAX];
    uint32_t subscriptions[MEMBERS_MAX][TOPICS_MAX];
    struct weir_assign_spec spec;
    struct weir_assignment result;
};

static void start(struct group *group, size_t members, const int32_t *partitions, size_t topics)
{
    memset(group, 0, sizeof(*group));
    weir_arena_init(&group->arena, 0);
    group->spec = (struct weir_assign_spec){.topics = group->topics,
                                            .topic_count = topics,
                                            .members = group->members,
                                            .member_count = members};
    for (size_t t = 0; t < topics; t++)
        group->topics[t].partition_count = partitions[t];
    for (size_t m = 0; m < MEMBERS_MAX; m++) {
        group->members[m].topics = group->subscriptions[m];
        group->members[m].topic_count = topics;
        for (uint32_t t = 0; t < topics; t++)
            group->subscriptions[m][t] = t;
    }
}

static void assign(struct group *group)
{
    cr_assert_eq(weir_assign_simple(&group->spec, &group->arena, &group->result), WEIR_OK);
    for (size_t m = 0; m < group->spec.member_count; m++) {
        group->members[m].owned = group->result.members[m].topics;
        group->members[m].owned_count = group->result.members[m].topic_count;
    }
}

static size_t count_of(const struct group *group, size_t member)
{
    return group->result.members[member].partition_count;
}

static size_t owners_of(const struct group *group, uint32_t topic, int32_t partition)
{
    size_t owners = 0;
    for (size_t m = 0; m < group->spec.member_count; m++) {
        const struct weir_assign_member_result *member = &group->result.members[m];
        for (size_t i = 0; i < member->topic_count; i++) {
            for (size_t p = 0; p < member->topics[i].partition_count; p++)
                owners += member->topics[i].topic == topic &&
                          member->topics[i].partitions[p] == partition;
        }
    }
    return owners;
}

static void check_balance(const struct group *group)
{
    size_t least = SIZE_MAX;
    size_t most = 0;
    for (size_t m = 0; m < group->spec.member_count; m++) {
        least = count_of(group, m) < least ? count_of(group, m) : least;
        most = count_of(group, m) > most ? count_of(group, m) : most;
    }
    cr_assert_leq(most - least, 1);
}

Test(simple_assignor, partitions_are_spread_evenly)
{
    static struct group group;
    start(&group, 3, (int32_t[]){4, 4}, 2);
    assign(&group);
    check_balance(&group);
    for (uint32_t t = 0; t < 2; t++) {
        for (int32_t p = 0; p < 4; p++)
            cr_assert_eq(owners_of(&group, t, p), 1);
    }
    weir_arena_done(&group.arena);
}

Test(simple_assignor, more_members_than_partitions_share)
{
    static struct group group;
    start(&group, 5, (int32_t[]){2}, 1);
    assign(&group);
    for (size_t m = 0; m < 5; m++)
        cr_assert_geq(count_of(&group, m), 1);
    cr_assert_eq(owners_of(&group, 0, 0), 3);
    cr_assert_eq(owners_of(&group, 0, 1), 3);
    weir_arena_done(&group.arena);
}

Test(simple_assignor, what_a_member_has_stays_with_it)
{
    static struct group group;
    start(&group, 2, (int32_t[]){6}, 1);
    assign(&group);
    struct weir_assignment before = group.result;
    assign(&group);
    for (size_t m = 0; m < 2; m++) {
        cr_assert_eq(count_of(&group, m), 3);
        cr_assert_arr_eq(group.result.members[m].topics[0].partitions,
                         before.members[m].topics[0].partitions, 3 * sizeof(int32_t));
    }
    weir_arena_done(&group.arena);
}

Test(simple_assignor, a_member_that_joins_gets_its_part)
{
    static struct group group;
    start(&group, 1, (int32_t[]){3}, 1);
    assign(&group);
    cr_assert_eq(count_of(&group, 0), 3);
    for (size_t members = 2; members <= MEMBERS_MAX; members++) {
        group.spec.member_count = members;
        assign(&group);
        for (size_t m = 0; m < members; m++)
            cr_assert_geq(count_of(&group, m), 1);
        for (int32_t p = 0; p < 3; p++)
            cr_assert_geq(owners_of(&group, 0, p), 1);
    }
    weir_arena_done(&group.arena);
}

Test(simple_assignor, each_topic_goes_to_those_who_subscribe)
{
    static struct group group;
    start(&group, 3, (int32_t[]){4, 4}, 2);
    group.members[0].topic_count = 1; /* the first topic only */
    group.members[1].topic_count = 1;
    group.subscriptions[1][0] = 1; /* the second only */
    assign(&group);
    cr_assert_eq(count_of(&group, 0), 2);
    cr_assert_eq(count_of(&group, 1), 2);
    cr_assert_eq(count_of(&group, 2), 4);
    cr_assert_eq(group.result.members[1].topics[0].topic, 1);
    weir_arena_done(&group.arena);
}

Test(simple_assignor, what_is_no_longer_subscribed_is_taken)
{
    static struct group group;
    start(&group, 2, (int32_t[]){2, 2}, 2);
    assign(&group);
    group.members[0].topic_count = 1;
    assign(&group);
    cr_assert_eq(owners_of(&group, 1, 0) + owners_of(&group, 1, 1), 2);
    cr_assert_eq(group.result.members[0].topics[0].topic, 0);
    cr_assert_eq(group.result.members[0].topic_count, 1);
    weir_arena_done(&group.arena);
}

Test(simple_assignor, nobody_and_nothing)
{
    static struct group group;
    start(&group, 0, (int32_t[]){2}, 1);
    assign(&group);
    weir_arena_done(&group.arena);
    start(&group, 2, (int32_t[]){0}, 1);
    assign(&group);
    cr_assert_eq(count_of(&group, 0), 0);
    weir_arena_done(&group.arena);
}

Test(simple_assignor, an_index_out_of_range_is_refused)
{
    static struct group group;
    start(&group, 1, (int32_t[]){2}, 1);
    group.subscriptions[0][0] = 9;
    cr_assert_eq(weir_assign_simple(&group.spec, &group.arena, &group.result), WEIR_INVALID);
    weir_arena_done(&group.arena);
}
