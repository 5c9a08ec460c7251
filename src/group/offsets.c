/* SPDX-License-Identifier: Apache-2.0 */

/* The committed offsets of all groups of one partition, and those of open transactions.  Invariants
 * O1 and O2 are in group_int.h. */

#include "group_int.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"

/* Kafka's limit for topic names is 249; a key on the wire can hold at most 32767 bytes. */
#define KEY_PREFIX_BYTES sizeof(int32_t)
#define SHORT_KEY_BYTES 256

/* A key for look-ups: on the stack where it fits. */
struct lookup_key {
    uint8_t bytes[SHORT_KEY_BYTES + KEY_PREFIX_BYTES];
    uint8_t *big;
    struct weir_slice key;
};

static bool lookup_key_init(struct lookup_key *lookup, struct weir_slice topic, int32_t partition)
{
    size_t size = KEY_PREFIX_BYTES + topic.size;
    lookup->big = NULL;
    uint8_t *into = lookup->bytes;
    if (size > sizeof(lookup->bytes)) {
        lookup->big = weir_malloc(size);
        if (lookup->big == NULL)
            return false;
        into = lookup->big;
    }
    memcpy(into, &partition, KEY_PREFIX_BYTES);
    if (topic.size > 0)
        memcpy(into + KEY_PREFIX_BYTES, topic.data, topic.size);
    lookup->key = weir_slice_of(into, size);
    return true;
}

static void *lookup(const struct weir_map *map, struct weir_slice topic, int32_t partition)
{
    struct lookup_key key;
    if (!lookup_key_init(&key, topic, partition))
        return NULL;
    void *found = weir_map_get(map, key.key);
    weir_free(key.big);
    return found;
}

/* One block: struct, key, metadata. */
static struct stored_offset *stored_offset_copy(const struct stored_offset *from)
{
    size_t key_bytes = KEY_PREFIX_BYTES + from->topic.size;
    struct stored_offset *copy = weir_malloc(sizeof(*copy) + key_bytes + from->metadata.size + 1);
    if (copy == NULL)
        return NULL;
    *copy = *from;
    uint8_t *bytes = (uint8_t *)(copy + 1);
    memcpy(bytes, &from->partition, KEY_PREFIX_BYTES);
    if (from->topic.size > 0)
        memcpy(bytes + KEY_PREFIX_BYTES, from->topic.data, from->topic.size);
    if (from->metadata.size > 0)
        memcpy(bytes + key_bytes, from->metadata.data, from->metadata.size);
    copy->key = weir_slice_of(bytes, key_bytes);
    copy->topic = weir_slice_of(bytes + KEY_PREFIX_BYTES, from->topic.size);
    copy->metadata = weir_slice_of(bytes + key_bytes, from->metadata.size);
    return copy;
}

static enum weir_status map_put(struct weir_map *map, const struct stored_offset *from,
                                bool *out_is_new)
{
    struct stored_offset *copy = stored_offset_copy(from);
    if (copy == NULL)
        return WEIR_NO_MEMORY;
    /* The key of an entry that is replaced must not point into the old value. */
    struct stored_offset *old = weir_map_remove(map, copy->key);
    enum weir_status status = weir_map_put(map, copy->key, copy, NULL);
    if (status != WEIR_OK) {
        weir_free(copy);
        WEIR_ASSERT(old == NULL); /* there is room for what was there before */
        return status;
    }
    weir_free(old);
    *out_is_new = old == NULL;
    return WEIR_OK;
}

static bool map_remove(struct weir_map *map, struct weir_slice topic, int32_t partition)
{
    struct stored_offset *found = lookup(map, topic, partition);
    if (found == NULL)
        return false;
    (void)weir_map_remove(map, found->key); /* it is `found` */
    weir_free(found);
    return true;
}

static void map_free(struct weir_map *map)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(map, &cursor)) != NULL)
        weir_free(entry->value);
    weir_map_done(map);
}

static void part_free(struct txn_part *part)
{
    map_free(&part->offsets);
    weir_list_remove(&part->group_node);
    weir_list_remove(&part->txn_node);
    weir_free(part);
}

static void group_offsets_free(struct group_offsets *group)
{
    map_free(&group->committed);
    text_drop(&group->group_id);
    weir_free(group);
}

void offsets_done(struct offsets *offsets)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&offsets->by_producer, &cursor)) != NULL) {
        struct open_txn *txn = entry->value;
        WEIR_LIST_FOREACH(node, &txn->parts)
            part_free(WEIR_LIST_ENTRY(node, struct txn_part, txn_node));
        weir_free(txn);
    }
    weir_map_done(&offsets->by_producer);
    cursor = 0;
    while ((entry = weir_map_next(&offsets->by_group, &cursor)) != NULL)
        group_offsets_free(entry->value);
    weir_map_done(&offsets->by_group);
}

struct group_offsets *offsets_of_group(const struct offsets *offsets, struct weir_slice group_id)
{
    return weir_map_get(&offsets->by_group, group_id);
}

struct stored_offset *group_offsets_find(const struct group_offsets *group, struct weir_slice topic,
                                         int32_t partition)
{
    return group == NULL ? NULL : lookup(&group->committed, topic, partition);
}

bool group_offsets_is_pending(const struct group_offsets *group, struct weir_slice topic,
                              int32_t partition)
{
    if (group == NULL)
        return false;
    WEIR_LIST_FOREACH(node, &group->txns) {
        const struct txn_part *part = WEIR_LIST_ENTRY(node, struct txn_part, group_node);
        if (lookup(&part->offsets, topic, partition) != NULL)
            return true;
    }
    return false;
}

/* O1 */
static void drop_group_if_unused(struct offsets *offsets, struct group_offsets *group)
{
    if (group->committed.count > 0 || !weir_list_is_empty(&group->txns))
        return;
    (void)weir_map_remove(&offsets->by_group, group->group_id); /* it is `group` */
    group_offsets_free(group);
}

/* O2 */
static void drop_txn_if_unused(struct offsets *offsets, struct open_txn *txn)
{
    if (!weir_list_is_empty(&txn->parts))
        return;
    (void)weir_map_remove(&offsets->by_producer, WEIR_KEY(txn->producer_id)); /* it is `txn` */
    weir_free(txn);
}

static enum weir_status ensure_group(struct offsets *offsets, struct weir_slice group_id,
                                     struct group_offsets **out)
{
    *out = offsets_of_group(offsets, group_id);
    if (*out != NULL)
        return WEIR_OK;
    struct group_offsets *group = weir_calloc(1, sizeof(*group));
    if (group == NULL)
        return WEIR_NO_MEMORY;
    weir_list_init(&group->txns);
    enum weir_status status = text_dup(group_id, &group->group_id);
    if (status == WEIR_OK)
        status = weir_map_put(&offsets->by_group, group->group_id, group, NULL);
    if (status != WEIR_OK) {
        group_offsets_free(group);
        return status;
    }
    *out = group;
    return WEIR_OK;
}

static enum weir_status ensure_txn(struct offsets *offsets, int64_t producer_id,
                                   struct open_txn **out)
{
    *out = weir_map_get(&offsets->by_producer, WEIR_KEY(producer_id));
    if (*out != NULL)
        return WEIR_OK;
    struct open_txn *txn = weir_calloc(1, sizeof(*txn));
    if (txn == NULL)
        return WEIR_NO_MEMORY;
    txn->producer_id = producer_id;
    weir_list_init(&txn->parts);
    enum weir_status status =
        weir_map_put(&offsets->by_producer, WEIR_KEY(txn->producer_id), txn, NULL);
    if (status != WEIR_OK) {
        weir_free(txn);
        return status;
    }
    *out = txn;
    return WEIR_OK;
}

static enum weir_status ensure_part(struct offsets *offsets, struct group_offsets *group,
                                    int64_t producer_id, struct txn_part **out)
{
    WEIR_LIST_FOREACH(node, &group->txns) {
        struct txn_part *part = WEIR_LIST_ENTRY(node, struct txn_part, group_node);
        if (part->producer_id == producer_id) {
            *out = part;
            return WEIR_OK;
        }
    }
    struct open_txn *txn;
    enum weir_status status = ensure_txn(offsets, producer_id, &txn);
    if (status != WEIR_OK)
        return status;
    struct txn_part *part = weir_calloc(1, sizeof(*part));
    if (part == NULL) {
        drop_txn_if_unused(offsets, txn);
        return WEIR_NO_MEMORY;
    }
    part->owner = group;
    part->producer_id = producer_id;
    weir_list_push_back(&group->txns, &part->group_node);
    weir_list_push_back(&txn->parts, &part->txn_node);
    *out = part;
    return WEIR_OK;
}

static enum weir_status put_committed(struct offsets *offsets, struct group_offsets *group,
                                      const struct stored_offset *from)
{
    bool is_new = false;
    enum weir_status status = map_put(&group->committed, from, &is_new);
    if (status == WEIR_OK && is_new)
        offsets->committed_count++;
    return status;
}

enum weir_status offsets_put(struct offsets *offsets, struct weir_slice group_id,
                             int64_t producer_id, const struct stored_offset *from)
{
    struct group_offsets *group;
    enum weir_status status = ensure_group(offsets, group_id, &group);
    if (status != WEIR_OK)
        return status;
    if (producer_id < 0) {
        status = put_committed(offsets, group, from);
    } else {
        struct txn_part *part;
        bool is_new;
        status = ensure_part(offsets, group, producer_id, &part);
        if (status == WEIR_OK)
            status = map_put(&part->offsets, from, &is_new);
    }
    drop_group_if_unused(offsets, group);
    return status;
}

void offsets_remove(struct offsets *offsets, struct weir_slice group_id, struct weir_slice topic,
                    int32_t partition)
{
    struct group_offsets *group = offsets_of_group(offsets, group_id);
    if (group == NULL)
        return;
    if (map_remove(&group->committed, topic, partition))
        offsets->committed_count--;
    /* An open transaction must not bring it back; the transaction itself stays open. */
    WEIR_LIST_FOREACH(node, &group->txns) {
        struct txn_part *part = WEIR_LIST_ENTRY(node, struct txn_part, group_node);
        (void)map_remove(&part->offsets, topic, partition); /* it need not have it */
    }
    drop_group_if_unused(offsets, group);
}

/* Only what is newer than a plain commit that came between counts. */
static enum weir_status commit_part(struct offsets *offsets, struct txn_part *part)
{
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&part->offsets, &cursor)) != NULL) {
        const struct stored_offset *pending = entry->value;
        const struct stored_offset *existing =
            group_offsets_find(part->owner, pending->topic, pending->partition);
        if (existing != NULL && existing->record_offset >= pending->record_offset)
            continue;
        enum weir_status status = put_committed(offsets, part->owner, pending);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

enum weir_status offsets_end_txn(struct offsets *offsets, int64_t producer_id, bool is_commit)
{
    struct open_txn *txn = weir_map_get(&offsets->by_producer, WEIR_KEY(producer_id));
    if (txn == NULL)
        return WEIR_OK; /* it had no offsets here */
    enum weir_status status = WEIR_OK;
    WEIR_LIST_FOREACH(node, &txn->parts) {
        struct txn_part *part = WEIR_LIST_ENTRY(node, struct txn_part, txn_node);
        struct group_offsets *group = part->owner;
        if (is_commit && status == WEIR_OK)
            status = commit_part(offsets, part);
        part_free(part);
        drop_group_if_unused(offsets, group);
    }
    drop_txn_if_unused(offsets, txn);
    return status;
}
