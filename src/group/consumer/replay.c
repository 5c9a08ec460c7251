/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Records 3 to 8 and 16 into state, while the log is loaded and after each append.
 *
 * A compacted log has the latest record of each key only, in any order: a group, a member or a
 * target begins with whichever comes first, and a tombstone for what is not there says nothing.
 */

#include "consumer_int.h"

#include "../classic/classic_int.h"
#include "weir/protocol/records/consumer_group_current_member_assignment_key.h"
#include "weir/protocol/records/consumer_group_current_member_assignment_value.h"
#include "weir/protocol/records/consumer_group_member_metadata_key.h"
#include "weir/protocol/records/consumer_group_member_metadata_value.h"
#include "weir/protocol/records/consumer_group_metadata_key.h"
#include "weir/protocol/records/consumer_group_metadata_value.h"
#include "weir/protocol/records/consumer_group_partition_metadata_key.h"
#include "weir/protocol/records/consumer_group_regular_expression_key.h"
#include "weir/protocol/records/consumer_group_regular_expression_value.h"
#include "weir/protocol/records/consumer_group_target_assignment_member_key.h"
#include "weir/protocol/records/consumer_group_target_assignment_member_value.h"
#include "weir/protocol/records/consumer_group_target_assignment_metadata_key.h"
#include "weir/protocol/records/consumer_group_target_assignment_metadata_value.h"

typedef struct weir_consumer_group_current_member_assignment_value_topic_partitions_array
    held_topics;

/* The group the record is about.  *out is NULL for a tombstone about no group.  A classic group
 * that came with an offset makes room; any other group is where this record does not belong. */
static enum weir_status find_group(struct group_machine *machine, struct weir_slice group_id,
                                   bool is_tombstone, struct consumer_group **out)
{
    *out = NULL;
    struct group *group = machine_group(machine, group_id);
    if (group != NULL && group_is(group, GROUP_CONSUMER)) {
        *out = consumer_of(group);
        return WEIR_OK;
    }
    if (is_tombstone)
        return WEIR_OK;
    if (group != NULL) {
        if (!group_is(group, GROUP_CLASSIC) || !classic_is_simple(classic_of(group)))
            return WEIR_CORRUPT;
        machine_remove_group(machine, group, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
    }
    enum weir_status status =
        machine_add_group(machine, group_id, GROUP_CONSUMER, NO_TIMESTAMP, &group);
    if (status == WEIR_OK)
        *out = consumer_of(group);
    return status;
}

static enum weir_status ensure_member(struct consumer_group *group, struct weir_slice id,
                                      struct consumer_member **out)
{
    *out = consumer_find(group, id);
    return *out != NULL ? WEIR_OK : consumer_add_member(group, id, out);
}

enum weir_status replay_consumer_group(struct group_machine *machine,
                                       const struct weir_replayed *record, struct weir_reader *key,
                                       struct weir_reader *reader)
{
    struct weir_consumer_group_metadata_key where;
    weir_consumer_group_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct consumer_group *group;
    if (is_tombstone) {
        enum weir_status status = find_group(machine, where.group_id, true, &group);
        if (status == WEIR_OK && group != NULL)
            machine_remove_group(machine, &group->base, WEIR_COORDINATOR_NOT_AVAILABLE, NULL);
        return status;
    }
    struct weir_consumer_group_metadata_value value;
    weir_consumer_group_metadata_value_read(reader, weir_coordinator_prefix_read(reader), &value);
    enum weir_status status = weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_group(machine, where.group_id, false, &group);
    if (status != WEIR_OK)
        return status;
    group->epoch = value.epoch;
    group->metadata_hash = value.metadata_hash;
    return WEIR_OK;
}

enum weir_status replay_consumer_partitions(struct group_machine *machine,
                                            const struct weir_replayed *record,
                                            struct weir_reader *key, struct weir_reader *reader)
{
    (void)reader; /* the hash has taken its place */
    struct weir_consumer_group_partition_metadata_key where;
    weir_consumer_group_partition_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct consumer_group *group;
    enum weir_status status = find_group(machine, where.group_id, is_tombstone, &group);
    if (status == WEIR_OK && group != NULL)
        group->has_partition_metadata = !is_tombstone;
    return status;
}

/* ---- Members ---- */

static enum weir_status
read_protocols(const struct weir_consumer_group_member_metadata_value_classic_member_metadata *from,
               struct weir_arena *arena, struct member_data *out)
{
    struct weir_group_protocol *protocols =
        weir_arena_calloc(arena, (size_t)from->supported_protocols.count + 1, sizeof(*protocols));
    if (protocols == NULL)
        return WEIR_NO_MEMORY;
    for (int32_t i = 0; i < from->supported_protocols.count; i++)
        protocols[i] = (struct weir_group_protocol){
            .name = from->supported_protocols.items[i].name,
            .metadata = or_empty(from->supported_protocols.items[i].metadata)};
    out->is_classic = true;
    out->classic_session_timeout_ms = from->session_timeout_ms;
    out->protocols = protocols;
    out->protocol_count = (size_t)from->supported_protocols.count;
    return WEIR_OK;
}

enum weir_status replay_consumer_member(struct group_machine *machine,
                                        const struct weir_replayed *record, struct weir_reader *key,
                                        struct weir_reader *reader)
{
    struct weir_consumer_group_member_metadata_key where;
    weir_consumer_group_member_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct consumer_group *group;
    struct weir_consumer_group_member_metadata_value value;
    if (!is_tombstone)
        weir_consumer_group_member_metadata_value_read(reader, weir_coordinator_prefix_read(reader),
                                                       &value);
    enum weir_status status = is_tombstone ? WEIR_OK : weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_group(machine, where.group_id, is_tombstone, &group);
    if (status != WEIR_OK || group == NULL)
        return status;
    struct consumer_member *member = consumer_find(group, where.member_id);
    if (is_tombstone) {
        if (member != NULL)
            consumer_remove_member(group, member);
        return WEIR_OK;
    }
    bool is_new = member == NULL;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct member_data data = {.instance_id = value.instance_id,
                               .rack_id = value.rack_id,
                               .client_id = value.client_id,
                               .client_host = value.client_host,
                               .topics = value.subscribed_topic_names.items,
                               .topic_count = (size_t)value.subscribed_topic_names.count,
                               .regex = value.subscribed_topic_regex,
                               .rebalance_timeout_ms = value.rebalance_timeout_ms,
                               .assignor = value.server_assignor};
    if (value.classic_member_metadata != NULL)
        status = read_protocols(value.classic_member_metadata, &arena, &data);
    if (status == WEIR_OK)
        status = ensure_member(group, where.member_id, &member);
    if (status == WEIR_OK)
        status = consumer_set_metadata(member, &data);
    if (status == WEIR_OK && is_new && machine->image != NULL)
        consumer_restart_session(member); /* a live one: nobody else could, before it existed */
    weir_arena_done(&arena);
    return status;
}

/* ---- Targets ---- */

enum weir_status replay_consumer_target_epoch(struct group_machine *machine,
                                              const struct weir_replayed *record,
                                              struct weir_reader *key, struct weir_reader *reader)
{
    struct weir_consumer_group_target_assignment_metadata_key where;
    weir_consumer_group_target_assignment_metadata_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct weir_consumer_group_target_assignment_metadata_value value = {.assignment_epoch = -1};
    if (!is_tombstone)
        weir_consumer_group_target_assignment_metadata_value_read(
            reader, weir_coordinator_prefix_read(reader), &value);
    struct consumer_group *group;
    enum weir_status status = is_tombstone ? WEIR_OK : weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_group(machine, where.group_id, is_tombstone, &group);
    if (status == WEIR_OK && group != NULL) {
        group->assignment_epoch = value.assignment_epoch;
        group->assignment_ms = value.assignment_timestamp;
    }
    return status;
}

static enum weir_status
set_target(struct consumer_group *group, struct weir_slice member_id,
           const struct weir_consumer_group_target_assignment_member_value *value)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    size_t total = 0;
    for (int32_t i = 0; i < value->topic_partitions.count; i++)
        total += (size_t)value->topic_partitions.items[i].partitions.count;
    struct partition_set set;
    enum weir_status status = partition_set_room(&arena, total, &set);
    for (int32_t i = 0; status == WEIR_OK && i < value->topic_partitions.count; i++) {
        const struct weir_consumer_group_target_assignment_member_value_topic_partition *topic =
            &value->topic_partitions.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++)
            set.items[set.count++] = (struct held_partition){
                .topic_id = topic->topic_id, .partition = topic->partitions.items[j]};
    }
    if (status == WEIR_OK) {
        partition_set_normalise(&set);
        status = consumer_set_target(group, member_id, &set);
    }
    weir_arena_done(&arena);
    return status;
}

enum weir_status replay_consumer_target(struct group_machine *machine,
                                        const struct weir_replayed *record, struct weir_reader *key,
                                        struct weir_reader *reader)
{
    struct weir_consumer_group_target_assignment_member_key where;
    weir_consumer_group_target_assignment_member_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct weir_consumer_group_target_assignment_member_value value;
    if (!is_tombstone)
        weir_consumer_group_target_assignment_member_value_read(
            reader, weir_coordinator_prefix_read(reader), &value);
    struct consumer_group *group;
    enum weir_status status = is_tombstone ? WEIR_OK : weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_group(machine, where.group_id, is_tombstone, &group);
    if (status != WEIR_OK || group == NULL)
        return status;
    if (!is_tombstone)
        return set_target(group, where.member_id, &value);
    consumer_remove_target(group, where.member_id);
    return WEIR_OK;
}

/* ---- Current assignments ---- */

/* Records of 4.2 and before have no epochs: the member's own is the least that is safe to say. */
static enum weir_status read_held(const held_topics *topics, int32_t member_epoch,
                                  struct weir_arena *arena, struct partition_set *out)
{
    size_t total = 0;
    for (int32_t i = 0; i < topics->count; i++)
        total += (size_t)topics->items[i].partitions.count;
    enum weir_status status = partition_set_room(arena, total, out);
    if (status != WEIR_OK)
        return status;
    for (int32_t i = 0; i < topics->count; i++) {
        const struct weir_i32_array *partitions = &topics->items[i].partitions;
        const struct weir_i32_array *epochs = &topics->items[i].assignment_epochs;
        for (int32_t j = 0; j < partitions->count; j++)
            out->items[out->count++] = (struct held_partition){
                .topic_id = topics->items[i].topic_id,
                .partition = partitions->items[j],
                .epoch = j < epochs->count ? epochs->items[j] : member_epoch};
    }
    partition_set_normalise(out);
    return WEIR_OK;
}

static enum consumer_member_state state_of(int8_t number)
{
    if (number == MEMBER_STABLE || number == MEMBER_UNREVOKED || number == MEMBER_UNRELEASED)
        return (enum consumer_member_state)number;
    return MEMBER_UNKNOWN;
}

/* It has so long to give up what it must. */
static void follow_rebalance_timer(struct consumer_member *member)
{
    struct group_machine *machine = member->group->base.machine;
    if (machine->image == NULL || member->data.is_classic)
        return; /* being loaded; or it has its own two timers */
    if (member->data.state != MEMBER_UNREVOKED) {
        timer_cancel(machine, &member->rebalance);
        return;
    }
    member->rebalance_epoch = member->data.epoch;
    timer_set(machine, &member->rebalance, machine->now_ms + member->data.rebalance_timeout_ms);
}

enum weir_status replay_consumer_assignment(struct group_machine *machine,
                                            const struct weir_replayed *record,
                                            struct weir_reader *key, struct weir_reader *reader)
{
    struct weir_consumer_group_current_member_assignment_key where;
    weir_consumer_group_current_member_assignment_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct weir_consumer_group_current_member_assignment_value value = {
        .member_epoch = -1, .previous_member_epoch = -1};
    if (!is_tombstone)
        weir_consumer_group_current_member_assignment_value_read(
            reader, weir_coordinator_prefix_read(reader), &value);
    struct consumer_group *group;
    enum weir_status status = is_tombstone ? WEIR_OK : weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_group(machine, where.group_id, is_tombstone, &group);
    if (status != WEIR_OK || group == NULL)
        return status;
    struct consumer_member *member = consumer_find(group, where.member_id);
    if (is_tombstone && member == NULL)
        return WEIR_OK;
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    struct member_data data = {.epoch = value.member_epoch,
                               .previous_epoch = value.previous_member_epoch,
                               .state = state_of(value.state)};
    status = read_held(&value.assigned_partitions, data.epoch, &arena, &data.assigned);
    if (status == WEIR_OK)
        status =
            read_held(&value.partitions_pending_revocation, data.epoch, &arena, &data.revoking);
    if (status == WEIR_OK)
        status = ensure_member(group, where.member_id, &member);
    if (status == WEIR_OK)
        status = consumer_set_assignment(member, &data);
    if (status == WEIR_OK)
        follow_rebalance_timer(member);
    weir_arena_done(&arena);
    return status;
}

enum weir_status replay_consumer_regex(struct group_machine *machine,
                                       const struct weir_replayed *record, struct weir_reader *key,
                                       struct weir_reader *reader)
{
    struct weir_consumer_group_regular_expression_key where;
    weir_consumer_group_regular_expression_key_read(key, 0, &where);
    if (weir_reader_status(key) != WEIR_OK)
        return weir_reader_status(key);
    bool is_tombstone = weir_slice_is_null(record->value);
    struct weir_consumer_group_regular_expression_value value;
    if (!is_tombstone)
        weir_consumer_group_regular_expression_value_read(
            reader, weir_coordinator_prefix_read(reader), &value);
    struct consumer_group *group;
    enum weir_status status = is_tombstone ? WEIR_OK : weir_reader_status(reader);
    if (status == WEIR_OK)
        status = find_group(machine, where.group_id, is_tombstone, &group);
    if (status != WEIR_OK || group == NULL)
        return status;
    if (is_tombstone) {
        consumer_remove_regex(group, where.regular_expression);
        return WEIR_OK;
    }
    struct resolved_regex regex = {.text = where.regular_expression,
                                   .topics = value.topics.items,
                                   .topic_count = (size_t)value.topics.count,
                                   .version = value.version,
                                   .wall_ms = value.timestamp};
    return consumer_set_regex(group, &regex);
}
