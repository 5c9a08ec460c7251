/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this folder share. */

#include "weir/base/arena.h"
#include "weir/base/buf.h"
#include "weir/inspect/inspect.h"
#include "weir/protocol/record_types.h"
#include "weir/record/batch.h"
#include "weir/storage/topic_partition.h"

enum {
    INSPECT_PATH_BYTES = 4096,
    INSPECT_TEXT_FILE_BYTES_MAX = 64 << 20, /* checkpoints: a line per partition */
    INSPECT_BATCH_BYTES_MAX = 256 << 20     /* larger ones are not taken into memory */
};

/* --- Names (names.c) --- */

enum file_kind {
    FILE_UNKNOWN,
    FILE_LOG,
    FILE_OFFSET_INDEX,
    FILE_TIME_INDEX,
    FILE_TXN_INDEX,
    FILE_PRODUCER_SNAPSHOT,
    FILE_METADATA_SNAPSHOT, /* <offset>-<epoch>.checkpoint, bootstrap.checkpoint */
    FILE_OFFSET_CHECKPOINT,
    FILE_EPOCH_CHECKPOINT,
    FILE_PARTITION_METADATA,
    FILE_META_PROPERTIES,
    FILE_QUORUM_STATE,
    FILE_CLEAN_MARKER,
    FILE_LOCK
};

struct file_name {
    enum file_kind kind;
    bool has_offset;
    int64_t offset; /* from the name: base offset, or where a snapshot was taken */
    bool has_epoch;
    int32_t epoch;
    const char *leftover; /* ".deleted", ".cleaned", ".swap", ".part", ".tmp" behind it; "" */
};

/* name without its directory. */
void inspect_file_name_parse(const char *name, struct file_name *out);
const char *inspect_kind_name(enum file_kind kind);

/* The last part of a path, and the name of the directory before it ("" when there is none). */
const char *inspect_base_name(const char *path);
struct weir_slice inspect_parent_name(const char *path);
/* False when the path would be too long. */
bool inspect_join(char out[INSPECT_PATH_BYTES], const char *dir, const char *name);

/* --- Lines (report.c) --- */

struct report {
    weir_inspect_write *write;
    void *write_context;
    struct weir_buf line;
    bool is_stopped; /* write said so, or memory is out */
    bool is_out_of_memory;
    uint64_t fault_count;
    bool has_failed; /* a file that could not be read */
};

void report_init(struct report *report, weir_inspect_write *write, void *context);
void report_done(struct report *report);
/* Control bytes become '?'.  (What is printed of a file is escaped; but the words of a failure may
 * quote it.) */
void inspect_make_plain(uint8_t *text, size_t size);
/* Ends the line in report->line and hands it on. */
void report_end_line(struct report *report);
void report_line(struct report *report, const char *format, ...) WEIR_PRINTF(2, 3);
enum weir_inspect_result report_result(const struct report *report);

/* 2026-01-31T12:00:00.000Z, or the number when no calendar has it. */
#define TIME_TEXT_BYTES 40
const char *inspect_time_text(int64_t ms, char out[TIME_TEXT_BYTES]);

/* --- A log file, batch by batch (scan.c) --- */

enum scan_kind {
    SCAN_BATCH,  /* whole: checksum and counts are right */
    SCAN_BAD,    /* a batch whose place is known and whose content is wrong */
    SCAN_DAMAGE, /* bytes that are no batch */
    SCAN_TORN,   /* the file ends inside what may have been a batch */
    SCAN_ZEROS,  /* zeros up to the end of the file */
    SCAN_END,    /* of the file */
    SCAN_FAILED  /* a read failed: detail */
};

struct scan_item {
    enum scan_kind kind;
    uint64_t file_pos;
    uint64_t size;
    struct weir_batch batch;   /* BATCH (bytes too, until the next call) and BAD (no bytes) */
    struct weir_detail detail; /* what is wrong */
};

struct log_scan {
    struct weir_env *env;
    struct weir_file *file;
    uint64_t file_bytes;
    uint64_t file_pos;
    struct weir_buf bytes; /* of the batch */
    uint8_t *window;
    uint64_t window_pos;
    size_t window_size;
    uint64_t search_bytes_left; /* what looking for lost batches may still cost */
};

/* size_bytes: how far to look (a running broker appends). */
WEIR_MUST_CHECK enum weir_status scan_open(struct log_scan *scan, struct weir_env *env,
                                           const char *path, struct weir_detail *detail);
void scan_close(struct log_scan *scan);
/* False at SCAN_END and SCAN_FAILED. */
bool scan_next(struct log_scan *scan, struct scan_item *out);

/* --- Records in words (records.c) --- */

struct record_words {
    bool is_decoded; /* the topic's records are taken apart */
    enum weir_record_set set;
    size_t bytes_max;
    struct weir_arena arena;
    struct weir_buf text; /* of one record; bounded */
    bool is_consumer_group;
};

void record_words_init(struct record_words *words, struct weir_slice topic, size_t bytes_max);
void record_words_done(struct record_words *words);
/* Which set of records a topic holds; false for one that is not the broker's own. */
bool inspect_record_set(struct weir_slice topic, enum weir_record_set *out);

/* The record's key, value and headers to words->text (cleared first).  INVALID when a record of a
 * known type cannot be decoded: the text then has its bytes, detail why. */
WEIR_MUST_CHECK enum weir_status record_words_print(struct record_words *words,
                                                    const struct weir_batch *batch,
                                                    const struct weir_record *record,
                                                    struct weir_detail *detail);

/* --- Dump --- */

struct dump {
    const struct weir_dump_options *options;
    struct report report;
    const char *path;
    struct file_name name;
    size_t bytes_max;
};

void dump_log(struct dump *dump);               /* dump_log.c */
void dump_offset_index(struct dump *dump);      /* dump_index.c */
void dump_time_index(struct dump *dump);        /* dump_index.c */
void dump_txn_index(struct dump *dump);         /* dump_index.c */
void dump_producer_snapshot(struct dump *dump); /* dump_index.c */
void dump_text(struct dump *dump);              /* dump.c */
/* True when the readers of storage and quorum understand the file (also when it is not there). */
bool text_file_check(struct weir_env *env, const char *path, const struct file_name *name,
                     struct weir_detail *detail); /* text_files.c */
/* A line that says what is damaged, and where. */
void dump_fault(struct dump *dump, uint64_t file_pos, const char *format, ...) WEIR_PRINTF(3, 4);
void dump_failed(struct dump *dump, const struct weir_detail *detail);

/* --- Fixed-size entries of a file, in bounded memory (entries.c) --- */

struct entry_reader {
    struct weir_env *env;
    struct weir_file *file;
    uint64_t file_bytes;
    uint64_t file_pos; /* of the next entry */
    size_t entry_bytes;
    uint8_t buffer[16384];
    size_t buffer_at;
    size_t buffer_size;
    bool has_failed;
    struct weir_detail detail;
};

/* NOT_FOUND, IO_ERROR. */
WEIR_MUST_CHECK enum weir_status entries_open(struct entry_reader *reader, struct weir_env *env,
                                              const char *path, size_t entry_bytes,
                                              struct weir_detail *detail);
void entries_close(struct entry_reader *reader);
/* NULL at the end (a partial entry is left over) or after a failed read. */
const uint8_t *entries_next(struct entry_reader *reader);
