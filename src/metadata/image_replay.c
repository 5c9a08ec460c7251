/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What each record of the metadata log does to the image.  One function a record; record bodies
 * come from a disk or a peer and may say anything, so all that they refer to is looked for, never
 * assumed.
 */

#include "image_builder_int.h"

#include "weir/base/limits.h"
#include "weir/protocol/record_types.h"

#include "weir/protocol/records/abort_transaction_record.h"
#include "weir/protocol/records/access_control_entry_record.h"
#include "weir/protocol/records/begin_transaction_record.h"
#include "weir/protocol/records/broker_registration_change_record.h"
#include "weir/protocol/records/clear_elr_record.h"
#include "weir/protocol/records/client_quota_record.h"
#include "weir/protocol/records/config_record.h"
#include "weir/protocol/records/delegation_token_record.h"
#include "weir/protocol/records/end_transaction_record.h"
#include "weir/protocol/records/feature_level_record.h"
#include "weir/protocol/records/fence_broker_record.h"
#include "weir/protocol/records/no_op_record.h"
#include "weir/protocol/records/partition_change_record.h"
#include "weir/protocol/records/partition_record.h"
#include "weir/protocol/records/producer_ids_record.h"
#include "weir/protocol/records/register_broker_record.h"
#include "weir/protocol/records/register_controller_record.h"
#include "weir/protocol/records/remove_access_control_entry_record.h"
#include "weir/protocol/records/remove_delegation_token_record.h"
#include "weir/protocol/records/remove_topic_record.h"
#include "weir/protocol/records/remove_user_scram_credential_record.h"
#include "weir/protocol/records/topic_record.h"
#include "weir/protocol/records/unfence_broker_record.h"
#include "weir/protocol/records/unregister_broker_record.h"
#include "weir/protocol/records/user_scram_credential_record.h"
#include "weir/protocol/records/zk_migration_state_record.h"

#include <stdlib.h>

struct replay {
    struct weir_image_builder *builder;
    struct weir_reader *reader;
    int16_t kind;
    int16_t version;
    struct weir_slice body;
    struct weir_detail *detail;
};

/* Reads the record into a variable of the given type; leaves the function when that fails. */
#define READ_RECORD(replay, type, variable)                                                        \
    struct type variable;                                                                          \
    type##_init(&(variable));                                                                      \
    type##_read((replay)->reader, (replay)->version, &(variable));                                 \
    enum weir_status variable##_status = check_read(replay);                                       \
    if (variable##_status != WEIR_OK)                                                              \
    return variable##_status

static enum weir_status check_read(struct replay *replay)
{
    enum weir_status status = weir_reader_status(replay->reader);
    if (status == WEIR_OK && weir_reader_left(replay->reader) > 0)
        status = WEIR_CORRUPT;
    if (status == WEIR_OK || status == WEIR_NO_MEMORY || status == WEIR_UNSUPPORTED)
        return status;
    weir_detail_set(replay->detail, "its body cannot be decoded");
    return WEIR_CORRUPT;
}

static enum weir_status topic_missing(struct replay *replay, struct weir_uuid id,
                                      enum weir_status status)
{
    if (status != WEIR_NOT_FOUND)
        return status;
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(id, text);
    weir_detail_set(replay->detail, "there is no topic with id %s", text);
    return WEIR_CORRUPT;
}

static struct weir_i32_list to_list(const int32_t *items, int32_t count)
{
    return (struct weir_i32_list){.items = items, .count = count < 0 ? 0 : (size_t)count};
}

/* ---- Topics ---- */

static enum weir_status apply_topic(struct replay *replay)
{
    READ_RECORD(replay, weir_topic_record, record);
    enum weir_status status = weir_builder_add_topic(replay->builder, record.name, record.topic_id);
    if (status == WEIR_EXISTS) {
        weir_detail_set(replay->detail, "topic %.*s or its id is there already",
                        WEIR_SLICE_ARGS(record.name));
        return WEIR_CORRUPT;
    }
    return status;
}

/* Directories for a record that has none (it is older than they are). */
static const struct weir_uuid *directories_or_migrating(struct replay *replay,
                                                        const struct weir_uuid *given,
                                                        size_t given_count, size_t replica_count,
                                                        enum weir_status *out_status)
{
    *out_status = WEIR_OK;
    if (given_count == replica_count)
        return given;
    if (given_count != 0) {
        weir_detail_set(replay->detail, "%zu directories for %zu replicas", given_count,
                        replica_count);
        *out_status = WEIR_CORRUPT;
        return NULL;
    }
    struct weir_uuid *zeros =
        weir_arena_calloc(replay->reader->arena, replica_count, sizeof(*zeros));
    if (zeros == NULL)
        *out_status = WEIR_NO_MEMORY; /* all zero is MIGRATING */
    return zeros;
}

static enum weir_status check_recovery_state(struct replay *replay, int8_t state)
{
    if (state == WEIR_RECOVERED || state == WEIR_RECOVERING)
        return WEIR_OK;
    weir_detail_set(replay->detail, "leader recovery state %d", state);
    return WEIR_CORRUPT;
}

static enum weir_status put_partition(struct weir_draft_topic *topic,
                                      const struct weir_image_partition *spec)
{
    struct weir_image_partition *made = weir_image_partition_new(spec);
    return made == NULL ? WEIR_NO_MEMORY : weir_draft_topic_put(topic, made);
}

static enum weir_status apply_partition(struct replay *replay)
{
    READ_RECORD(replay, weir_partition_record, record);
    enum weir_status status;
    struct weir_draft_topic *topic = weir_builder_topic(replay->builder, record.topic_id, &status);
    if (topic == NULL)
        return topic_missing(replay, record.topic_id, status);
    status = check_recovery_state(replay, record.leader_recovery_state);
    if (status != WEIR_OK)
        return status;
    struct weir_image_partition spec = {
        .id = record.partition_id,
        .leader = record.leader,
        .leader_epoch = record.leader_epoch,
        .partition_epoch = record.partition_epoch,
        .recovery_state = (enum weir_recovery_state)record.leader_recovery_state,
        .replicas = to_list(record.replicas.items, record.replicas.count),
        .isr = to_list(record.isr.items, record.isr.count),
        .removing = to_list(record.removing_replicas.items, record.removing_replicas.count),
        .adding = to_list(record.adding_replicas.items, record.adding_replicas.count),
        .elr =
            to_list(record.eligible_leader_replicas.items, record.eligible_leader_replicas.count),
        .last_known_elr = to_list(record.last_known_elr.items, record.last_known_elr.count),
    };
    spec.directories =
        directories_or_migrating(replay, record.directories.items, (size_t)record.directories.count,
                                 spec.replicas.count, &status);
    return status == WEIR_OK ? put_partition(topic, &spec) : status;
}

/* kraft.md 4.1: the partition epoch rises by one always, the leader epoch whenever the record names
 * a leader. */
static enum weir_status merge_change(struct replay *replay,
                                     const struct weir_partition_change_record *record,
                                     struct weir_image_partition *spec)
{
    enum weir_status status = WEIR_OK;
    if (record->isr.count >= 0)
        spec->isr = to_list(record->isr.items, record->isr.count);
    if (record->replicas.count >= 0)
        spec->replicas = to_list(record->replicas.items, record->replicas.count);
    if (record->removing_replicas.count >= 0)
        spec->removing = to_list(record->removing_replicas.items, record->removing_replicas.count);
    if (record->adding_replicas.count >= 0)
        spec->adding = to_list(record->adding_replicas.items, record->adding_replicas.count);
    if (record->eligible_leader_replicas.count >= 0)
        spec->elr =
            to_list(record->eligible_leader_replicas.items, record->eligible_leader_replicas.count);
    if (record->last_known_elr.count >= 0)
        spec->last_known_elr = to_list(record->last_known_elr.items, record->last_known_elr.count);
    if (record->directories.count >= 0 || record->replicas.count >= 0) {
        bool is_given = record->directories.count >= 0;
        spec->directories = directories_or_migrating(
            replay, record->directories.items, is_given ? (size_t)record->directories.count : 0,
            spec->replicas.count, &status);
    }
    if (record->leader != -2) {
        spec->leader = record->leader;
        spec->leader_epoch++;
    }
    if (record->leader_recovery_state != -1) {
        if (status == WEIR_OK)
            status = check_recovery_state(replay, record->leader_recovery_state);
        spec->recovery_state = (enum weir_recovery_state)record->leader_recovery_state;
    }
    spec->partition_epoch++;
    return status;
}

static enum weir_status apply_partition_change(struct replay *replay)
{
    READ_RECORD(replay, weir_partition_change_record, record);
    enum weir_status status;
    struct weir_draft_topic *topic = weir_builder_topic(replay->builder, record.topic_id, &status);
    if (topic == NULL)
        return topic_missing(replay, record.topic_id, status);
    if (record.partition_id < 0 || record.partition_id >= topic->partition_count ||
        topic->partitions[record.partition_id] == NULL) {
        weir_detail_set(replay->detail, "topic %.*s has no partition %d",
                        WEIR_SLICE_ARGS(topic->name), record.partition_id);
        return WEIR_CORRUPT;
    }
    struct weir_image_partition spec = *topic->partitions[record.partition_id];
    status = merge_change(replay, &record, &spec);
    return status == WEIR_OK ? put_partition(topic, &spec) : status;
}

static enum weir_status set_config(struct weir_image_builder *builder,
                                   const struct weir_image_config *spec)
{
    struct weir_image_config *made = weir_image_config_new(spec);
    if (made == NULL)
        return WEIR_NO_MEMORY;
    /* The key is copied by the draft; the node may be dropped there. */
    return weir_draft_set(&builder->configs, made->node.key, &made->node);
}

/* The configs of a resource as they are in the draft, or an empty set in *empty. */
static const struct weir_image_config *
find_config(struct replay *replay, enum weir_resource_type type, struct weir_slice name,
            struct weir_image_config *empty, enum weir_status *out_status)
{
    *empty = (struct weir_image_config){.type = type, .name = name};
    *out_status = WEIR_OK;
    uint8_t *key = weir_arena_alloc(replay->reader->arena, name.size + 1);
    if (key == NULL) {
        *out_status = WEIR_NO_MEMORY;
        return empty;
    }
    key[0] = (uint8_t)type;
    memcpy(key + 1, name.data, name.size);
    struct weir_image_node *node =
        weir_draft_get(&replay->builder->configs, weir_slice_of(key, name.size + 1));
    return node == NULL ? empty : (const struct weir_image_config *)node;
}

static enum weir_status apply_remove_topic(struct replay *replay)
{
    READ_RECORD(replay, weir_remove_topic_record, record);
    enum weir_status status;
    struct weir_draft_topic *topic = weir_builder_topic(replay->builder, record.topic_id, &status);
    if (topic == NULL)
        return topic_missing(replay, record.topic_id, status);
    topic->is_removed = true;
    (void)weir_map_remove(&replay->builder->topics_by_name, topic->name);
    /* A topic's configs go with it, without records of their own. */
    struct weir_image_config empty;
    const struct weir_image_config *config =
        find_config(replay, WEIR_RESOURCE_TOPIC, topic->name, &empty, &status);
    if (status != WEIR_OK || config->entry_count == 0)
        return status;
    return set_config(replay->builder, &empty);
}

static enum weir_status clear_elr_of(struct weir_draft_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct weir_image_partition *partition = topic->partitions[i];
        if (partition == NULL ||
            (partition->elr.count == 0 && partition->last_known_elr.count == 0))
            continue;
        struct weir_image_partition spec = *partition;
        spec.elr.count = 0;
        spec.last_known_elr.count = 0;
        spec.partition_epoch++;
        enum weir_status status = put_partition(topic, &spec);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status apply_clear_elr(struct replay *replay)
{
    READ_RECORD(replay, weir_clear_elr_record, record);
    struct weir_image_builder *builder = replay->builder;
    enum weir_status status;
    if (record.topic_name.size > 0) {
        struct weir_draft_topic *topic =
            weir_builder_topic_by_name(builder, record.topic_name, &status);
        if (topic != NULL)
            return clear_elr_of(topic);
        weir_detail_set(replay->detail, "there is no topic %.*s",
                        WEIR_SLICE_ARGS(record.topic_name));
        return status == WEIR_NOT_FOUND ? WEIR_CORRUPT : status;
    }
    for (size_t i = 0; i < weir_image_topic_count(builder->base); i++) {
        struct weir_draft_topic *topic =
            weir_builder_topic(builder, weir_image_topic_at(builder->base, i)->id, &status);
        if (topic == NULL && status != WEIR_NOT_FOUND)
            return status;
    }
    for (size_t i = 0; i < builder->topic_count; i++) {
        status = builder->topics[i]->is_removed ? WEIR_OK : clear_elr_of(builder->topics[i]);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static enum weir_status apply_config(struct replay *replay)
{
    READ_RECORD(replay, weir_config_record, record);
    enum weir_status status;
    struct weir_image_config empty;
    const struct weir_image_config *old =
        find_config(replay, (enum weir_resource_type)(uint8_t)record.resource_type,
                    record.resource_name, &empty, &status);
    if (status != WEIR_OK)
        return status;
    struct weir_image_config_entry *entries =
        weir_arena_calloc(replay->reader->arena, old->entry_count + 1, sizeof(*entries));
    if (entries == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < old->entry_count; i++) {
        if (!weir_slice_equal(old->entries[i].name, record.name))
            entries[count++] = old->entries[i];
    }
    if (!weir_slice_is_null(record.value))
        entries[count++] =
            (struct weir_image_config_entry){.name = record.name, .value = record.value};
    struct weir_image_config spec = *old;
    spec.entries = entries;
    spec.entry_count = count;
    return set_config(replay->builder, &spec);
}

/* ---- Brokers, controllers ---- */

static enum weir_status set_broker(struct weir_image_builder *builder,
                                   const struct weir_image_broker *spec)
{
    struct weir_image_broker *made = weir_image_broker_new(spec);
    if (made == NULL)
        return WEIR_NO_MEMORY;
    return weir_draft_set(&builder->brokers, made->node.key, &made->node);
}

static enum weir_status apply_register_broker(struct replay *replay)
{
    READ_RECORD(replay, weir_register_broker_record, record);
    struct weir_arena *arena = replay->reader->arena;
    size_t endpoint_count = (size_t)record.end_points.count;
    size_t feature_count = (size_t)record.features.count;
    struct weir_image_endpoint *endpoints =
        weir_arena_calloc(arena, endpoint_count, sizeof(*endpoints));
    struct weir_image_feature_range *features =
        weir_arena_calloc(arena, feature_count, sizeof(*features));
    if (endpoints == NULL || features == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < endpoint_count; i++) {
        endpoints[i].name = record.end_points.items[i].name;
        endpoints[i].host = record.end_points.items[i].host;
        endpoints[i].port = record.end_points.items[i].port;
        endpoints[i].security_protocol = record.end_points.items[i].security_protocol;
    }
    for (size_t i = 0; i < feature_count; i++) {
        features[i].name = record.features.items[i].name;
        features[i].min = record.features.items[i].min_supported_version;
        features[i].max = record.features.items[i].max_supported_version;
    }
    bool has_cordoned = record.cordoned_log_dirs.count >= 0;
    struct weir_image_broker spec = {
        .id = record.broker_id,
        .epoch = record.broker_epoch,
        .incarnation_id = record.incarnation_id,
        .is_fenced = record.fenced,
        .in_controlled_shutdown = record.in_controlled_shutdown,
        .rack = record.rack,
        .endpoints = endpoints,
        .endpoint_count = endpoint_count,
        .features = features,
        .feature_count = feature_count,
        .log_dirs = record.log_dirs.items,
        .log_dir_count = (size_t)record.log_dirs.count,
        .has_cordoned_log_dirs = has_cordoned,
        .cordoned_log_dirs = record.cordoned_log_dirs.items,
        .cordoned_log_dir_count = has_cordoned ? (size_t)record.cordoned_log_dirs.count : 0,
    };
    return set_broker(replay->builder, &spec);
}

/* The broker a record speaks of; its epoch must be the registered one, or the record is of another
 * life. */
static const struct weir_image_broker *find_broker(struct replay *replay, int32_t id, int64_t epoch,
                                                   enum weir_status *out_status)
{
    uint8_t key[WEIR_IMAGE_ID_KEY_BYTES];
    weir_image_id_key(id, key);
    const struct weir_image_broker *broker = (const struct weir_image_broker *)weir_draft_get(
        &replay->builder->brokers, weir_slice_of(key, sizeof(key)));
    *out_status = WEIR_OK;
    if (broker != NULL && broker->epoch == epoch)
        return broker;
    weir_detail_set(replay->detail, "broker %d is not registered with epoch %lld", id,
                    (long long)epoch);
    *out_status = WEIR_CORRUPT;
    return NULL;
}

static enum weir_status apply_unregister_broker(struct replay *replay)
{
    READ_RECORD(replay, weir_unregister_broker_record, record);
    enum weir_status status;
    const struct weir_image_broker *broker =
        find_broker(replay, record.broker_id, record.broker_epoch, &status);
    return broker == NULL ? status
                          : weir_draft_set(&replay->builder->brokers, broker->node.key, NULL);
}

static enum weir_status set_fenced(struct replay *replay, int32_t id, int64_t epoch, bool is_fenced)
{
    enum weir_status status;
    const struct weir_image_broker *broker = find_broker(replay, id, epoch, &status);
    if (broker == NULL)
        return status;
    struct weir_image_broker spec = *broker;
    spec.is_fenced = is_fenced;
    return set_broker(replay->builder, &spec);
}

static enum weir_status apply_fence_broker(struct replay *replay)
{
    READ_RECORD(replay, weir_fence_broker_record, record);
    return set_fenced(replay, record.id, record.epoch, true);
}

static enum weir_status apply_unfence_broker(struct replay *replay)
{
    READ_RECORD(replay, weir_unfence_broker_record, record);
    return set_fenced(replay, record.id, record.epoch, false);
}

static enum weir_status apply_broker_change(struct replay *replay)
{
    READ_RECORD(replay, weir_broker_registration_change_record, record);
    enum weir_status status;
    const struct weir_image_broker *broker =
        find_broker(replay, record.broker_id, record.broker_epoch, &status);
    if (broker == NULL)
        return status;
    if (record.fenced < -1 || record.fenced > 1 || record.in_controlled_shutdown < 0 ||
        record.in_controlled_shutdown > 1) {
        weir_detail_set(replay->detail, "fenced is %d and in controlled shutdown %d", record.fenced,
                        record.in_controlled_shutdown);
        return WEIR_CORRUPT;
    }
    struct weir_image_broker spec = *broker;
    if (record.fenced != 0)
        spec.is_fenced = record.fenced == 1;
    if (record.in_controlled_shutdown != 0)
        spec.in_controlled_shutdown = true;
    if (record.log_dirs.count > 0) { /* empty means "as before" */
        spec.log_dirs = record.log_dirs.items;
        spec.log_dir_count = (size_t)record.log_dirs.count;
    }
    if (record.cordoned_log_dirs.count >= 0) {
        spec.has_cordoned_log_dirs = true;
        spec.cordoned_log_dirs = record.cordoned_log_dirs.items;
        spec.cordoned_log_dir_count = (size_t)record.cordoned_log_dirs.count;
    }
    return set_broker(replay->builder, &spec);
}

static enum weir_status apply_register_controller(struct replay *replay)
{
    READ_RECORD(replay, weir_register_controller_record, record);
    struct weir_arena *arena = replay->reader->arena;
    size_t endpoint_count = (size_t)record.end_points.count;
    size_t feature_count = (size_t)record.features.count;
    struct weir_image_endpoint *endpoints =
        weir_arena_calloc(arena, endpoint_count, sizeof(*endpoints));
    struct weir_image_feature_range *features =
        weir_arena_calloc(arena, feature_count, sizeof(*features));
    if (endpoints == NULL || features == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < endpoint_count; i++) {
        endpoints[i].name = record.end_points.items[i].name;
        endpoints[i].host = record.end_points.items[i].host;
        endpoints[i].port = record.end_points.items[i].port;
        endpoints[i].security_protocol = record.end_points.items[i].security_protocol;
    }
    for (size_t i = 0; i < feature_count; i++) {
        features[i].name = record.features.items[i].name;
        features[i].min = record.features.items[i].min_supported_version;
        features[i].max = record.features.items[i].max_supported_version;
    }
    struct weir_image_controller spec = {
        .id = record.controller_id,
        .incarnation_id = record.incarnation_id,
        .is_zk_migration_ready = record.zk_migration_ready,
        .endpoints = endpoints,
        .endpoint_count = endpoint_count,
        .features = features,
        .feature_count = feature_count,
    };
    struct weir_image_controller *made = weir_image_controller_new(&spec);
    if (made == NULL)
        return WEIR_NO_MEMORY;
    return weir_draft_set(&replay->builder->controllers, made->node.key, &made->node);
}

/* ---- Features, producer ids ---- */

static enum weir_status apply_feature_level(struct replay *replay)
{
    READ_RECORD(replay, weir_feature_level_record, record);
    if (record.feature_level == 0)
        return weir_draft_set(&replay->builder->features, record.name, NULL);
    struct weir_image_feature *made = weir_image_feature_new(record.name, record.feature_level);
    if (made == NULL)
        return WEIR_NO_MEMORY;
    return weir_draft_set(&replay->builder->features, record.name, &made->node);
}

static enum weir_status apply_producer_ids(struct replay *replay)
{
    READ_RECORD(replay, weir_producer_ids_record, record);
    replay->builder->next_producer_id = record.next_producer_id;
    return WEIR_OK;
}

/* ---- Kept as they come ---- */

static struct weir_slice raw_key(struct replay *replay, int16_t kind, struct weir_slice identity)
{
    uint8_t *key = weir_arena_alloc(replay->reader->arena, identity.size + 2);
    if (key == NULL)
        return WEIR_NULL_SLICE;
    key[0] = (uint8_t)((uint16_t)kind >> 8);
    key[1] = (uint8_t)kind;
    if (identity.size > 0)
        memcpy(key + 2, identity.data, identity.size);
    return weir_slice_of(key, identity.size + 2);
}

static enum weir_status put_raw(struct replay *replay, struct weir_slice identity)
{
    struct weir_image_raw spec = {
        .kind = replay->kind, .version = replay->version, .value = replay->body};
    struct weir_image_raw *made = weir_image_raw_new(&spec, identity);
    if (made == NULL)
        return WEIR_NO_MEMORY;
    return weir_draft_set(&replay->builder->raws, made->node.key, &made->node);
}

static enum weir_status remove_raw(struct replay *replay, int16_t kind, struct weir_slice identity)
{
    struct weir_slice key = raw_key(replay, kind, identity);
    if (weir_slice_is_null(key))
        return WEIR_NO_MEMORY;
    return weir_draft_set(&replay->builder->raws, key, NULL);
}

static enum weir_status apply_acl(struct replay *replay)
{
    READ_RECORD(replay, weir_access_control_entry_record, record);
    return put_raw(replay, weir_slice_of(record.id.bytes, sizeof(record.id.bytes)));
}

static enum weir_status apply_remove_acl(struct replay *replay)
{
    READ_RECORD(replay, weir_remove_access_control_entry_record, record);
    return remove_raw(replay, WEIR_METADATA_RECORD_ACCESS_CONTROL_ENTRY,
                      weir_slice_of(record.id.bytes, sizeof(record.id.bytes)));
}

static enum weir_status apply_token(struct replay *replay)
{
    READ_RECORD(replay, weir_delegation_token_record, record);
    return put_raw(replay, record.token_id);
}

static enum weir_status apply_remove_token(struct replay *replay)
{
    READ_RECORD(replay, weir_remove_delegation_token_record, record);
    return remove_raw(replay, WEIR_METADATA_RECORD_DELEGATION_TOKEN, record.token_id);
}

/* Mechanism, then the user's name. */
static struct weir_slice scram_identity(struct replay *replay, int8_t mechanism,
                                        struct weir_slice name)
{
    return weir_arena_printf(replay->reader->arena, "%d:%.*s", mechanism, WEIR_SLICE_ARGS(name));
}

static enum weir_status apply_scram(struct replay *replay)
{
    READ_RECORD(replay, weir_user_scram_credential_record, record);
    struct weir_slice identity = scram_identity(replay, record.mechanism, record.name);
    return weir_slice_is_null(identity) ? WEIR_NO_MEMORY : put_raw(replay, identity);
}

static enum weir_status apply_remove_scram(struct replay *replay)
{
    READ_RECORD(replay, weir_remove_user_scram_credential_record, record);
    struct weir_slice identity = scram_identity(replay, record.mechanism, record.name);
    return weir_slice_is_null(identity)
               ? WEIR_NO_MEMORY
               : remove_raw(replay, WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL, identity);
}

static int compare_entities(const void *a, const void *b)
{
    const struct weir_client_quota_record_entity_data *left = a;
    const struct weir_client_quota_record_entity_data *right = b;
    return weir_slice_compare(left->entity_type, right->entity_type);
}

/* A quota's identity: its entity, sorted by type, and its key; each part with its length so that
 * none runs into the next.  A null name (the default entity) has length -1. */
static struct weir_slice quota_identity(struct replay *replay,
                                        struct weir_client_quota_record *record)
{
    size_t count = (size_t)record->entity.count;
    if (count > 1)
        qsort(record->entity.items, count, sizeof(record->entity.items[0]), compare_entities);
    struct weir_slice identity = WEIR_EMPTY_SLICE;
    for (size_t i = 0; i < count; i++) {
        struct weir_slice name = record->entity.items[i].entity_name;
        identity =
            weir_arena_printf(replay->reader->arena, "%.*s%.*s=%d:%.*s;", WEIR_SLICE_ARGS(identity),
                              WEIR_SLICE_ARGS(record->entity.items[i].entity_type),
                              name.data == NULL ? -1 : (int)name.size, (int)name.size,
                              name.data == NULL ? "" : (const char *)name.data);
        if (weir_slice_is_null(identity))
            return identity;
    }
    return weir_arena_printf(replay->reader->arena, "%.*s%.*s", WEIR_SLICE_ARGS(identity),
                             WEIR_SLICE_ARGS(record->key));
}

static enum weir_status apply_quota(struct replay *replay)
{
    READ_RECORD(replay, weir_client_quota_record, record);
    struct weir_slice identity = quota_identity(replay, &record);
    if (weir_slice_is_null(identity))
        return WEIR_NO_MEMORY;
    return record.remove ? remove_raw(replay, WEIR_METADATA_RECORD_CLIENT_QUOTA, identity)
                         : put_raw(replay, identity);
}

/* ---- Nothing in the image ---- */

static enum weir_status apply_no_op(struct replay *replay)
{
    READ_RECORD(replay, weir_no_op_record, record);
    (void)record;
    return WEIR_OK;
}

static enum weir_status apply_zk_migration_state(struct replay *replay)
{
    READ_RECORD(replay, weir_zk_migration_state_record, record);
    (void)record;
    return WEIR_OK;
}

static enum weir_status apply_begin_transaction(struct replay *replay)
{
    READ_RECORD(replay, weir_begin_transaction_record, record);
    (void)record;
    return WEIR_OK;
}

static enum weir_status apply_end_transaction(struct replay *replay)
{
    READ_RECORD(replay, weir_end_transaction_record, record);
    (void)record;
    return WEIR_OK;
}

static enum weir_status apply_abort_transaction(struct replay *replay)
{
    READ_RECORD(replay, weir_abort_transaction_record, record);
    (void)record;
    return WEIR_OK;
}

typedef enum weir_status apply_fn(struct replay *replay);

static apply_fn *const apply_fns[] = {
    [WEIR_METADATA_RECORD_REGISTER_BROKER] = apply_register_broker,
    [WEIR_METADATA_RECORD_UNREGISTER_BROKER] = apply_unregister_broker,
    [WEIR_METADATA_RECORD_TOPIC] = apply_topic,
    [WEIR_METADATA_RECORD_PARTITION] = apply_partition,
    [WEIR_METADATA_RECORD_CONFIG] = apply_config,
    [WEIR_METADATA_RECORD_PARTITION_CHANGE] = apply_partition_change,
    [WEIR_METADATA_RECORD_FENCE_BROKER] = apply_fence_broker,
    [WEIR_METADATA_RECORD_UNFENCE_BROKER] = apply_unfence_broker,
    [WEIR_METADATA_RECORD_REMOVE_TOPIC] = apply_remove_topic,
    [WEIR_METADATA_RECORD_DELEGATION_TOKEN] = apply_token,
    [WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL] = apply_scram,
    [WEIR_METADATA_RECORD_FEATURE_LEVEL] = apply_feature_level,
    [WEIR_METADATA_RECORD_CLIENT_QUOTA] = apply_quota,
    [WEIR_METADATA_RECORD_PRODUCER_IDS] = apply_producer_ids,
    [WEIR_METADATA_RECORD_BROKER_REGISTRATION_CHANGE] = apply_broker_change,
    [WEIR_METADATA_RECORD_ACCESS_CONTROL_ENTRY] = apply_acl,
    [WEIR_METADATA_RECORD_REMOVE_ACCESS_CONTROL_ENTRY] = apply_remove_acl,
    [WEIR_METADATA_RECORD_NO_OP] = apply_no_op,
    [WEIR_METADATA_RECORD_ZK_MIGRATION_STATE] = apply_zk_migration_state,
    [WEIR_METADATA_RECORD_REMOVE_USER_SCRAM_CREDENTIAL] = apply_remove_scram,
    [WEIR_METADATA_RECORD_BEGIN_TRANSACTION] = apply_begin_transaction,
    [WEIR_METADATA_RECORD_END_TRANSACTION] = apply_end_transaction,
    [WEIR_METADATA_RECORD_ABORT_TRANSACTION] = apply_abort_transaction,
    [WEIR_METADATA_RECORD_REMOVE_DELEGATION_TOKEN] = apply_remove_token,
    [WEIR_METADATA_RECORD_REGISTER_CONTROLLER] = apply_register_controller,
    [WEIR_METADATA_RECORD_CLEAR_ELR] = apply_clear_elr,
};

enum weir_status weir_image_builder_apply(struct weir_image_builder *builder, int16_t kind,
                                          int16_t version, struct weir_slice body,
                                          struct weir_detail *detail)
{
    const struct weir_record_type *type = weir_record_type_find(WEIR_RECORD_SET_METADATA, kind);
    apply_fn *apply = NULL;
    if (kind >= 0 && (size_t)kind < WEIR_ARRAY_COUNT(apply_fns))
        apply = apply_fns[kind];
    if (type == NULL || apply == NULL) {
        weir_detail_set(detail, "record type %d is not known to this version of weir", kind);
        return WEIR_UNSUPPORTED;
    }
    if (version < type->value->version_min || version > type->value->version_max) {
        weir_detail_set(detail, "%s has version %d, this version of weir knows %d to %d",
                        type->name, version, type->value->version_min, type->value->version_max);
        return WEIR_UNSUPPORTED;
    }
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_reader reader;
    weir_reader_init(&reader, body, &arena);
    struct replay replay = {.builder = builder,
                            .reader = &reader,
                            .kind = kind,
                            .version = version,
                            .body = body,
                            .detail = detail};
    enum weir_status status = apply(&replay);
    if (status == WEIR_CORRUPT)
        weir_detail_prefix(detail, "%s", type->name);
    weir_arena_done(&arena);
    builder->record_count++;
    return status;
}
