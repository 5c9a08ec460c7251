/* SPDX-License-Identifier: Apache-2.0 */

/* What is there after a restart, from our own log and from other brokers' records. */

#include "group_world.h"

#include "weir/protocol/records/share_group_metadata_key.h"
#include "weir/protocol/records/group_metadata_key.h"
#include "weir/protocol/records/group_metadata_value.h"
#include "weir/protocol/records/offset_commit_key.h"
#include "weir/protocol/records/offset_commit_value.h"
#include "weir/record/batch_builder.h"

TestSuite(reload, .init = world_start, .fini = world_stop);

Test(reload, brings_back_groups_members_and_offsets)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    cr_assert_eq(commit_as("g", member, generation, "t", 0, 42, "meta"), WEIR_OK);
    cr_assert_eq(commit_simple("simple", "t", 3, 7), WEIR_OK);
    (void)new_member("fresh");
    world_restart();
    cr_assert_eq(group_count(), 3);
    struct weir_group_describe out;
    describe("g", &out);
    cr_assert(weir_slice_is(out.state, "Stable"));
    cr_assert(weir_slice_is(out.protocol_type, "consumer"));
    cr_assert(weir_slice_is(out.protocol, "range"));
    cr_assert_eq(out.member_count, 1);
    cr_assert(weir_slice_equal(out.members[0].member_id, member));
    cr_assert(weir_slice_is(out.members[0].client_host, "/127.0.0.1"));
    cr_assert(weir_slice_equal(out.members[0].metadata, SUBSCRIPTION));
    cr_assert(weir_slice_is(out.members[0].assignment, "assign"));
    weir_group_op_free(&out.op);
    cr_assert(is_state("fresh", "Empty"));
    cr_assert_eq(fetched("g", "t", 0), 42);
    cr_assert_eq(fetched("simple", "t", 3), 7);
    cr_assert_eq(heartbeat("g", member, generation), WEIR_OK);
    cr_assert_eq(commit_as("g", member, generation, "t", 0, 43, ""), WEIR_OK);
    struct generation next = join_as("g", member);
    cr_assert_eq(next.id, generation + 1, "generations go on");
}

Test(reload, gives_loaded_members_a_whole_session)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    fake_world_advance(&world.base, 9000);
    world_restart();
    fake_world_advance(&world.base, 9900);
    cr_assert_eq(heartbeat("g", member, generation), WEIR_OK);
    fake_world_advance(&world.base, 10020);
    cr_assert(is_state("g", "Empty"));
}

Test(reload, forgets_what_was_deleted)
{
    cr_assert_eq(commit_simple("g", "t", 0, 7), WEIR_OK);
    cr_assert_eq(delete_group("g"), WEIR_OK);
    world_restart();
    cr_assert_eq(group_count(), 0);
    cr_assert_eq(fetched("g", "t", 0), -1);
}

Test(reload, keeps_the_generation_of_an_empty_group)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    cr_assert_eq(leave("g", member, WEIR_NULL_SLICE), WEIR_OK);
    world_restart();
    cr_assert(is_state("g", "Empty"));
    struct generation next = join_as("g", new_member("g"));
    cr_assert_eq(next.id, generation + 2);
}

Test(reload, a_static_member_comes_back_without_a_rebalance)
{
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    request.instance_id = WEIR_SLICE("i1");
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    cr_assert_eq(sync_leader("g", client.join.member_id, 1, "a"), WEIR_OK);
    join_free(&client);
    world_restart();
    join_start(&client, &request);
    struct generation again = take_generation(&client);
    cr_assert_eq(again.id, 1);
    cr_assert(is_state("g", "Stable"));
}

/* ---- Records of others ---- */

struct foreign {
    struct weir_buf key;
    struct weir_buf value;
};

static void append_records(const char *group, int64_t producer_id, const struct foreign *records,
                           size_t count)
{
    struct weir_buf buf = {0};
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.producer_id = producer_id;
    options.is_transactional = producer_id >= 0;
    options.producer_epoch = producer_id >= 0 ? 0 : -1;
    options.base_sequence = 0;
    struct weir_batch_builder *builder;
    cr_assert_eq(weir_batch_builder_new(&options, &buf, &builder), WEIR_OK);
    for (size_t i = 0; i < count; i++) {
        struct weir_record_data data = {.key = weir_buf_slice(&records[i].key)};
        if (records[i].value.size > 0)
            data.value = weir_buf_slice(&records[i].value);
        weir_batch_builder_add(builder, &data);
    }
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    struct weir_log_appended appended;
    cr_assert_eq(fake_append(&world.base, partition_of(group), weir_buf_slice(&buf), 0, &appended,
                             NULL),
                 WEIR_OK);
    weir_buf_done(&buf);
}

static void write_key(struct foreign *out, int16_t type, const void *key)
{
    struct weir_writer writer;
    weir_writer_init(&writer, &out->key);
    weir_coordinator_key_write(&writer, WEIR_RECORD_SET_GROUP, type, key);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    weir_writer_done(&writer);
}

static void write_value(struct foreign *out, int16_t type, int16_t version, const void *value)
{
    struct weir_writer writer;
    weir_writer_init(&writer, &out->value);
    weir_coordinator_value_write(&writer, WEIR_RECORD_SET_GROUP, type, version, value);
    cr_assert_eq(weir_writer_status(&writer), WEIR_OK);
    weir_writer_done(&writer);
}

static void append_one(const char *group, int64_t producer_id, struct foreign *record)
{
    append_records(group, producer_id, record, 1);
    weir_buf_done(&record->key);
    weir_buf_done(&record->value);
}

static void append_offset(const char *group, int64_t producer_id, int16_t version, int64_t offset)
{
    struct weir_offset_commit_key key = {.group = weir_slice_str(group), .topic = WEIR_SLICE("t")};
    struct weir_offset_commit_value value;
    weir_offset_commit_value_init(&value);
    value.offset = offset;
    value.metadata = WEIR_EMPTY_SLICE;
    value.commit_timestamp = FAKE_WALL_MS;
    struct foreign record = {0};
    write_key(&record, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key);
    write_value(&record, WEIR_GROUP_RECORD_OFFSET_COMMIT, version, &value);
    append_one(group, producer_id, &record);
}

static void append_marker(const char *group, int64_t producer_id, bool is_commit)
{
    uint8_t bytes[WEIR_TXN_MARKER_BYTES];
    struct weir_txn_marker marker = {.producer_id = producer_id, .is_commit = is_commit};
    weir_txn_marker_write(bytes, &marker, FAKE_WALL_MS);
    struct weir_log_appended appended;
    cr_assert_eq(fake_append(&world.base, partition_of(group),
                             weir_slice_of(bytes, sizeof(bytes)), 0, &appended, NULL),
                 WEIR_OK);
}

Test(reload, reads_every_version_of_an_offset)
{
    for (int16_t version = 0; version <= 4; version++) {
        append_offset("g", -1, version, 100 + version);
        world_restart();
        cr_assert_eq(fetched("g", "t", 0), 100 + version, "version %d", version);
    }
}

Test(reload, a_transactional_offset_counts_from_its_commit_marker_on)
{
    append_offset("g", 7, 4, 10);
    world_restart();
    enum weir_status status;
    cr_assert_eq(fetch_one("g", "t", 0, true, &status), -1);
    cr_assert_eq(status, WEIR_UNSTABLE_OFFSET_COMMIT);
    cr_assert_eq(fetch_one("g", "t", 0, false, &status), -1);
    cr_assert_eq(status, WEIR_OK);
    append_marker("g", 7, true);
    world_restart();
    cr_assert_eq(fetch_one("g", "t", 0, true, &status), 10);
    append_offset("g", 7, 4, 20);
    append_marker("g", 7, false);
    world_restart();
    cr_assert_eq(fetch_one("g", "t", 0, true, &status), 10, "aborted");
    cr_assert_eq(status, WEIR_OK);
}

Test(reload, a_plain_commit_after_a_transactional_one_wins_over_its_marker)
{
    append_offset("g", 7, 4, 10);
    append_offset("g", -1, 4, 30);
    append_marker("g", 7, true);
    world_restart();
    cr_assert_eq(fetched("g", "t", 0), 30);
}

Test(reload, a_tombstone_takes_pending_offsets_along)
{
    append_offset("g", 7, 4, 10);
    struct weir_offset_commit_key key = {.group = WEIR_SLICE("g"), .topic = WEIR_SLICE("t")};
    struct foreign tombstone = {0};
    write_key(&tombstone, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key);
    append_one("g", -1, &tombstone);
    append_marker("g", 7, true);
    world_restart();
    cr_assert_eq(fetched("g", "t", 0), -1);
}

Test(reload, reads_old_versions_of_a_group)
{
    for (int16_t version = 0; version <= 4; version++) {
        struct weir_group_metadata_key key = {.group = WEIR_SLICE("g")};
        struct weir_group_metadata_value_member_metadata member;
        weir_group_metadata_value_member_metadata_init(&member);
        member.member_id = WEIR_SLICE("m1");
        member.client_id = WEIR_SLICE("c");
        member.client_host = WEIR_SLICE("/h");
        member.session_timeout = 10000;
        member.subscription = SUBSCRIPTION;
        member.assignment = WEIR_SLICE("x");
        struct weir_group_metadata_value value;
        weir_group_metadata_value_init(&value);
        value.protocol_type = WEIR_SLICE("consumer");
        value.generation = 5;
        value.protocol = WEIR_SLICE("range");
        value.leader = WEIR_SLICE("m1");
        value.members.items = &member;
        value.members.count = 1;
        struct foreign record = {0};
        write_key(&record, WEIR_GROUP_RECORD_GROUP_METADATA, &key);
        write_value(&record, WEIR_GROUP_RECORD_GROUP_METADATA, version, &value);
        append_one("g", -1, &record);
        world_restart();
        cr_assert_eq(heartbeat("g", WEIR_SLICE("m1"), 5), WEIR_OK, "version %d", version);
    }
}

Test(reload, a_value_of_an_unknown_version_makes_the_partition_unavailable)
{
    struct weir_offset_commit_key key = {.group = WEIR_SLICE("g"), .topic = WEIR_SLICE("t")};
    struct foreign record = {0};
    write_key(&record, WEIR_GROUP_RECORD_OFFSET_COMMIT, &key);
    weir_buf_append(&record.value, "\0\x09junk", 6);
    append_one("g", -1, &record);
    world_restart();
    cr_assert_eq(heartbeat("g", WEIR_SLICE("m"), 1), WEIR_NOT_COORDINATOR);
    cr_assert_eq(group_count(), 0, "the other partitions serve");
}

Test(reload, passes_over_record_types_it_does_not_know)
{
    struct foreign record = {0};
    weir_buf_append(&record.key, "\x03\xe7whatever", 10);
    weir_buf_append(&record.value, "\0\0junk", 6);
    append_one("g", -1, &record);
    append_offset("g", -1, 4, 5);
    world_restart();
    cr_assert_eq(fetched("g", "t", 0), 5);
}

static void append_newer_group(const char *group, bool is_tombstone)
{
    struct weir_share_group_metadata_key key = {.group_id = weir_slice_str(group)};
    struct foreign record = {0};
    write_key(&record, WEIR_GROUP_RECORD_SHARE_GROUP_METADATA, &key);
    if (!is_tombstone)
        weir_buf_append(&record.value, "\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0", 15); /* epoch 1, hash 0 */
    append_one(group, -1, &record);
}

Test(reload, nothing_is_written_that_would_destroy_a_group_of_a_newer_protocol)
{
    append_offset("g", -1, 4, 5);
    append_newer_group("g", false);
    world_restart();
    int32_t before = world.base.append_count;
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    cr_assert_eq(join_status(&request), WEIR_INCONSISTENT_GROUP_PROTOCOL);
    cr_assert_eq(heartbeat("g", WEIR_SLICE("m"), 1), WEIR_UNKNOWN_MEMBER_ID);
    cr_assert_eq(commit_simple("g", "t", 0, 9), WEIR_GROUP_ID_NOT_FOUND);
    fake_world_jump(&world.base, (int64_t)30 * 24 * 3600 * 1000);
    cr_assert_eq(world.base.append_count, before);
    cr_assert_eq(fetched("g", "t", 0), 5);
    struct weir_group_describe out;
    describe("g", &out);
    cr_assert(weir_slice_is(out.message, "Group g is not a classic group."));
    weir_group_op_free(&out.op);
    append_newer_group("g", true);
    world_restart();
    cr_assert_eq(join_status(&request), WEIR_MEMBER_ID_REQUIRED);
}
