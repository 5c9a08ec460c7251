/* SPDX-License-Identifier: Apache-2.0 */

/* Segments and metadata snapshots: a line per batch, and one per record when asked. */

#include "inspect_int.h"

#include <stdio.h>

struct log_dump {
    struct dump *dump;
    struct record_words words;
    uint64_t batch_count;
    uint64_t record_count;
    int64_t first_offset;
    int64_t last_offset;
};

static const char *codec_name(const struct weir_batch *batch)
{
    static const char *const names[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    int codec = batch->attributes & WEIR_BATCH_CODEC_MASK;
    return codec < (int)(sizeof(names) / sizeof(names[0])) ? names[codec] : "unknown";
}

static void print_times(struct weir_buf *line, const struct weir_batch *batch)
{
    char text[TIME_TEXT_BYTES];
    if (batch->magic == 0)
        return;
    weir_buf_printf(line, ", %s %s",
                    weir_batch_has_log_append_time(batch) ? "log append time" : "create time",
                    inspect_time_text(batch->max_timestamp, text));
    if (weir_batch_has_delete_horizon(batch))
        weir_buf_printf(line, ", delete horizon %s",
                        inspect_time_text(batch->base_timestamp, text));
}

static void print_producer(struct weir_buf *line, const struct weir_batch *batch)
{
    if (!weir_batch_has_producer_id(batch))
        return;
    weir_buf_printf(line, ", producer %lld epoch %d", (long long)batch->producer_id,
                    batch->producer_epoch);
    if (batch->base_sequence >= 0)
        weir_buf_printf(line, " sequence %d-%d", batch->base_sequence,
                        weir_batch_last_sequence(batch));
}

static void print_batch(struct log_dump *log, const struct scan_item *item)
{
    const struct weir_batch *batch = &item->batch;
    struct weir_buf *line = &log->dump->report.line;
    weir_buf_printf(line, "batch at byte %llu, %llu bytes: ", (unsigned long long)item->file_pos,
                    (unsigned long long)item->size);
    if (batch->magic == 2)
        weir_buf_printf(line, "offsets %lld-%lld, %d records", (long long)batch->base_offset,
                        (long long)batch->last_offset, batch->record_count);
    else
        weir_buf_printf(line, "message set of magic %d, offset %lld", batch->magic,
                        (long long)batch->last_offset);
    if (batch->partition_leader_epoch != WEIR_BATCH_NO_LEADER_EPOCH)
        weir_buf_printf(line, ", leader epoch %d", batch->partition_leader_epoch);
    print_times(line, batch);
    weir_buf_printf(line, ", codec %s", codec_name(batch));
    print_producer(line, batch);
    if (weir_batch_is_transactional(batch))
        weir_buf_append_str(line, ", transactional");
    if (weir_batch_is_control(batch))
        weir_buf_append_str(line, ", control");
    weir_buf_printf(line, ", crc %08x %s", batch->crc, item->kind == SCAN_BATCH ? "ok" : "WRONG");
    report_end_line(&log->dump->report);
}

static void print_record(struct log_dump *log, const struct scan_item *item,
                         const struct weir_record *record)
{
    char time[TIME_TEXT_BYTES];
    struct weir_detail detail = {{0}};
    struct weir_buf *line = &log->dump->report.line;
    enum weir_status status = record_words_print(&log->words, &item->batch, record, &detail);
    weir_buf_printf(line, "  offset %lld, %s: ", (long long)record->offset,
                    inspect_time_text(record->timestamp, time));
    weir_buf_append_slice(line, weir_buf_slice(&log->words.text));
    if (weir_buf_status(&log->words.text) != WEIR_OK)
        weir_buf_append_str(line, " ... (cut)");
    report_end_line(&log->dump->report);
    if (status != WEIR_OK)
        dump_fault(log->dump, item->file_pos, "the record at offset %lld: %s",
                   (long long)record->offset, detail.text);
}

static void walk_records(struct log_dump *log, const struct scan_item *item)
{
    struct weir_detail detail = {{0}};
    struct weir_record_iter *iter = NULL;
    struct weir_record record;
    bool is_printed = log->dump->options->with_records || weir_batch_is_control(&item->batch);
    struct weir_record_iter_options options = {.skip_payload = !is_printed};
    enum weir_status status = weir_record_iter_new(&item->batch, &options, &iter, &detail);
    while (status == WEIR_OK && !log->dump->report.is_stopped) {
        status = weir_record_iter_next(iter, &record, &detail);
        if (status != WEIR_OK)
            break;
        log->record_count++;
        if (is_printed)
            print_record(log, item, &record);
    }
    weir_record_iter_free(iter);
    if (status != WEIR_OK && status != WEIR_NOT_FOUND)
        dump_fault(log->dump, item->file_pos, "the records cannot be read: %s",
                   detail.text[0] != '\0' ? detail.text : weir_status_name(status));
}

static void on_item(struct log_dump *log, const struct scan_item *item)
{
    struct dump *dump = log->dump;
    switch (item->kind) {
    case SCAN_BATCH:
        if (log->batch_count++ == 0)
            log->first_offset = item->batch.base_offset;
        log->last_offset = item->batch.last_offset;
        print_batch(log, item);
        walk_records(log, item);
        break;
    case SCAN_BAD:
        print_batch(log, item);
        dump_fault(dump, item->file_pos, "%s", item->detail.text);
        break;
    case SCAN_TORN:
    case SCAN_ZEROS:
    case SCAN_DAMAGE:
        dump_fault(dump, item->file_pos, "%llu bytes are no batch: %s",
                   (unsigned long long)item->size, item->detail.text);
        break;
    case SCAN_END:
    case SCAN_FAILED:
        break;
    }
}

void dump_log(struct dump *dump)
{
    struct log_dump log = {.dump = dump};
    struct weir_detail detail = {{0}};
    struct weir_topic_partition key = {{0}, 0};
    enum weir_partition_dir_kind kind;
    struct weir_slice topic = weir_slice_str(dump->options->topic);
    if (dump->options->topic == NULL && dump->name.kind == FILE_METADATA_SNAPSHOT)
        topic = WEIR_SLICE("__cluster_metadata");
    else if (dump->options->topic == NULL &&
             weir_partition_dir_parse(inspect_parent_name(dump->path), &key, &kind) == WEIR_OK)
        topic = weir_slice_str(key.topic);
    struct log_scan scan;
    if (scan_open(&scan, dump->options->env, dump->path, &detail) != WEIR_OK) {
        dump_failed(dump, &detail);
        return;
    }
    record_words_init(&log.words, topic, dump->bytes_max);
    struct scan_item item = {.kind = SCAN_END};
    while (!dump->report.is_stopped && scan_next(&scan, &item))
        on_item(&log, &item);
    if (item.kind == SCAN_FAILED)
        dump_failed(dump, &item.detail);
    if (log.batch_count > 0)
        report_line(&dump->report, "%llu batches, %llu records, offsets %lld-%lld",
                    (unsigned long long)log.batch_count, (unsigned long long)log.record_count,
                    (long long)log.first_offset, (long long)log.last_offset);
    else
        report_line(&dump->report, "no batches");
    record_words_done(&log.words);
    scan_close(&scan);
}
