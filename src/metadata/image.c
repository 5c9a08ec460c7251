/* SPDX-License-Identifier: Apache-2.0 */

/* Looking into an image. */

#include "image_int.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"

bool weir_i32_list_contains(struct weir_i32_list list, int32_t value)
{
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i] == value)
            return true;
    }
    return false;
}

struct weir_image *weir_image_new_empty(void)
{
    struct weir_image *image = weir_calloc(1, sizeof(*image));
    if (image == NULL)
        return NULL;
    image->refs = 1;
    image->last_offset = -1;
    image->last_epoch = -1;
    image->last_timestamp_ms = -1;
    struct weir_image_table **tables[] = {
        &image->topics,   &image->topics_by_id, &image->brokers, &image->controllers,
        &image->features, &image->configs,      &image->raws};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        *tables[i] = weir_image_table_new(0);
        if (*tables[i] == NULL) {
            weir_image_unref(image);
            return NULL;
        }
    }
    image->topics_by_id->is_index = true;
    return image;
}

const struct weir_image *weir_image_ref(const struct weir_image *image)
{
    struct weir_image *counted = (struct weir_image *)(uintptr_t)image;
    (void)__atomic_add_fetch(&counted->refs, 1, __ATOMIC_RELAXED);
    return image;
}

void weir_image_unref(const struct weir_image *image)
{
    struct weir_image *counted = (struct weir_image *)(uintptr_t)image;
    if (counted == NULL || __atomic_sub_fetch(&counted->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    weir_image_table_unref(counted->topics_by_id);
    weir_image_table_unref(counted->topics);
    weir_image_table_unref(counted->brokers);
    weir_image_table_unref(counted->controllers);
    weir_image_table_unref(counted->features);
    weir_image_table_unref(counted->configs);
    weir_image_table_unref(counted->raws);
    weir_free(counted);
}

int64_t weir_image_last_offset(const struct weir_image *image)
{
    return image->last_offset;
}

int32_t weir_image_last_epoch(const struct weir_image *image)
{
    return image->last_epoch;
}

int64_t weir_image_feature_epoch(const struct weir_image *image)
{
    return image->last_offset;
}

const struct weir_image_topic *weir_image_topic(const struct weir_image *image,
                                                struct weir_slice name)
{
    return (const struct weir_image_topic *)weir_image_table_find(image->topics, name,
                                                                  weir_image_node_key);
}

const struct weir_image_topic *weir_image_topic_by_id(const struct weir_image *image,
                                                      struct weir_uuid id)
{
    return (const struct weir_image_topic *)weir_image_table_find(
        image->topics_by_id, weir_slice_of(id.bytes, sizeof(id.bytes)), weir_image_topic_id_key);
}

const struct weir_image_partition *weir_image_partition(const struct weir_image *image,
                                                        struct weir_slice topic, int32_t partition)
{
    const struct weir_image_topic *found = weir_image_topic(image, topic);
    if (found == NULL || partition < 0 || partition >= found->partition_count)
        return NULL;
    return found->partitions[partition];
}

size_t weir_image_topic_count(const struct weir_image *image)
{
    return image->topics->count;
}

const struct weir_image_topic *weir_image_topic_at(const struct weir_image *image, size_t index)
{
    WEIR_ASSERT(index < image->topics->count);
    return (const struct weir_image_topic *)image->topics->items[index];
}

size_t weir_image_topic_lower_bound(const struct weir_image *image, struct weir_slice name)
{
    return weir_image_table_lower_bound(image->topics, name, weir_image_node_key);
}

int64_t weir_image_partition_count(const struct weir_image *image)
{
    return image->topics->weight;
}

const struct weir_image_broker *weir_image_broker(const struct weir_image *image, int32_t id)
{
    uint8_t key[WEIR_IMAGE_ID_KEY_BYTES];
    weir_image_id_key(id, key);
    return (const struct weir_image_broker *)weir_image_table_find(
        image->brokers, weir_slice_of(key, sizeof(key)), weir_image_node_key);
}

size_t weir_image_broker_count(const struct weir_image *image)
{
    return image->brokers->count;
}

const struct weir_image_broker *weir_image_broker_at(const struct weir_image *image, size_t index)
{
    WEIR_ASSERT(index < image->brokers->count);
    return (const struct weir_image_broker *)image->brokers->items[index];
}

size_t weir_image_controller_count(const struct weir_image *image)
{
    return image->controllers->count;
}

const struct weir_image_controller *weir_image_controller_at(const struct weir_image *image,
                                                             size_t index)
{
    WEIR_ASSERT(index < image->controllers->count);
    return (const struct weir_image_controller *)image->controllers->items[index];
}

int16_t weir_image_feature_level(const struct weir_image *image, const char *name)
{
    const struct weir_image_feature *feature =
        (const struct weir_image_feature *)weir_image_table_find(
            image->features, weir_slice_str(name), weir_image_node_key);
    return feature == NULL ? 0 : feature->level;
}

size_t weir_image_feature_count(const struct weir_image *image)
{
    return image->features->count;
}

const struct weir_image_feature *weir_image_feature_at(const struct weir_image *image, size_t index)
{
    WEIR_ASSERT(index < image->features->count);
    return (const struct weir_image_feature *)image->features->items[index];
}

const struct weir_image_config *weir_image_config(const struct weir_image *image,
                                                  enum weir_resource_type type,
                                                  struct weir_slice name)
{
    /* Resource names may be long (a group id has up to 32 KiB), so the key is compared in its two
     * parts. */
    const struct weir_image_table *table = image->configs;
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct weir_image_config *config =
            (const struct weir_image_config *)table->items[middle];
        int order = (int)config->type - (int)type;
        if (order == 0)
            order = weir_slice_compare(config->name, name);
        if (order == 0)
            return config;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

size_t weir_image_config_count(const struct weir_image *image)
{
    return image->configs->count;
}

const struct weir_image_config *weir_image_config_at(const struct weir_image *image, size_t index)
{
    WEIR_ASSERT(index < image->configs->count);
    return (const struct weir_image_config *)image->configs->items[index];
}

struct weir_slice weir_image_config_get(const struct weir_image_config *config,
                                        struct weir_slice key)
{
    size_t low = 0;
    size_t high = config == NULL ? 0 : config->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = weir_slice_compare(config->entries[middle].name, key);
        if (order == 0)
            return config->entries[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return WEIR_NULL_SLICE;
}

size_t weir_image_raw_range(const struct weir_image *image, int16_t kind, size_t *out_first)
{
    uint8_t key[2];
    weir_put_u16(key, (uint16_t)kind);
    *out_first = weir_image_table_lower_bound(image->raws, weir_slice_of(key, sizeof(key)),
                                              weir_image_node_key);
    size_t end = *out_first;
    while (end < image->raws->count &&
           ((const struct weir_image_raw *)image->raws->items[end])->kind == kind)
        end++;
    return end;
}

const struct weir_image_raw *weir_image_raw_at(const struct weir_image *image, size_t index)
{
    WEIR_ASSERT(index < image->raws->count);
    return (const struct weir_image_raw *)image->raws->items[index];
}

int64_t weir_image_next_producer_id(const struct weir_image *image)
{
    return image->next_producer_id;
}
