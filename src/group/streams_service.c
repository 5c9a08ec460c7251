/* SPDX-License-Identifier: Apache-2.0 */

/* The operations of streams_groups.h: each finds its shard and becomes one event there. */

#include "service_int.h"
#include "streams/streams_int.h"

struct streams_event {
    struct weir_shard_event event;
    const struct weir_streams_heartbeat_request *request;
    struct weir_streams_heartbeat *heartbeat;
    struct weir_slice group_id;
    struct weir_streams_describe *describe;
};

static void apply_heartbeat(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct streams_event *streams = WEIR_CONTAINER_OF(event, struct streams_event, event);
    streams_heartbeat(machine, streams->request, streams->heartbeat, step);
}

void weir_group_streams_heartbeat(struct weir_group_service *service,
                                  const struct weir_streams_heartbeat_request *request,
                                  struct weir_streams_heartbeat *heartbeat)
{
    service_op_init(&heartbeat->op);
    enum weir_status status =
        streams_check_request(request, &heartbeat->op.arena, &heartbeat->message);
    struct streams_event event = {
        .event = {apply_heartbeat}, .request = request, .heartbeat = heartbeat};
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
    struct streams_event *streams = WEIR_CONTAINER_OF(event, struct streams_event, event);
    streams_describe(machine, streams->group_id, streams->describe);
}

void weir_group_streams_describe(struct weir_group_service *service, struct weir_slice group_id,
                                 struct weir_streams_describe *describe)
{
    service_op_init(&describe->op);
    struct streams_event event = {
        .event = {apply_describe}, .group_id = group_id, .describe = describe};
    enum weir_status status = group_id.size == 0
                                  ? WEIR_INVALID_GROUP_ID
                                  : service_run(service, group_id, NULL, &event.event);
    if (status != WEIR_OK)
        describe->op.status = status;
    describe->op.done(&describe->op);
}
