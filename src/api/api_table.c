/* SPDX-License-Identifier: Apache-2.0 */
/* One row for each API: key and handler.  Versions come from protocol/advertised.txt; a test
 * demands that what is advertised has a handler and the other way round. */
#include "api_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/protocol/api_keys.h"
#include "weir/replication/fetch_sessions.h"
#include "weir/server/request.h"

/* As in Apache Kafka: a session unused for two minutes gives way to a new one. */
#define FETCH_SESSION_EVICTION_MS 120000
/* weir's own bound on what all fetch sessions together remember; a full cache means whole requests.
 */
#define FETCH_SESSION_PARTITIONS_MAX 2000000

struct handler_row {
    enum weir_api_key key;
    weir_call_handler *handler;
};

static const struct handler_row handlers[] = {
    {WEIR_API_PRODUCE, weir_api_produce},
    {WEIR_API_FETCH, weir_api_fetch},
    {WEIR_API_LIST_OFFSETS, weir_api_list_offsets},
    {WEIR_API_METADATA, weir_api_metadata},
    {WEIR_API_OFFSET_COMMIT, weir_api_offset_commit},
    {WEIR_API_OFFSET_FETCH, weir_api_offset_fetch},
    {WEIR_API_FIND_COORDINATOR, weir_api_find_coordinator},
    {WEIR_API_JOIN_GROUP, weir_api_join_group},
    {WEIR_API_HEARTBEAT, weir_api_heartbeat},
    {WEIR_API_LEAVE_GROUP, weir_api_leave_group},
    {WEIR_API_SYNC_GROUP, weir_api_sync_group},
    {WEIR_API_DESCRIBE_GROUPS, weir_api_describe_groups},
    {WEIR_API_LIST_GROUPS, weir_api_list_groups},
    {WEIR_API_API_VERSIONS, weir_api_api_versions},
    {WEIR_API_CREATE_TOPICS, weir_api_create_topics},
    {WEIR_API_DELETE_TOPICS, weir_api_delete_topics},
    {WEIR_API_DELETE_RECORDS, weir_api_delete_records},
    {WEIR_API_INIT_PRODUCER_ID, weir_api_init_producer_id},
    {WEIR_API_ADD_PARTITIONS_TO_TXN, weir_api_add_partitions_to_txn},
    {WEIR_API_ADD_OFFSETS_TO_TXN, weir_api_add_offsets_to_txn},
    {WEIR_API_END_TXN, weir_api_end_txn},
    {WEIR_API_WRITE_TXN_MARKERS, weir_api_write_txn_markers},
    {WEIR_API_TXN_OFFSET_COMMIT, weir_api_txn_offset_commit},
    {WEIR_API_OFFSET_FOR_LEADER_EPOCH, weir_api_offset_for_leader_epoch},
    {WEIR_API_DESCRIBE_CONFIGS, weir_api_describe_configs},
    {WEIR_API_ALTER_CONFIGS, weir_api_alter_configs},
    {WEIR_API_ALTER_REPLICA_LOG_DIRS, weir_api_alter_replica_log_dirs},
    {WEIR_API_DESCRIBE_LOG_DIRS, weir_api_describe_log_dirs},
    {WEIR_API_CREATE_PARTITIONS, weir_api_create_partitions},
    {WEIR_API_DELETE_GROUPS, weir_api_delete_groups},
    {WEIR_API_INCREMENTAL_ALTER_CONFIGS, weir_api_incremental_alter_configs},
    {WEIR_API_ALTER_PARTITION_REASSIGNMENTS, weir_api_alter_partition_reassignments},
    {WEIR_API_LIST_PARTITION_REASSIGNMENTS, weir_api_list_partition_reassignments},
    {WEIR_API_OFFSET_DELETE, weir_api_offset_delete},
    {WEIR_API_UPDATE_FEATURES, weir_api_update_features},
    {WEIR_API_DESCRIBE_CLUSTER, weir_api_describe_cluster},
    {WEIR_API_DESCRIBE_PRODUCERS, weir_api_describe_producers},
    {WEIR_API_CONSUMER_GROUP_HEARTBEAT, weir_api_consumer_group_heartbeat},
    {WEIR_API_CONSUMER_GROUP_DESCRIBE, weir_api_consumer_group_describe},
    {WEIR_API_DESCRIBE_TRANSACTIONS, weir_api_describe_transactions},
    {WEIR_API_LIST_TRANSACTIONS, weir_api_list_transactions},
    {WEIR_API_LIST_CONFIG_RESOURCES, weir_api_list_config_resources},
    {WEIR_API_DESCRIBE_TOPIC_PARTITIONS, weir_api_describe_topic_partitions},
    {WEIR_API_SHARE_GROUP_HEARTBEAT, weir_api_share_group_heartbeat},
    {WEIR_API_SHARE_GROUP_DESCRIBE, weir_api_share_group_describe},
    {WEIR_API_SHARE_FETCH, weir_api_share_fetch},
    {WEIR_API_SHARE_ACKNOWLEDGE, weir_api_share_acknowledge},
    {WEIR_API_INITIALIZE_SHARE_GROUP_STATE, weir_api_initialize_share_group_state},
    {WEIR_API_READ_SHARE_GROUP_STATE, weir_api_read_share_group_state},
    {WEIR_API_WRITE_SHARE_GROUP_STATE, weir_api_write_share_group_state},
    {WEIR_API_DELETE_SHARE_GROUP_STATE, weir_api_delete_share_group_state},
    {WEIR_API_READ_SHARE_GROUP_STATE_SUMMARY, weir_api_read_share_group_state_summary},
    {WEIR_API_STREAMS_GROUP_HEARTBEAT, weir_api_streams_group_heartbeat},
    {WEIR_API_STREAMS_GROUP_DESCRIBE, weir_api_streams_group_describe},
    {WEIR_API_DESCRIBE_SHARE_GROUP_OFFSETS, weir_api_describe_share_group_offsets},
    {WEIR_API_ALTER_SHARE_GROUP_OFFSETS, weir_api_alter_share_group_offsets},
    {WEIR_API_DELETE_SHARE_GROUP_OFFSETS, weir_api_delete_share_group_offsets},
};

struct dispatch_table {
    struct weir_dispatch dispatch;
    struct weir_dispatch_row rows[WEIR_ARRAY_COUNT(handlers)];
};

weir_call_handler *weir_api_handler(int16_t api_key)
{
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(handlers); i++) {
        if ((int16_t)handlers[i].key == api_key)
            return handlers[i].handler;
    }
    return NULL;
}

static struct weir_dispatch *new_dispatch(struct weir_api *api)
{
    struct dispatch_table *table = weir_calloc(1, sizeof(*table));
    if (table == NULL)
        return NULL;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(handlers); i++) {
        const struct weir_api_spec *spec = weir_api_find((int16_t)handlers[i].key);
        WEIR_ASSERT(spec != NULL && spec->advertised_max >= 0);
        int16_t version_min =
            spec->advertised_min > spec->version_min ? spec->advertised_min : spec->version_min;
        table->rows[i] = (struct weir_dispatch_row){.api_key = (int16_t)spec->key,
                                                    .version_min = version_min,
                                                    .version_max = spec->advertised_max,
                                                    .handler = weir_call_begin};
    }
    table->dispatch = (struct weir_dispatch){
        .rows = table->rows, .row_count = WEIR_ARRAY_COUNT(handlers), .context = api};
    return &table->dispatch;
}

enum weir_status weir_api_new(const struct weir_api_options *options, struct weir_api **out)
{
    struct weir_api *api = weir_calloc(1, sizeof(*api));
    if (api == NULL)
        return WEIR_NO_MEMORY;
    api->options = *options;
    struct weir_fetch_sessions_options sessions = {.env = options->env,
                                                   .slots = options->fetch_session_slots,
                                                   .eviction_ms = FETCH_SESSION_EVICTION_MS,
                                                   .partitions_max = FETCH_SESSION_PARTITIONS_MAX};
    enum weir_status status = weir_fetch_sessions_new(&sessions, &api->fetch_sessions);
    if (status == WEIR_OK) {
        api->dispatch = new_dispatch(api);
        status = api->dispatch == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    }
    if (status != WEIR_OK) {
        weir_api_free(api);
        return status;
    }
    *out = api;
    return WEIR_OK;
}

void weir_api_free(struct weir_api *api)
{
    if (api == NULL)
        return;
    weir_fetch_sessions_free(api->fetch_sessions);
    if (api->dispatch != NULL)
        weir_free(WEIR_CONTAINER_OF(api->dispatch, struct dispatch_table, dispatch));
    weir_free(api);
}

const struct weir_dispatch *weir_api_dispatch(struct weir_api *api)
{
    return api->dispatch;
}
