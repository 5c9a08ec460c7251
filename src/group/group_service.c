/* SPDX-License-Identifier: Apache-2.0 */

/* The operations of group_service.h: each finds its shard and becomes one event there. */

#include "classic/classic_int.h"
#include "service_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

struct weir_group_config weir_group_config_default(void)
{
    return (struct weir_group_config){.min_session_timeout_ms = 6000,
                                      .max_session_timeout_ms = 1800000,
                                      .initial_rebalance_delay_ms = 3000,
                                      .max_size = INT32_MAX,
                                      .new_member_join_timeout_ms = 5 * 60 * 1000,
                                      .offset_metadata_max_bytes = 4096,
                                      .offsets_retention_ms = (int64_t)10080 * 60 * 1000,
                                      .offsets_retention_check_ms = 600000,
                                      .commit_timeout_ms = 5000,
                                      .load_buffer_bytes = 5242880};
}

enum weir_status weir_group_service_new(const struct weir_group_service_options *options,
                                        struct weir_group_service **out)
{
    struct weir_group_service *service = weir_calloc(1, sizeof(*service));
    if (service == NULL)
        return WEIR_NO_MEMORY;
    service->context = (struct group_context){.config = options->config,
                                              .images = options->images,
                                              .statics = options->statics,
                                              .broker_id = options->broker_id,
                                              .share_port = options->share_port,
                                              .share_port_context = options->share_port_context,
                                              .service = service};
    service->log = options->log;
    service->env = options->env;
    service->pool = options->pool;
    struct weir_coordinator_options coordinator = {
        .env = options->env,
        .pool = options->pool,
        .log = options->log,
        .topic = "__consumer_offsets",
        .port = options->port,
        .port_context = options->port_context,
        .ops = &group_machine_ops,
        .machine_context = &service->context,
        .commit_timeout_ms = options->config.commit_timeout_ms,
        .load_buffer_bytes = options->config.load_buffer_bytes};
    enum weir_status status = weir_coordinator_new(&coordinator, &service->coordinator);
    if (status != WEIR_OK) {
        weir_free(service);
        return status;
    }
    *out = service;
    return WEIR_OK;
}

void weir_group_service_stop(struct weir_group_service *service)
{
    weir_coordinator_stop(service->coordinator);
}

void weir_group_service_free(struct weir_group_service *service)
{
    if (service == NULL)
        return;
    weir_coordinator_free(service->coordinator);
    weir_free(service);
}

struct weir_coordinator *weir_group_service_coordinator(struct weir_group_service *service)
{
    return service->coordinator;
}

void weir_group_op_free(struct weir_group_op *op)
{
    weir_arena_done(&op->arena);
    weir_shard_unref(op->shard);
    op->shard = NULL;
}

static void run_done(struct weir_completion *completion)
{
    struct weir_group_op *op = WEIR_CONTAINER_OF(completion, struct weir_group_op, completion);
    op->done(op);
}

void service_op_init(struct weir_group_op *op)
{
    weir_arena_init(&op->arena, 0);
    op->status = WEIR_OK;
    op->completion.run = run_done;
    op->shard = NULL;
    op->waiting_in = NULL;
}

enum weir_status service_run(struct weir_group_service *service, struct weir_slice group_id,
                             struct weir_group_op *op, struct weir_shard_event *event)
{
    int32_t partition = weir_coordinator_partition_of(service->coordinator, group_id);
    struct weir_shard *shard = weir_coordinator_find(service->coordinator, partition);
    if (shard == NULL)
        return WEIR_NOT_COORDINATOR;
    if (op != NULL)
        op->shard = weir_shard_ref(shard); /* before anybody can complete it */
    enum weir_status status = weir_shard_run(shard, event);
    weir_shard_unref(shard);
    return status;
}

/* ---- JoinGroup ---- */

struct join_event {
    struct weir_shard_event event;
    const struct weir_group_join_request *request;
    struct weir_group_join *join;
    uint8_t random[16];
};

static void apply_join(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct join_event *join = WEIR_CONTAINER_OF(event, struct join_event, event);
    event_join(machine, join->request, join->random, join->join, step);
}

static void finish_join(struct weir_group_join *join, enum weir_status status,
                        struct weir_slice member_id)
{
    join_set_error(join, status, member_id);
    join->op.done(&join->op);
}

void weir_group_join(struct weir_group_service *service,
                     const struct weir_group_join_request *request, struct weir_group_join *join)
{
    service_op_init(&join->op);
    if (request->group_id.size == 0) {
        finish_join(join, WEIR_INVALID_GROUP_ID, request->member_id);
        return;
    }
    if (request->session_timeout_ms < service->context.config.min_session_timeout_ms ||
        request->session_timeout_ms > service->context.config.max_session_timeout_ms) {
        finish_join(join, WEIR_INVALID_SESSION_TIMEOUT, request->member_id);
        return;
    }
    struct join_event event = {.event = {apply_join}, .request = request, .join = join};
    weir_coordinator_random(service->coordinator, event.random, sizeof(event.random));
    enum weir_status status = service_run(service, request->group_id, &join->op, &event.event);
    if (status != WEIR_OK)
        finish_join(join, status, WEIR_EMPTY_SLICE);
}

/* ---- SyncGroup ---- */

struct sync_event {
    struct weir_shard_event event;
    const struct weir_group_sync_request *request;
    struct weir_group_sync *sync;
};

static void apply_sync(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct sync_event *sync = WEIR_CONTAINER_OF(event, struct sync_event, event);
    event_sync(machine, sync->request, sync->sync, step);
}

void weir_group_sync(struct weir_group_service *service,
                     const struct weir_group_sync_request *request, struct weir_group_sync *sync)
{
    service_op_init(&sync->op);
    struct sync_event event = {.event = {apply_sync}, .request = request, .sync = sync};
    enum weir_status status = request->group_id.size == 0 ? WEIR_INVALID_GROUP_ID
                                                          : service_run(service, request->group_id,
                                                                        &sync->op, &event.event);
    if (status == WEIR_OK)
        return;
    sync_set_error(sync, status);
    sync->op.done(&sync->op);
}

/* ---- Cancel ---- */

struct cancel_event {
    struct weir_shard_event event;
    struct weir_group_op *op;
    bool was_waiting;
};

static void apply_cancel(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)machine;
    struct cancel_event *cancel = WEIR_CONTAINER_OF(event, struct cancel_event, event);
    cancel->was_waiting = classic_cancel(cancel->op, step);
}

bool weir_group_cancel(struct weir_group_service *service, struct weir_group_op *op)
{
    (void)service;
    if (op->shard == NULL)
        return false;
    struct cancel_event event = {.event = {apply_cancel}, .op = op};
    /* A shard that is not active has completed all that waited in it. */
    return weir_shard_run(op->shard, &event.event) == WEIR_OK && event.was_waiting;
}

/* ---- Heartbeat ---- */

struct heartbeat_event {
    struct weir_shard_event event;
    const struct weir_group_heartbeat_request *request;
    enum weir_status status;
};

static void apply_heartbeat(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct heartbeat_event *heartbeat = WEIR_CONTAINER_OF(event, struct heartbeat_event, event);
    heartbeat->status = event_heartbeat(machine, heartbeat->request, step);
}

enum weir_status weir_group_heartbeat(struct weir_group_service *service,
                                      const struct weir_group_heartbeat_request *request)
{
    if (request->group_id.size == 0)
        return WEIR_INVALID_GROUP_ID;
    struct heartbeat_event event = {.event = {apply_heartbeat}, .request = request};
    enum weir_status status = service_run(service, request->group_id, NULL, &event.event);
    if (status == WEIR_COORDINATOR_LOAD_IN_PROGRESS)
        return WEIR_OK; /* nobody's session runs while the group is loading */
    return status == WEIR_OK ? event.status : status;
}

/* ---- LeaveGroup ---- */

struct leave_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    struct weir_group_leave *leave;
};

static void apply_leave(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct leave_event *leave = WEIR_CONTAINER_OF(event, struct leave_event, event);
    event_leave(machine, leave->group_id, leave->leave, step);
}

/* What all operations do that have nothing but a status when they fail early. */
static void run_or_fail(struct weir_group_service *service, struct weir_slice group_id,
                        bool is_empty_id_valid, struct weir_group_op *op,
                        struct weir_shard_event *event)
{
    enum weir_status status = group_id.size == 0 && !is_empty_id_valid
                                  ? WEIR_INVALID_GROUP_ID
                                  : service_run(service, group_id, op, event);
    if (status == WEIR_OK)
        return;
    op->status = status;
    op->done(op);
}

void weir_group_leave(struct weir_group_service *service, struct weir_slice group_id,
                      struct weir_group_leave *leave)
{
    service_op_init(&leave->op);
    struct leave_event event = {.event = {apply_leave}, .group_id = group_id, .leave = leave};
    run_or_fail(service, group_id, false, &leave->op, &event.event);
}

/* ---- Offsets.  The empty group id is as good as any other here, for clients of old. ---- */

struct commit_event {
    struct weir_shard_event event;
    const struct weir_group_offset_commit_request *request;
    struct weir_offset_commit *commit;
};

static void apply_commit(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct commit_event *commit = WEIR_CONTAINER_OF(event, struct commit_event, event);
    offset_commit(machine, commit->request, commit->commit, step);
}

void weir_group_offset_commit(struct weir_group_service *service,
                              const struct weir_group_offset_commit_request *request,
                              struct weir_offset_commit *commit)
{
    service_op_init(&commit->op);
    struct commit_event event = {.event = {apply_commit}, .request = request, .commit = commit};
    run_or_fail(service, request->group_id, true, &commit->op, &event.event);
}

struct fetch_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    struct weir_offset_fetch *fetch;
};

static void apply_fetch(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct fetch_event *fetch = WEIR_CONTAINER_OF(event, struct fetch_event, event);
    offset_fetch(machine, fetch->group_id, fetch->fetch, step);
}

void weir_group_offset_fetch(struct weir_group_service *service, struct weir_slice group_id,
                             struct weir_offset_fetch *fetch)
{
    service_op_init(&fetch->op);
    struct fetch_event event = {.event = {apply_fetch}, .group_id = group_id, .fetch = fetch};
    run_or_fail(service, group_id, true, &fetch->op, &event.event);
}

struct delete_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    struct weir_offset_delete *remove;
    struct weir_group_op *op;
};

static void apply_offset_delete(struct weir_shard_event *event, void *machine,
                                struct weir_step *step)
{
    struct delete_event *remove = WEIR_CONTAINER_OF(event, struct delete_event, event);
    offset_delete(machine, remove->group_id, remove->remove, step);
}

void weir_group_offset_delete(struct weir_group_service *service, struct weir_slice group_id,
                              struct weir_offset_delete *remove)
{
    service_op_init(&remove->op);
    struct delete_event event = {
        .event = {apply_offset_delete}, .group_id = group_id, .remove = remove};
    run_or_fail(service, group_id, false, &remove->op, &event.event);
}

/* ---- Administration ---- */

static void apply_delete(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct delete_event *remove = WEIR_CONTAINER_OF(event, struct delete_event, event);
    group_admin_delete(machine, remove->group_id, remove->op, step);
}

void weir_group_delete(struct weir_group_service *service, struct weir_slice group_id,
                       struct weir_group_op *op)
{
    service_op_init(op);
    struct delete_event event = {.event = {apply_delete}, .group_id = group_id, .op = op};
    run_or_fail(service, group_id, true, op, &event.event);
}

struct describe_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    struct weir_group_describe *describe;
};

static void apply_describe(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    struct describe_event *describe = WEIR_CONTAINER_OF(event, struct describe_event, event);
    group_admin_describe(machine, describe->group_id, describe->describe);
}

void weir_group_describe(struct weir_group_service *service, struct weir_slice group_id,
                         struct weir_group_describe *describe)
{
    service_op_init(&describe->op);
    describe->message = WEIR_NULL_SLICE;
    describe->state = WEIR_EMPTY_SLICE;
    describe->protocol_type = WEIR_EMPTY_SLICE;
    describe->protocol = WEIR_EMPTY_SLICE;
    describe->members = NULL;
    describe->member_count = 0;
    struct describe_event event = {
        .event = {apply_describe}, .group_id = group_id, .describe = describe};
    enum weir_status status = service_run(service, group_id, NULL, &event.event);
    if (status != WEIR_OK)
        describe->op.status = status;
    describe->op.done(&describe->op);
}

struct list_event {
    struct weir_shard_event event;
    struct list_collector *collector;
};

static void apply_list(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    group_admin_list(machine, WEIR_CONTAINER_OF(event, struct list_event, event)->collector);
}

static int compare_listings(const void *a, const void *b)
{
    const struct weir_group_listing *left = a;
    const struct weir_group_listing *right = b;
    return weir_slice_compare(left->group_id, right->group_id);
}

void weir_group_list(struct weir_group_service *service,
                     const struct weir_group_list_request *request, struct weir_group_list *list)
{
    service_op_init(&list->op);
    list->groups = NULL;
    list->group_count = 0;
    struct list_collector collector = {.request = request, .list = list};
    struct list_event event = {.event = {apply_list}, .collector = &collector};
    enum weir_status status = weir_coordinator_run_all(service->coordinator, &event.event, true);
    if (list->op.status == WEIR_OK)
        list->op.status = status == WEIR_NO_MEMORY ? WEIR_UNKNOWN_SERVER_ERROR : status;
    if (list->op.status == WEIR_OK && collector.count > 0) {
        list->groups = weir_arena_alloc(&list->op.arena, collector.count * sizeof(*list->groups));
        if (list->groups == NULL) {
            list->op.status = WEIR_UNKNOWN_SERVER_ERROR;
        } else {
            memcpy(list->groups, collector.groups, collector.count * sizeof(*list->groups));
            list->group_count = collector.count;
            qsort(list->groups, list->group_count, sizeof(*list->groups), compare_listings);
        }
    }
    weir_free(collector.groups);
    list->op.done(&list->op);
}

/* ---- The metadata image ---- */

struct image_event {
    struct weir_shard_event event;
    const struct weir_image *image;
    const struct weir_image_delta *delta;
};

static void apply_image(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    const struct image_event *changed = WEIR_CONTAINER_OF(event, struct image_event, event);
    machine_image_changed(machine, changed->image, changed->delta, step);
}

void weir_group_image_published(struct weir_group_service *service, const struct weir_image *image,
                                const struct weir_image_delta *delta)
{
    struct image_event event = {.event = {apply_image}, .image = image, .delta = delta};
    /* A shard that is still loading takes the current image when it is done, and keeps the offsets
     * of deleted topics: harmless, they expire. */
    enum weir_status status = weir_coordinator_run_all(service->coordinator, &event.event, false);
    if (status != WEIR_OK)
        WEIR_LOG_WARN(service->log, "group_image_not_everywhere",
                      WEIR_STR("reason", weir_status_name(status)),
                      WEIR_STR("next", "groups follow the next one; offsets of deleted topics "
                                       "expire"));
}
