/* SPDX-License-Identifier: Apache-2.0 */

/* The checkpoints of each directory, and the periodic work over all logs. */

#include "log_manager_int.h"

#include "weir/base/memory.h"

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
    }
    return "";
}

/* False: the partition has no line in this checkpoint. */
static bool checkpoint_value(struct weir_partition_log *log, enum checkpoint_kind kind,
                             int64_t *out)
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
    }
    return false;
}

static void path_of(const struct weir_log_manager *manager, size_t dir_index,
                    enum checkpoint_kind kind, char out[WEIR_SEGMENT_PATH_BYTES])
{
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s/%s", manager->dirs[dir_index].path,
                   checkpoint_name(kind));
}

enum weir_status weir_log_manager_write_checkpoint(struct weir_log_manager *manager,
                                                   size_t dir_index, enum checkpoint_kind kind,
                                                   struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_offset_checkpoint checkpoint = {0};
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    enum weir_status status = weir_log_manager_list(manager, &logs, &count);
    if (status != WEIR_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        const struct weir_topic_partition *key = weir_partition_log_key(logs[i]);
        int64_t offset;
        if (status == WEIR_OK && weir_log_manager_dir_of(manager, key) == (int)dir_index &&
            checkpoint_value(logs[i], kind, &offset))
            status = weir_offset_checkpoint_add(&checkpoint, key, offset);
        weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
    path_of(manager, dir_index, kind, path);
    if (status == WEIR_OK)
        status = weir_offset_checkpoint_write(manager->env, path, &checkpoint, detail);
    weir_offset_checkpoint_done(&checkpoint);
    return status;
}

enum weir_status weir_log_manager_read_checkpoint(struct weir_log_manager *manager,
                                                  size_t dir_index, enum checkpoint_kind kind,
                                                  struct weir_offset_checkpoint *out)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_detail detail = {{0}};
    path_of(manager, dir_index, kind, path);
    enum weir_status status = weir_offset_checkpoint_read(manager->env, path, out, &detail);
    if (status == WEIR_CORRUPT) {
        /* Less knowledge, never wrong knowledge: recovery begins at 0, the log at its first
         * segment. */
        WEIR_LOG_WARN(manager->log, "checkpoint_ignored", WEIR_STR("path", path),
                      WEIR_STR("why", detail.text));
        return WEIR_OK;
    }
    if (status == WEIR_OK)
        weir_offset_checkpoint_sort(out);
    return status;
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

static void retain_one(struct weir_log_manager *manager, struct weir_partition_log *log,
                       void *context)
{
    struct weir_log_retention_result *sum = context;
    struct weir_log_retention_result result = {0};
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_partition_log_retain(log, &result, &detail);
    log_failure(manager, log, "retention_failed", status, &detail);
    sum->deleted_segments += result.deleted_segments;
    sum->deleted_bytes += result.deleted_bytes;
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
    bool is_active_due = weir_partition_log_is_flush_due(log);
    enum weir_status status = weir_partition_log_flush(log, is_active_due, &detail);
    log_failure(manager, log, "flush_failed", status, &detail);
}

void weir_log_manager_flush_due(struct weir_log_manager *manager)
{
    for_each_log(manager, flush_one, NULL);
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

/* --- Closing. --- */

struct close_context {
    size_t dir_index;
    bool has_failed;
    struct weir_detail first;
};

static void close_one(struct weir_log_manager *manager, struct weir_partition_log *log,
                      void *context)
{
    struct close_context *close = context;
    struct weir_detail detail = {{0}};
    if (weir_log_manager_dir_of(manager, weir_partition_log_key(log)) != (int)close->dir_index)
        return;
    enum weir_status status = weir_partition_log_close(log, &detail);
    log_failure(manager, log, "close_failed", status, &detail);
    if (status != WEIR_OK && !close->has_failed) {
        close->has_failed = true;
        close->first = detail;
    }
}

static enum weir_status close_dir(struct weir_log_manager *manager, size_t index,
                                  int64_t broker_epoch, bool may_be_clean,
                                  struct weir_detail *detail)
{
    struct close_context close = {.dir_index = index};
    for_each_log(manager, close_one, &close);
    enum weir_status status =
        weir_log_manager_write_checkpoint(manager, index, CHECKPOINT_RECOVERY_POINT, detail);
    if (status == WEIR_OK)
        status = weir_log_manager_write_checkpoint(manager, index, CHECKPOINT_LOG_START, detail);
    if (status == WEIR_OK)
        status =
            weir_log_manager_write_checkpoint(manager, index, CHECKPOINT_HIGH_WATERMARK, detail);
    if (status == WEIR_OK && close.has_failed) {
        weir_detail_set(detail, "%s", close.first.text);
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
            close_dir(manager, i, broker_epoch, i > 0 || metadata_closed_cleanly, &why);
        if (status != WEIR_OK && first == WEIR_OK) {
            first = status;
            weir_detail_set(detail, "%s: %s", manager->dirs[i].path, why.text);
        }
    }
    return first;
}
