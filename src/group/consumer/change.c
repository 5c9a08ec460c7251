/* SPDX-License-Identifier: Apache-2.0 */

/* A member that joins, changes or gets on: the records 5, 16, 3, 7, 6, 8 of it, in this order. */

#include "consumer_int.h"

#include "weir/assign/topic_regex.h"

/* What a change of the regular expression means for the group's epoch. */
enum regex_change {
    REGEX_SAME,
    REGEX_UNRESOLVED, /* the epoch rises when it has been matched */
    REGEX_RESOLVED
};

static enum weir_status check_regex(struct member_change *change)
{
    struct weir_topic_regex *regex;
    struct weir_detail detail = {{0}};
    enum weir_status status = weir_topic_regex_new(change->member->regex, &regex, &detail);
    if (status == WEIR_OK) {
        weir_topic_regex_free(regex);
        return WEIR_OK;
    }
    change->message = weir_arena_printf(
        &change->step->arena, "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
        WEIR_SLICE_ARGS(change->member->regex), detail.text);
    return status;
}

static enum weir_status write_regex(struct member_change *change, enum regex_change *out)
{
    const struct consumer_group *group = change->group;
    struct weir_slice before = change->base->regex;
    struct weir_slice after = change->member->regex;
    *out = REGEX_SAME;
    if (before.size == after.size && (before.size == 0 || weir_slice_equal(before, after)))
        return WEIR_OK;
    *out = REGEX_UNRESOLVED;
    if (before.size > 0 && consumer_regex_users(group, before) == 1 &&
        consumer_regex(group, before) != NULL)
        record_consumer_regex_tombstone(change->step, group->base.id, before);
    if (after.size == 0) {
        *out = REGEX_RESOLVED;
        return WEIR_OK;
    }
    if (consumer_regex_users(group, after) == 0) {
        change->needs_regexes = true;
        return check_regex(change);
    }
    if (consumer_regex(group, after) != NULL)
        *out = REGEX_RESOLVED;
    return WEIR_OK;
}

static struct weir_slice change_reason(const struct member_change *change)
{
    const char *what = change->replaced != NULL ? "came back as a static member"
                       : change->before == NULL ? "joined"
                       : member_subscription_equal(change->base, change->member)
                           ? "saw that topics have changed"
                           : "changed its subscription";
    struct weir_slice id = change->member->id;
    struct weir_slice reason;
    group_reason(change->step, &reason, "member %.*s %s", (int)(id.size < 100 ? id.size : 100),
                 (const char *)id.data, what);
    return reason;
}

/* The hash is looked at when the subscription changes or topics may have. */
static enum weir_status write_epoch(struct member_change *change, const struct group_draft *draft,
                                    bool must_bump)
{
    struct consumer_group *group = change->group;
    change->group_epoch = group->epoch;
    if (!must_bump && !group->is_metadata_stale)
        return WEIR_OK;
    int64_t hash;
    enum weir_status status = draft_hash(draft, &hash);
    if (status != WEIR_OK)
        return status;
    if (hash == group->metadata_hash)
        group->is_metadata_stale = false;
    else
        must_bump = true; /* stale until the new hash is in the log */
    if (!must_bump)
        return WEIR_OK;
    change->bumped = true;
    change->group_epoch = group->epoch + 1;
    record_consumer_epoch(change->step, group->base.id, change->group_epoch, hash);
    if (group->has_partition_metadata)
        record_consumer_partition_metadata_tombstone(change->step, group->base.id);
    size_t members = group->members.count + (change->before == NULL && change->replaced == NULL);
    group_rebalanced(&group->base, change->group_epoch, members, change_reason(change),
                     change->step);
    return WEIR_OK;
}

static enum weir_status get_on(struct member_change *change, const struct group_draft *draft,
                               bool has_subscription_changed)
{
    const struct consumer_group *group = change->group;
    int32_t target_epoch = group->assignment_epoch;
    struct partition_set target = consumer_target_of(
        group, change->replaced != NULL ? change->replaced->data.id : change->member->id);
    if (change->group_epoch > group->assignment_epoch) {
        enum weir_status status = draft_assign(draft, change->group_epoch, &target);
        if (status != WEIR_OK)
            return status;
        target_epoch = change->group_epoch;
    }
    const struct reconciliation reconciliation = {.draft = draft,
                                                  .target_epoch = target_epoch,
                                                  .target = &target,
                                                  .has_owned = change->has_owned,
                                                  .owned = change->owned,
                                                  .has_subscription_changed =
                                                      has_subscription_changed};
    struct member_data before = *change->member;
    enum weir_status status = reconcile(&reconciliation, change->member);
    if (status == WEIR_OK && !member_assignment_equal(&before, change->member)) {
        change->was_reconciled = true;
        record_consumer_assignment(change->step, group->base.id, change->member);
    }
    return status;
}

enum weir_status member_change_write(struct member_change *change, enum change_scope scope)
{
    struct consumer_group *group = change->group;
    const struct consumer_member *const gone[] = {change->replaced};
    const struct group_draft draft = {.group = group,
                                      .step = change->step,
                                      .joined = change->member,
                                      .gone = gone,
                                      .gone_count = change->replaced == NULL ? 0 : 1};
    bool is_new = change->before == NULL && change->replaced == NULL;
    if (is_new || !member_metadata_equal(change->base, change->member))
        record_consumer_member(change->step, group->base.id, change->member);
    bool names_changed = !member_names_equal(change->base, change->member);
    enum regex_change regex;
    enum weir_status status = write_regex(change, &regex);
    if (status == WEIR_OK)
        status = write_epoch(change, &draft, names_changed || regex == REGEX_RESOLVED);
    bool has_changed = names_changed || regex != REGEX_SAME;
    if (status == WEIR_OK && (scope == CHANGE_ALL || !change->bumped))
        status = get_on(change, &draft, has_changed);
    return status;
}

void consumer_write_replacement(struct consumer_group *group, const struct consumer_member *old,
                                const struct member_data *newcomer, struct weir_step *step)
{
    struct weir_slice group_id = group->base.id;
    struct partition_set target = consumer_target_of(group, old->data.id);
    record_consumer_member_gone(step, group_id, old->data.id);
    record_consumer_member(step, group_id, newcomer);
    record_consumer_target(step, group_id, newcomer->id, &target);
    record_consumer_assignment(step, group_id, newcomer);
    WEIR_STEP_INFO(step, "group_static_member_replaced", WEIR_BYTES("group", group_id),
                   WEIR_BYTES("instance", newcomer->instance_id), WEIR_BYTES("old", old->data.id),
                   WEIR_BYTES("new", newcomer->id));
}
