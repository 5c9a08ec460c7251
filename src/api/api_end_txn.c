/* SPDX-License-Identifier: Apache-2.0 */
/* EndTxn (key 26): commits or aborts.  Answered when the decision is written; the markers follow.
 * Version 5 is transaction version 2, whose answer carries the epoch of the next transaction. */
#include "api_int.h"

#include "weir/protocol/messages/end_txn_request.h"
#include "weir/protocol/messages/end_txn_response.h"
#include "weir/txn/txn_service.h"

struct ending {
    struct weir_txn_end end;
    struct weir_call *call;
};

static void respond(struct weir_call *call, void *argument)
{
    struct ending *ending = argument;
    struct weir_end_txn_response response;
    weir_end_txn_response_init(&response);
    enum weir_status status = ending->end.op.status;
    if (status == WEIR_PRODUCER_FENCED && call->version < 2)
        status = WEIR_INVALID_PRODUCER_EPOCH; /* KIP-588 */
    response.error_code = weir_code(status);
    response.producer_id = status == WEIR_OK ? ending->end.new_producer_id : -1;
    response.producer_epoch = status == WEIR_OK ? ending->end.new_producer_epoch : -1;
    weir_txn_op_free(&ending->end.op);
    weir_call_respond(call, &response);
}

static void on_done(struct weir_txn_op *op)
{
    struct ending *ending = WEIR_CONTAINER_OF(op, struct ending, end.op);
    weir_call_resume(ending->call, respond, ending);
}

void weir_api_end_txn(struct weir_call *call)
{
    const struct weir_end_txn_request *request = call->body;
    struct ending *ending = WEIR_CALL_ALLOC(call, struct ending, 1);
    if (ending == NULL) {
        weir_call_close(call);
        return;
    }
    ending->call = call;
    ending->end = (struct weir_txn_end){
        .op = {.done = on_done},
        .transactional_id = request->transactional_id,
        .producer_id = request->producer_id,
        .producer_epoch = request->producer_epoch,
        .is_commit = request->committed,
        .client_transaction_version = weir_end_txn_response_has_producer_id(call->version) ? 2 : 0};
    weir_txn_end(call->api->options.txns, &ending->end);
}
