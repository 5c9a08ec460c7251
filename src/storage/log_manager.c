/* SPDX-License-Identifier: Apache-2.0 */

/* The log directories of a node and the table of its partitions. */

#include "log_manager_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>

enum { FAULTS_SAID_EACH_SECOND = 10 };

/* --- Opening directories. --- */

static enum weir_status lock_dir(struct log_dir *dir, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_env *env = dir->manager->env;
    (void)snprintf(path, sizeof(path), "%s/.lock", dir->path);
    enum weir_status status = weir_file_open(
        env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, &dir->lock_file, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_lock(env, dir->lock_file, detail);
    if (status == WEIR_BUSY)
        weir_detail_set(detail,
                        "Failed to acquire lock on file .lock in %s. A Kafka instance in another "
                        "process or thread is "
                        "using this directory.",
                        dir->path);
    return status;
}

static enum weir_status check_properties(struct log_dir *dir,
                                         const struct weir_log_manager_options *options,
                                         const char *cluster_id, struct weir_detail *detail)
{
    struct weir_env *env = dir->manager->env;
    enum weir_status status = weir_meta_properties_read(env, dir->path, &dir->properties, detail);
    if (status == WEIR_NOT_FOUND) {
        weir_detail_set(detail, "%s", "");
        dir->properties.node_id = options->node_id;
        (void)snprintf(dir->properties.cluster_id, sizeof(dir->properties.cluster_id), "%s",
                       cluster_id);
        dir->properties.directory_id = weir_random_uuid(env);
        return weir_meta_properties_write(env, dir->path, &dir->properties, detail);
    }
    if (status != WEIR_OK)
        return status;
    if (strcmp(dir->properties.cluster_id, cluster_id) != 0) {
        weir_detail_set(detail, "%s belongs to cluster %s and not to %s", dir->path,
                        dir->properties.cluster_id, cluster_id);
        return WEIR_INCONSISTENT_CLUSTER_ID;
    }
    if (dir->properties.node_id != options->node_id) {
        weir_detail_set(detail, "%s belongs to node %d and not to %d", dir->path,
                        dir->properties.node_id, options->node_id);
        return WEIR_INVALID;
    }
    if (!weir_uuid_is_zero(dir->properties.directory_id))
        return WEIR_OK;
    dir->properties.directory_id = weir_random_uuid(env);
    return weir_meta_properties_write(env, dir->path, &dir->properties, detail);
}

/* M2: the marker's word is taken and the marker removed before anything is touched. */
static enum weir_status take_marker(struct log_dir *dir, struct weir_detail *detail)
{
    dir->previous_broker_epoch = -1;
    enum weir_status status =
        weir_clean_marker_read(dir->manager->env, dir->path, &dir->previous_broker_epoch, detail);
    if (status == WEIR_NOT_FOUND) {
        weir_detail_set(detail, "%s", "");
        return WEIR_OK;
    }
    dir->was_clean = status == WEIR_OK;
    return weir_clean_marker_remove(dir->manager->env, dir->path, detail);
}

/* The cluster id of the first directory that has one, the wanted one, or a new one. */
static void choose_cluster_id(const struct weir_log_manager_options *options,
                              char out[WEIR_CLUSTER_ID_BYTES])
{
    if (options->cluster_id != NULL) {
        (void)snprintf(out, WEIR_CLUSTER_ID_BYTES, "%s", options->cluster_id);
        return;
    }
    for (size_t i = 0; i < options->dir_count; i++) {
        struct weir_meta_properties properties;
        if (weir_meta_properties_read(options->env, options->dirs[i], &properties, NULL) ==
            WEIR_OK) {
            memcpy(out, properties.cluster_id, WEIR_CLUSTER_ID_BYTES);
            return;
        }
    }
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(weir_random_uuid(options->env), text);
    (void)snprintf(out, WEIR_CLUSTER_ID_BYTES, "%s", text);
}

static enum weir_status open_dir(struct log_dir *dir,
                                 const struct weir_log_manager_options *options,
                                 const char *cluster_id, struct weir_detail *detail)
{
    enum weir_status status = lock_dir(dir, detail);
    if (status == WEIR_OK)
        status = check_properties(dir, options, cluster_id, detail);
    return status == WEIR_OK ? take_marker(dir, detail) : status;
}

static enum weir_status open_dirs(struct weir_log_manager *manager,
                                  const struct weir_log_manager_options *options,
                                  struct weir_detail *detail)
{
    char cluster_id[WEIR_CLUSTER_ID_BYTES];
    manager->dirs = weir_calloc(options->dir_count, sizeof(manager->dirs[0]));
    if (manager->dirs == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < options->dir_count; i++) {
        struct log_dir *dir = &manager->dirs[i];
        dir->manager = manager;
        dir->path = weir_strdup(options->dirs[i]);
        manager->dir_count++;
        if (dir->path == NULL)
            return WEIR_NO_MEMORY;
        enum weir_status status = weir_dir_make_all_durably(options->env, dir->path, detail);
        if (status != WEIR_OK)
            return status;
    }
    choose_cluster_id(options, cluster_id);
    for (size_t i = 0; i < manager->dir_count; i++) {
        enum weir_status status = open_dir(&manager->dirs[i], options, cluster_id, detail);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

enum weir_status weir_log_manager_open(const struct weir_log_manager_options *options,
                                       struct weir_log_manager **out, struct weir_detail *detail)
{
    if (options->dir_count == 0) {
        weir_detail_set(detail, "no log directory is configured");
        return WEIR_INVALID;
    }
    struct weir_log_manager *manager = weir_calloc(1, sizeof(*manager));
    if (manager == NULL)
        return WEIR_NO_MEMORY;
    manager->env = options->env;
    manager->log = options->log;
    manager->defaults = options->defaults;
    manager->threads_per_dir =
        options->recovery_threads_per_dir == 0 ? 2 : options->recovery_threads_per_dir;
    manager->on_dir_failed = options->on_dir_failed;
    manager->context = options->context;
    weir_lock_init(&manager->lock, WEIR_LOCK_RANK_LOG_DIR);
    (void)pthread_cond_init(&manager->written,
                            NULL); /* cannot fail with default attributes on Linux */
    enum weir_status status = weir_file_reaper_new(manager->env, &manager->reaper);
    if (status == WEIR_OK)
        status = weir_segment_cache_new(options->open_segment_files_max,
                                        options->segment_index_bytes_max, &manager->cache);
    if (status == WEIR_OK)
        status = open_dirs(manager, options, detail);
    if (status != WEIR_OK) {
        weir_log_manager_free(manager);
        return status;
    }
    *out = manager;
    return WEIR_OK;
}

static void free_entries(struct weir_log_manager *manager)
{
    size_t cursor = 0;
    const struct weir_map_entry *item;
    while ((item = weir_map_next(&manager->logs, &cursor)) != NULL) {
        struct log_entry *entry = item->value;
        weir_partition_log_unref(entry->log);
        weir_free(entry);
    }
    weir_map_done(&manager->logs);
}

void weir_log_manager_free(struct weir_log_manager *manager)
{
    if (manager == NULL)
        return;
    free_entries(manager);
    for (size_t i = 0; i < manager->dir_count; i++) {
        weir_file_close(manager->env, manager->dirs[i].lock_file);
        weir_free(manager->dirs[i].path);
    }
    weir_free(manager->dirs);
    weir_segment_cache_free(manager->cache);
    weir_file_reaper_free(manager->reaper);
    (void)pthread_cond_destroy(&manager->written);
    weir_lock_done(&manager->lock);
    weir_free(manager);
}

/* --- Facts. --- */

const char *weir_log_manager_cluster_id(const struct weir_log_manager *manager)
{
    return manager->dirs[0].properties.cluster_id;
}

size_t weir_log_manager_dir_count(const struct weir_log_manager *manager)
{
    return manager->dir_count;
}

void weir_log_manager_dir(struct weir_log_manager *manager, size_t index,
                          struct weir_log_dir_info *out)
{
    const struct log_dir *dir = &manager->dirs[index];
    *out = (struct weir_log_dir_info){
        .path = dir->path,
        .directory_id = dir->properties.directory_id,
        .is_offline = atomic_load_explicit(&dir->is_offline, memory_order_relaxed),
        .was_clean = dir->was_clean,
        .previous_broker_epoch = dir->previous_broker_epoch};
}

int64_t weir_log_manager_previous_broker_epoch(struct weir_log_manager *manager)
{
    int64_t epoch = manager->dirs[0].previous_broker_epoch;
    for (size_t i = 0; i < manager->dir_count; i++) {
        if (!manager->dirs[i].was_clean || manager->dirs[i].previous_broker_epoch != epoch)
            return -1;
    }
    return epoch;
}

struct weir_file_reaper *weir_log_manager_reaper(struct weir_log_manager *manager)
{
    return manager->reaper;
}

/* --- Failed directories (M3). --- */

/* Called with the failed log's lock held: the others are failed by whoever reads the flag. */
static void on_log_failure(void *context, struct weir_partition_log *log,
                           const struct weir_detail *detail)
{
    struct log_dir *dir = context;
    struct weir_log_manager *manager = dir->manager;
    (void)log;
    if (!atomic_exchange_explicit(&dir->is_offline, true, memory_order_relaxed) &&
        manager->on_dir_failed != NULL)
        manager->on_dir_failed(manager->context, dir->path, dir->properties.directory_id, detail);
}

static void on_log_truncated(void *context, struct weir_partition_log *log)
{
    struct log_dir *dir = context;
    struct weir_detail detail = {{0}};
    size_t index = (size_t)(dir - dir->manager->dirs);
    enum weir_status status =
        weir_log_manager_write_checkpoint(dir->manager, index, CHECKPOINT_RECOVERY_POINT, &detail);
    if (status == WEIR_OK && weir_log_manager_lower_cleaner_offset(dir->manager, log))
        status =
            weir_log_manager_write_checkpoint(dir->manager, index, CHECKPOINT_CLEANER, &detail);
    if (status != WEIR_OK)
        weir_log_manager_dir_failed(dir, &detail);
}

void weir_log_manager_on_fault(void *context, struct weir_partition_log *log,
                               const struct weir_detail *fault)
{
    struct log_dir *dir = context;
    const struct weir_topic_partition *key = weir_partition_log_key(log);
    int64_t second = weir_env_monotonic_ms(dir->manager->env) / 1000;
    /* Two threads at the turn of a second may say a line more or less. */
    if (atomic_exchange_explicit(&dir->fault_second, second, memory_order_relaxed) != second)
        atomic_store_explicit(&dir->faults_said, 0, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&dir->faults_said, 1, memory_order_relaxed) >=
        FAULTS_SAID_EACH_SECOND)
        return;
    WEIR_LOG_WARN(dir->manager->log, "log_damage_found", WEIR_STR("topic", key->topic),
                  WEIR_I64("partition", key->partition), WEIR_STR("what", fault->text));
}

static void fail_logs_of(struct weir_log_manager *manager, size_t dir_index,
                         const struct weir_detail *why)
{
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    if (weir_log_manager_list(manager, &logs, &count) != WEIR_OK)
        return; /* they find out at their next write */
    for (size_t i = 0; i < count; i++) {
        if (weir_log_manager_dir_of(manager, weir_partition_log_key(logs[i])) == (int)dir_index)
            weir_partition_log_fail(logs[i], why);
        weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
}

void weir_log_manager_dir_failed(struct log_dir *dir, const struct weir_detail *detail)
{
    on_log_failure(dir, NULL, detail);
    fail_logs_of(dir->manager, (size_t)(dir - dir->manager->dirs), detail);
}

void weir_log_manager_fail_dir(struct weir_log_manager *manager, size_t index,
                               const struct weir_detail *why)
{
    weir_log_manager_dir_failed(&manager->dirs[index], why);
}

struct weir_partition_log_options
weir_log_manager_log_options(struct weir_log_manager *manager, size_t dir_index,
                             const struct weir_topic_partition *key,
                             const struct weir_log_config *config)
{
    struct weir_partition_log_options options = weir_partition_log_options_default();
    options.env = manager->env;
    options.key = *key;
    options.config = *config;
    options.reaper = manager->reaper;
    options.cache = manager->cache;
    options.on_failure = on_log_failure;
    options.on_truncated = on_log_truncated;
    options.on_fault = weir_log_manager_on_fault;
    options.context = &manager->dirs[dir_index];
    return options;
}

void weir_log_manager_metadata_options(struct weir_log_manager *manager,
                                       struct weir_partition_log_options *out, char out_dir[4096])
{
    struct weir_topic_partition key = {.topic = "__cluster_metadata", .partition = 0};
    *out = weir_log_manager_log_options(manager, 0, &key, &manager->defaults);
    (void)snprintf(out_dir, 4096, "%s/" WEIR_METADATA_LOG_DIR, manager->dirs[0].path);
    out->dir = out_dir;
    out->topic_id = weir_uuid_small(1);
}

/* --- The table. --- */

enum weir_status weir_log_manager_add(struct weir_log_manager *manager,
                                      struct weir_partition_log *take_log, size_t dir_index,
                                      int64_t cleaned_offset)
{
    struct log_entry *entry = weir_calloc(1, sizeof(*entry));
    if (entry == NULL)
        return WEIR_NO_MEMORY;
    memcpy(&entry->key, weir_partition_log_key(take_log), sizeof(entry->key));
    entry->log = take_log;
    entry->dir_index = dir_index;
    entry->cleaned_offset = cleaned_offset;
    weir_lock_take(&manager->lock);
    enum weir_status status = weir_map_get(&manager->logs, WEIR_KEY(entry->key)) != NULL
                                  ? WEIR_EXISTS
                                  : weir_map_put(&manager->logs, WEIR_KEY(entry->key), entry, NULL);
    weir_lock_release(&manager->lock);
    if (status != WEIR_OK)
        weir_free(entry);
    return status;
}

struct weir_partition_log *weir_log_manager_get(struct weir_log_manager *manager,
                                                const struct weir_topic_partition *key)
{
    weir_lock_take(&manager->lock);
    struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*key));
    struct weir_partition_log *log = entry == NULL ? NULL : weir_partition_log_ref(entry->log);
    weir_lock_release(&manager->lock);
    return log;
}

int weir_log_manager_dir_of(struct weir_log_manager *manager,
                            const struct weir_topic_partition *key)
{
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*key));
    int index = entry == NULL ? -1 : (int)entry->dir_index;
    weir_lock_release(&manager->lock);
    return index;
}

size_t weir_log_manager_count(struct weir_log_manager *manager)
{
    weir_lock_take(&manager->lock);
    size_t count = manager->logs.count;
    weir_lock_release(&manager->lock);
    return count;
}

enum weir_status weir_log_manager_list(struct weir_log_manager *manager,
                                       struct weir_partition_log ***out, size_t *out_count)
{
    weir_lock_take(&manager->lock);
    size_t count = manager->logs.count;
    struct weir_partition_log **logs = weir_calloc(count + 1, sizeof(struct weir_partition_log *));
    size_t cursor = 0;
    for (size_t i = 0; logs != NULL && i < count; i++) {
        const struct log_entry *entry = weir_map_next(&manager->logs, &cursor)->value;
        logs[i] = weir_partition_log_ref(entry->log);
    }
    weir_lock_release(&manager->lock);
    if (logs == NULL)
        return WEIR_NO_MEMORY;
    *out = logs;
    *out_count = count;
    return WEIR_OK;
}

/* --- Creating and deleting. --- */

static bool is_online(const struct log_dir *dir)
{
    return !atomic_load_explicit(&((struct log_dir *)(uintptr_t)dir)->is_offline,
                                 memory_order_relaxed);
}

/* The online directory with the fewest partitions; dir_count when there is none. */
static enum weir_status choose_dir(struct weir_log_manager *manager, size_t *out)
{
    size_t *counts = weir_calloc(manager->dir_count, sizeof(counts[0]));
    if (counts == NULL)
        return WEIR_NO_MEMORY;
    size_t cursor = 0;
    const struct weir_map_entry *item;
    weir_lock_take(&manager->lock);
    while ((item = weir_map_next(&manager->logs, &cursor)) != NULL)
        counts[((const struct log_entry *)item->value)->dir_index]++;
    weir_lock_release(&manager->lock);
    size_t chosen = manager->dir_count;
    for (size_t i = 0; i < manager->dir_count; i++) {
        if (is_online(&manager->dirs[i]) &&
            (chosen == manager->dir_count || counts[i] < counts[chosen]))
            chosen = i;
    }
    weir_free(counts);
    if (chosen == manager->dir_count)
        return WEIR_KAFKA_STORAGE_ERROR;
    *out = chosen;
    return WEIR_OK;
}

static enum weir_status use_existing(struct weir_partition_log *log, struct weir_uuid topic_id,
                                     struct weir_detail *detail)
{
    if (weir_uuid_is_zero(topic_id))
        return WEIR_OK;
    enum weir_status status = weir_partition_log_set_topic_id(log, topic_id);
    if (status != WEIR_OK) {
        const struct weir_topic_partition *key = weir_partition_log_key(log);
        weir_detail_set(detail, "%s-%d is there with another topic id", key->topic, key->partition);
    }
    return status;
}

static enum weir_status open_new(struct weir_log_manager *manager,
                                 const struct weir_topic_partition *key, struct weir_uuid topic_id,
                                 const struct weir_log_config *config,
                                 struct weir_partition_log **out, struct weir_detail *detail)
{
    char name[WEIR_PARTITION_DIR_BYTES];
    char path[WEIR_SEGMENT_PATH_BYTES];
    size_t dir_index = 0;
    enum weir_status status = choose_dir(manager, &dir_index);
    if (status != WEIR_OK) {
        weir_detail_set(detail, "no log directory is online");
        return status;
    }
    struct weir_partition_log_options options =
        weir_log_manager_log_options(manager, dir_index, key, config);
    weir_partition_dir_name(key, name);
    (void)snprintf(path, sizeof(path), "%s/%s", manager->dirs[dir_index].path, name);
    options.dir = path;
    options.topic_id = topic_id;
    struct weir_partition_log *log = NULL;
    status = weir_partition_log_open(&options, &log, NULL, detail);
    if (status != WEIR_OK)
        return status;
    /* Before anything else: without it the next start takes the directory for a stray (trap 5). */
    status = weir_partition_log_write_metadata(log, detail);
    if (status == WEIR_OK)
        status = weir_log_manager_add(manager, log, dir_index, -1);
    if (status != WEIR_OK) {
        weir_partition_log_unref(log);
        return status;
    }
    *out = weir_partition_log_ref(log);
    return WEIR_OK;
}

enum weir_status
weir_log_manager_create(struct weir_log_manager *manager, const struct weir_topic_partition *key,
                        struct weir_uuid topic_id, const struct weir_log_config *config,
                        struct weir_partition_log **out, struct weir_detail *detail)
{
    struct weir_partition_log *log = weir_log_manager_get(manager, key);
    enum weir_status status;
    if (log == NULL)
        return open_new(manager, key, topic_id, config == NULL ? &manager->defaults : config, out,
                        detail);
    status = use_existing(log, topic_id, detail);
    if (status != WEIR_OK) {
        weir_partition_log_unref(log);
        return status;
    }
    *out = log;
    return WEIR_OK;
}

enum weir_status weir_log_manager_delete(struct weir_log_manager *manager,
                                         const struct weir_topic_partition *key,
                                         struct weir_detail *detail)
{
    weir_lock_take(&manager->lock);
    struct log_entry *entry;
    while ((entry = weir_map_get(&manager->logs, WEIR_KEY(*key))) != NULL && entry->is_cleaning) {
        entry->may_not_clean = true;
        (void)pthread_cond_wait(&manager->written,
                                &manager->lock.mutex); /* fails only for a mutex that is not ours */
    }
    (void)weir_map_remove(&manager->logs, WEIR_KEY(*key));
    weir_lock_release(&manager->lock);
    if (entry == NULL)
        return WEIR_NOT_FOUND;
    char dir[4096];
    struct weir_log_config config;
    enum weir_status status = weir_partition_log_rename_for_delete(entry->log, detail);
    if (status == WEIR_OK) {
        weir_partition_log_dir(entry->log, dir);
        weir_partition_log_config(entry->log, &config);
        status =
            weir_file_reaper_add(manager->reaper, dir, true,
                                 weir_env_monotonic_ms(manager->env) + config.file_delete_delay_ms);
        if (status == WEIR_NO_MEMORY)
            status = WEIR_OK; /* the next start removes it */
    } else if (status == WEIR_IO_ERROR) {
        weir_log_manager_dir_failed(&manager->dirs[entry->dir_index], detail);
    }
    weir_partition_log_unref(entry->log);
    weir_free(entry);
    return status;
}
