/* SPDX-License-Identifier: Apache-2.0 */

#include "log_world.h"

#include "weir/storage/segment_cache.h"

static struct world world;

static void start(void)
{
    world_init(&world);
    world.options.config.index_interval_bytes = 200;
    world.options.config.segment_bytes = 3000;
    world_open(&world);
}

static void stop(void)
{
    world_done(&world);
}

TestSuite(segment_cache, .init = start, .fini = stop);

static struct weir_segment_cache_facts facts(void)
{
    struct weir_segment_cache_facts out;
    weir_segment_cache_facts(world.cache, &out);
    return out;
}

static struct weir_log_read read_at(int64_t offset, enum weir_status expected)
{
    struct weir_log_read_options options = {.offset = offset,
                                            .bytes_max = 1000,
                                            .min_one_batch = true,
                                            .limit = WEIR_LOG_READ_TO_LOG_END};
    struct weir_log_read read = {0};
    cr_assert_eq(weir_partition_log_read(world.log, &options, &read, &world.detail), expected);
    return read;
}

Test(segment_cache, files_and_indexes_stay_under_their_caps_and_everything_is_read)
{
    world_append_many(&world, 200, 5);
    cr_assert_gt(world_segment_count(&world), 5);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 1000);
    cr_assert_leq(facts().files, 2); /* one may be in its second chance */
    world_append_many(&world, 10, 5);
    world_reopen_clean(&world);
    cr_assert_leq(facts().files, 2);
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 1050);
    cr_assert_leq(facts().index_bytes, 4096); /* those of the one looked at last */
}

Test(segment_cache, what_was_used_lately_stays_open)
{
    struct weir_segment_cache *cache = NULL;
    struct weir_segment *segments[3];
    struct weir_file *file = NULL;
    cr_assert_eq(weir_segment_cache_new(2, 0, &cache), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(weir_segment_open(&world.env, world.dir, i, true, &segments[i], NULL),
                     WEIR_OK);
        weir_segment_use_cache(segments[i], cache);
        if (i == 0) {
            cr_assert_eq(weir_segment_pin(segments[0], &file, NULL), WEIR_OK);
            weir_segment_unpin(segments[0]);
        }
    }
    cr_assert_geq(atomic_load(&segments[0]->file_pins), 0);
    cr_assert_lt(atomic_load(&segments[1]->file_pins), 0);
    for (int i = 0; i < 3; i++)
        weir_segment_unref(segments[i]);
    struct weir_segment_cache_facts left;
    weir_segment_cache_facts(cache, &left);
    cr_assert_eq(left.files, 0);
    weir_segment_cache_free(cache);
}

Test(segment_cache, a_range_stays_good_while_others_are_opened_and_deleted)
{
    world_append_many(&world, 200, 5);
    struct weir_log_read reads[5];
    for (int i = 0; i < 5; i++)
        reads[i] = read_at(i * 150, WEIR_OK); /* more segments than may be open */
    cr_assert_eq(world_count(&world, 0, WEIR_LOG_READ_TO_LOG_END), 1000);
    struct weir_log_retention_result result;
    world.options.config.retention_bytes = 1;
    weir_partition_log_set_config(world.log, &world.options.config);
    cr_assert_eq(weir_partition_log_retain(world.log, &result, &world.detail), WEIR_OK);
    cr_assert_gt(result.deleted_segments, 4);
    for (int i = 0; i < 5; i++) {
        struct weir_buf bytes = {0};
        struct weir_batch batch;
        cr_assert_eq(weir_log_read_copy(&world.env, &reads[i], &bytes, NULL), WEIR_OK);
        cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_OK);
        cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
        cr_assert_eq(batch.base_offset, i * 150);
        weir_buf_done(&bytes);
        weir_log_read_done(&reads[i]);
    }
    cr_assert_leq(facts().files, 2);
}

Test(segment_cache, a_file_that_took_a_deleted_ones_name_is_never_read_for_it)
{
    struct weir_segment *old = NULL;
    struct weir_segment *other = NULL;
    struct weir_file *file = NULL;
    char path[WEIR_SEGMENT_PATH_BYTES];
    cr_assert_eq(weir_segment_open(&world.env, world.dir, 7, true, &old, NULL), WEIR_OK);
    weir_segment_use_cache(old, world.cache);
    cr_assert_eq(weir_segment_open(&world.env, world.dir, 8, true, &other, NULL), WEIR_OK);
    weir_segment_use_cache(other, world.cache);
    cr_assert_lt(atomic_load(&old->file_pins), 0);
    weir_segment_detach(old, false);
    weir_segment_file_path(old, ".log", path);
    cr_assert_eq(weir_file_replace(&world.env, path, WEIR_SLICE("another"), NULL), WEIR_OK);
    cr_assert_eq(weir_segment_pin(old, &file, &world.detail), WEIR_CLOSED);
    weir_segment_attach(old);
    cr_assert_eq(weir_segment_pin(old, &file, &world.detail), WEIR_OK);
    weir_segment_unpin(old);
    weir_segment_unref(old);
    weir_segment_unref(other);
}

static int opens_left; /* lint: mutable-global, of this test */

static enum weir_status open_within_limit(void *env, const char *path, unsigned flags,
                                          struct weir_file **out, struct weir_detail *detail)
{
    if (opens_left == 0)
        return WEIR_LIMIT;
    opens_left--;
    return weir_env_posix()->ops->open(env, path, flags, out, detail);
}

static void close_within_limit(void *env, struct weir_file *file)
{
    opens_left++;
    weir_env_posix()->ops->close(env, file);
}

Test(segment_cache, without_a_free_descriptor_an_idle_file_is_closed_and_an_append_does_no_harm)
{
    struct weir_segment_cache *cache = NULL;
    struct weir_segment *segments[4];
    struct weir_file *file = NULL;
    world.ops.open = open_within_limit;
    world.ops.close = close_within_limit;
    opens_left = 4;
    cr_assert_eq(weir_segment_cache_new(3, 0, &cache), WEIR_OK);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(weir_segment_open(&world.env, world.dir, i, true, &segments[i], NULL),
                     WEIR_OK);
        weir_segment_use_cache(segments[i], cache);
    }
    opens_left = 0; /* somebody else took the last ones */
    cr_assert_eq(weir_segment_pin(segments[0], &file, &world.detail), WEIR_OK);
    opens_left = 0;
    struct world_batch batch = world_batch(1);
    struct weir_log_append_options options = {.origin = WEIR_APPEND_CLIENT, .is_verified = true};
    struct weir_log_append_result result;
    cr_assert_eq(world_append(&world, &batch).base_offset, 0); /* its own file is open */
    weir_segment_unpin(segments[0]);
    /* Its file makes room for another one; then there is no descriptor to open it again. */
    struct weir_segment *last = NULL;
    opens_left = 1;
    cr_assert_eq(weir_segment_open(&world.env, world.dir, 9, true, &last, NULL), WEIR_OK);
    weir_segment_use_cache(last, world.cache);
    struct weir_file *held = NULL;
    cr_assert_eq(weir_segment_pin(last, &held, NULL), WEIR_OK);
    opens_left = 0;
    cr_assert_eq(world_try_append(&world, &batch, &options, &result), WEIR_KAFKA_STORAGE_ERROR);
    weir_segment_unpin(last);
    opens_left = 10;
    cr_assert_eq(world_append(&world, &batch).base_offset, 1);
    cr_assert_eq(world.failures, 0);
    weir_segment_unref(last);
    for (int i = 0; i < 4; i++)
        weir_segment_unref(segments[i]);
    weir_segment_cache_free(cache);
}
