/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random clients against the service, from fixed seeds.  Each client follows the protocol but
 * may go silent, disconnect, leave, send rubbish; the log refuses, lags and changes hands.  Checked
 * all the time:
 *   - each op is done exactly once, or cancelled;
 *   - generations never go back while the coordinator stays (a generation nobody synced is not in the
 *     log, and a new coordinator gives it out again, as Apache Kafka's does);
 *   - in one generation all members are told the same leader, and only the leader gets members;
 *   - an acknowledged offset is what a later fetch gives.
 */

#include "group_world.h"

#define GROUPS 3
#define CLIENTS 8
#define STEPS 4000

struct client {
    int group;
    struct weir_slice member;
    struct client_join join;
    struct client_sync sync;
    bool is_joining;
    bool is_syncing;
    int32_t generation;
    struct weir_slice leader;
};

static struct client clients[CLIENTS];
static int32_t last_generation[GROUPS];
static struct weir_slice leaders[GROUPS]; /* of last_generation */
static uint64_t seed;
static int64_t acknowledged;

static uint32_t pick(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static const char *group_name(int group)
{
    static const char *const names[GROUPS] = {"alpha", "beta", "gamma"};
    return names[group];
}

static void take_join(struct client *client)
{
    cr_assert_eq(client->join.done, 1);
    struct weir_group_join *join = &client->join.join;
    client->is_joining = false;
    client->generation = -1;
    if (join->op.status == WEIR_OK) {
        int group = client->group;
        cr_assert_geq(join->generation, last_generation[group]);
        if (join->generation > last_generation[group]) {
            last_generation[group] = join->generation;
            leaders[group] = keep(join->leader);
        }
        bool is_leader = weir_slice_equal(join->leader, join->member_id);
        cr_assert_eq(join->member_count > 0, is_leader);
        cr_assert(weir_slice_equal(leaders[group], join->leader));
        client->generation = join->generation;
        client->leader = keep(join->leader);
        client->member = keep(join->member_id);
    } else if (join->op.status == WEIR_MEMBER_ID_REQUIRED) {
        client->member = keep(join->member_id);
    } else if (join->op.status == WEIR_UNKNOWN_MEMBER_ID) {
        client->member = WEIR_EMPTY_SLICE;
    }
    join_free(&client->join);
}

static void take_sync(struct client *client)
{
    client->is_syncing = false;
    enum weir_status status = client->sync.sync.op.status;
    if (status != WEIR_OK)
        client->generation = -1;
    if (status == WEIR_UNKNOWN_MEMBER_ID)
        client->member = WEIR_EMPTY_SLICE;
    sync_free(&client->sync);
}

static void collect(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].is_joining && clients[i].join.done > 0)
            take_join(&clients[i]);
        if (clients[i].is_syncing && clients[i].sync.done > 0)
            take_sync(&clients[i]);
    }
}

static void start_join(struct client *client)
{
    struct weir_group_join_request request =
        join_request(group_name(client->group), client->member);
    request.requires_known_member_id = pick(2) == 0;
    request.rebalance_timeout_ms = 5000;
    request.session_timeout_ms = 6000 + (int32_t)pick(3000);
    client->is_joining = true;
    client->generation = -1;
    join_start(&client->join, &request);
}

static void start_sync(struct client *client)
{
    struct weir_group_assignment assignments[CLIENTS];
    size_t count = 0;
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].group == client->group && clients[i].member.size > 0)
            assignments[count++] =
                (struct weir_group_assignment){clients[i].member, WEIR_SLICE("x")};
    }
    struct weir_group_sync_request request =
        sync_request(group_name(client->group), client->member, client->generation);
    if (weir_slice_equal(client->leader, client->member)) {
        request.assignments = assignments;
        request.assignment_count = count;
    }
    client->is_syncing = true;
    sync_start(&client->sync, &request);
}

static void cancel(struct client *client)
{
    struct weir_group_op *op =
        client->is_joining ? &client->join.join.op : &client->sync.sync.op;
    if (!weir_group_cancel(world.service, op))
        return; /* its answer is here, or will be */
    weir_group_op_free(op);
    client->is_joining = false;
    client->is_syncing = false;
    client->generation = -1;
}

static void act(struct client *client)
{
    bool is_waiting = client->is_joining || client->is_syncing;
    if (is_waiting) {
        if (pick(10) == 0)
            cancel(client);
        return;
    }
    const char *group = group_name(client->group);
    if (client->generation < 0 || pick(20) == 0) {
        start_join(client);
        return;
    }
    switch (pick(6)) {
    case 0:
        start_sync(client);
        return;
    case 1:
    case 2: {
        enum weir_status status = heartbeat(group, client->member, client->generation);
        if (status != WEIR_OK)
            client->generation = -1;
        if (status == WEIR_UNKNOWN_MEMBER_ID)
            client->member = WEIR_EMPTY_SLICE;
        return;
    }
    case 3:
        if (commit_as(group, client->member, client->generation, "t", client->group,
                      acknowledged + 1, "") == WEIR_OK) {
            acknowledged++;
            cr_assert_eq(fetched(group, "t", client->group), acknowledged);
        }
        return;
    case 4:
        if (pick(4) == 0) {
            (void)leave(group, client->member, WEIR_NULL_SLICE); /* whatever it says */
            client->member = WEIR_EMPTY_SLICE;
            client->generation = -1;
        }
        return;
    default: /* silence */
        return;
    }
}

static void run_seed(uint64_t from)
{
    seed = from;
    world_start();
    memset(clients, 0, sizeof(clients));
    memset(last_generation, 0, sizeof(last_generation));
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].group = i % GROUPS;
        clients[i].member = WEIR_EMPTY_SLICE;
        clients[i].generation = -1;
    }
    for (int step = 0; step < STEPS; step++) {
        world.base.append_status = pick(40) == 0 ? WEIR_NOT_ENOUGH_REPLICAS : WEIR_OK;
        act(&clients[pick(CLIENTS)]);
        world.base.append_status = WEIR_OK;
        collect();
        if (pick(4) == 0) {
            fake_world_jump(&world.base, pick(400));
            collect();
        }
        if (pick(500) == 0) {
            world_restart();
            collect();
            memset(last_generation, 0, sizeof(last_generation));
        }
    }
    world_resign_all();
    collect();
    for (int i = 0; i < CLIENTS; i++)
        cr_assert(!clients[i].is_joining && !clients[i].is_syncing, "client %d still waits", i);
    world_stop();
}

Test(random, every_answer_comes_once_and_generations_only_rise)
{
    for (uint64_t i = 1; i <= 12; i++)
        run_seed(i);
    cr_assert_gt(acknowledged, 0);
}
