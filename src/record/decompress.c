/* SPDX-License-Identifier: Apache-2.0 */

/* Decoders.  Each produces bytes on demand; the cap is enforced in one place,
 * weir_decompressor_read. */

#include "weir/record/compression.h"

#include "weir/base/assert.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

struct snappy_stream {
    bool is_framed; /* snappy-java's framing; otherwise one raw block */
    uint8_t *block; /* the current block, decompressed */
    size_t block_capacity;
    size_t block_size;
    size_t block_pos;
};

struct weir_decompressor {
    enum weir_codec codec;
    struct weir_slice rest; /* input not yet consumed */
    size_t bytes_left;      /* of the cap */
    bool is_at_end;
    enum weir_status status;
    union {
        z_stream gzip;
        struct snappy_stream snappy;
        LZ4F_dctx *lz4;
        ZSTD_DCtx *zstd;
    } as;
};

static const uint8_t snappy_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};
enum { SNAPPY_HEADER_BYTES = 16 };

static bool starts_with_snappy_header(struct weir_slice bytes)
{
    return bytes.size >= SNAPPY_HEADER_BYTES &&
           memcmp(bytes.data, snappy_magic, sizeof(snappy_magic)) == 0;
}

static void advance(struct weir_slice *slice, size_t size)
{
    slice->data += size;
    slice->size -= size;
}

static enum weir_status start(struct weir_decompressor *self)
{
    switch (self->codec) {
    case WEIR_CODEC_NONE:
        return WEIR_OK;
    case WEIR_CODEC_GZIP:
        return inflateInit2(&self->as.gzip, 15 + 16) == Z_OK ? WEIR_OK : WEIR_NO_MEMORY;
    case WEIR_CODEC_SNAPPY:
        self->as.snappy.is_framed = starts_with_snappy_header(self->rest);
        if (self->as.snappy.is_framed)
            advance(&self->rest, SNAPPY_HEADER_BYTES);
        return WEIR_OK;
    case WEIR_CODEC_LZ4:
        return LZ4F_isError(LZ4F_createDecompressionContext(&self->as.lz4, LZ4F_VERSION))
                   ? WEIR_NO_MEMORY
                   : WEIR_OK;
    case WEIR_CODEC_ZSTD:
        self->as.zstd = ZSTD_createDCtx();
        return self->as.zstd == NULL ? WEIR_NO_MEMORY : WEIR_OK;
    }
    return WEIR_UNSUPPORTED;
}

enum weir_status weir_decompressor_new(enum weir_codec codec, struct weir_slice input,
                                       size_t bytes_max, struct weir_decompressor **out)
{
    struct weir_decompressor *self = weir_calloc(1, sizeof(*self));
    if (self == NULL)
        return WEIR_NO_MEMORY;
    self->codec = codec;
    self->rest = input;
    self->bytes_left = bytes_max;
    enum weir_status status = start(self);
    if (status != WEIR_OK) {
        weir_free(self);
        return status;
    }
    *out = self;
    return WEIR_OK;
}

void weir_decompressor_free(struct weir_decompressor *self)
{
    if (self == NULL)
        return;
    switch (self->codec) {
    case WEIR_CODEC_NONE:
        break;
    case WEIR_CODEC_GZIP:
        (void)inflateEnd(&self->as.gzip); /* only reports misuse */
        break;
    case WEIR_CODEC_SNAPPY:
        weir_free(self->as.snappy.block);
        break;
    case WEIR_CODEC_LZ4:
        (void)LZ4F_freeDecompressionContext(self->as.lz4); /* likewise */
        break;
    case WEIR_CODEC_ZSTD:
        (void)ZSTD_freeDCtx(self->as.zstd);
        break;
    }
    weir_free(self);
}

static enum weir_status read_plain(struct weir_decompressor *self, uint8_t *into, size_t size,
                                   size_t *out)
{
    size_t taken = size < self->rest.size ? size : self->rest.size;
    if (taken > 0)
        memcpy(into, self->rest.data, taken);
    advance(&self->rest, taken);
    self->is_at_end = self->rest.size == 0;
    *out = taken;
    return WEIR_OK;
}

static enum weir_status read_gzip(struct weir_decompressor *self, uint8_t *into, size_t size,
                                  size_t *out)
{
    z_stream *stream = &self->as.gzip;
    stream->next_in = (Bytef *)(uintptr_t)self->rest.data; /* zlib does not write there */
    stream->avail_in = (uInt)(self->rest.size > UINT32_MAX ? UINT32_MAX : self->rest.size);
    stream->next_out = into;
    stream->avail_out = (uInt)(size > UINT32_MAX ? UINT32_MAX : size);
    uInt in_before = stream->avail_in;
    uInt out_before = stream->avail_out;
    int result = inflate(stream, Z_NO_FLUSH);
    advance(&self->rest, in_before - stream->avail_in);
    *out = out_before - stream->avail_out;
    if (result == Z_STREAM_END) {
        /* Java reads members one behind the other, and ignores what is no member. */
        bool has_next =
            self->rest.size >= 2 && self->rest.data[0] == 0x1f && self->rest.data[1] == 0x8b;
        if (has_next && inflateReset(stream) == Z_OK)
            return WEIR_OK;
        self->is_at_end = true;
        return WEIR_OK;
    }
    if (result == Z_MEM_ERROR)
        return WEIR_NO_MEMORY;
    if (*out == 0 && self->rest.size == 0 && (result == Z_OK || result == Z_BUF_ERROR))
        return WEIR_TRUNCATED;
    return result == Z_OK || result == Z_BUF_ERROR ? WEIR_OK : WEIR_CORRUPT;
}

/* Decompresses the next block into memory.  At the end *out_has_block is false. */
static enum weir_status next_snappy_block(struct weir_decompressor *self, bool *out_has_block)
{
    struct snappy_stream *snappy = &self->as.snappy;
    while (snappy->is_framed && starts_with_snappy_header(self->rest))
        advance(&self->rest, SNAPPY_HEADER_BYTES); /* streams may be joined */
    *out_has_block = false;
    if (self->rest.size == 0)
        return WEIR_OK;
    size_t compressed = self->rest.size;
    if (snappy->is_framed) {
        if (self->rest.size < 4)
            return WEIR_CORRUPT;
        uint32_t length = weir_get_u32(self->rest.data);
        advance(&self->rest, 4);
        if (length > self->rest.size)
            return WEIR_CORRUPT;
        compressed = length;
    }
    size_t size = 0;
    if (snappy_uncompressed_length((const char *)self->rest.data, compressed, &size) != SNAPPY_OK)
        return WEIR_CORRUPT;
    /* A snappy element makes at most 64 bytes of 3; more is a lie, and believing it would cost
     * memory. */
    if (size / 32 > compressed)
        return WEIR_CORRUPT;
    if (size > self->bytes_left)
        return WEIR_LIMIT;
    if (size > snappy->block_capacity) {
        uint8_t *block = weir_realloc(snappy->block, size);
        if (block == NULL)
            return WEIR_NO_MEMORY;
        snappy->block = block;
        snappy->block_capacity = size;
    }
    if (size > 0 && snappy_uncompress((const char *)self->rest.data, compressed,
                                      (char *)snappy->block, &size) != SNAPPY_OK)
        return WEIR_CORRUPT;
    advance(&self->rest, compressed);
    snappy->block_size = size;
    snappy->block_pos = 0;
    *out_has_block = true;
    return WEIR_OK;
}

static enum weir_status read_snappy(struct weir_decompressor *self, uint8_t *into, size_t size,
                                    size_t *out)
{
    struct snappy_stream *snappy = &self->as.snappy;
    *out = 0;
    if (snappy->block_pos == snappy->block_size) {
        bool has_block;
        enum weir_status status = next_snappy_block(self, &has_block);
        if (status != WEIR_OK)
            return status;
        self->is_at_end = !has_block;
        if (!has_block)
            return WEIR_OK;
    }
    size_t taken = snappy->block_size - snappy->block_pos;
    if (taken > size)
        taken = size;
    if (taken > 0)
        memcpy(into, snappy->block + snappy->block_pos, taken);
    snappy->block_pos += taken;
    *out = taken;
    return WEIR_OK;
}

static enum weir_status read_lz4(struct weir_decompressor *self, uint8_t *into, size_t size,
                                 size_t *out)
{
    size_t in_size = self->rest.size;
    size_t out_size = size;
    size_t hint = LZ4F_decompress(self->as.lz4, into, &out_size, self->rest.data, &in_size, NULL);
    if (LZ4F_isError(hint))
        return WEIR_CORRUPT;
    advance(&self->rest, in_size);
    *out = out_size;
    if (hint == 0) {
        self->is_at_end = true;
        return WEIR_OK;
    }
    return out_size == 0 && in_size == 0 ? WEIR_CORRUPT : WEIR_OK;
}

static enum weir_status read_zstd(struct weir_decompressor *self, uint8_t *into, size_t size,
                                  size_t *out)
{
    ZSTD_inBuffer in = {.src = self->rest.data, .size = self->rest.size, .pos = 0};
    ZSTD_outBuffer produced = {.dst = into, .size = size, .pos = 0};
    size_t hint = ZSTD_decompressStream(self->as.zstd, &produced, &in);
    if (ZSTD_isError(hint))
        return WEIR_CORRUPT;
    advance(&self->rest, in.pos);
    *out = produced.pos;
    if (hint == 0 && self->rest.size == 0) {
        self->is_at_end = true;
        return WEIR_OK;
    }
    return produced.pos == 0 && in.pos == 0 ? WEIR_CORRUPT : WEIR_OK;
}

static enum weir_status read_some(struct weir_decompressor *self, uint8_t *into, size_t size,
                                  size_t *out)
{
    switch (self->codec) {
    case WEIR_CODEC_NONE:
        return read_plain(self, into, size, out);
    case WEIR_CODEC_GZIP:
        return read_gzip(self, into, size, out);
    case WEIR_CODEC_SNAPPY:
        return read_snappy(self, into, size, out);
    case WEIR_CODEC_LZ4:
        return read_lz4(self, into, size, out);
    case WEIR_CODEC_ZSTD:
        return read_zstd(self, into, size, out);
    }
    return WEIR_UNSUPPORTED;
}

enum weir_status weir_decompressor_read(struct weir_decompressor *self, void *into, size_t size,
                                        size_t *out_read)
{
    uint8_t *at = into;
    size_t done = 0;
    while (self->status == WEIR_OK && done < size && !self->is_at_end) {
        uint8_t probe;
        bool is_capped = self->bytes_left == 0;
        size_t room = size - done;
        if (room > self->bytes_left)
            room = self->bytes_left;
        size_t got = 0;
        /* At the cap one more byte is asked for, to tell "just fits" from "too much". */
        self->status = read_some(self, is_capped ? &probe : at + done, is_capped ? 1 : room, &got);
        if (self->status != WEIR_OK)
            break;
        if (is_capped && got > 0) {
            self->status = WEIR_LIMIT;
            break;
        }
        done += got;
        self->bytes_left -= got;
    }
    if (self->status != WEIR_OK)
        return self->status;
    *out_read = done;
    return WEIR_OK;
}

enum weir_status weir_decompress(enum weir_codec codec, struct weir_slice input, size_t bytes_max,
                                 struct weir_buf *out)
{
    enum { CHUNK_BYTES = 16384 };
    struct weir_decompressor *decompressor = NULL;
    enum weir_status status = weir_decompressor_new(codec, input, bytes_max, &decompressor);
    if (status != WEIR_OK)
        return status;
    size_t got = CHUNK_BYTES;
    while (got == CHUNK_BYTES) {
        uint8_t *at = weir_buf_extend(out, CHUNK_BYTES);
        if (at == NULL) {
            status = weir_buf_status(out);
            break;
        }
        got = 0;
        status = weir_decompressor_read(decompressor, at, CHUNK_BYTES, &got);
        out->size -= CHUNK_BYTES - got;
        if (status != WEIR_OK)
            break;
    }
    weir_decompressor_free(decompressor);
    return status;
}
