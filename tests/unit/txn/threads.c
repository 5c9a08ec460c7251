/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many threads at one coordinator, with a real task pool and a real clock, while shards change hands
 * and markers come back from other threads: for ThreadSanitizer, and to see that each op is done once.
 * How far the producers get is not checked, but that they get on.
 */

#define TXN_WORLD_PLAIN
#include "txn_world.h"

#include "weir/runtime/lock.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS           4
#define COMMITS_PER_EPOCH 30

static atomic_int commits; /* acknowledged, of all threads */
static atomic_bool must_end;
static struct weir_lock log_lock; /* the fake log knows no threads */

static enum weir_status locked_append(void *context, int32_t partition, struct weir_slice bytes,
                                      int32_t leader_epoch, struct weir_log_appended *out,
                                      struct weir_detail *detail)
{
    weir_lock_take(&log_lock);
    enum weir_status status = fake_append(context, partition, bytes, leader_epoch, out, detail);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status locked_read(void *context, int32_t partition, int64_t offset,
                                    size_t bytes_max, struct weir_buf *out,
                                    struct weir_detail *detail)
{
    weir_lock_take(&log_lock);
    enum weir_status status = fake_read(context, partition, offset, bytes_max, out, detail);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status locked_offsets(void *context, int32_t partition, int64_t *out_start,
                                       int64_t *out_high_watermark, int64_t *out_end)
{
    weir_lock_take(&log_lock);
    enum weir_status status =
        fake_offsets(context, partition, out_start, out_high_watermark, out_end);
    weir_lock_release(&log_lock);
    return status;
}

static enum weir_status no_watch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    (void)context;
    (void)partition;
    (void)watch;
    return WEIR_OK;
}

static void no_unwatch(void *context, int32_t partition, struct weir_log_watch *watch)
{
    (void)context;
    (void)partition;
    (void)watch;
}

static const struct weir_log_port locked_port = {.append = locked_append,
                                                 .read = locked_read,
                                                 .offsets = locked_offsets,
                                                 .batch_bytes_max = fake_batch_bytes_max,
                                                 .watch = no_watch,
                                                 .unwatch = no_unwatch};

/* ---- Markers come back from a task thread, every third failed ---- */

struct late_round {
    struct weir_task task;
    struct weir_txn_markers *markers;
    bool fails;
};

static void run_late_round(struct weir_task *task)
{
    struct late_round *late = WEIR_CONTAINER_OF(task, struct late_round, task);
    world_finish(late->markers, late->fails ? WEIR_NOT_LEADER_OR_FOLLOWER : WEIR_OK);
    weir_free(late);
}

static void write_late(void *context, struct weir_txn_markers *markers)
{
    static atomic_int count;
    (void)context;
    struct late_round *late = weir_calloc(1, sizeof(*late));
    WEIR_ASSERT(late != NULL);
    late->task.run = run_late_round;
    late->markers = markers;
    late->fails = atomic_fetch_add(&count, 1) % 3 == 0;
    weir_task_pool_submit(world.base.pool, &late->task);
}

static const struct weir_txn_marker_port late_markers = {.write = write_late};

/* Blocks from many threads. */
static void allocate(void *context, struct weir_producer_id_block *block)
{
    static _Atomic int64_t next_id;
    (void)context;
    block->status = WEIR_OK;
    block->first_id = atomic_fetch_add(&next_id, 5);
    block->id_count = 5;
    block->done(block);
}

static const struct weir_producer_id_source many_ids = {.allocate = allocate};

/* ---- Producers: each thread waits for its own ops ---- */

struct waiting {
    union {
        struct weir_txn_op op; /* each of the others begins with it */
        struct weir_txn_init init;
        struct weir_txn_add add;
        struct weir_txn_end end;
    };
    atomic_int done;
};

static void waiting_done(struct weir_txn_op *op)
{
    atomic_fetch_add(&WEIR_CONTAINER_OF(op, struct waiting, op)->done, 1);
}

static void wait_for(struct waiting *waiting)
{
    while (atomic_load(&waiting->done) == 0)
        sched_yield(); /* another thread is about to run it */
    cr_assert_eq(atomic_load(&waiting->done), 1);
}

static void transact(const char *id)
{
    struct waiting init = {.init = {.op = {.done = waiting_done},
                                    .transactional_id = weir_slice_str(id),
                                    .timeout_ms = 60000,
                                    .expected_producer_id = -1}};
    weir_txn_init(world.service, &init.init);
    wait_for(&init);
    struct weir_txn_partition partition = {.topic = WEIR_SLICE("t")};
    struct waiting add = {.add = {.op = {.done = waiting_done},
                                  .transactional_id = weir_slice_str(id),
                                  .producer_id = init.init.producer_id,
                                  .producer_epoch = init.init.producer_epoch,
                                  .client_transaction_version = 2,
                                  .partitions = &partition,
                                  .partition_count = 1}};
    weir_txn_add(world.service, &add.add);
    wait_for(&add);
    struct waiting end = {.end = {.op = {.done = waiting_done},
                                  .transactional_id = weir_slice_str(id),
                                  .producer_id = init.init.producer_id,
                                  .producer_epoch = init.init.producer_epoch,
                                  .is_commit = true,
                                  .client_transaction_version = 2}};
    weir_txn_end(world.service, &end.end);
    wait_for(&end);
    if (end.op.status == WEIR_OK)
        atomic_fetch_add(&commits, 1);
    weir_txn_op_free(&init.op);
    weir_txn_op_free(&add.op);
    weir_txn_op_free(&end.op);
}

static void nothing_done(struct weir_txn_op *op)
{
    (void)op;
}

static void *run_producer(void *context)
{
    int thread = *(int *)context;
    for (int round = 0; !atomic_load(&must_end); round++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "id-%d", (thread + round) % 40); /* shared, at times */
        transact(id);
        struct weir_txn_list list = {.op = {.done = nothing_done}, .duration_ms = -1};
        weir_txn_list(world.service, &list);
        weir_txn_op_free(&list.op);
    }
    return NULL;
}

static void start_service(void)
{
    fake_world_init(&world.base);
    world.base.batches_per_read = INT32_MAX;
    weir_task_pool_free(world.base.pool);
    weir_lock_init(&log_lock, WEIR_LOCK_RANK_LOG);
    cr_assert_eq(weir_task_pool_new(weir_env_posix(), 2, &world.base.pool, NULL), WEIR_OK);
    cr_assert_eq(weir_producer_ids_new(&many_ids, NULL, &world.ids), WEIR_OK);
    struct weir_txn_service_options options = {.env = weir_env_posix(),
                                               .pool = world.base.pool,
                                               .port = &locked_port,
                                               .port_context = &world.base,
                                               .markers = &late_markers,
                                               .producer_ids = world.ids,
                                               .config = weir_txn_config_default()};
    cr_assert_eq(weir_txn_service_new(&options, &world.service), WEIR_OK);
    weir_txn_service_set_transaction_version(world.service, 2);
}

int main(void)
{
    start_service();
    struct weir_coordinator *coordinator = weir_txn_service_coordinator(world.service);
    weir_coordinator_set_partition_count(coordinator, FAKE_PARTITIONS);
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i * 10;
        cr_assert_eq(pthread_create(&threads[i], NULL, run_producer, &numbers[i]), 0);
    }
    for (int32_t epoch = 1; epoch <= 10; epoch++) {
        for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
            cr_assert_eq(weir_coordinator_elected(coordinator, i, epoch), WEIR_OK);
        int until = atomic_load(&commits) + COMMITS_PER_EPOCH;
        while (atomic_load(&commits) < until)
            sched_yield(); /* let the producers get somewhere in this epoch */
        for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
            weir_coordinator_resigned(coordinator, i, epoch);
    }
    atomic_store(&must_end, true);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    world_stop(); /* frees the pool, which runs the rounds that are late, before the service */
    weir_lock_done(&log_lock);
    return 0;
}
