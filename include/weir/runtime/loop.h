/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One thread, one event loop, its mailbox and its timers.  A turn does, in this order: mailbox,
 * timers, ready sockets (their handlers run inline), the end-of-turn hooks (coalesced appends, then
 * writes).  Except for weir_loop_post all functions are called on the loop's own thread, or before
 * it starts.
 *
 * Messages carry ownership: the sender forgets the pointer.  A message is intrusive, so posting
 * never allocates and never fails.  The mailbox wakes the loop with one eventfd write per batch.
 */

#include "weir/base/heap.h"
#include "weir/base/list.h"
#include "weir/runtime/env.h"

struct weir_loop;

struct weir_message {
    struct weir_message *next;
    void (*run)(
        struct weir_message *message); /* on the loop's thread; owns the message from here on */
};

/* A timer lives inside its owner; zero-initialised is "not set". */
struct weir_timer {
    struct weir_heap_node node;
    void (*fire)(struct weir_timer *timer); /* on the loop's thread; may set the timer again */
};

/* Called at the end of each turn in the order of registration; hooks stay until the loop ends, or
 * until their node is removed while the loop does not run. */
struct weir_loop_hook {
    struct weir_list node;
    void (*run)(struct weir_loop_hook *hook);
};

/* Readiness of a descriptor: events is a mask of WEIR_WATCH_*. */
enum { WEIR_WATCH_READ = 1, WEIR_WATCH_WRITE = 2 };
struct weir_watch;
typedef void weir_watch_ready(void *context, unsigned events);

WEIR_MUST_CHECK enum weir_status weir_loop_new(struct weir_env *env, const char *name,
                                               struct weir_loop **out, struct weir_detail *detail);
/* The loop must not be running. Messages still in the mailbox are run, so that their memory finds
 * its owner. */
void weir_loop_free(struct weir_loop *loop);

/* Starts the thread. */
WEIR_MUST_CHECK enum weir_status weir_loop_start(struct weir_loop *loop,
                                                 struct weir_detail *detail);
/* From any other thread: ends after the current turn and joins. */
void weir_loop_stop(struct weir_loop *loop);

/* For tests and simulations: one turn on the calling thread, of a loop that was not started.  Waits
 * at most wait_ms_max for something to happen (-1: until something does). */
void weir_loop_turn(struct weir_loop *loop, int64_t wait_ms_max);

/* From any thread.  Messages of one sender run in the order they were posted. */
void weir_loop_post(struct weir_loop *loop, struct weir_message *message);

/* The loop whose thread this is, or NULL. */
struct weir_loop *weir_loop_current(void);
/* Time at the start of the turn: cheap, and the same for all that happens in it. */
int64_t weir_loop_now_ms(const struct weir_loop *loop);
struct weir_env *weir_loop_env(const struct weir_loop *loop);

/* deadline_ms is on the loop's monotonic clock.  Setting a set timer moves it.  NO_MEMORY only when
 * it was not set. */
WEIR_MUST_CHECK enum weir_status weir_loop_timer_set(struct weir_loop *loop,
                                                     struct weir_timer *timer, int64_t deadline_ms);
void weir_loop_timer_cancel(struct weir_loop *loop, struct weir_timer *timer);

/* The hook belongs to its caller and lives as long as the loop. */
void weir_loop_hook_add(struct weir_loop *loop, struct weir_loop_hook *hook);
/* Runs after all the others, whenever they are added: for those who write what the others made. */
void weir_loop_hook_add_last(struct weir_loop *loop, struct weir_loop_hook *hook);

/* Watches a descriptor; it stays the caller's and must outlive the watch.  ready runs while the
 * descriptor is ready for one of the events (level-triggered); it may free its own watch and
 * others'. */
WEIR_MUST_CHECK enum weir_status weir_loop_watch(struct weir_loop *loop, int fd, unsigned events,
                                                 weir_watch_ready *ready, void *context,
                                                 struct weir_watch **out,
                                                 struct weir_detail *detail);
/* Replaces the events; 0 rests. */
void weir_watch_set(struct weir_watch *watch, unsigned events);
/* NULL is allowed. */
void weir_watch_free(struct weir_watch *watch);
