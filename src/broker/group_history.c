/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What SIGUSR1 asks for: for every group this broker coordinates a line with its kind and state,
 * and one for each of its last rebalances with what caused it.
 */

#include "broker_int.h"

#include "weir/group/consumer_group_service.h"

/* Both operations end before they return. */
static void on_done(struct weir_group_op *op)
{
    (void)op;
}

static void log_group(struct weir_broker *broker, const struct weir_group_listing *group)
{
    struct weir_group_rebalances rebalances = {.op = {.done = on_done}};
    weir_group_rebalances(broker->groups, group->group_id, &rebalances);
    WEIR_LOG_INFO(broker->log, "group", WEIR_BYTES("group", group->group_id),
                  WEIR_BYTES("type", group->type), WEIR_BYTES("state", group->state),
                  WEIR_I64("rebalances", rebalances.total));
    for (size_t i = 0; i < rebalances.count; i++) {
        const struct weir_group_rebalance *one = &rebalances.items[i];
        WEIR_LOG_INFO(broker->log, "group_past_rebalance", WEIR_BYTES("group", group->group_id),
                      WEIR_I64("at_ms", one->wall_ms), WEIR_I64("epoch", one->epoch),
                      WEIR_I64("members", one->member_count), WEIR_BYTES("reason", one->reason));
    }
    weir_group_op_free(&rebalances.op);
}

void weir_broker_log_groups(struct weir_broker *broker)
{
    const struct weir_group_list_request everything = {0};
    struct weir_group_list list = {.op = {.done = on_done}};
    weir_group_list(broker->groups, &everything, &list);
    for (size_t i = 0; i < list.group_count; i++)
        log_group(broker, &list.groups[i]);
    WEIR_LOG_INFO(broker->log, "groups_listed", WEIR_I64("groups", (int64_t)list.group_count),
                  WEIR_STR("status", weir_status_name(list.op.status)));
    weir_group_op_free(&list.op);
}
