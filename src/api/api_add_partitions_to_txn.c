/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AddPartitionsToTxn (key 24).  Up to version 3 a client adds the partitions of its one
 * transaction; from 4 on brokers send many, to add them or only to verify (KIP-890).  A transaction
 * with a partition that does not exist is not touched at all.  A request without transactions is
 * answered (Apache Kafka never does).
 */
#include "api_int.h"

#include "weir/protocol/messages/add_partitions_to_txn_request.h"
#include "weir/protocol/messages/add_partitions_to_txn_response.h"
#include "weir/txn/txn_service.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct weir_add_partitions_to_txn_request request_t;
typedef struct weir_add_partitions_to_txn_request_add_partitions_to_txn_transaction asked_t;
typedef struct weir_add_partitions_to_txn_request_add_partitions_to_txn_topic asked_topic_t;
typedef struct weir_add_partitions_to_txn_response_add_partitions_to_txn_result result_t;
typedef struct weir_add_partitions_to_txn_response_add_partitions_to_txn_topic_result topic_t;
typedef struct weir_add_partitions_to_txn_response_add_partitions_to_txn_partition_result
    partition_t;

struct one_txn {
    struct weir_txn_add add;
    struct adding *adding;
    const asked_topic_t *topics; /* of the request */
    int32_t topic_count;
    bool exists;   /* every partition does */
    bool is_asked; /* the coordinator was */
};

/* In the call's arena: nobody touches it any more when the call is answered. */
struct adding {
    struct weir_call *call;
    atomic_size_t left;
    struct one_txn *txns;
    size_t txn_count;
};

static bool is_batched(const struct weir_call *call)
{
    return weir_add_partitions_to_txn_request_has_transactions(call->version);
}

static int compare_partitions(const void *a, const void *b)
{
    const struct weir_txn_partition *left = a;
    const struct weir_txn_partition *right = b;
    int order = weir_slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

/* Each partition once, by topic and partition.  False when memory is out. */
static bool collect(struct weir_call *call, const asked_topic_t *topics, int32_t topic_count,
                    struct one_txn *txn)
{
    struct weir_txn_add *out = &txn->add;
    size_t count = 0;
    txn->topics = topics;
    txn->topic_count = topic_count;
    for (int32_t t = 0; t < topic_count; t++)
        count += (size_t)topics[t].partitions.count;
    out->partitions = WEIR_CALL_ALLOC(call, struct weir_txn_partition, count);
    if (out->partitions == NULL)
        return false;
    size_t filled = 0;
    for (int32_t t = 0; t < topic_count; t++) {
        for (int32_t p = 0; p < topics[t].partitions.count; p++)
            out->partitions[filled++] = (struct weir_txn_partition){
                .topic = topics[t].name, .partition = topics[t].partitions.items[p]};
    }
    qsort(out->partitions, filled, sizeof(out->partitions[0]), compare_partitions);
    for (size_t i = 0; i < filled; i++) {
        if (out->partition_count == 0 ||
            compare_partitions(&out->partitions[out->partition_count - 1], &out->partitions[i]) !=
                0)
            out->partitions[out->partition_count++] = out->partitions[i];
    }
    return true;
}

/* False, with the statuses that are the answer, when a partition does not exist. */
static bool do_all_exist(const struct weir_call *call, struct weir_txn_add *add)
{
    bool is_missing = false;
    for (size_t i = 0; i < add->partition_count; i++) {
        struct weir_txn_partition *partition = &add->partitions[i];
        const struct weir_image_topic *topic = weir_image_topic(call->image, partition->topic);
        bool exists = topic != NULL && partition->partition >= 0 &&
                      partition->partition < topic->partition_count;
        partition->status = exists ? WEIR_OPERATION_NOT_ATTEMPTED : WEIR_UNKNOWN_TOPIC_OR_PARTITION;
        is_missing = is_missing || !exists;
    }
    return !is_missing;
}

/* ---- The answer ---- */

static int16_t code_of(const struct weir_call *call, enum weir_status status)
{
    if (status == WEIR_PRODUCER_FENCED && call->version < 2)
        status = WEIR_INVALID_PRODUCER_EPOCH; /* KIP-588 */
    return weir_code(status);
}

static void fill_partition(const struct weir_call *call, int32_t index, enum weir_status status,
                           partition_t *out)
{
    weir_add_partitions_to_txn_response_add_partitions_to_txn_partition_result_init(out);
    out->partition_index = index;
    out->partition_error_code = code_of(call, status);
}

/* What was to be added is answered as it was asked, all with the one status. */
static bool mirror_topics(struct weir_call *call, const struct one_txn *txn, topic_t **out,
                          int32_t *out_count)
{
    const enum weir_status status =
        txn->add.partition_count == 0 ? WEIR_OK : txn->add.partitions[0].status;
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, txn->topic_count);
    if (topics == NULL)
        return false;
    for (int32_t t = 0; t < txn->topic_count; t++) {
        const asked_topic_t *asked = &txn->topics[t];
        partition_t *partitions = WEIR_CALL_ALLOC(call, partition_t, asked->partitions.count);
        if (partitions == NULL)
            return false;
        weir_add_partitions_to_txn_response_add_partitions_to_txn_topic_result_init(&topics[t]);
        topics[t].name = asked->name;
        topics[t].results_by_partition.items = partitions;
        topics[t].results_by_partition.count = asked->partitions.count;
        for (int32_t p = 0; p < asked->partitions.count; p++)
            fill_partition(call, asked->partitions.items[p], status, &partitions[p]);
    }
    *out = topics;
    *out_count = txn->topic_count;
    return true;
}

/* False when memory is out. */
static bool fill_topics(struct weir_call *call, const struct one_txn *txn, topic_t **out,
                        int32_t *out_count)
{
    const struct weir_txn_add *add = &txn->add;
    if (txn->exists && !add->verify_only)
        return mirror_topics(call, txn, out, out_count);
    const size_t count = add->partition_count;
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, count);
    partition_t *partitions = WEIR_CALL_ALLOC(call, partition_t, count);
    if (topics == NULL || partitions == NULL)
        return false;
    *out = topics;
    *out_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct weir_txn_partition *partition = &add->partitions[i];
        if (i == 0 || !weir_slice_equal(add->partitions[i - 1].topic, partition->topic)) {
            topic_t *topic = &topics[(*out_count)++];
            weir_add_partitions_to_txn_response_add_partitions_to_txn_topic_result_init(topic);
            topic->name = partition->topic;
            topic->results_by_partition.items = &partitions[i];
        }
        topics[*out_count - 1].results_by_partition.count++;
        fill_partition(call, partition->partition, partition->status, &partitions[i]);
    }
    return true;
}

static void respond(struct weir_call *call, void *argument)
{
    const struct adding *adding = argument;
    struct weir_add_partitions_to_txn_response response;
    weir_add_partitions_to_txn_response_init(&response);
    result_t *results = WEIR_CALL_ALLOC(call, result_t, adding->txn_count);
    bool has_memory = results != NULL;
    for (size_t t = 0; t < adding->txn_count; t++) {
        struct one_txn *txn = &adding->txns[t];
        const enum weir_status status = txn->is_asked ? txn->add.op.status : WEIR_OK;
        for (size_t i = 0; status != WEIR_OK && i < txn->add.partition_count; i++)
            txn->add.partitions[i].status = status;
        if (has_memory && is_batched(call)) {
            weir_add_partitions_to_txn_response_add_partitions_to_txn_result_init(&results[t]);
            results[t].transactional_id = txn->add.transactional_id;
            has_memory = fill_topics(call, txn, &results[t].topic_results.items,
                                     &results[t].topic_results.count);
        } else if (has_memory) {
            has_memory = fill_topics(call, txn, &response.results_by_topic_v3_and_below.items,
                                     &response.results_by_topic_v3_and_below.count);
        }
        if (txn->is_asked)
            weir_txn_op_free(&txn->add.op);
    }
    if (!has_memory) {
        weir_call_close(call);
        return;
    }
    if (is_batched(call)) {
        response.results_by_transaction.items = results;
        response.results_by_transaction.count = (int32_t)adding->txn_count;
    }
    weir_call_respond(call, &response);
}

static void release(struct adding *adding)
{
    if (atomic_fetch_sub(&adding->left, 1) == 1)
        weir_call_resume(adding->call, respond, adding);
}

static void one_done(struct weir_txn_op *op)
{
    release(WEIR_CONTAINER_OF(op, struct one_txn, add.op)->adding);
}

/* ---- The request ---- */

static bool fill_single(struct weir_call *call, struct one_txn *out)
{
    const request_t *request = call->body;
    out->add.transactional_id = request->v3_and_below_transactional_id;
    out->add.producer_id = request->v3_and_below_producer_id;
    out->add.producer_epoch = request->v3_and_below_producer_epoch;
    return collect(call, request->v3_and_below_topics.items, request->v3_and_below_topics.count,
                   out);
}

static bool fill_batched(struct weir_call *call, const asked_t *asked, struct one_txn *out)
{
    out->add.transactional_id = asked->transactional_id;
    out->add.producer_id = asked->producer_id;
    out->add.producer_epoch = asked->producer_epoch;
    out->add.verify_only = asked->verify_only;
    out->add.client_transaction_version = call->version > 4 ? 2 : 0; /* KIP-890, no field says so */
    return collect(call, asked->topics.items, asked->topics.count, out);
}

static struct adding *prepare(struct weir_call *call)
{
    const request_t *request = call->body;
    struct adding *adding = WEIR_CALL_ALLOC(call, struct adding, 1);
    if (adding == NULL)
        return NULL;
    adding->call = call;
    adding->txn_count = is_batched(call) ? (size_t)request->transactions.count : 1;
    adding->txns = WEIR_CALL_ALLOC(call, struct one_txn, adding->txn_count);
    if (adding->txns == NULL)
        return NULL;
    for (size_t i = 0; i < adding->txn_count; i++) {
        struct one_txn *txn = &adding->txns[i];
        txn->adding = adding;
        txn->add.op.done = one_done;
        bool has_memory = is_batched(call)
                              ? fill_batched(call, &request->transactions.items[i], txn)
                              : fill_single(call, txn);
        if (!has_memory)
            return NULL;
        txn->exists = do_all_exist(call, &txn->add);
        txn->is_asked = txn->exists && txn->add.partition_count > 0;
    }
    return adding;
}

void weir_api_add_partitions_to_txn(struct weir_call *call)
{
    struct adding *adding = prepare(call);
    if (adding == NULL) {
        weir_call_close(call);
        return;
    }
    atomic_init(&adding->left, adding->txn_count + 1);
    for (size_t i = 0; i < adding->txn_count; i++) {
        if (adding->txns[i].is_asked)
            weir_txn_add(call->api->options.txns, &adding->txns[i].add);
        else
            release(adding);
    }
    release(adding);
}
