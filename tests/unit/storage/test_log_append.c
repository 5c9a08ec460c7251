/* SPDX-License-Identifier: Apache-2.0 */

#include "log_world.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world_open(&world);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(log_append, .init = start, .fini = stop);

Test(log_append, batches_get_consecutive_offsets_and_are_read_back)
{
    for (int i = 0; i < 10; i++) {
        struct world_batch batch = world_batch(3);
        struct weir_log_append_result result = world_append(&world, &batch);
        cr_assert_eq(result.base_offset, i * 3);
        cr_assert_eq(result.last_offset, i * 3 + 2);
        cr_assert_eq(result.log_start_offset, 0);
        cr_assert_eq(result.log_append_time_ms, -1);
    }
    cr_assert_eq(weir_partition_log_end_offset(world.log), 30);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 30);
    cr_assert_eq(world_count(&world, 17, WEIR_LOG_READ_TO_HIGH_WATERMARK), 13);
}

Test(log_append, everything_is_there_after_a_clean_restart)
{
    world_append_many(&world, 50, 7);
    world_reopen_clean(&world);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 350);
    cr_assert_eq(world.recovery.was_recovered, false);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 350);
}

Test(log_append, everything_is_there_after_the_process_died)
{
    world_append_many(&world, 50, 7);
    world_drop(&world);
    world_open(&world);
    cr_assert_eq(weir_partition_log_end_offset(world.log), 350);
    cr_assert_eq(world.recovery.was_recovered, true);
    cr_assert_eq(world.recovery.cut_bytes, 0);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 350);
}
