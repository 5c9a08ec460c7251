/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions that cost almost nothing themselves (version 2, KIP-890): each producer has a
 * connection; a transaction is a record in a partition and a commit.
 *
 *   bench_txns HOST PORT TOPIC PARTITIONS PRODUCERS SECONDS
 *
 * Prints "ok <transactions>"; anything unexpected is a sentence on stderr and exit code 1.
 */
#include "wire.h"

#include "weir/base/memory.h"
#include "weir/protocol/errors.h"
#include "weir/protocol/messages/end_txn_request.h"
#include "weir/protocol/messages/end_txn_response.h"
#include "weir/protocol/messages/find_coordinator_request.h"
#include "weir/protocol/messages/find_coordinator_response.h"
#include "weir/protocol/messages/init_producer_id_request.h"
#include "weir/protocol/messages/init_producer_id_response.h"
#include "weir/protocol/messages/produce_request.h"
#include "weir/protocol/messages/produce_response.h"
#include "weir/record/batch_builder.h"
#include "weir/runtime/env.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_TRIES 2000

struct producer {
    int fd;
    char id[32];
    int64_t producer_id;
    int16_t epoch;
    int32_t partition;
    bool has_produced;
    bool is_done;
};

struct bench {
    const char *topic;
    struct weir_buf frame;
    struct weir_buf batch;
    struct weir_arena arena;
    struct weir_env *env;
};

static void start(struct bench *bench, struct producer *producer)
{
    struct weir_find_coordinator_request find;
    struct weir_init_producer_id_request request;
    struct weir_init_producer_id_response answer;
    weir_find_coordinator_request_init(&find);
    weir_init_producer_id_request_init(&request);
    find.key = weir_slice_str(producer->id);
    find.key_type = 1;
    request.transactional_id = weir_slice_str(producer->id);
    request.transaction_timeout_ms = 60000;
    for (int i = 0; i < START_TRIES; i++) {
        bench_encode(&bench->frame, WEIR_API_FIND_COORDINATOR, 3, &find);
        bench_send(producer->fd, weir_buf_slice(&bench->frame));
        bench_receive(producer->fd, &bench->frame);
        bench_encode(&bench->frame, WEIR_API_INIT_PRODUCER_ID, 4, &request);
        bench_send(producer->fd, weir_buf_slice(&bench->frame));
        bench_receive(producer->fd, &bench->frame);
        bench_read(&bench->frame, WEIR_API_INIT_PRODUCER_ID, 4, &bench->arena, &answer);
        if (answer.error_code == 0) {
            producer->producer_id = answer.producer_id;
            producer->epoch = answer.producer_epoch;
            return;
        }
        (void)poll(NULL, 0, 10);
    }
    bench_fail("no producer id");
}

static void build_batch(struct bench *bench, const struct producer *producer)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    struct weir_batch_builder *builder;
    options.producer_id = producer->producer_id;
    options.producer_epoch = producer->epoch;
    options.base_sequence = 0;
    options.is_transactional = true;
    weir_buf_clear(&bench->batch);
    if (weir_batch_builder_new(&options, &bench->batch, &builder) != WEIR_OK)
        bench_fail("out of memory");
    struct weir_record_data record = {.timestamp = weir_env_wall_ms(bench->env),
                                      .value = WEIR_SLICE("a record of a hundred bytes or so, or "
                                                          "a little less than that, who counts?")};
    weir_batch_builder_add(builder, &record);
    if (weir_batch_builder_finish(builder) != WEIR_OK)
        bench_fail("cannot build a batch");
    weir_batch_builder_free(builder);
}

static void send_produce(struct bench *bench, const struct producer *producer)
{
    struct weir_produce_request request;
    struct weir_produce_request_topic_produce_data data;
    struct weir_produce_request_partition_produce_data partition;
    build_batch(bench, producer);
    weir_produce_request_init(&request);
    weir_produce_request_topic_produce_data_init(&data);
    weir_produce_request_partition_produce_data_init(&partition);
    partition.index = producer->partition;
    partition.records.bytes = weir_buf_slice(&bench->batch);
    data.name = weir_slice_str(bench->topic);
    data.partition_data.items = &partition;
    data.partition_data.count = 1;
    request.transactional_id = weir_slice_str(producer->id);
    request.acks = -1;
    request.timeout_ms = 30000;
    request.topic_data.items = &data;
    request.topic_data.count = 1;
    bench_encode(&bench->frame, WEIR_API_PRODUCE, 12, &request);
    bench_send(producer->fd, weir_buf_slice(&bench->frame));
}

/* False: the transaction before is not over yet; once more. */
static bool receive_produce(struct bench *bench, const struct producer *producer)
{
    struct weir_produce_response answer;
    bench_receive(producer->fd, &bench->frame);
    bench_read(&bench->frame, WEIR_API_PRODUCE, 12, &bench->arena, &answer);
    if (answer.responses.count != 1 || answer.responses.items[0].partition_responses.count != 1)
        bench_fail("a produce response without its partition");
    int16_t code = answer.responses.items[0].partition_responses.items[0].error_code;
    if (code != 0 && code != WEIR_ERROR_CONCURRENT_TRANSACTIONS &&
        code != WEIR_ERROR_NOT_ENOUGH_REPLICAS)
        bench_fail("a produce request was refused");
    return code == 0;
}

static void send_commit(struct bench *bench, const struct producer *producer)
{
    struct weir_end_txn_request request;
    weir_end_txn_request_init(&request);
    request.transactional_id = weir_slice_str(producer->id);
    request.producer_id = producer->producer_id;
    request.producer_epoch = producer->epoch;
    request.committed = true;
    bench_encode(&bench->frame, WEIR_API_END_TXN, 5, &request);
    bench_send(producer->fd, weir_buf_slice(&bench->frame));
}

static bool receive_commit(struct bench *bench, struct producer *producer)
{
    struct weir_end_txn_response answer;
    bench_receive(producer->fd, &bench->frame);
    bench_read(&bench->frame, WEIR_API_END_TXN, 5, &bench->arena, &answer);
    if (answer.error_code != 0 && answer.error_code != WEIR_ERROR_CONCURRENT_TRANSACTIONS)
        bench_fail("a commit was refused");
    if (answer.error_code != 0)
        return false;
    producer->producer_id = answer.producer_id;
    producer->epoch = answer.producer_epoch;
    return true;
}

/* One transaction of every producer, all at the same time. */
static void round_of_all(struct bench *bench, struct producer *producers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        producers[i].has_produced = producers[i].is_done = false;
    for (size_t left = count; left > 0;) {
        for (size_t i = 0; i < count; i++) {
            if (!producers[i].has_produced)
                send_produce(bench, &producers[i]);
            else if (!producers[i].is_done)
                send_commit(bench, &producers[i]);
        }
        for (size_t i = 0; i < count; i++) {
            struct producer *producer = &producers[i];
            if (producer->is_done)
                continue;
            if (!producer->has_produced)
                producer->has_produced = receive_produce(bench, producer);
            else
                producer->is_done = receive_commit(bench, producer);
            left -= producer->is_done;
        }
    }
}

int main(int argc, char **argv)
{
    struct bench bench = {.env = weir_env_posix()};
    if (argc != 7)
        bench_fail("usage: see the top of txns.c");
    bench.topic = argv[3];
    int32_t partitions = atoi(argv[4]);
    size_t count = strtoul(argv[5], NULL, 10);
    struct producer *producers = weir_calloc(count, sizeof(*producers));
    if (producers == NULL || partitions < 1)
        bench_fail("out of memory, or no partitions");
    weir_arena_init(&bench.arena, 0);
    for (size_t i = 0; i < count; i++) {
        producers[i].fd = bench_connect(argv[1], argv[2]);
        producers[i].partition = (int32_t)(i % (size_t)partitions);
        (void)snprintf(producers[i].id, sizeof(producers[i].id), "bench-%zu", i);
        start(&bench, &producers[i]);
    }
    round_of_all(&bench, producers, count); /* warm */
    int64_t end_ms = weir_env_monotonic_ms(bench.env) + strtol(argv[6], NULL, 10) * 1000;
    size_t done = 0;
    for (; weir_env_monotonic_ms(bench.env) < end_ms; done += count)
        round_of_all(&bench, producers, count);
    printf("ok %zu\n", done);
    for (size_t i = 0; i < count; i++)
        close(producers[i].fd);
    weir_free(producers);
    weir_buf_done(&bench.frame);
    weir_buf_done(&bench.batch);
    weir_arena_done(&bench.arena);
    return 0;
}
