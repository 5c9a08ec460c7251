/* SPDX-License-Identifier: Apache-2.0 */

/* ConsumerGroupDescribe (KIP-848): groups of the consumer protocol with what their members have and
 * what they are to have. */

#include "api_int.h"
#include "call_state.h"
#include "group_features.h"

#include "weir/group/consumer_group_service.h"
#include "weir/protocol/messages/consumer_group_describe_request.h"
#include "weir/protocol/messages/consumer_group_describe_response.h"

typedef struct weir_consumer_group_describe_request request_t;
typedef struct weir_consumer_group_describe_response response_t;
typedef struct weir_consumer_group_describe_response_described_group group_t;
typedef struct weir_consumer_group_describe_response_member member_t;
typedef struct weir_consumer_group_describe_response_assignment assignment_t;
typedef struct weir_consumer_group_describe_response_topic_partitions partitions_t;

/* The service describes before it returns. */
static void on_done(struct weir_group_op *op)
{
    (void)op;
}

/* False when memory is out. */
static bool fill_assignment(struct weir_call *call, const struct weir_group_topic_partitions *from,
                            size_t count, assignment_t *out)
{
    partitions_t *topics = WEIR_CALL_ALLOC(call, partitions_t, count);
    if (topics == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        weir_consumer_group_describe_response_topic_partitions_init(&topics[i]);
        topics[i].topic_id = from[i].topic_id;
        topics[i].topic_name = from[i].topic_name;
        topics[i].partitions.items = (int32_t *)from[i].partitions;
        topics[i].partitions.count = (int32_t)from[i].partition_count;
    }
    out->topic_partitions.items = topics;
    out->topic_partitions.count = (int32_t)count;
    return true;
}

static bool fill_member(struct weir_call *call, const struct weir_group_consumer_member *from,
                        member_t *member)
{
    weir_consumer_group_describe_response_member_init(member);
    member->member_id = from->member_id;
    member->instance_id = from->instance_id;
    member->rack_id = from->rack_id;
    member->member_epoch = from->member_epoch;
    member->client_id = from->client_id;
    member->client_host = from->client_host;
    member->subscribed_topic_names.items = (struct weir_slice *)from->topic_names;
    member->subscribed_topic_names.count = (int32_t)from->topic_name_count;
    member->subscribed_topic_regex = from->topic_regex;
    member->member_type = (int8_t)from->type;
    return fill_assignment(call, from->assignment, from->assignment_count, &member->assignment) &&
           fill_assignment(call, from->target, from->target_count, &member->target_assignment);
}

static bool fill_group(struct weir_call *call, const struct weir_group_consumer_describe *describe,
                       group_t *group)
{
    const request_t *request = call->body;
    group->error_code = weir_code(describe->op.status);
    group->error_message = describe->message;
    if (describe->op.status != WEIR_OK)
        return true;
    group->group_state = describe->state;
    group->group_epoch = describe->group_epoch;
    group->assignment_epoch = describe->assignment_epoch;
    group->assignor_name = describe->assignor;
    if (request->include_authorized_operations)
        group->authorized_operations = weir_group_operations();
    group->members.items = WEIR_CALL_ALLOC(call, member_t, describe->member_count);
    if (group->members.items == NULL)
        return false;
    group->members.count = (int32_t)describe->member_count;
    for (size_t i = 0; i < describe->member_count; i++) {
        if (!fill_member(call, &describe->members[i], &group->members.items[i]))
            return false;
    }
    return true;
}

void weir_api_consumer_group_describe(struct weir_call *call)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->group_ids.count;
    const bool is_enabled = weir_group_protocol_is_enabled(call, "group.version", "consumer");
    response_t response;
    weir_consumer_group_describe_response_init(&response);
    response.groups.items = WEIR_CALL_ALLOC(call, group_t, count);
    /* The descriptions stay until the response is encoded, which borrows from them. */
    struct weir_group_consumer_describe *describes =
        weir_call_state_new(1, count, sizeof(*describes));
    bool has_memory = response.groups.items != NULL && describes != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        group_t *group = &response.groups.items[response.groups.count++];
        weir_consumer_group_describe_response_described_group_init(group);
        group->group_id = request->group_ids.items[i];
        if (!is_enabled) {
            group->error_code = WEIR_ERROR_UNSUPPORTED_VERSION;
            continue;
        }
        describes[i].op.done = on_done;
        weir_group_consumer_describe(call->api->options.groups, group->group_id, &describes[i]);
        has_memory = fill_group(call, &describes[i], group);
    }
    if (has_memory)
        weir_call_respond(call, &response);
    else
        weir_call_close(call);
    for (size_t i = 0; describes != NULL && i < count; i++)
        weir_group_op_free(&describes[i].op);
    weir_free(describes);
}
