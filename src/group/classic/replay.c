/* SPDX-License-Identifier: Apache-2.0 */

/* The record of a classic group into state. */

#include "classic_int.h"

#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/group_metadata_value.h"

static enum weir_status replay_member(struct classic_group *group,
                                      const struct weir_group_metadata_value *value,
                                      const struct weir_group_metadata_value_member_metadata *from)
{
    /* Of a loaded member only what was selected is known. */
    struct weir_group_protocol protocol = {
        .name = weir_slice_is_null(value->protocol) ? WEIR_EMPTY_SLICE : value->protocol,
        .metadata = from->subscription};
    struct classic_member_setup setup = {.id = from->member_id,
                                         .instance_id = from->group_instance_id,
                                         .client_id = from->client_id,
                                         .client_host = from->client_host,
                                         .rebalance_timeout_ms = from->rebalance_timeout == -1
                                                                     ? from->session_timeout
                                                                     : from->rebalance_timeout,
                                         .session_timeout_ms = from->session_timeout,
                                         .protocols = &protocol,
                                         .protocol_count = 1,
                                         .assignment = from->assignment};
    if (classic_find_member(group, from->member_id) != NULL ||
        (!weir_slice_is_null(from->group_instance_id) &&
         classic_find_static(group, from->group_instance_id) != NULL))
        return WEIR_CORRUPT;
    struct classic_member *member;
    enum weir_status status = classic_member_new(group, &setup, &member);
    if (status != WEIR_OK)
        return status;
    status = classic_add_member(group, member, value->protocol_type);
    if (status != WEIR_OK)
        classic_member_free(member);
    return status;
}

static enum weir_status fill_group(struct classic_group *group,
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
        status = text_set(&group->protocol_name,
                          group->member_count == 0 ? WEIR_NULL_SLICE : value->protocol);
    if (status != WEIR_OK)
        return status;
    struct classic_member *leader = classic_find_member(group, value->leader);
    if (leader != NULL)
        group->leader = leader;
    if (group->member_count > 0)
        group->state = CLASSIC_STABLE; /* born so: there was no transition */
    classic_compute_subscription(group);
    return WEIR_OK;
}

enum weir_status replay_classic_group(struct group_machine *machine,
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
    /* A group of any kind: the record says all there is. */
    struct group *group = machine_group(machine, where.group);
    if (group != NULL)
        machine_remove_group(machine, group, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
    if (is_tombstone)
        return WEIR_OK;
    enum weir_status status =
        machine_add_group(machine, where.group, GROUP_CLASSIC, NO_TIMESTAMP, &group);
    if (status != WEIR_OK)
        return status;
    status = fill_group(classic_of(group), &value);
    if (status != WEIR_OK)
        machine_remove_group(machine, group, status, NULL);
    return status;
}
