/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Loading all partitions, several threads a directory.  A directory whose partition cannot be
 * loaded goes offline and the others go on (M3); a partition that is not this node's is renamed
 * "-stray" and kept.
 */

#include "log_int.h"
#include "log_manager_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/task_pool.h"
#include "weir/storage/partition_metadata.h"

#include <stdio.h>

struct load {
    struct weir_log_manager *manager;
    const struct weir_log_manager_load_options *options;
    atomic_size_t partitions;
    atomic_size_t recovered;
    atomic_size_t strays;
    atomic_bool has_kept_hole; /* see struct weir_partition_log_recovery */
    _Atomic uint64_t scanned_bytes;
    _Atomic uint64_t cut_bytes;

    /* Progress.  What is to be scanned is known from recovery points and file sizes. */
    int64_t began_ms;
    _Atomic int64_t next_report_ms;
    atomic_size_t partitions_wanted;
    atomic_size_t partitions_done;
    _Atomic uint64_t bytes_wanted;
    _Atomic uint64_t bytes_done;
};

/* What is known of one directory before its partitions are opened; read only while the tasks run.
 */
struct dir_load {
    struct load *load;
    size_t index;
    struct weir_offset_checkpoint recovery_points;
    bool recovery_points_are_lost; /* though the stop was clean */
    struct weir_offset_checkpoint log_starts;
    bool log_starts_are_lost; /* though the stop was clean */
    struct weir_offset_checkpoint high_watermarks;
    struct weir_offset_checkpoint cleaned;
    struct weir_task_pool *pool;
    char **names;
    size_t count;
    size_t capacity;
    enum weir_status status; /* of the listing */
};

struct load_task {
    struct weir_task task;
    struct dir_load *dir;
    bool is_future;
    struct weir_topic_partition key;
    uint64_t bytes_wanted;
    uint64_t bytes_done;
    struct weir_uuid restored_id; /* what partition.metadata must have said; zero: it is there */
    char path[WEIR_SEGMENT_PATH_BYTES];
};

/* --- Progress. --- */

/* Called by all the threads; the one that finds a report due writes it. */
static void maybe_report(struct load *load)
{
    int64_t now_ms = weir_env_monotonic_ms(load->manager->env);
    int64_t due_ms = atomic_load_explicit(&load->next_report_ms, memory_order_relaxed);
    if (now_ms < due_ms || !atomic_compare_exchange_strong_explicit(
                               &load->next_report_ms, &due_ms, now_ms + WEIR_LOAD_REPORT_MS,
                               memory_order_relaxed, memory_order_relaxed))
        return;
    double partitions = (double)atomic_load(&load->partitions_wanted);
    double partitions_done = (double)atomic_load(&load->partitions_done);
    double bytes = (double)atomic_load(&load->bytes_wanted);
    double bytes_done = (double)atomic_load(&load->bytes_done);
    /* Bytes take the time, unless there are none to scan. */
    double part = bytes_done > 0 ? bytes_done / bytes : partitions_done / partitions;
    double took_s = (double)(now_ms - load->began_ms) / 1000.0;
    double left_s = part > 0 && part <= 1 ? took_s / part - took_s : 0;
    WEIR_LOG_INFO(
        load->manager->log, "logs_loading", WEIR_I64("partitions_done", (int64_t)partitions_done),
        WEIR_I64("partitions", (int64_t)partitions), WEIR_I64("bytes_done", (int64_t)bytes_done),
        WEIR_I64("bytes", (int64_t)bytes), WEIR_I64("seconds", (int64_t)took_s),
        WEIR_I64("seconds_left", (int64_t)(left_s + 0.5)));
}

static void on_scanned(void *context, uint64_t bytes)
{
    struct load_task *task = context;
    /* A segment that is scanned though nobody expected it does not bring done above wanted. */
    uint64_t left = task->bytes_wanted - task->bytes_done;
    uint64_t counted = bytes < left ? bytes : left;
    task->bytes_done += counted;
    atomic_fetch_add_explicit(&task->dir->load->bytes_done, counted, memory_order_relaxed);
    maybe_report(task->dir->load);
}

/* --- One partition. --- */

static int64_t lookup(const struct weir_offset_checkpoint *checkpoint,
                      const struct weir_topic_partition *key)
{
    int64_t offset = 0;
    return weir_offset_checkpoint_find(checkpoint, key, &offset) && offset > 0 ? offset : 0;
}

static enum weir_status make_stray(struct load_task *task, struct weir_uuid topic_id,
                                   struct weir_detail *detail)
{
    struct weir_log_manager *manager = task->dir->load->manager;
    char id[WEIR_UUID_TEXT_BYTES];
    char name[WEIR_PARTITION_DIR_BYTES];
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_uuid unique;
    weir_env_random(manager->env, unique.bytes, sizeof(unique.bytes));
    weir_partition_dir_name_of_kind(&task->key, WEIR_PARTITION_DIR_STRAY, unique, name);
    (void)snprintf(path, sizeof(path), "%s/%s", manager->dirs[task->dir->index].path, name);
    enum weir_status status = weir_path_rename(manager->env, task->path, path, detail);
    if (status == WEIR_OK) {
        atomic_fetch_add_explicit(&task->dir->load->strays, 1, memory_order_relaxed);
        weir_uuid_format(topic_id, id);
        WEIR_LOG_WARN(manager->log, "partition_is_stray", WEIR_STR("dir", task->path),
                      WEIR_STR("renamed", path),
                      WEIR_STR("topic_id", weir_uuid_is_zero(topic_id) ? "unknown" : id),
                      WEIR_STR("why", "the metadata gives this node no partition of that topic id"),
                      WEIR_STR("next", "its files are kept and not served"));
    }
    return status;
}

static void tell_recovery(struct load_task *task, struct weir_partition_log *log,
                          const struct weir_partition_log_recovery *recovery)
{
    struct load *load = task->dir->load;
    atomic_fetch_add_explicit(&load->partitions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->scanned_bytes, recovery->scanned_bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->cut_bytes, recovery->cut_bytes, memory_order_relaxed);
    if (recovery->was_recovered)
        atomic_fetch_add_explicit(&load->recovered, 1, memory_order_relaxed);
    if (recovery->leftover_files > 0)
        WEIR_LOG_INFO(load->manager->log, "log_leftovers", WEIR_STR("dir", task->path),
                      WEIR_I64("files", recovery->leftover_files),
                      WEIR_STR("what", recovery->finished_compaction
                                           ? "an interrupted compaction was finished"
                                           : "files of a deletion or an interrupted compaction "
                                             "were removed"));
    if (recovery->note.text[0] != '\0')
        WEIR_LOG_WARN(load->manager->log, "log_repaired", WEIR_STR("dir", task->path),
                      WEIR_I64("cut_bytes", recovery->cut_bytes),
                      WEIR_I64("log_end_offset", weir_partition_log_end_offset(log)),
                      WEIR_STR("why", recovery->note.text));
}

/* Trap 5.  Apache Kafka sets such a partition aside and goes on with an empty one. */
static enum weir_status restore_metadata(struct load_task *task, struct weir_partition_log *log,
                                         struct weir_detail *detail)
{
    char id[WEIR_UUID_TEXT_BYTES];
    enum weir_status status = weir_partition_log_write_metadata(log, detail);
    weir_uuid_format(task->restored_id, id);
    if (status == WEIR_OK)
        WEIR_LOG_WARN(task->dir->load->manager->log, "partition_metadata_restored",
                      WEIR_STR("file", "partition.metadata"), WEIR_STR("dir", task->path),
                      WEIR_STR("topic_id", id));
    return status;
}

static struct weir_log_config config_of(const struct load *load,
                                        const struct weir_topic_partition *key)
{
    struct weir_log_config config = load->manager->defaults;
    if (load->options->config != NULL)
        load->options->config(load->options->context, key, &config);
    return config;
}

/* Whoever stops cleanly notes the recovery points of all its logs.  One that is not among them was
 * not there: a power loss may bring a directory back whose name was given up just before. */
static bool was_clean(const struct dir_load *dir, const struct weir_topic_partition *key)
{
    int64_t offset;
    return dir->load->manager->dirs[dir->index].was_clean &&
           (dir->recovery_points_are_lost ||
            weir_offset_checkpoint_find(&dir->recovery_points, key, &offset));
}

static enum weir_status open_partition(struct load_task *task, struct weir_detail *detail)
{
    const struct dir_load *dir = task->dir;
    struct weir_log_manager *manager = dir->load->manager;
    struct weir_log_config config = config_of(dir->load, &task->key);
    struct weir_partition_log_options options =
        weir_log_manager_log_options(manager, dir->index, &task->key, &config);
    options.dir = task->path;
    options.topic_id = task->restored_id;
    options.recovery_point = lookup(&dir->recovery_points, &task->key);
    options.log_start_offset = lookup(&dir->log_starts, &task->key);
    options.log_start_is_unknown = dir->log_starts_are_lost;
    options.high_watermark = lookup(&dir->high_watermarks, &task->key);
    options.was_clean = was_clean(dir, &task->key);
    int64_t cleaned_offset = -1;
    if (weir_offset_checkpoint_find(&dir->cleaned, &task->key, &cleaned_offset) &&
        cleaned_offset < 0)
        cleaned_offset = -1;
    options.cleaned_to = cleaned_offset;
    options.on_scanned = on_scanned;
    options.scan_context = task;
    struct weir_partition_log_recovery recovery;
    struct weir_partition_log *log = NULL;
    enum weir_status status = weir_partition_log_open(&options, &log, &recovery, detail);
    if (status != WEIR_OK)
        return status;
    tell_recovery(task, log, &recovery);
    if (recovery.has_kept_hole) {
        atomic_store_explicit(&dir->load->has_kept_hole, true, memory_order_relaxed);
        status = weir_partition_log_flush(log, false, detail);
    }
    if (status == WEIR_OK && !weir_uuid_is_zero(task->restored_id))
        status = restore_metadata(task, log, detail);
    if (status == WEIR_OK)
        status = task->is_future ? WEIR_EXISTS
                                 : weir_log_manager_add(manager, log, dir->index, cleaned_offset);
    if (status == WEIR_EXISTS) /* which one counts is decided when all are there */
        status =
            weir_log_manager_add_second(manager, log, dir->index, cleaned_offset, task->is_future);
    if (status != WEIR_OK)
        weir_partition_log_unref(log);
    return status;
}

static enum weir_status load_partition(struct load_task *task, struct weir_detail *detail)
{
    const struct load *load = task->dir->load;
    struct weir_log_manager *manager = load->manager;
    struct weir_uuid topic_id = {{0}};
    enum weir_status status =
        weir_partition_metadata_read(manager->env, task->path, &topic_id, detail);
    if (status != WEIR_OK && status != WEIR_NOT_FOUND)
        return status;
    weir_detail_set(detail, "%s", "");
    struct weir_uuid directory_id = manager->dirs[task->dir->index].properties.directory_id;
    if (status == WEIR_NOT_FOUND && load->options->topic_id != NULL && !task->is_future) {
        topic_id = load->options->topic_id(load->options->context, &task->key, directory_id);
        task->restored_id = topic_id;
    }
    if (load->options->belongs != NULL &&
        !load->options->belongs(load->options->context, &task->key, topic_id, directory_id))
        return make_stray(task, topic_id, detail);
    return open_partition(task, detail);
}

static void run_task(struct weir_task *base)
{
    struct load_task *task = (struct load_task *)base;
    struct weir_log_manager *manager = task->dir->load->manager;
    struct log_dir *dir = &manager->dirs[task->dir->index];
    struct weir_detail detail = {{0}};
    if (!atomic_load_explicit(&dir->is_offline, memory_order_relaxed)) {
        enum weir_status status = load_partition(task, &detail);
        if (status != WEIR_OK) {
            weir_detail_prefix(&detail, "%s", task->path);
            WEIR_LOG_ERROR(manager->log, "log_not_loaded", WEIR_STR("dir", task->path),
                           WEIR_STR("status", weir_status_name(status)),
                           WEIR_STR("why", detail.text));
            weir_log_manager_dir_failed(dir, &detail);
        }
    }
    atomic_fetch_add_explicit(&task->dir->load->partitions_done, 1, memory_order_relaxed);
    on_scanned(task, UINT64_MAX); /* what is left of it */
    weir_free(task);
}

/* --- One directory. --- */

static enum weir_status on_name(void *context, const char *name)
{
    struct dir_load *dir = context;
    char **names = weir_grow(dir->names, &dir->capacity, dir->count + 1, sizeof(dir->names[0]));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    dir->names = names;
    names[dir->count] = weir_strdup(name);
    if (names[dir->count] == NULL)
        return WEIR_NO_MEMORY;
    dir->count++;
    return WEIR_OK;
}

static enum weir_status submit(struct dir_load *dir, const struct weir_topic_partition *key,
                               bool is_future, const char *path)
{
    struct load_task *task = weir_calloc(1, sizeof(*task));
    if (task == NULL)
        return WEIR_NO_MEMORY;
    task->task.run = run_task;
    task->dir = dir;
    task->is_future = is_future;
    memcpy(&task->key, key, sizeof(task->key));
    (void)snprintf(task->path, sizeof(task->path), "%s", path);
    struct load *load = dir->load;
    if (!load->manager->dirs[dir->index].was_clean)
        task->bytes_wanted =
            weir_log_dir_bytes_from(load->manager->env, path, lookup(&dir->recovery_points, key));
    atomic_fetch_add_explicit(&load->bytes_wanted, task->bytes_wanted, memory_order_relaxed);
    atomic_fetch_add_explicit(&load->partitions_wanted, 1, memory_order_relaxed);
    weir_task_pool_submit(dir->pool, &task->task);
    return WEIR_OK;
}

static enum weir_status load_name(struct dir_load *dir, const char *name,
                                  struct weir_detail *detail)
{
    struct weir_log_manager *manager = dir->load->manager;
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_file_info info;
    struct weir_topic_partition key;
    enum weir_partition_dir_kind kind;
    if (strcmp(name, WEIR_METADATA_LOG_DIR) == 0 ||
        weir_partition_dir_parse(weir_slice_str(name), &key, &kind) != WEIR_OK)
        return WEIR_OK;
    (void)snprintf(path, sizeof(path), "%s/%s", manager->dirs[dir->index].path, name);
    enum weir_status status = weir_path_info(manager->env, path, &info, detail);
    if (status != WEIR_OK || !info.is_directory)
        return status == WEIR_NOT_FOUND ? WEIR_OK : status;
    switch (kind) {
    case WEIR_PARTITION_DIR_CURRENT:
    case WEIR_PARTITION_DIR_FUTURE:
        return submit(dir, &key, kind == WEIR_PARTITION_DIR_FUTURE, path);
    case WEIR_PARTITION_DIR_DELETE:
        return weir_file_reaper_add(manager->reaper, path, true,
                                    weir_env_monotonic_ms(manager->env) +
                                        config_of(dir->load, &key).file_delete_delay_ms);
    case WEIR_PARTITION_DIR_STRAY:
        return WEIR_OK; /* kept, not served */
    }
    return WEIR_OK;
}

/* What can refuse a start comes first; then the marker goes (M2), and the rest may change things. */
static enum weir_status begin_dir(struct dir_load *dir, struct weir_detail *detail)
{
    struct weir_log_manager *manager = dir->load->manager;
    enum weir_status status =
        weir_dir_list(manager->env, manager->dirs[dir->index].path, on_name, dir, detail);
    if (status == WEIR_OK)
        status = weir_log_manager_read_checkpoint(manager, dir->index, CHECKPOINT_RECOVERY_POINT,
                                                  &dir->recovery_points,
                                                  &dir->recovery_points_are_lost);
    if (status == WEIR_OK)
        status = weir_log_manager_read_checkpoint(manager, dir->index, CHECKPOINT_LOG_START,
                                                  &dir->log_starts, &dir->log_starts_are_lost);
    if (status == WEIR_OK)
        status = weir_log_manager_read_checkpoint(manager, dir->index, CHECKPOINT_HIGH_WATERMARK,
                                                  &dir->high_watermarks, NULL);
    if (status == WEIR_OK)
        status = weir_log_manager_read_checkpoint(manager, dir->index, CHECKPOINT_CLEANER,
                                                  &dir->cleaned, NULL);
    const struct log_dir *of = &manager->dirs[dir->index];
    for (size_t i = 0; i < dir->count && status == WEIR_OK; i++)
        status = weir_log_manager_check_name(manager, of->path, dir->names[i], detail);
    return status;
}

/* All directories, before the first partition of one is opened. */
static enum weir_status begin_dirs(struct load *load, struct dir_load *dirs,
                                   struct weir_detail *detail)
{
    struct weir_log_manager *manager = load->manager;
    enum weir_status status = WEIR_OK;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < manager->dir_count && status == WEIR_OK; i++) {
            dirs[i].load = load;
            dirs[i].index = i;
            if (!weir_log_manager_is_online(&manager->dirs[i]))
                continue;
            status = round == 0 ? begin_dir(&dirs[i], detail)
                                : weir_log_manager_remove_marker(&manager->dirs[i], detail);
            if (status == WEIR_IO_ERROR) {
                weir_log_manager_dir_failed(&manager->dirs[i], detail);
                status = WEIR_OK;
            }
        }
    }
    return status;
}

static void done_dir(struct dir_load *dir)
{
    for (size_t i = 0; i < dir->count; i++)
        weir_free(dir->names[i]);
    weir_free(dir->names);
    weir_offset_checkpoint_done(&dir->recovery_points);
    weir_offset_checkpoint_done(&dir->log_starts);
    weir_offset_checkpoint_done(&dir->high_watermarks);
    weir_offset_checkpoint_done(&dir->cleaned);
}

/* Each directory has its own threads, so a slow one does not hold the others up. */
static enum weir_status load_dirs(struct load *load, struct dir_load *dirs,
                                  struct weir_detail *detail)
{
    struct weir_log_manager *manager = load->manager;
    enum weir_status status = begin_dirs(load, dirs, detail);
    for (size_t i = 0; i < manager->dir_count && status == WEIR_OK; i++) {
        if (!weir_log_manager_is_online(&manager->dirs[i]))
            continue;
        if (dirs[i].count > 0)
            status =
                weir_task_pool_new(manager->env, manager->threads_per_dir, &dirs[i].pool, detail);
        for (size_t n = 0; n < dirs[i].count && status == WEIR_OK; n++)
            status = load_name(&dirs[i], dirs[i].names[n], detail);
    }
    for (size_t i = 0; i < manager->dir_count; i++) {
        if (dirs[i].pool != NULL)
            weir_task_pool_free(dirs[i].pool); /* runs what was submitted to its end */
    }
    if (status == WEIR_OK)
        status = weir_log_manager_settle_seconds(manager, load->options, detail);
    for (size_t i = 0; i < manager->dir_count && status == WEIR_OK; i++)
        manager->dirs[i].is_loaded =
            !atomic_load_explicit(&manager->dirs[i].is_offline, memory_order_relaxed);
    return status;
}

enum weir_status weir_log_manager_load(struct weir_log_manager *manager,
                                       const struct weir_log_manager_load_options *options,
                                       struct weir_log_manager_load_result *out,
                                       struct weir_detail *detail)
{
    struct load load = {.manager = manager, .options = options};
    load.began_ms = weir_env_monotonic_ms(manager->env);
    load.next_report_ms = load.began_ms + WEIR_LOAD_REPORT_MS;
    struct dir_load *dirs = weir_calloc(manager->dir_count, sizeof(dirs[0]));
    if (dirs == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = load_dirs(&load, dirs, detail);
    for (size_t i = 0; i < manager->dir_count; i++)
        done_dir(&dirs[i]);
    weir_free(dirs);
    if (status != WEIR_OK)
        return status;
    if (atomic_load_explicit(&load.has_kept_hole, memory_order_relaxed))
        weir_log_manager_checkpoint_recovery_points(manager);
    *out = (struct weir_log_manager_load_result){
        .partition_count = load.partitions,
        .recovered_count = load.recovered,
        .stray_count = load.strays,
        .scanned_bytes = load.scanned_bytes,
        .cut_bytes = load.cut_bytes,
    };
    return WEIR_OK;
}
