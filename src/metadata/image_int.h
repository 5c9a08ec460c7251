/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How an image is made.
 *
 * I1  Nodes and tables are immutable once they are in a published image.
 *
 * I2  A table is an array of nodes sorted by key, bytewise.  Tables and nodes are
 * reference-counted, so an image that changes one topic shares all other topics, and all other
 * tables, with the one before.
 *
 * I3  A node is one block of memory: its lists and strings lie behind it (topics excepted, which
 * share partitions).
 */

#include "weir/metadata/image.h"

struct weir_image_node_ops {
    void (*free)(struct weir_image_node *node);
};

struct weir_image_table {
    uint32_t refs;  /* atomic */
    bool is_index;  /* holds no references: its items belong to another table of the same image */
    int64_t weight; /* topics: number of partitions */
    size_t count;
    struct weir_image_node *items[];
};

struct weir_image {
    uint32_t refs; /* atomic */
    int64_t last_offset;
    int32_t last_epoch;
    int64_t last_timestamp_ms;
    struct weir_image_table *topics;
    struct weir_image_table *topics_by_id;
    struct weir_image_table *brokers;
    struct weir_image_table *controllers;
    struct weir_image_table *features;
    struct weir_image_table *configs;
    struct weir_image_table *raws;
    int64_t next_producer_id;
};

/* ---- Nodes ---- */

struct weir_image_node *weir_image_node_ref(struct weir_image_node *node);
/* NULL is allowed. */
void weir_image_node_unref(struct weir_image_node *node);

/* Each makes a deep copy of the value in its argument, whose node member is not looked at; NULL
 * when memory is out. */
struct weir_image_partition *weir_image_partition_new(const struct weir_image_partition *spec);
struct weir_image_broker *weir_image_broker_new(const struct weir_image_broker *spec);
struct weir_image_controller *weir_image_controller_new(const struct weir_image_controller *spec);
struct weir_image_feature *weir_image_feature_new(struct weir_slice name, int16_t level);
/* Entries are sorted by name. */
struct weir_image_config *weir_image_config_new(const struct weir_image_config *spec);
/* identity tells records of one kind apart. */
struct weir_image_raw *weir_image_raw_new(const struct weir_image_raw *spec,
                                          struct weir_slice identity);
/* Takes over one reference to each partition when it succeeds. */
struct weir_image_topic *weir_image_topic_new(struct weir_slice name, struct weir_uuid id,
                                              const struct weir_image_partition *const *partitions,
                                              int32_t partition_count);

/* Keys of nodes, written to out. */
#define WEIR_IMAGE_ID_KEY_BYTES 4
void weir_image_id_key(int32_t id, uint8_t out[WEIR_IMAGE_ID_KEY_BYTES]);

bool weir_topic_is_internal(struct weir_slice name);

/* ---- Tables ---- */

struct weir_image_table *weir_image_table_ref(struct weir_image_table *table);
void weir_image_table_unref(struct weir_image_table *table);
struct weir_image_table *weir_image_table_new(size_t capacity);

typedef struct weir_slice weir_image_key_of(const struct weir_image_node *node);
struct weir_slice weir_image_node_key(const struct weir_image_node *node);
struct weir_slice weir_image_topic_id_key(const struct weir_image_node *node);

/* Index of the first item with key >= key. */
size_t weir_image_table_lower_bound(const struct weir_image_table *table, struct weir_slice key,
                                    weir_image_key_of *key_of);
struct weir_image_node *weir_image_table_find(const struct weir_image_table *table,
                                              struct weir_slice key, weir_image_key_of *key_of);

/* A key and what is there now: a node, or NULL for "removed". */
struct weir_image_table_change {
    struct weir_slice key;
    struct weir_image_node *node;
};

/* A new table: base with the changes (sorted by key, each key once) applied.  Takes no references
 * from the changes, adds its own unless base is an index.  NULL when memory is out. */
struct weir_image_table *weir_image_table_apply(const struct weir_image_table *base,
                                                const struct weir_image_table_change *changes,
                                                size_t change_count, weir_image_key_of *key_of);

/* ---- Images ---- */

/* The empty image with one reference, or NULL. */
struct weir_image *weir_image_new_empty(void);

/* ---- Publisher ---- */

struct weir_image_publisher;
/* Takes the reference.  Listeners run before this returns. */
void weir_image_publish(struct weir_image_publisher *publisher, const struct weir_image *image,
                        const struct weir_image_delta *delta);
