/* SPDX-License-Identifier: Apache-2.0 */

/* What is written to __share_group_state, in the versions Apache Kafka 4.3.0 writes, and its
 * replay. */

#include "state_int.h"

#include "weir/base/memory.h"
#include "weir/protocol/record_types.h"
#include "weir/protocol/records/share_snapshot_key.h"
#include "weir/protocol/records/share_snapshot_value.h"
#include "weir/protocol/records/share_update_key.h"
#include "weir/protocol/records/share_update_value.h"

#define SHARE_SNAPSHOT_VERSION 0
#define SHARE_UPDATE_VERSION   0

/* value NULL: a tombstone. */
static void write_record(struct weir_step *step, enum weir_share_record_type type, const void *key,
                         int16_t value_version, const void *value)
{
    weir_step_typed_record(step, WEIR_RECORD_SET_SHARE, (int16_t)type, key, value_version, value);
}

static struct weir_share_snapshot_key snapshot_key(const struct weir_share_key *key)
{
    return (struct weir_share_snapshot_key){
        .group_id = key->group_id, .topic_id = key->topic_id, .partition = key->partition};
}

void record_snapshot(struct weir_step *step, const struct weir_share_key *key,
                     const struct share_snapshot *snapshot)
{
    struct weir_share_snapshot_key where = snapshot_key(key);
    struct weir_share_snapshot_value value;
    weir_share_snapshot_value_init(&value);
    value.snapshot_epoch = snapshot->snapshot_epoch;
    value.state_epoch = snapshot->state_epoch;
    value.leader_epoch = snapshot->leader_epoch;
    value.start_offset = snapshot->start_offset;
    value.delivery_complete_count = snapshot->delivery_complete_count;
    value.create_timestamp = snapshot->create_timestamp_ms;
    value.write_timestamp = snapshot->write_timestamp_ms;
    value.state_batches.items = weir_arena_calloc(&step->arena, snapshot->batches.count,
                                                  sizeof(value.state_batches.items[0]));
    if (value.state_batches.items == NULL) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    value.state_batches.count = (int32_t)snapshot->batches.count;
    for (size_t i = 0; i < snapshot->batches.count; i++) {
        const struct weir_share_batch *batch = &snapshot->batches.items[i];
        value.state_batches.items[i] =
            (struct weir_share_snapshot_value_state_batch){.first_offset = batch->first_offset,
                                                           .last_offset = batch->last_offset,
                                                           .delivery_state = batch->delivery_state,
                                                           .delivery_count = batch->delivery_count};
    }
    write_record(step, WEIR_SHARE_RECORD_SHARE_SNAPSHOT, &where, SHARE_SNAPSHOT_VERSION, &value);
}

void record_update(struct weir_step *step, const struct weir_share_key *key,
                   const struct share_snapshot *update)
{
    struct weir_share_update_key where = {
        .group_id = key->group_id, .topic_id = key->topic_id, .partition = key->partition};
    struct weir_share_update_value value;
    weir_share_update_value_init(&value);
    value.snapshot_epoch = update->snapshot_epoch;
    value.leader_epoch = update->leader_epoch;
    value.start_offset = update->start_offset;
    value.delivery_complete_count = update->delivery_complete_count;
    value.state_batches.items = weir_arena_calloc(&step->arena, update->batches.count,
                                                  sizeof(value.state_batches.items[0]));
    if (value.state_batches.items == NULL) {
        step->status = WEIR_NO_MEMORY;
        return;
    }
    value.state_batches.count = (int32_t)update->batches.count;
    for (size_t i = 0; i < update->batches.count; i++) {
        const struct weir_share_batch *batch = &update->batches.items[i];
        value.state_batches.items[i] =
            (struct weir_share_update_value_state_batch){.first_offset = batch->first_offset,
                                                         .last_offset = batch->last_offset,
                                                         .delivery_state = batch->delivery_state,
                                                         .delivery_count = batch->delivery_count};
    }
    write_record(step, WEIR_SHARE_RECORD_SHARE_UPDATE, &where, SHARE_UPDATE_VERSION, &value);
}

void record_tombstone(struct weir_step *step, const struct weir_share_key *key)
{
    struct weir_share_snapshot_key where = snapshot_key(key);
    write_record(step, WEIR_SHARE_RECORD_SHARE_SNAPSHOT, &where, SHARE_SNAPSHOT_VERSION, NULL);
}

/* ---- Replay ---- */

/* The state of the key, made when it is not there: epochs 0, as Kafka has it for an update without
 * a snapshot before it. */
static enum weir_status find_or_add(struct share_machine *machine, const struct weir_share_key *key,
                                    struct share_state **out, bool *out_is_new)
{
    struct share_state *state;
    enum weir_status status = machine_find(machine, key, &state);
    if (status != WEIR_OK)
        return status;
    *out_is_new = state == NULL;
    if (state == NULL)
        return machine_add(machine, key, out);
    *out = state;
    return WEIR_OK;
}

static void see_leader_epoch(struct share_state *state, int32_t leader_epoch)
{
    if (state->leader_epoch_seen < leader_epoch)
        state->leader_epoch_seen = leader_epoch;
}

static void take_batches(struct share_state *state, struct state_batches *batches)
{
    weir_free(state->batches.items);
    state->batches = *batches;
}

static void apply_snapshot(struct share_machine *machine, struct share_state *state,
                           const struct weir_share_snapshot_value *value, int64_t offset)
{
    see_leader_epoch(state, value->leader_epoch);
    if (state->state_epoch_seen < value->state_epoch)
        state->state_epoch_seen = value->state_epoch;
    state->snapshot_epoch = value->snapshot_epoch;
    state->state_epoch = value->state_epoch;
    state->leader_epoch = value->leader_epoch;
    state->start_offset = value->start_offset;
    state->delivery_complete_count = value->delivery_complete_count;
    state->create_timestamp_ms = value->create_timestamp;
    state->write_timestamp_ms = value->write_timestamp;
    state->snapshot_offset = offset;
    if (state->update_count >= machine->config->snapshot_update_records_per_snapshot)
        state->update_count = 0;
}

static enum weir_status replay_snapshot(struct share_machine *machine,
                                        const struct weir_replayed *record,
                                        const struct weir_share_key *key,
                                        struct weir_reader *reader)
{
    if (weir_slice_is_null(record->value)) {
        struct share_state *gone;
        enum weir_status found = machine_find(machine, key, &gone);
        if (found != WEIR_OK)
            return found;
        if (gone != NULL)
            machine_remove(machine, gone);
        machine->tombstone_offset = record->offset;
        return WEIR_OK;
    }
    struct weir_share_snapshot_value value;
    weir_share_snapshot_value_read(reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    if (status != WEIR_OK)
        return status;
    size_t count = (size_t)value.state_batches.count;
    struct weir_share_batch *raw = weir_calloc(count + 1, sizeof(*raw));
    if (raw == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct weir_share_snapshot_value_state_batch *item = &value.state_batches.items[i];
        raw[i] = (struct weir_share_batch){item->first_offset, item->last_offset,
                                           item->delivery_state, item->delivery_count};
    }
    struct state_batches batches = {0};
    status = batches_are_valid(raw, count) ? batches_combine(NULL, 0, raw, count, -1, &batches)
                                           : WEIR_CORRUPT;
    weir_free(raw);
    struct share_state *state = NULL;
    bool is_new = false;
    if (status == WEIR_OK)
        status = find_or_add(machine, key, &state, &is_new);
    if (status != WEIR_OK) {
        weir_free(batches.items);
        return status;
    }
    take_batches(state, &batches);
    apply_snapshot(machine, state, &value, record->offset);
    return WEIR_OK;
}

static enum weir_status merge_update(struct share_state *state,
                                     const struct weir_share_update_value *value,
                                     int64_t start_offset)
{
    size_t count = (size_t)value->state_batches.count;
    struct weir_share_batch *raw = weir_calloc(count + 1, sizeof(*raw));
    if (raw == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct weir_share_update_value_state_batch *item = &value->state_batches.items[i];
        raw[i] = (struct weir_share_batch){item->first_offset, item->last_offset,
                                           item->delivery_state, item->delivery_count};
    }
    struct state_batches batches = {0};
    enum weir_status status = batches_are_valid(raw, count)
                                  ? batches_combine(state->batches.items, state->batches.count, raw,
                                                    count, start_offset, &batches)
                                  : WEIR_CORRUPT;
    weir_free(raw);
    if (status == WEIR_OK)
        take_batches(state, &batches);
    return status;
}

static enum weir_status replay_update(struct share_machine *machine,
                                      const struct weir_replayed *record,
                                      const struct weir_share_key *key, struct weir_reader *reader)
{
    if (weir_slice_is_null(record->value))
        return WEIR_OK; /* nobody writes such a tombstone; it says nothing */
    struct weir_share_update_value value;
    weir_share_update_value_read(reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    struct share_state *state = NULL;
    bool is_new = false;
    if (status == WEIR_OK)
        status = find_or_add(machine, key, &state, &is_new);
    if (status != WEIR_OK)
        return status;
    int64_t start_offset =
        !is_new && value.start_offset == -1 ? state->start_offset : value.start_offset;
    status = merge_update(state, &value, start_offset);
    if (status != WEIR_OK) {
        if (is_new)
            machine_remove(machine, state);
        return status;
    }
    see_leader_epoch(state, value.leader_epoch);
    if (is_new)
        state->snapshot_epoch = value.snapshot_epoch;
    state->start_offset = start_offset;
    state->delivery_complete_count = value.delivery_complete_count;
    if (is_new || value.leader_epoch != -1)
        state->leader_epoch = value.leader_epoch;
    state->update_count++;
    return WEIR_OK;
}

static enum weir_status replay_typed(struct share_machine *machine,
                                     const struct weir_replayed *record, int16_t type,
                                     struct weir_reader *key_reader, struct weir_reader *value)
{
    if (type != WEIR_SHARE_RECORD_SHARE_SNAPSHOT && type != WEIR_SHARE_RECORD_SHARE_UPDATE)
        return WEIR_OK;                   /* of the future */
    struct weir_share_snapshot_key where; /* the keys of both types have the same fields */
    weir_share_snapshot_key_read(key_reader, 0, &where);
    enum weir_status status = weir_reader_status(key_reader);
    if (status != WEIR_OK)
        return status;
    struct weir_share_key key = {
        .group_id = where.group_id, .topic_id = where.topic_id, .partition = where.partition};
    if (type == WEIR_SHARE_RECORD_SHARE_SNAPSHOT)
        return replay_snapshot(machine, record, &key, value);
    return replay_update(machine, record, &key, value);
}

enum weir_status state_replay(void *machine, const struct weir_replayed *record,
                              struct weir_detail *detail)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_reader key;
    struct weir_reader value;
    weir_reader_init(&key, record->key, &arena);
    weir_reader_init(&value, record->value, &arena);
    int16_t type = weir_coordinator_prefix_read(&key);
    enum weir_status status = weir_reader_status(&key);
    if (status == WEIR_OK)
        status = replay_typed(machine, record, type, &key, &value);
    if (status != WEIR_OK)
        weir_detail_set(detail, "a record of type %d with %zu bytes of key and %zu of value: %s",
                        (int)type, record->key.size, record->value.size, weir_status_name(status));
    weir_arena_done(&arena);
    return status;
}
