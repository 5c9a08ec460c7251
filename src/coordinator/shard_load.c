/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loading: replays the partition's log from its start to its end into a fresh machine, on a task
 * thread.  Until the last record was seen the machine belongs to the task alone; then it is
 * published under the lock, or thrown away when the shard was closed meanwhile.
 */

#include "coordinator_int.h"

#include "weir/base/assert.h"
#include "weir/record/batch.h"

struct load {
    struct weir_shard *shard;
    void *machine;
    int64_t start_offset; /* records before it are skipped */
    int64_t next_offset;
    int64_t record_count;
    int64_t marker_count;
    struct weir_detail detail;
};

static enum weir_status replay_records(struct load *load, const struct weir_batch *batch)
{
    const struct weir_machine_ops *ops = load->shard->coordinator->options.ops;
    struct weir_record_iter *iter;
    enum weir_status status = weir_record_iter_new(batch, NULL, &iter, &load->detail);
    if (status != WEIR_OK)
        return status;
    struct weir_record record;
    while ((status = weir_record_iter_next(iter, &record, &load->detail)) == WEIR_OK) {
        if (record.offset < load->start_offset)
            continue;
        bool is_transactional = weir_batch_is_transactional(batch);
        struct weir_replayed replayed = {
            .offset = record.offset,
            .producer_id = is_transactional ? batch->producer_id : WEIR_BATCH_NO_PRODUCER_ID,
            .producer_epoch = batch->producer_epoch,
            .key = record.key,
            .value = record.value};
        status = ops->replay(load->machine, &replayed, &load->detail);
        if (status != WEIR_OK) {
            weir_detail_prefix(&load->detail, "record at offset %lld", (long long)record.offset);
            break;
        }
        load->record_count++;
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}

static enum weir_status replay_batch(struct load *load, const struct weir_batch *batch)
{
    enum weir_status status = weir_batch_check(batch, &load->detail);
    if (status != WEIR_OK)
        return status;
    if (!weir_batch_is_control(batch))
        return replay_records(load, batch);
    struct weir_txn_marker marker;
    if (batch->record_count == 0 || weir_txn_marker_parse(batch, &marker, &load->detail) != WEIR_OK)
        return WEIR_OK; /* emptied by compaction, or a control record that is not for coordinators
                         */
    load->marker_count++;
    return load->shard->coordinator->options.ops->end_txn(load->machine, marker.producer_id,
                                                          marker.is_commit);
}

/* Replays the whole batches in bytes. */
static enum weir_status replay_bytes(struct load *load, struct weir_slice bytes)
{
    struct weir_batch_iter iter;
    weir_batch_iter_init(&iter, bytes);
    for (;;) {
        struct weir_batch batch;
        enum weir_status status = weir_batch_iter_next(&iter, &batch, &load->detail);
        if (status == WEIR_NOT_FOUND || status == WEIR_TRUNCATED)
            return WEIR_OK; /* the rest comes with the next read */
        if (status == WEIR_OK)
            status = replay_batch(load, &batch);
        if (status != WEIR_OK)
            return status;
        load->next_offset = weir_batch_next_offset(&batch);
    }
}

static bool is_wanted(struct weir_shard *shard)
{
    weir_lock_take(&shard->lock);
    bool is_loading = shard->state == SHARD_LOADING;
    weir_lock_release(&shard->lock);
    return is_loading;
}

static enum weir_status replay_log(struct load *load)
{
    struct weir_shard *shard = load->shard;
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    const struct weir_log_port *port = options->port;
    int64_t high_watermark;
    int64_t end_offset;
    enum weir_status status = port->offsets(options->port_context, shard->partition,
                                            &load->start_offset, &high_watermark, &end_offset);
    load->next_offset = load->start_offset;
    struct weir_buf buf = {0};
    while (status == WEIR_OK && load->next_offset < end_offset && is_wanted(shard)) {
        int64_t before = load->next_offset;
        weir_buf_clear(&buf);
        status = port->read(options->port_context, shard->partition, load->next_offset,
                            options->load_buffer_bytes, &buf, &load->detail);
        if (status == WEIR_OK)
            status = weir_buf_status(&buf);
        if (status == WEIR_OK)
            status = replay_bytes(load, weir_buf_slice(&buf));
        if (status == WEIR_OK && load->next_offset <= before)
            load->next_offset = end_offset; /* compaction left nothing up to the end */
    }
    weir_buf_done(&buf);
    return status;
}

/* Publishes the machine.  The lock is held. */
static void activate(struct weir_shard *shard, struct load *load, struct weir_step *step,
                     void **out_dead_machine)
{
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    shard->machine = load->machine;
    load->machine = NULL;
    shard->written_end = load->next_offset;
    shard->high_watermark = 0;
    if (!shard->is_watching) {
        /* A port that cannot watch still answers: the commit timeout and each append look, too. */
        shard->is_watching =
            options->port->watch(options->port_context, shard->partition, &shard->watch) == WEIR_OK;
    }
    shard_set_state(shard, SHARD_ACTIVE);
    options->ops->loaded(shard->machine, step);
    shard_settle(shard, step);
    shard_end_step(shard, step, out_dead_machine);
}

static void log_result(const struct load *load, enum weir_status status, int64_t started_ms)
{
    const struct weir_coordinator_options *options = &load->shard->coordinator->options;
    if (status != WEIR_OK) {
        WEIR_LOG_ERROR(options->log, "coordinator_load_failed", WEIR_STR("topic", options->topic),
                       WEIR_I64("partition", load->shard->partition),
                       WEIR_STR("status", weir_status_name(status)),
                       WEIR_STR("reason", load->detail.text),
                       WEIR_STR("next", "its keys are answered with NOT_COORDINATOR"));
        return;
    }
    /* Most shards of a small broker are empty, and say so only to those who debug. */
    enum weir_log_level level = load->record_count > 0 ? WEIR_LOG_LEVEL_INFO : WEIR_LOG_LEVEL_DEBUG;
    WEIR_LOG_EVENT(options->log, level, "coordinator_loaded", WEIR_STR("topic", options->topic),
                   WEIR_I64("partition", load->shard->partition),
                   WEIR_I64("leader_epoch", atomic_load(&load->shard->leader_epoch)),
                   WEIR_I64("records", load->record_count), WEIR_I64("markers", load->marker_count),
                   WEIR_I64("took_ms", weir_env_monotonic_ms(options->env) - started_ms));
}

static void run_load(struct weir_task *task)
{
    struct weir_shard *shard = WEIR_CONTAINER_OF(task, struct weir_shard, load_task);
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    int64_t started_ms = weir_env_monotonic_ms(options->env);
    struct load load = {.shard = shard};
    enum weir_status status =
        options->ops->create(options->machine_context, shard->partition, &load.machine);
    if (status == WEIR_OK)
        status = replay_log(&load);
    struct weir_step step;
    shard_step_init(shard, &step);
    void *dead_machine = NULL;
    bool was_wanted = is_wanted(shard);
    if (was_wanted)
        log_result(&load, status, started_ms);
    weir_lock_take(&shard->lock);
    if (shard->state == SHARD_LOADING) {
        if (status == WEIR_OK)
            activate(shard, &load, &step, &dead_machine);
        else
            shard_set_state(shard, SHARD_FAILED);
    }
    weir_lock_release(&shard->lock);
    weir_step_publish(&step, options->log);
    weir_step_done(&step);
    if (load.machine != NULL)
        options->ops->destroy(load.machine);
    coordinator_rearm(shard);
    if (dead_machine != NULL) {
        options->ops->destroy(dead_machine);
        shard_start_load(shard);
    }
    weir_shard_unref(shard);
}

void shard_start_load(struct weir_shard *shard)
{
    weir_shard_ref(shard);
    shard->load_task = (struct weir_task){.run = run_load};
    weir_task_pool_submit(shard->coordinator->options.pool, &shard->load_task);
}
