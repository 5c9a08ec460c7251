/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The network half of the seam: stream sockets and listeners as tables of functions.
 * weir_network_posix() is the real one; tests have one inside the process, and TLS will be a socket
 * that stands before another one.
 *
 * A socket is made unattached, may change threads once, and after weir_socket_attach belongs to
 * that loop's thread.  No call blocks.  Nothing here is retried or logged; statuses say what
 * happened.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/runtime/env.h"
#include "weir/runtime/loop.h"

/* Room for "fe80::1%interface-name" with its NUL. */
#define WEIR_HOST_BYTES 72

/* An address as text, without brackets; IPv4 clients of an IPv6 socket look like IPv4.  Value. */
struct weir_address {
    char host[WEIR_HOST_BYTES];
    uint16_t port;
};

struct weir_socket;

/* events is a mask of WEIR_WATCH_*.  It may close the socket. */
typedef void weir_socket_ready(void *context, unsigned events);

struct weir_socket_ops {
    enum weir_status (*attach)(struct weir_socket *socket, struct weir_loop *loop,
                               weir_socket_ready *ready, void *context, struct weir_detail *detail);
    enum weir_status (*read)(struct weir_socket *socket, void *into, size_t size, size_t *out_read);
    enum weir_status (*write)(struct weir_socket *socket, const struct weir_slice *parts,
                              size_t count, bool more_follows, size_t *out_written);
    enum weir_status (*send_file)(struct weir_socket *socket, struct weir_env *env,
                                  struct weir_file *file, uint64_t file_pos, size_t size,
                                  size_t *out_sent);
    void (*watch)(struct weir_socket *socket, unsigned events);
    void (*shut_write)(struct weir_socket *socket);
    void (*close)(struct weir_socket *socket);
};

struct weir_socket {
    const struct weir_socket_ops *ops;
    struct weir_address local;
    struct weir_address peer;
};

/* Binds the socket to the loop on whose thread this is called (or that does not run yet); nothing
 * is watched until weir_socket_watch. */
WEIR_MUST_CHECK static inline enum weir_status
weir_socket_attach(struct weir_socket *socket, struct weir_loop *loop, weir_socket_ready *ready,
                   void *context, struct weir_detail *detail)
{
    return socket->ops->attach(socket, loop, ready, context, detail);
}

/* OK: 1 to size bytes.  PENDING: nothing is there now.  CLOSED: the peer has sent its last byte.
 * NETWORK_EXCEPTION: the connection is broken.  size is not 0. */
WEIR_MUST_CHECK static inline enum weir_status
weir_socket_read(struct weir_socket *socket, void *into, size_t size, size_t *out_read)
{
    return socket->ops->read(socket, into, size, out_read);
}

/* Writes a prefix of the parts: OK with at least one byte, PENDING when there is no room now, or
 * NETWORK_EXCEPTION.  more_follows holds back an incomplete packet for the next call. */
WEIR_MUST_CHECK static inline enum weir_status weir_socket_write(struct weir_socket *socket,
                                                                 const struct weir_slice *parts,
                                                                 size_t count, bool more_follows,
                                                                 size_t *out_written)
{
    return socket->ops->write(socket, parts, count, more_follows, out_written);
}

/* Sends a prefix of that range of the file, without copying where the system can.  Like write;
 * TRUNCATED when the file ends at file_pos, IO_ERROR when it cannot be read. */
WEIR_MUST_CHECK static inline enum weir_status
weir_socket_send_file(struct weir_socket *socket, struct weir_env *env, struct weir_file *file,
                      uint64_t file_pos, size_t size, size_t *out_sent)
{
    return socket->ops->send_file(socket, env, file, file_pos, size, out_sent);
}

/* Which events to report from now on; the socket is attached. */
static inline void weir_socket_watch(struct weir_socket *socket, unsigned events)
{
    socket->ops->watch(socket, events);
}

/* Tells the peer that nothing more will be written. */
static inline void weir_socket_shut_write(struct weir_socket *socket)
{
    socket->ops->shut_write(socket);
}

/* Closes and frees; NULL is allowed.  ready is not called any more. */
static inline void weir_socket_close(struct weir_socket *socket)
{
    if (socket != NULL)
        socket->ops->close(socket);
}

struct weir_listener;

/* Public options struct; all is borrowed for the call only, context for the listener's life. */
struct weir_listen_options {
    const char *host; /* NULL or "": every address; otherwise an address or a name */
    uint16_t port;    /* 0: the system chooses */
    int backlog;
    int send_buffer_bytes;    /* SO_SNDBUF of accepted sockets; -1: the system's default */
    int receive_buffer_bytes; /* SO_RCVBUF; -1: the system's default */
    /* Takes the unattached socket.  On the loop's thread. */
    void (*accepted)(void *context, struct weir_socket *take_socket);
    /* Accepting failed (out of descriptors, say); the listener rests a tenth of a second and goes
     * on. On the loop's thread. */
    void (*failed)(void *context, const struct weir_detail *detail);
    void *context;
};

struct weir_network_ops {
    enum weir_status (*listen)(void *network, struct weir_loop *loop,
                               const struct weir_listen_options *options,
                               struct weir_listener **out, struct weir_detail *detail);
};

struct weir_network {
    const struct weir_network_ops *ops;
    void *context; /* passed to every function */
};

struct weir_listener_ops {
    void (*close)(struct weir_listener *listener);
};

struct weir_listener {
    const struct weir_listener_ops *ops;
    struct weir_address local; /* with the port the system chose */
};

/* The real network.  One for the process; never freed. */
struct weir_network *weir_network_posix(void);

/* Listens and accepts on the loop, from its thread or before it runs.  Names are resolved, which
 * may block: call it at start-up.  BUSY when the address is taken, NOT_FOUND when the host is
 * unknown. */
WEIR_MUST_CHECK static inline enum weir_status
weir_network_listen(struct weir_network *network, struct weir_loop *loop,
                    const struct weir_listen_options *options, struct weir_listener **out,
                    struct weir_detail *detail)
{
    return network->ops->listen(network->context, loop, options, out, detail);
}

/* On the loop's thread, or when it does not run.  NULL is allowed. */
static inline void weir_listener_close(struct weir_listener *listener)
{
    if (listener != NULL)
        listener->ops->close(listener);
}

/* A socket around a connected non-blocking descriptor, which it owns from then on (not on failure).
 */
WEIR_MUST_CHECK enum weir_status weir_socket_posix_take(int fd, struct weir_socket **out);
