/* SPDX-License-Identifier: Apache-2.0 */

/* What is written to __consumer_offsets, in the versions Apache Kafka 4.3.0 writes. */

#include "group_int.h"

#include "weir/base/memory.h"
#include "weir/protocol/record_types.h"
#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/group_metadata_value.h"
#include "weir/protocol/records/offset_commit_key.h"
#include "weir/protocol/records/offset_commit_value.h"

#define GROUP_METADATA_VERSION 3
#define OFFSET_COMMIT_VERSION 4
/* The only one with an expiry of its own (OffsetCommit versions 2 to 4 ask for it). */
#define OFFSET_COMMIT_EXPIRING_VERSION 1

/* value NULL: a tombstone. */
static void write_record(struct weir_step *step, enum weir_group_record_type type, const void *key,
                         int16_t value_version, const void *value)
{
    struct weir_buf key_buf = {0};
    struct weir_buf value_buf = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &key_buf);
    weir_coordinator_key_write(&writer, WEIR_RECORD_SET_GROUP, (int16_t)type, key);
    enum weir_status status = weir_writer_status(&writer);
    weir_writer_done(&writer);
    if (status == WEIR_OK && value != NULL) {
        weir_writer_init(&writer, &value_buf);
        weir_coordinator_value_write(&writer, WEIR_RECORD_SET_GROUP, (int16_t)type, value_version,
                                     value);
        status = weir_writer_status(&writer);
        weir_writer_done(&writer);
    }
    if (status == WEIR_OK)
        weir_step_record(step, weir_buf_slice(&key_buf),
                         value == NULL ? WEIR_NULL_SLICE : weir_buf_slice(&value_buf));
    else
        step->status = status; /* no memory, or a text longer than the format can hold */
    weir_buf_done(&key_buf);
    weir_buf_done(&value_buf);
}

static void write_group(struct weir_step *step, const struct group *group,
                        const struct weir_group_metadata_value *value)
{
    struct weir_group_metadata_key key = {.group = group->id};
    /* The group is changed already; replay would throw away who waits in it. */
    step->must_replay = false;
    write_record(step, WEIR_GROUP_RECORD_GROUP_METADATA, &key, GROUP_METADATA_VERSION, value);
    step->must_replay = true;
}

static struct weir_slice or_empty(struct weir_slice text)
{
    return weir_slice_is_null(text) ? WEIR_EMPTY_SLICE : text;
}

static struct weir_slice find_assignment(const struct weir_map *assignments,
                                         const struct member *member, bool is_given)
{
    if (!is_given)
        return member->assignment;
    const struct weir_group_assignment *item = weir_map_get(assignments, member->id);
    return item == NULL ? WEIR_EMPTY_SLICE : item->assignment;
}

void record_group(struct weir_step *step, const struct group *group,
                  const struct weir_group_assignment *assignments, size_t assignment_count)
{
    struct weir_group_metadata_value value;
    weir_group_metadata_value_init(&value);
    struct weir_map by_member = {0};
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < assignment_count && status == WEIR_OK; i++)
        status = weir_map_put(&by_member, assignments[i].member_id,
                              (void *)(uintptr_t)&assignments[i], NULL); /* only read */
    value.members.items =
        weir_arena_calloc(&step->arena, group->member_count + 1, sizeof(*value.members.items));
    if (status != WEIR_OK || value.members.items == NULL) {
        weir_map_done(&by_member);
        step->status = WEIR_NO_MEMORY;
        return;
    }
    WEIR_LIST_FOREACH(node, &group->members) {
        const struct member *member = WEIR_LIST_ENTRY(node, struct member, node);
        struct weir_group_metadata_value_member_metadata *out =
            &value.members.items[value.members.count++];
        weir_group_metadata_value_member_metadata_init(out);
        out->member_id = member->id;
        out->group_instance_id = member->instance_id;
        out->client_id = or_empty(member->client_id);
        out->client_host = or_empty(member->client_host);
        out->rebalance_timeout = member->rebalance_timeout_ms;
        out->session_timeout = member->session_timeout_ms;
        out->subscription = member_metadata(member, group->protocol_name);
        out->assignment = find_assignment(&by_member, member, assignments != NULL);
    }
    value.protocol_type = or_empty(group->protocol_type);
    value.generation = group->generation;
    value.protocol = group->protocol_name;
    value.leader = group->leader == NULL ? WEIR_NULL_SLICE : group->leader->id;
    value.current_state_timestamp = group->state_timestamp_ms;
    write_group(step, group, &value);
    weir_map_done(&by_member);
}

void record_empty_group(struct weir_step *step, const struct group *group)
{
    struct weir_group_metadata_value value;
    weir_group_metadata_value_init(&value);
    value.protocol_type = WEIR_EMPTY_SLICE;
    value.generation = 0;
    value.protocol = WEIR_NULL_SLICE;
    value.leader = WEIR_NULL_SLICE;
    value.current_state_timestamp = group->state_timestamp_ms;
    write_group(step, group, &value);
}

void record_group_tombstone(struct weir_step *step, struct weir_slice group_id)
{
    struct weir_group_metadata_key key = {.group = group_id};
    write_record(step, WEIR_GROUP_RECORD_GROUP_METADATA, &key, 0, NULL);
}

void record_offset(struct weir_step *step, struct weir_slice group_id,
                   const struct weir_offset_commit_item *item, int64_t commit_ms,
                   int64_t expire_ms)
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
    write_record(step, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key,
                 expire_ms == NO_TIMESTAMP ? OFFSET_COMMIT_VERSION : OFFSET_COMMIT_EXPIRING_VERSION,
                 &value);
}

void record_offset_tombstone(struct weir_step *step, struct weir_slice group_id,
                             struct weir_slice topic, int32_t partition)
{
    struct weir_offset_commit_key key = {
        .group = group_id, .topic = topic, .partition = partition};
    write_record(step, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key, 0, NULL);
}
