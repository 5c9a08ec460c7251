/* SPDX-License-Identifier: Apache-2.0 */

/* The operations of share_coordinator.h: each finds its shard and becomes one event there; and the
 * two tasks that come by from time to time. */

#include "state_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/env.h"

#include <stdatomic.h>

#define STATE_TOPIC "__share_group_state"

struct share_job {
    struct weir_task task;
    struct weir_share_coordinator *coordinator;
    int64_t interval_ms;
};

struct weir_share_coordinator {
    struct weir_share_coordinator_options options;
    struct weir_coordinator *shards;
    struct share_job prune;
    struct share_job snapshot_cold;
    atomic_bool is_stopping;
};

struct weir_share_coordinator_config weir_share_coordinator_config_default(void)
{
    return (struct weir_share_coordinator_config){
        .snapshot_update_records_per_snapshot = 500,
        .state_topic_prune_interval_ms = (int64_t)5 * 60 * 1000,
        .cold_partition_snapshot_interval_ms = (int64_t)5 * 60 * 1000,
        .write_timeout_ms = 5000,
        .load_buffer_bytes = 5242880};
}

static void schedule(struct share_job *job)
{
    struct weir_share_coordinator *coordinator = job->coordinator;
    weir_task_pool_submit_at(coordinator->options.pool, &job->task,
                             weir_env_monotonic_ms(coordinator->options.env) + job->interval_ms);
}

/* ---- Jobs ---- */

struct prune_event {
    struct weir_shard_event event;
    int32_t partition;
    int64_t offset;
};

static void apply_prune(struct weir_shard_event *event, void *context, struct weir_step *step)
{
    struct prune_event *prune = WEIR_CONTAINER_OF(event, struct prune_event, event);
    struct share_machine *machine = context;
    (void)step;
    int64_t offset = state_redundant_offset(machine);
    if (offset == machine->pruned_offset)
        return;
    prune->partition = machine->partition;
    prune->offset = offset;
}

static void apply_pruned(struct weir_shard_event *event, void *context, struct weir_step *step)
{
    (void)step;
    ((struct share_machine *)context)->pruned_offset =
        WEIR_CONTAINER_OF(event, struct prune_event, event)->offset;
}

static void prune_shard(struct weir_share_coordinator *coordinator, struct weir_shard *shard)
{
    const struct weir_share_coordinator_options *options = &coordinator->options;
    struct prune_event prune = {.event.apply = apply_prune, .offset = -1};
    if (weir_shard_run(shard, &prune.event) != WEIR_OK || prune.offset < 0)
        return;
    enum weir_status status = options->state_port->delete_records(options->state_port_context,
                                                                  prune.partition, prune.offset);
    if (status != WEIR_OK) {
        WEIR_LOG_WARN(options->log, "share_state_not_pruned", WEIR_STR("topic", STATE_TOPIC),
                      WEIR_I64("partition", prune.partition), WEIR_I64("offset", prune.offset),
                      WEIR_STR("status", weir_status_name(status)),
                      WEIR_STR("next", "the next round tries again"));
        return;
    }
    prune.event.apply = apply_pruned;
    if (weir_shard_run(shard, &prune.event) != WEIR_OK)
        return; /* it went away: whoever leads now prunes again */
}

static void run_prune(struct weir_task *task)
{
    struct share_job *job = WEIR_CONTAINER_OF(task, struct share_job, task);
    struct weir_share_coordinator *coordinator = job->coordinator;
    int32_t count = weir_coordinator_partition_count(coordinator->shards);
    for (int32_t i = 0; i < count && !atomic_load(&coordinator->is_stopping); i++) {
        struct weir_shard *shard = weir_coordinator_find(coordinator->shards, i);
        if (shard != NULL)
            prune_shard(coordinator, shard);
        weir_shard_unref(shard);
    }
    if (!atomic_load(&coordinator->is_stopping))
        schedule(job);
}

static void apply_snapshot_cold(struct weir_shard_event *event, void *machine,
                                struct weir_step *step)
{
    (void)event;
    state_snapshot_cold(machine, step);
}

static void run_snapshot_cold(struct weir_task *task)
{
    struct share_job *job = WEIR_CONTAINER_OF(task, struct share_job, task);
    struct weir_share_coordinator *coordinator = job->coordinator;
    struct weir_shard_event event = {.apply = apply_snapshot_cold};
    enum weir_status status = weir_coordinator_run_all(coordinator->shards, &event, false);
    if (status != WEIR_OK)
        WEIR_LOG_WARN(coordinator->options.log, "share_state_not_snapshotted",
                      WEIR_STR("status", weir_status_name(status)),
                      WEIR_STR("next", "the next round tries again"));
    if (!atomic_load(&coordinator->is_stopping))
        schedule(job);
}

/* ---- Life ---- */

enum weir_status weir_share_coordinator_new(const struct weir_share_coordinator_options *options,
                                            struct weir_share_coordinator **out)
{
    struct weir_share_coordinator *coordinator = weir_calloc(1, sizeof(*coordinator));
    if (coordinator == NULL)
        return WEIR_NO_MEMORY;
    coordinator->options = *options;
    struct weir_coordinator_options shards = {.env = options->env,
                                              .pool = options->pool,
                                              .log = options->log,
                                              .topic = STATE_TOPIC,
                                              .port = options->log_port,
                                              .port_context = options->log_port_context,
                                              .ops = &share_machine_ops,
                                              .machine_context = &coordinator->options.config,
                                              .commit_timeout_ms = options->config.write_timeout_ms,
                                              .load_buffer_bytes =
                                                  options->config.load_buffer_bytes};
    enum weir_status status = weir_coordinator_new(&shards, &coordinator->shards);
    if (status != WEIR_OK) {
        weir_free(coordinator);
        return status;
    }
    coordinator->prune =
        (struct share_job){.task.run = run_prune,
                           .coordinator = coordinator,
                           .interval_ms = options->config.state_topic_prune_interval_ms};
    coordinator->snapshot_cold =
        (struct share_job){.task.run = run_snapshot_cold,
                           .coordinator = coordinator,
                           .interval_ms = options->config.cold_partition_snapshot_interval_ms};
    schedule(&coordinator->prune);
    schedule(&coordinator->snapshot_cold);
    *out = coordinator;
    return WEIR_OK;
}

void weir_share_coordinator_stop(struct weir_share_coordinator *coordinator)
{
    atomic_store(&coordinator->is_stopping, true);
    /* A job that runs now sees is_stopping at its end, or has submitted itself before: the pool
     * does not run tasks whose time has not come when it is freed. */
    (void)weir_task_pool_cancel(coordinator->options.pool, &coordinator->prune.task);
    (void)weir_task_pool_cancel(coordinator->options.pool, &coordinator->snapshot_cold.task);
    weir_coordinator_stop(coordinator->shards);
}

void weir_share_coordinator_free(struct weir_share_coordinator *coordinator)
{
    if (coordinator == NULL)
        return;
    weir_coordinator_free(coordinator->shards);
    weir_free(coordinator);
}

struct weir_coordinator *weir_share_coordinator_shards(struct weir_share_coordinator *coordinator)
{
    return coordinator->shards;
}

/* ---- Operations ---- */

static void run_done(struct weir_completion *completion)
{
    struct weir_share_state_op *op =
        WEIR_CONTAINER_OF(completion, struct weir_share_state_op, completion);
    op->done(op);
}

void weir_share_state_op_free(struct weir_share_state_op *op)
{
    weir_arena_done(&op->arena);
}

enum state_request_kind { STATE_INITIALIZE, STATE_READ, STATE_WRITE, STATE_DELETE, STATE_SUMMARY };

struct state_event {
    struct weir_shard_event event;
    enum state_request_kind kind;
    const struct weir_share_key *key;
    int32_t topic_partitions;
    int32_t epoch; /* of the state, or of the leader */
    int64_t start_offset;
    const struct weir_share_state_write *write;
    struct weir_share_state_op *op;
};

static void apply_state(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    struct state_event *it = WEIR_CONTAINER_OF(event, struct state_event, event);
    switch (it->kind) {
    case STATE_INITIALIZE:
        state_initialize(machine, it->key, it->topic_partitions, it->epoch, it->start_offset,
                         it->op, step);
        break;
    case STATE_READ:
        state_read(machine, it->key, it->topic_partitions, it->epoch, it->op, step);
        break;
    case STATE_WRITE:
        state_write(machine, it->key, it->topic_partitions, it->write, it->op, step);
        break;
    case STATE_DELETE:
        state_delete(machine, it->key, it->topic_partitions, it->op, step);
        break;
    case STATE_SUMMARY:
        state_summary(machine, it->key, it->topic_partitions, it->op, step);
        break;
    }
}

/* OK: the op is or will be completed by the shard. */
static enum weir_status run_in_shard(struct weir_share_coordinator *coordinator,
                                     struct state_event *event)
{
    struct weir_slice text = share_key_text(&event->op->arena, event->key);
    if (weir_slice_is_null(text))
        return WEIR_UNKNOWN_SERVER_ERROR;
    int32_t partition = weir_coordinator_partition_of(coordinator->shards, text);
    struct weir_shard *shard = weir_coordinator_find(coordinator->shards, partition);
    if (shard == NULL)
        return WEIR_NOT_COORDINATOR;
    enum weir_status status = weir_shard_run(shard, &event->event);
    weir_shard_unref(shard);
    return status;
}

static void run_event(struct weir_share_coordinator *coordinator, struct state_event *event)
{
    const struct weir_share_coordinator_options *options = &coordinator->options;
    struct weir_share_state_op *op = event->op;
    weir_arena_init(&op->arena, 0);
    op->status = WEIR_OK;
    op->message = NULL;
    op->completion.run = run_done;
    event->event.apply = apply_state;
    event->topic_partitions =
        options->state_port->partition_count(options->state_port_context, event->key->topic_id);
    enum weir_status status = run_in_shard(coordinator, event);
    if (status == WEIR_OK)
        return;
    op->status = status;
    op->done(op);
}

void weir_share_state_initialize(struct weir_share_coordinator *coordinator,
                                 const struct weir_share_key *key, int32_t state_epoch,
                                 int64_t start_offset, struct weir_share_state_op *op)
{
    struct state_event event = {.kind = STATE_INITIALIZE,
                                .key = key,
                                .epoch = state_epoch,
                                .start_offset = start_offset,
                                .op = op};
    run_event(coordinator, &event);
}

void weir_share_state_read(struct weir_share_coordinator *coordinator,
                           const struct weir_share_key *key, int32_t leader_epoch,
                           struct weir_share_state_op *op)
{
    struct state_event event = {.kind = STATE_READ, .key = key, .epoch = leader_epoch, .op = op};
    run_event(coordinator, &event);
}

void weir_share_state_write(struct weir_share_coordinator *coordinator,
                            const struct weir_share_key *key,
                            const struct weir_share_state_write *write,
                            struct weir_share_state_op *op)
{
    struct state_event event = {.kind = STATE_WRITE, .key = key, .write = write, .op = op};
    run_event(coordinator, &event);
}

void weir_share_state_delete(struct weir_share_coordinator *coordinator,
                             const struct weir_share_key *key, struct weir_share_state_op *op)
{
    struct state_event event = {.kind = STATE_DELETE, .key = key, .op = op};
    run_event(coordinator, &event);
}

void weir_share_state_summary(struct weir_share_coordinator *coordinator,
                              const struct weir_share_key *key, struct weir_share_state_op *op)
{
    struct state_event event = {.kind = STATE_SUMMARY, .key = key, .op = op};
    run_event(coordinator, &event);
}

/* ---- Topics ---- */

struct forget_event {
    struct weir_shard_event event;
    const struct weir_uuid *topic_ids;
    size_t count;
};

static void apply_forget(struct weir_shard_event *event, void *machine, struct weir_step *step)
{
    const struct forget_event *forget = WEIR_CONTAINER_OF(event, struct forget_event, event);
    state_forget_topics(machine, forget->topic_ids, forget->count, step);
}

void weir_share_topics_deleted(struct weir_share_coordinator *coordinator,
                               const struct weir_uuid *topic_ids, size_t count)
{
    struct forget_event forget = {
        .event.apply = apply_forget, .topic_ids = topic_ids, .count = count};
    enum weir_status status = weir_coordinator_run_all(coordinator->shards, &forget.event, false);
    if (status != WEIR_OK)
        WEIR_LOG_WARN(coordinator->options.log, "share_state_of_deleted_topics_kept",
                      WEIR_STR("status", weir_status_name(status)),
                      WEIR_STR("next", "it takes room, and nobody reads it"));
}
