/* SPDX-License-Identifier: Apache-2.0 */

/* The tables of configuration keys, and which broker keys stand behind a topic key. */

#include "weir/metadata/config_defs.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"

#define ROW(scope_name, key, type_name, text, required, allowed, change)                           \
    {.scope = WEIR_CONFIG_##scope_name,                                                            \
     .def = {.name = (key),                                                                        \
             .type = WEIR_CONFIG_TYPE_##type_name,                                                 \
             .default_text = (text),                                                               \
             .is_required = (required),                                                            \
             .is_sensitive = WEIR_CONFIG_TYPE_##type_name == WEIR_CONFIG_TYPE_PASSWORD,            \
             .dynamic = WEIR_CONFIG_##change,                                                      \
             .valid = (allowed)}},
#define DEF(scope_name, key, type_name, text, allowed, change)                                     \
    ROW(scope_name, key, type_name, text, false, allowed, change)
#define DEF_REQUIRED(scope_name, key, type_name, allowed, change)                                  \
    ROW(scope_name, key, type_name, NULL, true, allowed, change)

/* By scope, then by name. */
static const struct def_row {
    enum weir_config_scope scope;
    struct weir_config_def def;
} rows[] = {
#include "config_defs.def"
};

#define ROW_COUNT WEIR_ARRAY_COUNT(rows)

/* Index of the first row that is not before (scope, name). */
static size_t lower_bound(enum weir_config_scope scope, struct weir_slice name)
{
    size_t low = 0;
    size_t high = ROW_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = (int)rows[middle].scope - (int)scope;
        if (order == 0)
            order = weir_slice_compare(weir_slice_str(rows[middle].def.name), name);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct weir_config_def *weir_config_def_find(enum weir_config_scope scope,
                                                   struct weir_slice name)
{
    size_t index = lower_bound(scope, name);
    if (index < ROW_COUNT && rows[index].scope == scope &&
        weir_slice_is(name, rows[index].def.name))
        return &rows[index].def;
    return NULL;
}

const struct weir_config_def *weir_config_rate_def_find(struct weir_slice name)
{
#define RATE(key)                                                                                  \
    {                                                                                              \
        .name = (key), .type = WEIR_CONFIG_TYPE_LONG, .dynamic = WEIR_CONFIG_READ_ONLY,            \
        .valid = "[0,...]" /* described as read-only, as Apache Kafka does */                      \
    }
    static const struct weir_config_def rates[] = {
        RATE("follower.replication.throttled.rate"),
        RATE("leader.replication.throttled.rate"),
        RATE("replica.alter.log.dirs.io.max.bytes.per.second"),
    };
#undef RATE
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(rates); i++) {
        if (weir_slice_is(name, rates[i].name))
            return &rates[i];
    }
    return NULL;
}

size_t weir_config_def_count(enum weir_config_scope scope)
{
    enum weir_config_scope next = (enum weir_config_scope)(scope + 1);
    return lower_bound(next, WEIR_EMPTY_SLICE) - lower_bound(scope, WEIR_EMPTY_SLICE);
}

const struct weir_config_def *weir_config_def_at(enum weir_config_scope scope, size_t index)
{
    WEIR_ASSERT(index < weir_config_def_count(scope));
    return &rows[lower_bound(scope, WEIR_EMPTY_SLICE) + index].def;
}

#define MINUTE_MS 60000
#define HOUR_MS   3600000

/* Families of broker keys that say the same thing in different units, the finest first. */
static const struct weir_config_synonym_key families[][WEIR_CONFIG_SYNONYM_KEYS_MAX] = {
    {{"log.retention.ms", 1},
     {"log.retention.minutes", MINUTE_MS},
     {"log.retention.hours", HOUR_MS}},
    {{"log.roll.ms", 1}, {"log.roll.hours", HOUR_MS}},
    {{"log.roll.jitter.ms", 1}, {"log.roll.jitter.hours", HOUR_MS}},
    {{"log.flush.interval.ms", 1}, {"log.flush.scheduler.interval.ms", 1}},
};

static const struct topic_synonym {
    const char *topic_key;
    const char *broker_key;
} topic_synonyms[] = {
    {"cleanup.policy", "log.cleanup.policy"},
    {"compression.gzip.level", "compression.gzip.level"},
    {"compression.lz4.level", "compression.lz4.level"},
    {"compression.type", "compression.type"},
    {"compression.zstd.level", "compression.zstd.level"},
    {"delete.retention.ms", "log.cleaner.delete.retention.ms"},
    {"file.delete.delay.ms", "log.segment.delete.delay.ms"},
    {"flush.messages", "log.flush.interval.messages"},
    {"flush.ms", "log.flush.interval.ms"},
    {"index.interval.bytes", "log.index.interval.bytes"},
    {"local.retention.bytes", "log.local.retention.bytes"},
    {"local.retention.ms", "log.local.retention.ms"},
    {"max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"},
    {"max.message.bytes", "message.max.bytes"},
    {"message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"},
    {"message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"},
    {"message.timestamp.type", "log.message.timestamp.type"},
    {"min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"},
    {"min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"},
    {"min.insync.replicas", "min.insync.replicas"},
    {"preallocate", "log.preallocate"},
    {"retention.bytes", "log.retention.bytes"},
    {"retention.ms", "log.retention.ms"},
    {"segment.bytes", "log.segment.bytes"},
    {"segment.index.bytes", "log.index.size.max.bytes"},
    {"segment.jitter.ms", "log.roll.jitter.ms"},
    {"segment.ms", "log.roll.ms"},
    {"unclean.leader.election.enable", "unclean.leader.election.enable"},
};

size_t weir_config_broker_synonyms(struct weir_slice broker_key,
                                   struct weir_config_synonym_key out[WEIR_CONFIG_SYNONYM_KEYS_MAX])
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(families); i++) {
        size_t count = 0;
        size_t first = WEIR_CONFIG_SYNONYM_KEYS_MAX;
        for (size_t j = 0; j < WEIR_CONFIG_SYNONYM_KEYS_MAX && families[i][j].name != NULL; j++) {
            if (weir_slice_is(broker_key, families[i][j].name))
                first = j;
            if (first < WEIR_CONFIG_SYNONYM_KEYS_MAX)
                out[count++] = families[i][j];
        }
        if (count > 0)
            return count;
    }
    const struct weir_config_def *def = weir_config_def_find(WEIR_CONFIG_BROKER, broker_key);
    if (def == NULL)
        return 0;
    out[0] = (struct weir_config_synonym_key){.name = def->name, .unit = 1};
    return 1;
}

size_t weir_config_topic_synonyms(struct weir_slice topic_key,
                                  struct weir_config_synonym_key out[WEIR_CONFIG_SYNONYM_KEYS_MAX])
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(topic_synonyms); i++) {
        if (weir_slice_is(topic_key, topic_synonyms[i].topic_key))
            return weir_config_broker_synonyms(weir_slice_str(topic_synonyms[i].broker_key), out);
    }
    return 0;
}
