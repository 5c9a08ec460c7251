/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A log on a disk that is full again and again, at any byte: appends, rolls, flushes and retention
 * are refused or done whole, nothing that was acknowledged is lost, no log fails for it, and with
 * space everything goes on.  Also after a process that died with the disk full.
 *
 * usage: full_disk [FIRST_SEED [LAST_SEED]]
 */

#include "sim/check.h"
#include "sim/log_story.h"

#include <stdlib.h>

/* Refused for want of space, or done. */
static void check_status(const struct log_story *story, enum weir_status status, const char *what)
{
    CHECK(status == WEIR_OK || status == WEIR_NO_SPACE, "%s: %s: %s", what,
          weir_status_name(status), story->detail.text);
}

static uint64_t bytes_on(const struct log_story *story)
{
    uint64_t bytes = 0;
    char *tree = false_env_tree(story->world);
    for (const char *line = tree; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *space = end;
        while (space != NULL && space > line && *space != ' ')
            space--;
        if (space != NULL && *space == ' ')
            bytes += strtoull(space + 1, NULL, 10);
        line = end == NULL ? NULL : end + 1;
    }
    free(tree);
    return bytes;
}

static void step(struct log_story *story)
{
    switch (log_story_random(story, 8)) {
    case 0:
        check_status(story, log_story_roll(story), "roll");
        break;
    case 1:
        check_status(story, log_story_flush(story, true), "flush");
        break;
    case 2:
        check_status(story, log_story_retain(story), "retain");
        break;
    default:
        check_status(story,
                     log_story_append(story, 1 + (int)log_story_random(story, 4),
                                      log_story_random(story, 400)),
                     "append");
        break;
    }
}

static void run_seed(uint64_t seed)
{
    struct log_story story;
    log_story_init(&story, seed);
    CHECK_OK(log_story_open(&story), story.detail);
    for (int round = 0; round < 4; round++) {
        /* Full somewhere within the next steps, then space again. */
        false_env_set_capacity(story.world, bytes_on(&story) + log_story_random(&story, 6000));
        for (int i = 0; i < 25; i++)
            step(&story);
        CHECK(!weir_partition_log_has_failed(story.log), "the log has failed");
        log_story_verify(&story, false);
        if (round % 2 == 1) {
            log_story_crash(&story, FALSE_LOSS_PROCESS);
            CHECK_OK(log_story_open(&story), story.detail);
            log_story_verify(&story, false);
        }
        false_env_set_capacity(story.world, UINT64_MAX);
        CHECK_OK(log_story_append(&story, 2, 100), story.detail);
        CHECK_OK(log_story_flush(&story, true), story.detail);
    }
    log_story_verify_use(&story);
    CHECK_OK(log_story_close(&story), story.detail);
    CHECK_OK(log_story_open(&story), story.detail); /* finds nothing to repair */
    log_story_verify(&story, false);
    log_story_done(&story);
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t last = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? first : 300;
    for (uint64_t seed = first; seed <= last; seed++) {
        (void)fprintf(stderr, "\rseed %llu ", (unsigned long long)seed);
        run_seed(seed);
    }
    (void)fprintf(stderr, "\n");
    return 0;
}
