/* SPDX-License-Identifier: Apache-2.0 */

/* Which value is in force, and what DescribeConfigs and CreateTopics say about it. */

#include "weir/metadata/config_resolve.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"

#include <inttypes.h>
#include <stdio.h>

struct weir_slice weir_static_config_get(const struct weir_static_configs *configs,
                                         struct weir_slice name)
{
    size_t low = 0;
    size_t high = configs == NULL ? 0 : configs->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = weir_slice_compare(weir_slice_str(configs->entries[middle].name), name);
        if (order == 0)
            return weir_slice_str(configs->entries[middle].value);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return WEIR_NULL_SLICE;
}

static const struct weir_image_config *broker_config(const struct weir_config_resolver *resolver)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "%d", resolver->broker_id);
    return weir_image_config(resolver->image, WEIR_RESOURCE_BROKER, weir_slice_str(name));
}

static const struct weir_image_config *
default_broker_config(const struct weir_config_resolver *resolver)
{
    return weir_image_config(resolver->image, WEIR_RESOURCE_BROKER, WEIR_EMPTY_SLICE);
}

/* ---- One broker key ---- */

static struct weir_slice set_value(const struct weir_config_resolver *resolver,
                                   enum weir_config_source source, const char *key)
{
    const struct weir_config_def *def;
    switch (source) {
    case WEIR_CONFIG_SOURCE_DYNAMIC_BROKER:
        return weir_image_config_get(broker_config(resolver), weir_slice_str(key));
    case WEIR_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER:
        return weir_image_config_get(default_broker_config(resolver), weir_slice_str(key));
    case WEIR_CONFIG_SOURCE_STATIC_BROKER:
        return weir_static_config_get(resolver->statics, weir_slice_str(key));
    case WEIR_CONFIG_SOURCE_DEFAULT:
        def = weir_config_def_find(WEIR_CONFIG_BROKER, weir_slice_str(key));
        return def == NULL ? WEIR_NULL_SLICE : weir_slice_str(def->default_text);
    case WEIR_CONFIG_SOURCE_TOPIC:
    case WEIR_CONFIG_SOURCE_BROKER_LOGGER:
    case WEIR_CONFIG_SOURCE_CLIENT_METRICS:
    case WEIR_CONFIG_SOURCE_GROUP:
        return WEIR_NULL_SLICE;
    }
    return WEIR_NULL_SLICE;
}

static const enum weir_config_source broker_sources[] = {
    WEIR_CONFIG_SOURCE_DYNAMIC_BROKER,
    WEIR_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER,
    WEIR_CONFIG_SOURCE_STATIC_BROKER,
    WEIR_CONFIG_SOURCE_DEFAULT,
};

#define SYNONYMS_MAX (1 + WEIR_CONFIG_SYNONYM_KEYS_MAX * WEIR_ARRAY_COUNT(broker_sources))

/* All places that give a value for a family of broker keys, in the order of their force. */
struct found_values {
    struct weir_config_synonym items[SYNONYMS_MAX];
    int64_t units[SYNONYMS_MAX];
    size_t count;
};

static void find_broker_values(const struct weir_config_resolver *resolver,
                               const struct weir_config_synonym_key *keys, size_t key_count,
                               struct found_values *out)
{
    out->count = 0;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(broker_sources); i++) {
        for (size_t j = 0; j < key_count; j++) {
            struct weir_slice value = set_value(resolver, broker_sources[i], keys[j].name);
            const struct weir_config_def *def =
                weir_config_def_find(WEIR_CONFIG_BROKER, weir_slice_str(keys[j].name));
            struct weir_detail ignored;
            if (weir_slice_is_null(value) ||
                (def != NULL && weir_config_validate(def, value, &ignored) != WEIR_OK))
                continue;
            out->units[out->count] = keys[j].unit;
            out->items[out->count++] = (struct weir_config_synonym){
                .name = weir_slice_str(keys[j].name), .value = value, .source = broker_sources[i]};
        }
    }
}

static struct weir_slice in_unit(struct weir_slice value, int64_t unit, struct weir_arena *arena)
{
    int64_t number;
    if (unit == 1 || !weir_config_parse_i64(value, &number) || number < 0 ||
        __builtin_mul_overflow(number, unit, &number))
        return value;
    return weir_arena_printf(arena, "%" PRId64, number);
}

/* ---- Describing ---- */

static enum weir_status fill_view(struct weir_config_view *view, const struct weir_config_def *def,
                                  struct weir_slice value,
                                  const struct weir_config_synonym *synonyms, size_t count,
                                  struct weir_arena *arena)
{
    struct weir_config_synonym *copy = weir_arena_calloc(arena, count, sizeof(*copy));
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        copy[i] = synonyms[i];
        copy[i].value = def->is_sensitive ? WEIR_NULL_SLICE
                                          : weir_config_canonical(def, synonyms[i].value, arena);
    }
    *view = (struct weir_config_view){
        .name = weir_slice_str(def->name),
        .value = def->is_sensitive ? WEIR_NULL_SLICE : weir_config_canonical(def, value, arena),
        .type = def->type,
        .source = count > 0 ? synonyms[0].source : WEIR_CONFIG_SOURCE_DEFAULT,
        .is_sensitive = def->is_sensitive,
        .documentation = def->documentation,
        .synonyms = copy,
        .synonym_count = count,
    };
    return WEIR_OK;
}

/* What the broker gives a topic for a key that is not set on the topic: value and where it comes
 * from.  Kafka lists as synonyms only what comes behind the first value of the main key, so a
 * log.retention.hours in server.properties is in force but not listed. */
static struct weir_slice inherited(const struct weir_config_resolver *resolver,
                                   const struct weir_config_def *def, struct found_values *found,
                                   size_t *out_first_listed, struct weir_arena *arena)
{
    struct weir_config_synonym_key keys[WEIR_CONFIG_SYNONYM_KEYS_MAX];
    size_t key_count = weir_config_topic_synonyms(weir_slice_str(def->name), keys);
    find_broker_values(resolver, keys, key_count, found);
    *out_first_listed = 0;
    while (*out_first_listed < found->count &&
           !weir_slice_is(found->items[*out_first_listed].name, keys[0].name))
        (*out_first_listed)++;
    if (found->count == 0)
        return weir_slice_str(def->default_text);
    return in_unit(found->items[0].value, found->units[0], arena);
}

static enum weir_status describe_topic_key(const struct weir_config_resolver *resolver,
                                           const struct weir_config_def *def,
                                           const struct weir_image_config *config,
                                           struct weir_arena *arena, struct weir_config_view *out)
{
    struct found_values found;
    size_t first;
    struct weir_slice value = inherited(resolver, def, &found, &first, arena);
    struct weir_config_synonym listed[SYNONYMS_MAX + 1];
    size_t count = 0;
    struct weir_slice own = weir_image_config_get(config, weir_slice_str(def->name));
    if (!weir_slice_is_null(own)) {
        listed[count++] = (struct weir_config_synonym){
            .name = weir_slice_str(def->name), .value = own, .source = WEIR_CONFIG_SOURCE_TOPIC};
        value = own;
    }
    for (size_t i = first; i < found.count; i++)
        listed[count++] = found.items[i];
    return fill_view(out, def, value, listed, count, arena);
}

static enum weir_status describe_broker_key(const struct weir_config_resolver *resolver,
                                            const struct weir_config_def *def, bool is_default,
                                            struct weir_arena *arena, struct weir_config_view *out)
{
    struct weir_config_synonym_key keys[WEIR_CONFIG_SYNONYM_KEYS_MAX];
    size_t key_count = weir_config_broker_synonyms(weir_slice_str(def->name), keys);
    struct found_values found;
    if (key_count == 0) /* in no table */
        keys[key_count++] = (struct weir_config_synonym_key){.name = def->name, .unit = 1};
    find_broker_values(resolver, keys, key_count, &found);
    size_t first = 0;
    while (first < found.count && !weir_slice_is(found.items[first].name, def->name))
        first++;
    struct weir_slice value = first < found.count ? found.items[first].value : WEIR_NULL_SLICE;
    size_t count = found.count - first;
    if (is_default) { /* only what is set as the default of all brokers */
        size_t at = first;
        while (at < found.count &&
               found.items[at].source != WEIR_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER)
            at++;
        count = at < found.count ? 1 : 0;
        value = count > 0 ? found.items[at].value : WEIR_NULL_SLICE;
        first = at;
    }
    enum weir_status status = fill_view(out, def, value, found.items + first, count, arena);
    out->is_read_only = def->dynamic == WEIR_CONFIG_READ_ONLY;
    return status;
}

static enum weir_status describe_group_key(const struct weir_config_resolver *resolver,
                                           const struct weir_config_def *def,
                                           const struct weir_image_config *config,
                                           struct weir_arena *arena, struct weir_config_view *out)
{
    struct weir_config_synonym listed[SYNONYMS_MAX + 1];
    size_t count = 0;
    struct weir_slice value = weir_slice_str(def->default_text);
    struct weir_slice broker_key = weir_arena_printf(arena, "group.%s", def->name);
    struct weir_config_synonym_key key = {.name = (const char *)broker_key.data, .unit = 1};
    struct weir_slice own = weir_image_config_get(config, weir_slice_str(def->name));
    if (!weir_slice_is_null(own))
        listed[count++] = (struct weir_config_synonym){
            .name = weir_slice_str(def->name), .value = own, .source = WEIR_CONFIG_SOURCE_GROUP};
    if (!weir_slice_is_null(broker_key) &&
        weir_config_def_find(WEIR_CONFIG_BROKER, broker_key) != NULL) {
        struct found_values found;
        find_broker_values(resolver, &key, 1, &found);
        if (found.count > 0)
            value = found.items[0].value;
        for (size_t i = 0; i < found.count; i++)
            listed[count++] = found.items[i];
    } else {
        /* A key the broker has no counterpart of is listed with its own default. */
        listed[count++] = (struct weir_config_synonym){.name = weir_slice_str(def->name),
                                                       .value = value,
                                                       .source = WEIR_CONFIG_SOURCE_DEFAULT};
    }
    return fill_view(out, def, weir_slice_is_null(own) ? value : own, listed, count, arena);
}

static enum weir_status describe_metrics_key(const struct weir_config_def *def,
                                             const struct weir_image_config *config,
                                             struct weir_arena *arena, struct weir_config_view *out)
{
    struct weir_slice own = weir_image_config_get(config, weir_slice_str(def->name));
    enum weir_status status =
        fill_view(out, def, weir_slice_is_null(own) ? weir_slice_str(def->default_text) : own, NULL,
                  0, arena);
    if (!weir_slice_is_null(own))
        out->source = WEIR_CONFIG_SOURCE_CLIENT_METRICS;
    return status;
}

static bool scope_of(enum weir_resource_type type, enum weir_config_scope *out)
{
    switch (type) {
    case WEIR_RESOURCE_TOPIC:
        *out = WEIR_CONFIG_TOPIC;
        return true;
    case WEIR_RESOURCE_BROKER:
        *out = WEIR_CONFIG_BROKER;
        return true;
    case WEIR_RESOURCE_GROUP:
        *out = WEIR_CONFIG_GROUP;
        return true;
    case WEIR_RESOURCE_CLIENT_METRICS:
        *out = WEIR_CONFIG_CLIENT_METRICS;
        return true;
    case WEIR_RESOURCE_BROKER_LOGGER:
    case WEIR_RESOURCE_UNKNOWN:
        return false;
    }
    return false;
}

/* A broker may be given keys that nobody knows; they are described like secrets. */
static const struct weir_config_def *def_of_unknown(struct weir_slice name,
                                                    struct weir_arena *arena)
{
    const struct weir_config_def *rate = weir_config_rate_def_find(name);
    if (rate != NULL)
        return rate;
    struct weir_config_def *def = weir_arena_calloc(arena, 1, sizeof(*def));
    struct weir_slice copy = weir_arena_printf(arena, "%.*s", WEIR_SLICE_ARGS(name));
    if (def == NULL || weir_slice_is_null(copy))
        return NULL;
    def->name = (const char *)copy.data;
    def->type = WEIR_CONFIG_TYPE_UNKNOWN;
    def->is_sensitive = true;
    def->dynamic = WEIR_CONFIG_READ_ONLY;
    def->valid = "";
    return def;
}

/* Keys set at run time that are in no table; views has room for them. */
static enum weir_status describe_unknown(const struct weir_config_resolver *resolver,
                                         bool is_default, struct weir_arena *arena,
                                         struct weir_config_view *views, size_t *count)
{
    const struct weir_image_config *configs[] = {default_broker_config(resolver),
                                                 is_default ? NULL : broker_config(resolver)};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(configs); i++) {
        for (size_t j = 0; configs[i] != NULL && j < configs[i]->entry_count; j++) {
            struct weir_slice name = configs[i]->entries[j].name;
            if (weir_config_def_find(WEIR_CONFIG_BROKER, name) != NULL ||
                (i > 0 && !weir_slice_is_null(weir_image_config_get(configs[0], name))))
                continue;
            const struct weir_config_def *def = def_of_unknown(name, arena);
            if (def == NULL)
                return WEIR_NO_MEMORY;
            enum weir_status status =
                describe_broker_key(resolver, def, is_default, arena, &views[*count]);
            if (status != WEIR_OK)
                return status;
            (*count)++;
        }
    }
    return WEIR_OK;
}

static size_t entry_count(const struct weir_image_config *config)
{
    return config == NULL ? 0 : config->entry_count;
}

static enum weir_status describe_with(const struct weir_config_resolver *resolver,
                                      enum weir_config_scope scope,
                                      const struct weir_image_config *config, bool is_default,
                                      struct weir_arena *arena, struct weir_config_view_list *out)
{
    size_t def_count = weir_config_def_count(scope);
    size_t room = def_count;
    if (scope == WEIR_CONFIG_BROKER)
        room += entry_count(broker_config(resolver)) + entry_count(default_broker_config(resolver));
    struct weir_config_view *views = weir_arena_calloc(arena, room, sizeof(*views));
    if (views == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < def_count; i++) {
        const struct weir_config_def *def = weir_config_def_at(scope, i);
        enum weir_status status = WEIR_OK;
        if (scope == WEIR_CONFIG_TOPIC)
            status = describe_topic_key(resolver, def, config, arena, &views[count]);
        else if (scope == WEIR_CONFIG_BROKER)
            status = describe_broker_key(resolver, def, is_default, arena, &views[count]);
        else if (scope == WEIR_CONFIG_GROUP)
            status = describe_group_key(resolver, def, config, arena, &views[count]);
        else
            status = describe_metrics_key(def, config, arena, &views[count]);
        if (status != WEIR_OK)
            return status;
        if (!is_default || views[count].synonym_count > 0)
            count++;
    }
    if (scope == WEIR_CONFIG_BROKER) {
        enum weir_status status = describe_unknown(resolver, is_default, arena, views, &count);
        if (status != WEIR_OK)
            return status;
    }
    *out = (struct weir_config_view_list){.items = views, .count = count};
    return WEIR_OK;
}

enum weir_status weir_config_describe(const struct weir_config_resolver *resolver,
                                      enum weir_resource_type type, struct weir_slice resource,
                                      struct weir_arena *arena, struct weir_config_view_list *out)
{
    enum weir_config_scope scope;
    if (!scope_of(type, &scope)) {
        *out = (struct weir_config_view_list){0};
        return WEIR_OK;
    }
    const struct weir_image_config *config = weir_image_config(resolver->image, type, resource);
    return describe_with(resolver, scope, config,
                         type == WEIR_RESOURCE_BROKER && resource.size == 0, arena, out);
}

enum weir_status weir_config_describe_new_topic(const struct weir_config_resolver *resolver,
                                                const struct weir_image_config_entry *entries,
                                                size_t entry_count, struct weir_arena *arena,
                                                struct weir_config_view_list *out)
{
    /* The entries as an image would have them, sorted by name; later ones win, as in a map. */
    struct weir_image_config_entry *sorted = weir_arena_calloc(arena, entry_count, sizeof(*sorted));
    if (sorted == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < entry_count; i++) {
        size_t at = 0;
        while (at < count && weir_slice_compare(sorted[at].name, entries[i].name) < 0)
            at++;
        if (at == count || !weir_slice_equal(sorted[at].name, entries[i].name)) {
            memmove(sorted + at + 1, sorted + at, (count - at) * sizeof(*sorted));
            count++;
        }
        sorted[at] = entries[i];
    }
    struct weir_image_config config = {
        .type = WEIR_RESOURCE_TOPIC, .entries = sorted, .entry_count = count};
    enum weir_status status =
        describe_with(resolver, WEIR_CONFIG_TOPIC, &config, false, arena, out);
    for (size_t i = 0; status == WEIR_OK && i < out->count; i++) {
        /* The controller, unlike a broker's DescribeConfigs, names the source of an inherited
         * minutes or hours key. */
        struct weir_config_synonym_key keys[WEIR_CONFIG_SYNONYM_KEYS_MAX];
        struct found_values found;
        if (out->items[i].source != WEIR_CONFIG_SOURCE_DEFAULT)
            continue;
        find_broker_values(resolver, keys, weir_config_topic_synonyms(out->items[i].name, keys),
                           &found);
        if (found.count > 0)
            out->items[i].source = found.items[0].source;
    }
    return status;
}

/* ---- Values for code ---- */

static const struct weir_config_def *def_of(enum weir_config_scope scope, const char *key,
                                            enum weir_config_type type,
                                            enum weir_config_type other_type)
{
    const struct weir_config_def *def = weir_config_def_find(scope, weir_slice_str(key));
    WEIR_ASSERT(def != NULL);
    WEIR_ASSERT(def->type == type || def->type == other_type || type == WEIR_CONFIG_TYPE_UNKNOWN);
    return def;
}

/* The value in force and the unit it is in. */
static struct weir_slice broker_value(const struct weir_config_resolver *resolver, const char *key,
                                      int64_t *out_unit)
{
    struct weir_config_synonym_key keys[WEIR_CONFIG_SYNONYM_KEYS_MAX];
    size_t key_count = weir_config_broker_synonyms(weir_slice_str(key), keys);
    struct found_values found;
    find_broker_values(resolver, keys, key_count, &found);
    *out_unit = found.count > 0 ? found.units[0] / keys[0].unit : 1;
    return found.count > 0 ? found.items[0].value : WEIR_NULL_SLICE;
}

static struct weir_slice topic_value(const struct weir_config_resolver *resolver,
                                     struct weir_slice topic, const struct weir_config_def *def,
                                     int64_t *out_unit)
{
    const struct weir_image_config *config =
        weir_image_config(resolver->image, WEIR_RESOURCE_TOPIC, topic);
    struct weir_slice own = weir_image_config_get(config, weir_slice_str(def->name));
    struct weir_detail ignored;
    *out_unit = 1;
    if (!weir_slice_is_null(own) && weir_config_validate(def, own, &ignored) == WEIR_OK)
        return own;
    struct weir_config_synonym_key keys[WEIR_CONFIG_SYNONYM_KEYS_MAX];
    struct found_values found;
    find_broker_values(resolver, keys, weir_config_topic_synonyms(weir_slice_str(def->name), keys),
                       &found);
    if (found.count > 0) {
        *out_unit = found.units[0];
        return found.items[0].value;
    }
    return weir_slice_str(def->default_text);
}

static int64_t to_i64(struct weir_slice value, int64_t unit)
{
    int64_t number = 0;
    bool is_number = weir_config_parse_i64(value, &number);
    if (is_number && number > 0 && __builtin_mul_overflow(number, unit, &number))
        number = INT64_MAX;
    return number;
}

int64_t weir_config_topic_i64(const struct weir_config_resolver *resolver, struct weir_slice topic,
                              const char *key)
{
    int64_t unit;
    const struct weir_config_def *def =
        def_of(WEIR_CONFIG_TOPIC, key, WEIR_CONFIG_TYPE_INT, WEIR_CONFIG_TYPE_LONG);
    struct weir_slice value = topic_value(resolver, topic, def, &unit);
    return to_i64(value, unit);
}

double weir_config_topic_f64(const struct weir_config_resolver *resolver, struct weir_slice topic,
                             const char *key)
{
    int64_t unit;
    double number = 0;
    const struct weir_config_def *def =
        def_of(WEIR_CONFIG_TOPIC, key, WEIR_CONFIG_TYPE_DOUBLE, WEIR_CONFIG_TYPE_DOUBLE);
    (void)weir_config_parse_f64(topic_value(resolver, topic, def, &unit), &number);
    return number;
}

bool weir_config_topic_bool(const struct weir_config_resolver *resolver, struct weir_slice topic,
                            const char *key)
{
    int64_t unit;
    bool is_true = false;
    const struct weir_config_def *def =
        def_of(WEIR_CONFIG_TOPIC, key, WEIR_CONFIG_TYPE_BOOLEAN, WEIR_CONFIG_TYPE_BOOLEAN);
    (void)weir_config_parse_bool(topic_value(resolver, topic, def, &unit), &is_true);
    return is_true;
}

struct weir_slice weir_config_topic_str(const struct weir_config_resolver *resolver,
                                        struct weir_slice topic, const char *key)
{
    int64_t unit;
    return topic_value(
        resolver, topic,
        def_of(WEIR_CONFIG_TOPIC, key, WEIR_CONFIG_TYPE_UNKNOWN, WEIR_CONFIG_TYPE_UNKNOWN), &unit);
}

int64_t weir_config_broker_i64(const struct weir_config_resolver *resolver, const char *key)
{
    int64_t unit;
    const struct weir_config_def *def =
        weir_config_def_find(WEIR_CONFIG_BROKER, weir_slice_str(key));
    WEIR_ASSERT(def != NULL &&
                (def->type == WEIR_CONFIG_TYPE_INT || def->type == WEIR_CONFIG_TYPE_LONG ||
                 def->type == WEIR_CONFIG_TYPE_SHORT));
    struct weir_slice value = broker_value(resolver, key, &unit);
    return to_i64(value, unit);
}

double weir_config_broker_f64(const struct weir_config_resolver *resolver, const char *key)
{
    int64_t unit;
    double number = 0;
    (void)def_of(WEIR_CONFIG_BROKER, key, WEIR_CONFIG_TYPE_DOUBLE, WEIR_CONFIG_TYPE_DOUBLE);
    (void)weir_config_parse_f64(broker_value(resolver, key, &unit), &number);
    return number;
}

bool weir_config_broker_bool(const struct weir_config_resolver *resolver, const char *key)
{
    int64_t unit;
    bool is_true = false;
    (void)def_of(WEIR_CONFIG_BROKER, key, WEIR_CONFIG_TYPE_BOOLEAN, WEIR_CONFIG_TYPE_BOOLEAN);
    (void)weir_config_parse_bool(broker_value(resolver, key, &unit), &is_true);
    return is_true;
}

struct weir_slice weir_config_broker_str(const struct weir_config_resolver *resolver,
                                         const char *key)
{
    int64_t unit;
    (void)def_of(WEIR_CONFIG_BROKER, key, WEIR_CONFIG_TYPE_UNKNOWN, WEIR_CONFIG_TYPE_UNKNOWN);
    return broker_value(resolver, key, &unit);
}

static struct weir_slice group_value(const struct weir_config_resolver *resolver,
                                     struct weir_slice group, const struct weir_config_def *def,
                                     int64_t *out_unit)
{
    const struct weir_image_config *config =
        weir_image_config(resolver->image, WEIR_RESOURCE_GROUP, group);
    struct weir_slice own = weir_image_config_get(config, weir_slice_str(def->name));
    struct weir_detail ignored;
    *out_unit = 1;
    if (!weir_slice_is_null(own) && weir_config_validate(def, own, &ignored) == WEIR_OK)
        return own;
    char broker_key[128];
    (void)snprintf(broker_key, sizeof(broker_key), "group.%s", def->name);
    if (weir_config_def_find(WEIR_CONFIG_BROKER, weir_slice_str(broker_key)) == NULL)
        return weir_slice_str(def->default_text);
    return broker_value(resolver, broker_key, out_unit);
}

int64_t weir_config_group_i64(const struct weir_config_resolver *resolver, struct weir_slice group,
                              const char *key)
{
    int64_t unit;
    const struct weir_config_def *def =
        def_of(WEIR_CONFIG_GROUP, key, WEIR_CONFIG_TYPE_INT, WEIR_CONFIG_TYPE_LONG);
    struct weir_slice value = group_value(resolver, group, def, &unit);
    return to_i64(value, unit);
}

bool weir_config_group_bool(const struct weir_config_resolver *resolver, struct weir_slice group,
                            const char *key)
{
    int64_t unit;
    bool is_true = false;
    const struct weir_config_def *def =
        def_of(WEIR_CONFIG_GROUP, key, WEIR_CONFIG_TYPE_BOOLEAN, WEIR_CONFIG_TYPE_BOOLEAN);
    (void)weir_config_parse_bool(group_value(resolver, group, def, &unit), &is_true);
    return is_true;
}

struct weir_slice weir_config_group_str(const struct weir_config_resolver *resolver,
                                        struct weir_slice group, const char *key)
{
    int64_t unit;
    return group_value(
        resolver, group,
        def_of(WEIR_CONFIG_GROUP, key, WEIR_CONFIG_TYPE_UNKNOWN, WEIR_CONFIG_TYPE_UNKNOWN), &unit);
}
