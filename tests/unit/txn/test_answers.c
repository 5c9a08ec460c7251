/* SPDX-License-Identifier: Apache-2.0 */

/* The answers of Apache Kafka 4.3.0 to a stored story of requests (tests/golden/txn/answers.txt, which
 * says what its lines mean), beside those of the coordinator. */

#include "txn_world.h"

#define IDS_MAX 64

struct request {
    char kind[8];
    char id[4];
    int producer;
    int epoch;
    char argument[32];
    int version;
    char whose[64];
    char answer[256];
    char states[2][64];
};

static int64_t producer_ids[IDS_MAX];
static int producer_id_count;

static int number_of(int64_t producer_id)
{
    if (producer_id < 0)
        return -1;
    for (int i = 0; i < producer_id_count; i++) {
        if (producer_ids[i] == producer_id)
            return i;
    }
    cr_assert(producer_id_count < IDS_MAX);
    producer_ids[producer_id_count] = producer_id;
    return producer_id_count++;
}

static int64_t producer_of(int number)
{
    if (number < 0)
        return -1;
    return number < producer_id_count ? producer_ids[number] : 1000000 + number;
}

static size_t parse_partitions(const char *text, struct weir_txn_partition *out)
{
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at += *at == ',') {
        char *end_of_number;
        out[count++] = (struct weir_txn_partition){
            .topic = WEIR_SLICE("t"), .partition = (int32_t)strtol(at, &end_of_number, 10)};
        at = end_of_number;
    }
    return count;
}

static void answer_with_producer(enum weir_status status, const struct producer *producer,
                                 char *out, size_t size)
{
    bool is_ok = status == WEIR_OK;
    (void)snprintf(out, size, "%s:%d:%d", weir_status_name(status),
                   is_ok ? number_of(producer->producer_id) : -1, is_ok ? producer->epoch : -1);
}

static void answer_partitions(const struct request *request, struct producer *producer, char *out,
                              size_t size)
{
    struct weir_txn_partition partitions[8];
    size_t count = parse_partitions(request->argument, partitions);
    producer->version = strcmp(request->kind, "add") == 0 ? 0 : 2;
    (void)add_some(producer, strcmp(request->kind, "verify") == 0, partitions, count);
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ",",
                                 weir_status_name(partitions[i].status));
}

static void run_request(const struct request *request, char *out, size_t size)
{
    struct producer producer = {.id = request->id,
                                .producer_id = producer_of(request->producer),
                                .epoch = (int16_t)request->epoch};
    if (strcmp(request->kind, "init") == 0) {
        struct weir_txn_init op = {.timeout_ms = atoi(request->argument),
                                   .expected_producer_id = producer.producer_id,
                                   .expected_producer_epoch = producer.epoch};
        enum weir_status status = init_with(&producer, &op);
        answer_with_producer(status, &producer, out, size);
    } else if (strcmp(request->kind, "end") == 0) {
        producer.version = (int16_t)request->version;
        enum weir_status status = end(&producer, strcmp(request->argument, "1") == 0);
        if (request->version >= 2)
            answer_with_producer(status, &producer, out, size);
        else
            (void)snprintf(out, size, "%s", weir_status_name(status));
    } else {
        answer_partitions(request, &producer, out, size);
    }
}

static void state_text(const char *id, char *out, size_t size)
{
    struct weir_txn_describe described;
    describe(id, &described);
    if (described.op.status != WEIR_OK) {
        (void)snprintf(out, size, "none:0:0:-");
        weir_txn_op_free(&described.op);
        return;
    }
    size_t used = (size_t)snprintf(out, size, "%.*s:%d:%d:", WEIR_SLICE_ARGS(described.state),
                                   number_of(described.producer_id), described.producer_epoch);
    for (size_t i = 0; i < described.partition_count; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%d", i == 0 ? "" : ",",
                                 described.partitions[i].partition);
    if (described.partition_count == 0)
        (void)snprintf(out + used, size - used, "-");
    weir_txn_op_free(&described.op);
}

static void check_request(const struct request *request, int line)
{
    char answer[256];
    run_request(request, answer, sizeof(answer));
    if (strcmp(request->whose, "same") == 0)
        cr_assert_str_eq(answer, request->answer, "line %d: %s is not %s", line, answer,
                         request->answer);
    else
        cr_assert(strncmp(answer, request->whose + strlen("weir:"),
                          strlen(request->whose) - strlen("weir:")) == 0,
                  "line %d: %s", line, answer);
    for (int i = 0; i < 2; i++) {
        char state[64];
        state_text(i == 0 ? "x" : "y", state, sizeof(state));
        cr_assert_str_eq(state, request->states[i], "line %d: %s is not %s", line, state,
                         request->states[i]);
    }
}

TestSuite(txn_answers, .init = world_start, .fini = world_stop);

Test(txn_answers, are_apache_kafkas)
{
    FILE *file = fopen(TXN_ANSWERS, "r");
    cr_assert_not_null(file);
    char text[512];
    int line = 0;
    int count = 0;
    while (fgets(text, sizeof(text), file) != NULL) {
        line++;
        if (text[0] == '#')
            continue;
        struct request request;
        cr_assert_eq(sscanf(text, "%7s %3s %d %d %31s %d %63s %255s %63s %63s", request.kind,
                            request.id, &request.producer, &request.epoch, request.argument,
                            &request.version, request.whose, request.answer, request.states[0],
                            request.states[1]),
                     10, "line %d", line);
        check_request(&request, line);
        count++;
    }
    (void)fclose(file);
    cr_assert_eq(count, 500);
}
