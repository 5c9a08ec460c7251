/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/group/share: a group whose members share partitions (KIP-932).
 *
 * Everything that is a record changes through replay, after the append.  What lives in memory only
 * (timers, how old an initialisation is) may change at once.
 */

#include "../partition_set.h"

#include "weir/group/share_groups.h"
#include "weir/protocol/records/share_group_member_metadata_value.h"

/* Of the group and of its target assignment. */
#define SHARE_EPOCH_INITIAL 1
#define SHARE_EPOCH_NONE    (-1)

/* The one state a member can be in, as in its record: it has its target at once. */
#define SHARE_MEMBER_STABLE 0

typedef struct weir_share_group_member_metadata_value share_member_value;

/* ---- What of the topics is known to the share coordinator (topics.c): record 15 ---- */

struct share_topic {
    struct weir_uuid id;
    struct weir_slice name;
    const int32_t *partitions; /* ascending; none of a topic whose state is being deleted */
    size_t count;
    int64_t since_ms; /* initializing only: when it was asked for last; SHARE_DUE: in vain */
    uint64_t job;     /* the same: answers to jobs before this one are too old */
};
#define SHARE_DUE INT64_MIN

/* By topic id, each once. */
struct share_topics {
    struct share_topic *items;
    size_t count;
};

struct share_state {
    struct share_topics initializing;
    struct share_topics initialized;
    struct share_topics deleting;
};

struct share_topic *share_topics_find(const struct share_topics *topics, struct weir_uuid id);
/* Copies into arena, with room for `more`; names and partitions stay where they are.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status share_topics_copy(const struct share_topics *from, size_t more,
                                                   struct weir_arena *arena,
                                                   struct share_topics *out);
/* Adds the topic, or its partitions to those that are there; there is room. */
WEIR_MUST_CHECK enum weir_status share_topics_add(struct share_topics *topics,
                                                  const struct share_topic *topic,
                                                  struct weir_arena *arena);
/* Takes the topic's partitions away, and the topic when none is left. */
WEIR_MUST_CHECK enum weir_status share_topics_take(struct share_topics *topics,
                                                   const struct share_topic *topic,
                                                   struct weir_arena *arena);
void share_topics_remove(struct share_topics *topics, struct weir_uuid id);
bool share_topic_has(const struct share_topic *topic, int32_t partition);
/* A copy for a step that changes it: lists with room for `more` topics each. */
WEIR_MUST_CHECK enum weir_status share_state_copy(const struct share_state *from, size_t more,
                                                  struct weir_arena *arena,
                                                  struct share_state *out);

/* ---- The group (group.c) ---- */

struct share_group;

struct share_member {
    struct share_group *group;
    struct weir_slice id;
    struct weir_arena metadata_arena; /* of metadata: its bytes and arrays */
    share_member_value metadata;      /* topic names ascending */
    int32_t epoch;
    int32_t previous_epoch;
    struct partition_set assigned;
    struct group_timer session;
};

struct share_target {
    struct weir_slice member_id;
    struct partition_set partitions;
};

struct share_group {
    struct group base;
    int32_t epoch;
    int64_t metadata_hash;
    int32_t assignment_epoch;
    int64_t assignment_ms;
    struct weir_map members; /* id -> struct share_member */
    struct weir_map targets; /* member id -> struct share_target */
    struct weir_arena state_arena;
    struct share_state state;
    bool has_state; /* there is a record of type 15 */
    /* Memory only. */
    bool is_metadata_stale;   /* its topics may have changed */
    bool may_be_pending;      /* nobody looked since targets, states or subscriptions changed */
    struct group_timer retry; /* of an initialisation that did not succeed */
};

struct share_group *share_of(struct group *group);
const struct share_group *share_of_const(const struct group *group);
/* NULL when there is none, or it is of another kind. */
struct share_group *share_group_of(const struct group_machine *machine, struct weir_slice id);
struct share_member *share_find_member(const struct share_group *group, struct weir_slice id);
WEIR_MUST_CHECK enum weir_status share_member_new(struct share_group *group, struct weir_slice id,
                                                  struct share_member **out);
void share_remove_member(struct share_group *group, struct share_member *member);
struct partition_set share_target_of(const struct share_group *group, struct weir_slice member_id);
/* Copies. */
WEIR_MUST_CHECK enum weir_status share_set_target(struct share_group *group,
                                                  struct weir_slice member_id,
                                                  const struct partition_set *partitions);
void share_remove_target(struct share_group *group, struct weir_slice member_id);
/* By member id; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status share_members_sorted(const struct share_group *group,
                                                      struct weir_arena *arena,
                                                      struct share_member ***out);

/* ---- The group as it is to be (view.c) ---- */

struct share_view_member {
    struct weir_slice id;
    const struct weir_slice *names; /* ascending */
    size_t name_count;
};

struct share_view {
    const struct share_group *group; /* NULL: it is not there yet */
    const struct weir_image *image;
    struct share_view_member *members; /* by id */
    size_t member_count;
    const struct weir_image_topic **topics; /* that exist and are subscribed to; by name */
    size_t topic_count;
};

/* The group with the member `id` as `metadata` says; metadata NULL: without it.  id null: as it is.
 * Everything lies in arena.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status share_view_make(const struct share_group *group,
                                                 const struct weir_image *image,
                                                 struct weir_slice id,
                                                 const share_member_value *metadata,
                                                 struct weir_arena *arena, struct share_view *out);
WEIR_MUST_CHECK enum weir_status share_view_hash(const struct share_view *view,
                                                 struct weir_arena *arena, int64_t *out);
bool share_names_contain(const struct weir_slice *sorted, size_t count, struct weir_slice name);
bool share_is_subscribed(const struct share_group *group, struct weir_slice topic);

/* ---- Records (records.c) ---- */

void record_share_group(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                        int64_t metadata_hash);
void record_share_member(struct weir_step *step, struct weir_slice group_id,
                         struct weir_slice member_id, const share_member_value *value);
void record_share_target_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                               int64_t assignment_ms);
void record_share_target(struct weir_step *step, struct weir_slice group_id,
                         struct weir_slice member_id, const struct partition_set *partitions);
void record_share_current(struct weir_step *step, struct weir_slice group_id,
                          struct weir_slice member_id, int32_t epoch, int32_t previous_epoch,
                          const struct partition_set *assigned);
void record_share_state(struct weir_step *step, struct weir_slice group_id,
                        const struct share_state *state);
/* The three of a member, in the order in which replay wants them. */
void tombstones_share_member(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice member_id);
void tombstones_share_group(const struct group *group, struct weir_step *step);

/* ---- Target and initialisation (target.c, initialise.c) ---- */

/* A new target assignment for the epoch, over initialised partitions: its records.  *out_target is
 * that of `id` (in the step's arena).  NO_MEMORY, UNKNOWN_SERVER_ERROR. */
WEIR_MUST_CHECK enum weir_status share_assign(struct weir_slice group_id,
                                              const struct share_view *view, int32_t epoch,
                                              struct weir_slice id, struct weir_step *step,
                                              struct partition_set *out_target);
/* Initialised partitions of a subscribed topic are not what is assigned. */
bool share_assignment_is_pending(const struct share_group *group);

/* What is asked of the share coordinator when a step's records are committed, and what comes of
 * it (jobs.c). */
enum share_job_kind {
    SHARE_JOB_INITIALIZE,    /* partitions that are newly subscribed to */
    SHARE_JOB_ALTER,         /* AlterShareGroupOffsets */
    SHARE_JOB_DELETE_TOPICS, /* DeleteShareGroupOffsets */
    SHARE_JOB_DELETE_GROUP   /* DeleteGroups */
};

struct share_job {
    struct weir_write written;
    struct weir_completion start;
    struct weir_group_share_call call;
    const struct group_context *context;
    uint64_t number;            /* of all of the service, from 1 */
    struct weir_slice group_id; /* owned */
    enum share_job_kind kind;
    struct weir_group_op *op; /* whose answer waits for it; NULL: none */
    size_t capacity;
};

/* A number above those of all jobs before. */
uint64_t share_job_next(struct group_machine *machine);
/* Without partitions yet.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status share_job_new(struct group_machine *machine,
                                               struct weir_slice group_id, enum share_job_kind kind,
                                               struct weir_group_op *op, struct share_job **out);
void share_job_free(struct share_job *job);
WEIR_MUST_CHECK enum weir_status share_job_add(struct share_job *job, struct weir_uuid topic_id,
                                               int32_t partition, int64_t start_offset);
WEIR_MUST_CHECK enum weir_status share_job_add_topic(struct share_job *job,
                                                     const struct share_topic *topic);
/* Takes the job: it starts when the step's records are committed, and its op is completed by it. */
void share_job_start(struct share_job *take, struct weir_step *step);
/* What the share coordinator said (topics.c of initialise.c, offsets.c); the job stays the
 * caller's. */
void share_job_ended(struct group_machine *machine, const struct share_job *job,
                     struct weir_step *step);
void share_initialize_ended(struct group_machine *machine, const struct share_job *job,
                            struct weir_step *step);
/* The question was asked before the state was deleted, or before the log was read anew: what the
 * answer says may not be so any more.  topic: as it is in initializing now. */
bool share_job_is_too_old(const struct share_job *job, const struct share_topic *topic);
/* It could not even be written that they are asked for: soon again. */
void share_initialize_refused(struct group_machine *machine, const struct share_job *job,
                              const struct weir_step *step);
void share_alter_ended(struct group_machine *machine, const struct share_job *job,
                       struct weir_step *step);
void share_delete_topics_ended(struct group_machine *machine, const struct share_job *job,
                               struct weir_step *step);
void share_delete_group_ended(struct group_machine *machine, const struct share_job *job,
                              struct weir_step *step);

/* Subscribed partitions that are not initialised are to be: a record, and a job when the records
 * are committed.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status share_initialize(struct group_machine *machine,
                                                  struct weir_slice group_id,
                                                  const struct share_view *view, int32_t epoch,
                                                  struct weir_step *step);
group_timer_fired share_retry_fired;

/* ---- Events (heartbeat.c, leave.c, describe.c, offsets.c) ---- */

/* Checks that need no group; message is set with an error. */
WEIR_MUST_CHECK enum weir_status
share_check_request(const struct weir_share_heartbeat_request *request,
                    struct weir_slice *out_message);
void share_heartbeat(struct group_machine *machine,
                     const struct weir_share_heartbeat_request *request,
                     struct weir_share_heartbeat *heartbeat, struct weir_step *step);
/* The member goes: tombstones and the next group epoch.  why is a literal.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status share_fence(struct share_member *member, const char *why,
                                             struct weir_step *step);
group_timer_fired share_session_fired;
void share_describe(struct group_machine *machine, struct weir_slice group_id,
                    struct weir_share_describe *describe);
void share_partitions(const struct group_machine *machine, struct weir_slice group_id,
                      struct weir_share_partitions *partitions);
void share_alter(struct group_machine *machine, struct weir_slice group_id,
                 struct weir_share_alter *alter, struct weir_step *step);
void share_delete(struct group_machine *machine, struct weir_slice group_id,
                  struct weir_share_delete *remove, struct weir_step *step);
/* DeleteGroups, of an empty group: false when there is no state that must go first. */
bool share_begin_delete(struct group *group, struct weir_group_op *op, struct weir_step *step);
/* Topics were deleted: they are no longer the group's. */
void share_topics_deleted(struct share_group *group, const struct weir_image_delta *delta,
                          struct weir_step *step);
