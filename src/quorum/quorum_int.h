/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this folder share. */

#include "weir/quorum/metadata_log.h"
#include "weir/quorum/quorum_state.h"

#include "weir/base/buf.h"

#define WEIR_METADATA_TOPIC    "__cluster_metadata"
#define WEIR_METADATA_DIR      WEIR_METADATA_TOPIC "-0"
#define WEIR_QUORUM_PATH_BYTES 4096

/* LIMIT when the path is too long. */
WEIR_MUST_CHECK enum weir_status weir_quorum_path(char out[WEIR_QUORUM_PATH_BYTES],
                                                  struct weir_detail *detail, const char *format,
                                                  ...) WEIR_PRINTF(3, 4);

/* True when name is "<20 digits>-<10 digits>.checkpoint". */
bool weir_checkpoint_name_parse(const char *name, struct weir_quorum_snapshot_id *out);

/* One data batch of records to the end of out. */
WEIR_MUST_CHECK enum weir_status weir_data_batch_write(const struct weir_quorum_new_record *records,
                                                       size_t count, int64_t base_offset,
                                                       int32_t epoch, int64_t timestamp_ms,
                                                       struct weir_buf *out);

struct weir_control_state;
struct weir_batch;

/* All records of one batch (offset >= from) to apply or, if it is a control batch, into state.
 * in_checkpoint: offsets mean nothing there. */
WEIR_MUST_CHECK enum weir_status weir_batch_replay(const struct weir_batch *batch, int64_t from,
                                                   bool in_checkpoint, weir_quorum_apply *apply,
                                                   void *context, struct weir_control_state *state,
                                                   struct weir_detail *detail);

/* Reads a checkpoint; state gets what its control records say. */
WEIR_MUST_CHECK enum weir_status weir_checkpoint_read(struct weir_env *env, const char *path,
                                                      weir_quorum_apply *apply, void *context,
                                                      struct weir_control_state *state,
                                                      struct weir_detail *detail);

/* A checkpoint file being written. */
struct weir_checkpoint_writer {
    struct weir_env *env;
    struct weir_file *file;
    char path[WEIR_QUORUM_PATH_BYTES];
    char part_path[WEIR_QUORUM_PATH_BYTES];
    uint64_t file_pos;
    int64_t next_offset; /* inside the file */
    int32_t epoch;
    int64_t timestamp_ms;
    const struct weir_quorum_options *options;
    struct weir_buf bodies; /* records that wait for their batch */
    struct weir_quorum_new_record *waiting;
    size_t waiting_count;
    size_t waiting_capacity;
};

/* path is the final name.  with_voters: KRaftVersion and Voters of options go behind the header. */
WEIR_MUST_CHECK enum weir_status
weir_checkpoint_writer_open(struct weir_env *env, const char *path, int32_t epoch,
                            int64_t last_contained_ms, bool with_voters,
                            const struct weir_quorum_options *options,
                            struct weir_checkpoint_writer *out, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_status
weir_checkpoint_writer_add(struct weir_checkpoint_writer *writer,
                           const struct weir_quorum_new_record *record, struct weir_detail *detail);
/* Footer, sync, rename, sync of the directory.  Ends the writer's life in either case. */
WEIR_MUST_CHECK enum weir_status
weir_checkpoint_writer_finish(struct weir_checkpoint_writer *writer, struct weir_detail *detail);
/* Removes the .part file. */
void weir_checkpoint_writer_abandon(struct weir_checkpoint_writer *writer);
