/* SPDX-License-Identifier: Apache-2.0 */
#include "broker_int.h"

#include "weir/storage/meta_properties.h"

#include <unistd.h>

#define LOG_DIRS_MAX  256
#define LISTENERS_MAX 64
#define HOST_BYTES    256

/* The address other brokers would use.  Clients get their own answer (weir_call_endpoint). */
static void fill_endpoint(struct weir_broker *broker, size_t index, struct weir_slice own_host,
                          struct weir_image_endpoint *out)
{
    const struct weir_config_listener *listener = &broker->config->listeners[index];
    const struct weir_api_listener *seen = &broker->api_listeners[index];
    struct weir_slice host = seen->advertised_host;
    if (weir_slice_is_null(host))
        host = listener->host[0] == '\0' ? own_host : weir_slice_str(listener->host);
    *out = (struct weir_image_endpoint){.name = weir_slice_str(listener->name),
                                        .host = host,
                                        .port = seen->port,
                                        .security_protocol = (int16_t)listener->protocol};
}

static struct weir_slice own_host_name(char host[HOST_BYTES])
{
    if (gethostname(host, HOST_BYTES) != 0)
        return WEIR_SLICE("localhost");
    host[HOST_BYTES - 1] = '\0';
    return weir_slice_str(host);
}

static enum weir_status run(struct weir_broker *broker, struct weir_controller_op *op,
                            struct weir_detail *detail)
{
    struct weir_arena arena;
    weir_arena_init(&arena, 0);
    op->arena = &arena;
    weir_controller_run(broker->controller, op);
    enum weir_status status = op->result.status;
    if (status != WEIR_OK)
        weir_detail_set(detail, "the controller refused this broker (%s): %.*s",
                        weir_status_name(status), WEIR_SLICE_ARGS(op->result.message));
    weir_arena_done(&arena);
    return status;
}

/* Trap 10.  The partitions of a directory are assigned to its id; one that the node did not have
 * the last time is either new or has lost its meta.properties. */
static void tell_new_directories(struct weir_broker *broker)
{
    const struct weir_image *image = weir_image_ref_current(broker->publisher);
    const struct weir_image_broker *before = weir_image_broker(image, broker->config->node_id);
    for (size_t i = 0; before != NULL && i < weir_log_manager_dir_count(broker->logs); i++) {
        struct weir_log_dir_info info;
        char id[WEIR_UUID_TEXT_BYTES];
        size_t j = 0;
        weir_log_manager_dir(broker->logs, i, &info);
        while (j < before->log_dir_count &&
               !weir_uuid_equal(before->log_dirs[j], info.directory_id))
            j++;
        if (j < before->log_dir_count || info.is_offline)
            continue;
        weir_uuid_format(info.directory_id, id);
        WEIR_LOG_WARN(broker->log, "log_dir_id_is_new", WEIR_STR("dir", info.path),
                      WEIR_STR("directory_id", id),
                      WEIR_STR("why",
                               "this node's last registration did not have it: the directory "
                               "is new, or its meta.properties was changed or lost"),
                      WEIR_STR("next", "what lies in it is served"));
    }
    weir_image_unref(image);
}

enum weir_status weir_broker_register(struct weir_broker *broker, struct weir_detail *detail)
{
    struct weir_image_endpoint endpoints[LISTENERS_MAX];
    struct weir_uuid directories[LOG_DIRS_MAX];
    char host[HOST_BYTES];
    size_t dir_count = weir_log_manager_dir_count(broker->logs);
    if (broker->config->listener_count > LISTENERS_MAX || dir_count > LOG_DIRS_MAX) {
        weir_detail_set(detail, "more than %d listeners or %d log directories", LISTENERS_MAX,
                        LOG_DIRS_MAX);
        return WEIR_LIMIT;
    }
    struct weir_slice own_host = own_host_name(host);
    for (size_t i = 0; i < broker->config->listener_count; i++)
        fill_endpoint(broker, i, own_host, &endpoints[i]);
    size_t online_count = 0;
    for (size_t i = 0; i < dir_count; i++) {
        struct weir_log_dir_info info;
        weir_log_manager_dir(broker->logs, i, &info);
        if (!info.is_offline)
            directories[online_count++] = info.directory_id;
    }
    tell_new_directories(broker);
    struct weir_controller_op op = {
        .kind = WEIR_CONTROLLER_REGISTER_BROKER,
        .register_broker = {.id = broker->config->node_id,
                            .incarnation_id = weir_random_uuid(broker->env),
                            .endpoints = endpoints,
                            .endpoint_count = broker->config->listener_count,
                            .rack = weir_slice_str(broker->config->rack),
                            .log_dirs = directories,
                            .log_dir_count = online_count,
                            .previous_epoch = weir_log_manager_previous_broker_epoch(broker->logs)},
    };
    enum weir_status status = run(broker, &op, detail);
    if (status != WEIR_OK)
        return status;
    broker->broker_epoch = op.register_broker.epoch;
    weir_broker_dirs_registered(broker); /* before it may lead what is in them */
    op = (struct weir_controller_op){
        .kind = WEIR_CONTROLLER_UNFENCE_BROKER,
        .broker = {.id = broker->config->node_id, .epoch = broker->broker_epoch}};
    return run(broker, &op, detail);
}

void weir_broker_deregister(struct weir_broker *broker)
{
    struct weir_detail detail = {{0}};
    if (broker->broker_epoch < 0 || broker->controller == NULL)
        return;
    struct weir_controller_op op = {
        .kind = WEIR_CONTROLLER_SHUTDOWN_BROKER,
        .broker = {.id = broker->config->node_id, .epoch = broker->broker_epoch}};
    if (run(broker, &op, &detail) != WEIR_OK)
        WEIR_LOG_WARN(broker->log, "controlled_shutdown_refused", WEIR_STR("why", detail.text));
}
