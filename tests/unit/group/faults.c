/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A group's life with the n-th allocation failing, and all after it, for every n: no crash, no leak (run
 * under AddressSanitizer), every op done exactly once, and when memory is back the same life works.
 */

#define GROUP_WORLD_PLAIN
#include "group_world.h"

/* More than one life makes. */
#define ALLOCATIONS 1500

struct life {
    struct client_join joins[4];
    struct client_sync syncs[2];
    const char *group;
    const char *static_group;
    struct weir_slice member;
    int32_t generation;
};

static void take(struct life *life, struct client_join *client)
{
    if (client->done == 0)
        return; /* it waits; resigning answers it */
    cr_assert_eq(client->done, 1);
    if (client->join.op.status == WEIR_OK || client->join.op.status == WEIR_MEMBER_ID_REQUIRED) {
        life->member = client->join.member_id;
        life->generation = client->join.generation;
    }
}

static void commit_and_fetch(const struct life *life)
{
    struct weir_offset_commit_item item = {
        .topic = WEIR_SLICE("t"), .leader_epoch = -1, .offset = 6, .metadata = WEIR_SLICE("m")};
    struct weir_group_offset_commit_request request = {.group_id = weir_slice_str(life->group),
                                                       .member_id = life->member,
                                                       .generation = life->generation,
                                                       .retention_ms = -1};
    struct weir_offset_commit commit = {
        .op = {.done = count_done}, .items = &item, .item_count = 1};
    ops_done = 0;
    weir_group_offset_commit(world.service, &request, &commit);
    struct weir_offset_fetch fetch = {.op = {.done = count_done}, .all_topics = true};
    weir_group_offset_fetch(world.service, weir_slice_str(life->group), &fetch);
    struct weir_group_describe described = {.op = {.done = count_done}};
    weir_group_describe(world.service, weir_slice_str(life->group), &described);
    struct weir_group_list_request all = {0};
    struct weir_group_list list = {.op = {.done = count_done}};
    weir_group_list(world.service, &all, &list);
    cr_assert_eq(ops_done, 4);
    weir_group_op_free(&commit.op);
    weir_group_op_free(&fetch.op);
    weir_group_op_free(&described.op);
    weir_group_op_free(&list.op);
}

/* Joins twice (id, member), syncs, commits, a static member comes and comes again, all leave. */
static void live(struct life *life)
{
    life->member = WEIR_EMPTY_SLICE;
    for (int i = 0; i < 2; i++) {
        struct weir_group_join_request request = join_request(life->group, life->member);
        join_start(&life->joins[i], &request);
        fake_world_run(&world.base);
        take(life, &life->joins[i]);
    }
    struct weir_group_assignment assignment = {life->member, WEIR_SLICE("a")};
    struct weir_group_sync_request sync = sync_request(life->group, life->member, life->generation);
    sync.assignments = &assignment;
    sync.assignment_count = 1;
    sync_start(&life->syncs[0], &sync);
    commit_and_fetch(life);
    (void)leave(life->group, life->member, WEIR_NULL_SLICE); /* it may have no memory to leave */
    for (int i = 2; i < 4; i++) {
        struct weir_group_join_request request = join_request(life->static_group, WEIR_EMPTY_SLICE);
        request.instance_id = WEIR_SLICE("i1");
        join_start(&life->joins[i], &request);
        fake_world_run(&world.base);
        take(life, &life->joins[i]);
        if (i == 3)
            break;
        sync = sync_request(life->static_group, life->member, life->generation);
        sync.assignments = &assignment;
        sync.assignment_count = 1;
        sync_start(&life->syncs[1], &sync);
    }
    (void)delete_group(life->group); /* the same */
    fake_world_advance(&world.base, 11000);
}

static void end(struct life *life)
{
    world_resign_all();
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(life->joins); i++)
        join_free(&life->joins[i]);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(life->syncs); i++)
        sync_free(&life->syncs[i]);
}

int main(void)
{
    for (long n = 0; n < ALLOCATIONS; n++) {
        struct life life = {.group = "g", .static_group = "s"};
        world_start();
        weir_memory_fail_after(n);
        live(&life);
        weir_memory_fail_after(-1);
        end(&life);
        world_elect_all();
        struct life again = {.group = "h", .static_group = "t"};
        live(&again);
        cr_assert_eq(again.joins[1].join.op.status, WEIR_OK);
        end(&again);
        world_stop();
    }
    return 0;
}
