/* SPDX-License-Identifier: Apache-2.0 */

/* Share groups: members, epochs, who has what, state at the share coordinator, records. */

#include "share_world.h"

#include <stdio.h>
#include <stdlib.h>

TestSuite(share_group, .init = share_world_start, .fini = share_world_stop);

Test(share_group, a_first_member_gets_its_partitions_once_their_state_is_there)
{
    create_topic("t", 1, 3);
    sharing.answers_at_once = false;
    struct sharer a;
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    cr_assert_eq(a.epoch, 2);
    cr_assert(a.has_assignment);
    cr_assert_eq(a.held_count, 0);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.epoch, 2);
    cr_assert_eq(share_partition_count("g"), 0);
    share_answer_all(WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 3);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.epoch, 3);
    cr_assert_eq(a.held_count, 3);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_not(a.has_assignment, "it has not changed");
    cr_assert_eq(sharing.call_total, 1);
    cr_assert_eq(share_note_of(WEIR_SLICE("g"), 1, 0)->state_epoch, 2);
    cr_assert_eq(share_note_of(WEIR_SLICE("g"), 1, 0)->start_offset, -1);
}

static void two_members(struct sharer *a, struct sharer *b)
{
    create_topic("t", 1, 4);
    cr_assert_eq(sharer_join(a, "g", "a", "t"), WEIR_OK);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(a), WEIR_OK);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_join(b, "g", "b", "t"), WEIR_OK);
    cr_assert_eq(sharer_beat(a), WEIR_OK);
}

Test(share_group, members_have_about_the_same_number_and_nobody_waits_for_another)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    cr_assert_eq(b.held_count, 2, "at once");
    cr_assert_eq(a.held_count, 2);
    cr_assert_eq(a.epoch, b.epoch);
    for (int32_t i = 0; i < 4; i++)
        cr_assert(sharer_has(&a, 1, i) || sharer_has(&b, 1, i));
}

Test(share_group, more_members_than_partitions_share_them)
{
    create_topic("t", 1, 1);
    struct sharer sharers[3];
    const char *const ids[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sharer_join(&sharers[i], "g", ids[i], "t"), WEIR_OK);
        fake_world_advance(&world.base, 1001);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sharer_beat(&sharers[i]), WEIR_OK);
        cr_assert_eq(sharers[i].held_count, 1);
    }
}

Test(share_group, who_leaves_gives_its_partitions_to_the_others)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    cr_assert_eq(sharer_leave(&b), WEIR_OK);
    cr_assert_eq(b.epoch, -1);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.held_count, 4);
    cr_assert_eq(sharer_leave(&b), WEIR_UNKNOWN_MEMBER_ID);
}

Test(share_group, a_silent_member_is_out_after_its_session)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    for (int i = 0; i < 45; i++) {
        fake_world_advance(&world.base, 1001);
        cr_assert_eq(sharer_beat(&a), WEIR_OK);
    }
    cr_assert_eq(a.held_count, 4);
    cr_assert_eq(sharer_beat(&b), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_str_eq(b.message, "Member b is not a member of group g.");
}

Test(share_group, epochs_of_others_are_fenced_and_the_one_before_is_not)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    struct sharer lost = a; /* the answer with the epoch was lost */
    lost.epoch--;
    cr_assert_eq(sharer_beat(&lost), WEIR_OK);
    struct sharer wrong = a;
    wrong.epoch += 2;
    cr_assert_eq(sharer_beat(&wrong), WEIR_FENCED_MEMBER_EPOCH);
    wrong.epoch = 1;
    cr_assert_eq(sharer_beat(&wrong), WEIR_FENCED_MEMBER_EPOCH);
    wrong = a;
    wrong.epoch = 0;
    cr_assert_eq(sharer_say(&wrong, "t"), WEIR_OK, "it joins again");
    cr_assert(wrong.has_assignment);
    cr_assert_eq(wrong.epoch, a.epoch);
}

Test(share_group, what_is_wrong_with_a_request_is_said_in_apache_kafkas_words)
{
    struct sharer a = {.group = "", .id = "a"};
    cr_assert_eq(sharer_say(&a, "t"), WEIR_INVALID_REQUEST);
    cr_assert_str_eq(a.message, "GroupId can't be empty.");
    a.group = "g";
    cr_assert_eq(sharer_beat(&a), WEIR_INVALID_REQUEST);
    cr_assert_str_eq(a.message, "SubscribedTopicNames must be set in first request.");
    struct weir_share_heartbeat_request request = sharer_request(&a);
    request.rack_id = WEIR_EMPTY_SLICE;
    cr_assert_eq(sharer_send(&a, &request), WEIR_INVALID_REQUEST);
    cr_assert_str_eq(a.message, "RackId can't be empty.");
    a.epoch = -2;
    cr_assert_eq(sharer_say(&a, "t"), WEIR_INVALID_REQUEST);
    cr_assert_str_eq(a.message, "MemberEpoch is invalid.");
    a.epoch = 5;
    cr_assert_eq(sharer_beat(&a), WEIR_GROUP_ID_NOT_FOUND);
    cr_assert_str_eq(a.message, "Share group g not found.");
    a.epoch = -1;
    cr_assert_eq(sharer_beat(&a), WEIR_GROUP_ID_NOT_FOUND);
    cr_assert_str_eq(a.message, "Group g not found.");
    (void)new_member("classic");
    cr_assert_eq(sharer_join(&a, "classic", "a", "t"), WEIR_GROUP_ID_NOT_FOUND);
    cr_assert_str_eq(a.message, "Group classic is not a share group.");
}

Test(share_group, a_full_group_takes_nobody_else)
{
    struct sharer sharer;
    char id[8];
    for (int i = 0; i < 200; i++) { /* group.share.max.size */
        (void)snprintf(id, sizeof(id), "m%d", i);
        cr_assert_eq(sharer_join(&sharer, "g", id, "t"), WEIR_OK);
    }
    cr_assert_eq(sharer_beat(&sharer), WEIR_OK, "who is in it stays");
    cr_assert_eq(sharer_join(&sharer, "g", "more", "t"), WEIR_GROUP_MAX_SIZE_REACHED);
    cr_assert_str_eq(sharer.message,
                     "The share group has reached its maximum capacity of 200 members.");
}

Test(share_group, new_topics_and_other_names_are_initialised_and_assigned)
{
    struct sharer a;
    create_topic("t", 1, 2);
    cr_assert_eq(sharer_join(&a, "g", "a", "tu"), WEIR_OK);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.held_count, 2);
    create_topic("u", 2, 3);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(&a), WEIR_OK, "it sees the topic");
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(&a), WEIR_OK, "its state is there");
    cr_assert_eq(a.held_count, 5);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_say(&a, "u"), WEIR_OK);
    cr_assert_eq(a.held_count, 3);
    cr_assert_not(sharer_has(&a, 1, 0));
    cr_assert_eq(share_partition_count("g"), 5, "its state stays");
}

Test(share_group, a_deleted_topic_is_forgotten)
{
    struct sharer a;
    create_topic("u", 2, 3);
    two_members(&a, &(struct sharer){0});
    cr_assert_eq(sharer_say(&a, "tu"), WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 7);
    delete_topic(2);
    fake_world_run(&world.base);
    cr_assert_eq(share_partition_count("g"), 4);
    cr_assert(strstr(share_tale("g"), "u-") == NULL);
    world_restart();
    cr_assert_eq(share_partition_count("g"), 4);
}

Test(share_group, an_unreachable_share_coordinator_is_asked_again)
{
    create_topic("t", 1, 2);
    sharing.answers_at_once = false;
    struct sharer a;
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(sharing.call_count, 1);
        share_answer_all(WEIR_COORDINATOR_NOT_AVAILABLE);
        cr_assert_eq(sharing.call_count, 0);
        fake_world_advance(&world.base, 501);
    }
    share_answer_all(WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 2);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharing.call_count, 0);
}

Test(share_group, one_partition_whose_coordinator_loads_is_asked_again_alone)
{
    create_topic("t", 1, 3);
    sharing.busy_partition = 1;
    struct sharer a;
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 2);
    fake_world_advance(&world.base, 501);
    cr_assert_eq(sharing.call_total, 2);
    sharing.busy_partition = -1;
    fake_world_advance(&world.base, 501);
    cr_assert_eq(share_partition_count("g"), 3);
    cr_assert_eq(sharing.call_total, 3);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.held_count, 3);
}

Test(share_group, an_initialisation_that_a_crash_cut_short_is_begun_again)
{
    create_topic("t", 1, 2);
    sharing.answers_at_once = false;
    struct sharer a;
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    world_restart();
    sharing.call_count = 0; /* its answer never comes: the job's memory is the test's now */
    struct weir_group_share_call *lost = sharing.calls[0];
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(sharing.call_count, 1, "at once: whoever asked before is gone");
    lost->done(lost); /* late: it changes nothing */
    cr_assert_eq(share_partition_count("g"), 0);
    share_answer_all(WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 2);
}

Test(share_group, an_initialisation_that_nobody_heard_of_is_begun_again)
{
    create_topic("t", 1, 2);
    sharing.answers_at_once = false;
    struct sharer a;
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    for (int i = 0; i < 30; i++) {
        cr_assert_eq(sharing.call_count, 1);
        fake_world_advance(&world.base, 1001);
        cr_assert_eq(sharer_beat(&a), WEIR_OK);
    }
    cr_assert_eq(sharing.call_count, 2);
    share_answer_all(WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 2);
}

Test(share_group, everything_is_there_after_a_reload)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    char before[8192];
    (void)snprintf(before, sizeof(before), "%s", share_tale("g"));
    int32_t appends = world.base.append_count;
    world_restart();
    cr_assert_str_eq(share_tale("g"), before);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_not(a.has_assignment);
    cr_assert_eq(world.base.append_count, appends, "nothing has changed");
    for (int i = 0; i < 46; i++) {
        fake_world_advance(&world.base, 1001);
        cr_assert_eq(sharer_beat(&a), WEIR_OK);
    }
    cr_assert_eq(sharer_beat(&b), WEIR_UNKNOWN_MEMBER_ID, "sessions go on from the reload");
}

Test(share_group, a_refused_append_leaves_nothing_behind)
{
    create_topic("t", 1, 2);
    struct sharer a;
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(sharing.call_total, 0, "nobody was asked");
    world.base.append_status = WEIR_OK;
    cr_assert_eq(strncmp(share_tale("g"), "GROUP_ID_NOT_FOUND", 18), 0);
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    fake_world_advance(&world.base, 1001);
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    struct sharer b;
    cr_assert_eq(sharer_join(&b, "g", "b", "t"), WEIR_COORDINATOR_NOT_AVAILABLE);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.held_count, 2);
}

/* ---- What administrators do ---- */

Test(share_group, offsets_of_a_group_with_members_are_left_alone)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    cr_assert_eq(share_alter_one("g", "t", 0, 7), WEIR_NON_EMPTY_GROUP);
    cr_assert_eq(share_delete_one("g", "t"), WEIR_NON_EMPTY_GROUP);
    cr_assert_eq(delete_group("g"), WEIR_NON_EMPTY_GROUP);
    cr_assert_eq(share_states_of("g"), 4);
}

Test(share_group, altering_an_offset_makes_the_group)
{
    create_topic("t", 1, 2);
    cr_assert_eq(share_alter_one("g", "t", 1, 7), WEIR_OK);
    cr_assert_eq(share_note_of(WEIR_SLICE("g"), 1, 1)->start_offset, 7);
    cr_assert_eq(share_partition_count("g"), 1);
    cr_assert_eq(share_alter_one("g", "t", 2, 7), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(share_alter_one("g", "u", 0, 7), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(share_alter_one("g", "t", -1, 7), WEIR_UNKNOWN_SERVER_ERROR);
    cr_assert_eq(strncmp(share_tale("g"), "OK Empty", 8), 0);
    (void)new_member("classic");
    cr_assert_eq(share_alter_one("classic", "t", 0, 7), WEIR_GROUP_ID_NOT_FOUND);
}

Test(share_group, an_offset_that_could_not_be_altered_says_so)
{
    create_topic("t", 1, 2);
    sharing.status = WEIR_NOT_COORDINATOR;
    cr_assert_eq(share_alter_one("g", "t", 1, 7), WEIR_NOT_COORDINATOR);
    cr_assert_eq(share_partition_count("g"), 0);
    sharing.status = WEIR_OK;
    cr_assert_eq(share_alter_one("g", "t", 1, 7), WEIR_OK);
    cr_assert_eq(share_partition_count("g"), 1);
}

Test(share_group, deleting_offsets_takes_the_state_away)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    cr_assert_eq(sharer_leave(&a), WEIR_OK);
    cr_assert_eq(sharer_leave(&b), WEIR_OK);
    sharing.status = WEIR_COORDINATOR_NOT_AVAILABLE;
    cr_assert_eq(share_delete_one("g", "t"), WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(share_states_of("g"), 4);
    sharing.status = WEIR_OK;
    cr_assert_eq(share_delete_one("g", "t"), WEIR_OK, "again, and it goes on");
    cr_assert_eq(share_states_of("g"), 0);
    cr_assert_eq(share_partition_count("g"), 0);
    cr_assert_eq(share_delete_one("g", "t"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(share_delete_one("g", "u"), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(share_delete_one("nobody", "t"), WEIR_GROUP_ID_NOT_FOUND);
}

Test(share_group, deleting_a_group_takes_its_state_away_first)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    cr_assert_eq(sharer_leave(&a), WEIR_OK);
    cr_assert_eq(sharer_leave(&b), WEIR_OK);
    sharing.status = WEIR_COORDINATOR_NOT_AVAILABLE;
    cr_assert_eq(delete_group("g"), WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(strncmp(share_tale("g"), "OK Empty", 8), 0);
    sharing.status = WEIR_OK;
    cr_assert_eq(delete_group("g"), WEIR_OK);
    cr_assert_eq(share_states_of("g"), 0);
    cr_assert_eq(strncmp(share_tale("g"), "GROUP_ID_NOT_FOUND", 18), 0);
    world_restart();
    cr_assert_eq(strncmp(share_tale("g"), "GROUP_ID_NOT_FOUND", 18), 0);
    cr_assert_eq(group_count(), 0);
}

Test(share_group, a_group_that_somebody_joined_meanwhile_is_not_deleted)
{
    struct sharer a;
    struct sharer b;
    two_members(&a, &b);
    cr_assert_eq(sharer_leave(&a), WEIR_OK);
    cr_assert_eq(sharer_leave(&b), WEIR_OK);
    sharing.answers_at_once = false;
    struct weir_group_op op = {.done = share_op_done};
    weir_group_delete(world.service, WEIR_SLICE("g"), &op);
    cr_assert_eq(sharer_join(&a, "g", "a", "t"), WEIR_OK);
    cr_assert_eq(sharing.call_count, 2, "the state is to be made anew after it was removed");
    share_answer_all(WEIR_OK);
    cr_assert_eq(op.status, WEIR_NON_EMPTY_GROUP);
    weir_group_op_free(&op);
    cr_assert_eq(share_states_of("g"), 4);
    fake_world_advance(&world.base, 1001);
    cr_assert_eq(sharer_beat(&a), WEIR_OK);
    cr_assert_eq(a.held_count, 4);
}

Test(share_group, an_empty_group_stays_until_it_is_deleted)
{
    create_topic("t", 1, 1);
    cr_assert_eq(share_alter_one("g", "t", 0, 7), WEIR_OK);
    fake_world_jump(&world.base, (int64_t)30 * 24 * 3600 * 1000);
    cr_assert_eq(share_partition_count("g"), 1);
}
