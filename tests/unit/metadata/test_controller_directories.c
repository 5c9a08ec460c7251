/* SPDX-License-Identifier: Apache-2.0 */

/* Where replicas are, and directories that fail (KIP-858): the node has two directories here. */

#include "cluster.h"

#define SECOND 211

static struct cluster cluster;

static void join_with_two(void)
{
    const struct weir_uuid dirs[] = {cluster.directory_id, weir_uuid_small(SECOND)};
    struct weir_image_endpoint endpoint = {
        .name = WEIR_SLICE("PLAINTEXT"), .host = WEIR_SLICE("localhost"), .port = 9092};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_REGISTER_BROKER);
    op->register_broker = (struct weir_broker_registration){.id = NODE_ID,
                                                            .incarnation_id = weir_uuid_small(78),
                                                            .endpoints = &endpoint,
                                                            .endpoint_count = 1,
                                                            .log_dirs = dirs,
                                                            .log_dir_count = 2,
                                                            .previous_epoch = cluster.broker_epoch};
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    cluster.broker_epoch = op->register_broker.epoch;
    op = cluster_op(&cluster, WEIR_CONTROLLER_UNFENCE_BROKER);
    op->broker = (struct weir_broker_change){.id = NODE_ID, .epoch = cluster.broker_epoch};
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
}

static void start(void)
{
    cluster_init(&cluster);
    join_with_two();
}

static void stop(void)
{
    cluster_done(&cluster);
}

static enum weir_status assign_as(int64_t epoch, struct weir_uuid topic, int32_t partition,
                                  struct weir_uuid directory, enum weir_status *out)
{
    struct weir_directory_assignment item = {
        .topic_id = topic, .partition = partition, .directory_id = directory};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_ASSIGN_DIRECTORIES);
    op->assign_directories = (struct weir_assign_directories_op){
        .broker_id = NODE_ID, .broker_epoch = epoch, .items = &item, .item_count = 1};
    enum weir_status status = cluster_run(&cluster);
    *out = item.status;
    return status;
}

static enum weir_status assign(struct weir_uuid topic, int32_t partition,
                               struct weir_uuid directory)
{
    enum weir_status status;
    cr_assert_eq(assign_as(-1, topic, partition, directory, &status), WEIR_OK);
    return status;
}

static enum weir_status fail_as(int64_t epoch, struct weir_uuid directory)
{
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_FAIL_DIRECTORIES);
    op->fail_directories = (struct weir_fail_directories_op){.broker_id = NODE_ID,
                                                             .broker_epoch = epoch,
                                                             .directory_ids = &directory,
                                                             .directory_count = 1};
    return cluster_run(&cluster);
}

struct seen {
    struct weir_uuid directory;
    int32_t leader;
    int32_t leader_epoch;
    size_t isr_count;
    size_t registered_dirs;
    int64_t last_offset;
};

static struct seen look(int32_t partition)
{
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    const struct weir_image_partition *found =
        weir_image_partition(image, weir_slice_str("t"), partition);
    struct seen seen = {.directory = found->directories[0],
                        .leader = found->leader,
                        .leader_epoch = found->leader_epoch,
                        .isr_count = found->isr.count,
                        .registered_dirs = weir_image_broker(image, NODE_ID)->log_dir_count,
                        .last_offset = weir_image_last_offset(image)};
    weir_image_unref(image);
    return seen;
}

TestSuite(controller_directories, .init = start, .fini = stop);

Test(controller_directories, a_broker_with_two_directories_is_asked_where_it_put_a_partition)
{
    struct weir_uuid topic = cluster_topic(&cluster, "t", 2);
    cr_expect(weir_uuid_equal(look(1).directory, weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED)));
    cr_expect_eq(assign(topic, 1, weir_uuid_small(SECOND)), WEIR_OK);
    cr_expect(weir_uuid_equal(look(1).directory, weir_uuid_small(SECOND)));
    cr_expect(weir_uuid_equal(look(0).directory, weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED)));
    cr_expect_eq(look(1).leader, NODE_ID);
    cr_expect_eq(look(1).leader_epoch, 0);
    cluster_reopen(&cluster);
    cr_expect(weir_uuid_equal(look(1).directory, weir_uuid_small(SECOND)));
}

Test(controller_directories, the_same_directory_again_writes_no_record)
{
    struct weir_uuid topic = cluster_topic(&cluster, "t", 1);
    cr_assert_eq(assign(topic, 0, weir_uuid_small(SECOND)), WEIR_OK);
    int64_t before = look(0).last_offset;
    cr_expect_eq(assign(topic, 0, weir_uuid_small(SECOND)), WEIR_OK);
    cr_expect_eq(look(0).last_offset, before);
}

Test(controller_directories, what_cannot_be_assigned_is_told_item_by_item)
{
    struct weir_uuid topic = cluster_topic(&cluster, "t", 1);
    enum weir_status item = WEIR_OK;
    cr_expect_eq(assign(weir_uuid_small(199), 0, weir_uuid_small(SECOND)), WEIR_UNKNOWN_TOPIC_ID);
    cr_expect_eq(assign(topic, 1, weir_uuid_small(SECOND)), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_expect_eq(assign(topic, -1, weir_uuid_small(SECOND)), WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_expect_eq(assign_as(cluster.broker_epoch - 1, topic, 0, weir_uuid_small(SECOND), &item),
                 WEIR_STALE_BROKER_EPOCH);
    cr_expect(weir_uuid_equal(look(0).directory, weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED)));
}

Test(controller_directories, a_failed_directory_takes_the_leadership_of_what_is_in_it_only)
{
    struct weir_uuid topic = cluster_topic(&cluster, "t", 2);
    cr_assert_eq(assign(topic, 0, cluster.directory_id), WEIR_OK);
    cr_assert_eq(assign(topic, 1, weir_uuid_small(SECOND)), WEIR_OK);
    cr_assert_eq(fail_as(cluster.broker_epoch, weir_uuid_small(SECOND)), WEIR_OK);
    cr_expect_eq(look(0).leader, NODE_ID);
    cr_expect_eq(look(0).leader_epoch, 0);
    cr_expect_eq(look(1).leader, WEIR_NO_LEADER);
    cr_expect_eq(look(1).registered_dirs, 1);
    int64_t before = look(0).last_offset;
    cr_expect_eq(fail_as(-1, weir_uuid_small(SECOND)), WEIR_OK); /* nothing more to say */
    cr_expect_eq(look(0).last_offset, before);
    cr_expect_eq(fail_as(-1, weir_uuid_small(12)), WEIR_OK); /* never heard of it */
    cr_expect_eq(look(0).last_offset, before);
    cr_expect_eq(fail_as(cluster.broker_epoch - 1, cluster.directory_id), WEIR_STALE_BROKER_EPOCH);
    cr_expect_eq(look(0).leader, NODE_ID);
}

Test(controller_directories, a_repaired_directory_leads_again_after_the_next_start)
{
    struct weir_uuid topic = cluster_topic(&cluster, "t", 1);
    cr_assert_eq(assign(topic, 0, weir_uuid_small(SECOND)), WEIR_OK);
    cr_assert_eq(fail_as(-1, weir_uuid_small(SECOND)), WEIR_OK);
    cr_assert_eq(look(0).leader, WEIR_NO_LEADER);
    int32_t epoch = look(0).leader_epoch;
    cluster_reopen(&cluster);
    cluster_join(&cluster); /* without it: still nobody */
    cr_expect_eq(look(0).leader, WEIR_NO_LEADER);
    join_with_two();
    cr_expect_eq(look(0).leader, NODE_ID);
    cr_expect_gt(look(0).leader_epoch, epoch);
    cr_expect_eq(look(0).isr_count, 1);
}

Test(controller_directories, a_partition_without_a_leader_gets_one_where_it_was_found)
{
    struct weir_uuid topic = cluster_topic(&cluster, "t", 1);
    cr_assert_eq(assign(topic, 0, weir_uuid_small(SECOND)), WEIR_OK);
    cr_assert_eq(fail_as(-1, weir_uuid_small(SECOND)), WEIR_OK);
    cr_assert_eq(look(0).leader, WEIR_NO_LEADER);
    cr_expect_eq(assign(topic, 0, cluster.directory_id), WEIR_OK);
    cr_expect_eq(look(0).leader, NODE_ID);
    cr_expect(weir_uuid_equal(look(0).directory, cluster.directory_id));
}
