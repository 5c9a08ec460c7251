/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/group/streams: a group of Kafka Streams members (KIP-1071), whose tasks the broker
 * assigns.
 *
 * Everything that is a record changes through replay, after the append: a heartbeat only reads the
 * group, so that a refused append leaves nothing behind.  What lives in memory only (timers, the
 * configured topology, who asked for a shutdown, the endpoints' epoch) may change at once.
 */

#include "../group_int.h"

#include "weir/group/streams_groups.h"
#include "weir/protocol/records/streams_group_member_metadata_value.h"

#define STREAMS_EPOCH_INITIAL 1 /* of the group and of its target assignment */
#define STREAMS_EPOCH_NONE    (-1)

/* ---- Sets of tasks (tasks.c): ascending by subtopology, then partition; each once. ---- */

struct streams_task {
    struct weir_slice subtopology; /* lies where the set lies */
    int32_t partition;
    int32_t epoch; /* active tasks a member has: the assignment epoch they came with; otherwise 0 */
};

struct streams_tasks {
    struct streams_task *items;
    size_t count;
};

struct streams_tuple {
    struct streams_tasks active;
    struct streams_tasks standby;
    struct streams_tasks warmup;
};

/* Room for count_max items; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status tasks_make(struct weir_arena *arena, size_t count_max,
                                            struct streams_tasks *out);
/* Sorts, and drops what is there twice. */
void tasks_sort(struct streams_tasks *tasks);
const struct streams_task *tasks_find(const struct streams_tasks *tasks,
                                      struct weir_slice subtopology, int32_t partition);
bool tasks_equal(const struct streams_tasks *a, const struct streams_tasks *b);
bool tasks_intersect(const struct streams_tasks *a, const struct streams_tasks *b);
bool tuple_equal(const struct streams_tuple *a, const struct streams_tuple *b);
bool tuple_is_empty(const struct streams_tuple *tuple);
bool tuple_intersect(const struct streams_tuple *a, const struct streams_tuple *b);
/* From a request; slices are borrowed. */
WEIR_MUST_CHECK enum weir_status tasks_from_list(const struct weir_streams_task_list *list,
                                                 struct weir_arena *arena,
                                                 struct streams_tasks *out);
/* For an answer: copied into arena. */
WEIR_MUST_CHECK enum weir_status tasks_to_list(const struct streams_tasks *tasks,
                                               struct weir_arena *arena,
                                               struct weir_streams_task_list *out);
/* "[0-0, 0-1]" for log lines, cut; empty when memory is out. */
struct weir_slice tasks_text(const struct streams_tasks *tasks, struct weir_arena *arena);

/* ---- The topology (topology.c) ---- */

typedef struct weir_streams_group_topology_value topology_value;
typedef struct weir_streams_group_topology_value_subtopology subtopology_value;
typedef struct weir_streams_group_topology_value_topic_info topic_value;

/* Names of all topics it needs (sources, repartition sources, changelogs), sorted, each once. */
WEIR_MUST_CHECK enum weir_status topology_required(const topology_value *topology,
                                                   struct weir_arena *arena,
                                                   struct weir_slice **out, size_t *out_count);
/* Epochs and subtopologies, in whatever order they are listed.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status topology_equal(const topology_value *a, const topology_value *b,
                                                bool *out);
/* The subtopology that reads the topic, as a source or a repartition source; NULL: none. */
const subtopology_value *topology_reader(const topology_value *topology, struct weir_slice topic);

/* What the coordinator knows of topics: partitions, -1 when there is no such topic. */
struct streams_topics {
    int32_t (*partition_count)(const struct streams_topics *topics, struct weir_slice name);
    const void *context;
};

struct streams_configured_subtopology {
    const subtopology_value *value;
    int32_t task_count;
};

/* The topology beside the topics that exist (configure.c). */
struct streams_configured {
    struct weir_arena arena; /* a copy of everything is in here */
    int32_t topology_epoch;
    bool is_ready;                                        /* nothing is missing or wrong */
    struct weir_streams_status status;                    /* when it is not ready */
    struct streams_configured_subtopology *subtopologies; /* ascending by id */
    size_t subtopology_count;                             /* 0 also when something is wrong */
    struct weir_map decided; /* partitions of internal topics: name -> struct decided */
    struct weir_streams_missing_topic *missing; /* by name */
    size_t missing_count;
};

/* Kafka's InternalTopicManager.  STREAMS_INVALID_TOPOLOGY when counts cannot be decided,
 * UNKNOWN_SERVER_ERROR when the topology contradicts itself (both with a message in detail),
 * NO_MEMORY; *out is untouched then. */
WEIR_MUST_CHECK enum weir_status streams_configure(const topology_value *topology,
                                                   const struct streams_topics *topics,
                                                   struct streams_configured **out,
                                                   struct weir_detail *detail);
/* NULL is allowed. */
void streams_configured_free(struct streams_configured *configured);
/* 0: not decided. */
int32_t streams_decided_count(const struct streams_configured *configured,
                              const topic_value *topic);
const struct streams_configured_subtopology *
streams_configured_find(const struct streams_configured *configured, struct weir_slice id);

/* ---- The group (group.c) ---- */

/* As in the records. */
enum streams_member_state {
    STREAMS_STABLE = 1,
    STREAMS_UNREVOKED = 2,  /* must say that it gave up tasks before its epoch moves on */
    STREAMS_UNRELEASED = 3, /* some tasks of its target are still with others */
    STREAMS_UNKNOWN = 127   /* of a future broker */
};

/* What a member's record of type 22 says. */
struct streams_current {
    int32_t epoch;
    int32_t previous_epoch;
    enum streams_member_state state;
    struct streams_tuple assigned;
    struct streams_tuple revoking;
};

struct streams_group;

struct streams_member {
    struct streams_group *group;
    struct weir_slice id;
    struct weir_arena metadata_arena; /* of metadata: its bytes and arrays */
    struct weir_streams_group_member_metadata_value metadata;
    struct weir_arena current_arena; /* of current */
    struct streams_current current;
    struct group_timer session;
    struct group_timer rebalance; /* set while UNREVOKED */
};

struct streams_target {
    struct weir_slice member_id;
    struct weir_arena arena;
    struct streams_tuple tasks;
};

struct streams_group {
    struct group base;
    int32_t epoch;
    int64_t metadata_hash;
    int32_t validated_topology_epoch;
    bool has_standby_replicas; /* of the last assignment's configs */
    int32_t standby_replicas;
    int32_t assignment_epoch;
    int64_t assignment_ms;
    struct weir_map members; /* id -> struct streams_member */
    struct weir_map targets; /* member id -> struct streams_target */
    struct weir_arena topology_arena;
    topology_value topology; /* when has_topology */
    bool has_topology;
    /* Memory only. */
    struct streams_configured *configured; /* NULL: to be made */
    bool needs_refresh;                    /* its topics may have changed */
    struct weir_slice shutdown_member_id;  /* who asked for the end of the application; or null */
    int32_t endpoint_epoch;
    bool awaits_delay; /* made by an event: its first assignment waits */
    struct group_timer initial;
};

struct streams_group *streams_of(struct group *group);
const struct streams_group *streams_of_const(const struct group *group);
/* NULL when there is none, or it is of another kind. */
struct streams_group *streams_group_of(const struct group_machine *machine, struct weir_slice id);
struct streams_member *streams_find_member(const struct streams_group *group, struct weir_slice id);
WEIR_MUST_CHECK enum weir_status
streams_member_new(struct streams_group *group, struct weir_slice id, struct streams_member **out);
void streams_remove_member(struct streams_group *group, struct streams_member *member);
void streams_remove_target(struct streams_group *group, struct weir_slice member_id);
void streams_set_configured(struct streams_group *group, struct streams_configured *take);
const char *streams_state_name(const struct streams_group *group);
bool streams_is_reconciled(const struct streams_current *current, int32_t assignment_epoch);
/* By member id: out has room for all.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status streams_members_sorted(const struct streams_group *group,
                                                        struct weir_arena *arena,
                                                        struct streams_member ***out);

/* ---- Reconciliation (reconcile.c) ---- */

struct reconcile_input {
    const struct streams_group *group; /* NULL: the member is its first */
    struct weir_slice process_id;      /* of the member, as it is from now on */
    const struct streams_current *current;
    int32_t target_epoch;
    const struct streams_tuple *target;
    const struct streams_tuple *owned; /* NULL: it did not say */
};

/* What the member has from now on; *out lies in arena or is *current.  FENCED_MEMBER_EPOCH,
 * NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status streams_reconcile(const struct reconcile_input *input,
                                                   struct weir_arena *arena,
                                                   struct streams_current *out);
bool streams_current_equal(const struct streams_current *a, const struct streams_current *b);

/* ---- Records (records.c) ---- */

void record_streams_group(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                          int64_t metadata_hash, int32_t validated_topology_epoch,
                          bool has_standby_replicas, int32_t standby_replicas);
void record_streams_topology(struct weir_step *step, struct weir_slice group_id,
                             const topology_value *topology);
void record_streams_member(struct weir_step *step, struct weir_slice group_id,
                           struct weir_slice member_id,
                           const struct weir_streams_group_member_metadata_value *value);
void record_streams_target_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                                 int64_t assignment_ms);
void record_streams_target(struct weir_step *step, struct weir_slice group_id,
                           struct weir_slice member_id, const struct streams_tuple *tasks);
void record_streams_current(struct weir_step *step, struct weir_slice group_id,
                            struct weir_slice member_id, const struct streams_current *current);
/* The three of a member, in the order in which replay wants them. */
void tombstones_streams_member(struct weir_step *step, struct weir_slice group_id,
                               struct weir_slice member_id);
void tombstones_streams_group(const struct group *group, struct weir_step *step);

/* ---- Events (heartbeat.c, target.c, describe.c) ---- */

void streams_heartbeat(struct group_machine *machine,
                       const struct weir_streams_heartbeat_request *request,
                       struct weir_streams_heartbeat *heartbeat, struct weir_step *step);
void streams_describe(struct group_machine *machine, struct weir_slice group_id,
                      struct weir_streams_describe *describe);
/* Checks that need no group; message is set with an error. */
WEIR_MUST_CHECK enum weir_status
streams_check_request(const struct weir_streams_heartbeat_request *request,
                      struct weir_arena *arena, struct weir_slice *message);
/* The member goes: tombstones and the next group epoch.  why is a literal. */
void streams_fence(struct streams_member *member, const char *why, struct weir_step *step);
group_timer_fired streams_session_fired;
group_timer_fired streams_rebalance_fired;
group_timer_fired streams_initial_fired;

/* The member that is new or changes with this heartbeat. */
struct streams_updated {
    struct weir_slice id;
    struct weir_slice process_id;
};

/* A new target assignment for the epoch: its records.  updated NULL: nobody changes.  *out_target
 * is that of `updated` (in the step's arena).  NO_MEMORY, UNKNOWN_SERVER_ERROR. */
WEIR_MUST_CHECK enum weir_status
streams_assign(struct weir_slice group_id, const struct streams_group *group, int32_t epoch,
               const struct streams_updated *updated, const struct streams_configured *configured,
               int32_t standby_replicas, struct weir_step *step, struct streams_tuple *out_target);

/* Of the topics that exist among those the topology needs; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status streams_metadata_hash(const struct weir_image *image,
                                                       const topology_value *topology,
                                                       struct weir_arena *arena, int64_t *out);
/* Where users ask for which partitions: of all members but one, then of that one. */
struct endpoint_member {
    const struct weir_streams_group_member_metadata_value *metadata;
    const struct streams_tuple *assigned;
    struct weir_slice id;
};
WEIR_MUST_CHECK enum weir_status streams_endpoints(const struct streams_group *group,
                                                   const struct endpoint_member *updated,
                                                   const struct streams_configured *configured,
                                                   const struct weir_image *image,
                                                   struct weir_streams_heartbeat *heartbeat);
