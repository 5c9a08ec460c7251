/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A transaction coordinator in a fake world, whose markers wait until the test says what became of
 * them, and short words for what producers do. */

#include "../coordinator/fake_world.h"

#include "weir/txn/txn_service.h"

#ifdef TXN_WORLD_PLAIN /* programs with their own main, for sanitizers that Criterion cannot bear */
#define cr_assert(condition, ...)      WEIR_ASSERT(condition)
#define cr_assert_eq(left, right, ...) WEIR_ASSERT((left) == (right))
#define cr_assert_not_null(value, ...) WEIR_ASSERT((value) != NULL)
#else
#include <criterion/criterion.h>
#endif

#define ROUNDS_KEPT 64

struct txn_world {
    struct fake_world base;
    struct weir_producer_ids *ids;
    int64_t next_id;
    bool has_no_ids;
    struct weir_txn_service *service;
    int32_t epoch;
    bool marks_at_once; /* the port answers OK before write returned */
    struct weir_txn_markers *rounds[ROUNDS_KEPT];
    size_t round_count;
    int total_rounds;
};

static struct txn_world world;

static inline void world_allocate(void *context, struct weir_producer_id_block *block)
{
    (void)context;
    block->status = world.has_no_ids ? WEIR_STALE_BROKER_EPOCH : WEIR_OK;
    block->first_id = world.next_id;
    block->id_count = 10;
    world.next_id += world.has_no_ids ? 0 : 10;
    block->done(block);
}

static const struct weir_producer_id_source world_ids = {.allocate = world_allocate};

static inline void world_finish(struct weir_txn_markers *markers, enum weir_status status)
{
    for (size_t i = 0; i < markers->item_count; i++)
        markers->items[i].status = status;
    markers->done(markers);
}

static inline void world_write_markers(void *context, struct weir_txn_markers *markers)
{
    (void)context;
    world.total_rounds++;
    if (world.marks_at_once) {
        world_finish(markers, WEIR_OK);
        return;
    }
    cr_assert(world.round_count < ROUNDS_KEPT);
    world.rounds[world.round_count++] = markers;
}

static const struct weir_txn_marker_port world_markers = {.write = world_write_markers};

/* The oldest round that is out. */
static inline struct weir_txn_markers *take_round(void)
{
    cr_assert(world.round_count > 0);
    struct weir_txn_markers *markers = world.rounds[0];
    world.round_count--;
    memmove(world.rounds, world.rounds + 1, world.round_count * sizeof(world.rounds[0]));
    return markers;
}

static inline void world_elect_all(void)
{
    struct weir_coordinator *coordinator = weir_txn_service_coordinator(world.service);
    world.epoch++;
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        cr_assert_eq(weir_coordinator_elected(coordinator, i, world.epoch), WEIR_OK);
    fake_world_run(&world.base);
}

static inline void world_resign_all(void)
{
    struct weir_coordinator *coordinator = weir_txn_service_coordinator(world.service);
    for (int32_t i = 0; i < FAKE_PARTITIONS; i++)
        weir_coordinator_resigned(coordinator, i, world.epoch);
}

static inline void world_restart(void)
{
    world_resign_all();
    while (world.round_count > 0) /* late news for machines that are gone */
        world_finish(take_round(), WEIR_NOT_LEADER_OR_FOLLOWER);
    world_elect_all();
}

static inline void world_start_with(struct weir_txn_config config, int16_t transaction_version)
{
    memset(&world, 0, sizeof(world));
    fake_world_init(&world.base);
    world.marks_at_once = true;
    cr_assert_eq(weir_producer_ids_new(&world_ids, NULL, &world.ids), WEIR_OK);
    struct weir_txn_service_options options = {.env = &world.base.env,
                                               .pool = world.base.pool,
                                               .port = &fake_port,
                                               .port_context = &world.base,
                                               .markers = &world_markers,
                                               .producer_ids = world.ids,
                                               .config = config};
    cr_assert_eq(weir_txn_service_new(&options, &world.service), WEIR_OK);
    weir_txn_service_set_transaction_version(world.service, transaction_version);
    weir_coordinator_set_partition_count(weir_txn_service_coordinator(world.service),
                                         FAKE_PARTITIONS);
    world_elect_all();
}

static inline void world_start(void)
{
    world_start_with(weir_txn_config_default(), 2);
}

static inline void world_stop(void)
{
    weir_txn_service_stop(world.service);
    while (world.round_count > 0)
        world_finish(take_round(), WEIR_NOT_LEADER_OR_FOLLOWER);
    fake_world_done(&world.base);
    weir_txn_service_free(world.service);
    weir_producer_ids_free(world.ids);
}

static inline int32_t partition_of(const char *id)
{
    return weir_coordinator_partition_of(weir_txn_service_coordinator(world.service),
                                         weir_slice_str(id));
}

/* ---- What producers do.  Each of these is answered before it returns, or fails the test. ---- */

static int ops_done;

static inline void count_done(struct weir_txn_op *op)
{
    (void)op;
    ops_done++;
}

struct producer {
    const char *id;
    int64_t producer_id;
    int16_t epoch;
    int16_t version; /* transaction version */
};

static inline enum weir_status init_with(struct producer *producer, struct weir_txn_init *init)
{
    ops_done = 0;
    init->op.done = count_done;
    init->transactional_id = weir_slice_str(producer->id);
    weir_txn_init(world.service, init);
    fake_world_run(&world.base);
    cr_assert_eq(ops_done, 1);
    enum weir_status status = init->op.status;
    if (status == WEIR_OK) {
        producer->producer_id = init->producer_id;
        producer->epoch = init->producer_epoch;
    } else {
        cr_assert_eq(init->producer_id, -1);
        cr_assert_eq(init->producer_epoch, -1);
    }
    weir_txn_op_free(&init->op);
    return status;
}

static inline enum weir_status init(struct producer *producer)
{
    struct weir_txn_init op = {
        .timeout_ms = 60000, .expected_producer_id = -1, .expected_producer_epoch = -1};
    return init_with(producer, &op);
}

/* KIP-360: bumps the epoch of the one it says. */
static inline enum weir_status init_expecting(struct producer *producer, int64_t producer_id,
                                              int16_t epoch)
{
    struct weir_txn_init op = {.timeout_ms = 60000,
                               .expected_producer_id = producer_id,
                               .expected_producer_epoch = epoch};
    return init_with(producer, &op);
}

static inline enum weir_status add_some(const struct producer *producer, bool verify_only,
                                        struct weir_txn_partition *partitions, size_t count)
{
    ops_done = 0;
    struct weir_txn_add op = {.op = {.done = count_done},
                              .transactional_id = weir_slice_str(producer->id),
                              .producer_id = producer->producer_id,
                              .producer_epoch = producer->epoch,
                              .verify_only = verify_only,
                              .client_transaction_version = producer->version,
                              .partitions = partitions,
                              .partition_count = count};
    weir_txn_add(world.service, &op);
    fake_world_run(&world.base);
    cr_assert_eq(ops_done, 1);
    weir_txn_op_free(&op.op);
    return op.op.status;
}

static inline enum weir_status add(const struct producer *producer, const char *topic,
                                   int32_t partition)
{
    struct weir_txn_partition item = {.topic = weir_slice_str(topic), .partition = partition};
    enum weir_status status = add_some(producer, false, &item, 1);
    cr_assert_eq(item.status, status);
    return status;
}

static inline enum weir_status verify(const struct producer *producer, const char *topic,
                                      int32_t partition)
{
    struct weir_txn_partition item = {.topic = weir_slice_str(topic), .partition = partition};
    enum weir_status status = add_some(producer, true, &item, 1);
    cr_assert(status == WEIR_OK || item.status == status);
    return item.status;
}

/* With version 2 the producer takes over what it is told. */
static inline enum weir_status end(struct producer *producer, bool is_commit)
{
    ops_done = 0;
    struct weir_txn_end op = {.op = {.done = count_done},
                              .transactional_id = weir_slice_str(producer->id),
                              .producer_id = producer->producer_id,
                              .producer_epoch = producer->epoch,
                              .is_commit = is_commit,
                              .client_transaction_version = producer->version};
    weir_txn_end(world.service, &op);
    fake_world_run(&world.base);
    cr_assert_eq(ops_done, 1);
    if (op.op.status == WEIR_OK && producer->version >= 2) {
        producer->producer_id = op.new_producer_id;
        producer->epoch = op.new_producer_epoch;
    }
    if (op.op.status != WEIR_OK)
        cr_assert(op.new_producer_id == -1 && op.new_producer_epoch == -1);
    weir_txn_op_free(&op.op);
    return op.op.status;
}

static inline enum weir_status commit(struct producer *producer)
{
    return end(producer, true);
}

static inline enum weir_status end_abort(struct producer *producer)
{
    return end(producer, false);
}

/* ---- Looking ---- */

static inline void describe(const char *id, struct weir_txn_describe *out)
{
    memset(out, 0, sizeof(*out));
    out->op.done = count_done;
    out->transactional_id = weir_slice_str(id);
    ops_done = 0;
    weir_txn_describe(world.service, out);
    cr_assert_eq(ops_done, 1);
}

static inline bool is_state(const char *id, const char *state)
{
    struct weir_txn_describe out;
    describe(id, &out);
    bool is_it = out.op.status == WEIR_OK && weir_slice_is(out.state, state);
    weir_txn_op_free(&out.op);
    return is_it;
}

static inline int16_t epoch_of(const char *id)
{
    struct weir_txn_describe out;
    describe(id, &out);
    weir_txn_op_free(&out.op);
    return out.producer_epoch;
}
