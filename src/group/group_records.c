/* SPDX-License-Identifier: Apache-2.0 */

/* What is written to __consumer_offsets, in the versions Apache Kafka 4.3.0 writes. */

#include "group_int.h"

#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/offset_commit_key.h"
#include "weir/protocol/records/offset_commit_value.h"

#define OFFSET_COMMIT_VERSION 4
/* The only one with an expiry of its own (OffsetCommit versions 2 to 4 ask for it). */
#define OFFSET_COMMIT_EXPIRING_VERSION 1

void record_write(struct weir_step *step, enum weir_group_record_type type, const void *key,
                  int16_t value_version, const void *value)
{
    weir_step_typed_record(step, WEIR_RECORD_SET_GROUP, (int16_t)type, key, value_version, value);
}

struct weir_slice or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? WEIR_EMPTY_SLICE : text;
}

void record_group_tombstone(struct weir_step *step, struct weir_slice group_id)
{
    struct weir_group_metadata_key key = {.group = group_id};
    record_write(step, WEIR_GROUP_RECORD_GROUP_METADATA, &key, 0, NULL);
}

void record_offset(struct weir_step *step, struct weir_slice group_id,
                   const struct weir_offset_commit_item *item, int64_t commit_ms, int64_t expire_ms)
{
    struct weir_offset_commit_key key = {
        .group = group_id, .topic = item->topic, .partition = item->partition};
    struct weir_offset_commit_value value;
    weir_offset_commit_value_init(&value);
    value.offset = item->offset;
    value.leader_epoch = item->leader_epoch;
    value.metadata = or_empty(item->metadata);
    value.commit_timestamp = commit_ms;
    value.expire_timestamp = expire_ms;
    value.topic_id = item->topic_id;
    record_write(step, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key,
                 expire_ms == NO_TIMESTAMP ? OFFSET_COMMIT_VERSION : OFFSET_COMMIT_EXPIRING_VERSION,
                 &value);
}

void record_offset_tombstone(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice topic, int32_t partition)
{
    struct weir_offset_commit_key key = {.group = group_id, .topic = topic, .partition = partition};
    record_write(step, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key, 0, NULL);
}
