/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From Prepare* to Complete*.  The markers of one transaction that are not known to be written go out
 * as one round; what came back with a condition that may pass goes out again after a backoff.  When
 * nothing is left the Complete* record is written.
 *
 *  M1  an entry has at most one round out, a machine at most ROUNDS_MAX; the others wait in line.
 *  M2  a round that comes back is heeded only by the machine and the entry that sent it.
 *  M3  a partition is given up as marked only when its leader said so, or when it does not exist.
 */

#include "txn_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#define ROUNDS_MAX 1000
#define BACKOFF_MIN_MS 20
#define BACKOFF_MAX_MS 1000

enum marker_fate {
    MARKER_DONE,
    MARKER_AGAIN,
    MARKER_STOP /* the partition has seen a newer coordinator or epoch: more would do no good */
};

static enum marker_fate fate_of(enum weir_status status)
{
    static const struct {
        enum weir_status status;
        enum marker_fate fate;
    } rows[] = {
        {WEIR_OK, MARKER_DONE},
        {WEIR_NOT_FOUND, MARKER_DONE}, /* its topic was deleted */
        {WEIR_UNSUPPORTED_FOR_MESSAGE_FORMAT, MARKER_DONE},
        {WEIR_INVALID_PRODUCER_EPOCH, MARKER_STOP},
        {WEIR_TRANSACTION_COORDINATOR_FENCED, MARKER_STOP},
    };
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(rows); i++) {
        if (rows[i].status == status)
            return rows[i].fate;
    }
    /* UNKNOWN_TOPIC_OR_PARTITION (the leader has not heard of it yet), NOT_LEADER_OR_FOLLOWER,
     * NOT_ENOUGH_REPLICAS, KAFKA_STORAGE_ERROR ... and what nobody expects: M3. */
    return MARKER_AGAIN;
}

void markers_back_off(struct txn_entry *entry, const struct weir_step *step)
{
    int64_t wait_ms = BACKOFF_MAX_MS;
    if (entry->attempt_count < 6)
        wait_ms = (int64_t)BACKOFF_MIN_MS << entry->attempt_count;
    entry->attempt_count++;
    entry_retry_at(entry, step->now_ms + (wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS));
}

/* Items and texts are the round's own: the entry may be gone when it comes back. */
static struct marker_round *round_new(const struct txn_entry *entry)
{
    const struct partition_set *set = entry->current.partitions;
    size_t text_bytes = entry->id.size;
    for (size_t i = 0; i < set->count; i++)
        text_bytes += set->items[i].topic.size;
    struct marker_round *round =
        weir_calloc(1, sizeof(*round) + set->count * sizeof(round->items[0]) + text_bytes);
    if (round == NULL)
        return NULL;
    uint8_t *text = (uint8_t *)(round->items + set->count);
    if (entry->id.size > 0)
        memcpy(text, entry->id.data, entry->id.size);
    round->markers.transactional_id = weir_slice_of(text, entry->id.size);
    text += entry->id.size;
    for (size_t i = 0; i < set->count; i++) {
        struct weir_slice topic = set->items[i].topic;
        if (topic.size > 0)
            memcpy(text, topic.data, topic.size);
        round->items[i] =
            (struct weir_txn_marker_item){.topic = weir_slice_of(text, topic.size),
                                          .partition = set->items[i].partition,
                                          .status = WEIR_UNKNOWN_SERVER_ERROR};
        text += topic.size;
    }
    return round;
}

static void send_round(struct txn_entry *entry, struct weir_step *step)
{
    struct txn_machine *machine = entry->machine;
    struct marker_round *round = round_new(entry);
    if (round == NULL) {
        markers_back_off(entry, step);
        return;
    }
    const struct txn_meta *current = &entry->current;
    round->completion.run = round_send;
    round->context = machine->context;
    round->partition = machine->partition;
    round->serial = machine->serial;
    round->markers.producer_id = current->producer_id;
    round->markers.producer_epoch = current->epoch;
    round->markers.is_commit = current->state == TXN_PREPARE_COMMIT;
    round->markers.transaction_version = (int8_t)current->client_version;
    round->markers.items = round->items;
    round->markers.item_count = current->partitions->count;
    entry->round = round;
    machine->rounds_out++;
    atomic_fetch_add(&machine->context->outside, 1);
    weir_step_complete(step, &round->completion);
}

void markers_start(struct txn_entry *entry, struct weir_step *step)
{
    WEIR_ASSERT(txn_state_is_prepared(entry->current.state) && !entry->is_changing &&
                entry->round == NULL);
    if (partition_set_count(entry->current.partitions) == 0) {
        entry_change(entry, txn_meta_complete(&entry->current, entry->completed_ms), ANSWER_NOBODY,
                     NULL, step);
        return;
    }
    struct txn_machine *machine = entry->machine;
    if (machine->rounds_out < ROUNDS_MAX)
        send_round(entry, step);
    else
        weir_list_push_back(&machine->marker_queue, &entry->turn); /* M1 */
}

void markers_retry(struct txn_entry *entry, struct weir_step *step)
{
    if (txn_state_is_prepared(entry->current.state) && !entry->is_changing)
        markers_start(entry, step);
}

/* Takes out what is marked. */
static enum weir_status keep_unmarked(struct txn_entry *entry, const struct marker_round *round)
{
    size_t count = round->markers.item_count;
    struct partition_id *left = weir_calloc(count + 1, sizeof(*left));
    if (left == NULL)
        return WEIR_NO_MEMORY;
    size_t left_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct weir_txn_marker_item *item = &round->items[i];
        if (fate_of(item->status) != MARKER_DONE)
            left[left_count++] =
                (struct partition_id){.topic = item->topic, .partition = item->partition};
    }
    struct partition_set *partitions;
    enum weir_status status = partition_set_new(left, left_count, &partitions);
    weir_free(left);
    if (status != WEIR_OK)
        return status;
    txn_meta_done(&entry->current);
    entry->current.partitions = partitions;
    return WEIR_OK;
}

static const struct weir_txn_marker_item *find_fate(const struct marker_round *round,
                                                    enum marker_fate fate)
{
    for (size_t i = 0; i < round->markers.item_count; i++) {
        if (fate_of(round->items[i].status) == fate)
            return &round->items[i];
    }
    return NULL;
}

static void log_stopped(const struct txn_entry *entry, const struct weir_txn_marker_item *item,
                        struct weir_step *step)
{
    WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_ERROR, "transaction_marker_refused",
                  WEIR_BYTES("transactional_id", entry->id),
                  WEIR_I64("producer_id", entry->current.producer_id),
                  WEIR_I64("producer_epoch", entry->current.epoch),
                  WEIR_BYTES("topic", item->topic), WEIR_I64("partition", item->partition),
                  WEIR_STR("status", weir_status_name(item->status)),
                  WEIR_STR("next", "no more are sent until its partition of __transaction_state is loaded again"));
}

static void round_back(struct txn_entry *entry, const struct marker_round *round,
                       struct weir_step *step)
{
    const struct weir_txn_marker_item *stopped = find_fate(round, MARKER_STOP);
    const struct weir_txn_marker_item *again = find_fate(round, MARKER_AGAIN);
    if (keep_unmarked(entry, round) != WEIR_OK) {
        markers_back_off(entry, step); /* all are sent again: that does no harm */
        return;
    }
    if (stopped != NULL) {
        log_stopped(entry, stopped, step);
    } else if (again != NULL) {
        WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_DEBUG, "transaction_marker_again",
                      WEIR_BYTES("transactional_id", entry->id),
                      WEIR_BYTES("topic", again->topic), WEIR_I64("partition", again->partition),
                      WEIR_STR("status", weir_status_name(again->status)),
                      WEIR_I64("attempts", entry->attempt_count + 1));
        markers_back_off(entry, step);
    } else {
        markers_start(entry, step);
    }
}

void markers_returned(struct txn_machine *machine, const struct marker_round *round,
                      struct weir_step *step)
{
    if (round->serial != machine->serial)
        return; /* M2 */
    machine->rounds_out--;
    struct txn_entry *entry = machine_entry(machine, round->markers.transactional_id);
    if (entry != NULL && entry->round == round) {
        entry->round = NULL;
        round_back(entry, round, step);
    }
    struct weir_list *turn = weir_list_pop_front(&machine->marker_queue);
    if (turn != NULL)
        markers_start(WEIR_LIST_ENTRY(turn, struct txn_entry, turn), step);
}
