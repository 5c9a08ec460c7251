/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the operator asked for: server.properties, WEIR_* environment variables and --override
 * arguments, in this order of strength (the last wins), checked as a whole before anything else
 * starts.  Kafka's own keys with Kafka's types, defaults and rules come from
 * metadata/config_defs.h; weir's own begin with "weir.".
 *
 * A loaded config is immutable and may be read from any thread; it lives as long as the process.
 * Keys that can change at run time are here with their static value only: whoever must follow
 * changes asks metadata/config_resolve.h, which takes the statics below.
 */

#include "weir/base/buf.h"
#include "weir/base/log.h"
#include "weir/metadata/config_resolve.h"
#include "weir/runtime/env.h"

struct weir_config;

/* The numbers of Kafka's SecurityProtocol. */
enum weir_config_protocol {
    WEIR_CONFIG_PLAINTEXT = 0,
    WEIR_CONFIG_SSL = 1,
    WEIR_CONFIG_SASL_PLAINTEXT = 2,
    WEIR_CONFIG_SASL_SSL = 3
};

struct weir_config_listener {
    const char *name; /* in capitals, as Kafka normalises it */
    const char *host; /* "" is every address; IPv6 without brackets */
    uint16_t port;    /* 0: the system chooses */
    enum weir_config_protocol protocol;
    int32_t connections_max; /* listener.name.<name>.max.connections; INT32_MAX: no limit */
    int32_t connection_creation_rate_max; /* listener.name.<name>.max.connection.creation.rate, per
                                             second */
};

/* What clients are told; only for listeners that advertised.listeners names. */
struct weir_config_advertised {
    const char *name;
    const char *host; /* NULL, when the entry leaves it out: the address the client came in by */
    uint16_t port;    /* 0: the one that was opened */
};

struct weir_config_ip_limit {
    const char *host; /* as written in max.connections.per.ip.overrides: an address or a name */
    int32_t connections_max;
};

/* Public value struct.  All text is owned by the config and NUL-terminated. */
struct weir_config {
    /* Every key that is set, with the values weir chose for a single node where nothing was set
     * (docs/configuration.md, "Defaults that differ"); for DescribeConfigs and the resolver.
     * node.id and broker.id are both there. */
    struct weir_static_configs statics;

    int32_t node_id;
    const char *rack; /* NULL: none */
    const char
        *cluster_id; /* weir.cluster.id: for directories that are not formatted yet; NULL: any */

    const char *const *log_dirs; /* at least one; no empty and no double ones */
    size_t log_dir_count;
    const char *metadata_log_dir; /* metadata.log.dir, or the first of log_dirs; never NULL */

    const struct weir_config_listener *listeners; /* those of the broker; at least one */
    size_t listener_count;
    const struct weir_config_listener
        *controller_listeners; /* accepted, not opened: the only voter talks to itself */
    size_t controller_listener_count;
    const struct weir_config_advertised *advertised;
    size_t advertised_count; /* 0: advertised.listeners is not set; answer with the address the
                                client came in by */
    const char *inter_broker_listener; /* its name; never NULL */

    int32_t network_threads; /* num.network.threads; unset: the number of cores, at most 8 */
    int32_t log_dir_free_percent_min; /* weir.log.dir.free.percent.min; 0: off */
    int32_t task_threads;             /* weir.task.threads: blocking work */
    int32_t recovery_threads_per_data_dir;
    int32_t
        log_move_threads; /* num.replica.alter.log.dirs.threads; unset: one for each directory */
    int32_t open_segment_files_max; /* 0: half of what the process may open */
    int64_t segment_index_cache_bytes;
    int32_t socket_send_buffer_bytes;    /* -1: the system's default */
    int32_t socket_receive_buffer_bytes; /* -1: the system's default */
    int32_t socket_listen_backlog;
    int32_t socket_request_bytes_max;
    int32_t connections_max;
    int32_t connections_per_ip_max;
    const struct weir_config_ip_limit *ip_limits;
    size_t ip_limit_count;
    int32_t connection_creation_rate_max; /* per second, all listeners together */
    int64_t connections_idle_ms_max;      /* negative: never closed for idleness */
    int64_t
        queued_request_bytes_max; /* queued.max.request.bytes; INT64_MAX when it was set to -1 */
    int64_t queued_response_bytes_max; /* weir.queued.max.response.bytes */
    int32_t request_timeout_ms;

    int32_t num_partitions;
    int16_t default_replication_factor;
    bool auto_create_topics;
    bool delete_topics;
    int32_t message_bytes_max;
    int32_t fetch_bytes_max;
    int32_t fetch_session_slots_max; /* max.incremental.fetch.session.cache.slots */
    int32_t request_partitions_max;  /* max.request.partition.size.limit */

    int64_t retention_check_interval_ms;
    int64_t flush_scheduler_interval_ms; /* INT64_MAX: never */
    int64_t flush_offset_checkpoint_interval_ms;
    int64_t flush_start_offset_checkpoint_interval_ms;
    int64_t high_watermark_checkpoint_interval_ms;
    int64_t log_dir_failure_timeout_ms;
    int64_t log_initial_task_delay_ms;
    bool log_cleaner;
    int32_t log_cleaner_threads;
    int32_t producer_id_expiration_ms;
    int32_t producer_id_expiration_check_interval_ms;

    int32_t offsets_topic_partitions;
    int16_t offsets_topic_replication_factor;
    int32_t offsets_topic_segment_bytes;
    int16_t offsets_topic_compression; /* offsets.topic.compression.codec: 0 none, 1 gzip, 2 snappy,
                                          3 lz4, 4 zstd */
    int32_t offset_metadata_bytes_max;
    int32_t offsets_commit_timeout_ms;
    int32_t offsets_load_buffer_bytes;
    int64_t offsets_retention_ms;
    int64_t offsets_retention_check_interval_ms;
    int32_t group_session_timeout_ms_min;
    int32_t group_session_timeout_ms_max;
    int32_t group_initial_rebalance_delay_ms;
    int32_t group_size_max;
    int32_t group_append_linger_ms; /* -1: adaptive */

    int32_t transaction_topic_partitions;
    int16_t transaction_topic_replication_factor;
    int32_t transaction_topic_min_isr;
    int32_t transaction_topic_segment_bytes;
    int32_t share_load_buffer_bytes;
    int32_t share_snapshot_update_records;
    int32_t share_write_timeout_ms;
    int32_t share_sessions_max; /* group.share.max.share.sessions */
    int32_t transaction_load_buffer_bytes;
    int32_t transaction_timeout_ms_max;
    int32_t transactional_id_expiration_ms;
    int32_t transaction_abort_check_interval_ms;
    int32_t transaction_expire_check_interval_ms;

    int64_t metadata_snapshot_bytes_max; /* metadata.log.max.record.bytes.between.snapshots */
    int64_t metadata_snapshot_interval_ms_max;
    int32_t metadata_segment_bytes;
    int64_t metadata_segment_ms;
    int64_t metadata_retention_bytes;
    int64_t metadata_retention_ms;
    int32_t metadata_idle_interval_ms; /* metadata.max.idle.interval.ms; 0: no NoOp records */

    const char
        *port_file; /* weir.port.file: the ports that were opened are written here; NULL: nowhere */
    enum weir_log_level log_level;
    bool is_ephemeral;
};

struct weir_config_options {
    struct weir_env *env;
    const char *file;             /* NULL: none */
    const char *const *overrides; /* "key=value" */
    size_t override_count;
    const char *const *environment; /* "NAME=value", NULL at the end, as environ; NULL: none.  Only
                                       WEIR_* is read */
    const char *ephemeral_dir; /* NULL: not ephemeral; else takes the place of log.dirs, and the
                                * listener's default becomes PLAINTEXT://127.0.0.1:0 */
    unsigned core_count;       /* 0 counts as 1 */
};

/* What there is to say about the settings, a sentence each. */
enum weir_config_remark_kind {
    WEIR_CONFIG_PROBLEM, /* weir does not start with this */
    WEIR_CONFIG_WARNING, /* it starts, but this is probably not what was meant */
    WEIR_CONFIG_NOTICE   /* accepted without effect, and why */
};

struct weir_config_remark {
    enum weir_config_remark_kind kind;
    const char *text; /* a whole sentence that names the key */
};

struct weir_config_remarks {
    struct weir_config_remark *items;
    size_t count;
    size_t capacity;
    struct weir_arena arena;
    size_t problem_count;
};

void weir_config_remarks_init(struct weir_config_remarks *remarks);
void weir_config_remarks_done(struct weir_config_remarks *remarks);

/* Reads and checks everything; all that is wrong is told at once in remarks (which the caller has
 * initialised).  OK and *out when there is no problem; the caller frees it.  INVALID_CONFIG when
 * there is one; NO_MEMORY.  Blocks: reads a file; resolves no names and opens no socket. */
WEIR_MUST_CHECK enum weir_status weir_config_load(const struct weir_config_options *options,
                                                  struct weir_config **out,
                                                  struct weir_config_remarks *remarks);
/* NULL is allowed. */
void weir_config_free(struct weir_config *config);

/* Writes the warnings and notices, one line each. */
void weir_config_log_remarks(const struct weir_log *log, const struct weir_config_remarks *remarks);

/* The known broker key (Kafka's or weir's) that looks most like name, or NULL when none is near.
 * Static text. */
const char *weir_config_nearest_key(struct weir_slice name);

/* The keys that Kafka does not document: weir's own, and a few that Kafka's tests use.  NULL behind
 * the last one. */
const struct weir_config_def *weir_config_extra_def_at(size_t index);

/* WEIR_LOG_DIRS -> log.dirs: '_' is '.', '__' is '_', '___' is '-', letters become small.  variable
 * is the part behind "WEIR_".  False when out is too small or the name has other characters. */
bool weir_config_key_of_variable(struct weir_slice variable, char *out, size_t out_bytes);
