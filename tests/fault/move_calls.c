/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A partition moves to the other log directory while it is written to, and the n-th file call
 * fails, for every n: once, with an I/O error or a full disk, or for good, with the process or the
 * machine dying of it.
 *
 *  - What was acknowledged is there after a restart (after a power loss: what was flushed), in one
 *    log, and the log goes on.
 *  - A move that is not disturbed any more ends.
 *
 * usage: move_calls [FIRST [LAST]]     only these n
 */

#include "sim/check.h"
#include "sim/log_story.h"

#include <stdlib.h>

enum { TURNS_MAX = 60, APPENDS = 14 };

struct kind {
    const char *name;
    struct false_fault fault;
    enum false_loss loss;
    bool is_power_loss;
};

static const struct kind kinds[] = {
    {"I/O error", {.status = WEIR_IO_ERROR}, FALSE_LOSS_ALL, true},
    {"disk full", {.status = WEIR_NO_SPACE}, FALSE_LOSS_PROCESS, false},
    {"short write, disk full",
     {.status = WEIR_NO_SPACE, .is_short_write = true},
     FALSE_LOSS_TORN,
     true},
    {"the machine dies",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true},
     FALSE_LOSS_TORN,
     true},
    {"all unsynced is lost",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true},
     FALSE_LOSS_ALL,
     true},
    {"the process dies",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true},
     FALSE_LOSS_PROCESS,
     false},
};

/* Several segments, a log start inside, and a part that is not flushed. */
static void fill(struct log_story *story)
{
    for (int i = 0; i < APPENDS; i++) {
        CHECK_OK(log_story_append(story, 1 + i % 3, 300), story->detail);
        if (i == APPENDS / 2)
            CHECK_OK(log_story_flush(story, true), story->detail);
    }
    CHECK_OK(log_story_delete_before(story, 2), story->detail);
    CHECK_OK(log_story_retain(story), story->detail);
}

/* What fails has told the story. */
static void move(struct log_story *story)
{
    enum weir_status status = log_story_move(story, false);
    for (int i = 0; i < TURNS_MAX; i++) {
        bool has_run = log_story_turn(story);
        if (i == 2 || i == 5)
            status = log_story_append(story, 1, 200);
        else if (i == 4)
            log_story_checkpoint(story);
        false_env_step_ms(story->world, 1000);
        if (!has_run && i > 5 && status == WEIR_OK)
            break;
    }
}

/* False when the move has no n-th call. */
static bool round_of(const struct kind *kind, uint64_t nth)
{
    struct log_story story;
    log_story_init(&story, 1 + nth % 5);
    story.dir_count = 2;
    CHECK_OK(log_story_open(&story), story.detail);
    fill(&story);
    struct false_fault fault = kind->fault;
    fault.nth = nth;
    /* A process that dies does not see its syncs fail. */
    fault.calls = kind->loss == FALSE_LOSS_PROCESS
                      ? FALSE_CALL_ALL & ~(unsigned)(FALSE_CALL_SYNC | FALSE_CALL_SYNC_DIR)
                      : FALSE_CALL_ALL;
    false_env_set_fault(story.world, fault);
    move(&story);
    bool has_hit = false_env_faults_hit(story.world) > 0;
    log_story_crash(&story, kind->loss);
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, kind->is_power_loss);
    for (int i = 0; i < TURNS_MAX && log_story_turn(&story); i++)
        continue;
    CHECK(weir_log_mover_count(story.mover) == 0, "the move has not ended");
    log_story_verify_use(&story);
    CHECK_OK(log_story_close(&story), story.detail);
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, false);
    log_story_done(&story);
    return has_hit;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? first : UINT64_MAX;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        uint64_t nth = first;
        while (nth <= last && round_of(&kinds[i], nth)) {
            (void)fprintf(stderr, "\r%s at call %llu ", kinds[i].name, (unsigned long long)nth);
            nth++;
        }
        (void)fprintf(stderr, "\n");
    }
    return 0;
}
