/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster.h"

static struct weir_controller_result topic(struct cluster *cluster, const char *key, int8_t how,
                                           const char *value)
{
    return cluster_alter(cluster, WEIR_RESOURCE_TOPIC, "t", key, how, value);
}

static bool is_set(struct cluster *cluster, enum weir_resource_type type, const char *name,
                   const char *key, const char *value)
{
    const struct weir_image *image = weir_image_ref_current(cluster->publisher);
    struct weir_slice got = weir_image_config_get(
        weir_image_config(image, type, weir_slice_str(name)), weir_slice_str(key));
    bool is_equal = value == NULL ? weir_slice_is_null(got)
                                  : !weir_slice_is_null(got) && weir_slice_is(got, value);
    weir_image_unref(image);
    return is_equal;
}

Test(controller_configs, topic_configs_are_set_appended_subtracted_and_deleted)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    assert_result(topic(&cluster, "retention.ms", WEIR_CONFIG_SET, "5000"), WEIR_OK, NULL);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "retention.ms", "5000"));
    assert_result(topic(&cluster, "cleanup.policy", WEIR_CONFIG_APPEND, "compact"), WEIR_OK, NULL);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "cleanup.policy", "delete,compact"));
    assert_result(topic(&cluster, "cleanup.policy", WEIR_CONFIG_APPEND, "compact"), WEIR_OK, NULL);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "cleanup.policy", "delete,compact"));
    assert_result(topic(&cluster, "cleanup.policy", WEIR_CONFIG_SUBTRACT, "delete"), WEIR_OK, NULL);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "cleanup.policy", "compact"));
    assert_result(topic(&cluster, "retention.ms", WEIR_CONFIG_DELETE, NULL), WEIR_OK, NULL);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "retention.ms", NULL));
    cluster_done(&cluster);
}

Test(controller_configs, refusals_are_kafkas)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    assert_result(topic(&cluster, "retention.ms", WEIR_CONFIG_SET, "x"), WEIR_INVALID_CONFIG,
                  "Invalid value x for configuration retention.ms: Not a number of type LONG");
    assert_result(topic(&cluster, "retention.ms", WEIR_CONFIG_SET, NULL), WEIR_INVALID_REQUEST,
                  "Null value not supported for : retention.ms");
    assert_result(topic(&cluster, "no.such", WEIR_CONFIG_SET, "1"), WEIR_INVALID_CONFIG,
                  "Unknown topic config name: no.such");
    assert_result(topic(&cluster, "retention.ms", WEIR_CONFIG_APPEND, "5"), WEIR_INVALID_CONFIG,
                  "Can't APPEND to key retention.ms because its type is not LIST.");
    assert_result(topic(&cluster, "retention.ms", 9, "5"), WEIR_UNKNOWN_SERVER_ERROR, NULL);
    assert_result(
        cluster_alter(&cluster, WEIR_RESOURCE_TOPIC, "none", "retention.ms", WEIR_CONFIG_SET, "1"),
        WEIR_UNKNOWN_TOPIC_OR_PARTITION, "The topic 'none' does not exist.");
    assert_result(
        cluster_alter(&cluster, WEIR_RESOURCE_TOPIC, "", "retention.ms", WEIR_CONFIG_SET, "1"),
        WEIR_INVALID_REQUEST, "Default topic resources are not allowed.");
    assert_result(cluster_alter(&cluster, 99, "t", "a", WEIR_CONFIG_SET, "b"), WEIR_INVALID_REQUEST,
                  "Unknown resource type 99");
    assert_result(cluster_alter(&cluster, 0, "t", "a", WEIR_CONFIG_SET, "b"), WEIR_INVALID_REQUEST,
                  "Unknown resource type 0");
    assert_result(topic(&cluster, "remote.storage.enable", WEIR_CONFIG_SET, "true"),
                  WEIR_INVALID_CONFIG,
                  "Tiered Storage functionality is disabled in the broker. Topic cannot be "
                  "configured with remote log storage.");
    assert_result(topic(&cluster, "min.compaction.lag.ms", WEIR_CONFIG_SET, "100"), WEIR_OK, NULL);
    assert_result(topic(&cluster, "max.compaction.lag.ms", WEIR_CONFIG_SET, "50"),
                  WEIR_INVALID_CONFIG,
                  "conflict topic config setting min.compaction.lag.ms (100) > "
                  "max.compaction.lag.ms (50)");
    cluster_done(&cluster);
}

Test(controller_configs, repeated_keys_and_resources_are_refused)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    struct weir_config_change twice[] = {
        {.name = WEIR_SLICE("retention.ms"), .value = WEIR_SLICE("1")},
        {.name = WEIR_SLICE("retention.ms"), .value = WEIR_SLICE("2")}};
    struct weir_config_alteration resources[] = {
        {.type = WEIR_RESOURCE_TOPIC, .name = WEIR_SLICE("t"), .changes = twice, .change_count = 2},
        {.type = WEIR_RESOURCE_GROUP, .name = WEIR_SLICE("g")},
        {.type = WEIR_RESOURCE_GROUP, .name = WEIR_SLICE("g")}};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_ALTER_CONFIGS);
    op->alter_configs = (struct weir_alter_configs_op){.resources = resources, .resource_count = 3};
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    assert_result(resources[0].result, WEIR_INVALID_REQUEST, "Error due to duplicate config keys");
    assert_result(resources[1].result, WEIR_INVALID_REQUEST,
                  "Each resource must appear at most once.");
    assert_result(resources[2].result, WEIR_INVALID_REQUEST,
                  "Each resource must appear at most once.");
    cluster_done(&cluster);
}

Test(controller_configs, broker_configs_are_checked_by_the_broker)
{
    struct cluster cluster;
    cluster_init(&cluster);
    static const struct {
        const char *broker;
        const char *key;
        const char *value;
        enum weir_status status;
        const char *words;
    } cases[] = {
        {"77", "log.cleaner.threads", "1", WEIR_INVALID_REQUEST,
         "Unexpected broker id, expected 1, but received 77"},
        {" ", "log.cleaner.threads", "1", WEIR_INVALID_REQUEST,
         "Node id must be an integer, but it is:  "},
        {"1", "node.id", "5", WEIR_INVALID_REQUEST,
         "Cannot update these configs dynamically: [node.id]"},
        {"1", "log.retention.ms", "x", WEIR_INVALID_REQUEST,
         "Invalid value x for configuration log.retention.ms: Not a number of type LONG"},
        {"1", "num.io.threads", "100", WEIR_INVALID_REQUEST,
         "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count "
         "update "
         "validation failed for num.io.threads=100, value should not be greater than double the "
         "current value 8 for configuration Invalid dynamic configuration"},
        {"1", "num.io.threads", "0", WEIR_INVALID_REQUEST,
         "Invalid value 0 for configuration num.io.threads: Value must be at least 1"},
        {"1", "log.cleaner.threads", "10", WEIR_INVALID_REQUEST,
         "Invalid value org.apache.kafka.common.config.ConfigException: Log cleaner threads cannot "
         "be increased to more than double the current value 1 for configuration Invalid dynamic "
         "configuration"},
        {"", "ssl.keystore.location", "x", WEIR_INVALID_REQUEST,
         "These security configs can be dynamically updated only per-listener using the listener "
         "prefix: [ssl.keystore.location]"},
        {"1", "min.insync.replicas", "2", WEIR_INVALID_CONFIG,
         "Broker-level min.insync.replicas cannot be altered while ELR is enabled."},
        {"", "no.such", "2000", WEIR_OK, NULL},
        {"1", "log.retention.ms", "1000", WEIR_OK, NULL},
        {"", "log.retention.ms", "2000", WEIR_OK, NULL},
        {"", "min.insync.replicas", "2", WEIR_OK, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_result(cluster_alter(&cluster, WEIR_RESOURCE_BROKER, cases[i].broker, cases[i].key,
                                    WEIR_CONFIG_SET, cases[i].value),
                      cases[i].status, cases[i].words);
    assert_result(cluster_alter(&cluster, WEIR_RESOURCE_BROKER, "", "min.insync.replicas",
                                WEIR_CONFIG_DELETE, NULL),
                  WEIR_INVALID_CONFIG,
                  "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.");
    cluster_done(&cluster);
}

Test(controller_configs, group_and_client_metrics_configs_are_checked)
{
    struct cluster cluster;
    cluster_init(&cluster);
    static const struct {
        int8_t type;
        const char *name;
        const char *key;
        const char *value;
        enum weir_status status;
        const char *words;
    } cases[] = {
        {WEIR_RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "1", WEIR_INVALID_CONFIG,
         "consumer.session.timeout.ms must be greater than or equal to "
         "group.consumer.min.session.timeout.ms"},
        {WEIR_RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "99999999", WEIR_INVALID_CONFIG,
         "consumer.session.timeout.ms must be less than or equal to "
         "group.consumer.max.session.timeout.ms"},
        {WEIR_RESOURCE_GROUP, "g", "consumer.session.timeout.ms", "45001", WEIR_OK, NULL},
        {WEIR_RESOURCE_GROUP, "g", "nope", "1", WEIR_INVALID_CONFIG,
         "Unknown group config name: nope"},
        {WEIR_RESOURCE_GROUP, "", "consumer.session.timeout.ms", "45001", WEIR_INVALID_REQUEST,
         "Default group resources are not allowed."},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "interval.ms", "5", WEIR_INVALID_REQUEST,
         "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)"},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "interval.ms", "500", WEIR_OK, NULL},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "nope", "500", WEIR_INVALID_REQUEST,
         "Unknown client metrics configuration: nope"},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "match", "foo", WEIR_INVALID_CONFIG,
         "Illegal client matching pattern: foo"},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "match", "client_id=[", WEIR_INVALID_CONFIG,
         "Illegal client matching pattern: client_id=["},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "match", "client_id=a.*,client_software_name=x",
         WEIR_OK, NULL},
        {WEIR_RESOURCE_CLIENT_METRICS, "m", "metrics", "org.apache.,", WEIR_INVALID_CONFIG,
         "Configuration 'metrics' values must not be empty."},
        {WEIR_RESOURCE_CLIENT_METRICS, "", "interval.ms", "500", WEIR_INVALID_REQUEST,
         "Subscription name can't be empty"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_result(cluster_alter(&cluster, cases[i].type, cases[i].name, cases[i].key,
                                    WEIR_CONFIG_SET, cases[i].value),
                      cases[i].status, cases[i].words);
    cluster_done(&cluster);
}

Test(controller_configs, legacy_alter_unsets_what_it_does_not_name)
{
    struct cluster cluster;
    cluster_init(&cluster);
    (void)cluster_topic(&cluster, "t", 1);
    assert_result(topic(&cluster, "retention.ms", WEIR_CONFIG_SET, "5"), WEIR_OK, NULL);
    struct weir_config_change change = {.name = WEIR_SLICE("segment.bytes"),
                                        .value = WEIR_SLICE("2000000")};
    struct weir_config_alteration resource = {.type = WEIR_RESOURCE_TOPIC,
                                              .name = WEIR_SLICE("t"),
                                              .changes = &change,
                                              .change_count = 1};
    struct weir_controller_op *op = cluster_op(&cluster, WEIR_CONTROLLER_ALTER_CONFIGS);
    op->alter_configs = (struct weir_alter_configs_op){
        .resources = &resource, .resource_count = 1, .replace_all = true, .validate_only = true};
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "retention.ms", "5"));
    op->alter_configs.validate_only = false;
    cr_assert_eq(cluster_run(&cluster), WEIR_OK);
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "retention.ms", NULL));
    cr_assert(is_set(&cluster, WEIR_RESOURCE_TOPIC, "t", "segment.bytes", "2000000"));
    cluster_done(&cluster);
}
