/* SPDX-License-Identifier: Apache-2.0 */

/* Encoders, writing to the end of a buffer as they go. */

#include "weir/record/compression.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"

#include <lz4frame.h>
#include <lz4hc.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

enum {
    SNAPPY_BLOCK_BYTES = 32768, /* snappy-java's default */
    DEFLATE_CHUNK_BYTES = 8192,
    LZ4_STEP_BYTES = 65536,
    LZ4_KAFKA_FAST_LEVEL = 9,
    LZ4_LEVEL_MAX = 17,
    GZIP_LEVEL_MAX = 9
};

struct weir_compressor {
    enum weir_codec codec;
    struct weir_buf *out;
    enum weir_status status;
    union {
        z_stream gzip;
        struct {
            uint8_t *block;
            size_t size;
        } snappy;
        struct {
            LZ4F_cctx *context;
            LZ4F_preferences_t preferences;
        } lz4;
        ZSTD_CCtx *zstd;
    } as;
};

const char *weir_codec_name(enum weir_codec codec)
{
    switch (codec) {
    case WEIR_CODEC_NONE:
        return "none";
    case WEIR_CODEC_GZIP:
        return "gzip";
    case WEIR_CODEC_SNAPPY:
        return "snappy";
    case WEIR_CODEC_LZ4:
        return "lz4";
    case WEIR_CODEC_ZSTD:
        return "zstd";
    }
    return "unknown";
}

bool weir_codec_from_bits(int bits, enum weir_codec *out)
{
    if (bits < WEIR_CODEC_NONE || bits > WEIR_CODEC_ZSTD)
        return false;
    *out = (enum weir_codec)bits;
    return true;
}

bool weir_codec_level_is_valid(enum weir_codec codec, int32_t level)
{
    if (level == WEIR_CODEC_LEVEL_DEFAULT)
        return true;
    switch (codec) {
    case WEIR_CODEC_NONE:
    case WEIR_CODEC_SNAPPY:
        return false;
    case WEIR_CODEC_GZIP:
        return level == Z_DEFAULT_COMPRESSION || (level >= 1 && level <= GZIP_LEVEL_MAX);
    case WEIR_CODEC_LZ4:
        return level >= 1 && level <= LZ4_LEVEL_MAX;
    case WEIR_CODEC_ZSTD:
        return level >= ZSTD_minCLevel() && level <= ZSTD_maxCLevel();
    }
    return false;
}

static int clamp(int32_t level, int least, int most)
{
    return level < least ? least : level > most ? most : level;
}

static enum weir_status start_gzip(struct weir_compressor *self, int32_t level)
{
    int zlib_level = level == WEIR_CODEC_LEVEL_DEFAULT ? Z_DEFAULT_COMPRESSION
                                                       : clamp(level, -1, GZIP_LEVEL_MAX);
    return deflateInit2(&self->as.gzip, zlib_level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ==
                   Z_OK
               ? WEIR_OK
               : WEIR_NO_MEMORY;
}

static enum weir_status start_snappy(struct weir_compressor *self)
{
    static const uint8_t header[16] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                       0,    0,   0,   1,   0,   0,   0,   1};
    self->as.snappy.block = weir_malloc(SNAPPY_BLOCK_BYTES);
    if (self->as.snappy.block == NULL)
        return WEIR_NO_MEMORY;
    weir_buf_append(self->out, header, sizeof(header));
    return WEIR_OK;
}

static enum weir_status start_lz4(struct weir_compressor *self, int32_t level)
{
    LZ4F_preferences_t *preferences = &self->as.lz4.preferences;
    preferences->frameInfo.blockSizeID = LZ4F_max64KB;
    preferences->frameInfo.blockMode = LZ4F_blockIndependent;
    /* Kafka's level 9 is the fast mode and everything else the high compression one. */
    if (level != WEIR_CODEC_LEVEL_DEFAULT && level != LZ4_KAFKA_FAST_LEVEL)
        preferences->compressionLevel = clamp(level, LZ4HC_CLEVEL_MIN, LZ4HC_CLEVEL_MAX);
    if (LZ4F_isError(LZ4F_createCompressionContext(&self->as.lz4.context, LZ4F_VERSION)))
        return WEIR_NO_MEMORY;
    uint8_t header[LZ4F_HEADER_SIZE_MAX];
    size_t size = LZ4F_compressBegin(self->as.lz4.context, header, sizeof(header), preferences);
    if (LZ4F_isError(size)) {
        (void)LZ4F_freeCompressionContext(self->as.lz4.context);
        return WEIR_NO_MEMORY;
    }
    weir_buf_append(self->out, header, size);
    return WEIR_OK;
}

static enum weir_status start_zstd(struct weir_compressor *self, int32_t level)
{
    self->as.zstd = ZSTD_createCCtx();
    if (self->as.zstd == NULL)
        return WEIR_NO_MEMORY;
    int zstd_level = level == WEIR_CODEC_LEVEL_DEFAULT
                         ? ZSTD_CLEVEL_DEFAULT
                         : clamp(level, ZSTD_minCLevel(), ZSTD_maxCLevel());
    if (ZSTD_isError(ZSTD_CCtx_setParameter(self->as.zstd, ZSTD_c_compressionLevel, zstd_level))) {
        (void)ZSTD_freeCCtx(self->as.zstd);
        return WEIR_NO_MEMORY;
    }
    return WEIR_OK;
}

static enum weir_status start(struct weir_compressor *self, int32_t level)
{
    switch (self->codec) {
    case WEIR_CODEC_NONE:
        return WEIR_OK;
    case WEIR_CODEC_GZIP:
        return start_gzip(self, level);
    case WEIR_CODEC_SNAPPY:
        return start_snappy(self);
    case WEIR_CODEC_LZ4:
        return start_lz4(self, level);
    case WEIR_CODEC_ZSTD:
        return start_zstd(self, level);
    }
    return WEIR_UNSUPPORTED;
}

enum weir_status weir_compressor_new(enum weir_codec codec, int32_t level, struct weir_buf *out,
                                     struct weir_compressor **out_compressor)
{
    struct weir_compressor *self = weir_calloc(1, sizeof(*self));
    if (self == NULL)
        return WEIR_NO_MEMORY;
    self->codec = codec;
    self->out = out;
    enum weir_status status = start(self, level);
    if (status != WEIR_OK) {
        weir_free(self);
        return status;
    }
    *out_compressor = self;
    return WEIR_OK;
}

void weir_compressor_free(struct weir_compressor *self)
{
    if (self == NULL)
        return;
    switch (self->codec) {
    case WEIR_CODEC_NONE:
        break;
    case WEIR_CODEC_GZIP:
        (void)deflateEnd(
            &self->as.gzip); /* complains about unfinished streams, which is the caller's choice */
        break;
    case WEIR_CODEC_SNAPPY:
        weir_free(self->as.snappy.block);
        break;
    case WEIR_CODEC_LZ4:
        (void)LZ4F_freeCompressionContext(self->as.lz4.context);
        break;
    case WEIR_CODEC_ZSTD:
        (void)ZSTD_freeCCtx(self->as.zstd);
        break;
    }
    weir_free(self);
}

static void write_gzip(struct weir_compressor *self, struct weir_slice bytes, int flush)
{
    z_stream *stream = &self->as.gzip;
    stream->next_in = (Bytef *)(uintptr_t)bytes.data; /* zlib does not write there */
    stream->avail_in = (uInt)bytes.size;
    int result;
    do {
        uint8_t *at = weir_buf_extend(self->out, DEFLATE_CHUNK_BYTES);
        if (at == NULL)
            return;
        stream->next_out = at;
        stream->avail_out = DEFLATE_CHUNK_BYTES;
        result = deflate(stream, flush);
        self->out->size -= stream->avail_out;
    } while (stream->avail_out == 0 && result != Z_STREAM_END);
}

static void flush_snappy_block(struct weir_compressor *self)
{
    size_t size = snappy_max_compressed_length(self->as.snappy.size);
    uint8_t *at = weir_buf_extend(self->out, 4 + size);
    if (at == NULL)
        return;
    size_t reserved = size;
    if (snappy_compress((const char *)self->as.snappy.block, self->as.snappy.size, (char *)at + 4,
                        &size) != SNAPPY_OK)
        self->status = WEIR_NO_MEMORY;
    weir_put_u32(at, (uint32_t)size);
    self->out->size -= reserved - size;
    self->as.snappy.size = 0;
}

static void write_snappy(struct weir_compressor *self, struct weir_slice bytes)
{
    while (bytes.size > 0) {
        size_t room = SNAPPY_BLOCK_BYTES - self->as.snappy.size;
        size_t taken = bytes.size < room ? bytes.size : room;
        memcpy(self->as.snappy.block + self->as.snappy.size, bytes.data, taken);
        self->as.snappy.size += taken;
        bytes.data += taken;
        bytes.size -= taken;
        if (self->as.snappy.size == SNAPPY_BLOCK_BYTES)
            flush_snappy_block(self);
    }
}

/* is_end: writes the end mark instead. */
static void write_lz4(struct weir_compressor *self, struct weir_slice bytes, bool is_end)
{
    do {
        size_t taken = bytes.size < LZ4_STEP_BYTES ? bytes.size : LZ4_STEP_BYTES;
        size_t bound = LZ4F_compressBound(is_end ? 0 : taken, &self->as.lz4.preferences);
        uint8_t *at = weir_buf_extend(self->out, bound);
        if (at == NULL)
            return;
        size_t size =
            is_end ? LZ4F_compressEnd(self->as.lz4.context, at, bound, NULL)
                   : LZ4F_compressUpdate(self->as.lz4.context, at, bound, bytes.data, taken, NULL);
        if (LZ4F_isError(size)) {
            self->status = WEIR_NO_MEMORY;
            size = 0;
        }
        self->out->size -= bound - size;
        bytes.data += taken;
        bytes.size -= taken;
    } while (bytes.size > 0 && self->status == WEIR_OK);
}

static void write_zstd(struct weir_compressor *self, struct weir_slice bytes,
                       ZSTD_EndDirective directive)
{
    ZSTD_inBuffer in = {.src = bytes.data, .size = bytes.size, .pos = 0};
    size_t left;
    do {
        uint8_t *at = weir_buf_extend(self->out, DEFLATE_CHUNK_BYTES);
        if (at == NULL)
            return;
        ZSTD_outBuffer produced = {.dst = at, .size = DEFLATE_CHUNK_BYTES, .pos = 0};
        left = ZSTD_compressStream2(self->as.zstd, &produced, &in, directive);
        self->out->size -= DEFLATE_CHUNK_BYTES - produced.pos;
        if (ZSTD_isError(left)) {
            self->status = WEIR_NO_MEMORY;
            return;
        }
    } while (directive == ZSTD_e_end ? left != 0 : in.pos < in.size);
}

void weir_compressor_write(struct weir_compressor *self, struct weir_slice bytes)
{
    if (self->status != WEIR_OK || weir_buf_status(self->out) != WEIR_OK || bytes.size == 0)
        return;
    switch (self->codec) {
    case WEIR_CODEC_NONE:
        weir_buf_append_slice(self->out, bytes);
        break;
    case WEIR_CODEC_GZIP:
        write_gzip(self, bytes, Z_NO_FLUSH);
        break;
    case WEIR_CODEC_SNAPPY:
        write_snappy(self, bytes);
        break;
    case WEIR_CODEC_LZ4:
        write_lz4(self, bytes, false);
        break;
    case WEIR_CODEC_ZSTD:
        write_zstd(self, bytes, ZSTD_e_continue);
        break;
    }
}

enum weir_status weir_compressor_finish(struct weir_compressor *self)
{
    if (self->status == WEIR_OK && weir_buf_status(self->out) == WEIR_OK) {
        switch (self->codec) {
        case WEIR_CODEC_NONE:
            break;
        case WEIR_CODEC_GZIP:
            write_gzip(self, WEIR_EMPTY_SLICE, Z_FINISH);
            break;
        case WEIR_CODEC_SNAPPY:
            if (self->as.snappy.size > 0)
                flush_snappy_block(self);
            break;
        case WEIR_CODEC_LZ4:
            write_lz4(self, WEIR_EMPTY_SLICE, true);
            break;
        case WEIR_CODEC_ZSTD:
            write_zstd(self, WEIR_EMPTY_SLICE, ZSTD_e_end);
            break;
        }
    }
    return self->status != WEIR_OK ? self->status : weir_buf_status(self->out);
}
