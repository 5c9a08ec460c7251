/* SPDX-License-Identifier: Apache-2.0 */

/* What groups of all kinds have in common. */

#include "group_int.h"

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
