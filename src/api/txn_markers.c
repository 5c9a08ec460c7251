/* SPDX-License-Identifier: Apache-2.0 */
/*
 * M1  an item gets its status exactly once, and done is called by whoever gives the last one; the
 *     thread that starts the job holds one count of its own until all items were begun.
 * M2  an item that waits is in the list or in the hands of the one look() that took it out.  Who
 *     moves a high watermark counts wakes up first; a look() that found nothing looks again when
 * the count has changed, so none is missed.
 */
#include "weir/api/txn_markers.h"

#include "weir/base/list.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#include <stdatomic.h>

/* How often waiting markers are looked at even if nothing moves: for their time limit. */
#define LOOK_INTERVAL_MS 500

struct weir_marker_writer {
    struct weir_marker_writer_options options;
    struct weir_task wake_task;
    atomic_bool is_wake_queued;
    atomic_uint wakes;
    struct weir_task timer_task;

    struct weir_lock lock;
    /* under the lock */
    struct weir_list waiting; /* struct marker_item */
    bool is_timer_set;
    bool is_stopping;
};

struct marker_job;

struct marker_item {
    struct marker_job *job;
    struct weir_txn_marker_item *item;
    struct weir_shard_marker shard; /* of __consumer_offsets */
    /* the others, while they wait for room or the high watermark */
    struct weir_partition *partition; /* a reference */
    struct weir_task room_task;
    struct weir_list node;
    struct weir_partition_waiter waiter;
    int64_t last_offset;
    int64_t deadline_ms;
};

struct marker_job {
    struct weir_marker_writer *writer;
    struct weir_txn_markers *markers;
    struct weir_txn_marker marker;
    atomic_size_t left;
    struct marker_item items[];
};

/* ---- Results ---- */

/* What the coordinator of a transaction expects to hear. */
static enum weir_status told(enum weir_status status)
{
    static const struct {
        enum weir_status from;
        enum weir_status to;
    } rows[] = {
        {WEIR_COORDINATOR_LOAD_IN_PROGRESS, WEIR_NOT_LEADER_OR_FOLLOWER},
        {WEIR_COORDINATOR_NOT_AVAILABLE, WEIR_NOT_LEADER_OR_FOLLOWER},
        {WEIR_NOT_COORDINATOR, WEIR_NOT_LEADER_OR_FOLLOWER},
        {WEIR_CLOSED, WEIR_NOT_LEADER_OR_FOLLOWER},
        {WEIR_NO_SPACE, WEIR_KAFKA_STORAGE_ERROR},
        {WEIR_IO_ERROR, WEIR_KAFKA_STORAGE_ERROR},
        {WEIR_NO_MEMORY, WEIR_REQUEST_TIMED_OUT}, /* it may pass */
    };
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(rows); i++) {
        if (rows[i].from == status)
            return rows[i].to;
    }
    return status;
}

static void release_job(struct marker_job *job)
{
    if (atomic_fetch_sub(&job->left, 1) != 1)
        return;
    struct weir_txn_markers *markers = job->markers;
    weir_free(job);
    markers->done(markers);
}

static void end_item(struct marker_item *item, enum weir_status status)
{
    item->item->status = told(status);
    release_job(item->job); /* it may be gone afterwards */
}

/* ---- Waiting for the high watermark ---- */

static enum weir_status wait_status(const struct marker_item *item, int64_t now_ms)
{
    struct weir_partition_log *log;
    enum weir_status status = weir_partition_leader_log(item->partition, -1, &log);
    if (status != WEIR_OK)
        return status;
    bool is_below = weir_partition_log_high_watermark(log) > item->last_offset;
    weir_partition_log_unref(log);
    if (is_below)
        return WEIR_OK;
    return now_ms >= item->deadline_ms ? WEIR_REQUEST_TIMED_OUT : WEIR_PENDING;
}

static void end_wait(struct marker_item *item, enum weir_status status)
{
    weir_partition_wait_cancel(item->partition, &item->waiter);
    weir_partition_unref(item->partition);
    end_item(item, status);
}

static void move_all(struct weir_list *from, struct weir_list *to)
{
    for (struct weir_list *node = weir_list_pop_front(from); node != NULL;
         node = weir_list_pop_front(from))
        weir_list_push_back(to, node);
}

/* Lock held. */
static void set_timer(struct weir_marker_writer *writer)
{
    if (writer->is_timer_set || writer->is_stopping || weir_list_is_empty(&writer->waiting))
        return;
    writer->is_timer_set = true;
    weir_task_pool_submit_at(writer->options.pool, &writer->timer_task,
                             weir_env_monotonic_ms(writer->options.env) + LOOK_INTERVAL_MS);
}

/* Ends those that need not wait any more; the others are in out_left. */
static void look_at(struct weir_marker_writer *writer, struct weir_list *items, bool is_stopping,
                    struct weir_list *out_left)
{
    int64_t now_ms = weir_env_monotonic_ms(writer->options.env);
    for (struct weir_list *node = weir_list_pop_front(items); node != NULL;
         node = weir_list_pop_front(items)) {
        struct marker_item *item = WEIR_LIST_ENTRY(node, struct marker_item, node);
        enum weir_status status = wait_status(item, now_ms);
        if (status == WEIR_PENDING && is_stopping)
            status = WEIR_NOT_LEADER_OR_FOLLOWER;
        if (status == WEIR_PENDING)
            weir_list_push_back(out_left, node);
        else
            end_wait(item, status);
    }
}

static void look(struct weir_marker_writer *writer)
{
    struct weir_list items;
    struct weir_list left;
    bool again;
    weir_list_init(&items);
    weir_list_init(&left);
    do {
        unsigned wakes = atomic_load(&writer->wakes);
        weir_lock_take(&writer->lock);
        move_all(&writer->waiting, &items);
        bool is_stopping = writer->is_stopping;
        weir_lock_release(&writer->lock);
        look_at(writer, &items, is_stopping, &left);
        weir_lock_take(&writer->lock);
        again = !weir_list_is_empty(&left) &&
                (writer->is_stopping || atomic_load(&writer->wakes) != wakes); /* M2 */
        move_all(&left, &writer->waiting);
        set_timer(writer);
        weir_lock_release(&writer->lock);
    } while (again);
}

static void run_wake(struct weir_task *task)
{
    struct weir_marker_writer *writer =
        WEIR_CONTAINER_OF(task, struct weir_marker_writer, wake_task);
    atomic_store(&writer->is_wake_queued, false); /* before looking */
    look(writer);
}

static void run_timer(struct weir_task *task)
{
    struct weir_marker_writer *writer =
        WEIR_CONTAINER_OF(task, struct weir_marker_writer, timer_task);
    weir_lock_take(&writer->lock);
    writer->is_timer_set = false;
    weir_lock_release(&writer->lock);
    look(writer);
}

/* With the partition's lock held. */
static void wake(struct weir_partition_waiter *waiter)
{
    struct marker_item *item = WEIR_CONTAINER_OF(waiter, struct marker_item, waiter);
    struct weir_marker_writer *writer = item->job->writer;
    atomic_fetch_add(&writer->wakes, 1);
    if (!atomic_exchange(&writer->is_wake_queued, true))
        weir_task_pool_submit(writer->options.pool, &writer->wake_task);
}

static void wait_for_watermark(struct marker_item *item, int64_t last_offset)
{
    struct weir_marker_writer *writer = item->job->writer;
    item->last_offset = last_offset;
    item->deadline_ms = weir_env_monotonic_ms(writer->options.env) + writer->options.timeout_ms;
    item->waiter.wake = wake;
    weir_partition_wait(item->partition, &item->waiter);
    weir_lock_take(&writer->lock);
    weir_list_push_back(&writer->waiting, &item->node);
    weir_lock_release(&writer->lock);
    look(writer); /* it may have moved before it was in the list */
}

/* ---- Writing ---- */

static void shard_done(struct weir_shard_marker *marker)
{
    struct marker_item *item = WEIR_CONTAINER_OF(marker, struct marker_item, shard);
    end_item(item, marker->status);
}

static void write_to_group(struct marker_item *item)
{
    struct marker_job *job = item->job;
    struct weir_shard *shard = weir_coordinator_find(
        weir_group_service_coordinator(job->writer->options.groups), item->item->partition);
    if (shard == NULL) {
        end_item(item, WEIR_NOT_COORDINATOR);
        return;
    }
    item->shard.done = shard_done;
    enum weir_status status =
        weir_shard_end_txn(shard, &job->marker, job->markers->transaction_version, &item->shard);
    if (status != WEIR_OK)
        end_item(item, status);
    weir_shard_unref(shard);
}

static void run_room(struct weir_task *task);

/* item->partition is set; it is released when the item has ended. */
static void append_item(struct marker_item *item)
{
    struct marker_job *job = item->job;
    const struct weir_partition_marker marker = {.marker = job->marker,
                                                 .transaction_version =
                                                     job->markers->transaction_version,
                                                 .leader_epoch = -1,
                                                 .can_wait = true};
    struct weir_partition_appended appended;
    enum weir_status status =
        weir_partition_append_marker(item->partition, &marker, &appended, NULL);
    if (status == WEIR_WOULD_BLOCK) {
        item->room_task.run = run_room;
        weir_task_pool_submit(job->writer->options.pool, &item->room_task);
        return;
    }
    if (status == WEIR_OK && appended.high_watermark <= appended.last_offset) {
        wait_for_watermark(item, appended.last_offset);
        return;
    }
    weir_partition_unref(item->partition);
    end_item(item, status);
}

/* The log makes its next segment, then once more. */
static void run_room(struct weir_task *task)
{
    struct marker_item *item = WEIR_CONTAINER_OF(task, struct marker_item, room_task);
    enum weir_status status = weir_partition_make_room(item->partition, NULL);
    if (status == WEIR_OK) {
        append_item(item);
        return;
    }
    weir_partition_unref(item->partition);
    end_item(item, status);
}

static void write_to_partition(struct marker_item *item, struct weir_uuid topic_id)
{
    item->partition =
        weir_replicas_find(item->job->writer->options.replicas, topic_id, item->item->partition);
    if (item->partition == NULL)
        end_item(item, WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    else
        append_item(item);
}

static void write_item(struct marker_item *item, const struct weir_image *image)
{
    const struct weir_image_topic *topic = weir_image_topic(image, item->item->topic);
    int32_t partition = item->item->partition;
    if (topic == NULL || partition < 0 || partition >= topic->partition_count)
        end_item(item, WEIR_NOT_FOUND);
    else if (weir_slice_is(topic->name, "__consumer_offsets"))
        write_to_group(item);
    else
        write_to_partition(item, topic->id);
}

void weir_marker_writer_write(struct weir_marker_writer *writer, struct weir_txn_markers *markers)
{
    struct marker_job *job =
        markers->item_count > SIZE_MAX / sizeof(job->items[0]) - 1
            ? NULL
            : weir_calloc(1, sizeof(*job) + markers->item_count * sizeof(job->items[0]));
    if (job == NULL) {
        for (size_t i = 0; i < markers->item_count; i++)
            markers->items[i].status = told(WEIR_NO_MEMORY);
        markers->done(markers);
        return;
    }
    job->writer = writer;
    job->markers = markers;
    job->marker = (struct weir_txn_marker){.producer_id = markers->producer_id,
                                           .producer_epoch = markers->producer_epoch,
                                           .is_commit = markers->is_commit,
                                           .coordinator_epoch = markers->coordinator_epoch};
    const size_t count = markers->item_count;
    atomic_init(&job->left, count + 1); /* M1 */
    const struct weir_image *image = weir_image_ref_current(writer->options.publisher);
    for (size_t i = 0; i < count; i++) {
        job->items[i].job = job;
        job->items[i].item = &markers->items[i];
        write_item(&job->items[i], image);
    }
    weir_image_unref(image);
    release_job(job);
}

static void port_write(void *context, struct weir_txn_markers *markers)
{
    weir_marker_writer_write(context, markers);
}

const struct weir_txn_marker_port weir_marker_writer_port = {.write = port_write};

/* ---- Life ---- */

enum weir_status weir_marker_writer_new(const struct weir_marker_writer_options *options,
                                        struct weir_marker_writer **out)
{
    struct weir_marker_writer *writer = weir_calloc(1, sizeof(*writer));
    if (writer == NULL)
        return WEIR_NO_MEMORY;
    writer->options = *options;
    writer->wake_task.run = run_wake;
    writer->timer_task.run = run_timer;
    weir_lock_init(&writer->lock, WEIR_LOCK_RANK_TXN_MARKERS);
    weir_list_init(&writer->waiting);
    *out = writer;
    return WEIR_OK;
}

void weir_marker_writer_stop(struct weir_marker_writer *writer)
{
    if (writer == NULL)
        return;
    weir_lock_take(&writer->lock);
    writer->is_stopping = true;
    bool is_timer_set = writer->is_timer_set;
    weir_lock_release(&writer->lock);
    /* One that has started already runs to its end before the pool is gone. */
    if (is_timer_set)
        (void)weir_task_pool_cancel(writer->options.pool, &writer->timer_task);
    look(writer);
}

void weir_marker_writer_free(struct weir_marker_writer *writer)
{
    if (writer == NULL)
        return;
    weir_lock_done(&writer->lock);
    weir_free(writer);
}
