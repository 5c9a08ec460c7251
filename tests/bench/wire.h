/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A Kafka client's wire for the load programs: blocking, one request at a time or several before
 * their answers.  What goes wrong ends the program with a sentence on stderr and exit code 1.
 */

#include "weir/base/arena.h"
#include "weir/base/buf.h"
#include "weir/base/slice.h"
#include "weir/protocol/api_keys.h"

_Noreturn void bench_fail(const char *what);

/* The server may be starting: tries for a while. */
int bench_connect(const char *host, const char *port);
void bench_send(int fd, struct weir_slice bytes);
/* One response frame into the buffer, without its length. */
void bench_receive(int fd, struct weir_buf *frame);
/* A whole request frame: length, header of version 1 or 2, body. */
void bench_encode(struct weir_buf *frame, enum weir_api_key key, int16_t version, const void *body);
/* The body of a received frame, into the struct of the API's response; the arena is reset first and
 * holds what it points to. */
void bench_read(struct weir_buf *frame, enum weir_api_key key, int16_t version,
                struct weir_arena *arena, void *out);
