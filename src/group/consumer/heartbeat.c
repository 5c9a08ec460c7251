/* SPDX-License-Identifier: Apache-2.0 */

/* ConsumerGroupHeartbeat: what is checked, in Kafka's order, and what comes of it. */

#include "consumer_int.h"

#include "../classic/classic_int.h"

#include <stdlib.h>

struct beating {
    struct group_machine *machine;
    const struct weir_group_consumer_heartbeat_request *request;
    struct weir_group_consumer_heartbeat *heartbeat;
    struct regex_job_request *job;
    struct weir_step *step;
    struct consumer_group *group;
    bool is_temporary; /* the group is not the machine's: replay makes that one */
    struct weir_slice member_id;
};

static enum weir_status refuse(struct beating *beating, enum weir_status status,
                               const char *message)
{
    struct weir_arena *arena = &beating->heartbeat->op.arena;
    if (message != NULL &&
        weir_arena_copy(arena, weir_slice_str(message), &beating->heartbeat->message) != WEIR_OK)
        beating->heartbeat->message = WEIR_NULL_SLICE;
    return status;
}

/* ---- The request by itself ---- */

/* Null is no blank. */
static bool is_blank(struct weir_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] > ' ')
            return false;
    }
    return !weir_slice_is_null(text);
}

static enum weir_status check_assignor(struct beating *beating)
{
    struct weir_slice wanted = beating->request->assignor;
    if (weir_slice_is_null(wanted))
        return WEIR_OK;
    enum weir_assignor assignor;
    bool is_configured = false;
    struct weir_slice configured =
        machine_broker_config(beating->machine, "group.consumer.assignors");
    struct weir_arena *arena = &beating->heartbeat->op.arena;
    struct weir_slice list = WEIR_EMPTY_SLICE;
    struct weir_slice name;
    for (struct weir_slice rest = configured; weir_config_list_next(&rest, &name);) {
        is_configured |= weir_slice_equal(name, wanted);
        list = weir_arena_printf(arena, "%.*s%s%.*s", WEIR_SLICE_ARGS(list),
                                 list.size == 0 ? "" : ", ", WEIR_SLICE_ARGS(name));
    }
    if (is_configured && weir_assignor_find(wanted, &assignor))
        return WEIR_OK;
    beating->heartbeat->message =
        weir_arena_printf(arena, "ServerAssignor %.*s is not supported. Supported assignors: %.*s.",
                          WEIR_SLICE_ARGS(wanted), WEIR_SLICE_ARGS(list));
    return WEIR_UNSUPPORTED_ASSIGNOR;
}

static const char *wrong_with_join(const struct weir_group_consumer_heartbeat_request *request)
{
    if (request->rebalance_timeout_ms == -1)
        return "RebalanceTimeoutMs must be provided in first request.";
    if (!request->has_owned || request->owned_count > 0)
        return "TopicPartitions must be empty when (re-)joining.";
    /* A list without names is a subscription, to nothing: a consumer may begin with that. */
    if (!request->has_topic_names && weir_slice_is_null(request->topic_regex))
        return "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
               "(re-)joining.";
    return NULL;
}

static const char *wrong_with(const struct weir_group_consumer_heartbeat_request *request)
{
    int32_t epoch = request->member_epoch;
    if (is_blank(request->member_id) &&
        (request->requires_member_id || epoch > 0 || epoch == WEIR_GROUP_LEAVE_EPOCH))
        return "MemberId can't be empty.";
    if (is_blank(request->group_id))
        return "GroupId can't be empty.";
    if (is_blank(request->instance_id))
        return "InstanceId can't be empty.";
    if (is_blank(request->rack_id))
        return "RackId can't be empty.";
    if (epoch == WEIR_GROUP_JOIN_EPOCH)
        return wrong_with_join(request);
    if (epoch == WEIR_GROUP_LEAVE_STATIC_EPOCH && weir_slice_is_null(request->instance_id))
        return "InstanceId can't be null.";
    if (epoch < WEIR_GROUP_LEAVE_STATIC_EPOCH)
        return "MemberEpoch is invalid.";
    return NULL;
}

/* ---- The group ---- */

static enum weir_status find_group(struct beating *beating)
{
    struct group_machine *machine = beating->machine;
    struct weir_slice id = beating->request->group_id;
    bool may_create = beating->request->member_epoch == WEIR_GROUP_JOIN_EPOCH;
    bool is_leaving = beating->request->member_epoch < WEIR_GROUP_JOIN_EPOCH;
    struct group *group = machine_group(machine, id);
    if (group != NULL && group_is(group, GROUP_CONSUMER)) {
        beating->group = consumer_of(group);
        return WEIR_OK;
    }
    struct weir_arena *arena = &beating->heartbeat->op.arena;
    if (group == NULL && !may_create) {
        beating->heartbeat->message =
            weir_arena_printf(arena, "%s %.*s not found.", is_leaving ? "Group" : "Consumer group",
                              WEIR_SLICE_ARGS(id));
        return WEIR_GROUP_ID_NOT_FOUND;
    }
    beating->is_temporary = true;
    if (group == NULL)
        return consumer_group_new(machine, id, &beating->group);
    if (!group_is(group, GROUP_CLASSIC) || !may_create) {
        beating->heartbeat->message =
            weir_arena_printf(arena, "Group %.*s is not a consumer group.", WEIR_SLICE_ARGS(id));
        return WEIR_GROUP_ID_NOT_FOUND;
    }
    if (group->ops->is_empty(group)) {
        /* Nobody is in it: it makes room. */
        record_group_tombstone(beating->step, id);
        return consumer_group_new(machine, id, &beating->group);
    }
    struct weir_slice why = WEIR_NULL_SLICE; /* the step's, which ends before the answer leaves */
    enum weir_status status =
        consumer_upgrade(machine, group, &beating->group, &why, beating->step);
    if (status != WEIR_OK &&
        weir_arena_copy(arena, why, &beating->heartbeat->message) != WEIR_OK)
        beating->heartbeat->message = WEIR_NULL_SLICE;
    return status;
}

/* ---- The member ---- */

static bool owns_only_assigned(const struct partition_set *owned, const struct member_data *member)
{
    for (size_t i = 0; i < owned->count; i++) {
        if (partition_set_find(&member->assigned, owned->items[i].topic_id,
                               owned->items[i].partition) == NULL)
            return false;
    }
    return true;
}

static enum weir_status check_epoch(struct beating *beating, const struct member_data *member,
                                    const struct partition_set *owned)
{
    int32_t epoch = beating->request->member_epoch;
    if (epoch == WEIR_GROUP_JOIN_EPOCH || epoch == member->epoch)
        return WEIR_OK;
    /* It may have missed the answer that raised its epoch. */
    if (epoch < member->epoch && epoch == member->previous_epoch && beating->request->has_owned &&
        owns_only_assigned(owned, member))
        return WEIR_OK;
    beating->heartbeat->message = weir_arena_printf(
        &beating->heartbeat->op.arena,
        "The consumer group member has a %s member epoch (%d) than the one known by the group "
        "coordinator (%d). The member must abandon all its partitions and rejoin.",
        epoch > member->epoch ? "greater" : "smaller", epoch, member->epoch);
    return WEIR_FENCED_MEMBER_EPOCH;
}

static enum weir_status unknown_member(struct beating *beating)
{
    beating->heartbeat->message = weir_arena_printf(
        &beating->heartbeat->op.arena, "Member %.*s is not a member of group %.*s.",
        WEIR_SLICE_ARGS(beating->member_id), WEIR_SLICE_ARGS(beating->request->group_id));
    return WEIR_UNKNOWN_MEMBER_ID;
}

static enum weir_status find_static(struct beating *beating, const struct partition_set *owned,
                                    const struct consumer_member **out,
                                    const struct consumer_member **out_replaced)
{
    const struct weir_group_consumer_heartbeat_request *request = beating->request;
    struct weir_arena *arena = &beating->heartbeat->op.arena;
    const struct consumer_member *holder =
        consumer_find_static(beating->group, request->instance_id);
    if (request->member_epoch != WEIR_GROUP_JOIN_EPOCH) {
        if (holder == NULL) {
            beating->heartbeat->message = weir_arena_printf(arena, "Instance id %.*s is unknown.",
                                                            WEIR_SLICE_ARGS(request->instance_id));
            return WEIR_UNKNOWN_MEMBER_ID;
        }
        if (!weir_slice_equal(holder->data.id, beating->member_id)) {
            beating->heartbeat->message = weir_arena_printf(
                arena, "Static member %.*s with instance id %.*s was fenced by member %.*s.",
                WEIR_SLICE_ARGS(beating->member_id), WEIR_SLICE_ARGS(request->instance_id),
                WEIR_SLICE_ARGS(holder->data.id));
            return WEIR_FENCED_INSTANCE_ID;
        }
        *out = holder;
        return check_epoch(beating, &holder->data, owned);
    }
    if (holder == NULL) {
        *out = consumer_find(beating->group, beating->member_id);
        return WEIR_OK;
    }
    if (!holder->data.is_classic && holder->data.epoch != WEIR_GROUP_LEAVE_STATIC_EPOCH) {
        beating->heartbeat->message = weir_arena_printf(
            arena,
            "Static member %.*s with instance id %.*s cannot join the group because the instance "
            "id is owned by %.*s member.",
            WEIR_SLICE_ARGS(beating->member_id), WEIR_SLICE_ARGS(request->instance_id),
            WEIR_SLICE_ARGS(holder->data.id));
        return WEIR_UNRELEASED_INSTANCE_ID;
    }
    *out_replaced = holder;
    return WEIR_OK;
}

static enum weir_status find_member(struct beating *beating, const struct partition_set *owned,
                                    const struct consumer_member **out,
                                    const struct consumer_member **out_replaced)
{
    *out = NULL;
    *out_replaced = NULL;
    if (!weir_slice_is_null(beating->request->instance_id))
        return find_static(beating, owned, out, out_replaced);
    *out = consumer_find(beating->group, beating->member_id);
    if (*out != NULL)
        return check_epoch(beating, &(*out)->data, owned);
    return beating->request->member_epoch == WEIR_GROUP_JOIN_EPOCH ? WEIR_OK
                                                                   : unknown_member(beating);
}

static int compare_names(const void *a, const void *b)
{
    return weir_slice_compare(*(const struct weir_slice *)a, *(const struct weir_slice *)b);
}

static enum weir_status set_names(const struct weir_group_consumer_heartbeat_request *request,
                                  struct weir_arena *arena, struct member_data *member)
{
    struct weir_slice *names =
        weir_arena_calloc(arena, request->topic_name_count + 1, sizeof(*names));
    if (names == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < request->topic_name_count; i++)
        names[i] = request->topic_names[i];
    qsort(names, request->topic_name_count, sizeof(*names), compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < request->topic_name_count; i++) {
        if (i == 0 || !weir_slice_equal(names[i], names[kept - 1]))
            names[kept++] = names[i];
    }
    member->topics = names;
    member->topic_count = kept;
    return WEIR_OK;
}

/* What was sent takes the place of what was known. */
static enum weir_status update_member(struct beating *beating, struct member_data *member)
{
    const struct weir_group_consumer_heartbeat_request *request = beating->request;
    if (!weir_slice_is_null(request->instance_id))
        member->instance_id = request->instance_id;
    if (!weir_slice_is_null(request->rack_id))
        member->rack_id = request->rack_id;
    if (request->rebalance_timeout_ms != -1)
        member->rebalance_timeout_ms = request->rebalance_timeout_ms;
    if (!weir_slice_is_null(request->assignor))
        member->assignor = request->assignor;
    if (!weir_slice_is_null(request->topic_regex))
        member->regex = request->topic_regex;
    member->client_id = or_empty(request->client_id);
    member->client_host =
        weir_arena_printf(&beating->step->arena, "/%.*s", WEIR_SLICE_ARGS(request->client_host));
    member->is_classic = false;
    member->protocols = NULL;
    member->protocol_count = 0;
    if (weir_slice_is_null(member->client_host))
        return WEIR_NO_MEMORY;
    return request->has_topic_names ? set_names(request, &beating->step->arena, member) : WEIR_OK;
}

static enum weir_status fill_answer(struct beating *beating, const struct member_data *member,
                                    bool has_assignment)
{
    struct weir_group_consumer_heartbeat *heartbeat = beating->heartbeat;
    heartbeat->member_epoch = member->epoch;
    heartbeat->heartbeat_interval_ms = (int32_t)machine_group_config(
        beating->machine, beating->request->group_id, "consumer.heartbeat.interval.ms");
    heartbeat->has_assignment = has_assignment;
    enum weir_status status =
        weir_arena_copy(&heartbeat->op.arena, member->id, &heartbeat->member_id);
    if (status == WEIR_OK && has_assignment)
        status = partition_set_to_answer(&member->assigned, NULL, &heartbeat->op.arena,
                                         &heartbeat->assignment, &heartbeat->assignment_count);
    return status;
}

static bool is_full(const struct weir_group_consumer_heartbeat_request *request)
{
    return request->rebalance_timeout_ms != -1 && request->has_owned &&
           (request->has_topic_names || !weir_slice_is_null(request->topic_regex));
}

static enum weir_status beat(struct beating *beating)
{
    struct partition_set owned;
    const struct consumer_member *before;
    const struct consumer_member *replaced;
    const struct weir_group_consumer_heartbeat_request *request = beating->request;
    enum weir_status status = partition_set_of_request(&beating->step->arena, request->owned,
                                                       request->owned_count, &owned);
    if (status == WEIR_OK)
        status = find_member(beating, &owned, &before, &replaced);
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
    base.id = beating->member_id;
    if (replaced != NULL)
        consumer_write_replacement(beating->group, replaced, &base, beating->step);
    struct member_data member = base;
    status = update_member(beating, &member);
    if (status != WEIR_OK)
        return status;
    struct member_change change = {.group = beating->group,
                                   .step = beating->step,
                                   .before = before,
                                   .base = &base,
                                   .member = &member,
                                   .replaced = replaced,
                                   .has_owned = request->has_owned,
                                   .owned = owned};
    status = member_change_write(&change, CHANGE_ALL);
    if (status != WEIR_OK) {
        if (change.message.size > 0 &&
            weir_arena_copy(&beating->heartbeat->op.arena, change.message,
                            &beating->heartbeat->message) != WEIR_OK)
            beating->heartbeat->message = WEIR_NULL_SLICE;
        return status;
    }
    consumer_take_regex_job(beating->group, &member, change.needs_regexes, beating->job,
                            beating->step);
    struct consumer_member *present = consumer_find(beating->group, beating->member_id);
    if (present != NULL && !beating->is_temporary)
        consumer_restart_session(present);
    return fill_answer(beating, &member,
                       request->member_epoch == WEIR_GROUP_JOIN_EPOCH || is_full(request) ||
                           !partition_set_same(&base.assigned, &member.assigned));
}

/* ---- Leaving ---- */

static enum weir_status leave(struct beating *beating)
{
    const struct weir_group_consumer_heartbeat_request *request = beating->request;
    struct consumer_group *group = beating->group;
    const struct consumer_member *found = NULL;
    const struct consumer_member *replaced;
    enum weir_status status = WEIR_OK;
    if (weir_slice_is_null(request->instance_id)) {
        found = consumer_find(group, beating->member_id);
    } else {
        static const struct partition_set nothing;
        status = find_static(beating, &nothing, &found, &replaced);
        if (status == WEIR_FENCED_MEMBER_EPOCH) {
            beating->heartbeat->message = WEIR_NULL_SLICE; /* who leaves has no epoch to check */
            status = WEIR_OK;
        }
        if (status != WEIR_OK)
            return status;
    }
    if (found == NULL)
        return unknown_member(beating);
    struct consumer_member *member = consumer_find(group, found->data.id);
    bool is_for_now = request->member_epoch == WEIR_GROUP_LEAVE_STATIC_EPOCH;
    WEIR_STEP_INFO(beating->step, "group_member_left", WEIR_BYTES("group", group->base.id),
                   WEIR_BYTES("member", member->data.id),
                   WEIR_STR("reason", is_for_now ? "static member, for now" : "left"));
    if (is_for_now) {
        struct member_data left = member->data;
        if (partition_set_room(&beating->step->arena, left.assigned.count, &left.assigned) !=
            WEIR_OK)
            return WEIR_NO_MEMORY;
        for (size_t i = 0; i < member->data.assigned.count; i++) {
            left.assigned.items[left.assigned.count] = member->data.assigned.items[i];
            left.assigned.items[left.assigned.count++].epoch = 0;
        }
        left.epoch = WEIR_GROUP_LEAVE_STATIC_EPOCH;
        left.revoking = (struct partition_set){0};
        record_consumer_assignment(beating->step, group->base.id, &left);
    } else {
        struct weir_slice reason;
        group_reason(beating->step, &reason, "member %.*s left", WEIR_SLICE_ARGS(member->data.id));
        consumer_fence(group, &member, 1, reason, beating->step);
    }
    beating->heartbeat->member_epoch = request->member_epoch;
    return weir_arena_copy(&beating->heartbeat->op.arena, beating->member_id,
                           &beating->heartbeat->member_id);
}

/* ---- All of it ---- */

static enum weir_status choose_id(struct beating *beating, const uint8_t random[16])
{
    beating->member_id = beating->request->member_id;
    if (beating->member_id.size > 0)
        return WEIR_OK;
    struct weir_uuid id;
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof(bytes));
    while (!weir_uuid_from_random(bytes, &id))
        bytes[0]++; /* a few ids are reserved */
    char text[WEIR_UUID_TEXT_BYTES];
    weir_uuid_format(id, text);
    return weir_arena_copy(&beating->step->arena, weir_slice_str(text), &beating->member_id);
}

static enum weir_status run(struct beating *beating, const uint8_t random[16])
{
    const struct weir_group_consumer_heartbeat_request *request = beating->request;
    const char *wrong = wrong_with(request);
    if (wrong != NULL)
        return refuse(beating, WEIR_INVALID_REQUEST, wrong);
    enum weir_status status = check_assignor(beating);
    if (status == WEIR_OK)
        status = find_group(beating);
    if (status != WEIR_OK)
        return status;
    if (request->member_epoch < 0) {
        beating->member_id = request->member_id;
        return leave(beating);
    }
    int64_t size_max = machine_broker_config_i64(beating->machine, "group.consumer.max.size");
    if ((int64_t)beating->group->members.count >= size_max &&
        consumer_find(beating->group, request->member_id) == NULL) {
        beating->heartbeat->message = weir_arena_printf(
            &beating->heartbeat->op.arena,
            "The consumer group has reached its maximum capacity of %lld members.",
            (long long)size_max);
        return WEIR_GROUP_MAX_SIZE_REACHED;
    }
    status = choose_id(beating, random);
    return status == WEIR_OK ? beat(beating) : status;
}

void consumer_heartbeat(struct group_machine *machine,
                        const struct weir_group_consumer_heartbeat_request *request,
                        const uint8_t random[16], struct weir_group_consumer_heartbeat *heartbeat,
                        struct regex_job_request *out_job, struct weir_step *step)
{
    struct beating beating = {.machine = machine,
                              .request = request,
                              .heartbeat = heartbeat,
                              .job = out_job,
                              .step = step};
    machine->now_ms = step->now_ms;
    enum weir_status status = run(&beating, random);
    if (beating.is_temporary)
        consumer_group_free(beating.group);
    if (status == WEIR_OK) {
        heartbeat->op.status = WEIR_OK;
        op_wait_committed(&heartbeat->op, step);
        return;
    }
    /* Whatever was written on the way is taken back: nothing is in the log yet. */
    step_forget_records(step);
    op_complete(&heartbeat->op, status == WEIR_NO_MEMORY ? WEIR_UNKNOWN_SERVER_ERROR : status,
                step);
}
