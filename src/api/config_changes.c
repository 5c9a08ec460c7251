/* SPDX-License-Identifier: Apache-2.0 */
#include "config_changes.h"

#include "repeats.h"
#include "texts.h"

#include "weir/base/buf.h"

static void answer(struct weir_config_target *target, enum weir_error_code code,
                   struct weir_slice message)
{
    target->is_answered = true;
    target->code = code;
    target->message = message;
}

static void refuse(struct weir_config_target *target, struct weir_slice message)
{
    answer(target, WEIR_ERROR_INVALID_REQUEST, message);
}

static enum weir_status refuse_repeated_targets(struct weir_call *call,
                                                struct weir_config_changes *changes)
{
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, changes->target_count);
    if (keys == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < changes->target_count; i++) {
        const struct weir_config_target *target = &changes->targets[i];
        uint8_t *key = weir_arena_alloc(call->arena, target->name.size + 1);
        if (key == NULL)
            return WEIR_NO_MEMORY;
        key[0] = (uint8_t)target->type;
        if (target->name.size > 0)
            memcpy(key + 1, target->name.data, target->name.size);
        keys[i] = weir_slice_of(key, target->name.size + 1);
    }
    enum weir_occurrence *occurrences;
    const enum weir_status status =
        weir_find_repeats(call->arena, keys, changes->target_count, &occurrences);
    for (size_t i = 0; i < changes->target_count && status == WEIR_OK; i++) {
        if (occurrences[i] != WEIR_OCCURS_ONCE)
            refuse(&changes->targets[i], WEIR_SLICE("Each resource must appear at most once."));
    }
    return status;
}

static enum weir_status has_repeated_keys(struct weir_call *call,
                                          const struct weir_config_target *target, bool *out)
{
    struct weir_slice *keys = WEIR_CALL_ALLOC(call, struct weir_slice, target->change_count);
    if (keys == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < target->change_count; i++)
        keys[i] = target->changes[i].name;
    enum weir_occurrence *occurrences;
    const enum weir_status status =
        weir_find_repeats(call->arena, keys, target->change_count, &occurrences);
    *out = false;
    for (size_t i = 0; i < target->change_count && status == WEIR_OK; i++)
        *out = *out || occurrences[i] == WEIR_OCCURS_REPEATED;
    return status;
}

static bool needs_value(const struct weir_config_changes *changes,
                        const struct weir_config_change *change)
{
    return changes->replace_all || change->op != WEIR_CONFIG_DELETE;
}

/* Says which keys lack a value; the null slice when none does. */
static struct weir_slice missing_values(struct weir_call *call,
                                        const struct weir_config_changes *changes,
                                        const struct weir_config_target *target)
{
    struct weir_buf text = {.limit_bytes = WEIR_TEXT_QUOTED_BYTES_MAX};
    bool has_any = false;
    for (size_t i = 0; i < target->change_count; i++) {
        const struct weir_config_change *change = &target->changes[i];
        if (!weir_slice_is_null(change->value) || !needs_value(changes, change))
            continue;
        weir_buf_append_str(&text, has_any ? ", " : "Null value not supported for : ");
        weir_buf_append_slice(&text, change->name);
        has_any = true;
    }
    struct weir_slice out = WEIR_NULL_SLICE;
    if (has_any && weir_arena_copy(call->arena, weir_buf_slice(&text), &out) != WEIR_OK)
        out = WEIR_EMPTY_SLICE; /* without the words the refusal is still right */
    weir_buf_done(&text);
    return out;
}

static void check_is_own_id(struct weir_call *call, struct weir_config_target *target)
{
    int32_t id;
    const int32_t own_id = call->api->options.node_id;
    const struct weir_slice shown = weir_text_quoted(target->name);
    if (!weir_node_id_parse(target->name, &id))
        refuse(target, weir_arena_printf(call->arena, "Node id must be an integer, but it is: %.*s",
                                         WEIR_SLICE_ARGS(shown)));
    else if (id != own_id)
        refuse(target, weir_arena_printf(call->arena,
                                         "Unexpected broker id, expected %d, but received %.*s",
                                         (int)own_id, WEIR_SLICE_ARGS(shown)));
}

static void check_operations(struct weir_call *call, struct weir_config_target *target)
{
    for (size_t i = 0; i < target->change_count && !target->is_answered; i++) {
        const int8_t op = target->changes[i].op;
        if (op < WEIR_CONFIG_SET || op > WEIR_CONFIG_SUBTRACT)
            refuse(target, weir_arena_printf(call->arena, "Unknown operations type %d", op));
    }
}

/* Loggers are not kept in the metadata log.  The level of the one there is comes from the broker's
 * start and cannot be moved while it runs; to say what it already is, is no change. */
static void change_loggers(struct weir_call *call, struct weir_config_target *target)
{
    check_is_own_id(call, target);
    const struct weir_log *log = call->api->options.log;
    for (size_t i = 0; i < target->change_count && !target->is_answered; i++) {
        const struct weir_config_change *change = &target->changes[i];
        const struct weir_slice shown = weir_text_quoted(change->name);
        if (!weir_slice_is(change->name, "root"))
            answer(target, WEIR_ERROR_INVALID_CONFIG,
                   weir_arena_printf(call->arena, "Logger %.*s does not exist!",
                                     WEIR_SLICE_ARGS(shown)));
        else if (change->op != WEIR_CONFIG_SET || log == NULL ||
                 !weir_slice_is(change->value, weir_log_level_name(log->level)))
            refuse(target, WEIR_SLICE("The log level of this broker is set when it starts."));
    }
    if (!target->is_answered)
        answer(target, WEIR_ERROR_NONE, WEIR_NULL_SLICE);
}

static void check_type(struct weir_call *call, const struct weir_config_changes *changes,
                       struct weir_config_target *target)
{
    switch (target->type) {
    case WEIR_RESOURCE_TOPIC:
    case WEIR_RESOURCE_CLIENT_METRICS:
    case WEIR_RESOURCE_GROUP:
        return;
    case WEIR_RESOURCE_BROKER:
        if (target->name.size > 0)
            check_is_own_id(call, target);
        if (!changes->replace_all)
            check_operations(call, target);
        return;
    case WEIR_RESOURCE_BROKER_LOGGER:
        if (!changes->replace_all) {
            change_loggers(call, target);
            return;
        }
        break;
    default: /* a number from the wire */
        break;
    }
    refuse(target, weir_arena_printf(call->arena, "Unknown resource type %d", (int)target->type));
}

static enum weir_status check_target(struct weir_call *call,
                                     const struct weir_config_changes *changes,
                                     struct weir_config_target *target)
{
    bool has_repeats;
    const enum weir_status status = has_repeated_keys(call, target, &has_repeats);
    if (status != WEIR_OK)
        return status;
    if (has_repeats) {
        refuse(target, WEIR_SLICE("Error due to duplicate config keys"));
        return WEIR_OK;
    }
    const struct weir_slice problem = missing_values(call, changes, target);
    if (!weir_slice_is_null(problem)) {
        refuse(target, problem);
        return WEIR_OK;
    }
    check_type(call, changes, target);
    return WEIR_OK;
}

static void take_results(struct weir_call *call, struct weir_controller_op *op)
{
    struct weir_config_changes *changes = WEIR_CONTAINER_OF(op, struct weir_config_changes, op);
    const struct weir_config_alteration *decided = op->alter_configs.resources;
    for (size_t i = 0; i < changes->target_count; i++) {
        if (changes->targets[i].is_answered)
            continue;
        const struct weir_controller_result *why =
            op->result.status != WEIR_OK ? &op->result : &decided->result;
        answer(&changes->targets[i], weir_error_of_status(why->status), why->message);
        decided++;
    }
    changes->respond(call, changes);
}

static void ask_controller(struct weir_call *call, struct weir_config_changes *changes)
{
    struct weir_alter_configs_op *op = &changes->op.alter_configs;
    changes->op.kind = WEIR_CONTROLLER_ALTER_CONFIGS;
    op->validate_only = changes->validate_only;
    op->replace_all = changes->replace_all;
    op->resources = WEIR_CALL_ALLOC(call, struct weir_config_alteration, changes->target_count);
    if (op->resources == NULL) {
        weir_call_close(call);
        return;
    }
    for (size_t i = 0; i < changes->target_count; i++) {
        const struct weir_config_target *target = &changes->targets[i];
        if (target->is_answered)
            continue;
        struct weir_config_alteration *alteration = &op->resources[op->resource_count++];
        alteration->type = target->type;
        alteration->name = target->name;
        alteration->changes = target->changes;
        alteration->change_count = target->change_count;
    }
    if (op->resource_count == 0)
        changes->respond(call, changes);
    else
        weir_call_control(call, &changes->op, take_results);
}

void weir_config_changes_run(struct weir_call *call, struct weir_config_changes *changes)
{
    enum weir_status status = refuse_repeated_targets(call, changes);
    for (size_t i = 0; i < changes->target_count && status == WEIR_OK; i++) {
        if (!changes->targets[i].is_answered)
            status = check_target(call, changes, &changes->targets[i]);
    }
    if (status == WEIR_OK)
        ask_controller(call, changes);
    else
        weir_call_close(call);
}
