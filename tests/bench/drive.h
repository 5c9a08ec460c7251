/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of the load generator (drive.c): what it is asked for, its connections, its topics. One
 * thread; what goes wrong ends the program, as in wire.h.  Sockets are blocking, so that set-up may
 * use wire.h; the measured part asks for MSG_DONTWAIT.
 */

#include "frames.h"
#include "histogram.h"

#include "weir/base/arena.h"
#include "weir/base/buf.h"
#include "weir/base/uuid.h"
#include "weir/record/compression.h"

#include <stdint.h>

struct drive_options {
    const char *host, *port, *topic;
    const char *configs; /* of a created topic: "name:value,name:value"; NULL: none */
    int32_t partitions;
    int32_t connections;
    int32_t in_flight;
    size_t batch_bytes, record_bytes;
    enum weir_codec codec;
    bool is_idempotent;
    bool in_bursts; /* the next requests leave when all before are answered */
    int16_t acks;
    uint64_t bytes;    /* of batches, produced or fetched */
    uint64_t requests; /* when not 0: instead of bytes */
    int64_t rate;      /* records a second */
    double seconds;
    int64_t linger_us;
    int32_t groups;
    int32_t fetch_bytes;
};

/* What a run prints as one line of JSON. */
struct drive_result {
    uint64_t bytes_in, bytes_out, records_in, records_out, requests;
    double seconds;
    const struct bench_histogram *latency; /* NULL: not measured */
};

/* --- drive.c --- */
int64_t drive_now_ns(void);

/* --- drive_topic.c: what happens before and after. --- */
struct weir_uuid drive_create(const struct drive_options *options);
void drive_delete(const struct drive_options *options);
/* Waits until each of the topic's partitions has a leader; *out_partitions may be NULL. */
struct weir_uuid drive_find(const struct drive_options *options, int32_t *out_partitions);
int64_t drive_producer_id(int fd);
/* The body of an answer; the arena is reset first and holds what out points to. */
void drive_read(struct weir_slice frame, int16_t key, int16_t version, struct weir_arena *arena,
                void *out);

/* --- drive_send.c: requests encoded once and sent many times. --- */

/* A produce request with one batch.  Its partition, base sequence and CRC are patched in place for
 * each sending. */
struct drive_request {
    struct weir_buf frame;
    size_t batch_at, batch_bytes, partition_at;
    int32_t records;
    bool is_idempotent;
};

void drive_request_build(struct drive_request *request, const struct drive_options *options,
                         struct weir_uuid topic, int32_t records, int64_t producer_id);
/* Records that fit into a batch of the options' size, before compression; at least 1. */
int32_t drive_records_per_batch(const struct drive_options *options);
/* *sequence is the partition's; it is moved on. */
void drive_request_patch(struct drive_request *request, int32_t partition, int32_t *sequence);
void drive_request_done(struct drive_request *request);

/* Small requests gather in out and leave in one send; a long one is sent from where it lies, which
 * is not changed before all of it is gone. */
struct drive_sender {
    int fd;
    struct weir_buf out;
    size_t out_sent;
    const struct weir_buf *in_place;
    size_t in_place_sent;
};

/* False: the socket is full, nothing may be added before drive_flush() has said true. */
bool drive_add(struct drive_sender *sender, const struct weir_buf *frame);
bool drive_flush(struct drive_sender *sender);
void drive_sender_done(struct drive_sender *sender);

#define DRIVE_PRODUCE_VERSION 13
/* The error and the base offset of the one partition in the answer to a produce request. */
int16_t drive_produced(struct weir_slice frame, int64_t *out_base_offset);

/* --- drive_fetch.c: a consumer as the protocol has it: one fetch at a time, in a session. --- */
struct drive_consumer {
    int fd;
    struct bench_frames frames;
    struct weir_uuid topic;
    int32_t *partitions;
    int64_t *offsets;
    bool *is_changed; /* since the last request */
    int32_t count;
    int32_t session_id, session_epoch;
    int32_t fetch_bytes, max_wait_ms;
    struct weir_buf request;
    struct weir_arena arena;
    uint64_t bytes;
};

/* Told of each whole batch. */
typedef void (*drive_on_batch)(void *context, int64_t base_offset, int32_t records);

/* Partitions first, first + step, ... below the options' count, each from its start. */
void drive_consumer_init(struct drive_consumer *consumer, const struct drive_options *options,
                         struct weir_uuid topic, int32_t first, int32_t step);
void drive_consumer_ask(struct drive_consumer *consumer);
/* Takes the answer; true when there was one.  *out_bytes: of whole batches. */
bool drive_consumer_take(struct drive_consumer *consumer, drive_on_batch on_batch, void *context,
                         size_t *out_bytes);
void drive_consumer_done(struct drive_consumer *consumer);

/* --- The runs. --- */
void drive_run_produce(const struct drive_options *options, struct drive_result *result);
void drive_run_fetch(const struct drive_options *options, struct drive_result *result);
void drive_run_flow(const struct drive_options *options, struct drive_result *result);
