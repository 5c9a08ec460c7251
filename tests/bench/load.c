/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load that costs almost nothing itself: one connection, batches encoded once, several requests
 * in flight.
 *
 *   bench_load first HOST PORT
 *       connects and asks ApiVersions, until it is answered
 *   bench_load create HOST PORT TOPIC PARTITIONS
 *       until the last one has a leader
 *   bench_load produce HOST PORT TOPIC TOTAL_BYTES BATCH_BYTES RECORD_BYTES
 *   bench_load spread HOST PORT TOPIC TOTAL_BYTES BATCH_BYTES RECORD_BYTES PARTITIONS
 *   bench_load keyed HOST PORT TOPIC TOTAL_BYTES BATCH_BYTES RECORD_BYTES KEYS
 *       each record with one of so many keys, chosen evenly
 *   bench_load rate HOST PORT TOPIC REQUESTS INTERVAL_US BATCH_BYTES
 *       a request each interval, whether the ones before are answered or not; prints the latencies,
 *       counted from when a request was due: "p50 <us> p99 <us> max <us>"
 *   bench_load fetch HOST PORT TOPIC TOTAL_BYTES
 *
 * Prints "ok <bytes> bytes <requests> requests"; anything unexpected is a sentence on stderr and
 * exit code 1.
 */
#include "wire.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/protocol/api_keys.h"
#include "weir/protocol/messages/create_topics_request.h"
#include "weir/protocol/messages/create_topics_response.h"
#include "weir/protocol/messages/fetch_request.h"
#include "weir/protocol/messages/fetch_response.h"
#include "weir/protocol/messages/list_offsets_request.h"
#include "weir/protocol/messages/list_offsets_response.h"
#include "weir/protocol/messages/metadata_request.h"
#include "weir/protocol/messages/metadata_response.h"
#include "weir/protocol/messages/produce_request.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/env.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IN_FLIGHT       5
#define CREATE_TRIES    12000
#define FETCH_BYTES_MAX (1 << 20)

static void first_answer(int fd)
{
    static const uint8_t api_versions_v0[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    struct weir_buf frame = {0};
    bench_send(fd, weir_slice_of(api_versions_v0, sizeof(api_versions_v0)));
    bench_receive(fd, &frame);
    weir_buf_done(&frame);
}

/* Makes the topic exist, by Kafka's own auto-creation, and waits until it has a leader. */
static void create_topic(int fd, const char *topic)
{
    struct weir_metadata_request_metadata_request_topic item;
    struct weir_metadata_request request;
    struct weir_buf frame = {0};
    weir_metadata_request_init(&request);
    weir_metadata_request_metadata_request_topic_init(&item);
    item.name = weir_slice_str(topic);
    request.topics.items = &item;
    request.topics.count = 1;
    for (int i = 0; i < 50; i++) {
        bench_encode(&frame, WEIR_API_METADATA, 4, &request);
        bench_send(fd, weir_buf_slice(&frame));
        bench_receive(fd, &frame);
        (void)poll(NULL, 0, 20);
    }
    weir_buf_done(&frame);
}

static void build_batch(struct weir_buf *out, size_t batch_bytes, size_t record_bytes)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder;
    uint8_t *value = weir_malloc(record_bytes);
    if (value == NULL || weir_batch_builder_new(&options, out, &builder) != WEIR_OK)
        bench_fail("out of memory");
    for (size_t i = 0; i < record_bytes; i++)
        value[i] = (uint8_t)(i * 31 + 7);
    struct weir_record_data record = {.timestamp = 1700000000000,
                                      .value = weir_slice_of(value, record_bytes)};
    do {
        weir_batch_builder_add(builder, &record);
    } while (weir_batch_builder_bytes(builder) + weir_record_bytes_bound(&record) < batch_bytes);
    if (weir_batch_builder_finish(builder) != WEIR_OK)
        bench_fail("cannot build a batch");
    weir_batch_builder_free(builder);
    weir_free(value);
}

/* Produce v3: correlation id, one topic with its name, one partition: index, error code.  The error
 * code lies behind the topic's name. */
static int16_t produced_error(const struct weir_buf *frame)
{
    size_t name = weir_get_u16(frame->data + 8);
    if (frame->size < 10 + name + 10)
        bench_fail("a produce response that cannot be read");
    return weir_get_i16(frame->data + 10 + name + 8);
}

struct produce {
    struct weir_produce_request request;
    struct weir_produce_request_topic_produce_data data;
    struct weir_produce_request_partition_produce_data partition;
    struct weir_buf batch, frame, response;
};

static void produce_init(struct produce *produce, const char *topic, size_t batch_bytes,
                         size_t record_bytes)
{
    memset(produce, 0, sizeof(*produce));
    build_batch(&produce->batch, batch_bytes, record_bytes);
    weir_produce_request_init(&produce->request);
    weir_produce_request_topic_produce_data_init(&produce->data);
    weir_produce_request_partition_produce_data_init(&produce->partition);
    produce->partition.records.bytes = weir_buf_slice(&produce->batch);
    produce->data.name = weir_slice_str(topic);
    produce->data.partition_data.items = &produce->partition;
    produce->data.partition_data.count = 1;
    produce->request.acks = 1;
    produce->request.timeout_ms = 30000;
    produce->request.topic_data.items = &produce->data;
    produce->request.topic_data.count = 1;
    bench_encode(&produce->frame, WEIR_API_PRODUCE, 3, &produce->request);
}

/* The requests go to the partitions in turn. */
static void run_produce(int fd, struct produce *produce, size_t total, int partitions)
{
    size_t count = total / produce->batch.size + 1;
    for (size_t sent = 0, answered = 0; answered < count;) {
        if (sent < count && sent - answered < IN_FLIGHT) {
            if (partitions > 1) {
                produce->partition.index = (int32_t)(sent % (size_t)partitions);
                bench_encode(&produce->frame, WEIR_API_PRODUCE, 3, &produce->request);
            }
            bench_send(fd, weir_buf_slice(&produce->frame));
            sent++;
            continue;
        }
        bench_receive(fd, &produce->response);
        if (produced_error(&produce->response) != 0)
            bench_fail("a produce request was refused");
        answered++;
    }
    printf("ok %zu bytes %zu requests\n", count * produce->batch.size, count);
    weir_buf_done(&produce->batch);
    weir_buf_done(&produce->frame);
    weir_buf_done(&produce->response);
}

static void produce(int fd, const char *topic, size_t total, size_t batch_bytes,
                    size_t record_bytes)
{
    struct produce produce;
    create_topic(fd, topic);
    produce_init(&produce, topic, batch_bytes, record_bytes);
    run_produce(fd, &produce, total, 1);
}

static void spread(int fd, const char *topic, size_t total, size_t batch_bytes, size_t record_bytes,
                   int partitions)
{
    struct produce produce;
    produce_init(&produce, topic, batch_bytes, record_bytes);
    run_produce(fd, &produce, total, partitions);
}

/* How many partitions of the topic have a leader. */
static size_t count_led(int fd, const char *topic, struct weir_buf *frame)
{
    struct weir_metadata_request_metadata_request_topic item;
    struct weir_metadata_request request;
    struct weir_metadata_response response;
    struct weir_arena arena;
    struct weir_reader reader;
    weir_metadata_request_init(&request);
    weir_metadata_request_metadata_request_topic_init(&item);
    item.name = weir_slice_str(topic);
    request.topics.items = &item;
    request.topics.count = 1;
    bench_encode(frame, WEIR_API_METADATA, 4, &request);
    bench_send(fd, weir_buf_slice(frame));
    bench_receive(fd, frame);
    weir_arena_init(&arena, 0);
    weir_reader_init(&reader, weir_slice_of(frame->data + 4, frame->size - 4), &arena);
    weir_metadata_response_read(&reader, 4, &response);
    if (weir_reader_status(&reader) != WEIR_OK || response.topics.count != 1)
        bench_fail("a metadata response that cannot be read");
    size_t count = 0;
    for (int32_t i = 0; i < response.topics.items[0].partitions.count; i++)
        count += response.topics.items[0].partitions.items[i].leader_id >= 0;
    weir_arena_done(&arena);
    return count;
}

/* Until the partition created last takes an empty-handed fetch. */
static void wait_led(int fd, const char *topic, int32_t index, struct weir_buf *frame)
{
    struct weir_list_offsets_request request;
    struct weir_list_offsets_request_list_offsets_topic wanted;
    struct weir_list_offsets_request_list_offsets_partition partition;
    struct weir_list_offsets_response response;
    struct weir_arena arena;
    struct weir_reader reader;
    weir_list_offsets_request_init(&request);
    weir_list_offsets_request_list_offsets_topic_init(&wanted);
    weir_list_offsets_request_list_offsets_partition_init(&partition);
    partition.partition_index = index;
    partition.timestamp = -1;
    wanted.name = weir_slice_str(topic);
    wanted.partitions.items = &partition;
    wanted.partitions.count = 1;
    request.replica_id = -1;
    request.topics.items = &wanted;
    request.topics.count = 1;
    for (int i = 0; i < CREATE_TRIES; i++) {
        bench_encode(frame, WEIR_API_LIST_OFFSETS, 1, &request);
        bench_send(fd, weir_buf_slice(frame));
        bench_receive(fd, frame);
        weir_arena_init(&arena, 0);
        weir_reader_init(&reader, weir_slice_of(frame->data + 4, frame->size - 4), &arena);
        weir_list_offsets_response_read(&reader, 1, &response);
        bool is_led = weir_reader_status(&reader) == WEIR_OK && response.topics.count == 1 &&
                      response.topics.items[0].partitions.items[0].error_code == 0;
        weir_arena_done(&arena);
        if (is_led)
            return;
        (void)poll(NULL, 0, 10);
    }
    bench_fail("the topic is not served");
}

static void create(int fd, const char *topic, int32_t partitions)
{
    struct weir_create_topics_request request;
    struct weir_create_topics_request_creatable_topic item;
    struct weir_buf frame = {0};
    weir_create_topics_request_init(&request);
    weir_create_topics_request_creatable_topic_init(&item);
    item.name = weir_slice_str(topic);
    item.num_partitions = partitions;
    item.replication_factor = 1;
    request.topics.items = &item;
    request.topics.count = 1;
    request.timeout_ms = 60000;
    bench_encode(&frame, WEIR_API_CREATE_TOPICS, 4, &request);
    bench_send(fd, weir_buf_slice(&frame));
    bench_receive(fd, &frame);
    struct weir_create_topics_response response;
    struct weir_arena arena;
    struct weir_reader reader;
    weir_arena_init(&arena, 0);
    weir_reader_init(&reader, weir_slice_of(frame.data + 4, frame.size - 4), &arena);
    weir_create_topics_response_read(&reader, 4, &response);
    if (weir_reader_status(&reader) != WEIR_OK || response.topics.count != 1 ||
        response.topics.items[0].error_code != 0)
        bench_fail("the topic could not be created");
    weir_arena_done(&arena);
    for (int i = 0; i < CREATE_TRIES && count_led(fd, topic, &frame) < (size_t)partitions; i++)
        (void)poll(NULL, 0, 10);
    for (int32_t i = partitions - 1; i >= 0; i--)
        wait_led(fd, topic, i, &frame);
    printf("ok %d partitions\n", partitions);
    weir_buf_done(&frame);
}

static void check_produced(const struct weir_buf *frame)
{
    if (produced_error(frame) != 0)
        bench_fail("a produce request was refused");
}

static void encode_produce(struct weir_buf *frame, const char *topic, const struct weir_buf *batch)
{
    struct weir_produce_request request;
    struct weir_produce_request_topic_produce_data data;
    struct weir_produce_request_partition_produce_data partition;
    weir_produce_request_init(&request);
    weir_produce_request_topic_produce_data_init(&data);
    weir_produce_request_partition_produce_data_init(&partition);
    partition.records.bytes = weir_buf_slice(batch);
    data.name = weir_slice_str(topic);
    data.partition_data.items = &partition;
    data.partition_data.count = 1;
    request.acks = 1;
    request.timeout_ms = 30000;
    request.topic_data.items = &data;
    request.topic_data.count = 1;
    bench_encode(frame, WEIR_API_PRODUCE, 3, &request);
}

/* --- Records with keys. --- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void build_keyed_batch(struct weir_buf *out, size_t batch_bytes, struct weir_slice value,
                              uint64_t keys, uint64_t *seed)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder;
    weir_buf_clear(out);
    if (weir_batch_builder_new(&options, out, &builder) != WEIR_OK)
        bench_fail("out of memory");
    struct weir_record_data record = {.timestamp = 1700000000000, .value = value};
    do {
        char key[32];
        int size = snprintf(key, sizeof(key), "key-%012llu",
                            (unsigned long long)(next_random(seed) % keys));
        record.key = weir_slice_of(key, (size_t)size);
        weir_batch_builder_add(builder, &record);
    } while (weir_batch_builder_bytes(builder) + weir_record_bytes_bound(&record) < batch_bytes);
    if (weir_batch_builder_finish(builder) != WEIR_OK)
        bench_fail("cannot build a batch");
    weir_batch_builder_free(builder);
}

static void keyed(int fd, const char *topic, size_t total, size_t batch_bytes, size_t record_bytes,
                  uint64_t keys)
{
    struct weir_buf batch = {0}, frame = {0}, response = {0};
    uint64_t seed = 88172645463325252u;
    uint8_t *value = weir_calloc(1, record_bytes);
    if (value == NULL || keys == 0)
        bench_fail("no memory, or no keys");
    size_t bytes = 0, sent = 0, answered = 0;
    while (bytes < total || answered < sent) {
        if (bytes < total && sent - answered < IN_FLIGHT) {
            build_keyed_batch(&batch, batch_bytes, weir_slice_of(value, record_bytes), keys, &seed);
            encode_produce(&frame, topic, &batch);
            bench_send(fd, weir_buf_slice(&frame));
            bytes += batch.size;
            sent++;
            continue;
        }
        bench_receive(fd, &response);
        check_produced(&response);
        answered++;
    }
    printf("ok %zu bytes %zu requests\n", bytes, sent);
    weir_free(value);
    weir_buf_done(&batch);
    weir_buf_done(&frame);
    weir_buf_done(&response);
}

/* --- At a fixed rate. --- */

static int64_t now_us(void)
{
    return weir_env_monotonic_ns(weir_env_posix()) / 1000;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Waits until the answer comes or the time is there; true when there is something to read. */
static bool wait_readable(int fd, int64_t until_us)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int64_t left_us = until_us - now_us();
    struct timespec wait = {.tv_sec = left_us / 1000000, .tv_nsec = left_us % 1000000 * 1000};
    if (left_us <= 0)
        wait = (struct timespec){0};
    return ppoll(&entry, 1, &wait, NULL) > 0;
}

static void rate(int fd, const char *topic, size_t count, int64_t interval_us, size_t batch_bytes)
{
    struct weir_buf batch = {0}, frame = {0}, response = {0};
    int64_t *taken_us = weir_calloc(count, sizeof(taken_us[0]));
    if (taken_us == NULL || count == 0)
        bench_fail("no memory, or nothing to do");
    create_topic(fd, topic);
    build_batch(&batch, batch_bytes, batch_bytes / 2);
    encode_produce(&frame, topic, &batch);
    int64_t began_us = now_us() + interval_us;
    for (size_t sent = 0, answered = 0; answered < count;) {
        int64_t due_us = began_us + (int64_t)sent * interval_us;
        if (sent < count && now_us() >= due_us) {
            bench_send(fd, weir_buf_slice(&frame));
            sent++;
        } else if (wait_readable(fd, sent < count ? due_us : now_us() + 1000000)) {
            bench_receive(fd, &response);
            check_produced(&response);
            taken_us[answered] = now_us() - (began_us + (int64_t)answered * interval_us);
            answered++;
        }
    }
    qsort(taken_us, count, sizeof(taken_us[0]), compare_times);
    printf("p50 %lld p99 %lld max %lld\n", (long long)taken_us[count / 2],
           (long long)taken_us[count - 1 - count / 100], (long long)taken_us[count - 1]);
    weir_free(taken_us);
    weir_buf_done(&batch);
    weir_buf_done(&frame);
    weir_buf_done(&response);
}

/* Bytes of records in the response, and the offset behind the last of them. */
static size_t fetched(const struct weir_buf *frame, int64_t *next_offset)
{
    struct weir_arena arena;
    struct weir_reader reader;
    struct weir_fetch_response response;
    weir_arena_init(&arena, 0);
    weir_reader_init(&reader, weir_slice_of(frame->data + 4, frame->size - 4), &arena);
    weir_fetch_response_read(&reader, 4, &response);
    if (weir_reader_status(&reader) != WEIR_OK || response.responses.count != 1 ||
        response.responses.items[0].partitions.count != 1)
        bench_fail("a fetch response that cannot be read");
    const struct weir_fetch_response_partition_data *data =
        &response.responses.items[0].partitions.items[0];
    if (data->error_code != 0)
        bench_fail("a fetch was refused");
    struct weir_batch_iter iter;
    struct weir_batch batch;
    size_t bytes = 0;
    weir_batch_iter_init(&iter, data->records.bytes);
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        bytes += batch.bytes.size;
        *next_offset = weir_batch_next_offset(&batch);
    }
    weir_arena_done(&arena);
    return bytes;
}

static void fetch(int fd, const char *topic, size_t total)
{
    struct weir_fetch_request request;
    struct weir_fetch_request_fetch_topic wanted;
    struct weir_fetch_request_fetch_partition partition;
    struct weir_buf frame = {0};
    size_t bytes = 0, requests = 0;
    weir_fetch_request_init(&request);
    weir_fetch_request_fetch_topic_init(&wanted);
    weir_fetch_request_fetch_partition_init(&partition);
    partition.partition_max_bytes = FETCH_BYTES_MAX;
    wanted.topic = weir_slice_str(topic);
    wanted.partitions.items = &partition;
    wanted.partitions.count = 1;
    request.replica_id = -1;
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES_MAX;
    request.topics.items = &wanted;
    request.topics.count = 1;
    while (bytes < total) {
        bench_encode(&frame, WEIR_API_FETCH, 4, &request);
        bench_send(fd, weir_buf_slice(&frame));
        bench_receive(fd, &frame);
        size_t got = fetched(&frame, &partition.fetch_offset);
        if (got == 0)
            bench_fail("no more data");
        bytes += got;
        requests++;
    }
    printf("ok %zu bytes %zu requests\n", bytes, requests);
    weir_buf_done(&frame);
}

static size_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_fail("usage: bench_load first|create|produce|spread|keyed|rate|fetch HOST PORT ...");
    int fd = bench_connect(argv[2], argv[3]);
    if (strcmp(argv[1], "first") == 0) {
        first_answer(fd);
        printf("ok\n");
    } else if (strcmp(argv[1], "produce") == 0 && argc == 8) {
        produce(fd, argv[4], number(argv[5]), number(argv[6]), number(argv[7]));
    } else if (strcmp(argv[1], "spread") == 0 && argc == 9) {
        spread(fd, argv[4], number(argv[5]), number(argv[6]), number(argv[7]), atoi(argv[8]));
    } else if (strcmp(argv[1], "create") == 0 && argc == 6) {
        create(fd, argv[4], atoi(argv[5]));
    } else if (strcmp(argv[1], "keyed") == 0 && argc == 9) {
        keyed(fd, argv[4], number(argv[5]), number(argv[6]), number(argv[7]), number(argv[8]));
    } else if (strcmp(argv[1], "rate") == 0 && argc == 8) {
        rate(fd, argv[4], number(argv[5]), (int64_t)number(argv[6]), number(argv[7]));
    } else if (strcmp(argv[1], "fetch") == 0 && argc == 6) {
        fetch(fd, argv[4], number(argv[5]));
    } else {
        bench_fail("usage: bench_load first|create|produce|spread|keyed|rate|fetch HOST PORT ...");
    }
    close(fd);
    return 0;
}
