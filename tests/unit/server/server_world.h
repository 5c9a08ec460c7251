/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A real server on loopback with a handler that does what the first byte of the body says:
 *   'e' answers with the body             'p' waits until the test completes it (then like 'e')
 *   's' ends without a response           'c' closes the connection
 *   'v' answers with what it knows of the request
 *   'f' answers "<", a range of a file, ">"     'x' fails to encode, then answers "sorry"
 * Produce (0) blocks the requests behind it, Metadata (3) does not.
 */

#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/runtime/file_util.h"
#include "weir/server/server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEY_PRODUCE = 0, KEY_METADATA = 3, KEY_API_VERSIONS = 18, KEY_VOTE = 52 };
enum { PENDING_MAX = 64, LOG_BYTES = 65536 };

struct server_world {
    struct weir_server *server;
    struct weir_dispatch dispatch;
    struct weir_log log;
    pthread_mutex_t mutex; /* guards pending_count and the log text */
    struct weir_request *pending[PENDING_MAX];
    size_t pending_count;
    sem_t arrived;  /* a pending request came */
    sem_t finished; /* a pending request was ended */
    _Atomic int cancelled;
    _Atomic int released;
    _Atomic int sessions_done;
    struct weir_file *file;
    char log_text[LOG_BYTES];
    size_t log_size;
};

static inline void echo(struct weir_request *request, struct weir_slice body)
{
    struct weir_writer *writer = weir_request_begin_response(request);
    weir_write_raw(writer, body);
    cr_assert_eq(weir_request_send(request), WEIR_OK);
}

static inline void on_cancel(struct weir_request *request)
{
    atomic_fetch_add(&((struct server_world *)request->context)->cancelled, 1);
}

static inline void keep_pending(struct server_world *world, struct weir_request *request)
{
    request->cancel = on_cancel;
    pthread_mutex_lock(&world->mutex);
    cr_assert_lt(world->pending_count, PENDING_MAX);
    world->pending[world->pending_count++] = request;
    pthread_mutex_unlock(&world->mutex);
    sem_post(&world->arrived);
}

static inline void count_release(void *owner)
{
    atomic_fetch_add(&((struct server_world *)owner)->released, 1);
}

static inline void answer_file(struct server_world *world, struct weir_request *request)
{
    struct weir_file_range range = {
        .file = world->file, .file_pos = 2, .size = 5, .release = count_release, .owner = world};
    struct weir_records_source source = {.source = &range, .size = range.size};
    struct weir_records records = {
        .bytes = WEIR_EMPTY_SLICE, .sources = &source, .source_count = 1};
    struct weir_writer *writer = weir_request_begin_response(request);
    weir_write_raw(writer, WEIR_SLICE("<"));
    weir_write_records(writer, records, false, false);
    weir_write_raw(writer, WEIR_SLICE(">"));
    cr_assert_eq(weir_request_send(request), WEIR_OK);
}

static inline void session_is_done(void *user)
{
    atomic_fetch_add(&((struct server_world *)user)->sessions_done, 1);
}

static inline void answer_view(struct server_world *world, struct weir_request *request)
{
    struct weir_session *session = request->session;
    struct weir_slice text = weir_arena_printf(
        request->arena, "v%d%s client=%.*s peer=%s local=%s:%u software=%s", request->version,
        request->has_unknown_version ? " unknown" : "",
        WEIR_SLICE_ARGS(weir_slice_is_null(request->header.client_id) ? WEIR_SLICE("null")
                                                                      : request->header.client_id),
        session->peer.host, session->local.host, session->local.port, session->software_name);
    (void)snprintf(session->software_name, sizeof(session->software_name), "seen");
    session->user = world;
    session->user_done = session_is_done;
    echo(request, text);
}

static inline void handle(struct weir_request *request)
{
    struct server_world *world = request->context;
    if (request->has_unknown_version) {
        answer_view(world, request);
        return;
    }
    switch (request->body.size > 0 ? request->body.data[0] : 'e') {
    case 'p':
        keep_pending(world, request);
        break;
    case 's':
        weir_request_done_without_response(request);
        break;
    case 'c':
        weir_request_close(request, "the test says so");
        break;
    case 'v':
        answer_view(world, request);
        break;
    case 'f':
        answer_file(world, request);
        break;
    case 'x': {
        struct weir_writer *writer = weir_request_begin_response(request);
        weir_writer_fail(writer, WEIR_UNSUPPORTED);
        cr_assert_eq(weir_request_send(request), WEIR_UNSUPPORTED);
        echo(request, WEIR_SLICE("sorry"));
        break;
    }
    default:
        echo(request, request->body);
        break;
    }
}

static inline void note_line(void *context, enum weir_log_level level, const char *line,
                             size_t size)
{
    (void)level;
    struct server_world *world = context;
    pthread_mutex_lock(&world->mutex);
    if (world->log_size + size + 2 < LOG_BYTES) {
        memcpy(world->log_text + world->log_size, line, size);
        world->log_size += size;
        world->log_text[world->log_size++] = '\n';
    }
    pthread_mutex_unlock(&world->mutex);
}

static inline int lines_with(struct server_world *world, const char *text)
{
    int count = 0;
    pthread_mutex_lock(&world->mutex);
    for (const char *at = world->log_text; (at = strstr(at, text)) != NULL; at++)
        count++;
    pthread_mutex_unlock(&world->mutex);
    return count;
}

static const struct weir_server_listener loopback = {.name = "PLAINTEXT", .host = "127.0.0.1"};

static const struct weir_dispatch_row rows[] = {
    {.api_key = KEY_PRODUCE, .version_min = 3, .version_max = 13, .handler = handle},
    {.api_key = KEY_METADATA,
     .version_min = 0,
     .version_max = 13,
     .next_may_start = true,
     .handler = handle},
    {.api_key = KEY_API_VERSIONS, .version_min = 0, .version_max = 4, .handler = handle},
};

/* Fills what the test left open. */
static inline void server_world_init(struct server_world *world, struct weir_server_options options)
{
    *world = (struct server_world){
        .dispatch = {.rows = rows, .row_count = WEIR_ARRAY_COUNT(rows), .context = world},
        .log = {.sink = note_line, .context = world, .level = WEIR_LOG_LEVEL_WARN},
    };
    pthread_mutex_init(&world->mutex, NULL);
    sem_init(&world->arrived, 0, 0);
    sem_init(&world->finished, 0, 0);
    options.env = weir_env_posix();
    options.log = &world->log;
    options.dispatch = &world->dispatch;
    if (options.listeners == NULL) {
        options.listeners = &loopback;
        options.listener_count = 1;
    }
    struct weir_detail detail = {0};
    cr_assert_eq(weir_server_new(&options, &world->server, &detail), WEIR_OK, "%s", detail.text);
    cr_assert_eq(weir_server_start(world->server, &detail), WEIR_OK, "%s", detail.text);
}

static inline void server_world_done(struct server_world *world)
{
    weir_server_stop(world->server, 0);
    weir_server_free(world->server);
    if (world->file != NULL)
        weir_file_close(weir_env_posix(), world->file);
}

static inline struct weir_request *wait_pending(struct server_world *world, size_t index)
{
    sem_wait(&world->arrived);
    pthread_mutex_lock(&world->mutex);
    cr_assert_lt(index, world->pending_count);
    struct weir_request *request = world->pending[index];
    pthread_mutex_unlock(&world->mutex);
    return request;
}

static inline void end_pending(struct weir_request *request, void *argument)
{
    struct server_world *world = request->context;
    (void)argument;
    echo(request, request->body);
    sem_post(&world->finished);
}

static inline void complete(struct server_world *world, struct weir_request *request)
{
    weir_request_post(request, end_pending, NULL);
    sem_wait(&world->finished);
}

/* ---- A client: a plain blocking socket that gives up after 10 s ---- */

static inline int dial(struct server_world *world)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(weir_server_port(world->server, 0)),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    cr_assert_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static inline void put_bytes(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t put_now = send(fd, at, size, MSG_NOSIGNAL);
        cr_assert_gt(put_now, 0);
        at += put_now;
        size -= (size_t)put_now;
    }
}

/* The frame of a request with client id "t"; flexible says whether the header has tags. */
static inline size_t build_request(uint8_t out[256], int16_t key, int16_t version,
                                   int32_t correlation_id, bool flexible, const char *body)
{
    size_t at = 4;
    weir_put_i16(out + at, key);
    weir_put_i16(out + at + 2, version);
    weir_put_i32(out + at + 4, correlation_id);
    weir_put_i16(out + at + 8, 1);
    out[at + 10] = 't';
    at += 11;
    if (flexible)
        out[at++] = 0;
    size_t size = strlen(body);
    memcpy(out + at, body, size);
    at += size;
    weir_put_i32(out, (int32_t)(at - 4));
    return at;
}

static inline void ask(int fd, int16_t key, int16_t version, int32_t correlation_id, bool flexible,
                       const char *body)
{
    uint8_t frame[256];
    put_bytes(fd, frame, build_request(frame, key, version, correlation_id, flexible, body));
}

/* Metadata v4 and Produce v7: neither has tags. */
static inline void ask_free(int fd, int32_t correlation_id, const char *body)
{
    ask(fd, KEY_METADATA, 4, correlation_id, false, body);
}

static inline void ask_serial(int fd, int32_t correlation_id, const char *body)
{
    ask(fd, KEY_PRODUCE, 7, correlation_id, false, body);
}

static inline bool get_bytes(int fd, void *into, size_t size)
{
    uint8_t *at = into;
    while (size > 0) {
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* The next response has this correlation id and, behind it, this text. */
static inline void expect(int fd, int32_t correlation_id, const char *text)
{
    uint8_t head[8];
    cr_assert(get_bytes(fd, head, sizeof(head)));
    int32_t size = weir_get_i32(head) - 4;
    cr_assert_eq(weir_get_i32(head + 4), correlation_id);
    cr_assert(size >= 0 && size < 4096);
    char body[4096] = {0};
    cr_assert(get_bytes(fd, body, (size_t)size));
    cr_assert_eq((size_t)size, strlen(text), "got %s", body);
    cr_assert_eq(memcmp(body, text, (size_t)size), 0, "got %s", body);
}

static inline void expect_end(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    cr_assert(got == 0 || (got < 0 && errno == ECONNRESET));
}

/* The server lives and answers. */
static inline void expect_alive(struct server_world *world)
{
    int fd = dial(world);
    ask_free(fd, 77, "e alive");
    expect(fd, 77, "e alive");
    close(fd);
}

/* Counters are written by the loops; this waits, without sleeping long, until one has a value. */
#define WAIT_COUNTER(world, field, value)                                                          \
    do {                                                                                           \
        struct weir_server_counters counters_now;                                                  \
        int64_t until_ms = weir_env_monotonic_ms(weir_env_posix()) + 10000;                        \
        do                                                                                         \
            weir_server_counters((world)->server, &counters_now);                                  \
        while (counters_now.field != (value) &&                                                    \
               weir_env_monotonic_ms(weir_env_posix()) < until_ms);                                \
        cr_assert_eq(counters_now.field, (value));                                                 \
    } while (0)
