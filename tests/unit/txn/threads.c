/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Many threads at one coordinator, with a real task pool and a real clock, while shards change
 * hands and markers come back from other threads: for ThreadSanitizer, and to see that each op is
 * done once. How far the producers get is not checked, but that they get on.
 */

#define TXN_WORLD_PLAIN
#include "txn_world.h"

#include "../coordinator/threads_world.h"

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
        (void)snprintf(id, sizeof(id), "id-%d", (thread * 10 + round) % 40); /* shared, at times */
        transact(id);
        struct weir_txn_list list = {.op = {.done = nothing_done}, .duration_ms = -1};
        weir_txn_list(world.service, &list);
        weir_txn_op_free(&list.op);
    }
    return NULL;
}

static void start_service(void)
{
    threads_world_init(&world.base);
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
    threads_run(weir_txn_service_coordinator(world.service), run_producer, 10, false);
    world_stop(); /* frees the pool, which runs the rounds that are late, before the service */
    weir_lock_done(&log_lock);
    return 0;
}
