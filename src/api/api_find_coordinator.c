/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FindCoordinator (key 10).  Of groups, transactions, and (from version 6 on) share partitions,
 * whose key is "group:topicId:partition".  The first look-up creates the internal topic and waits
 * for it, so that the client need not ask again.
 */
#include "api_topics_int.h"

#include "weir/coordinator/java_hash.h"
#include "weir/protocol/messages/find_coordinator_request.h"
#include "weir/protocol/messages/find_coordinator_response.h"
#include "weir/share/share_types.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

/* KIP-932: the version came with no field of its own, so no generated name says this. */
#define SHARE_VERSION_MIN 6

#define MALFORMED                                                                                  \
    "This most likely occurs because of a request being malformed by the client library or the "   \
    "message was sent to an "                                                                      \
    "incompatible broker. See the broker logs for more details."

struct found {
    enum weir_status status;
    struct weir_broker_address address;
};

static struct found refused(enum weir_status status)
{
    return (struct found){.status = status,
                          .address = {.id = -1, .host = WEIR_EMPTY_SLICE, .port = -1}};
}

/* The internal topic of the coordinators of that kind; null when there are none. */
static struct weir_slice topic_of(const struct weir_call *call, int8_t key_type)
{
    if (key_type == KEY_GROUP)
        return WEIR_SLICE("__consumer_offsets");
    if (key_type == KEY_SHARE && call->version >= SHARE_VERSION_MIN)
        return WEIR_SLICE("__share_group_state");
    return key_type == KEY_TRANSACTION ? WEIR_SLICE("__transaction_state") : WEIR_NULL_SLICE;
}

static bool key_is_valid(struct weir_slice key, int8_t key_type)
{
    struct weir_share_key share_key;
    return key_type != KEY_SHARE || weir_share_key_parse(key, &share_key);
}

static struct found find(const struct weir_call *call, struct weir_slice key, int8_t key_type)
{
    const struct weir_slice name = topic_of(call, key_type);
    if (weir_slice_is_null(name) || !key_is_valid(key, key_type))
        return refused(WEIR_INVALID_REQUEST);
    const struct weir_image_topic *topic = weir_image_topic(call->image, name);
    if (topic == NULL || topic->partition_count < 1)
        return refused(WEIR_COORDINATOR_NOT_AVAILABLE);
    const struct weir_image_partition *partition =
        topic->partitions[weir_key_partition(key, topic->partition_count)];
    const struct weir_image_broker *broker = weir_image_broker(call->image, partition->leader);
    struct found found = {.status = WEIR_OK};
    if (broker == NULL || !weir_call_broker_address(call, broker, &found.address))
        return refused(WEIR_COORDINATOR_NOT_AVAILABLE);
    return found;
}

static struct weir_slice message_of(enum weir_status status)
{
    return status != WEIR_INVALID_REQUEST ? WEIR_SLICE("The coordinator is not available.")
                                          : WEIR_SLICE(MALFORMED);
}

static void respond_single(struct weir_call *call)
{
    const struct weir_find_coordinator_request *request = call->body;
    struct weir_find_coordinator_response response;
    struct found found = find(call, request->key, request->key_type);
    weir_find_coordinator_response_init(&response);
    response.error_code = weir_code(found.status);
    response.error_message =
        found.status == WEIR_OK ? WEIR_SLICE("NONE") : message_of(found.status);
    response.node_id = found.address.id;
    response.host = found.address.host;
    response.port = found.address.port;
    weir_call_respond(call, &response);
}

static void respond_many(struct weir_call *call)
{
    const struct weir_find_coordinator_request *request = call->body;
    struct weir_find_coordinator_response response;
    int32_t count = request->coordinator_keys.count;
    weir_find_coordinator_response_init(&response);
    response.coordinators.items =
        WEIR_CALL_ALLOC(call, struct weir_find_coordinator_response_coordinator, count);
    if (response.coordinators.items == NULL) {
        weir_call_close(call);
        return;
    }
    response.coordinators.count = count;
    for (int32_t i = 0; i < count; i++) {
        struct weir_find_coordinator_response_coordinator *out = &response.coordinators.items[i];
        struct found found = find(call, request->coordinator_keys.items[i], request->key_type);
        weir_find_coordinator_response_coordinator_init(out);
        out->key = request->coordinator_keys.items[i];
        out->error_code = weir_code(found.status);
        out->error_message = found.status == WEIR_OK || request->key_type == KEY_SHARE
                                 ? WEIR_EMPTY_SLICE
                                 : message_of(found.status);
        out->node_id = found.address.id;
        out->host = found.address.host;
        out->port = found.address.port;
    }
    weir_call_respond(call, &response);
}

static void respond(struct weir_call *call)
{
    if (weir_find_coordinator_request_has_coordinator_keys(call->version))
        respond_many(call);
    else
        respond_single(call);
}

static void topic_created(struct weir_call *call, struct weir_auto_create *topics, size_t count)
{
    (void)topics;
    (void)count;
    respond(call); /* whatever came of it: the image says */
}

void weir_api_find_coordinator(struct weir_call *call)
{
    const struct weir_find_coordinator_request *request = call->body;
    const struct weir_slice name = topic_of(call, request->key_type);
    if (weir_slice_is_null(name) || weir_image_topic(call->image, name) != NULL) {
        respond(call);
        return;
    }
    struct weir_auto_create *topic = WEIR_CALL_ALLOC(call, struct weir_auto_create, 1);
    if (topic == NULL) {
        weir_call_close(call);
        return;
    }
    topic->name = name;
    weir_call_auto_create(call, topic, 1, topic_created);
}
