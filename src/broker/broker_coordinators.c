/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinators and their internal topics: which of them a partition belongs to is in one table.
 */
#include "broker_int.h"
#include "share_port.h"

#include "weir/base/memory.h"

#define OFFSETS_TOPIC     "__consumer_offsets"
#define TRANSACTION_TOPIC "__transaction_state"
#define SHARE_TOPIC       "__share_group_state"
/* weir's own bound on share partitions in memory. */
#define SHARE_PARTITIONS_MAX ((size_t)100000)

static struct weir_coordinator *of_groups(const struct weir_broker *broker)
{
    return weir_group_service_coordinator(broker->groups);
}

static struct weir_coordinator *of_txns(const struct weir_broker *broker)
{
    return weir_txn_service_coordinator(broker->txns);
}

static struct weir_coordinator *of_shares(const struct weir_broker *broker)
{
    return weir_share_coordinator_shards(broker->shares);
}

static const struct coordinated_topic {
    const char *name;
    struct weir_coordinator *(*coordinator)(const struct weir_broker *broker);
} coordinated_topics[] = {
    {OFFSETS_TOPIC, of_groups},
    {TRANSACTION_TOPIC, of_txns},
    {SHARE_TOPIC, of_shares},
};

struct weir_coordinator *weir_broker_coordinator_of(const struct weir_broker *broker,
                                                    struct weir_slice topic)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(coordinated_topics); i++) {
        if (weir_slice_is(topic, coordinated_topics[i].name))
            return coordinated_topics[i].coordinator(broker);
    }
    return NULL;
}

void weir_broker_set_coordinators(struct weir_broker *broker, const struct weir_image *image)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(coordinated_topics); i++) {
        const struct weir_image_topic *topic =
            weir_image_topic(image, weir_slice_str(coordinated_topics[i].name));
        weir_coordinator_set_partition_count(coordinated_topics[i].coordinator(broker),
                                             topic == NULL ? 0 : topic->partition_count);
    }
    weir_txn_service_set_transaction_version(
        broker->txns, weir_image_feature_level(image, "transaction.version"));
}

void weir_broker_share_topics_deleted(struct weir_broker *broker,
                                      const struct weir_image_delta *delta)
{
    if (delta->deleted_topic_count == 0)
        return;
    struct weir_uuid *ids = weir_calloc(delta->deleted_topic_count, sizeof(*ids));
    if (ids == NULL) {
        WEIR_LOG_WARN(broker->log, "share_state_of_deleted_topics_kept",
                      WEIR_STR("status", "NO_MEMORY"),
                      WEIR_STR("next", "it takes room, and nobody reads it"));
        return;
    }
    for (size_t i = 0; i < delta->deleted_topic_count; i++)
        ids[i] = delta->deleted_topics[i]->id;
    for (size_t i = 0; i < delta->deleted_topic_count; i++)
        weir_share_partitions_lost(broker->share_partitions, ids[i], -1);
    weir_share_topics_deleted(broker->shares, ids, delta->deleted_topic_count);
    weir_free(ids);
}

static struct weir_topic_port topic_port(const struct weir_broker *broker, const char *topic)
{
    return (struct weir_topic_port){.env = broker->env,
                                    .publisher = broker->publisher,
                                    .replicas = broker->replicas,
                                    .topic = weir_slice_str(topic)};
}

static enum weir_status new_groups(struct weir_broker *broker)
{
    const struct weir_config *config = broker->config;
    broker->offsets_port = topic_port(broker, OFFSETS_TOPIC);
    struct weir_group_service_options options = {.env = broker->env,
                                                 .pool = broker->pool,
                                                 .log = broker->log,
                                                 .port = &weir_topic_port,
                                                 .port_context = &broker->offsets_port,
                                                 .config = weir_group_config_default(),
                                                 .images = broker->publisher,
                                                 .statics = &config->statics,
                                                 .broker_id = config->node_id,
                                                 .share_port = &weir_share_port_of_groups,
                                                 .share_port_context = broker};
    options.config.min_session_timeout_ms = config->group_session_timeout_ms_min;
    options.config.max_session_timeout_ms = config->group_session_timeout_ms_max;
    options.config.initial_rebalance_delay_ms = config->group_initial_rebalance_delay_ms;
    options.config.max_size = config->group_size_max;
    options.config.offset_metadata_max_bytes = config->offset_metadata_bytes_max;
    options.config.offsets_retention_ms = config->offsets_retention_ms;
    options.config.offsets_retention_check_ms = config->offsets_retention_check_interval_ms;
    options.config.commit_timeout_ms = config->offsets_commit_timeout_ms;
    options.config.load_buffer_bytes = (size_t)config->offsets_load_buffer_bytes;
    return weir_group_service_new(&options, &broker->groups);
}

static enum weir_status new_txns(struct weir_broker *broker)
{
    const struct weir_config *config = broker->config;
    struct weir_marker_writer_options markers = {.env = broker->env,
                                                 .pool = broker->pool,
                                                 .publisher = broker->publisher,
                                                 .replicas = broker->replicas,
                                                 .groups = broker->groups,
                                                 .timeout_ms = config->request_timeout_ms};
    broker->txn_port = topic_port(broker, TRANSACTION_TOPIC);
    enum weir_status status = weir_marker_writer_new(&markers, &broker->markers);
    if (status == WEIR_OK)
        status = weir_producer_ids_of_controller(broker->controller, config->node_id,
                                                 &broker->producer_ids);
    if (status != WEIR_OK)
        return status;
    struct weir_txn_service_options options = {.env = broker->env,
                                               .pool = broker->pool,
                                               .log = broker->log,
                                               .port = &weir_topic_port,
                                               .port_context = &broker->txn_port,
                                               .markers = &weir_marker_writer_port,
                                               .markers_context = broker->markers,
                                               .producer_ids = broker->producer_ids,
                                               .config = weir_txn_config_default()};
    options.config.transactional_id_expiration_ms = config->transactional_id_expiration_ms;
    options.config.max_timeout_ms = config->transaction_timeout_ms_max;
    options.config.abort_timed_out_interval_ms = config->transaction_abort_check_interval_ms;
    options.config.remove_expired_interval_ms = config->transaction_expire_check_interval_ms;
    options.config.append_timeout_ms = config->request_timeout_ms;
    options.config.load_buffer_bytes = (size_t)config->transaction_load_buffer_bytes;
    return weir_txn_service_new(&options, &broker->txns);
}

static int32_t partition_count(void *context, struct weir_uuid topic_id)
{
    const struct weir_broker *broker = context;
    const struct weir_image *image = weir_image_ref_current(broker->publisher);
    const struct weir_image_topic *topic = weir_image_topic_by_id(image, topic_id);
    int32_t count = topic == NULL ? -1 : topic->partition_count;
    weir_image_unref(image);
    return count;
}

static enum weir_status delete_share_records(void *context, int32_t index, int64_t offset)
{
    const struct weir_broker *broker = context;
    const struct weir_image *image = weir_image_ref_current(broker->publisher);
    const struct weir_image_topic *topic = weir_image_topic(image, WEIR_SLICE(SHARE_TOPIC));
    struct weir_partition *partition =
        topic == NULL ? NULL : weir_replicas_find(broker->replicas, topic->id, index);
    weir_image_unref(image);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    int64_t low_watermark;
    enum weir_status status =
        weir_partition_delete_records(partition, offset, &low_watermark, NULL);
    weir_partition_unref(partition);
    return status;
}

static const struct weir_share_state_port share_port = {.partition_count = partition_count,
                                                        .delete_records = delete_share_records};

static enum weir_status new_shares(struct weir_broker *broker)
{
    const struct weir_config *config = broker->config;
    broker->share_port = topic_port(broker, SHARE_TOPIC);
    struct weir_share_coordinator_options options = {.env = broker->env,
                                                     .pool = broker->pool,
                                                     .log = broker->log,
                                                     .log_port = &weir_topic_port,
                                                     .log_port_context = &broker->share_port,
                                                     .state_port = &share_port,
                                                     .state_port_context = broker,
                                                     .config =
                                                         weir_share_coordinator_config_default()};
    options.config.snapshot_update_records_per_snapshot = config->share_snapshot_update_records;
    options.config.write_timeout_ms = config->share_write_timeout_ms;
    options.config.load_buffer_bytes = (size_t)config->share_load_buffer_bytes;
    return weir_share_coordinator_new(&options, &broker->shares);
}

static struct weir_partition *find_partition(void *context, struct weir_uuid topic_id,
                                             int32_t partition)
{
    return weir_replicas_find(context, topic_id, partition);
}

static enum weir_status new_share_partitions(struct weir_broker *broker)
{
    const struct weir_config *config = broker->config;
    struct weir_share_partitions_options options = {.env = broker->env,
                                                    .pool = broker->pool,
                                                    .log = broker->log,
                                                    .publisher = broker->publisher,
                                                    .find_partition = find_partition,
                                                    .find_context = broker->replicas,
                                                    .statics = &config->statics,
                                                    .broker_id = config->node_id,
                                                    .coordinator = broker->shares,
                                                    .sessions_max =
                                                        (size_t)config->share_sessions_max,
                                                    .partitions_max = SHARE_PARTITIONS_MAX};
    return weir_share_partitions_new(&options, &broker->share_partitions);
}

enum weir_status weir_broker_new_coordinators(struct weir_broker *broker)
{
    enum weir_status status = new_groups(broker);
    if (status == WEIR_OK)
        status = new_txns(broker);
    if (status == WEIR_OK)
        status = new_shares(broker);
    return status == WEIR_OK ? new_share_partitions(broker) : status;
}

void weir_broker_stop_coordinators(struct weir_broker *broker)
{
    weir_share_partitions_stop(broker->share_partitions);
    if (broker->shares != NULL)
        weir_share_coordinator_stop(broker->shares);
    if (broker->txns != NULL)
        weir_txn_service_stop(broker->txns);
    if (broker->groups != NULL)
        weir_group_service_stop(broker->groups); /* and with it the markers that wait in a shard */
    weir_marker_writer_stop(broker->markers);
}

void weir_broker_free_coordinators(struct weir_broker *broker)
{
    weir_share_partitions_free(broker->share_partitions);
    weir_share_coordinator_free(broker->shares);
    weir_txn_service_free(broker->txns);
    weir_producer_ids_free(broker->producer_ids);
    weir_marker_writer_free(broker->markers);
    weir_group_service_free(broker->groups);
}
