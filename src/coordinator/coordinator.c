/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The registry of shards and their timer.
 *
 * T1  every shard in the map is in the heap; its key is NO_DEADLINE or a time at or before its
 *     next_deadline_ms was (a deadline that moved later is found out when the old time comes).
 * T2  timer_ms is the time of the submitted timer task; the task is submitted again by whoever
 *     finds an earlier deadline, except while it runs: then it does so itself at its end.
 * T3  armed_ms mirrors the heap's key without the lock.  Who publishes a deadline stores it first and
 *     looks at armed_ms then; who moves the key stores armed_ms first and looks at the deadline
 *     then: one of the two sees the other.
 */

#include "coordinator_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/coordinator/java_hash.h"

static void run_timer(struct weir_task *task);

enum weir_status weir_coordinator_new(const struct weir_coordinator_options *options,
                                      struct weir_coordinator **out)
{
    struct weir_coordinator *coordinator = weir_calloc(1, sizeof(*coordinator));
    if (coordinator == NULL)
        return WEIR_NO_MEMORY;
    coordinator->options = *options;
    weir_lock_init(&coordinator->registry, WEIR_LOCK_RANK_COORDINATOR_REGISTRY);
    coordinator->timer_ms = NO_DEADLINE;
    coordinator->timer_task.run = run_timer;
    *out = coordinator;
    return WEIR_OK;
}

void weir_coordinator_set_partition_count(struct weir_coordinator *coordinator, int32_t count)
{
    atomic_store(&coordinator->partition_count, count > 0 ? count : 0);
}

int32_t weir_coordinator_partition_count(const struct weir_coordinator *coordinator)
{
    return atomic_load(&coordinator->partition_count);
}

int32_t weir_coordinator_partition_of(const struct weir_coordinator *coordinator,
                                      struct weir_slice key)
{
    int32_t count = weir_coordinator_partition_count(coordinator);
    return count == 0 ? -1 : weir_key_partition(key, count);
}

void weir_coordinator_random(struct weir_coordinator *coordinator, void *out, size_t size)
{
    weir_env_random(coordinator->options.env, out, size);
}

static struct weir_shard *map_find(const struct weir_coordinator *coordinator, int32_t partition)
{
    return weir_map_get(&coordinator->shards, WEIR_KEY(partition));
}

struct weir_shard *weir_coordinator_find(struct weir_coordinator *coordinator, int32_t partition)
{
    weir_lock_take(&coordinator->registry);
    struct weir_shard *shard = map_find(coordinator, partition);
    if (shard != NULL)
        weir_shard_ref(shard);
    weir_lock_release(&coordinator->registry);
    return shard;
}

/* Adds a shard to map and heap.  Registry held. */
static enum weir_status add_shard(struct weir_coordinator *coordinator, int32_t partition,
                                  int32_t leader_epoch, struct weir_shard **out)
{
    struct weir_shard *shard;
    enum weir_status status = shard_new(coordinator, partition, leader_epoch, &shard);
    if (status != WEIR_OK)
        return status;
    status = weir_heap_set(&coordinator->deadlines, &shard->deadline, NO_DEADLINE);
    if (status == WEIR_OK) {
        status = weir_map_put(&coordinator->shards, WEIR_KEY(shard->partition), shard, NULL);
        if (status != WEIR_OK)
            weir_heap_remove(&coordinator->deadlines, &shard->deadline);
    }
    if (status != WEIR_OK) {
        weir_shard_unref(shard);
        return status;
    }
    *out = shard;
    return WEIR_OK;
}

static void remove_shard(struct weir_coordinator *coordinator, struct weir_shard *shard)
{
    weir_heap_remove(&coordinator->deadlines, &shard->deadline);
    (void)weir_map_remove(&coordinator->shards, WEIR_KEY(shard->partition)); /* it is `shard` */
}

/* Leader once more, in a newer epoch: an active shard goes on (its log was never anybody else's), a
 * failed one tries again. */
static void elect_again(struct weir_shard *shard, int32_t leader_epoch)
{
    bool must_load = false;
    weir_lock_take(&shard->lock);
    if (leader_epoch > atomic_load(&shard->leader_epoch)) {
        atomic_store(&shard->leader_epoch, leader_epoch);
        if (shard->state == SHARD_FAILED) {
            shard_set_state(shard, SHARD_LOADING);
            must_load = true;
        }
    }
    weir_lock_release(&shard->lock);
    if (must_load)
        shard_start_load(shard);
}

enum weir_status weir_coordinator_elected(struct weir_coordinator *coordinator, int32_t partition,
                                          int32_t leader_epoch)
{
    weir_lock_take(&coordinator->registry);
    struct weir_shard *shard = map_find(coordinator, partition);
    bool is_new = shard == NULL;
    enum weir_status status = WEIR_OK;
    if (coordinator->is_stopping)
        status = WEIR_CLOSED;
    else if (is_new)
        status = add_shard(coordinator, partition, leader_epoch, &shard);
    if (status == WEIR_OK)
        weir_shard_ref(shard);
    weir_lock_release(&coordinator->registry);
    if (status != WEIR_OK)
        return status == WEIR_CLOSED ? WEIR_OK : status; /* stopping: there is nothing to serve */
    if (is_new)
        shard_start_load(shard);
    else
        elect_again(shard, leader_epoch);
    weir_shard_unref(shard);
    return WEIR_OK;
}

void weir_coordinator_resigned(struct weir_coordinator *coordinator, int32_t partition,
                               int32_t leader_epoch)
{
    weir_lock_take(&coordinator->registry);
    struct weir_shard *shard = map_find(coordinator, partition);
    if (shard != NULL && leader_epoch < atomic_load(&shard->leader_epoch))
        shard = NULL; /* old news */
    if (shard != NULL)
        remove_shard(coordinator, shard);
    weir_lock_release(&coordinator->registry);
    if (shard == NULL)
        return;
    shard_close(shard);
    weir_shard_unref(shard);
}

void weir_coordinator_stop(struct weir_coordinator *coordinator)
{
    for (;;) {
        weir_lock_take(&coordinator->registry);
        coordinator->is_stopping = true;
        size_t cursor = 0;
        const struct weir_map_entry *entry = weir_map_next(&coordinator->shards, &cursor);
        struct weir_shard *shard = entry == NULL ? NULL : entry->value;
        if (shard != NULL)
            remove_shard(coordinator, shard);
        else if (coordinator->timer_ms != NO_DEADLINE &&
                 weir_task_pool_cancel(coordinator->options.pool, &coordinator->timer_task))
            coordinator->timer_ms = NO_DEADLINE;
        weir_lock_release(&coordinator->registry);
        if (shard == NULL)
            return;
        shard_close(shard);
        weir_shard_unref(shard);
    }
}

void weir_coordinator_free(struct weir_coordinator *coordinator)
{
    if (coordinator == NULL)
        return;
    WEIR_ASSERT(coordinator->shards.count == 0);
    weir_map_done(&coordinator->shards);
    weir_heap_done(&coordinator->deadlines);
    weir_lock_done(&coordinator->registry);
    weir_free(coordinator);
}

enum weir_status weir_coordinator_run_all(struct weir_coordinator *coordinator,
                                          struct weir_shard_event *event, bool must_be_loaded)
{
    weir_lock_take(&coordinator->registry);
    size_t count = 0;
    struct weir_shard **shards =
        weir_calloc(coordinator->shards.count + 1, sizeof(struct weir_shard *));
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while (shards != NULL && (entry = weir_map_next(&coordinator->shards, &cursor)) != NULL)
        shards[count++] = weir_shard_ref(entry->value);
    weir_lock_release(&coordinator->registry);
    if (shards == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status result = WEIR_OK;
    for (size_t i = 0; i < count; i++) {
        if (result == WEIR_OK &&
            weir_shard_run(shards[i], event) == WEIR_COORDINATOR_LOAD_IN_PROGRESS && must_be_loaded)
            result = WEIR_COORDINATOR_LOAD_IN_PROGRESS;
        weir_shard_unref(shards[i]);
    }
    weir_free(shards);
    return result;
}

/* ---- The timer ---- */

/* Registry held; the shard is in the heap. */
static void arm(struct weir_coordinator *coordinator, struct weir_shard *shard, int64_t key_ms)
{
    enum weir_status status = weir_heap_set(&coordinator->deadlines, &shard->deadline, key_ms);
    WEIR_ASSERT(status == WEIR_OK); /* it only moves */
    atomic_store(&shard->armed_ms, key_ms);
}

/* Registry held. */
static void submit_timer(struct weir_coordinator *coordinator)
{
    if (coordinator->is_stopping || coordinator->is_timer_running)
        return;
    const struct weir_heap_node *first = weir_heap_first(&coordinator->deadlines);
    int64_t due_ms = first == NULL ? NO_DEADLINE : first->key;
    if (due_ms >= coordinator->timer_ms)
        return;
    struct weir_task_pool *pool = coordinator->options.pool;
    if (coordinator->timer_ms != NO_DEADLINE &&
        !weir_task_pool_cancel(pool, &coordinator->timer_task))
        return; /* a worker has it in hand and will look for itself */
    coordinator->timer_ms = due_ms;
    weir_task_pool_submit_at(pool, &coordinator->timer_task, due_ms);
}

void coordinator_rearm(struct weir_shard *shard)
{
    if (atomic_load(&shard->next_deadline_ms) >= atomic_load(&shard->armed_ms))
        return; /* T3 */
    struct weir_coordinator *coordinator = shard->coordinator;
    weir_lock_take(&coordinator->registry);
    int64_t next_ms = atomic_load(&shard->next_deadline_ms); /* the newest */
    if (shard->deadline.index_plus_one != 0 && next_ms < shard->deadline.key) {
        arm(coordinator, shard, next_ms);
        submit_timer(coordinator);
    }
    weir_lock_release(&coordinator->registry);
}

/* A shard that is due, with a reference; its key is moved out of the way until it was ticked. */
static struct weir_shard *take_due(struct weir_coordinator *coordinator, int64_t now_ms,
                                   int64_t *out_next_ms)
{
    struct weir_shard *shard = NULL;
    weir_lock_take(&coordinator->registry);
    for (;;) {
        struct weir_heap_node *first = weir_heap_first(&coordinator->deadlines);
        *out_next_ms = first == NULL ? NO_DEADLINE : first->key;
        if (first == NULL || first->key > now_ms)
            break;
        struct weir_shard *due = WEIR_CONTAINER_OF(first, struct weir_shard, deadline);
        arm(coordinator, due, NO_DEADLINE);
        int64_t real_ms = atomic_load(&due->next_deadline_ms); /* T1, and after arm: T3 */
        if (real_ms > now_ms)
            arm(coordinator, due, real_ms);
        if (real_ms <= now_ms) {
            shard = weir_shard_ref(due);
            break;
        }
    }
    weir_lock_release(&coordinator->registry);
    return shard;
}

int64_t weir_coordinator_tick(struct weir_coordinator *coordinator, int64_t now_ms)
{
    int64_t next_ms;
    struct weir_shard *shard;
    while ((shard = take_due(coordinator, now_ms, &next_ms)) != NULL) {
        shard_tick(shard, now_ms);
        weir_shard_unref(shard);
    }
    return next_ms;
}

static void run_timer(struct weir_task *task)
{
    struct weir_coordinator *coordinator =
        WEIR_CONTAINER_OF(task, struct weir_coordinator, timer_task);
    weir_lock_take(&coordinator->registry);
    coordinator->is_timer_running = true;
    coordinator->timer_ms = NO_DEADLINE;
    weir_lock_release(&coordinator->registry);
    (void)weir_coordinator_tick(coordinator, weir_env_monotonic_ms(coordinator->options.env));
    weir_lock_take(&coordinator->registry);
    coordinator->is_timer_running = false;
    submit_timer(coordinator);
    weir_lock_release(&coordinator->registry);
}
