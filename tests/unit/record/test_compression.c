/* SPDX-License-Identifier: Apache-2.0 */

#include "weir/base/memory.h"
#include "weir/record/compression.h"

#include <criterion/criterion.h>
#include <snappy-c.h>

enum { ALL_CODECS = 5, PLAIN_BYTES = 300000 };

/* Half text, half noise. */
static uint8_t *make_plain(void)
{
    uint8_t *plain = weir_malloc(PLAIN_BYTES);
    uint32_t seed = 1;
    for (int i = 0; i < PLAIN_BYTES; i++) {
        seed = seed * 1664525 + 1013904223;
        plain[i] = (uint8_t)(i % 2000 < 1000 ? 'a' + (uint32_t)i % 7 : seed >> 24);
    }
    return plain;
}

static void compress(enum weir_codec codec, int32_t level, struct weir_slice plain, size_t step,
                     struct weir_buf *out)
{
    struct weir_compressor *compressor = NULL;
    cr_assert_eq(weir_compressor_new(codec, level, out, &compressor), WEIR_OK);
    for (size_t at = 0; at < plain.size; at += step) {
        size_t size = plain.size - at < step ? plain.size - at : step;
        weir_compressor_write(compressor, weir_slice_of(plain.data + at, size));
    }
    cr_assert_eq(weir_compressor_finish(compressor), WEIR_OK);
    weir_compressor_free(compressor);
}

Test(compression, every_codec_gives_back_what_it_took_in_any_steps)
{
    uint8_t *plain = make_plain();
    static const size_t steps[] = {1, 100, 32768, 65537, PLAIN_BYTES};
    for (int codec = 0; codec < ALL_CODECS; codec++) {
        for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
            struct weir_buf packed = {0};
            struct weir_buf back = {0};
            size_t size = steps[s] == 1 ? 5000 : PLAIN_BYTES;
            compress((enum weir_codec)codec, WEIR_CODEC_LEVEL_DEFAULT, weir_slice_of(plain, size),
                     steps[s], &packed);
            cr_assert_eq(weir_decompress((enum weir_codec)codec, weir_buf_slice(&packed),
                                         PLAIN_BYTES, &back),
                         WEIR_OK, "codec %d step %zu", codec, steps[s]);
            cr_assert_eq(back.size, size);
            cr_assert_eq(memcmp(back.data, plain, size), 0);
            weir_buf_done(&packed);
            weir_buf_done(&back);
        }
    }
    weir_free(plain);
}

Test(compression, an_empty_stream_is_empty)
{
    for (int codec = 0; codec < ALL_CODECS; codec++) {
        struct weir_buf packed = {0};
        struct weir_buf back = {0};
        compress((enum weir_codec)codec, WEIR_CODEC_LEVEL_DEFAULT, WEIR_EMPTY_SLICE, 1, &packed);
        cr_assert_eq(weir_decompress((enum weir_codec)codec, weir_buf_slice(&packed), 10, &back),
                     WEIR_OK);
        cr_assert_eq(back.size, 0);
        weir_buf_done(&packed);
        weir_buf_done(&back);
    }
}

Test(compression, every_level_works)
{
    uint8_t *plain = make_plain();
    static const struct {
        enum weir_codec codec;
        int32_t level;
    } cases[] = {{WEIR_CODEC_GZIP, -1},   {WEIR_CODEC_GZIP, 1}, {WEIR_CODEC_GZIP, 9},
                 {WEIR_CODEC_LZ4, 1},     {WEIR_CODEC_LZ4, 9},  {WEIR_CODEC_LZ4, 17},
                 {WEIR_CODEC_ZSTD, -10},  {WEIR_CODEC_ZSTD, 1}, {WEIR_CODEC_ZSTD, 19},
                 {WEIR_CODEC_SNAPPY, 99}, {WEIR_CODEC_GZIP, 99}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weir_buf packed = {0};
        struct weir_buf back = {0};
        compress(cases[i].codec, cases[i].level, weir_slice_of(plain, 100000), 4096, &packed);
        cr_assert_eq(weir_decompress(cases[i].codec, weir_buf_slice(&packed), 100000, &back),
                     WEIR_OK);
        cr_assert_eq(memcmp(back.data, plain, 100000), 0);
        weir_buf_done(&packed);
        weir_buf_done(&back);
    }
    weir_free(plain);
    cr_assert(weir_codec_level_is_valid(WEIR_CODEC_ZSTD, 22));
    cr_assert(!weir_codec_level_is_valid(WEIR_CODEC_ZSTD, 23));
    cr_assert(!weir_codec_level_is_valid(WEIR_CODEC_GZIP, 0));
    cr_assert(!weir_codec_level_is_valid(WEIR_CODEC_LZ4, 18));
}

Test(compression, the_cap_holds_to_the_byte)
{
    uint8_t *plain = make_plain();
    for (int codec = 0; codec < ALL_CODECS; codec++) {
        struct weir_buf packed = {0};
        struct weir_buf back = {0};
        compress((enum weir_codec)codec, WEIR_CODEC_LEVEL_DEFAULT, weir_slice_of(plain, 50000),
                 4096, &packed);
        cr_assert_eq(weir_decompress((enum weir_codec)codec, weir_buf_slice(&packed), 50000, &back),
                     WEIR_OK);
        weir_buf_clear(&back);
        cr_assert_eq(weir_decompress((enum weir_codec)codec, weir_buf_slice(&packed), 49999, &back),
                     WEIR_LIMIT);
        weir_buf_done(&packed);
        weir_buf_done(&back);
    }
    weir_free(plain);
}

Test(compression, a_bomb_costs_no_more_than_the_cap)
{
    uint8_t *zeros = weir_calloc(1, 30000000);
    for (int codec = WEIR_CODEC_GZIP; codec < ALL_CODECS; codec++) {
        struct weir_buf packed = {0};
        struct weir_buf back = {0};
        compress((enum weir_codec)codec, WEIR_CODEC_LEVEL_DEFAULT, weir_slice_of(zeros, 30000000),
                 1 << 20, &packed);
        cr_assert_eq(
            weir_decompress((enum weir_codec)codec, weir_buf_slice(&packed), 100000, &back),
            WEIR_LIMIT);
        cr_assert_lt(back.capacity, 1000000);
        weir_buf_done(&packed);
        weir_buf_done(&back);
    }
    weir_free(zeros);
}

Test(compression, garbage_is_no_stream)
{
    for (int codec = WEIR_CODEC_GZIP; codec < ALL_CODECS; codec++) {
        struct weir_buf back = {0};
        cr_assert_eq(
            weir_decompress((enum weir_codec)codec, WEIR_SLICE("garbage garbage"), 1000, &back),
            WEIR_CORRUPT, "codec %d", codec);
        weir_buf_done(&back);
    }
}

Test(compression, every_early_end_is_seen)
{
    uint8_t *plain = make_plain();
    for (int codec = WEIR_CODEC_GZIP; codec < ALL_CODECS; codec++) {
        struct weir_buf packed = {0};
        compress((enum weir_codec)codec, WEIR_CODEC_LEVEL_DEFAULT, weir_slice_of(plain, 3000), 3000,
                 &packed);
        for (size_t size = 1; size < packed.size; size++) {
            struct weir_buf back = {0};
            enum weir_status status = weir_decompress(
                (enum weir_codec)codec, weir_slice_of(packed.data, size), 5000, &back);
            /* A framed snappy stream may end between blocks. */
            bool may_end = codec == WEIR_CODEC_SNAPPY && size == 16;
            cr_assert(status == WEIR_CORRUPT || status == WEIR_TRUNCATED || may_end,
                      "codec %d at %zu: %s", codec, size, weir_status_name(status));
            weir_buf_done(&back);
        }
        weir_buf_done(&packed);
    }
    weir_free(plain);
}

Test(compression, raw_snappy_as_librdkafka_writes_it_is_read)
{
    uint8_t *plain = make_plain();
    size_t size = snappy_max_compressed_length(100000);
    char *packed = weir_malloc(size);
    struct weir_buf back = {0};
    cr_assert_eq(snappy_compress((const char *)plain, 100000, packed, &size), SNAPPY_OK);
    cr_assert_eq(weir_decompress(WEIR_CODEC_SNAPPY, weir_slice_of(packed, size), 100000, &back),
                 WEIR_OK);
    cr_assert_eq(back.size, 100000);
    cr_assert_eq(memcmp(back.data, plain, 100000), 0);
    weir_buf_done(&back);
    weir_free(packed);
    weir_free(plain);
}

Test(compression, a_snappy_length_that_cannot_be_is_not_believed)
{
    static const uint8_t lie[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00};
    struct weir_buf back = {0};
    cr_assert_eq(
        weir_decompress(WEIR_CODEC_SNAPPY, weir_slice_of(lie, sizeof(lie)), SIZE_MAX, &back),
        WEIR_CORRUPT);
    weir_buf_done(&back);
}

Test(compression, snappy_frames_and_lz4_headers_are_those_of_the_java_client)
{
    static const uint8_t xerial[] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};
    static const uint8_t lz4[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};
    struct weir_buf packed = {0};
    compress(WEIR_CODEC_SNAPPY, WEIR_CODEC_LEVEL_DEFAULT, WEIR_SLICE("hello"), 5, &packed);
    cr_assert_eq(memcmp(packed.data, xerial, sizeof(xerial)), 0);
    weir_buf_clear(&packed);
    compress(WEIR_CODEC_LZ4, WEIR_CODEC_LEVEL_DEFAULT, WEIR_SLICE("hello"), 5, &packed);
    cr_assert_eq(memcmp(packed.data, lz4, sizeof(lz4)), 0);
    weir_buf_done(&packed);
}
