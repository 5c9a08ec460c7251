/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WriteTxnMarkers (key 27): a transaction coordinator, or an operator who ends a hanging
 * transaction (KIP-664), has markers written.  Answered when every marker is below the high
 * watermark of its partition.  A request that names a partition twice in one marker is refused as a
 * whole.
 */
#include "api_int.h"

#include "weir/api/txn_markers.h"
#include "weir/protocol/messages/write_txn_markers_request.h"
#include "weir/protocol/messages/write_txn_markers_response.h"

#include <stdatomic.h>
#include <stdlib.h>

typedef struct weir_write_txn_markers_request request_t;
typedef struct weir_write_txn_markers_request_writable_txn_marker asked_t;
typedef struct weir_write_txn_markers_response_writable_txn_marker_result result_t;
typedef struct weir_write_txn_markers_response_writable_txn_marker_topic_result topic_t;
typedef struct weir_write_txn_markers_response_writable_txn_marker_partition_result partition_t;

struct one_marker {
    struct weir_txn_markers markers;
    struct writing *writing;
};

/* In the call's arena: nobody touches it any more when the call is answered. */
struct writing {
    struct weir_call *call;
    atomic_size_t left;
    struct one_marker *markers;
    size_t marker_count;
    bool is_invalid;
};

/* One line of the answer. */
struct line {
    int64_t producer_id;
    struct weir_slice topic;
    int32_t partition;
    size_t rank; /* of its marker: of two for the same producer the later is told, as Kafka does */
    enum weir_status status;
};

static int compare_items(const void *a, const void *b)
{
    const struct weir_txn_marker_item *left = a;
    const struct weir_txn_marker_item *right = b;
    int order = weir_slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

static bool is_same_place(const struct weir_txn_marker_item *a,
                          const struct weir_txn_marker_item *b)
{
    return a->partition == b->partition && weir_slice_equal(a->topic, b->topic);
}

static bool exists(const struct weir_call *call, const struct weir_txn_marker_item *item)
{
    const struct weir_image_topic *topic = weir_image_topic(call->image, item->topic);
    return topic != NULL && item->partition >= 0 && item->partition < topic->partition_count;
}

/* False when memory is out.  Each partition once; out_has_twins says whether one that exists was
 * named twice. */
static bool collect_items(struct weir_call *call, const asked_t *asked,
                          struct weir_txn_markers *out, bool *out_has_twins)
{
    size_t count = 0;
    for (int32_t t = 0; t < asked->topics.count; t++)
        count += (size_t)asked->topics.items[t].partition_indexes.count;
    out->items = WEIR_CALL_ALLOC(call, struct weir_txn_marker_item, count);
    if (out->items == NULL)
        return false;
    size_t filled = 0;
    for (int32_t t = 0; t < asked->topics.count; t++) {
        for (int32_t p = 0; p < asked->topics.items[t].partition_indexes.count; p++)
            out->items[filled++] = (struct weir_txn_marker_item){
                .topic = asked->topics.items[t].name,
                .partition = asked->topics.items[t].partition_indexes.items[p]};
    }
    qsort(out->items, filled, sizeof(out->items[0]), compare_items);
    for (size_t i = 0; i < filled; i++) {
        if (out->item_count == 0 ||
            !is_same_place(&out->items[out->item_count - 1], &out->items[i]))
            out->items[out->item_count++] = out->items[i];
        else
            *out_has_twins = *out_has_twins || exists(call, &out->items[i]);
    }
    return true;
}

/* ---- The answer ---- */

static int compare_lines(const void *a, const void *b)
{
    const struct line *left = a;
    const struct line *right = b;
    if (left->producer_id != right->producer_id)
        return left->producer_id < right->producer_id ? -1 : 1;
    int order = weir_slice_compare(left->topic, right->topic);
    if (order != 0)
        return order;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->rank > right->rank) - (left->rank < right->rank);
}

static struct line *make_lines(const struct writing *writing, size_t *out_count)
{
    size_t count = 0;
    for (size_t m = 0; m < writing->marker_count; m++)
        count += writing->markers[m].markers.item_count;
    struct line *lines = WEIR_CALL_ALLOC(writing->call, struct line, count);
    *out_count = count;
    count = 0;
    for (size_t m = 0; lines != NULL && m < writing->marker_count; m++) {
        const struct weir_txn_markers *markers = &writing->markers[m].markers;
        for (size_t i = 0; i < markers->item_count; i++)
            lines[count++] = (struct line){.producer_id = markers->producer_id,
                                           .topic = markers->items[i].topic,
                                           .partition = markers->items[i].partition,
                                           .rank = m,
                                           .status = markers->items[i].status};
    }
    if (lines != NULL)
        qsort(lines, count, sizeof(lines[0]), compare_lines);
    return lines;
}

static int16_t code_of(enum weir_status status)
{
    return weir_code(status == WEIR_NOT_FOUND ? WEIR_UNKNOWN_TOPIC_OR_PARTITION : status);
}

/* The lines become results, topics and partitions; each array has room for all of them. */
static void fill(const struct line *lines, size_t count, result_t *results, topic_t *topics,
                 partition_t *partitions, struct weir_write_txn_markers_response *out)
{
    out->markers.items = results;
    size_t used_topics = 0;
    for (size_t i = 0; i < count; i++) {
        const struct line *line = &lines[i];
        const struct line *before = i == 0 ? NULL : &lines[i - 1];
        bool is_new_producer = before == NULL || before->producer_id != line->producer_id;
        bool is_new_topic = is_new_producer || !weir_slice_equal(before->topic, line->topic);
        if (is_new_producer) {
            result_t *result = &results[out->markers.count++];
            weir_write_txn_markers_response_writable_txn_marker_result_init(result);
            result->producer_id = line->producer_id;
            result->topics.items = &topics[used_topics];
        }
        result_t *result = &results[out->markers.count - 1];
        if (is_new_topic) {
            topic_t *topic = &topics[used_topics++];
            weir_write_txn_markers_response_writable_txn_marker_topic_result_init(topic);
            topic->name = line->topic;
            topic->partitions.items = &partitions[i];
            result->topics.count++;
        }
        topic_t *topic = &topics[used_topics - 1];
        partition_t *partition = !is_new_topic && before->partition == line->partition
                                     ? &topic->partitions.items[topic->partitions.count - 1]
                                     : &topic->partitions.items[topic->partitions.count++];
        weir_write_txn_markers_response_writable_txn_marker_partition_result_init(partition);
        partition->partition_index = line->partition;
        partition->error_code = code_of(line->status);
    }
}

static void respond(struct weir_call *call, void *argument)
{
    const struct writing *writing = argument;
    struct weir_write_txn_markers_response response;
    size_t count;
    const struct line *lines = make_lines(writing, &count);
    result_t *results = WEIR_CALL_ALLOC(call, result_t, count);
    topic_t *topics = WEIR_CALL_ALLOC(call, topic_t, count);
    partition_t *partitions = WEIR_CALL_ALLOC(call, partition_t, count);
    if (lines == NULL || results == NULL || topics == NULL || partitions == NULL) {
        weir_call_close(call);
        return;
    }
    weir_write_txn_markers_response_init(&response);
    fill(lines, count, results, topics, partitions, &response);
    weir_call_respond(call, &response);
}

static void refuse(struct writing *writing)
{
    for (size_t m = 0; m < writing->marker_count; m++) {
        struct weir_txn_markers *markers = &writing->markers[m].markers;
        for (size_t i = 0; i < markers->item_count; i++)
            markers->items[i].status = WEIR_INVALID_REQUEST;
    }
    respond(writing->call, writing);
}

static void release(struct writing *writing)
{
    if (atomic_fetch_sub(&writing->left, 1) == 1)
        weir_call_resume(writing->call, respond, writing);
}

static void one_done(struct weir_txn_markers *markers)
{
    release(WEIR_CONTAINER_OF(markers, struct one_marker, markers)->writing);
}

/* NULL when memory is out. */
static struct writing *prepare(struct weir_call *call)
{
    const request_t *request = call->body;
    struct writing *writing = WEIR_CALL_ALLOC(call, struct writing, 1);
    if (writing == NULL)
        return NULL;
    writing->call = call;
    writing->markers = WEIR_CALL_ALLOC(call, struct one_marker, request->markers.count);
    if (writing->markers == NULL)
        return NULL;
    writing->marker_count = (size_t)request->markers.count;
    for (size_t i = 0; i < writing->marker_count; i++) {
        const asked_t *asked = &request->markers.items[i];
        struct one_marker *one = &writing->markers[i];
        one->writing = writing;
        one->markers = (struct weir_txn_markers){.done = one_done,
                                                 .transactional_id = WEIR_NULL_SLICE,
                                                 .producer_id = asked->producer_id,
                                                 .producer_epoch = asked->producer_epoch,
                                                 .is_commit = asked->transaction_result,
                                                 .transaction_version = asked->transaction_version,
                                                 .coordinator_epoch = asked->coordinator_epoch};
        if (!collect_items(call, asked, &one->markers, &writing->is_invalid))
            return NULL;
    }
    return writing;
}

void weir_api_write_txn_markers(struct weir_call *call)
{
    struct writing *writing = prepare(call);
    if (writing == NULL) {
        weir_call_close(call);
        return;
    }
    if (writing->is_invalid) {
        refuse(writing);
        return;
    }
    atomic_init(&writing->left, writing->marker_count + 1);
    for (size_t i = 0; i < writing->marker_count; i++)
        weir_marker_writer_write(call->api->options.markers, &writing->markers[i].markers);
    release(writing);
}
