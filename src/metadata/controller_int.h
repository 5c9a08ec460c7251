/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Inside the controller.
 *
 * C1  Decisions are made on `image`, which holds everything decided so far, durable or not; readers
 * see the published one, which is durable.
 *
 * C2  All of this belongs to the controller's thread (the task that runs), but the fields under
 * `lock`.
 *
 * C3  An operation is decided completely or not at all: its records are appended as one batch,
 * except those of brokers coming and going and of elections, each of whose records is right by
 * itself.
 */

#include "image_write.h"
#include "record_list.h"

#include "weir/metadata/controller.h"
#include "weir/runtime/lock.h"

#include <pthread.h>

struct weir_controller {
    struct weir_controller_options options;
    char cluster_id[64];
    char metadata_dir[4096];
    struct weir_lock lock;
    struct weir_list waiting;                /* under lock: operations */
    bool is_scheduled;                       /* under lock */
    bool is_closing;                         /* under lock */
    pthread_cond_t idle;                     /* with lock: no longer scheduled */
    struct weir_controller_quorum_info info; /* under lock */
    struct weir_task task;
    struct weir_task_queue *queue;
    struct weir_quorum *quorum;
    const struct weir_image *image; /* C1 */
    bool has_failed;
    struct weir_detail failure;
};

/* What an operation sees while it decides. */
struct weir_decision {
    struct weir_controller *controller;
    const struct weir_image *image;
    struct weir_controller_op *op;
    struct weir_arena *arena;
    struct weir_record_list *records;
    struct weir_config_resolver resolver;
    bool may_split; /* set by operations whose records may be appended in several batches (C3) */
};

/* ---- Results ---- */
struct weir_controller_result weir_result_ok(void);
/* Kafka's words, printf'ed into the arena. */
struct weir_controller_result weir_result_of(struct weir_decision *decision,
                                             enum weir_status status, const char *format, ...)
    WEIR_PRINTF(3, 4);
/* Without words. */
struct weir_controller_result weir_result_bare(enum weir_status status);

/* ---- One function for each kind of operation: reads the image, fills results, adds records ----
 */
typedef void weir_decide(struct weir_decision *decision);
weir_decide weir_decide_create_topics;
weir_decide weir_decide_delete_topics;
weir_decide weir_decide_create_partitions;
weir_decide weir_decide_alter_configs;
weir_decide weir_decide_allocate_producer_ids;
weir_decide weir_decide_update_features;
weir_decide weir_decide_elect_leaders;
weir_decide weir_decide_alter_reassignments;
weir_decide weir_decide_alter_partition;
weir_decide weir_decide_register_broker;
weir_decide weir_decide_unfence_broker;
weir_decide weir_decide_shutdown_broker;
weir_decide weir_decide_unregister_broker;
weir_decide weir_decide_assign_directories;
weir_decide weir_decide_fail_directories;
weir_decide weir_decide_write_records;

/* ---- Shared rules ---- */

#define WEIR_RECORDS_PER_OP_MAX 10000

bool weir_broker_is_active(const struct weir_image *image, int32_t id);
/* Whether the broker has the directory online: it is registered with it, or the id names none
 * (unassigned, migrating), or it registered without directories. */
bool weir_broker_has_directory(const struct weir_image *image, int32_t id,
                               struct weir_uuid directory_id);
/* Active, a replica, and its directory is online. */
bool weir_replica_can_lead(const struct weir_image *image,
                           const struct weir_image_partition *partition, int32_t id);
/* The registered broker; NULL and STALE_BROKER_EPOCH in the operation's result otherwise. */
const struct weir_image_broker *weir_decide_find_broker(struct weir_decision *decision, int32_t id,
                                                        int64_t epoch);
/* The partition without this broker in the ISR, led by another one or by nobody.  self lives as
 * long as the decision. */
enum weir_status weir_decide_hand_over(struct weir_decision *decision,
                                       const struct weir_image_topic *topic,
                                       const struct weir_image_partition *partition,
                                       const int32_t *self);
/* Gives the partition to this broker when it may lead it, with the replica in that directory. */
void weir_decide_lead_again(struct weir_decision *decision, const struct weir_image_topic *topic,
                            const struct weir_image_partition *partition, int32_t id,
                            struct weir_uuid directory_id, int32_t *self);
struct weir_uuid weir_partition_directory(const struct weir_image_partition *partition, int32_t id);
bool weir_elr_is_enabled(const struct weir_image *image);
/* A number of the broker's configuration. */
int64_t weir_controller_static_i64(const struct weir_decision *decision, const char *key);

/* A set of changes for a resource, from nothing (a new topic) or on top of what is set.  Adds
 * ConfigRecords when records is not NULL; out_entries (arena) is what is set afterwards. */
struct weir_config_request {
    enum weir_resource_type type;
    struct weir_slice name;
    const struct weir_config_change *changes;
    size_t change_count;
    bool replace_all;
    bool is_new_topic;
    bool validate_only;
};
struct weir_controller_result weir_decide_configs(struct weir_decision *decision,
                                                  const struct weir_config_request *request,
                                                  struct weir_image_config_entry **out_entries,
                                                  size_t *out_count);

/* Kafka's words for a bad topic name; OK otherwise. */
struct weir_controller_result weir_check_topic_name(struct weir_decision *decision,
                                                    struct weir_slice name);

/* The partition's replicas as given by hand are checked; expected_count -1: any. */
struct weir_controller_result weir_check_assignment(struct weir_decision *decision,
                                                    const int32_t *replicas, size_t count,
                                                    int expected_count);

/* A new partition with these replicas: in-sync are the active ones, the first of them leads. */
enum weir_status weir_new_partition(struct weir_decision *decision, int32_t id,
                                    const int32_t *replicas, size_t count,
                                    struct weir_image_partition *out);

/* Replicas for `count` partitions, count * replication_factor broker ids from the arena
 * (placement.c). */
struct weir_controller_result weir_place(struct weir_decision *decision, int32_t count,
                                         int16_t replication_factor, int32_t **out);

/* What changes in a partition; lists with items == NULL stay as they are. */
struct weir_partition_change {
    bool has_isr;
    struct weir_i32_list isr;
    bool has_leader; /* also when it is the same: the epoch rises */
    int32_t leader;
    bool has_replicas;
    struct weir_i32_list replicas;
    const struct weir_uuid *directories; /* with has_replicas, or of the replicas there are */
    bool has_directories;                /* without has_replicas */
    size_t directory_count;              /* with has_directories */
    bool has_removing;
    struct weir_i32_list removing;
    bool has_adding;
    struct weir_i32_list adding;
    int8_t recovery_state; /* -1: unchanged */
    bool has_elr;
    struct weir_i32_list elr;
    bool has_last_known_elr;
    struct weir_i32_list last_known_elr;
};
void weir_record_add_partition_change(struct weir_decision *decision,
                                      const struct weir_image_topic *topic, int32_t partition,
                                      const struct weir_partition_change *change);
