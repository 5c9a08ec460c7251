/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/runtime/loop.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"
#include "weir/runtime/lock.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * libevent only waits: its callbacks note which watch is ready, and the turn runs them afterwards,
 * so that the order mailbox, timers, sockets, hooks holds.  Deadlines live in a heap of our own;
 * libevent sees one timer, for the earliest.
 *
 * Invariants:
 *  I1  the loop sleeps only when its mailbox is empty and no watch is noted as ready;
 *  I2  who puts the first message into an empty mailbox from another thread wakes the loop; the
 *      eventfd keeps that wake-up if it comes between the check of I1 and the wait.
 */

#define NAME_BYTES 16 /* what pthread_setname_np takes */
#define NOT_ARMED  INT64_MAX

struct weir_watch {
    struct weir_list ready_node;
    struct weir_loop *loop;
    struct event *event;
    weir_watch_ready *ready;
    void *context;
    evutil_socket_t fd;
    unsigned events;
    unsigned ready_events;
};

struct weir_loop {
    struct weir_env *env;
    struct event_base *base;
    struct event *wake_event;
    struct event *deadline_event;
    int wake_fd;
    int64_t now_ms;
    int64_t armed_ms; /* what deadline_event is set to, or NOT_ARMED */
    struct weir_heap timers;
    struct weir_list hooks;
    struct weir_list last_hooks;
    struct weir_list ready;

    struct weir_lock mailbox_lock; /* guards the two below */
    struct weir_message *mailbox_first;
    struct weir_message *mailbox_last;

    pthread_t thread;
    bool is_started;
    _Atomic bool is_stopping;
    char name[NAME_BYTES];
};

static _Thread_local struct weir_loop
    *current_loop; /* lint: mutable-global, the loop that runs on this thread */

static void on_wake(evutil_socket_t fd, short events, void *context)
{
    (void)events;
    (void)context;
    uint64_t count;
    /* Empties the counter; EAGAIN means that somebody else's wake-up was read already. */
    (void)!read(fd, &count, sizeof(count));
}

static void on_deadline(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    (void)events;
    ((struct weir_loop *)context)->armed_ms = NOT_ARMED;
}

static void on_ready(evutil_socket_t fd, short events, void *context)
{
    (void)fd;
    struct weir_watch *watch = context;
    if ((events & EV_READ) != 0)
        watch->ready_events |= WEIR_WATCH_READ;
    if ((events & EV_WRITE) != 0)
        watch->ready_events |= WEIR_WATCH_WRITE;
    if (!weir_list_is_linked(&watch->ready_node))
        weir_list_push_back(&watch->loop->ready, &watch->ready_node);
}

static enum weir_status open_base(struct weir_loop *loop, struct weir_detail *detail)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return WEIR_NO_MEMORY;
    /* Only the loop's own thread touches the base: no locks inside libevent. */
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK); /* cannot fail for this flag */
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (loop->base == NULL) {
        weir_detail_set(detail, "libevent cannot create an event base");
        return WEIR_IO_ERROR;
    }
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return weir_detail_errno(detail, errno, "cannot create an eventfd");
    loop->wake_event = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    loop->deadline_event = event_new(loop->base, -1, 0, on_deadline, loop);
    if (loop->wake_event == NULL || loop->deadline_event == NULL)
        return WEIR_NO_MEMORY;
    if (event_add(loop->wake_event, NULL) != 0) {
        weir_detail_set(detail, "libevent cannot watch an eventfd");
        return WEIR_IO_ERROR;
    }
    return WEIR_OK;
}

enum weir_status weir_loop_new(struct weir_env *env, const char *name, struct weir_loop **out,
                               struct weir_detail *detail)
{
    struct weir_loop *loop = weir_calloc(1, sizeof(*loop));
    if (loop == NULL)
        return WEIR_NO_MEMORY;
    loop->env = env;
    loop->wake_fd = -1;
    loop->armed_ms = NOT_ARMED;
    loop->now_ms = weir_env_monotonic_ms(env);
    weir_list_init(&loop->hooks);
    weir_list_init(&loop->last_hooks);
    weir_list_init(&loop->ready);
    weir_lock_init(&loop->mailbox_lock, WEIR_LOCK_RANK_MAILBOX);
    (void)snprintf(loop->name, sizeof(loop->name), "%s", name); /* cut is fine */
    enum weir_status status = open_base(loop, detail);
    if (status != WEIR_OK) {
        weir_loop_free(loop);
        return status;
    }
    *out = loop;
    return WEIR_OK;
}

/* Takes all messages there are; those that arrive meanwhile wait for the next turn, so that senders
 * cannot starve the sockets.  True when there was one. */
static bool run_mailbox(struct weir_loop *loop)
{
    weir_lock_take(&loop->mailbox_lock);
    struct weir_message *message = loop->mailbox_first;
    loop->mailbox_first = NULL;
    loop->mailbox_last = NULL;
    weir_lock_release(&loop->mailbox_lock);
    bool had_one = message != NULL;
    while (message != NULL) {
        struct weir_message *next = message->next;
        message->next = NULL;
        message->run(message);
        message = next;
    }
    return had_one;
}

static bool mailbox_is_empty(struct weir_loop *loop)
{
    weir_lock_take(&loop->mailbox_lock);
    bool is_empty = loop->mailbox_first == NULL;
    weir_lock_release(&loop->mailbox_lock);
    return is_empty;
}

static void run_timers(struct weir_loop *loop)
{
    /* A timer that sets itself again for a time that has come runs in the next turn. */
    for (size_t left = loop->timers.count; left > 0; left--) {
        struct weir_heap_node *node = weir_heap_first(&loop->timers);
        if (node == NULL || node->key > loop->now_ms)
            break;
        struct weir_timer *timer = WEIR_CONTAINER_OF(node, struct weir_timer, node);
        weir_heap_remove(&loop->timers, node);
        timer->fire(timer);
    }
}

static void run_ready(struct weir_loop *loop)
{
    struct weir_list *node;
    while ((node = weir_list_pop_front(&loop->ready)) != NULL) {
        struct weir_watch *watch = WEIR_LIST_ENTRY(node, struct weir_watch, ready_node);
        unsigned events = watch->ready_events & watch->events;
        watch->ready_events = 0;
        if (events != 0)
            watch->ready(watch->context, events);
    }
}

static void run_hooks(const struct weir_list *hooks)
{
    WEIR_LIST_FOREACH(node, hooks) {
        struct weir_loop_hook *hook = WEIR_LIST_ENTRY(node, struct weir_loop_hook, node);
        hook->run(hook);
    }
}

/* Sets libevent's timer so that it fires no later than the first deadline. */
static void arm_deadline(struct weir_loop *loop, int64_t deadline_ms)
{
    if (deadline_ms >= loop->armed_ms)
        return; /* it wakes early at worst, and is set anew then */
    int64_t wait_ms = deadline_ms - weir_env_monotonic_ms(loop->env);
    if (wait_ms < 0)
        wait_ms = 0;
    struct timeval wait = {
        .tv_sec = wait_ms / 1000,
        .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000),
    };
    int failed = event_add(loop->deadline_event, &wait);
    /* libevent needs memory here only the first time; without it timers would be lost silently. */
    WEIR_ASSERT(failed == 0);
    loop->armed_ms = deadline_ms;
}

static void wait_for_events(struct weir_loop *loop, int64_t wait_ms_max)
{
    int flags = EVLOOP_ONCE;
    struct weir_heap_node *first = weir_heap_first(&loop->timers);
    int64_t deadline_ms = first == NULL ? NOT_ARMED : first->key;
    if (wait_ms_max == 0 || !mailbox_is_empty(loop) || !weir_list_is_empty(&loop->ready)) {
        flags |= EVLOOP_NONBLOCK; /* I1 */
    } else {
        int64_t now_ms = weir_env_monotonic_ms(loop->env);
        if (wait_ms_max > 0 && now_ms + wait_ms_max < deadline_ms)
            deadline_ms = now_ms + wait_ms_max;
        if (deadline_ms <= now_ms)
            flags |= EVLOOP_NONBLOCK;
        else if (deadline_ms != NOT_ARMED)
            arm_deadline(loop, deadline_ms);
    }
    int result = event_base_loop(loop->base, flags);
    WEIR_ASSERT(result >= 0);
}

static void turn(struct weir_loop *loop, int64_t wait_ms_max)
{
    wait_for_events(loop, wait_ms_max);
    loop->now_ms = weir_env_monotonic_ms(loop->env);
    (void)run_mailbox(loop);
    run_timers(loop);
    run_ready(loop);
    run_hooks(&loop->hooks);
    run_hooks(&loop->last_hooks);
}

void weir_loop_turn(struct weir_loop *loop, int64_t wait_ms_max)
{
    WEIR_ASSERT(!loop->is_started);
    struct weir_loop *outer = current_loop;
    current_loop = loop;
    turn(loop, wait_ms_max);
    current_loop = outer;
}

static void *run_loop(void *context)
{
    struct weir_loop *loop = context;
    current_loop = loop;
    /* Acquire pairs with the release in weir_loop_stop: what was done before stop is seen. */
    while (!atomic_load_explicit(&loop->is_stopping, memory_order_acquire))
        turn(loop, -1);
    current_loop = NULL;
    return NULL;
}

static void wake(struct weir_loop *loop)
{
    uint64_t one = 1;
    /* The only failure is a full counter, and then the loop is awake already. */
    (void)!write(loop->wake_fd, &one, sizeof(one));
}

enum weir_status weir_loop_start(struct weir_loop *loop, struct weir_detail *detail)
{
    WEIR_ASSERT(!loop->is_started);
    atomic_store_explicit(&loop->is_stopping, false, memory_order_relaxed);
    int failed = pthread_create(&loop->thread, NULL, run_loop, loop);
    if (failed != 0)
        return weir_detail_errno(detail, failed, "cannot start thread %s", loop->name);
    (void)pthread_setname_np(loop->thread, loop->name); /* only for people who look */
    loop->is_started = true;
    return WEIR_OK;
}

void weir_loop_stop(struct weir_loop *loop)
{
    if (!loop->is_started)
        return;
    WEIR_ASSERT(current_loop != loop);
    atomic_store_explicit(&loop->is_stopping, true, memory_order_release);
    wake(loop);
    int failed = pthread_join(loop->thread, NULL);
    WEIR_ASSERT(failed == 0);
    loop->is_started = false;
}

void weir_loop_free(struct weir_loop *loop)
{
    if (loop == NULL)
        return;
    WEIR_ASSERT(!loop->is_started);
    struct weir_loop *outer = current_loop;
    current_loop = loop;
    while (run_mailbox(loop))
        continue;
    current_loop = outer;
    if (loop->wake_event != NULL)
        event_free(loop->wake_event);
    if (loop->deadline_event != NULL)
        event_free(loop->deadline_event);
    if (loop->base != NULL)
        event_base_free(loop->base);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd); /* an eventfd has nothing to lose */
    weir_heap_done(&loop->timers);
    weir_lock_done(&loop->mailbox_lock);
    weir_free(loop);
}

void weir_loop_post(struct weir_loop *loop, struct weir_message *message)
{
    message->next = NULL;
    weir_lock_take(&loop->mailbox_lock);
    bool was_empty = loop->mailbox_first == NULL;
    if (was_empty)
        loop->mailbox_first = message;
    else
        loop->mailbox_last->next = message;
    loop->mailbox_last = message;
    weir_lock_release(&loop->mailbox_lock);
    if (was_empty && current_loop != loop)
        wake(loop); /* I2; the loop itself looks before it sleeps */
}

struct weir_loop *weir_loop_current(void)
{
    return current_loop;
}

int64_t weir_loop_now_ms(const struct weir_loop *loop)
{
    return loop->now_ms;
}

struct weir_env *weir_loop_env(const struct weir_loop *loop)
{
    return loop->env;
}

enum weir_status weir_loop_timer_set(struct weir_loop *loop, struct weir_timer *timer,
                                     int64_t deadline_ms)
{
    return weir_heap_set(&loop->timers, &timer->node, deadline_ms);
}

void weir_loop_timer_cancel(struct weir_loop *loop, struct weir_timer *timer)
{
    weir_heap_remove(&loop->timers, &timer->node);
}

void weir_loop_hook_add(struct weir_loop *loop, struct weir_loop_hook *hook)
{
    weir_list_push_back(&loop->hooks, &hook->node);
}

void weir_loop_hook_add_last(struct weir_loop *loop, struct weir_loop_hook *hook)
{
    weir_list_push_back(&loop->last_hooks, &hook->node);
}

static short libevent_mask(unsigned events)
{
    return (short)(EV_PERSIST | ((events & WEIR_WATCH_READ) != 0 ? EV_READ : 0) |
                   ((events & WEIR_WATCH_WRITE) != 0 ? EV_WRITE : 0));
}

static enum weir_status set_events(struct weir_watch *watch, unsigned events)
{
    if (watch->events == events)
        return WEIR_OK;
    if (watch->events != 0)
        (void)event_del(watch->event); /* removing what was added cannot fail */
    watch->events = events;
    if (events == 0)
        return WEIR_OK;
    if (event_assign(watch->event, watch->loop->base, watch->fd, libevent_mask(events), on_ready,
                     watch) != 0 ||
        event_add(watch->event, NULL) != 0)
        return WEIR_IO_ERROR;
    return WEIR_OK;
}

enum weir_status weir_loop_watch(struct weir_loop *loop, int fd, unsigned events,
                                 weir_watch_ready *ready, void *context, struct weir_watch **out,
                                 struct weir_detail *detail)
{
    struct weir_watch *watch = weir_calloc(1, sizeof(*watch));
    if (watch == NULL)
        return WEIR_NO_MEMORY;
    watch->loop = loop;
    watch->ready = ready;
    watch->context = context;
    watch->fd = fd;
    enum weir_status status = WEIR_NO_MEMORY;
    watch->event = event_new(loop->base, fd, libevent_mask(events), on_ready, watch);
    if (watch->event == NULL)
        goto failed;
    status = set_events(watch, events);
    if (status != WEIR_OK) {
        weir_detail_set(detail, "libevent cannot watch descriptor %d", fd);
        watch->events = 0; /* nothing was added */
        goto failed;
    }
    *out = watch;
    return WEIR_OK;
failed:
    weir_watch_free(watch);
    return status;
}

void weir_watch_set(struct weir_watch *watch, unsigned events)
{
    enum weir_status status = set_events(watch, events);
    /* The descriptor was accepted when the watch was made, and its slot in libevent exists; epoll
     * can refuse now only when the kernel is out of memory.  A connection that hears nothing any
     * more would be worse than a restart. */
    WEIR_ASSERT(status == WEIR_OK);
}

void weir_watch_free(struct weir_watch *watch)
{
    if (watch == NULL)
        return;
    weir_list_remove(&watch->ready_node);
    if (watch->event != NULL) {
        if (watch->events != 0)
            (void)event_del(watch->event); /* removing what was added cannot fail */
        event_free(watch->event);
    }
    weir_free(watch);
}
