/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Changes to partitions that exist: elections, reassignments, in-sync sets.
 *
 * E1  A leader is an active broker (unfenced, not shutting down) of the replica set, and in the
 * ISR; with an empty ISR, in the ELR; else it is an unclean election.
 *
 * E2  A record that names a leader raises the leader epoch, also when the leader stays.
 */

#include "controller_int.h"

#include "weir/protocol/records/partition_change_record.h"

#define NO_CHANGE_OF_LEADER (-2)

static struct weir_i32_array to_array(struct weir_i32_list list)
{
    return (struct weir_i32_array){.items = (int32_t *)(uintptr_t)list.items,
                                   .count = (int32_t)list.count};
}

void weir_record_add_partition_change(struct weir_decision *decision,
                                      const struct weir_image_topic *topic, int32_t partition,
                                      const struct weir_partition_change *change)
{
    int16_t version = weir_partition_version(decision->image);
    struct weir_partition_change_record record;
    weir_partition_change_record_init(&record);
    record.partition_id = partition;
    record.topic_id = topic->id;
    if (change->has_isr)
        record.isr = to_array(change->isr);
    record.leader = change->has_leader ? change->leader : NO_CHANGE_OF_LEADER;
    if (change->has_replicas) {
        record.replicas = to_array(change->replicas);
        if (weir_partition_change_record_has_directories(version))
            record.directories = (struct weir_uuid_array){
                .items = (struct weir_uuid *)(uintptr_t)change->directories,
                .count = (int32_t)change->replicas.count};
    } else if (change->has_directories && weir_partition_change_record_has_directories(version)) {
        record.directories =
            (struct weir_uuid_array){.items = (struct weir_uuid *)(uintptr_t)change->directories,
                                     .count = (int32_t)change->directory_count};
    }
    if (change->has_removing)
        record.removing_replicas = to_array(change->removing);
    if (change->has_adding)
        record.adding_replicas = to_array(change->adding);
    record.leader_recovery_state = change->recovery_state;
    if (weir_partition_change_record_has_eligible_leader_replicas(version)) {
        if (change->has_elr)
            record.eligible_leader_replicas = to_array(change->elr);
        if (change->has_last_known_elr)
            record.last_known_elr = to_array(change->last_known_elr);
    }
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_PARTITION_CHANGE, version,
                         &record);
}

/* The first replica in order of preference that is in the list and active, or WEIR_NO_LEADER. */
static int32_t first_active(const struct weir_image *image,
                            const struct weir_image_partition *partition, struct weir_i32_list list)
{
    for (size_t i = 0; i < partition->replicas.count; i++) {
        int32_t id = partition->replicas.items[i];
        if (weir_i32_list_contains(list, id) && weir_replica_can_lead(image, partition, id))
            return id;
    }
    return WEIR_NO_LEADER;
}

/* ---- ElectLeaders ---- */

static struct weir_controller_result elect(struct weir_decision *decision,
                                           const struct weir_image_topic *topic,
                                           const struct weir_image_partition *partition,
                                           int8_t type)
{
    bool is_led = partition->leader != WEIR_NO_LEADER;
    bool has_preferred =
        partition->replicas.count > 0 && partition->leader == partition->replicas.items[0];
    if ((type == 0 && has_preferred) || (type == 1 && is_led))
        return weir_result_of(decision, WEIR_ELECTION_NOT_NEEDED,
                              "Leader election not needed for topic partition.");
    struct weir_partition_change change = {.recovery_state = -1, .has_leader = true};
    struct weir_i32_list preferred = {.items = partition->replicas.items, .count = 1};
    bool preferred_in_isr = partition->replicas.count > 0 &&
                            weir_i32_list_contains(partition->isr, partition->replicas.items[0]);
    if (type == 0) {
        change.leader =
            preferred_in_isr ? first_active(decision->image, partition, preferred) : WEIR_NO_LEADER;
        if (change.leader == WEIR_NO_LEADER)
            return weir_result_of(decision, WEIR_PREFERRED_LEADER_NOT_AVAILABLE,
                                  "The preferred leader was not available.");
    } else {
        change.leader = first_active(decision->image, partition, partition->isr);
        if (change.leader == WEIR_NO_LEADER)
            change.leader = first_active(decision->image, partition, partition->elr);
        bool is_unclean = change.leader == WEIR_NO_LEADER;
        if (is_unclean)
            change.leader = first_active(decision->image, partition, partition->replicas);
        if (change.leader == WEIR_NO_LEADER)
            return weir_result_of(decision, WEIR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
                                  "Eligible topic partition leaders are not available.");
        if (is_unclean)
            change.recovery_state = WEIR_RECOVERING;
        int32_t *isr = weir_arena_alloc(decision->arena, sizeof(*isr));
        if (isr == NULL)
            return weir_result_bare(WEIR_NO_MEMORY);
        *isr = change.leader;
        change.has_isr = !weir_i32_list_contains(partition->isr, change.leader);
        change.isr = (struct weir_i32_list){.items = isr, .count = 1};
        change.has_elr = partition->elr.count > 0;
        change.has_last_known_elr = partition->last_known_elr.count > 0;
    }
    weir_record_add_partition_change(decision, topic, partition->id, &change);
    return weir_result_ok();
}

static struct weir_controller_result
elect_named(struct weir_decision *decision, const struct weir_leader_election *item, int8_t type)
{
    const struct weir_image_topic *topic = weir_image_topic(decision->image, item->topic);
    if (topic == NULL)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_OR_PARTITION, "No such topic as %.*s",
                              WEIR_SLICE_ARGS(item->topic));
    if (item->partition < 0 || item->partition >= topic->partition_count)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "No such partition as %.*s-%d", WEIR_SLICE_ARGS(item->topic),
                              item->partition);
    return elect(decision, topic, topic->partitions[item->partition], type);
}

/* All partitions: only those whose election was needed are answered. */
static void elect_all(struct weir_decision *decision, struct weir_elect_leaders_op *op)
{
    op->elections = NULL;
    op->election_count = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t count = 0;
        for (size_t i = 0; i < weir_image_topic_count(decision->image); i++) {
            const struct weir_image_topic *topic = weir_image_topic_at(decision->image, i);
            for (int32_t j = 0; j < topic->partition_count; j++) {
                const struct weir_image_partition *partition = topic->partitions[j];
                bool is_needed = op->type == 0
                                     ? partition->replicas.count > 0 &&
                                           partition->leader != partition->replicas.items[0]
                                     : partition->leader == WEIR_NO_LEADER;
                if (!is_needed)
                    continue;
                if (pass == 1) {
                    struct weir_slice name = WEIR_EMPTY_SLICE;
                    op->elections[count].result =
                        weir_arena_copy(decision->arena, topic->name, &name) == WEIR_OK
                            ? elect(decision, topic, partition, op->type)
                            : weir_result_bare(WEIR_NO_MEMORY);
                    op->elections[count].topic = name;
                    op->elections[count].partition = j;
                }
                count++;
            }
        }
        if (pass == 0) {
            op->elections = weir_arena_calloc(decision->arena, count, sizeof(op->elections[0]));
            if (op->elections == NULL) {
                decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
                return;
            }
        }
        op->election_count = count;
    }
}

void weir_decide_elect_leaders(struct weir_decision *decision)
{
    struct weir_elect_leaders_op *op = &decision->op->elect_leaders;
    decision->may_split = true;
    if (op->type != 0 && op->type != 1) {
        struct weir_controller_result result =
            weir_result_of(decision, WEIR_INVALID_REQUEST, "Unknown election type %d", op->type);
        for (size_t i = 0; i < op->election_count; i++)
            op->elections[i].result = result;
        decision->op->result = result;
        return;
    }
    if (op->all_partitions) {
        elect_all(decision, op);
        return;
    }
    for (size_t i = 0; i < op->election_count; i++)
        op->elections[i].result = elect_named(decision, &op->elections[i], op->type);
}

/* ---- AlterPartitionReassignments ---- */

/* Copies of lists with room for more, in the arena. */
struct id_set {
    int32_t *items;
    size_t count;
};

static bool set_init(struct id_set *set, struct weir_arena *arena, size_t capacity)
{
    *set = (struct id_set){.items = weir_arena_calloc(arena, capacity, sizeof(int32_t))};
    return set->items != NULL;
}

static struct weir_i32_list set_list(const struct id_set *set)
{
    return (struct weir_i32_list){.items = set->items, .count = set->count};
}

static void set_add(struct id_set *set, int32_t id)
{
    if (!weir_i32_list_contains(set_list(set), id))
        set->items[set->count++] = id;
}

static enum weir_status directories_of(struct weir_decision *decision,
                                       const struct weir_image_partition *partition,
                                       struct weir_i32_list replicas, const struct weir_uuid **out)
{
    struct weir_uuid *directories =
        weir_arena_calloc(decision->arena, replicas.count, sizeof(*directories));
    if (directories == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < replicas.count; i++) {
        const struct weir_image_broker *broker =
            weir_image_broker(decision->image, replicas.items[i]);
        directories[i] = broker != NULL && broker->log_dir_count == 1
                             ? broker->log_dirs[0]
                             : weir_uuid_small(WEIR_DIRECTORY_UNASSIGNED);
        for (size_t j = 0; j < partition->replicas.count; j++) {
            if (partition->replicas.items[j] == replicas.items[i])
                directories[i] = partition->directories[j];
        }
    }
    *out = directories;
    return WEIR_OK;
}

/* Moves a partition to the target replicas: at once when all of them are in the ISR, else by way of
 * adding them. */
static struct weir_controller_result reassign(struct weir_decision *decision,
                                              const struct weir_image_topic *topic,
                                              const struct weir_image_partition *partition,
                                              struct weir_i32_list target)
{
    size_t room = target.count + partition->replicas.count;
    struct id_set replicas;
    struct id_set adding;
    struct id_set removing;
    struct id_set isr;
    struct weir_arena *arena = decision->arena;
    if (!set_init(&replicas, arena, room) || !set_init(&adding, arena, room) ||
        !set_init(&removing, arena, room) || !set_init(&isr, arena, room + partition->isr.count))
        return weir_result_bare(WEIR_NO_MEMORY);
    bool is_complete = true;
    for (size_t i = 0; i < target.count; i++) {
        set_add(&replicas, target.items[i]);
        is_complete = is_complete && weir_i32_list_contains(partition->isr, target.items[i]);
        if (!weir_i32_list_contains(partition->replicas, target.items[i]) ||
            weir_i32_list_contains(partition->adding, target.items[i]))
            set_add(&adding, target.items[i]);
    }
    for (size_t i = 0; i < partition->replicas.count; i++) {
        if (!weir_i32_list_contains(target, partition->replicas.items[i]))
            set_add(&removing, partition->replicas.items[i]);
    }
    for (size_t i = 0; i < partition->isr.count; i++) {
        if (!is_complete || weir_i32_list_contains(target, partition->isr.items[i]))
            set_add(&isr, partition->isr.items[i]);
    }
    if (is_complete)
        adding.count = removing.count = 0;
    for (size_t i = 0; i < removing.count; i++)
        set_add(&replicas, removing.items[i]);
    struct weir_partition_change change = {
        .recovery_state = -1,
        .has_replicas = true,
        .replicas = set_list(&replicas),
        .has_adding = true,
        .adding = set_list(&adding),
        .has_removing = true,
        .removing = set_list(&removing),
        .has_isr = isr.count != partition->isr.count,
        .isr = set_list(&isr),
    };
    /* A changed set of replicas raises the leader epoch, so that a fetcher that was removed is
     * fenced off (E2). */
    int32_t leader = partition->leader;
    if (leader != WEIR_NO_LEADER && !weir_i32_list_contains(change.replicas, leader))
        leader = first_active(decision->image, partition, change.isr);
    change.has_leader = leader != WEIR_NO_LEADER;
    change.leader = leader;
    enum weir_status status =
        directories_of(decision, partition, change.replicas, &change.directories);
    if (status != WEIR_OK)
        return weir_result_bare(status);
    weir_record_add_partition_change(decision, topic, partition->id, &change);
    return weir_result_ok();
}

static bool is_reassigning(const struct weir_image_partition *partition)
{
    return partition->adding.count > 0 || partition->removing.count > 0;
}

/* Back to what it was: without those that were being added. */
static struct weir_controller_result cancel(struct weir_decision *decision,
                                            const struct weir_image_topic *topic,
                                            const struct weir_image_partition *partition)
{
    if (!is_reassigning(partition))
        return weir_result_bare(WEIR_NO_REASSIGNMENT_IN_PROGRESS);
    struct id_set back;
    if (!set_init(&back, decision->arena, partition->replicas.count))
        return weir_result_bare(WEIR_NO_MEMORY);
    for (size_t i = 0; i < partition->replicas.count; i++) {
        if (!weir_i32_list_contains(partition->adding, partition->replicas.items[i]))
            set_add(&back, partition->replicas.items[i]);
    }
    struct weir_partition_change change = {.recovery_state = -1,
                                           .has_replicas = true,
                                           .replicas = set_list(&back),
                                           .has_adding = true,
                                           .has_removing = true};
    enum weir_status status =
        directories_of(decision, partition, change.replicas, &change.directories);
    if (status != WEIR_OK)
        return weir_result_bare(status);
    change.has_leader = partition->leader != WEIR_NO_LEADER;
    change.leader = weir_i32_list_contains(change.replicas, partition->leader)
                        ? partition->leader
                        : first_active(decision->image, partition, change.replicas);
    weir_record_add_partition_change(decision, topic, partition->id, &change);
    return weir_result_ok();
}

static struct weir_controller_result reassign_item(struct weir_decision *decision,
                                                   const struct weir_reassignment *item)
{
    const struct weir_image_topic *topic = weir_image_topic(decision->image, item->topic);
    if (topic == NULL)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "Unable to find a topic named %.*s.", WEIR_SLICE_ARGS(item->topic));
    if (item->partition < 0 || item->partition >= topic->partition_count)
        return weir_result_of(decision, WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                              "Unable to find partition %.*s:%d.", WEIR_SLICE_ARGS(item->topic),
                              item->partition);
    const struct weir_image_partition *partition = topic->partitions[item->partition];
    if (item->cancel)
        return cancel(decision, topic, partition);
    struct weir_controller_result result =
        weir_check_assignment(decision, item->replicas, item->replica_count, -1);
    if (result.status != WEIR_OK)
        return result;
    size_t current = partition->replicas.count - partition->adding.count;
    if (!decision->op->alter_reassignments.allow_replication_factor_change &&
        item->replica_count != current)
        return weir_result_of(decision, WEIR_INVALID_REPLICATION_FACTOR,
                              "The replication factor is changed from %zu to %zu", current,
                              item->replica_count);
    struct weir_i32_list target = {.items = item->replicas, .count = item->replica_count};
    bool is_same =
        !is_reassigning(partition) && target.count == partition->replicas.count &&
        memcmp(target.items, partition->replicas.items, target.count * sizeof(int32_t)) == 0;
    return is_same ? weir_result_ok() : reassign(decision, topic, partition, target);
}

void weir_decide_alter_reassignments(struct weir_decision *decision)
{
    struct weir_alter_reassignments_op *op = &decision->op->alter_reassignments;
    decision->may_split = true;
    for (size_t i = 0; i < op->item_count; i++)
        op->items[i].result = reassign_item(decision, &op->items[i]);
}

/* ---- AlterPartition ---- */

/* Apache Kafka's order of checks; each status tells the leader something else to do (kraft.md 5.4).
 */
static enum weir_status check_isr_change(const struct weir_decision *decision,
                                         const struct weir_image_partition *partition,
                                         const struct weir_isr_change *change)
{
    int32_t broker_id = decision->op->alter_partition.broker_id;
    if (change->leader_epoch > partition->leader_epoch ||
        change->partition_epoch > partition->partition_epoch)
        return WEIR_NOT_CONTROLLER;
    if (change->leader_epoch < partition->leader_epoch)
        return WEIR_FENCED_LEADER_EPOCH;
    if (broker_id != partition->leader)
        return WEIR_INVALID_REQUEST;
    if (change->partition_epoch < partition->partition_epoch)
        return WEIR_INVALID_UPDATE_VERSION;
    struct weir_i32_list isr = {.items = change->isr, .count = change->isr_count};
    if (!weir_i32_list_contains(isr, broker_id))
        return WEIR_INVALID_REQUEST;
    for (size_t i = 0; i < isr.count; i++) {
        struct weir_i32_list before = {.items = isr.items, .count = i};
        if (!weir_i32_list_contains(partition->replicas, isr.items[i]) ||
            weir_i32_list_contains(before, isr.items[i]))
            return WEIR_INVALID_REQUEST;
    }
    if (change->recovery_state == WEIR_RECOVERING && isr.count > 1)
        return WEIR_INVALID_REQUEST;
    if (partition->recovery_state == WEIR_RECOVERED && change->recovery_state == WEIR_RECOVERING)
        return WEIR_INVALID_REQUEST;
    for (size_t i = 0; i < isr.count; i++) {
        const struct weir_image_broker *broker = weir_image_broker(decision->image, isr.items[i]);
        int64_t epoch = change->isr_broker_epochs == NULL ? -1 : change->isr_broker_epochs[i];
        if (!weir_broker_is_active(decision->image, isr.items[i]) ||
            (epoch != -1 && epoch != broker->epoch))
            return WEIR_INELIGIBLE_REPLICA;
    }
    return WEIR_OK;
}

static struct weir_controller_result alter_partition(struct weir_decision *decision,
                                                     struct weir_isr_change *item)
{
    const struct weir_image_topic *topic = weir_image_topic_by_id(decision->image, item->topic_id);
    if (topic == NULL)
        return weir_result_bare(WEIR_UNKNOWN_TOPIC_ID);
    if (item->partition < 0 || item->partition >= topic->partition_count)
        return weir_result_bare(WEIR_UNKNOWN_TOPIC_OR_PARTITION);
    const struct weir_image_partition *partition = topic->partitions[item->partition];
    enum weir_status status = check_isr_change(decision, partition, item);
    if (status != WEIR_OK)
        return weir_result_bare(status);
    int32_t *isr = weir_arena_calloc(decision->arena, item->isr_count, sizeof(*isr));
    if (isr == NULL)
        return weir_result_bare(WEIR_NO_MEMORY);
    memcpy(isr, item->isr, item->isr_count * sizeof(*isr));
    bool is_same = item->isr_count == partition->isr.count &&
                   memcmp(isr, partition->isr.items, item->isr_count * sizeof(*isr)) == 0;
    struct weir_partition_change change = {
        .recovery_state = item->recovery_state == partition->recovery_state
                              ? (int8_t)-1
                              : (int8_t)item->recovery_state,
        .has_isr = !is_same,
        .isr = {.items = isr, .count = item->isr_count},
        .has_elr = partition->elr.count > 0,
        .has_last_known_elr = partition->last_known_elr.count > 0,
    };
    item->result_partition = (struct weir_image_partition){
        .id = partition->id,
        .leader = partition->leader,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
        .recovery_state = item->recovery_state,
        .isr = change.isr,
    };
    if (!is_same || change.recovery_state != -1) {
        item->result_partition.partition_epoch++;
        weir_record_add_partition_change(decision, topic, partition->id, &change);
    }
    return weir_result_ok();
}

void weir_decide_alter_partition(struct weir_decision *decision)
{
    struct weir_alter_partition_op *op = &decision->op->alter_partition;
    const struct weir_image_broker *broker = weir_image_broker(decision->image, op->broker_id);
    if (broker == NULL || broker->epoch != op->broker_epoch) {
        decision->op->result = weir_result_bare(WEIR_STALE_BROKER_EPOCH);
        return;
    }
    for (size_t i = 0; i < op->change_count; i++)
        op->changes[i].result = alter_partition(decision, &op->changes[i]);
}
