/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A world for coordinators: a clock that is stepped, random bytes from a counter, a task pool without
 * threads, and logs in memory whose high watermark and failures the test decides.
 */

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/coordinator/coordinator.h"
#include "weir/record/batch.h"

#include <stdio.h>
#include <stdlib.h>

#define FAKE_PARTITIONS 5
#define FAKE_WALL_MS 1700000000000

struct fake_log {
    struct weir_buf bytes;
    int64_t end_offset;
    int64_t high_watermark;
    int32_t batch_count;
    struct weir_log_watch *watch;
};

struct fake_world {
    struct weir_env_ops ops;
    struct weir_env env;
    struct weir_task_pool *pool;
    int64_t now_ms;
    uint64_t random;
    struct fake_log logs[FAKE_PARTITIONS];
    bool commits_at_once;          /* the high watermark follows each append */
    enum weir_status append_status; /* what the next appends give */
    int32_t append_count;          /* accepted ones */
    int32_t batch_bytes_max;
    int32_t batches_per_read; /* kept small, so that loads take many reads */
    struct weir_slice last_batch;  /* into the log */
    uint64_t guard;                /* the only one that append_txn takes */
};

static inline int64_t fake_wall_ms(void *context)
{
    return FAKE_WALL_MS + ((struct fake_world *)context)->now_ms;
}

static inline int64_t fake_monotonic_ns(void *context)
{
    return ((struct fake_world *)context)->now_ms * 1000000;
}

static inline void fake_random(void *context, void *out, size_t size)
{
    struct fake_world *world = context;
    for (size_t i = 0; i < size; i++) {
        world->random = world->random * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(world->random >> 56);
    }
}

static inline enum weir_status fake_append(void *context, int32_t partition,
                                           struct weir_slice bytes, int32_t leader_epoch,
                                           struct weir_log_appended *out,
                                           struct weir_detail *detail)
{
    struct fake_world *world = context;
    struct fake_log *log = &world->logs[partition];
    if (world->append_status != WEIR_OK) {
        weir_detail_set(detail, "as the test wished");
        return world->append_status;
    }
    struct weir_batch batch;
    enum weir_status status = weir_batch_parse(bytes, &batch, detail);
    WEIR_ASSERT(status == WEIR_OK && weir_batch_check(&batch, detail) == WEIR_OK);
    WEIR_ASSERT(bytes.size == batch.bytes.size);
    size_t at = log->bytes.size;
    weir_buf_append_slice(&log->bytes, bytes);
    status = weir_buf_status(&log->bytes);
    log->bytes.status = WEIR_OK; /* the next append may have memory again */
    if (status != WEIR_OK)
        return status;
    weir_batch_set_base_offset(log->bytes.data + at, log->end_offset);
    weir_batch_set_leader_epoch(log->bytes.data + at, leader_epoch);
    world->last_batch = weir_slice_of(log->bytes.data + at, bytes.size);
    out->base_offset = log->end_offset;
    log->end_offset += batch.last_offset_delta + 1;
    out->last_offset = log->end_offset - 1;
    if (world->commits_at_once)
        log->high_watermark = log->end_offset;
    out->high_watermark = log->high_watermark;
    log->batch_count++;
    world->append_count++;
    return WEIR_OK;
}

static inline enum weir_status fake_append_txn(void *context, int32_t partition,
                                               struct weir_slice bytes, int32_t leader_epoch,
                                               uint64_t guard, struct weir_log_appended *out,
                                               struct weir_detail *detail)
{
    if (guard != ((struct fake_world *)context)->guard)
        return WEIR_INVALID_TXN_STATE;
    return fake_append(context, partition, bytes, leader_epoch, out, detail);
}

static inline enum weir_status
fake_append_marker(void *context, int32_t partition, const struct weir_txn_marker *marker,
                   int8_t transaction_version, int32_t leader_epoch, struct weir_log_appended *out,
                   struct weir_detail *detail)
{
    uint8_t bytes[WEIR_TXN_MARKER_BYTES];
    (void)transaction_version;
    weir_txn_marker_write(bytes, marker, FAKE_WALL_MS);
    return fake_append(context, partition, weir_slice_of(bytes, sizeof(bytes)), leader_epoch, out,
                       detail);
}

static inline enum weir_status fake_read(void *context, int32_t partition, int64_t offset,
                                         size_t bytes_max, struct weir_buf *out,
                                         struct weir_detail *detail)
{
    (void)bytes_max;
    struct fake_world *world = context;
    struct fake_log *log = &world->logs[partition];
    struct weir_batch_iter iter;
    weir_batch_iter_init(&iter, weir_buf_slice(&log->bytes));
    struct weir_batch batch;
    int32_t found = 0;
    while (found < world->batches_per_read && weir_batch_iter_next(&iter, &batch, detail) == WEIR_OK) {
        if (weir_batch_next_offset(&batch) <= offset)
            continue;
        weir_buf_append_slice(out, batch.bytes);
        found++;
    }
    return weir_buf_status(out);
}

static inline enum weir_status fake_offsets(void *context, int32_t partition, int64_t *out_start,
                                            int64_t *out_high_watermark, int64_t *out_end)
{
    struct fake_log *log = &((struct fake_world *)context)->logs[partition];
    *out_start = 0;
    *out_high_watermark = log->high_watermark;
    *out_end = log->end_offset;
    return WEIR_OK;
}

static inline int32_t fake_batch_bytes_max(void *context, int32_t partition)
{
    (void)partition;
    return ((struct fake_world *)context)->batch_bytes_max;
}

static inline enum weir_status fake_watch(void *context, int32_t partition,
                                          struct weir_log_watch *watch)
{
    struct fake_log *log = &((struct fake_world *)context)->logs[partition];
    WEIR_ASSERT(log->watch == NULL);
    log->watch = watch;
    return WEIR_OK;
}

static inline void fake_unwatch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    struct fake_log *log = &((struct fake_world *)context)->logs[partition];
    WEIR_ASSERT(log->watch == watch);
    log->watch = NULL;
}

static const struct weir_log_port fake_port = {.append = fake_append,
                                               .append_txn = fake_append_txn,
                                               .append_marker = fake_append_marker,
                                               .read = fake_read,
                                               .offsets = fake_offsets,
                                               .batch_bytes_max = fake_batch_bytes_max,
                                               .watch = fake_watch,
                                               .unwatch = fake_unwatch};

static inline void fake_world_init(struct fake_world *world)
{
    memset(world, 0, sizeof(*world));
    world->ops.wall_ms = fake_wall_ms;
    world->ops.monotonic_ns = fake_monotonic_ns;
    world->ops.random = fake_random;
    world->env = (struct weir_env){.ops = &world->ops, .context = world};
    world->now_ms = 1000;
    world->random = 1;
    world->commits_at_once = true;
    world->batch_bytes_max = 1048588;
    world->batches_per_read = 2;
    enum weir_status status = weir_task_pool_new(&world->env, 0, &world->pool, NULL);
    WEIR_ASSERT(status == WEIR_OK);
}

static inline void fake_world_run(struct fake_world *world)
{
    while (weir_task_pool_turn(world->pool))
        continue;
}

/* Steps the clock and lets timers fire at most 10 ms late. */
static inline void fake_world_advance(struct fake_world *world, int64_t ms)
{
    int64_t end_ms = world->now_ms + ms;
    fake_world_run(world);
    while (world->now_ms < end_ms) {
        world->now_ms += end_ms - world->now_ms < 10 ? end_ms - world->now_ms : 10;
        fake_world_run(world);
    }
}

/* One jump: for days. */
static inline void fake_world_jump(struct fake_world *world, int64_t ms)
{
    world->now_ms += ms;
    fake_world_run(world);
}

static inline void fake_world_commit(struct fake_world *world, int32_t partition)
{
    struct fake_log *log = &world->logs[partition];
    log->high_watermark = log->end_offset;
    if (log->watch != NULL)
        log->watch->moved(log->watch);
    fake_world_run(world);
}

/* After the coordinator was stopped; free it after this. */
static inline void fake_world_done(struct fake_world *world)
{
    weir_task_pool_free(world->pool);
    for (int i = 0; i < FAKE_PARTITIONS; i++)
        weir_buf_done(&world->logs[i].bytes);
}
