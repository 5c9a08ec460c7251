/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include "wire.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define ROOM_BYTES      (256u << 10)
#define ROOM_BYTES_MIN  (64u << 10)
#define FRAME_BYTES_MAX (200u << 20)

/* Bytes of the frame that begins at start, its length included; 0: not known yet. */
static size_t frame_bytes(const struct bench_frames *frames)
{
    if (frames->end - frames->start < 4)
        return 0;
    size_t bytes = (size_t)weir_get_u32(frames->data + frames->start) + 4;
    if (bytes > FRAME_BYTES_MAX)
        bench_fail("a frame of impossible length");
    return bytes;
}

static void move_to_front(struct bench_frames *frames)
{
    if (frames->start > 0)
        memmove(frames->data, frames->data + frames->start, frames->end - frames->start);
    frames->end -= frames->start;
    frames->start = 0;
}

static void grow(struct bench_frames *frames, size_t capacity)
{
    uint8_t *data = weir_realloc(frames->data, capacity);
    if (data == NULL)
        bench_fail("out of memory");
    frames->data = data;
    frames->capacity = capacity;
}

/* Long frames are received exactly to their end: what follows then starts at the front and is never
 * moved. */
static size_t room(struct bench_frames *frames)
{
    size_t wanted = frame_bytes(frames);
    if (frames->start == frames->end)
        frames->start = frames->end = 0;
    if (frames->start + wanted > frames->capacity ||
        frames->capacity - frames->end < ROOM_BYTES_MIN)
        move_to_front(frames);
    if (wanted > frames->capacity || frames->capacity == 0)
        grow(frames, wanted > ROOM_BYTES ? wanted : ROOM_BYTES);
    if (wanted > ROOM_BYTES)
        return frames->start + wanted - frames->end;
    size_t left = frames->capacity - frames->end;
    return left < ROOM_BYTES ? left : ROOM_BYTES;
}

ssize_t bench_frames_fill(struct bench_frames *frames, int fd)
{
    size_t size = room(frames);
    ssize_t got = recv(fd, frames->data + frames->end, size, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    frames->end += (size_t)got;
    return got;
}

bool bench_frames_next(struct bench_frames *frames, struct weir_slice *out)
{
    size_t bytes = frame_bytes(frames);
    if (bytes == 0 || frames->end - frames->start < bytes)
        return false;
    *out = weir_slice_of(frames->data + frames->start + 4, bytes - 4);
    frames->start += bytes;
    return true;
}

void bench_frames_done(struct bench_frames *frames)
{
    weir_free(frames->data);
    *frames = (struct bench_frames){0};
}
