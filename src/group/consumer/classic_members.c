/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Members of the classic protocol in a consumer group that is being upgraded: JoinGroup brings what
 * a heartbeat would, its answer is the member's epoch as generation, SyncGroup tells the
 * partitions, and Heartbeat answers REBALANCE_IN_PROGRESS when the member is to come again. Nothing
 * waits.
 */

#include "embedded.h"

#include "../classic/classic_int.h"
#include "weir/base/memory.h"

struct joining {
    struct consumer_group *group;
    const struct weir_group_join_request *request;
    struct weir_group_join *join;
    struct weir_step *step;
    struct weir_slice member_id;
    bool is_unknown;
};

static void fail_join(struct joining *joining, enum weir_status status, struct weir_slice member_id)
{
    join_set_error(joining->join, status == WEIR_NO_MEMORY ? WEIR_UNKNOWN_SERVER_ERROR : status,
                   member_id);
    step_forget_records(joining->step);
    op_complete(&joining->join->op, joining->join->op.status, joining->step);
}

static bool supports(const struct consumer_group *group,
                     const struct weir_group_join_request *request)
{
    if (!weir_slice_is(request->protocol_type, CONSUMER_PROTOCOL_TYPE) ||
        request->protocol_count == 0)
        return false;
    for (size_t i = 0; i < request->protocol_count; i++) {
        size_t knowing = 0;
        size_t cursor = 0;
        const struct weir_map_entry *entry;
        while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
            const struct member_data *member =
                &((const struct consumer_member *)entry->value)->data;
            for (size_t j = 0; member->is_classic && j < member->protocol_count; j++)
                knowing += weir_slice_equal(member->protocols[j].name, request->protocols[i].name);
        }
        if (knowing >= group->classic_count)
            return true;
    }
    return false;
}

static bool is_full(const struct consumer_group *group, struct weir_slice member_id)
{
    return (int64_t)group->members.count >=
               machine_broker_config_i64(group->base.machine, "group.consumer.max.size") &&
           consumer_find(group, member_id) == NULL;
}

static enum weir_status find_member(const struct joining *joining,
                                    const struct consumer_member **out,
                                    const struct consumer_member **out_replaced)
{
    const struct consumer_group *group = joining->group;
    struct weir_slice instance_id = joining->request->instance_id;
    *out_replaced = NULL;
    *out = consumer_find(group, joining->member_id);
    if (weir_slice_is_null(instance_id))
        return WEIR_OK;
    const struct consumer_member *holder = consumer_find_static(group, instance_id);
    if (joining->is_unknown) {
        *out = NULL;
        *out_replaced = holder; /* of whichever protocol: it is out */
        return WEIR_OK;
    }
    if (holder == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    *out = holder;
    return weir_slice_equal(holder->data.id, joining->member_id) ? WEIR_OK
                                                                 : WEIR_FENCED_INSTANCE_ID;
}

/* The names count once each, as they were said first. */
static enum weir_status fill_member(struct joining *joining, struct member_data *member,
                                    struct partition_set *out_owned)
{
    const struct weir_group_join_request *request = joining->request;
    struct weir_arena *arena = &joining->step->arena;
    struct weir_consumer_protocol_subscription subscription;
    enum weir_status status =
        embedded_subscription(request->protocols[0].metadata, arena, &subscription);
    if (status != WEIR_OK)
        return status == WEIR_NO_MEMORY ? status : WEIR_INCONSISTENT_GROUP_PROTOCOL;
    member->id = joining->member_id;
    if (!weir_slice_is_null(request->instance_id))
        member->instance_id = request->instance_id;
    if (subscription.rack_id.size > 0)
        member->rack_id = subscription.rack_id;
    member->rebalance_timeout_ms = request->rebalance_timeout_ms;
    member->regex = WEIR_EMPTY_SLICE;
    member->client_id = or_empty(request->client_id);
    member->client_host = weir_arena_printf(arena, "/%.*s", WEIR_SLICE_ARGS(request->client_host));
    member->is_classic = true;
    member->classic_session_timeout_ms = request->session_timeout_ms;
    member->protocols = request->protocols;
    member->protocol_count = request->protocol_count;
    status = weir_slice_is_null(member->client_host)
                 ? WEIR_NO_MEMORY
                 : embedded_topics(&subscription, arena, member);
    size_t total = 0;
    for (int32_t i = 0; i < subscription.owned_partitions.count; i++)
        total += (size_t)subscription.owned_partitions.items[i].partitions.count;
    if (status == WEIR_OK)
        status = partition_set_room(arena, total, out_owned);
    for (int32_t i = 0; status == WEIR_OK && i < subscription.owned_partitions.count; i++) {
        const struct weir_consumer_protocol_subscription_topic_partition *topic =
            &subscription.owned_partitions.items[i];
        const struct weir_image_topic *found =
            weir_image_topic(joining->group->base.machine->image, topic->topic);
        for (int32_t j = 0; found != NULL && j < topic->partitions.count; j++)
            out_owned->items[out_owned->count++] = (struct held_partition){
                .topic_id = found->id, .partition = topic->partitions.items[j]};
    }
    if (status == WEIR_OK)
        partition_set_normalise(out_owned);
    return status;
}

/* ---- The answer, and the timers that begin with it ---- */

struct join_write {
    struct weir_write write;
    struct weir_group_join *join;
    struct weir_slice group_id;
    struct weir_slice member_id;
    int32_t sync_timeout_ms;
};

static void join_written(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                         enum weir_status status, struct weir_step *step)
{
    struct join_write *pending = WEIR_CONTAINER_OF(write, struct join_write, write);
    struct group_machine *machine = context;
    struct consumer_group *group = consumer_group_of(machine, pending->group_id);
    struct consumer_member *member =
        group == NULL ? NULL : consumer_find(group, pending->member_id);
    if (outcome != WEIR_WRITE_COMMITTED) {
        join_set_error(pending->join, status, WEIR_EMPTY_SLICE);
    } else if (member != NULL && member->data.is_classic) {
        machine->now_ms = step->now_ms;
        timer_cancel(machine, &member->join);
        consumer_restart_session(member);
        timer_set(machine, &member->sync, step->now_ms + pending->sync_timeout_ms);
    }
    op_complete(&pending->join->op, pending->join->op.status, step);
    text_drop(&pending->group_id);
    text_drop(&pending->member_id);
    weir_free(pending);
}

static enum weir_status answer(struct joining *joining, const struct member_data *member)
{
    struct weir_group_join *join = joining->join;
    struct weir_arena *arena = &join->op.arena;
    join_set_error(join, WEIR_OK, member->id); /* nothing but the id yet */
    join->generation = member->epoch;
    join->protocol_type = WEIR_SLICE(CONSUMER_PROTOCOL_TYPE);
    enum weir_status status =
        weir_arena_copy(arena, member->protocols[0].name, &join->protocol_name);
    struct join_write *pending = status == WEIR_OK ? weir_calloc(1, sizeof(*pending)) : NULL;
    if (pending == NULL)
        return WEIR_NO_MEMORY;
    if (text_dup(joining->group->base.id, &pending->group_id) != WEIR_OK ||
        text_dup(member->id, &pending->member_id) != WEIR_OK) {
        text_drop(&pending->group_id);
        weir_free(pending);
        return WEIR_NO_MEMORY;
    }
    pending->join = join;
    pending->sync_timeout_ms = member->rebalance_timeout_ms;
    pending->write.result = join_written;
    weir_step_write(joining->step, &pending->write);
    return WEIR_OK;
}

static enum weir_status join_member(struct joining *joining)
{
    struct consumer_group *group = joining->group;
    const struct consumer_member *before;
    const struct consumer_member *replaced;
    enum weir_status status = find_member(joining, &before, &replaced);
    if (status != WEIR_OK)
        return status;
    struct member_data base = {.previous_epoch = -1, .rebalance_timeout_ms = -1};
    if (before != NULL)
        base = before->data;
    if (replaced != NULL) {
        base = replaced->data;
        base.epoch = 0;
        base.previous_epoch = 0;
    }
    base.id = joining->member_id;
    if (replaced != NULL)
        consumer_write_replacement(group, replaced, &base, joining->step);
    struct member_data member = base;
    struct partition_set owned;
    status = fill_member(joining, &member, &owned);
    if (status != WEIR_OK)
        return status;
    struct consumer_member *leaving =
        replaced == NULL ? NULL : consumer_find(group, replaced->data.id);
    bool downgrades = leaving != NULL && !leaving->data.is_classic &&
                      consumer_may_downgrade(group, &leaving, 1, 1);
    struct member_change change = {.group = group,
                                   .step = joining->step,
                                   .before = before,
                                   .base = &base,
                                   .member = &member,
                                   .replaced = replaced,
                                   .has_owned = true,
                                   .owned = owned};
    status = member_change_write(&change, downgrades ? CHANGE_SUBSCRIPTION_ONLY : CHANGE_ALL);
    if (status == WEIR_OK && downgrades)
        status = consumer_downgrade(group, &leaving, 1, &member, change.bumped, joining->step);
    return status == WEIR_OK ? answer(joining, &member) : status;
}

void consumer_classic_join(struct group *base, const struct weir_group_join_request *request,
                           const uint8_t random[16], struct weir_group_join *join,
                           struct weir_step *step)
{
    struct joining joining = {.group = consumer_of(base),
                              .request = request,
                              .join = join,
                              .step = step,
                              .member_id = request->member_id,
                              .is_unknown = request->member_id.size == 0};
    base->machine->now_ms = step->now_ms;
    char text[WEIR_UUID_TEXT_BYTES];
    if (joining.is_unknown) {
        struct weir_uuid id;
        uint8_t bytes[16];
        memcpy(bytes, random, sizeof(bytes));
        while (!weir_uuid_from_random(bytes, &id))
            bytes[0]++; /* a few ids are reserved */
        weir_uuid_format(id, text);
        joining.member_id = weir_slice_str(text);
    }
    if (is_full(joining.group, request->member_id)) {
        fail_join(&joining, WEIR_GROUP_MAX_SIZE_REACHED, WEIR_EMPTY_SLICE);
        return;
    }
    if (!supports(joining.group, request)) {
        fail_join(&joining, WEIR_INCONSISTENT_GROUP_PROTOCOL, WEIR_EMPTY_SLICE);
        return;
    }
    if (joining.is_unknown && request->requires_known_member_id &&
        weir_slice_is_null(request->instance_id)) {
        fail_join(&joining, WEIR_MEMBER_ID_REQUIRED, joining.member_id);
        return;
    }
    enum weir_status status = join_member(&joining);
    if (status != WEIR_OK)
        fail_join(&joining, status, request->member_id);
}

/* ---- SyncGroup, Heartbeat, LeaveGroup ---- */

static enum weir_status find_classic(const struct consumer_group *group,
                                     struct weir_slice member_id, struct weir_slice instance_id,
                                     struct consumer_member **out)
{
    struct consumer_member *member = weir_slice_is_null(instance_id)
                                         ? consumer_find(group, member_id)
                                         : consumer_find_static(group, instance_id);
    if (member == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    if (!weir_slice_is_null(instance_id) && !weir_slice_equal(member->data.id, member_id))
        return WEIR_FENCED_INSTANCE_ID;
    *out = member;
    return member->data.is_classic ? WEIR_OK : WEIR_UNKNOWN_MEMBER_ID;
}

static void expect_join(struct consumer_member *member, const struct weir_step *step)
{
    if (member->join.node.key == NO_DEADLINE)
        timer_set(member->group->base.machine, &member->join,
                  step->now_ms + member->data.rebalance_timeout_ms);
}

static enum weir_status check_sync(const struct consumer_group *group,
                                   const struct weir_group_sync_request *request,
                                   struct consumer_member **out, const struct weir_step *step)
{
    enum weir_status status = find_classic(group, request->member_id, request->instance_id, out);
    if (status != WEIR_OK)
        return status;
    const struct member_data *member = &(*out)->data;
    if (request->generation != member->epoch)
        return WEIR_ILLEGAL_GENERATION;
    if ((!weir_slice_is_null(request->protocol_type) &&
         !weir_slice_is(request->protocol_type, CONSUMER_PROTOCOL_TYPE)) ||
        (!weir_slice_is_null(request->protocol_name) &&
         !weir_slice_equal(request->protocol_name, member->protocols[0].name)))
        return WEIR_INCONSISTENT_GROUP_PROTOCOL;
    /* The assignment of the next epoch may be still to come: until then nobody is to rejoin. */
    if (group->assignment_epoch > member->epoch && member->state != MEMBER_UNREVOKED) {
        expect_join(*out, step);
        return WEIR_REBALANCE_IN_PROGRESS;
    }
    return WEIR_OK;
}

void consumer_classic_sync(struct group *base, const struct weir_group_sync_request *request,
                           struct weir_group_sync *sync, struct weir_step *step)
{
    struct consumer_group *group = consumer_of(base);
    struct consumer_member *member;
    base->machine->now_ms = step->now_ms;
    enum weir_status status = check_sync(group, request, &member, step);
    struct weir_slice bytes;
    if (status == WEIR_OK) {
        status =
            embedded_write_assignment(&member->data.assigned, base->machine->image,
                                      member->data.protocols[0].metadata, &sync->op.arena, &bytes);
        if (status != WEIR_OK)
            status = WEIR_UNKNOWN_SERVER_ERROR;
    }
    if (status != WEIR_OK) {
        sync_set_error(sync, status);
        op_complete(&sync->op, status, step);
        return;
    }
    timer_cancel(base->machine, &member->sync);
    consumer_restart_session(member);
    sync->op.status = WEIR_OK;
    sync->assignment = bytes;
    if (weir_arena_copy(&sync->op.arena, request->protocol_type, &sync->protocol_type) != WEIR_OK ||
        weir_arena_copy(&sync->op.arena, request->protocol_name, &sync->protocol_name) != WEIR_OK)
        sync_set_error(sync, WEIR_UNKNOWN_SERVER_ERROR);
    op_wait_committed(&sync->op, step);
}

/* Does it wait for a partition that somebody still holds? */
static bool waits_for_others(const struct consumer_member *member)
{
    const struct consumer_group *group = member->group;
    struct partition_set target = consumer_target_of(group, member->data.id);
    for (size_t i = 0; i < target.count; i++) {
        const struct held_partition *wanted = &target.items[i];
        if (partition_set_find(&member->data.assigned, wanted->topic_id, wanted->partition) ==
                NULL &&
            owners_has(group, wanted->topic_id, wanted->partition))
            return true;
    }
    return false;
}

enum weir_status consumer_classic_heartbeat(struct group *base,
                                            const struct weir_group_heartbeat_request *request,
                                            struct weir_step *step)
{
    struct consumer_group *group = consumer_of(base);
    struct consumer_member *member;
    base->machine->now_ms = step->now_ms;
    enum weir_status status =
        find_classic(group, request->member_id, request->instance_id, &member);
    if (status != WEIR_OK)
        return status;
    if (request->generation != member->data.epoch)
        return WEIR_ILLEGAL_GENERATION;
    consumer_restart_session(member);
    if (member->data.epoch >= group->assignment_epoch && member->data.state != MEMBER_UNREVOKED &&
        (member->data.state != MEMBER_UNRELEASED || waits_for_others(member)))
        return WEIR_OK;
    expect_join(member, step);
    return WEIR_REBALANCE_IN_PROGRESS;
}

/* Of either protocol: this is how administrators remove members, too. */
static enum weir_status find_leaver(const struct consumer_group *group,
                                    const struct weir_group_leaver *leaver,
                                    struct consumer_member **out)
{
    const bool is_static = !weir_slice_is_null(leaver->instance_id);
    struct consumer_member *member = is_static ? consumer_find_static(group, leaver->instance_id)
                                               : consumer_find(group, leaver->member_id);
    if (member == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    if (is_static && leaver->member_id.size > 0 &&
        !weir_slice_equal(leaver->member_id, member->data.id))
        return WEIR_FENCED_INSTANCE_ID;
    *out = member;
    return WEIR_OK;
}

void consumer_classic_leave(struct group *base, struct weir_group_leave *leave,
                            struct weir_step *step)
{
    struct consumer_group *group = consumer_of(base);
    struct consumer_member **leaving =
        weir_arena_calloc(&step->arena, leave->leaver_count + 1, sizeof(struct consumer_member *));
    base->machine->now_ms = step->now_ms;
    if (leaving == NULL) {
        op_complete(&leave->op, WEIR_UNKNOWN_SERVER_ERROR, step);
        return;
    }
    size_t count = 0;
    for (size_t i = 0; i < leave->leaver_count; i++) {
        struct weir_group_leaver *leaver = &leave->leavers[i];
        struct consumer_member *member = NULL;
        leaver->status = find_leaver(group, leaver, &member);
        bool is_leaving = false; /* named twice it leaves once, and both are told so */
        for (size_t j = 0; j < count; j++)
            is_leaving |= leaving[j] == member;
        if (leaver->status != WEIR_OK || is_leaving)
            continue;
        WEIR_STEP_INFO(step, "group_member_left", WEIR_BYTES("group", base->id),
                       WEIR_BYTES("member", member->data.id),
                       WEIR_BYTES("reason", leaver->reason.size == 0 ? WEIR_SLICE("not provided")
                                                                     : leaver->reason));
        leaving[count++] = member;
    }
    struct weir_slice reason;
    group_reason(step, &reason, "%zu members left", count);
    consumer_fence(group, leaving, count, reason, step);
    leave->op.status = WEIR_OK;
    op_wait_committed(&leave->op, step);
}
