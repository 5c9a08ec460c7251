/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/group/classic: a group of the protocol of JoinGroup and SyncGroup, whose members
 * assign partitions among themselves.
 */

#include "../group_int.h"

struct classic_group;

/* ---- Members (member.c) ---- */

struct classic_member {
    struct weir_list node; /* in group->members, in the order they came */
    struct classic_group *group;
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

struct classic_member_setup {
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

WEIR_MUST_CHECK enum weir_status classic_member_new(struct classic_group *group,
                                                    const struct classic_member_setup *setup,
                                                    struct classic_member **out);
/* It must wait for nothing. */
void classic_member_free(struct classic_member *member);
bool classic_member_is_static(const struct classic_member *member);
/* What it said about a protocol; empty when it does not know it. */
struct weir_slice classic_member_metadata(const struct classic_member *member,
                                          struct weir_slice protocol);
bool classic_member_has_protocols(const struct classic_member *member,
                                  const struct weir_group_protocol *protocols, size_t count);
WEIR_MUST_CHECK enum weir_status protocols_dup(const struct weir_group_protocol *from, size_t count,
                                               struct weir_group_protocol **out, size_t *out_count);
void protocols_drop(struct weir_group_protocol *protocols, size_t count);

/* ---- A group (state.c, members.c) ---- */

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

struct pending_member {
    struct weir_list node;
    struct classic_group *group;
    struct weir_slice id;
    struct group_timer timer;
};

struct classic_group {
    struct group base;
    enum classic_state state;
    enum classic_state previous_state;
    int64_t state_timestamp_ms; /* wall clock; NO_TIMESTAMP: unknown */
    int32_t generation;
    struct weir_slice protocol_type; /* null: nobody has ever joined */
    struct weir_slice protocol_name; /* null: none selected */
    struct classic_member *leader;
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

WEIR_MUST_CHECK enum weir_status classic_group_new(struct group_machine *machine,
                                                   struct weir_slice id, int64_t wall_ms,
                                                   struct classic_group **out);
/* Whoever waits in it was completed before. */
void classic_group_free(struct classic_group *group);
/* The group around its base. */
struct classic_group *classic_of(struct group *group);
const struct classic_group *classic_of_const(const struct group *group);
/* NULL when there is no classic group of this name. */
struct classic_group *classic_group_of(const struct group_machine *machine, struct weir_slice id);
/* DescribeGroups, into a describe that says nothing yet. */
enum weir_status classic_describe(const struct group *group, struct weir_group_describe *describe);

/* It came with an offset, and no record but offsets is about it. */
bool classic_is_simple(const struct classic_group *group);

const char *classic_state_name(enum classic_state state);
bool classic_may_move(enum classic_state from, enum classic_state to);
void classic_set_state(struct classic_group *group, enum classic_state state, int64_t wall_ms);

/* Takes the member in; the first one decides the protocol type.  NO_MEMORY: nothing changed and the
 * member is still the caller's. */
WEIR_MUST_CHECK enum weir_status classic_add_member(struct classic_group *group,
                                                    struct classic_member *member,
                                                    struct weir_slice protocol_type);
/* Removes and frees it; what it waits for is answered with UNKNOWN_MEMBER_ID. */
void classic_remove_member(struct classic_group *group, struct classic_member *member,
                           struct weir_step *step);
WEIR_MUST_CHECK enum weir_status
classic_add_pending(struct classic_group *group, struct weir_slice id, struct pending_member **out);
void classic_remove_pending(struct classic_group *group, struct pending_member *pending);
struct classic_member *classic_find_member(const struct classic_group *group, struct weir_slice id);
struct classic_member *classic_find_static(const struct classic_group *group,
                                           struct weir_slice instance_id);
struct pending_member *classic_find_pending(const struct classic_group *group,
                                            struct weir_slice id);

/* The new id takes the place of the old one; what the old one waits for is answered with
 * FENCED_INSTANCE_ID. */
WEIR_MUST_CHECK enum weir_status classic_replace_static(struct classic_group *group,
                                                        struct classic_member *member,
                                                        struct weir_slice new_id,
                                                        struct weir_step *step);
/* New timeouts and protocols; NO_MEMORY changes nothing. */
WEIR_MUST_CHECK enum weir_status classic_update_member(struct classic_member *member,
                                                       const struct weir_group_protocol *protocols,
                                                       size_t count, int32_t rebalance_timeout_ms,
                                                       int32_t session_timeout_ms);

bool classic_supports(const struct classic_group *group, struct weir_slice protocol_type,
                      const struct weir_group_protocol *protocols, size_t count);
/* The protocol most members would take among those that all know; null without members. */
struct weir_slice classic_vote(const struct classic_group *group);
int32_t classic_rebalance_timeout_ms(const struct classic_group *group);
bool classic_has_all_joined(const struct classic_group *group);
bool classic_is_consumer(const struct classic_group *group);
void classic_compute_subscription(struct classic_group *group);
bool classic_is_subscribed(const struct classic_group *group, struct weir_slice topic);
/* UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
enum weir_status classic_check_member(const struct classic_group *group,
                                      struct weir_slice member_id, struct weir_slice instance_id);

/* ---- Answers (answers.c) ---- */

/* Sets the results of a join that failed, or of MEMBER_ID_REQUIRED. */
void join_set_error(struct weir_group_join *join, enum weir_status status,
                    struct weir_slice member_id);
/* The current generation, with the members when it is the leader who asks. */
void join_set_generation(struct weir_group_join *join, const struct classic_member *member);
void sync_set_error(struct weir_group_sync *sync, enum weir_status status);
void sync_set_assignment(struct weir_group_sync *sync, const struct classic_member *member);

/* Parks the answer in the member; one that waited there already is answered with
 * REBALANCE_IN_PROGRESS (its client has given it up). */
void classic_member_park_join(struct classic_member *member, struct weir_group_join *join,
                              struct weir_step *step);
void classic_member_park_sync(struct classic_member *member, struct weir_group_sync *sync,
                              struct weir_step *step);
/* Takes the parked answer out, or NULL. */
struct weir_group_join *classic_member_take_join(struct classic_member *member);
struct weir_group_sync *classic_member_take_sync(struct classic_member *member);
void classic_member_fail_join(struct classic_member *member, enum weir_status status,
                              struct weir_slice member_id, struct weir_step *step);
void classic_member_fail_sync(struct classic_member *member, enum weir_status status,
                              struct weir_step *step);

/* ---- Rebalance (rebalance.c) ---- */

void prepare_rebalance(struct classic_group *group, struct weir_slice reason,
                       struct weir_step *step);
/* Prepares one where the state allows it; otherwise sees whether the join phase is complete. */
void rebalance_or_complete(struct classic_group *group, struct weir_slice reason,
                           struct weir_step *step);
void complete_join_if_all_joined(struct classic_group *group, struct weir_step *step);
void complete_join(struct classic_group *group, struct weir_step *step);
void session_restart(struct classic_member *member, int64_t timeout_ms, struct weir_step *step);
group_timer_fired join_timer_fired;
group_timer_fired sync_timer_fired;
group_timer_fired session_expired;
group_timer_fired pending_expired;
/* Fails whoever waits to be told an assignment, and forgets all assignments. */
void reset_assignments(struct classic_group *group, enum weir_status status,
                       struct weir_step *step);
/* Tells every member that waits its assignment, or the error. */
void propagate_assignments(struct classic_group *group, enum weir_status status,
                           struct weir_step *step);
void sync_received(struct classic_member *member);

/* ---- Events (join.c, sync.c, leave.c) ---- */

/* A group that was made for this join and is not in the log yet. */
struct classic_newcomer {
    struct group *replaced; /* NULL, or the empty group of another kind whose place it takes: no
                               longer in the machine, and the join's from here on */
};

/* newcomer: NULL for a group that is known. */
void classic_join(struct classic_group *group, const struct weir_group_join_request *request,
                  const uint8_t random[16], const struct classic_newcomer *newcomer,
                  struct weir_group_join *join, struct weir_step *step);
void classic_sync(struct group *group, const struct weir_group_sync_request *request,
                  struct weir_group_sync *sync, struct weir_step *step);
enum weir_status classic_heartbeat(struct group *group,
                                   const struct weir_group_heartbeat_request *request,
                                   struct weir_step *step);
void classic_leave(struct group *group, struct weir_group_leave *leave, struct weir_step *step);
/* True when the op waited and no longer does. */
bool classic_cancel(struct weir_group_op *op, struct weir_step *step);

/* ---- Records (records.c) ---- */

/* Type 2, version 3, of the group as it is; assignments come from the list where it has the member
 * (NULL: from the members). */
void record_group(struct weir_step *step, const struct classic_group *group,
                  const struct weir_group_assignment *assignments, size_t assignment_count);
/* The same of a group that is not in the machine: replay brings it there. */
void record_whole_group(struct weir_step *step, const struct classic_group *group);
/* Generation 0 without protocol: a group that has only just been heard of. */
void record_empty_group(struct weir_step *step, const struct classic_group *group);
