/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One loop that is turned by hand, one set of connections on a false clock, and the far ends of
 * socket pairs. */

#include "../runtime/stepped_env.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/net/connection.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAMES_MAX = 64 };

struct end {
    struct weir_connection *connection; /* NULL once closed */
    int far;                            /* the test's side of the socket pair; non-blocking */
    struct weir_frame frames[FRAMES_MAX];
    size_t frame_count;
    bool is_busy;
    bool pauses; /* pauses after each frame */
    bool has_peer_ended;
    bool is_closed;
    enum weir_close_reason reason;
    struct weir_detail detail;
};

struct net_world {
    struct stepped_env env;
    struct weir_loop *loop;
    struct weir_budget receive_budget;
    struct weir_budget send_budget;
    struct weir_connection_set *set;
};

static inline void on_frame(void *context, struct weir_frame take_frame)
{
    struct end *end = context;
    cr_assert_lt(end->frame_count, FRAMES_MAX);
    end->frames[end->frame_count++] = take_frame;
    if (end->pauses)
        weir_connection_pause(end->connection);
}

static inline void on_peer_ended(void *context)
{
    ((struct end *)context)->has_peer_ended = true;
}

static inline void on_closed(void *context, enum weir_close_reason reason,
                             const struct weir_detail *detail)
{
    struct end *end = context;
    cr_assert_not(end->is_closed);
    end->is_closed = true;
    end->connection = NULL;
    end->reason = reason;
    end->detail = *detail;
}

static inline bool end_is_busy(void *context)
{
    return ((struct end *)context)->is_busy;
}

static inline void net_world_init(struct net_world *world, size_t frame_bytes_max,
                                  size_t receive_bytes_max)
{
    static const struct weir_connection_events events = {
        .frame = on_frame,
        .peer_ended = on_peer_ended,
        .closed = on_closed,
        .is_busy = end_is_busy,
    };
    stepped_env_init(&world->env);
    struct weir_env *env = &world->env.env;
    cr_assert_eq(weir_loop_new(env, "test", &world->loop, NULL), WEIR_OK);
    weir_budget_init(&world->receive_budget, receive_bytes_max);
    weir_budget_init(&world->send_budget, 1 << 20);
    struct weir_connection_set_options options = {
        .env = env,
        .loop = world->loop,
        .events = &events,
        .receive_budget = &world->receive_budget,
        .send_budget = &world->send_budget,
        .frame_bytes_max = frame_bytes_max,
        .unsent_bytes_max = 4096,
        .idle_ms = 1000,
        .frame_ms_max = 500,
    };
    cr_assert_eq(weir_connection_set_new(&options, &world->set), WEIR_OK);
}

/* All frames were released by then. */
static inline void net_world_done(struct net_world *world)
{
    weir_connection_set_free(world->set);
    cr_assert_eq(weir_budget_used(&world->receive_budget), 0);
    cr_assert_eq(weir_budget_used(&world->send_budget), 0);
    weir_loop_free(world->loop);
}

static inline void turn(struct net_world *world, int turns)
{
    for (int i = 0; i < turns; i++)
        weir_loop_turn(world->loop, 0);
}

static inline void step(struct net_world *world, int64_t ms)
{
    stepped_env_step_ms(&world->env, ms);
    turn(world, 2);
}

static inline void open_end(struct net_world *world, struct end *end)
{
    int pair[2];
    *end = (struct end){0};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    end->far = pair[1];
    struct weir_socket *socket = NULL;
    cr_assert_eq(weir_socket_posix_take(pair[0], &socket), WEIR_OK);
    cr_assert_eq(weir_connection_new(world->set, socket, end, &end->connection, NULL), WEIR_OK);
    turn(world, 1);
}

static inline void release_frames(struct end *end)
{
    for (size_t i = 0; i < end->frame_count; i++)
        weir_frame_release(&end->frames[i]);
    end->frame_count = 0;
}

static inline void close_end(struct net_world *world, struct end *end)
{
    if (end->far >= 0)
        close(end->far);
    end->far = -1;
    turn(world, 3);
    release_frames(end);
}

static inline void put(struct end *end, const void *bytes, size_t size)
{
    cr_assert_eq(send(end->far, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static inline void put_length(struct end *end, int32_t length)
{
    uint8_t bytes[4];
    weir_put_i32(bytes, length);
    put(end, bytes, sizeof(bytes));
}

static inline void put_frame(struct end *end, const char *text)
{
    put_length(end, (int32_t)strlen(text));
    put(end, text, strlen(text));
}

static inline void assert_frame(const struct end *end, size_t index, const char *text)
{
    cr_assert_lt(index, end->frame_count);
    cr_assert(weir_slice_is(end->frames[index].bytes, text));
}
