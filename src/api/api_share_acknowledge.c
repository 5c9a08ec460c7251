/* SPDX-License-Identifier: Apache-2.0 */

/* ShareAcknowledge (key 79): what became of records that a member holds. */

#include "share_calls.h"

#include "weir/protocol/messages/share_acknowledge_request.h"
#include "weir/protocol/messages/share_acknowledge_response.h"
#include "weir/server/request.h"

typedef struct weir_share_acknowledge_request request_t;
typedef struct weir_share_acknowledge_request_acknowledge_topic request_topic;
typedef struct weir_share_acknowledge_request_acknowledge_partition request_partition;
typedef struct weir_share_acknowledge_response response_t;
typedef struct weir_share_acknowledge_response_share_acknowledge_topic_response response_topic;
typedef struct weir_share_acknowledge_response_partition_data response_partition;

static void refuse(struct weir_call *call, enum weir_status status)
{
    response_t response;
    weir_share_acknowledge_response_init(&response);
    response.error_code = weir_code(status);
    weir_call_respond(call, &response);
}

static void fill_partition(const struct weir_call *call, const struct share_ack *ack,
                           response_partition *out)
{
    weir_share_acknowledge_response_partition_data_init(out);
    out->partition_index = ack->partition;
    out->error_code = weir_code(ack->op.status);
    if (ack->op.status == WEIR_NOT_LEADER_OR_FOLLOWER)
        share_leader(call, ack->topic_id, ack->partition, &out->current_leader.leader_id,
                     &out->current_leader.leader_epoch);
}

static void respond(struct weir_call *call, void *context)
{
    const request_t *request = call->body;
    const struct share_acks *acks = context;
    struct weir_share_partitions *partitions = call->api->options.share_partitions;
    response_t response;
    weir_share_acknowledge_response_init(&response);
    if (request->share_session_epoch == WEIR_SHARE_SESSION_FINAL_EPOCH)
        (void)weir_share_partitions_end_session(partitions, request->group_id, request->member_id);
    response_topic *topics = WEIR_CALL_ALLOC(call, response_topic, request->topics.count);
    response_partition *all = WEIR_CALL_ALLOC(call, response_partition, acks->count);
    if (topics == NULL || all == NULL) {
        weir_call_close(call);
        return;
    }
    size_t at = 0;
    for (int32_t t = 0; t < request->topics.count; t++) {
        weir_share_acknowledge_response_share_acknowledge_topic_response_init(&topics[t]);
        topics[t].topic_id = request->topics.items[t].topic_id;
        topics[t].partitions.items = &all[at];
        topics[t].partitions.count = request->topics.items[t].partitions.count;
        for (int32_t p = 0; p < topics[t].partitions.count; p++, at++)
            fill_partition(call, &acks->items[at], &all[at]);
    }
    response.responses.items = topics;
    response.responses.count = request->topics.count;
    response.acquisition_lock_timeout_ms =
        weir_share_lock_duration_ms(partitions, request->group_id);
    weir_call_respond(call, &response);
}

static bool set_batches(struct weir_call *call, const request_partition *wanted,
                        struct share_ack *out)
{
    size_t count = (size_t)wanted->acknowledgement_batches.count;
    struct weir_share_acknowledgement *batches =
        WEIR_CALL_ALLOC(call, struct weir_share_acknowledgement, count);
    if (batches == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct weir_share_acknowledge_request_acknowledgement_batch *batch =
            &wanted->acknowledgement_batches.items[i];
        batches[i] = (struct weir_share_acknowledgement){
            .first_offset = batch->first_offset,
            .last_offset = batch->last_offset,
            .types = batch->acknowledge_types.items,
            .type_count = (size_t)batch->acknowledge_types.count};
    }
    out->partition = wanted->partition_index;
    out->batches = batches;
    out->batch_count = count;
    return true;
}

static struct share_acks *collect(struct weir_call *call)
{
    const request_t *request = call->body;
    size_t count = 0;
    for (int32_t t = 0; t < request->topics.count; t++)
        count += (size_t)request->topics.items[t].partitions.count;
    struct share_acks *acks = WEIR_CALL_ALLOC(call, struct share_acks, 1);
    struct share_ack *items = WEIR_CALL_ALLOC(call, struct share_ack, count);
    if (acks == NULL || items == NULL)
        return NULL;
    acks->items = items;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const request_topic *topic = &request->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            struct share_ack *item = &items[acks->count++];
            item->topic_id = topic->topic_id;
            if (!set_batches(call, &topic->partitions.items[p], item))
                return NULL;
        }
    }
    acks->call = call;
    acks->then = respond;
    acks->context = acks;
    acks->is_renew = request->is_renew_ack;
    return acks;
}

void weir_api_share_acknowledge(struct weir_call *call)
{
    const request_t *request = call->body;
    if (!share_groups_are_enabled(call)) {
        refuse(call, WEIR_UNSUPPORTED_VERSION);
        return;
    }
    if (!share_names_are_valid(request->group_id, request->member_id)) {
        refuse(call, WEIR_INVALID_REQUEST);
        return;
    }
    struct weir_share_session_request session = {.group_id = request->group_id,
                                                 .member_id = request->member_id,
                                                 .epoch = request->share_session_epoch,
                                                 .connection_id = call->request->session->id,
                                                 .has_acknowledgements = true};
    struct share_acks *acks = collect(call);
    if (acks == NULL || !share_watch_connection(call)) {
        weir_call_close(call);
        return;
    }
    enum weir_status status = weir_share_sessions_acknowledge(
        weir_share_partitions_sessions(call->api->options.share_partitions), &session);
    if (status != WEIR_OK) {
        refuse(call, status);
        return;
    }
    share_acks_start(acks, request->group_id, request->member_id);
}
