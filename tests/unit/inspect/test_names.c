/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect_int.h"

#include <criterion/criterion.h>

Test(names, kinds_are_told_by_name)
{
    static const struct {
        const char *name;
        enum file_kind kind;
        int64_t offset; /* -1: none */
        int32_t epoch;  /* -1: none */
        const char *leftover;
    } cases[] = {
        {"00000000000000000042.log", FILE_LOG, 42, -1, ""},
        {"00000000000000000042.index", FILE_OFFSET_INDEX, 42, -1, ""},
        {"00000000000000000042.timeindex.deleted", FILE_TIME_INDEX, 42, -1, ".deleted"},
        {"00000000000000000042.txnindex.cleaned", FILE_TXN_INDEX, 42, -1, ".cleaned"},
        {"00000000000000000042.log.swap", FILE_LOG, 42, -1, ".swap"},
        {"00000000000000000042.snapshot", FILE_PRODUCER_SNAPSHOT, 42, -1, ""},
        {"00000000000000000042-0000000003.checkpoint", FILE_METADATA_SNAPSHOT, 42, 3, ""},
        {"00000000000000000042-0000000003.checkpoint.part", FILE_METADATA_SNAPSHOT, 42, 3, ".part"},
        {"bootstrap.checkpoint", FILE_METADATA_SNAPSHOT, -1, -1, ""},
        {"99999999999999999999.log", FILE_LOG, -1, -1, ""}, /* above 2^63 */
        {"12.log", FILE_LOG, -1, -1, ""},
        {"000000000000000000420.log", FILE_LOG, -1, -1, ""},
        {"replication-offset-checkpoint", FILE_OFFSET_CHECKPOINT, -1, -1, ""},
        {"replication-offset-checkpoint.tmp", FILE_OFFSET_CHECKPOINT, -1, -1, ".tmp"},
        {"leader-epoch-checkpoint", FILE_EPOCH_CHECKPOINT, -1, -1, ""},
        {"partition.metadata", FILE_PARTITION_METADATA, -1, -1, ""},
        {"meta.properties", FILE_META_PROPERTIES, -1, -1, ""},
        {"quorum-state", FILE_QUORUM_STATE, -1, -1, ""},
        {".kafka_cleanshutdown", FILE_CLEAN_MARKER, -1, -1, ""},
        {".lock", FILE_LOCK, -1, -1, ""},
        {"", FILE_UNKNOWN, -1, -1, ""},
        {"readme", FILE_UNKNOWN, -1, -1, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct file_name name;
        inspect_file_name_parse(cases[i].name, &name);
        cr_expect_eq(name.kind, cases[i].kind, "%s", cases[i].name);
        cr_expect_eq(name.has_offset ? name.offset : -1, cases[i].offset, "%s", cases[i].name);
        cr_expect_eq(name.has_epoch ? name.epoch : -1, cases[i].epoch, "%s", cases[i].name);
        cr_expect_str_eq(name.leftover, cases[i].leftover, "%s", cases[i].name);
    }
}

Test(names, the_directory_before_a_name)
{
    cr_expect(weir_slice_is(inspect_parent_name("a/b-0/c.log"), "b-0"));
    cr_expect(weir_slice_is(inspect_parent_name("b-0//c.log"), "b-0"));
    cr_expect(weir_slice_is(inspect_parent_name("c.log"), ""));
    cr_expect_str_eq(inspect_base_name("a/b-0/c.log"), "c.log");
    cr_expect_str_eq(inspect_base_name("c.log"), "c.log");
}
