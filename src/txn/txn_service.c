/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The operations of txn_service.h: each finds its shard and becomes one event there.  An operation
 * that turns out to need a producer id leaves the machine as it was, gets one, and comes again; an id
 * that is not needed then is lost, which is what ids are for.
 *
 * Here, too, is what leaves a machine for the outside and comes back: rounds of markers, and requests
 * for ids that no client waits for.  Both find the machine by partition and serial, never by pointer.
 */

#include "txn_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

struct weir_txn_service {
    struct txn_context context;
    struct weir_coordinator *coordinator;
};

struct weir_txn_config weir_txn_config_default(void)
{
    return (struct weir_txn_config){.transactional_id_expiration_ms = 7 * 24 * 3600 * 1000,
                                    .max_timeout_ms = 900000,
                                    .abort_timed_out_interval_ms = 10000,
                                    .remove_expired_interval_ms = 3600000,
                                    .is_two_phase_commit_enabled = false,
                                    .append_timeout_ms = 30000,
                                    .load_buffer_bytes = 5242880};
}

enum weir_status weir_txn_service_new(const struct weir_txn_service_options *options,
                                      struct weir_txn_service **out)
{
    struct weir_txn_service *service = weir_calloc(1, sizeof(*service));
    if (service == NULL)
        return WEIR_NO_MEMORY;
    struct txn_context *context = &service->context;
    context->config = options->config;
    atomic_init(&context->transaction_version, 0);
    atomic_init(&context->next_serial, 1);
    atomic_init(&context->outside, 0);
    context->log = options->log;
    context->producer_ids = options->producer_ids;
    context->markers = options->markers;
    context->markers_context = options->markers_context;
    struct weir_coordinator_options coordinator = {
        .env = options->env,
        .pool = options->pool,
        .log = options->log,
        .topic = "__transaction_state",
        .port = options->port,
        .port_context = options->port_context,
        .ops = &txn_machine_ops,
        .machine_context = context,
        .commit_timeout_ms = options->config.append_timeout_ms,
        .load_buffer_bytes = options->config.load_buffer_bytes,
        .base_sequence = -1};
    enum weir_status status = weir_coordinator_new(&coordinator, &service->coordinator);
    if (status != WEIR_OK) {
        weir_free(service);
        return status;
    }
    context->coordinator = service->coordinator;
    *out = service;
    return WEIR_OK;
}

void weir_txn_service_stop(struct weir_txn_service *service)
{
    weir_coordinator_stop(service->coordinator);
}

void weir_txn_service_free(struct weir_txn_service *service)
{
    if (service == NULL)
        return;
    WEIR_ASSERT(atomic_load(&service->context.outside) == 0);
    weir_coordinator_free(service->coordinator);
    weir_free(service);
}

struct weir_coordinator *weir_txn_service_coordinator(struct weir_txn_service *service)
{
    return service->coordinator;
}

void weir_txn_service_set_transaction_version(struct weir_txn_service *service, int16_t level)
{
    atomic_store_explicit(&service->context.transaction_version, level, memory_order_relaxed);
}

/* ---- Operations ---- */

void weir_txn_op_free(struct weir_txn_op *op)
{
    weir_arena_done(&op->arena);
}

static void run_done(struct weir_completion *completion)
{
    struct weir_txn_op *op = WEIR_CONTAINER_OF(completion, struct weir_txn_op, completion);
    op->done(op);
}

static void op_start(struct weir_txn_service *service, struct weir_txn_op *op)
{
    weir_arena_init(&op->arena, 0);
    op->status = WEIR_OK;
    op->service = service;
    op->completion = (struct weir_completion){.run = run_done};
}

static enum weir_status run_event(struct weir_txn_service *service, struct weir_slice id,
                                  struct weir_shard_event *event)
{
    int32_t partition = weir_coordinator_partition_of(service->coordinator, id);
    struct weir_shard *shard = weir_coordinator_find(service->coordinator, partition);
    if (shard == NULL)
        return WEIR_NOT_COORDINATOR;
    enum weir_status status = weir_shard_run(shard, event);
    weir_shard_unref(shard);
    return status;
}

/* ---- InitProducerId ---- */

struct init_event {
    struct weir_shard_event event;
    struct weir_txn_init *init;
    int64_t fresh_id;
    bool needs_id;
};

static void finish_init(struct weir_txn_init *init, enum weir_status status, int64_t producer_id,
                        int16_t epoch)
{
    init->op.status = status;
    init->producer_id = producer_id;
    init->producer_epoch = epoch;
    init->op.done(&init->op);
}

static void apply_init(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct init_event *self = WEIR_CONTAINER_OF(event, struct init_event, event);
    self->needs_id = !txn_init(machine, self->init, self->fresh_id, step);
}

static void init_id_arrived(struct weir_producer_id_waiter *waiter, enum weir_status status,
                            int64_t producer_id);

/* init may be gone afterwards. */
static void run_init(struct weir_txn_init *init, int64_t fresh_id)
{
    struct weir_txn_service *service = init->op.service;
    struct init_event event = {.event = {apply_init}, .init = init, .fresh_id = fresh_id};
    enum weir_status status = run_event(service, init->transactional_id, &event.event);
    if (status != WEIR_OK) {
        finish_init(init, status, NO_PRODUCER_ID, NO_PRODUCER_EPOCH);
    } else if (event.needs_id) {
        init->op.waiter = (struct weir_producer_id_waiter){.done = init_id_arrived};
        weir_producer_ids_take(service->context.producer_ids, &init->op.waiter);
    }
}

static void init_id_arrived(struct weir_producer_id_waiter *waiter, enum weir_status status,
                            int64_t producer_id)
{
    struct weir_txn_op *op = WEIR_CONTAINER_OF(waiter, struct weir_txn_op, waiter);
    struct weir_txn_init *init = WEIR_CONTAINER_OF(op, struct weir_txn_init, op);
    if (status != WEIR_OK) /* what Apache Kafka says while it has none: clients come again */
        finish_init(init, WEIR_COORDINATOR_LOAD_IN_PROGRESS, NO_PRODUCER_ID, NO_PRODUCER_EPOCH);
    else if (weir_slice_is_null(init->transactional_id))
        finish_init(init, WEIR_OK, producer_id, 0);
    else
        run_init(init, producer_id);
}

/* In Apache Kafka's order. */
static enum weir_status check_init(const struct weir_txn_config *config,
                                   const struct weir_txn_init *init)
{
    if (init->transactional_id.size == 0)
        return WEIR_INVALID_REQUEST;
    if (init->enable_two_phase_commit && !config->is_two_phase_commit_enabled)
        return WEIR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (init->keep_prepared_txn)
        return WEIR_UNSUPPORTED_VERSION;
    if (!init->enable_two_phase_commit &&
        (init->timeout_ms <= 0 || init->timeout_ms > config->max_timeout_ms))
        return WEIR_INVALID_TRANSACTION_TIMEOUT;
    return WEIR_OK;
}

void weir_txn_init(struct weir_txn_service *service, struct weir_txn_init *init)
{
    op_start(service, &init->op);
    if (weir_slice_is_null(init->transactional_id)) {
        init->op.waiter = (struct weir_producer_id_waiter){.done = init_id_arrived};
        weir_producer_ids_take(service->context.producer_ids, &init->op.waiter);
        return;
    }
    enum weir_status status = check_init(&service->context.config, init);
    if (status == WEIR_OK)
        run_init(init, NO_PRODUCER_ID);
    else
        finish_init(init, status, NO_PRODUCER_ID, NO_PRODUCER_EPOCH);
}

/* ---- AddPartitionsToTxn ---- */

struct add_event {
    struct weir_shard_event event;
    struct weir_txn_add *add;
};

static void apply_add(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    txn_add(machine, WEIR_CONTAINER_OF(event, struct add_event, event)->add, step);
}

void weir_txn_add(struct weir_txn_service *service, struct weir_txn_add *add)
{
    op_start(service, &add->op);
    struct add_event event = {.event = {apply_add}, .add = add};
    enum weir_status status = add->transactional_id.size == 0
                                  ? WEIR_INVALID_REQUEST
                                  : run_event(service, add->transactional_id, &event.event);
    if (status == WEIR_OK)
        return;
    add->op.status = status;
    for (size_t i = 0; i < add->partition_count; i++)
        add->partitions[i].status = status;
    add->op.done(&add->op);
}

/* ---- EndTxn ---- */

struct end_event {
    struct weir_shard_event event;
    struct weir_txn_end *end;
    int64_t fresh_id;
    bool needs_id;
};

static void finish_end(struct weir_txn_end *end, enum weir_status status)
{
    end->op.status = status;
    end->new_producer_id = NO_PRODUCER_ID;
    end->new_producer_epoch = NO_PRODUCER_EPOCH;
    end->op.done(&end->op);
}

static void apply_end(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct end_event *self = WEIR_CONTAINER_OF(event, struct end_event, event);
    self->needs_id = !txn_end(machine, self->end, self->fresh_id, step);
}

static void end_id_arrived(struct weir_producer_id_waiter *waiter, enum weir_status status,
                           int64_t producer_id);

/* end may be gone afterwards. */
static void run_end(struct weir_txn_end *end, int64_t fresh_id)
{
    struct weir_txn_service *service = end->op.service;
    struct end_event event = {.event = {apply_end}, .end = end, .fresh_id = fresh_id};
    enum weir_status status = run_event(service, end->transactional_id, &event.event);
    if (status != WEIR_OK) {
        finish_end(end, status);
    } else if (event.needs_id) {
        end->op.waiter = (struct weir_producer_id_waiter){.done = end_id_arrived};
        weir_producer_ids_take(service->context.producer_ids, &end->op.waiter);
    }
}

static void end_id_arrived(struct weir_producer_id_waiter *waiter, enum weir_status status,
                           int64_t producer_id)
{
    struct weir_txn_op *op = WEIR_CONTAINER_OF(waiter, struct weir_txn_op, waiter);
    struct weir_txn_end *end = WEIR_CONTAINER_OF(op, struct weir_txn_end, op);
    if (status == WEIR_OK)
        run_end(end, producer_id);
    else
        finish_end(end, WEIR_COORDINATOR_LOAD_IN_PROGRESS);
}

void weir_txn_end(struct weir_txn_service *service, struct weir_txn_end *end)
{
    op_start(service, &end->op);
    if (end->transactional_id.size == 0)
        finish_end(end, WEIR_INVALID_REQUEST);
    else
        run_end(end, NO_PRODUCER_ID);
}

/* ---- ListTransactions, DescribeTransactions ---- */

struct list_event {
    struct weir_shard_event event;
    struct list_collector *collector;
};

static void apply_list(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    list_collect(machine, WEIR_CONTAINER_OF(event, struct list_event, event)->collector,
                 step->wall_ms);
}

void weir_txn_list(struct weir_txn_service *service, struct weir_txn_list *list)
{
    op_start(service, &list->op);
    list->transactions = NULL;
    list->transaction_count = 0;
    list->unknown_state_count = 0;
    struct list_collector collector = {.list = list};
    struct list_event event = {.event = {apply_list}, .collector = &collector};
    enum weir_status status = list_begin(&collector);
    if (status == WEIR_OK)
        status = weir_coordinator_run_all(service->coordinator, &event.event, true);
    if (list->op.status == WEIR_OK)
        list->op.status = status;
    list_end(&collector);
    list->op.done(&list->op);
}

struct describe_event {
    struct weir_shard_event event;
    struct weir_txn_describe *describe;
};

static void apply_describe(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    txn_describe(machine, WEIR_CONTAINER_OF(event, struct describe_event, event)->describe);
}

void weir_txn_describe(struct weir_txn_service *service, struct weir_txn_describe *describe)
{
    op_start(service, &describe->op);
    describe->producer_id = NO_PRODUCER_ID;
    describe->producer_epoch = NO_PRODUCER_EPOCH;
    describe->state = WEIR_EMPTY_SLICE;
    describe->timeout_ms = 0;
    describe->start_ms = NO_TIMESTAMP;
    describe->partitions = NULL;
    describe->partition_count = 0;
    struct describe_event event = {.event = {apply_describe}, .describe = describe};
    enum weir_status status = describe->transactional_id.size == 0
                                  ? WEIR_INVALID_REQUEST
                                  : run_event(service, describe->transactional_id, &event.event);
    if (status != WEIR_OK)
        describe->op.status = status;
    describe->op.done(&describe->op);
}

/* ---- To the outside and back ---- */

/* Runs the event in the shard of the partition, if there is one that serves. */
static void run_in_partition(struct txn_context *context, int32_t partition,
                             struct weir_shard_event *event)
{
    struct weir_shard *shard = weir_coordinator_find(context->coordinator, partition);
    if (shard == NULL)
        return;
    /* A machine that is gone has nothing to be told. */
    (void)(weir_shard_run(shard, event) == WEIR_OK);
    weir_shard_unref(shard);
}

struct round_event {
    struct weir_shard_event event;
    const struct marker_round *round;
};

static void apply_round(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    markers_returned(machine, WEIR_CONTAINER_OF(event, struct round_event, event)->round, step);
}

static void round_done(struct weir_txn_markers *markers)
{
    struct marker_round *round = WEIR_CONTAINER_OF(markers, struct marker_round, markers);
    struct txn_context *context = round->context;
    struct round_event event = {.event = {apply_round}, .round = round};
    run_in_partition(context, round->partition, &event.event);
    weir_free(round);
    atomic_fetch_sub(&context->outside, 1);
}

struct send_event {
    struct weir_shard_event event;
    const struct marker_round *round;
    bool is_current;
};

static void apply_send(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    (void)step;
    struct send_event *self = WEIR_CONTAINER_OF(event, struct send_event, event);
    self->is_current = ((const struct txn_machine *)machine)->serial == self->round->serial;
}

/* The epoch is read before the machine is seen to be there still: markers of a machine that is being
 * replaced have the old one, so that partitions which heard of the new machine refuse them. */
void round_send(struct weir_completion *completion)
{
    struct marker_round *round = WEIR_CONTAINER_OF(completion, struct marker_round, completion);
    struct txn_context *context = round->context;
    struct send_event event = {.event = {apply_send}, .round = round};
    struct weir_shard *shard = weir_coordinator_find(context->coordinator, round->partition);
    if (shard != NULL) {
        round->markers.coordinator_epoch = weir_shard_leader_epoch(shard);
        if (weir_shard_run(shard, &event.event) != WEIR_OK)
            event.is_current = false;
        weir_shard_unref(shard);
    }
    if (!event.is_current) { /* whoever leads the partition now sends its own */
        weir_free(round);
        atomic_fetch_sub(&context->outside, 1);
        return;
    }
    round->markers.done = round_done;
    context->markers->write(context->markers_context, &round->markers);
}

struct fence_event {
    struct weir_shard_event event;
    const struct fence_request *request;
};

static void apply_fence(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    expiry_fence(machine, WEIR_CONTAINER_OF(event, struct fence_event, event)->request, step);
}

static void fence_id_arrived(struct weir_producer_id_waiter *waiter, enum weir_status status,
                             int64_t producer_id)
{
    struct fence_request *request = WEIR_CONTAINER_OF(waiter, struct fence_request, waiter);
    struct txn_context *context = request->context;
    request->fresh_id = producer_id;
    struct fence_event event = {.event = {apply_fence}, .request = request};
    if (status == WEIR_OK)
        run_in_partition(context, request->partition, &event.event);
    else
        WEIR_LOG_WARN(context->log, "transaction_abort_put_off",
                      WEIR_BYTES("transactional_id", weir_slice_of(request->id, request->id_size)),
                      WEIR_STR("status", weir_status_name(status)),
                      WEIR_STR("next", "no producer id for it: it is tried again"));
    weir_free(request);
    atomic_fetch_sub(&context->outside, 1);
}

void fence_request_send(struct weir_completion *completion)
{
    struct fence_request *request = WEIR_CONTAINER_OF(completion, struct fence_request, completion);
    request->waiter.done = fence_id_arrived;
    weir_producer_ids_take(request->context->producer_ids, &request->waiter);
}
