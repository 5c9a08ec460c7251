/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FindCoordinator (key 10).  Groups only: transactions and share groups have no coordinator here,
 * and their keys are refused with INVALID_REQUEST, which clients take as final.  The first look-up
 * creates __consumer_offsets and waits for it, so that the client need not ask again.
 */
#include "api_topics_int.h"

#include "weir/coordinator/java_hash.h"
#include "weir/protocol/messages/find_coordinator_request.h"
#include "weir/protocol/messages/find_coordinator_response.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

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

static struct found find(const struct weir_call *call, struct weir_slice key, int8_t key_type)
{
    if (key_type != KEY_GROUP)
        return refused(WEIR_INVALID_REQUEST);
    const struct weir_image_topic *topic =
        weir_image_topic(call->image, WEIR_SLICE("__consumer_offsets"));
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

static struct weir_slice message_of(enum weir_status status, int8_t key_type)
{
    if (status != WEIR_INVALID_REQUEST)
        return WEIR_SLICE("The coordinator is not available.");
    return key_type == KEY_TRANSACTION ? WEIR_SLICE("This broker has no transaction coordinator.")
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
        found.status == WEIR_OK ? WEIR_SLICE("NONE") : message_of(found.status, request->key_type);
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
                                 : message_of(found.status, request->key_type);
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
    struct weir_slice name = WEIR_SLICE("__consumer_offsets");
    if (request->key_type != KEY_GROUP || weir_image_topic(call->image, name) != NULL) {
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
