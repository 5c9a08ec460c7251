/* SPDX-License-Identifier: Apache-2.0 */
/* ListTransactions (key 66, KIP-664, KIP-994, KIP-1152). */
#include "api_int.h"
#include "call_state.h"

#include "weir/assign/topic_regex.h"
#include "weir/protocol/messages/list_transactions_request.h"
#include "weir/protocol/messages/list_transactions_response.h"
#include "weir/txn/txn_service.h"

#include <stdlib.h>

typedef struct weir_list_transactions_response_transaction_state state_t;

/* Listing never waits: done was called when weir_txn_list returned. */
static void ignore_done(struct weir_txn_op *op)
{
    (void)op;
}

static int compare_states(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

/* Each once. */
static void fill_unknown_states(const struct weir_txn_list *list,
                                struct weir_list_transactions_response *out)
{
    struct weir_slice *states = list->unknown_states;
    if (list->unknown_state_count > 0)
        qsort(states, list->unknown_state_count, sizeof(states[0]), compare_states);
    out->unknown_state_filters.items = states;
    for (size_t i = 0; i < list->unknown_state_count; i++) {
        if (i == 0 || !weir_slice_equal(states[i - 1], states[i]))
            states[out->unknown_state_filters.count++] = states[i];
    }
}

/* False when memory is out. */
static bool fill(struct weir_call *call, const struct weir_txn_list *list,
                 struct weir_list_transactions_response *out)
{
    out->error_code = weir_code(list->op.status);
    if (list->op.status != WEIR_OK)
        return true;
    fill_unknown_states(list, out);
    out->transaction_states.items = WEIR_CALL_ALLOC(call, state_t, list->transaction_count);
    if (out->transaction_states.items == NULL)
        return false;
    out->transaction_states.count = (int32_t)list->transaction_count;
    for (size_t i = 0; i < list->transaction_count; i++) {
        state_t *state = &out->transaction_states.items[i];
        weir_list_transactions_response_transaction_state_init(state);
        state->transactional_id = list->transactions[i].transactional_id;
        state->producer_id = list->transactions[i].producer_id;
        state->transaction_state = list->transactions[i].state;
    }
    return true;
}

static bool is_wanted(void *context, struct weir_slice transactional_id)
{
    return weir_topic_regex_matches(context, transactional_id);
}

static void refuse(struct weir_call *call, enum weir_status status)
{
    struct weir_list_transactions_response response;
    weir_list_transactions_response_init(&response);
    response.error_code = weir_code(status);
    weir_call_respond(call, &response);
}

void weir_api_list_transactions(struct weir_call *call)
{
    const struct weir_list_transactions_request *request = call->body;
    struct weir_topic_regex *pattern = NULL;
    if (request->transactional_id_pattern.size > 0) { /* null and empty: all */
        struct weir_detail why = {{0}};               /* the answer has no place for it */
        enum weir_status status =
            weir_topic_regex_new(request->transactional_id_pattern, &pattern, &why);
        if (status != WEIR_OK) {
            refuse(call, status);
            return;
        }
    }
    struct weir_txn_list list = {.op = {.done = ignore_done},
                                 .states = request->state_filters.items,
                                 .state_count = (size_t)request->state_filters.count,
                                 .producer_ids = request->producer_id_filters.items,
                                 .producer_id_count = (size_t)request->producer_id_filters.count,
                                 .duration_ms = request->duration_filter,
                                 .is_wanted = pattern == NULL ? NULL : is_wanted,
                                 .is_wanted_context = pattern};
    struct weir_list_transactions_response response;
    weir_list_transactions_response_init(&response);
    weir_txn_list(call->api->options.txns, &list);
    if (fill(call, &list, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    weir_txn_op_free(&list.op);
    weir_topic_regex_free(pattern);
}
