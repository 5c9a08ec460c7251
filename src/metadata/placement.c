/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Striped placement, Apache Kafka's rule for replicas of new partitions:
 *
 * S1  A partition has at most one replica on a broker.
 *
 * S2  The first replica is on an unfenced broker; fenced ones are used only when no unfenced is
 * left.
 *
 * S3  Replicas go to the racks in turn, and inside a rack to its brokers in turn, leaders and
 * followers each by a turn of their own, from a random place: both spread over all.
 *
 * S4  A broker in controlled shutdown, or with all its log directories cordoned, gets nothing.
 */

#include "controller_int.h"

#include <stdlib.h>

struct candidate {
    struct weir_slice rack;
    int32_t id;
    bool is_fenced;
};

/* A run of candidates, [first, first + count): unfenced ones first. */
struct rack {
    size_t first;
    size_t unfenced_count;
    size_t fenced_count;
    size_t leader_turn; /* S3: whose turn it is to lead, to follow, to be the last resort */
    size_t follower_turn;
    size_t fenced_turn;
};

static bool takes_replicas(const struct weir_image_broker *broker)
{
    if (broker->in_controlled_shutdown)
        return false;
    if (!broker->has_cordoned_log_dirs || broker->log_dir_count == 0)
        return true;
    for (size_t i = 0; i < broker->log_dir_count; i++) {
        bool is_cordoned = false;
        for (size_t j = 0; j < broker->cordoned_log_dir_count; j++)
            is_cordoned =
                is_cordoned || weir_uuid_equal(broker->log_dirs[i], broker->cordoned_log_dirs[j]);
        if (!is_cordoned)
            return true;
    }
    return false;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;
    int order = weir_slice_compare(left->rack, right->rack);
    if (order == 0)
        order = (int)left->is_fenced - (int)right->is_fenced;
    if (order == 0)
        order = left->id < right->id ? -1 : left->id > right->id;
    return order;
}

static size_t make_racks(const struct candidate *candidates, size_t count, struct rack *racks)
{
    size_t rack_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !weir_slice_equal(candidates[i].rack, candidates[i - 1].rack))
            racks[rack_count++] = (struct rack){.first = i};
        struct rack *rack = &racks[rack_count - 1];
        if (candidates[i].is_fenced)
            rack->fenced_count++;
        else
            rack->unfenced_count++;
    }
    return rack_count;
}

/* The next in turn of a run of candidates that has no replica of the partition yet (S1). */
static bool take(const struct candidate *run, size_t count, size_t *turn, int32_t *placed,
                 int16_t placed_count)
{
    struct weir_i32_list taken = {.items = placed, .count = (size_t)placed_count};
    for (size_t i = 0; i < count; i++) {
        int32_t id = run[(*turn + i) % count].id;
        if (weir_i32_list_contains(taken, id))
            continue;
        *turn += i + 1;
        placed[placed_count] = id;
        return true;
    }
    return false;
}

static bool take_from_rack(struct rack *rack, const struct candidate *candidates,
                           bool is_last_resort, int32_t *placed, int16_t placed_count)
{
    const struct candidate *run = candidates + rack->first;
    if (is_last_resort)
        return take(run + rack->unfenced_count, rack->fenced_count, &rack->fenced_turn, placed,
                    placed_count);
    size_t *turn = placed_count == 0 ? &rack->leader_turn : &rack->follower_turn;
    return take(run, rack->unfenced_count, turn, placed, placed_count);
}

static void place_partition(struct rack *racks, size_t rack_count, size_t first_rack,
                            const struct candidate *candidates, int16_t wanted, int32_t *out)
{
    int16_t placed = 0;
    for (int is_last_resort = 0; is_last_resort < 2; is_last_resort++) {
        bool found = true;
        while (placed < wanted && found) {
            found = false;
            for (size_t i = 0; i < rack_count && placed < wanted; i++) {
                struct rack *rack = &racks[(first_rack + i) % rack_count];
                bool taken = take_from_rack(rack, candidates, is_last_resort != 0, out, placed);
                placed = (int16_t)(placed + taken);
                found = found || taken;
            }
        }
    }
}

static struct weir_controller_result unable(struct weir_decision *decision,
                                            int16_t replication_factor, const char *why)
{
    return weir_result_of(decision, WEIR_INVALID_REPLICATION_FACTOR,
                          "Unable to replicate the partition %d time(s): %s", replication_factor,
                          why);
}

struct weir_controller_result weir_place(struct weir_decision *decision, int32_t count,
                                         int16_t replication_factor, int32_t **out)
{
    const struct weir_image *image = decision->image;
    size_t broker_count = weir_image_broker_count(image);
    struct candidate *candidates =
        weir_arena_calloc(decision->arena, broker_count, sizeof(*candidates));
    struct rack *racks = weir_arena_calloc(decision->arena, broker_count, sizeof(*racks));
    int32_t *placed = weir_arena_calloc(decision->arena, (size_t)count * (size_t)replication_factor,
                                        sizeof(*placed));
    if (candidates == NULL || racks == NULL || placed == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    size_t candidate_count = 0;
    size_t unfenced_count = 0;
    for (size_t i = 0; i < broker_count; i++) {
        const struct weir_image_broker *broker = weir_image_broker_at(image, i);
        if (!takes_replicas(broker))
            continue;
        candidates[candidate_count++] = (struct candidate){
            .rack = broker->rack, .id = broker->id, .is_fenced = broker->is_fenced};
        unfenced_count += !broker->is_fenced;
    }
    if (unfenced_count == 0)
        return unable(decision, replication_factor, "All brokers are currently fenced.");
    if ((size_t)replication_factor > candidate_count) {
        struct weir_slice why =
            weir_arena_printf(decision->arena,
                              "The target replication factor of %d cannot be reached because only "
                              "%zu broker(s) are registered or some "
                              "brokers have all their log directories cordoned.",
                              replication_factor, candidate_count);
        return unable(decision, replication_factor, why.data == NULL ? "" : (const char *)why.data);
    }
    qsort(candidates, candidate_count, sizeof(*candidates), compare_candidates);
    size_t rack_count = make_racks(candidates, candidate_count, racks);
    uint32_t random[2];
    weir_env_random(decision->controller->options.env, random, sizeof(random));
    for (size_t i = 0; i < rack_count; i++)
        racks[i].leader_turn = racks[i].follower_turn = random[0] % candidate_count;
    size_t first_rack = random[1] % rack_count;
    for (int32_t i = 0; i < count; i++)
        place_partition(racks, rack_count, first_rack + (size_t)i, candidates, replication_factor,
                        placed + (size_t)i * (size_t)replication_factor);
    *out = placed;
    return weir_result_ok();
}
