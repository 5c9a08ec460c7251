/* SPDX-License-Identifier: Apache-2.0 */

/* AlterPartitionReassignments (KIP-455, KIP-860).  The controller decides each partition; null
 * replicas cancel. */

#include "api_int.h"

#include "weir/protocol/messages/alter_partition_reassignments_request.h"
#include "weir/protocol/messages/alter_partition_reassignments_response.h"

typedef struct weir_alter_partition_reassignments_request request_t;
typedef struct weir_alter_partition_reassignments_request_reassignable_topic asked_t;
typedef struct weir_alter_partition_reassignments_response response_t;
typedef struct weir_alter_partition_reassignments_response_reassignable_topic_response topic_t;
typedef struct weir_alter_partition_reassignments_response_reassignable_partition_response
    partition_t;

static size_t count_partitions(const request_t *request)
{
    size_t count = 0;
    for (int32_t i = 0; i < request->topics.count; i++)
        count += (size_t)request->topics.items[i].partitions.count;
    return count;
}

static enum weir_status fill_operation(struct weir_call *call, const request_t *request,
                                       struct weir_controller_op *op)
{
    struct weir_alter_reassignments_op *reassignments = &op->alter_reassignments;
    op->kind = WEIR_CONTROLLER_ALTER_REASSIGNMENTS;
    reassignments->allow_replication_factor_change = request->allow_replication_factor_change;
    reassignments->items =
        WEIR_CALL_ALLOC(call, struct weir_reassignment, count_partitions(request));
    if (reassignments->items == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < request->topics.count; i++) {
        const asked_t *topic = &request->topics.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            const struct weir_i32_array *replicas = &topic->partitions.items[j].replicas;
            struct weir_reassignment *item = &reassignments->items[reassignments->item_count++];
            item->topic = topic->name;
            item->partition = topic->partitions.items[j].partition_index;
            item->cancel = replicas->count < 0;
            item->replicas = replicas->items;
            item->replica_count = item->cancel ? 0 : (size_t)replicas->count;
        }
    }
    return WEIR_OK;
}

static void fill_topic(const asked_t *asked, const struct weir_reassignment *decided,
                       const struct weir_controller_result *whole, topic_t *out)
{
    out->name = asked->name;
    for (int32_t i = 0; i < asked->partitions.count; i++) {
        const struct weir_controller_result *why =
            whole->status != WEIR_OK ? whole : &decided[i].result;
        partition_t *partition = &out->partitions.items[out->partitions.count++];
        weir_alter_partition_reassignments_response_reassignable_partition_response_init(partition);
        partition->partition_index = asked->partitions.items[i].partition_index;
        partition->error_code = weir_code(why->status);
        partition->error_message = why->message;
    }
}

static void respond(struct weir_call *call, struct weir_controller_op *op)
{
    const request_t *request = call->body;
    const struct weir_reassignment *decided = op->alter_reassignments.items;
    response_t response;
    weir_alter_partition_reassignments_response_init(&response);
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, request->topics.count);
    partition_t *pool = WEIR_CALL_ALLOC(call, partition_t, count_partitions(request));
    if (topics == NULL || pool == NULL) {
        weir_call_close(call);
        return;
    }
    if (op->result.status == WEIR_OK)
        response.allow_replication_factor_change = request->allow_replication_factor_change;
    response.error_code = weir_code(op->result.status);
    response.error_message = op->result.message;
    response.responses.items = topics;
    for (int32_t i = 0; i < request->topics.count; i++) {
        const asked_t *asked = &request->topics.items[i];
        topic_t *topic = &topics[response.responses.count++];
        weir_alter_partition_reassignments_response_reassignable_topic_response_init(topic);
        topic->partitions.items = pool;
        fill_topic(asked, decided, &op->result, topic);
        pool += asked->partitions.count;
        decided += asked->partitions.count;
    }
    weir_call_respond(call, &response);
}

void weir_api_alter_partition_reassignments(struct weir_call *call)
{
    const request_t *request = call->body;
    if (request->topics.count == 0) { /* Apache Kafka answers with a message without words */
        response_t response;
        weir_alter_partition_reassignments_response_init(&response);
        response.error_message = WEIR_EMPTY_SLICE;
        weir_call_respond(call, &response);
        return;
    }
    struct weir_controller_op *op = WEIR_CALL_ALLOC(call, struct weir_controller_op, 1);
    if (op == NULL || fill_operation(call, request, op) != WEIR_OK) {
        weir_call_close(call);
        return;
    }
    if (request->timeout_ms <= 0) { /* late when the controller comes to it: nothing is changed */
        op->result = (struct weir_controller_result){.status = WEIR_REQUEST_TIMED_OUT,
                                                     .message = WEIR_NULL_SLICE};
        respond(call, op);
        return;
    }
    weir_call_control(call, op, respond);
}
