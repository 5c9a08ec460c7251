/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A network inside the process behind runtime/socket.h.  The code under test listens; the test
 * connects from outside and is the other end of each connection.  One thread: nothing moves but in
 * false_network_step, so that a seed and the calls of a test say all that happens.
 *
 * Bytes that were written are on their way until a step lets them arrive, and only arrived ones are
 * read.  Each direction holds a bounded number of bytes, on their way and arrived together; a
 * writer finds no room beyond it.  The network's own memory does not come from weir_malloc.
 */

#include "weir/runtime/socket.h"

struct false_network;
struct false_peer; /* a connection, as its outer end sees it */

/* Zero means the default in brackets.  Value. */
struct false_network_options {
    uint64_t seed;
    size_t buffer_bytes;    /* [65536] of each direction of a connection */
    size_t piece_bytes_max; /* [no limit] a step lets 1 to so many bytes of a direction arrive, and
                               a read or write of a socket takes 1 to so many */
    unsigned delay_percent; /* [0] how often nothing arrives in a direction in a step; below 100 */
};

enum {
    FALSE_WAY_IN = 1, /* from the peer to the code under test */
    FALSE_WAY_OUT = 2
};

struct false_network *false_network_new(const struct false_network_options *options);
/* All listeners and sockets were closed (asserted); peers that are left are freed.  NULL is
 * allowed. */
void false_network_free(struct false_network *network);
/* What the code under test gets; lives as long as the false one. */
struct weir_network *false_network_network(struct false_network *network);

/* One turn of the loop, which does not run by itself.  In it connections are accepted, bytes
 * arrive, and the sockets attached to the loop hear of what they watch (level-triggered, and of a
 * broken connection even when they watch nothing). */
void false_network_step(struct false_network *network, struct weir_loop *loop);

/* Sockets that the code under test was given and has not closed. */
size_t false_network_open_sockets(const struct false_network *network);

/* Connects to a port; NULL when nobody listens there.  Accepted in a step of the listener's loop;
 * broken if the listener is closed before.  Belongs to the network; dead after false_peer_close. */
struct false_peer *false_network_connect(struct false_network *network, uint16_t port);

/* OK: a prefix, at least one byte.  PENDING: no room.  NETWORK_EXCEPTION: cut, or the socket was
 * closed.  size is not 0. */
WEIR_MUST_CHECK enum weir_status false_peer_write(struct false_peer *peer, const void *bytes,
                                                  size_t size, size_t *out_written);
/* Like weir_socket_read. */
WEIR_MUST_CHECK enum weir_status false_peer_read(struct false_peer *peer, void *into, size_t size,
                                                 size_t *out_read);
/* The socket reads CLOSED behind what was written. */
void false_peer_shut_write(struct false_peer *peer);
/* The same, and what the socket writes from now on is NETWORK_EXCEPTION. */
void false_peer_close(struct false_peer *peer);
/* Breaks the connection at once, whatever is on its way: NETWORK_EXCEPTION for both ends. */
void false_peer_cut(struct false_peer *peer);
/* From now on bytes written in these directions (a mask of FALSE_WAY_*; 0 heals) vanish, though
 * their writers hear OK, and so does the end of the stream. */
void false_peer_drop(struct false_peer *peer, unsigned ways);
/* Bytes in a direction that were written and not read. */
size_t false_peer_unread(const struct false_peer *peer, unsigned way);
