/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log directories at work: partitions that move between them, directories that fail, and what the
 * metadata is told of both.
 *
 * As Apache Kafka 4.3.0 does: one directory that fails is served around, and the controller takes
 * the leadership of what is in it; without the metadata directory, or without any, weir stops.
 */
#include "broker_int.h"

#include "weir/base/memory.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* ---- What the metadata is told ---- */

/* An operation that nobody waits for. */
struct dirs_op {
    struct weir_controller_op op;
    struct weir_arena arena;
    struct weir_broker *broker;
    struct weir_directory_assignment *assignments;
    struct weir_uuid failed;
};

static void op_done(struct weir_controller_op *op)
{
    struct dirs_op *own = op->context;
    if (op->result.status != WEIR_OK)
        WEIR_LOG_WARN(own->broker->log, "directories_not_recorded",
                      WEIR_STR("status", weir_status_name(op->result.status)),
                      WEIR_STR("next", "told again at the next start"));
    weir_arena_done(&own->arena);
    weir_free(own->assignments);
    weir_free(own);
}

static struct dirs_op *new_op(struct weir_broker *broker, enum weir_controller_op_kind kind)
{
    struct dirs_op *own = weir_calloc(1, sizeof(*own));
    if (own == NULL)
        return NULL;
    weir_arena_init(&own->arena, 0);
    own->broker = broker;
    own->op = (struct weir_controller_op){
        .kind = kind, .arena = &own->arena, .done = op_done, .context = own};
    return own;
}

/* On the controller's thread, or at the start. */
static void assign(void *context, const struct weir_directory_assignment *items, size_t count)
{
    struct weir_broker *broker = context;
    if (broker->broker_epoch < 0)
        return; /* weir_broker_dirs_registered tells them */
    struct dirs_op *own = new_op(broker, WEIR_CONTROLLER_ASSIGN_DIRECTORIES);
    struct weir_directory_assignment *copy = weir_calloc(count, sizeof(*copy));
    if (own == NULL || copy == NULL) {
        weir_free(own);
        weir_free(copy);
        return;
    }
    memcpy(copy, items, count * sizeof(*copy));
    own->assignments = copy;
    own->op.assign_directories =
        (struct weir_assign_directories_op){.broker_id = broker->config->node_id,
                                            .broker_epoch = -1,
                                            .items = copy,
                                            .item_count = count};
    weir_controller_submit(broker->controller, &own->op);
}

void weir_broker_dirs_options(struct weir_broker *broker, struct weir_replicas_options *out)
{
    out->assign = assign;
    out->context = broker;
}

void weir_broker_dirs_registered(struct weir_broker *broker)
{
    const struct weir_image *image = weir_image_ref_current(broker->publisher);
    weir_replicas_assign_all(broker->replicas, image);
    weir_image_unref(image);
}

/* ---- Moves ---- */

static enum weir_status
exchange(void *context, const struct weir_topic_partition *key, struct weir_uuid topic_id,
         enum weir_status (*take_over)(void *argument, struct weir_detail *detail), void *argument,
         struct weir_partition_log *next, struct weir_detail *detail)
{
    struct weir_broker *broker = context;
    return weir_replicas_exchange_log(broker->replicas, topic_id, key->partition, take_over,
                                      argument, next, detail);
}

/* The record is durable when this returns OK. */
static enum weir_status moving(void *context, const struct weir_topic_partition *key,
                               struct weir_uuid topic_id, struct weir_uuid directory_id,
                               struct weir_detail *detail)
{
    struct weir_broker *broker = context;
    struct weir_arena arena;
    struct weir_directory_assignment item = {
        .topic_id = topic_id, .partition = key->partition, .directory_id = directory_id};
    struct weir_controller_op op = {.kind = WEIR_CONTROLLER_ASSIGN_DIRECTORIES,
                                    .arena = &arena,
                                    .assign_directories = {.broker_id = broker->config->node_id,
                                                           .broker_epoch = -1,
                                                           .items = &item,
                                                           .item_count = 1}};
    weir_arena_init(&arena, 0);
    weir_controller_run(broker->controller, &op);
    enum weir_status status = op.result.status == WEIR_OK ? item.status : op.result.status;
    weir_arena_done(&arena);
    if (status == WEIR_UNKNOWN_TOPIC_ID || status == WEIR_UNKNOWN_TOPIC_OR_PARTITION)
        status = WEIR_NOT_FOUND;
    if (status != WEIR_OK)
        weir_detail_set(detail, "the directory was not recorded: %s", weir_status_name(status));
    return status;
}

enum weir_status weir_broker_start_moves(struct weir_broker *broker, struct weir_detail *detail)
{
    struct weir_log_mover_options options = {
        .env = broker->env,
        .log = broker->log,
        .manager = broker->logs,
        .threads = (unsigned)broker->config->log_move_threads,
        .exchange = exchange,
        .moving = moving,
        .context = broker,
    };
    return weir_log_mover_new(&options, &broker->mover, detail);
}

/* What Apache Kafka takes from the dynamic configs only: this broker's, else that of all. */
void weir_broker_set_move_rate(struct weir_broker *broker, const struct weir_image *image)
{
    static const char key[] = "replica.alter.log.dirs.io.max.bytes.per.second";
    char name[16];
    int64_t rate = INT64_MAX;
    (void)snprintf(name, sizeof(name), "%d", broker->config->node_id);
    const struct weir_slice names[] = {weir_slice_str(name), WEIR_EMPTY_SLICE};
    for (size_t i = 0; i < WEIR_ARRAY_COUNT(names); i++) {
        const struct weir_image_config *config =
            weir_image_config(image, WEIR_RESOURCE_BROKER, names[i]);
        if (weir_config_parse_i64(weir_image_config_get(config, weir_slice_str(key)), &rate))
            break;
    }
    weir_log_mover_set_rate(broker->mover, rate);
}

/* ---- Failures ---- */

struct failed_dir {
    struct weir_task task;
    struct weir_broker *broker;
    size_t index;
    struct weir_detail why;
};

static void stop_broker(struct weir_broker *broker, const char *dir, const char *what)
{
    WEIR_LOG_ERROR(broker->log, "log_dirs_failed", WEIR_STR("dir", dir), WEIR_STR("why", what),
                   WEIR_STR("next", "weir stops"));
    atomic_store(&broker->dirs_failed, true);
    (void)kill(getpid(), SIGTERM); /* wakes weir_broker_run; a signal to oneself cannot fail */
}

/* The other logs of the directory fail too, and the controller hears of it. */
static void run_failed(struct weir_task *task)
{
    struct failed_dir *failed = WEIR_CONTAINER_OF(task, struct failed_dir, task);
    struct weir_broker *broker = failed->broker;
    struct weir_log_dir_info info;
    weir_log_manager_fail_dir(broker->logs, failed->index, &failed->why);
    weir_log_manager_dir(broker->logs, failed->index, &info);
    if (strcmp(info.path, broker->config->metadata_log_dir) == 0) {
        stop_broker(broker, info.path, "the metadata log directory has failed");
    } else if (weir_log_manager_offline_count(broker->logs) ==
               weir_log_manager_dir_count(broker->logs)) {
        stop_broker(broker, info.path, "all log directories have failed");
    } else {
        struct dirs_op *own = new_op(broker, WEIR_CONTROLLER_FAIL_DIRECTORIES);
        if (own != NULL) {
            own->failed = info.directory_id;
            own->op.fail_directories =
                (struct weir_fail_directories_op){.broker_id = broker->config->node_id,
                                                  .broker_epoch = -1,
                                                  .directory_ids = &own->failed,
                                                  .directory_count = 1};
            weir_controller_submit(broker->controller, &own->op);
        }
    }
    weir_free(failed);
}

/* Any thread, possibly with a log's lock held. */
void weir_broker_dir_failed(void *context, const char *dir, struct weir_uuid directory_id,
                            const struct weir_detail *detail)
{
    struct weir_broker *broker = context;
    (void)directory_id;
    WEIR_LOG_ERROR(
        broker->log, "log_dir_offline", WEIR_STR("dir", dir), WEIR_STR("why", detail->text),
        WEIR_STR("next", "its partitions answer KAFKA_STORAGE_ERROR until weir is restarted"));
    struct failed_dir *failed = weir_calloc(1, sizeof(*failed));
    if (failed == NULL)
        return; /* its logs find out at their next write */
    *failed = (struct failed_dir){.task.run = run_failed, .broker = broker, .why = *detail};
    weir_lock_take(&broker->dirs_lock);
    bool is_watched = broker->dirs_pool != NULL; /* before that it is not registered */
    if (is_watched) {
        struct weir_log_dir_info info;
        for (size_t i = 0; i < weir_log_manager_dir_count(broker->logs); i++) {
            weir_log_manager_dir(broker->logs, i, &info);
            if (strcmp(info.path, dir) == 0)
                failed->index = i;
        }
        weir_task_pool_submit(broker->dirs_pool, &failed->task);
    }
    weir_lock_release(&broker->dirs_lock);
    if (!is_watched)
        weir_free(failed);
}

enum weir_status weir_broker_watch_dirs(struct weir_broker *broker, struct weir_detail *detail)
{
    struct weir_task_pool *pool = NULL;
    enum weir_status status = weir_task_pool_new(broker->env, 1, &pool, detail);
    if (status != WEIR_OK)
        return status;
    weir_lock_take(&broker->dirs_lock);
    broker->dirs_pool = pool;
    weir_lock_release(&broker->dirs_lock);
    return WEIR_OK;
}

void weir_broker_stop_dirs(struct weir_broker *broker)
{
    weir_log_mover_stop(broker->mover); /* requests under way may still look at it */
    weir_lock_take(&broker->dirs_lock);
    struct weir_task_pool *pool = broker->dirs_pool;
    broker->dirs_pool = NULL;
    weir_lock_release(&broker->dirs_lock);
    if (pool != NULL)
        weir_task_pool_free(pool); /* when all have run; the controller is still there */
}
