/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_port.h"

#include "weir/base/memory.h"

struct port_binding {
    struct weir_partition_waiter waiter;
    struct weir_partition *partition;
    struct weir_log_watch *watch;
};

/* A new reference, or NULL when this broker has no such partition. */
static struct weir_partition *find(struct weir_topic_port *port, int32_t index)
{
    const struct weir_image *image = weir_image_ref_current(port->publisher);
    const struct weir_image_topic *topic = weir_image_topic(image, port->topic);
    struct weir_partition *partition =
        topic == NULL ? NULL : weir_replicas_find(port->replicas, topic->id, index);
    weir_image_unref(image);
    return partition;
}

static void set_appended(const struct weir_partition_appended *appended,
                         struct weir_log_appended *out)
{
    *out = (struct weir_log_appended){.base_offset = appended->base_offset,
                                      .last_offset = appended->last_offset,
                                      .high_watermark = appended->high_watermark};
}

static enum weir_status append_txn(void *context, int32_t index, struct weir_slice batch,
                                   int32_t leader_epoch, uint64_t verification_guard,
                                   struct weir_log_appended *out, struct weir_detail *detail)
{
    struct weir_partition_appended appended;
    struct weir_partition *partition = find(context, index);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    enum weir_status status = weir_partition_append_own_txn(partition, batch, leader_epoch,
                                                            verification_guard, &appended, detail);
    if (status == WEIR_OK)
        set_appended(&appended, out);
    weir_partition_unref(partition);
    return status;
}

static enum weir_status append(void *context, int32_t index, struct weir_slice batch,
                               int32_t leader_epoch, struct weir_log_appended *out,
                               struct weir_detail *detail)
{
    return append_txn(context, index, batch, leader_epoch, WEIR_GUARD_NONE, out, detail);
}

static enum weir_status append_marker(void *context, int32_t index,
                                      const struct weir_txn_marker *marker,
                                      int8_t transaction_version, int32_t leader_epoch,
                                      struct weir_log_appended *out, struct weir_detail *detail)
{
    struct weir_partition_appended appended;
    struct weir_partition *partition = find(context, index);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    const struct weir_partition_marker wanted = {.marker = *marker,
                                                 .transaction_version = transaction_version,
                                                 .leader_epoch = leader_epoch};
    enum weir_status status = weir_partition_append_marker(partition, &wanted, &appended, detail);
    if (status == WEIR_OK)
        set_appended(&appended, out);
    weir_partition_unref(partition);
    return status;
}

/* A read may end inside a batch: what follows the last whole one is cut off. */
static void keep_whole_batches(struct weir_buf *buf, size_t from)
{
    struct weir_batch_iter iter;
    struct weir_batch batch;
    size_t whole = 0;
    weir_batch_iter_init(&iter, weir_slice_of(buf->data + from, buf->size - from));
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK)
        whole += batch.bytes.size;
    buf->size = from + whole;
}

static enum weir_status read(void *context, int32_t index, int64_t offset, size_t bytes_max,
                             struct weir_buf *out, struct weir_detail *detail)
{
    struct weir_topic_port *port = context;
    struct weir_partition_log *log;
    struct weir_partition *partition = find(port, index);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    enum weir_status status = weir_partition_leader_log(partition, -1, &log);
    if (status == WEIR_OK) {
        struct weir_log_read result;
        struct weir_log_read_options options = {.offset = offset,
                                                .bytes_max = bytes_max,
                                                .limit = WEIR_LOG_READ_TO_LOG_END,
                                                .min_one_batch = true};
        status = weir_partition_log_read(log, &options, &result, detail);
        if (status == WEIR_OK) {
            size_t from = out->size;
            status = weir_log_read_copy(port->env, &result, out, detail);
            if (status == WEIR_OK && out->size > from)
                keep_whole_batches(out, from);
            weir_log_read_done(&result);
        }
        weir_partition_log_unref(log);
    }
    weir_partition_unref(partition);
    return status;
}

static enum weir_status offsets(void *context, int32_t index, int64_t *out_log_start_offset,
                                int64_t *out_high_watermark, int64_t *out_log_end_offset)
{
    struct weir_partition_log *log;
    struct weir_partition *partition = find(context, index);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    enum weir_status status = weir_partition_leader_log(partition, -1, &log);
    if (status == WEIR_OK) {
        struct weir_partition_log_offsets all;
        weir_partition_log_offsets(log, &all);
        *out_log_start_offset = all.log_start_offset;
        *out_high_watermark = all.high_watermark;
        *out_log_end_offset = all.log_end_offset;
        weir_partition_log_unref(log);
    }
    weir_partition_unref(partition);
    return status;
}

static int32_t batch_bytes_max(void *context, int32_t index)
{
    struct weir_log_config config = weir_log_config_default();
    struct weir_partition_log *log;
    struct weir_partition *partition = find(context, index);
    if (partition == NULL)
        return config.message_bytes_max;
    if (weir_partition_leader_log(partition, -1, &log) == WEIR_OK) {
        weir_partition_log_config(log, &config);
        weir_partition_log_unref(log);
    }
    weir_partition_unref(partition);
    return config.message_bytes_max;
}

static void wake(struct weir_partition_waiter *waiter)
{
    struct port_binding *binding = WEIR_CONTAINER_OF(waiter, struct port_binding, waiter);
    binding->watch->moved(binding->watch);
}

static enum weir_status watch(void *context, int32_t index, struct weir_log_watch *watch_)
{
    struct weir_partition *partition = find(context, index);
    if (partition == NULL)
        return WEIR_NOT_LEADER_OR_FOLLOWER;
    struct port_binding *binding = weir_calloc(1, sizeof(*binding));
    if (binding == NULL) {
        weir_partition_unref(partition);
        return WEIR_NO_MEMORY;
    }
    *binding = (struct port_binding){.waiter.wake = wake, .partition = partition, .watch = watch_};
    watch_->binding = binding;
    weir_partition_wait(partition, &binding->waiter);
    return WEIR_OK;
}

static void unwatch(void *context, int32_t index, struct weir_log_watch *watch_)
{
    struct port_binding *binding = watch_->binding;
    (void)context;
    (void)index;
    if (binding == NULL)
        return;
    weir_partition_wait_cancel(binding->partition, &binding->waiter);
    weir_partition_unref(binding->partition);
    weir_free(binding);
    watch_->binding = NULL;
}

const struct weir_log_port weir_topic_port = {
    .append = append,
    .append_txn = append_txn,
    .append_marker = append_marker,
    .read = read,
    .offsets = offsets,
    .batch_bytes_max = batch_bytes_max,
    .watch = watch,
    .unwatch = unwatch,
};
