/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OffsetCommit.  Topics and partitions are checked against the image, by name or (since version 10)
 * by id; those that exist go to the group.  When none does, the group is not asked at all, as in
 * Apache Kafka.
 */

#include "api_int.h"
#include "call_state.h"
#include "topic_slots.h"

#include "weir/protocol/messages/offset_commit_request.h"
#include "weir/protocol/messages/offset_commit_response.h"

typedef struct weir_offset_commit_request request_t;
typedef struct weir_offset_commit_request_offset_commit_request_topic asked_topic_t;
typedef struct weir_offset_commit_request_offset_commit_request_partition asked_partition_t;
typedef struct weir_offset_commit_response_offset_commit_response_topic topic_t;
typedef struct weir_offset_commit_response_offset_commit_response_partition partition_t;

struct committing {
    struct weir_offset_commit commit; /* items are in the call's arena */
    struct weir_call *call;
    struct weir_offset_commit_response response;
    partition_t **results; /* of each item, in the response */
};

static bool is_by_id(const struct weir_call *call)
{
    return weir_offset_commit_request_offset_commit_request_topic_has_topic_id(call->version);
}

static bool has_partition(const struct weir_image_topic *topic, int32_t partition)
{
    return topic != NULL && partition >= 0 && partition < topic->partition_count;
}

/* What the image has to each topic of the request, NULL for those it does not know.  NULL when
 * memory is out. */
static const struct weir_image_topic **look_up(struct weir_call *call, bool *out_has_unknown)
{
    const request_t *request = call->body;
    const struct weir_image_topic **known =
        WEIR_CALL_ALLOC(call, const struct weir_image_topic *, request->topics.count);
    *out_has_unknown = false;
    for (int32_t t = 0; known != NULL && t < request->topics.count; t++) {
        const asked_topic_t *asked = &request->topics.items[t];
        known[t] = is_by_id(call) ? weir_image_topic_by_id(call->image, asked->topic_id)
                                  : weir_image_topic(call->image, asked->name);
        *out_has_unknown = *out_has_unknown || known[t] == NULL;
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            if (!has_partition(known[t], asked->partitions.items[p].partition_index))
                *out_has_unknown = true;
        }
    }
    return known;
}

static enum weir_status make_slots(struct weir_call *call, bool has_unknown,
                                   struct weir_topic_slots *out)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->topics.count;
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    size_t *partition_counts = WEIR_CALL_ALLOC(call, size_t, count);
    if (keys == NULL || partition_counts == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < count; t++) {
        const asked_topic_t *asked = &request->topics.items[t];
        keys[t] = is_by_id(call)
                      ? weir_slice_of(asked->topic_id.bytes, sizeof(asked->topic_id.bytes))
                      : asked->name;
        partition_counts[t] = (size_t)asked->partitions.count;
    }
    return weir_topic_slots_make(call->arena, keys, partition_counts, count, has_unknown, out);
}

static void add_item(struct committing *committing, const struct weir_image_topic *topic,
                     const asked_partition_t *asked, partition_t *result)
{
    struct weir_offset_commit *commit = &committing->commit;
    committing->results[commit->item_count] = result;
    commit->items[commit->item_count++] = (struct weir_offset_commit_item){
        .topic = topic->name,
        .topic_id = topic->id,
        .partition = asked->partition_index,
        .leader_epoch = asked->committed_leader_epoch,
        .offset = asked->committed_offset,
        .metadata = asked->committed_metadata,
    };
}

/* Puts the topic's partitions into their place of the answer, and those that exist into the
 * operation too. */
static void add_topic(struct committing *committing, const asked_topic_t *asked,
                      const struct weir_image_topic *topic, topic_t *out)
{
    const enum weir_error_code unknown = topic == NULL && is_by_id(committing->call)
                                             ? WEIR_ERROR_UNKNOWN_TOPIC_ID
                                             : WEIR_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        partition_t *result = &out->partitions.items[out->partitions.count++];
        weir_offset_commit_response_offset_commit_response_partition_init(result);
        result->partition_index = asked->partitions.items[p].partition_index;
        if (has_partition(topic, result->partition_index))
            add_item(committing, topic, &asked->partitions.items[p], result);
        else
            result->error_code = (int16_t)unknown;
    }
}

static enum weir_status fill_topics(struct committing *committing,
                                    const struct weir_image_topic **known,
                                    const struct weir_topic_slots *slots)
{
    struct weir_call *call = committing->call;
    const request_t *request = call->body;
    const size_t count = (size_t)request->topics.count;
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, count);
    bool *is_present = WEIR_CALL_ALLOC(call, bool, count);
    if (topics == NULL || is_present == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < count; t++) {
        const asked_topic_t *asked = &request->topics.items[t];
        const size_t slot = slots->slot[t];
        topic_t *out = &topics[slot];
        if (slot == t) {
            weir_offset_commit_response_offset_commit_response_topic_init(out);
            out->name = asked->name;
            out->topic_id = asked->topic_id;
            out->partitions.items = WEIR_CALL_ALLOC(call, partition_t, slots->capacity[t]);
            if (out->partitions.items == NULL)
                return WEIR_NO_MEMORY;
        }
        add_topic(committing, asked, known[t], out);
        /* A topic that exists and is named without a partition is passed over. */
        is_present[slot] = is_present[slot] || known[t] == NULL || asked->partitions.count > 0;
    }
    committing->response.topics.items = topics;
    for (size_t t = 0; t < count; t++) {
        if (is_present[t])
            topics[committing->response.topics.count++] = topics[t];
    }
    return WEIR_OK;
}

static enum weir_status prepare(struct committing *committing)
{
    struct weir_call *call = committing->call;
    const request_t *request = call->body;
    size_t partition_count = 0;
    for (int32_t t = 0; t < request->topics.count; t++)
        partition_count += (size_t)request->topics.items[t].partitions.count;
    committing->commit.items =
        WEIR_CALL_ALLOC(call, struct weir_offset_commit_item, partition_count);
    committing->results = WEIR_CALL_ALLOC(call, partition_t *, partition_count);
    if (committing->commit.items == NULL || committing->results == NULL)
        return WEIR_NO_MEMORY;
    bool has_unknown;
    const struct weir_image_topic **known = look_up(call, &has_unknown);
    struct weir_topic_slots slots;
    if (known == NULL || make_slots(call, has_unknown, &slots) != WEIR_OK)
        return WEIR_NO_MEMORY;
    return fill_topics(committing, known, &slots);
}

static void respond(struct weir_call *call, void *argument)
{
    struct committing *committing = argument;
    const struct weir_offset_commit *commit = &committing->commit;
    for (size_t i = 0; i < commit->item_count; i++)
        committing->results[i]->error_code =
            weir_code(commit->op.status != WEIR_OK ? commit->op.status : commit->items[i].status);
    weir_call_respond(call, &committing->response);
    weir_group_op_free(&committing->commit.op);
    weir_free(committing);
}

static void on_done(struct weir_group_op *op)
{
    struct committing *committing = WEIR_CONTAINER_OF(op, struct committing, commit.op);
    weir_call_resume(committing->call, respond, committing);
}

static void commit(struct committing *committing)
{
    struct weir_call *call = committing->call;
    const request_t *request = call->body;
    const struct weir_group_offset_commit_request commit = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .generation = request->generation_id_or_member_epoch,
        .retention_ms = request->retention_time_ms,
        .knows_group_id_not_found = call->version >= 9, /* KIP-848, a change without a field */
    };
    committing->commit.op.done = on_done;
    weir_group_offset_commit(call->api->options.groups, &commit, &committing->commit);
}

void weir_api_offset_commit(struct weir_call *call)
{
    struct committing *committing = weir_call_state_new(sizeof(*committing), 0, 0);
    if (committing == NULL) {
        weir_call_close(call);
        return;
    }
    committing->call = call;
    weir_offset_commit_response_init(&committing->response);
    if (prepare(committing) != WEIR_OK) {
        weir_call_close(call);
        weir_free(committing);
    } else if (committing->commit.item_count == 0) {
        respond(call, committing);
    } else {
        commit(committing);
    }
}
