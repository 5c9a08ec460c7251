/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#include "weir/base/memory.h"

Test(config, weir_alone_serves_on_9092_with_its_data_beside_it)
{
    struct loaded loaded = load_text(NULL);
    cr_assert_eq(loaded.status, WEIR_OK);
    const struct weir_config *config = loaded.config;
    cr_expect_eq(config->node_id, 1);
    cr_expect_eq(config->listener_count, (size_t)1);
    cr_expect_str_eq(config->listeners[0].name, "PLAINTEXT");
    cr_expect_str_eq(config->listeners[0].host, "");
    cr_expect_eq(config->listeners[0].port, 9092);
    cr_expect_eq(config->advertised_count, (size_t)0);
    cr_expect_eq(config->log_dir_count, (size_t)1);
    cr_expect_str_eq(config->log_dirs[0], "./data");
    cr_expect_str_eq(config->metadata_log_dir, "./data");
    cr_expect_str_eq(config->inter_broker_listener, "PLAINTEXT");
    cr_expect_eq(config->network_threads, 2);
    cr_expect_eq(config->offsets_topic_replication_factor, 1);
    cr_expect_eq(config->transaction_topic_min_isr, 1);
    cr_expect_eq(config->group_initial_rebalance_delay_ms, 3000);
    cr_expect_eq(config->offsets_retention_ms, (int64_t)7 * 24 * 3600 * 1000);
    cr_expect_eq(config->queued_request_bytes_max, (int64_t)256 << 20);
    cr_expect_eq(config->log_level, WEIR_LOG_LEVEL_INFO);
    cr_expect_null(config->port_file);
    cr_expect_null(config->rack);
    cr_expect_eq(loaded.remarks.count, (size_t)0);
    unload(&loaded);
}

Test(config, a_file_without_log_dirs_has_kafkas_default_and_a_warning)
{
    struct loaded loaded = accept_text("num.partitions=3\n");
    cr_expect_str_eq(loaded.config->log_dirs[0], "/tmp/kafka-logs");
    cr_expect_eq(loaded.config->num_partitions, 3);
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_WARNING, "/tmp/kafka-logs"));
    unload(&loaded);
}

Test(config, log_dirs_is_stronger_than_log_dir)
{
    struct loaded loaded = accept_text("log.dir=/a\nlog.dirs=/b , /c\nmetadata.log.dir=/d\n");
    cr_assert_eq(loaded.config->log_dir_count, (size_t)2);
    cr_expect_str_eq(loaded.config->log_dirs[0], "/b");
    cr_expect_str_eq(loaded.config->log_dirs[1], "/c");
    cr_expect_str_eq(loaded.config->metadata_log_dir, "/d");
    unload(&loaded);
    loaded = accept_text("log.dir=/a\n");
    cr_expect_str_eq(loaded.config->log_dirs[0], "/a");
    unload(&loaded);
}

Test(config, environment_is_stronger_than_the_file_and_overrides_than_both)
{
    const char *const environment[] = {"PATH=/bin", "WEIR_NUM_PARTITIONS=20", "WEIR_LOG_DIRS=/env",
                                       NULL};
    const char *const overrides[] = {"log.dirs=/override", "default.replication.factor = 1",
                                     "broker.rack=a=b"};
    struct weir_config_options options = {
        .environment = environment, .overrides = overrides, .override_count = 3};
    struct loaded loaded =
        load_with(options, "num.partitions=10\nlog.dirs=/file\nmessage.max.bytes=1000\n");
    if (loaded.status != WEIR_OK)
        dump_remarks(&loaded);
    cr_assert_eq(loaded.status, WEIR_OK);
    cr_expect_eq(loaded.config->num_partitions, 20);
    cr_expect_str_eq(loaded.config->log_dirs[0], "/override");
    cr_expect_eq(loaded.config->message_bytes_max, 1000);
    cr_expect_str_eq(loaded.config->rack, "a=b");
    cr_expect_str_eq(static_value(&loaded, "num.partitions"), "20");
    unload(&loaded);
}

Test(config, the_last_of_two_overrides_counts)
{
    const char *const overrides[] = {"num.partitions=2", "num.partitions=3"};
    struct loaded loaded =
        load_with((struct weir_config_options){.overrides = overrides, .override_count = 2}, NULL);
    cr_assert_eq(loaded.status, WEIR_OK);
    cr_expect_eq(loaded.config->num_partitions, 3);
    unload(&loaded);
}

static void expect_key(const char *variable, const char *expected)
{
    char key[64];
    cr_assert(weir_config_key_of_variable(weir_slice_str(variable), key, sizeof(key)), "%s",
              variable);
    cr_expect_str_eq(key, expected);
}

Test(config, underscores_of_a_variable_become_dots_underscores_and_dashes)
{
    expect_key("LOG_DIRS", "log.dirs");
    expect_key("A__B", "a_b");
    expect_key("A___B", "a-b");
    expect_key("A____B", "a-.b");
    expect_key("LISTENER_NAME_A1_MAX_CONNECTIONS", "listener.name.a1.max.connections");
    char key[8];
    cr_expect_not(weir_config_key_of_variable(weir_slice_str("LOG-DIRS"), key, sizeof(key)));
    cr_expect_not(weir_config_key_of_variable(weir_slice_str("TOO_LONG_FOR_IT"), key, sizeof(key)));
    cr_expect_not(weir_config_key_of_variable(weir_slice_str(""), key, sizeof(key)));
}

Test(config, weirs_own_variables_need_no_second_weir)
{
    const char *const environment[] = {"WEIR_PORT_FILE=/tmp/ports", "WEIR_WEIR_LOG_LEVEL=debug",
                                       NULL};
    struct loaded loaded =
        load_with((struct weir_config_options){.environment = environment}, NULL);
    cr_assert_eq(loaded.status, WEIR_OK);
    cr_expect_str_eq(loaded.config->port_file, "/tmp/ports");
    cr_expect_eq(loaded.config->log_level, WEIR_LOG_LEVEL_DEBUG);
    unload(&loaded);
}

Test(config, variables_of_a_kubernetes_service_called_weir_are_no_settings)
{
    const char *const environment[] = {"WEIR_PORT=tcp://10.0.0.1:9092",
                                       "WEIR_SERVICE_HOST=10.0.0.1", "WEIR_SERVICE_PORT_KAFKA=9092",
                                       "WEIR_PORT_9092_TCP_ADDR=10.0.0.1", NULL};
    struct loaded loaded =
        load_with((struct weir_config_options){.environment = environment}, NULL);
    cr_expect_eq(loaded.status, WEIR_OK);
    unload(&loaded);
}

Test(config, an_unknown_variable_is_refused_with_the_nearest_key)
{
    const char *const environment[] = {"WEIR_LOG_DIRZ=/x", NULL};
    struct loaded loaded =
        load_with((struct weir_config_options){.environment = environment}, NULL);
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM,
                                   "'log.dirz' is not a known key; the nearest one is 'log.dirs'"));
    unload(&loaded);
}

Test(config, an_override_needs_a_key_and_a_value)
{
    const char *const overrides[] = {"num.partitions", "=1"};
    struct loaded loaded =
        load_with((struct weir_config_options){.overrides = overrides, .override_count = 2}, NULL);
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_eq(loaded.remarks.problem_count, (size_t)2);
    unload(&loaded);
}

Test(config, a_file_that_is_not_there_is_named)
{
    struct weir_config_options options = {.file = "/nonexistent/server.properties"};
    struct loaded loaded = load_with(options, NULL);
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM, "/nonexistent/server.properties"));
    unload(&loaded);
}

Test(config, a_broken_line_is_named)
{
    refuse_text("log.dirs=/a\nnum.partitions=\\u1\n", "line 2");
}

Test(config, a_key_that_stands_twice_is_warned_about)
{
    struct loaded loaded = accept_text("log.dirs=/a\nnum.partitions=1\nnum.partitions=2\n");
    cr_expect_eq(loaded.config->num_partitions, 2);
    cr_expect_not_null(
        find_remark(&loaded, WEIR_CONFIG_WARNING, "'num.partitions' is set more than once"));
    unload(&loaded);
}

Test(config, all_problems_are_told_at_once)
{
    struct loaded loaded =
        load_text("num.partitions=x\nmessage.max.bytes=-1\nfoo=1\nlog.dirs=/a\n");
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_eq(loaded.remarks.problem_count, (size_t)3);
    unload(&loaded);
}

Test(config, too_many_keys_are_refused)
{
    struct weir_buf text = {0};
    for (int i = 0; i < 5000; i++)
        weir_buf_printf(&text, "super.users%d=1\n", i);
    weir_buf_append(&text, "", 1);
    struct loaded loaded = load_text((const char *)text.data);
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM, "is one too many"));
    cr_expect_leq(loaded.remarks.count, (size_t)201);
    unload(&loaded);
    weir_buf_done(&text);
}

Test(config, garbage_from_a_file_cannot_break_a_sentence)
{
    struct loaded loaded = load_text("a\\u001b[31mb\\nc=1\nlog.dirs=/a\n");
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    for (size_t i = 0; i < loaded.remarks.count; i++) {
        for (const char *at = loaded.remarks.items[i].text; *at != '\0'; at++)
            cr_expect_geq((unsigned char)*at, ' ');
    }
    unload(&loaded);
}

Test(config, ephemeral_has_its_own_directory_and_a_free_port)
{
    struct weir_config_options options = {.ephemeral_dir = "/tmp/e"};
    struct loaded loaded = load_with(options, "log.dirs=/file\nmetadata.log.dir=/m\nlog.dir=/x\n");
    cr_assert_eq(loaded.status, WEIR_OK);
    cr_expect_str_eq(loaded.config->log_dirs[0], "/tmp/e");
    cr_expect_eq(loaded.config->log_dir_count, (size_t)1);
    cr_expect_str_eq(loaded.config->metadata_log_dir, "/tmp/e");
    cr_expect_str_eq(loaded.config->listeners[0].host, "127.0.0.1");
    cr_expect_eq(loaded.config->listeners[0].port, 0);
    cr_expect(loaded.config->is_ephemeral);
    unload(&loaded);
}

Test(config, ephemeral_and_an_override_of_log_dirs_contradict_each_other)
{
    const char *const overrides[] = {"log.dirs=/x"};
    struct weir_config_options options = {
        .ephemeral_dir = "/tmp/e", .overrides = overrides, .override_count = 1};
    struct loaded loaded = load_with(options, NULL);
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    cr_expect_not_null(find_remark(&loaded, WEIR_CONFIG_PROBLEM, "--ephemeral"));
    unload(&loaded);
}

Test(config, ephemeral_keeps_a_listener_that_was_asked_for)
{
    const char *const overrides[] = {"listeners=PLAINTEXT://127.0.0.1:19092"};
    struct weir_config_options options = {
        .ephemeral_dir = "/tmp/e", .overrides = overrides, .override_count = 1};
    struct loaded loaded = load_with(options, NULL);
    cr_assert_eq(loaded.status, WEIR_OK);
    cr_expect_eq(loaded.config->listeners[0].port, 19092);
    unload(&loaded);
}

Test(config, statics_are_sorted_and_hold_what_weir_chose)
{
    struct loaded loaded = accept_text("log.dirs=/a\nbroker.rack=r1\n");
    for (size_t i = 1; i < loaded.config->statics.count; i++)
        cr_expect_lt(strcmp(loaded.config->statics.entries[i - 1].name,
                            loaded.config->statics.entries[i].name),
                     0);
    cr_expect_str_eq(static_value(&loaded, "broker.rack"), "r1");
    cr_expect_str_eq(static_value(&loaded, "broker.id"), "1");
    cr_expect_str_eq(static_value(&loaded, "offsets.topic.replication.factor"), "1");
    cr_expect_null(static_value(&loaded, "num.partitions"));
    unload(&loaded);
}

Test(config, network_threads_follow_the_cores_up_to_eight)
{
    struct loaded loaded = load_with((struct weir_config_options){.core_count = 64}, NULL);
    cr_expect_eq(loaded.config->network_threads, 8);
    unload(&loaded);
    loaded = load_with((struct weir_config_options){.core_count = 64},
                       "log.dirs=/a\nnum.network.threads=3\n");
    cr_expect_eq(loaded.config->network_threads, 3);
    unload(&loaded);
}

Test(config, no_memory_at_any_allocation_is_a_status)
{
    bool was_ok = false;
    for (long i = 0; i < 2000 && !was_ok; i++) {
        struct weir_config_remarks remarks;
        struct weir_config *config = NULL;
        const char *const overrides[] = {"log.dirs=/a", "num.partitions=x1",
                                         "listeners=PLAINTEXT://:0"};
        const struct weir_config_options options = {
            .env = weir_env_posix(), .overrides = overrides, .override_count = 3};
        weir_config_remarks_init(&remarks);
        weir_memory_fail_after(i);
        enum weir_status status = weir_config_load(&options, &config, &remarks);
        weir_memory_fail_after(-1);
        cr_expect(status == WEIR_NO_MEMORY || status == WEIR_INVALID_CONFIG);
        was_ok = status == WEIR_INVALID_CONFIG;
        weir_config_free(config);
        weir_config_remarks_done(&remarks);
    }
    cr_expect(was_ok);
}
