/* SPDX-License-Identifier: Apache-2.0 */

#include "loader.h"

#include "weir/protocol/record_types.h"

enum weir_status weir_loader_init(struct weir_loader *loader)
{
    *loader = (struct weir_loader){.last_offset = -1, .last_epoch = -1, .last_timestamp_ms = -1};
    struct weir_image *empty = weir_image_new_empty();
    if (empty == NULL)
        return WEIR_NO_MEMORY;
    loader->builder = weir_image_builder_new(empty);
    weir_image_unref(empty);
    return loader->builder == NULL ? WEIR_NO_MEMORY : WEIR_OK;
}

void weir_loader_done(struct weir_loader *loader)
{
    weir_image_builder_free(loader->builder);
    loader->builder = NULL;
}

/* Goes on from base with nothing drafted. */
static enum weir_status restart_from(struct weir_loader *loader, const struct weir_image *base)
{
    struct weir_image_builder *builder = weir_image_builder_new(base);
    if (builder == NULL)
        return WEIR_NO_MEMORY;
    weir_image_builder_free(loader->builder);
    loader->builder = builder;
    return WEIR_OK;
}

static enum weir_status begin(struct weir_loader *loader, struct weir_detail *detail)
{
    if (loader->in_transaction) {
        weir_detail_set(detail, "a metadata transaction begins inside another");
        return WEIR_CORRUPT;
    }
    const struct weir_image *image;
    enum weir_status status = weir_loader_finish(loader, &image, detail);
    if (status != WEIR_OK)
        return status;
    status = restart_from(loader, image);
    weir_image_unref(image);
    loader->in_transaction = status == WEIR_OK;
    return status;
}

enum weir_status weir_loader_abort(struct weir_loader *loader)
{
    loader->in_transaction = false;
    return restart_from(loader, loader->builder->base);
}

enum weir_status weir_loader_apply(void *context, const struct weir_quorum_record *record,
                                   struct weir_detail *detail)
{
    struct weir_loader *loader = context;
    enum weir_status status = weir_image_builder_apply(loader->builder, record->kind,
                                                       record->version, record->body, detail);
    if (status == WEIR_OK && record->kind == WEIR_METADATA_RECORD_BEGIN_TRANSACTION)
        status = begin(loader, detail);
    if (status == WEIR_OK && (record->kind == WEIR_METADATA_RECORD_END_TRANSACTION ||
                              record->kind == WEIR_METADATA_RECORD_ABORT_TRANSACTION)) {
        if (!loader->in_transaction) {
            weir_detail_set(detail, "a metadata transaction ends that never began");
            return WEIR_CORRUPT;
        }
        loader->in_transaction = false;
        if (record->kind == WEIR_METADATA_RECORD_ABORT_TRANSACTION)
            status = weir_loader_abort(loader);
    }
    if (status != WEIR_OK)
        return status;
    if (record->offset >= 0)
        loader->last_offset = record->offset;
    loader->last_epoch = record->epoch;
    loader->last_timestamp_ms = record->timestamp_ms;
    return WEIR_OK;
}

enum weir_status weir_loader_finish(struct weir_loader *loader, const struct weir_image **out,
                                    struct weir_detail *detail)
{
    enum weir_status status =
        weir_image_builder_finish(loader->builder, loader->last_offset, loader->last_epoch,
                                  loader->last_timestamp_ms, detail);
    if (status == WEIR_OK)
        *out = weir_image_ref(loader->builder->image);
    return status;
}

void weir_image_delta_of_all(const struct weir_image *image, struct weir_image_delta *out)
{
    /* A node is the first member of what it stands for, so a table of nodes is a table of topics
     * (or configs). */
    *out = (struct weir_image_delta){
        .created_topics =
            (const struct weir_image_topic *const *)(const void *)image->topics->items,
        .created_topic_count = image->topics->count,
        .changed_configs =
            (const struct weir_image_config *const *)(const void *)image->configs->items,
        .changed_config_count = image->configs->count,
        .brokers_changed = true,
        .features_changed = true,
        .raw_changed = true,
    };
}
