/* SPDX-License-Identifier: Apache-2.0 */

/* A partition with itself as its only replica: what it leaves to task threads, and what waits for
 * them.  The pool has no threads, so each task runs when the test says so. */

#include "../../../src/replication/partition_int.h"

#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/file_util.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct weir_env_ops ops;
static struct weir_env env = {.ops = &ops};
static char dir[64];
static struct weir_task_pool *pool;
static struct weir_flusher *flusher;
static struct weir_partition_world world;
static struct weir_partition_log *the_log;
static struct weir_partition *partition;
static struct weir_partition_waiter waiter;
static int wakes;
static int syncs;
static bool is_disk_bad;

static enum weir_status count_sync(void *context, struct weir_file *file, bool with_metadata,
                                   struct weir_detail *detail)
{
    syncs++;
    if (is_disk_bad) {
        weir_detail_set(detail, "made to fail");
        return WEIR_IO_ERROR;
    }
    return weir_env_posix()->ops->sync(context, file, with_metadata, detail);
}

static void wake(struct weir_partition_waiter *w)
{
    (void)w;
    wakes++;
}

static void configure(int64_t flush_messages, int32_t segment_bytes)
{
    struct weir_log_config config = weir_log_config_default();
    config.flush_messages = flush_messages;
    config.segment_bytes = segment_bytes;
    weir_partition_set_log_config(partition, &config);
}

static void start(void)
{
    static const int32_t replica = 1;
    static struct weir_image_topic topic;
    static struct weir_image_partition image;
    int32_t old_epoch;
    ops = *weir_env_posix()->ops;
    ops.sync = count_sync;
    env.context = weir_env_posix()->context;
    (void)snprintf(dir, sizeof(dir), "/tmp/weir-partition-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    char log_dir[80];
    (void)snprintf(log_dir, sizeof(log_dir), "%s/t-0", dir);
    struct weir_partition_log_options options = weir_partition_log_options_default();
    options.env = &env;
    options.dir = log_dir;
    cr_assert_eq(weir_topic_partition_make(WEIR_SLICE("t"), 0, &options.key), WEIR_OK);
    cr_assert_eq(weir_partition_log_open(&options, &the_log, NULL, NULL), WEIR_OK);
    cr_assert_eq(weir_task_pool_new(&env, 0, &pool, NULL), WEIR_OK);
    cr_assert_eq(weir_flusher_new(pool, 1, &flusher), WEIR_OK);
    world = (struct weir_partition_world){
        .env = &env, .pool = pool, .flusher = flusher, .broker_id = 1};
    topic = (struct weir_image_topic){.name = WEIR_SLICE("t"), .id = weir_uuid_small(100)};
    image = (struct weir_image_partition){.leader = 1, .leader_epoch = 0, .partition_epoch = 0};
    image.replicas.items = &replica;
    image.replicas.count = 1;
    image.isr = image.replicas;
    cr_assert_eq(weir_partition_new(&world, &topic, 0, weir_partition_log_ref(the_log), &partition),
                 WEIR_OK);
    cr_assert_eq(weir_partition_apply(partition, &image, &old_epoch), WEIR_ROLE_BECAME_LEADER);
    waiter = (struct weir_partition_waiter){.wake = wake};
    weir_partition_wait(partition, &waiter);
    wakes = 0;
    syncs = 0;
    is_disk_bad = false;
}

static void stop(void)
{
    weir_partition_wait_cancel(partition, &waiter);
    weir_task_pool_free(pool);
    weir_partition_unref(partition);
    weir_flusher_free(flusher);
    weir_partition_log_unref(the_log);
    cr_assert_eq(weir_dir_remove_all(weir_env_posix(), dir, NULL), WEIR_OK);
}

TestSuite(partition, .init = start, .fini = stop);

static void build(struct weir_buf *out)
{
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_data record = {.timestamp = weir_env_wall_ms(&env),
                                      .value = WEIR_SLICE("value")};
    cr_assert_eq(weir_batch_builder_new(&options, out, &builder), WEIR_OK);
    weir_batch_builder_add(builder, &record);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
}

static enum weir_status produce(struct weir_partition_appended *out)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    struct weir_produce_errors errors;
    build(&bytes);
    cr_assert_eq(weir_produce_records_check(weir_buf_slice(&bytes), true, &batch, NULL), WEIR_OK);
    enum weir_status status = weir_partition_produce(
        partition, &batch, &(struct weir_produce_terms){.acks = -1}, out, &errors);
    weir_produce_errors_done(&errors);
    weir_buf_done(&bytes);
    return status;
}

static enum weir_status append_own(struct weir_partition_appended *out)
{
    struct weir_buf bytes = {0};
    build(&bytes);
    enum weir_status status =
        weir_partition_append_own(partition, weir_buf_slice(&bytes), 0, out, NULL);
    weir_buf_done(&bytes);
    return status;
}

Test(partition, without_a_flush_due_the_high_watermark_moves_at_once_and_nothing_is_synced)
{
    struct weir_partition_appended appended;
    configure(INT64_MAX, 1 << 20);
    cr_assert_eq(produce(&appended), WEIR_OK);
    cr_assert_eq(appended.high_watermark, 1);
    cr_assert(!appended.is_flush_due);
    cr_assert_not(weir_task_pool_turn(pool));
    cr_assert_eq(syncs, 0);
}

Test(partition, the_high_watermark_waits_for_the_flush_and_one_sync_serves_all)
{
    struct weir_partition_appended appended;
    configure(1, 1 << 20);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(produce(&appended), WEIR_OK);
        cr_assert(appended.is_flush_due);
        cr_assert_eq(appended.high_watermark, 0);
        cr_assert_eq(weir_partition_sync_status(partition, appended.last_offset), WEIR_PENDING);
    }
    cr_assert_eq(wakes, 0);
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_not(weir_task_pool_turn(pool));
    cr_assert_eq(syncs, 1);
    cr_assert_geq(wakes, 1);
    cr_assert_eq(weir_partition_log_high_watermark(the_log), 5);
    cr_assert_eq(weir_partition_sync_status(partition, 4), WEIR_OK);
}

Test(partition, a_coordinators_records_are_committed_when_they_are_durable)
{
    struct weir_partition_appended appended;
    configure(1, 1 << 20);
    cr_assert_eq(append_own(&appended), WEIR_OK);
    cr_assert_eq(appended.high_watermark, 0);
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_eq(weir_partition_log_high_watermark(the_log), 1);
    cr_assert_geq(wakes, 1);
}

Test(partition, a_flush_that_failed_is_told_to_all_and_takes_the_log_offline)
{
    struct weir_partition_appended appended;
    configure(1, 1 << 20);
    cr_assert_eq(produce(&appended), WEIR_OK);
    is_disk_bad = true;
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_geq(wakes, 1);
    cr_assert_eq(weir_partition_sync_status(partition, 0), WEIR_KAFKA_STORAGE_ERROR);
    cr_assert_eq(weir_partition_log_high_watermark(the_log), 0);
    is_disk_bad = false;
    cr_assert_eq(produce(&appended), WEIR_KAFKA_STORAGE_ERROR);
    cr_assert_not(weir_task_pool_turn(pool), "nothing is tried again");
    cr_assert_eq(syncs, 1);
}

Test(partition, a_full_segment_refuses_producers_until_room_is_made)
{
    struct weir_partition_appended appended;
    configure(INT64_MAX, 200);
    cr_assert_eq(produce(&appended), WEIR_OK);
    cr_assert_eq(produce(&appended), WEIR_OK);
    cr_assert_eq(produce(&appended), WEIR_WOULD_BLOCK);
    cr_assert_eq(weir_partition_make_room(partition, NULL), WEIR_OK);
    cr_assert_eq(produce(&appended), WEIR_OK);
    cr_assert_eq(appended.base_offset, 2);
}

Test(partition, a_coordinator_goes_on_in_the_full_segment_and_a_task_seals_it)
{
    struct weir_partition_appended appended;
    struct weir_segment_info *segments = NULL;
    size_t count = 0;
    configure(INT64_MAX, 200);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(append_own(&appended), WEIR_OK);
    cr_assert_eq(appended.last_offset, 4);
    cr_assert(weir_task_pool_turn(pool));
    cr_assert_not(weir_task_pool_turn(pool), "one roll was enough");
    cr_assert_eq(weir_partition_log_segments(the_log, &segments, &count), WEIR_OK);
    cr_assert_eq(count, 2);
    cr_assert_eq(segments[1].base_offset, 5);
    weir_free(segments);
}

/* ---- Transactions ---- */

static enum weir_status produce_txn(uint64_t guard, int32_t sequence,
                                    struct weir_partition_appended *out)
{
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    struct weir_produce_errors errors;
    struct weir_batch_builder *builder = NULL;
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_record_data record = {.timestamp = weir_env_wall_ms(&env),
                                      .value = WEIR_SLICE("value")};
    options.producer_id = 7;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    options.is_transactional = true;
    cr_assert_eq(weir_batch_builder_new(&options, &bytes, &builder), WEIR_OK);
    weir_batch_builder_add(builder, &record);
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    cr_assert_eq(weir_produce_records_check(weir_buf_slice(&bytes), true, &batch, NULL), WEIR_OK);
    enum weir_status status = weir_partition_produce(
        partition, &batch, &(struct weir_produce_terms){.acks = -1, .verification_guard = guard},
        out, &errors);
    weir_produce_errors_done(&errors);
    weir_buf_done(&bytes);
    return status;
}

static uint64_t begin_verification(void)
{
    uint64_t guard;
    const struct weir_verification_request request = {.producer_id = 7, .producer_epoch = 0};
    cr_assert_eq(weir_partition_begin_verification(partition, &request, &guard), WEIR_OK);
    return guard;
}

static enum weir_status append_marker(int32_t leader_epoch, struct weir_partition_appended *out)
{
    const struct weir_partition_marker marker = {.marker = {.producer_id = 7, .is_commit = true},
                                                 .leader_epoch = leader_epoch};
    return weir_partition_append_marker(partition, &marker, out, NULL);
}

Test(partition, a_transaction_opens_with_its_guard_and_a_marker_ends_it)
{
    struct weir_partition_appended appended;
    configure(INT64_MAX, 1 << 20);
    uint64_t guard = begin_verification();
    cr_assert_neq(guard, WEIR_GUARD_NONE);
    cr_assert_eq(produce_txn(WEIR_GUARD_NONE, 0, &appended), WEIR_INVALID_TXN_STATE);
    cr_assert(weir_partition_guard_is_current(partition, 7, guard));
    cr_assert_eq(produce_txn(guard, 0, &appended), WEIR_OK);
    cr_assert_not(weir_partition_guard_is_current(partition, 7, guard));
    cr_assert_eq(begin_verification(), WEIR_GUARD_NONE, "it is open");
    cr_assert_eq(weir_partition_log_last_stable_offset(the_log), 0);
    cr_assert_eq(append_marker(-1, &appended), WEIR_OK);
    cr_assert_eq(weir_partition_log_last_stable_offset(the_log), 2);
}

Test(partition, a_marker_takes_the_power_of_a_guard_that_came_before_it)
{
    struct weir_partition_appended appended;
    configure(INT64_MAX, 1 << 20);
    uint64_t guard = begin_verification();
    cr_assert_eq(append_marker(-1, &appended), WEIR_OK);
    cr_assert_not(weir_partition_guard_is_current(partition, 7, guard));
    cr_assert_eq(produce_txn(guard, 0, &appended), WEIR_INVALID_TXN_STATE);
}

Test(partition, with_verification_off_no_guard_is_needed)
{
    struct weir_partition_appended appended;
    configure(INT64_MAX, 1 << 20);
    cr_assert_eq(produce_txn(WEIR_GUARD_OFF, 0, &appended), WEIR_OK);
}

Test(partition, a_marker_of_another_leader_epoch_is_refused)
{
    struct weir_partition_appended appended;
    configure(INT64_MAX, 1 << 20);
    cr_assert_eq(append_marker(5, &appended), WEIR_NOT_LEADER_OR_FOLLOWER);
}

Test(partition, a_transaction_stays_unstable_until_its_marker_is_durable)
{
    struct weir_partition_appended appended;
    configure(1, 1 << 20);
    cr_assert_eq(produce_txn(begin_verification(), 0, &appended), WEIR_OK);
    cr_assert_eq(append_marker(-1, &appended), WEIR_OK);
    cr_assert_leq(appended.high_watermark, appended.last_offset);
    cr_assert_eq(weir_partition_log_last_stable_offset(the_log), 0);
    while (weir_task_pool_turn(pool))
        continue;
    cr_assert_eq(weir_partition_log_last_stable_offset(the_log), 2);
}
