/* SPDX-License-Identifier: Apache-2.0 */
#include "assign_int.h"

#include <stdlib.h>

/*
 * Each topic is cut into as many runs of consecutive partitions as it has subscribers, the first
 * ones longer by one where it does not divide evenly, and handed out in the members' order: static
 * members first, by instance id (they come back under a new member id and keep their place), then
 * the others by member id.  Members that all subscribe to the same topics get the same partition
 * numbers of all topics with the same number of partitions.
 */

struct ranked {
    const struct weir_assign_member *member;
    int32_t index;
};

static int compare_members(const void *a, const void *b)
{
    const struct weir_assign_member *left = ((const struct ranked *)a)->member;
    const struct weir_assign_member *right = ((const struct ranked *)b)->member;
    bool is_left_static = !weir_slice_is_null(left->instance_id);
    bool is_right_static = !weir_slice_is_null(right->instance_id);
    if (is_left_static != is_right_static)
        return is_left_static ? -1 : 1;
    int order = is_left_static ? weir_slice_compare(left->instance_id, right->instance_id) : 0;
    return order != 0 ? order : weir_slice_compare(left->member_id, right->member_id);
}

struct share {
    int32_t subscriber_count;
    int32_t extra_count; /* how many runs are still longer by one */
    int32_t next;        /* the first partition that nobody has */
};

static void take_run(const struct plan *plan, uint32_t topic, struct share *share, int32_t member)
{
    int32_t quota = plan->spec->topics[topic].partition_count / share->subscriber_count;
    if (share->extra_count > 0) {
        share->extra_count--;
        quota++;
    }
    int32_t *owners = plan_owners(plan, topic);
    for (int32_t i = 0; i < quota; i++)
        owners[share->next++] = member;
}

enum weir_status assign_range(struct plan *plan)
{
    const struct weir_assign_spec *spec = plan->spec;
    struct ranked *ranking = weir_arena_calloc(plan->arena, spec->member_count, sizeof(*ranking));
    struct share *shares = weir_arena_calloc(plan->arena, spec->topic_count, sizeof(*shares));
    if (ranking == NULL || shares == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < spec->member_count; i++) {
        ranking[i] = (struct ranked){.member = &spec->members[i], .index = (int32_t)i};
        for (size_t j = 0; j < spec->members[i].topic_count; j++)
            shares[spec->members[i].topics[j]].subscriber_count++;
    }
    for (size_t i = 0; i < spec->topic_count; i++) {
        if (shares[i].subscriber_count > 0)
            shares[i].extra_count = spec->topics[i].partition_count % shares[i].subscriber_count;
    }
    qsort(ranking, spec->member_count, sizeof(*ranking), compare_members);
    for (size_t i = 0; i < spec->member_count; i++) {
        const struct weir_assign_member *member = ranking[i].member;
        for (size_t j = 0; j < member->topic_count; j++)
            take_run(plan, member->topics[j], &shares[member->topics[j]], ranking[i].index);
    }
    return WEIR_OK;
}
