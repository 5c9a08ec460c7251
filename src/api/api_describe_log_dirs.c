/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DescribeLogDirs (KIP-113, KIP-827): what lies in which log directory, and how full its file
 * system is.  Asking a file system can block, so the whole answer is made on a task thread; the
 * arena is that thread's meanwhile.
 */

#include "api_int.h"

#include "weir/base/memory.h"
#include "weir/protocol/messages/describe_log_dirs_request.h"
#include "weir/protocol/messages/describe_log_dirs_response.h"

#include <stdlib.h>

typedef struct weir_describe_log_dirs_request request_t;
typedef struct weir_describe_log_dirs_response_describe_log_dirs_result dir_t;
typedef struct weir_describe_log_dirs_response_describe_log_dirs_topic topic_t;
typedef struct weir_describe_log_dirs_response_describe_log_dirs_partition partition_t;

struct found_log {
    struct weir_partition_log *log; /* owns a reference */
    const struct weir_topic_partition *key;
    int dir; /* index, -1: none any more */
};

struct description {
    struct weir_task task;
    struct weir_call *call;
    struct found_log *logs;
    size_t log_count;
    enum weir_status status;
    struct weir_describe_log_dirs_response response;
};

static int compare_logs(const void *a, const void *b)
{
    const struct found_log *left = a;
    const struct found_log *right = b;
    if (left->dir != right->dir)
        return left->dir < right->dir ? -1 : 1;
    const int order = strcmp(left->key->topic, right->key->topic);
    if (order != 0)
        return order;
    return (left->key->partition > right->key->partition) -
           (left->key->partition < right->key->partition);
}

static void add_log(struct description *description, struct weir_partition_log *take_log)
{
    struct weir_log_manager *manager = description->call->api->options.logs;
    struct found_log *found = &description->logs[description->log_count++];
    found->log = take_log;
    found->key = weir_partition_log_key(take_log);
    found->dir = weir_log_manager_dir_of(manager, found->key);
}

static enum weir_status find_all_logs(struct description *description)
{
    struct weir_partition_log **logs;
    size_t count;
    const enum weir_status status =
        weir_log_manager_list(description->call->api->options.logs, &logs, &count);
    if (status != WEIR_OK)
        return status;
    description->logs = WEIR_CALL_ALLOC(description->call, struct found_log, count);
    for (size_t i = 0; i < count; i++) {
        if (description->logs != NULL)
            add_log(description, logs[i]);
        else
            weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
    return description->logs == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

static enum weir_status find_asked_logs(struct description *description)
{
    const request_t *request = description->call->body;
    size_t asked_count = 0;
    for (int32_t t = 0; t < request->topics.count; t++)
        asked_count += (size_t)request->topics.items[t].partitions.count;
    description->logs = WEIR_CALL_ALLOC(description->call, struct found_log, asked_count);
    if (description->logs == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t t = 0; t < request->topics.count; t++) {
        for (int32_t p = 0; p < request->topics.items[t].partitions.count; p++) {
            struct weir_topic_partition key;
            if (weir_topic_partition_make(request->topics.items[t].topic,
                                          request->topics.items[t].partitions.items[p],
                                          &key) != WEIR_OK)
                continue; /* nothing can be called so */
            struct weir_partition_log *log =
                weir_log_manager_get(description->call->api->options.logs, &key);
            if (log != NULL)
                add_log(description, log);
        }
    }
    return WEIR_OK;
}

/* Puts them in order and leaves each in once. */
static void sort_logs(struct description *description)
{
    struct found_log *logs = description->logs;
    if (description->log_count > 1)
        qsort(logs, description->log_count, sizeof(*logs), compare_logs);
    size_t kept = 0;
    for (size_t i = 0; i < description->log_count; i++) {
        if (kept > 0 && logs[i].log == logs[kept - 1].log)
            weir_partition_log_unref(logs[i].log);
        else
            logs[kept++] = logs[i];
    }
    description->log_count = kept;
}

static void release_logs(struct description *description)
{
    for (size_t i = 0; i < description->log_count; i++)
        weir_partition_log_unref(description->logs[i].log);
    description->log_count = 0;
}

static void fill_partition(struct weir_partition_log *log, partition_t *out)
{
    weir_describe_log_dirs_response_describe_log_dirs_partition_init(out);
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    out->partition_index = weir_partition_log_key(log)->partition;
    out->partition_size = (int64_t)weir_partition_log_size(log);
    /* How far the log is behind what is known to be committed, not how much is uncommitted. */
    out->offset_lag = offsets.high_watermark > offsets.log_end_offset
                          ? offsets.high_watermark - offsets.log_end_offset
                          : 0;
}

static enum weir_status fill_topics(struct description *description, int dir, dir_t *out)
{
    size_t first = 0;
    while (first < description->log_count && description->logs[first].dir < dir)
        first++;
    size_t end = first;
    while (end < description->log_count && description->logs[end].dir == dir)
        end++;
    out->topics.items = WEIR_CALL_ALLOC(description->call, topic_t, end - first);
    partition_t *partitions = WEIR_CALL_ALLOC(description->call, partition_t, end - first);
    if (out->topics.items == NULL || partitions == NULL)
        return WEIR_NO_MEMORY;
    topic_t *topic = NULL;
    for (size_t i = first; i < end; i++, partitions++) {
        const struct weir_slice name = weir_slice_str(description->logs[i].key->topic);
        if (topic == NULL || !weir_slice_equal(topic->name, name)) {
            topic = &out->topics.items[out->topics.count++];
            weir_describe_log_dirs_response_describe_log_dirs_topic_init(topic);
            if (weir_arena_copy(description->call->arena, name, &topic->name) != WEIR_OK)
                return WEIR_NO_MEMORY;
            topic->partitions.items = partitions;
        }
        fill_partition(description->logs[i].log, partitions);
        topic->partitions.count++;
    }
    return WEIR_OK;
}

static bool is_cordoned(const struct weir_call *call, struct weir_uuid directory_id)
{
    const struct weir_image_broker *broker =
        weir_image_broker(call->image, call->api->options.node_id);
    for (size_t i = 0; broker != NULL && i < broker->cordoned_log_dir_count; i++) {
        if (weir_uuid_equal(broker->cordoned_log_dirs[i], directory_id))
            return true;
    }
    return false;
}

static int64_t clip(uint64_t bytes)
{
    return bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

static enum weir_status fill_dir(struct description *description, size_t index, dir_t *out)
{
    struct weir_call *call = description->call;
    struct weir_log_dir_info info;
    weir_log_manager_dir(call->api->options.logs, index, &info);
    weir_describe_log_dirs_response_describe_log_dirs_result_init(out);
    out->log_dir = weir_slice_str(info.path);
    out->is_cordoned = is_cordoned(call, info.directory_id);
    uint64_t total_bytes = 0;
    uint64_t free_bytes = 0;
    enum weir_status status = info.is_offline ? WEIR_KAFKA_STORAGE_ERROR : WEIR_OK;
    if (status == WEIR_OK)
        status =
            weir_path_space(call->api->options.env, info.path, &total_bytes, &free_bytes, NULL);
    if (status != WEIR_OK) {
        out->error_code = WEIR_ERROR_KAFKA_STORAGE_ERROR;
        return WEIR_OK;
    }
    out->total_bytes = clip(total_bytes);
    out->usable_bytes = clip(free_bytes);
    return fill_topics(description, (int)index, out);
}

static enum weir_status fill_dirs(struct description *description)
{
    struct weir_log_manager *manager = description->call->api->options.logs;
    struct weir_describe_log_dirs_response *response = &description->response;
    const size_t count = weir_log_manager_dir_count(manager);
    response->results.items = WEIR_CALL_ALLOC(description->call, dir_t, count);
    if (response->results.items == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < count && status == WEIR_OK; i++)
        status = fill_dir(description, i, &response->results.items[response->results.count++]);
    return status;
}

static void respond(struct weir_call *call, void *argument)
{
    const struct description *description = argument;
    if (description->status == WEIR_OK)
        weir_call_respond(call, &description->response);
    else
        weir_call_close(call); /* out of memory */
}

static void describe(struct weir_task *task)
{
    struct description *description = WEIR_CONTAINER_OF(task, struct description, task);
    const request_t *request = description->call->body;
    weir_describe_log_dirs_response_init(&description->response);
    description->status =
        request->topics.count < 0 ? find_all_logs(description) : find_asked_logs(description);
    if (description->status == WEIR_OK) {
        sort_logs(description);
        description->status = fill_dirs(description);
    }
    release_logs(description);
    weir_call_resume(description->call, respond, description);
}

void weir_api_describe_log_dirs(struct weir_call *call)
{
    struct description *description = WEIR_CALL_ALLOC(call, struct description, 1);
    if (description == NULL) {
        weir_call_close(call);
        return;
    }
    description->call = call;
    description->task.run = describe;
    weir_task_pool_submit(call->api->options.pool, &description->task);
}
