/* SPDX-License-Identifier: Apache-2.0 */

/* A shard's life and its steps; the diagram of its states is in coordinator_int.h. */

#include "coordinator_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

static void watermark_moved(struct weir_log_watch *watch);
static void follow_watermark(struct weir_task *task);

enum weir_status shard_new(struct weir_coordinator *coordinator, int32_t partition,
                           int32_t leader_epoch, struct weir_shard **out)
{
    struct weir_shard *shard = weir_calloc(1, sizeof(*shard));
    if (shard == NULL)
        return WEIR_NO_MEMORY;
    shard->coordinator = coordinator;
    shard->partition = partition;
    atomic_init(&shard->refs, 1);
    atomic_init(&shard->leader_epoch, leader_epoch);
    atomic_init(&shard->next_deadline_ms, NO_DEADLINE);
    atomic_init(&shard->armed_ms, NO_DEADLINE);
    weir_lock_init(&shard->lock, WEIR_LOCK_RANK_COORDINATOR_SHARD);
    shard->state = SHARD_LOADING;
    weir_list_init(&shard->waiting);
    shard->watch.moved = watermark_moved;
    shard->watermark_task.run = follow_watermark;
    *out = shard;
    return WEIR_OK;
}

struct weir_shard *weir_shard_ref(struct weir_shard *shard)
{
    atomic_fetch_add_explicit(&shard->refs, 1, memory_order_relaxed);
    return shard;
}

void weir_shard_unref(struct weir_shard *shard)
{
    /* acq_rel: whoever frees it sees all that others did with it. */
    if (shard == NULL || atomic_fetch_sub_explicit(&shard->refs, 1, memory_order_acq_rel) != 1)
        return;
    WEIR_ASSERT(shard->machine == NULL && weir_list_is_empty(&shard->waiting));
    weir_buf_done(&shard->batch);
    weir_lock_done(&shard->lock);
    weir_free(shard);
}

int32_t weir_shard_leader_epoch(const struct weir_shard *shard)
{
    return atomic_load(&shard->leader_epoch);
}

void shard_set_state(struct weir_shard *shard, enum shard_state state)
{
    static const bool is_legal[4][4] = {
        [SHARD_LOADING] = {[SHARD_ACTIVE] = true, [SHARD_FAILED] = true, [SHARD_CLOSED] = true},
        [SHARD_ACTIVE] = {[SHARD_FAILED] = true, [SHARD_CLOSED] = true},
        [SHARD_FAILED] = {[SHARD_LOADING] = true, [SHARD_CLOSED] = true},
        [SHARD_CLOSED] = {false},
    };
    WEIR_ASSERT(is_legal[shard->state][state]);
    shard->state = state;
}

static struct weir_write *first_waiting(const struct weir_shard *shard)
{
    if (weir_list_is_empty(&shard->waiting))
        return NULL;
    return WEIR_LIST_ENTRY(shard->waiting.next, struct weir_write, node);
}

static void give_result(struct weir_shard *shard, struct weir_write *write,
                        enum weir_write_outcome outcome, enum weir_status status,
                        struct weir_step *step)
{
    weir_list_remove(&write->node);
    write->result(write, shard->machine, outcome, status, step); /* it may be gone afterwards */
}

static void release_committed(struct weir_shard *shard, struct weir_step *step)
{
    for (struct weir_write *write = first_waiting(shard);
         write != NULL && write->end_offset <= shard->high_watermark; write = first_waiting(shard))
        give_result(shard, write, WEIR_WRITE_COMMITTED, WEIR_OK, step);
}

static void read_watermark(struct weir_shard *shard)
{
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    int64_t start;
    int64_t high_watermark;
    int64_t end;
    if (options->port->offsets(options->port_context, shard->partition, &start, &high_watermark,
                               &end) == WEIR_OK &&
        high_watermark > shard->high_watermark)
        shard->high_watermark = high_watermark;
}

void shard_settle(struct weir_shard *shard, struct weir_step *step)
{
    while (step->record_count > 0 || step->status != WEIR_OK ||
           !weir_list_is_empty(&step->writes)) {
        bool has_records = step->record_count > 0 || step->status != WEIR_OK;
        enum weir_status status = has_records ? shard_append(shard, step) : WEIR_OK;
        struct weir_list refused;
        weir_list_init(&refused);
        for (struct weir_list *node = weir_list_pop_front(&step->writes); node != NULL;
             node = weir_list_pop_front(&step->writes)) {
            struct weir_write *write = WEIR_LIST_ENTRY(node, struct weir_write, node);
            write->end_offset = shard->written_end;
            write->deadline_ms = step->now_ms + shard->coordinator->options.commit_timeout_ms;
            weir_list_push_back(status == WEIR_OK ? &shard->waiting : &refused, &write->node);
        }
        for (struct weir_list *node = weir_list_pop_front(&refused); node != NULL;
             node = weir_list_pop_front(&refused))
            give_result(shard, WEIR_LIST_ENTRY(node, struct weir_write, node), WEIR_WRITE_REFUSED,
                        weir_coordinator_append_status(status), step);
        release_committed(shard, step);
    }
    if (first_waiting(shard) == NULL) {
        atomic_store(&shard->has_waiting, false);
        return;
    }
    /* The watermark may have passed between the append and this store; who moves it afterwards sees
     * the store, so one more look is enough. */
    atomic_store(&shard->has_waiting, true);
    read_watermark(shard);
    if (first_waiting(shard)->end_offset <= shard->high_watermark) {
        release_committed(shard, step);
        shard_settle(shard, step); /* what the results brought; each round releases at least one */
    }
}

void shard_step_init(const struct weir_shard *shard, struct weir_step *step)
{
    struct weir_env *env = shard->coordinator->options.env;
    weir_step_init(step, weir_env_monotonic_ms(env), weir_env_wall_ms(env));
}

/* All that waits is told that this shard is gone; the machine is handed out to be destroyed after
 * the completions ran. */
static void abandon(struct weir_shard *shard, struct weir_step *step, void **out_dead_machine)
{
    for (struct weir_write *write = first_waiting(shard); write != NULL;
         write = first_waiting(shard))
        give_result(shard, write, WEIR_WRITE_ABANDONED, WEIR_NOT_COORDINATOR, step);
    shard->coordinator->options.ops->unloaded(shard->machine, step);
    while (!weir_list_is_empty(&step->writes)) {
        struct weir_list *node = step->writes.next;
        give_result(shard, WEIR_LIST_ENTRY(node, struct weir_write, node), WEIR_WRITE_REFUSED,
                    WEIR_NOT_COORDINATOR, step);
    }
    atomic_store(&shard->has_waiting, false);
    atomic_store(&shard->next_deadline_ms, NO_DEADLINE);
    *out_dead_machine = shard->machine;
    shard->machine = NULL;
}

void shard_end_step(struct weir_shard *shard, struct weir_step *step, void **out_dead_machine)
{
    *out_dead_machine = NULL;
    if (shard->has_diverged) {
        WEIR_STEP_LOG(step, WEIR_LOG_LEVEL_ERROR, "coordinator_shard_diverged",
                      WEIR_STR("topic", shard->coordinator->options.topic),
                      WEIR_I64("partition", shard->partition),
                      WEIR_STR("next", "its clients are sent away and it is loaded again"));
        abandon(shard, step, out_dead_machine);
        shard_set_state(shard, SHARD_FAILED);
        shard_set_state(shard, SHARD_LOADING);
        shard->has_diverged = false;
        return;
    }
    int64_t next_ms = shard->coordinator->options.ops->next_deadline_ms(shard->machine);
    const struct weir_write *write = first_waiting(shard);
    if (write != NULL && write->deadline_ms < next_ms)
        next_ms = write->deadline_ms;
    atomic_store(&shard->next_deadline_ms, next_ms);
}

static void stop_watching(struct weir_shard *shard, bool was_watching)
{
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    if (was_watching)
        options->port->unwatch(options->port_context, shard->partition, &shard->watch);
}

/* After the lock was released: lines, completions, timers, and what a divergence leaves to do. */
static void finish_step(struct weir_shard *shard, struct weir_step *step, void *dead_machine)
{
    weir_step_publish(step, shard->coordinator->options.log);
    weir_step_done(step);
    coordinator_rearm(shard);
    if (dead_machine == NULL)
        return;
    shard->coordinator->options.ops->destroy(dead_machine);
    shard_start_load(shard);
}

enum weir_status weir_shard_run(struct weir_shard *shard, struct weir_shard_event *event)
{
    struct weir_step step;
    weir_lock_take(&shard->lock);
    if (shard->state != SHARD_ACTIVE) {
        bool is_loading = shard->state == SHARD_LOADING;
        weir_lock_release(&shard->lock);
        return is_loading ? WEIR_COORDINATOR_LOAD_IN_PROGRESS : WEIR_NOT_COORDINATOR;
    }
    shard_step_init(shard, &step);
    event->apply(event, shard->machine, &step);
    shard_settle(shard, &step);
    void *dead_machine;
    shard_end_step(shard, &step, &dead_machine);
    weir_lock_release(&shard->lock);
    finish_step(shard, &step, dead_machine);
    return WEIR_OK;
}

static void marker_completed(struct weir_completion *completion)
{
    struct weir_shard_marker *marker =
        WEIR_CONTAINER_OF(completion, struct weir_shard_marker, completion);
    marker->done(marker); /* it may be gone afterwards */
}

static void marker_result(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                          enum weir_status status, struct weir_step *step)
{
    struct weir_shard_marker *marker = WEIR_CONTAINER_OF(write, struct weir_shard_marker, write);
    (void)machine;
    (void)outcome;
    marker->status = status;
    weir_step_complete(step, &marker->completion);
}

/* Lock held, ACTIVE. */
static enum weir_status append_marker(struct weir_shard *shard,
                                      const struct weir_txn_marker *marker,
                                      int8_t transaction_version, struct weir_step *step)
{
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    struct weir_log_appended appended;
    struct weir_detail detail = {{0}};
    if (options->port->append_marker == NULL)
        return WEIR_UNKNOWN_SERVER_ERROR;
    enum weir_status status = options->port->append_marker(
        options->port_context, shard->partition, marker, transaction_version,
        atomic_load(&shard->leader_epoch), &appended, &detail);
    if (status != WEIR_OK) {
        WEIR_STEP_WARN(
            step, "coordinator_marker_refused", WEIR_STR("topic", options->topic),
            WEIR_I64("partition", shard->partition), WEIR_I64("producer_id", marker->producer_id),
            WEIR_STR("status", weir_status_name(status)), WEIR_STR("reason", detail.text));
        return weir_coordinator_append_status(status);
    }
    shard_set_written(shard, &appended);
    status = options->ops->end_txn(shard->machine, marker->producer_id, marker->is_commit);
    if (status != WEIR_OK)
        shard->has_diverged = true; /* it is in the log: only a new load can mend this */
    return WEIR_OK;
}

enum weir_status weir_shard_end_txn(struct weir_shard *shard, const struct weir_txn_marker *marker,
                                    int8_t transaction_version, struct weir_shard_marker *out)
{
    struct weir_step step;
    weir_lock_take(&shard->lock);
    if (shard->state != SHARD_ACTIVE) {
        bool is_loading = shard->state == SHARD_LOADING;
        weir_lock_release(&shard->lock);
        return is_loading ? WEIR_COORDINATOR_LOAD_IN_PROGRESS : WEIR_NOT_COORDINATOR;
    }
    shard_step_init(shard, &step);
    enum weir_status status = append_marker(shard, marker, transaction_version, &step);
    if (status == WEIR_OK) {
        out->completion.run = marker_completed;
        out->write = (struct weir_write){.result = marker_result};
        weir_step_write(&step, &out->write);
    }
    shard_settle(shard, &step);
    void *dead_machine;
    shard_end_step(shard, &step, &dead_machine);
    weir_lock_release(&shard->lock);
    finish_step(shard, &step, dead_machine);
    return status;
}

/* Writes that were not committed in time. */
static void expire_writes(struct weir_shard *shard, struct weir_step *step)
{
    for (struct weir_write *write = first_waiting(shard);
         write != NULL && write->deadline_ms <= step->now_ms; write = first_waiting(shard))
        give_result(shard, write, WEIR_WRITE_ABANDONED,
                    weir_coordinator_append_status(WEIR_REQUEST_TIMED_OUT), step);
}

void shard_tick(struct weir_shard *shard, int64_t now_ms)
{
    struct weir_step step;
    weir_lock_take(&shard->lock);
    if (shard->state != SHARD_ACTIVE) {
        weir_lock_release(&shard->lock);
        return;
    }
    shard_step_init(shard, &step);
    step.now_ms = now_ms;
    expire_writes(shard, &step);
    shard->coordinator->options.ops->tick(shard->machine, &step);
    shard_settle(shard, &step);
    void *dead_machine;
    shard_end_step(shard, &step, &dead_machine);
    weir_lock_release(&shard->lock);
    finish_step(shard, &step, dead_machine);
}

/* The log's lock may be held: nothing but atomics and a task. */
static void watermark_moved(struct weir_log_watch *watch)
{
    struct weir_shard *shard = WEIR_CONTAINER_OF(watch, struct weir_shard, watch);
    if (!atomic_load(&shard->has_waiting) ||
        atomic_exchange(&shard->is_watermark_task_queued, true))
        return;
    weir_shard_ref(shard);
    weir_task_pool_submit(shard->coordinator->options.pool, &shard->watermark_task);
}

static void follow_watermark(struct weir_task *task)
{
    struct weir_shard *shard = WEIR_CONTAINER_OF(task, struct weir_shard, watermark_task);
    atomic_store(&shard->is_watermark_task_queued, false); /* before looking: none is missed */
    struct weir_step step;
    weir_lock_take(&shard->lock);
    if (shard->state != SHARD_ACTIVE) {
        weir_lock_release(&shard->lock);
        weir_shard_unref(shard);
        return;
    }
    shard_step_init(shard, &step);
    read_watermark(shard);
    release_committed(shard, &step);
    shard_settle(shard, &step);
    void *dead_machine;
    shard_end_step(shard, &step, &dead_machine);
    weir_lock_release(&shard->lock);
    finish_step(shard, &step, dead_machine);
    weir_shard_unref(shard);
}

void shard_close(struct weir_shard *shard)
{
    struct weir_step step;
    void *dead_machine = NULL;
    weir_lock_take(&shard->lock);
    if (shard->state == SHARD_CLOSED) {
        weir_lock_release(&shard->lock);
        return;
    }
    shard_step_init(shard, &step);
    if (shard->state == SHARD_ACTIVE)
        abandon(shard, &step, &dead_machine);
    shard_set_state(shard, SHARD_CLOSED);
    bool was_watching = shard->is_watching;
    shard->is_watching = false;
    weir_lock_release(&shard->lock);
    stop_watching(shard, was_watching);
    weir_step_publish(&step, shard->coordinator->options.log);
    weir_step_done(&step);
    if (dead_machine != NULL)
        shard->coordinator->options.ops->destroy(dead_machine);
}

enum weir_status weir_coordinator_append_status(enum weir_status append_status)
{
    static const struct {
        enum weir_status from;
        enum weir_status to;
    } rows[] = {
        {WEIR_OK, WEIR_OK},
        {WEIR_UNKNOWN_TOPIC_OR_PARTITION, WEIR_COORDINATOR_NOT_AVAILABLE},
        {WEIR_NOT_ENOUGH_REPLICAS, WEIR_COORDINATOR_NOT_AVAILABLE},
        {WEIR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, WEIR_COORDINATOR_NOT_AVAILABLE},
        {WEIR_REQUEST_TIMED_OUT, WEIR_COORDINATOR_NOT_AVAILABLE},
        {WEIR_TIMED_OUT, WEIR_COORDINATOR_NOT_AVAILABLE},
        {WEIR_NO_SPACE, WEIR_COORDINATOR_NOT_AVAILABLE}, /* weir's own: the client tries again */
        {WEIR_NOT_LEADER_OR_FOLLOWER, WEIR_NOT_COORDINATOR},
        {WEIR_FENCED_LEADER_EPOCH, WEIR_NOT_COORDINATOR},
        {WEIR_KAFKA_STORAGE_ERROR, WEIR_NOT_COORDINATOR},
        {WEIR_IO_ERROR, WEIR_NOT_COORDINATOR},
        {WEIR_CLOSED, WEIR_NOT_COORDINATOR},
        {WEIR_NOT_COORDINATOR, WEIR_NOT_COORDINATOR},
        /* Of a transaction's records and markers: the client is told what is wrong with it. */
        {WEIR_INVALID_TXN_STATE, WEIR_INVALID_TXN_STATE},
        {WEIR_INVALID_PRODUCER_EPOCH, WEIR_INVALID_PRODUCER_EPOCH},
        {WEIR_TRANSACTION_COORDINATOR_FENCED, WEIR_TRANSACTION_COORDINATOR_FENCED},
    };
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(rows); i++) {
        if (rows[i].from == append_status)
            return rows[i].to;
    }
    /* MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, NO_MEMORY and what nobody expects */
    return WEIR_UNKNOWN_SERVER_ERROR;
}
