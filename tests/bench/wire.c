/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include "weir/base/endian.h"
#include "weir/protocol/codec.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TRIES 20000

_Noreturn void bench_fail(const char *what)
{
    fprintf(stderr, "bench: %s (errno %d)\n", what, errno);
    exit(1);
}

static int try_connect(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        bench_fail("no such address");
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        bench_fail("TCP_NODELAY");
    return fd;
}

/* The server may be starting: a millisecond between tries, so many of them. */
int bench_connect(const char *host, const char *port)
{
    for (int i = 0; i < CONNECT_TRIES; i++) {
        int fd = try_connect(host, port);
        if (fd >= 0)
            return fd;
        (void)poll(NULL, 0, 1);
    }
    bench_fail("cannot connect");
}

void bench_send(int fd, struct weir_slice bytes)
{
    while (bytes.size > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent <= 0)
            bench_fail("send");
        bytes.data += sent;
        bytes.size -= (size_t)sent;
    }
}

static void receive_exactly(int fd, uint8_t *into, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(fd, into, size, 0);
        if (got <= 0)
            bench_fail("the broker closed the connection");
        into += got;
        size -= (size_t)got;
    }
}

/* One response frame into the buffer, without its length. */
void bench_receive(int fd, struct weir_buf *frame)
{
    uint8_t head[4];
    receive_exactly(fd, head, sizeof(head));
    uint32_t size = weir_get_u32(head);
    if (size < 4 || size > (200u << 20))
        bench_fail("a response of impossible length");
    weir_buf_clear(frame);
    uint8_t *room = weir_buf_extend(frame, size);
    if (room == NULL)
        bench_fail("out of memory");
    receive_exactly(fd, room, size);
}

/* A whole request frame: length, header of version 1 or 2, body. */
void bench_encode(struct weir_buf *frame, enum weir_api_key key, int16_t version,
                           const void *body)
{
    const struct weir_api_spec *api = weir_api_find((int16_t)key);
    struct weir_writer writer;
    weir_buf_clear(frame);
    weir_writer_init(&writer, frame);
    weir_write_i32(&writer, 0);
    weir_write_i16(&writer, (int16_t)key);
    weir_write_i16(&writer, version);
    weir_write_i32(&writer, 1);
    weir_write_string(&writer, WEIR_SLICE("bench"), false, true);
    if (weir_api_request_header_version(api, version) >= 2)
        weir_write_uvarint(&writer, 0);
    api->request->write(&writer, version, body);
    if (weir_writer_status(&writer) != WEIR_OK)
        bench_fail("cannot encode a request");
    weir_writer_done(&writer);
    weir_put_u32(frame->data, (uint32_t)(frame->size - 4));
}


void bench_read(struct weir_buf *frame, enum weir_api_key key, int16_t version,
                struct weir_arena *arena, void *out)
{
    const struct weir_api_spec *api = weir_api_find((int16_t)key);
    struct weir_reader reader;
    size_t head = weir_api_response_header_version(api, version) >= 1 ? 5 : 4;
    if (frame->size < head)
        bench_fail("a response without its header");
    weir_arena_reset(arena);
    weir_reader_init(&reader, weir_slice_of(frame->data + head, frame->size - head), arena);
    api->response->read(&reader, version, out);
    if (weir_reader_status(&reader) != WEIR_OK)
        bench_fail("a response that cannot be read");
}
