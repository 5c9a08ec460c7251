/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A call that waits for something to happen on its partitions, or for a deadline: fetches that have
 * too little to give (of share partitions too), produces that wait for replicas.  Lives in the
 * call's arena; all but the waking itself is on the call's loop.
 */

#include "api_int.h"

#include "weir/share/share_partitions.h"

struct weir_wait_options {
    /* Whether the wait is over; called after each change on one of the partitions.  Does not end
     * the call. */
    bool (*is_satisfied)(struct weir_call *call, void *context);
    /* Ends the call, once: satisfied, out of time, or because the client is gone. */
    void (*finish)(struct weir_call *call, void *context);
    void *context;
    int64_t wait_ms;
    /* Share partitions to be woken by as well; their references are taken too. */
    struct weir_share_slot *const *take_slots;
    size_t slot_count;
};

/* Takes the references to the partitions and looks once at is_satisfied itself, so that nothing is
 * missed between the caller's last look and the wait.  Calls finish before it returns when it need
 * not wait or has no memory to. */
void weir_wait_start(struct weir_call *call, struct weir_partition *const *take_partitions,
                     size_t count, const struct weir_wait_options *options);
