/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Power fails at any moment of a log's life, thousands of times.
 *
 *  P2  what was flushed is there afterwards, and the rest is a prefix of what was appended;
 *      the log then goes on: offsets, times and the producer's sequence numbers lead where they
 *      should, and a second failure during the repair changes nothing.
 *
 * usage: crash_append [--full] [SEED [ROUNDS]]     a failing round names its seed: crash_append
 * SEED 1
 */

#include "check.h"
#include "log_story.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS      1500
#define ROUNDS_FULL 10000
#define STEPS_MAX   40
#define CALLS_MAX   600

/* What the machine dies in: any call that changes something, or none.  Opening goes on, for the
 * judge reads while the fault is set. */
static void choose_end(struct log_story *story)
{
    uint64_t nth = log_story_random(story, CALLS_MAX);
    false_env_set_fault(
        story->world, (struct false_fault){.calls = FALSE_CALL_CHANGES & ~(unsigned)FALSE_CALL_OPEN,
                                           .nth = nth,
                                           .and_all_after = true,
                                           .status = WEIR_IO_ERROR,
                                           .is_short_write = log_story_random(story, 2) == 0});
}

static enum weir_status append(struct log_story *story, bool flushes)
{
    int records = 1 + (int)log_story_random(story, 4);
    size_t bytes = (size_t)log_story_random(story, log_story_random(story, 4) == 0 ? 1500 : 120);
    enum weir_status status = log_story_append(story, records, bytes);
    if (status == WEIR_OK && flushes)
        status = log_story_flush(story, true);
    return status;
}

static enum weir_status step(struct log_story *story, bool flushes)
{
    switch (log_story_random(story, 16)) {
    case 0:
        return log_story_flush(story, log_story_random(story, 2) == 0);
    case 1:
        return log_story_roll(story);
    case 2:
        log_story_checkpoint(story);
        return WEIR_OK;
    case 3:
        if (log_story_random(story, 4) != 0 || story->told_count == 0)
            return WEIR_OK;
        return log_story_truncate(story, (size_t)log_story_random(story, story->told_count));
    case 4:
        if (log_story_random(story, 3) != 0 || story->told_count == 0)
            return WEIR_OK;
        return log_story_delete_before(story, (size_t)log_story_random(story, story->told_count));
    case 5:
        return log_story_retain(story);
    case 6:
        false_env_step_ms(story->world, (int64_t)log_story_random(story, 100000));
        return WEIR_OK;
    case 7:
        story->epoch += (int32_t)log_story_random(story, 3);
        return WEIR_OK;
    default:
        return append(story, flushes);
    }
}

/* Until the machine dies or the steps are done; some lives end with a clean stop. */
static void live(struct log_story *story, bool flushes)
{
    uint64_t steps = log_story_random(story, STEPS_MAX);
    enum weir_status status = WEIR_OK;
    for (uint64_t i = 0; i < steps && status == WEIR_OK; i++)
        status = step(story, flushes);
    if (status == WEIR_OK && log_story_random(story, 6) == 0 && log_story_close(story) != WEIR_OK)
        story->is_closed_cleanly = false;
}

static void round_of(uint64_t seed)
{
    struct log_story story;
    log_story_init(&story, seed);
    bool flushes = log_story_random(&story, 2) == 0;
    false_env_set_garbling(story.world, log_story_random(&story, 4) == 0);
    if (log_story_random(&story, 4) == 0)
        story.config.retention_bytes = 6000;
    uint64_t lives = 1 + log_story_random(&story, 3);
    for (uint64_t i = 0; i < lives; i++) {
        choose_end(&story);
        enum weir_status status = log_story_open(&story);
        if (status == WEIR_OK) {
            log_story_verify(&story, true);
            live(&story, flushes);
        }
        log_story_crash(&story, FALSE_LOSS_TORN);
    }
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, true);
    log_story_verify_use(&story);
    log_story_done(&story);
}

int main(int argc, char **argv)
{
    bool is_full = argc > 1 && strcmp(argv[1], "--full") == 0;
    int first = is_full ? 2 : 1;
    uint64_t seed = argc > first ? strtoull(argv[first], NULL, 10) : 1;
    uint64_t rounds = argc > first + 1 ? strtoull(argv[first + 1], NULL, 10)
                      : is_full        ? ROUNDS_FULL
                                       : ROUNDS;
    for (uint64_t i = 0; i < rounds; i++) {
        /* Kept for the message that an abort leaves last. */
        (void)fprintf(stderr, "\rseed %llu ", (unsigned long long)(seed + i));
        round_of(seed + i);
    }
    (void)fprintf(stderr, "\r%llu power losses and more\n", (unsigned long long)rounds);
    return 0;
}
