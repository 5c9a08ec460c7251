/* SPDX-License-Identifier: Apache-2.0 */
/* The client program of harness/clients.py on librdkafka; `flood` is that of the delivery cases. */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stopped;
static int64_t acked_count;
static int64_t failed_count;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void set(rd_kafka_conf_t *conf, const char *key, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, key, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        fail(key, why);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    if (message->err) {
        failed_count++;
        fprintf(stderr, "delivery: %s\n", rd_kafka_err2str(message->err));
    } else {
        acked_count++;
    }
}

static rd_kafka_t *new_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char why[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        fail("rd_kafka_new", why);
    return rk;
}

static void send_one(rd_kafka_t *rk, const char *topic, const char *key, const char *value)
{
    rd_kafka_resp_err_t error;
    do {
        error = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                  RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE((void *)value, strlen(value)),
                                  RD_KAFKA_V_END);
        rd_kafka_poll(rk, error ? 10 : 0);
    } while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (error)
        fail("produce", rd_kafka_err2str(error));
}

static int produce(const char *address, const char *topic, const char *codec, int64_t count, const char *prefix)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", address);
    set(conf, "compression.codec", codec);
    set(conf, "partitioner", "murmur2_random");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = new_client(RD_KAFKA_PRODUCER, conf);
    for (int64_t n = 0; n < count; n++) {
        char key[32];
        char value[256];
        snprintf(key, sizeof key, "k%" PRId64, n);
        snprintf(value, sizeof value, "%s-%" PRId64 " weir weir weir weir weir weir weir weir", prefix, n);
        send_one(rk, topic, key, value);
    }
    rd_kafka_flush(rk, 30000);
    printf("OK %" PRId64 "\n", acked_count);
    rd_kafka_destroy(rk);
    return failed_count ? 1 : 0;
}

/*
 * Produces numbered records with an idempotent producer until SIGTERM, then flushes.  Prints the number of records
 * sent so far now and then, and at the end "OK acked failed sent".
 */
static int flood(const char *address, const char *topic, const char *prefix)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", address);
    set(conf, "enable.idempotence", "true");
    set(conf, "message.timeout.ms", "120000");
    set(conf, "reconnect.backoff.ms", "5");
    set(conf, "reconnect.backoff.max.ms", "20");
    set(conf, "retry.backoff.ms", "10");
    set(conf, "socket.timeout.ms", "10000");
    set(conf, "batch.num.messages", "50");
    set(conf, "linger.ms", "1");
    set(conf, "queue.buffering.max.messages", "2000");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *rk = new_client(RD_KAFKA_PRODUCER, conf);
    int64_t sent = 0;
    while (!stopped) {
        char key[32];
        char value[128];
        snprintf(key, sizeof key, "k%" PRId64, sent % 16);
        snprintf(value, sizeof value, "%s-%" PRId64, prefix, sent);
        send_one(rk, topic, key, value);
        if (++sent % 100 == 0)
            rd_kafka_poll(rk, 1);
    }
    rd_kafka_flush(rk, 120000);
    printf("OK %" PRId64 " %" PRId64 " %" PRId64 "\n", acked_count, failed_count, sent);
    rd_kafka_destroy(rk);
    return 0;
}

static void print_assignment(rd_kafka_t *rk)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (rd_kafka_assignment(rk, &list))
        return;
    printf("A ");
    for (int i = 0; i < list->cnt; i++)
        printf("%s%d", i ? "," : "", list->elems[i].partition);
    printf("\n");
    fflush(stdout);
    rd_kafka_topic_partition_list_destroy(list);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    const int64_t *offset = opaque;
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        for (int i = 0; i < list->cnt && *offset >= 0; i++)
            list->elems[i].offset = *offset;
        rd_kafka_assign(rk, list);
    } else {
        rd_kafka_assign(rk, NULL);
    }
    print_assignment(rk);
}

static void print_record(const rd_kafka_message_t *message)
{
    const char *value = message->payload;
    size_t size = 0;
    while (size < message->len && value[size] != ' ')
        size++;
    printf("R %d %" PRId64 " %.*s %.*s\n", message->partition, message->offset, (int)message->key_len,
           (const char *)message->key, (int)size, value);
}

/* Consumes count records (negative: until stopped) from the committed offsets, or from *offset if that is not negative. */
static int consume(const char *address, const char *topic, const char *group, int64_t *offset, int64_t count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", address);
    set(conf, "group.id", group);
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "session.timeout.ms", "6000");
    set(conf, "heartbeat.interval.ms", "500");
    set(conf, "auto.commit.interval.ms", "200");
    set(conf, "fetch.wait.max.ms", "100");
    set(conf, "check.crcs", "true");
    rd_kafka_conf_set_opaque(conf, offset);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_t *rk = new_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(rk);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    if (rd_kafka_subscribe(rk, topics))
        fail("subscribe", topic);
    for (int64_t got = 0; !stopped && (count < 0 || got < count);) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(rk, 100);
        if (!message) {
            fflush(stdout);
            continue;
        }
        if (message->err)
            fprintf(stderr, "consume: %s\n", rd_kafka_message_errstr(message));
        else
            print_record(message), got++;
        rd_kafka_message_destroy(message);
    }
    fflush(stdout);
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t offset = -1;
    signal(SIGTERM, on_signal);
    if (argc == 7 && !strcmp(argv[1], "produce"))
        return produce(argv[2], argv[3], argv[4], atoll(argv[5]), argv[6]);
    if (argc == 5 && !strcmp(argv[1], "flood"))
        return flood(argv[2], argv[3], argv[4]);
    if (argc == 6 && !strcmp(argv[1], "consume"))
        return consume(argv[2], argv[3], argv[4], &offset, atoll(argv[5]));
    if (argc == 7 && !strcmp(argv[1], "replay")) {
        offset = atoll(argv[5]);
        return consume(argv[2], argv[3], argv[4], &offset, atoll(argv[6]));
    }
    if (argc == 5 && !strcmp(argv[1], "member"))
        return consume(argv[2], argv[3], argv[4], &offset, -1);
    fprintf(stderr, "usage: see harness/clients.py\n");
    return 2;
}
