/* SPDX-License-Identifier: Apache-2.0 */
#include "socket_posix_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_MAX       64
#define COPY_BYTES      16384 /* on the stack, for files without a descriptor */
#define SEND_FILE_BYTES ((size_t)1 << 30)

struct posix_socket {
    struct weir_socket socket;
    int fd;
    struct weir_watch *watch;
};

static struct posix_socket *posix_of(struct weir_socket *socket)
{
    return WEIR_CONTAINER_OF(socket, struct posix_socket, socket);
}

static enum weir_status status_of_errno(int saved_errno)
{
    if (saved_errno == EAGAIN || saved_errno == EWOULDBLOCK)
        return WEIR_PENDING;
    return WEIR_NETWORK_EXCEPTION;
}

static enum weir_status posix_attach(struct weir_socket *socket, struct weir_loop *loop,
                                     weir_socket_ready *ready, void *context,
                                     struct weir_detail *detail)
{
    struct posix_socket *posix = posix_of(socket);
    WEIR_ASSERT(posix->watch == NULL);
    return weir_loop_watch(loop, posix->fd, 0, ready, context, &posix->watch, detail);
}

static enum weir_status posix_read(struct weir_socket *socket, void *into, size_t size,
                                   size_t *out_read)
{
    ssize_t got;
    do
        got = recv(posix_of(socket)->fd, into, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return status_of_errno(errno);
    if (got == 0)
        return WEIR_CLOSED;
    *out_read = (size_t)got;
    return WEIR_OK;
}

static enum weir_status posix_write(struct weir_socket *socket, const struct weir_slice *parts,
                                    size_t count, bool more_follows, size_t *out_written)
{
    struct iovec vec[PARTS_MAX];
    if (count > PARTS_MAX)
        count = PARTS_MAX;
    for (size_t i = 0; i < count; i++) {
        vec[i].iov_base = (void *)(uintptr_t)parts[i].data;
        vec[i].iov_len = parts[i].size;
    }
    struct msghdr message = {.msg_iov = vec, .msg_iovlen = count};
    int flags = MSG_NOSIGNAL | (more_follows ? MSG_MORE : 0);
    ssize_t put;
    do
        put = sendmsg(posix_of(socket)->fd, &message, flags);
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return status_of_errno(errno);
    *out_written = (size_t)put;
    return WEIR_OK;
}

/* For files that have no descriptor: through memory. */
static enum weir_status send_copy(struct posix_socket *posix, struct weir_env *env,
                                  struct weir_file *file, uint64_t file_pos, size_t size,
                                  size_t *out_sent)
{
    uint8_t copy[COPY_BYTES];
    size_t got = 0;
    if (size > sizeof(copy))
        size = sizeof(copy);
    enum weir_status status = weir_file_read_at(env, file, copy, size, file_pos, &got, NULL);
    if (status != WEIR_OK)
        return WEIR_IO_ERROR;
    if (got == 0)
        return WEIR_TRUNCATED;
    struct weir_slice part = weir_slice_of(copy, got);
    return posix_write(&posix->socket, &part, 1, false, out_sent);
}

static enum weir_status posix_send_file(struct weir_socket *socket, struct weir_env *env,
                                        struct weir_file *file, uint64_t file_pos, size_t size,
                                        size_t *out_sent)
{
    struct posix_socket *posix = posix_of(socket);
    int file_fd = weir_file_native_fd(env, file);
    if (file_fd < 0)
        return send_copy(posix, env, file, file_pos, size, out_sent);
    off_t at = (off_t)file_pos;
    ssize_t put;
    do
        put = sendfile(posix->fd, file_fd, &at, size < SEND_FILE_BYTES ? size : SEND_FILE_BYTES);
    while (put < 0 && errno == EINTR);
    if (put == 0)
        return WEIR_TRUNCATED;
    if (put > 0) {
        *out_sent = (size_t)put;
        return WEIR_OK;
    }
    /* Files or sockets the kernel cannot join are rare and get the slow way. */
    if (errno == EINVAL || errno == ENOSYS)
        return send_copy(posix, env, file, file_pos, size, out_sent);
    return errno == EIO ? WEIR_IO_ERROR : status_of_errno(errno);
}

static void posix_watch(struct weir_socket *socket, unsigned events)
{
    weir_watch_set(posix_of(socket)->watch, events);
}

static void posix_shut_write(struct weir_socket *socket)
{
    (void)shutdown(posix_of(socket)->fd, SHUT_WR); /* fails only when the peer is gone already */
}

static void posix_close(struct weir_socket *socket)
{
    struct posix_socket *posix = posix_of(socket);
    weir_watch_free(posix->watch);
    (void)close(posix->fd); /* the descriptor is gone either way */
    weir_free(posix);
}

static const struct weir_socket_ops posix_socket_ops = {
    .attach = posix_attach,
    .read = posix_read,
    .write = posix_write,
    .send_file = posix_send_file,
    .watch = posix_watch,
    .shut_write = posix_shut_write,
    .close = posix_close,
};

/* "::ffff:1.2.3.4" becomes "1.2.3.4": that is how the client itself would write its address. */
void weir_address_from_sockaddr(const struct sockaddr_storage *from, struct weir_address *out)
{
    *out = (struct weir_address){.host = "unknown"};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
        (void)inet_ntop(AF_INET, &v4->sin_addr, out->host, sizeof(out->host)); /* it fits */
        out->port = ntohs(v4->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            (void)inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], out->host, sizeof(out->host));
        else
            (void)inet_ntop(AF_INET6, &v6->sin6_addr, out->host, sizeof(out->host));
        out->port = ntohs(v6->sin6_port);
    } else if (from->ss_family == AF_UNIX) {
        (void)snprintf(out->host, sizeof(out->host), "local");
    }
}

enum weir_status weir_socket_posix_take(int fd, struct weir_socket **out)
{
    struct posix_socket *posix = weir_calloc(1, sizeof(*posix));
    if (posix == NULL)
        return WEIR_NO_MEMORY;
    posix->socket.ops = &posix_socket_ops;
    posix->fd = fd;
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    /* A peer that is gone already has no name; the first read will tell. */
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        weir_address_from_sockaddr(&address, &posix->socket.local);
    size = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &size) == 0)
        weir_address_from_sockaddr(&address, &posix->socket.peer);
    int on = 1;
    /* Neither matters for correctness, and a socket pair has no TCP options at all. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    *out = &posix->socket;
    return WEIR_OK;
}
