/* SPDX-License-Identifier: Apache-2.0 */
#include "config_fixture.h"

#define A "log.dirs=/a\n"

Test(config_values, kafkas_defaults_are_in_the_fields)
{
    struct loaded loaded = accept_text(A);
    const struct weir_config *config = loaded.config;
    cr_expect_eq(config->socket_request_bytes_max, 104857600);
    cr_expect_eq(config->socket_send_buffer_bytes, 102400);
    cr_expect_eq(config->socket_listen_backlog, 50);
    cr_expect_eq(config->connections_max, INT32_MAX);
    cr_expect_eq(config->connections_idle_ms_max, 600000);
    cr_expect_eq(config->request_timeout_ms, 30000);
    cr_expect_eq(config->message_bytes_max, 1048588);
    cr_expect_eq(config->fetch_bytes_max, 57671680);
    cr_expect_eq(config->fetch_session_slots_max, 1000);
    cr_expect_eq(config->flush_scheduler_interval_ms, INT64_MAX);
    cr_expect_eq(config->retention_check_interval_ms, 300000);
    cr_expect_eq(config->log_initial_task_delay_ms, 30000);
    cr_expect_eq(config->producer_id_expiration_ms, 86400000);
    cr_expect_eq(config->producer_id_expiration_check_interval_ms, 600000);
    cr_expect_eq(config->offsets_topic_partitions, 50);
    cr_expect_eq(config->offsets_topic_segment_bytes, 104857600);
    cr_expect_eq(config->offset_metadata_bytes_max, 4096);
    cr_expect_eq(config->group_session_timeout_ms_min, 6000);
    cr_expect_eq(config->group_session_timeout_ms_max, 1800000);
    cr_expect_eq(config->group_append_linger_ms, -1);
    cr_expect_eq(config->transaction_timeout_ms_max, 900000);
    cr_expect_eq(config->metadata_snapshot_bytes_max, 20971520);
    cr_expect_eq(config->metadata_retention_bytes, 104857600);
    cr_expect_eq(config->metadata_idle_interval_ms, 500);
    cr_expect(config->auto_create_topics);
    cr_expect(config->delete_topics);
    cr_expect(config->log_cleaner);
    cr_expect_eq(config->task_threads, 4);
    cr_expect_eq(config->log_dir_free_percent_min, 5);
    cr_expect_eq(config->queued_response_bytes_max, 268435456);
    unload(&loaded);
}

Test(config_values, the_request_budget_is_finite_unless_it_is_asked_not_to_be)
{
    struct loaded loaded = accept_text(A "socket.request.max.bytes=1000000000\n");
    cr_expect_eq(loaded.config->queued_request_bytes_max, 2000000000);
    unload(&loaded);
    loaded = accept_text(A "queued.max.request.bytes=-1\n");
    cr_expect_eq(loaded.config->queued_request_bytes_max, INT64_MAX);
    unload(&loaded);
    loaded = accept_text(A "queued.max.request.bytes=200000000\n");
    cr_expect_eq(loaded.config->queued_request_bytes_max, 200000000);
    unload(&loaded);
    refuse_text(A "queued.max.request.bytes=1000\n", "must be at least 'socket.request.max.bytes'");
}

Test(config_values, connection_limits_of_addresses_are_read)
{
    struct loaded loaded = accept_text(
        A "max.connections.per.ip=0\nmax.connections.per.ip.overrides=10.0.0.1:5, ::1:7,host:0\n");
    cr_assert_eq(loaded.config->ip_limit_count, (size_t)3);
    cr_expect_str_eq(loaded.config->ip_limits[1].host, "::1");
    cr_expect_eq(loaded.config->ip_limits[1].connections_max, 7);
    unload(&loaded);
    refuse_text(A "max.connections.per.ip=0\n", "'max.connections.per.ip' can be 0 only");
    refuse_text(A "max.connections.per.ip.overrides=10.0.0.1\n", "address:count");
    refuse_text(A "max.connections.per.ip.overrides=a:-1\n", "address:count");
}

Test(config_values, keys_that_contradict_each_other_are_refused)
{
    refuse_text(
        A "replica.fetch.wait.max.ms=31000\nreplica.lag.time.max.ms=40000\n",
        "'replica.fetch.wait.max.ms' (31000) must be at most 'replica.socket.timeout.ms' (30000)");
    refuse_text(A "group.consumer.session.timeout.ms=44999\n",
                "'group.consumer.min.session.timeout.ms'");
    refuse_text(A "group.consumer.max.heartbeat.interval.ms=60000\ngroup.consumer.heartbeat."
                  "interval.ms=45000\n",
                "must be less than");
    refuse_text(A "log.cleaner.min.compaction.lag.ms=10\nlog.cleaner.max.compaction.lag.ms=5\n",
                "log.cleaner.max.compaction.lag.ms");
    refuse_text(A "log.cleaner.dedupe.buffer.size=1048576\n", "1 MB");
    refuse_text(A "connections.max.idle.ms=100\n", "connection.failed.authentication.delay.ms");
    refuse_text(A "group.coordinator.rebalance.protocols=consumer\n", "must contain classic");
    refuse_text(A "offsets.topic.compression.codec=5\n", "offsets.topic.compression.codec");
}

Test(config_values, times_of_the_log_follow_their_most_specific_key)
{
    refuse_text(A "log.retention.ms=0\n", "log.retention.ms");
    refuse_text(A "log.retention.minutes=0\n", "log.retention.ms");
    refuse_text(A "log.roll.ms=0\n", "log.roll.ms");
    refuse_text(A "log.roll.jitter.ms=-1\n", "log.roll.jitter.ms");
    struct loaded loaded =
        accept_text(A "log.retention.ms=-1\nlog.retention.hours=0\nlog.roll.hours=1\n");
    unload(&loaded);
}

Test(config_values, more_replicas_than_brokers_are_warned_about)
{
    struct loaded loaded = accept_text(A "offsets.topic.replication.factor=3\n");
    cr_expect_eq(loaded.config->offsets_topic_replication_factor, 3);
    cr_expect_not_null(
        find_remark(&loaded, WEIR_CONFIG_WARNING, "'offsets.topic.replication.factor=3'"));
    unload(&loaded);
}

Test(config_values, a_replication_factor_that_no_message_can_hold_is_refused)
{
    struct loaded loaded = load_text(A "default.replication.factor=40000\n");
    cr_expect_eq(loaded.status, WEIR_INVALID_CONFIG);
    unload(&loaded);
}

Test(config_values, an_empty_log_dirs_is_refused)
{
    refuse_text("log.dirs=\n", "'log.dirs' must name at least one directory");
    refuse_text("log.dirs=/a,/a\n", "log.dirs");
}

Test(config_values, each_log_directory_has_a_thread_for_moves_unless_another_number_is_given)
{
    struct loaded loaded = accept_text(A "log.dirs=/a,/b,/c\n");
    cr_expect_eq(loaded.config->log_move_threads, 3);
    unload(&loaded);
    loaded = accept_text(A "log.dirs=/a,/b,/c\nnum.replica.alter.log.dirs.threads=2\n");
    cr_expect_eq(loaded.config->log_move_threads, 2);
    unload(&loaded);
    refuse_text(A "num.replica.alter.log.dirs.threads=0\n", "num.replica.alter.log.dirs.threads");
}

Test(config_values, weirs_own_keys_are_read_and_checked)
{
    struct loaded loaded = accept_text(
        A "weir.cluster.id=abc\nweir.port.file=/p\nweir.log.level=warn\nweir.task.threads=2\n"
          "weir.log.dir.free.percent.min=0\nweir.open.segment.files.max=77\n"
          "weir.segment.index.cache.bytes=4096\nnum.recovery.threads.per.data.dir=5\n"
          "weir.queued.max.response.bytes=1048576\n");
    cr_expect_str_eq(loaded.config->cluster_id, "abc");
    cr_expect_str_eq(loaded.config->port_file, "/p");
    cr_expect_eq(loaded.config->log_level, WEIR_LOG_LEVEL_WARN);
    cr_expect_eq(loaded.config->task_threads, 2);
    cr_expect_eq(loaded.config->log_dir_free_percent_min, 0);
    cr_expect_eq(loaded.config->queued_response_bytes_max, 1048576);
    cr_expect_eq(loaded.config->open_segment_files_max, 77);
    cr_expect_eq(loaded.config->segment_index_cache_bytes, 4096);
    cr_expect_eq(loaded.config->recovery_threads_per_data_dir, 5);
    unload(&loaded);
    refuse_text(A "weir.open.segment.files.max=-1\n", "weir.open.segment.files.max");
    refuse_text(A "weir.segment.index.cache.bytes=0\n", "weir.segment.index.cache.bytes");
    refuse_text(A "weir.log.level=loud\n", "weir.log.level");
    refuse_text(A "weir.task.threads=0\n", "weir.task.threads");
}
