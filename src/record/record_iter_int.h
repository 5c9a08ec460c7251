/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the iterator of magic 2 and that of legacy sets. */

#include "weir/record/batch.h"

struct weir_record_iter {
    struct weir_batch batch;
    bool skip_payload;
    int32_t index;

    /* Magic 2: a window over the records.  Without compression it is all of them; otherwise
     * buffer's filled part. */
    struct weir_decompressor *decompressor; /* NULL without compression */
    const uint8_t *at;
    const uint8_t *end;
    uint8_t *buffer;
    size_t capacity;

    /* Legacy compressed sets: all inner messages. */
    struct weir_buf inner;
    struct weir_slice rest;
    int64_t offset_shift; /* what turns an inner offset into the log's */
};

/* legacy_iter.c */
enum weir_status weir_legacy_iter_start(struct weir_record_iter *iter, size_t bytes_max,
                                        struct weir_detail *detail);
enum weir_status weir_legacy_iter_next(struct weir_record_iter *iter, struct weir_record *out,
                                       struct weir_detail *detail);
