/* SPDX-License-Identifier: Apache-2.0 */

/* The records of a streams group, as Apache Kafka 4.3.0 writes them: lists in the order of ids and
 * numbers. */

#include "streams_int.h"

#include "weir/protocol/records/streams_group_current_member_assignment_key.h"
#include "weir/protocol/records/streams_group_current_member_assignment_value.h"
#include "weir/protocol/records/streams_group_member_metadata_key.h"
#include "weir/protocol/records/streams_group_metadata_key.h"
#include "weir/protocol/records/streams_group_metadata_value.h"
#include "weir/protocol/records/streams_group_target_assignment_member_key.h"
#include "weir/protocol/records/streams_group_target_assignment_member_value.h"
#include "weir/protocol/records/streams_group_target_assignment_metadata_key.h"
#include "weir/protocol/records/streams_group_target_assignment_metadata_value.h"
#include "weir/protocol/records/streams_group_topology_key.h"

void record_streams_group(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                          int64_t metadata_hash, int32_t validated_topology_epoch,
                          bool has_standby_replicas, int32_t standby_replicas)
{
    struct weir_streams_group_metadata_key key = {.group_id = group_id};
    struct weir_streams_group_metadata_value value;
    weir_streams_group_metadata_value_init(&value);
    value.epoch = epoch;
    value.metadata_hash = metadata_hash;
    value.validated_topology_epoch = validated_topology_epoch;
    struct weir_streams_group_metadata_value_last_assignment_config config;
    weir_streams_group_metadata_value_last_assignment_config_init(&config);
    config.key = WEIR_SLICE("num.standby.replicas");
    config.value = weir_arena_printf(&step->arena, "%d", standby_replicas);
    value.last_assignment_configs.items = &config;
    value.last_assignment_configs.count = has_standby_replicas ? 1 : 0;
    if (weir_slice_is_null(config.value)) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_METADATA, &key, 0, &value);
}

void record_streams_topology(struct weir_step *step, struct weir_slice group_id,
                             const topology_value *topology)
{
    struct weir_streams_group_topology_key key = {.group_id = group_id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_TOPOLOGY, &key, 0, topology);
}

void record_streams_member(struct weir_step *step, struct weir_slice group_id,
                           struct weir_slice member_id,
                           const struct weir_streams_group_member_metadata_value *value)
{
    struct weir_streams_group_member_metadata_key key = {.group_id = group_id,
                                                         .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_MEMBER_METADATA, &key, 0, value);
}

void record_streams_target_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                                 int64_t assignment_ms)
{
    struct weir_streams_group_target_assignment_metadata_key key = {.group_id = group_id};
    struct weir_streams_group_target_assignment_metadata_value value;
    weir_streams_group_target_assignment_metadata_value_init(&value);
    value.assignment_epoch = epoch;
    value.assignment_timestamp = assignment_ms;
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA, &key, 0, &value);
}

/* A run of tasks of one subtopology: from `at`, how many. */
static size_t run_length(const struct streams_tasks *tasks, size_t at)
{
    size_t end = at + 1;
    while (end < tasks->count &&
           weir_slice_equal(tasks->items[end].subtopology, tasks->items[at].subtopology))
        end++;
    return end - at;
}

static struct weir_streams_group_target_assignment_member_value_task_ids_array
target_list(struct weir_step *step, const struct streams_tasks *tasks)
{
    struct weir_streams_group_target_assignment_member_value_task_ids_array list = {0};
    list.items = weir_arena_calloc(&step->arena, tasks->count, sizeof(*list.items));
    int32_t *partitions = weir_arena_calloc(&step->arena, tasks->count, sizeof(*partitions));
    if (list.items == NULL || partitions == NULL) {
        step->status = WEIR_NO_MEMORY;
        return list;
    }
    for (size_t i = 0; i < tasks->count;) {
        size_t length = run_length(tasks, i);
        struct weir_streams_group_target_assignment_member_value_task_ids *ids =
            &list.items[list.count++];
        weir_streams_group_target_assignment_member_value_task_ids_init(ids);
        ids->subtopology_id = tasks->items[i].subtopology;
        ids->partitions = (struct weir_i32_array){&partitions[i], (int32_t)length};
        for (size_t j = 0; j < length; j++)
            partitions[i + j] = tasks->items[i + j].partition;
        i += length;
    }
    return list;
}

void record_streams_target(struct weir_step *step, struct weir_slice group_id,
                           struct weir_slice member_id, const struct streams_tuple *tasks)
{
    struct weir_streams_group_target_assignment_member_key key = {.group_id = group_id,
                                                                  .member_id = member_id};
    struct weir_streams_group_target_assignment_member_value value;
    weir_streams_group_target_assignment_member_value_init(&value);
    value.active_tasks = target_list(step, &tasks->active);
    value.standby_tasks = target_list(step, &tasks->standby);
    value.warmup_tasks = target_list(step, &tasks->warmup);
    if (step->status == WEIR_OK)
        record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER, &key, 0,
                     &value);
}

static struct weir_streams_group_current_member_assignment_value_task_ids_array
current_list(struct weir_step *step, const struct streams_tasks *tasks, bool has_epochs)
{
    struct weir_streams_group_current_member_assignment_value_task_ids_array list = {0};
    list.items = weir_arena_calloc(&step->arena, tasks->count, sizeof(*list.items));
    int32_t *numbers = weir_arena_calloc(&step->arena, 2 * tasks->count, sizeof(*numbers));
    if (list.items == NULL || numbers == NULL) {
        step->status = WEIR_NO_MEMORY;
        return list;
    }
    int32_t *epochs = numbers + tasks->count;
    for (size_t i = 0; i < tasks->count;) {
        size_t length = run_length(tasks, i);
        struct weir_streams_group_current_member_assignment_value_task_ids *ids =
            &list.items[list.count++];
        weir_streams_group_current_member_assignment_value_task_ids_init(ids);
        ids->subtopology_id = tasks->items[i].subtopology;
        ids->partitions = (struct weir_i32_array){&numbers[i], (int32_t)length};
        if (has_epochs)
            ids->assignment_epochs = (struct weir_i32_array){&epochs[i], (int32_t)length};
        for (size_t j = 0; j < length; j++) {
            numbers[i + j] = tasks->items[i + j].partition;
            epochs[i + j] = tasks->items[i + j].epoch;
        }
        i += length;
    }
    return list;
}

void record_streams_current(struct weir_step *step, struct weir_slice group_id,
                            struct weir_slice member_id, const struct streams_current *current)
{
    struct weir_streams_group_current_member_assignment_key key = {.group_id = group_id,
                                                                   .member_id = member_id};
    struct weir_streams_group_current_member_assignment_value value;
    weir_streams_group_current_member_assignment_value_init(&value);
    value.member_epoch = current->epoch;
    value.previous_member_epoch = current->previous_epoch;
    value.state = (int8_t)current->state;
    value.active_tasks = current_list(step, &current->assigned.active, true);
    value.standby_tasks = current_list(step, &current->assigned.standby, false);
    value.warmup_tasks = current_list(step, &current->assigned.warmup, false);
    value.active_tasks_pending_revocation = current_list(step, &current->revoking.active, true);
    value.standby_tasks_pending_revocation = current_list(step, &current->revoking.standby, false);
    value.warmup_tasks_pending_revocation = current_list(step, &current->revoking.warmup, false);
    if (step->status == WEIR_OK)
        record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT, &key, 0,
                     &value);
}

/* ---- Tombstones ---- */

static void tombstone_current(struct weir_step *step, struct weir_slice group_id,
                              struct weir_slice member_id)
{
    struct weir_streams_group_current_member_assignment_key key = {.group_id = group_id,
                                                                   .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT, &key, 0, NULL);
}

static void tombstone_target(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice member_id)
{
    struct weir_streams_group_target_assignment_member_key key = {.group_id = group_id,
                                                                  .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER, &key, 0, NULL);
}

static void tombstone_member(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice member_id)
{
    struct weir_streams_group_member_metadata_key key = {.group_id = group_id,
                                                         .member_id = member_id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_MEMBER_METADATA, &key, 0, NULL);
}

void tombstones_streams_member(struct weir_step *step, struct weir_slice group_id,
                               struct weir_slice member_id)
{
    tombstone_current(step, group_id, member_id);
    tombstone_target(step, group_id, member_id);
    tombstone_member(step, group_id, member_id);
}

void tombstones_streams_group(const struct group *base, struct weir_step *step)
{
    const struct streams_group *group = streams_of_const(base);
    struct streams_member **members;
    if (streams_members_sorted(group, &step->arena, &members) != WEIR_OK) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < group->members.count; i++)
        tombstone_current(step, base->id, members[i]->id);
    for (size_t i = 0; i < group->members.count; i++)
        tombstone_target(step, base->id, members[i]->id);
    struct weir_streams_group_target_assignment_metadata_key target = {.group_id = base->id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA, &target, 0,
                 NULL);
    for (size_t i = 0; i < group->members.count; i++)
        tombstone_member(step, base->id, members[i]->id);
    struct weir_streams_group_metadata_key key = {.group_id = base->id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_METADATA, &key, 0, NULL);
    struct weir_streams_group_topology_key topology = {.group_id = base->id};
    record_write(step, WEIR_GROUP_RECORD_STREAMS_GROUP_TOPOLOGY, &topology, 0, NULL);
}
