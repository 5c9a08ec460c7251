/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The mover: what is asked of it, and the threads.  The steps of one move are in log_move_copy.c.
 *
 * Each move is a task that copies a piece and submits itself again.  Its truth is the manager's
 * table: a move whose future log is not the one in the table any more ends by itself.
 */

#include "log_move_int.h"

#include "weir/base/memory.h"

#include <stdio.h>

enum {
    PIECE_BYTES_MAX = 1 << 20,
    PIECE_BYTES_MIN = 4096,
    RATE_LOOK_MS = 1000, /* how soon another rate counts */
    DIRECTORY_NAME_MAX = 255,
    FUTURE_SUFFIX_BYTES = 1 + 32 + 7 /* ".<32 hex>-future" */
};

/* --- Life. --- */

enum weir_status weir_log_mover_new(const struct weir_log_mover_options *options,
                                    struct weir_log_mover **out, struct weir_detail *detail)
{
    struct weir_log_mover *mover = weir_calloc(1, sizeof(*mover));
    if (mover == NULL)
        return WEIR_NO_MEMORY;
    mover->options = *options;
    atomic_init(&mover->bytes_per_second, INT64_MAX);
    weir_list_init(&mover->moves);
    weir_lock_init(&mover->lock, WEIR_LOCK_RANK_MOVER);
    (void)pthread_cond_init(&mover->idle, NULL); /* cannot fail with default attributes on Linux */
    enum weir_status status =
        weir_task_pool_new(options->env, options->threads, &mover->pool, detail);
    if (status != WEIR_OK) {
        weir_log_mover_free(mover);
        return status;
    }
    *out = mover;
    return WEIR_OK;
}

static void free_move(struct log_move *move)
{
    weir_partition_log_unref(move->current);
    weir_partition_log_unref(move->future);
    weir_free(move);
}

void weir_log_mover_stop(struct weir_log_mover *mover)
{
    if (mover == NULL)
        return;
    weir_lock_take(&mover->lock);
    struct weir_task_pool *pool = mover->pool;
    mover->is_stopping = true;
    mover->pool = NULL;
    weir_lock_release(&mover->lock);
    if (pool != NULL)
        weir_task_pool_free(pool); /* the step under way ends; those that wait stay ours */
}

void weir_log_mover_free(struct weir_log_mover *mover)
{
    struct weir_list *node;
    if (mover == NULL)
        return;
    weir_log_mover_stop(mover);
    while ((node = weir_list_pop_front(&mover->moves)) != NULL)
        free_move(WEIR_LIST_ENTRY(node, struct log_move, node));
    (void)pthread_cond_destroy(&mover->idle);
    weir_lock_done(&mover->lock);
    weir_free(mover);
}

void weir_log_mover_set_rate(struct weir_log_mover *mover, int64_t bytes_per_second)
{
    int64_t rate = bytes_per_second > 0 ? bytes_per_second : 1;
    weir_lock_take(&mover->lock);
    if (atomic_load_explicit(&mover->bytes_per_second, memory_order_relaxed) != rate)
        mover->free_at_ns = 0; /* what was copied before is not paid for at the old rate */
    atomic_store_explicit(&mover->bytes_per_second, rate, memory_order_relaxed);
    weir_lock_release(&mover->lock);
}

bool weir_log_mover_turn(struct weir_log_mover *mover)
{
    return weir_task_pool_turn(mover->pool);
}

size_t weir_log_mover_count(struct weir_log_mover *mover)
{
    size_t count = 0;
    weir_lock_take(&mover->lock);
    WEIR_LIST_FOREACH(node, &mover->moves) {
        if (node != NULL)
            count++;
    }
    weir_lock_release(&mover->lock);
    return count;
}

/* --- Throttling. --- */

size_t weir_log_mover_piece(struct weir_log_mover *mover)
{
    int64_t quarter = atomic_load_explicit(&mover->bytes_per_second, memory_order_relaxed) / 4;
    if (quarter > PIECE_BYTES_MAX)
        return PIECE_BYTES_MAX;
    return quarter < PIECE_BYTES_MIN ? PIECE_BYTES_MIN : (size_t)quarter;
}

void weir_log_mover_spend(struct weir_log_mover *mover, size_t bytes)
{
    int64_t rate = atomic_load_explicit(&mover->bytes_per_second, memory_order_relaxed);
    if (rate == INT64_MAX || bytes == 0)
        return;
    int64_t now_ns = weir_env_monotonic_ns(mover->options.env);
    double cost_ns = (double)bytes / (double)rate * 1e9;
    weir_lock_take(&mover->lock);
    if (mover->free_at_ns < now_ns)
        mover->free_at_ns = now_ns;
    mover->free_at_ns += cost_ns > 1e15 ? (int64_t)1e15 : (int64_t)cost_ns;
    weir_lock_release(&mover->lock);
}

/* Milliseconds until more may be copied. */
static int64_t wait_ms(struct weir_log_mover *mover)
{
    int64_t now_ns = weir_env_monotonic_ns(mover->options.env);
    weir_lock_take(&mover->lock);
    int64_t wait_ns = mover->free_at_ns - now_ns;
    weir_lock_release(&mover->lock);
    if (atomic_load_explicit(&mover->bytes_per_second, memory_order_relaxed) == INT64_MAX)
        return 0;
    return wait_ns <= 0 ? 0 : wait_ns / 1000000 + 1;
}

/* --- The tasks. --- */

static void end_move(struct log_move *move)
{
    struct weir_log_mover *mover = move->mover;
    weir_lock_take(&mover->lock);
    weir_list_remove(&move->node);
    weir_lock_release(&mover->lock);
    free_move(move);
}

/* While the mover is stopping the move stays where it is, on disk as well. */
static void submit(struct log_move *move, int64_t delay_ms)
{
    struct weir_log_mover *mover = move->mover;
    int64_t due_ms = weir_env_monotonic_ms(mover->options.env) + delay_ms;
    weir_lock_take(&mover->lock); /* held, so that a stop does not free the pool in between */
    if (!mover->is_stopping && delay_ms > 0)
        weir_task_pool_submit_at(mover->pool, &move->task, due_ms);
    else if (!mover->is_stopping)
        weir_task_pool_submit(mover->pool, &move->task);
    weir_lock_release(&mover->lock);
}

static void run(struct weir_task *task)
{
    struct log_move *move = WEIR_CONTAINER_OF(task, struct log_move, task);
    int64_t delay_ms = wait_ms(move->mover);
    if (delay_ms > 0) {
        submit(move, delay_ms > RATE_LOOK_MS ? RATE_LOOK_MS : delay_ms);
        return;
    }
    if (weir_log_move_step(move, &delay_ms))
        submit(move, delay_ms);
    else
        end_move(move);
}

/* Takes over the references. */
static enum weir_status start(struct weir_log_mover *mover, struct weir_partition_log *take_current,
                              struct weir_partition_log *take_future, int64_t cleaned_offset)
{
    struct log_move *move = weir_calloc(1, sizeof(*move));
    if (move == NULL) {
        weir_partition_log_unref(take_current);
        weir_partition_log_unref(take_future);
        return WEIR_NO_MEMORY;
    }
    *move = (struct log_move){.task.run = run,
                              .mover = mover,
                              .current = take_current,
                              .future = take_future,
                              .cleaned_offset = cleaned_offset};
    weir_lock_take(&mover->lock);
    weir_list_push_back(&mover->moves, &move->node);
    weir_lock_release(&mover->lock);
    submit(move, 0);
    return WEIR_OK;
}

static bool is_moving(struct weir_log_mover *mover, const struct weir_partition_log *future)
{
    bool is_there = false;
    weir_lock_take(&mover->lock);
    WEIR_LIST_FOREACH(node, &mover->moves) {
        is_there = is_there || WEIR_LIST_ENTRY(node, struct log_move, node)->future == future;
    }
    weir_lock_release(&mover->lock);
    return is_there;
}

/* What has been cleaned since was not copied clean: from here on the place is this one. */
static void resume_one(struct weir_log_mover *mover, const struct weir_topic_partition *key)
{
    struct weir_log_manager *manager = mover->options.manager;
    struct weir_partition_log *current = NULL;
    struct weir_partition_log *future = NULL;
    int64_t cleaned_offset = -1;
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*key));
    if (entry != NULL && entry->future != NULL) {
        current = weir_partition_log_ref(entry->log);
        future = weir_partition_log_ref(entry->future);
    }
    weir_lock_release(&manager->lock);
    if (future == NULL)
        return;
    if (is_moving(mover, future)) {
        weir_partition_log_unref(current);
        weir_partition_log_unref(future);
        return;
    }
    if (start(mover, current, future, cleaned_offset) != WEIR_OK)
        WEIR_LOG_WARN(mover->options.log, "move_not_started", WEIR_STR("topic", key->topic),
                      WEIR_I64("partition", key->partition),
                      WEIR_STR("next", "it goes on with the next start, or when asked again"));
}

void weir_log_mover_resume(struct weir_log_mover *mover)
{
    struct weir_log_replica *replicas = NULL;
    size_t count = 0;
    if (weir_log_manager_replicas(mover->options.manager, &replicas, &count) != WEIR_OK)
        return; /* with the next start */
    for (size_t i = 0; i < count; i++) {
        if (replicas[i].is_future)
            resume_one(mover, weir_partition_log_key(replicas[i].log));
    }
    weir_log_replicas_free(replicas, count);
}

/* --- Asking for a move. --- */

static size_t find_dir(const struct weir_log_manager *manager, struct weir_slice path)
{
    for (size_t i = 0; i < manager->dir_count; i++) {
        if (weir_slice_is(path, manager->dirs[i].path))
            return i;
    }
    return SIZE_MAX;
}

static bool is_name_too_long(const struct weir_topic_partition *key)
{
    char name[WEIR_PARTITION_DIR_BYTES];
    weir_partition_dir_name(key, name);
    return strlen(name) + FUTURE_SUFFIX_BYTES > DIRECTORY_NAME_MAX;
}

static enum weir_status check_dirs(const struct weir_log_manager *manager,
                                   const struct weir_topic_partition *key, struct weir_slice path,
                                   size_t *out, struct weir_detail *detail)
{
    if (is_name_too_long(key)) {
        weir_detail_set(detail, "The topic name is too long.");
        return WEIR_INVALID_TOPIC_EXCEPTION;
    }
    *out = find_dir(manager, path);
    if (*out == SIZE_MAX) {
        weir_detail_set(detail, "Log dir %.*s is not found in the config.", WEIR_SLICE_ARGS(path));
        return WEIR_LOG_DIR_NOT_FOUND;
    }
    if (!weir_log_manager_is_online(&manager->dirs[*out])) {
        weir_detail_set(detail, "Log directory %.*s is offline", WEIR_SLICE_ARGS(path));
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    return WEIR_OK;
}

/* Opens the copy, empty.  The first piece settles where it begins. */
static enum weir_status open_future(struct weir_log_manager *manager,
                                    struct weir_partition_log *current, size_t dir_index,
                                    struct weir_partition_log **out, struct weir_detail *detail)
{
    char name[WEIR_PARTITION_DIR_BYTES];
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_uuid unique;
    struct weir_log_config config;
    const struct weir_topic_partition *key = weir_partition_log_key(current);
    weir_partition_log_config(current, &config);
    weir_env_random(manager->env, unique.bytes, sizeof(unique.bytes));
    weir_partition_dir_name_of_kind(key, WEIR_PARTITION_DIR_FUTURE, unique, name);
    (void)snprintf(path, sizeof(path), "%s/%s", manager->dirs[dir_index].path, name);
    struct weir_partition_log_options options =
        weir_log_manager_log_options(manager, dir_index, key, &config);
    options.dir = path;
    options.topic_id = weir_partition_log_topic_id(current);
    struct weir_partition_log *log = NULL;
    enum weir_status status = weir_log_manager_forget_gone(manager, dir_index, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_partition_log_open(&options, &log, NULL, detail);
    if (status == WEIR_OK)
        status = weir_partition_log_write_metadata(log, detail);
    if (status == WEIR_OK) {
        *out = log;
        return WEIR_OK;
    }
    weir_partition_log_unref(log);
    weir_log_manager_remove_unfinished(manager, dir_index, path);
    return status;
}

/* What the table says of the partition, with references. */
struct situation {
    struct weir_partition_log *current;
    size_t dir_index;
    struct weir_partition_log *future;
    size_t future_dir_index;
    int64_t cleaned_offset;
};

static void look(struct weir_log_manager *manager, const struct weir_topic_partition *key,
                 struct situation *out)
{
    *out = (struct situation){.cleaned_offset = -1};
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*key));
    if (entry != NULL) {
        out->current = weir_partition_log_ref(entry->log);
        out->dir_index = entry->dir_index;
        out->cleaned_offset = entry->cleaned_offset;
        if (entry->future != NULL)
            out->future = weir_partition_log_ref(entry->future);
        out->future_dir_index = entry->future_dir_index;
    }
    weir_lock_release(&manager->lock);
}

/* Puts the future log into the table, or another one, or takes it away (NULL).  False: the table
 * has changed meanwhile.  The table's reference moves. */
static bool replace_future(struct weir_log_manager *manager, const struct situation *seen,
                           struct weir_partition_log *future, size_t dir_index)
{
    weir_lock_take(&manager->lock);
    struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(seen->current)));
    bool is_same = entry != NULL && entry->log == seen->current && entry->future == seen->future;
    if (is_same) {
        entry->future = future;
        entry->future_dir_index = dir_index;
    }
    weir_lock_release(&manager->lock);
    return is_same;
}

static enum weir_status cancel(struct weir_log_manager *manager, struct situation *seen,
                               struct weir_detail *detail)
{
    if (!replace_future(manager, seen, NULL, 0))
        return WEIR_OK;                     /* it has just ended */
    weir_partition_log_unref(seen->future); /* the table's */
    enum weir_status status =
        weir_log_manager_discard(manager, seen->future, seen->future_dir_index, detail);
    weir_partition_log_unref(seen->future);
    seen->future = NULL;
    return status;
}

static enum weir_status begin(struct weir_log_mover *mover, struct situation *seen,
                              size_t dir_index, struct weir_detail *detail)
{
    struct weir_log_manager *manager = mover->options.manager;
    struct weir_partition_log *future = NULL;
    if (weir_log_manager_offline_count(manager) > 0) {
        weir_detail_set(detail, "Can not create a log for %s-%d because a log directory is offline",
                        weir_partition_log_key(seen->current)->topic,
                        weir_partition_log_key(seen->current)->partition);
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    enum weir_status status = open_future(manager, seen->current, dir_index, &future, detail);
    if (status == WEIR_IO_ERROR) {
        weir_log_manager_dir_failed(&manager->dirs[dir_index], detail);
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    if (status != WEIR_OK)
        return status;
    if (!replace_future(manager, seen, future, dir_index)) {
        status = weir_log_manager_discard(manager, future, dir_index, detail);
        weir_partition_log_unref(future);
        return status == WEIR_OK ? WEIR_REPLICA_NOT_AVAILABLE : status;
    }
    return start(mover, weir_partition_log_ref(seen->current), weir_partition_log_ref(future),
                 seen->cleaned_offset);
}

static enum weir_status move_here(struct weir_log_mover *mover, struct situation *seen,
                                  size_t dir_index, struct weir_detail *detail)
{
    struct weir_log_manager *manager = mover->options.manager;
    enum weir_status status = WEIR_OK;
    if (weir_partition_log_has_failed(seen->current)) {
        weir_detail_set(detail, "the partition is offline");
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    if (seen->future != NULL && seen->future_dir_index != dir_index)
        status = cancel(manager, seen, detail);
    if (status != WEIR_OK || seen->dir_index == dir_index)
        return status;
    if (seen->future != NULL) {
        resume_one(mover, weir_partition_log_key(seen->current)); /* if it had given up */
        return WEIR_OK;
    }
    return begin(mover, seen, dir_index, detail);
}

enum weir_status weir_log_mover_move(struct weir_log_mover *mover,
                                     const struct weir_topic_partition *key, struct weir_slice path,
                                     struct weir_detail *detail)
{
    struct weir_log_manager *manager = mover->options.manager;
    size_t dir_index = 0;
    enum weir_status status = check_dirs(manager, key, path, &dir_index, detail);
    if (status != WEIR_OK)
        return status;
    struct situation seen;
    look(manager, key, &seen);
    if (seen.current == NULL) {
        weir_log_manager_prefer(manager, key, dir_index);
        weir_detail_set(detail, "the partition is not here");
        return WEIR_REPLICA_NOT_AVAILABLE;
    }
    status = move_here(mover, &seen, dir_index, detail);
    weir_partition_log_unref(seen.future);
    weir_partition_log_unref(seen.current);
    return status;
}
