/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteRecords (key 21, KIP-107): raises the log start offset; the files go with the next
 * retention pass. */
#include "api_int.h"

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

void weir_api_delete_records(struct weir_call *call)
{
    const struct weir_delete_records_request *request = call->body;
    struct weir_delete_records_response response;
    weir_delete_records_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, response_topic, request->topics.count);
    if (response.topics.items == NULL)
        goto close;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const struct weir_delete_records_request_delete_records_topic *wanted =
            &request->topics.items[t];
        const struct weir_image_topic *topic = weir_image_topic(call->image, wanted->name);
        if (wanted->partitions.count == 0)
            continue; /* nothing was asked, nothing is said */
        response_topic *out = &response.topics.items[response.topics.count++];
        weir_delete_records_response_delete_records_topic_result_init(out);
        out->name = wanted->name;
        out->partitions.items = WEIR_CALL_ALLOC(call, response_partition, wanted->partitions.count);
        if (out->partitions.items == NULL)
            goto close;
        out->partitions.count = wanted->partitions.count;
        for (int32_t p = 0; p < wanted->partitions.count; p++) {
            response_partition *result = &out->partitions.items[p];
            weir_delete_records_response_delete_records_partition_result_init(result);
            result->partition_index = wanted->partitions.items[p].partition_index;
            result->low_watermark = -1;
            result->error_code =
                weir_code(delete_from(call, topic, result->partition_index,
                                      wanted->partitions.items[p].offset, &result->low_watermark));
        }
    }
    weir_call_respond(call, &response);
    return;
close:
    weir_call_close(call);
}
