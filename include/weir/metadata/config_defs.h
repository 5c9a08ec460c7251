/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Every configuration key of Apache Kafka 4.3.0 for topics, brokers, groups and client metrics:
 * type, default, what values are allowed, whether it may change at run time.  The tables are
 * constant data made from src/metadata/config_defs.def.  Pure functions; any thread.
 */

#include "weir/base/arena.h"
#include "weir/base/buf.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"

#include <stdint.h>

enum weir_config_scope {
    WEIR_CONFIG_TOPIC,
    WEIR_CONFIG_BROKER,
    WEIR_CONFIG_GROUP,
    WEIR_CONFIG_CLIENT_METRICS,
    WEIR_CONFIG_SCOPE_COUNT
};

/* The numbers DescribeConfigs puts on the wire. */
enum weir_config_type {
    WEIR_CONFIG_TYPE_UNKNOWN = 0,
    WEIR_CONFIG_TYPE_BOOLEAN = 1,
    WEIR_CONFIG_TYPE_STRING = 2,
    WEIR_CONFIG_TYPE_INT = 3,
    WEIR_CONFIG_TYPE_SHORT = 4,
    WEIR_CONFIG_TYPE_LONG = 5,
    WEIR_CONFIG_TYPE_DOUBLE = 6,
    WEIR_CONFIG_TYPE_LIST = 7,
    WEIR_CONFIG_TYPE_CLASS = 8,
    WEIR_CONFIG_TYPE_PASSWORD = 9
};

enum weir_config_dynamic {
    WEIR_CONFIG_READ_ONLY,   /* server.properties only */
    WEIR_CONFIG_PER_BROKER,  /* dynamic, for one broker at a time or for all where Kafka allows */
    WEIR_CONFIG_CLUSTER_WIDE /* dynamic, for one broker or as the default of all */
};

struct weir_config_def {
    const char *name;
    enum weir_config_type type;
    const char *default_text; /* as DescribeConfigs prints it; NULL: the default is null, or there
                                 is none */
    bool is_required;         /* no default: server.properties must give it */
    bool is_sensitive;        /* never printed or described */
    enum weir_config_dynamic dynamic;
    const char
        *valid; /* the rule, in Kafka's notation, "" for none; checked by weir_config_validate */
    const char *documentation; /* NULL: none */
};

/* NULL when there is no such key in the scope.  Only Kafka's own keys; "weir." keys are the
 * broker's. */
const struct weir_config_def *weir_config_def_find(enum weir_config_scope scope,
                                                   struct weir_slice name);
/* Limits of replication that exist as dynamic broker configs only, and are in no list of a broker's
 * keys; NULL when the name is none of them. */
const struct weir_config_def *weir_config_rate_def_find(struct weir_slice name);
/* In name order. */
size_t weir_config_def_count(enum weir_config_scope scope);
const struct weir_config_def *weir_config_def_at(enum weir_config_scope scope, size_t index);

/* Whether value (null: the key is unset) is of the type and allowed; if not INVALID_CONFIG with
 * Kafka's own words in detail: "Invalid value x for configuration y: Not a number of type LONG". */
WEIR_MUST_CHECK enum weir_status weir_config_validate(const struct weir_config_def *def,
                                                      struct weir_slice value,
                                                      struct weir_detail *detail);

/* The value as Kafka prints it after parsing: trimmed, lists without blanks, booleans in small
 * letters.  From the arena or the input itself; the input unchanged when it does not parse. */
struct weir_slice weir_config_canonical(const struct weir_config_def *def, struct weir_slice value,
                                        struct weir_arena *arena);

/* Parsers without a definition; false when the text is not one.  Blanks at both ends are ignored,
 * as Kafka does. */
bool weir_config_parse_bool(struct weir_slice text, bool *out);
bool weir_config_parse_i64(struct weir_slice text, int64_t *out);
bool weir_config_parse_f64(struct weir_slice text, double *out);
/* Takes the next element off a comma-separated list (trimmed); false when nothing is left.  An
 * empty text is an empty list; nothing behind a last comma is no element. */
bool weir_config_list_next(struct weir_slice *rest, struct weir_slice *out);

/* Broker keys that mean the same as a topic key, the most specific first, each with its unit in
 * milliseconds where the broker key counts minutes or hours: retention.ms -> log.retention.ms (1),
 * log.retention.minutes (60000), log.retention.hours (3600000).  The count is 0 for a key without
 * one. */
struct weir_config_synonym_key {
    const char *name;
    int64_t unit;
};
#define WEIR_CONFIG_SYNONYM_KEYS_MAX 3
size_t weir_config_topic_synonyms(struct weir_slice topic_key,
                                  struct weir_config_synonym_key out[WEIR_CONFIG_SYNONYM_KEYS_MAX]);
/* The same among broker keys: log.retention.ms -> log.retention.minutes, log.retention.hours; the
 * key itself comes first.  Always at least 1. */
size_t
weir_config_broker_synonyms(struct weir_slice broker_key,
                            struct weir_config_synonym_key out[WEIR_CONFIG_SYNONYM_KEYS_MAX]);
