/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of a broker in the cluster, as a single-node Apache Kafka 4.3.0 writes it:
 *
 * register: RegisterBroker (fenced), BrokerRegistrationChange v3 (no cordoned directories)
 *
 * unfence: BrokerRegistrationChange, then a leader for each partition that waits for this broker
 *
 * shutdown: BrokerRegistrationChange (in controlled shutdown), its partitions given to others or
 * put offline, BrokerRegistrationChange (fenced)
 *
 * A partition that this broker alone has goes offline with an empty ISR and the broker in the ELR
 * (KIP-966), and comes back clean.  After an unclean stop it is still led by this broker in the
 * log; unfence then gives it a new leader epoch, because the tail of the log may have been cut:
 * what is written from now on must be told apart from what was lost.
 */

#include "controller_int.h"

#include "weir/protocol/records/broker_registration_change_record.h"
#include "weir/protocol/records/producer_ids_record.h"
#include "weir/protocol/records/register_broker_record.h"
#include "weir/protocol/records/unregister_broker_record.h"
#include "weir/quorum/format.h"

#define PRODUCER_ID_BLOCK 1000
/* Record versions: each field of a registration change came with one. */
enum { CHANGE_OF_FENCING = 0, CHANGE_OF_SHUTDOWN = 1, CHANGE_OF_CORDONED_DIRS = 3 };

const struct weir_image_broker *weir_decide_find_broker(struct weir_decision *decision, int32_t id,
                                                        int64_t epoch)
{
    const struct weir_image_broker *broker = weir_image_broker(decision->image, id);
    if (broker != NULL && (epoch == -1 || broker->epoch == epoch))
        return broker;
    decision->op->result = weir_result_of(
        decision, WEIR_STALE_BROKER_EPOCH, "Expected broker epoch %lld, but got broker epoch %lld",
        broker == NULL ? -1LL : (long long)broker->epoch, (long long)epoch);
    return NULL;
}

static void add_broker_change(struct weir_decision *decision, int32_t id, int64_t epoch,
                              int8_t fenced, int8_t in_controlled_shutdown, bool no_cordoned_dirs)
{
    struct weir_broker_registration_change_record record;
    weir_broker_registration_change_record_init(&record);
    record.broker_id = id;
    record.broker_epoch = epoch;
    record.fenced = fenced;
    int16_t version = CHANGE_OF_FENCING;
    if (in_controlled_shutdown != 0) {
        record.in_controlled_shutdown = in_controlled_shutdown;
        version = CHANGE_OF_SHUTDOWN;
    }
    if (no_cordoned_dirs) {
        record.cordoned_log_dirs = (struct weir_uuid_array){.items = NULL, .count = 0};
        version = CHANGE_OF_CORDONED_DIRS;
    }
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_BROKER_REGISTRATION_CHANGE,
                         version, &record);
}

/* ---- Registration ---- */

static bool check_registration(struct weir_decision *decision,
                               const struct weir_broker_registration *registration)
{
    if (registration->log_dir_count == 0) {
        decision->op->result =
            weir_result_of(decision, WEIR_INVALID, "No directories specified in request");
        return false;
    }
    for (size_t i = 0; i < registration->log_dir_count; i++) {
        uint8_t zeros[15] = {0};
        const uint8_t *id = registration->log_dirs[i].bytes;
        if (memcmp(id, zeros, sizeof(zeros)) == 0 && id[15] < 100) {
            decision->op->result = weir_result_of(
                decision, WEIR_INVALID, "Reserved directory ID in request at place %zu", i);
            return false;
        }
    }
    const struct weir_image_broker *old = weir_image_broker(decision->image, registration->id);
    for (size_t i = 0; i < weir_image_broker_count(decision->image); i++) {
        const struct weir_image_broker *other = weir_image_broker_at(decision->image, i);
        if (other == old)
            continue;
        for (size_t j = 0; j < other->log_dir_count * registration->log_dir_count; j++) {
            if (weir_uuid_equal(other->log_dirs[j / registration->log_dir_count],
                                registration->log_dirs[j % registration->log_dir_count])) {
                decision->op->result = weir_result_of(
                    decision, WEIR_INVALID,
                    "Broker %d is already registered with a directory of this one", other->id);
                return false;
            }
        }
    }
    return true;
}

void weir_decide_register_broker(struct weir_decision *decision)
{
    struct weir_broker_registration *registration = &decision->op->register_broker;
    if (!check_registration(decision, registration))
        return;
    decision->may_split = true;
    struct weir_image_feature_range ranges[16];
    size_t count;
    const struct weir_supported_feature *supported = weir_supported_features(&count);
    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct weir_image_feature_range){.name = weir_slice_str(supported[i].name),
                                                      .min = supported[i].min,
                                                      .max = supported[i].max};
    /* The broker epoch is the offset of its own registration. */
    registration->epoch = weir_quorum_end_offset(decision->controller->quorum);
    struct weir_image_broker broker = {
        .id = registration->id,
        .epoch = registration->epoch,
        .incarnation_id = registration->incarnation_id,
        .is_fenced = true,
        .rack = registration->rack,
        .endpoints = registration->endpoints,
        .endpoint_count = registration->endpoint_count,
        .features = ranges,
        .feature_count = count,
        .log_dirs = registration->log_dirs,
        .log_dir_count = registration->log_dir_count,
    };
    int16_t version = weir_register_broker_version(decision->image);
    weir_record_add_broker(decision->records, &broker, version);
    if (weir_register_broker_record_has_cordoned_log_dirs(version))
        add_broker_change(decision, broker.id, broker.epoch, 0, 0, true);
}

/* ---- Unfencing ---- */

/* Gives the partition to this broker when it may lead it. */
void weir_decide_lead_again(struct weir_decision *decision, const struct weir_image_topic *topic,
                            const struct weir_image_partition *partition, int32_t id,
                            struct weir_uuid directory_id, int32_t *self)
{
    bool is_last_known = partition->isr.count == 0 && partition->elr.count == 0 &&
                         weir_i32_list_contains(partition->last_known_elr, id);
    bool may_lead = weir_i32_list_contains(partition->isr, id) ||
                    weir_i32_list_contains(partition->elr, id) || is_last_known;
    bool has_other_leader = partition->leader != id && partition->leader != WEIR_NO_LEADER &&
                            weir_broker_is_active(decision->image, partition->leader);
    if (!may_lead || has_other_leader ||
        !weir_broker_has_directory(decision->image, id, directory_id))
        return;
    bool in_isr = weir_i32_list_contains(partition->isr, id);
    struct weir_partition_change change = {
        .recovery_state = -1,
        .has_leader = true,
        .leader = id,
        .has_isr = !in_isr,
        .isr = {.items = self, .count = 1},
        .has_elr = partition->elr.count > 0,
        .has_last_known_elr = partition->last_known_elr.count > 0,
    };
    /* Its log was recovered before it asked to be unfenced, so there is nothing left to recover. */
    if (partition->recovery_state == WEIR_RECOVERING)
        change.recovery_state = WEIR_RECOVERED;
    weir_record_add_partition_change(decision, topic, partition->id, &change);
}

void weir_decide_unfence_broker(struct weir_decision *decision)
{
    const struct weir_broker_change *request = &decision->op->broker;
    const struct weir_image_broker *broker =
        weir_decide_find_broker(decision, request->id, request->epoch);
    int32_t *self = weir_arena_alloc(decision->arena, sizeof(*self));
    if (broker == NULL || !broker->is_fenced)
        return;
    if (self == NULL) {
        decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
        return;
    }
    *self = request->id;
    decision->may_split = true;
    add_broker_change(decision, broker->id, broker->epoch, -1, 0, false);
    for (size_t i = 0; i < weir_image_topic_count(decision->image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(decision->image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            if (weir_i32_list_contains(topic->partitions[j]->replicas, request->id))
                weir_decide_lead_again(decision, topic, topic->partitions[j], request->id,
                                       weir_partition_directory(topic->partitions[j], request->id),
                                       self);
        }
    }
}

/* ---- Controlled shutdown ---- */

static void add_offline(struct weir_decision *decision, const struct weir_image_topic *topic,
                        const struct weir_image_partition *partition, const int32_t *self)
{
    struct weir_partition_change change = {
        .recovery_state = -1, .has_leader = true, .leader = WEIR_NO_LEADER};
    if (weir_elr_is_enabled(decision->image)) {
        change.has_isr = true;
        change.has_elr = true;
        change.elr = (struct weir_i32_list){.items = self, .count = 1};
        change.has_last_known_elr = true;
        change.last_known_elr = change.elr;
    }
    weir_record_add_partition_change(decision, topic, partition->id, &change);
}

/* The ISR without this broker, and a leader out of it. */
enum weir_status weir_decide_hand_over(struct weir_decision *decision,
                                       const struct weir_image_topic *topic,
                                       const struct weir_image_partition *partition,
                                       const int32_t *self)
{
    int32_t *isr = weir_arena_calloc(decision->arena, partition->isr.count, sizeof(*isr));
    if (isr == NULL)
        return WEIR_NO_MEMORY;
    size_t count = 0;
    int32_t leader = partition->leader == *self ? WEIR_NO_LEADER : partition->leader;
    for (size_t i = 0; i < partition->isr.count; i++) {
        if (partition->isr.items[i] == *self)
            continue;
        isr[count++] = partition->isr.items[i];
        if (leader == WEIR_NO_LEADER &&
            weir_replica_can_lead(decision->image, partition, partition->isr.items[i]))
            leader = partition->isr.items[i];
    }
    if (leader == WEIR_NO_LEADER) {
        add_offline(decision, topic, partition, self);
        return WEIR_OK;
    }
    struct weir_partition_change change = {
        .recovery_state = -1,
        .has_isr = count < partition->isr.count,
        .isr = {.items = isr, .count = count},
        .has_leader = partition->leader != leader,
        .leader = leader,
    };
    if (change.has_isr || change.has_leader)
        weir_record_add_partition_change(decision, topic, partition->id, &change);
    return WEIR_OK;
}

void weir_decide_shutdown_broker(struct weir_decision *decision)
{
    const struct weir_broker_change *request = &decision->op->broker;
    const struct weir_image_broker *broker =
        weir_decide_find_broker(decision, request->id, request->epoch);
    int32_t *self = weir_arena_alloc(decision->arena, sizeof(*self));
    if (broker == NULL)
        return;
    if (self == NULL) {
        decision->op->result = weir_result_bare(WEIR_NO_MEMORY);
        return;
    }
    *self = request->id;
    decision->may_split = true;
    if (!broker->in_controlled_shutdown)
        add_broker_change(decision, broker->id, broker->epoch, 0, 1, false);
    for (size_t i = 0; i < weir_image_topic_count(decision->image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(decision->image, i);
        for (int32_t j = 0; j < topic->partition_count; j++) {
            const struct weir_image_partition *partition = topic->partitions[j];
            if (partition->leader != *self && !weir_i32_list_contains(partition->isr, *self))
                continue;
            enum weir_status status = weir_decide_hand_over(decision, topic, partition, self);
            if (status != WEIR_OK) {
                decision->op->result = weir_result_bare(status);
                return;
            }
        }
    }
    if (!broker->is_fenced)
        add_broker_change(decision, broker->id, broker->epoch, 1, 0, false);
}

void weir_decide_unregister_broker(struct weir_decision *decision)
{
    const struct weir_broker_change *request = &decision->op->broker;
    const struct weir_image_broker *broker = weir_image_broker(decision->image, request->id);
    if (broker == NULL) {
        decision->op->result =
            weir_result_of(decision, WEIR_BROKER_ID_NOT_REGISTERED,
                           "Broker ID %d is not currently registered", request->id);
        return;
    }
    struct weir_unregister_broker_record record;
    weir_unregister_broker_record_init(&record);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_UNREGISTER_BROKER, 0, &record);
}

/* ---- Producer ids ---- */

void weir_decide_allocate_producer_ids(struct weir_decision *decision)
{
    struct weir_allocate_producer_ids_op *op = &decision->op->allocate_producer_ids;
    const struct weir_image_broker *broker = weir_image_broker(decision->image, op->broker_id);
    if (broker == NULL || (op->broker_epoch != -1 && op->broker_epoch != broker->epoch)) {
        decision->op->result = weir_result_bare(WEIR_STALE_BROKER_EPOCH);
        return;
    }
    int64_t first = weir_image_next_producer_id(decision->image);
    if (first < 0 || first > INT64_MAX - PRODUCER_ID_BLOCK) {
        decision->op->result =
            weir_result_of(decision, WEIR_UNKNOWN_SERVER_ERROR,
                           "Exhausted all producerIds as the next block's end producerId has "
                           "exceeded the int64 type limit");
        return;
    }
    struct weir_producer_ids_record record;
    weir_producer_ids_record_init(&record);
    record.broker_id = broker->id;
    record.broker_epoch = broker->epoch;
    record.next_producer_id = first + PRODUCER_ID_BLOCK;
    weir_record_list_add(decision->records, WEIR_METADATA_RECORD_PRODUCER_IDS, 0, &record);
    op->first_id = first;
    op->id_count = PRODUCER_ID_BLOCK;
}

/* ---- Records of other parts ---- */

void weir_decide_write_records(struct weir_decision *decision)
{
    const struct weir_write_records_op *op = &decision->op->write_records;
    for (size_t i = 0; i < op->record_count; i++)
        weir_record_list_add_raw(decision->records, op->records[i].kind, op->records[i].version,
                                 op->records[i].body);
}
