/* SPDX-License-Identifier: Apache-2.0 */

/* The machine of one partition of __transaction_state: its entries, how they change, and how the
 * shard drives it.  Its invariants are in txn_int.h. */

#include "txn_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

static void change_settled(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                           enum weir_status status, struct weir_step *step);
static void load_settled(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                         enum weir_status status, struct weir_step *step);

/* ---- Entries ---- */

struct txn_entry *machine_entry(const struct txn_machine *machine, struct weir_slice id)
{
    return weir_map_get(&machine->entries, id);
}

static void entry_free(struct txn_entry *entry)
{
    weir_heap_remove(&entry->machine->retries, &entry->retry);
    weir_list_remove(&entry->due);
    weir_list_remove(&entry->turn);
    txn_meta_done(&entry->current);
    txn_meta_done(&entry->next);
    weir_free((void *)(uintptr_t)entry->id.data); /* its own copy */
    weir_free(entry);
}

static enum weir_status entry_new(struct txn_machine *machine, struct weir_slice id,
                                  struct txn_entry **out)
{
    struct txn_entry *entry = weir_calloc(1, sizeof(*entry));
    if (entry == NULL)
        return WEIR_NO_MEMORY;
    uint8_t *text = weir_malloc(id.size + 1);
    enum weir_status status = text == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = weir_heap_set(&machine->retries, &entry->retry, NO_DEADLINE);
    if (status != WEIR_OK) {
        weir_free(text);
        weir_free(entry);
        return status;
    }
    if (id.size > 0)
        memcpy(text, id.data, id.size);
    entry->machine = machine;
    entry->id = weir_slice_of(text, id.size);
    entry->current = (struct txn_meta){.producer_id = NO_PRODUCER_ID,
                                       .previous_producer_id = NO_PRODUCER_ID,
                                       .next_producer_id = NO_PRODUCER_ID,
                                       .epoch = NO_PRODUCER_EPOCH,
                                       .last_epoch = NO_PRODUCER_EPOCH,
                                       .state = TXN_EMPTY,
                                       .start_ms = NO_TIMESTAMP};
    entry->write.result = change_settled;
    *out = entry;
    return WEIR_OK;
}

enum weir_status machine_add_entry(struct txn_machine *machine, struct weir_slice id,
                                   struct txn_entry **out)
{
    struct txn_entry *entry;
    enum weir_status status = entry_new(machine, id, &entry);
    if (status != WEIR_OK)
        return status;
    status = weir_map_put(&machine->entries, entry->id, entry, NULL);
    if (status != WEIR_OK) {
        entry_free(entry);
        return status;
    }
    *out = entry;
    return WEIR_OK;
}

void machine_remove_entry(struct txn_machine *machine, struct txn_entry *entry)
{
    WEIR_ASSERT(!entry->is_changing);
    (void)weir_map_remove(&machine->entries, entry->id); /* it is `entry` */
    entry_free(entry);
}

bool entry_is_pending(const struct txn_entry *entry)
{
    return entry->is_changing || txn_state_is_prepared(entry->current.state);
}

bool entry_is_known(const struct txn_entry *entry)
{
    return entry->current.epoch != NO_PRODUCER_EPOCH;
}

void entry_retry_at(struct txn_entry *entry, int64_t deadline_ms)
{
    enum weir_status status =
        weir_heap_set(&entry->machine->retries, &entry->retry, deadline_ms);
    WEIR_ASSERT(status == WEIR_OK); /* it is in since entry_new and only moves */
}

/* ---- Changes ---- */

void entry_change(struct txn_entry *entry, struct txn_meta take_next, enum answer_kind answer,
                  struct weir_txn_op *op, struct weir_step *step)
{
    WEIR_ASSERT(!entry->is_changing);
    entry->is_changing = true;
    entry->next = take_next;
    entry->answer = answer;
    entry->op = op;
    int level = atomic_load_explicit(&entry->machine->context->transaction_version,
                                     memory_order_relaxed);
    txn_record_write(step, entry->id, take_next.state == TXN_DEAD ? NULL : &entry->next,
                     (int16_t)level);
    weir_step_write(step, &entry->write);
}

/* T1: the log says so now. */
static void take_next(struct txn_entry *entry, struct weir_step *step)
{
    enum txn_state state = entry->next.state;
    txn_meta_done(&entry->current);
    entry->current = entry->next;
    entry->next.partitions = NULL;
    if (txn_state_is_prepared(state)) {
        entry->completed_ms = step->wall_ms;
        entry->attempt_count = 0;
        markers_start(entry, step);
    } else if (state == TXN_DEAD) {
        WEIR_STEP_INFO(step, "transactional_id_expired",
                       WEIR_BYTES("transactional_id", entry->id),
                       WEIR_I64("producer_id", entry->current.producer_id),
                       WEIR_I64("unused_since_ms", entry->current.update_ms));
        machine_remove_entry(entry->machine, entry);
    }
}

/* Nothing was written: as before. */
static void drop_next(struct txn_entry *entry, struct weir_step *step)
{
    txn_meta_done(&entry->next);
    if (!entry_is_known(entry))
        machine_remove_entry(entry->machine, entry);
    else if (txn_state_is_prepared(entry->current.state))
        markers_back_off(entry, step); /* Complete* is written again later */
}

static void change_settled(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                           enum weir_status status, struct weir_step *step)
{
    (void)context;
    struct txn_entry *entry = WEIR_CONTAINER_OF(write, struct txn_entry, write);
    answer_change(entry->answer, entry->op, status, &entry->next, step);
    entry->answer = ANSWER_NOBODY;
    entry->op = NULL;
    switch (outcome) {
    case WEIR_WRITE_COMMITTED:
        entry->is_changing = false;
        take_next(entry, step);
        return;
    case WEIR_WRITE_REFUSED:
        entry->is_changing = false;
        drop_next(entry, step);
        return;
    case WEIR_WRITE_ABANDONED:
        /* T2.  When the shard goes away this is the end: the machine is about to be destroyed. */
        if (status != WEIR_NOT_COORDINATOR)
            weir_step_write(step, &entry->write);
        return;
    }
    WEIR_UNREACHABLE();
}

/* ---- The shard's functions ---- */

static enum weir_status create(void *context, int32_t partition, void **out_machine)
{
    struct txn_machine *machine = weir_calloc(1, sizeof(*machine));
    if (machine == NULL)
        return WEIR_NO_MEMORY;
    machine->context = context;
    machine->partition = partition;
    machine->serial = atomic_fetch_add(&machine->context->next_serial, 1);
    machine->next_timeouts_ms = NO_DEADLINE;
    machine->next_expiries_ms = NO_DEADLINE;
    machine->load_write.result = load_settled;
    weir_list_init(&machine->marker_queue);
    weir_list_init(&machine->due);
    *out_machine = machine;
    return WEIR_OK;
}

static void destroy(void *context)
{
    struct txn_machine *machine = context;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->entries, &cursor)) != NULL)
        entry_free(entry->value);
    weir_map_done(&machine->entries);
    weir_heap_done(&machine->retries);
    weir_free(machine);
}

static enum weir_status replay_state(struct txn_machine *machine, struct weir_slice id,
                                     struct txn_meta *take_meta)
{
    struct txn_entry *entry = machine_entry(machine, id);
    enum weir_status status = WEIR_OK;
    if (entry == NULL)
        status = machine_add_entry(machine, id, &entry);
    if (status != WEIR_OK) {
        txn_meta_done(take_meta);
        return status;
    }
    txn_meta_done(&entry->current);
    entry->current = *take_meta; /* a compacted log holds any state after any other */
    return WEIR_OK;
}

/* Only while loading: what the machine writes itself it knows already. */
static enum weir_status replay(void *context, const struct weir_replayed *record,
                               struct weir_detail *detail)
{
    struct txn_machine *machine = context;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    enum txn_record_kind kind = TXN_RECORD_UNKNOWN;
    struct weir_slice id = WEIR_NULL_SLICE;
    struct txn_meta meta;
    enum weir_status status = txn_record_read(record, &kind, &id, &meta, &arena);
    if (status != WEIR_OK) {
        weir_detail_set(detail, "a record with %zu bytes of key and %zu of value: %s",
                        record->key.size, record->value.size, weir_status_name(status));
    } else if (kind == TXN_RECORD_UNKNOWN) {
        machine->unknown_records++;
    } else if (kind == TXN_RECORD_TOMBSTONE) {
        struct txn_entry *entry = machine_entry(machine, id);
        if (entry != NULL)
            machine_remove_entry(machine, entry);
    } else {
        status = replay_state(machine, id, &meta);
    }
    weir_arena_done(&arena);
    return status;
}

/* __transaction_state has no transactions of its own. */
static enum weir_status end_txn(void *machine, int64_t producer_id, bool is_commit)
{
    (void)machine;
    (void)producer_id;
    (void)is_commit;
    return WEIR_OK;
}

/* T3.  Who ended them last may not have marked every partition. */
static void resume_prepared(struct txn_machine *machine, struct weir_step *step)
{
    size_t cursor = 0;
    const struct weir_map_entry *item;
    while ((item = weir_map_next(&machine->entries, &cursor)) != NULL) {
        struct txn_entry *entry = item->value;
        if (!txn_state_is_prepared(entry->current.state))
            continue;
        WEIR_STEP_INFO(step, "transaction_resumed", WEIR_BYTES("transactional_id", entry->id),
                       WEIR_I64("producer_id", entry->current.producer_id),
                       WEIR_I64("producer_epoch", entry->current.epoch),
                       WEIR_BYTES("state", txn_state_name(entry->current.state)));
        entry->completed_ms = step->wall_ms;
        entry_retry_at(entry, step->now_ms);
    }
}

static void load_settled(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                         enum weir_status status, struct weir_step *step)
{
    struct txn_machine *machine = context;
    if (outcome != WEIR_WRITE_COMMITTED) {
        if (status != WEIR_NOT_COORDINATOR)
            weir_step_write(step, write); /* late: it is waited for all the same */
        return;
    }
    const struct weir_txn_config *config = &machine->context->config;
    machine->is_settled = true;
    machine->next_timeouts_ms = step->now_ms + config->abort_timed_out_interval_ms;
    machine->next_expiries_ms = step->now_ms + config->remove_expired_interval_ms;
    resume_prepared(machine, step);
}

/* The log may hold records above the high watermark: another leader might not have them, and decide
 * otherwise.  So nothing is answered or sent that follows from them until they are below it. */
static void loaded(void *context, struct weir_step *step)
{
    struct txn_machine *machine = context;
    if (machine->unknown_records > 0)
        WEIR_STEP_WARN(step, "transaction_records_unknown",
                       WEIR_I64("partition", machine->partition),
                       WEIR_I64("records", machine->unknown_records),
                       WEIR_STR("next", "passed over: a newer version wrote them"));
    weir_step_write(step, &machine->load_write);
}

/* Whoever waited for a change has been answered with its write. */
static void unloaded(void *context, struct weir_step *step)
{
    (void)context;
    (void)step;
}

static int64_t next_deadline_ms(const void *context)
{
    const struct txn_machine *machine = context;
    const struct weir_heap_node *first = weir_heap_first(&machine->retries);
    int64_t retry_ms = first == NULL ? NO_DEADLINE : first->key;
    int64_t expiry_ms = expiry_next_deadline_ms(machine);
    return retry_ms < expiry_ms ? retry_ms : expiry_ms;
}

static void tick(void *context, struct weir_step *step)
{
    struct txn_machine *machine = context;
    for (;;) {
        struct weir_heap_node *first = weir_heap_first(&machine->retries);
        if (first == NULL || first->key > step->now_ms)
            break;
        struct txn_entry *entry = WEIR_CONTAINER_OF(first, struct txn_entry, retry);
        entry_retry_at(entry, NO_DEADLINE);
        markers_retry(entry, step);
        if (step->record_count > 0 || step->status != WEIR_OK)
            return;
    }
    expiry_tick(machine, step);
}

const struct weir_machine_ops txn_machine_ops = {.create = create,
                                                 .destroy = destroy,
                                                 .replay = replay,
                                                 .end_txn = end_txn,
                                                 .loaded = loaded,
                                                 .unloaded = unloaded,
                                                 .next_deadline_ms = next_deadline_ms,
                                                 .tick = tick};
