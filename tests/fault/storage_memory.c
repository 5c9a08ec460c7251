/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The n-th allocation fails, and all after it, for every n, in each thing a log does: the call says
 * so and nothing else is lost; once there is memory again, the log goes on, or after a restart.
 */

#include "sim/check.h"
#include "sim/log_story.h"

#include "weir/base/memory.h"

static void fill(struct log_story *story, int batches)
{
    for (int i = 0; i < batches; i++)
        CHECK_OK(log_story_append(story, 2, 250), story->detail);
}

static enum weir_status append(struct log_story *story, long n)
{
    return log_story_append_with(story, 2, 250, n);
}

static enum weir_status append_that_rolls(struct log_story *story, long n)
{
    return log_story_append_with(story, 3, 1000, n);
}

static enum weir_status flush_log(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_flush(story, true);
}

static enum weir_status truncate_log(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_truncate(story, 3);
}

static enum weir_status read_first(struct log_story *story, long n)
{
    struct weir_buf bytes = {0};
    weir_memory_fail_after(n);
    enum weir_status status = log_story_read(story, 0, &bytes);
    weir_buf_done(&bytes);
    return status;
}

static enum weir_status find_time(struct log_story *story, long n)
{
    struct weir_offset_and_time out;
    weir_memory_fail_after(n);
    return weir_partition_log_offset_for_timestamp(story->log, 0, &out, &story->detail);
}

static enum weir_status open_log(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_open(story);
}

static enum weir_status roll(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_roll(story);
}

static enum weir_status retain(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_retain(story);
}

static enum weir_status delete_records(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_delete_before(story, 4);
}

/* They tell nobody but the log; what counts is what the next start finds. */
static enum weir_status write_checkpoints(struct log_story *story, long n)
{
    struct weir_log_dir_info info;
    weir_memory_fail_after(n);
    log_story_checkpoint(story);
    weir_log_manager_dir(story->manager, 0, &info);
    return info.is_offline ? WEIR_KAFKA_STORAGE_ERROR : WEIR_OK;
}

static enum weir_status write_small_files(struct log_story *story, long n)
{
    story->epoch++;
    weir_memory_fail_after(n);
    return weir_partition_log_write_small_files(story->log, &story->detail);
}

static enum weir_status find_aborted(struct log_story *story, long n)
{
    struct weir_aborted_txn *found = NULL;
    size_t count = 0;
    weir_memory_fail_after(n);
    enum weir_status status =
        weir_partition_log_aborted_txns(story->log, 0, 100, &found, &count, &story->detail);
    weir_free(found);
    return status;
}

static enum weir_status close_log(struct log_story *story, long n)
{
    weir_memory_fail_after(n);
    return log_story_close(story);
}

static const struct {
    const char *name;
    enum weir_status (*run)(struct log_story *story, long n);
    bool is_start; /* runs on a directory that nobody has open */
} deeds[] = {
    {"open", open_log, true},
    {"append", append, false},
    {"append that rolls", append_that_rolls, false},
    {"read", read_first, false},
    {"find a time", find_time, false},
    {"flush", flush_log, false},
    {"roll", roll, false},
    {"truncate", truncate_log, false},
    {"retain", retain, false},
    {"delete records", delete_records, false},
    {"checkpoints", write_checkpoints, false},
    {"small files", write_small_files, false},
    {"find aborted", find_aborted, false},
    {"close", close_log, false},
};

/* False when n allocations were enough. */
static bool round_of(size_t deed, long n)
{
    struct log_story story;
    log_story_init(&story, (uint64_t)n);
    CHECK_OK(log_story_open(&story), story.detail);
    fill(&story, 8);
    if (deeds[deed].is_start)
        log_story_crash(&story, FALSE_LOSS_PROCESS);
    enum weir_status status = deeds[deed].run(&story, n);
    weir_memory_fail_after(-1);
    if (story.log != NULL && !weir_partition_log_has_failed(story.log)) {
        log_story_verify(&story, false);
        fill(&story, 2);
    }
    log_story_crash(&story, FALSE_LOSS_PROCESS);
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, false);
    log_story_verify_use(&story);
    log_story_done(&story);
    return status != WEIR_OK;
}

int main(void)
{
    for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
        /* Some deeds can do without an allocation here and there, hence a few OKs in a row. */
        int good = 0;
        long n = 0;
        for (; good < 3; n++) {
            CHECK(n < 1000, "it never works");
            (void)fprintf(stderr, "\r%s, allocation %ld ", deeds[i].name, n);
            good = round_of(i, n) ? 0 : good + 1;
        }
        (void)fprintf(stderr, "\n");
    }
    return 0;
}
