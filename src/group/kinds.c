/* SPDX-License-Identifier: Apache-2.0 */

/* What groups of all kinds have in common, and the kinds this broker remembers without serving
 * them: their records are left alone, and so are they, for nothing here may write a record that
 * would make Apache Kafka drop them. */

#include "group_int.h"

#include "weir/base/memory.h"

const struct group_ops *group_ops_of(enum group_kind kind)
{
    static const struct group_ops *const all[] = {[GROUP_CLASSIC] = &classic_group_ops,
                                                  [GROUP_CONSUMER] = &consumer_group_ops,
                                                  [GROUP_SHARE] = &share_group_ops,
                                                  [GROUP_STREAMS] = &streams_group_ops};
    return all[kind];
}

enum weir_status group_init(struct group *group, const struct group_ops *ops,
                            struct group_machine *machine, struct weir_slice id)
{
    enum weir_status status = text_dup(id, &group->id);
    if (status != WEIR_OK)
        return status;
    group->ops = ops;
    group->machine = machine;
    group->incarnation = ++machine->incarnations;
    return WEIR_OK;
}

void group_done(struct group *group)
{
    text_drop(&group->id);
}

bool group_is(const struct group *group, enum group_kind kind)
{
    return group->ops->kind == kind;
}

bool group_is_subscribed(const struct group *group, struct weir_slice topic)
{
    return group->ops->is_subscribed != NULL && group->ops->is_subscribed(group, topic);
}

enum weir_status group_check_delete(const struct group *group)
{
    if (group->ops->check_delete != NULL)
        return group->ops->check_delete(group);
    return group->ops->is_empty(group) ? WEIR_OK : WEIR_NON_EMPTY_GROUP;
}

/* ---- Remembered ---- */

static enum weir_status create_remembered(const struct group_ops *ops,
                                          struct group_machine *machine, struct weir_slice id,
                                          struct group **out)
{
    struct group *group = weir_calloc(1, sizeof(*group));
    enum weir_status status = group == NULL ? WEIR_NO_MEMORY : group_init(group, ops, machine, id);
    if (status != WEIR_OK) {
        weir_free(group);
        return status;
    }
    *out = group;
    return WEIR_OK;
}

static void free_remembered(struct group *group)
{
    if (group == NULL)
        return;
    group_done(group);
    weir_free(group);
}

/* Who is in it is not known: neither is its state. */
static const char *unknown_state(const struct group *group)
{
    (void)group;
    return "Unknown";
}

static struct weir_slice type_as_protocol(const struct group *group)
{
    return weir_slice_str(group->ops->type_name);
}

static size_t no_members(const struct group *group)
{
    (void)group;
    return 0;
}

static bool never_empty(const struct group *group)
{
    (void)group;
    return false;
}

static bool always_subscribed(const struct group *group, struct weir_slice topic)
{
    (void)group;
    (void)topic;
    return true;
}

static enum weir_status refuse_commit(struct group *group, const struct group_committer *committer,
                                      struct weir_step *step)
{
    (void)group;
    (void)committer;
    (void)step;
    return WEIR_UNKNOWN_MEMBER_ID; /* its members are not known here */
}

static enum weir_status refuse_offset_delete(const struct group *group)
{
    (void)group;
    return WEIR_NON_EMPTY_GROUP; /* what it is subscribed to is not known */
}

static bool never_retained(const struct group *group, const struct stored_offset *offset,
                           int64_t *out_ms)
{
    (void)group;
    (void)offset;
    (void)out_ms;
    return false;
}

static void no_tombstones(const struct group *group, struct weir_step *step)
{
    (void)group; /* never_empty: nobody asks */
    (void)step;
}

#define REMEMBERED(kind_value, name, create_function)                                              \
    {                                                                                              \
        .kind = (kind_value), .type_name = (name), .create = (create_function),                    \
        .free = free_remembered, .state_name = unknown_state, .protocol_type = type_as_protocol,   \
        .member_count = no_members, .is_empty = never_empty, .is_subscribed = always_subscribed,   \
        .check_commit = refuse_commit, .check_offset_delete = refuse_offset_delete,                \
        .retention_start = never_retained, .write_tombstones = no_tombstones                       \
    }

static enum weir_status create_share(struct group_machine *machine, struct weir_slice id,
                                     int64_t wall_ms, struct group **out)
{
    (void)wall_ms;
    return create_remembered(&share_group_ops, machine, id, out);
}

const struct group_ops share_group_ops = REMEMBERED(GROUP_SHARE, "share", create_share);
