/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of a broker, in the order in which they are built. */

#include "topic_port.h"
#include "upkeep.h"

#include "weir/api/api.h"
#include "weir/api/txn_markers.h"
#include "weir/broker/broker.h"
#include "weir/broker/cli.h"
#include "weir/group/group_service.h"
#include "weir/metadata/controller.h"
#include "weir/runtime/lock.h"
#include "weir/server/server.h"
#include "weir/share/share_coordinator.h"
#include "weir/share/share_partitions.h"
#include "weir/storage/cleaner.h"
#include "weir/storage/log_move.h"
#include "weir/txn/txn_service.h"

#include <stdatomic.h>

struct weir_broker {
    struct weir_env *env;
    const struct weir_config *config;
    const struct weir_log *log;
    int64_t started_ns;

    struct weir_open_files open_files;
    char cluster_id[64];
    struct weir_log_manager *logs;
    struct weir_task_pool *pool;
    struct weir_image_publisher *publisher;
    struct weir_controller *controller;
    struct weir_replicas *replicas;
    struct weir_topic_port offsets_port;
    struct weir_group_service *groups;
    struct weir_topic_port txn_port;
    struct weir_marker_writer *markers;
    struct weir_producer_ids *producer_ids;
    struct weir_txn_service *txns;
    struct weir_topic_port share_port;
    struct weir_share_coordinator *shares;
    struct weir_share_partitions *share_partitions;
    struct weir_api *api;
    struct weir_api_listener *api_listeners; /* by listener index */
    struct weir_server_listener *server_listeners;
    struct weir_server_ip_limit *server_ip_limits;
    struct weir_server *server;
    struct weir_upkeep *upkeep;
    struct weir_cleaner *cleaner; /* NULL: log.cleaner.enable=false */

    struct weir_image_listener image_listener;
    struct weir_leadership_listener leadership;
    struct weir_log_mover *mover;
    struct weir_lock dirs_lock;       /* guards dirs_pool; rank UPKEEP */
    struct weir_task_pool *dirs_pool; /* what is to be done about failed directories */
    atomic_bool dirs_failed;          /* without those that are left weir cannot go on */
    bool follows_image;   /* set before any operation is submitted: logs are loaded, changes are
                             applied as they come */
    int64_t broker_epoch; /* -1: not registered */
    atomic_bool metadata_failed;
};

/* group_history.c: writes every group and its last rebalances into the log; on the thread that
 * waits for signals. */
void weir_broker_log_groups(struct weir_broker *broker);

/* broker_follow.c: what the broker does when the image changes. */
void weir_broker_follow_init(struct weir_broker *broker);
/* Applies the whole current image, then follows. */
void weir_broker_follow_start(struct weir_broker *broker);

/* broker_coordinators.c: groups, transactions, and their internal topics. */
WEIR_MUST_CHECK enum weir_status weir_broker_new_coordinators(struct weir_broker *broker);
/* After the server, before the pool. */
void weir_broker_stop_coordinators(struct weir_broker *broker);
void weir_broker_free_coordinators(struct weir_broker *broker);
/* Tells them how many partitions their topics have, and the features they depend on. */
void weir_broker_set_coordinators(struct weir_broker *broker, const struct weir_image *image);
/* After the image that lacks them was published. */
void weir_broker_share_topics_deleted(struct weir_broker *broker,
                                      const struct weir_image_delta *delta);
/* Whose internal topic this is; NULL: nobody's. */
struct weir_coordinator *weir_broker_coordinator_of(const struct weir_broker *broker,
                                                    struct weir_slice topic);

/* broker_dirs.c: log directories at work. */
void weir_broker_dirs_options(struct weir_broker *broker, struct weir_replicas_options *out);
/* After registration: where the replicas are. */
void weir_broker_dirs_registered(struct weir_broker *broker);
WEIR_MUST_CHECK enum weir_status weir_broker_start_moves(struct weir_broker *broker,
                                                         struct weir_detail *detail);
/* replica.alter.log.dirs.io.max.bytes.per.second as it is in the image. */
void weir_broker_set_move_rate(struct weir_broker *broker, const struct weir_image *image);
WEIR_MUST_CHECK enum weir_status weir_broker_watch_dirs(struct weir_broker *broker,
                                                        struct weir_detail *detail);
void weir_broker_dir_failed(void *context, const char *dir, struct weir_uuid directory_id,
                            const struct weir_detail *detail);
/* Before the controller closes. */
void weir_broker_stop_dirs(struct weir_broker *broker);

/* broker_register.c: this broker's entry in the metadata. */
WEIR_MUST_CHECK enum weir_status weir_broker_register(struct weir_broker *broker,
                                                      struct weir_detail *detail);
void weir_broker_deregister(struct weir_broker *broker);

/* broker_clean.c: the log cleaner with the keys that are in force. */
WEIR_MUST_CHECK enum weir_status weir_broker_start_cleaner(struct weir_broker *broker,
                                                           struct weir_detail *detail);

/* broker_serve.c: the APIs and the sockets. */
WEIR_MUST_CHECK enum weir_status weir_broker_serve(struct weir_broker *broker,
                                                   struct weir_detail *detail);
