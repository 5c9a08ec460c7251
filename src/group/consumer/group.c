/* SPDX-License-Identifier: Apache-2.0 */

/* The consumer group: what belongs to it, who holds what (G2), and what it does as one of the
 * kinds. */

#include "consumer_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

struct consumer_group *consumer_of(struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_CONSUMER));
    return WEIR_CONTAINER_OF(group, struct consumer_group, base);
}

const struct consumer_group *consumer_of_const(const struct group *group)
{
    WEIR_ASSERT(group_is(group, GROUP_CONSUMER));
    return (const struct consumer_group *)group; /* base is its first member */
}

struct consumer_group *consumer_group_of(const struct group_machine *machine, struct weir_slice id)
{
    struct group *group = machine_group(machine, id);
    return group != NULL && group_is(group, GROUP_CONSUMER) ? consumer_of(group) : NULL;
}

/* Since 4.3.0 groups begin with epoch 1, so that the first member makes it 2. */
enum { CONSUMER_EPOCH_INITIAL = 1 };

enum weir_status consumer_group_new(struct group_machine *machine, struct weir_slice id,
                                    struct consumer_group **out)
{
    struct consumer_group *group = weir_calloc(1, sizeof(*group));
    enum weir_status status =
        group == NULL ? WEIR_NO_MEMORY : group_init(&group->base, &consumer_group_ops, machine, id);
    if (status != WEIR_OK) {
        weir_free(group);
        return status;
    }
    group->is_metadata_stale = true; /* nobody has looked yet */
    group->epoch = CONSUMER_EPOCH_INITIAL;
    group->assignment_epoch = CONSUMER_EPOCH_INITIAL;
    *out = group;
    return WEIR_OK;
}

/* ---- Who holds what ---- */

#define OWNER_KEY_BYTES (sizeof(struct weir_uuid) + sizeof(int32_t))

struct partition_owner {
    uint8_t key[OWNER_KEY_BYTES];
    const struct consumer_member *member;
};

static void owner_key(struct weir_uuid topic_id, int32_t partition, uint8_t out[OWNER_KEY_BYTES])
{
    memcpy(out, &topic_id, sizeof(topic_id));
    memcpy(out + sizeof(topic_id), &partition, sizeof(partition));
}

static enum weir_status own(struct consumer_group *group, const struct consumer_member *member,
                            const struct partition_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        uint8_t key[OWNER_KEY_BYTES];
        owner_key(set->items[i].topic_id, set->items[i].partition, key);
        struct partition_owner *owner =
            weir_map_get(&group->owners, weir_slice_of(key, sizeof(key)));
        if (owner != NULL) {
            /* In a log that is half compacted the former holder's last record may come later. */
            owner->member = member;
            continue;
        }
        owner = weir_malloc(sizeof(*owner));
        if (owner == NULL)
            return WEIR_NO_MEMORY;
        memcpy(owner->key, key, sizeof(key));
        owner->member = member;
        if (weir_map_put(&group->owners, weir_slice_of(owner->key, sizeof(owner->key)), owner,
                         NULL) != WEIR_OK) {
            weir_free(owner);
            return WEIR_NO_MEMORY;
        }
    }
    return WEIR_OK;
}

static void disown(struct consumer_group *group, const struct consumer_member *member,
                   const struct partition_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        uint8_t key[OWNER_KEY_BYTES];
        owner_key(set->items[i].topic_id, set->items[i].partition, key);
        struct partition_owner *owner =
            weir_map_get(&group->owners, weir_slice_of(key, sizeof(key)));
        if (owner == NULL || owner->member != member)
            continue;
        (void)weir_map_remove(&group->owners, weir_slice_of(key, sizeof(key))); /* it is `owner` */
        weir_free(owner);
    }
}

enum weir_status owners_add(struct consumer_group *group, const struct consumer_member *member)
{
    enum weir_status status = own(group, member, &member->data.assigned);
    return status == WEIR_OK ? own(group, member, &member->data.revoking) : status;
}

void owners_remove(struct consumer_group *group, const struct consumer_member *member)
{
    disown(group, member, &member->data.assigned);
    disown(group, member, &member->data.revoking);
}

bool owners_has(const struct consumer_group *group, struct weir_uuid topic_id, int32_t partition)
{
    uint8_t key[OWNER_KEY_BYTES];
    owner_key(topic_id, partition, key);
    return weir_map_get(&group->owners, weir_slice_of(key, sizeof(key))) != NULL;
}

/* ---- Targets ---- */

static void target_free(struct consumer_target *target)
{
    if (target == NULL)
        return;
    text_drop(&target->member_id);
    partition_set_drop(&target->partitions);
    weir_free(target);
}

struct partition_set consumer_target_of(const struct consumer_group *group,
                                        struct weir_slice member_id)
{
    const struct consumer_target *target = weir_map_get(&group->targets, member_id);
    static const struct partition_set nothing;
    return target == NULL ? nothing : target->partitions;
}

void consumer_remove_target(struct consumer_group *group, struct weir_slice member_id)
{
    target_free(weir_map_remove(&group->targets, member_id));
}

enum weir_status consumer_set_target(struct consumer_group *group, struct weir_slice member_id,
                                     const struct partition_set *partitions)
{
    struct consumer_target *target = weir_calloc(1, sizeof(*target));
    if (target == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = text_dup(member_id, &target->member_id);
    if (status == WEIR_OK)
        status = partition_set_dup(partitions, &target->partitions);
    if (status == WEIR_OK) {
        consumer_remove_target(group, member_id);
        status = weir_map_put(&group->targets, target->member_id, target, NULL);
    }
    if (status != WEIR_OK)
        target_free(target);
    return status;
}

/* ---- Regular expressions ---- */

static void regex_free(struct resolved_regex *regex)
{
    if (regex == NULL)
        return;
    for (size_t i = 0; regex->topics != NULL && i < regex->topic_count; i++)
        text_drop(&regex->topics[i]);
    weir_free(regex->topics);
    text_drop(&regex->text);
    weir_free(regex);
}

struct resolved_regex *consumer_regex(const struct consumer_group *group, struct weir_slice text)
{
    return text.size == 0 ? NULL : weir_map_get(&group->regexes, text);
}

void consumer_remove_regex(struct consumer_group *group, struct weir_slice text)
{
    regex_free(weir_map_remove(&group->regexes, text));
}

enum weir_status consumer_set_regex(struct consumer_group *group, const struct resolved_regex *from)
{
    struct resolved_regex *regex = weir_calloc(1, sizeof(*regex));
    if (regex == NULL)
        return WEIR_NO_MEMORY;
    regex->version = from->version;
    regex->wall_ms = from->wall_ms;
    enum weir_status status = text_dup(from->text, &regex->text);
    regex->topics = weir_calloc(from->topic_count + 1, sizeof(*regex->topics));
    if (regex->topics == NULL)
        status = WEIR_NO_MEMORY;
    for (size_t i = 0; status == WEIR_OK && i < from->topic_count; i++) {
        status = text_dup(from->topics[i], &regex->topics[i]);
        regex->topic_count = i + 1;
    }
    if (status == WEIR_OK) {
        consumer_remove_regex(group, regex->text);
        status = weir_map_put(&group->regexes, regex->text, regex, NULL);
    }
    if (status != WEIR_OK) {
        regex_free(regex);
        return status;
    }
    if (from->wall_ms > group->resolved_wall_ms)
        group->resolved_wall_ms = from->wall_ms;
    if (from->version > group->resolved_version)
        group->resolved_version = from->version;
    return WEIR_OK;
}

size_t consumer_regex_users(const struct consumer_group *group, struct weir_slice text)
{
    size_t users = 0;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        const struct consumer_member *member = entry->value;
        if (member->data.regex.size > 0 && weir_slice_equal(member->data.regex, text))
            users++;
    }
    return users;
}

/* ---- The end ---- */

void consumer_group_free(struct consumer_group *group)
{
    if (group == NULL)
        return;
    consumer_free_members(group);
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->targets, &cursor)) != NULL)
        target_free(entry->value);
    cursor = 0;
    while ((entry = weir_map_next(&group->regexes, &cursor)) != NULL)
        regex_free(entry->value);
    cursor = 0;
    while ((entry = weir_map_next(&group->owners, &cursor)) != NULL)
        weir_free(entry->value);
    weir_map_done(&group->members);
    weir_map_done(&group->by_instance);
    weir_map_done(&group->targets);
    weir_map_done(&group->owners);
    weir_map_done(&group->regexes);
    group_done(&group->base);
    weir_free(group);
}

/* ---- As one of the kinds ---- */

const char *consumer_state_name(const struct consumer_group *group)
{
    if (group->members.count == 0)
        return "Empty";
    if (group->epoch > group->assignment_epoch)
        return "Assigning";
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        const struct consumer_member *member = entry->value;
        if (!member_is_reconciled(&member->data, group->assignment_epoch))
            return "Reconciling";
    }
    return "Stable";
}

static enum weir_status create(struct group_machine *machine, struct weir_slice id, int64_t wall_ms,
                               struct group **out)
{
    (void)wall_ms;
    struct consumer_group *group;
    enum weir_status status = consumer_group_new(machine, id, &group);
    if (status == WEIR_OK)
        *out = &group->base;
    return status;
}

static void free_group(struct group *group)
{
    consumer_group_free(group == NULL ? NULL : consumer_of(group));
}

static const char *state_name(const struct group *group)
{
    return consumer_state_name(consumer_of_const(group));
}

static struct weir_slice protocol_type(const struct group *group)
{
    (void)group;
    return WEIR_SLICE(CONSUMER_PROTOCOL_TYPE);
}

static size_t member_count(const struct group *group)
{
    return consumer_of_const(group)->members.count;
}

static bool is_empty(const struct group *group)
{
    return consumer_of_const(group)->members.count == 0;
}

static bool is_subscribed(const struct group *group, struct weir_slice topic)
{
    return consumer_is_subscribed(consumer_of_const(group), topic);
}

static enum weir_status stale_status(const struct consumer_member *member)
{
    return member->data.is_classic ? WEIR_ILLEGAL_GENERATION : WEIR_STALE_MEMBER_EPOCH;
}

static enum weir_status check_commit(struct group *base, const struct group_committer *committer,
                                     struct weir_step *step)
{
    (void)step;
    const struct consumer_group *group = consumer_of(base);
    if (committer->generation < 0 && group->members.count == 0)
        return WEIR_OK; /* an administrator */
    if (committer->is_transactional && committer->generation == -1 &&
        committer->member_id.size == 0 && weir_slice_is_null(committer->instance_id))
        return WEIR_OK; /* a producer that does not say for whom */
    const struct consumer_member *member = consumer_find(group, committer->member_id);
    if (member == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    if (!member->data.is_classic && !committer->is_transactional && !committer->knows_stale_epoch)
        return WEIR_UNSUPPORTED_VERSION;
    /* One that is behind may still commit for partitions it has had since then (KIP-1251). */
    return committer->generation <= member->data.epoch ? WEIR_OK : stale_status(member);
}

static enum weir_status check_commit_item(const struct group *base,
                                          const struct group_committer *committer,
                                          const struct weir_offset_commit_item *item)
{
    const struct consumer_group *group = consumer_of_const(base);
    const struct consumer_member *member = consumer_find(group, committer->member_id);
    if (member == NULL || committer->generation == member->data.epoch)
        return WEIR_OK;
    struct weir_uuid topic_id = item->topic_id;
    if (weir_uuid_is_zero(topic_id)) {
        const struct weir_image_topic *topic = weir_image_topic(base->machine->image, item->topic);
        if (topic == NULL)
            return stale_status(member);
        topic_id = topic->id;
    }
    const struct held_partition *held =
        partition_set_find(&member->data.assigned, topic_id, item->partition);
    if (held == NULL)
        held = partition_set_find(&member->data.revoking, topic_id, item->partition);
    return held != NULL && committer->generation >= held->epoch ? WEIR_OK : stale_status(member);
}

static enum weir_status check_fetch(const struct group *base, struct weir_slice member_id,
                                    int32_t member_epoch)
{
    if (weir_slice_is_null(member_id) && member_epoch < 0)
        return WEIR_OK; /* an administrator, or a client that does not say */
    const struct consumer_member *member = consumer_find(consumer_of_const(base), member_id);
    if (member == NULL)
        return WEIR_UNKNOWN_MEMBER_ID;
    if (member_epoch == member->data.epoch)
        return WEIR_OK;
    return member->data.is_classic ? WEIR_ILLEGAL_GENERATION : WEIR_STALE_MEMBER_EPOCH;
}

static bool retention_start(const struct group *group, const struct stored_offset *offset,
                            int64_t *out_ms)
{
    (void)group;
    *out_ms = offset->commit_ms;
    return true;
}

static void write_tombstones(const struct group *group, struct weir_step *step)
{
    consumer_write_tombstones(consumer_of_const(group), WEIR_NULL_SLICE, WEIR_NULL_SLICE, step);
}

static void image_changed(struct group *base, const struct weir_image_delta *delta,
                          struct weir_step *step)
{
    (void)step; /* the next heartbeat looks */
    struct consumer_group *group = consumer_of(base);
    if (delta->created_topic_count > 0)
        group->has_new_topics = true;
    if (delta->brokers_changed)
        group->is_metadata_stale = true; /* racks */
    for (size_t i = 0; i < delta->created_topic_count && !group->is_metadata_stale; i++)
        group->is_metadata_stale = consumer_is_subscribed(group, delta->created_topics[i]->name);
    for (size_t i = 0; i < delta->deleted_topic_count && !group->is_metadata_stale; i++)
        group->is_metadata_stale = consumer_is_subscribed(group, delta->deleted_topics[i]->name);
    for (size_t i = 0; i < delta->changed_topic_count && !group->is_metadata_stale; i++)
        group->is_metadata_stale =
            consumer_is_subscribed(group, delta->changed_topics[i].after->name);
}

const struct group_ops consumer_group_ops = {.kind = GROUP_CONSUMER,
                                             .type_name = "consumer",
                                             .may_become_classic = true,
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
                                             .write_tombstones = write_tombstones,
                                             .loaded = consumer_loaded,
                                             .image_changed = image_changed,
                                             .join = consumer_classic_join,
                                             .sync = consumer_classic_sync,
                                             .heartbeat = consumer_classic_heartbeat,
                                             .leave = consumer_classic_leave};
