/* SPDX-License-Identifier: Apache-2.0 */
/* The table of share partitions, and what ends them. */
#include "slots_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <string.h>

/* A bound on what all sessions together remember. */
#define SESSION_PARTITIONS_MAX ((size_t)2000000)

enum weir_status weir_share_partitions_new(const struct weir_share_partitions_options *options,
                                           struct weir_share_partitions **out)
{
    struct weir_share_partitions *partitions = weir_calloc(1, sizeof(*partitions));
    if (partitions == NULL)
        return WEIR_NO_MEMORY;
    partitions->options = *options;
    enum weir_status status = weir_share_sessions_new(options->sessions_max, SESSION_PARTITIONS_MAX,
                                                      &partitions->sessions);
    if (status != WEIR_OK) {
        weir_free(partitions);
        return status;
    }
    weir_lock_init(&partitions->lock, WEIR_LOCK_RANK_SHARE_PARTITIONS);
    *out = partitions;
    return WEIR_OK;
}

struct weir_share_sessions *weir_share_partitions_sessions(struct weir_share_partitions *partitions)
{
    return partitions->sessions;
}

void slot_config(struct weir_share_partitions *partitions, struct weir_slice group_id,
                 struct slot_config *out)
{
    const struct weir_share_partitions_options *options = &partitions->options;
    const struct weir_image *image = weir_image_ref_current(options->publisher);
    struct weir_config_resolver resolver = {
        .image = image, .statics = options->statics, .broker_id = options->broker_id};
    *out = (struct slot_config){
        .partition = {.delivery_count_max = (int32_t)weir_config_group_i64(
                          &resolver, group_id, "share.delivery.count.limit"),
                      .lock_duration_ms = weir_config_group_i64(&resolver, group_id,
                                                                "share.record.lock.duration.ms"),
                      .record_locks_max = (int32_t)weir_config_group_i64(
                          &resolver, group_id, "share.partition.max.record.locks"),
                      .is_renew_enabled = weir_config_group_bool(&resolver, group_id,
                                                                 "share.renew.acknowledge.enable")},
        .is_read_committed = weir_slice_is(
            weir_config_group_str(&resolver, group_id, "share.isolation.level"), "read_committed"),
    };
    weir_image_unref(image);
}

int32_t weir_share_lock_duration_ms(struct weir_share_partitions *partitions,
                                    struct weir_slice group_id)
{
    struct slot_config config;
    slot_config(partitions, group_id, &config);
    return (int32_t)config.partition.lock_duration_ms;
}

enum weir_status slot_status_of_state(enum weir_status status)
{
    if (status == WEIR_OK || status == WEIR_NO_MEMORY || status == WEIR_UNKNOWN_TOPIC_OR_PARTITION)
        return status;
    if (status == WEIR_COORDINATOR_NOT_AVAILABLE || status == WEIR_NOT_COORDINATOR ||
        status == WEIR_COORDINATOR_LOAD_IN_PROGRESS)
        return WEIR_COORDINATOR_NOT_AVAILABLE;
    if (status == WEIR_GROUP_ID_NOT_FOUND)
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    if (status == WEIR_FENCED_STATE_EPOCH || status == WEIR_FENCED_LEADER_EPOCH)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    return WEIR_UNKNOWN_SERVER_ERROR;
}

/* ---- References ---- */

struct weir_share_slot *weir_share_slot_ref(struct weir_share_slot *slot)
{
    (void)atomic_fetch_add_explicit(&slot->refs, 1, memory_order_relaxed);
    return slot;
}

void weir_share_slot_unref(struct weir_share_slot *slot)
{
    /* Release and acquire: what others did with it is over before it is freed. */
    if (slot == NULL || atomic_fetch_sub_explicit(&slot->refs, 1, memory_order_acq_rel) != 1)
        return;
    WEIR_ASSERT(weir_list_is_empty(&slot->waiters) && slot->change_count == 0);
    weir_share_partition_free(slot->machine);
    weir_share_state_op_free(&slot->read_op);
    weir_partition_unref(slot->partition);
    weir_lock_done(&slot->lock);
    weir_free(slot);
}

static size_t key_bytes(const struct weir_share_key *key)
{
    return sizeof(key->topic_id) + sizeof(key->partition) + key->group_id.size;
}

static struct weir_slice write_key(uint8_t *bytes, const struct weir_share_key *key)
{
    size_t at = 0;
    memcpy(bytes, &key->topic_id, sizeof(key->topic_id));
    at += sizeof(key->topic_id);
    memcpy(bytes + at, &key->partition, sizeof(key->partition));
    at += sizeof(key->partition);
    if (key->group_id.size > 0)
        memcpy(bytes + at, key->group_id.data, key->group_id.size);
    return weir_slice_of(bytes, key_bytes(key));
}

static struct weir_share_slot *new_slot(struct weir_share_partitions *partitions,
                                        const struct weir_share_key *key,
                                        struct weir_partition *take_partition, int32_t leader_epoch)
{
    struct weir_share_slot *slot = weir_calloc(1, sizeof(*slot) + key_bytes(key));
    if (slot == NULL) {
        weir_partition_unref(take_partition);
        return NULL;
    }
    atomic_init(&slot->refs, 1);
    slot->owner = partitions;
    slot->key_text = write_key((uint8_t *)(slot + 1), key);
    slot->key = *key;
    slot->key.group_id = weir_slice_of(
        slot->key_text.data + slot->key_text.size - key->group_id.size, key->group_id.size);
    slot->partition = take_partition;
    slot->leader_epoch = leader_epoch;
    weir_lock_init(&slot->lock, WEIR_LOCK_RANK_SHARE_PARTITION);
    weir_list_init(&slot->waiters);
    weir_list_init(&slot->changes);
    slot->timer.run = slot_run_timer;
    return slot;
}

/* ---- The table ---- */

/* A new reference to a slot that is in the table; NULL when there is none, or memory is out. */
static struct weir_share_slot *find(struct weir_share_partitions *partitions,
                                    const struct weir_share_key *key)
{
    uint8_t *bytes = weir_malloc(key_bytes(key));
    if (bytes == NULL)
        return NULL;
    struct weir_slice text = write_key(bytes, key);
    weir_lock_take(&partitions->lock);
    struct weir_share_slot *slot = weir_map_get(&partitions->slots, text);
    if (slot != NULL)
        (void)weir_share_slot_ref(slot);
    weir_lock_release(&partitions->lock);
    weir_free(bytes);
    return slot;
}

/* The slot that is in the table afterwards, with a new reference; a slot that was there already
 * stays, and *out_added is false. */
static enum weir_status add(struct weir_share_partitions *partitions, struct weir_share_slot *slot,
                            struct weir_share_slot **out, bool *out_added)
{
    enum weir_status status = WEIR_OK;
    *out_added = false;
    weir_lock_take(&partitions->lock);
    struct weir_share_slot *former = weir_map_get(&partitions->slots, slot->key_text);
    if (partitions->is_stopped)
        status = WEIR_NOT_LEADER_OR_FOLLOWER;
    else if (former != NULL)
        *out = weir_share_slot_ref(former);
    else if (partitions->slots.count >= partitions->options.partitions_max)
        status = WEIR_COORDINATOR_NOT_AVAILABLE;
    else
        status = weir_map_put(&partitions->slots, slot->key_text, slot, NULL);
    if (status == WEIR_OK && former == NULL) {
        *out = weir_share_slot_ref(slot);
        *out_added = true;
    }
    weir_lock_release(&partitions->lock);
    return status;
}

enum weir_status weir_share_slot_get(struct weir_share_partitions *partitions,
                                     const struct weir_share_key *key, struct weir_share_slot **out,
                                     bool *out_is_new)
{
    *out_is_new = false;
    *out = find(partitions, key);
    if (*out != NULL)
        return WEIR_OK;
    struct weir_partition *partition =
        partitions->options.find_partition(partitions->options.find_context, key->topic_id,
                                           key->partition);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    struct weir_partition_role role;
    weir_partition_role(partition, &role);
    if (!role.is_leader) {
        weir_partition_unref(partition);
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    }
    struct weir_share_slot *slot = new_slot(partitions, key, partition, role.leader_epoch);
    if (slot == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = add(partitions, slot, out, out_is_new);
    if (*out_is_new)
        slot_load(slot); /* the table has the first reference */
    else
        weir_share_slot_unref(slot);
    return status;
}

static void remove_from_table(struct weir_share_slot *slot)
{
    struct weir_share_partitions *partitions = slot->owner;
    weir_lock_take(&partitions->lock);
    bool is_there = weir_map_get(&partitions->slots, slot->key_text) == slot;
    if (is_there)
        (void)weir_map_remove(&partitions->slots, slot->key_text); /* it is `slot` */
    weir_lock_release(&partitions->lock);
    if (is_there)
        weir_share_slot_unref(slot);
}

void slot_wake(struct weir_share_slot *slot)
{
    WEIR_LIST_FOREACH(node, &slot->waiters) {
        struct weir_share_waiter *waiter = WEIR_LIST_ENTRY(node, struct weir_share_waiter, node);
        waiter->wake(waiter);
    }
}

/* The caller has a reference. */
void slot_drop(struct weir_share_slot *slot, enum weir_status status)
{
    unsigned dropped_refs = 0;
    weir_lock_take(&slot->lock);
    if (slot->state != SLOT_DROPPED) {
        slot->state = SLOT_DROPPED;
        slot->status = status;
        if (slot->is_timer_set && weir_task_pool_cancel(slot->owner->options.pool, &slot->timer)) {
            slot->is_timer_set = false;
            dropped_refs++;
        }
        if (weir_task_pool_cancel(slot->owner->options.pool, &slot->load_task))
            dropped_refs++;
        slot_wake(slot);
    }
    weir_lock_release(&slot->lock);
    for (; dropped_refs > 0; dropped_refs--)
        weir_share_slot_unref(slot);
    remove_from_table(slot);
}

void slot_retire(struct weir_share_slot *slot)
{
    weir_lock_take(&slot->lock);
    bool is_idle = slot->change_count == 0 && !slot->is_writing;
    weir_lock_release(&slot->lock);
    if (is_idle)
        slot_drop(slot, WEIR_NOT_LEADER_OR_FOLLOWER);
}

void weir_share_slot_wait(struct weir_share_slot *slot, struct weir_share_waiter *waiter)
{
    weir_lock_take(&slot->lock);
    weir_list_push_back(&slot->waiters, &waiter->node);
    weir_lock_release(&slot->lock);
}

void weir_share_slot_wait_cancel(struct weir_share_slot *slot, struct weir_share_waiter *waiter)
{
    weir_lock_take(&slot->lock);
    weir_list_remove(&waiter->node);
    weir_lock_release(&slot->lock);
}

/* ---- Ends ---- */

/* Any slot that matches, with a new reference; NULL: there is none (any more). */
static struct weir_share_slot *find_match(struct weir_share_partitions *partitions,
                                          bool (*matches)(const struct weir_share_slot *slot,
                                                          const struct weir_share_key *key),
                                          const struct weir_share_key *key)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    struct weir_share_slot *found = NULL;
    weir_lock_take(&partitions->lock);
    while (found == NULL && (entry = weir_map_next(&partitions->slots, &cursor)) != NULL) {
        if (matches(entry->value, key))
            found = weir_share_slot_ref(entry->value);
    }
    weir_lock_release(&partitions->lock);
    return found;
}

static void drop_matches(struct weir_share_partitions *partitions,
                         bool (*matches)(const struct weir_share_slot *slot,
                                         const struct weir_share_key *key),
                         const struct weir_share_key *key, enum weir_status status)
{
    struct weir_share_slot *slot;
    while ((slot = find_match(partitions, matches, key)) != NULL) {
        slot_drop(slot, status);
        weir_share_slot_unref(slot);
    }
}

static bool is_of_partition(const struct weir_share_slot *slot, const struct weir_share_key *key)
{
    return weir_uuid_equal(slot->key.topic_id, key->topic_id) &&
           (key->partition < 0 || slot->key.partition == key->partition);
}

static bool is_of_group(const struct weir_share_slot *slot, const struct weir_share_key *key)
{
    return weir_slice_equal(slot->key.group_id, key->group_id) &&
           !atomic_load_explicit(&slot->is_retiring, memory_order_relaxed);
}

static bool is_any(const struct weir_share_slot *slot, const struct weir_share_key *key)
{
    (void)slot;
    (void)key;
    return true;
}

void weir_share_partitions_lost(struct weir_share_partitions *partitions, struct weir_uuid topic_id,
                                int32_t partition)
{
    drop_matches(partitions, is_of_partition,
                 &(struct weir_share_key){.topic_id = topic_id, .partition = partition},
                 WEIR_NOT_LEADER_OR_FOLLOWER);
}

static void group_emptied(struct weir_share_partitions *partitions, struct weir_slice group_id)
{
    struct weir_share_slot *slot;
    while ((slot = find_match(partitions, is_of_group,
                              &(struct weir_share_key){.group_id = group_id})) != NULL) {
        /* Whoever stores its last change reads this after the lock that the other took. */
        atomic_store_explicit(&slot->is_retiring, true, memory_order_relaxed);
        slot_retire(slot);
        weir_share_slot_unref(slot);
    }
}

bool weir_share_partitions_end_session(struct weir_share_partitions *partitions,
                                       struct weir_slice group_id, struct weir_slice member_id)
{
    struct weir_arena arena;
    const struct weir_share_session_partition *items;
    size_t count;
    weir_arena_init(&arena, 0);
    bool is_closed = weir_share_sessions_close(partitions->sessions, group_id, member_id, &arena,
                                               &items, &count);
    for (size_t i = 0; i < count; i++) {
        struct weir_share_slot *slot =
            find(partitions, &(struct weir_share_key){.group_id = group_id,
                                                      .topic_id = items[i].topic_id,
                                                      .partition = items[i].partition});
        if (slot == NULL)
            continue;
        slot_release_member(slot, member_id);
        weir_share_slot_unref(slot);
    }
    weir_arena_done(&arena);
    if (is_closed && !weir_share_sessions_has_group(partitions->sessions, group_id))
        group_emptied(partitions, group_id);
    return is_closed;
}

void weir_share_partitions_connection_ended(struct weir_share_partitions *partitions,
                                            uint64_t connection_id)
{
    struct weir_arena arena;
    struct weir_slice group_id;
    struct weir_slice member_id;
    weir_arena_init(&arena, 0);
    /* A session that cannot be closed for want of memory would be found again: its locks run out.
     */
    while (weir_share_sessions_of_connection(partitions->sessions, connection_id, &arena, &group_id,
                                             &member_id) &&
           weir_share_partitions_end_session(partitions, group_id, member_id))
        weir_arena_reset(&arena);
    weir_arena_done(&arena);
}

void weir_share_partitions_stop(struct weir_share_partitions *partitions)
{
    if (partitions == NULL)
        return;
    weir_lock_take(&partitions->lock);
    partitions->is_stopped = true;
    weir_lock_release(&partitions->lock);
    drop_matches(partitions, is_any, NULL, WEIR_NOT_LEADER_OR_FOLLOWER);
}

void weir_share_partitions_free(struct weir_share_partitions *partitions)
{
    if (partitions == NULL)
        return;
    weir_share_partitions_stop(partitions);
    weir_map_done(&partitions->slots);
    weir_share_sessions_free(partitions->sessions);
    weir_lock_done(&partitions->lock);
    weir_free(partitions);
}

/* ---- Acknowledge ---- */

static void refuse(struct weir_share_acknowledge_op *op, enum weir_status status)
{
    op->status = status;
    op->done(op);
}

void weir_share_acknowledge(struct weir_share_partitions *partitions,
                            const struct weir_share_key *key, struct weir_slice member_id,
                            const struct weir_share_acknowledgement *items, size_t count,
                            struct weir_share_acknowledge_op *op)
{
    struct weir_share_slot *slot = find(partitions, key);
    struct slot_change *change = slot == NULL ? NULL : slot_change_new(slot);
    struct slot_config config;
    if (change == NULL) {
        refuse(op, slot == NULL ? WEIR_UNKNOWN_TOPIC_OR_PARTITION : WEIR_NO_MEMORY);
        weir_share_slot_unref(slot);
        return;
    }
    slot_config(partitions, key->group_id, &config);
    int64_t now_ms = weir_env_monotonic_ms(partitions->options.env);
    weir_lock_take(&slot->lock);
    enum weir_status status = WEIR_OK;
    if (slot->state == SLOT_DROPPED)
        status = slot->status;
    else if (slot->state == SLOT_LOADING)
        status = WEIR_INVALID_RECORD_STATE; /* nobody holds anything yet */
    else
        status =
            weir_share_partition_acknowledge(slot->machine, &config.partition, member_id, items,
                                             count, now_ms, &change->arena, &change->what);
    bool is_pending = status == WEIR_OK && change->what.batch_count > 0;
    if (is_pending) {
        change->waiting = op;
        slot_enqueue(slot, change);
    } else if (status == WEIR_OK) {
        slot_wake(slot);
    }
    if (slot->state == SLOT_READY)
        slot_arm(slot, now_ms); /* renewed locks */
    weir_lock_release(&slot->lock);
    if (is_pending) {
        slot_pump(slot);
    } else {
        slot_change_free(change);
        refuse(op, status);
    }
    weir_share_slot_unref(slot);
}
