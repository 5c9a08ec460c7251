/* SPDX-License-Identifier: Apache-2.0 */

/* Metadata logs that Apache Kafka 4.3.0 wrote (data/):
 *   single_node.log      one node, two starts, topic zz and changed configs
 *   cluster.log          three controllers, two brokers, elections, ELR
 *   cluster.checkpoint   the controllers' own snapshot of it at offset 2800, epoch 7 */

#include "image_text.h"
#include "loader.h"
#include "temp_dir.h"

#include "weir/quorum/metadata_log.h"

struct partial {
    struct weir_loader loader;
    int64_t end_offset;
};

static enum weir_status apply_below(void *context, const struct weir_quorum_record *record,
                                    struct weir_detail *detail)
{
    struct partial *partial = context;
    if (record->offset >= partial->end_offset)
        return WEIR_OK;
    return weir_loader_apply(&partial->loader, record, detail);
}

static void copy_log(const char *data, const char *dir)
{
    struct weir_env *env = weir_env_posix();
    char from[512];
    char to[512];
    (void)snprintf(from, sizeof(from), "%s/%s", WEIR_TEST_DATA, data);
    (void)snprintf(to, sizeof(to), "%s/__cluster_metadata-0", dir);
    cr_assert_eq(weir_dir_make(env, to, NULL), WEIR_OK);
    (void)snprintf(to, sizeof(to), "%s/__cluster_metadata-0/00000000000000000000.log", dir);
    struct weir_buf buf = {0};
    cr_assert_eq(weir_file_read_all(env, from, 1 << 20, &buf, NULL), WEIR_OK);
    cr_assert_eq(weir_file_replace(env, to, weir_buf_slice(&buf), NULL), WEIR_OK);
    weir_buf_done(&buf);
}

/* The image of the log below end_offset; the status of the load. */
static enum weir_status load_log(const char *data, int64_t end_offset, struct temp_dir *dir,
                                 const struct weir_image **out)
{
    struct weir_detail detail = {{0}};
    copy_log(data, dir->path);
    struct weir_quorum_options options = {
        .env = weir_env_posix(), .metadata_dir = dir->path, .node_id = 1};
    struct weir_quorum *quorum;
    cr_assert_eq(weir_quorum_open(&options, &quorum, &detail), WEIR_OK, "%s", detail.text);
    struct partial partial = {.end_offset = end_offset};
    cr_assert_eq(weir_loader_init(&partial.loader), WEIR_OK);
    struct weir_quorum_snapshot_id id;
    enum weir_status status = weir_quorum_load(quorum, apply_below, &partial, &id, &detail);
    cr_assert(status == WEIR_OK || status == WEIR_INCONSISTENT_VOTER_SET, "%s", detail.text);
    cr_assert_eq(weir_loader_finish(&partial.loader, out, &detail), WEIR_OK, "%s", detail.text);
    weir_loader_done(&partial.loader);
    weir_quorum_close(quorum);
    return status;
}

Test(kafka_log, log_of_a_single_node_gives_the_expected_image)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    const struct weir_image *image;
    cr_assert_eq(load_log("single_node.log", INT64_MAX, &dir, &image), WEIR_OK);
    cr_assert_eq(weir_image_feature_level(image, "metadata.version"), 30);
    cr_assert_eq(weir_image_feature_level(image, "transaction.version"), 2);
    cr_assert_eq(weir_image_feature_level(image, "share.version"), 1);
    cr_assert_eq(weir_image_topic_count(image), 1);
    const struct weir_image_topic *topic = weir_image_topic(image, WEIR_SLICE("zz"));
    cr_assert_eq(topic->partition_count, 2);
    /* Stopped twice: offline, with the broker in the ELR. */
    const struct weir_image_partition *partition = topic->partitions[1];
    cr_assert_eq(partition->leader, WEIR_NO_LEADER);
    cr_assert_eq(partition->leader_epoch, 3);
    cr_assert_eq(partition->partition_epoch, 3);
    cr_assert_eq(partition->isr.count, 0);
    cr_assert_eq(partition->elr.count, 1);
    cr_assert_eq(partition->elr.items[0], 1);
    cr_assert_eq(partition->last_known_elr.count, 1);
    const struct weir_image_broker *broker = weir_image_broker(image, 1);
    cr_assert_eq(broker->epoch, 305);
    cr_assert(broker->is_fenced);
    cr_assert(broker->in_controlled_shutdown);
    cr_assert(broker->has_cordoned_log_dirs);
    cr_assert_eq(broker->endpoint_count, 1);
    cr_assert_eq(broker->endpoints[0].port, 39092);
    const struct weir_image_config *config =
        weir_image_config(image, WEIR_RESOURCE_TOPIC, WEIR_SLICE("zz"));
    cr_assert(
        weir_slice_is(weir_image_config_get(config, WEIR_SLICE("min.compaction.lag.ms")), "100"));
    config = weir_image_config(image, WEIR_RESOURCE_BROKER, WEIR_EMPTY_SLICE);
    cr_assert(weir_slice_is(weir_image_config_get(config, WEIR_SLICE("min.insync.replicas")), "2"));
    config = weir_image_config(image, WEIR_RESOURCE_GROUP, WEIR_SLICE("g"));
    cr_assert_not_null(config);
    weir_image_unref(image);
    temp_dir_done(&dir);
}

Test(kafka_log, log_of_a_larger_quorum_is_read_but_not_led)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    const struct weir_image *image;
    cr_assert_eq(load_log("cluster.log", INT64_MAX, &dir, &image), WEIR_INCONSISTENT_VOTER_SET);
    cr_assert_gt(weir_image_topic_count(image), 3);
    weir_image_unref(image);
    temp_dir_done(&dir);
}

Test(kafka_log, replay_of_the_log_equals_kafkas_own_snapshot)
{
    struct temp_dir dir;
    temp_dir_init(&dir);
    const struct weir_image *replayed;
    (void)load_log("cluster.log", 2800, &dir, &replayed);
    struct weir_loader loader;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_loader_init(&loader), WEIR_OK);
    cr_assert_eq(weir_quorum_read_checkpoint(weir_env_posix(), WEIR_TEST_DATA "/cluster.checkpoint",
                                             weir_loader_apply, &loader, &detail),
                 WEIR_OK, "%s", detail.text);
    const struct weir_image *snapshot;
    cr_assert_eq(weir_loader_finish(&loader, &snapshot, &detail), WEIR_OK);
    weir_loader_done(&loader);
    cr_assert(images_are_equal(replayed, snapshot));
    weir_image_unref(replayed);
    weir_image_unref(snapshot);
    temp_dir_done(&dir);
}
