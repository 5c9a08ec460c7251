/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The operations on one machine.  What each checks, and in which order, is Apache Kafka's: numbers,
 * then whether the partition was initialized, then epochs, and last whether the topic still exists.
 */

#include "state_int.h"

#include "weir/base/memory.h"

#define NEGATIVE_PARTITION  "The partition id cannot be a negative number."
#define WRITE_UNINITIALIZED "Write operation on uninitialized share partition not allowed."
#define READ_UNINITIALIZED  "Read operation on uninitialized share partition not allowed."
#define BAD_BATCH           "A state batch ends before it begins, or its offsets are negative."

static void fail(struct weir_share_state_op *op, struct weir_step *step, enum weir_status status,
                 const char *message)
{
    op->status = status;
    op->message = message;
    weir_step_complete(step, &op->completion);
}

static void finish_write(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                         enum weir_status status, struct weir_step *step)
{
    struct weir_share_state_op *op = WEIR_CONTAINER_OF(write, struct weir_share_state_op, write);
    (void)machine;
    (void)outcome;
    op->status = status;
    weir_step_complete(step, &op->completion);
}

/* OK, once all that was recorded so far is committed. */
static void succeed(struct weir_share_state_op *op, struct weir_step *step)
{
    op->write = (struct weir_write){.result = finish_write};
    weir_step_write(step, &op->write);
}

/* -1: the sender does not know, and is not fenced. */
static bool is_older(int32_t epoch, int32_t seen)
{
    return epoch != -1 && epoch < seen;
}

static bool topic_has(int32_t topic_partitions, const struct weir_share_key *key)
{
    return key->partition < topic_partitions;
}

void state_initialize(struct share_machine *machine, const struct weir_share_key *key,
                      int32_t topic_partitions, int32_t state_epoch, int64_t start_offset,
                      struct weir_share_state_op *op, struct weir_step *step)
{
    struct share_state *state;
    if (key->partition < 0)
        return fail(op, step, WEIR_INVALID_REQUEST, NEGATIVE_PARTITION);
    if (machine_find(machine, key, &state) != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    if (state != NULL && is_older(state_epoch, state->state_epoch_seen))
        return fail(op, step, WEIR_FENCED_STATE_EPOCH, NULL);
    if (!topic_has(topic_partitions, key))
        return fail(op, step, WEIR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    /* Consumption that begins at "wherever the group's config says" has completed nothing that
     * could be counted yet. */
    struct share_snapshot snapshot = {.snapshot_epoch =
                                          state == NULL ? 0 : state->snapshot_epoch + 1,
                                      .state_epoch = state_epoch,
                                      .start_offset = start_offset,
                                      .delivery_complete_count = start_offset == -1 ? -1 : 0,
                                      .create_timestamp_ms = step->wall_ms,
                                      .write_timestamp_ms = step->wall_ms};
    record_snapshot(step, key, &snapshot);
    succeed(op, step);
}

/* The count belongs to a start offset: that of the later one is taken. */
static int32_t newer_count(const struct share_state *state, int64_t start_offset, int32_t count)
{
    if (start_offset < state->start_offset)
        return state->delivery_complete_count;
    if (start_offset == state->start_offset && state->delivery_complete_count > count)
        return state->delivery_complete_count;
    return count;
}

/* One record for what changed: a snapshot when there were enough updates, else an update. */
static enum weir_status record_change(struct share_machine *machine, struct share_state *state,
                                      const struct weir_share_state_write *write,
                                      int32_t leader_epoch, struct weir_step *step)
{
    struct weir_share_key key = state_key(state);
    bool is_snapshot = state->update_count >= machine->config->snapshot_update_records_per_snapshot;
    struct share_snapshot change = {
        .snapshot_epoch = is_snapshot ? state->snapshot_epoch + 1 : state->snapshot_epoch,
        .state_epoch = state->state_epoch,
        .leader_epoch = leader_epoch,
        .start_offset =
            write->start_offset > state->start_offset ? write->start_offset : state->start_offset,
        .delivery_complete_count =
            newer_count(state, write->start_offset, write->delivery_complete_count),
        .create_timestamp_ms = step->wall_ms,
        .write_timestamp_ms = step->wall_ms};
    enum weir_status status =
        batches_combine(state->batches.items, is_snapshot ? state->batches.count : 0,
                        write->batches, write->batch_count, change.start_offset, &change.batches);
    if (status != WEIR_OK)
        return status;
    if (is_snapshot)
        record_snapshot(step, &key, &change);
    else
        record_update(step, &key, &change);
    weir_free(change.batches.items);
    return WEIR_OK;
}

static enum weir_status copy_batches(const struct share_state *state,
                                     struct weir_share_state_op *op)
{
    struct weir_share_batch *items =
        weir_arena_calloc(&op->arena, state->batches.count, sizeof(*items));
    if (items == NULL)
        return WEIR_NO_MEMORY;
    if (state->batches.count > 0)
        memcpy(items, state->batches.items, state->batches.count * sizeof(*items));
    op->batches = items;
    op->batch_count = state->batches.count;
    return WEIR_OK;
}

void state_read(struct share_machine *machine, const struct weir_share_key *key,
                int32_t topic_partitions, int32_t leader_epoch, struct weir_share_state_op *op,
                struct weir_step *step)
{
    struct share_state *state;
    if (key->partition < 0)
        return fail(op, step, WEIR_INVALID_REQUEST, NEGATIVE_PARTITION);
    if (machine_find(machine, key, &state) != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    if (state == NULL)
        return fail(op, step, WEIR_INVALID_REQUEST, READ_UNINITIALIZED);
    if (state->leader_epoch_seen > leader_epoch)
        return fail(op, step, WEIR_FENCED_LEADER_EPOCH, NULL);
    if (!topic_has(topic_partitions, key))
        return fail(op, step, WEIR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    enum weir_status status = copy_batches(state, op);
    op->state_epoch = state->state_epoch;
    op->start_offset = state->start_offset;
    if (status == WEIR_OK && state->leader_epoch_seen != leader_epoch) {
        struct weir_share_state_write same = {.start_offset = state->start_offset,
                                              .delivery_complete_count =
                                                  state->delivery_complete_count};
        status = record_change(machine, state, &same, leader_epoch, step);
    }
    if (status != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    succeed(op, step);
}

void state_write(struct share_machine *machine, const struct weir_share_key *key,
                 int32_t topic_partitions, const struct weir_share_state_write *write,
                 struct weir_share_state_op *op, struct weir_step *step)
{
    struct share_state *state;
    if (key->partition < 0)
        return fail(op, step, WEIR_INVALID_REQUEST, NEGATIVE_PARTITION);
    if (machine_find(machine, key, &state) != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    if (state == NULL)
        return fail(op, step, WEIR_INVALID_REQUEST, WRITE_UNINITIALIZED);
    if (is_older(write->leader_epoch, state->leader_epoch_seen))
        return fail(op, step, WEIR_FENCED_LEADER_EPOCH, NULL);
    if (is_older(write->state_epoch, state->state_epoch_seen))
        return fail(op, step, WEIR_FENCED_STATE_EPOCH, NULL);
    if (!topic_has(topic_partitions, key))
        return fail(op, step, WEIR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    if (!batches_are_valid(write->batches, write->batch_count))
        return fail(op, step, WEIR_INVALID_REQUEST, BAD_BATCH);
    if (record_change(machine, state, write, state->leader_epoch, step) != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    succeed(op, step);
}

void state_delete(struct share_machine *machine, const struct weir_share_key *key,
                  int32_t topic_partitions, struct weir_share_state_op *op, struct weir_step *step)
{
    struct share_state *state;
    if (key->partition < 0)
        return fail(op, step, WEIR_INVALID_REQUEST, NEGATIVE_PARTITION);
    if (!topic_has(topic_partitions, key))
        return fail(op, step, WEIR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    if (machine_find(machine, key, &state) != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    if (state != NULL)
        record_tombstone(step, key);
    succeed(op, step);
}

void state_summary(struct share_machine *machine, const struct weir_share_key *key,
                   int32_t topic_partitions, struct weir_share_state_op *op, struct weir_step *step)
{
    struct share_state *state;
    if (key->partition < 0)
        return fail(op, step, WEIR_INVALID_REQUEST, NEGATIVE_PARTITION);
    if (!topic_has(topic_partitions, key))
        return fail(op, step, WEIR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    if (machine_find(machine, key, &state) != WEIR_OK)
        return fail(op, step, WEIR_UNKNOWN_SERVER_ERROR, NULL);
    op->start_offset = state == NULL ? -1 : state->start_offset;
    op->delivery_complete_count = state == NULL ? -1 : state->delivery_complete_count;
    op->leader_epoch = state == NULL ? 0 : state->leader_epoch;
    op->state_epoch = state == NULL ? 0 : state->state_epoch;
    succeed(op, step);
}

/* ---- Upkeep ---- */

static struct share_snapshot snapshot_of(const struct share_state *state)
{
    return (struct share_snapshot){.snapshot_epoch = state->snapshot_epoch,
                                   .state_epoch = state->state_epoch,
                                   .leader_epoch = state->leader_epoch,
                                   .start_offset = state->start_offset,
                                   .delivery_complete_count = state->delivery_complete_count,
                                   .create_timestamp_ms = state->create_timestamp_ms,
                                   .write_timestamp_ms = state->write_timestamp_ms,
                                   .batches = state->batches};
}

void state_snapshot_cold(struct share_machine *machine, struct weir_step *step)
{
    size_t cold_count = 0;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->states, &cursor)) != NULL) {
        const struct share_state *state = entry->value;
        if (state->create_timestamp_ms != state->write_timestamp_ms)
            cold_count++;
    }
    if (cold_count == machine->states.count)
        return; /* nothing is written any more: there is nothing to cut behind */
    step->is_atomic = false;
    cursor = 0;
    while ((entry = weir_map_next(&machine->states, &cursor)) != NULL) {
        const struct share_state *state = entry->value;
        if (step->wall_ms - state->write_timestamp_ms <
            machine->config->cold_partition_snapshot_interval_ms)
            continue;
        struct weir_share_key key = state_key(state);
        struct share_snapshot snapshot = snapshot_of(state);
        snapshot.snapshot_epoch++;
        snapshot.write_timestamp_ms = step->wall_ms;
        record_snapshot(step, &key, &snapshot);
    }
}

void state_forget_topics(struct share_machine *machine, const struct weir_uuid *topic_ids,
                         size_t count, struct weir_step *step)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    step->is_atomic = false;
    while ((entry = weir_map_next(&machine->states, &cursor)) != NULL) {
        const struct share_state *state = entry->value;
        struct weir_share_key key = state_key(state);
        for (size_t i = 0; i < count; i++) {
            if (weir_uuid_equal(topic_ids[i], state->topic_id)) {
                record_tombstone(step, &key);
                break;
            }
        }
    }
}

int64_t state_redundant_offset(const struct share_machine *machine)
{
    int64_t least = INT64_MAX;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->states, &cursor)) != NULL) {
        const struct share_state *state = entry->value;
        if (state->snapshot_offset < least)
            least = state->snapshot_offset;
    }
    if (least == INT64_MAX)
        least = machine->tombstone_offset; /* all keys are gone */
    return least > 0 ? least : -1;
}
