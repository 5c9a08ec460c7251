/* SPDX-License-Identifier: Apache-2.0 */

/* The group scenarios of the differential tester at the level of the service: what Apache Kafka 4.3.0
 * answers, in the order it was asked. */

#include "group_world.h"

TestSuite(scenarios, .init = world_start, .fini = world_stop);

#define NOBODY WEIR_SLICE("zz")

Test(scenarios, a_member_joins_syncs_and_beats)
{
    struct weir_slice member = new_member("g");
    cr_assert_eq(member.size, strlen("difftest-") + 36);
    cr_assert_eq(memcmp(member.data, "difftest-", 9), 0);
    struct weir_group_join_request request = join_request("g", member);
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    cr_assert_eq(client.join.op.status, WEIR_OK);
    cr_assert_eq(client.join.generation, 1);
    cr_assert(weir_slice_is(client.join.protocol_type, "consumer"));
    cr_assert(weir_slice_is(client.join.protocol_name, "range"));
    cr_assert(weir_slice_equal(client.join.leader, member));
    cr_assert(weir_slice_equal(client.join.member_id, member));
    cr_assert_eq(client.join.member_count, 1);
    cr_assert(weir_slice_is_null(client.join.members[0].instance_id));
    cr_assert(weir_slice_equal(client.join.members[0].metadata, SUBSCRIPTION));
    join_free(&client);

    cr_assert_eq(heartbeat("g", member, 1), WEIR_OK, "before sync");
    struct weir_group_sync_request sync = sync_request("g", member, 2);
    cr_assert_eq(sync_status(&sync), WEIR_ILLEGAL_GENERATION);
    sync = sync_request("g", NOBODY, 1);
    cr_assert_eq(sync_status(&sync), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(sync_leader("g", member, 1, "assign"), WEIR_OK);
    sync = sync_request("g", member, 1);
    struct client_sync again;
    sync_start(&again, &sync);
    cr_assert(weir_slice_is(again.sync.assignment, "assign"));
    cr_assert(weir_slice_is(again.sync.protocol_name, "range"));
    sync_free(&again);

    cr_assert_eq(heartbeat("g", member, 1), WEIR_OK);
    cr_assert_eq(heartbeat("g", member, 2), WEIR_ILLEGAL_GENERATION);
    cr_assert_eq(heartbeat("g", NOBODY, 1), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(heartbeat("g", WEIR_EMPTY_SLICE, 1), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(heartbeat("nog", NOBODY, 1), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(heartbeat("", NOBODY, 1), WEIR_INVALID_GROUP_ID);
}

Test(scenarios, describe_shows_members_and_says_what_is_not_there)
{
    struct weir_slice member = stable_group("g", NULL);
    struct weir_group_describe out;
    describe("g", &out);
    cr_assert_eq(out.op.status, WEIR_OK);
    cr_assert(weir_slice_is_null(out.message));
    cr_assert(weir_slice_is(out.state, "Stable"));
    cr_assert(weir_slice_is(out.protocol_type, "consumer"));
    cr_assert(weir_slice_is(out.protocol, "range"));
    cr_assert_eq(out.member_count, 1);
    cr_assert(weir_slice_equal(out.members[0].member_id, member));
    cr_assert(weir_slice_is(out.members[0].client_id, "difftest"));
    cr_assert(weir_slice_is(out.members[0].client_host, "/127.0.0.1"));
    cr_assert(weir_slice_equal(out.members[0].metadata, SUBSCRIPTION));
    cr_assert(weir_slice_is(out.members[0].assignment, "assign"));
    weir_group_op_free(&out.op);
    describe("nog", &out);
    cr_assert_eq(out.op.status, WEIR_GROUP_ID_NOT_FOUND);
    cr_assert(weir_slice_is(out.state, "Dead"));
    cr_assert(weir_slice_is(out.message, "Group nog not found."));
    weir_group_op_free(&out.op);
}

static size_t list_filtered(const char *state, const char *type)
{
    struct weir_slice states[] = {weir_slice_str(state), WEIR_SLICE("bogus")};
    struct weir_slice types[] = {weir_slice_str(type)};
    struct weir_group_list_request request = {.states = states,
                                              .state_count = state == NULL ? 0 : 2,
                                              .types = types,
                                              .type_count = type == NULL ? 0 : 1};
    struct weir_group_list list = {.op = {.done = count_done}};
    weir_group_list(world.service, &request, &list);
    cr_assert_eq(list.op.status, WEIR_OK);
    size_t count = list.group_count;
    weir_group_op_free(&list.op);
    return count;
}

Test(scenarios, list_filters_by_state_and_type)
{
    (void)stable_group("g", NULL);
    cr_assert_eq(commit_simple("", "t", 0, 1), WEIR_OK);
    cr_assert_eq(commit_simple("other", "t", 0, 1), WEIR_OK);
    struct weir_group_list_request request = {0};
    struct weir_group_list list = {.op = {.done = count_done}};
    weir_group_list(world.service, &request, &list);
    cr_assert_eq(list.group_count, 3);
    cr_assert(weir_slice_is(list.groups[0].group_id, ""));
    cr_assert(weir_slice_is(list.groups[0].protocol_type, ""));
    cr_assert(weir_slice_is(list.groups[0].state, "Empty"));
    cr_assert(weir_slice_is(list.groups[0].type, "classic"));
    cr_assert(weir_slice_is(list.groups[1].group_id, "g"));
    cr_assert(weir_slice_is(list.groups[1].protocol_type, "consumer"));
    cr_assert(weir_slice_is(list.groups[1].state, "Stable"));
    weir_group_op_free(&list.op);
    cr_assert_eq(list_filtered("Stable", "classic"), 1);
    cr_assert_eq(list_filtered(" sTABLE ", "Classic"), 1);
    cr_assert_eq(list_filtered("Empty", "consumer"), 0);
    cr_assert_eq(list_filtered(NULL, "bogus"), 0);
    cr_assert_eq(list_filtered("Empty", NULL), 2);
}

static enum weir_status offset_delete_one(const char *group, const char *topic, int32_t partition)
{
    struct weir_offset_delete_item item = {.topic = weir_slice_str(topic), .partition = partition};
    struct weir_offset_delete op = {.op = {.done = count_done}, .items = &item, .item_count = 1};
    weir_group_offset_delete(world.service, weir_slice_str(group), &op);
    enum weir_status status = op.op.status == WEIR_OK ? item.status : op.op.status;
    weir_group_op_free(&op.op);
    return status;
}

Test(scenarios, offsets_of_a_live_group_need_its_generation)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    cr_assert_eq(commit_as("g", member, generation, "n", 0, 3, ""), WEIR_OK);
    cr_assert_eq(commit_as("g", member, generation + 5, "n", 0, 3, ""), WEIR_ILLEGAL_GENERATION);
    cr_assert_eq(commit_simple("g", "n", 0, 3), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(delete_group("g"), WEIR_NON_EMPTY_GROUP);
    cr_assert_eq(offset_delete_one("g", "t", 0), WEIR_GROUP_SUBSCRIBED_TO_TOPIC);
    cr_assert_eq(offset_delete_one("g", "n", 0), WEIR_OK);
    cr_assert_eq(fetched("g", "n", 0), -1);
}

Test(scenarios, the_last_member_leaves_an_empty_group_that_can_be_deleted)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    cr_assert_eq(commit_as("g", member, generation, "n", 0, 3, ""), WEIR_OK);
    cr_assert_eq(leave("g", NOBODY, WEIR_NULL_SLICE), WEIR_UNKNOWN_MEMBER_ID);
    struct weir_group_leaver leavers[] = {{.member_id = member, .reason = WEIR_SLICE("bye")},
                                          {.member_id = NOBODY}};
    struct weir_group_leave op = {
        .op = {.done = count_done}, .leavers = leavers, .leaver_count = 2};
    weir_group_leave(world.service, WEIR_SLICE("g"), &op);
    cr_assert_eq(op.op.status, WEIR_OK);
    cr_assert_eq(leavers[0].status, WEIR_OK);
    cr_assert_eq(leavers[1].status, WEIR_UNKNOWN_MEMBER_ID);
    weir_group_op_free(&op.op);
    cr_assert_eq(heartbeat("g", member, generation), WEIR_UNKNOWN_MEMBER_ID);
    struct weir_group_describe out;
    describe("g", &out);
    cr_assert(weir_slice_is(out.state, "Empty"));
    cr_assert(weir_slice_is(out.protocol_type, "consumer"));
    cr_assert(weir_slice_is(out.protocol, ""));
    cr_assert_eq(out.member_count, 0);
    weir_group_op_free(&out.op);
    cr_assert_eq(offset_delete_one("g", "n", 0), WEIR_OK);
    cr_assert_eq(delete_group("g"), WEIR_OK);
    cr_assert_eq(delete_group("nog"), WEIR_GROUP_ID_NOT_FOUND);
    cr_assert(is_state("g", "Dead"));
}

static enum weir_status join_with(struct weir_group_join_request request, const char *type,
                                  size_t protocol_count)
{
    request.protocol_type = weir_slice_str(type);
    request.protocol_count = protocol_count;
    return join_status(&request);
}

Test(scenarios, joins_that_cannot_be_are_told_why)
{
    struct weir_group_join_request request = join_request("", WEIR_EMPTY_SLICE);
    cr_assert_eq(join_status(&request), WEIR_INVALID_GROUP_ID);
    request = join_request("g", WEIR_EMPTY_SLICE);
    request.session_timeout_ms = 1;
    cr_assert_eq(join_status(&request), WEIR_INVALID_SESSION_TIMEOUT);
    request.session_timeout_ms = 100000000;
    cr_assert_eq(join_status(&request), WEIR_INVALID_SESSION_TIMEOUT);
    request = join_request("g", WEIR_SLICE("nobody"));
    cr_assert_eq(join_status(&request), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(group_count(), 0);
    request = join_request("g", WEIR_EMPTY_SLICE);
    cr_assert_eq(join_with(request, "consumer", 0), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    cr_assert_eq(join_with(request, "", 1), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    cr_assert_eq(group_count(), 1, "the group is there, as in Apache Kafka");

    (void)stable_group("g", NULL);
    struct weir_group_protocol sticky = {.name = WEIR_SLICE("sticky"), .metadata = SUBSCRIPTION};
    request.requires_known_member_id = false;
    request.protocols = &sticky;
    cr_assert_eq(join_status(&request), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    request.protocols = &range_protocol;
    cr_assert_eq(join_with(request, "connect", 1), WEIR_INCONSISTENT_GROUP_PROTOCOL);
}

Test(scenarios, sync_checks_protocol_type_and_name)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    struct weir_group_sync_request request = sync_request("g", member, generation);
    request.protocol_type = WEIR_SLICE("connect");
    cr_assert_eq(sync_status(&request), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    request = sync_request("g", member, generation);
    request.protocol_name = WEIR_SLICE("sticky");
    cr_assert_eq(sync_status(&request), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    request.protocol_name = WEIR_NULL_SLICE;
    cr_assert_eq(sync_status(&request), WEIR_OK);
    request = sync_request("", member, generation);
    cr_assert_eq(sync_status(&request), WEIR_INVALID_GROUP_ID);
    cr_assert_eq(leave("", member, WEIR_NULL_SLICE), WEIR_INVALID_GROUP_ID);
}

Test(scenarios, a_second_member_makes_the_first_rejoin)
{
    int32_t generation;
    struct weir_slice first = stable_group("g", &generation);
    struct weir_slice second = new_member("g");
    struct weir_group_join_request request = join_request("g", second);
    struct client_join join2;
    join_start(&join2, &request);
    cr_assert_eq(join2.done, 0);
    cr_assert_eq(heartbeat("g", first, generation), WEIR_REBALANCE_IN_PROGRESS);
    cr_assert_eq(commit_as("g", first, generation, "n", 0, 1, ""), WEIR_OK);
    struct weir_group_sync_request sync = sync_request("g", first, generation);
    cr_assert_eq(sync_status(&sync), WEIR_REBALANCE_IN_PROGRESS);

    struct generation next = join_as("g", first);
    cr_assert_eq(next.id, generation + 1);
    cr_assert_eq(next.member_count, 2);
    cr_assert(weir_slice_equal(next.leader, first), "the leader is kept");
    struct generation other = take_generation(&join2);
    cr_assert_eq(other.id, next.id);
    cr_assert_eq(other.member_count, 0);
    cr_assert(weir_slice_equal(other.leader, first));
    cr_assert_eq(commit_as("g", first, next.id, "n", 0, 1, ""), WEIR_REBALANCE_IN_PROGRESS);

    sync = sync_request("g", second, next.id);
    struct client_sync sync2;
    sync_start(&sync2, &sync);
    cr_assert_eq(sync2.done, 0);
    struct weir_group_assignment assignments[] = {{first, WEIR_SLICE("A")},
                                                  {second, WEIR_SLICE("B")}};
    sync = sync_request("g", first, next.id);
    sync.assignments = assignments;
    sync.assignment_count = 2;
    struct client_sync sync1;
    sync_start(&sync1, &sync);
    cr_assert(weir_slice_is(sync1.sync.assignment, "A"));
    cr_assert(weir_slice_is(sync2.sync.assignment, "B"));
    sync_free(&sync1);
    sync_free(&sync2);
    cr_assert_eq(leave("g", second, WEIR_NULL_SLICE), WEIR_OK);
    cr_assert_eq(heartbeat("g", first, next.id), WEIR_REBALANCE_IN_PROGRESS);
}

static struct weir_group_join_request static_request(const char *group, struct weir_slice member,
                                                     const char *instance)
{
    struct weir_group_join_request request = join_request(group, member);
    request.instance_id = weir_slice_str(instance);
    return request;
}

static struct weir_slice static_join(const char *group, const char *instance,
                                     int32_t *out_generation)
{
    struct weir_group_join_request request = static_request(group, WEIR_EMPTY_SLICE, instance);
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    cr_assert_eq(client.done, 1);
    cr_assert_eq(client.join.op.status, WEIR_OK);
    struct weir_slice id = keep(client.join.member_id);
    cr_assert_eq(memcmp(id.data, instance, strlen(instance)), 0);
    *out_generation = client.join.generation;
    join_free(&client);
    return id;
}

Test(scenarios, a_static_member_takes_its_place_back_and_fences_its_former_self)
{
    int32_t generation;
    struct weir_slice old = static_join("g", "i1", &generation);
    cr_assert_eq(sync_leader("g", old, generation, "a"), WEIR_OK);
    struct weir_group_join_request request = static_request("g", WEIR_EMPTY_SLICE, "i1");
    struct client_join client;
    join_start(&client, &request);
    cr_assert_eq(client.join.op.status, WEIR_OK);
    cr_assert_eq(client.join.generation, generation);
    cr_assert_eq(client.join.member_count, 0);
    cr_assert(!client.join.skip_assignment);
    cr_assert(weir_slice_equal(client.join.leader, old), "before version 9 the leader as it was");
    struct weir_slice now = keep(client.join.member_id);
    join_free(&client);
    cr_assert(!weir_slice_equal(old, now));

    struct weir_group_heartbeat_request beat = {.group_id = WEIR_SLICE("g"),
                                                .member_id = old,
                                                .instance_id = WEIR_SLICE("i1"),
                                                .generation = generation};
    cr_assert_eq(weir_group_heartbeat(world.service, &beat), WEIR_FENCED_INSTANCE_ID);
    struct weir_group_sync_request sync = sync_request("g", old, generation);
    sync.instance_id = WEIR_SLICE("i1");
    cr_assert_eq(sync_status(&sync), WEIR_FENCED_INSTANCE_ID);
    request = static_request("g", old, "i1");
    cr_assert_eq(join_status(&request), WEIR_FENCED_INSTANCE_ID);
    beat.member_id = now;
    cr_assert_eq(weir_group_heartbeat(world.service, &beat), WEIR_OK);
    beat.instance_id = WEIR_SLICE("i2");
    cr_assert_eq(weir_group_heartbeat(world.service, &beat), WEIR_UNKNOWN_MEMBER_ID);

    cr_assert_eq(leave("g", WEIR_EMPTY_SLICE, WEIR_SLICE("i9")), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(leave("g", WEIR_EMPTY_SLICE, WEIR_SLICE("i1")), WEIR_OK);
    (void)static_join("g", "..bad/", &generation);
    cr_assert_eq(generation, 3);
}

Test(scenarios, a_static_leader_of_version_9_is_told_not_to_assign_again)
{
    int32_t generation;
    struct weir_slice old = static_join("g", "i1", &generation);
    cr_assert_eq(sync_leader("g", old, generation, "a"), WEIR_OK);
    struct weir_group_join_request request = static_request("g", WEIR_EMPTY_SLICE, "i1");
    request.supports_skipping_assignment = true;
    struct client_join client;
    join_start(&client, &request);
    cr_assert_eq(client.join.op.status, WEIR_OK);
    cr_assert(client.join.skip_assignment);
    cr_assert(weir_slice_equal(client.join.leader, client.join.member_id));
    cr_assert_eq(client.join.member_count, 1);
    join_free(&client);
}

/* Apache Kafka 4.3.0 leaves the member without an answer here, and the next one, too. */
Test(scenarios, a_subscription_that_cannot_be_read_does_not_stop_the_group)
{
    struct weir_group_protocol bad[] = {
        {.name = WEIR_SLICE("range"), .metadata = WEIR_SLICE("\0\0\xff\xff\xff\xfb")},
        {.name = WEIR_SLICE("range"), .metadata = WEIR_SLICE("\0\0\x5b\x2a\x3e\x4b")},
        {.name = WEIR_SLICE("range"), .metadata = WEIR_SLICE("\x4c\x14\xa7")}};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(bad); i++) {
        char group[8];
        (void)snprintf(group, sizeof(group), "g%zu", i); /* fits */
        struct weir_group_join_request request = join_request(group, WEIR_EMPTY_SLICE);
        request.requires_known_member_id = false;
        request.protocols = &bad[i];
        struct client_join client;
        join_start(&client, &request);
        fake_world_run(&world.base);
        cr_assert_eq(client.join.op.status, WEIR_OK);
        cr_assert_eq(client.join.generation, 1);
        cr_assert_eq(sync_leader(group, client.join.member_id, 1, "a"), WEIR_OK);
        join_free(&client);
        cr_assert_eq(offset_delete_one(group, "any", 0), WEIR_GROUP_SUBSCRIBED_TO_TOPIC);
    }
}

Test(scenarios, offsets_without_group_management)
{
    cr_assert_eq(fetched("g", "n", 0), -1, "none yet");
    cr_assert_eq(commit_simple("g", "n", 0, 5), WEIR_OK);
    cr_assert_eq(commit_as("g", WEIR_EMPTY_SLICE, -1, "n", 1, 6, NULL), WEIR_OK);
    cr_assert_eq(commit_simple("g", "n", 0, -7), WEIR_OK);
    cr_assert_eq(fetched("g", "n", 0), -7);
    cr_assert_eq(commit_simple("", "n", 0, 1), WEIR_OK);
    cr_assert_eq(commit_as("g", WEIR_EMPTY_SLICE, 3, "n", 0, 5, "m"), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(commit_as("g", NOBODY, -1, "n", 0, 5, "m"), WEIR_OK);
    cr_assert_eq(commit_as("g", NOBODY, 1, "n", 0, 5, "m"), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(commit_as("new", NOBODY, 1, "n", 0, 5, "m"), WEIR_ILLEGAL_GENERATION);
    char large[5001];
    memset(large, 'x', sizeof(large) - 1);
    large[5000] = 0;
    cr_assert_eq(commit_as("g", WEIR_EMPTY_SLICE, -1, "n", 0, 9, large),
                 WEIR_OFFSET_METADATA_TOO_LARGE);
    cr_assert_eq(fetched("g", "n", 0), 5);
}

Test(scenarios, fetch_of_all_topics_is_sorted_and_whole)
{
    cr_assert_eq(commit_simple("g", "b", 1, 11), WEIR_OK);
    cr_assert_eq(commit_simple("g", "b", 0, 10), WEIR_OK);
    cr_assert_eq(commit_simple("g", "a", 5, 9), WEIR_OK);
    struct weir_offset_fetch op = {.op = {.done = count_done}, .all_topics = true};
    weir_group_offset_fetch(world.service, WEIR_SLICE("g"), &op);
    cr_assert_eq(op.item_count, 3);
    cr_assert(weir_slice_is(op.items[0].topic, "a"));
    cr_assert_eq(op.items[0].partition, 5);
    cr_assert_eq(op.items[1].offset, 10);
    cr_assert_eq(op.items[2].offset, 11);
    cr_assert_eq(op.items[2].leader_epoch, -1);
    cr_assert(weir_slice_is(op.items[2].metadata, "m"));
    weir_group_op_free(&op.op);
}
