/* SPDX-License-Identifier: Apache-2.0 */

/* CreatePartitions.  Names that come twice are refused here, the rest is the controller's to
 * decide. */

#include "api_int.h"
#include "repeats.h"
#include "texts.h"

#include "weir/protocol/messages/create_partitions_request.h"
#include "weir/protocol/messages/create_partitions_response.h"

typedef struct weir_create_partitions_request request_t;
typedef struct weir_create_partitions_request_create_partitions_topic asked_t;
typedef struct weir_create_partitions_response_create_partitions_topic_result result_t;

struct growth {
    struct weir_controller_op op;
    enum weir_occurrence *occurrences; /* of each topic of the request */
};

static enum weir_status find_repeated_names(struct weir_call *call, const request_t *request,
                                            struct growth *growth)
{
    const size_t count = (size_t)request->topics.count;
    struct weir_slice *names = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[i] = request->topics.items[i].name;
    return weir_find_repeats(call->arena, names, count, &growth->occurrences);
}

static enum weir_status fill_topic(struct weir_call *call, const asked_t *asked,
                                   struct weir_topic_growth *out)
{
    out->name = asked->name;
    out->partition_count = asked->count;
    out->has_assignments = asked->assignments.count >= 0;
    if (!out->has_assignments)
        return WEIR_OK;
    const size_t count = (size_t)asked->assignments.count;
    struct weir_replica_assignment *assignments =
        WEIR_CALL_ALLOC(call, struct weir_replica_assignment, count);
    if (assignments == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        assignments[i].replicas = asked->assignments.items[i].broker_ids.items;
        assignments[i].replica_count = (size_t)asked->assignments.items[i].broker_ids.count;
    }
    out->assignments = assignments;
    out->assignment_count = count;
    return WEIR_OK;
}

static enum weir_status fill_operation(struct weir_call *call, const request_t *request,
                                       struct growth *growth)
{
    struct weir_create_partitions_op *op = &growth->op.create_partitions;
    growth->op.kind = WEIR_CONTROLLER_CREATE_PARTITIONS;
    op->validate_only = request->validate_only;
    op->topics = WEIR_CALL_ALLOC(call, struct weir_topic_growth, request->topics.count);
    if (op->topics == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < request->topics.count; i++) {
        if (growth->occurrences[i] != WEIR_OCCURS_ONCE)
            continue;
        const enum weir_status status =
            fill_topic(call, &request->topics.items[i], &op->topics[op->topic_count++]);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static void fill_result(result_t *result, struct weir_slice name, int16_t code,
                        struct weir_slice message)
{
    weir_create_partitions_response_create_partitions_topic_result_init(result);
    result->name = name;
    result->error_code = code;
    result->error_message = message;
}

static void respond_all(struct weir_call *call, const struct growth *growth, bool is_timed_out)
{
    const request_t *request = call->body;
    struct weir_create_partitions_response response;
    weir_create_partitions_response_init(&response);
    response.results.items = WEIR_CALL_ALLOC(call, result_t, request->topics.count);
    if (response.results.items == NULL) {
        weir_call_close(call);
        return;
    }
    const struct weir_topic_growth *decided = growth->op.create_partitions.topics;
    for (int32_t i = 0; i < request->topics.count; i++) {
        const struct weir_slice name = request->topics.items[i].name;
        if (growth->occurrences[i] == WEIR_OCCURS_REPEATED)
            continue;
        result_t *result = &response.results.items[response.results.count++];
        if (is_timed_out) {
            fill_result(result, name, WEIR_ERROR_REQUEST_TIMED_OUT, WEIR_NULL_SLICE);
        } else if (growth->occurrences[i] == WEIR_OCCURS_FIRST) {
            fill_result(result, name, WEIR_ERROR_INVALID_REQUEST, WEIR_TEXT_DUPLICATE_TOPIC_NAME);
        } else {
            const struct weir_controller_result *why =
                growth->op.result.status != WEIR_OK ? &growth->op.result : &decided->result;
            fill_result(result, name, weir_code(why->status), why->message);
            decided++;
        }
    }
    weir_call_respond(call, &response);
}

static void respond(struct weir_call *call, struct weir_controller_op *op)
{
    respond_all(call, WEIR_CONTAINER_OF(op, struct growth, op), false);
}

void weir_api_create_partitions(struct weir_call *call)
{
    const request_t *request = call->body;
    struct growth *growth = WEIR_CALL_ALLOC(call, struct growth, 1);
    if (growth == NULL || find_repeated_names(call, request, growth) != WEIR_OK ||
        fill_operation(call, request, growth) != WEIR_OK) {
        weir_call_close(call);
        return;
    }
    if (growth->op.create_partitions.topic_count == 0)
        respond_all(call, growth, false);
    else if (request->timeout_ms <=
             0) /* late when the controller comes to it: nothing is changed */
        respond_all(call, growth, true);
    else
        weir_call_control(call, &growth->op, respond);
}
