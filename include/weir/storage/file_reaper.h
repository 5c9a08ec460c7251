/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Removes files and directories some time after they were given up (file.delete.delay.ms), so that
 * readers of older views lose nothing and a mistake can still be seen.  Thread-safe (a leaf lock,
 * not held across removal).
 */

#include "weir/runtime/env.h"

struct weir_file_reaper;

WEIR_MUST_CHECK enum weir_status weir_file_reaper_new(struct weir_env *env,
                                                      struct weir_file_reaper **out);
/* What is still waiting stays on disk; the next start removes it (its name says what it is). */
void weir_file_reaper_free(struct weir_file_reaper *reaper);

/* Takes note of a path (copied) to remove at due_ms of the monotonic clock.  NO_MEMORY: the file
 * stays for the next start. */
WEIR_MUST_CHECK enum weir_status weir_file_reaper_add(struct weir_file_reaper *reaper,
                                                      const char *path, bool is_directory,
                                                      int64_t due_ms);

/* Removes what is due (all when everything).  Blocks.  The first failure comes back after all were
 * tried; a file that is gone already is none.  out_removed may be NULL. */
WEIR_MUST_CHECK enum weir_status weir_file_reaper_run(struct weir_file_reaper *reaper,
                                                      bool everything, size_t *out_removed,
                                                      struct weir_detail *detail);
/* Monotonic time of the next removal, or -1. */
int64_t weir_file_reaper_next_ms(struct weir_file_reaper *reaper);
size_t weir_file_reaper_count(struct weir_file_reaper *reaper);
