/* SPDX-License-Identifier: Apache-2.0 */

/* One partition: what is right is not blamed, and each thing that is wrong is found. */

#include "good_dir.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/storage/epoch_cache.h"
#include "weir/storage/producer_state.h"

TestSuite(verify, .init = good_init, .fini = good_done);

Test(verify, a_good_directory_has_no_fault)
{
    expect_sound();
    cr_expect_not_null(strstr(good_text(), "1 partitions, "), "%s", good_text());
    cr_expect_not_null(strstr(good_text(), ", 25 batches, "), "%s", good_text());
}

Test(verify, a_partition_alone_can_be_verified)
{
    verify_dir(world.log_dir);
    cr_expect_eq(result, WEIR_INSPECT_SOUND, "%s", good_text());
    cut(last_file(".log"), 5);
    verify_dir(world.log_dir);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED, "%s", good_text());
}

Test(verify, quiet_prints_faults_only)
{
    struct weir_verify_options options = {
        .env = &world.env, .dir = world.dir, .is_quiet = true, .write = good_write};
    write_file("stranger", "x", 1);
    result = weir_verify(&options);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    cr_expect_str_eq(good_text(), "");
}

/* --- batches --- */

Test(verify, a_flipped_bit_in_a_record_is_found)
{
    flip(FIRST ".log", 70, 0x10);
    expect_fault(FIRST ".log at byte 0", "offset 0");
}

Test(verify, a_damaged_length_is_found_and_the_next_batch_is_checked)
{
    uint8_t length[4];
    weir_put_i32(length, 1 << 30);
    poke(FIRST ".log", 8, length, 4);
    expect_fault(FIRST ".log at byte 0", "bytes are no batch");
    cr_expect_null(strstr(good_text(), FIRST ".log at byte 1"), "%s", good_text());
}

Test(verify, a_wrong_magic_is_found)
{
    flip(FIRST ".log", 16, 0x40);
    expect_fault(FIRST ".log at byte 0", "magic");
}

Test(verify, a_base_offset_that_falls_is_found)
{
    /* Not under the checksum: only the order tells. */
    struct weir_buf log = read_file(FIRST ".log");
    size_t size = 0;
    cr_assert_eq(weir_batch_peek_size(weir_buf_slice(&log), &size, NULL), WEIR_OK);
    uint8_t base[8];
    weir_put_i64(base, 1);
    weir_buf_done(&log);
    poke(FIRST ".log", size, base, 8);
    expect_fault(FIRST ".log", "the batch begins at offset 1, and the one before ends at 2");
}

Test(verify, a_batch_below_its_segment_is_found)
{
    char name[128];
    uint8_t base[8];
    (void)snprintf(name, sizeof(name), "%s", last_file(".log"));
    weir_put_i64(base, 0);
    poke(name, 0, base, 8);
    expect_fault(name, "below the segment's");
}

Test(verify, a_batch_that_reaches_into_the_next_segment_is_found)
{
    uint8_t base[8];
    struct weir_buf log = read_file(FIRST ".log");
    struct weir_batch_iter iter;
    struct weir_batch batch;
    size_t last = 0;
    weir_batch_iter_init(&iter, weir_buf_slice(&log));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK)
        last = (size_t)(batch.bytes.data - log.data);
    weir_buf_done(&log);
    weir_put_i64(base, 20);
    poke(FIRST ".log", last, base, 8);
    expect_fault(FIRST ".log", "the next segment begins at");
}

Test(verify, records_that_do_not_decode_are_found)
{
    struct weir_buf log = read_file(FIRST ".log");
    size_t size = 0;
    cr_assert_eq(weir_batch_peek_size(weir_buf_slice(&log), &size, NULL), WEIR_OK);
    log.data[61] = 0x7f; /* the first record's length */
    weir_put_u32(log.data + 17, weir_crc32c(log.data + 21, size - 21));
    write_file(FIRST ".log", log.data, log.size);
    weir_buf_done(&log);
    expect_fault(FIRST ".log at byte 0", "the records of the batch at offset 0 cannot be read");
}

Test(verify, a_torn_end_is_a_fault_after_a_clean_stop)
{
    cut(last_file(".log"), 5);
    expect_fault(found_name, "only");
}

Test(verify, a_torn_end_above_the_recovery_point_is_a_note)
{
    remove_marker();
    good_checkpoint("recovery-point-offset-checkpoint", 20);
    good_checkpoint("replication-offset-checkpoint", 20);
    cut(last_file(".log"), 5);
    expect_note(found_name, "ends inside a batch");
}

Test(verify, a_torn_end_below_the_recovery_point_is_a_fault)
{
    remove_marker();
    cut(last_file(".log"), 5);
    expect_fault(found_name, "only");
}

Test(verify, zeros_behind_the_batches_are_found)
{
    static const uint8_t zeros[200];
    add(last_file(".log"), zeros, sizeof(zeros));
    expect_fault(found_name, "zeros up to the end");
}

Test(verify, a_log_that_begins_later_is_fine)
{
    /* As retention leaves it. */
    remove_file(FIRST ".log");
    remove_file(FIRST ".index");
    remove_file(FIRST ".timeindex");
    expect_sound();
}

Test(verify, gaps_between_batches_are_fine)
{
    /* As compaction leaves it: the last batch of the first segment is gone. */
    struct weir_buf log = read_file(FIRST ".log");
    struct weir_batch_iter iter;
    struct weir_batch batch;
    int64_t last_offset = 0;
    int64_t greatest = 0;
    size_t last = 0;
    weir_batch_iter_init(&iter, weir_buf_slice(&log));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        if ((size_t)(batch.bytes.data - log.data) + batch.bytes.size < log.size) {
            greatest = batch.max_timestamp;
            last_offset = batch.last_offset;
        }
        last = (size_t)(batch.bytes.data - log.data);
    }
    write_file(FIRST ".log", log.data, last);
    weir_buf_done(&log);
    uint8_t entry[12];
    weir_put_i64(entry, greatest);
    weir_put_i32(entry + 8, (int32_t)last_offset);
    write_file(FIRST ".timeindex", entry, 12);
    write_file(FIRST ".index", "", 0);
    expect_sound();
}

/* --- .index --- */

Test(verify, an_index_entry_beside_a_batch_is_found)
{
    uint8_t entry[8];
    struct weir_buf index = read_file(FIRST ".index");
    memcpy(entry, index.data, 8);
    weir_buf_done(&index);
    weir_put_i32(entry + 4, weir_get_i32(entry + 4) + 1);
    poke(FIRST ".index", 0, entry, 8);
    expect_fault(FIRST ".index at byte 0", "where no batch begins");
}

Test(verify, an_index_entry_with_a_wrong_offset_is_found)
{
    uint8_t entry[8];
    struct weir_buf index = read_file(FIRST ".index");
    memcpy(entry, index.data, 8);
    weir_buf_done(&index);
    weir_put_i32(entry, weir_get_i32(entry) - 1);
    poke(FIRST ".index", 0, entry, 8);
    expect_fault(FIRST ".index at byte 0", "not the last one of the batch");
}

Test(verify, an_index_entry_of_an_older_broker_is_fine)
{
    /* It names the last offset of an append of several batches. */
    uint8_t entry[8];
    struct weir_buf index = read_file(FIRST ".index");
    memcpy(entry, index.data, 8);
    weir_buf_done(&index);
    weir_put_i32(entry, weir_get_i32(entry) + 1);
    poke(FIRST ".index", 0, entry, 8);
    expect_sound();
}

Test(verify, an_index_that_does_not_rise_is_found)
{
    struct weir_buf index = read_file(FIRST ".index");
    cr_assert_geq(index.size, (size_t)16);
    poke(FIRST ".index", 8, index.data, 8);
    weir_buf_done(&index);
    expect_fault(FIRST ".index at byte 8", "does not rise");
}

Test(verify, a_partial_index_entry_is_found)
{
    add(FIRST ".index", "\1\2\3", 3);
    expect_fault(FIRST ".index", "ends inside an entry");
}

Test(verify, an_untrimmed_index_is_a_fault_after_a_clean_stop_only)
{
    static const uint8_t zeros[4096];
    add(last_file(".index"), zeros, sizeof(zeros));
    expect_fault(found_name, "was not trimmed");
    remove_marker();
    expect_sound();
}

Test(verify, an_index_entry_behind_the_segment_is_found)
{
    uint8_t entry[8];
    weir_put_i32(entry, 1000);
    weir_put_i32(entry + 4, 1 << 20);
    add(FIRST ".index", entry, 8);
    expect_fault(FIRST ".index", "behind the end of the segment");
}

Test(verify, a_missing_index_is_found)
{
    remove_file(FIRST ".index");
    expect_fault(FIRST ".index", "is missing");
}

Test(verify, an_index_without_a_segment_is_found)
{
    write_file("00000000000000000777.index", "", 0);
    expect_fault("00000000000000000777.index", "belongs to no segment");
}

/* --- .timeindex --- */

Test(verify, a_time_index_entry_with_a_wrong_timestamp_is_found)
{
    flip(FIRST ".timeindex", 7, 1);
    expect_fault(FIRST ".timeindex at byte 0", "the greatest up to there");
}

Test(verify, a_time_index_entry_behind_the_segment_is_found)
{
    uint8_t entry[12];
    weir_put_i64(entry, INT64_MAX);
    weir_put_i32(entry + 8, 1000);
    add(FIRST ".timeindex", entry, 12);
    expect_fault(FIRST ".timeindex", "behind the end of the segment");
}

Test(verify, a_time_index_that_does_not_rise_is_found)
{
    struct weir_buf index = read_file(FIRST ".timeindex");
    add(FIRST ".timeindex", index.data, 12);
    weir_buf_done(&index);
    expect_fault(FIRST ".timeindex", "does not rise");
}

Test(verify, a_time_index_without_the_greatest_timestamp_is_found)
{
    cut(FIRST ".timeindex", 12);
    expect_fault(FIRST ".timeindex", "the segment's greatest");
}

Test(verify, an_untrimmed_time_index_is_found)
{
    static const uint8_t zeros[1200];
    add(FIRST ".timeindex", zeros, sizeof(zeros));
    expect_fault(FIRST ".timeindex", "was not trimmed");
}

/* --- .txnindex --- */

Test(verify, a_missing_txn_index_is_found)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "%s", last_file(".txnindex"));
    remove_file(name);
    expect_fault(name, "is not in the index");
}

Test(verify, a_txn_index_entry_without_a_marker_is_found)
{
    flip(last_file(".txnindex"), 25, 1); /* the last byte of the last offset */
    expect_fault(found_name, "no ABORT marker");
}

Test(verify, a_txn_index_entry_of_another_producer_is_found)
{
    flip(last_file(".txnindex"), 9, 1);
    expect_fault(found_name, "no ABORT marker");
}

Test(verify, a_txn_index_entry_with_a_wrong_begin_is_found)
{
    flip(last_file(".txnindex"), 17, 0x0f); /* 23 becomes 24 */
    expect_fault(found_name, "and it began at 23");
}

Test(verify, a_txn_index_entry_with_a_wrong_last_stable_offset_is_found)
{
    flip(last_file(".txnindex"), 33, 2); /* 26 becomes 24 */
    expect_fault(found_name, "the entry says last stable offset 24, and it was 26");
}

Test(verify, a_txn_index_entry_of_another_version_is_found)
{
    flip(last_file(".txnindex"), 1, 1);
    expect_fault(found_name, "version 1");
}

/* --- .snapshot --- */

/* Changes a snapshot and puts its checksum right. */
static void change_snapshot(const char *name, size_t at, uint8_t bits)
{
    struct weir_buf bytes = read_file(name);
    cr_assert_lt(at, bytes.size);
    bytes.data[at] ^= bits;
    weir_put_u32(bytes.data + 2, weir_crc32c(bytes.data + 6, bytes.size - 6));
    write_file(name, bytes.data, bytes.size);
    weir_buf_done(&bytes);
}

Test(verify, a_snapshot_with_a_wrong_checksum_is_found)
{
    flip(last_file(".snapshot"), 12, 1);
    expect_fault(found_name, "checksum");
}

Test(verify, a_snapshot_that_contradicts_the_batches_is_found)
{
    change_snapshot(last_file(".snapshot"), 10 + 13, 1); /* the first producer's sequence */
    expect_fault(found_name, "producer 7 has last sequence 2 there, and the batches come to 3");
}

Test(verify, a_snapshot_with_an_unknown_producer_is_found)
{
    change_snapshot(last_file(".snapshot"), 10 + 6, 1);
    expect_fault(found_name, "no batch has it");
}

Test(verify, a_snapshot_that_forgot_an_open_transaction_is_found)
{
    struct weir_producer_state *state = NULL;
    char path[512];
    cr_assert_eq(weir_producer_state_new(&state), WEIR_OK);
    path_of(last_file(".snapshot"), path);
    cr_assert_eq(weir_producer_state_write(&world.env, path, state, false, NULL), WEIR_OK);
    weir_producer_state_free(state);
    expect_fault(found_name, "producer 11 is missing, and has a transaction open since offset 27");
}

Test(verify, a_snapshot_without_producers_that_may_have_expired_is_fine)
{
    /* Producer 7 and 9 are gone, 11 with its open transaction is there: the last entry alone. */
    char name[128];
    (void)snprintf(name, sizeof(name), "%s", last_file(".snapshot"));
    struct weir_buf bytes = read_file(name);
    cr_assert_eq(bytes.size, (size_t)(10 + 3 * WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES));
    memmove(bytes.data + 10, bytes.data + bytes.size - WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES,
            WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES);
    size_t size = 10 + WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES;
    weir_put_i32(bytes.data + 6, 1);
    weir_put_u32(bytes.data + 2, weir_crc32c(bytes.data + 6, size - 6));
    write_file(name, bytes.data, size);
    weir_buf_done(&bytes);
    expect_sound();
}

Test(verify, a_missing_last_snapshot_is_a_fault_after_a_clean_stop_only)
{
    remove_file(last_file(".snapshot"));
    expect_fault(world.log_dir, "no producer snapshot is at the end");
    remove_marker();
    expect_sound();
}

Test(verify, a_snapshot_behind_the_log_is_found)
{
    struct weir_buf bytes = read_file(last_file(".snapshot"));
    write_file("00000000000000000999.snapshot", bytes.data, bytes.size);
    weir_buf_done(&bytes);
    expect_fault("00000000000000000999.snapshot", "behind the end of the log");
}

/* --- the rest of the partition --- */

Test(verify, epochs_that_contradict_the_batches_are_found)
{
    write_file("leader-epoch-checkpoint", "0\n1\n1 0\n", 8);
    expect_fault("leader-epoch-checkpoint at offset 23", "leader epoch 2, and the file says 1");
}

Test(verify, malformed_epochs_are_found)
{
    write_file("leader-epoch-checkpoint", "0\n7\n1 0\n", 8);
    expect_fault("leader-epoch-checkpoint", "");
}

Test(verify, an_epoch_behind_the_log_is_found)
{
    write_file("leader-epoch-checkpoint", "0\n3\n1 0\n2 23\n3 99\n", 18);
    expect_fault("leader-epoch-checkpoint", "epoch 3 begins at offset 99");
}

Test(verify, a_missing_topic_id_is_found)
{
    remove_file("partition.metadata");
    expect_fault("partition.metadata", "is missing");
}

Test(verify, a_malformed_topic_id_is_found)
{
    write_file("partition.metadata", "version: 0\ntopic_id: x", 22);
    expect_fault("partition.metadata", "");
}

Test(verify, a_segment_not_named_by_an_offset_is_found)
{
    write_file("backup.log", "", 0);
    expect_fault("backup.log", "is not named by an offset");
}

Test(verify, leftovers_and_strangers_are_notes)
{
    write_file(FIRST ".log.deleted", "", 0);
    write_file("00000000000000000009.log.cleaned", "", 0);
    write_file("00000000000000000009.log.swap", "", 0);
    write_file("evil\033[2Jname", "", 0);
    expect_note(FIRST ".log.deleted", "left-over");
    expect_note("00000000000000000009.log.cleaned", "left-over");
    expect_note("00000000000000000009.log.swap", "left-over");
    expect_note("evil\\x1b[2Jname", "no file of a partition");
}
