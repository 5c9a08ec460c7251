/* SPDX-License-Identifier: Apache-2.0 */
#include "advertise_int.h"
#include "broker_int.h"

#include "weir/base/memory.h"

static const struct weir_config_advertised *advertised_of(const struct weir_config *config,
                                                          const char *name)
{
    for (size_t i = 0; i < config->advertised_count; i++) {
        if (strcmp(config->advertised[i].name, name) == 0)
            return &config->advertised[i];
    }
    return NULL;
}

/* Names now, ports once the sockets are open. */
static enum weir_status new_api_listeners(struct weir_broker *broker)
{
    const struct weir_config *config = broker->config;
    broker->api_listeners = weir_calloc(config->listener_count, sizeof(*broker->api_listeners));
    if (broker->api_listeners == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct weir_config_advertised *advertised =
            advertised_of(config, config->listeners[i].name);
        broker->api_listeners[i].name = weir_slice_str(config->listeners[i].name);
        if (advertised != NULL)
            broker->api_listeners[i].advertised_host = weir_slice_str(advertised->host);
    }
    return WEIR_OK;
}

static void set_ports(struct weir_broker *broker)
{
    const struct weir_config *config = broker->config;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct weir_config_advertised *advertised =
            advertised_of(config, config->listeners[i].name);
        bool has_port = advertised != NULL && advertised->port != 0;
        broker->api_listeners[i].port =
            has_port ? advertised->port : weir_server_port(broker->server, i);
    }
}

static enum weir_status new_api(struct weir_broker *broker)
{
    struct weir_api_options options = {
        .env = broker->env,
        .log = broker->log,
        .pool = broker->pool,
        .publisher = broker->publisher,
        .controller = broker->controller,
        .replicas = broker->replicas,
        .logs = broker->logs,
        .mover = broker->mover,
        .groups = broker->groups,
        .txns = broker->txns,
        .shares = broker->shares,
        .share_partitions = broker->share_partitions,
        .markers = broker->markers,
        .statics = &broker->config->statics,
        .cluster_id = broker->cluster_id,
        .node_id = broker->config->node_id,
        .listeners = broker->api_listeners,
        .listener_count = broker->config->listener_count,
        .fetch_session_slots = (size_t)broker->config->fetch_session_slots_max,
    };
    return weir_api_new(&options, &broker->api);
}

static size_t clamp_size(int64_t value)
{
    return value < 0 ? 0 : (size_t)value;
}

static enum weir_status new_server(struct weir_broker *broker, struct weir_detail *detail)
{
    const struct weir_config *config = broker->config;
    struct weir_server_listener *listeners =
        weir_calloc(config->listener_count, sizeof(*listeners));
    struct weir_server_ip_limit *limits = weir_calloc(config->ip_limit_count, sizeof(*limits));
    broker->server_listeners = listeners;
    broker->server_ip_limits = limits;
    if (listeners == NULL || limits == NULL)
        return WEIR_NO_MEMORY;
    for (size_t i = 0; i < config->listener_count; i++) {
        listeners[i] =
            (struct weir_server_listener){.name = config->listeners[i].name,
                                          .host = config->listeners[i].host,
                                          .port = config->listeners[i].port,
                                          .connections_max = config->listeners[i].connections_max};
    }
    for (size_t i = 0; i < config->ip_limit_count; i++)
        limits[i] =
            (struct weir_server_ip_limit){.host = config->ip_limits[i].host,
                                          .connections_max = config->ip_limits[i].connections_max};
    struct weir_server_options options = {
        .env = broker->env,
        .log = broker->log,
        .listeners = listeners,
        .listener_count = config->listener_count,
        .loop_count = (unsigned)config->network_threads,
        .dispatch = weir_api_dispatch(broker->api),
        .request_bytes_max = clamp_size(config->socket_request_bytes_max),
        .request_bytes_total_max = clamp_size(config->queued_request_bytes_max),
        .response_bytes_total_max = clamp_size(config->queued_response_bytes_max),
        .connections_max = broker->open_files.connections,
        .connections_per_ip_max = config->connections_per_ip_max,
        .ip_limits = limits,
        .ip_limit_count = config->ip_limit_count,
        .idle_ms = config->connections_idle_ms_max,
        .send_buffer_bytes = config->socket_send_buffer_bytes,
        .receive_buffer_bytes = config->socket_receive_buffer_bytes,
        .listen_backlog = config->socket_listen_backlog,
    };
    return weir_server_new(&options, &broker->server, detail);
}

enum weir_status weir_broker_serve(struct weir_broker *broker, struct weir_detail *detail)
{
    enum weir_status status = new_api_listeners(broker);
    if (status == WEIR_OK)
        status = new_api(broker);
    if (status == WEIR_OK)
        status = new_server(broker, detail);
    if (status == WEIR_OK)
        status = weir_server_listen(broker->server, detail);
    if (status != WEIR_OK)
        return status;
    set_ports(broker);
    /* Registered before the first request can arrive, so that no client sees a cluster without a
     * broker. */
    status = weir_broker_register(broker, detail);
    if (status == WEIR_OK)
        status = weir_server_start(broker->server, detail);
    if (status != WEIR_OK || broker->config->advertised_count == 0)
        return status;
    return weir_advertise_check(broker->pool, broker->env, broker->log, broker->config->advertised,
                                broker->config->advertised_count);
}
