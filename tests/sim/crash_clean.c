/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The process dies or power fails at any moment of a compacted log's life, thousands of times.  The
 * last committed record of each key is there afterwards, tombstones do not lose their effect,
 * aborted data does not come back, producers go on with their sequences.
 *
 * usage: crash_clean [SEED [ROUNDS]]     a failing round names its seed: crash_clean SEED 1
 */

#include "check.h"
#include "clean_story.h"

#include <stdlib.h>

enum { ROUNDS = 800, STEPS_MAX = 70, CALLS_MAX = 500 };

static uint64_t round_of(uint64_t seed)
{
    struct clean_story story;
    clean_story_init(&story, seed);
    false_env_set_garbling(story.world, clean_story_random(&story, 4) == 0);
    uint64_t lives = 1 + clean_story_random(&story, 4);
    for (uint64_t i = 0; i < lives; i++) {
        enum false_loss loss = (enum false_loss)clean_story_random(&story, 3);
        struct false_fault fault = {.calls = FALSE_CALL_CHANGES & ~(unsigned)FALSE_CALL_OPEN,
                                    .nth = clean_story_random(&story, CALLS_MAX),
                                    .and_all_after = true,
                                    .status = WEIR_IO_ERROR,
                                    .is_short_write = clean_story_random(&story, 2) == 0};
        /* A dead process syncs nothing; it does not leave syncs behind that lie. */
        if (loss == FALSE_LOSS_PROCESS)
            fault.calls &= ~(unsigned)(FALSE_CALL_SYNC | FALSE_CALL_SYNC_DIR);
        false_env_set_fault(story.world, fault);
        enum weir_status status = clean_story_open(&story);
        uint64_t steps = clean_story_random(&story, STEPS_MAX);
        for (uint64_t j = 0; j < steps && status == WEIR_OK; j++)
            status = clean_story_step(&story);
        if (status == WEIR_OK && clean_story_random(&story, 5) == 0)
            status = clean_story_close(&story);
        clean_story_crash(&story, loss);
        CHECK_OK(clean_story_open(&story), story.detail);
        clean_story_verify_opened(&story, loss);
        clean_story_crash(&story, FALSE_LOSS_PROCESS);
    }
    CHECK_OK(clean_story_open(&story), story.detail);
    clean_story_verify_opened(&story, FALSE_LOSS_PROCESS);
    while (clean_story_clean(&story))
        clean_story_verify(&story);
    for (int i = 0; i < CLEAN_PRODUCERS; i++)
        CHECK_OK(clean_story_append(&story), story.detail);
    clean_story_verify(&story);
    uint64_t cleanings = story.cleanings;
    clean_story_done(&story);
    return cleanings;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : ROUNDS;
    uint64_t cleanings = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        /* Kept for the message that an abort leaves last. */
        (void)fprintf(stderr, "\rseed %llu ", (unsigned long long)(seed + i));
        cleanings += round_of(seed + i);
    }
    (void)fprintf(stderr, "\r%llu rounds, %llu cleanings\n", (unsigned long long)rounds,
                  (unsigned long long)cleanings);
    CHECK(rounds < 100 || cleanings > rounds);
    return 0;
}
