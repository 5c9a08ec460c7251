/* SPDX-License-Identifier: Apache-2.0 */
#include "header.h"
#include "server_int.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

/*
 * Invariants, on the client's loop:
 *  I1  requests is in order of arrival, and its head is WAITING whenever client_settle returned;
 *  I2  the connection is paused exactly while blocker is set, request_count is at its maximum, or
 *      the client is ending;
 *  I3  refs counts the connection and each request that is not freed.
 */

/* Requests of one connection under way at a time, where rows allow more than one. */
enum { REQUESTS_MAX = 64 };

static struct client *client_of(void *context)
{
    return context;
}

void client_unref(struct client *client)
{
    WEIR_ASSERT(client->refs > 0);
    if (--client->refs > 0)
        return;
    if (client->session.user != NULL && client->session.user_done != NULL)
        client->session.user_done(client->session.user);
    weir_free(client);
}

/* ---- Coming and going ---- */

static void leave(struct client *client)
{
    admission_leave(&client->loop->server->admission, client->session.listener,
                    client->session.peer.host);
}

static void refuse_connection(struct server_loop *loop, const struct server_listener *listener,
                              struct weir_socket *socket, const char *limit_name, int32_t limit)
{
    int64_t suppressed = 0;
    atomic_fetch_add_explicit(&loop->refused, 1, memory_order_relaxed);
    if (server_may_complain(loop, COMPLAINT_LIMIT, &suppressed))
        WEIR_LOG_WARN(loop->server->options.log, "connection_refused",
                      WEIR_STR("listener", loop->server->options.listeners[listener->index].name),
                      WEIR_STR("peer", socket->peer.host), WEIR_I64("port", socket->peer.port),
                      WEIR_STR("limit", limit_name), WEIR_I64("value", limit),
                      WEIR_I64("suppressed", suppressed));
    weir_socket_close(socket);
}

static void run_start(struct weir_message *message)
{
    client_start(WEIR_CONTAINER_OF(message, struct client, message));
}

void client_accept(struct server_listener *listener, struct weir_socket *take_socket)
{
    struct weir_server *server = listener->server;
    struct server_loop *accepting = &server->loops[0];
    int32_t limit = 0;
    const char *reached =
        admission_enter(&server->admission, listener->index, take_socket->peer.host, &limit);
    if (reached != NULL) {
        refuse_connection(accepting, listener, take_socket, reached, limit);
        return;
    }
    struct client *client = weir_calloc(1, sizeof(*client));
    if (client == NULL) {
        admission_leave(&server->admission, listener->index, take_socket->peer.host);
        refuse_connection(accepting, listener, take_socket, "memory", 0);
        return;
    }
    atomic_fetch_add_explicit(&accepting->accepted, 1, memory_order_relaxed);
    client->message.run = run_start;
    client->loop = &server->loops[server->next_loop++ % server->loop_count];
    client->socket = take_socket;
    client->refs = 1;
    client->session.listener = listener->index;
    client->session.peer = take_socket->peer;
    client->session.local = take_socket->local;
    client->session.id = ++server->next_session;
    weir_list_init(&client->requests);
    weir_loop_post(client->loop->loop, &client->message);
}

void client_start(struct client *client)
{
    struct server_loop *loop = client->loop;
    struct weir_detail detail = {0};
    if (loop->is_stopping) {
        weir_socket_close(client->socket);
        leave(client);
        client_unref(client);
        return;
    }
    weir_list_push_back(&loop->clients, &client->node);
    enum weir_status status =
        weir_connection_new(loop->set, client->socket, client, &client->connection, &detail);
    client->socket = NULL;
    if (status == WEIR_OK)
        return;
    int64_t suppressed = 0;
    if (server_may_complain(loop, COMPLAINT_TROUBLE, &suppressed))
        WEIR_LOG_WARN(loop->server->options.log, "connection_failed",
                      WEIR_STR("peer", client->session.peer.host),
                      WEIR_STR("status", weir_status_name(status)), WEIR_STR("detail", detail.text),
                      WEIR_I64("suppressed", suppressed));
    weir_list_remove(&client->node);
    leave(client);
    client_unref(client);
}

/* ---- The order of responses ---- */

static void update_pause(struct client *client)
{
    if (client->connection == NULL)
        return;
    if (client->blocker != NULL || client->is_ending || client->request_count >= REQUESTS_MAX)
        weir_connection_pause(client->connection);
    else
        weir_connection_resume(client->connection);
}

static void take_out(struct client *client, struct request_impl *request)
{
    weir_list_remove(&request->node);
    client->request_count--;
}

void client_settle(struct client *client)
{
    while (!weir_list_is_empty(&client->requests)) {
        struct request_impl *request =
            WEIR_LIST_ENTRY(client->requests.next, struct request_impl, node);
        if (request->state == REQUEST_WAITING)
            break;
        take_out(client, request);
        bool closes = request->state == REQUEST_CLOSING;
        if (request->state == REQUEST_ENCODED && client->connection != NULL) {
            atomic_fetch_add_explicit(&client->loop->responses, 1, memory_order_relaxed);
            weir_connection_send(client->connection, &request->outgoing);
        } else {
            request_free(request);
        }
        if (closes && client->connection != NULL)
            weir_connection_end(client->connection); /* what was sent before still leaves */
    }
    if (client->connection != NULL && client->is_ending && client->request_count == 0)
        weir_connection_end(client->connection);
    update_pause(client);
}

void client_end(struct client *client)
{
    client->is_ending = true;
    client_settle(client);
}

/* ---- Requests ---- */

static void refuse_frame(struct client *client, const struct weir_request_header *header,
                         const char *reason)
{
    struct server_loop *loop = client->loop;
    const struct weir_server_options *options = &loop->server->options;
    int64_t suppressed = 0;
    atomic_fetch_add_explicit(&loop->frames_refused, 1, memory_order_relaxed);
    if (server_may_complain(loop, COMPLAINT_FRAME, &suppressed))
        WEIR_LOG_WARN(
            options->log, "request_refused",
            WEIR_STR("listener", options->listeners[client->session.listener].name),
            WEIR_STR("peer", client->session.peer.host),
            WEIR_I64("port", client->session.peer.port), WEIR_I64("api_key", header->api_key),
            WEIR_I64("version", header->api_version), WEIR_BYTES("client_id", header->client_id),
            WEIR_STR("reason", reason), WEIR_STR("action", "the connection is closed"),
            WEIR_I64("suppressed", suppressed));
    client_end(client);
}

/* The row that serves this request, or NULL and why not. */
static const struct weir_dispatch_row *find_row(const struct weir_server *server,
                                                const struct request_head *head,
                                                bool *out_unknown_version, const char **out_reason)
{
    size_t key = (size_t)head->header.api_key; /* not negative: weir_api_find knew it */
    const struct weir_dispatch_row *row = key < server->row_count ? server->rows[key] : NULL;
    *out_unknown_version = false;
    if (row == NULL) {
        *out_reason = "the API is not served on this listener";
        return NULL;
    }
    if (head->header.api_version >= row->version_min &&
        head->header.api_version <= row->version_max)
        return row;
    if (head->api->key == WEIR_API_API_VERSIONS) {
        *out_unknown_version = true;
        return row;
    }
    *out_reason = "the version is not supported";
    return NULL;
}

static void fill_request(struct request_impl *request, const struct request_head *head,
                         bool has_unknown_version, struct weir_frame frame)
{
    struct client *client = request->client;
    request->frame = frame;
    request->request = (struct weir_request){
        .header = head->header,
        .version = has_unknown_version ? 0 : head->header.api_version,
        .has_unknown_version = has_unknown_version,
        .body = has_unknown_version ? WEIR_NULL_SLICE : head->body,
        .arena = &request->arena,
        .session = &client->session,
        .context = client->loop->server->options.dispatch->context,
        .received_ms = weir_loop_now_ms(client->loop->loop),
        .request_bytes = frame.bytes.size,
    };
    request->response_is_flexible =
        weir_api_response_header_version(head->api, request->request.version) >= 1;
}

/* Tells every waiting request that the client is gone.  Cancelling may end requests, so the list is
 * looked at anew each time; it is short. */
static void cancel_requests(struct client *client)
{
    bool has_found = true;
    while (has_found) {
        has_found = false;
        WEIR_LIST_FOREACH(node, &client->requests) {
            struct request_impl *request = WEIR_LIST_ENTRY(node, struct request_impl, node);
            if (request->state == REQUEST_WAITING && !request->request.is_cancelled) {
                has_found = true;
                request_cancel(request);
                break;
            }
        }
    }
}

static void on_frame(void *context, struct weir_frame take_frame)
{
    struct client *client = client_of(context);
    struct server_loop *loop = client->loop;
    struct request_head head;
    bool has_unknown_version = false;
    const char *reason = request_head_parse(take_frame.bytes, &head);
    const struct weir_dispatch_row *row = NULL;
    if (reason == NULL)
        row = find_row(loop->server, &head, &has_unknown_version, &reason);
    if (row == NULL) {
        refuse_frame(client, &head.header, reason);
        weir_frame_release(&take_frame);
        return;
    }
    struct request_impl *request = request_new(client);
    if (request == NULL) {
        refuse_frame(client, &head.header, "memory is out");
        weir_frame_release(&take_frame);
        return;
    }
    fill_request(request, &head, has_unknown_version, take_frame);
    request->row = row;
    weir_list_push_back(&client->requests, &request->node);
    client->request_count++;
    if (!row->next_may_start)
        client->blocker = request;
    update_pause(client);
    atomic_fetch_add_explicit(&loop->requests, 1, memory_order_relaxed);
    client->refs++; /* the handler may end the request and with it all else */
    row->handler(&request->request);
    if (client->has_peer_ended)
        cancel_requests(client); /* it came after the peer had left, and chose to wait */
    client_unref(client);
}

static void on_peer_ended(void *context)
{
    struct client *client = client_of(context);
    client->refs++;
    client->has_peer_ended = true;
    cancel_requests(client);
    client_unref(client);
}

static enum complaint complaint_of(enum weir_close_reason reason)
{
    switch (reason) {
    case WEIR_CLOSE_HTTP:
        return COMPLAINT_HTTP;
    case WEIR_CLOSE_TLS:
        return COMPLAINT_TLS;
    case WEIR_CLOSE_TOO_LARGE:
        return COMPLAINT_FRAME;
    case WEIR_CLOSE_SLOW_FRAME:
    case WEIR_CLOSE_NO_MEMORY:
    case WEIR_CLOSE_FILE:
        return COMPLAINT_TROUBLE;
    case WEIR_CLOSE_LOCAL:
    case WEIR_CLOSE_PEER:
    case WEIR_CLOSE_NETWORK:
    case WEIR_CLOSE_IDLE:
    case WEIR_CLOSE_REASON_COUNT:
        break;
    }
    return COMPLAINT_COUNT; /* none */
}

static void log_close(struct client *client, enum weir_close_reason reason,
                      const struct weir_detail *detail)
{
    struct server_loop *loop = client->loop;
    const struct weir_server_options *options = &loop->server->options;
    enum complaint complaint = complaint_of(reason);
    enum weir_log_level level = WEIR_LOG_LEVEL_DEBUG;
    int64_t suppressed = 0;
    if (complaint != COMPLAINT_COUNT) {
        level = WEIR_LOG_LEVEL_WARN;
        if (complaint != COMPLAINT_TROUBLE)
            atomic_fetch_add_explicit(&loop->frames_refused, 1, memory_order_relaxed);
        if (!server_may_complain(loop, complaint, &suppressed))
            return;
    }
    WEIR_LOG_EVENT(options->log, level, "connection_closed",
                   WEIR_STR("listener", options->listeners[client->session.listener].name),
                   WEIR_STR("peer", client->session.peer.host),
                   WEIR_I64("port", client->session.peer.port),
                   WEIR_STR("reason", weir_close_reason_name(reason)),
                   WEIR_STR("detail", detail->text), WEIR_I64("suppressed", suppressed));
}

static void tell_drained(struct server_loop *loop)
{
    if (!loop->is_stopping || loop->has_drained || weir_connection_set_count(loop->set) > 0)
        return;
    loop->has_drained = true;
    sem_post(&loop->server->drained);
}

static void on_closed(void *context, enum weir_close_reason reason,
                      const struct weir_detail *detail)
{
    struct client *client = client_of(context);
    struct server_loop *loop = client->loop;
    log_close(client, reason, detail);
    client->connection = NULL;
    client->is_ending = true;
    weir_list_remove(&client->node);
    leave(client);
    cancel_requests(client);
    client_settle(client); /* responses that waited for their turn are dropped */
    client_unref(client);
    tell_drained(loop);
}

static bool is_busy(void *context)
{
    return client_of(context)->request_count > 0;
}

const struct weir_connection_events client_events = {
    .frame = on_frame,
    .peer_ended = on_peer_ended,
    .closed = on_closed,
    .is_busy = is_busy,
};
