/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Partitions that are in two directories: moves in progress, moves that a crash interrupted, and
 * where partitions shall be created.
 *
 * What a start finds, and what it does:
 *
 *  current + future        the move goes on; but when the metadata names the future one's
 * directory, it was about to take over and durable, and when it then has more of the same history
 * (power loss took the end of the current one) it takes over future alone            as above;
 * unless a directory is offline that may hold the current one: then it waits there, not served
 *  current + current       the crash came between the two renames of a take-over: the one that has
 *                          less of the same history goes.  With different histories the one the
 *                          metadata names stays, and the other is kept as "-stray"
 *
 * Apache Kafka refuses to start in the last case.  Nothing that is not in the other log is deleted.
 */

#include "log_int.h"
#include "log_manager_int.h"

#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"

#include <stdio.h>

/* More partitions than that are not waited for; each costs a few hundred bytes. */
enum { PREFERRED_MAX = 10000 };

/* --- Chosen directories. --- */

static struct preferred_dir *find_preferred(struct weir_log_manager *manager,
                                            const struct weir_topic_partition *key)
{
    WEIR_LIST_FOREACH(node, &manager->preferred) {
        struct preferred_dir *item = WEIR_LIST_ENTRY(node, struct preferred_dir, node);
        if (weir_topic_partition_equal(&item->key, key))
            return item;
    }
    return NULL;
}

void weir_log_manager_prefer(struct weir_log_manager *manager,
                             const struct weir_topic_partition *key, size_t dir_index)
{
    struct preferred_dir *fresh = weir_calloc(1, sizeof(*fresh));
    weir_lock_take(&manager->lock);
    struct preferred_dir *item = find_preferred(manager, key);
    if (item == NULL && fresh != NULL && manager->preferred_count < PREFERRED_MAX) {
        item = fresh;
        fresh = NULL;
        item->key = *key;
        weir_list_push_back(&manager->preferred, &item->node);
        manager->preferred_count++;
    }
    if (item != NULL)
        item->dir_index = dir_index;
    weir_lock_release(&manager->lock);
    weir_free(fresh);
}

size_t weir_log_manager_take_preferred(struct weir_log_manager *manager,
                                       const struct weir_topic_partition *key)
{
    size_t index = SIZE_MAX;
    weir_lock_take(&manager->lock);
    struct preferred_dir *item = find_preferred(manager, key);
    if (item != NULL) {
        weir_list_remove(&item->node);
        manager->preferred_count--;
    }
    weir_lock_release(&manager->lock);
    if (item != NULL && weir_log_manager_is_online(&manager->dirs[item->dir_index]))
        index = item->dir_index;
    weir_free(item);
    return index;
}

/* --- Second logs. --- */

enum weir_status weir_log_manager_add_second(struct weir_log_manager *manager,
                                             struct weir_partition_log *take_log, size_t dir_index,
                                             int64_t cleaned_offset, bool is_future)
{
    weir_lock_take(&manager->lock);
    struct second_log *seconds = weir_grow(manager->seconds, &manager->second_capacity,
                                           manager->second_count + 1, sizeof(manager->seconds[0]));
    if (seconds != NULL) {
        manager->seconds = seconds;
        seconds[manager->second_count++] = (struct second_log){.log = take_log,
                                                               .dir_index = dir_index,
                                                               .cleaned_offset = cleaned_offset,
                                                               .is_future = is_future};
    }
    weir_lock_release(&manager->lock);
    return seconds == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

void weir_log_manager_free_seconds(struct weir_log_manager *manager)
{
    struct weir_list *node;
    for (size_t i = 0; i < manager->second_count; i++)
        weir_partition_log_unref(manager->seconds[i].log);
    weir_free(manager->seconds);
    while ((node = weir_list_pop_front(&manager->preferred)) != NULL)
        weir_free(WEIR_LIST_ENTRY(node, struct preferred_dir, node));
}

/* The batch that holds the offset: where it begins and its checksum. */
static bool batch_at(struct weir_partition_log *log, int64_t offset, int64_t *out_base,
                     uint32_t *out_crc)
{
    struct weir_log_read_options options = {
        .offset = offset, .bytes_max = 1, .limit = WEIR_LOG_READ_TO_LOG_END, .min_one_batch = true};
    struct weir_detail why;
    struct weir_log_read read;
    struct weir_buf bytes = {0};
    struct weir_batch_iter iter;
    struct weir_batch batch;
    if (weir_partition_log_read(log, &options, &read, &why) != WEIR_OK)
        return false;
    bool is_there = weir_log_read_copy(log->env, &read, &bytes, &why) == WEIR_OK;
    weir_log_read_done(&read);
    if (is_there) {
        weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
        is_there = weir_batch_iter_next(&iter, &batch, &why) == WEIR_OK;
    }
    if (is_there) {
        *out_base = batch.base_offset;
        *out_crc = batch.crc;
    }
    weir_buf_done(&bytes);
    return is_there;
}

/* Whether the last batch of `part` is in `whole`.  Then so is all before it: logs that went apart
 * do not meet again.  Epochs alone do not say it when the one that tells them apart was lost. */
static bool has_last_of(struct weir_partition_log *whole, struct weir_partition_log *part)
{
    int64_t offset = weir_partition_log_end_offset(part) - 1;
    int64_t part_base = -1;
    int64_t whole_base = -1;
    uint32_t part_crc = 0;
    uint32_t whole_crc = 0;
    if (offset < weir_partition_log_start_offset(part) ||
        offset < weir_partition_log_start_offset(whole) || weir_partition_log_size(part) == 0)
        return true; /* there is none, or it was deleted */
    return batch_at(part, offset, &part_base, &part_crc) &&
           batch_at(whole, offset, &whole_base, &whole_crc) && part_base == whole_base &&
           part_crc == whole_crc;
}

/* Whether everything in `part` is in `whole` too, by offsets and leader epochs.  Where `whole`
 * begins later, the records before were deleted: a copy begins at the log start offset. */
static bool has_all_of(struct weir_partition_log *whole, struct weir_partition_log *part)
{
    int32_t epoch = weir_partition_log_latest_epoch(part);
    int64_t part_end = weir_partition_log_end_offset(part);
    int64_t whole_end = weir_partition_log_end_offset(whole);
    if (whole_end < part_end)
        return false;
    if (weir_partition_log_start_offset(whole) > part_end)
        return weir_partition_log_latest_epoch(whole) >= epoch; /* all of it was deleted */
    if (epoch < 0)
        return part_end == weir_partition_log_start_offset(part);
    int32_t known_epoch = -1;
    int64_t known_end = -1;
    weir_partition_log_end_offset_for_epoch(whole, epoch, &known_epoch, &known_end);
    return known_epoch == epoch && known_end >= part_end && has_last_of(whole, part);
}

static void final_path(const struct weir_log_manager *manager, size_t dir_index,
                       const struct weir_topic_partition *key, char out[WEIR_SEGMENT_PATH_BYTES])
{
    char name[WEIR_PARTITION_DIR_BYTES];
    weir_partition_dir_name(key, name);
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s/%s", manager->dirs[dir_index].path, name);
}

static void tell(struct weir_log_manager *manager, const char *event, const struct second_log *log)
{
    const struct weir_topic_partition *key = weir_partition_log_key(log->log);
    WEIR_LOG_WARN(manager->log, event, WEIR_STR("topic", key->topic),
                  WEIR_I64("partition", key->partition),
                  WEIR_STR("dir", manager->dirs[log->dir_index].path),
                  WEIR_I64("log_end_offset", weir_partition_log_end_offset(log->log)));
}

/* Makes the future log's directory that of the partition. */
static enum weir_status take_name(struct weir_log_manager *manager, struct second_log *second,
                                  struct weir_detail *detail)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    if (!second->is_future)
        return WEIR_OK;
    final_path(manager, second->dir_index, weir_partition_log_key(second->log), path);
    enum weir_status status = weir_partition_log_rename_unused(second->log, path, detail);
    if (status == WEIR_OK)
        status = weir_dir_sync_parent(manager->env, path, detail);
    if (status == WEIR_OK)
        tell(manager, "moved_log_takes_over", second);
    return status;
}

static enum weir_status make_stray(struct weir_log_manager *manager, struct second_log *second,
                                   struct weir_detail *detail)
{
    char from[4096];
    char to[WEIR_SEGMENT_PATH_BYTES];
    char name[WEIR_PARTITION_DIR_BYTES];
    struct weir_uuid unique;
    weir_env_random(manager->env, unique.bytes, sizeof(unique.bytes));
    weir_partition_dir_name_of_kind(weir_partition_log_key(second->log), WEIR_PARTITION_DIR_STRAY,
                                    unique, name);
    weir_partition_log_dir(second->log, from);
    (void)snprintf(to, sizeof(to), "%s/%s", manager->dirs[second->dir_index].path, name);
    tell(manager, "second_log_is_stray", second);
    return weir_path_rename(manager->env, from, to, detail);
}

/* Two logs with the partition's own name. */
static enum weir_status settle_double(struct weir_log_manager *manager, struct log_entry *entry,
                                      struct second_log *second, struct weir_uuid recorded,
                                      struct weir_detail *detail)
{
    bool second_is_named =
        weir_uuid_equal(manager->dirs[second->dir_index].properties.directory_id, recorded);
    bool first_is_enough = has_all_of(entry->log, second->log);
    bool second_is_enough = has_all_of(second->log, entry->log);
    bool takes_over = first_is_enough == second_is_enough ? second_is_named : second_is_enough;
    if (takes_over) {
        struct second_log first = {.log = entry->log,
                                   .dir_index = entry->dir_index,
                                   .cleaned_offset = entry->cleaned_offset};
        entry->log = second->log;
        entry->dir_index = second->dir_index;
        entry->cleaned_offset = second->cleaned_offset;
        *second = first;
    }
    if (takes_over ? second_is_enough : first_is_enough) {
        tell(manager, "moved_log_is_left_over", second);
        return weir_log_manager_discard(manager, second->log, second->dir_index, detail);
    }
    return make_stray(manager, second, detail);
}

/* Back to where the copy and the current log agree. */
static enum weir_status reconcile(struct weir_partition_log *current,
                                  struct weir_partition_log *future, struct weir_detail *detail)
{
    bool has_cut;
    int32_t epoch = weir_partition_log_latest_epoch(future);
    int64_t end_offset = weir_partition_log_end_offset(current);
    int64_t start_offset = weir_partition_log_start_offset(current);
    /* A log start that was not durable went back: the copy lacks what is there again. */
    if (weir_partition_log_start_offset(future) > start_offset)
        return weir_partition_log_truncate_fully(future, start_offset, detail);
    if (epoch >= 0) {
        int32_t known_epoch = -1;
        int64_t known_end = -1;
        weir_partition_log_end_offset_for_epoch(current, epoch, &known_epoch, &known_end);
        if (known_epoch != epoch)
            return weir_partition_log_truncate_fully(future, start_offset, detail);
        if (known_end < end_offset)
            end_offset = known_end;
    }
    if (weir_partition_log_end_offset(future) > end_offset) {
        enum weir_status status =
            weir_partition_log_truncate_to(future, end_offset, &has_cut, detail);
        if (status != WEIR_OK)
            return status;
    }
    return has_last_of(current, future)
               ? WEIR_OK
               : weir_partition_log_truncate_fully(future, start_offset, detail);
}

static enum weir_status settle_future(struct weir_log_manager *manager, struct log_entry *entry,
                                      struct second_log *second, struct weir_uuid recorded,
                                      struct weir_detail *detail)
{
    bool is_named =
        weir_uuid_equal(manager->dirs[second->dir_index].properties.directory_id, recorded);
    bool is_ahead =
        weir_partition_log_end_offset(second->log) > weir_partition_log_end_offset(entry->log);
    if (is_named && is_ahead && has_all_of(second->log, entry->log)) {
        enum weir_status status = take_name(manager, second, detail);
        if (status != WEIR_OK)
            return status;
        struct weir_partition_log *before = entry->log;
        size_t before_dir = entry->dir_index;
        entry->log = second->log;
        entry->dir_index = second->dir_index;
        second->log = before;
        second->dir_index = before_dir;
        return weir_log_manager_discard(manager, before, before_dir, detail);
    }
    if (entry->future != NULL || entry->dir_index == second->dir_index)
        return make_stray(manager, second, detail); /* one is enough */
    enum weir_status status = reconcile(entry->log, second->log, detail);
    if (status != WEIR_OK)
        return status;
    entry->future = second->log;
    entry->future_dir_index = second->dir_index;
    second->log = NULL;
    return WEIR_OK;
}

/* *out_waits: nothing can be decided before another directory is back. */
static enum weir_status settle(struct weir_log_manager *manager, struct second_log *second,
                               struct weir_uuid recorded, bool *out_waits,
                               struct weir_detail *detail)
{
    struct log_entry *entry =
        weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(second->log)));
    *out_waits = false;
    if (entry != NULL)
        return second->is_future ? settle_future(manager, entry, second, recorded, detail)
                                 : settle_double(manager, entry, second, recorded, detail);
    if (second->is_future && weir_log_manager_offline_count(manager) > 0) {
        tell(manager, "moved_log_waits", second);
        *out_waits = true;
        return WEIR_OK;
    }
    enum weir_status status = take_name(manager, second, detail);
    if (status == WEIR_OK)
        status =
            weir_log_manager_add(manager, second->log, second->dir_index, second->cleaned_offset);
    if (status == WEIR_OK)
        second->log = NULL;
    return status;
}

enum weir_status
weir_log_manager_settle_seconds(struct weir_log_manager *manager,
                                const struct weir_log_manager_load_options *options,
                                struct weir_detail *detail)
{
    size_t kept = 0;
    enum weir_status first = WEIR_OK;
    /* Those with the partition's own name come first: a future one is compared with the survivor.
     */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < manager->second_count; i++) {
            struct second_log *second = &manager->seconds[i];
            if (second->log == NULL || second->is_future != (round == 1))
                continue;
            struct weir_uuid recorded = {{0}};
            struct weir_detail why = {{0}};
            bool waits = false;
            size_t dir_index = second->dir_index;
            if (options->recorded != NULL)
                recorded = options->recorded(options->context, weir_partition_log_key(second->log));
            enum weir_status status = weir_log_manager_is_online(&manager->dirs[dir_index])
                                          ? settle(manager, second, recorded, &waits, &why)
                                          : WEIR_OK;
            if (status == WEIR_IO_ERROR || status == WEIR_KAFKA_STORAGE_ERROR) {
                weir_log_manager_dir_failed(&manager->dirs[dir_index], &why);
            } else if (status != WEIR_OK && first == WEIR_OK) {
                first = status;
                *detail = why;
            }
            if (!waits) {
                weir_partition_log_unref(second->log);
                second->log = NULL;
            }
        }
    }
    for (size_t i = 0; i < manager->second_count; i++) {
        if (manager->seconds[i].log != NULL)
            manager->seconds[kept++] = manager->seconds[i];
    }
    manager->second_count = kept;
    return first;
}
