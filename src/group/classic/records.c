/* SPDX-License-Identifier: Apache-2.0 */

/* The record of a classic group, in the version Apache Kafka 4.3.0 writes. */

#include "classic_int.h"

#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/group_metadata_value.h"

#define GROUP_METADATA_VERSION 3

static void write_group(struct weir_step *step, const struct classic_group *group,
                        const struct weir_group_metadata_value *value, bool must_replay)
{
    struct weir_group_metadata_key key = {.group = group->base.id};
    /* The group is changed already; replay would throw away who waits in it. */
    step->must_replay = must_replay;
    record_write(step, WEIR_GROUP_RECORD_GROUP_METADATA, &key, GROUP_METADATA_VERSION, value);
    step->must_replay = true;
}

static struct weir_slice find_assignment(const struct weir_map *assignments,
                                         const struct classic_member *member, bool is_given)
{
    if (!is_given)
        return member->assignment;
    const struct weir_group_assignment *item = weir_map_get(assignments, member->id);
    return item == NULL ? WEIR_EMPTY_SLICE : item->assignment;
}

static void write_whole(struct weir_step *step, const struct classic_group *group,
                        const struct weir_group_assignment *assignments, size_t assignment_count,
                        bool must_replay)
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
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        struct weir_group_metadata_value_member_metadata *out =
            &value.members.items[value.members.count++];
        weir_group_metadata_value_member_metadata_init(out);
        out->member_id = member->id;
        out->group_instance_id = member->instance_id;
        out->client_id = or_empty(member->client_id);
        out->client_host = or_empty(member->client_host);
        out->rebalance_timeout = member->rebalance_timeout_ms;
        out->session_timeout = member->session_timeout_ms;
        out->subscription = classic_member_metadata(member, group->protocol_name);
        out->assignment = find_assignment(&by_member, member, assignments != NULL);
    }
    value.protocol_type = or_empty(group->protocol_type);
    value.generation = group->generation;
    value.protocol = group->protocol_name;
    value.leader = group->leader == NULL ? WEIR_NULL_SLICE : group->leader->id;
    value.current_state_timestamp = group->state_timestamp_ms;
    write_group(step, group, &value, must_replay);
    weir_map_done(&by_member);
}

void record_group(struct weir_step *step, const struct classic_group *group,
                  const struct weir_group_assignment *assignments, size_t assignment_count)
{
    write_whole(step, group, assignments, assignment_count, false);
}

void record_whole_group(struct weir_step *step, const struct classic_group *group)
{
    write_whole(step, group, NULL, 0, true);
}

void record_empty_group(struct weir_step *step, const struct classic_group *group)
{
    struct weir_group_metadata_value value;
    weir_group_metadata_value_init(&value);
    value.protocol_type = WEIR_EMPTY_SLICE;
    value.generation = 0;
    value.protocol = WEIR_NULL_SLICE;
    value.leader = WEIR_NULL_SLICE;
    value.current_state_timestamp = group->state_timestamp_ms;
    write_group(step, group, &value, false);
}
