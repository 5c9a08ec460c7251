/* SPDX-License-Identifier: Apache-2.0 */

/* What is printed of each kind of file, whole and damaged. */

#include "good_dir.h"

#include "weir/base/endian.h"
#include "weir/protocol/record_types.h"
#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/group_metadata_value.h"
#include "weir/protocol/records/user_scram_credential_record.h"

TestSuite(dump, .init = good_init, .fini = good_done);

static void dump_path(const char *path, const char *topic, bool with_records, size_t bytes_max)
{
    struct weir_dump_options options = {.env = &world.env,
                                        .files = &path,
                                        .file_count = 1,
                                        .topic = topic,
                                        .with_records = with_records,
                                        .bytes_max = bytes_max,
                                        .write = good_write};
    weir_buf_clear(&text);
    result = weir_dump(&options);
}

static void dump(const char *name, bool with_records)
{
    char path[512];
    path_of(name, path);
    dump_path(path, NULL, with_records, 0);
}

static void expect_words(const char *words)
{
    cr_expect_not_null(strstr(good_text(), words), "no '%s' in %s", words, good_text());
}

Test(dump, a_segment_has_a_line_per_batch_and_a_sum)
{
    dump(FIRST ".log", false);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words(": log segment, offset 0\n");
    expect_words("batch at byte 0, 94 bytes: offsets 0-2, 3 records, leader epoch 1, create time "
                 "2023-11-14T22:13:20.002Z, codec none, producer 7 epoch 0 sequence 0-2, crc ");
    expect_words(" ok\n");
    expect_words("batches, ");
    cr_expect_null(strstr(good_text(), "key"));
}

Test(dump, records_are_printed_when_asked)
{
    dump(FIRST ".log", true);
    expect_words("  offset 1, 2023-11-14T22:13:20.001Z: key \"k1\", value \"v1\"\n");
}

Test(dump, control_records_are_always_printed)
{
    char path[512];
    path_of(last_file(".txnindex"), path);
    memcpy(strstr(path, ".txnindex"), ".log", 5);
    dump_path(path, NULL, false, 0);
    expect_words("producer 9 epoch 0, transactional, control, crc ");
    expect_words(": ABORT {CoordinatorEpoch: 0}\n");
}

Test(dump, values_are_cut)
{
    char path[512];
    path_of(FIRST ".log", path);
    dump_path(path, NULL, true, 4);
    expect_words("value \"\\x00\\x00\\x00\\x00\"... (100 bytes)\n");
}

Test(dump, an_offset_index)
{
    dump(last_file(".index"), false);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words(": offset index, offset ");
    dump(FIRST ".index", false);
    expect_words("offset 4 at byte 266\n");
}

Test(dump, a_time_index)
{
    dump(FIRST ".timeindex", false);
    expect_words("timestamp 1700000002000 (2023-11-14T22:13:22.000Z), offset 4\n");
}

Test(dump, an_index_with_room_behind_its_entries)
{
    static const uint8_t zeros[80];
    add(FIRST ".index", zeros, sizeof(zeros));
    dump(FIRST ".index", false);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words("to the end (not trimmed)\n");
}

Test(dump, a_damaged_index)
{
    add(FIRST ".index", "\0\0\0\1\0\0\0\1abc", 11);
    dump(FIRST ".index", false);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words("does not rise above the one before");
    expect_words("the file ends inside an entry");
}

Test(dump, an_index_of_aborted_transactions)
{
    dump(last_file(".txnindex"), false);
    expect_words("producer 9 aborted offsets 23-25, last stable offset 26\n");
}

Test(dump, a_producer_snapshot)
{
    dump(last_file(".snapshot"), false);
    expect_words("version 1, 3 producers, crc ");
    expect_words("producer 7 epoch 0: last sequence 3, last offset 26, offset delta 0, last time ");
    expect_words(", open transaction since offset 27\n");
    flip(last_file(".snapshot"), 20, 1);
    dump(found_name, false);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words(" WRONG\n");
    expect_words("DAMAGED at byte 2: the checksum is ");
}

Test(dump, text_files)
{
    dump("leader-epoch-checkpoint", false);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words("  0\n  2\n  1 0\n  2 23\n");
    write_file("leader-epoch-checkpoint", "0\n1\n\033x\n", 7);
    dump("leader-epoch-checkpoint", false);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words("  \"\\x1bx\"\n");
}

Test(dump, what_no_name_tells_and_what_is_not_there_fails)
{
    write_file("notes", "x", 1);
    dump("notes", false);
    cr_expect_eq(result, WEIR_INSPECT_FAILED);
    dump("00000000000000000001.log", false);
    cr_expect_eq(result, WEIR_INSPECT_FAILED);
    expect_words("FAILED: ");
}

Test(dump, goes_on_behind_a_damaged_batch)
{
    flip(FIRST ".log", 70, 1);
    dump(FIRST ".log", true);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words(" WRONG\nDAMAGED at byte 0: ");
    expect_words("  offset 3, ");
}

Test(dump, finds_the_next_batch_behind_a_damaged_length)
{
    flip(FIRST ".log", 9, 0x70);
    dump(FIRST ".log", true);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words("DAMAGED at byte 0: 94 bytes are no batch: ");
    expect_words("batch at byte 94, ");
}

Test(dump, a_torn_end_is_said)
{
    cut(last_file(".log"), 1);
    dump(found_name, false);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words("and only ");
}

/* --- The broker's own topics --- */

static void write_log(const char *dir_name, const struct weir_record_data *record, char path[512])
{
    char dir[400];
    struct weir_buf bytes = {0};
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder = NULL;
    (void)snprintf(dir, sizeof(dir), "%s/%s", world.dir, dir_name);
    cr_assert_eq(weir_dir_make(&world.env, dir, NULL), WEIR_OK);
    cr_assert_eq(weir_batch_builder_new(&options, &bytes, &builder), WEIR_OK);
    weir_batch_builder_add(builder, record);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    (void)snprintf(path, 512, "%s/" FIRST ".log", dir);
    write_path(path, bytes.data, bytes.size);
    weir_buf_done(&bytes);
}

static void write_group(struct weir_slice subscription, char path[512])
{
    struct weir_group_metadata_key key = {.group = WEIR_SLICE("g")};
    struct weir_group_metadata_value_member_metadata member = {.member_id = WEIR_SLICE("m"),
                                                               .client_id = WEIR_SLICE("c"),
                                                               .client_host = WEIR_SLICE("h"),
                                                               .subscription = subscription,
                                                               .assignment = WEIR_SLICE("")};
    struct weir_group_metadata_value value = {
        .protocol_type = WEIR_SLICE("consumer"), .generation = 3, .members = {&member, 1}};
    struct weir_buf key_bytes = {0};
    struct weir_buf value_bytes = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &key_bytes);
    weir_coordinator_key_write(&writer, WEIR_RECORD_SET_GROUP, WEIR_GROUP_RECORD_GROUP_METADATA,
                               &key);
    weir_writer_done(&writer);
    weir_writer_init(&writer, &value_bytes);
    weir_coordinator_value_write(&writer, WEIR_RECORD_SET_GROUP, WEIR_GROUP_RECORD_GROUP_METADATA,
                                 3, &value);
    weir_writer_done(&writer);
    struct weir_record_data record = {.key = weir_buf_slice(&key_bytes),
                                      .value = weir_buf_slice(&value_bytes)};
    write_log("__consumer_offsets-0", &record, path);
    weir_buf_done(&key_bytes);
    weir_buf_done(&value_bytes);
}

Test(dump, a_classic_group_is_taken_apart_with_its_subscriptions)
{
    char path[512];
    write_group(WEIR_SLICE("\0\0\0\0\0\1\0\1t\377\377\377\377"), path);
    dump_path(path, NULL, true, 0);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words("GroupMetadata {group: \"g\"} = {protocolType: \"consumer\", generation: 3, ");
    expect_words("subscription: {Topics: [\"t\"], UserData: null}");
}

Test(dump, a_subscription_that_is_none_is_printed_as_bytes)
{
    char path[512];
    write_group(WEIR_SLICE("\0\0\1\1"), path);
    dump_path(path, NULL, true, 0);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words("subscription: \"\\x00\\x00\\x01\\x01\"");
}

Test(dump, a_topic_can_be_named)
{
    char path[512];
    write_group(WEIR_SLICE(""), path);
    dump_path(path, "other", true, 0);
    expect_words("key \"\\x00\\x02\\x00\\x01g\"");
}

Test(dump, types_and_versions_that_are_not_known_are_printed_as_bytes)
{
    char path[512];
    struct weir_record_data record = {.key = WEIR_SLICE("\1\2k"), .value = WEIR_SLICE("v")};
    write_log("__consumer_offsets-0", &record, path);
    dump_path(path, NULL, true, 0);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words("unknown type 258, key \"\\x01\\x02k\", value \"v\"\n");
}

Test(dump, a_value_that_cannot_be_decoded_is_damage)
{
    char path[512];
    struct weir_record_data record = {.key = WEIR_SLICE("\0\2\0\1g"),
                                      .value = WEIR_SLICE("\0\x63")};
    write_log("__consumer_offsets-0", &record, path);
    dump_path(path, NULL, true, 0);
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED);
    expect_words("GroupMetadataValue has version 99, which is not known");
}

Test(dump, secrets_are_hidden)
{
    char path[512];
    struct weir_user_scram_credential_record credential = {.name = WEIR_SLICE("u"),
                                                           .mechanism = 1,
                                                           .salt = WEIR_SLICE("SALTY"),
                                                           .stored_key = WEIR_SLICE("STORED"),
                                                           .server_key = WEIR_SLICE("SERVER"),
                                                           .iterations = 4096};
    struct weir_buf value = {0};
    struct weir_writer writer;
    weir_writer_init(&writer, &value);
    weir_metadata_record_write(&writer, WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL, 0, &credential);
    weir_writer_done(&writer);
    struct weir_record_data record = {.value = weir_buf_slice(&value)};
    write_log("__cluster_metadata-0", &record, path);
    dump_path(path, NULL, true, 0);
    weir_buf_done(&value);
    cr_expect_eq(result, WEIR_INSPECT_SOUND);
    expect_words("UserScramCredential {Name: \"u\", Mechanism: 1, Salt: (hidden), StoredKey: "
                 "(hidden), ServerKey: (hidden), Iterations: 4096}");
}

Test(dump, legacy_messages)
{
    /* Magic 1, offset 5, timestamp 1000, key null, value "v". */
    static const uint8_t message[] = {0, 0,    0,    0,    0,    0,    0, 5, 0, 0, 0,  23,
                                      0, 0,    0,    0,    1,    0,    0, 0, 0, 0, 0,  0,
                                      3, 0xe8, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 'v'};
    dump_path(world.dir, NULL, false, 0); /* no file at all: only not to crash */
    write_file("00000000000000000005.log", message, sizeof(message));
    dump("00000000000000000005.log", true);
    expect_words("message set of magic 1, offset 5, create time 1970-01-01T00:00:01.000Z");
    cr_expect_eq(result, WEIR_INSPECT_DAMAGED); /* its checksum is wrong */
}
