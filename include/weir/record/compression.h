/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The codecs of record batches, as streams.  What is read from outside never grows beyond the cap
 * it is given, and no more memory is held than the codec's own window.  Framings on the wire: gzip
 * (RFC 1952), snappy in blocks as snappy-java ("xerial") writes them, or as one raw block as
 * librdkafka does, the lz4 frame format, one zstd frame.
 *
 * Objects belong to one thread at a time.  Nothing here is shared.
 */

#include "weir/base/buf.h"
#include "weir/base/slice.h"
#include "weir/base/status.h"

#include <stdbool.h>
#include <stdint.h>

/* The numbers are those of attributes bits 0-2 of a batch. */
enum weir_codec {
    WEIR_CODEC_NONE = 0,
    WEIR_CODEC_GZIP = 1,
    WEIR_CODEC_SNAPPY = 2,
    WEIR_CODEC_LZ4 = 3,
    WEIR_CODEC_ZSTD = 4
};

/* The codec's default level: gzip -1 (zlib's default), lz4 9 (its fast mode, as Apache Kafka has
 * it), zstd 3. */
#define WEIR_CODEC_LEVEL_DEFAULT INT32_MIN

/* Kafka's word in compression.type: "none", "gzip", "snappy", "lz4", "zstd".  Never NULL. */
const char *weir_codec_name(enum weir_codec codec);

/* False for bits that no codec has (5 to 7). */
bool weir_codec_from_bits(int bits, enum weir_codec *out);

/* True when compression.<codec>.level may have this value (KIP-390). */
bool weir_codec_level_is_valid(enum weir_codec codec, int32_t level);

struct weir_compressor;

/* Compresses to the end of out, which is borrowed and must live until the compressor is freed.
 * Levels out of range are brought into it.  NO_MEMORY is the only failure. */
WEIR_MUST_CHECK enum weir_status weir_compressor_new(enum weir_codec codec, int32_t level,
                                                     struct weir_buf *out,
                                                     struct weir_compressor **out_compressor);
void weir_compressor_free(struct weir_compressor *compressor);

/* Sticky: after a failure the next calls do nothing, and finish tells it. */
void weir_compressor_write(struct weir_compressor *compressor, struct weir_slice bytes);

/* Ends the stream.  NO_MEMORY or LIMIT (the buffer's). Nothing may be written afterwards. */
WEIR_MUST_CHECK enum weir_status weir_compressor_finish(struct weir_compressor *compressor);

struct weir_decompressor;

/* input is borrowed.  bytes_max is the cap on everything that comes out. */
WEIR_MUST_CHECK enum weir_status weir_decompressor_new(enum weir_codec codec,
                                                       struct weir_slice input, size_t bytes_max,
                                                       struct weir_decompressor **out);
void weir_decompressor_free(struct weir_decompressor *decompressor);

/* Fills into; *out_read is less than size only at the end of the stream.  CORRUPT when the bytes
 * are no such stream or end early (TRUNCATED for gzip), LIMIT when the cap was reached.  After a
 * failure every call fails the same way. */
WEIR_MUST_CHECK enum weir_status weir_decompressor_read(struct weir_decompressor *decompressor,
                                                        void *into, size_t size, size_t *out_read);

/* The whole stream to the end of out. */
WEIR_MUST_CHECK enum weir_status weir_decompress(enum weir_codec codec, struct weir_slice input,
                                                 size_t bytes_max, struct weir_buf *out);
