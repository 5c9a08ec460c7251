/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Share partitions in use.  A slot is LOADING (the coordinator is asked, then the start offset is
 * decided on a task thread), READY (the machine is there) or DROPPED (status says why; nothing
 * leads back: who asks again gets another slot).  The table, the timer, a load under way and each
 * change hold a reference of their own.
 */

#include "weir/base/map.h"
#include "weir/runtime/lock.h"
#include "weir/share/share_partitions.h"

#include <stdatomic.h>

enum slot_state { SLOT_LOADING, SLOT_READY, SLOT_DROPPED };

struct weir_share_partitions {
    struct weir_share_partitions_options options;
    struct weir_share_sessions *sessions;
    struct weir_lock lock; /* guards what follows; rank SHARE_PARTITIONS */
    struct weir_map slots; /* by key_text */
    bool is_stopped;
};

/* What is to be stored, in the order in which it happened. */
struct slot_change {
    struct weir_list node;
    struct weir_share_slot *slot; /* a reference */
    struct weir_arena arena;
    struct weir_share_change what;
    struct weir_share_state_op op;
    struct weir_share_acknowledge_op *waiting; /* NULL: nobody */
};

struct weir_share_slot {
    atomic_uint refs;
    struct weir_share_partitions *owner;
    struct weir_share_key key; /* the group's bytes lie in key_text */
    struct weir_slice key_text;
    struct weir_partition *partition; /* a reference */
    int32_t leader_epoch;

    struct weir_lock lock; /* guards what follows; rank SHARE_PARTITION */
    enum slot_state state;
    enum weir_status status; /* DROPPED: why */
    struct weir_share_partition *machine;
    struct weir_list waiters;
    struct weir_list changes; /* not yet given to the coordinator */
    size_t change_count;
    bool is_writing; /* one is with the coordinator */
    bool is_pumping; /* a thread gives changes to the coordinator */
    atomic_bool is_retiring; /* it goes when nothing is left to be stored */
    bool is_timer_set;
    struct weir_task timer; /* for locks that run out */

    /* The load's, one step at a time. */
    struct weir_task load_task;
    struct weir_share_state_op read_op;
    int load_attempts;
};

/* slots_load.c */
/* Begins; takes a reference of its own. */
void slot_load(struct weir_share_slot *slot);

/* share_partitions.c */
struct slot_config {
    struct weir_share_partition_config partition;
    bool is_read_committed;
};
void slot_config(struct weir_share_partitions *partitions, struct weir_slice group_id,
                 struct slot_config *out);
/* Takes it out of the table, if it is still in there, and refuses from now on. */
void slot_drop(struct weir_share_slot *slot, enum weir_status status);
/* Drops it if nothing is left to be stored. */
void slot_retire(struct weir_share_slot *slot);
void slot_wake(struct weir_share_slot *slot); /* with the lock */
/* A coordinator's refusal as members hear of it. */
enum weir_status slot_status_of_state(enum weir_status status);

/* slots_change.c */
/* With the lock: sets the timer for the next lock that runs out, not before now_ms. */
void slot_arm(struct weir_share_slot *slot, int64_t now_ms);
WEIR_MUST_CHECK struct slot_change *slot_change_new(struct weir_share_slot *slot);
void slot_change_free(struct slot_change *change);
/* With the lock: takes it. */
void slot_enqueue(struct weir_share_slot *slot, struct slot_change *take_change);
/* Without locks: gives what waits to the coordinator. */
void slot_pump(struct weir_share_slot *slot);
void slot_release_member(struct weir_share_slot *slot, struct weir_slice member_id);
void slot_run_timer(struct weir_task *task);
