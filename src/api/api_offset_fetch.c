/* SPDX-License-Identifier: Apache-2.0 */

/*
 * OffsetFetch.  Before version 8 a request asks for one group, since then for several, each on its
 * own; both are brought into one form here.  Topics that do not exist simply have no offsets,
 * except since version 10, where a topic is named by its id and an id nobody knows is an error.
 */

#include "api_int.h"
#include "call_state.h"

#include "weir/protocol/messages/offset_fetch_request.h"
#include "weir/protocol/messages/offset_fetch_response.h"

#include <stdatomic.h>

typedef struct weir_offset_fetch_request request_t;
typedef struct weir_offset_fetch_request_offset_fetch_request_group asked_group_t;
typedef struct weir_offset_fetch_request_offset_fetch_request_topics asked_topic_t;
typedef struct weir_offset_fetch_response response_t;
typedef struct weir_offset_fetch_response_offset_fetch_response_topic old_topic_t;
typedef struct weir_offset_fetch_response_offset_fetch_response_partition old_partition_t;
typedef struct weir_offset_fetch_response_offset_fetch_response_group group_t;
typedef struct weir_offset_fetch_response_offset_fetch_response_topics topic_t;
typedef struct weir_offset_fetch_response_offset_fetch_response_partitions partition_t;

/* A topic of the answer: some of a group's items. */
struct fetched_topic {
    struct weir_slice name;
    struct weir_uuid id;
    const struct weir_offset_fetch_item *items;
    size_t item_count;
};

struct group_fetch {
    struct weir_offset_fetch fetch; /* items, unless it makes them, are in the call's arena */
    struct fetching *all;
    const asked_group_t *asked;
    struct fetched_topic *topics;
    size_t topic_count;
};

struct fetching {
    struct weir_call *call;
    asked_group_t only_group; /* of an old request, in the form of the new ones */
    /* Groups that are not done, and one more while they are being started.  Acquire and release, so
     * that the last to finish sees what the others wrote. */
    atomic_size_t open_count;
    size_t count;
    struct group_fetch groups[];
};

static bool is_by_id(const struct weir_call *call)
{
    return weir_offset_fetch_request_offset_fetch_request_topics_has_topic_id(call->version);
}

/* ---- From the request ---- */

/* The group of a request before version 8 as one of a later version.  False when memory is out. */
static bool convert_old_request(struct weir_call *call, asked_group_t *out)
{
    const request_t *request = call->body;
    weir_offset_fetch_request_offset_fetch_request_group_init(out);
    out->group_id = request->group_id;
    out->topics.count = request->topics.count;
    if (request->topics.count < 0)
        return true; /* all topics */
    out->topics.items = WEIR_CALL_ALLOC(call, asked_topic_t, request->topics.count);
    for (int32_t t = 0; out->topics.items != NULL && t < request->topics.count; t++) {
        weir_offset_fetch_request_offset_fetch_request_topics_init(&out->topics.items[t]);
        out->topics.items[t].name = request->topics.items[t].name;
        out->topics.items[t].partition_indexes = request->topics.items[t].partition_indexes;
    }
    return out->topics.items != NULL;
}

static void fill_items(const struct fetched_topic *topic, const asked_topic_t *asked,
                       enum weir_status status, struct weir_offset_fetch_item *items)
{
    for (int32_t p = 0; p < asked->partition_indexes.count; p++)
        items[p] = (struct weir_offset_fetch_item){
            .topic = topic->name,
            .topic_id = topic->id,
            .partition = asked->partition_indexes.items[p],
            .status = status,
            .offset = -1,
            .leader_epoch = -1,
            .metadata = WEIR_EMPTY_SLICE,
        };
}

/* Finds the topic's name or id; false when it is named by an id that nobody knows. */
static bool resolve_topic(const struct weir_call *call, const asked_topic_t *asked,
                          struct fetched_topic *out)
{
    const struct weir_image_topic *topic =
        is_by_id(call) ? weir_image_topic_by_id(call->image, asked->topic_id)
                       : weir_image_topic(call->image, asked->name);
    out->name = topic != NULL ? topic->name : asked->name;
    out->id = topic != NULL ? topic->id : asked->topic_id;
    return topic != NULL || !is_by_id(call);
}

/* Lists the asked partitions: those for the group first, those of unknown ids behind them, which
 * the group does not get to see. */
static enum weir_status list_items(struct weir_call *call, struct group_fetch *group)
{
    const asked_group_t *asked = group->asked;
    size_t count = 0;
    for (int32_t t = 0; t < asked->topics.count; t++)
        count += (size_t)asked->topics.items[t].partition_indexes.count;
    struct weir_offset_fetch_item *items =
        WEIR_CALL_ALLOC(call, struct weir_offset_fetch_item, count);
    group->topics = WEIR_CALL_ALLOC(call, struct fetched_topic, asked->topics.count);
    if (items == NULL || group->topics == NULL)
        return WEIR_NO_MEMORY;
    group->topic_count = (size_t)asked->topics.count;
    group->fetch.items = items;
    size_t end = count;
    for (size_t t = 0; t < group->topic_count; t++) {
        struct fetched_topic *topic = &group->topics[t];
        topic->item_count = (size_t)asked->topics.items[t].partition_indexes.count;
        const bool is_known = resolve_topic(call, &asked->topics.items[t], topic);
        const size_t first = is_known ? group->fetch.item_count : (end -= topic->item_count);
        if (is_known)
            group->fetch.item_count += topic->item_count;
        fill_items(topic, &asked->topics.items[t], is_known ? WEIR_OK : WEIR_UNKNOWN_TOPIC_ID,
                   &items[first]);
        topic->items = &items[first];
    }
    return WEIR_OK;
}

/* ---- To the response ---- */

/* A topic's id, for an answer that names topics by it; false when there is none any more. */
static bool find_id(const struct weir_call *call, struct fetched_topic *topic)
{
    if (!is_by_id(call) || !weir_uuid_is_zero(topic->id))
        return true;
    const struct weir_image_topic *known = weir_image_topic(call->image, topic->name);
    if (known != NULL)
        topic->id = known->id;
    return known != NULL;
}

/* The offsets of all topics came in the order of topics: cuts them into topics.  False when memory
 * is out. */
static bool cut_into_topics(struct weir_call *call, struct group_fetch *group)
{
    const struct weir_offset_fetch *fetch = &group->fetch;
    group->topics = WEIR_CALL_ALLOC(call, struct fetched_topic, fetch->item_count);
    if (group->topics == NULL)
        return false;
    for (size_t i = 0; i < fetch->item_count;) {
        struct fetched_topic topic = {.name = fetch->items[i].topic,
                                      .id = fetch->items[i].topic_id,
                                      .items = &fetch->items[i]};
        while (i < fetch->item_count && weir_slice_equal(fetch->items[i].topic, topic.name) &&
               weir_uuid_equal(fetch->items[i].topic_id, topic.items[0].topic_id)) {
            topic.item_count++;
            i++;
        }
        if (find_id(call, &topic))
            group->topics[group->topic_count++] = topic;
    }
    return true;
}

/* False when memory is out. */
static bool fill_topic(struct weir_call *call, const struct fetched_topic *from, topic_t *out)
{
    weir_offset_fetch_response_offset_fetch_response_topics_init(out);
    out->name = from->name;
    out->topic_id = from->id;
    out->partitions.items = WEIR_CALL_ALLOC(call, partition_t, from->item_count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = (int32_t)from->item_count;
    for (size_t i = 0; i < from->item_count; i++) {
        partition_t *partition = &out->partitions.items[i];
        weir_offset_fetch_response_offset_fetch_response_partitions_init(partition);
        partition->partition_index = from->items[i].partition;
        partition->committed_offset = from->items[i].offset;
        partition->committed_leader_epoch = from->items[i].leader_epoch;
        partition->metadata = from->items[i].metadata;
        partition->error_code = weir_code(from->items[i].status);
    }
    return true;
}

static bool fill_group(struct weir_call *call, const struct group_fetch *group, group_t *out)
{
    weir_offset_fetch_response_offset_fetch_response_group_init(out);
    out->group_id = group->asked->group_id;
    out->error_code = weir_code(group->fetch.op.status);
    if (group->fetch.op.status != WEIR_OK)
        return true;
    out->topics.items = WEIR_CALL_ALLOC(call, topic_t, group->topic_count);
    bool has_memory = out->topics.items != NULL;
    for (size_t t = 0; has_memory && t < group->topic_count; t++)
        has_memory = fill_topic(call, &group->topics[t], &out->topics.items[out->topics.count++]);
    return has_memory;
}

/* The same for the answer of an old version. */
static bool fill_old_topic(struct weir_call *call, const struct fetched_topic *from,
                           enum weir_status group_status, old_topic_t *out)
{
    weir_offset_fetch_response_offset_fetch_response_topic_init(out);
    out->name = from->name;
    out->partitions.items = WEIR_CALL_ALLOC(call, old_partition_t, from->item_count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = (int32_t)from->item_count;
    for (size_t i = 0; i < from->item_count; i++) {
        const struct weir_offset_fetch_item *item = &from->items[i];
        old_partition_t *partition = &out->partitions.items[i];
        weir_offset_fetch_response_offset_fetch_response_partition_init(partition);
        partition->partition_index = item->partition;
        partition->committed_offset = group_status == WEIR_OK ? item->offset : -1;
        partition->committed_leader_epoch = group_status == WEIR_OK ? item->leader_epoch : -1;
        partition->metadata = group_status == WEIR_OK ? item->metadata : WEIR_EMPTY_SLICE;
        partition->error_code = weir_code(group_status == WEIR_OK ? item->status : group_status);
    }
    return true;
}

static bool fill_old_response(struct weir_call *call, const struct group_fetch *group,
                              response_t *response)
{
    const enum weir_status status = group->fetch.op.status;
    response->error_code = weir_code(status);
    /* Version 1 has no place for an error of the group: each partition gets it. */
    if (status != WEIR_OK && weir_offset_fetch_response_has_error_code(call->version))
        return true;
    response->topics.items = WEIR_CALL_ALLOC(call, old_topic_t, group->topic_count);
    bool has_memory = response->topics.items != NULL;
    for (size_t t = 0; has_memory && t < group->topic_count; t++)
        has_memory = fill_old_topic(call, &group->topics[t], status,
                                    &response->topics.items[response->topics.count++]);
    return has_memory;
}

/* False when memory is out. */
static bool fill_response(struct weir_call *call, struct fetching *all, response_t *response)
{
    weir_offset_fetch_response_init(response);
    for (size_t i = 0; i < all->count; i++) {
        if (all->groups[i].fetch.all_topics && !cut_into_topics(call, &all->groups[i]))
            return false;
    }
    if (!weir_offset_fetch_response_has_groups(call->version))
        return fill_old_response(call, &all->groups[0], response);
    response->groups.items = WEIR_CALL_ALLOC(call, group_t, all->count);
    bool has_memory = response->groups.items != NULL;
    for (size_t i = 0; has_memory && i < all->count; i++)
        has_memory =
            fill_group(call, &all->groups[i], &response->groups.items[response->groups.count++]);
    return has_memory;
}

static void drop(struct fetching *all)
{
    for (size_t i = 0; i < all->count; i++)
        weir_group_op_free(&all->groups[i].fetch.op);
    weir_free(all);
}

static void respond(struct weir_call *call, void *argument)
{
    struct fetching *all = argument;
    response_t response;
    if (fill_response(call, all, &response))
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    drop(all);
}

/* ---- Between them ---- */

static void finish_one(struct fetching *all)
{
    if (atomic_fetch_sub_explicit(&all->open_count, 1, memory_order_acq_rel) == 1)
        weir_call_resume(all->call, respond, all);
}

static void on_done(struct weir_group_op *op)
{
    finish_one(WEIR_CONTAINER_OF(op, struct group_fetch, fetch.op)->all);
}

static enum weir_status prepare_group(struct weir_call *call, const asked_group_t *asked,
                                      struct group_fetch *out)
{
    const request_t *request = call->body;
    out->asked = asked;
    out->fetch.op.done = on_done;
    out->fetch.all_topics = asked->topics.count < 0;
    out->fetch.require_stable = request->require_stable;
    out->fetch.member_id = asked->member_id;
    out->fetch.member_epoch = asked->member_epoch;
    return out->fetch.all_topics ? WEIR_OK : list_items(call, out);
}

/* NULL when memory is out. */
static struct fetching *prepare(struct weir_call *call)
{
    const request_t *request = call->body;
    const bool has_groups = weir_offset_fetch_request_has_groups(call->version);
    const size_t count = has_groups ? (size_t)request->groups.count : 1;
    struct fetching *all = weir_call_state_new(sizeof(*all), count, sizeof(all->groups[0]));
    if (all == NULL)
        return NULL;
    all->call = call;
    bool has_memory = has_groups || convert_old_request(call, &all->only_group);
    for (size_t i = 0; has_memory && i < count; i++) {
        struct group_fetch *group = &all->groups[all->count++];
        group->all = all;
        has_memory = prepare_group(call, has_groups ? &request->groups.items[i] : &all->only_group,
                                   group) == WEIR_OK;
    }
    if (has_memory)
        return all;
    drop(all);
    return NULL;
}

void weir_api_offset_fetch(struct weir_call *call)
{
    struct fetching *all = prepare(call);
    if (all == NULL) {
        weir_call_close(call);
        return;
    }
    const size_t count = all->count;
    atomic_init(&all->open_count, count + 1);
    for (size_t i = 0; i < count; i++)
        weir_group_offset_fetch(call->api->options.groups, all->groups[i].asked->group_id,
                                &all->groups[i].fetch);
    finish_one(all);
}
