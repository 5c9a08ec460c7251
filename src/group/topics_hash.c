/* SPDX-License-Identifier: Apache-2.0 */

/* The hash by which a group sees that its topics have changed. */

#include "partition_set.h"

#include "weir/assign/metadata_hash.h"

static bool any_rack(const struct weir_image *image)
{
    for (size_t i = 0; i < weir_image_broker_count(image); i++) {
        if (!weir_slice_is_null(weir_image_broker_at(image, i)->rack))
            return true;
    }
    return false;
}

static enum weir_status fill_racks(const struct weir_image *image,
                                   const struct weir_image_topic *topic, struct weir_arena *arena,
                                   struct weir_hash_topic *out)
{
    struct weir_hash_partition *partitions =
        weir_arena_calloc(arena, (size_t)topic->partition_count + 1, sizeof(*partitions));
    if (partitions == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct weir_i32_list *replicas = &topic->partitions[i]->replicas;
        size_t replica_count =
            replicas->count < WEIR_HASH_RACKS_MAX ? replicas->count : WEIR_HASH_RACKS_MAX;
        struct weir_slice *racks = weir_arena_calloc(arena, replica_count + 1, sizeof(*racks));
        if (racks == NULL)
            return WEIR_NO_MEMORY;
        for (size_t j = 0; j < replica_count; j++) {
            const struct weir_image_broker *broker = weir_image_broker(image, replicas->items[j]);
            if (broker != NULL && !weir_slice_is_null(broker->rack))
                racks[partitions[i].rack_count++] = broker->rack;
        }
        partitions[i].racks = racks;
    }
    out->partitions = partitions;
    return WEIR_OK;
}

enum weir_status group_topics_hash(const struct weir_image *image,
                                   const struct weir_image_topic *const *topics, size_t count,
                                   struct weir_arena *arena, int64_t *out)
{
    struct weir_named_topic_hash *hashes = weir_arena_calloc(arena, count + 1, sizeof(*hashes));
    if (hashes == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    bool has_racks = any_rack(image);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        struct weir_hash_topic topic = {.id = topics[i]->id,
                                        .name = topics[i]->name,
                                        .partition_count = topics[i]->partition_count};
        if (has_racks)
            status = fill_racks(image, topics[i], arena, &topic);
        hashes[i] = (struct weir_named_topic_hash){.name = topics[i]->name,
                                                   .hash = weir_topic_hash(&topic)};
    }
    if (status == WEIR_OK)
        *out = weir_group_hash(hashes, count);
    return status;
}
