/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Turns the records of a step into batches and appends them.
 *
 * W1  an atomic step is one batch; when that is above max.message.bytes nothing is appended.
 * W2  the machine replays exactly what is in the log, with the offsets it got there.
 * W3  batches look as Apache Kafka's coordinator writes them: magic 2, CreateTime, no producer
 *     (id and epoch -1) unless they are part of a transaction, base sequence 0 in either case (-1
 * in
 *     __transaction_state).
 */

#include "coordinator_int.h"

#include "weir/base/assert.h"
#include "weir/record/batch_builder.h"

static enum weir_status replay_appended(struct weir_shard *shard, const struct weir_step *step,
                                        const struct weir_step_record *record, int32_t count,
                                        int64_t base_offset, struct weir_detail *detail)
{
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    for (int32_t i = 0; i < count; i++, record = record->next) {
        if (!record->must_replay)
            continue;
        struct weir_replayed replayed = {.offset = base_offset + i,
                                         .producer_id = step->txn.producer_id,
                                         .producer_epoch = step->txn.producer_epoch,
                                         .key = record->key,
                                         .value = record->value};
        enum weir_status status = options->ops->replay(shard->machine, &replayed, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

static bool is_in_txn(const struct weir_step *step)
{
    return step->txn.producer_id >= 0;
}

static struct weir_record_data record_data(const struct weir_step *step,
                                           const struct weir_step_record *record)
{
    return (struct weir_record_data){
        .timestamp = step->wall_ms, .key = record->key, .value = record->value};
}

/* Builds a batch of as many records from `record` on as fit (all, when the step is atomic). */
static enum weir_status build_batch(struct weir_shard *shard, const struct weir_step *step,
                                    const struct weir_step_record *record, size_t bytes_max,
                                    int32_t *out_count)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.base_sequence = shard->coordinator->options.base_sequence; /* W3 */
    options.producer_id = step->txn.producer_id;
    options.producer_epoch = step->txn.producer_epoch;
    options.is_transactional = is_in_txn(step);
    weir_buf_clear(&shard->batch);
    struct weir_batch_builder *builder;
    enum weir_status status = weir_batch_builder_new(&options, &shard->batch, &builder);
    if (status != WEIR_OK)
        return status;
    int32_t count = 0;
    for (; record != NULL; record = record->next) {
        struct weir_record_data data = record_data(step, record);
        if (!step->is_atomic && count > 0 &&
            weir_batch_builder_bytes(builder) + weir_record_bytes_bound(&data) > bytes_max)
            break;
        weir_batch_builder_add(builder, &data);
        count++;
    }
    status = weir_batch_builder_finish(builder);
    weir_batch_builder_free(builder);
    if (status == WEIR_OK && shard->batch.size > bytes_max)
        status = WEIR_RECORD_LIST_TOO_LARGE; /* W1 */
    if (status == WEIR_OK)
        *out_count = count;
    return status;
}

void shard_set_written(struct weir_shard *shard, const struct weir_log_appended *appended)
{
    shard->written_end = appended->last_offset + 1;
    if (appended->high_watermark > shard->high_watermark)
        shard->high_watermark = appended->high_watermark;
}

/* One batch; *inout_record goes to the first record that is not in it. */
static enum weir_status append_batch(struct weir_shard *shard, struct weir_step *step,
                                     struct weir_step_record **inout_record,
                                     struct weir_detail *detail)
{
    const struct weir_coordinator_options *options = &shard->coordinator->options;
    int32_t bytes_max = options->port->batch_bytes_max(options->port_context, shard->partition);
    struct weir_step_record *first = *inout_record;
    int32_t count = 0;
    enum weir_status status =
        build_batch(shard, step, first, bytes_max > 0 ? (size_t)bytes_max : 0, &count);
    if (status != WEIR_OK)
        return status;
    struct weir_log_appended appended;
    status = is_in_txn(step)
                 ? options->port->append_txn(options->port_context, shard->partition,
                                             weir_buf_slice(&shard->batch),
                                             atomic_load(&shard->leader_epoch),
                                             step->txn.verification_guard, &appended, detail)
                 : options->port->append(options->port_context, shard->partition,
                                         weir_buf_slice(&shard->batch),
                                         atomic_load(&shard->leader_epoch), &appended, detail);
    if (status != WEIR_OK)
        return status;
    shard_set_written(shard, &appended);
    status = replay_appended(shard, step, first, count, appended.base_offset, detail);
    if (status != WEIR_OK)
        shard->has_diverged = true; /* it is in the log: only a new load can mend this */
    for (int32_t i = 0; i < count; i++)
        *inout_record = (*inout_record)->next;
    return status;
}

enum weir_status shard_append(struct weir_shard *shard, struct weir_step *step)
{
    enum weir_status status = step->status;
    struct weir_detail detail = {{0}};
    struct weir_step_record *record = step->first_record;
    while (status == WEIR_OK && record != NULL)
        status = append_batch(shard, step, &record, &detail);
    if (status != WEIR_OK)
        WEIR_STEP_WARN(step, "coordinator_append_refused",
                       WEIR_STR("topic", shard->coordinator->options.topic),
                       WEIR_I64("partition", shard->partition),
                       WEIR_STR("status", weir_status_name(status)),
                       WEIR_STR("reason", detail.text));
    step->first_record = NULL;
    step->last_record = NULL;
    step->record_count = 0;
    step->is_atomic = true;
    step->must_replay = true;
    step->txn = (struct weir_step_txn){.producer_id = WEIR_BATCH_NO_PRODUCER_ID,
                                       .producer_epoch = WEIR_BATCH_NO_PRODUCER_EPOCH};
    step->status = WEIR_OK;
    return status;
}
