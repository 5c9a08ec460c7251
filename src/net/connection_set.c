/* SPDX-License-Identifier: Apache-2.0 */
#include "connection_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

/* How often connections that wait for memory look whether another loop gave some back. */
enum { STARVED_POLL_MS = 10 };

/* Without memory for a timer, it is set when a later turn tries again. */
static void set_timer(struct weir_connection_set *set, struct weir_timer *timer, int64_t wait_ms)
{
    (void)!weir_loop_timer_set(set->options.loop, timer,
                               weir_loop_now_ms(set->options.loop) + wait_ms);
}

void weir_connection_mark_dirty(struct weir_connection *connection)
{
    if (!weir_list_is_linked(&connection->dirty_node))
        weir_list_push_back(&connection->set->dirty, &connection->dirty_node);
}

/* ---- Memory that ran short; see README.md ---- */

void weir_connection_starve(struct weir_connection *connection)
{
    struct weir_connection_set *set = connection->set;
    if (weir_list_is_linked(&connection->starved_node))
        return;
    if (connection->starved_ms == 0) {
        count_up(&set->memory_pauses, 1);
        connection->starved_ms = weir_loop_now_ms(set->options.loop);
    }
    weir_list_push_back(&set->starved, &connection->starved_node);
    weir_connection_mark_dirty(connection);
    set_timer(set, &set->starved_timer, STARVED_POLL_MS);
}

void weir_connection_feed(struct weir_connection *connection)
{
    connection->starved_ms = 0;
    weir_list_remove(&connection->starved_node);
    if (connection->set->overdrawn == connection)
        connection->set->overdrawn = NULL;
}

static void close_slow_frame(struct weir_connection_set *set)
{
    if (set->overdrawn == NULL ||
        weir_loop_now_ms(set->options.loop) - set->overdrawn_ms < set->options.frame_ms_max)
        return;
    struct weir_detail detail = {0};
    weir_detail_set(&detail,
                    "memory for requests is used up, and a frame was not whole after %lld ms",
                    (long long)set->options.frame_ms_max);
    weir_connection_fail(set->overdrawn, WEIR_CLOSE_SLOW_FRAME, &detail);
}

/* Lets each of those who wait try again, the oldest first. */
static void retry_starved(struct weir_connection_set *set)
{
    struct weir_list waiting;
    weir_list_init(&waiting);
    struct weir_list *node;
    while ((node = weir_list_pop_front(&set->starved)) != NULL)
        weir_list_push_back(&waiting, node);
    while ((node = weir_list_pop_front(&waiting)) != NULL) {
        struct weir_connection *connection =
            WEIR_LIST_ENTRY(node, struct weir_connection, starved_node);
        weir_connection_receive(connection); /* joins the queue again if it must */
        if (set->overdrawn == NULL && weir_list_is_linked(&connection->starved_node)) {
            weir_list_remove(&connection->starved_node);
            set->overdrawn = connection;
            set->overdrawn_ms = weir_loop_now_ms(set->options.loop);
            weir_connection_receive(connection);
        }
        if (connection->state == CONNECTION_OPEN)
            weir_connection_mark_dirty(connection);
    }
}

static void on_starved_timer(struct weir_timer *timer)
{
    struct weir_connection_set *set =
        WEIR_CONTAINER_OF(timer, struct weir_connection_set, starved_timer);
    close_slow_frame(set);
    retry_starved(set);
    if (!weir_list_is_empty(&set->starved) || set->overdrawn != NULL)
        set_timer(set, &set->starved_timer, STARVED_POLL_MS);
}

/* ---- Idleness ---- */

static void on_idle_timer(struct weir_timer *timer)
{
    struct weir_connection_set *set =
        WEIR_CONTAINER_OF(timer, struct weir_connection_set, idle_timer);
    int64_t now_ms = weir_loop_now_ms(set->options.loop);
    /* The list is sorted by activity; touching moves to its end, so this looks at each once. */
    for (size_t left = set->count; left > 0 && !weir_list_is_empty(&set->all); left--) {
        struct weir_connection *connection =
            WEIR_LIST_ENTRY(set->all.next, struct weir_connection, all_node);
        int64_t idle_ms = now_ms - connection->active_ms;
        if (idle_ms < set->options.idle_ms) {
            set_timer(set, timer, set->options.idle_ms - idle_ms);
            return;
        }
        if (set->options.events->is_busy(connection->context)) {
            weir_connection_touch(connection);
            continue;
        }
        count_up(&set->idle_closed, 1);
        weir_connection_fail(connection, WEIR_CLOSE_IDLE, NULL);
    }
    if (!weir_list_is_empty(&set->all))
        set_timer(set, timer, set->options.idle_ms);
}

/* ---- The end of a turn ---- */

static void bury(struct weir_connection_set *set)
{
    struct weir_list *node;
    while ((node = weir_list_pop_front(&set->graveyard)) != NULL)
        weir_free(WEIR_LIST_ENTRY(node, struct weir_connection, all_node));
}

static void end_turn(struct weir_loop_hook *hook)
{
    struct weir_connection_set *set = WEIR_CONTAINER_OF(hook, struct weir_connection_set, hook);
    struct weir_list *node;
    /* Flushing makes room for frames, and their answers make the connection dirty again: that one
     * is written in this turn too.  It ends, for each round consumes frames that were received. */
    while ((node = weir_list_pop_front(&set->dirty)) != NULL) {
        struct weir_connection *connection =
            WEIR_LIST_ENTRY(node, struct weir_connection, dirty_node);
        if (!connection->wants_write || connection->state == CONNECTION_ENDING)
            weir_connection_flush(connection);
        if (connection->state != CONNECTION_CLOSED)
            weir_connection_update_watch(connection);
    }
    if (set->options.idle_ms >= 0 && !weir_list_is_empty(&set->all) &&
        set->idle_timer.node.index_plus_one == 0)
        set_timer(set, &set->idle_timer, set->options.idle_ms);
    if (!weir_list_is_empty(&set->starved) && set->starved_timer.node.index_plus_one == 0)
        set_timer(set, &set->starved_timer, STARVED_POLL_MS);
    bury(set);
}

/* ---- The set ---- */

enum weir_status weir_connection_set_new(const struct weir_connection_set_options *options,
                                         struct weir_connection_set **out)
{
    struct weir_connection_set *set = weir_calloc(1, sizeof(*set));
    if (set == NULL)
        return WEIR_NO_MEMORY;
    set->options = *options;
    set->hook.run = end_turn;
    set->idle_timer.fire = on_idle_timer;
    set->starved_timer.fire = on_starved_timer;
    weir_list_init(&set->all);
    weir_list_init(&set->dirty);
    weir_list_init(&set->starved);
    weir_list_init(&set->graveyard);
    weir_loop_hook_add_last(options->loop, &set->hook);
    *out = set;
    return WEIR_OK;
}

void weir_connection_set_close_all(struct weir_connection_set *set)
{
    while (!weir_list_is_empty(&set->all))
        weir_connection_close(WEIR_LIST_ENTRY(set->all.next, struct weir_connection, all_node));
}

void weir_connection_set_end_idle(struct weir_connection_set *set)
{
    WEIR_LIST_FOREACH(node, &set->all) {
        struct weir_connection *connection =
            WEIR_LIST_ENTRY(node, struct weir_connection, all_node);
        if (!set->options.events->is_busy(connection->context))
            weir_connection_end(connection);
    }
}

void weir_connection_set_free(struct weir_connection_set *set)
{
    if (set == NULL)
        return;
    weir_connection_set_close_all(set);
    bury(set);
    weir_loop_timer_cancel(set->options.loop, &set->idle_timer);
    weir_loop_timer_cancel(set->options.loop, &set->starved_timer);
    weir_list_remove(&set->hook.node);
    WEIR_ASSERT(set->chunk_count == 0);
    weir_chunk_cache_done(&set->small);
    weir_chunk_cache_done(&set->large);
    weir_free(set);
}

size_t weir_connection_set_count(const struct weir_connection_set *set)
{
    return set->count;
}

void weir_connection_set_counters(const struct weir_connection_set *set,
                                  struct weir_connection_counters *out)
{
    *out = (struct weir_connection_counters){
        .bytes_in = atomic_load_explicit(&set->bytes_in, memory_order_relaxed),
        .bytes_out = atomic_load_explicit(&set->bytes_out, memory_order_relaxed),
        .memory_pauses = atomic_load_explicit(&set->memory_pauses, memory_order_relaxed),
        .idle_closed = atomic_load_explicit(&set->idle_closed, memory_order_relaxed),
    };
}
