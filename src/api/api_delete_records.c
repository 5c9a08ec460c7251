/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteRecords (key 21, KIP-107): raises the log start offset; the files go with the next
 * retention pass. */
#include "api_int.h"
#include "merged.h"

#include "weir/protocol/messages/delete_records_request.h"
#include "weir/protocol/messages/delete_records_response.h"

typedef struct weir_delete_records_response_delete_records_partition_result response_partition;
typedef struct weir_delete_records_response_delete_records_topic_result response_topic;

static enum weir_status delete_from(struct weir_call *call, const struct weir_image_topic *topic,
                                    int32_t index, int64_t offset, int64_t *out_low_watermark)
{
    struct weir_partition *partition =
        topic == NULL ? NULL : weir_replicas_find(call->api->options.replicas, topic->id, index);
    if (partition == NULL)
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    int64_t low_watermark;
    enum weir_status status =
        topic->is_internal ? WEIR_INVALID_TOPIC_EXCEPTION
                           : weir_partition_delete_records(partition, offset, &low_watermark, NULL);
    if (status == WEIR_OK)
        *out_low_watermark = low_watermark;
    weir_partition_unref(partition);
    return status;
}

static struct weir_slice topic_key(const void *request, size_t topic)
{
    return ((const struct weir_delete_records_request *)request)->topics.items[topic].name;
}

static int32_t partition_count(const void *request, size_t topic)
{
    return ((const struct weir_delete_records_request *)request)
        ->topics.items[topic]
        .partitions.count;
}

static int32_t partition_number(const void *request, size_t topic, int32_t index)
{
    const struct weir_delete_records_request *records = request;
    return records->topics.items[topic].partitions.items[index].partition_index;
}

static bool make_topics(struct weir_call *call, const struct weir_merged *merged,
                        struct weir_delete_records_response *response)
{
    response->topics.items = WEIR_CALL_ALLOC(call, response_topic, merged->slot_count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = (int32_t)merged->slot_count;
    for (size_t slot = 0; slot < merged->slot_count; slot++) {
        response_topic *out = &response->topics.items[slot];
        weir_delete_records_response_delete_records_topic_result_init(out);
        out->name = topic_key(call->body, merged->slot_topic[slot]);
        out->partitions.items =
            WEIR_CALL_ALLOC(call, response_partition, merged->slot_capacity[slot]);
        if (out->partitions.items == NULL)
            return false;
    }
    return true;
}

void weir_api_delete_records(struct weir_call *call)
{
    const struct weir_delete_records_request *request = call->body;
    struct weir_merge_source source = {.request = request,
                                       .topic_count = (size_t)request->topics.count,
                                       .topic_key = topic_key,
                                       .partition_count = partition_count,
                                       .partition = partition_number};
    struct weir_delete_records_response response;
    struct weir_merged merged;
    weir_delete_records_response_init(&response);
    if (weir_merge(call->arena, &source, &merged) != WEIR_OK ||
        !make_topics(call, &merged, &response)) {
        weir_call_close(call);
        return;
    }
    for (size_t i = 0; i < merged.item_count; i++) {
        const struct weir_merged_item *item = &merged.items[i];
        if (!item->is_last)
            continue; /* named again further on: that one counts */
        response_topic *topic = &response.topics.items[item->slot];
        response_partition *out = &topic->partitions.items[topic->partitions.count++];
        weir_delete_records_response_delete_records_partition_result_init(out);
        out->partition_index = partition_number(request, item->topic, item->index);
        out->low_watermark = -1;
        out->error_code = weir_code(
            delete_from(call, weir_image_topic(call->image, topic->name), out->partition_index,
                        request->topics.items[item->topic].partitions.items[item->index].offset,
                        &out->low_watermark));
    }
    weir_call_respond(call, &response);
}
