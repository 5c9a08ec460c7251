/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records of __consumer_offsets into state.  They come from disk, written by any broker of the last
 * ten years: a type we do not know is passed over (and stays in the log), anything that cannot be
 * read fails the load, as in Apache Kafka.  A compacted log holds values in any order and tombstones
 * for what is not there.
 */

#include "group_int.h"

#include "weir/protocol/record_types.h"
#include "weir/protocol/records/consumer_group_metadata_key.h"
#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/group_metadata_value.h"
#include "weir/protocol/records/offset_commit_key.h"
#include "weir/protocol/records/offset_commit_value.h"

static enum weir_status replay_offset(struct group_machine *machine,
                                      const struct weir_replayed *record, struct weir_reader *key,
                                      struct weir_reader *value)
{
    struct weir_offset_commit_key where;
    weir_offset_commit_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    if (weir_slice_is_null(record->value)) {
        offsets_remove(&machine->offsets, where.group, where.topic, where.partition);
        return WEIR_OK;
    }
    struct weir_offset_commit_value what;
    weir_offset_commit_value_read(value, weir_coordinator_prefix_read(value), &what);
    if (weir_reader_status(value) != WEIR_OK)
        return weir_reader_status(value);
    enum weir_status status = WEIR_OK;
    struct group *group = machine_group(machine, where.group);
    if (group == NULL)
        status = machine_add_group(machine, where.group, GROUP_CLASSIC, what.commit_timestamp,
                                   &group);
    struct stored_offset stored = {.topic = where.topic,
                                   .partition = where.partition,
                                   .leader_epoch = what.leader_epoch,
                                   .offset = what.offset,
                                   .metadata = what.metadata,
                                   .commit_ms = what.commit_timestamp,
                                   .expire_ms = what.expire_timestamp,
                                   .topic_id = what.topic_id,
                                   .record_offset = record->offset};
    if (status == WEIR_OK)
        status = offsets_put(&machine->offsets, where.group, record->producer_id, &stored);
    return status;
}

static enum weir_status replay_member(struct group *group,
                                      const struct weir_group_metadata_value *value,
                                      const struct weir_group_metadata_value_member_metadata *from)
{
    /* Of a loaded member only what was selected is known. */
    struct weir_group_protocol protocol = {
        .name = weir_slice_is_null(value->protocol) ? WEIR_EMPTY_SLICE : value->protocol,
        .metadata = from->subscription};
    struct member_setup setup = {
        .id = from->member_id,
        .instance_id = from->group_instance_id,
        .client_id = from->client_id,
        .client_host = from->client_host,
        .rebalance_timeout_ms =
            from->rebalance_timeout == -1 ? from->session_timeout : from->rebalance_timeout,
        .session_timeout_ms = from->session_timeout,
        .protocols = &protocol,
        .protocol_count = 1,
        .assignment = from->assignment};
    if (group_member(group, from->member_id) != NULL ||
        (!weir_slice_is_null(from->group_instance_id) &&
         group_static_member(group, from->group_instance_id) != NULL))
        return WEIR_CORRUPT;
    struct member *member;
    enum weir_status status = member_new(group, &setup, &member);
    if (status != WEIR_OK)
        return status;
    status = group_add_member(group, member, value->protocol_type);
    if (status != WEIR_OK)
        member_free(member);
    return status;
}

static enum weir_status fill_group(struct group *group,
                                   const struct weir_group_metadata_value *value)
{
    enum weir_status status = WEIR_OK;
    group->generation = value->generation;
    group->state_timestamp_ms = value->current_state_timestamp;
    for (int32_t i = 0; i < value->members.count && status == WEIR_OK; i++)
        status = replay_member(group, value, &value->members.items[i]);
    if (status == WEIR_OK)
        status = text_set(&group->protocol_type,
                          value->protocol_type.size == 0 ? WEIR_NULL_SLICE : value->protocol_type);
    if (status == WEIR_OK)
        status = text_set(&group->protocol_name, group->member_count == 0 ? WEIR_NULL_SLICE
                                                                          : value->protocol);
    if (status != WEIR_OK)
        return status;
    struct member *leader = group_member(group, value->leader);
    if (leader != NULL)
        group->leader = leader;
    if (group->member_count > 0)
        group->state = CLASSIC_STABLE; /* born so: there was no transition */
    group_compute_subscription(group);
    return WEIR_OK;
}

/* The newer protocols' groups.  A type-2 tombstone removes a group of any kind, theirs removes only
 * their own. */
static enum weir_status replay_foreign(struct group_machine *machine, enum group_kind kind,
                                       const struct weir_replayed *record,
                                       struct weir_reader *key)
{
    struct weir_consumer_group_metadata_key where; /* all three begin with the group's id */
    weir_consumer_group_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct group *group = machine_group(machine, where.group_id);
    bool is_tombstone = weir_slice_is_null(record->value);
    if (is_tombstone && (group == NULL || group->kind != kind))
        return WEIR_OK;
    if (!is_tombstone && group != NULL && group->kind == kind)
        return WEIR_OK;
    if (group != NULL)
        machine_remove_group(machine, group, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
    if (is_tombstone)
        return WEIR_OK;
    return machine_add_group(machine, where.group_id, kind, NO_TIMESTAMP, &group);
}

static enum weir_status replay_group(struct group_machine *machine,
                                     const struct weir_replayed *record, struct weir_reader *key,
                                     struct weir_reader *reader)
{
    struct weir_group_metadata_key where;
    weir_group_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    struct weir_group_metadata_value value;
    bool is_tombstone = weir_slice_is_null(record->value);
    if (!is_tombstone) {
        weir_group_metadata_value_read(reader, weir_coordinator_prefix_read(reader), &value);
        if (weir_reader_status(reader) != WEIR_OK)
            return weir_reader_status(reader);
    }
    struct group *group = machine_group(machine, where.group);
    if (group != NULL)
        machine_remove_group(machine, group, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
    if (is_tombstone)
        return WEIR_OK;
    enum weir_status status =
        machine_add_group(machine, where.group, GROUP_CLASSIC, NO_TIMESTAMP, &group);
    if (status != WEIR_OK)
        return status;
    status = fill_group(group, &value);
    if (status != WEIR_OK)
        machine_remove_group(machine, group, status, NULL);
    return status;
}

static enum weir_status replay_typed(struct group_machine *machine,
                                     const struct weir_replayed *record, int16_t type,
                                     struct weir_reader *key, struct weir_reader *value)
{
    switch (type) {
    case WEIR_GROUP_RECORD_LEGACY_OFFSET_COMMIT:
    case WEIR_GROUP_RECORD_OFFSET_COMMIT:
        return replay_offset(machine, record, key, value);
    case WEIR_GROUP_RECORD_GROUP_METADATA:
        return replay_group(machine, record, key, value);
    case WEIR_GROUP_RECORD_CONSUMER_GROUP_METADATA:
        return replay_foreign(machine, GROUP_CONSUMER, record, key);
    case WEIR_GROUP_RECORD_SHARE_GROUP_METADATA:
        return replay_foreign(machine, GROUP_SHARE, record, key);
    case WEIR_GROUP_RECORD_STREAMS_GROUP_METADATA:
        return replay_foreign(machine, GROUP_STREAMS, record, key);
    default: /* not an enum: a number from the log, of a group's details or of the future */
        return WEIR_OK;
    }
}

enum weir_status machine_replay(void *machine, const struct weir_replayed *record,
                                struct weir_detail *detail)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct weir_reader key;
    struct weir_reader value;
    weir_reader_init(&key, record->key, &arena);
    weir_reader_init(&value, record->value, &arena);
    int16_t type = weir_coordinator_prefix_read(&key);
    enum weir_status status = weir_reader_status(&key);
    if (status == WEIR_OK)
        status = replay_typed(machine, record, type, &key, &value);
    if (status != WEIR_OK)
        weir_detail_set(detail, "a record of type %d with %zu bytes of key and %zu of value: %s",
                        (int)type, record->key.size, record->value.size,
                        weir_status_name(status));
    weir_arena_done(&arena);
    return status;
}
