/* SPDX-License-Identifier: Apache-2.0 */

/* JoinGroup (KIP-394 member ids, KIP-345 static members, KIP-814 skipped assignment). */

#include "classic_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

/* One request on its way.  status PENDING: the answer is parked in a member or in a write. */
struct joining {
    struct group_machine *machine;
    const struct weir_group_join_request *request;
    const uint8_t *random; /* 16 bytes */
    struct weir_group_join *join;
    struct weir_step *step;
    struct classic_group *group;
    struct group *replaced; /* an empty group of another kind that made room; owned */
};

static void fail(struct joining *joining, enum weir_status status, struct weir_slice member_id)
{
    join_set_error(joining->join, status, member_id);
}

/* Answers of the functions below: false when the answer waits somewhere. */
#define ANSWERED true
#define PARKED   false

static struct weir_slice client_reason(const struct joining *joining)
{
    struct weir_slice reason = joining->request->reason;
    return reason.size == 0 ? WEIR_SLICE("not provided") : reason;
}

static struct weir_slice rebalance_reason(struct joining *joining, const char *what,
                                          struct weir_slice member_id)
{
    struct weir_slice said = client_reason(joining);
    struct weir_slice reason;
    group_reason(joining->step, &reason, "%s %.*s; client reason: %.*s", what,
                 (int)(member_id.size < 80 ? member_id.size : 80), (const char *)member_id.data,
                 (int)(said.size < 100 ? said.size : 100), (const char *)said.data);
    return reason;
}

/* "<client or instance id>-<random UUID>", in the step's arena; null when memory is out or the id
 * would be too long. */
static struct weir_slice new_member_id(struct joining *joining)
{
    struct weir_uuid id;
    memcpy(id.bytes, joining->random, sizeof(id.bytes));
    id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0fu) | 0x40u); /* version 4, variant 1 */
    id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3fu) | 0x80u);
    char text[WEIR_UUID_HEX_BYTES];
    weir_uuid_format_hex(id, text);
    const struct weir_group_join_request *request = joining->request;
    struct weir_slice prefix =
        weir_slice_is_null(request->instance_id) ? request->client_id : request->instance_id;
    size_t size = prefix.size + 1 + strlen(text);
    if (size > INT16_MAX)
        return WEIR_NULL_SLICE; /* no record could hold it */
    uint8_t *bytes = weir_arena_alloc(&joining->step->arena, size);
    if (bytes == NULL)
        return WEIR_NULL_SLICE;
    if (prefix.size > 0)
        memcpy(bytes, prefix.data, prefix.size);
    bytes[prefix.size] = '-';
    memcpy(bytes + prefix.size + 1, text, strlen(text));
    return weir_slice_of(bytes, size);
}

static bool is_acceptable(const struct joining *joining)
{
    const struct classic_group *group = joining->group;
    const struct classic_member *member = classic_find_member(group, joining->request->member_id);
    size_t size_max = (size_t)joining->machine->config->max_size;
    switch (group->state) {
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        return true;
    case CLASSIC_PREPARING:
        /* Those who are here count, so that the last to rejoin are the ones left out when the limit
         * was lowered. */
        return (member != NULL && member->join != NULL) || group->waiting_join_count < size_max;
    case CLASSIC_COMPLETING:
    case CLASSIC_STABLE:
        return member != NULL || group->member_count < size_max;
    }
    WEIR_UNREACHABLE();
}

static bool add_member(struct joining *joining, struct weir_slice member_id, bool is_id_known)
{
    const struct weir_group_join_request *request = joining->request;
    struct classic_group *group = joining->group;
    struct weir_slice host =
        weir_arena_printf(&joining->step->arena, "/%.*s", WEIR_SLICE_ARGS(request->client_host));
    struct classic_member_setup setup = {
        .id = member_id,
        .instance_id = request->instance_id,
        .client_id = weir_slice_is_null(request->client_id) ? WEIR_EMPTY_SLICE : request->client_id,
        .client_host = weir_slice_is_null(host) ? WEIR_EMPTY_SLICE : host,
        .rebalance_timeout_ms = request->rebalance_timeout_ms,
        .session_timeout_ms = request->session_timeout_ms,
        .protocols = request->protocols,
        .protocol_count = request->protocol_count};
    struct classic_member *member;
    enum weir_status status = classic_member_new(group, &setup, &member);
    if (status == WEIR_OK) {
        status = classic_add_member(group, member, request->protocol_type);
        if (status != WEIR_OK)
            classic_member_free(member);
    }
    if (status != WEIR_OK) {
        fail(joining, WEIR_UNKNOWN_SERVER_ERROR, request->member_id);
        return ANSWERED;
    }
    struct pending_member *pending = classic_find_pending(group, member->id);
    if (pending != NULL)
        classic_remove_pending(group, pending);
    member->is_new = true;
    member->is_id_unknown = !is_id_known;
    if (group->state == CLASSIC_PREPARING && group->previous_state == CLASSIC_EMPTY)
        group->has_new_member = true;
    classic_member_park_join(member, joining->join, joining->step);
    /* It cannot send heartbeats before it is answered, and nobody tells whether it is still there:
     * its session is long, but not endless. */
    session_restart(member, joining->machine->config->new_member_join_timeout_ms, joining->step);
    rebalance_or_complete(group, rebalance_reason(joining, "new member", member_id), joining->step);
    return PARKED;
}

static bool update_member(struct joining *joining, struct classic_member *member, const char *what)
{
    const struct weir_group_join_request *request = joining->request;
    enum weir_status status =
        classic_update_member(member, request->protocols, request->protocol_count,
                              request->rebalance_timeout_ms, request->session_timeout_ms);
    if (status != WEIR_OK) {
        fail(joining, WEIR_UNKNOWN_SERVER_ERROR, request->member_id);
        return ANSWERED;
    }
    classic_member_park_join(member, joining->join, joining->step);
    rebalance_or_complete(joining->group, rebalance_reason(joining, what, request->member_id),
                          joining->step);
    return PARKED;
}

/* ---- A static member comes back under a new id ---- */

/* Kept until the record with the new id is committed; a refusal takes everything back. */
struct static_replacement {
    struct weir_write write;
    struct weir_slice group_id;
    struct weir_slice instance_id;
    struct weir_slice old_id;
    struct weir_slice old_leader; /* null: there was none */
    struct weir_group_protocol *old_protocols;
    size_t old_protocol_count;
    int32_t old_rebalance_timeout_ms;
    int32_t old_session_timeout_ms;
    int32_t generation;
    bool supports_skipping;
};

static void replacement_free(struct static_replacement *replacement)
{
    if (replacement == NULL)
        return;
    text_drop(&replacement->group_id);
    text_drop(&replacement->instance_id);
    text_drop(&replacement->old_id);
    text_drop(&replacement->old_leader);
    protocols_drop(replacement->old_protocols, replacement->old_protocol_count);
    weir_free(replacement);
}

static struct static_replacement *replacement_new(const struct joining *joining,
                                                  const struct classic_member *member)
{
    struct static_replacement *replacement = weir_calloc(1, sizeof(*replacement));
    if (replacement == NULL)
        return NULL;
    const struct classic_member *leader = member->group->leader;
    replacement->old_rebalance_timeout_ms = member->rebalance_timeout_ms;
    replacement->old_session_timeout_ms = member->session_timeout_ms;
    replacement->generation = member->group->generation;
    replacement->supports_skipping = joining->request->supports_skipping_assignment;
    if (text_dup(member->group->base.id, &replacement->group_id) != WEIR_OK ||
        text_dup(member->instance_id, &replacement->instance_id) != WEIR_OK ||
        text_dup(member->id, &replacement->old_id) != WEIR_OK ||
        text_dup(leader == NULL ? WEIR_NULL_SLICE : leader->id, &replacement->old_leader) !=
            WEIR_OK ||
        protocols_dup(member->protocols, member->protocol_count, &replacement->old_protocols,
                      &replacement->old_protocol_count) != WEIR_OK) {
        replacement_free(replacement);
        return NULL;
    }
    return replacement;
}

static void revert_replacement(struct static_replacement *replacement,
                               struct classic_member *member, enum weir_status status,
                               struct weir_step *step)
{
    classic_member_fail_join(member, status, WEIR_EMPTY_SLICE, step);
    enum weir_status reverted = classic_update_member(
        member, replacement->old_protocols, replacement->old_protocol_count,
        replacement->old_rebalance_timeout_ms, replacement->old_session_timeout_ms);
    if (reverted == WEIR_OK)
        reverted = classic_replace_static(member->group, member, replacement->old_id, step);
    WEIR_STEP_WARN(step, "group_static_member_kept", WEIR_BYTES("group", member->group->base.id),
                   WEIR_BYTES("instance", replacement->instance_id),
                   WEIR_BYTES("member", member->id), WEIR_STR("reason", weir_status_name(status)),
                   WEIR_STR("reverted", weir_status_name(reverted)));
    session_restart(member, member->session_timeout_ms, step);
}

static void replacement_written(struct weir_write *write, void *machine,
                                enum weir_write_outcome outcome, enum weir_status status,
                                struct weir_step *step)
{
    struct static_replacement *replacement =
        WEIR_CONTAINER_OF(write, struct static_replacement, write);
    struct classic_group *group = classic_group_of(machine, replacement->group_id);
    struct classic_member *member =
        group == NULL ? NULL : classic_find_static(group, replacement->instance_id);
    /* Gone, or waiting for a newer generation: then the answer is somebody else's business. */
    if (member != NULL && member->join != NULL && group->state == CLASSIC_STABLE &&
        group->generation == replacement->generation) {
        struct weir_group_join *join = NULL;
        if (outcome != WEIR_WRITE_COMMITTED)
            revert_replacement(replacement, member, status, step);
        else
            join = classic_member_take_join(member);
        if (join != NULL) {
            join_set_generation(join, member);
            if (replacement->supports_skipping) {
                join->skip_assignment = group->leader == member; /* KIP-814 */
            } else {
                /* Before version 9 it is told the leader as it was, so that it does not take itself
                 * for a leader who has to assign. */
                join->members = NULL;
                join->member_count = 0;
                if (weir_arena_copy(&join->op.arena, replacement->old_leader, &join->leader) !=
                    WEIR_OK)
                    join_set_error(join, WEIR_UNKNOWN_SERVER_ERROR, WEIR_EMPTY_SLICE);
            }
            op_complete(&join->op, join->op.status, step);
        }
    }
    replacement_free(replacement);
}

static bool replace_static(struct joining *joining, struct classic_member *member,
                           struct weir_slice new_id)
{
    const struct weir_group_join_request *request = joining->request;
    struct classic_group *group = joining->group;
    WEIR_STEP_INFO(joining->step, "group_static_member_replaced",
                   WEIR_BYTES("group", group->base.id), WEIR_BYTES("instance", member->instance_id),
                   WEIR_BYTES("old", member->id), WEIR_BYTES("new", new_id));
    struct static_replacement *replacement = replacement_new(joining, member);
    enum weir_status status = replacement == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    if (status == WEIR_OK)
        status = classic_update_member(member, request->protocols, request->protocol_count,
                                       request->rebalance_timeout_ms, request->session_timeout_ms);
    if (status == WEIR_OK)
        status = classic_replace_static(group, member, new_id, joining->step);
    if (status != WEIR_OK) {
        replacement_free(replacement);
        fail(joining, WEIR_UNKNOWN_SERVER_ERROR, WEIR_EMPTY_SLICE);
        return ANSWERED;
    }
    member->is_id_unknown = true;
    classic_member_park_join(member, joining->join, joining->step);
    session_restart(member, member->session_timeout_ms, joining->step);
    if (group->state == CLASSIC_STABLE &&
        weir_slice_equal(classic_vote(group), group->protocol_name)) {
        replacement->write.result = replacement_written;
        weir_step_write(joining->step, &replacement->write);
        record_group(joining->step, group, NULL, 0);
        return PARKED;
    }
    replacement_free(replacement);
    struct weir_slice reason = rebalance_reason(joining, "static member replaced", new_id);
    if (group->state == CLASSIC_STABLE || group->state == CLASSIC_COMPLETING)
        /* In CompletingRebalance the leader may be assigning to the old id this very moment. */
        prepare_rebalance(group, reason, joining->step);
    else
        complete_join_if_all_joined(group, joining->step);
    return PARKED;
}

/* ---- Who joins ---- */

static bool join_new(struct joining *joining)
{
    const struct weir_group_join_request *request = joining->request;
    struct classic_group *group = joining->group;
    if (!classic_supports(group, request->protocol_type, request->protocols,
                          request->protocol_count)) {
        fail(joining, WEIR_INCONSISTENT_GROUP_PROTOCOL, WEIR_EMPTY_SLICE);
        return ANSWERED;
    }
    struct weir_slice member_id = new_member_id(joining);
    if (weir_slice_is_null(member_id)) {
        fail(joining, WEIR_UNKNOWN_SERVER_ERROR, WEIR_EMPTY_SLICE);
        return ANSWERED;
    }
    if (!weir_slice_is_null(request->instance_id)) {
        struct classic_member *existing = classic_find_static(group, request->instance_id);
        return existing == NULL ? add_member(joining, member_id, false)
                                : replace_static(joining, existing, member_id);
    }
    if (!request->requires_known_member_id)
        return add_member(joining, member_id, false);
    struct pending_member *pending;
    if (classic_add_pending(group, member_id, &pending) != WEIR_OK) {
        fail(joining, WEIR_UNKNOWN_SERVER_ERROR, WEIR_EMPTY_SLICE);
        return ANSWERED;
    }
    timer_set(joining->machine, &pending->timer,
              joining->step->now_ms + request->session_timeout_ms);
    fail(joining, WEIR_MEMBER_ID_REQUIRED, member_id);
    return ANSWERED;
}

static bool rejoin(struct joining *joining, struct classic_member *member)
{
    const struct weir_group_join_request *request = joining->request;
    bool has_changed =
        !classic_member_has_protocols(member, request->protocols, request->protocol_count);
    switch (joining->group->state) {
    case CLASSIC_PREPARING:
        return update_member(joining, member, "rejoin of member");
    case CLASSIC_COMPLETING:
        if (has_changed)
            return update_member(joining, member, "changed metadata of member");
        /* The answer to its join was lost on the way. */
        join_set_generation(joining->join, member);
        return ANSWERED;
    case CLASSIC_STABLE:
        if (joining->group->leader == member) /* it saw something its metadata does not show */
            return update_member(joining, member, "rejoin of leader");
        if (has_changed)
            return update_member(joining, member, "changed metadata of member");
        join_set_generation(joining->join, member);
        return ANSWERED;
    case CLASSIC_EMPTY:
    case CLASSIC_DEAD:
        break;
    }
    fail(joining, WEIR_UNKNOWN_MEMBER_ID, request->member_id);
    return ANSWERED;
}

static bool join_existing(struct joining *joining)
{
    const struct weir_group_join_request *request = joining->request;
    struct classic_group *group = joining->group;
    if (!classic_supports(group, request->protocol_type, request->protocols,
                          request->protocol_count)) {
        fail(joining, WEIR_INCONSISTENT_GROUP_PROTOCOL, request->member_id);
        return ANSWERED;
    }
    if (classic_find_pending(group, request->member_id) != NULL) {
        if (weir_slice_is_null(request->instance_id))
            return add_member(joining, request->member_id, true);
        /* No static member is ever pending: the client mixes two lives. */
        fail(joining, WEIR_UNKNOWN_SERVER_ERROR, request->member_id);
        return ANSWERED;
    }
    enum weir_status status = classic_check_member(group, request->member_id, request->instance_id);
    if (status != WEIR_OK) {
        fail(joining, status, request->member_id);
        return ANSWERED;
    }
    return rejoin(joining, classic_find_member(group, request->member_id));
}

/* ---- A group that did not exist ---- */

/* Generation 0 is written before the first answer leaves, so that a group a client has heard of is
 * there after a restart. */
struct first_record {
    struct weir_write write;
    struct weir_group_join *join; /* NULL: it is parked in the group */
    struct weir_slice group_id;
    uint64_t incarnation;
    struct group *replaced; /* it comes back when the record is refused */
};

static void give_back(struct group_machine *machine, struct group *replaced)
{
    if (replaced == NULL)
        return;
    enum weir_status status = weir_map_put(&machine->groups, replaced->id, replaced, NULL);
    WEIR_ASSERT(status == WEIR_OK); /* in the room of the group that has just been removed */
}

static void first_record_written(struct weir_write *write, void *machine,
                                 enum weir_write_outcome outcome, enum weir_status status,
                                 struct weir_step *step)
{
    struct first_record *first = WEIR_CONTAINER_OF(write, struct first_record, write);
    if (outcome == WEIR_WRITE_REFUSED) {
        struct group *group = machine_group(machine, first->group_id);
        if (group != NULL && group->incarnation == first->incarnation)
            machine_remove_group(machine, group, status, step);
        give_back(machine, first->replaced);
    } else if (first->replaced != NULL) {
        first->replaced->ops->free(first->replaced);
    }
    if (first->join != NULL) {
        if (outcome != WEIR_WRITE_COMMITTED)
            join_set_error(first->join, status, WEIR_EMPTY_SLICE);
        op_complete(&first->join->op, first->join->op.status, step);
    }
    text_drop(&first->group_id);
    weir_free(first);
}

static void write_first_record(struct joining *joining, bool is_answered)
{
    struct classic_group *group = joining->group;
    struct first_record *first = weir_calloc(1, sizeof(*first));
    if (first == NULL || text_dup(group->base.id, &first->group_id) != WEIR_OK) {
        weir_free(first);
        if (is_answered) {
            fail(joining, WEIR_UNKNOWN_SERVER_ERROR, WEIR_EMPTY_SLICE);
            op_complete(&joining->join->op, joining->join->op.status, joining->step);
        }
        machine_remove_group(joining->machine, &group->base, WEIR_UNKNOWN_SERVER_ERROR,
                             joining->step);
        give_back(joining->machine, joining->replaced);
        return;
    }
    first->replaced = joining->replaced;
    first->write.result = first_record_written;
    first->join = is_answered ? joining->join : NULL;
    first->incarnation = group->base.incarnation;
    weir_step_write(joining->step, &first->write);
    if (joining->replaced != NULL) {
        joining->step->must_replay = false; /* it is out already */
        joining->replaced->ops->write_tombstones(joining->replaced, joining->step);
        joining->step->must_replay = true;
    }
    record_empty_group(joining->step, group);
}

void classic_join(struct classic_group *group, const struct weir_group_join_request *request,
                  const uint8_t random[16], const struct classic_newcomer *newcomer,
                  struct weir_group_join *join, struct weir_step *step)
{
    struct joining joining = {.machine = group->base.machine,
                              .request = request,
                              .random = random,
                              .join = join,
                              .step = step,
                              .group = group,
                              .replaced = newcomer == NULL ? NULL : newcomer->replaced};
    bool is_answered = ANSWERED;
    if (!is_acceptable(&joining)) {
        struct classic_member *member = classic_find_member(group, request->member_id);
        struct pending_member *pending = classic_find_pending(group, request->member_id);
        if (member != NULL)
            classic_remove_member(group, member, step);
        if (pending != NULL)
            classic_remove_pending(group, pending);
        fail(&joining, WEIR_GROUP_MAX_SIZE_REACHED, WEIR_EMPTY_SLICE);
    } else {
        is_answered = request->member_id.size == 0 ? join_new(&joining) : join_existing(&joining);
    }
    if (newcomer != NULL)
        write_first_record(&joining, is_answered);
    else if (is_answered)
        op_complete(&join->op, join->op.status, step);
}
