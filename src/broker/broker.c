/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start: directories -> metadata log -> logs of all partitions -> groups -> sockets ->
 * registration.  Stop: the same backwards.  weir_broker_free takes down whatever was built, so a
 * start that fails half-way cleans up by the same code.
 */
#include "broker_int.h"

#include "weir/base/memory.h"
#include "weir/quorum/format.h"
#include "weir/replication/topic_log_config.h"
#include "weir/runtime/file_util.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* A clean stop takes no more than five seconds; answers under way get this much of them. */
#define STOP_GRACE_MS 1000

/* Logs that are created at a time: they wait for the disk, which syncs several at the cost of one.
 */
#define LOG_CREATE_THREADS 16

/* ---- Directories and metadata ---- */

static enum weir_status check_directories(struct weir_broker *broker,
                                          struct weir_uuid *out_metadata_directory,
                                          struct weir_detail *detail)
{
    const struct weir_config *config = broker->config;
    struct weir_uuid *ids = weir_calloc(config->log_dir_count, sizeof(*ids));
    if (ids == NULL)
        return WEIR_NO_MEMORY;
    struct weir_dirs_options options = {.log_dirs = config->log_dirs,
                                        .log_dir_count = config->log_dir_count,
                                        .metadata_dir = config->metadata_log_dir,
                                        .node_id = config->node_id,
                                        .allow_format = true,
                                        .expected_cluster_id = config->cluster_id};
    enum weir_status status = weir_dirs_check(broker->env, &options, broker->cluster_id, ids,
                                              out_metadata_directory, detail);
    weir_free(ids);
    return status;
}

static enum weir_status open_logs(struct weir_broker *broker, struct weir_detail *detail)
{
    const struct weir_config *config = broker->config;
    weir_open_files_share((size_t)config->open_segment_files_max, config->connections_max,
                          &broker->open_files);
    struct weir_log_manager_options options = {
        .env = broker->env,
        .open_segment_files_max = broker->open_files.segments,
        .segment_index_bytes_max = (size_t)config->segment_index_cache_bytes,
        .log = broker->log,
        .dirs = config->log_dirs,
        .dir_count = config->log_dir_count,
        .metadata_dir = config->metadata_log_dir,
        .cluster_id = broker->cluster_id,
        .node_id = config->node_id,
        .defaults = weir_log_config_default(),
        .recovery_threads_per_dir = (unsigned)config->recovery_threads_per_data_dir,
        .free_percent_min = (unsigned)config->log_dir_free_percent_min,
        .on_dir_failed = weir_broker_dir_failed,
        .context = broker,
    };
    return weir_log_manager_open(&options, &broker->logs, detail);
}

static void metadata_log_failed(void *context, enum weir_status status,
                                const struct weir_detail *detail)
{
    struct weir_broker *broker = context;
    WEIR_LOG_ERROR(broker->log, "metadata_log_failed", WEIR_STR("status", weir_status_name(status)),
                   WEIR_STR("why", detail->text), WEIR_STR("next", "weir stops"));
    atomic_store(&broker->metadata_failed, true);
    (void)kill(getpid(), SIGTERM); /* wakes weir_broker_run; a signal to oneself cannot fail */
}

/* Trap 20.  The local log of such a topic begins behind what lies in the remote storage; serving it
 * would call the rest deleted, and write that down for the next broker. */
static enum weir_status refuse_remote_storage(void *context, const struct weir_image *image,
                                              struct weir_detail *detail)
{
    const struct weir_broker *broker = context;
    struct weir_config_resolver resolver = {.image = image,
                                            .statics = &broker->config->statics,
                                            .broker_id = broker->config->node_id};
    for (size_t i = 0; i < weir_image_topic_count(image); i++) {
        const struct weir_image_topic *topic = weir_image_topic_at(image, i);
        if (!weir_config_topic_bool(&resolver, topic->name, "remote.storage.enable"))
            continue;
        weir_detail_set(detail,
                        "topic %.*s has remote.storage.enable=true, and weir has no remote "
                        "storage: its local log is only the end of it. Disable it with Apache "
                        "Kafka first, or delete the topic there",
                        WEIR_SLICE_ARGS(topic->name));
        return WEIR_INVALID;
    }
    return WEIR_OK;
}

static enum weir_status open_controller(struct weir_broker *broker,
                                        struct weir_uuid metadata_directory,
                                        struct weir_detail *detail)
{
    const struct weir_config *config = broker->config;
    struct weir_controller_endpoint endpoint = {
        .name = "CONTROLLER", .host = "localhost", .port = 9093};
    if (config->controller_listener_count > 0) {
        const struct weir_config_listener *listener = &config->controller_listeners[0];
        endpoint.name = listener->name;
        endpoint.host = listener->host[0] == '\0' ? "localhost" : listener->host;
        endpoint.port = listener->port;
        endpoint.security_protocol = (int16_t)listener->protocol;
    }
    struct weir_controller_options options = {
        .env = broker->env,
        .pool = broker->pool,
        .log = broker->log,
        .metadata_dir = config->metadata_log_dir,
        .node_id = config->node_id,
        .cluster_id = broker->cluster_id,
        .metadata_directory_id = metadata_directory,
        .endpoint = &endpoint,
        .statics = &config->statics,
        .publisher = broker->publisher,
        .accept = refuse_remote_storage,
        .accept_context = broker,
        .failed = metadata_log_failed,
        .failed_context = broker,
    };
    return weir_controller_open(&options, &broker->controller, detail);
}

/* ---- Partitions ---- */

struct load_context {
    const struct weir_image *image;
    struct weir_config_resolver resolver;
    int32_t node_id;
};

static bool belongs(void *context, const struct weir_topic_partition *key,
                    struct weir_uuid topic_id, struct weir_uuid directory_id)
{
    const struct load_context *load = context;
    const struct weir_image_topic *topic =
        weir_image_topic(load->image, weir_slice_str(key->topic));
    (void)directory_id;
    if (topic == NULL || !weir_uuid_equal(topic->id, topic_id) ||
        key->partition >= topic->partition_count)
        return false;
    return weir_i32_list_contains(topic->partitions[key->partition]->replicas, load->node_id);
}

/* Beyond doubt is what only this node has, in the directory where the metadata says it is: while
 * the node is away nobody can have deleted the topic and made another of its name without moving
 * it. */
static struct weir_uuid topic_id_of(void *context, const struct weir_topic_partition *key,
                                    struct weir_uuid directory_id)
{
    const struct load_context *load = context;
    const struct weir_image_topic *topic =
        weir_image_topic(load->image, weir_slice_str(key->topic));
    if (topic == NULL || key->partition >= topic->partition_count)
        return (struct weir_uuid){{0}};
    const struct weir_image_partition *partition = topic->partitions[key->partition];
    bool is_here =
        partition->replicas.count == 1 && partition->replicas.items[0] == load->node_id &&
        partition->directories != NULL && weir_uuid_equal(partition->directories[0], directory_id);
    return is_here ? topic->id : (struct weir_uuid){{0}};
}

static void config_of(void *context, const struct weir_topic_partition *key,
                      struct weir_log_config *out)
{
    const struct load_context *load = context;
    weir_topic_log_config(&load->resolver, weir_slice_str(key->topic), out);
}

static struct weir_uuid recorded(void *context, const struct weir_topic_partition *key)
{
    const struct load_context *load = context;
    const struct weir_image_topic *topic =
        weir_image_topic(load->image, weir_slice_str(key->topic));
    if (topic == NULL || key->partition >= topic->partition_count)
        return (struct weir_uuid){{0}};
    const struct weir_image_partition *partition = topic->partitions[key->partition];
    for (size_t i = 0; i < partition->replicas.count; i++) {
        if (partition->replicas.items[i] == load->node_id)
            return partition->directories[i];
    }
    return (struct weir_uuid){{0}};
}

static enum weir_status load_logs(struct weir_broker *broker, struct weir_detail *detail)
{
    struct load_context load = {.image = weir_image_ref_current(broker->publisher),
                                .node_id = broker->config->node_id};
    load.resolver = (struct weir_config_resolver){.image = load.image,
                                                  .statics = &broker->config->statics,
                                                  .broker_id = broker->config->node_id};
    struct weir_log_manager_load_options options = {.belongs = belongs,
                                                    .topic_id = topic_id_of,
                                                    .recorded = recorded,
                                                    .config = config_of,
                                                    .context = &load};
    struct weir_log_manager_load_result result = {0};
    enum weir_status status = weir_log_manager_load(broker->logs, &options, &result, detail);
    weir_image_unref(load.image);
    if (status == WEIR_OK && result.partition_count > 0)
        WEIR_LOG_INFO(broker->log, "logs_loaded", WEIR_I64("partitions", result.partition_count),
                      WEIR_I64("recovered", result.recovered_count),
                      WEIR_I64("strays", result.stray_count),
                      WEIR_I64("cut_bytes", result.cut_bytes));
    return status;
}

/* A sync holds its thread until the disk answers; one is kept for everything else. */
static unsigned flushes_max(const struct weir_config *config)
{
    return config->task_threads > 1 ? (unsigned)config->task_threads - 1 : 1;
}

static enum weir_status build_state(struct weir_broker *broker, struct weir_detail *detail)
{
    struct weir_uuid metadata_directory;
    enum weir_status status = check_directories(broker, &metadata_directory, detail);
    if (status == WEIR_OK)
        status = open_logs(broker, detail);
    if (status == WEIR_OK)
        status = weir_task_pool_new(broker->env, (unsigned)broker->config->task_threads,
                                    &broker->pool, detail);
    if (status == WEIR_OK)
        status = weir_image_publisher_new(&broker->publisher);
    if (status != WEIR_OK)
        return status;
    weir_broker_follow_init(broker);
    status = open_controller(broker, metadata_directory, detail);
    if (status == WEIR_OK)
        status = load_logs(broker, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_replicas_options replicas = {.env = broker->env,
                                             .log = broker->log,
                                             .logs = broker->logs,
                                             .broker_id = broker->config->node_id,
                                             .create_threads = LOG_CREATE_THREADS,
                                             .statics = &broker->config->statics,
                                             .pool = broker->pool,
                                             .flushes_max = flushes_max(broker->config)};
    weir_broker_dirs_options(broker, &replicas);
    status = weir_replicas_new(&replicas, &broker->replicas);
    if (status == WEIR_OK)
        status = weir_broker_watch_dirs(broker, detail);
    if (status == WEIR_OK)
        status = weir_broker_start_moves(broker, detail);
    if (status == WEIR_OK)
        status = weir_broker_new_coordinators(broker);
    if (status == WEIR_OK)
        weir_broker_follow_start(broker);
    return status;
}

/* ---- Serving ---- */

/* One line for each listener: name, host, port.  Replaced as a whole, so a reader never sees half
 * of it. */
static enum weir_status write_port_file(const struct weir_broker *broker,
                                        struct weir_detail *detail)
{
    if (broker->config->port_file == NULL)
        return WEIR_OK;
    struct weir_buf text = {0};
    for (size_t i = 0; i < broker->config->listener_count; i++) {
        const struct weir_config_listener *listener = &broker->config->listeners[i];
        weir_buf_printf(&text, "%s %s %u\n", listener->name,
                        listener->host[0] == '\0' ? "localhost" : listener->host,
                        (unsigned)weir_server_port(broker->server, i));
    }
    enum weir_status status = weir_buf_status(&text);
    if (status == WEIR_OK)
        status = weir_file_replace(broker->env, broker->config->port_file, weir_buf_slice(&text),
                                   detail);
    weir_buf_done(&text);
    return status;
}

static void say_ready(const struct weir_broker *broker)
{
    for (size_t i = 0; i < broker->config->listener_count; i++) {
        const struct weir_config_listener *listener = &broker->config->listeners[i];
        struct weir_detail address = {{0}};
        weir_detail_set(&address, "%s://%s:%u", listener->name, listener->host,
                        (unsigned)weir_server_port(broker->server, i));
        int64_t took_us = (weir_env_monotonic_ns(broker->env) - broker->started_ns) / 1000;
        WEIR_LOG_INFO(broker->log, "ready", WEIR_STR("listener", address.text),
                      WEIR_STR("cluster_id", broker->cluster_id),
                      WEIR_I64("node_id", broker->config->node_id),
                      WEIR_F64("start_ms", (double)took_us / 1000.0));
    }
}

static void block_signals(void)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* fails only for an unknown "how" */
    (void)signal(SIGPIPE, SIG_IGN);
}

enum weir_status weir_broker_new(struct weir_env *env, const struct weir_config *config,
                                 const struct weir_log *log, int64_t started_ns,
                                 struct weir_broker **out, struct weir_detail *detail)
{
    struct weir_broker *broker = weir_calloc(1, sizeof(*broker));
    if (broker == NULL)
        return WEIR_NO_MEMORY;
    broker->env = env;
    broker->config = config;
    broker->log = log;
    broker->started_ns = started_ns;
    broker->broker_epoch = -1;
    weir_lock_init(&broker->dirs_lock, WEIR_LOCK_RANK_UPKEEP);
    block_signals();
    enum weir_status status = build_state(broker, detail);
    if (status == WEIR_OK)
        status = weir_broker_serve(broker, detail);
    if (status == WEIR_OK)
        status = weir_upkeep_start(env, config, broker->pool, broker->logs, log, &broker->upkeep);
    if (status == WEIR_OK && config->log_cleaner)
        status = weir_broker_start_cleaner(broker, detail);
    if (status == WEIR_OK)
        status = write_port_file(broker, detail);
    if (status == WEIR_OK) {
        weir_log_mover_resume(broker->mover);
    } else {
        weir_broker_free(broker);
        return status;
    }
    say_ready(broker);
    *out = broker;
    return WEIR_OK;
}

/* ---- Stopping ---- */

/* The order matters: no requests, no group timers, no upkeep; then the metadata, whose listeners
 * use the replicas; the logs last, for everything above appends to them. */
static enum weir_status stop(struct weir_broker *broker, struct weir_detail *detail)
{
    enum weir_status status = WEIR_OK;
    if (broker->server != NULL)
        weir_server_stop(broker->server, STOP_GRACE_MS);
    weir_broker_stop_coordinators(broker);
    weir_broker_stop_dirs(broker);
    weir_cleaner_free(broker->cleaner);
    broker->cleaner = NULL;
    weir_upkeep_stop(broker->upkeep);
    broker->upkeep = NULL;
    bool is_registered = broker->broker_epoch >= 0;
    if (!atomic_load(&broker->metadata_failed))
        weir_broker_deregister(broker);
    weir_controller_close(broker->controller);
    broker->controller = NULL;
    if (broker->pool != NULL)
        weir_task_pool_free(broker->pool);
    broker->pool = NULL;
    if (broker->logs != NULL && is_registered)
        status = weir_log_manager_close(broker->logs, broker->broker_epoch,
                                        !atomic_load(&broker->metadata_failed), detail);
    return status;
}

enum weir_status weir_broker_run(struct weir_broker *broker, struct weir_detail *detail)
{
    sigset_t signals;
    int signal_number = 0;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGUSR1);
    while (signal_number != SIGTERM && signal_number != SIGINT) {
        if (sigwait(&signals, &signal_number) == 0 && signal_number == SIGUSR1)
            weir_broker_log_groups(broker);
    }
    WEIR_LOG_INFO(broker->log, "stopping",
                  WEIR_STR("signal", signal_number == SIGINT ? "SIGINT" : "SIGTERM"));
    enum weir_status status = stop(broker, detail);
    if (status == WEIR_OK && atomic_load(&broker->dirs_failed)) {
        weir_detail_set(detail, "a log directory failed that weir cannot do without");
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    if (status == WEIR_OK && broker->logs != NULL &&
        weir_log_manager_offline_count(broker->logs) > 0) {
        weir_detail_set(detail, "a log directory is offline; the others were closed cleanly");
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    if (status == WEIR_OK && atomic_load(&broker->metadata_failed)) {
        weir_detail_set(detail, "the metadata log failed");
        status = WEIR_KAFKA_STORAGE_ERROR;
    }
    if (status == WEIR_OK)
        WEIR_LOG_INFO(broker->log, "stopped");
    return status;
}

void weir_broker_free(struct weir_broker *broker)
{
    struct weir_detail detail = {{0}};
    if (broker == NULL)
        return;
    if (broker->pool != NULL && stop(broker, &detail) != WEIR_OK)
        WEIR_LOG_WARN(broker->log, "unclean_stop", WEIR_STR("why", detail.text));
    weir_server_free(broker->server);
    weir_api_free(broker->api);
    weir_free(broker->api_listeners);
    weir_free(broker->server_listeners);
    weir_free(broker->server_ip_limits);
    weir_broker_free_coordinators(broker);
    weir_log_mover_free(broker->mover);
    weir_replicas_free(broker->replicas);
    if (broker->publisher != NULL)
        weir_image_publisher_free(broker->publisher);
    if (broker->logs != NULL)
        weir_log_manager_free(broker->logs);
    weir_lock_done(&broker->dirs_lock);
    weir_free(broker);
}
