/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The rules a batch from a producer has to pass before it may be appended, in Apache Kafka's order,
 * with its error codes and its words (reference: disk-and-coordinators B.4).  Pure; no lock is
 * needed and none should be held, since the records are decompressed here.  The result is a batch
 * ready for weir_partition_log_append.
 */

#include "weir/record/batch.h"

/* A batch that may be appended.  Either a view of the producer's bytes with its own copy of the
 * header (so that the request's buffer is never written to), or a rebuilt batch that it owns.  body
 * must live until the append. */
struct weir_checked_batch {
    uint8_t head[WEIR_BATCH_HEADER_BYTES];
    struct weir_slice body; /* what follows the header */
    struct weir_batch
        batch; /* parsed from head; batch.bytes.data is NULL, batch.bytes.size the whole size */
    struct weir_buf rebuilt;    /* owns body when the batch was rebuilt */
    int64_t log_append_time_ms; /* -1 for CreateTime: what the produce response says */
};

void weir_checked_batch_done(struct weir_checked_batch *checked);

/* For batches made by this process (builder, markers): parses, checks the structure in debug
 * builds, borrows the bytes. */
WEIR_MUST_CHECK enum weir_status weir_checked_batch_from_own(struct weir_slice bytes,
                                                             struct weir_checked_batch *out,
                                                             struct weir_detail *detail);

#define WEIR_RECORD_ERRORS_MAX 64
struct weir_record_error {
    int32_t index;
    struct weir_slice message; /* null: none */
};

struct weir_produce_check_options {
    struct weir_slice topic; /* for words in messages */
    int32_t partition;
    bool is_compacted; /* cleanup.policy contains compact: records need keys */
    bool log_append_time;
    bool keep_codec; /* compression.type=producer */
    enum weir_codec codec;
    int32_t level;
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;
    int64_t batch_bytes_max; /* max.message.bytes */
    int64_t segment_bytes_max;
    int64_t now_ms;
    size_t decompressed_bytes_max; /* 0: WEIR_BATCH_DECOMPRESSED_BYTES_MAX */
};

/* What a refused batch is answered with, beside the status.  Text lives in the arena-like buffer of
 * this struct. */
struct weir_produce_errors {
    /* The response's error message: empty is null. */
    struct weir_detail message;
    struct weir_record_error items[WEIR_RECORD_ERRORS_MAX];
    int32_t count; /* beyond the maximum, only counted in total */
    int32_t total;
    struct weir_buf text;
};

void weir_produce_errors_done(struct weir_produce_errors *errors);

/* The rules of the request, before any partition is looked at: exactly one batch of magic 2
 * (INVALID_RECORD), a possible length and magic (CORRUPT_MESSAGE with words), zstd only where the
 * version has it (UNSUPPORTED_COMPRESSION_TYPE).  A partial batch behind the first is ignored, as
 * Apache Kafka does. */
WEIR_MUST_CHECK enum weir_status weir_produce_records_check(struct weir_slice records,
                                                            bool zstd_allowed,
                                                            struct weir_batch *out,
                                                            struct weir_detail *message);

/* The rules of the log: base offset 0 (INVALID_RECORD), size (MESSAGE_TOO_LARGE), CRC
 * (CORRUPT_MESSAGE), counts, control bit and sequence (INVALID_RECORD), every record
 * (INVALID_RECORD, with record errors), timestamps (INVALID_TIMESTAMP, with record errors), a
 * stream that does not decompress (UNKNOWN_SERVER_ERROR, Apache Kafka's answer), the size again
 * after a rebuild, and the segment size (RECORD_LIST_TOO_LARGE).  NO_MEMORY and LIMIT (the cap) can
 * come too.  *out is for the caller to release with weir_checked_batch_done; errors is initialised
 * here, written in any case and released with weir_produce_errors_done. Apache Kafka answers
 * MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE and CORRUPT_MESSAGE with log start offset -1, the others
 * with the log's. */
WEIR_MUST_CHECK enum weir_status
weir_produce_check(const struct weir_batch *batch, const struct weir_produce_check_options *options,
                   struct weir_checked_batch *out, struct weir_produce_errors *errors);
