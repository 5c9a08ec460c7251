/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The Kafka APIs of this broker: what stands between the server (frames, order, memory) and the
 * domain (image, controller, replicas, groups).  Created once; the dispatch table it gives to the
 * server is used from every loop.
 *
 * All pointers in the options are borrowed and outlive the api.  weir_api_free comes after the
 * server stopped, that is after every request was answered or dropped.
 */

#include "weir/base/log.h"
#include "weir/group/group_service.h"
#include "weir/metadata/config_resolve.h"
#include "weir/metadata/controller.h"
#include "weir/metadata/image.h"
#include "weir/replication/replicas.h"
#include "weir/runtime/env.h"
#include "weir/runtime/task_pool.h"
#include "weir/server/request.h"
#include "weir/storage/log_manager.h"
#include "weir/storage/log_move.h"

struct weir_api;
struct weir_marker_writer;
struct weir_share_coordinator;
struct weir_share_partitions;
struct weir_txn_service;

/* A listener as clients see it. */
struct weir_api_listener {
    struct weir_slice name;            /* PLAINTEXT */
    struct weir_slice advertised_host; /* null: the address the client came in by */
    uint16_t port;                     /* advertised */
};

struct weir_api_options {
    struct weir_env *env;
    const struct weir_log *log;
    struct weir_task_pool *pool;
    struct weir_image_publisher *publisher;
    struct weir_controller *controller;
    struct weir_replicas *replicas;
    struct weir_log_manager *logs;
    struct weir_log_mover *mover;
    struct weir_group_service *groups;
    struct weir_txn_service *txns;
    struct weir_share_coordinator *shares;
    struct weir_share_partitions *share_partitions;
    struct weir_marker_writer *markers;
    const struct weir_static_configs *statics;
    const char *cluster_id;
    int32_t node_id;
    const struct weir_api_listener
        *listeners; /* by the server's listener index; ports are set once it listens */
    size_t listener_count;
    size_t fetch_session_slots; /* max.incremental.fetch.session.cache.slots */
};

WEIR_MUST_CHECK enum weir_status weir_api_new(const struct weir_api_options *options,
                                              struct weir_api **out);
void weir_api_free(struct weir_api *api);

/* One row for each API this broker advertises; lives as long as the api. */
const struct weir_dispatch *weir_api_dispatch(struct weir_api *api);
