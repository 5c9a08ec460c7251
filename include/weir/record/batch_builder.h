/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Makes magic 2 batches from records: for coordinators, the metadata log, recompression, compaction
 * and tests.  Records go through the compressor as they come, so only the finished form is held.
 * Belongs to one thread at a time.
 */

#include "weir/record/batch.h"

struct weir_batch_builder_options {
    enum weir_codec codec;
    int32_t level; /* WEIR_CODEC_LEVEL_DEFAULT */
    int64_t base_offset;
    int32_t partition_leader_epoch;
    bool log_append_time; /* all records then have the time log_append_time_ms */
    int64_t log_append_time_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    bool is_transactional;
    bool is_control;
    /* Compaction: when the batch's tombstones may go.  It stands where the base timestamp would;
     * the records' own times stay as they are. */
    bool has_delete_horizon;
    int64_t delete_horizon_ms;
};

/* Nothing set: no compression, base offset 0, CreateTime, no producer, leader epoch -1. */
struct weir_batch_builder_options weir_batch_builder_options_default(void);

/* One record to write.  Null slices are null keys and values.  Headers either taken apart or, when
 * raw_headers is not null, as another record had them encoded (then header_count says how many). */
struct weir_record_data {
    int64_t timestamp;
    struct weir_slice key;
    struct weir_slice value;
    const struct weir_record_header *headers;
    int32_t header_count;
    struct weir_slice raw_headers;
};

struct weir_batch_builder;

/* The batch is written to the end of out (borrowed until free). */
WEIR_MUST_CHECK enum weir_status
weir_batch_builder_new(const struct weir_batch_builder_options *options, struct weir_buf *out,
                       struct weir_batch_builder **out_builder);
void weir_batch_builder_free(struct weir_batch_builder *builder);

/* Adds a record with the next offset.  Sticky: finish tells the failure. */
void weir_batch_builder_add(struct weir_batch_builder *builder,
                            const struct weir_record_data *record);
/* With this offset delta, above all before it (compaction leaves gaps). */
void weir_batch_builder_add_at(struct weir_batch_builder *builder, int32_t offset_delta,
                               const struct weir_record_data *record);

int32_t weir_batch_builder_count(const struct weir_batch_builder *builder);
/* Bytes given so far, before compression, header included: for "does one more fit". */
size_t weir_batch_builder_bytes(const struct weir_batch_builder *builder);
/* What weir_batch_builder_bytes would grow by, at most. */
size_t weir_record_bytes_bound(const struct weir_record_data *record);

/* Keeps the last offset of a batch that lost its last records; not below the last record's delta.
 */
void weir_batch_builder_set_last_offset_delta(struct weir_batch_builder *builder,
                                              int32_t last_offset_delta);

/* Writes the header and the CRC.  NO_MEMORY, LIMIT (the buffer's), INVALID (a value above int32,
 * deltas that fall, or headers that are counted but not given). The batch is the part of the buffer
 * that was added since new. */
WEIR_MUST_CHECK enum weir_status weir_batch_builder_finish(struct weir_batch_builder *builder);

/* Rewrites batch with another codec or level (timestamps, offsets, producer and attributes stay) to
 * the end of out. Fails as weir_record_iter_next does. */
WEIR_MUST_CHECK enum weir_status weir_batch_recompress(const struct weir_batch *batch,
                                                       enum weir_codec codec, int32_t level,
                                                       size_t decompressed_bytes_max,
                                                       struct weir_buf *out,
                                                       struct weir_detail *detail);
