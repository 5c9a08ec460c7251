/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A step of a coordinator's machine: what goes in is an event and the time, what comes out is
 * collected here and done afterwards by whoever drives the machine (shard.h, or a test):
 *
 *   records      appended as one batch (or several, when is_atomic was cleared)
 *   writes       told what became of the records
 *   completions  run, in order, when the shard's lock is free again
 *   lines        logged then, too
 *
 * Belongs to one thread.  Everything is copied into the step's arena, so a machine may free what it
 * handed in.  Sticky: when memory is out the records count as refused with NO_MEMORY.
 */

#include "weir/base/arena.h"
#include "weir/base/list.h"
#include "weir/base/log.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/protocol/record_types.h"

#include <stdbool.h>
#include <stdint.h>

struct weir_step;

/* Something to call outside all locks, from whichever thread drove the step.  Lives in its owner.
 */
struct weir_completion {
    struct weir_list node;
    void (*run)(struct weir_completion *completion);
};

enum weir_write_outcome {
    WEIR_WRITE_COMMITTED, /* the high watermark is above the records */
    WEIR_WRITE_REFUSED,   /* nothing was appended */
    WEIR_WRITE_ABANDONED  /* appended, but not committed in offsets.commit.timeout.ms, or this broker
                             ceased to lead: it may or may not survive */
};

/* Waits for the records of its step; without records for all that was written before.  Owned by the
 * machine, lives until result was called, which happens exactly once, in a later step or in the
 * same one's end, with the shard's lock held.  status is OK exactly for COMMITTED, otherwise the
 * condition a client is told: COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, UNKNOWN_SERVER_ERROR. */
struct weir_write {
    struct weir_list node;
    void (*result)(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                   enum weir_status status, struct weir_step *step);
    /* set by the driver */
    int64_t end_offset; /* committed when the high watermark reaches it */
    int64_t deadline_ms;
};

struct weir_step_record {
    struct weir_step_record *next;
    struct weir_slice key;
    struct weir_slice value; /* null: a tombstone */
    bool must_replay;
};

/* The open transaction that a step's records belong to. */
struct weir_step_txn {
    int64_t producer_id; /* -1: none, the records count at once */
    int16_t producer_epoch;
    uint64_t verification_guard; /* log_port.h; 0: the transaction is open in the partition */
};

struct weir_step {
    int64_t now_ms;  /* monotonic: deadlines */
    int64_t wall_ms; /* Unix time: what is stored */
    /* Both true at first, and again after each append. */
    bool is_atomic;   /* the records of this step are one batch, or nothing is written */
    bool must_replay; /* records added from now on are given to the machine's replay once they are
                         appended; false: the machine has changed itself already */
    struct weir_step_txn txn; /* set by weir_step_set_txn; none again after each append */
    enum weir_status status;  /* OK, or why the records cannot be written: NO_MEMORY ... */
    struct weir_arena arena;
    struct weir_step_record *first_record;
    struct weir_step_record *last_record;
    int32_t record_count;
    struct weir_list writes;
    struct weir_list completions;
    struct weir_list lines;
};

void weir_step_init(struct weir_step *step, int64_t now_ms, int64_t wall_ms);
/* Completions that were not run stay with their owners. */
void weir_step_done(struct weir_step *step);

/* Copies key and value. */
void weir_step_record(struct weir_step *step, struct weir_slice key, struct weir_slice value);
/* The same with the generated structs of a type of the set; value NULL: a tombstone.  A text longer
 * than the format can hold refuses the step's records, as missing memory does. */
void weir_step_typed_record(struct weir_step *step, enum weir_record_set set, int16_t type,
                            const void *key, int16_t value_version, const void *value);
/* Makes the records of this step one batch of the producer's transaction: replay gets its id and
 * epoch, and what becomes of them is decided by its marker (end_txn of the machine).  The step stays
 * atomic. */
void weir_step_set_txn(struct weir_step *step, const struct weir_step_txn *txn);
void weir_step_write(struct weir_step *step, struct weir_write *write);
void weir_step_complete(struct weir_step *step, struct weir_completion *completion);
/* Copies the texts of the fields; event and the fields' names are literals.  Dropped when memory is
 * out. */
void weir_step_log(struct weir_step *step, enum weir_log_level level, const char *event,
                   const struct weir_log_field *fields, size_t count);

#define WEIR_STEP_LOG(step, level, event, ...)                                                     \
    weir_step_log((step), (level), (event),                                                        \
                  (const struct weir_log_field[]){{0}, ##__VA_ARGS__} + 1,                         \
                  sizeof((const struct weir_log_field[]){{0}, ##__VA_ARGS__}) /                    \
                          sizeof(struct weir_log_field) -                                          \
                      1)
#define WEIR_STEP_INFO(step, event, ...)                                                           \
    WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_INFO, event, ##__VA_ARGS__)
#define WEIR_STEP_WARN(step, event, ...)                                                           \
    WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_WARN, event, ##__VA_ARGS__)

/* For drivers: writes the lines and runs the completions, in order, with no lock held.  Both lists
 * are empty afterwards. */
void weir_step_publish(struct weir_step *step, const struct weir_log *log);
