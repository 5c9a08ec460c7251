/* SPDX-License-Identifier: Apache-2.0 */

/* Readers that have a view from before a round, at every moment at which the round may come: they
 * get what was there, or a plain error, never the bytes of another file by the same name. */

#include "clean_world.h"

static struct clean_world clean; /* lint: mutable-global, of this test */

/* What happens at the open of a .log file that was closed. */
static struct {
    int opens;    /* so far */
    int round_at; /* the open before which a round runs; -1: none */
    bool is_in_round;
    bool opens_fail; /* all, from the swap of that round on */
    bool round_loses_files;
} at_open; /* lint: mutable-global, of this test */

static bool is_log(const char *path)
{
    size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, ".log") == 0;
}

static enum weir_status open_with_round(void *env, const char *path, unsigned flags,
                                        struct weir_file **out, struct weir_detail *detail)
{
    if (at_open.opens_fail && is_log(path)) {
        weir_detail_set(detail, "made to fail");
        return WEIR_IO_ERROR;
    }
    if (!at_open.is_in_round && is_log(path) && at_open.opens++ == at_open.round_at) {
        at_open.is_in_round = true;
        clean_now(&clean);
        at_open.is_in_round = false;
        at_open.opens_fail = false;
    }
    return weir_env_posix()->ops->open(env, path, flags, out, detail);
}

/* The sources are closed when their place is taken, and cannot be opened any more. */
static enum weir_status lose_files(void *context, struct weir_partition_log *log,
                                   struct weir_detail *detail)
{
    (void)context;
    for (int i = 0; i < 3; i++) {
        struct weir_log_read read;
        struct weir_log_read_options options = {.offset = weir_partition_log_end_offset(log) - 1,
                                                .bytes_max = 100,
                                                .min_one_batch = true};
        enum weir_status status = weir_partition_log_read(log, &options, &read, detail);
        if (status != WEIR_OK)
            return status;
        weir_log_read_done(&read);
    }
    at_open.opens_fail = at_open.round_loses_files;
    return WEIR_OK;
}

static void start(void)
{
    memset(&at_open, 0, sizeof(at_open));
    clean_world_init(&clean);
    clean.world.ops.open = open_with_round;
    clean.options.note_recovery_point = lose_files;
    at_open.round_at = -1;
    for (int i = 0; i < 3; i++) {
        clean_append(&clean, "a=1 b=1");
        clean_append(&clean, "a=2 b=2");
        clean_roll(&clean);
    }
    clean_append(&clean, "x=1");
}

static void stop(void)
{
    clean_world_done(&clean);
}

TestSuite(clean_views, .timeout = 60);

/* A read at the offset, as text: its first record. */
static enum weir_status read_first(int64_t offset, struct weir_buf *out)
{
    struct weir_log_read read;
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    struct weir_record record;
    struct weir_record_iter *records = NULL;
    struct weir_log_read_options options = {
        .offset = offset, .bytes_max = 1 << 20, .min_one_batch = true};
    enum weir_status status =
        weir_partition_log_read(clean.world.log, &options, &read, &clean.world.detail);
    weir_buf_clear(out);
    if (status != WEIR_OK)
        return status;
    cr_assert_eq(weir_log_read_copy(&clean.world.env, &read, &bytes, &clean.world.detail), WEIR_OK);
    weir_log_read_done(&read);
    cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, &clean.world.detail), WEIR_OK);
    cr_assert_eq(weir_batch_check(&batch, &clean.world.detail), WEIR_OK);
    cr_assert_eq(weir_record_iter_new(&batch, NULL, &records, NULL), WEIR_OK);
    cr_assert_eq(weir_record_iter_next(records, &record, NULL), WEIR_OK);
    clean_show_record(&batch, &record, out);
    weir_buf_append(out, "", 1);
    weir_record_iter_free(records);
    weir_buf_done(&bytes);
    return WEIR_OK;
}

/* With the round before each open that a read makes, until there are no more. */
static int read_with_rounds(bool loses_files, int *out_refused)
{
    int rounds = 0;
    struct weir_buf text = {0};
    *out_refused = 0;
    for (int64_t offset = 0; offset < 12; offset += 4) {
        for (int at = 0;; at++) {
            start();
            /* Others were read meanwhile, so the file is closed. */
            cr_assert_eq(read_first(12, &text), WEIR_OK);
            cr_assert_eq(read_first(12, &text), WEIR_OK);
            at_open.opens = 0;
            at_open.round_at = at;
            at_open.round_loses_files = loses_files;
            char old_text[32];
            (void)snprintf(old_text, sizeof(old_text), "%lld:a=1", (long long)offset);
            enum weir_status status = read_first(offset, &text);
            bool has_cleaned = at_open.opens > at;
            rounds += has_cleaned;
            if (status == WEIR_OK) {
                const char *seen = (const char *)text.data;
                cr_assert(strcmp(seen, old_text) == 0 || strcmp(seen, "10:a=2") == 0, "%s", seen);
            } else {
                cr_assert(loses_files && has_cleaned, "%s: %s", weir_status_name(status),
                          clean.world.detail.text);
                cr_assert_eq(status, WEIR_KAFKA_STORAGE_ERROR);
                (*out_refused)++;
            }
            at_open.round_at = -1;
            if (has_cleaned) {
                cr_assert(!weir_partition_log_has_failed(clean.world.log));
                clean_expect(&clean, "10-11{10:a=2 11:b=2} 12-12{12:x=1}");
            }
            stop();
            if (!has_cleaned)
                break;
        }
    }
    weir_buf_done(&text);
    return rounds;
}

Test(clean_views, reader_that_opens_a_file_just_replaced_reads_the_old_one)
{
    int refused;
    cr_assert_geq(read_with_rounds(false, &refused), 3);
    cr_assert_eq(refused, 0);
}

Test(clean_views, reader_of_a_file_that_nobody_could_keep_open_is_refused)
{
    int refused;
    int rounds = read_with_rounds(true, &refused);
    cr_assert_geq(rounds, 3);
    cr_assert_gt(refused, 0);
}

Test(clean_views, deleted_name_is_used_again_within_its_delay)
{
    struct weir_file_reaper *reaper = NULL;
    struct weir_log_read reads[3];
    struct weir_buf bytes = {0};
    struct weir_batch batch;
    char path[WEIR_SEGMENT_PATH_BYTES];
    struct weir_log_read_options options = {.bytes_max = 1 << 20, .min_one_batch = true};
    clean_world_init(&clean);
    at_open.round_at = -1;
    world_close(&clean.world);
    cr_assert_eq(weir_file_reaper_new(&clean.world.env, &reaper), WEIR_OK);
    clean.world.options.reaper = reaper;
    clean.world.options.config.file_delete_delay_ms = 1000;
    world_open(&clean.world);
    /* Each round replaces the segment at 0 by one with another last record of a. */
    for (int i = 0; i < 3; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "a=%d", i);
        clean_append(&clean, text);
        clean_roll(&clean);
        clean_append(&clean, "x=1");
        cr_assert_eq(weir_partition_log_read(clean.world.log, &options, &reads[i], NULL), WEIR_OK);
        clean_now(&clean);
        clean.world.now_ms += 600;
        cr_assert_eq(weir_file_reaper_run(reaper, false, NULL, &clean.world.detail), WEIR_OK);
    }
    world_file(&clean.world, 0, ".log.deleted", path);
    clean.world.now_ms += 10000;
    cr_assert_eq(weir_file_reaper_run(reaper, false, NULL, &clean.world.detail), WEIR_OK);
    cr_assert_eq(world_file_size(&clean.world, path), -1);
    world_file(&clean.world, 0, ".log", path);
    cr_assert_gt(world_file_size(&clean.world, path), 0);
    for (int i = 0; i < 3; i++) {
        weir_buf_clear(&bytes);
        cr_assert_eq(weir_log_read_copy(&clean.world.env, &reads[i], &bytes, NULL), WEIR_OK);
        cr_assert_eq(weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL), WEIR_OK);
        cr_assert_eq(weir_batch_check(&batch, NULL), WEIR_OK);
        cr_assert_eq(batch.base_offset, i == 2, "read %d", i);
        weir_log_read_done(&reads[i]);
    }
    clean_expect(&clean, "3-3{3:x=1} 4-4{4:a=2} 5-5{5:x=1}");
    world_reopen_clean(&clean.world);
    clean_expect(&clean, "3-3{3:x=1} 4-4{4:a=2} 5-5{5:x=1}");
    weir_buf_done(&bytes);
    clean_world_done(&clean);
    weir_file_reaper_free(reaper);
}
