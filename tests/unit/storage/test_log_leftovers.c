/* SPDX-License-Identifier: Apache-2.0 */

/* What an interrupted compaction or deletion leaves in a partition's directory (reference A.6). */

#include "log_world.h"

static struct world world;
static int64_t bases[16]; /* of the segments that start() made */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *format, ...)
{
    char command[4000];
    char line[5000];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(command, sizeof(command), format, arguments);
    va_end(arguments);
    (void)snprintf(line, sizeof(line), "cd '%s' && { %s; }", world.log_dir, command);
    cr_assert_eq(system(line), 0, "%s", line);
}

static bool exists(int64_t offset, const char *suffix)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_file(&world, offset, suffix, path);
    return access(path, F_OK) == 0;
}

static void make(int64_t offset, const char *suffix)
{
    char path[WEIR_SEGMENT_PATH_BYTES];
    world_file(&world, offset, suffix, path);
    shell("echo left over > '%s'", path);
}

static void start(void)
{
    struct weir_segment_info *infos = NULL;
    size_t count = 0;
    world_init(&world);
    world.options.config.index_interval_bytes = 200;
    world.options.config.segment_bytes = 2000;
    world_open(&world);
    world_append_many(&world, 120, 3);
    cr_assert_eq(weir_partition_log_segments(world.log, &infos, &count), WEIR_OK);
    cr_assert(count >= 5 && count <= 16);
    for (size_t i = 0; i < count; i++)
        bases[i] = infos[i].base_offset;
    weir_free(infos);
    world_close(&world);
    world.options.was_clean = true;
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(log_leftovers, .init = start, .fini = stop);

static void check_all_there(void)
{
    world_open(&world);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 360);
    shell("! ls | grep -E 'swap|cleaned|deleted'");
}

Test(log_leftovers, given_up_files_go_and_snapshots_with_them)
{
    make(900, ".log.deleted");
    make(900, ".index.deleted");
    make(900, ".timeindex.deleted");
    make(900, ".txnindex.deleted");
    make(900, ".snapshot.deleted");
    make(bases[1], ".snapshot.deleted");
    check_all_there();
    cr_assert(exists(bases[1], ".snapshot"));
}

Test(log_leftovers, swaps_at_or_above_the_least_cleaned_file_are_no_output_yet)
{
    /* The output for the first segment was complete; the one of the third was still being renamed.
     */
    shell("cp %020lld.log %020lld.log.swap", (long long)bases[0], (long long)bases[0]);
    make(bases[2], ".index.cleaned");
    make(bases[3], ".log.cleaned");
    make(bases[2], ".log.swap");
    make(bases[3], ".log.swap");
    make(bases[3], ".timeindex.swap");
    check_all_there();
    for (int i = 0; i < 5; i++)
        cr_assert(exists(bases[i], ".log"));
    cr_assert(world.recovery.finished_compaction);
}

Test(log_leftovers, a_swap_replaces_what_lies_in_its_range_and_nothing_else)
{
    /* The second and the third segment became one. */
    long long second = bases[1], third = bases[2];
    shell("cat %020lld.log %020lld.log > %020lld.log.swap", second, third, second);
    make(bases[2], ".txnindex");
    cr_assert(exists(bases[2], ".snapshot") && exists(bases[3], ".snapshot"));
    check_all_there();
    cr_assert(exists(bases[1], ".log"));
    cr_assert_not(exists(bases[2], ".log"));
    cr_assert_not(exists(bases[2], ".index"));
    cr_assert_not(exists(bases[2], ".timeindex"));
    cr_assert_not(exists(bases[2], ".txnindex"));
    cr_assert_not(exists(bases[2], ".snapshot"));
    cr_assert(exists(bases[0], ".log"));
    cr_assert(exists(bases[3], ".log")); /* where the range ends is not in it */
    cr_assert(exists(bases[3], ".index"));
    cr_assert(exists(bases[3], ".snapshot"));
}

Test(log_leftovers, indexes_whose_log_was_renamed_already_follow_it)
{
    long long second = bases[1];
    shell("mv %020lld.index %020lld.index.swap; mv %020lld.timeindex %020lld.timeindex.swap",
          second, second, second, second);
    check_all_there();
    cr_assert(exists(bases[1], ".index") && exists(bases[1], ".timeindex"));
    cr_assert_eq(world.recovery.rebuilt_indexes, 0);
}

Test(log_leftovers, several_swaps_take_their_places_whatever_the_stop)
{
    for (int clean = 0; clean < 2; clean++) {
        long long first = bases[0], third = bases[2];
        shell("cp %020lld.log %020lld.log.swap; cp %020lld.log %020lld.log.swap", first, first,
              third, third);
        /* One range covers both, so what lies between them must be part of the second's input. */
        shell("cat %020lld.log >> %020lld.log.swap", (long long)bases[1], first);
        world.options.was_clean = clean == 1;
        world.options.recovery_point = clean == 1 ? world.options.recovery_point : 0;
        check_all_there();
        cr_assert_not(exists(bases[1], ".log"));
        world_drop(&world);
        shell("rm -rf ./*");
        world.options.recovery_point = 0;
        world_open(&world);
        world_append_many(&world, 120, 3);
        world_close(&world);
    }
}

Test(log_leftovers, tidying_twice_changes_nothing_more)
{
    shell("cp %020lld.log %020lld.log.swap", (long long)bases[0], (long long)bases[0]);
    check_all_there();
    world_reopen_clean(&world);
    cr_assert_not(world.recovery.finished_compaction);
    cr_assert_eq(world.recovery.leftover_files, 0);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 360);
}
