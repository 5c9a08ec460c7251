/* SPDX-License-Identifier: Apache-2.0 */

/* Making the nodes of an image: each is one block, its strings and lists packed behind it (I3). */

#include "image_int.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <stdlib.h>

/* A block of memory that is handed out front to back, the widest alignment first. */
struct packer {
    uint8_t *at;
    uint8_t *end;
};

static void *pack(struct packer *packer, const void *from, size_t size)
{
    WEIR_ASSERT(size <= (size_t)(packer->end - packer->at));
    uint8_t *to = packer->at;
    if (size > 0)
        memcpy(to, from, size);
    packer->at += size;
    return to;
}

static struct weir_slice pack_slice(struct packer *packer, struct weir_slice slice)
{
    if (slice.data == NULL)
        return slice;
    return weir_slice_of(pack(packer, slice.data, slice.size), slice.size);
}

static struct weir_i32_list pack_list(struct packer *packer, struct weir_i32_list list)
{
    return (struct weir_i32_list){.items = pack(packer, list.items, list.count * sizeof(int32_t)),
                                  .count = list.count};
}

static void free_block(struct weir_image_node *node)
{
    weir_free(node);
}

static const struct weir_image_node_ops block_ops = {.free = free_block};

/* The struct with room for extra bytes behind it; *packer hands these out. */
static void *new_block(size_t struct_bytes, size_t extra_bytes, struct packer *packer)
{
    uint8_t *block = weir_malloc(struct_bytes + extra_bytes);
    if (block == NULL)
        return NULL;
    *packer =
        (struct packer){.at = block + struct_bytes, .end = block + struct_bytes + extra_bytes};
    return block;
}

static struct weir_image_node new_node(struct weir_slice key)
{
    return (struct weir_image_node){.ops = &block_ops, .key = key, .refs = 1};
}

void weir_image_id_key(int32_t id, uint8_t out[WEIR_IMAGE_ID_KEY_BYTES])
{
    /* The sign is turned over so that bytewise order is numeric order. */
    weir_put_u32(out, (uint32_t)id ^ 0x80000000U);
}

struct weir_image_partition *weir_image_partition_new(const struct weir_image_partition *spec)
{
    size_t ints = spec->replicas.count + spec->isr.count + spec->removing.count +
                  spec->adding.count + spec->elr.count + spec->last_known_elr.count;
    size_t extra = ints * sizeof(int32_t) + spec->replicas.count * sizeof(struct weir_uuid);
    struct packer packer;
    struct weir_image_partition *made = new_block(sizeof(*made), extra, &packer);
    if (made == NULL)
        return NULL;
    *made = *spec;
    made->node = new_node(WEIR_EMPTY_SLICE);
    made->replicas = pack_list(&packer, spec->replicas);
    made->isr = pack_list(&packer, spec->isr);
    made->removing = pack_list(&packer, spec->removing);
    made->adding = pack_list(&packer, spec->adding);
    made->elr = pack_list(&packer, spec->elr);
    made->last_known_elr = pack_list(&packer, spec->last_known_elr);
    made->directories =
        pack(&packer, spec->directories, spec->replicas.count * sizeof(struct weir_uuid));
    return made;
}

static size_t endpoints_bytes(const struct weir_image_endpoint *endpoints, size_t count)
{
    size_t bytes = count * sizeof(*endpoints);
    for (size_t i = 0; i < count; i++)
        bytes += endpoints[i].name.size + endpoints[i].host.size;
    return bytes;
}

static size_t features_bytes(const struct weir_image_feature_range *features, size_t count)
{
    size_t bytes = count * sizeof(*features);
    for (size_t i = 0; i < count; i++)
        bytes += features[i].name.size;
    return bytes;
}

/* Structs are packed before any text, which keeps them aligned. */
struct packed_tables {
    struct weir_image_endpoint *endpoints;
    struct weir_image_feature_range *features;
};

static int compare_features(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_image_feature_range *)a)->name,
                              ((const struct weir_image_feature_range *)b)->name);
}

/* Features are a set: sorted, so that equal states have equal images. */
static struct packed_tables pack_tables(struct packer *packer,
                                        const struct weir_image_endpoint *endpoints,
                                        size_t endpoint_count,
                                        const struct weir_image_feature_range *features,
                                        size_t feature_count)
{
    struct packed_tables packed;
    packed.endpoints = pack(packer, endpoints, endpoint_count * sizeof(*endpoints));
    packed.features = pack(packer, features, feature_count * sizeof(*features));
    if (feature_count > 1)
        qsort(packed.features, feature_count, sizeof(*features), compare_features);
    return packed;
}

static void pack_texts(struct packer *packer, const struct packed_tables *packed,
                       size_t endpoint_count, size_t feature_count)
{
    for (size_t i = 0; i < endpoint_count; i++) {
        packed->endpoints[i].name = pack_slice(packer, packed->endpoints[i].name);
        packed->endpoints[i].host = pack_slice(packer, packed->endpoints[i].host);
    }
    for (size_t i = 0; i < feature_count; i++)
        packed->features[i].name = pack_slice(packer, packed->features[i].name);
}

struct weir_image_broker *weir_image_broker_new(const struct weir_image_broker *spec)
{
    size_t uuids = spec->log_dir_count + spec->cordoned_log_dir_count;
    size_t extra = endpoints_bytes(spec->endpoints, spec->endpoint_count) +
                   features_bytes(spec->features, spec->feature_count) +
                   uuids * sizeof(struct weir_uuid) + spec->rack.size + WEIR_IMAGE_ID_KEY_BYTES;
    struct packer packer;
    struct weir_image_broker *made = new_block(sizeof(*made), extra, &packer);
    if (made == NULL)
        return NULL;
    *made = *spec;
    struct packed_tables packed = pack_tables(&packer, spec->endpoints, spec->endpoint_count,
                                              spec->features, spec->feature_count);
    made->endpoints = packed.endpoints;
    made->features = packed.features;
    made->log_dirs = pack(&packer, spec->log_dirs, spec->log_dir_count * sizeof(struct weir_uuid));
    made->cordoned_log_dirs = pack(&packer, spec->cordoned_log_dirs,
                                   spec->cordoned_log_dir_count * sizeof(struct weir_uuid));
    pack_texts(&packer, &packed, spec->endpoint_count, spec->feature_count);
    made->rack = pack_slice(&packer, spec->rack);
    uint8_t key[WEIR_IMAGE_ID_KEY_BYTES];
    weir_image_id_key(spec->id, key);
    made->node = new_node(pack_slice(&packer, weir_slice_of(key, sizeof(key))));
    return made;
}

struct weir_image_controller *weir_image_controller_new(const struct weir_image_controller *spec)
{
    size_t extra = endpoints_bytes(spec->endpoints, spec->endpoint_count) +
                   features_bytes(spec->features, spec->feature_count) + WEIR_IMAGE_ID_KEY_BYTES;
    struct packer packer;
    struct weir_image_controller *made = new_block(sizeof(*made), extra, &packer);
    if (made == NULL)
        return NULL;
    *made = *spec;
    struct packed_tables packed = pack_tables(&packer, spec->endpoints, spec->endpoint_count,
                                              spec->features, spec->feature_count);
    made->endpoints = packed.endpoints;
    made->features = packed.features;
    pack_texts(&packer, &packed, spec->endpoint_count, spec->feature_count);
    uint8_t key[WEIR_IMAGE_ID_KEY_BYTES];
    weir_image_id_key(spec->id, key);
    made->node = new_node(pack_slice(&packer, weir_slice_of(key, sizeof(key))));
    return made;
}

struct weir_image_feature *weir_image_feature_new(struct weir_slice name, int16_t level)
{
    struct packer packer;
    struct weir_image_feature *made = new_block(sizeof(*made), name.size, &packer);
    if (made == NULL)
        return NULL;
    made->name = pack_slice(&packer, name);
    made->level = level;
    made->node = new_node(made->name);
    return made;
}

static int compare_entries(const void *a, const void *b)
{
    return weir_slice_compare(((const struct weir_image_config_entry *)a)->name,
                              ((const struct weir_image_config_entry *)b)->name);
}

struct weir_image_config *weir_image_config_new(const struct weir_image_config *spec)
{
    /* The key is the type in one byte, then the name. */
    size_t extra = spec->entry_count * sizeof(*spec->entries) + 1 + spec->name.size;
    for (size_t i = 0; i < spec->entry_count; i++)
        extra += spec->entries[i].name.size + spec->entries[i].value.size;
    struct packer packer;
    struct weir_image_config *made = new_block(sizeof(*made), extra, &packer);
    if (made == NULL)
        return NULL;
    *made = *spec;
    struct weir_image_config_entry *entries =
        pack(&packer, spec->entries, spec->entry_count * sizeof(*spec->entries));
    for (size_t i = 0; i < spec->entry_count; i++) {
        entries[i].name = pack_slice(&packer, entries[i].name);
        entries[i].value = pack_slice(&packer, entries[i].value);
    }
    if (spec->entry_count > 1)
        qsort(entries, spec->entry_count, sizeof(*entries), compare_entries);
    made->entries = entries;
    uint8_t type = (uint8_t)spec->type;
    const uint8_t *key = pack(&packer, &type, 1);
    made->name = pack_slice(&packer, spec->name);
    made->node = new_node(weir_slice_of(key, 1 + spec->name.size));
    return made;
}

struct weir_image_raw *weir_image_raw_new(const struct weir_image_raw *spec,
                                          struct weir_slice identity)
{
    size_t extra = spec->value.size + sizeof(uint16_t) + identity.size;
    struct packer packer;
    struct weir_image_raw *made = new_block(sizeof(*made), extra, &packer);
    if (made == NULL)
        return NULL;
    *made = *spec;
    made->value = pack_slice(&packer, spec->value);
    uint8_t kind[2];
    weir_put_u16(kind, (uint16_t)spec->kind);
    const uint8_t *key = pack(&packer, kind, sizeof(kind));
    (void)pack(&packer, identity.data, identity.size);
    made->node = new_node(weir_slice_of(key, sizeof(kind) + identity.size));
    return made;
}

static void free_topic(struct weir_image_node *node)
{
    struct weir_image_topic *topic = (struct weir_image_topic *)node;
    for (int32_t i = 0; i < topic->partition_count; i++)
        weir_image_node_unref((struct weir_image_node *)(uintptr_t)&topic->partitions[i]->node);
    weir_free(topic);
}

static const struct weir_image_node_ops topic_ops = {.free = free_topic};

bool weir_topic_is_internal(struct weir_slice name)
{
    return weir_slice_is(name, "__consumer_offsets") ||
           weir_slice_is(name, "__transaction_state") || weir_slice_is(name, "__share_group_state");
}

struct weir_image_topic *weir_image_topic_new(struct weir_slice name, struct weir_uuid id,
                                              const struct weir_image_partition *const *partitions,
                                              int32_t partition_count)
{
    WEIR_ASSERT(partition_count >= 0);
    size_t pointers = (size_t)partition_count * sizeof(partitions[0]);
    struct packer packer;
    struct weir_image_topic *made = new_block(sizeof(*made), pointers + name.size, &packer);
    if (made == NULL)
        return NULL;
    made->partitions = pack(&packer, partitions, pointers);
    made->partition_count = partition_count;
    made->name = pack_slice(&packer, name);
    made->id = id;
    made->is_internal = weir_topic_is_internal(name);
    made->node = (struct weir_image_node){.ops = &topic_ops, .key = made->name, .refs = 1};
    return made;
}
