/* SPDX-License-Identifier: Apache-2.0 */
#include "connection_int.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

/* Read and thrown away before closing: a socket closed with unread bytes resets the connection, and
 * the peer would lose the last answer. */
enum { DRAIN_BYTES = 65536, DRAIN_PIECE_BYTES = 4096 };

const char *weir_close_reason_name(enum weir_close_reason reason)
{
    static const char *const names[WEIR_CLOSE_REASON_COUNT] = {
        [WEIR_CLOSE_LOCAL] = "local",         [WEIR_CLOSE_PEER] = "peer",
        [WEIR_CLOSE_NETWORK] = "network",     [WEIR_CLOSE_TOO_LARGE] = "too_large",
        [WEIR_CLOSE_HTTP] = "http",           [WEIR_CLOSE_TLS] = "tls",
        [WEIR_CLOSE_IDLE] = "idle",           [WEIR_CLOSE_SLOW_FRAME] = "slow_frame",
        [WEIR_CLOSE_NO_MEMORY] = "no_memory", [WEIR_CLOSE_FILE] = "file",
    };
    WEIR_ASSERT((unsigned)reason < WEIR_CLOSE_REASON_COUNT);
    return names[reason];
}

static void on_ready(void *context, unsigned events)
{
    struct weir_connection *connection = context;
    if ((events & WEIR_WATCH_WRITE) != 0)
        weir_connection_flush(connection);
    if ((events & WEIR_WATCH_READ) != 0 && connection->state == CONNECTION_OPEN)
        weir_connection_receive(connection);
    if (connection->state != CONNECTION_CLOSED)
        weir_connection_update_watch(connection);
}

enum weir_status weir_connection_new(struct weir_connection_set *set,
                                     struct weir_socket *take_socket, void *context,
                                     struct weir_connection **out, struct weir_detail *detail)
{
    struct weir_connection *connection = weir_calloc(1, sizeof(*connection));
    enum weir_status status = WEIR_NO_MEMORY;
    if (connection == NULL)
        goto failed;
    connection->set = set;
    connection->socket = take_socket;
    connection->context = context;
    weir_list_init(&connection->out);
    status = weir_socket_attach(take_socket, set->options.loop, on_ready, connection, detail);
    if (status != WEIR_OK)
        goto failed;
    connection->active_ms = weir_loop_now_ms(set->options.loop);
    weir_list_push_back(&set->all, &connection->all_node);
    set->count++;
    weir_connection_mark_dirty(connection); /* the hook arms the idle timer and the watch */
    *out = connection;
    return WEIR_OK;
failed:
    weir_free(connection);
    weir_socket_close(take_socket);
    return status;
}

void weir_connection_touch(struct weir_connection *connection)
{
    struct weir_connection_set *set = connection->set;
    connection->active_ms = weir_loop_now_ms(set->options.loop);
    weir_list_remove(&connection->all_node);
    weir_list_push_back(&set->all, &connection->all_node);
}

void weir_connection_update_watch(struct weir_connection *connection)
{
    unsigned events = (weir_connection_may_read(connection) ? WEIR_WATCH_READ : 0u) |
                      (connection->wants_write ? WEIR_WATCH_WRITE : 0u);
    if (events == connection->watched)
        return;
    connection->watched = events;
    weir_socket_watch(connection->socket, events);
}

static void drain(struct weir_socket *socket)
{
    uint8_t piece[DRAIN_PIECE_BYTES];
    size_t got = 0;
    for (size_t total = 0; total < DRAIN_BYTES; total += got) {
        if (weir_socket_read(socket, piece, sizeof(piece), &got) != WEIR_OK)
            break;
    }
}

static void close_connection(struct weir_connection *connection, enum weir_close_reason reason,
                             const struct weir_detail *detail)
{
    static const struct weir_detail no_detail = {0};
    struct weir_connection_set *set = connection->set;
    if (connection->state == CONNECTION_CLOSED)
        return;
    connection->state = CONNECTION_CLOSED;
    weir_connection_feed(connection);
    weir_list_remove(&connection->dirty_node);
    weir_list_remove(&connection->all_node);
    weir_list_push_back(&set->graveyard, &connection->all_node);
    set->count--;
    drain(connection->socket);
    weir_socket_close(connection->socket);
    connection->socket = NULL;
    weir_connection_drop_input(connection);
    weir_connection_drop_output(connection);
    set->options.events->closed(connection->context, reason, detail == NULL ? &no_detail : detail);
}

void weir_connection_fail(struct weir_connection *connection, enum weir_close_reason reason,
                          const struct weir_detail *detail)
{
    close_connection(connection, reason, detail);
}

void weir_connection_close(struct weir_connection *connection)
{
    close_connection(connection, WEIR_CLOSE_LOCAL, NULL);
}

void weir_connection_end(struct weir_connection *connection)
{
    if (connection->state != CONNECTION_OPEN)
        return;
    connection->state = CONNECTION_ENDING;
    weir_connection_feed(connection);
    weir_connection_drop_input(connection);
    weir_connection_mark_dirty(connection); /* the flush closes it when nothing is left */
}

void weir_connection_pause(struct weir_connection *connection)
{
    connection->is_paused = true;
}

void weir_connection_resume(struct weir_connection *connection)
{
    if (!connection->is_paused)
        return;
    connection->is_paused = false;
    if (connection->state != CONNECTION_OPEN)
        return;
    weir_connection_deliver(connection);
    if (connection->state == CONNECTION_OPEN)
        weir_connection_mark_dirty(connection); /* what to watch may have changed */
}
