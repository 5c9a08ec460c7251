/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeTransactions (key 65, KIP-664). */
#include "api_int.h"
#include "call_state.h"

#include "weir/protocol/messages/describe_transactions_request.h"
#include "weir/protocol/messages/describe_transactions_response.h"
#include "weir/txn/txn_service.h"

typedef struct weir_describe_transactions_response_transaction_state state_t;
typedef struct weir_describe_transactions_response_topic_data topic_t;

/* Describing never waits: done was called when weir_txn_describe returned. */
static void ignore_done(struct weir_txn_op *op)
{
    (void)op;
}

/* False when memory is out. */
static bool fill_topics(struct weir_call *call, const struct weir_txn_describe *describe,
                        state_t *out)
{
    const size_t count = describe->partition_count;
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, count);
    int32_t *partitions = WEIR_CALL_ALLOC(call, int32_t, count);
    if (topics == NULL || partitions == NULL)
        return false;
    out->topics.items = topics;
    for (size_t i = 0; i < count; i++) {
        const struct weir_txn_partition *partition = &describe->partitions[i];
        if (i == 0 || !weir_slice_equal(describe->partitions[i - 1].topic, partition->topic)) {
            topic_t *topic = &topics[out->topics.count++];
            weir_describe_transactions_response_topic_data_init(topic);
            topic->topic = partition->topic;
            topic->partitions.items = &partitions[i];
        }
        topics[out->topics.count - 1].partitions.count++;
        partitions[i] = partition->partition;
    }
    return true;
}

static bool describe_one(struct weir_call *call, struct weir_slice transactional_id,
                         struct weir_txn_describe *describe, state_t *out)
{
    weir_describe_transactions_response_transaction_state_init(out);
    out->transactional_id = transactional_id;
    describe->op.done = ignore_done;
    describe->transactional_id = transactional_id;
    weir_txn_describe(call->api->options.txns, describe);
    out->error_code = weir_code(describe->op.status);
    if (describe->op.status != WEIR_OK)
        return true;
    out->transaction_state = describe->state;
    out->transaction_timeout_ms = describe->timeout_ms;
    out->transaction_start_time_ms = describe->start_ms;
    out->producer_id = describe->producer_id;
    out->producer_epoch = describe->producer_epoch;
    return fill_topics(call, describe, out);
}

void weir_api_describe_transactions(struct weir_call *call)
{
    const struct weir_describe_transactions_request *request = call->body;
    const size_t count = (size_t)request->transactional_ids.count;
    struct weir_describe_transactions_response response;
    weir_describe_transactions_response_init(&response);
    response.transaction_states.items = WEIR_CALL_ALLOC(call, state_t, count);
    response.transaction_states.count = request->transactional_ids.count;
    struct weir_txn_describe *all = weir_call_state_new(sizeof(*all), count, sizeof(*all));
    bool has_memory = response.transaction_states.items != NULL && all != NULL;
    for (size_t i = 0; has_memory && i < count; i++)
        has_memory = describe_one(call, request->transactional_ids.items[i], &all[i],
                                  &response.transaction_states.items[i]);
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    for (size_t i = 0; all != NULL && i < count; i++)
        weir_txn_op_free(&all[i].op);
    weir_free(all);
}
