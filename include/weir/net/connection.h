/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Framed connections: an int32 length, then that many bytes, in both directions.  A connection
 * belongs to one set, a set to one loop; everything here is called on the loop's thread (or while
 * the loop does not run).
 *
 * Promises:
 *  P1  frames are delivered whole, in order, each once, and as they lie in the receive buffer;
 *  P2  an idle connection holds no buffer, and a buffer grows with what has arrived, not with what
 *      a length claims;
 *  P3  what is sent leaves in order; each outgoing message is done exactly once, sent or dropped;
 *  P4  frames rest while more than unsent_bytes_max wait to be sent, or memory is short;
 *  P5  closed is called exactly once, and nothing is called for the connection after it.
 */

#include "weir/base/list.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/net/budget.h"
#include "weir/runtime/file_range.h"
#include "weir/runtime/loop.h"
#include "weir/runtime/socket.h"

struct weir_connection;
struct weir_connection_set;
struct weir_chunk;

enum weir_close_reason {
    WEIR_CLOSE_LOCAL,     /* weir_connection_close or weir_connection_end was called */
    WEIR_CLOSE_PEER,      /* the peer closed it */
    WEIR_CLOSE_NETWORK,   /* it broke */
    WEIR_CLOSE_TOO_LARGE, /* a frame longer than frame_bytes_max, or of negative length */
    WEIR_CLOSE_HTTP,      /* the peer speaks HTTP; it got a short answer in HTTP */
    WEIR_CLOSE_TLS,       /* the peer speaks TLS */
    WEIR_CLOSE_IDLE,
    WEIR_CLOSE_SLOW_FRAME, /* memory was short, and its frame took longer than frame_ms_max */
    WEIR_CLOSE_NO_MEMORY,
    WEIR_CLOSE_FILE, /* a file range could not be read */
    WEIR_CLOSE_REASON_COUNT
};

/* For log lines: "peer", "too_large". */
const char *weir_close_reason_name(enum weir_close_reason reason);

/* One received frame.  Whoever gets it owns it and gives it back, on the loop, also after the
 * connection is gone. */
struct weir_frame {
    struct weir_slice bytes;
    struct weir_chunk *chunk;
};
void weir_frame_release(struct weir_frame *frame);

struct weir_connection_events {
    void (*frame)(void *context, struct weir_frame take_frame);
    /* The peer will send nothing more: who waits on its behalf need not.  Frames that arrived
     * whole are still delivered; then the connection closes. */
    void (*peer_ended)(void *context);
    /* The connection is freed after this.  detail: words for TOO_LARGE and the like, may be empty.
     */
    void (*closed)(void *context, enum weir_close_reason reason, const struct weir_detail *detail);
    /* Whether something is under way on its behalf, so that it is not idle. */
    bool (*is_busy)(void *context);
};

/* A message to be sent.  The parts lie one behind the other; they and the message live until done.
 */
struct weir_outgoing_part {
    struct weir_slice bytes;             /* when range is NULL */
    const struct weir_file_range *range; /* its release is not called here */
};

struct weir_outgoing {
    struct weir_list node; /* the connection's */
    const struct weir_outgoing_part *parts;
    size_t part_count;
    size_t memory_bytes;                          /* what it keeps in memory until it is done */
    void (*done)(struct weir_outgoing *outgoing); /* sent, or dropped; owns it from here on */
    /* the connection's */
    size_t part_at;
    size_t byte_at;
};

/* Public options struct; all borrowed for the set's life. */
struct weir_connection_set_options {
    struct weir_env *env;
    struct weir_loop *loop;
    const struct weir_connection_events *events;
    struct weir_budget *receive_budget;
    struct weir_budget *send_budget;
    size_t frame_bytes_max;
    size_t unsent_bytes_max;
    int64_t idle_ms;      /* negative: never */
    int64_t frame_ms_max; /* see WEIR_CLOSE_SLOW_FRAME */
};

/* Before the loop runs, for it adds an end-of-turn hook. */
WEIR_MUST_CHECK enum weir_status
weir_connection_set_new(const struct weir_connection_set_options *options,
                        struct weir_connection_set **out);
/* Closes what is left.  The loop does not run and will not turn again; all frames were released. */
void weir_connection_set_free(struct weir_connection_set *set);

/* Closes every connection, reason LOCAL. */
void weir_connection_set_close_all(struct weir_connection_set *set);
/* weir_connection_end for every connection that is not busy; call it again when one got rid of its
 * work. */
void weir_connection_set_end_idle(struct weir_connection_set *set);
size_t weir_connection_set_count(const struct weir_connection_set *set);

/* Value; readable from any thread while the loop counts. */
struct weir_connection_counters {
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t memory_pauses;
    uint64_t idle_closed;
};
void weir_connection_set_counters(const struct weir_connection_set *set,
                                  struct weir_connection_counters *out);

/* Takes the socket, also on failure (then it is closed).  Frames may be delivered from the next
 * turn on. */
WEIR_MUST_CHECK enum weir_status weir_connection_new(struct weir_connection_set *set,
                                                     struct weir_socket *take_socket, void *context,
                                                     struct weir_connection **out,
                                                     struct weir_detail *detail);

/* No frames are delivered while paused; a little is read ahead, so that a peer that leaves is seen.
 * Resuming may deliver frames before it returns. */
void weir_connection_pause(struct weir_connection *connection);
void weir_connection_resume(struct weir_connection *connection);

/* Queues a message; it is written at the end of the turn. */
void weir_connection_send(struct weir_connection *connection, struct weir_outgoing *take_outgoing);

/* Delivers no more frames and closes once all that is queued has been sent. */
void weir_connection_end(struct weir_connection *connection);
/* Closes now; queued messages are dropped. */
void weir_connection_close(struct weir_connection *connection);
