/* SPDX-License-Identifier: Apache-2.0 */

/*
 * listeners, advertised.listeners and what hangs on them.  An entry is NAME://host:port; the name
 * is an entry of listener.security.protocol.map, the host may be empty (every address) or an IPv6
 * address in brackets.
 */

#include "config_int.h"

#include "weir/base/limits.h"

#include <arpa/inet.h>

#define LISTENERS_MAX 64

struct endpoint {
    const char *name;
    const char *host;
    uint16_t port;
};

struct endpoints {
    struct endpoint items[LISTENERS_MAX];
    size_t count;
};

struct mapping {
    const char *name;
    enum weir_config_protocol protocol;
};

struct listener_state {
    struct config_loader *loader;
    struct endpoints listeners;
    struct endpoints advertised;
    struct mapping map[LISTENERS_MAX];
    size_t map_count;
    const char *controllers[LISTENERS_MAX]; /* controller.listener.names */
    size_t controller_count;
    size_t broker_count; /* listeners for clients */
};

static const char *const protocol_names[] = {
    [WEIR_CONFIG_PLAINTEXT] = "PLAINTEXT",
    [WEIR_CONFIG_SSL] = "SSL",
    [WEIR_CONFIG_SASL_PLAINTEXT] = "SASL_PLAINTEXT",
    [WEIR_CONFIG_SASL_SSL] = "SASL_SSL",
};

#define PROTOCOL_COUNT WEIR_ARRAY_COUNT(protocol_names)

/* Kafka compares listener names in capitals. */
static const char *copy_capital(struct config_loader *loader, struct weir_slice text)
{
    char *copy = config_alloc(loader, text.size + 1, 1);
    if (copy == NULL)
        return "";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        copy[i] = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return copy;
}

static bool is_host_character(uint8_t c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') || (c != '\0' && strchr("-%._:", c) != NULL);
}

/* The host of "host:port", without brackets; false when it is none. */
static bool parse_host(struct config_loader *loader, struct weir_slice text, const char **out)
{
    bool has_bracket = text.size > 0 && text.data[0] == '[';
    if (has_bracket) {
        if (text.size < 2 || text.data[text.size - 1] != ']')
            return false;
        text = weir_slice_of(text.data + 1, text.size - 2);
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_host_character(text.data[i]))
            return false;
    }
    const char *host = config_copy(loader, text);
    if (host == NULL)
        return false;
    struct in6_addr address;
    bool has_colon = strchr(host, ':') != NULL;
    /* A zone ("%eth0") is the resolver's business. */
    if (has_colon && strchr(host, '%') == NULL && inet_pton(AF_INET6, host, &address) != 1)
        return false;
    *out = host;
    return true;
}

/* Splits at the last colon; false when there is none or the number is not a port. */
static bool split_port(struct weir_slice text, struct weir_slice *out_host, uint16_t *out_port)
{
    size_t at = text.size;
    while (at > 0 && text.data[at - 1] != ':')
        at--;
    int64_t port;
    if (at == 0 || !weir_config_parse_i64(weir_slice_of(text.data + at, text.size - at), &port))
        return false;
    if (port < 0 || port > UINT16_MAX)
        return false;
    *out_host = weir_slice_of(text.data, at - 1);
    *out_port = (uint16_t)port;
    return true;
}

static bool parse_endpoint(struct config_loader *loader, struct weir_slice text,
                           struct endpoint *out)
{
    const uint8_t *mark = text.size < 3 ? NULL : memmem(text.data, text.size, "://", 3);
    if (mark == NULL || mark == text.data)
        return false;
    size_t name_size = (size_t)(mark - text.data);
    struct weir_slice address = weir_slice_of(mark + 3, text.size - name_size - 3);
    struct weir_slice host;
    if (!split_port(address, &host, &out->port) || !parse_host(loader, host, &out->host))
        return false;
    out->name = copy_capital(loader, weir_slice_of(text.data, name_size));
    return true;
}

static void parse_endpoints(struct config_loader *loader, const char *key, struct endpoints *out)
{
    struct weir_slice rest = config_text(loader, key);
    struct weir_slice text;
    while (weir_config_list_next(&rest, &text)) {
        struct endpoint endpoint = {0};
        if (out->count == LISTENERS_MAX) {
            config_remark(loader, WEIR_CONFIG_PROBLEM, "'%s' has more than %d entries.", key,
                          LISTENERS_MAX);
            return;
        }
        if (parse_endpoint(loader, text, &endpoint))
            out->items[out->count++] = endpoint;
        else
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%.*s' in '%s' is not of the form NAME://host:port (a port is 0 to "
                          "65535, an IPv6 address "
                          "stands in brackets).",
                          text.size > 200 ? 200 : (int)text.size, (const char *)text.data, key);
    }
}

static const struct endpoint *find_endpoint(const struct endpoints *endpoints, const char *name)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        if (strcmp(endpoints->items[i].name, name) == 0)
            return &endpoints->items[i];
    }
    return NULL;
}

/* ---- listener.security.protocol.map ---- */

static const struct mapping *find_mapping(const struct listener_state *state, const char *name)
{
    for (size_t i = 0; i < state->map_count; i++) {
        if (strcmp(state->map[i].name, name) == 0)
            return &state->map[i];
    }
    return NULL;
}

static void add_mapping(struct listener_state *state, const char *name,
                        enum weir_config_protocol protocol)
{
    if (state->map_count < LISTENERS_MAX)
        state->map[state->map_count++] = (struct mapping){name, protocol};
}

static bool parse_protocol(const char *name, enum weir_config_protocol *out)
{
    for (size_t i = 0; i < PROTOCOL_COUNT; i++) {
        if (strcmp(protocol_names[i], name) == 0) {
            *out = (enum weir_config_protocol)i;
            return true;
        }
    }
    return false;
}

static void parse_map(struct listener_state *state)
{
    struct config_loader *loader = state->loader;
    struct weir_slice rest = config_text(loader, "listener.security.protocol.map");
    struct weir_slice text;
    while (weir_config_list_next(&rest, &text)) {
        const uint8_t *colon = text.size == 0 ? NULL : memchr(text.data, ':', text.size);
        size_t size = colon == NULL ? 0 : (size_t)(colon - text.data);
        enum weir_config_protocol protocol;
        const char *name = copy_capital(loader, weir_slice_of(text.data, size));
        if (size == 0 ||
            !parse_protocol(copy_capital(loader, weir_slice_of(colon + 1, text.size - size - 1)),
                            &protocol))
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%.*s' in 'listener.security.protocol.map' is not of the form "
                          "NAME:PROTOCOL with one of "
                          "PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL.",
                          text.size > 200 ? 200 : (int)text.size, (const char *)text.data);
        else if (find_mapping(state, name) != NULL)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'listener.security.protocol.map' maps '%s' twice.", name);
        else
            add_mapping(state, name, protocol);
    }
}

static bool is_controller(const struct listener_state *state, const char *name)
{
    for (size_t i = 0; i < state->controller_count; i++) {
        if (strcmp(state->controllers[i], name) == 0)
            return true;
    }
    return false;
}

/* Kafka's convenience for KRaft: without a map of one's own, and while nobody uses TLS or SASL, the
 * listeners of the controller are plaintext. */
static void map_controllers(struct listener_state *state)
{
    enum weir_config_protocol protocol;
    if (config_is_set(state->loader, "listener.security.protocol.map"))
        return;
    for (size_t i = 0; i < state->listeners.count; i++) {
        if (parse_protocol(state->listeners.items[i].name, &protocol) &&
            protocol != WEIR_CONFIG_PLAINTEXT)
            return;
    }
    for (size_t i = 0; i < state->controller_count; i++) {
        if (find_mapping(state, state->controllers[i]) == NULL)
            add_mapping(state, state->controllers[i], WEIR_CONFIG_PLAINTEXT);
    }
}

static void parse_controllers(struct listener_state *state)
{
    struct config_loader *loader = state->loader;
    struct weir_slice rest = config_text(loader, "controller.listener.names");
    struct weir_slice text;
    while (state->controller_count < LISTENERS_MAX && weir_config_list_next(&rest, &text)) {
        const char *name = copy_capital(loader, text);
        state->controllers[state->controller_count++] = name;
        if (config_is_set(loader, "controller.listener.names") &&
            find_endpoint(&state->listeners, name) == NULL)
            config_remark(
                loader, WEIR_CONFIG_PROBLEM,
                "'controller.listener.names' names '%s', which 'listeners' does not have.", name);
    }
}

/* ---- Rules about the whole list ---- */

/* 4 or 6 for an address, 0 for a name or nothing. */
static int address_family(const char *host)
{
    struct in6_addr address;
    if (inet_pton(AF_INET, host, &address) == 1)
        return 4;
    return inet_pton(AF_INET6, host, &address) == 1 ? 6 : 0;
}

static void check_listener_pair(struct config_loader *loader, const struct endpoint *a,
                                const struct endpoint *b)
{
    if (strcmp(a->name, b->name) == 0)
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'listeners' has two listeners called '%s'.",
                      a->name);
    if (a->port != b->port || a->port == 0)
        return;
    int families = address_family(a->host) + address_family(b->host);
    if (families != 4 + 6) /* 4 + 4, 6 + 6 and everything with a name cannot make ten */
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'listeners' has port %u for '%s' and '%s'; this is possible only for an "
                      "IPv4 and an IPv6 address.",
                      (unsigned)a->port, a->name, b->name);
}

static void check_listeners(struct listener_state *state)
{
    struct config_loader *loader = state->loader;
    for (size_t i = 0; i < state->listeners.count; i++) {
        const struct endpoint *listener = &state->listeners.items[i];
        const struct mapping *mapping = find_mapping(state, listener->name);
        for (size_t j = 0; j < i; j++)
            check_listener_pair(loader, &state->listeners.items[j], listener);
        if (mapping == NULL)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "Listener '%s' has no entry in 'listener.security.protocol.map', for "
                          "example %s:PLAINTEXT.",
                          listener->name, listener->name);
        if (is_controller(state, listener->name))
            continue;
        state->broker_count++;
        if (mapping != NULL && mapping->protocol != WEIR_CONFIG_PLAINTEXT)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "Listener '%s' uses %s, which weir does not have yet; only PLAINTEXT "
                          "listeners can be opened.",
                          listener->name, protocol_names[mapping->protocol]);
    }
    bool was_parsed = state->listeners.count > 0;
    if (was_parsed && state->broker_count == 0)
        config_remark(
            loader, WEIR_CONFIG_PROBLEM,
            "'listeners' has no listener for clients: all are in 'controller.listener.names'.");
    if (config_text(loader, "listeners").size == 0 && config_is_set(loader, "listeners"))
        config_remark(loader, WEIR_CONFIG_PROBLEM, "'listeners' is empty.");
}

static void check_advertised(struct listener_state *state)
{
    struct config_loader *loader = state->loader;
    for (size_t i = 0; i < state->advertised.count; i++) {
        const struct endpoint *endpoint = &state->advertised.items[i];
        if (find_endpoint(&state->listeners, endpoint->name) == NULL)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'advertised.listeners' names '%s', which 'listeners' does not have.",
                          endpoint->name);
        if (strcmp(endpoint->host, "0.0.0.0") == 0)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'advertised.listeners' has 0.0.0.0 for '%s', which no client can "
                          "connect to; give an address "
                          "or a name, or leave the key out.",
                          endpoint->name);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(state->advertised.items[j].name, endpoint->name) == 0)
                config_remark(loader, WEIR_CONFIG_PROBLEM, "'advertised.listeners' has '%s' twice.",
                              endpoint->name);
        }
    }
}

static void choose_inter_broker(struct listener_state *state)
{
    struct config_loader *loader = state->loader;
    bool is_named = config_is_set(loader, "inter.broker.listener.name");
    if (is_named && config_is_set(loader, "security.inter.broker.protocol")) {
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "Only one of 'inter.broker.listener.name' and "
                      "'security.inter.broker.protocol' can be set.");
        return;
    }
    struct weir_slice text = config_text(loader, is_named ? "inter.broker.listener.name"
                                                          : "security.inter.broker.protocol");
    const char *name = copy_capital(loader, text);
    loader->object->config.inter_broker_listener = name;
    const struct endpoints *among =
        state->advertised.count > 0 ? &state->advertised : &state->listeners;
    bool is_there = find_endpoint(among, name) != NULL && !is_controller(state, name);
    if (!is_there && state->broker_count > 0 && text.size > 0)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "The listener between brokers is '%s', which %s does not have; set "
                      "'inter.broker.listener.name' "
                      "to one that is there.",
                      name, state->advertised.count > 0 ? "'advertised.listeners'" : "'listeners'");
}

/* ---- Limits of one listener ---- */

static int32_t listener_limit(struct config_loader *loader, const char *name, const char *limit)
{
    static const char prefix[] = "listener.name.";
    for (size_t i = 0; i < loader->count; i++) {
        const struct setting *setting = &loader->settings[i];
        if (setting->is_dropped || strncmp(setting->name, prefix, sizeof(prefix) - 1) != 0)
            continue;
        const char *rest = setting->name + sizeof(prefix) - 1;
        size_t size = strlen(name);
        if (strncasecmp(rest, name, size) != 0 || rest[size] != '.' ||
            strcmp(rest + size + 1, limit) != 0)
            continue;
        int64_t value;
        if (weir_config_parse_i64(weir_slice_str(setting->value), &value) && value >= 0 &&
            value <= INT32_MAX)
            return (int32_t)value;
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'%s=%s': not a number of type INT that is at least 0.", setting->name,
                      setting->value);
    }
    return INT32_MAX;
}

/* A limit for a listener that is not there would do nothing. */
static void check_limit_names(struct listener_state *state)
{
    static const char prefix[] = "listener.name.";
    for (size_t i = 0; i < state->loader->count; i++) {
        const char *key = state->loader->settings[i].name;
        if (strncmp(key, prefix, sizeof(prefix) - 1) != 0)
            continue;
        const char *name = key + sizeof(prefix) - 1;
        bool is_known = false;
        for (size_t j = 0; j < state->listeners.count && !is_known; j++) {
            size_t size = strlen(state->listeners.items[j].name);
            is_known =
                strncasecmp(name, state->listeners.items[j].name, size) == 0 && name[size] == '.';
        }
        if (!is_known)
            config_remark(state->loader, WEIR_CONFIG_PROBLEM,
                          "'%s' is for a listener that 'listeners' does not have.", key);
    }
}

/* ---- The result ---- */

static void fill(struct listener_state *state)
{
    struct config_loader *loader = state->loader;
    struct weir_config *config = &loader->object->config;
    struct weir_config_listener *listeners =
        config_alloc(loader, state->listeners.count + 1, sizeof(*listeners));
    struct weir_config_listener *controllers =
        config_alloc(loader, state->listeners.count + 1, sizeof(*controllers));
    struct weir_config_advertised *advertised =
        config_alloc(loader, state->advertised.count + 1, sizeof(*advertised));
    if (listeners == NULL || controllers == NULL || advertised == NULL)
        return;
    config->listeners = listeners;
    config->controller_listeners = controllers;
    config->advertised = advertised;
    for (size_t i = 0; i < state->listeners.count; i++) {
        const struct endpoint *endpoint = &state->listeners.items[i];
        const struct mapping *mapping = find_mapping(state, endpoint->name);
        struct weir_config_listener listener = {
            .name = endpoint->name,
            .host = endpoint->host,
            .port = endpoint->port,
            .protocol = mapping == NULL ? WEIR_CONFIG_PLAINTEXT : mapping->protocol,
            .connections_max = listener_limit(loader, endpoint->name, "max.connections"),
            .connection_creation_rate_max =
                listener_limit(loader, endpoint->name, "max.connection.creation.rate"),
        };
        if (is_controller(state, endpoint->name))
            controllers[config->controller_listener_count++] = listener;
        else
            listeners[config->listener_count++] = listener;
    }
    for (size_t i = 0; i < state->advertised.count; i++) {
        const struct endpoint *endpoint = &state->advertised.items[i];
        if (!is_controller(state, endpoint->name))
            advertised[config->advertised_count++] = (struct weir_config_advertised){
                .name = endpoint->name,
                .host = endpoint->host[0] == '\0' ? NULL : endpoint->host,
                .port = endpoint->port};
    }
}

void config_fill_listeners(struct config_loader *loader)
{
    struct listener_state state = {.loader = loader};
    parse_endpoints(loader, "listeners", &state.listeners);
    parse_endpoints(loader, "advertised.listeners", &state.advertised);
    parse_map(&state);
    parse_controllers(&state);
    map_controllers(&state);
    check_listeners(&state);
    check_advertised(&state);
    choose_inter_broker(&state);
    check_limit_names(&state);
    fill(&state);
    const struct weir_config *config = &loader->object->config;
    for (size_t i = 0; i < config->controller_listener_count; i++)
        config_remark(
            loader, WEIR_CONFIG_NOTICE,
            "The controller listener '%s' is not opened: this node is the only controller.",
            config->controller_listeners[i].name);
}

void config_tell_creation_rates(struct config_loader *loader)
{
    const struct weir_config *config = &loader->object->config;
    bool is_asked = config->connection_creation_rate_max != INT32_MAX;
    for (size_t i = 0; i < config->listener_count; i++)
        is_asked = is_asked || config->listeners[i].connection_creation_rate_max != INT32_MAX;
    if (is_asked)
        config_remark(loader, WEIR_CONFIG_WARNING,
                      "max.connection.creation.rate has no effect: weir does not limit how fast "
                      "connections are made yet.");
}
