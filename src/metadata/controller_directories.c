/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which log directory of a broker a replica is in, and directories that fail (KIP-858).
 *
 * D1  A replica in a directory its broker has not registered leads nothing.  Ids that name no
 *     directory (unassigned, migrating) count as online, "lost" does not.
 *
 * D2  A broker that says where a replica is, is believed; a partition without a leader that waited
 *     for that directory gets one.
 */

#include "controller_int.h"

#include "weir/protocol/records/broker_registration_change_record.h"

enum { CHANGE_OF_LOG_DIRS = 2 };

bool weir_broker_has_directory(const struct weir_image *image, int32_t id,
                               struct weir_uuid directory_id)
{
    const struct weir_image_broker *broker = weir_image_broker(image, id);
    if (weir_uuid_equal(directory_id, weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED)) ||
        weir_uuid_equal(directory_id, weir_uuid_small(WEIR_DIRECTORY_MIGRATING)))
        return true;
    if (weir_uuid_equal(directory_id, weir_uuid_small(WEIR_DIRECTORY_LOST)))
        return false;
    if (broker == NULL || broker->log_dir_count == 0)
        return true;
    for (size_t i = 0; i < broker->log_dir_count; i++) {
        if (weir_uuid_equal(broker->log_dirs[i], directory_id))
            return true;
    }
    return false;
}

struct weir_uuid weir_partition_directory(const struct weir_image_partition *partition, int32_t id)
{
    for (size_t i = 0; i < partition->replicas.count; i++) {
        if (partition->replicas.items[i] == id)
            return partition->directories[i];
    }
    return weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED);
}

bool weir_replica_can_lead(const struct weir_image *image,
                           const struct weir_image_partition *partition, int32_t id)
{
    return weir_broker_is_active(image, id) && weir_i32_list_contains(partition->replicas, id) &&
           weir_broker_has_directory(image, id, weir_partition_directory(partition, id));
}

/* ---- Assigning ---- */

static enum weir_status assign(struct weir_decision *decision,
                               const struct weir_directory_assignment *item, int32_t id,
                               int32_t *self)
{
    const struct weir_image_topic *topic = weir_image_topic_by_id(decision->image, item->topic_id);
    if (topic == NULL)
        return WEIR_UNKNOWN_TOPIC_ID;
    if (item->partition < 0 || item->partition >= topic->partition_count)
        return WEIR_UNKNOWN_TOPIC_OR_PARTITION;
    const struct weir_image_partition *partition = topic->partitions[item->partition];
    if (!weir_i32_list_contains(partition->replicas, id))
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    if (weir_uuid_equal(weir_partition_directory(partition, id), item->directory_id))
        return WEIR_OK;
    size_t count = partition->replicas.count;
    struct weir_uuid *directories = weir_arena_calloc(decision->arena, count, sizeof(*directories));
    if (directories == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        directories[i] =
            partition->replicas.items[i] == id ? item->directory_id : partition->directories[i];
    struct weir_partition_change change = {.recovery_state = -1,
                                           .has_directories = true,
                                           .directories = directories,
                                           .directory_count = count};
    weir_record_add_partition_change(decision, topic, partition->id, &change);
    if (partition->leader == WEIR_NO_LEADER && weir_broker_is_active(decision->image, id))
        weir_decide_lead_again(decision, topic, partition, id, item->directory_id, self); /* D2 */
    return WEIR_OK;
}

void weir_decide_assign_directories(struct weir_decision *decision)
{
    struct weir_assign_directories_op *op = &decision->op->assign_directories;
    int32_t *self = weir_arena_alloc(decision->arena, sizeof(*self));
    if (weir_decide_find_broker(decision, op->broker_id, op->broker_epoch) == NULL)
        return;
    if (self == NULL) {
        decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
        return;
    }
    *self = op->broker_id;
    decision->may_split = true;
    for (size_t i = 0; i < op->item_count; i++)
        op->items[i].status = assign(decision, &op->items[i], op->broker_id, self);
}

/* ---- Failing ---- */

static bool is_among(struct weir_uuid id, const struct weir_uuid *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (weir_uuid_equal(ids[i], id))
            return true;
    }
    return false;
}

/* False when none of them was registered. */
static bool add_log_dirs(struct weir_decision *decision, const struct weir_image_broker *broker,
                         const struct weir_fail_directories_op *op)
{
    struct weir_broker_registration_change_record record;
    struct weir_uuid *left =
        weir_arena_calloc(decision->arena, broker->log_dir_count + 1, sizeof(*left));
    size_t count = 0;
    if (left == NULL) {
        decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
        return false;
    }
    for (size_t i = 0; i < broker->log_dir_count; i++) {
        if (!is_among(broker->log_dirs[i], op->directory_ids, op->directory_count))
            left[count++] = broker->log_dirs[i];
    }
    if (count == broker->log_dir_count)
        return false;
    weir_broker_registration_change_record_init(&record);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record.log_dirs = (struct weir_uuid_array){.items = left, .count = (int32_t)count};
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_BROKER_REGISTRATION_CHANGE,
                         CHANGE_OF_LOG_DIRS, &record);
    return true;
}

void weir_decide_fail_directories(struct weir_decision *decision)
{
    const struct weir_fail_directories_op *op = &decision->op->fail_directories;
    const struct weir_image_broker *broker =
        weir_decide_find_broker(decision, op->broker_id, op->broker_epoch);
    int32_t *self = weir_arena_alloc(decision->arena, sizeof(*self));
    if (broker == NULL)
        return;
    if (self == NULL) {
        decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
        return;
    }
    *self = op->broker_id;
    decision->may_split = true;
    for (size_t i = 0; i < weir_image_topic_count(decision->image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(decision->image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            const struct weir_image_partition *partition = topic->partitions[j];
            if ((partition->leader != *self && !weir_i32_list_contains(partition->isr, *self)) ||
                !is_among(weir_partition_directory(partition, *self), op->directory_ids,
                          op->directory_count))
                continue;
            enum weir_status status = weir_decide_hand_over(decision, topic, partition, self);
            if (status != WEIR_OK) {
                decision->op->result = weir_result_bare(status);
                return;
            }
        }
    }
    (void)add_log_dirs(decision, broker, op);
}
