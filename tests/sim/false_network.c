/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/false_network.h"

#include "sim/false_disk.h"
#include "weir/base/assert.h"
#include "weir/base/list.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER_BYTES = 65536, FIRST_CHOSEN_PORT = 32768, COPY_BYTES = 4096 };

/* One direction.  The first arrived bytes of size may be read. */
struct way {
    uint8_t *bytes;
    size_t size;
    size_t arrived;
    bool is_finished;
    bool is_dropping;
};

struct false_network {
    struct weir_network network;
    struct false_network_options options;
    struct weir_list listeners;
    struct weir_list peers;
    struct weir_message message;
    bool is_under_way; /* the message */
    struct weir_loop *loop;
    uint16_t next_port;
};

struct false_listener {
    struct weir_listener listener;
    struct weir_list node;
    struct weir_listen_options options;
    struct weir_loop *loop;
};

struct false_peer {
    struct weir_socket socket;
    struct weir_list node;
    struct false_network *network;
    struct way in;
    struct way out;
    uint16_t port;
    bool is_accepted;
    bool is_cut;
    bool is_peer_open;
    bool is_socket_open;
    struct weir_loop *loop; /* NULL: unattached */
    weir_socket_ready *ready;
    void *context;
    unsigned watched;
};

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static struct false_peer *peer_of(struct weir_socket *socket)
{
    return WEIR_CONTAINER_OF(socket, struct false_peer, socket);
}

/* ---- Ways ---- */

/* 1 to the most a piece may have, never more than size, which is not 0. */
static size_t piece(struct false_network *network, size_t size)
{
    size_t max = network->options.piece_bytes_max;
    if (max == 0)
        return size;
    size_t chosen = 1 + (size_t)(false_random(&network->options.seed) % max);
    return chosen < size ? chosen : size;
}

static size_t room_of(const struct false_network *network, const struct way *way)
{
    return way->is_dropping ? SIZE_MAX : network->options.buffer_bytes - way->size;
}

static void way_arrive(struct false_network *network, struct way *way)
{
    size_t left = way->size - way->arrived;
    if (left == 0)
        return;
    if (network->options.delay_percent > 0 &&
        false_random(&network->options.seed) % 100 < network->options.delay_percent)
        return;
    way->arrived += piece(network, left);
}

static enum weir_status way_read(struct way *way, void *into, size_t size, size_t *out_read)
{
    WEIR_ASSERT(size > 0);
    if (way->arrived == 0)
        return way->size == 0 && way->is_finished ? WEIR_CLOSED : WEIR_PENDING;
    *out_read = size < way->arrived ? size : way->arrived;
    memcpy(into, way->bytes, *out_read);
    way->size -= *out_read;
    way->arrived -= *out_read;
    memmove(way->bytes, way->bytes + *out_read, way->size);
    return WEIR_OK;
}

/* size is not more than the room. */
static void way_put(struct way *way, const void *bytes, size_t size)
{
    if (way->is_dropping)
        return;
    memcpy(way->bytes + way->size, bytes, size);
    way->size += size;
}

static void way_finish(struct way *way)
{
    if (!way->is_dropping)
        way->is_finished = true;
}

/* ---- The socket ---- */

static enum weir_status false_attach(struct weir_socket *socket, struct weir_loop *loop,
                                     weir_socket_ready *ready, void *context,
                                     struct weir_detail *detail)
{
    (void)detail;
    struct false_peer *peer = peer_of(socket);
    WEIR_ASSERT(peer->loop == NULL);
    peer->loop = loop;
    peer->ready = ready;
    peer->context = context;
    return WEIR_OK;
}

static enum weir_status false_read(struct weir_socket *socket, void *into, size_t size,
                                   size_t *out_read)
{
    struct false_peer *peer = peer_of(socket);
    if (peer->is_cut)
        return WEIR_NETWORK_EXCEPTION;
    WEIR_ASSERT(size > 0);
    return way_read(&peer->in, into, piece(peer->network, size), out_read);
}

/* Nobody is there to read it, and the writer knows. */
static bool is_out_broken(const struct false_peer *peer)
{
    return peer->is_cut || (!peer->is_peer_open && !peer->out.is_dropping);
}

static enum weir_status false_write(struct weir_socket *socket, const struct weir_slice *parts,
                                    size_t count, bool more_follows, size_t *out_written)
{
    (void)more_follows;
    struct false_peer *peer = peer_of(socket);
    WEIR_ASSERT(!peer->out.is_finished);
    if (is_out_broken(peer))
        return WEIR_NETWORK_EXCEPTION;
    size_t room = room_of(peer->network, &peer->out);
    if (room == 0)
        return WEIR_PENDING;
    room = piece(peer->network, room);
    *out_written = 0;
    for (size_t i = 0; i < count && room > 0; i++) {
        size_t size = parts[i].size < room ? parts[i].size : room;
        if (size > 0)
            way_put(&peer->out, parts[i].data, size);
        *out_written += size;
        room -= size;
    }
    return WEIR_OK;
}

static enum weir_status false_send_file(struct weir_socket *socket, struct weir_env *env,
                                        struct weir_file *file, uint64_t file_pos, size_t size,
                                        size_t *out_sent)
{
    uint8_t copy[COPY_BYTES];
    struct weir_detail detail = {0};
    size_t got = 0;
    size_t wanted = size < sizeof(copy) ? size : sizeof(copy);
    if (weir_file_read_at(env, file, copy, wanted, file_pos, &got, &detail) != WEIR_OK)
        return WEIR_IO_ERROR;
    if (got == 0)
        return WEIR_TRUNCATED;
    struct weir_slice part = {copy, got};
    return false_write(socket, &part, 1, false, out_sent);
}

static void false_watch(struct weir_socket *socket, unsigned events)
{
    WEIR_ASSERT(peer_of(socket)->loop != NULL);
    peer_of(socket)->watched = events;
}

static void false_shut_write(struct weir_socket *socket)
{
    way_finish(&peer_of(socket)->out);
}

static void false_close(struct weir_socket *socket)
{
    struct false_peer *peer = peer_of(socket);
    WEIR_ASSERT(peer->is_socket_open);
    peer->is_socket_open = false;
    peer->in.size = 0;
    peer->in.arrived = 0;
    way_finish(&peer->out);
}

static const struct weir_socket_ops false_socket_ops = {
    .attach = false_attach,
    .read = false_read,
    .write = false_write,
    .send_file = false_send_file,
    .watch = false_watch,
    .shut_write = false_shut_write,
    .close = false_close,
};

/* ---- Listeners ---- */

static struct false_listener *find_listener(struct false_network *network, uint16_t port)
{
    WEIR_LIST_FOREACH(node, &network->listeners) {
        struct false_listener *listener = WEIR_LIST_ENTRY(node, struct false_listener, node);
        if (listener->listener.local.port == port)
            return listener;
    }
    return NULL;
}

static void false_listener_close(struct weir_listener *listener)
{
    struct false_listener *closed = WEIR_CONTAINER_OF(listener, struct false_listener, listener);
    weir_list_remove(&closed->node);
    free(closed);
}

static const struct weir_listener_ops false_listener_ops = {.close = false_listener_close};

static enum weir_status false_listen(void *context, struct weir_loop *loop,
                                     const struct weir_listen_options *options,
                                     struct weir_listener **out, struct weir_detail *detail)
{
    struct false_network *network = context;
    uint16_t port = options->port;
    if (port != 0 && find_listener(network, port) != NULL) {
        if (detail != NULL)
            weir_detail_set(detail, "port %u is taken", (unsigned)port);
        return WEIR_BUSY;
    }
    while (port == 0 || (options->port == 0 && find_listener(network, port) != NULL))
        port = network->next_port++;
    struct false_listener *listener = must(calloc(1, sizeof(*listener)));
    listener->listener = (struct weir_listener){
        .ops = &false_listener_ops,
        .local = {.host = "false", .port = port},
    };
    listener->options = *options;
    listener->options.host = NULL; /* it was borrowed */
    listener->loop = loop;
    weir_list_push_back(&network->listeners, &listener->node);
    *out = &listener->listener;
    return WEIR_OK;
}

static const struct weir_network_ops false_network_ops = {.listen = false_listen};

/* ---- Steps ---- */

static void accept_peer(struct false_peer *peer)
{
    struct false_listener *listener = find_listener(peer->network, peer->port);
    if (listener == NULL) {
        peer->is_accepted = true;
        peer->is_cut = true;
        return;
    }
    if (listener->loop != peer->network->loop)
        return;
    peer->is_accepted = true;
    peer->is_socket_open = true;
    listener->options.accepted(listener->options.context, &peer->socket);
}

static unsigned events_of(const struct false_peer *peer)
{
    if (peer->is_cut)
        return WEIR_WATCH_READ | WEIR_WATCH_WRITE;
    bool can_read = peer->in.arrived > 0 || (peer->in.size == 0 && peer->in.is_finished);
    bool can_write = is_out_broken(peer) || room_of(peer->network, &peer->out) > 0;
    return ((can_read ? (unsigned)WEIR_WATCH_READ : 0u) |
            (can_write ? (unsigned)WEIR_WATCH_WRITE : 0u)) &
           peer->watched;
}

static void step_peer(struct false_peer *peer)
{
    struct false_network *network = peer->network;
    if (!peer->is_accepted)
        accept_peer(peer);
    if (peer->loop != network->loop)
        return;
    way_arrive(network, &peer->in);
    way_arrive(network, &peer->out);
    if (!peer->is_socket_open)
        return;
    unsigned events = events_of(peer);
    if (events != 0)
        peer->ready(peer->context, events);
}

static void free_peer(struct false_peer *peer)
{
    WEIR_ASSERT(!peer->is_socket_open);
    weir_list_remove(&peer->node);
    free(peer->in.bytes);
    free(peer->out.bytes);
    free(peer);
}

static void run_step(struct weir_message *message)
{
    struct false_network *network = WEIR_CONTAINER_OF(message, struct false_network, message);
    network->is_under_way = false;
    WEIR_LIST_FOREACH(node, &network->peers) {
        step_peer(WEIR_LIST_ENTRY(node, struct false_peer, node));
    }
    WEIR_LIST_FOREACH(node, &network->peers) {
        struct false_peer *peer = WEIR_LIST_ENTRY(node, struct false_peer, node);
        if (peer->is_accepted && !peer->is_peer_open && !peer->is_socket_open)
            free_peer(peer);
    }
}

void false_network_step(struct false_network *network, struct weir_loop *loop)
{
    WEIR_ASSERT(!network->is_under_way);
    network->is_under_way = true;
    network->loop = loop;
    network->message.run = run_step;
    weir_loop_post(loop, &network->message);
    weir_loop_turn(loop, 0);
    WEIR_ASSERT(!network->is_under_way);
}

/* ---- The network ---- */

struct false_network *false_network_new(const struct false_network_options *options)
{
    struct false_network *network = must(calloc(1, sizeof(*network)));
    WEIR_ASSERT(options->delay_percent < 100);
    network->network = (struct weir_network){.ops = &false_network_ops, .context = network};
    network->options = *options;
    if (network->options.buffer_bytes == 0)
        network->options.buffer_bytes = BUFFER_BYTES;
    network->next_port = FIRST_CHOSEN_PORT;
    weir_list_init(&network->listeners);
    weir_list_init(&network->peers);
    return network;
}

void false_network_free(struct false_network *network)
{
    if (network == NULL)
        return;
    WEIR_ASSERT(weir_list_is_empty(&network->listeners));
    WEIR_LIST_FOREACH(node, &network->peers) {
        free_peer(WEIR_LIST_ENTRY(node, struct false_peer, node));
    }
    free(network);
}

struct weir_network *false_network_network(struct false_network *network)
{
    return &network->network;
}

size_t false_network_open_sockets(const struct false_network *network)
{
    size_t count = 0;
    WEIR_LIST_FOREACH(node, &network->peers) {
        count += WEIR_LIST_ENTRY(node, struct false_peer, node)->is_socket_open ? 1 : 0;
    }
    return count;
}

struct false_peer *false_network_connect(struct false_network *network, uint16_t port)
{
    struct false_listener *listener = find_listener(network, port);
    if (listener == NULL)
        return NULL;
    struct false_peer *peer = must(calloc(1, sizeof(*peer)));
    peer->socket = (struct weir_socket){
        .ops = &false_socket_ops,
        .local = listener->listener.local,
        .peer = {.host = "false-peer", .port = network->next_port++},
    };
    peer->network = network;
    peer->in.bytes = must(malloc(network->options.buffer_bytes));
    peer->out.bytes = must(malloc(network->options.buffer_bytes));
    peer->port = port;
    peer->is_peer_open = true;
    weir_list_push_back(&network->peers, &peer->node);
    return peer;
}

/* ---- The outer end ---- */

enum weir_status false_peer_write(struct false_peer *peer, const void *bytes, size_t size,
                                  size_t *out_written)
{
    WEIR_ASSERT(size > 0 && peer->is_peer_open && !peer->in.is_finished);
    bool is_gone = peer->is_accepted && !peer->is_socket_open && !peer->in.is_dropping;
    if (peer->is_cut || is_gone)
        return WEIR_NETWORK_EXCEPTION;
    size_t room = room_of(peer->network, &peer->in);
    if (room == 0)
        return WEIR_PENDING;
    *out_written = size < room ? size : room;
    way_put(&peer->in, bytes, *out_written);
    return WEIR_OK;
}

enum weir_status false_peer_read(struct false_peer *peer, void *into, size_t size, size_t *out_read)
{
    WEIR_ASSERT(peer->is_peer_open);
    return peer->is_cut ? WEIR_NETWORK_EXCEPTION : way_read(&peer->out, into, size, out_read);
}

void false_peer_shut_write(struct false_peer *peer)
{
    way_finish(&peer->in);
}

void false_peer_close(struct false_peer *peer)
{
    WEIR_ASSERT(peer->is_peer_open);
    peer->is_peer_open = false;
    way_finish(&peer->in);
}

void false_peer_cut(struct false_peer *peer)
{
    peer->is_cut = true;
}

void false_peer_drop(struct false_peer *peer, unsigned ways)
{
    peer->in.is_dropping = (ways & FALSE_WAY_IN) != 0;
    peer->out.is_dropping = (ways & FALSE_WAY_OUT) != 0;
}

size_t false_peer_unread(const struct false_peer *peer, unsigned way)
{
    return way == FALSE_WAY_IN ? peer->in.size : peer->out.size;
}
