/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The value a key has in the end, and where it came from: set for the topic, set at run time for
 * this broker, set at run time for all brokers, server.properties, default.  Reads an image and the
 * static configs, both borrowed; pure, any thread.
 */

#include "weir/metadata/config_defs.h"
#include "weir/metadata/image.h"

/* server.properties after parsing, by name, each key once; owned by the broker's config for the
 * life of the process. */
struct weir_static_config {
    const char *name;
    const char *value;
};
struct weir_static_configs {
    const struct weir_static_config *entries; /* sorted by name (strcmp) */
    size_t count;
};

/* The value, or the null slice when the file does not give it. */
struct weir_slice weir_static_config_get(const struct weir_static_configs *configs,
                                         struct weir_slice name);

struct weir_config_resolver {
    const struct weir_image *image;
    const struct weir_static_configs *statics;
    int32_t broker_id; /* this node */
};

/* The numbers DescribeConfigs puts on the wire. */
enum weir_config_source {
    WEIR_CONFIG_SOURCE_TOPIC = 1,
    WEIR_CONFIG_SOURCE_DYNAMIC_BROKER = 2,
    WEIR_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER = 3,
    WEIR_CONFIG_SOURCE_STATIC_BROKER = 4,
    WEIR_CONFIG_SOURCE_DEFAULT = 5,
    WEIR_CONFIG_SOURCE_BROKER_LOGGER = 6,
    WEIR_CONFIG_SOURCE_CLIENT_METRICS = 7,
    WEIR_CONFIG_SOURCE_GROUP = 8
};

struct weir_config_synonym {
    struct weir_slice name;
    struct weir_slice value; /* null when sensitive, or when it is null */
    enum weir_config_source source;
};

struct weir_config_view {
    struct weir_slice name;
    struct weir_slice value; /* null when sensitive, or when the value is null */
    enum weir_config_type type;
    enum weir_config_source source;
    bool is_read_only;
    bool is_sensitive;
    const char *documentation;                  /* NULL: none */
    const struct weir_config_synonym *synonyms; /* all that apply, the one in force first */
    size_t synonym_count;
};

struct weir_config_view_list {
    struct weir_config_view *items;
    size_t count;
};

/* All keys of a topic (in name order), or of group and client-metrics resources. The resource need
 * not exist in the configs; whether the topic exists is the caller's question.  NO_MEMORY is the
 * only failure. */
WEIR_MUST_CHECK enum weir_status weir_config_describe(const struct weir_config_resolver *resolver,
                                                      enum weir_resource_type type,
                                                      struct weir_slice resource,
                                                      struct weir_arena *arena,
                                                      struct weir_config_view_list *out);

/* The configs a topic with these settings would have (CreateTopics' answer); entries are sorted or
 * not. */
WEIR_MUST_CHECK enum weir_status
weir_config_describe_new_topic(const struct weir_config_resolver *resolver,
                               const struct weir_image_config_entry *entries, size_t entry_count,
                               struct weir_arena *arena, struct weir_config_view_list *out);

/* Effective values for code.  The key must be a constant from the table with that type (asserted);
 * values that were stored but do not parse fall back to the next source, so that a damaged config
 * never stops a broker. */
int64_t weir_config_topic_i64(const struct weir_config_resolver *resolver, struct weir_slice topic,
                              const char *key);
double weir_config_topic_f64(const struct weir_config_resolver *resolver, struct weir_slice topic,
                             const char *key);
bool weir_config_topic_bool(const struct weir_config_resolver *resolver, struct weir_slice topic,
                            const char *key);
/* Strings and lists; borrowed from image, statics or the table. */
struct weir_slice weir_config_topic_str(const struct weir_config_resolver *resolver,
                                        struct weir_slice topic, const char *key);

/* For broker keys (with their dynamic values).  A null long (log.retention.ms unset) follows
 * Kafka's fall-backs to the minutes and hours keys, in milliseconds. */
int64_t weir_config_broker_i64(const struct weir_config_resolver *resolver, const char *key);
double weir_config_broker_f64(const struct weir_config_resolver *resolver, const char *key);
bool weir_config_broker_bool(const struct weir_config_resolver *resolver, const char *key);
struct weir_slice weir_config_broker_str(const struct weir_config_resolver *resolver,
                                         const char *key);

/* Group keys: set for the group, else the broker's group.* key, else the default. */
int64_t weir_config_group_i64(const struct weir_config_resolver *resolver, struct weir_slice group,
                              const char *key);
bool weir_config_group_bool(const struct weir_config_resolver *resolver, struct weir_slice group,
                            const char *key);
/* Strings; borrowed from image, statics or the table. */
struct weir_slice weir_config_group_str(const struct weir_config_resolver *resolver,
                                        struct weir_slice group, const char *key);
