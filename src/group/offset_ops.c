/* SPDX-License-Identifier: Apache-2.0 */

/* OffsetCommit, OffsetFetch, OffsetDelete, expiry (KIP-211, KIP-496) and deleted topics. */

#include "group_int.h"

#include "weir/base/memory.h"
#include "weir/coordinator/java_hash.h"

#include <stdlib.h>

/* So that one step stays short; the rest comes with the next tick. */
#define TOMBSTONES_PER_STEP 1000

/* ---- Commit ---- */

static enum weir_status prepare_commit(struct group_machine *machine,
                                       const struct weir_group_offset_commit_request *request,
                                       const struct group_committer *committer,
                                       struct weir_step *step)
{
    struct group *group = machine_group(machine, request->group_id);
    if (group == NULL) {
        /* A negative generation makes a "simple" group; replay of the record creates it. */
        if (request->generation < 0)
            return WEIR_OK;
        return request->knows_group_id_not_found ? WEIR_GROUP_ID_NOT_FOUND
                                                 : WEIR_ILLEGAL_GENERATION;
    }
    return group->ops->check_commit(group, committer, step);
}

static enum weir_status check_item(const struct group_machine *machine, const struct group *group,
                                   const struct group_committer *committer,
                                   const struct weir_offset_commit_item *item)
{
    size_t length_max = (size_t)machine->config->offset_metadata_max_bytes;
    /* Bytes are at least as many as UTF-16 units: most need no counting. */
    if (item->metadata.size > length_max && weir_java_length(item->metadata) > length_max)
        return WEIR_OFFSET_METADATA_TOO_LARGE;
    if (group == NULL || group->ops->check_commit_item == NULL)
        return WEIR_OK;
    return group->ops->check_commit_item(group, committer, item);
}

/* TxnOffsetCommit has no word for a stale epoch. */
static enum weir_status commit_status(const struct group_committer *committer,
                                      enum weir_status status)
{
    return committer->is_transactional && status == WEIR_STALE_MEMBER_EPOCH
               ? WEIR_ILLEGAL_GENERATION
               : status;
}

void offset_commit(struct group_machine *machine,
                   const struct weir_group_offset_commit_request *request,
                   struct weir_offset_commit *commit, struct weir_step *step)
{
    struct group_committer committer = {.member_id = request->member_id,
                                        .instance_id = request->instance_id,
                                        .generation = request->generation,
                                        .is_transactional = request->is_transactional,
                                        .knows_stale_epoch = request->knows_group_id_not_found};
    enum weir_status status = prepare_commit(machine, request, &committer, step);
    if (status != WEIR_OK) {
        op_complete(&commit->op, commit_status(&committer, status), step);
        return;
    }
    int64_t expire_ms = NO_TIMESTAMP;
    if (request->is_transactional)
        weir_step_set_txn(step, &request->txn);
    if (request->retention_ms >= 0 &&
        __builtin_add_overflow(step->wall_ms, request->retention_ms, &expire_ms))
        expire_ms = INT64_MAX;
    const struct group *group = machine_group(machine, request->group_id);
    for (size_t i = 0; i < commit->item_count; i++) {
        struct weir_offset_commit_item *item = &commit->items[i];
        item->status = commit_status(&committer, check_item(machine, group, &committer, item));
        if (item->status != WEIR_OK)
            continue;
        record_offset(step, request->group_id, item, step->wall_ms, expire_ms);
    }
    commit->op.status = WEIR_OK;
    op_wait_committed(&commit->op, step);
}

/* ---- Fetch ---- */

static void fill_unknown(struct weir_offset_fetch_item *item, enum weir_status status)
{
    item->status = status;
    item->offset = -1;
    item->leader_epoch = -1;
    item->metadata = WEIR_EMPTY_SLICE;
}

static enum weir_status fill_stored(struct weir_offset_fetch_item *item,
                                    const struct stored_offset *stored, struct weir_arena *arena)
{
    item->status = WEIR_OK;
    item->offset = stored->offset;
    item->leader_epoch = stored->leader_epoch;
    return weir_arena_copy(arena, stored->metadata, &item->metadata);
}

static enum weir_status fetch_item(const struct group_offsets *offsets, bool require_stable,
                                   struct weir_offset_fetch_item *item, struct weir_arena *arena)
{
    const struct stored_offset *stored = group_offsets_find(offsets, item->topic, item->partition);
    bool is_of_other_topic = stored != NULL && !weir_uuid_is_zero(stored->topic_id) &&
                             !weir_uuid_is_zero(item->topic_id) &&
                             !weir_uuid_equal(stored->topic_id, item->topic_id);
    if (require_stable && group_offsets_is_pending(offsets, item->topic, item->partition))
        fill_unknown(item, WEIR_UNSTABLE_OFFSET_COMMIT);
    else if (stored == NULL || is_of_other_topic)
        fill_unknown(item, WEIR_OK);
    else
        return fill_stored(item, stored, arena);
    return WEIR_OK;
}

static int compare_items(const void *a, const void *b)
{
    const struct weir_offset_fetch_item *left = a;
    const struct weir_offset_fetch_item *right = b;
    int order = weir_slice_compare(left->topic, right->topic);
    return order != 0 ? order
                      : (left->partition > right->partition) - (left->partition < right->partition);
}

static enum weir_status fetch_all(const struct group_offsets *offsets,
                                  struct weir_offset_fetch *fetch)
{
    fetch->items = NULL;
    fetch->item_count = 0;
    if (offsets == NULL)
        return WEIR_OK;
    struct weir_arena *arena = &fetch->op.arena;
    fetch->items = weir_arena_calloc(arena, offsets->committed.count + 1, sizeof(*fetch->items));
    if (fetch->items == NULL)
        return WEIR_NO_MEMORY;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&offsets->committed, &cursor)) != NULL) {
        const struct stored_offset *stored = entry->value;
        struct weir_offset_fetch_item *item = &fetch->items[fetch->item_count++];
        item->topic_id = stored->topic_id;
        item->partition = stored->partition;
        enum weir_status status = weir_arena_copy(arena, stored->topic, &item->topic);
        if (status == WEIR_OK)
            status = fetch_item(offsets, fetch->require_stable, item, arena);
        if (status != WEIR_OK)
            return status;
    }
    qsort(fetch->items, fetch->item_count, sizeof(*fetch->items), compare_items);
    return WEIR_OK;
}

static enum weir_status check_fetch(const struct group *group,
                                    const struct weir_offset_fetch *fetch)
{
    if (group == NULL || group->ops->check_fetch == NULL)
        return WEIR_OK;
    return group->ops->check_fetch(group, fetch->member_id, fetch->member_epoch);
}

void offset_fetch(struct group_machine *machine, struct weir_slice group_id,
                  struct weir_offset_fetch *fetch, struct weir_step *step)
{
    /* A group that was removed has no offsets, whatever is still in the table. */
    const struct group *group = machine_group(machine, group_id);
    const struct group_offsets *offsets =
        group == NULL ? NULL : offsets_of_group(&machine->offsets, group_id);
    enum weir_status status = check_fetch(group, fetch);
    if (status != WEIR_OK) {
        op_complete(&fetch->op, status, step);
        return;
    }
    if (fetch->all_topics) {
        status = fetch_all(offsets, fetch);
    } else {
        for (size_t i = 0; i < fetch->item_count && status == WEIR_OK; i++)
            status = fetch_item(offsets, fetch->require_stable, &fetch->items[i], &fetch->op.arena);
    }
    if (status != WEIR_OK) {
        op_complete(&fetch->op, WEIR_UNKNOWN_SERVER_ERROR, step);
        return;
    }
    /* What was read may be above the high watermark: a position that could still be lost must not
     * be handed out. */
    fetch->op.status = WEIR_OK;
    op_wait_committed(&fetch->op, step);
}

/* ---- Delete ---- */

void offset_delete(struct group_machine *machine, struct weir_slice group_id,
                   struct weir_offset_delete *remove, struct weir_step *step)
{
    const struct group *group = machine_group(machine, group_id);
    enum weir_status status = WEIR_OK;
    if (group == NULL)
        status = WEIR_GROUP_ID_NOT_FOUND;
    else if (group->ops->check_offset_delete != NULL)
        status = group->ops->check_offset_delete(group);
    if (status != WEIR_OK) {
        op_complete(&remove->op, status, step);
        return;
    }
    const struct group_offsets *offsets = offsets_of_group(&machine->offsets, group_id);
    step->is_atomic = false;
    for (size_t i = 0; i < remove->item_count; i++) {
        struct weir_offset_delete_item *item = &remove->items[i];
        item->status = WEIR_OK;
        if (group_is_subscribed(group, item->topic))
            item->status = WEIR_GROUP_SUBSCRIBED_TO_TOPIC;
        else if (group_offsets_find(offsets, item->topic, item->partition) != NULL ||
                 group_offsets_is_pending(offsets, item->topic, item->partition))
            record_offset_tombstone(step, group_id, item->topic, item->partition);
    }
    remove->op.status = WEIR_OK;
    op_wait_committed(&remove->op, step);
}

static void forget_map(struct weir_slice group_id, const struct weir_map *map,
                       struct weir_step *step)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(map, &cursor)) != NULL) {
        const struct stored_offset *stored = entry->value;
        record_offset_tombstone(step, group_id, stored->topic, stored->partition);
    }
}

void offsets_forget_group(struct group_machine *machine, struct weir_slice group_id,
                          struct weir_step *step)
{
    const struct group_offsets *offsets = offsets_of_group(&machine->offsets, group_id);
    if (offsets == NULL)
        return;
    forget_map(group_id, &offsets->committed, step);
    WEIR_LIST_FOREACH(node, &offsets->txns)
        forget_map(group_id, &WEIR_LIST_ENTRY(node, struct txn_part, group_node)->offsets, step);
}

/* ---- Expiry ---- */

static bool is_expired(const struct group_machine *machine, const struct group *group,
                       const struct stored_offset *stored, int64_t wall_ms)
{
    int64_t start_ms;
    if (!group->ops->retention_start(group, stored, &start_ms))
        return false;
    if (stored->expire_ms != NO_TIMESTAMP)
        return wall_ms >= stored->expire_ms;
    return start_ms <= wall_ms && wall_ms - start_ms >= machine->config->offsets_retention_ms;
}

/* True when the group has no offsets left after this step. */
static bool expire_group(struct group_machine *machine, const struct group *group,
                         struct weir_step *step)
{
    const struct group_offsets *offsets = offsets_of_group(&machine->offsets, group->id);
    if (offsets == NULL)
        return true;
    bool is_all = weir_list_is_empty(&offsets->txns);
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&offsets->committed, &cursor)) != NULL) {
        const struct stored_offset *stored = entry->value;
        if (group_is_subscribed(group, stored->topic) ||
            !is_expired(machine, group, stored, step->wall_ms) ||
            group_offsets_is_pending(offsets, stored->topic, stored->partition)) {
            is_all = false;
            continue;
        }
        WEIR_STEP_INFO(step, "group_offset_expired", WEIR_BYTES("group", group->id),
                       WEIR_BYTES("topic", stored->topic), WEIR_I64("partition", stored->partition),
                       WEIR_I64("offset", stored->offset),
                       WEIR_I64("age_ms", step->wall_ms - stored->commit_ms));
        record_offset_tombstone(step, group->id, stored->topic, stored->partition);
    }
    return is_all;
}

bool offsets_expire(struct group_machine *machine, struct weir_step *step)
{
    step->is_atomic = false;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->groups, &cursor)) != NULL) {
        const struct group *group = entry->value;
        bool is_bare = expire_group(machine, group, step);
        if (is_bare && group->ops->is_empty(group) && !group->ops->never_expires) {
            WEIR_STEP_INFO(step, "group_expired", WEIR_BYTES("group", group->id));
            group->ops->write_tombstones(group, step);
        }
        if (step->record_count >= TOMBSTONES_PER_STEP)
            return false;
    }
    return true;
}

/* ---- Deleted topics ---- */

static void forget_topic(struct weir_slice group_id, const struct weir_map *map,
                         const struct weir_image_topic *topic, struct weir_step *step)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(map, &cursor)) != NULL) {
        const struct stored_offset *stored = entry->value;
        /* A topic of the same name may have been created since: its offsets stay. */
        bool is_it =
            weir_uuid_is_zero(stored->topic_id) || weir_uuid_equal(stored->topic_id, topic->id);
        if (is_it && weir_slice_equal(stored->topic, topic->name))
            record_offset_tombstone(step, group_id, stored->topic, stored->partition);
    }
}

void offsets_topic_deleted(struct group_machine *machine, const struct weir_image_topic *topic,
                           struct weir_step *step)
{
    step->is_atomic = false;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&machine->offsets.by_group, &cursor)) != NULL) {
        const struct group_offsets *offsets = entry->value;
        forget_topic(offsets->group_id, &offsets->committed, topic, step);
        WEIR_LIST_FOREACH(node, &offsets->txns)
            forget_topic(offsets->group_id,
                         &WEIR_LIST_ENTRY(node, struct txn_part, group_node)->offsets, topic, step);
    }
}
