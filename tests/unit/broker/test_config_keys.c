/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#include "weir/runtime/file_util.h"

Test(config_keys, every_key_of_kafka_is_accepted_with_its_default)
{
    size_t count = weir_config_def_count(WEIR_CONFIG_BROKER);
    cr_assert_gt(count, (size_t)300);
    for (size_t i = 0; i < count; i++) {
        const struct weir_config_def *def = weir_config_def_at(WEIR_CONFIG_BROKER, i);
        if (def->default_text == NULL || strcmp(def->valid, "non-empty list") == 0)
            continue;
        /* Two keys of which only one may be set, whatever the value. */
        if (strcmp(def->name, "inter.broker.listener.name") == 0)
            continue;
        char line[512];
        snprintf(line, sizeof(line), "%s=%s", def->name, def->default_text);
        const char *const overrides[] = {line};
        struct loaded loaded = load_with(
            (struct weir_config_options){.overrides = overrides, .override_count = 1}, NULL);
        if (loaded.status != WEIR_OK)
            dump_remarks(&loaded);
        cr_expect_eq(loaded.status, WEIR_OK, "%s", line);
        unload(&loaded);
    }
}

Test(config_keys, numbers_below_their_least_value_are_refused)
{
    for (size_t i = 0; i < weir_config_def_count(WEIR_CONFIG_BROKER); i++) {
        const struct weir_config_def *def = weir_config_def_at(WEIR_CONFIG_BROKER, i);
        bool is_number = def->type == WEIR_CONFIG_TYPE_INT || def->type == WEIR_CONFIG_TYPE_LONG ||
                         def->type == WEIR_CONFIG_TYPE_SHORT;
        if (!is_number || def->valid[0] != '[')
            continue;
        char line[256];
        snprintf(line, sizeof(line), "%s=%lld", def->name, strtoll(def->valid + 1, NULL, 10) - 1);
        if (strstr(def->valid, " or -1") != NULL)
            continue; /* compression.gzip.level: 0 is tested below */
        const char *const overrides[] = {line};
        struct loaded loaded = load_with(
            (struct weir_config_options){.overrides = overrides, .override_count = 1}, NULL);
        cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG, "%s", line);
        cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM, def->name), "%s", line);
        unload(&loaded);
    }
    refuse_text("log.dirs=/a\ncompression.gzip.level=0\n", "compression.gzip.level");
}

Test(config_keys, numbers_at_their_bounds_are_accepted)
{
    struct loaded loaded =
        accept_text("log.dirs=/a\nsocket.request.max.bytes=1\nlog.segment.bytes=1048576\n"
                    "compression.gzip.level=9\ncompression.lz4.level=17\nfetch.max.bytes=1024\n"
                    "message.max.bytes=0\nmetadata.log.segment.bytes=8388608\n");
    cr_expect_eq(loaded.config->socket_request_bytes_max, 1);
    cr_expect_eq(loaded.config->metadata_segment_bytes, 8388608);
    unload(&loaded);
}

Test(config_keys, a_value_of_the_wrong_type_is_refused_with_kafkas_words)
{
    refuse_text("log.dirs=/a\nnum.partitions=many\n",
                "Invalid value many for configuration num.partitions");
    refuse_text("log.dirs=/a\nauto.create.topics.enable=yes\n", "auto.create.topics.enable");
    refuse_text("log.dirs=/a\nnum.partitions=3000000000\n", "Not a number of type INT");
    refuse_text("log.dirs=/a\nlog.cleanup.policy=remove\n", "log.cleanup.policy");
}

Test(config_keys, an_unknown_key_is_refused_with_the_nearest_one)
{
    refuse_text(
        "log.dirs=/a\nlog.retension.hours=1\n",
        "'log.retension.hours' is not a known key; the nearest one is 'log.retention.hours'.");
    refuse_text("log.dirs=/a\nnum_partitions=1\n", "the nearest one is 'num.partitions'");
    refuse_text("log.dirs=/a\nadvertised.listner=PLAINTEXT://a:1\n", "'advertised.listeners'");
    refuse_text("log.dirs=/a\nweir.prot.file=/a\n", "'weir.port.file'");
    refuse_text("log.dirs=/a\nqqqqqqqq=1\n", "'qqqqqqqq' is not a known key.");
}

Test(config_keys, the_nearest_key_is_near)
{
    cr_expect_str_eq(weir_config_nearest_key(weir_slice_str("Node.ID")), "node.id");
    cr_expect_str_eq(weir_config_nearest_key(weir_slice_str("ndoe.id")), "node.id");
    cr_expect_null(weir_config_nearest_key(weir_slice_str("zzzzzzzzzzzzzzzzzzz")));
    cr_expect_null(weir_config_nearest_key(WEIR_EMPTY_SLICE));
}

Test(config_keys, keys_of_topics_groups_and_clients_are_sent_where_they_belong)
{
    refuse_text("log.dirs=/a\nretention.ms=1\n",
                "'retention.ms' is a setting of a topic; for all topics of a broker it is called "
                "'log.retention.ms'");
    refuse_text("log.dirs=/a\nsegment.bytes=1\n", "'log.segment.bytes'");
    refuse_text("log.dirs=/a\nremote.storage.enable=false\nconsumer.session.timeout.ms=1\n",
                "'group.consumer.session.timeout.ms'");
    refuse_text("log.dirs=/a\nbootstrap.servers=a:1\n", "a setting of clients");
}

Test(config_keys, keys_of_the_java_machine_are_accepted_and_named_once)
{
    struct loaded loaded =
        accept_text("log.dirs=/a\nmetric.reporters=org.apache.kafka.common.metrics.JmxReporter\n"
                    "auto.include.jmx.reporter=true\nsecurity.providers=a.b.C\n"
                    "sasl.login.callback.handler.class=a.B\n");
    const char *text = find_remark(&loaded, WEIR_CONFIG_NOTICE, "Java virtual machine");
    cr_assert_not_null(text);
    cr_expect_not_null(strstr(text, "metric.reporters"));
    cr_expect_not_null(strstr(text, "auto.include.jmx.reporter"));
    cr_expect_not_null(strstr(text, "sasl.login.callback.handler.class"));
    cr_expect_eq(loaded.remarks.count, (size_t)1);
    unload(&loaded);
}

Test(config_keys, keys_without_effect_are_named_with_the_reason)
{
    struct loaded loaded =
        accept_text("log.dirs=/a\nssl.keystore.location=/x.jks\nsuper.users=User:a\n"
                    "listener.name.plaintext.ssl.client.auth=required\nnum.io.threads=8\n"
                    "remote.log.reader.threads=4\nrsm.config.x=1\n"
                    "group.coordinator.append.linger.ms=5\noffsets.topic.compression.codec=1\n"
                    "group.consumer.assignment.interval.ms=2000\n");
    cr_expect_not_null(
        find_remark(&loaded, WEIR_CONFIG_NOTICE,
                    "group.coordinator.append.linger.ms, offsets.topic.compression.codec"));
    cr_expect_not_null(
        find_remark(&loaded, WEIR_CONFIG_NOTICE, "group.consumer.assignment.interval.ms"));
    cr_expect_not_null(
        find_remark(&loaded, WEIR_CONFIG_NOTICE,
                    "ssl.keystore.location, listener.name.plaintext.ssl.client.auth"));
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_NOTICE, "super.users"));
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_NOTICE, "num.io.threads"));
    cr_expect_not_null(
        find_remark(&loaded, WEIR_CONFIG_NOTICE, "remote.log.reader.threads, rsm.config.x"));
    unload(&loaded);
}

Test(config_keys, keys_of_older_versions_are_warned_about_and_dropped)
{
    struct loaded loaded = accept_text(
        "log.dirs=/a\nzookeeper.connect=a:2181\ninter.broker.protocol.version=3.5\nport=9092\n");
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_WARNING, "'zookeeper.connect'"));
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_WARNING, "metadata.version"));
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_WARNING, "'port'"));
    cr_expect_null(static_value(&loaded, "zookeeper.connect"));
    unload(&loaded);
}

Test(config_keys, what_weir_cannot_do_is_refused_and_never_ignored)
{
    static const char *const refused[] = {
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "config.providers=file",
        "remote.log.storage.system.enable=true",
        "client.quota.callback.class=a.B",
        "create.topic.policy.class.name=a.B",
        "alter.config.policy.class.name=a.B",
        "principal.builder.class=a.B",
        "replica.selector.class=a.B",
        "transaction.two.phase.commit.enable=true",
        "unstable.api.versions.enable=true",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char text[256];
        snprintf(text, sizeof(text), "log.dirs=/a\n%s\n", refused[i]);
        refuse_text(text, "is refused:");
    }
}

Test(config_keys, refused_keys_with_a_harmless_value_are_accepted)
{
    struct loaded loaded = accept_text(
        "log.dirs=/"
        "a\nauthorizer.class.name=\nconfig.providers=\nremote.log.storage.system.enable=FALSE\n"
        "principal.builder.class=org.apache.kafka.common.security.authenticator."
        "DefaultKafkaPrincipalBuilder\n"
        "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector\n");
    unload(&loaded);
}

Test(config_keys, passwords_are_never_repeated)
{
    struct loaded loaded =
        load_text("log.dirs=/a\nssl.key.password=geheim\nssl.keystore.password=geheim\nx=1\n");
    for (size_t i = 0; i < loaded.remarks.count; i++)
        cr_expect_null(strstr(loaded.remarks.items[i].text, "geheim"));
    unload(&loaded);
}

Test(config_keys, the_page_for_users_has_every_key_of_weir)
{
    const char *path = WEIR_SOURCE_DIR "/docs/configuration.md";
    struct weir_buf page = {0};
    cr_assert_eq(weir_file_read_all(weir_env_posix(), path, 1 << 20, &page, NULL), WEIR_OK);
    weir_buf_append(&page, "", 1);
    for (size_t i = 0; weir_config_extra_def_at(i) != NULL; i++) {
        const struct weir_config_def *def = weir_config_extra_def_at(i);
        char row[256];
        snprintf(row, sizeof(row), "| `%s` |", def->name);
        if (strncmp(def->name, "weir.", 5) == 0)
            cr_expect_not_null(strstr((const char *)page.data, row), "%s", row);
    }
    weir_buf_done(&page);
}
