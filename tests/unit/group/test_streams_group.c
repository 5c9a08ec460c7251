/* SPDX-License-Identifier: Apache-2.0 */

/* Groups of Kafka Streams members: joining, tasks from one to the other, timers, records. */

#include "streams_world.h"

#include <stdio.h>
#include <stdlib.h>

static void all_topics(void)
{
    create_topic("in", 1, 4);
    create_topic("rep", 2, 4);
    create_topic("log", 3, 4);
}

static void start(void)
{
    world_start();
    image_offset = 0;
}

TestSuite(streams_group, .init = start, .fini = world_stop);

/* The delay of a new group's first assignment and the interval between two. */
static void pass_delay(void)
{
    fake_world_advance(&world.base, 3001);
}

Test(streams_group, a_new_group_waits_for_others_and_then_gives_out_all_tasks)
{
    all_topics();
    struct streams_app a;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    cr_assert(app_was_told(&a, WEIR_STREAMS_ASSIGNMENT_DELAYED));
    cr_assert_eq(app_task_count(&a), 0);
    pass_delay();
    cr_assert_eq(app_beat(&a), WEIR_OK);
    cr_assert_not(app_was_told(&a, WEIR_STREAMS_ASSIGNMENT_DELAYED));
    cr_assert_eq(app_task_count(&a), 8);
    cr_assert(streams_is("Stable"));
}

Test(streams_group, says_which_source_topics_are_missing)
{
    struct streams_app a;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    cr_assert(app_was_told(&a, WEIR_STREAMS_MISSING_SOURCE_TOPICS));
    cr_assert_eq(a.missing_count, 0);
    cr_assert(streams_is("NotReady"));
}

Test(streams_group, has_internal_topics_created_and_goes_on_when_they_are_there)
{
    create_topic("in", 1, 4);
    struct streams_app a;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    cr_assert(app_was_told(&a, WEIR_STREAMS_MISSING_INTERNAL_TOPICS));
    cr_assert_eq(a.missing_count, 2);
    create_topic("rep", 2, 4);
    create_topic("log", 3, 4);
    pass_delay(); /* nothing is assigned, for the topology is not valid yet */
    cr_assert_eq(app_beat(&a), WEIR_OK);
    cr_assert_eq(a.missing_count, 0);
    cr_assert(app_was_told(&a, WEIR_STREAMS_ASSIGNMENT_DELAYED), "not twice within a second");
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(app_beat(&a), WEIR_OK);
    cr_assert_eq(a.status_count, 0);
    cr_assert_eq(app_task_count(&a), 8);
}

Test(streams_group, says_when_an_internal_topic_has_the_wrong_number_of_partitions)
{
    create_topic("in", 1, 4);
    create_topic("log", 3, 5);
    struct streams_app a;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    cr_assert(app_was_told(&a, WEIR_STREAMS_INCORRECTLY_PARTITIONED_TOPICS));
}

Test(streams_group, a_task_is_given_to_another_only_when_it_was_given_up)
{
    all_topics();
    struct streams_app a;
    struct streams_app b;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    pass_delay();
    cr_assert_eq(app_beat(&a), WEIR_OK);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(app_join(&b, "b", "q"), WEIR_OK);
    cr_assert_eq(app_task_count(&b), 0, "a has them all");
    struct streams_app before = a;
    cr_assert_eq(app_beat(&a), WEIR_OK);
    cr_assert_eq(app_task_count(&a), 4, "told to give up half");
    cr_assert_eq(a.epoch, before.epoch, "its epoch waits for it");
    cr_assert_eq(app_beat(&b), WEIR_OK);
    cr_assert_eq(app_task_count(&b), 0);
    cr_assert_eq(app_beat(&a), WEIR_OK, "without them");
    cr_assert_eq(a.epoch, before.epoch + 1);
    cr_assert_eq(app_beat(&b), WEIR_OK);
    cr_assert_eq(app_task_count(&b), 4);
    cr_assert(streams_is("Stable"));
}

Test(streams_group, a_member_that_does_not_give_up_its_tasks_in_time_is_out)
{
    all_topics();
    struct streams_app a;
    struct streams_app b;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    pass_delay();
    cr_assert_eq(app_beat(&a), WEIR_OK);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(app_join(&b, "b", "q"), WEIR_OK);
    struct streams_app stubborn = a;
    cr_assert_eq(app_beat(&a), WEIR_OK);
    for (int i = 0; i < 11; i++) {
        fake_world_advance(&world.base, 1000);
        (void)app_beat(&b);
        if (i < 5)
            cr_assert_eq(app_beat(&stubborn), WEIR_OK);
        stubborn.active_count = 2; /* it keeps what it had */
        memcpy(stubborn.partitions[0], (int32_t[]){0, 1, 2, 3}, 16);
        memcpy(stubborn.partitions[1], (int32_t[]){0, 1, 2, 3}, 16);
        stubborn.active[0] =
            (struct weir_streams_task_ids){WEIR_SLICE("0"), stubborn.partitions[0], 4};
        stubborn.active[1] =
            (struct weir_streams_task_ids){WEIR_SLICE("1"), stubborn.partitions[1], 4};
    }
    cr_assert_eq(app_beat(&stubborn), WEIR_UNKNOWN_MEMBER_ID);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(app_beat(&b), WEIR_OK);
    cr_assert_eq(app_task_count(&b), 8);
}

Test(streams_group, a_silent_member_is_out_after_its_session)
{
    all_topics();
    struct streams_app a;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    fake_world_advance(&world.base, 44000);
    cr_assert_eq(app_beat(&a), WEIR_OK);
    fake_world_advance(&world.base, 46000);
    cr_assert_eq(app_beat(&a), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_str_eq(a.message, "Member a is not a member of group g.");
    cr_assert(streams_is("Empty"));
}

Test(streams_group, epochs_of_others_are_fenced)
{
    all_topics();
    struct streams_app a;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
    pass_delay();
    cr_assert_eq(app_beat(&a), WEIR_OK);
    struct streams_app lost = a; /* the answer with the epoch was lost */
    lost.epoch = 1;
    lost.active_count = 0;
    struct streams_app wrong = a;
    wrong.epoch++;
    cr_assert_eq(app_beat(&wrong), WEIR_FENCED_MEMBER_EPOCH);
    wrong = a;
    wrong.epoch = 0;
    cr_assert_eq(app_leave(&a), WEIR_OK);
    cr_assert_eq(app_leave(&a), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(app_beat(&lost), WEIR_UNKNOWN_MEMBER_ID);
}

Test(streams_group, what_4_3_does_not_support_is_said_in_its_words)
{
    struct streams_app a = {.id = "a"};
    struct weir_streams_heartbeat_request request = app_request(&a);
    request.instance_id = WEIR_SLICE("i");
    app_send(&a, &request);
    cr_assert_eq(a.status, WEIR_INVALID_REQUEST);
    cr_assert_str_eq(a.message, "Static membership is not yet supported.");
    request = app_request(&a);
    request.topology = streams_topology();
    app_send(&a, &request);
    cr_assert_str_eq(a.message, "RebalanceTimeoutMs must be provided in first request.");
    a.epoch = 3;
    request = app_request(&a);
    app_send(&a, &request);
    cr_assert_eq(a.status, WEIR_GROUP_ID_NOT_FOUND);
    cr_assert_str_eq(a.message, "Streams group g not found.");
}

Test(streams_group, a_refused_append_leaves_nothing_behind)
{
    all_topics();
    struct streams_app a;
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_COORDINATOR_NOT_AVAILABLE);
    world.base.append_status = WEIR_OK;
    struct weir_streams_describe describe = {.op.done = app_beat_done};
    weir_group_streams_describe(world.service, WEIR_SLICE("g"), &describe);
    cr_assert_eq(describe.op.status, WEIR_GROUP_ID_NOT_FOUND);
    weir_group_op_free(&describe.op);
    cr_assert_eq(app_join(&a, "a", "p"), WEIR_OK);
}

static void beat_all(struct streams_app *apps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (apps[i].is_in && app_beat(&apps[i]) != WEIR_OK)
            apps[i].is_in = false; /* it gives up all and joins again */
}

/* No task is with two clients at once, as the clients see it. */
static void check_owners(const struct streams_app *apps, size_t count)
{
    for (int32_t partition = 0; partition < 4; partition++)
        for (int subtopology = 0; subtopology < 2; subtopology++) {
            size_t owners = 0;
            for (size_t i = 0; i < count; i++)
                owners += app_has(&apps[i], subtopology == 0 ? "0" : "1", partition);
            cr_assert(owners <= 1, "%d_%d has %zu owners", subtopology, partition, owners);
        }
}

Test(streams_group, at_random_no_task_has_two_owners_and_all_have_one_in_the_end)
{
    all_topics();
    static const char *const ids[] = {"a", "b", "c", "d", "e"};
    static const char *const processes[] = {"p", "p", "q", "q", "r"};
    struct streams_app apps[5] = {0};
    uint32_t seed = 12345;
    for (int turn = 0; turn < 600; turn++) {
        seed = seed * 1103515245u + 12345u;
        struct streams_app *app = &apps[(seed >> 16) % 5];
        size_t index = (size_t)(app - apps);
        uint32_t what = (seed >> 20) % 16;
        if (!app->is_in)
            (void)app_join(app, ids[index], processes[index]);
        else if (what == 0)
            (void)app_leave(app);
        else if (app_beat(app) != WEIR_OK)
            app->is_in = false;
        fake_world_advance(&world.base, (seed >> 24) % 900);
        check_owners(apps, 5);
        if (turn % 50 == 49) {
            char before[16384];
            (void)snprintf(before, sizeof(before), "%s", streams_story());
            world_restart();
            cr_assert_str_eq(streams_story(), before, "replay equals live");
        }
    }
    for (size_t i = 0; i < 5; i++)
        if (!apps[i].is_in)
            cr_assert_eq(app_join(&apps[i], ids[i], processes[i]), WEIR_OK);
    for (int i = 0; i < 30; i++) {
        fake_world_advance(&world.base, 1001);
        beat_all(apps, 5);
        check_owners(apps, 5);
    }
    cr_assert(streams_is("Stable"), "%s", streams_story());
    size_t count = 0;
    for (size_t i = 0; i < 5; i++)
        count += app_task_count(&apps[i]);
    cr_assert_eq(count, 8);
}
