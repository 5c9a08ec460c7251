/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a connection received and nobody has read yet, frame by frame and in place.  The buffer
 * grows to the longest frame; slices of frames stay valid until the next fill.  Used by the
 * generator and by the limit server alike, so that neither has the better loop.
 */

#include "weir/base/slice.h"

#include <sys/types.h>

struct bench_frames {
    uint8_t *data;
    size_t start, end, capacity;
};

/* Receives once, as much as there is and fits.  Bytes received, 0 at the end of the stream, -1 when
 * nothing was there. */
ssize_t bench_frames_fill(struct bench_frames *frames, int fd);
/* The next whole frame without its length; false when there is none yet. */
bool bench_frames_next(struct bench_frames *frames, struct weir_slice *out);
void bench_frames_done(struct bench_frames *frames);
