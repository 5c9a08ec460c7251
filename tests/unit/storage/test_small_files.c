/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/runtime/file_util.h"
#include "weir/storage/checkpoint.h"
#include "weir/storage/meta_properties.h"
#include "weir/storage/partition_metadata.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static char dir[64];
static struct weir_env *env;

static void start(void)
{
    env = weir_env_posix();
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-small-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void stop(void)
{
    cr_assert_eq(weir_dir_remove_all(env, dir, NULL), WEIR_OK);
}

TestSuite(small_files, .init = start, .fini = stop);

static const char *path_of(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text)
{
    cr_assert_eq(weir_file_replace(env, path_of(name), weir_slice_str(text), NULL), WEIR_OK);
}

static void expect(const char *name, const char *text)
{
    struct weir_buf bytes = {0};
    cr_assert_eq(weir_file_read_all(env, path_of(name), 10000, &bytes, NULL), WEIR_OK);
    cr_assert(weir_slice_is(weir_buf_slice(&bytes), text), "%.*s",
              WEIR_SLICE_ARGS(weir_buf_slice(&bytes)));
    weir_buf_done(&bytes);
}

Test(small_files, offset_checkpoints_are_apache_kafkas_and_come_back)
{
    struct weir_offset_checkpoint checkpoint = {0};
    struct weir_topic_partition key;
    int64_t offset;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("t"), 7, &key), WEIR_OK);
    cr_assert_eq(weir_offset_checkpoint_add(&checkpoint, &key, INT64_MAX), WEIR_OK);
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("a.b-c"), 0, &key), WEIR_OK);
    cr_assert_eq(weir_offset_checkpoint_add(&checkpoint, &key, 12), WEIR_OK);
    cr_assert_eq(weir_offset_checkpoint_write(env, path_of("c"), &checkpoint, NULL), WEIR_OK);
    expect("c", "0\n2\nt 7 9223372036854775807\na.b-c 0 12\n");
    weir_offset_checkpoint_done(&checkpoint);
    cr_assert_eq(weir_offset_checkpoint_read(env, path_of("c"), &checkpoint, NULL), WEIR_OK);
    weir_offset_checkpoint_sort(&checkpoint);
    cr_assert(weir_offset_checkpoint_find(&checkpoint, &key, &offset));
    cr_assert_eq(offset, 12);
    key.partition = 1;
    cr_assert(!weir_offset_checkpoint_find(&checkpoint, &key, &offset));
    weir_offset_checkpoint_done(&checkpoint);
}

Test(small_files, a_missing_or_empty_checkpoint_has_no_entries_and_a_wrong_one_is_corrupt)
{
    static const char *const wrong[] = {"1\n0\n",
                                        "0\n",
                                        "0\n2\nt 0 1\n",
                                        "0\n1\nt 0\n",
                                        "0\n1\nt 0 x\n",
                                        "0\n0\nt 0 1\n",
                                        "0\n1\nt 0 1 2\n",
                                        "junk",
                                        "0\n-1\n",
                                        "0\n1\n/ 0 1\n",
                                        "0\n1\nt 99999999999 1\n",
                                        "0\n1\nt 0 9223372036854775808\n"};
    struct weir_offset_checkpoint checkpoint;
    cr_assert_eq(weir_offset_checkpoint_read(env, path_of("none"), &checkpoint, NULL), WEIR_OK);
    cr_assert_eq(checkpoint.count, 0);
    put("c", "");
    cr_assert_eq(weir_offset_checkpoint_read(env, path_of("c"), &checkpoint, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        put("c", wrong[i]);
        cr_assert_eq(weir_offset_checkpoint_read(env, path_of("c"), &checkpoint, NULL),
                     WEIR_CORRUPT, "%s", wrong[i]);
        cr_assert_eq(checkpoint.count, 0);
    }
}

Test(small_files, partition_metadata_is_43_bytes_without_a_newline)
{
    struct weir_uuid id = weir_uuid_small(77);
    struct weir_uuid back;
    cr_assert_eq(weir_partition_metadata_read(env, dir, &back, NULL), WEIR_NOT_FOUND);
    cr_assert_eq(weir_partition_metadata_write(env, dir, id, NULL), WEIR_OK);
    expect("partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAATQ");
    cr_assert_eq(weir_partition_metadata_read(env, dir, &back, NULL), WEIR_OK);
    cr_assert(weir_uuid_equal(id, back));
    put("partition.metadata", "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAATQ");
    cr_assert_eq(weir_partition_metadata_read(env, dir, &back, NULL), WEIR_CORRUPT);
    put("partition.metadata", "version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA");
    cr_assert_eq(weir_partition_metadata_read(env, dir, &back, NULL), WEIR_CORRUPT);
}

Test(small_files, meta_properties_are_read_as_java_writes_them)
{
    struct weir_meta_properties properties;
    cr_assert_eq(weir_meta_properties_read(env, dir, &properties, NULL), WEIR_NOT_FOUND);
    put("meta.properties",
        "#\n#Sat Nov 21 05:00:00 UTC 2026\nnode.id=3\ndirectory.id=AAAAAAAAAAAAAAAAAAAATQ\n"
        "version = 1\ncluster.id: abc\n");
    cr_assert_eq(weir_meta_properties_read(env, dir, &properties, NULL), WEIR_OK);
    cr_assert_eq(properties.node_id, 3);
    cr_assert_str_eq(properties.cluster_id, "abc");
    cr_assert(weir_uuid_equal(properties.directory_id, weir_uuid_small(77)));
    cr_assert_eq(weir_meta_properties_write(env, dir, &properties, NULL), WEIR_OK);
    struct weir_meta_properties back;
    cr_assert_eq(weir_meta_properties_read(env, dir, &back, NULL), WEIR_OK);
    cr_assert_eq(memcmp(&properties, &back, sizeof(back)), 0);
    put("meta.properties", "version=0\nbroker.id=1\n");
    cr_assert_eq(weir_meta_properties_read(env, dir, &properties, NULL), WEIR_UNSUPPORTED);
    put("meta.properties", "version=1\nnode.id=1\n");
    cr_assert_eq(weir_meta_properties_read(env, dir, &properties, NULL), WEIR_CORRUPT);
}

Test(small_files, the_clean_marker_is_30_bytes_and_tells_the_epoch)
{
    int64_t epoch = 0;
    cr_assert_eq(weir_clean_marker_read(env, dir, &epoch, NULL), WEIR_NOT_FOUND);
    cr_assert_eq(weir_clean_marker_write(env, dir, 12, NULL), WEIR_OK);
    expect(".kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":12}");
    cr_assert_eq(weir_clean_marker_read(env, dir, &epoch, NULL), WEIR_OK);
    cr_assert_eq(epoch, 12);
    put(".kafka_cleanshutdown", "");
    cr_assert_eq(weir_clean_marker_read(env, dir, &epoch, NULL), WEIR_OK);
    cr_assert_eq(epoch, -1);
    cr_assert_eq(weir_clean_marker_remove(env, dir, NULL), WEIR_OK);
    cr_assert_eq(weir_clean_marker_remove(env, dir, NULL), WEIR_OK);
}

Test(small_files, directory_names_are_taken_apart_strictly)
{
    static const char *const wrong[] = {"",
                                        "t",
                                        "t-",
                                        "-1",
                                        "t-x",
                                        "t-1 ",
                                        "a b-0",
                                        "..-0",
                                        "t-99999999999",
                                        "lost+found",
                                        "t-1.abc-delete",
                                        "t-0.0123456789ABCDEF0123456789abcdef-delete"};
    struct weir_topic_partition key;
    enum weir_partition_dir_kind kind;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(weir_partition_dir_parse(weir_slice_str(wrong[i]), &key, &kind), WEIR_INVALID,
                     "%s", wrong[i]);
    cr_assert_eq(weir_partition_dir_parse(WEIR_SLICE("a-b-12"), &key, &kind), WEIR_OK);
    cr_assert_str_eq(key.topic, "a-b");
    cr_assert_eq(key.partition, 12);
    cr_assert_eq(kind, WEIR_PARTITION_DIR_CURRENT);
}

Test(small_files, names_of_deleted_directories_stay_within_255_bytes)
{
    char name[WEIR_PARTITION_DIR_BYTES];
    char topic[WEIR_TOPIC_BYTES_MAX + 1];
    struct weir_topic_partition key;
    enum weir_partition_dir_kind kind;
    memset(topic, 'x', sizeof(topic));
    cr_assert_eq(
        weir_topic_partition_make(weir_slice_of(topic, WEIR_TOPIC_BYTES_MAX), 123456, &key),
        WEIR_OK);
    cr_assert_eq(weir_topic_partition_make(weir_slice_of(topic, WEIR_TOPIC_BYTES_MAX + 1), 0, &key),
                 WEIR_INVALID);
    weir_partition_dir_name_of_kind(&key, WEIR_PARTITION_DIR_STRAY, weir_uuid_small(5), name);
    cr_assert_eq(strlen(name), 255);
    cr_assert_eq(weir_partition_dir_parse(weir_slice_str(name), &key, &kind), WEIR_OK);
    cr_assert_eq(kind, WEIR_PARTITION_DIR_STRAY);
    cr_assert_eq(key.partition, 123456);
}
