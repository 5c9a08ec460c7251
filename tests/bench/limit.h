/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The parts of the limit server (limit.c): one thread, and one more that syncs when asked to.  It
 * trusts what it is sent; it is no broker.  What goes wrong ends the program.
 */

#include "frames.h"

#include "weir/base/buf.h"
#include "weir/base/uuid.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define LIMIT_TOPICS_MAX 64

/* Where a batch begins. */
struct limit_place {
    int64_t offset;
    int64_t file_pos;
};

struct limit_partition {
    int fd;
    int64_t next_offset;
    int64_t size;    /* of the file, with what this turn appended */
    int64_t written; /* what may be read; behind size until the turn's end, and until the sync with
                        flushing */
    int64_t visible_offset;
    int64_t allocated; /* fallocate()d up to here */
    struct limit_place *places;
    size_t place_count, place_max;
    struct iovec *pieces; /* of this turn */
    size_t piece_count, piece_max;
    bool is_dirty;
    struct limit_partition *next_dirty;
};

struct limit_topic {
    char name[250];
    int32_t partition_count; /* 0: a free place */
    struct limit_partition *partitions;
};

/* A part of the output: bytes of the buffer, or a range of a file when fd is not -1. */
struct limit_piece {
    int fd;
    int64_t at;
    int64_t size;
};

struct limit_connection {
    int fd;
    bool is_touched, wants_out, is_waiting, is_closed;
    struct limit_connection *next_touched;
    struct bench_frames frames;
    struct weir_buf out;
    struct limit_piece *pieces;
    size_t piece_count, piece_max, piece_done;
    /* Answers that wait for a sync, and how many of their bytes the sync that runs will release. */
    struct weir_buf held;
    size_t held_by_sync;
    /* The fetch that waits for data. */
    struct weir_buf waiting;
    int64_t waiting_until_ns;
    size_t waiting_index;
};

struct limit_server {
    const char *dir;
    bool is_flushing;
    int epoll;
    struct limit_topic topics[LIMIT_TOPICS_MAX];
    struct limit_partition *dirty;
    struct limit_connection *touched;
    struct limit_connection **waiting;
    size_t waiting_count, waiting_max;
    int64_t next_producer_id;
    struct limit_sync *sync;
};

/* --- limit_log.c --- */
struct limit_topic *limit_topic_by_name(struct limit_server *server, const char *name, size_t size);
struct limit_partition *limit_partition_by_id(struct limit_server *server, const uint8_t id[16],
                                              int32_t index);
struct weir_uuid limit_topic_id(const struct limit_server *server, const struct limit_topic *topic);
void limit_topic_create(struct limit_server *server, struct limit_topic *topic, int32_t partitions);
void limit_topic_delete(struct limit_topic *topic);
/* Checks the batch's CRC and gives it its offset, in place; written at the turn's end.  The base
 * offset. */
int64_t limit_append(struct limit_server *server, struct limit_partition *partition, uint8_t *batch,
                     size_t size);
/* One pwritev for each partition with something new. */
void limit_write_all(struct limit_server *server);
/* Where the batch with this offset begins; the end of what may be read when there is none. */
int64_t limit_find(const struct limit_partition *partition, int64_t offset);

/* --- limit_api.c --- */
/* Answers the request, or lets it wait.  The frame may be changed. */
void limit_handle(struct limit_server *server, struct limit_connection *connection,
                  struct weir_slice frame);
/* Tries the fetch that waits again; true when it was answered. */
bool limit_retry(struct limit_server *server, struct limit_connection *connection, bool is_late);

/* --- limit.c --- */
/* The connection's output is looked at before the turn ends. */
void limit_touch(struct limit_server *server, struct limit_connection *connection);
/* The last bytes of out, so many, are to be sent; and so much of a file. */
void limit_out_bytes(struct limit_connection *connection, size_t size);
void limit_out_file(struct limit_connection *connection, int fd, int64_t at, int64_t size);
void limit_wait(struct limit_server *server, struct limit_connection *connection,
                struct weir_slice frame, int32_t max_wait_ms);
