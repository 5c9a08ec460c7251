/* SPDX-License-Identifier: Apache-2.0 */

/*
 * B1  A draft table is its base plus entries; an entry hides the node of the same key in the base.
 * B2  A draft topic holds a reference to each of its partitions, old or new.
 * B3  The base image is never written to.
 */

#include "image_builder_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

/* A larger number can only be damage: it would need more memory than the record that says it. */
#define PARTITIONS_OF_TOPIC_MAX 1000000

/* ---- Draft tables ---- */

static void draft_done(struct weir_draft *draft)
{
    for (size_t i = 0; i < draft->count; i++) {
        weir_image_node_unref(draft->entries[i]->node);
        weir_free(draft->entries[i]);
    }
    weir_free(draft->entries);
    weir_map_done(&draft->by_key);
}

struct weir_image_node *weir_draft_get(const struct weir_draft *draft, struct weir_slice key)
{
    const struct weir_draft_entry *entry = weir_map_get(&draft->by_key, key);
    return entry != NULL ? entry->node
                         : weir_image_table_find(draft->base, key, weir_image_node_key);
}

static enum weir_status draft_add(struct weir_draft *draft, struct weir_slice key,
                                  struct weir_draft_entry **out)
{
    struct weir_draft_entry **grown =
        weir_grow(draft->entries, &draft->capacity, draft->count + 1, sizeof(draft->entries[0]));
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    draft->entries = grown;
    struct weir_draft_entry *entry = weir_malloc(sizeof(*entry) + key.size);
    if (entry == NULL)
        return WEIR_NO_MEMORY;
    memcpy(entry + 1, key.data, key.size);
    *entry = (struct weir_draft_entry){.key = weir_slice_of(entry + 1, key.size)};
    enum weir_status status = weir_map_put(&draft->by_key, entry->key, entry, NULL);
    if (status != WEIR_OK) {
        weir_free(entry);
        return status;
    }
    draft->entries[draft->count++] = entry;
    *out = entry;
    return WEIR_OK;
}

enum weir_status weir_draft_set(struct weir_draft *draft, struct weir_slice key,
                                struct weir_image_node *node)
{
    struct weir_draft_entry *entry = weir_map_get(&draft->by_key, key);
    if (entry == NULL) {
        enum weir_status status = draft_add(draft, key, &entry);
        if (status != WEIR_OK) {
            weir_image_node_unref(node);
            return status;
        }
    }
    weir_image_node_unref(entry->node);
    entry->node = node;
    return WEIR_OK;
}

static int compare_changes(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_image_table_change *)a)->key,
                              ((const struct weir_image_table_change *)b)->key);
}

static bool is_empty_config(const struct weir_draft *draft, const struct weir_draft *configs,
                            const struct weir_image_node *node)
{
    return draft == configs && node != NULL &&
           ((const struct weir_image_config *)node)->entry_count == 0;
}

static enum weir_status draft_finish(const struct weir_draft *draft,
                                     const struct weir_draft *configs,
                                     struct weir_image_table *base, struct weir_image_table **out)
{
    if (draft->count == 0) {
        *out = weir_image_table_ref(base);
        return WEIR_OK;
    }
    struct weir_image_table_change *changes = weir_calloc(draft->count, sizeof(*changes));
    if (changes == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < draft->count; i++) {
        const struct weir_draft_entry *entry = draft->entries[i];
        changes[i].key = entry->key;
        changes[i].node = is_empty_config(draft, configs, entry->node) ? NULL : entry->node;
    }
    qsort(changes, draft->count, sizeof(*changes), compare_changes);
    *out = weir_image_table_apply(base, changes, draft->count, weir_image_node_key);
    weir_free(changes);
    return *out == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

/* ---- Draft topics ---- */

static void draft_topic_free(struct weir_draft_topic *topic)
{
    if (topic->made != NULL) {
        weir_image_node_unref(&topic->made->node); /* which holds the partitions now */
    } else {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (topic->partitions[i] != NULL)
                weir_image_node_unref(
                    (struct weir_image_node *)(uintptr_t)&topic->partitions[i]->node);
        }
    }
    weir_free(topic->partitions);
    weir_free(topic);
}

static enum weir_status draft_topic_reserve(struct weir_draft_topic *topic, int32_t partition_count)
{
    WEIR_ASSERT(partition_count >= topic->partition_count);
    const struct weir_image_partition **grown =
        weir_grow(topic->partitions, &topic->partition_capacity, (size_t)partition_count,
                  sizeof(topic->partitions[0]));
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    topic->partitions = grown;
    for (int32_t i = topic->partition_count; i < partition_count; i++)
        topic->partitions[i] = NULL;
    return WEIR_OK;
}

static enum weir_status builder_adopt(struct weir_image_builder *builder,
                                      struct weir_draft_topic *topic)
{
    struct weir_draft_topic **grown =
        weir_grow(builder->topics, &builder->topic_capacity, builder->topic_count + 1,
                  sizeof(builder->topics[0]));
    if (grown == NULL)
        return WEIR_NO_MEMORY;
    builder->topics = grown;
    enum weir_status status =
        weir_map_put(&builder->topics_by_id,
                     weir_slice_of(topic->id.bytes, sizeof(topic->id.bytes)), topic, NULL);
    if (status != WEIR_OK)
        return status;
    status = weir_map_put(&builder->topics_by_name, topic->name, topic, NULL);
    if (status != WEIR_OK) {
        (void)weir_map_remove(&builder->topics_by_id,
                              weir_slice_of(topic->id.bytes, sizeof(topic->id.bytes)));
        return status;
    }
    builder->topics[builder->topic_count++] = topic;
    return WEIR_OK;
}

static struct weir_draft_topic *draft_from_base(struct weir_image_builder *builder,
                                                const struct weir_image_topic *base,
                                                enum weir_status *out_status)
{
    struct weir_draft_topic *topic = weir_calloc(1, sizeof(*topic));
    *out_status = WEIR_NO_MEMORY;
    if (topic == NULL)
        return NULL;
    topic->base = base;
    topic->name = base->name;
    topic->id = base->id;
    *out_status = draft_topic_reserve(topic, base->partition_count);
    if (*out_status == WEIR_OK) {
        for (int32_t i = 0; i < base->partition_count; i++) {
            struct weir_image_node *node =
                (struct weir_image_node *)(uintptr_t)&base->partitions[i]->node;
            (void)weir_image_node_ref(node);
            topic->partitions[i] = base->partitions[i];
        }
        topic->partition_count = base->partition_count;
        *out_status = builder_adopt(builder, topic);
    }
    if (*out_status != WEIR_OK) {
        draft_topic_free(topic);
        return NULL;
    }
    return topic;
}

struct weir_draft_topic *weir_builder_topic(struct weir_image_builder *builder, struct weir_uuid id,
                                            enum weir_status *out_status)
{
    struct weir_draft_topic *topic =
        weir_map_get(&builder->topics_by_id, weir_slice_of(id.bytes, sizeof(id.bytes)));
    *out_status = WEIR_NOT_FOUND;
    if (topic != NULL) {
        if (topic->is_removed)
            return NULL;
        *out_status = WEIR_OK;
        return topic;
    }
    const struct weir_image_topic *base = weir_image_topic_by_id(builder->base, id);
    return base == NULL ? NULL : draft_from_base(builder, base, out_status);
}

struct weir_draft_topic *weir_builder_topic_by_name(struct weir_image_builder *builder,
                                                    struct weir_slice name,
                                                    enum weir_status *out_status)
{
    struct weir_draft_topic *topic = weir_map_get(&builder->topics_by_name, name);
    *out_status = WEIR_OK;
    if (topic != NULL)
        return topic;
    const struct weir_image_topic *base = weir_image_topic(builder->base, name);
    *out_status = WEIR_NOT_FOUND;
    return base == NULL ? NULL : weir_builder_topic(builder, base->id, out_status);
}

enum weir_status weir_builder_add_topic(struct weir_image_builder *builder, struct weir_slice name,
                                        struct weir_uuid id)
{
    enum weir_status status;
    if (weir_builder_topic(builder, id, &status) != NULL || status == WEIR_NO_MEMORY)
        return status == WEIR_OK ? WEIR_EXISTS : status;
    if (weir_builder_topic_by_name(builder, name, &status) != NULL || status == WEIR_NO_MEMORY)
        return status == WEIR_OK ? WEIR_EXISTS : status;
    struct weir_draft_topic *topic = weir_malloc(sizeof(*topic) + name.size);
    if (topic == NULL)
        return WEIR_NO_MEMORY;
    memcpy(topic + 1, name.data, name.size);
    *topic = (struct weir_draft_topic){.name = weir_slice_of(topic + 1, name.size), .id = id};
    status = builder_adopt(builder, topic);
    if (status != WEIR_OK)
        draft_topic_free(topic);
    return status;
}

enum weir_status weir_draft_topic_put(struct weir_draft_topic *topic,
                                      struct weir_image_partition *partition)
{
    int32_t id = partition->id;
    if (id < 0 || id >= PARTITIONS_OF_TOPIC_MAX) {
        weir_image_node_unref(&partition->node);
        return WEIR_CORRUPT;
    }
    if (id >= topic->partition_count) {
        enum weir_status status = draft_topic_reserve(topic, id + 1);
        if (status != WEIR_OK) {
            weir_image_node_unref(&partition->node);
            return status;
        }
        topic->partition_count = id + 1;
    }
    if (topic->partitions[id] != NULL)
        weir_image_node_unref((struct weir_image_node *)(uintptr_t)&topic->partitions[id]->node);
    topic->partitions[id] = partition;
    return WEIR_OK;
}

/* ---- The builder ---- */

struct weir_image_builder *weir_image_builder_new(const struct weir_image *base)
{
    struct weir_image_builder *builder = weir_calloc(1, sizeof(*builder));
    if (builder == NULL)
        return NULL;
    builder->base = weir_image_ref(base);
    builder->brokers.base = base->brokers;
    builder->controllers.base = base->controllers;
    builder->features.base = base->features;
    builder->configs.base = base->configs;
    builder->raws.base = base->raws;
    builder->next_producer_id = base->next_producer_id;
    return builder;
}

void weir_image_builder_free(struct weir_image_builder *builder)
{
    if (builder == NULL)
        return;
    for (size_t i = 0; i < builder->topic_count; i++)
        draft_topic_free(builder->topics[i]);
    weir_free(builder->topics);
    weir_map_done(&builder->topics_by_id);
    weir_map_done(&builder->topics_by_name);
    draft_done(&builder->brokers);
    draft_done(&builder->controllers);
    draft_done(&builder->features);
    draft_done(&builder->configs);
    draft_done(&builder->raws);
    weir_free(builder->delta_topics);
    weir_free(builder->delta_changes);
    weir_free(builder->delta_configs);
    weir_image_unref(builder->image);
    weir_image_unref(builder->base);
    weir_free(builder);
}

static enum weir_status make_topic(struct weir_draft_topic *topic, struct weir_detail *detail)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i] == NULL) {
            weir_detail_set(detail, "topic %.*s has no partition %d but a higher one",
                            WEIR_SLICE_ARGS(topic->name), i);
            return WEIR_CORRUPT;
        }
    }
    topic->made =
        weir_image_topic_new(topic->name, topic->id, topic->partitions, topic->partition_count);
    return topic->made == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

/* Sorted, and of two changes with one key (a topic deleted and created again) only the one that
 * gives a node. */
static size_t sort_changes(struct weir_image_table_change *changes, size_t count)
{
    qsort(changes, count, sizeof(*changes), compare_changes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && weir_slice_equal(changes[kept - 1].key, changes[i].key)) {
            if (changes[i].node != NULL)
                changes[kept - 1].node = changes[i].node;
        } else {
            changes[kept++] = changes[i];
        }
    }
    return kept;
}

static int64_t changed_weight(const struct weir_image_builder *builder)
{
    int64_t weight = builder->base->topics->weight;
    for (size_t i = 0; i < builder->topic_count; i++) {
        const struct weir_draft_topic *topic = builder->topics[i];
        if (topic->base != NULL)
            weight -= topic->base->partition_count;
        if (topic->made != NULL)
            weight += topic->made->partition_count;
    }
    return weight;
}

static enum weir_status finish_topics(struct weir_image_builder *builder, struct weir_image *image,
                                      struct weir_detail *detail)
{
    const struct weir_image *base = builder->base;
    if (builder->topic_count == 0) {
        image->topics = weir_image_table_ref(base->topics);
        image->topics_by_id = weir_image_table_ref(base->topics_by_id);
        return WEIR_OK;
    }
    struct weir_image_table_change *changes = weir_calloc(builder->topic_count, sizeof(*changes));
    if (changes == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < builder->topic_count && status == WEIR_OK; i++) {
        struct weir_draft_topic *topic = builder->topics[i];
        if (!topic->is_removed)
            status = make_topic(topic, detail);
        changes[i].key = topic->name;
        changes[i].node = topic->made == NULL ? NULL : &topic->made->node;
    }
    if (status != WEIR_OK)
        goto out;
    size_t count = sort_changes(changes, builder->topic_count);
    image->topics = weir_image_table_apply(base->topics, changes, count, weir_image_node_key);
    for (size_t i = 0; i < builder->topic_count; i++) {
        struct weir_draft_topic *topic = builder->topics[i];
        changes[i].key = weir_slice_of(topic->id.bytes, sizeof(topic->id.bytes));
        changes[i].node = topic->made == NULL ? NULL : &topic->made->node;
    }
    count = sort_changes(changes, builder->topic_count);
    image->topics_by_id =
        weir_image_table_apply(base->topics_by_id, changes, count, weir_image_topic_id_key);
    if (image->topics == NULL || image->topics_by_id == NULL)
        status = WEIR_NO_MEMORY;
    else
        image->topics->weight = changed_weight(builder);
out:
    weir_free(changes);
    return status;
}

static enum weir_status make_topic_delta(struct weir_image_builder *builder)
{
    size_t count = builder->topic_count;
    if (count == 0)
        return WEIR_OK;
    /* Created ones from the front, deleted ones from the back: a topic is never both (its id
     * differs). */
    builder->delta_topics = weir_calloc(count, sizeof(builder->delta_topics[0]));
    builder->delta_changes = weir_calloc(count, sizeof(builder->delta_changes[0]));
    if (builder->delta_topics == NULL || builder->delta_changes == NULL)
        return WEIR_NO_MEMORY;
    struct weir_image_delta *delta = &builder->delta;
    for (size_t i = 0; i < count; i++) {
        const struct weir_draft_topic *topic = builder->topics[i];
        if (topic->base == NULL && topic->made != NULL)
            builder->delta_topics[delta->created_topic_count++] = topic->made;
        else if (topic->base != NULL && topic->made == NULL)
            builder->delta_topics[count - ++delta->deleted_topic_count] = topic->base;
        else if (topic->made != NULL)
            builder->delta_changes[delta->changed_topic_count++] =
                (struct weir_image_topic_change){.before = topic->base, .after = topic->made};
    }
    delta->created_topics = builder->delta_topics;
    delta->deleted_topics = builder->delta_topics + (count - delta->deleted_topic_count);
    delta->changed_topics = builder->delta_changes;
    return WEIR_OK;
}

static enum weir_status make_delta(struct weir_image_builder *builder)
{
    enum weir_status status = make_topic_delta(builder);
    if (status != WEIR_OK)
        return status;
    struct weir_image_delta *delta = &builder->delta;
    if (builder->configs.count > 0) {
        builder->delta_configs =
            weir_calloc(builder->configs.count, sizeof(builder->delta_configs[0]));
        if (builder->delta_configs == NULL)
            return WEIR_NO_MEMORY;
        for (size_t i = 0; i < builder->configs.count; i++)
            builder->delta_configs[i] =
                (const struct weir_image_config *)builder->configs.entries[i]->node;
        delta->changed_configs = builder->delta_configs;
        delta->changed_config_count = builder->configs.count;
    }
    delta->brokers_changed = builder->brokers.count > 0;
    delta->features_changed = builder->features.count > 0;
    delta->raw_changed = builder->raws.count > 0;
    return WEIR_OK;
}

enum weir_status weir_image_builder_finish(struct weir_image_builder *builder, int64_t last_offset,
                                           int32_t last_epoch, int64_t last_timestamp_ms,
                                           struct weir_detail *detail)
{
    WEIR_ASSERT(builder->image == NULL);
    const struct weir_image *base = builder->base;
    struct weir_image *image = weir_calloc(1, sizeof(*image));
    if (image == NULL)
        return WEIR_NO_MEMORY;
    builder->image = image; /* the builder frees it, whole or half */
    image->refs = 1;
    image->last_offset = last_offset;
    image->last_epoch = last_epoch;
    image->last_timestamp_ms = last_timestamp_ms;
    image->next_producer_id = builder->next_producer_id;
    const struct weir_draft *configs = &builder->configs;
    enum weir_status status = finish_topics(builder, image, detail);
    if (status == WEIR_OK)
        status = draft_finish(&builder->brokers, configs, base->brokers, &image->brokers);
    if (status == WEIR_OK)
        status =
            draft_finish(&builder->controllers, configs, base->controllers, &image->controllers);
    if (status == WEIR_OK)
        status = draft_finish(&builder->features, configs, base->features, &image->features);
    if (status == WEIR_OK)
        status = draft_finish(&builder->configs, configs, base->configs, &image->configs);
    if (status == WEIR_OK)
        status = draft_finish(&builder->raws, configs, base->raws, &image->raws);
    return status == WEIR_OK ? make_delta(builder) : status;
}
