/* SPDX-License-Identifier: Apache-2.0 */

/* WriteShareGroupState: what became of records in flight. */

#include "share_state_calls.h"

#include "weir/protocol/messages/write_share_group_state_request.h"
#include "weir/protocol/messages/write_share_group_state_response.h"

typedef struct weir_write_share_group_state_request request_t;
typedef struct weir_write_share_group_state_request_write_state_data request_topic;
typedef struct weir_write_share_group_state_response_write_state_result result_topic;
typedef struct weir_write_share_group_state_response_partition_result result_t;

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

static bool fill_topic(struct weir_call *call, const struct share_state_topic *wanted,
                       void *out_result)
{
    result_topic *out = out_result;
    weir_write_share_group_state_response_write_state_result_init(out);
    out->topic_id = wanted->topic_id;
    out->partitions.items = WEIR_CALL_ALLOC(call, result_t, wanted->count);
    if (out->partitions.items == NULL)
        return false;
    for (size_t i = 0; i < wanted->count; i++) {
        const struct weir_share_state_op *op = &wanted->items[i]->op;
        result_t *result = &out->partitions.items[out->partitions.count++];
        weir_write_share_group_state_response_partition_result_init(result);
        result->partition = wanted->items[i]->id.partition;
        result->error_code = weir_code(op->status);
        result->error_message = share_state_message(op);
    }
    return true;
}

static void respond(struct weir_call *call, struct share_state_calls *all)
{
    struct weir_write_share_group_state_response response;
    weir_write_share_group_state_response_init(&response);
    response.results.items =
        share_state_results(call, all, sizeof(result_topic), fill_topic, &response.results.count);
    if (response.results.items != NULL)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
}

/* NULL when memory is out. */
static struct weir_share_batch *
copy_batches(struct weir_call *call,
             const struct weir_write_share_group_state_request_partition_data *data)
{
    struct weir_share_batch *batches =
        WEIR_CALL_ALLOC(call, struct weir_share_batch, data->state_batches.count);
    for (int32_t i = 0; i < data->state_batches.count && batches != NULL; i++) {
        batches[i] = (struct weir_share_batch){
            .first_offset = data->state_batches.items[i].first_offset,
            .last_offset = data->state_batches.items[i].last_offset,
            .delivery_state = data->state_batches.items[i].delivery_state,
            .delivery_count = data->state_batches.items[i].delivery_count};
    }
    return batches;
}

static void start(struct share_state_calls *all, const request_t *request,
                  const request_topic *topic, int32_t index)
{
    struct weir_share_coordinator *shares = all->call->api->options.shares;
    const struct weir_write_share_group_state_request_partition_data *data =
        &topic->partitions.items[index];
    const struct weir_share_batch *batches = copy_batches(all->call, data);
    struct weir_share_state_op *op = share_state_add(all, request->group_id, topic->topic_id,
                                                     topic->partitions.items[index].partition);
    const struct weir_share_key *key = &WEIR_CONTAINER_OF(op, struct share_state_item, op)->key;
    struct weir_share_state_write write = {.state_epoch = data->state_epoch,
                                           .leader_epoch = data->leader_epoch,
                                           .start_offset = data->start_offset,
                                           .delivery_complete_count = data->delivery_complete_count,
                                           .batches = batches,
                                           .batch_count = (size_t)data->state_batches.count};
    if (batches == NULL) {
        op->status = WEIR_UNKNOWN_SERVER_ERROR;
        op->done(op);
        return;
    }
    weir_share_state_write(shares, key, &write, op);
}

void weir_api_write_share_group_state(struct weir_call *call)
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
