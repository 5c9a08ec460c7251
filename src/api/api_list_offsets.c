/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ListOffsets (key 2).  What needs a search in the log (a timestamp, the greatest one) may touch
 * cold pages and runs on a task thread; the rest is answered on the loop.
 */
#include "api_int.h"
#include "merged.h"

#include "weir/protocol/messages/list_offsets_request.h"
#include "weir/protocol/messages/list_offsets_response.h"
#include "weir/runtime/task_pool.h"

typedef struct weir_list_offsets_request_list_offsets_partition wanted_partition;
typedef struct weir_list_offsets_response_list_offsets_partition_response response_partition;
typedef struct weir_list_offsets_response_list_offsets_topic_response response_topic;

enum {
    LATEST_TIERED = -5,          /* KIP-1005, version 9 */
    EARLIEST_PENDING_UPLOAD = -6 /* version 11 */
};

enum { READ_UNCOMMITTED = 0, READ_COMMITTED = 1 };

struct list_offsets {
    struct weir_task task;
    struct weir_call *call;
    struct weir_list_offsets_response response;
};

/* The first version that knows a special timestamp; 0 for those that always were there, -1 for
 * unknown ones. */
static int16_t first_version(int64_t timestamp)
{
    if (timestamp >= 0 || timestamp == WEIR_TIMESTAMP_LATEST ||
        timestamp == WEIR_TIMESTAMP_EARLIEST)
        return 0;
    if (timestamp == WEIR_TIMESTAMP_MAX)
        return 7;
    if (timestamp == WEIR_TIMESTAMP_EARLIEST_LOCAL)
        return 8;
    if (timestamp == LATEST_TIERED)
        return 9;
    return timestamp == EARLIEST_PENDING_UPLOAD ? 11 : -1;
}

static bool needs_search(int64_t timestamp)
{
    return timestamp >= 0 || timestamp == WEIR_TIMESTAMP_MAX;
}

static void set_leader_epoch(const struct weir_call *call, int32_t leader_epoch,
                             response_partition *out)
{
    if (weir_list_offsets_response_list_offsets_partition_response_has_leader_epoch(call->version))
        out->leader_epoch = leader_epoch;
}

static enum weir_status search(const struct weir_call *call, struct weir_partition_log *log,
                               int64_t timestamp, int64_t limit, response_partition *out)
{
    struct weir_offset_and_time found;
    struct weir_detail detail = {{0}};
    enum weir_status status =
        weir_partition_log_offset_for_timestamp(log, timestamp, &found, &detail);
    if (status == WEIR_NOT_FOUND)
        return WEIR_OK;
    if (status != WEIR_OK)
        return status;
    bool is_start =
        timestamp == WEIR_TIMESTAMP_EARLIEST || timestamp == WEIR_TIMESTAMP_EARLIEST_LOCAL;
    if (!is_start && found.offset >= limit)
        return WEIR_OK; /* above what this reader may see */
    out->offset = found.offset;
    out->timestamp = found.timestamp;
    set_leader_epoch(call, found.leader_epoch, out);
    return WEIR_OK;
}

static enum weir_status look_up_in_log(struct weir_call *call, struct weir_partition *partition,
                                       struct weir_partition_log *log,
                                       const wanted_partition *wanted, response_partition *out)
{
    const struct weir_list_offsets_request *request = call->body;
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    int64_t limit = request->isolation_level == READ_COMMITTED ? offsets.last_stable_offset
                                                               : offsets.high_watermark;
    if (wanted->timestamp == LATEST_TIERED || wanted->timestamp == EARLIEST_PENDING_UPLOAD)
        return WEIR_OK; /* nothing is tiered: offset -1 */
    if (wanted->timestamp != WEIR_TIMESTAMP_LATEST)
        return search(call, log, wanted->timestamp, limit, out);
    struct weir_partition_role role;
    weir_partition_role(partition, &role);
    out->offset = limit;
    set_leader_epoch(call, role.leader_epoch, out);
    return WEIR_OK;
}

static enum weir_status look_up(struct weir_call *call, struct weir_partition *partition,
                                const wanted_partition *wanted, response_partition *out)
{
    struct weir_partition_log *log;
    int16_t since = first_version(wanted->timestamp);
    if (since < 0 || call->version < since)
        return WEIR_UNSUPPORTED_VERSION;
    enum weir_status status =
        weir_partition_leader_log(partition, wanted->current_leader_epoch, &log);
    if (status != WEIR_OK)
        return status;
    status = look_up_in_log(call, partition, log, wanted, out);
    weir_partition_log_unref(log);
    return status;
}

static void fill_partition(struct weir_call *call, const struct weir_image_topic *topic,
                           const wanted_partition *wanted, bool is_only, response_partition *out)
{
    const struct weir_list_offsets_request *request = call->body;
    weir_list_offsets_response_list_offsets_partition_response_init(out);
    out->partition_index = wanted->partition_index;
    int16_t since = first_version(wanted->timestamp);
    enum weir_status status = since < 0 || call->version < since ? WEIR_UNSUPPORTED_VERSION
                                                                 : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    bool is_isolation_known =
        request->isolation_level == READ_UNCOMMITTED || request->isolation_level == READ_COMMITTED;
    if (!is_only || !is_isolation_known)
        status = WEIR_INVALID_REQUEST;
    struct weir_partition *partition =
        topic == NULL || status != WEIR_UNKNOWN_TOPIC_OR_PARTITION
            ? NULL
            : weir_replicas_find(call->api->options.replicas, topic->id, wanted->partition_index);
    if (partition != NULL)
        status = look_up(call, partition, wanted, out);
    out->error_code = weir_code(status);
    weir_partition_unref(partition);
}

static struct weir_slice topic_key(const void *request, size_t topic)
{
    return ((const struct weir_list_offsets_request *)request)->topics.items[topic].name;
}

static int32_t partition_count(const void *request, size_t topic)
{
    return ((const struct weir_list_offsets_request *)request)
        ->topics.items[topic]
        .partitions.count;
}

static int32_t partition_number(const void *request, size_t topic, int32_t index)
{
    const struct weir_list_offsets_request *list = request;
    return list->topics.items[topic].partitions.items[index].partition_index;
}

static bool make_topics(struct weir_call *call, const struct weir_merged *merged,
                        struct weir_list_offsets_response *response)
{
    response->topics.items = WEIR_CALL_ALLOC(call, response_topic, merged->slot_count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = (int32_t)merged->slot_count;
    for (size_t slot = 0; slot < merged->slot_count; slot++) {
        response_topic *out = &response->topics.items[slot];
        weir_list_offsets_response_list_offsets_topic_response_init(out);
        out->name = topic_key(call->body, merged->slot_topic[slot]);
        out->partitions.items =
            WEIR_CALL_ALLOC(call, response_partition, merged->slot_capacity[slot]);
        if (out->partitions.items == NULL)
            return false;
    }
    return true;
}

/* A partition that is asked for twice is answered once, with INVALID_REQUEST. */
static bool fill_response(struct list_offsets *work)
{
    struct weir_call *call = work->call;
    const struct weir_list_offsets_request *request = call->body;
    struct weir_merge_source source = {.request = request,
                                       .topic_count = (size_t)request->topics.count,
                                       .topic_key = topic_key,
                                       .partition_count = partition_count,
                                       .partition = partition_number};
    struct weir_merged merged;
    weir_list_offsets_response_init(&work->response);
    if (weir_merge(call->arena, &source, &merged) != WEIR_OK ||
        !make_topics(call, &merged, &work->response))
        return false;
    for (size_t i = 0; i < merged.item_count; i++) {
        const struct weir_merged_item *item = &merged.items[i];
        if (!item->is_last)
            continue;
        response_topic *topic = &work->response.topics.items[item->slot];
        response_partition *out = &topic->partitions.items[topic->partitions.count++];
        fill_partition(call, weir_image_topic(call->image, topic->name),
                       &request->topics.items[item->topic].partitions.items[item->index],
                       item->is_first, out);
    }
    return true;
}

static void respond(struct weir_call *call, void *argument)
{
    struct list_offsets *work = argument;
    if (work == NULL)
        weir_call_close(call);
    else
        weir_call_respond(call, &work->response);
}

static void run_on_task(struct weir_task *task)
{
    struct list_offsets *work = WEIR_CONTAINER_OF(task, struct list_offsets, task);
    struct weir_call *call = work->call;
    weir_call_resume(call, respond, fill_response(work) ? work : NULL);
}

void weir_api_list_offsets(struct weir_call *call)
{
    const struct weir_list_offsets_request *request = call->body;
    struct list_offsets *work = WEIR_CALL_ALLOC(call, struct list_offsets, 1);
    bool blocks = false;
    if (work == NULL) {
        weir_call_close(call);
        return;
    }
    work->call = call;
    for (int32_t t = 0; t < request->topics.count; t++) {
        for (int32_t p = 0; p < request->topics.items[t].partitions.count; p++)
            blocks = blocks || needs_search(request->topics.items[t].partitions.items[p].timestamp);
    }
    if (blocks) {
        work->task.run = run_on_task;
        weir_task_pool_submit(call->api->options.pool, &work->task);
        return;
    }
    respond(call, fill_response(work) ? work : NULL);
}
