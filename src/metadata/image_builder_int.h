/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From one image to the next: records are applied to a builder, which holds only what differs from
 * its base; finish() makes the new image and the delta between the two.  Belongs to one thread. The
 * base is kept by a reference.
 */

#include "image_int.h"

#include "weir/base/map.h"

struct weir_draft_entry {
    struct weir_image_node *node; /* one reference; NULL: removed */
    struct weir_slice key;        /* the bytes lie behind the struct */
};

/* What changed in one table. */
struct weir_draft {
    const struct weir_image_table *base;
    struct weir_map by_key;
    struct weir_draft_entry **entries;
    size_t count;
    size_t capacity;
};

struct weir_draft_topic {
    const struct weir_image_topic *base; /* NULL: created here */
    struct weir_slice name;              /* in base, or behind this struct */
    struct weir_uuid id;
    bool is_removed;
    const struct weir_image_partition **partitions; /* one reference each; NULL: a hole so far */
    int32_t partition_count;
    size_t partition_capacity;
    struct weir_image_topic *made; /* by finish; one reference */
};

struct weir_image_builder {
    const struct weir_image *base;
    struct weir_map topics_by_id;
    struct weir_map topics_by_name; /* the living ones */
    struct weir_draft_topic **topics;
    size_t topic_count;
    size_t topic_capacity;
    struct weir_draft brokers;
    struct weir_draft controllers;
    struct weir_draft features;
    struct weir_draft configs; /* a config without entries counts as removed */
    struct weir_draft raws;
    int64_t next_producer_id;
    bool in_transaction;
    size_t record_count;
    /* by finish */
    struct weir_image *image;
    struct weir_image_delta delta;
    const struct weir_image_topic **delta_topics;
    struct weir_image_topic_change *delta_changes;
    const struct weir_image_config **delta_configs;
};

struct weir_image_builder *weir_image_builder_new(const struct weir_image *base);
/* NULL is allowed. */
void weir_image_builder_free(struct weir_image_builder *builder);

/* One record of the metadata log.  UNSUPPORTED for a kind or version that is not known, CORRUPT for
 * one that contradicts the state; after a failure the builder is fit for nothing but free.
 * Transaction markers are the caller's business (weir_loader). */
WEIR_MUST_CHECK enum weir_status weir_image_builder_apply(struct weir_image_builder *builder,
                                                          int16_t kind, int16_t version,
                                                          struct weir_slice body,
                                                          struct weir_detail *detail);

/* builder->image (the caller takes references) and builder->delta, which lives as long as the
 * builder. */
WEIR_MUST_CHECK enum weir_status weir_image_builder_finish(struct weir_image_builder *builder,
                                                           int64_t last_offset, int32_t last_epoch,
                                                           int64_t last_timestamp_ms,
                                                           struct weir_detail *detail);

/* ---- For applying records ---- */

/* The node as it is now, or NULL. */
struct weir_image_node *weir_draft_get(const struct weir_draft *draft, struct weir_slice key);
/* Takes the node (NULL: remove), also when it fails. */
WEIR_MUST_CHECK enum weir_status weir_draft_set(struct weir_draft *draft, struct weir_slice key,
                                                struct weir_image_node *node);

/* NULL with *out_status NOT_FOUND or NO_MEMORY. */
struct weir_draft_topic *weir_builder_topic(struct weir_image_builder *builder, struct weir_uuid id,
                                            enum weir_status *out_status);
struct weir_draft_topic *weir_builder_topic_by_name(struct weir_image_builder *builder,
                                                    struct weir_slice name,
                                                    enum weir_status *out_status);
WEIR_MUST_CHECK enum weir_status weir_builder_add_topic(struct weir_image_builder *builder,
                                                        struct weir_slice name,
                                                        struct weir_uuid id);
/* Takes the partition, also when it fails. */
WEIR_MUST_CHECK enum weir_status weir_draft_topic_put(struct weir_draft_topic *topic,
                                                      struct weir_image_partition *partition);
