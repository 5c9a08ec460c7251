/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole server on the false network: its framing, order, cancelling and resting are seen from
 * outside, without a real socket, thread or clock.
 */

#include "sim/check.h"
#include "sim/false_env.h"
#include "sim/false_network.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/protocol/api_keys.h"
#include "weir/server/server.h"

#include <string.h>

enum { HELD_MAX = 16, FRAME_BYTES_MAX = 1024, HEADER_BYTES = 10, STEPS_MAX = 100000, QUIET = 64 };

struct world {
    struct false_env *false_env;
    struct false_network *network;
    struct weir_dispatch dispatch;
    struct weir_server_listener listener;
    struct weir_server *server;
    struct weir_loop *loop;
    struct false_peer *peer;
    struct weir_request *held[HELD_MAX];
    size_t held_count;
    size_t handled;
    size_t cancelled;
    uint8_t input[FRAME_BYTES_MAX]; /* the beginning of a response */
    size_t input_size;
};

/* ---- The handler: a body that begins with 'h' is held, all others come back at once ---- */

static void echo(struct weir_request *request)
{
    struct weir_writer *writer = weir_request_begin_response(request);
    weir_write_raw(writer, request->body);
    CHECK(weir_request_send(request) == WEIR_OK, "a small response");
}

static void echo_later(struct weir_request *request, void *argument)
{
    (void)argument;
    echo(request);
}

static void count_cancelled(struct weir_request *request)
{
    ((struct world *)request->context)->cancelled++;
}

static void handle(struct weir_request *request)
{
    struct world *world = request->context;
    world->handled++;
    if (request->body.size == 0 || request->body.data[0] != 'h') {
        echo(request);
        return;
    }
    CHECK(world->held_count < HELD_MAX, "too many are held");
    request->cancel = count_cancelled;
    world->held[world->held_count++] = request;
}

static const struct weir_dispatch_row rows[] = {
    {.api_key = WEIR_API_PRODUCE, .version_min = 3, .version_max = 3, .handler = handle},
    {.api_key = WEIR_API_METADATA, .version_max = 1, .next_may_start = true, .handler = handle},
};

/* ---- The world ---- */

static void begin(struct world *world, struct false_network_options options)
{
    *world = (struct world){.false_env = false_env_new(options.seed)};
    world->network = false_network_new(&options);
    world->dispatch =
        (struct weir_dispatch){.rows = rows, .row_count = WEIR_ARRAY_COUNT(rows), .context = world};
    world->listener = (struct weir_server_listener){.name = "FALSE"};
    struct weir_server_options server_options = {
        .env = false_env_env(world->false_env),
        .network = false_network_network(world->network),
        .listeners = &world->listener,
        .listener_count = 1,
        .dispatch = &world->dispatch,
        .unsent_bytes_max = 1024,
    };
    struct weir_detail detail = {0};
    CHECK_OK(weir_server_new(&server_options, &world->server, &detail), detail);
    CHECK_OK(weir_server_listen(world->server, &detail), detail);
    world->loop = weir_server_loop(world->server, 0);
    world->peer = false_network_connect(world->network, weir_server_port(world->server, 0));
    CHECK(world->peer != NULL, "somebody listens");
}

static void step(struct world *world, int times)
{
    for (int i = 0; i < times; i++)
        false_network_step(world->network, world->loop);
}

/* Everything comes home once the peer has left. */
static void end(struct world *world)
{
    struct weir_server_counters counters;
    false_peer_close(world->peer);
    for (int i = 0; i < STEPS_MAX && false_network_open_sockets(world->network) > 0; i++)
        step(world, 1);
    step(world, 2);
    weir_server_counters(world->server, &counters);
    CHECK(counters.connections_open == 0 && counters.request_bytes == 0 &&
              counters.response_bytes == 0,
          "something is left");
    CHECK(false_network_open_sockets(world->network) == 0, "a socket is left");
    weir_server_free(world->server);
    false_network_free(world->network);
    false_env_free(world->false_env);
}

static size_t make_frame(uint8_t *out, int16_t api_key, int32_t id, char wish, size_t body_bytes)
{
    size_t size = HEADER_BYTES + body_bytes;
    CHECK(4 + size <= FRAME_BYTES_MAX, "a frame of %zu bytes", size);
    weir_put_i32(out, (int32_t)size);
    weir_put_i16(out + 4, api_key);
    weir_put_i16(out + 6, api_key == WEIR_API_PRODUCE ? 3 : 1);
    weir_put_i32(out + 8, id);
    weir_put_i16(out + 12, -1);
    memset(out + 14, wish, body_bytes);
    return 4 + size;
}

/* Steps until all is written. */
static void send_bytes(struct world *world, const uint8_t *bytes, size_t size)
{
    size_t put = 0;
    for (int i = 0; size > 0; i++) {
        CHECK(i < STEPS_MAX, "the server does not read");
        enum weir_status status = false_peer_write(world->peer, bytes, size, &put);
        CHECK(status == WEIR_OK || status == WEIR_PENDING, "%s", weir_status_name(status));
        if (status == WEIR_OK) {
            bytes += put;
            size -= put;
        }
        step(world, 1);
    }
}

static void send_request(struct world *world, int16_t api_key, int32_t id, char wish)
{
    uint8_t frame[FRAME_BYTES_MAX];
    send_bytes(world, frame, make_frame(frame, api_key, id, wish, 20));
}

/* Steps until one whole response is there; checks its id and size. */
static void expect_response(struct world *world, int32_t id, size_t body_bytes)
{
    size_t size = 8 + body_bytes;
    for (int i = 0; world->input_size < size; i++) {
        size_t got = 0;
        CHECK(i < STEPS_MAX, "response %d does not come", (int)id);
        enum weir_status status = false_peer_read(world->peer, world->input + world->input_size,
                                                  size - world->input_size, &got);
        CHECK(status == WEIR_OK || status == WEIR_PENDING, "%s", weir_status_name(status));
        if (status == WEIR_OK)
            world->input_size += got;
        else
            step(world, 1);
    }
    CHECK((size_t)weir_get_i32(world->input) + 4 == size, "its length");
    CHECK(weir_get_i32(world->input + 4) == id, "%d came for %d",
          (int)weir_get_i32(world->input + 4), (int)id);
    world->input_size = 0;
}

static void wait_for_held(struct world *world, size_t count)
{
    for (int i = 0; world->held_count < count; i++) {
        CHECK(i < STEPS_MAX, "only %zu came", world->held_count);
        step(world, 1);
    }
}

/* ---- Claims ---- */

static void requests_that_come_byte_by_byte_are_answered_in_order(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        begin(&world, (struct false_network_options){.seed = seed,
                                                     .piece_bytes_max = seed % 4 + 1,
                                                     .delay_percent = 30,
                                                     .buffer_bytes = 256});
        for (int32_t id = 0; id < 6; id++)
            send_request(&world, WEIR_API_METADATA, id, id % 3 == 2 ? 'e' : 'h');
        wait_for_held(&world, 4);
        while (world.held_count > 0)
            weir_request_post(world.held[--world.held_count], echo_later, NULL);
        for (int32_t id = 0; id < 6; id++)
            expect_response(&world, id, 20);
        CHECK(world.handled == 6 && world.cancelled == 0, "each once");
        end(&world);
    }
}

static void nothing_moves_before_a_step(void)
{
    struct world world;
    uint8_t frame[FRAME_BYTES_MAX];
    size_t put = 0;
    begin(&world, (struct false_network_options){.seed = 1});
    step(&world, 3);
    size_t size = make_frame(frame, WEIR_API_METADATA, 1, 'e', 20);
    CHECK(false_peer_write(world.peer, frame, size, &put) == WEIR_OK && put == size, "room");
    weir_loop_turn(world.loop, 0);
    CHECK(world.handled == 0 && false_peer_unread(world.peer, FALSE_WAY_IN) == size, "on its way");
    step(&world, 1);
    CHECK(world.handled == 1, "it arrived");
    expect_response(&world, 1, 20);
    end(&world);
}

static void a_cut_while_a_request_is_handled_cancels_it(void)
{
    struct world world;
    size_t got = 0;
    begin(&world, (struct false_network_options){.seed = 2, .piece_bytes_max = 3});
    send_request(&world, WEIR_API_PRODUCE, 1, 'h');
    wait_for_held(&world, 1);
    CHECK(!world.held[0]->is_cancelled, "not yet");
    false_peer_cut(world.peer);
    step(&world, 2);
    CHECK(world.held[0]->is_cancelled && world.cancelled == 1, "cancelled once");
    CHECK(false_peer_read(world.peer, world.input, 1, &got) == WEIR_NETWORK_EXCEPTION, "cut");
    CHECK(false_network_open_sockets(world.network) == 0, "the server has closed its end");
    weir_request_post(world.held[0], echo_later, NULL);
    end(&world);
}

static void a_cut_inside_a_frame_starts_no_request(void)
{
    struct world world;
    uint8_t frame[FRAME_BYTES_MAX];
    size_t put = 0;
    begin(&world, (struct false_network_options){.seed = 3, .piece_bytes_max = 2});
    size_t size = make_frame(frame, WEIR_API_PRODUCE, 1, 'e', 100);
    send_bytes(&world, frame, size - 1);
    step(&world, (int)size);
    CHECK(false_peer_unread(world.peer, FALSE_WAY_IN) == 0, "all was read");
    false_peer_cut(world.peer);
    step(&world, 2);
    CHECK(world.handled == 0, "no whole frame came");
    CHECK(false_network_open_sockets(world.network) == 0, "the server has closed its end");
    CHECK(false_peer_write(world.peer, frame, 1, &put) == WEIR_NETWORK_EXCEPTION, "cut");
    end(&world);
}

static void who_does_not_read_is_not_read_from(void)
{
    enum { BODY = 500, SENT_MAX = 2000 };
    struct world world;
    uint8_t frame[FRAME_BYTES_MAX];
    begin(&world, (struct false_network_options){.seed = 4, .buffer_bytes = 4096});
    int32_t sent = 0;
    size_t put = 0;
    size_t left = 0; /* of the last frame */
    size_t size = 0;
    for (int quiet = 0; quiet < QUIET; quiet++) {
        if (left == 0) {
            CHECK(sent < SENT_MAX, "the server reads on and on");
            left = size = make_frame(frame, WEIR_API_METADATA, sent++, 'e', BODY);
        }
        if (false_peer_write(world.peer, frame + size - left, left, &put) == WEIR_OK) {
            left -= put;
            quiet = 0;
        }
        step(&world, 1);
    }
    size_t handled = world.handled;
    CHECK(false_peer_unread(world.peer, FALSE_WAY_IN) == 4096, "its requests lie there");
    CHECK(false_peer_unread(world.peer, FALSE_WAY_OUT) == 4096, "its responses too");
    step(&world, QUIET);
    CHECK(world.handled == handled && handled < (size_t)sent, "nothing more is handled");
    for (int32_t id = 0; id < sent - 1; id++)
        expect_response(&world, id, BODY);
    send_bytes(&world, frame + size - left, left);
    expect_response(&world, sent - 1, BODY);
    end(&world);
}

static void what_is_dropped_one_way_vanishes(void)
{
    struct world world;
    begin(&world, (struct false_network_options){.seed = 5});
    false_peer_drop(world.peer, FALSE_WAY_IN);
    send_request(&world, WEIR_API_METADATA, 1, 'e');
    false_peer_drop(world.peer, 0);
    send_request(&world, WEIR_API_METADATA, 2, 'e');
    expect_response(&world, 2, 20);
    false_peer_drop(world.peer, FALSE_WAY_OUT);
    send_request(&world, WEIR_API_METADATA, 3, 'e');
    step(&world, 2);
    CHECK(world.handled == 2, "the third was handled, too");
    false_peer_drop(world.peer, 0);
    send_request(&world, WEIR_API_METADATA, 4, 'e');
    expect_response(&world, 4, 20);
    end(&world);
}

static void the_end_of_what_the_peer_sends_closes_the_connection(void)
{
    struct world world;
    size_t got = 0;
    begin(&world, (struct false_network_options){.seed = 6});
    send_request(&world, WEIR_API_METADATA, 1, 'e');
    expect_response(&world, 1, 20);
    false_peer_shut_write(world.peer);
    step(&world, 3);
    CHECK(false_network_open_sockets(world.network) == 0, "closed");
    CHECK(false_peer_read(world.peer, world.input, 1, &got) == WEIR_CLOSED, "and told so");
    end(&world);
}

static void accept_none(void *context, struct weir_socket *take_socket)
{
    (void)context;
    weir_socket_close(take_socket);
}

static void a_port_has_one_listener_and_needs_one(void)
{
    struct world world;
    struct weir_listener *listener = NULL;
    struct weir_detail detail = {0};
    begin(&world, (struct false_network_options){.seed = 7});
    struct weir_network *network = false_network_network(world.network);
    struct weir_listen_options options = {.port = 9, .accepted = accept_none};
    CHECK(false_network_connect(world.network, 9) == NULL, "nobody listens");
    CHECK_OK(weir_network_listen(network, world.loop, &options, &listener, &detail), detail);
    struct weir_listener *second = NULL;
    CHECK(weir_network_listen(network, world.loop, &options, &second, &detail) == WEIR_BUSY,
          "taken");
    struct false_peer *refused = false_network_connect(world.network, 9);
    size_t got = 0;
    CHECK(refused != NULL, "it listens");
    step(&world, 1);
    CHECK(false_peer_read(refused, world.input, 1, &got) == WEIR_CLOSED, "refused");
    struct false_peer *late = false_network_connect(world.network, 9);
    CHECK(late != NULL, "it still listens");
    weir_listener_close(listener);
    step(&world, 1);
    CHECK(false_peer_read(late, world.input, 1, &got) == WEIR_NETWORK_EXCEPTION, "too late");
    end(&world);
}

int main(void)
{
    RUN(requests_that_come_byte_by_byte_are_answered_in_order);
    RUN(nothing_moves_before_a_step);
    RUN(a_cut_while_a_request_is_handled_cancels_it);
    RUN(a_cut_inside_a_frame_starts_no_request);
    RUN(who_does_not_read_is_not_read_from);
    RUN(what_is_dropped_one_way_vanishes);
    RUN(the_end_of_what_the_peer_sends_closes_the_connection);
    RUN(a_port_has_one_listener_and_needs_one);
    return 0;
}
