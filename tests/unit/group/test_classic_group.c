/* SPDX-License-Identifier: Apache-2.0 */

/* States, rebalances, timers, refused appends and clients that go away. */

#include "group_world.h"

#include "classic/classic_int.h"

TestSuite(classic_group, .init = world_start, .fini = world_stop);

Test(classic_group, moves_only_along_the_arrows_of_the_table)
{
    const struct {
        enum classic_state from;
        enum classic_state to;
    } legal[] = {{CLASSIC_EMPTY, CLASSIC_PREPARING},       {CLASSIC_EMPTY, CLASSIC_DEAD},
                 {CLASSIC_PREPARING, CLASSIC_EMPTY},       {CLASSIC_PREPARING, CLASSIC_COMPLETING},
                 {CLASSIC_PREPARING, CLASSIC_DEAD},        {CLASSIC_COMPLETING, CLASSIC_PREPARING},
                 {CLASSIC_COMPLETING, CLASSIC_STABLE},     {CLASSIC_COMPLETING, CLASSIC_DEAD},
                 {CLASSIC_STABLE, CLASSIC_PREPARING},      {CLASSIC_STABLE, CLASSIC_DEAD},
                 {CLASSIC_DEAD, CLASSIC_DEAD}};
    for (int from = CLASSIC_EMPTY; from <= CLASSIC_DEAD; from++) {
        for (int to = CLASSIC_EMPTY; to <= CLASSIC_DEAD; to++) {
            bool is_listed = false;
            for (size_t i = 0; i < WEIR_ARRAY_COUNT(legal); i++)
                is_listed |= (int)legal[i].from == from && (int)legal[i].to == to;
            cr_assert_eq(classic_may_move((enum classic_state)from, (enum classic_state)to),
                         is_listed, "%d -> %d", from, to);
        }
    }
}

Test(classic_group, every_state_is_seen_from_outside_by_its_name)
{
    struct weir_slice member = new_member("g");
    cr_assert(is_state("g", "Empty"));
    struct weir_slice other = new_member("g");
    struct weir_group_join_request request = join_request("g", member);
    struct client_join client;
    join_start(&client, &request);
    cr_assert(is_state("g", "PreparingRebalance"));
    cr_assert_eq(leave("g", other, WEIR_NULL_SLICE), WEIR_OK, "a pending member may leave");
    fake_world_run(&world.base);
    cr_assert(is_state("g", "CompletingRebalance"));
    struct generation generation = take_generation(&client);
    cr_assert_eq(sync_leader("g", member, generation.id, "a"), WEIR_OK);
    cr_assert(is_state("g", "Stable"));
    cr_assert_eq(leave("g", member, WEIR_NULL_SLICE), WEIR_OK);
    cr_assert(is_state("g", "Empty"));
    cr_assert_eq(delete_group("g"), WEIR_OK);
    cr_assert(is_state("g", "Dead"));
}

/* ---- The initial delay ---- */

static void start_with_delay(void)
{
    world_start_with(weir_group_config_default());
}

static void join_new_start(struct client_join *client, const char *group, int32_t rebalance_ms)
{
    struct weir_group_join_request request = join_request(group, WEIR_EMPTY_SLICE);
    request.requires_known_member_id = false;
    request.rebalance_timeout_ms = rebalance_ms;
    join_start(client, &request);
}

Test(initial_delay, closes_the_first_join_phase_after_three_seconds, .init = start_with_delay,
     .fini = world_stop)
{
    struct client_join client;
    join_new_start(&client, "g", 60000);
    fake_world_advance(&world.base, 2980);
    cr_assert_eq(client.done, 0);
    fake_world_advance(&world.base, 40);
    cr_assert_eq(client.done, 1);
    join_free(&client);
}

Test(initial_delay, is_extended_while_members_arrive, .init = start_with_delay,
     .fini = world_stop)
{
    struct client_join clients[3];
    join_new_start(&clients[0], "g", 60000);
    fake_world_advance(&world.base, 2000);
    join_new_start(&clients[1], "g", 60000);
    fake_world_advance(&world.base, 3000); /* 5 s: the second delay runs */
    cr_assert_eq(clients[0].done, 0);
    join_new_start(&clients[2], "g", 60000);
    fake_world_advance(&world.base, 3980); /* 8.98 s */
    cr_assert_eq(clients[0].done, 0);
    fake_world_advance(&world.base, 40);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(clients[i].join.generation, 1);
        join_free(&clients[i]);
    }
}

Test(initial_delay, is_not_extended_beyond_the_rebalance_timeout, .init = start_with_delay,
     .fini = world_stop)
{
    struct client_join clients[3];
    join_new_start(&clients[0], "g", 4000);
    fake_world_advance(&world.base, 2000);
    join_new_start(&clients[1], "g", 4000);
    fake_world_advance(&world.base, 1500);
    join_new_start(&clients[2], "g", 4000);
    cr_assert_eq(clients[0].done, 0);
    fake_world_advance(&world.base, 520);
    for (int i = 0; i < 3; i++)
        join_free(&clients[i]);
}

/* ---- Timers ---- */

Test(classic_group, a_silent_member_is_removed_after_its_session)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    fake_world_advance(&world.base, 9000);
    cr_assert_eq(heartbeat("g", member, generation), WEIR_OK);
    fake_world_advance(&world.base, 9000);
    cr_assert(is_state("g", "Stable"));
    fake_world_advance(&world.base, 1020);
    cr_assert(is_state("g", "Empty"));
    cr_assert_eq(heartbeat("g", member, generation), WEIR_UNKNOWN_MEMBER_ID);
}

Test(classic_group, a_commit_is_a_sign_of_life)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    fake_world_advance(&world.base, 9000);
    cr_assert_eq(commit_as("g", member, generation, "t", 0, 1, ""), WEIR_OK);
    fake_world_advance(&world.base, 9000);
    cr_assert(is_state("g", "Stable"));
}

Test(classic_group, an_id_that_was_given_out_is_forgotten_after_the_session)
{
    struct weir_slice member = new_member("g");
    fake_world_advance(&world.base, 10020);
    struct weir_group_join_request request = join_request("g", member);
    cr_assert_eq(join_status(&request), WEIR_UNKNOWN_MEMBER_ID);
}

Test(classic_group, a_member_that_does_not_rejoin_is_left_behind)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct client_join client;
    join_new_start(&client, "g", 10000);
    for (int i = 0; i < 4; i++) { /* alive, but busy */
        fake_world_advance(&world.base, 2490);
        cr_assert_eq(heartbeat("g", first, generation), WEIR_REBALANCE_IN_PROGRESS);
    }
    cr_assert_eq(client.done, 0);
    fake_world_advance(&world.base, 60);
    struct weir_slice second = keep(client.join.member_id);
    struct generation next = take_generation(&client);
    cr_assert_eq(next.id, generation + 1);
    cr_assert_eq(next.member_count, 1);
    cr_assert(weir_slice_equal(next.leader, second));
    cr_assert_eq(heartbeat("g", first, next.id), WEIR_UNKNOWN_MEMBER_ID);
}

Test(classic_group, a_static_member_that_does_not_rejoin_keeps_its_place_until_its_session_ends)
{
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    request.instance_id = WEIR_SLICE("i1");
    request.session_timeout_ms = 60000;
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    struct weir_slice fixed = keep(client.join.member_id);
    cr_assert_eq(sync_leader("g", fixed, 1, "a"), WEIR_OK);
    join_free(&client);
    join_new_start(&client, "g", 10000);
    fake_world_advance(&world.base, 10020);
    struct generation next = take_generation(&client);
    cr_assert_eq(next.member_count, 2);
    cr_assert_eq(heartbeat("g", fixed, next.id), WEIR_OK);
}

Test(classic_group, members_that_send_no_sync_are_removed_after_the_rebalance_timeout)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct client_join client;
    join_new_start(&client, "g", 10000);
    struct generation next = join_as("g", first);
    struct weir_slice second = keep(client.join.member_id);
    join_free(&client);
    cr_assert_eq(sync_leader("g", first, next.id, "a"), WEIR_OK);
    for (int i = 0; i < 4; i++) {
        fake_world_advance(&world.base, 2490);
        cr_assert_eq(heartbeat("g", first, next.id), WEIR_OK);
        cr_assert_eq(heartbeat("g", second, next.id), WEIR_OK);
    }
    fake_world_advance(&world.base, 60);
    cr_assert_eq(heartbeat("g", second, next.id), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(heartbeat("g", first, next.id), WEIR_REBALANCE_IN_PROGRESS);
}

Test(classic_group, a_member_that_waits_in_a_long_rebalance_outlives_its_session)
{
    struct weir_slice member = new_member("g");
    struct weir_group_join_request request = join_request("g", member);
    request.rebalance_timeout_ms = 60000;
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    struct generation generation = take_generation(&client);
    cr_assert_eq(sync_leader("g", member, generation.id, "a"), WEIR_OK);
    struct weir_group_join_request other = join_request("g", WEIR_EMPTY_SLICE);
    other.session_timeout_ms = 30000;
    cr_assert_eq(join_status(&other), WEIR_MEMBER_ID_REQUIRED); /* holds the join phase open */
    join_start(&client, &request);
    fake_world_advance(&world.base, 29900);
    cr_assert_eq(client.done, 0);
    fake_world_advance(&world.base, 120);
    cr_assert_eq(client.done, 1);
    cr_assert_eq(client.join.op.status, WEIR_OK);
    join_free(&client);
}

/* ---- Protocols ---- */

Test(classic_group, the_majority_takes_the_protocol_all_know)
{
    struct weir_group_protocol a[] = {{WEIR_SLICE("range"), WEIR_SLICE("")},
                                      {WEIR_SLICE("sticky"), WEIR_SLICE("")},
                                      {WEIR_SLICE("own"), WEIR_SLICE("")}};
    struct weir_group_protocol b[] = {{WEIR_SLICE("other"), WEIR_SLICE("")},
                                      {WEIR_SLICE("sticky"), WEIR_SLICE("")},
                                      {WEIR_SLICE("range"), WEIR_SLICE("")}};
    struct client_join clients[3];
    for (int i = 0; i < 3; i++) {
        struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
        request.requires_known_member_id = false;
        request.protocols = i == 0 ? a : b;
        request.protocol_count = 3;
        join_start(&clients[i], &request);
    }
    fake_world_run(&world.base);
    for (int i = 0; i < 3; i++) {
        cr_assert(weir_slice_is(clients[i].join.protocol_name, "sticky"));
        join_free(&clients[i]);
    }
}

Test(classic_group, a_protocol_named_twice_counts_once)
{
    struct weir_group_protocol twice[] = {{WEIR_SLICE("range"), WEIR_SLICE("1")},
                                          {WEIR_SLICE("range"), WEIR_SLICE("2")}};
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    request.requires_known_member_id = false;
    request.protocols = twice;
    request.protocol_count = 2;
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    cr_assert_eq(client.join.op.status, WEIR_OK);
    cr_assert(weir_slice_is(client.join.members[0].metadata, "1"));
    join_free(&client);
}

Test(classic_group, a_follower_that_joins_again_unchanged_is_told_its_generation)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct client_join client;
    join_new_start(&client, "g", 10000);
    struct generation next = join_as("g", first);
    struct weir_slice second = keep(client.join.member_id);
    join_free(&client);
    struct generation again = join_as("g", second);
    cr_assert_eq(again.id, next.id, "in CompletingRebalance");
    struct weir_group_sync_request sync = sync_request("g", second, next.id);
    struct client_sync waiting;
    sync_start(&waiting, &sync);
    cr_assert_eq(sync_leader("g", first, next.id, "a"), WEIR_OK);
    cr_assert_eq(waiting.sync.op.status, WEIR_OK);
    cr_assert_eq(waiting.sync.assignment.size, 0, "the leader forgot it");
    sync_free(&waiting);
    again = join_as("g", second);
    cr_assert_eq(again.id, next.id, "in Stable");
    cr_assert(is_state("g", "Stable"));
    struct generation led = {0};
    struct weir_group_join_request request = join_request("g", first);
    join_start(&client, &request);
    cr_assert_eq(client.done, 0, "the leader forces a rebalance");
    led = join_as("g", second);
    cr_assert_eq(led.id, next.id + 1);
    join_free(&client);
}

static void start_small(void)
{
    struct weir_group_config config = weir_group_config_default();
    config.initial_rebalance_delay_ms = 0;
    config.max_size = 2;
    world_start_with(config);
}

Test(classic_group_size, a_full_group_takes_nobody, .init = start_small, .fini = world_stop)
{
    struct client_join clients[3];
    for (int i = 0; i < 2; i++)
        join_new_start(&clients[i], "g", 10000);
    join_new_start(&clients[2], "g", 10000);
    cr_assert_eq(clients[2].join.op.status, WEIR_GROUP_MAX_SIZE_REACHED);
    fake_world_run(&world.base);
    for (int i = 0; i < 3; i++)
        join_free(&clients[i]);
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    cr_assert_eq(join_status(&request), WEIR_GROUP_MAX_SIZE_REACHED);
}

/* ---- Clients that go away ---- */

Test(classic_group, a_cancelled_join_of_a_known_member_counts_as_silence)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct client_join second;
    join_new_start(&second, "g", 10000);
    struct weir_slice third = new_member("g");
    struct weir_group_join_request request = join_request("g", third);
    struct client_join gone;
    join_start(&gone, &request);
    cr_assert(weir_group_cancel(world.service, &gone.join.op));
    cr_assert(!weir_group_cancel(world.service, &gone.join.op), "it is cancelled already");
    weir_group_op_free(&gone.join.op);
    request = join_request("g", first);
    struct client_join again;
    join_start(&again, &request);
    cr_assert_eq(again.done, 0, "it may come back");
    fake_world_advance(&world.base, 10020);
    struct generation next = take_generation(&again);
    cr_assert_eq(next.member_count, 2);
    join_free(&second);
    cr_assert_eq(gone.done, 0);
}

Test(classic_group, a_client_that_goes_before_it_knows_its_id_leaves_no_member)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct client_join gone;
    join_new_start(&gone, "g", 10000);
    cr_assert(weir_group_cancel(world.service, &gone.join.op));
    weir_group_op_free(&gone.join.op);
    struct generation next = join_as("g", first);
    cr_assert_eq(next.member_count, 1);
}

Test(classic_group, a_cancelled_sync_ends_in_a_rebalance_unless_the_member_comes_back)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct client_join client;
    join_new_start(&client, "g", 10000);
    struct generation next = join_as("g", first);
    struct weir_slice second = keep(client.join.member_id);
    join_free(&client);
    struct weir_group_sync_request request = sync_request("g", second, next.id);
    struct client_sync gone;
    sync_start(&gone, &request);
    cr_assert(weir_group_cancel(world.service, &gone.sync.op));
    weir_group_op_free(&gone.sync.op);
    cr_assert_eq(sync_leader("g", first, next.id, "a"), WEIR_OK);
    for (int i = 0; i < 4; i++) {
        fake_world_advance(&world.base, 2600);
        (void)heartbeat("g", first, next.id);
    }
    cr_assert_eq(heartbeat("g", second, next.id), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(gone.done, 0);
}

Test(classic_group, a_cancel_after_the_answer_is_refused)
{
    struct client_join client;
    join_new_start(&client, "g", 10000);
    fake_world_run(&world.base);
    cr_assert_eq(client.done, 1);
    cr_assert(!weir_group_cancel(world.service, &client.join.op));
    join_free(&client);
}

Test(classic_group, a_join_sent_again_answers_the_one_before)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    (void)new_member("g"); /* holds the join phase open */
    struct weir_group_join_request request = join_request("g", first);
    struct client_join one;
    struct client_join two;
    join_start(&one, &request);
    join_start(&two, &request);
    cr_assert_eq(one.join.op.status, WEIR_REBALANCE_IN_PROGRESS);
    join_free(&one);
    fake_world_advance(&world.base, 10020);
    cr_assert_eq(two.join.op.status, WEIR_OK);
    join_free(&two);
}

/* ---- Refused appends ---- */

Test(classic_group, a_new_group_that_cannot_be_stored_is_not_there)
{
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    cr_assert_eq(join_status(&request), WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(group_count(), 0);
    request.requires_known_member_id = false;
    cr_assert_eq(join_status(&request), WEIR_COORDINATOR_NOT_AVAILABLE, "also a parked join");
    cr_assert_eq(group_count(), 0);
    world.base.append_status = WEIR_OK;
    (void)stable_group("g", NULL);
}

Test(classic_group, assignments_that_cannot_be_stored_are_asked_for_again)
{
    struct weir_slice member = new_member("g");
    struct generation generation = join_as("g", member);
    world.base.append_status = WEIR_NOT_LEADER_OR_FOLLOWER;
    cr_assert_eq(sync_leader("g", member, generation.id, "a"), WEIR_NOT_COORDINATOR);
    cr_assert(is_state("g", "PreparingRebalance"));
    world.base.append_status = WEIR_OK;
    struct generation next = join_as("g", member);
    cr_assert_eq(next.id, generation.id + 1);
    cr_assert_eq(sync_leader("g", member, next.id, "a"), WEIR_OK);
}

Test(classic_group, a_static_member_that_cannot_be_stored_keeps_its_old_id)
{
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    request.instance_id = WEIR_SLICE("i1");
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    struct weir_slice old = keep(client.join.member_id);
    join_free(&client);
    cr_assert_eq(sync_leader("g", old, 1, "a"), WEIR_OK);
    world.base.append_status = WEIR_KAFKA_STORAGE_ERROR;
    cr_assert_eq(join_status(&request), WEIR_NOT_COORDINATOR);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(heartbeat("g", old, 1), WEIR_OK);
    cr_assert(is_state("g", "Stable"));
    cr_assert_eq(join_status(&request), WEIR_OK);
    cr_assert_eq(heartbeat("g", old, 1), WEIR_UNKNOWN_MEMBER_ID);
}

Test(classic_group, a_leave_that_cannot_be_stored_says_so)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    world.base.append_status = WEIR_REQUEST_TIMED_OUT;
    cr_assert_eq(leave("g", member, WEIR_NULL_SLICE), WEIR_COORDINATOR_NOT_AVAILABLE);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(heartbeat("g", member, generation), WEIR_UNKNOWN_MEMBER_ID);
}

Test(classic_group, nobody_is_told_an_assignment_before_it_is_committed)
{
    struct weir_slice member = new_member("g");
    struct generation generation = join_as("g", member);
    world.base.commits_at_once = false;
    struct weir_group_assignment assignment = {member, WEIR_SLICE("a")};
    struct weir_group_sync_request request = sync_request("g", member, generation.id);
    request.assignments = &assignment;
    request.assignment_count = 1;
    struct client_sync client;
    sync_start(&client, &request);
    cr_assert_eq(client.done, 0);
    cr_assert(is_state("g", "CompletingRebalance"));
    fake_world_commit(&world.base, partition_of("g"));
    cr_assert_eq(client.sync.op.status, WEIR_OK);
    cr_assert(is_state("g", "Stable"));
    sync_free(&client);
}

Test(classic_group, assignments_of_a_generation_that_ended_meanwhile_are_void)
{
    struct weir_slice member = new_member("g");
    struct generation generation = join_as("g", member);
    world.base.commits_at_once = false;
    struct weir_group_assignment assignment = {member, WEIR_SLICE("a")};
    struct weir_group_sync_request request = sync_request("g", member, generation.id);
    request.assignments = &assignment;
    request.assignment_count = 1;
    struct client_sync client;
    sync_start(&client, &request);
    struct client_join other;
    join_new_start(&other, "g", 10000);
    cr_assert_eq(client.sync.op.status, WEIR_REBALANCE_IN_PROGRESS);
    sync_free(&client);
    fake_world_commit(&world.base, partition_of("g"));
    cr_assert(is_state("g", "PreparingRebalance"));
    world.base.commits_at_once = true;
    struct generation next = join_as("g", member);
    cr_assert_eq(next.id, generation.id + 1);
    join_free(&other);
}

Test(classic_group, resigning_answers_everybody_who_waits)
{
    int32_t generation;
    (void)stable_group("g", &generation);
    struct client_join join;
    join_new_start(&join, "g", 10000);
    struct client_join other;
    join_new_start(&other, "h", 10000);
    fake_world_run(&world.base);
    struct generation second = take_generation(&other);
    join_new_start(&other, "h", 10000);
    struct weir_group_join_request request = join_request("h", second.leader);
    struct generation third;
    struct client_join leader;
    join_start(&leader, &request);
    third = take_generation(&leader);
    struct weir_group_sync_request sync =
        sync_request("h", other.join.member_id, third.id);
    struct client_sync waiting;
    sync_start(&waiting, &sync);
    join_free(&other);
    world_resign_all();
    cr_assert_eq(join.join.op.status, WEIR_NOT_COORDINATOR);
    cr_assert_eq(waiting.sync.op.status, WEIR_NOT_COORDINATOR);
    join_free(&join);
    sync_free(&waiting);
    cr_assert_eq(heartbeat("g", second.leader, 1), WEIR_NOT_COORDINATOR);
}

Test(classic_group, a_loading_shard_takes_heartbeats_and_refuses_joins)
{
    struct weir_slice member = stable_group("g", NULL);
    world_resign_all();
    cr_assert_eq(weir_coordinator_elected(weir_group_service_coordinator(world.service),
                                          partition_of("g"), ++world.epoch),
                 WEIR_OK);
    cr_assert_eq(heartbeat("g", member, 1), WEIR_OK);
    struct weir_group_join_request request = join_request("g", member);
    struct client_join client;
    join_start(&client, &request);
    cr_assert_eq(client.join.op.status, WEIR_COORDINATOR_LOAD_IN_PROGRESS);
    join_free(&client);
    fake_world_run(&world.base);
}

/* ---- Many ---- */

Test(classic_group, a_thousand_groups_of_two_come_to_rest)
{
    for (int i = 0; i < 1000; i++) {
        char group[16];
        (void)snprintf(group, sizeof(group), "group-%d", i); /* fits */
        struct client_join clients[2];
        join_new_start(&clients[0], group, 10000);
        join_new_start(&clients[1], group, 10000);
        fake_world_run(&world.base);
        cr_assert(weir_slice_equal(clients[0].join.leader, clients[1].join.leader));
        cr_assert_eq(sync_leader(group, clients[0].join.leader, 1, "a"), WEIR_OK);
        join_free(&clients[0]);
        join_free(&clients[1]);
        cr_assert(is_state(group, "Stable"));
    }
    cr_assert_eq(group_count(), 1000);
    fake_world_advance(&world.base, 20500); /* nobody sends a heartbeat or a second sync */
    struct weir_slice states[] = {WEIR_SLICE("Empty")};
    struct weir_group_list_request request = {.states = states, .state_count = 1};
    struct weir_group_list list = {.op = {.done = count_done}};
    weir_group_list(world.service, &request, &list);
    cr_assert_eq(list.group_count, 1000);
    weir_group_op_free(&list.op);
}
