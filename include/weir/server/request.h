/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One request of a client, from the parsed header to the queued response.
 *
 * The server calls the row's handler on the connection's loop.  The handler ends the request, then
 * or later, exactly once, on the same loop, by one of
 *   weir_request_send                   (after weir_request_begin_response and encoding),
 *   weir_request_done_without_response  (Produce with acks=0),
 *   weir_request_close                  (Kafka's answer to what it cannot parse: the connection
 *                                        ends).
 * Until then the request, its arena and its bytes stay alive, even when the client is gone.
 * Responses leave in the order of the requests, whatever the order in which they are ended.
 *
 * If the client disconnects first, is_cancelled becomes true and cancel, if set, is called once on
 * the loop; the request must still be ended, and the response is dropped.
 *
 * Everything here belongs to the connection's loop; only weir_request_post may be called from other
 * threads.
 */

#include "weir/base/arena.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/protocol/wire_writer.h"
#include "weir/runtime/file_range.h"
#include "weir/runtime/loop.h"
#include "weir/runtime/socket.h"

struct weir_request;

#define WEIR_SOFTWARE_BYTES 64

/* What is known of a connection's other end.  Lives until the connection and all its requests are
 * gone; the fields after "writable" are the handlers'. */
struct weir_session {
    size_t listener; /* index into the server's listeners */
    struct weir_address peer;
    struct weir_address
        local; /* what the client came in by, for listeners without an advertised one */
    uint64_t id;
    /* writable */
    char software_name[WEIR_SOFTWARE_BYTES]; /* KIP-511; empty when not told */
    char software_version[WEIR_SOFTWARE_BYTES];
    void *user; /* NULL at first */
    void (*user_done)(
        void *user); /* called when the session ends, on its loop, if user is not NULL */
};

struct weir_request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct weir_slice client_id; /* into the frame; may be null */
};

/* Public struct: handlers read it, and write only the fields marked so. */
struct weir_request {
    struct weir_request_header header;
    /* The version to decode the body with and to encode the response in.  It is header.api_version,
     * but for an ApiVersions request of a version nobody knows: then has_unknown_version is set,
     * this is 0, the body is not to be read, and the answer is UNSUPPORTED_VERSION (KIP-511). */
    int16_t version;
    bool has_unknown_version;
    bool is_cancelled;
    struct weir_slice body;   /* behind the header; into the frame */
    struct weir_arena *arena; /* this request's, with the server's limit */
    struct weir_session *session;
    void *context;        /* the dispatch table's */
    int64_t received_ms;  /* the loop's monotonic clock */
    size_t request_bytes; /* of the frame, its length prefix not counted */
    /* writable */
    void *user;
    void (*cancel)(struct weir_request *request);
};

typedef void weir_request_handler(struct weir_request *request);

/* Public value: one API.  Versions outside [version_min, version_max] close the connection, as
 * Apache Kafka 4.3.0 does (but for ApiVersions, see above). */
struct weir_dispatch_row {
    int16_t api_key; /* one that protocol/api_keys.h knows */
    int16_t version_min;
    int16_t version_max;
    /* Whether the connection's next request is started while this one waits to be answered.  False,
     * which is Kafka's way, is always right; true only for requests that neither depend on nor
     * disturb what comes behind them. */
    bool next_may_start;
    weir_request_handler *handler;
};

struct weir_dispatch {
    const struct weir_dispatch_row *rows; /* in any order, one per key */
    size_t row_count;
    void *context;
};

/* The loop of the connection; from any thread. */
struct weir_loop *weir_request_loop(const struct weir_request *request);

/* A writer that has the response header in it already; the body follows, encoded with
 * request->version. Calling it again starts anew. Sources of records (wire_writer.h) are pointers
 * to struct weir_file_range, whose structs must live until weir_request_send. */
struct weir_writer *weir_request_begin_response(struct weir_request *request);

/* Queues the response and ends the request; the file ranges in it are released once each, when they
 * were sent or dropped.  When encoding failed (weir_writer_status) nothing has happened: the ranges
 * are still the caller's, and it may begin another response or close. */
WEIR_MUST_CHECK enum weir_status weir_request_send(struct weir_request *request);

/* Ends a request that has no response. */
void weir_request_done_without_response(struct weir_request *request);

/* Ends the request and the connection, without an answer to this or any later request; answers to
 * earlier ones still leave.  One rate-limited log line says who, what and why; reason is a
 * literal. */
void weir_request_close(struct weir_request *request, const char *reason);

/* From any thread: run(request, argument) on the request's loop, soon.  At most one post of a
 * request may be under way, and the request must not be ended before it ran. */
void weir_request_post(struct weir_request *request,
                       void (*run)(struct weir_request *request, void *argument), void *argument);
