/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The records of streams groups into state.  A compacted log has values in any order and
 * tombstones for what is not there: whatever a value is about is made when it is missing, a
 * tombstone of nothing is passed over.
 */

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

#include "weir/base/memory.h"

/* The group a value is about.  Offsets that were read before made it a classic one. */
static enum weir_status find_or_make(struct group_machine *machine, struct weir_slice id,
                                     struct streams_group **out)
{
    struct group *group = machine_group(machine, id);
    enum weir_status status = WEIR_OK;
    if (group != NULL && !group_is(group, GROUP_STREAMS)) {
        if (!group_is(group, GROUP_CLASSIC))
            return WEIR_CORRUPT; /* records of two kinds that exclude each other */
        machine_remove_group(machine, group, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
        group = NULL;
    }
    if (group == NULL) {
        status = machine_add_group(machine, id, GROUP_STREAMS, NO_TIMESTAMP, &group);
        if (status == WEIR_OK)
            streams_of(group)->awaits_delay = machine->image != NULL; /* not while loading */
    }
    if (status == WEIR_OK)
        *out = streams_of(group);
    return status;
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

/* ---- 17 ---- */

static void read_configs(struct streams_group *group,
                         const struct weir_streams_group_metadata_value *value)
{
    group->has_standby_replicas = false;
    for (int32_t i = 0; i < value->last_assignment_configs.count; i++) {
        struct weir_slice text = value->last_assignment_configs.items[i].value;
        if (!weir_slice_is(value->last_assignment_configs.items[i].key, "num.standby.replicas") ||
            text.size == 0 || text.size > 9)
            continue;
        int32_t number = 0;
        for (size_t j = 0; j < text.size; j++)
            number =
                number * 10 + (text.data[j] >= '0' && text.data[j] <= '9' ? text.data[j] - '0' : 0);
        group->has_standby_replicas = true;
        group->standby_replicas = number;
    }
}

enum weir_status replay_streams_group(struct group_machine *machine,
                                      const struct weir_replayed *record, struct weir_reader *key,
                                      struct weir_reader *reader)
{
    struct weir_streams_group_metadata_key where;
    weir_streams_group_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct streams_group *group = streams_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL)
            machine_remove_group(machine, &group->base, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
        return WEIR_OK;
    }
    struct weir_streams_group_metadata_value value;
    weir_streams_group_metadata_value_read(reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status != WEIR_OK)
        return status;
    group->epoch = value.epoch;
    group->metadata_hash = value.metadata_hash;
    group->validated_topology_epoch = value.validated_topology_epoch;
    read_configs(group, &value);
    return WEIR_OK;
}

/* ---- 19 ---- */

static enum weir_status make_member(struct streams_group *group, struct weir_slice id,
                                    struct streams_member **out)
{
    *out = streams_find_member(group, id);
    return *out != NULL ? WEIR_OK : streams_member_new(group, id, out);
}

enum weir_status replay_streams_member(struct group_machine *machine,
                                       const struct weir_replayed *record, struct weir_reader *key,
                                       struct weir_reader *unused)
{
    (void)unused; /* the value is read from a copy that stays */
    struct weir_streams_group_member_metadata_key where;
    weir_streams_group_member_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct streams_group *group = streams_group_of(machine, where.group_id);
    struct streams_member *member =
        group == NULL ? NULL : streams_find_member(group, where.member_id);
    if (weir_slice_is_null(record->value)) {
        if (member != NULL)
            streams_remove_member(group, member);
        return WEIR_OK;
    }
    struct weir_arena arena;
    struct weir_reader reader;
    int16_t version;
    struct weir_streams_group_member_metadata_value value;
    enum weir_status status = reader_over_copy(record, &arena, &reader, &version);
    if (status == WEIR_OK) {
        weir_streams_group_member_metadata_value_read(&reader, version, &value);
        status = weir_reader_status(&reader);
    }
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status == WEIR_OK)
        status = make_member(group, where.member_id, &member);
    if (status != WEIR_OK) {
        weir_arena_done(&arena);
        return status;
    }
    weir_arena_done(&member->metadata_arena);
    member->metadata_arena = arena;
    member->metadata = value;
    return WEIR_OK;
}

/* ---- 20 ---- */

enum weir_status replay_streams_target_epoch(struct group_machine *machine,
                                             const struct weir_replayed *record,
                                             struct weir_reader *key, struct weir_reader *reader)
{
    struct weir_streams_group_target_assignment_metadata_key where;
    weir_streams_group_target_assignment_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct streams_group *group = streams_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL) {
            group->assignment_epoch = STREAMS_EPOCH_NONE;
            group->assignment_ms = 0;
        }
        return WEIR_OK;
    }
    struct weir_streams_group_target_assignment_metadata_value value;
    weir_streams_group_target_assignment_metadata_value_read(
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

/* ---- 21 ---- */

typedef struct weir_streams_group_target_assignment_member_value_task_ids_array target_ids;

static enum weir_status target_tasks(const target_ids *list, struct weir_arena *arena,
                                     struct streams_tasks *out)
{
    size_t count = 0;
    for (int32_t i = 0; i < list->count; i++)
        count += (size_t)list->items[i].partitions.count;
    if (tasks_make(arena, count, out) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < list->count; i++)
        for (int32_t j = 0; j < list->items[i].partitions.count; j++)
            out->items[out->count++] =
                (struct streams_task){.subtopology = list->items[i].subtopology_id,
                                      .partition = list->items[i].partitions.items[j]};
    tasks_sort(out);
    return WEIR_OK;
}

static enum weir_status read_target(const struct weir_replayed *record, struct weir_arena *arena,
                                    struct streams_tuple *out)
{
    struct weir_reader reader;
    int16_t version;
    enum weir_status status = reader_over_copy(record, arena, &reader, &version);
    if (status != WEIR_OK)
        return status;
    struct weir_streams_group_target_assignment_member_value value;
    weir_streams_group_target_assignment_member_value_read(&reader, version, &value);
    status = weir_reader_status(&reader);
    if (status == WEIR_OK)
        status = target_tasks(&value.active_tasks, arena, &out->active);
    if (status == WEIR_OK)
        status = target_tasks(&value.standby_tasks, arena, &out->standby);
    if (status == WEIR_OK)
        status = target_tasks(&value.warmup_tasks, arena, &out->warmup);
    return status;
}

/* Takes the arena. */
static enum weir_status put_target(struct streams_group *group, struct weir_slice member_id,
                                   struct weir_arena take_arena, const struct streams_tuple *tasks)
{
    struct streams_target *target = weir_map_get(&group->targets, member_id);
    if (target == NULL) {
        target = weir_calloc(1, sizeof(*target));
        enum weir_status status =
            target == NULL ? WEIR_NO_MEMORY : text_dup(member_id, &target->member_id);
        if (status == WEIR_OK) {
            status = weir_map_put(&group->targets, target->member_id, target, NULL);
            if (status != WEIR_OK)
                text_drop(&target->member_id);
        }
        if (status != WEIR_OK) {
            weir_free(target);
            weir_arena_done(&take_arena);
            return status;
        }
    }
    weir_arena_done(&target->arena);
    target->arena = take_arena;
    target->tasks = *tasks;
    return WEIR_OK;
}

enum weir_status replay_streams_target(struct group_machine *machine,
                                       const struct weir_replayed *record, struct weir_reader *key,
                                       struct weir_reader *unused)
{
    (void)unused;
    struct weir_streams_group_target_assignment_member_key where;
    weir_streams_group_target_assignment_member_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct streams_group *group = streams_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL)
            streams_remove_target(group, where.member_id);
        return WEIR_OK;
    }
    struct weir_arena arena;
    struct streams_tuple tasks = {0};
    enum weir_status status = read_target(record, &arena, &tasks);
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status != WEIR_OK) {
        weir_arena_done(&arena);
        return status;
    }
    return put_target(group, where.member_id, arena, &tasks);
}

/* ---- 22 ---- */

typedef struct weir_streams_group_current_member_assignment_value_task_ids_array current_ids;

/* Active tasks of a record without epochs came with the member's. */
static enum weir_status current_tasks(const current_ids *list, bool has_epochs,
                                      int32_t member_epoch, struct weir_arena *arena,
                                      struct streams_tasks *out)
{
    size_t count = 0;
    for (int32_t i = 0; i < list->count; i++)
        count += (size_t)list->items[i].partitions.count;
    if (tasks_make(arena, count, out) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < list->count; i++) {
        const struct weir_streams_group_current_member_assignment_value_task_ids *ids =
            &list->items[i];
        bool are_given = ids->assignment_epochs.count == ids->partitions.count;
        for (int32_t j = 0; j < ids->partitions.count; j++)
            out->items[out->count++] =
                (struct streams_task){.subtopology = ids->subtopology_id,
                                      .partition = ids->partitions.items[j],
                                      .epoch = !has_epochs ? 0
                                               : are_given ? ids->assignment_epochs.items[j]
                                                           : member_epoch};
    }
    tasks_sort(out);
    return WEIR_OK;
}

static enum streams_member_state state_of(int8_t number)
{
    return number == STREAMS_STABLE || number == STREAMS_UNREVOKED || number == STREAMS_UNRELEASED
               ? (enum streams_member_state)number
               : STREAMS_UNKNOWN;
}

static enum weir_status read_current(const struct weir_replayed *record, struct weir_arena *arena,
                                     struct streams_current *out)
{
    struct weir_reader reader;
    int16_t version;
    enum weir_status status = reader_over_copy(record, arena, &reader, &version);
    if (status != WEIR_OK)
        return status;
    struct weir_streams_group_current_member_assignment_value value;
    weir_streams_group_current_member_assignment_value_read(&reader, version, &value);
    status = weir_reader_status(&reader);
    if (status != WEIR_OK)
        return status;
    *out = (struct streams_current){.epoch = value.member_epoch,
                                    .previous_epoch = value.previous_member_epoch,
                                    .state = state_of(value.state)};
    int32_t epoch = value.member_epoch;
    const struct {
        const current_ids *from;
        bool has_epochs;
        struct streams_tasks *to;
    } lists[] = {{&value.active_tasks, true, &out->assigned.active},
                 {&value.standby_tasks, false, &out->assigned.standby},
                 {&value.warmup_tasks, false, &out->assigned.warmup},
                 {&value.active_tasks_pending_revocation, true, &out->revoking.active},
                 {&value.standby_tasks_pending_revocation, false, &out->revoking.standby},
                 {&value.warmup_tasks_pending_revocation, false, &out->revoking.warmup}};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(lists) && status == WEIR_OK; i++)
        status = current_tasks(lists[i].from, lists[i].has_epochs, epoch, arena, lists[i].to);
    return status;
}

enum weir_status replay_streams_current(struct group_machine *machine,
                                        const struct weir_replayed *record, struct weir_reader *key,
                                        struct weir_reader *unused)
{
    (void)unused;
    struct weir_streams_group_current_member_assignment_key where;
    weir_streams_group_current_member_assignment_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct streams_group *group = streams_group_of(machine, where.group_id);
    struct streams_member *member =
        group == NULL ? NULL : streams_find_member(group, where.member_id);
    if (weir_slice_is_null(record->value)) {
        if (member != NULL) {
            weir_arena_done(&member->current_arena);
            member->current = (struct streams_current){.epoch = WEIR_STREAMS_LEAVE_EPOCH,
                                                       .previous_epoch = WEIR_STREAMS_LEAVE_EPOCH,
                                                       .state = STREAMS_STABLE};
        }
        return WEIR_OK;
    }
    struct weir_arena arena;
    struct streams_current current = {0};
    enum weir_status status = read_current(record, &arena, &current);
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status == WEIR_OK)
        status = make_member(group, where.member_id, &member);
    if (status != WEIR_OK) {
        weir_arena_done(&arena);
        return status;
    }
    weir_arena_done(&member->current_arena);
    member->current_arena = arena;
    member->current = current;
    return WEIR_OK;
}

/* ---- 23 ---- */

enum weir_status replay_streams_topology(struct group_machine *machine,
                                         const struct weir_replayed *record,
                                         struct weir_reader *key, struct weir_reader *unused)
{
    (void)unused;
    struct weir_streams_group_topology_key where;
    weir_streams_group_topology_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct streams_group *group = streams_group_of(machine, where.group_id);
    if (weir_slice_is_null(record->value)) {
        if (group != NULL) {
            weir_arena_done(&group->topology_arena);
            group->has_topology = false;
        }
        return WEIR_OK;
    }
    struct weir_arena arena;
    struct weir_reader reader;
    int16_t version;
    topology_value topology;
    enum weir_status status = reader_over_copy(record, &arena, &reader, &version);
    if (status == WEIR_OK) {
        weir_streams_group_topology_value_read(&reader, version, &topology);
        status = weir_reader_status(&reader);
    }
    if (status == WEIR_OK)
        status = find_or_make(machine, where.group_id, &group);
    if (status != WEIR_OK) {
        weir_arena_done(&arena);
        return status;
    }
    weir_arena_done(&group->topology_arena);
    group->topology_arena = arena;
    group->topology = topology;
    group->has_topology = true;
    return WEIR_OK;
}
