/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of a group of both protocols with the n-th allocation failing, and all after it, for
 * every n: no crash, no leak (run under AddressSanitizer), every op done exactly once, and when
 * memory is back the same life works.
 */

#define GROUP_WORLD_PLAIN
#include "consumer_world.h"

/* More than one life makes. */
#define ALLOCATIONS 1600

struct life {
    const char *group;
    struct beat beats[9];
    size_t beat_count;
    struct client_join joins[4];
    size_t join_count;
};

static struct weir_group_consumer_heartbeat *
say(struct life *life, const struct weir_group_consumer_heartbeat_request *request)
{
    struct beat *beat = &life->beats[life->beat_count++];
    beat_start(beat, request);
    fake_world_run(&world.base);
    return &beat->heartbeat;
}

static struct weir_slice join_classic(struct life *life, struct weir_slice member)
{
    struct client_join *client = &life->joins[life->join_count++];
    struct weir_group_join_request request = join_request(life->group, member);
    join_start(client, &request);
    fake_world_run(&world.base);
    return client->done > 0 ? client->join.member_id : WEIR_EMPTY_SLICE;
}

/* A classic member; then two of the new protocol, one by a regular expression; all of them leave.
 */
static void live(struct life *life)
{
    struct weir_slice classic = join_classic(life, WEIR_EMPTY_SLICE);
    classic = join_classic(life, classic);
    struct weir_group_consumer_heartbeat_request request = join_beat(life->group, "a");
    int32_t epoch = say(life, &request)->member_epoch;
    classic = join_classic(life, classic);
    request = beat_request(life->group, "a", epoch);
    epoch = say(life, &request)->member_epoch;
    request = join_beat(life->group, "b");
    request.topic_regex = WEIR_SLICE("t.*");
    request.instance_id = WEIR_SLICE("i");
    (void)say(life, &request);
    request = beat_request(life->group, "a", epoch);
    (void)say(life, &request);
    struct weir_group_consumer_describe described = {.op = {.done = count_done}};
    ops_done = 0;
    weir_group_consumer_describe(world.service, weir_slice_str(life->group), &described);
    cr_assert_eq(ops_done, 1);
    weir_group_op_free(&described.op);
    request = beat_request(life->group, "b", -2);
    request.instance_id = WEIR_SLICE("i");
    (void)say(life, &request);
    request = join_beat(life->group, "b2");
    request.instance_id = WEIR_SLICE("i");
    (void)say(life, &request);
    request = beat_request(life->group, "b2", -1);
    request.instance_id = WEIR_SLICE("i");
    (void)say(life, &request);
    request = beat_request(life->group, "a", -1);
    (void)say(life, &request);
    classic = join_classic(life, classic);
    (void)leave(life->group, classic, WEIR_NULL_SLICE); /* it may have no memory to leave */
    fake_world_advance(&world.base, 60000);
}

static void end(struct life *life)
{
    world_resign_all();
    for (size_t i = 0; i < life->beat_count; i++)
        beat_free(&life->beats[i]);
    for (size_t i = 0; i < life->join_count; i++)
        join_free(&life->joins[i]);
}

int main(void)
{
    for (long n = 0; n < ALLOCATIONS; n++) {
        struct life life = {.group = "g"};
        image_offset = 0;
        world_start();
        create_topic("t", 1, 4);
        weir_memory_fail_after(n);
        live(&life);
        weir_memory_fail_after(-1);
        end(&life);
        world_elect_all();
        struct life again = {.group = "h"};
        live(&again);
        cr_assert_eq(again.beats[0].heartbeat.op.status, WEIR_OK);
        cr_assert_eq(again.beats[2].heartbeat.op.status, WEIR_OK);
        end(&again);
        world_stop();
    }
    return 0;
}
