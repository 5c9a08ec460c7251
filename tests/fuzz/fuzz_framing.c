/* SPDX-License-Identifier: Apache-2.0 */
/* links: server net runtime protocol base */
/*
 * Any bytes as what a client sends, in pieces of any size, to a whole server whose socket is false:
 * framing, request headers, the order of responses, leaving in the middle.  Four bytes of script
 * come first: the size of a piece, how much the socket takes at once, when pending requests are
 * completed, and the request budget.  The rest is the client's.
 *
 * Checked: responses are whole frames in the order of the requests; nothing is left at the end.
 */

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/protocol/api_keys.h"
#include "weir/server/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SCRIPT_BYTES = 4, REQUESTS_MAX = 4096, PENDING_MAX = 64, TURNS_MAX = 100000 };

struct world {
    struct weir_env env;
    struct weir_env_ops ops;
    int64_t now_ns;
    struct weir_network network;
    struct weir_listener listener;
    struct weir_listen_options listen;
    struct weir_server *server;
    struct weir_message poke;

    /* the false socket; socket is closed when is_open is false */
    struct weir_socket socket;
    bool is_open;
    weir_socket_ready *ready;
    void *ready_context;
    unsigned watched;
    const uint8_t *data;
    size_t size;
    size_t at;
    size_t arrived; /* what of data may be read */
    size_t take_bytes;
    uint8_t output[1 << 16];
    size_t output_size;

    int32_t expected[REQUESTS_MAX]; /* correlation ids that must come, in order */
    size_t expected_count;
    struct weir_request *pending[PENDING_MAX];
    size_t pending_count;
    size_t turns;
    size_t turns_to_complete;
};

/* ---- The false socket ---- */

static struct world *world_of(struct weir_socket *socket)
{
    return WEIR_CONTAINER_OF(socket, struct world, socket);
}

static enum weir_status false_attach(struct weir_socket *socket, struct weir_loop *loop,
                                     weir_socket_ready *ready, void *context,
                                     struct weir_detail *detail)
{
    (void)loop;
    (void)detail;
    world_of(socket)->ready = ready;
    world_of(socket)->ready_context = context;
    return WEIR_OK;
}

static enum weir_status false_read(struct weir_socket *socket, void *into, size_t size,
                                   size_t *out_read)
{
    struct world *world = world_of(socket);
    size_t left = world->arrived - world->at;
    WEIR_ASSERT(size > 0);
    if (left == 0)
        return world->arrived == world->size ? WEIR_CLOSED : WEIR_PENDING;
    *out_read = size < left ? size : left;
    memcpy(into, world->data + world->at, *out_read);
    world->at += *out_read;
    return WEIR_OK;
}

static enum weir_status false_write(struct weir_socket *socket, const struct weir_slice *parts,
                                    size_t count, bool more_follows, size_t *out_written)
{
    (void)more_follows;
    struct world *world = world_of(socket);
    size_t room = world->take_bytes;
    *out_written = 0;
    for (size_t i = 0; i < count && room > 0; i++) {
        size_t size = parts[i].size < room ? parts[i].size : room;
        size_t kept = sizeof(world->output) - world->output_size;
        memcpy(world->output + world->output_size, parts[i].data, size < kept ? size : kept);
        world->output_size += size < kept ? size : kept;
        *out_written += size;
        room -= size;
    }
    world->take_bytes = room;
    return *out_written == 0 ? WEIR_PENDING : WEIR_OK;
}

static void false_watch(struct weir_socket *socket, unsigned events)
{
    world_of(socket)->watched = events;
}

static void false_shut_write(struct weir_socket *socket)
{
    (void)socket;
}

static void false_close(struct weir_socket *socket)
{
    world_of(socket)->is_open = false;
}

static const struct weir_socket_ops false_socket_ops = {
    .attach = false_attach,
    .read = false_read,
    .write = false_write,
    .watch = false_watch,
    .shut_write = false_shut_write,
    .close = false_close,
};

static void false_listener_close(struct weir_listener *listener)
{
    (void)listener;
}

static const struct weir_listener_ops false_listener_ops = {.close = false_listener_close};

static enum weir_status false_listen(void *network, struct weir_loop *loop,
                                     const struct weir_listen_options *options,
                                     struct weir_listener **out, struct weir_detail *detail)
{
    (void)loop;
    (void)detail;
    struct world *world = network;
    world->listen = *options;
    world->listener.ops = &false_listener_ops;
    *out = &world->listener;
    return WEIR_OK;
}

static const struct weir_network_ops false_network_ops = {.listen = false_listen};

static int64_t false_monotonic_ns(void *context)
{
    return ((struct world *)context)->now_ns;
}

/* ---- The handler ---- */

static void echo(struct weir_request *request)
{
    struct weir_writer *writer = weir_request_begin_response(request);
    weir_write_raw(writer, request->body);
    if (weir_request_send(request) != WEIR_OK)
        weir_request_close(request, "memory is out");
}

static void handle(struct weir_request *request)
{
    struct world *world = request->context;
    uint8_t wish = request->body.size > 0 ? request->body.data[0] : 'e';
    if (wish == 's') {
        weir_request_done_without_response(request);
        return;
    }
    if (world->expected_count < REQUESTS_MAX)
        world->expected[world->expected_count++] = request->header.correlation_id;
    if (wish == 'c')
        weir_request_close(request, "the input says so");
    else if (wish == 'p' && world->pending_count < PENDING_MAX)
        world->pending[world->pending_count++] = request;
    else
        echo(request);
}

static void complete(struct world *world, size_t index)
{
    struct weir_request *request = world->pending[index];
    world->pending[index] = world->pending[--world->pending_count];
    echo(request);
}

/* Runs inside a turn, where sockets become ready and requests are completed. */
static void run_poke(struct weir_message *message)
{
    struct world *world = WEIR_CONTAINER_OF(message, struct world, poke);
    bool can_read = world->at < world->arrived || world->arrived == world->size;
    unsigned events = (can_read ? (unsigned)WEIR_WATCH_READ : 0u) | WEIR_WATCH_WRITE;
    if (world->is_open && world->ready != NULL && (events & world->watched) != 0)
        world->ready(world->ready_context, events & world->watched);
    world->turns++;
    if (world->pending_count > 0 && world->turns % world->turns_to_complete == 0)
        complete(world, world->turns % world->pending_count);
}

/* ---- Checks ---- */

static void check_output(const struct world *world)
{
    size_t at = 0;
    size_t index = 0;
    if (world->output_size >= 4 && memcmp(world->output, "HTTP", 4) == 0)
        return;
    while (world->output_size - at >= 8) {
        int32_t length = weir_get_i32(world->output + at);
        WEIR_ASSERT(length >= 4);
        WEIR_ASSERT(index < world->expected_count);
        WEIR_ASSERT(weir_get_i32(world->output + at + 4) == world->expected[index]);
        index++;
        if ((size_t)length + 4 > world->output_size - at)
            break; /* cut by the client's leaving */
        at += (size_t)length + 4;
    }
}

static const struct weir_dispatch_row rows[] = {
    {.api_key = WEIR_API_PRODUCE, .version_min = 3, .version_max = 13, .handler = handle},
    {.api_key = WEIR_API_METADATA, .version_max = 13, .next_may_start = true, .handler = handle},
    {.api_key = WEIR_API_API_VERSIONS, .version_max = 4, .handler = handle},
};

static void run_world(struct world *world, const uint8_t *script)
{
    struct weir_loop *loop = weir_server_loop(world->server, 0);
    struct weir_server_counters counters;
    size_t piece = 1 + script[0] * (size_t)(script[0] / 8 + 1);
    world->poke.run = run_poke;
    world->turns_to_complete = 1 + script[2] % 16;
    world->listen.accepted(world->listen.context, &world->socket);
    for (int i = 0; i < TURNS_MAX; i++) {
        size_t left = world->size - world->arrived;
        world->arrived += piece < left ? piece : left;
        world->take_bytes = 1 + script[1] * (size_t)64;
        world->now_ns += 3000000;
        weir_loop_post(loop, &world->poke);
        weir_loop_turn(loop, 0);
        if (!world->is_open && world->pending_count == 0)
            break;
    }
    WEIR_ASSERT(!world->is_open && world->pending_count == 0);
    check_output(world);
    weir_loop_turn(loop, 0);
    weir_server_counters(world->server, &counters);
    WEIR_ASSERT(counters.connections_open == 0 && counters.request_bytes == 0 &&
                counters.response_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < SCRIPT_BYTES)
        return 0;
    struct world *world = weir_calloc(1, sizeof(*world));
    if (world == NULL)
        return 0;
    world->ops = *weir_env_posix()->ops;
    world->ops.monotonic_ns = false_monotonic_ns;
    world->now_ns = 1000000000;
    world->env = (struct weir_env){.ops = &world->ops, .context = world};
    world->network = (struct weir_network){.ops = &false_network_ops, .context = world};
    world->socket = (struct weir_socket){.ops = &false_socket_ops, .peer.host = "fuzz"};
    world->is_open = true;
    world->data = data + SCRIPT_BYTES;
    world->size = size - SCRIPT_BYTES;
    struct weir_dispatch dispatch = {
        .rows = rows, .row_count = WEIR_ARRAY_COUNT(rows), .context = world};
    struct weir_server_listener listener = {.name = "FUZZ"};
    struct weir_server_options options = {
        .env = &world->env,
        .network = &world->network,
        .listeners = &listener,
        .listener_count = 1,
        .dispatch = &dispatch,
        .request_bytes_max = 1 << 20,
        .request_bytes_total_max = 1 + data[3] * (size_t)512,
        .unsent_bytes_max = 512,
    };
    if (weir_server_new(&options, &world->server, NULL) == WEIR_OK &&
        weir_server_listen(world->server, NULL) == WEIR_OK)
        run_world(world, data);
    weir_server_free(world->server);
    weir_free(world);
    return 0;
}
