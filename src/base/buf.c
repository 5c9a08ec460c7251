/* SPDX-License-Identifier: Apache-2.0 */
#include "weir/base/buf.h"

#include "weir/base/limits.h"
#include "weir/base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CAPACITY_MIN 256u

void weir_buf_init(struct weir_buf *buf, size_t limit_bytes)
{
    *buf = (struct weir_buf){.limit_bytes = limit_bytes};
}

void weir_buf_done(struct weir_buf *buf)
{
    weir_free(buf->data);
    *buf = (struct weir_buf){.limit_bytes = buf->limit_bytes};
}

void weir_buf_clear(struct weir_buf *buf)
{
    buf->size = 0;
    buf->status = WEIR_OK;
}

static bool make_room(struct weir_buf *buf, size_t needed)
{
    size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
    while (capacity < needed) {
        if (!weir_mul_size(capacity, 2, &capacity)) {
            buf->status = WEIR_NO_MEMORY;
            return false;
        }
    }
    uint8_t *grown = weir_realloc(buf->data, capacity);
    if (grown == NULL) {
        buf->status = WEIR_NO_MEMORY;
        return false;
    }
    buf->data = grown;
    buf->capacity = capacity;
    return true;
}

uint8_t *weir_buf_extend(struct weir_buf *buf, size_t size)
{
    size_t needed;
    if (buf->status != WEIR_OK)
        return NULL;
    if (!weir_add_size(buf->size, size, &needed) ||
        (buf->limit_bytes != 0 && needed > buf->limit_bytes)) {
        buf->status = WEIR_LIMIT;
        return NULL;
    }
    if ((needed > buf->capacity || buf->data == NULL) && !make_room(buf, needed))
        return NULL;
    uint8_t *room = buf->data + buf->size;
    buf->size = needed;
    return room;
}

void weir_buf_append(struct weir_buf *buf, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *room = weir_buf_extend(buf, size);
    if (room != NULL)
        memcpy(room, data, size);
}

void weir_buf_append_slice(struct weir_buf *buf, struct weir_slice slice)
{
    weir_buf_append(buf, slice.data, slice.size);
}

void weir_buf_append_str(struct weir_buf *buf, const char *text)
{
    weir_buf_append(buf, text, strlen(text));
}

void weir_buf_printf(struct weir_buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) {
        buf->status = WEIR_INVALID;
        return;
    }
    /* One byte more for vsnprintf's NUL, which is not part of the content. */
    uint8_t *room = weir_buf_extend(buf, (size_t)size + 1);
    if (room == NULL)
        return;
    va_start(arguments, format);
    (void)vsnprintf((char *)room, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buf->size--;
}
