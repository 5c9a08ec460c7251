/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a share partition comes to life: its state is asked of the coordinator, which fences the
 * leaders before this one; where nothing was consumed yet share.auto.offset.reset says where to
 * begin.  The coordinator may still be loading itself, so it is asked for a while.
 */
#include "slots_int.h"

#include <math.h>
#include <stdlib.h>

#define LOAD_ATTEMPTS_MAX  100
#define LOAD_RETRY_REST_MS 50

static void end_load(struct weir_share_slot *slot, enum weir_status status)
{
    if (status != WEIR_OK)
        slot_drop(slot, status);
    weir_share_slot_unref(slot);
}

/* ---- Where to begin ---- */

/* P[nD][T[nH][nM][n.nS]], which was checked when it was set. */
static int64_t duration_ms(struct weir_slice text)
{
    double ms = 0;
    for (size_t i = 1; i < text.size;) {
        char digits[32];
        size_t count = 0;
        for (;
             i < text.size && ((text.data[i] >= '0' && text.data[i] <= '9') || text.data[i] == '.');
             i++) {
            if (count < sizeof(digits) - 1)
                digits[count++] = (char)text.data[i];
        }
        digits[count] = '\0';
        char unit = '\0';
        if (i < text.size)
            unit = (char)text.data[i++];
        double value = count > 0 ? strtod(digits, NULL) : 0;
        if (unit == 'D' || unit == 'd')
            ms += value * 86400000.0;
        else if (unit == 'H' || unit == 'h')
            ms += value * 3600000.0;
        else if (unit == 'M' || unit == 'm')
            ms += value * 60000.0;
        else if (unit == 'S' || unit == 's')
            ms += value * 1000.0;
    }
    return ms < 9e15 ? (int64_t)floor(ms) : INT64_C(9000000000000000);
}

static enum weir_status offset_by_time(struct weir_share_slot *slot, struct weir_partition_log *log,
                                       struct weir_slice duration, int64_t *out)
{
    struct weir_offset_and_time found;
    struct weir_detail detail = {{0}};
    int64_t from_ms = weir_env_wall_ms(slot->owner->options.env) - duration_ms(duration);
    enum weir_status status =
        weir_partition_log_offset_for_timestamp(log, from_ms < 0 ? 0 : from_ms, &found, &detail);
    if (status == WEIR_NOT_FOUND)
        return WEIR_OFFSET_NOT_AVAILABLE; /* nothing is so young: who asks again may find something */
    if (status == WEIR_OK)
        *out = found.offset;
    return status;
}

static enum weir_status first_offset(struct weir_share_slot *slot, int64_t *out)
{
    static const char by_duration[] = "by_duration:";
    const size_t prefix = sizeof(by_duration) - 1;
    const struct weir_share_partitions_options *options = &slot->owner->options;
    struct weir_partition_log *log;
    enum weir_status status = weir_partition_leader_log(slot->partition, slot->leader_epoch, &log);
    if (status != WEIR_OK)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    const struct weir_image *image = weir_image_ref_current(options->publisher);
    struct weir_config_resolver resolver = {
        .image = image, .statics = options->statics, .broker_id = options->broker_id};
    struct weir_slice reset =
        weir_config_group_str(&resolver, slot->key.group_id, "share.auto.offset.reset");
    if (reset.size > prefix) /* the only long one */
        status =
            offset_by_time(slot, log, weir_slice_of(reset.data + prefix, reset.size - prefix), out);
    else if (weir_slice_is(reset, "earliest"))
        *out = weir_partition_log_start_offset(log);
    else
        *out = weir_partition_log_high_watermark(log);
    weir_image_unref(image);
    weir_partition_log_unref(log);
    return status;
}

static void run_finish(struct weir_task *task)
{
    struct weir_share_slot *slot = WEIR_CONTAINER_OF(task, struct weir_share_slot, load_task);
    const struct weir_share_state_op *read = &slot->read_op;
    struct weir_share_partition *machine = NULL;
    int64_t start_offset = read->start_offset;
    enum weir_status status = WEIR_OK;
    if (start_offset < 0)
        status = first_offset(slot, &start_offset);
    if (status == WEIR_OK)
        status = weir_share_partition_new(read->state_epoch, start_offset, read->batches,
                                          read->batch_count, &machine);
    if (status != WEIR_OK) {
        bool is_expected =
            status == WEIR_NOT_LEADER_OR_FOLLOWER || status == WEIR_OFFSET_NOT_AVAILABLE;
        if (!is_expected)
            WEIR_LOG_WARN(slot->owner->options.log, "share_partition_not_loaded",
                          WEIR_BYTES("group", slot->key.group_id),
                          WEIR_I64("partition", slot->key.partition),
                          WEIR_STR("status", weir_status_name(status)));
        end_load(slot, is_expected ? status : WEIR_UNKNOWN_SERVER_ERROR);
        return;
    }
    weir_lock_take(&slot->lock);
    slot->machine = machine; /* also when it was dropped meanwhile: it is freed with the slot */
    if (slot->state == SLOT_LOADING)
        slot->state = SLOT_READY;
    slot_wake(slot);
    weir_lock_release(&slot->lock);
    weir_share_slot_unref(slot);
}

/* ---- The coordinator ---- */

/* The next step, or the end when it was dropped: under the lock, so that slot_drop either finds the
 * task or is seen here. */
static void submit(struct weir_share_slot *slot, void (*run)(struct weir_task *task),
                   int64_t rest_ms)
{
    struct weir_task_pool *pool = slot->owner->options.pool;
    weir_lock_take(&slot->lock);
    bool is_wanted = slot->state == SLOT_LOADING;
    slot->load_task.run = run;
    if (is_wanted && rest_ms > 0)
        weir_task_pool_submit_at(pool, &slot->load_task,
                                 weir_env_monotonic_ms(slot->owner->options.env) + rest_ms);
    else if (is_wanted)
        weir_task_pool_submit(pool, &slot->load_task);
    weir_lock_release(&slot->lock);
    if (!is_wanted)
        weir_share_slot_unref(slot);
}

static void run_read(struct weir_task *task);

static void on_read(struct weir_share_state_op *op)
{
    struct weir_share_slot *slot = WEIR_CONTAINER_OF(op, struct weir_share_slot, read_op);
    enum weir_status status = slot_status_of_state(op->status);
    if (status == WEIR_OK)
        submit(slot, run_finish, 0);
    else if (status == WEIR_COORDINATOR_NOT_AVAILABLE && ++slot->load_attempts < LOAD_ATTEMPTS_MAX)
        submit(slot, run_read, LOAD_RETRY_REST_MS);
    else
        end_load(slot, status);
}

static void run_read(struct weir_task *task)
{
    struct weir_share_slot *slot = WEIR_CONTAINER_OF(task, struct weir_share_slot, load_task);
    weir_share_state_op_free(&slot->read_op);
    slot->read_op = (struct weir_share_state_op){.done = on_read};
    weir_share_state_read(slot->owner->options.coordinator, &slot->key, slot->leader_epoch,
                          &slot->read_op);
}

void slot_load(struct weir_share_slot *slot)
{
    run_read(&weir_share_slot_ref(slot)->load_task);
}
