/* SPDX-License-Identifier: Apache-2.0 */

/* The log directories of a node and the table of its partitions. */

#include "log_manager_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>

enum { FAULTS_SAID_EACH_SECOND = 10 };

/* --- Life. --- */

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
    manager->free_percent_min = options->free_percent_min;
    manager->context = options->context;
    weir_list_init(&manager->preferred);
    weir_list_init(&manager->busy_keys);
    weir_lock_init(&manager->lock, WEIR_LOCK_RANK_LOG_DIR);
    (void)pthread_cond_init(&manager->written,
                            NULL); /* cannot fail with default attributes on Linux */
    enum weir_status status = weir_file_reaper_new(manager->env, &manager->reaper);
    if (status == WEIR_OK)
        status = weir_segment_cache_new(options->open_segment_files_max,
                                        options->segment_index_bytes_max, &manager->cache);
    if (status == WEIR_OK)
        status = weir_log_manager_open_dirs(manager, options, detail);
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
        weir_partition_log_unref(entry->future);
        weir_free(entry);
    }
    weir_map_done(&manager->logs);
}

void weir_log_manager_free(struct weir_log_manager *manager)
{
    if (manager == NULL)
        return;
    free_entries(manager);
    weir_log_manager_free_seconds(manager);
    weir_log_manager_close_dirs(manager);
    weir_segment_cache_free(manager->cache);
    weir_file_reaper_free(manager->reaper);
    (void)pthread_cond_destroy(&manager->written);
    weir_lock_done(&manager->lock);
    weir_free(manager);
}

/* --- Options of a log. --- */

struct weir_file_reaper *weir_log_manager_reaper(struct weir_log_manager *manager)
{
    return manager->reaper;
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
    options.on_failure = weir_log_manager_on_log_failure;
    options.on_truncated = on_log_truncated;
    options.on_fault = weir_log_manager_on_fault;
    options.context = &manager->dirs[dir_index];
    options.is_disk_nearly_full = &manager->dirs[dir_index].space.is_nearly_full;
    return options;
}

void weir_log_manager_metadata_options(struct weir_log_manager *manager,
                                       struct weir_partition_log_options *out, char out_dir[4096])
{
    struct weir_topic_partition key = {.topic = "__cluster_metadata", .partition = 0};
    bool is_log_dir = manager->metadata_index < manager->dir_count;
    size_t index = is_log_dir ? manager->metadata_index : 0;
    *out = weir_log_manager_log_options(manager, index, &key, &manager->defaults);
    (void)snprintf(out_dir, 4096, "%s/" WEIR_METADATA_LOG_DIR,
                   is_log_dir ? manager->dirs[index].path : manager->metadata_dir);
    if (!is_log_dir) {
        out->on_failure = NULL; /* it is in none of ours */
        out->on_truncated = NULL;
    }
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

bool weir_log_manager_is_moving(struct weir_log_manager *manager,
                                const struct weir_topic_partition *key)
{
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*key));
    bool is_moving = entry != NULL && entry->future != NULL;
    weir_lock_release(&manager->lock);
    return is_moving;
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

static void add_replica(struct weir_log_replica *replicas, size_t *count,
                        struct weir_partition_log *log, size_t dir_index, bool is_future)
{
    replicas[(*count)++] = (struct weir_log_replica){
        .log = weir_partition_log_ref(log), .dir_index = dir_index, .is_future = is_future};
}

enum weir_status weir_log_manager_replicas(struct weir_log_manager *manager,
                                           struct weir_log_replica **out, size_t *out_count)
{
    size_t count = 0;
    size_t cursor = 0;
    const struct weir_map_entry *item;
    weir_lock_take(&manager->lock);
    struct weir_log_replica *replicas =
        weir_calloc(manager->logs.count * 2 + manager->second_count + 1, sizeof(replicas[0]));
    while (replicas != NULL && (item = weir_map_next(&manager->logs, &cursor)) != NULL) {
        const struct log_entry *entry = item->value;
        add_replica(replicas, &count, entry->log, entry->dir_index, false);
        if (entry->future != NULL)
            add_replica(replicas, &count, entry->future, entry->future_dir_index, true);
    }
    for (size_t i = 0; replicas != NULL && i < manager->second_count; i++)
        add_replica(replicas, &count, manager->seconds[i].log, manager->seconds[i].dir_index, true);
    weir_lock_release(&manager->lock);
    if (replicas == NULL)
        return WEIR_NO_MEMORY;
    *out = replicas;
    *out_count = count;
    return WEIR_OK;
}

void weir_log_replicas_free(struct weir_log_replica *replicas, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weir_partition_log_unref(replicas[i].log);
    weir_free(replicas);
}

/* --- Creating and deleting. --- */

static bool is_busy(struct weir_log_manager *manager, const struct weir_topic_partition *key)
{
    WEIR_LIST_FOREACH(node, &manager->busy_keys) {
        if (weir_topic_partition_equal(WEIR_LIST_ENTRY(node, struct busy_key, node)->key, key))
            return true;
    }
    return false;
}

/* The lock is held.  Two threads never have one partition's directory under their hands: else both
 * would open a new one, or one would open what the other renames. */
static void await_key(struct weir_log_manager *manager, const struct weir_topic_partition *key)
{
    while (is_busy(manager, key))
        (void)pthread_cond_wait(&manager->written,
                                &manager->lock.mutex); /* fails only for a mutex that is not ours */
}

static void end_busy(struct weir_log_manager *manager, struct busy_key *busy)
{
    weir_lock_take(&manager->lock);
    weir_list_remove(&busy->node);
    (void)pthread_cond_broadcast(&manager->written); /* cannot fail on an initialised one */
    weir_lock_release(&manager->lock);
}

/* The online directory with the fewest partitions, moves towards it and creations under way
 * counted. It counts as one more until end_creating. */
static enum weir_status begin_creating(struct weir_log_manager *manager, size_t *out)
{
    size_t *counts = weir_calloc(manager->dir_count, sizeof(counts[0]));
    if (counts == NULL)
        return WEIR_NO_MEMORY;
    size_t cursor = 0;
    const struct weir_map_entry *item;
    weir_lock_take(&manager->lock);
    while ((item = weir_map_next(&manager->logs, &cursor)) != NULL) {
        const struct log_entry *entry = item->value;
        counts[entry->dir_index]++;
        if (entry->future != NULL)
            counts[entry->future_dir_index]++;
    }
    size_t chosen = SIZE_MAX;
    for (size_t i = 0; i < manager->dir_count; i++) {
        counts[i] += manager->dirs[i].creating_count;
        if (weir_log_manager_is_online(&manager->dirs[i]) &&
            (chosen == SIZE_MAX || counts[i] < counts[chosen]))
            chosen = i;
    }
    if (chosen != SIZE_MAX)
        manager->dirs[chosen].creating_count++;
    weir_lock_release(&manager->lock);
    weir_free(counts);
    if (chosen == SIZE_MAX)
        return WEIR_KAFKA_STORAGE_ERROR;
    *out = chosen;
    return WEIR_OK;
}

static void end_creating(struct weir_log_manager *manager, size_t dir_index)
{
    weir_lock_take(&manager->lock);
    manager->dirs[dir_index].creating_count--;
    weir_lock_release(&manager->lock);
}

/* Where a log that is not here is created, or why it is not.  A log that exists in a directory that
 * is offline must not begin anew elsewhere: that would lose its records without a word. */
static enum weir_status choose_dir(struct weir_log_manager *manager,
                                   const struct weir_topic_partition *key,
                                   const struct weir_log_placement *placement, size_t *out,
                                   struct weir_detail *detail)
{
    if (placement->must_exist && weir_log_manager_offline_count(manager) > 0) {
        weir_detail_set(detail, "it may be in a log directory that is offline");
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    size_t index = weir_log_manager_take_preferred(manager, key);
    if (index == SIZE_MAX && placement->has_directory) {
        index = weir_log_manager_dir_by_id(manager, placement->directory_id);
        if (index == SIZE_MAX) {
            char text[WEIR_UUID_TEXT_BYTES];
            weir_uuid_format(placement->directory_id, text);
            weir_detail_set(
                detail, "its log directory (directory.id %s) is offline or not in log.dirs", text);
            return WEIR_KAFKA_STORAGE_ERROR;
        }
    }
    if (index != SIZE_MAX) {
        weir_lock_take(&manager->lock);
        manager->dirs[index].creating_count++;
        weir_lock_release(&manager->lock);
        *out = index;
        return WEIR_OK;
    }
    enum weir_status status = begin_creating(manager, out);
    if (status == WEIR_KAFKA_STORAGE_ERROR)
        weir_detail_set(detail, "no log directory is online");
    return status;
}

/* With a directory offline, a log that is not where the metadata has it may be what a move left
 * behind. */
static enum weir_status check_directory(struct weir_log_manager *manager,
                                        const struct weir_topic_partition *key,
                                        const struct weir_log_placement *placement,
                                        struct weir_detail *detail)
{
    int index = weir_log_manager_dir_of(manager, key);
    if (!placement->has_directory || index < 0 || weir_log_manager_offline_count(manager) == 0 ||
        weir_uuid_equal(manager->dirs[index].properties.directory_id, placement->directory_id) ||
        weir_log_manager_dir_by_id(manager, placement->directory_id) != SIZE_MAX)
        return WEIR_OK;
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(placement->directory_id, text);
    weir_detail_set(detail,
                    "its log directory (directory.id %s) is offline; what is in %s may be older",
                    text, manager->dirs[index].path);
    return WEIR_KAFKA_STORAGE_ERROR;
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

void weir_log_manager_remove_unfinished(struct weir_log_manager *manager, size_t dir_index,
                                        const char *path)
{
    struct weir_detail why;
    if (weir_dir_remove_all(manager->env, path, &why) != WEIR_OK)
        manager->dirs[dir_index].has_unfinished = true; /* so it cannot be called clean */
}

static enum weir_status open_in(struct weir_log_manager *manager, size_t dir_index,
                                struct weir_partition_log_options *options,
                                struct weir_partition_log **out, struct weir_detail *detail)
{
    struct weir_file_info info;
    struct weir_partition_log *log = NULL;
    bool is_new = weir_path_info(manager->env, options->dir, &info, NULL) == WEIR_NOT_FOUND;
    enum weir_status status = weir_partition_log_open(options, &log, NULL, detail);
    /* Before anything else: without it the next start takes the directory for a stray (trap 5). */
    if (status == WEIR_OK)
        status = weir_partition_log_write_metadata(log, detail);
    if (status == WEIR_OK)
        status = weir_log_manager_add(manager, log, dir_index, -1);
    if (status == WEIR_OK) {
        *out = weir_partition_log_ref(log);
        return WEIR_OK;
    }
    weir_partition_log_unref(log);
    if (is_new)
        weir_log_manager_remove_unfinished(manager, dir_index, options->dir);
    return status;
}

static enum weir_status open_new(struct weir_log_manager *manager,
                                 const struct weir_topic_partition *key, struct weir_uuid topic_id,
                                 const struct weir_log_config *config,
                                 const struct weir_log_placement *placement,
                                 struct weir_partition_log **out, struct weir_detail *detail)
{
    char name[WEIR_PARTITION_DIR_BYTES];
    char path[WEIR_SEGMENT_PATH_BYTES];
    size_t dir_index = 0;
    enum weir_status status = choose_dir(manager, key, placement, &dir_index, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_partition_log_options options =
        weir_log_manager_log_options(manager, dir_index, key, config);
    weir_partition_dir_name(key, name);
    (void)snprintf(path, sizeof(path), "%s/%s", manager->dirs[dir_index].path, name);
    options.dir = path;
    options.topic_id = topic_id;
    status = weir_log_manager_remove_marker(&manager->dirs[dir_index], detail);
    if (status == WEIR_OK)
        status = weir_log_manager_forget_gone(manager, dir_index, detail);
    if (status == WEIR_OK)
        status = open_in(manager, dir_index, &options, out, detail);
    end_creating(manager, dir_index);
    if (status != WEIR_IO_ERROR)
        return status;
    weir_log_manager_dir_failed(&manager->dirs[dir_index], detail);
    return WEIR_KAFKA_STORAGE_ERROR;
}

enum weir_status
weir_log_manager_create(struct weir_log_manager *manager, const struct weir_topic_partition *key,
                        struct weir_uuid topic_id, const struct weir_log_config *config,
                        struct weir_partition_log **out, struct weir_detail *detail)
{
    struct weir_log_placement anywhere = {0};
    return weir_log_manager_create_in(manager, key, topic_id, config, &anywhere, out, detail);
}

enum weir_status
weir_log_manager_create_in(struct weir_log_manager *manager, const struct weir_topic_partition *key,
                           struct weir_uuid topic_id, const struct weir_log_config *config,
                           const struct weir_log_placement *placement,
                           struct weir_partition_log **out, struct weir_detail *detail)
{
    struct busy_key busy = {.key = key};
    enum weir_status status;
    weir_lock_take(&manager->lock);
    await_key(manager, key);
    struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*key));
    struct weir_partition_log *log = entry == NULL ? NULL : weir_partition_log_ref(entry->log);
    if (log == NULL)
        weir_list_push_back(&manager->busy_keys, &busy.node);
    weir_lock_release(&manager->lock);
    if (log == NULL) {
        status = open_new(manager, key, topic_id, config == NULL ? &manager->defaults : config,
                          placement, out, detail);
        end_busy(manager, &busy);
        return status;
    }
    status = use_existing(log, topic_id, detail);
    if (status == WEIR_OK)
        status = check_directory(manager, key, placement, detail);
    if (status != WEIR_OK) {
        weir_partition_log_unref(log);
        return status;
    }
    *out = log;
    return WEIR_OK;
}

enum weir_status weir_log_manager_discard(struct weir_log_manager *manager,
                                          struct weir_partition_log *log, size_t dir_index,
                                          struct weir_detail *detail)
{
    char dir[4096];
    struct weir_log_config config;
    enum weir_status status = weir_partition_log_rename_for_delete(log, detail);
    weir_log_manager_note_gone(manager, dir_index);
    if (status == WEIR_IO_ERROR)
        weir_log_manager_dir_failed(&manager->dirs[dir_index], detail);
    if (status != WEIR_OK)
        return status;
    weir_partition_log_dir(log, dir);
    weir_partition_log_config(log, &config);
    status =
        weir_file_reaper_add(manager->reaper, dir, true,
                             weir_env_monotonic_ms(manager->env) + config.file_delete_delay_ms);
    return status == WEIR_NO_MEMORY ? WEIR_OK : status; /* the next start removes it */
}

enum weir_status weir_log_manager_delete(struct weir_log_manager *manager,
                                         const struct weir_topic_partition *key,
                                         struct weir_detail *detail)
{
    struct busy_key busy = {.key = key};
    struct log_entry *entry;
    weir_lock_take(&manager->lock);
    await_key(manager, key);
    while ((entry = weir_map_get(&manager->logs, WEIR_KEY(*key))) != NULL && entry->is_cleaning) {
        entry->may_not_clean = true;
        (void)pthread_cond_wait(&manager->written,
                                &manager->lock.mutex); /* fails only for a mutex that is not ours */
        await_key(manager, key);
    }
    if (entry != NULL) {
        (void)weir_map_remove(&manager->logs, WEIR_KEY(*key));
        weir_list_push_back(&manager->busy_keys, &busy.node);
    }
    weir_lock_release(&manager->lock);
    if (entry == NULL)
        return WEIR_NOT_FOUND;
    enum weir_status status =
        weir_log_manager_discard(manager, entry->log, entry->dir_index, detail);
    if (entry->future != NULL) {
        struct weir_detail why = {{0}};
        enum weir_status second =
            weir_log_manager_discard(manager, entry->future, entry->future_dir_index, &why);
        if (status == WEIR_OK && second != WEIR_OK) {
            status = second;
            *detail = why;
        }
    }
    end_busy(manager, &busy);
    weir_partition_log_unref(entry->future);
    weir_partition_log_unref(entry->log);
    weir_free(entry);
    return status;
}
