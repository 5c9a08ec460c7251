/* SPDX-License-Identifier: Apache-2.0 */
#include "api_topics_int.h"

#include "weir/base/assert.h"

/* Bits of org.apache.kafka.common.acl.AclOperation, as KIP-430 counts them. */
enum operation {
    OPERATION_READ = 3,
    OPERATION_WRITE = 4,
    OPERATION_CREATE = 5,
    OPERATION_DELETE = 6,
    OPERATION_ALTER = 7,
    OPERATION_DESCRIBE = 8,
    OPERATION_CLUSTER_ACTION = 9,
    OPERATION_DESCRIBE_CONFIGS = 10,
    OPERATION_ALTER_CONFIGS = 11,
    OPERATION_IDEMPOTENT_WRITE = 12
};

#define BIT(operation) (1 << (operation))

int32_t weir_topic_operations(void)
{
    return BIT(OPERATION_READ) | BIT(OPERATION_WRITE) | BIT(OPERATION_CREATE) |
           BIT(OPERATION_DELETE) | BIT(OPERATION_ALTER) | BIT(OPERATION_DESCRIBE) |
           BIT(OPERATION_DESCRIBE_CONFIGS) | BIT(OPERATION_ALTER_CONFIGS);
}

int32_t weir_cluster_operations(void)
{
    return BIT(OPERATION_CREATE) | BIT(OPERATION_ALTER) | BIT(OPERATION_DESCRIBE) |
           BIT(OPERATION_CLUSTER_ACTION) | BIT(OPERATION_DESCRIBE_CONFIGS) |
           BIT(OPERATION_ALTER_CONFIGS) | BIT(OPERATION_IDEMPOTENT_WRITE);
}

int32_t weir_group_operations(void)
{
    return BIT(OPERATION_READ) | BIT(OPERATION_DELETE) | BIT(OPERATION_DESCRIBE) |
           BIT(OPERATION_DESCRIBE_CONFIGS) | BIT(OPERATION_ALTER_CONFIGS);
}

bool weir_topic_name_is_valid(struct weir_slice name)
{
    if (name.size == 0 || name.size > WEIR_TOPIC_BYTES_MAX || weir_slice_is(name, ".") ||
        weir_slice_is(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool is_legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!is_legal)
            return false;
    }
    return true;
}

struct weir_i32_array weir_call_i32_array(const struct weir_call *call, struct weir_i32_list list)
{
    (void)call;
    return (struct weir_i32_array){.items = (int32_t *)(uintptr_t)list.items,
                                   .count = (int32_t)list.count};
}

struct weir_i32_array weir_call_offline_replicas(const struct weir_call *call,
                                                 const struct weir_image_partition *partition)
{
    struct weir_i32_array offline = {NULL, 0};
    for (size_t i = 0; i < partition->replicas.count; i++) {
        const struct weir_image_broker *broker =
            weir_image_broker(call->image, partition->replicas.items[i]);
        if (broker != NULL && !broker->is_fenced)
            continue;
        if (offline.items == NULL)
            offline.items = WEIR_CALL_ALLOC(call, int32_t, partition->replicas.count);
        if (offline.items == NULL)
            break; /* informational: an answer without the list is better than none */
        offline.items[offline.count++] = partition->replicas.items[i];
    }
    return offline;
}

bool weir_call_broker_address(const struct weir_call *call, const struct weir_image_broker *broker,
                              struct weir_broker_address *out)
{
    *out = (struct weir_broker_address){
        .id = broker->id, .rack = broker->rack, .is_fenced = broker->is_fenced};
    if (broker->id == call->api->options.node_id) {
        weir_call_endpoint(call, &out->host, &out->port);
        return true;
    }
    if (broker->is_fenced)
        return false;
    struct weir_slice listener = weir_call_listener_name(call);
    for (size_t i = 0; i < broker->endpoint_count; i++) {
        if (!weir_slice_equal(broker->endpoints[i].name, listener))
            continue;
        out->host = broker->endpoints[i].host;
        out->port = broker->endpoints[i].port;
        return true;
    }
    return false;
}

int32_t weir_call_any_broker_id(const struct weir_call *call)
{
    return call->api->options.node_id;
}
