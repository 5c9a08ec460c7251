/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Private to src/txn.  A machine is one partition of __transaction_state: its transactional ids and
 * their timers.  Everything here but txn_service.c is called by one thread at a time (the shard's
 * lock is held) and is pure: events and time in, changes and a step out.
 *
 *  T1  entry->current is what the log says below the high watermark; entry->next, when there is a
 *      change under way, what has been appended above it.  Answers, markers and look-ups follow
 *      current only.
 *  T2  at most one change of an entry is under way.  A refused one leaves current as it was; one
 *      that is in the log but not committed in time is answered as not available and waited for
 *      all the same: whether it holds is the log's to say.
 *  T3  an entry in PrepareCommit or PrepareAbort is always on its way to Complete*: a change is
 *      under way, markers are out, it waits for its turn or for a backoff - or its markers were
 *      refused for good, which the log says in an error line, until the shard is loaded again.
 */

#include "weir/base/heap.h"
#include "weir/base/list.h"
#include "weir/base/map.h"
#include "weir/coordinator/machine.h"
#include "weir/txn/txn_service.h"

#include <stdatomic.h>

#define NO_DEADLINE INT64_MAX
#define NO_PRODUCER_ID (-1)
#define NO_PRODUCER_EPOCH (-1)
#define NO_TIMESTAMP (-1)
/* A client never gets a higher epoch: one is kept for fencing it. */
#define LAST_CLIENT_EPOCH (INT16_MAX - 1)
/* A transaction of two-phase commit (KIP-939) has no timeout. */
#define NO_TIMEOUT INT32_MAX

/* ---- States (txn_state.c) ---- */

/*
 *             add                  end, timeout               markers
 *   Empty ---------> Ongoing ---------------------> PrepareCommit -----> CompleteCommit
 *    ^ |               ^ |  \---------------------> PrepareAbort  -----> CompleteAbort
 *    | |               | |                            ^                     | |
 *    | | abort (TV2)   | +-- add                      |                     | |
 *    | +---------------|------------------------------+---------------------+ |  abort (TV2)
 *    |                 +------------------------------------------------------+  add
 *    +------------------------------------------------------------------------+  init
 *   Empty and Complete* -> Dead when they have not changed for transactional.id.expiration.ms.
 *
 *   Empty      partitions is NULL, start_ms -1
 *   Ongoing    partitions and start_ms hold
 *   Prepare*   partitions are those whose marker is not known to be written; producer id and epoch
 *              are the markers'
 *   Complete*  partitions is NULL
 *   Dead, PrepareEpochFence  are never in the log; weir fences and aborts in one change, so that
 *              the latter is a name in filters only
 * The numbers are those of the records.
 */
enum txn_state {
    TXN_EMPTY,
    TXN_ONGOING,
    TXN_PREPARE_COMMIT,
    TXN_PREPARE_ABORT,
    TXN_COMPLETE_COMMIT,
    TXN_COMPLETE_ABORT,
    TXN_DEAD,
    TXN_PREPARE_EPOCH_FENCE
};
#define TXN_STATE_COUNT (TXN_PREPARE_EPOCH_FENCE + 1)

/* "Ongoing" */
struct weir_slice txn_state_name(enum txn_state state);
bool txn_state_may_follow(enum txn_state from, enum txn_state to);
bool txn_state_is_prepared(enum txn_state state);

/* ---- Sets of partitions (partition_set.c): immutable, sorted, each partition once ---- */

struct partition_id {
    struct weir_slice topic;
    int32_t partition;
};

struct partition_set {
    int refs;
    size_t count;
    struct partition_id items[]; /* the topics' bytes follow */
};

/* Copies; items may be in any order and repeat. An empty set is NULL. */
WEIR_MUST_CHECK enum weir_status partition_set_new(const struct partition_id *items, size_t count,
                                                   struct partition_set **out);
/* NULL is the empty set in all of these. */
struct partition_set *partition_set_ref(struct partition_set *set);
void partition_set_unref(struct partition_set *set);
size_t partition_set_count(const struct partition_set *set);
bool partition_set_has(const struct partition_set *set, struct weir_slice topic,
                       int32_t partition);
WEIR_MUST_CHECK enum weir_status partition_set_add(const struct partition_set *set,
                                                   const struct weir_txn_partition *more,
                                                   size_t count, struct partition_set **out);

/* ---- What is known of a transactional id: the content of a record (txn_state.c) ---- */

struct txn_meta {
    int64_t producer_id;
    int64_t previous_producer_id; /* that of the state before */
    int64_t next_producer_id;     /* what Complete* switches to; -1: none */
    int16_t epoch;                /* -1: the id is new and not in the log yet */
    int16_t last_epoch;           /* not in the log: -1 after a load */
    int16_t client_version;       /* transaction version of the last add or end */
    int32_t timeout_ms;
    enum txn_state state;
    struct partition_set *partitions; /* a reference */
    int64_t update_ms;
    int64_t start_ms;
};

void txn_meta_done(struct txn_meta *meta);
/* As Apache Kafka prepares a transition: all stays, but the state, and the producer id becomes the
 * previous one too.  Asserts that the state may follow. */
struct txn_meta txn_meta_next(const struct txn_meta *from, enum txn_state to);
/* The Complete* that follows a Prepare*: a new producer id when the epochs were used up. */
struct txn_meta txn_meta_complete(const struct txn_meta *from, int64_t wall_ms);
bool txn_meta_is_exhausted(const struct txn_meta *meta);

/* ---- Records (txn_records.c) ---- */

/* meta NULL: a tombstone. */
void txn_record_write(struct weir_step *step, struct weir_slice transactional_id,
                      const struct txn_meta *meta, int16_t transaction_version);

enum txn_record_kind {
    TXN_RECORD_STATE,
    TXN_RECORD_TOMBSTONE,
    TXN_RECORD_UNKNOWN /* a key or value of a version that 4.3.0 does not know */
};

/* out_id points into the record; out_meta (kind STATE only) is the caller's.  INVALID, TRUNCATED,
 * NO_MEMORY: nothing was handed out. */
WEIR_MUST_CHECK enum weir_status txn_record_read(const struct weir_replayed *record,
                                                 enum txn_record_kind *out_kind,
                                                 struct weir_slice *out_id,
                                                 struct txn_meta *out_meta, struct weir_arena *arena);

/* ---- The machine (machine.c) ---- */

struct txn_machine;
struct marker_round;

/* What all machines of a service share. */
struct txn_context {
    struct weir_txn_config config;
    atomic_int transaction_version;
    _Atomic int64_t next_serial;
    atomic_int outside; /* marker rounds and id requests that are not back */
    const struct weir_log *log;
    struct weir_coordinator *coordinator;
    struct weir_producer_ids *producer_ids;
    const struct weir_txn_marker_port *markers;
    void *markers_context;
};

/* What is told once a change is committed. */
enum answer_kind {
    ANSWER_NOBODY,
    ANSWER_INIT,
    ANSWER_ADD,
    ANSWER_END,
    ANSWER_FENCED /* an InitProducerId that aborted: CONCURRENT_TRANSACTIONS */
};

struct txn_entry {
    struct txn_machine *machine;
    struct weir_slice id; /* its bytes are the entry's */
    struct txn_meta current;
    bool is_changing; /* T2 */
    struct txn_meta next;
    struct weir_write write;
    enum answer_kind answer;
    struct weir_txn_op *op; /* whom to answer, or NULL */

    /* while prepared */
    struct marker_round *round;  /* the markers that are out */
    struct weir_list turn;       /* in machine->marker_queue */
    struct weir_heap_node retry; /* NO_DEADLINE: not set */
    int attempt_count;
    int64_t completed_ms; /* what the Complete* record will say */

    struct weir_list due; /* in machine->due */
};

struct txn_machine {
    struct txn_context *context;
    int32_t partition;
    int64_t serial; /* tells a machine from the one that was there before it */
    struct weir_map entries;
    struct weir_heap retries;
    struct weir_list marker_queue; /* prepared entries that wait for a free round */
    int32_t rounds_out;
    struct weir_list due; /* timed out or expired at the last look */
    int64_t next_timeouts_ms;
    int64_t next_expiries_ms;
    int64_t unknown_records; /* passed over while loading */
    bool is_settled; /* what was loaded is below the high watermark; until then requests are told
                        that the load is in progress, and no time is kept */
    struct weir_write load_write;
};

extern const struct weir_machine_ops txn_machine_ops;

struct txn_entry *machine_entry(const struct txn_machine *machine, struct weir_slice id);
/* Empty, with the epoch -1. */
WEIR_MUST_CHECK enum weir_status machine_add_entry(struct txn_machine *machine,
                                                   struct weir_slice id, struct txn_entry **out);
/* It must have no change under way. */
void machine_remove_entry(struct txn_machine *machine, struct txn_entry *entry);
/* A transition is pending in Apache Kafka's sense. */
bool entry_is_pending(const struct txn_entry *entry);
/* The id has been committed to the log. */
bool entry_is_known(const struct txn_entry *entry);
/* Writes the next state; op (may be NULL) is answered by what becomes of it.  Takes the reference
 * in next. */
void entry_change(struct txn_entry *entry, struct txn_meta take_next, enum answer_kind answer,
                  struct weir_txn_op *op, struct weir_step *step);
/* Retry timer. */
void entry_retry_at(struct txn_entry *entry, int64_t deadline_ms);

/* ---- Answers (answers.c) ---- */

void answer_init(struct weir_txn_init *init, enum weir_status status, int64_t producer_id,
                 int16_t epoch, struct weir_step *step);
void answer_add(struct weir_txn_add *add, enum weir_status status, struct weir_step *step);
void answer_end(struct weir_txn_end *end, enum weir_status status, int64_t producer_id,
                int16_t epoch, struct weir_step *step);
/* What came of a change; meta is the state that was committed, unused when status is not OK. */
void answer_change(enum answer_kind answer, struct weir_txn_op *op, enum weir_status status,
                   const struct txn_meta *meta, struct weir_step *step);

/* ---- Requests.  fresh_id is an unused producer id, or -1; false: nothing was done, come back with
 * one.  Otherwise the op has been or will be answered through the step. ---- */

bool txn_init(struct txn_machine *machine, struct weir_txn_init *init, int64_t fresh_id,
              struct weir_step *step);
void txn_add(struct txn_machine *machine, struct weir_txn_add *add, struct weir_step *step);
bool txn_end(struct txn_machine *machine, struct weir_txn_end *end, int64_t fresh_id,
             struct weir_step *step);

/* Aborts what is ongoing under an epoch that no client has.  The op (may be NULL) is told to come
 * again. */
bool txn_fence(struct txn_entry *entry, struct weir_txn_op *op, int64_t fresh_id,
               struct weir_step *step);

/* ---- Markers (txn_markers.c) ---- */

struct marker_round {
    struct weir_completion completion; /* hands it to the port */
    struct weir_txn_markers markers;
    struct txn_context *context;
    int32_t partition;
    int64_t serial;
    struct weir_txn_marker_item items[]; /* texts follow */
};

/* The entry is prepared, in the log, and has no round: sends markers, or waits for its turn, or
 * writes Complete* when there is nothing to send. */
void markers_start(struct txn_entry *entry, struct weir_step *step);
/* The port is done with the round; frees nothing. */
void markers_returned(struct txn_machine *machine, const struct marker_round *round,
                      struct weir_step *step);
/* Sets the retry timer. */
void markers_back_off(struct txn_entry *entry, const struct weir_step *step);
/* The retry timer fired. */
void markers_retry(struct txn_entry *entry, struct weir_step *step);
/* In txn_service.c: the completion of a round. */
void round_send(struct weir_completion *completion);

/* ---- Timeouts and expiry (txn_expiry.c) ---- */

/* A request for a producer id that no client waits for. */
struct fence_request {
    struct weir_completion completion;
    struct weir_producer_id_waiter waiter;
    struct txn_context *context;
    int32_t partition;
    int64_t serial;
    int64_t fresh_id;
    int64_t producer_id; /* whose transaction timed out */
    size_t id_size;
    uint8_t id[];
};
/* In txn_service.c: the completion of a request. */
void fence_request_send(struct weir_completion *completion);
/* The id is there. */
void expiry_fence(struct txn_machine *machine, const struct fence_request *request,
                  struct weir_step *step);

int64_t expiry_next_deadline_ms(const struct txn_machine *machine);
/* Ends after the first change, so that a refused append concerns one transactional id (or one
 * bundle of tombstones); the shard calls again while something is due. */
void expiry_tick(struct txn_machine *machine, struct weir_step *step);

/* ---- Looking (txn_admin.c) ---- */

struct list_collector {
    struct weir_txn_list *list;
    bool wants[TXN_STATE_COUNT];
    size_t capacity;
};

/* Fills wants and list->unknown_states. */
WEIR_MUST_CHECK enum weir_status list_begin(struct list_collector *collector);
void list_collect(const struct txn_machine *machine, struct list_collector *collector,
                  int64_t wall_ms);
void list_end(struct list_collector *collector);
void txn_describe(const struct txn_machine *machine, struct weir_txn_describe *describe);
