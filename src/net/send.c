/* SPDX-License-Identifier: Apache-2.0 */
#include "connection_int.h"

#include "weir/base/assert.h"

/* Memory parts handed to the socket in one call. */
enum { PARTS_MAX = 64 };
/* Written for one connection in one go, so that a fast reader of large files does not keep the
 * others waiting. */
#define FLUSH_BYTES_MAX ((size_t)4 << 20)

static struct weir_outgoing *first_outgoing(const struct weir_connection *connection)
{
    return WEIR_LIST_ENTRY(connection->out.next, struct weir_outgoing, node);
}

static size_t part_bytes(const struct weir_outgoing_part *part)
{
    return part->range == NULL ? part->bytes.size : part->range->size;
}

static void finish(struct weir_connection *connection, struct weir_outgoing *outgoing)
{
    weir_list_remove(&outgoing->node);
    connection->unsent_bytes -= outgoing->memory_bytes;
    weir_budget_give(connection->set->options.send_budget, outgoing->memory_bytes);
    outgoing->done(outgoing);
}

/* Steps over what is sent, ends messages that are. */
static void advance(struct weir_connection *connection, size_t sent)
{
    while (!weir_list_is_empty(&connection->out)) {
        struct weir_outgoing *outgoing = first_outgoing(connection);
        while (outgoing->part_at < outgoing->part_count) {
            size_t left = part_bytes(&outgoing->parts[outgoing->part_at]) - outgoing->byte_at;
            if (left > sent) {
                outgoing->byte_at += sent;
                return;
            }
            sent -= left;
            outgoing->part_at++;
            outgoing->byte_at = 0;
        }
        finish(connection, outgoing);
        if (sent == 0)
            return; /* the next message is not touched; its empty parts are skipped when it is */
    }
    WEIR_ASSERT(sent == 0);
}

struct gathered {
    struct weir_slice parts[PARTS_MAX];
    size_t count;
    bool more_follows; /* a file range or another part comes right behind */
};

/* Collects memory parts from the front of the queue; true when it got to the end of the message. */
static bool gather_message(const struct weir_outgoing *outgoing, struct gathered *out)
{
    size_t byte_at = outgoing->byte_at;
    for (size_t i = outgoing->part_at; i < outgoing->part_count; i++) {
        const struct weir_outgoing_part *part = &outgoing->parts[i];
        size_t left = part_bytes(part) - byte_at;
        if (left > 0 && (part->range != NULL || out->count == PARTS_MAX)) {
            out->more_follows = true;
            return false;
        }
        if (left > 0)
            out->parts[out->count++] = weir_slice_of(part->bytes.data + byte_at, left);
        byte_at = 0;
    }
    return true;
}

static void gather(const struct weir_connection *connection, struct gathered *out)
{
    out->count = 0;
    out->more_follows = false;
    WEIR_LIST_FOREACH(node, &connection->out) {
        if (!gather_message(WEIR_LIST_ENTRY(node, struct weir_outgoing, node), out))
            break;
    }
}

/* The file range at the front, skipping parts that are empty; NULL when memory is at the front. */
static const struct weir_file_range *front_range(const struct weir_outgoing *outgoing,
                                                 size_t *out_at)
{
    size_t byte_at = outgoing->byte_at;
    for (size_t i = outgoing->part_at; i < outgoing->part_count; i++) {
        const struct weir_outgoing_part *part = &outgoing->parts[i];
        if (part_bytes(part) > byte_at) {
            *out_at = byte_at;
            return part->range;
        }
        byte_at = 0;
    }
    return NULL;
}

static enum weir_status write_front(struct weir_connection *connection, size_t *out_sent)
{
    size_t at = 0;
    const struct weir_file_range *range = front_range(first_outgoing(connection), &at);
    if (range != NULL)
        return weir_socket_send_file(connection->socket, connection->set->options.env, range->file,
                                     range->file_pos + at, range->size - at, out_sent);
    struct gathered gathered;
    gather(connection, &gathered);
    if (gathered.count == 0) {
        *out_sent = 0; /* empty messages only */
        return WEIR_OK;
    }
    return weir_socket_write(connection->socket, gathered.parts, gathered.count,
                             gathered.more_follows, out_sent);
}

static void fail_write(struct weir_connection *connection, enum weir_status status)
{
    struct weir_detail detail = {0};
    enum weir_close_reason reason = WEIR_CLOSE_NETWORK;
    if (status == WEIR_TRUNCATED || status == WEIR_IO_ERROR) {
        reason = WEIR_CLOSE_FILE;
        weir_detail_set(&detail, status == WEIR_TRUNCATED
                                     ? "a log file ended before the range that was to be sent"
                                     : "a log file could not be read");
    }
    weir_connection_fail(connection, reason, &detail);
}

void weir_connection_flush(struct weir_connection *connection)
{
    size_t total = 0;
    connection->wants_write = false;
    while (!weir_list_is_empty(&connection->out)) {
        if (total >= FLUSH_BYTES_MAX) {
            connection->wants_write = true; /* the socket has room still: next turn */
            break;
        }
        size_t sent = 0;
        enum weir_status status = write_front(connection, &sent);
        if (status == WEIR_PENDING) {
            connection->wants_write = true;
            break;
        }
        if (status != WEIR_OK) {
            fail_write(connection, status);
            return;
        }
        total += sent;
        advance(connection, sent);
    }
    if (total > 0) {
        count_up(&connection->set->bytes_out, total);
        weir_connection_touch(connection);
    }
    if (connection->state == CONNECTION_ENDING && weir_list_is_empty(&connection->out)) {
        weir_socket_shut_write(connection->socket);
        weir_connection_fail(connection,
                             connection->has_peer_ended ? WEIR_CLOSE_PEER : WEIR_CLOSE_LOCAL, NULL);
        return;
    }
    if (connection->state == CONNECTION_OPEN && total > 0)
        weir_connection_deliver(connection); /* frames may have waited for the queue to shrink */
}

void weir_connection_drop_output(struct weir_connection *connection)
{
    while (!weir_list_is_empty(&connection->out))
        finish(connection, first_outgoing(connection));
}

void weir_connection_send(struct weir_connection *connection, struct weir_outgoing *take_outgoing)
{
    take_outgoing->part_at = 0;
    take_outgoing->byte_at = 0;
    if (connection->state == CONNECTION_CLOSED) {
        take_outgoing->done(take_outgoing);
        return;
    }
    weir_list_push_back(&connection->out, &take_outgoing->node);
    connection->unsent_bytes += take_outgoing->memory_bytes;
    weir_budget_force(connection->set->options.send_budget, take_outgoing->memory_bytes);
    weir_connection_mark_dirty(connection);
}
