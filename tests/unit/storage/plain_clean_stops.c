/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A round of cleaning that is under way is stopped, at each of its steps and while it waits for a
 * low rate: by a truncation, the closing or the deletion of its log, a move, the cleaner's end, the
 * close of all logs.  Whoever stops it does not wait for its pace, and nothing is lost.  A plain
 * program, so that it runs under ThreadSanitizer.
 */

#include "keyed_truth.h"

#include "weir/storage/cleaner.h"
#include "weir/storage/log_move.h"

#include <pthread.h>
#include <stdatomic.h>

/* At this rate the first buffer alone would last for half a minute. */
#define LOW_RATE 500.0
enum { PROMPT_MS = 8000, BATCHES = 400, STEPS_MAX = 400 };

static void sleep_a_turn(void)
{
    (void)sched_yield();
}

static void configure(struct weir_log_config *config)
{
    *config = weir_log_config_default();
    config->cleanup_compact = true;
    config->cleanup_delete = false;
    config->segment_bytes = 4000;
    config->index_interval_bytes = 300;
    config->min_cleanable_dirty_ratio = 0.01;
    config->file_delete_delay_ms = 0;
}

static void fill(struct truth *truth, struct weir_partition_log *log, int batches)
{
    for (int i = 0; i < batches; i++)
        truth_append(truth, log);
    (void)weir_partition_log_set_high_watermark(log, truth->end_offset);
}

/* --- One log, and a round that waits at a step. --- */

struct held {
    struct weir_partition_log *log;
    struct weir_log_clean_options options;
    int steps; /* of this round so far */
    int step;  /* where it waits */
    atomic_bool is_waiting;
    atomic_bool has_ended;
    enum weir_status status;
};

static bool hold(void *context, size_t bytes)
{
    struct held *held = context;
    (void)bytes;
    if (held->steps++ != held->step)
        return true;
    atomic_store(&held->is_waiting, true);
    while (!weir_partition_log_must_stop_cleaning(held->log))
        sleep_a_turn();
    return true; /* the round has to see it by itself */
}

static void *clean_held(void *context)
{
    struct held *held = context;
    struct weir_log_clean_result result;
    struct weir_detail detail;
    held->status = weir_partition_log_clean(held->log, &held->options, &result, &detail);
    atomic_store(&held->has_ended, true);
    return NULL;
}

enum stopper { BY_TRUNCATION, BY_CLOSE, BY_DELETION, STOPPERS };

struct one_log {
    struct truth_env env;
    struct truth truth;
    char dir[64];
    char log_dir[80];
    struct weir_partition_log *log;
    struct weir_segment_cache *cache;
};

static void one_open(struct one_log *one, bool was_clean)
{
    struct weir_partition_log_options options = weir_partition_log_options_default();
    struct weir_detail detail = {{0}};
    options.env = &one->env.env;
    options.dir = one->log_dir;
    options.key = one->truth.key;
    options.cache = one->cache;
    options.was_clean = was_clean;
    options.recovery_point = was_clean ? one->truth.end_offset : 0;
    options.high_watermark = one->truth.end_offset;
    configure(&options.config);
    truth_check(weir_partition_log_open(&options, &one->log, NULL, &detail), &detail, "open");
}

static void stop_by(struct one_log *one, enum stopper stopper)
{
    struct weir_detail detail = {{0}};
    switch (stopper) {
    case BY_TRUNCATION:
        truth_truncate(&one->truth, one->log, one->truth.end_offset - 2);
        (void)truth_verify(&one->truth, one->log);
        fill(&one->truth, one->log, 3);
        break;
    case BY_CLOSE:
        truth_check(weir_partition_log_close(one->log, &detail), &detail, "close");
        break;
    case BY_DELETION:
        truth_check(weir_partition_log_rename_for_delete(one->log, &detail), &detail, "delete");
        break;
    case STOPPERS:
        break;
    }
}

/* False: the round has no such step. */
static bool stop_at(struct one_log *one, enum stopper stopper, int step)
{
    struct held held = {.log = one->log, .options = weir_log_clean_options_default(), .step = step};
    pthread_t thread;
    held.options.buffer_bytes = 1500;
    held.options.map_bytes = 1 << 16;
    held.options.pace = hold;
    held.options.context = &held;
    WEIR_ASSERT(pthread_create(&thread, NULL, clean_held, &held) == 0);
    while (!atomic_load(&held.is_waiting) && !atomic_load(&held.has_ended))
        sleep_a_turn();
    bool is_waiting = atomic_load(&held.is_waiting);
    if (is_waiting)
        stop_by(one, stopper);
    (void)pthread_join(thread, NULL);
    WEIR_ASSERT(held.status == (is_waiting ? WEIR_CLOSED : WEIR_OK));
    return is_waiting;
}

static void stop_at_each_step(enum stopper stopper)
{
    struct one_log one = {.dir = "/tmp/weir-stops-XXXXXX"};
    struct weir_detail detail = {{0}};
    int step = 0;
    truth_env_init(&one.env);
    truth_init(&one.truth, "t", (uint64_t)stopper);
    WEIR_ASSERT(mkdtemp(one.dir) != NULL);
    (void)snprintf(one.log_dir, sizeof(one.log_dir), "%s/t-0", one.dir);
    truth_check(weir_segment_cache_new(2, 200, &one.cache), &detail, "cache");
    one_open(&one, false);
    fill(&one.truth, one.log, 120);
    for (bool is_stopped = true; is_stopped; step++) {
        WEIR_ASSERT(step < STEPS_MAX);
        fill(&one.truth, one.log, 3);
        is_stopped = stop_at(&one, stopper, step);
        if (is_stopped && stopper != BY_TRUNCATION) {
            weir_partition_log_unref(one.log);
            if (stopper == BY_DELETION) {
                truth_check(weir_dir_remove_all(weir_env_posix(), one.dir, &detail), &detail,
                            "remove");
                truth_check(weir_dir_make(weir_env_posix(), one.dir, &detail), &detail, "make");
                truth_done(&one.truth);
                truth_init(&one.truth, "t", (uint64_t)step);
            }
            one_open(&one, stopper == BY_CLOSE);
            if (stopper == BY_DELETION)
                fill(&one.truth, one.log, 120);
        }
        (void)truth_verify(&one.truth, one.log);
    }
    WEIR_ASSERT(step > 5);
    (void)printf("stopped at %d steps\n", step - 1);
    weir_partition_log_unref(one.log);
    weir_segment_cache_free(one.cache);
    truth_done(&one.truth);
    truth_check(weir_dir_remove_all(weir_env_posix(), one.dir, &detail), &detail, "remove");
}

/* --- All logs, and a cleaner at a low rate. --- */

struct all_logs {
    struct truth_env env;
    char dir[64];
    char dirs[2][80];
    struct weir_log_manager *manager;
    struct weir_cleaner *cleaner;
    struct truth truth;
    struct weir_partition_log *log;
    _Atomic double rate;
    atomic_int threads;
    atomic_int asked;
    int64_t from_ms;
};

static void set_config(void *context, struct weir_cleaner_config *out)
{
    struct all_logs *all = context;
    out->threads = atomic_load(&all->threads);
    out->map_bytes = 1 << 20;
    out->bytes_per_second_max = atomic_load(&all->rate);
    out->backoff_ms = 1;
    atomic_fetch_add(&all->asked, 1);
}

static void all_open(struct all_logs *all)
{
    const char *const dirs[] = {all->dirs[0], all->dirs[1]};
    struct weir_log_manager_options options = {
        .env = &all->env.env, .dirs = dirs, .dir_count = 2, .node_id = 1};
    struct weir_log_manager_load_options load = {0};
    struct weir_log_manager_load_result loaded;
    struct weir_detail detail = {{0}};
    configure(&options.defaults);
    truth_check(weir_log_manager_open(&options, &all->manager, &detail), &detail, "open");
    truth_check(weir_log_manager_load(all->manager, &load, &loaded, &detail), &detail, "load");
    struct weir_cleaner_options cleaner = {
        .env = &all->env.env, .logs = all->manager, .config = set_config, .context = all};
    truth_check(weir_cleaner_new(&cleaner, &all->cleaner), &detail, "cleaner");
}

static struct weir_partition_log *all_create(struct all_logs *all, struct truth *truth)
{
    struct weir_partition_log *log = NULL;
    struct weir_detail detail = {{0}};
    truth_check(
        weir_log_manager_create(all->manager, &truth->key, weir_uuid_small(7), NULL, &log, &detail),
        &detail, "create");
    fill(truth, log, BATCHES);
    return log;
}

static bool is_being_cleaned(struct all_logs *all, struct weir_partition_log *log)
{
    if (!weir_log_manager_begin_cleaning(all->manager, log))
        return true;
    weir_log_manager_end_cleaning(all->manager, log);
    return false;
}

/* A cleaner that is in the midst of a round. */
static void all_start(struct all_logs *all)
{
    struct weir_detail detail = {{0}};
    (void)snprintf(all->dir, sizeof(all->dir), "/tmp/weir-stops-XXXXXX");
    WEIR_ASSERT(mkdtemp(all->dir) != NULL);
    for (int i = 0; i < 2; i++)
        (void)snprintf(all->dirs[i], sizeof(all->dirs[i]), "%s/%d", all->dir, i);
    truth_env_init(&all->env);
    truth_init(&all->truth, "t", 1);
    atomic_store(&all->rate, LOW_RATE);
    atomic_store(&all->threads, 1);
    all_open(all);
    all->log = all_create(all, &all->truth);
    truth_check(weir_cleaner_start(all->cleaner, &detail), &detail, "start");
    while (!is_being_cleaned(all, all->log))
        sleep_a_turn();
    all->from_ms = weir_env_monotonic_ms(weir_env_posix());
}

static void check_prompt(const struct all_logs *all, const char *what)
{
    int64_t took_ms = weir_env_monotonic_ms(weir_env_posix()) - all->from_ms;
    (void)printf("%s: %lld ms\n", what, (long long)took_ms);
    WEIR_ASSERT(took_ms < PROMPT_MS);
}

static void all_end(struct all_logs *all)
{
    struct weir_detail detail = {{0}};
    weir_cleaner_free(all->cleaner);
    weir_partition_log_unref(all->log);
    weir_log_manager_free(all->manager);
    truth_done(&all->truth);
    truth_check(weir_dir_remove_all(weir_env_posix(), all->dir, &detail), &detail, "remove");
}

static void truncation_and_delete_records_are_prompt(void)
{
    struct all_logs all = {0};
    int64_t start;
    struct weir_log_retention_result result;
    struct weir_detail detail = {{0}};
    all_start(&all);
    truth_check(weir_partition_log_delete_records(all.log, 300, &start), &detail, "delete records");
    truth_check(weir_partition_log_retain(all.log, &result, &detail), &detail, "retain");
    truth_check(weir_partition_log_flush(all.log, true, &detail), &detail, "flush");
    fill(&all.truth, all.log, 20);
    check_prompt(&all, "retention, flush and appends");
    truth_truncate(&all.truth, all.log, all.truth.end_offset - 10);
    check_prompt(&all, "truncation");
    (void)truth_verify(&all.truth, all.log);
    all_end(&all);
    (void)printf("end of the cleaner\n");
}

static void deletion_is_prompt(void)
{
    struct all_logs all = {0};
    struct weir_detail detail = {{0}};
    all_start(&all);
    truth_check(weir_log_manager_delete(all.manager, &all.truth.key, &detail), &detail, "delete");
    check_prompt(&all, "deletion");
    all_end(&all);
}

static void move_is_prompt(void)
{
    struct all_logs all = {0};
    struct weir_log_mover *mover = NULL;
    struct weir_detail detail = {{0}};
    all_start(&all);
    struct weir_log_mover_options options = {
        .env = &all.env.env, .manager = all.manager, .threads = 1};
    truth_check(weir_log_mover_new(&options, &mover, &detail), &detail, "mover");
    int from = weir_log_manager_dir_of(all.manager, &all.truth.key);
    truth_check(
        weir_log_mover_move(mover, &all.truth.key, weir_slice_str(all.dirs[1 - from]), &detail),
        &detail, "move");
    while (weir_log_manager_dir_of(all.manager, &all.truth.key) == from)
        sleep_a_turn();
    check_prompt(&all, "move");
    weir_log_mover_free(mover);
    weir_partition_log_unref(all.log);
    all.log = weir_log_manager_get(all.manager, &all.truth.key);
    (void)truth_verify(&all.truth, all.log);
    atomic_store(&all.rate, 1e18);
    all_end(&all);
}

static void close_of_all_is_prompt(void)
{
    struct all_logs all = {0};
    struct weir_detail detail = {{0}};
    struct weir_log_dir_info info;
    all_start(&all);
    truth_check(weir_log_manager_close(all.manager, 1, true, &detail), &detail, "close");
    check_prompt(&all, "close");
    weir_cleaner_free(all.cleaner);
    check_prompt(&all, "close and end of the cleaner");
    weir_partition_log_unref(all.log);
    weir_log_manager_free(all.manager);
    all_open(&all);
    weir_log_manager_dir(all.manager, 0, &info);
    WEIR_ASSERT(info.was_clean);
    all.log = weir_log_manager_get(all.manager, &all.truth.key);
    (void)truth_verify(&all.truth, all.log);
    all_end(&all);
}

/* --- Changes while it runs. --- */

static uint64_t rounds_of(struct all_logs *all)
{
    struct weir_cleaner_facts facts;
    weir_cleaner_facts(all->cleaner, &facts);
    return facts.rounds;
}

static void await_rounds(struct all_logs *all, uint64_t rounds)
{
    while (rounds_of(all) < rounds)
        sleep_a_turn();
}

static void rate_and_threads_change_while_it_runs(void)
{
    struct all_logs all = {0};
    struct truth other;
    all_start(&all);
    truth_init(&other, "other", 2);
    struct weir_partition_log *second = all_create(&all, &other);
    WEIR_ASSERT(rounds_of(&all) == 0);
    /* The second thread is begun when the first has done something. */
    atomic_store(&all.rate, 1e18);
    await_rounds(&all, 2);
    check_prompt(&all, "rate taken back in the midst of a round");
    atomic_store(&all.threads, 2);
    int asked = atomic_load(&all.asked);
    while (atomic_load(&all.asked) < asked + 3)
        sleep_a_turn();
    atomic_store(&all.rate, LOW_RATE);
    fill(&all.truth, all.log, BATCHES);
    fill(&other, second, BATCHES);
    while (!is_being_cleaned(&all, all.log) || !is_being_cleaned(&all, second))
        sleep_a_turn();
    check_prompt(&all, "two rounds at once");
    atomic_store(&all.threads, 0);
    atomic_store(&all.rate, 1e18);
    await_rounds(&all, 4);
    uint64_t rounds = rounds_of(&all);
    asked = atomic_load(&all.asked);
    while (atomic_load(&all.asked) < asked + 6) /* whoever had begun to choose has ended by then */
        sleep_a_turn();
    fill(&all.truth, all.log, BATCHES);
    asked = atomic_load(&all.asked);
    while (atomic_load(&all.asked) < asked + 6)
        sleep_a_turn();
    WEIR_ASSERT(rounds_of(&all) <= rounds + 2);
    rounds = rounds_of(&all);
    atomic_store(&all.threads, 1);
    await_rounds(&all, rounds + 1);
    (void)truth_verify(&all.truth, all.log);
    (void)truth_verify(&other, second);
    weir_partition_log_unref(second);
    truth_done(&other);
    all_end(&all);
}

static void end_may_come_at_any_moment(void)
{
    struct all_logs all = {0};
    struct weir_detail detail = {{0}};
    all_start(&all);
    for (int i = 0; i < 30; i++) {
        struct weir_cleaner_options cleaner = {
            .env = &all.env.env, .logs = all.manager, .config = set_config, .context = &all};
        weir_cleaner_free(all.cleaner);
        atomic_store(&all.threads, 1 + i % 5);
        truth_check(weir_cleaner_new(&cleaner, &all.cleaner), &detail, "cleaner");
        truth_check(weir_cleaner_start(all.cleaner, &detail), &detail, "start");
        int asked = atomic_load(&all.asked);
        while (atomic_load(&all.asked) < asked + i % 4)
            sleep_a_turn();
    }
    check_prompt(&all, "thirty ends");
    all_end(&all);
}

int main(void)
{
    for (enum stopper stopper = BY_TRUNCATION; stopper < STOPPERS; stopper++)
        stop_at_each_step(stopper);
    truncation_and_delete_records_are_prompt();
    deletion_is_prompt();
    move_is_prompt();
    close_of_all_is_prompt();
    rate_and_threads_change_while_it_runs();
    end_may_come_at_any_moment();
    return 0;
}
