/* SPDX-License-Identifier: Apache-2.0 */

/*
 * StreamsGroupHeartbeat.  In order: the member and what it says of itself, the topology, the topics
 * it needs, the group's epoch, the target assignment, the member's own assignment, the answer.
 * Records are written as each step finds that something changed; when a later step fails they are
 * taken back, for nothing is applied before all are appended.
 */

#include "streams_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

typedef struct weir_streams_group_member_metadata_value member_value;
typedef struct weir_streams_group_member_metadata_value_key_value tag_value;
typedef struct weir_streams_group_member_metadata_value_endpoint endpoint_value;

struct beat {
    struct group_machine *machine;
    const struct weir_streams_heartbeat_request *request;
    struct weir_streams_heartbeat *heartbeat;
    struct weir_step *step;
    struct streams_group *group;   /* NULL: this heartbeat makes it */
    struct streams_member *member; /* NULL: new */
    const struct streams_current *current;
    member_value metadata; /* as it is from now on */
    endpoint_value endpoint;
    const char *reason; /* why the group's epoch goes up; NULL: it does not */
    const topology_value *topology;
    struct streams_configured *configured; /* the heartbeat's until the group has it */
    int64_t metadata_hash;
    int32_t validated_topology_epoch;
    int32_t standby_replicas;
    int32_t epoch;
    int32_t target_epoch;
    struct streams_tuple target;
    struct streams_current next;
};

static const struct streams_current nobody = {.state = STREAMS_STABLE};

static enum weir_status refuse(struct beat *beat, enum weir_status status, struct weir_slice text)
{
    beat->heartbeat->message = text;
    return status;
}

static void add_status(struct beat *beat, enum weir_streams_status_code code,
                       struct weir_slice detail)
{
    struct weir_streams_heartbeat *heartbeat = beat->heartbeat;
    WEIR_ASSERT(heartbeat->status_count < WEIR_STREAMS_STATUSES_MAX);
    heartbeat->statuses[heartbeat->status_count++] =
        (struct weir_streams_status){.code = code, .detail = or_empty(detail)};
}

static struct weir_arena *answer_arena(struct beat *beat)
{
    return &beat->heartbeat->op.arena;
}

static int64_t group_config(const struct beat *beat, const char *key)
{
    return machine_group_config(beat->machine, beat->request->group_id, key);
}

static bool is_joining(const struct beat *beat)
{
    return beat->request->member_epoch == WEIR_STREAMS_JOIN_EPOCH;
}

/* ---- The group and the member ---- */

static enum weir_status not_a_streams_group(struct beat *beat)
{
    return refuse(beat, WEIR_GROUP_ID_NOT_FOUND,
                  weir_arena_printf(answer_arena(beat), "Group %.*s is not a streams group.",
                                    WEIR_SLICE_ARGS(beat->request->group_id)));
}

static enum weir_status find_group(struct beat *beat)
{
    struct group *group = machine_group(beat->machine, beat->request->group_id);
    if (group == NULL)
        return is_joining(beat)
                   ? WEIR_OK
                   : refuse(beat, WEIR_GROUP_ID_NOT_FOUND,
                            weir_arena_printf(answer_arena(beat), "Streams group %.*s not found.",
                                              WEIR_SLICE_ARGS(beat->request->group_id)));
    if (group_is(group, GROUP_STREAMS)) {
        beat->group = streams_of(group);
        return WEIR_OK;
    }
    if (!is_joining(beat) || !group_is(group, GROUP_CLASSIC) || !group->ops->is_empty(group))
        return not_a_streams_group(beat);
    /* An empty classic group makes room; its offsets stay. */
    group->ops->write_tombstones(group, beat->step);
    WEIR_STEP_INFO(beat->step, "group_converted", WEIR_BYTES("group", group->id),
                   WEIR_STR("from", "classic"), WEIR_STR("to", "streams"));
    return WEIR_OK;
}

static enum weir_status check_size(struct beat *beat)
{
    struct weir_config_resolver resolver = {.image = beat->machine->image,
                                            .statics = beat->machine->context->statics,
                                            .broker_id = beat->machine->context->broker_id};
    int64_t size_max = weir_config_broker_i64(&resolver, "group.streams.max.size");
    if (!is_joining(beat) || beat->group == NULL || (int64_t)beat->group->members.count < size_max)
        return WEIR_OK;
    return refuse(
        beat, WEIR_GROUP_MAX_SIZE_REACHED,
        weir_arena_printf(answer_arena(beat),
                          "The streams group has reached its maximum capacity of %lld members.",
                          (long long)size_max));
}

static bool owned_is_assigned(const struct weir_streams_task_list *owned,
                              const struct streams_tasks *assigned)
{
    if (!owned->is_given)
        return false;
    for (size_t i = 0; i < owned->count; i++)
        for (size_t j = 0; j < owned->items[i].partition_count; j++)
            if (tasks_find(assigned, owned->items[i].subtopology_id,
                           owned->items[i].partitions[j]) == NULL)
                return false;
    return true;
}

/* With the epoch before, and nothing but what it has, it did not see the answer with the new one.
 */
static enum weir_status check_epoch(struct beat *beat)
{
    int32_t received = beat->request->member_epoch;
    int32_t known = beat->current->epoch;
    const char *what = NULL;
    if (received == WEIR_STREAMS_JOIN_EPOCH || received == known)
        return WEIR_OK;
    if (received > known)
        what = "greater";
    else if (received != beat->current->previous_epoch ||
             !owned_is_assigned(&beat->request->active, &beat->current->assigned.active) ||
             !owned_is_assigned(&beat->request->standby, &beat->current->assigned.standby) ||
             !owned_is_assigned(&beat->request->warmup, &beat->current->assigned.warmup))
        what = "smaller";
    if (what == NULL)
        return WEIR_OK;
    return refuse(beat, WEIR_FENCED_MEMBER_EPOCH,
                  weir_arena_printf(answer_arena(beat),
                                    "The streams group member has a %s member epoch (%d) than the "
                                    "one known by the group coordinator (%d). The member must "
                                    "abandon all its partitions and rejoin.",
                                    what, received, known));
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
        beat->member = streams_find_member(beat->group, beat->request->member_id);
    if (beat->member == NULL && !is_joining(beat))
        return unknown_member(beat);
    beat->current = beat->member == NULL ? &nobody : &beat->member->current;
    return check_epoch(beat);
}

/* ---- What the member says of itself ---- */

static int compare_tags(const void *a, const void *b)
{
    return weir_slice_compare(((const tag_value *)a)->key, ((const tag_value *)b)->key);
}

static enum weir_status set_tags(struct beat *beat)
{
    size_t count = beat->request->tag_count;
    tag_value *tags = weir_arena_calloc(&beat->step->arena, count, sizeof(*tags));
    if (tags == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        weir_streams_group_member_metadata_value_key_value_init(&tags[i]);
        tags[i].key = beat->request->tags[i].key;
        tags[i].value = beat->request->tags[i].value;
    }
    if (count > 1)
        qsort(tags, count, sizeof(*tags), compare_tags);
    beat->metadata.client_tags.items = tags;
    beat->metadata.client_tags.count = (int32_t)count;
    return WEIR_OK;
}

static bool endpoint_equal(const endpoint_value *a, const endpoint_value *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return a->port == b->port && weir_slice_equal(a->host, b->host);
}

static bool text_equal(struct weir_slice a, struct weir_slice b)
{
    return weir_slice_is_null(a) == weir_slice_is_null(b) && weir_slice_equal(a, b);
}

static bool metadata_equal(const member_value *a, const member_value *b)
{
    bool is_equal =
        text_equal(a->instance_id, b->instance_id) && text_equal(a->rack_id, b->rack_id) &&
        weir_slice_equal(a->client_id, b->client_id) &&
        weir_slice_equal(a->client_host, b->client_host) &&
        a->rebalance_timeout_ms == b->rebalance_timeout_ms &&
        a->topology_epoch == b->topology_epoch && weir_slice_equal(a->process_id, b->process_id) &&
        endpoint_equal(a->user_endpoint, b->user_endpoint) &&
        a->client_tags.count == b->client_tags.count;
    for (int32_t i = 0; i < a->client_tags.count && is_equal; i++)
        is_equal = weir_slice_equal(a->client_tags.items[i].key, b->client_tags.items[i].key) &&
                   weir_slice_equal(a->client_tags.items[i].value, b->client_tags.items[i].value);
    return is_equal;
}

static enum weir_status update_member(struct beat *beat)
{
    const struct weir_streams_heartbeat_request *request = beat->request;
    member_value *metadata = &beat->metadata;
    if (beat->member != NULL) {
        *metadata = beat->member->metadata;
    } else {
        weir_streams_group_member_metadata_value_init(metadata);
        metadata->topology_epoch = -1;
        metadata->instance_id = WEIR_NULL_SLICE;
        metadata->rack_id = WEIR_NULL_SLICE;
    }
    metadata->client_id = or_empty(request->client_id);
    metadata->client_host =
        weir_arena_printf(&beat->step->arena, "/%.*s", WEIR_SLICE_ARGS(request->client_host));
    if (!weir_slice_is_null(request->rack_id))
        metadata->rack_id = request->rack_id;
    if (request->rebalance_timeout_ms != -1)
        metadata->rebalance_timeout_ms = request->rebalance_timeout_ms;
    if (request->topology != NULL)
        metadata->topology_epoch = request->topology->epoch;
    if (!weir_slice_is_null(request->process_id))
        metadata->process_id = request->process_id;
    if (request->endpoint != NULL) {
        weir_streams_group_member_metadata_value_endpoint_init(&beat->endpoint);
        beat->endpoint.host = request->endpoint->host;
        beat->endpoint.port = request->endpoint->port;
        metadata->user_endpoint = &beat->endpoint;
    }
    enum weir_status status = request->tags == NULL ? WEIR_OK : set_tags(beat);
    if (weir_slice_is_null(metadata->client_host))
        status = WEIR_NO_MEMORY;
    if (status != WEIR_OK)
        return status;
    metadata->process_id = or_empty(metadata->process_id);
    if (beat->member != NULL && metadata_equal(metadata, &beat->member->metadata))
        return WEIR_OK;
    beat->reason = beat->member == NULL ? "a member joined" : "a member changed";
    record_streams_member(beat->step, request->group_id, request->member_id, metadata);
    return WEIR_OK;
}

/* ---- The topology and its topics ---- */

static enum weir_status update_topology(struct beat *beat)
{
    const topology_value *given = beat->request->topology;
    bool is_known = beat->group != NULL && beat->group->has_topology;
    if (given == NULL && !is_known)
        return refuse(beat, WEIR_UNKNOWN_SERVER_ERROR,
                      WEIR_SLICE("The topology is null and the group topology is also null."));
    beat->topology = is_known ? &beat->group->topology : given;
    if (given != NULL && !is_known) {
        record_streams_topology(beat->step, beat->request->group_id, given);
    } else if (given != NULL && given->epoch >= beat->topology->epoch) {
        bool is_equal;
        enum weir_status status = topology_equal(given, beat->topology, &is_equal);
        if (status != WEIR_OK)
            return status;
        if (!is_equal)
            return refuse(beat, WEIR_INVALID_REQUEST,
                          WEIR_SLICE("Topology updates are not supported yet."));
    }
    if (is_known && beat->metadata.topology_epoch < beat->topology->epoch)
        add_status(beat, WEIR_STREAMS_STALE_TOPOLOGY,
                   weir_arena_printf(answer_arena(beat),
                                     "The member's topology epoch %d is behind the group's "
                                     "topology epoch %d.",
                                     beat->metadata.topology_epoch, beat->topology->epoch));
    return WEIR_OK;
}

static int32_t image_partition_count(const struct streams_topics *topics, struct weir_slice name)
{
    const struct weir_image_topic *topic = weir_image_topic(topics->context, name);
    return topic == NULL ? -1 : topic->partition_count;
}

static enum weir_status configure(struct beat *beat)
{
    struct streams_group *group = beat->group;
    struct streams_configured *known = group == NULL ? NULL : group->configured;
    bool must_configure = known == NULL || !group->has_topology;
    beat->metadata_hash = group == NULL ? 0 : group->metadata_hash;
    beat->configured = known;
    if (!must_configure && !group->needs_refresh)
        return WEIR_OK;
    int64_t before = beat->metadata_hash;
    enum weir_status status = streams_metadata_hash(beat->machine->image, beat->topology,
                                                    &beat->step->arena, &beat->metadata_hash);
    if (status != WEIR_OK)
        return status;
    if (beat->metadata_hash != before) {
        must_configure = true;
        beat->reason = beat->reason != NULL ? beat->reason : "the topics it needs changed";
    }
    if (!must_configure)
        return WEIR_OK;
    struct streams_topics topics = {.partition_count = image_partition_count,
                                    .context = beat->machine->image};
    struct weir_detail detail = {0};
    status = streams_configure(beat->topology, &topics, &beat->configured, &detail);
    if (status != WEIR_OK)
        return refuse(beat, status, weir_arena_printf(answer_arena(beat), "%s", detail.text));
    if (group != NULL)
        streams_set_configured(group, beat->configured);
    else
        beat->heartbeat->configured = beat->configured;
    WEIR_STEP_INFO(
        beat->step, "streams_topology_configured", WEIR_BYTES("group", beat->request->group_id),
        WEIR_I64("epoch", beat->topology->epoch),
        WEIR_BYTES("problem", beat->configured->is_ready ? WEIR_SLICE("none")
                                                         : beat->configured->status.detail));
    return WEIR_OK;
}

static enum weir_status check_tasks(struct beat *beat, const struct weir_streams_task_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct weir_slice id = list->items[i].subtopology_id;
        const struct streams_configured_subtopology *subtopology =
            streams_configured_find(beat->configured, id);
        if (subtopology == NULL)
            return refuse(beat, WEIR_INVALID_REQUEST,
                          weir_arena_printf(answer_arena(beat),
                                            "Subtopology %.*s does not exist in the topology.",
                                            WEIR_SLICE_ARGS(id)));
        for (size_t j = 0; j < list->items[i].partition_count; j++) {
            int32_t partition = list->items[i].partitions[j];
            if (partition < 0 || partition >= subtopology->task_count)
                return refuse(beat, WEIR_INVALID_REQUEST,
                              weir_arena_printf(answer_arena(beat),
                                                "Task %d for subtopology %.*s is invalid. Number "
                                                "of tasks for this subtopology: %d",
                                                partition, WEIR_SLICE_ARGS(id),
                                                subtopology->task_count));
        }
    }
    return WEIR_OK;
}

static enum weir_status validate(struct beat *beat)
{
    enum weir_status status = WEIR_OK;
    beat->validated_topology_epoch = -1;
    if (beat->configured->is_ready) {
        beat->validated_topology_epoch = beat->topology->epoch;
        status = check_tasks(beat, &beat->request->active);
        if (status == WEIR_OK)
            status = check_tasks(beat, &beat->request->standby);
        if (status == WEIR_OK)
            status = check_tasks(beat, &beat->request->warmup);
    }
    /* A group without a record counts as one that validated epoch 0. */
    int32_t before = beat->group == NULL ? 0 : beat->group->validated_topology_epoch;
    if (beat->validated_topology_epoch != before && beat->reason == NULL)
        beat->reason = beat->configured->is_ready ? "its topology is valid now"
                                                  : "its topology is not valid any more";
    return status;
}

/* ---- Epochs ---- */

static int shown(struct weir_slice text)
{
    return (int)(text.size < 64 ? text.size : 64);
}

static void bump_epoch(struct beat *beat)
{
    const struct streams_group *group = beat->group;
    beat->standby_replicas = (int32_t)group_config(beat, "streams.num.standby.replicas");
    if (beat->reason == NULL && (group == NULL || !group->has_standby_replicas ||
                                 group->standby_replicas != beat->standby_replicas))
        beat->reason = "its assignment configuration changed";
    beat->epoch = group == NULL ? STREAMS_EPOCH_INITIAL : group->epoch;
    if (beat->reason == NULL)
        return;
    beat->epoch++;
    record_streams_group(beat->step, beat->request->group_id, beat->epoch, beat->metadata_hash,
                         beat->validated_topology_epoch, true, beat->standby_replicas);
    if (group == NULL)
        return; /* said when it is there */
    struct weir_slice reason;
    group_reason(beat->step, &reason, "%s; member %.*s, client %.*s", beat->reason,
                 shown(beat->request->member_id), (const char *)beat->request->member_id.data,
                 shown(beat->metadata.client_id), (const char *)beat->metadata.client_id.data);
    group_rebalanced(&beat->group->base, beat->epoch,
                     group->members.count + (beat->member == NULL ? 1 : 0), reason, beat->step);
}

static bool timer_is_set(const struct group_timer *timer)
{
    return timer->node.key != NO_DEADLINE;
}

/* Members that come together are assigned together: the first assignment of a group without members
 * waits. */
static bool waits_for_others(struct beat *beat)
{
    struct streams_group *group = beat->group;
    int64_t delay_ms = group_config(beat, "streams.initial.rebalance.delay.ms");
    if (group == NULL)
        return delay_ms > 0; /* its timer is set when it is there */
    if (group->members.count == 0 && delay_ms > 0 && !timer_is_set(&group->initial))
        timer_set(beat->machine, &group->initial, beat->step->now_ms + delay_ms);
    return timer_is_set(&group->initial) || (group->awaits_delay && delay_ms > 0);
}

static bool may_assign(const struct beat *beat)
{
    int64_t interval_ms = group_config(beat, "streams.assignment.interval.ms");
    int64_t last_ms = beat->group == NULL ? 0 : beat->group->assignment_ms;
    return last_ms == 0 || interval_ms == 0 || beat->step->wall_ms >= last_ms + interval_ms;
}

static enum weir_status update_target(struct beat *beat)
{
    const struct streams_group *group = beat->group;
    beat->target_epoch = group == NULL ? STREAMS_EPOCH_INITIAL : group->assignment_epoch;
    if (waits_for_others(beat)) {
        add_status(beat, WEIR_STREAMS_ASSIGNMENT_DELAYED,
                   WEIR_SLICE("Assignment delayed due to the configured initial rebalance delay."));
        return WEIR_OK;
    }
    const struct streams_target *target =
        group == NULL ? NULL : weir_map_get(&group->targets, beat->request->member_id);
    if (target != NULL)
        beat->target = target->tasks;
    if (beat->target_epoch >= beat->epoch)
        return WEIR_OK;
    if (!may_assign(beat)) {
        add_status(beat, WEIR_STREAMS_ASSIGNMENT_DELAYED,
                   WEIR_SLICE("Assignment delayed due to the configured assignment interval."));
        return WEIR_OK;
    }
    struct streams_updated updated = {.id = beat->request->member_id,
                                      .process_id = beat->metadata.process_id};
    beat->target_epoch = beat->epoch;
    return streams_assign(beat->request->group_id, group, beat->epoch, &updated, beat->configured,
                          beat->standby_replicas, beat->step, &beat->target);
}

/* ---- The member's assignment ---- */

static enum weir_status owned_tasks(struct beat *beat, struct streams_tuple *out, bool *out_given)
{
    const struct weir_streams_heartbeat_request *request = beat->request;
    *out_given = request->active.is_given && request->standby.is_given && request->warmup.is_given;
    if (!*out_given)
        return WEIR_OK;
    enum weir_status status = tasks_from_list(&request->active, &beat->step->arena, &out->active);
    if (status == WEIR_OK)
        status = tasks_from_list(&request->standby, &beat->step->arena, &out->standby);
    if (status == WEIR_OK)
        status = tasks_from_list(&request->warmup, &beat->step->arena, &out->warmup);
    return status;
}

static enum weir_status reconcile(struct beat *beat)
{
    beat->next = *beat->current;
    if (streams_is_reconciled(beat->current, beat->target_epoch))
        return WEIR_OK;
    struct streams_tuple owned = {0};
    bool is_given;
    enum weir_status status = owned_tasks(beat, &owned, &is_given);
    struct reconcile_input input = {.group = beat->group,
                                    .process_id = beat->metadata.process_id,
                                    .current = beat->current,
                                    .target_epoch = beat->target_epoch,
                                    .target = &beat->target,
                                    .owned = is_given ? &owned : NULL};
    if (status == WEIR_OK)
        status = streams_reconcile(&input, &beat->step->arena, &beat->next);
    if (status == WEIR_FENCED_MEMBER_EPOCH)
        return refuse(beat, status,
                      WEIR_SLICE("The streams group member is in a unknown state. The member must "
                                 "abandon all its tasks and rejoin."));
    if (status != WEIR_OK || streams_current_equal(beat->current, &beat->next))
        return status;
    record_streams_current(beat->step, beat->request->group_id, beat->request->member_id,
                           &beat->next);
    WEIR_STEP_INFO(
        beat->step, "streams_member_assigned", WEIR_BYTES("group", beat->request->group_id),
        WEIR_BYTES("member", beat->request->member_id), WEIR_I64("epoch", beat->next.epoch),
        WEIR_I64("state", beat->next.state),
        WEIR_BYTES("active", tasks_text(&beat->next.assigned.active, &beat->step->arena)),
        WEIR_BYTES("standby", tasks_text(&beat->next.assigned.standby, &beat->step->arena)),
        WEIR_BYTES("revoking", tasks_text(&beat->next.revoking.active, &beat->step->arena)));
    if (beat->member == NULL)
        return WEIR_OK; /* it has nothing to give up */
    if (beat->next.state == STREAMS_UNREVOKED)
        timer_set(beat->machine, &beat->member->rebalance,
                  beat->step->now_ms + beat->metadata.rebalance_timeout_ms);
    else
        timer_cancel(beat->machine, &beat->member->rebalance);
    return WEIR_OK;
}

/* ---- The answer ---- */

static enum weir_status copy_configs(struct weir_arena *arena,
                                     struct weir_streams_missing_topic *topic)
{
    struct weir_streams_group_topology_value_topic_config *configs =
        weir_arena_calloc(arena, topic->config_count, sizeof(*configs));
    if (configs == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < topic->config_count && status == WEIR_OK; i++) {
        status = weir_arena_copy(arena, topic->configs[i].key, &configs[i].key);
        if (status == WEIR_OK)
            status = weir_arena_copy(arena, topic->configs[i].value, &configs[i].value);
    }
    topic->configs = configs;
    return status;
}

static enum weir_status say_problem(struct beat *beat)
{
    const struct streams_configured *configured = beat->configured;
    struct weir_arena *arena = answer_arena(beat);
    if (configured->is_ready)
        return WEIR_OK;
    struct weir_slice detail;
    struct weir_streams_missing_topic *missing =
        weir_arena_calloc(arena, configured->missing_count, sizeof(*missing));
    enum weir_status status = missing == NULL
                                  ? WEIR_NO_MEMORY
                                  : weir_arena_copy(arena, configured->status.detail, &detail);
    for (size_t i = 0; i < configured->missing_count && status == WEIR_OK; i++) {
        missing[i] = configured->missing[i];
        status = weir_arena_copy(arena, configured->missing[i].name, &missing[i].name);
        if (status == WEIR_OK)
            status = copy_configs(arena, &missing[i]);
    }
    if (status != WEIR_OK)
        return status;
    add_status(beat, configured->status.code, detail);
    beat->heartbeat->missing = missing;
    beat->heartbeat->missing_count = configured->missing_count;
    return WEIR_OK;
}

static enum weir_status say_tasks(struct beat *beat, int32_t *endpoint_epoch)
{
    struct weir_streams_heartbeat *heartbeat = beat->heartbeat;
    if (!is_joining(beat) && tuple_equal(&beat->current->assigned, &beat->next.assigned))
        return WEIR_OK;
    if (beat->metadata.user_endpoint != NULL)
        (*endpoint_epoch)++;
    enum weir_status status =
        tasks_to_list(&beat->next.assigned.active, answer_arena(beat), &heartbeat->active);
    if (status == WEIR_OK)
        status =
            tasks_to_list(&beat->next.assigned.standby, answer_arena(beat), &heartbeat->standby);
    if (status == WEIR_OK)
        status = tasks_to_list(&beat->next.assigned.warmup, answer_arena(beat), &heartbeat->warmup);
    return status;
}

static enum weir_status say_shutdown(struct beat *beat)
{
    struct streams_group *group = beat->group;
    struct weir_slice who = group == NULL ? WEIR_NULL_SLICE : group->shutdown_member_id;
    if (beat->request->shutdown_application && weir_slice_is_null(who)) {
        who = beat->request->member_id;
        if (group != NULL && text_set(&group->shutdown_member_id, who) != WEIR_OK)
            return WEIR_NO_MEMORY;
        WEIR_STEP_INFO(beat->step, "streams_shutdown_requested",
                       WEIR_BYTES("group", beat->request->group_id), WEIR_BYTES("member", who));
    }
    if (weir_slice_is_null(who))
        return WEIR_OK;
    add_status(beat, WEIR_STREAMS_SHUTDOWN_APPLICATION,
               weir_arena_printf(answer_arena(beat),
                                 "Streams group member %.*s encountered a fatal error and "
                                 "requested a shutdown for the entire application.",
                                 WEIR_SLICE_ARGS(who)));
    return WEIR_OK;
}

static enum weir_status answer(struct beat *beat)
{
    struct weir_streams_heartbeat *heartbeat = beat->heartbeat;
    heartbeat->member_epoch = beat->next.epoch;
    heartbeat->heartbeat_interval_ms = (int32_t)group_config(beat, "streams.heartbeat.interval.ms");
    int32_t endpoint_epoch = beat->group == NULL ? 0 : beat->group->endpoint_epoch;
    enum weir_status status = say_tasks(beat, &endpoint_epoch);
    struct endpoint_member self = {.metadata = &beat->metadata,
                                   .assigned = &beat->next.assigned,
                                   .id = beat->request->member_id};
    if (status == WEIR_OK && endpoint_epoch != beat->request->endpoint_information_epoch)
        status = streams_endpoints(beat->group, &self, beat->configured, beat->machine->image,
                                   heartbeat);
    if (status == WEIR_OK)
        status = say_problem(beat);
    if (status == WEIR_OK)
        status = say_shutdown(beat);
    if (status != WEIR_OK || beat->group == NULL)
        return status; /* of a group that is just made the epoch is not kept */
    beat->group->endpoint_epoch = endpoint_epoch;
    heartbeat->endpoint_information_epoch = endpoint_epoch;
    return WEIR_OK;
}

/* ---- All of it ---- */

/* The group and the member are there now, when they were not before. */
static void written(struct weir_write *write, void *context, enum weir_write_outcome outcome,
                    enum weir_status status, struct weir_step *step)
{
    struct group_machine *machine = context;
    struct weir_streams_heartbeat *heartbeat =
        WEIR_CONTAINER_OF(write, struct weir_streams_heartbeat, written);
    struct streams_group *group = streams_group_of(machine, heartbeat->group_id);
    struct streams_member *member =
        group == NULL ? NULL : streams_find_member(group, heartbeat->member_id);
    if (group != NULL && group->awaits_delay) {
        int64_t delay_ms =
            machine_group_config(machine, group->base.id, "streams.initial.rebalance.delay.ms");
        group->awaits_delay = false;
        group_rebalanced(&group->base, group->epoch, group->members.count,
                         WEIR_SLICE("a member joined a new group"), step);
        if (delay_ms > 0)
            timer_set(machine, &group->initial, step->now_ms + delay_ms);
    }
    if (group != NULL && group->configured == NULL) {
        group->configured = heartbeat->configured;
        heartbeat->configured = NULL;
    }
    if (group != NULL && outcome == WEIR_WRITE_REFUSED)
        group->needs_refresh = true;
    if (member != NULL && !timer_is_set(&member->session))
        timer_set(machine, &member->session,
                  step->now_ms +
                      machine_group_config(machine, group->base.id, "streams.session.timeout.ms"));
    streams_configured_free(heartbeat->configured);
    heartbeat->configured = NULL;
    op_complete(&heartbeat->op, outcome == WEIR_WRITE_COMMITTED ? heartbeat->op.status : status,
                step);
}

static void wait_written(struct beat *beat)
{
    beat->heartbeat->written.result = written;
    weir_step_write(beat->step, &beat->heartbeat->written);
}

static enum weir_status beat_once(struct beat *beat)
{
    static enum weir_status (*const stages[])(struct beat * beat) = {
        find_group, check_size, find_member, update_member, update_topology, configure, validate};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(stages); i++) {
        enum weir_status status = stages[i](beat);
        if (status != WEIR_OK)
            return status;
    }
    bump_epoch(beat);
    enum weir_status status = update_target(beat);
    if (status == WEIR_OK)
        status = reconcile(beat);
    if (status == WEIR_OK)
        status = answer(beat);
    return status != WEIR_OK ? status : beat->step->status;
}

static enum weir_status leave(struct beat *beat)
{
    struct group *group = machine_group(beat->machine, beat->request->group_id);
    if (group == NULL)
        return refuse(beat, WEIR_GROUP_ID_NOT_FOUND,
                      weir_arena_printf(answer_arena(beat), "Group %.*s not found.",
                                        WEIR_SLICE_ARGS(beat->request->group_id)));
    if (!group_is(group, GROUP_STREAMS))
        return not_a_streams_group(beat);
    beat->group = streams_of(group);
    if (beat->request->shutdown_application &&
        weir_slice_is_null(beat->group->shutdown_member_id) &&
        text_set(&beat->group->shutdown_member_id, beat->request->member_id) != WEIR_OK)
        return WEIR_NO_MEMORY;
    struct streams_member *member = streams_find_member(beat->group, beat->request->member_id);
    if (member == NULL)
        return unknown_member(beat);
    beat->heartbeat->member_epoch = beat->request->member_epoch;
    streams_fence(member, "a member left", beat->step);
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

void streams_heartbeat(struct group_machine *machine,
                       const struct weir_streams_heartbeat_request *request,
                       struct weir_streams_heartbeat *heartbeat, struct weir_step *step)
{
    struct beat beat = {
        .machine = machine, .request = request, .heartbeat = heartbeat, .step = step};
    enum weir_status status = keep_ids(&beat);
    if (status == WEIR_OK)
        status = request->member_epoch < 0 ? leave(&beat) : beat_once(&beat);
    if (status == WEIR_OK) {
        if (beat.member != NULL && request->member_epoch >= 0)
            timer_set(machine, &beat.member->session,
                      step->now_ms + group_config(&beat, "streams.session.timeout.ms"));
        if (beat.group != NULL && request->member_epoch >= 0)
            beat.group->needs_refresh = false;
        wait_written(&beat);
        return;
    }
    /* Nothing was appended yet: what was found so far is forgotten. */
    step->first_record = NULL;
    step->last_record = NULL;
    step->record_count = 0;
    heartbeat->status_count = 0;
    streams_configured_free(heartbeat->configured);
    heartbeat->configured = NULL;
    op_complete(&heartbeat->op, status == WEIR_NO_MEMORY ? WEIR_UNKNOWN_SERVER_ERROR : status,
                step);
}
