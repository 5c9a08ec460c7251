/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/loop.h"

#include "stepped_env.h"

#include "weir/base/limits.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What happened, in order, one letter each. */
struct trace {
    char text[64];
    size_t size;
    struct weir_loop *loop;
};

static void note(struct trace *trace, char letter)
{
    cr_assert_lt(trace->size + 1, sizeof(trace->text));
    trace->text[trace->size++] = letter;
    trace->text[trace->size] = '\0';
}

struct traced_message {
    struct weir_message message;
    struct trace *trace;
    char letter;
    bool posts_again;
};

static void run_message(struct weir_message *message)
{
    struct traced_message *traced = (struct traced_message *)message;
    cr_assert_eq(weir_loop_current(), traced->trace->loop);
    note(traced->trace, traced->letter);
    if (traced->posts_again) {
        traced->posts_again = false;
        weir_loop_post(traced->trace->loop, message);
    }
}

struct traced_timer {
    struct weir_timer timer;
    struct trace *trace;
    char letter;
};

static void fire_timer(struct weir_timer *timer)
{
    struct traced_timer *traced = WEIR_CONTAINER_OF(timer, struct traced_timer, timer);
    note(traced->trace, traced->letter);
}

struct traced_hook {
    struct weir_loop_hook hook;
    struct trace *trace;
    char letter;
};

static void run_hook(struct weir_loop_hook *hook)
{
    struct traced_hook *traced = (struct traced_hook *)hook;
    note(traced->trace, traced->letter);
}

static void on_socket(void *context, unsigned events)
{
    note(context, (events & WEIR_WATCH_READ) != 0 ? 'r' : 'w');
}

static struct weir_loop *new_loop(struct stepped_env *env, struct trace *trace)
{
    stepped_env_init(env);
    struct weir_loop *loop = NULL;
    cr_assert_eq(weir_loop_new(&env->env, "test", &loop, NULL), WEIR_OK);
    trace->loop = loop;
    return loop;
}

Test(loop, a_turn_runs_mailbox_timers_sockets_hooks_in_this_order)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    struct traced_hook first = {{.run = run_hook}, &trace, 'h'};
    struct traced_hook second = {{.run = run_hook}, &trace, 'i'};
    struct traced_hook last = {{.run = run_hook}, &trace, 'z'};
    weir_loop_hook_add_last(loop, &last.hook);
    weir_loop_hook_add(loop, &first.hook);
    weir_loop_hook_add(loop, &second.hook);
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct weir_watch *watch = NULL;
    cr_assert_eq(weir_loop_watch(loop, pair[0], WEIR_WATCH_READ, on_socket, &trace, &watch, NULL),
                 WEIR_OK);
    cr_assert_eq(write(pair[1], "x", 1), 1);
    struct traced_timer timer = {{.fire = fire_timer}, &trace, 't'};
    cr_assert_eq(weir_loop_timer_set(loop, &timer.timer, weir_loop_now_ms(loop)), WEIR_OK);
    struct traced_message message = {{.run = run_message}, &trace, 'm', false};
    weir_loop_post(loop, &message.message);
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "mtrhiz");
    weir_watch_free(watch);
    weir_loop_free(loop);
    close(pair[0]);
    close(pair[1]);
}

Test(loop, a_message_posted_by_a_message_runs_in_the_next_turn)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    struct traced_hook hook = {{.run = run_hook}, &trace, 'h'};
    weir_loop_hook_add(loop, &hook.hook);
    struct traced_message first = {{.run = run_message}, &trace, 'a', true};
    struct traced_message second = {{.run = run_message}, &trace, 'b', false};
    weir_loop_post(loop, &first.message);
    weir_loop_post(loop, &second.message);
    weir_loop_turn(loop, 0);
    weir_loop_turn(loop, -1);
    cr_assert_str_eq(trace.text, "abhah");
    weir_loop_free(loop);
}

Test(loop, timers_fire_at_their_deadline_in_order_and_not_when_cancelled)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    struct traced_timer timers[4];
    int64_t now_ms = weir_loop_now_ms(loop);
    static const int64_t delays[] = {30, 10, 20, 15};
    for (int i = 0; i < 4; i++) {
        timers[i] = (struct traced_timer){{.fire = fire_timer}, &trace, (char)('a' + i)};
        cr_assert_eq(weir_loop_timer_set(loop, &timers[i].timer, now_ms + delays[i]), WEIR_OK);
    }
    weir_loop_timer_cancel(loop, &timers[3].timer);
    weir_loop_timer_cancel(loop, &timers[3].timer);
    env.now_ns += 9 * 1000000;
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "");
    cr_assert_eq(weir_loop_timer_set(loop, &timers[0].timer, now_ms + 12), WEIR_OK);
    env.now_ns += 11 * 1000000;
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "bac");
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "bac");
    weir_loop_free(loop);
}

static void fire_again(struct weir_timer *timer)
{
    struct traced_timer *traced = WEIR_CONTAINER_OF(timer, struct traced_timer, timer);
    note(traced->trace, traced->letter);
    cr_assert_eq(weir_loop_timer_set(traced->trace->loop, timer, 0), WEIR_OK);
}

Test(loop, a_timer_that_is_always_due_does_not_stop_the_turn)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    struct traced_timer timer = {{.fire = fire_again}, &trace, 't'};
    cr_assert_eq(weir_loop_timer_set(loop, &timer.timer, 0), WEIR_OK);
    weir_loop_turn(loop, -1);
    weir_loop_turn(loop, -1);
    cr_assert_str_eq(trace.text, "tt");
    weir_loop_free(loop);
}

Test(loop, the_wait_ends_at_the_first_deadline_of_the_real_clock)
{
    struct weir_loop *loop = NULL;
    cr_assert_eq(weir_loop_new(weir_env_posix(), "test", &loop, NULL), WEIR_OK);
    struct trace trace = {.loop = loop};
    struct traced_timer timer = {{.fire = fire_timer}, &trace, 't'};
    int64_t deadline_ms = weir_env_monotonic_ms(weir_env_posix()) + 20;
    cr_assert_eq(weir_loop_timer_set(loop, &timer.timer, deadline_ms), WEIR_OK);
    while (trace.size == 0)
        weir_loop_turn(loop, -1);
    cr_assert_geq(weir_loop_now_ms(loop), deadline_ms);
    weir_loop_free(loop);
}

struct watch_pair {
    struct weir_watch *watches[2];
    int calls;
};

static void free_both(void *context, unsigned events)
{
    (void)events;
    struct watch_pair *pair = context;
    pair->calls++;
    weir_watch_free(pair->watches[0]);
    weir_watch_free(pair->watches[1]);
    pair->watches[0] = NULL;
    pair->watches[1] = NULL;
}

Test(loop, a_watch_freed_by_another_one_in_the_same_turn_is_not_called)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    int sockets[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    struct watch_pair pair = {0};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weir_loop_watch(loop, sockets[i], WEIR_WATCH_WRITE, free_both, &pair,
                                     &pair.watches[i], NULL),
                     WEIR_OK);
    weir_loop_turn(loop, 0);
    weir_loop_turn(loop, 0);
    cr_assert_eq(pair.calls, 1);
    weir_loop_free(loop);
    close(sockets[0]);
    close(sockets[1]);
}

Test(loop, watch_events_can_be_changed_and_rested)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    int sockets[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    struct weir_watch *watch = NULL;
    cr_assert_eq(weir_loop_watch(loop, sockets[0], 0, on_socket, &trace, &watch, NULL), WEIR_OK);
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "");
    weir_watch_set(watch, WEIR_WATCH_WRITE);
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "w");
    cr_assert_eq(write(sockets[1], "x", 1), 1);
    weir_watch_set(watch, WEIR_WATCH_READ);
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "wr");
    weir_watch_set(watch, 0);
    weir_loop_turn(loop, 0);
    cr_assert_str_eq(trace.text, "wr");
    weir_watch_free(watch);
    weir_watch_free(NULL);
    weir_loop_free(loop);
    close(sockets[0]);
    close(sockets[1]);
}

Test(loop, free_runs_the_messages_that_are_left)
{
    struct stepped_env env;
    struct trace trace = {0};
    struct weir_loop *loop = new_loop(&env, &trace);
    struct traced_message message = {{.run = run_message}, &trace, 'm', true};
    weir_loop_post(loop, &message.message);
    weir_loop_free(loop);
    cr_assert_str_eq(trace.text, "mm");
    weir_loop_free(NULL);
}

Test(loop, a_thread_starts_stops_and_starts_again)
{
    struct weir_loop *loop = NULL;
    cr_assert_eq(weir_loop_new(weir_env_posix(), "test", &loop, NULL), WEIR_OK);
    cr_assert_eq(weir_loop_start(loop, NULL), WEIR_OK);
    weir_loop_stop(loop);
    weir_loop_stop(loop);
    cr_assert_eq(weir_loop_start(loop, NULL), WEIR_OK);
    weir_loop_stop(loop);
    cr_assert_null(weir_loop_current());
    weir_loop_free(loop);
}
