/* SPDX-License-Identifier: Apache-2.0 */

/* The records of consumer groups, 3 to 8 and 16, in the versions Apache Kafka 4.3.0 writes (0). */

#include "consumer_int.h"

#include "weir/protocol/records/consumer_group_current_member_assignment_key.h"
#include "weir/protocol/records/consumer_group_current_member_assignment_value.h"
#include "weir/protocol/records/consumer_group_member_metadata_key.h"
#include "weir/protocol/records/consumer_group_member_metadata_value.h"
#include "weir/protocol/records/consumer_group_metadata_key.h"
#include "weir/protocol/records/consumer_group_metadata_value.h"
#include "weir/protocol/records/consumer_group_partition_metadata_key.h"
#include "weir/protocol/records/consumer_group_regular_expression_key.h"
#include "weir/protocol/records/consumer_group_regular_expression_value.h"
#include "weir/protocol/records/consumer_group_target_assignment_member_key.h"
#include "weir/protocol/records/consumer_group_target_assignment_member_value.h"
#include "weir/protocol/records/consumer_group_target_assignment_metadata_key.h"
#include "weir/protocol/records/consumer_group_target_assignment_metadata_value.h"

typedef struct weir_consumer_group_current_member_assignment_value_topic_partitions held_topic;
typedef struct weir_consumer_group_current_member_assignment_value_topic_partitions_array
    held_topics;
typedef struct weir_consumer_group_target_assignment_member_value_topic_partition target_topic;

/* ---- Members ---- */

void record_consumer_member(struct weir_step *step, struct weir_slice group_id,
                            const struct member_data *member)
{
    struct weir_consumer_group_member_metadata_key key = {.group_id = group_id,
                                                          .member_id = member->id};
    struct weir_consumer_group_member_metadata_value value;
    weir_consumer_group_member_metadata_value_init(&value);
    value.instance_id = member->instance_id;
    value.rack_id = member->rack_id;
    value.client_id = or_empty(member->client_id);
    value.client_host = or_empty(member->client_host);
    value.subscribed_topic_names.items = (void *)(uintptr_t)member->topics; /* only read */
    value.subscribed_topic_names.count = (int32_t)member->topic_count;
    value.subscribed_topic_regex = member->regex;
    value.rebalance_timeout_ms = member->rebalance_timeout_ms;
    value.server_assignor = member->assignor;
    value.classic_member_metadata =
        NULL; /* written as null: the schema's default is an empty one */
    struct weir_consumer_group_member_metadata_value_classic_member_metadata classic;
    weir_consumer_group_member_metadata_value_classic_member_metadata_init(&classic);
    if (member->is_classic) {
        classic.session_timeout_ms = member->classic_session_timeout_ms;
        classic.supported_protocols.items = weir_arena_calloc(
            &step->arena, member->protocol_count + 1, sizeof(*classic.supported_protocols.items));
        if (classic.supported_protocols.items == NULL) {
            step->status = WEIR_NO_MEMORY;
            return;
        }
        for (size_t i = 0; i < member->protocol_count; i++) {
            classic.supported_protocols.items[i].name = member->protocols[i].name;
            classic.supported_protocols.items[i].metadata = or_empty(member->protocols[i].metadata);
        }
        classic.supported_protocols.count = (int32_t)member->protocol_count;
        value.classic_member_metadata = &classic;
    }
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_MEMBER_METADATA, &key, 0, &value);
}

void record_consumer_member_tombstone(struct weir_step *step, struct weir_slice group_id,
                                      struct weir_slice member_id)
{
    struct weir_consumer_group_member_metadata_key key = {.group_id = group_id,
                                                          .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_MEMBER_METADATA, &key, 0, NULL);
}

/* ---- The group ---- */

void record_consumer_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                           int64_t metadata_hash)
{
    struct weir_consumer_group_metadata_key key = {.group_id = group_id};
    struct weir_consumer_group_metadata_value value;
    weir_consumer_group_metadata_value_init(&value);
    value.epoch = epoch;
    value.metadata_hash = metadata_hash;
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_METADATA, &key, 0, &value);
}

void record_consumer_epoch_tombstone(struct weir_step *step, struct weir_slice group_id)
{
    struct weir_consumer_group_metadata_key key = {.group_id = group_id};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_METADATA, &key, 0, NULL);
}

void record_consumer_partition_metadata_tombstone(struct weir_step *step,
                                                  struct weir_slice group_id)
{
    struct weir_consumer_group_partition_metadata_key key = {.group_id = group_id};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_PARTITION_METADATA, &key, 0, NULL);
}

/* ---- The target assignment ---- */

static size_t topic_end(const struct partition_set *set, size_t first)
{
    size_t end = first + 1;
    while (end < set->count &&
           weir_uuid_equal(set->items[end].topic_id, set->items[first].topic_id))
        end++;
    return end;
}

void record_consumer_target(struct weir_step *step, struct weir_slice group_id,
                            struct weir_slice member_id, const struct partition_set *partitions)
{
    struct weir_consumer_group_target_assignment_member_key key = {.group_id = group_id,
                                                                   .member_id = member_id};
    struct weir_consumer_group_target_assignment_member_value value;
    weir_consumer_group_target_assignment_member_value_init(&value);
    value.topic_partitions.items = weir_arena_calloc(&step->arena, partitions->count + 1,
                                                     sizeof(*value.topic_partitions.items));
    int32_t *numbers = weir_arena_calloc(&step->arena, partitions->count + 1, sizeof(*numbers));
    if (value.topic_partitions.items == NULL || numbers == NULL) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    for (size_t i = 0, end; i < partitions->count; i = end) {
        end = topic_end(partitions, i);
        target_topic *topic = &value.topic_partitions.items[value.topic_partitions.count++];
        weir_consumer_group_target_assignment_member_value_topic_partition_init(topic);
        topic->topic_id = partitions->items[i].topic_id;
        topic->partitions.items = numbers + i;
        topic->partitions.count = (int32_t)(end - i);
        for (size_t j = i; j < end; j++)
            numbers[j] = partitions->items[j].partition;
    }
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, &key, 0, &value);
}

void record_consumer_target_tombstone(struct weir_step *step, struct weir_slice group_id,
                                      struct weir_slice member_id)
{
    struct weir_consumer_group_target_assignment_member_key key = {.group_id = group_id,
                                                                   .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER, &key, 0, NULL);
}

void record_consumer_target_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch)
{
    struct weir_consumer_group_target_assignment_metadata_key key = {.group_id = group_id};
    struct weir_consumer_group_target_assignment_metadata_value value;
    weir_consumer_group_target_assignment_metadata_value_init(&value);
    value.assignment_epoch = epoch;
    value.assignment_timestamp = step->wall_ms;
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA, &key, 0,
                 &value);
}

void record_consumer_target_epoch_tombstone(struct weir_step *step, struct weir_slice group_id)
{
    struct weir_consumer_group_target_assignment_metadata_key key = {.group_id = group_id};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA, &key, 0, NULL);
}

/* ---- The current assignment ---- */

static bool fill_held(struct weir_step *step, const struct partition_set *set, held_topics *out)
{
    out->items = weir_arena_calloc(&step->arena, set->count + 1, sizeof(*out->items));
    int32_t *numbers = weir_arena_calloc(&step->arena, set->count + 1, sizeof(*numbers));
    int32_t *epochs = weir_arena_calloc(&step->arena, set->count + 1, sizeof(*epochs));
    if (out->items == NULL || numbers == NULL || epochs == NULL) {
        step->status = WEIR_NO_MEMORY;
        return false;
    }
    for (size_t i = 0, end; i < set->count; i = end) {
        end = topic_end(set, i);
        held_topic *topic = &out->items[out->count++];
        weir_consumer_group_current_member_assignment_value_topic_partitions_init(topic);
        topic->topic_id = set->items[i].topic_id;
        topic->partitions.items = numbers + i;
        topic->partitions.count = (int32_t)(end - i);
        topic->assignment_epochs.items = epochs + i;
        topic->assignment_epochs.count = (int32_t)(end - i);
        for (size_t j = i; j < end; j++) {
            numbers[j] = set->items[j].partition;
            epochs[j] = set->items[j].epoch;
        }
    }
    return true;
}

void record_consumer_assignment(struct weir_step *step, struct weir_slice group_id,
                                const struct member_data *member)
{
    struct weir_consumer_group_current_member_assignment_key key = {.group_id = group_id,
                                                                    .member_id = member->id};
    struct weir_consumer_group_current_member_assignment_value value;
    weir_consumer_group_current_member_assignment_value_init(&value);
    value.member_epoch = member->epoch;
    value.previous_member_epoch = member->previous_epoch;
    value.state = (int8_t)member->state;
    if (fill_held(step, &member->assigned, &value.assigned_partitions) &&
        fill_held(step, &member->revoking, &value.partitions_pending_revocation))
        record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT, &key, 0,
                     &value);
}

void record_consumer_assignment_tombstone(struct weir_step *step, struct weir_slice group_id,
                                          struct weir_slice member_id)
{
    struct weir_consumer_group_current_member_assignment_key key = {.group_id = group_id,
                                                                    .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT, &key, 0, NULL);
}

/* ---- Regular expressions ---- */

void record_consumer_regex(struct weir_step *step, struct weir_slice group_id,
                           const struct resolved_regex *regex)
{
    struct weir_consumer_group_regular_expression_key key = {.group_id = group_id,
                                                             .regular_expression = regex->text};
    struct weir_consumer_group_regular_expression_value value;
    weir_consumer_group_regular_expression_value_init(&value);
    value.topics.items = regex->topics;
    value.topics.count = (int32_t)regex->topic_count;
    value.version = regex->version;
    value.timestamp = regex->wall_ms;
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION, &key, 0, &value);
}

void record_consumer_regex_tombstone(struct weir_step *step, struct weir_slice group_id,
                                     struct weir_slice regex)
{
    struct weir_consumer_group_regular_expression_key key = {.group_id = group_id,
                                                             .regular_expression = regex};
    record_write(step, WEIR_GROUP_RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION, &key, 0, NULL);
}

/* ---- Going ---- */

void record_consumer_member_gone(struct weir_step *step, struct weir_slice group_id,
                                 struct weir_slice member_id)
{
    record_consumer_assignment_tombstone(step, group_id, member_id);
    record_consumer_target_tombstone(step, group_id, member_id);
    record_consumer_member_tombstone(step, group_id, member_id);
}

void consumer_write_tombstones(const struct consumer_group *group, struct weir_slice renamed_from,
                               struct weir_slice renamed_to, struct weir_step *step)
{
    static void (*const by_member[])(struct weir_step *, struct weir_slice, struct weir_slice) = {
        record_consumer_assignment_tombstone, record_consumer_target_tombstone,
        record_consumer_member_tombstone};
    struct weir_slice group_id = group->base.id;
    struct consumer_member **members = consumer_sorted_members(group, &step->arena);
    if (members == NULL) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    for (size_t pass = 0; pass < WEIR_ARRAY_COUNT(by_member); pass++) {
        if (pass == 2)
            record_consumer_target_epoch_tombstone(step, group_id);
        for (size_t i = 0; i < group->members.count; i++) {
            struct weir_slice id = members[i]->data.id;
            bool is_renamed =
                !weir_slice_is_null(renamed_from) && weir_slice_equal(id, renamed_from);
            by_member[pass](step, group_id, is_renamed ? renamed_to : id);
        }
    }
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->regexes, &cursor)) != NULL)
        record_consumer_regex_tombstone(step, group_id,
                                        ((const struct resolved_regex *)entry->value)->text);
    record_consumer_partition_metadata_tombstone(step, group_id);
    record_consumer_epoch_tombstone(step, group_id);
}
