/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/share/share_partition.h"

#include <criterion/criterion.h>

static const struct weir_share_partition_config config = {.delivery_count_max = 5,
                                                          .lock_duration_ms = 30000,
                                                          .record_locks_max = 200,
                                                          .is_renew_enabled = true};
static struct weir_arena arena;

static struct weir_share_partition *fresh(int64_t start_offset)
{
    struct weir_share_partition *partition;
    weir_arena_init(&arena, 0);
    cr_assert_eq(weir_share_partition_new(0, start_offset, NULL, 0, &partition), WEIR_OK);
    return partition;
}

static void end(struct weir_share_partition *partition)
{
    weir_share_partition_free(partition);
    weir_arena_done(&arena);
}

struct result {
    const struct weir_share_acquired *items;
    size_t count;
};

/* The log has batches of ten records: 0-9, 10-19, ... */
static struct result acquire_with(struct weir_share_partition *partition, const char *member,
                                  int64_t now_ms, struct weir_share_acquire acquire)
{
    struct weir_share_range batches[40];
    struct result result;
    int64_t from = weir_share_partition_next_fetch_offset(partition);
    for (int64_t i = 0; i < 40; i++)
        batches[i] =
            (struct weir_share_range){from / 10 * 10 + i * 10, from / 10 * 10 + i * 10 + 9};
    acquire.member_id = weir_slice_str(member);
    acquire.fetch_offset = from;
    if (acquire.log_batches == NULL) {
        acquire.log_batches = batches;
        acquire.log_batch_count = 40;
    }
    if (acquire.batch_size == 0)
        acquire.batch_size = 1000;
    cr_assert_eq(weir_share_partition_acquire(partition, &config, &acquire, now_ms, &arena,
                                              &result.items, &result.count),
                 WEIR_OK);
    return result;
}

static struct result acquire(struct weir_share_partition *partition, const char *member,
                             int32_t records_max)
{
    return acquire_with(partition, member, 0,
                        (struct weir_share_acquire){.records_max = records_max});
}

static enum weir_status acknowledge_at(struct weir_share_partition *partition, const char *member,
                                       int64_t first, int64_t last, int8_t type, int64_t now_ms,
                                       struct weir_share_change *out)
{
    struct weir_share_acknowledgement item = {
        .first_offset = first, .last_offset = last, .types = &type, .type_count = 1};
    return weir_share_partition_acknowledge(partition, &config, weir_slice_str(member), &item, 1,
                                            now_ms, &arena, out);
}

static enum weir_status acknowledge(struct weir_share_partition *partition, const char *member,
                                    int64_t first, int64_t last, int8_t type)
{
    struct weir_share_change change;
    enum weir_status status = acknowledge_at(partition, member, first, last, type, 0, &change);
    if (status == WEIR_OK && change.batch_count > 0)
        (void)weir_share_partition_stored(partition, change.id, true);
    return status;
}

Test(share_partition, whole_log_batches_are_acquired)
{
    struct weir_share_partition *partition = fresh(0);
    struct result got = acquire(partition, "a", 15);
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.items[0].first_offset, 0);
    cr_assert_eq(got.items[0].last_offset, 19);
    cr_assert_eq(got.items[0].delivery_count, 1);
    end(partition);
}

Test(share_partition, with_a_record_limit_no_more_is_acquired)
{
    struct weir_share_partition *partition = fresh(0);
    struct result got =
        acquire_with(partition, "a", 0,
                     (struct weir_share_acquire){.records_max = 3, .is_record_limited = true});
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.items[0].last_offset, 2);
    cr_assert_eq(weir_share_partition_next_fetch_offset(partition), 3);
    end(partition);
}

Test(share_partition, long_acquisitions_are_cut_at_log_batches)
{
    struct weir_share_partition *partition = fresh(0);
    struct result got = acquire_with(
        partition, "a", 0, (struct weir_share_acquire){.records_max = 50, .batch_size = 20});
    cr_assert_eq(got.count, 3);
    cr_assert_eq(got.items[0].last_offset, 19);
    cr_assert_eq(got.items[1].last_offset, 39);
    cr_assert_eq(got.items[2].last_offset, 49);
    end(partition);
}

Test(share_partition, two_members_get_different_records)
{
    struct weir_share_partition *partition = fresh(0);
    (void)acquire(partition, "a", 10);
    struct result got = acquire(partition, "b", 10);
    cr_assert_eq(got.items[0].first_offset, 10);
    cr_assert_eq(got.items[0].last_offset, 19);
    end(partition);
}

Test(share_partition, only_the_holder_may_acknowledge)
{
    struct weir_share_partition *partition = fresh(0);
    (void)acquire(partition, "a", 10);
    cr_assert_eq(acknowledge(partition, "b", 0, 0, WEIR_SHARE_ACCEPT), WEIR_INVALID_RECORD_STATE);
    cr_assert_eq(acknowledge(partition, "a", 0, 10, WEIR_SHARE_ACCEPT), WEIR_INVALID_REQUEST);
    cr_assert_eq(acknowledge(partition, "a", 0, 0, 7), WEIR_INVALID_REQUEST);
    cr_assert_eq(acknowledge(partition, "a", 5, 9, WEIR_SHARE_ACCEPT), WEIR_OK);
    cr_assert_eq(acknowledge(partition, "a", 5, 9, WEIR_SHARE_ACCEPT), WEIR_INVALID_RECORD_STATE);
    end(partition);
}

Test(share_partition, the_start_offset_passes_what_is_done)
{
    struct weir_share_partition *partition = fresh(0);
    (void)acquire(partition, "a", 20);
    cr_assert_eq(acknowledge(partition, "a", 5, 9, WEIR_SHARE_ACCEPT), WEIR_OK);
    cr_assert_eq(weir_share_partition_start_offset(partition), 0);
    cr_assert_eq(acknowledge(partition, "a", 0, 4, WEIR_SHARE_REJECT), WEIR_OK);
    cr_assert_eq(weir_share_partition_start_offset(partition), 10);
    cr_assert_eq(acknowledge(partition, "a", 0, 4, WEIR_SHARE_ACCEPT), WEIR_OK); /* passed over */
    end(partition);
}

Test(share_partition, what_is_released_comes_again)
{
    struct weir_share_partition *partition = fresh(0);
    (void)acquire(partition, "a", 10);
    cr_assert_eq(acknowledge(partition, "a", 3, 4, WEIR_SHARE_RELEASE), WEIR_OK);
    cr_assert_eq(weir_share_partition_next_fetch_offset(partition), 3);
    struct result got = acquire(partition, "b", 2);
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.items[0].first_offset, 3);
    cr_assert_eq(got.items[0].last_offset, 4);
    cr_assert_eq(got.items[0].delivery_count, 2);
    end(partition);
}

Test(share_partition, a_lock_that_runs_out_releases)
{
    struct weir_share_partition *partition = fresh(0);
    struct weir_share_change change;
    (void)acquire(partition, "a", 10);
    cr_assert_eq(weir_share_partition_next_deadline_ms(partition), 30000);
    cr_assert_eq(weir_share_partition_tick(partition, &config, 29999, &arena, &change), WEIR_OK);
    cr_assert_eq(change.batch_count, 0);
    cr_assert_eq(weir_share_partition_tick(partition, &config, 30000, &arena, &change), WEIR_OK);
    cr_assert_eq(change.batch_count, 1);
    cr_assert_eq(change.batches[0].delivery_state, WEIR_SHARE_AVAILABLE);
    cr_assert_eq(acknowledge(partition, "a", 0, 9, WEIR_SHARE_ACCEPT), WEIR_INVALID_RECORD_STATE);
    end(partition);
}

Test(share_partition, a_renewed_lock_runs_anew)
{
    struct weir_share_partition *partition = fresh(0);
    struct weir_share_change change;
    (void)acquire(partition, "a", 10);
    cr_assert_eq(acknowledge_at(partition, "a", 0, 4, WEIR_SHARE_RENEW, 20000, &change), WEIR_OK);
    cr_assert_eq(change.batch_count, 0);
    cr_assert_eq(weir_share_partition_tick(partition, &config, 30000, &arena, &change), WEIR_OK);
    cr_assert_eq(change.batch_count, 1);
    cr_assert_eq(change.batches[0].first_offset, 5);
    cr_assert_eq(weir_share_partition_next_deadline_ms(partition), 50000);
    end(partition);
}

Test(share_partition, the_last_delivery_archives)
{
    struct weir_share_partition *partition = fresh(0);
    for (int i = 0; i < 5; i++) {
        struct result got =
            acquire_with(partition, "a", 0,
                         (struct weir_share_acquire){.records_max = 1, .is_record_limited = true});
        cr_assert_eq(got.items[0].first_offset, 0);
        cr_assert_eq(got.items[0].delivery_count, i + 1);
        cr_assert_eq(acknowledge(partition, "a", 0, 0, WEIR_SHARE_RELEASE), WEIR_OK);
    }
    cr_assert_eq(weir_share_partition_start_offset(partition), 1);
    end(partition);
}

Test(share_partition, what_failed_often_is_delivered_alone_at_last)
{
    struct weir_share_partition *partition = fresh(0);
    int64_t sizes[5];
    for (int i = 0; i < 5; i++) {
        struct result got =
            acquire_with(partition, "a", 0,
                         (struct weir_share_acquire){.records_max = 10, .is_record_limited = true});
        sizes[i] = got.items[0].last_offset - got.items[0].first_offset + 1;
        cr_assert_eq(got.items[0].first_offset, 0);
        cr_assert_eq(acknowledge(partition, "a", 0, got.items[0].last_offset, WEIR_SHARE_RELEASE),
                     WEIR_OK);
    }
    cr_assert_eq(sizes[0], 10);
    cr_assert_eq(sizes[2], 10);
    cr_assert_eq(sizes[3], 5);
    cr_assert_eq(sizes[4], 1);
    end(partition);
}

Test(share_partition, what_is_left_of_a_batch_that_failed_often_counts_together)
{
    struct weir_share_partition *partition = fresh(0);
    for (int i = 0; i < 3; i++) {
        (void)acquire(partition, "a", 10);
        if (i == 0) /* 4 records are left, in two runs */
            cr_assert_eq(acknowledge(partition, "a", 2, 7, WEIR_SHARE_ACCEPT), WEIR_OK);
        cr_assert_eq(acknowledge(partition, "a", 0, 1, WEIR_SHARE_RELEASE), WEIR_OK);
        cr_assert_eq(acknowledge(partition, "a", 8, 9, WEIR_SHARE_RELEASE), WEIR_OK);
    }
    struct result got = acquire(partition, "a", 10);
    cr_assert_eq(got.count, 2); /* half of the batch of 10 is more than that */
    cr_assert_eq(got.items[0].delivery_count, 4);
    cr_assert_eq(acknowledge(partition, "a", 0, 1, WEIR_SHARE_RELEASE), WEIR_OK);
    cr_assert_eq(acknowledge(partition, "a", 8, 9, WEIR_SHARE_RELEASE), WEIR_OK);
    got = acquire(partition, "a", 10);
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.items[0].last_offset, 0);
    end(partition);
}

Test(share_partition, what_could_not_be_stored_is_held_as_before)
{
    struct weir_share_partition *partition = fresh(0);
    struct weir_share_change change;
    (void)acquire(partition, "a", 10);
    cr_assert_eq(acknowledge_at(partition, "a", 0, 9, WEIR_SHARE_ACCEPT, 0, &change), WEIR_OK);
    cr_assert_eq(change.delivery_complete_count, 10);
    cr_assert_eq(acknowledge(partition, "a", 0, 9, WEIR_SHARE_ACCEPT), WEIR_INVALID_RECORD_STATE);
    cr_assert_not(weir_share_partition_stored(partition, change.id, false));
    cr_assert_eq(weir_share_partition_start_offset(partition), 0);
    cr_assert_eq(acknowledge(partition, "a", 0, 9, WEIR_SHARE_ACCEPT), WEIR_OK);
    end(partition);
}

Test(share_partition, no_more_than_the_limit_is_in_flight)
{
    struct weir_share_partition *partition = fresh(0);
    (void)acquire(partition, "a", 1000);
    cr_assert_eq(weir_share_partition_end_offset(partition), 200);
    cr_assert_not(weir_share_partition_can_acquire(partition, &config));
    cr_assert_eq(acquire(partition, "b", 10).count, 0);
    cr_assert_eq(acknowledge(partition, "a", 50, 51, WEIR_SHARE_RELEASE), WEIR_OK);
    cr_assert(weir_share_partition_can_acquire(partition, &config));
    struct result got = acquire(partition, "b", 10);
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.items[0].first_offset, 50);
    cr_assert_eq(got.items[0].last_offset, 51);
    end(partition);
}

Test(share_partition, aborted_records_are_archived_instead)
{
    struct weir_share_partition *partition = fresh(0);
    struct weir_share_range aborted[] = {{0, 9}, {20, 24}};
    struct result got = acquire_with(
        partition, "a", 0,
        (struct weir_share_acquire){.records_max = 30, .aborted = aborted, .aborted_count = 2});
    cr_assert_eq(got.count, 2);
    cr_assert_eq(got.items[0].first_offset, 10);
    cr_assert_eq(got.items[0].last_offset, 19);
    cr_assert_eq(got.items[1].first_offset, 25);
    cr_assert_eq(weir_share_partition_start_offset(partition), 10);
    end(partition);
}

Test(share_partition, what_compaction_took_is_passed_over)
{
    struct weir_share_batch stored[] = {{5, 9, WEIR_SHARE_ACKNOWLEDGED, 1}};
    struct weir_share_partition *partition;
    weir_arena_init(&arena, 0);
    cr_assert_eq(weir_share_partition_new(0, 0, stored, 1, &partition), WEIR_OK);
    cr_assert_eq(weir_share_partition_next_fetch_offset(partition), 0);
    struct weir_share_range log[] = {{20, 29}};
    struct result got = acquire_with(
        partition, "a", 0,
        (struct weir_share_acquire){.records_max = 10, .log_batches = log, .log_batch_count = 1});
    cr_assert_eq(got.count, 1);
    cr_assert_eq(got.items[0].first_offset, 20);
    cr_assert_eq(weir_share_partition_start_offset(partition), 20);
    end(partition);
}

Test(share_partition, a_log_that_begins_later_takes_records_from_their_holder)
{
    struct weir_share_partition *partition = fresh(0);
    (void)acquire(partition, "a", 20);
    weir_share_partition_log_start_moved(partition, 15);
    cr_assert_eq(weir_share_partition_start_offset(partition), 15);
    cr_assert_eq(acknowledge(partition, "a", 0, 14, WEIR_SHARE_ACCEPT), WEIR_OK);
    cr_assert_eq(acknowledge(partition, "a", 10, 19, WEIR_SHARE_ACCEPT), WEIR_OK);
    cr_assert_eq(weir_share_partition_start_offset(partition), 20);
    weir_share_partition_log_start_moved(partition, 100);
    cr_assert_eq(weir_share_partition_end_offset(partition), 100);
    end(partition);
}

Test(share_partition, a_member_that_leaves_releases_what_it_holds)
{
    struct weir_share_partition *partition = fresh(0);
    struct weir_share_change change;
    (void)acquire(partition, "a", 10);
    (void)acquire(partition, "b", 10);
    cr_assert_eq(
        weir_share_partition_release_member(partition, &config, WEIR_SLICE("a"), &arena, &change),
        WEIR_OK);
    cr_assert_eq(change.batch_count, 1);
    cr_assert(weir_share_partition_stored(partition, change.id, true));
    struct result got = acquire(partition, "b", 10);
    cr_assert_eq(got.items[0].first_offset, 0);
    cr_assert_eq(got.items[0].last_offset, 9);
    end(partition);
}

Test(share_partition, one_type_for_each_offset)
{
    struct weir_share_partition *partition = fresh(0);
    struct weir_share_change change;
    (void)acquire(partition, "a", 10);
    int8_t types[] = {1, 1, 2, 3, 0, 4};
    struct weir_share_acknowledgement item = {
        .first_offset = 0, .last_offset = 5, .types = types, .type_count = 6};
    cr_assert_eq(weir_share_partition_acknowledge(partition, &config, WEIR_SLICE("a"), &item, 1, 0,
                                                  &arena, &change),
                 WEIR_OK);
    cr_assert_eq(change.batch_count, 3); /* accepted, released, archived; the renewed one stays */
    cr_assert_eq(change.batches[2].first_offset, 3);
    cr_assert_eq(change.batches[2].last_offset, 4);
    item.type_count = 5;
    cr_assert_eq(weir_share_partition_acknowledge(partition, &config, WEIR_SLICE("a"), &item, 1, 0,
                                                  &arena, &change),
                 WEIR_INVALID_REQUEST);
    end(partition);
}

Test(share_partition, stored_batches_that_contradict_themselves_are_refused)
{
    struct weir_share_partition *partition;
    struct weir_share_batch twice[] = {{5, 9, 0, 1}, {9, 12, 0, 1}};
    struct weir_share_batch before[] = {{3, 9, 0, 1}};
    struct weir_share_batch strange[] = {{5, 9, 1, 1}};
    cr_assert_eq(weir_share_partition_new(0, 5, twice, 2, &partition), WEIR_CORRUPT);
    cr_assert_eq(weir_share_partition_new(0, 5, before, 1, &partition), WEIR_CORRUPT);
    cr_assert_eq(weir_share_partition_new(0, 5, strange, 1, &partition), WEIR_CORRUPT);
}
