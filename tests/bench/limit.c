/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The limit server: speaks enough of Kafka's protocol for bench_drive and does only what the kernel
 * forces any broker to do.  A turn receives all that is there, checks CRCs, appends with one
 * pwritev for each partition into allocated space, and sends once for each connection; what is read
 * leaves by sendfile.  No checks, no state, no second thread but the one that syncs.  What it costs
 * is what a broker cannot get below on this machine.
 *
 *   bench_limit PORT DIR [flush]      flush: a produce is answered, and read, after an fdatasync
 * (group commit)
 */
#include "limit.h"

#include "wire.h"

#include "weir/base/memory.h"
#include "weir/runtime/env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX   1024
#define SOCKET_BYTES 102400

/* What the syncing thread is given: the partitions, and what may be read when it is done. */
struct limit_sync {
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    int done; /* eventfd */
    bool is_running;
    struct synced {
        struct limit_partition *partition;
        int fd;
        int64_t size, offset;
    } * parts;
    size_t part_count, part_max;
    struct limit_connection **held; /* connections with answers that wait */
    size_t held_count, held_max;
};

static int64_t now_ns(void)
{
    return weir_env_monotonic_ns(weir_env_posix());
}

void limit_touch(struct limit_server *server, struct limit_connection *connection)
{
    if (connection->is_touched)
        return;
    connection->is_touched = true;
    connection->next_touched = server->touched;
    server->touched = connection;
}

static struct limit_piece *add_piece(struct limit_connection *connection)
{
    struct limit_piece *pieces = weir_grow(connection->pieces, &connection->piece_max,
                                           connection->piece_count + 1, sizeof(pieces[0]));
    if (pieces == NULL)
        bench_fail("out of memory");
    connection->pieces = pieces;
    return &pieces[connection->piece_count++];
}

void limit_out_bytes(struct limit_connection *connection, size_t size)
{
    if (connection->piece_count > connection->piece_done) {
        struct limit_piece *last = &connection->pieces[connection->piece_count - 1];
        if (last->fd < 0) {
            last->size += (int64_t)size;
            return;
        }
    }
    *add_piece(connection) =
        (struct limit_piece){-1, (int64_t)(connection->out.size - size), (int64_t)size};
}

void limit_out_file(struct limit_connection *connection, int fd, int64_t at, int64_t size)
{
    *add_piece(connection) = (struct limit_piece){fd, at, size};
}

void limit_wait(struct limit_server *server, struct limit_connection *connection,
                struct weir_slice frame, int32_t max_wait_ms)
{
    struct limit_connection **waiting = weir_grow(server->waiting, &server->waiting_max,
                                                  server->waiting_count + 1, sizeof(waiting[0]));
    if (waiting == NULL || connection->is_waiting)
        bench_fail("one fetch at a time");
    server->waiting = waiting;
    weir_buf_clear(&connection->waiting);
    weir_buf_append_slice(&connection->waiting, frame);
    connection->is_waiting = true;
    connection->waiting_until_ns = now_ns() + (int64_t)max_wait_ms * 1000000;
    connection->waiting_index = server->waiting_count;
    waiting[server->waiting_count++] = connection;
}

static void stop_waiting(struct limit_server *server, struct limit_connection *connection)
{
    struct limit_connection *last = server->waiting[--server->waiting_count];
    last->waiting_index = connection->waiting_index;
    server->waiting[connection->waiting_index] = last;
    connection->is_waiting = false;
}

/* Downwards, for stop_waiting() moves the last one to the place that is free. */
static void wake_all(struct limit_server *server)
{
    int64_t now = now_ns();
    for (size_t i = server->waiting_count; i-- > 0;) {
        struct limit_connection *connection = server->waiting[i];
        if (limit_retry(server, connection, now >= connection->waiting_until_ns))
            stop_waiting(server, connection);
    }
}

/* Until the first waiting fetch is late; -1: none waits. */
static int wait_ms(const struct limit_server *server)
{
    int64_t first_ns = INT64_MAX;
    for (size_t i = 0; i < server->waiting_count; i++) {
        if (server->waiting[i]->waiting_until_ns < first_ns)
            first_ns = server->waiting[i]->waiting_until_ns;
    }
    if (first_ns == INT64_MAX)
        return -1;
    int64_t left_ns = first_ns - now_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / 1000000 + 1);
}

/* --- Sending --- */

/* False: the socket is full. */
static bool send_piece(struct limit_connection *connection, struct limit_piece *piece, bool is_last)
{
    ssize_t sent;
    if (piece->fd < 0) {
        sent = send(connection->fd, connection->out.data + piece->at, (size_t)piece->size,
                    MSG_DONTWAIT | MSG_NOSIGNAL | (is_last ? 0 : MSG_MORE));
    } else {
        off_t at = piece->at;
        sent = sendfile(connection->fd, piece->fd, &at, (size_t)piece->size);
    }
    if (sent < 0 && errno != EAGAIN)
        connection->is_closed = true;
    if (sent <= 0)
        return false;
    piece->at += sent;
    piece->size -= sent;
    return true;
}

static void set_wants_out(struct limit_server *server, struct limit_connection *connection,
                          bool wants_out)
{
    struct epoll_event event = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0u),
                                .data.ptr = connection};
    if (connection->wants_out == wants_out)
        return;
    connection->wants_out = wants_out;
    if (epoll_ctl(server->epoll, EPOLL_CTL_MOD, connection->fd, &event) != 0)
        bench_fail("epoll_ctl");
}

static void flush(struct limit_server *server, struct limit_connection *connection)
{
    while (connection->piece_done < connection->piece_count) {
        struct limit_piece *piece = &connection->pieces[connection->piece_done];
        bool is_last = connection->piece_done + 1 == connection->piece_count;
        if (!send_piece(connection, piece, is_last)) {
            if (!connection->is_closed)
                set_wants_out(server, connection, true);
            return;
        }
        connection->piece_done += piece->size == 0;
    }
    connection->piece_count = connection->piece_done = 0;
    weir_buf_clear(&connection->out);
    set_wants_out(server, connection, false);
}

static void flush_all(struct limit_server *server)
{
    while (server->touched != NULL) {
        struct limit_connection *connection = server->touched;
        server->touched = connection->next_touched;
        connection->is_touched = false;
        flush(server, connection);
    }
}

/* --- Syncing --- */

static void *sync_main(void *context)
{
    struct limit_sync *sync = context;
    (void)pthread_mutex_lock(&sync->mutex);
    for (;;) {
        while (!sync->is_running)
            (void)pthread_cond_wait(&sync->wanted, &sync->mutex);
        (void)pthread_mutex_unlock(&sync->mutex);
        for (size_t i = 0; i < sync->part_count; i++) {
            if (fdatasync(sync->parts[i].fd) != 0)
                bench_fail("fdatasync");
        }
        (void)pthread_mutex_lock(&sync->mutex);
        sync->is_running = false;
        if (eventfd_write(sync->done, 1) != 0)
            bench_fail("eventfd");
    }
    return NULL;
}

static void sync_init(struct limit_server *server)
{
    pthread_t thread;
    struct limit_sync *sync = weir_calloc(1, sizeof(*sync));
    if (sync == NULL || pthread_mutex_init(&sync->mutex, NULL) != 0 ||
        pthread_cond_init(&sync->wanted, NULL) != 0)
        bench_fail("out of memory");
    sync->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = sync};
    if (sync->done < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, sync->done, &event) != 0 ||
        pthread_create(&thread, NULL, sync_main, sync) != 0)
        bench_fail("the syncing thread");
    server->sync = sync;
}

/* Everything that has been written and is not synced goes into the next sync, when none runs. */
static void sync_start(struct limit_server *server)
{
    struct limit_sync *sync = server->sync;
    if (sync->part_count > 0 || sync->held_count == 0)
        return;
    for (size_t t = 0; t < LIMIT_TOPICS_MAX; t++) {
        struct limit_topic *topic = &server->topics[t];
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct limit_partition *partition = &topic->partitions[i];
            if (partition->written == partition->size)
                continue;
            struct synced *parts =
                weir_grow(sync->parts, &sync->part_max, sync->part_count + 1, sizeof(parts[0]));
            if (parts == NULL)
                bench_fail("out of memory");
            sync->parts = parts;
            parts[sync->part_count++] =
                (struct synced){partition, partition->fd, partition->size, partition->next_offset};
        }
    }
    for (size_t i = 0; i < sync->held_count; i++)
        sync->held[i]->held_by_sync = sync->held[i]->held.size;
    (void)pthread_mutex_lock(&sync->mutex);
    sync->is_running = true;
    (void)pthread_cond_signal(&sync->wanted);
    (void)pthread_mutex_unlock(&sync->mutex);
}

static void hold(struct limit_sync *sync, struct limit_connection *connection)
{
    struct limit_connection **held =
        weir_grow(sync->held, &sync->held_max, sync->held_count + 1, sizeof(held[0]));
    if (held == NULL)
        bench_fail("out of memory");
    sync->held = held;
    held[sync->held_count++] = connection;
}

static void release(struct limit_server *server, struct limit_connection *connection)
{
    struct weir_buf *held = &connection->held;
    size_t size = connection->held_by_sync;
    weir_buf_append(&connection->out, held->data, size);
    limit_out_bytes(connection, size);
    memmove(held->data, held->data + size, held->size - size);
    held->size -= size;
    connection->held_by_sync = 0;
    limit_touch(server, connection);
}

static void sync_done(struct limit_server *server)
{
    struct limit_sync *sync = server->sync;
    eventfd_t count;
    if (eventfd_read(sync->done, &count) != 0)
        return;
    for (size_t i = 0; i < sync->part_count; i++) {
        sync->parts[i].partition->written = sync->parts[i].size;
        sync->parts[i].partition->visible_offset = sync->parts[i].offset;
    }
    sync->part_count = 0;
    size_t kept = 0;
    for (size_t i = 0; i < sync->held_count; i++) {
        struct limit_connection *connection = sync->held[i];
        if (connection->held_by_sync > 0)
            release(server, connection);
        if (connection->held.size > 0)
            sync->held[kept++] = connection;
    }
    sync->held_count = kept;
}

/* --- The loop --- */

static int listen_on(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0)
        bench_fail("cannot listen");
    return fd;
}

static void take_connection(struct limit_server *server, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1,
        buffer = SOCKET_BYTES;
    if (fd < 0)
        return;
    /* As the brokers have it by default (socket.send.buffer.bytes): what waits in a long buffer has
     * left the cache. */
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)) != 0)
        bench_fail("setsockopt");
    struct limit_connection *connection = weir_calloc(1, sizeof(*connection));
    if (connection == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        bench_fail("out of memory");
    connection->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_fail("epoll_ctl");
}

static void close_connection(struct limit_server *server, struct limit_connection *connection)
{
    if (connection->is_waiting)
        stop_waiting(server, connection);
    close(connection->fd);
    bench_frames_done(&connection->frames);
    weir_buf_done(&connection->out);
    weir_buf_done(&connection->held);
    weir_buf_done(&connection->waiting);
    weir_free(connection->pieces);
    weir_free(connection);
}

static void serve(struct limit_server *server, struct limit_connection *connection, uint32_t events)
{
    struct weir_slice frame;
    if ((events & EPOLLOUT) != 0)
        limit_touch(server, connection);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    if (bench_frames_fill(&connection->frames, connection->fd) == 0) {
        connection->is_closed = true;
        limit_touch(server, connection);
        return;
    }
    bool had_held = connection->held.size > 0;
    while (bench_frames_next(&connection->frames, &frame))
        limit_handle(server, connection, frame);
    if (!had_held && connection->held.size > 0)
        hold(server->sync, connection);
}

/* Those whose other end is gone; nothing points to them at the end of a turn but the list of held
 * answers, and a producer waits for its answers before it leaves. */
static void close_gone(struct limit_server *server, struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct limit_connection *connection = events[i].data.ptr;
        if (connection != NULL && (void *)connection != (void *)server->sync &&
            connection->is_closed)
            close_connection(server, connection);
    }
}

static _Noreturn void run(struct limit_server *server, int listener)
{
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(server->epoll, events, EVENTS_MAX, wait_ms(server));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                take_connection(server, listener);
            else if (events[i].data.ptr == server->sync)
                sync_done(server);
            else
                serve(server, events[i].data.ptr, events[i].events);
        }
        limit_write_all(server);
        if (server->is_flushing)
            sync_start(server);
        if (server->waiting_count > 0)
            wake_all(server);
        flush_all(server);
        close_gone(server, events, count);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        bench_fail("usage: bench_limit PORT DIR [flush]");
    struct limit_server *server = weir_calloc(1, sizeof(*server));
    if (server == NULL)
        bench_fail("out of memory");
    server->dir = argv[2];
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->next_producer_id = 1;
    server->is_flushing = argc > 3 && strcmp(argv[3], "flush") == 0;
    int listener = listen_on(argv[1]);
    struct epoll_event event = {.events = EPOLLIN};
    if (server->epoll < 0 || epoll_ctl(server->epoll, EPOLL_CTL_ADD, listener, &event) != 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        bench_fail("cannot start");
    if (server->is_flushing)
        sync_init(server);
    run(server, listener);
}
