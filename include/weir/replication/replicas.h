/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * All partitions of this broker.  Follows the metadata image: creates and deletes logs, takes and
 * gives up leadership, applies topic configs.  It is an image listener (its `published` runs on the
 * controller's thread, where it may block); look-ups come from any thread.
 */

#include "weir/base/log.h"
#include "weir/metadata/config_resolve.h"
#include "weir/metadata/controller.h"
#include "weir/metadata/image.h"
#include "weir/replication/partition.h"
#include "weir/runtime/env.h"
#include "weir/runtime/task_pool.h"
#include "weir/storage/log_manager.h"

struct weir_replicas;

/* Who wants to know that this broker began or ceased to lead a partition (the coordinators). Called
 * on the thread that applies the image, without locks. */
struct weir_leadership_listener {
    struct weir_list node;
    void (*became_leader)(struct weir_leadership_listener *listener,
                          struct weir_partition *partition, int32_t leader_epoch);
    void (*resigned)(struct weir_leadership_listener *listener, struct weir_partition *partition,
                     int32_t leader_epoch);
    void (*deleted)(struct weir_leadership_listener *listener,
                    const struct weir_image_topic *topic);
};

struct weir_replicas_options {
    struct weir_env *env;
    const struct weir_log *log;
    struct weir_log_manager *logs; /* loaded; borrowed */
    int32_t broker_id;
    unsigned create_threads; /* for the logs of a topic with at least so many partitions; 0: none */
    struct weir_task_pool *pool; /* rolls and flushes; no task of it runs any more when this ends */
    unsigned flushes_max;        /* at once */
    const struct weir_static_configs *statics;
    /* Replicas that are in another directory than the image says (created, moved, found elsewhere);
     * items are borrowed during the call.  On the thread that applies the image.  NULL is allowed.
     */
    void (*assign)(void *context, const struct weir_directory_assignment *items, size_t count);
    void *context;
};

WEIR_MUST_CHECK enum weir_status weir_replicas_new(const struct weir_replicas_options *options,
                                                   struct weir_replicas **out);
/* After the controller and all loops have stopped.  NULL is allowed. */
void weir_replicas_free(struct weir_replicas *replicas);

/* Before the first image is applied. */
void weir_replicas_listen(struct weir_replicas *replicas,
                          struct weir_leadership_listener *listener);

/* Makes what this broker has equal to the image: all of it, for the first image after start. */
void weir_replicas_apply_all(struct weir_replicas *replicas, const struct weir_image *image);
/* And one step further. */
void weir_replicas_apply(struct weir_replicas *replicas, const struct weir_image *before,
                         const struct weir_image *after, const struct weir_image_delta *delta);

/* Tells assign() of all replicas that are elsewhere than the image says; for the time after
 * registration. */
void weir_replicas_assign_all(struct weir_replicas *replicas, const struct weir_image *image);

/* For weir_log_mover: lets take_over run while nothing is appended to the partition, and gives it
 * its next log.  NOT_FOUND when it is not here. */
WEIR_MUST_CHECK enum weir_status weir_replicas_exchange_log(
    struct weir_replicas *replicas, struct weir_uuid topic_id, int32_t index,
    enum weir_status (*take_over)(void *argument, struct weir_detail *detail), void *argument,
    struct weir_partition_log *next, struct weir_detail *detail);

/* A new reference, or NULL when this broker has no replica of it. */
struct weir_partition *weir_replicas_find(struct weir_replicas *replicas, struct weir_uuid topic_id,
                                          int32_t index);
