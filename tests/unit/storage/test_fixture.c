/* SPDX-License-Identifier: Apache-2.0 */

/* A log directory that Apache Kafka 4.3.0 closed cleanly opens with the figures its description
 * gives (reference F.4). Skipped where the fixtures do not lie beside the source. */

#include "weir/base/memory.h"
#include "weir/record/batch.h"
#include "weir/runtime/env.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/log_manager.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[256];
static char log_dir[300];

static bool unpack(void)
{
    char archive[4096];
    char command[9000];
    const char *end = strstr(__FILE__, "tests/unit/storage/");
    if (end == NULL)
        return false;
    (void)snprintf(archive, sizeof(archive), "%.*s../shared/fixtures/kafka-4.3.0-log-dirs.tgz",
                   (int)(end - __FILE__), __FILE__);
    if (access(archive, R_OK) != 0)
        return false;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-fixture-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(command, sizeof(command), "tar -xzf '%s' -C '%s'", archive, dir);
    cr_assert_eq(system(command), 0);
    (void)snprintf(log_dir, sizeof(log_dir), "%s/disk-base", dir);
    return true;
}

static void stop(void)
{
    if (dir[0] != '\0')
        cr_assert_eq(weir_dir_remove_all(weir_env_posix(), dir, NULL), WEIR_OK);
}

static struct weir_log_manager *open_manager(void)
{
    struct weir_meta_properties properties;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_meta_properties_read(weir_env_posix(), log_dir, &properties, &detail),
                 WEIR_OK, "%s", detail.text);
    const char *const dirs[] = {log_dir};
    struct weir_log_manager_options options = {.env = weir_env_posix(),
                                               .dirs = dirs,
                                               .dir_count = 1,
                                               .cluster_id = properties.cluster_id,
                                               .node_id = properties.node_id,
                                               .defaults = weir_log_config_default()};
    /* The fixture's producers are old by now. */
    options.defaults.producer_id_expiration_ms = INT64_MAX;
    struct weir_log_manager *manager = NULL;
    enum weir_status status = weir_log_manager_open(&options, &manager, &detail);
    cr_assert_eq(status, WEIR_OK, "%s", detail.text);
    struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result result;
    status = weir_log_manager_load(manager, &load, &result, &detail);
    cr_assert_eq(status, WEIR_OK, "%s", detail.text);
    return manager;
}

static struct weir_partition_log *get(struct weir_log_manager *manager, const char *topic,
                                      int32_t partition)
{
    struct weir_topic_partition key;
    cr_assert_eq(weir_topic_partition_make(weir_slice_str(topic), partition, &key), WEIR_OK);
    struct weir_partition_log *log = weir_log_manager_get(manager, &key);
    cr_assert_not_null(log, "%s-%d", topic, partition);
    return log;
}

TestSuite(fixture, .fini = stop);

Test(fixture, offsets_and_stable_offsets_are_apache_kafkas)
{
    if (!unpack())
        cr_skip_test("no fixtures beside the source");
    struct weir_log_manager *manager = open_manager();
    struct weir_log_dir_info info;
    weir_log_manager_dir(manager, 0, &info);
    cr_assert(info.was_clean);
    cr_assert(!info.is_offline);
    cr_assert_gt(weir_log_manager_previous_broker_epoch(manager), -1);
    struct weir_partition_log *log = get(manager, "ty", 0);
    struct weir_partition_log_offsets offsets;
    weir_partition_log_offsets(log, &offsets);
    cr_assert_eq(offsets.log_end_offset, 9);
    cr_assert_eq(offsets.last_stable_offset, 8);
    cr_assert_eq(offsets.high_watermark, 9);
    struct weir_aborted_txn *aborted = NULL;
    size_t count = 0;
    cr_assert_eq(weir_partition_log_aborted_txns(log, 0, 9, &aborted, &count, NULL), WEIR_OK);
    cr_assert_gt(count, 0);
    weir_free(aborted);
    weir_partition_log_unref(log);
    weir_log_manager_free(manager);
}

/* Data offsets that a read_committed consumer of "ty" sees. */
Test(fixture, read_committed_sees_what_apache_kafka_shows)
{
    if (!unpack())
        cr_skip_test("no fixtures beside the source");
    struct weir_log_manager *manager = open_manager();
    struct weir_partition_log *log = get(manager, "ty", 0);
    struct weir_log_read_options options = {.bytes_max = 1 << 20,
                                            .limit = WEIR_LOG_READ_TO_LAST_STABLE,
                                            .min_one_batch = true,
                                            .with_aborted_txns = true};
    struct weir_log_read read;
    struct weir_buf bytes = {0};
    cr_assert_eq(weir_partition_log_read(log, &options, &read, NULL), WEIR_OK);
    cr_assert_eq(weir_log_read_copy(weir_env_posix(), &read, &bytes, NULL), WEIR_OK);
    struct weir_batch_iter iter;
    struct weir_batch batch;
    int64_t seen[16];
    size_t count = 0;
    weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        bool is_aborted = false;
        for (size_t i = 0; i < read.aborted_count; i++)
            is_aborted = is_aborted || (read.aborted[i].producer_id == batch.producer_id &&
                                        read.aborted[i].first_offset <= batch.base_offset &&
                                        batch.base_offset <= read.aborted[i].last_offset);
        if (!weir_batch_is_control(&batch) && !is_aborted)
            seen[count++] = batch.base_offset;
    }
    cr_assert_eq(count, 2);
    cr_assert_eq(seen[0], 0);
    cr_assert_eq(seen[1], 4);
    weir_buf_done(&bytes);
    weir_log_read_done(&read);
    weir_partition_log_unref(log);
    weir_log_manager_free(manager);
}

Test(fixture, an_unclean_start_rebuilds_the_same)
{
    if (!unpack())
        cr_skip_test("no fixtures beside the source");
    struct weir_log_manager *clean = open_manager();
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    cr_assert_eq(weir_log_manager_list(clean, &logs, &count), WEIR_OK);
    struct weir_partition_log_offsets *before = calloc(count, sizeof(*before));
    for (size_t i = 0; i < count; i++)
        weir_partition_log_offsets(logs[i], &before[i]);
    char command[1024];
    /* As the paranoid hand-over leaves it: no marker (it is gone already), no indexes, no
     * snapshots, no checkpoint. */
    (void)snprintf(command, sizeof(command),
                   "cd '%s' && rm -f */*.index */*.timeindex */*.txnindex */*.snapshot "
                   "*/leader-epoch-checkpoint "
                   "recovery-point-offset-checkpoint",
                   log_dir);
    cr_assert_eq(system(command), 0);
    const struct weir_topic_partition *keys[64];
    for (size_t i = 0; i < count; i++)
        keys[i] = weir_partition_log_key(logs[i]);
    struct weir_log_manager *unclean = NULL;
    /* The lock is this process's own, so the same directory can be opened again here. */
    unclean = open_manager();
    for (size_t i = 0; i < count; i++) {
        struct weir_partition_log *log = weir_log_manager_get(unclean, keys[i]);
        struct weir_partition_log_offsets after;
        cr_assert_not_null(log);
        weir_partition_log_offsets(log, &after);
        cr_assert_eq(after.log_end_offset, before[i].log_end_offset, "%s-%d", keys[i]->topic,
                     keys[i]->partition);
        cr_assert_eq(after.last_stable_offset, before[i].last_stable_offset, "%s-%d",
                     keys[i]->topic, keys[i]->partition);
        weir_partition_log_unref(log);
    }
    for (size_t i = 0; i < count; i++)
        weir_partition_log_unref(logs[i]);
    weir_free(logs);
    free(before);
    weir_log_manager_free(unclean);
    weir_log_manager_free(clean);
}

Test(fixture, every_record_of_every_codec_is_read)
{
    if (!unpack())
        cr_skip_test("no fixtures beside the source");
    struct weir_log_manager *manager = open_manager();
    struct weir_partition_log **logs = NULL;
    size_t count = 0;
    unsigned codecs = 0;
    cr_assert_eq(weir_log_manager_list(manager, &logs, &count), WEIR_OK);
    cr_assert_gt(count, 10);
    for (size_t i = 0; i < count; i++) {
        int64_t next = weir_partition_log_start_offset(logs[i]);
        while (next < weir_partition_log_end_offset(logs[i])) {
            struct weir_log_read_options options = {
                .offset = next, .bytes_max = 4096, .min_one_batch = true};
            struct weir_log_read read;
            struct weir_buf bytes = {0};
            struct weir_batch batch;
            cr_assert_eq(weir_partition_log_read(logs[i], &options, &read, NULL), WEIR_OK);
            cr_assert_eq(weir_log_read_copy(weir_env_posix(), &read, &bytes, NULL), WEIR_OK);
            cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_OK);
            cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
            struct weir_record_iter *records = NULL;
            struct weir_record record;
            cr_assert_eq(weir_record_iter_new(&batch, NULL, &records, NULL), WEIR_OK);
            enum weir_status status;
            while ((status = weir_record_iter_next(records, &record, NULL)) == WEIR_OK)
                cr_assert(record.offset >= batch.base_offset && record.offset <= batch.last_offset);
            cr_assert_eq(status, WEIR_NOT_FOUND);
            codecs |= 1U << (batch.attributes & WEIR_BATCH_CODEC_MASK);
            next = batch.last_offset + 1;
            weir_record_iter_free(records);
            weir_buf_done(&bytes);
            weir_log_read_done(&read);
        }
        weir_partition_log_unref(logs[i]);
    }
    weir_free(logs);
    weir_log_manager_free(manager);
    cr_assert_eq(codecs & 0x1fU, 0x1f, "codecs seen: %x", codecs);
}
