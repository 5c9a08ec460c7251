/* SPDX-License-Identifier: Apache-2.0 */

/* The operations of share_groups.h: each finds its shard and becomes one event there. */

#include "service_int.h"
#include "share/share_int.h"

/* One of them is set. */
struct share_event {
    struct weir_shard_event event;
    struct weir_slice group_id;
    const struct weir_share_heartbeat_request *request;
    struct weir_share_heartbeat *heartbeat;
    struct weir_share_describe *describe;
    struct weir_share_partitions *partitions;
    struct weir_share_alter *alter;
    struct weir_share_delete *remove;
};

static void apply_heartbeat(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct share_event *share = WEIR_CONTAINER_OF(event, struct share_event, event);
    share_heartbeat(machine, share->request, share->heartbeat, step);
}

void weir_group_share_heartbeat(struct weir_group_service *service,
                                const struct weir_share_heartbeat_request *request,
                                struct weir_share_heartbeat *heartbeat)
{
    service_op_init(&heartbeat->op);
    struct share_event event = {
        .event = {apply_heartbeat}, .request = request, .heartbeat = heartbeat};
    enum weir_status status = share_check_request(request, &heartbeat->message);
    if (status == WEIR_OK)
        status = service_run(service, request->group_id, &heartbeat->op, &event.event);
    if (status == WEIR_OK)
        return;
    heartbeat->op.status = status;
    heartbeat->op.done(&heartbeat->op);
}

static void apply_describe(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    struct share_event *share = WEIR_CONTAINER_OF(event, struct share_event, event);
    share_describe(machine, share->group_id, share->describe);
}

static void apply_partitions(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    struct share_event *share = WEIR_CONTAINER_OF(event, struct share_event, event);
    share_partitions(machine, share->group_id, share->partitions);
}

/* Those that never wait. */
static void look(struct weir_group_service *service, struct weir_slice group_id,
                 struct weir_group_op *op, struct weir_shard_event *event)
{
    enum weir_status status = group_id.size == 0 ? WEIR_INVALID_GROUP_ID
                                                 : service_run(service, group_id, NULL, event);
    if (status != WEIR_OK)
        op->status = status;
    op->done(op);
}

void weir_group_share_describe(struct weir_group_service *service, struct weir_slice group_id,
                               struct weir_share_describe *describe)
{
    service_op_init(&describe->op);
    struct share_event event = {
        .event = {apply_describe}, .group_id = group_id, .describe = describe};
    look(service, group_id, &describe->op, &event.event);
}

void weir_group_share_partitions(struct weir_group_service *service, struct weir_slice group_id,
                                 struct weir_share_partitions *partitions)
{
    service_op_init(&partitions->op);
    struct share_event event = {
        .event = {apply_partitions}, .group_id = group_id, .partitions = partitions};
    look(service, group_id, &partitions->op, &event.event);
}

static void apply_alter(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct share_event *share = WEIR_CONTAINER_OF(event, struct share_event, event);
    share_alter(machine, share->group_id, share->alter, step);
}

static void apply_delete(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct share_event *share = WEIR_CONTAINER_OF(event, struct share_event, event);
    share_delete(machine, share->group_id, share->remove, step);
}

static void change(struct weir_group_service *service, struct weir_slice group_id,
                   struct weir_group_op *op, struct weir_shard_event *event)
{
    enum weir_status status = group_id.size == 0 ? WEIR_INVALID_GROUP_ID
                                                 : service_run(service, group_id, op, event);
    if (status == WEIR_OK)
        return;
    op->status = status;
    op->done(op);
}

void weir_group_share_alter(struct weir_group_service *service, struct weir_slice group_id,
                            struct weir_share_alter *alter)
{
    service_op_init(&alter->op);
    struct share_event event = {.event = {apply_alter}, .group_id = group_id, .alter = alter};
    change(service, group_id, &alter->op, &event.event);
}

void weir_group_share_delete(struct weir_group_service *service, struct weir_slice group_id,
                             struct weir_share_delete *remove)
{
    service_op_init(&remove->op);
    struct share_event event = {.event = {apply_delete}, .group_id = group_id, .remove = remove};
    change(service, group_id, &remove->op, &event.event);
}
