/* SPDX-License-Identifier: Apache-2.0 */

/* DeleteGroups: each group on its own; the answer leaves when the last is gone. */

#include "api_int.h"
#include "call_state.h"
#include "repeats.h"

#include "weir/protocol/messages/delete_groups_request.h"
#include "weir/protocol/messages/delete_groups_response.h"

#include <stdatomic.h>

typedef struct weir_delete_groups_request request_t;
typedef struct weir_delete_groups_response_deletable_group_result result_t;

struct deletion {
    struct weir_group_op op;
    struct deletions *all;
    struct weir_slice group_id;
};

struct deletions {
    struct weir_call *call;
    /* Those that are not done, and one more while they are being started.  Acquire and release, so
     * that the last to finish sees what the others wrote. */
    atomic_size_t open_count;
    size_t count;
    struct deletion items[];
};

static void respond(struct weir_call *call, void *argument)
{
    struct deletions *all = argument;
    struct weir_delete_groups_response response;
    weir_delete_groups_response_init(&response);
    response.results.items = WEIR_CALL_ALLOC(call, result_t, all->count);
    const bool has_memory = response.results.items != NULL;
    for (size_t i = 0; has_memory && i < all->count; i++) {
        result_t *result = &response.results.items[response.results.count++];
        weir_delete_groups_response_deletable_group_result_init(result);
        result->group_id = all->items[i].group_id;
        result->error_code = weir_code(all->items[i].op.status);
    }
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    for (size_t i = 0; i < all->count; i++)
        weir_group_op_free(&all->items[i].op);
    weir_free(all);
}

static void finish_one(struct deletions *all)
{
    if (atomic_fetch_sub_explicit(&all->open_count, 1, memory_order_acq_rel) == 1)
        weir_call_resume(all->call, respond, all);
}

static void on_done(struct weir_group_op *op)
{
    finish_one(WEIR_CONTAINER_OF(op, struct deletion, op)->all);
}

void weir_api_delete_groups(struct weir_call *call)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->groups_names.count;
    enum weir_occurrence *occurrences;
    if (weir_find_repeats(call->arena, request->groups_names.items, count, &occurrences) !=
        WEIR_OK) {
        weir_call_close(call);
        return;
    }
    struct deletions *all = weir_call_state_new(sizeof(*all), count, sizeof(all->items[0]));
    if (all == NULL) {
        weir_call_close(call);
        return;
    }
    all->call = call;
    for (size_t i = 0; i < count; i++) {
        if (occurrences[i] == WEIR_OCCURS_REPEATED)
            continue;
        struct deletion *deletion = &all->items[all->count++];
        deletion->op.done = on_done;
        deletion->all = all;
        deletion->group_id = request->groups_names.items[i];
    }
    const size_t started = all->count;
    atomic_init(&all->open_count, started + 1);
    for (size_t i = 0; i < started; i++)
        weir_group_delete(call->api->options.groups, all->items[i].group_id, &all->items[i].op);
    finish_one(all);
}
