/* SPDX-License-Identifier: Apache-2.0 */

/* The streams group as one of the kinds: its parts, its state, and what it says to offsets. */

#include "streams_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

struct streams_group *streams_of(struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_STREAMS));
    return WEIR_CONTAINER_OF(group, struct streams_group, base);
}

const struct streams_group *streams_of_const(const struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_STREAMS));
    return (const struct streams_group *)group; /* base is its first member */
}

struct streams_group *streams_group_of(const struct group_machine *machine, struct weir_slice id)
{
    struct group *group = machine_group(machine, id);
    return group != NULL && group_is(group, GROUP_STREAMS) ? streams_of(group) : NULL;
}

/* ---- Members and targets ---- */

struct streams_member *streams_find_member(const struct streams_group *group, struct weir_slice id)
{
    return weir_map_get(&group->members, id);
}

static void member_free(struct streams_member *member)
{
    struct group_machine *machine = member->group->base.machine;
    timer_done(machine, &member->session);
    timer_done(machine, &member->rebalance);
    weir_arena_done(&member->metadata_arena);
    weir_arena_done(&member->current_arena);
    text_drop(&member->id);
    weir_free(member);
}

enum weir_status streams_member_new(struct streams_group *group, struct weir_slice id,
                                    struct streams_member **out)
{
    struct streams_member *member = weir_calloc(1, sizeof(*member));
    if (member == NULL)
        return WEIR_NO_MEMORY;
    member->group = group;
    member->current.state = STREAMS_STABLE;
    weir_streams_group_member_metadata_value_init(&member->metadata);
    struct group_machine *machine = group->base.machine;
    enum weir_status status = text_dup(id, &member->id);
    if (status == WEIR_OK)
        status = timer_init(machine, &member->session, streams_session_fired);
    if (status == WEIR_OK)
        status = timer_init(machine, &member->rebalance, streams_rebalance_fired);
    if (status == WEIR_OK)
        status = weir_map_put(&group->members, member->id, member, NULL);
    if (status != WEIR_OK) {
        member_free(member);
        return status;
    }
    *out = member;
    return WEIR_OK;
}

void streams_remove_member(struct streams_group *group, struct streams_member *member)
{
    (void)weir_map_remove(&group->members, member->id); /* it is `member` */
    member_free(member);
    if (group->members.count == 0)
        text_drop(&group->shutdown_member_id);
}

static void target_free(struct streams_target *target)
{
    weir_arena_done(&target->arena);
    text_drop(&target->member_id);
    weir_free(target);
}

void streams_remove_target(struct streams_group *group, struct weir_slice member_id)
{
    struct streams_target *target = weir_map_remove(&group->targets, member_id);
    if (target != NULL)
        target_free(target);
}

static int compare_members(const void *a, const void *b)
{
    return weir_slice_compare((*(struct streams_member *const *)a)->id,
                              (*(struct streams_member *const *)b)->id);
}

enum weir_status streams_members_sorted(const struct streams_group *group, struct weir_arena *arena,
                                        struct streams_member ***out)
{
    struct streams_member **members =
        weir_arena_calloc(arena, group->members.count, sizeof(*members));
    if (members == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        members[count++] = entry->value;
    if (count > 1)
        qsort(members, count, sizeof(*members), compare_members);
    *out = members;
    return WEIR_OK;
}

void streams_set_configured(struct streams_group *group, struct streams_configured *take)
{
    streams_configured_free(group->configured);
    group->configured = take;
}

/* ---- Life ---- */

static void free_group(struct group *base)
{
    if (base == NULL)
        return;
    struct streams_group *group = WEIR_CONTAINER_OF(base, struct streams_group, base);
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        member_free(entry->value);
    cursor = 0;
    while ((entry = weir_map_next(&group->targets, &cursor)) != NULL)
        target_free(entry->value);
    weir_map_done(&group->members);
    weir_map_done(&group->targets);
    weir_arena_done(&group->topology_arena);
    streams_configured_free(group->configured);
    text_drop(&group->shutdown_member_id);
    timer_done(base->machine, &group->initial);
    group_done(base);
    weir_free(group);
}

static enum weir_status create(struct group_machine *machine, struct weir_slice id, int64_t wall_ms,
                               struct group **out)
{
    (void)wall_ms;
    struct streams_group *group = weir_calloc(1, sizeof(*group));
    if (group == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = group_init(&group->base, &streams_group_ops, machine, id);
    if (status != WEIR_OK) {
        weir_free(group);
        return status;
    }
    group->epoch = STREAMS_EPOCH_INITIAL;
    group->assignment_epoch = STREAMS_EPOCH_INITIAL;
    group->needs_refresh = true;
    status = timer_init(machine, &group->initial, streams_initial_fired);
    if (status != WEIR_OK) {
        free_group(&group->base);
        return status;
    }
    *out = &group->base;
    return WEIR_OK;
}

static void loaded(struct group *base, struct weir_step *step)
{
    struct streams_group *group = streams_of(base);
    int64_t timeout_ms =
        machine_group_config(base->machine, base->id, "streams.session.timeout.ms");
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        struct streams_member *member = entry->value;
        timer_set(base->machine, &member->session, step->now_ms + timeout_ms);
        if (member->current.state == STREAMS_UNREVOKED)
            timer_set(base->machine, &member->rebalance,
                      step->now_ms + member->metadata.rebalance_timeout_ms);
    }
}

/* Whether its own topics changed is found out at its next heartbeat. */
static void image_changed(struct group *base, const struct weir_image_delta *delta,
                          struct weir_step *step)
{
    (void)step;
    if (delta->created_topic_count + delta->deleted_topic_count + delta->changed_topic_count > 0 ||
        delta->brokers_changed)
        streams_of(base)->needs_refresh = true;
}

/* ---- State ---- */

bool streams_is_reconciled(const struct streams_current *current, int32_t assignment_epoch)
{
    return current->state == STREAMS_STABLE && current->epoch == assignment_epoch;
}

const char *streams_state_name(const struct streams_group *group)
{
    if (group->members.count == 0)
        return "Empty";
    if (!group->has_topology || group->topology.epoch != group->validated_topology_epoch)
        return "NotReady";
    if (group->epoch > group->assignment_epoch)
        return "Assigning";
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        if (!streams_is_reconciled(&((const struct streams_member *)entry->value)->current,
                                   group->assignment_epoch))
            return "Reconciling";
    return "Stable";
}

static const char *state_name(const struct group *group)
{
    return streams_state_name(streams_of_const(group));
}

static struct weir_slice protocol_type(const struct group *group)
{
    (void)group;
    return WEIR_SLICE("streams");
}

static size_t member_count(const struct group *group)
{
    return streams_of_const(group)->members.count;
}

static bool is_empty(const struct group *group)
{
    return streams_of_const(group)->members.count == 0;
}

static bool is_subscribed(const struct group *base, struct weir_slice topic)
{
    const struct streams_group *group = streams_of_const(base);
    return group->members.count > 0 && group->has_topology &&
           topology_reader(&group->topology, topic) != NULL;
}

/* ---- Offsets ---- */

static enum weir_status check_commit(struct group *base, const struct group_committer *committer,
                                     struct weir_step *step)
{
    (void)step;
    const struct streams_group *group = streams_of_const(base);
    if (committer->generation < 0 && group->members.count == 0)
        return WEIR_OK; /* an administrator */
    if (committer->is_transactional && committer->generation == -1 &&
        committer->member_id.size == 0 && weir_slice_is_null(committer->instance_id))
        return WEIR_OK; /* TxnOffsetCommit need not say who */
    const struct streams_member *member = streams_find_member(group, committer->member_id);
    if (member == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    if (!committer->is_transactional && !committer->knows_stale_epoch)
        return WEIR_UNSUPPORTED_VERSION;
    if (committer->generation > member->current.epoch)
        return WEIR_STALE_MEMBER_EPOCH;
    return committer->generation == member->current.epoch || group->has_topology
               ? WEIR_OK
               : WEIR_STALE_MEMBER_EPOCH;
}

/* With an older epoch: not older than that with which the task came. */
static enum weir_status check_commit_item(const struct group *base,
                                          const struct group_committer *committer,
                                          const struct weir_offset_commit_item *item)
{
    const struct streams_group *group = streams_of_const(base);
    const struct streams_member *member = streams_find_member(group, committer->member_id);
    if (member == NULL || committer->generation == member->current.epoch)
        return WEIR_OK; /* check_commit has seen it */
    const subtopology_value *reader = topology_reader(&group->topology, item->topic);
    if (reader == NULL)
        return WEIR_STALE_MEMBER_EPOCH;
    const struct streams_task *task =
        tasks_find(&member->current.assigned.active, reader->subtopology_id, item->partition);
    if (task == NULL)
        task =
            tasks_find(&member->current.revoking.active, reader->subtopology_id, item->partition);
    return task == NULL || committer->generation < task->epoch ? WEIR_STALE_MEMBER_EPOCH : WEIR_OK;
}

static enum weir_status check_fetch(const struct group *base, struct weir_slice member_id,
                                    int32_t member_epoch)
{
    if (weir_slice_is_null(member_id) && member_epoch < 0)
        return WEIR_OK;
    const struct streams_member *member =
        streams_find_member(streams_of_const(base), or_empty(member_id));
    if (member == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    return member_epoch == member->current.epoch ? WEIR_OK : WEIR_STALE_MEMBER_EPOCH;
}

static bool retention_start(const struct group *group, const struct stored_offset *offset,
                            int64_t *out_ms)
{
    (void)group;
    *out_ms = offset->commit_ms;
    return true;
}

const struct group_ops streams_group_ops = {.kind = GROUP_STREAMS,
                                            .type_name = "streams",
                                            .create = create,
                                            .free = free_group,
                                            .state_name = state_name,
                                            .protocol_type = protocol_type,
                                            .member_count = member_count,
                                            .is_empty = is_empty,
                                            .is_subscribed = is_subscribed,
                                            .check_commit = check_commit,
                                            .check_commit_item = check_commit_item,
                                            .check_fetch = check_fetch,
                                            .retention_start = retention_start,
                                            .write_tombstones = tombstones_streams_group,
                                            .loaded = loaded,
                                            .image_changed = image_changed,
                                            .may_become_classic = true};
