/* SPDX-License-Identifier: Apache-2.0 */

/* ListPartitionReassignments (KIP-455): the partitions that were asked for, or all, that have
 * replicas to come or to go. */

#include "api_topics_int.h"

#include "weir/protocol/messages/list_partition_reassignments_request.h"
#include "weir/protocol/messages/list_partition_reassignments_response.h"

typedef struct weir_list_partition_reassignments_request request_t;
typedef struct weir_list_partition_reassignments_request_list_partition_reassignments_topics
    asked_t;
typedef struct weir_list_partition_reassignments_response_ongoing_topic_reassignment topic_t;
typedef struct weir_list_partition_reassignments_response_ongoing_partition_reassignment
    partition_t;

static bool is_ongoing(const struct weir_image_topic *topic, int32_t index)
{
    return index >= 0 && index < topic->partition_count &&
           (topic->partitions[index]->adding.count > 0 ||
            topic->partitions[index]->removing.count > 0);
}

/* indexes NULL: every partition of the topic.  False: no memory. */
static bool add_topic(struct weir_call *call, const struct weir_image_topic *topic,
                      const struct weir_i32_array *indexes,
                      struct weir_list_partition_reassignments_response *response)
{
    const int32_t asked = indexes == NULL ? topic->partition_count : indexes->count;
    int32_t ongoing = 0;
    for (int32_t i = 0; i < asked; i++)
        ongoing += is_ongoing(topic, indexes == NULL ? i : indexes->items[i]) ? 1 : 0;
    if (ongoing == 0)
        return true;
    topic_t *out = &response->topics.items[response->topics.count++];
    weir_list_partition_reassignments_response_ongoing_topic_reassignment_init(out);
    out->name = topic->name;
    out->partitions.items = WEIR_CALL_ALLOC(call, partition_t, ongoing);
    if (out->partitions.items == NULL)
        return false;
    for (int32_t i = 0; i < asked; i++) {
        const int32_t index = indexes == NULL ? i : indexes->items[i];
        if (!is_ongoing(topic, index))
            continue;
        const struct weir_image_partition *partition = topic->partitions[index];
        partition_t *item = &out->partitions.items[out->partitions.count++];
        weir_list_partition_reassignments_response_ongoing_partition_reassignment_init(item);
        item->partition_index = index;
        item->replicas = weir_call_i32_array(call, partition->replicas);
        item->adding_replicas = weir_call_i32_array(call, partition->adding);
        item->removing_replicas = weir_call_i32_array(call, partition->removing);
    }
    return true;
}

void weir_api_list_partition_reassignments(struct weir_call *call)
{
    const request_t *request = call->body;
    const bool is_all = request->topics.count < 0;
    const size_t count =
        is_all ? weir_image_topic_count(call->image) : (size_t)request->topics.count;
    struct weir_list_partition_reassignments_response response;
    weir_list_partition_reassignments_response_init(&response);
    response.error_message = WEIR_NULL_SLICE;
    response.topics.items = WEIR_CALL_ALLOC(call, topic_t, count);
    bool has_memory = response.topics.items != NULL;
    for (size_t i = 0; i < count && has_memory; i++) {
        const asked_t *asked = is_all ? NULL : &request->topics.items[i];
        const struct weir_image_topic *topic = is_all ? weir_image_topic_at(call->image, i)
                                                      : weir_image_topic(call->image, asked->name);
        if (topic != NULL)
            has_memory =
                add_topic(call, topic, is_all ? NULL : &asked->partition_indexes, &response);
    }
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
}
