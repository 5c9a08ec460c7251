/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How far each partition is compacted, and who may touch its files: a cleaner that works in a
 * directory and a move or a deletion that renames it exclude each other.
 */

#include "log_manager_int.h"

/* The entry whose current log this is, or NULL.  The lock is held. */
static struct log_entry *entry_of(struct weir_log_manager *manager, struct weir_partition_log *log)
{
    struct log_entry *entry = weir_map_get(&manager->logs, WEIR_KEY(*weir_partition_log_key(log)));
    return entry != NULL && entry->log == log ? entry : NULL;
}

int64_t weir_log_manager_cleaner_offset(struct weir_log_manager *manager,
                                        struct weir_partition_log *log)
{
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = entry_of(manager, log);
    int64_t offset = entry == NULL ? -1 : entry->cleaned_offset;
    weir_lock_release(&manager->lock);
    return offset;
}

bool weir_log_manager_lower_cleaner_offset(struct weir_log_manager *manager,
                                           struct weir_partition_log *log)
{
    int64_t end_offset = weir_partition_log_end_offset(log);
    weir_lock_take(&manager->lock);
    struct log_entry *entry = entry_of(manager, log);
    bool is_above = entry != NULL && entry->cleaned_offset > end_offset;
    if (is_above)
        entry->cleaned_offset = end_offset;
    weir_lock_release(&manager->lock);
    return is_above;
}

enum weir_status weir_log_manager_set_cleaner_offset(struct weir_log_manager *manager,
                                                     struct weir_partition_log *log, int64_t offset,
                                                     struct weir_detail *detail)
{
    size_t dir_index = 0;
    weir_lock_take(&manager->lock);
    struct log_entry *entry = entry_of(manager, log);
    if (entry != NULL) {
        entry->cleaned_offset = offset;
        dir_index = entry->dir_index;
    }
    weir_lock_release(&manager->lock);
    if (entry == NULL) {
        weir_detail_set(detail, "the log was moved or deleted");
        return WEIR_CLOSED;
    }
    enum weir_status status =
        weir_log_manager_write_checkpoint(manager, dir_index, CHECKPOINT_CLEANER, detail);
    if (status == WEIR_IO_ERROR)
        weir_log_manager_dir_failed(&manager->dirs[dir_index], detail);
    return status;
}

enum weir_status weir_log_manager_note_recovery_point(struct weir_log_manager *manager,
                                                      struct weir_partition_log *log,
                                                      struct weir_detail *detail)
{
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = entry_of(manager, log);
    size_t dir_index = entry == NULL ? 0 : entry->dir_index;
    weir_lock_release(&manager->lock);
    if (entry == NULL) {
        weir_detail_set(detail, "the log was moved or deleted");
        return WEIR_CLOSED;
    }
    enum weir_status status =
        weir_log_manager_write_checkpoint(manager, dir_index, CHECKPOINT_RECOVERY_POINT, detail);
    if (status == WEIR_IO_ERROR)
        weir_log_manager_dir_failed(&manager->dirs[dir_index], detail);
    return status;
}

bool weir_log_manager_begin_cleaning(struct weir_log_manager *manager,
                                     struct weir_partition_log *log)
{
    weir_lock_take(&manager->lock);
    struct log_entry *entry = entry_of(manager, log);
    bool may_begin = entry != NULL && !entry->is_cleaning && !entry->may_not_clean;
    if (may_begin)
        entry->is_cleaning = true;
    weir_lock_release(&manager->lock);
    return may_begin;
}

void weir_log_manager_end_cleaning(struct weir_log_manager *manager, struct weir_partition_log *log)
{
    weir_lock_take(&manager->lock);
    struct log_entry *entry = entry_of(manager, log);
    if (entry != NULL) {
        entry->is_cleaning = false;
        (void)pthread_cond_broadcast(&manager->written); /* cannot fail on an initialised one */
    }
    weir_lock_release(&manager->lock);
}

bool weir_log_manager_is_cleaning_unwanted(struct weir_log_manager *manager,
                                           struct weir_partition_log *log)
{
    weir_lock_take(&manager->lock);
    const struct log_entry *entry = entry_of(manager, log);
    bool is_unwanted = entry == NULL || entry->may_not_clean;
    weir_lock_release(&manager->lock);
    return is_unwanted;
}
