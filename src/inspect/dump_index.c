/* SPDX-License-Identifier: Apache-2.0 */

/* Index files and producer snapshots: a line per entry.  Offsets are printed as they are in the
 * log, that is with the base offset from the file's name added. */

#include "inspect_int.h"

#include "weir/base/crc32c.h"
#include "weir/base/endian.h"
#include "weir/runtime/file_util.h"
#include "weir/storage/offset_index.h"
#include "weir/storage/producer_state.h"
#include "weir/storage/time_index.h"
#include "weir/storage/txn_index.h"

struct index_dump {
    struct dump *dump;
    uint64_t file_pos; /* of the entry */
    uint64_t count;
    int64_t last_first; /* the entry before: its first and its second number */
    int64_t last_second;
};

typedef void print_entry(struct index_dump *index, const uint8_t *entry);

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Kafka keeps the files of an active segment at full size, with zeros behind the entries. */
static void print_zeros(struct index_dump *index, struct entry_reader *reader)
{
    uint64_t from = index->file_pos;
    const uint8_t *entry;
    while ((entry = entries_next(reader)) != NULL && is_zero(entry, reader->entry_bytes)) {
    }
    if (entry == NULL)
        report_line(&index->dump->report, "zeros from byte %llu to the end (not trimmed)",
                    (unsigned long long)from);
    else
        dump_fault(index->dump, from, "zeros, and entries behind them");
}

static void dump_entries(struct dump *dump, size_t entry_bytes, bool may_have_zeros,
                         print_entry *print)
{
    struct entry_reader reader;
    struct weir_detail detail = {{0}};
    struct index_dump index = {.dump = dump, .last_first = INT64_MIN, .last_second = INT64_MIN};
    if (entries_open(&reader, dump->options->env, dump->path, entry_bytes, &detail) != WEIR_OK) {
        dump_failed(dump, &detail);
        return;
    }
    const uint8_t *entry;
    while (!dump->report.is_stopped && (entry = entries_next(&reader)) != NULL) {
        index.file_pos = reader.file_pos - entry_bytes;
        if (may_have_zeros && is_zero(entry, entry_bytes)) {
            print_zeros(&index, &reader);
            break;
        }
        print(&index, entry);
        index.count++;
    }
    if (reader.has_failed)
        dump_failed(dump, &reader.detail);
    else if (reader.file_bytes % entry_bytes != 0)
        dump_fault(dump, reader.file_bytes - reader.file_bytes % entry_bytes,
                   "the file ends inside an entry");
    report_line(&dump->report, "%llu entries", (unsigned long long)index.count);
    entries_close(&reader);
}

static void expect_rising(struct index_dump *index, int64_t first, int64_t second)
{
    if (index->count > 0 && (first <= index->last_first || second <= index->last_second))
        dump_fault(index->dump, index->file_pos, "the entry does not rise above the one before");
    index->last_first = first;
    index->last_second = second;
}

/* A wrap-around (the name is from outside) must not be undefined. */
static long long absolute_offset(const struct index_dump *index, int32_t relative)
{
    uint64_t sum = (uint64_t)index->dump->name.offset + (uint64_t)(int64_t)relative;
    return (int64_t)sum;
}

static void print_offset_entry(struct index_dump *index, const uint8_t *entry)
{
    int32_t relative = weir_get_i32(entry);
    int32_t file_pos = weir_get_i32(entry + 4);
    report_line(&index->dump->report, "offset %lld at byte %d", absolute_offset(index, relative),
                file_pos);
    expect_rising(index, relative, file_pos);
}

static void print_time_entry(struct index_dump *index, const uint8_t *entry)
{
    char text[TIME_TEXT_BYTES];
    int64_t timestamp = weir_get_i64(entry);
    int32_t relative = weir_get_i32(entry + 8);
    report_line(&index->dump->report, "timestamp %lld (%s), offset %lld", (long long)timestamp,
                inspect_time_text(timestamp, text), absolute_offset(index, relative));
    expect_rising(index, timestamp, relative);
}

static void print_txn_entry(struct index_dump *index, const uint8_t *entry)
{
    int16_t version = weir_get_i16(entry);
    int64_t last_offset = weir_get_i64(entry + 18);
    report_line(&index->dump->report,
                "producer %lld aborted offsets %lld-%lld, last stable offset %lld",
                (long long)weir_get_i64(entry + 2), (long long)weir_get_i64(entry + 10),
                (long long)last_offset, (long long)weir_get_i64(entry + 26));
    if (version != 0)
        dump_fault(index->dump, index->file_pos, "the entry has version %d; only 0 is known",
                   version);
    expect_rising(index, last_offset, last_offset);
}

void dump_offset_index(struct dump *dump)
{
    dump_entries(dump, WEIR_OFFSET_INDEX_ENTRY_BYTES, true, print_offset_entry);
}

void dump_time_index(struct dump *dump)
{
    dump_entries(dump, WEIR_TIME_INDEX_ENTRY_BYTES, true, print_time_entry);
}

void dump_txn_index(struct dump *dump)
{
    dump_entries(dump, WEIR_TXN_INDEX_ENTRY_BYTES, false, print_txn_entry);
}

enum { AT_SNAPSHOT_CRC = 2, AT_SNAPSHOT_COUNT = 6, SNAPSHOT_HEADER_BYTES = 10 };

static void print_producer_entry(struct dump *dump, const uint8_t *at)
{
    char text[TIME_TEXT_BYTES];
    int64_t txn_first_offset = weir_get_i64(at + 38);
    weir_buf_printf(&dump->report.line,
                    "producer %lld epoch %d: last sequence %d, last offset %lld, offset delta %d, "
                    "last time %s, coordinator epoch %d",
                    (long long)weir_get_i64(at), weir_get_i16(at + 8), weir_get_i32(at + 10),
                    (long long)weir_get_i64(at + 14), weir_get_i32(at + 22),
                    inspect_time_text(weir_get_i64(at + 26), text), weir_get_i32(at + 34));
    if (txn_first_offset >= 0)
        weir_buf_printf(&dump->report.line, ", open transaction since offset %lld",
                        (long long)txn_first_offset);
    report_end_line(&dump->report);
}

static void print_snapshot(struct dump *dump, struct weir_slice bytes)
{
    if (bytes.size < SNAPSHOT_HEADER_BYTES) {
        dump_fault(dump, 0, "%zu bytes are too few for a snapshot", bytes.size);
        return;
    }
    int16_t version = weir_get_i16(bytes.data);
    uint32_t crc = weir_get_u32(bytes.data + AT_SNAPSHOT_CRC);
    int32_t count = weir_get_i32(bytes.data + AT_SNAPSHOT_COUNT);
    uint32_t right = weir_crc32c(bytes.data + AT_SNAPSHOT_COUNT, bytes.size - AT_SNAPSHOT_COUNT);
    report_line(&dump->report, "version %d, %d producers, crc %08x %s", version, count, crc,
                crc == right ? "ok" : "WRONG");
    if (version != 1)
        dump_fault(dump, 0, "the snapshot has version %d; only 1 is known", version);
    if (crc != right)
        dump_fault(dump, AT_SNAPSHOT_CRC, "the checksum is %08x and should be %08x", crc, right);
    size_t fit = (bytes.size - SNAPSHOT_HEADER_BYTES) / WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES;
    for (size_t i = 0; i < fit && !dump->report.is_stopped; i++)
        print_producer_entry(dump, bytes.data + SNAPSHOT_HEADER_BYTES +
                                       i * WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES);
    if (count < 0 || (size_t)count != fit ||
        (bytes.size - SNAPSHOT_HEADER_BYTES) % WEIR_PRODUCER_SNAPSHOT_ENTRY_BYTES != 0)
        dump_fault(dump, AT_SNAPSHOT_COUNT, "%d producers do not fit a file of %zu bytes", count,
                   bytes.size);
}

void dump_producer_snapshot(struct dump *dump)
{
    struct weir_detail detail = {{0}};
    struct weir_buf bytes;
    weir_buf_init(&bytes, 0);
    if (weir_file_read_all(dump->options->env, dump->path, INSPECT_TEXT_FILE_BYTES_MAX, &bytes,
                           &detail) != WEIR_OK)
        dump_failed(dump, &detail);
    else
        print_snapshot(dump, weir_buf_slice(&bytes));
    weir_buf_done(&bytes);
}
