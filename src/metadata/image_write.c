/* SPDX-License-Identifier: Apache-2.0 */

#include "image_write.h"

#include "weir/base/memory.h"
#include "weir/protocol/records/config_record.h"
#include "weir/protocol/records/feature_level_record.h"
#include "weir/protocol/records/partition_record.h"
#include "weir/protocol/records/producer_ids_record.h"
#include "weir/protocol/records/register_broker_record.h"
#include "weir/protocol/records/register_controller_record.h"
#include "weir/protocol/records/topic_record.h"

/* Levels of metadata.version from which on a record version is written. */
enum {
    LEVEL_IN_CONTROLLED_SHUTDOWN = 8, /* 3.4-IV0 */
    LEVEL_DIRECTORIES = 17,           /* 3.7-IV2 */
    LEVEL_ELR = 23,                   /* 4.0-IV1 */
    LEVEL_CORDONED_DIRS = 30          /* 4.3-IV0 */
};

int16_t weir_register_broker_version(const struct weir_image *image)
{
    int16_t level = weir_image_feature_level(image, WEIR_METADATA_VERSION_FEATURE);
    if (level >= LEVEL_CORDONED_DIRS)
        return 4;
    if (level >= LEVEL_DIRECTORIES)
        return 3;
    return level >= LEVEL_IN_CONTROLLED_SHUTDOWN ? 2 : 1;
}

int16_t weir_partition_version(const struct weir_image *image)
{
    int16_t level = weir_image_feature_level(image, WEIR_METADATA_VERSION_FEATURE);
    if (level >= LEVEL_ELR)
        return 2;
    return level >= LEVEL_DIRECTORIES ? 1 : 0;
}

static struct weir_i32_array to_array(struct weir_i32_list list)
{
    return (struct weir_i32_array){.items = (int32_t *)(uintptr_t)list.items,
                                   .count = (int32_t)list.count};
}

/* Empty lists of ELR fields are left out (null), which is their default. */
static struct weir_i32_array to_array_or_null(struct weir_i32_list list)
{
    return list.count == 0 ? (struct weir_i32_array){.items = NULL, .count = -1} : to_array(list);
}

static struct weir_uuid_array to_uuids(const struct weir_uuid *items, size_t count)
{
    return (struct weir_uuid_array){.items = (struct weir_uuid *)(uintptr_t)items,
                                    .count = (int32_t)count};
}

void weir_record_add_partition(struct weir_record_list *list, struct weir_uuid topic_id,
                               const struct weir_image_partition *partition, int16_t version)
{
    struct weir_partition_record record;
    weir_partition_record_init(&record);
    record.partition_id = partition->id;
    record.topic_id = topic_id;
    record.replicas = to_array(partition->replicas);
    record.isr = to_array(partition->isr);
    record.removing_replicas = to_array(partition->removing);
    record.adding_replicas = to_array(partition->adding);
    record.leader = partition->leader;
    record.leader_recovery_state = (int8_t)partition->recovery_state;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    if (weir_partition_record_has_directories(version))
        record.directories = to_uuids(partition->directories, partition->replicas.count);
    if (weir_partition_record_has_last_known_elr(version)) {
        record.eligible_leader_replicas = to_array_or_null(partition->elr);
        record.last_known_elr = to_array_or_null(partition->last_known_elr);
    }
    weir_record_list_add(list, WEIR_METADATA_RECORD_PARTITION, version, &record);
}

void weir_record_add_config(struct weir_record_list *list, enum weir_resource_type type,
                            struct weir_slice resource, struct weir_slice name,
                            struct weir_slice value)
{
    struct weir_config_record record;
    weir_config_record_init(&record);
    record.resource_type = (int8_t)type;
    record.resource_name = resource;
    record.name = name;
    record.value = value;
    weir_record_list_add(list, WEIR_METADATA_RECORD_CONFIG, 0, &record);
}

void weir_record_add_feature(struct weir_record_list *list, struct weir_slice name, int16_t level)
{
    struct weir_feature_level_record record;
    weir_feature_level_record_init(&record);
    record.name = name;
    record.feature_level = level;
    weir_record_list_add(list, WEIR_METADATA_RECORD_FEATURE_LEVEL, 0, &record);
}

void weir_record_add_broker(struct weir_record_list *list, const struct weir_image_broker *broker,
                            int16_t version)
{
    struct weir_register_broker_record record;
    weir_register_broker_record_init(&record);
    record.end_points.items =
        weir_calloc(broker->endpoint_count + 1, sizeof(record.end_points.items[0]));
    record.features.items =
        weir_calloc(broker->feature_count + 1, sizeof(record.features.items[0]));
    if (record.end_points.items == NULL || record.features.items == NULL) {
        list->status = WEIR_NO_MEMORY;
        goto out;
    }
    record.broker_id = broker->id;
    record.incarnation_id = broker->incarnation_id;
    record.broker_epoch = broker->epoch;
    for (size_t i = 0; i < broker->endpoint_count; i++) {
        record.end_points.items[i].name = broker->endpoints[i].name;
        record.end_points.items[i].host = broker->endpoints[i].host;
        record.end_points.items[i].port = broker->endpoints[i].port;
        record.end_points.items[i].security_protocol = broker->endpoints[i].security_protocol;
    }
    record.end_points.count = (int32_t)broker->endpoint_count;
    for (size_t i = 0; i < broker->feature_count; i++) {
        record.features.items[i].name = broker->features[i].name;
        record.features.items[i].min_supported_version = broker->features[i].min;
        record.features.items[i].max_supported_version = broker->features[i].max;
    }
    record.features.count = (int32_t)broker->feature_count;
    record.rack = broker->rack;
    record.fenced = broker->is_fenced;
    if (weir_register_broker_record_has_in_controlled_shutdown(version))
        record.in_controlled_shutdown = broker->in_controlled_shutdown;
    if (weir_register_broker_record_has_log_dirs(version))
        record.log_dirs = to_uuids(broker->log_dirs, broker->log_dir_count);
    if (weir_register_broker_record_has_cordoned_log_dirs(version) && broker->has_cordoned_log_dirs)
        record.cordoned_log_dirs =
            to_uuids(broker->cordoned_log_dirs, broker->cordoned_log_dir_count);
    weir_record_list_add(list, WEIR_METADATA_RECORD_REGISTER_BROKER, version, &record);
out:
    weir_free(record.end_points.items);
    weir_free(record.features.items);
}

void weir_record_add_controller(struct weir_record_list *list,
                                const struct weir_image_controller *controller)
{
    struct weir_register_controller_record record;
    weir_register_controller_record_init(&record);
    record.end_points.items =
        weir_calloc(controller->endpoint_count + 1, sizeof(record.end_points.items[0]));
    record.features.items =
        weir_calloc(controller->feature_count + 1, sizeof(record.features.items[0]));
    if (record.end_points.items == NULL || record.features.items == NULL) {
        list->status = WEIR_NO_MEMORY;
        goto out;
    }
    record.controller_id = controller->id;
    record.incarnation_id = controller->incarnation_id;
    record.zk_migration_ready = controller->is_zk_migration_ready;
    for (size_t i = 0; i < controller->endpoint_count; i++) {
        record.end_points.items[i].name = controller->endpoints[i].name;
        record.end_points.items[i].host = controller->endpoints[i].host;
        record.end_points.items[i].port = controller->endpoints[i].port;
        record.end_points.items[i].security_protocol = controller->endpoints[i].security_protocol;
    }
    record.end_points.count = (int32_t)controller->endpoint_count;
    for (size_t i = 0; i < controller->feature_count; i++) {
        record.features.items[i].name = controller->features[i].name;
        record.features.items[i].min_supported_version = controller->features[i].min;
        record.features.items[i].max_supported_version = controller->features[i].max;
    }
    record.features.count = (int32_t)controller->feature_count;
    weir_record_list_add(list, WEIR_METADATA_RECORD_REGISTER_CONTROLLER, 0, &record);
out:
    weir_free(record.end_points.items);
    weir_free(record.features.items);
}

/* ---- The whole image ---- */

struct emission {
    weir_image_emit *emit;
    void *context;
    struct weir_detail *detail;
    struct weir_record_list list;
    enum weir_status status;
};

/* Passes on what is in the list. */
static void flush(struct emission *emission)
{
    if (emission->status == WEIR_OK)
        emission->status = weir_record_list_seal(&emission->list);
    for (size_t i = 0; i < emission->list.count && emission->status == WEIR_OK; i++)
        emission->status =
            emission->emit(emission->context, &emission->list.items[i], emission->detail);
    weir_record_list_clear(&emission->list);
}

static void write_features(struct emission *emission, const struct weir_image *image)
{
    /* metadata.version first: the versions of all that follows depend on it. */
    int16_t level = weir_image_feature_level(image, WEIR_METADATA_VERSION_FEATURE);
    if (level != 0)
        weir_record_add_feature(&emission->list, WEIR_SLICE(WEIR_METADATA_VERSION_FEATURE), level);
    for (size_t i = 0; i < weir_image_feature_count(image); i++) {
        const struct weir_image_feature *feature = weir_image_feature_at(image, i);
        if (!weir_slice_is(feature->name, WEIR_METADATA_VERSION_FEATURE))
            weir_record_add_feature(&emission->list, feature->name, feature->level);
    }
    flush(emission);
}

static void write_cluster(struct emission *emission, const struct weir_image *image)
{
    for (size_t i = 0; i < weir_image_broker_count(image); i++)
        weir_record_add_broker(&emission->list, weir_image_broker_at(image, i),
                               weir_register_broker_version(image));
    for (size_t i = 0; i < weir_image_controller_count(image); i++)
        weir_record_add_controller(&emission->list, weir_image_controller_at(image, i));
    flush(emission);
}

static void write_topics(struct emission *emission, const struct weir_image *image)
{
    int16_t version = weir_partition_version(image);
    for (size_t i = 0; i < weir_image_topic_count(image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(image, i);
        struct weir_topic_record record;
        weir_topic_record_init(&record);
        record.name = topic->name;
        record.topic_id = topic->id;
        weir_record_list_add(&emission->list, WEIR_METADATA_RECORD_TOPIC, 0, &record);
        for (int32_t j = 0; j < topic->partition_count; j++)
            weir_record_add_partition(&emission->list, topic->id, topic->partitions[j], version);
        flush(emission);
    }
}

static void write_configs(struct emission *emission, const struct weir_image *image)
{
    for (size_t i = 0; i < weir_image_config_count(image); i++) {
        const struct weir_image_config *config = weir_image_config_at(image, i);
        for (size_t j = 0; j < config->entry_count; j++)
            weir_record_add_config(&emission->list, config->type, config->name,
                                   config->entries[j].name, config->entries[j].value);
        flush(emission);
    }
}

static void write_raws(struct emission *emission, const struct weir_image *image, int16_t kind)
{
    size_t first;
    size_t end = weir_image_raw_range(image, kind, &first);
    for (size_t i = first; i < end; i++) {
        const struct weir_image_raw *raw = weir_image_raw_at(image, i);
        weir_record_list_add_raw(&emission->list, raw->kind, raw->version, raw->value);
    }
    flush(emission);
}

static void write_producer_ids(struct emission *emission, const struct weir_image *image)
{
    int64_t next_id = weir_image_next_producer_id(image);
    if (next_id <= 0)
        return;
    struct weir_producer_ids_record record;
    weir_producer_ids_record_init(&record);
    record.broker_id = -1; /* who asked for the last block is not part of the state */
    record.next_producer_id = next_id;
    weir_record_list_add(&emission->list, WEIR_METADATA_RECORD_PRODUCER_IDS, 0, &record);
    flush(emission);
}

enum weir_status weir_image_write(const struct weir_image *image, weir_image_emit *emit,
                                  void *context, struct weir_detail *detail)
{
    struct emission emission = {.emit = emit, .context = context, .detail = detail};
    write_features(&emission, image);
    write_cluster(&emission, image);
    write_topics(&emission, image);
    write_configs(&emission, image);
    write_raws(&emission, image, WEIR_METADATA_RECORD_CLIENT_QUOTA);
    write_producer_ids(&emission, image);
    write_raws(&emission, image, WEIR_METADATA_RECORD_ACCESS_CONTROL_ENTRY);
    write_raws(&emission, image, WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL);
    write_raws(&emission, image, WEIR_METADATA_RECORD_DELEGATION_TOKEN);
    weir_record_list_done(&emission.list);
    return emission.status;
}
