/* SPDX-License-Identifier: Apache-2.0 */
/* From image to parts: first the number of group shards, then logs and roles, then what was
 * deleted. */
#include "broker_int.h"

static void published(struct weir_image_listener *listener, const struct weir_image *before,
                      const struct weir_image *after, const struct weir_image_delta *delta)
{
    struct weir_broker *broker = WEIR_CONTAINER_OF(listener, struct weir_broker, image_listener);
    if (!broker->follows_image)
        return;
    weir_broker_set_coordinators(broker, after);
    if (delta->changed_config_count > 0)
        weir_broker_set_move_rate(broker, after);
    weir_replicas_apply(broker->replicas, before, after, delta);
    weir_group_image_published(broker->groups, after, delta);
    weir_broker_share_topics_deleted(broker, delta);
}

static void became_leader(struct weir_leadership_listener *listener,
                          struct weir_partition *partition, int32_t leader_epoch)
{
    struct weir_broker *broker = WEIR_CONTAINER_OF(listener, struct weir_broker, leadership);
    struct weir_slice topic = weir_partition_topic(partition);
    struct weir_coordinator *coordinator = weir_broker_coordinator_of(broker, topic);
    if (coordinator == NULL)
        return;
    enum weir_status status =
        weir_coordinator_elected(coordinator, weir_partition_index(partition), leader_epoch);
    if (status != WEIR_OK)
        WEIR_LOG_ERROR(broker->log, "coordinator_shard_not_loaded", WEIR_BYTES("topic", topic),
                       WEIR_I64("partition", weir_partition_index(partition)),
                       WEIR_STR("status", weir_status_name(status)));
}

static void resigned(struct weir_leadership_listener *listener, struct weir_partition *partition,
                     int32_t leader_epoch)
{
    struct weir_broker *broker = WEIR_CONTAINER_OF(listener, struct weir_broker, leadership);
    struct weir_coordinator *coordinator =
        weir_broker_coordinator_of(broker, weir_partition_topic(partition));
    if (coordinator != NULL)
        weir_coordinator_resigned(coordinator, weir_partition_index(partition), leader_epoch);
    weir_share_partitions_lost(broker->share_partitions, weir_partition_topic_id(partition),
                               weir_partition_index(partition));
}

static void deleted(struct weir_leadership_listener *listener, const struct weir_image_topic *topic)
{
    (void)listener; /* published() hands the image to the groups */
    (void)topic;
}

void weir_broker_follow_init(struct weir_broker *broker)
{
    broker->image_listener.published = published;
    broker->leadership = (struct weir_leadership_listener){
        .became_leader = became_leader, .resigned = resigned, .deleted = deleted};
    weir_image_publisher_listen(broker->publisher, &broker->image_listener);
}

void weir_broker_follow_start(struct weir_broker *broker)
{
    const struct weir_image *image = weir_image_ref_current(broker->publisher);
    weir_replicas_listen(broker->replicas, &broker->leadership);
    weir_broker_set_coordinators(broker, image);
    weir_broker_set_move_rate(broker, image);
    weir_replicas_apply_all(broker->replicas, image);
    broker->follows_image = true;
    weir_image_unref(image);
}
