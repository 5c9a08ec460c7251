/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/share: the runs of a share partition.
 *
 * R1  the runs tile [start_offset, end_offset): in order, without holes or overlaps.
 * R2  a run has a holder exactly when it is ACQUIRED.
 * R3  a run with a change under way (change_id not 0) is ACQUIRED; becoming is its state once that
 *     is stored.
 * R4  between calls the first run is not terminal.
 */

#include "weir/base/map.h"
#include "weir/share/share_partition.h"

/* A member that holds something. */
struct holder {
    struct weir_slice id;
    size_t run_count;
};

struct run {
    int64_t first_offset;
    int64_t last_offset;
    int64_t lock_deadline_ms; /* ACQUIRED */
    int64_t change_id;
    /* Of what it was cut from, as that was first acquired or loaded. */
    int64_t batch_first_offset;
    int64_t batch_size;
    struct holder *holder;
    int16_t delivery_count;
    int8_t state;    /* enum weir_share_delivery_state */
    int8_t becoming; /* the same; with a change under way */
    bool is_fresh;   /* acquired by the call that runs */
};

struct weir_share_partition {
    int32_t state_epoch;
    int64_t start_offset;
    int64_t end_offset; /* exclusive */
    struct run *runs;
    size_t run_count;
    size_t run_count_max;
    struct weir_map holders;
    int64_t last_change_id;
    int64_t next_deadline_ms; /* at or before the first one */
};

/* Room for this many more runs, so that cuts cannot fail. */
enum weir_status runs_reserve(struct weir_share_partition *partition, size_t more);
/* The run that holds the offset; run_count when there is none. */
size_t runs_find(const struct weir_share_partition *partition, int64_t offset);
/* Makes a run begin at the offset; it lies within the runs or at their end.  Its index.  Takes at
 * most one place of the reserve. */
size_t runs_cut(struct weir_share_partition *partition, int64_t offset);
void runs_append(struct weir_share_partition *partition, int64_t first_offset, int64_t last_offset,
                 enum weir_share_delivery_state state, int16_t delivery_count);
void runs_drop_front(struct weir_share_partition *partition, size_t count);
/* Drops what is terminal at the front (R4): the start offset moves. */
void runs_advance(struct weir_share_partition *partition);
/* After a state changed: terminal neighbours are one. */
void runs_merge_terminal(struct weir_share_partition *partition);

bool run_is_terminal(const struct run *run);
bool run_is_available(const struct run *run);
/* Of any kind: the holder, the lock and the change go. */
void run_leave_holder(struct weir_share_partition *partition, struct run *run,
                      enum weir_share_delivery_state state);
void run_give(struct run *run, struct holder *holder, int64_t lock_deadline_ms);

enum weir_status holder_get(struct weir_share_partition *partition, struct weir_slice member_id,
                            struct holder **out);
void holder_release_unused(struct weir_share_partition *partition, struct holder *holder);
