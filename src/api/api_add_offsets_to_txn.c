/* SPDX-License-Identifier: Apache-2.0 */
/* AddOffsetsToTxn (key 25): the group's partition of __consumer_offsets joins the transaction.
 * Clients of transaction version 2 do not send it: TxnOffsetCommit adds the partition. */
#include "api_int.h"

#include "weir/protocol/messages/add_offsets_to_txn_request.h"
#include "weir/protocol/messages/add_offsets_to_txn_response.h"
#include "weir/txn/txn_service.h"

struct adding {
    struct weir_txn_add add;
    struct weir_txn_partition partition;
    struct weir_call *call;
};

static void answer(struct weir_call *call, enum weir_status status)
{
    struct weir_add_offsets_to_txn_response response;
    weir_add_offsets_to_txn_response_init(&response);
    if (status == WEIR_PRODUCER_FENCED && call->version < 2)
        status = WEIR_INVALID_PRODUCER_EPOCH; /* KIP-588 */
    response.error_code = weir_code(status);
    weir_call_respond(call, &response);
}

static void respond(struct weir_call *call, void *argument)
{
    struct adding *adding = argument;
    enum weir_status status = adding->add.op.status;
    if (status == WEIR_OK)
        status = adding->partition.status;
    weir_txn_op_free(&adding->add.op);
    answer(call, status);
}

static void on_done(struct weir_txn_op *op)
{
    struct adding *adding = WEIR_CONTAINER_OF(op, struct adding, add.op);
    weir_call_resume(adding->call, respond, adding);
}

void weir_api_add_offsets_to_txn(struct weir_call *call)
{
    const struct weir_add_offsets_to_txn_request *request = call->body;
    struct adding *adding = WEIR_CALL_ALLOC(call, struct adding, 1);
    if (adding == NULL) {
        weir_call_close(call);
        return;
    }
    int32_t partition = weir_coordinator_partition_of(
        weir_group_service_coordinator(call->api->options.groups), request->group_id);
    if (partition < 0) {
        answer(call, WEIR_COORDINATOR_NOT_AVAILABLE); /* who looks the group up creates the topic */
        return;
    }
    adding->call = call;
    adding->partition = (struct weir_txn_partition){.topic = WEIR_SLICE("__consumer_offsets"),
                                                    .partition = partition};
    adding->add = (struct weir_txn_add){.op = {.done = on_done},
                                        .transactional_id = request->transactional_id,
                                        .producer_id = request->producer_id,
                                        .producer_epoch = request->producer_epoch,
                                        .partitions = &adding->partition,
                                        .partition_count = 1};
    weir_txn_add(call->api->options.txns, &adding->add);
}
