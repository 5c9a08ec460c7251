/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The door of the broker: listeners, event loops, connections, limits and the way of requests to a
 * dispatch table it is given.  It knows no handler.
 *
 * Created, started, stopped and freed by one thread, not one of its loops.
 *
 * Promises:
 *  P1  each whole request gets its response, in order, or its connection is closed;
 *  P2  requests in memory never exceed request_bytes_total_max by more than one frame a loop;
 *  P3  who does not read its responses is not read from.
 */

#include "weir/base/log.h"
#include "weir/base/status.h"
#include "weir/runtime/env.h"
#include "weir/runtime/loop.h"
#include "weir/runtime/socket.h"
#include "weir/server/request.h"

struct weir_server;

struct weir_server_listener {
    const char *name;        /* "PLAINTEXT"; for log lines */
    const char *host;        /* NULL or "": every address */
    uint16_t port;           /* 0: the system chooses */
    int32_t connections_max; /* listener.name.<name>.max.connections; 0: no limit of its own */
};

/* max.connections.per.ip.overrides; the host is an address as text. */
struct weir_server_ip_limit {
    const char *host;
    int32_t connections_max;
};

/* Zero means the default in brackets wherever one is named.  Copied by weir_server_new; what is
 * pointed to is borrowed for the server's life. */
struct weir_server_options {
    struct weir_env *env;
    struct weir_network *network; /* [weir_network_posix()] */
    const struct weir_log *log;
    const struct weir_server_listener *listeners;
    size_t listener_count;
    unsigned loop_count; /* [1]; num.network.threads */
    const struct weir_dispatch *dispatch;

    size_t request_bytes_max;        /* [104857600] socket.request.max.bytes */
    size_t request_bytes_total_max;  /* [256 MiB] queued.max.request.bytes */
    size_t response_bytes_total_max; /* [256 MiB] weir.queued.max.response.bytes */
    size_t unsent_bytes_max; /* [1 MiB] a connection with more unsent bytes in memory rests */
    size_t arena_bytes_max;  /* [4 times request_bytes_max] memory of one request's arena */
    int32_t connections_max; /* [no limit] max.connections */
    int32_t connections_per_ip_max; /* [no limit; with ip_limits: 0, only they may connect] */
    const struct weir_server_ip_limit *ip_limits;
    size_t ip_limit_count;
    int64_t idle_ms;          /* [600000] connections.max.idle.ms; negative: never */
    int64_t frame_ms_max;     /* [30000] how long a frame may take while memory is short */
    int send_buffer_bytes;    /* [102400] socket.send.buffer.bytes; -1: the system's */
    int receive_buffer_bytes; /* [102400] socket.receive.buffer.bytes; -1: the system's */
    int listen_backlog;       /* [50] socket.listen.backlog.size */
};

/* Sums over all loops; each is exact once the server stands still.  Value. */
struct weir_server_counters {
    uint64_t connections_accepted;
    uint64_t connections_refused; /* by a limit */
    uint64_t connections_open;
    uint64_t connections_idle_closed;
    uint64_t frames_refused; /* too large, not Kafka, bad header, unsupported version */
    uint64_t requests;
    uint64_t responses;
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t memory_pauses;  /* times a connection was not read for want of memory */
    uint64_t request_bytes;  /* held now */
    uint64_t response_bytes; /* held now, unsent */
};

WEIR_MUST_CHECK enum weir_status weir_server_new(const struct weir_server_options *options,
                                                 struct weir_server **out,
                                                 struct weir_detail *detail);
/* The server is stopped or was never started.  All requests have been ended. */
void weir_server_free(struct weir_server *server);

/* Opens the listeners and starts the loops; requests may arrive before it returns.  On failure
 * nothing listens any more, and the server can only be freed. */
WEIR_MUST_CHECK enum weir_status weir_server_start(struct weir_server *server,
                                                   struct weir_detail *detail);

/* Opens the listeners without accepting, so that their ports are known before the handlers are
 * ready; optional, weir_server_start does it otherwise. */
WEIR_MUST_CHECK enum weir_status weir_server_listen(struct weir_server *server,
                                                    struct weir_detail *detail);

/* The port in use; after weir_server_listen or weir_server_start. */
uint16_t weir_server_port(const struct weir_server *server, size_t listener);

/* Stops accepting and reading, gives requests under way grace_ms to be answered and their answers
 * to be sent, then closes every connection.  Returns when no connection is left.  Requests that are
 * still not ended by then are cancelled; the loops go on until weir_server_free, so that their
 * handlers can end them. */
void weir_server_stop(struct weir_server *server, int64_t grace_ms);

/* The loops, for what has to run on them; index < loop_count. */
struct weir_loop *weir_server_loop(struct weir_server *server, size_t index);
size_t weir_server_loop_count(const struct weir_server *server);

/* From any thread. */
void weir_server_counters(struct weir_server *server, struct weir_server_counters *out);
