/* SPDX-License-Identifier: Apache-2.0 */

/* ListGroups: of the groups this broker coordinates, those in the wanted states and of the wanted
 * types. */

#include "api_int.h"

#include "weir/protocol/messages/list_groups_request.h"
#include "weir/protocol/messages/list_groups_response.h"

typedef struct weir_list_groups_response_listed_group group_t;

/* False when memory is out. */
static bool fill_groups(struct weir_call *call, const struct weir_group_list *list,
                        struct weir_list_groups_response *response)
{
    response->groups.items = WEIR_CALL_ALLOC(call, group_t, list->group_count);
    if (response->groups.items == NULL)
        return false;
    response->groups.count = (int32_t)list->group_count;
    for (size_t i = 0; i < list->group_count; i++) {
        group_t *group = &response->groups.items[i];
        weir_list_groups_response_listed_group_init(group);
        group->group_id = list->groups[i].group_id;
        group->protocol_type = list->groups[i].protocol_type;
        group->group_state = list->groups[i].state;
        group->group_type = list->groups[i].type;
    }
    return true;
}

/* The service lists before it returns. */
static void on_done(struct weir_group_op *op)
{
    (void)op;
}

void weir_api_list_groups(struct weir_call *call)
{
    const struct weir_list_groups_request *request = call->body;
    const struct weir_group_list_request wanted = {
        .states = request->states_filter.items,
        .state_count = (size_t)request->states_filter.count,
        .types = request->types_filter.items,
        .type_count = (size_t)request->types_filter.count,
    };
    struct weir_group_list list = {.op.done = on_done};
    weir_group_list(call->api->options.groups, &wanted, &list);
    struct weir_list_groups_response response;
    weir_list_groups_response_init(&response);
    response.error_code = weir_code(list.op.status);
    if (fill_groups(call, &list, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    weir_group_op_free(&list.op);
}
