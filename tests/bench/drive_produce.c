/* SPDX-License-Identifier: Apache-2.0 */
/* As fast as answers come: each connection keeps so many requests in flight until the run's are
 * used up. */
#include "drive.h"

#include "wire.h"

#include "weir/base/memory.h"

#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 256

struct producer {
    struct drive_sender sender;
    struct bench_frames frames;
    struct drive_request request;
    int32_t *sequences; /* of each partition */
    int32_t next_partition;
    int32_t first_partition, partition_step;
    int32_t in_flight;
    bool is_full; /* waits until the socket takes more */
};

struct run {
    const struct drive_options *options;
    struct producer *producers;
    int epoll;
    uint64_t left, answered, total;
};

static void producer_init(struct run *run, struct producer *producer, int32_t index,
                          struct weir_uuid topic)
{
    const struct drive_options *options = run->options;
    int fd = bench_connect(options->host, options->port);
    producer->sender.fd = fd;
    producer->sequences = weir_calloc((size_t)options->partitions, sizeof(int32_t));
    if (producer->sequences == NULL)
        bench_fail("out of memory");
    producer->partition_step =
        options->connections < options->partitions ? options->connections : options->partitions;
    producer->first_partition = producer->next_partition = index % options->partitions;
    drive_request_build(&producer->request, options, topic, drive_records_per_batch(options),
                        options->is_idempotent ? drive_producer_id(fd) : -1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = producer};
    if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_fail("epoll_ctl");
}

static void set_full(struct run *run, struct producer *producer, bool is_full)
{
    if (producer->is_full == is_full)
        return;
    struct epoll_event event = {.events = EPOLLIN | (is_full ? EPOLLOUT : 0u),
                                .data.ptr = producer};
    producer->is_full = is_full;
    if (epoll_ctl(run->epoll, EPOLL_CTL_MOD, producer->sender.fd, &event) != 0)
        bench_fail("epoll_ctl");
}

static void send_more(struct run *run, struct producer *producer)
{
    const struct drive_options *options = run->options;
    bool has_room = drive_flush(&producer->sender);
    if (options->in_bursts && producer->in_flight > 0 && has_room)
        return;
    while (has_room && run->left > 0 && producer->in_flight < options->in_flight) {
        int32_t partition = producer->next_partition;
        drive_request_patch(&producer->request, partition, &producer->sequences[partition]);
        producer->next_partition += producer->partition_step;
        if (producer->next_partition >= options->partitions)
            producer->next_partition = producer->first_partition;
        run->left--;
        if (options->acks == 0)
            run->answered++;
        else
            producer->in_flight++;
        has_room = drive_add(&producer->sender, &producer->request.frame);
        /* As clients do: a send for each request.  Bursts arrive as one. */
        if (!options->in_bursts)
            has_room = has_room && drive_flush(&producer->sender);
    }
    set_full(run, producer, !has_room || !drive_flush(&producer->sender));
}

static void take_answers(struct run *run, struct producer *producer)
{
    struct weir_slice frame;
    int64_t base_offset;
    if (bench_frames_fill(&producer->frames, producer->sender.fd) == 0)
        bench_fail("the broker closed the connection");
    while (bench_frames_next(&producer->frames, &frame)) {
        if (drive_produced(frame, &base_offset) != 0)
            bench_fail("a produce request was refused");
        producer->in_flight--;
        run->answered++;
    }
}

static void loop(struct run *run)
{
    struct epoll_event events[EVENTS_MAX];
    while (run->answered < run->total) {
        int count = epoll_wait(run->epoll, events, EVENTS_MAX, 60000);
        if (count <= 0)
            bench_fail("no answer for a minute");
        for (int i = 0; i < count; i++) {
            struct producer *producer = events[i].data.ptr;
            if ((events[i].events & EPOLLIN) != 0)
                take_answers(run, producer);
            send_more(run, producer);
        }
    }
}

/* A question that is answered after all before it: for acks 0. */
static void wait_done(const struct producer *producer)
{
    static const uint8_t api_versions_v0[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    struct weir_buf frame = {0};
    bench_send(producer->sender.fd, weir_slice_of(api_versions_v0, sizeof(api_versions_v0)));
    bench_receive(producer->sender.fd, &frame);
    weir_buf_done(&frame);
}

static void producer_done(struct producer *producer)
{
    close(producer->sender.fd);
    drive_sender_done(&producer->sender);
    drive_request_done(&producer->request);
    bench_frames_done(&producer->frames);
    weir_free(producer->sequences);
}

void drive_run_produce(const struct drive_options *options, struct drive_result *result)
{
    struct run run = {.options = options, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    struct weir_uuid topic = drive_find(options, NULL);
    run.producers = weir_calloc((size_t)options->connections, sizeof(run.producers[0]));
    if (run.producers == NULL || run.epoll < 0)
        bench_fail("out of memory");
    for (int32_t i = 0; i < options->connections; i++)
        producer_init(&run, &run.producers[i], i, topic);
    size_t batch_bytes = run.producers[0].request.batch_bytes;
    run.total = run.left =
        options->requests != 0 ? options->requests : options->bytes / batch_bytes + 1;
    int64_t began_ns = drive_now_ns();
    for (int32_t i = 0; i < options->connections; i++)
        send_more(&run, &run.producers[i]);
    loop(&run);
    for (int32_t i = 0; i < options->connections && options->acks == 0; i++)
        wait_done(&run.producers[i]);
    result->seconds = (double)(drive_now_ns() - began_ns) / 1e9;
    result->requests = run.total;
    result->bytes_in = run.total * batch_bytes;
    result->records_in = run.total * (uint64_t)run.producers[0].request.records;
    for (int32_t i = 0; i < options->connections; i++)
        producer_done(&run.producers[i]);
    weir_free(run.producers);
    close(run.epoll);
}
