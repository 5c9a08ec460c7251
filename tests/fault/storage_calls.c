/* SPDX-License-Identifier: Apache-2.0 */

/*
 * One life of a log - open, append, roll, flush, checkpoint, delete, truncate, close, reopen - in
 * which the n-th file call fails, for every n: with an I/O error, a full disk, a write that comes
 * half through, once or for good.
 *
 *  - No lie: what was acknowledged is there after a restart, and what is there was appended.
 *  - No leak: every file is closed (and memory freed, where the build looks for that).
 *  - The log opens again and goes on.
 *
 * usage: storage_calls [FIRST [LAST]]     only these n
 */

#include "sim/check.h"
#include "sim/log_story.h"

#include <stdlib.h>
#include <string.h>

struct kind {
    const char *name;
    struct false_fault fault;
};

static const struct kind kinds[] = {
    {"I/O error", {.status = WEIR_IO_ERROR}},
    {"disk full", {.status = WEIR_NO_SPACE}},
    {"short write, disk full", {.status = WEIR_NO_SPACE, .is_short_write = true}},
    {"short write, broken for good",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true}},
};

/* A step that fails does not end the life: a broker goes on with what it can do. */
static void try(enum weir_status status)
{
    (void)status; /* the story has taken note */
}

static void fill(struct log_story *story, int batches)
{
    for (int i = 0; i < batches; i++)
        try(log_story_append(story, 1 + i % 3, 250));
}

/* Ends with a clean stop, or what comes closest. */
static void live(struct log_story *story)
{
    if (log_story_open(story) != WEIR_OK)
        return;
    fill(story, 4);
    try(log_story_flush(story, true));
    fill(story, 4);
    try(log_story_roll(story));
    fill(story, 2);
    log_story_checkpoint(story);
    try(log_story_flush(story, false));
    try(log_story_truncate(story, 8));
    fill(story, 1);
    try(log_story_delete_before(story, 5));
    try(log_story_retain(story));
    false_env_step_ms(story->world, 120000);
    try(log_story_retain(story));
    log_story_checkpoint(story);
    try(log_story_close(story));
}

/* A directory from an earlier life, so that the next one has something to load. */
static void begin(struct log_story *story, uint64_t nth)
{
    log_story_init(story, nth);
    CHECK_OK(log_story_open(story), story->detail);
    fill(story, 3);
    if (nth % 2 == 0)
        CHECK_OK(log_story_close(story), story->detail);
    else
        log_story_crash(story, FALSE_LOSS_PROCESS);
}

/* False when the life has no n-th call. */
static bool round_of(const struct kind *kind, uint64_t nth, enum false_loss loss)
{
    struct log_story story;
    begin(&story, nth);
    struct false_fault fault = kind->fault;
    fault.calls = FALSE_CALL_ALL;
    fault.nth = nth;
    false_env_set_fault(story.world, fault);
    live(&story);
    bool has_hit = false_env_faults_hit(story.world) > 0;
    log_story_crash(&story, loss);
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, loss != FALSE_LOSS_PROCESS);
    log_story_verify_use(&story);
    CHECK_OK(log_story_close(&story), story.detail);
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, false);
    log_story_done(&story);
    return has_hit;
}

/* A topic is deleted while the n-th call fails: it is gone or there whole, and no file is left of
 * one that is gone. */
static bool round_of_deletion(const struct kind *kind, uint64_t nth, enum false_loss loss)
{
    struct log_story story;
    log_story_init(&story, nth);
    CHECK_OK(log_story_open(&story), story.detail);
    fill(&story, 12);
    CHECK_OK(log_story_flush(&story, true), story.detail);
    log_story_checkpoint(&story);
    struct false_fault fault = kind->fault;
    fault.calls = FALSE_CALL_ALL;
    fault.nth = nth;
    false_env_set_fault(story.world, fault);
    enum weir_status status = log_story_delete_topic(&story);
    bool has_hit = false_env_faults_hit(story.world) > 0;
    log_story_crash(&story, loss);
    CHECK_OK(log_story_open(&story), story.detail);
    int64_t end = weir_partition_log_end_offset(story.log);
    CHECK(end == 0 || status != WEIR_OK || loss != FALSE_LOSS_PROCESS,
          "the topic is back, its deletion had succeeded");
    /* After a power loss a part of a deleted one may be back: the metadata, which has forgotten it,
     * makes it a stray. */
    if (end > 0 && status != WEIR_OK) {
        log_story_verify(&story, true);
        log_story_verify_use(&story);
    } else if (end == 0) {
        false_env_step_ms(story.world, story.config.file_delete_delay_ms + 1);
        weir_log_manager_reap(story.manager);
        char *tree = false_env_tree(story.world);
        CHECK(strstr(tree, "-delete/") == NULL, "something is left: %s", tree);
        free(tree);
    }
    CHECK_OK(log_story_close(&story), story.detail);
    log_story_done(&story);
    return has_hit;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? first : UINT64_MAX;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint64_t nth = first;
        for (; nth <= last; nth++) {
            (void)fprintf(stderr, "\r%s at call %llu ", kinds[i].name, (unsigned long long)nth);
            bool has_hit = round_of(&kinds[i], nth, FALSE_LOSS_PROCESS);
            has_hit = round_of(&kinds[i], nth, FALSE_LOSS_TORN) || has_hit;
            has_hit = round_of_deletion(&kinds[i], nth, FALSE_LOSS_PROCESS) || has_hit;
            has_hit = round_of_deletion(&kinds[i], nth, FALSE_LOSS_TORN) || has_hit;
            if (!has_hit)
                break;
        }
        (void)fprintf(stderr, "\n");
    }
    return 0;
}
