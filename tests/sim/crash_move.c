/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A partition moves between two log directories, and at each file call of it the process dies, the
 * power fails, or the disk fails that one call.
 *
 *  V1  what was acknowledged is there afterwards (what was flushed, after a power loss), in one
 * log, and it is a prefix of what was appended; the log goes on, and so does the move.
 *
 * usage: crash_move [--full] [SEED [ROUNDS]]     a failing round names its seed: crash_move SEED 1
 */

#include "check.h"
#include "log_story.h"

#include <stdlib.h>
#include <string.h>

#define ROUNDS_QUICK 1200
#define ROUNDS_FULL  20000
#define CALLS_MAX    420

/* The old directory came back behind a clean marker that did not mean it; the new log told its own
 * recovery point before it had its name for good. */
static const uint64_t once_failed[] = {8212, 10442};
#define TURNS_MAX    60

enum bad_day { DIES, LOSES_POWER, FAILS_ONCE };

/* Several segments, a log start inside, and a part that is not flushed. */
static void fill(struct log_story *story)
{
    uint64_t count = 6 + log_story_random(story, 12);
    for (uint64_t i = 0; i < count; i++) {
        CHECK_OK(log_story_append(story, 1 + (int)log_story_random(story, 4),
                                  (size_t)log_story_random(story, 900)),
                 story->detail);
        if (log_story_random(story, 5) == 0)
            CHECK_OK(log_story_flush(story, true), story->detail);
    }
    if (log_story_random(story, 2) == 0)
        CHECK_OK(log_story_delete_before(story, (size_t)log_story_random(story, count)),
                 story->detail);
    if (log_story_random(story, 2) == 0)
        CHECK_OK(log_story_retain(story), story->detail);
}

static void bring_down(struct log_story *story, enum bad_day day)
{
    if (day == DIES)
        log_story_crash(story, FALSE_LOSS_PROCESS);
    else
        log_story_crash(story, log_story_random(story, 3) == 0 ? FALSE_LOSS_ALL : FALSE_LOSS_TORN);
}

/* Whether all calls fail from the chosen one on, or that one only. */
static void choose_end(struct log_story *story, enum bad_day day, uint64_t nth)
{
    false_env_set_fault(
        story->world,
        (struct false_fault){
            .calls = day == FAILS_ONCE ? FALSE_CALL_ALL
                                       : FALSE_CALL_CHANGES & ~(unsigned)FALSE_CALL_OPEN,
            .nth = nth,
            .and_all_after = day != FAILS_ONCE,
            .status = day == FAILS_ONCE && log_story_random(story, 2) == 0 ? WEIR_NO_SPACE
                                                                           : WEIR_IO_ERROR,
            .is_short_write = log_story_random(story, 2) == 0});
}

/* Appends go on while the partition moves; sometimes the move is taken back or asked for again. */
static void move(struct log_story *story)
{
    enum weir_status status = log_story_move(story, false);
    for (int i = 0; i < TURNS_MAX; i++) {
        bool has_run = log_story_turn(story);
        uint64_t choice = log_story_random(story, 12);
        if (choice < 4)
            status = log_story_append(story, 1, (size_t)log_story_random(story, 300));
        else if (choice == 4)
            status = log_story_flush(story, log_story_random(story, 2) == 0);
        else if (choice == 5)
            log_story_checkpoint(story);
        else if (choice == 6 && log_story_random(story, 6) == 0)
            status = log_story_move(story, log_story_random(story, 2) == 0);
        false_env_step_ms(story->world, 1000);
        if (!has_run && status == WEIR_OK && choice > 8)
            break;
    }
}

static void live(struct log_story *story, enum bad_day day)
{
    move(story);
    if (log_story_random(story, 4) == 0)
        (void)log_story_close(story);
    bring_down(story, day);
}

static void round_of(uint64_t seed)
{
    struct log_story story;
    log_story_init(&story, seed);
    story.dir_count = 2;
    enum bad_day day = (enum bad_day)log_story_random(&story, 3);
    CHECK_OK(log_story_open(&story), story.detail);
    fill(&story);
    uint64_t lives = 1 + log_story_random(&story, 3);
    for (uint64_t i = 0; i < lives; i++) {
        choose_end(&story, day, 1 + log_story_random(&story, CALLS_MAX));
        if (story.manager == NULL && log_story_open(&story) != WEIR_OK) {
            bring_down(&story, day);
            continue;
        }
        if (day == FAILS_ONCE) /* not in the judge's reads */
            false_env_set_fault(story.world, (struct false_fault){0});
        log_story_verify(&story, day != DIES);
        if (day == FAILS_ONCE)
            choose_end(&story, day, 1 + log_story_random(&story, CALLS_MAX));
        live(&story, day);
    }
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, day != DIES);
    for (int i = 0; i < TURNS_MAX && log_story_turn(&story); i++)
        continue;
    log_story_verify(&story, false);
    log_story_verify_use(&story);
    CHECK(weir_log_mover_count(story.mover) == 0, "the move has not ended");
    CHECK_OK(log_story_close(&story), story.detail);
    CHECK_OK(log_story_open(&story), story.detail);
    log_story_verify(&story, false);
    log_story_done(&story);
}

int main(int argc, char **argv)
{
    bool is_full = argc > 1 && strcmp(argv[1], "--full") == 0;
    int first = is_full ? 2 : 1;
    uint64_t seed = argc > first ? strtoull(argv[first], NULL, 10) : 1;
    uint64_t rounds = argc > first + 1 ? strtoull(argv[first + 1], NULL, 10)
                      : is_full        ? ROUNDS_FULL
                                       : ROUNDS_QUICK;
    for (size_t i = 0; argc <= first && i < sizeof(once_failed) / sizeof(once_failed[0]); i++)
        round_of(once_failed[i]);
    for (uint64_t i = 0; i < rounds; i++) {
        (void)fprintf(stderr, "\rseed %llu ", (unsigned long long)(seed + i));
        round_of(seed + i);
    }
    (void)fprintf(stderr, "\r%llu moves on bad days\n", (unsigned long long)rounds);
    return 0;
}
