/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A coordinator's state machine as its shard drives it: one machine for each partition of the
 * internal topic.  The machine is pure: it sees records, events and the time it is handed, and its
 * output goes into the step.  One thread at a time calls it (the shard's lock is held, or, while it
 * is loading, nobody else knows it).
 */

#include "weir/coordinator/step.h"

struct weir_replayed {
    int64_t offset;
    int64_t producer_id; /* -1: not transactional */
    int16_t producer_epoch;
    struct weir_slice key;   /* null when the record has none */
    struct weir_slice value; /* null: a tombstone */
};

struct weir_machine_ops {
    enum weir_status (*create)(void *context, int32_t partition, void **out_machine);
    void (*destroy)(void *machine);

    /* Applies one record of the log, while loading and after each append of its own.  CORRUPT, INVALID
     * or UNSUPPORTED (with a detail) make the load fail: the partition's keys are then answered with
     * NOT_COORDINATOR, as Apache Kafka does, rather than from half a state. */
    enum weir_status (*replay)(void *machine, const struct weir_replayed *record,
                               struct weir_detail *detail);
    /* A transaction marker. */
    enum weir_status (*end_txn)(void *machine, int64_t producer_id, bool is_commit);

    /* Everything up to the log end offset was replayed. */
    void (*loaded)(void *machine, struct weir_step *step);
    /* The shard goes away: every answer that waits is completed with NOT_COORDINATOR.  Records are
     * no longer taken.  destroy follows. */
    void (*unloaded)(void *machine, struct weir_step *step);

    /* INT64_MAX: none.  tick is called at or after it; it handles all that is due. */
    int64_t (*next_deadline_ms)(const void *machine);
    void (*tick)(void *machine, struct weir_step *step);
};
