/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Record batches as they lie on the wire and on disk.  A struct weir_batch is a parsed view of one
 * batch: it owns nothing and its bytes must outlive it.  Magic 2 is the format of today; magic 0
 * and 1 ("message sets") can only be read.  Everything here is pure and may be used from any
 * thread; all numbers from outside are checked.
 *
 *   offset size field (magic 2)            offset size field
 *        0    8 base offset     *               27    8 base timestamp, or delete horizon
 * (attribute bit 6) 8    4 bytes after this field *        35    8 max timestamp 12    4 partition
 * leader epoch *        43    8 producer id, -1 none 16    1 magic           *               51 2
 * producer epoch 17    4 CRC-32C of bytes 21 to the end  53    4 base sequence 21    2 attributes
 * 57    4 record count 23    4 last offset delta               61      records, compressed as one
 * block The fields with a star are not under the checksum; the broker sets base offset and leader
 * epoch in place.
 */

#include "weir/base/buf.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"
#include "weir/record/compression.h"

#include <stdbool.h>
#include <stdint.h>

#define WEIR_BATCH_HEADER_BYTES 61
/* Base offset and length: what every format has in front. */
#define WEIR_BATCH_OVERHEAD_BYTES 12
/* Up to and including the magic byte: with these one can tell the size and the format. */
#define WEIR_BATCH_PREFIX_BYTES      17
#define WEIR_BATCH_NO_TIMESTAMP      (-1)
#define WEIR_BATCH_NO_PRODUCER_ID    (-1)
#define WEIR_BATCH_NO_PRODUCER_EPOCH (-1)
#define WEIR_BATCH_NO_SEQUENCE       (-1)
#define WEIR_BATCH_NO_LEADER_EPOCH   (-1)
/* A cap for what one batch may decompress to where the caller has no better one. */
#define WEIR_BATCH_DECOMPRESSED_BYTES_MAX ((size_t)256 << 20)

enum weir_batch_attribute {
    WEIR_BATCH_CODEC_MASK = 0x07,
    WEIR_BATCH_LOG_APPEND_TIME = 0x08,
    WEIR_BATCH_TRANSACTIONAL = 0x10,
    WEIR_BATCH_CONTROL = 0x20,
    WEIR_BATCH_DELETE_HORIZON = 0x40
};

/* A parsed batch.  For magic 0 and 1, base_offset is the offset of the message (of its last inner
 * message when it is compressed), last_offset the same, and what the format lacks is -1 or 0. */
struct weir_batch {
    struct weir_slice bytes; /* all of it */
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int64_t base_offset;
    int64_t last_offset;
    int32_t partition_leader_epoch;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count; /* magic 0 and 1: 1, or -1 (unknown) when compressed */
};

/* Size of the batch that begins here, from its first 12 bytes.  TRUNCATED with fewer, CORRUPT when
 * the length is below what any format needs (14), UNKNOWN_SERVER_ERROR when it does not fit in an
 * int32 (Apache Kafka's answer). */
WEIR_MUST_CHECK enum weir_status weir_batch_peek_size(struct weir_slice bytes, size_t *out_size,
                                                      struct weir_detail *detail);

/* Parses the header of the first batch in bytes.  TRUNCATED when the bytes end before the batch
 * does, CORRUPT when length or magic are impossible.  Records and CRC are not looked at. */
WEIR_MUST_CHECK enum weir_status weir_batch_parse(struct weir_slice bytes, struct weir_batch *out,
                                                  struct weir_detail *detail);

/* Like parse, but bytes need only hold the header (61 bytes, or what the old format has up to its
 * value): for scanning files.  out->bytes is then the header only, *out_size the size of the batch.
 */
WEIR_MUST_CHECK enum weir_status weir_batch_parse_header(struct weir_slice bytes,
                                                         struct weir_batch *out, size_t *out_size,
                                                         struct weir_detail *detail);

/* CORRUPT when the checksum is wrong. */
WEIR_MUST_CHECK enum weir_status weir_batch_check_crc(const struct weir_batch *batch,
                                                      struct weir_detail *detail);

/* CORRUPT when the checksum is wrong or magic 2's fields contradict each other (negative last
 * offset delta or count, count above the offset range). */
WEIR_MUST_CHECK enum weir_status weir_batch_check(const struct weir_batch *batch,
                                                  struct weir_detail *detail);

static inline bool weir_batch_is_control(const struct weir_batch *batch)
{
    return (batch->attributes & WEIR_BATCH_CONTROL) != 0;
}

static inline bool weir_batch_is_transactional(const struct weir_batch *batch)
{
    return (batch->attributes & WEIR_BATCH_TRANSACTIONAL) != 0;
}

static inline bool weir_batch_has_log_append_time(const struct weir_batch *batch)
{
    return (batch->attributes & WEIR_BATCH_LOG_APPEND_TIME) != 0;
}

static inline bool weir_batch_has_delete_horizon(const struct weir_batch *batch)
{
    return batch->magic >= 2 && (batch->attributes & WEIR_BATCH_DELETE_HORIZON) != 0;
}

static inline bool weir_batch_has_producer_id(const struct weir_batch *batch)
{
    return batch->producer_id > WEIR_BATCH_NO_PRODUCER_ID;
}

static inline int64_t weir_batch_next_offset(const struct weir_batch *batch)
{
    return batch->last_offset + 1;
}

/* Sequence numbers are 31 bits wide: after 2147483647 comes 0. */
int32_t weir_sequence_add(int32_t sequence, int32_t increment);
/* Of the last record; -1 without a sequence. */
int32_t weir_batch_last_sequence(const struct weir_batch *batch);

/* --- Patching in place; bytes point at the start of a magic 2 batch. --- */
void weir_batch_set_base_offset(uint8_t *bytes, int64_t base_offset);
void weir_batch_set_leader_epoch(uint8_t *bytes, int32_t partition_leader_epoch);
/* Timestamp type and max timestamp, with a new CRC: head is the batch's first 61 bytes (changed in
 * place), body what follows them (read only, so it may still lie in a request's buffer). */
void weir_batch_set_max_timestamp(uint8_t head[WEIR_BATCH_HEADER_BYTES], struct weir_slice body,
                                  bool log_append_time, int64_t max_timestamp);

/* --- Batches in a run of bytes. --- */
struct weir_batch_iter {
    struct weir_slice rest;
};

static inline void weir_batch_iter_init(struct weir_batch_iter *iter, struct weir_slice bytes)
{
    iter->rest = bytes;
}

/* NOT_FOUND at the end; TRUNCATED when the rest is no whole batch (what a fetch may end with);
 * CORRUPT. */
WEIR_MUST_CHECK enum weir_status weir_batch_iter_next(struct weir_batch_iter *iter,
                                                      struct weir_batch *out,
                                                      struct weir_detail *detail);

/* --- Records in a batch. --- */
struct weir_record_header {
    struct weir_slice key;
    struct weir_slice value; /* may be null */
};

/* The slices live until the next call on the iterator. */
struct weir_record {
    int32_t index; /* place in the batch, from 0 */
    int64_t offset;
    int64_t timestamp;
    int32_t sequence; /* -1 without one */
    int32_t offset_delta;
    int32_t key_bytes;   /* -1: null.  Also right when keys and values are skipped */
    int32_t value_bytes; /* -1: null */
    struct weir_slice key;
    struct weir_slice value;
    int32_t header_count;
    struct weir_slice headers; /* as encoded; weir_record_headers_next takes them apart */
};

/* Takes one header off the front of a record's headers; NOT_FOUND at their end.  (The iterator has
 * checked them.) */
WEIR_MUST_CHECK enum weir_status weir_record_headers_next(struct weir_slice *headers,
                                                          struct weir_record_header *out);

struct weir_record_iter;

struct weir_record_iter_options {
    size_t decompressed_bytes_max; /* 0: WEIR_BATCH_DECOMPRESSED_BYTES_MAX */
    /* Validation: keys, values and headers are checked but not kept, so no more than a few KB is
     * held whatever the records' size.  The slices are then null. */
    bool skip_payload;
};

/* Reads the records one by one, decompressing as it goes; holds one record at a time.  Control
 * batches are read like others.  Legacy compressed sets are taken apart into memory (their offsets
 * need the last one).  NO_MEMORY, UNSUPPORTED for a codec that does not exist. */
WEIR_MUST_CHECK enum weir_status
weir_record_iter_new(const struct weir_batch *batch, const struct weir_record_iter_options *options,
                     struct weir_record_iter **out, struct weir_detail *detail);
void weir_record_iter_free(struct weir_record_iter *iter);

/* NOT_FOUND after the last record (and it has then been seen that nothing follows it); INVALID for
 * a malformed record, a wrong count or bytes left over; CORRUPT when the compressed stream is
 * broken; LIMIT above the cap; NO_MEMORY. */
WEIR_MUST_CHECK enum weir_status weir_record_iter_next(struct weir_record_iter *iter,
                                                       struct weir_record *out,
                                                       struct weir_detail *detail);

/* --- Control records. --- */
enum weir_control_type {
    WEIR_CONTROL_ABORT = 0,
    WEIR_CONTROL_COMMIT = 1,
    WEIR_CONTROL_LEADER_CHANGE = 2,
    WEIR_CONTROL_SNAPSHOT_HEADER = 3,
    WEIR_CONTROL_SNAPSHOT_FOOTER = 4,
    WEIR_CONTROL_KRAFT_VERSION = 5,
    WEIR_CONTROL_KRAFT_VOTERS = 6
};

/* The key of a control record: int16 version, int16 type.  INVALID when it is shorter or of an
 * unknown type. */
WEIR_MUST_CHECK enum weir_status weir_control_key_parse(struct weir_slice key,
                                                        enum weir_control_type *out);

#define WEIR_CONTROL_KEY_BYTES 4
void weir_control_key_write(uint8_t out[WEIR_CONTROL_KEY_BYTES], enum weir_control_type type);

struct weir_txn_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_commit;
    int32_t coordinator_epoch;
};

/* Reads the marker in a transactional control batch; INVALID when it holds none. */
WEIR_MUST_CHECK enum weir_status weir_txn_marker_parse(const struct weir_batch *batch,
                                                       struct weir_txn_marker *out,
                                                       struct weir_detail *detail);

#define WEIR_TXN_MARKER_BYTES 78
/* The whole batch (base offset 0, leader epoch -1: the log sets them). */
void weir_txn_marker_write(uint8_t out[WEIR_TXN_MARKER_BYTES], const struct weir_txn_marker *marker,
                           int64_t timestamp_ms);
