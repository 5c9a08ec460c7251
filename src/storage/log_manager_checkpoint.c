/* SPDX-License-Identifier: Apache-2.0 */

/* The checkpoints of each directory, and the periodic work over all logs. */

#include "log_manager_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/task_pool.h"

#include <stdio.h>

static const char *checkpoint_name(enum checkpoint_kind kind)
{
    switch (kind) {
    case CHECKPOINT_RECOVERY_POINT:
        return "recovery-point-offset-checkpoint";
    case CHECKPOINT_LOG_START:
        return "log-start-offset-checkpoint";
    case CHECKPOINT_HIGH_WATERMARK:
        return "replication-offset-checkpoint";
    case CHECKPOINT_CLEANER:
        return "cleaner-offset-checkpoint";
    case CHECKPOINT_KIND_COUNT:
        break;
    }
    return "";
}

/* False: the partition has no line in this checkpoint. */
static bool checkpoint_value(struct weir_log_manager *manager, struct weir_partition_log *log,
                             enum checkpoint_kind kind, int64_t *out)
{
    struct weir_segment_info *segments = NULL;
    size_t count = 0;
    switch (kind) {
    case CHECKPOINT_RECOVERY_POINT:
        *out = weir_partition_log_checkpoint_point(log);
        return true;
    case CHECKPOINT_HIGH_WATERMARK:
        *out = weir_partition_log_high_watermark(log);
        return true;
    case CHECKPOINT_LOG_START:
        /* Only where it says more than the first segment's name. */
        *out = weir_partition_log_start_offset(log);
        if (weir_partition_log_segments(log, &segments, &count) != WEIR_OK)
            return true;
        bool is_inside = *out > segments[0].base_offset;
        weir_free(segments);
        return is_inside;
    case CHECKPOINT_CLEANER:
        /* One that lies behind the end is older than what is there now. */
        *out = weir_log_manager_cleaner_offset(manager, log);
        return *out >= 0 && *out <= weir_partition_log_end_offset(log);
    case CHECKPOINT_KIND_COUNT:
        break;
    }
    return false;
}

static void path_of(const struct weir_log_manager *manager, size_t dir_index,
                    enum checkpoint_kind kind, char out[WEIR_SEGMENT_PATH_BYTES])
{
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s/%s", manager->dirs[dir_index].path,
                   checkpoint_name(kind));
}

/* What the checkpoint has to say now. */
static enum weir_status collect(struct weir_log_manager *manager, size_t dir_index,
                                enum checkpoint_kind kind, struct weir_offset_checkpoint *out)
{
    struct weir_log_replica *replicas = NULL;
    size_t count = 0;
    enum weir_status status = weir_log_manager_replicas(manager, &replicas, &count);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        struct weir_partition_log *log = replicas[i].log;
        int64_t offset;
        if (replicas[i].dir_index == dir_index && checkpoint_value(manager, log, kind, &offset))
            status = weir_offset_checkpoint_add(out, weir_partition_log_key(log), offset);
    }
    weir_log_replicas_free(replicas, count);
    return status;
}

static enum weir_status write_checkpoint(struct weir_log_manager *manager, size_t dir_index,
                                         enum checkpoint_kind kind, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_offset_checkpoint checkpoint = {0};
    enum weir_status status = collect(manager, dir_index, kind, &checkpoint);
    path_of(manager, dir_index, kind, path);
    if (status == WEIR_OK)
        status = weir_offset_checkpoint_write(manager->env, path, &checkpoint, detail);
    weir_offset_checkpoint_done(&checkpoint);
    return status;
}

/* Reads it back when its logs are closed. */
static enum weir_status verify_checkpoint(struct weir_log_manager *manager, size_t dir_index,
                                          enum checkpoint_kind kind, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_offset_checkpoint known = {0};
    struct weir_offset_checkpoint found = {0};
    path_of(manager, dir_index, kind, path);
    enum weir_status status = collect(manager, dir_index, kind, &known);
    if (status == WEIR_OK)
        status = weir_offset_checkpoint_read(manager->env, path, &found, detail);
    weir_offset_checkpoint_sort(&found);
    bool is_same = found.count == known.count;
    for (size_t i = 0; i < known.count && is_same; i++) {
        int64_t offset = -1;
        is_same = weir_offset_checkpoint_find(&found, &known.items[i].key, &offset) &&
                  offset == known.items[i].offset;
    }
    weir_offset_checkpoint_done(&known);
    weir_offset_checkpoint_done(&found);
    if (status == WEIR_OK && !is_same) {
        weir_detail_set(detail, "%s is not what was written to it", path);
        status = WEIR_CORRUPT;
    }
    return status;
}

enum weir_status weir_log_manager_write_checkpoint(struct weir_log_manager *manager,
                                                   size_t dir_index, enum checkpoint_kind kind,
                                                   struct weir_detail *detail)
{
    bool *is_writing = &manager->dirs[dir_index].is_writing[kind];
    weir_lock_take(&manager->lock);
    while (*is_writing)
        (void)pthread_cond_wait(&manager->written,
                                &manager->lock.mutex); /* fails only for a mutex that is not ours */
    *is_writing = true;
    weir_lock_release(&manager->lock);
    enum weir_status status = write_checkpoint(manager, dir_index, kind, detail);
    weir_lock_take(&manager->lock);
    *is_writing = false;
    (void)pthread_cond_broadcast(&manager->written); /* cannot fail on an initialised condition */
    weir_lock_release(&manager->lock);
    return status;
}

/* Whoever stops cleanly leaves all of them, with a count of 0 at least - but for the cleaner's. */
static bool is_missing(struct weir_log_manager *manager, size_t dir_index,
                       enum checkpoint_kind kind, const char *path)
{
    struct weir_file_info info;
    if (!manager->dirs[dir_index].was_clean || kind == CHECKPOINT_CLEANER)
        return false;
    enum weir_status status = weir_path_info(manager->env, path, &info, NULL);
    return status == WEIR_NOT_FOUND || (status == WEIR_OK && info.size_bytes == 0);
}

static void tell_missing(struct weir_log_manager *manager, enum checkpoint_kind kind,
                         const char *path)
{
    const char *next = NULL;
    switch (kind) {
    case CHECKPOINT_RECOVERY_POINT:
        next = "the logs are scanned from their beginning";
        break;
    case CHECKPOINT_LOG_START:
        next = "the leader epochs tell where logs begin; where they do not, deleted records are "
               "readable again";
        break;
    case CHECKPOINT_HIGH_WATERMARK:
        next = "the leaders of the partitions find what is replicated";
        break;
    case CHECKPOINT_CLEANER:
    case CHECKPOINT_KIND_COUNT:
        return;
    }
    WEIR_LOG_WARN(manager->log, "checkpoint_missing", WEIR_STR("path", path),
                  WEIR_STR("next", next));
}

enum weir_status weir_log_manager_read_checkpoint(struct weir_log_manager *manager,
                                                  size_t dir_index, enum checkpoint_kind kind,
                                                  struct weir_offset_checkpoint *out,
                                                  bool *out_is_lost)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    path_of(manager, dir_index, kind, path);
    bool is_lost = is_missing(manager, dir_index, kind, path);
    if (is_lost)
        tell_missing(manager, kind, path);
    enum weir_status status = weir_offset_checkpoint_read(manager->env, path, out, &detail);
    if (status == WEIR_CORRUPT) {
        /* Less knowledge, never wrong knowledge: recovery begins at 0, the log at its first
         * segment. */
        WEIR_LOG_WARN(manager->log, "checkpoint_ignored", WEIR_STR("path", path),
                      WEIR_STR("why", detail.text));
        is_lost = manager->dirs[dir_index].was_clean;
        status = WEIR_OK;
    } else if (status == WEIR_OK) {
        weir_offset_checkpoint_sort(out);
    }
    if (out_is_lost != NULL)
        *out_is_lost = is_lost;
    return status;
}

void weir_log_manager_note_gone(struct weir_log_manager *manager, size_t dir_index)
{
    weir_lock_take(&manager->lock);
    manager->dirs[dir_index].gone_count++;
    weir_lock_release(&manager->lock);
}

enum weir_status weir_log_manager_forget_gone(struct weir_log_manager *manager, size_t dir_index,
                                              struct weir_detail *detail)
{
    struct log_dir *dir = &manager->dirs[dir_index];
    weir_lock_take(&manager->lock);
    uint64_t count = dir->gone_count;
    bool is_needed = count != dir->gone_written;
    weir_lock_release(&manager->lock);
    if (!is_needed)
        return WEIR_OK;
    enum weir_status status = WEIR_OK;
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT && status == WEIR_OK; kind++)
        status = weir_log_manager_write_checkpoint(manager, dir_index, (enum checkpoint_kind)kind,
                                                   detail);
    if (status != WEIR_OK)
        return status;
    weir_lock_take(&manager->lock);
    if (dir->gone_written < count)
        dir->gone_written = count;
    weir_lock_release(&manager->lock);
    return WEIR_OK;
}

static void checkpoint_all(struct weir_log_manager *manager, enum checkpoint_kind kind)
{
    for (size_t i = 0; i < manager->dir_count; i++) {
        struct weir_detail detail = {{0}};
        if (atomic_load_explicit(&manager->dirs[i].is_offline, memory_order_relaxed))
            continue;
        enum weir_status status = weir_log_manager_write_checkpoint(manager, i, kind, &detail);
        /* Without memory or space the old file stays, which is only older. */
        if (status != WEIR_OK && status != WEIR_NO_MEMORY && status != WEIR_NO_SPACE)
            weir_log_manager_dir_failed(&manager->dirs[i], &detail);
    }
}

void weir_log_manager_checkpoint_recovery_points(struct weir_log_manager *manager)
{
    checkpoint_all(manager, CHECKPOINT_RECOVERY_POINT);
}

void weir_log_manager_checkpoint_log_starts(struct weir_log_manager *manager)
{
    checkpoint_all(manager, CHECKPOINT_LOG_START);
}

void weir_log_manager_checkpoint_high_watermarks(struct weir_log_manager *manager)
{
    checkpoint_all(manager, CHECKPOINT_HIGH_WATERMARK);
}

/* --- Work over all logs. --- */

typedef void each_log(struct weir_log_manager *manager, struct weir_partition_log *log,
                      void *context);

static void for_each_log(struct weir_log_manager *manager, each_log *each, void *context)
{
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    if (weir_log_manager_list(manager, &logs, &count) != WEIR_OK)
        return; /* next time */
    for (size_t i = 0; i < count; i++) {
        each(manager, logs[i], context);
        weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
}

static void log_failure(struct weir_log_manager *manager, struct weir_partition_log *log,
                        const char *event, enum weir_status status,
                        const struct weir_detail *detail)
{
    const struct weir_topic_partition *key = weir_partition_log_key(log);
    if (status == WEIR_OK || status == WEIR_CLOSED || status == WEIR_KAFKA_STORAGE_ERROR)
        return; /* told through on_dir_failed */
    WEIR_LOG_WARN(manager->log, event, WEIR_STR("topic", key->topic),
                  WEIR_I64("partition", key->partition),
                  WEIR_STR("status", weir_status_name(status)), WEIR_STR("why", detail->text));
}

/* Trap 13.  Retention goes by what the producers wrote into the records, so a topic may lose all it
 * was just given; nobody should have to guess why. */
static void tell_expired(struct weir_log_manager *manager, struct weir_partition_log *log,
                         const struct weir_segment_info *before, size_t count,
                         const struct weir_log_retention_result *result)
{
    const struct weir_topic_partition *key = weir_partition_log_key(log);
    struct weir_log_config config;
    int64_t newest = WEIR_BATCH_NO_TIMESTAMP;
    size_t deleted = (size_t)result->deleted_segments;
    size_t expired = 0;
    weir_partition_log_config(log, &config);
    int64_t now_ms = weir_env_wall_ms(manager->env);
    for (; expired < deleted && expired < count; expired++) {
        int64_t timestamp = before[expired].max_timestamp;
        if (!config.cleanup_delete || config.retention_ms < 0 || timestamp < 0 ||
            now_ms - timestamp <= config.retention_ms)
            break; /* it went for another reason */
        newest = timestamp > newest ? timestamp : newest;
    }
    if (expired == 0)
        return;
    int64_t end = expired < count ? before[expired].base_offset : result->log_start_offset;
    WEIR_LOG_INFO(manager->log, "log_expired", WEIR_STR("topic", key->topic),
                  WEIR_I64("partition", key->partition), WEIR_I64("segments", (int64_t)expired),
                  WEIR_I64("records", end - before[0].base_offset),
                  WEIR_I64("newest_timestamp", newest),
                  WEIR_I64("retention_ms", config.retention_ms),
                  WEIR_I64("log_start_offset", result->log_start_offset),
                  WEIR_STR("why", config.log_append_time
                                      ? "older than retention.ms by the time of their append"
                                      : "older than retention.ms by the timestamps their "
                                        "producers gave them (CreateTime)"));
}

static void retain_one(struct weir_log_manager *manager, struct weir_partition_log *log,
                       void *context)
{
    struct weir_log_retention_result *sum = context;
    struct weir_log_retention_result result = {0};
    struct weir_detail detail = {{0}};
    struct weir_segment_info *before = NULL;
    size_t count = 0;
    /* Without memory the deletion is not told in detail. */
    if (weir_partition_log_segments(log, &before, &count) != WEIR_OK)
        count = 0;
    enum weir_status status = weir_partition_log_retain(log, &result, &detail);
    log_failure(manager, log, "retention_failed", status, &detail);
    sum->deleted_segments += result.deleted_segments;
    sum->deleted_bytes += result.deleted_bytes;
    if (result.deleted_segments > 0)
        tell_expired(manager, log, before, count, &result);
    weir_free(before);
}

void weir_log_manager_retain_all(struct weir_log_manager *manager,
                                 struct weir_log_retention_result *out)
{
    struct weir_log_retention_result sum = {0};
    for_each_log(manager, retain_one, &sum);
    *out = sum;
}

static void flush_one(struct weir_log_manager *manager, struct weir_partition_log *log,
                      void *context)
{
    (void)context;
    struct weir_detail detail = {{0}};
    /* The active one only where a flush that was due found no space, and waits to be tried again.
     */
    enum weir_status status =
        weir_partition_log_flush(log, weir_partition_log_awaits_flush(log), &detail);
    log_failure(manager, log, "flush_failed", status, &detail);
}

static void flush_old(struct weir_log_manager *manager, struct weir_partition_log *log,
                      void *context)
{
    (void)context;
    struct weir_detail detail = {{0}};
    if (!weir_partition_log_is_flush_due(log))
        return;
    enum weir_status status = weir_partition_log_flush(log, true, &detail);
    log_failure(manager, log, "flush_failed", status, &detail);
}

void weir_log_manager_flush_due(struct weir_log_manager *manager)
{
    for_each_log(manager, flush_one, NULL);
}

void weir_log_manager_flush_old(struct weir_log_manager *manager)
{
    for_each_log(manager, flush_old, NULL);
}

static void expire_one(struct weir_log_manager *manager, struct weir_partition_log *log,
                       void *context)
{
    (void)manager;
    (void)context;
    weir_partition_log_expire_producers(log);
}

void weir_log_manager_expire_producers(struct weir_log_manager *manager)
{
    for_each_log(manager, expire_one, NULL);
}

void weir_log_manager_reap(struct weir_log_manager *manager)
{
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_file_reaper_run(manager->reaper, false, NULL, &detail);
    if (status != WEIR_OK)
        WEIR_LOG_WARN(manager->log, "delete_failed", WEIR_STR("why", detail.text));
}

bool weir_log_manager_audit(struct weir_log_manager *manager, uint64_t bytes_max,
                            uint64_t *out_bytes)
{
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    bool is_done = true;
    *out_bytes = 0;
    if (weir_log_manager_list(manager, &logs, &count) != WEIR_OK)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = 0;
        if (*out_bytes < bytes_max)
            is_done =
                weir_partition_log_audit_txns(logs[i], bytes_max - *out_bytes, &bytes) && is_done;
        else
            is_done = false;
        *out_bytes += bytes;
        weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
    return is_done;
}

/* --- Closing. --- */

/* What a stop still reads of transaction indexes nobody has looked at. */
#define CLOSE_AUDIT_BYTES (64 << 20)

/* A close waits for the disk most of the time, and syncs that come together share the disk's work;
 * so there are more threads than processors or disks have use for. */
enum { CLOSE_THREADS = 16 };

/* The logs of one directory, each closed by the next thread that is free. */
struct close_work {
    struct weir_log_manager *manager;
    struct weir_partition_log **logs;
    size_t count;
    atomic_size_t next;
    _Atomic int64_t audit_bytes; /* so many may still be read */
    struct weir_lock lock;       /* the rest */
    bool has_failed;
    struct weir_detail first;
};

struct close_task {
    struct weir_task task;
    struct close_work *work;
};

static void tell_doubt(struct weir_log_manager *manager, struct weir_partition_log *log,
                       const struct weir_detail *detail)
{
    const struct weir_topic_partition *key = weir_partition_log_key(log);
    WEIR_LOG_ERROR(manager->log, "log_not_clean", WEIR_STR("topic", key->topic),
                   WEIR_I64("partition", key->partition), WEIR_STR("why", detail->text),
                   WEIR_STR("next", "the directory is not marked as clean, and whoever starts next "
                                    "looks at all of this log"));
}

static void end_audit(struct close_work *work, struct weir_partition_log *log)
{
    int64_t bytes_max = atomic_load(&work->audit_bytes);
    uint64_t bytes = 0;
    bool ignored =
        weir_partition_log_audit_txns(log, bytes_max > 0 ? (uint64_t)bytes_max : 0, &bytes);
    (void)ignored; /* what is left is as it was found; the next broker may look */
    atomic_fetch_sub(&work->audit_bytes, (int64_t)bytes);
}

static void close_one(struct close_work *work, struct weir_partition_log *log)
{
    struct weir_detail detail = {{0}};
    weir_partition_log_note_durable_dir(log); /* close_logs saw to it */
    end_audit(work, log);
    enum weir_status status = weir_partition_log_close(log, &detail);
    if (status == WEIR_CORRUPT)
        tell_doubt(work->manager, log, &detail);
    else
        log_failure(work->manager, log, "close_failed", status, &detail);
    if (status == WEIR_OK)
        return;
    weir_lock_take(&work->lock);
    if (!work->has_failed)
        work->first = detail;
    work->has_failed = true;
    weir_lock_release(&work->lock);
}

static void run_close(struct weir_task *base)
{
    struct close_work *work = ((struct close_task *)base)->work;
    size_t at;
    while ((at = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed)) < work->count)
        close_one(work, work->logs[at]);
}

static void close_with_threads(struct close_work *work)
{
    struct close_task tasks[CLOSE_THREADS];
    struct weir_task_pool *pool = NULL;
    size_t threads = work->count < CLOSE_THREADS ? work->count : CLOSE_THREADS;
    memset(tasks, 0, sizeof(tasks));
    if (threads > 1 &&
        weir_task_pool_new(work->manager->env, (unsigned)threads, &pool, NULL) == WEIR_OK) {
        for (size_t i = 0; i < threads; i++) {
            tasks[i].task.run = run_close;
            tasks[i].work = work;
            weir_task_pool_submit(pool, &tasks[i].task);
        }
        weir_task_pool_free(pool); /* when all have run */
    }
    /* One log, or no threads to be had: then all is left to this one. */
    tasks[0].work = work;
    run_close(&tasks[0].task);
}

/* Those of one directory, the copies of moves among them: a clean directory has nothing that is not
 * clean. */
static enum weir_status list_dir(struct close_work *work, size_t index)
{
    struct weir_log_replica *replicas = NULL;
    size_t count = 0;
    enum weir_status status = weir_log_manager_replicas(work->manager, &replicas, &count);
    if (status != WEIR_OK)
        return status;
    work->logs = weir_calloc(count + 1, sizeof(struct weir_partition_log *));
    for (size_t i = 0; work->logs != NULL && i < count; i++) {
        if (replicas[i].dir_index == index)
            work->logs[work->count++] = weir_partition_log_ref(replicas[i].log);
    }
    weir_log_replicas_free(replicas, count);
    return work->logs == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

static enum weir_status close_logs(struct weir_log_manager *manager, size_t index,
                                   struct weir_detail *detail)
{
    struct close_work work = {.manager = manager, .audit_bytes = CLOSE_AUDIT_BYTES};
    enum weir_status status = list_dir(&work, index);
    if (status != WEIR_OK)
        return status;
    /* The partitions' names, once for all of them. */
    status = weir_dir_sync(manager->env, manager->dirs[index].path, detail);
    weir_lock_init(&work.lock, WEIR_LOCK_RANK_LEAF);
    if (status == WEIR_OK)
        close_with_threads(&work);
    weir_lock_done(&work.lock);
    for (size_t i = 0; i < work.count; i++)
        weir_partition_log_unref(work.logs[i]);
    weir_free(work.logs);
    if (status == WEIR_OK && work.has_failed) {
        weir_detail_set(detail, "%s", work.first.text);
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    return status;
}

static enum weir_status close_dir(struct weir_log_manager *manager, size_t index,
                                  int64_t broker_epoch, bool may_be_clean,
                                  struct weir_detail *detail)
{
    struct weir_detail why = {{0}};
    if (manager->dirs[index].has_marker)
        return WEIR_OK; /* a start that went no further: nothing was changed */
    enum weir_status closed = close_logs(manager, index, &why);
    enum weir_status status = WEIR_OK;
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT && status == WEIR_OK; kind++)
        status =
            weir_log_manager_write_checkpoint(manager, index, (enum checkpoint_kind)kind, detail);
    for (int kind = 0; kind < CHECKPOINT_KIND_COUNT && status == WEIR_OK; kind++)
        status = verify_checkpoint(manager, index, (enum checkpoint_kind)kind, detail);
    if (status == WEIR_OK && closed != WEIR_OK) {
        weir_detail_set(detail, "%s", why.text);
        status = closed;
    }
    if (status == WEIR_OK && manager->dirs[index].has_unfinished) {
        weir_detail_set(detail, "a directory of a partition could not be removed or renamed");
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    if (status != WEIR_OK || !may_be_clean || !manager->dirs[index].is_loaded)
        return status;
    return weir_clean_marker_write(manager->env, manager->dirs[index].path, broker_epoch,
                                   detail); /* M2 */
}

enum weir_status weir_log_manager_close(struct weir_log_manager *manager, int64_t broker_epoch,
                                        bool metadata_closed_cleanly, struct weir_detail *detail)
{
    enum weir_status first = WEIR_OK;
    if (manager->is_closed)
        return WEIR_OK;
    manager->is_closed = true;
    for (size_t i = 0; i < manager->dir_count; i++) {
        struct weir_detail why = {{0}};
        if (atomic_load_explicit(&manager->dirs[i].is_offline, memory_order_relaxed))
            continue;
        enum weir_status status =
            close_dir(manager, i, broker_epoch,
                      i != manager->metadata_index || metadata_closed_cleanly, &why);
        if (status != WEIR_OK && first == WEIR_OK) {
            first = status;
            weir_detail_set(detail, "%s: %s", manager->dirs[i].path, why.text);
        }
    }
    return first;
}
