/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Private to src/coordinator: the registry and its shards. */

#include "weir/base/heap.h"
#include "weir/base/map.h"
#include "weir/coordinator/coordinator.h"
#include "weir/runtime/lock.h"

#include <stdatomic.h>

#define NO_DEADLINE INT64_MAX

/*
 *             elected                 replayed
 *    (none) ----------> LOADING ------------------> ACTIVE
 *                        ^   |  \                     |
 *         elected again  |   |   \ resigned           | resigned: shard_close
 *         or diverged    |   v    v                   v
 *                       FAILED ---------------> CLOSED
 *
 * LOADING  the machine belongs to the load task; everything else here is unset
 * ACTIVE   machine, waiting, written_end, high_watermark may be trusted
 * FAILED   no machine; keys are answered with NOT_COORDINATOR until the next election
 * CLOSED   no machine; no longer in the registry; final
 * An ACTIVE shard whose machine could not follow its own log goes to FAILED and loads again.
 */
enum shard_state { SHARD_LOADING, SHARD_ACTIVE, SHARD_FAILED, SHARD_CLOSED };

struct weir_shard {
    struct weir_coordinator *coordinator;
    int32_t partition;
    atomic_uint refs;
    atomic_int leader_epoch;
    struct weir_lock lock;

    /* under the lock */
    enum shard_state state;
    void *machine;
    struct weir_buf batch;    /* of the append under way; kept for its memory */
    struct weir_list waiting; /* writes, by end_offset */
    int64_t written_end;      /* behind the last record of this shard */
    int64_t high_watermark;
    bool is_watching;
    bool has_diverged; /* the machine refused a record that is in the log */

    struct weir_log_watch watch;
    struct weir_task load_task;     /* holds a reference while submitted */
    struct weir_task watermark_task; /* the same */
    atomic_bool has_waiting;
    atomic_bool is_watermark_task_queued;

    _Atomic int64_t next_deadline_ms; /* written under the shard's lock */
    _Atomic int64_t armed_ms;         /* the key of deadline; written under the registry's lock */
    struct weir_heap_node deadline;   /* under the registry's lock */
};

struct weir_coordinator {
    struct weir_coordinator_options options;
    atomic_int partition_count;

    struct weir_lock registry;
    /* under the registry's lock */
    struct weir_map shards;      /* by partition; each entry is a reference */
    struct weir_heap deadlines;  /* of all shards in the map */
    bool is_stopping;
    bool is_timer_running;
    int64_t timer_ms; /* when the timer task is due; NO_DEADLINE: not submitted */
    struct weir_task timer_task;
};

/* ---- shard.c ---- */
enum weir_status shard_new(struct weir_coordinator *coordinator, int32_t partition,
                           int32_t leader_epoch, struct weir_shard **out);
void shard_set_state(struct weir_shard *shard, enum shard_state state);
/* Gives up: all that waits is completed.  Without locks. */
void shard_close(struct weir_shard *shard);
/* Timers and late writes. */
void shard_tick(struct weir_shard *shard, int64_t now_ms);
/* Appends the step's records and hands out results until nothing is left.  Lock held, ACTIVE. */
void shard_settle(struct weir_shard *shard, struct weir_step *step);
/* After a step, lock held: publishes the next deadline; a machine that diverged is thrown away. */
void shard_end_step(struct weir_shard *shard, struct weir_step *step, void **out_dead_machine);
void shard_step_init(const struct weir_shard *shard, struct weir_step *step);

/* ---- shard_writer.c ---- */
/* Appends the records of the step and replays them; the step has none afterwards.  Lock held. */
enum weir_status shard_append(struct weir_shard *shard, struct weir_step *step);

/* The shard's log ends behind this now. */
void shard_set_written(struct weir_shard *shard, const struct weir_log_appended *appended);

/* ---- shard_load.c ---- */
/* State LOADING, lock not held. */
void shard_start_load(struct weir_shard *shard);

/* ---- coordinator.c ---- */
/* Brings the shard's place in the heap in line with next_deadline_ms.  No lock of a shard held. */
void coordinator_rearm(struct weir_shard *shard);
