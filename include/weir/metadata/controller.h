/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The controller of the cluster, embedded: it alone decides what is written to the metadata log.
 *
 * Operations come from any thread and are decided one after the other on the controller's task
 * queue: check against the state in memory, make records, append them to the metadata log, sync,
 * apply, publish the new image, call the listeners, then complete the operation.  Operations that
 * wait together share one sync.  Whoever gets an answer of OK finds the change in
 * weir_image_ref_current() and, after kill -9, on disk.
 *
 * A request that breaks a rule gets Kafka's status and Kafka's words for it, item by item; the log
 * is then untouched. When an append or a sync of the log fails, the controller is finished: every
 * operation from then on gets KAFKA_STORAGE_ERROR and the failure is reported through
 * options.failed.
 */

#include "weir/base/arena.h"
#include "weir/base/log.h"
#include "weir/metadata/config_resolve.h"
#include "weir/metadata/image.h"
#include "weir/runtime/env.h"
#include "weir/runtime/task_pool.h"

struct weir_controller;

/* ---- Operations ----
 *
 * An operation lives in its caller (zero-initialise it), who fills kind, arena, done and the input
 * fields.  From submit until done is called it, its inputs and its arena belong to the controller.
 * Results and their text are in the arena, or borrowed from the inputs. */

enum weir_controller_op_kind {
    WEIR_CONTROLLER_CREATE_TOPICS,
    WEIR_CONTROLLER_DELETE_TOPICS,
    WEIR_CONTROLLER_CREATE_PARTITIONS,
    WEIR_CONTROLLER_ALTER_CONFIGS,
    WEIR_CONTROLLER_ALLOCATE_PRODUCER_IDS,
    WEIR_CONTROLLER_UPDATE_FEATURES,
    WEIR_CONTROLLER_ELECT_LEADERS,
    WEIR_CONTROLLER_ALTER_REASSIGNMENTS,
    WEIR_CONTROLLER_ALTER_PARTITION,
    WEIR_CONTROLLER_REGISTER_BROKER,
    WEIR_CONTROLLER_UNFENCE_BROKER,
    WEIR_CONTROLLER_SHUTDOWN_BROKER,
    WEIR_CONTROLLER_UNREGISTER_BROKER,
    WEIR_CONTROLLER_ASSIGN_DIRECTORIES,
    WEIR_CONTROLLER_FAIL_DIRECTORIES,
    WEIR_CONTROLLER_WRITE_RECORDS,
    WEIR_CONTROLLER_SNAPSHOT,
    WEIR_CONTROLLER_OP_KIND_COUNT
};

/* The result of one item.  message is Kafka's text, null when there is none (and always when status
 * is OK). */
struct weir_controller_result {
    enum weir_status status;
    struct weir_slice message;
};

struct weir_replica_assignment {
    int32_t partition;
    const int32_t *replicas;
    size_t replica_count;
};

struct weir_new_topic {
    struct weir_slice name;
    int32_t partition_count; /* -1: the default (num.partitions), and needed with an assignment */
    int16_t replication_factor; /* -1: the default */
    const struct weir_replica_assignment *assignments;
    size_t assignment_count;
    const struct weir_image_config_entry *configs; /* a null value is refused, as Kafka does */
    size_t config_count;
    /* out */
    struct weir_controller_result result;
    struct weir_uuid id; /* zero unless created */
    int32_t result_partition_count;
    int16_t result_replication_factor;
    struct weir_config_view_list result_configs; /* effective, in name order */
};

struct weir_create_topics_op {
    struct weir_new_topic *topics;
    size_t topic_count;
    bool validate_only;
    bool allow_internal_names; /* auto-creation of __consumer_offsets and the like needs no leave;
                                  kept for policies */
};

struct weir_topic_deletion {
    struct weir_slice name; /* null: by id */
    struct weir_uuid id;
    /* out */
    struct weir_controller_result result;
    struct weir_slice result_name; /* null when not known */
    struct weir_uuid result_id;
    bool
        is_left_out; /* named twice: another item has the answer of both; gets no line of its own */
};

struct weir_delete_topics_op {
    struct weir_topic_deletion *topics;
    size_t topic_count;
};

struct weir_topic_growth {
    struct weir_slice name;
    int32_t partition_count;                           /* in the end */
    bool has_assignments;                              /* for the new ones, in order */
    const struct weir_replica_assignment *assignments; /* .partition is not looked at */
    size_t assignment_count;
    /* out */
    struct weir_controller_result result;
};

struct weir_create_partitions_op {
    struct weir_topic_growth *topics;
    size_t topic_count;
    bool validate_only;
};

enum weir_config_op {
    WEIR_CONFIG_SET = 0,
    WEIR_CONFIG_DELETE = 1,
    WEIR_CONFIG_APPEND = 2,
    WEIR_CONFIG_SUBTRACT = 3
};

struct weir_config_change {
    struct weir_slice name;
    int8_t op; /* enum weir_config_op, or what the wire said */
    struct weir_slice value;
};

struct weir_config_alteration {
    int8_t type; /* enum weir_resource_type, or what the wire said */
    struct weir_slice name;
    const struct weir_config_change *changes;
    size_t change_count;
    /* out */
    struct weir_controller_result result;
};

struct weir_alter_configs_op {
    struct weir_config_alteration *resources;
    size_t resource_count;
    bool validate_only;
    bool replace_all; /* AlterConfigs: what is not named is unset; op is not looked at */
};

struct weir_allocate_producer_ids_op {
    int32_t broker_id;
    int64_t broker_epoch; /* -1: this node's own current epoch */
    /* out */
    int64_t first_id;
    int32_t id_count; /* 1000 */
};

struct weir_feature_update {
    struct weir_slice name;
    int16_t level;
    int8_t upgrade_type; /* 1 upgrade, 2 safe downgrade, 3 unsafe downgrade */
    /* out */
    struct weir_controller_result result;
};

struct weir_update_features_op {
    struct weir_feature_update *updates;
    size_t update_count;
    bool validate_only;
};

struct weir_leader_election {
    struct weir_slice topic;
    int32_t partition;
    /* out */
    struct weir_controller_result result;
};

struct weir_elect_leaders_op {
    int8_t type;                            /* 0 preferred, 1 unclean */
    bool all_partitions;                    /* elections is then an output, from the arena */
    struct weir_leader_election *elections; /* with all_partitions only those that were needed */
    size_t election_count;
};

struct weir_reassignment {
    struct weir_slice topic;
    int32_t partition;
    bool cancel; /* replicas null on the wire */
    const int32_t *replicas;
    size_t replica_count;
    /* out */
    struct weir_controller_result result;
};

struct weir_alter_reassignments_op {
    struct weir_reassignment *items;
    size_t item_count;
    bool allow_replication_factor_change;
};

/* One partition's in-sync set, asked for by its leader. */
struct weir_isr_change {
    struct weir_uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    int32_t partition_epoch;
    enum weir_recovery_state recovery_state;
    const int32_t *isr;
    const int64_t *isr_broker_epochs; /* -1: not said */
    size_t isr_count;
    /* out */
    struct weir_controller_result result;
    struct weir_image_partition
        result_partition; /* value fields only; lists borrowed from the new image */
};

struct weir_alter_partition_op {
    int32_t broker_id;
    int64_t broker_epoch;
    struct weir_isr_change *changes;
    size_t change_count;
};

struct weir_broker_registration {
    int32_t id;
    struct weir_uuid incarnation_id;
    const struct weir_image_endpoint *endpoints;
    size_t endpoint_count;
    struct weir_slice rack;
    const struct weir_uuid *log_dirs;
    size_t log_dir_count;
    int64_t previous_epoch; /* from .kafka_cleanshutdown, -1 after an unclean stop */
    /* out */
    int64_t epoch;
};

/* Unfence (all logs are loaded, requests are served), controlled shutdown (leaderships are given up
 * where there is another replica; then fenced), unregister. */
struct weir_broker_change {
    int32_t id;
    int64_t
        epoch; /* -1: whatever it is registered with (submit it right behind the registration) */
};

/* AssignReplicasToDirs (KIP-858): where a broker has its replicas. */
struct weir_directory_assignment {
    struct weir_uuid topic_id;
    int32_t partition;
    struct weir_uuid directory_id;
    /* out */
    enum weir_status
        status; /* UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER */
};

struct weir_assign_directories_op {
    int32_t broker_id;
    int64_t broker_epoch; /* -1: whatever it is registered with */
    struct weir_directory_assignment *items;
    size_t item_count;
};

/* The offline log directories of a heartbeat: the broker ceases to lead what is in them, and they
 * leave its registration. */
struct weir_fail_directories_op {
    int32_t broker_id;
    int64_t broker_epoch; /* -1 as above */
    const struct weir_uuid *directory_ids;
    size_t directory_count;
};

/* Records that another part decided (ACLs, quotas, SCRAM, tokens): appended as one atomic batch. */
struct weir_controller_record {
    int16_t kind; /* api key of the record */
    int16_t version;
    struct weir_slice body; /* encoded */
};

struct weir_write_records_op {
    const struct weir_controller_record *records;
    size_t record_count;
};

struct weir_controller_op {
    enum weir_controller_op_kind kind;
    struct weir_arena *arena;
    void (*done)(struct weir_controller_op *op); /* on the controller's thread */
    void *context;
    union {
        struct weir_create_topics_op create_topics;
        struct weir_delete_topics_op delete_topics;
        struct weir_create_partitions_op create_partitions;
        struct weir_alter_configs_op alter_configs;
        struct weir_allocate_producer_ids_op allocate_producer_ids;
        struct weir_update_features_op update_features;
        struct weir_elect_leaders_op elect_leaders;
        struct weir_alter_reassignments_op alter_reassignments;
        struct weir_alter_partition_op alter_partition;
        struct weir_broker_registration register_broker;
        struct weir_broker_change broker;
        struct weir_assign_directories_op assign_directories;
        struct weir_fail_directories_op fail_directories;
        struct weir_write_records_op write_records;
    };
    /* out: of the whole operation; items have their own.  OK even when every item failed. */
    struct weir_controller_result result;
    /* private */
    struct weir_list node;
};

/* From any thread, never blocks, never fails: what is wrong comes through op->result. */
void weir_controller_submit(struct weir_controller *controller, struct weir_controller_op *op);

/* Submits and waits; for start, stop and tests.  Not from a loop, not from a listener.  op->done is
 * not called. */
void weir_controller_run(struct weir_controller *controller, struct weir_controller_op *op);

/* ---- Life ---- */

struct weir_controller_endpoint {
    const char *name; /* of the listener: CONTROLLER */
    const char *host;
    uint16_t port;
    int16_t security_protocol;
};

struct weir_controller_options {
    struct weir_env *env;
    struct weir_task_pool *pool;
    const struct weir_log *log; /* where events go; may be NULL */
    const char *metadata_dir;   /* __cluster_metadata-0 is in it */
    int32_t node_id;
    const char *cluster_id;
    struct weir_uuid metadata_directory_id;
    const struct weir_controller_endpoint
        *endpoint; /* what is written to VotersRecord; NULL: localhost:9093 */
    const struct weir_static_configs *statics; /* borrowed for the controller's life */
    struct weir_image_publisher *publisher;
    /* Whether this node can serve what the metadata says; asked with what the log holds before
     * anything is written to it.  Another status refuses the opening.  NULL: always. */
    enum weir_status (*accept)(void *context, const struct weir_image *image,
                               struct weir_detail *detail);
    void *accept_context;
    /* The metadata log failed; on the controller's thread, once.  The broker stops. */
    void (*failed)(void *context, enum weir_status status, const struct weir_detail *detail);
    void *failed_context;
};

/* Opens the metadata log of a formatted directory, replays it, becomes leader in a new epoch,
 * writes the bootstrap records when the log is new, and publishes the first image (listeners run
 * before this returns, on this thread). Blocks; before any loop runs. */
WEIR_MUST_CHECK enum weir_status weir_controller_open(const struct weir_controller_options *options,
                                                      struct weir_controller **out,
                                                      struct weir_detail *detail);

/* Waits for the operations that were submitted, syncs and closes the log.  NULL is allowed. */
void weir_controller_close(struct weir_controller *controller);

/* Leader epoch of the metadata log, its high watermark (= log end offset after sync) and the wall
 * clock of the last append, for DescribeQuorum.  Any thread. */
struct weir_controller_quorum_info {
    int32_t leader_id;
    int32_t leader_epoch;
    int64_t high_watermark;
    int64_t log_end_offset;
    int64_t last_append_ms;
    int16_t kraft_version;
    struct weir_uuid voter_directory_id; /* zero with kraft.version 0 */
};
void weir_controller_quorum_info(struct weir_controller *controller,
                                 struct weir_controller_quorum_info *out);
