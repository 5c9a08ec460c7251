/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"
#include "image_text.h"

#include "weir/protocol/records/begin_transaction_record.h"
#include "weir/protocol/records/register_broker_record.h"
#include "weir/protocol/records/topic_record.h"

static enum weir_status broker_op(struct cluster *cluster, enum weir_controller_op_kind kind,
                                  int32_t id, int64_t epoch)
{
    struct weir_controller_op *op = cluster_op(cluster, kind);
    op->broker = (struct weir_broker_change){.id = id, .epoch = epoch};
    return cluster_run(cluster);
}

static struct weir_image_partition partition_now(struct cluster *cluster, const char *topic)
{
    const struct weir_image *image = weir_image_ref_current(cluster->publisher);
    struct weir_image_partition copy = *weir_image_partition(image, weir_slice_str(topic), 0);
    weir_image_unref(image);
    return copy; /* value fields and counts only */
}

Test(controller_brokers, restart_gives_the_same_image)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "a", 3);
    (void)cluster_topic(&cluster, "b", 1);
    assert_result(
        cluster_alter(&cluster, WEIR_RESOURCE_TOPIC, "a", "retention.ms", WEIR_CONFIG_SET, "7"),
        WEIR_OK, NULL);
    struct weir_buf before;
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    image_text(image, &before);
    weir_image_unref(image);
    cluster_reopen(&cluster);
    image = weir_image_ref_current(cluster.publisher);
    struct weir_buf after;
    image_text(image, &after);
    weir_image_unref(image);
    /* All but the controller's registration, which is new with each start. */
    cr_assert_eq(before.size, after.size);
    size_t different = 0;
    for (size_t i = 0; i < before.size; i++)
        different += before.data[i] != after.data[i];
    cr_assert_leq(different, 32); /* the hexadecimal digits of an incarnation id */
    weir_buf_done(&before);
    weir_buf_done(&after);
    cluster_done(&cluster);
}

Test(controller_brokers, snapshot_gives_the_same_image_as_the_log)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "a", 3);
    (void)cluster_op(&cluster, WEIR_CONTROLLER_SNAPSHOT);
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    (void)cluster_topic(&cluster, "b", 2);
    cluster_reopen(&cluster);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_partition_count(image), 5);
    cr_assert_eq(weir_image_broker(image, NODE_ID)->epoch, cluster.broker_epoch);
    cr_assert_eq(weir_image_feature_level(image, "metadata.version"), 30);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(controller_brokers, clean_stop_puts_partitions_into_the_elr_and_start_brings_them_back)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    cr_assert_eq(
        broker_op(&cluster, WEIR_CONTROLLER_SHUTDOWN_BROKER, NODE_ID, cluster.broker_epoch),
        WEIR_OK);
    struct weir_image_partition partition = partition_now(&cluster, "t");
    cr_assert_eq(partition.leader, WEIR_NO_LEADER);
    cr_assert_eq(partition.isr.count, 0);
    cr_assert_eq(partition.elr.count, 1);
    cr_assert_eq(partition.last_known_elr.count, 1);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert(weir_image_broker(image, NODE_ID)->is_fenced);
    cr_assert(weir_image_broker(image, NODE_ID)->in_controlled_shutdown);
    weir_image_unref(image);
    cluster_reopen(&cluster);
    cluster_join(&cluster);
    partition = partition_now(&cluster, "t");
    cr_assert_eq(partition.leader, NODE_ID);
    cr_assert_eq(partition.leader_epoch, 2);
    cr_assert_eq(partition.isr.count, 1);
    cr_assert_eq(partition.elr.count, 0);
    cr_assert_eq(partition.recovery_state, WEIR_RECOVERED);
    cluster_done(&cluster);
}

Test(controller_brokers, start_after_a_kill_raises_the_leader_epoch)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    cluster_reopen(&cluster); /* nobody said goodbye */
    cr_assert_eq(partition_now(&cluster, "t").leader_epoch, 0);
    cluster_join(&cluster);
    struct weir_image_partition partition = partition_now(&cluster, "t");
    cr_assert_eq(partition.leader, NODE_ID);
    cr_assert_eq(partition.leader_epoch, 1);
    cr_assert_eq(partition.isr.count, 1);
    cluster_done(&cluster);
}

Test(controller_brokers, start_and_stop_of_many_partitions_is_split_into_batches)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "a", 6000);
    (void)cluster_topic(&cluster, "b", 6000);
    cr_assert_eq(broker_op(&cluster, WEIR_CONTROLLER_SHUTDOWN_BROKER, NODE_ID, -1), WEIR_OK);
    cluster_reopen(&cluster);
    cluster_join(&cluster);
    cr_assert_eq(partition_now(&cluster, "b").leader, NODE_ID);
    cluster_done(&cluster);
}

Test(controller_brokers, stale_epochs_are_refused)
{
    struct cluster cluster;
    cluster_init(&cluster);
    cr_assert_eq(broker_op(&cluster, WEIR_CONTROLLER_UNFENCE_BROKER, NODE_ID, 3),
                 WEIR_STALE_BROKER_EPOCH);
    cr_assert_eq(broker_op(&cluster, WEIR_CONTROLLER_SHUTDOWN_BROKER, 9, -1),
                 WEIR_STALE_BROKER_EPOCH);
    cr_assert_eq(broker_op(&cluster, WEIR_CONTROLLER_UNREGISTER_BROKER, 77, 0),
                 WEIR_BROKER_ID_NOT_REGISTERED);
    assert_result(cluster.op.result, WEIR_BROKER_ID_NOT_REGISTERED,
                  "Broker ID 77 is not currently registered");
    cluster_done(&cluster);
}

Test(controller_brokers, registration_needs_a_directory_that_is_not_reserved)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_uuid reserved = weir_uuid_small(2);
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_REGISTER_BROKER);
    op->register_broker.id = NODE_ID;
    cr_assert_neq(cluster_run(&cluster), WEIR_OK);
    op = cluster_op(&cluster, WEIR_CONTROLLER_REGISTER_BROKER);
    op->register_broker =
        (struct weir_broker_registration){.id = NODE_ID, .log_dirs = &reserved, .log_dir_count = 1};
    cr_assert_neq(cluster_run(&cluster), WEIR_OK);
    op = cluster_op(&cluster, WEIR_CONTROLLER_REGISTER_BROKER);
    op->register_broker = (struct weir_broker_registration){
        .id = 2, .log_dirs = &cluster.directory_id, .log_dir_count = 1};
    cr_assert_neq(cluster_run(&cluster), WEIR_OK); /* another broker's */
    cluster_done(&cluster);
}

static int64_t take_ids(struct cluster *cluster)
{
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_ALLOCATE_PRODUCER_IDS);
    op->allocate_producer_ids.broker_id = NODE_ID;
    op->allocate_producer_ids.broker_epoch = -1;
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    cr_assert_eq(op->allocate_producer_ids.id_count, 1000);
    return op->allocate_producer_ids.first_id;
}

Test(controller_brokers, no_producer_id_is_given_twice_not_even_after_a_restart)
{
    struct cluster cluster;
    cluster_init(&cluster);
    cr_assert_eq(take_ids(&cluster), 0);
    cr_assert_eq(take_ids(&cluster), 1000);
    (void)cluster_op(&cluster, WEIR_CONTROLLER_SNAPSHOT);
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    cluster_reopen(&cluster);
    cr_assert_eq(take_ids(&cluster), 2000);
    cluster_done(&cluster);
}

/* ---- Features ---- */

/* why: NULL, or behind "Invalid update version ... " if it does not begin with "Unsupported". */
static void update(struct cluster *cluster, const char *name, int16_t level, int8_t type,
                   enum weir_status status, const char *why)
{
    struct weir_feature_update item = {
        .name = weir_slice_str(name), .level = level, .upgrade_type = type};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_UPDATE_FEATURES);
    op->update_features = (struct weir_update_features_op){.updates = &item, .update_count = 1};
    cr_assert_eq(cluster_run(cluster), status);
    char words[400];
    char prefix[100] = "";
    if (why != NULL && strncmp(why, "Unsupported", 11) != 0)
        (void)snprintf(prefix, sizeof(prefix), "Invalid update version %d for feature %s. ", level,
                       name);
    (void)snprintf(words, sizeof(words),
                   "The update failed for all features since the following feature had an error: "
                   "%s%s",
                   prefix, why == NULL ? "" : why);
    assert_result(op->result, status, why == NULL ? NULL : words);
}

Test(controller_brokers, feature_updates_are_checked)
{
    struct cluster cluster;
    cluster_init(&cluster);
    enum weir_status refused = WEIR_INVALID_UPDATE_VERSION;
    update(&cluster, "nope", 3, 1, refused, "Local controller 1 does not support this feature.");
    update(&cluster, "metadata.version", 9999, 1, refused,
           "Local controller 1 only supports versions 7-30");
    update(&cluster, "metadata.version", 7, 1, refused,
           "Can't downgrade the version of this feature without setting the upgrade type to either "
           "safe or unsafe downgrade.");
    update(&cluster, "metadata.version", 9, 9, refused,
           "The controller does not support the given upgrade type.");
    update(&cluster, "metadata.version", 28, 2, refused,
           "Unsupported metadata.version downgrade from 30 to 28. Refusing to perform the requested "
           "downgrade because it might delete metadata information.");
    update(&cluster, "share.version", 0, 2, WEIR_OK, NULL);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_feature_level(image, "share.version"), 0);
    weir_image_unref(image);
    update(&cluster, "share.version", 1, 1, WEIR_OK, NULL);
    cluster_done(&cluster);
}

/* ---- Elections and reassignments ---- */

static struct weir_controller_result elect(struct cluster *cluster, const char *topic,
                                           int32_t partition, int8_t type)
{
    struct weir_leader_election item = {.topic = weir_slice_str(topic), .partition = partition};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_ELECT_LEADERS);
    op->elect_leaders =
        (struct weir_elect_leaders_op){.type = type, .elections = &item, .election_count = 1};
    (void)cluster_run(cluster);
    return item.result;
}

Test(controller_brokers, elections_answer_as_kafka)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    for (int8_t type = 0; type < 2; type++) {
        assert_result(elect(&cluster, "t", 0, type), WEIR_ELECTION_NOT_NEEDED,
                      "Leader election not needed for topic partition.");
        assert_result(elect(&cluster, "t", 9, type), WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                      "No such partition as t-9");
        assert_result(elect(&cluster, "no", 0, type), WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                      "No such topic as no");
    }
    assert_result(elect(&cluster, "t", 0, 9), WEIR_INVALID_REQUEST, "Unknown election type 9");
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_ELECT_LEADERS);
    op->elect_leaders.all_partitions = true;
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    cr_assert_eq(op->elect_leaders.election_count, 0);
    cluster_done(&cluster);
}

static struct weir_controller_result reassign(struct cluster *cluster, const char *topic,
                                              int32_t partition, const int32_t *replicas,
                                              size_t count, bool cancel)
{
    struct weir_reassignment item = {.topic = weir_slice_str(topic),
                                     .partition = partition,
                                     .cancel = cancel,
                                     .replicas = replicas,
                                     .replica_count = count};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_ALTER_REASSIGNMENTS);
    op->alter_reassignments = (struct weir_alter_reassignments_op){
        .items = &item, .item_count = 1, .allow_replication_factor_change = true};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    return item.result;
}

Test(controller_brokers, reassignments_answer_as_kafka)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    static const int32_t same[] = {1};
    static const int32_t twice[] = {1, 1};
    static const int32_t stranger[] = {77};
    assert_result(reassign(&cluster, "t", 0, NULL, 0, true), WEIR_NO_REASSIGNMENT_IN_PROGRESS,
                  NULL);
    assert_result(reassign(&cluster, "t", 0, stranger, 1, false), WEIR_INVALID_REPLICA_ASSIGNMENT,
                  "The manual partition assignment includes broker 77, but no such broker is "
                  "registered.");
    assert_result(reassign(&cluster, "t", 0, NULL, 0, false), WEIR_INVALID_REPLICA_ASSIGNMENT,
                  "The manual partition assignment includes an empty replica list.");
    assert_result(reassign(&cluster, "t", 0, twice, 2, false), WEIR_INVALID_REPLICA_ASSIGNMENT,
                  "The manual partition assignment includes the broker 1 more than once.");
    assert_result(reassign(&cluster, "t", 0, same, 1, false), WEIR_OK, NULL);
    assert_result(reassign(&cluster, "t", 9, same, 1, false), WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                  "Unable to find partition t:9.");
    assert_result(reassign(&cluster, "no", 0, same, 1, false), WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                  "Unable to find a topic named no.");
    cluster_done(&cluster);
}

/* Brokers that only exist in the metadata. */
static void add_broker(struct cluster *cluster, int32_t id, const char *rack, bool fenced)
{
    struct weir_uuid directory = weir_uuid_small((uint8_t)(100 + id));
    struct weir_register_broker_record record;
    weir_register_broker_record_init(&record);
    record.broker_id = id;
    record.broker_epoch = 1000 + id;
    record.rack = weir_slice_str(rack);
    record.fenced = fenced;
    record.log_dirs.items = &directory;
    record.log_dirs.count = 1;
    struct weir_record_list list = {0};
    weir_record_list_add(&list, WEIR_METADATA_RECORD_REGISTER_BROKER, 4, &record);
    cr_assert_eq(weir_record_list_seal(&list), WEIR_OK);
    struct weir_controller_record raw = {
        .kind = list.items[0].kind, .version = 4, .body = list.items[0].body};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_WRITE_RECORDS);
    op->write_records = (struct weir_write_records_op){.records = &raw, .record_count = 1};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    weir_record_list_done(&list);
}

Test(controller_brokers, replicas_are_striped_over_racks_and_brokers)
{
    struct cluster cluster;
    cluster_init(&cluster); /* broker 1 has no rack */
    static const char *const racks[] = {"a", "a", "b", "b", "c", "c"};
    for (int32_t i = 0; i < 6; i++)
        add_broker(&cluster, 10 + i, racks[i], i == 5);
    struct weir_new_topic topic = {
        .name = WEIR_SLICE("t"), .partition_count = 60, .replication_factor = 3};
    cr_assert_eq(cluster_create(&cluster, &topic), WEIR_OK);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    int leaders[32] = {0};
    for (int32_t i = 0; i < 60; i++) {
        const struct weir_image_partition *partition =
            weir_image_partition(image, WEIR_SLICE("t"), i);
        cr_assert_eq(partition->replicas.count, 3);
        for (size_t j = 0; j < 3; j++) {
            int32_t id = partition->replicas.items[j];
            cr_assert_neq(id, 15); /* fenced, and there are others */
            const struct weir_image_broker *broker = weir_image_broker(image, id);
            for (size_t k = 0; k < j; k++)
                cr_assert_not(weir_slice_equal(
                    broker->rack, weir_image_broker(image, partition->replicas.items[k])->rack));
        }
        leaders[partition->leader]++;
    }
    cr_assert_eq(leaders[1], 15);
    cr_assert_eq(leaders[14], 15);
    cr_assert_geq(leaders[10], 7);
    cr_assert_leq(leaders[10], 8);
    weir_image_unref(image);
    topic.name = WEIR_SLICE("u");
    topic.replication_factor = 7; /* the fenced one as a last resort, never as leader */
    cr_assert_eq(cluster_create(&cluster, &topic), WEIR_OK);
    image = weir_image_ref_current(cluster.publisher);
    for (int32_t i = 0; i < 60; i++) {
        const struct weir_image_partition *partition =
            weir_image_partition(image, WEIR_SLICE("u"), i);
        cr_assert_neq(partition->leader, 15);
        cr_assert_eq(partition->isr.count, 6);
    }
    weir_image_unref(image);
    cluster_done(&cluster);
}

static struct weir_controller_result alter_isr(struct cluster *cluster,
                                               struct weir_isr_change *item)
{
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_ALTER_PARTITION);
    op->alter_partition = (struct weir_alter_partition_op){.broker_id = NODE_ID,
                                                           .broker_epoch = cluster->broker_epoch,
                                                           .changes = item,
                                                           .change_count = 1};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    return item->result;
}

Test(controller_brokers, in_sync_sets_change_only_for_the_leader_that_knows_the_state)
{
    struct cluster cluster;
    cluster_init(&cluster);
    add_broker(&cluster, 2, NULL, false);
    add_broker(&cluster, 3, NULL, true);
    static const int32_t replicas[] = {1, 2, 3};
    struct weir_replica_assignment assignment = {.replicas = replicas, .replica_count = 3};
    struct weir_new_topic topic = {.name = WEIR_SLICE("t"),
                                   .partition_count = -1,
                                   .replication_factor = -1,
                                   .assignments = &assignment,
                                   .assignment_count = 1};
    cr_assert_eq(cluster_create(&cluster, &topic), WEIR_OK);
    struct weir_isr_change good = {.topic_id = topic.id, .isr = replicas, .isr_count = 1};
    struct weir_isr_change bad = good;
    bad.leader_epoch = 1;
    cr_assert_eq(alter_isr(&cluster, &bad).status, WEIR_NOT_CONTROLLER);
    bad = good;
    bad.leader_epoch = -1;
    cr_assert_eq(alter_isr(&cluster, &bad).status, WEIR_FENCED_LEADER_EPOCH);
    bad = good;
    bad.partition_epoch = -1;
    cr_assert_eq(alter_isr(&cluster, &bad).status, WEIR_INVALID_UPDATE_VERSION);
    bad = good;
    bad.isr_count = 0;
    cr_assert_eq(alter_isr(&cluster, &bad).status, WEIR_INVALID_REQUEST);
    bad = good;
    bad.isr_count = 3;
    cr_assert_eq(alter_isr(&cluster, &bad).status, WEIR_INELIGIBLE_REPLICA);
    bad = good;
    bad.topic_id = weir_uuid_small(50);
    cr_assert_eq(alter_isr(&cluster, &bad).status, WEIR_UNKNOWN_TOPIC_ID);
    cr_assert_eq(alter_isr(&cluster, &good).status, WEIR_OK);
    cr_assert_eq(good.result_partition.partition_epoch, 1);
    struct weir_image_partition partition = partition_now(&cluster, "t");
    cr_assert_eq(partition.isr.count, 1);
    cr_assert_eq(partition.partition_epoch, 1);
    cr_assert_eq(partition.leader_epoch, 0);
    /* And the leader gives the partition to the other one when it stops. */
    good.partition_epoch = 1;
    good.isr_count = 2;
    cr_assert_eq(alter_isr(&cluster, &good).status, WEIR_OK);
    cr_assert_eq(broker_op(&cluster, WEIR_CONTROLLER_SHUTDOWN_BROKER, NODE_ID, -1), WEIR_OK);
    partition = partition_now(&cluster, "t");
    cr_assert_eq(partition.leader, 2);
    cr_assert_eq(partition.isr.count, 1);
    cluster_done(&cluster);
}

Test(controller_brokers, records_that_cannot_be_applied_are_not_appended)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_controller_quorum_info before;
    weir_controller_quorum_info(cluster.controller, &before);
    struct weir_controller_record raw = {.kind = 99, .version = 0, .body = WEIR_EMPTY_SLICE};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_WRITE_RECORDS);
    op->write_records = (struct weir_write_records_op){.records = &raw, .record_count = 1};
    cr_assert_eq(cluster_run(&cluster), WEIR_UNKNOWN_SERVER_ERROR);
    struct weir_controller_quorum_info after;
    weir_controller_quorum_info(cluster.controller, &after);
    cr_assert_eq(before.log_end_offset, after.log_end_offset);
    cr_assert_eq(after.high_watermark, after.log_end_offset);
    (void)cluster_topic(&cluster, "still-works", 1);
    cluster_done(&cluster);
}

/* ---- Many at once ---- */

static void count_done(struct weir_controller_op *op)
{
    (void)__atomic_add_fetch((int *)op->context, 1, __ATOMIC_SEQ_CST);
}

Test(controller_brokers, operations_that_wait_together_are_all_done_in_order)
{
    struct cluster cluster;
    cluster_init(&cluster);
    enum { COUNT = 300 };
    static struct weir_controller_op ops[COUNT];
    static struct weir_new_topic topics[COUNT];
    static struct weir_arena arenas[COUNT];
    static char names[COUNT][16];
    int done = 0;
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "t%d", i / 2); /* each name twice */
        weir_arena_init(&arenas[i], 0);
        topics[i] = (struct weir_new_topic){
            .name = weir_slice_str(names[i]), .partition_count = 1, .replication_factor = 1};
        ops[i] = (struct weir_controller_op){.kind = WEIR_CONTROLLER_CREATE_TOPICS,
                                             .arena = &arenas[i],
                                             .done = count_done,
                                             .context = &done};
        ops[i].create_topics =
            (struct weir_create_topics_op){.topics = &topics[i], .topic_count = 1};
        weir_controller_submit(cluster.controller, &ops[i]);
    }
    weir_controller_close(cluster.controller); /* waits for them */
    cr_assert_eq(done, COUNT);
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(topics[i].result.status, i % 2 == 0 ? WEIR_OK : WEIR_TOPIC_ALREADY_EXISTS);
        weir_arena_done(&arenas[i]);
    }
    cluster.controller = NULL;
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_topic_count(image), COUNT / 2);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(controller_brokers, reader_sees_a_new_image_after_a_change_and_the_same_before)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_image_reader reader;
    weir_image_reader_init(&reader, cluster.publisher);
    const struct weir_image *first = weir_image_reader_current(&reader);
    cr_assert_eq(first, weir_image_reader_current(&reader));
    (void)cluster_topic(&cluster, "t", 1);
    const struct weir_image *second = weir_image_reader_current(&reader);
    cr_assert_not_null(weir_image_topic(second, WEIR_SLICE("t")));
    weir_image_reader_done(&reader);
    cluster_done(&cluster);
}
