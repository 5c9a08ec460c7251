/* SPDX-License-Identifier: Apache-2.0 */

/* DescribeShareGroupOffsets: where share groups are, and how far that is from the end. */

#include "api_int.h"
#include "call_state.h"
#include "repeats.h"
#include "share_calls.h"
#include "share_group_calls.h"

#include "weir/base/map.h"
#include "weir/group/share_groups.h"
#include "weir/protocol/messages/describe_share_group_offsets_request.h"
#include "weir/protocol/messages/describe_share_group_offsets_response.h"
#include "weir/share/share_coordinator.h"

#include <stdatomic.h>

typedef struct weir_describe_share_group_offsets_request request_t;
typedef struct weir_describe_share_group_offsets_response response_t;
typedef struct weir_describe_share_group_offsets_request_describe_share_group_offsets_request_group
    wanted_t;
typedef struct
    weir_describe_share_group_offsets_response_describe_share_group_offsets_response_group group_t;
typedef struct
    weir_describe_share_group_offsets_response_describe_share_group_offsets_response_topic topic_t;
typedef struct
    weir_describe_share_group_offsets_response_describe_share_group_offsets_response_partition
        partition_t;

#define NO_LAG (-1)

/* A partition that is asked about at the share coordinator. */
struct asked {
    struct weir_share_state_op op;
    struct describing *all;
    struct asked *next;
    struct weir_uuid topic_id;
    partition_t *out;
};

struct describing {
    struct weir_call *call;
    atomic_size_t open_count; /* acquire and release: the last to finish sees what others wrote */
    struct asked *asked;
    bool has_memory; /* false: the call is closed when all that were asked have answered */
    response_t response;
};

/* ---- The answer ---- */

/* The end of what consumers can read.  False: this broker does not know. */
static bool latest_offset(const struct weir_call *call, struct weir_uuid topic_id, int32_t index,
                          int64_t *out)
{
    struct weir_partition *partition =
        weir_replicas_find(call->api->options.replicas, topic_id, index);
    if (partition == NULL)
        return false;
    struct weir_partition_log *log = weir_partition_log_now(partition);
    if (log != NULL) {
        struct weir_partition_log_offsets offsets;
        weir_partition_log_offsets(log, &offsets);
        *out = offsets.high_watermark;
        weir_partition_log_unref(log);
    }
    weir_partition_unref(partition);
    return log != NULL;
}

static void fill_partition(const struct weir_call *call, const struct asked *asked)
{
    const struct weir_share_state_op *op = &asked->op;
    partition_t *out = asked->out;
    int64_t latest;
    out->lag = NO_LAG;
    if (op->status != WEIR_OK) {
        out->start_offset = -1; /* an error is not told: there is no offset to show */
        out->leader_epoch = 0;
        return;
    }
    out->start_offset = op->start_offset;
    out->leader_epoch = op->leader_epoch;
    if (op->start_offset == -1 || op->delivery_complete_count == -1)
        return;
    if (latest_offset(call, asked->topic_id, out->partition_index, &latest)) {
        out->lag = latest - op->start_offset - op->delivery_complete_count;
        return;
    }
    weir_describe_share_group_offsets_response_describe_share_group_offsets_response_partition_init(
        out);
    out->error_code = weir_code(WEIR_NOT_LEADER_OR_FOLLOWER);
}

static void free_asked(struct describing *all)
{
    for (struct asked *asked = all->asked; asked != NULL;) {
        struct asked *next = asked->next;
        weir_share_state_op_free(&asked->op);
        weir_free(asked);
        asked = next;
    }
    weir_free(all);
}

static void respond(struct weir_call *call, void *argument)
{
    struct describing *all = argument;
    for (struct asked *asked = all->asked; asked != NULL; asked = asked->next)
        fill_partition(call, asked);
    if (all->has_memory)
        weir_call_respond(call, &all->response);
    else
        weir_call_close(call);
    free_asked(all);
}

static void finish_one(struct describing *all)
{
    if (atomic_fetch_sub_explicit(&all->open_count, 1, memory_order_acq_rel) == 1)
        weir_call_resume(all->call, respond, all);
}

static void on_summary(struct weir_share_state_op *op)
{
    finish_one(WEIR_CONTAINER_OF(op, struct asked, op)->all);
}

/* ---- What is asked ---- */

/* All of these are false when memory is out. */
static bool ask(struct describing *all, struct weir_slice group_id, struct weir_uuid topic_id,
                partition_t *out)
{
    struct asked *asked = weir_calloc(1, sizeof(*asked));
    if (asked == NULL)
        return false;
    asked->all = all;
    asked->topic_id = topic_id;
    asked->out = out;
    asked->next = all->asked;
    all->asked = asked;
    asked->op.done = on_summary;
    atomic_fetch_add_explicit(&all->open_count, 1, memory_order_relaxed);
    const struct weir_share_key key = {
        .group_id = group_id, .topic_id = topic_id, .partition = out->partition_index};
    weir_share_state_summary(all->call->api->options.shares, &key, &asked->op);
    return true;
}

static bool add_topic(struct describing *all, group_t *group, struct weir_slice name,
                      struct weir_uuid id, const int32_t *partitions, size_t count)
{
    const bool is_known = !weir_uuid_is_zero(id);
    topic_t *topic = &group->topics.items[group->topics.count++];
    weir_describe_share_group_offsets_response_describe_share_group_offsets_response_topic_init(
        topic);
    topic->topic_name = name;
    topic->topic_id = id;
    topic->partitions.items = WEIR_CALL_ALLOC(all->call, partition_t, count);
    if (topic->partitions.items == NULL)
        return false;
    topic->partitions.count = (int32_t)count;
    bool has_memory = true;
    for (size_t i = 0; i < count && has_memory; i++) {
        partition_t *out = &topic->partitions.items[i];
        weir_describe_share_group_offsets_response_describe_share_group_offsets_response_partition_init(
            out);
        out->partition_index = partitions[i];
        out->start_offset = -1;
        out->leader_epoch = 0;
        out->lag = NO_LAG;
        if (is_known)
            has_memory = ask(all, group->group_id, id, out);
    }
    return has_memory;
}

/* Apache Kafka fails at a group as a whole when one of these comes to its share coordinator. */
static bool is_answerable(const struct weir_call *call, const wanted_t *wanted)
{
    for (int32_t i = 0; i < wanted->topics.count; i++) {
        const struct weir_i32_array *partitions = &wanted->topics.items[i].partitions;
        if (weir_image_topic(call->image, wanted->topics.items[i].topic_name) == NULL)
            continue;
        if (wanted->group_id.size == 0 || partitions->count == 0)
            return false;
        for (int32_t j = 0; j < partitions->count; j++) {
            if (partitions->items[j] < 0)
                return false;
        }
    }
    return true;
}

/* The request's topics by name: entries of the same name are a chain. */
struct chains {
    size_t *first; /* of the chain that the entry is in */
    size_t *next;  /* the count of all: it is the last */
};

static bool chains_make(struct weir_call *call, const wanted_t *wanted, struct chains *out)
{
    const size_t count = (size_t)wanted->topics.count;
    struct weir_slice *names = WEIR_CALL_ALLOC(call, struct weir_slice, count);
    size_t *last = WEIR_CALL_ALLOC(call, size_t, count);
    out->next = WEIR_CALL_ALLOC(call, size_t, count);
    if (names == NULL || last == NULL || out->next == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        names[i] = wanted->topics.items[i].topic_name;
    if (weir_find_firsts(call->arena, names, count, &out->first) != WEIR_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        const size_t first = out->first[i];
        out->next[i] = count;
        if (first != i)
            out->next[last[first]] = i;
        last[first] = i;
    }
    return true;
}

/* The partitions of a chain, each once. */
static bool add_chain(struct describing *all, const wanted_t *wanted, const struct chains *chains,
                      size_t first, struct weir_uuid id, group_t *group)
{
    const size_t end = (size_t)wanted->topics.count;
    struct weir_map seen = {0};
    size_t count = 0;
    for (size_t entry = first; entry < end; entry = chains->next[entry])
        count += (size_t)wanted->topics.items[entry].partitions.count;
    int32_t *partitions = WEIR_CALL_ALLOC(all->call, int32_t, count);
    bool has_memory = partitions != NULL;
    count = 0;
    for (size_t entry = first; entry < end; entry = chains->next[entry]) {
        const struct weir_i32_array *from = &wanted->topics.items[entry].partitions;
        for (int32_t i = 0; i < from->count && has_memory; i++) {
            if (weir_map_get(&seen, WEIR_KEY(from->items[i])) != NULL)
                continue;
            has_memory =
                weir_map_put(&seen, WEIR_KEY(from->items[i]), &from->items[i], NULL) == WEIR_OK;
            partitions[count++] = from->items[i];
        }
    }
    weir_map_done(&seen);
    return has_memory &&
           add_topic(all, group, wanted->topics.items[first].topic_name, id, partitions, count);
}

/* Topics that do not exist first, as they are; then each of the others once. */
static bool add_wanted(struct describing *all, const wanted_t *wanted, group_t *group)
{
    const size_t count = (size_t)wanted->topics.count;
    static const struct weir_uuid none;
    struct chains chains;
    group->topics.items = WEIR_CALL_ALLOC(all->call, topic_t, count);
    bool has_memory = group->topics.items != NULL && chains_make(all->call, wanted, &chains);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count && has_memory; i++) {
            const struct weir_slice name = wanted->topics.items[i].topic_name;
            const struct weir_image_topic *known = weir_image_topic(all->call->image, name);
            if (pass == 0 && known == NULL)
                has_memory =
                    add_topic(all, group, name, none, wanted->topics.items[i].partitions.items,
                              (size_t)wanted->topics.items[i].partitions.count);
            else if (pass == 1 && known != NULL && chains.first[i] == i)
                has_memory = add_chain(all, wanted, &chains, i, known->id, group);
        }
    }
    return has_memory;
}

static void on_partitions(struct weir_group_op *op)
{
    (void)op; /* the service lists before it returns */
}

/* Every partition whose state was initialised for the group. */
static bool add_all(struct describing *all, group_t *group)
{
    struct weir_share_partitions list = {.op.done = on_partitions};
    weir_group_share_partitions(all->call->api->options.groups, group->group_id, &list);
    group->error_code = weir_code(list.op.status);
    group->error_message = weir_share_error_text(list.op.status, WEIR_NULL_SLICE);
    const size_t count = list.op.status == WEIR_OK ? list.topic_count : 0;
    group->topics.items = WEIR_CALL_ALLOC(all->call, topic_t, count);
    bool has_memory = group->topics.items != NULL;
    for (size_t i = 0; i < count && has_memory; i++) {
        const struct weir_group_topic_partitions *topic = &list.topics[i];
        struct weir_slice name; /* the list is gone when the answer is sent */
        has_memory =
            weir_arena_copy(all->call->arena, topic->topic_name, &name) == WEIR_OK &&
            add_topic(all, group, name, topic->topic_id, topic->partitions, topic->partition_count);
    }
    weir_group_op_free(&list.op);
    return has_memory;
}

static bool start(struct describing *all)
{
    const request_t *request = all->call->body;
    const bool is_enabled = share_groups_are_enabled(all->call);
    all->response.groups.items = WEIR_CALL_ALLOC(all->call, group_t, request->groups.count);
    bool has_memory = all->response.groups.items != NULL;
    for (int32_t i = 0; i < request->groups.count && has_memory; i++) {
        const wanted_t *wanted = &request->groups.items[i];
        group_t *group = &all->response.groups.items[all->response.groups.count++];
        weir_describe_share_group_offsets_response_describe_share_group_offsets_response_group_init(
            group);
        group->group_id = wanted->group_id;
        if (!is_enabled) {
            group->error_code = weir_code(WEIR_UNSUPPORTED_VERSION);
            continue;
        }
        if (wanted->topics.count < 0) {
            has_memory = group->group_id.size == 0 || add_all(all, group);
        } else if (is_answerable(all->call, wanted)) {
            has_memory = add_wanted(all, wanted, group);
        } else {
            group->error_code = weir_code(WEIR_UNKNOWN_SERVER_ERROR);
            group->error_message =
                weir_share_error_text(WEIR_UNKNOWN_SERVER_ERROR, WEIR_NULL_SLICE);
        }
    }
    return has_memory;
}

void weir_api_describe_share_group_offsets(struct weir_call *call)
{
    struct describing *all = weir_calloc(1, sizeof(*all));
    if (all == NULL) {
        weir_call_close(call);
        return;
    }
    all->call = call;
    atomic_init(&all->open_count, 1); /* while they are asked */
    weir_describe_share_group_offsets_response_init(&all->response);
    all->has_memory = start(all);
    finish_one(all);
}
