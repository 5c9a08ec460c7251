/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this folder share about servers, clients and requests. */

#include "admission.h"

#include "weir/net/connection.h"
#include "weir/server/server.h"

#include <semaphore.h>
#include <stdatomic.h>

/* The kinds of lines a client can cause in a loop; each has its own rate limit. */
enum complaint {
    COMPLAINT_HTTP,
    COMPLAINT_TLS,
    COMPLAINT_FRAME,
    COMPLAINT_REQUEST,
    COMPLAINT_LIMIT,
    COMPLAINT_TROUBLE, /* memory, files, accept */
    COMPLAINT_COUNT
};

struct complaint_state {
    int64_t next_ms;
    int64_t suppressed;
};

/* A loop and what is on it; touched by its thread only, but for the counters. */
struct server_loop {
    struct weir_server *server;
    struct weir_loop *loop;
    struct weir_connection_set *set;
    struct weir_list clients;
    struct complaint_state complaints[COMPLAINT_COUNT];
    struct request_impl *spare_requests; /* linked by next_spare */
    size_t spare_count;
    bool is_stopping;
    bool has_drained; /* no connections left, and the stopper was told */
    struct weir_message stop_message;
    struct weir_timer grace_timer;
    _Atomic uint64_t accepted;
    _Atomic uint64_t refused;
    _Atomic uint64_t frames_refused;
    _Atomic uint64_t requests;
    _Atomic uint64_t responses;
};

struct server_listener {
    struct weir_server *server;
    size_t index;
    struct weir_listener *listener; /* on the first loop */
};

struct weir_server {
    struct weir_server_options options; /* defaults filled in */
    struct weir_budget request_budget;
    struct weir_budget response_budget;
    struct admission admission;
    struct server_listener *listeners;
    struct server_loop *loops;
    size_t loop_count;
    size_t next_loop;      /* round robin; the accepting loop's */
    uint64_t next_session; /* the accepting loop's */
    /* The table by api key; keys without a row have none. */
    const struct weir_dispatch_row **rows;
    size_t row_count;
    bool is_listening;
    bool is_started;
    int64_t grace_ms; /* written before the stop messages are posted */
    sem_t drained;
};

/* One connection with its requests.  Lives until the connection is closed and all requests ended.
 */
struct client {
    struct weir_message message; /* brings it to its loop */
    struct weir_list node;       /* in loop->clients while the connection is open */
    struct server_loop *loop;
    struct weir_socket *socket;         /* until the connection has it */
    struct weir_connection *connection; /* NULL: closed */
    struct weir_session session;
    size_t refs;
    struct weir_list requests; /* of struct request_impl, in the order of arrival */
    size_t request_count;
    struct request_impl *blocker; /* the request that pauses the connection, or NULL */
    bool has_peer_ended;
    bool is_ending; /* starts no more requests; closes when those under way have ended */
};

/*
 *             handler
 *   WAITING ----------> ENCODED (send) | SILENT (no response) | CLOSING (close)
 *
 * Once it is not WAITING, arena and frame are gone, and it only keeps its place in the order.
 */
enum request_state { REQUEST_WAITING, REQUEST_ENCODED, REQUEST_SILENT, REQUEST_CLOSING };

struct request_impl {
    struct weir_request request; /* what handlers see; first, so that the two can be cast */
    struct request_impl *next_spare;
    struct weir_list node; /* in client->requests */
    struct client *client;
    const struct weir_dispatch_row *row;
    enum request_state state;
    bool response_is_flexible; /* the response header has tagged fields */
    bool has_been_cancelled;   /* cancel was called, or had nothing to call */
    struct weir_frame frame;
    struct weir_arena arena;
    struct weir_buf buf;
    struct weir_writer writer;

    struct weir_outgoing outgoing;
    struct weir_outgoing_part only_part;
    struct weir_outgoing_part *parts; /* &only_part, or malloc'ed when there are ranges */
    struct weir_file_range *ranges;   /* malloc'ed */
    size_t range_count;

    struct weir_message post;
    void (*post_run)(struct weir_request *request, void *argument);
    void *post_argument;
    _Atomic bool is_posted;
};

/* server.c */
/* Whether a line of this kind may be written now; *out_suppressed says how many were not. */
bool server_may_complain(struct server_loop *loop, enum complaint complaint,
                         int64_t *out_suppressed);

/* client.c: what connections tell their client. */
extern const struct weir_connection_events client_events;
/* Starts a client on its loop's thread. */
void client_start(struct client *client);
/* Refused, counted and logged; or a client that is on its way to a loop. */
void client_accept(struct server_listener *listener, struct weir_socket *take_socket);
void client_unref(struct client *client);
/* Sends what is ready at the head of the order, and ends the connection if it is time. */
void client_settle(struct client *client);
/* No more requests are started; the connection ends when those under way have. */
void client_end(struct client *client);

/* request.c */
struct request_impl *request_new(struct client *client);
/* The handler is done with it: arena, frame. */
void request_release_input(struct request_impl *request);
/* Frees it with its response, and its reference to the client. */
void request_free(struct request_impl *request);
void request_free_spares(struct server_loop *loop);
/* Tells the handler that nobody waits any more, once. */
void request_cancel(struct request_impl *request);
