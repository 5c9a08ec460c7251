/* SPDX-License-Identifier: Apache-2.0 */

/* Offsets: expiry, deleted topics, commits above the watermark. */

#include "group_world.h"

#include "weir/record/batch_builder.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define CHECK_MS ((int64_t)600000)

TestSuite(offsets, .init = world_start, .fini = world_stop);

Test(offsets, of_a_simple_group_expire_seven_days_after_the_commit)
{
    cr_assert_eq(commit_simple("g", "t", 0, 5), WEIR_OK);
    fake_world_jump(&world.base, 6 * DAY_MS);
    cr_assert_eq(commit_simple("g", "t", 1, 6), WEIR_OK);
    fake_world_jump(&world.base, DAY_MS + CHECK_MS);
    cr_assert_eq(fetched("g", "t", 0), -1);
    cr_assert_eq(fetched("g", "t", 1), 6);
    cr_assert_eq(group_count(), 1);
    fake_world_jump(&world.base, 6 * DAY_MS + CHECK_MS);
    cr_assert_eq(fetched("g", "t", 1), -1);
    cr_assert_eq(group_count(), 0, "a group without offsets and members goes with them");
}

Test(offsets, of_an_empty_group_expire_seven_days_after_it_became_empty)
{
    int32_t generation;
    struct weir_slice member = stable_group("g", &generation);
    cr_assert_eq(commit_as("g", member, generation, "n", 0, 5, ""), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        fake_world_jump(&world.base, 9000);
        cr_assert_eq(heartbeat("g", member, generation), WEIR_OK);
    }
    cr_assert_eq(leave("g", member, WEIR_NULL_SLICE), WEIR_OK);
    fake_world_jump(&world.base, 7 * DAY_MS - 20000); /* seven days after the commit, not yet after the
                                                         leave */
    fake_world_jump(&world.base, 10000);
    cr_assert_eq(fetched("g", "n", 0), 5);
    fake_world_jump(&world.base, CHECK_MS);
    cr_assert_eq(fetched("g", "n", 0), -1);
    cr_assert_eq(group_count(), 0);
}

Test(offsets, of_subscribed_topics_never_expire_while_the_group_is_stable)
{
    struct weir_group_join_request request = join_request("g", WEIR_EMPTY_SLICE);
    request.requires_known_member_id = false;
    request.session_timeout_ms = 1800000;
    struct client_join client;
    join_start(&client, &request);
    fake_world_run(&world.base);
    struct weir_slice member = keep(client.join.member_id);
    join_free(&client);
    cr_assert_eq(sync_leader("g", member, 1, "a"), WEIR_OK);
    cr_assert_eq(commit_as("g", member, 1, "t", 0, 5, ""), WEIR_OK);
    cr_assert_eq(commit_as("g", member, 1, "former", 0, 6, ""), WEIR_OK);
    for (int64_t ms = 0; ms < 7 * DAY_MS + CHECK_MS; ms += 1700000) {
        fake_world_jump(&world.base, 1700000);
        cr_assert_eq(heartbeat("g", member, 1), WEIR_OK);
    }
    cr_assert_eq(fetched("g", "t", 0), 5);
    cr_assert_eq(fetched("g", "former", 0), -1);
    cr_assert(is_state("g", "Stable"));
}

Test(offsets, with_a_retention_of_their_own_expire_by_it)
{
    struct weir_offset_commit_item item = {
        .topic = WEIR_SLICE("t"), .leader_epoch = -1, .offset = 5, .metadata = WEIR_SLICE("")};
    struct weir_group_offset_commit_request request = {
        .group_id = WEIR_SLICE("g"), .generation = -1, .retention_ms = 1000};
    struct weir_offset_commit op = {.op = {.done = count_done}, .items = &item, .item_count = 1};
    weir_group_offset_commit(world.service, &request, &op);
    cr_assert_eq(op.op.status, WEIR_OK);
    weir_group_op_free(&op.op);
    cr_assert_eq(fetched("g", "t", 0), 5);
    world_restart();
    cr_assert_eq(fetched("g", "t", 0), 5);
    fake_world_jump(&world.base, CHECK_MS);
    cr_assert_eq(fetched("g", "t", 0), -1);
}

Test(offsets, expire_in_many_small_steps)
{
    for (int i = 0; i < 2500; i++)
        cr_assert_eq(commit_simple("g", "t", i, i), WEIR_OK);
    fake_world_jump(&world.base, 7 * DAY_MS + CHECK_MS);
    cr_assert_eq(fetched("g", "t", 0), -1);
    cr_assert_eq(fetched("g", "t", 2499), -1);
    cr_assert_eq(group_count(), 0);
}

static struct weir_image_topic topic_named(const char *name, uint8_t id)
{
    return (struct weir_image_topic){.name = weir_slice_str(name), .id = weir_uuid_small(id)};
}

static void commit_with_id(const char *group, const char *topic, uint8_t id, int64_t offset)
{
    struct weir_offset_commit_item item = {.topic = weir_slice_str(topic),
                                           .topic_id = weir_uuid_small(id),
                                           .leader_epoch = -1,
                                           .offset = offset};
    struct weir_group_offset_commit_request request = {
        .group_id = weir_slice_str(group), .generation = -1, .retention_ms = -1};
    struct weir_offset_commit op = {.op = {.done = count_done}, .items = &item, .item_count = 1};
    weir_group_offset_commit(world.service, &request, &op);
    cr_assert_eq(op.op.status, WEIR_OK);
    weir_group_op_free(&op.op);
}

Test(offsets, go_with_their_topic_in_every_group)
{
    commit_with_id("g", "t", 7, 5);
    commit_with_id("h", "t", 0, 6); /* stored by name */
    commit_with_id("i", "t", 8, 7); /* of a topic of the same name made since */
    commit_with_id("g", "other", 9, 8);
    struct weir_image_topic topic = topic_named("t", 7);
    const struct weir_image_topic *topics[] = {&topic};
    const struct weir_image_delta delta = {.deleted_topics = topics, .deleted_topic_count = 1};
    const struct weir_image *image = weir_image_ref_current(world.images);
    weir_group_image_published(world.service, image, &delta);
    weir_image_unref(image);
    world_restart();
    cr_assert_eq(fetched("g", "t", 0), -1);
    cr_assert_eq(fetched("h", "t", 0), -1);
    cr_assert_eq(fetched("i", "t", 0), 7);
    cr_assert_eq(fetched("g", "other", 0), 8);
}

Test(offsets, of_another_topic_with_the_same_name_are_not_served)
{
    commit_with_id("g", "t", 7, 5);
    struct weir_offset_fetch_item item = {.topic = WEIR_SLICE("t"), .topic_id = weir_uuid_small(8)};
    struct weir_offset_fetch op = {.op = {.done = count_done}, .items = &item, .item_count = 1};
    weir_group_offset_fetch(world.service, WEIR_SLICE("g"), &op);
    cr_assert_eq(item.offset, -1);
    weir_group_op_free(&op.op);
}

Test(offsets, are_answered_when_committed_and_not_served_before)
{
    cr_assert_eq(commit_simple("g", "t", 0, 5), WEIR_OK);
    world.base.commits_at_once = false;
    struct weir_offset_commit_item item = {
        .topic = WEIR_SLICE("t"), .leader_epoch = -1, .offset = 6};
    struct weir_group_offset_commit_request request = {
        .group_id = WEIR_SLICE("g"), .generation = -1, .retention_ms = -1};
    struct weir_offset_commit commit = {
        .op = {.done = count_done}, .items = &item, .item_count = 1};
    ops_done = 0;
    weir_group_offset_commit(world.service, &request, &commit);
    cr_assert_eq(ops_done, 0);
    struct weir_offset_fetch_item wanted = {.topic = WEIR_SLICE("t")};
    struct weir_offset_fetch fetch = {
        .op = {.done = count_done}, .items = &wanted, .item_count = 1};
    weir_group_offset_fetch(world.service, WEIR_SLICE("g"), &fetch);
    cr_assert_eq(ops_done, 0, "a position that may still be lost is not handed out");
    fake_world_commit(&world.base, partition_of("g"));
    cr_assert_eq(ops_done, 2);
    cr_assert_eq(wanted.offset, 6);
    weir_group_op_free(&commit.op);
    weir_group_op_free(&fetch.op);
}

Test(offsets, that_were_refused_are_not_there)
{
    cr_assert_eq(commit_simple("g", "t", 0, 5), WEIR_OK);
    world.base.append_status = WEIR_NOT_ENOUGH_REPLICAS;
    cr_assert_eq(commit_simple("g", "t", 0, 6), WEIR_COORDINATOR_NOT_AVAILABLE);
    cr_assert_eq(commit_simple("new", "t", 0, 6), WEIR_COORDINATOR_NOT_AVAILABLE);
    world.base.append_status = WEIR_MESSAGE_TOO_LARGE;
    cr_assert_eq(commit_simple("g", "t", 0, 6), WEIR_UNKNOWN_SERVER_ERROR);
    world.base.append_status = WEIR_OK;
    cr_assert_eq(fetched("g", "t", 0), 5);
    cr_assert_eq(group_count(), 1);
}

Test(offsets, metadata_is_measured_in_utf16_units_as_java_does)
{
    char text[2 * 4096 + 3];
    for (size_t i = 0; i < 4096; i++)
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    text[2 * 4096] = 0;
    cr_assert_eq(commit_as("g", WEIR_EMPTY_SLICE, -1, "t", 0, 1, text), WEIR_OK);
    memcpy(text + 2 * 4096, "x", 2);
    cr_assert_eq(commit_as("g", WEIR_EMPTY_SLICE, -1, "t", 0, 1, text),
                 WEIR_OFFSET_METADATA_TOO_LARGE);
}

/* ---- The bytes ---- */

static void last_record(struct weir_record *out, uint8_t key[256], uint8_t value[256])
{
    struct weir_batch batch;
    cr_assert_eq(weir_batch_parse(world.base.last_batch, &batch, NULL), WEIR_OK);
    struct weir_record_iter *iter;
    cr_assert_eq(weir_record_iter_new(&batch, NULL, &iter, NULL), WEIR_OK);
    cr_assert_eq(weir_record_iter_next(iter, out, NULL), WEIR_OK);
    cr_assert(out->key.size <= 256 && out->value.size <= 256);
    memcpy(key, out->key.data, out->key.size);
    if (out->value.size > 0)
        memcpy(value, out->value.data, out->value.size);
    weir_record_iter_free(iter);
}

static void assert_bytes(const uint8_t *is, size_t is_bytes, const char *hex)
{
    cr_assert_eq(is_bytes * 2, strlen(hex), "%zu bytes", is_bytes);
    for (size_t i = 0; i < is_bytes; i++) {
        char text[3];
        (void)snprintf(text, sizeof(text), "%02x", is[i]); /* two digits */
        cr_assert(memcmp(text, hex + 2 * i, 2) == 0, "byte %zu is %s, not %.2s", i, text,
                  hex + 2 * i);
    }
}

/* The clock of the fake world stands at 1 s: 1700000001000 is 0x18bcfe56be8. */
Test(record_bytes, are_those_of_apache_kafka, .init = world_start, .fini = world_stop)
{
    struct weir_record record;
    uint8_t key[256];
    uint8_t value[256];
    struct weir_group_join_request request = join_request("g-classic", WEIR_EMPTY_SLICE);
    cr_assert_eq(join_status(&request), WEIR_MEMBER_ID_REQUIRED);
    last_record(&record, key, value);
    assert_bytes(key, record.key.size, "00020009672d636c6173736963");
    assert_bytes(value, record.value.size, "0003000000000000ffffffff0000018bcfe56be800000000");

    commit_with_id("g-classic", "t2", 5, 15);
    last_record(&record, key, value);
    assert_bytes(key, record.key.size, "00010009672d636c61737369630002743200000000");
    assert_bytes(value, record.value.size,
                 "0004000000000000000fffffffff010000018bcfe56be80100"
                 "1000000000000000000000000000000005");
    cr_assert_eq(commit_simple("g-classic", "t2", 0, 15), WEIR_OK); /* without a topic id */
    last_record(&record, key, value);
    assert_bytes(value, record.value.size,
                 "0004000000000000000fffffffff026d0000018bcfe56be800");
}

static enum weir_status commit_in_txn(uint64_t guard, int64_t offset)
{
    struct weir_offset_commit_item item = {
        .topic = WEIR_SLICE("t"), .leader_epoch = -1, .offset = offset};
    struct weir_group_offset_commit_request request = {
        .group_id = WEIR_SLICE("g"),
        .generation = -1,
        .retention_ms = -1,
        .is_transactional = true,
        .txn = {.producer_id = 7, .producer_epoch = 1, .verification_guard = guard}};
    struct weir_offset_commit commit = {
        .op = {.done = count_done}, .items = &item, .item_count = 1};
    weir_group_offset_commit(world.service, &request, &commit);
    enum weir_status status = commit.op.status;
    weir_group_op_free(&commit.op);
    return status;
}

static void ignore_marker(struct weir_shard_marker *marker)
{
    (void)marker;
}

Test(offsets, of_a_transaction_count_when_its_marker_is_there)
{
    cr_assert_eq(commit_simple("g", "t", 0, 5), WEIR_OK);
    world.base.guard = 3;
    cr_assert_eq(commit_in_txn(2, 6), WEIR_INVALID_TXN_STATE, "not verified");
    cr_assert_eq(commit_in_txn(3, 6), WEIR_OK);
    cr_assert_eq(fetched("g", "t", 0), 5);
    struct weir_shard *shard = weir_coordinator_find(
        weir_group_service_coordinator(world.service), partition_of("g"));
    struct weir_txn_marker marker = {.producer_id = 7, .producer_epoch = 1, .is_commit = true};
    struct weir_shard_marker marking = {.done = ignore_marker};
    cr_assert_eq(weir_shard_end_txn(shard, &marker, 0, &marking), WEIR_OK);
    cr_assert_eq(marking.status, WEIR_OK);
    weir_shard_unref(shard);
    cr_assert_eq(fetched("g", "t", 0), 6);
}
