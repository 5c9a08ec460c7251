/* SPDX-License-Identifier: Apache-2.0 */

/* ReadShareGroupState: a share partition's leader begins, and fences those before it. */

#include "share_state_calls.h"

#include "weir/protocol/messages/read_share_group_state_request.h"
#include "weir/protocol/messages/read_share_group_state_response.h"

typedef struct weir_read_share_group_state_request request_t;
typedef struct weir_read_share_group_state_request_read_state_data request_topic;
typedef struct weir_read_share_group_state_response_read_state_result result_topic;
typedef struct weir_read_share_group_state_response_partition_result result_t;

static size_t count_partitions(const request_t *request)
{
    size_t count = 0;
    for (int32_t i = 0; i < request->topics.count; i++) {
        if (request->topics.items[i].partitions.count == 0)
            return 0;
        count += (size_t)request->topics.items[i].partitions.count;
    }
    return request->group_id.size == 0 ? 0 : count;
}

typedef struct weir_read_share_group_state_response_state_batch result_batch;

static bool fill_batches(struct weir_call *call, const struct weir_share_state_op *op,
                         result_t *out)
{
    out->state_batches.items = WEIR_CALL_ALLOC(call, result_batch, op->batch_count);
    if (out->state_batches.items == NULL)
        return false;
    out->state_batches.count = (int32_t)op->batch_count;
    for (size_t i = 0; i < op->batch_count; i++) {
        out->state_batches.items[i] =
            (result_batch){.first_offset = op->batches[i].first_offset,
                           .last_offset = op->batches[i].last_offset,
                           .delivery_state = op->batches[i].delivery_state,
                           .delivery_count = op->batches[i].delivery_count};
    }
    return true;
}

static bool fill_topic(struct weir_call *call, const struct share_state_topic *wanted,
                       void *out_result)
{
    result_topic *out = out_result;
    weir_read_share_group_state_response_read_state_result_init(out);
    out->topic_id = wanted->topic_id;
    out->partitions.items = WEIR_CALL_ALLOC(call, result_t, wanted->count);
    if (out->partitions.items == NULL)
        return false;
    for (size_t i = 0; i < wanted->count; i++) {
        const struct weir_share_state_op *op = &wanted->items[i]->op;
        result_t *result = &out->partitions.items[out->partitions.count++];
        weir_read_share_group_state_response_partition_result_init(result);
        result->partition = wanted->items[i]->id.partition;
        result->error_code = weir_code(op->status);
        result->error_message = share_state_message(op);
        if (op->status != WEIR_OK)
            continue;
        result->state_epoch = op->state_epoch;
        result->start_offset = op->start_offset;
        if (!fill_batches(call, op, result))
            return false;
    }
    return true;
}

static void respond(struct weir_call *call, struct share_state_calls *all)
{
    struct weir_read_share_group_state_response response;
    weir_read_share_group_state_response_init(&response);
    response.results.items =
        share_state_results(call, all, sizeof(result_topic), fill_topic, &response.results.count);
    if (response.results.items != NULL)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
}

static void start(struct share_state_calls *all, const request_t *request,
                  const request_topic *topic, int32_t index)
{
    struct weir_share_coordinator *shares = all->call->api->options.shares;
    struct weir_share_state_op *op = share_state_add(all, request->group_id, topic->topic_id,
                                                     topic->partitions.items[index].partition);
    const struct weir_share_key *key = &WEIR_CONTAINER_OF(op, struct share_state_item, op)->key;
    weir_share_state_read(shares, key, topic->partitions.items[index].leader_epoch, op);
}

void weir_api_read_share_group_state(struct weir_call *call)
{
    const request_t *request = call->body;
    size_t count = count_partitions(request);
    struct share_state_calls *all = share_state_new(call, count, respond);
    if (all == NULL) {
        weir_call_close(call);
        return;
    }
    for (int32_t i = 0; i < request->topics.count && count > 0; i++) {
        const request_topic *topic = &request->topics.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++)
            start(all, request, topic, j);
    }
    share_state_started(all);
}
