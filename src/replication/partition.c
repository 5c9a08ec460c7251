/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/replication/partition.h"

#include "partition_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#include <stdatomic.h>

struct weir_partition {
    _Atomic uint32_t refs;
    const struct weir_partition_world *world;
    struct weir_uuid topic_id;
    int32_t index;
    size_t topic_size;

    struct weir_lock lock; /* guards what follows, and orders appends against role changes */
    struct weir_partition_log *log; /* another one after a move; NULL: its directory is offline */
    bool is_leader;
    bool is_retired;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    int32_t replica_count;
    int32_t insync_count;
    bool is_alone_in_sync; /* the in-sync set is this broker and nobody else */
    int32_t min_insync_replicas;
    struct weir_list waiters;
    /* Work for task threads; each holds a reference while it is scheduled. */
    struct weir_task roll_task;
    bool is_roll_scheduled;
    struct weir_flush_job flush_job;
    bool is_flush_scheduled;
    enum weir_status flush_status; /* of the last one */

    char topic[]; /* not terminated */
};

static void run_roll(struct weir_task *task);
static void run_flush(struct weir_flush_job *job);

enum weir_status weir_partition_new(const struct weir_partition_world *world,
                                    const struct weir_image_topic *topic, int32_t index,
                                    struct weir_partition_log *take_log,
                                    struct weir_partition **out)
{
    struct weir_partition *partition = weir_calloc(1, sizeof(*partition) + topic->name.size);
    if (partition == NULL) {
        weir_partition_log_unref(take_log);
        return WEIR_NO_MEMORY;
    }
    atomic_init(&partition->refs, 1);
    partition->world = world;
    partition->roll_task.run = run_roll;
    partition->flush_job.run = run_flush;
    partition->topic_id = topic->id;
    partition->index = index;
    partition->topic_size = topic->name.size;
    memcpy(partition->topic, topic->name.data, topic->name.size);
    partition->log = take_log;
    weir_lock_init(&partition->lock, WEIR_LOCK_RANK_PARTITION);
    partition->leader = WEIR_NO_LEADER;
    partition->leader_epoch = -1;
    partition->partition_epoch = -1;
    partition->min_insync_replicas = 1;
    weir_list_init(&partition->waiters);
    *out = partition;
    return WEIR_OK;
}

struct weir_partition *weir_partition_ref(struct weir_partition *partition)
{
    atomic_fetch_add_explicit(&partition->refs, 1, memory_order_relaxed);
    return partition;
}

void weir_partition_unref(struct weir_partition *partition)
{
    if (partition == NULL)
        return;
    /* Release so that this thread's writes are seen by the one that frees; acquire so that the
     * freeing one sees all. */
    if (atomic_fetch_sub_explicit(&partition->refs, 1, memory_order_acq_rel) != 1)
        return;
    WEIR_ASSERT(weir_list_is_empty(&partition->waiters));
    weir_partition_log_unref(partition->log);
    weir_lock_done(&partition->lock);
    weir_free(partition);
}

struct weir_slice weir_partition_topic(const struct weir_partition *partition)
{
    return weir_slice_of(partition->topic, partition->topic_size);
}

struct weir_uuid weir_partition_topic_id(const struct weir_partition *partition)
{
    return partition->topic_id;
}

int32_t weir_partition_index(const struct weir_partition *partition)
{
    return partition->index;
}

void weir_partition_role(struct weir_partition *partition, struct weir_partition_role *out)
{
    weir_lock_take(&partition->lock);
    *out = (struct weir_partition_role){.is_leader = partition->is_leader,
                                        .leader = partition->leader,
                                        .leader_epoch = partition->leader_epoch,
                                        .partition_epoch = partition->partition_epoch};
    weir_lock_release(&partition->lock);
}

static enum weir_status check_leader(const struct weir_partition *partition,
                                     int32_t current_leader_epoch)
{
    /* Whatever the metadata says by now of who leads. */
    if (!partition->is_retired &&
        (partition->log == NULL || weir_partition_log_has_failed(partition->log)))
        return WEIR_KAFKA_STORAGE_ERROR;
    if (current_leader_epoch != -1) {
        if (current_leader_epoch < partition->leader_epoch)
            return WEIR_FENCED_LEADER_EPOCH;
        if (current_leader_epoch > partition->leader_epoch)
            return WEIR_UNKNOWN_LEADER_EPOCH;
    }
    return partition->is_retired || !partition->is_leader ? WEIR_NOT_LEADER_OR_FOLLOWER : WEIR_OK;
}

enum weir_status weir_partition_leader_log(struct weir_partition *partition,
                                           int32_t current_leader_epoch,
                                           struct weir_partition_log **out_log)
{
    weir_lock_take(&partition->lock);
    enum weir_status status = check_leader(partition, current_leader_epoch);
    if (status == WEIR_OK)
        *out_log = weir_partition_log_ref(partition->log);
    weir_lock_release(&partition->lock);
    return status;
}

struct weir_partition_log *weir_partition_log_now(struct weir_partition *partition)
{
    weir_lock_take(&partition->lock);
    struct weir_partition_log *log =
        partition->log == NULL ? NULL : weir_partition_log_ref(partition->log);
    weir_lock_release(&partition->lock);
    return log;
}

enum weir_status
weir_partition_exchange_log(struct weir_partition *partition,
                            enum weir_status (*exchange)(void *context, struct weir_detail *detail),
                            void *context, struct weir_partition_log *next,
                            struct weir_detail *detail)
{
    struct weir_partition_log *before = NULL;
    weir_lock_take(&partition->lock);
    enum weir_status status =
        partition->is_retired || partition->log == NULL ? WEIR_NOT_FOUND : WEIR_OK;
    if (status == WEIR_OK)
        status = exchange(context, detail);
    if (status == WEIR_OK) {
        before = partition->log;
        partition->log = weir_partition_log_ref(next);
    }
    weir_lock_release(&partition->lock);
    weir_partition_log_unref(before);
    return status;
}

/* ---- Waiting ---- */

void weir_partition_wait(struct weir_partition *partition, struct weir_partition_waiter *waiter)
{
    weir_lock_take(&partition->lock);
    if (!weir_list_is_linked(&waiter->node))
        weir_list_push_back(&partition->waiters, &waiter->node);
    weir_lock_release(&partition->lock);
}

void weir_partition_wait_cancel(struct weir_partition *partition,
                                struct weir_partition_waiter *waiter)
{
    weir_lock_take(&partition->lock);
    weir_list_remove(&waiter->node);
    weir_lock_release(&partition->lock);
}

static void wake_all(struct weir_partition *partition)
{
    WEIR_LIST_FOREACH(node, &partition->waiters) {
        struct weir_partition_waiter *waiter =
            WEIR_LIST_ENTRY(node, struct weir_partition_waiter, node);
        waiter->wake(waiter);
    }
}

/* ---- Role ---- */

/* min.insync.replicas cannot ask for more replicas than there are (as Apache Kafka has it since
 * KIP-966). */
static bool has_enough_in_sync(const struct weir_partition *partition)
{
    int32_t needed = partition->min_insync_replicas < partition->replica_count
                         ? partition->min_insync_replicas
                         : partition->replica_count;
    return partition->insync_count >= needed;
}

/* R2.  With other replicas in sync the high watermark follows their fetches, which is the follower
 * side's business. */
static void advance_high_watermark(struct weir_partition *partition)
{
    if (!partition->is_leader || !partition->is_alone_in_sync || !has_enough_in_sync(partition))
        return;
    if (weir_partition_log_set_high_watermark(partition->log,
                                              weir_partition_log_end_offset(partition->log)))
        wake_all(partition);
}

enum weir_role_change weir_partition_apply(struct weir_partition *partition,
                                           const struct weir_image_partition *image,
                                           int32_t *out_old_epoch)
{
    enum weir_role_change change = WEIR_ROLE_SAME;
    weir_lock_take(&partition->lock);
    *out_old_epoch = partition->leader_epoch;
    if (image->partition_epoch < partition->partition_epoch) {
        weir_lock_release(&partition->lock);
        return change;
    }
    bool was_leader = partition->is_leader;
    bool is_new_epoch = image->leader_epoch > partition->leader_epoch;
    partition->leader = image->leader;
    partition->leader_epoch = image->leader_epoch;
    partition->partition_epoch = image->partition_epoch;
    partition->replica_count = (int32_t)image->replicas.count;
    partition->insync_count = (int32_t)image->isr.count;
    partition->is_alone_in_sync =
        image->isr.count == 1 && image->isr.items[0] == partition->world->broker_id;
    partition->is_leader = image->leader == partition->world->broker_id && partition->log != NULL;
    if (partition->is_leader && (!was_leader || is_new_epoch)) {
        if (weir_partition_log_assign_leader_epoch(partition->log, image->leader_epoch) != WEIR_OK)
            partition->is_leader =
                false; /* a failed log leads nothing; its directory's failure is reported there */
        else
            change = WEIR_ROLE_BECAME_LEADER;
    }
    if (was_leader && !partition->is_leader)
        change = WEIR_ROLE_RESIGNED;
    advance_high_watermark(partition);
    if (change != WEIR_ROLE_SAME)
        wake_all(partition);
    weir_lock_release(&partition->lock);
    return change;
}

void weir_partition_set_min_insync(struct weir_partition *partition, int32_t min_insync_replicas)
{
    weir_lock_take(&partition->lock);
    partition->min_insync_replicas = min_insync_replicas;
    advance_high_watermark(partition);
    weir_lock_release(&partition->lock);
}

void weir_partition_set_log_config(struct weir_partition *partition,
                                   const struct weir_log_config *config)
{
    weir_lock_take(&partition->lock);
    if (partition->log != NULL)
        weir_partition_log_set_config(partition->log, config);
    weir_lock_release(&partition->lock);
}

void weir_partition_retire(struct weir_partition *partition)
{
    weir_lock_take(&partition->lock);
    partition->is_retired = true;
    partition->is_leader = false;
    partition->leader = WEIR_NO_LEADER;
    wake_all(partition);
    weir_lock_release(&partition->lock);
}

/* ---- Append ---- */

static void set_appended(struct weir_partition *partition,
                         const struct weir_log_append_result *result,
                         struct weir_partition_appended *out)
{
    *out = (struct weir_partition_appended){
        .base_offset = result->base_offset,
        .last_offset = result->last_offset,
        .log_append_time_ms = result->log_append_time_ms,
        .log_start_offset = result->log_start_offset,
        .high_watermark = weir_partition_log_high_watermark(partition->log),
        .is_flush_due = result->is_flush_due,
    };
}

/* The lock is held. */
static void schedule_flush(struct weir_partition *partition)
{
    if (partition->is_flush_scheduled)
        return; /* it goes on while something waits for it */
    partition->is_flush_scheduled = true;
    weir_partition_ref(partition);
    weir_flusher_submit(partition->world->flusher, &partition->flush_job);
}

static void schedule_roll(struct weir_partition *partition)
{
    if (partition->is_roll_scheduled)
        return;
    partition->is_roll_scheduled = true;
    weir_partition_ref(partition);
    weir_task_pool_submit(partition->world->pool, &partition->roll_task);
}

/* The lock is held. */
static void on_appended(struct weir_partition *partition,
                        const struct weir_log_append_result *result,
                        struct weir_partition_appended *out)
{
    if (result->is_flush_due)
        schedule_flush(partition);
    if (result->is_roll_due)
        schedule_roll(partition);
    advance_high_watermark(partition);
    set_appended(partition, result, out);
}

static enum weir_status append_locked(struct weir_partition *partition,
                                      const struct weir_checked_batch *batch,
                                      enum weir_append_origin origin, uint64_t guard,
                                      struct weir_partition_appended *out,
                                      struct weir_detail *detail)
{
    /* Nobody waits with the partition's lock held: a producer's batch is refused and comes again on
     * a task thread, a coordinator's goes into the full segment. */
    struct weir_log_append_options options = {
        .origin = origin,
        .leader_epoch = partition->leader_epoch,
        .verification_guard = guard,
        .is_verified = guard == WEIR_GUARD_OFF,
        .roll = origin == WEIR_APPEND_CLIENT ? WEIR_LOG_ROLL_REFUSE : WEIR_LOG_ROLL_LATER};
    struct weir_log_append_result result;
    enum weir_status status =
        weir_partition_log_append(partition->log, batch, &options, &result, detail);
    if (status == WEIR_OK)
        on_appended(partition, &result, out);
    return status;
}

static void fill_check_options(const struct weir_partition *partition,
                               const struct weir_log_config *config,
                               struct weir_produce_check_options *out)
{
    int32_t level = WEIR_CODEC_LEVEL_DEFAULT;
    if (config->codec == WEIR_CODEC_GZIP)
        level = config->gzip_level;
    else if (config->codec == WEIR_CODEC_LZ4)
        level = config->lz4_level;
    else if (config->codec == WEIR_CODEC_ZSTD)
        level = config->zstd_level;
    *out = (struct weir_produce_check_options){
        .topic = weir_partition_topic(partition),
        .partition = partition->index,
        .is_compacted = config->cleanup_compact,
        .log_append_time = config->log_append_time,
        .keep_codec = config->keep_codec,
        .codec = config->codec,
        .level = level,
        .timestamp_before_max_ms = config->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = config->message_timestamp_after_max_ms,
        .batch_bytes_max = config->message_bytes_max,
        .segment_bytes_max = config->segment_bytes,
        .now_ms = weir_env_wall_ms(partition->world->env),
    };
}

/* Apache Kafka says the log start offset with most refusals, but not with these. */
static int64_t refused_log_start(struct weir_partition_log *log, enum weir_status status)
{
    if (log == NULL || status == WEIR_NOT_LEADER_OR_FOLLOWER || status == WEIR_MESSAGE_TOO_LARGE ||
        status == WEIR_RECORD_LIST_TOO_LARGE || status == WEIR_CORRUPT_MESSAGE ||
        status == WEIR_KAFKA_STORAGE_ERROR || status == WEIR_NO_SPACE || status == WEIR_IO_ERROR)
        return -1;
    return weir_partition_log_start_offset(log);
}

static enum weir_status check_produce(struct weir_partition *partition, int16_t acks)
{
    weir_lock_take(&partition->lock);
    enum weir_status status = check_leader(partition, -1);
    if (status == WEIR_OK && acks == -1 && !has_enough_in_sync(partition))
        status = WEIR_NOT_ENOUGH_REPLICAS;
    weir_lock_release(&partition->lock);
    return status;
}

enum weir_status weir_partition_produce(struct weir_partition *partition,
                                        const struct weir_batch *batch,
                                        const struct weir_produce_terms *terms,
                                        struct weir_partition_appended *out,
                                        struct weir_produce_errors *errors)
{
    struct weir_checked_batch checked = {0};
    struct weir_produce_check_options options;
    struct weir_log_config config;
    struct weir_partition_log *log = weir_partition_log_now(partition);
    *errors = (struct weir_produce_errors){.count = 0};
    *out = (struct weir_partition_appended){
        .base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1};
    enum weir_status status = check_produce(partition, terms->acks);
    if (status == WEIR_OK) {
        weir_partition_log_config(log, &config);
        fill_check_options(partition, &config, &options);
        status = weir_produce_check(batch, &options, &checked, errors);
    }
    if (status == WEIR_OK) {
        weir_lock_take(&partition->lock);
        status = check_leader(partition,
                              -1); /* the role may have changed while the records were checked */
        if (status == WEIR_OK)
            status = append_locked(partition, &checked, WEIR_APPEND_CLIENT,
                                   terms->verification_guard, out, &errors->message);
        weir_lock_release(&partition->lock);
        if (status != WEIR_NO_SPACE)
            errors->message.text[0] = '\0'; /* the code says it all */
    }
    if (status != WEIR_OK)
        out->log_start_offset = refused_log_start(log, status);
    weir_checked_batch_done(&checked);
    weir_partition_log_unref(log);
    return status;
}

/* The lock is held.  May this broker's own batch, made in this leader epoch (-1: any), be appended?
 */
static enum weir_status check_own(struct weir_partition *partition, int32_t leader_epoch)
{
    enum weir_status status = check_leader(partition, -1);
    if (status == WEIR_OK && leader_epoch != -1 && leader_epoch != partition->leader_epoch)
        status = WEIR_NOT_LEADER_OR_FOLLOWER;
    if (status == WEIR_OK && !has_enough_in_sync(partition))
        status = WEIR_NOT_ENOUGH_REPLICAS;
    return status;
}

/* 2 GiB behind a segment that was to be sealed: the disk has no space for another. */
static enum weir_status own_status(enum weir_status status)
{
    return status == WEIR_WOULD_BLOCK ? WEIR_NO_SPACE : status;
}

enum weir_status weir_partition_append_own_txn(struct weir_partition *partition,
                                               struct weir_slice batch_bytes, int32_t leader_epoch,
                                               uint64_t verification_guard,
                                               struct weir_partition_appended *out,
                                               struct weir_detail *detail)
{
    struct weir_checked_batch checked = {0};
    enum weir_status status = weir_checked_batch_from_own(batch_bytes, &checked, detail);
    if (status != WEIR_OK)
        return status;
    weir_lock_take(&partition->lock);
    status = check_own(partition, leader_epoch);
    if (status == WEIR_OK)
        status = append_locked(partition, &checked, WEIR_APPEND_COORDINATOR, verification_guard,
                               out, detail);
    weir_lock_release(&partition->lock);
    weir_checked_batch_done(&checked);
    return own_status(status);
}

enum weir_status weir_partition_append_own(struct weir_partition *partition,
                                           struct weir_slice batch_bytes, int32_t leader_epoch,
                                           struct weir_partition_appended *out,
                                           struct weir_detail *detail)
{
    return weir_partition_append_own_txn(partition, batch_bytes, leader_epoch, WEIR_GUARD_NONE, out,
                                         detail);
}

enum weir_status weir_partition_append_marker(struct weir_partition *partition,
                                              const struct weir_partition_marker *marker,
                                              struct weir_partition_appended *out,
                                              struct weir_detail *detail)
{
    struct weir_log_append_result result;
    weir_lock_take(&partition->lock);
    enum weir_status status = check_own(partition, marker->leader_epoch);
    if (status == WEIR_OK) {
        struct weir_log_append_options options = {
            .origin = WEIR_APPEND_COORDINATOR,
            .leader_epoch = partition->leader_epoch,
            .transaction_version = marker->transaction_version,
            .roll = marker->can_wait ? WEIR_LOG_ROLL_REFUSE : WEIR_LOG_ROLL_LATER};
        status = weir_partition_log_append_marker(partition->log, &marker->marker, &options,
                                                  &result, detail);
    }
    if (status == WEIR_OK)
        on_appended(partition, &result, out);
    weir_lock_release(&partition->lock);
    return marker->can_wait ? status : own_status(status);
}

enum weir_status weir_partition_begin_verification(struct weir_partition *partition,
                                                   const struct weir_verification_request *request,
                                                   uint64_t *out_guard)
{
    weir_lock_take(&partition->lock);
    enum weir_status status = check_leader(partition, -1);
    if (status == WEIR_OK)
        status = weir_partition_log_begin_verification(partition->log, request, out_guard);
    weir_lock_release(&partition->lock);
    return status;
}

bool weir_partition_guard_is_current(struct weir_partition *partition, int64_t producer_id,
                                     uint64_t guard)
{
    struct weir_partition_log *log = weir_partition_log_now(partition);
    if (log == NULL)
        return false;
    bool is_current = weir_partition_log_guard_is_current(log, producer_id, guard);
    weir_partition_log_unref(log);
    return is_current;
}

/* ---- On task threads ---- */

/* Calls with the log as it is now, and again when it was closed because the partition has moved to
 * another directory meanwhile. */
static enum weir_status with_log(struct weir_partition *partition,
                                 enum weir_status (*run)(struct weir_partition_log *log,
                                                         struct weir_detail *detail),
                                 struct weir_detail *detail)
{
    struct weir_partition_log *log = weir_partition_log_now(partition);
    enum weir_status status = WEIR_KAFKA_STORAGE_ERROR;
    while (log != NULL) {
        status = run(log, detail);
        struct weir_partition_log *now = weir_partition_log_now(partition);
        bool has_moved = now != log && status == WEIR_CLOSED;
        weir_partition_log_unref(log);
        log = now;
        if (!has_moved)
            break;
    }
    weir_partition_log_unref(log);
    return status;
}

enum weir_status weir_partition_make_room(struct weir_partition *partition,
                                          struct weir_detail *detail)
{
    return with_log(partition, weir_partition_log_make_room, detail);
}

static void run_roll(struct weir_task *task)
{
    struct weir_partition *partition = WEIR_CONTAINER_OF(task, struct weir_partition, roll_task);
    enum weir_status status = weir_partition_make_room(partition, NULL);
    (void)status; /* the next append asks again; a log that failed has said so */
    weir_lock_take(&partition->lock);
    partition->is_roll_scheduled = false;
    weir_lock_release(&partition->lock);
    weir_partition_unref(partition);
}

static enum weir_status flush_all(struct weir_partition_log *log, struct weir_detail *detail)
{
    return weir_partition_log_flush(log, true, detail);
}

/* One flush for all that wait, who are told.  When appends have asked for another meanwhile, it
 * stands in line again behind the other partitions. */
static void run_flush(struct weir_flush_job *job)
{
    struct weir_partition *partition = WEIR_CONTAINER_OF(job, struct weir_partition, flush_job);
    enum weir_status status = with_log(partition, flush_all, NULL);
    weir_lock_take(&partition->lock);
    partition->flush_status = status;
    advance_high_watermark(partition);
    bool again = status == WEIR_OK && weir_partition_log_awaits_flush(partition->log);
    partition->is_flush_scheduled = again;
    wake_all(partition);
    if (again) /* with the reference it has */
        weir_flusher_submit(partition->world->flusher, &partition->flush_job);
    weir_lock_release(&partition->lock);
    if (!again)
        weir_partition_unref(partition);
}

enum weir_status weir_partition_sync_status(struct weir_partition *partition, int64_t last_offset)
{
    enum weir_status status = WEIR_OK;
    weir_lock_take(&partition->lock);
    if (partition->log == NULL || weir_partition_log_has_failed(partition->log))
        status = WEIR_KAFKA_STORAGE_ERROR;
    else if (weir_partition_log_synced_offset(partition->log) > last_offset)
        status = WEIR_OK;
    else if (partition->is_flush_scheduled)
        status = WEIR_PENDING;
    else if (partition->flush_status != WEIR_OK)
        status = WEIR_KAFKA_STORAGE_ERROR;
    weir_lock_release(&partition->lock);
    return status;
}

/* ---- Admin ---- */

static enum weir_status delete_records(struct weir_partition *partition,
                                       struct weir_partition_log *log, int64_t offset,
                                       int64_t *out_low_watermark, struct weir_detail *detail)
{
    struct weir_log_config config;
    weir_partition_log_config(log, &config);
    if (!config.cleanup_delete) {
        weir_detail_set(
            detail,
            "Topic %.*s does not support deletion of records: its cleanup.policy is compact",
            WEIR_SLICE_ARGS(weir_partition_topic(partition)));
        return WEIR_POLICY_VIOLATION;
    }
    if (offset == -1)
        offset = weir_partition_log_high_watermark(log);
    if (offset < 0) {
        weir_detail_set(detail, "The offset %lld for partition %.*s-%d is not valid",
                        (long long)offset, WEIR_SLICE_ARGS(weir_partition_topic(partition)),
                        partition->index);
        return WEIR_OFFSET_OUT_OF_RANGE;
    }
    return weir_partition_log_delete_records(log, offset, out_low_watermark);
}

enum weir_status weir_partition_delete_records(struct weir_partition *partition, int64_t offset,
                                               int64_t *out_low_watermark,
                                               struct weir_detail *detail)
{
    struct weir_partition_log *log;
    enum weir_status status;
    bool has_moved;
    do {
        status = weir_partition_leader_log(partition, -1, &log);
        if (status != WEIR_OK)
            return status;
        status = delete_records(partition, log, offset, out_low_watermark, detail);
        /* Closed by a move to another directory: then the log there is asked. */
        struct weir_partition_log *now = weir_partition_log_now(partition);
        has_moved = status == WEIR_CLOSED && now != log;
        weir_partition_log_unref(now);
        weir_partition_log_unref(log);
    } while (has_moved);
    if (status != WEIR_OK)
        return status;
    weir_lock_take(&partition->lock);
    wake_all(partition);
    weir_lock_release(&partition->lock);
    return WEIR_OK;
}
