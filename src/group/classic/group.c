/* SPDX-License-Identifier: Apache-2.0 */

/* The classic group as one of the kinds. */

#include "classic_int.h"

#include "weir/base/assert.h"

struct classic_group *classic_of(struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_CLASSIC));
    return WEIR_CONTAINER_OF(group, struct classic_group, base);
}

const struct classic_group *classic_of_const(const struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_CLASSIC));
    return (const struct classic_group *)group; /* base is its first member */
}

struct classic_group *classic_group_of(const struct group_machine *machine, struct weir_slice id)
{
    struct group *group = machine_group(machine, id);
    return group != NULL && group_is(group, GROUP_CLASSIC) ? classic_of(group) : NULL;
}

static enum weir_status create(struct group_machine *machine, struct weir_slice id, int64_t wall_ms,
                               struct group **out)
{
    struct classic_group *group;
    enum weir_status status = classic_group_new(machine, id, wall_ms, &group);
    if (status == WEIR_OK)
        *out = &group->base;
    return status;
}

static void free_group(struct group *group)
{
    classic_group_free(classic_of(group));
}

static const char *state_name(const struct group *group)
{
    return classic_state_name(classic_of_const(group)->state);
}

static struct weir_slice protocol_type(const struct group *group)
{
    return or_empty(classic_of_const(group)->protocol_type);
}

static size_t member_count(const struct group *group)
{
    return classic_of_const(group)->member_count;
}

static bool is_empty(const struct group *group)
{
    return classic_of_const(group)->state == CLASSIC_EMPTY;
}

static bool is_subscribed(const struct group *group, struct weir_slice topic)
{
    return classic_is_subscribed(classic_of_const(group), topic);
}

/* ---- Offsets ---- */

static enum weir_status check_committer(const struct classic_group *group,
                                        const struct group_committer *committer)
{
    /* Nobody manages the group: an administrator, or a consumer that assigns by itself. */
    if (committer->generation < 0 && group->state == CLASSIC_EMPTY)
        return WEIR_OK;
    if (committer->generation < 0 && committer->member_id.size == 0 &&
        weir_slice_is_null(committer->instance_id))
        return committer->is_transactional ? WEIR_OK /* the producer does not know its member */
                                           : WEIR_UNKNOWN_MEMBER_ID; /* members are at work here */
    enum weir_status status =
        classic_check_member(group, committer->member_id, committer->instance_id);
    if (status != WEIR_OK)
        return status;
    if (committer->generation != group->generation)
        return WEIR_ILLEGAL_GENERATION;
    /* It has joined the new generation but may still hold partitions of the old one. */
    return group->state == CLASSIC_COMPLETING && !committer->is_transactional
               ? WEIR_REBALANCE_IN_PROGRESS
               : WEIR_OK;
}

static enum weir_status check_commit(struct group *base, const struct group_committer *committer,
                                     struct weir_step *step)
{
    struct classic_group *group = classic_of(base);
    enum weir_status status = check_committer(group, committer);
    struct classic_member *member = classic_find_member(group, committer->member_id);
    if (status == WEIR_OK && member != NULL && !committer->is_transactional &&
        (group->state == CLASSIC_STABLE || group->state == CLASSIC_PREPARING))
        session_restart(member, member->session_timeout_ms, step); /* it is alive */
    return status;
}

static enum weir_status check_offset_delete(const struct group *base)
{
    const struct classic_group *group = classic_of_const(base);
    return group->state == CLASSIC_EMPTY || classic_is_consumer(group) ? WEIR_OK
                                                                       : WEIR_NON_EMPTY_GROUP;
}

static bool retention_start(const struct group *base, const struct stored_offset *stored,
                            int64_t *out_ms)
{
    const struct classic_group *group = classic_of_const(base);
    *out_ms = stored->commit_ms;
    if (weir_slice_is_null(group->protocol_type))
        return true; /* a simple group */
    if (group->state == CLASSIC_EMPTY) {
        if (group->state_timestamp_ms != NO_TIMESTAMP)
            *out_ms = group->state_timestamp_ms;
        return true;
    }
    return group->state == CLASSIC_STABLE && classic_is_consumer(group) &&
           group->knows_subscription;
}

/* ---- Going away ---- */

static void write_tombstones(const struct group *group, struct weir_step *step)
{
    record_group_tombstone(step, group->id);
}

static void fail_waiters(struct group *base, enum weir_status status, struct weir_step *step)
{
    struct classic_group *group = classic_of(base);
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        classic_member_fail_join(member, status, member->id, step);
        classic_member_fail_sync(member, status, step);
    }
}

static void loaded(struct group *base, struct weir_step *step)
{
    struct classic_group *group = classic_of(base);
    WEIR_LIST_FOREACH(node, &group->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        session_restart(member, member->session_timeout_ms, step);
    }
    if (group->member_count > (size_t)base->machine->config->max_size)
        prepare_rebalance(group, WEIR_SLICE("the loaded group is above group.max.size"), step);
}

static void join(struct group *group, const struct weir_group_join_request *request,
                 const uint8_t random[16], struct weir_group_join *answer, struct weir_step *step)
{
    classic_join(classic_of(group), request, random, NULL, answer, step);
}

const struct group_ops classic_group_ops = {.kind = GROUP_CLASSIC,
                                            .type_name = "classic",
                                            .create = create,
                                            .free = free_group,
                                            .state_name = state_name,
                                            .protocol_type = protocol_type,
                                            .member_count = member_count,
                                            .is_empty = is_empty,
                                            .is_subscribed = is_subscribed,
                                            .check_commit = check_commit,
                                            .check_offset_delete = check_offset_delete,
                                            .retention_start = retention_start,
                                            .write_tombstones = write_tombstones,
                                            .fail_waiters = fail_waiters,
                                            .loaded = loaded,
                                            .join = join,
                                            .sync = classic_sync,
                                            .heartbeat = classic_heartbeat,
                                            .leave = classic_leave,
                                            .describe = classic_describe};
