/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the log tests share: a temporary directory, an env over the real disk with a clock that
 * stands still, fails on demand and counts syncs, and short ways to make, open, fill and read a
 * log.
 */

#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/env.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/partition_log.h"
#include "weir/storage/segment.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world {
    struct weir_env env; /* the real one with our clock */
    struct weir_env_ops ops;
    int64_t now_ms;
    long fail_write_after; /* writes until one fails; negative: never */
    enum weir_status write_failure;
    bool fail_sync;
    atomic_int syncs;     /* of files */
    atomic_int dir_syncs; /* of directories */
    char dir[256];        /* temporary */
    char log_dir[300];    /* the partition's */
    struct weir_partition_log_options options;
    struct weir_segment_cache *cache; /* so small that nearly every call opens and loads again */
    struct weir_partition_log *log;
    struct weir_partition_log_recovery recovery;
    struct weir_detail detail;
    int failures; /* calls of on_failure */
};

static struct world *the_world;

static inline int64_t world_wall_ms(void *env)
{
    (void)env;
    return the_world->now_ms;
}

static inline int64_t world_monotonic_ns(void *env)
{
    (void)env;
    return the_world->now_ms * 1000000;
}

static inline enum weir_status world_write_at(void *env, struct weir_file *file,
                                              const struct weir_slice *parts, size_t count,
                                              uint64_t file_pos, struct weir_detail *detail)
{
    if (the_world->fail_write_after == 0) {
        /* Half of the first part arrives, as a full disk leaves it. */
        struct weir_slice half = weir_slice_of(parts[0].data, parts[0].size / 2);
        if (weir_env_posix()->ops->write_at(env, file, &half, 1, file_pos, detail) != WEIR_OK)
            cr_assert_fail("the half write failed");
        weir_detail_set(detail, "made to fail");
        return the_world->write_failure;
    }
    if (the_world->fail_write_after > 0)
        the_world->fail_write_after--;
    return weir_env_posix()->ops->write_at(env, file, parts, count, file_pos, detail);
}

static inline enum weir_status world_sync(void *env, struct weir_file *file, bool with_metadata,
                                          struct weir_detail *detail)
{
    the_world->syncs++;
    if (the_world->fail_sync) {
        weir_detail_set(detail, "made to fail");
        return WEIR_IO_ERROR;
    }
    return weir_env_posix()->ops->sync(env, file, with_metadata, detail);
}

static inline enum weir_status world_sync_dir(void *env, const char *path,
                                              struct weir_detail *detail)
{
    the_world->dir_syncs++;
    return weir_env_posix()->ops->sync_dir(env, path, detail);
}

static inline void world_on_failure(void *context, struct weir_partition_log *log,
                                    const struct weir_detail *detail)
{
    (void)log;
    (void)detail;
    ((struct world *)context)->failures++;
}

static inline void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    the_world = world;
    world->ops = *weir_env_posix()->ops;
    world->ops.wall_ms = world_wall_ms;
    world->ops.monotonic_ns = world_monotonic_ns;
    world->ops.write_at = world_write_at;
    world->ops.sync = world_sync;
    world->ops.sync_dir = world_sync_dir;
    world->env.ops = &world->ops;
    world->env.context = weir_env_posix()->context;
    world->now_ms = 1700000000000;
    world->fail_write_after = -1;
    world->write_failure = WEIR_NO_SPACE;
    (void)snprintf(world->dir, sizeof(world->dir), "/tmp/weir-test-XXXXXX");
    cr_assert_not_null(mkdtemp(world->dir));
    (void)snprintf(world->log_dir, sizeof(world->log_dir), "%s/topic-0", world->dir);
    world->options = weir_partition_log_options_default();
    world->options.env = &world->env;
    world->options.dir = world->log_dir;
    world->options.on_failure = world_on_failure;
    world->options.context = world;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("topic"), 0, &world->options.key), WEIR_OK);
    cr_assert_eq(weir_segment_cache_new(1, 1, &world->cache), WEIR_OK);
    world->options.cache = world->cache;
}

static inline void world_open(struct world *world)
{
    enum weir_status status =
        weir_partition_log_open(&world->options, &world->log, &world->recovery, &world->detail);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), world->detail.text);
}

/* As a process that died. */
static inline void world_drop(struct world *world)
{
    world->options.high_watermark = 0;
    weir_partition_log_unref(world->log);
    world->log = NULL;
}

static inline void world_close(struct world *world)
{
    enum weir_status status = weir_partition_log_close(world->log, &world->detail);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), world->detail.text);
    world->options.recovery_point = weir_partition_log_recovery_point(world->log);
    world->options.high_watermark = weir_partition_log_high_watermark(world->log);
    weir_partition_log_unref(world->log);
    world->log = NULL;
}

static inline void world_reopen_clean(struct world *world)
{
    world_close(world);
    world->options.was_clean = true;
    world_open(world);
}

static inline void world_done(struct world *world)
{
    weir_partition_log_unref(world->log);
    weir_segment_cache_free(world->cache);
    cr_assert_eq(weir_dir_remove_all(&world->env, world->dir, &world->detail), WEIR_OK);
    the_world = NULL;
}

/* A batch of count records "k<i>"/"v<i>", the first at timestamp and each one ms later. */
struct world_batch {
    struct weir_batch_builder_options options;
    int count;
    int64_t timestamp;
    size_t value_bytes; /* 0: short values */
};

static inline struct world_batch world_batch(int count)
{
    return (struct world_batch){.options = weir_batch_builder_options_default(),
                                .count = count,
                                .timestamp = the_world->now_ms};
}

static inline struct world_batch world_producer_batch(int count, int64_t producer_id, int16_t epoch,
                                                      int32_t sequence)
{
    struct world_batch batch = world_batch(count);
    batch.options.producer_id = producer_id;
    batch.options.producer_epoch = epoch;
    batch.options.base_sequence = sequence;
    return batch;
}

static inline void world_build(const struct world_batch *spec, struct weir_buf *out)
{
    struct weir_batch_builder *builder = NULL;
    char *filler = weir_calloc(1, spec->value_bytes + 1);
    cr_assert_eq(weir_batch_builder_new(&spec->options, out, &builder), WEIR_OK);
    for (int i = 0; i < spec->count; i++) {
        char key[16];
        char value[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        (void)snprintf(value, sizeof(value), "v%d", i);
        struct weir_record_data record = {.timestamp = spec->timestamp + i,
                                          .key = weir_slice_str(key),
                                          .value = spec->value_bytes > 0
                                                       ? weir_slice_of(filler, spec->value_bytes)
                                                       : weir_slice_str(value)};
        weir_batch_builder_add(builder, &record);
    }
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    weir_free(filler);
}

static inline enum weir_status world_try_append(struct world *world, const struct world_batch *spec,
                                                const struct weir_log_append_options *options,
                                                struct weir_log_append_result *out)
{
    struct weir_buf bytes = {0};
    struct weir_checked_batch checked;
    world_build(spec, &bytes);
    cr_assert_eq(weir_checked_batch_from_own(weir_buf_slice(&bytes), &checked, &world->detail),
                 WEIR_OK);
    enum weir_status status =
        weir_partition_log_append(world->log, &checked, options, out, &world->detail);
    weir_buf_done(&bytes);
    return status;
}

static inline struct weir_log_append_result world_append(struct world *world,
                                                         const struct world_batch *spec)
{
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    struct weir_log_append_result result;
    enum weir_status status = world_try_append(world, spec, &options, &result);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), world->detail.text);
    (void)weir_partition_log_set_high_watermark(world->log, INT64_MAX);
    return result;
}

static inline void world_append_many(struct world *world, int batches, int records)
{
    for (int i = 0; i < batches; i++) {
        struct world_batch batch = world_batch(records);
        (void)world_append(world, &batch);
    }
}

static inline struct weir_log_append_result world_marker(struct world *world, int64_t producer_id,
                                                         int16_t epoch, bool is_commit)
{
    struct weir_log_append_options options = {.origin = WEIR_APPEND_COORDINATOR};
    struct weir_txn_marker marker = {
        .producer_id = producer_id, .producer_epoch = epoch, .is_commit = is_commit};
    struct weir_log_append_result result;
    enum weir_status status =
        weir_partition_log_append_marker(world->log, &marker, &options, &result, &world->detail);
    cr_assert_eq(status, WEIR_OK, "%s: %s", weir_status_name(status), world->detail.text);
    (void)weir_partition_log_set_high_watermark(world->log, INT64_MAX);
    return result;
}

/* Reads from offset with a limit and returns how many records have offsets at or above it; checks
 * that they are in order and that CRCs are right. */
static inline int world_count(struct world *world, int64_t offset, enum weir_log_read_limit limit)
{
    int count = 0;
    int64_t next = offset;
    for (;;) {
        struct weir_log_read_options options = {
            .offset = next, .bytes_max = 1 << 20, .limit = limit, .min_one_batch = true};
        struct weir_log_read read;
        struct weir_buf bytes = {0};
        enum weir_status status =
            weir_partition_log_read(world->log, &options, &read, &world->detail);
        cr_assert_eq(status, WEIR_OK, "read at %lld: %s %s", (long long)next,
                     weir_status_name(status), world->detail.text);
        if (read.range.size == 0) {
            weir_log_read_done(&read);
            return count;
        }
        cr_assert_eq(weir_log_read_copy(&world->env, &read, &bytes, &world->detail), WEIR_OK);
        weir_log_read_done(&read);
        struct weir_batch_iter iter;
        struct weir_batch batch;
        weir_batch_iter_init(&iter, weir_buf_slice(&bytes));
        while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
            cr_assert_eq(weir_batch_check(&batch, &world->detail), WEIR_OK, "%s",
                         world->detail.text);
            cr_assert_geq(batch.last_offset, next);
            struct weir_record_iter *records = NULL;
            struct weir_record record;
            cr_assert_eq(weir_record_iter_new(&batch, NULL, &records, NULL), WEIR_OK);
            while (weir_record_iter_next(records, &record, NULL) == WEIR_OK)
                count += record.offset >= offset;
            weir_record_iter_free(records);
            next = batch.last_offset + 1;
        }
        weir_buf_done(&bytes);
    }
}

static inline size_t world_segment_count(struct world *world)
{
    struct weir_segment_info *infos = NULL;
    size_t count = 0;
    cr_assert_eq(weir_partition_log_segments(world->log, &infos, &count), WEIR_OK);
    weir_free(infos);
    return count;
}

static inline void world_file(struct world *world, int64_t offset, const char *suffix,
                              char out[WEIR_SEGMENT_PATH_BYTES])
{
    weir_offset_file_path(world->log_dir, offset, suffix, out);
}

static inline int64_t world_file_size(struct world *world, const char *path)
{
    struct weir_file_info info;
    return weir_path_info(&world->env, path, &info, &world->detail) == WEIR_OK
               ? (int64_t)info.size_bytes
               : -1;
}
