/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One member's way from what it has to what it is to have:
 *
 *   STABLE               at an epoch, with all that epoch gives it
 *   UNREVOKED_PARTITIONS told to give partitions up; stays at its epoch until it says it has
 *   UNRELEASED_PARTITIONS at the target's epoch, with what is free; the rest is still held by
 * others
 *
 * What it is to lose goes first, so that what it is to get can never make two holders (G2, G3).
 */

#include "consumer_int.h"

struct plan {
    struct partition_set assigned; /* kept */
    struct partition_set revoking;
    struct partition_set pending; /* free to take */
    bool has_unreleased;
};

static bool owns_any_of(const struct reconciliation *r, const struct partition_set *set)
{
    if (!r->has_owned)
        return true; /* it does not say: take it that it has them */
    for (size_t i = 0; i < r->owned.count; i++) {
        if (partition_set_find(set, r->owned.items[i].topic_id, r->owned.items[i].partition) !=
            NULL)
            return true;
    }
    return false;
}

struct subscribed {
    const struct weir_image_topic **topics;
    size_t count;
};

static bool is_subscribed(const struct subscribed *subscribed, struct weir_uuid topic_id)
{
    for (size_t i = 0; i < subscribed->count; i++) {
        if (weir_uuid_equal(subscribed->topics[i]->id, topic_id))
            return true;
    }
    return false;
}

/* The set's order is by topic: the answer for one partition holds for its neighbours. */
struct topic_check {
    const struct subscribed *subscribed;
    struct weir_uuid topic_id;
    bool is_known;
    bool is_subscribed;
};

static bool check_topic(struct topic_check *check, struct weir_uuid topic_id)
{
    if (!check->is_known || !weir_uuid_equal(check->topic_id, topic_id)) {
        check->topic_id = topic_id;
        check->is_subscribed = is_subscribed(check->subscribed, topic_id);
        check->is_known = true;
    }
    return check->is_subscribed;
}

static void move_to(struct member_data *member, enum consumer_member_state state, int32_t epoch,
                    struct partition_set assigned, struct partition_set revoking)
{
    member->previous_epoch = member->epoch;
    member->epoch = epoch;
    member->state = state;
    member->assigned = assigned;
    member->revoking = revoking;
}

static enum weir_status make_plan(const struct reconciliation *r, const struct member_data *member,
                                  const struct subscribed *subscribed, struct plan *out)
{
    struct weir_arena *arena = &r->draft->step->arena;
    const struct partition_set *target = r->target;
    *out = (struct plan){0};
    if (partition_set_room(arena, member->assigned.count, &out->assigned) != WEIR_OK ||
        partition_set_room(arena, member->assigned.count, &out->revoking) != WEIR_OK ||
        partition_set_room(arena, target->count, &out->pending) != WEIR_OK)
        return WEIR_NO_MEMORY;
    struct topic_check check = {.subscribed = subscribed};
    for (size_t i = 0; i < member->assigned.count; i++) {
        const struct held_partition *held = &member->assigned.items[i];
        bool is_kept = check_topic(&check, held->topic_id) &&
                       partition_set_find(target, held->topic_id, held->partition) != NULL;
        struct partition_set *into = is_kept ? &out->assigned : &out->revoking;
        into->items[into->count++] = *held;
    }
    for (size_t i = 0; i < target->count; i++) {
        const struct held_partition *wanted = &target->items[i];
        if (!check_topic(&check, wanted->topic_id) ||
            partition_set_find(&out->assigned, wanted->topic_id, wanted->partition) != NULL)
            continue;
        /* What it holds itself, and has given up meanwhile, is free for it. */
        bool is_own =
            partition_set_find(&member->revoking, wanted->topic_id, wanted->partition) != NULL ||
            partition_set_find(&member->assigned, wanted->topic_id, wanted->partition) != NULL;
        if (!is_own && owners_has(r->draft->group, wanted->topic_id, wanted->partition))
            out->has_unreleased = true;
        else
            out->pending.items[out->pending.count++] = *wanted;
    }
    return WEIR_OK;
}

static enum weir_status to_target(const struct reconciliation *r, struct member_data *member,
                                  const struct subscribed *subscribed)
{
    static const struct partition_set nothing;
    struct plan plan;
    enum weir_status status = make_plan(r, member, subscribed, &plan);
    if (status != WEIR_OK)
        return status;
    if (plan.revoking.count > 0 && owns_any_of(r, &plan.revoking)) {
        move_to(member, MEMBER_UNREVOKED, member->epoch, plan.assigned, plan.revoking);
        return WEIR_OK;
    }
    struct partition_set all = plan.assigned;
    if (plan.pending.count > 0) {
        status = partition_set_room(&r->draft->step->arena,
                                    plan.assigned.count + plan.pending.count, &all);
        if (status != WEIR_OK)
            return status;
        for (size_t i = 0; i < plan.assigned.count; i++)
            all.items[all.count++] = plan.assigned.items[i];
        for (size_t i = 0; i < plan.pending.count; i++) {
            all.items[all.count] = plan.pending.items[i];
            all.items[all.count++].epoch = r->target_epoch;
        }
        partition_set_normalise(&all);
    }
    move_to(member, plan.has_unreleased ? MEMBER_UNRELEASED : MEMBER_STABLE, r->target_epoch, all,
            nothing);
    return WEIR_OK;
}

/* The subscription changed and the target has not yet: what is no longer subscribed to goes. */
static enum weir_status to_subscription(const struct reconciliation *r, struct member_data *member,
                                        const struct subscribed *subscribed)
{
    struct weir_arena *arena = &r->draft->step->arena;
    struct partition_set kept;
    struct partition_set revoking;
    size_t most = member->assigned.count + member->revoking.count;
    if (partition_set_room(arena, member->assigned.count, &kept) != WEIR_OK ||
        partition_set_room(arena, most, &revoking) != WEIR_OK)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < member->revoking.count; i++)
        revoking.items[revoking.count++] = member->revoking.items[i];
    struct topic_check check = {.subscribed = subscribed};
    for (size_t i = 0; i < member->assigned.count; i++) {
        bool is_kept = check_topic(&check, member->assigned.items[i].topic_id);
        struct partition_set *into = is_kept ? &kept : &revoking;
        into->items[into->count++] = member->assigned.items[i];
    }
    if (kept.count == member->assigned.count)
        return WEIR_OK; /* nothing to take away */
    partition_set_normalise(&revoking);
    if (owns_any_of(r, &revoking))
        move_to(member, MEMBER_UNREVOKED, member->epoch, kept, revoking);
    else
        move_to(member, member->state, member->epoch, kept, member->revoking);
    return WEIR_OK;
}

enum weir_status reconcile(const struct reconciliation *r, struct member_data *member)
{
    if (!r->has_subscription_changed && member_is_reconciled(member, r->target_epoch))
        return WEIR_OK;
    struct subscribed subscribed;
    enum weir_status status =
        draft_topics_of(r->draft, member, &subscribed.topics, &subscribed.count);
    if (status != WEIR_OK)
        return status;
    switch (member->state) {
    case MEMBER_STABLE:
        if (member->epoch != r->target_epoch)
            return to_target(r, member, &subscribed);
        return to_subscription(r, member, &subscribed);
    case MEMBER_UNREVOKED:
        if (!owns_any_of(r, &member->revoking))
            return to_target(r, member, &subscribed);
        return r->has_subscription_changed ? to_subscription(r, member, &subscribed) : WEIR_OK;
    case MEMBER_UNRELEASED:
        return to_target(r, member, &subscribed);
    case MEMBER_UNKNOWN:
        /* Only one that has nothing can be trusted to begin anew. */
        if (!r->has_owned || r->owned.count > 0)
            return WEIR_FENCED_MEMBER_EPOCH;
        return to_target(r, member, &subscribed);
    }
    return WEIR_OK;
}
