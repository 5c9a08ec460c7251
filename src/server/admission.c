/* SPDX-License-Identifier: Apache-2.0 */
#include "admission.h"

#include "weir/base/assert.h"
#include "weir/base/memory.h"

#include <stdio.h>

struct address_count {
    char host[WEIR_HOST_BYTES];
    int32_t count;
};

enum weir_status admission_init(struct admission *admission,
                                const struct weir_server_options *options)
{
    *admission = (struct admission){.options = options};
    weir_lock_init(&admission->lock, WEIR_LOCK_RANK_LEAF);
    admission->per_listener =
        weir_calloc(options->listener_count, sizeof(*admission->per_listener));
    return admission->per_listener == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

void admission_done(struct admission *admission)
{
    WEIR_ASSERT(admission->per_address.count == 0);
    weir_map_done(&admission->per_address);
    weir_free(admission->per_listener);
    weir_lock_done(&admission->lock);
}

static int32_t address_limit(const struct weir_server_options *options, const char *host)
{
    for (size_t i = 0; i < options->ip_limit_count; i++) {
        if (strcmp(options->ip_limits[i].host, host) == 0)
            return options->ip_limits[i].connections_max;
    }
    return options->connections_per_ip_max;
}

static const char *enter_address(struct admission *admission, const char *host, int32_t *out_limit)
{
    struct address_count *address = weir_map_get(&admission->per_address, weir_slice_str(host));
    int32_t limit = address_limit(admission->options, host);
    if ((address == NULL ? 0 : address->count) >= limit) {
        *out_limit = limit;
        return "max.connections.per.ip";
    }
    if (address == NULL) {
        address = weir_calloc(1, sizeof(*address));
        if (address == NULL)
            return "memory";
        (void)snprintf(address->host, sizeof(address->host), "%s", host); /* hosts have this size */
        if (weir_map_put(&admission->per_address, weir_slice_str(address->host), address, NULL) !=
            WEIR_OK) {
            weir_free(address);
            return "memory";
        }
    }
    address->count++;
    return NULL;
}

static const char *enter(struct admission *admission, size_t listener, const char *host,
                         int32_t *out_limit)
{
    const struct weir_server_options *options = admission->options;
    int32_t listener_max = options->listeners[listener].connections_max;
    *out_limit = 0;
    if (admission->total >= options->connections_max) {
        *out_limit = options->connections_max;
        return "max.connections";
    }
    if (listener_max > 0 && admission->per_listener[listener] >= listener_max) {
        *out_limit = listener_max;
        return "listener.name.<name>.max.connections";
    }
    const char *reached = enter_address(admission, host, out_limit);
    if (reached == NULL) {
        admission->total++;
        admission->per_listener[listener]++;
    }
    return reached;
}

const char *admission_enter(struct admission *admission, size_t listener, const char *host,
                            int32_t *out_limit)
{
    weir_lock_take(&admission->lock);
    const char *reached = enter(admission, listener, host, out_limit);
    weir_lock_release(&admission->lock);
    return reached;
}

void admission_leave(struct admission *admission, size_t listener, const char *host)
{
    weir_lock_take(&admission->lock);
    struct address_count *address = weir_map_get(&admission->per_address, weir_slice_str(host));
    WEIR_ASSERT(address != NULL && address->count > 0);
    if (--address->count == 0) {
        (void)weir_map_remove(&admission->per_address, weir_slice_str(address->host));
        weir_free(address);
    }
    admission->total--;
    admission->per_listener[listener]--;
    weir_lock_release(&admission->lock);
}

int32_t admission_total(struct admission *admission)
{
    weir_lock_take(&admission->lock);
    int32_t total = admission->total;
    weir_lock_release(&admission->lock);
    return total;
}
