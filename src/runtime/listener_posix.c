/* SPDX-License-Identifier: Apache-2.0 */
#include "socket_posix_int.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>

/* After a failed accept: long enough not to spin, short enough not to be noticed by people. */
#define REST_MS 100
/* Accepted in one go, so that a flood of connections does not starve those that are open. */
#define ACCEPTS_PER_TURN 64

struct posix_listener {
    struct weir_listener listener;
    struct weir_loop *loop;
    struct weir_watch *watch;
    struct weir_timer rest;
    int fd;
    int send_buffer_bytes;
    int receive_buffer_bytes;
    void (*accepted)(void *context, struct weir_socket *take_socket);
    void (*failed)(void *context, const struct weir_detail *detail);
    void *context;
};

static void rest(struct posix_listener *posix)
{
    int64_t deadline_ms = weir_loop_now_ms(posix->loop) + REST_MS;
    /* Without memory for the timer it goes on at once, which is no worse than before. */
    if (weir_loop_timer_set(posix->loop, &posix->rest, deadline_ms) == WEIR_OK)
        weir_watch_set(posix->watch, 0);
}

static void end_rest(struct weir_timer *timer)
{
    struct posix_listener *posix = WEIR_CONTAINER_OF(timer, struct posix_listener, rest);
    weir_watch_set(posix->watch, WEIR_WATCH_READ);
}

static void report(struct posix_listener *posix, int saved_errno)
{
    struct weir_detail detail = {0};
    (void)weir_detail_errno(&detail, saved_errno, "cannot accept a connection");
    if (posix->failed != NULL)
        posix->failed(posix->context, &detail);
    rest(posix);
}

/* The peer's fault, or nobody's: the next connection may be fine. */
static bool is_passing(int saved_errno)
{
    return saved_errno == EINTR || saved_errno == ECONNABORTED || saved_errno == EPROTO ||
           saved_errno == EPERM || saved_errno == ENETDOWN || saved_errno == ENETUNREACH ||
           saved_errno == EHOSTDOWN || saved_errno == EHOSTUNREACH || saved_errno == ENOPROTOOPT;
}

static void on_ready(void *context, unsigned events)
{
    (void)events;
    struct posix_listener *posix = context;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(posix->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (is_passing(errno))
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                report(posix, errno);
            return;
        }
        struct weir_socket *socket = NULL;
        if (weir_socket_posix_take(fd, &socket) != WEIR_OK) {
            (void)close(fd); /* nothing was written to it */
            report(posix, ENOMEM);
            return;
        }
        posix->accepted(posix->context, socket);
    }
}

static void close_listener(struct weir_listener *listener)
{
    struct posix_listener *posix = WEIR_CONTAINER_OF(listener, struct posix_listener, listener);
    weir_loop_timer_cancel(posix->loop, &posix->rest);
    weir_watch_free(posix->watch);
    if (posix->fd >= 0)
        (void)close(posix->fd); /* a listening socket has nothing to lose */
    weir_free(posix);
}

static const struct weir_listener_ops posix_listener_ops = {.close = close_listener};

/* A number of bytes, or -1 for the system's own choice.  Set before listen, for accepted sockets
 * take it over, and only so the window can grow beyond 64 KiB. */
static void set_buffers(const struct posix_listener *posix)
{
    /* The kernel clamps what it does not like; there is nothing to report. */
    if (posix->send_buffer_bytes > 0)
        (void)setsockopt(posix->fd, SOL_SOCKET, SO_SNDBUF, &posix->send_buffer_bytes, sizeof(int));
    if (posix->receive_buffer_bytes > 0)
        (void)setsockopt(posix->fd, SOL_SOCKET, SO_RCVBUF, &posix->receive_buffer_bytes,
                         sizeof(int));
}

/* Opens, binds and listens on one address; -1 with errno on failure. */
static int open_one(struct posix_listener *posix, const struct addrinfo *info, int backlog)
{
    int on = 1;
    int off = 0;
    posix->fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (posix->fd < 0)
        return -1;
    (void)setsockopt(posix->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); /* a restart at once */
    if (info->ai_family == AF_INET6)
        (void)setsockopt(posix->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    set_buffers(posix);
    if (bind(posix->fd, info->ai_addr, info->ai_addrlen) == 0 && listen(posix->fd, backlog) == 0)
        return 0;
    int saved_errno = errno;
    (void)close(posix->fd); /* never used */
    posix->fd = -1;
    errno = saved_errno;
    return -1;
}

/* The first address that works.  IPv4 ones come first: a client that was told "localhost" may try
 * 127.0.0.1 alone. */
static int open_first(struct posix_listener *posix, const struct addrinfo *found, int backlog)
{
    for (int pass = 0; pass < 2; pass++) {
        for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
            bool is_v4 = info->ai_family == AF_INET;
            if (is_v4 == (pass == 0) && open_one(posix, info, backlog) == 0)
                return 0;
        }
    }
    return -1;
}

static enum weir_status open_any(struct posix_listener *posix,
                                 const struct weir_listen_options *options,
                                 struct weir_detail *detail)
{
    bool is_any = options->host == NULL || options->host[0] == '\0';
    /* "::" takes IPv4 clients in too; where there is no IPv6 the second try is for IPv4 alone. */
    const char *hosts[] = {is_any ? "::" : options->host, "0.0.0.0"};
    const char *shown = is_any ? "*" : options->host;
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", (unsigned)options->port); /* 5 digits at most */
    int saved_errno = 0;
    for (int i = 0; i < (is_any ? 2 : 1); i++) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
        struct addrinfo *found = NULL;
        int failed = getaddrinfo(hosts[i], port, &hints, &found);
        if (failed != 0) {
            weir_detail_set(detail, "cannot listen on %s:%s: %s", shown, port,
                            gai_strerror(failed));
            return WEIR_NOT_FOUND;
        }
        int opened = open_first(posix, found, options->backlog);
        saved_errno = errno;
        freeaddrinfo(found);
        if (opened == 0)
            return WEIR_OK;
        if (saved_errno == EADDRINUSE)
            break;
    }
    return weir_detail_errno(detail, saved_errno, "cannot listen on %s:%s", shown, port);
}

static enum weir_status posix_listen(void *network, struct weir_loop *loop,
                                     const struct weir_listen_options *options,
                                     struct weir_listener **out, struct weir_detail *detail)
{
    (void)network;
    struct posix_listener *posix = weir_calloc(1, sizeof(*posix));
    if (posix == NULL)
        return WEIR_NO_MEMORY;
    posix->listener.ops = &posix_listener_ops;
    posix->loop = loop;
    posix->rest.fire = end_rest;
    posix->fd = -1;
    posix->send_buffer_bytes = options->send_buffer_bytes;
    posix->receive_buffer_bytes = options->receive_buffer_bytes;
    posix->accepted = options->accepted;
    posix->failed = options->failed;
    posix->context = options->context;
    enum weir_status status = open_any(posix, options, detail);
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    if (status == WEIR_OK && getsockname(posix->fd, (struct sockaddr *)&address, &size) != 0)
        status = weir_detail_errno(detail, errno, "cannot ask for the port of a listener");
    if (status == WEIR_OK)
        status = weir_loop_watch(loop, posix->fd, WEIR_WATCH_READ, on_ready, posix, &posix->watch,
                                 detail);
    if (status != WEIR_OK) {
        close_listener(&posix->listener);
        return status;
    }
    weir_address_from_sockaddr(&address, &posix->listener.local);
    *out = &posix->listener;
    return WEIR_OK;
}

static const struct weir_network_ops posix_network_ops = {.listen = posix_listen};
static const struct weir_network posix_network = {.ops = &posix_network_ops};

struct weir_network *weir_network_posix(void)
{
    /* The type is mutable for the tests' sake; nobody writes to this one. */
    return (struct weir_network *)(uintptr_t)&posix_network;
}
