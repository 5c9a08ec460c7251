/* SPDX-License-Identifier: Apache-2.0 */

/*
 * From one protocol to the other while members are at work (group.consumer.migration.policy).
 *
 * Both ways are records: tombstones of what was, then the records of what is; replay takes the one
 * group out of the machine and puts the other in.  Until they are appended nothing has changed.
 */

#include "embedded.h"

#include "../classic/classic_int.h"
#include "weir/base/memory.h"

#include <strings.h>

static bool policy_is(const struct group_machine *machine, const char *one)
{
    struct weir_slice policy = machine_broker_config(machine, "group.consumer.migration.policy");
    return (policy.size == strlen(one) &&
            strncasecmp((const char *)policy.data, one, policy.size) == 0) ||
           (policy.size == strlen("bidirectional") &&
            strncasecmp((const char *)policy.data, "bidirectional", policy.size) == 0);
}

/* ---- Classic -> consumer ---- */

static enum weir_status upgrade_member(struct consumer_group *group,
                                       const struct classic_group *classic,
                                       const struct classic_member *from, struct weir_arena *arena)
{
    struct weir_slice protocol = weir_slice_is_null(classic->protocol_name)
                                     ? from->protocols[0].name
                                     : classic->protocol_name;
    struct member_data data = {.id = from->id,
                               .instance_id = from->instance_id,
                               .client_id = from->client_id,
                               .client_host = from->client_host,
                               .rebalance_timeout_ms = from->rebalance_timeout_ms,
                               .is_classic = true,
                               .classic_session_timeout_ms = from->session_timeout_ms,
                               .protocols = from->protocols,
                               .protocol_count = from->protocol_count,
                               .epoch = classic->generation,
                               .previous_epoch = classic->generation,
                               .state = MEMBER_STABLE};
    struct weir_consumer_protocol_subscription subscription;
    enum weir_status status =
        embedded_subscription(classic_member_metadata(from, protocol), arena, &subscription);
    if (status == WEIR_OK)
        status = embedded_assignment(from->assignment, group->base.machine->image,
                                     classic->generation, arena, &data.assigned);
    if (status == WEIR_OK)
        status = embedded_topics(&subscription, arena, &data);
    if (status != WEIR_OK)
        return status;
    if (subscription.rack_id.size > 0)
        data.rack_id = subscription.rack_id;
    struct consumer_member *member;
    status = consumer_add_member(group, data.id, &member);
    if (status == WEIR_OK)
        status = consumer_set_metadata(member, &data);
    if (status == WEIR_OK)
        status = consumer_set_assignment(member, &data);
    if (status == WEIR_OK)
        status = consumer_set_target(group, data.id, &data.assigned);
    return status;
}

static enum weir_status write_upgrade(struct consumer_group *group, struct weir_step *step)
{
    struct weir_slice id = group->base.id;
    struct consumer_member **members = consumer_sorted_members(group, &step->arena);
    if (members == NULL)
        return WEIR_NO_MEMORY;
    const struct group_draft draft = {.group = group, .step = step};
    enum weir_status status = draft_hash(&draft, &group->metadata_hash);
    if (status != WEIR_OK)
        return status;
    record_group_tombstone(step, id);
    for (size_t i = 0; i < group->members.count; i++)
        record_consumer_member(step, id, &members[i]->data);
    record_consumer_epoch(step, id, group->epoch, group->metadata_hash);
    for (size_t i = 0; i < group->members.count; i++)
        record_consumer_target(step, id, members[i]->data.id, &members[i]->data.assigned);
    record_consumer_target_epoch(step, id, group->assignment_epoch);
    for (size_t i = 0; i < group->members.count; i++)
        record_consumer_assignment(step, id, &members[i]->data);
    return WEIR_OK;
}

static const char *upgrade_obstacle(const struct group_machine *machine,
                                    const struct classic_group *classic)
{
    if (!policy_is(machine, "upgrade"))
        return "online upgrade is disabled.";
    if (!classic_is_consumer(classic))
        return "the group does not use the consumer embedded protocol.";
    if ((int64_t)classic->member_count >
        machine_broker_config_i64(machine, "group.consumer.max.size"))
        return "the group size exceeds the consumer group maximum size.";
    return NULL;
}

static enum weir_status refuse_upgrade(const struct classic_group *classic, const char *why,
                                       struct weir_slice *out_message, struct weir_step *step)
{
    *out_message = weir_arena_printf(
        &step->arena, "Cannot upgrade classic group %.*s to consumer group because %s",
        WEIR_SLICE_ARGS(classic->base.id), why);
    WEIR_STEP_INFO(step, "group_not_upgraded", WEIR_BYTES("group", classic->base.id),
                   WEIR_STR("reason", why));
    return WEIR_GROUP_ID_NOT_FOUND;
}

enum weir_status consumer_upgrade(struct group_machine *machine, struct group *base,
                                  struct consumer_group **out, struct weir_slice *out_message,
                                  struct weir_step *step)
{
    const struct classic_group *classic = classic_of(base);
    const char *obstacle = upgrade_obstacle(machine, classic);
    if (obstacle != NULL)
        return refuse_upgrade(classic, obstacle, out_message, step);
    struct consumer_group *group;
    enum weir_status status = consumer_group_new(machine, base->id, &group);
    if (status != WEIR_OK)
        return status;
    *out = group; /* the caller frees it in any case */
    group->epoch = classic->generation;
    group->assignment_epoch = classic->generation;
    WEIR_LIST_FOREACH(node, &classic->members) {
        const struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        if (status == WEIR_OK)
            status = upgrade_member(group, classic, member, &step->arena);
    }
    if (status == WEIR_UNSUPPORTED)
        return refuse_upgrade(classic,
                              "an unsupported custom assignor is in use. Please refer to the "
                              "documentation or switch to a default assignor before "
                              "re-attempting the upgrade.",
                              out_message, step);
    if (status != WEIR_OK && status != WEIR_NO_MEMORY)
        return refuse_upgrade(classic, "the embedded consumer protocol is malformed.", out_message,
                              step);
    if (status == WEIR_OK)
        status = write_upgrade(group, step);
    if (status != WEIR_OK)
        return status;
    /* They come again, and find the group as it is then. */
    base->ops->fail_waiters(base, WEIR_REBALANCE_IN_PROGRESS, step);
    WEIR_STEP_INFO(step, "group_upgraded", WEIR_BYTES("group", base->id),
                   WEIR_I64("epoch", group->epoch), WEIR_I64("members", group->members.count));
    return WEIR_OK;
}

/* ---- Consumer -> classic ---- */

static bool is_leaving(const struct consumer_member *member, struct consumer_member *const *leaving,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (leaving[i] == member)
            return true;
    }
    return false;
}

bool consumer_may_downgrade(const struct consumer_group *group,
                            struct consumer_member *const *leaving, size_t count, size_t joining)
{
    size_t classic_leaving = 0;
    for (size_t i = 0; i < count; i++)
        classic_leaving += leaving[i]->data.is_classic;
    size_t staying = group->members.count - count + joining;
    if (staying == 0 || group->classic_count - classic_leaving + joining != staying)
        return false;
    return policy_is(group->base.machine, "downgrade") &&
           staying <= (size_t)group->base.machine->config->max_size;
}

/* The classic group's sessions and rebalance begin when it is in the log. */
struct downgrade_write {
    struct weir_write write;
    struct weir_slice group_id;
    int32_t generation;
    bool rebalance;
};

static void downgraded(struct weir_write *write, void *machine, enum weir_write_outcome outcome,
                       enum weir_status status, struct weir_step *step)
{
    struct downgrade_write *downgrade = WEIR_CONTAINER_OF(write, struct downgrade_write, write);
    struct classic_group *group = classic_group_of(machine, downgrade->group_id);
    bool is_here = outcome != WEIR_WRITE_REFUSED && status != WEIR_NOT_COORDINATOR;
    if (is_here && group != NULL && group->generation == downgrade->generation &&
        group->state == CLASSIC_STABLE) {
        WEIR_LIST_FOREACH(node, &group->members) {
            struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
            session_restart(member, member->session_timeout_ms, step);
        }
        WEIR_STEP_INFO(step, "group_downgraded", WEIR_BYTES("group", group->base.id),
                       WEIR_I64("generation", group->generation),
                       WEIR_I64("members", group->member_count));
        if (downgrade->rebalance)
            prepare_rebalance(
                group, WEIR_SLICE("the last member of the consumer protocol has left"), step);
    }
    text_drop(&downgrade->group_id);
    weir_free(downgrade);
}

static enum weir_status downgrade_member(struct classic_group *classic,
                                         const struct member_data *from)
{
    struct classic_member_setup setup = {.id = from->id,
                                         .instance_id = from->instance_id,
                                         .client_id = from->client_id,
                                         .client_host = from->client_host,
                                         .rebalance_timeout_ms = from->rebalance_timeout_ms,
                                         .session_timeout_ms = from->classic_session_timeout_ms,
                                         .protocols = from->protocols,
                                         .protocol_count = from->protocol_count};
    struct classic_member *member;
    enum weir_status status = classic_member_new(classic, &setup, &member);
    if (status != WEIR_OK)
        return status;
    status = classic_add_member(classic, member, WEIR_SLICE(CONSUMER_PROTOCOL_TYPE));
    if (status != WEIR_OK)
        classic_member_free(member);
    return status;
}

/* The members keep what they were to have. */
static enum weir_status downgrade_assignments(const struct consumer_group *group,
                                              const struct consumer_member *replaced,
                                              const struct member_data *joined,
                                              struct classic_group *classic,
                                              struct weir_arena *arena)
{
    enum weir_status status = WEIR_OK;
    WEIR_LIST_FOREACH(node, &classic->members) {
        struct classic_member *member = WEIR_LIST_ENTRY(node, struct classic_member, node);
        bool is_joined = joined != NULL && weir_slice_equal(member->id, joined->id);
        struct partition_set target = consumer_target_of(
            group, is_joined && replaced != NULL ? replaced->data.id : member->id);
        struct weir_slice bytes;
        if (status == WEIR_OK)
            status = embedded_write_assignment(
                &target, group->base.machine->image,
                classic_member_metadata(member, classic->protocol_name), arena, &bytes);
        if (status == WEIR_OK)
            status = text_set(&member->assignment, bytes);
    }
    return status;
}

static enum weir_status build_classic(const struct consumer_group *group,
                                      struct consumer_member *const *leaving, size_t count,
                                      const struct member_data *joined,
                                      struct classic_group *classic, struct weir_step *step)
{
    struct consumer_member **members = consumer_sorted_members(group, &step->arena);
    enum weir_status status = members == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    for (size_t i = 0; status == WEIR_OK && i < group->members.count; i++) {
        if (!is_leaving(members[i], leaving, count))
            status = downgrade_member(classic, &members[i]->data);
    }
    if (status == WEIR_OK && joined != NULL)
        status = downgrade_member(classic, joined);
    if (status == WEIR_OK)
        status = text_set(&classic->protocol_name, classic_vote(classic));
    classic->generation = group->epoch;
    if (status == WEIR_OK)
        status = downgrade_assignments(group, count == 1 ? leaving[0] : NULL, joined, classic,
                                       &step->arena);
    return status;
}

enum weir_status consumer_downgrade(struct consumer_group *group,
                                    struct consumer_member *const *leaving, size_t count,
                                    const struct member_data *joined, bool rebalance,
                                    struct weir_step *step)
{
    struct classic_group *classic = NULL;
    struct downgrade_write *downgrade = weir_calloc(1, sizeof(*downgrade));
    enum weir_status status = downgrade == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = text_dup(group->base.id, &downgrade->group_id);
    if (status == WEIR_OK)
        status = classic_group_new(group->base.machine, group->base.id, step->wall_ms, &classic);
    if (status == WEIR_OK)
        status = build_classic(group, leaving, count, joined, classic, step);
    if (status == WEIR_OK) {
        downgrade->write.result = downgraded;
        downgrade->generation = classic->generation;
        downgrade->rebalance = rebalance;
        if (joined != NULL)
            consumer_write_tombstones(group, leaving[0]->data.id, joined->id, step);
        else
            consumer_write_tombstones(group, WEIR_NULL_SLICE, WEIR_NULL_SLICE, step);
        record_whole_group(step, classic);
        weir_step_write(step, &downgrade->write);
    } else if (downgrade != NULL) {
        text_drop(&downgrade->group_id);
        weir_free(downgrade);
    }
    classic_group_free(classic);
    return status;
}
