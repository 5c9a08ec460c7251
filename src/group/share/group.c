/* SPDX-License-Identifier: Apache-2.0 */

/* The share group as one of the kinds: its parts, and what it says to offsets (it has none here).
 */

#include "share_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

struct share_group *share_of(struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_SHARE));
    return WEIR_CONTAINER_OF(group, struct share_group, base);
}

const struct share_group *share_of_const(const struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_SHARE));
    return (const struct share_group *)group; /* base is its first member */
}

struct share_group *share_group_of(const struct group_machine *machine, struct weir_slice id)
{
    struct group *group = machine_group(machine, id);
    return group != NULL && group_is(group, GROUP_SHARE) ? share_of(group) : NULL;
}

/* ---- Members ---- */

struct share_member *share_find_member(const struct share_group *group, struct weir_slice id)
{
    return weir_map_get(&group->members, id);
}

static void member_free(struct share_member *member)
{
    timer_done(member->group->base.machine, &member->session);
    weir_arena_done(&member->metadata_arena);
    partition_set_drop(&member->assigned);
    text_drop(&member->id);
    weir_free(member);
}

enum weir_status share_member_new(struct share_group *group, struct weir_slice id,
                                  struct share_member **out)
{
    struct share_member *member = weir_calloc(1, sizeof(*member));
    if (member == NULL)
        return WEIR_NO_MEMORY;
    member->group = group;
    member->previous_epoch = -1;
    weir_share_group_member_metadata_value_init(&member->metadata);
    enum weir_status status = text_dup(id, &member->id);
    if (status == WEIR_OK)
        status = timer_init(group->base.machine, &member->session, share_session_fired);
    if (status == WEIR_OK)
        status = weir_map_put(&group->members, member->id, member, NULL);
    if (status != WEIR_OK) {
        member_free(member);
        return status;
    }
    *out = member;
    return WEIR_OK;
}

void share_remove_member(struct share_group *group, struct share_member *member)
{
    group->may_be_pending = true;
    (void)weir_map_remove(&group->members, member->id); /* it is `member` */
    member_free(member);
}

static int compare_members(const void *a, const void *b)
{
    return weir_slice_compare((*(struct share_member *const *)a)->id,
                              (*(struct share_member *const *)b)->id);
}

enum weir_status share_members_sorted(const struct share_group *group, struct weir_arena *arena,
                                      struct share_member ***out)
{
    struct share_member **members =
        weir_arena_calloc(arena, group->members.count + 1, sizeof(*members));
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

/* ---- Targets ---- */

static void target_free(struct share_target *target)
{
    if (target == NULL)
        return;
    text_drop(&target->member_id);
    partition_set_drop(&target->partitions);
    weir_free(target);
}

struct partition_set share_target_of(const struct share_group *group, struct weir_slice member_id)
{
    const struct share_target *target = weir_map_get(&group->targets, member_id);
    static const struct partition_set nothing;
    return target == NULL ? nothing : target->partitions;
}

void share_remove_target(struct share_group *group, struct weir_slice member_id)
{
    group->may_be_pending = true;
    target_free(weir_map_remove(&group->targets, member_id));
}

enum weir_status share_set_target(struct share_group *group, struct weir_slice member_id,
                                  const struct partition_set *partitions)
{
    group->may_be_pending = true;
    struct share_target *target = weir_calloc(1, sizeof(*target));
    if (target == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = text_dup(member_id, &target->member_id);
    if (status == WEIR_OK)
        status = partition_set_dup(partitions, &target->partitions);
    if (status == WEIR_OK) {
        share_remove_target(group, member_id);
        status = weir_map_put(&group->targets, target->member_id, target, NULL);
    }
    if (status != WEIR_OK)
        target_free(target);
    return status;
}

/* ---- Life ---- */

static void free_group(struct group *base)
{
    if (base == NULL)
        return;
    struct share_group *group = WEIR_CONTAINER_OF(base, struct share_group, base);
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        member_free(entry->value);
    cursor = 0;
    while ((entry = weir_map_next(&group->targets, &cursor)) != NULL)
        target_free(entry->value);
    weir_map_done(&group->members);
    weir_map_done(&group->targets);
    weir_arena_done(&group->state_arena);
    timer_done(base->machine, &group->retry);
    group_done(base);
    weir_free(group);
}

static enum weir_status create(struct group_machine *machine, struct weir_slice id, int64_t wall_ms,
                               struct group **out)
{
    (void)wall_ms;
    struct share_group *group = weir_calloc(1, sizeof(*group));
    if (group == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = group_init(&group->base, &share_group_ops, machine, id);
    if (status != WEIR_OK) {
        weir_free(group);
        return status;
    }
    group->epoch = SHARE_EPOCH_INITIAL;
    group->assignment_epoch = SHARE_EPOCH_INITIAL;
    group->is_metadata_stale = true; /* nobody has looked yet */
    group->may_be_pending = true;
    status = timer_init(machine, &group->retry, share_retry_fired);
    if (status != WEIR_OK) {
        free_group(&group->base);
        return status;
    }
    *out = &group->base;
    return WEIR_OK;
}

static void loaded(struct group *base, struct weir_step *step)
{
    struct share_group *group = share_of(base);
    int64_t timeout_ms = machine_group_config(base->machine, base->id, "share.session.timeout.ms");
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    const uint64_t job = share_job_next(base->machine);
    for (size_t i = 0; i < group->state.initializing.count; i++) {
        group->state.initializing.items[i].since_ms = SHARE_DUE; /* nobody else asks */
        group->state.initializing.items[i].job = job;
    }
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        struct share_member *member = entry->value;
        timer_set(base->machine, &member->session, step->now_ms + timeout_ms);
    }
}

static void image_changed(struct group *base, const struct weir_image_delta *delta,
                          struct weir_step *step)
{
    struct share_group *group = share_of(base);
    if (delta->created_topic_count + delta->deleted_topic_count + delta->changed_topic_count > 0 ||
        delta->brokers_changed)
        group->is_metadata_stale = true; /* the next heartbeat looks */
    if (delta->deleted_topic_count > 0)
        share_topics_deleted(group, delta, step);
}

/* ---- Looking ---- */

static const char *state_name(const struct group *group)
{
    return share_of_const(group)->members.count == 0 ? "Empty" : "Stable";
}

static struct weir_slice protocol_type(const struct group *group)
{
    (void)group;
    return WEIR_SLICE("share");
}

static size_t member_count(const struct group *group)
{
    return share_of_const(group)->members.count;
}

static bool is_empty(const struct group *group)
{
    return share_of_const(group)->members.count == 0;
}

static bool is_subscribed(const struct group *group, struct weir_slice topic)
{
    return share_is_subscribed(share_of_const(group), topic);
}

/* ---- Offsets: there are none in a share group ---- */

static enum weir_status check_commit(struct group *group, const struct group_committer *committer,
                                     struct weir_step *step)
{
    (void)group;
    (void)committer;
    (void)step;
    return WEIR_GROUP_ID_NOT_FOUND;
}

static enum weir_status check_offset_delete(const struct group *group)
{
    (void)group;
    return WEIR_GROUP_ID_NOT_FOUND;
}

static bool retention_start(const struct group *group, const struct stored_offset *offset,
                            int64_t *out_ms)
{
    (void)group;
    (void)offset;
    (void)out_ms;
    return false;
}

const struct group_ops share_group_ops = {.kind = GROUP_SHARE,
                                          .type_name = "share",
                                          .create = create,
                                          .free = free_group,
                                          .state_name = state_name,
                                          .protocol_type = protocol_type,
                                          .member_count = member_count,
                                          .is_empty = is_empty,
                                          .is_subscribed = is_subscribed,
                                          .never_expires = true,
                                          .check_commit = check_commit,
                                          .check_offset_delete = check_offset_delete,
                                          .retention_start = retention_start,
                                          .begin_delete = share_begin_delete,
                                          .write_tombstones = tombstones_share_group,
                                          .loaded = loaded,
                                          .image_changed = image_changed};
