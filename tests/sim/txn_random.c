/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Random producers against the transaction coordinator, from seeds.  Producers of both transaction
 * versions follow the protocol, but any of them may stop and be replaced while it goes on unaware;
 * the log refuses, lags, loses what was not committed when it changes hands; markers fail, come late
 * or never; time jumps.  The partitions are modelled: they check epochs as brokers do, and ask the
 * coordinator before the first batch of a transaction.
 *
 *  S1  no transaction is both committed and aborted, in whatever partitions
 *  S2  what a producer was told to be committed (aborted) is so in every partition it wrote to
 *  S3  only what a producer asked to commit is committed
 *  S4  an epoch is given out once: each init gets a higher one than ever before for its producer id
 *  S5  each operation is done exactly once
 *  S6  once the world behaves, nothing stays in Prepare* or Ongoing, and no partition has an open
 *      transaction: each was marked
 */

#define TXN_WORLD_PLAIN
#include "../unit/txn/txn_world.h"

#include "sim/check.h"

#define IDS        4
#define PRODUCERS  3 /* of each id: one that goes on and those that do not know yet */
#define PARTITIONS 6
#define TXNS_MAX   4000
#define STEPS      3000
#define TIMEOUT_MS 20000

/* What became of a transaction. */
struct truth {
    bool asked_commit;
    bool asked_abort;
    enum { UNKNOWN, COMMITTED, ABORTED } told;
    enum { OPEN, MARKED_COMMIT, MARKED_ABORT } outcome;
    int batches; /* that wait for their marker */
};

enum doing { NOTHING, INITIALIZING, ADDING, ENDING };

struct sim_op {
    enum doing kind;
    union {
        struct weir_txn_op op; /* each of the others begins with it */
        struct weir_txn_init init;
        struct weir_txn_add add;
        struct weir_txn_end end;
    };
    struct weir_txn_partition partition;
    int done;
};

struct sim_producer {
    int id;
    bool is_alive;
    bool has_producer_id;
    int64_t producer_id;
    int16_t epoch;
    int16_t version;
    int txn; /* index of its truth, -1: none */
    bool is_added[PARTITIONS];
    bool must_end; /* asked and not told yet: only the same request again */
    bool is_commit;
    enum doing doing;
    struct sim_op *op;
};

/* A pid in a data partition. */
struct sim_state {
    int64_t producer_id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int txn; /* whose batches are open, -1 */
    int batches;
};
#define STATES_MAX 512

static struct sim_producer producers[IDS][PRODUCERS];
static struct sim_state states[PARTITIONS][STATES_MAX];
static int state_counts[PARTITIONS];
static struct truth truths[TXNS_MAX];
static int truth_count;
static int16_t given[4096]; /* S4: by producer id, the highest epoch plus one */
static uint64_t seed;
static bool is_kind; /* the world behaves */
static int64_t commits_seen;
static int64_t aborts_seen;

static uint32_t pick(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static const char *id_name(int id)
{
    static const char *const names[IDS] = {"alpha", "beta", "gamma", "delta"};
    return names[id];
}

/* ---- Data partitions ---- */

static struct sim_state *state_of(int partition, int64_t producer_id)
{
    for (int i = 0; i < state_counts[partition]; i++) {
        if (states[partition][i].producer_id == producer_id)
            return &states[partition][i];
    }
    CHECK(state_counts[partition] < STATES_MAX, "too many producer ids");
    struct sim_state *state = &states[partition][state_counts[partition]++];
    *state = (struct sim_state){
        .producer_id = producer_id, .epoch = -1, .coordinator_epoch = -1, .txn = -1};
    return state;
}

static void mark_truth(struct sim_state *state, bool is_commit)
{
    struct truth *truth = &truths[state->txn];
    int outcome = is_commit ? MARKED_COMMIT : MARKED_ABORT;
    CHECK(truth->outcome == OPEN || (int)truth->outcome == outcome, "S1: transaction %d is both",
          state->txn);
    CHECK(!is_commit || truth->asked_commit, "S3: nobody asked to commit %d", state->txn);
    CHECK(truth->told == UNKNOWN || (truth->told == COMMITTED) == is_commit,
          "S2: the producer of %d was told otherwise", state->txn);
    truth->outcome = is_commit ? MARKED_COMMIT : MARKED_ABORT;
    truth->batches -= state->batches;
    if (is_commit)
        commits_seen++;
    else
        aborts_seen++;
    state->txn = -1;
    state->batches = 0;
}

/* As a partition's leader does. */
static enum weir_status apply_marker(int partition, const struct weir_txn_markers *markers)
{
    struct sim_state *state = state_of(partition, markers->producer_id);
    if (markers->coordinator_epoch < state->coordinator_epoch)
        return WEIR_TRANSACTION_COORDINATOR_FENCED;
    bool is_again = markers->producer_epoch == state->epoch && state->txn < 0;
    if (markers->transaction_version >= 2) {
        if (markers->producer_epoch < state->epoch ||
            (markers->producer_epoch == state->epoch && !is_again))
            return WEIR_INVALID_PRODUCER_EPOCH;
    } else if (markers->producer_epoch < state->epoch) {
        return WEIR_INVALID_PRODUCER_EPOCH;
    }
    if (state->txn >= 0)
        mark_truth(state, markers->is_commit);
    state->epoch = markers->producer_epoch;
    state->coordinator_epoch = markers->coordinator_epoch;
    return WEIR_OK;
}

static void settle_round(struct weir_txn_markers *markers)
{
    static const enum weir_status failures[] = {
        WEIR_NOT_LEADER_OR_FOLLOWER, WEIR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_REQUEST_TIMED_OUT};
    for (size_t i = 0; i < markers->item_count; i++) {
        struct weir_txn_marker_item *item = &markers->items[i];
        uint32_t kind = is_kind ? 9 : pick(10);
        item->status = WEIR_NOT_LEADER_OR_FOLLOWER;
        if (kind >= 2) /* 2, 3: written, but the answer is lost */
            item->status = apply_marker(item->partition, markers);
        CHECK(item->status != WEIR_INVALID_PRODUCER_EPOCH, "%lld has a newer epoch than %d",
              (long long)markers->producer_id, markers->producer_epoch);
        if (kind < 4)
            item->status = failures[pick(WEIR_ARRAY_COUNT(failures))];
    }
    markers->done(markers);
}

static void settle_some_rounds(void)
{
    while (world.round_count > 0 && (is_kind || pick(3) > 0)) {
        size_t which = pick((uint32_t)world.round_count);
        struct weir_txn_markers *round = world.rounds[which];
        world.rounds[which] = world.rounds[--world.round_count];
        settle_round(round);
    }
}

/* The leader of a partition asks before the first batch, as KIP-890 wants. */
static void produce(struct sim_producer *from, int partition)
{
    struct sim_state *state = state_of(partition, from->producer_id);
    if (state->txn < 0) {
        struct producer asking = {.id = id_name(from->id),
                                  .producer_id = from->producer_id,
                                  .epoch = from->epoch,
                                  .version = from->version};
        if (verify(&asking, "t", partition) != WEIR_OK)
            return;
    }
    if (from->epoch < state->epoch)
        return; /* INVALID_PRODUCER_EPOCH */
    CHECK(state->txn < 0 || state->epoch == from->epoch, "a transaction is open under epoch %d",
          state->epoch);
    CHECK(state->txn < 0 || state->txn == from->txn, "transactions %d and %d are mixed",
          state->txn, from->txn);
    CHECK(truths[from->txn].outcome != MARKED_COMMIT, "%d is committed and goes on", from->txn);
    state->epoch = from->epoch;
    state->txn = from->txn;
    state->batches++;
    truths[from->txn].batches++;
}

/* ---- Producers ---- */

static void take_given(int64_t producer_id, int16_t epoch, bool is_init)
{
    CHECK(producer_id >= 0 && producer_id < (int64_t)WEIR_ARRAY_COUNT(given), "producer id %lld",
          (long long)producer_id);
    CHECK(!is_init || epoch >= given[producer_id], "S4: %lld has epoch %d again",
          (long long)producer_id, epoch);
    if (epoch >= given[producer_id])
        given[producer_id] = (int16_t)(epoch + 1);
}

static void op_done(struct weir_txn_op *op)
{
    struct sim_op *self = WEIR_CONTAINER_OF(op, struct sim_op, op);
    CHECK(self->done == 0, "S5: done twice");
    self->done++;
    if (op->status == WEIR_OK && self->kind == INITIALIZING)
        take_given(self->init.producer_id, self->init.producer_epoch, true);
    if (op->status == WEIR_OK && self->kind == ENDING && self->end.client_transaction_version >= 2)
        take_given(self->end.new_producer_id, self->end.new_producer_epoch, false);
}

static struct sim_op *op_new(struct sim_producer *producer, enum doing doing)
{
    struct sim_op *op = weir_calloc(1, sizeof(*op));
    WEIR_ASSERT(op != NULL);
    producer->op = op;
    producer->doing = doing;
    op->kind = doing;
    return op;
}

static void start_init(struct sim_producer *producer)
{
    struct sim_op *op = op_new(producer, INITIALIZING);
    op->init = (struct weir_txn_init){.op = {.done = op_done},
                                      .transactional_id = weir_slice_str(id_name(producer->id)),
                                      .timeout_ms = TIMEOUT_MS,
                                      .expected_producer_id = -1,
                                      .expected_producer_epoch = -1};
    weir_txn_init(world.service, &op->init);
}

static void start_add(struct sim_producer *producer, int partition)
{
    struct sim_op *op = op_new(producer, ADDING);
    op->partition = (struct weir_txn_partition){.topic = WEIR_SLICE("t"), .partition = partition};
    op->add = (struct weir_txn_add){.op = {.done = op_done},
                                    .transactional_id = weir_slice_str(id_name(producer->id)),
                                    .producer_id = producer->producer_id,
                                    .producer_epoch = producer->epoch,
                                    .client_transaction_version = producer->version,
                                    .partitions = &op->partition,
                                    .partition_count = 1};
    weir_txn_add(world.service, &op->add);
}

static void start_end(struct sim_producer *producer)
{
    struct sim_op *op = op_new(producer, ENDING);
    if (producer->txn >= 0) {
        truths[producer->txn].asked_commit |= producer->is_commit;
        truths[producer->txn].asked_abort |= !producer->is_commit;
    }
    producer->must_end = true;
    op->end = (struct weir_txn_end){.op = {.done = op_done},
                                    .transactional_id = weir_slice_str(id_name(producer->id)),
                                    .producer_id = producer->producer_id,
                                    .producer_epoch = producer->epoch,
                                    .is_commit = producer->is_commit,
                                    .client_transaction_version = producer->version};
    weir_txn_end(world.service, &op->end);
}

static bool may_pass(enum weir_status status)
{
    return status == WEIR_CONCURRENT_TRANSACTIONS || status == WEIR_NOT_COORDINATOR ||
           status == WEIR_COORDINATOR_NOT_AVAILABLE ||
           status == WEIR_COORDINATOR_LOAD_IN_PROGRESS || status == WEIR_UNKNOWN_SERVER_ERROR;
}

static void forget_txn(struct sim_producer *producer)
{
    producer->txn = -1;
    producer->must_end = false;
    memset(producer->is_added, 0, sizeof(producer->is_added));
}

static void take_init(struct sim_producer *producer)
{
    const struct weir_txn_init *init = &producer->op->init;
    if (init->op.status == WEIR_OK) {
        producer->producer_id = init->producer_id;
        producer->epoch = init->producer_epoch;
        producer->has_producer_id = true;
        forget_txn(producer);
    } else {
        CHECK(may_pass(init->op.status), "init: %s", weir_status_name(init->op.status));
    }
}

static void take_add(struct sim_producer *producer)
{
    struct sim_op *op = producer->op;
    if (op->add.op.status == WEIR_OK)
        producer->is_added[op->partition.partition] = true;
    else if (!may_pass(op->add.op.status))
        producer->is_alive = false; /* fenced */
}

static void take_end(struct sim_producer *producer)
{
    const struct weir_txn_end *end = &producer->op->end;
    if (may_pass(end->op.status))
        return; /* the same again */
    if (end->op.status != WEIR_OK) {
        producer->is_alive = false;
        return;
    }
    if (producer->version >= 2) {
        producer->producer_id = end->new_producer_id;
        producer->epoch = end->new_producer_epoch;
    }
    if (producer->txn >= 0) {
        struct truth *truth = &truths[producer->txn];
        truth->told = end->is_commit ? COMMITTED : ABORTED;
        CHECK(truth->outcome == OPEN || (truth->outcome == MARKED_COMMIT) == end->is_commit,
              "S2: the producer of %d is told otherwise", producer->txn);
    }
    forget_txn(producer);
}

static void take_answer(struct sim_producer *producer)
{
    switch (producer->doing) {
    case NOTHING:
        return;
    case INITIALIZING:
        take_init(producer);
        break;
    case ADDING:
        take_add(producer);
        break;
    case ENDING:
        take_end(producer);
        break;
    }
    weir_txn_op_free(&producer->op->op);
    weir_free(producer->op);
    producer->op = NULL;
    producer->doing = NOTHING;
}

static void begin_txn(struct sim_producer *producer)
{
    CHECK(truth_count < TXNS_MAX, "too many transactions");
    producer->txn = truth_count++;
    truths[producer->txn] = (struct truth){0};
}

static void revive(struct sim_producer *producer)
{
    int id = producer->id;
    *producer = (struct sim_producer){.id = id, .is_alive = true, .txn = -1};
    producer->version = pick(2) == 0 ? 0 : 2;
    start_init(producer);
}

static void act(struct sim_producer *producer)
{
    if (producer->op != NULL) {
        if (producer->op->done > 0)
            take_answer(producer);
        return;
    }
    if (!producer->is_alive) {
        if (!is_kind && pick(40) == 0)
            revive(producer);
        return;
    }
    if (!producer->has_producer_id) {
        start_init(producer);
    } else if (producer->must_end) {
        start_end(producer);
    } else if (producer->txn < 0) {
        if (is_kind)
            return;
        begin_txn(producer);
        start_add(producer, (int)pick(PARTITIONS));
    } else {
        uint32_t what = pick(10);
        int partition = (int)pick(PARTITIONS);
        if (what < 2)
            start_add(producer, partition);
        else if (what < 8 && producer->is_added[partition])
            produce(producer, partition);
        else if (what == 8) {
            producer->is_commit = pick(3) > 0;
            start_end(producer);
        } else if (what == 9 && pick(30) == 0)
            producer->is_alive = false; /* gone without a word */
    }
}

/* ---- The world ---- */

/* What is above the high watermark is lost. */
static void truncate_log(struct fake_log *log)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    struct weir_detail detail;
    size_t size = 0;
    weir_batch_iter_init(&iter, weir_buf_slice(&log->bytes));
    while (weir_batch_iter_next(&iter, &batch, &detail) == WEIR_OK &&
           weir_batch_next_offset(&batch) <= log->high_watermark)
        size += batch.bytes.size;
    log->bytes.size = size;
    log->end_offset = log->high_watermark;
}

static void move_leaders(void)
{
    world_resign_all();
    if (pick(2) == 0) {
        for (int i = 0; i < FAKE_PARTITIONS; i++)
            truncate_log(&world.base.logs[i]);
    }
    world_elect_all(); /* rounds of the old machines may still come back, or be written late */
}

static void disturb(void)
{
    static const enum weir_status refusals[] = {WEIR_NOT_ENOUGH_REPLICAS,
                                                WEIR_NOT_LEADER_OR_FOLLOWER, WEIR_NO_SPACE};
    uint32_t what = pick(100);
    if (what < 2)
        move_leaders();
    else if (what < 5)
        world.base.append_status = refusals[pick(WEIR_ARRAY_COUNT(refusals))];
    else if (what < 15)
        world.base.append_status = WEIR_OK;
    else if (what < 20)
        world.base.commits_at_once = false;
    else if (what < 27)
        world.base.commits_at_once = true;
    else if (what < 50)
        fake_world_commit(&world.base, (int32_t)pick(FAKE_PARTITIONS));
    else if (what == 50)
        fake_world_jump(&world.base, pick(60000));
    else if (what == 51)
        world.has_no_ids = pick(2) == 0;
    else
        fake_world_advance(&world.base, pick(200));
}

static void act_all(void)
{
    for (int id = 0; id < IDS; id++) {
        for (int i = 0; i < PRODUCERS; i++)
            act(&producers[id][i]);
    }
}

static void heal(void)
{
    is_kind = true;
    world.base.append_status = WEIR_OK;
    world.base.commits_at_once = true;
    world.has_no_ids = false;
    for (int i = 0; i < FAKE_PARTITIONS; i++)
        fake_world_commit(&world.base, i);
    for (int i = 0; i < 400; i++) {
        act_all();
        settle_some_rounds();
        fake_world_advance(&world.base, 250);
    }
}

static void check_end(void)
{
    for (int id = 0; id < IDS; id++) {
        struct weir_txn_describe out;
        describe(id_name(id), &out);
        CHECK(out.op.status == WEIR_TRANSACTIONAL_ID_NOT_FOUND ||
                  weir_slice_is(out.state, "Empty") || weir_slice_is(out.state, "CompleteAbort") ||
                  weir_slice_is(out.state, "CompleteCommit"),
              "S6: %s is %.*s", id_name(id), WEIR_SLICE_ARGS(out.state));
        weir_txn_op_free(&out.op);
    }
    for (int partition = 0; partition < PARTITIONS; partition++) {
        for (int i = 0; i < state_counts[partition]; i++)
            CHECK(states[partition][i].txn < 0, "S6: %lld is open in partition %d",
                  (long long)states[partition][i].producer_id, partition);
    }
    for (int i = 0; i < truth_count; i++)
        CHECK(truths[i].batches == 0, "S6: batches of %d have no marker", i);
}

static void run_seed(uint64_t number)
{
    seed = number * 2654435761u + 1;
    struct weir_txn_config config = weir_txn_config_default();
    config.abort_timed_out_interval_ms = 1000;
    config.append_timeout_ms = 5000;
    memset(producers, 0, sizeof(producers));
    memset(state_counts, 0, sizeof(state_counts));
    memset(given, 0, sizeof(given));
    truth_count = 0;
    is_kind = false;
    world_start_with(config, (int16_t)pick(3));
    world.marks_at_once = false;
    for (int id = 0; id < IDS; id++) {
        for (int i = 0; i < PRODUCERS; i++)
            producers[id][i] = (struct sim_producer){.id = id, .txn = -1};
    }
    for (int i = 0; i < STEPS; i++) {
        act(&producers[pick(IDS)][pick(PRODUCERS)]);
        if (pick(4) == 0)
            settle_some_rounds();
        if (pick(3) == 0)
            disturb();
    }
    heal();
    check_end();
    world_stop();
    for (int id = 0; id < IDS; id++) {
        for (int i = 0; i < PRODUCERS; i++) {
            struct sim_producer *producer = &producers[id][i];
            CHECK(producer->op == NULL || producer->op->done == 1, "S5: never done");
            take_answer(producer);
        }
    }
}

int main(int argc, char **argv)
{
    bool is_full = argc > 1 && strcmp(argv[1], "--full") == 0;
    uint64_t first = argc > 2 && strcmp(argv[1], "--seed") == 0 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t count = is_full ? 20000 : argc > 2 ? 1 : 150;
    for (uint64_t number = first; number < first + count; number++) {
        (void)fprintf(stderr, "\rseed %llu", (unsigned long long)number);
        run_seed(number);
    }
    (void)fprintf(stderr, "\n%lld commit and %lld abort markers ended a transaction\n",
                  (long long)commits_seen, (long long)aborts_seen);
    CHECK(commits_seen > 0 && aborts_seen > 0, "nothing happened");
    return 0;
}
