/* SPDX-License-Identifier: Apache-2.0 */
#include "share_calls.h"

#include "weir/base/memory.h"
#include "weir/server/request.h"

/* A UUID in its longest form. */
#define MEMBER_ID_BYTES_MAX 36

bool share_groups_are_enabled(const struct weir_call *call)
{
    return weir_image_feature_level(call->image, "share.version") > 0;
}

bool share_names_are_valid(struct weir_slice group_id, struct weir_slice member_id)
{
    return !weir_slice_is_null(group_id) && member_id.size > 0 &&
           member_id.size <= MEMBER_ID_BYTES_MAX;
}

enum weir_status share_check_partition(const struct weir_call *call, struct weir_uuid topic_id,
                                       int32_t partition)
{
    const struct weir_image_topic *topic = weir_image_topic_by_id(call->image, topic_id);
    if (topic == NULL)
        return WEIR_UNKNOWN_TOPIC_ID;
    return partition >= 0 && partition < topic->partition_count ? WEIR_OK
                                                                : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
}

void share_leader(const struct weir_call *call, struct weir_uuid topic_id, int32_t partition,
                  int32_t *out_leader_id, int32_t *out_leader_epoch)
{
    struct weir_partition_role role = {.leader = -1, .leader_epoch = -1};
    struct weir_partition *found =
        weir_replicas_find(call->api->options.replicas, topic_id, partition);
    if (found != NULL)
        weir_partition_role(found, &role);
    weir_partition_unref(found);
    *out_leader_id = role.leader;
    *out_leader_epoch = role.leader_epoch;
}

/* ---- Acknowledgements ---- */

static void resume(struct weir_call *call, void *argument)
{
    struct share_acks *acks = argument;
    acks->then(call, acks->context);
}

static void finish_one(struct share_acks *acks)
{
    if (atomic_fetch_sub_explicit(&acks->open_count, 1, memory_order_acq_rel) == 1)
        weir_call_resume(acks->call, resume, acks);
}

static void on_done(struct weir_share_acknowledge_op *op)
{
    finish_one(WEIR_CONTAINER_OF(op, struct share_ack, op)->all);
}

/* A renewal has to be announced by the request. */
static bool has_unannounced_renewal(const struct share_acks *acks, const struct share_ack *ack)
{
    for (size_t i = 0; i < ack->batch_count && !acks->is_renew; i++) {
        for (size_t t = 0; t < ack->batches[i].type_count; t++) {
            if (ack->batches[i].types[t] == WEIR_SHARE_RENEW)
                return true;
        }
    }
    return false;
}

static enum weir_status check(const struct share_acks *acks, const struct share_ack *ack)
{
    enum weir_status status = share_check_partition(acks->call, ack->topic_id, ack->partition);
    if (status == WEIR_OK && has_unannounced_renewal(acks, ack))
        status = WEIR_INVALID_REQUEST;
    return status;
}

void share_acks_start(struct share_acks *acks, struct weir_slice group_id,
                      struct weir_slice member_id)
{
    atomic_init(&acks->open_count, acks->count + 1);
    for (size_t i = 0; i < acks->count; i++) {
        struct share_ack *ack = &acks->items[i];
        ack->all = acks;
        ack->op.done = on_done;
        ack->op.status = check(acks, ack);
        if (ack->op.status != WEIR_OK) {
            finish_one(acks);
            continue;
        }
        struct weir_share_key key = {
            .group_id = group_id, .topic_id = ack->topic_id, .partition = ack->partition};
        weir_share_acknowledge(acks->call->api->options.share_partitions, &key, member_id,
                               ack->batches, ack->batch_count, &ack->op);
    }
    finish_one(acks);
}

/* ---- Connections ---- */

struct watched {
    struct weir_share_partitions *partitions;
    uint64_t connection_id;
};

static void connection_ended(void *user)
{
    struct watched *watched = user;
    weir_share_partitions_connection_ended(watched->partitions, watched->connection_id);
    weir_free(watched);
}

bool share_watch_connection(struct weir_call *call)
{
    struct weir_session *session = call->request->session;
    if (session->user != NULL)
        return true; /* nobody else uses it */
    struct watched *watched = weir_calloc(1, sizeof(*watched));
    if (watched == NULL)
        return false;
    *watched = (struct watched){.partitions = call->api->options.share_partitions,
                                .connection_id = session->id};
    session->user = watched;
    session->user_done = connection_ended;
    return true;
}
