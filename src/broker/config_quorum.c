/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the file says about the cluster.  weir is its own only controller for now, so the
 * server.properties of a single-node Apache Kafka (process.roles=broker,controller, itself the only
 * voter) is accepted as it is, and everything that would need a second node is refused: a broker
 * that quietly began a cluster of its own would lose data.
 */

#include "config_int.h"

static bool has_entry(struct weir_slice list, const char *wanted)
{
    struct weir_slice entry;
    while (weir_config_list_next(&list, &entry)) {
        if (weir_slice_is(entry, wanted))
            return true;
    }
    return false;
}

static void check_roles(struct config_loader *loader)
{
    struct weir_slice roles = config_text(loader, "process.roles");
    if (weir_slice_is_null(roles))
        return;
    bool is_broker = has_entry(roles, "broker");
    bool is_controller = has_entry(roles, "controller");
    if (is_broker && !is_controller)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'process.roles=broker' needs the controllers of another process, which weir "
                      "cannot join yet; only "
                      "broker,controller on one node is possible.");
    else if (!is_broker)
        config_remark(
            loader, WEIR_CONFIG_PROBLEM,
            "'process.roles' must contain broker: weir cannot be a controller alone yet.");
}

static void check_node_id(struct config_loader *loader)
{
    int64_t node_id, broker_id;
    if (config_i64(loader, "node.id", &node_id) && config_i64(loader, "broker.id", &broker_id) &&
        node_id != broker_id)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'node.id' and 'broker.id' must be the same when both are set.");
}

/* id@host:port */
static bool parse_voter(struct weir_slice text, int64_t *out_id)
{
    const uint8_t *at = text.size == 0 ? NULL : memchr(text.data, '@', text.size);
    if (at == NULL)
        return false;
    struct weir_slice id = weir_slice_of(text.data, (size_t)(at - text.data));
    struct weir_slice address = weir_slice_of(at + 1, text.size - id.size - 1);
    const uint8_t *colon = address.size == 0 ? NULL : memrchr(address.data, ':', address.size);
    int64_t port;
    if (colon == NULL || colon == address.data)
        return false;
    struct weir_slice port_text =
        weir_slice_of(colon + 1, (size_t)(address.data + address.size - colon - 1));
    return weir_config_parse_i64(id, out_id) && *out_id >= 0 &&
           weir_config_parse_i64(port_text, &port) && port > 0 && port <= UINT16_MAX;
}

static void check_voters(struct config_loader *loader)
{
    struct weir_slice rest = config_text(loader, "controller.quorum.voters");
    struct weir_slice text;
    int64_t node_id = -1;
    size_t others = 0;
    size_t count = 0;
    (void)config_i64(loader, "node.id",
                     &node_id); /* not valid: told already, and no voter has -1 */
    while (weir_config_list_next(&rest, &text)) {
        int64_t id;
        if (!parse_voter(text, &id)) {
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%.*s' in 'controller.quorum.voters' is not of the form id@host:port.",
                          text.size > 200 ? 200 : (int)text.size, (const char *)text.data);
            return;
        }
        count++;
        others += id != node_id;
    }
    if (others > 0 && others == count)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'controller.quorum.voters' does not have this node (node.id=%lld), and weir "
                      "cannot join another "
                      "node's quorum yet.",
                      (long long)node_id);
    else if (others > 0)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'controller.quorum.voters' names %zu controllers; weir runs with itself as "
                      "the only one so far.",
                      count);
}

static bool is_own_port(const struct weir_config *config, int64_t port)
{
    for (size_t i = 0; i < config->controller_listener_count; i++) {
        if (config->controller_listeners[i].port == port)
            return true;
    }
    return false;
}

/* With the static voter set given these addresses are unused; without it, this node must be the one
 * they name. */
static void check_bootstrap_servers(struct config_loader *loader)
{
    static const char key[] = "controller.quorum.bootstrap.servers";
    struct weir_slice rest = config_text(loader, key);
    struct weir_slice text;
    size_t count = 0;
    while (weir_config_list_next(&rest, &text)) {
        const uint8_t *colon = text.size == 0 ? NULL : memrchr(text.data, ':', text.size);
        int64_t port;
        int shown = text.size > 200 ? 200 : (int)text.size;
        count++;
        if (colon == NULL ||
            !weir_config_parse_i64(
                weir_slice_of(colon + 1, (size_t)(text.data + text.size - colon - 1)), &port) ||
            port <= 0 || port > UINT16_MAX)
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%.*s' in '%s' is not of the form host:port.", shown,
                          (const char *)text.data, key);
        else if (count == 1 && !is_own_port(&loader->object->config, port))
            config_remark(loader, WEIR_CONFIG_PROBLEM,
                          "'%s=%.*s' is not a controller listener of this node, and weir cannot "
                          "join another node's quorum "
                          "yet.",
                          key, shown, (const char *)text.data);
    }
    if (count > 1)
        config_remark(loader, WEIR_CONFIG_PROBLEM,
                      "'%s' names %zu controllers; weir runs with itself as the only one so far.",
                      key, count);
}

void config_check_quorum(struct config_loader *loader)
{
    check_roles(loader);
    check_node_id(loader);
    check_voters(loader);
    check_bootstrap_servers(loader);
}
