/* SPDX-License-Identifier: Apache-2.0 */

#include "record_help.h"

Test(batch, every_prefix_of_a_batch_is_truncated)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    help_plain(3, &bytes);
    for (size_t size = 0; size < bytes.size; size++)
        cr_assert_eq(weir_batch_parse(weir_slice_of(bytes.data, size), &batch, NULL),
                     WEIR_TRUNCATED);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.record_count, 3);
    cr_assert_eq(batch.last_offset, 2);
    cr_assert_eq(batch.max_timestamp, HELP_NOW_MS + 2);
    cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
    weir_buf_done(&bytes);
}

Test(batch, impossible_lengths_and_magics_are_told_in_apache_kafkas_words)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    struct weir_detail detail = {{0}};
    help_plain(1, &bytes);
    weir_put_i32(bytes.data + 8, 0);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, &detail), WEIR_CORRUPT);
    cr_assert_str_eq(detail.text, "Record size 0 is less than the minimum record overhead (14)");
    weir_put_i32(bytes.data + 8, -1);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, &detail), WEIR_CORRUPT);
    cr_assert_str_eq(detail.text, "Record size -1 is less than the minimum record overhead (14)");
    weir_put_i32(bytes.data + 8, INT32_MAX);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_UNKNOWN_SERVER_ERROR);
    weir_put_i32(bytes.data + 8, 40);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_CORRUPT);
    weir_put_i32(bytes.data + 8, (int32_t)bytes.size - 12);
    bytes.data[16] = 3;
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, &detail), WEIR_CORRUPT);
    cr_assert_str_eq(detail.text, "Invalid magic found in record: 3");
    weir_buf_done(&bytes);
}

Test(batch, any_changed_bit_under_the_checksum_is_seen)
{
    struct weir_buf bytes = {0};
    help_plain(2, &bytes);
    for (size_t at = 17; at < bytes.size; at++) {
        bytes.data[at] ^= 4;
        struct weir_batch batch = help_parse(&bytes);
        cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_CORRUPT, "byte %zu", at);
        bytes.data[at] ^= 4;
    }
    weir_buf_done(&bytes);
}

Test(batch, offset_and_epoch_are_set_without_touching_the_checksum)
{
    struct weir_buf bytes = {0};
    help_plain(2, &bytes);
    weir_batch_set_base_offset(bytes.data, 1000);
    weir_batch_set_leader_epoch(bytes.data, 7);
    struct weir_batch batch = help_parse(&bytes);
    cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
    cr_assert_eq(batch.base_offset, 1000);
    cr_assert_eq(batch.last_offset, 1001);
    cr_assert_eq(batch.partition_leader_epoch, 7);
    weir_buf_done(&bytes);
}

Test(batch, a_run_is_walked_to_a_torn_end)
{
    struct weir_buf bytes = {0};
    struct weir_batch_iter iter;
    struct weir_batch batch;
    help_plain(1, &bytes);
    help_plain(2, &bytes);
    weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
    cr_assert_eq(weir_batch_iter_next(&iter, &batch, NULL), WEIR_OK);
    cr_assert_eq(weir_batch_iter_next(&iter, &batch, NULL), WEIR_OK);
    cr_assert_eq(batch.record_count, 2);
    cr_assert_eq(weir_batch_iter_next(&iter, &batch, NULL), WEIR_NOT_FOUND);
    weir_batch_iter_init(&iter, weir_slice_of(bytes.data, bytes.size - 1));
    cr_assert_eq(weir_batch_iter_next(&iter, &batch, NULL), WEIR_OK);
    cr_assert_eq(weir_batch_iter_next(&iter, &batch, NULL), WEIR_TRUNCATED);
    weir_buf_done(&bytes);
}

Test(batch, sequences_have_31_bits)
{
    cr_assert_eq(weir_sequence_add(INT32_MAX, 1), 0);
    cr_assert_eq(weir_sequence_add(INT32_MAX - 1, 3), 1);
    cr_assert_eq(weir_sequence_add(5, 3), 8);
}

/* The bytes of reference B.2. */
Test(batch, a_transaction_marker_is_apache_kafkas_to_the_byte)
{
    static const uint8_t tail[] = {0x20, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x01,
                                   0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00};
    uint8_t bytes[WEIR_TXN_MARKER_BYTES];
    struct weir_txn_marker marker = {.producer_id = 1, .producer_epoch = 2, .is_commit = true};
    struct weir_txn_marker back;
    struct weir_batch batch;
    weir_txn_marker_write(bytes, &marker, HELP_NOW_MS);
    cr_assert_eq(memcmp(bytes + 61, tail, sizeof(tail)), 0);
    cr_assert_eq(weir_batch_parse(weir_slice_of(bytes, sizeof(bytes)), &batch, NULL), WEIR_OK);
    cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
    cr_assert_eq(batch.attributes, 0x30);
    cr_assert_eq(weir_txn_marker_parse(&batch, &back, NULL), WEIR_OK);
    cr_assert_eq(back.producer_id, 1);
    cr_assert_eq(back.producer_epoch, 2);
    cr_assert(back.is_commit);
}

Test(batch, control_keys_are_checked)
{
    static const uint8_t unknown[] = {0, 0, 0, 99};
    enum weir_control_type type;
    uint8_t key[WEIR_CONTROL_KEY_BYTES];
    weir_control_key_write(key, WEIR_CONTROL_LEADER_CHANGE);
    cr_assert_eq(weir_control_key_parse(weir_slice_of(key, 4), &type), WEIR_OK);
    cr_assert_eq(type, WEIR_CONTROL_LEADER_CHANGE);
    cr_assert_eq(weir_control_key_parse(weir_slice_of(key, 3), &type), WEIR_INVALID);
    cr_assert_eq(weir_control_key_parse(WEIR_NULL_SLICE, &type), WEIR_INVALID);
    cr_assert_eq(weir_control_key_parse(weir_slice_of(unknown, 4), &type), WEIR_INVALID);
}
