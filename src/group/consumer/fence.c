/* SPDX-License-Identifier: Apache-2.0 */

/* Members go: because they leave, or because they are put out. */

#include "consumer_int.h"

static bool is_last_user(const struct consumer_group *group, struct consumer_member *const *members,
                         size_t count, struct weir_slice regex)
{
    size_t going = 0;
    for (size_t i = 0; i < count; i++) {
        if (weir_slice_equal(members[i]->data.regex, regex))
            going++;
    }
    return consumer_regex_users(group, regex) == going;
}

static void write_regex_tombstones(const struct consumer_group *group,
                                   struct consumer_member *const *members, size_t count,
                                   struct weir_step *step)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_slice regex = members[i]->data.regex;
        bool is_first = true;
        for (size_t j = 0; j < i; j++)
            is_first &= !weir_slice_equal(members[j]->data.regex, regex);
        if (regex.size > 0 && is_first && is_last_user(group, members, count, regex))
            record_consumer_regex_tombstone(step, group->base.id, regex);
    }
}

void consumer_fence(struct consumer_group *group, struct consumer_member *const *members,
                    size_t count, struct weir_slice reason, struct weir_step *step)
{
    if (count == 0)
        return;
    enum weir_status status = WEIR_OK;
    if (consumer_may_downgrade(group, members, count, 0)) {
        status = consumer_downgrade(group, members, count, NULL, true, step);
        if (status != WEIR_OK)
            step->status = status;
        return;
    }
    for (size_t i = 0; i < count; i++)
        record_consumer_member_gone(step, group->base.id, members[i]->data.id);
    write_regex_tombstones(group, members, count, step);
    const struct group_draft draft = {.group = group,
                                      .step = step,
                                      .gone = (const struct consumer_member *const *)members,
                                      .gone_count = count};
    int64_t hash;
    status = draft_hash(&draft, &hash);
    if (status != WEIR_OK) {
        step->status = status;
        return;
    }
    record_consumer_epoch(step, group->base.id, group->epoch + 1, hash);
    group_rebalanced(&group->base, group->epoch + 1, group->members.count - count, reason, step);
}
