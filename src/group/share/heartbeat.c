/* SPDX-License-Identifier: Apache-2.0 */

/*
 * ShareGroupHeartbeat.  In order: the group and the member, what it says of itself, the group's
 * epoch, the target assignment, the member's own assignment (all of its target, at once), the
 * answer, and partitions whose state is to be initialised.  When a later step fails the records of
 * the earlier ones are taken back, for nothing is applied before all are appended.
 */

#include "share_int.h"

#include "weir/base/memory.h"

#include <stdlib.h>

struct beat {
    struct group_machine *machine;
    const struct weir_share_heartbeat_request *request;
    struct weir_share_heartbeat *heartbeat;
    struct weir_step *step;
    struct share_group *group;   /* NULL: this heartbeat makes it */
    struct share_member *member; /* NULL: new */
    share_member_value metadata; /* as it is from now on */
    const char *reason;          /* why the group's epoch goes up; NULL: it does not */
    struct share_view view;
    int32_t epoch;
    int32_t target_epoch;
    struct partition_set target;
    int32_t member_epoch; /* from now on */
    struct partition_set assigned;
};

static struct weir_arena *answer_arena(struct beat *beat)
{
    return &beat->heartbeat->op.arena;
}

static enum weir_status refuse(struct beat *beat, enum weir_status status, struct weir_slice text)
{
    beat->heartbeat->message = text;
    return status;
}

static int64_t group_config(const struct beat *beat, const char *key)
{
    return machine_group_config(beat->machine, beat->request->group_id, key);
}

static bool is_joining(const struct beat *beat)
{
    return beat->request->member_epoch == WEIR_GROUP_JOIN_EPOCH;
}

/* ---- What needs no group ---- */

static bool is_empty_text(struct weir_slice text)
{
    return text.size == 0 && !weir_slice_is_null(text);
}

enum weir_status share_check_request(const struct weir_share_heartbeat_request *request,
                                     struct weir_slice *out_message)
{
    const char *message = NULL;
    if (request->group_id.size == 0)
        message = "GroupId can't be empty.";
    else if (is_empty_text(request->rack_id))
        message = "RackId can't be empty.";
    else if (request->member_epoch == WEIR_GROUP_JOIN_EPOCH && request->topic_name_count == 0)
        message = "SubscribedTopicNames must be set in first request.";
    else if (request->member_epoch < WEIR_GROUP_LEAVE_EPOCH)
        message = "MemberEpoch is invalid.";
    if (message == NULL)
        return WEIR_OK;
    *out_message = weir_slice_str(message);
    return WEIR_INVALID_REQUEST;
}

/* ---- The group and the member ---- */

static enum weir_status find_group(struct beat *beat)
{
    struct group *group = machine_group(beat->machine, beat->request->group_id);
    if (group != NULL && group_is(group, GROUP_SHARE)) {
        beat->group = share_of(group);
        return WEIR_OK;
    }
    if (group == NULL && is_joining(beat))
        return WEIR_OK;
    struct weir_slice id = beat->request->group_id;
    struct weir_slice message;
    if (group != NULL)
        message = weir_arena_printf(answer_arena(beat), "Group %.*s is not a share group.",
                                    WEIR_SLICE_ARGS(id));
    else if (beat->request->member_epoch == WEIR_GROUP_LEAVE_EPOCH)
        message =
            weir_arena_printf(answer_arena(beat), "Group %.*s not found.", WEIR_SLICE_ARGS(id));
    else
        message = weir_arena_printf(answer_arena(beat), "Share group %.*s not found.",
                                    WEIR_SLICE_ARGS(id));
    return refuse(beat, WEIR_GROUP_ID_NOT_FOUND, message);
}

static enum weir_status check_size(struct beat *beat)
{
    int64_t size_max = machine_broker_config_i64(beat->machine, "group.share.max.size");
    if (beat->group == NULL || (int64_t)beat->group->members.count < size_max ||
        share_find_member(beat->group, beat->request->member_id) != NULL)
        return WEIR_OK;
    return refuse(
        beat, WEIR_GROUP_MAX_SIZE_REACHED,
        weir_arena_printf(answer_arena(beat),
                          "The share group has reached its maximum capacity of %lld members.",
                          (long long)size_max));
}

/* With the epoch before it did not see the answer with the new one. */
static enum weir_status check_epoch(struct beat *beat)
{
    int32_t received = beat->request->member_epoch;
    int32_t known = beat->member == NULL ? 0 : beat->member->epoch;
    int32_t previous = beat->member == NULL ? -1 : beat->member->previous_epoch;
    struct weir_slice message;
    if (is_joining(beat) || received == known || (received < known && received == previous))
        return WEIR_OK;
    if (received > known)
        message = weir_arena_printf(answer_arena(beat),
                                    "The share group member has a greater member epoch (%d) than "
                                    "the one known by the group coordinator (%d). The member must "
                                    "abandon all its partitions and rejoin.",
                                    received, known);
    else
        message = weir_arena_printf(answer_arena(beat),
                                    "The share group member has a smaller member epoch (%d) than "
                                    "the one known by the group coordinator (%d), and it does not "
                                    "match the previous member epoch (%d). The member must abandon "
                                    "all its partitions and rejoin.",
                                    received, known, previous);
    return refuse(beat, WEIR_FENCED_MEMBER_EPOCH, message);
}

static enum weir_status unknown_member(struct beat *beat)
{
    return refuse(beat, WEIR_UNKNOWN_MEMBER_ID,
                  weir_arena_printf(answer_arena(beat),
                                    "Member %.*s is not a member of group %.*s.",
                                    WEIR_SLICE_ARGS(beat->request->member_id),
                                    WEIR_SLICE_ARGS(beat->request->group_id)));
}

static enum weir_status find_member(struct beat *beat)
{
    if (beat->group != NULL)
        beat->member = share_find_member(beat->group, beat->request->member_id);
    if (beat->member == NULL && !is_joining(beat))
        return unknown_member(beat);
    return check_epoch(beat);
}

/* ---- What the member says of itself ---- */

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

static enum weir_status set_names(struct beat *beat)
{
    size_t count = beat->request->topic_name_count;
    struct weir_slice *names = weir_arena_calloc(&beat->step->arena, count + 1, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        names[i] = beat->request->topic_names[i];
    if (count > 1)
        qsort(names, count, sizeof(*names), compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !weir_slice_equal(names[i], names[kept - 1]))
            names[kept++] = names[i];
    beat->metadata.subscribed_topic_names.items = names;
    beat->metadata.subscribed_topic_names.count = (int32_t)kept;
    return WEIR_OK;
}

static bool names_equal(const share_member_value *a, const share_member_value *b)
{
    bool is_equal = a->subscribed_topic_names.count == b->subscribed_topic_names.count;
    for (int32_t i = 0; i < a->subscribed_topic_names.count && is_equal; i++)
        is_equal = weir_slice_equal(a->subscribed_topic_names.items[i],
                                    b->subscribed_topic_names.items[i]);
    return is_equal;
}

static bool text_equal(struct weir_slice a, struct weir_slice b)
{
    return weir_slice_is_null(a) == weir_slice_is_null(b) && weir_slice_equal(a, b);
}

static enum weir_status update_member(struct beat *beat)
{
    const struct weir_share_heartbeat_request *request = beat->request;
    share_member_value *metadata = &beat->metadata;
    if (beat->member != NULL) {
        *metadata = beat->member->metadata;
    } else {
        weir_share_group_member_metadata_value_init(metadata);
        metadata->rack_id = WEIR_NULL_SLICE;
    }
    if (!weir_slice_is_null(request->rack_id))
        metadata->rack_id = request->rack_id;
    metadata->client_id = or_empty(request->client_id);
    metadata->client_host =
        weir_arena_printf(&beat->step->arena, "/%.*s", WEIR_SLICE_ARGS(request->client_host));
    enum weir_status status = request->has_topic_names ? set_names(beat) : WEIR_OK;
    if (weir_slice_is_null(metadata->client_host))
        status = WEIR_NO_MEMORY;
    if (status != WEIR_OK)
        return status;
    const share_member_value *before = beat->member == NULL ? NULL : &beat->member->metadata;
    if (before == NULL)
        beat->reason = "a member joined";
    else if (!names_equal(before, metadata))
        beat->reason = "a member subscribed to other topics";
    else if (text_equal(before->rack_id, metadata->rack_id) &&
             weir_slice_equal(before->client_id, metadata->client_id) &&
             weir_slice_equal(before->client_host, metadata->client_host))
        return WEIR_OK;
    record_share_member(beat->step, request->group_id, request->member_id, metadata);
    return WEIR_OK;
}

/* ---- Epochs ---- */

static int shown(struct weir_slice text)
{
    return (int)(text.size < 64 ? text.size : 64);
}

static void log_rebalance(struct beat *beat)
{
    if (beat->group == NULL)
        return; /* when it is there */
    struct weir_slice id = beat->request->member_id;
    struct weir_slice client = beat->metadata.client_id;
    struct weir_slice reason;
    group_reason(beat->step, &reason, "%s: %.*s, client %.*s", beat->reason, shown(id),
                 (const char *)id.data, shown(client), (const char *)client.data);
    group_rebalanced(&beat->group->base, beat->epoch, beat->view.member_count, reason, beat->step);
}

static enum weir_status update_epoch(struct beat *beat)
{
    const struct share_group *group = beat->group;
    beat->epoch = group == NULL ? SHARE_EPOCH_INITIAL : group->epoch;
    enum weir_status status = share_view_make(group, beat->machine->image, beat->request->member_id,
                                              &beat->metadata, &beat->step->arena, &beat->view);
    if (status != WEIR_OK)
        return status;
    if (beat->reason == NULL && group != NULL && group->may_be_pending &&
        group->epoch <= group->assignment_epoch) {
        beat->group->may_be_pending = share_assignment_is_pending(group);
        if (beat->group->may_be_pending)
            beat->reason = "other partitions are ready";
    }
    if (beat->reason == NULL && group != NULL && !group->is_metadata_stale)
        return WEIR_OK;
    int64_t hash;
    status = share_view_hash(&beat->view, &beat->step->arena, &hash);
    if (status != WEIR_OK)
        return status;
    if (group != NULL && hash != group->metadata_hash && beat->reason == NULL)
        beat->reason = "its topics changed";
    if (beat->reason == NULL)
        return WEIR_OK;
    beat->epoch++;
    log_rebalance(beat);
    record_share_group(beat->step, beat->request->group_id, beat->epoch, hash);
    return WEIR_OK;
}

static bool may_assign(const struct beat *beat)
{
    int64_t interval_ms = group_config(beat, "share.assignment.interval.ms");
    int64_t last_ms = beat->group == NULL ? 0 : beat->group->assignment_ms;
    return last_ms == 0 || interval_ms == 0 || beat->step->wall_ms >= last_ms + interval_ms;
}

static enum weir_status update_target(struct beat *beat)
{
    const struct share_group *group = beat->group;
    beat->target_epoch = group == NULL ? SHARE_EPOCH_INITIAL : group->assignment_epoch;
    if (group != NULL)
        beat->target = share_target_of(group, beat->request->member_id);
    if (beat->target_epoch >= beat->epoch || !may_assign(beat))
        return WEIR_OK;
    beat->target_epoch = beat->epoch;
    return share_assign(beat->request->group_id, &beat->view, beat->epoch, beat->request->member_id,
                        beat->step, &beat->target);
}

/* ---- The member's assignment ---- */

/* The target without topics it does not subscribe to. */
static enum weir_status filter_target(struct beat *beat)
{
    enum weir_status status =
        partition_set_room(&beat->step->arena, beat->target.count, &beat->assigned);
    const struct weir_image_topic *topic = NULL;
    for (size_t i = 0; i < beat->target.count && status == WEIR_OK; i++) {
        const struct held_partition *held = &beat->target.items[i];
        if (topic == NULL || !weir_uuid_equal(topic->id, held->topic_id))
            topic = weir_image_topic_by_id(beat->machine->image, held->topic_id);
        if (topic != NULL &&
            share_names_contain(beat->metadata.subscribed_topic_names.items,
                                (size_t)beat->metadata.subscribed_topic_names.count, topic->name))
            beat->assigned.items[beat->assigned.count++] = *held;
    }
    return status;
}

static enum weir_status reconcile(struct beat *beat)
{
    const struct share_member *member = beat->member;
    int32_t known = member == NULL ? 0 : member->epoch;
    beat->member_epoch = known;
    if (member != NULL)
        beat->assigned = member->assigned;
    if (beat->reason == NULL && known == beat->target_epoch)
        return WEIR_OK;
    enum weir_status status = filter_target(beat);
    if (status != WEIR_OK)
        return status;
    beat->member_epoch = beat->target_epoch;
    bool is_same = member != NULL && partition_set_same(&member->assigned, &beat->assigned);
    if (beat->member_epoch == known && is_same)
        return WEIR_OK;
    int32_t previous = beat->member_epoch != known ? known
                       : member == NULL            ? -1
                                                   : member->previous_epoch;
    record_share_current(beat->step, beat->request->group_id, beat->request->member_id,
                         beat->member_epoch, previous, &beat->assigned);
    WEIR_STEP_LOG(beat->step, WEIR_LOG_LEVEL_DEBUG, "share_member_assigned",
                  WEIR_BYTES("group", beat->request->group_id),
                  WEIR_BYTES("member", beat->request->member_id),
                  WEIR_I64("epoch", beat->member_epoch),
                  WEIR_I64("partitions", beat->assigned.count));
    return WEIR_OK;
}

/* ---- The answer ---- */

static enum weir_status answer(struct beat *beat)
{
    struct weir_share_heartbeat *heartbeat = beat->heartbeat;
    heartbeat->member_epoch = beat->member_epoch;
    heartbeat->heartbeat_interval_ms = (int32_t)group_config(beat, "share.heartbeat.interval.ms");
    heartbeat->has_assignment = is_joining(beat) || beat->request->has_topic_names ||
                                beat->member == NULL ||
                                !partition_set_same(&beat->member->assigned, &beat->assigned);
    if (!heartbeat->has_assignment)
        return WEIR_OK;
    return partition_set_to_answer(&beat->assigned, NULL, answer_arena(beat),
                                   &heartbeat->assignment, &heartbeat->assignment_count);
}

static void start_session(struct group_machine *machine, struct share_member *member,
                          struct weir_step *step)
{
    int64_t timeout_ms =
        machine_group_config(machine, member->group->base.id, "share.session.timeout.ms");
    timer_set(machine, &member->session, step->now_ms + timeout_ms);
}

/* The group and the member are there now, when they were not before. */
static void written(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                    enum weir_status status, struct weir_step *step)
{
    struct group_machine *machine = context;
    struct weir_share_heartbeat *heartbeat =
        WEIR_CONTAINER_OF(write, struct weir_share_heartbeat, written);
    struct share_group *group = share_group_of(machine, heartbeat->group_id);
    struct share_member *member =
        group == NULL ? NULL : share_find_member(group, heartbeat->member_id);
    if (group != NULL && outcome == WEIR_WRITE_REFUSED)
        group->is_metadata_stale = true; /* what was seen was not written */
    if (group != NULL && heartbeat->is_first && outcome == WEIR_WRITE_COMMITTED)
        group_rebalanced(&group->base, group->epoch, group->members.count,
                         WEIR_SLICE("a member joined a new group"), step);
    if (member != NULL && member->session.node.key == NO_DEADLINE)
        start_session(machine, member, step);
    op_complete(&heartbeat->op, outcome == WEIR_WRITE_COMMITTED ? heartbeat->op.status : status,
                step);
}

static enum weir_status leave(struct beat *beat)
{
    enum weir_status status = find_group(beat);
    if (status != WEIR_OK)
        return status;
    struct share_member *member = share_find_member(beat->group, beat->request->member_id);
    if (member == NULL)
        return unknown_member(beat);
    beat->heartbeat->member_epoch = beat->request->member_epoch;
    return share_fence(member, "a member left", beat->step);
}

static enum weir_status beat_once(struct beat *beat)
{
    static enum weir_status (*const stages[])(struct beat * beat) = {
        find_group,   check_size,    find_member, update_member,
        update_epoch, update_target, reconcile,   answer};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(stages); i++) {
        enum weir_status status = stages[i](beat);
        if (status != WEIR_OK)
            return status;
    }
    return beat->step->status;
}

static enum weir_status keep_ids(struct beat *beat)
{
    enum weir_status status =
        weir_arena_copy(answer_arena(beat), beat->request->group_id, &beat->heartbeat->group_id);
    if (status == WEIR_OK)
        status = weir_arena_copy(answer_arena(beat), beat->request->member_id,
                                 &beat->heartbeat->member_id);
    return status;
}

void share_heartbeat(struct group_machine *machine,
                     const struct weir_share_heartbeat_request *request,
                     struct weir_share_heartbeat *heartbeat, struct weir_step *step)
{
    struct beat beat = {
        .machine = machine, .request = request, .heartbeat = heartbeat, .step = step};
    bool is_leaving = request->member_epoch == WEIR_GROUP_LEAVE_EPOCH;
    machine->now_ms = step->now_ms;
    enum weir_status status = keep_ids(&beat);
    if (status == WEIR_OK)
        status = is_leaving ? leave(&beat) : beat_once(&beat);
    if (status == WEIR_OK && !is_leaving)
        status = share_initialize(machine, request->group_id, &beat.view, beat.epoch, step);
    if (status != WEIR_OK) {
        step_forget_records(step); /* nothing was appended yet */
        op_complete(&heartbeat->op, status == WEIR_NO_MEMORY ? WEIR_UNKNOWN_SERVER_ERROR : status,
                    step);
        return;
    }
    if (beat.member != NULL && !is_leaving)
        start_session(machine, beat.member, step);
    if (beat.group != NULL && !is_leaving)
        beat.group->is_metadata_stale = false;
    heartbeat->is_first = beat.group == NULL;
    heartbeat->written.result = written;
    weir_step_write(step, &heartbeat->written);
}
