/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Looking at log directories from outside: `weir dump` says in words what a file holds, `weir
 * verify` whether a directory is whole.  Files may be Apache Kafka's or weir's, and a broker may
 * run on them.
 *
 * Promises:
 *  N1  Nothing is changed: files are opened for reading, no lock is taken, nothing is created.
 *  N2  Memory is bounded, whatever the size of a segment: a buffer, and one batch at a time.
 *  N3  Whatever the bytes are, there is no crash, and the text is safe for a terminal.
 *
 * Calls block, one thread each.
 */

#include "weir/base/slice.h"
#include "weir/runtime/env.h"

/* Also the exit codes of the two commands. */
enum weir_inspect_result {
    WEIR_INSPECT_SOUND = 0,
    WEIR_INSPECT_DAMAGED = 1, /* something was found, and said */
    WEIR_INSPECT_FAILED = 2   /* a file or directory could not be read, or the memory is out */
};

/* Takes a line or more.  False ends the run (the reader of a pipe has gone). */
typedef bool weir_inspect_write(void *context, struct weir_slice text);

#define WEIR_DUMP_BYTES_DEFAULT 1024

struct weir_dump_options {
    struct weir_env *env;
    const char *const *files;
    size_t file_count;
    /* Whose records these are, NULL: as the directory's name says.  __consumer_offsets,
     * __transaction_state, __share_group_state, __cluster_metadata and __remote_log_metadata are
     * taken apart. */
    const char *topic;
    bool with_records; /* control records are printed in any case */
    size_t bytes_max;  /* keys, values and texts are cut there; 0: WEIR_DUMP_BYTES_DEFAULT */
    weir_inspect_write *write;
    void *write_context;
};

/* Prints each file; its name says of what kind it is (also behind .deleted, .cleaned and .swap).
 * What is damaged is said with its place, and the rest of the file is printed where it can be found
 * again. */
enum weir_inspect_result weir_dump(const struct weir_dump_options *options);

struct weir_verify_options {
    struct weir_env *env;
    const char *dir; /* an entry of log.dirs, or one partition's directory in it */
    bool is_quiet;   /* faults only: no notes, no summary */
    weir_inspect_write *write;
    void *write_context;
};

/*
 * Checks batches, indexes, snapshots, epochs and checkpoints against each other.  A line each:
 *
 *     FAULT <path> at byte <n>: <sentence>      (or "at offset <n>", or neither)
 *     NOTE <path>: <sentence>                   no fault: left-overs, what a recovery would mend
 *
 * What a running broker or a killed one may leave (a torn end, index files with zeros behind their
 * entries) is no fault above the recovery point; with the marker of a clean stop it is, for then
 * nobody looks at it again.
 */
enum weir_inspect_result weir_verify(const struct weir_verify_options *options);
