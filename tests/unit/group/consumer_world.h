/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Members of the consumer protocol in a group_world, in short words. */

#include "image_world.h"

#include "weir/group/consumer_group_service.h"

struct beat {
    struct weir_group_consumer_heartbeat heartbeat;
    int done;
};

static inline void beat_done(struct weir_group_op *op)
{
    struct weir_group_consumer_heartbeat *heartbeat =
        WEIR_CONTAINER_OF(op, struct weir_group_consumer_heartbeat, op);
    WEIR_CONTAINER_OF(heartbeat, struct beat, heartbeat)->done++;
}

static inline void beat_start(struct beat *beat,
                              const struct weir_group_consumer_heartbeat_request *request)
{
    memset(beat, 0, sizeof(*beat));
    beat->heartbeat.op.done = beat_done;
    weir_group_consumer_heartbeat(world.service, request, &beat->heartbeat);
}

static inline void beat_free(struct beat *beat)
{
    cr_assert_eq(beat->done, 1);
    weir_group_op_free(&beat->heartbeat.op);
}

static const struct weir_slice topic_t = {(const uint8_t *)"t", 1};

static inline struct weir_group_consumer_heartbeat_request
beat_request(const char *group, const char *member, int32_t epoch)
{
    return (struct weir_group_consumer_heartbeat_request){.group_id = weir_slice_str(group),
                                                          .member_id = weir_slice_str(member),
                                                          .member_epoch = epoch,
                                                          .client_id = WEIR_SLICE("client"),
                                                          .client_host = WEIR_SLICE("127.0.0.1"),
                                                          .rebalance_timeout_ms = -1,
                                                          .requires_member_id = true};
}

/* A first heartbeat, subscribed to "t". */
static inline struct weir_group_consumer_heartbeat_request join_beat(const char *group,
                                                                     const char *member)
{
    struct weir_group_consumer_heartbeat_request request = beat_request(group, member, 0);
    request.rebalance_timeout_ms = 10000;
    request.has_topic_names = true;
    request.topic_names = &topic_t;
    request.topic_name_count = 1;
    request.has_owned = true;
    return request;
}

struct beat_answer {
    enum weir_status status;
    int32_t epoch;
    bool has_assignment;
    int32_t partitions[64]; /* of "t" and every other topic, in order */
    size_t partition_count;
};

static inline struct beat_answer
answer_of(const struct weir_group_consumer_heartbeat_request *request)
{
    struct beat beat;
    beat_start(&beat, request);
    fake_world_run(&world.base);
    struct beat_answer answer = {.status = beat.heartbeat.op.status,
                                 .epoch = beat.heartbeat.member_epoch,
                                 .has_assignment = beat.heartbeat.has_assignment};
    for (size_t i = 0; i < beat.heartbeat.assignment_count; i++) {
        for (size_t j = 0; j < beat.heartbeat.assignment[i].partition_count; j++)
            answer.partitions[answer.partition_count++] =
                beat.heartbeat.assignment[i].partitions[j];
    }
    beat_free(&beat);
    return answer;
}

static inline struct beat_answer join_consumer(const char *group, const char *member)
{
    struct weir_group_consumer_heartbeat_request request = join_beat(group, member);
    return answer_of(&request);
}

/* With what it owns of "t" (small(1)). */
static inline struct beat_answer beat_with(const char *group, const char *member, int32_t epoch,
                                           const int32_t *partitions, size_t count)
{
    struct weir_group_topic_partitions owned = {
        .topic_id = weir_uuid_small(1), .partitions = partitions, .partition_count = count};
    struct weir_group_consumer_heartbeat_request request = beat_request(group, member, epoch);
    request.has_owned = true;
    request.owned = &owned;
    request.owned_count = count > 0 ? 1 : 0;
    return answer_of(&request);
}

static inline struct beat_answer beat_plain(const char *group, const char *member, int32_t epoch)
{
    struct weir_group_consumer_heartbeat_request request = beat_request(group, member, epoch);
    return answer_of(&request);
}

static inline bool consumer_is_state(const char *group, const char *state)
{
    struct weir_group_consumer_describe out = {.op = {.done = count_done}};
    weir_group_consumer_describe(world.service, weir_slice_str(group), &out);
    bool is_it = weir_slice_is(out.state, state);
    weir_group_op_free(&out.op);
    return is_it;
}
