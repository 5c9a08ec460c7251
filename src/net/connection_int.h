/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this folder share about connections and their sets. */

#include "weir/net/connection.h"

#include <stdatomic.h>

/*
 *            weir_connection_end, or the peer ended and no whole frame is left
 *   OPEN ------------------------------------------------------> ENDING
 *    |                                                             |
 *    | close_connection: any failure,                              | all was sent
 *    | weir_connection_close                                       v
 *    +----------------------------------------------------------> CLOSED -> freed at the turn's end
 *
 * OPEN: all fields.  ENDING: nothing is read or delivered, the queue is written.  CLOSED: only
 * graveyard links; socket is NULL.
 */
enum connection_state { CONNECTION_OPEN, CONNECTION_ENDING, CONNECTION_CLOSED };

struct weir_chunk {
    struct weir_chunk *next; /* in the cache */
    struct weir_connection_set *set;
    size_t refs;
    size_t capacity;
    uint8_t data[];
};

struct weir_connection {
    struct weir_connection_set *set;
    struct weir_socket *socket;
    void *context;
    enum connection_state state;
    unsigned watched; /* what the socket was told to watch */
    bool is_paused;
    bool is_delivering;
    bool has_peer_ended;
    bool has_had_frame;
    bool wants_write; /* the socket was full */

    /* Received and not delivered: chunk->data[begin..end).  chunk is NULL exactly when there is
     * nothing. */
    struct weir_chunk *chunk;
    size_t begin;
    size_t end;
    size_t frame_hint; /* size of the last frame: this peer sends such */

    struct weir_list out; /* of struct weir_outgoing */
    size_t unsent_bytes;  /* memory_bytes of those in out */

    struct weir_list all_node; /* in set->all, the least recently active first; or in graveyard */
    struct weir_list dirty_node;
    struct weir_list starved_node;
    int64_t active_ms;
    int64_t starved_ms; /* since when it waits for memory */
};

enum { SMALL_CHUNK_BYTES = 4096, LARGE_CHUNK_BYTES = 65536 };
enum { SMALL_CACHED_MAX = 64, LARGE_CACHED_MAX = 16 };

struct chunk_cache {
    struct weir_chunk *first;
    size_t count;
};

struct weir_connection_set {
    struct weir_connection_set_options options;
    struct weir_loop_hook hook;
    struct weir_timer idle_timer;
    struct weir_timer starved_timer;
    struct weir_list all;
    struct weir_list dirty;
    struct weir_list starved;
    struct weir_list graveyard;
    size_t count;
    size_t chunk_count; /* given out, to notice frames that nobody released */
    /* The one that may go beyond the budget until its frame is whole, or NULL. */
    struct weir_connection *overdrawn;
    int64_t overdrawn_ms;
    struct chunk_cache small;
    struct chunk_cache large;
    _Atomic uint64_t bytes_in;
    _Atomic uint64_t bytes_out;
    _Atomic uint64_t memory_pauses;
    _Atomic uint64_t idle_closed;
};

/* Counters have one writer, the loop, and may be read by anybody at any time. */
static inline void count_up(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* connection.c */
void weir_connection_fail(struct weir_connection *connection, enum weir_close_reason reason,
                          const struct weir_detail *detail);
/* Tells the socket what to watch now; after every change of what it depends on. */
void weir_connection_update_watch(struct weir_connection *connection);
void weir_connection_touch(struct weir_connection *connection);

/* receive.c */
bool weir_connection_may_read(const struct weir_connection *connection);
/* Reads what is there, within a bound, and delivers. */
void weir_connection_receive(struct weir_connection *connection);
/* Delivers the whole frames that are allowed now. */
void weir_connection_deliver(struct weir_connection *connection);
void weir_connection_drop_input(struct weir_connection *connection);
void weir_chunk_cache_done(struct chunk_cache *cache);

/* send.c */
/* Writes what the socket takes.  May close the connection. */
void weir_connection_flush(struct weir_connection *connection);
void weir_connection_drop_output(struct weir_connection *connection);

/* connection_set.c */
void weir_connection_mark_dirty(struct weir_connection *connection);
/* Puts the connection into the queue of those that wait for memory. */
void weir_connection_starve(struct weir_connection *connection);
/* The connection needs memory no more. */
void weir_connection_feed(struct weir_connection *connection);
