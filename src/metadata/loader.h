/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From committed records to an image, at a start.  Metadata transactions (KIP-868): records between
 * Begin and End count only when End comes; Abort drops them.
 */

#include "image_builder_int.h"
#include "weir/quorum/metadata_log.h"

struct weir_loader {
    struct weir_image_builder *builder;
    bool in_transaction;
    int64_t last_offset;
    int32_t last_epoch;
    int64_t last_timestamp_ms;
};

WEIR_MUST_CHECK enum weir_status weir_loader_init(struct weir_loader *loader);
void weir_loader_done(struct weir_loader *loader);

/* A weir_quorum_apply; context is the loader. */
enum weir_status weir_loader_apply(void *context, const struct weir_quorum_record *record,
                                   struct weir_detail *detail);

/* Drops the records of a transaction that was never ended. */
WEIR_MUST_CHECK enum weir_status weir_loader_abort(struct weir_loader *loader);

/* The image of all that was applied; the caller owns one reference. */
WEIR_MUST_CHECK enum weir_status weir_loader_finish(struct weir_loader *loader,
                                                    const struct weir_image **out,
                                                    struct weir_detail *detail);

/* The delta from the empty image to this one; its pointers live as long as the image. */
void weir_image_delta_of_all(const struct weir_image *image, struct weir_image_delta *out);
