/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The inside of the mover, shared by log_move*.c. */

#include "log_manager_int.h"

#include "weir/runtime/task_pool.h"
#include "weir/storage/log_move.h"

struct weir_log_mover {
    struct weir_log_mover_options options;
    struct weir_task_pool *pool;
    _Atomic int64_t bytes_per_second;
    struct weir_lock lock; /* guards what follows; rank MOVER */
    bool is_stopping;
    struct weir_list moves;
    int64_t free_at_ns; /* what was copied is paid for by then */
    pthread_cond_t idle;
};

/* One partition on its way.  Touched by its task only. */
struct log_move {
    struct weir_task task;
    struct weir_list node; /* the mover's lock */
    struct weir_log_mover *mover;
    struct weir_partition_log *current; /* references */
    struct weir_partition_log *future;
    int64_t cleaned_offset; /* of the current log when the copying began */
    bool has_said_full;
    bool is_recorded; /* moving() said OK */
};

/* log_move.c */
/* How much to copy at once, and that it was copied. */
size_t weir_log_mover_piece(struct weir_log_mover *mover);
void weir_log_mover_spend(struct weir_log_mover *mover, size_t bytes);

/* log_move_copy.c */
/* Does a part of the work; false when the move is over, one way or the other.  *out_delay_ms: when
 * to go on. */
bool weir_log_move_step(struct log_move *move, int64_t *out_delay_ms);
