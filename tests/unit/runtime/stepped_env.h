/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The real files under a clock that stands until the test steps it.  For tests that need no more
 * than this; the whole false world is in tests/sim. */

#include "weir/runtime/env.h"

struct stepped_env {
    struct weir_env env;
    struct weir_env_ops ops;
    int64_t now_ns;
};

static inline int64_t stepped_monotonic_ns(void *context)
{
    return ((struct stepped_env *)context)->now_ns;
}

static inline int64_t stepped_wall_ms(void *context)
{
    return ((struct stepped_env *)context)->now_ns / 1000000;
}

static inline void stepped_env_init(struct stepped_env *stepped)
{
    stepped->ops = *weir_env_posix()->ops;
    stepped->ops.monotonic_ns = stepped_monotonic_ns;
    stepped->ops.wall_ms = stepped_wall_ms;
    stepped->now_ns = 1000000000;
    stepped->env = (struct weir_env){.ops = &stepped->ops, .context = stepped};
}

static inline void stepped_env_step_ms(struct stepped_env *stepped, int64_t ms)
{
    stepped->now_ns += ms * 1000000;
}

static inline int stepped_no_fd(void *context, struct weir_file *file)
{
    (void)context;
    (void)file;
    return -1;
}

/* As on the tests' disk: no sendfile, no mmap. */
static inline void stepped_env_hide_descriptors(struct stepped_env *stepped)
{
    stepped->ops.native_fd = stepped_no_fd;
}
