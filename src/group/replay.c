/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records of __consumer_offsets into state.  They come from disk, written by any broker of the last
 * ten years: a type we do not know is passed over (and stays in the log), anything that cannot be
 * read fails the load, as in Apache Kafka.  A compacted log holds values in any order and
 * tombstones for what is not there.
 */

#include "group_int.h"

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
        status =
            machine_add_group(machine, where.group, GROUP_CLASSIC, what.commit_timestamp, &group);
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

/* Who reads which type.  One that is not here, of the future, is passed over. */
static group_replay *const readers[] = {
    [WEIR_GROUP_RECORD_LEGACY_OFFSET_COMMIT] = replay_offset,
    [WEIR_GROUP_RECORD_OFFSET_COMMIT] = replay_offset,
    [WEIR_GROUP_RECORD_GROUP_METADATA] = replay_classic_group,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_METADATA] = replay_consumer_group,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_PARTITION_METADATA] = replay_consumer_partitions,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_MEMBER_METADATA] = replay_consumer_member,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA] = replay_consumer_target_epoch,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER] = replay_consumer_target,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT] = replay_consumer_assignment,
    [WEIR_GROUP_RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION] = replay_consumer_regex,
    [WEIR_GROUP_RECORD_SHARE_GROUP_MEMBER_METADATA] = replay_share_member,
    [WEIR_GROUP_RECORD_SHARE_GROUP_METADATA] = replay_share_group,
    [WEIR_GROUP_RECORD_SHARE_GROUP_TARGET_ASSIGNMENT_METADATA] = replay_share_target_epoch,
    [WEIR_GROUP_RECORD_SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER] = replay_share_target,
    [WEIR_GROUP_RECORD_SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT] = replay_share_current,
    [WEIR_GROUP_RECORD_SHARE_GROUP_STATE_PARTITION_METADATA] = replay_share_state,
    [WEIR_GROUP_RECORD_STREAMS_GROUP_METADATA] = replay_streams_group,
    [WEIR_GROUP_RECORD_STREAMS_GROUP_MEMBER_METADATA] = replay_streams_member,
    [WEIR_GROUP_RECORD_STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA] = replay_streams_target_epoch,
    [WEIR_GROUP_RECORD_STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER] = replay_streams_target,
    [WEIR_GROUP_RECORD_STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT] = replay_streams_current,
    [WEIR_GROUP_RECORD_STREAMS_GROUP_TOPOLOGY] = replay_streams_topology,
};

static group_replay *reader_of(int16_t type)
{
    return type < 0 || (size_t)type >= WEIR_ARRAY_COUNT(readers) ? NULL : readers[type];
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
    if (status == WEIR_OK && reader_of(type) != NULL)
        status = reader_of(type)(machine, record, &key, &value);
    if (status != WEIR_OK)
        weir_detail_set(detail, "a record of type %d with %zu bytes of key and %zu of value: %s",
                        (int)type, record->key.size, record->value.size, weir_status_name(status));
    weir_arena_done(&arena);
    return status;
}
