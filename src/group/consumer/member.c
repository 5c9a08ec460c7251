/* SPDX-License-Identifier: Apache-2.0 */

/* Members of a consumer group: what they are, and their place in the group. */

#include "consumer_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdlib.h>

/* Null and empty say the same about a regular expression. */
static bool regex_equal(struct weir_slice a, struct weir_slice b)
{
    return a.size == b.size && (a.size == 0 || weir_slice_equal(a, b));
}

static bool text_equal(struct weir_slice a, struct weir_slice b)
{
    return weir_slice_is_null(a) == weir_slice_is_null(b) && weir_slice_equal(a, b);
}

bool member_names_equal(const struct member_data *a, const struct member_data *b)
{
    if (a->topic_count != b->topic_count)
        return false;
    for (size_t i = 0; i < a->topic_count; i++) {
        if (!weir_slice_equal(a->topics[i], b->topics[i]))
            return false;
    }
    return true;
}

bool member_subscription_equal(const struct member_data *a, const struct member_data *b)
{
    return member_names_equal(a, b) && regex_equal(a->regex, b->regex);
}

static bool protocols_equal(const struct member_data *a, const struct member_data *b)
{
    if (a->is_classic != b->is_classic || a->protocol_count != b->protocol_count ||
        (a->is_classic && a->classic_session_timeout_ms != b->classic_session_timeout_ms))
        return false;
    for (size_t i = 0; i < a->protocol_count; i++) {
        if (!weir_slice_equal(a->protocols[i].name, b->protocols[i].name) ||
            !weir_slice_equal(a->protocols[i].metadata, b->protocols[i].metadata))
            return false;
    }
    return true;
}

bool member_metadata_equal(const struct member_data *a, const struct member_data *b)
{
    return text_equal(a->instance_id, b->instance_id) && text_equal(a->rack_id, b->rack_id) &&
           weir_slice_equal(a->client_id, b->client_id) &&
           weir_slice_equal(a->client_host, b->client_host) && member_subscription_equal(a, b) &&
           a->rebalance_timeout_ms == b->rebalance_timeout_ms &&
           text_equal(a->assignor, b->assignor) && protocols_equal(a, b);
}

bool member_assignment_equal(const struct member_data *a, const struct member_data *b)
{
    return a->epoch == b->epoch && a->previous_epoch == b->previous_epoch && a->state == b->state &&
           partition_set_equal(&a->assigned, &b->assigned) &&
           partition_set_equal(&a->revoking, &b->revoking);
}

bool member_is_reconciled(const struct member_data *member, int32_t assignment_epoch)
{
    return member->state == MEMBER_STABLE && member->epoch == assignment_epoch;
}

struct consumer_member *consumer_find(const struct consumer_group *group, struct weir_slice id)
{
    return weir_map_get(&group->members, id);
}

struct consumer_member *consumer_find_static(const struct consumer_group *group,
                                             struct weir_slice instance_id)
{
    return weir_slice_is_null(instance_id) ? NULL : weir_map_get(&group->by_instance, instance_id);
}

static void drop_topics(const struct weir_slice *topics, size_t count)
{
    struct weir_slice *owned = (void *)(uintptr_t)topics; /* made by dup_topics */
    for (size_t i = 0; i < count; i++)
        text_drop(&owned[i]);
    weir_free(owned);
}

static enum weir_status dup_topics(const struct weir_slice *from, size_t count,
                                   const struct weir_slice **out)
{
    struct weir_slice *copy = weir_calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (text_dup(from[i], &copy[i]) != WEIR_OK) {
            drop_topics(copy, i);
            return WEIR_NO_MEMORY;
        }
    }
    *out = copy;
    return WEIR_OK;
}

static void drop_protocols(const struct weir_group_protocol *protocols, size_t count)
{
    struct weir_group_protocol *owned = (void *)(uintptr_t)protocols; /* made by dup_protocols */
    for (size_t i = 0; i < count; i++) {
        text_drop(&owned[i].name);
        text_drop(&owned[i].metadata);
    }
    weir_free(owned);
}

static enum weir_status dup_protocols(const struct weir_group_protocol *from, size_t count,
                                      const struct weir_group_protocol **out)
{
    struct weir_group_protocol *copy = weir_calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (text_dup(from[i].name, &copy[i].name) != WEIR_OK ||
            text_dup(from[i].metadata, &copy[i].metadata) != WEIR_OK) {
            drop_protocols(copy, i + 1);
            return WEIR_NO_MEMORY;
        }
    }
    *out = copy;
    return WEIR_OK;
}

/* What record 5 brought. */
static void drop_metadata(struct member_data *data)
{
    text_drop(&data->instance_id);
    text_drop(&data->rack_id);
    text_drop(&data->client_id);
    text_drop(&data->client_host);
    text_drop(&data->regex);
    text_drop(&data->assignor);
    drop_topics(data->topics, data->topic_count);
    drop_protocols(data->protocols, data->protocol_count);
}

static enum weir_status dup_metadata(const struct member_data *from, struct member_data *out)
{
    *out = (struct member_data){.rebalance_timeout_ms = from->rebalance_timeout_ms,
                                .is_classic = from->is_classic,
                                .classic_session_timeout_ms = from->classic_session_timeout_ms};
    const struct {
        struct weir_slice from;
        struct weir_slice *to;
    } texts[] = {{from->instance_id, &out->instance_id},
                 {from->rack_id, &out->rack_id},
                 {from->client_id, &out->client_id},
                 {from->client_host, &out->client_host},
                 {from->regex, &out->regex},
                 {from->assignor, &out->assignor}};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(texts) && status == WEIR_OK; i++)
        status = text_dup(texts[i].from, texts[i].to);
    if (status == WEIR_OK)
        status = dup_topics(from->topics, from->topic_count, &out->topics);
    if (status == WEIR_OK) {
        out->topic_count = from->topic_count;
        status = dup_protocols(from->protocols, from->protocol_count, &out->protocols);
    }
    if (status == WEIR_OK)
        out->protocol_count = from->protocol_count;
    else
        drop_metadata(out);
    return status;
}

static void member_free(struct consumer_member *member)
{
    struct group_machine *machine = member->group->base.machine;
    timer_done(machine, &member->session);
    timer_done(machine, &member->rebalance);
    timer_done(machine, &member->join);
    timer_done(machine, &member->sync);
    drop_metadata(&member->data);
    partition_set_drop(&member->data.assigned);
    partition_set_drop(&member->data.revoking);
    text_drop(&member->data.id);
    weir_free(member);
}

enum weir_status consumer_add_member(struct consumer_group *group, struct weir_slice id,
                                     struct consumer_member **out)
{
    struct consumer_member *member = weir_calloc(1, sizeof(*member));
    if (member == NULL)
        return WEIR_NO_MEMORY;
    struct group_machine *machine = group->base.machine;
    member->group = group;
    member->data.epoch = -1;
    member->data.previous_epoch = -1;
    enum weir_status status = text_dup(id, &member->data.id);
    if (status == WEIR_OK)
        status = timer_init(machine, &member->session, consumer_session_expired);
    if (status == WEIR_OK)
        status = timer_init(machine, &member->rebalance, consumer_rebalance_expired);
    if (status == WEIR_OK)
        status = timer_init(machine, &member->join, consumer_join_expired);
    if (status == WEIR_OK)
        status = timer_init(machine, &member->sync, consumer_sync_expired);
    if (status == WEIR_OK)
        status = weir_map_put(&group->members, member->data.id, member, NULL);
    if (status != WEIR_OK) {
        member_free(member);
        return status;
    }
    *out = member;
    return WEIR_OK;
}

static void forget_instance(struct consumer_group *group, const struct consumer_member *member)
{
    if (consumer_find_static(group, member->data.instance_id) == member)
        (void)weir_map_remove(&group->by_instance, member->data.instance_id); /* it is `member` */
}

void consumer_remove_member(struct consumer_group *group, struct consumer_member *member)
{
    owners_remove(group, member);
    forget_instance(group, member);
    if (member->data.is_classic)
        group->classic_count--;
    (void)weir_map_remove(&group->members, member->data.id); /* it is `member` */
    member_free(member);
}

enum weir_status consumer_set_metadata(struct consumer_member *member,
                                       const struct member_data *data)
{
    struct consumer_group *group = member->group;
    struct member_data copy;
    enum weir_status status = dup_metadata(data, &copy);
    if (status != WEIR_OK)
        return status;
    forget_instance(group, member);
    if (!weir_slice_is_null(copy.instance_id)) {
        /* The key of an entry must not point into a member that is not its value. */
        (void)weir_map_remove(&group->by_instance, copy.instance_id);
        status = weir_map_put(&group->by_instance, copy.instance_id, member, NULL);
        if (status != WEIR_OK) {
            drop_metadata(&copy);
            return status; /* the shard is loaded again */
        }
    }
    if (member->data.is_classic)
        group->classic_count--;
    if (copy.is_classic)
        group->classic_count++;
    drop_metadata(&member->data);
    copy.id = member->data.id;
    copy.epoch = member->data.epoch;
    copy.previous_epoch = member->data.previous_epoch;
    copy.state = member->data.state;
    copy.assigned = member->data.assigned;
    copy.revoking = member->data.revoking;
    member->data = copy;
    return WEIR_OK;
}

enum weir_status consumer_set_assignment(struct consumer_member *member,
                                         const struct member_data *data)
{
    struct partition_set assigned;
    struct partition_set revoking;
    enum weir_status status = partition_set_dup(&data->assigned, &assigned);
    if (status != WEIR_OK)
        return status;
    status = partition_set_dup(&data->revoking, &revoking);
    if (status != WEIR_OK) {
        partition_set_drop(&assigned);
        return status;
    }
    owners_remove(member->group, member);
    partition_set_drop(&member->data.assigned);
    partition_set_drop(&member->data.revoking);
    member->data.assigned = assigned;
    member->data.revoking = revoking;
    member->data.epoch = data->epoch;
    member->data.previous_epoch = data->previous_epoch;
    member->data.state = data->state;
    return owners_add(member->group, member);
}

void consumer_free_members(struct consumer_group *group)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        member_free(entry->value);
}

static int compare_members(const void *a, const void *b)
{
    const struct consumer_member *const *left = a;
    const struct consumer_member *const *right = b;
    return weir_slice_compare((*left)->data.id, (*right)->data.id);
}

struct consumer_member **consumer_sorted_members(const struct consumer_group *group,
                                                 struct weir_arena *arena)
{
    struct consumer_member **members =
        weir_arena_calloc(arena, group->members.count + 1, sizeof(struct consumer_member *));
    if (members == NULL)
        return NULL;
    size_t count = 0;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL)
        members[count++] = entry->value;
    qsort(members, count, sizeof(struct consumer_member *), compare_members);
    return members;
}
