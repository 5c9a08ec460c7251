/* SPDX-License-Identifier: Apache-2.0 */
#include "server_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/protocol/api_keys.h"

#include <errno.h>
#include <stdio.h>

enum { COMPLAINT_INTERVAL_MS = 1000 };
enum { LOOPS_MAX = 256 };

bool server_may_complain(struct server_loop *loop, enum complaint complaint,
                         int64_t *out_suppressed)
{
    struct complaint_state *state = &loop->complaints[complaint];
    if (!weir_log_allow(&state->next_ms, weir_loop_now_ms(loop->loop), COMPLAINT_INTERVAL_MS)) {
        state->suppressed++;
        return false;
    }
    *out_suppressed = state->suppressed;
    state->suppressed = 0;
    return true;
}

/* ---- Made and freed ---- */

static size_t or_default(size_t value, size_t usual)
{
    return value == 0 ? usual : value;
}

static int32_t or_no_limit(int32_t value)
{
    return value == 0 ? INT32_MAX : value;
}

static int or_usual(int value, int usual)
{
    return value == 0 ? usual : value;
}

static void fill_defaults(struct weir_server_options *options)
{
    if (options->network == NULL)
        options->network = weir_network_posix();
    options->loop_count = options->loop_count == 0 ? 1 : options->loop_count;
    if (options->loop_count > LOOPS_MAX)
        options->loop_count = LOOPS_MAX;
    options->request_bytes_max = or_default(options->request_bytes_max, 104857600);
    options->request_bytes_total_max =
        or_default(options->request_bytes_total_max, (size_t)256 << 20);
    options->response_bytes_total_max =
        or_default(options->response_bytes_total_max, (size_t)256 << 20);
    options->unsent_bytes_max = or_default(options->unsent_bytes_max, (size_t)1 << 20);
    options->arena_bytes_max = or_default(options->arena_bytes_max, 4 * options->request_bytes_max);
    options->connections_max = or_no_limit(options->connections_max);
    /* Kafka's rule: 0 is allowed when there are overrides, and then only they may connect. */
    if (options->ip_limit_count == 0)
        options->connections_per_ip_max = or_no_limit(options->connections_per_ip_max);
    options->idle_ms = options->idle_ms == 0 ? 600000 : options->idle_ms;
    options->frame_ms_max = options->frame_ms_max == 0 ? 30000 : options->frame_ms_max;
    options->send_buffer_bytes = or_usual(options->send_buffer_bytes, 102400);
    options->receive_buffer_bytes = or_usual(options->receive_buffer_bytes, 102400);
    options->listen_backlog = or_usual(options->listen_backlog, 50);
}

static enum weir_status index_rows(struct weir_server *server, struct weir_detail *detail)
{
    const struct weir_dispatch *dispatch = server->options.dispatch;
    int16_t key_max = -1;
    for (size_t i = 0; i < dispatch->row_count; i++) {
        if (weir_api_find(dispatch->rows[i].api_key) == NULL) {
            weir_detail_set(detail, "there is no API with key %d", dispatch->rows[i].api_key);
            return WEIR_INVALID;
        }
        if (dispatch->rows[i].api_key > key_max)
            key_max = dispatch->rows[i].api_key;
    }
    server->row_count = (size_t)(key_max + 1);
    server->rows = weir_calloc(server->row_count, sizeof(const struct weir_dispatch_row *));
    if (server->rows == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < dispatch->row_count; i++)
        server->rows[dispatch->rows[i].api_key] = &dispatch->rows[i];
    return WEIR_OK;
}

static void end_grace(struct weir_timer *timer);

static enum weir_status open_loop(struct weir_server *server, struct server_loop *loop,
                                  size_t index, struct weir_detail *detail)
{
    const struct weir_server_options *options = &server->options;
    char name[16];
    (void)snprintf(name, sizeof(name), "weir-net-%zu", index); /* cut is fine */
    loop->server = server;
    loop->grace_timer.fire = end_grace;
    weir_list_init(&loop->clients);
    enum weir_status status = weir_loop_new(options->env, name, &loop->loop, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_connection_set_options set_options = {
        .env = options->env,
        .loop = loop->loop,
        .events = &client_events,
        .receive_budget = &server->request_budget,
        .send_budget = &server->response_budget,
        .frame_bytes_max = options->request_bytes_max,
        .unsent_bytes_max = options->unsent_bytes_max,
        .idle_ms = options->idle_ms,
        .frame_ms_max = options->frame_ms_max,
    };
    return weir_connection_set_new(&set_options, &loop->set);
}

enum weir_status weir_server_new(const struct weir_server_options *options,
                                 struct weir_server **out, struct weir_detail *detail)
{
    WEIR_ASSERT(options->env != NULL && options->dispatch != NULL && options->listener_count > 0);
    struct weir_server *server = weir_calloc(1, sizeof(*server));
    if (server == NULL)
        return WEIR_NO_MEMORY;
    server->options = *options;
    fill_defaults(&server->options);
    weir_budget_init(&server->request_budget, server->options.request_bytes_total_max);
    weir_budget_init(&server->response_budget, server->options.response_bytes_total_max);
    (void)sem_init(&server->drained, 0, 0); /* cannot fail for a count of 0 */
    enum weir_status status = admission_init(&server->admission, &server->options);
    if (status == WEIR_OK)
        status = index_rows(server, detail);
    if (status != WEIR_OK)
        goto failed;
    status = WEIR_NO_MEMORY;
    server->listeners = weir_calloc(options->listener_count, sizeof(*server->listeners));
    server->loops = weir_calloc(server->options.loop_count, sizeof(*server->loops));
    if (server->listeners == NULL || server->loops == NULL)
        goto failed;
    for (size_t i = 0; i < options->listener_count; i++)
        server->listeners[i] = (struct server_listener){.server = server, .index = i};
    status = WEIR_OK;
    while (status == WEIR_OK && server->loop_count < server->options.loop_count) {
        struct server_loop *loop = &server->loops[server->loop_count];
        status = open_loop(server, loop, server->loop_count++, detail);
    }
    if (status != WEIR_OK)
        goto failed;
    *out = server;
    return WEIR_OK;
failed:
    weir_server_free(server);
    return status;
}

static void close_listeners(struct weir_server *server)
{
    for (size_t i = 0; server->listeners != NULL && i < server->options.listener_count; i++) {
        weir_listener_close(server->listeners[i].listener);
        server->listeners[i].listener = NULL;
    }
}

static void end_grace(struct weir_timer *timer)
{
    struct server_loop *loop = WEIR_CONTAINER_OF(timer, struct server_loop, grace_timer);
    weir_connection_set_close_all(loop->set);
}

static void run_stop(struct weir_message *message)
{
    struct server_loop *loop = WEIR_CONTAINER_OF(message, struct server_loop, stop_message);
    struct weir_server *server = loop->server;
    loop->is_stopping = true;
    if (loop == &server->loops[0])
        close_listeners(server);
    WEIR_LIST_FOREACH(node, &loop->clients) {
        client_end(WEIR_LIST_ENTRY(node, struct client, node));
    }
    if (weir_connection_set_count(loop->set) == 0) {
        loop->has_drained = true;
        sem_post(&server->drained);
        return;
    }
    int64_t deadline_ms = weir_loop_now_ms(loop->loop) + server->grace_ms;
    if (server->grace_ms <= 0 ||
        weir_loop_timer_set(loop->loop, &loop->grace_timer, deadline_ms) != WEIR_OK)
        weir_connection_set_close_all(loop->set);
}

static void free_loop(struct server_loop *loop)
{
    if (loop->set != NULL)
        weir_connection_set_free(loop->set);
    request_free_spares(loop);
    weir_loop_free(loop->loop);
}

void weir_server_free(struct weir_server *server)
{
    if (server == NULL)
        return;
    WEIR_ASSERT(server->loop_count == 0 || server->loops != NULL);
    for (size_t i = 0; i < server->loop_count; i++) {
        if (server->loops[i].loop != NULL)
            weir_loop_stop(server->loops[i].loop);
    }
    close_listeners(server);
    /* Clients on their way and late posts come home while every loop still exists.  Connections are
     * left only when the server could not be started. */
    server->grace_ms = 0;
    for (size_t i = 0; i < server->loop_count; i++) {
        struct server_loop *loop = &server->loops[i];
        if (loop->set == NULL)
            continue;
        loop->stop_message.run = run_stop;
        weir_loop_post(loop->loop, &loop->stop_message);
        weir_loop_turn(loop->loop, 0);
    }
    for (size_t i = 0; i < server->loop_count; i++)
        free_loop(&server->loops[i]);
    admission_done(&server->admission);
    (void)sem_destroy(&server->drained); /* nobody waits */
    weir_free(server->rows);
    weir_free(server->listeners);
    weir_free(server->loops);
    weir_free(server);
}

/* ---- Start ---- */

static void on_accepted(void *context, struct weir_socket *take_socket)
{
    client_accept(context, take_socket);
}

static void on_accept_failed(void *context, const struct weir_detail *detail)
{
    struct server_listener *listener = context;
    struct server_loop *loop = &listener->server->loops[0];
    int64_t suppressed = 0;
    if (server_may_complain(loop, COMPLAINT_TROUBLE, &suppressed))
        WEIR_LOG_ERROR(
            listener->server->options.log, "accept_failed",
            WEIR_STR("listener", listener->server->options.listeners[listener->index].name),
            WEIR_STR("detail", detail->text), WEIR_STR("action", "tried again in 100 ms"),
            WEIR_I64("suppressed", suppressed));
}

enum weir_status weir_server_listen(struct weir_server *server, struct weir_detail *detail)
{
    const struct weir_server_options *options = &server->options;
    WEIR_ASSERT(!server->is_listening && !server->is_started);
    for (size_t i = 0; i < options->listener_count; i++) {
        struct weir_listen_options listen_options = {
            .host = options->listeners[i].host,
            .port = options->listeners[i].port,
            .backlog = options->listen_backlog,
            .send_buffer_bytes = options->send_buffer_bytes,
            .receive_buffer_bytes = options->receive_buffer_bytes,
            .accepted = on_accepted,
            .failed = on_accept_failed,
            .context = &server->listeners[i],
        };
        enum weir_status status =
            weir_network_listen(options->network, server->loops[0].loop, &listen_options,
                                &server->listeners[i].listener, detail);
        if (status != WEIR_OK) {
            weir_detail_prefix(detail, "listener %s", options->listeners[i].name);
            close_listeners(server);
            return status;
        }
    }
    server->is_listening = true;
    return WEIR_OK;
}

enum weir_status weir_server_start(struct weir_server *server, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    if (!server->is_listening)
        status = weir_server_listen(server, detail);
    /* The accepting loop last: it hands connections to the others. */
    for (size_t i = server->loop_count; i > 0 && status == WEIR_OK; i--)
        status = weir_loop_start(server->loops[i - 1].loop, detail);
    if (status != WEIR_OK) {
        for (size_t i = 0; i < server->loop_count; i++)
            weir_loop_stop(server->loops[i].loop);
        close_listeners(server);
        server->is_listening = false;
        return status;
    }
    server->is_started = true;
    return WEIR_OK;
}

uint16_t weir_server_port(const struct weir_server *server, size_t listener)
{
    WEIR_ASSERT(listener < server->options.listener_count);
    WEIR_ASSERT(server->listeners[listener].listener != NULL);
    return server->listeners[listener].listener->local.port;
}

/* ---- Stop ---- */

void weir_server_stop(struct weir_server *server, int64_t grace_ms)
{
    if (!server->is_started) {
        close_listeners(server);
        server->is_listening = false;
        return;
    }
    server->grace_ms = grace_ms;
    /* The accepting loop first, so that no client is on its way to a loop that has drained: one
     * that is finds the loop stopping, and goes. */
    for (size_t i = 0; i < server->loop_count; i++) {
        server->loops[i].stop_message.run = run_stop;
        weir_loop_post(server->loops[i].loop, &server->loops[i].stop_message);
    }
    for (size_t i = 0; i < server->loop_count; i++) {
        while (sem_wait(&server->drained) != 0 && errno == EINTR)
            continue;
    }
    server->is_started = false;
    server->is_listening = false;
}

/* ---- Looking ---- */

struct weir_loop *weir_server_loop(struct weir_server *server, size_t index)
{
    WEIR_ASSERT(index < server->loop_count);
    return server->loops[index].loop;
}

size_t weir_server_loop_count(const struct weir_server *server)
{
    return server->loop_count;
}

static uint64_t count_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void weir_server_counters(struct weir_server *server, struct weir_server_counters *out)
{
    *out = (struct weir_server_counters){
        .connections_open = (uint64_t)admission_total(&server->admission),
        .request_bytes = weir_budget_used(&server->request_budget),
        .response_bytes = weir_budget_used(&server->response_budget),
    };
    for (size_t i = 0; i < server->loop_count; i++) {
        const struct server_loop *loop = &server->loops[i];
        struct weir_connection_counters connections;
        weir_connection_set_counters(loop->set, &connections);
        out->connections_accepted += count_of(&loop->accepted);
        out->connections_refused += count_of(&loop->refused);
        out->frames_refused += count_of(&loop->frames_refused);
        out->requests += count_of(&loop->requests);
        out->responses += count_of(&loop->responses);
        out->bytes_in += connections.bytes_in;
        out->bytes_out += connections.bytes_out;
        out->memory_pauses += connections.memory_pauses;
        out->connections_idle_closed += connections.idle_closed;
    }
}
