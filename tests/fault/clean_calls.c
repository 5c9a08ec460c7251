/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A compacted log is cleaned while the n-th file call fails, for every n: once, with an I/O error
 * or a full disk, or for good, with the process or the machine dying of it.
 *
 *  - The log serves on, or has failed and says so; what it shows is right in either case.
 *  - After a restart everything is there, no file of an interrupted round is left, and a round
 *    that is not disturbed ends well.
 *
 * usage: clean_calls [FIRST [LAST]]     only these n
 */

#include "sim/check.h"
#include "sim/clean_story.h"

#include <stdlib.h>

enum { STEPS = 16 };

struct kind {
    const char *name;
    struct false_fault fault;
    enum false_loss loss;
};

static const struct kind kinds[] = {
    {"I/O error", {.status = WEIR_IO_ERROR}, FALSE_LOSS_ALL},
    {"disk full", {.status = WEIR_NO_SPACE}, FALSE_LOSS_PROCESS},
    {"short write, disk full", {.status = WEIR_NO_SPACE, .is_short_write = true}, FALSE_LOSS_TORN},
    {"the machine dies",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true},
     FALSE_LOSS_TORN},
    {"all unsynced is lost",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true},
     FALSE_LOSS_ALL},
    {"the process dies",
     {.status = WEIR_IO_ERROR, .is_short_write = true, .and_all_after = true},
     FALSE_LOSS_PROCESS},
};

/* Much to clean, in several segments, with the map too small for one round. */
static void fill(struct clean_story *story)
{
    CHECK_OK(clean_story_open(story), story->detail);
    for (int i = 0; i < STEPS; i++)
        CHECK_OK(clean_story_append(story), story->detail);
    for (int i = 0; i < CLEAN_PRODUCERS; i++) {
        if (story->is_open[i])
            CHECK_OK(clean_story_end_txn(story, i, i == 0), story->detail);
    }
    CHECK_OK(clean_story_roll(story), story->detail);
    CHECK_OK(clean_story_append(story), story->detail);
    CHECK_OK(clean_story_flush(story), story->detail);
}

static void use(struct clean_story *story)
{
    if (weir_partition_log_has_failed(story->log))
        return;
    clean_story_verify(story);
    if (clean_story_append(story) == WEIR_OK)
        clean_story_verify(story);
}

/* False when there is no n-th call. */
static bool round_of(const struct kind *kind, uint64_t nth)
{
    struct clean_story story;
    clean_story_init(&story, 1 + nth % 5);
    fill(&story);
    struct false_fault fault = kind->fault;
    fault.calls = kind->loss == FALSE_LOSS_PROCESS
                      ? FALSE_CALL_ALL & ~(unsigned)(FALSE_CALL_SYNC | FALSE_CALL_SYNC_DIR)
                      : FALSE_CALL_ALL;
    fault.nth = nth;
    false_env_set_fault(story.world, fault);
    bool goes_on = true;
    while (goes_on && false_env_faults_hit(story.world) == 0)
        goes_on = clean_story_clean(&story);
    bool has_hit = false_env_faults_hit(story.world) > 0;
    if (!fault.and_all_after) {
        false_env_set_fault(story.world, (struct false_fault){0});
        use(&story);
    }
    clean_story_crash(&story, kind->loss);
    CHECK_OK(clean_story_open(&story), story.detail);
    clean_story_verify_opened(&story, kind->loss);
    while (clean_story_clean(&story))
        clean_story_verify(&story);
    use(&story);
    CHECK(!weir_partition_log_has_failed(story.log));
    clean_story_done(&story);
    return has_hit;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? first : UINT64_MAX;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (uint64_t nth = first; nth <= last; nth++) {
            (void)fprintf(stderr, "\r%s at call %llu ", kinds[i].name, (unsigned long long)nth);
            if (!round_of(&kinds[i], nth))
                break;
        }
        (void)fprintf(stderr, "\n");
    }
    return 0;
}
