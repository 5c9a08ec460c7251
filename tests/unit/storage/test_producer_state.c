/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/storage/producer_state.h"

#include <criterion/criterion.h>

static struct weir_producer_state *state;

static void start(void)
{
    cr_assert_eq(weir_producer_state_new(&state), WEIR_OK);
}

static void stop(void)
{
    weir_producer_state_free(state);
}

TestSuite(producer_state, .init = start, .fini = stop);

static void append(int64_t producer_id, int16_t epoch, int32_t sequence, int64_t base_offset,
                   int32_t count, bool txn)
{
    struct weir_batch batch = {.magic = 2,
                               .attributes = txn ? WEIR_BATCH_TRANSACTIONAL : 0,
                               .base_offset = base_offset,
                               .last_offset = base_offset + count - 1,
                               .last_offset_delta = count - 1,
                               .max_timestamp = 1000 + base_offset,
                               .producer_id = producer_id,
                               .producer_epoch = epoch,
                               .base_sequence = sequence,
                               .record_count = count};
    cr_assert_eq(weir_producer_state_prepare(state, producer_id), WEIR_OK);
    weir_producer_state_update(state, &batch);
}

static bool end_txn(int64_t producer_id, int16_t epoch, int64_t offset, bool is_commit,
                    struct weir_completed_txn *out)
{
    struct weir_txn_marker marker = {
        .producer_id = producer_id, .producer_epoch = epoch, .is_commit = is_commit};
    cr_assert_eq(weir_producer_state_prepare(state, producer_id), WEIR_OK);
    return weir_producer_state_apply_marker(state, &marker, offset, 2000, out);
}

Test(producer_state, prepare_alone_makes_no_producer)
{
    cr_assert_eq(weir_producer_state_prepare(state, 5), WEIR_OK);
    cr_assert_eq(weir_producer_state_count(state), 0);
    cr_assert_null(weir_producer_state_find(state, 5));
    size_t cursor = 0;
    cr_assert_null(weir_producer_state_next(state, &cursor));
}

Test(producer_state, first_unstable_is_the_oldest_open_or_not_yet_replicated)
{
    struct weir_completed_txn completed;
    cr_assert_eq(weir_producer_state_first_unstable(state), -1);
    append(1, 0, 0, 10, 2, true);
    append(2, 0, 0, 12, 2, true);
    cr_assert_eq(weir_producer_state_first_unstable(state), 10);
    cr_assert(end_txn(1, 0, 14, false, &completed));
    cr_assert(completed.is_aborted);
    cr_assert_eq(completed.first_offset, 10);
    cr_assert_eq(weir_producer_state_last_stable_offset(state, &completed), 12);
    cr_assert_eq(weir_producer_state_first_unstable(state), 10);
    weir_producer_state_on_high_watermark(state, 14);
    cr_assert_eq(weir_producer_state_first_unstable(state), 10);
    weir_producer_state_on_high_watermark(state, 15);
    cr_assert_eq(weir_producer_state_first_unstable(state), 12);
    cr_assert(end_txn(2, 0, 15, true, &completed));
    cr_assert_eq(weir_producer_state_last_stable_offset(state, &completed), 16);
    cr_assert(!end_txn(2, 0, 16, true, &completed), "nothing was open");
}

Test(producer_state, a_snapshot_gives_back_the_last_batch_and_the_open_transactions)
{
    struct weir_buf bytes = {0};
    struct weir_completed_txn completed;
    for (int i = 0; i < 7; i++)
        append(1, 3, i * 2, i * 2, 2, false);
    append(2, 0, INT32_MAX, 14, 3, true);
    append(3, 0, 0, 17, 1, true);
    cr_assert(end_txn(3, 1, 18, false, &completed));
    cr_assert_eq(weir_producer_state_encode(state, &bytes), WEIR_OK);
    cr_assert_eq(bytes.size, 10 + 3 * 46);
    cr_assert_eq(weir_producer_state_decode(state, weir_buf_slice(&bytes), 5000, 100000, NULL),
                 WEIR_OK);
    const struct weir_producer *one = weir_producer_state_find(state, 1);
    cr_assert_eq(one->batch_count, 1);
    cr_assert_eq(one->producer_epoch, 3);
    cr_assert_eq(one->batches[0].first_sequence, 12);
    cr_assert_eq(one->batches[0].last_sequence, 13);
    const struct weir_producer *two = weir_producer_state_find(state, 2);
    cr_assert_eq(two->txn_first_offset, 14);
    cr_assert_eq(two->batches[0].first_sequence, INT32_MAX);
    cr_assert_eq(two->batches[0].last_sequence, 1);
    const struct weir_producer *three = weir_producer_state_find(state, 3);
    cr_assert_eq(three->producer_epoch, 1);
    cr_assert_eq(three->batch_count, 0);
    cr_assert_eq(weir_producer_state_first_unstable(state), 14);
    weir_buf_done(&bytes);
}

/* The hex of reference A.3. */
Test(producer_state, apache_kafkas_snapshot_is_read_and_written_again_the_same)
{
    static const uint8_t snapshot[148] =
        "\x00\x01\xaa\x5a\xe8\x95\x00\x00\x00\x03"
        "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x02\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"
        "\x00\x00\x00\x00"
        "\x00\x00\x01\xa1\xfb\xfb\x00\x76\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x00\x00\x00\x00\x00\x00\x00\x03\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x00\x00\x00\x00"
        "\x00\x00\x01\xa1\xfb\xfb\x0c\x6d\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"
        "\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x08"
        "\x00\x00\x00\x00"
        "\x00\x00\x01\xa1\xfb\xfb\x14\xb7\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x08";
    struct weir_buf bytes = {0};
    struct weir_slice input = weir_slice_of(snapshot, sizeof(snapshot));
    cr_assert_eq(weir_producer_state_decode(state, input, 0, INT64_MAX, NULL), WEIR_OK);
    cr_assert_eq(weir_producer_state_count(state), 3);
    cr_assert_eq(weir_producer_state_first_unstable(state), 8);
    cr_assert_eq(weir_producer_state_encode(state, &bytes), WEIR_OK);
    cr_assert(weir_slice_equal(weir_buf_slice(&bytes), input));
    weir_buf_done(&bytes);
}

Test(producer_state, damaged_snapshots_leave_nothing)
{
    struct weir_buf bytes = {0};
    append(1, 0, 0, 0, 1, false);
    append(2, 0, 0, 1, 1, true);
    cr_assert_eq(weir_producer_state_encode(state, &bytes), WEIR_OK);
    for (size_t at = 0; at < bytes.size; at++) {
        bytes.data[at] ^= 1;
        cr_assert_eq(weir_producer_state_decode(state, weir_buf_slice(&bytes), 0, INT64_MAX, NULL),
                     WEIR_CORRUPT);
        cr_assert_eq(weir_producer_state_count(state), 0);
        bytes.data[at] ^= 1;
        cr_assert_eq(
            weir_producer_state_decode(state, weir_slice_of(bytes.data, at), 0, INT64_MAX, NULL),
            WEIR_CORRUPT);
    }
    /* A count that does not fit, with a checksum that does. */
    weir_put_i32(bytes.data + 6, INT32_MAX);
    weir_put_u32(bytes.data + 2, weir_crc32c(bytes.data + 6, bytes.size - 6));
    cr_assert_eq(weir_producer_state_decode(state, weir_buf_slice(&bytes), 0, INT64_MAX, NULL),
                 WEIR_CORRUPT);
    weir_buf_done(&bytes);
}

Test(producer_state, expiry_spares_open_transactions)
{
    append(1, 0, 0, 0, 1, false);
    append(2, 0, 0, 1, 1, true);
    weir_producer_state_expire(state, 1500, 1000);
    cr_assert_eq(weir_producer_state_count(state), 2);
    weir_producer_state_expire(state, 3000, 1000);
    cr_assert_eq(weir_producer_state_count(state), 1);
    cr_assert_not_null(weir_producer_state_find(state, 2));
}

Test(producer_state, coordinators_are_held_to_the_epoch_and_replicas_to_nothing)
{
    struct weir_batch batch = {.magic = 2,
                               .attributes = WEIR_BATCH_TRANSACTIONAL,
                               .producer_id = 1,
                               .producer_epoch = 2,
                               .base_sequence = -1};
    append(1, 3, 0, 0, 1, true);
    cr_assert_eq(weir_producer_state_check(state, &batch, WEIR_APPEND_COORDINATOR, NULL),
                 WEIR_INVALID_PRODUCER_EPOCH);
    cr_assert_eq(weir_producer_state_check(state, &batch, WEIR_APPEND_REPLICATION, NULL), WEIR_OK);
    batch.producer_epoch = 3;
    cr_assert_eq(weir_producer_state_check(state, &batch, WEIR_APPEND_COORDINATOR, NULL), WEIR_OK);
}
