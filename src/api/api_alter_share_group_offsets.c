/* SPDX-License-Identifier: Apache-2.0 */

/* AlterShareGroupOffsets: where a share group without members is to begin. */

#include "api_int.h"
#include "call_state.h"
#include "repeats.h"
#include "share_calls.h"
#include "share_group_calls.h"

#include "weir/group/share_groups.h"
#include "weir/protocol/messages/alter_share_group_offsets_request.h"
#include "weir/protocol/messages/alter_share_group_offsets_response.h"

typedef struct weir_alter_share_group_offsets_request request_t;
typedef struct weir_alter_share_group_offsets_response response_t;
typedef struct weir_alter_share_group_offsets_response_alter_share_group_offsets_response_topic
    topic_t;
typedef struct weir_alter_share_group_offsets_response_alter_share_group_offsets_response_partition
    partition_t;

struct altering {
    struct weir_share_alter alter;
    struct weir_call *call;
    struct weir_share_alter_item items[];
};

/* Where each of the request's topics is answered: a known topic once, an unknown one each time. */
struct placing {
    const struct weir_image_topic **known;
    size_t *first;
    size_t *rooms; /* partitions to be answered there */
    topic_t **out;
};

static bool placing_make(struct weir_call *call, struct placing *placing)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->topics.count;
    struct weir_slice *names = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    placing->known = WEIR_CALL_ALLOC(call, const struct weir_image_topic *, count);
    placing->rooms = WEIR_CALL_ALLOC(call, size_t, count);
    placing->out = WEIR_CALL_ALLOC(call, topic_t *, count);
    if (names == NULL || placing->known == NULL || placing->rooms == NULL || placing->out == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        names[i] = request->topics.items[i].topic_name;
    if (weir_find_firsts(call->arena, names, count, &placing->first) != WEIR_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        placing->known[i] = weir_image_topic(call->image, names[i]);
        if (placing->known[i] == NULL)
            placing->first[i] = i;
        placing->rooms[i] = 0;
        placing->rooms[placing->first[i]] += (size_t)request->topics.items[i].partitions.count;
    }
    return true;
}

static bool place_topic(struct weir_call *call, const struct placing *placing, size_t index,
                        topic_t *topic)
{
    const request_t *request = call->body;
    weir_alter_share_group_offsets_response_alter_share_group_offsets_response_topic_init(topic);
    topic->topic_name = request->topics.items[index].topic_name;
    if (placing->known[index] != NULL)
        topic->topic_id = placing->known[index]->id;
    topic->partitions.items = WEIR_CALL_ALLOC(call, partition_t, placing->rooms[index]);
    placing->out[index] = topic;
    return topic->partitions.items != NULL;
}

/* Topics that do not exist first, as Apache Kafka answers them.  False when memory is out. */
static bool fill_topics(struct weir_call *call, const struct altering *altering,
                        response_t *response)
{
    const request_t *request = call->body;
    const struct weir_share_alter_item *item = altering->items; /* in the request's order */
    const size_t count = (size_t)request->topics.count;
    struct placing placing;
    response->responses.items = WEIR_CALL_ALLOC(call, topic_t, count);
    bool has_memory = response->responses.items != NULL && placing_make(call, &placing);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count && has_memory; i++)
            if (placing.first[i] == i && (placing.known[i] != NULL) == (pass == 1))
                has_memory = place_topic(call, &placing, i,
                                         &response->responses.items[response->responses.count++]);
    for (size_t i = 0; i < count && has_memory; i++) {
        topic_t *topic = placing.out[placing.first[i]];
        for (int32_t j = 0; j < request->topics.items[i].partitions.count; j++, item++) {
            partition_t *partition = &topic->partitions.items[topic->partitions.count++];
            weir_alter_share_group_offsets_response_alter_share_group_offsets_response_partition_init(
                partition);
            partition->partition_index = item->partition;
            partition->error_code = weir_code(item->status);
            partition->error_message = weir_share_error_text(item->status, WEIR_NULL_SLICE);
        }
    }
    return has_memory;
}

static void respond(struct weir_call *call, void *argument)
{
    struct altering *altering = argument;
    const enum weir_status status = altering->alter.op.status;
    response_t response;
    weir_alter_share_group_offsets_response_init(&response);
    response.error_code = weir_code(status);
    response.error_message = weir_share_error_text(status, altering->alter.message);
    if (status != WEIR_OK || fill_topics(call, altering, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    weir_group_op_free(&altering->alter.op);
    weir_free(altering);
}

static void on_done(struct weir_group_op *op)
{
    struct altering *altering = WEIR_CONTAINER_OF(op, struct altering, alter.op);
    weir_call_resume(altering->call, respond, altering);
}

static void start(struct weir_call *call)
{
    const request_t *request = call->body;
    size_t count = 0;
    for (int32_t i = 0; i < request->topics.count; i++)
        count += (size_t)request->topics.items[i].partitions.count;
    struct altering *altering =
        weir_call_state_new(sizeof(*altering), count, sizeof(altering->items[0]));
    if (altering == NULL) {
        weir_call_close(call);
        return;
    }
    struct weir_share_alter_item *item = altering->items;
    for (int32_t i = 0; i < request->topics.count; i++) {
        for (int32_t j = 0; j < request->topics.items[i].partitions.count; j++, item++) {
            item->topic = request->topics.items[i].topic_name;
            item->partition = request->topics.items[i].partitions.items[j].partition_index;
            item->start_offset = request->topics.items[i].partitions.items[j].start_offset;
        }
    }
    altering->call = call;
    altering->alter.op.done = on_done;
    altering->alter.message = WEIR_NULL_SLICE;
    altering->alter.items = altering->items;
    altering->alter.item_count = count;
    weir_group_share_alter(call->api->options.groups, request->group_id, &altering->alter);
}

void weir_api_alter_share_group_offsets(struct weir_call *call)
{
    if (!share_groups_are_enabled(call)) {
        response_t response;
        weir_alter_share_group_offsets_response_init(&response);
        response.error_code = WEIR_ERROR_UNSUPPORTED_VERSION;
        weir_call_respond(call, &response);
        return;
    }
    weir_call_with_share_topic(call, start);
}
