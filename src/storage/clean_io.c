/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whole batches out of a segment, and into a new one.
 *
 * What is written goes to the disk window by window: behind the one that is being filled, one is on
 * its way, and those before are on the disk and out of the system's memory.  So the sync at the end
 * has little to do, nobody who appends waits behind it, and a cleaning of any size takes two
 * windows of the page cache from the others.  (A new segment of less than a window stays there.)
 */

#include "clean_int.h"

#include "weir/base/memory.h"

#include <inttypes.h>
#include <stdio.h>

/* A window in buffers: 8 MB as weir is configured by default. */
enum { WINDOW_BUFFERS = 32 };

static const char *const suffixes[WEIR_CLEAN_SUFFIX_COUNT] = {
    WEIR_SEGMENT_SUFFIX_LOG, WEIR_SEGMENT_SUFFIX_INDEX, WEIR_SEGMENT_SUFFIX_TIME_INDEX,
    WEIR_SEGMENT_SUFFIX_TXN_INDEX};

const char *weir_clean_suffix(size_t index)
{
    return suffixes[index];
}

enum weir_status weir_clean_check(struct clean_round *round, struct weir_detail *detail)
{
    if (!weir_partition_log_must_stop_cleaning(round->log))
        return WEIR_OK;
    weir_detail_set(detail, "the cleaning was stopped");
    return WEIR_CLOSED;
}

static enum weir_status pace(struct clean_round *round, size_t bytes, struct weir_detail *detail)
{
    const struct weir_log_clean_options *options = round->options;
    if (options->pace != NULL && !options->pace(options->context, bytes)) {
        weir_detail_set(detail, "the cleaner is stopping");
        return WEIR_CLOSED;
    }
    return weir_clean_check(round, detail);
}

/* --- Reading. --- */

void weir_clean_reader_init(struct clean_reader *reader, struct clean_round *round,
                            struct weir_segment *segment, uint64_t from_pos)
{
    *reader = (struct clean_reader){.round = round,
                                    .segment = segment,
                                    .file_pos = from_pos,
                                    .end_pos = weir_segment_size(segment),
                                    .buffer_pos = from_pos,
                                    .next_offset = segment->base_offset};
    weir_buf_clear(&round->read_buffer);
}

/* The buffer begins at file_pos and holds wanted bytes, or all there are. */
static enum weir_status fill(struct clean_reader *reader, size_t wanted, struct weir_detail *detail)
{
    struct clean_round *round = reader->round;
    struct weir_buf *buffer = &round->read_buffer;
    size_t got = 0;
    uint64_t left = reader->end_pos - reader->file_pos;
    if (wanted > left)
        wanted = (size_t)left;
    if (reader->file_pos - reader->buffer_pos + wanted <= buffer->size)
        return WEIR_OK;
    size_t size = wanted > round->options->buffer_bytes ? wanted : round->options->buffer_bytes;
    if (size > left)
        size = (size_t)left;
    weir_buf_clear(buffer);
    uint8_t *at = weir_buf_extend(buffer, size);
    if (at == NULL)
        return weir_buf_status(buffer);
    enum weir_status status =
        weir_segment_read_at(reader->segment, at, size, reader->file_pos, &got, detail);
    if (status == WEIR_OK && got < wanted) {
        weir_detail_set(detail, "%s.log became shorter", reader->segment->path);
        status = WEIR_CORRUPT;
    }
    buffer->size = status == WEIR_OK ? got : 0;
    reader->buffer_pos = reader->file_pos;
    return status == WEIR_OK ? pace(round, got, detail) : status;
}

static struct weir_slice rest_of(const struct clean_reader *reader)
{
    const struct weir_buf *buffer = &reader->round->read_buffer;
    size_t skipped = (size_t)(reader->file_pos - reader->buffer_pos);
    return weir_slice_of(buffer->data + skipped, buffer->size - skipped);
}

static enum weir_status check_place(const struct clean_reader *reader,
                                    const struct weir_batch *batch, struct weir_detail *detail)
{
    if (batch->last_offset < batch->base_offset || batch->base_offset < reader->next_offset ||
        batch->last_offset - reader->segment->base_offset > INT32_MAX) {
        weir_detail_set(detail, "the batch's offsets %" PRId64 " to %" PRId64 " do not belong here",
                        batch->base_offset, batch->last_offset);
        return WEIR_CORRUPT;
    }
    return weir_batch_check(batch, detail);
}

enum weir_status weir_clean_reader_next(struct clean_reader *reader, struct weir_batch *out,
                                        struct weir_detail *detail)
{
    size_t size = 0;
    if (reader->file_pos >= reader->end_pos)
        return WEIR_NOT_FOUND;
    enum weir_status status = fill(reader, WEIR_BATCH_OVERHEAD_BYTES, detail);
    if (status != WEIR_OK)
        return status;
    status = weir_batch_peek_size(rest_of(reader), &size, detail);
    if (status == WEIR_OK && size > reader->end_pos - reader->file_pos)
        status = WEIR_TRUNCATED;
    if (status == WEIR_OK) {
        status = fill(reader, size, detail);
        if (status != WEIR_OK)
            return status;
        struct weir_slice bytes = rest_of(reader);
        bytes.size = size;
        status = weir_batch_parse(bytes, out, detail);
    }
    if (status == WEIR_OK)
        status = check_place(reader, out, detail);
    if (status != WEIR_OK) {
        weir_detail_prefix(detail, "%s.log at byte %" PRIu64, reader->segment->path,
                           reader->file_pos);
        return status == WEIR_NO_MEMORY ? status : WEIR_CORRUPT;
    }
    if (out->magic < 2) /* the higher bits had no meaning then */
        out->attributes &= out->magic == 0 ? WEIR_BATCH_CODEC_MASK
                                           : WEIR_BATCH_CODEC_MASK | WEIR_BATCH_LOG_APPEND_TIME;
    reader->file_pos += size;
    reader->next_offset = out->last_offset + 1;
    return WEIR_OK;
}

/* --- Writing. --- */

static void path_of(const struct weir_segment *segment, const char *suffix, const char *transient,
                    char out[WEIR_SEGMENT_PATH_BYTES])
{
    (void)snprintf(out, WEIR_SEGMENT_PATH_BYTES, "%s%s%s", segment->path, suffix, transient);
}

enum weir_status weir_clean_writer_init(struct clean_writer *writer, struct clean_round *round,
                                        int64_t base_offset, struct weir_detail *detail)
{
    struct weir_segment *segment = NULL;
    enum weir_status status = weir_segment_open_as(round->log->env, round->log->dir, base_offset,
                                                   ".cleaned", &segment, detail);
    if (status != WEIR_OK)
        return status;
    *writer = (struct clean_writer){.round = round, .segment = segment};
    weir_buf_clear(&round->write_buffer);
    return WEIR_OK;
}

/* Up to file_pos, once a window is full. */
static enum weir_status hand_out(struct clean_writer *writer, struct weir_detail *detail)
{
    uint64_t window = (uint64_t)writer->round->options->buffer_bytes * WINDOW_BUFFERS;
    uint64_t from = writer->handed_out_pos;
    if (writer->file_pos - from < window)
        return WEIR_OK;
    enum weir_status status =
        weir_segment_write_out(writer->segment, from, writer->file_pos - from, false, detail);
    if (status == WEIR_OK && from > writer->forgotten_pos)
        status = weir_segment_write_out(writer->segment, writer->forgotten_pos,
                                        from - writer->forgotten_pos, true, detail);
    writer->forgotten_pos = from;
    writer->handed_out_pos = writer->file_pos;
    return status;
}

static enum weir_status write_out(struct clean_writer *writer, struct weir_detail *detail)
{
    struct clean_round *round = writer->round;
    struct weir_slice bytes = weir_buf_slice(&round->write_buffer);
    if (bytes.size == 0)
        return WEIR_OK;
    enum weir_status status =
        weir_segment_write_at(writer->segment, &bytes, 1, writer->file_pos, detail);
    if (status != WEIR_OK)
        return status;
    writer->file_pos += bytes.size;
    weir_buf_clear(&round->write_buffer);
    status = hand_out(writer, detail);
    return status == WEIR_OK ? pace(round, bytes.size, detail) : status;
}

enum weir_status weir_clean_writer_added(struct clean_writer *writer,
                                         const struct weir_batch *batch, struct weir_detail *detail)
{
    struct clean_round *round = writer->round;
    uint64_t batch_pos = writer->file_pos + round->write_buffer.size - batch->bytes.size;
    if (batch_pos + batch->bytes.size > INT32_MAX ||
        batch->last_offset - writer->segment->base_offset > INT32_MAX) {
        weir_detail_set(detail, "what is kept of %s.log does not fit in a segment",
                        writer->segment->path);
        return WEIR_INVALID;
    }
    weir_segment_on_appended(writer->segment, batch, batch_pos, batch->bytes.size,
                             round->config.index_interval_bytes);
    return round->write_buffer.size < round->options->buffer_bytes ? WEIR_OK
                                                                   : write_out(writer, detail);
}

enum weir_status weir_clean_writer_finish(struct clean_writer *writer, int64_t modified_ms,
                                          struct weir_detail *detail)
{
    struct weir_segment *segment = writer->segment;
    struct weir_env *env = writer->round->log->env;
    char path[WEIR_SEGMENT_PATH_BYTES];
    enum weir_status status = write_out(writer, detail);
    if (status != WEIR_OK)
        return status;
    weir_segment_add_final_time_entry(segment);
    path_of(segment, WEIR_SEGMENT_SUFFIX_INDEX, ".cleaned", path);
    segment->offset_index.is_unsynced = true; /* even when they are empty */
    segment->time_index.is_unsynced = true;
    status = weir_offset_index_write(env, path, &segment->offset_index, true, detail);
    path_of(segment, WEIR_SEGMENT_SUFFIX_TIME_INDEX, ".cleaned", path);
    if (status == WEIR_OK)
        status = weir_time_index_write(env, path, &segment->time_index, true, detail);
    path_of(segment, WEIR_SEGMENT_SUFFIX_TXN_INDEX, ".cleaned", path);
    if (status == WEIR_OK && segment->txn_index.count > 0)
        status = weir_txn_index_write(env, path, &segment->txn_index, true, detail);
    path_of(segment, WEIR_SEGMENT_SUFFIX_LOG, ".cleaned", path);
    if (status == WEIR_OK)
        status = weir_path_set_modified(env, path, modified_ms, detail);
    if (status == WEIR_OK)
        status = weir_segment_sync(segment, true, detail);
    if (status == WEIR_OK && writer->handed_out_pos > 0) /* what is left of it */
        status = weir_segment_write_out(segment, writer->forgotten_pos,
                                        writer->file_pos - writer->forgotten_pos, true, detail);
    return status == WEIR_OK ? weir_dir_sync(env, writer->round->log->dir, detail) : status;
}
