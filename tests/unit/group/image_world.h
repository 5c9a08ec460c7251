/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Topics for a group_world: each change is a new image, published as the broker does it. */

#include "group_world.h"

#include "image_builder_int.h"
#include "record_list.h"
#include "weir/protocol/records/partition_record.h"
#include "weir/protocol/records/remove_topic_record.h"
#include "weir/protocol/records/topic_record.h"

static int64_t image_offset;

static inline void publish_records(struct weir_record_list *list)
{
    const struct weir_image *before = weir_image_ref_current(world.images);
    struct weir_image_builder *builder = weir_image_builder_new(before);
    cr_assert(builder != NULL);
    cr_assert_eq(weir_record_list_seal(list), WEIR_OK);
    for (size_t i = 0; i < list->count; i++)
        cr_assert_eq(weir_image_builder_apply(builder, list->items[i].kind, list->items[i].version,
                                              list->items[i].body, NULL),
                     WEIR_OK);
    image_offset += (int64_t)list->count;
    cr_assert_eq(weir_image_builder_finish(builder, image_offset, 1, FAKE_WALL_MS, NULL), WEIR_OK);
    weir_image_publish(world.images, weir_image_ref(builder->image), &builder->delta);
    weir_group_image_published(world.service, builder->image, &builder->delta);
    weir_image_builder_free(builder);
    weir_image_unref(before);
    weir_record_list_done(list);
}

/* A topic of this many partitions; its id is small(id). */
static inline void create_topic(const char *name, uint8_t id, int32_t partitions)
{
    int32_t replicas[] = {1};
    struct weir_uuid directories[] = {weir_uuid_small(100)};
    struct weir_record_list list = {0};
    struct weir_topic_record topic;
    weir_topic_record_init(&topic);
    topic.name = weir_slice_str(name);
    topic.topic_id = weir_uuid_small(id);
    weir_record_list_add(&list, WEIR_METADATA_RECORD_TOPIC, 0, &topic);
    for (int32_t i = 0; i < partitions; i++) {
        struct weir_partition_record partition;
        weir_partition_record_init(&partition);
        partition.topic_id = topic.topic_id;
        partition.partition_id = i;
        partition.replicas = (struct weir_i32_array){.items = replicas, .count = 1};
        partition.isr = partition.replicas;
        partition.leader = 1;
        partition.directories = (struct weir_uuid_array){.items = directories, .count = 1};
        weir_record_list_add(&list, WEIR_METADATA_RECORD_PARTITION, 1, &partition);
    }
    publish_records(&list);
}

static inline void delete_topic(uint8_t id)
{
    struct weir_record_list list = {0};
    struct weir_remove_topic_record record;
    weir_remove_topic_record_init(&record);
    record.topic_id = weir_uuid_small(id);
    weir_record_list_add(&list, WEIR_METADATA_RECORD_REMOVE_TOPIC, 0, &record);
    publish_records(&list);
}
