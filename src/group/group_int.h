/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/group.  A machine is one partition of __consumer_offsets: its groups, their
 * offsets and their timers.  Everything here is called by one thread at a time (the shard's lock is
 * held) and is pure: events and time in, changes and a step out.
 */

#include "weir/base/heap.h"
#include "weir/base/list.h"
#include "weir/base/map.h"
#include "weir/coordinator/machine.h"
#include "weir/group/consumer_group_service.h"
#include "weir/group/group_service.h"
#include "weir/group/share_groups.h"
#include "weir/metadata/config_resolve.h"
#include "weir/protocol/record_types.h"
#include "weir/protocol/wire_reader.h"

#include <stdatomic.h>

#define NO_DEADLINE            INT64_MAX
#define NO_TIMESTAMP           (-1)
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

struct group_timer;
/* What the timer is in may be gone when it returns. */
typedef void group_timer_fired(struct group_timer *timer, struct weir_step *step);

struct group_timer {
    struct weir_heap_node node; /* key NO_DEADLINE: not set */
    group_timer_fired *fired;
};

WEIR_MUST_CHECK enum weir_status timer_init(struct group_machine *machine,
                                            struct group_timer *timer, group_timer_fired *fired);
void timer_done(struct group_machine *machine, struct group_timer *timer);
void timer_set(struct group_machine *machine, struct group_timer *timer, int64_t deadline_ms);
void timer_cancel(struct group_machine *machine, struct group_timer *timer);

/* ---- A group of any kind (kinds.c) ---- */

/* The protocols groups can follow.  A kind is asked for what it does through its table; the number
 * itself is only compared with, to find out whether a group is of one's own kind. */
enum group_kind { GROUP_CLASSIC, GROUP_CONSUMER, GROUP_SHARE, GROUP_STREAMS };

/* First member of every group; the kind's own struct is around it. */
struct group {
    const struct group_ops *ops;
    struct group_machine *machine;
    struct weir_slice id;
    uint64_t incarnation; /* tells a group from a later one of the same name */
};

/* Who commits: members of the classic protocol give their generation, others their epoch. */
struct group_committer {
    struct weir_slice member_id;
    struct weir_slice instance_id; /* null: dynamic */
    int32_t generation;            /* -1: nobody manages the group */
    bool is_transactional;
    bool knows_stale_epoch; /* OffsetCommit version 9 and above: STALE_MEMBER_EPOCH */
};

struct stored_offset;

/* What a kind does.  Functions marked "may be NULL" then do what is said there. */
struct group_ops {
    enum group_kind kind;
    const char *type_name; /* as ListGroups has it */

    /* A group without members that nobody has written about yet; group_init makes its base. */
    enum weir_status (*create)(struct group_machine *machine, struct weir_slice id, int64_t wall_ms,
                               struct group **out);
    /* Whoever waits in it was completed before. */
    void (*free)(struct group *group);

    /* -- Looking -- */
    const char *(*state_name)(const struct group *group);
    struct weir_slice (*protocol_type)(const struct group *group); /* never null */
    size_t (*member_count)(const struct group *group);
    /* Without members it makes room for a classic group of its name. */
    bool may_become_classic;
    /* No member: it may be deleted, expire, or make room for a group of another kind. */
    bool (*is_empty)(const struct group *group);
    bool never_expires; /* without offsets and members it stays until it is deleted */
    /* May be NULL: to none.  What is not known counts as subscribed. */
    bool (*is_subscribed)(const struct group *group, struct weir_slice topic);

    /* -- Offsets -- */
    /* The committer as a whole; a member that may commit is alive. */
    enum weir_status (*check_commit)(struct group *group, const struct group_committer *committer,
                                     struct weir_step *step);
    /* One partition of it, when check_commit was OK.  May be NULL: all are. */
    enum weir_status (*check_commit_item)(const struct group *group,
                                          const struct group_committer *committer,
                                          const struct weir_offset_commit_item *item);
    /* May be NULL: anybody may read. */
    enum weir_status (*check_fetch)(const struct group *group, struct weir_slice member_id,
                                    int32_t member_epoch);
    /* May be NULL: partitions it is not subscribed to may be deleted. */
    enum weir_status (*check_offset_delete)(const struct group *group);
    /* When the retention of an offset began; false: it does not expire now.  Subscribed topics and
     * open transactions are the caller's business. */
    bool (*retention_start)(const struct group *group, const struct stored_offset *offset,
                            int64_t *out_ms);

    /* -- Going away -- */
    /* May be NULL: OK when is_empty, otherwise NON_EMPTY_GROUP. */
    enum weir_status (*check_delete)(const struct group *group);
    /* DeleteGroups, when check_delete was OK: true when it takes the op, because something must go
     * elsewhere before the records may.  May be NULL: the records are all. */
    bool (*begin_delete)(struct group *group, struct weir_group_op *op, struct weir_step *step);
    /* Tombstones for all of the group's own records (not its offsets), in Kafka's order. */
    void (*write_tombstones)(const struct group *group, struct weir_step *step);
    /* Answers all that wait.  May be NULL: nothing waits. */
    void (*fail_waiters)(struct group *group, enum weir_status status, struct weir_step *step);

    /* -- Life of the shard; each may be NULL -- */
    /* The log was replayed: sessions begin. */
    void (*loaded)(struct group *group, struct weir_step *step);
    /* machine->image is the new one.  Records may be written. */
    void (*image_changed)(struct group *group, const struct weir_image_delta *delta,
                          struct weir_step *step);

    /* -- Members of the classic protocol; each may be NULL: INCONSISTENT_GROUP_PROTOCOL for a join,
     * UNKNOWN_MEMBER_ID for the others -- */
    void (*join)(struct group *group, const struct weir_group_join_request *request,
                 const uint8_t random[16], struct weir_group_join *join, struct weir_step *step);
    void (*sync)(struct group *group, const struct weir_group_sync_request *request,
                 struct weir_group_sync *sync, struct weir_step *step);
    enum weir_status (*heartbeat)(struct group *group,
                                  const struct weir_group_heartbeat_request *request,
                                  struct weir_step *step);
    void (*leave)(struct group *group, struct weir_group_leave *leave, struct weir_step *step);
    /* May be NULL: DescribeGroups does not know it. */
    enum weir_status (*describe)(const struct group *group, struct weir_group_describe *describe);
};

extern const struct group_ops classic_group_ops;  /* classic/group.c */
extern const struct group_ops consumer_group_ops; /* consumer/group.c */
extern const struct group_ops share_group_ops;    /* share/group.c */
extern const struct group_ops streams_group_ops;  /* streams/group.c */

const struct group_ops *group_ops_of(enum group_kind kind);

/* For create: the base of a zeroed struct.  NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status group_init(struct group *group, const struct group_ops *ops,
                                            struct group_machine *machine, struct weir_slice id);
/* For free: what group_init made; also on a base that was never initialised. */
void group_done(struct group *group);

bool group_is(const struct group *group, enum group_kind kind);
bool group_is_subscribed(const struct group *group, struct weir_slice topic);
enum weir_status group_check_delete(const struct group *group);

/* ---- Answers (ops.c) ---- */

void op_complete(struct weir_group_op *op, enum weir_status status, struct weir_step *step);
/* The op is done when the step's records are committed, with the status it has by then. */
void op_wait_committed(struct weir_group_op *op, struct weir_step *step);
/* Takes the step's records back (nothing was appended yet), for an event that failed half-way. */
void step_forget_records(struct weir_step *step);
/* Formatted into the step's arena; cut at 255 bytes; empty when memory is out. */
void group_reason(struct weir_step *step, struct weir_slice *out, const char *format, ...)
    WEIR_PRINTF(3, 4);

/* ---- JoinGroup and its kin find their group (classic_events.c) ---- */

void event_join(struct group_machine *machine, const struct weir_group_join_request *request,
                const uint8_t random[16], struct weir_group_join *join, struct weir_step *step);
void event_sync(struct group_machine *machine, const struct weir_group_sync_request *request,
                struct weir_group_sync *sync, struct weir_step *step);
enum weir_status event_heartbeat(struct group_machine *machine,
                                 const struct weir_group_heartbeat_request *request,
                                 struct weir_step *step);
void event_leave(struct group_machine *machine, struct weir_slice group_id,
                 struct weir_group_leave *leave, struct weir_step *step);

/* ---- Records (group_records.c) ---- */

/* One record of the group set; value NULL: a tombstone. */
void record_write(struct weir_step *step, enum weir_group_record_type type, const void *key,
                  int16_t value_version, const void *value);
/* Null becomes empty, for fields that may not be null. */
struct weir_slice or_empty(struct weir_slice text);
/* Type 2; removes a group of any kind. */
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
                                             int64_t producer_id, const struct stored_offset *from);
void offsets_remove(struct offsets *offsets, struct weir_slice group_id, struct weir_slice topic,
                    int32_t partition);
WEIR_MUST_CHECK enum weir_status offsets_end_txn(struct offsets *offsets, int64_t producer_id,
                                                 bool is_commit);

/* ---- Operations on offsets (offset_ops.c) ---- */

void offset_commit(struct group_machine *machine,
                   const struct weir_group_offset_commit_request *request,
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

/* What all machines of a service share; immutable. */
struct group_context {
    struct weir_group_config config;
    struct weir_image_publisher *images;
    const struct weir_static_configs *statics;
    int32_t broker_id;
    const struct weir_group_share_port *share_port; /* NULL: there is no share coordinator */
    void *share_port_context;
    struct weir_group_service *service; /* for what comes back from the port */
    atomic_uint_fast64_t share_jobs;    /* how many were begun; relaxed: numbers only rise */
};

struct group_machine {
    struct group_context *context;
    const struct weir_group_config *config; /* in context */
    const struct weir_image *image;         /* one reference; NULL while the log is replayed */
    struct weir_map groups;
    struct weir_heap timers;
    struct offsets offsets;
    int64_t next_expiry_ms; /* monotonic */
    uint64_t incarnations;
    int64_t now_ms;             /* of the event under way; timers that replay sets begin there */
    int64_t new_topics_version; /* the image with the youngest topic */
    uint64_t share_job;         /* the number of the last that this machine began */
    struct weir_map rebalances; /* group id -> struct rebalance_log (rebalances.c) */
};

extern const struct weir_machine_ops group_machine_ops;

struct group *machine_group(const struct group_machine *machine, struct weir_slice id);
WEIR_MUST_CHECK enum weir_status machine_add_group(struct group_machine *machine,
                                                   struct weir_slice id, enum group_kind kind,
                                                   int64_t wall_ms, struct group **out);
/* Whoever waits in it is answered with the status (step may be NULL when nobody can). */
void machine_remove_group(struct group_machine *machine, struct group *group,
                          enum weir_status status, struct weir_step *step);
/* The next image; the machine takes a reference. */
void machine_image_changed(struct group_machine *machine, const struct weir_image *image,
                           const struct weir_image_delta *delta, struct weir_step *step);
/* The value of a group key ("consumer.session.timeout.ms"): set for the group, else the broker's
 * "group." key, else the default.  The key must be a constant of the table with type int or long.
 */
int64_t machine_group_config(const struct group_machine *machine, struct weir_slice group_id,
                             const char *key);
/* The value of a broker key, in the same way; strings are borrowed from the image or the statics.
 */
int64_t machine_broker_config_i64(const struct group_machine *machine, const char *key);
struct weir_slice machine_broker_config(const struct group_machine *machine, const char *key);

/* ---- What happened (rebalances.c) ---- */

/* A rebalance has begun: one log line, and an entry in the group's ring.  The reason is copied, cut
 * at 160 bytes.  When memory is out the entry is not kept. */
void group_rebalanced(struct group *group, int32_t epoch, size_t member_count,
                      struct weir_slice reason, struct weir_step *step);
void rebalances_list(const struct group_machine *machine, struct weir_slice group_id,
                     struct weir_group_rebalances *out);
/* Forgets those of groups that are gone. */
void rebalances_sweep(struct group_machine *machine);
void rebalances_done(struct group_machine *machine);

/* ---- Replay (replay.c) ---- */

/* One record, its type taken off the key.  value is empty for a tombstone: look at record->value.
 */
typedef enum weir_status group_replay(struct group_machine *machine,
                                      const struct weir_replayed *record, struct weir_reader *key,
                                      struct weir_reader *value);

group_replay replay_classic_group;         /* classic/replay.c */
group_replay replay_consumer_group;        /* consumer/replay.c: 3 */
group_replay replay_consumer_partitions;   /* 4 */
group_replay replay_consumer_member;       /* 5 */
group_replay replay_consumer_target_epoch; /* 6 */
group_replay replay_consumer_target;       /* 7 */
group_replay replay_consumer_assignment;   /* 8 */
group_replay replay_consumer_regex;        /* 16 */
group_replay replay_share_member;          /* share/replay.c: 10 */
group_replay replay_share_group;           /* 11 */
group_replay replay_share_target_epoch;    /* 12 */
group_replay replay_share_target;          /* 13 */
group_replay replay_share_current;         /* 14 */
group_replay replay_share_state;           /* 15 */
group_replay replay_streams_group;         /* streams/replay.c: 17 */
group_replay replay_streams_member;        /* 19 */
group_replay replay_streams_target_epoch;  /* 20 */
group_replay replay_streams_target;        /* 21 */
group_replay replay_streams_current;       /* 22 */
group_replay replay_streams_topology;      /* 23 */

enum weir_status machine_replay(void *machine, const struct weir_replayed *record,
                                struct weir_detail *detail);
