/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

/* Words and statuses are those of Apache Kafka 4.3.0's transcripts. */

static struct weir_new_topic named(const char *name)
{
    return (struct weir_new_topic){
        .name = weir_slice_str(name), .partition_count = 1, .replication_factor = 1};
}

static void refused(struct cluster *cluster, struct weir_new_topic topic, enum weir_status status,
                    const char *words)
{
    (void)cluster_create(cluster, &topic);
    assert_result(topic.result, status, words);
    cr_assert(weir_uuid_is_zero(topic.id));
    cr_assert_eq(topic.result_partition_count, -1);
}

Test(controller_topics, created_topic_is_in_the_image_when_the_answer_comes)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_image_config_entry config = {WEIR_SLICE("retention.ms"), WEIR_SLICE("12345")};
    struct weir_new_topic topic = named("orders");
    topic.partition_count = 3;
    topic.configs = &config;
    topic.config_count = 1;
    cr_assert_eq(cluster_create(&cluster, &topic), WEIR_OK);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    const struct weir_image_topic *found = weir_image_topic(image, WEIR_SLICE("orders"));
    cr_assert_not_null(found);
    cr_assert(weir_uuid_equal(found->id, topic.id));
    cr_assert_eq(found, weir_image_topic_by_id(image, topic.id));
    cr_assert_eq(found->partition_count, 3);
    cr_assert_eq(weir_image_partition_count(image), 3);
    for (int32_t i = 0; i < 3; i++) {
        const struct weir_image_partition *partition =
            weir_image_partition(image, WEIR_SLICE("orders"), i);
        cr_assert_eq(partition->id, i);
        cr_assert_eq(partition->leader, NODE_ID);
        cr_assert_eq(partition->leader_epoch, 0);
        cr_assert_eq(partition->partition_epoch, 0);
        cr_assert_eq(partition->isr.count, 1);
        cr_assert(weir_uuid_equal(partition->directories[0], cluster.directory_id));
    }
    const struct weir_image_config *set =
        weir_image_config(image, WEIR_RESOURCE_TOPIC, WEIR_SLICE("orders"));
    cr_assert(weir_slice_is(weir_image_config_get(set, WEIR_SLICE("retention.ms")), "12345"));
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(controller_topics, answer_holds_counts_and_effective_configs)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_image_config_entry config = {WEIR_SLICE("retention.ms"), WEIR_SLICE("12345")};
    struct weir_new_topic topic = named("t");
    topic.partition_count = -1;
    topic.replication_factor = -1;
    topic.configs = &config;
    topic.config_count = 1;
    cr_assert_eq(cluster_create(&cluster, &topic), WEIR_OK);
    cr_assert_eq(topic.result_partition_count, 1); /* num.partitions */
    cr_assert_eq(topic.result_replication_factor, 1);
    cr_assert_eq(topic.result_configs.count, 33);
    bool has_retention = false;
    for (size_t i = 0; i < topic.result_configs.count; i++) {
        const struct weir_config_view *view = &topic.result_configs.items[i];
        if (weir_slice_is(view->name, "retention.ms")) {
            has_retention = true;
            cr_assert(weir_slice_is(view->value, "12345"));
            cr_assert_eq(view->source, WEIR_CONFIG_SOURCE_TOPIC);
        } else if (weir_slice_is(view->name, "min.insync.replicas")) {
            cr_assert_eq(view->source, WEIR_CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
        } else {
            cr_assert_eq(view->source, WEIR_CONFIG_SOURCE_DEFAULT);
        }
    }
    cr_assert(has_retention);
    cluster_done(&cluster);
}

Test(controller_topics, bad_names_are_refused_with_kafkas_words)
{
    struct cluster cluster;
    cluster_init(&cluster);
    enum weir_status status = WEIR_INVALID_TOPIC_EXCEPTION;
    refused(&cluster, named(""), status, "Topic name is invalid: the empty string is not allowed");
    refused(&cluster, named("."), status, "Topic name is invalid: '.' is not allowed");
    refused(&cluster, named(".."), status, "Topic name is invalid: '..' is not allowed");
    refused(&cluster, named("a/b"), status,
            "Topic name is invalid: 'a/b' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'");
    char name[251];
    memset(name, 'x', 250);
    name[250] = '\0';
    char words[400];
    (void)snprintf(words, sizeof(words),
                   "Topic name is invalid: the length of '%s' is longer than the max allowed "
                   "length 249",
                   name);
    refused(&cluster, named(name), status, words);
    name[249] = '\0';
    struct weir_new_topic longest = named(name);
    cr_assert_eq(cluster_create(&cluster, &longest), WEIR_OK);
    cluster_done(&cluster);
}

Test(controller_topics, existing_and_colliding_names_are_refused)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "a.b", 1);
    (void)cluster_topic(&cluster, "plain", 1);
    refused(&cluster, named("plain"), WEIR_TOPIC_ALREADY_EXISTS, "Topic 'plain' already exists.");
    refused(&cluster, named("a_b"), WEIR_INVALID_TOPIC_EXCEPTION,
            "Topic 'a_b' collides with existing topic: a.b");
    struct weir_new_topic other = named("a_c");
    cr_assert_eq(cluster_create(&cluster, &other), WEIR_OK);
    cluster_done(&cluster);
}

Test(controller_topics, counts_are_checked)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_new_topic topic = named("t");
    topic.partition_count = 0;
    refused(&cluster, topic, WEIR_INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.");
    topic = named("t");
    topic.replication_factor = 0;
    refused(&cluster, topic, WEIR_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    topic.replication_factor = 3;
    refused(
        &cluster, topic, WEIR_INVALID_REPLICATION_FACTOR,
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot "
        "be reached because only 1 broker(s) are registered or some brokers have all their log "
        "directories cordoned.");
    topic = named("t");
    topic.partition_count = 10001;
    refused(&cluster, topic, WEIR_POLICY_VIOLATION,
            "Excessively large number of partitions per request.");
    cluster_done(&cluster);
}

Test(controller_topics, configs_of_a_new_topic_are_checked)
{
    struct cluster cluster;
    cluster_init(&cluster);
    static const struct {
        const char *key;
        const char *value;
        const char *words;
    } cases[] = {
        {"no.such.config", "1", "Unknown topic config name: no.such.config"},
        {"retention.ms", "abc",
         "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", NULL, "Null value not supported for topic configs: retention.ms"},
        {"min.insync.replicas", "0",
         "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"},
        {"cleanup.policy", "shred",
         "Invalid value shred for configuration cleanup.policy: String must be one of: compact, "
         "delete"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_image_config_entry config = {weir_slice_str(cases[i].key),
                                                 weir_slice_str(cases[i].value)};
        struct weir_new_topic topic = named("t");
        topic.configs = &config;
        topic.config_count = 1;
        refused(&cluster, topic, WEIR_INVALID_CONFIG, cases[i].words);
    }
    cluster_done(&cluster);
}

Test(controller_topics, manual_assignments_are_checked)
{
    struct cluster cluster;
    cluster_init(&cluster);
    static const int32_t one[] = {1};
    static const int32_t twice[] = {1, 1};
    static const int32_t stranger[] = {77};
    struct weir_replica_assignment good = {.partition = 0, .replicas = one, .replica_count = 1};
    struct weir_new_topic topic = {.name = WEIR_SLICE("t"),
                                   .partition_count = 1,
                                   .replication_factor = -1,
                                   .assignments = &good,
                                   .assignment_count = 1};
    refused(&cluster, topic, WEIR_INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.");
    topic.replication_factor = 1;
    refused(
        &cluster, topic, WEIR_INVALID_REQUEST,
        "A manual partition assignment was specified, but replication factor was not set to -1.");
    topic.partition_count = -1;
    topic.replication_factor = -1;
    struct weir_replica_assignment bad = {.partition = 0, .replicas = twice, .replica_count = 2};
    topic.assignments = &bad;
    refused(&cluster, topic, WEIR_INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes the broker 1 more than once.");
    bad = (struct weir_replica_assignment){.replicas = stranger, .replica_count = 1};
    refused(
        &cluster, topic, WEIR_INVALID_REPLICA_ASSIGNMENT,
        "The manual partition assignment includes broker 77, but no such broker is registered.");
    bad = (struct weir_replica_assignment){0};
    refused(&cluster, topic, WEIR_INVALID_REPLICA_ASSIGNMENT,
            "The manual partition assignment includes an empty replica list.");
    bad = (struct weir_replica_assignment){.partition = 1, .replicas = one, .replica_count = 1};
    refused(&cluster, topic, WEIR_INVALID_REPLICA_ASSIGNMENT,
            "partitions should be a consecutive 0-based integer sequence");
    struct weir_replica_assignment both[] = {good, good};
    topic.assignments = both;
    topic.assignment_count = 2;
    refused(&cluster, topic, WEIR_INVALID_REPLICA_ASSIGNMENT,
            "Found multiple manual partition assignments for partition 0");
    both[1].partition = 1;
    cr_assert_eq(cluster_create(&cluster, &topic), WEIR_OK);
    cr_assert_eq(topic.result_partition_count, 2);
    cluster_done(&cluster);
}

Test(controller_topics, one_name_twice_in_a_request_creates_nothing)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_new_topic topics[] = {named("dup"), named("other"), named("dup")};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_CREATE_TOPICS);
    op->create_topics = (struct weir_create_topics_op){.topics = topics, .topic_count = 3};
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    assert_result(topics[0].result, WEIR_INVALID_REQUEST, "Duplicate topic name.");
    assert_result(topics[2].result, WEIR_INVALID_REQUEST, "Duplicate topic name.");
    cr_assert_eq(topics[1].result.status, WEIR_OK);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_topic_count(image), 1);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(controller_topics, validate_only_changes_nothing)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_new_topic topic = named("ghost");
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_CREATE_TOPICS);
    op->create_topics =
        (struct weir_create_topics_op){.topics = &topic, .topic_count = 1, .validate_only = true};
    const struct weir_image *before = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    cr_assert_eq(topic.result.status, WEIR_OK);
    cr_assert_eq(topic.result_partition_count, 1);
    const struct weir_image *after = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(before, after);
    weir_image_unref(before);
    weir_image_unref(after);
    cluster_done(&cluster);
}

static struct weir_controller_result delete_one(struct cluster *cluster, const char *name,
                                                struct weir_uuid id)
{
    struct weir_topic_deletion item = {.name = weir_slice_str(name), .id = id};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_DELETE_TOPICS);
    op->delete_topics = (struct weir_delete_topics_op){.topics = &item, .topic_count = 1};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    return item.result;
}

Test(controller_topics, deletion_checks_what_it_is_asked)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_uuid none = {{0}};
    struct weir_uuid id = cluster_topic(&cluster, "t", 1);
    assert_result(delete_one(&cluster, "nope", none), WEIR_UNKNOWN_TOPIC_OR_PARTITION,
                  "This server does not host this topic-partition.");
    assert_result(delete_one(&cluster, NULL, weir_uuid_small(99)), WEIR_UNKNOWN_TOPIC_ID,
                  "This server does not host this topic ID.");
    assert_result(delete_one(&cluster, NULL, none), WEIR_INVALID_REQUEST,
                  "Neither topic name nor id were specified.");
    assert_result(delete_one(&cluster, "t", id), WEIR_INVALID_REQUEST,
                  "You may not specify both topic name and topic id.");
    struct weir_topic_deletion twice[] = {{.name = WEIR_SLICE("t")}, {.id = id}};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_DELETE_TOPICS);
    op->delete_topics = (struct weir_delete_topics_op){.topics = twice, .topic_count = 2};
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    assert_result(twice[0].result, WEIR_INVALID_REQUEST,
                  "The provided topic name maps to an ID that was already supplied.");
    cr_assert(twice[1].is_left_out);
    assert_result(delete_one(&cluster, NULL, id), WEIR_OK, NULL);
    cluster_done(&cluster);
}

Test(controller_topics, deleted_topic_takes_its_configs_along_and_its_name_is_free)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct weir_uuid none = {{0}};
    struct weir_uuid first = cluster_topic(&cluster, "t", 2);
    assert_result(
        cluster_alter(&cluster, WEIR_RESOURCE_TOPIC, "t", "retention.ms", WEIR_CONFIG_SET, "5000"),
        WEIR_OK, NULL);
    assert_result(delete_one(&cluster, "t", none), WEIR_OK, NULL);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_null(weir_image_topic(image, WEIR_SLICE("t")));
    cr_assert_null(weir_image_topic_by_id(image, first));
    cr_assert_null(weir_image_config(image, WEIR_RESOURCE_TOPIC, WEIR_SLICE("t")));
    cr_assert_eq(weir_image_partition_count(image), 0);
    weir_image_unref(image);
    struct weir_uuid second = cluster_topic(&cluster, "t", 1);
    cr_assert_not(weir_uuid_equal(first, second));
    cluster_done(&cluster);
}

Test(controller_topics, deletion_can_be_switched_off)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    static const struct weir_static_config off[] = {{"delete.topic.enable", "false"}};
    cluster.statics = (struct weir_static_configs){.entries = off, .count = 1};
    struct weir_uuid none = {{0}};
    assert_result(delete_one(&cluster, "t", none), WEIR_TOPIC_DELETION_DISABLED,
                  "Topic deletion is disabled.");
    cluster_done(&cluster);
}

static struct weir_controller_result grow(struct cluster *cluster, const char *name, int32_t count,
                                          const struct weir_replica_assignment *assignments,
                                          size_t assignment_count)
{
    struct weir_topic_growth growth = {.name = weir_slice_str(name),
                                       .partition_count = count,
                                       .has_assignments = assignments != NULL,
                                       .assignments = assignments,
                                       .assignment_count = assignment_count};
    struct weir_controller_op *op = cluster_op(cluster, WEIR_CONTROLLER_CREATE_PARTITIONS);
    op->create_partitions = (struct weir_create_partitions_op){.topics = &growth, .topic_count = 1};
    cr_assert_eq(cluster_run(cluster), WEIR_OK);
    return growth.result;
}

Test(controller_topics, partitions_are_added_and_never_taken)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 2);
    assert_result(grow(&cluster, "t", 1, NULL, 0), WEIR_INVALID_PARTITIONS,
                  "The topic t currently has 2 partition(s); 1 would not be an increase.");
    assert_result(grow(&cluster, "t", -1, NULL, 0), WEIR_INVALID_PARTITIONS,
                  "The topic t currently has 2 partition(s); -1 would not be an increase.");
    assert_result(grow(&cluster, "t", 2, NULL, 0), WEIR_INVALID_PARTITIONS,
                  "Topic already has 2 partition(s).");
    assert_result(grow(&cluster, "none", 3, NULL, 0), WEIR_UNKNOWN_TOPIC_OR_PARTITION, NULL);
    static const int32_t stranger[] = {77};
    static const int32_t one[] = {1};
    struct weir_replica_assignment assignment = {.replicas = stranger, .replica_count = 1};
    assert_result(grow(&cluster, "t", 4, &assignment, 1), WEIR_INVALID_REPLICA_ASSIGNMENT,
                  "Attempted to add 2 additional partition(s), but only 1 assignment(s) were "
                  "specified.");
    assert_result(grow(&cluster, "t", 3, &assignment, 1), WEIR_INVALID_REPLICA_ASSIGNMENT,
                  "The manual partition assignment includes broker 77, but no such broker is "
                  "registered.");
    assignment.replicas = one;
    assert_result(grow(&cluster, "t", 3, &assignment, 1), WEIR_OK, NULL);
    assert_result(grow(&cluster, "t", 6, NULL, 0), WEIR_OK, NULL);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_topic(image, WEIR_SLICE("t"))->partition_count, 6);
    weir_image_unref(image);
    cluster_done(&cluster);
}

Test(controller_topics, change_of_one_topic_shares_all_others)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "a", 2);
    (void)cluster_topic(&cluster, "b", 2);
    const struct weir_image *before = weir_image_ref_current(cluster.publisher);
    assert_result(grow(&cluster, "b", 3, NULL, 0), WEIR_OK, NULL);
    const struct weir_image *after = weir_image_ref_current(cluster.publisher);
    cr_assert_neq(before, after);
    cr_assert_eq(weir_image_topic(before, WEIR_SLICE("a")),
                 weir_image_topic(after, WEIR_SLICE("a")));
    const struct weir_image_topic *old = weir_image_topic(before, WEIR_SLICE("b"));
    const struct weir_image_topic *new = weir_image_topic(after, WEIR_SLICE("b"));
    cr_assert_neq(old, new);
    cr_assert_eq(old->partition_count, 2);
    cr_assert_eq(old->partitions[0], new->partitions[0]);
    weir_image_unref(before);
    weir_image_unref(after);
    cluster_done(&cluster);
}

Test(controller_topics, many_partitions_are_created_at_once)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "wide", 9000);
    cluster_reopen(&cluster);
    const struct weir_image *image = weir_image_ref_current(cluster.publisher);
    cr_assert_eq(weir_image_partition_count(image), 9000);
    cr_assert_eq(weir_image_partition(image, WEIR_SLICE("wide"), 8999)->id, 8999);
    weir_image_unref(image);
    cluster_done(&cluster);
}

/* ---- Listeners ---- */

struct seen {
    struct weir_image_listener listener;
    size_t calls;
    size_t created;
    size_t deleted;
    size_t changed;
    size_t configs;
};

static void see(struct weir_image_listener *listener, const struct weir_image *before,
                const struct weir_image *after, const struct weir_image_delta *delta)
{
    struct seen *seen = (struct seen *)listener;
    cr_assert_lt(weir_image_last_offset(before), weir_image_last_offset(after));
    seen->calls++;
    seen->created += delta->created_topic_count;
    seen->deleted += delta->deleted_topic_count;
    seen->changed += delta->changed_topic_count;
    seen->configs += delta->changed_config_count;
}

Test(controller_topics, listeners_hear_each_change_once_and_before_the_answer)
{
    struct cluster cluster;
    cluster_init(&cluster);
    struct seen seen = {.listener = {.published = see}};
    weir_image_publisher_listen(cluster.publisher, &seen.listener);
    (void)cluster_topic(&cluster, "t", 1);
    cr_assert_eq(seen.calls, 1);
    cr_assert_eq(seen.created, 1);
    assert_result(grow(&cluster, "t", 2, NULL, 0), WEIR_OK, NULL);
    cr_assert_eq(seen.changed, 1);
    assert_result(
        cluster_alter(&cluster, WEIR_RESOURCE_TOPIC, "t", "retention.ms", WEIR_CONFIG_SET, "1"),
        WEIR_OK, NULL);
    cr_assert_eq(seen.configs, 1);
    struct weir_uuid none = {{0}};
    assert_result(delete_one(&cluster, "t", none), WEIR_OK, NULL);
    cr_assert_eq(seen.deleted, 1);
    cr_assert_eq(seen.configs, 2); /* they went with the topic */
    cr_assert_eq(seen.calls, 4);
    cluster_done(&cluster);
}
