/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/group/consumer: a group of the consumer protocol (KIP-848), whose partitions the
 * coordinator assigns.
 *
 * Everything a group is comes out of its records.  An event looks at the group, works out what
 * comes next in drafts that borrow from the group, the request and the step's arena, writes
 * records, and replay.c makes them true; a refused append leaves nothing behind but timers, which
 * do no harm.
 *
 * G1  group epoch >= assignment epoch >= each member's epoch.
 * G2  a partition is held (assigned, or waiting to be revoked) by at most one member; owners says
 * by whom and since which of its epochs. G3  a member gets a partition of its target when nobody
 * holds it, and not before.
 */

#include "../group_int.h"
#include "../partition_set.h"

#include "weir/assign/assignor.h"
#include "weir/group/consumer_group_service.h"

struct consumer_group;

/* ---- Members (member.c) ---- */

/* The numbers of the records. */
enum consumer_member_state {
    MEMBER_STABLE = 0,
    MEMBER_UNREVOKED = 1,  /* must give up `revoking` before it gets on */
    MEMBER_UNRELEASED = 2, /* waits for partitions that others hold */
    MEMBER_UNKNOWN = 127   /* of a version to come */
};

/* All there is to say about a member; a value that borrows, or (in struct consumer_member) owns. */
struct member_data {
    struct weir_slice id;
    struct weir_slice instance_id; /* null: dynamic */
    struct weir_slice rack_id;     /* null: unknown */
    struct weir_slice client_id;
    struct weir_slice client_host;
    const struct weir_slice *topics; /* subscribed by name: sorted, each once */
    size_t topic_count;
    struct weir_slice regex; /* null or empty: none */
    int32_t rebalance_timeout_ms;
    struct weir_slice assignor; /* null: the group's default */
    bool is_classic;            /* uses JoinGroup */
    int32_t classic_session_timeout_ms;
    const struct weir_group_protocol *protocols; /* when is_classic; never empty */
    size_t protocol_count;
    int32_t epoch;
    int32_t previous_epoch;
    enum consumer_member_state state;
    struct partition_set assigned;
    struct partition_set revoking;
};

struct consumer_member {
    struct consumer_group *group;
    struct member_data data;
    int32_t rebalance_epoch; /* that of the rebalance timer */
    struct group_timer session;
    struct group_timer rebalance; /* to give partitions up */
    struct group_timer join;      /* classic: to come back with JoinGroup */
    struct group_timer sync;      /* classic: to come with SyncGroup */
};

bool member_subscription_equal(const struct member_data *a, const struct member_data *b);
bool member_names_equal(const struct member_data *a, const struct member_data *b);
/* What record 5 says. */
bool member_metadata_equal(const struct member_data *a, const struct member_data *b);
/* What record 8 says. */
bool member_assignment_equal(const struct member_data *a, const struct member_data *b);
bool member_is_reconciled(const struct member_data *member, int32_t assignment_epoch);

/* The group's, by replay; a new one has nothing but its id and epoch -1. */
struct consumer_member *consumer_find(const struct consumer_group *group, struct weir_slice id);
struct consumer_member *consumer_find_static(const struct consumer_group *group,
                                             struct weir_slice instance_id);
WEIR_MUST_CHECK enum weir_status consumer_add_member(struct consumer_group *group,
                                                     struct weir_slice id,
                                                     struct consumer_member **out);
void consumer_remove_member(struct consumer_group *group, struct consumer_member *member);
/* All of them, at the end of the group. */
void consumer_free_members(struct consumer_group *group);
/* Copies what record 5 says (all but epochs, state and partitions). */
WEIR_MUST_CHECK enum weir_status consumer_set_metadata(struct consumer_member *member,
                                                       const struct member_data *data);
/* Copies what record 8 says. */
WEIR_MUST_CHECK enum weir_status consumer_set_assignment(struct consumer_member *member,
                                                         const struct member_data *data);
/* By id; count is the group's member count.  In the arena, NULL when memory is out. */
struct consumer_member **consumer_sorted_members(const struct consumer_group *group,
                                                 struct weir_arena *arena);

/* ---- The group (group.c) ---- */

struct consumer_target {
    struct weir_slice member_id;
    struct partition_set partitions;
};

struct resolved_regex {
    struct weir_slice text;
    struct weir_slice *topics; /* sorted, each once; owned */
    size_t topic_count;
    int64_t version; /* the image's last offset then */
    int64_t wall_ms;
};

struct consumer_group {
    struct group base;
    int32_t epoch;
    int64_t metadata_hash;
    bool has_partition_metadata; /* record 4, of an older broker */
    int32_t assignment_epoch;
    int64_t assignment_ms;
    struct weir_map members;     /* id -> struct consumer_member */
    struct weir_map by_instance; /* instance id -> struct consumer_member */
    struct weir_map targets;     /* member id -> struct consumer_target */
    struct weir_map owners;      /* topic id and partition -> struct partition_owner */
    struct weir_map regexes;     /* text -> struct resolved_regex */
    size_t classic_count;
    bool is_metadata_stale;   /* topics it subscribes to may have changed */
    bool is_resolving;        /* regular expressions are being matched on a task thread */
    bool has_new_topics;      /* since they were matched last */
    int64_t resolved_wall_ms; /* when they were; 0: never */
    int64_t resolved_version; /* with which image */
};

struct consumer_group *consumer_of(struct group *group);
const struct consumer_group *consumer_of_const(const struct group *group);
/* NULL when there is no consumer group of this name. */
struct consumer_group *consumer_group_of(const struct group_machine *machine, struct weir_slice id);
WEIR_MUST_CHECK enum weir_status consumer_group_new(struct group_machine *machine,
                                                    struct weir_slice id,
                                                    struct consumer_group **out);
void consumer_group_free(struct consumer_group *group);

const char *consumer_state_name(const struct consumer_group *group);
/* G2: the member's partitions are its own from now on, or no longer. */
WEIR_MUST_CHECK enum weir_status owners_add(struct consumer_group *group,
                                            const struct consumer_member *member);
void owners_remove(struct consumer_group *group, const struct consumer_member *member);
bool owners_has(const struct consumer_group *group, struct weir_uuid topic_id, int32_t partition);
/* Empty when there is none. */
struct partition_set consumer_target_of(const struct consumer_group *group,
                                        struct weir_slice member_id);
WEIR_MUST_CHECK enum weir_status consumer_set_target(struct consumer_group *group,
                                                     struct weir_slice member_id,
                                                     const struct partition_set *partitions);
void consumer_remove_target(struct consumer_group *group, struct weir_slice member_id);
struct resolved_regex *consumer_regex(const struct consumer_group *group, struct weir_slice text);
WEIR_MUST_CHECK enum weir_status consumer_set_regex(struct consumer_group *group,
                                                    const struct resolved_regex *regex);
void consumer_remove_regex(struct consumer_group *group, struct weir_slice text);
/* How many members subscribe to it. */
size_t consumer_regex_users(const struct consumer_group *group, struct weir_slice text);

/* ---- Timers (timers.c) ---- */

group_timer_fired consumer_session_expired;
group_timer_fired consumer_rebalance_expired;
group_timer_fired consumer_join_expired;
group_timer_fired consumer_sync_expired;
void consumer_restart_session(struct consumer_member *member);
void consumer_loaded(struct group *group, struct weir_step *step);

/* ---- Records (records.c) ---- */

void record_consumer_member(struct weir_step *step, struct weir_slice group_id,
                            const struct member_data *member);
void record_consumer_member_tombstone(struct weir_step *step, struct weir_slice group_id,
                                      struct weir_slice member_id);
void record_consumer_epoch(struct weir_step *step, struct weir_slice group_id, int32_t epoch,
                           int64_t metadata_hash);
void record_consumer_epoch_tombstone(struct weir_step *step, struct weir_slice group_id);
void record_consumer_partition_metadata_tombstone(struct weir_step *step,
                                                  struct weir_slice group_id);
void record_consumer_target(struct weir_step *step, struct weir_slice group_id,
                            struct weir_slice member_id, const struct partition_set *partitions);
void record_consumer_target_tombstone(struct weir_step *step, struct weir_slice group_id,
                                      struct weir_slice member_id);
void record_consumer_target_epoch(struct weir_step *step, struct weir_slice group_id,
                                  int32_t epoch);
void record_consumer_target_epoch_tombstone(struct weir_step *step, struct weir_slice group_id);
void record_consumer_assignment(struct weir_step *step, struct weir_slice group_id,
                                const struct member_data *member);
void record_consumer_assignment_tombstone(struct weir_step *step, struct weir_slice group_id,
                                          struct weir_slice member_id);
void record_consumer_regex(struct weir_step *step, struct weir_slice group_id,
                           const struct resolved_regex *regex);
void record_consumer_regex_tombstone(struct weir_step *step, struct weir_slice group_id,
                                     struct weir_slice regex);
/* 8, 7, 5 of one member. */
void record_consumer_member_gone(struct weir_step *step, struct weir_slice group_id,
                                 struct weir_slice member_id);
/* All of the group's, in Kafka's order.  renamed_from: that member is written about as renamed_to
 * (a static member that has just been replaced); null: nobody. */
void consumer_write_tombstones(const struct consumer_group *group, struct weir_slice renamed_from,
                               struct weir_slice renamed_to, struct weir_step *step);

/* ---- What the group is about to be ---- */

/* The group as it will be when the step's records are in: `joined` is new or changed, `gone` are no
 * longer in it, and resolved stands for the group's regular expressions of the same text. */
struct group_draft {
    const struct consumer_group *group;
    struct weir_step *step;
    const struct member_data *joined;          /* NULL: nobody */
    const struct consumer_member *const *gone; /* joined's predecessor, or who leaves */
    size_t gone_count;
    const struct resolved_regex *resolved;
    size_t resolved_count;
};

/* Every member of it by id, in the arena; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status draft_members(const struct group_draft *draft,
                                               const struct member_data ***out, size_t *out_count);

/* ---- Subscriptions (subscription.c) ---- */

/* The regular expression as it will be, or NULL. */
const struct resolved_regex *draft_regex(const struct group_draft *draft, struct weir_slice text);
/* Names of topics that exist, by name or by regular expression, sorted; in the arena. */
WEIR_MUST_CHECK enum weir_status draft_topics_of(const struct group_draft *draft,
                                                 const struct member_data *member,
                                                 const struct weir_image_topic ***out,
                                                 size_t *out_count);
/* The metadata hash of all topics of all members. */
WEIR_MUST_CHECK enum weir_status draft_hash(const struct group_draft *draft, int64_t *out);
bool consumer_is_subscribed(const struct consumer_group *group, struct weir_slice topic);

/* ---- The target assignment (target.c) ---- */

/* Computes it for the draft, writes records 7 (those that changed) and 6, and gives joined's. */
WEIR_MUST_CHECK enum weir_status draft_assign(const struct group_draft *draft, int32_t epoch,
                                              struct partition_set *out_target);

/* The assignor with the most votes, by which members ask for one.  Among equals uniform, whatever
 * the order of the configuration, as in Apache Kafka; without any vote the first that is
 * configured. */
void consumer_count_votes(const struct consumer_group *group, size_t votes[WEIR_ASSIGNOR_COUNT]);
enum weir_assignor consumer_elect_assignor(const struct group_machine *machine,
                                           const size_t votes[WEIR_ASSIGNOR_COUNT]);

/* ---- Reconciliation (reconcile.c) ---- */

struct reconciliation {
    const struct group_draft *draft;
    int32_t target_epoch;
    const struct partition_set *target;
    bool has_owned;
    struct partition_set owned; /* what it says it has */
    bool has_subscription_changed;
};

/* Moves member (a draft; its sets are replaced by ones in the arena) as far as it can go.
 * FENCED_MEMBER_EPOCH: of an unknown state and not empty-handed; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status reconcile(const struct reconciliation *reconciliation,
                                           struct member_data *member);

/* ---- From event to records (heartbeat.c, leave.c) ---- */

/* What heartbeats and joins have in common: records 5, 16, 3, 7, 6, 8 for a member that changed. */
struct member_change {
    struct consumer_group *group;
    struct weir_step *step;
    const struct consumer_member *before;   /* NULL: new */
    const struct member_data *base;         /* before's data, or what replaces it */
    struct member_data *member;             /* as it will be; epochs and partitions move here */
    const struct consumer_member *replaced; /* a static member's former self, or NULL */
    bool has_owned;
    struct partition_set owned;
    bool was_reconciled;       /* out: its epoch or partitions moved */
    bool needs_regexes;        /* out: expressions are to be matched */
    bool bumped;               /* out */
    int32_t group_epoch;       /* out */
    struct weir_slice message; /* out, with a failure */
};

enum change_scope { CHANGE_ALL, CHANGE_SUBSCRIPTION_ONLY };

WEIR_MUST_CHECK enum weir_status member_change_write(struct member_change *change,
                                                     enum change_scope scope);
/* A static member's place is taken by newcomer (whose id and zero epochs are set): 8, 7, 5 of the
 * old one, 5, 7, 8 of the new one. */
void consumer_write_replacement(struct consumer_group *group, const struct consumer_member *old,
                                const struct member_data *newcomer, struct weir_step *step);
/* The records of members that leave or are put out; the group may become a classic one by it. */
void consumer_fence(struct consumer_group *group, struct consumer_member *const *members,
                    size_t count, struct weir_slice reason, struct weir_step *step);

struct regex_job_request {
    struct weir_slice group_id; /* owned */
    struct weir_slice *texts;   /* owned; count 0: nothing to do */
    size_t count;
    const struct weir_image *image; /* one reference, with count > 0 */
};

void consumer_heartbeat(struct group_machine *machine,
                        const struct weir_group_consumer_heartbeat_request *request,
                        const uint8_t random[16], struct weir_group_consumer_heartbeat *heartbeat,
                        struct regex_job_request *out_job, struct weir_step *step);
void consumer_regexes_resolved(struct group_machine *machine, struct weir_slice group_id,
                               const struct resolved_regex *resolved, size_t count,
                               struct weir_step *step);
/* The texts to match now, if it is time; marks the group as busy with it. */
void consumer_take_regex_job(struct consumer_group *group, const struct member_data *changed,
                             bool is_new, struct regex_job_request *out, struct weir_step *step);

/* ---- Members of the classic protocol (classic_members.c) ---- */

void consumer_classic_join(struct group *group, const struct weir_group_join_request *request,
                           const uint8_t random[16], struct weir_group_join *join,
                           struct weir_step *step);
void consumer_classic_sync(struct group *group, const struct weir_group_sync_request *request,
                           struct weir_group_sync *sync, struct weir_step *step);
enum weir_status consumer_classic_heartbeat(struct group *group,
                                            const struct weir_group_heartbeat_request *request,
                                            struct weir_step *step);
void consumer_classic_leave(struct group *group, struct weir_group_leave *leave,
                            struct weir_step *step);

/* ---- Conversions (convert.c) ---- */

/* May the group be made a classic one when these leave and `joining` members of the classic
 * protocol come? */
bool consumer_may_downgrade(const struct consumer_group *group,
                            struct consumer_member *const *leaving, size_t count, size_t joining);
/* Tombstones, record 2, and the new group in its place; a rebalance begins when rebalance is set.
 */
WEIR_MUST_CHECK enum weir_status consumer_downgrade(struct consumer_group *group,
                                                    struct consumer_member *const *leaving,
                                                    size_t count, const struct member_data *joined,
                                                    bool rebalance, struct weir_step *step);
/* A classic group that is asked for as a consumer group: GROUP_ID_NOT_FOUND with a message, in
 * the step's memory, when it may not become one.  On success the group in the machine is a consumer
 * group, and the records that make it one are in the step. */
WEIR_MUST_CHECK enum weir_status
consumer_upgrade(struct group_machine *machine, struct group *classic, struct consumer_group **out,
                 struct weir_slice *out_message, struct weir_step *step);

/* ---- Looking (describe.c) ---- */

void consumer_describe(struct group_machine *machine, struct weir_slice group_id,
                       struct weir_group_consumer_describe *describe);
