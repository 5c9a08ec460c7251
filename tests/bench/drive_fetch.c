/* SPDX-License-Identifier: Apache-2.0 */
#include "drive.h"

#include "wire.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/protocol/messages/fetch_request.h"
#include "weir/protocol/messages/fetch_response.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FETCH_VERSION      17
#define BATCH_HEADER_BYTES 61
#define EVENTS_MAX         64

void drive_consumer_init(struct drive_consumer *consumer, const struct drive_options *options,
                         struct weir_uuid topic, int32_t first, int32_t step)
{
    size_t room = (size_t)options->partitions;
    *consumer = (struct drive_consumer){
        .topic = topic, .fetch_bytes = options->fetch_bytes, .max_wait_ms = 500};
    consumer->fd = bench_connect(options->host, options->port);
    consumer->partitions = weir_calloc(room, sizeof(int32_t));
    consumer->offsets = weir_calloc(room, sizeof(int64_t));
    consumer->is_changed = weir_calloc(room, sizeof(bool));
    if (consumer->partitions == NULL || consumer->offsets == NULL || consumer->is_changed == NULL)
        bench_fail("out of memory");
    for (int32_t i = first; i < options->partitions; i += step) {
        consumer->partitions[consumer->count] = i;
        consumer->is_changed[consumer->count++] = true;
    }
    weir_arena_init(&consumer->arena, 0);
}

void drive_consumer_done(struct drive_consumer *consumer)
{
    close(consumer->fd);
    bench_frames_done(&consumer->frames);
    weir_free(consumer->partitions);
    weir_free(consumer->offsets);
    weir_free(consumer->is_changed);
    weir_buf_done(&consumer->request);
    weir_arena_done(&consumer->arena);
}

/* Only what has changed since the last request when there is a session (KIP-227). */
void drive_consumer_ask(struct drive_consumer *consumer)
{
    struct weir_fetch_request request;
    struct weir_fetch_request_fetch_topic topic;
    weir_fetch_request_init(&request);
    weir_fetch_request_fetch_topic_init(&topic);
    weir_arena_reset(&consumer->arena);
    topic.topic_id = consumer->topic;
    topic.partitions.items = weir_arena_alloc(
        &consumer->arena, (size_t)consumer->count * sizeof(topic.partitions.items[0]));
    if (topic.partitions.items == NULL)
        bench_fail("out of memory");
    for (int32_t i = 0; i < consumer->count; i++) {
        if (consumer->session_epoch > 0 && !consumer->is_changed[i])
            continue;
        struct weir_fetch_request_fetch_partition *item =
            &topic.partitions.items[topic.partitions.count++];
        weir_fetch_request_fetch_partition_init(item);
        item->partition = consumer->partitions[i];
        item->fetch_offset = consumer->offsets[i];
        item->partition_max_bytes = consumer->fetch_bytes;
        consumer->is_changed[i] = false;
    }
    request.max_wait_ms = consumer->max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = consumer->fetch_bytes > (1 << 20) ? consumer->fetch_bytes : 50 << 20;
    request.session_id = consumer->session_id;
    request.session_epoch = consumer->session_epoch;
    request.topics.items = &topic;
    request.topics.count = topic.partitions.count > 0;
    request.rack_id = WEIR_EMPTY_SLICE;
    bench_encode(&consumer->request, WEIR_API_FETCH, FETCH_VERSION, &request);
    bench_send(consumer->fd, weir_buf_slice(&consumer->request));
}

/* Bytes of whole batches; what follows the last of them comes again. */
static size_t walk_batches(struct weir_slice records, int64_t *next_offset, drive_on_batch on_batch,
                           void *context)
{
    size_t at = 0;
    while (records.size - at >= BATCH_HEADER_BYTES) {
        const uint8_t *batch = records.data + at;
        size_t bytes = (size_t)weir_get_u32(batch + 8) + 12;
        if (bytes > records.size - at)
            break;
        int64_t base_offset = weir_get_i64(batch);
        int32_t records_in = weir_get_i32(batch + 23) + 1;
        *next_offset = base_offset + records_in;
        if (on_batch != NULL)
            on_batch(context, base_offset, records_in);
        at += bytes;
    }
    return at;
}

static _Noreturn void refused(int16_t error_code)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "a fetch was refused with error %d", error_code);
    bench_fail(text);
}

static size_t take_partition(struct drive_consumer *consumer,
                             const struct weir_fetch_response_partition_data *data,
                             drive_on_batch on_batch, void *context)
{
    if (data->error_code != 0)
        refused(data->error_code);
    for (int32_t i = 0; i < consumer->count; i++) {
        if (consumer->partitions[i] != data->partition_index)
            continue;
        size_t bytes = walk_batches(data->records.bytes, &consumer->offsets[i], on_batch, context);
        consumer->is_changed[i] |= bytes > 0;
        return bytes;
    }
    bench_fail("a partition that was not asked for");
}

bool drive_consumer_take(struct drive_consumer *consumer, drive_on_batch on_batch, void *context,
                         size_t *out_bytes)
{
    struct weir_fetch_response response;
    struct weir_slice frame;
    if (bench_frames_fill(&consumer->frames, consumer->fd) == 0)
        bench_fail("the broker closed the connection");
    if (!bench_frames_next(&consumer->frames, &frame))
        return false;
    drive_read(frame, WEIR_API_FETCH, FETCH_VERSION, &consumer->arena, &response);
    if (response.error_code != 0)
        refused(response.error_code);
    consumer->session_id = response.session_id;
    consumer->session_epoch = response.session_id == 0 ? -1 : consumer->session_epoch + 1;
    size_t bytes = 0;
    for (int32_t i = 0; i < response.responses.count; i++) {
        const struct weir_fetch_response_fetchable_topic_response *topic =
            &response.responses.items[i];
        for (int32_t k = 0; k < topic->partitions.count; k++)
            bytes += take_partition(consumer, &topic->partitions.items[k], on_batch, context);
    }
    consumer->bytes += bytes;
    *out_bytes = bytes;
    return true;
}

/* From the start, until so many bytes have come. */
void drive_run_fetch(const struct drive_options *options, struct drive_result *result)
{
    struct epoll_event events[EVENTS_MAX];
    struct weir_uuid topic = drive_find(options, NULL);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct drive_consumer *consumers =
        weir_calloc((size_t)options->connections, sizeof(consumers[0]));
    if (epoll < 0 || consumers == NULL)
        bench_fail("out of memory");
    int64_t began_ns = drive_now_ns();
    for (int32_t i = 0; i < options->connections; i++) {
        drive_consumer_init(&consumers[i], options, topic, i, options->connections);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &consumers[i]};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, consumers[i].fd, &event) != 0)
            bench_fail("epoll_ctl");
        drive_consumer_ask(&consumers[i]);
    }
    int empty = 0;
    while (result->bytes_out < options->bytes) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, 60000);
        if (count <= 0)
            bench_fail("no answer for a minute");
        for (int i = 0; i < count; i++) {
            size_t bytes = 0;
            if (!drive_consumer_take(events[i].data.ptr, NULL, NULL, &bytes))
                continue;
            empty = bytes == 0 ? empty + 1 : 0;
            if (empty > 10 * options->connections)
                bench_fail("no more data");
            result->bytes_out += bytes;
            result->requests++;
            drive_consumer_ask(events[i].data.ptr);
        }
    }
    result->seconds = (double)(drive_now_ns() - began_ns) / 1e9;
    for (int32_t i = 0; i < options->connections; i++)
        drive_consumer_done(&consumers[i]);
    weir_free(consumers);
    close(epoll);
}
