/* SPDX-License-Identifier: Apache-2.0 */
/* OffsetForLeaderEpoch (key 23, KIP-101, KIP-320): where did this epoch end? */
#include "api_int.h"

#include "weir/protocol/messages/offset_for_leader_epoch_request.h"
#include "weir/protocol/messages/offset_for_leader_epoch_response.h"

typedef struct weir_offset_for_leader_epoch_response_epoch_end_offset response_partition;
typedef struct weir_offset_for_leader_epoch_response_offset_for_leader_topic_result response_topic;

static enum weir_status
look_up(struct weir_call *call, const struct weir_image_topic *topic,
        const struct weir_offset_for_leader_epoch_request_offset_for_leader_partition *wanted,
        response_partition *out)
{
    struct weir_partition *partition =
        topic == NULL
            ? NULL
            : weir_replicas_find(call->api->options.replicas, topic->id, wanted->partition);
    if (partition == NULL)
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    struct weir_partition_log *log;
    enum weir_status status =
        weir_partition_leader_log(partition, wanted->current_leader_epoch, &log);
    if (status == WEIR_OK) {
        weir_partition_log_end_offset_for_epoch(log, wanted->leader_epoch, &out->leader_epoch,
                                                &out->end_offset);
        weir_partition_log_unref(log);
    }
    weir_partition_unref(partition);
    return status;
}

void weir_api_offset_for_leader_epoch(struct weir_call *call)
{
    const struct weir_offset_for_leader_epoch_request *request = call->body;
    struct weir_offset_for_leader_epoch_response response;
    weir_offset_for_leader_epoch_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, response_topic, request->topics.count);
    if (response.topics.items == NULL)
        goto close;
    response.topics.count = request->topics.count;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const struct weir_offset_for_leader_epoch_request_offset_for_leader_topic *wanted =
            &request->topics.items[t];
        const struct weir_image_topic *topic = weir_image_topic(call->image, wanted->topic);
        response_topic *out = &response.topics.items[t];
        weir_offset_for_leader_epoch_response_offset_for_leader_topic_result_init(out);
        out->topic = wanted->topic;
        out->partitions.items = WEIR_CALL_ALLOC(call, response_partition, wanted->partitions.count);
        if (out->partitions.items == NULL)
            goto close;
        out->partitions.count = wanted->partitions.count;
        for (int32_t p = 0; p < wanted->partitions.count; p++) {
            response_partition *result = &out->partitions.items[p];
            weir_offset_for_leader_epoch_response_epoch_end_offset_init(result);
            result->partition = wanted->partitions.items[p].partition;
            result->error_code =
                weir_code(look_up(call, topic, &wanted->partitions.items[p], result));
        }
    }
    weir_call_respond(call, &response);
    return;
close:
    weir_call_close(call);
}
