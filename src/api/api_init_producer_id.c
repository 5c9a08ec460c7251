/* SPDX-License-Identifier: Apache-2.0 */
/* InitProducerId (key 22): a fresh id for idempotent producers, id and epoch of a transactional id
 * for transactional ones, whose earlier producers are fenced by it. */
#include "api_int.h"

#include "weir/protocol/messages/init_producer_id_request.h"
#include "weir/protocol/messages/init_producer_id_response.h"
#include "weir/txn/txn_service.h"

struct init_producer_id {
    struct weir_txn_init init;
    struct weir_call *call;
};

static void answer(struct weir_call *call, enum weir_status status, int64_t producer_id,
                   int16_t producer_epoch)
{
    struct weir_init_producer_id_response response;
    weir_init_producer_id_response_init(&response);
    if (status == WEIR_PRODUCER_FENCED && call->version < 4)
        status = WEIR_INVALID_PRODUCER_EPOCH; /* KIP-588 */
    response.error_code = weir_code(status);
    response.producer_id = status == WEIR_OK ? producer_id : -1;
    response.producer_epoch = status == WEIR_OK ? producer_epoch : -1;
    weir_call_respond(call, &response);
}

static void respond(struct weir_call *call, void *argument)
{
    struct init_producer_id *work = argument;
    enum weir_status status = work->init.op.status;
    weir_txn_op_free(&work->init.op);
    answer(call, status, work->init.producer_id, work->init.producer_epoch);
}

static void on_done(struct weir_txn_op *op)
{
    struct init_producer_id *work = WEIR_CONTAINER_OF(op, struct init_producer_id, init.op);
    weir_call_resume(work->call, respond, work);
}

void weir_api_init_producer_id(struct weir_call *call)
{
    const struct weir_init_producer_id_request *request = call->body;
    struct init_producer_id *work = WEIR_CALL_ALLOC(call, struct init_producer_id, 1);
    if (work == NULL) {
        weir_call_close(call);
        return;
    }
    bool has_id = request->producer_id != -1;
    bool has_epoch = request->producer_epoch != -1;
    if (has_id != has_epoch) {
        answer(call, WEIR_INVALID_REQUEST, -1, -1);
        return;
    }
    work->call = call;
    work->init = (struct weir_txn_init){.op = {.done = on_done},
                                        .transactional_id = request->transactional_id,
                                        .timeout_ms = request->transaction_timeout_ms,
                                        .expected_producer_id = request->producer_id,
                                        .expected_producer_epoch = request->producer_epoch,
                                        .enable_two_phase_commit = request->enable2_pc,
                                        .keep_prepared_txn = request->keep_prepared_txn};
    weir_txn_init(call->api->options.txns, &work->init);
}
