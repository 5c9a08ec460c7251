/* SPDX-License-Identifier: Apache-2.0 */
#include "share_state_calls.h"

#include "call_state.h"

#include "weir/base/assert.h"
#include "weir/base/map.h"

#include <assert.h>

static_assert(sizeof(struct share_state_id) == 16 + sizeof(int32_t), "its bytes are a key");

struct share_state_calls *share_state_new(struct weir_call *call, size_t count,
                                          void (*respond)(struct weir_call *call,
                                                          struct share_state_calls *all))
{
    struct share_state_calls *all = weir_call_state_new(sizeof(*all), count, sizeof(all->items[0]));
    if (all == NULL)
        return NULL;
    all->call = call;
    all->respond = respond;
    all->count_max = count;
    atomic_init(&all->open_count, count + 1);
    return all;
}

static void finish(struct weir_call *call, void *argument)
{
    struct share_state_calls *all = argument;
    all->respond(call, all);
    for (size_t i = 0; i < all->count; i++)
        weir_share_state_op_free(&all->items[i].op);
    weir_free(all);
}

static void finish_one(struct share_state_calls *all)
{
    if (atomic_fetch_sub_explicit(&all->open_count, 1, memory_order_acq_rel) == 1)
        weir_call_resume(all->call, finish, all);
}

static void on_done(struct weir_share_state_op *op)
{
    finish_one(WEIR_CONTAINER_OF(op, struct share_state_item, op)->all);
}

struct weir_share_state_op *share_state_add(struct share_state_calls *all,
                                            struct weir_slice group_id, struct weir_uuid topic_id,
                                            int32_t partition)
{
    WEIR_ASSERT(all->count < all->count_max);
    struct share_state_item *item = &all->items[all->count++];
    item->op.done = on_done;
    item->all = all;
    item->key =
        (struct weir_share_key){.group_id = group_id, .topic_id = topic_id, .partition = partition};
    item->id = (struct share_state_id){.topic_id = topic_id, .partition = partition};
    return &item->op;
}

void share_state_started(struct share_state_calls *all)
{
    finish_one(all);
}

/* Of items about the same partition all but the last are marked. */
static enum weir_status mark_repeated(struct share_state_calls *all)
{
    struct weir_map by_id = {0};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < all->count && status == WEIR_OK; i++) {
        void *former = NULL;
        status = weir_map_put(&by_id, WEIR_KEY(all->items[i].id), &all->items[i], &former);
        if (former != NULL)
            ((struct share_state_item *)former)->is_repeated = true;
    }
    weir_map_done(&by_id);
    return status;
}

/* Counts the items of each topic, in *topics of room for all items. */
static enum weir_status find_topics(struct share_state_calls *all, struct weir_map *by_topic,
                                    struct share_state_topic *topics, size_t *out_count)
{
    for (size_t i = 0; i < all->count; i++) {
        struct share_state_item *item = &all->items[i];
        struct share_state_topic *topic = weir_map_get(by_topic, WEIR_KEY(item->id.topic_id));
        if (topic == NULL) {
            topic = &topics[(*out_count)++];
            topic->topic_id = item->id.topic_id;
            enum weir_status status =
                weir_map_put(by_topic, WEIR_KEY(topic->topic_id), topic, NULL);
            if (status != WEIR_OK)
                return status;
        }
        if (!item->is_repeated)
            topic->count++;
    }
    return WEIR_OK;
}

/* The items by topic.  False when memory is out. */
static bool group_items(struct weir_call *call, struct share_state_calls *all,
                        struct share_state_topic **out_topics, size_t *out_count)
{
    struct weir_map by_topic = {0};
    size_t topic_count = 0;
    struct share_state_topic *topics = WEIR_CALL_ALLOC(call, struct share_state_topic, all->count);
    bool is_ok = topics != NULL && mark_repeated(all) == WEIR_OK &&
                 find_topics(all, &by_topic, topics, &topic_count) == WEIR_OK;
    for (size_t i = 0; i < topic_count && is_ok; i++) {
        topics[i].items = WEIR_CALL_ALLOC(call, struct share_state_item *, topics[i].count);
        topics[i].count = 0;
        is_ok = topics[i].items != NULL;
    }
    for (size_t i = 0; i < all->count && is_ok; i++) {
        struct share_state_item *item = &all->items[i];
        struct share_state_topic *topic = weir_map_get(&by_topic, WEIR_KEY(item->id.topic_id));
        if (!item->is_repeated)
            topic->items[topic->count++] = item;
    }
    weir_map_done(&by_topic);
    *out_topics = topics;
    *out_count = topic_count;
    return is_ok;
}

void *share_state_results(struct weir_call *call, struct share_state_calls *all, size_t bytes,
                          bool (*fill)(struct weir_call *call,
                                       const struct share_state_topic *wanted, void *out_result),
                          int32_t *out_count)
{
    struct share_state_topic *topics;
    size_t count;
    if (!group_items(call, all, &topics, &count))
        return NULL;
    char *results = weir_arena_calloc(call->arena, count > 0 ? count : 1, bytes);
    for (size_t i = 0; i < count && results != NULL; i++)
        if (!fill(call, &topics[i], results + i * bytes))
            return NULL;
    *out_count = (int32_t)count;
    return results;
}

struct weir_slice share_state_message(const struct weir_share_state_op *op)
{
    static const struct {
        enum weir_status status;
        const char *text;
    } texts[] = {
        {WEIR_UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition."},
        {WEIR_FENCED_LEADER_EPOCH,
         "The leader epoch in the request is older than the epoch on the broker."},
        {WEIR_FENCED_STATE_EPOCH, "The share coordinator rejected the request because the share-"
                                  "group state epoch did not match."},
        {WEIR_NOT_COORDINATOR, "This is not the correct coordinator."},
        {WEIR_COORDINATOR_NOT_AVAILABLE, "The coordinator is not available."},
        {WEIR_COORDINATOR_LOAD_IN_PROGRESS,
         "The coordinator is loading and hence can't process requests."},
    };
    if (op->status == WEIR_OK)
        return WEIR_NULL_SLICE;
    if (op->message != NULL)
        return weir_slice_str(op->message);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(texts); i++) {
        if (texts[i].status == op->status)
            return weir_slice_str(texts[i].text);
    }
    return WEIR_SLICE("The server experienced an unexpected error when processing the request.");
}
