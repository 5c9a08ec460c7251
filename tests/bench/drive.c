/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load that costs almost nothing itself: one thread, batches encoded once, requests pipelined.
 *
 *   bench_drive first    host= port=                   until the broker answers ApiVersions
 *   bench_drive create   host= port= topic= [partitions=1] [configs=name:value,...]
 *   bench_drive delete   host= port= topic=
 *   bench_drive produce  host= port= topic= partitions= connections= in_flight= batch= record=
 * [codec=none|lz4|zstd|...] [idempotent=0|1] [acks=1] (bytes= | requests=) [bursts=0|1] bench_drive
 * fetch    host= port= topic= partitions= connections= fetch= bytes=     from the start bench_drive
 * flow     host= port= topic= rate= seconds= record= batch= linger_us= in_flight= groups= fetch=
 *                        end to end at a fixed rate (drive_flow.c)
 *   bench_drive hold     host= port= connections=      opens them, prints a line, holds them until
 * its input ends
 *
 * Prints one line of JSON; anything unexpected is a sentence on stderr and exit code 1.
 */
#include "drive.h"

#include "wire.h"

#include "weir/runtime/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

int64_t drive_now_ns(void)
{
    return weir_env_monotonic_ns(weir_env_posix());
}

static void ask_first(int fd)
{
    static const uint8_t api_versions_v0[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    struct weir_buf frame = {0};
    bench_send(fd, weir_slice_of(api_versions_v0, sizeof(api_versions_v0)));
    bench_receive(fd, &frame);
    weir_buf_done(&frame);
}

static void hold(const struct drive_options *options)
{
    char byte;
    for (int32_t i = 0; i < options->connections; i++)
        ask_first(bench_connect(options->host, options->port));
    printf("{\"connections\": %d}\n", options->connections);
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

static enum weir_codec codec_named(const char *name)
{
    for (int bits = 0; bits < 8; bits++) {
        enum weir_codec codec;
        if (weir_codec_from_bits(bits, &codec) && strcmp(weir_codec_name(codec), name) == 0)
            return codec;
    }
    bench_fail("no such codec");
}

static bool parse_number(struct drive_options *options, const char *name, const char *value)
{
    int64_t number = strtoll(value, NULL, 10);
    const struct {
        const char *name;
        int32_t *to;
    } small[] = {{"partitions", &options->partitions},
                 {"connections", &options->connections},
                 {"in_flight", &options->in_flight},
                 {"groups", &options->groups},
                 {"fetch", &options->fetch_bytes}};
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        if (strcmp(name, small[i].name) != 0)
            continue;
        if (number < 1 || number > INT32_MAX)
            bench_fail("a number out of range");
        *small[i].to = (int32_t)number;
        return true;
    }
    if (number < 0)
        bench_fail("a number out of range");
    if (strcmp(name, "batch") == 0)
        options->batch_bytes = (size_t)number;
    else if (strcmp(name, "record") == 0)
        options->record_bytes = (size_t)number;
    else if (strcmp(name, "bytes") == 0)
        options->bytes = (uint64_t)number;
    else if (strcmp(name, "requests") == 0)
        options->requests = (uint64_t)number;
    else if (strcmp(name, "rate") == 0)
        options->rate = number;
    else if (strcmp(name, "linger_us") == 0)
        options->linger_us = number;
    else
        return false;
    return true;
}

static void parse(struct drive_options *options, char *word)
{
    char *value = strchr(word, '=');
    if (value == NULL)
        bench_fail("options are name=value");
    *value++ = '\0';
    if (strcmp(word, "host") == 0)
        options->host = value;
    else if (strcmp(word, "port") == 0)
        options->port = value;
    else if (strcmp(word, "topic") == 0)
        options->topic = value;
    else if (strcmp(word, "configs") == 0)
        options->configs = value;
    else if (strcmp(word, "codec") == 0)
        options->codec = codec_named(value);
    else if (strcmp(word, "idempotent") == 0)
        options->is_idempotent = strcmp(value, "0") != 0;
    else if (strcmp(word, "bursts") == 0)
        options->in_bursts = strcmp(value, "0") != 0;
    else if (strcmp(word, "acks") == 0)
        options->acks = (int16_t)atoi(value);
    else if (strcmp(word, "seconds") == 0)
        options->seconds = atof(value);
    else if (!parse_number(options, word, value))
        bench_fail("an option that is not known");
}

static void print(const struct drive_result *result)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        bench_fail("getrusage");
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    printf("{\"bytes_in\": %llu, \"bytes_out\": %llu, \"records_in\": %llu, \"records_out\": %llu, "
           "\"requests\": %llu, "
           "\"seconds\": %.6f, \"driver_cpu\": %.6f",
           (unsigned long long)result->bytes_in, (unsigned long long)result->bytes_out,
           (unsigned long long)result->records_in, (unsigned long long)result->records_out,
           (unsigned long long)result->requests, result->seconds, cpu);
    const struct bench_histogram *latency = result->latency;
    if (latency != NULL)
        printf(", \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f",
               (double)bench_histogram_quantile(latency, 0.5) / 1e3,
               (double)bench_histogram_quantile(latency, 0.99) / 1e3,
               (double)bench_histogram_quantile(latency, 0.999) / 1e3, (double)latency->max / 1e3);
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct drive_options options = {.host = "127.0.0.1",
                                    .topic = "bench",
                                    .partitions = 1,
                                    .connections = 1,
                                    .in_flight = 5,
                                    .batch_bytes = 16384,
                                    .record_bytes = 1024,
                                    .acks = 1,
                                    .seconds = 5,
                                    .groups = 1,
                                    .fetch_bytes = 1 << 20};
    struct drive_result result = {0};
    for (int i = 2; i < argc; i++)
        parse(&options, argv[i]);
    const char *what = argc > 1 ? argv[1] : "";
    if (options.port == NULL)
        bench_fail("usage: bench_drive first|create|delete|produce|fetch|flow|hold port=... (see "
                   "drive.c)");
    if (strcmp(what, "first") == 0)
        ask_first(bench_connect(options.host, options.port));
    else if (strcmp(what, "create") == 0)
        (void)drive_create(&options);
    else if (strcmp(what, "delete") == 0)
        drive_delete(&options);
    else if (strcmp(what, "produce") == 0)
        drive_run_produce(&options, &result);
    else if (strcmp(what, "fetch") == 0)
        drive_run_fetch(&options, &result);
    else if (strcmp(what, "flow") == 0)
        drive_run_flow(&options, &result);
    else if (strcmp(what, "hold") == 0)
        hold(&options);
    else
        bench_fail("no such command (see drive.c)");
    print(&result);
    return 0;
}
