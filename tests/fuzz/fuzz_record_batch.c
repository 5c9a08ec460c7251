/* SPDX-License-Identifier: Apache-2.0 */
/* links: record base */

/*
 * Bytes of a produce request's records.  The first byte chooses how: bit 0 puts the checksum right,
 * so that the fuzzer gets past it; the others vary the topic's configuration.  What passes the
 * validation must be a batch that can be read to its end, recompressed, and validated again.
 */

#include "weir/base/assert.h"
#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/base/memory.h"
#include "weir/record/batch_builder.h"
#include "weir/record/produce_check.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUTPUT_BYTES_MAX = 1 << 20 };

static int64_t count_records(const struct weir_batch *batch, bool skip_payload)
{
    struct weir_record_iter_options options = {.decompressed_bytes_max = OUTPUT_BYTES_MAX,
                                               .skip_payload = skip_payload};
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    int64_t count = 0;
    enum weir_status status = weir_record_iter_new(batch, &options, &iter, NULL);
    while (status == WEIR_OK) {
        status = weir_record_iter_next(iter, &record, NULL);
        if (status != WEIR_OK)
            break;
        struct weir_record_header header;
        int32_t headers = 0;
        while (!skip_payload && weir_record_headers_next(&record.headers, &header) == WEIR_OK)
            headers++;
        WEIR_ASSERT(skip_payload || headers == record.header_count);
        count++;
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? count : -1;
}

static void check_accepted(const struct weir_checked_batch *checked)
{
    struct weir_buf bytes = {0};
    struct weir_buf again = {0};
    struct weir_batch batch;
    weir_buf_append(&bytes, checked->head, sizeof(checked->head));
    weir_buf_append_slice(&bytes, checked->body);
    enum weir_status status = weir_batch_parse(weir_buf_slice(&bytes), &batch, NULL);
    WEIR_ASSERT(status == WEIR_OK && batch.bytes.size == bytes.size);
    WEIR_ASSERT(weir_batch_check(&batch, NULL) == WEIR_OK);
    WEIR_ASSERT(count_records(&batch, false) == batch.record_count);
    status = weir_batch_recompress(&batch, WEIR_CODEC_LZ4, WEIR_CODEC_LEVEL_DEFAULT,
                                   OUTPUT_BYTES_MAX, &again, NULL);
    WEIR_ASSERT(status == WEIR_OK);
    weir_buf_done(&again);
    weir_buf_done(&bytes);
}

static void validate(const struct weir_batch *batch, uint8_t choice)
{
    struct weir_checked_batch checked;
    struct weir_produce_errors errors;
    struct weir_produce_check_options options = {.topic = WEIR_SLICE("fuzz"),
                                                 .is_compacted = (choice & 2) != 0,
                                                 .log_append_time = (choice & 4) != 0,
                                                 .keep_codec = (choice & 8) != 0,
                                                 .codec = (enum weir_codec)((choice >> 4) % 5),
                                                 .level = WEIR_CODEC_LEVEL_DEFAULT,
                                                 .timestamp_before_max_ms = INT64_MAX,
                                                 .timestamp_after_max_ms = INT64_MAX,
                                                 .batch_bytes_max = OUTPUT_BYTES_MAX,
                                                 .segment_bytes_max = OUTPUT_BYTES_MAX,
                                                 .decompressed_bytes_max = OUTPUT_BYTES_MAX};
    if (weir_produce_check(batch, &options, &checked, &errors) == WEIR_OK)
        check_accepted(&checked);
    weir_checked_batch_done(&checked);
    weir_produce_errors_done(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    /* A copy of the exact size, so that a read behind the end is seen. */
    size_t bytes = size - 1;
    uint8_t *copy = weir_malloc(bytes);
    if (copy == NULL)
        return 0;
    memcpy(copy, data + 1, bytes);
    struct weir_batch batch;
    if ((data[0] & 1) != 0 &&
        weir_batch_parse(weir_slice_of(copy, bytes), &batch, NULL) == WEIR_OK && batch.magic == 2)
        weir_put_u32(copy + 17, weir_crc32c(copy + 21, batch.bytes.size - 21));
    struct weir_slice records = weir_slice_of(copy, bytes);
    if (weir_produce_records_check(records, true, &batch, NULL) == WEIR_OK)
        validate(&batch, data[0]);
    struct weir_batch_iter iter;
    weir_batch_iter_init(&iter, records);
    while (weir_batch_iter_next(&iter, &batch, NULL) == WEIR_OK) {
        struct weir_txn_marker marker;
        (void)!weir_batch_check(&batch, NULL);
        (void)!weir_txn_marker_parse(&batch, &marker, NULL);
        int64_t whole = count_records(&batch, false);
        int64_t skipped = count_records(&batch, true);
        WEIR_ASSERT(whole == skipped);
    }
    weir_free(copy);
    return 0;
}
