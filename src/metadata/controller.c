/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The controller's life and its queue.  One task runs at a time; it takes what waits, decides each
 * operation, appends the records of all, syncs once, then publishes and completes in order.
 */

#include "controller_int.h"
#include "image_builder_int.h"
#include "loader.h"

#include "weir/base/assert.h"
#include "weir/base/limits.h"
#include "weir/base/memory.h"
#include "weir/protocol/records/abort_transaction_record.h"
#include "weir/protocol/records/begin_transaction_record.h"
#include "weir/protocol/records/end_transaction_record.h"
#include "weir/quorum/format.h"
#include "weir/quorum/metadata_log.h"

#include <stdarg.h>
#include <stdio.h>

/* Operations that share one sync. */
#define TURN_OPS_MAX 64
/* Records of one batch where an operation may be split. */
#define SPLIT_RECORDS 1000

/* ---- Results ---- */

struct weir_controller_result weir_result_ok(void)
{
    return (struct weir_controller_result){.status = WEIR_OK, .message = WEIR_NULL_SLICE};
}

struct weir_controller_result weir_result_bare(enum weir_status status)
{
    return (struct weir_controller_result){.status = status, .message = WEIR_NULL_SLICE};
}

struct weir_controller_result weir_result_of(struct weir_decision *decision,
                                             enum weir_status status, const char *format, ...)
{
    struct weir_controller_result result = {.status = status};
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = size < 0 ? NULL : weir_arena_alloc(decision->arena, (size_t)size + 1);
    if (text != NULL) {
        va_start(arguments, format);
        (void)vsnprintf(text, (size_t)size + 1, format, arguments);
        va_end(arguments);
        result.message = weir_slice_of(text, (size_t)size);
    }
    return result;
}

/* ---- Deciding ---- */

static weir_decide *const deciders[WEIR_CONTROLLER_OP_KIND_COUNT] = {
    [WEIR_CONTROLLER_CREATE_TOPICS] = weir_decide_create_topics,
    [WEIR_CONTROLLER_DELETE_TOPICS] = weir_decide_delete_topics,
    [WEIR_CONTROLLER_CREATE_PARTITIONS] = weir_decide_create_partitions,
    [WEIR_CONTROLLER_ALTER_CONFIGS] = weir_decide_alter_configs,
    [WEIR_CONTROLLER_ALLOCATE_PRODUCER_IDS] = weir_decide_allocate_producer_ids,
    [WEIR_CONTROLLER_UPDATE_FEATURES] = weir_decide_update_features,
    [WEIR_CONTROLLER_ELECT_LEADERS] = weir_decide_elect_leaders,
    [WEIR_CONTROLLER_ALTER_REASSIGNMENTS] = weir_decide_alter_reassignments,
    [WEIR_CONTROLLER_ALTER_PARTITION] = weir_decide_alter_partition,
    [WEIR_CONTROLLER_REGISTER_BROKER] = weir_decide_register_broker,
    [WEIR_CONTROLLER_UNFENCE_BROKER] = weir_decide_unfence_broker,
    [WEIR_CONTROLLER_SHUTDOWN_BROKER] = weir_decide_shutdown_broker,
    [WEIR_CONTROLLER_UNREGISTER_BROKER] = weir_decide_unregister_broker,
    [WEIR_CONTROLLER_ASSIGN_DIRECTORIES] = weir_decide_assign_directories,
    [WEIR_CONTROLLER_FAIL_DIRECTORIES] = weir_decide_fail_directories,
    [WEIR_CONTROLLER_WRITE_RECORDS] = weir_decide_write_records,
};

/* An operation in the present turn. */
struct turn_item {
    struct weir_controller_op *op;
    struct weir_image_builder *builder; /* NULL: it changed nothing */
};

static enum weir_status append_records(struct weir_controller *controller,
                                       const struct weir_record_list *records, bool may_split,
                                       struct weir_detail *detail)
{
    size_t at = 0;
    while (at < records->count) {
        size_t count = records->count - at;
        if (may_split && count > SPLIT_RECORDS)
            count = SPLIT_RECORDS;
        enum weir_status status =
            weir_quorum_append(controller->quorum, records->items + at, count, detail);
        if (status != WEIR_OK)
            return status;
        at += count;
    }
    return WEIR_OK;
}

static void note_failure(struct weir_controller *controller, enum weir_status status,
                         const struct weir_detail *detail)
{
    if (controller->has_failed)
        return;
    controller->has_failed = true;
    controller->failure = *detail;
    WEIR_LOG_ERROR(controller->options.log, "metadata_log_failed",
                   WEIR_STR("status", weir_status_name(status)), WEIR_STR("detail", detail->text),
                   WEIR_STR("next", "no further change of metadata is accepted; the broker stops"));
    if (controller->options.failed != NULL)
        controller->options.failed(controller->options.failed_context, status, detail);
}

/* Builds the next image from the records first, so that nothing is appended that could not be
 * applied. */
static enum weir_status apply_and_append(struct weir_controller *controller,
                                         const struct weir_record_list *records, bool may_split,
                                         struct weir_image_builder **out,
                                         struct weir_detail *detail)
{
    struct weir_image_builder *builder = weir_image_builder_new(controller->image);
    if (builder == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status = WEIR_OK;
    for (size_t i = 0; i < records->count && status == WEIR_OK; i++)
        status =
            weir_image_builder_apply(builder, records->items[i].kind, records->items[i].version,
                                     records->items[i].body, detail);
    if (status == WEIR_OK)
        status = weir_image_builder_finish(
            builder, weir_quorum_end_offset(controller->quorum) + (int64_t)records->count - 1,
            weir_quorum_epoch(controller->quorum), weir_env_wall_ms(controller->options.env),
            detail);
    if (status == WEIR_OK) {
        int64_t before = weir_quorum_end_offset(controller->quorum);
        status = append_records(controller, records, may_split, detail);
        if (status != WEIR_OK && weir_quorum_end_offset(controller->quorum) != before) {
            /* A part was appended: image and log no longer agree. */
            note_failure(controller, status, detail);
            status = WEIR_KAFKA_STORAGE_ERROR;
        }
    }
    if (status != WEIR_OK) {
        weir_image_builder_free(builder);
        return status;
    }
    weir_image_unref(controller->image);
    controller->image = weir_image_ref(builder->image);
    *out = builder;
    return WEIR_OK;
}

static bool is_storage_failure(enum weir_status status)
{
    return status == WEIR_IO_ERROR || status == WEIR_KAFKA_STORAGE_ERROR || status == WEIR_CLOSED;
}

static void decide_one(struct weir_controller *controller, struct turn_item *item,
                       struct weir_record_list *records)
{
    struct weir_controller_op *op = item->op;
    op->result = weir_result_ok();
    if (controller->has_failed) {
        op->result = weir_result_bare(WEIR_KAFKA_STORAGE_ERROR);
        return;
    }
    if (op->kind == WEIR_CONTROLLER_SNAPSHOT)
        return; /* after the sync */
    weir_record_list_clear(records);
    struct weir_decision decision = {
        .controller = controller,
        .image = controller->image,
        .op = op,
        .arena = op->arena,
        .records = records,
        .resolver = {.image = controller->image,
                     .statics = controller->options.statics,
                     .broker_id = controller->options.node_id},
    };
    deciders[op->kind](&decision);
    enum weir_status status = weir_record_list_seal(records);
    struct weir_detail detail = {{0}};
    if (status == WEIR_OK && op->result.status == WEIR_OK && records->count > 0)
        status = apply_and_append(controller, records, decision.may_split, &item->builder, &detail);
    if (status == WEIR_OK)
        return;
    if (is_storage_failure(status)) {
        note_failure(controller, status, &detail);
        status = WEIR_KAFKA_STORAGE_ERROR;
    } else if (status == WEIR_LIMIT) {
        status = WEIR_POLICY_VIOLATION;
    } else {
        WEIR_LOG_ERROR(controller->options.log, "metadata_change_refused",
                       WEIR_STR("status", weir_status_name(status)),
                       WEIR_STR("detail", detail.text),
                       WEIR_STR("next", "the request fails, the log is untouched"));
        if (status == WEIR_NO_SPACE)
            status = WEIR_KAFKA_STORAGE_ERROR;
        else if (status != WEIR_NO_MEMORY)
            status = WEIR_UNKNOWN_SERVER_ERROR;
    }
    op->result = weir_result_of(&decision, status, "%s", detail.text);
}

/* ---- Checkpoints ---- */

static enum weir_status emit_to_checkpoint(void *context,
                                           const struct weir_quorum_new_record *record,
                                           struct weir_detail *detail)
{
    return weir_quorum_checkpoint_add(context, record, detail);
}

static enum weir_status take_snapshot(struct weir_controller *controller,
                                      struct weir_detail *detail)
{
    const struct weir_image *image = controller->image;
    struct weir_quorum_checkpoint *checkpoint;
    enum weir_status status = weir_quorum_checkpoint_begin(
        controller->quorum, image->last_timestamp_ms, &checkpoint, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_image_write(image, emit_to_checkpoint, checkpoint, detail);
    if (status != WEIR_OK) {
        weir_quorum_checkpoint_abandon(checkpoint);
        return status;
    }
    return weir_quorum_checkpoint_finish(checkpoint, detail);
}

static void snapshot_if_due(struct weir_controller *controller)
{
    if (controller->has_failed || !weir_quorum_snapshot_due(controller->quorum))
        return;
    struct weir_detail detail = {{0}};
    enum weir_status status = take_snapshot(controller, &detail);
    if (status != WEIR_OK)
        WEIR_LOG_WARN(controller->options.log, "metadata_snapshot_failed",
                      WEIR_STR("status", weir_status_name(status)), WEIR_STR("detail", detail.text),
                      WEIR_STR("next", "the log is kept and another snapshot is tried later"));
}

/* ---- The queue ---- */

static void update_info(struct weir_controller *controller)
{
    const struct weir_quorum *quorum = controller->quorum;
    int16_t kraft_version = weir_quorum_kraft_version(quorum);
    weir_lock_take(&controller->lock);
    int64_t before = controller->info.log_end_offset;
    controller->info.leader_id = controller->options.node_id;
    controller->info.leader_epoch = weir_quorum_epoch(quorum);
    controller->info.high_watermark = weir_quorum_high_watermark(quorum);
    controller->info.log_end_offset = weir_quorum_end_offset(quorum);
    controller->info.kraft_version = kraft_version;
    if (kraft_version > 0)
        controller->info.voter_directory_id = controller->options.metadata_directory_id;
    if (before != controller->info.log_end_offset)
        controller->info.last_append_ms = weir_env_wall_ms(controller->options.env);
    weir_lock_release(&controller->lock);
}

void weir_controller_quorum_info(struct weir_controller *controller,
                                 struct weir_controller_quorum_info *out)
{
    weir_lock_take(&controller->lock);
    *out = controller->info;
    weir_lock_release(&controller->lock);
}

static void complete(struct weir_controller *controller, struct turn_item *item, bool is_durable)
{
    struct weir_controller_op *op = item->op;
    if (op->kind == WEIR_CONTROLLER_SNAPSHOT && op->result.status == WEIR_OK && is_durable) {
        struct weir_detail detail = {{0}};
        op->result = weir_result_bare(take_snapshot(controller, &detail));
    }
    if (item->builder != NULL) {
        if (is_durable)
            weir_image_publish(controller->options.publisher, weir_image_ref(item->builder->image),
                               &item->builder->delta);
        else
            op->result = weir_result_bare(WEIR_KAFKA_STORAGE_ERROR);
        weir_image_builder_free(item->builder);
    }
    op->done(op);
}

static void run_turn(struct weir_controller *controller, struct turn_item *items, size_t count)
{
    struct weir_record_list records = {0};
    for (size_t i = 0; i < count; i++)
        decide_one(controller, &items[i], &records);
    weir_record_list_done(&records);
    struct weir_detail detail = {{0}};
    enum weir_status status = controller->has_failed
                                  ? WEIR_KAFKA_STORAGE_ERROR
                                  : weir_quorum_commit(controller->quorum, &detail);
    if (status != WEIR_OK)
        note_failure(controller, status, &detail);
    update_info(controller);
    for (size_t i = 0; i < count; i++)
        complete(controller, &items[i], status == WEIR_OK);
    snapshot_if_due(controller);
}

static void run_waiting(struct weir_task *task)
{
    struct weir_controller *controller = WEIR_CONTAINER_OF(task, struct weir_controller, task);
    for (;;) {
        struct turn_item items[TURN_OPS_MAX];
        size_t count = 0;
        weir_lock_take(&controller->lock);
        while (count < TURN_OPS_MAX) {
            struct weir_list *node = weir_list_pop_front(&controller->waiting);
            if (node == NULL)
                break;
            items[count++] =
                (struct turn_item){.op = WEIR_LIST_ENTRY(node, struct weir_controller_op, node)};
        }
        if (count == 0) {
            controller->is_scheduled = false;
            (void)pthread_cond_broadcast(&controller->idle);
            weir_lock_release(&controller->lock);
            return; /* the controller may be gone from here on */
        }
        weir_lock_release(&controller->lock);
        run_turn(controller, items, count);
    }
}

void weir_controller_submit(struct weir_controller *controller, struct weir_controller_op *op)
{
    WEIR_ASSERT(op->kind < WEIR_CONTROLLER_OP_KIND_COUNT && op->done != NULL);
    weir_lock_take(&controller->lock);
    bool is_closing = controller->is_closing;
    bool must_schedule = false;
    if (!is_closing) {
        weir_list_push_back(&controller->waiting, &op->node);
        must_schedule = !controller->is_scheduled;
        controller->is_scheduled = true;
    }
    weir_lock_release(&controller->lock);
    if (must_schedule)
        weir_task_queue_submit(controller->queue, &controller->task);
    if (is_closing) {
        op->result = weir_result_bare(WEIR_NOT_CONTROLLER);
        op->done(op);
    }
}

struct waiter {
    struct weir_lock lock;
    pthread_cond_t done;
    bool is_done;
};

static void wake_waiter(struct weir_controller_op *op)
{
    struct waiter *waiter = op->context;
    weir_lock_take(&waiter->lock);
    waiter->is_done = true;
    (void)pthread_cond_signal(&waiter->done);
    weir_lock_release(&waiter->lock);
}

void weir_controller_run(struct weir_controller *controller, struct weir_controller_op *op)
{
    struct waiter waiter = {.is_done = false};
    weir_lock_init(&waiter.lock, WEIR_LOCK_RANK_LEAF);
    (void)pthread_cond_init(&waiter.done, NULL);
    void *context = op->context;
    void (*done)(struct weir_controller_op *) = op->done;
    op->context = &waiter;
    op->done = wake_waiter;
    weir_controller_submit(controller, op);
    weir_lock_take(&waiter.lock);
    while (!waiter.is_done)
        (void)pthread_cond_wait(&waiter.done, &waiter.lock.mutex);
    weir_lock_release(&waiter.lock);
    op->context = context;
    op->done = done;
    (void)pthread_cond_destroy(&waiter.done);
    weir_lock_done(&waiter.lock);
}

/* ---- Opening ---- */

static enum weir_status check_features(const struct weir_image *image, struct weir_detail *detail)
{
    size_t count;
    const struct weir_supported_feature *supported = weir_supported_features(&count);
    for (size_t i = 0; i < weir_image_feature_count(image); i++) {
        const struct weir_image_feature *feature = weir_image_feature_at(image, i);
        const struct weir_supported_feature *found = NULL;
        for (size_t j = 0; j < count; j++) {
            if (weir_slice_is(feature->name, supported[j].name))
                found = &supported[j];
        }
        if (found == NULL || feature->level < found->min || feature->level > found->max) {
            weir_detail_set(detail,
                            "the cluster uses feature %.*s at level %d, which this version of weir "
                            "cannot serve",
                            WEIR_SLICE_ARGS(feature->name), feature->level);
            return WEIR_UNSUPPORTED;
        }
    }
    return WEIR_OK;
}

static enum weir_status copy_bootstrap_record(void *context,
                                              const struct weir_quorum_record *record,
                                              struct weir_detail *detail)
{
    (void)detail;
    struct weir_record_list *records = context;
    weir_record_list_add_raw(records, record->kind, record->version, record->body);
    return records->status;
}

/* The features a new cluster begins with: bootstrap.checkpoint, or 4.3.0's own when there is none.
 */
static enum weir_status add_bootstrap_records(struct weir_controller *controller,
                                              struct weir_record_list *records,
                                              struct weir_detail *detail)
{
    struct weir_begin_transaction_record begin;
    weir_begin_transaction_record_init(&begin);
    begin.name = WEIR_SLICE("Bootstrap records");
    weir_record_list_add(records, WEIR_METADATA_RECORD_BEGIN_TRANSACTION, 0, &begin);
    char path[4200];
    (void)snprintf(path, sizeof(path), "%s/bootstrap.checkpoint", controller->metadata_dir);
    enum weir_status status = weir_quorum_read_checkpoint(controller->options.env, path,
                                                          copy_bootstrap_record, records, detail);
    if (status != WEIR_NOT_FOUND)
        return status;
    size_t count;
    const struct weir_supported_feature *supported = weir_supported_features(&count);
    weir_record_add_feature(records, WEIR_SLICE(WEIR_METADATA_VERSION_FEATURE), 30);
    for (size_t i = 0; i < count; i++) {
        if (supported[i].default_level > 0 &&
            strcmp(supported[i].name, WEIR_METADATA_VERSION_FEATURE) != 0)
            weir_record_add_feature(records, weir_slice_str(supported[i].name),
                                    supported[i].default_level);
    }
    return WEIR_OK;
}

/* Eligible leader replicas need a min.insync.replicas that no single broker can change, so with the
 * feature on the cluster's default is always a record (KIP-966). */
static void add_min_insync_replicas(struct weir_controller *controller,
                                    struct weir_record_list *records)
{
    struct weir_slice value =
        weir_static_config_get(controller->options.statics, WEIR_SLICE("min.insync.replicas"));
    weir_record_add_config(records, WEIR_RESOURCE_BROKER, WEIR_EMPTY_SLICE,
                           WEIR_SLICE("min.insync.replicas"),
                           weir_slice_is_null(value) ? WEIR_SLICE("1") : value);
}

static void add_registration(struct weir_controller *controller, struct weir_record_list *records)
{
    struct weir_image_feature_range ranges[16];
    size_t count;
    const struct weir_supported_feature *supported = weir_supported_features(&count);
    WEIR_ASSERT(count <= WEIR_ARRAY_COUNT(ranges));
    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct weir_image_feature_range){.name = weir_slice_str(supported[i].name),
                                                      .min = supported[i].min,
                                                      .max = supported[i].max};
    const struct weir_controller_endpoint *endpoint = controller->options.endpoint;
    struct weir_image_endpoint listed = {
        .name = endpoint == NULL ? WEIR_SLICE("CONTROLLER") : weir_slice_str(endpoint->name),
        .host = endpoint == NULL ? WEIR_SLICE("localhost") : weir_slice_str(endpoint->host),
        .port = endpoint == NULL ? 9093 : endpoint->port,
        .security_protocol = endpoint == NULL ? 0 : endpoint->security_protocol,
    };
    struct weir_image_controller spec = {
        .id = controller->options.node_id,
        .endpoints = &listed,
        .endpoint_count = 1,
        .features = ranges,
        .feature_count = count,
    };
    uint8_t random[16];
    do
        weir_env_random(controller->options.env, random, sizeof(random));
    while (!weir_uuid_from_random(random, &spec.incarnation_id));
    weir_record_add_controller(records, &spec);
}

static enum weir_status add_records_of_activation(struct weir_controller *controller,
                                                  bool abort_first,
                                                  struct weir_record_list *records,
                                                  struct weir_detail *detail)
{
    const struct weir_image *image = controller->image;
    if (abort_first) {
        struct weir_abort_transaction_record record;
        weir_abort_transaction_record_init(&record);
        record.reason = WEIR_SLICE("the controller restarted");
        weir_record_list_add(records, WEIR_METADATA_RECORD_ABORT_TRANSACTION, 0, &record);
    }
    if (weir_image_feature_level(image, WEIR_METADATA_VERSION_FEATURE) == 0) {
        enum weir_status status = add_bootstrap_records(controller, records, detail);
        if (status != WEIR_OK)
            return status;
        add_min_insync_replicas(controller, records);
        struct weir_end_transaction_record end;
        weir_end_transaction_record_init(&end);
        weir_record_list_add(records, WEIR_METADATA_RECORD_END_TRANSACTION, 0, &end);
    } else if (weir_elr_is_enabled(image)) {
        const struct weir_image_config *config =
            weir_image_config(image, WEIR_RESOURCE_BROKER, WEIR_EMPTY_SLICE);
        if (weir_slice_is_null(weir_image_config_get(config, WEIR_SLICE("min.insync.replicas"))))
            add_min_insync_replicas(controller, records);
    }
    add_registration(controller, records);
    return WEIR_OK;
}

static enum weir_status activate(struct weir_controller *controller, bool abort_first,
                                 struct weir_detail *detail)
{
    struct weir_record_list records = {0};
    struct weir_image_builder *builder = NULL;
    enum weir_status status = weir_quorum_lead(controller->quorum, detail);
    if (status == WEIR_OK)
        status = add_records_of_activation(controller, abort_first, &records, detail);
    if (status == WEIR_OK)
        status = weir_record_list_seal(&records);
    if (status == WEIR_OK)
        status = apply_and_append(controller, &records, false, &builder, detail);
    if (status == WEIR_OK)
        status = check_features(controller->image, detail);
    if (status == WEIR_OK)
        status = weir_quorum_commit(controller->quorum, detail);
    weir_image_builder_free(builder);
    weir_record_list_done(&records);
    return status;
}

static enum weir_status load(struct weir_controller *controller, bool *out_in_transaction,
                             struct weir_detail *detail)
{
    struct weir_loader loader;
    enum weir_status status = weir_loader_init(&loader);
    struct weir_quorum_snapshot_id checkpoint;
    if (status == WEIR_OK)
        status =
            weir_quorum_load(controller->quorum, weir_loader_apply, &loader, &checkpoint, detail);
    *out_in_transaction = loader.in_transaction;
    if (status == WEIR_OK && loader.in_transaction)
        status = weir_loader_abort(&loader);
    if (status == WEIR_OK && loader.last_offset < checkpoint.end_offset - 1)
        loader.last_offset = checkpoint.end_offset - 1;
    if (status == WEIR_OK)
        status = weir_loader_finish(&loader, &controller->image, detail);
    weir_loader_done(&loader);
    return status == WEIR_OK ? check_features(controller->image, detail) : status;
}

static enum weir_status open_quorum(struct weir_controller *controller, struct weir_detail *detail)
{
    const struct weir_controller_endpoint *endpoint = controller->options.endpoint;
    struct weir_quorum_options options = {
        .env = controller->options.env,
        .metadata_dir = controller->metadata_dir,
        .cluster_id = controller->cluster_id,
        .node_id = controller->options.node_id,
        .directory_id = controller->options.metadata_directory_id,
        .endpoint = {.name = endpoint == NULL ? "CONTROLLER" : endpoint->name,
                     .host = endpoint == NULL ? "localhost" : endpoint->host,
                     .port = endpoint == NULL ? 9093 : endpoint->port},
    };
    return weir_quorum_open(&options, &controller->quorum, detail);
}

static struct weir_controller *controller_new(const struct weir_controller_options *options)
{
    struct weir_controller *controller = weir_calloc(1, sizeof(*controller));
    if (controller == NULL)
        return NULL;
    controller->options = *options;
    (void)snprintf(controller->cluster_id, sizeof(controller->cluster_id), "%s",
                   options->cluster_id);
    (void)snprintf(controller->metadata_dir, sizeof(controller->metadata_dir), "%s",
                   options->metadata_dir);
    weir_lock_init(&controller->lock, WEIR_LOCK_RANK_CONTROLLER);
    (void)pthread_cond_init(&controller->idle, NULL);
    weir_list_init(&controller->waiting);
    controller->task.run = run_waiting;
    return controller;
}

enum weir_status weir_controller_open(const struct weir_controller_options *options,
                                      struct weir_controller **out, struct weir_detail *detail)
{
    struct weir_controller *controller = controller_new(options);
    if (controller == NULL)
        return WEIR_NO_MEMORY;
    bool in_transaction = false;
    enum weir_status status = weir_task_queue_new(options->pool, &controller->queue);
    if (status == WEIR_OK)
        status = open_quorum(controller, detail);
    if (status == WEIR_OK)
        status = load(controller, &in_transaction, detail);
    if (status == WEIR_OK && options->accept != NULL)
        status = options->accept(options->accept_context, controller->image, detail);
    if (status == WEIR_OK)
        status = activate(controller, in_transaction, detail);
    if (status != WEIR_OK) {
        weir_controller_close(controller);
        return status;
    }
    update_info(controller);
    struct weir_image_delta delta;
    weir_image_delta_of_all(controller->image, &delta);
    weir_image_publish(options->publisher, weir_image_ref(controller->image), &delta);
    *out = controller;
    return WEIR_OK;
}

void weir_controller_close(struct weir_controller *controller)
{
    if (controller == NULL)
        return;
    weir_lock_take(&controller->lock);
    controller->is_closing = true;
    while (controller->is_scheduled)
        (void)pthread_cond_wait(&controller->idle, &controller->lock.mutex);
    weir_lock_release(&controller->lock);
    weir_quorum_close(controller->quorum);
    weir_image_unref(controller->image);
    if (controller->queue != NULL)
        weir_task_queue_free(controller->queue);
    (void)pthread_cond_destroy(&controller->idle);
    weir_lock_done(&controller->lock);
    weir_free(controller);
}
