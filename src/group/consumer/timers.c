/* SPDX-License-Identifier: Apache-2.0 */

/* What happens to members that are silent for too long. */

#include "consumer_int.h"

void consumer_restart_session(struct consumer_member *member)
{
    struct group_machine *machine = member->group->base.machine;
    int64_t timeout_ms =
        member->data.is_classic
            ? member->data.classic_session_timeout_ms
            : machine_group_config(machine, member->group->base.id, "consumer.session.timeout.ms");
    timer_set(machine, &member->session, machine->now_ms + timeout_ms);
}

/* A refused append leaves the member in: it is looked at again soon. */
#define RETRY_MS 1000

static void fence_one(struct consumer_member *member, struct group_timer *timer, const char *why,
                      struct weir_step *step)
{
    timer_set(member->group->base.machine, timer, step->now_ms + RETRY_MS);
    WEIR_STEP_INFO(step, "group_member_removed", WEIR_BYTES("group", member->group->base.id),
                   WEIR_BYTES("member", member->data.id), WEIR_STR("reason", why));
    struct weir_slice reason;
    group_reason(step, &reason, "member %.*s: %s", WEIR_SLICE_ARGS(member->data.id), why);
    consumer_fence(member->group, &member, 1, reason, step);
}

void consumer_session_expired(struct group_timer *timer, struct weir_step *step)
{
    fence_one(WEIR_CONTAINER_OF(timer, struct consumer_member, session), timer, "session timeout",
              step);
}

void consumer_rebalance_expired(struct group_timer *timer, struct weir_step *step)
{
    struct consumer_member *member = WEIR_CONTAINER_OF(timer, struct consumer_member, rebalance);
    if (member->data.epoch == member->rebalance_epoch)
        fence_one(member, timer, "did not give up its partitions in time", step);
}

void consumer_join_expired(struct group_timer *timer, struct weir_step *step)
{
    fence_one(WEIR_CONTAINER_OF(timer, struct consumer_member, join), timer,
              "did not rejoin in time", step);
}

void consumer_sync_expired(struct group_timer *timer, struct weir_step *step)
{
    fence_one(WEIR_CONTAINER_OF(timer, struct consumer_member, sync), timer,
              "sent no SyncGroup in time", step);
}

void consumer_loaded(struct group *base, struct weir_step *step)
{
    (void)step;
    struct consumer_group *group = consumer_of(base);
    struct group_machine *machine = base->machine;
    size_t cursor = 0;
    const struct weir_map_entry *entry;
    while ((entry = weir_map_next(&group->members, &cursor)) != NULL) {
        struct consumer_member *member = entry->value;
        consumer_restart_session(member);
        if (member->data.is_classic || member->data.state != MEMBER_UNREVOKED)
            continue;
        member->rebalance_epoch = member->data.epoch;
        timer_set(machine, &member->rebalance, machine->now_ms + member->data.rebalance_timeout_ms);
    }
}
