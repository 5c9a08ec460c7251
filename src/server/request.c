/* SPDX-License-Identifier: Apache-2.0 */
#include "server_int.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"

/* Spare requests keep a little memory, so that the steady state allocates nothing. */
enum { SPARE_REQUESTS_MAX = 64, SPARE_BYTES_MAX = 65536 };
enum { LENGTH_BYTES = 4 };
#define RESPONSE_BYTES_MAX ((size_t)INT32_MAX + LENGTH_BYTES)

static struct request_impl *impl_of(const struct weir_request *request)
{
    return (struct request_impl *)(uintptr_t)request;
}
static_assert(offsetof(struct request_impl, request) == 0, "impl_of casts");

static void assert_owner(const struct request_impl *request)
{
    WEIR_ASSERT(weir_loop_current() == request->client->loop->loop);
}

struct request_impl *request_new(struct client *client)
{
    struct server_loop *loop = client->loop;
    struct request_impl *request = loop->spare_requests;
    if (request != NULL) {
        loop->spare_requests = request->next_spare;
        request->next_spare = NULL;
        loop->spare_count--;
    } else {
        request = weir_calloc(1, sizeof(*request));
        if (request == NULL)
            return NULL;
        weir_arena_init(&request->arena, loop->server->options.arena_bytes_max);
        weir_buf_init(&request->buf, RESPONSE_BYTES_MAX);
    }
    request->client = client;
    client->refs++;
    return request;
}

void request_release_input(struct request_impl *request)
{
    weir_frame_release(&request->frame);
    size_t used_bytes = request->arena.used_bytes;
    if (used_bytes > SPARE_BYTES_MAX) {
        size_t limit_bytes = request->arena.limit_bytes;
        weir_arena_done(&request->arena);
        weir_arena_init(&request->arena, limit_bytes);
    } else {
        weir_arena_reset(&request->arena);
    }
    request->request.arena = NULL;
    request->request.body = WEIR_NULL_SLICE;
    request->request.header.client_id = WEIR_NULL_SLICE;
}

static void request_destroy(struct request_impl *request)
{
    weir_writer_done(&request->writer);
    weir_buf_done(&request->buf);
    weir_arena_done(&request->arena);
    weir_free(request);
}

static void drop_response(struct request_impl *request)
{
    for (size_t i = 0; i < request->range_count; i++) {
        if (request->ranges[i].release != NULL)
            request->ranges[i].release(request->ranges[i].owner);
    }
    weir_free(request->ranges);
    if (request->parts != &request->only_part)
        weir_free(request->parts);
    weir_writer_done(&request->writer);
    if (request->buf.capacity > SPARE_BYTES_MAX) {
        weir_buf_done(&request->buf);
        weir_buf_init(&request->buf, RESPONSE_BYTES_MAX);
    }
}

void request_free(struct request_impl *request)
{
    struct client *client = request->client;
    struct server_loop *loop = client->loop;
    drop_response(request);
    if (loop->spare_count >= SPARE_REQUESTS_MAX) {
        request_destroy(request);
    } else {
        struct weir_arena arena = request->arena;
        struct weir_buf buf = request->buf;
        weir_buf_clear(&buf);
        *request =
            (struct request_impl){.arena = arena, .buf = buf, .next_spare = loop->spare_requests};
        loop->spare_requests = request;
        loop->spare_count++;
    }
    client_unref(client);
}

void request_free_spares(struct server_loop *loop)
{
    while (loop->spare_requests != NULL) {
        struct request_impl *request = loop->spare_requests;
        loop->spare_requests = request->next_spare;
        request_destroy(request);
    }
    loop->spare_count = 0;
}

void request_cancel(struct request_impl *request)
{
    WEIR_ASSERT(request->state == REQUEST_WAITING);
    request->request.is_cancelled = true;
    if (request->has_been_cancelled || request->request.cancel == NULL)
        return;
    request->has_been_cancelled = true;
    request->request.cancel(&request->request);
}

struct weir_loop *weir_request_loop(const struct weir_request *request)
{
    return impl_of(request)->client->loop->loop;
}

struct weir_writer *weir_request_begin_response(struct weir_request *request)
{
    struct request_impl *impl = impl_of(request);
    assert_owner(impl);
    WEIR_ASSERT(impl->state == REQUEST_WAITING);
    weir_writer_done(&impl->writer);
    weir_buf_clear(&impl->buf);
    weir_writer_init(&impl->writer, &impl->buf);
    weir_write_i32(&impl->writer, 0); /* the length, known at the end */
    weir_write_i32(&impl->writer, request->header.correlation_id);
    if (impl->response_is_flexible)
        weir_write_uvarint(&impl->writer, 0); /* no tagged fields */
    return &impl->writer;
}

/* Takes the ranges over and cuts the buffer where they belong.  On failure nothing is taken. */
static enum weir_status build_parts(struct request_impl *impl)
{
    const struct weir_writer *writer = &impl->writer;
    struct weir_slice bytes = weir_buf_slice(&impl->buf);
    impl->outgoing.memory_bytes = impl->buf.capacity + sizeof(*impl);
    if (writer->splice_count == 0) {
        impl->only_part = (struct weir_outgoing_part){.bytes = bytes};
        impl->parts = &impl->only_part;
        impl->outgoing.parts = impl->parts;
        impl->outgoing.part_count = 1;
        return WEIR_OK;
    }
    size_t count = writer->splice_count;
    struct weir_outgoing_part *parts = weir_calloc(2 * count + 1, sizeof(*parts));
    struct weir_file_range *ranges = weir_calloc(count, sizeof(*ranges));
    if (parts == NULL || ranges == NULL) {
        weir_free(parts);
        weir_free(ranges);
        return WEIR_NO_MEMORY;
    }
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const struct weir_splice *splice = &writer->splices[i];
        ranges[i] = *(const struct weir_file_range *)splice->source.source;
        WEIR_ASSERT(ranges[i].size == splice->source.size && splice->at >= at);
        parts[2 * i].bytes = weir_slice_of(bytes.data + at, splice->at - at);
        parts[2 * i + 1].range = &ranges[i];
        at = splice->at;
    }
    parts[2 * count].bytes = weir_slice_of(bytes.data + at, bytes.size - at);
    impl->parts = parts;
    impl->ranges = ranges;
    impl->range_count = count;
    impl->outgoing.parts = parts;
    impl->outgoing.part_count = 2 * count + 1;
    return WEIR_OK;
}

static void response_done(struct weir_outgoing *outgoing)
{
    request_free(WEIR_CONTAINER_OF(outgoing, struct request_impl, outgoing));
}

/* Whoever ends a request comes through here. */
static void end(struct request_impl *impl, enum request_state state)
{
    assert_owner(impl);
    WEIR_ASSERT(impl->state == REQUEST_WAITING);
    WEIR_ASSERT(!atomic_load_explicit(&impl->is_posted, memory_order_relaxed));
    impl->state = state;
    request_release_input(impl);
    struct client *client = impl->client;
    if (client->blocker == impl)
        client->blocker = NULL;
    if (state == REQUEST_CLOSING)
        client->is_ending = true;
    client->refs++; /* settling may free the request, and with it the last reference */
    client_settle(client);
    client_unref(client);
}

enum weir_status weir_request_send(struct weir_request *request)
{
    struct request_impl *impl = impl_of(request);
    enum weir_status status = weir_writer_status(&impl->writer);
    size_t size = weir_writer_size(&impl->writer);
    if (status == WEIR_OK && size > (size_t)INT32_MAX)
        status = WEIR_LIMIT;
    if (status == WEIR_OK)
        status = build_parts(impl);
    if (status != WEIR_OK)
        return status;
    WEIR_ASSERT(size >= LENGTH_BYTES + sizeof(int32_t));
    weir_put_i32(impl->buf.data, (int32_t)(size - LENGTH_BYTES));
    impl->outgoing.done = response_done;
    end(impl, REQUEST_ENCODED);
    return WEIR_OK;
}

void weir_request_done_without_response(struct weir_request *request)
{
    end(impl_of(request), REQUEST_SILENT);
}

void weir_request_close(struct weir_request *request, const char *reason)
{
    struct request_impl *impl = impl_of(request);
    struct server_loop *loop = impl->client->loop;
    int64_t suppressed = 0;
    if (server_may_complain(loop, COMPLAINT_REQUEST, &suppressed))
        WEIR_LOG_WARN(loop->server->options.log, "request_closed_connection",
                      WEIR_STR("peer", impl->client->session.peer.host),
                      WEIR_I64("port", impl->client->session.peer.port),
                      WEIR_I64("api_key", request->header.api_key),
                      WEIR_I64("version", request->header.api_version),
                      WEIR_BYTES("client_id", request->header.client_id),
                      WEIR_STR("reason", reason), WEIR_I64("suppressed", suppressed));
    end(impl, REQUEST_CLOSING);
}

static void run_post(struct weir_message *message)
{
    struct request_impl *impl = WEIR_CONTAINER_OF(message, struct request_impl, post);
    atomic_store_explicit(&impl->is_posted, false, memory_order_relaxed);
    impl->post_run(&impl->request, impl->post_argument);
}

void weir_request_post(struct weir_request *request,
                       void (*run)(struct weir_request *request, void *argument), void *argument)
{
    struct request_impl *impl = impl_of(request);
    bool was_posted = atomic_exchange_explicit(&impl->is_posted, true, memory_order_relaxed);
    WEIR_ASSERT(!was_posted);
    /* The mailbox's lock publishes these to the loop. */
    impl->post.run = run_post;
    impl->post_run = run;
    impl->post_argument = argument;
    weir_loop_post(impl->client->loop->loop, &impl->post);
}
