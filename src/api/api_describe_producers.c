/* SPDX-License-Identifier: Apache-2.0 */

/* DescribeProducers (KIP-664): the producers a partition's leader remembers. */

#include "api_int.h"
#include "texts.h"

#include "weir/base/memory.h"
#include "weir/protocol/messages/describe_producers_request.h"
#include "weir/protocol/messages/describe_producers_response.h"

typedef struct weir_describe_producers_request request_t;
typedef struct weir_describe_producers_request_topic_request asked_t;
typedef struct weir_describe_producers_response_topic_response topic_t;
typedef struct weir_describe_producers_response_partition_response partition_t;
typedef struct weir_describe_producers_response_producer_state producer_t;

static enum weir_status fill_producers(struct weir_call *call, struct weir_partition_log *log,
                                       partition_t *result)
{
    struct weir_producer_info *infos;
    size_t count;
    const enum weir_status status = weir_partition_log_producers(log, &infos, &count);
    if (status != WEIR_OK)
        return status;
    producer_t *producers = WEIR_CALL_ALLOC(call, producer_t, count);
    for (size_t i = 0; producers != NULL && i < count; i++) {
        weir_describe_producers_response_producer_state_init(&producers[i]);
        producers[i].producer_id = infos[i].producer_id;
        producers[i].producer_epoch = infos[i].producer_epoch;
        producers[i].last_sequence = infos[i].last_sequence;
        producers[i].last_timestamp = infos[i].last_timestamp;
        producers[i].coordinator_epoch = infos[i].coordinator_epoch;
        producers[i].current_txn_start_offset = infos[i].txn_first_offset;
    }
    weir_free(infos);
    if (producers == NULL)
        return WEIR_NO_MEMORY;
    result->active_producers.items = producers;
    result->active_producers.count = (int32_t)count;
    return WEIR_OK;
}

static enum weir_status describe_partition(struct weir_call *call,
                                           const struct weir_image_topic *topic,
                                           partition_t *result)
{
    if (result->partition_index < 0 || result->partition_index >= topic->partition_count)
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    struct weir_partition *partition =
        weir_replicas_find(call->api->options.replicas, topic->id, result->partition_index);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    struct weir_partition_log *log;
    enum weir_status status = weir_partition_leader_log(partition, -1, &log);
    if (status == WEIR_OK) {
        status = fill_producers(call, log, result);
        weir_partition_log_unref(log);
    }
    weir_partition_unref(partition);
    return status;
}

/* False when memory is out. */
static bool describe_topic(struct weir_call *call, const asked_t *asked, topic_t *result)
{
    weir_describe_producers_response_topic_response_init(result);
    result->name = asked->name;
    result->partitions.items = WEIR_CALL_ALLOC(call, partition_t, asked->partition_indexes.count);
    if (result->partitions.items == NULL)
        return false;
    result->partitions.count = asked->partition_indexes.count;
    const struct weir_slice problem = weir_topic_name_problem(call->arena, asked->name);
    const struct weir_image_topic *topic = weir_image_topic(call->image, asked->name);
    for (int32_t i = 0; i < asked->partition_indexes.count; i++) {
        partition_t *partition = &result->partitions.items[i];
        weir_describe_producers_response_partition_response_init(partition);
        partition->partition_index = asked->partition_indexes.items[i];
        if (!weir_slice_is_null(problem)) {
            partition->error_code = WEIR_ERROR_INVALID_TOPIC_EXCEPTION;
            partition->error_message = problem;
        } else if (topic == NULL) {
            partition->error_code = WEIR_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            partition->error_message = WEIR_TEXT_UNKNOWN_TOPIC;
        } else {
            partition->error_code = weir_code(describe_partition(call, topic, partition));
        }
    }
    return true;
}

void weir_api_describe_producers(struct weir_call *call)
{
    const request_t *request = call->body;
    struct weir_describe_producers_response response;
    weir_describe_producers_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, topic_t, request->topics.count);
    response.topics.count = request->topics.count;
    bool has_memory = response.topics.items != NULL;
    for (int32_t i = 0; has_memory && i < request->topics.count; i++)
        has_memory = describe_topic(call, &request->topics.items[i], &response.topics.items[i]);
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
}
