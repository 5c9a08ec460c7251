/* SPDX-License-Identifier: Apache-2.0 */

/*
 * AlterReplicaLogDirs (key 34, KIP-113): moves replicas to another log directory of this broker.
 * The answer leaves when the moves have begun; DescribeLogDirs shows them as future replicas.
 * Beginning one makes files, so all of it runs on a task thread; the arena is that thread's
 * meanwhile.
 */

#include "api_int.h"

#include "weir/protocol/messages/alter_replica_log_dirs_request.h"
#include "weir/protocol/messages/alter_replica_log_dirs_response.h"

typedef struct weir_alter_replica_log_dirs_request request_t;
typedef struct weir_alter_replica_log_dirs_response_alter_replica_log_dir_topic_result topic_t;
typedef struct weir_alter_replica_log_dirs_response_alter_replica_log_dir_partition_result
    partition_t;

struct alteration {
    struct weir_task task;
    struct weir_call *call;
    bool has_memory;
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

static enum weir_status move(struct weir_call *call, struct weir_slice path, struct weir_slice name,
                             int32_t index)
{
    struct weir_topic_partition key;
    struct weir_detail detail = {{0}};
    if (weir_topic_partition_make(name, index, &key) != WEIR_OK)
        return not_here(call, name, index);
    enum weir_status status = weir_log_mover_move(call->api->options.mover, &key, path, &detail);
    if (status == WEIR_REPLICA_NOT_AVAILABLE)
        status = not_here(call, name, index);
    if (status != WEIR_OK)
        WEIR_LOG_DEBUG(call->api->options.log, "log_dir_not_altered", WEIR_STR("topic", key.topic),
                       WEIR_I64("partition", key.partition), WEIR_STR("why", detail.text));
    return status;
}

static topic_t *topic_of(struct alteration *alteration, struct weir_slice name)
{
    struct weir_alter_replica_log_dirs_response *response = &alteration->response;
    for (int32_t i = 0; i < response->results.count; i++) {
        if (weir_slice_equal(response->results.items[i].topic_name, name))
            return &response->results.items[i];
    }
    return NULL;
}

/* Room for each topic's partitions, whichever directories they are asked for in. */
static bool make_topics(struct alteration *alteration)
{
    const request_t *request = alteration->call->body;
    struct weir_alter_replica_log_dirs_response *response = &alteration->response;
    size_t topics = 0;
    size_t partitions = 0;
    for (int32_t d = 0; d < request->dirs.count; d++) {
        topics += (size_t)request->dirs.items[d].topics.count;
        for (int32_t t = 0; t < request->dirs.items[d].topics.count; t++)
            partitions += (size_t)request->dirs.items[d].topics.items[t].partitions.count;
    }
    response->results.items = WEIR_CALL_ALLOC(alteration->call, topic_t, topics);
    partition_t *pool = WEIR_CALL_ALLOC(alteration->call, partition_t, partitions);
    if (response->results.items == NULL || pool == NULL)
        return false;
    for (int32_t d = 0; d < request->dirs.count; d++) {
        for (int32_t t = 0; t < request->dirs.items[d].topics.count; t++) {
            const struct weir_slice name = request->dirs.items[d].topics.items[t].name;
            topic_t *topic = topic_of(alteration, name);
            if (topic == NULL) {
                topic = &response->results.items[response->results.count++];
                weir_alter_replica_log_dirs_response_alter_replica_log_dir_topic_result_init(topic);
                topic->topic_name = name;
            }
            topic->partitions.count += request->dirs.items[d].topics.items[t].partitions.count;
        }
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
    const request_t *request = call->body;
    weir_alter_replica_log_dirs_response_init(&alteration->response);
    alteration->has_memory = make_topics(alteration);
    for (int32_t d = 0; alteration->has_memory && d < request->dirs.count; d++) {
        for (int32_t t = 0; t < request->dirs.items[d].topics.count; t++) {
            const struct weir_slice name = request->dirs.items[d].topics.items[t].name;
            topic_t *topic = topic_of(alteration, name);
            for (int32_t p = 0; p < request->dirs.items[d].topics.items[t].partitions.count; p++) {
                partition_t *out = &topic->partitions.items[topic->partitions.count++];
                weir_alter_replica_log_dirs_response_alter_replica_log_dir_partition_result_init(
                    out);
                out->partition_index = request->dirs.items[d].topics.items[t].partitions.items[p];
                out->error_code =
                    weir_code(move(call, request->dirs.items[d].path, name, out->partition_index));
            }
        }
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
