/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Defaults that are weir's own, the rules that tie two keys together, and the typed fields of
 * struct weir_config.
 */

#include "config_int.h"

#include "weir/base/limits.h"

#include <stddef.h>
#include <stdio.h>

/* ---- Defaults ---- */

/* Where Kafka has no default, or one that a single node cannot live with: __consumer_offsets with
 * three replicas could never be created. */
static const struct {
    const char *key;
    const char *value;
} single_node_defaults[] = {
    {"process.roles", "broker,controller"},
    {"controller.listener.names", "CONTROLLER"},
    {"offsets.topic.replication.factor", "1"},
    {"transaction.state.log.replication.factor", "1"},
    {"transaction.state.log.min.isr", "1"},
    {"share.coordinator.state.topic.replication.factor", "1"},
    {"share.coordinator.state.topic.min.isr", "1"},
};

#define NETWORK_THREADS_MAX      8
#define QUEUED_REQUEST_BYTES_MIN ((int64_t)256 << 20)

static void put_number(struct config_loader *loader, const char *key, int64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    config_put_default(loader, key, text);
}

/* Kafka knows the node's number under two names. */
static void put_node_id(struct config_loader *loader)
{
    struct setting *broker_id = config_find(loader, "broker.id");
    if (broker_id != NULL && config_find(loader, "node.id") == NULL &&
        strcmp(broker_id->value, "-1") != 0)
        config_put(loader, WEIR_SLICE("node.id"), weir_slice_str(broker_id->value),
                   broker_id->origin);
    config_put_default(loader, "node.id", "1");
    const struct setting *node_id = config_find(loader, "node.id");
    if (broker_id != NULL && strcmp(broker_id->value, "-1") == 0)
        broker_id->is_dropped = true;
    if (node_id != NULL && config_find(loader, "broker.id") == NULL)
        config_put(loader, WEIR_SLICE("broker.id"), weir_slice_str(node_id->value),
                   node_id->origin);
}

static void put_log_dirs(struct config_loader *loader)
{
    if (config_is_set(loader, "log.dirs") || config_is_set(loader, "log.dir") ||
        config_find(loader, "log.dirs") != NULL)
        return;
    if (loader->options->file == NULL) {
        config_put_default(loader, "log.dirs", "./data");
        return;
    }
    config_put_default(loader, "log.dirs", "/tmp/kafka-logs");
    config_remark(loader, WEIR_CONFIG_WARNING,
                  "Neither 'log.dirs' nor 'log.dir' is set; Kafka's default /tmp/kafka-logs may be "
                  "emptied when the machine "
                  "starts.");
}

static void put_request_budget(struct config_loader *loader)
{
    int64_t request_bytes;
    int64_t budget = QUEUED_REQUEST_BYTES_MIN;
    const struct setting *setting = config_find(loader, "socket.request.max.bytes");
    if (setting != NULL && weir_config_parse_i64(weir_slice_str(setting->value), &request_bytes) &&
        request_bytes <= INT32_MAX && 2 * request_bytes > budget)
        budget = 2 * request_bytes;
    put_number(loader, "queued.max.request.bytes", budget);
}

void config_put_defaults(struct config_loader *loader)
{
    unsigned cores = loader->options->core_count == 0 ? 1 : loader->options->core_count;
    put_node_id(loader);
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(single_node_defaults); i++)
        config_put_default(loader, single_node_defaults[i].key, single_node_defaults[i].value);
    put_log_dirs(loader);
    put_number(loader, "num.network.threads",
               cores > NETWORK_THREADS_MAX ? NETWORK_THREADS_MAX : cores);
    put_request_budget(loader);
}

/* ---- Relations ---- */

/* low must be at most high (less than it, when strict). */
static const struct relation {
    const char *low;
    const char *high;
    bool is_strict;
} relations[] = {
    {"replica.fetch.wait.max.ms", "replica.socket.timeout.ms", false},
    {"replica.fetch.wait.max.ms", "replica.lag.time.max.ms", false},
    {"log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", false},
    {"group.consumer.min.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms", false},
    {"group.consumer.heartbeat.interval.ms", "group.consumer.max.heartbeat.interval.ms", false},
    {"group.consumer.min.session.timeout.ms", "group.consumer.session.timeout.ms", false},
    {"group.consumer.session.timeout.ms", "group.consumer.max.session.timeout.ms", false},
    {"group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms", true},
    {"group.consumer.min.assignment.interval.ms", "group.consumer.assignment.interval.ms", false},
    {"group.consumer.assignment.interval.ms", "group.consumer.max.assignment.interval.ms", false},
    {"group.share.min.heartbeat.interval.ms", "group.share.heartbeat.interval.ms", false},
    {"group.share.heartbeat.interval.ms", "group.share.max.heartbeat.interval.ms", false},
    {"group.share.min.session.timeout.ms", "group.share.session.timeout.ms", false},
    {"group.share.session.timeout.ms", "group.share.max.session.timeout.ms", false},
    {"group.share.heartbeat.interval.ms", "group.share.session.timeout.ms", true},
    {"group.share.min.assignment.interval.ms", "group.share.assignment.interval.ms", false},
    {"group.share.assignment.interval.ms", "group.share.max.assignment.interval.ms", false},
    {"group.share.min.record.lock.duration.ms", "group.share.record.lock.duration.ms", false},
    {"group.share.record.lock.duration.ms", "group.share.max.record.lock.duration.ms", false},
    {"group.share.min.delivery.count.limit", "group.share.delivery.count.limit", false},
    {"group.share.delivery.count.limit", "group.share.max.delivery.count.limit", false},
    {"group.share.min.partition.max.record.locks", "group.share.partition.max.record.locks", false},
    {"group.share.partition.max.record.locks", "group.share.max.partition.max.record.locks", false},
    {"group.share.max.size", "group.share.max.share.sessions", false},
    {"group.streams.min.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms", false},
    {"group.streams.heartbeat.interval.ms", "group.streams.max.heartbeat.interval.ms", false},
    {"group.streams.min.session.timeout.ms", "group.streams.session.timeout.ms", false},
    {"group.streams.session.timeout.ms", "group.streams.max.session.timeout.ms", false},
    {"group.streams.heartbeat.interval.ms", "group.streams.session.timeout.ms", true},
    {"group.streams.min.assignment.interval.ms", "group.streams.assignment.interval.ms", false},
    {"group.streams.assignment.interval.ms", "group.streams.max.assignment.interval.ms", false},
    {"group.streams.num.standby.replicas", "group.streams.max.standby.replicas", false},
};

static void check_pairs(struct config_loader *loader)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(relations); i++) {
        const struct relation *relation = &relations[i];
        int64_t low, high;
        if (!config_i64(loader, relation->low, &low) || !config_i64(loader, relation->high, &high))
            continue;
        if (low < high || (low == high && !relation->is_strict))
            continue;
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s' (%lld) must be %s '%s' (%lld).",
                      relation->low, (long long)low, relation->is_strict ? "less than" : "at most",
                      relation->high, (long long)high);
    }
}

/* The time a family of keys stands for: its most specific key that is not null, in milliseconds. */
static bool family_ms(const struct config_loader *loader, const char *key, int64_t *out)
{
    struct weir_config_synonym_key keys[WEIR_CONFIG_SYNONYM_KEYS_MAX];
    size_t count = weir_config_broker_synonyms(weir_slice_str(key), keys);
    for (size_t i = 0; i < count; i++) {
        int64_t value;
        if (!config_i64(loader, keys[i].name, &value))
            continue;
        if (value >= 0 && __builtin_mul_overflow(value, keys[i].unit, &value))
            value = INT64_MAX;
        *out = value;
        return true;
    }
    return false;
}

static void check_log_times(struct config_loader *loader)
{
    int64_t value;
    if (family_ms(loader, "log.retention.ms", &value) && value == 0)
        config_remark(
            loader, WEIR_CONFIG_PROBLEM,
            "'log.retention.ms' (or the minutes or hours) must be -1 for no limit, or at least 1.");
    if (family_ms(loader, "log.roll.ms", &value) && value < 1)
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'log.roll.ms' must be at least 1.");
    if (family_ms(loader, "log.roll.jitter.ms", &value) && value < 0)
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'log.roll.jitter.ms' must be at least 0.");
}

static void check_cleaner(struct config_loader *loader)
{
    int64_t bytes, threads;
    if (config_i64(loader, "log.cleaner.dedupe.buffer.size", &bytes) &&
        config_i64(loader, "log.cleaner.threads", &threads) && threads > 0 &&
        bytes / threads <= 1024 * 1024)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'log.cleaner.dedupe.buffer.size' must be more than 1 MB for each of the "
                      "%lld cleaner threads.",
                      (long long)threads);
}

static void check_moves(struct config_loader *loader)
{
    int64_t threads;
    if (config_i64(loader, "num.replica.alter.log.dirs.threads", &threads) && threads < 1)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'num.replica.alter.log.dirs.threads' must be at least 1.");
}

static void check_connections(struct config_loader *loader)
{
    int64_t queued, request, per_ip, idle, delay;
    if (config_i64(loader, "queued.max.request.bytes", &queued) &&
        config_i64(loader, "socket.request.max.bytes", &request) && queued > 0 && queued < request)
        config_remark(
            loader, WEIR_CONFIG_PROBLEM,
            "'queued.max.request.bytes' (%lld) must be at least 'socket.request.max.bytes' (%lld).",
            (long long)queued, (long long)request);
    if (config_i64(loader, "max.connections.per.ip", &per_ip) && per_ip == 0 &&
        config_text(loader, "max.connections.per.ip.overrides").size == 0)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'max.connections.per.ip' can be 0 only when "
                      "'max.connections.per.ip.overrides' is set.");
    if (config_i64(loader, "connections.max.idle.ms", &idle) &&
        config_i64(loader, "connection.failed.authentication.delay.ms", &delay) && idle >= 0 &&
        delay >= idle)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'connection.failed.authentication.delay.ms' (%lld) must be less than "
                      "'connections.max.idle.ms' "
                      "(%lld).",
                      (long long)delay, (long long)idle);
}

static void check_groups(struct config_loader *loader)
{
    int64_t codec;
    struct weir_slice rest = config_text(loader, "group.coordinator.rebalance.protocols");
    struct weir_slice entry;
    bool has_classic = weir_slice_is_null(rest);
    while (weir_config_list_next(&rest, &entry))
        has_classic = has_classic || weir_slice_is(entry, "classic");
    if (!has_classic)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'group.coordinator.rebalance.protocols' must contain classic.");
    if (config_i64(loader, "offsets.topic.compression.codec", &codec) && (codec < 0 || codec > 4))
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'offsets.topic.compression.codec' must be 0 (none), 1 (gzip), 2 (snappy), 3 "
                      "(lz4) or 4 (zstd).");
}

/* One node is one replica: topics that ask for more can never be made. */
static void check_replication(struct config_loader *loader)
{
    static const char *const keys[] = {
        "default.replication.factor", "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor", "transaction.state.log.min.isr"};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(keys); i++) {
        int64_t count;
        if (config_i64(loader, keys[i], &count) && count > 1)
            config_remark(loader, WEIR_CONFIG_WARNING,
                          "'%s=%lld' asks for more brokers than there are: topics that use it "
                          "cannot be created or written "
                          "on one node.",
                          keys[i], (long long)count);
    }
}

void config_check_relations(struct config_loader *loader)
{
    check_pairs(loader);
    check_log_times(loader);
    check_cleaner(loader);
    check_moves(loader);
    check_connections(loader);
    check_groups(loader);
    check_replication(loader);
}

/* ---- Typed fields ---- */

enum field_kind { FIELD_BOOL, FIELD_I16, FIELD_I32, FIELD_I64 };

#define FIELD(field_name, field_kind, key_name)                                                    \
    {                                                                                              \
        (key_name), (field_kind), offsetof(struct weir_config, field_name)                         \
    }

static const struct field {
    const char *key;
    enum field_kind kind;
    size_t place;
} fields[] = {
    FIELD(node_id, FIELD_I32, "node.id"),
    FIELD(network_threads, FIELD_I32, "num.network.threads"),
    FIELD(task_threads, FIELD_I32, "weir.task.threads"),
    FIELD(log_dir_free_percent_min, FIELD_I32, "weir.log.dir.free.percent.min"),
    FIELD(recovery_threads_per_data_dir, FIELD_I32, "num.recovery.threads.per.data.dir"),
    FIELD(log_move_threads, FIELD_I32, "num.replica.alter.log.dirs.threads"),
    FIELD(open_segment_files_max, FIELD_I32, "weir.open.segment.files.max"),
    FIELD(segment_index_cache_bytes, FIELD_I64, "weir.segment.index.cache.bytes"),
    FIELD(socket_send_buffer_bytes, FIELD_I32, "socket.send.buffer.bytes"),
    FIELD(socket_receive_buffer_bytes, FIELD_I32, "socket.receive.buffer.bytes"),
    FIELD(socket_listen_backlog, FIELD_I32, "socket.listen.backlog.size"),
    FIELD(socket_request_bytes_max, FIELD_I32, "socket.request.max.bytes"),
    FIELD(connections_max, FIELD_I32, "max.connections"),
    FIELD(connections_per_ip_max, FIELD_I32, "max.connections.per.ip"),
    FIELD(connection_creation_rate_max, FIELD_I32, "max.connection.creation.rate"),
    FIELD(connections_idle_ms_max, FIELD_I64, "connections.max.idle.ms"),
    FIELD(queued_request_bytes_max, FIELD_I64, "queued.max.request.bytes"),
    FIELD(queued_response_bytes_max, FIELD_I64, "weir.queued.max.response.bytes"),
    FIELD(request_timeout_ms, FIELD_I32, "request.timeout.ms"),
    FIELD(num_partitions, FIELD_I32, "num.partitions"),
    FIELD(default_replication_factor, FIELD_I16, "default.replication.factor"),
    FIELD(auto_create_topics, FIELD_BOOL, "auto.create.topics.enable"),
    FIELD(delete_topics, FIELD_BOOL, "delete.topic.enable"),
    FIELD(message_bytes_max, FIELD_I32, "message.max.bytes"),
    FIELD(fetch_bytes_max, FIELD_I32, "fetch.max.bytes"),
    FIELD(fetch_session_slots_max, FIELD_I32, "max.incremental.fetch.session.cache.slots"),
    FIELD(request_partitions_max, FIELD_I32, "max.request.partition.size.limit"),
    FIELD(retention_check_interval_ms, FIELD_I64, "log.retention.check.interval.ms"),
    FIELD(flush_scheduler_interval_ms, FIELD_I64, "log.flush.scheduler.interval.ms"),
    FIELD(flush_offset_checkpoint_interval_ms, FIELD_I64,
          "log.flush.offset.checkpoint.interval.ms"),
    FIELD(flush_start_offset_checkpoint_interval_ms, FIELD_I64,
          "log.flush.start.offset.checkpoint.interval.ms"),
    FIELD(high_watermark_checkpoint_interval_ms, FIELD_I64,
          "replica.high.watermark.checkpoint.interval.ms"),
    FIELD(log_dir_failure_timeout_ms, FIELD_I64, "log.dir.failure.timeout.ms"),
    FIELD(log_initial_task_delay_ms, FIELD_I64, "log.initial.task.delay.ms"),
    FIELD(log_cleaner, FIELD_BOOL, "log.cleaner.enable"),
    FIELD(log_cleaner_threads, FIELD_I32, "log.cleaner.threads"),
    FIELD(producer_id_expiration_ms, FIELD_I32, "producer.id.expiration.ms"),
    FIELD(producer_id_expiration_check_interval_ms, FIELD_I32,
          "producer.id.expiration.check.interval.ms"),
    FIELD(offsets_topic_partitions, FIELD_I32, "offsets.topic.num.partitions"),
    FIELD(offsets_topic_replication_factor, FIELD_I16, "offsets.topic.replication.factor"),
    FIELD(offsets_topic_segment_bytes, FIELD_I32, "offsets.topic.segment.bytes"),
    FIELD(offsets_topic_compression, FIELD_I16, "offsets.topic.compression.codec"),
    FIELD(offset_metadata_bytes_max, FIELD_I32, "offset.metadata.max.bytes"),
    FIELD(offsets_commit_timeout_ms, FIELD_I32, "offsets.commit.timeout.ms"),
    FIELD(offsets_load_buffer_bytes, FIELD_I32, "offsets.load.buffer.size"),
    FIELD(offsets_retention_check_interval_ms, FIELD_I64, "offsets.retention.check.interval.ms"),
    FIELD(group_session_timeout_ms_min, FIELD_I32, "group.min.session.timeout.ms"),
    FIELD(group_session_timeout_ms_max, FIELD_I32, "group.max.session.timeout.ms"),
    FIELD(group_initial_rebalance_delay_ms, FIELD_I32, "group.initial.rebalance.delay.ms"),
    FIELD(group_size_max, FIELD_I32, "group.max.size"),
    FIELD(group_append_linger_ms, FIELD_I32, "group.coordinator.append.linger.ms"),
    FIELD(transaction_topic_partitions, FIELD_I32, "transaction.state.log.num.partitions"),
    FIELD(transaction_topic_replication_factor, FIELD_I16,
          "transaction.state.log.replication.factor"),
    FIELD(transaction_topic_min_isr, FIELD_I32, "transaction.state.log.min.isr"),
    FIELD(transaction_topic_segment_bytes, FIELD_I32, "transaction.state.log.segment.bytes"),
    FIELD(share_load_buffer_bytes, FIELD_I32, "share.coordinator.load.buffer.size"),
    FIELD(share_snapshot_update_records, FIELD_I32,
          "share.coordinator.snapshot.update.records.per.snapshot"),
    FIELD(share_sessions_max, FIELD_I32, "group.share.max.share.sessions"),
    FIELD(share_write_timeout_ms, FIELD_I32, "share.coordinator.write.timeout.ms"),
    FIELD(transaction_load_buffer_bytes, FIELD_I32, "transaction.state.log.load.buffer.size"),
    FIELD(transaction_timeout_ms_max, FIELD_I32, "transaction.max.timeout.ms"),
    FIELD(transactional_id_expiration_ms, FIELD_I32, "transactional.id.expiration.ms"),
    FIELD(transaction_abort_check_interval_ms, FIELD_I32,
          "transaction.abort.timed.out.transaction.cleanup.interval.ms"),
    FIELD(transaction_expire_check_interval_ms, FIELD_I32,
          "transaction.remove.expired.transaction.cleanup.interval.ms"),
    FIELD(metadata_snapshot_bytes_max, FIELD_I64,
          "metadata.log.max.record.bytes.between.snapshots"),
    FIELD(metadata_snapshot_interval_ms_max, FIELD_I64, "metadata.log.max.snapshot.interval.ms"),
    FIELD(metadata_segment_bytes, FIELD_I32, "metadata.log.segment.bytes"),
    FIELD(metadata_segment_ms, FIELD_I64, "metadata.log.segment.ms"),
    FIELD(metadata_retention_bytes, FIELD_I64, "metadata.max.retention.bytes"),
    FIELD(metadata_retention_ms, FIELD_I64, "metadata.max.retention.ms"),
    FIELD(metadata_idle_interval_ms, FIELD_I32, "metadata.max.idle.interval.ms"),
};

/* A value that is not valid leaves its field 0; the problem was told, and the config will not be
 * handed out. */
static void fill_field(struct config_loader *loader, const struct field *field)
{
    void *place = (char *)&loader->object->config + field->place;
    int64_t number = 0;
    bool is_true = false;
    if (field->kind == FIELD_BOOL)
        (void)config_bool(loader, field->key, &is_true);
    else
        (void)config_i64(loader, field->key, &number);
    switch (field->kind) {
    case FIELD_BOOL:
        memcpy(place, &is_true, sizeof(is_true));
        break;
    case FIELD_I16: {
        if (number < INT16_MIN || number > INT16_MAX) {
            config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s=%lld' is larger than 32767.",
                          field->key, (long long)number);
            break;
        }
        int16_t small = (int16_t)number;
        memcpy(place, &small, sizeof(small));
        break;
    }
    case FIELD_I32: {
        int32_t medium = (int32_t)number; /* the key is an INT, and was checked as one */
        memcpy(place, &medium, sizeof(medium));
        break;
    }
    case FIELD_I64:
        memcpy(place, &number, sizeof(number));
        break;
    }
}

/* "address:count,address:count"; the count stands behind the last colon. */
static void fill_ip_limits(struct config_loader *loader)
{
    static const char key[] = "max.connections.per.ip.overrides";
    struct weir_config *config = &loader->object->config;
    struct weir_slice rest = config_text(loader, key);
    struct weir_slice entry;
    size_t count = 0;
    for (struct weir_slice left = rest; weir_config_list_next(&left, &entry);)
        count++;
    struct weir_config_ip_limit *limits = config_alloc(loader, count + 1, sizeof(*limits));
    if (limits == NULL)
        return;
    config->ip_limits = limits;
    while (weir_config_list_next(&rest, &entry)) {
        const uint8_t *colon = entry.size == 0 ? NULL : memrchr(entry.data, ':', entry.size);
        int64_t connections;
        if (colon == NULL || colon == entry.data ||
            !weir_config_parse_i64(
                weir_slice_of(colon + 1, (size_t)(entry.data + entry.size - colon - 1)),
                &connections) ||
            connections < 0 || connections > INT32_MAX) {
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%.*s' in '%s' is not of the form address:count.",
                          entry.size > 200 ? 200 : (int)entry.size, (const char *)entry.data, key);
            continue;
        }
        const char *host =
            config_copy(loader, weir_slice_of(entry.data, (size_t)(colon - entry.data)));
        if (host != NULL)
            limits[config->ip_limit_count++] =
                (struct weir_config_ip_limit){host, (int32_t)connections};
    }
}

static void fill_log_dirs(struct config_loader *loader)
{
    struct weir_config *config = &loader->object->config;
    const char *key = config_find(loader, "log.dirs") != NULL ? "log.dirs" : "log.dir";
    struct weir_slice rest = config_text(loader, key);
    struct weir_slice entry;
    size_t count = 0;
    for (struct weir_slice left = rest; weir_config_list_next(&left, &entry);)
        count++;
    const char **dirs = config_alloc(loader, count + 1, sizeof(*dirs));
    if (dirs == NULL)
        return;
    while (weir_config_list_next(&rest, &entry)) {
        const char *dir = entry.size == 0 ? NULL : config_copy(loader, entry);
        if (dir == NULL)
            continue;
        for (size_t i = 0; i < config->log_dir_count; i++) {
            if (strcmp(dirs[i], dir) == 0)
                config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s' names %s twice.", key, dir);
        }
        dirs[config->log_dir_count++] = dir;
    }
    config->log_dirs = dirs;
    if (config->log_dir_count == 0 && !weir_slice_is_null(rest))
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s' must name at least one directory.", key);
    struct weir_slice metadata_dir = config_text(loader, "metadata.log.dir");
    config->metadata_log_dir = metadata_dir.size > 0       ? config_copy(loader, metadata_dir)
                               : config->log_dir_count > 0 ? dirs[0]
                                                           : NULL;
}

static enum weir_log_level parse_level(struct weir_slice text)
{
    static const char *const names[] = {[WEIR_LOG_LEVEL_ERROR] = "error",
                                        [WEIR_LOG_LEVEL_WARN] = "warn",
                                        [WEIR_LOG_LEVEL_INFO] = "info",
                                        [WEIR_LOG_LEVEL_DEBUG] = "debug",
                                        [WEIR_LOG_LEVEL_TRACE] = "trace"};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(names); i++) {
        if (weir_slice_is(text, names[i]))
            return (enum weir_log_level)i;
    }
    return WEIR_LOG_LEVEL_INFO;
}

static const char *optional_text(struct config_loader *loader, const char *key)
{
    struct weir_slice text = config_text(loader, key);
    return text.size == 0 ? NULL : config_copy(loader, text);
}

void config_fill_values(struct config_loader *loader)
{
    struct weir_config *config = &loader->object->config;
    int64_t minutes = 0;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(fields); i++)
        fill_field(loader, &fields[i]);
    if (config->queued_request_bytes_max <= 0)
        config->queued_request_bytes_max = INT64_MAX;
    (void)config_i64(loader, "offsets.retention.minutes", &minutes);
    config->offsets_retention_ms = minutes * 60000;
    config->rack = optional_text(loader, "broker.rack");
    config->cluster_id = optional_text(loader, "weir.cluster.id");
    config->port_file = optional_text(loader, "weir.port.file");
    config->log_level = parse_level(config_text(loader, "weir.log.level"));
    config->is_ephemeral = loader->options->ephemeral_dir != NULL;
    fill_ip_limits(loader);
    fill_log_dirs(loader);
    if (config->log_move_threads == 0)
        config->log_move_threads = (int32_t)config->log_dir_count;
}
