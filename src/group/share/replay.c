/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The records of share groups into state.  A compacted log has values in any order and tombstones
 * for what is not there: whatever a value is about is made when it is missing, a tombstone of
 * nothing is passed over.
 */

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

#include <stdlib.h>

static enum weir_status find_or_make(struct group_machine *machine, struct weir_slice id,
                                     struct share_group **out)
{
    struct group *group = machine_group(machine, id);
    enum weir_status status = WEIR_OK;
    if (group != NULL && !group_is(group, GROUP_SHARE)) {
        if (!group_is(group, GROUP_CLASSIC))
            return WEIR_CORRUPT; /* records of two kinds that exclude each other */
        machine_remove_group(machine, group, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
        group = NULL;
    }
    if (group == NULL)
        status = machine_add_group(machine, id, GROUP_SHARE, NO_TIMESTAMP, &group);
    if (status == WEIR_OK)
        *out = share_of(group);
    return status;
}

static enum weir_status find_or_make_member(struct group_machine *machine,
                                            struct weir_slice group_id, struct weir_slice id,
                                            struct share_member **out)
{
    struct share_group *group;
    enum weir_status status = find_or_make(machine, group_id, &group);
    if (status != WEIR_OK)
        return status;
    *out = share_find_member(group, id);
    return *out != NULL ? WEIR_OK : share_member_new(group, id, out);
}

/* A reader over a copy of the value that lies in arena, past its version. */
static enum weir_status reader_over_copy(const struct weir_replayed *record,
                                         struct weir_arena *arena, struct weir_reader *out,
                                         int16_t *out_version)
{
    struct weir_slice copy;
    weir_arena_init(arena, 0);
    enum weir_status status = weir_arena_copy(arena, record->value, &copy);
    if (status != WEIR_OK)
        return status;
    weir_reader_init(out, copy, arena);
    *out_version = weir_coordinator_prefix_read(out);
    return weir_reader_status(out);
}

/* ---- 11 ---- */

enum weir_status replay_share_group(struct group_machine *machine,
                                    const struct weir_replayed *record, struct weir_reader *key,
                                    struct weir_reader *reader)
{
    struct weir_share_group_metadata_key where;
    weir_share_group_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct share_group *group = share_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL)
            machine_remove_group(machine, &group->base, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
        return WEIR_OK;
    }
    struct weir_share_group_metadata_value value;
    weir_share_group_metadata_value_read(reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status != WEIR_OK)
        return status;
    group->epoch = value.epoch;
    group->metadata_hash = value.metadata_hash;
    return WEIR_OK;
}

/* ---- 10 ---- */

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

enum weir_status replay_share_member(struct group_machine *machine,
                                     const struct weir_replayed *record, struct weir_reader *key,
                                     struct weir_reader *unused)
{
    (void)unused; /* the value is read from a copy that stays */
    struct weir_share_group_member_metadata_key where;
    weir_share_group_member_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    if (weir_slice_is_null(record->value)) {
        struct share_group *group = share_group_of(machine, where.group_id);
        struct share_member *gone =
            group == NULL ? NULL : share_find_member(group, where.member_id);
        if (gone != NULL)
            share_remove_member(group, gone);
        return WEIR_OK;
    }
    struct weir_arena arena;
    struct weir_reader reader;
    int16_t version;
    share_member_value value;
    struct share_member *member = NULL;
    enum weir_status status = reader_over_copy(record, &arena, &reader, &version);
    if (status == WEIR_OK) {
        weir_share_group_member_metadata_value_read(&reader, version, &value);
        status = weir_reader_status(&reader);
    }
    if (status == WEIR_OK)
        status = find_or_make_member(machine, where.group_id, where.member_id, &member);
    if (status != WEIR_OK) {
        weir_arena_done(&arena);
        return status;
    }
    if (value.subscribed_topic_names.count > 1)
        qsort(value.subscribed_topic_names.items, (size_t)value.subscribed_topic_names.count,
              sizeof(*value.subscribed_topic_names.items), compare_names);
    weir_arena_done(&member->metadata_arena);
    member->metadata_arena = arena;
    member->metadata = value;
    member->group->may_be_pending = true;
    return WEIR_OK;
}

/* ---- 12 ---- */

enum weir_status replay_share_target_epoch(struct group_machine *machine,
                                           const struct weir_replayed *record,
                                           struct weir_reader *key, struct weir_reader *reader)
{
    struct weir_share_group_target_assignment_metadata_key where;
    weir_share_group_target_assignment_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct share_group *group = share_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL) {
            group->assignment_epoch = SHARE_EPOCH_NONE;
            group->assignment_ms = 0;
        }
        return WEIR_OK;
    }
    struct weir_share_group_target_assignment_metadata_value value;
    weir_share_group_target_assignment_metadata_value_read(
        reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status != WEIR_OK)
        return status;
    group->assignment_epoch = value.assignment_epoch;
    group->assignment_ms = value.assignment_timestamp;
    return WEIR_OK;
}

/* ---- 13 ---- */

enum weir_status replay_share_target(struct group_machine *machine,
                                     const struct weir_replayed *record, struct weir_reader *key,
                                     struct weir_reader *reader)
{
    struct weir_share_group_target_assignment_member_key where;
    weir_share_group_target_assignment_member_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct share_group *group = share_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL)
            share_remove_target(group, where.member_id);
        return WEIR_OK;
    }
    struct weir_share_group_target_assignment_member_value value;
    weir_share_group_target_assignment_member_value_read(
        reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    if (status != WEIR_OK)
        return status;
    size_t total = 0;
    for (int32_t i = 0; i < value.topic_partitions.count; i++)
        total += (size_t)value.topic_partitions.items[i].partitions.count;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct partition_set set;
    status = partition_set_room(&arena, total, &set);
    for (int32_t i = 0; i < value.topic_partitions.count && status == WEIR_OK; i++)
        for (int32_t j = 0; j < value.topic_partitions.items[i].partitions.count; j++)
            set.items[set.count++] = (struct held_partition){
                .topic_id = value.topic_partitions.items[i].topic_id,
                .partition = value.topic_partitions.items[i].partitions.items[j]};
    if (status == WEIR_OK) {
        partition_set_normalise(&set);
        status = find_or_make(machine, where.group_id, &group);
    }
    if (status == WEIR_OK)
        status = share_set_target(group, where.member_id, &set);
    weir_arena_done(&arena);
    return status;
}

/* ---- 14 ---- */

static enum weir_status
read_assigned(const struct weir_share_group_current_member_assignment_value *value,
              struct weir_arena *arena, struct partition_set *out)
{
    size_t total = 0;
    for (int32_t i = 0; i < value->assigned_partitions.count; i++)
        total += (size_t)value->assigned_partitions.items[i].partitions.count;
    enum weir_status status = partition_set_room(arena, total, out);
    for (int32_t i = 0; i < value->assigned_partitions.count && status == WEIR_OK; i++)
        for (int32_t j = 0; j < value->assigned_partitions.items[i].partitions.count; j++)
            out->items[out->count++] = (struct held_partition){
                .topic_id = value->assigned_partitions.items[i].topic_id,
                .partition = value->assigned_partitions.items[i].partitions.items[j]};
    if (status == WEIR_OK)
        partition_set_normalise(out);
    return status;
}

enum weir_status replay_share_current(struct group_machine *machine,
                                      const struct weir_replayed *record, struct weir_reader *key,
                                      struct weir_reader *reader)
{
    struct weir_share_group_current_member_assignment_key where;
    weir_share_group_current_member_assignment_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct share_group *group = share_group_of(machine, where.group_id);
    struct share_member *member = group == NULL ? NULL : share_find_member(group, where.member_id);
    if (weir_slice_is_null(record->value)) {
        if (member != NULL) {
            member->epoch = WEIR_GROUP_LEAVE_EPOCH;
            member->previous_epoch = WEIR_GROUP_LEAVE_EPOCH;
            partition_set_drop(&member->assigned);
        }
        return WEIR_OK;
    }
    struct weir_share_group_current_member_assignment_value value;
    weir_share_group_current_member_assignment_value_read(
        reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct partition_set set = {0};
    struct partition_set kept = {0};
    if (status == WEIR_OK)
        status = read_assigned(&value, &arena, &set);
    if (status == WEIR_OK)
        status = partition_set_dup(&set, &kept);
    weir_arena_done(&arena);
    if (status == WEIR_OK)
        status = find_or_make_member(machine, where.group_id, where.member_id, &member);
    if (status != WEIR_OK) {
        partition_set_drop(&kept);
        return status;
    }
    member->epoch = value.member_epoch;
    member->previous_epoch = value.previous_member_epoch;
    partition_set_drop(&member->assigned);
    member->assigned = kept;
    return WEIR_OK;
}

/* ---- 15 ---- */

static int compare_i32(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

static enum weir_status read_topics(
    const struct weir_share_group_state_partition_metadata_value_topic_partitions_info_array *from,
    int64_t now_ms, struct weir_arena *arena, struct share_topics *out)
{
    out->items = weir_arena_calloc(arena, (size_t)from->count + 1, sizeof(*out->items));
    if (out->items == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (int32_t i = 0; i < from->count && status == WEIR_OK; i++) {
        struct weir_i32_array partitions = from->items[i].partitions;
        if (partitions.count > 1)
            qsort(partitions.items, (size_t)partitions.count, sizeof(*partitions.items),
                  compare_i32);
        struct share_topic topic = {.id = from->items[i].topic_id,
                                    .name = from->items[i].topic_name,
                                    .partitions = partitions.items,
                                    .count = (size_t)partitions.count,
                                    .since_ms = now_ms};
        status = share_topics_add(out, &topic, arena);
    }
    return status;
}

static enum weir_status
read_state(const struct weir_share_group_state_partition_metadata_value *value, int64_t now_ms,
           struct weir_arena *arena, struct share_state *out)
{
    enum weir_status status =
        read_topics(&value->initializing_topics, now_ms, arena, &out->initializing);
    if (status == WEIR_OK)
        status = read_topics(&value->initialized_topics, now_ms, arena, &out->initialized);
    out->deleting.items = weir_arena_calloc(arena, (size_t)value->deleting_topics.count + 1,
                                            sizeof(*out->deleting.items));
    if (out->deleting.items == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < value->deleting_topics.count && status == WEIR_OK; i++) {
        struct share_topic topic = {.id = value->deleting_topics.items[i].topic_id,
                                    .name = value->deleting_topics.items[i].topic_name,
                                    .since_ms = now_ms};
        status = share_topics_add(&out->deleting, &topic, arena);
    }
    return status;
}

enum weir_status replay_share_state(struct group_machine *machine,
                                    const struct weir_replayed *record, struct weir_reader *key,
                                    struct weir_reader *unused)
{
    (void)unused; /* the value is read from a copy that stays */
    struct weir_share_group_state_partition_metadata_key where;
    weir_share_group_state_partition_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct share_group *group = share_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL) {
            weir_arena_done(&group->state_arena);
            group->state_arena = (struct weir_arena){0};
            group->state = (struct share_state){0};
            group->has_state = false;
            group->may_be_pending = true;
        }
        return WEIR_OK;
    }
    struct weir_arena arena;
    struct weir_reader reader;
    int16_t version;
    struct share_state state = {0};
    enum weir_status status = reader_over_copy(record, &arena, &reader, &version);
    if (status == WEIR_OK) {
        struct weir_share_group_state_partition_metadata_value value;
        weir_share_group_state_partition_metadata_value_read(&reader, version, &value);
        status = weir_reader_status(&reader);
        if (status == WEIR_OK)
            status = read_state(&value, machine->now_ms, &arena, &state);
    }
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status != WEIR_OK) {
        weir_arena_done(&arena);
        return status;
    }
    for (size_t i = 0; i < state.initializing.count; i++) {
        const struct share_topic *before =
            share_topics_find(&group->state.initializing, state.initializing.items[i].id);
        state.initializing.items[i].job = machine->share_job;
        if (before == NULL)
            continue;
        state.initializing.items[i].since_ms = before->since_ms; /* it is still the same question */
        state.initializing.items[i].job = before->job;
    }
    weir_arena_done(&group->state_arena);
    group->state_arena = arena;
    group->state = state;
    group->has_state = true;
    group->may_be_pending = true;
    return WEIR_OK;
}
