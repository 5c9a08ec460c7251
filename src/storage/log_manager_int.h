/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of the log manager, shared by log_manager*.c. */

#include "weir/base/list.h"
#include "weir/base/map.h"
#include "weir/runtime/lock.h"
#include "weir/storage/checkpoint.h"
#include "weir/storage/log_manager.h"
#include "weir/storage/segment.h"

#include <pthread.h>
#include <stdatomic.h>

#define WEIR_METADATA_LOG_DIR "__cluster_metadata-0"

enum checkpoint_kind {
    CHECKPOINT_RECOVERY_POINT,
    CHECKPOINT_LOG_START,
    CHECKPOINT_HIGH_WATERMARK,
    CHECKPOINT_CLEANER,
    CHECKPOINT_KIND_COUNT
};

/* log_manager_space.c: looked at by one thread at a time; is_nearly_full by any. */
struct log_dir_space {
    atomic_bool is_nearly_full;
    uint64_t free_bytes; /* at the last look */
    int64_t looked_ms;
};

struct log_dir {
    struct weir_log_manager *manager;
    char *path;
    struct weir_file *lock_file;
    struct weir_meta_properties properties;
    atomic_bool has_told; /* on_dir_failed is called or being called */
    atomic_bool is_offline;
    size_t creating_count;     /* the table's lock: logs that are being created in it */
    struct weir_detail reason; /* set before is_offline is */
    bool was_clean;
    bool has_marker; /* it is still there: nothing was changed yet (M2) */
    bool is_loaded;  /* all its logs; only then may it be called clean */
    /* Under the manager's lock.  Checkpoints may have lines of partitions that went; the lines must
     * go before one of that name begins anew, or its recovery point would be the old one's. */
    uint64_t gone_count;
    uint64_t gone_written;
    atomic_bool has_unfinished;             /* a half-made partition could not be removed */
    bool is_writing[CHECKPOINT_KIND_COUNT]; /* under the manager's lock */
    int64_t previous_broker_epoch;
    struct log_dir_space space;
    /* Lines about damaged files: so many were said in this second. */
    _Atomic int64_t fault_second;
    atomic_int faults_said;
};

/* One partition in the table. */
struct log_entry {
    struct weir_topic_partition
        key; /* zeroed before it was filled, so its bytes are the map's key */
    struct weir_partition_log *log;
    size_t dir_index;
    int64_t cleaned_offset; /* what the cleaner has done; -1: nothing */
    bool is_cleaning;
    bool may_not_clean;                /* a move is about to end */
    bool is_settling;                  /* its last move has not yet renamed the old log */
    struct weir_partition_log *future; /* the copy of a move in progress, or NULL */
    size_t future_dir_index;
};

/* A log that is not the only one of its partition, found at load. */
struct second_log {
    struct weir_partition_log *log;
    size_t dir_index;
    int64_t cleaned_offset;
    bool is_future;
};

/* Where a partition shall be created (AlterReplicaLogDirs came before it). */
struct preferred_dir {
    struct weir_list node;
    struct weir_topic_partition key;
    size_t dir_index;
};

/* A partition whose directory somebody makes or takes away; on that thread's stack. */
struct busy_key {
    struct weir_list node;
    const struct weir_topic_partition *key;
};

struct weir_log_manager {
    struct weir_env *env;
    const struct weir_log *log;
    struct weir_log_config defaults;
    unsigned threads_per_dir;
    unsigned free_percent_min;
    void (*on_dir_failed)(void *context, const char *dir, struct weir_uuid directory_id,
                          const struct weir_detail *detail);
    void *context;
    char cluster_id[WEIR_CLUSTER_ID_BYTES];
    struct log_dir *dirs;
    size_t dir_count;
    size_t metadata_index; /* SIZE_MAX: metadata_dir, which is none of dirs */
    char *metadata_dir;
    struct weir_file *metadata_lock_file;
    struct weir_file_reaper *reaper;
    struct weir_segment_cache *cache;
    bool is_closed;

    struct weir_lock lock;  /* the table */
    pthread_cond_t written; /* with lock: a checkpoint was; also: a wait for a log may be over */
    struct weir_map logs;   /* by key, to struct log_entry */
    struct weir_list busy_keys;
    struct second_log
        *seconds; /* after loading: those whose first one is in an offline directory */
    size_t second_count;
    size_t second_capacity;
    struct weir_list preferred;
    size_t preferred_count;
};

/* log_manager.c */
/* Takes the log's reference on OK. */
enum weir_status weir_log_manager_add(struct weir_log_manager *manager,
                                      struct weir_partition_log *take_log, size_t dir_index,
                                      int64_t cleaned_offset);
struct weir_partition_log_options
weir_log_manager_log_options(struct weir_log_manager *manager, size_t dir_index,
                             const struct weir_topic_partition *key,
                             const struct weir_log_config *config);
/* A log's on_fault: one line, at most so many a second. */
void weir_log_manager_on_fault(void *context, struct weir_partition_log *log,
                               const struct weir_detail *fault);
/* Before a log begins in the directory: no checkpoint has lines of an earlier one.  Blocks. */
enum weir_status weir_log_manager_forget_gone(struct weir_log_manager *manager, size_t dir_index,
                                              struct weir_detail *detail);
void weir_log_manager_note_gone(struct weir_log_manager *manager, size_t dir_index);
/* Removes the directory of a log that could not be created. */
void weir_log_manager_remove_unfinished(struct weir_log_manager *manager, size_t dir_index,
                                        const char *path);
/* Renames a log nobody uses any more to "-delete" and leaves it to the reaper. */
enum weir_status weir_log_manager_discard(struct weir_log_manager *manager,
                                          struct weir_partition_log *log, size_t dir_index,
                                          struct weir_detail *detail);

/* log_manager_dirs.c */
enum weir_status weir_log_manager_open_dirs(struct weir_log_manager *manager,
                                            const struct weir_log_manager_options *options,
                                            struct weir_detail *detail);
void weir_log_manager_close_dirs(struct weir_log_manager *manager);
/* M2: removes the marker if it is there, before the first change.  Start and stop only. */
enum weir_status weir_log_manager_remove_marker(struct log_dir *dir, struct weir_detail *detail);
/* INVALID when it is neither a partition's directory nor anything else a broker makes. */
enum weir_status weir_log_manager_check_name(struct weir_log_manager *manager, const char *dir,
                                             const char *name, struct weir_detail *detail);
bool weir_log_manager_is_online(const struct log_dir *dir);
/* The online directory with that id; SIZE_MAX. */
size_t weir_log_manager_dir_by_id(const struct weir_log_manager *manager, struct weir_uuid id);
void weir_log_manager_on_log_failure(void *context, struct weir_partition_log *log,
                                     const struct weir_detail *detail);
/* Takes the directory offline after a failure of its own files (not with a log's lock held). */
void weir_log_manager_dir_failed(struct log_dir *dir, const struct weir_detail *detail);

/* log_manager_cleaning.c */
/* After a truncation: no log is clean beyond its end.  True: the checkpoint has to be written. */
bool weir_log_manager_lower_cleaner_offset(struct weir_log_manager *manager,
                                           struct weir_partition_log *log);

/* log_manager_future.c */
/* Where the partition is to be created.  Forgotten when too many are waited for. */
void weir_log_manager_prefer(struct weir_log_manager *manager,
                             const struct weir_topic_partition *key, size_t dir_index);
/* The directory somebody chose for a partition that is not there yet, once; SIZE_MAX. */
size_t weir_log_manager_take_preferred(struct weir_log_manager *manager,
                                       const struct weir_topic_partition *key);
/* Takes the log's reference on OK. */
enum weir_status weir_log_manager_add_second(struct weir_log_manager *manager,
                                             struct weir_partition_log *take_log, size_t dir_index,
                                             int64_t cleaned_offset, bool is_future);
/* After all were loaded: decides which of two logs is the partition's, which is a move to go on
 * with, and which is left over. */
enum weir_status
weir_log_manager_settle_seconds(struct weir_log_manager *manager,
                                const struct weir_log_manager_load_options *options,
                                struct weir_detail *detail);
void weir_log_manager_free_seconds(struct weir_log_manager *manager);

/* log_manager_checkpoint.c */
/* One writer of a file at a time: a second one waits.  Blocks. */
enum weir_status weir_log_manager_write_checkpoint(struct weir_log_manager *manager,
                                                   size_t dir_index, enum checkpoint_kind kind,
                                                   struct weir_detail *detail);
/* A damaged or missing one reads as empty.  Told, and *out_is_lost (may be NULL) true, when it
 * cannot be so after a clean stop. */
enum weir_status weir_log_manager_read_checkpoint(struct weir_log_manager *manager,
                                                  size_t dir_index, enum checkpoint_kind kind,
                                                  struct weir_offset_checkpoint *out,
                                                  bool *out_is_lost);
