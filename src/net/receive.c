/* SPDX-License-Identifier: Apache-2.0 */
#include "connection_int.h"
#include "sniff.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

/*
 * Invariants:
 *  I1  a chunk given out is paid for in the receive budget; one in the cache is not;
 *  I2  bytes of a chunk below a connection's `begin` belong to frames that were delivered, and are
 *      never written again while such a frame is held (refs > 1);
 *  I3  a chunk is never larger than what the peer has proved it will send, times two: see
 *      chunk_bytes_for.
 */

enum { LENGTH_BYTES = 4 };
/* Reads of one connection in a turn; what is left makes the socket ready again at once. */
enum { READS_PER_TURN = 4 };
/* A peer whose last frame was large gets room for the next like it at once, up to this. */
enum { HINT_BYTES_MAX = 1 << 20 };

static struct chunk_cache *cache_for(struct weir_connection_set *set, size_t capacity)
{
    if (capacity == SMALL_CHUNK_BYTES)
        return &set->small;
    return capacity == LARGE_CHUNK_BYTES ? &set->large : NULL;
}

static struct weir_chunk *chunk_new(struct weir_connection_set *set, size_t capacity)
{
    struct chunk_cache *cache = cache_for(set, capacity);
    struct weir_chunk *chunk = NULL;
    if (cache != NULL && cache->first != NULL) {
        chunk = cache->first;
        cache->first = chunk->next;
        cache->count--;
    } else {
        chunk = weir_malloc(sizeof(*chunk) + capacity);
        if (chunk == NULL)
            return NULL;
    }
    chunk->next = NULL;
    chunk->set = set;
    chunk->refs = 1;
    chunk->capacity = capacity;
    set->chunk_count++;
    return chunk;
}

static void chunk_unref(struct weir_chunk *chunk)
{
    WEIR_ASSERT(chunk->refs > 0);
    if (--chunk->refs > 0)
        return;
    struct weir_connection_set *set = chunk->set;
    WEIR_SLOW_ASSERT(weir_loop_current() == NULL || weir_loop_current() == set->options.loop);
    set->chunk_count--;
    weir_budget_give(set->options.receive_budget, chunk->capacity); /* I1 */
    struct chunk_cache *cache = cache_for(set, chunk->capacity);
    size_t cached_max = cache == &set->small ? SMALL_CACHED_MAX : LARGE_CACHED_MAX;
    if (cache == NULL || cache->count >= cached_max) {
        weir_free(chunk);
        return;
    }
    chunk->next = cache->first;
    cache->first = chunk;
    cache->count++;
}

void weir_chunk_cache_done(struct chunk_cache *cache)
{
    while (cache->first != NULL) {
        struct weir_chunk *chunk = cache->first;
        cache->first = chunk->next;
        weir_free(chunk);
    }
    cache->count = 0;
}

void weir_frame_release(struct weir_frame *frame)
{
    if (frame->chunk != NULL)
        chunk_unref(frame->chunk);
    *frame = (struct weir_frame){0};
}

static size_t buffered(const struct weir_connection *connection)
{
    return connection->end - connection->begin;
}

static const uint8_t *front(const struct weir_connection *connection)
{
    return connection->chunk->data + connection->begin;
}

/* The bytes of the frame at the front with its length, or 0 when the length is not there yet.  A
 * length that is not allowed counts as not there: deliver closes the connection for it. */
static size_t front_frame_bytes(const struct weir_connection *connection)
{
    if (connection->chunk == NULL || buffered(connection) < LENGTH_BYTES)
        return 0;
    int32_t length = weir_get_i32(front(connection));
    if (length < 0 || (size_t)length > connection->set->options.frame_bytes_max)
        return 0;
    return LENGTH_BYTES + (size_t)length;
}

static bool has_whole_frame(const struct weir_connection *connection)
{
    size_t frame_bytes = front_frame_bytes(connection);
    return frame_bytes != 0 && buffered(connection) >= frame_bytes;
}

/* P4: whoever does not read its answers is not served. */
static bool is_output_full(const struct weir_connection *connection)
{
    const struct weir_connection_set_options *options = &connection->set->options;
    return connection->unsent_bytes > options->unsent_bytes_max ||
           (connection->unsent_bytes > 0 && weir_budget_is_full(options->send_budget));
}

bool weir_connection_may_read(const struct weir_connection *connection)
{
    if (connection->state != CONNECTION_OPEN || connection->has_peer_ended ||
        weir_list_is_linked(&connection->starved_node))
        return false;
    /* Enough to notice that a peer left, not more than a small chunk. */
    if (connection->is_paused || is_output_full(connection))
        return buffered(connection) < SMALL_CHUNK_BYTES;
    return true;
}

/* I3: a small chunk for a start, a large one for all frames that fit; beyond, at most twice what
 * has arrived, or what this peer's last frame was. */
static size_t chunk_bytes_for(const struct weir_connection *connection, size_t frame_bytes)
{
    size_t have = buffered(connection);
    size_t hint = connection->frame_hint;
    if (frame_bytes == 0)
        return hint > SMALL_CHUNK_BYTES ? LARGE_CHUNK_BYTES : SMALL_CHUNK_BYTES;
    if (frame_bytes <= SMALL_CHUNK_BYTES)
        return SMALL_CHUNK_BYTES;
    if (frame_bytes <= LARGE_CHUNK_BYTES)
        return LARGE_CHUNK_BYTES;
    size_t allowed = 2 * have; /* frames are below 2 GiB */
    if (allowed < hint)
        allowed = hint;
    if (allowed < LARGE_CHUNK_BYTES)
        allowed = LARGE_CHUNK_BYTES;
    return frame_bytes < allowed ? frame_bytes : allowed;
}

static enum weir_status take_budget(struct weir_connection *connection, size_t bytes)
{
    struct weir_connection_set *set = connection->set;
    if (set->overdrawn == connection) {
        weir_budget_force(set->options.receive_budget, bytes);
        return WEIR_OK;
    }
    return weir_budget_take(set->options.receive_budget, bytes) ? WEIR_OK : WEIR_BUSY;
}

/* Makes room for at least one byte more behind `end`, and in the end for the whole frame.  BUSY
 * when the budget is used up. */
static enum weir_status make_room(struct weir_connection *connection)
{
    struct weir_chunk *chunk = connection->chunk;
    size_t frame_bytes = front_frame_bytes(connection);
    if (chunk != NULL) {
        size_t wanted = frame_bytes != 0 ? frame_bytes : buffered(connection) + LENGTH_BYTES;
        if (connection->begin + wanted <= chunk->capacity && connection->end < chunk->capacity)
            return WEIR_OK;
        if (chunk->refs == 1 && connection->begin > 0 && buffered(connection) < chunk->capacity) {
            memmove(chunk->data, chunk->data + connection->begin, buffered(connection)); /* I2 */
            connection->end -= connection->begin;
            connection->begin = 0;
            if (wanted <= chunk->capacity)
                return WEIR_OK;
        }
    }
    size_t capacity = chunk_bytes_for(connection, frame_bytes);
    if (chunk != NULL && connection->begin == 0 && chunk->refs == 1 &&
        capacity <= chunk->capacity && connection->end < chunk->capacity)
        return WEIR_OK; /* not full yet: it grows once more has arrived */
    WEIR_ASSERT(capacity > buffered(connection));
    enum weir_status status = take_budget(connection, capacity);
    if (status != WEIR_OK)
        return status;
    struct weir_chunk *larger = chunk_new(connection->set, capacity);
    if (larger == NULL) {
        weir_budget_give(connection->set->options.receive_budget, capacity);
        return WEIR_NO_MEMORY;
    }
    size_t have = buffered(connection);
    if (chunk != NULL) {
        memcpy(larger->data, front(connection), have);
        chunk_unref(chunk);
    }
    connection->chunk = larger;
    connection->begin = 0;
    connection->end = have;
    return WEIR_OK;
}

void weir_connection_drop_input(struct weir_connection *connection)
{
    if (connection->chunk != NULL)
        chunk_unref(connection->chunk);
    connection->chunk = NULL;
    connection->begin = 0;
    connection->end = 0;
}

/* The answer is for people who look into their HTTP client; whether it arrives is not important. */
static void answer_http(struct weir_connection *connection)
{
    const struct weir_slice answer = WEIR_SLICE(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 54\r\n"
        "Connection: close\r\n\r\nThis port speaks the Apache Kafka protocol, not HTTP.\n");
    size_t written = 0;
    (void)!weir_socket_write(connection->socket, &answer, 1, false, &written);
    weir_socket_shut_write(connection->socket);
}

/* Closes the connection when the bytes at the front cannot be a frame; true when it did. */
static bool refuse_front(struct weir_connection *connection)
{
    int32_t length = weir_get_i32(front(connection));
    size_t bytes_max = connection->set->options.frame_bytes_max;
    bool is_too_large = length < 0 || (size_t)length > bytes_max;
    enum weir_sniffed sniffed = WEIR_SNIFFED_KAFKA;
    if (!connection->has_had_frame)
        sniffed = weir_sniff(weir_slice_of(front(connection), buffered(connection)), is_too_large);
    struct weir_detail detail = {0};
    switch (sniffed) {
    case WEIR_SNIFFED_HTTP:
        weir_detail_set(&detail, "the client speaks HTTP, but this is a Kafka port");
        answer_http(connection);
        weir_connection_fail(connection, WEIR_CLOSE_HTTP, &detail);
        return true;
    case WEIR_SNIFFED_TLS:
        weir_detail_set(&detail, "the client speaks TLS, but this listener is PLAINTEXT");
        weir_connection_fail(connection, WEIR_CLOSE_TLS, &detail);
        return true;
    case WEIR_SNIFFED_KAFKA:
        break;
    }
    if (!is_too_large)
        return false;
    weir_detail_set(&detail, "a frame of %ld bytes, the limit is %zu", (long)length, bytes_max);
    weir_connection_fail(connection, WEIR_CLOSE_TOO_LARGE, &detail);
    return true;
}

static void deliver_front(struct weir_connection *connection, size_t frame_bytes)
{
    struct weir_frame frame = {
        .bytes = weir_slice_of(front(connection) + LENGTH_BYTES, frame_bytes - LENGTH_BYTES),
        .chunk = connection->chunk,
    };
    connection->chunk->refs++;
    connection->begin += frame_bytes;
    connection->has_had_frame = true;
    connection->frame_hint = frame_bytes < HINT_BYTES_MAX ? frame_bytes : HINT_BYTES_MAX;
    weir_connection_feed(connection);
    connection->set->options.events->frame(connection->context, frame);
}

void weir_connection_deliver(struct weir_connection *connection)
{
    if (connection->is_delivering)
        return; /* a handler answered at once: the loop below goes on */
    connection->is_delivering = true;
    while (connection->state == CONNECTION_OPEN && !connection->is_paused &&
           !is_output_full(connection) && buffered(connection) >= LENGTH_BYTES) {
        if (refuse_front(connection) || !has_whole_frame(connection))
            break;
        deliver_front(connection, front_frame_bytes(connection));
    }
    connection->is_delivering = false;
    if (connection->state != CONNECTION_OPEN)
        return;
    if (connection->chunk != NULL && buffered(connection) == 0)
        weir_connection_drop_input(connection); /* P2 */
    if (connection->has_peer_ended && !connection->is_paused && !has_whole_frame(connection)) {
        if (weir_list_is_empty(&connection->out))
            weir_connection_fail(connection, WEIR_CLOSE_PEER, NULL);
        else
            weir_connection_end(connection);
    }
}

static void end_of_input(struct weir_connection *connection)
{
    connection->has_peer_ended = true;
    connection->set->options.events->peer_ended(connection->context);
    if (connection->state == CONNECTION_OPEN)
        weir_connection_deliver(connection); /* closes, unless whole frames are left */
}

/* One read; false when there is nothing more to be had now. */
static bool receive_once(struct weir_connection *connection)
{
    enum weir_status status = make_room(connection);
    if (status == WEIR_BUSY) {
        weir_connection_starve(connection);
        return false;
    }
    if (status != WEIR_OK) {
        weir_connection_fail(connection, WEIR_CLOSE_NO_MEMORY, NULL);
        return false;
    }
    struct weir_chunk *chunk = connection->chunk;
    size_t room = chunk->capacity - connection->end;
    size_t got = 0;
    status = weir_socket_read(connection->socket, chunk->data + connection->end, room, &got);
    if (status == WEIR_OK) {
        connection->end += got;
        count_up(&connection->set->bytes_in, got);
        weir_connection_deliver(connection);
        return got == room;
    }
    if (buffered(connection) == 0) {
        weir_connection_drop_input(connection);
        weir_connection_feed(connection); /* there was nothing to read after all */
    }
    if (status == WEIR_CLOSED)
        end_of_input(connection);
    else if (status != WEIR_PENDING)
        weir_connection_fail(connection, WEIR_CLOSE_NETWORK, NULL);
    return false;
}

void weir_connection_receive(struct weir_connection *connection)
{
    weir_connection_touch(connection);
    for (int i = 0; i < READS_PER_TURN && weir_connection_may_read(connection); i++) {
        if (!receive_once(connection))
            break;
    }
}
