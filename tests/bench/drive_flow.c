/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records at a fixed rate from one producer through one partition to so many groups of one
 * consumer, and how long each took from when it was due to when it came.
 *
 * The rate is an open loop: record i is due at start + i / rate, whatever became of those before.
 * Records that are due wait for each other as in a Kafka producer: a batch leaves when it is full,
 * or when its first record has waited for linger_us, and only while fewer than in_flight requests
 * are unanswered.
 */
#include "drive.h"

#include "wire.h"

#include "weir/base/memory.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SKIPPED_SECONDS 0.5 /* connections and sessions settle */

struct flow {
    const struct drive_options *options;
    struct drive_sender sender;
    struct bench_frames answers;
    struct drive_request *requests; /* [n]: a batch of n + 1 records */
    int32_t records_max;
    int32_t in_flight;
    int32_t sequence;
    int64_t began_ns;
    uint64_t total, sent;
    uint64_t bytes_in, requests_sent;
    struct drive_consumer *consumers;
    uint64_t received;
    struct bench_histogram latency;
    int64_t now_ns;
};

static int64_t due_ns(const struct flow *flow, uint64_t record)
{
    return flow->began_ns + (int64_t)((double)record * 1e9 / (double)flow->options->rate);
}

static uint64_t records_due(const struct flow *flow, int64_t now_ns)
{
    if (now_ns < flow->began_ns)
        return 0;
    uint64_t due =
        (uint64_t)((double)(now_ns - flow->began_ns) * (double)flow->options->rate / 1e9) + 1;
    return due < flow->total ? due : flow->total;
}

static void send_due(struct flow *flow)
{
    const struct drive_options *options = flow->options;
    while (flow->in_flight < options->in_flight && drive_flush(&flow->sender)) {
        int64_t now_ns = drive_now_ns();
        uint64_t waiting = records_due(flow, now_ns) - flow->sent;
        if (waiting > (uint64_t)flow->records_max)
            waiting = (uint64_t)flow->records_max;
        bool is_ripe = waiting == (uint64_t)flow->records_max ||
                       flow->sent + waiting == flow->total ||
                       now_ns >= due_ns(flow, flow->sent) + options->linger_us * 1000;
        if (waiting == 0 || !is_ripe)
            return;
        struct drive_request *request = &flow->requests[waiting - 1];
        drive_request_patch(request, 0, &flow->sequence);
        flow->sent += waiting;
        flow->bytes_in += request->batch_bytes;
        flow->requests_sent++;
        flow->in_flight++;
        (void)drive_add(&flow->sender, &request->frame);
        (void)drive_flush(&flow->sender);
    }
}

/* When the next batch may leave; a long time when only an answer can make it so. */
static int64_t next_send_ns(const struct flow *flow)
{
    if (flow->sent == flow->total || flow->in_flight >= flow->options->in_flight)
        return drive_now_ns() + 1000000000;
    int64_t ripe_ns = due_ns(flow, flow->sent) + flow->options->linger_us * 1000;
    int64_t full_ns = due_ns(flow, flow->sent + (uint64_t)flow->records_max - 1);
    return ripe_ns < full_ns ? ripe_ns : full_ns;
}

static void on_batch(void *context, int64_t base_offset, int32_t records)
{
    struct flow *flow = context;
    uint64_t skipped = (uint64_t)(SKIPPED_SECONDS * (double)flow->options->rate);
    for (int32_t i = 0; i < records; i++) {
        uint64_t record = (uint64_t)(base_offset + i);
        if (record >= skipped)
            bench_histogram_add(&flow->latency, flow->now_ns - due_ns(flow, record));
    }
    flow->received += (uint64_t)records;
}

static void take_answers(struct flow *flow)
{
    struct weir_slice frame;
    int64_t base_offset;
    if (bench_frames_fill(&flow->answers, flow->sender.fd) == 0)
        bench_fail("the broker closed the connection");
    while (bench_frames_next(&flow->answers, &frame)) {
        if (drive_produced(frame, &base_offset) != 0)
            bench_fail("a produce request was refused");
        flow->in_flight--;
    }
}

static void add_to(int epoll, int fd, void *of)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = of};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        bench_fail("epoll_ctl");
}

static void loop(struct flow *flow, int epoll)
{
    struct epoll_event events[64];
    uint64_t wanted = flow->total * (uint64_t)flow->options->groups;
    int64_t last_ns = drive_now_ns();
    while (flow->received < wanted || flow->in_flight > 0 || flow->sent < flow->total) {
        int64_t wait_ns = next_send_ns(flow) - drive_now_ns();
        wait_ns = wait_ns < 0 ? 0 : wait_ns;
        struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
        int count = epoll_pwait2(epoll, events, 64, &wait, NULL);
        flow->now_ns = drive_now_ns();
        if (count > 0)
            last_ns = flow->now_ns;
        else if (flow->now_ns - last_ns > 60000000000)
            bench_fail("nothing came for a minute");
        for (int i = 0; i < count; i++) {
            size_t bytes;
            if (events[i].data.ptr == flow)
                take_answers(flow);
            else if (drive_consumer_take(events[i].data.ptr, on_batch, flow, &bytes))
                drive_consumer_ask(events[i].data.ptr);
        }
        send_due(flow);
    }
}

static void flow_init(struct flow *flow, const struct drive_options *options, int epoll)
{
    struct weir_uuid topic = drive_find(options, NULL);
    flow->options = options;
    flow->records_max = drive_records_per_batch(options);
    flow->total = (uint64_t)((double)options->rate * options->seconds);
    flow->sender.fd = bench_connect(options->host, options->port);
    flow->requests = weir_calloc((size_t)flow->records_max, sizeof(flow->requests[0]));
    flow->consumers = weir_calloc((size_t)options->groups, sizeof(flow->consumers[0]));
    if (flow->requests == NULL || flow->consumers == NULL)
        bench_fail("out of memory");
    int64_t producer_id = options->is_idempotent ? drive_producer_id(flow->sender.fd) : -1;
    for (int32_t i = 0; i < flow->records_max; i++)
        drive_request_build(&flow->requests[i], options, topic, i + 1, producer_id);
    add_to(epoll, flow->sender.fd, flow);
    for (int32_t i = 0; i < options->groups; i++) {
        drive_consumer_init(&flow->consumers[i], options, topic, 0, 1);
        add_to(epoll, flow->consumers[i].fd, &flow->consumers[i]);
        drive_consumer_ask(&flow->consumers[i]);
    }
    /* Timers are late by 50 us otherwise, which would count as the broker's time. */
    if (prctl(PR_SET_TIMERSLACK, 1) != 0)
        bench_fail("PR_SET_TIMERSLACK");
}

void drive_run_flow(const struct drive_options *options, struct drive_result *result)
{
    struct flow *flow = weir_calloc(1, sizeof(*flow));
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (flow == NULL || epoll < 0 || options->rate <= 0 || options->partitions != 1)
        bench_fail("a flow needs a rate and one partition");
    flow_init(flow, options, epoll);
    flow->began_ns = drive_now_ns() + 1000000;
    loop(flow, epoll);
    result->seconds = (double)(drive_now_ns() - flow->began_ns) / 1e9;
    result->bytes_in = flow->bytes_in;
    result->records_in = flow->total;
    result->records_out = flow->received;
    result->requests = flow->requests_sent;
    for (int32_t i = 0; i < options->groups; i++) {
        result->bytes_out += flow->consumers[i].bytes;
        drive_consumer_done(&flow->consumers[i]);
    }
    for (int32_t i = 0; i < flow->records_max; i++)
        drive_request_done(&flow->requests[i]);
    close(flow->sender.fd);
    close(epoll);
    drive_sender_done(&flow->sender);
    bench_frames_done(&flow->answers);
    weir_free(flow->requests);
    weir_free(flow->consumers);
    result->latency = &flow->latency; /* lives until the program ends */
}
