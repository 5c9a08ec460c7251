/* SPDX-License-Identifier: Apache-2.0 */

/* A server of three loops, requests ended by task threads in any order, clients that pipeline and
 * some that leave in the middle; made for ThreadSanitizer, hence its own main. */

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/runtime/task_pool.h"
#include "weir/server/server.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 4, ROUNDS = 20, PIPELINE = 20, REQUEST_BYTES = 18, RESPONSE_BYTES = 12 };

struct stress {
    struct weir_server *server;
    struct weir_task_pool *pool;
};

struct late_answer {
    struct weir_task task;
    struct weir_request *request;
};

static void answer(struct weir_request *request, void *argument)
{
    (void)argument;
    struct weir_writer *writer = weir_request_begin_response(request);
    weir_write_raw(writer, request->body);
    enum weir_status status = weir_request_send(request);
    WEIR_ASSERT(status == WEIR_OK);
}

static void run_task(struct weir_task *task)
{
    struct late_answer *late = WEIR_CONTAINER_OF(task, struct late_answer, task);
    weir_request_post(late->request, answer, NULL);
}

static void handle(struct weir_request *request)
{
    struct stress *stress = request->context;
    struct late_answer *late = weir_arena_calloc(request->arena, 1, sizeof(*late));
    WEIR_ASSERT(late != NULL);
    late->task.run = run_task;
    late->request = request;
    if (request->header.correlation_id % 3 == 0)
        answer(request, NULL);
    else
        weir_task_pool_submit(stress->pool, &late->task);
}

static int dial(struct weir_server *server)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(weir_server_port(server, 0)),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int failed = connect(fd, (const struct sockaddr *)&to, sizeof(to));
    WEIR_ASSERT(failed == 0);
    return fd;
}

static void ask(int fd, int16_t key, int32_t id)
{
    uint8_t frame[REQUEST_BYTES];
    weir_put_i32(frame, REQUEST_BYTES - 4);
    weir_put_i16(frame + 4, key);
    weir_put_i16(frame + 6, 4);
    weir_put_i32(frame + 8, id);
    weir_put_i16(frame + 12, -1);
    weir_put_i32(frame + 14, ~id);
    ssize_t put = send(fd, frame, sizeof(frame), MSG_NOSIGNAL);
    WEIR_ASSERT(put == REQUEST_BYTES);
}

static void expect(int fd, int32_t id)
{
    uint8_t got[RESPONSE_BYTES];
    ssize_t size = recv(fd, got, sizeof(got), MSG_WAITALL);
    WEIR_ASSERT(size == RESPONSE_BYTES);
    WEIR_ASSERT(weir_get_i32(got + 4) == id && weir_get_i32(got + 8) == ~id);
}

static void *run_client(void *context)
{
    struct stress *stress = context;
    for (int round = 0; round < ROUNDS; round++) {
        int fd = dial(stress->server);
        for (int32_t i = 0; i < PIPELINE; i++)
            ask(fd, round % 2 == 0 ? 3 : 1, i); /* each other round with blocking requests */
        int32_t read = round % 5 == 4 ? PIPELINE / 2 : PIPELINE; /* some do not wait for the end */
        for (int32_t i = 0; i < read; i++)
            expect(fd, i);
        close(fd);
    }
    return NULL;
}

int main(void)
{
    static const struct weir_dispatch_row rows[] = {
        {.api_key = 3, .version_max = 8, .next_may_start = true, .handler = handle},
        {.api_key = 1, .version_min = 4, .version_max = 4, .handler = handle},
    };
    struct stress stress = {0};
    struct weir_dispatch dispatch = {.rows = rows, .row_count = 2, .context = &stress};
    struct weir_server_listener listener = {.name = "PLAINTEXT", .host = "127.0.0.1"};
    struct weir_server_options options = {.env = weir_env_posix(),
                                          .listeners = &listener,
                                          .listener_count = 1,
                                          .loop_count = 3,
                                          .dispatch = &dispatch};
    enum weir_status status = weir_task_pool_new(options.env, 2, &stress.pool, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    status = weir_server_new(&options, &stress.server, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    status = weir_server_start(stress.server, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    pthread_t clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&clients[i], NULL, run_client, &stress);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i], NULL);
    weir_server_stop(stress.server, 1000);
    weir_task_pool_free(stress.pool); /* what it still posts, the loops still take */
    struct weir_server_counters counters;
    weir_server_counters(stress.server, &counters);
    weir_server_free(stress.server);
    printf("%llu requests, %llu responses\n", (unsigned long long)counters.requests,
           (unsigned long long)counters.responses);
    return counters.connections_open == 0 && counters.connections_accepted == CLIENTS * ROUNDS ? 0
                                                                                               : 1;
}
