/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/group.  A machine is one partition of __consumer_offsets: its groups, their offsets
 * and their timers.  Everything here is called by one thread at a time (the shard's lock is held)
 * and is pure: events and time in, changes and a step out.
 */

#include "weir/base/heap.h"
#include "weir/base/list.h"
#include "weir/base/map.h"
#include "weir/coordinator/machine.h"
#include "weir/group/group_service.h"

#define NO_DEADLINE INT64_MAX
#define NO_TIMESTAMP (-1)
#define CONSUMER_PROTOCOL_TYPE "consumer"

struct group;
struct group_machine;

/* ---- Owned texts (texts.c): a slice whose bytes are its owner's. ---- */

/* A copy; null stays null, empty becomes not null. */
WEIR_MUST_CHECK enum weir_status text_dup(struct weir_slice from, struct weir_slice *out);
void text_drop(struct weir_slice *text);
/* Replaces; on failure *text is untouched. */
WEIR_MUST_CHECK enum weir_status text_set(struct weir_slice *text, struct weir_slice value);

/* ---- Timers (machine.c): always in the machine's heap, so that setting one cannot fail. ---- */

enum timer_kind { TIMER_SESSION, TIMER_PENDING, TIMER_JOIN, TIMER_SYNC };

struct group_timer {
    struct weir_heap_node node; /* key NO_DEADLINE: not set */
    enum timer_kind kind;
};

WEIR_MUST_CHECK enum weir_status timer_init(struct group_machine *machine,
                                            struct group_timer *timer, enum timer_kind kind);
void timer_done(struct group_machine *machine, struct group_timer *timer);
void timer_set(struct group_machine *machine, struct group_timer *timer, int64_t deadline_ms);
void timer_cancel(struct group_machine *machine, struct group_timer *timer);

/* ---- Members (member.c) ---- */

struct member {
    struct weir_list node; /* in group->members, in the order they came */
    struct group *group;
    struct weir_slice id;
    struct weir_slice instance_id; /* null: dynamic */
    struct weir_slice client_id;
    struct weir_slice client_host; /* "/127.0.0.1" */
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
    struct weir_group_protocol *protocols; /* by preference, names are unique */
    size_t protocol_count;
    struct weir_slice assignment;
    struct weir_group_join *join; /* the answer it waits for, or NULL */
    struct weir_group_sync *sync;
    bool is_new;          /* has not been answered yet: its session runs even while it waits */
    bool is_id_unknown;   /* joined without an id and has not been told it */
    bool is_pending_sync; /* got a generation and has not sent its SyncGroup */
    struct group_timer session;
};

struct member_setup {
    struct weir_slice id;
    struct weir_slice instance_id;
    struct weir_slice client_id;
    struct weir_slice client_host;
    int32_t rebalance_timeout_ms;
    int32_t session_timeout_ms;
    const struct weir_group_protocol *protocols;
    size_t protocol_count;
    struct weir_slice assignment;
};

WEIR_MUST_CHECK enum weir_status member_new(struct group *group, const struct member_setup *setup,
                                            struct member **out);
/* It must wait for nothing. */
void member_free(struct member *member);
bool member_is_static(const struct member *member);
/* What it said about a protocol; empty when it does not know it. */
struct weir_slice member_metadata(const struct member *member, struct weir_slice protocol);
bool member_has_protocols(const struct member *member, const struct weir_group_protocol *protocols,
                          size_t count);
WEIR_MUST_CHECK enum weir_status protocols_dup(const struct weir_group_protocol *from, size_t count,
                                               struct weir_group_protocol **out,
                                               size_t *out_count);
void protocols_drop(struct weir_group_protocol *protocols, size_t count);

/* ---- A group (classic_state.c, classic_members.c) ---- */

/*
 *  Empty -----------> PreparingRebalance --> CompletingRebalance --> Stable
 *    ^   prepare_       |        ^  ^  complete_join    |     sync_committed |
 *    |   rebalance      |        |  +-- prepare_rebalance                    |
 *    +------------------+        +--------------------------------------------+
 *      complete_join, nobody left
 *  any -> Dead: the group is removed or its shard goes away.
 *
 *  Empty                no member; protocol_name and leader are null
 *  PreparingRebalance   members may wait with a join; join_timer is set
 *  CompletingRebalance  protocol_name, leader and generation hold; members may wait with a sync;
 *                       sync_timer is set while some have not sent it
 *  Stable               every member's assignment holds
 */
enum classic_state {
    CLASSIC_EMPTY,
    CLASSIC_PREPARING,
    CLASSIC_COMPLETING,
    CLASSIC_STABLE,
    CLASSIC_DEAD
};

/* Groups of the newer protocols that are in the log.  Their records are left alone, and so are the
 * groups: nothing here may write a record that would make Apache Kafka drop them. */
enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER, GROUP_SHARE, GROUP_STREAMS };

struct pending_member {
    struct weir_list node;
    struct group *group;
    struct weir_slice id;
    struct group_timer timer;
};

struct group {
    struct group_machine *machine;
    struct weir_slice id;
    uint64_t incarnation; /* tells a group from a later one of the same name */
    enum group_kind kind;
    enum classic_state state;
    enum classic_state previous_state;
    int64_t state_timestamp_ms; /* wall clock; NO_TIMESTAMP: unknown */
    int32_t generation;
    struct weir_slice protocol_type; /* null: nobody has ever joined */
    struct weir_slice protocol_name; /* null: none selected */
    struct member *leader;
    struct weir_list members;
    size_t member_count;
    struct weir_map by_id;
    struct weir_map by_instance;
    struct weir_list pending; /* were told an id and have not come back with it */
    struct weir_map pending_by_id;
    size_t waiting_join_count;
    size_t pending_sync_count;
    struct weir_map protocol_counts; /* name -> struct protocol_count */
    bool knows_subscription;
    struct weir_map subscribed; /* topic -> struct owned_text */
    bool has_new_member;        /* since the initial rebalance was last extended */
    bool is_join_initial;       /* join_timer is that of an initial rebalance */
    int32_t initial_delay_ms;
    int32_t initial_remaining_ms;
    struct group_timer join_timer;
    struct group_timer sync_timer;
};

WEIR_MUST_CHECK enum weir_status group_new(struct group_machine *machine, struct weir_slice id,
                                           enum group_kind kind, int64_t wall_ms,
                                           struct group **out);
/* Whoever waits in it was completed before. */
void group_free(struct group *group);

const char *classic_state_name(enum classic_state state);
bool classic_may_move(enum classic_state from, enum classic_state to);
void group_set_state(struct group *group, enum classic_state state, int64_t wall_ms);

/* Takes the member in; the first one decides the protocol type.  NO_MEMORY: nothing changed and the
 * member is still the caller's. */
WEIR_MUST_CHECK enum weir_status group_add_member(struct group *group, struct member *member,
                                                  struct weir_slice protocol_type);
/* Removes and frees it; what it waits for is answered with UNKNOWN_MEMBER_ID. */
void group_remove_member(struct group *group, struct member *member, struct weir_step *step);
WEIR_MUST_CHECK enum weir_status group_add_pending(struct group *group, struct weir_slice id,
                                                   struct pending_member **out);
void group_remove_pending(struct group *group, struct pending_member *pending);
struct member *group_member(const struct group *group, struct weir_slice id);
struct member *group_static_member(const struct group *group, struct weir_slice instance_id);
struct pending_member *group_pending(const struct group *group, struct weir_slice id);

/* The new id takes the place of the old one; what the old one waits for is answered with
 * FENCED_INSTANCE_ID. */
WEIR_MUST_CHECK enum weir_status group_replace_static(struct group *group, struct member *member,
                                                      struct weir_slice new_id,
                                                      struct weir_step *step);
/* New timeouts and protocols; NO_MEMORY changes nothing. */
WEIR_MUST_CHECK enum weir_status group_update_member(struct member *member,
                                                     const struct weir_group_protocol *protocols,
                                                     size_t count, int32_t rebalance_timeout_ms,
                                                     int32_t session_timeout_ms);

bool group_supports(const struct group *group, struct weir_slice protocol_type,
                    const struct weir_group_protocol *protocols, size_t count);
/* The protocol most members would take among those that all know; null without members. */
struct weir_slice group_vote(const struct group *group);
int32_t group_rebalance_timeout_ms(const struct group *group);
bool group_has_all_joined(const struct group *group);
bool group_is_consumer(const struct group *group);
void group_compute_subscription(struct group *group);
bool group_is_subscribed(const struct group *group, struct weir_slice topic);
/* UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
enum weir_status group_check_member(const struct group *group, struct weir_slice member_id,
                                    struct weir_slice instance_id);

/* ---- Answers (answers.c) ---- */

/* Sets the results of a join that failed, or of MEMBER_ID_REQUIRED. */
void join_set_error(struct weir_group_join *join, enum weir_status status,
                    struct weir_slice member_id);
/* The current generation, with the members when it is the leader who asks. */
void join_set_generation(struct weir_group_join *join, const struct member *member);
void sync_set_error(struct weir_group_sync *sync, enum weir_status status);
void sync_set_assignment(struct weir_group_sync *sync, const struct member *member);

/* Parks the answer in the member; one that waited there already is answered with
 * REBALANCE_IN_PROGRESS (its client has given it up). */
void member_park_join(struct member *member, struct weir_group_join *join, struct weir_step *step);
void member_park_sync(struct member *member, struct weir_group_sync *sync, struct weir_step *step);
/* Takes the parked answer out, or NULL. */
struct weir_group_join *member_take_join(struct member *member);
struct weir_group_sync *member_take_sync(struct member *member);
void member_fail_join(struct member *member, enum weir_status status, struct weir_slice member_id,
                      struct weir_step *step);
void member_fail_sync(struct member *member, enum weir_status status, struct weir_step *step);
void op_complete(struct weir_group_op *op, enum weir_status status, struct weir_step *step);
/* The op is done when the step's records are committed, with the status it has by then. */
void op_wait_committed(struct weir_group_op *op, struct weir_step *step);

/* ---- Rebalance (classic_rebalance.c) ---- */

void prepare_rebalance(struct group *group, struct weir_slice reason, struct weir_step *step);
/* Prepares one where the state allows it; otherwise sees whether the join phase is complete. */
void rebalance_or_complete(struct group *group, struct weir_slice reason, struct weir_step *step);
void complete_join_if_all_joined(struct group *group, struct weir_step *step);
void complete_join(struct group *group, struct weir_step *step);
void session_restart(struct member *member, int64_t timeout_ms, struct weir_step *step);
void join_timer_fired(struct group *group, struct weir_step *step);
void sync_timer_fired(struct group *group, struct weir_step *step);
void session_expired(struct member *member, struct weir_step *step);
void pending_expired(struct pending_member *pending, struct weir_step *step);
/* Fails whoever waits to be told an assignment, and forgets all assignments. */
void reset_assignments(struct group *group, enum weir_status status, struct weir_step *step);
/* Tells every member that waits its assignment, or the error. */
void propagate_assignments(struct group *group, enum weir_status status, struct weir_step *step);
void sync_received(struct member *member);
void group_reason(struct weir_step *step, struct weir_slice *out, const char *format, ...)
    WEIR_PRINTF(3, 4);

/* ---- Events (classic_join.c, classic_sync.c, classic_leave.c) ---- */

void classic_join(struct group_machine *machine, const struct weir_group_join_request *request,
                  const uint8_t random[16], struct weir_group_join *join, struct weir_step *step);
void classic_sync(struct group_machine *machine, const struct weir_group_sync_request *request,
                  struct weir_group_sync *sync, struct weir_step *step);
enum weir_status classic_heartbeat(struct group_machine *machine,
                                   const struct weir_group_heartbeat_request *request,
                                   struct weir_step *step);
void classic_leave(struct group_machine *machine, struct weir_slice group_id,
                   struct weir_group_leave *leave, struct weir_step *step);
/* True when the op waited and no longer does. */
bool classic_cancel(struct weir_group_op *op, struct weir_step *step);

/* ---- Records (group_records.c) ---- */

/* Type 2, version 3, of the group as it is; assignments come from the list where it has the member
 * (NULL: from the members). */
void record_group(struct weir_step *step, const struct group *group,
                  const struct weir_group_assignment *assignments, size_t assignment_count);
/* Generation 0 without protocol: a group that has only just been heard of. */
void record_empty_group(struct weir_step *step, const struct group *group);
void record_group_tombstone(struct weir_step *step, struct weir_slice group_id);
void record_offset(struct weir_step *step, struct weir_slice group_id,
                   const struct weir_offset_commit_item *item, int64_t commit_ms,
                   int64_t expire_ms);
void record_offset_tombstone(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice topic, int32_t partition);

/* ---- Offsets (offsets.c) ---- */

struct stored_offset {
    struct weir_slice key; /* partition (4 bytes), topic */
    struct weir_slice topic;
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    struct weir_slice metadata;
    int64_t commit_ms;
    int64_t expire_ms; /* NO_TIMESTAMP: the broker's retention */
    struct weir_uuid topic_id;
    int64_t record_offset;
};

/* A group's share of one open transaction. */
struct txn_part {
    struct weir_list group_node;
    struct weir_list txn_node;
    struct group_offsets *owner;
    int64_t producer_id;
    struct weir_map offsets;
};

struct group_offsets {
    struct weir_slice group_id;
    struct weir_map committed; /* key -> struct stored_offset */
    struct weir_list txns;     /* struct txn_part */
};

struct open_txn {
    int64_t producer_id;
    struct weir_list parts;
};

/* Invariants: O1  a group_offsets exists exactly while it has a committed offset or a part;
 *             O2  an open_txn exists exactly while it has a part. */
struct offsets {
    struct weir_map by_group;
    struct weir_map by_producer;
    size_t committed_count;
};

void offsets_done(struct offsets *offsets);
struct group_offsets *offsets_of_group(const struct offsets *offsets, struct weir_slice group_id);
struct stored_offset *group_offsets_find(const struct group_offsets *group, struct weir_slice topic,
                                         int32_t partition);
bool group_offsets_is_pending(const struct group_offsets *group, struct weir_slice topic,
                              int32_t partition);
/* producer_id -1: committed at once.  `from` is copied; its key is not looked at. */
WEIR_MUST_CHECK enum weir_status offsets_put(struct offsets *offsets, struct weir_slice group_id,
                                             int64_t producer_id,
                                             const struct stored_offset *from);
void offsets_remove(struct offsets *offsets, struct weir_slice group_id, struct weir_slice topic,
                    int32_t partition);
WEIR_MUST_CHECK enum weir_status offsets_end_txn(struct offsets *offsets, int64_t producer_id,
                                                 bool is_commit);

/* ---- Operations on offsets (offset_ops.c) ---- */

void offset_commit(struct group_machine *machine, const struct weir_group_offset_commit_request *request,
                   struct weir_offset_commit *commit, struct weir_step *step);
void offset_fetch(struct group_machine *machine, struct weir_slice group_id,
                  struct weir_offset_fetch *fetch, struct weir_step *step);
void offset_delete(struct group_machine *machine, struct weir_slice group_id,
                   struct weir_offset_delete *remove, struct weir_step *step);
/* Tombstones for everything of the group; no more than count_max in one call. */
void offsets_forget_group(struct group_machine *machine, struct weir_slice group_id,
                          struct weir_step *step);
/* False when there is more to do. */
bool offsets_expire(struct group_machine *machine, struct weir_step *step);
void offsets_topic_deleted(struct group_machine *machine, const struct weir_image_topic *topic,
                           struct weir_step *step);

/* ---- Looking (group_admin.c) ---- */

void group_admin_delete(struct group_machine *machine, struct weir_slice group_id,
                        struct weir_group_op *op, struct weir_step *step);
void group_admin_describe(struct group_machine *machine, struct weir_slice group_id,
                          struct weir_group_describe *describe);
struct list_collector {
    const struct weir_group_list_request *request;
    struct weir_group_list *list;
    size_t capacity;
    struct weir_group_listing *groups; /* malloc'ed */
    size_t count;
};
void group_admin_list(struct group_machine *machine, struct list_collector *collector);

/* ---- The machine (machine.c, replay.c) ---- */

struct group_machine {
    const struct weir_group_config *config;
    struct weir_map groups;
    struct weir_heap timers;
    struct offsets offsets;
    int64_t next_expiry_ms; /* monotonic */
    uint64_t incarnations;
};

extern const struct weir_machine_ops group_machine_ops;

struct group *machine_group(const struct group_machine *machine, struct weir_slice id);
WEIR_MUST_CHECK enum weir_status machine_add_group(struct group_machine *machine,
                                                   struct weir_slice id, enum group_kind kind,
                                                   int64_t wall_ms, struct group **out);
/* Whoever waits in it is answered with the status (step may be NULL when nobody can). */
void machine_remove_group(struct group_machine *machine, struct group *group,
                          enum weir_status status, struct weir_step *step);
enum weir_status machine_replay(void *machine, const struct weir_replayed *record,
                                struct weir_detail *detail);
