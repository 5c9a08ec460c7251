/* SPDX-License-Identifier: Apache-2.0 */
#include "assign_int.h"

/*
 * The uniform assignor when all members subscribe to the same topics.
 *
 * Invariants:
 *  I1  the sizes of any two members differ by at most one: the quota is partitions / members, and
 *      partitions % members members have one more.  Those are the first that have as many already;
 *      a member with fewer only where the members behind it are too few to take all extras.
 *  I2  a member keeps what it has up to its quota, in the order of topics and partitions.
 *  I3  what is left goes to the members below their quota, in their order: first the partitions
 *      that nobody had, then those taken away in I2.
 */

struct place {
    uint32_t topic;
    int32_t partition;
};

struct pool {
    struct place *places;
    size_t count;
};

/* Gives the member what it has, up to quota; the rest goes into the pool.  Returns what is left of
 * the quota.  A partition that another member has already is not given twice. */
static size_t keep_owned(const struct plan *plan, int32_t index, size_t quota, struct pool *revoked)
{
    const struct weir_assign_member *member = &plan->spec->members[index];
    for (size_t i = 0; i < member->owned_count; i++) {
        uint32_t topic = member->owned[i].topic;
        if (!subscribes_to(member, topic))
            continue;
        int32_t *owners = plan_owners(plan, topic);
        for (size_t j = 0; j < member->owned[i].partition_count; j++) {
            int32_t partition = member->owned[i].partitions[j];
            if (partition < 0 || partition >= plan->spec->topics[topic].partition_count ||
                owners[partition] != NOBODY)
                continue;
            /* Also revoked ones get an owner for now, so that they are seen as having had one. */
            owners[partition] = index;
            if (quota > 0)
                quota--;
            else
                revoked->places[revoked->count++] = (struct place){topic, partition};
        }
    }
    return quota;
}

static void add_unowned(const struct plan *plan, struct pool *pool)
{
    const struct weir_assign_member *any = &plan->spec->members[0];
    for (size_t i = 0; i < any->topic_count; i++) {
        const int32_t *owners = plan_owners(plan, any->topics[i]);
        for (int32_t p = 0; p < plan->spec->topics[any->topics[i]].partition_count; p++) {
            if (owners[p] == NOBODY)
                pool->places[pool->count++] = (struct place){any->topics[i], p};
        }
    }
}

enum weir_status assign_uniform_same(struct plan *plan)
{
    const struct weir_assign_spec *spec = plan->spec;
    const struct weir_assign_member *any = &spec->members[0];
    size_t total = 0;
    for (size_t i = 0; i < any->topic_count; i++)
        total += (size_t)spec->topics[any->topics[i]].partition_count;
    struct pool revoked = {weir_arena_calloc(plan->arena, total, sizeof(struct place)), 0};
    struct pool unowned = {weir_arena_calloc(plan->arena, total, sizeof(struct place)), 0};
    size_t *wanted = weir_arena_calloc(plan->arena, spec->member_count, sizeof(*wanted));
    if (revoked.places == NULL || unowned.places == NULL || wanted == NULL)
        return WEIR_NO_MEMORY;
    size_t extra_count = total % spec->member_count;
    for (size_t i = 0; i < spec->member_count; i++) {
        bool has_extra = extra_count > 0;
        size_t quota = total / spec->member_count + (has_extra ? 1 : 0);
        wanted[i] = keep_owned(plan, (int32_t)i, quota, &revoked);
        if (has_extra && wanted[i] > 0 && spec->member_count - i > extra_count) {
            wanted[i]--;
            has_extra = false;
        }
        extra_count -= has_extra ? 1 : 0;
    }
    add_unowned(plan, &unowned);
    size_t next = 0;
    for (size_t i = 0; i < spec->member_count; i++) {
        for (; wanted[i] > 0 && next < unowned.count + revoked.count; wanted[i]--, next++) {
            struct place place =
                next < unowned.count ? unowned.places[next] : revoked.places[next - unowned.count];
            plan_owners(plan, place.topic)[place.partition] = (int32_t)i;
        }
    }
    return WEIR_OK;
}
