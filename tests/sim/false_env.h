/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The false world of the tests behind runtime/env.h: a clock that stands until it is stepped,
 * random numbers from a seed, and a disk in memory that fails on demand, runs full, and loses what
 * was not synced.  Any thread; one lock inside.
 *
 * The disk's rules are those a careful program must survive:
 *  - Data is durable after weir_file_sync on its file; names (created, renamed, removed) are
 * durable after weir_dir_sync on their directory, in the order in which they were made.
 *  - After a sync that failed, what it should have written never becomes durable, though later
 *    syncs say OK and reads see it, as on Linux.
 *  - Paths are absolute or relative to the same root; "." and empty parts are skipped, ".." is not
 *    known.
 *  - A lock belongs to an open file, so two openings inside one process exclude each other.
 * The world's own memory does not come from weir_malloc: tests that make allocations fail mean
 * those of the code under test.
 */

#include "weir/runtime/env.h"

struct false_env;

struct false_env *false_env_new(uint64_t seed);
/* All files were closed (asserted).  NULL is allowed. */
void false_env_free(struct false_env *false_env);
/* What the code under test gets; lives as long as the false one. */
struct weir_env *false_env_env(struct false_env *false_env);

/* ---- Clock.  It begins at 1,000 s monotonic and 2023-11-14T22:13:20Z. ---- */
void false_env_step_ms(struct false_env *false_env, int64_t ms);
/* Sets the wall clock alone, as an administrator would. */
void false_env_set_wall_ms(struct false_env *false_env, int64_t wall_ms);

/* ---- Failures ---- */
enum {
    FALSE_CALL_OPEN = 1,
    FALSE_CALL_READ = 2,
    FALSE_CALL_WRITE = 4,
    FALSE_CALL_SYNC = 8,
    FALSE_CALL_TRUNCATE = 16,
    FALSE_CALL_RESERVE = 32,
    FALSE_CALL_SIZE = 64, /* of a file or a path */
    FALSE_CALL_RENAME = 128,
    FALSE_CALL_REMOVE = 256, /* file or directory */
    FALSE_CALL_MAKE_DIR = 512,
    FALSE_CALL_SYNC_DIR = 1024,
    FALSE_CALL_LIST = 2048,
    FALSE_CALL_SET_MODIFIED = 4096,
    FALSE_CALL_SPACE = 8192,
    FALSE_CALL_LOCK = 16384,
    FALSE_CALL_CHANGES = FALSE_CALL_OPEN | FALSE_CALL_WRITE | FALSE_CALL_SYNC |
                         FALSE_CALL_TRUNCATE | FALSE_CALL_RESERVE | FALSE_CALL_RENAME |
                         FALSE_CALL_REMOVE | FALSE_CALL_MAKE_DIR | FALSE_CALL_SYNC_DIR |
                         FALSE_CALL_SET_MODIFIED | FALSE_CALL_LOCK,
    FALSE_CALL_ALL = 32767
};

struct false_fault {
    unsigned calls;          /* mask of the calls that are counted and may fail */
    uint64_t nth;            /* from now, 1 is the next one; 0: none fails */
    bool and_all_after;      /* the disk stays broken */
    enum weir_status status; /* WEIR_IO_ERROR, WEIR_NO_SPACE, ... */
    bool is_short_write;     /* a write that fails leaves a prefix of its bytes */
};
/* Replaces the one that was set; the counting begins anew. */
void false_env_set_fault(struct false_env *false_env, struct false_fault fault);
/* How often a fault has struck since it was set. */
uint64_t false_env_faults_hit(struct false_env *false_env);
/* Calls of these kinds since the world began: run once, then let each of them fail in turn. */
uint64_t false_env_calls(struct false_env *false_env, unsigned calls);

/* Bytes of all files together; writes beyond it are NO_SPACE and leave a prefix.  UINT64_MAX at
 * first. */
void false_env_set_capacity(struct false_env *false_env, uint64_t bytes);

/* ---- Bad days ---- */
enum false_loss {
    FALSE_LOSS_PROCESS, /* kill -9: what was written stays */
    FALSE_LOSS_ALL,     /* power loss: all that was not synced is gone */
    FALSE_LOSS_TORN     /* power loss: unsynced names survive up to some point in their order (of
                           all, or in each directory by itself); each sector of 512 bytes has seen
                           the first so many of the unsynced writes to it, and the size of a file
                           the first so many of its changes.  A part of a file that was never
                           written is zeros. */
};
/* Open files are dead afterwards: each call on them is IO_ERROR; close them.  The fault and the
 * capacity are lifted.  Locks are released. */
void false_env_crash(struct false_env *false_env, enum false_loss loss);

/* Garbage instead of zeros in those parts. */
void false_env_set_garbling(struct false_env *false_env, bool is_garbling);

/* Flips bits of one byte in place, durable at once: a disk that lies.  False when there is no such
 * byte. */
bool false_env_flip(struct false_env *false_env, const char *path, uint64_t file_pos, uint8_t bits);

size_t false_env_open_files(struct false_env *false_env);

/* "path size" of each file and "path/" of each directory, a line each, sorted; for messages and
 * comparisons.  The caller frees it with free(). */
char *false_env_tree(struct false_env *false_env);
