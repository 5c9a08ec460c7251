/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Short ways to make batches for the record tests. */

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/record/produce_check.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define HELP_NOW_MS 1700000000000

/* count records with key "k<i>" and a value of value_bytes, i ms apart. */
static inline void help_build(const struct weir_batch_builder_options *options, int count,
                              size_t value_bytes, int64_t timestamp, struct weir_buf *out)
{
    struct weir_batch_builder *builder = NULL;
    uint8_t *value = weir_calloc(1, value_bytes + 1);
    memset(value, 'x', value_bytes);
    cr_assert_eq(weir_batch_builder_new(options, out, &builder), WEIR_OK);
    for (int i = 0; i < count; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        struct weir_record_header header = {WEIR_SLICE("h"),
                                            i % 2 == 0 ? WEIR_SLICE("v") : WEIR_NULL_SLICE};
        struct weir_record_data record = {.timestamp = timestamp + i,
                                          .key = weir_slice_str(key),
                                          .value = weir_slice_of(value, value_bytes),
                                          .headers = &header,
                                          .header_count = i % 3 == 0 ? 1 : 0};
        weir_batch_builder_add(builder, &record);
    }
    cr_assert_eq(weir_batch_builder_finish(builder), WEIR_OK);
    weir_batch_builder_free(builder);
    weir_free(value);
}

static inline void help_plain(int count, struct weir_buf *out)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    help_build(&options, count, 5, HELP_NOW_MS, out);
}

static inline void help_fix_crc(struct weir_buf *batch)
{
    weir_put_i32(batch->data + 8, (int32_t)(batch->size - 12));
    weir_put_u32(batch->data + 17, weir_crc32c(batch->data + 21, batch->size - 21));
}

/* A batch around a payload that may be anything; lengths and CRC are right. */
static inline void help_wrap(int codec, int32_t count, struct weir_slice payload,
                             struct weir_buf *out)
{
    struct weir_buf plain = {0};
    help_plain(1, &plain);
    weir_buf_append(out, plain.data, WEIR_BATCH_HEADER_BYTES);
    weir_buf_append_slice(out, payload);
    weir_put_i16(out->data + 21, (int16_t)codec);
    weir_put_i32(out->data + 23, count - 1);
    weir_put_i32(out->data + 57, count);
    help_fix_crc(out);
    weir_buf_done(&plain);
}

static inline struct weir_batch help_parse(const struct weir_buf *bytes)
{
    struct weir_batch batch;
    struct weir_detail detail = {{0}};
    cr_assert_eq(weir_batch_parse(weir_buf_slice(bytes), &batch, &detail), WEIR_OK, "%s",
                 detail.text);
    return batch;
}

/* Reads all records; the count, or the failure in *out_status. */
static inline int help_count(const struct weir_batch *batch,
                             const struct weir_record_iter_options *options,
                             enum weir_status *out_status)
{
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    int count = 0;
    *out_status = weir_record_iter_new(batch, options, &iter, NULL);
    while (*out_status == WEIR_OK) {
        *out_status = weir_record_iter_next(iter, &record, NULL);
        if (*out_status == WEIR_OK)
            count++;
    }
    weir_record_iter_free(iter);
    if (*out_status == WEIR_NOT_FOUND)
        *out_status = WEIR_OK;
    return count;
}
