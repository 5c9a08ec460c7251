/* SPDX-License-Identifier: Apache-2.0 */
/* links: storage record runtime base */

/*
 * A partition directory as a bad day leaves it.  Input: byte 0 flags (1: clean marker, 2: put the
 * checksums right, 4: the rest is split), then for a split input two lengths (uint16 each) of
 * .index and .snapshot, these, and the .log.  Open must end in a status; what it opens must be
 * readable from start to end, append, close, and open again with the same log end offset.
 */

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_log.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_file(const char *dir, const char *name, struct weir_slice bytes)
{
    char path[256];
    struct weir_file *file = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (weir_file_open(weir_env_posix(), path,
                       WEIR_OPEN_WRITE | WEIR_OPEN_CREATE | WEIR_OPEN_TRUNCATE, &file,
                       NULL) != WEIR_OK)
        abort();
    if (bytes.size > 0 && weir_file_write_at(weir_env_posix(), file, &bytes, 1, 0, NULL) != WEIR_OK)
        abort();
    weir_file_close(weir_env_posix(), file);
}

static void fix_checksums(uint8_t *bytes, size_t size)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    weir_batch_iter_init(&iter, weir_slice_of(bytes, size));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        size_t at = (size_t)(batch.bytes.data - bytes);
        if (batch.magic == 2)
            weir_put_u32(bytes + at + 17, weir_crc32c(bytes + at + 21, batch.bytes.size - 21));
    }
}

/* Each read must bring the offset forward. */
static void read_all(struct weir_partition_log *log)
{
    int64_t next = weir_partition_log_start_offset(log);
    int64_t end = weir_partition_log_end_offset(log);
    while (next < end) {
        struct weir_log_read_options options = {.offset = next,
                                                .bytes_max = 4096,
                                                .limit = WEIR_LOG_READ_TO_LOG_END,
                                                .min_one_batch = true,
                                                .with_aborted_txns = true};
        struct weir_log_read read;
        struct weir_buf bytes = {0};
        struct weir_batch batch;
        if (weir_partition_log_read(log, &options, &read, NULL) != WEIR_OK)
            return; /* a sealed part that is damaged; told as a status */
        enum weir_status status = weir_log_read_copy(weir_env_posix(), &read, &bytes, NULL);
        WEIR_ASSERT(status == WEIR_OK);
        if (read.range.size > 0) {
            status = weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL);
            WEIR_ASSERT(status == WEIR_OK);
            WEIR_ASSERT(batch.last_offset >= next);
            next = batch.last_offset + 1;
        } else {
            next = end;
        }
        weir_buf_done(&bytes);
        weir_log_read_done(&read);
    }
}

static void append_one(struct weir_partition_log *log)
{
    struct weir_buf bytes = {0};
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_data record = {.timestamp = 1, .value = WEIR_SLICE("v")};
    struct weir_checked_batch checked;
    struct weir_log_append_options append = {.origin = WEIR_APPEND_CLIENT};
    struct weir_log_append_result result;
    if (weir_batch_builder_new(&options, &bytes, &builder) != WEIR_OK)
        abort();
    weir_batch_builder_add(builder, &record);
    if (weir_batch_builder_finish(builder) != WEIR_OK ||
        weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, NULL) != WEIR_OK)
        abort();
    int64_t end = weir_partition_log_end_offset(log);
    enum weir_status status = weir_partition_log_append(log, &checked, &append, &result, NULL);
    WEIR_ASSERT(status == WEIR_OK ? result.base_offset == end : status == WEIR_INVALID);
    weir_batch_builder_free(builder);
    weir_buf_done(&bytes);
}

static void open_and_use(struct weir_partition_log_options *options)
{
    struct weir_partition_log *log = NULL;
    if (weir_partition_log_open(options, &log, NULL, NULL) != WEIR_OK)
        return;
    read_all(log);
    struct weir_offset_and_time found;
    (void)!weir_partition_log_offset_for_timestamp(log, WEIR_TIMESTAMP_MAX, &found, NULL);
    (void)!weir_partition_log_offset_for_timestamp(log, 5, &found, NULL);
    append_one(log);
    int64_t end = weir_partition_log_end_offset(log);
    enum weir_status status = weir_partition_log_close(log, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    weir_partition_log_unref(log);
    options->was_clean = true;
    log = NULL;
    status = weir_partition_log_open(options, &log, NULL, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    WEIR_ASSERT(weir_partition_log_end_offset(log) == end);
    weir_partition_log_unref(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5)
        return 0;
    uint8_t flags = data[0];
    size_t at = 1;
    size_t index_bytes = 0;
    size_t snapshot_bytes = 0;
    if ((flags & 4) != 0) {
        index_bytes = weir_get_u16(data + 1);
        snapshot_bytes = weir_get_u16(data + 3);
        at = 5;
        if (index_bytes + snapshot_bytes > size - at)
            return 0;
    }
    char dir[] = "/tmp/weir-fuzz-XXXXXX";
    char log_dir[64];
    if (mkdtemp(dir) == NULL)
        abort();
    (void)snprintf(log_dir, sizeof(log_dir), "%s/t-0", dir);
    if (weir_dir_make_all(weir_env_posix(), log_dir, NULL) != WEIR_OK)
        abort();
    if (index_bytes > 0)
        put_file(log_dir, "00000000000000000000.index", weir_slice_of(data + at, index_bytes));
    at += index_bytes;
    if (snapshot_bytes > 0)
        put_file(log_dir, "00000000000000000003.snapshot",
                 weir_slice_of(data + at, snapshot_bytes));
    at += snapshot_bytes;
    uint8_t *log_bytes = weir_malloc(size - at + 1);
    if (log_bytes == NULL)
        abort();
    memcpy(log_bytes, data + at, size - at);
    if ((flags & 2) != 0)
        fix_checksums(log_bytes, size - at);
    put_file(log_dir, "00000000000000000000.log", weir_slice_of(log_bytes, size - at));
    weir_free(log_bytes);
    struct weir_partition_log_options options = weir_partition_log_options_default();
    options.env = weir_env_posix();
    options.dir = log_dir;
    options.was_clean = (flags & 1) != 0;
    options.config.index_interval_bytes = 100;
    if (weir_topic_partition_make(WEIR_SLICE("t"), 0, &options.key) != WEIR_OK)
        abort();
    open_and_use(&options);
    if (weir_dir_remove_all(weir_env_posix(), dir, NULL) != WEIR_OK)
        abort();
    return 0;
}
