/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All log directories of a node and the partition logs in them: locks, meta.properties, the
 * clean-shutdown marker, loading, checkpoints, creation and deletion, and which directory has
 * failed.
 *
 * Order of a start: open (locks, meta.properties, markers read) -> the metadata log is opened by
 * its owner with weir_log_manager_metadata_options -> load (markers removed; all other partitions,
 * with the configs of the metadata image, strays renamed) -> serve -> close.  The timers are the
 * broker's: it calls the checkpoint, retention and reaper functions.
 *
 * Thread-safe: the table of partitions has its own lock (rank LOG_DIR), never held across a file
 * call.  Everything that touches files blocks and belongs on a task thread or in start and stop.
 *
 * Promises:
 *  M1  two processes never have one directory open (POSIX lock on .lock, which Apache Kafka
 * honours). M2  the marker is removed before anything that it speaks of is changed (a start that is
 * refused before leaves it), and written last, only after every log in the directory closed and
 * verified itself. M3  a failed directory is told once
 * through on_dir_failed; its logs fail with KAFKA_STORAGE_ERROR, others go on.
 */

#include "weir/base/log.h"
#include "weir/storage/meta_properties.h"
#include "weir/storage/partition_log.h"

struct weir_log_manager;

struct weir_log_manager_options {
    struct weir_env *env;
    const struct weir_log *log; /* where events of loading go; may be NULL */
    const char *const *dirs;    /* log.dirs; created when absent; copied */
    size_t dir_count;
    const char *metadata_dir; /* where __cluster_metadata-0 is; NULL: the first of dirs; one that is
                                 not among dirs is locked as well */
    const char *cluster_id;   /* expected, or given to directories without meta.properties; NULL: a
                                 random one then */
    int32_t node_id;
    struct weir_log_config defaults;   /* for partitions whose config nobody gives */
    unsigned recovery_threads_per_dir; /* 0: 2 */
    /* Producers are refused while a directory's disk has less free than this; 0: never. */
    unsigned free_percent_min;
    size_t open_segment_files_max;  /* 0: segment_cache.h's default */
    size_t segment_index_bytes_max; /* of sealed segments, in memory; 0: the default there */
    /* The directory is offline from now on.  Any thread, possibly with a log's lock held: only post
     * a message. */
    void (*on_dir_failed)(void *context, const char *dir, struct weir_uuid directory_id,
                          const struct weir_detail *detail);
    void *context;
};

/* A directory that cannot be used goes offline (on_dir_failed is called before this returns) and
 * the others are opened; KAFKA_STORAGE_ERROR when none can, or not the metadata directory. BUSY
 * with a clear sentence when another process has a directory; INCONSISTENT_CLUSTER_ID or INVALID
 * when meta.properties is of another cluster or node.  Foreign directories in log.dirs are INVALID
 * and named, as Apache Kafka refuses them. */
WEIR_MUST_CHECK enum weir_status
weir_log_manager_open(const struct weir_log_manager_options *options, struct weir_log_manager **out,
                      struct weir_detail *detail);

/* Closes without the clean protocol (logs still open are dropped as a crash would); after
 * weir_log_manager_close nothing is left to do but free memory and locks. */
void weir_log_manager_free(struct weir_log_manager *manager);

const char *weir_log_manager_cluster_id(const struct weir_log_manager *manager);

struct weir_log_dir_info {
    const char *path;
    struct weir_uuid directory_id; /* zero when it could not be read */
    bool is_offline;
    bool was_clean;
    int64_t previous_broker_epoch; /* from the marker; -1 without one */
};
size_t weir_log_manager_dir_count(const struct weir_log_manager *manager);
void weir_log_manager_dir(struct weir_log_manager *manager, size_t index,
                          struct weir_log_dir_info *out);
size_t weir_log_manager_offline_count(const struct weir_log_manager *manager);
/* What a broker registers: the epoch all directories agree on, -1 when one was unclean. */
int64_t weir_log_manager_previous_broker_epoch(struct weir_log_manager *manager);
struct weir_file_reaper *weir_log_manager_reaper(struct weir_log_manager *manager);

/* Options for opening __cluster_metadata-0 (in the metadata directory), which does not go by the
 * clean marker. */
void weir_log_manager_metadata_options(struct weir_log_manager *manager,
                                       struct weir_partition_log_options *out, char out_dir[4096]);

/* --- Loading. --- */
struct weir_log_manager_load_options {
    /* Whether the partition found in a directory belongs to this node; false renames it "-stray".
     * topic_id is zero when partition.metadata is missing.  NULL: all belong.  Called from several
     * threads at once. */
    bool (*belongs)(void *context, const struct weir_topic_partition *key,
                    struct weir_uuid topic_id, struct weir_uuid directory_id);
    /* The topic id of a partition whose partition.metadata is missing, where it is beyond doubt:
     * then the file is written again.  Zero: it is not.  NULL: it never is. */
    struct weir_uuid (*topic_id)(void *context, const struct weir_topic_partition *key,
                                 struct weir_uuid directory_id);
    /* The directory the metadata says the partition is in; zero or a reserved id: none.  NULL: none
     * is known. */
    struct weir_uuid (*recorded)(void *context, const struct weir_topic_partition *key);
    /* Fills the config (it holds the defaults when called).  NULL: the defaults. */
    void (*config)(void *context, const struct weir_topic_partition *key,
                   struct weir_log_config *out);
    void *context;
};

struct weir_log_manager_load_result {
    size_t partition_count;
    size_t recovered_count;
    size_t stray_count;
    uint64_t scanned_bytes;
    uint64_t cut_bytes;
};

#define WEIR_LOAD_REPORT_MS 2000

/* Loads everything but __cluster_metadata-0, with recovery_threads_per_dir threads for each
 * directory.  While it takes long the event logs_loading tells every WEIR_LOAD_REPORT_MS of the
 * env's clock how far it is and the time left; what takes less tells nothing.  A partition that
 * cannot be loaded for its files' sake takes its directory offline (M3), as Apache Kafka does; the
 * load goes on with the others. */
WEIR_MUST_CHECK enum weir_status
weir_log_manager_load(struct weir_log_manager *manager,
                      const struct weir_log_manager_load_options *options,
                      struct weir_log_manager_load_result *out, struct weir_detail *detail);

/* --- Partitions. --- */
/* A new reference, or NULL. */
struct weir_partition_log *weir_log_manager_get(struct weir_log_manager *manager,
                                                const struct weir_topic_partition *key);
/* Gets or creates, in the directory with the fewest partitions that is online.  Gives a new
 * reference. INCONSISTENT_TOPIC_ID when it is there with another id; KAFKA_STORAGE_ERROR when no
 * directory is online. */
WEIR_MUST_CHECK enum weir_status
weir_log_manager_create(struct weir_log_manager *manager, const struct weir_topic_partition *key,
                        struct weir_uuid topic_id, const struct weir_log_config *config,
                        struct weir_partition_log **out, struct weir_detail *detail);
/* Where a log is created that is not here. */
struct weir_log_placement {
    /* The directory the metadata names: nowhere else, KAFKA_STORAGE_ERROR when it is not online. */
    bool has_directory;
    struct weir_uuid directory_id;
    /* It was there before: with a directory offline it may be in that one, so that it is not
     * created (KAFKA_STORAGE_ERROR). */
    bool must_exist;
};
/* As create; a directory chosen with weir_log_mover_move before the partition was there comes
 * first.
 */
WEIR_MUST_CHECK enum weir_status
weir_log_manager_create_in(struct weir_log_manager *manager, const struct weir_topic_partition *key,
                           struct weir_uuid topic_id, const struct weir_log_config *config,
                           const struct weir_log_placement *placement,
                           struct weir_partition_log **out, struct weir_detail *detail);
/* Waits until it is not being cleaned, renames it to "-delete" and forgets it; the files go after
 * file.delete.delay.ms.  NOT_FOUND. */
WEIR_MUST_CHECK enum weir_status weir_log_manager_delete(struct weir_log_manager *manager,
                                                         const struct weir_topic_partition *key,
                                                         struct weir_detail *detail);
/* New references to all (in no order), malloc'ed; the caller unrefs each and frees the array. */
WEIR_MUST_CHECK enum weir_status weir_log_manager_list(struct weir_log_manager *manager,
                                                       struct weir_partition_log ***out,
                                                       size_t *out_count);
/* The same with the copies of moves in progress ("-future"), and where each is. */
struct weir_log_replica {
    struct weir_partition_log *log;
    size_t dir_index;
    bool is_future;
};
WEIR_MUST_CHECK enum weir_status weir_log_manager_replicas(struct weir_log_manager *manager,
                                                           struct weir_log_replica **out,
                                                           size_t *out_count);
void weir_log_replicas_free(struct weir_log_replica *replicas, size_t count);
size_t weir_log_manager_count(struct weir_log_manager *manager);
/* The directory a partition is in: index for weir_log_manager_dir, or -1. */
int weir_log_manager_dir_of(struct weir_log_manager *manager,
                            const struct weir_topic_partition *key);

/* Whether a copy of it is being made in another directory. */
bool weir_log_manager_is_moving(struct weir_log_manager *manager,
                                const struct weir_topic_partition *key);

/* --- Compaction.  The manager keeps how far each log is clean (cleaner-offset-checkpoint); the
 * cleaner decides. --- */
/* The first offset that is not clean yet, as the cleaner said last, or -1.  It may lie outside of
 * the log. */
int64_t weir_log_manager_cleaner_offset(struct weir_log_manager *manager,
                                        struct weir_partition_log *log);
/* Remembers it (-1: forgets it) and writes the directory's checkpoint.  Blocks.  CLOSED when log is
 * not the partition's log any more (deleted or moved): nothing is remembered then. */
WEIR_MUST_CHECK enum weir_status
weir_log_manager_set_cleaner_offset(struct weir_log_manager *manager,
                                    struct weir_partition_log *log, int64_t offset,
                                    struct weir_detail *detail);
/* Writes the checkpoint with the log's recovery point.  Blocks.  CLOSED as above. */
WEIR_MUST_CHECK enum weir_status
weir_log_manager_note_recovery_point(struct weir_log_manager *manager,
                                     struct weir_partition_log *log, struct weir_detail *detail);
/* True: nobody moves or deletes the log before end_cleaning, so the cleaner may rename files in its
 * directory.  False: leave it for now (somebody else cleans, or a move is about to end), or for
 * good (it is not the partition's log any more).  Each true needs one end.  Does not block. */
bool weir_log_manager_begin_cleaning(struct weir_log_manager *manager,
                                     struct weir_partition_log *log);
void weir_log_manager_end_cleaning(struct weir_log_manager *manager,
                                   struct weir_partition_log *log);
/* Whether somebody waits for end_cleaning (a topic deletion, the end of a move): the cleaner asks
 * between batches and gives up what it has not swapped in. */
bool weir_log_manager_is_cleaning_unwanted(struct weir_log_manager *manager,
                                           struct weir_partition_log *log);

/* --- Upkeep; each does all directories that are online.  A failed write takes the directory
 * offline. --- */
void weir_log_manager_checkpoint_recovery_points(struct weir_log_manager *manager);
void weir_log_manager_checkpoint_log_starts(struct weir_log_manager *manager);
void weir_log_manager_checkpoint_high_watermarks(struct weir_log_manager *manager);
/* Retention of all logs. */
void weir_log_manager_retain_all(struct weir_log_manager *manager,
                                 struct weir_log_retention_result *out);
/* Sealed segments that are not yet durable. */
void weir_log_manager_flush_due(struct weir_log_manager *manager);
/* And where flush.ms is over: log.flush.scheduler.interval.ms. */
void weir_log_manager_flush_old(struct weir_log_manager *manager);
/* Looks how much space the disks have left, and says when to look again (milliseconds).  Producers
 * are refused (NO_SPACE from append) from a look that finds less than free_percent_min until one
 * that finds enough again.  Task threads, one at a time. */
int64_t weir_log_manager_check_space(struct weir_log_manager *manager);
/* What the last look found. */
bool weir_log_manager_is_nearly_full(const struct weir_log_manager *manager, size_t index);
/* Makes sure of transaction indexes that were found at the start, until about bytes_max were read
 * (*out_bytes).  True when there is nothing left to do, for good.  Task threads, one at a time. */
bool weir_log_manager_audit(struct weir_log_manager *manager, uint64_t bytes_max,
                            uint64_t *out_bytes);
void weir_log_manager_expire_producers(struct weir_log_manager *manager);
/* Files and directories whose delay has passed. */
void weir_log_manager_reap(struct weir_log_manager *manager);

void weir_log_manager_fail_dir(struct weir_log_manager *manager, size_t index,
                               const struct weir_detail *why);

/* Closes every log, several at a time (threads of its own), writes the four checkpoints and then
 * the clean marker with broker_epoch, each directory by itself.  A directory where anything failed,
 * or a log did not verify, gets no marker and recovery points that are true; the first failure
 * comes back after all were done. metadata_closed_cleanly says how the owner of
 * __cluster_metadata-0 fared. */
WEIR_MUST_CHECK enum weir_status weir_log_manager_close(struct weir_log_manager *manager,
                                                        int64_t broker_epoch,
                                                        bool metadata_closed_cleanly,
                                                        struct weir_detail *detail);
