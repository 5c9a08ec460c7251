/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeTopicPartitions (key 75, KIP-966): topics in name order, cut at a limit of partitions,
 * with a cursor to go on. */
#include "api_topics_int.h"

#include "weir/protocol/messages/describe_topic_partitions_request.h"
#include "weir/protocol/messages/describe_topic_partitions_response.h"

#include <stdlib.h>

typedef struct weir_describe_topic_partitions_response_describe_topic_partitions_response_topic
    response_topic;
typedef struct weir_describe_topic_partitions_response_describe_topic_partitions_response_partition
    response_partition;

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

/* The names to describe, sorted, each once, none before the cursor's; the cursor's own even if it
 * is gone meanwhile. */
static struct weir_slice *wanted_names(struct weir_call *call, size_t *out_count)
{
    const struct weir_describe_topic_partitions_request *request = call->body;
    struct weir_slice from =
        request->cursor == NULL ? WEIR_EMPTY_SLICE : request->cursor->topic_name;
    bool all = request->topics.count == 0;
    size_t given = all ? weir_image_topic_count(call->image) : (size_t)request->topics.count;
    struct weir_slice *names = WEIR_CALL_ALLOC(call, struct weir_slice, given + 1);
    if (names == NULL)
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < given; i++) {
        struct weir_slice name =
            all ? weir_image_topic_at(call->image, i)->name : request->topics.items[i].name;
        if (weir_slice_compare(name, from) >= 0)
            names[count++] = name;
    }
    if (request->cursor != NULL)
        names[count++] = from;
    qsort(names, count, sizeof(*names), compare_names);
    size_t unique = 0;
    for (size_t i = 0; i < count; i++) {
        if (unique == 0 || !weir_slice_equal(names[unique - 1], names[i]))
            names[unique++] = names[i];
    }
    *out_count = unique;
    return names;
}

static void fill_partition(const struct weir_call *call,
                           const struct weir_image_partition *partition, response_partition *out)
{
    weir_describe_topic_partitions_response_describe_topic_partitions_response_partition_init(out);
    out->error_code =
        weir_code(partition->leader == WEIR_NO_LEADER ? WEIR_LEADER_NOT_AVAILABLE : WEIR_OK);
    out->partition_index = partition->id;
    out->leader_id = partition->leader;
    out->leader_epoch = partition->leader_epoch;
    out->replica_nodes = weir_call_i32_array(call, partition->replicas);
    out->isr_nodes = weir_call_i32_array(call, partition->isr);
    out->eligible_leader_replicas = weir_call_i32_array(call, partition->elr);
    out->last_known_elr = weir_call_i32_array(call, partition->last_known_elr);
    out->offline_replicas = weir_call_offline_replicas(call, partition);
}

/* Partitions [first, first + limit) of the topic; false when memory is out. */
static bool fill_topic(const struct weir_call *call, const struct weir_image_topic *topic,
                       int32_t first, int32_t limit, response_topic *out)
{
    out->name = topic->name;
    out->topic_id = topic->id;
    out->is_internal = topic->is_internal;
    int32_t left = topic->partition_count > first ? topic->partition_count - first : 0;
    int32_t count = left < limit ? left : limit;
    out->partitions.items = WEIR_CALL_ALLOC(call, response_partition, count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = count;
    for (int32_t i = 0; i < count; i++)
        fill_partition(call, topic->partitions[first + i], &out->partitions.items[i]);
    return true;
}

static void refuse(struct weir_call *call)
{
    const struct weir_describe_topic_partitions_request *request = call->body;
    struct weir_describe_topic_partitions_response response;
    weir_describe_topic_partitions_response_init(&response);
    response.topics.items = WEIR_CALL_ALLOC(call, response_topic, request->topics.count);
    if (response.topics.items == NULL) {
        weir_call_close(call);
        return;
    }
    response.topics.count = request->topics.count;
    for (int32_t i = 0; i < request->topics.count; i++) {
        weir_describe_topic_partitions_response_describe_topic_partitions_response_topic_init(
            &response.topics.items[i]);
        response.topics.items[i].name = request->topics.items[i].name;
        response.topics.items[i].error_code = weir_code(WEIR_INVALID_REQUEST);
    }
    weir_call_respond(call, &response);
}

static void set_cursor(struct weir_call *call,
                       struct weir_describe_topic_partitions_response *response,
                       struct weir_slice topic, int32_t partition)
{
    struct weir_describe_topic_partitions_response_cursor *cursor =
        WEIR_CALL_ALLOC(call, struct weir_describe_topic_partitions_response_cursor, 1);
    if (cursor == NULL)
        return;
    weir_describe_topic_partitions_response_cursor_init(cursor);
    cursor->topic_name = topic;
    cursor->partition_index = partition;
    response->next_cursor = cursor;
}

static bool describe(struct weir_call *call,
                     struct weir_describe_topic_partitions_response *response,
                     const struct weir_slice *names, size_t count, int32_t limit)
{
    const struct weir_describe_topic_partitions_request *request = call->body;
    for (size_t i = 0; i < count; i++) {
        const struct weir_image_topic *topic = weir_image_topic(call->image, names[i]);
        bool is_cursor =
            request->cursor != NULL && weir_slice_equal(names[i], request->cursor->topic_name);
        int32_t first = is_cursor ? request->cursor->partition_index : 0;
        if (topic != NULL && limit == 0) {
            set_cursor(call, response, names[i], first);
            return true;
        }
        response_topic *out = &response->topics.items[response->topics.count++];
        weir_describe_topic_partitions_response_describe_topic_partitions_response_topic_init(out);
        out->topic_authorized_operations = weir_topic_operations();
        out->name = names[i];
        if (topic == NULL) {
            out->error_code =
                weir_code(weir_topic_name_is_valid(names[i]) ? WEIR_UNKNOWN_TOPIC_OR_PARTITION
                                                             : WEIR_INVALID_TOPIC_EXCEPTION);
            continue;
        }
        if (!fill_topic(call, topic, first, limit, out))
            return false;
        limit -= out->partitions.count;
        if (first + out->partitions.count < topic->partition_count) {
            set_cursor(call, response, names[i], first + out->partitions.count);
            return true;
        }
    }
    return true;
}

/* A cursor must point at one of the topics that are asked for, and at a partition. */
static bool is_cursor_good(const struct weir_describe_topic_partitions_request *request)
{
    if (request->cursor == NULL)
        return true;
    if (request->cursor->partition_index < 0)
        return false;
    for (int32_t i = 0; i < request->topics.count; i++) {
        if (weir_slice_equal(request->topics.items[i].name, request->cursor->topic_name))
            return true;
    }
    return request->topics.count == 0;
}

void weir_api_describe_topic_partitions(struct weir_call *call)
{
    const struct weir_describe_topic_partitions_request *request = call->body;
    struct weir_describe_topic_partitions_response response;
    weir_describe_topic_partitions_response_init(&response);
    if (!is_cursor_good(request)) {
        refuse(call);
        return;
    }
    struct weir_config_resolver resolver = weir_call_resolver(call);
    int64_t limit_max = weir_config_broker_i64(&resolver, "max.request.partition.size.limit");
    int32_t limit = request->response_partition_limit;
    if (limit > limit_max)
        limit = (int32_t)limit_max;
    if (limit < 1)
        limit = 1;
    size_t count = 0;
    struct weir_slice *names = wanted_names(call, &count);
    response.topics.items = WEIR_CALL_ALLOC(call, response_topic, count);
    if (names == NULL || response.topics.items == NULL ||
        !describe(call, &response, names, count, limit)) {
        weir_call_close(call);
        return;
    }
    weir_call_respond(call, &response);
}
