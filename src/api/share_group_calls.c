/* SPDX-License-Identifier: Apache-2.0 */
#include "share_group_calls.h"

struct with_topic {
    struct weir_auto_create topic;
    void (*then)(struct weir_call *call);
};

static void topic_created(struct weir_call *call, struct weir_auto_create *topics, size_t count)
{
    (void)count;
    WEIR_CONTAINER_OF(topics, struct with_topic, topic)->then(call);
}

void weir_call_with_share_topic(struct weir_call *call, void (*then)(struct weir_call *call))
{
    const struct weir_slice name = WEIR_SLICE("__share_group_state");
    if (weir_image_topic(call->image, name) != NULL) {
        then(call);
        return;
    }
    struct with_topic *work = WEIR_CALL_ALLOC(call, struct with_topic, 1);
    if (work == NULL) {
        weir_call_close(call);
        return;
    }
    work->topic.name = name;
    work->then = then;
    weir_call_auto_create(call, &work->topic, 1, topic_created);
}

struct weir_slice weir_share_error_text(enum weir_status status, struct weir_slice own)
{
    static const struct {
        enum weir_status status;
        const char *text;
    } texts[] = {
        {WEIR_UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition."},
        {WEIR_FENCED_STATE_EPOCH, "The share coordinator rejected the request because the share-"
                                  "group state epoch did not match."},
        {WEIR_NOT_COORDINATOR, "This is not the correct coordinator."},
        {WEIR_COORDINATOR_NOT_AVAILABLE, "The coordinator is not available."},
        {WEIR_COORDINATOR_LOAD_IN_PROGRESS,
         "The coordinator is loading and hence can't process requests."},
        {WEIR_NON_EMPTY_GROUP, "The group is not empty."},
        {WEIR_GROUP_ID_NOT_FOUND, "The group id does not exist."},
        {WEIR_INVALID_GROUP_ID, "The group id is invalid."},
    };
    if (status == WEIR_OK)
        return WEIR_NULL_SLICE;
    if (!weir_slice_is_null(own))
        return own;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(texts); i++)
        if (texts[i].status == status)
            return weir_slice_str(texts[i].text);
    return WEIR_SLICE("The server experienced an unexpected error when processing the request.");
}
