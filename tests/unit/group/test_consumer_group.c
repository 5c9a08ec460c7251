/* SPDX-License-Identifier: Apache-2.0 */
#include "consumer_world.h"

static void start(void)
{
    world_start();
    image_offset = 0;
    create_topic("t", 1, 4);
}

TestSuite(consumer_group, .init = start, .fini = world_stop);

Test(consumer_group, the_first_member_gets_everything)
{
    struct beat_answer a = join_consumer("g", "a");
    cr_assert_eq(a.status, WEIR_OK);
    cr_assert_eq(a.epoch, 2);
    cr_assert_eq(a.partition_count, 4);
    cr_assert(consumer_is_state("g", "Stable"));
    cr_assert_not(beat_plain("g", "a", 2).has_assignment, "nothing has changed");
}

Test(consumer_group, a_partition_is_given_when_it_has_been_given_up)
{
    join_consumer("g", "a");
    struct beat_answer b = join_consumer("g", "b");
    cr_assert_eq(b.status, WEIR_OK);
    cr_assert_eq(b.epoch, 3);
    cr_assert_eq(b.partition_count, 0, "a holds all of them");
    cr_assert(consumer_is_state("g", "Reconciling"));
    const int32_t all[] = {0, 1, 2, 3};
    struct beat_answer a = beat_with("g", "a", 2, all, 4);
    cr_assert_eq(a.epoch, 2, "it has to give up first");
    cr_assert_eq(a.partition_count, 2);
    cr_assert_eq(beat_plain("g", "b", 3).partition_count, 0);
    a = beat_with("g", "a", 2, a.partitions, 2);
    cr_assert_eq(a.epoch, 3);
    b = beat_plain("g", "b", 3);
    cr_assert_eq(b.partition_count, 2);
    cr_assert(consumer_is_state("g", "Stable"));
}

Test(consumer_group, requests_are_checked_in_order)
{
    struct weir_group_consumer_heartbeat_request request = join_beat("", "a");
    cr_assert_eq(answer_of(&request).status, WEIR_INVALID_REQUEST);
    request = join_beat("g", "");
    cr_assert_eq(answer_of(&request).status, WEIR_INVALID_REQUEST);
    request.requires_member_id = false;
    cr_assert_eq(answer_of(&request).status, WEIR_OK, "version 0 chooses the id");
    request = join_beat("g", "a");
    request.rebalance_timeout_ms = -1;
    cr_assert_eq(answer_of(&request).status, WEIR_INVALID_REQUEST);
    request = join_beat("g", "a");
    request.has_owned = false;
    cr_assert_eq(answer_of(&request).status, WEIR_INVALID_REQUEST);
    request = join_beat("g", "a");
    request.has_topic_names = false;
    cr_assert_eq(answer_of(&request).status, WEIR_INVALID_REQUEST);
    request = join_beat("g", "a");
    request.assignor = WEIR_SLICE("nobody");
    cr_assert_eq(answer_of(&request).status, WEIR_UNSUPPORTED_ASSIGNOR);
    cr_assert_eq(beat_plain("none", "a", 2).status, WEIR_GROUP_ID_NOT_FOUND);
    cr_assert_eq(beat_plain("g", "nobody", 2).status, WEIR_UNKNOWN_MEMBER_ID);
    request = join_beat("g", "a");
    request.topic_regex = WEIR_SLICE("[");
    cr_assert_eq(answer_of(&request).status, WEIR_INVALID_REGULAR_EXPRESSION);
}

Test(consumer_group, epochs_fence)
{
    join_consumer("g", "a");
    cr_assert_eq(beat_plain("g", "a", 6).status, WEIR_FENCED_MEMBER_EPOCH);
    join_consumer("g", "b");
    const int32_t all[] = {0, 1, 2, 3};
    struct beat_answer a = beat_with("g", "a", 2, all, 4);
    a = beat_with("g", "a", 2, a.partitions, 2);
    cr_assert_eq(a.epoch, 3);
    cr_assert_eq(beat_with("g", "a", 2, a.partitions, 2).status, WEIR_OK, "the answer was lost");
    cr_assert_eq(beat_with("g", "a", 2, all, 4).status, WEIR_FENCED_MEMBER_EPOCH);
    cr_assert_eq(beat_plain("g", "a", 2).status, WEIR_FENCED_MEMBER_EPOCH);
    cr_assert_eq(join_consumer("g", "a").status, WEIR_OK, "a fenced one begins anew");
}

Test(consumer_group, a_silent_member_is_put_out)
{
    join_consumer("g", "a");
    join_consumer("g", "b");
    fake_world_jump(&world.base, 44000);
    cr_assert_eq(beat_plain("g", "b", 3).status, WEIR_OK);
    fake_world_jump(&world.base, 2000);
    cr_assert_eq(beat_plain("g", "a", 2).status, WEIR_UNKNOWN_MEMBER_ID);
    struct beat_answer b = beat_plain("g", "b", 3);
    cr_assert_eq(b.epoch, 4);
    cr_assert_eq(b.partition_count, 4);
}

Test(consumer_group, who_does_not_give_up_in_time_is_put_out)
{
    join_consumer("g", "a");
    join_consumer("g", "b");
    const int32_t all[] = {0, 1, 2, 3};
    cr_assert_eq(beat_with("g", "a", 2, all, 4).status, WEIR_OK);
    fake_world_jump(&world.base, 9000);
    cr_assert_eq(beat_with("g", "a", 2, all, 4).status, WEIR_OK);
    fake_world_jump(&world.base, 2000);
    cr_assert_eq(beat_plain("g", "a", 2).status, WEIR_UNKNOWN_MEMBER_ID);
}

Test(consumer_group, a_static_member_comes_back_to_its_partitions)
{
    struct weir_group_consumer_heartbeat_request request = join_beat("g", "a");
    request.instance_id = WEIR_SLICE("i");
    cr_assert_eq(answer_of(&request).partition_count, 4);
    request = join_beat("g", "a2");
    request.instance_id = WEIR_SLICE("i");
    cr_assert_eq(answer_of(&request).status, WEIR_UNRELEASED_INSTANCE_ID);
    struct weir_group_consumer_heartbeat_request leave = beat_request("g", "a", -2);
    leave.instance_id = WEIR_SLICE("i");
    struct beat_answer left = answer_of(&leave);
    cr_assert_eq(left.status, WEIR_OK);
    cr_assert_eq(left.epoch, -2);
    struct beat_answer back = answer_of(&request);
    cr_assert_eq(back.status, WEIR_OK);
    cr_assert_eq(back.epoch, 2, "no rebalance");
    cr_assert_eq(back.partition_count, 4);
    cr_assert_eq(answer_of(&leave).status, WEIR_FENCED_INSTANCE_ID);
    leave.member_id = WEIR_SLICE("a2");
    leave.member_epoch = -1;
    cr_assert_eq(answer_of(&leave).status, WEIR_OK);
    cr_assert(consumer_is_state("g", "Empty"));
}

Test(consumer_group, a_regular_expression_follows_new_topics)
{
    struct weir_group_consumer_heartbeat_request request = join_beat("g", "a");
    request.has_topic_names = false;
    request.topic_regex = WEIR_SLICE("t.*");
    struct beat_answer a = answer_of(&request);
    cr_assert_eq(a.status, WEIR_OK);
    cr_assert_eq(a.epoch, 1);
    cr_assert_eq(a.partition_count, 0, "it has not been matched yet");
    a = beat_plain("g", "a", 1);
    cr_assert_eq(a.epoch, 2);
    cr_assert_eq(a.partition_count, 4);
    create_topic("t2", 2, 3);
    create_topic("other", 3, 3);
    fake_world_jump(&world.base, 11000);
    (void)beat_plain("g", "a", 2);
    a = beat_plain("g", "a", 2);
    cr_assert_eq(a.epoch, 3);
    cr_assert_eq(a.partition_count, 7);
}

Test(consumer_group, commits_of_an_old_epoch_count_for_partitions_held_since)
{
    join_consumer("g", "a");
    join_consumer("g", "b");
    const int32_t all[] = {0, 1, 2, 3};
    struct beat_answer a = beat_with("g", "a", 2, all, 4);
    (void)beat_with("g", "a", 2, a.partitions, 2);
    int32_t kept = a.partitions[0];
    cr_assert_eq(commit_as("g", WEIR_SLICE("a"), 2, "t", kept, 5, ""), WEIR_UNSUPPORTED_VERSION);
    struct weir_offset_commit_item items[] = {
        {.topic = topic_t, .partition = kept, .leader_epoch = -1, .offset = 7},
        {.topic = topic_t,
         .partition = beat_plain("g", "b", 3).partitions[0],
         .leader_epoch = -1,
         .offset = 7}};
    struct weir_group_offset_commit_request request = {.group_id = WEIR_SLICE("g"),
                                                       .member_id = WEIR_SLICE("a"),
                                                       .generation = 2,
                                                       .retention_ms = -1,
                                                       .knows_group_id_not_found = true};
    struct weir_offset_commit op = {.op = {.done = count_done}, .items = items, .item_count = 2};
    weir_group_offset_commit(world.service, &request, &op);
    cr_assert_eq(op.op.status, WEIR_OK);
    cr_assert_eq(items[0].status, WEIR_OK);
    cr_assert_eq(items[1].status, WEIR_STALE_MEMBER_EPOCH);
    weir_group_op_free(&op.op);
    cr_assert_eq(fetched("g", "t", kept), 7);
    cr_assert_eq(delete_group("g"), WEIR_NON_EMPTY_GROUP);
}

Test(consumer_group, a_refused_append_leaves_nothing_behind)
{
    join_consumer("g", "a");
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(join_consumer("g", "b").status, WEIR_COORDINATOR_NOT_AVAILABLE);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(beat_plain("g", "b", 3).status, WEIR_UNKNOWN_MEMBER_ID);
    cr_assert(consumer_is_state("g", "Stable"));
    cr_assert_eq(join_consumer("g", "b").epoch, 3);
}

Test(consumer_group, a_group_that_was_left_is_deleted_or_expires)
{
    join_consumer("g", "a");
    cr_assert_eq(beat_plain("g", "a", -1).status, WEIR_OK);
    cr_assert(consumer_is_state("g", "Empty"));
    cr_assert_eq(delete_group("g"), WEIR_OK);
    cr_assert_eq(group_count(), 0);
    join_consumer("g", "a");
    cr_assert_eq(beat_plain("g", "a", -1).status, WEIR_OK);
    fake_world_jump(&world.base, 700000);
    cr_assert_eq(group_count(), 0);
    world_restart();
    cr_assert_eq(group_count(), 0);
}

Test(consumer_group, is_the_same_after_a_reload)
{
    join_consumer("g", "a");
    join_consumer("g", "b");
    const int32_t all[] = {0, 1, 2, 3};
    (void)beat_with("g", "a", 2, all, 4);
    world_restart();
    cr_assert(consumer_is_state("g", "Reconciling"));
    cr_assert_eq(beat_with("g", "a", 2, all, 2).status, WEIR_OK);
}

Test(consumer_group, rebalances_are_kept_with_their_reasons)
{
    join_consumer("g", "a");
    join_consumer("g", "b");
    cr_assert_eq(beat_plain("g", "b", -1).status, WEIR_OK);
    struct weir_group_rebalances list = {.op = {.done = count_done}};
    weir_group_rebalances(world.service, WEIR_SLICE("g"), &list);
    cr_assert_eq(list.count, 3);
    cr_assert(weir_slice_is(list.items[0].reason, "member a joined"));
    cr_assert(weir_slice_is(list.items[2].reason, "member b left"));
    cr_assert_eq(list.items[2].epoch, 4);
    cr_assert_eq(list.items[2].member_count, 1);
    weir_group_op_free(&list.op);
}

/* ---- From one protocol to the other ---- */

Test(consumer_group, a_classic_group_is_upgraded_and_goes_back)
{
    int32_t generation;
    struct weir_slice classic = new_member("g");
    struct generation joined = join_as("g", classic);
    /* version 0, "t" with its four partitions, no user data */
    struct weir_group_assignment assignment = {
        .member_id = classic,
        .assignment = WEIR_SLICE("\0\0\0\0\0\1\0\1t\0\0\0\4\0\0\0\0\0\0\0\1\0\0\0\2\0\0\0\3"
                                 "\xff\xff\xff\xff")};
    struct weir_group_sync_request sync = sync_request("g", classic, joined.id);
    sync.assignments = &assignment;
    sync.assignment_count = 1;
    cr_assert_eq(sync_status(&sync), WEIR_OK);
    generation = joined.id;
    struct beat_answer b = join_consumer("g", "b");
    cr_assert_eq(b.status, WEIR_OK);
    cr_assert_eq(b.epoch, generation + 1);
    cr_assert_eq(b.partition_count, 0);
    cr_assert_eq(heartbeat("g", classic, generation), WEIR_REBALANCE_IN_PROGRESS);
    joined = join_as("g", classic); /* it owns nothing: it gave all up before it joined */
    cr_assert_eq(joined.id, generation + 1);
    sync = sync_request("g", classic, joined.id);
    cr_assert_eq(sync_status(&sync), WEIR_OK);
    cr_assert_eq(heartbeat("g", classic, joined.id), WEIR_OK);
    b = beat_plain("g", "b", b.epoch);
    cr_assert_eq(b.partition_count, 2);
    cr_assert(consumer_is_state("g", "Stable"));
    cr_assert_eq(beat_plain("g", "b", -1).status, WEIR_OK);
    cr_assert(is_state("g", "PreparingRebalance"));
    cr_assert_eq(heartbeat("g", classic, joined.id), WEIR_REBALANCE_IN_PROGRESS);
    joined = join_as("g", classic);
    cr_assert_eq(joined.id, generation + 2);
    world_restart();
    cr_assert_neq(group_count(), 0);
}

Test(consumer_group, an_empty_group_changes_its_kind)
{
    struct weir_slice classic = stable_group("g", NULL);
    cr_assert_eq(leave("g", classic, WEIR_NULL_SLICE), WEIR_OK);
    cr_assert_eq(join_consumer("g", "a").status, WEIR_OK);
    cr_assert_eq(beat_plain("g", "a", -1).status, WEIR_OK);
    cr_assert(consumer_is_state("g", "Empty"));
    (void)stable_group("g", NULL);
    cr_assert(is_state("g", "Stable"));
    world_restart();
    cr_assert(is_state("g", "Stable"));
}
