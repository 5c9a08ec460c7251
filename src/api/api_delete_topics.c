/* SPDX-License-Identifier: Apache-2.0 */

/*
 * DeleteTopics.  Topics are named by name, or by id since version 6.  What is unclear (both,
 * neither, twice, a name and its own id) is refused here; the rest goes to the controller by id, so
 * that a topic that was deleted and made again meanwhile is left alone.
 */

#include "api_int.h"
#include "repeats.h"
#include "texts.h"

#include "weir/base/map.h"
#include "weir/protocol/messages/delete_topics_request.h"
#include "weir/protocol/messages/delete_topics_response.h"

typedef struct weir_delete_topics_request request_t;
typedef struct weir_delete_topics_response_deletable_topic_result result_t;

enum target_state {
    TARGET_OPEN,     /* name and id say what to delete; the answer is to come */
    TARGET_ANSWERED, /* code and message are set */
    TARGET_DROPPED   /* another target answers for it */
};

struct target {
    struct weir_slice name; /* null: not known */
    struct weir_uuid id;
    bool is_by_id;
    enum target_state state;
    enum weir_error_code code;
    struct weir_slice message;
};

struct deletion {
    struct weir_controller_op op;
    struct target *targets;
    size_t target_count;
};

static void answer(struct target *target, enum weir_error_code code, struct weir_slice message)
{
    target->state = TARGET_ANSWERED;
    target->code = code;
    target->message = message;
}

static void answer_all(struct deletion *deletion, enum weir_error_code code)
{
    for (size_t i = 0; i < deletion->target_count; i++)
        answer(&deletion->targets[i], code, WEIR_NULL_SLICE);
}

static void respond(struct weir_call *call, const struct deletion *deletion)
{
    struct weir_delete_topics_response response;
    weir_delete_topics_response_init(&response);
    response.responses.items = WEIR_CALL_ALLOC(call, result_t, deletion->target_count);
    if (response.responses.items == NULL) {
        weir_call_close(call);
        return;
    }
    for (size_t i = 0; i < deletion->target_count; i++) {
        const struct target *target = &deletion->targets[i];
        if (target->state == TARGET_DROPPED)
            continue;
        result_t *result = &response.responses.items[response.responses.count++];
        weir_delete_topics_response_deletable_topic_result_init(result);
        result->name = target->name;
        result->topic_id = target->id;
        result->error_code = (int16_t)target->code;
        result->error_message = target->message;
    }
    weir_call_respond(call, &response);
}

static enum weir_status list_targets(struct weir_call *call, const request_t *request,
                                     struct deletion *out)
{
    out->target_count = (size_t)request->topic_names.count + (size_t)request->topics.count;
    out->targets = WEIR_CALL_ALLOC(call, struct target, out->target_count);
    if (out->targets == NULL)
        return WEIR_NO_MEMORY;
    struct target *target = out->targets;
    for (int32_t i = 0; i < request->topic_names.count; i++)
        (target++)->name = request->topic_names.items[i];
    for (int32_t i = 0; i < request->topics.count; i++, target++) {
        target->name = request->topics.items[i].name;
        target->id = request->topics.items[i].topic_id;
        target->is_by_id = weir_slice_is_null(target->name);
    }
    return WEIR_OK;
}

static void refuse_unclear(struct deletion *deletion)
{
    for (size_t i = 0; i < deletion->target_count; i++) {
        struct target *target = &deletion->targets[i];
        const bool has_id = !weir_uuid_is_zero(target->id);
        if (target->is_by_id && !has_id)
            answer(target, WEIR_ERROR_INVALID_REQUEST,
                   WEIR_SLICE("Neither topic name nor id were specified."));
        else if (!target->is_by_id && has_id)
            answer(target, WEIR_ERROR_INVALID_REQUEST,
                   WEIR_SLICE("You may not specify both topic name and topic id."));
    }
}

/* Names and ids are told apart by a first byte, so that one pass serves both. */
static struct weir_slice key_of(struct weir_arena *arena, const struct target *target)
{
    const struct weir_slice bytes =
        target->is_by_id ? weir_slice_of(target->id.bytes, sizeof(target->id.bytes)) : target->name;
    uint8_t *key = weir_arena_alloc(arena, bytes.size + 1);
    if (key == NULL)
        return WEIR_NULL_SLICE;
    key[0] = target->is_by_id ? 1 : 0;
    if (bytes.size > 0)
        memcpy(key + 1, bytes.data, bytes.size);
    return weir_slice_of(key, bytes.size + 1);
}

static enum weir_status refuse_repeated(struct weir_call *call, struct deletion *deletion)
{
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, deletion->target_count);
    struct target **open = WEIR_CALL_ALLOC(call, struct target *, deletion->target_count);
    if (keys == NULL || open == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < deletion->target_count; i++) {
        if (deletion->targets[i].state != TARGET_OPEN)
            continue;
        open[count] = &deletion->targets[i];
        keys[count] = key_of(call->arena, open[count]);
        if (weir_slice_is_null(keys[count++]))
            return WEIR_NO_MEMORY;
    }
    enum weir_occurrence *occurrences;
    const enum weir_status status = weir_find_repeats(call->arena, keys, count, &occurrences);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        if (occurrences[i] == WEIR_OCCURS_REPEATED)
            open[i]->state = TARGET_DROPPED;
        else if (occurrences[i] == WEIR_OCCURS_FIRST)
            answer(open[i], WEIR_ERROR_INVALID_REQUEST,
                   open[i]->is_by_id ? WEIR_SLICE("Duplicate topic id.")
                                     : WEIR_TEXT_DUPLICATE_TOPIC_NAME);
    }
    return status;
}

static size_t open_count(const struct deletion *deletion)
{
    size_t count = 0;
    for (size_t i = 0; i < deletion->target_count; i++)
        count += deletion->targets[i].state == TARGET_OPEN ? 1 : 0;
    return count;
}

/* Finds the name to each id; ids, known or given twice, go into by_id for the names to be checked
 * against. */
static enum weir_status resolve_ids(const struct weir_image *image, struct deletion *deletion,
                                    struct weir_map *by_id)
{
    for (size_t i = 0; i < deletion->target_count; i++) {
        struct target *target = &deletion->targets[i];
        if (!target->is_by_id || weir_uuid_is_zero(target->id) || target->state == TARGET_DROPPED)
            continue;
        if (weir_map_put(by_id, WEIR_KEY(target->id), target, NULL) != WEIR_OK)
            return WEIR_NO_MEMORY;
        if (target->state != TARGET_OPEN)
            continue;
        const struct weir_image_topic *topic = weir_image_topic_by_id(image, target->id);
        if (topic == NULL)
            answer(target, WEIR_ERROR_UNKNOWN_TOPIC_ID, WEIR_TEXT_UNKNOWN_TOPIC_ID);
        else
            target->name = topic->name;
    }
    return WEIR_OK;
}

static void resolve_names(const struct weir_image *image, struct deletion *deletion,
                          const struct weir_map *by_id)
{
    for (size_t i = 0; i < deletion->target_count; i++) {
        struct target *target = &deletion->targets[i];
        if (target->is_by_id || target->state != TARGET_OPEN)
            continue;
        const struct weir_image_topic *topic = weir_image_topic(image, target->name);
        if (topic == NULL) {
            answer(target, WEIR_ERROR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_TEXT_UNKNOWN_TOPIC);
            continue;
        }
        target->id = topic->id;
        struct target *same = weir_map_get(by_id, WEIR_KEY(target->id));
        if (same == NULL)
            continue;
        if (same->state == TARGET_OPEN)
            same->state = TARGET_DROPPED;
        answer(target, WEIR_ERROR_INVALID_REQUEST,
               WEIR_SLICE("The provided topic name maps to an ID that was already supplied."));
    }
}

static enum weir_status resolve(const struct weir_image *image, struct deletion *deletion)
{
    struct weir_map by_id = {0};
    const enum weir_status status = resolve_ids(image, deletion, &by_id);
    if (status == WEIR_OK)
        resolve_names(image, deletion, &by_id);
    weir_map_done(&by_id);
    return status;
}

static void take_results(struct weir_call *call, struct weir_controller_op *op)
{
    struct deletion *deletion = WEIR_CONTAINER_OF(op, struct deletion, op);
    const struct weir_topic_deletion *decided = op->delete_topics.topics;
    for (size_t i = 0; i < deletion->target_count; i++) {
        struct target *target = &deletion->targets[i];
        if (target->state != TARGET_OPEN)
            continue;
        const struct weir_controller_result *why =
            op->result.status != WEIR_OK ? &op->result : &decided->result;
        answer(target, weir_error_of_status(why->status), why->message);
        decided++;
    }
    respond(call, deletion);
}

static void delete_open(struct weir_call *call, struct deletion *deletion)
{
    struct weir_delete_topics_op *op = &deletion->op.delete_topics;
    deletion->op.kind = WEIR_CONTROLLER_DELETE_TOPICS;
    op->topics = WEIR_CALL_ALLOC(call, struct weir_topic_deletion, deletion->target_count);
    if (op->topics == NULL) {
        weir_call_close(call);
        return;
    }
    for (size_t i = 0; i < deletion->target_count; i++) {
        if (deletion->targets[i].state == TARGET_OPEN)
            op->topics[op->topic_count++].id = deletion->targets[i].id;
    }
    if (op->topic_count == 0)
        respond(call, deletion);
    else
        weir_call_control(call, &deletion->op, take_results);
}

void weir_api_delete_topics(struct weir_call *call)
{
    const request_t *request = call->body;
    struct deletion *deletion = WEIR_CALL_ALLOC(call, struct deletion, 1);
    if (deletion == NULL || list_targets(call, request, deletion) != WEIR_OK) {
        weir_call_close(call);
        return;
    }
    const struct weir_config_resolver resolver = weir_call_resolver(call);
    if (!weir_config_broker_bool(&resolver, "delete.topic.enable")) {
        /* The code of its own came with version 3. */
        answer_all(deletion, call->version < 3 ? WEIR_ERROR_INVALID_REQUEST
                                               : WEIR_ERROR_TOPIC_DELETION_DISABLED);
        respond(call, deletion);
        return;
    }
    refuse_unclear(deletion);
    if (refuse_repeated(call, deletion) != WEIR_OK) {
        weir_call_close(call);
        return;
    }
    if (open_count(deletion) > 0 && request->timeout_ms <= 0) {
        /* A request that gives no time is late when the controller comes to it. */
        answer_all(deletion, WEIR_ERROR_REQUEST_TIMED_OUT);
        respond(call, deletion);
        return;
    }
    if (resolve(call->image, deletion) != WEIR_OK) {
        weir_call_close(call);
        return;
    }
    delete_open(call, deletion);
}
