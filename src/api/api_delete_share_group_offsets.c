/* SPDX-License-Identifier: Apache-2.0 */

/* DeleteShareGroupOffsets: a share group without members forgets topics. */

#include "api_int.h"
#include "call_state.h"
#include "repeats.h"
#include "share_calls.h"
#include "share_group_calls.h"

#include "weir/group/share_groups.h"
#include "weir/protocol/messages/delete_share_group_offsets_request.h"
#include "weir/protocol/messages/delete_share_group_offsets_response.h"

typedef struct weir_delete_share_group_offsets_request request_t;
typedef struct weir_delete_share_group_offsets_response response_t;
typedef struct weir_delete_share_group_offsets_response_delete_share_group_offsets_response_topic
    topic_t;

struct deleting {
    struct weir_share_delete remove;
    struct weir_call *call;
    struct weir_share_delete_item items[];
};

static void add_topic(const struct weir_share_delete_item *item, response_t *response)
{
    topic_t *topic = &response->responses.items[response->responses.count++];
    weir_delete_share_group_offsets_response_delete_share_group_offsets_response_topic_init(topic);
    topic->topic_name = item->topic;
    topic->topic_id = item->topic_id;
    topic->error_code = weir_code(item->status);
    topic->error_message = weir_share_error_text(item->status, item->message);
}

/* What was refused comes last, as in Apache Kafka; a topic that was deleted is answered once. */
static bool fill_topics(struct weir_call *call, const struct deleting *deleting,
                        response_t *response)
{
    const size_t count = deleting->remove.item_count;
    struct weir_slice *names = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    size_t *first;
    response->responses.items = WEIR_CALL_ALLOC(call, topic_t, count);
    if (names == NULL || response->responses.items == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        names[i] = deleting->items[i].topic;
    if (weir_find_firsts(call->arena, names, count, &first) != WEIR_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!weir_uuid_is_zero(deleting->items[i].topic_id) && first[i] == i)
            add_topic(&deleting->items[i], response);
    }
    for (size_t i = 0; i < count; i++) {
        if (weir_uuid_is_zero(deleting->items[i].topic_id))
            add_topic(&deleting->items[i], response);
    }
    return true;
}

static void respond(struct weir_call *call, void *argument)
{
    struct deleting *deleting = argument;
    const enum weir_status status = deleting->remove.op.status;
    response_t response;
    weir_delete_share_group_offsets_response_init(&response);
    response.error_code = weir_code(status);
    response.error_message = weir_share_error_text(status, deleting->remove.message);
    if (status != WEIR_OK || fill_topics(call, deleting, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    weir_group_op_free(&deleting->remove.op);
    weir_free(deleting);
}

static void on_done(struct weir_group_op *op)
{
    struct deleting *deleting = WEIR_CONTAINER_OF(op, struct deleting, remove.op);
    weir_call_resume(deleting->call, respond, deleting);
}

void weir_api_delete_share_group_offsets(struct weir_call *call)
{
    const request_t *request = call->body;
    if (!share_groups_are_enabled(call)) {
        response_t response;
        weir_delete_share_group_offsets_response_init(&response);
        response.error_code = WEIR_ERROR_UNSUPPORTED_VERSION;
        weir_call_respond(call, &response);
        return;
    }
    const size_t count = (size_t)request->topics.count;
    struct deleting *deleting =
        weir_call_state_new(sizeof(*deleting), count, sizeof(deleting->items[0]));
    if (deleting == NULL) {
        weir_call_close(call);
        return;
    }
    for (size_t i = 0; i < count; i++)
        deleting->items[i].topic = request->topics.items[i].topic_name;
    deleting->call = call;
    deleting->remove.op.done = on_done;
    deleting->remove.message = WEIR_NULL_SLICE;
    deleting->remove.items = deleting->items;
    deleting->remove.item_count = count;
    weir_group_share_delete(call->api->options.groups, request->group_id, &deleting->remove);
}
