/* SPDX-License-Identifier: Apache-2.0 */

/* ShareGroupDescribe (KIP-932). */

#include "api_int.h"
#include "call_state.h"
#include "share_calls.h"
#include "share_group_calls.h"

#include "weir/group/share_groups.h"
#include "weir/protocol/messages/share_group_describe_request.h"
#include "weir/protocol/messages/share_group_describe_response.h"

typedef struct weir_share_group_describe_request request_t;
typedef struct weir_share_group_describe_response response_t;
typedef struct weir_share_group_describe_response_described_group group_t;
typedef struct weir_share_group_describe_response_member member_t;
typedef struct weir_share_group_describe_response_topic_partitions partitions_t;

/* The service describes before it returns. */
static void on_done(struct weir_group_op *op)
{
    (void)op;
}

/* Both are false when memory is out. */
static bool fill_member(struct weir_call *call, const struct weir_share_member_description *from,
                        member_t *member)
{
    weir_share_group_describe_response_member_init(member);
    member->member_id = from->member_id;
    member->rack_id = from->rack_id;
    member->member_epoch = from->member_epoch;
    member->client_id = from->client_id;
    member->client_host = from->client_host;
    member->subscribed_topic_names.items = (struct weir_slice *)(uintptr_t)from->topic_names;
    member->subscribed_topic_names.count = (int32_t)from->topic_name_count;
    partitions_t *topics = WEIR_CALL_ALLOC(call, partitions_t, from->assignment_count);
    if (topics == NULL)
        return false;
    member->assignment.topic_partitions.items = topics;
    member->assignment.topic_partitions.count = (int32_t)from->assignment_count;
    for (size_t i = 0; i < from->assignment_count; i++) {
        weir_share_group_describe_response_topic_partitions_init(&topics[i]);
        topics[i].topic_id = from->assignment[i].topic_id;
        topics[i].topic_name = from->assignment[i].topic_name;
        topics[i].partitions.items = (int32_t *)(uintptr_t)from->assignment[i].partitions;
        topics[i].partitions.count = (int32_t)from->assignment[i].partition_count;
    }
    return true;
}

static bool fill_group(struct weir_call *call, const struct weir_share_describe *describe,
                       group_t *group)
{
    const request_t *request = call->body;
    group->error_code = weir_code(describe->op.status);
    if (describe->op.status != WEIR_OK) {
        group->error_message = describe->message;
        return true;
    }
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
    for (size_t i = 0; i < describe->member_count; i++)
        if (!fill_member(call, &describe->members[i], &group->members.items[i]))
            return false;
    return true;
}

/* One group after the other; the descriptions stay until the response, which borrows from them, is
 * encoded. */
void weir_api_share_group_describe(struct weir_call *call)
{
    const request_t *request = call->body;
    const size_t count = (size_t)request->group_ids.count;
    const bool is_enabled = share_groups_are_enabled(call);
    response_t response;
    weir_share_group_describe_response_init(&response);
    response.groups.items = WEIR_CALL_ALLOC(call, group_t, count);
    struct weir_share_describe *describes = weir_call_state_new(1, count, sizeof(*describes));
    bool has_memory = response.groups.items != NULL && describes != NULL;
    for (size_t i = 0; has_memory && i < count; i++) {
        group_t *group = &response.groups.items[response.groups.count++];
        weir_share_group_describe_response_described_group_init(group);
        group->group_id = request->group_ids.items[i];
        group->group_state = WEIR_EMPTY_SLICE;
        group->assignor_name = WEIR_EMPTY_SLICE;
        if (!is_enabled) {
            group->error_code = weir_code(WEIR_UNSUPPORTED_VERSION);
            continue;
        }
        describes[i].op.done = on_done;
        weir_group_share_describe(call->api->options.groups, group->group_id, &describes[i]);
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
