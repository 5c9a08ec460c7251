/* SPDX-License-Identifier: Apache-2.0 */

/* Batches of the metadata log and of checkpoints: taking them apart, putting them together. */

#include "control_records.h"
#include "quorum_int.h"

#include "weir/base/memory.h"
#include "weir/protocol/record_types.h"
#include "weir/record/batch_builder.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum weir_status weir_quorum_path(char out[WEIR_QUORUM_PATH_BYTES], struct weir_detail *detail,
                                  const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(out, WEIR_QUORUM_PATH_BYTES, format, arguments);
    va_end(arguments);
    if (size >= 0 && size < WEIR_QUORUM_PATH_BYTES)
        return WEIR_OK;
    weir_detail_set(detail, "the path of the metadata log is too long");
    return WEIR_LIMIT;
}

#define OFFSET_DIGITS 20
#define EPOCH_DIGITS  10

static bool parse_digits(const char *text, size_t count, int64_t *out)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

bool weir_checkpoint_name_parse(const char *name, struct weir_quorum_snapshot_id *out)
{
    int64_t offset;
    int64_t epoch;
    if (strlen(name) != OFFSET_DIGITS + 1 + EPOCH_DIGITS + strlen(".checkpoint") ||
        name[OFFSET_DIGITS] != '-' ||
        strcmp(name + OFFSET_DIGITS + 1 + EPOCH_DIGITS, ".checkpoint") != 0 ||
        !parse_digits(name, OFFSET_DIGITS, &offset) ||
        !parse_digits(name + OFFSET_DIGITS + 1, EPOCH_DIGITS, &epoch) || epoch > INT32_MAX)
        return false;
    *out = (struct weir_quorum_snapshot_id){.end_offset = offset, .epoch = (int32_t)epoch};
    return true;
}

enum weir_status weir_data_batch_write(const struct weir_quorum_new_record *records, size_t count,
                                       int64_t base_offset, int32_t epoch, int64_t timestamp_ms,
                                       struct weir_buf *out)
{
    struct weir_batch_builder_options options = weir_batch_builder_options_default();
    options.base_offset = base_offset;
    options.partition_leader_epoch = epoch;
    struct weir_batch_builder *builder;
    enum weir_status status = weir_batch_builder_new(&options, out, &builder);
    if (status != WEIR_OK)
        return status;
    struct weir_buf value;
    weir_buf_init(&value, 0);
    for (size_t i = 0; i < count && status == WEIR_OK; i++) {
        weir_buf_clear(&value);
        struct weir_writer writer;
        weir_writer_init(&writer, &value);
        weir_record_frame_write(&writer, (struct weir_record_frame){.type = records[i].kind,
                                                                    .version = records[i].version});
        weir_write_raw(&writer, records[i].body);
        status = weir_writer_status(&writer);
        weir_writer_done(&writer);
        struct weir_record_data data = {.timestamp = timestamp_ms, .value = weir_buf_slice(&value)};
        if (status == WEIR_OK)
            weir_batch_builder_add(builder, &data);
    }
    weir_buf_done(&value);
    if (status == WEIR_OK)
        status = weir_batch_builder_finish(builder);
    weir_batch_builder_free(builder);
    return status;
}

static enum weir_status replay_data(const struct weir_record *record,
                                    const struct weir_batch *batch, bool in_checkpoint,
                                    weir_quorum_apply *apply, void *context,
                                    struct weir_detail *detail)
{
    struct weir_reader reader;
    weir_reader_init(&reader, record->value, NULL);
    struct weir_record_frame frame = {0};
    weir_record_frame_read(&reader, &frame);
    enum weir_status status = weir_reader_status(&reader);
    if (status == WEIR_UNSUPPORTED) {
        weir_detail_set(detail,
                        "a metadata record has a frame version this version of weir does not know");
    } else if (status != WEIR_OK) {
        weir_detail_set(detail, "a metadata record has no frame");
        status = WEIR_CORRUPT;
    } else {
        struct weir_quorum_record decoded = {
            .offset = in_checkpoint ? -1 : record->offset,
            .epoch = batch->partition_leader_epoch,
            .timestamp_ms = record->timestamp,
            .kind = frame.type,
            .version = frame.version,
            .body = weir_slice_of(reader.at, weir_reader_left(&reader)),
        };
        status = apply(context, &decoded, detail);
    }
    if (status != WEIR_OK)
        weir_detail_prefix(detail, "record at offset %lld", (long long)record->offset);
    return status;
}

enum weir_status weir_batch_replay(const struct weir_batch *batch, int64_t from, bool in_checkpoint,
                                   weir_quorum_apply *apply, void *context,
                                   struct weir_control_state *state, struct weir_detail *detail)
{
    enum weir_status status = weir_batch_check(batch, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_record_iter *iter;
    status = weir_record_iter_new(batch, NULL, &iter, detail);
    if (status != WEIR_OK)
        return status;
    struct weir_record record;
    while ((status = weir_record_iter_next(iter, &record, detail)) == WEIR_OK) {
        if (record.offset < from)
            continue;
        if (weir_batch_is_control(batch))
            status = weir_control_record_read(&record, state, detail);
        else
            status = replay_data(&record, batch, in_checkpoint, apply, context, detail);
        if (status != WEIR_OK)
            break;
    }
    weir_record_iter_free(iter);
    return status == WEIR_NOT_FOUND ? WEIR_OK : status;
}
