/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A group service in a fake world, and short words for what clients do. */

#include "../coordinator/fake_world.h"

#include "weir/base/map.h"
#include "weir/group/group_service.h"
#include "weir/protocol/record_types.h"

#ifdef GROUP_WORLD_PLAIN /* programs with their own main, for sanitizers that Criterion cannot     \
                            bear */
#define cr_assert(condition, ...)      WEIR_ASSERT(condition)
#define cr_assert_eq(left, right, ...) WEIR_ASSERT((left) == (right))
#else
#include <criterion/criterion.h>
#endif

/* What the consumer protocol says for a subscription to "t": version 1, one topic, no user data, no
 * owned partitions. */
#define SUBSCRIPTION WEIR_SLICE("\0\1\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\0")

struct group_world {
    struct fake_world base;
    struct weir_group_service *service;
    struct weir_image_publisher *images;
    struct weir_static_configs statics;
    int32_t epoch;
    const struct weir_group_share_port *share_port; /* set it before the start; NULL: none */
};

static struct group_world world;

static inline void world_elect_all(void)
{
    struct weir_coordinator *coordinator = weir_group_service_coordinator(world.service);
    world.epoch++;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        cr_assert_eq(weir_coordinator_elected(coordinator, i, world.epoch), WEIR_OK);
    fake_world_run(&world.base);
}

static inline void world_resign_all(void)
{
    struct weir_coordinator *coordinator = weir_group_service_coordinator(world.service);
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        weir_coordinator_resigned(coordinator, i, world.epoch);
}

static inline void world_restart(void)
{
    world_resign_all();
    world_elect_all();
}

static inline void world_start_with(struct weir_group_config config)
{
    fake_world_init(&world.base);
    cr_assert_eq(weir_image_publisher_new(&world.images), WEIR_OK);
    struct weir_group_service_options options = {.env = &world.base.env,
                                                 .pool = world.base.pool,
                                                 .port = &fake_port,
                                                 .port_context = &world.base,
                                                 .config = config,
                                                 .images = world.images,
                                                 .statics = &world.statics,
                                                 .share_port = world.share_port};
    cr_assert_eq(weir_group_service_new(&options, &world.service), WEIR_OK);
    weir_coordinator_set_partition_count(weir_group_service_coordinator(world.service),
                                         FAKE_PARTITIONS);
    world.epoch = 0;
    world_elect_all();
}

/* As most tests want it: the first rebalance does not wait. */
static inline void world_start(void)
{
    struct weir_group_config config = weir_group_config_default();
    config.initial_rebalance_delay_ms = 0;
    world_start_with(config);
}

static inline void world_stop(void)
{
    weir_group_service_stop(world.service);
    fake_world_done(&world.base);
    weir_group_service_free(world.service);
    weir_image_publisher_free(world.images);
}

static inline int32_t partition_of(const char *group)
{
    return weir_coordinator_partition_of(weir_group_service_coordinator(world.service),
                                         weir_slice_str(group));
}

/* ---- Operations that count how often they were done ---- */

struct client_join {
    struct weir_group_join join;
    int done;
};
struct client_sync {
    struct weir_group_sync sync;
    int done;
};

static inline void client_join_done(struct weir_group_op *op)
{
    struct weir_group_join *join = WEIR_CONTAINER_OF(op, struct weir_group_join, op);
    WEIR_CONTAINER_OF(join, struct client_join, join)->done++;
}

static inline void client_sync_done(struct weir_group_op *op)
{
    struct weir_group_sync *sync = WEIR_CONTAINER_OF(op, struct weir_group_sync, op);
    WEIR_CONTAINER_OF(sync, struct client_sync, sync)->done++;
}

static const struct weir_group_protocol range_protocol = {
    .name = {(const uint8_t *)"range", 5},
    .metadata = {(const uint8_t *)"\0\1\0\0\0\1\0\1t\xff\xff\xff\xff\0\0\0\0", 17}};

static inline struct weir_group_join_request join_request(const char *group,
                                                          struct weir_slice member)
{
    return (struct weir_group_join_request){.group_id = weir_slice_str(group),
                                            .member_id = member,
                                            .client_id = WEIR_SLICE("difftest"),
                                            .client_host = WEIR_SLICE("127.0.0.1"),
                                            .protocol_type = WEIR_SLICE("consumer"),
                                            .protocols = &range_protocol,
                                            .protocol_count = 1,
                                            .session_timeout_ms = 10000,
                                            .rebalance_timeout_ms = 10000,
                                            .requires_known_member_id = true};
}

static inline void join_start(struct client_join *client,
                              const struct weir_group_join_request *request)
{
    memset(client, 0, sizeof(*client));
    client->join.op.done = client_join_done;
    weir_group_join(world.service, request, &client->join);
}

static inline void join_free(struct client_join *client)
{
    cr_assert_eq(client->done, 1);
    weir_group_op_free(&client->join.op);
}

/* Texts kept by a test beyond their op. */
static inline struct weir_slice keep(struct weir_slice text)
{
    static uint8_t pool[1 << 20];
    static size_t used;
    cr_assert(used + text.size <= sizeof(pool));
    if (text.size > 0)
        memcpy(pool + used, text.data, text.size);
    struct weir_slice copy = weir_slice_of(pool + used, text.size);
    used += text.size;
    return copy;
}

/* A join that is answered at once, or fails the test. */
static inline enum weir_status join_status(const struct weir_group_join_request *request)
{
    struct client_join client;
    join_start(&client, request);
    fake_world_run(&world.base);
    enum weir_status status = client.join.op.status;
    join_free(&client);
    return status;
}

/* A new dynamic member's id. */
static inline struct weir_slice new_member(const char *group)
{
    struct weir_group_join_request request = join_request(group, WEIR_EMPTY_SLICE);
    struct client_join client;
    join_start(&client, &request);
    cr_assert_eq(client.join.op.status, WEIR_MEMBER_ID_REQUIRED);
    struct weir_slice id = keep(client.join.member_id);
    join_free(&client);
    return id;
}

struct generation {
    int32_t id;
    struct weir_slice leader;
    size_t member_count;
};

static inline struct generation take_generation(struct client_join *client)
{
    cr_assert_eq(client->done, 1);
    cr_assert_eq(client->join.op.status, WEIR_OK);
    struct generation generation = {.id = client->join.generation,
                                    .leader = keep(client->join.leader),
                                    .member_count = client->join.member_count};
    join_free(client);
    return generation;
}

/* Joins with a known id; the only member, or the last one that was waited for. */
static inline struct generation join_as(const char *group, struct weir_slice member)
{
    struct weir_group_join_request request = join_request(group, member);
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    return take_generation(&client);
}

static inline struct weir_group_sync_request
sync_request(const char *group, struct weir_slice member, int32_t generation)
{
    return (struct weir_group_sync_request){.group_id = weir_slice_str(group),
                                            .member_id = member,
                                            .generation = generation,
                                            .protocol_type = WEIR_SLICE("consumer"),
                                            .protocol_name = WEIR_SLICE("range")};
}

static inline void sync_start(struct client_sync *client,
                              const struct weir_group_sync_request *request)
{
    memset(client, 0, sizeof(*client));
    client->sync.op.done = client_sync_done;
    weir_group_sync(world.service, request, &client->sync);
}

static inline void sync_free(struct client_sync *client)
{
    cr_assert_eq(client->done, 1);
    weir_group_op_free(&client->sync.op);
}

static inline enum weir_status sync_status(const struct weir_group_sync_request *request)
{
    struct client_sync client;
    sync_start(&client, request);
    enum weir_status status = client.sync.op.status;
    sync_free(&client);
    return status;
}

/* The leader assigns `text` to itself. */
static inline enum weir_status sync_leader(const char *group, struct weir_slice member,
                                           int32_t generation, const char *text)
{
    struct weir_group_assignment assignment = {.member_id = member,
                                               .assignment = weir_slice_str(text)};
    struct weir_group_sync_request request = sync_request(group, member, generation);
    request.assignments = &assignment;
    request.assignment_count = 1;
    return sync_status(&request);
}

/* A group with one member that is stable; returns its id. */
static inline struct weir_slice stable_group(const char *group, int32_t *out_generation)
{
    struct weir_slice member = new_member(group);
    struct generation generation = join_as(group, member);
    cr_assert_eq(sync_leader(group, member, generation.id, "assign"), WEIR_OK);
    if (out_generation != NULL)
        *out_generation = generation.id;
    return member;
}

static inline enum weir_status heartbeat(const char *group, struct weir_slice member,
                                         int32_t generation)
{
    struct weir_group_heartbeat_request request = {
        .group_id = weir_slice_str(group), .member_id = member, .generation = generation};
    return weir_group_heartbeat(world.service, &request);
}

static int ops_done;

static inline void count_done(struct weir_group_op *op)
{
    (void)op;
    ops_done++;
}

static inline enum weir_status leave(const char *group, struct weir_slice member,
                                     struct weir_slice instance)
{
    struct weir_group_leaver leaver = {.member_id = member, .instance_id = instance};
    struct weir_group_leave op = {
        .op = {.done = count_done}, .leavers = &leaver, .leaver_count = 1};
    weir_group_leave(world.service, weir_slice_str(group), &op);
    enum weir_status status = op.op.status == WEIR_OK ? leaver.status : op.op.status;
    weir_group_op_free(&op.op);
    return status;
}

static inline enum weir_status commit_as(const char *group, struct weir_slice member,
                                         int32_t generation, const char *topic, int32_t partition,
                                         int64_t offset, const char *metadata)
{
    struct weir_offset_commit_item item = {.topic = weir_slice_str(topic),
                                           .partition = partition,
                                           .leader_epoch = -1,
                                           .offset = offset,
                                           .metadata = weir_slice_str(metadata)};
    struct weir_group_offset_commit_request request = {.group_id = weir_slice_str(group),
                                                       .member_id = member,
                                                       .generation = generation,
                                                       .retention_ms = -1};
    struct weir_offset_commit op = {.op = {.done = count_done}, .items = &item, .item_count = 1};
    ops_done = 0;
    weir_group_offset_commit(world.service, &request, &op);
    fake_world_run(&world.base);
    cr_assert_eq(ops_done, 1);
    enum weir_status status = op.op.status == WEIR_OK ? item.status : op.op.status;
    weir_group_op_free(&op.op);
    return status;
}

static inline enum weir_status commit_simple(const char *group, const char *topic,
                                             int32_t partition, int64_t offset)
{
    return commit_as(group, WEIR_EMPTY_SLICE, -1, topic, partition, offset, "m");
}

static inline int64_t fetch_one(const char *group, const char *topic, int32_t partition,
                                bool require_stable, enum weir_status *out_status)
{
    struct weir_offset_fetch_item item = {.topic = weir_slice_str(topic), .partition = partition};
    struct weir_offset_fetch op = {.op = {.done = count_done},
                                   .require_stable = require_stable,
                                   .member_epoch = -1,
                                   .items = &item,
                                   .item_count = 1};
    ops_done = 0;
    weir_group_offset_fetch(world.service, weir_slice_str(group), &op);
    cr_assert_eq(ops_done, 1);
    cr_assert_eq(op.op.status, WEIR_OK);
    weir_group_op_free(&op.op);
    if (out_status != NULL)
        *out_status = item.status;
    return item.offset;
}

static inline int64_t fetched(const char *group, const char *topic, int32_t partition)
{
    return fetch_one(group, topic, partition, false, NULL);
}

static inline enum weir_status delete_group(const char *group)
{
    struct weir_group_op op = {.done = count_done};
    weir_group_delete(world.service, weir_slice_str(group), &op);
    enum weir_status status = op.status;
    weir_group_op_free(&op);
    return status;
}

static inline void describe(const char *group, struct weir_group_describe *out)
{
    memset(out, 0, sizeof(*out));
    out->op.done = count_done;
    weir_group_describe(world.service, weir_slice_str(group), out);
}

static inline bool is_state(const char *group, const char *state)
{
    struct weir_group_describe out;
    describe(group, &out);
    bool is_it = weir_slice_is(out.state, state);
    weir_group_op_free(&out.op);
    return is_it;
}

static inline size_t group_count(void)
{
    struct weir_group_list_request request = {0};
    struct weir_group_list list = {.op = {.done = count_done}};
    weir_group_list(world.service, &request, &list);
    cr_assert_eq(list.op.status, WEIR_OK);
    size_t count = list.group_count;
    weir_group_op_free(&list.op);
    return count;
}
