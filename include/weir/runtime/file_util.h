/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whole-file helpers over env.h.  They block. */

#include "weir/base/buf.h"
#include "weir/runtime/env.h"

/* Appends the whole file to out; LIMIT when it is larger than bytes_max. */
WEIR_MUST_CHECK enum weir_status weir_file_read_all(struct weir_env *env, const char *path,
                                                    size_t bytes_max, struct weir_buf *out,
                                                    struct weir_detail *detail);

/* Kafka's way to replace a small file so that a crash leaves the old or the new one: write
 * "<path>.tmp", fsync it, rename, fsync the parent directory. */
WEIR_MUST_CHECK enum weir_status weir_file_replace(struct weir_env *env, const char *path,
                                                   struct weir_slice content,
                                                   struct weir_detail *detail);

/* Creates the directory and its missing parents; fine when it is there. */
WEIR_MUST_CHECK enum weir_status weir_dir_make_all(struct weir_env *env, const char *path,
                                                   struct weir_detail *detail);

/* The same, and what had to be made survives power loss. */
WEIR_MUST_CHECK enum weir_status weir_dir_make_all_durably(struct weir_env *env, const char *path,
                                                           struct weir_detail *detail);

/* Makes the path's own name durable, by syncing the directory that holds it. */
WEIR_MUST_CHECK enum weir_status weir_dir_sync_parent(struct weir_env *env, const char *path,
                                                      struct weir_detail *detail);

/* Removes a directory with all in it; fine when it is not there. */
WEIR_MUST_CHECK enum weir_status weir_dir_remove_all(struct weir_env *env, const char *path,
                                                     struct weir_detail *detail);
