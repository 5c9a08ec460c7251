/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How many connections there are, in all, per listener and per address, and whether one more may
 * come.  Thread-safe: connections are accepted on one loop and end on all.
 */

#include "weir/base/map.h"
#include "weir/runtime/lock.h"
#include "weir/server/server.h"

struct admission {
    struct weir_lock lock; /* guards all below */
    const struct weir_server_options *options;
    int32_t total;
    int32_t *per_listener;
    struct weir_map per_address; /* of struct address_count, keyed by its own host */
};

WEIR_MUST_CHECK enum weir_status admission_init(struct admission *admission,
                                                const struct weir_server_options *options);
void admission_done(struct admission *admission);

/* NULL when it may come, and is counted until admission_leave; otherwise the config key whose limit
 * is reached, or "memory".  *out_limit is that limit. */
const char *admission_enter(struct admission *admission, size_t listener, const char *host,
                            int32_t *out_limit);
void admission_leave(struct admission *admission, size_t listener, const char *host);
int32_t admission_total(struct admission *admission);
