/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The n-th allocation fails, for all n: a share partition and the share sessions say so, are as
 * they were, and do the same thing well when there is memory again.
 */

#include "../../sim/check.h"

#include "weir/base/memory.h"
#include "weir/share/share_partition.h"
#include "weir/share/share_sessions.h"

static const struct weir_share_partition_config config = {.delivery_count_max = 5,
                                                          .lock_duration_ms = 1000,
                                                          .record_locks_max = 200,
                                                          .is_renew_enabled = true};

/* Runs one operation: with failing memory first when it is its turn, then without. */
struct turns {
    long allocations;
    int failures;
};

static enum weir_status acquire(struct weir_share_partition *partition, struct weir_arena *arena,
                                size_t *out_count)
{
    struct weir_share_range batches[] = {{0, 9}, {10, 19}, {25, 29}};
    struct weir_share_range aborted[] = {{10, 14}};
    struct weir_share_acquire wanted = {.member_id = WEIR_SLICE("m"),
                                        .fetch_offset = 0,
                                        .log_batches = batches,
                                        .log_batch_count = 3,
                                        .aborted = aborted,
                                        .aborted_count = 1,
                                        .records_max = 100,
                                        .batch_size = 10};
    const struct weir_share_acquired *items;
    return weir_share_partition_acquire(partition, &config, &wanted, 0, arena, &items, out_count);
}

static enum weir_status acknowledge(struct weir_share_partition *partition,
                                    struct weir_arena *arena, struct weir_share_change *out)
{
    static const int8_t types[] = {1, 2, 3, 0, 4};
    struct weir_share_acknowledgement item = {
        .first_offset = 2, .last_offset = 6, .types = types, .type_count = 5};
    return weir_share_partition_acknowledge(partition, &config, WEIR_SLICE("m"), &item, 1, 0, arena,
                                            out);
}

static void try_partition(struct turns *turns)
{
    struct weir_share_batch stored[] = {{3, 4, WEIR_SHARE_ACKNOWLEDGED, 1},
                                        {8, 8, WEIR_SHARE_AVAILABLE, 2}};
    struct weir_share_partition *partition = NULL;
    struct weir_arena arenas[8];
    size_t count;
    struct weir_share_change change;
    for (int i = 0; i < 8; i++)
        weir_arena_init(&arenas[i], 0);
    weir_memory_fail_after(turns->allocations);
    enum weir_status status = weir_share_partition_new(0, 0, stored, 2, &partition);
    if (status != WEIR_OK) {
        CHECK(status == WEIR_NO_MEMORY);
        turns->failures++;
        weir_memory_fail_after(-1);
        CHECK(weir_share_partition_new(0, 0, stored, 2, &partition) == WEIR_OK);
    }
    if (acquire(partition, &arenas[0], &count) == WEIR_NO_MEMORY) {
        turns->failures++;
        weir_memory_fail_after(-1);
        CHECK(weir_share_partition_end_offset(partition) == 9);
        CHECK(acquire(partition, &arenas[1], &count) == WEIR_OK);
    }
    CHECK(count > 3 && weir_share_partition_end_offset(partition) == 30);
    status = acknowledge(partition, &arenas[2], &change);
    CHECK(status == WEIR_INVALID_RECORD_STATE || status == WEIR_NO_MEMORY); /* 3 and 4 are done */
    if (weir_share_partition_release_member(partition, &config, WEIR_SLICE("m"), &arenas[3],
                                            &change) == WEIR_NO_MEMORY) {
        turns->failures++;
        weir_memory_fail_after(-1);
        CHECK(weir_share_partition_release_member(partition, &config, WEIR_SLICE("m"), &arenas[4],
                                                  &change) == WEIR_OK);
    }
    CHECK(change.batch_count > 0);
    (void)weir_share_partition_stored(partition, change.id, false);
    if (weir_share_partition_tick(partition, &config, 1000, &arenas[5], &change) ==
        WEIR_NO_MEMORY) {
        turns->failures++;
        weir_memory_fail_after(-1);
        CHECK(weir_share_partition_tick(partition, &config, 1000, &arenas[6], &change) == WEIR_OK);
    }
    CHECK(change.batch_count > 0 && weir_share_partition_next_deadline_ms(partition) == INT64_MAX);
    weir_memory_fail_after(-1);
    weir_share_partition_free(partition);
    for (int i = 0; i < 8; i++)
        weir_arena_done(&arenas[i]);
}

static enum weir_status fetch(struct weir_share_sessions *sessions, int32_t epoch,
                              struct weir_arena *arena, size_t *out_count)
{
    struct weir_share_session_partition wanted[] = {{{{1}}, 0}, {{{1}}, 1}, {{{2}}, epoch}};
    struct weir_share_session_request request = {.group_id = WEIR_SLICE("g"),
                                                 .member_id = WEIR_SLICE("m"),
                                                 .epoch = epoch,
                                                 .wanted = wanted,
                                                 .wanted_count = 3};
    const struct weir_share_session_partition *items;
    return weir_share_sessions_fetch(sessions, &request, arena, &items, out_count);
}

static void try_sessions(struct turns *turns)
{
    struct weir_share_sessions *sessions;
    struct weir_arena arenas[3];
    size_t count = 0;
    for (int i = 0; i < 3; i++)
        weir_arena_init(&arenas[i], 0);
    CHECK(weir_share_sessions_new(10, 100, &sessions) == WEIR_OK);
    weir_memory_fail_after(turns->allocations);
    /* A first request that failed at its end has begun a session: the client begins anew. */
    for (int32_t epoch = 0; epoch < 3; epoch++) {
        enum weir_status status = fetch(sessions, epoch, &arenas[epoch], &count);
        if (status != WEIR_OK) {
            CHECK(status == WEIR_NO_MEMORY);
            turns->failures++;
            weir_memory_fail_after(-1);
            CHECK(fetch(sessions, epoch, &arenas[epoch], &count) == WEIR_OK);
        }
    }
    weir_memory_fail_after(-1);
    CHECK(count == 5 && weir_share_sessions_count(sessions) == 1);
    weir_share_sessions_free(sessions);
    for (int i = 0; i < 3; i++)
        weir_arena_done(&arenas[i]);
}

static void all_of(void (*attempt)(struct turns *turns), int least)
{
    struct turns turns = {0};
    int failures = 0;
    for (;; turns.allocations++) {
        turns.failures = 0;
        attempt(&turns);
        if (turns.failures == 0)
            break;
        failures += turns.failures;
    }
    CHECK(failures >= least, "%d", failures);
}

int main(void)
{
    all_of(try_partition, 6);
    all_of(try_sessions, 8);
    return 0;
}
