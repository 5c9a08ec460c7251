/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AlterReplicaLogDirs (key 34, KIP-113): moves replicas to another log directory of this broker.
 * The answer leaves when the moves have begun; DescribeLogDirs shows them as future replicas.
 * Beginning one makes files, so all of it runs on a task thread; the arena is that thread's
 * meanwhile.
 */

#include "api_int.h"
#include "repeats.h"

#include "weir/protocol/messages/alter_replica_log_dirs_request.h"
#include "weir/protocol/messages/alter_replica_log_dirs_response.h"

typedef struct weir_alter_replica_log_dirs_request request_t;
typedef struct weir_alter_replica_log_dirs_response_alter_replica_log_dir_topic_result topic_t;
typedef struct weir_alter_replica_log_dirs_response_alter_replica_log_dir_partition_result
    partition_t;

/* One partition of the request; named again, the last directory counts. */
struct wish {
    struct weir_slice topic;
    struct weir_slice path;
    struct {
        size_t topic; /* the first wish of that topic */
        int64_t partition;
    } key;
    topic_t *result; /* of the first wish of a topic */
};

struct alteration {
    struct weir_task task;
    struct weir_call *call;
    bool has_memory;
    struct wish *wishes;
    size_t count;
    size_t *firsts; /* of each wish, the first with the same key */
    struct weir_alter_replica_log_dirs_response response;
};

/* A partition that is not here is remembered; the code says whether there is such a partition. */
static enum weir_status not_here(struct weir_call *call, struct weir_slice name, int32_t index)
{
    const struct weir_image_topic *topic = weir_image_topic(call->image, name);
    return topic != NULL && index >= 0 && index < topic->partition_count
               ? WEIR_REPLICA_NOT_AVAILABLE
               : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool is_log_dir(struct weir_log_manager *logs, struct weir_slice path)
{
    struct weir_log_dir_info info;
    for (size_t i = 0; i < weir_log_manager_dir_count(logs); i++) {
        weir_log_manager_dir(logs, i, &info);
        if (weir_slice_is(path, info.path))
            return true;
    }
    return false;
}

static enum weir_status move(struct weir_call *call, const struct wish *wish)
{
    struct weir_topic_partition key;
    struct weir_detail detail = {{0}};
    const int32_t index = (int32_t)wish->key.partition;
    if (weir_topic_partition_make(wish->topic, index, &key) != WEIR_OK)
        return is_log_dir(call->api->options.logs, wish->path) ? not_here(call, wish->topic, index)
                                                               : WEIR_LOG_DIR_NOT_FOUND;
    enum weir_status status =
        weir_log_mover_move(call->api->options.mover, &key, wish->path, &detail);
    if (status == WEIR_REPLICA_NOT_AVAILABLE)
        status = not_here(call, wish->topic, index);
    if (status != WEIR_OK)
        WEIR_LOG_DEBUG(call->api->options.log, "log_dir_not_altered", WEIR_STR("topic", key.topic),
                       WEIR_I64("partition", key.partition), WEIR_STR("why", detail.text));
    return status;
}

/* Flattens the request. */
static void collect(struct alteration *alteration, const request_t *request)
{
    for (int32_t d = 0; d < request->dirs.count; d++) {
        for (int32_t t = 0; t < request->dirs.items[d].topics.count; t++) {
            for (int32_t p = 0; p < request->dirs.items[d].topics.items[t].partitions.count; p++) {
                struct wish *wish = &alteration->wishes[alteration->count++];
                wish->path = request->dirs.items[d].path;
                wish->topic = request->dirs.items[d].topics.items[t].name;
                wish->key.partition = request->dirs.items[d].topics.items[t].partitions.items[p];
            }
        }
    }
}

static size_t count_wishes(const request_t *request)
{
    size_t count = 0;
    for (int32_t d = 0; d < request->dirs.count; d++) {
        for (int32_t t = 0; t < request->dirs.items[d].topics.count; t++)
            count += (size_t)request->dirs.items[d].topics.items[t].partitions.count;
    }
    return count;
}

static enum weir_status find_same(struct alteration *alteration)
{
    struct weir_arena *arena = alteration->call->arena;
    const size_t count = alteration->count;
    size_t *topics;
    struct weir_slice *keys = WEIR_CALL_ALLOC(alteration->call, struct weir_slice, count);
    if (keys == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        keys[i] = alteration->wishes[i].topic;
    enum weir_status status = weir_find_firsts(arena, keys, count, &topics);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        alteration->wishes[i].key.topic = topics[i];
        keys[i] = WEIR_KEY(alteration->wishes[i].key);
    }
    status = weir_find_firsts(arena, keys, count, &alteration->firsts);
    for (size_t i = 0; status == WEIR_OK && i < count; i++)
        alteration->wishes[alteration->firsts[i]].path = alteration->wishes[i].path;
    return status;
}

/* Results of each topic in the order of their first wishes. */
static bool make_results(struct alteration *alteration)
{
    struct weir_alter_replica_log_dirs_response *response = &alteration->response;
    response->results.items = WEIR_CALL_ALLOC(alteration->call, topic_t, alteration->count);
    partition_t *pool = WEIR_CALL_ALLOC(alteration->call, partition_t, alteration->count);
    if (response->results.items == NULL || pool == NULL)
        return false;
    for (size_t i = 0; i < alteration->count; i++) {
        struct wish *first = &alteration->wishes[alteration->wishes[i].key.topic];
        if (first->result == NULL) {
            first->result = &response->results.items[response->results.count++];
            weir_alter_replica_log_dirs_response_alter_replica_log_dir_topic_result_init(
                first->result);
            first->result->topic_name = first->topic;
        }
        if (alteration->firsts[i] == i)
            first->result->partitions.count++;
    }
    for (int32_t i = 0; i < response->results.count; i++) {
        topic_t *topic = &response->results.items[i];
        topic->partitions.items = pool;
        pool += topic->partitions.count;
        topic->partitions.count = 0;
    }
    return true;
}

static void respond(struct weir_call *call, void *argument)
{
    const struct alteration *alteration = argument;
    if (alteration->has_memory)
        weir_call_respond(call, &alteration->response);
    else
        weir_call_close(call);
}

static void alter(struct weir_task *task)
{
    struct alteration *alteration = WEIR_CONTAINER_OF(task, struct alteration, task);
    struct weir_call *call = alteration->call;
    weir_alter_replica_log_dirs_response_init(&alteration->response);
    alteration->wishes = WEIR_CALL_ALLOC(call, struct wish, count_wishes(call->body));
    if (alteration->wishes != NULL) {
        collect(alteration, call->body);
        alteration->has_memory = find_same(alteration) == WEIR_OK && make_results(alteration);
    }
    for (size_t i = 0; alteration->has_memory && i < alteration->count; i++) {
        const struct wish *wish = &alteration->wishes[i];
        if (alteration->firsts[i] != i)
            continue;
        topic_t *topic = alteration->wishes[wish->key.topic].result;
        partition_t *out = &topic->partitions.items[topic->partitions.count++];
        weir_alter_replica_log_dirs_response_alter_replica_log_dir_partition_result_init(out);
        out->partition_index = (int32_t)wish->key.partition;
        out->error_code = weir_code(move(call, wish));
    }
    weir_call_resume(call, respond, alteration);
}

void weir_api_alter_replica_log_dirs(struct weir_call *call)
{
    struct alteration *alteration = WEIR_CALL_ALLOC(call, struct alteration, 1);
    if (alteration == NULL) {
        weir_call_close(call);
        return;
    }
    alteration->call = call;
    alteration->task.run = alter;
    weir_task_pool_submit(call->api->options.pool, &alteration->task);
}
