/* SPDX-License-Identifier: Apache-2.0 */

/* Directories that Apache Kafka 4.3.0 left: nothing is wrong with them, and what they hold is
 * known.  Skipped where the fixtures do not lie beside the source. */

#include "weir/base/buf.h"
#include "weir/inspect/inspect.h"
#include "weir/runtime/file_util.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[256];
static struct weir_buf text;

static bool unpack(const char *name)
{
    char archive[4096];
    char command[9000];
    const char *end = strstr(__FILE__, "tests/unit/inspect/");
    if (end == NULL)
        return false;
    (void)snprintf(archive, sizeof(archive), "%.*s../shared/fixtures/%s", (int)(end - __FILE__),
                   __FILE__, name);
    if (access(archive, R_OK) != 0)
        return false;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-fixture-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    (void)snprintf(command, sizeof(command), "tar -xzf '%s' -C '%s'", archive, dir);
    cr_assert_eq(system(command), 0);
    return true;
}

static void stop(void)
{
    weir_buf_done(&text);
    if (dir[0] != '\0')
        cr_assert_eq(weir_dir_remove_all(weir_env_posix(), dir, NULL), WEIR_OK);
}

TestSuite(inspect_fixture, .fini = stop);

static bool keep(void *context, struct weir_slice line)
{
    (void)context;
    weir_buf_append_slice(&text, line);
    return true;
}

static const char *kept(void)
{
    weir_buf_append(&text, "", 1);
    text.size--;
    return (const char *)text.data;
}

static enum weir_inspect_result dump(const char *name, const char *topic)
{
    char path[512];
    const char *file = path;
    struct weir_dump_options options = {.env = weir_env_posix(),
                                        .files = &file,
                                        .file_count = 1,
                                        .topic = topic,
                                        .with_records = true,
                                        .write = keep};
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    weir_buf_clear(&text);
    return weir_dump(&options);
}

static void expect_words(const char *words)
{
    cr_expect_not_null(strstr(kept(), words), "no '%s' in %s", words, kept());
}

Test(inspect_fixture, a_directory_of_apache_kafka_has_no_fault)
{
    char path[512];
    if (!unpack("kafka-4.3.0-log-dirs.tgz"))
        return;
    (void)snprintf(path, sizeof(path), "%s/disk-base", dir);
    struct weir_verify_options options = {.env = weir_env_posix(), .dir = path, .write = keep};
    cr_expect_eq(weir_verify(&options), WEIR_INSPECT_SOUND, "%s", kept());
    cr_expect_str_eq(kept(), "19 partitions, 19 segments, 732 batches, 60652 bytes: 0 faults\n");
}

Test(inspect_fixture, files_of_apache_kafka_in_words)
{
    if (!unpack("kafka-4.3.0-log-dirs.tgz"))
        return;
    cr_expect_eq(dump("disk-base/ty-0/00000000000000000009.snapshot", NULL), WEIR_INSPECT_SOUND);
    expect_words("version 1, 3 producers, crc aa5ae895 ok\n"
                 "producer 1 epoch 2: last sequence 1, last offset 2, offset delta 0, last time "
                 "2026-11-21T02:41:33.302Z, coordinator epoch 0\n"
                 "producer 3 epoch 2: last sequence -1, last offset -1, offset delta 0, last time "
                 "2026-11-21T02:41:36.365Z, coordinator epoch 0\n"
                 "producer 4 epoch 0: last sequence 0, last offset 8, offset delta 0, last time "
                 "2026-11-21T02:41:38.487Z, coordinator epoch -1, open transaction since offset "
                 "8\n");
    cr_expect_eq(dump("disk-base/ty-0/00000000000000000000.txnindex", NULL), WEIR_INSPECT_SOUND);
    expect_words("producer 1 aborted offsets 2-3, last stable offset 4\n"
                 "producer 3 aborted offsets 6-7, last stable offset 8\n2 entries\n");
    cr_expect_eq(dump("disk-base/ty-0/00000000000000000000.timeindex", NULL), WEIR_INSPECT_SOUND);
    expect_words("timestamp 1795228898487 (2026-11-21T02:41:38.487Z), offset 8\n1 entries\n");
    cr_expect_eq(dump("disk-base/__consumer_offsets-3/00000000000000000000.log", NULL),
                 WEIR_INSPECT_SOUND);
    expect_words("OffsetCommit {group: \"g-classic\", topic: \"t2\", partition: 0} = {offset: 15, "
                 "leaderEpoch: 0, metadata: \"\", commitTimestamp: 1795228896771, topicId: "
                 "V75ybwxFT3u9PGzu-uhuZQ} (version 4)\n");
    expect_words("ConsumerGroupMetadata {GroupId: \"g-new\"} = {Epoch: 3, MetadataHash: 0} "
                 "(version 0)\n");
    expect_words("15 batches, 24 records, offsets 0-23\n");
    cr_expect_eq(dump("disk-base/__transaction_state-0/00000000000000000000.log", NULL),
                 WEIR_INSPECT_SOUND);
    expect_words("TransactionLog {TransactionalId: \"tid1\"} = {ProducerId: 1, ");
    cr_expect_eq(dump("disk-base/meta.properties", NULL), WEIR_INSPECT_SOUND);
    cr_expect_eq(dump("disk-base/__cluster_metadata-0/quorum-state", NULL), WEIR_INSPECT_SOUND);
}

Test(inspect_fixture, the_metadata_log_and_its_snapshots_in_words)
{
    static const char *const files[] = {
        "kraft_samples/metadata-log-4.3.0.log",
        "kraft_samples/bootstrap.checkpoint",
        "kraft_samples/00000000000000000000-0000000000.checkpoint",
        "kraft_samples/00000000000000002800-0000000007.checkpoint",
    };
    if (!unpack("kafka-4.3.0-metadata-log.tgz"))
        return;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        cr_expect_eq(dump(files[i], "__cluster_metadata"), WEIR_INSPECT_SOUND, "%s", files[i]);
        cr_expect_null(strstr(kept(), "unknown"), "%s", files[i]);
    }
    expect_words(": metadata snapshot, offset 2800, epoch 7\n");
    expect_words("SnapshotHeader {Version: 0, LastContainedLogTimestamp: ");
    expect_words("SnapshotFooter {Version: 0}\n");
}
