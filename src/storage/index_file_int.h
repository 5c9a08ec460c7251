/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the three index files share: read whole, and brought up to date by writing what is new and
 * cutting what is not. */

#include "weir/base/buf.h"
#include "weir/runtime/env.h"

/* CORRUPT when the length is no multiple of entry_bytes; NOT_FOUND. */
enum weir_status weir_index_file_read(struct weir_env *env, const char *path, size_t entry_bytes,
                                      struct weir_buf *out, struct weir_detail *detail);

/* Writes `tail` at tail_pos and makes the file end behind it.  *io_unsynced: whether it holds
 * something that was not synced, before and after; when it does not, there is nothing to sync. */
enum weir_status weir_index_file_write(struct weir_env *env, const char *path,
                                       struct weir_slice tail, uint64_t tail_pos, bool sync,
                                       bool *io_unsynced, struct weir_detail *detail);
