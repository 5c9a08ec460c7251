/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The directories of a log manager: opening them, what is known of each, and taking them offline.
 *
 * At a start a directory that cannot be used (not a directory, not readable, an I/O error in its
 * lock, meta.properties or marker) goes offline with its reason, and the others are served.  What
 * contradicts itself - another process, another cluster or node, an id seen twice - refuses the
 * start, for there nothing is broken but the configuration.
 */

#include "log_manager_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>

/* --- Opening. --- */

static enum weir_status lock_path(struct weir_env *env, const char *dir, struct weir_file **out,
                                  struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/.lock", dir);
    enum weir_status status =
        weir_file_open(env, path, WEIR_OPEN_READ | WEIR_OPEN_WRITE | WEIR_OPEN_CREATE, out, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_file_lock(env, *out, detail);
    if (status == WEIR_BUSY)
        weir_detail_set(detail,
                        "Failed to acquire lock on file .lock in %s. A Kafka instance in another "
                        "process or thread is using this directory.",
                        dir);
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

/* M2: the marker's word is taken, and the marker removed when nothing speaks against a start. */
static enum weir_status read_marker(struct log_dir *dir, struct weir_detail *detail)
{
    dir->previous_broker_epoch = -1;
    enum weir_status status =
        weir_clean_marker_read(dir->manager->env, dir->path, &dir->previous_broker_epoch, detail);
    if (status == WEIR_NOT_FOUND) {
        weir_detail_set(detail, "%s", "");
        return WEIR_OK;
    }
    dir->was_clean = status == WEIR_OK;
    dir->has_marker = true;
    return WEIR_OK;
}

enum weir_status weir_log_manager_remove_marker(struct log_dir *dir, struct weir_detail *detail)
{
    if (!dir->has_marker)
        return WEIR_OK;
    enum weir_status status = weir_clean_marker_remove(dir->manager->env, dir->path, detail);
    dir->has_marker = status != WEIR_OK;
    return status;
}

enum weir_status weir_log_manager_check_name(struct weir_log_manager *manager, const char *dir,
                                             const char *name, struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_file_info info;
    struct weir_topic_partition key;
    enum weir_partition_dir_kind kind;
    if (strcmp(name, WEIR_METADATA_LOG_DIR) == 0 || strcmp(name, "remote-log-index-cache") == 0 ||
        weir_partition_dir_parse(weir_slice_str(name), &key, &kind) == WEIR_OK)
        return WEIR_OK;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    enum weir_status status = weir_path_info(manager->env, path, &info, detail);
    if (status != WEIR_OK || !info.is_directory)
        return status == WEIR_NOT_FOUND ? WEIR_OK : status;
    weir_detail_set(detail,
                    "Found directory %s, which is not in the form of topic-partition, or of a "
                    "directory that a broker made. It must not be in log.dirs",
                    path);
    return WEIR_INVALID;
}

struct name_check {
    const struct log_dir *dir;
    struct weir_detail why;
};

static enum weir_status on_name(void *context, const char *name)
{
    struct name_check *check = context;
    return weir_log_manager_check_name(check->dir->manager, check->dir->path, name, &check->why);
}

/* Foreign directories refuse the start before anything is changed. */
static enum weir_status check_names(const struct log_dir *dir, struct weir_detail *detail)
{
    struct name_check check = {.dir = dir};
    enum weir_status status =
        weir_dir_list(dir->manager->env, dir->path, on_name, &check, detail);
    if (check.why.text[0] != '\0')
        *detail = check.why;
    return status;
}

/* The cluster id of the first directory that has one, the wanted one, or a new one. */
static void choose_cluster_id(struct weir_log_manager *manager,
                              const struct weir_log_manager_options *options)
{
    char *out = manager->cluster_id;
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

static enum weir_status make_dir(struct weir_env *env, const char *path, struct weir_detail *detail)
{
    struct weir_file_info info;
    enum weir_status status = weir_dir_make_all_durably(env, path, detail);
    if (status == WEIR_OK)
        status = weir_path_info(env, path, &info, detail);
    if (status == WEIR_OK && !info.is_directory) {
        weir_detail_set(detail, "%s is not a directory", path);
        status = WEIR_IO_ERROR;
    }
    return status;
}

static enum weir_status open_dir(struct log_dir *dir,
                                 const struct weir_log_manager_options *options,
                                 struct weir_detail *detail)
{
    struct weir_env *env = options->env;
    enum weir_status status = lock_path(env, dir->path, &dir->lock_file, detail);
    if (status == WEIR_OK)
        status = check_properties(dir, options, dir->manager->cluster_id, detail);
    if (status == WEIR_OK)
        status = read_marker(dir, detail);
    return status == WEIR_OK ? check_names(dir, detail) : status;
}

/* Whether the trouble is the disk's and not a contradiction. */
static bool is_broken(enum weir_status status)
{
    return status == WEIR_IO_ERROR || status == WEIR_NO_SPACE || status == WEIR_NOT_FOUND ||
           status == WEIR_EXISTS;
}

static enum weir_status check_doubles(const struct weir_log_manager *manager,
                                      struct weir_detail *detail)
{
    for (size_t i = 0; i < manager->dir_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct log_dir *a = &manager->dirs[j];
            const struct log_dir *b = &manager->dirs[i];
            if (weir_uuid_is_zero(b->properties.directory_id) ||
                !weir_uuid_equal(a->properties.directory_id, b->properties.directory_id))
                continue;
            weir_detail_set(detail, "%s has the directory id of %s: was it copied?", b->path,
                            a->path);
            return WEIR_INVALID;
        }
    }
    return WEIR_OK;
}

/* Offline before there are logs. */
static void fail_early(struct log_dir *dir, const struct weir_detail *why)
{
    weir_log_manager_dir_failed(dir, why);
}

static enum weir_status check_metadata_dir(struct weir_log_manager *manager,
                                           const char *metadata_dir, struct weir_detail *detail)
{
    manager->metadata_index = SIZE_MAX;
    for (size_t i = 0; i < manager->dir_count; i++) {
        if (metadata_dir == NULL || strcmp(manager->dirs[i].path, metadata_dir) == 0) {
            manager->metadata_index = i;
            break;
        }
    }
    if (manager->metadata_index == SIZE_MAX) {
        manager->metadata_dir = weir_strdup(metadata_dir);
        if (manager->metadata_dir == NULL)
            return WEIR_NO_MEMORY;
        enum weir_status status = make_dir(manager->env, metadata_dir, detail);
        return status == WEIR_OK
                   ? lock_path(manager->env, metadata_dir, &manager->metadata_lock_file, detail)
                   : status;
    }
    const struct log_dir *dir = &manager->dirs[manager->metadata_index];
    if (!weir_log_manager_is_online(dir)) {
        weir_detail_set(detail, "the metadata log directory %s cannot be used: %s", dir->path,
                        dir->reason.text);
        return WEIR_KAFKA_STORAGE_ERROR;
    }
    return WEIR_OK;
}

static enum weir_status name_dirs(struct weir_log_manager *manager,
                                  const struct weir_log_manager_options *options)
{
    manager->dirs = weir_calloc(options->dir_count, sizeof(manager->dirs[0]));
    if (manager->dirs == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < options->dir_count; i++) {
        manager->dirs[i].manager = manager;
        manager->dirs[i].previous_broker_epoch = -1;
        manager->dirs[i].gone_count = 1; /* what an earlier run left */
        manager->dirs[i].path = weir_strdup(options->dirs[i]);
        manager->dir_count++;
        if (manager->dirs[i].path == NULL)
            return WEIR_NO_MEMORY;
    }
    return WEIR_OK;
}

enum weir_status weir_log_manager_open_dirs(struct weir_log_manager *manager,
                                            const struct weir_log_manager_options *options,
                                            struct weir_detail *detail)
{
    size_t online = 0;
    enum weir_status status = name_dirs(manager, options);
    for (size_t i = 0; i < options->dir_count && status == WEIR_OK; i++) {
        struct weir_detail why = {{0}};
        status = make_dir(options->env, options->dirs[i], &why);
        if (is_broken(status)) {
            fail_early(&manager->dirs[i], &why);
            status = WEIR_OK;
        } else if (status != WEIR_OK) {
            *detail = why;
        }
    }
    if (status == WEIR_OK)
        choose_cluster_id(manager, options);
    for (size_t i = 0; i < manager->dir_count && status == WEIR_OK; i++) {
        struct weir_detail why = {{0}};
        if (!weir_log_manager_is_online(&manager->dirs[i]))
            continue;
        status = open_dir(&manager->dirs[i], options, &why);
        if (is_broken(status)) {
            fail_early(&manager->dirs[i], &why);
            status = WEIR_OK;
        } else if (status != WEIR_OK) {
            *detail = why;
        } else {
            online++;
        }
    }
    if (status == WEIR_OK)
        status = check_doubles(manager, detail);
    if (status == WEIR_OK && online == 0) {
        weir_detail_set(detail, "none of the log directories can be used; %s: %s",
                        manager->dirs[0].path, manager->dirs[0].reason.text);
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    return status == WEIR_OK ? check_metadata_dir(manager, options->metadata_dir, detail) : status;
}

void weir_log_manager_close_dirs(struct weir_log_manager *manager)
{
    for (size_t i = 0; i < manager->dir_count; i++) {
        weir_file_close(manager->env, manager->dirs[i].lock_file);
        weir_free(manager->dirs[i].path);
    }
    weir_free(manager->dirs);
    weir_file_close(manager->env, manager->metadata_lock_file);
    weir_free(manager->metadata_dir);
}

/* --- Facts. --- */

bool weir_log_manager_is_online(const struct log_dir *dir)
{
    return !atomic_load_explicit(&dir->is_offline, memory_order_acquire);
}

const char *weir_log_manager_cluster_id(const struct weir_log_manager *manager)
{
    return manager->cluster_id;
}

size_t weir_log_manager_dir_count(const struct weir_log_manager *manager)
{
    return manager->dir_count;
}

size_t weir_log_manager_offline_count(const struct weir_log_manager *manager)
{
    size_t count = 0;
    for (size_t i = 0; i < manager->dir_count; i++)
        count += weir_log_manager_is_online(&manager->dirs[i]) ? 0 : 1;
    return count;
}

void weir_log_manager_dir(struct weir_log_manager *manager, size_t index,
                          struct weir_log_dir_info *out)
{
    const struct log_dir *dir = &manager->dirs[index];
    *out = (struct weir_log_dir_info){.path = dir->path,
                                      .directory_id = dir->properties.directory_id,
                                      .is_offline = !weir_log_manager_is_online(dir),
                                      .was_clean = dir->was_clean,
                                      .previous_broker_epoch = dir->previous_broker_epoch};
}

/* The online directory with that id or path; SIZE_MAX. */
size_t weir_log_manager_dir_by_id(const struct weir_log_manager *manager, struct weir_uuid id)
{
    for (size_t i = 0; i < manager->dir_count; i++) {
        if (weir_log_manager_is_online(&manager->dirs[i]) &&
            weir_uuid_equal(manager->dirs[i].properties.directory_id, id))
            return i;
    }
    return SIZE_MAX;
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

/* --- Failed directories (M3). --- */

/* May be called with the failed log's lock held; the other logs of the directory are failed by
 * weir_log_manager_fail_dir, which the told one calls from a task. */
void weir_log_manager_on_log_failure(void *context, struct weir_partition_log *log,
                                     const struct weir_detail *detail)
{
    struct log_dir *dir = context;
    struct weir_log_manager *manager = dir->manager;
    (void)log;
    if (atomic_exchange_explicit(&dir->has_told, true, memory_order_acq_rel))
        return;
    if (detail != NULL)
        dir->reason = *detail;
    atomic_store_explicit(&dir->is_offline, true, memory_order_release);
    if (manager->on_dir_failed != NULL)
        manager->on_dir_failed(manager->context, dir->path, dir->properties.directory_id,
                               &dir->reason);
}

static void fail_logs_of(struct weir_log_manager *manager, size_t dir_index,
                         const struct weir_detail *why)
{
    struct weir_log_replica *replicas = NULL;
    size_t count = 0;
    if (weir_log_manager_replicas(manager, &replicas, &count) != WEIR_OK)
        return; /* they find out at their next write */
    for (size_t i = 0; i < count; i++) {
        if (replicas[i].dir_index == dir_index)
            weir_partition_log_fail(replicas[i].log, why);
    }
    weir_log_replicas_free(replicas, count);
}

void weir_log_manager_dir_failed(struct log_dir *dir, const struct weir_detail *detail)
{
    weir_log_manager_on_log_failure(dir, NULL, detail);
    fail_logs_of(dir->manager, (size_t)(dir - dir->manager->dirs), detail);
}

void weir_log_manager_fail_dir(struct weir_log_manager *manager, size_t index,
                               const struct weir_detail *why)
{
    weir_log_manager_dir_failed(&manager->dirs[index], why);
}
