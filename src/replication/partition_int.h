/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What replicas.c alone does with a partition.  All on the thread that applies the image. */

#include "flusher.h"

#include "weir/replication/partition.h"

/* What all partitions of a broker share; borrowed, outlives them. */
struct weir_partition_world {
    struct weir_env *env;
    struct weir_task_pool *pool; /* rolls */
    struct weir_flusher *flusher;
    int32_t broker_id;
};

/* One reference.  log may be NULL (its directory is offline); the partition takes the reference to
 * it. */
WEIR_MUST_CHECK enum weir_status
weir_partition_new(const struct weir_partition_world *world, const struct weir_image_topic *topic,
                   int32_t index, struct weir_partition_log *take_log, struct weir_partition **out);

enum weir_role_change { WEIR_ROLE_SAME, WEIR_ROLE_BECAME_LEADER, WEIR_ROLE_RESIGNED };

/* Takes the role the image gives.  A lower partition epoch than the known one is ignored.  On
 * becoming leader the epoch is assigned at the log end offset even if no record follows.
 * out_old_epoch is the leader epoch before. */
enum weir_role_change weir_partition_apply(struct weir_partition *partition,
                                           const struct weir_image_partition *image,
                                           int32_t *out_old_epoch);

void weir_partition_set_min_insync(struct weir_partition *partition, int32_t min_insync_replicas);
void weir_partition_set_log_config(struct weir_partition *partition,
                                   const struct weir_log_config *config);

/* The topic is gone: no role, no log, waiters are woken. */
void weir_partition_retire(struct weir_partition *partition);

/* Calls exchange while nothing can be appended, and when it returns OK puts next in the place of
 * the log (with a reference of its own).  NOT_FOUND when the partition was retired or has no log.
 * For moves between directories. */
WEIR_MUST_CHECK enum weir_status
weir_partition_exchange_log(struct weir_partition *partition,
                            enum weir_status (*exchange)(void *context, struct weir_detail *detail),
                            void *context, struct weir_partition_log *next,
                            struct weir_detail *detail);
