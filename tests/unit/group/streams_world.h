/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Members of a Kafka Streams application in a group_world: two subtopologies, "0" from topic "in"
 * to the repartition topic "rep", "1" from there, with the changelog "log". */

#include "image_world.h"

#include "weir/group/streams_groups.h"

#define STREAMS_TASKS_MAX 64

struct streams_app { /* one member, as its client sees it */
    const char *id;
    const char *process;
    int32_t epoch;
    bool is_in;
    struct weir_streams_task_ids active[2];
    int32_t partitions[2][STREAMS_TASKS_MAX];
    size_t active_count;
    /* of the last answer */
    enum weir_status status;
    size_t status_count;
    struct weir_streams_status statuses[WEIR_STREAMS_STATUSES_MAX]; /* without their details */
    char message[256];
    size_t missing_count;
    bool has_tasks;
    int done;
};

static struct weir_slice in_topic = {(const uint8_t *)"in", 2};
static struct weir_slice rep_topic = {(const uint8_t *)"rep", 3};

/* Valid until the next call. */
static inline const struct weir_streams_group_topology_value *streams_topology(void)
{
    static struct weir_streams_group_topology_value topology;
    static struct weir_streams_group_topology_value_subtopology subtopologies[2];
    static struct weir_streams_group_topology_value_topic_info repartition;
    static struct weir_streams_group_topology_value_topic_info changelog;
    static struct weir_streams_group_topology_value_topic_config config;
    weir_streams_group_topology_value_init(&topology);
    for (size_t i = 0; i < 2; i++)
        weir_streams_group_topology_value_subtopology_init(&subtopologies[i]);
    weir_streams_group_topology_value_topic_info_init(&repartition);
    weir_streams_group_topology_value_topic_info_init(&changelog);
    weir_streams_group_topology_value_topic_config_init(&config);
    config.key = WEIR_SLICE("cleanup.policy");
    config.value = WEIR_SLICE("compact");
    repartition.name = rep_topic;
    changelog.name = WEIR_SLICE("log");
    changelog.topic_configs.items = &config;
    changelog.topic_configs.count = 1;
    subtopologies[0].subtopology_id = WEIR_SLICE("0");
    subtopologies[0].source_topics = (struct weir_string_array){&in_topic, 1};
    subtopologies[0].repartition_sink_topics = (struct weir_string_array){&rep_topic, 1};
    subtopologies[1].subtopology_id = WEIR_SLICE("1");
    subtopologies[1].repartition_source_topics.items = &repartition;
    subtopologies[1].repartition_source_topics.count = 1;
    subtopologies[1].state_changelog_topics.items = &changelog;
    subtopologies[1].state_changelog_topics.count = 1;
    topology.subtopologies.items = subtopologies;
    topology.subtopologies.count = 2;
    return &topology;
}

static inline void app_beat_done(struct weir_group_op *op)
{
    (void)op;
}

static inline void app_take(struct streams_app *app, const struct weir_streams_heartbeat *heartbeat)
{
    app->status = heartbeat->op.status;
    app->has_tasks = heartbeat->active.is_given;
    app->missing_count = heartbeat->missing_count;
    app->status_count = heartbeat->status_count;
    for (size_t i = 0; i < heartbeat->status_count; i++)
        app->statuses[i].code = heartbeat->statuses[i].code;
    size_t size = heartbeat->message.size < 255 ? heartbeat->message.size : 255;
    memcpy(app->message, size == 0 ? "" : (const char *)heartbeat->message.data, size);
    app->message[size] = 0;
    if (app->status != WEIR_OK)
        return;
    app->epoch = heartbeat->member_epoch;
    if (!heartbeat->active.is_given)
        return;
    app->active_count = heartbeat->active.count;
    cr_assert(app->active_count <= 2);
    for (size_t i = 0; i < app->active_count; i++) {
        const struct weir_streams_task_ids *ids = &heartbeat->active.items[i];
        cr_assert(ids->partition_count <= STREAMS_TASKS_MAX);
        memcpy(app->partitions[i], ids->partitions, ids->partition_count * sizeof(int32_t));
        app->active[i] = (struct weir_streams_task_ids){
            .subtopology_id =
                weir_slice_is(ids->subtopology_id, "0") ? WEIR_SLICE("0") : WEIR_SLICE("1"),
            .partitions = app->partitions[i],
            .partition_count = ids->partition_count};
    }
}

static inline struct weir_streams_heartbeat_request app_request(const struct streams_app *app)
{
    return (struct weir_streams_heartbeat_request){.group_id = WEIR_SLICE("g"),
                                                   .member_id = weir_slice_str(app->id),
                                                   .client_id = WEIR_SLICE("client"),
                                                   .client_host = WEIR_SLICE("127.0.0.1"),
                                                   .member_epoch = app->epoch,
                                                   .rebalance_timeout_ms = -1};
}

static inline void app_send(struct streams_app *app,
                            const struct weir_streams_heartbeat_request *request)
{
    struct weir_streams_heartbeat heartbeat = {.op.done = app_beat_done};
    weir_group_streams_heartbeat(world.service, request, &heartbeat);
    fake_world_run(&world.base);
    app_take(app, &heartbeat);
    weir_group_op_free(&heartbeat.op);
}

static inline enum weir_status app_join(struct streams_app *app, const char *id,
                                        const char *process)
{
    *app = (struct streams_app){.id = id, .process = process};
    struct weir_streams_heartbeat_request request = app_request(app);
    request.topology = streams_topology();
    request.process_id = weir_slice_str(process);
    request.rebalance_timeout_ms = 10000;
    request.active.is_given = true;
    request.standby.is_given = true;
    request.warmup.is_given = true;
    app_send(app, &request);
    app->is_in = app->status == WEIR_OK;
    return app->status;
}

/* With what it has, which tells the group what it gave up. */
static inline enum weir_status app_beat(struct streams_app *app)
{
    struct weir_streams_heartbeat_request request = app_request(app);
    request.active = (struct weir_streams_task_list){app->active, app->active_count, true};
    request.standby.is_given = true;
    request.warmup.is_given = true;
    app_send(app, &request);
    return app->status;
}

static inline enum weir_status app_leave(struct streams_app *app)
{
    struct weir_streams_heartbeat_request request = app_request(app);
    request.member_epoch = WEIR_STREAMS_LEAVE_EPOCH;
    app_send(app, &request);
    app->is_in = false;
    app->active_count = 0;
    return app->status;
}

static inline bool app_has(const struct streams_app *app, const char *subtopology,
                           int32_t partition)
{
    for (size_t i = 0; app->is_in && i < app->active_count; i++)
        for (size_t j = 0; j < app->active[i].partition_count; j++)
            if (weir_slice_is(app->active[i].subtopology_id, subtopology) &&
                app->partitions[i][j] == partition)
                return true;
    return false;
}

static inline size_t app_task_count(const struct streams_app *app)
{
    size_t count = 0;
    for (size_t i = 0; i < app->active_count; i++)
        count += app->active[i].partition_count;
    return count;
}

static inline bool app_was_told(const struct streams_app *app, enum weir_streams_status_code code)
{
    for (size_t i = 0; i < app->status_count; i++)
        if (app->statuses[i].code == code)
            return true;
    return false;
}

/* Everything a description says, as one text in a static buffer. */
static inline const char *streams_story(void)
{
    static char story[2][16384];
    static int turn;
    char *text = story[turn ^= 1];
    size_t used = 0;
    struct weir_streams_describe describe = {.op.done = app_beat_done};
    weir_group_streams_describe(world.service, WEIR_SLICE("g"), &describe);
    used +=
        (size_t)snprintf(text, 16384, "%s %.*s %d %d %d\n", weir_status_name(describe.op.status),
                         WEIR_SLICE_ARGS(describe.state), describe.group_epoch,
                         describe.assignment_epoch, describe.topology_epoch);
    for (size_t i = 0; i < describe.member_count; i++) {
        const struct weir_streams_member_description *member = &describe.members[i];
        const struct weir_streams_task_list *lists[] = {
            &member->assignment.active, &member->assignment.standby, &member->target.active,
            &member->target.standby};
        used += (size_t)snprintf(text + used, 16384 - used, "%.*s %d %.*s",
                                 WEIR_SLICE_ARGS(member->member_id), member->member_epoch,
                                 WEIR_SLICE_ARGS(member->process_id));
        for (size_t k = 0; k < 4; k++)
            for (size_t j = 0; j < lists[k]->count; j++)
                for (size_t p = 0; p < lists[k]->items[j].partition_count; p++)
                    used += (size_t)snprintf(text + used, 16384 - used, " %zu:%.*s_%d", k,
                                             WEIR_SLICE_ARGS(lists[k]->items[j].subtopology_id),
                                             lists[k]->items[j].partitions[p]);
        used += (size_t)snprintf(text + used, 16384 - used, "\n");
    }
    weir_group_op_free(&describe.op);
    return text;
}

static inline bool streams_is(const char *state)
{
    const char *story = streams_story();
    return strncmp(story + 3, state, strlen(state)) == 0; /* behind "OK " */
}
