/* SPDX-License-Identifier: Apache-2.0 */

/* One thread appends, one flushes, rolls and deletes, two read: every read is whole, in order and
 * below its limit; once more with a cache that keeps nothing open.  A plain program, so that it
 * runs under ThreadSanitizer. */

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCHES = 3000, READERS = 2 };

struct shared {
    struct weir_partition_log *log;
    atomic_bool is_done;
    atomic_long reads;
};

static void check(enum weir_status status, const char *what)
{
    if (status != WEIR_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, weir_status_name(status));
        abort();
    }
}

static void *append_loop(void *context)
{
    struct shared *shared = context;
    for (int i = 0; i < BATCHES; i++) {
        struct weir_buf bytes = {0};
        struct weir_batch_builder *builder = NULL;
        struct weir_batch_builder_options options = weir_batch_builder_options_default();
        struct weir_checked_batch checked;
        struct weir_log_append_options append = {.origin = WEIR_APPEND_CLIENT,
                                                 .leader_epoch = i / 500};
        struct weir_log_append_result result;
        check(weir_batch_builder_new(&options, &bytes, &builder), "builder");
        for (int r = 0; r <= i % 7; r++) {
            struct weir_record_data record = {.timestamp = i, .value = WEIR_SLICE("some value")};
            weir_batch_builder_add(builder, &record);
        }
        check(weir_batch_builder_finish(builder), "finish");
        check(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, NULL), "own");
        check(weir_partition_log_append(shared->log, &checked, &append, &result, NULL), "append");
        if (i % 3 == 0)
            (void)weir_partition_log_set_high_watermark(shared->log, result.last_offset + 1);
        weir_batch_builder_free(builder);
        weir_buf_done(&bytes);
    }
    atomic_store(&shared->is_done, true);
    return NULL;
}

static void *upkeep_loop(void *context)
{
    struct shared *shared = context;
    while (!atomic_load(&shared->is_done)) {
        struct weir_log_retention_result result;
        struct weir_offset_and_time found;
        int64_t log_start;
        check(weir_partition_log_flush(shared->log, true, NULL), "flush");
        int64_t high_watermark = weir_partition_log_high_watermark(shared->log);
        check(weir_partition_log_delete_records(shared->log, high_watermark / 2, &log_start),
              "delete records");
        check(weir_partition_log_retain(shared->log, &result, NULL), "retain");
        (void)weir_partition_log_size(shared->log);
        enum weir_status status =
            weir_partition_log_offset_for_timestamp(shared->log, WEIR_TIMESTAMP_MAX, &found, NULL);
        WEIR_ASSERT(status == WEIR_OK || status == WEIR_NOT_FOUND);
    }
    return NULL;
}

static void check_range(const struct weir_log_read *read, int64_t offset)
{
    struct weir_buf bytes = {0};
    struct weir_batch_iter iter;
    struct weir_batch batch;
    check(weir_log_read_copy(weir_env_posix(), read, &bytes, NULL), "copy");
    weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        check(weir_batch_check(&batch, NULL), "batch");
        WEIR_ASSERT(batch.last_offset >= offset);
        WEIR_ASSERT(batch.last_offset < read->offsets.high_watermark);
        offset = batch.last_offset + 1;
    }
    weir_buf_done(&bytes);
}

static void *read_loop(void *context)
{
    struct shared *shared = context;
    uint64_t seed = 1;
    while (!atomic_load(&shared->is_done)) {
        struct weir_partition_log_offsets offsets;
        struct weir_log_read read;
        weir_partition_log_offsets(shared->log, &offsets);
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        int64_t span = offsets.log_end_offset - offsets.log_start_offset + 1;
        struct weir_log_read_options options = {.offset = offsets.log_start_offset +
                                                          (int64_t)((seed >> 33) % (uint64_t)span),
                                                .bytes_max = 3000,
                                                .limit = WEIR_LOG_READ_TO_HIGH_WATERMARK,
                                                .min_one_batch = true,
                                                .with_aborted_txns = true};
        enum weir_status status = weir_partition_log_read(shared->log, &options, &read, NULL);
        if (status == WEIR_OFFSET_OUT_OF_RANGE)
            continue; /* deleted meanwhile */
        check(status, "read");
        check_range(&read, options.offset);
        weir_log_read_done(&read);
        atomic_fetch_add(&shared->reads, 1);
    }
    return NULL;
}

static void run(struct weir_segment_cache *cache)
{
    char dir[] = "/tmp/weir-threads-XXXXXX";
    char log_dir[64];
    struct shared shared = {0};
    pthread_t threads[2 + READERS];
    struct weir_partition_log_options options = weir_partition_log_options_default();
    check(mkdtemp(dir) == NULL ? WEIR_IO_ERROR : WEIR_OK, "mkdtemp");
    (void)snprintf(log_dir, sizeof(log_dir), "%s/t-0", dir);
    options.env = weir_env_posix();
    options.dir = log_dir;
    options.cache = cache;
    options.config.segment_bytes = 20000;
    options.config.index_interval_bytes = 300;
    options.config.retention_ms = -1;
    check(weir_topic_partition_make(WEIR_SLICE("t"), 0, &options.key), "name");
    check(weir_partition_log_open(&options, &shared.log, NULL, NULL), "open");
    (void)pthread_create(&threads[0], NULL, append_loop, &shared);
    (void)pthread_create(&threads[1], NULL, upkeep_loop, &shared);
    for (int i = 0; i < READERS; i++)
        (void)pthread_create(&threads[2 + i], NULL, read_loop, &shared);
    for (int i = 0; i < 2 + READERS; i++)
        (void)pthread_join(threads[i], NULL);
    check(weir_partition_log_close(shared.log, NULL), "close");
    weir_partition_log_unref(shared.log);
    check(weir_dir_remove_all(weir_env_posix(), dir, NULL), "remove");
    (void)printf("%ld reads\n", atomic_load(&shared.reads));
}

int main(void)
{
    struct weir_segment_cache *cache = NULL;
    run(NULL);
    /* So small that files and indexes go while others are about to use them. */
    check(weir_segment_cache_new(1, 1, &cache), "cache");
    run(cache);
    weir_segment_cache_free(cache);
    return 0;
}
