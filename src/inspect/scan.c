/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A log file from front to back, over damage too.
 *
 *   Where no batch can be, or one with a wrong checksum is not followed by another (then its length
 *   is not to be trusted either), the next place is looked for where a whole batch of magic 2 with
 *   a right checksum begins.  Checksums of candidates cost time, so the search has a budget; when
 *   it is used up, the rest of the file counts as damaged.
 */

#include "inspect_int.h"

#include "weir/base/endian.h"
#include "weir/base/memory.h"

enum { WINDOW_BYTES = 256 << 10, AT_LENGTH = 8, AT_MAGIC = 16, CODEC_MAX = 4 };

#define SEARCH_BYTES_MAX ((uint64_t)256 << 20)

enum weir_status scan_open(struct log_scan *scan, struct weir_env *env, const char *path,
                           struct weir_detail *detail)
{
    *scan = (struct log_scan){.env = env, .search_bytes_left = SEARCH_BYTES_MAX};
    weir_buf_init(&scan->bytes, 0);
    scan->window = weir_malloc(WINDOW_BYTES);
    enum weir_status status = WEIR_NO_MEMORY;
    if (scan->window != NULL)
        status = weir_file_open(env, path, WEIR_OPEN_READ, &scan->file, detail);
    if (status == WEIR_OK)
        status = weir_file_size(env, scan->file, &scan->file_bytes, detail);
    if (status != WEIR_OK)
        scan_close(scan);
    return status;
}

void scan_close(struct log_scan *scan)
{
    if (scan->env != NULL)
        weir_file_close(scan->env, scan->file);
    scan->file = NULL;
    weir_free(scan->window);
    scan->window = NULL;
    weir_buf_done(&scan->bytes);
}

/* What the window has of the bytes at file_pos: at least size when the file has them. */
static enum weir_status look(struct log_scan *scan, uint64_t file_pos, size_t size,
                             struct weir_slice *out, struct weir_detail *detail)
{
    uint64_t end = scan->window_pos + scan->window_size;
    bool is_inside = file_pos >= scan->window_pos && file_pos <= end;
    if (!is_inside || (end - file_pos < size && end < scan->file_bytes)) {
        uint64_t left = scan->file_bytes - file_pos;
        scan->window_pos = file_pos;
        scan->window_size = 0;
        enum weir_status status = weir_file_read_at(
            scan->env, scan->file, scan->window, left < WINDOW_BYTES ? (size_t)left : WINDOW_BYTES,
            file_pos, &scan->window_size, detail);
        if (status != WEIR_OK)
            return status;
    }
    size_t at = (size_t)(file_pos - scan->window_pos);
    *out = weir_slice_of(scan->window + at, scan->window_size - at);
    return WEIR_OK;
}

/* A batch's bytes, in the window or in a buffer of their own.  TRUNCATED when the file became
 * shorter. */
static enum weir_status take(struct log_scan *scan, uint64_t file_pos, size_t size,
                             struct weir_slice *out, struct weir_detail *detail)
{
    if (size <= WINDOW_BYTES) {
        enum weir_status status = look(scan, file_pos, size, out, detail);
        if (status == WEIR_OK && out->size < size)
            return WEIR_TRUNCATED;
        out->size = size;
        return status;
    }
    size_t got = 0;
    weir_buf_clear(&scan->bytes);
    uint8_t *into = weir_buf_extend(&scan->bytes, size);
    if (into == NULL)
        return WEIR_NO_MEMORY;
    enum weir_status status =
        weir_file_read_at(scan->env, scan->file, into, size, file_pos, &got, detail);
    if (status == WEIR_OK && got < size)
        return WEIR_TRUNCATED;
    *out = weir_slice_of(into, size);
    return status;
}

/* Whether a header of magic 2 that Kafka could have written begins here. */
static bool is_plausible(struct weir_slice bytes, uint64_t bytes_left, size_t *out_size)
{
    struct weir_batch batch;
    if (bytes.size < WEIR_BATCH_HEADER_BYTES || bytes.data[AT_MAGIC] != 2 ||
        weir_batch_parse_header(bytes, &batch, out_size, NULL) != WEIR_OK)
        return false;
    return *out_size <= bytes_left && *out_size <= INSPECT_BATCH_BYTES_MAX &&
           batch.base_offset >= 0 && batch.last_offset_delta >= 0 && batch.record_count >= 0 &&
           (batch.attributes & WEIR_BATCH_CODEC_MASK) <= CODEC_MAX &&
           (batch.attributes & ~0x7f) == 0;
}

static bool starts_batch(struct log_scan *scan, uint64_t file_pos)
{
    struct weir_slice bytes;
    size_t size = 0;
    if (file_pos >= scan->file_bytes)
        return file_pos == scan->file_bytes;
    if (look(scan, file_pos, WEIR_BATCH_HEADER_BYTES, &bytes, NULL) != WEIR_OK)
        return false;
    return is_plausible(bytes, scan->file_bytes - file_pos, &size);
}

/* A candidate's checksum, from the search's budget. */
static bool is_whole_batch(struct log_scan *scan, uint64_t file_pos, size_t size)
{
    struct weir_slice bytes;
    struct weir_batch batch;
    uint64_t cost = size < WINDOW_BYTES ? size : size + WINDOW_BYTES;
    if (scan->search_bytes_left < cost) {
        scan->search_bytes_left = 0;
        return false;
    }
    scan->search_bytes_left -= cost;
    return take(scan, file_pos, size, &bytes, NULL) == WEIR_OK &&
           weir_batch_parse(bytes, &batch, NULL) == WEIR_OK &&
           weir_batch_check(&batch, NULL) == WEIR_OK;
}

/* Where the next whole batch begins, or the end of the file. */
static enum weir_status search(struct log_scan *scan, uint64_t from, bool *out_is_zero,
                               uint64_t *out, struct weir_detail *detail)
{
    uint64_t at = from;
    *out_is_zero = true;
    while (at < scan->file_bytes) {
        struct weir_slice bytes;
        size_t size = 0;
        enum weir_status status = look(scan, at, WEIR_BATCH_HEADER_BYTES, &bytes, detail);
        if (status != WEIR_OK || bytes.size == 0)
            return status == WEIR_OK ? WEIR_TRUNCATED : status;
        if (scan->search_bytes_left > 0 && is_plausible(bytes, scan->file_bytes - at, &size) &&
            is_whole_batch(scan, at, size))
            break;
        *out_is_zero = *out_is_zero && bytes.data[0] == 0;
        at++;
    }
    *out = at;
    return WEIR_OK;
}

/* Bytes that are no batch, up to the next one. */
static bool pass_damage(struct log_scan *scan, bool may_be_torn, struct scan_item *out)
{
    struct weir_slice first;
    struct weir_detail detail = {{0}};
    uint64_t end = 0;
    bool is_zero = false;
    enum weir_status status = look(scan, out->file_pos, 1, &first, &detail);
    bool starts_with_zero = status == WEIR_OK && first.size > 0 && first.data[0] == 0;
    if (status == WEIR_OK)
        status = search(scan, out->file_pos + 1, &is_zero, &end, &detail);
    if (status == WEIR_TRUNCATED)
        end = scan->file_bytes; /* cut while we read: what is left is torn */
    else if (status != WEIR_OK) {
        out->kind = SCAN_FAILED;
        out->detail = detail;
        return false;
    }
    bool reaches_end = end >= scan->file_bytes;
    out->kind = SCAN_DAMAGE;
    out->size = end - out->file_pos;
    if (reaches_end && is_zero && starts_with_zero) {
        out->kind = SCAN_ZEROS;
        weir_detail_set(&out->detail, "zeros up to the end of the file");
    } else if (reaches_end && may_be_torn) {
        out->kind = SCAN_TORN;
    }
    scan->file_pos = end;
    return true;
}

static bool pass_bad(struct log_scan *scan, size_t size, struct scan_item *out)
{
    out->kind = SCAN_BAD;
    out->size = size;
    out->batch.bytes = WEIR_NULL_SLICE;
    scan->file_pos = out->file_pos + size;
    return true;
}

/* Base offsets are not under the checksum. */
static enum weir_status check_offsets(const struct weir_batch *batch, struct weir_detail *detail)
{
    if (batch->base_offset >= 0 && batch->last_offset >= batch->base_offset &&
        batch->last_offset < INT64_MAX)
        return WEIR_OK;
    weir_detail_set(detail, "offsets %lld-%lld cannot be", (long long)batch->base_offset,
                    (long long)batch->last_offset);
    return WEIR_CORRUPT;
}

/* The header is there, and the batch should fit. */
static bool pass_batch(struct log_scan *scan, size_t size, struct scan_item *out)
{
    struct weir_slice bytes;
    enum weir_status status = WEIR_CORRUPT;
    if (size > INSPECT_BATCH_BYTES_MAX) {
        weir_detail_set(&out->detail, "a batch of %zu bytes is too large to be looked at", size);
    } else {
        status = take(scan, out->file_pos, size, &bytes, &out->detail);
        if (status == WEIR_OK)
            status = weir_batch_parse(bytes, &out->batch, &out->detail);
        if (status == WEIR_OK)
            status = weir_batch_check(&out->batch, &out->detail);
        if (status == WEIR_OK)
            status = check_offsets(&out->batch, &out->detail);
    }
    if (status == WEIR_OK) {
        out->kind = SCAN_BATCH;
        out->size = size;
        scan->file_pos = out->file_pos + size;
        return true;
    }
    if (status == WEIR_IO_ERROR || status == WEIR_NO_MEMORY) {
        if (status == WEIR_NO_MEMORY)
            weir_detail_set(&out->detail, "no memory for a batch of %zu bytes", size);
        out->kind = SCAN_FAILED;
        return false;
    }
    if (starts_batch(scan, out->file_pos + size))
        return pass_bad(scan, size, out);
    return pass_damage(scan, false, out);
}

bool scan_next(struct log_scan *scan, struct scan_item *out)
{
    struct weir_slice bytes;
    size_t size = 0;
    memset(out, 0, sizeof(*out));
    out->file_pos = scan->file_pos;
    uint64_t left = scan->file_bytes - scan->file_pos;
    out->kind = SCAN_END;
    if (left == 0)
        return false;
    enum weir_status status =
        look(scan, out->file_pos, WEIR_BATCH_HEADER_BYTES, &bytes, &out->detail);
    if (status != WEIR_OK) {
        out->kind = SCAN_FAILED;
        return false;
    }
    if (bytes.size == 0) { /* cut while we read */
        scan->file_pos = scan->file_bytes;
        return false;
    }
    status = weir_batch_parse_header(bytes, &out->batch, &size, &out->detail);
    if (status == WEIR_TRUNCATED) {
        weir_detail_set(&out->detail, "%llu bytes are too few for a batch",
                        (unsigned long long)left);
        return pass_damage(scan, true, out);
    }
    if (status != WEIR_OK)
        return pass_damage(scan, false, out);
    if (size > left) {
        weir_detail_set(&out->detail,
                        "the batch at offset %lld has %zu bytes and only %llu are there",
                        (long long)out->batch.base_offset, size, (unsigned long long)left);
        return pass_damage(scan, true, out);
    }
    return pass_batch(scan, size, out);
}
