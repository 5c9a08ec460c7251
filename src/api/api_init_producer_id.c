/* SPDX-License-Identifier: Apache-2.0 */
/* InitProducerId (key 22) for idempotent producers.  A transactional id needs the transaction
 * coordinator, which this broker does not have: it is refused with INVALID_REQUEST, which clients
 * take as final. */
#include "api_int.h"

#include "weir/protocol/messages/init_producer_id_request.h"
#include "weir/protocol/messages/init_producer_id_response.h"
#include "weir/txn/producer_ids.h"

struct init_producer_id {
    struct weir_producer_id_waiter waiter;
    struct weir_call *call;
    enum weir_status status;
    int64_t producer_id;
};

static void respond(struct weir_call *call, enum weir_status status, int64_t producer_id)
{
    struct weir_init_producer_id_response response;
    weir_init_producer_id_response_init(&response);
    response.error_code = weir_code(status);
    response.producer_id = status == WEIR_OK ? producer_id : -1;
    response.producer_epoch = status == WEIR_OK ? 0 : -1;
    weir_call_respond(call, &response);
}

static void on_loop(struct weir_call *call, void *argument)
{
    struct init_producer_id *work = argument;
    respond(call, work->status, work->producer_id);
}

static void id_arrived(struct weir_producer_id_waiter *waiter, enum weir_status status,
                       int64_t producer_id)
{
    struct init_producer_id *work = WEIR_CONTAINER_OF(waiter, struct init_producer_id, waiter);
    work->status = status == WEIR_OK ? WEIR_OK : WEIR_COORDINATOR_NOT_AVAILABLE;
    work->producer_id = producer_id;
    weir_call_resume(work->call, on_loop, work);
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
    if (!weir_slice_is_null(request->transactional_id) || has_id != has_epoch) {
        respond(call, WEIR_INVALID_REQUEST, -1);
        return;
    }
    work->call = call;
    work->waiter.done = id_arrived;
    weir_producer_ids_take(call->api->producer_ids, &work->waiter);
}
