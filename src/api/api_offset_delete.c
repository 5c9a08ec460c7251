/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OffsetDelete (KIP-496).  Partitions that do not exist are refused here; the group is asked in any
 * case, and when it refuses, its error is all of the answer.
 */

#include "api_int.h"
#include "call_state.h"
#include "topic_slots.h"

#include "weir/protocol/messages/offset_delete_request.h"
#include "weir/protocol/messages/offset_delete_response.h"

typedef struct weir_offset_delete_request request_t;
typedef struct weir_offset_delete_request_offset_delete_request_topic asked_topic_t;
typedef struct weir_offset_delete_response_offset_delete_response_topic topic_t;
typedef struct weir_offset_delete_response_offset_delete_response_partition partition_t;

struct removing {
    struct weir_offset_delete remove; /* items are in the call's arena */
    struct weir_call *call;
    struct weir_offset_delete_response response;
    partition_t **results; /* of each item, in the response */
};

static bool has_partition(const struct weir_image_topic *topic, int32_t partition)
{
    return topic != NULL && partition >= 0 && partition < topic->partition_count;
}

static bool has_unknown(const struct weir_call *call)
{
    const request_t *request = call->body;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const asked_topic_t *asked = &request->topics.items[t];
        const struct weir_image_topic *topic = weir_image_topic(call->image, asked->name);
        if (topic == NULL)
            return true;
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            if (!has_partition(topic, asked->partitions.items[p].partition_index))
                return true;
        }
    }
    return false;
}

static enum weir_status make_slots(struct weir_call *call, struct weir_topic_slots *out)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->topics.count;
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    size_t *partition_counts = WEIR_CALL_ALLOC(call, size_t, count);
    if (keys == NULL || partition_counts == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < count; t++) {
        keys[t] = request->topics.items[t].name;
        partition_counts[t] = (size_t)request->topics.items[t].partitions.count;
    }
    return weir_topic_slots_make(call->arena, keys, partition_counts, count, has_unknown(call),
                                 out);
}

/* Puts the topic's partitions into their place of the answer, and those that exist into the
 * operation too. */
static void add_topic(struct removing *removing, const asked_topic_t *asked,
                      const struct weir_image_topic *topic, topic_t *out)
{
    struct weir_offset_delete *remove = &removing->remove;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        partition_t *result = &out->partitions.items[out->partitions.count++];
        weir_offset_delete_response_offset_delete_response_partition_init(result);
        result->partition_index = asked->partitions.items[p].partition_index;
        if (!has_partition(topic, result->partition_index)) {
            result->error_code = WEIR_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            continue;
        }
        removing->results[remove->item_count] = result;
        remove->items[remove->item_count].topic = topic->name;
        remove->items[remove->item_count++].partition = result->partition_index;
    }
}

static enum weir_status fill_topics(struct removing *removing, const struct weir_topic_slots *slots)
{
    struct weir_call *call = removing->call;
    const request_t *request = call->body;
    const size_t count = (size_t)request->topics.count;
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, count);
    bool *is_present = WEIR_CALL_ALLOC(call, bool, count);
    if (topics == NULL || is_present == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < count; t++) {
        const asked_topic_t *asked = &request->topics.items[t];
        const struct weir_image_topic *topic = weir_image_topic(call->image, asked->name);
        const size_t slot = slots->slot[t];
        if (slot == t) {
            weir_offset_delete_response_offset_delete_response_topic_init(&topics[t]);
            topics[t].name = asked->name;
            topics[t].partitions.items = WEIR_CALL_ALLOC(call, partition_t, slots->capacity[t]);
            if (topics[t].partitions.items == NULL)
                return WEIR_NO_MEMORY;
        }
        add_topic(removing, asked, topic, &topics[slot]);
        /* A topic that exists and is named without a partition is passed over. */
        is_present[slot] = is_present[slot] || topic == NULL || asked->partitions.count > 0;
    }
    removing->response.topics.items = topics;
    for (size_t t = 0; t < count; t++) {
        if (is_present[t])
            topics[removing->response.topics.count++] = topics[t];
    }
    return WEIR_OK;
}

static enum weir_status prepare(struct removing *removing)
{
    struct weir_call *call = removing->call;
    const request_t *request = call->body;
    size_t partition_count = 0;
    for (int32_t t = 0; t < request->topics.count; t++)
        partition_count += (size_t)request->topics.items[t].partitions.count;
    removing->remove.items = WEIR_CALL_ALLOC(call, struct weir_offset_delete_item, partition_count);
    removing->results = WEIR_CALL_ALLOC(call, partition_t *, partition_count);
    struct weir_topic_slots slots;
    if (removing->remove.items == NULL || removing->results == NULL ||
        make_slots(call, &slots) != WEIR_OK)
        return WEIR_NO_MEMORY;
    return fill_topics(removing, &slots);
}

static void respond(struct weir_call *call, void *argument)
{
    struct removing *removing = argument;
    const struct weir_offset_delete *remove = &removing->remove;
    removing->response.error_code = weir_code(remove->op.status);
    if (remove->op.status != WEIR_OK)
        removing->response.topics.count = 0;
    for (size_t i = 0; i < remove->item_count; i++)
        removing->results[i]->error_code = weir_code(remove->items[i].status);
    weir_call_respond(call, &removing->response);
    weir_group_op_free(&removing->remove.op);
    weir_free(removing);
}

static void on_done(struct weir_group_op *op)
{
    struct removing *removing = WEIR_CONTAINER_OF(op, struct removing, remove.op);
    weir_call_resume(removing->call, respond, removing);
}

void weir_api_offset_delete(struct weir_call *call)
{
    const request_t *request = call->body;
    struct removing *removing = weir_call_state_new(sizeof(*removing), 0, 0);
    if (removing == NULL) {
        weir_call_close(call);
        return;
    }
    removing->call = call;
    weir_offset_delete_response_init(&removing->response);
    if (prepare(removing) != WEIR_OK) {
        weir_call_close(call);
        weir_free(removing);
        return;
    }
    removing->remove.op.done = on_done;
    weir_group_offset_delete(call->api->options.groups, request->group_id, &removing->remove);
}
