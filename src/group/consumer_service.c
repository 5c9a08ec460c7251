/* SPDX-License-Identifier: Apache-2.0 */

/* The operations of consumer_group_service.h, and the matching of regular expressions on a task
 * thread. */

#include "consumer/consumer_int.h"
#include "service_int.h"

#include "weir/assign/topic_regex.h"
#include "weir/base/memory.h"
#include "weir/runtime/task_pool.h"

/* ---- Regular expressions ---- */

struct regex_job {
    struct weir_task task;
    struct weir_group_service *service;
    struct regex_job_request request;
};

struct regex_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    const struct resolved_regex *resolved;
    size_t count;
};

static void apply_resolved(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    const struct regex_event *resolved = WEIR_CONTAINER_OF(event, struct regex_event, event);
    consumer_regexes_resolved(machine, resolved->group_id, resolved->resolved, resolved->count,
                              step);
}

/* Topics of the image are in the order of their names, and so is what matches.  Internal topics
 * match like any others: Apache Kafka's coordinator hands them out, too. */
static enum weir_status resolve(const struct weir_image *image, struct weir_slice text,
                                int64_t wall_ms, struct weir_arena *arena,
                                struct resolved_regex *out)
{
    struct weir_topic_regex *regex;
    enum weir_status status = weir_topic_regex_new(text, &regex, NULL);
    if (status != WEIR_OK)
        return status;
    size_t count = weir_image_topic_count(image);
    struct weir_slice *topics = weir_arena_calloc(arena, count + 1, sizeof(*topics));
    *out = (struct resolved_regex){.text = text,
                                   .topics = topics,
                                   .version = weir_image_last_offset(image),
                                   .wall_ms = wall_ms};
    for (size_t i = 0; topics != NULL && i < count; i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(image, i);
        if (weir_topic_regex_matches(regex, topic->name))
            topics[out->topic_count++] = topic->name;
    }
    weir_topic_regex_free(regex);
    return topics == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

static void job_request_done(struct regex_job_request *request)
{
    for (size_t i = 0; i < request->count; i++)
        text_drop(&request->texts[i]);
    weir_free(request->texts);
    text_drop(&request->group_id);
    weir_image_unref(request->image);
}

static void run_job(struct weir_task *task)
{
    struct regex_job *job = WEIR_CONTAINER_OF(task, struct regex_job, task);
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct resolved_regex *resolved =
        weir_arena_calloc(&arena, job->request.count + 1, sizeof(*resolved));
    int64_t wall_ms = weir_env_wall_ms(job->service->env);
    size_t count = 0;
    for (size_t i = 0; resolved != NULL && i < job->request.count; i++) {
        if (resolve(job->request.image, job->request.texts[i], wall_ms, &arena, &resolved[count]) ==
            WEIR_OK)
            count++;
    }
    struct regex_event event = {.event = {apply_resolved},
                                .group_id = job->request.group_id,
                                .resolved = resolved,
                                .count = count};
    /* A shard that is gone has no use for it. */
    (void)service_run(job->service, job->request.group_id, NULL, &event.event);
    weir_arena_done(&arena);
    job_request_done(&job->request);
    weir_free(job);
}

static void submit_job(struct weir_group_service *service, struct regex_job_request *request)
{
    struct regex_job *job = request->count == 0 ? NULL : weir_calloc(1, sizeof(*job));
    if (job != NULL) {
        job->task.run = run_job;
        job->service = service;
        job->request = *request;
        weir_task_pool_submit(service->pool, &job->task);
        return;
    }
    if (request->count > 0) {
        /* The group is told that nothing came of it, so that it asks again. */
        struct regex_event event = {.event = {apply_resolved}, .group_id = request->group_id};
        (void)service_run(service, request->group_id, NULL, &event.event);
    }
    job_request_done(request);
}

/* ---- ConsumerGroupHeartbeat ---- */

struct heartbeat_event {
    struct weir_shard_event event;
    const struct weir_group_consumer_heartbeat_request *request;
    struct weir_group_consumer_heartbeat *heartbeat;
    struct regex_job_request job;
    uint8_t random[16];
};

static void apply_heartbeat(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct heartbeat_event *beat = WEIR_CONTAINER_OF(event, struct heartbeat_event, event);
    consumer_heartbeat(machine, beat->request, beat->random, beat->heartbeat, &beat->job, step);
}

void weir_group_consumer_heartbeat(struct weir_group_service *service,
                                   const struct weir_group_consumer_heartbeat_request *request,
                                   struct weir_group_consumer_heartbeat *heartbeat)
{
    service_op_init(&heartbeat->op);
    heartbeat->message = WEIR_NULL_SLICE;
    heartbeat->member_id = WEIR_NULL_SLICE;
    heartbeat->member_epoch = 0;
    heartbeat->heartbeat_interval_ms = 0;
    heartbeat->has_assignment = false;
    heartbeat->assignment = NULL;
    heartbeat->assignment_count = 0;
    struct heartbeat_event event = {
        .event = {apply_heartbeat}, .request = request, .heartbeat = heartbeat};
    weir_coordinator_random(service->coordinator, event.random, sizeof(event.random));
    enum weir_status status = service_run(service, request->group_id, &heartbeat->op, &event.event);
    submit_job(service, &event.job); /* heartbeat and request may be gone by now */
    if (status == WEIR_OK)
        return;
    heartbeat->op.status = status;
    heartbeat->op.done(&heartbeat->op);
}

/* ---- Looking ---- */

struct describe_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    struct weir_group_consumer_describe *describe;
};

static void apply_describe(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    struct describe_event *describe = WEIR_CONTAINER_OF(event, struct describe_event, event);
    consumer_describe(machine, describe->group_id, describe->describe);
}

void weir_group_consumer_describe(struct weir_group_service *service, struct weir_slice group_id,
                                  struct weir_group_consumer_describe *describe)
{
    service_op_init(&describe->op);
    describe->message = WEIR_NULL_SLICE;
    describe->state = WEIR_EMPTY_SLICE;
    describe->group_epoch = 0;
    describe->assignment_epoch = 0;
    describe->assignor = WEIR_EMPTY_SLICE;
    describe->members = NULL;
    describe->member_count = 0;
    struct describe_event event = {
        .event = {apply_describe}, .group_id = group_id, .describe = describe};
    enum weir_status status = group_id.size == 0
                                  ? WEIR_INVALID_GROUP_ID
                                  : service_run(service, group_id, NULL, &event.event);
    if (status != WEIR_OK)
        describe->op.status = status;
    describe->op.done(&describe->op);
}

struct rebalances_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    struct weir_group_rebalances *rebalances;
};

static void apply_rebalances(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    struct rebalances_event *list = WEIR_CONTAINER_OF(event, struct rebalances_event, event);
    rebalances_list(machine, list->group_id, list->rebalances);
}

void weir_group_rebalances(struct weir_group_service *service, struct weir_slice group_id,
                           struct weir_group_rebalances *rebalances)
{
    service_op_init(&rebalances->op);
    rebalances->items = NULL;
    rebalances->count = 0;
    rebalances->total = 0;
    struct rebalances_event event = {
        .event = {apply_rebalances}, .group_id = group_id, .rebalances = rebalances};
    enum weir_status status = service_run(service, group_id, NULL, &event.event);
    if (status != WEIR_OK)
        rebalances->op.status = status;
    rebalances->op.done(&rebalances->op);
}
