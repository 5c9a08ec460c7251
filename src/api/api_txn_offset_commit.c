/* SPDX-License-Identifier: Apache-2.0 */

/*
 * TxnOffsetCommit (key 28): offsets that count when the producer's transaction commits.  Partitions
 * that exist go to the group; when none does, it is not asked at all.  Before that the
 * transaction's coordinator is asked whether the group's partition of __consumer_offsets belongs to
 * the transaction (KIP-890), or, from version 5 on, adds it.
 */

#include "call_state.h"
#include "topic_slots.h"
#include "txn_verify.h"

#include "weir/protocol/messages/txn_offset_commit_request.h"
#include "weir/protocol/messages/txn_offset_commit_response.h"

typedef struct weir_txn_offset_commit_request request_t;
typedef struct weir_txn_offset_commit_request_txn_offset_commit_request_topic asked_topic_t;
typedef struct weir_txn_offset_commit_request_txn_offset_commit_request_partition asked_partition_t;
typedef struct weir_txn_offset_commit_response_txn_offset_commit_response_topic topic_t;
typedef struct weir_txn_offset_commit_response_txn_offset_commit_response_partition partition_t;

struct committing {
    struct weir_offset_commit commit; /* items are in the call's arena */
    struct weir_call *call;
    struct weir_txn_offset_commit_response response;
    partition_t **results; /* of each item, in the response */
    struct weir_txn_verify verify;
    struct weir_txn_partition offsets_partition;
    uint64_t guard;
};

static bool has_partition(const struct weir_image_topic *topic, int32_t partition)
{
    return topic != NULL && partition >= 0 && partition < topic->partition_count;
}

/* ---- The request ---- */

/* True when every topic and partition exists: then the answer mirrors the request; otherwise topics
 * that were named twice become one. */
static bool do_all_exist(const struct weir_call *call)
{
    const request_t *request = call->body;
    for (int32_t t = 0; t < request->topics.count; t++) {
        const asked_topic_t *asked = &request->topics.items[t];
        const struct weir_image_topic *topic = weir_image_topic(call->image, asked->name);
        if (topic == NULL)
            return false;
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            if (!has_partition(topic, asked->partitions.items[p].partition_index))
                return false;
        }
    }
    return true;
}

static enum weir_status make_slots(struct weir_call *call, struct weir_topic_slots *out)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->topics.count;
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    size_t *partition_counts = WEIR_CALL_ALLOC(call, size_t, count);
    if (keys == NULL || partition_counts == NULL)
        return WEIR_NO_MEMORY;
    for (size_t t = 0; t < count; t++) {
        keys[t] = request->topics.items[t].name;
        partition_counts[t] = (size_t)request->topics.items[t].partitions.count;
    }
    return weir_topic_slots_make(call->arena, keys, partition_counts, count, !do_all_exist(call),
                                 out);
}

static void add_partition(struct committing *committing, const struct weir_image_topic *topic,
                          const asked_partition_t *asked, topic_t *out)
{
    struct weir_offset_commit *commit = &committing->commit;
    partition_t *result = &out->partitions.items[out->partitions.count++];
    weir_txn_offset_commit_response_txn_offset_commit_response_partition_init(result);
    result->partition_index = asked->partition_index;
    if (!has_partition(topic, asked->partition_index)) {
        result->error_code = WEIR_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    committing->results[commit->item_count] = result;
    commit->items[commit->item_count++] =
        (struct weir_offset_commit_item){.topic = topic->name,
                                         .topic_id = topic->id,
                                         .partition = asked->partition_index,
                                         .leader_epoch = asked->committed_leader_epoch,
                                         .offset = asked->committed_offset,
                                         .metadata = asked->committed_metadata};
}

static enum weir_status fill_topics(struct committing *committing,
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
        const struct weir_image_topic *known = weir_image_topic(call->image, asked->name);
        topic_t *out = &topics[slots->slot[t]];
        if (slots->slot[t] == t) {
            weir_txn_offset_commit_response_txn_offset_commit_response_topic_init(out);
            out->name = asked->name;
            out->partitions.items = WEIR_CALL_ALLOC(call, partition_t, slots->capacity[t]);
            if (out->partitions.items == NULL)
                return WEIR_NO_MEMORY;
        }
        for (int32_t p = 0; p < asked->partitions.count; p++)
            add_partition(committing, known, &asked->partitions.items[p], out);
        /* A topic that exists and is named without a partition is passed over. */
        const size_t slot = slots->slot[t];
        is_present[slot] = is_present[slot] || known == NULL || asked->partitions.count > 0;
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
    struct weir_topic_slots slots;
    if (committing->commit.items == NULL || committing->results == NULL ||
        make_slots(call, &slots) != WEIR_OK)
        return WEIR_NO_MEMORY;
    return fill_topics(committing, &slots);
}

/* ---- The answer ---- */

static enum weir_status told(const struct weir_call *call, enum weir_status status)
{
    switch ((int)status) {
    case WEIR_NOT_ENOUGH_REPLICAS:
    case WEIR_REQUEST_TIMED_OUT:
    case WEIR_UNKNOWN_TOPIC_OR_PARTITION:
        return WEIR_COORDINATOR_NOT_AVAILABLE;
    case WEIR_NOT_LEADER_OR_FOLLOWER:
    case WEIR_KAFKA_STORAGE_ERROR:
        return WEIR_NOT_COORDINATOR;
    case WEIR_COORDINATOR_LOAD_IN_PROGRESS:
        /* Producers before 2.0 could fall over it (KAFKA-7296). */
        return call->version < 2 ? WEIR_COORDINATOR_NOT_AVAILABLE : status;
    default: /* the few that Kafka maps; all others are told as they are */
        return status;
    }
}

/* Frees the state. */
static void finish(struct committing *committing, enum weir_status status)
{
    struct weir_call *call = committing->call;
    const struct weir_offset_commit *commit = &committing->commit;
    for (size_t i = 0; i < commit->item_count; i++)
        committing->results[i]->error_code =
            weir_code(told(call, status != WEIR_OK ? status : commit->items[i].status));
    weir_call_respond(call, &committing->response);
    weir_group_op_free(&committing->commit.op);
    weir_free(committing);
}

static void committed(struct weir_call *call, void *argument)
{
    struct committing *committing = argument;
    (void)call;
    finish(committing, committing->commit.op.status);
}

static void on_done(struct weir_group_op *op)
{
    struct committing *committing = WEIR_CONTAINER_OF(op, struct committing, commit.op);
    weir_call_resume(committing->call, committed, committing);
}

/* ---- Verification, and the commit itself ---- */

static void commit(struct committing *committing)
{
    struct weir_call *call = committing->call;
    const request_t *request = call->body;
    const struct weir_group_offset_commit_request commit = {
        .group_id = request->group_id,
        .member_id = request->member_id,
        .instance_id = request->group_instance_id,
        .generation = request->generation_id,
        .retention_ms = -1,
        .is_transactional = true,
        .txn = {.producer_id = request->producer_id,
                .producer_epoch = request->producer_epoch,
                .verification_guard = committing->guard}};
    committing->commit.op.done = on_done;
    weir_group_offset_commit(call->api->options.groups, &commit, &committing->commit);
}

static void verified(struct weir_call *call, void *argument)
{
    struct committing *committing = argument;
    (void)call;
    if (committing->offsets_partition.status == WEIR_OK)
        commit(committing);
    else
        finish(committing, committing->offsets_partition.status);
}

static enum weir_verify_mode mode_of(const struct weir_call *call)
{
    if (call->version > 4)
        return WEIR_VERIFY_ADD; /* KIP-890; no field says so */
    return call->version > 3 ? WEIR_VERIFY : WEIR_VERIFY_OLD_ERRORS;
}

/* The group's partition; NULL when it is not here, which the group service will say. */
static struct weir_partition *find_offsets_partition(struct committing *committing)
{
    struct weir_call *call = committing->call;
    const struct weir_image_topic *topic =
        weir_image_topic(call->image, WEIR_SLICE("__consumer_offsets"));
    return topic == NULL || committing->offsets_partition.partition < 0
               ? NULL
               : weir_replicas_find(call->api->options.replicas, topic->id,
                                    committing->offsets_partition.partition);
}

static void prepare_verification(void *argument)
{
    struct committing *committing = argument;
    const request_t *request = committing->call->body;
    const struct weir_verification_request wanted = {
        .producer_id = request->producer_id,
        .producer_epoch = request->producer_epoch,
        .base_sequence = WEIR_BATCH_NO_SEQUENCE,
        .supports_epoch_bump = committing->verify.mode == WEIR_VERIFY_ADD};
    struct weir_partition *partition = find_offsets_partition(committing);
    committing->guard = WEIR_GUARD_NONE;
    committing->offsets_partition.status = WEIR_OK;
    if (partition != NULL)
        committing->offsets_partition.status =
            weir_partition_begin_verification(partition, &wanted, &committing->guard);
    committing->verify.partition_count = committing->guard == WEIR_GUARD_NONE ? 0 : 1;
    weir_partition_unref(partition);
}

static bool is_guard_current(void *argument)
{
    struct committing *committing = argument;
    const request_t *request = committing->call->body;
    struct weir_partition *partition = find_offsets_partition(committing);
    bool is_current = partition != NULL && weir_partition_guard_is_current(
                                               partition, request->producer_id, committing->guard);
    weir_partition_unref(partition);
    return is_current;
}

static void verify_and_commit(struct committing *committing)
{
    struct weir_call *call = committing->call;
    const request_t *request = call->body;
    if (!weir_txn_verify_is_needed(call, mode_of(call))) {
        committing->guard = WEIR_GUARD_OFF;
        commit(committing);
        return;
    }
    committing->offsets_partition = (struct weir_txn_partition){
        .topic = WEIR_SLICE("__consumer_offsets"),
        .partition = weir_coordinator_partition_of(
            weir_group_service_coordinator(call->api->options.groups), request->group_id)};
    committing->verify = (struct weir_txn_verify){.call = call,
                                                  .transactional_id = request->transactional_id,
                                                  .producer_id = request->producer_id,
                                                  .producer_epoch = request->producer_epoch,
                                                  .mode = mode_of(call),
                                                  .partitions = &committing->offsets_partition,
                                                  .prepare = prepare_verification,
                                                  .is_current = is_guard_current,
                                                  .then = verified,
                                                  .argument = committing};
    weir_txn_verify_start(&committing->verify);
}

void weir_api_txn_offset_commit(struct weir_call *call)
{
    const request_t *request = call->body;
    struct committing *committing = weir_call_state_new(sizeof(*committing), 0, 0);
    if (committing == NULL) {
        weir_call_close(call);
        return;
    }
    committing->call = call;
    weir_txn_offset_commit_response_init(&committing->response);
    if (prepare(committing) != WEIR_OK) {
        weir_call_close(call);
        weir_free(committing);
    } else if (committing->commit.item_count == 0) {
        finish(committing, WEIR_OK);
    } else if (request->group_id.size == 0) {
        finish(committing, WEIR_INVALID_GROUP_ID);
    } else if (request->producer_id < 0) {
        finish(committing, WEIR_INVALID_PRODUCER_ID_MAPPING); /* nobody was given such an id */
    } else {
        verify_and_commit(committing);
    }
}
