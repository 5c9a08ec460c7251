/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Private to src/share: the machine over one partition of __share_group_state. */

#include "weir/base/map.h"
#include "weir/share/share_coordinator.h"

/* A sorted list of batches that do not overlap. */
struct state_batches {
    struct weir_share_batch *items;
    size_t count;
};

/* One key.  Epochs are remembered apart from the state: those that were seen fence older ones. */
struct share_state {
    struct weir_slice map_key; /* its bytes are its own; as share_key_text makes it */
    struct weir_slice group_id;
    struct weir_uuid topic_id;
    int32_t partition;
    int32_t snapshot_epoch;
    int32_t state_epoch;
    int32_t leader_epoch;
    int64_t start_offset;
    int32_t delivery_complete_count;
    int64_t create_timestamp_ms;
    int64_t write_timestamp_ms; /* later than the creation: a snapshot of a cold partition */
    struct state_batches batches;
    int32_t leader_epoch_seen;
    int32_t state_epoch_seen;
    int32_t update_count;    /* update records since the last snapshot that reset it */
    int64_t snapshot_offset; /* of its newest snapshot: what lies before is redundant */
};

struct share_machine {
    const struct weir_share_coordinator_config *config;
    int32_t partition;
    struct weir_map states;   /* struct share_state by map_key */
    int64_t tombstone_offset; /* of the newest tombstone, -1: none seen */
    int64_t pruned_offset;    /* where the log was cut last; -1: not by this machine */
};

/* ---- state_batches.c ---- */
/* False: a batch ends before it begins, or offsets are out of range. */
bool batches_are_valid(const struct weir_share_batch *batches, size_t count);
/* What is true after `newer` came on top of `older`: cut at start_offset (-1: not cut), without
 * overlaps - the higher delivery count wins, then the higher state - and neighbours alike are one.
 * out->items is from malloc, NULL when empty.  NO_MEMORY. */
enum weir_status batches_combine(const struct weir_share_batch *older, size_t older_count,
                                 const struct weir_share_batch *newer, size_t newer_count,
                                 int64_t start_offset, struct state_batches *out);

/* ---- state_records.c ---- */
struct share_snapshot {
    int32_t snapshot_epoch;
    int32_t state_epoch;
    int32_t leader_epoch;
    int64_t start_offset;
    int32_t delivery_complete_count;
    int64_t create_timestamp_ms;
    int64_t write_timestamp_ms;
    struct state_batches batches; /* borrowed */
};
void record_snapshot(struct weir_step *step, const struct weir_share_key *key,
                     const struct share_snapshot *snapshot);
/* An update has no state epoch and no times. */
void record_update(struct weir_step *step, const struct weir_share_key *key,
                   const struct share_snapshot *update);
void record_tombstone(struct weir_step *step, const struct weir_share_key *key);
enum weir_status state_replay(void *machine, const struct weir_replayed *record,
                              struct weir_detail *detail);

/* ---- state_machine.c ---- */
extern const struct weir_machine_ops share_machine_ops; /* context: share_coordinator_config */
/* *out is NULL when there is no such key.  NO_MEMORY. */
enum weir_status machine_find(const struct share_machine *machine, const struct weir_share_key *key,
                              struct share_state **out);
enum weir_status machine_add(struct share_machine *machine, const struct weir_share_key *key,
                             struct share_state **out);
void machine_remove(struct share_machine *machine, struct share_state *state);
struct weir_share_key state_key(const struct share_state *state);

/* ---- state_ops.c: one event each; topic_partitions is -1 when there is no such topic ---- */
void state_initialize(struct share_machine *machine, const struct weir_share_key *key,
                      int32_t topic_partitions, int32_t state_epoch, int64_t start_offset,
                      struct weir_share_state_op *op, struct weir_step *step);
void state_read(struct share_machine *machine, const struct weir_share_key *key,
                int32_t topic_partitions, int32_t leader_epoch, struct weir_share_state_op *op,
                struct weir_step *step);
void state_write(struct share_machine *machine, const struct weir_share_key *key,
                 int32_t topic_partitions, const struct weir_share_state_write *write,
                 struct weir_share_state_op *op, struct weir_step *step);
void state_delete(struct share_machine *machine, const struct weir_share_key *key,
                  int32_t topic_partitions, struct weir_share_state_op *op, struct weir_step *step);
void state_summary(struct share_machine *machine, const struct weir_share_key *key,
                   int32_t topic_partitions, struct weir_share_state_op *op,
                   struct weir_step *step);
/* Snapshots of what was not written for long, unless everything is cold already: they let the log
 * be cut behind them. */
void state_snapshot_cold(struct share_machine *machine, struct weir_step *step);
void state_forget_topics(struct share_machine *machine, const struct weir_uuid *topic_ids,
                         size_t count, struct weir_step *step);
/* The offset below which every record is superseded; -1: nothing to cut. */
int64_t state_redundant_offset(const struct share_machine *machine);
/* "group:topicId:partition": what is hashed, and the key of maps.  Null when memory is out. */
struct weir_slice share_key_text(struct weir_arena *arena, const struct weir_share_key *key);
