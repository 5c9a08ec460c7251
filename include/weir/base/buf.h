/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growing byte buffer with a maximum.  Sticky: after the first failed append nothing more is
 * added and weir_buf_status() tells why, so callers check once at the end.  Zero-initialised is an
 * empty buffer without a limit. Owned by one thread at a time.
 */

#include "weir/base/slice.h"
#include "weir/base/status.h"

struct weir_buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t limit_bytes; /* 0: none */
    enum weir_status status;
};

void weir_buf_init(struct weir_buf *buf, size_t limit_bytes);
void weir_buf_done(struct weir_buf *buf);

/* Empty again, status OK, memory kept. */
void weir_buf_clear(struct weir_buf *buf);

/* Room for size more bytes at the end, already counted in buf->size; NULL on failure (and the
 * status is set). The pointer is valid until the next call. */
uint8_t *weir_buf_extend(struct weir_buf *buf, size_t size);

void weir_buf_append(struct weir_buf *buf, const void *data, size_t size);
void weir_buf_append_slice(struct weir_buf *buf, struct weir_slice slice);
void weir_buf_append_str(struct weir_buf *buf, const char *text);
void weir_buf_printf(struct weir_buf *buf, const char *format, ...) WEIR_PRINTF(2, 3);

static inline struct weir_slice weir_buf_slice(const struct weir_buf *buf)
{
    return buf->data == NULL ? WEIR_EMPTY_SLICE : weir_slice_of(buf->data, buf->size);
}

static inline enum weir_status weir_buf_status(const struct weir_buf *buf)
{
    return buf->status;
}
