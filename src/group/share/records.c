/* SPDX-License-Identifier: Apache-2.0 */

/* The records of a share group, as Apache Kafka 4.3.0 writes them: lists in the order of ids and
 * numbers. */

#include "share_int.h"

#include "weir/protocol/records/share_group_current_member_assignment_key.h"
#include "weir/protocol/records/share_group_current_member_assignment_value.h"
#include "weir/protocol/records/share_group_member_metadata_key.h"
#include "weir/protocol/records/share_group_metadata_key.h"
#include "weir/protocol/records/share_group_metadata_value.h"
#include "weir/protocol/records/share_group_state_partition_metadata_key.h"
#include "weir/protocol/records/share_group_state_partition_metadata_value.h"
#include "weir/protocol/records/share_group_target_assignment_member_key.h"
#include "weir/protocol/records/share_group_target_assignment_member_value.h"
#include "weir/protocol/records/share_group_target_assignment_metadata_key.h"
#include "weir/protocol/records/share_group_target_assignment_metadata_value.h"

void record_share_group(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                        int64_t metadata_hash)
{
    struct weir_share_group_metadata_key key = {.group_id = group_id};
    struct weir_share_group_metadata_value value;
    weir_share_group_metadata_value_init(&value);
    value.epoch = epoch;
    value.metadata_hash = metadata_hash;
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_METADATA, &key, 0, &value);
}

void record_share_member(struct weir_step *step, struct weir_slice group_id,
                         struct weir_slice member_id, const share_member_value *value)
{
    struct weir_share_group_member_metadata_key key = {.group_id = group_id,
                                                       .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_MEMBER_METADATA, &key, 0, value);
}

void record_share_target_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                               int64_t assignment_ms)
{
    struct weir_share_group_target_assignment_metadata_key key = {.group_id = group_id};
    struct weir_share_group_target_assignment_metadata_value value;
    weir_share_group_target_assignment_metadata_value_init(&value);
    value.assignment_epoch = epoch;
    value.assignment_timestamp = assignment_ms;
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_TARGET_ASSIGNMENT_METADATA, &key, 0, &value);
}

void record_share_target(struct weir_step *step, struct weir_slice group_id,
                         struct weir_slice member_id, const struct partition_set *partitions)
{
    struct weir_share_group_target_assignment_member_key key = {.group_id = group_id,
                                                                .member_id = member_id};
    struct weir_share_group_target_assignment_member_value value;
    weir_share_group_target_assignment_member_value_init(&value);
    const struct weir_group_topic_partitions *topics;
    size_t count;
    if (partition_set_to_answer(partitions, NULL, &step->arena, &topics, &count) != WEIR_OK)
        goto no_memory;
    value.topic_partitions.items =
        weir_arena_calloc(&step->arena, count + 1, sizeof(*value.topic_partitions.items));
    if (value.topic_partitions.items == NULL)
        goto no_memory;
    value.topic_partitions.count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct weir_share_group_target_assignment_member_value_topic_partition *out =
            &value.topic_partitions.items[i];
        weir_share_group_target_assignment_member_value_topic_partition_init(out);
        out->topic_id = topics[i].topic_id;
        out->partitions.items = (int32_t *)(uintptr_t)topics[i].partitions;
        out->partitions.count = (int32_t)topics[i].partition_count;
    }
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER, &key, 0, &value);
    return;
no_memory:
    step->status = WEIR_NO_MEMORY;
}

void record_share_current(struct weir_step *step, struct weir_slice group_id,
                          struct weir_slice member_id, int32_t epoch, int32_t previous_epoch,
                          const struct partition_set *assigned)
{
    struct weir_share_group_current_member_assignment_key key = {.group_id = group_id,
                                                                 .member_id = member_id};
    struct weir_share_group_current_member_assignment_value value;
    weir_share_group_current_member_assignment_value_init(&value);
    value.member_epoch = epoch;
    value.previous_member_epoch = previous_epoch;
    value.state = SHARE_MEMBER_STABLE;
    const struct weir_group_topic_partitions *topics;
    size_t count;
    if (partition_set_to_answer(assigned, NULL, &step->arena, &topics, &count) != WEIR_OK)
        goto no_memory;
    value.assigned_partitions.items =
        weir_arena_calloc(&step->arena, count + 1, sizeof(*value.assigned_partitions.items));
    if (value.assigned_partitions.items == NULL)
        goto no_memory;
    value.assigned_partitions.count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct weir_share_group_current_member_assignment_value_topic_partitions *out =
            &value.assigned_partitions.items[i];
        weir_share_group_current_member_assignment_value_topic_partitions_init(out);
        out->topic_id = topics[i].topic_id;
        out->partitions.items = (int32_t *)(uintptr_t)topics[i].partitions;
        out->partitions.count = (int32_t)topics[i].partition_count;
    }
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT, &key, 0, &value);
    return;
no_memory:
    step->status = WEIR_NO_MEMORY;
}

/* ---- 15 ---- */

typedef struct weir_share_group_state_partition_metadata_value_topic_partitions_info_array infos;

static infos make_infos(struct weir_step *step, const struct share_topics *topics)
{
    infos out = {0};
    out.items = weir_arena_calloc(&step->arena, topics->count + 1, sizeof(*out.items));
    if (out.items == NULL) {
        step->status = WEIR_NO_MEMORY;
        return out;
    }
    out.count = (int32_t)topics->count;
    for (size_t i = 0; i < topics->count; i++) {
        weir_share_group_state_partition_metadata_value_topic_partitions_info_init(&out.items[i]);
        out.items[i].topic_id = topics->items[i].id;
        out.items[i].topic_name = topics->items[i].name;
        out.items[i].partitions.items = (int32_t *)(uintptr_t)topics->items[i].partitions;
        out.items[i].partitions.count = (int32_t)topics->items[i].count;
    }
    return out;
}

void record_share_state(struct weir_step *step, struct weir_slice group_id,
                        const struct share_state *state)
{
    struct weir_share_group_state_partition_metadata_key key = {.group_id = group_id};
    struct weir_share_group_state_partition_metadata_value value;
    weir_share_group_state_partition_metadata_value_init(&value);
    value.initializing_topics = make_infos(step, &state->initializing);
    value.initialized_topics = make_infos(step, &state->initialized);
    value.deleting_topics.items = weir_arena_calloc(&step->arena, state->deleting.count + 1,
                                                    sizeof(*value.deleting_topics.items));
    if (value.deleting_topics.items == NULL)
        step->status = WEIR_NO_MEMORY;
    for (size_t i = 0; i < state->deleting.count && step->status == WEIR_OK; i++) {
        struct weir_share_group_state_partition_metadata_value_topic_info *out =
            &value.deleting_topics.items[value.deleting_topics.count++];
        weir_share_group_state_partition_metadata_value_topic_info_init(out);
        out->topic_id = state->deleting.items[i].id;
        out->topic_name = state->deleting.items[i].name;
    }
    if (step->status == WEIR_OK)
        record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_STATE_PARTITION_METADATA, &key, 0, &value);
}

/* ---- Tombstones ---- */

static void tombstone_current(struct weir_step *step, struct weir_slice group_id,
                              struct weir_slice member_id)
{
    struct weir_share_group_current_member_assignment_key key = {.group_id = group_id,
                                                                 .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT, &key, 0, NULL);
}

static void tombstone_target(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice member_id)
{
    struct weir_share_group_target_assignment_member_key key = {.group_id = group_id,
                                                                .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER, &key, 0, NULL);
}

static void tombstone_member(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice member_id)
{
    struct weir_share_group_member_metadata_key key = {.group_id = group_id,
                                                       .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_MEMBER_METADATA, &key, 0, NULL);
}

void tombstones_share_member(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice member_id)
{
    tombstone_current(step, group_id, member_id);
    tombstone_target(step, group_id, member_id);
    tombstone_member(step, group_id, member_id);
}

void tombstones_share_group(const struct group *base, struct weir_step *step)
{
    const struct share_group *group = share_of_const(base);
    struct share_member **members;
    if (share_members_sorted(group, &step->arena, &members) != WEIR_OK) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < group->members.count; i++)
        tombstone_current(step, base->id, members[i]->id);
    for (size_t i = 0; i < group->members.count; i++)
        tombstone_target(step, base->id, members[i]->id);
    struct weir_share_group_target_assignment_metadata_key target = {.group_id = base->id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_TARGET_ASSIGNMENT_METADATA, &target, 0, NULL);
    for (size_t i = 0; i < group->members.count; i++)
        tombstone_member(step, base->id, members[i]->id);
    struct weir_share_group_state_partition_metadata_key state = {.group_id = base->id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_STATE_PARTITION_METADATA, &state, 0, NULL);
    struct weir_share_group_metadata_key key = {.group_id = base->id};
    record_write(step, WEIR_GROUP_RECORD_SHARE_GROUP_METADATA, &key, 0, NULL);
}
