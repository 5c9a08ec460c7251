/* SPDX-License-Identifier: Apache-2.0 */
#include "image_text.h"
#include "loader.h"

#include "weir/base/memory.h"
#include "weir/protocol/records/access_control_entry_record.h"
#include "weir/protocol/records/broker_registration_change_record.h"
#include "weir/protocol/records/clear_elr_record.h"
#include "weir/protocol/records/client_quota_record.h"
#include "weir/protocol/records/delegation_token_record.h"
#include "weir/protocol/records/fence_broker_record.h"
#include "weir/protocol/records/partition_change_record.h"
#include "weir/protocol/records/partition_record.h"
#include "weir/protocol/records/register_broker_record.h"
#include "weir/protocol/records/remove_access_control_entry_record.h"
#include "weir/protocol/records/remove_delegation_token_record.h"
#include "weir/protocol/records/remove_topic_record.h"
#include "weir/protocol/records/remove_user_scram_credential_record.h"
#include "weir/protocol/records/topic_record.h"
#include "weir/protocol/records/unfence_broker_record.h"
#include "weir/protocol/records/unregister_broker_record.h"
#include "weir/protocol/records/user_scram_credential_record.h"

static struct weir_loader loader;
static int64_t next_offset;

static enum weir_status apply_body(int16_t kind, int16_t version, struct weir_slice body)
{
    struct weir_quorum_record record = {
        .offset = next_offset++, .kind = kind, .version = version, .body = body};
    struct weir_detail detail = {{0}};
    return weir_loader_apply(&loader, &record, &detail);
}

static enum weir_status apply(enum weir_metadata_record_type type, int16_t version,
                              const void *record)
{
    struct weir_record_list list = {0};
    weir_record_list_add(&list, type, version, record);
    cr_assert_eq(weir_record_list_seal(&list), WEIR_OK);
    enum weir_status status = apply_body((int16_t)type, version, list.items[0].body);
    weir_record_list_done(&list);
    return status;
}

static void setup(void)
{
    next_offset = 0;
    cr_assert_eq(weir_loader_init(&loader), WEIR_OK);
}

static void teardown(void)
{
    weir_loader_done(&loader);
}

static const struct weir_image *finish(void)
{
    const struct weir_image *image;
    cr_assert_eq(weir_loader_finish(&loader, &image, NULL), WEIR_OK);
    return image;
}

static void add_topic(const char *name, uint8_t id)
{
    struct weir_topic_record record;
    weir_topic_record_init(&record);
    record.name = weir_slice_str(name);
    record.topic_id = weir_uuid_small(id);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_TOPIC, 0, &record), WEIR_OK);
}

static int32_t replica_ids[] = {1, 2, 3};

static enum weir_status add_partition(uint8_t topic, int32_t id, int16_t version)
{
    struct weir_partition_record record;
    weir_partition_record_init(&record);
    record.topic_id = weir_uuid_small(topic);
    record.partition_id = id;
    record.replicas = (struct weir_i32_array){.items = replica_ids, .count = 3};
    record.isr = record.replicas;
    record.leader = 1;
    record.leader_epoch = 5;
    record.partition_epoch = 9;
    struct weir_uuid directories[3] = {weir_uuid_small(201), weir_uuid_small(202),
                                       weir_uuid_small(203)};
    if (version >= 1)
        record.directories = (struct weir_uuid_array){.items = directories, .count = 3};
    return apply(WEIR_METADATA_RECORD_PARTITION, version, &record);
}

TestSuite(image_replay, .init = setup, .fini = teardown);

Test(image_replay, unknown_kind_or_version_stops)
{
    cr_assert_eq(apply_body(6, 0, WEIR_EMPTY_SLICE), WEIR_UNSUPPORTED);
    cr_assert_eq(apply_body(99, 0, WEIR_EMPTY_SLICE), WEIR_UNSUPPORTED);
    cr_assert_eq(apply_body(-1, 0, WEIR_EMPTY_SLICE), WEIR_UNSUPPORTED);
    cr_assert_eq(apply_body(WEIR_METADATA_RECORD_TOPIC, 1, WEIR_EMPTY_SLICE), WEIR_UNSUPPORTED);
    cr_assert_eq(apply_body(WEIR_METADATA_RECORD_TOPIC, -1, WEIR_EMPTY_SLICE), WEIR_UNSUPPORTED);
}

Test(image_replay, cut_body_of_every_kind_is_corrupt)
{
    for (int16_t kind = 0; kind <= 28; kind++) {
        if (weir_record_type_find(WEIR_RECORD_SET_METADATA, kind) == NULL)
            continue;
        cr_assert_eq(apply_body(kind, 0, WEIR_EMPTY_SLICE), WEIR_CORRUPT, "kind %d", kind);
        cr_assert_eq(apply_body(kind, 0, WEIR_SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
                     WEIR_CORRUPT, "kind %d", kind);
    }
}

Test(image_replay, records_about_things_that_are_not_there_are_corrupt)
{
    cr_assert_eq(add_partition(7, 0, 2), WEIR_CORRUPT);
    struct weir_remove_topic_record removal;
    weir_remove_topic_record_init(&removal);
    removal.topic_id = weir_uuid_small(7);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_REMOVE_TOPIC, 0, &removal), WEIR_CORRUPT);
    struct weir_broker_registration_change_record change;
    weir_broker_registration_change_record_init(&change);
    change.broker_id = 3;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_BROKER_REGISTRATION_CHANGE, 0, &change), WEIR_CORRUPT);
    struct weir_unregister_broker_record gone;
    weir_unregister_broker_record_init(&gone);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_UNREGISTER_BROKER, 0, &gone), WEIR_CORRUPT);
    struct weir_clear_elr_record clear;
    weir_clear_elr_record_init(&clear);
    clear.topic_name = WEIR_SLICE("none");
    cr_assert_eq(apply(WEIR_METADATA_RECORD_CLEAR_ELR, 0, &clear), WEIR_CORRUPT);
    add_topic("t", 1);
    struct weir_partition_change_record unknown;
    weir_partition_change_record_init(&unknown);
    unknown.topic_id = weir_uuid_small(1);
    unknown.partition_id = 0;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_PARTITION_CHANGE, 2, &unknown), WEIR_CORRUPT);
}

Test(image_replay, same_topic_name_or_id_twice_is_corrupt)
{
    add_topic("t", 1);
    struct weir_topic_record record;
    weir_topic_record_init(&record);
    record.name = WEIR_SLICE("t");
    record.topic_id = weir_uuid_small(2);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_TOPIC, 0, &record), WEIR_CORRUPT);
    record.name = WEIR_SLICE("u");
    record.topic_id = weir_uuid_small(1);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_TOPIC, 0, &record), WEIR_CORRUPT);
}

Test(image_replay, partition_ids_without_end_are_refused_before_memory_is_taken)
{
    add_topic("t", 1);
    cr_assert_eq(add_partition(1, INT32_MAX, 2), WEIR_CORRUPT);
    cr_assert_eq(add_partition(1, -1, 2), WEIR_CORRUPT);
}

Test(image_replay, hole_among_the_partitions_is_corrupt)
{
    add_topic("t", 1);
    cr_assert_eq(add_partition(1, 1, 2), WEIR_OK);
    const struct weir_image *image;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_loader_finish(&loader, &image, &detail), WEIR_CORRUPT);
    cr_assert_not_null(strstr(detail.text, "no partition 0"));
}

Test(image_replay, old_partition_record_gets_migrating_directories)
{
    add_topic("t", 1);
    cr_assert_eq(add_partition(1, 0, 0), WEIR_OK);
    const struct weir_image *image = finish();
    const struct weir_image_partition *partition = weir_image_partition(image, WEIR_SLICE("t"), 0);
    cr_assert(weir_uuid_is_zero(partition->directories[2]));
    weir_image_unref(image);
}

Test(image_replay, change_that_names_the_same_leader_raises_both_epochs)
{
    add_topic("t", 1);
    cr_assert_eq(add_partition(1, 0, 2), WEIR_OK);
    struct weir_partition_change_record change;
    weir_partition_change_record_init(&change);
    change.topic_id = weir_uuid_small(1);
    change.partition_id = 0;
    change.leader = 1;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_PARTITION_CHANGE, 2, &change), WEIR_OK);
    change.leader = -2;
    change.isr = (struct weir_i32_array){.items = replica_ids, .count = 1};
    cr_assert_eq(apply(WEIR_METADATA_RECORD_PARTITION_CHANGE, 2, &change), WEIR_OK);
    const struct weir_image *image = finish();
    const struct weir_image_partition *partition = weir_image_partition(image, WEIR_SLICE("t"), 0);
    cr_assert_eq(partition->leader, 1);
    cr_assert_eq(partition->leader_epoch, 6);
    cr_assert_eq(partition->partition_epoch, 11);
    cr_assert_eq(partition->isr.count, 1);
    cr_assert_eq(partition->replicas.count, 3);
    cr_assert(weir_uuid_equal(partition->directories[1], weir_uuid_small(202)));
    weir_image_unref(image);
}

Test(image_replay, clear_elr_empties_all_or_one)
{
    static int32_t last[] = {3};
    add_topic("a", 1);
    add_topic("b", 2);
    for (uint8_t id = 1; id <= 2; id++) {
        cr_assert_eq(add_partition(id, 0, 2), WEIR_OK);
        struct weir_partition_change_record change;
        weir_partition_change_record_init(&change);
        change.topic_id = weir_uuid_small(id);
        change.partition_id = 0;
        change.eligible_leader_replicas = (struct weir_i32_array){.items = last, .count = 1};
        change.last_known_elr = change.eligible_leader_replicas;
        cr_assert_eq(apply(WEIR_METADATA_RECORD_PARTITION_CHANGE, 2, &change), WEIR_OK);
    }
    struct weir_clear_elr_record clear;
    weir_clear_elr_record_init(&clear);
    clear.topic_name = WEIR_SLICE("a");
    cr_assert_eq(apply(WEIR_METADATA_RECORD_CLEAR_ELR, 0, &clear), WEIR_OK);
    cr_assert_eq(loader.builder->topics[0]->partitions[0]->elr.count, 0);
    cr_assert_eq(loader.builder->topics[1]->partitions[0]->elr.count, 1);
    clear.topic_name = WEIR_EMPTY_SLICE;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_CLEAR_ELR, 0, &clear), WEIR_OK);
    cr_assert_eq(loader.builder->topics[1]->partitions[0]->elr.count, 0);
    cr_assert_eq(loader.builder->topics[1]->partitions[0]->last_known_elr.count, 0);
}

Test(image_replay, brokers_are_fenced_unfenced_and_unregistered)
{
    struct weir_register_broker_record record;
    weir_register_broker_record_init(&record);
    record.broker_id = 4;
    record.broker_epoch = 10;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_REGISTER_BROKER, 4, &record), WEIR_OK);
    struct weir_unfence_broker_record unfence = {.id = 4, .epoch = 10};
    weir_unfence_broker_record_init(&unfence);
    unfence.id = 4;
    unfence.epoch = 9;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_UNFENCE_BROKER, 0, &unfence), WEIR_CORRUPT);
    unfence.epoch = 10;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_UNFENCE_BROKER, 0, &unfence), WEIR_OK);
    struct weir_broker_registration_change_record change;
    weir_broker_registration_change_record_init(&change);
    change.broker_id = 4;
    change.broker_epoch = 10;
    change.fenced = 3;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_BROKER_REGISTRATION_CHANGE, 0, &change), WEIR_CORRUPT);
    struct weir_fence_broker_record fence;
    weir_fence_broker_record_init(&fence);
    fence.id = 4;
    fence.epoch = 10;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_FENCE_BROKER, 0, &fence), WEIR_OK);
    struct weir_unregister_broker_record gone;
    weir_unregister_broker_record_init(&gone);
    gone.broker_id = 4;
    gone.broker_epoch = 10;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_UNREGISTER_BROKER, 0, &gone), WEIR_OK);
    const struct weir_image *image = finish();
    cr_assert_eq(weir_image_broker_count(image), 0);
    weir_image_unref(image);
}

static void add_raws(void)
{
    struct weir_access_control_entry_record acl;
    weir_access_control_entry_record_init(&acl);
    acl.id = weir_uuid_small(5);
    acl.resource_name = WEIR_SLICE("r");
    acl.principal = WEIR_SLICE("User:a");
    acl.host = WEIR_SLICE("*");
    cr_assert_eq(apply(WEIR_METADATA_RECORD_ACCESS_CONTROL_ENTRY, 0, &acl), WEIR_OK);
    struct weir_user_scram_credential_record scram;
    weir_user_scram_credential_record_init(&scram);
    scram.name = WEIR_SLICE("alice");
    scram.mechanism = 1;
    scram.salt = scram.stored_key = scram.server_key = WEIR_SLICE("xyz");
    cr_assert_eq(apply(WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL, 0, &scram), WEIR_OK);
    struct weir_delegation_token_record token;
    weir_delegation_token_record_init(&token);
    token.owner = token.requester = token.token_id = WEIR_SLICE("tok");
    cr_assert_eq(apply(WEIR_METADATA_RECORD_DELEGATION_TOKEN, 0, &token), WEIR_OK);
    struct weir_client_quota_record_entity_data entity;
    weir_client_quota_record_entity_data_init(&entity);
    entity.entity_type = WEIR_SLICE("user");
    entity.entity_name = WEIR_NULL_SLICE;
    struct weir_client_quota_record quota;
    weir_client_quota_record_init(&quota);
    quota.entity.items = &entity;
    quota.entity.count = 1;
    quota.key = WEIR_SLICE("producer_byte_rate");
    quota.value = 5.5;
    cr_assert_eq(apply(WEIR_METADATA_RECORD_CLIENT_QUOTA, 0, &quota), WEIR_OK);
    quota.value = 6.5; /* replaces */
    cr_assert_eq(apply(WEIR_METADATA_RECORD_CLIENT_QUOTA, 0, &quota), WEIR_OK);
}

Test(image_replay, acls_quotas_credentials_and_tokens_are_kept_and_written_again)
{
    add_raws();
    const struct weir_image *image = finish();
    static const int16_t kinds[] = {
        WEIR_METADATA_RECORD_ACCESS_CONTROL_ENTRY, WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL,
        WEIR_METADATA_RECORD_DELEGATION_TOKEN, WEIR_METADATA_RECORD_CLIENT_QUOTA};
    for (size_t i = 0; i < 4; i++) {
        size_t first;
        size_t end = weir_image_raw_range(image, kinds[i], &first);
        cr_assert_eq(end - first, 1);
        cr_assert_eq(weir_image_raw_at(image, first)->kind, kinds[i]);
    }
    struct weir_buf text;
    image_text(image, &text);
    size_t lines = 0;
    for (size_t i = 0; i < text.size; i++)
        lines += text.data[i] == '\n';
    cr_assert_eq(lines, 4);
    weir_buf_done(&text);
    weir_image_unref(image);
}

Test(image_replay, removals_take_exactly_their_record)
{
    add_raws();
    struct weir_remove_access_control_entry_record acl;
    weir_remove_access_control_entry_record_init(&acl);
    acl.id = weir_uuid_small(5);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_REMOVE_ACCESS_CONTROL_ENTRY, 0, &acl), WEIR_OK);
    struct weir_remove_user_scram_credential_record scram;
    weir_remove_user_scram_credential_record_init(&scram);
    scram.name = WEIR_SLICE("alice");
    scram.mechanism = 2; /* another one */
    cr_assert_eq(apply(WEIR_METADATA_RECORD_REMOVE_USER_SCRAM_CREDENTIAL, 0, &scram), WEIR_OK);
    struct weir_remove_delegation_token_record token;
    weir_remove_delegation_token_record_init(&token);
    token.token_id = WEIR_SLICE("tok");
    cr_assert_eq(apply(WEIR_METADATA_RECORD_REMOVE_DELEGATION_TOKEN, 0, &token), WEIR_OK);
    const struct weir_image *image = finish();
    size_t first;
    cr_assert_eq(
        weir_image_raw_range(image, WEIR_METADATA_RECORD_ACCESS_CONTROL_ENTRY, &first) - first, 0);
    cr_assert_eq(
        weir_image_raw_range(image, WEIR_METADATA_RECORD_USER_SCRAM_CREDENTIAL, &first) - first, 1);
    cr_assert_eq(weir_image_raw_range(image, WEIR_METADATA_RECORD_DELEGATION_TOKEN, &first) - first,
                 0);
    weir_image_unref(image);
}

Test(image_replay, records_of_an_aborted_transaction_do_not_count)
{
    add_topic("kept", 1);
    cr_assert_eq(apply_body(WEIR_METADATA_RECORD_BEGIN_TRANSACTION, 0, WEIR_SLICE("\0")), WEIR_OK);
    add_topic("dropped", 2);
    cr_assert_eq(apply_body(WEIR_METADATA_RECORD_BEGIN_TRANSACTION, 0, WEIR_SLICE("\0")),
                 WEIR_CORRUPT);
    cr_assert_eq(apply_body(WEIR_METADATA_RECORD_ABORT_TRANSACTION, 0, WEIR_SLICE("\0")), WEIR_OK);
    cr_assert_eq(apply_body(WEIR_METADATA_RECORD_END_TRANSACTION, 0, WEIR_SLICE("\0")),
                 WEIR_CORRUPT);
    const struct weir_image *image = finish();
    cr_assert_not_null(weir_image_topic(image, WEIR_SLICE("kept")));
    cr_assert_null(weir_image_topic(image, WEIR_SLICE("dropped")));
    weir_image_unref(image);
}

Test(image_replay, topic_removed_and_created_again_in_one_step_is_in_both_lists)
{
    add_topic("t", 1);
    cr_assert_eq(add_partition(1, 0, 2), WEIR_OK);
    const struct weir_image *before = finish();
    struct weir_image_builder *builder = weir_image_builder_new(before);
    weir_image_builder_free(loader.builder);
    loader.builder = builder;
    struct weir_remove_topic_record removal;
    weir_remove_topic_record_init(&removal);
    removal.topic_id = weir_uuid_small(1);
    cr_assert_eq(apply(WEIR_METADATA_RECORD_REMOVE_TOPIC, 0, &removal), WEIR_OK);
    add_topic("t", 2);
    const struct weir_image *after = finish();
    cr_assert_eq(builder->delta.created_topic_count, 1);
    cr_assert_eq(builder->delta.deleted_topic_count, 1);
    cr_assert_eq(builder->delta.deleted_topics[0], weir_image_topic(before, WEIR_SLICE("t")));
    cr_assert_eq(builder->delta.created_topics[0], weir_image_topic(after, WEIR_SLICE("t")));
    cr_assert_null(weir_image_topic_by_id(after, weir_uuid_small(1)));
    cr_assert_not_null(weir_image_topic_by_id(after, weir_uuid_small(2)));
    weir_image_unref(after);
    weir_image_unref(before);
}

Test(image_replay, no_allocation_failure_leaks_or_lies)
{
    for (long allocations = 1; allocations < 60; allocations++) {
        teardown();
        setup();
        add_topic("t", 1);
        weir_memory_fail_after(allocations);
        const struct weir_image *image = NULL;
        enum weir_status status = weir_loader_finish(&loader, &image, NULL);
        weir_memory_fail_after(-1);
        if (status == WEIR_OK) {
            cr_assert_not_null(weir_image_topic(image, WEIR_SLICE("t")));
            weir_image_unref(image);
        } else {
            cr_assert_eq(status, WEIR_NO_MEMORY);
        }
    }
}
