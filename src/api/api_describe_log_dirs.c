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
    size_t dir;                         /* index */
    bool is_future;                     /* the copy of a move */
    struct weir_partition_log *current; /* of a future one: a reference to what it is copied from */
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
    if (left->key->partition != right->key->partition)
        return left->key->partition < right->key->partition ? -1 : 1;
    return (int)left->is_future - (int)right->is_future;
}

static bool is_asked(const request_t *request, const struct weir_topic_partition *key)
{
    if (request->topics.count < 0)
        return true; /* all */
    for (int32_t t = 0; t < request->topics.count; t++) {
        if (!weir_slice_is(request->topics.items[t].topic, key->topic))
            continue;
        for (int32_t p = 0; p < request->topics.items[t].partitions.count; p++) {
            if (request->topics.items[t].partitions.items[p] == key->partition)
                return true;
        }
    }
    return false;
}

static enum weir_status find_logs(struct description *description)
{
    struct weir_log_manager *manager = description->call->api->options.logs;
    struct weir_log_replica *replicas;
    size_t count;
    const enum weir_status status = weir_log_manager_replicas(manager, &replicas, &count);
    if (status != WEIR_OK)
        return status;
    description->logs = WEIR_CALL_ALLOC(description->call, struct found_log, count);
    for (size_t i = 0; description->logs != NULL && i < count; i++) {
        const struct weir_topic_partition *key = weir_partition_log_key(replicas[i].log);
        if (!is_asked(description->call->body, key))
            continue;
        description->logs[description->log_count++] = (struct found_log){
            .log = weir_partition_log_ref(replicas[i].log),
            .key = key,
            .dir = replicas[i].dir_index,
            .is_future = replicas[i].is_future,
            .current = replicas[i].is_future ? weir_log_manager_get(manager, key) : NULL};
    }
    weir_log_replicas_free(replicas, count);
    return description->logs == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

static void sort_logs(struct description *description)
{
    if (description->log_count > 1)
        qsort(description->logs, description->log_count, sizeof(*description->logs), compare_logs);
}

static void release_logs(struct description *description)
{
    for (size_t i = 0; i < description->log_count; i++) {
        weir_partition_log_unref(description->logs[i].current);
        weir_partition_log_unref(description->logs[i].log);
    }
    description->log_count = 0;
}

static void fill_partition(const struct found_log *found, partition_t *out)
{
    struct weir_partition_log *log = found->log;
    weir_describe_log_dirs_response_describe_log_dirs_partition_init(out);
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    out->partition_index = weir_partition_log_key(log)->partition;
    out->partition_size = (int64_t)weir_partition_log_size(log);
    /* How far the log is behind what is known to be committed, not how much is uncommitted; a copy,
     * how far it is behind what it is copied from. */
    int64_t goal = found->is_future ? offsets.log_end_offset : offsets.high_watermark;
    if (found->current != NULL)
        goal = weir_partition_log_end_offset(found->current);
    out->offset_lag = goal > offsets.log_end_offset ? goal - offsets.log_end_offset : 0;
    out->is_future_key = found->is_future;
}

static enum weir_status fill_topics(struct description *description, size_t dir, dir_t *out)
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
        fill_partition(&description->logs[i], partitions);
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
    return fill_topics(description, index, out);
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
    weir_describe_log_dirs_response_init(&description->response);
    description->status = find_logs(description);
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
