/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Who is in a group and what they agree on.
 *
 * M1  by_id holds exactly the members of the list, by_instance those of them that are static.
 * M2  protocol_counts says for each name how many members know it.
 * M3  waiting_join_count and pending_sync_count are the members with join, with is_pending_sync.
 * M4  leader is a member, or NULL when there is none.
 */

#include "classic_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/protocol/records/consumer_protocol_subscription.h"

/* A text that is the key of a map and its value. */
struct owned_text {
    struct weir_slice text;
};

struct protocol_count {
    struct weir_slice name;
    size_t members;
    size_t votes; /* of the vote under way */
};

static void forget_subscription(struct classic_group *group)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->subscribed, &cursor)) != NULL) {
        struct owned_text *topic = entry->value;
        text_drop(&topic->text);
        weir_free(topic);
    }
    weir_map_done(&group->subscribed);
    group->subscribed = (struct weir_map){0};
    group->knows_subscription = false;
}

enum weir_status classic_group_new(struct group_machine *machine, struct weir_slice id,
                                   int64_t wall_ms, struct classic_group **out)
{
    struct classic_group *group = weir_calloc(1, sizeof(*group));
    if (group == NULL)
        return WEIR_NO_MEMORY;
    group->state = CLASSIC_EMPTY;
    group->previous_state = CLASSIC_DEAD;
    group->state_timestamp_ms = wall_ms;
    weir_list_init(&group->members);
    weir_list_init(&group->pending);
    enum weir_status status = group_init(&group->base, &classic_group_ops, machine, id);
    if (status == WEIR_OK)
        status = timer_init(machine, &group->join_timer, join_timer_fired);
    if (status == WEIR_OK)
        status = timer_init(machine, &group->sync_timer, sync_timer_fired);
    if (status != WEIR_OK) {
        classic_group_free(group);
        return status;
    }
    *out = group;
    return WEIR_OK;
}

void classic_group_free(struct classic_group *group)
{
    if (group == NULL)
        return;
    WEIR_LIST_FOREACH(node, &group->members)
        classic_member_free(WEIR_LIST_ENTRY(node, struct classic_member, node));
    WEIR_LIST_FOREACH(node, &group->pending)
        classic_remove_pending(group, WEIR_LIST_ENTRY(node, struct pending_member, node));
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->protocol_counts, &cursor)) != NULL) {
        struct protocol_count *count = entry->value;
        text_drop(&count->name);
        weir_free(count);
    }
    forget_subscription(group);
    weir_map_done(&group->protocol_counts);
    weir_map_done(&group->by_id);
    weir_map_done(&group->by_instance);
    weir_map_done(&group->pending_by_id);
    if (group->base.machine != NULL) {
        timer_done(group->base.machine, &group->join_timer);
        timer_done(group->base.machine, &group->sync_timer);
    }
    text_drop(&group->protocol_type);
    text_drop(&group->protocol_name);
    group_done(&group->base);
    weir_free(group);
}

struct classic_member *classic_find_member(const struct classic_group *group, struct weir_slice id)
{
    return weir_map_get(&group->by_id, id);
}

struct classic_member *classic_find_static(const struct classic_group *group,
                                           struct weir_slice instance_id)
{
    return weir_map_get(&group->by_instance, instance_id);
}

struct pending_member *classic_find_pending(const struct classic_group *group, struct weir_slice id)
{
    return weir_map_get(&group->pending_by_id, id);
}

/* ---- M2 ---- */

static void uncount_protocols(struct classic_group *group,
                              const struct weir_group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct protocol_count *entry = weir_map_get(&group->protocol_counts, protocols[i].name);
        WEIR_ASSERT(entry != NULL && entry->members > 0);
        if (--entry->members > 0)
            continue;
        (void)weir_map_remove(&group->protocol_counts, entry->name); /* it is `entry` */
        text_drop(&entry->name);
        weir_free(entry);
    }
}

static enum weir_status count_protocol(struct classic_group *group, struct weir_slice name)
{
    struct protocol_count *entry = weir_map_get(&group->protocol_counts, name);
    if (entry != NULL) {
        entry->members++;
        return WEIR_OK;
    }
    entry = weir_calloc(1, sizeof(*entry));
    if (entry == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = text_dup(name, &entry->name);
    if (status == WEIR_OK)
        status = weir_map_put(&group->protocol_counts, entry->name, entry, NULL);
    if (status != WEIR_OK) {
        text_drop(&entry->name);
        weir_free(entry);
        return status;
    }
    entry->members = 1;
    return WEIR_OK;
}

static enum weir_status count_protocols(struct classic_group *group,
                                        const struct weir_group_protocol *protocols, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum weir_status status = count_protocol(group, protocols[i].name);
        if (status != WEIR_OK) {
            uncount_protocols(group, protocols, i);
            return status;
        }
    }
    return WEIR_OK;
}

static size_t protocol_members(const struct classic_group *group, struct weir_slice name)
{
    const struct protocol_count *entry = weir_map_get(&group->protocol_counts, name);
    return entry == NULL ? 0 : entry->members;
}

/* ---- Coming and going ---- */

enum weir_status classic_add_member(struct classic_group *group, struct classic_member *member,
                                    struct weir_slice protocol_type)
{
    enum weir_status status = WEIR_OK;
    if (group->member_count == 0)
        status = text_set(&group->protocol_type, protocol_type);
    if (status == WEIR_OK)
        status = count_protocols(group, member->protocols, member->protocol_count);
    if (status != WEIR_OK)
        return status;
    status = weir_map_put(&group->by_id, member->id, member, NULL);
    if (status == WEIR_OK && classic_member_is_static(member)) {
        status = weir_map_put(&group->by_instance, member->instance_id, member, NULL);
        if (status != WEIR_OK)
            (void)weir_map_remove(&group->by_id, member->id); /* it is `member` */
    }
    if (status != WEIR_OK) {
        uncount_protocols(group, member->protocols, member->protocol_count);
        return status;
    }
    weir_list_push_back(&group->members, &member->node);
    group->member_count++;
    if (group->leader == NULL)
        group->leader = member;
    return WEIR_OK;
}

static struct classic_member *first_member(const struct classic_group *group)
{
    if (weir_list_is_empty(&group->members))
        return NULL;
    return WEIR_LIST_ENTRY(group->members.next, struct classic_member, node);
}

void classic_remove_member(struct classic_group *group, struct classic_member *member,
                           struct weir_step *step)
{
    /* A client that still waits tries again with a new id. */
    classic_member_fail_join(member, WEIR_UNKNOWN_MEMBER_ID, WEIR_EMPTY_SLICE, step);
    classic_member_fail_sync(member, WEIR_UNKNOWN_MEMBER_ID, step);
    sync_received(member); /* M3 */
    uncount_protocols(group, member->protocols, member->protocol_count);
    (void)weir_map_remove(&group->by_id, member->id); /* it is `member` */
    if (classic_member_is_static(member) &&
        classic_find_static(group, member->instance_id) == member)
        (void)weir_map_remove(&group->by_instance, member->instance_id);
    weir_list_remove(&member->node);
    group->member_count--;
    if (group->leader == member)
        group->leader = first_member(group);
    classic_member_free(member);
}

enum weir_status classic_add_pending(struct classic_group *group, struct weir_slice id,
                                     struct pending_member **out)
{
    struct pending_member *pending = weir_calloc(1, sizeof(*pending));
    if (pending == NULL)
        return WEIR_NO_MEMORY;
    pending->group = group;
    weir_list_push_back(&group->pending, &pending->node);
    enum weir_status status = text_dup(id, &pending->id);
    if (status == WEIR_OK)
        status = timer_init(group->base.machine, &pending->timer, pending_expired);
    if (status == WEIR_OK)
        status = weir_map_put(&group->pending_by_id, pending->id, pending, NULL);
    if (status != WEIR_OK) {
        classic_remove_pending(group, pending);
        return status;
    }
    *out = pending;
    return WEIR_OK;
}

void classic_remove_pending(struct classic_group *group, struct pending_member *pending)
{
    if (weir_map_get(&group->pending_by_id, pending->id) == pending)
        (void)weir_map_remove(&group->pending_by_id, pending->id); /* it is `pending` */
    weir_list_remove(&pending->node);
    timer_done(group->base.machine, &pending->timer);
    text_drop(&pending->id);
    weir_free(pending);
}

enum weir_status classic_replace_static(struct classic_group *group, struct classic_member *member,
                                        struct weir_slice new_id, struct weir_step *step)
{
    struct weir_slice id;
    enum weir_status status = text_dup(new_id, &id);
    if (status != WEIR_OK)
        return status;
    status = weir_map_put(&group->by_id, id, member, NULL);
    if (status != WEIR_OK) {
        text_drop(&id);
        return status;
    }
    classic_member_fail_join(member, WEIR_FENCED_INSTANCE_ID, member->id, step);
    classic_member_fail_sync(member, WEIR_FENCED_INSTANCE_ID, step);
    (void)weir_map_remove(&group->by_id, member->id); /* it is `member` */
    text_drop(&member->id);
    member->id = id;
    return WEIR_OK;
}

enum weir_status classic_update_member(struct classic_member *member,
                                       const struct weir_group_protocol *protocols, size_t count,
                                       int32_t rebalance_timeout_ms, int32_t session_timeout_ms)
{
    struct weir_group_protocol *copy;
    size_t copy_count;
    enum weir_status status = protocols_dup(protocols, count, &copy, &copy_count);
    if (status != WEIR_OK)
        return status;
    status = count_protocols(member->group, copy, copy_count);
    if (status != WEIR_OK) {
        protocols_drop(copy, copy_count);
        return status;
    }
    uncount_protocols(member->group, member->protocols, member->protocol_count);
    protocols_drop(member->protocols, member->protocol_count);
    member->protocols = copy;
    member->protocol_count = copy_count;
    member->rebalance_timeout_ms = rebalance_timeout_ms;
    member->session_timeout_ms = session_timeout_ms;
    return WEIR_OK;
}

/* ---- Agreeing ---- */

bool classic_supports(const struct classic_group *group, struct weir_slice protocol_type,
                      const struct weir_group_protocol *protocols, size_t count)
{
    if (group->state == CLASSIC_EMPTY)
        return protocol_type.size > 0 && count > 0;
    if (weir_slice_is_null(group->protocol_type) ||
        !weir_slice_equal(group->protocol_type, protocol_type))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (protocol_members(group, protocols[i].name) == group->member_count)
            return true;
    }
    return false;
}

/* A member takes the first of its protocols that all know. */
static void cast_vote(const struct classic_member *member)
{
    const struct classic_group *group = member->group;
    for (size_t i = 0; i < member->protocol_count; i++) {
        struct protocol_count *entry =
            weir_map_get(&group->protocol_counts, member->protocols[i].name);
        if (entry->members == group->member_count) {
            entry->votes++;
            return;
        }
    }
}

struct weir_slice classic_vote(const struct classic_group *group)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->protocol_counts, &cursor)) != NULL)
        ((struct protocol_count *)entry->value)->votes = 0;
    WEIR_LIST_FOREACH(node, &group->members)
        cast_vote(WEIR_LIST_ENTRY(node, struct classic_member, node));
    /* Only what the first member knows can be common to all; it also breaks ties. */
    const struct classic_member *first = first_member(group);
    const struct protocol_count *best = NULL;
    for (size_t i = 0; first != NULL && i < first->protocol_count; i++) {
        const struct protocol_count *count =
            weir_map_get(&group->protocol_counts, first->protocols[i].name);
        if (count->votes > (best == NULL ? 0 : best->votes))
            best = count;
    }
    return best == NULL ? WEIR_NULL_SLICE : best->name;
}

int32_t classic_rebalance_timeout_ms(const struct classic_group *group)
{
    int32_t longest = 0;
    WEIR_LIST_FOREACH(node, &group->members) {
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (member->rebalance_timeout_ms > longest)
            longest = member->rebalance_timeout_ms;
    }
    return longest;
}

bool classic_has_all_joined(const struct classic_group *group)
{
    return group->member_count == group->waiting_join_count && weir_list_is_empty(&group->pending);
}

bool classic_is_simple(const struct classic_group *group)
{
    return group->state == CLASSIC_EMPTY && weir_list_is_empty(&group->pending) &&
           weir_slice_is_null(group->protocol_type);
}

bool classic_is_consumer(const struct classic_group *group)
{
    return weir_slice_is(group->protocol_type, CONSUMER_PROTOCOL_TYPE);
}

enum weir_status classic_check_member(const struct classic_group *group,
                                      struct weir_slice member_id, struct weir_slice instance_id)
{
    if (!weir_slice_is_null(instance_id)) {
        const struct classic_member *owner = classic_find_static(group, instance_id);
        if (owner == NULL)
            return WEIR_UNKNOWN_MEMBER_ID;
        if (!weir_slice_equal(owner->id, member_id))
            return WEIR_FENCED_INSTANCE_ID;
    }
    return classic_find_member(group, member_id) == NULL ? WEIR_UNKNOWN_MEMBER_ID : WEIR_OK;
}

/* ---- Subscriptions ---- */

static enum weir_status add_topic(struct classic_group *group, struct weir_slice name)
{
    if (weir_map_get(&group->subscribed, name) != NULL)
        return WEIR_OK;
    struct owned_text *topic = weir_calloc(1, sizeof(*topic));
    if (topic == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = text_dup(name, &topic->text);
    if (status == WEIR_OK)
        status = weir_map_put(&group->subscribed, topic->text, topic, NULL);
    if (status != WEIR_OK) {
        text_drop(&topic->text);
        weir_free(topic);
    }
    return status;
}

/* The metadata of a "consumer" member: int16 version, then a subscription; version 0's fields come
 * first in all versions.  Clients write it, so it may be anything. */
static enum weir_status add_subscription(struct classic_group *group, struct weir_slice metadata)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_reader reader;
    weir_reader_init(&reader, metadata, &arena);
    if (weir_read_i16(&reader) < 0)
        weir_reader_fail(&reader, WEIR_INVALID);
    struct weir_consumer_protocol_subscription subscription;
    weir_consumer_protocol_subscription_read(&reader, 0, &subscription);
    enum weir_status status = weir_reader_status(&reader);
    for (int32_t i = 0; status == WEIR_OK && i < subscription.topics.count; i++)
        status = add_topic(group, subscription.topics.items[i]);
    weir_arena_done(&arena);
    return status;
}

void classic_compute_subscription(struct classic_group *group)
{
    forget_subscription(group);
    if (!classic_is_consumer(group))
        return;
    if (group->member_count > 0 && weir_slice_is_null(group->protocol_name))
        return;
    WEIR_LIST_FOREACH(node, &group->members) {
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (add_subscription(group, classic_member_metadata(member, group->protocol_name)) !=
            WEIR_OK) {
            forget_subscription(group); /* not understood: every topic counts as subscribed */
            return;
        }
    }
    group->knows_subscription = true;
}

bool classic_is_subscribed(const struct classic_group *group, struct weir_slice topic)
{
    if (group->knows_subscription)
        return weir_map_get(&group->subscribed, topic) != NULL;
    return classic_is_consumer(group);
}
