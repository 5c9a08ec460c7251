/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changing configs of topics, brokers, groups and client-metrics subscriptions.
 *
 * The order of checks is Apache Kafka's: first those of the broker that takes the request (each
 * resource once, no key twice, no null values, what a broker may change at run time), then those of
 * the controller (lists, names and values, existence, what ELR forbids).
 */

#include "controller_int.h"

#include "config_rules.h"
#include "weir/base/map.h"
#include "weir/protocol/records/clear_elr_record.h"

#include <stdlib.h>

/* Far above the number of keys there are; keys are looked for one by one. */
#define CHANGES_OF_RESOURCE_MAX 2000

static const char min_insync_replicas[] = "min.insync.replicas";

static enum weir_config_scope scope_of(enum weir_resource_type type)
{
    switch (type) {
    case WEIR_RESOURCE_BROKER:
        return WEIR_CONFIG_BROKER;
    case WEIR_RESOURCE_GROUP:
        return WEIR_CONFIG_GROUP;
    case WEIR_RESOURCE_CLIENT_METRICS:
        return WEIR_CONFIG_CLIENT_METRICS;
    case WEIR_RESOURCE_TOPIC:
    case WEIR_RESOURCE_BROKER_LOGGER:
    case WEIR_RESOURCE_UNKNOWN:
        return WEIR_CONFIG_TOPIC;
    }
    return WEIR_CONFIG_TOPIC;
}

/* ---- What is set afterwards ---- */

/* Entries in the arena, in order of name once sorted by the image; here in any order. */
struct entry_set {
    struct weir_image_config_entry *items;
    size_t count;
};

static struct weir_slice get(const struct entry_set *set, struct weir_slice name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (weir_slice_equal(set->items[i].name, name))
            return set->items[i].value;
    }
    return WEIR_NULL_SLICE;
}

/* There is room for every key of the request. */
static void put(struct entry_set *set, struct weir_slice name, struct weir_slice value)
{
    for (size_t i = 0; i < set->count; i++) {
        if (!weir_slice_equal(set->items[i].name, name))
            continue;
        if (weir_slice_is_null(value))
            set->items[i] = set->items[--set->count];
        else
            set->items[i].value = value;
        return;
    }
    if (!weir_slice_is_null(value))
        set->items[set->count++] = (struct weir_image_config_entry){.name = name, .value = value};
}

static bool list_has(struct weir_slice list, struct weir_slice wanted)
{
    struct weir_slice entry;
    while (weir_config_list_next(&list, &entry)) {
        if (weir_slice_equal(entry, wanted))
            return true;
    }
    return false;
}

/* The list with the elements of `given` added (those it lacks) or taken out; the null slice when
 * memory is out. */
static struct weir_slice merge_list(struct weir_arena *arena, struct weir_slice list,
                                    struct weir_slice given, bool is_append)
{
    uint8_t *text = weir_arena_alloc(arena, list.size + given.size + 2);
    if (text == NULL)
        return WEIR_NULL_SLICE;
    size_t size = 0;
    for (int part = 0; part < (is_append ? 2 : 1); part++) {
        struct weir_slice rest = part == 0 ? list : given;
        struct weir_slice entry;
        while (weir_config_list_next(&rest, &entry)) {
            bool is_wanted = part == 0 ? (is_append || !list_has(given, entry))
                                       : !list_has(weir_slice_of(text, size), entry);
            if (!is_wanted)
                continue;
            if (size > 0)
                text[size++] = ',';
            memcpy(text + size, entry.data, entry.size);
            size += entry.size;
        }
    }
    return weir_slice_of(text, size);
}

/* The value a list key has before an append or subtract: what is set, else what is inherited, else
 * the default. */
static struct weir_slice list_before(struct weir_decision *decision,
                                     const struct weir_config_request *request,
                                     const struct entry_set *set, const struct weir_config_def *def)
{
    struct weir_slice value = get(set, weir_slice_str(def->name));
    if (!weir_slice_is_null(value))
        return value;
    if (request->type == WEIR_RESOURCE_TOPIC)
        value = weir_config_topic_str(&decision->resolver, WEIR_EMPTY_SLICE, def->name);
    else if (request->type == WEIR_RESOURCE_BROKER)
        value = weir_config_broker_str(&decision->resolver, def->name);
    else
        value = weir_slice_str(def->default_text);
    return weir_slice_is_null(value) ? WEIR_EMPTY_SLICE : value;
}

static struct weir_controller_result apply_change(struct weir_decision *decision,
                                                  const struct weir_config_request *request,
                                                  const struct weir_config_change *change,
                                                  struct entry_set *set)
{
    enum weir_config_op op =
        request->replace_all ? WEIR_CONFIG_SET : (enum weir_config_op)change->op;
    if (op == WEIR_CONFIG_SET || op == WEIR_CONFIG_DELETE) {
        put(set, change->name, op == WEIR_CONFIG_SET ? change->value : WEIR_NULL_SLICE);
        return weir_result_ok();
    }
    if (op != WEIR_CONFIG_APPEND && op != WEIR_CONFIG_SUBTRACT)
        return weir_result_bare(
            WEIR_UNKNOWN_SERVER_ERROR); /* what 4.3.0 answers to an unknown operation */
    const struct weir_config_def *def = weir_config_def_find(scope_of(request->type), change->name);
    if (def == NULL || def->type != WEIR_CONFIG_TYPE_LIST)
        return weir_result_of(
            decision, WEIR_INVALID_CONFIG, "Can't %s to key %.*s because its type is not LIST.",
            op == WEIR_CONFIG_APPEND ? "APPEND" : "SUBTRACT", WEIR_SLICE_ARGS(change->name));
    struct weir_slice merged = merge_list(decision->arena, list_before(decision, request, set, def),
                                          change->value, op == WEIR_CONFIG_APPEND);
    if (weir_slice_is_null(merged))
        return weir_result_bare(WEIR_NO_MEMORY);
    put(set, change->name, merged);
    return weir_result_ok();
}

/* ---- Checks of the controller ---- */

static struct weir_controller_result check_exists(struct weir_decision *decision,
                                                  const struct weir_config_request *request)
{
    if (request->is_new_topic)
        return weir_result_ok();
    if (request->type == WEIR_RESOURCE_TOPIC &&
        weir_image_topic(decision->image, request->name) == NULL)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "The topic '%.*s' does not exist.", WEIR_SLICE_ARGS(request->name));
    return weir_result_ok();
}

/* KIP-966: with ELR the number of replicas that make a write safe must be the same on every broker.
 */
static struct weir_controller_result check_elr(struct weir_decision *decision,
                                               const struct weir_config_request *request,
                                               const struct entry_set *before,
                                               const struct entry_set *after)
{
    if (request->type != WEIR_RESOURCE_BROKER || !weir_elr_is_enabled(decision->image))
        return weir_result_ok();
    struct weir_slice key = weir_slice_str(min_insync_replicas);
    struct weir_slice old = get(before, key);
    struct weir_slice new = get(after, key);
    bool is_same = weir_slice_is_null(old) == weir_slice_is_null(new) && weir_slice_equal(old, new);
    if (request->name.size > 0 && !is_same)
        return weir_result_of(
            decision, WEIR_INVALID_CONFIG,
            "Broker-level min.insync.replicas cannot be altered while ELR is enabled.");
    if (request->name.size == 0 && !weir_slice_is_null(old) && weir_slice_is_null(new))
        return weir_result_of(
            decision, WEIR_INVALID_CONFIG,
            "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
    return weir_result_ok();
}

/* ---- Records ---- */

/* What stood in the ELR was safe under the old number; a new one clears it. */
static void clear_elr_if_needed(struct weir_decision *decision,
                                const struct weir_config_request *request,
                                const struct entry_set *before, const struct entry_set *after)
{
    struct weir_slice key = weir_slice_str(min_insync_replicas);
    struct weir_slice old = get(before, key);
    struct weir_slice new = get(after, key);
    bool is_same = weir_slice_is_null(old) == weir_slice_is_null(new) && weir_slice_equal(old, new);
    if (is_same || request->is_new_topic || !weir_elr_is_enabled(decision->image) ||
        (request->type != WEIR_RESOURCE_TOPIC && request->type != WEIR_RESOURCE_BROKER))
        return;
    struct weir_clear_elr_record record;
    weir_clear_elr_record_init(&record);
    record.topic_name = request->type == WEIR_RESOURCE_TOPIC ? request->name : WEIR_EMPTY_SLICE;
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_CLEAR_ELR, 0, &record);
}

static void add_difference(struct weir_decision *decision,
                           const struct weir_config_request *request,
                           const struct entry_set *before, const struct entry_set *after)
{
    for (size_t i = 0; i < after->count; i++) {
        struct weir_slice old = get(before, after->items[i].name);
        if (weir_slice_is_null(old) || !weir_slice_equal(old, after->items[i].value))
            weir_record_add_config(decision->records, request->type, request->name,
                                   after->items[i].name, after->items[i].value);
    }
    for (size_t i = 0; i < before->count; i++) {
        if (weir_slice_is_null(get(after, before->items[i].name)))
            weir_record_add_config(decision->records, request->type, request->name,
                                   before->items[i].name, WEIR_NULL_SLICE);
    }
    clear_elr_if_needed(decision, request, before, after);
}

struct weir_controller_result weir_decide_configs(struct weir_decision *decision,
                                                  const struct weir_config_request *request,
                                                  struct weir_image_config_entry **out_entries,
                                                  size_t *out_count)
{
    if (request->change_count > CHANGES_OF_RESOURCE_MAX)
        return weir_result_of(decision, WEIR_POLICY_VIOLATION,
                              "Excessively large number of configs for one resource.");
    const struct weir_image_config *config =
        request->is_new_topic ? NULL
                              : weir_image_config(decision->image, request->type, request->name);
    size_t old_count = config == NULL ? 0 : config->entry_count;
    struct entry_set before = {
        .items = weir_arena_calloc(decision->arena, old_count, sizeof(before.items[0])),
        .count = old_count};
    struct entry_set after = {.items = weir_arena_calloc(decision->arena,
                                                         old_count + request->change_count,
                                                         sizeof(after.items[0]))};
    if (before.items == NULL || after.items == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    if (old_count > 0)
        memcpy(before.items, config->entries, old_count * sizeof(before.items[0]));
    if (!request->replace_all && old_count > 0) {
        memcpy(after.items, config->entries, old_count * sizeof(after.items[0]));
        after.count = old_count;
    }
    struct weir_controller_result result = weir_result_ok();
    for (size_t i = 0; i < request->change_count && result.status == WEIR_OK; i++) {
        if (request->is_new_topic && weir_slice_is_null(request->changes[i].value))
            return weir_result_of(decision, WEIR_INVALID_CONFIG,
                                  "Null value not supported for topic configs: %.*s",
                                  WEIR_SLICE_ARGS(request->changes[i].name));
        result = apply_change(decision, request, &request->changes[i], &after);
    }
    if (result.status == WEIR_OK)
        result = weir_check_resource(decision, request, after.items, after.count);
    if (result.status == WEIR_OK)
        result = check_exists(decision, request);
    if (result.status == WEIR_OK)
        result = check_elr(decision, request, &before, &after);
    if (result.status != WEIR_OK)
        return result;
    if (!request->validate_only)
        add_difference(decision, request, &before, &after);
    if (out_entries != NULL) {
        *out_entries = after.items;
        *out_count = after.count;
    }
    return result;
}

/* ---- Checks of the broker that takes the request ---- */

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

static struct weir_controller_result check_keys(struct weir_decision *decision,
                                                const struct weir_config_alteration *resource)
{
    struct weir_slice *names =
        weir_arena_calloc(decision->arena, resource->change_count, sizeof(*names));
    if (names == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    for (size_t i = 0; i < resource->change_count; i++)
        names[i] = resource->changes[i].name;
    if (resource->change_count > 1)
        qsort(names, resource->change_count, sizeof(*names), compare_names);
    for (size_t i = 1; i < resource->change_count; i++) {
        if (weir_slice_equal(names[i - 1], names[i]))
            return weir_result_of(decision, WEIR_INVALID_REQUEST,
                                  "Error due to duplicate config keys");
    }
    struct weir_slice nulls = WEIR_EMPTY_SLICE;
    bool replace_all = decision->op->alter_configs.replace_all;
    for (size_t i = 0; i < resource->change_count; i++) {
        const struct weir_config_change *change = &resource->changes[i];
        if (!weir_slice_is_null(change->value) ||
            (!replace_all && change->op == WEIR_CONFIG_DELETE))
            continue;
        nulls = weir_arena_printf(decision->arena, "%.*s%s%.*s", WEIR_SLICE_ARGS(nulls),
                                  nulls.size == 0 ? "" : ", ", WEIR_SLICE_ARGS(change->name));
        if (weir_slice_is_null(nulls))
            return weir_result_bare(WEIR_NO_MEMORY);
        if (nulls.size > 4096)
            break; /* enough to say; a request of nothing but nulls must not cost its square */
    }
    if (nulls.size > 0)
        return weir_result_of(decision, WEIR_INVALID_REQUEST, "Null value not supported for : %.*s",
                              WEIR_SLICE_ARGS(nulls));
    return weir_result_ok();
}

static struct weir_controller_result alter_resource(struct weir_decision *decision,
                                                    const struct weir_config_alteration *resource)
{
    struct weir_controller_result result = check_keys(decision, resource);
    if (result.status != WEIR_OK)
        return result;
    if (resource->type != WEIR_RESOURCE_TOPIC && resource->type != WEIR_RESOURCE_BROKER &&
        resource->type != WEIR_RESOURCE_GROUP && resource->type != WEIR_RESOURCE_CLIENT_METRICS)
        return weir_result_of(decision, WEIR_INVALID_REQUEST, "Unknown resource type %d",
                              resource->type);
    const struct weir_alter_configs_op *op = &decision->op->alter_configs;
    struct weir_config_request request = {
        .type = (enum weir_resource_type)resource->type,
        .name = resource->name,
        .changes = resource->changes,
        .change_count = resource->change_count,
        .replace_all = op->replace_all,
        .validate_only = op->validate_only,
    };
    if (request.type == WEIR_RESOURCE_BROKER) {
        result = weir_check_broker_request(decision, &request);
        if (result.status != WEIR_OK)
            return result;
    }
    return weir_decide_configs(decision, &request, NULL, NULL);
}

void weir_decide_alter_configs(struct weir_decision *decision)
{
    struct weir_alter_configs_op *op = &decision->op->alter_configs;
    struct weir_map seen = {0};
    bool has_memory = true;
    bool *is_repeated =
        weir_arena_calloc(decision->arena, op->resource_count, sizeof(*is_repeated));
    size_t *indexes = weir_arena_calloc(decision->arena, op->resource_count, sizeof(*indexes));
    has_memory = is_repeated != NULL && indexes != NULL;
    for (size_t i = 0; i < op->resource_count && has_memory; i++) {
        struct weir_slice key = weir_arena_printf(decision->arena, "%d %.*s", op->resources[i].type,
                                                  WEIR_SLICE_ARGS(op->resources[i].name));
        size_t *first = weir_slice_is_null(key) ? NULL : weir_map_get(&seen, key);
        indexes[i] = i;
        if (first != NULL)
            is_repeated[i] = is_repeated[*first] = true;
        else
            has_memory =
                !weir_slice_is_null(key) && weir_map_put(&seen, key, &indexes[i], NULL) == WEIR_OK;
    }
    for (size_t i = 0; i < op->resource_count; i++) {
        struct weir_config_alteration *resource = &op->resources[i];
        if (!has_memory)
            resource->result = weir_result_bare(WEIR_NO_MEMORY);
        else if (is_repeated[i])
            resource->result = weir_result_of(decision, WEIR_INVALID_REQUEST,
                                              "Each resource must appear at most once.");
        else
            resource->result = alter_resource(decision, resource);
    }
    weir_map_done(&seen);
}
